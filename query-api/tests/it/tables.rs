//! `format=csv`: tables are sent as they are counted, and are whole or visibly broken.

use reqwest::Method;
use schema::store::StoreUrl;
use service::config::Rate;

use crate::house::{House, Site, house, house_of_its_own, serve};

const ALL: &str = "pages?period=7d&format=csv&per_page=all";

/// Gives a website so many pages, each with a path of 129 bytes that cannot be made shorter.
async fn pages(site: &Site<'_>, count: u32) {
    let client = site.house.client();
    let insert = client.query_raw(
        "INSERT INTO pages_0 (website_id, day, path, content_group, pageviews, unique_pageviews)
         SELECT {site:UUID}, '2026-03-01', concat('/', hex(SHA512(toString(number)))), '=Blog', {count:UInt32} - number, 1
         FROM numbers({count:UInt32})",
    );
    insert.param("site", site.id).param("count", count).execute().await.unwrap();
}

/// How many queries run in a house's database.
async fn running(house: &House) -> u64 {
    let sql = "SELECT count() FROM system.processes WHERE current_database = ?";
    house.store.server().query(sql).bind(house.store.database()).fetch_one().await.unwrap()
}

async fn wait_until_nothing_runs(house: &House) {
    for _ in 0..600 {
        if running(house).await == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("a query runs on for nobody");
}

#[tokio::test]
async fn a_table_may_have_all_rows() {
    let house = house().await;
    let site = house.site().await;
    pages(&site, 20_000).await;
    let table = site.csv(ALL).await;
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 20_001);
    assert_eq!(rows[0], "path,contentGroup,pageviews,uniquePageviews");
    for (at, row) in rows[1..].iter().enumerate() {
        assert!(row.starts_with('/') && row.ends_with(&format!(",'=Blog,{},1", 20_000 - at)), "{row}");
    }
    // A page is a page in either format.
    assert_eq!(site.csv("pages?period=7d&format=csv").await.lines().count(), 51);
    let second = site.csv("pages?period=7d&format=csv&per_page=500&page=2").await;
    assert!(second.lines().skip(1).eq(rows[501..1001].iter().copied()));
    for report in ["sources", "devices", "flow", "custom-events", "timeseries", "summary", "realtime"] {
        let asked = format!("{report}?period=7d&format=csv&per_page=all");
        assert_eq!(site.get(&asked).await.status(), 200, "{report}");
    }
}

#[tokio::test]
async fn the_first_rows_come_while_the_store_still_sends_the_last() {
    let house = house_of_its_own().await;
    let site = house.site().await;
    // More than all sockets on the way hold.
    pages(&site, 500_000).await;
    let mut response = site.get(ALL).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("content-length"), None);
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"path,contentGroup,pageviews,uniquePageviews\n"));
    // Nobody takes more rows than the reader does, so the store waits with the others.
    assert_eq!(running(&house).await, 1);
    drop(response);
    wait_until_nothing_runs(&house).await;
}

#[tokio::test]
async fn a_table_that_breaks_off_never_looks_whole() {
    let house = house_of_its_own().await;
    let site = house.site().await;
    pages(&site, 500_000).await;
    let mut response = site.get(ALL).await;
    response.chunk().await.unwrap().unwrap();
    let kill = "KILL QUERY WHERE current_database = ? ASYNC";
    house.store.server().query(kill).bind(house.store.database()).execute().await.unwrap();
    let mut bytes = 0;
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len(),
            end => break end,
        }
    };
    assert!(end.is_err(), "the table ended as if it were whole, after {bytes} bytes");
    assert!(bytes < 500_000 * 130);
    // The connection is gone, the house is not.
    assert_eq!(site.csv("pages?period=7d&format=csv&per_page=1").await.lines().count(), 2);
}

#[tokio::test]
async fn what_is_refused_before_the_first_row_is_refused_as_published() {
    let house = house().await;
    let site = house.site().await;
    let nowhere: StoreUrl = "http://me:secret@127.0.0.1:9/gone".parse().unwrap();
    let away = serve(nowhere, house.directory.clone(), house.clock.clone(), Rate::Off).await;
    let empty = house.store.clone().with_database("default");
    let broken = serve(empty, house.directory.clone(), house.clock.clone(), Rate::Off).await;
    for report in
        ["pages", "sources", "devices", "flow", "custom-events", "timeseries", "summary", "realtime"]
    {
        let path = format!("/api/v1/reports/{report}?website_id={}&format=csv", site.id);
        for (house, status) in [(&away, 503), (&broken, 500)] {
            let response = house.ask(Method::GET, &path, Some(&site.key), None).await;
            assert_eq!(response.status(), status, "{report}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert!(!response.headers().contains_key("content-disposition"));
            let body: serde_json::Value = response.json().await.unwrap();
            assert_eq!(
                (&body["status"], &body["error"]["code"]),
                (&"error".into(), &"INTERNAL_ERROR".into())
            );
        }
    }
    let refused = site.get("pages?format=json&per_page=all").await;
    assert_eq!(refused.status(), 400);
}
