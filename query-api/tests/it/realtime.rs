//! `GET /api/v1/reports/realtime`.

use serde_json::{Value, json};

use crate::house::house;

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
