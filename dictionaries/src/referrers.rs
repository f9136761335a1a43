//! Who sends people: search engines, social networks, web mail and AI assistants, by host.
//!
//! Five files make one table, so that the most specific entry wins across all of them: `mail.google.com` is
//! web mail although `google.com` is a search engine. Our own file goes before the others.

use std::sync::LazyLock;

use crate::hosts::Hosts;
use crate::rows::rows;

/// What a known referrer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReferrerKind {
    /// A search engine.
    Search,
    /// A social network, a forum or a messenger.
    Social,
    /// Web mail, the link guard of web mail, or a mail application.
    Email,
    /// An assistant that answers questions and names its sources.
    AiAssistant,
}

/// A known referrer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Referrer {
    /// What it is.
    pub kind: ReferrerKind,
    /// Its name as people know it, such as `Google` or `LinkedIn`.
    pub name: &'static str,
}

/// Of each host what it is; nothing for a host that only lies under a known one (`docs.google.com`).
static REFERRERS: LazyLock<Hosts<Option<Referrer>>> = LazyLock::new(|| {
    let list =
        |text: &'static str, kind| rows(text).map(move |[host, name]| (host, Some(Referrer { kind, name })));
    let own = rows(include_str!("../data/referrers.tsv")).filter_map(|[host, kind, name]| {
        let kind = match kind {
            "search" => ReferrerKind::Search,
            "social" => ReferrerKind::Social,
            "ai" => ReferrerKind::AiAssistant,
            "none" => return Some((host, None)),
            _ => return None,
        };
        Some((host, Some(Referrer { kind, name })))
    });
    // Where two lists hold the same host, the later one stands: some engines of the first list are networks or
    // assistants which also search.
    Hosts::new(
        list(include_str!("../data/search_engines.tsv"), ReferrerKind::Search)
            .chain(list(include_str!("../data/social_networks.tsv"), ReferrerKind::Social))
            .chain(list(include_str!("../data/ai_assistants.tsv"), ReferrerKind::AiAssistant))
            .chain(list(include_str!("../data/email_providers.tsv"), ReferrerKind::Email))
            .chain(own),
    )
});

/// What is known of a referrer's host, or of the package name of an Android application.
///
/// The host itself is looked up, then its parent domains; the case does not matter.
pub fn referrer(host: &str) -> Option<Referrer> {
    *REFERRERS.find(host)?
}

/// The name of the search engine at `host`.
pub fn search_engine(host: &str) -> Option<&'static str> {
    named(host, ReferrerKind::Search)
}

/// The name of the social network at `host`.
pub fn social_network(host: &str) -> Option<&'static str> {
    named(host, ReferrerKind::Social)
}

/// The name of the web mail provider at `host`.
pub fn email_provider(host: &str) -> Option<&'static str> {
    named(host, ReferrerKind::Email)
}

/// The name of the AI assistant at `host`.
pub fn ai_assistant(host: &str) -> Option<&'static str> {
    named(host, ReferrerKind::AiAssistant)
}

fn named(host: &str, kind: ReferrerKind) -> Option<&'static str> {
    referrer(host).filter(|referrer| referrer.kind == kind).map(|referrer| referrer.name)
}

/// The host without a leading `www.`: how a referrer is counted by domain. Other subdomains stay.
pub fn without_www(host: &str) -> &str {
    match host.get(..4) {
        Some(www) if www.eq_ignore_ascii_case("www.") => &host[4..],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_engines_are_known_in_every_country_and_under_every_subdomain() {
        for (host, name) in [
            ("google.com", "Google"),
            ("www.google.com", "Google"),
            ("www.google.co.uk", "Google"),
            ("google.com.br", "Google"),
            ("google.cat", "Google"),
            ("images.google.de", "Google Images"),
            ("bing.com", "Bing"),
            ("cn.bing.com", "Bing"),
            ("duckduckgo.com", "DuckDuckGo"),
            ("www.ecosia.org", "Ecosia"),
            ("search.brave.com", "Brave"),
            ("yandex.com.tr", "Yandex"),
            ("m.baidu.com", "Baidu"),
            ("uk.search.yahoo.com", "Yahoo!"),
            ("search.yahoo.co.jp", "Yahoo! Japan"),
            ("com.google.android.googlequicksearchbox", "Google"),
            ("android-app://com.google.android.googlequicksearchbox/", "Google"),
        ] {
            assert_eq!(search_engine(host), Some(name), "{host}");
        }
    }

    #[test]
    fn social_networks_are_known_with_their_short_links_and_applications() {
        for (host, name) in [
            ("t.co", "Twitter"),
            ("x.com", "Twitter"),
            ("www.facebook.com", "Facebook"),
            ("lm.facebook.com", "Facebook"),
            ("l.instagram.com", "Instagram"),
            ("www.linkedin.com", "LinkedIn"),
            ("com.linkedin.android", "LinkedIn"),
            ("old.reddit.com", "reddit"),
            ("out.reddit.com", "reddit"),
            ("news.ycombinator.com", "Hacker News"),
            ("go.bsky.app", "Bluesky"),
            ("m.youtube.com", "YouTube"),
            ("com.Slack", "Slack"),
        ] {
            assert_eq!(social_network(host), Some(name), "{host}");
        }
    }

    #[test]
    fn web_mail_is_not_the_search_engine_it_lives_at() {
        for (host, name) in [
            ("mail.google.com", "Gmail"),
            ("android-app://com.google.android.gm", "Gmail"),
            ("mail.yahoo.com", "Yahoo! Mail"),
            ("mg.mail.yahoo.com", "Yahoo! Mail"),
            ("mail.yandex.ru", "Yandex Mail"),
            ("outlook.live.com", "Outlook"),
            ("deref-gmx.net", "GMX"),
        ] {
            assert_eq!(email_provider(host), Some(name), "{host}");
            assert_eq!(search_engine(host), None, "{host}");
        }
    }

    #[test]
    fn assistants_are_not_the_search_engines_they_also_are() {
        for (host, name) in [
            ("chatgpt.com", "ChatGPT"),
            ("chat.openai.com", "ChatGPT"),
            ("www.perplexity.ai", "Perplexity"),
            ("gemini.google.com", "Gemini"),
            ("copilot.microsoft.com", "Copilot"),
            ("claude.ai", "Claude"),
        ] {
            assert_eq!(ai_assistant(host), Some(name), "{host}");
            assert_eq!(search_engine(host), None, "{host}");
        }
    }

    #[test]
    fn other_products_of_a_search_engine_are_plain_referrers() {
        for host in
            ["docs.google.com", "accounts.google.com", "login.live.com", "blog.partner.example", "cnn.com"]
        {
            assert_eq!(referrer(host), None, "{host}");
        }
    }

    #[test]
    fn only_a_leading_www_is_taken_off() {
        assert_eq!(without_www("www.google.com"), "google.com");
        assert_eq!(without_www("WWW.google.com"), "google.com");
        assert_eq!(without_www("mail.google.com"), "mail.google.com");
        assert_eq!(without_www("wwww.example"), "wwww.example");
        assert_eq!(without_www("ww🦀"), "ww🦀");
    }
}
