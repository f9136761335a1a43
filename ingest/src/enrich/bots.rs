//! Why a hit is held to be a machine's: by the list, by its headers, by its referrer. The reason is stored with the
//! event; whether such events count is the report's choice.
//!
//! Headers convict only by what they say, never by what they lack: a server that reports its visitors' page views
//! forwards their user agent and has no `Accept-Language` of theirs, nor any hints. For the same reason there is no list
//! of data centres: those servers live there, and so do the VPNs of people.

use dictionaries::is_bot_agent;

use super::hints::Hints;
use crate::hit::Sent;

/// A referrer that advertises itself with made-up visits.
const SPAM_REFERRER: &str = "spam referrer";

/// A browser's brand says that it runs without a window.
const HEADLESS: &str = "headless browser in the hints";

/// `From`, in which crawlers leave a mail address. Browsers have not sent it since the last century.
const FROM: &str = "From header";

/// What browsers call a page that is fetched before anybody asked for it, with the reason it is stored under. It is not
/// a view: the tracker of a page that is shown after all sends its view then.
const PURPOSES: [(&str, &str); 3] =
    [("prerender", "prerendered"), ("prefetch", "prefetched"), ("preview", "previewed")];

/// Why a hit is a bot's, by its user agent and its referrer alone: all that an import knows.
pub fn reason(user_agent: &str, spam_referrer: bool) -> Option<&'static str> {
    is_bot_agent(user_agent).or_else(|| by_referrer(spam_referrer))
}

/// By the referrer.
pub(super) fn by_referrer(is_spam: bool) -> Option<&'static str> {
    is_spam.then_some(SPAM_REFERRER)
}

/// By what the request's own headers say.
pub(super) fn by_headers(sent: &Sent, hints: &Hints) -> Option<&'static str> {
    if hints.headless {
        return Some(HEADLESS);
    }
    if sent.has_from {
        return Some(FROM);
    }
    let purpose = sent.purpose.as_deref()?.to_ascii_lowercase();
    PURPOSES.iter().find(|(word, _)| purpose.contains(word)).map(|(_, reason)| *reason)
}
