//! What the surfaces that write refuse, side by side: every row of the published errors that one of their requests can
//! meet, and what no document speaks of, each in the surface's own words, with its headers and its whole body.
//!
//! | condition | TinyTrail | Lena | bitcain | test |
//! |---|---|---|---|---|
//! | a field is missing or wrong | 400 `INVALID_PAYLOAD` | 400 `invalid_request` | 422 `detail: […]` | `collect::each_missing_field…`, `lena::a_wrong_body…`, `bitcain::what_breaks_the_schema…` |
//! | no JSON, no UTF-8, too deep | 400 | 400 | 422 `json_invalid` | [`a_body_that_is_no_json_is_refused_as_a_whole`] |
//! | larger than the bound, packed or not | 413 `INVALID_PAYLOAD` | 413 `payload_too_large` | 413 | [`a_body_beyond_the_bound_is_refused_packed_or_not`] |
//! | an unknown encoding | 415 `INVALID_PAYLOAD` | 415 `unsupported_encoding` | 415 | [`an_encoding_that_is_not_read_is_refused`] |
//! | another content type | taken | taken | taken | [`the_content_type_is_not_asked`] |
//! | no key, a wrong one, a deleted one | needs none | 401 `unauthorized` | 401 `Not authenticated`, `WWW-Authenticate` | [`a_key_that_is_none_lets_nobody_in`] |
//! | another account's website | 204 if it is not there | 404 `not_found` | 404 | [`another_accounts_website_is_not_there`] |
//! | insufficient permissions (403) | | | | nobody with a key may not write to what it sees; what it does not see is a 404 |
//! | another method | 405 `NOT_FOUND` | 405 `method_not_allowed` | 405 | [`a_method_that_is_not_published_is_refused`] |
//! | no such path | 404 `NOT_FOUND` | 404 `not_found` | 404 | [`a_path_that_is_not_published_is_refused_in_the_words_of_its_surface`] |
//! | too many requests | 429 `RATE_LIMITED` | 429 `rate_limit_exceeded` | 429 | `collect::the_eleventh_request…`, `lena::every_answer_tells…`, `bitcain::a_key_has_six_hundred…` |
//! | the store is away | 503 `INTERNAL_ERROR` | 503 `service_unavailable` | 503 | [`while_the_store_is_away_everybody_is_told_when_to_come_back`] |
//! | our fault | 500 `INTERNAL_ERROR` | 500 `internal_error` | 500 | [`a_fault_of_ours_is_told_without_its_cause`] |

use std::io::Write as _;

use axum::routing::get;
use axum::{Router, middleware};
use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::surfaces;
use reqwest::{Method, RequestBuilder, Response};
use schema::store::StoreUrl;
use serde_json::{Value, json};
use service::config::Rate;
use service::dialect::{Bitcain, Lena, TinyTrail};
use service::{Problem, Stop, problem};
use uuid::Uuid;

use crate::house::{FIREFOX, House, Site, house, serve};

/// A surface and its form of a refusal.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    TinyTrail,
    Lena,
    Bitcain,
}

use Form::{Bitcain as BITCAIN, Lena as LENA, TinyTrail as TINYTRAIL};

/// The routes that write single bodies.
const ROUTES: [(Form, &str); 4] = [
    (TINYTRAIL, "/api/v1/collect"),
    (LENA, "/v1/api/analytics/events"),
    (BITCAIN, "/api/v1/analytics"),
    (BITCAIN, "/api/v1/analytics/batch"),
];

/// Each route's requests come from an address of their own, so that Lena's limit is far away.
fn ask(house: &House, method: Method, path: &str, key: &str) -> RequestBuilder {
    house
        .request(method, path)
        .header("authorization", format!("Bearer {key}"))
        .header("x-forwarded-for", "192.0.2.77")
        .header("user-agent", FIREFOX)
}

/// A body that the route takes.
fn good(site: &Site<'_>, path: &str) -> Value {
    match path {
        "/api/v1/collect" => site.view("/"),
        "/v1/api/analytics/events" => json!({ "event": "x" }),
        "/api/v1/analytics" => json!({ "event_name": "x" }),
        _ => json!({ "events": [{ "event_name": "x" }] }),
    }
}

impl Form {
    /// Expects a refusal: its status, its headers, its whole body. The sentence in it.
    async fn refused(self, response: Response, status: u16, code: &str) -> String {
        let headers = response.headers().clone();
        let url = response.url().clone();
        let (got, text) = (response.status().as_u16(), response.text().await.unwrap());
        assert_eq!(got, status, "{url}: {text}");
        assert_eq!(headers["content-type"], "application/json", "{url}");
        let passes = [429, 503].contains(&status);
        assert_eq!(headers.contains_key("retry-after"), passes, "{url}: {headers:?}");
        let challenged = headers.get("www-authenticate").map(|value| value.to_str().unwrap());
        assert_eq!(challenged, (self == BITCAIN && status == 401).then_some("Bearer"), "{url}");
        let body: Value = serde_json::from_str(&text).unwrap();
        let (message, expected) = match self {
            TINYTRAIL => {
                let message = body["error"]["message"].clone();
                let error = json!({ "code": code, "message": message });
                (message, json!({ "status": "error", "error": error }))
            }
            LENA => {
                let message = body["error"]["message"].clone();
                let error = json!({ "code": code, "message": message, "details": {} });
                (message, json!({ "error": error }))
            }
            BITCAIN if status == 422 => {
                let input =
                    if code == "json_invalid" { json!({}) } else { body["detail"][0]["input"].clone() };
                let [loc, msg, ctx] = ["loc", "msg", "ctx"].map(|name| body["detail"][0][name].clone());
                assert!(loc[0] == "body" && ctx.is_object(), "{text}");
                let detail = json!({ "loc": loc, "msg": msg, "type": code, "input": input, "ctx": ctx });
                (msg, json!({ "detail": [detail] }))
            }
            BITCAIN => (body["detail"].clone(), json!({ "detail": body["detail"] })),
        };
        assert_eq!(body, expected, "{url}");
        let message = message.as_str().unwrap_or_default().to_owned();
        assert!(!message.is_empty(), "{url}: {text}");
        message
    }

    /// The codes of one problem in the three forms.
    fn code(self, codes: [&str; 2]) -> &str {
        match self {
            TINYTRAIL => codes[0],
            LENA => codes[1],
            BITCAIN => "",
        }
    }
}

/// Lena's answers tell what is left, refusals too.
fn assert_told_what_is_left(form: Form, response: &Response) {
    for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        assert_eq!(response.headers().contains_key(name), form == LENA, "{name}: {:?}", response.headers());
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_as_a_whole() {
    let house = house().await;
    let site = house.site().await;
    let deep = format!("{{\"properties\":{}1{}}}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    for (form, path) in ROUTES {
        let mut bad_utf8 = good(&site, path).to_string().replace("\"x\"", "\"@\"").replace("page_view", "@");
        bad_utf8.push(' ');
        let bad_utf8: Vec<u8> = bad_utf8.bytes().map(|byte| if byte == b'@' { 0xff } else { byte }).collect();
        for (body, sentence) in [
            (b"{\"event\":".to_vec(), "The body is not complete JSON."),
            (b"event=x".to_vec(), "Malformed JSON: "),
            (b"{\"event\" \"x\"}".to_vec(), "Malformed JSON: "),
            (bad_utf8, "Malformed JSON: "),
            (deep.clone().into_bytes(), "Malformed JSON: "),
        ] {
            let response = ask(&house, Method::POST, path, &site.key).body(body).send().await.unwrap();
            assert_told_what_is_left(form, &response);
            let status = if form == BITCAIN { 422 } else { 400 };
            let code = if form == BITCAIN {
                "json_invalid"
            } else {
                form.code(["INVALID_PAYLOAD", "invalid_request"])
            };
            let said = form.refused(response, status, code).await;
            assert!(said.starts_with(sentence) || said == "JSON decode error", "{path}: {said}");
        }
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused_packed_or_not() {
    let house = house().await;
    let site = house.site().await;
    let spaces = vec![b' '; 4 << 20];
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&spaces).unwrap();
    let bomb = packed.finish().unwrap();
    assert!(bomb.len() < 10_000, "{} bytes travel", bomb.len());
    for (form, path) in ROUTES {
        let limit = if path.ends_with("batch") { 2 * 1024 * 1024 } else { 64 * 1024 };
        let plain = ask(&house, Method::POST, path, &site.key).body(spaces.clone());
        let bomb =
            ask(&house, Method::POST, path, &site.key).header("content-encoding", "gzip").body(bomb.clone());
        for request in [plain, bomb] {
            let response = request.send().await.unwrap();
            assert_told_what_is_left(form, &response);
            let said = form.refused(response, 413, form.code(["INVALID_PAYLOAD", "payload_too_large"])).await;
            assert_eq!(said, format!("The body is larger than {limit} bytes."));
        }
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn an_encoding_that_is_not_read_is_refused() {
    let house = house().await;
    let site = house.site().await;
    for (form, path) in ROUTES {
        let request = ask(&house, Method::POST, path, &site.key).header("content-encoding", "compress");
        let response = request.body(good(&site, path).to_string()).send().await.unwrap();
        assert_told_what_is_left(form, &response);
        let said = form.refused(response, 415, form.code(["INVALID_PAYLOAD", "unsupported_encoding"])).await;
        assert_eq!(said, "`Content-Encoding` must be gzip, deflate, br or zstd.");
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn the_content_type_is_not_asked() {
    let house = house().await;
    let site = house.site().await;
    for (_, path) in ROUTES {
        for content_type in
            [None, Some("text/plain;charset=UTF-8"), Some("application/xml"), Some("nonsense")]
        {
            let mut request = ask(&house, Method::POST, path, &site.key);
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let response = request.body(good(&site, path).to_string()).send().await.unwrap();
            assert!(response.status().is_success(), "{path} {content_type:?}: {}", response.status());
        }
    }
    assert_eq!(site.rows().await.len(), 16);
}

#[tokio::test]
async fn a_key_that_is_none_lets_nobody_in() {
    let house = house().await;
    let site = house.site().await;
    let stranger = house.site().await;
    let deleted = house.directory.snapshot().user_by_key(&stranger.key).unwrap();
    house.directory.delete_user(deleted.id).await.unwrap();
    let keyed = ROUTES.into_iter().filter(|(form, _)| *form != TINYTRAIL);
    for (form, path) in keyed {
        for value in [
            None,
            Some(String::new()),
            Some("Bearer".to_owned()),
            Some("Bearer  ".to_owned()),
            Some("Bearer tt_garbage".to_owned()),
            Some(format!("Bearer {}", "x".repeat(5_000))),
            Some(format!("Basic {}", site.key)),
            Some(format!("Bearer {}", stranger.key)),
        ] {
            let mut request = house.request(Method::POST, path).header("x-forwarded-for", "192.0.2.78");
            if let Some(value) = &value {
                request = request.header("authorization", value);
            }
            let response = request.body(good(&site, path).to_string()).send().await.unwrap();
            assert_told_what_is_left(form, &response);
            let said = form.refused(response, 401, form.code(["UNAUTHORIZED", "unauthorized"])).await;
            let expected = if form == BITCAIN { "Not authenticated" } else { "Missing or invalid API key." };
            assert_eq!(said, expected, "{value:?}");
        }
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn another_accounts_website_is_not_there() {
    let house = house().await;
    let (site, stranger) = (house.site().await, house.site().await);
    let keyed = ROUTES.into_iter().filter(|(form, _)| *form != TINYTRAIL);
    for (form, path) in keyed {
        for website in [stranger.id, Uuid::new_v4()] {
            let request =
                ask(&house, Method::POST, path, &site.key).header("x-website-id", website.to_string());
            let response = request.body(good(&site, path).to_string()).send().await.unwrap();
            assert_told_what_is_left(form, &response);
            let said = form.refused(response, 404, form.code(["NOT_FOUND", "not_found"])).await;
            assert_eq!(said, "Website not found.");
        }
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn a_method_that_is_not_published_is_refused() {
    let house = house().await;
    let site = house.site().await;
    for (form, path) in ROUTES {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            let response = ask(&house, method, path, &site.key).send().await.unwrap();
            let allowed = response.headers()["allow"].to_str().unwrap();
            assert!(allowed.contains("POST"), "{path}: {allowed}");
            let said = form.refused(response, 405, form.code(["NOT_FOUND", "method_not_allowed"])).await;
            assert_eq!(said, "This method is not allowed here.");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_not_published_is_refused_in_the_words_of_its_surface() {
    let house = house().await;
    let site = house.site().await;
    for (form, path) in [
        (TINYTRAIL, "/"),
        (TINYTRAIL, "/api/v1/collect/x"),
        (TINYTRAIL, "/api/v1/analytic"),
        (TINYTRAIL, "/v10"),
        (LENA, "/v1"),
        (LENA, "/v1/api/analytics/events/x"),
        (LENA, "/v1/api/nothing"),
        (BITCAIN, "/api/v1/analytics/"),
        (BITCAIN, "/api/v1/analytics/nothing"),
    ] {
        for method in [Method::GET, Method::POST] {
            let response = ask(&house, method, path, &site.key).send().await.unwrap();
            let said = form.refused(response, 404, form.code(["NOT_FOUND", "not_found"])).await;
            assert_eq!(said, "Route not found.");
        }
    }
}

#[tokio::test]
async fn while_the_store_is_away_everybody_is_told_when_to_come_back() {
    let house = house().await;
    let site = house.site().await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = StoreUrl::parse(&format!("http://{free}")).unwrap();
    let base = serve(surfaces::alone(house.app(nobody, Rate::Off)), Stop::new()).await;
    for (form, path) in ROUTES {
        let request = reqwest::Client::new()
            .post(format!("{base}{path}"))
            .bearer_auth(&site.key)
            .header("user-agent", FIREFOX)
            .body(good(&site, path).to_string());
        let response = request.send().await.unwrap();
        assert_told_what_is_left(form, &response);
        let said = form.refused(response, 503, form.code(["INTERNAL_ERROR", "service_unavailable"])).await;
        assert!(said.starts_with("The service is not available at the moment. Try again in "), "{said}");
    }
    assert_eq!(house.appended().await, 0);
}

#[tokio::test]
async fn a_fault_of_ours_is_told_without_its_cause() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fault = || Router::new().route("/", get(async || Problem::internal("the secret cause")));
    for (form, router) in [
        (TINYTRAIL, fault().layer(middleware::from_fn_with_state(TinyTrail, problem::speak::<TinyTrail>))),
        (LENA, fault().layer(middleware::from_fn_with_state(Lena, problem::speak::<Lena>))),
        (BITCAIN, fault().layer(middleware::from_fn_with_state(Bitcain, problem::speak::<Bitcain>))),
    ] {
        let base = serve(router, Stop::new()).await;
        let response = reqwest::get(base).await.unwrap();
        let said = form.refused(response, 500, form.code(["INTERNAL_ERROR", "internal_error"])).await;
        assert_eq!(said, "Something went wrong on our side.");
    }
}
