//! Who sends what, what became of it as far as the sender can know, and what the reports must say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{Timelike as _, Utc};
use reqwest::StatusCode;

use super::store::Store;
use crate::cli::process::{ADMIN_KEY, Folder, Server};

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

/// Another number, other moments. `scripts/crash-test` gives one for each of its rounds.
pub fn seed() -> u64 {
    std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_302)
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
    /// Answered that it is stored: must be in the store.
    pub accepted: BTreeSet<String>,
    /// Not answered: may be in the store.
    pub unknown: BTreeSet<String>,
    /// Anything else that was answered. May be in the store: a broker that was too slow to say so may have it.
    pub others: BTreeMap<String, StatusCode>,
    /// How long they have sent.
    pub time: Duration,
}

impl Ledger {
    /// Accepted events per second, with all the time in which there was nobody to accept them.
    pub fn rate(&self) -> f64 {
        self.accepted.len() as f64 / self.time.as_secs_f64()
    }

    fn knows(&self, path: &str) -> bool {
        self.accepted.contains(path) || self.unknown.contains(path) || self.others.contains_key(path)
    }
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

/// Every event that was accepted is in the store, once; nothing else is but what was not answered; and the rollups and the
/// sessions are those of a life without accidents.
pub async fn assert_exactly_once(folder: &Folder, server: &Server, website: &str, ledger: &Ledger) {
    assert_exactly_once_but(&[], folder, server, website, ledger).await;
}

/// The same where a sender may also have been answered one of these.
pub async fn assert_exactly_once_but(
    answers: &[StatusCode],
    folder: &Folder,
    server: &Server,
    website: &str,
    ledger: &Ledger,
) {
    let (accepted, rate) = (ledger.accepted.len(), ledger.rate());
    let (unknown, others) = (ledger.unknown.len(), ledger.others.len());
    println!("{accepted} events accepted ({rate:.0}/s), {unknown} not answered, {others} refused");
    assert!(accepted > 500, "too few to mean anything: {accepted}");
    let refused: Vec<_> = ledger.others.iter().filter(|(_, status)| !answers.contains(status)).collect();
    assert!(refused.is_empty(), "{} were refused: {:?}…", refused.len(), &refused[..refused.len().min(9)]);

    let store = Store::of(folder);
    let stored = store.events(website).await;
    let letters = store.dead_letters(website).await;
    let is_kept = |path: &String| stored.contains_key(path) || letters.contains_key(path);
    let lost: Vec<_> = ledger.accepted.iter().filter(|path| !is_kept(path)).collect();
    let doubled: Vec<_> = stored
        .iter()
        .chain(&letters)
        .filter(|(path, times)| **times != 1 || stored.contains_key(*path) && letters.contains_key(*path))
        .collect();
    println!("{} lost, {} doubled, {} dead letters", lost.len(), doubled.len(), letters.len());
    assert!(
        lost.is_empty(),
        "{} accepted events are not in the store: {:?}…",
        lost.len(),
        &lost[..lost.len().min(9)]
    );
    assert!(
        doubled.is_empty(),
        "{} events are not stored exactly once: {:?}…",
        doubled.len(),
        &doubled[..doubled.len().min(9)]
    );
    let strange: Vec<_> = stored.keys().chain(letters.keys()).filter(|path| !ledger.knows(path)).collect();
    assert!(strange.is_empty(), "something is stored that nobody sent: {strange:?}");
    // The rollups and the sessions went through the same accidents.
    store.assert_rollups_are_recounts().await;
    for (metric, expected) in recount(&stored) {
        let value = server.summary(ADMIN_KEY, website, "period=today", metric).await;
        assert!((value - expected).abs() < 0.01, "{metric} is {value}, and {expected} when counted again");
    }
    assert_pages(server, website, &stored).await;
}

/// The pages report knows them too. Its first pages: all of them would take longer than the accidents.
async fn assert_pages(server: &Server, website: &str, stored: &BTreeMap<String, u64>) {
    let mut seen = BTreeSet::new();
    for page in 1..=4 {
        let query = format!("pages?period=today&per_page=500&page={page}");
        let data = server.report(ADMIN_KEY, website, &query).await;
        for row in data["rows"].as_array().unwrap() {
            let path = row["path"].as_str().unwrap();
            assert_eq!((&row["pageviews"], &row["uniquePageviews"]), (&1.into(), &1.into()), "{row}");
            assert!(stored.contains_key(path) && seen.insert(path.to_owned()), "{row}");
        }
    }
    assert_eq!(seen.len(), stored.len().min(2_000));
}
