//! Click ids: query parameters by which advertising and mailing networks mark the people they send.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::rows::rows;

/// What kind of place a click came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClickKind {
    /// The results of a search engine.
    Search,
    /// A social network.
    Social,
    /// An advertisement on somebody's pages.
    Display,
    /// A partner who is paid by the sale.
    Affiliate,
    /// A mailing.
    Email,
}

/// What a click id says by being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClickId {
    /// The network that adds it, such as `Google Ads`.
    pub network: &'static str,
    /// What kind of place the click came from.
    pub kind: ClickKind,
    /// Whether only paid clicks carry it. (`fbclid`, for one, is on every link out of Facebook.)
    pub paid: bool,
}

static CLICK_IDS: LazyLock<HashMap<&'static str, ClickId>> = LazyLock::new(|| {
    rows(include_str!("../data/click_ids.tsv"))
        .filter_map(|[key, kind, paid, network]| {
            let kind = match kind {
                "search" => ClickKind::Search,
                "social" => ClickKind::Social,
                "display" => ClickKind::Display,
                "affiliate" => ClickKind::Affiliate,
                "email" => ClickKind::Email,
                _ => return None,
            };
            Some((key, ClickId { network, kind, paid: paid == "paid" }))
        })
        .collect()
});

/// What the query parameter `query_key` (in any case, without its value) says, when it is a click id.
pub fn click_id(query_key: &str) -> Option<ClickId> {
    CLICK_IDS.get(query_key).or_else(|| CLICK_IDS.get(query_key.to_ascii_lowercase().as_str())).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_id_names_its_network_and_whether_it_is_paid() {
        let gclid = ClickId { network: "Google Ads", kind: ClickKind::Search, paid: true };
        assert_eq!(click_id("gclid"), Some(gclid));
        assert_eq!(click_id("gbraid"), Some(gclid));
        assert_eq!(click_id("wbraid"), Some(gclid));
        for (key, kind, paid) in [
            ("msclkid", ClickKind::Search, true),
            ("yclid", ClickKind::Search, true),
            ("fbclid", ClickKind::Social, false),
            ("ttclid", ClickKind::Social, true),
            ("twclid", ClickKind::Social, true),
            ("li_fat_id", ClickKind::Social, true),
            ("ScCid", ClickKind::Social, true),
            ("dclid", ClickKind::Display, true),
            ("irclickid", ClickKind::Affiliate, true),
            ("mc_cid", ClickKind::Email, false),
        ] {
            assert_eq!(click_id(key).map(|id| (id.kind, id.paid)), Some((kind, paid)), "{key}");
        }
    }

    #[test]
    fn other_parameters_are_none() {
        for key in ["", "q", "utm_source", "id", "gclid ", "gclid=1"] {
            assert_eq!(click_id(key), None, "{key}");
        }
    }
}
