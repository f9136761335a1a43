//! What the surfaces with a Bearer key share: which website a caller writes to, and how an event that a server or an app
//! passes on becomes a hit.
//!
//! Such a caller is the website's owner and is believed: it may say whose event it is, when it happened, and from which
//! address and user agent. Where it names no user agent the request's own is taken for device and browser (an app may
//! call by itself), and nobody is held to be a bot for it, since HTTP libraries are in every list of bots.
//!
//! The request's `DNT` and `Sec-GPC` are the caller's, not the visitor's, and are not looked at. A caller passes the
//! visitor's on as the properties `dnt` or `gpc`: `true`, `1` or `"1"`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use directory::{Bearer, Caller, Directory, Website};
use http::request::Parts;
use http::{HeaderMap, header};
use schema::event::TYPES;
use serde_json::{Map, Value};
use service::Problem;
use service::secrets::keyed_hash;
use url::Url;
use uuid::Uuid;

use super::App;
use super::wire::{bounded, check_properties, required};
use crate::bounds;
use crate::enrich::attribute::cut;
use crate::enrich::redact::Addresses;
use crate::hit::{Hit, Utm};

/// The header by which a caller with several websites names one.
const WEBSITE_HEADER: &str = "X-Website-Id";

/// The website that an authenticated caller writes to.
pub(super) struct Target(pub(super) Arc<Website>);

impl FromRequestParts<App> for Target {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Bearer(caller) = Bearer::from_request_parts(parts, app).await?;
        target(&caller, app.collector.directory(), &parts.headers).map(Self)
    }
}

/// The website that the header names, else the only one that the caller has.
pub(super) fn target(
    caller: &Caller,
    directory: &Directory,
    headers: &HeaderMap,
) -> Result<Arc<Website>, Problem> {
    if let Some(website) = named_website(caller, directory, headers)? {
        return Ok(website);
    }
    let mut own = caller.own_websites(directory);
    match (own.pop(), own.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Problem::NotFound("Website")),
        _ => {
            let message = format!("`{WEBSITE_HEADER}` must name a website, since there are several.");
            Err(Problem::field(WEBSITE_HEADER, message))
        }
    }
}

/// The website that the header names, if it names one.
pub(super) fn named_website(
    caller: &Caller,
    directory: &Directory,
    headers: &HeaderMap,
) -> Result<Option<Arc<Website>>, Problem> {
    let Some(value) = headers.get(WEBSITE_HEADER) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| Uuid::try_parse(text.trim()).ok()).ok_or_else(|| {
        Problem::field(WEBSITE_HEADER, format!("`{WEBSITE_HEADER}` must be a website's UUID."))
    })?;
    caller.website(directory, id).map(Some)
}

/// An event that a caller passes on.
#[derive(Debug, Default)]
pub(super) struct Relayed {
    /// One of the published types, or a custom event's name.
    pub(super) name: String,
    /// Absolute, or a path on the website; none: the website's root.
    pub(super) url: Option<String>,
    /// Instead of the URL's path.
    pub(super) path: Option<String>,
    pub(super) referrer: Option<String>,
    pub(super) screen_width: Option<f64>,
    pub(super) properties: Map<String, Value>,
    /// The visitor's, if it was told.
    pub(super) user_agent: Option<String>,
    /// The visitor's, if it was told.
    pub(super) address: Option<IpAddr>,
    pub(super) user_id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) event_id: Option<String>,
    /// Milliseconds since 1970; checked.
    pub(super) time: i64,
}

/// The request that an event came with.
#[derive(Clone, Copy)]
pub(super) struct Carrier<'r> {
    pub(super) website: &'r Arc<Website>,
    pub(super) received_at: i64,
    pub(super) address: IpAddr,
    pub(super) addresses: &'r Addresses,
    pub(super) headers: &'r HeaderMap,
}

/// What a surface calls the fields that are checked here.
pub(super) struct Names {
    pub(super) url: &'static str,
    pub(super) path: &'static str,
    pub(super) referrer: &'static str,
}

impl Relayed {
    /// Checks what is not checked yet and makes the hit.
    pub(super) fn into_hit(self, carrier: Carrier<'_>, names: &Names) -> Result<Hit, Problem> {
        let website = Arc::clone(carrier.website);
        let (url, path) = page(&website, self.url, self.path, names)?;
        check_properties(&self.properties)?;
        let text = |name| carrier.headers.get(name).and_then(|value| value.to_str().ok());
        let told = self.user_agent.filter(|agent| !agent.is_empty());
        let is_relayed = told.is_none();
        let agent = told.as_deref().or_else(|| text(header::USER_AGENT)).unwrap_or_default();
        let mut addresses = carrier.addresses.clone();
        self.address.into_iter().for_each(|address| addresses.add(address));
        let is_type = TYPES.contains(&self.name.as_str());
        Ok(Hit {
            received_at: carrier.received_at,
            time: self.time,
            address: Some(self.address.unwrap_or(carrier.address)),
            addresses,
            opts_out: opts_out(&self.properties),
            user_agent: cut(agent, bounds::USER_AGENT).to_owned(),
            accept_language: text(header::ACCEPT_LANGUAGE).map(str::to_owned),
            is_relayed,
            sent: None,
            // A name that is no type stands for itself, whatever `properties.name` is.
            event_name: (!is_type).then(|| self.name.clone()),
            event_type: self.name,
            url,
            path,
            referrer: bounded(self.referrer, names.referrer, bounds::URL)?,
            screen_width: self.screen_width,
            properties: Some(self.properties),
            utm: Utm::default(),
            user_id: bounded(self.user_id, "user_id", bounds::IDENTIFIER)?,
            session_id: bounded(self.session_id, "session_id", bounds::IDENTIFIER)?,
            event_id: bounded(self.event_id, "event_id", bounds::IDENTIFIER)?,
            website,
        })
    }
}

fn page(
    website: &Website,
    url: Option<String>,
    path: Option<String>,
    names: &Names,
) -> Result<(Url, String), Problem> {
    let root = || Url::parse(&format!("https://{}/", website.domain)).map_err(Problem::internal);
    let url = match bounded(url, names.url, bounds::URL)? {
        None => root()?,
        Some(text) => {
            let parsed = if text.starts_with('/') { root()?.join(&text) } else { Url::parse(&text) };
            parsed.ok().filter(Url::has_host).ok_or_else(|| {
                let message = format!("`{}` must be an absolute URL with a host.", names.url);
                Problem::field(names.url, message)
            })?
        }
    };
    let path = match bounded(path, names.path, bounds::PATH)? {
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            let message = format!("`{}` must begin with a slash.", names.path);
            return Err(Problem::field(names.path, message));
        }
        None if url.path().starts_with('/') => url.path().to_owned(),
        // An app's own scheme may do without.
        None => "/".to_owned(),
    };
    if path.len() > bounds::PATH {
        let message = format!("The path of `{}` is longer than {} bytes.", names.url, bounds::PATH);
        return Err(Problem::field(names.url, message));
    }
    Ok((url, path))
}

/// Whether the properties say that the visitor asks not to be tracked.
fn opts_out(properties: &Map<String, Value>) -> bool {
    ["dnt", "gpc"].into_iter().filter_map(|name| properties.get(name)).any(|value| match value {
        Value::Bool(asks) => *asks,
        Value::Number(number) => number.as_u64() == Some(1),
        Value::String(text) => text == "1",
        _ => false,
    })
}

/// Takes a text out of the properties.
pub(super) fn lift_text(
    properties: &mut Map<String, Value>,
    name: &str,
    field: &'static str,
) -> Result<Option<String>, Problem> {
    match properties.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::field(field, format!("`{field}` must be a string."))),
    }
}

/// Takes a number out of the properties.
pub(super) fn lift_number(
    properties: &mut Map<String, Value>,
    name: &str,
    field: &'static str,
) -> Result<Option<f64>, Problem> {
    match properties.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(_) => Err(Problem::field(field, format!("`{field}` must be a number."))),
    }
}

/// Takes the visitor's address out of the properties: they are stored, and an address never is.
pub(super) fn lift_address(properties: &mut Map<String, Value>) -> Result<Option<IpAddr>, Problem> {
    const FIELD: &str = "properties.ip";
    match lift_text(properties, "ip", FIELD)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| Problem::field(FIELD, format!("`{FIELD}` must be an IPv4 or IPv6 address."))),
    }
}

/// The name of an event: required, a label.
pub(super) fn event_name(name: Option<String>, field: &'static str) -> Result<String, Problem> {
    bounded(name, field, bounds::NAME)?.ok_or_else(|| required(field))
}

/// The id that an answer tells: the same whenever the caller repeats its own id of the event, else a new one.
pub(super) fn answered_id(website: Uuid, given: Option<&str>) -> Uuid {
    let Some(given) = given.filter(|id| !id.is_empty()) else { return Uuid::new_v4() };
    let hash = keyed_hash(website.as_bytes(), &[given.as_bytes()]);
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(bits)
}
