//! Five hundred texts that mean something to somebody: to SQL, to templates, to shells, to URLs, to terminals.
//!
//! In every parameter and every field they are texts and nothing else: no answer is a failure, stored ones come back as
//! they went in, reports about them say what a plain count says, and the store is never asked in other words than for
//! harmless texts.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use directory::{NewUser, Role};
use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::house::{House, Site, house_of_its_own};

/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// What a parameter of a report takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Something of a form: every text of ours is refused by the parameter's name.
    Form,
    /// A text: it is looked for, or refused because it is too long.
    Text,
}

use Takes::{Form, Text};

/// What every report takes but `realtime`. Of `summary` and `pages` the content group is asked for in [`reports_about`].
const COMMON: [(&str, Takes); 9] = [
    ("period", Form),
    ("start_date", Form),
    ("end_date", Form),
    ("compare", Form),
    ("include_bots", Form),
    ("page", Form),
    ("per_page", Form),
    ("format", Form),
    ("content_group", Text),
];

/// A report, its own parameters, and what it needs.
type Report = (&'static str, &'static [(&'static str, Takes)], &'static str);

/// The reports, what they take beside the common parameters, and what they must have to be asked at all. Those that are
/// not routed are not asked.
const REPORTS: [Report; 9] = [
    ("summary", &[], ""),
    ("pages", &[], ""),
    ("sources", &[("group_by", Form)], ""),
    ("devices", &[], ""),
    ("flow", &[], ""),
    ("funnel", &[("steps[]", Text)], "steps[]=/a&steps[]=/b"),
    ("realtime", &[], ""),
    ("custom-events", &[("event_name", Text)], ""),
    ("timeseries", &[("metric", Form), ("path", Text)], ""),
];

/// Texts that mean something to somebody.
const SEEDS: [&str; 84] = [
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\\\",
    "\\'",
    "'\\''",
    "\\x27",
    "\\u0027",
    "\\n",
    "'; DROP TABLE events; --",
    "') OR 1=1 --",
    "' OR ''='",
    "\" OR \"\"=\"",
    "1); SELECT 1; --",
    "' UNION ALL SELECT key_hash FROM users --",
    "')) FORMAT JSON --",
    "' INTO OUTFILE '/tmp/x' --",
    "' SETTINGS readonly=0 --",
    "sleep(3)",
    "-- comment",
    "/* comment */",
    "# comment",
    "*/ x /*",
    "{p0:String}",
    "{site:UUID}",
    "{p0:Identifier}",
    "{{7*7}}",
    "{",
    "}",
    "$metrics",
    "$key",
    "${jndi:ldap://x}",
    "$$",
    "$(id)",
    "?",
    "??",
    "?fields",
    ":name",
    "@x",
    "%",
    "%%",
    "%27",
    "%00",
    "%2527",
    "%FF",
    "%c0%a7",
    "+",
    "&",
    "&website_id=7",
    "=",
    ";",
    "\u{0}",
    "a\u{0}b",
    "\t",
    "\n",
    "\r\n",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{200b}",
    "\u{202e}evil",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
    "שלום",
    "مرحبا",
    "日本語",
    "👩‍👩‍👧‍👦",
    "e\u{301}",
    "ﬃ",
    "İ",
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "NULL",
    "nan",
    "-1",
    "1e309",
    "9223372036854775808",
    "[1,2]",
];

const HARMLESS: [&str; 6] = ["Blog", "shop", "a b", "News and more", "example.org", "/pricing"];

/// All five hundred: each seed alone, and seeds one after another.
fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = SEEDS.map(str::to_owned).to_vec();
    texts.extend([60, 101, 256, 501, 3_000].map(|length| "x".repeat(length)));
    texts.extend([99, 300].map(|length| "'".repeat(length)));
    texts.push("\u{301}".repeat(90));
    for step in 1.. {
        for (at, seed) in SEEDS.iter().enumerate() {
            if texts.len() == 500 {
                return texts;
            }
            let text = [*seed, SEEDS[(at + step * 7) % SEEDS.len()]].concat();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Does something with every text, several at once.
async fn each<'t>(texts: &'t [String], work: impl AsyncFn(usize, &'t str)) {
    let works = texts.iter().enumerate().map(|(at, text)| work(at, text));
    futures::stream::iter(works).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// What was stored about a text.
struct Stored {
    path: String,
    group: String,
    views: i64,
}

/// Stores one to three views of a page whose path and content group are the text.
async fn store_views(site: &Site<'_>, texts: &[String]) -> Vec<Stored> {
    let mut rows = Vec::new();
    let mut stored = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let views = 1 + at % 3;
        let group: String = text.chars().take(100).collect();
        let mut visit = site.visit(&at.to_string()).at("2026-02-27T10:00:00");
        for _ in 0..views {
            visit = visit.after(10).sees(text);
        }
        let of_visit = visit.into_rows().into_iter().map(|mut row| {
            row.content_group.clone_from(&group);
            row
        });
        rows.extend(of_visit);
        stored.push(Stored { path: text.clone(), group, views: views as i64 });
    }
    site.store_rows(&rows).await;
    stored
}

/// Path, group, views and unique views of each page, as a plain count tells them.
type Pages = BTreeSet<(String, String, i64, i64)>;

fn counted<'s>(stored: impl Iterator<Item = &'s Stored>) -> Pages {
    stored.map(|page| (page.path.clone(), page.group.clone(), page.views, 1)).collect()
}

fn told(data: &Value) -> Pages {
    let row = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| row[name].as_i64().unwrap();
        (text("path"), text("contentGroup"), number("pageviews"), number("uniquePageviews"))
    };
    data["rows"].as_array().unwrap().iter().map(row).collect()
}

/// Stores every text and asks for it: pages and summaries of its group, all pages, the table.
async fn reports_about(house: &House, texts: &[String]) {
    let site = house.site().await;
    let stored = store_views(&site, texts).await;
    let mut groups: BTreeMap<&str, Vec<&Stored>> = BTreeMap::new();
    for page in &stored {
        groups.entry(&page.group).or_default().push(page);
    }
    let names: Vec<String> = groups.keys().map(|name| (*name).to_owned()).collect();
    each(&names, async |_, name| {
        let pages = &groups[name];
        let query = format!("content_group={}", encoded(name));
        let report = site.report(&format!("pages?{query}&per_page=500")).await;
        assert_eq!(told(&report), counted(pages.iter().copied()), "{name:?}");
        let report = site.report(&format!("summary?{query}")).await;
        let views: i64 = pages.iter().map(|page| page.views).sum();
        assert_eq!(report["metrics"]["pageviews"]["value"], views, "{name:?}");
    })
    .await;
    let mut all = Pages::new();
    for page in 1..=3 {
        all.extend(told(&site.report(&format!("pages?per_page=200&page={page}")).await));
    }
    assert_eq!(all, counted(stored.iter()));
    // A spreadsheet gets the same, with formulas disarmed.
    let table = site.csv("pages?format=csv&per_page=500").await;
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let paths: BTreeSet<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
    let disarmed = |text: &str| match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    };
    assert_eq!(paths, stored.iter().map(|page| disarmed(&page.path)).collect());
}

/// Puts every text into every parameter of every report.
async fn parameters(house: &House, texts: &[String]) {
    let site = house.site().await;
    let mut asked = 0;
    for (report, own, needs) in REPORTS {
        if site.get(&format!("{report}?{needs}")).await.status() == 404 {
            continue;
        }
        let common: &[_] = if report == "realtime" { &[] } else { &COMMON };
        for (parameter, takes) in common.iter().chain(own) {
            if *parameter == "content_group" && ["summary", "pages"].contains(&report) {
                continue;
            }
            asked += 1;
            // Given twice it would be refused for that.
            let needs =
                if needs.starts_with(parameter) { format!("{parameter}=/a") } else { needs.to_owned() };
            each(texts, async |_, text| {
                let query = format!("{report}?{needs}&{}={}", encoded(parameter), encoded(text));
                let response = site.get(&query).await;
                let status = response.status();
                let body = response.text().await.unwrap();
                let is_refused = status == StatusCode::BAD_REQUEST && body.contains("INVALID_PAYLOAD");
                match takes {
                    Form => assert!(is_refused && body.contains(parameter), "{query}: {status} {body}"),
                    Text => assert!(status == StatusCode::OK || is_refused, "{query}: {status} {body}"),
                }
            })
            .await;
        }
        each(texts, async |_, text| {
            let path = format!("/api/v1/reports/{report}?{needs}&website_id={}", encoded(text));
            let response = house.ask(Method::GET, &path, Some(&site.key), None).await;
            assert_eq!(response.status(), 400, "website_id={text:?}");
        })
        .await;
    }
    assert!(asked >= 16, "only {asked} parameters were asked with");
}

/// Puts every text into every field of every body.
async fn fields(house: &House, texts: &[String]) {
    let (account, admin) = house.account(Role::Admin).await;
    let site = house.site().await;
    let website = format!("/api/v1/websites/{}", site.id);
    let ask = async |method: Method, path: &str, body: Value| {
        let response = house.ask(method, path, Some(&admin), Some(body.to_string())).await;
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        assert!([200, 201, 400, 404].contains(&status), "{path} {body}: {status} {answer}");
        (status < 400).then(|| answer["data"].clone())
    };
    each(texts, async |_, text| {
        if let Some(made) = ask(Method::POST, "/api/v1/accounts", json!({ "name": text })).await {
            assert_eq!(made["name"], text.trim());
        }
        let user = json!({ "account_id": account, "role": "user", "email": text });
        if let Some(made) = ask(Method::POST, "/api/v1/users", user).await {
            assert_eq!(made["email"], text.trim());
        }
        assert_eq!(
            ask(Method::POST, "/api/v1/users", json!({ "account_id": account, "role": text })).await,
            None
        );
        assert_eq!(
            ask(Method::POST, "/api/v1/users", json!({ "account_id": text, "role": "user" })).await,
            None
        );
        let new = json!({ "domain": "a.example", "account_id": text });
        assert_eq!(ask(Method::POST, "/api/v1/websites", new).await, None);
        assert_eq!(ask(Method::POST, "/api/v1/admin/aggregate", json!({ "date": text })).await, None);

        let is_host = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        let made = ask(Method::POST, "/api/v1/websites", json!({ "domain": text })).await;
        assert!(made.is_none_or(|made| is_host(text.trim()) && made["domain"] == text.trim().to_lowercase()));
        let groups = json!([{ "name": text, "pattern": "/blog*" }]);
        if let Some(changed) = ask(Method::PATCH, &website, json!({ "content_groups": groups })).await {
            assert_eq!(changed["contentGroups"][0]["name"], text.trim());
        }
        let groups = json!([{ "name": "Blog", "pattern": text }]);
        if let Some(changed) = ask(Method::PATCH, &website, json!({ "content_groups": groups })).await {
            assert_eq!(changed["contentGroups"][0]["pattern"], text);
        }
        assert_eq!(ask(Method::PATCH, &website, json!({ "timezone": text })).await, None);
        assert_eq!(ask(Method::PATCH, &website, json!({ "excluded_ips": [text] })).await, None);
        // As the name of a field it is nobody's.
        assert_eq!(ask(Method::PATCH, &website, json!({ text: text })).await, None);
    })
    .await;
    // What was stored is read back by a process that starts now.
    let (_, reader) = house.account(Role::Admin).await;
    let response = house.ask(Method::GET, "/api/v1/accounts", Some(&reader), None).await;
    let list: Value = response.json().await.unwrap();
    let names: BTreeSet<_> =
        list["data"].as_array().unwrap().iter().map(|account| account["name"].as_str().unwrap()).collect();
    let kept = texts.iter().map(|text| text.trim()).filter(|text| names.contains(text)).count();
    assert!(kept >= texts.len() / 4, "only {kept} names were kept");
}

/// Puts every text into ids and keys.
async fn ids_and_keys(house: &House, texts: &[String]) {
    let (account, admin) = house.account(Role::Admin).await;
    let new = NewUser { account_id: account, website_id: None, email: String::new(), role: Role::User };
    house.directory.add_user(new).await.unwrap();
    each(texts, async |_, text| {
        // In a path a plus is a plus.
        let id = encoded(text).replace('+', "%20");
        for (method, path) in [
            (Method::GET, format!("/api/v1/users/{id}/api-key")),
            (Method::DELETE, format!("/api/v1/users/{id}")),
            (Method::GET, format!("/api/v1/websites/{id}")),
            (Method::PATCH, format!("/api/v1/websites/{id}")),
            (Method::POST, format!("/api/v1/websites/{id}/keys")),
        ] {
            let status = house.ask(method, &path, Some(&admin), Some("{}".into())).await.status();
            assert!([400, 404, 405].contains(&status.as_u16()), "{path}: {status}");
        }
        if let Ok(key) = reqwest::header::HeaderValue::from_bytes(text.as_bytes()) {
            let request = house.request(Method::GET, "/api/v1/websites").header("X-API-KEY", key);
            assert_eq!(request.send().await.unwrap().status(), 401);
        }
    })
    .await;
}

#[derive(Row, Deserialize)]
struct Asked {
    query: String,
    failed: String,
}

/// The queries that the store was asked, without their literals; none of them has failed.
async fn asked(house: &House) -> BTreeSet<String> {
    let client = house.client();
    client.query("SYSTEM FLUSH LOGS").execute().await.unwrap();
    let query = client.query(
        "SELECT normalizeQuery(query) AS query, any(exception) AS failed FROM system.query_log
         WHERE current_database = {database:String} AND type != 'QueryStart' AND query_kind IN ('Select', 'Insert')
           AND query NOT LIKE '%system.query_log%'
         GROUP BY query",
    );
    let rows: Vec<Asked> = query.param("database", house.store.database()).fetch_all().await.unwrap();
    for Asked { query, failed } in &rows {
        assert!(failed.is_empty(), "{failed}\n{query}");
    }
    rows.into_iter().map(|row| row.query).collect()
}

async fn everything(texts: &[String]) -> BTreeSet<String> {
    // On a database of its own, so that the store's log of queries is its own too.
    let house = house_of_its_own().await;
    reports_about(&house, texts).await;
    parameters(&house, texts).await;
    fields(&house, texts).await;
    ids_and_keys(&house, texts).await;
    asked(&house).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_are_texts_and_the_store_is_asked_in_the_same_words() {
    let texts = hostile();
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), 500);
    let harmless = everything(&HARMLESS.map(str::to_owned)).await;
    let hostile = everything(&texts).await;
    assert!(harmless.len() > 10, "{harmless:?}");
    let new: Vec<_> = hostile.difference(&harmless).collect();
    assert!(new.is_empty(), "hostile texts made other queries: {new:#?}");
    let missing: Vec<_> = harmless.difference(&hostile).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
