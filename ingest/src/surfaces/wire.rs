//! The fields of an event on the wire, and the one place where they become a hit.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::DateTime;
use directory::Website;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use service::Problem;
use uuid::Uuid;

use crate::bounds;
use crate::enrich::attribute::cut;
use crate::enrich::redact::Addresses;
use crate::hit::{Hit, Sent, Utm};

/// An event as TinyTrail's document writes it. Unknown fields are ignored, as its tracker of tomorrow may send more.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct WireEvent {
    pub(super) website_id: Option<String>,
    event_type: Option<String>,
    url: Option<String>,
    path: Option<String>,
    referrer: Option<String>,
    screen_width: Option<f64>,
    // Published and checked; no report needs it.
    #[serde(rename = "screen_height")]
    _screen_height: Option<f64>,
    properties: Option<Map<String, Value>>,
    utm_source: Option<String>,
    utm_medium: Option<String>,
    utm_campaign: Option<String>,
    utm_term: Option<String>,
    utm_content: Option<String>,
    /// A custom event's name; without it `properties.name` is one.
    event_name: Option<String>,
    /// The caller's id of the event; a repeat is stored once.
    pub(super) event_id: Option<String>,
}

/// What only the owner of a website may say of an event.
#[derive(Debug, Default, Deserialize)]
struct Trusted {
    timestamp: Option<Value>,
    ip: Option<String>,
    user_agent: Option<String>,
    user_id: Option<String>,
}

/// What the request says of an event beside its body.
pub(super) struct Context {
    website: Arc<Website>,
    received_at: i64,
    time: i64,
    address: Option<IpAddr>,
    addresses: Addresses,
    opts_out: bool,
    user_agent: String,
    accept_language: Option<String>,
    sent: Option<Sent>,
    user_id: Option<String>,
}

/// What the headers say of the client beside its user agent.
fn sent(headers: &HeaderMap) -> Sent {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Sent {
        brands: text("sec-ch-ua"),
        mobile: text("sec-ch-ua-mobile"),
        platform: text("sec-ch-ua-platform"),
        purpose: ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().find_map(text),
        has_from: headers.contains_key(header::FROM),
    }
}

/// Whether a browser asks not to be tracked: Do Not Track, or Global Privacy Control.
fn opts_out(headers: &HeaderMap) -> bool {
    let asks = |name| headers.get_all(name).iter().any(|value| value.as_bytes().trim_ascii() == b"1");
    asks("dnt") || asks("sec-gpc")
}

impl Context {
    /// The context of a browser's request: everything comes from the connection and the headers.
    pub(super) fn of_request(
        website: Arc<Website>,
        received_at: i64,
        address: IpAddr,
        addresses: Addresses,
        headers: &HeaderMap,
    ) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            website,
            received_at,
            time: received_at,
            address: Some(address),
            addresses,
            opts_out: opts_out(headers),
            user_agent: cut(text(header::USER_AGENT).unwrap_or_default(), bounds::USER_AGENT).to_owned(),
            accept_language: text(header::ACCEPT_LANGUAGE).map(str::to_owned),
            sent: Some(sent(headers)),
            user_id: None,
        }
    }
}

/// The website's id: required, a UUID.
pub(super) fn website_id(text: Option<&str>) -> Result<Uuid, Problem> {
    let text = text.ok_or_else(|| required("website_id"))?;
    Uuid::try_parse(text).map_err(|_| Problem::field("website_id", "`website_id` must be a UUID."))
}

pub(super) fn required(field: &'static str) -> Problem {
    Problem::field(field, format!("`{field}` is required."))
}

fn too_long(field: &'static str, limit: usize) -> Problem {
    Problem::field(field, format!("`{field}` is longer than {limit} bytes."))
}

/// An optional text of at most `limit` bytes; an empty one counts as not given.
pub(super) fn bounded(
    text: Option<String>,
    field: &'static str,
    limit: usize,
) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.len() > limit => Err(too_long(field, limit)),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

impl WireEvent {
    /// Checks the fields without making a hit, for events of websites that do not exist: whether a website exists must
    /// not show in how a broken body is answered.
    pub(super) fn check(self) -> Result<(), Problem> {
        self.checked(None).map(drop)
    }

    /// Makes the hit.
    pub(super) fn into_hit(self, context: Context) -> Result<Hit, Problem> {
        let checked = self.checked(None)?;
        Ok(checked.into_hit(context))
    }

    /// Checks every field. `page`: the path to take when none was given; a collect body must give one.
    fn checked(self, page: Option<fn(&url::Url) -> String>) -> Result<Checked, Problem> {
        let event_type =
            bounded(self.event_type, "event_type", bounds::NAME)?.ok_or_else(|| required("event_type"))?;
        let url = bounded(self.url, "url", bounds::URL)?.ok_or_else(|| required("url"))?;
        let url = url::Url::parse(&url)
            .ok()
            .filter(url::Url::has_host)
            .ok_or_else(|| Problem::field("url", "`url` must be an absolute URL with a host."))?;
        let path = match (bounded(self.path, "path", bounds::PATH)?, page) {
            (Some(path), _) => path,
            (None, Some(page)) => page(&url),
            (None, None) => return Err(required("path")),
        };
        if !path.starts_with('/') {
            return Err(Problem::field("path", "`path` must begin with a slash."));
        }
        if let Some(properties) = &self.properties {
            check_properties(properties)?;
        }
        Ok(Checked {
            event_type,
            url,
            path,
            referrer: bounded(self.referrer, "referrer", bounds::URL)?,
            screen_width: self.screen_width,
            properties: self.properties,
            utm: Utm {
                source: bounded(self.utm_source, "utm_source", bounds::UTM)?,
                medium: bounded(self.utm_medium, "utm_medium", bounds::UTM)?,
                campaign: bounded(self.utm_campaign, "utm_campaign", bounds::UTM)?,
                term: bounded(self.utm_term, "utm_term", bounds::UTM)?,
                content: bounded(self.utm_content, "utm_content", bounds::UTM)?,
            },
            event_name: bounded(self.event_name, "event_name", bounds::NAME)?,
            event_id: bounded(self.event_id, "event_id", bounds::IDENTIFIER)?,
        })
    }
}

/// A wire event whose fields are within their bounds.
struct Checked {
    event_type: String,
    url: url::Url,
    path: String,
    referrer: Option<String>,
    screen_width: Option<f64>,
    properties: Option<Map<String, Value>>,
    utm: Utm,
    event_name: Option<String>,
    event_id: Option<String>,
}

impl Checked {
    fn into_hit(self, context: Context) -> Hit {
        Hit {
            website: context.website,
            received_at: context.received_at,
            time: context.time,
            address: context.address,
            addresses: context.addresses,
            opts_out: context.opts_out,
            user_agent: context.user_agent,
            accept_language: context.accept_language,
            is_relayed: false,
            sent: context.sent,
            event_type: self.event_type,
            event_name: self.event_name,
            url: self.url,
            path: self.path,
            referrer: self.referrer,
            screen_width: self.screen_width,
            properties: self.properties,
            utm: self.utm,
            user_id: context.user_id,
            session_id: None,
            event_id: self.event_id,
        }
    }
}

pub(super) fn check_properties(properties: &Map<String, Value>) -> Result<(), Problem> {
    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    // serde_json reads at most 128 levels, so this recursion is bounded too.
    if 1 + properties.values().map(depth).max().unwrap_or(0) > bounds::PROPERTIES_DEPTH {
        let limit = bounds::PROPERTIES_DEPTH;
        return Err(Problem::field(
            "properties",
            format!("`properties` is nested deeper than {limit} levels."),
        ));
    }
    let size = serde_json::to_string(properties).map_or(usize::MAX, |text| text.len());
    if size > bounds::PROPERTIES { Err(too_long("properties", bounds::PROPERTIES)) } else { Ok(()) }
}

/// One line of an import: an event as collected, with what the website's owner may add.
pub struct ImportLine;

/// Why a line was refused: the reason is counted, the detail is for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// `malformed`, or `invalid <field>`.
    pub reason: String,
    /// What is wrong.
    pub detail: String,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let reason = match &problem {
            Problem::Invalid { field: Some(field), .. } => format!("invalid {field}"),
            Problem::TooLarge { .. } => "too long".to_owned(),
            _ => "malformed".to_owned(),
        };
        Self { reason, detail: problem.to_string() }
    }
}

impl ImportLine {
    /// Reads a line of an import for a website, received at `now`.
    pub fn parse(line: &[u8], website: &Arc<Website>, now: i64) -> Result<Hit, Problem> {
        if line.len() > bounds::IMPORT_LINE {
            return Err(Problem::TooLarge { limit: bounds::IMPORT_LINE });
        }
        let event: WireEvent = service::extract::parse_json(line)?;
        let trusted: Trusted = service::extract::parse_json(line)?;
        let address = match trusted.ip.as_deref() {
            None | Some("") => None,
            Some(text) => Some(
                text.parse().map_err(|_| Problem::field("ip", "`ip` must be an IPv4 or IPv6 address."))?,
            ),
        };
        let checked = event.checked(Some(|url| url.path().to_owned()))?;
        Ok(checked.into_hit(Context {
            website: Arc::clone(website),
            received_at: now,
            time: timestamp(trusted.timestamp, now)?,
            address,
            addresses: address.into_iter().collect(),
            // A visit of the past was counted or not when it was made.
            opts_out: false,
            user_agent: cut(trusted.user_agent.as_deref().unwrap_or_default(), bounds::USER_AGENT).to_owned(),
            accept_language: None,
            sent: None,
            user_id: bounded(trusted.user_id, "user_id", bounds::IDENTIFIER)?,
        }))
    }
}

/// A given time as milliseconds: RFC 3339 text, or milliseconds since 1970. Not before 1970-01-03 and not in the future.
pub(super) fn timestamp(given: Option<Value>, now: i64) -> Result<i64, Problem> {
    let millis = match given {
        None => return Ok(now),
        Some(Value::Number(millis)) => millis.as_i64(),
        Some(Value::String(text)) => {
            DateTime::parse_from_rfc3339(&text).ok().map(|time| time.timestamp_millis())
        }
        Some(_) => None,
    };
    let millis = millis.ok_or_else(|| {
        Problem::field("timestamp", "`timestamp` must be RFC 3339, or milliseconds since 1970.")
    })?;
    // A local day before 1970-01-01 cannot be stored.
    if millis < 2 * 24 * 3_600_000 {
        return Err(Problem::field("timestamp", "`timestamp` must not lie before 1970-01-03."));
    }
    if millis > now + bounds::FUTURE_MS {
        return Err(Problem::field("timestamp", "`timestamp` must not lie in the future."));
    }
    Ok(millis)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_request_says_of_its_client_is_carried_and_the_address_of_a_crawlers_owner_is_not() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("sec-ch-ua", "\"Brave\";v=\"124\""),
            ("sec-ch-ua-mobile", "?0"),
            ("sec-ch-ua-platform", "\"Linux\""),
            ("x-moz", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("from", "crawler@search.example"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let expected = Sent {
            brands: Some("\"Brave\";v=\"124\"".to_owned()),
            mobile: Some("?0".to_owned()),
            platform: Some("\"Linux\"".to_owned()),
            purpose: Some("prefetch;prerender".to_owned()),
            has_from: true,
        };
        assert_eq!(sent(&headers), expected);
        assert_eq!(sent(&HeaderMap::new()), Sent::default());
    }
}
