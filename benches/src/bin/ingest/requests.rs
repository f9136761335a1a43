//! The requests: what browsers send one by one, and what a server sends by the hundred.

use benches::traffic::{Sent, Shape, Traffic};
use directory::Website;
use serde_json::json;
use std::sync::Arc;

/// 2026-01-05, a Monday; only its shape is used, events happen when they are sent.
const FIRST_DAY: u16 = 20_458;

/// Events of a batch.
pub const BATCH: usize = 100;

/// So many different events are sent, again and again.
const EVENTS: u64 = 20_000;

/// The requests of both kinds.
pub struct Requests {
    /// One event each, as a browser behind a proxy sends them.
    pub single: Vec<Vec<u8>>,
    /// [`BATCH`] events each, as a server sends them with a key.
    pub batches: Vec<Vec<u8>>,
}

/// Makes them, for websites in the place of the traffic's.
pub fn make(websites: &[Arc<Website>], key: &str) -> Requests {
    let shape = Shape { seed: 1, events: EVENTS, days: 1, first_day: FIRST_DAY };
    let events = Traffic::new(shape).next_day().unwrap_or_default();
    let at = |sent: &Sent| {
        let number = sent.event.hostname.trim_start_matches("site-").trim_end_matches(".example");
        number.parse::<usize>().ok().and_then(|number| websites.get(number))
    };
    let single = events.iter().filter_map(|sent| Some(single(sent, at(sent)?))).collect();
    let batches = events.chunks_exact(BATCH).map(|events| batch(events, key)).collect();
    Requests { single, batches }
}

/// An address for the visitor: of those that are for documentation and benchmarks.
fn address(sent: &Sent) -> String {
    let bytes = sent.event.visitor_id.to_be_bytes();
    format!("198.{}.{}.{}", 18 + bytes[0] % 2, bytes[1], bytes[2])
}

fn single(sent: &Sent, website: &Website) -> Vec<u8> {
    let body = sent.body().replace(&sent.event.website_id().to_string(), &website.id.to_string());
    let language = &sent.event.language;
    let hints = if sent.user_agent.contains("Chrome/") {
        "sec-ch-ua: \"Chromium\";v=\"126\", \"Google Chrome\";v=\"126\", \"Not-A.Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Windows\"\r\n"
    } else {
        ""
    };
    let head = format!(
        "POST /api/v1/collect HTTP/1.1\r\nhost: stats.example\r\nuser-agent: {}\r\nx-forwarded-for: {}\r\n\
         accept: */*\r\naccept-language: {language},en;q=0.8\r\naccept-encoding: gzip, deflate, br, zstd\r\n\
         content-type: application/json\r\norigin: https://{}\r\nreferer: https://{}/\r\n{hints}\
         sec-fetch-dest: empty\r\nsec-fetch-mode: cors\r\nsec-fetch-site: cross-site\r\n\
         content-length: {}\r\n\r\n",
        sent.user_agent,
        address(sent),
        sent.event.hostname,
        sent.event.hostname,
        body.len(),
    );
    (head + &body).into_bytes()
}

/// The key is good for one website.
fn batch(events: &[Sent], key: &str) -> Vec<u8> {
    let events: Vec<_> = events
        .iter()
        .map(|sent| {
            let event = &sent.event;
            let name = if event.event_name.is_empty() { &event.event_type } else { &event.event_name };
            json!({
                "event_name": name,
                "page_url": format!("https://{}{}", event.hostname, event.path),
                "referrer": format!("https://{}/", event.referrer),
                "user_agent": sent.user_agent,
                "properties": { "ip": address(sent) },
            })
        })
        .collect();
    let body = json!({ "events": events }).to_string();
    let head = format!(
        "POST /api/v1/analytics/batch HTTP/1.1\r\nhost: stats.example\r\nuser-agent: shop/1.0\r\n\
         authorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len(),
    );
    (head + &body).into_bytes()
}
