//! `POST /api/v1/import`: events of the past, by the website's owner.

use directory::{NewUser, NewWebsite, Role};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{FIREFOX, House, NOW, Site, ann, assert_refused, house};

/// A page view at a time, by somebody with Firefox at an address.
fn line(path: &str, timestamp: impl Into<Value>, ip: &str) -> Value {
    json!({
        "event_type": "page_view",
        "url": format!("https://example.com{path}"),
        "timestamp": timestamp.into(),
        "ip": ip,
        "user_agent": FIREFOX,
    })
}

async fn data(response: Response) -> Value {
    let status = response.status();
    let mut body: Value = response.json().await.unwrap();
    assert_eq!((status.as_u16(), &body["status"]), (200, &json!("success")), "{body}");
    body["data"].take()
}

async fn import(house: &House, key: Option<&str>, query: &str) -> Response {
    let mut request = house.request(Method::POST, &format!("/api/v1/import{query}"));
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    request.body(line("/", "2026-03-01T10:00:00Z", "").to_string()).send().await.unwrap()
}

#[tokio::test]
async fn only_the_websites_own_people_import() {
    let house = house().await;
    let (site, other) = (house.site().await, house.site().await);
    let query = format!("?website_id={}", site.id);
    for key in [None, Some("nonsense"), Some("")] {
        assert_refused(import(&house, key, &query).await, 401, "UNAUTHORIZED").await;
    }
    let foreign = import(&house, Some(&other.key), &query).await;
    let missing = import(&house, Some(&other.key), &format!("?website_id={}", Uuid::new_v4())).await;
    assert_eq!((foreign.status().as_u16(), missing.status().as_u16()), (404, 404));
    let names = |response: &Response| response.headers().keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&foreign), names(&missing));
    assert_eq!(foreign.bytes().await.unwrap(), missing.bytes().await.unwrap());
    assert_eq!(house.appended().await, 0);

    assert_eq!(data(import(&house, Some(&site.key), &query).await).await["stored"], 1);
    let account_id = house.directory.add_account("Operators").await.unwrap().id;
    let admin = NewUser { account_id, website_id: None, email: String::new(), role: Role::Admin };
    let (_, admin) = house.directory.add_user(admin).await.unwrap();
    assert_eq!(data(import(&house, Some(&admin.to_string()), &query).await).await["stored"], 1);
}

#[tokio::test]
async fn the_parameters_are_refused_by_name() {
    let house = house().await;
    let site = house.site().await;
    for (query, field) in [
        (String::new(), "website_id"),
        ("?wait=true".to_owned(), "website_id"),
        ("?website_id=".to_owned(), "website_id"),
        ("?website_id=7".to_owned(), "website_id"),
        (format!("?website_id={}&wait=maybe", site.id), "wait"),
    ] {
        let response = import(&house, Some(&site.key), &query).await;
        let message = assert_refused(response, 400, "INVALID_PAYLOAD").await;
        assert!(message.contains(&format!("`{field}`")), "{query}: {message}");
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn refused_lines_are_told_by_number_and_the_others_are_imported() {
    let house = house().await;
    let site = excluding(&house).await;
    let good = |path: &str| line(path, "2026-03-01T10:00:00Z", "192.0.2.1").to_string();
    let mut bot = line("/bot", "2026-03-01T10:00:00Z", "192.0.2.2");
    bot["user_agent"] = json!("curl/8.5.0");
    let mut no_type = line("/", "2026-03-01T10:00:00Z", "192.0.2.1");
    no_type.as_object_mut().unwrap().remove("event_type");
    let lines = [
        good("/first"),
        "no JSON".to_owned(),
        String::new(),
        good("/second") + "\r",
        no_type.to_string(),
        good(&format!("/{}", "x".repeat(70_000))),
        "5".to_owned(),
        bot.to_string(),
        line("/", "yesterday", "192.0.2.1").to_string(),
        line("/", "2026-03-01T10:00:00Z", "somewhere").to_string(),
        line("/hidden", "2026-03-01T10:00:00Z", "198.51.100.9").to_string(),
        good("/last"),
    ];
    let tally = data(site.import(lines.join("\n")).await).await;
    let counts = |name: &str| tally[name].as_u64().unwrap();
    assert_eq!([counts("read"), counts("stored"), counts("bots"), counts("excluded")], [11, 5, 1, 1]);
    let reasons = json!({
        "malformed": 2, "too long": 1, "invalid event_type": 1, "invalid timestamp": 1, "invalid ip": 1,
    });
    assert_eq!(tally["refused"], reasons);
    let refusals = tally["refusals"].as_array().unwrap();
    let numbers: Vec<_> = refusals.iter().map(|refusal| refusal["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 5, 6, 7, 9, 10]);
    assert_eq!(refusals[1]["reason"], "invalid event_type");
    assert_eq!(refusals[1]["detail"], "`event_type` is required.");
    assert_eq!(tally.get("loaded"), None);

    let mut paths: Vec<_> = site.rows().await.into_iter().map(|row| (row.path, row.is_excluded)).collect();
    paths.sort();
    let expected =
        [("/bot", false), ("/first", false), ("/hidden", true), ("/last", false), ("/second", false)];
    assert_eq!(paths, expected.map(|(path, excluded)| (path.to_owned(), excluded)));
}

async fn excluding(house: &House) -> Site<'_> {
    let excluded_ips = vec!["198.51.100.0/24".to_owned()];
    house.site_with(NewWebsite { excluded_ips, ..NewWebsite::default() }).await
}

#[tokio::test]
async fn an_empty_import_changes_nothing() {
    let house = house().await;
    let site = house.site().await;
    for body in ["", "\n\n", " \r\n"] {
        let tally = data(site.import(body).await).await;
        assert_eq!(
            tally,
            json!({ "read": 0, "stored": 0, "bots": 0, "excluded": 0, "refused": {}, "refusals": [] })
        );
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn a_time_is_rfc_3339_or_milliseconds_and_lies_in_the_past() {
    let house = house().await;
    let day = 24 * 3_600_000;
    let good = [
        (json!("2026-03-01T10:00:00Z"), 1_772_359_200_000),
        (json!("2026-03-01T12:00:00.250+02:00"), 1_772_359_200_250),
        (json!(1_772_359_200_001_i64), 1_772_359_200_001),
        (json!("1970-01-03T00:00:00Z"), 2 * day),
        (json!(NOW + day), NOW + day),
        (Value::Null, NOW),
    ];
    let site = house.site().await;
    for (given, time) in good {
        let site = house.site().await;
        site.import_all(&[line("/", given.clone(), "192.0.2.1")]).await;
        let row = site.row().await;
        assert_eq!((row.time, row.time + row.received_after_ms), (time, NOW), "{given}");
    }
    let bad = [
        json!("1970-01-02T23:59:59.999Z"),
        json!(0),
        json!(-1),
        json!(NOW + day + 1),
        json!("2026-03-01 10:00"),
        json!("2026-02-29T10:00:00Z"),
        json!("1772359200000"),
        json!(""),
        json!(1_772_359_200_000.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(true),
        json!({}),
        json!(["2026-03-01T10:00:00Z"]),
    ];
    let lines: Vec<_> = bad.iter().map(|given| line("/", given.clone(), "192.0.2.1").to_string()).collect();
    let tally = data(site.import(lines.join("\n")).await).await;
    assert_eq!(tally["refused"], json!({ "invalid timestamp": bad.len() }), "{tally}");
    for refusal in tally["refusals"].as_array().unwrap() {
        let detail = refusal["detail"].as_str().unwrap();
        assert!(detail.starts_with("`timestamp` must "), "{detail}");
    }
}

#[tokio::test]
async fn the_same_file_twice_counts_once() {
    let house = house().await;
    let site = house.site().await;
    let events: Vec<_> = (0..20)
        .map(|number| {
            let mut event =
                line("/", 1_772_359_200_000_i64 + number * 1000, &format!("192.0.2.{}", number % 4));
            event["event_id"] = json!(format!("line-{number}"));
            event
        })
        .collect();
    site.import_all(&events).await;
    site.import_all(&events).await;
    let rows = site.rows().await;
    assert_eq!(rows.len(), 20);
    assert_eq!(rows.iter().map(|row| i32::from(row.visits)).sum::<i32>(), 4);
}

#[tokio::test]
async fn who_waits_sees_the_rows() {
    let house = house().await;
    let site = house.site().await;
    let path = format!("/api/v1/import?website_id={}&wait=true", site.id);
    let body = line("/", "2026-03-01T10:00:00Z", "192.0.2.1").to_string();
    let request = house.request(Method::POST, &path).header("x-api-key", &site.key).body(body);
    let tally = data(request.send().await.unwrap()).await;
    assert_eq!((&tally["stored"], &tally["loaded"]), (&json!(1), &json!(true)));
    let counted = house.store.client().query("SELECT count() FROM events WHERE website_id = ?");
    assert_eq!(counted.bind(site.id).fetch_one::<u64>().await.unwrap(), 1);
}

#[tokio::test]
async fn an_identified_user_is_one_visitor_on_all_days() {
    let house = house().await;
    let site = house.site().await;
    let by = |user: &str, time: &str, ip: &str| {
        let mut event = line("/", time, ip);
        event["user_id"] = json!(user);
        event
    };
    site.import_all(&[
        by("u1", "2026-02-28T10:00:00Z", "192.0.2.1"),
        by("u1", "2026-03-01T10:00:00Z", "192.0.2.2"),
        by("u2", "2026-03-01T10:00:00Z", "192.0.2.2"),
        // Not identified: two days, two visitors.
        line("/", "2026-02-28T10:00:00Z", "192.0.2.1"),
        line("/", "2026-03-01T10:00:00Z", "192.0.2.1"),
    ])
    .await;
    let totals = house.store.client().query(
        "SELECT assumeNotNull((SELECT uniqExact(visitor_id) FROM identified WHERE website_id = ?)), toInt64(sum(visitors)),
                toInt64(sum(visits))
         FROM site_totals WHERE website_id = ?",
    );
    let (identified, anonymous, visits) =
        totals.bind(site.id).bind(site.id).fetch_one::<(u64, i64, i64)>().await.unwrap();
    assert_eq!((identified, anonymous, visits), (2, 2, 5));
    // The id itself is nowhere.
    let told = house
        .store
        .client()
        .query("SELECT countIf(toJSONString(tuple(*)) LIKE '%u1%') FROM events WHERE website_id = ?");
    assert_eq!(told.bind(site.id).fetch_one::<u64>().await.unwrap(), 0);
}

#[tokio::test]
async fn a_user_id_of_one_website_is_nobody_on_another() {
    let house = house().await;
    let mut visitors = Vec::new();
    for site in [house.site().await, house.site().await] {
        let mut event = line("/", "2026-03-01T10:00:00Z", "192.0.2.1");
        event["user_id"] = json!("u1");
        site.import_all(&[event]).await;
        visitors.push(site.row().await.visitor_id);
    }
    assert_ne!(visitors[0], visitors[1]);
}

#[tokio::test]
async fn a_day_is_the_websites_own() {
    let house = house().await;
    let days = |zone: &'static str| {
        let house = &house;
        async move {
            let settings = NewWebsite { timezone: Some(zone.into()), ..NewWebsite::default() };
            let site = house.site_with(settings).await;
            let times = [
                "2026-02-28T09:59:59.999Z",
                "2026-02-28T10:00:00Z",
                "2026-02-28T18:29:59.999Z",
                "2026-02-28T18:30:00Z",
            ];
            let events: Vec<_> = times.iter().map(|time| line("/", *time, "192.0.2.1")).collect();
            site.import_all(&events).await;
            let day = |row: schema::rows::EventRow| {
                chrono::NaiveDate::default() + chrono::Days::new(row.day.into())
            };
            site.rows().await.into_iter().map(|row| day(row).to_string()).collect::<Vec<_>>()
        }
    };
    let (last, first) = ("2026-02-28", "2026-03-01");
    assert_eq!(days("UTC").await, [last, last, last, last]);
    assert_eq!(days("Asia/Kolkata").await, [last, last, last, first]);
    assert_eq!(days("Pacific/Kiritimati").await, [last, first, first, first]);
}

#[tokio::test]
async fn an_import_and_a_browser_know_the_same_person() {
    let house = house().await;
    let site = house.site().await;
    let before = NOW - 60_000;
    site.import_all(&[line("/before", before, &ann().address)]).await;
    assert_eq!(house.send(&ann(), &site.view("/now")).await, 202);
    let rows = site.rows().await;
    assert_eq!((rows[0].visitor_id, rows[0].session_id), (rows[1].visitor_id, rows[1].session_id));
    assert_eq!((rows[1].visits, rows[1].visitors, rows[1].bounces), (0, 0, -1));
    assert_eq!((rows[1].duration_ms, rows[1].prev_path.as_str()), (60_000, "/before"));
}
