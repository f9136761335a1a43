//! Compressed bodies on every route that writes: read as if they were not, and bounded by what is in them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::house::{FIREFOX, House, Site, ann, assert_refused, house};

/// Compresses a body.
type Encode = fn(&[u8]) -> Vec<u8>;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// One metablock that is not compressed, and the empty last one (RFC 7932, 9.2).
fn brotli(body: &[u8]) -> Vec<u8> {
    let head = u32::try_from(body.len() - 1).unwrap() << 4 | 1 << 20;
    [&head.to_le_bytes()[..3], body, &[0b11]].concat()
}

/// A frame of one raw block (RFC 8878, 3.1.1), with the size in two bytes.
fn zstd(body: &[u8]) -> Vec<u8> {
    let size = u16::try_from(body.len() - 256).unwrap();
    let block = u32::try_from(body.len()).unwrap() << 3 | 1;
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x60][..], &size.to_le_bytes(), &block.to_le_bytes()[..3], body].concat()
}

/// The routes that write, each with a body of a few hundred bytes that it takes.
fn requests(house: &House, site: &Site<'_>) -> [(RequestBuilder, String, u16); 5] {
    let filler = "f".repeat(300);
    let ask = |path: &str| {
        house
            .request(Method::POST, path)
            .header("authorization", format!("Bearer {}", site.key))
            .header("x-api-key", &site.key)
            .header("x-forwarded-for", ann().address)
            .header("user-agent", FIREFOX)
    };
    let import = format!("/api/v1/import?website_id={}", site.id);
    let view = site.view_with(json!({ "properties": { "filler": filler } })).to_string();
    let tracked = json!({ "event_name": "x", "properties": { "filler": filler } });
    [
        (ask("/api/v1/collect"), view.clone(), 202),
        (ask(&import), view, 200),
        (
            ask("/v1/api/analytics/events"),
            json!({ "event": "x", "properties": { "filler": filler } }).to_string(),
            201,
        ),
        (ask("/api/v1/analytics"), tracked.to_string(), 200),
        (ask("/api/v1/analytics/batch"), json!({ "events": [tracked] }).to_string(), 200),
    ]
}

#[tokio::test]
async fn a_compressed_body_is_read_as_if_it_were_not() {
    let house = house().await;
    let site = house.site().await;
    let encodings: [(&str, Encode); 5] =
        [("gzip", gzip), ("deflate", deflate), ("br", brotli), ("zstd", zstd), ("identity", <[u8]>::to_vec)];
    for (name, encode) in encodings {
        for (request, body, status) in requests(&house, &site) {
            let response =
                request.header("content-encoding", name).body(encode(body.as_bytes())).send().await.unwrap();
            let (got, url) = (response.status(), response.url().to_string());
            assert_eq!(got, status, "{name} {url}: {}", response.text().await.unwrap());
        }
    }
    let rows = site.rows().await;
    assert_eq!(rows.len(), 25);
    assert!(rows.iter().all(|row| row.properties.contains("fff")));
}

#[tokio::test]
async fn what_a_body_expands_to_is_bounded() {
    let house = house().await;
    let site = house.site().await;
    let bomb = gzip(&vec![b' '; 80 * 1024 * 1024]);
    assert!(bomb.len() < 100_000, "{} bytes travel", bomb.len());
    for (request, _, _) in requests(&house, &site) {
        let response = request.header("content-encoding", "gzip").body(bomb.clone()).send().await.unwrap();
        assert_eq!(response.status(), 413, "{}", response.url());
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let house = house().await;
    let site = house.site().await;
    for (request, body, _) in requests(&house, &site) {
        let again = request.try_clone().unwrap();
        let response = request.header("content-encoding", "gzip").body(body.clone()).send().await.unwrap();
        assert!([400, 422].contains(&response.status().as_u16()), "{}", response.url());
        let response = again.header("content-encoding", "compress").body(body).send().await.unwrap();
        assert_eq!(response.status(), 415, "{}", response.url());
        assert_eq!(response.headers()["content-type"], "application/json");
    }
    let request = house.collect(&ann(), site.view("/").to_string()).header("content-encoding", "compress");
    let message = assert_refused(request.send().await.unwrap(), 415, "INVALID_PAYLOAD").await;
    assert!(message.contains("`Content-Encoding`"), "{message}");
    assert_eq!(house.appended().await, 0);
}
