//! A real access log, imported by `footfall import`, against a count of its own: a plain loop over the file that shares
//! no code with the product but the list of bots.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::conformance::footfall;
use crate::house::{Site, house};

/// Ten thousand lines of semicomplete.com, May 2015; lies beside the project where its data are.
fn real_log() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/access-log/semicomplete-2015.log.gz");
    path.is_file().then_some(path)
}

/// What the log's files that are no pages end with.
const ASSETS: [&str; 28] = [
    "png", "css", "ico", "jpg", "js", "txt", "gif", "ttf", "pdf", "xml", "jar", "log", "svg", "xsl", "conf",
    "exe", "sh", "jpeg", "gz", "deb", "swf", "doc", "woff", "gem", "zip", "rpm", "ps", "tgz",
];

struct View {
    person: (String, String, bool),
    time: i64,
    path: String,
}

/// The counted lines of a log, and how many were not: `(views, [read, not GET, other status, assets, corrupt])`.
fn views(text: &str) -> (Vec<View>, [u64; 5]) {
    let mut views = Vec::new();
    let [mut read, mut other_method, mut other_status, mut assets, mut corrupt] = [0; 5];
    for line in text.lines() {
        read += 1;
        // Un-escaped quotes do not occur outside the three quoted fields of this log but in escaped form.
        let masked = line.replace("\\\"", "\u{1}");
        let parts: Vec<&str> = masked.split('"').collect();
        // The real log has a line whose user agent was cut off.
        if parts.len() != 7 {
            corrupt += 1;
            continue;
        }
        let (head, request, numbers, referrer, agent) = (parts[0], parts[1], parts[2], parts[3], parts[5]);
        let mut request = request.split(' ');
        let (method, target) = (request.next().unwrap(), request.next().unwrap());
        let status: u16 = numbers.trim().split(' ').next().unwrap().parse().unwrap();
        if method != "GET" {
            other_method += 1;
            continue;
        }
        if !(200..=399).contains(&status) {
            other_status += 1;
            continue;
        }
        let path = target.split(['?', '#']).next().unwrap();
        let file = path.rsplit('/').next().unwrap();
        let extension = file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        let hidden = path.split('/').any(|part| part.len() > 1 && part.starts_with('.'));
        if hidden || extension.is_some_and(|extension| ASSETS.contains(&extension.as_str())) {
            assets += 1;
            continue;
        }
        let agent = if agent == "-" { String::new() } else { agent.replace('\u{1}', "\"") };
        let host = referrer.split("://").nth(1).map(|rest| rest.split(['/', ':', '?']).next().unwrap());
        let bot =
            dictionaries::is_bot_agent(&agent).is_some() || host.is_some_and(dictionaries::is_spam_referrer);
        let time = head.split('[').nth(1).unwrap().split(']').next().unwrap();
        views.push(View {
            person: (head.split(' ').next().unwrap().to_owned(), agent, bot),
            time: seconds(time) * 1000,
            path: path.to_owned(),
        });
    }
    views.sort_by_key(|view| view.time);
    (views, [read, other_method, other_status, assets, corrupt])
}

/// Seconds since 1970 of `17/May/2015:10:05:03 +0000`, for May 2015.
fn seconds(time: &str) -> i64 {
    let number = |range| time.get(range).and_then(|text: &str| text.parse::<i64>().ok()).unwrap();
    assert!(&time[2..12] == "/May/2015:" && time.ends_with("+0000"), "{time}");
    // 2015-05-01 is day 16556.
    (16_556 + number(0..2) - 1) * 86_400 + number(12..14) * 3600 + number(15..17) * 60 + number(18..20)
}

/// The summary and the pages that the definitions give.
fn count(views: &[View], with_bots: bool) -> (Value, BTreeMap<String, (u64, u64)>) {
    let counted = || views.iter().filter(|view| with_bots || !view.person.2);
    let visitors: BTreeSet<_> = counted().map(|view| (&view.person, view.time / 86_400_000)).collect();
    let mut people: BTreeMap<_, Vec<&View>> = BTreeMap::new();
    for view in counted() {
        people.entry(&view.person).or_default().push(view);
    }
    let mut pages: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let (mut visits, mut bounces, mut duration) = (0_i64, 0_i64, 0_i64);
    for views in people.into_values() {
        for session in views.chunk_by(|left, right| right.time - left.time <= 30 * 60_000) {
            visits += 1;
            bounces += i64::from(session.len() == 1);
            duration += session[session.len() - 1].time - session[0].time;
            let mut seen = BTreeSet::new();
            for view in session {
                let page = pages.entry(view.path.clone()).or_default();
                page.0 += 1;
                page.1 += u64::from(seen.insert(&view.path));
            }
        }
    }
    // Half away from zero, in whole numbers: all of them are positive.
    let bounce_rate = ((bounces * 1000 * 2 + visits) / (2 * visits)) as f64 / 10.0;
    let average = (duration * 2 + visits * 1000) / (2 * visits * 1000);
    let summary = json!({
        "visits": { "value": visits },
        "unique_visitors": { "value": visitors.len() },
        "pageviews": { "value": counted().count() },
        "bounce_rate": { "value": bounce_rate },
        "avg_session_duration_sec": { "value": average },
    });
    (summary, pages)
}

async fn assert_reports(site: &Site, views: &[View]) {
    for with_bots in [false, true] {
        let (summary, pages) = count(views, with_bots);
        let range = format!("start_date=2015-05-17&end_date=2015-05-20&include_bots={with_bots}");
        let report = house().report(site, &format!("summary?{range}")).await;
        assert_eq!(as_floats(&report["metrics"]), as_floats(&summary), "with bots: {with_bots}");

        let mut expected: Vec<_> = pages.into_iter().collect();
        expected.sort_by(|left, right| right.1.0.cmp(&left.1.0).then_with(|| left.0.cmp(&right.0)));
        let mut rows = Vec::new();
        for page in 1.. {
            let report = house().report(site, &format!("pages?{range}&per_page=500&page={page}")).await;
            let more = report["rows"].as_array().unwrap().clone();
            if more.is_empty() {
                break;
            }
            rows.extend(more.into_iter().map(|row| {
                let count = |name: &str| row[name].as_u64().unwrap();
                (row["path"].as_str().unwrap().to_owned(), (count("pageviews"), count("uniquePageviews")))
            }));
        }
        assert_eq!(rows, expected, "with bots: {with_bots}");
    }
}

fn as_floats(metrics: &Value) -> BTreeMap<String, Option<f64>> {
    metrics
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, metric)| (name.clone(), metric["value"].as_f64()))
        .collect()
}

/// The number before a word of the tally.
fn tally(output: &str, name: &str) -> u64 {
    let line = output.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {output}"));
    let digits: String = line.replace(name, "").chars().take_while(|c| !c.is_alphabetic()).collect();
    digits.replace([',', ' '], "").parse().unwrap_or_else(|_| panic!("{line}"))
}

fn import(path: &Path, site: &Site) -> String {
    footfall(&["import", path.to_str().unwrap(), "--website", &site.id, "--format", "combined"])
}

#[tokio::test]
async fn a_real_log_agrees_with_an_independent_count() {
    let Some(log) = real_log() else {
        eprintln!("The access log is not beside the project; the small one of the other test stands for it.");
        return;
    };
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(&log).unwrap()).read_to_string(&mut text).unwrap();
    let (views, [read, other_method, other_status, assets, corrupt]) = views(&text);

    let site = house().website(json!({})).await;
    let output = import(&log, &site);
    assert_eq!(tally(&output, "read"), read);
    assert_eq!(tally(&output, "stored"), views.len() as u64);
    assert_eq!(tally(&output, "bots"), views.iter().filter(|view| view.person.2).count() as u64);
    assert_eq!(tally(&output, "not a GET request"), other_method);
    assert_eq!(tally(&output, "status is not 2xx or 3xx"), other_status);
    assert_eq!(tally(&output, "asset"), assets);
    assert_eq!(tally(&output, "refused"), corrupt);
    assert!(output.contains("not a combined log line (line 8899)"), "{output}");
    assert_reports(&site, &views).await;
    // Again, as after an interruption: everything counts once.
    import(&log, &site);
    assert_reports(&site, &views).await;
}

/// Lines as the real log has them: swapped within a minute, with bots, assets and refusals in between.
fn small_log() -> String {
    use std::fmt::Write as _;

    let mut log = String::new();
    for number in 0..400_u64 {
        let minute = number / 10;
        let second = (number * 37) % 60;
        let agent = if number % 7 == 0 {
            "Googlebot/2.1"
        } else {
            "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0"
        };
        let path = ["/", "/a?x=1", "/style.css", "/b.html"][(number % 4) as usize];
        let status = if number % 11 == 0 { 404 } else { 200 };
        let _ = writeln!(
            log,
            "198.51.100.{} - - [{:02}/May/2015:{:02}:{:02}:{second:02} +0000] \"GET {path} HTTP/1.1\" {status} 12 \"-\" \"{agent}\"",
            number % 5,
            17 + number / 120,
            (minute / 6) % 24,
            (minute * 7) % 60,
        );
    }
    log
}

#[tokio::test]
async fn a_log_agrees_with_an_independent_count_and_corrupt_lines_do_not_hurt_their_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let text = small_log();
    let path = folder.path().join("access.log");
    let mut file = std::fs::File::create(&path).unwrap();
    for (at, line) in text.lines().enumerate() {
        if at == 100 {
            file.write_all(b"\xff\xfe not a line\n\n{\"json\": true}\n").unwrap();
        }
        writeln!(file, "{line}").unwrap();
    }
    drop(file);
    let site = house().website(json!({})).await;
    let output = import(&path, &site);
    assert_eq!(tally(&output, "read"), 402);
    // The empty line in between is not counted as read, and keeps its number.
    assert!(output.contains("not a combined log line (line 101, 103)"), "{output}");
    assert_reports(&site, &views(&text).0).await;
}

#[tokio::test]
async fn a_corrupt_line_of_ndjson_is_counted_with_its_number_and_the_rest_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let good = |path: &str| {
        json!({ "timestamp": "2026-02-27T15:48:01Z", "event_type": "page_view", "url": format!("https://x.example{path}"),
                "ip": "198.51.100.1", "user_agent": crate::house::FIREFOX })
        .to_string()
    };
    let lines = [
        good("/1"),
        "{\"broken".to_owned(),
        json!({ "event_type": "page_view", "url": "nonsense", "timestamp": "2026-02-27T15:48:02Z" })
            .to_string(),
        good("/2"),
        json!({ "event_type": "page_view", "url": "https://x.example/", "timestamp": "yesterday" })
            .to_string(),
        String::new(),
        json!({ "url": "https://x.example/" }).to_string(),
    ];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let site = house().website(json!({})).await;
    let output = footfall(&["import", path.to_str().unwrap(), "--website", &site.id, "--format", "ndjson"]);
    for expected in [
        "malformed JSON (line 2)",
        "invalid url (line 3)",
        "invalid timestamp (line 5)",
        "invalid event_type (line 7)",
    ] {
        assert!(output.contains(expected), "{expected}: {output}");
    }
    assert_eq!((tally(&output, "read"), tally(&output, "stored"), tally(&output, "refused")), (6, 2, 4));
    let report = house().report(&site, "pages?start_date=2026-02-27&end_date=2026-02-27").await;
    assert_eq!(report["rows"].as_array().unwrap().len(), 2);
}
