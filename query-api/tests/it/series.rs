//! `GET /api/v1/reports/timeseries`.

use serde_json::{Value, json};

use crate::house::{house, without_rollups};
use crate::reports::roll_up;

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
