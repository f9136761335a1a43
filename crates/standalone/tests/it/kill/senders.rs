//! Machines that send to a house, note what they were answered, and never send anything again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::ledger::{Dice, Ledger};
use crate::cli::process::{ADMIN_KEY, PATIENCE};
use crate::house::FIREFOX;

/// Nobody's bots.
const AGENTS: [&str; 3] = [
    FIREFOX,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 \
     Mobile/15E148 Safari/604.1",
];

/// Of the machines one in so many is a server that relays batches; the others are browsers.
const A_SERVER_IN: u64 = 4;

/// Visitors in a batch: about seventy events.
const VISITORS: u64 = 20;

/// The least time between a browser's requests. Sixteen machines make 2,000 events a second at these paces and leave a
/// small machine room for the house.
const BROWSERS_PACE: Duration = Duration::from_millis(30);

/// The least time between a server's batches.
const SERVERS_PACE: Duration = Duration::from_millis(150);

/// A batch of which only a part was taken; nobody knows which.
pub const PARTLY: StatusCode = StatusCode::MULTI_STATUS;

/// Machines that send to wherever the house is now.
pub struct Senders {
    ledger: Arc<Mutex<Ledger>>,
    sent: Arc<AtomicU64>,
    rest: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    began: Instant,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Senders {
    pub fn start(count: u64, seed: u64, website: &str, house: &watch::Receiver<String>) -> Self {
        let (ledger, sent) = (Arc::default(), Arc::default());
        let (rest, stop) = (Arc::default(), Arc::default());
        let tasks = (0..count)
            .map(|number| {
                let sender = Sender {
                    number,
                    website: website.to_owned(),
                    house: house.clone(),
                    ledger: Arc::clone(&ledger),
                    sent: Arc::clone(&sent),
                    rest: Arc::clone(&rest),
                    stop: Arc::clone(&stop),
                    client: Client::builder().timeout(Duration::from_mins(1)).build().unwrap(),
                };
                tokio::spawn(sender.run(Dice::new(seed + number)))
            })
            .collect();
        Self { ledger, sent, rest, stop, began: Instant::now(), tasks }
    }

    /// How many events were accepted so far.
    pub fn accepted(&self) -> usize {
        self.ledger.lock().unwrap().accepted.len()
    }

    /// A number that is never below the events that have left them so far.
    pub fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// They send nothing more for a while, or go on.
    pub fn rest(&self, rest: bool) {
        self.rest.store(rest, Ordering::Release);
    }

    /// Waits until they have been accepted once more.
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
        let time = self.began.elapsed();
        for task in self.tasks {
            task.await.unwrap();
        }
        let ledger = std::mem::take(&mut *self.ledger.lock().unwrap());
        Ledger { time, ..ledger }
    }
}

/// A page view that is on its way.
struct View {
    path: String,
    address: String,
    agent: &'static str,
}

struct Sender {
    number: u64,
    website: String,
    house: watch::Receiver<String>,
    ledger: Arc<Mutex<Ledger>>,
    sent: Arc<AtomicU64>,
    rest: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    client: Client,
}

impl Sender {
    async fn run(mut self, mut dice: Dice) {
        let is_server = self.number % A_SERVER_IN == A_SERVER_IN - 1;
        let mut pace = interval(if is_server { SERVERS_PACE } else { BROWSERS_PACE });
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for turn in 0.. {
            let visitors = if is_server { turn * VISITORS..(turn + 1) * VISITORS } else { turn..turn + 1 };
            let views: Vec<View> = visitors.flat_map(|visitor| self.views(visitor, &mut dice)).collect();
            for views in views.chunks(if is_server { usize::MAX } else { 1 }) {
                pace.tick().await;
                while self.rest.load(Ordering::Acquire) && !self.stop.load(Ordering::Acquire) {
                    pace.tick().await;
                }
                if self.stop.load(Ordering::Acquire) {
                    return;
                }
                self.send(is_server, views).await;
            }
        }
    }

    /// What a visitor looks at.
    fn views(&self, visitor: u64, dice: &mut Dice) -> Vec<View> {
        let agent = AGENTS[dice.roll(0, 2) as usize];
        let address = format!("10.{}.{}.{}", self.number, visitor / 250, visitor % 250 + 1);
        (0..dice.roll(1, 6))
            .map(|event| View {
                path: format!("/{}-{visitor}/{event}", self.number),
                address: address.clone(),
                agent,
            })
            .collect()
    }

    /// Sends them in one request, and never again: whether they were stored is for the store to say.
    async fn send(&mut self, is_server: bool, views: &[View]) {
        let url = self.house.borrow_and_update().clone();
        self.sent.fetch_add(views.len() as u64, Ordering::SeqCst);
        let answer =
            if is_server { self.relay(&url, views).await } else { self.collect(&url, &views[0]).await };
        {
            let mut ledger = self.ledger.lock().unwrap();
            let paths = views.iter().map(|view| view.path.clone());
            match answer {
                Ok(StatusCode::ACCEPTED) => ledger.accepted.extend(paths),
                Ok(other) => ledger.others.extend(paths.map(|path| (path, other))),
                Err(()) => ledger.unknown.extend(paths),
            }
        }
        if answer.is_err() {
            // The house is gone; the next one tells where it is, or that it is over.
            let _ = tokio::time::timeout(Duration::from_secs(5), self.house.changed()).await;
        }
    }

    /// As a browser does.
    async fn collect(&self, url: &str, view: &View) -> Result<StatusCode, ()> {
        let body = json!({
            "website_id": self.website, "event_type": "page_view", "path": view.path,
            "url": format!("https://kill.example{}", view.path), "event_id": view.path,
        });
        let request = self.client.post(format!("{url}/api/v1/collect")).json(&body);
        let request = request.header("x-forwarded-for", &view.address).header("user-agent", view.agent);
        request.send().await.map(|response| response.status()).map_err(drop)
    }

    /// As a server does, in bitcain's dialect.
    async fn relay(&self, url: &str, views: &[View]) -> Result<StatusCode, ()> {
        let events: Vec<Value> = views
            .iter()
            .map(|view| {
                json!({
                    "event_name": "page_view", "category": "page_view", "user_agent": view.agent,
                    "page_url": format!("https://kill.example{}", view.path),
                    "properties": { "ip": view.address },
                })
            })
            .collect();
        let request = self.client.post(format!("{url}/api/v1/analytics/batch"));
        let request = request.bearer_auth(ADMIN_KEY).header("x-website-id", &self.website);
        let response = request.json(&json!({ "events": events })).send().await.map_err(drop)?;
        if response.status() != StatusCode::OK {
            return Ok(response.status());
        }
        // An answer that breaks off tells nothing.
        let answer: Value = response.json().await.map_err(drop)?;
        Ok(if answer["events_queued"] == json!(views.len()) { StatusCode::ACCEPTED } else { PARTLY })
    }
}
