//! What an event says in words holds none of the addresses that it came with. That none is left anywhere else is what
//! the canary in the tests of the whole house is for.

use directory::{NewUser, NewWebsite, Role};
use reqwest::Method;
use schema::rows::EventRow;
use serde_json::{Value, json};

use crate::house::{House, Site, ann, house};

/// Texts of a row that come from outside.
fn texts(row: &EventRow) -> [&str; 11] {
    [
        &row.event_name,
        &row.hostname,
        &row.path,
        &row.properties,
        &row.referrer,
        &row.utm_source,
        &row.utm_medium,
        &row.utm_campaign,
        &row.utm_term,
        &row.utm_content,
        &row.language,
    ]
}

#[tokio::test]
async fn every_text_of_an_event_is_without_the_address_that_it_came_from() {
    let house = house().await;
    let site = house.site().await;
    let event = json!({
        "website_id": site.id,
        "event_type": "seen by 203.0.113.7",
        "url": "https://203.0.113.7/?utm_medium=203.0.113.7&utm_term=203.0.113.7",
        "path": "/by/203.0.113.7",
        "referrer": "https://203.0.113.7.example.net/",
        "properties": { "203.0.113.7": { "list": ["::ffff:203.0.113.7"] } },
        "utm_source": "203.0.113.7",
        "utm_campaign": "from-203.0.113.7",
        "utm_content": "203.0.113.77",
    });
    assert_eq!(house.send(&ann(), &event).await, 202);
    let row = site.row().await;
    let expected = [
        "seen by [address]",
        "[address]",
        "/by/[address]",
        r#"{"[address]":{"list":["[address]"]}}"#,
        "",
        "[address]",
        "[address]",
        "from-[address]",
        "[address]",
        "203.0.113.77",
        "",
    ];
    assert_eq!(texts(&row), expected);
}

#[tokio::test]
async fn an_address_that_would_be_cut_off_is_found_before() {
    let house = house().await;
    let site = house.site().await;
    let url = format!("https://example.com/?utm_term={}203.0.113.7", "x".repeat(490));
    assert_eq!(house.send(&ann(), &site.view_with(json!({ "url": url }))).await, 202);
    assert_eq!(site.row().await.utm_term, format!("{}[address]", "x".repeat(490)));
}

#[tokio::test]
async fn an_address_that_any_proxy_names_is_one_of_the_requests() {
    let house = house().await;
    let site = house.site().await;
    for (number, header, value) in [
        (1, "x-real-ip", "198.51.100.1"),
        (2, "forwarded", "for=\"198.51.100.2:80\";proto=https"),
        (3, "cf-connecting-ip", "198.51.100.3"),
        // The client is ann; who forged an address before hers is named as well.
        (4, "x-forwarded-for", "198.51.100.4"),
    ] {
        let event = site.view(&format!("/198.51.100.{number}/198.51.100.9"));
        let request = house.request(Method::POST, "/api/v1/collect").header(header, value);
        let request = request.header("x-forwarded-for", "203.0.113.7").header("user-agent", ann().agent);
        assert_eq!(request.body(event.to_string()).send().await.unwrap().status(), 202);
    }
    for row in site.rows().await {
        assert_eq!(row.path, "/[address]/198.51.100.9", "another's address is a text like any other");
    }
}

#[tokio::test]
async fn a_referrer_at_the_visitors_address_is_no_source() {
    let house = house().await;
    for (referrer, source) in [
        ("http://203.0.113.7:8080/x", ("", "Direct")),
        ("http://[::ffff:203.0.113.7]/", ("", "Direct")),
        ("http://203.0.113.8/", ("203.0.113.8", "Referral")),
    ] {
        let site = house.site().await;
        assert_eq!(house.send(&ann(), &site.view_with(json!({ "referrer": referrer }))).await, 202);
        let row = site.row().await;
        assert_eq!((row.referrer.as_str(), row.channel.as_str()), source, "{referrer}");
    }
}

#[tokio::test]
async fn a_website_at_an_address_keeps_its_name_and_loopback_is_everybodys() {
    let house = house().await;
    let account_id = house.directory.add_account("Test").await.unwrap().id;
    let new = NewUser { account_id, website_id: None, email: String::new(), role: Role::User };
    let key = house.directory.add_user(new).await.unwrap().1.to_string();
    let new = NewWebsite { account_id, domain: "203.0.113.7".into(), ..NewWebsite::default() };
    let id = house.directory.add_website(new).await.unwrap().id;
    let site = Site::of(&house, id, key);
    // The request comes over 127.0.0.1.
    let event = json!({
        "website_id": id, "event_type": "page_view", "url": "http://203.0.113.7/", "path": "/127.0.0.1/203.0.113.7",
    });
    assert_eq!(house.send(&ann(), &event).await, 202);
    let row = site.row().await;
    assert_eq!((row.hostname.as_str(), row.path.as_str()), ("203.0.113.7", "/127.0.0.1/[address]"));
}

async fn relay(house: &House, site: &Site<'_>, path: &str, body: Value) {
    let request = house.request(Method::POST, path).bearer_auth(&site.key);
    let response =
        request.header("x-forwarded-for", "203.0.113.7").body(body.to_string()).send().await.unwrap();
    assert!(response.status().is_success(), "{body}: {}", response.status());
}

#[tokio::test]
async fn an_address_that_a_relay_or_an_import_tells_is_found_as_well() {
    let house = house().await;
    let site = house.site().await;
    let properties = json!({ "ip": "2001:db8::7", "relay": "203.0.113.7", "visitor": "2001:DB8:0::7" });
    let lena = json!({ "event": "page_view", "properties": properties });
    relay(&house, &site, "/v1/api/analytics/events", lena).await;
    let bitcain = json!({ "event_name": "page_view", "properties": properties });
    relay(&house, &site, "/api/v1/analytics", bitcain.clone()).await;
    let batch = json!({ "events": [bitcain], "client_id": "203.0.113.7" });
    relay(&house, &site, "/api/v1/analytics/batch", batch).await;
    let told = json!({ "relay": "[address]", "visitor": "2001:db8:0:0::7" });
    site.import_all(&[site.view_with(json!({ "ip": "2001:db8::7", "properties": told }))]).await;
    let rows = site.rows().await;
    assert_eq!(rows.len(), 4);
    for row in rows {
        let properties: Value = serde_json::from_str(&row.properties).unwrap();
        let told = (properties["relay"].as_str(), properties["visitor"].as_str());
        assert_eq!(told, (Some("[address]"), Some("[address]")), "{properties}");
        let client = properties.get("client_id");
        assert!(client.is_none_or(|client| client == "[address]"), "{properties}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_tell_the_address_back() {
    let house = house().await;
    let site = house.site().await;
    for field in ["website_id", "url", "path", "screen_width", "properties"] {
        let event = site.view_with(json!({ field: "203.0.113.7" }));
        let response = house.collect(&ann(), event.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 400, "{field}");
        let text = response.text().await.unwrap();
        assert!(text.contains(field) && !text.contains("203.0.113"), "{text}");
    }
}
