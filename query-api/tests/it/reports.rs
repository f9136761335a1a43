//! The reports beyond summary and pages: every example of the document, from the rollups and from the events.

use serde_json::{Value, json};

use crate::house::{House, Site, house, without_rollups};

/// Puts rows of a rollup where a loader's sums would stand, to have the numbers of the document.
async fn roll_up(house: &House, site: &Site<'_>, insert: &str) {
    house.client().query_raw(insert).param("site", site.id).execute().await.unwrap();
}

const WEEK: &str = "start_date=2026-02-23&end_date=2026-03-01";

async fn source(site: &Site<'_>, report: &str) -> String {
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
async fn the_funnel_as_published() {
    let house = house().await;
    let site = house.site().await;
    // Sessions of 5000, 1200 and 900, made by the store.
    house
        .client()
        .query_raw(
            "INSERT INTO events (website_id, day, time, event_type, path, session_id, session_day, session_start)
             SELECT {site:UUID}, '2026-02-24', toDateTime64('2026-02-24 10:00:00', 3, 'UTC') + step, 'page_view',
                    ['/pricing', '/signup', '/onboarding'][step], 1 + number, '2026-02-24', '2026-02-24 10:00:00.000'
             FROM numbers(5000) ARRAY JOIN [1, 2, 3] AS step
             WHERE number < [5000, 1200, 900][step]",
        )
        .param("site", site.id)
        .execute()
        .await
        .unwrap();
    let asked = format!("funnel?{WEEK}&steps[]=/pricing&steps[]=/signup&steps[]=/onboarding");
    let body: Value = site.get(&asked).await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-02-23", "end": "2026-03-01" },
        "funnel": [
          { "step": "/pricing", "sessions": 5000, "conversion_rate": 100 },
          { "step": "/signup", "sessions": 1200, "conversion_rate": 24 },
          { "step": "/onboarding", "sessions": 900, "conversion_rate": 75 }
        ]
      }
    });
    assert_eq!(body, published);
    assert_eq!(
        site.csv(&format!("{asked}&format=csv")).await,
        "step,sessions,conversion_rate\n/pricing,5000,100\n/signup,1200,24\n/onboarding,900,75\n"
    );
    assert_eq!(source(&site, &asked).await, "events");
}

#[tokio::test]
async fn an_event_serves_one_step_and_steps_have_an_order() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        site.visit("ann").at("2026-03-01T10:00:00").sees("/").after(1).sees("/a").after(1).sees("/"),
        site.visit("bob")
            .at("2026-03-01T10:00:00")
            .sees("/a")
            .after(1)
            .sees("/")
            .after(1)
            .fires("bought", "/a"),
        site.visit("cid").bot().at("2026-03-01T10:00:00").sees("/").sees("/a"),
        site.visit("dan").excluded().at("2026-03-01T10:00:00").sees("/").sees("/a"),
        // At one instant, in the order of the stream.
        site.visit("eve").at("2026-03-01T10:00:00").sees("/b").sees("/c"),
    ])
    .await;
    for (steps, sessions) in [
        (&["/", "/a"][..], &[2, 1][..]),
        (&["/", "/"], &[2, 1]),
        (&["/", "/", "/"], &[2, 1, 0]),
        (&["/a", "/", "bought"], &[2, 2, 1]),
        (&["page_view", "page_view", "custom"], &[3, 3, 1]),
        (&["/b", "/c"], &[1, 1]),
        (&["/c", "/b"], &[1, 0]),
        (&["/nowhere", "/"], &[0, 0]),
        (&["bought", "'; --"], &[1, 0]),
    ] {
        let asked = steps.iter().fold(String::new(), |asked, step| asked + "&steps[]=" + step);
        let data = site.report(&format!("funnel?period=7d{asked}")).await;
        let counted: Vec<_> = data["funnel"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["sessions"].as_i64().unwrap())
            .collect();
        assert_eq!(counted, sessions, "{steps:?}");
    }
    let data = site.report("funnel?period=today&steps[]=/&steps[]=/a").await;
    assert_eq!(data["funnel"][1], json!({ "step": "/a", "sessions": 0, "conversion_rate": 0 }));
    let data = site.report("funnel?period=7d&include_bots=true&steps[]=/&steps[]=/a").await;
    assert_eq!(data["funnel"][1]["sessions"], 2);
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
async fn the_series_as_published() {
    let house = house().await;
    let site = house.site().await;
    roll_up(
        &house,
        &site,
        "INSERT INTO site_totals_0 (website_id, day, pageviews)
         SELECT {site:UUID}, toDate('2026-03-13') + number, [1200, 1350, 980, 870, 1100, 1420, 1290][number + 1]
         FROM numbers(7)",
    )
    .await;
    let body: Value =
        site.get("timeseries?start_date=2026-03-13&end_date=2026-03-19").await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-03-13", "end": "2026-03-19" },
        "metric": "pageviews",
        "path": "*",
        "series": [
          { "date": "2026-03-13", "value": 1200 },
          { "date": "2026-03-14", "value": 1350 },
          { "date": "2026-03-15", "value": 980 },
          { "date": "2026-03-16", "value": 870 },
          { "date": "2026-03-17", "value": 1100 },
          { "date": "2026-03-18", "value": 1420 },
          { "date": "2026-03-19", "value": 1290 }
        ]
      }
    });
    assert_eq!(body, published);
}

#[tokio::test]
async fn every_metric_of_a_series_with_a_page_and_without() {
    let house = house().await;
    let events = without_rollups(&house).await;
    let site = house.site().await;
    site.store([
        site.visit("ann").at("2026-02-28T23:50:00").sees("/a").after(1200).sees("/b").after(60).sees("/a"),
        site.visit("bob")
            .at("2026-02-28T10:00:00")
            .fires("go", "/a")
            .after(30)
            .sees("/a")
            .after(30)
            .sees("/b"),
        site.visit("cid").at("2026-03-01T10:00:00").sees("/a").after(45).does("scroll_25", "/a"),
    ])
    .await;
    for (metric, path, expected) in [
        ("visits", "", [2, 1]),
        ("pageviews", "", [3, 3]),
        ("unique_pageviews", "", [3, 2]),
        ("bounce_rate", "", [0, 100]),
        ("avg_session_duration", "", [660, 45]),
        ("landing_page_entries", "", [2, 1]),
        ("exit_page_exits", "", [2, 1]),
        ("visits", "/a", [2, 1]),
        ("visits", "/b", [2, 0]),
        ("pageviews", "/a", [2, 2]),
        ("pageviews", "/b", [1, 1]),
        ("unique_pageviews", "/b", [1, 1]),
        ("bounce_rate", "/a", [0, 100]),
        ("bounce_rate", "/b", [0, 0]),
        // Bob's session lasted 30 s before it entered: its whole duration is the page's.
        ("avg_session_duration", "/a", [660, 45]),
        ("landing_page_entries", "/a", [2, 1]),
        ("exit_page_exits", "/a", [1, 1]),
        ("exit_page_exits", "/b", [1, 0]),
    ] {
        let asked = format!(
            "timeseries?start_date=2026-02-28&end_date=2026-03-02&metric={metric}{}{path}",
            if path.is_empty() { "" } else { "&path=" }
        );
        for seen in [&site, &site.seen_from(&events)] {
            let data = seen.report(&asked).await;
            let shown = if path.is_empty() { "*" } else { path };
            assert_eq!((&data["metric"], &data["path"]), (&json!(metric), &json!(shown)));
            let series = json!([
                { "date": "2026-02-28", "value": expected[0] },
                { "date": "2026-03-01", "value": expected[1] },
                { "date": "2026-03-02", "value": 0 }
            ]);
            assert_eq!(data["series"], series, "{asked}");
        }
    }
    let table = site.csv("timeseries?period=yesterday&metric=bounce_rate&format=csv").await;
    assert_eq!(table, "date,value\n2026-03-01,100\n");
}

#[tokio::test]
async fn realtime_as_published() {
    let house = house().await;
    let site = house.site().await;
    let event = |who: &str, at: &str| site.visit(who).at(at);
    site.store([
        event("ann", "2026-03-02T11:59:59").sees("/").does("scroll_50", "/").sees("/blog"),
        event("bob", "2026-03-02T11:30:01").sees("/"),
        // Just too long ago, and not yet.
        event("cid", "2026-03-02T11:30:00").sees("/"),
        event("dan", "2026-03-02T12:00:01").sees("/"),
        event("eve", "2026-03-02T11:50:00").bot().sees("/"),
        event("fay", "2026-03-02T11:50:00").excluded().sees("/"),
    ])
    .await;
    let response = site.get("realtime?include_bots=true").await;
    assert_eq!(response.headers()["x-footfall-source"], "events");
    let body: Value = response.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "active_visitors": 2,
        "top_pages": [
          { "path": "/", "visitors": 2 },
          { "path": "/blog", "visitors": 1 }
        ],
        "events_by_type": [
          { "eventType": "page_view", "count": 3 },
          { "eventType": "scroll_50", "count": 1 }
        ]
      }
    });
    assert_eq!(body, published);
    assert_eq!(site.csv("realtime?format=csv").await, "path,visitors\n/,2\n/blog,1\n");
    let empty = house.site().await.report("realtime").await;
    assert_eq!(empty, json!({ "active_visitors": 0, "top_pages": [], "events_by_type": [] }));
}

#[tokio::test]
async fn realtime_shows_ten_pages() {
    let house = house().await;
    let site = house.site().await;
    let visit = (0..12).fold(site.visit("ann").at("2026-03-02T11:50:00"), |visit, number| {
        visit.sees(&format!("/{number:02}"))
    });
    site.store([visit]).await;
    let data = site.report("realtime").await;
    let paths: Vec<_> = data["top_pages"].as_array().unwrap().iter().map(|row| &row["path"]).collect();
    assert_eq!(paths, ["/00", "/01", "/02", "/03", "/04", "/05", "/06", "/07", "/08", "/09"]);
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
