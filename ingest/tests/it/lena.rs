//! Lena's `POST /v1/api/analytics/events`: the published examples first, then every row of the published errors, then
//! what its callers rely on.

use directory::{NewUser, NewWebsite, Role};
use ingest::config::CollectConfig;
use ingest::surfaces;
use reqwest::{Method, RequestBuilder, Response};
use schema::store::StoreUrl;
use serde_json::{Value, json};
use service::Stop;
use service::config::Rate;
use uuid::Uuid;

use crate::house::{FIREFOX, House, NOW, Site, house, serve};

const PATH: &str = "/v1/api/analytics/events";
const SDK: &str = "python-requests/2.32.3";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// A server's request.
fn post(house: &House, key: &str, body: &Value) -> RequestBuilder {
    house
        .request(Method::POST, PATH)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .header("x-forwarded-for", "192.0.2.10")
        .header("user-agent", SDK)
        .body(body.to_string())
}

/// Sends an event that is taken; the id that is answered.
async fn log(house: &House, site: &Site<'_>, body: Value) -> String {
    let response = post(house, &site.key, &body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 201, "{body}: {text}");
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    let id = answer["event_id"].take();
    assert_eq!(answer, json!({ "success": true, "event_id": null }));
    id.as_str().unwrap().to_owned()
}

/// Expects the published refusal; the field that it names.
async fn assert_refused(response: Response, status: u16, code: &str) -> Option<String> {
    let (got, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(got, status, "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    let message = &body["error"]["message"];
    assert!(message.as_str().is_some_and(|message| !message.is_empty()), "{text}");
    let details = body["error"]["details"].as_object().unwrap();
    assert_eq!(
        body,
        json!({ "error": { "code": code, "message": message, "details": details } }),
        "nothing else is told"
    );
    details.keys().next().cloned()
}

#[tokio::test]
async fn the_published_example_is_logged() {
    let house = house().await;
    let site = house.site().await;
    let published = json!({
        "event": "page_view",
        "properties": {
            "url": "https://example.com",
            "referrer": "https://google.com",
            "screen_width": 1920,
            "screen_height": 1080
        },
        "user_id": "user_123",
        "session_id": "session_456"
    });
    let id = log(&house, &site, published).await;
    assert!(id.strip_prefix("evt_").is_some_and(|rest| !rest.is_empty()), "{id}");
    let row = site.row().await;
    assert_eq!(
        (row.event_type.as_str(), row.hostname.as_str(), row.path.as_str()),
        ("page_view", "example.com", "/")
    );
    assert_eq!((row.referrer.as_str(), row.screen.as_str()), ("google.com", "1441+"));
    assert_eq!(row.properties, "", "what has a place of its own is not kept twice");
    assert!(row.is_identified && !row.is_bot && !row.is_excluded);
    assert_eq!((row.time, row.visits, row.visitors, row.bounces), (NOW, 1, 1, 1));
}

#[tokio::test]
async fn the_published_curl_line_is_logged() {
    let house = house().await;
    let site = house.site().await;
    log(&house, &site, json!({ "event": "page_view", "properties": { "url": "https://example.com" } })).await;
    assert_eq!(site.row().await.event_type, "page_view");
}

#[tokio::test]
async fn an_event_of_a_server_needs_no_page_and_keeps_its_properties() {
    let house = house().await;
    let site = house.site().await;
    log(
        &house,
        &site,
        json!({ "event": "signup", "properties": { "plan": "pro", "name": "x", "title": "T" } }),
    )
    .await;
    let row = site.row().await;
    assert_eq!((row.event_type.as_str(), row.event_name.as_str()), ("custom", "signup"));
    assert_eq!((row.hostname.as_str(), row.path.as_str()), ("example.com", "/"));
    let properties: Value = serde_json::from_str(&row.properties).unwrap();
    assert_eq!(properties, json!({ "plan": "pro", "name": "x", "title": "T" }));
}

#[tokio::test]
async fn a_published_type_is_itself_and_a_path_wins_over_the_url() {
    let house = house().await;
    for name in ["page_view", "close_tab", "scroll_25", "outbound_link"] {
        let site = house.site().await;
        log(
            &house,
            &site,
            json!({ "event": name, "properties": { "url": "https://example.com/a", "path": "/b" } }),
        )
        .await;
        let row = site.row().await;
        assert_eq!((row.event_type.as_str(), row.event_name.as_str(), row.path.as_str()), (name, "", "/b"));
    }
}

#[tokio::test]
async fn a_client_library_is_no_bot_and_a_bot_that_is_named_is_one() {
    let house = house().await;
    for (properties, is_bot, browser) in [
        (json!({}), false, ""),
        (json!({ "user_agent": FIREFOX }), false, "Firefox"),
        (json!({ "user_agent": GOOGLEBOT }), true, ""),
        (json!({ "user_agent": SDK }), true, ""),
    ] {
        let site = house.site().await;
        log(&house, &site, json!({ "event": "page_view", "properties": properties })).await;
        let row = site.row().await;
        assert_eq!((row.is_bot, row.properties.as_str()), (is_bot, ""), "{properties}");
        if !is_bot {
            assert_eq!(row.browser, browser);
        }
    }
}

#[tokio::test]
async fn the_visitor_is_the_one_whose_address_was_told_and_the_address_is_not_kept() {
    let house = house().await;
    let excluded_ips = vec!["203.0.113.0/24".to_owned()];
    let site = house.site_with(NewWebsite { excluded_ips, ..NewWebsite::default() }).await;
    for address in ["203.0.113.9", "198.51.100.1", "198.51.100.2"] {
        log(&house, &site, json!({ "event": "page_view", "properties": { "ip": address, "a": 1 } })).await;
    }
    let rows = site.rows().await;
    assert_eq!(rows.iter().filter(|row| row.is_excluded).count(), 1);
    assert_eq!(rows.iter().map(|row| u32::from(row.visitors.unsigned_abs())).sum::<u32>(), 2);
    assert!(rows.iter().all(|row| row.properties == r#"{"a":1}"#));
}

/// The sums over a website's rows: visitors, visits, bounces.
async fn sums(site: &Site<'_>) -> [i64; 3] {
    let rows = site.rows().await;
    let sum = |of: fn(&schema::rows::EventRow) -> i8| rows.iter().map(|row| i64::from(of(row))).sum();
    [sum(|row| row.visitors), sum(|row| row.visits), sum(|row| row.bounces)]
}

#[tokio::test]
async fn a_session_id_is_one_visitor_and_one_visit_whatever_the_address() {
    let house = house().await;
    let site = house.site().await;
    for (session, address, minute) in [
        ("s1", "198.51.100.1", 0),
        ("s2", "198.51.100.1", 1),
        ("s1", "198.51.100.2", 29),
        ("s1", "198.51.100.3", 58),
        // Over half an hour later: the same visitor, another visit.
        ("s2", "198.51.100.1", 32),
    ] {
        let time = NOW - 3_600_000 + minute * 60_000 + i64::from(minute == 32);
        let properties = json!({ "ip": address });
        log(
            &house,
            &site,
            json!({ "event": "page_view", "session_id": session, "timestamp": time, "properties": properties }),
        )
        .await;
    }
    assert_eq!(sums(&site).await, [2, 3, 2]);
    assert!(site.rows().await.iter().all(|row| !row.is_identified && row.person == 0));
}

#[tokio::test]
async fn many_session_ids_are_as_many_visitors_on_every_partition() {
    let house = house().await;
    let site = house.site().await;
    for round in 0..2 {
        for session in 0..12 {
            let time = NOW - 60_000 + round * 1_000 + session;
            let body =
                json!({ "event": "page_view", "session_id": format!("s{session}"), "timestamp": time });
            log(&house, &site, body).await;
        }
    }
    assert_eq!(sums(&site).await, [12, 12, 0]);
    let mut partitions: Vec<_> = site.rows().await.iter().map(|row| row.kafka_partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    assert!(partitions.len() > 1, "{partitions:?}");
}

#[tokio::test]
async fn a_user_id_is_the_visitor_whatever_the_session_ids_are() {
    let house = house().await;
    let site = house.site().await;
    for (at, session) in ["s1", "s2", ""].into_iter().enumerate() {
        let time = NOW - 60_000 + at as i64;
        log(
            &house,
            &site,
            json!({ "event": "page_view", "user_id": "ann", "session_id": session, "timestamp": time }),
        )
        .await;
    }
    assert_eq!(sums(&site).await, [1, 1, 0]);
}

#[tokio::test]
async fn a_session_goes_on_over_midnight() {
    let house = house().await;
    let site = house.site().await;
    let midnight = NOW - 12 * 3_600_000;
    for time in [midnight - 60_000, midnight + 60_000] {
        log(&house, &site, json!({ "event": "page_view", "session_id": "s", "timestamp": time })).await;
    }
    assert_eq!(sums(&site).await, [2, 1, 0], "a visitor of each day, and one visit");
}

#[tokio::test]
async fn a_repeat_is_answered_like_the_first_and_stored_once() {
    let house = house().await;
    let site = house.site().await;
    let named = json!({ "event": "order", "event_id": "order-1" });
    let first = log(&house, &site, named.clone()).await;
    assert_eq!(log(&house, &site, named).await, first);
    let request = post(&house, &site.key, &json!({ "event": "order" })).header("idempotency-key", "order-1");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["event_id"], first.as_str());
    assert_eq!(site.rows().await.len(), 1);

    let unnamed = json!({ "event": "order" });
    assert_ne!(log(&house, &site, unnamed.clone()).await, log(&house, &site, unnamed).await);
    assert_eq!(site.rows().await.len(), 3);
}

#[tokio::test]
async fn a_wrong_body_is_refused_and_the_field_is_named() {
    let house = house().await;
    let site = house.site().await;
    let long = |length: usize| "a".repeat(length);
    for (body, field) in [
        (json!({}), "event"),
        (json!({ "event": "" }), "event"),
        (json!({ "event": 7 }), "event"),
        (json!({ "event": long(201) }), "event"),
        (json!({ "event": "x", "properties": [] }), "properties"),
        (json!({ "event": "x", "properties": { "url": 7 } }), "properties.url"),
        (json!({ "event": "x", "properties": { "url": "example.com" } }), "properties.url"),
        (json!({ "event": "x", "properties": { "path": "a" } }), "properties.path"),
        (json!({ "event": "x", "properties": { "referrer": {} } }), "properties.referrer"),
        (json!({ "event": "x", "properties": { "screen_width": "wide" } }), "properties.screen_width"),
        (json!({ "event": "x", "properties": { "screen_height": "high" } }), "properties.screen_height"),
        (json!({ "event": "x", "properties": { "ip": "here" } }), "properties.ip"),
        (json!({ "event": "x", "properties": { "a": long(20_000) } }), "properties"),
        (json!({ "event": "x", "user_id": 7 }), "user_id"),
        (json!({ "event": "x", "user_id": long(501) }), "user_id"),
        (json!({ "event": "x", "session_id": long(501) }), "session_id"),
        (json!({ "event": "x", "event_id": long(501) }), "event_id"),
        (json!({ "event": "x", "timestamp": "yesterday" }), "timestamp"),
        (json!({ "event": "x", "timestamp": NOW + 25 * 3_600_000 }), "timestamp"),
    ] {
        let response = post(&house, &site.key, &body).send().await.unwrap();
        let named = assert_refused(response, 400, "invalid_request").await;
        assert_eq!(named.as_deref(), Some(field));
    }
    let broken = post(&house, &site.key, &json!({})).body("{").send().await.unwrap();
    assert_eq!(assert_refused(broken, 400, "invalid_request").await, None);
    assert_eq!(house.appended().await, 0);
    log(&house, &site, json!({ "event": long(200) })).await;
}

#[tokio::test]
async fn without_a_key_nobody_writes() {
    let house = house().await;
    let site = house.site().await;
    let event = json!({ "event": "page_view" });
    for value in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer tt_x".to_owned(),
        format!("Basic {}", site.key),
        site.key.clone(),
    ] {
        let request =
            house.request(Method::POST, PATH).header("authorization", value).body(event.to_string());
        assert_refused(request.send().await.unwrap(), 401, "unauthorized").await;
    }
    let request = house.request(Method::POST, PATH).header("x-api-key", &site.key).body(event.to_string());
    assert_refused(request.send().await.unwrap(), 401, "unauthorized").await;
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn the_key_says_which_website_it_is_or_the_caller_does() {
    let house = house().await;
    let site = house.site().await;
    let stranger = house.site().await;
    let event = json!({ "event": "page_view" });
    let ask = async |key: &str, website: Option<String>| {
        let mut request = post(&house, key, &event);
        if let Some(website) = website {
            request = request.header("x-website-id", website);
        }
        request.send().await.unwrap()
    };
    // One website: named or not.
    assert_eq!(ask(&site.key, None).await.status(), 201);
    assert_eq!(ask(&site.key, Some(site.id.to_string())).await.status(), 201);
    for other in [stranger.id, Uuid::new_v4()] {
        assert_refused(ask(&site.key, Some(other.to_string())).await, 404, "not_found").await;
    }
    let named = assert_refused(ask(&site.key, Some("x".into())).await, 400, "invalid_request").await;
    assert_eq!(named.as_deref(), Some("X-Website-Id"));
    // Two: it must be named.
    let account_id = house.directory.snapshot().website(site.id).unwrap().account_id;
    let second = NewWebsite { account_id, domain: "second.example.com".into(), ..NewWebsite::default() };
    let second = house.directory.add_website(second).await.unwrap().id;
    let named = assert_refused(ask(&site.key, None).await, 400, "invalid_request").await;
    assert_eq!(named.as_deref(), Some("X-Website-Id"));
    assert_eq!(ask(&site.key, Some(second.to_string())).await.status(), 201);
    // A key of one of them.
    let new = NewUser { account_id, website_id: Some(site.id), email: String::new(), role: Role::User };
    let (_, bound) = house.directory.add_user(new).await.unwrap();
    assert_eq!(ask(&bound.to_string(), None).await.status(), 201);
    assert_refused(ask(&bound.to_string(), Some(second.to_string())).await, 404, "not_found").await;
    assert_eq!(site.rows().await.len(), 3);
    // None at all.
    let account_id = house.directory.add_account("Empty").await.unwrap().id;
    let new = NewUser { account_id, website_id: None, email: String::new(), role: Role::User };
    let (_, empty) = house.directory.add_user(new).await.unwrap();
    assert_refused(ask(&empty.to_string(), None).await, 404, "not_found").await;
}

#[tokio::test]
async fn other_methods_large_bodies_and_strange_encodings_are_refused() {
    let house = house().await;
    let site = house.site().await;
    let response = house.request(Method::GET, PATH).send().await.unwrap();
    assert_refused(response, 405, "method_not_allowed").await;
    let large = json!({ "event": "x", "properties": { "a": "a".repeat(70_000) } });
    let response = post(&house, &site.key, &large).send().await.unwrap();
    assert_refused(response, 413, "payload_too_large").await;
    let request = post(&house, &site.key, &json!({ "event": "x" })).header("content-encoding", "compress");
    assert_refused(request.send().await.unwrap(), 415, "unsupported_encoding").await;
}

#[tokio::test]
async fn every_answer_tells_what_is_left_of_a_hundred_a_minute() {
    assert_eq!(CollectConfig::default().lena_limit, Rate::per_seconds(100, 60), "as published");
    let house = house().await;
    let site = house.site().await;
    let number = |response: &Response, name: &str| -> i64 {
        response.headers()[name].to_str().unwrap().parse().unwrap()
    };
    let response = post(&house, &site.key, &json!({ "event": "x" })).send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(
        (number(&response, "x-ratelimit-limit"), number(&response, "x-ratelimit-remaining")),
        (100, 99)
    );
    assert_eq!(number(&response, "x-ratelimit-reset"), NOW / 1000 + 1);

    // What is refused counts too. It refills while this runs, so that it takes some more than a hundred.
    let mut last = post(&house, "nobody", &json!({})).send().await.unwrap();
    for _ in 0..2_000 {
        if last.status() == 429 {
            break;
        }
        assert_eq!(last.status(), 401);
        assert!(number(&last, "x-ratelimit-remaining") < 100);
        last = post(&house, "nobody", &json!({})).send().await.unwrap();
    }
    assert_eq!((number(&last, "x-ratelimit-limit"), number(&last, "x-ratelimit-remaining")), (100, 0));
    assert_eq!(number(&last, "x-ratelimit-reset"), NOW / 1000 + 60);
    assert!(number(&last, "retry-after") >= 1);
    assert_refused(last, 429, "rate_limit_exceeded").await;
    // Another address has its own.
    let other = post(&house, &site.key, &json!({ "event": "x" }));
    let (client, request) = other.build_split();
    let mut request = request.unwrap();
    request.headers_mut().insert("x-forwarded-for", "192.0.2.11".parse().unwrap());
    assert_eq!(client.execute(request).await.unwrap().status(), 201);
}

#[tokio::test]
async fn while_the_store_is_away_the_caller_is_told_to_come_back() {
    let house = house().await;
    let site = house.site().await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = StoreUrl::parse(&format!("http://{free}")).unwrap();
    let base = serve(surfaces::alone(house.app(nobody, Rate::Off)), Stop::new()).await;
    let request = reqwest::Client::new()
        .post(format!("{base}{PATH}"))
        .header("authorization", format!("Bearer {}", site.key))
        .body(r#"{"event":"x"}"#);
    let response = request.send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_refused(response, 503, "service_unavailable").await;
    assert_eq!(house.appended().await, 0);
}
