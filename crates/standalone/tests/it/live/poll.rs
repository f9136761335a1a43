//! One who asks for totals again and again: numbers that only grow, in every place where they can be asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clickhouse::Client;
use reqwest::StatusCode;
use schema::store::StoreUrl;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::process::ADMIN_KEY;

/// Sums of a website over the readers' views: of page views, and of visits, of which there are never more.
const QUESTIONS: [(&str, &str); 9] = [
    ("events", "SELECT count() FROM events WHERE website_id = {site:UUID}"),
    ("pages", "SELECT toUInt64(sum(pageviews)) FROM pages WHERE website_id = {site:UUID}"),
    ("site_totals", "SELECT toUInt64(sum(pageviews)) FROM site_totals WHERE website_id = {site:UUID}"),
    ("sources", "SELECT toUInt64(sum(visits)) FROM sources WHERE website_id = {site:UUID}"),
    ("event_types", "SELECT toUInt64(sum(events)) FROM event_types WHERE website_id = {site:UUID}"),
    ("strange_pages", "SELECT toUInt64(sum(pageviews)) FROM strange_pages WHERE website_id = {site:UUID}"),
    ("strange_totals", "SELECT toUInt64(sum(events)) FROM strange_totals WHERE website_id = {site:UUID}"),
    (
        "strange_totals_visits",
        "SELECT toUInt64(sum(visits)) FROM strange_totals WHERE website_id = {site:UUID}",
    ),
    ("strange_sources", "SELECT toUInt64(sum(visits)) FROM strange_sources WHERE website_id = {site:UUID}"),
];

/// What it saw.
#[derive(Default)]
pub struct Seen {
    /// How often it got a number, by place.
    pub polls: BTreeMap<String, u64>,
    /// Numbers that cannot have been true, with their story.
    pub untrue: Vec<String>,
    last: BTreeMap<String, u64>,
}

impl Seen {
    /// A number: never less than before, nor than what was settled, and never more than was sent.
    fn is(&mut self, place: &str, value: u64, floor: u64, sent: u64) {
        *self.polls.entry(place.to_owned()).or_default() += 1;
        let last = self.last.insert(place.to_owned(), value).unwrap_or_default();
        if value < last || value < floor || value > sent {
            self.untrue.push(format!("{place}: {value} after {last}; {floor} were settled, {sent} sent"));
        }
    }
}

/// One who asks until it is told to stop.
pub struct Poller {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Poller {
    /// `sent`: how many events left the senders. `settled`: how many are known to be loaded.
    pub fn start(
        store: &StoreUrl,
        website: &str,
        house: &watch::Receiver<String>,
        sent: &Arc<AtomicU64>,
        settled: &Arc<AtomicU64>,
    ) -> Self {
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let asker = Asker {
            client: store.client(),
            website: website.to_owned(),
            house: house.clone(),
            sent: Arc::clone(sent),
            settled: Arc::clone(settled),
            seen: Arc::clone(&seen),
            stop: Arc::clone(&stop),
        };
        let tasks = vec![tokio::spawn(asker.clone().ask_the_store()), tokio::spawn(asker.ask_the_api())];
        Self { seen, stop, tasks }
    }

    pub async fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Release);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

#[derive(Clone)]
struct Asker {
    client: Client,
    website: String,
    house: watch::Receiver<String>,
    sent: Arc<AtomicU64>,
    settled: Arc<AtomicU64>,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
}

impl Asker {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Acquire)
    }

    async fn ask_the_store(self) {
        while self.goes_on() {
            for (place, sql) in QUESTIONS {
                let is_visits = sql.contains("(visits)");
                let floor = if is_visits { 0 } else { self.settled.load(Ordering::SeqCst) };
                let answer = self.client.query(sql).param("site", &self.website).fetch_one::<u64>().await;
                let sent = self.sent.load(Ordering::SeqCst);
                let mut seen = self.seen.lock().unwrap();
                match answer {
                    Ok(value) => seen.is(place, value, floor, sent),
                    // Before it is whole for the first time nobody can ask it.
                    Err(error) if error.to_string().contains("UNKNOWN_TABLE") => {
                        if seen.last.contains_key(place) {
                            seen.untrue.push(format!("{place} was gone: {error}"));
                        }
                    }
                    Err(error) => seen.untrue.push(format!("{place}: {error}")),
                }
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    async fn ask_the_api(self) {
        let client = reqwest::Client::new();
        while self.goes_on() {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let url = self.house.borrow().clone();
            let path = format!("/api/v1/reports/summary?period=today&website_id={}", self.website);
            let request = client.get(format!("{url}{path}")).header("x-api-key", ADMIN_KEY);
            let floor = self.settled.load(Ordering::SeqCst);
            // The house may be dead just now.
            let Ok(answer) = request.send().await else { continue };
            let (status, headers) = (answer.status(), answer.headers().clone());
            let Ok(body) = answer.json::<Value>().await else { continue };
            let sent = self.sent.load(Ordering::SeqCst);
            let mut seen = self.seen.lock().unwrap();
            if status != StatusCode::OK {
                seen.untrue.push(format!("the API answered {status}: {body}"));
                continue;
            }
            let source =
                headers.get("x-footfall-source").and_then(|value| value.to_str().ok()).unwrap_or("?");
            *seen.polls.entry(format!("API from {source}")).or_default() += 1;
            for (metric, floor) in [("pageviews", floor), ("visits", 0), ("unique_visitors", 0)] {
                let value = body["data"]["metrics"][metric]["value"].as_f64().unwrap_or(-1.0);
                seen.is(&format!("API {metric}"), value as u64, floor, sent);
            }
        }
    }
}
