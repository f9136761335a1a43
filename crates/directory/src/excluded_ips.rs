//! Whose events are stored and never counted: a website's excluded addresses and ranges.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::bounds;
use crate::error::DirectoryError;

const FIELD: &str = "excluded_ips";

/// Addresses and CIDR ranges of both families. An IPv4 address that arrives mapped into IPv6 is the IPv4 address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExcludedIps {
    texts: Vec<String>,
    addresses: HashSet<IpAddr>,
    ranges: Vec<IpNet>,
}

enum Entry {
    Address(IpAddr),
    Range(IpNet),
}

impl ExcludedIps {
    /// Checks texts such as `192.0.2.1`, `192.0.2.0/24` or `2001:db8::/32`.
    pub fn parse(texts: Vec<String>) -> Result<Self, DirectoryError> {
        if texts.len() > bounds::EXCLUDED_IPS {
            let message = format!("{FIELD} must have at most {} entries.", bounds::EXCLUDED_IPS);
            return Err(DirectoryError::invalid(FIELD, message));
        }
        let (excluded, unreadable) = Self::stored(texts);
        match unreadable.first() {
            None => Ok(excluded),
            Some(at) => {
                let message =
                    format!("{FIELD}[{at}] must be an IP address or a CIDR range such as 192.0.2.0/24.");
                Err(DirectoryError::invalid(FIELD, message))
            }
        }
    }

    /// What the table holds, and the places of the texts that mean nothing.
    pub(crate) fn stored(texts: Vec<String>) -> (Self, Vec<usize>) {
        let mut excluded = Self::default();
        let mut unreadable = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            match entry(text.trim()) {
                Some(Entry::Address(address)) => {
                    excluded.addresses.insert(address);
                }
                Some(Entry::Range(range)) => excluded.ranges.push(range),
                None => unreadable.push(at),
            }
        }
        excluded.texts = texts;
        (excluded, unreadable)
    }

    /// Whether events from this address are excluded.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.addresses.contains(&address) || self.ranges.iter().any(|range| range.contains(&address))
    }

    /// The entries as they were given.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(crate) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}

fn entry(text: &str) -> Option<Entry> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Entry::Address(address.to_canonical()));
    }
    match text.parse::<IpNet>().ok()? {
        // A range of mapped addresses is a range of IPv4, as its clients are.
        IpNet::V6(range) if range.prefix_len() >= 96 && range.addr().to_ipv4_mapped().is_some() => {
            let range = Ipv4Net::new(range.addr().to_ipv4_mapped()?, range.prefix_len() - 96).ok()?;
            Some(Entry::Range(IpNet::V4(range)))
        }
        range => Some(Entry::Range(range)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(texts: &[&str]) -> ExcludedIps {
        ExcludedIps::parse(texts.iter().map(|text| (*text).to_owned()).collect()).unwrap()
    }

    fn contains(texts: &[&str], address: &str) -> bool {
        excluded(texts).contains(address.parse().unwrap())
    }

    #[test]
    fn addresses_and_ranges_of_both_families_are_known() {
        assert!(contains(&["192.0.2.7"], "192.0.2.7"));
        assert!(!contains(&["192.0.2.7"], "192.0.2.8"));
        assert!(contains(&["10.1.0.0/16"], "10.1.255.255"));
        assert!(!contains(&["10.1.0.0/16"], "10.2.0.0"));
        assert!(contains(&["10.1.2.3/16"], "10.1.0.0"), "host bits do not matter");
        assert!(contains(&["2001:DB8:0::1"], "2001:db8::1"));
        assert!(contains(&["2001:db8::/32"], "2001:db8:ffff::"));
        assert!(!contains(&["2001:db8::/32"], "2001:db9::"));
        assert!(!contains(&["0.0.0.0/0"], "2001:db8::1"));
        assert!(!contains(&[], "192.0.2.7"));
    }

    #[test]
    fn an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address() {
        assert!(contains(&["192.0.2.7"], "::ffff:192.0.2.7"));
        assert!(contains(&["192.0.2.0/24"], "::ffff:192.0.2.7"));
        assert!(contains(&["::ffff:192.0.2.7"], "192.0.2.7"));
        assert!(contains(&["::ffff:192.0.2.0/120"], "192.0.2.7"));
        assert!(!contains(&["::ffff:192.0.2.0/120"], "192.0.3.7"));
    }

    #[test]
    fn the_texts_are_kept_as_given() {
        assert_eq!(excluded(&["2001:DB8:0::1", "10.1.2.3/16"]).texts(), ["2001:DB8:0::1", "10.1.2.3/16"]);
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_place() {
        for text in ["", "localhost", "192.0.2", "192.0.2.1/33", "192.0.2.1-192.0.2.9", "192.0.2.*", "::/129"]
        {
            let error = ExcludedIps::parse(vec!["192.0.2.1".into(), text.into()]).unwrap_err();
            assert!(error.to_string().starts_with("excluded_ips[1] must be"), "{text}: {error}");
        }
    }

    #[test]
    fn there_may_be_a_thousand() {
        assert!(ExcludedIps::parse(vec!["192.0.2.1".into(); 1_000]).is_ok());
        assert!(ExcludedIps::parse(vec!["192.0.2.1".into(); 1_001]).is_err());
    }

    #[test]
    fn an_unreadable_text_in_the_table_does_not_hide_the_others() {
        let (excluded, unreadable) = ExcludedIps::stored(vec!["nonsense".into(), "192.0.2.1".into()]);
        assert_eq!(unreadable, [0]);
        assert!(excluded.contains("192.0.2.1".parse().unwrap()));
    }
}
