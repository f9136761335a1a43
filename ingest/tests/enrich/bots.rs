//! Machines are found by the list, by what their headers say, and by spam; people and forwarded events never.

use ingest::enrich::recognise::{Recogniser, bot_reason};
use ingest::hit::Sent;
use serde_json::Value;

use crate::world::collection;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36";

fn reason(sent: Option<&Sent>) -> Option<&'static str> {
    Recogniser::default().recognise(CHROME, sent, false).bot_reason
}

#[test]
fn a_request_for_what_nobody_asked_for_is_no_view() {
    for (purpose, expected) in [
        ("prefetch", "prefetched"),
        ("prefetch;anonymous-client-ip", "prefetched"),
        ("prefetch;prerender", "prerendered"),
        ("Preview", "previewed"),
    ] {
        let sent = Sent { purpose: Some(purpose.to_owned()), ..Sent::default() };
        assert_eq!(reason(Some(&sent)), Some(expected), "{purpose}");
    }
    let sent = Sent { purpose: Some("navigate".to_owned()), ..Sent::default() };
    assert_eq!(reason(Some(&sent)), None);
}

#[test]
fn a_brand_without_a_window_and_a_from_header_are_machines() {
    let headless = Sent {
        brands: Some(r#""Not;A=Brand";v="99", "HeadlessChrome";v="124", "Chromium";v="124""#.to_owned()),
        ..Sent::default()
    };
    assert_eq!(reason(Some(&headless)), Some("headless browser in the hints"));
    assert_eq!(reason(Some(&Sent { has_from: true, ..Sent::default() })), Some("From header"));
}

#[test]
fn what_a_request_lacks_convicts_nobody() {
    // A server that forwards its visitors' user agent, a browser on an insecure page, `curl -A`.
    assert_eq!(reason(Some(&Sent::default())), None);
    assert_eq!(reason(None), None);
}

#[test]
fn the_name_goes_before_the_headers_and_these_before_the_referrer() {
    let recogniser = Recogniser::default();
    let from = Sent { has_from: true, ..Sent::default() };
    assert_eq!(recogniser.recognise("curl/8.5.0", Some(&from), true).bot_reason, Some("curl"));
    assert_eq!(recogniser.recognise(CHROME, Some(&from), true).bot_reason, Some("From header"));
    assert_eq!(recogniser.recognise(CHROME, Some(&Sent::default()), true).bot_reason, Some("spam referrer"));
    assert_eq!(recogniser.recognise(CHROME, None, true).bot_reason, Some("spam referrer"));
}

#[test]
fn at_least_99_in_100_known_crawlers_are_bots() {
    let Some(path) = collection("user-agents/crawler-user-agents.json") else { return };
    let crawlers: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let agents: Vec<&str> = crawlers
        .iter()
        .filter_map(|crawler| crawler["instances"].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    assert!(agents.len() > 1_000);
    let missed: Vec<_> = agents.iter().filter(|agent| bot_reason(agent, false).is_none()).collect();
    assert!((agents.len() - missed.len()) * 100 >= agents.len() * 99, "missed: {missed:#?}");
}
