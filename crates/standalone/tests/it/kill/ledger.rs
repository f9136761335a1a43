//! Who sends what, what became of it as far as the sender can know, and what the reports must say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{Timelike as _, Utc};
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::sync::watch;

use crate::cli::process::{ADMIN_KEY, PATIENCE, Server};
use crate::house::FIREFOX;

/// Nobody's bots.
const AGENTS: [&str; 3] = [
    FIREFOX,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 \
     Mobile/15E148 Safari/604.1",
];

/// Random numbers that are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from `least` to `most`. (SplitMix64.)
    pub fn roll(&mut self, least: u64, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        least + (bits ^ (bits >> 31)) % (most - least + 1)
    }
}

/// The zone where it is noon: no visitor of a test becomes another one at midnight while it runs.
pub fn zone_at_noon() -> String {
    match 12 - i64::from(Utc::now().hour()) {
        // These names count westward.
        east @ 1.. => format!("Etc/GMT-{east}"),
        west => format!("Etc/GMT+{}", -west),
    }
}

/// What the senders know. An event's path is its own, and begins with its visitor's.
#[derive(Default)]
pub struct Ledger {
    /// Answered 202: must be in the store.
    pub accepted: BTreeSet<String>,
    /// Not answered: may be in the store.
    pub unknown: BTreeSet<String>,
    /// Anything else that was answered.
    pub others: BTreeMap<String, StatusCode>,
}

/// Machines that send as fast as they are answered, to wherever the house is now.
pub struct Senders {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Senders {
    pub fn start(count: u64, seed: u64, website: &str, house: &watch::Receiver<String>) -> Self {
        let (ledger, stop) = (Arc::default(), Arc::default());
        let tasks = (0..count)
            .map(|number| {
                let sender = Sender {
                    number,
                    website: website.to_owned(),
                    house: house.clone(),
                    ledger: Arc::clone(&ledger),
                    stop: Arc::clone(&stop),
                };
                tokio::spawn(sender.run(Dice::new(seed + number)))
            })
            .collect();
        Self { ledger, stop, tasks }
    }

    /// How many events were accepted so far.
    pub fn accepted(&self) -> usize {
        self.ledger.lock().unwrap().accepted.len()
    }

    /// Waits until they have been answered 202 once more.
    pub async fn accepted_once_more(&self) {
        let (before, deadline) = (self.accepted(), Instant::now() + PATIENCE);
        while self.accepted() <= before {
            assert!(Instant::now() < deadline, "nothing is accepted any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets them finish what they are sending.
    pub async fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::Release);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.ledger.lock().unwrap())
    }
}

struct Sender {
    number: u64,
    website: String,
    house: watch::Receiver<String>,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
}

impl Sender {
    async fn run(mut self, mut dice: Dice) {
        let client = Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
        for visitor in 0.. {
            let agent = AGENTS[dice.roll(0, 2) as usize];
            let address = format!("10.{}.{}.{}", self.number, visitor / 250, visitor % 250 + 1);
            for event in 0..dice.roll(1, 6) {
                if self.stop.load(Ordering::Acquire) {
                    return;
                }
                let path = format!("/{}-{visitor}/{event}", self.number);
                let url = self.house.borrow_and_update().clone();
                let body = json!({
                    "website_id": self.website, "event_type": "page_view", "path": path,
                    "url": format!("https://kill.example{path}"), "event_id": path,
                });
                let request = client.post(format!("{url}/api/v1/collect")).json(&body);
                let request = request.header("x-forwarded-for", &address).header("user-agent", agent);
                // Never sent again: whether it was stored is for the store to say.
                let answer = request.send().await.map(|response| response.status());
                let is_lost = answer.is_err();
                {
                    let mut ledger = self.ledger.lock().unwrap();
                    match answer {
                        Ok(StatusCode::ACCEPTED) => drop(ledger.accepted.insert(path)),
                        Ok(other) => drop(ledger.others.insert(path, other)),
                        Err(_) => drop(ledger.unknown.insert(path)),
                    }
                }
                if is_lost {
                    // The house is gone; the next one tells where it is, or that it is over.
                    let _ = tokio::time::timeout(Duration::from_secs(5), self.house.changed()).await;
                }
            }
        }
    }
}

/// Everything that the pages report knows: page views by path.
pub async fn stored(server: &Server, key: &str, website: &str) -> BTreeMap<String, u64> {
    let mut stored = BTreeMap::new();
    for page in 1.. {
        let query = format!("pages?period=today&per_page=500&page={page}");
        let data = server.report(key, website, &query).await;
        let rows = data["rows"].as_array().unwrap();
        for row in rows {
            assert_eq!(row["uniquePageviews"], row["pageviews"], "nobody sees a page twice: {row}");
            let path = row["path"].as_str().unwrap().to_owned();
            assert_eq!(stored.insert(path, row["pageviews"].as_u64().unwrap()), None, "{row}");
        }
        if rows.len() < 500 {
            break;
        }
    }
    stored
}

/// The summary that these page views of these visitors make: each visitor came once, and saw each page once.
pub fn recount(stored: &BTreeMap<String, u64>) -> BTreeMap<&'static str, f64> {
    let mut views: BTreeMap<&str, u64> = BTreeMap::new();
    for path in stored.keys() {
        *views.entry(path.rsplit_once('/').unwrap().0).or_default() += 1;
    }
    let visits = views.len() as u64;
    let bounces = views.values().filter(|views| **views == 1).count() as u64;
    // Half away from zero, to one decimal.
    let bounce_rate = ((bounces * 1000 * 2 + visits) / (2 * visits)) as f64 / 10.0;
    BTreeMap::from([
        ("visits", visits as f64),
        ("unique_visitors", visits as f64),
        ("pageviews", stored.len() as f64),
        ("bounce_rate", bounce_rate),
    ])
}

/// Every event that was accepted is in the store, once; nothing else is but what was not answered; and the rollup and the
/// sessions are those of a life without accidents.
pub async fn assert_exactly_once(server: &Server, website: &str, ledger: &Ledger) {
    println!("{} accepted, {} not answered", ledger.accepted.len(), ledger.unknown.len());
    assert!(ledger.accepted.len() > 500, "too few to mean anything: {}", ledger.accepted.len());
    assert!(ledger.others.is_empty(), "refused: {:?}", ledger.others);

    let stored = stored(server, ADMIN_KEY, website).await;
    let lost: Vec<_> = ledger.accepted.iter().filter(|path| !stored.contains_key(*path)).collect();
    assert!(
        lost.is_empty(),
        "{} accepted events are not in the store: {:?}…",
        lost.len(),
        &lost[..lost.len().min(9)]
    );
    let doubled: Vec<_> = stored.iter().filter(|(_, views)| **views != 1).collect();
    assert!(
        doubled.is_empty(),
        "{} events are not stored exactly once: {:?}…",
        doubled.len(),
        &doubled[..doubled.len().min(9)]
    );
    let sent = |path: &String| ledger.accepted.contains(path) || ledger.unknown.contains(path);
    assert!(stored.keys().all(sent), "something is stored that nobody sent");
    // The rollup and the sessions went through the same accidents.
    for (metric, expected) in recount(&stored) {
        let value = server.summary(ADMIN_KEY, website, "period=today", metric).await;
        assert!((value - expected).abs() < 0.01, "{metric} is {value}, and {expected} when counted again");
    }
}
