//! bitcain's analytics: the published examples first, then the schema's every bound in FastAPI's words, then what is
//! counted and when it is not well.

use ingest::config::CollectConfig;
use ingest::surfaces;
use reqwest::{Method, RequestBuilder, Response};
use schema::store::StoreUrl;
use serde_json::{Value, json};
use service::Stop;
use service::config::Rate;

use crate::house::{FIREFOX, House, NOW, Site, house, serve};

const EVENT: &str = "/api/v1/analytics";
const BATCH: &str = "/api/v1/analytics/batch";
const STATS: &str = "/api/v1/analytics/stats";
const HOUR: i64 = 3_600_000;

fn ask(house: &House, method: Method, path: &str, key: &str) -> RequestBuilder {
    house
        .request(method, path)
        .header("authorization", format!("Bearer {key}"))
        .header("x-forwarded-for", "192.0.2.10")
        .header("user-agent", "axios/1.7.2")
}

async fn post(house: &House, site: &Site<'_>, path: &str, body: &Value) -> Response {
    ask(house, Method::POST, path, &site.key).body(body.to_string()).send().await.unwrap()
}

/// Sends what is taken; the answer.
async fn taken(house: &House, site: &Site<'_>, path: &str, body: Value) -> Value {
    let response = post(house, site, path, &body).await;
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{body}: {text}");
    serde_json::from_str(&text).unwrap()
}

async fn stats(house: &House, site: &Site<'_>) -> Value {
    house.settle().await;
    let response = ask(house, Method::GET, STATS, &site.key).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

/// The details of a 422.
async fn details(response: Response) -> Vec<Value> {
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 422, "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    let details = body["detail"].as_array().unwrap().clone();
    for detail in &details {
        let mut fields: Vec<_> = detail.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["ctx", "input", "loc", "msg", "type"], "as published");
    }
    details
}

#[tokio::test]
async fn the_published_event_is_tracked() {
    let house = house().await;
    let site = house.site().await;
    let answer = taken(&house, &site, EVENT, json!({ "event_name": "string" })).await;
    assert!(!answer["event_id"].as_str().unwrap().is_empty() && answer["message"].is_string());
    assert_eq!((&answer["success"], &answer["timestamp"]), (&json!(true), &json!("2026-03-02T12:00:00Z")));
    assert_eq!(answer.as_object().unwrap().len(), 4);
    let row = site.row().await;
    assert_eq!((row.event_type.as_str(), row.event_name.as_str(), row.is_bot), ("custom", "string", false));
    let properties: Value = serde_json::from_str(&row.properties).unwrap();
    assert_eq!(
        properties,
        json!({ "category": "user_action", "priority": "medium" }),
        "the published defaults"
    );
}

#[tokio::test]
async fn the_published_batch_is_tracked() {
    let house = house().await;
    let site = house.site().await;
    let answer = taken(&house, &site, BATCH, json!({ "events": [{ "event_name": "string" }] })).await;
    assert!(answer["message"].is_string());
    assert_eq!(
        answer,
        json!({
            "success": true,
            "events_received": 1,
            "events_queued": 1,
            "events_failed": 0,
            "message": answer["message"],
            "timestamp": "2026-03-02T12:00:00Z",
        })
    );
    assert_eq!(site.row().await.event_name, "string");
}

#[tokio::test]
async fn every_field_finds_its_place() {
    let house = house().await;
    let site = house.site().await;
    let event = json!({
        "event_name": "order_placed",
        "category": "trading",
        "priority": "critical",
        "properties": { "amount": 3, "ip": "203.0.113.9" },
        "timestamp": "2026-03-02T11:30:00+00:00",
        "session_id": "s1",
        "page_url": "https://example.com/trade?utm_source=news",
        "referrer": "https://google.com/",
        "user_agent": FIREFOX,
    });
    let answer = taken(&house, &site, EVENT, event).await;
    assert_eq!(answer["timestamp"], "2026-03-02T11:30:00Z");
    let row = site.row().await;
    assert_eq!(
        (row.event_name.as_str(), row.path.as_str(), row.time),
        ("order_placed", "/trade", NOW - 1_800_000)
    );
    assert_eq!(
        (row.referrer.as_str(), row.utm_source.as_str(), row.browser.as_str()),
        ("google.com", "news", "Firefox")
    );
    let properties: Value = serde_json::from_str(&row.properties).unwrap();
    assert_eq!(properties, json!({ "amount": 3, "category": "trading", "priority": "critical" }));

    // Null is as good as nothing, where the document has it nullable.
    let nulls = json!({
        "event_name": "x", "properties": null, "timestamp": null, "session_id": null, "page_url": null,
        "referrer": null, "user_agent": null,
    });
    taken(&house, &site, EVENT, nulls).await;
}

#[tokio::test]
async fn an_event_of_the_category_page_view_is_one_and_keeps_its_name() {
    let house = house().await;
    for (event, kept) in [
        (json!({ "event_name": "page_view" }), None),
        (json!({ "event_name": "Home", "category": "page_view", "page_url": "/home" }), Some("Home")),
    ] {
        let site = house.site().await;
        taken(&house, &site, EVENT, event).await;
        let row = site.row().await;
        let properties: Value = serde_json::from_str(&row.properties).unwrap();
        assert_eq!((row.event_type.as_str(), properties["event_name"].as_str()), ("page_view", kept));
        assert_eq!(row.hostname, "example.com");
    }
}

#[tokio::test]
async fn what_breaks_the_schema_is_refused_in_its_words() {
    let house = house().await;
    let site = house.site().await;
    let long = "a".repeat(101);
    let categories =
        "'page_view', 'user_action', 'trading', 'auth', 'error', 'performance', 'feature' or 'system'";
    for (body, field, kind, msg, ctx) in [
        (json!({}), "event_name", "missing", "Field required", json!({})),
        (
            json!({ "event_name": null }),
            "event_name",
            "string_type",
            "Input should be a valid string",
            json!({}),
        ),
        (
            json!({ "event_name": "" }),
            "event_name",
            "string_too_short",
            "String should have at least 1 character",
            json!({ "min_length": 1 }),
        ),
        (
            json!({ "event_name": long }),
            "event_name",
            "string_too_long",
            "String should have at most 100 characters",
            json!({ "max_length": 100 }),
        ),
        (
            json!({ "event_name": "x", "category": "other" }),
            "category",
            "enum",
            &*format!("Input should be {categories}"),
            json!({ "expected": categories }),
        ),
        (
            json!({ "event_name": "x", "priority": null }),
            "priority",
            "enum",
            "Input should be 'low', 'medium', 'high' or 'critical'",
            json!({ "expected": "'low', 'medium', 'high' or 'critical'" }),
        ),
        (
            json!({ "event_name": "x", "properties": [] }),
            "properties",
            "dict_type",
            "Input should be a valid dictionary",
            json!({}),
        ),
        (
            json!({ "event_name": "x", "timestamp": [] }),
            "timestamp",
            "datetime_type",
            "Input should be a valid datetime",
            json!({}),
        ),
        (
            json!({ "event_name": "x", "session_id": 7 }),
            "session_id",
            "string_type",
            "Input should be a valid string",
            json!({}),
        ),
        (
            json!({ "event_name": "x", "page_url": 7 }),
            "page_url",
            "string_type",
            "Input should be a valid string",
            json!({}),
        ),
        (
            json!({ "event_name": "x", "referrer": 7 }),
            "referrer",
            "string_type",
            "Input should be a valid string",
            json!({}),
        ),
        (
            json!({ "event_name": "x", "user_agent": 7 }),
            "user_agent",
            "string_type",
            "Input should be a valid string",
            json!({}),
        ),
    ] {
        let found = details(post(&house, &site, EVENT, &body).await).await;
        let input = if kind == "missing" { &body } else { &body[field] };
        let expected =
            json!({ "loc": ["body", field], "msg": msg, "type": kind, "input": input, "ctx": ctx });
        assert_eq!(found, [expected], "{body}");
    }
    // A hundred characters, however many bytes.
    taken(&house, &site, EVENT, json!({ "event_name": "ä".repeat(100) })).await;
    assert_eq!(house.appended().await, 1);
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let house = house().await;
    let site = house.site().await;
    let body = json!({ "category": "x", "timestamp": "soon", "page_url": 1, "properties": { "ip": "x" } });
    let found = details(post(&house, &site, EVENT, &body).await).await;
    let kinds: Vec<_> = found
        .iter()
        .map(|detail| (detail["loc"][1].as_str().unwrap(), detail["type"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("event_name", "missing"),
            ("category", "enum"),
            ("properties", "value_error"),
            ("timestamp", "datetime_parsing"),
            ("page_url", "string_type"),
        ]
    );
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused_as_a_whole() {
    let house = house().await;
    let site = house.site().await;
    for path in [EVENT, BATCH] {
        for (body, kind) in [
            ("", "missing"),
            ("{", "json_invalid"),
            ("[]", "model_attributes_type"),
            ("7", "model_attributes_type"),
        ] {
            let request = ask(&house, Method::POST, path, &site.key).body(body);
            let found = details(request.send().await.unwrap()).await;
            assert_eq!(
                (found[0]["loc"][0].as_str(), found[0]["type"].as_str()),
                (Some("body"), Some(kind)),
                "{body}"
            );
        }
    }
    for (url, time) in [("example", json!(NOW)), ("https://example.com", json!(NOW + 90_000_000))] {
        let body = json!({ "event_name": "x", "page_url": url, "timestamp": time });
        let found = details(post(&house, &site, EVENT, &body).await).await;
        assert_eq!(found[0]["type"], "value_error", "what the schema does not say");
    }
}

#[tokio::test]
async fn a_batch_has_one_to_a_hundred_events() {
    let house = house().await;
    let site = house.site().await;
    let events = |number: usize| json!({ "events": vec![json!({ "event_name": "x" }); number] });
    for (body, kind) in [
        (json!({}), "missing"),
        (json!({ "events": {} }), "list_type"),
        (events(0), "too_short"),
        (events(101), "too_long"),
        (json!({ "events": [{ "event_name": "x" }], "client_id": 7 }), "string_type"),
    ] {
        let found = details(post(&house, &site, BATCH, &body).await).await;
        assert_eq!(found[0]["type"], kind);
        if kind == "too_long" {
            assert_eq!(found[0]["msg"], "List should have at most 100 items after validation, not 101");
            assert_eq!(
                found[0]["ctx"],
                json!({ "field_type": "List", "max_length": 100, "actual_length": 101 })
            );
        }
    }
    assert_eq!(house.appended().await, 0);
    assert_eq!(taken(&house, &site, BATCH, events(100)).await["events_queued"], 100);
    assert_eq!(site.rows().await.len(), 100);
}

#[tokio::test]
async fn a_bad_event_of_a_batch_does_no_harm_to_the_others() {
    let house = house().await;
    let site = house.site().await;
    let body = json!({
        "client_id": "till-7",
        "events": [
            { "event_name": "a", "timestamp": NOW - 2 },
            { "event_name": "" },
            7,
            { "event_name": "b", "page_url": "nowhere" },
            { "event_name": "c", "timestamp": NOW - 1 },
        ],
    });
    let answer = taken(&house, &site, BATCH, body).await;
    let numbers =
        ["success", "events_received", "events_queued", "events_failed"].map(|name| answer[name].clone());
    assert_eq!(numbers, [json!(false), json!(5), json!(2), json!(3)]);
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("events[1]: event_name"), "the first one is told: {message}");
    let rows = site.rows().await;
    assert_eq!(rows.iter().map(|row| row.event_name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert!(rows.iter().all(|row| row.properties.contains(r#""client_id":"till-7""#)));
}

#[tokio::test]
async fn without_a_key_nobody_is_let_in() {
    let house = house().await;
    for (method, path) in [(Method::POST, EVENT), (Method::POST, BATCH), (Method::GET, STATS)] {
        for value in ["", "Bearer tt_x", "Basic x"] {
            let request = house.request(method.clone(), path).header("authorization", value);
            let response = request.body(r#"{"event_name":"x"}"#).send().await.unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["www-authenticate"]),
                (401, &"Bearer".parse().unwrap())
            );
            assert_eq!(response.json::<Value>().await.unwrap(), json!({ "detail": "Not authenticated" }));
        }
    }
}

#[tokio::test]
async fn other_refusals_are_a_sentence() {
    let house = house().await;
    let site = house.site().await;
    let large = json!({ "event_name": "x", "properties": { "a": "a".repeat(70_000) } });
    let foreign = ask(&house, Method::POST, EVENT, &site.key)
        .header("x-website-id", uuid::Uuid::new_v4().to_string())
        .body(r#"{"event_name":"x"}"#);
    for (response, status) in [
        (ask(&house, Method::DELETE, EVENT, &site.key).send().await.unwrap(), 405),
        (post(&house, &site, EVENT, &large).await, 413),
        (foreign.send().await.unwrap(), 404),
    ] {
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert!(body["detail"].is_string() && body.as_object().unwrap().len() == 1, "{body}");
    }
    let unreadable = ask(&house, Method::POST, EVENT, &site.key).header("x-website-id", "x").body("{}");
    let found = details(unreadable.send().await.unwrap()).await;
    assert_eq!(found[0]["loc"], json!(["header", "x-website-id"]));
}

#[tokio::test]
async fn the_stats_count_what_is_stored() {
    let house = house().await;
    let site = house.site().await;
    let nothing = stats(&house, &site).await;
    assert_eq!(
        [
            &nothing["total_events"],
            &nothing["events_by_category"],
            &nothing["events_today"],
            &nothing["events_this_hour"]
        ],
        [&json!(0), &json!({}), &json!(0), &json!(0)]
    );
    assert_eq!(nothing["buffer_status"]["last_flush"], json!(null));

    let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let events = json!({ "events": [
        { "event_name": "a", "category": "trading" },
        { "event_name": "b", "category": "trading", "timestamp": NOW - 1 },
        { "event_name": "c", "category": "auth", "timestamp": NOW - 13 * HOUR },
        { "event_name": "page_view", "category": "page_view", "timestamp": NOW - HOUR },
        { "event_name": "d", "user_agent": bot },
    ] });
    assert_eq!(taken(&house, &site, BATCH, events).await["events_queued"], 5);
    // Another surface's event has a category too; another account's events are not ours.
    let stranger = house.site().await;
    for website in [&site, &stranger] {
        assert_eq!(house.send(&crate::house::ann(), &website.view("/")).await, 202);
    }
    let found = stats(&house, &site).await;
    assert_eq!(found["events_by_category"], json!({ "auth": 1, "page_view": 2, "trading": 2 }));
    assert_eq!(
        [&found["total_events"], &found["events_today"], &found["events_this_hour"]],
        [&json!(5), &json!(4), &json!(2)]
    );
    assert_eq!(
        found["buffer_status"],
        json!({
            "buffer_size": 0,
            "max_buffer_size": 100_000,
            "flush_interval_seconds": 1.0,
            "last_flush": "2026-03-02T12:00:00Z",
            "events_pending": 0,
            "events_flushed_total": 7,
        })
    );
}

/// A store at a port that nobody listens on.
async fn nobody() -> StoreUrl {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    StoreUrl::parse(&format!("http://{free}")).unwrap()
}

#[tokio::test]
async fn health_is_an_empty_object_or_a_503() {
    let house = house().await;
    let site = house.site().await;
    let response = house.request(Method::GET, "/api/v1/analytics/health").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (200, "{}".to_owned()));

    let base = serve(surfaces::alone(house.app(nobody().await, Rate::Off)), Stop::new()).await;
    for path in ["/api/v1/analytics/health", STATS] {
        let request = reqwest::Client::new().get(format!("{base}{path}"));
        let response = request.header("authorization", format!("Bearer {}", site.key)).send().await.unwrap();
        assert_eq!(response.status(), 503, "{path}");
        assert!(response.headers().contains_key("retry-after"));
        let body: Value = response.json().await.unwrap();
        assert!(body["detail"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn a_key_has_six_hundred_requests_a_minute() {
    assert_eq!(CollectConfig::default().bitcain_limit, Rate::per_seconds(600, 60));
    let house = house().await;
    let site = house.site().await;
    // A health that nobody may ask would be none.
    for _ in 0..5_000 {
        let response = ask(&house, Method::POST, EVENT, &site.key).body("{}").send().await.unwrap();
        if response.status() == 429 {
            assert!(response.headers().contains_key("retry-after"));
            assert!(response.json::<Value>().await.unwrap()["detail"].is_string());
            let response = house.request(Method::GET, "/api/v1/analytics/health").send().await.unwrap();
            assert_eq!(response.status(), 200);
            return;
        }
        assert_eq!(response.status(), 422);
    }
    panic!("five thousand requests were taken");
}
