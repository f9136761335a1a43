//! `DNT: 1` and `Sec-GPC: 1`: heard where the website says so, and then nothing at all is left of the event.

use directory::NewWebsite;
use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{House, Site, ann, house};

async fn site(house: &House, respect_dnt: bool) -> Site<'_> {
    house.site_with(NewWebsite { respect_dnt, ..NewWebsite::default() }).await
}

#[tokio::test]
async fn a_browser_that_opts_out_is_heard_where_the_website_says_so() {
    let house = house().await;
    let (hearing, deaf) = (site(&house, true).await, site(&house, false).await);
    for (headers, opts_out) in [
        (&[][..], false),
        (&[("dnt", "1")], true),
        (&[("sec-gpc", "1")], true),
        (&[("dnt", "0")], false),
        (&[("sec-gpc", "0")], false),
        (&[("dnt", "unspecified"), ("sec-gpc", "")], false),
        (&[("dnt", "0"), ("sec-gpc", "1")], true),
        (&[("dnt", "1"), ("sec-gpc", "0")], true),
    ] {
        for site in [&hearing, &deaf] {
            let before = house.appended().await;
            let mut request = house.collect(&ann(), site.view("/").to_string());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let status = request.send().await.unwrap().status().as_u16();
            let stored = house.appended().await - before;
            let dropped = opts_out && site.id == hearing.id;
            assert_eq!((status, stored), if dropped { (204, 0) } else { (202, 1) }, "{headers:?}");
        }
    }
    assert_eq!((hearing.rows().await.len(), deaf.rows().await.len()), (4, 8));
}

#[tokio::test]
async fn an_answer_to_somebody_who_opts_out_is_as_readable_as_any_other() {
    let house = house().await;
    let site = site(&house, true).await;
    let request = house.collect(&ann(), site.view("/").to_string());
    let response = request.header("dnt", "1").header("origin", "https://example.com").send().await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "https://example.com");
    let broken = house.collect(&ann(), "{").header("dnt", "1").send().await.unwrap();
    assert_eq!(broken.status(), 400, "a broken body is refused all the same");
}

/// Sends a relayed event; the answer, which is a success.
async fn relay(site: &Site<'_>, house: &House, path: &str, header: &str, body: &Value) -> Value {
    let request = house.request(Method::POST, path).bearer_auth(&site.key).header(header, "1");
    let response = request.body(body.to_string()).send().await.unwrap();
    assert!(response.status().is_success(), "{path} {body}: {}", response.status());
    response.json().await.unwrap()
}

#[tokio::test]
async fn a_relays_own_headers_are_not_the_visitors() {
    let house = house().await;
    let site = site(&house, true).await;
    for header in ["dnt", "sec-gpc"] {
        relay(&site, &house, "/v1/api/analytics/events", header, &json!({ "event": "page_view" })).await;
        relay(&site, &house, "/api/v1/analytics", header, &json!({ "event_name": "page_view" })).await;
        let batch = json!({ "events": [{ "event_name": "page_view" }] });
        relay(&site, &house, "/api/v1/analytics/batch", header, &batch).await;
        let import = house.request(Method::POST, &format!("/api/v1/import?website_id={}", site.id));
        let import = import.header("x-api-key", &site.key).header(header, "1");
        assert_eq!(import.body(site.view("/").to_string()).send().await.unwrap().status(), 200);
    }
    assert_eq!(site.rows().await.len(), 8);
}

#[tokio::test]
async fn a_visitors_wish_that_is_passed_on_is_heard_and_does_not_show() {
    let house = house().await;
    let (hearing, deaf) = (site(&house, true).await, site(&house, false).await);
    for (properties, opts_out) in [
        (json!({ "dnt": true }), true),
        (json!({ "gpc": true }), true),
        (json!({ "dnt": 1 }), true),
        (json!({ "gpc": "1" }), true),
        (json!({ "dnt": false, "gpc": 0 }), false),
        (json!({ "dnt": "0", "gpc": null }), false),
        (json!({ "dnt": [1], "gpc": "yes" }), false),
    ] {
        for site in [&hearing, &deaf] {
            let before = house.appended().await;
            let lena = json!({ "event": "page_view", "properties": properties });
            let answer = relay(site, &house, "/v1/api/analytics/events", "x-other", &lena).await;
            assert_eq!(answer["success"], true);
            let one = json!({ "event_name": "page_view", "properties": properties });
            let answer = relay(site, &house, "/api/v1/analytics", "x-other", &one).await;
            assert_eq!(answer["success"], true);
            let batch = json!({ "events": [one, { "event_name": "page_view" }, one] });
            let answer = relay(site, &house, "/api/v1/analytics/batch", "x-other", &batch).await;
            assert_eq!((&answer["success"], &answer["events_queued"]), (&json!(true), &json!(3)));
            let dropped = opts_out && site.id == hearing.id;
            let stored = house.appended().await - before;
            assert_eq!(stored, if dropped { 1 } else { 5 }, "{properties}");
        }
    }
}
