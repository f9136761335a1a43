//! `GET /js/tracker.js`, as published, and small.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;

use crate::house::{assert_refused, house};

#[tokio::test]
async fn the_tracker_is_served_as_published() {
    let house = house().await;
    let response = house.request(Method::GET, "/js/tracker.js").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/javascript");
    assert_eq!(response.headers()["cache-control"], "public, max-age=86400");
    let script = response.text().await.unwrap();
    for told in ["dataset", "/api/v1/collect", "window.analytics"] {
        assert!(script.contains(told), "{told}");
    }

    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(script.as_bytes()).unwrap();
    let size = packed.finish().unwrap().len();
    assert!(size <= 1536, "{size} bytes on the wire");
}

#[tokio::test]
async fn the_tracker_can_only_be_read() {
    let house = house().await;
    let head = house.request(Method::HEAD, "/js/tracker.js").send().await.unwrap();
    assert_eq!(head.status(), 200);
    let response = house.request(Method::POST, "/js/tracker.js").send().await.unwrap();
    assert_refused(response, 405, "NOT_FOUND").await;
}
