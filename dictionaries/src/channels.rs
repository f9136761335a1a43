//! Channels: the published table that sorts every visit by where it came from.

use std::fmt;

use crate::click_ids::{ClickId, ClickKind};
use crate::referrers::{ReferrerKind, ai_assistant, referrer};

/// Where a visit came from, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// From the results of a search engine.
    OrganicSearch,
    /// From an advertisement in the results of a search engine.
    PaidSearch,
    /// From a social network.
    Social,
    /// From an advertisement of a social network.
    PaidSocial,
    /// From an advertisement on somebody's pages.
    Display,
    /// From an assistant that answers questions.
    AiAssistants,
    /// From a mail.
    Email,
    /// From any other site.
    Referral,
    /// From nowhere that is known.
    Direct,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 9] = [
        Self::OrganicSearch,
        Self::PaidSearch,
        Self::Social,
        Self::PaidSocial,
        Self::Display,
        Self::AiAssistants,
        Self::Email,
        Self::Referral,
        Self::Direct,
    ];

    /// The name as it is stored and reported.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganicSearch => "Organic Search",
            Self::PaidSearch => "Paid Search",
            Self::Social => "Social",
            Self::PaidSocial => "Paid Social",
            Self::Display => "Display",
            Self::AiAssistants => "AI Assistants",
            Self::Email => "Email",
            Self::Referral => "Referral",
            Self::Direct => "Direct",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a visit's first event says about where it came from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attribution<'a> {
    /// The referrer's host; none when there is no referrer, or when it is the website itself.
    pub referrer: Option<&'a str>,
    /// `utm_source`, empty when there is none.
    pub utm_source: &'a str,
    /// `utm_medium`, empty when there is none.
    pub utm_medium: &'a str,
    /// The click id among the query parameters, see [`click_id`](crate::click_id).
    pub click_id: Option<ClickId>,
}

/// The channel of a visit.
///
/// The rules, each with the row of the published table that it keeps ("Referrer channel classifications" of the
/// TinyTrail document), in the order in which they are asked:
///
/// 1. *"Paid Search: Search engine + `utm_medium` contains `cpc`, `ppc`, or `paid`"*. A click id which only paid
///    search results carry says the same as such a medium, and counts as one.
/// 2. *"Organic Search: Referrer matches known search engines (google.*, bing.com, etc.)"*, whatever other
///    medium is given, `email` too.
/// 3. *"Email: `utm_medium=email` or referrer matches email providers"*, with or without a referrer, and before
///    the social platforms.
/// 4. *"Social: Referrer matches social platforms (t.co, facebook.com, etc.)"*, paid or not.
/// 5. *"Direct: No referrer"*, whatever else the address says.
/// 6. *"Referral: Referrer exists but doesn't match other channels"*. The table leaves room for others here, and
///    only here: an AI assistant, by its host or by the `utm_source` it adds, is `AI Assistants`; a paid click id
///    of a search engine, a social network or an advertising network is `Paid Search`, `Paid Social` or
///    `Display`. A medium alone moves nothing out of `Referral`.
pub fn channel(visit: Attribution<'_>) -> Channel {
    let medium = visit.utm_medium.trim().to_ascii_lowercase();
    let host = visit.referrer.map(str::trim).filter(|host| !host.is_empty());
    let kind = host.and_then(referrer).map(|referrer| referrer.kind);
    let paid_click = visit.click_id.filter(|click| click.paid).map(|click| click.kind);

    if kind == Some(ReferrerKind::Search) {
        let paid_medium = ["cpc", "ppc", "paid"].iter().any(|word| medium.contains(word));
        let paid = paid_medium || paid_click == Some(ClickKind::Search);
        return if paid { Channel::PaidSearch } else { Channel::OrganicSearch };
    }
    if kind == Some(ReferrerKind::Email) || medium == "email" {
        return Channel::Email;
    }
    if kind == Some(ReferrerKind::Social) {
        return Channel::Social;
    }
    if host.is_none() {
        return Channel::Direct;
    }
    if kind == Some(ReferrerKind::AiAssistant) || ai_assistant(visit.utm_source).is_some() {
        return Channel::AiAssistants;
    }
    match paid_click {
        Some(ClickKind::Search) => Channel::PaidSearch,
        Some(ClickKind::Social) => Channel::PaidSocial,
        Some(ClickKind::Display) => Channel::Display,
        Some(ClickKind::Affiliate | ClickKind::Email) | None => Channel::Referral,
    }
}

#[cfg(test)]
mod tests {
    use super::Channel::{
        AiAssistants, Direct, Display, Email, OrganicSearch, PaidSearch, PaidSocial, Referral, Social,
    };
    use super::*;
    use crate::click_id;

    fn of(referrer: Option<&str>, utm_medium: &str) -> Channel {
        channel(Attribution { referrer, utm_medium, ..Attribution::default() })
    }

    fn clicked(referrer: Option<&str>, key: &str) -> Channel {
        channel(Attribution { referrer, click_id: click_id(key), ..Attribution::default() })
    }

    #[test]
    fn the_published_table_cell_by_cell() {
        let mediums = ["", "email", "cpc", "paid-search", "social", "banner"];
        for (referrer, channels) in [
            (None, [Direct, Email, Direct, Direct, Direct, Direct]),
            (
                Some("www.google.com"),
                [OrganicSearch, OrganicSearch, PaidSearch, PaidSearch, OrganicSearch, OrganicSearch],
            ),
            (
                Some("www.bing.com"),
                [OrganicSearch, OrganicSearch, PaidSearch, PaidSearch, OrganicSearch, OrganicSearch],
            ),
            (Some("mail.google.com"), [Email; 6]),
            (Some("t.co"), [Social, Email, Social, Social, Social, Social]),
            (Some("www.facebook.com"), [Social, Email, Social, Social, Social, Social]),
            (Some("blog.partner.example"), [Referral, Email, Referral, Referral, Referral, Referral]),
        ] {
            assert_eq!(mediums.map(|medium| of(referrer, medium)), channels, "{referrer:?}");
        }
    }

    #[test]
    fn a_medium_is_read_in_any_case_and_paid_within_other_words() {
        assert_eq!(of(Some("google.de"), "CPC"), PaidSearch);
        assert_eq!(of(Some("google.de"), "google_ppc_2"), PaidSearch);
        assert_eq!(of(Some("google.de"), "prepaid"), PaidSearch);
        assert_eq!(of(None, " Email "), Email);
        assert_eq!(of(None, "email-list"), Direct);
    }

    #[test]
    fn an_empty_referrer_is_none() {
        assert_eq!(of(Some(""), ""), Direct);
        assert_eq!(of(Some(" "), "cpc"), Direct);
    }

    #[test]
    fn a_paid_click_id_makes_a_search_paid() {
        assert_eq!(clicked(Some("www.google.com"), "gclid"), PaidSearch);
        assert_eq!(clicked(Some("www.google.com"), "srsltid"), OrganicSearch);
        assert_eq!(clicked(Some("www.google.com"), "ttclid"), OrganicSearch);
    }

    #[test]
    fn a_click_id_never_contradicts_the_table() {
        assert_eq!(clicked(None, "gclid"), Direct);
        assert_eq!(clicked(Some("www.tiktok.com"), "ttclid"), Social);
        assert_eq!(clicked(Some("mail.google.com"), "gclid"), Email);
    }

    #[test]
    fn what_the_table_leaves_as_referral_is_named_more_finely() {
        let unknown = Some("unknown.example");
        assert_eq!(clicked(unknown, "gclid"), PaidSearch);
        assert_eq!(clicked(unknown, "ttclid"), PaidSocial);
        assert_eq!(clicked(unknown, "dclid"), Display);
        assert_eq!(clicked(unknown, "fbclid"), Referral);
        assert_eq!(clicked(unknown, "irclickid"), Referral);
        assert_eq!(of(Some("chatgpt.com"), ""), AiAssistants);
        assert_eq!(of(Some("gemini.google.com"), "cpc"), AiAssistants);
        let told = Attribution { referrer: unknown, utm_source: "chatgpt.com", ..Attribution::default() };
        assert_eq!(channel(told), AiAssistants);
        assert_eq!(channel(Attribution { referrer: None, ..told }), Direct);
    }

    #[test]
    fn names_are_the_published_ones_and_differ() {
        let names = Channel::ALL.map(Channel::as_str);
        assert_eq!(
            names,
            [
                "Organic Search",
                "Paid Search",
                "Social",
                "Paid Social",
                "Display",
                "AI Assistants",
                "Email",
                "Referral",
                "Direct"
            ]
        );
        assert_eq!(PaidSearch.to_string(), "Paid Search");
    }
}
