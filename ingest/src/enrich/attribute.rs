//! Where it came from: the referring domain, the UTM values and the channel.

use dictionaries::{Attribution, ClickId, channel, click_id, is_spam_referrer, without_www};

use crate::bounds;
use crate::enrich::redact::Addresses;
use crate::hit::Hit;

/// The source of one event. The loader stamps a session's first one on all its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Source {
    /// Referring domain without `www.`; empty when there is none or it is the website itself.
    pub referrer: String,
    pub channel: &'static str,
    pub utm_source: String,
    pub utm_medium: String,
    pub utm_campaign: String,
    pub utm_term: String,
    pub utm_content: String,
    /// True when the referrer is a known spammer's.
    pub is_spam: bool,
}

/// Finds the source of a hit. A referrer at the visitor's own address is none.
pub fn attribute(hit: &Hit) -> Source {
    let referrer = hit
        .referrer
        .as_deref()
        .and_then(host_of)
        .filter(|host| !is_internal(host, hit) && !hit.addresses.are_in(host));
    let given = |value: &Option<String>| hit.addresses.clean(value.clone().unwrap_or_default());
    let mut source = Source {
        is_spam: referrer.as_deref().is_some_and(is_spam_referrer),
        utm_source: given(&hit.utm.source),
        utm_medium: given(&hit.utm.medium),
        utm_campaign: given(&hit.utm.campaign),
        utm_term: given(&hit.utm.term),
        utm_content: given(&hit.utm.content),
        ..Source::default()
    };
    let clicked = from_query(&mut source, &hit.url, &hit.addresses);
    source.channel = channel(Attribution {
        referrer: referrer.as_deref(),
        utm_source: &source.utm_source,
        utm_medium: &source.utm_medium,
        click_id: clicked,
    })
    .as_str();
    source.referrer = referrer.map(|host| without_www(&host).to_owned()).unwrap_or_default();
    source
}

/// Fills what was not given beside the URL from its query; returns the click id that it carries.
fn from_query(source: &mut Source, url: &url::Url, addresses: &Addresses) -> Option<ClickId> {
    let mut clicked = None;
    for (key, value) in url.query_pairs() {
        let slot = match &*key {
            "utm_source" => &mut source.utm_source,
            "utm_medium" => &mut source.utm_medium,
            "utm_campaign" => &mut source.utm_campaign,
            "utm_term" => &mut source.utm_term,
            "utm_content" => &mut source.utm_content,
            key => {
                clicked = clicked.or_else(|| click_id(key));
                continue;
            }
        };
        if slot.is_empty() {
            // Cleaned first: the beginning of an address would not be found.
            cut(&addresses.clean(value.into_owned()), bounds::UTM).clone_into(slot);
        }
    }
    clicked
}

/// The host of a referrer, lower case: of a URL, or of an app (`android-app://…`). A text that is neither is none.
fn host_of(referrer: &str) -> Option<String> {
    let url = url::Url::parse(referrer.trim()).ok()?;
    let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
    (!host.is_empty()).then_some(host)
}

/// True for the website itself: the page's own host, the registered domain, and hosts below it.
fn is_internal(host: &str, hit: &Hit) -> bool {
    let host = without_www(host);
    let domain = without_www(&hit.website.domain);
    let page = without_www(hit.url.host_str().unwrap_or_default());
    host == page || host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The longest beginning of at most `limit` bytes that ends between characters.
pub fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
