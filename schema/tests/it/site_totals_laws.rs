//! Rollups equal a recount of the events, for any rows, batches and repeats: `site_totals` and `identified` a recount
//! written down here, and every rollup the one that `verify` makes.

use std::collections::BTreeMap;

use clickhouse::{Client, Row};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use schema::maintain::{Maintainer, Range};
use schema::rollup::change::Silent;
use schema::rows::{Day, EventRow};
use serde::Deserialize;
use uuid::Uuid;

use crate::house::{self, MONDAY, load, run, utc, view};

/// Of which website, day, UTC hour (seconds), and whether bots.
type Key = (Uuid, Day, u32, bool);

/// Events, pageviews, unique pageviews, visitors, visits, bounces, duration.
type Counts = [i64; 7];

/// Events of identified visitors, by website, day, whether bots, and visitor.
type Identified = BTreeMap<(Uuid, Day, bool, u64), i64>;

/// The definitions, as plainly as they can be said.
fn recount(events: &[EventRow]) -> BTreeMap<Key, Counts> {
    let mut counts = BTreeMap::<Key, Counts>::new();
    let hour = |time: i64| (time.div_euclid(3_600_000) * 3600) as u32;
    for event in events.iter().filter(|event| !event.is_excluded) {
        let key = (event.website_id, event.day, hour(event.time), event.is_bot);
        let sums = counts.entry(key).or_default();
        sums[0] += 1;
        sums[1] += i64::from(event.event_type == "page_view");
        sums[2] += i64::from(event.unique_pageview);
        sums[3] += if event.is_identified { 0 } else { i64::from(event.visitors) };
        if event.session_id != 0 {
            let key = (event.website_id, event.session_day, hour(event.session_start), event.is_bot);
            let sums = counts.entry(key).or_default();
            sums[4] += i64::from(event.visits);
            sums[5] += i64::from(event.bounces);
            sums[6] += event.duration_ms;
        }
    }
    counts
}

async fn rollup(client: &Client, sites: &str) -> BTreeMap<Key, Counts> {
    #[derive(Row, Deserialize)]
    struct Found {
        #[serde(with = "clickhouse::serde::uuid")]
        website_id: Uuid,
        day: Day,
        hour: u32,
        is_bot: bool,
        sums: Vec<i64>,
    }
    let sql = format!(
        "SELECT website_id, day, hour, is_bot,
                [sum(events), sum(pageviews), sum(unique_pageviews), sum(visitors),
                 sum(visits), sum(bounces), sum(duration_ms)] AS sums
         FROM site_totals AS t WHERE website_id IN ({sites}) GROUP BY website_id, day, hour, is_bot"
    );
    let found: Vec<Found> = house::rows(client, &sql).await;
    let key = |row: &Found| (row.website_id, row.day, row.hour, row.is_bot);
    found.iter().map(|row| (key(row), row.sums.clone().try_into().unwrap())).collect()
}

fn recount_identified(events: &[EventRow]) -> Identified {
    let mut counts = Identified::new();
    for event in events.iter().filter(|event| event.is_identified && !event.is_excluded) {
        *counts.entry((event.website_id, event.day, event.is_bot, event.visitor_id)).or_default() += 1;
    }
    counts
}

async fn identified(client: &Client, sites: &str) -> Identified {
    #[derive(Row, Deserialize)]
    struct Found {
        #[serde(with = "clickhouse::serde::uuid")]
        website_id: Uuid,
        day: Day,
        is_bot: bool,
        visitor_id: u64,
        events: i64,
    }
    let sql = format!(
        "SELECT website_id, day, is_bot, visitor_id, sum(t.events) AS events
         FROM identified AS t WHERE website_id IN ({sites}) GROUP BY website_id, day, is_bot, visitor_id"
    );
    let found: Vec<Found> = house::rows(client, &sql).await;
    found.iter().map(|row| ((row.website_id, row.day, row.is_bot, row.visitor_id), row.events)).collect()
}

/// Any event: days of two months, sessions that started up to two days before, every flag, and deltas of either sign.
fn any_event() -> impl Strategy<Value = EventRow> {
    let time = (0..40_u16, -14 * 60..38 * 60_i64, 0..60_000_i64);
    let session = proptest::option::of((1..9_u64, 0..2 * 24 * 60_i64, 0..3_u16));
    let flags = (0..2_u128, prop::bool::weighted(0.1), prop::bool::weighted(0.2), any::<bool>(), 0..5_u64);
    let kind = prop::sample::select(vec!["page_view", "custom", "scroll_25"]);
    let deltas = (0..=1_i8, 0..=1_i8, -1..=1_i8, 0..=1_i8, 0..2_000_000_i64);
    (time, session, flags, kind, deltas).prop_map(|(time, session, flags, kind, deltas)| {
        let (day, minute, ms) = time;
        let (site, is_excluded, is_bot, is_identified, visitor_id) = flags;
        let (visits, visitors, bounces, unique_pageview, duration_ms) = deltas;
        let day = MONDAY + day;
        let time = utc(day, 0, minute) + ms;
        let (session_id, back, days_back) = session.unwrap_or_default();
        EventRow {
            day,
            time,
            event_type: kind.into(),
            visitor_id,
            is_excluded,
            is_bot,
            is_identified,
            session_id,
            session_start: if session_id == 0 { 0 } else { time - back * 60_000 },
            session_day: if session_id == 0 { 0 } else { day - days_back },
            visits: if session_id == 0 { 0 } else { visits },
            visitors,
            bounces: if session_id == 0 { 0 } else { bounces },
            unique_pageview,
            duration_ms: if session_id == 0 { 0 } else { duration_ms },
            ..view(Uuid::from_u128(site))
        }
    })
}

/// A batch, and how many times it is inserted under its token.
fn any_batches() -> impl Strategy<Value = Vec<(Vec<EventRow>, usize)>> {
    vec((vec(any_event(), 1..120), 1..=2_usize), 1..4)
}

#[test]
fn the_rollup_equals_a_recount_of_the_events() {
    let config = Config { cases: 12, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(async {
        let store = house::missing().await;
        schema::migrate::up(&store).await.unwrap();
        store
    });
    let client = store.client();
    runner.run(&any_batches(), |batches| runtime.block_on(holds(&client, batches))).unwrap();
    let findings = runtime.block_on(Maintainer::new(store).verify(Range::default(), &mut Silent)).unwrap();
    assert!(findings.is_clean(), "{findings:?}");
}

async fn holds(client: &Client, batches: Vec<(Vec<EventRow>, usize)>) -> Result<(), TestCaseError> {
    // Two websites of this case's own.
    let sites = [Uuid::new_v4(), Uuid::new_v4()];
    let mut inserted = Vec::new();
    for (mut batch, times) in batches {
        for event in &mut batch {
            event.website_id = sites[event.website_id.as_u128() as usize];
        }
        let token = Uuid::new_v4().to_string();
        for _ in 0..times {
            load(client, &token, &batch).await;
        }
        inserted.extend(batch);
    }
    let sites = sites.map(|id| format!("'{id}'")).join(", ");
    let columns = EventRow::COLUMN_NAMES.join(", ");
    let sql = format!("SELECT {columns} FROM events WHERE website_id IN ({sites})");
    let stored: Vec<EventRow> = house::rows(client, &sql).await;

    let expected = recount(&inserted);
    prop_assert_eq!(&recount(&stored), &expected);
    prop_assert_eq!(&rollup(client, &sites).await, &expected);
    prop_assert_eq!(&identified(client, &sites).await, &recount_identified(&inserted));
    run(client, "OPTIMIZE TABLE site_totals_0 FINAL").await;
    prop_assert_eq!(&rollup(client, &sites).await, &expected, "after a merge");
    Ok(())
}
