//! The report core by itself: both ways of counting agree, and the laws hold.

use query_api::report::sql::Limits;
use query_api::report::{Breakdown, Dimension, Metric, Page, Prefer, ReportError, Scope, Source};

use crate::house::{Site, house};

const ALL: &[Metric] = &[
    Metric::Events,
    Metric::Pageviews,
    Metric::UniquePageviews,
    Metric::UniqueVisitors,
    Metric::Visits,
    Metric::Bounces,
    Metric::DurationMs,
];

const EVERYTHING: Page = Page { limit: 1000, offset: 0 };

/// Some days of all kinds of traffic.
async fn traffic(site: &Site<'_>) {
    let mut visits = Vec::new();
    for day in 25..=28 {
        let at = |time: &str| format!("2026-02-{day}T{time}");
        visits.extend([
            site.visit("ann")
                .at(&at("10:00:00"))
                .from("Search")
                .sees("/")
                .after(40)
                .sees("/blog/a")
                .after(5)
                .sees("/"),
            site.visit("bob")
                .at(&at("23:45:00"))
                .sees("/blog")
                .after(1_500)
                .does("scroll_50", "/blog")
                .after(10)
                .sees("/"),
            site.visit("cid").identified().at(&at("08:00:00")).with("Safari").from("Email").sees("/pricing"),
            site.visit("dan").identified().at(&at("09:30:00")).sees("/").after(3).does("custom", "/"),
            site.visit("eve").excluded().at(&at("09:30:00")).sees("/"),
            site.visit("crawler").bot().at(&at("11:00:00")).sees("/").sees("/blog"),
            site.visit("crawler").bot().identified().at(&at("12:00:00")).sees("/"),
            // A scroll outside any session.
            site.visit("fay").at(&at("13:00:00")).does("scroll_25", "/"),
        ]);
    }
    site.store(visits).await;
}

async fn totals(site: &Site<'_>, scope: &Scope, prefer: Prefer) -> (Vec<i64>, Source) {
    let answer = site.house.reports().prefer(prefer).totals(scope, ALL).await.unwrap();
    (ALL.iter().map(|metric| answer.counts.of(*metric)).collect(), answer.source)
}

#[tokio::test]
async fn rollup_and_events_agree_to_the_unit() {
    let house = house().await;
    let site = house.site().await;
    traffic(&site).await;
    for (start, end) in [
        ("2026-02-25", "2026-02-28"),
        ("2026-02-26", "2026-02-26"),
        ("2026-02-28", "2026-03-01"),
        ("2026-03-01", "2026-03-01"),
        ("2026-01-01", "2026-01-31"),
    ] {
        for include_bots in [false, true] {
            let scope = Scope { include_bots, ..site.scope(start, end) };
            let (rollup, source) = totals(&site, &scope, Prefer::Auto).await;
            assert_eq!(source, Source::SiteTotals);
            let (events, source) = totals(&site, &scope, Prefer::EventsOnly).await;
            assert_eq!(source, Source::Events);
            assert_eq!(rollup, events, "{start} {end} {include_bots}");
        }
    }
}

#[tokio::test]
async fn the_numbers_of_a_day_are_those_that_can_be_counted_by_hand() {
    let house = house().await;
    let site = house.site().await;
    traffic(&site).await;
    let scope = site.scope("2026-02-26", "2026-02-26");
    // Bob's visit of the day before ends on this one, with two events of which one is a view.
    // Events: ann 3, bob 2 + 1, cid 1, dan 2, fay 1. Visitors: ann, bob, cid, dan, fay. Visits: ann, bob in the evening,
    // cid, dan, and cid's is a bounce. Durations: ann 45 s, bob's evening 1510 s to its end on the next day, dan 3 s.
    let (counts, _) = totals(&site, &scope, Prefer::Auto).await;
    assert_eq!(counts, [10, 7, 6, 5, 4, 1, 45_000 + 1_510_000 + 3_000]);
    // Identified visitors are the same on every day; anonymous ones are not.
    let scope = site.scope("2026-02-25", "2026-02-28");
    let (counts, _) = totals(&site, &scope, Prefer::Auto).await;
    assert_eq!(counts[3], 2 + 4 * 3);
}

#[tokio::test]
async fn a_late_event_may_lie_on_the_day_before_its_session() {
    let house = house().await;
    let site = house.site().await;
    let mut rows = site.visit("ann").at("2026-02-26T00:05:00").sees("/").into_rows();
    let mut late = site.visit("ann").at("2026-02-25T23:55:00").does("scroll_25", "/").into_rows().remove(0);
    late.session_id = rows[0].session_id;
    late.session_start = rows[0].session_start;
    late.session_day = rows[0].session_day;
    late.duration_ms = 600_000;
    rows.push(late);
    site.store_rows(&rows).await;
    for content_group in [None, Some(String::new())] {
        let scope = Scope { content_group, ..site.scope("2026-02-26", "2026-02-26") };
        for prefer in [Prefer::Auto, Prefer::EventsOnly] {
            let (counts, _) = totals(&site, &scope, prefer).await;
            assert_eq!(counts[4..], [1, 1, 600_000], "{scope:?} {prefer:?}");
        }
    }
}

#[tokio::test]
async fn a_bot_is_a_visitor_of_its_own() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        site.visit("ann").identified().at("2026-02-25T10:00:00").sees("/blog"),
        site.visit("ann").identified().bot().at("2026-02-25T12:00:00").sees("/blog"),
    ])
    .await;
    for content_group in [None, Some("Blog".to_owned())] {
        let scope = Scope { include_bots: true, content_group, ..site.scope("2026-02-25", "2026-02-25") };
        for prefer in [Prefer::Auto, Prefer::EventsOnly] {
            let (counts, _) = totals(&site, &scope, prefer).await;
            assert_eq!(counts[3], 2, "{scope:?} {prefer:?}");
        }
    }
}

#[tokio::test]
async fn a_narrower_filter_never_raises_a_count() {
    let house = house().await;
    let site = house.site().await;
    traffic(&site).await;
    let whole = Scope { include_bots: true, ..site.scope("2026-02-25", "2026-03-01") };
    let people = Scope { include_bots: false, ..whole.clone() };
    let group = Scope { content_group: Some("Blog".into()), ..whole.clone() };
    let shorter = Scope { include_bots: true, ..site.scope("2026-02-26", "2026-02-27") };
    let (wide, _) = totals(&site, &whole, Prefer::Auto).await;
    for narrow in [people, group, shorter] {
        let (counts, _) = totals(&site, &narrow, Prefer::Auto).await;
        for (metric, (less, more)) in ALL.iter().zip(counts.into_iter().zip(&wide)) {
            assert!(less <= *more, "{metric:?} {narrow:?}: {less} > {more}");
        }
    }
}

#[tokio::test]
async fn a_breakdown_sums_to_the_total() {
    let house = house().await;
    let site = house.site().await;
    traffic(&site).await;
    for (start, end) in [("2026-02-25", "2026-03-01"), ("2026-02-26", "2026-02-26")] {
        for content_group in [None, Some("Blog".to_owned())] {
            let scope = Scope { content_group, ..site.scope(start, end) };
            let reports = house.reports();
            let total = reports.totals(&scope, ALL).await.unwrap().counts;
            for by in [
                Dimension::Channel,
                Dimension::Referrer,
                Dimension::Campaign,
                Dimension::DeviceType,
                Dimension::Browser,
                Dimension::Os,
                Dimension::Screen,
            ] {
                let question = Breakdown { by, metrics: &[Metric::Visits], named_only: false };
                let groups = reports.breakdown(&scope, question, EVERYTHING).await.unwrap().counts;
                let sum: i64 = groups.iter().map(|group| group.counts.of(Metric::Visits)).sum();
                assert_eq!(sum, total.of(Metric::Visits), "{by:?} {scope:?}");
            }
            let question = Breakdown {
                by: Dimension::Page,
                metrics: &[Metric::Pageviews, Metric::UniquePageviews],
                named_only: false,
            };
            let groups = reports.breakdown(&scope, question, EVERYTHING).await.unwrap().counts;
            for metric in [Metric::Pageviews, Metric::UniquePageviews] {
                let sum: i64 = groups.iter().map(|group| group.counts.of(metric)).sum();
                assert_eq!(sum, total.of(metric), "{metric:?} {scope:?}");
            }
        }
    }
}

#[tokio::test]
async fn groups_have_names_and_an_order() {
    let house = house().await;
    let site = house.site().await;
    traffic(&site).await;
    let question = Breakdown {
        by: Dimension::Channel,
        metrics: &[Metric::Visits, Metric::UniqueVisitors],
        named_only: false,
    };
    let scope = site.scope("2026-02-25", "2026-02-25");
    let groups = house.reports().breakdown(&scope, question, EVERYTHING).await.unwrap().counts;
    let groups: Vec<_> = groups
        .iter()
        .map(|group| {
            (group.key[0].as_str(), group.counts.of(Metric::Visits), group.counts.of(Metric::UniqueVisitors))
        })
        .collect();
    // Fay's scroll belongs to no visit, but she is a visitor.
    assert_eq!(groups, [("Direct", 2, 3), ("Email", 1, 1), ("Search", 1, 1)]);
}

#[tokio::test]
async fn a_report_that_costs_too_much_says_so() {
    let house = house().await;
    let site = house.site().await;
    traffic(&site).await;
    let limits = Limits { rows: 1, ..Limits::default() };
    let reports = house.reports().limited(&house.store, limits).prefer(Prefer::EventsOnly);
    let refused = reports.totals(&site.scope("2026-02-25", "2026-02-28"), ALL).await;
    assert!(matches!(refused, Err(ReportError::TooCostly(_))), "{refused:?}");
}
