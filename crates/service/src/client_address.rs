//! Who really called: the peer, or what a trusted proxy says of it; and every address that a request names.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::HeaderMap;
use ipnet::IpNet;

/// The proxies whose `X-Forwarded-For` is believed. The default trusts none.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The client's address: the peer, unless it is a trusted proxy; then the rightmost forwarded address that is not
    /// one itself. A forwarded text that is no address ends the search at the proxy that sent it.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() || !self.trusts(client) {
            return client;
        }
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for text in forwarded.into_iter().rev() {
            let Some(address) = parse_address(text.trim()) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }
}

/// An address, perhaps with a port or in brackets, as proxies write it.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|address| address.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>())
        .ok()?;
    Some(address.to_canonical())
}

/// Whether a header is one of those by which proxies, content networks and clouds pass a client's address on.
fn is_forwarding(name: &str) -> bool {
    matches!(
        name,
        "x-forwarded-for"
            | "forwarded"
            | "x-real-ip"
            | "cf-connecting-ip"
            | "cf-connecting-ipv6"
            | "cf-pseudo-ipv4"
            | "true-client-ip"
            | "fastly-client-ip"
            | "fly-client-ip"
            | "do-connecting-ip"
            | "x-client-ip"
            | "client-ip"
            | "x-cluster-client-ip"
            | "x-forwarded"
            | "forwarded-for"
            | "x-original-forwarded-for"
            | "x-vercel-forwarded-for"
            | "x-nf-client-connection-ip"
            | "x-originating-ip"
            | "x-remote-ip"
            | "x-remote-addr"
            | "x-appengine-user-ip"
            | "x-azure-clientip"
            | "x-azure-socketip"
            | "x-envoy-external-address"
            | "x-sucuri-clientip"
    )
}

/// Every address that a request's forwarding headers name, whether they are believed or not.
pub fn named(headers: &HeaderMap) -> impl Iterator<Item = IpAddr> {
    // `Forwarded` has names, quotes and parameters around them; none of these marks is in an address.
    const MARKS: [char; 7] = [',', ';', '=', '"', '\'', ' ', '\t'];
    // A request has fewer headers than there are names, and to look one up is to hash it.
    headers
        .iter()
        .filter(|(name, _)| is_forwarding(name.as_str()))
        .filter_map(|(_, value)| value.to_str().ok())
        .flat_map(|value| value.split(MARKS))
        .filter_map(|text| parse_address(text.split('%').next().unwrap_or_default()))
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Reads a comma-separated list of addresses and CIDR ranges.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                part.parse::<IpNet>()
                    .or_else(|_| part.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| "expected addresses or CIDR ranges, separated by commas".to_owned())
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The part of an address that one household or host shares: an IPv4 address, or the /64 of an IPv6 one.
pub fn rate_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        proxies.parse::<TrustedProxies>().unwrap().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(client("", "10.0.0.1", &["203.0.113.9"]), "10.0.0.1");
        assert_eq!(client("10.0.0.0/8", "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_client() {
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.7"]), "203.0.113.9");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["6.6.6.6", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.0/8", "::ffff:10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
    }

    #[test]
    fn a_forged_text_ends_at_the_proxy() {
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["203.0.113.9, unknown"]), "10.0.0.1");
    }

    #[test]
    fn every_address_in_a_forwarding_header_is_named() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.1, unknown,203.0.113.2:80"),
            ("x-forwarded-for", "[2001:db8::3]:443"),
            ("forwarded", "for=203.0.113.4;by=\"[2001:db8::5]:4711\";proto=https, for=_hidden"),
            ("cf-connecting-ip", " 203.0.113.6 "),
            ("true-client-ip", "fe80::7%eth0"),
            ("x-other", "203.0.113.8"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let mut found: Vec<_> = named(&headers).map(|address| address.to_string()).collect();
        found.sort();
        let expected = [
            "2001:db8::3",
            "2001:db8::5",
            "203.0.113.1",
            "203.0.113.2",
            "203.0.113.4",
            "203.0.113.6",
            "fe80::7",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn ipv6_neighbours_share_a_rate() {
        let key = |text: &str| rate_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
