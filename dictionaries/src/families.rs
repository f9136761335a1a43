//! Browsers, systems and devices, by the tokens that they add to a user agent and by the brands that they name in
//! `Sec-CH-UA`.
//!
//! These are corrections: what every reader of user agents knows (Chrome, Safari, Windows) is not here, but what hides
//! behind it is.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

use crate::rows::rows;

/// A token as it is written in user agents, with what it tells.
type Tokens = LazyLock<Vec<(&'static str, &'static str)>>;

static BROWSERS: Tokens = LazyLock::new(|| {
    let mut tokens: Vec<_> = rows(include_str!("../data/browser_tokens.tsv")).collect();
    tokens.sort_by_key(|[token, what, _]| (*what != "app", Reverse(token.len())));
    tokens.into_iter().map(|[token, _, family]| (token, family)).collect()
});

static SYSTEMS: Tokens = LazyLock::new(|| {
    let mut tokens: Vec<_> = rows(include_str!("../data/system_tokens.tsv")).collect();
    tokens.sort_by_key(|[token, _]| Reverse(token.len()));
    tokens.into_iter().map(|[token, family]| (token, family)).collect()
});

/// What a thing is, from the most particular: a console may say that it is like a tablet, never the other way round.
const DEVICES_IN_ORDER: [&str; 4] = ["console", "tv", "tablet", "mobile"];

static DEVICES: Tokens = LazyLock::new(|| {
    let mut tokens: Vec<_> = rows(include_str!("../data/device_tokens.tsv")).collect();
    tokens.sort_by_key(|[_, device]| DEVICES_IN_ORDER.iter().position(|known| known == device));
    tokens.into_iter().map(|[token, device]| (token, device)).collect()
});

static BRANDS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    rows(include_str!("../data/brands.tsv")).map(|[brand, family]| (brand, family)).collect()
});

fn first(tokens: &[(&'static str, &'static str)], user_agent: &str) -> Option<&'static str> {
    tokens.iter().find(|(token, _)| user_agent.contains(token)).map(|(_, told)| *told)
}

/// The browser of a user agent, where it says that it is another than the one it is built on: `Samsung Internet`, `Opera`.
///
/// Inside an application it is the application, `Facebook` or `WeChat`: that is where people are.
pub fn browser_by_token(user_agent: &str) -> Option<&'static str> {
    first(&BROWSERS, user_agent)
}

/// The operating system of a user agent, where the usual words do not tell it: `Tizen`, `HarmonyOS`, `PlayStation`.
pub fn system_by_token(user_agent: &str) -> Option<&'static str> {
    first(&SYSTEMS, user_agent)
}

/// What a thing is, where its user agent says so: `console`, `tv`, `tablet` or `mobile`.
pub fn device_by_token(user_agent: &str) -> Option<&'static str> {
    first(&DEVICES, user_agent)
}

/// The browser of a brand in `Sec-CH-UA`. None for brands that say nothing: `Chromium`, `Not;A=Brand`.
pub fn browser_by_brand(brand: &str) -> Option<&'static str> {
    BRANDS.get(brand).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_goes_before_the_browser_in_it_and_a_longer_token_before_a_shorter() {
        assert_eq!(
            browser_by_token("Chrome/123.0 Whale/1.0 Safari/537.36 NAVER(inapp; search)"),
            Some("Naver")
        );
        assert_eq!(browser_by_token("[FB_IAB/Orca-Android;FBAV/461.0]"), Some("Messenger"));
        assert_eq!(browser_by_token("[FB_IAB/FB4A;FBAV/461.0]"), Some("Facebook"));
        assert_eq!(browser_by_token("Chrome/124.0.0.0 Safari/537.36"), None);
    }

    #[test]
    fn the_most_particular_device_wins() {
        assert_eq!(device_by_token("Mozilla/5.0 (PlayStation Vita 1.51) Silk/3.2"), Some("console"));
        assert_eq!(device_by_token("(Linux; Android 9; AFTMM Build/PS7624) Silk/120.4.1"), Some("tv"));
        assert_eq!(device_by_token("(compatible; MSIE 8.0; Windows NT 6.1; Tablet PC 2.0)"), None);
    }

    #[test]
    fn brands_are_whole_names() {
        assert_eq!(browser_by_brand("Microsoft Edge"), Some("Edge"));
        for brand in ["", "Edge", "Chromium", "Not;A=Brand", "microsoft edge"] {
            assert_eq!(browser_by_brand(brand), None, "{brand}");
        }
    }
}
