//! `POST /api/v1/collect`: the published example first, then every row of the published responses.

use directory::NewWebsite;
use ingest::config::CollectConfig;
use schema::rows::EventRow;
use serde_json::{Value, json};
use service::config::Rate;
use uuid::Uuid;

use crate::house::{FIREFOX, House, NOW, Person, ann, assert_refused, at, house, house_with};

const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

#[tokio::test]
async fn the_published_example_is_accepted_and_stored_with_all_that_is_known_of_it() {
    let house = house().await;
    let content_groups = vec![("Blog".to_owned(), "/blog*".to_owned())];
    let site = house.site_with(NewWebsite { content_groups, ..NewWebsite::default() }).await;
    let published = format!(
        r#"{{
          "website_id": "{}",
          "event_type": "page_view",
          "url": "https://example.com/blog/post-1?utm_source=twitter",
          "path": "/blog/post-1",
          "referrer": "https://t.co/abc123",
          "screen_width": 1920,
          "screen_height": 1080
        }}"#,
        site.id
    );
    let request = house.collect(&ann(), published).header("accept-language", "de-AT,de;q=0.9,en;q=0.8");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.text().await.unwrap(), r#"{"status":"accepted"}"#);

    let row = site.row().await;
    let day = u16::try_from(NOW / 86_400_000).unwrap();
    let expected = EventRow {
        website_id: site.id,
        day,
        time: NOW,
        received_after_ms: 0,
        event_type: "page_view".into(),
        event_name: String::new(),
        hostname: "example.com".into(),
        path: "/blog/post-1".into(),
        content_group: "Blog".into(),
        properties: String::new(),
        is_identified: false,
        person: 0,
        is_bot: false,
        bot_reason: String::new(),
        is_excluded: false,
        session_start: NOW,
        session_day: day,
        entry_path: "/blog/post-1".into(),
        prev_path: String::new(),
        visits: 1,
        visitors: 1,
        bounces: 1,
        duration_ms: 0,
        entry_lead_ms: 0,
        unique_pageview: 1,
        referrer: "t.co".into(),
        channel: "Social".into(),
        utm_source: "twitter".into(),
        utm_medium: String::new(),
        utm_campaign: String::new(),
        utm_term: String::new(),
        utm_content: String::new(),
        device_type: "desktop".into(),
        browser: "Firefox".into(),
        os: "Linux".into(),
        screen: "1441+".into(),
        country: String::new(),
        region: String::new(),
        city: String::new(),
        language: "de".into(),
        event_id: Uuid::nil(),
        stream: house.stream.id().to_owned(),
        kafka_offset: 0,
        epoch: 0,
        // Hashes, and what follows from them.
        visitor_id: row.visitor_id,
        session_id: row.session_id,
        kafka_partition: row.kafka_partition,
    };
    assert_eq!(row, expected);
    assert!(row.visitor_id != 0 && row.session_id != 0);
}

/// What is stored of one page view by Ann.
async fn stored(house: &House, fields: Value) -> EventRow {
    let site = house.site().await;
    assert_eq!(house.send(&ann(), &site.view_with(fields)).await, 202);
    site.row().await
}

#[tokio::test]
async fn the_source_is_the_referring_domain_without_www_and_the_utm_values() {
    let house = house().await;
    let row = stored(&house, json!({ "referrer": "https://www.google.com/search?q=x" })).await;
    assert_eq!((row.referrer.as_str(), row.channel.as_str()), ("google.com", "Organic Search"));

    let row = stored(&house, json!({ "referrer": "https://www.example.com/other" })).await;
    assert_eq!(
        (row.referrer.as_str(), row.channel.as_str()),
        ("", "Direct"),
        "the website itself is no source"
    );

    let url = "https://example.com/?utm_source=a&utm_medium=b&utm_campaign=c&utm_term=d&utm_content=e";
    let row = stored(&house, json!({ "url": url, "utm_source": "A", "utm_campaign": "C" })).await;
    let utm = [&row.utm_source, &row.utm_medium, &row.utm_campaign, &row.utm_term, &row.utm_content];
    assert_eq!(utm, ["A", "b", "C", "d", "e"], "what is given beside the URL wins");
}

#[tokio::test]
async fn an_unknown_website_is_dropped_in_silence() {
    let house = house().await;
    let site = house.site().await;
    let event = site.view_with(json!({ "website_id": Uuid::new_v4() }));
    let response = house.collect(&ann(), event.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(response.text().await.unwrap(), "");
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn a_bot_is_stored_with_the_reason_and_told_nothing() {
    let house = house().await;
    for (agent, fields) in [
        (GOOGLEBOT, json!({})),
        ("curl/8.5.0", json!({})),
        ("", json!({})),
        (FIREFOX, json!({ "referrer": "https://semalt.com/" })),
    ] {
        let site = house.site().await;
        let bot = Person { agent, ..ann() };
        assert_eq!(house.send(&bot, &site.view_with(fields)).await, 204, "{agent}");
        let row = site.row().await;
        assert!(row.is_bot && !row.bot_reason.is_empty(), "{agent}");
    }
}

#[tokio::test]
async fn an_excluded_address_is_stored_and_never_counted() {
    let house = house().await;
    let excluded = ["192.0.2.7", "2001:db8::7", "198.51.100.0/24", "2001:db8:1::/48"];
    let excluded_ips = excluded.map(str::to_owned).to_vec();
    let site = house.site_with(NewWebsite { excluded_ips, ..NewWebsite::default() }).await;
    let inside = ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", "198.51.100.255", "2001:db8:1:ffff::1"];
    for address in inside {
        assert_eq!(house.send(&at(address), &site.view("/hidden")).await, 204, "{address}");
    }
    let outside = ["192.0.2.8", "2001:db8::8", "198.51.101.0", "2001:db8:2::1"];
    for address in outside {
        assert_eq!(house.send(&at(address), &site.view("/")).await, 202, "{address}");
    }
    let rows = site.rows().await;
    assert_eq!(rows.len(), inside.len() + outside.len());
    for row in rows {
        let deltas = (row.visits, row.visitors, row.bounces, row.unique_pageview);
        let expected = if row.is_excluded { (0, 0, 0, 0) } else { (1, 1, 1, 1) };
        assert_eq!((row.is_excluded, deltas), (row.path == "/hidden", expected));
    }
    let counted = house.store.client().query("SELECT sum(events) FROM site_totals WHERE website_id = ?");
    assert_eq!(counted.bind(site.id).fetch_one::<i64>().await.unwrap(), 4);
}

#[tokio::test]
async fn each_missing_field_is_refused_by_its_name() {
    let house = house().await;
    let site = house.site().await;
    // Whether the website exists does not show in the answer.
    let [known, unknown] = [site.id, Uuid::new_v4()].map(|id| site.view_with(json!({ "website_id": id })));
    for field in ["website_id", "event_type", "url", "path"] {
        for event in [&known, &unknown] {
            let mut without = event.clone();
            without.as_object_mut().unwrap().remove(field);
            let [mut null, mut empty] = [event.clone(), event.clone()];
            null[field] = Value::Null;
            empty[field] = json!("");
            for event in [without, null, empty] {
                let response = house.collect(&ann(), event.to_string()).send().await.unwrap();
                let message = assert_refused(response, 400, "INVALID_PAYLOAD").await;
                assert!(message.contains(&format!("`{field}`")), "{event}: {message}");
            }
        }
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn each_field_of_a_wrong_type_is_refused_by_its_name() {
    let house = house().await;
    let site = house.site().await;
    let texts = [
        "website_id",
        "event_type",
        "url",
        "path",
        "referrer",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "utm_term",
        "utm_content",
        "event_name",
        "event_id",
    ];
    let wrong_texts = texts.into_iter().flat_map(|field| [(field, json!(7)), (field, json!(["x"]))]);
    let numbers = ["screen_width", "screen_height"];
    let wrong_numbers = numbers.into_iter().flat_map(|field| [(field, json!("1920")), (field, json!({}))]);
    let wrong_objects = [json!("x"), json!([1]), json!(1), json!(true)].map(|value| ("properties", value));
    for (field, value) in wrong_texts.chain(wrong_numbers).chain(wrong_objects) {
        // Whether the website exists does not show in the answer.
        for id in [site.id, Uuid::new_v4()] {
            let mut event = site.view_with(json!({ "website_id": id }));
            event[field] = value.clone();
            let response = house.collect(&ann(), event.to_string()).send().await.unwrap();
            let message = assert_refused(response, 400, "INVALID_PAYLOAD").await;
            assert!(message.contains(&format!("`{field}`")), "{event}: {message}");
        }
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn the_eleventh_request_of_an_address_to_a_website_is_told_when_to_come_back() {
    assert_eq!(CollectConfig::default().limit, Rate::per_seconds(10, 10), "as published");
    // The same burst, refilled so slowly that a slow machine sees no difference.
    let house = house_with(Rate::per_seconds(10, 3600)).await;
    let site = house.site().await;
    for number in 0..10 {
        assert_eq!(house.send(&at("192.0.2.1"), &site.view("/")).await, 202);
        // Neighbours in a /64 are one household.
        assert_eq!(house.send(&at(format!("2001:db8:0:1::{number}")), &site.view("/")).await, 202);
    }
    let neighbour = house.site().await;
    for address in ["192.0.2.1", "2001:db8:0:1:ffff::1"] {
        // Another website has its own; what names no website that exists counts for the address.
        assert_eq!(house.send(&at(address), &neighbour.view("/")).await, 202);
        let unknown = || site.view_with(json!({ "website_id": Uuid::new_v4() })).to_string();
        for number in 0..10 {
            let body = if number % 2 == 0 { "{".to_owned() } else { unknown() };
            let response = house.collect(&at(address), body).send().await.unwrap();
            assert_ne!(response.status(), 429);
        }
        for body in [site.view("/").to_string(), "{".to_owned(), unknown()] {
            let response = house.collect(&at(address), body).send().await.unwrap();
            let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=360).contains(&seconds), "{seconds}");
            assert_refused(response, 429, "RATE_LIMITED").await;
        }
    }
    for address in ["192.0.2.2", "2001:db8:0:2::1"] {
        assert_eq!(house.send(&at(address), &site.view("/")).await, 202);
    }
    assert_eq!(site.rows().await.len(), 22, "what was refused is not stored");
}

#[tokio::test]
async fn an_unknown_type_is_a_custom_event_of_that_name() {
    let house = house().await;
    for (fields, name) in [
        (json!({ "event_type": "signup" }), "signup"),
        (json!({ "event_type": "custom" }), "custom"),
        (json!({ "event_type": "custom", "properties": { "name": "download", "size": 3 } }), "download"),
        (json!({ "event_type": "custom", "properties": { "name": 7 } }), "custom"),
        (json!({ "event_type": "custom", "event_name": "buy", "properties": { "name": "x" } }), "buy"),
        (json!({ "event_type": "signup", "properties": { "name": "x" } }), "x"),
        (json!({ "event_type": "signup", "event_name": "y" }), "y"),
    ] {
        let row = stored(&house, fields.clone()).await;
        assert_eq!((row.event_type.as_str(), row.event_name.as_str()), ("custom", name), "{fields}");
        assert_eq!((row.visits, row.bounces), (1, 0), "{fields}");
        let properties: Value = serde_json::from_str(&row.properties).unwrap_or_default();
        assert_eq!(properties, fields["properties"], "{fields}");
    }
    for known in ["page_view", "close_tab", "scroll_25", "scroll_50", "scroll_75", "outbound_link"] {
        let row = stored(&house, json!({ "event_type": known, "event_name": "z" })).await;
        assert_eq!((row.event_type.as_str(), row.event_name.as_str()), (known, ""));
        assert_eq!(row.visits, i8::from(known == "page_view"), "{known} starts no visit");
    }
}

#[tokio::test]
async fn a_repeated_event_id_is_answered_like_the_first_and_stored_once() {
    let house = house().await;
    let site = house.site().await;
    let event = site.view_with(json!({ "event_id": "order-1" }));
    for _ in 0..3 {
        assert_eq!(house.send(&ann(), &event).await, 202);
    }
    let other = site.view_with(json!({ "event_id": "order-2" }));
    assert_eq!(house.send(&ann(), &other).await, 202);
    assert_eq!(site.rows().await.len(), 2);
    // Loaded long ago, it is still known.
    assert_eq!(house.send(&ann(), &event).await, 202);
    assert_eq!(site.rows().await.len(), 2);
    // Another website's ids are its own.
    let neighbour = house.site().await;
    assert_eq!(house.send(&ann(), &neighbour.view_with(json!({ "event_id": "order-1" }))).await, 202);
    assert_eq!(neighbour.rows().await.len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_is_an_event_id() {
    let house = house().await;
    let site = house.site().await;
    let send = async |key: &str, event: &Value| {
        let request = house.collect(&ann(), event.to_string()).header("idempotency-key", key);
        assert_eq!(request.send().await.unwrap().status(), 202);
    };
    send("k1", &site.view("/")).await;
    send("k1", &site.view("/")).await;
    send("k2", &site.view("/")).await;
    // What the body says goes before.
    send("k1", &site.view_with(json!({ "event_id": "k3" }))).await;
    send("", &site.view("/")).await;
    send("", &site.view("/")).await;
    assert_eq!(site.rows().await.len(), 5);
    let long = house.collect(&ann(), site.view("/").to_string()).header("idempotency-key", "k".repeat(501));
    let message = assert_refused(long.send().await.unwrap(), 400, "INVALID_PAYLOAD").await;
    assert!(message.contains("Idempotency-Key"), "{message}");
}
