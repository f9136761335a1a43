//! The snapshot cache: what it answers is what the store would say, whatever has happened to the data meanwhile.

use directory::Role;
use query_api::QueryApi;
use query_api::report::{CacheSize, Prefer};
use reqwest::Method;
use schema::maintain::{Maintainer, Range};
use schema::rollup::change::Silent;
use serde_json::{Value, json};
use service::config::Rate;

use crate::house::{House, Site, house, house_of_its_own, move_readers, serve_as};

/// Every report that is kept, from a rollup and from the events.
const REPORTS: [&str; 10] = [
    "summary?period=90d",
    "summary?period=7d&timezone=Asia/Tokyo",
    "pages?period=90d",
    "sources?period=90d&group_by=domain",
    "devices?period=90d",
    "flow?period=90d",
    "custom-events?period=90d",
    "timeseries?period=90d&metric=bounce_rate",
    "timeseries?period=7d&metric=visits&path=/&content_group=Blog",
    "funnel?period=7d&steps[]=/&steps[]=/blog",
];

/// Two of them that come from rollups, unless those are not to be asked.
const ROLLED_UP: [&str; 2] = [REPORTS[0], REPORTS[2]];

/// The same house without a cache, or with another choice of tables.
fn beside(house: &House, rollups: Prefer, cache: CacheSize) -> impl Future<Output = House> {
    serve_as(QueryApi {
        store: house.store.clone(),
        directory: house.directory.clone(),
        clock: house.clock.clone(),
        api_limit: Rate::Off,
        rollups,
        cache,
    })
}

/// A report's data, and whether it was kept.
async fn ask(site: &Site<'_>, report: &str) -> (Value, String) {
    let response = site.get(report).await;
    assert_eq!(response.status(), 200, "{report}");
    let kept = response.headers()["x-footfall-cache"].to_str().unwrap().to_owned();
    (response.json().await.unwrap(), kept)
}

async fn run(house: &House, sql: &str) {
    house.client().query_raw(sql).with_setting("mutations_sync", "2").execute().await.unwrap();
}

/// Merges all that there is to merge, so that none makes a new mark while a test looks.
async fn settle(house: &House) {
    for _ in 0..600 {
        let sql = "SELECT DISTINCT table FROM system.parts
                   WHERE database = currentDatabase() AND active
                     AND (table = 'events' OR match(table, '^(devices|event_types|identified|pages|places|site_totals|sources)_'))
                   GROUP BY table, partition HAVING count() > 1";
        let tables = house.client().query(sql).fetch_all::<String>().await.unwrap();
        if tables.is_empty() {
            return;
        }
        for table in tables {
            run(house, &format!("OPTIMIZE TABLE {table} FINAL")).await;
        }
    }
    panic!("the parts are never merged");
}

/// Two days of traffic that every report says something of.
async fn traffic(site: &Site<'_>) {
    site.store([
        site.visit("ann").at("2026-03-01T10:00:00").via("a.example").sees("/").after(9).sees("/blog"),
        site.visit("bob").at("2026-03-01T11:00:00").via("b.example").sees("/blog").after(3).sees("/"),
        site.visit("cid").identified().at("2026-02-28T11:00:00").sees("/").fires("bought", "/"),
        site.visit("dan").at("2026-02-28T12:00:00").sees("/").after(60).sees("/pricing"),
    ])
    .await;
}

#[tokio::test]
async fn an_equal_question_is_answered_once_and_an_unequal_one_anew() {
    let house = house_of_its_own().await;
    let site = house.site().await;
    traffic(&site).await;
    settle(&house).await;
    for report in REPORTS {
        let (first, kept) = ask(&site, report).await;
        assert_eq!(kept, "miss", "{report}");
        assert_eq!(ask(&site, report).await, (first, "hit".to_owned()), "{report}");
    }
    // Each of them differs from the first in one thing.
    for report in [
        "pages?period=90d&page=2",
        "pages?period=90d&per_page=1",
        "pages?period=90d&include_bots=true",
        "pages?period=90d&content_group=Blog",
        "pages?period=90d&filters={\"dimension\":\"page\",\"operator\":\"is\",\"value\":\"/\"}",
        "pages?period=90d&filters={\"dimension\":\"page\",\"operator\":\"is\",\"value\":\"/blog\"}",
        "pages?period=90d&filters={\"dimension\":\"page\",\"operator\":\"is_not\",\"value\":\"/\"}",
        "pages?period=90d&timezone=Asia/Tokyo",
        "pages?period=90d&timezone=Asia/Seoul",
        "pages?period=12m",
        "funnel?period=7d&steps[]=/blog&steps[]=/",
        "timeseries?period=90d&metric=visits",
        "timeseries?period=90d&metric=visits&path=/",
        "sources?period=90d&group_by=channel",
    ] {
        assert_eq!(ask(&site, report).await.1, "miss", "{report}");
    }
    // Another website, and the same days in other words.
    let other = house.site().await;
    let (empty, kept) = ask(&other, "pages?period=90d").await;
    assert_eq!((&empty["data"]["rows"], kept.as_str()), (&json!([]), "miss"));
    assert_eq!(ask(&site, "pages?start_date=2025-12-03&end_date=2026-03-02").await.1, "hit");
}

#[tokio::test]
async fn what_is_cheap_or_lives_is_always_asked() {
    let house = house_of_its_own().await;
    let site = house.site().await;
    traffic(&site).await;
    for report in [
        "realtime",
        "summary?period=7d&compare=previous_period",
        "pages?period=30d",
        "devices?period=today",
        "pages?period=90d&format=csv",
    ] {
        for _ in 0..2 {
            let response = site.get(report).await;
            assert_eq!(response.headers()["x-footfall-cache"], "off", "{report}");
        }
    }
    let off = beside(&house, Prefer::Auto, CacheSize::OFF).await;
    for report in REPORTS {
        for _ in 0..2 {
            assert_eq!(ask(&site.seen_from(&off), report).await.1, "off", "{report}");
        }
    }
}

/// Asks everything twice, has something done, and asks again: what is answered then is what a house without a cache
/// answers. Says which reports were still answered from the cache.
async fn around(
    house: &House,
    site: &Site<'_>,
    what: &str,
    change: impl Future<Output = ()>,
) -> Vec<&'static str> {
    let fresh = beside(house, Prefer::Auto, CacheSize::OFF).await;
    let from_events = beside(house, Prefer::EventsOnly, CacheSize::default()).await;
    let from_events = site.seen_from(&from_events);
    settle(house).await;
    let asked = REPORTS.map(|report| (site, report));
    let of_events = ROLLED_UP.map(|report| (&from_events, report));
    for (site, report) in asked.into_iter().chain(of_events) {
        ask(site, report).await;
        assert_eq!(ask(site, report).await.1, "hit", "{report} before {what}");
    }
    change.await;
    let plain = beside(house, Prefer::EventsOnly, CacheSize::OFF).await;
    let mut hits = Vec::new();
    for report in REPORTS {
        let (answer, kept) = ask(site, report).await;
        assert_eq!(answer, ask(&site.seen_from(&fresh), report).await.0, "{report} after {what}");
        if kept == "hit" {
            hits.push(report);
        }
    }
    for report in ROLLED_UP {
        let events = ask(&site.seen_from(&plain), report).await.0;
        assert_eq!(ask(&from_events, report).await.0, events, "{report} of the events after {what}");
    }
    hits
}

#[tokio::test]
async fn every_change_is_in_every_report_at_once() {
    let house = house_of_its_own().await;
    let site = house.site().await;
    let (_, admin) = house.account(Role::Admin).await;
    traffic(&site).await;
    let mut seen = Vec::new();
    let mut look = async || {
        let summary =
            ask(&site, "summary?period=90d").await.0["data"]["metrics"]["pageviews"]["value"].clone();
        let pages = ask(&site, "pages?period=90d").await.0["data"]["rows"][0]["pageviews"].clone();
        let funnel = ask(&site, REPORTS[9]).await.0["data"]["funnel"][0]["sessions"].clone();
        seen.push([summary, pages, funnel].map(|count| count.as_i64().unwrap()));
    };
    look().await;

    let insert = site.store([site.visit("eve").at("2026-03-01T12:00:00").via("c.example").sees("/")]);
    assert!(around(&house, &site, "an insert", insert).await.is_empty());
    look().await;

    // The rollup is wrong, as after a restored copy; then it is made equal to the events again.
    let wrong = format!(
        "INSERT INTO pages_0 (website_id, day, path, pageviews) SELECT '{}', '2026-03-01', '/', 100",
        site.id
    );
    around(&house, &site, "a wrong rollup", run(&house, &wrong)).await;
    look().await;
    let rebuild = Box::pin(async {
        Maintainer::new(house.store.clone()).rebuild(None, Range::default(), &mut Silent).await.unwrap();
    });
    around(&house, &site, "a rebuild", rebuild).await;
    look().await;
    run(&house, &wrong).await;
    let aggregate = Box::pin(async {
        let body = Some(r#"{"date":"2026-03-01"}"#.to_owned());
        let path = "/api/v1/admin/aggregate";
        assert_eq!(house.ask(Method::POST, path, Some(&admin), body).await.status(), 200);
    });
    around(&house, &site, "an aggregation", aggregate).await;
    look().await;

    let erasure = Box::pin(async {
        let eve = site.visit("eve").at("2026-03-01T12:00:00").sees("/").into_rows()[0].visitor_id;
        let path = format!("/api/v1/websites/{}/erasures", site.id);
        let body = Some(json!({ "visitor_id": eve.to_string() }).to_string());
        assert_eq!(house.ask(Method::POST, &path, Some(&site.key), body).await.status(), 202);
        assert_eq!(Maintainer::new(house.store.clone()).erase().await.unwrap().len(), 1);
    });
    assert!(around(&house, &site, "an erasure", erasure).await.is_empty());
    look().await;

    // A new version of a rollup: readers are moved to another table, which is right, from one that was not.
    run(&house, "CREATE TABLE pages_7 AS pages_0").await;
    run(&house, "INSERT INTO pages_7 SELECT * FROM pages_0").await;
    run(&house, &wrong).await;
    look().await;
    let switch = move_readers(&house, "pages", "pages_7");
    around(&house, &site, "a switch of versions", switch).await;
    look().await;

    let delete = Box::pin(async {
        run(&house, "ALTER TABLE events DELETE WHERE path = '/blog'").await;
        run(&house, "ALTER TABLE pages_7 DELETE WHERE path = '/blog'").await;
        run(&house, "DELETE FROM site_totals_0 WHERE day = '2026-02-28'").await;
    });
    around(&house, &site, "deletions", delete).await;
    look().await;
    assert_eq!(
        seen,
        [
            // Views, views of the first page, sessions at the funnel's first step.
            [7, 4, 4],
            [8, 5, 5],
            [8, 105, 5],
            [8, 5, 5],
            [8, 5, 5],
            [7, 4, 4],
            [7, 104, 4],
            [7, 4, 4],
            [4, 4, 4],
        ]
    );
}

#[tokio::test]
async fn whoever_asks_after_an_insert_sees_it() {
    let house = house_of_its_own().await;
    let site = house.site().await;
    traffic(&site).await;
    let views = async |report: &str| {
        let data = ask(&site, report).await.0;
        data["data"]["rows"][0]["pageviews"].as_i64().unwrap()
    };
    let tokyo = "pages?period=7d&timezone=Asia/Tokyo";
    let before = views("pages?period=90d").await;
    // Others ask all the time, so that some answer is always under way while an insert is.
    let (done, others) = (service::Stop::new(), async |done: service::Stop| {
        while !done.is_cancelled() {
            futures::join!(views("pages?period=90d"), views(tokyo), views(tokyo));
        }
    });
    let insert = async {
        for round in 1..=25 {
            let visit = site.visit(&format!("visitor {round}")).at("2026-03-01T12:00:00").sees("/");
            site.store([visit]).await;
            assert_eq!(views("pages?period=90d").await, before + round, "the rollup");
            assert_eq!(views(tokyo).await, before + round, "the events");
        }
        done.cancel();
    };
    futures::join!(insert, others(done.clone()), others(done.clone()));
}

#[tokio::test]
async fn what_comes_in_today_leaves_earlier_days_alone() {
    let house = house_of_its_own().await;
    let site = house.site().await;
    traffic(&site).await;
    settle(&house).await;
    let earlier = "pages?start_date=2026-01-10&end_date=2026-02-28";
    let today = "pages?start_date=2026-01-10&end_date=2026-03-02";
    for report in [earlier, today] {
        ask(&site, report).await;
    }
    site.store([site.visit("eve").at("2026-03-02T11:00:00").sees("/")]).await;
    assert_eq!((ask(&site, earlier).await.1, ask(&site, today).await.1), ("hit".into(), "miss".into()));
}

#[tokio::test]
async fn a_block_that_takes_the_number_of_a_lost_one_is_another() {
    let house = house_of_its_own().await;
    let site = house.site().await;
    traffic(&site).await;
    let report = "funnel?start_date=2026-01-01&end_date=2026-03-01&steps[]=/&steps[]=/blog";
    let count = async || {
        let (answer, kept) = ask(&site, report).await;
        (answer["data"]["funnel"][0]["sessions"].as_i64().unwrap(), kept)
    };
    let parts = async || {
        let sql = "SELECT arraySort(groupArray(name)) FROM system.parts
                   WHERE database = currentDatabase() AND table = 'events' AND active";
        house.client().query(sql).fetch_one::<Vec<String>>().await.unwrap()
    };
    site.store([
        site.visit("ann").at("2026-01-01T10:00:00").sees("/"),
        site.visit("bob").at("2026-01-01T10:00:00").sees("/"),
    ])
    .await;
    let (lost, names) = (count().await.0, parts().await);
    assert_eq!(count().await, (lost, "hit".to_owned()));
    // As after a crash that lost the last block, and a start that counts on from the last one that is left.
    run(&house, "ALTER TABLE events DROP PARTITION 202601").await;
    run(&house, "DETACH TABLE events").await;
    run(&house, "ATTACH TABLE events").await;
    site.store([site.visit("cid").at("2026-01-01T10:00:00").sees("/")]).await;
    assert_eq!(parts().await, names, "the number was not given again");
    assert_eq!(count().await, (lost - 1, "miss".to_owned()));
}

#[tokio::test]
async fn tables_that_nobody_can_look_into_are_always_asked() {
    let house = house().await;
    let site = house.site().await;
    let elsewhere = house_of_its_own().await;
    // As on a cluster: the table by its name is a door to others.
    run(&elsewhere, "RENAME TABLE events TO events_of_shard").await;
    run(&elsewhere, "CREATE VIEW events AS SELECT * FROM events_of_shard").await;
    let cluster = serve_as(QueryApi {
        store: elsewhere.store.clone(),
        directory: house.directory.clone(),
        clock: house.clock.clone(),
        api_limit: Rate::Off,
        rollups: Prefer::Auto,
        cache: CacheSize::default(),
    })
    .await;
    for _ in 0..2 {
        assert_eq!(ask(&site.seen_from(&cluster), REPORTS[9]).await.1, "off");
    }
}

#[tokio::test]
async fn the_operator_sees_hits_misses_and_bytes() {
    let recorder = service::metrics::install().unwrap();
    let house = house_of_its_own().await;
    let site = house.site().await;
    traffic(&site).await;
    settle(&house).await;
    for _ in 0..2 {
        ask(&site, REPORTS[9]).await;
    }
    let shown = recorder.render();
    for name in ["footfall_cache_hits_total", "footfall_cache_misses_total", "footfall_cache_bytes"] {
        assert!(shown.contains(&format!("# HELP {name} ")), "{name} is not explained");
        let value = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        assert!(value.parse::<f64>().unwrap() > 0.0, "{name} {value}");
    }
}
