//! How a host finds its entry: itself first, then its parent domains, label by label.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::countries::country_name;

/// No name in the domain name system is longer; what is longer is not a host.
const LONGEST_HOST: usize = 253;

/// How the referrer of an Android application starts.
const ANDROID: &str = "android-app://";

/// Labels which many countries put between their own code and a name, as in `google.co.uk`.
const SECOND_LEVELS: [&str; 8] = ["ac", "co", "com", "edu", "ne", "net", "or", "org"];

/// A list of hosts with what is known of each.
///
/// A key is a domain (`bing.com`, which stands for its subdomains too), a domain under every country's code
/// (`google.*`), or the package name of an Android application (`com.google.android.gm`).
pub(crate) struct Hosts<T> {
    exact: HashMap<&'static str, T>,
    any_country: HashMap<&'static str, T>,
}

impl<T> Hosts<T> {
    /// A list; where a key comes twice, the later one stands.
    pub(crate) fn new(entries: impl Iterator<Item = (&'static str, T)>) -> Self {
        let mut hosts = Self { exact: HashMap::new(), any_country: HashMap::new() };
        for (key, value) in entries {
            match key.strip_suffix(".*") {
                Some(name) => hosts.any_country.insert(name, value),
                None => hosts.exact.insert(key, value),
            };
        }
        hosts
    }

    /// What is known of the most specific entry that holds `host`.
    ///
    /// `host` may be in any case, end with the root's dot and carry the `android-app://` of an application.
    pub(crate) fn find(&self, host: &str) -> Option<&T> {
        let host = plain(host)?;
        let country = country_suffix(&host);
        let mut at = 0;
        loop {
            let candidate = &host[at..];
            let name = country.and_then(|country| host.get(at..country));
            let found =
                self.exact.get(candidate).or_else(|| name.and_then(|name| self.any_country.get(name)));
            if found.is_some() {
                return found;
            }
            at += candidate.find('.')? + 1;
        }
    }
}

/// The host in the spelling of our lists, or none when it cannot be one.
fn plain(host: &str) -> Option<Cow<'_, str>> {
    let host = host.trim();
    let host = match host.split_at_checked(ANDROID.len()) {
        Some((scheme, app)) if scheme.eq_ignore_ascii_case(ANDROID) => app.split('/').next().unwrap_or(app),
        _ => host,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.len() > LONGEST_HOST {
        return None;
    }
    Some(if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    })
}

/// Where a country's suffix (`.de`, `.co.uk`, `.com.br`) starts in `host`, its dot included.
fn country_suffix(host: &str) -> Option<usize> {
    let (name, code) = host.rsplit_once('.')?;
    // Codes in use as a domain but not as a country: the United Kingdom, the Union, Ascension, the Soviet Union.
    if country_name(code).is_none() && !matches!(code, "uk" | "eu" | "ac" | "su") {
        return None;
    }
    match name.rsplit_once('.') {
        Some((name, second)) if SECOND_LEVELS.contains(&second) => Some(name.len()),
        _ => Some(name.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts<u8> {
        Hosts::new(
            [("google.com", 1), ("mail.google.com", 2), ("google.*", 3), ("com.app.one", 4)].into_iter(),
        )
    }

    #[test]
    fn the_most_specific_entry_wins() {
        assert_eq!(hosts().find("google.com"), Some(&1));
        assert_eq!(hosts().find("www.google.com"), Some(&1));
        assert_eq!(hosts().find("mail.google.com"), Some(&2));
        assert_eq!(hosts().find("a.b.mail.google.com"), Some(&2));
    }

    #[test]
    fn every_country_is_meant_by_a_star() {
        for host in ["google.de", "google.co.uk", "google.com.br", "www.google.co.jp", "google.eu"] {
            assert_eq!(hosts().find(host), Some(&3), "{host}");
        }
        for host in ["google.shop", "google.zz", "google.example.de", "notgoogle.de", "google", "co.uk", "de"]
        {
            assert_eq!(hosts().find(host), None, "{host}");
        }
    }

    #[test]
    fn a_part_of_a_label_is_not_a_parent() {
        assert_eq!(hosts().find("notgoogle.com"), None);
        assert_eq!(hosts().find("google.com.evil.example"), None);
    }

    #[test]
    fn spellings_of_the_same_host_are_one() {
        for host in ["GOOGLE.com", " google.com ", "google.com."] {
            assert_eq!(hosts().find(host), Some(&1), "{host}");
        }
        for app in ["com.app.one", "android-app://com.app.one", "android-app://com.app.one/https/a.example"] {
            assert_eq!(hosts().find(app), Some(&4), "{app}");
        }
    }

    #[test]
    fn what_is_no_host_is_not_found() {
        let long = format!("{}.google.com", "a".repeat(250));
        for host in ["", ".", "..", " ", "android-app://", "🦀", long.as_str()] {
            assert_eq!(hosts().find(host), None, "{host}");
        }
    }
}
