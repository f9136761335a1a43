//! Whatever comes in: the published refusal, never a failure of ours, never a lost neighbour.

use bytes::Bytes;
use futures::future::join_all;
use futures::stream;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::house::{House, Site, ann, assert_refused, at, house};

/// Bodies that are nobody's event, each with what is wrong with it.
fn bad_bodies(site: &Site<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let with = |fields: Value| site.view_with(fields).to_string().into_bytes();
    let raw = |field: &str, value: &str| {
        let event = site.view_with(json!({ field: "@" })).to_string();
        event.replace("\"@\"", value).into_bytes()
    };
    let nested = |open: &str, close: &str, levels| format!("{}{}", open.repeat(levels), close.repeat(levels));
    let mut long = "https://example.com/".to_owned();
    long.push_str(&"x".repeat(8_192));
    vec![
        ("an empty body", Vec::new()),
        ("white space", b" \n".to_vec()),
        ("half an object", b"{\"website_id\":".to_vec()),
        ("no JSON", b"website_id=1".to_vec()),
        ("a number", b"5".to_vec()),
        ("a text", b"\"x\"".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("an event in a list", format!("[{}]", site.view("/")).into_bytes()),
        ("an empty object", b"{}".to_vec()),
        ("two events", format!("{0}{0}", site.view("/")).into_bytes()),
        (
            "bytes that are no UTF-8",
            raw("referrer", "\"@\"").iter().map(|b| if *b == b'@' { 0xff } else { *b }).collect(),
        ),
        ("half a surrogate pair", raw("path", r#""/\ud800""#)),
        ("a raw NUL in a text", raw("path", "\"/\0\"")),
        ("a field twice", raw("path", r#""/","path":"/other""#)),
        ("10,000 levels of lists", nested("[", "]", 10_000).into_bytes()),
        ("10,000 levels in properties", raw("properties", &nested("{\"a\":", "", 10_000).replace('}', ""))),
        (
            "10,000 closed levels in properties",
            raw("properties", &format!("{{\"a\":{}}}", nested("[", "]", 10_000))),
        ),
        ("17 levels in properties", raw("properties", &format!("{{\"a\":{}}}", nested("[", "]", 16)))),
        ("properties beyond 16 kB", with(json!({ "properties": { "text": "x".repeat(16 * 1024) } }))),
        ("a website that is no UUID", with(json!({ "website_id": "1" }))),
        ("a website with SQL", with(json!({ "website_id": "' OR 1=1 --" }))),
        ("no URL", with(json!({ "url": "what?" }))),
        ("a URL without a host", with(json!({ "url": "data:text/html,x" }))),
        ("a URL of a file", with(json!({ "url": "file:///etc/passwd" }))),
        ("a URL with a broken host", with(json!({ "url": "https://[::1/" }))),
        ("a URL with a broken port", with(json!({ "url": "https://example.com:99999/" }))),
        ("a relative URL", with(json!({ "url": "/pricing" }))),
        ("a long URL", with(json!({ "url": long }))),
        ("a path without a slash", with(json!({ "path": "pricing" }))),
        ("a long path", with(json!({ "path": format!("/{}", "x".repeat(4_096)) }))),
        ("a long type", with(json!({ "event_type": "x".repeat(201) }))),
        ("a long name", with(json!({ "event_name": "x".repeat(201) }))),
        ("a long referrer", with(json!({ "referrer": "x".repeat(8_193) }))),
        ("a long UTM value", with(json!({ "utm_term": "x".repeat(501) }))),
        ("a long event id", with(json!({ "event_id": "x".repeat(501) }))),
        ("a number beyond all numbers", raw("screen_width", "1e999")),
        ("a number that is none", raw("screen_width", "NaN")),
        ("an endless number", raw("screen_width", "Infinity")),
        ("a number beyond all numbers in properties", raw("properties", "{\"a\":-1e999}")),
    ]
}

/// Bodies that are larger than a collector takes.
fn large_bodies(site: &Site<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let with = |fields: Value| site.view_with(fields).to_string().into_bytes();
    vec![
        ("2 MB of nothing", vec![b' '; 2 << 20]),
        ("2 MB of text", vec![b'x'; 2 << 20]),
        ("a path of 100 kB", with(json!({ "path": format!("/{}", "x".repeat(100_000)) }))),
        ("1 MB of properties", with(json!({ "properties": { "text": "x".repeat(1 << 20) } }))),
    ]
}

#[tokio::test]
async fn a_bad_body_is_refused_in_the_published_form() {
    let house = house().await;
    let site = house.site().await;
    for (what, body) in bad_bodies(&site) {
        let response = house.collect(&ann(), body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{what}");
        let message = assert_refused(response, 400, "INVALID_PAYLOAD").await;
        assert!(message.len() < 20_000, "{what}");
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn a_large_body_is_refused_whether_its_size_is_announced_or_not() {
    let house = house().await;
    let site = house.site().await;
    for (what, body) in large_bodies(&site) {
        let pieces: Vec<_> =
            body.chunks(50_000).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        for body in [Body::from(body), Body::wrap_stream(stream::iter(pieces))] {
            let response = house.collect(&ann(), body).send().await.expect(what);
            assert_refused(response, 413, "INVALID_PAYLOAD").await;
        }
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn what_is_odd_but_within_bounds_is_stored_as_it_is() {
    let house = house().await;
    let site = house.site().await;
    let odd = [
        json!({ "path": "/a\u{0}b" }),
        json!({ "path": "/\u{202e}\u{1f4a9}'\"\\\t" }),
        json!({ "path": format!("/{}", "x".repeat(4_095)) }),
        json!({ "screen_width": 1e308, "screen_height": -5 }),
        json!({ "screen_width": -0.0 }),
        json!({ "referrer": "not a URL", "utm_source": "\u{0}" }),
        json!({ "url": "https://user:pw@[2001:db8::1]:8443/?utm_source=%FF%00#x" }),
        json!({ "properties": { "": null, "huge": 123_456_789_012_345_678_u64, "deep": [[[[{ "a": [] }]]]] } }),
        json!({ "event_type": "\u{0}\u{feff}" }),
        json!({ "unknown": { "field": [1, 2, 3] } }),
    ];
    for event in &odd {
        assert_eq!(house.send(&ann(), &site.view_with(event.clone())).await, 202, "{event}");
    }
    let rows = site.rows().await;
    assert_eq!(rows.len(), odd.len());
    let given: Vec<_> = odd.iter().filter_map(|event| event["path"].as_str()).collect();
    let stored: Vec<_> = rows.iter().map(|row| row.path.as_str()).filter(|path| *path != "/").collect();
    assert_eq!(sorted(stored), sorted(given));
    assert_eq!(house.dead_letters().await, []);
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

#[tokio::test]
async fn a_method_that_is_not_published_is_refused_in_the_published_form() {
    let house = house().await;
    for path in ["/api/v1/collect", "/api/v1/import"] {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            let response = house.request(method, path).send().await.unwrap();
            assert_refused(response, 405, "NOT_FOUND").await;
        }
    }
}

#[tokio::test]
async fn a_path_that_is_not_published_is_refused_in_the_published_form() {
    let house = house().await;
    for path in ["/", "/api/v1", "/api/v1/collect/", "/api/v1/collect/x", "/api/v1/importx", "/js/other.js"] {
        for method in [Method::GET, Method::POST] {
            let response = house.request(method, path).send().await.unwrap();
            assert_refused(response, 404, "NOT_FOUND").await;
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_hurts_nobody() {
    let house = house().await;
    let site = house.site().await;
    let address = house.address();
    for head in [
        "POST /api/v1/collect HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"web",
        "POST /api/v1/collect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST /api/v1/collect HTTP/1.1\r\nhost",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(house.send(&ann(), &site.view("/")).await, 202);
    site.row().await;
}

#[tokio::test]
async fn a_good_event_among_many_bad_ones_is_stored() {
    let house = house().await;
    let site = house.site().await;
    let bad = bad_bodies(&site).into_iter().chain(large_bodies(&site)).map(|(_, body)| body);
    let mut bodies: Vec<_> = bad.cycle().take(50).collect();
    bodies.insert(25, site.view("/good").to_string().into_bytes());
    let sent = bodies.into_iter().enumerate().map(|(number, body)| {
        let request = house.collect(&at(format!("192.0.2.{number}")), body);
        async { request.send().await.unwrap().status().as_u16() }
    });
    let statuses = join_all(sent).await;
    assert!(statuses.iter().all(|status| [202, 400, 413].contains(status)), "{statuses:?}");
    assert_eq!(statuses[25], 202);
    assert_eq!(site.row().await.path, "/good");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "/[a-z\u{0}é%]{0,8}".prop_map(Value::from),
        "(https?|ftp)://[a-z.é]{1,8}(:[0-9]{1,5})?/\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

/// An event of which some fields are anything.
fn nearly_an_event() -> impl Strategy<Value = Value> {
    let fields = [
        "website_id",
        "event_type",
        "url",
        "path",
        "referrer",
        "screen_width",
        "screen_height",
        "properties",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "event_name",
        "event_id",
        "more",
    ];
    prop::collection::vec((prop::sample::select(fields.to_vec()), any_value()), 0..4).prop_map(|fields| {
        Value::from(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<serde_json::Map<_, _>>(),
        )
    })
}

/// Runs a property against one house: any body is answered, and what was accepted is stored. How many were.
fn check<T: std::fmt::Debug>(
    cases: u32,
    bodies: &impl Strategy<Value = T>,
    body: impl Fn(&Site<'_>, &T) -> Vec<u8>,
) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house: House = runtime.block_on(house());
    let site = runtime.block_on(house.site());
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let accepted = std::cell::Cell::new(0);
    let ran = runner.run(bodies, |given| {
        let sent = house.collect(&ann(), body(&site, &given)).send();
        let status = runtime.block_on(sent).unwrap().status().as_u16();
        accepted.set(accepted.get() + usize::from(status == 202));
        prop_assert!([202, 204, 400].contains(&status), "{}", status);
        Ok(())
    });
    ran.unwrap();
    // What was accepted can also be stored: as many rows, apart from repeated ids, and no dead letter.
    let ids: Vec<Uuid> = runtime.block_on(site.rows()).iter().map(|row| row.event_id).collect();
    let repeats = accepted.get() - ids.len();
    assert!(repeats == 0 || ids.iter().any(|id| !id.is_nil()), "{repeats} events are missing");
    assert_eq!(runtime.block_on(house.dead_letters()), []);
    accepted.get()
}

#[test]
fn any_bytes_are_answered() {
    check(64, &prop::collection::vec(any::<u8>(), 0..300), |_, bytes| bytes.clone());
}

#[test]
fn any_json_is_answered() {
    check(64, &any_value(), |_, value| value.to_string().into_bytes());
}

#[test]
fn any_event_is_answered_and_stored_when_it_is_accepted() {
    let body = |site: &Site<'_>, fields: &Value| site.view_with(fields.clone()).to_string().into_bytes();
    assert!(check(256, &nearly_an_event(), body) > 0);
}
