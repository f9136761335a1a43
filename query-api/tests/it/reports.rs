//! The reports beyond summary and pages: every example of the document, from the rollups and from the events.

use serde_json::{Value, json};

use crate::house::{House, Site, house, without_rollups};

/// Puts rows of a rollup where a loader's sums would stand, to have the numbers of the document.
pub(crate) async fn roll_up(house: &House, site: &Site<'_>, insert: &str) {
    house.client().query_raw(insert).param("site", site.id).execute().await.unwrap();
}

pub(crate) const WEEK: &str = "start_date=2026-02-23&end_date=2026-03-01";

pub(crate) async fn source(site: &Site<'_>, report: &str) -> String {
    let response = site.get(report).await;
    assert_eq!(response.status(), 200, "{report}");
    response.headers()["x-footfall-source"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn sources_as_published() {
    let house = house().await;
    let site = house.site().await;
    roll_up(
        &house,
        &site,
        "INSERT INTO sources_0 (website_id, day, channel, referrer, utm_source, utm_medium, utm_campaign, visits) VALUES
            ({site:UUID}, '2026-02-24', 'Organic Search', 'google.com', '', '', '', 3200),
            ({site:UUID}, '2026-02-25', 'Organic Search', 'bing.com', '', '', '', 1000),
            ({site:UUID}, '2026-02-25', 'Organic Search', 'bing.com', '', '', '', 300),
            ({site:UUID}, '2026-02-25', 'Direct', '', '', '', '', 3200),
            ({site:UUID}, '2026-02-25', 'Social', 'twitter.com', 'twitter', 'social', 'launch', 850),
            ({site:UUID}, '2026-02-25', 'Social', 'twitter.com', '', '', '', 250),
            ({site:UUID}, '2026-03-02', 'Social', 'twitter.com', '', '', '', 250)",
    )
    .await;
    let body: Value = site.get(&format!("sources?{WEEK}")).await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-02-23", "end": "2026-03-01" },
        "page": 1,
        "per_page": 50,
        "rows": [
          { "channel": "Organic Search", "visits": 4500 },
          { "channel": "Direct", "visits": 3200 },
          { "channel": "Social", "visits": 1100 }
        ]
      }
    });
    assert_eq!(body, published);
    // A referrer or a campaign that is none is no row.
    let data = site.report(&format!("sources?{WEEK}&group_by=domain")).await;
    let rows = json!([
        { "referrer": "google.com", "visits": 3200 },
        { "referrer": "bing.com", "visits": 1300 },
        { "referrer": "twitter.com", "visits": 1100 }
    ]);
    assert_eq!(data["rows"], rows);
    let data = site.report(&format!("sources?{WEEK}&group_by=utm")).await;
    let row =
        json!({ "utmSource": "twitter", "utmMedium": "social", "utmCampaign": "launch", "visits": 850 });
    assert_eq!(data["rows"], json!([row]));
    let second = site.report(&format!("sources?{WEEK}&per_page=1&page=2")).await;
    assert_eq!(second["rows"], json!([{ "channel": "Direct", "visits": 3200 }]));
    assert_eq!(
        site.csv(&format!("sources?{WEEK}&group_by=utm&format=csv")).await,
        "utmSource,utmMedium,utmCampaign,visits\ntwitter,social,launch,850\n"
    );
}

#[tokio::test]
async fn devices_as_published() {
    let house = house().await;
    let site = house.site().await;
    roll_up(
        &house,
        &site,
        "INSERT INTO devices_0 (website_id, day, device_type, browser, os, screen, visits) VALUES
            ({site:UUID}, '2026-02-24', 'desktop', 'Chrome', 'Windows', '1025-1440', 4200),
            ({site:UUID}, '2026-02-24', 'desktop', 'Chrome', 'Windows', 'unknown', 1000),
            ({site:UUID}, '2026-02-25', 'desktop', 'Safari', 'macOS', '1441+', 2100),
            ({site:UUID}, '2026-02-25', 'mobile', 'Chrome', 'Android', '376-768', 2800)",
    )
    .await;
    let body: Value = site.get(&format!("devices?{WEEK}")).await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-02-23", "end": "2026-03-01" },
        "device_types": [
          { "deviceType": "desktop", "visits": 7300 },
          { "deviceType": "mobile", "visits": 2800 }
        ],
        "browsers": [
          { "browserFamily": "Chrome", "visits": 8000 },
          { "browserFamily": "Safari", "visits": 2100 }
        ],
        "os_families": [
          { "osFamily": "Windows", "visits": 5200 },
          { "osFamily": "Android", "visits": 2800 },
          { "osFamily": "macOS", "visits": 2100 }
        ],
        "screen_resolutions": [
          { "bucket": "1025-1440", "visits": 4200 },
          { "bucket": "376-768", "visits": 2800 },
          { "bucket": "1441+", "visits": 2100 },
          { "bucket": "unknown", "visits": 1000 }
        ]
      }
    });
    assert_eq!(body, published);
    let response = site.get(&format!("devices?{WEEK}&format=csv")).await;
    let disposition = "attachment; filename=\"devices-2026-02-23-2026-03-01.csv\"";
    assert_eq!(response.headers()["content-disposition"], disposition);
    assert_eq!(response.text().await.unwrap(), "deviceType,visits\ndesktop,7300\nmobile,2800\n");
}

#[tokio::test]
async fn flow_as_published() {
    let house = house().await;
    let site = house.site().await;
    roll_up(
        &house,
        &site,
        "INSERT INTO pages_0 (website_id, day, path, entries, exits) VALUES
            ({site:UUID}, '2026-02-24', '/', 5200, 0), ({site:UUID}, '2026-02-24', '/blog', 2100, 0),
            ({site:UUID}, '2026-02-24', '/pricing', 0, 3400), ({site:UUID}, '2026-02-24', '/contact', 0, 1800)",
    )
    .await;
    let body: Value = site.get(&format!("flow?{WEEK}")).await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-02-23", "end": "2026-03-01" },
        "page": 1,
        "per_page": 50,
        "landing_pages": [
          { "path": "/", "entries": 5200 },
          { "path": "/blog", "entries": 2100 }
        ],
        "exit_pages": [
          { "path": "/pricing", "exits": 3400 },
          { "path": "/contact", "exits": 1800 }
        ]
      }
    });
    assert_eq!(body, published);
    let data = site.report(&format!("flow?{WEEK}&per_page=1&page=2")).await;
    assert_eq!(data["landing_pages"], json!([{ "path": "/blog", "entries": 2100 }]));
    assert_eq!(data["exit_pages"], json!([{ "path": "/contact", "exits": 1800 }]));
    assert_eq!(site.csv(&format!("flow?{WEEK}&format=csv")).await, "path,entries\n/,5200\n/blog,2100\n");
}

#[tokio::test]
async fn custom_events_as_published() {
    let house = house().await;
    let site = house.site().await;
    roll_up(
        &house,
        &site,
        "INSERT INTO event_types_0 (website_id, day, event_type, event_name, events) VALUES
            ({site:UUID}, '2026-02-24', 'custom', 'signup_complete', 342),
            ({site:UUID}, '2026-02-24', 'custom', 'video_play', 218),
            ({site:UUID}, '2026-02-24', 'page_view', '', 9000)",
    )
    .await;
    let body: Value = site.get(&format!("custom-events?{WEEK}")).await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-02-23", "end": "2026-03-01" },
        "page": 1,
        "per_page": 50,
        "rows": [
          { "name": "signup_complete", "count": 342 },
          { "name": "video_play", "count": 218 }
        ]
      }
    });
    assert_eq!(body, published);
    let data = site.report(&format!("custom-events?{WEEK}&event_name=video_play")).await;
    assert_eq!(data["rows"], json!([{ "name": "video_play", "count": 218 }]));
    let table = site.csv(&format!("custom-events?{WEEK}&format=csv")).await;
    assert_eq!(table, "name,count\nsignup_complete,342\nvideo_play,218\n");
}

#[tokio::test]
async fn each_report_comes_from_the_smallest_table_that_is_exact() {
    let house = house().await;
    let events = without_rollups(&house).await;
    let site = house.site().await;
    let chrome = "filters={\"dimension\":\"browser\",\"operator\":\"is\",\"value\":\"Chrome\"}";
    let social = "filters={\"dimension\":\"channel\",\"operator\":\"is\",\"value\":\"Social\"}";
    let page = "filters={\"dimension\":\"page\",\"operator\":\"is\",\"value\":\"/\"}";
    for (report, from) in [
        ("summary?", "rollup:site_totals"),
        ("pages?", "rollup:pages"),
        ("pages?content_group=Blog", "rollup:pages"),
        (&format!("pages?{page}"), "rollup:pages"),
        (&format!("pages?{chrome}"), "events"),
        ("flow?", "rollup:pages"),
        ("flow?content_group=Blog", "events"),
        ("sources?", "rollup:sources"),
        (&format!("sources?group_by=utm&{social}"), "rollup:sources"),
        (&format!("sources?{chrome}"), "events"),
        ("devices?", "rollup:devices"),
        (&format!("devices?{chrome}"), "rollup:devices"),
        ("devices?content_group=Blog", "events"),
        ("custom-events?", "rollup:event_types"),
        ("custom-events?event_name=x", "rollup:event_types"),
        (&format!("custom-events?{social}"), "events"),
        ("timeseries?metric=visits", "rollup:site_totals"),
        ("timeseries?metric=exit_page_exits", "rollup:pages"),
        ("timeseries?metric=bounce_rate&path=/", "rollup:pages"),
        (&format!("timeseries?metric=bounce_rate&{chrome}"), "rollup:devices"),
        (&format!("timeseries?metric=visits&{page}"), "events"),
        ("summary?timezone=UTC", "rollup:site_totals"),
        ("summary?timezone=Asia/Tokyo", "events"),
        ("funnel?steps[]=/&steps[]=/a", "events"),
        ("realtime?", "events"),
    ] {
        assert_eq!(source(&site, report).await, from, "{report}");
        assert_eq!(source(&site.seen_from(&events), report).await, "events", "{report}");
    }
}

#[tokio::test]
async fn the_newest_day_says_which_group_a_path_belongs_to() {
    let house = house().await;
    let events = without_rollups(&house).await;
    let site = house.site().await;
    let mut rows = Vec::new();
    for (day, group) in
        [("2026-02-26", "Old"), ("2026-02-27", "Neu"), ("2026-02-27", "New"), ("2026-02-28", "")]
    {
        let mut row = site.visit(group).at(&format!("{day}T10:00:00")).sees("/moved").into_rows().remove(0);
        row.content_group = group.into();
        rows.push(row);
    }
    site.store_rows(&rows).await;
    for (end, label) in
        [("2026-02-26", json!("Old")), ("2026-02-27", json!("New")), ("2026-02-28", Value::Null)]
    {
        for seen in [&site, &site.seen_from(&events)] {
            let data = seen.report(&format!("pages?start_date=2026-02-26&end_date={end}")).await;
            assert_eq!(data["rows"][0]["contentGroup"], label, "{end}");
        }
    }
}
