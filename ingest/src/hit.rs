//! A hit: what was received, before anything is known about it. It has an address; an [`schema::Event`] cannot.

use std::net::IpAddr;
use std::sync::Arc;

use directory::Website;

use crate::enrich::redact::Addresses;

/// One event as received, from whichever surface.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The website, which exists.
    pub website: Arc<Website>,
    /// When the collector received it, milliseconds since 1970-01-01 UTC.
    pub received_at: i64,
    /// When it happened: the time of receipt unless a trusted caller gave another.
    pub time: i64,
    /// The client's address; `None` only in imports that give none.
    pub address: Option<IpAddr>,
    /// Every address that it came with: the client's, the socket's, those that proxies or the caller name, whether
    /// they are believed or not. No text of the event may hold one.
    pub addresses: Addresses,
    /// True when the visitor asks not to be tracked. Whether that is heard is the website's matter.
    pub opts_out: bool,
    /// The client's user agent; empty when it sent none.
    pub user_agent: String,
    /// `Accept-Language`, as sent.
    pub accept_language: Option<String>,
    /// True when a caller with a key passes the event on and named no user agent of the visitor's: `user_agent` is then
    /// the caller's HTTP client, which makes nobody a bot.
    pub is_relayed: bool,
    /// What the client's own request says of it; `None` where somebody else reports the event.
    pub sent: Option<Sent>,
    /// The type, as sent.
    pub event_type: String,
    /// A custom event's name, where the surface has a field for it.
    pub event_name: Option<String>,
    /// The page's URL, parsed.
    pub url: url::Url,
    /// The page's path; begins with a slash.
    pub path: String,
    /// The referrer, as sent.
    pub referrer: Option<String>,
    /// Width of the viewport in pixels.
    pub screen_width: Option<f64>,
    /// The caller's properties: an object.
    pub properties: Option<serde_json::Map<String, serde_json::Value>>,
    /// UTM values given beside the URL; they win over the URL's.
    pub utm: Utm,
    /// The caller's own id of the user.
    pub user_id: Option<String>,
    /// The caller's own id of the session. It counts only without a `user_id`.
    pub session_id: Option<String>,
    /// The caller's own id of the event; a repeat is stored once.
    pub event_id: Option<String>,
}

/// What a client's own request says of it beside the user agent, each header as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// `Sec-CH-UA`: the browser's brands.
    pub brands: Option<String>,
    /// `Sec-CH-UA-Mobile`: `?1` or `?0`.
    pub mobile: Option<String>,
    /// `Sec-CH-UA-Platform`: the operating system, quoted.
    pub platform: Option<String>,
    /// `Sec-Purpose`, or how it was called before: why a page is fetched that nobody asked for yet.
    pub purpose: Option<String>,
    /// Whether there is a `From`. Its value is a mail address and is not kept.
    pub has_from: bool,
}

/// The five UTM values; `None` where one was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Utm {
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    pub term: Option<String>,
    pub content: Option<String>,
}
