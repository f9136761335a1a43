//! `GET /api/v1/reports/pages`.

use serde_json::{Value, json};

use crate::house::house;

#[tokio::test]
async fn the_published_example() {
    let house = house().await;
    let site = house.site().await;
    house
        .client()
        .query_raw(
            "INSERT INTO events (website_id, day, time, event_type, path, content_group, unique_pageview,
                                 session_id, session_day, session_start)
             SELECT {site:UUID}, '2026-02-24', '2026-02-24 10:00:00.000', 'page_view', '/blog/getting-started',
                    'Blog', number < 3210, 1 + number % 3210, '2026-02-24', '2026-02-24 10:00:00.000'
             FROM numbers(5420)",
        )
        .param("site", site.id)
        .execute()
        .await
        .unwrap();
    let body: Value = site.get("pages?start_date=2026-02-23&end_date=2026-03-01").await.json().await.unwrap();
    let published = json!({
      "status": "success",
      "data": {
        "period": { "start": "2026-02-23", "end": "2026-03-01" },
        "page": 1,
        "per_page": 50,
        "rows": [
          {
            "path": "/blog/getting-started",
            "contentGroup": "Blog",
            "pageviews": 5420,
            "uniquePageviews": 3210
          }
        ]
      }
    });
    assert_eq!(body, published);
}

/// The rows of a report, shortened to path and views.
fn rows(data: &Value) -> Vec<(String, i64)> {
    let rows = data["rows"].as_array().unwrap().iter();
    rows.map(|row| (row["path"].as_str().unwrap().to_owned(), row["pageviews"].as_i64().unwrap())).collect()
}

#[tokio::test]
async fn the_most_viewed_first_then_by_the_bytes_of_the_path() {
    let house = house().await;
    let site = house.site().await;
    let visit = ["/b", "/ä", "/B", "/a", "/c", "/c", "/a b", "/"]
        .into_iter()
        .fold(site.visit("ann").at("2026-03-01T10:00:00"), |visit, path| visit.sees(path).after(1));
    site.store([visit]).await;
    let expected = [("/c", 2), ("/", 1), ("/B", 1), ("/a", 1), ("/a b", 1), ("/b", 1), ("/ä", 1)];
    let data = site.report("pages").await;
    assert_eq!(rows(&data), expected.map(|(path, views)| (path.to_owned(), views)));
    assert_eq!(data["rows"][0]["contentGroup"], Value::Null);
}

#[tokio::test]
async fn only_views_make_a_page() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        site.visit("ann")
            .at("2026-03-01T10:00:00")
            .sees("/")
            .does("scroll_25", "/scrolled")
            .does("custom", "/done"),
        site.visit("bob").at("2026-03-01T10:00:00").bot().sees("/bot"),
        site.visit("eve").at("2026-03-01T10:00:00").excluded().sees("/excluded"),
        site.visit("old").at("2026-02-01T10:00:00").sees("/old"),
    ])
    .await;
    assert_eq!(rows(&site.report("pages").await), [("/".to_owned(), 1)]);
    let with_bots = rows(&site.report("pages?include_bots=true").await);
    assert_eq!(with_bots, [("/".to_owned(), 1), ("/bot".to_owned(), 1)]);
}

#[tokio::test]
async fn a_second_view_in_a_session_is_not_unique() {
    let house = house().await;
    let site = house.site().await;
    site.store([
        site.visit("ann").at("2026-03-01T10:00:00").sees("/").sees("/").sees("/"),
        site.visit("bob").at("2026-03-01T10:00:00").sees("/"),
    ])
    .await;
    let data = site.report("pages").await;
    assert_eq!(
        data["rows"],
        json!([{ "path": "/", "contentGroup": null, "pageviews": 4, "uniquePageviews": 2 }])
    );
}

#[tokio::test]
async fn any_page_size_gives_the_same_list() {
    let house = house().await;
    let site = house.site().await;
    let visit = (0..23).fold(site.visit("ann").at("2026-03-01T10:00:00"), |visit, number: u32| {
        (0..=number % 3).fold(visit, |visit, _| visit.sees(&format!("/{number}")))
    });
    site.store([visit]).await;
    let whole = rows(&site.report("pages?per_page=500").await);
    assert_eq!(whole.len(), 23);
    for size in [1, 5, 23, 24] {
        let mut pages = Vec::new();
        for page in 1..=24 {
            let data = site.report(&format!("pages?per_page={size}&page={page}")).await;
            assert_eq!((&data["page"], &data["per_page"]), (&json!(page), &json!(size)));
            let part = rows(&data);
            if part.is_empty() {
                break;
            }
            pages.extend(part);
        }
        assert_eq!(pages, whole, "{size}");
    }
}

#[tokio::test]
async fn a_content_group_has_its_pages_only() {
    let house = house().await;
    let site = house.site().await;
    site.store([site.visit("ann").at("2026-03-01T10:00:00").sees("/").sees("/blog/a").sees("/blog")]).await;
    let data = site.report("pages?content_group=Blog").await;
    assert_eq!(rows(&data), [("/blog".to_owned(), 1), ("/blog/a".to_owned(), 1)]);
    assert_eq!(data["rows"][0]["contentGroup"], "Blog");
}

#[tokio::test]
async fn a_name_with_every_kind_of_mark_is_only_a_name() {
    let house = house().await;
    let site = house.site().await;
    let name = "it's \\ a `name`\t\"?\" {x:String} $keys %00 ; -- 日本\n";
    let mut rows = site.visit("ann").at("2026-03-01T10:00:00").sees("/").into_rows();
    rows[0].content_group = name.to_owned();
    site.store_rows(&rows).await;
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let data = site.report(&format!("pages?content_group={encoded}")).await;
    assert_eq!(data["rows"][0]["contentGroup"], name);
    let data = site.report("pages?content_group=%27%20OR%201%3D1%20--").await;
    assert_eq!(data["rows"], json!([]));
}

#[tokio::test]
async fn a_table_for_spreadsheets() {
    let house = house().await;
    let site = house.site().await;
    site.store([site
        .visit("ann")
        .at("2026-03-01T10:00:00")
        .sees("/blog")
        .sees("/blog")
        .sees("=HYPERLINK(\"http://evil.example\")")
        .sees("/a,b")])
        .await;
    let response = site.get("pages?period=7d&format=csv&per_page=3").await;
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let disposition = "attachment; filename=\"pages-2026-02-24-2026-03-02.csv\"";
    assert_eq!(response.headers()["content-disposition"], disposition);
    assert_eq!(response.headers()["x-footfall-source"], "rollup:pages");
    assert_eq!(
        response.text().await.unwrap(),
        "path,contentGroup,pageviews,uniquePageviews\n/blog,Blog,2,1\n\"/a,b\",,1,1\n\"'=HYPERLINK(\"\"http://evil.example\"\")\",,1,1\n"
    );
}

#[tokio::test]
async fn a_website_never_sees_anothers_pages() {
    let house = house().await;
    let (one, other) = (house.site().await, house.site().await);
    one.store([one.visit("ann").at("2026-03-01T10:00:00").sees("/one")]).await;
    other.store([other.visit("ann").at("2026-03-01T10:00:00").sees("/other")]).await;
    assert_eq!(rows(&one.report("pages").await), [("/one".to_owned(), 1)]);
    assert_eq!(rows(&other.report("pages").await), [("/other".to_owned(), 1)]);
}
