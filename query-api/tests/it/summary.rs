//! `GET /api/v1/reports/summary`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{House, house};

/// Puts a day's totals where a loader's sums would stand.
async fn count(house: &House, site: Uuid, day: &str, [visits, visitors, views, bounces, seconds]: [i64; 5]) {
    house
        .client()
        .query_raw(
            "INSERT INTO site_totals_0 (website_id, day, hour, visits, visitors, pageviews, bounces, duration_ms)
             SELECT {site:UUID}, {day:Date}, toDateTime({day:Date}, 'UTC'), {visits:Int64}, {visitors:Int64},
                    {views:Int64}, {bounces:Int64}, {seconds:Int64} * 1000",
        )
        .param("site", site)
        .param("day", day)
        .param("visits", visits)
        .param("visitors", visitors)
        .param("views", views)
        .param("bounces", bounces)
        .param("seconds", seconds)
        .execute()
        .await
        .unwrap();
}

#[tokio::test]
async fn the_published_example() {
    let house = house().await;
    let site = house.site().await;
    count(&house, site.id, "2026-02-24", [12_450, 9_870, 34_200, 5_266, 12_450 * 185]).await;
    count(&house, site.id, "2026-02-16", [11_200, 8_930, 30_100, 4_939, 11_200 * 172]).await;
    let asked = "summary?start_date=2026-02-23&end_date=2026-03-01&compare=previous_period";
    let body: Value = site.get(asked).await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-02-23", "end": "2026-03-01" },
        "comparison": "2026-02-16 to 2026-02-22",
        "metrics": {
          "visits": { "value": 12450, "previous": 11200, "change_pct": 11.16 },
          "unique_visitors": { "value": 9870, "previous": 8930, "change_pct": 10.53 },
          "pageviews": { "value": 34200, "previous": 30100, "change_pct": 13.62 },
          "bounce_rate": { "value": 42.3, "previous": 44.1, "change_pct": -4.08 },
          "avg_session_duration_sec": { "value": 185, "previous": 172, "change_pct": 7.56 }
        }
      }
    });
    assert_eq!(body, published);
}

#[tokio::test]
async fn without_compare_there_are_values_only() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        site.visit("ann")
            .at("2026-03-01T10:00:00")
            .sees("/")
            .after(20)
            .does("scroll_50", "/")
            .after(100)
            .sees("/pricing"),
        site.visit("bob").at("2026-03-01T11:00:00").sees("/"),
        site.visit("eve").at("2026-03-01T11:00:00").excluded().sees("/"),
    ])
    .await;
    let expected = json!({
        "period": { "start": "2026-03-01", "end": "2026-03-01" },
        "metrics": {
            "visits": { "value": 2 },
            "unique_visitors": { "value": 2 },
            "pageviews": { "value": 3 },
            "bounce_rate": { "value": 50 },
            "avg_session_duration_sec": { "value": 60 }
        }
    });
    assert_eq!(site.report("summary?period=yesterday").await, expected);
}

#[tokio::test]
async fn a_website_without_events_has_zeros_and_no_changes() {
    let house = house().await;
    let site = house.site().await;
    let data = site.report("summary?compare=yoy").await;
    assert_eq!(data["period"], json!({ "start": "2026-02-24", "end": "2026-03-02" }));
    assert_eq!(data["comparison"], "2025-02-24 to 2025-03-02");
    let nothing = json!({ "value": 0, "previous": 0, "change_pct": null });
    let names = ["visits", "unique_visitors", "pageviews", "bounce_rate", "avg_session_duration_sec"];
    for name in names {
        assert_eq!(data["metrics"][name], nothing, "{name}");
    }
    assert_eq!(data["metrics"].as_object().unwrap().len(), names.len());
}

#[tokio::test]
async fn every_period_has_its_days() {
    let house = house().await;
    let site = house.site().await;
    site.store([site.visit("ann").at("2025-11-30T23:59:59").sees("/")]).await;
    for (period, start, end) in [
        ("today", "2026-03-02", "2026-03-02"),
        ("yesterday", "2026-03-01", "2026-03-01"),
        ("7d", "2026-02-24", "2026-03-02"),
        ("30d", "2026-02-01", "2026-03-02"),
        ("90d", "2025-12-03", "2026-03-02"),
        ("12m", "2025-03-03", "2026-03-02"),
        ("ytd", "2026-01-01", "2026-03-02"),
        ("all", "2025-11-30", "2026-03-02"),
    ] {
        let data = site.report(&format!("summary?period={period}")).await;
        assert_eq!(data["period"], json!({ "start": start, "end": end }), "{period}");
        let visits = i64::from(matches!(period, "12m" | "all"));
        assert_eq!(data["metrics"]["visits"]["value"], visits, "{period}");
    }
}

#[tokio::test]
async fn all_of_nothing_is_today() {
    let house = house().await;
    let site = house.site().await;
    let data = site.report("summary?period=all&compare=previous_period").await;
    assert_eq!(data["period"], json!({ "start": "2026-03-02", "end": "2026-03-02" }));
    assert_eq!(data["comparison"], "2026-03-01 to 2026-03-01");
}

#[tokio::test]
async fn today_is_the_websites_own() {
    let house = house().await;
    house.clock.set(crate::house::NOW + 11 * 3_600_000);
    let auckland = house.site_in("Pacific/Auckland").await;
    let honolulu = house.site_in("Pacific/Honolulu").await;
    assert_eq!(auckland.report("summary?period=today").await["period"]["start"], "2026-03-03");
    assert_eq!(honolulu.report("summary?period=today").await["period"]["start"], "2026-03-02");
}

#[tokio::test]
async fn a_start_alone_reaches_to_today() {
    let house = house().await;
    let site = house.site().await;
    let data = site.report("summary?start_date=2026-02-10&period=today").await;
    assert_eq!(data["period"], json!({ "start": "2026-02-10", "end": "2026-03-02" }));
}

#[tokio::test]
async fn bots_count_on_request() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        site.visit("ann").at("2026-03-01T10:00:00").sees("/"),
        site.visit("crawler").bot().at("2026-03-01T10:00:00").sees("/").sees("/pricing"),
    ])
    .await;
    for (asked, visits, views) in [("", 1, 1), ("&include_bots=false", 1, 1), ("&include_bots=true", 2, 3)] {
        let data = site.report(&format!("summary?period=7d{asked}")).await;
        assert_eq!(data["metrics"]["visits"]["value"], visits, "{asked}");
        assert_eq!(data["metrics"]["pageviews"]["value"], views, "{asked}");
    }
}

#[tokio::test]
async fn a_content_group_has_its_own_visits() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        // In the group for a moment, a session of 300 s all the same.
        site.visit("ann").at("2026-03-01T10:00:00").sees("/").after(100).sees("/blog/a").after(200).sees("/"),
        site.visit("bob").at("2026-03-01T10:00:00").sees("/blog/a"),
        // On a page of the group, but never viewed it: a visitor and no visit.
        site.visit("cid").at("2026-03-01T10:00:00").sees("/").after(10).does("scroll_25", "/blog/a"),
        site.visit("dan").at("2026-03-01T10:00:00").sees("/pricing"),
    ])
    .await;
    let data = site.report("summary?period=7d&content_group=Blog").await;
    let expected = json!({
        "visits": { "value": 2 },
        "unique_visitors": { "value": 3 },
        "pageviews": { "value": 2 },
        "bounce_rate": { "value": 50 },
        "avg_session_duration_sec": { "value": 150 }
    });
    assert_eq!(data["metrics"], expected);
    let data = site.report("summary?period=7d&content_group=Docs").await;
    assert_eq!(data["metrics"]["visits"]["value"], 0);
}

#[tokio::test]
async fn a_session_over_midnight_belongs_to_the_day_it_started() {
    let house = house().await;
    let site = house.site().await;
    site.store([site
        .visit("ann")
        .at("2026-02-28T23:50:00")
        .sees("/blog")
        .after(1200)
        .sees("/pricing")
        .after(60)
        .sees("/blog")])
        .await;
    for group in ["", "&content_group=Blog"] {
        let on = async |day: &str| {
            let data = site.report(&format!("summary?start_date={day}&end_date={day}{group}")).await;
            ["visits", "pageviews", "avg_session_duration_sec"]
                .map(|name| data["metrics"][name]["value"].as_i64().unwrap())
        };
        let views = if group.is_empty() { [1, 2] } else { [1, 1] };
        assert_eq!(on("2026-02-28").await, [1, views[0], 1260], "{group}");
        assert_eq!(on("2026-03-01").await, [0, views[1], 0], "{group}");
    }
}

#[tokio::test]
async fn the_response_says_where_it_came_from() {
    let house = house().await;
    let site = house.site().await;
    for (asked, source) in [
        ("summary", "rollup:site_totals"),
        ("summary?content_group=Blog", "events"),
        ("summary?format=csv", "rollup:site_totals"),
    ] {
        let response = site.get(asked).await;
        assert_eq!(response.headers()["x-footfall-source"], source, "{asked}");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn a_table_for_spreadsheets() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        site.visit("ann").at("2026-03-01T10:00:00").sees("/").after(30).sees("/a"),
        site.visit("bob").at("2026-03-01T10:00:00").sees("/"),
        site.visit("cid").at("2026-03-01T10:00:00").sees("/"),
        site.visit("ann").at("2026-02-28T10:00:00").sees("/"),
    ])
    .await;
    let response = site.get("summary?period=yesterday&format=csv").await;
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let disposition = "attachment; filename=\"summary-2026-03-01-2026-03-01.csv\"";
    assert_eq!(response.headers()["content-disposition"], disposition);
    assert_eq!(
        response.text().await.unwrap(),
        "metric,value,previous,change_pct\nvisits,3,,\nunique_visitors,3,,\npageviews,4,,\nbounce_rate,66.7,,\navg_session_duration_sec,10,,\n"
    );
    assert_eq!(
        site.csv("summary?period=yesterday&compare=previous_period&format=csv").await,
        "metric,value,previous,change_pct\nvisits,3,1,200\nunique_visitors,3,1,200\npageviews,4,1,300\nbounce_rate,66.7,100,-33.3\navg_session_duration_sec,10,0,\n"
    );
}
