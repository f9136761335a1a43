//! A visitor whose address is in everything that can be sent: every field and every header of every way in, in good
//! requests and in bad ones.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use chrono::Utc;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::search::Canary;
use crate::cli::process::{ADMIN_KEY, Folder, Server};
use crate::house::FIREFOX;

const COLLECT: &str = "/api/v1/collect";
const LENA: &str = "/v1/api/analytics/events";
const BITCAIN: &str = "/api/v1/analytics";
const BATCH: &str = "/api/v1/analytics/batch";

/// Headers that hold the address: what proxies add, what browsers send, what clients and tracers make up.
const HEADERS: [&str; 29] = [
    "forwarded",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "fastly-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-envoy-external-address",
    "x-forwarded-host",
    "via",
    "referer",
    "accept-language",
    "origin",
    "cookie",
    "from",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-purpose",
    "dnt",
    "idempotency-key",
    "x-request-id",
    "x-correlation-id",
    "traceparent",
    "tracestate",
    "if-none-match",
    "x-api-version",
    "host",
];

/// Sends all of it.
pub struct Visitor<'s> {
    pub server: &'s Server,
    pub folder: &'s Folder,
    pub website: &'s str,
    pub canary: &'s Canary,
    pub http: Client,
}

/// An event whose every text is this one.
fn event(website: &str, text: &str) -> Value {
    json!({
        "website_id": website,
        "event_type": format!("seen {text}"),
        "event_name": text,
        "event_id": text,
        "url": format!("https://canary.example/{text}?utm_source={text}&gclid={text}#{text}"),
        "path": format!("/at/{text}/x"),
        "referrer": format!("https://canary.example.net/{text}?q={text}"),
        "properties": { text: text, "name": text, "deep": [{ text: [text, { "x": format!("<{text}>") }] }] },
        "utm_medium": text,
        "utm_campaign": text,
        "utm_term": format!("a {text}"),
        "utm_content": format!("{text} b"),
        "unknown": text,
    })
}

fn with(mut event: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("{fields} are no fields") };
    for (name, value) in fields {
        event[name] = value;
    }
    event
}

impl Visitor<'_> {
    /// A request from the address, with a text in every header.
    fn request(&self, method: Method, path: &str, text: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.server.url()));
        for header in HEADERS {
            request = request.header(
                header,
                if header == "forwarded" { format!("for=\"{text}\"") } else { text.to_owned() },
            );
        }
        request
            .header("x-forwarded-for", self.canary.address.to_string())
            .header("user-agent", format!("{FIREFOX} {text}"))
    }

    fn post(&self, path: &str, text: &str) -> RequestBuilder {
        self.request(Method::POST, path, text).header("content-type", "application/json")
    }

    fn relay(&self, path: &str, text: &str) -> RequestBuilder {
        self.post(path, text).bearer_auth(ADMIN_KEY).header("x-website-id", self.website)
    }

    /// Sends it, and expects the status, and an answer that does not tell the address back.
    async fn expect(&self, status: u16, request: RequestBuilder) {
        let response = request.send().await.unwrap();
        let (got, url) = (response.status(), response.url().clone());
        let body = response.bytes().await.unwrap();
        assert_eq!(got.as_u16(), status, "{url}: {}", String::from_utf8_lossy(&body));
        assert_eq!(self.canary.found_in(&body), None, "{url} tells it back");
    }

    pub async fn send_everything(&self) {
        for text in &self.canary.forms {
            self.send_good(text).await;
            self.send_bad(text).await;
        }
        let address = self.canary.address;
        let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        let page = json!({ "url": format!("https://{host}:8443/"), "referrer": format!("http://{host}/") });
        let page = with(event(self.website, "at home"), page);
        // Once more without the headers that make a browser's request a machine's.
        let browser = self.http.post(format!("{}{COLLECT}", self.server.url())).header("user-agent", FIREFOX);
        let browser = browser.header("x-forwarded-for", address.to_string());
        self.expect(202, browser.body(page.to_string())).await;
        self.import_a_log();
        self.send_what_is_no_http();
        self.send_until_refused().await;
    }

    async fn send_good(&self, text: &str) {
        let event = event(self.website, text);
        // As JSON, and as a beacon's text; flagged as a bot's for its odd hints.
        for (kind, id) in [("application/json", "a"), ("text/plain;charset=UTF-8", "b")] {
            let event = with(event.clone(), json!({ "event_id": format!("{text}{id}") }));
            let request = self.request(Method::POST, &format!("{COLLECT}?ip={text}"), text);
            self.expect(204, request.header("content-type", kind).body(event.to_string())).await;
        }
        let properties = with(
            event["properties"].clone(),
            json!({
                "ip": self.canary.address, "user_agent": format!("{FIREFOX} {text}"), "path": event["path"],
                "url": event["url"], "referrer": event["referrer"],
            }),
        );
        let lena = json!({
            "event": text, "properties": properties, "user_id": text, "session_id": text, "event_id": format!("{text}c"),
        });
        self.expect(201, self.relay(LENA, text).body(lena.to_string())).await;
        let ip = json!({ "ip": self.canary.address });
        let bitcain = json!({
            "event_name": text, "properties": with(event["properties"].clone(), ip), "session_id": text,
            "page_url": event["url"], "referrer": event["referrer"], "user_agent": format!("{FIREFOX} {text}"),
        });
        self.expect(200, self.relay(BITCAIN, text).body(bitcain.to_string())).await;
        let mut page_view = bitcain.clone();
        page_view["category"] = "page_view".into();
        let batch = json!({ "events": [bitcain, page_view], "client_id": text });
        self.expect(200, self.relay(BATCH, text).body(batch.to_string())).await;
        let told = json!({
            "ip": self.canary.address, "user_agent": format!("{FIREFOX} {text}"), "user_id": text,
            "event_id": format!("{text}d"), "timestamp": Utc::now().timestamp_millis(),
        });
        let bad = json!({ "ip": format!("{text}/24"), "timestamp": text });
        let lines = format!("{}\n{}\n{text}\n", with(event.clone(), told), with(event, bad));
        let import = self.post(&format!("/api/v1/import?website_id={}&{text}", self.website), text);
        self.expect(200, import.header("x-api-key", ADMIN_KEY).body(lines)).await;
    }

    async fn send_bad(&self, text: &str) {
        let event = event(self.website, text);
        for fields in [
            json!({ "screen_width": text }),
            json!({ "website_id": text }),
            json!({ "url": text }),
            json!({ "path": text }),
            json!({ "properties": text }),
            json!({ "event_type": [text] }),
        ] {
            let body = with(event.clone(), fields.clone()).to_string();
            self.expect(400, self.post(COLLECT, text).body(body)).await;
            let lena = json!({ "event": text, "properties": fields, "timestamp": text, "user_id": [text] });
            self.expect(400, self.relay(LENA, text).body(lena.to_string())).await;
            // The published refusal tells the sender what it sent.
            let bitcain =
                json!({ "event_name": [text], "category": text, "properties": fields, "timestamp": text });
            let response = self.relay(BITCAIN, text).body(bitcain.to_string()).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        }
        for poison in [
            [b"\xff\xfe", text.as_bytes()].concat(),
            format!("{{\"{text}\":").into_bytes(),
            format!("{text}\0{event}").into_bytes(),
        ] {
            self.expect(400, self.post(COLLECT, text).body(poison.clone())).await;
            self.expect(400, self.post(COLLECT, text).header("content-encoding", "gzip").body(poison)).await;
        }
        self.expect(413, self.post(COLLECT, text).body(text.repeat(70_000 / text.len() + 1))).await;
        self.expect(415, self.post(COLLECT, text).header("content-encoding", text).body(event.to_string()))
            .await;
        self.expect(405, self.request(Method::PUT, COLLECT, text)).await;
        self.expect(404, self.request(Method::GET, &format!("/api/v1/{text}?{text}"), text)).await;
        let import = format!("/api/v1/import?website_id={}", self.website);
        for path in [LENA, BITCAIN, BATCH] {
            self.expect(401, self.post(path, text).bearer_auth(text).body(event.to_string())).await;
        }
        for query in [&import, "/api/v1/websites"] {
            self.expect(401, self.post(query, text).header("x-api-key", text).body(event.to_string())).await;
        }
        // What an analyst asks for may hold it as well.
        for query in ["period=", "period=7d&search=", "period=7d&path=/", "period=7d&sort="] {
            let path = format!("/api/v1/reports/pages?website_id={}&{query}{text}", self.website);
            let response = self.request(Method::GET, &path, text).header("x-api-key", ADMIN_KEY).send().await;
            response.unwrap();
        }
    }

    /// `footfall import` of an access log of the address's visits.
    fn import_a_log(&self) {
        let time = Utc::now().format("%d/%b/%Y:%H:%M:%S +0000");
        let mut log = Vec::new();
        for text in &self.canary.forms {
            let rest = format!(
                r#"- {text} [{time}] "GET /{text}/page?q={text} HTTP/1.1" 200 1 "https://canary.example.net/{text}" "{FIREFOX} {text}""#
            );
            log.push(format!("{} {rest}\n{text} {text}\n", self.canary.address));
        }
        let file = self.folder.file("access.log", &log.concat());
        let url = self.server.url();
        let settings = [("FOOTFALL_SERVER", url.as_str()), ("FOOTFALL_KEY", ADMIN_KEY)];
        let said =
            self.folder.run(&["import", &file, "--website", self.website, "--format", "combined"], &settings);
        assert!(said.out.contains("Imported into"), "{said:?}");
        assert_eq!(self.canary.found_in(format!("{said:?}").as_bytes()), None, "the import tells it");
        std::fs::remove_file(file).unwrap();
    }

    /// A head that is none.
    fn send_what_is_no_http(&self) {
        let address = self.server.url().replace("http://", "");
        for text in &self.canary.forms {
            let mut socket = TcpStream::connect(&address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let head = format!("GET /{text} HTTP/1.1\r\nX-Real-IP: {text}\r\nno header {text}\r\n\r\n");
            socket.write_all(head.as_bytes()).unwrap();
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer);
            assert_eq!(self.canary.found_in(&answer), None);
        }
    }

    /// Until Lena's limit is reached.
    async fn send_until_refused(&self) {
        let text = &self.canary.forms[0];
        for _ in 0..1_000 {
            let request = self.relay(LENA, text).body(json!({ "event": text }).to_string());
            if request.send().await.unwrap().status() == StatusCode::TOO_MANY_REQUESTS {
                return;
            }
        }
        panic!("nothing was refused");
    }
}
