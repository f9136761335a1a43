//! Texts without addresses. What an event says may hold the address that it came from: in a path
//! (`/unsubscribe/203.0.113.7`), in a referrer, a UTM value, a property. Every occurrence of one of the request's own
//! addresses becomes `[address]` before the event leaves the collector; addresses of others are texts like any other.
//!
//! Found are IPv4 in its dotted form, IPv6 in every spelling of RFC 4291 (compressed or not, either case, IPv4 inside
//! it, in brackets), and both with characters percent-encoded once or twice. Not looked for is an address as a single
//! number, with other marks between its parts, or cut into pieces.
//!
//! Loopback and unspecified addresses are left alone: they are everybody's, so they tell of nobody.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};

/// What stands where an address was.
pub const REDACTED: &str = "[address]";

/// How often a text may have been percent-encoded: once by a browser, once more inside a query.
const MOST_ENCODED: usize = 2;

/// The longest text of an IPv6 address, which ends in an IPv4 one.
const LONGEST: usize = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len();

/// The addresses that an event came with. No text of it may hold one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Addresses(BTreeSet<IpAddr>);

impl fmt::Debug for Addresses {
    /// Tells how many there are, and not which.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Addresses({})", self.0.len())
    }
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        let mut all = Self::default();
        addresses.into_iter().for_each(|address| all.add(address));
        all
    }
}

impl Addresses {
    /// Adds one, unless it tells of nobody.
    pub fn add(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        if !address.is_loopback() && !address.is_unspecified() {
            self.0.insert(address);
        }
    }

    /// The text without these addresses.
    pub fn clean(&self, text: String) -> String {
        self.redacted(&text).unwrap_or(text)
    }

    /// Whether a text holds one of them.
    pub fn are_in(&self, text: &str) -> bool {
        self.redacted(text).is_some()
    }

    /// Cleans every text in an object, names too. Where that makes two names equal, the later one's value stays.
    pub fn clean_object(&self, object: &mut Map<String, Value>) {
        if self.0.is_empty() {
            return;
        }
        if object.keys().any(|name| self.are_in(name)) {
            *object =
                std::mem::take(object).into_iter().map(|(name, value)| (self.clean(name), value)).collect();
        }
        object.values_mut().for_each(|value| self.clean_value(value));
    }

    /// The depth is bounded where properties are checked.
    fn clean_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(redacted) = self.redacted(text) {
                    *text = redacted;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(item)),
            Value::Object(object) => self.clean_object(object),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text without these addresses, if it holds one.
    fn redacted(&self, text: &str) -> Option<String> {
        if self.0.is_empty() || !may_hold_an_address(text) {
            return None;
        }
        // What `%20` means is not known: a space, or a percent sign before a number. So a text is read in each way.
        let most = if text.contains('%') { MOST_ENCODED } else { 0 };
        let mut redacted: Option<String> = None;
        for depth in 0..=most {
            let found = self.redacted_at(redacted.as_deref().unwrap_or(text), depth);
            redacted = found.or(redacted);
        }
        redacted
    }

    /// The same, with percent-encoding undone so many times.
    fn redacted_at(&self, text: &str, depth: usize) -> Option<String> {
        let bytes = text.as_bytes();
        let mut redacted = String::new();
        let (mut at, mut copied) = (0, 0);
        let mut run = Run::default();
        while at < bytes.len() {
            at = run.read(bytes, at, depth);
            for (mut start, mut end) in run.find(&self.0) {
                if start > copied && bytes[start - 1] == b'[' && bytes.get(end) == Some(&b']') {
                    (start, end) = (start - 1, end + 1);
                }
                redacted.push_str(&text[copied..start]);
                redacted.push_str(REDACTED);
                copied = end;
            }
        }
        if copied == 0 {
            return None;
        }
        redacted.push_str(&text[copied..]);
        Some(redacted)
    }
}

/// False for almost every text, at the cost of looking at it once: an address has three dots between digits, or two
/// colons, and each of these marks may be encoded.
fn may_hold_an_address(text: &str) -> bool {
    let count = |wanted| text.bytes().filter(|byte| *byte == wanted).count();
    let (dots, colons, percents) = (count(b'.'), count(b':'), count(b'%'));
    if percents > 0 {
        return dots + percents >= 3 || colons + percents >= 2;
    }
    let between_digits =
        |part: &&[u8]| part[0].is_ascii_digit() && part[1] == b'.' && part[2].is_ascii_digit();
    colons >= 2 || dots >= 3 && text.as_bytes().windows(3).filter(between_digits).count() >= 3
}

/// A stretch of the characters that addresses are made of. The vectors are kept from one to the next.
#[derive(Default)]
struct Run {
    /// The characters, decoded.
    characters: Vec<u8>,
    /// Where each begins in the text; and where the last one ends.
    places: Vec<usize>,
    dots: usize,
    colons: usize,
}

impl Run {
    /// Reads the stretch that begins here, which may be empty; returns where the next one may begin.
    fn read(&mut self, bytes: &[u8], mut at: usize, depth: usize) -> usize {
        self.characters.clear();
        self.places.clear();
        (self.dots, self.colons) = (0, 0);
        while at < bytes.len() {
            let (character, length) = character(&bytes[at..], depth);
            self.places.push(at);
            at += length;
            if !character.is_ascii_hexdigit() && !matches!(character, b'.' | b':') {
                return at;
            }
            self.characters.push(character);
            self.dots += usize::from(character == b'.');
            self.colons += usize::from(character == b':');
        }
        self.places.push(at);
        at
    }

    /// Where the wanted addresses are in the text, from left to right.
    fn find(&self, wanted: &BTreeSet<IpAddr>) -> Vec<(usize, usize)> {
        let (may_be_v4, may_be_v6) = (self.dots >= 3, self.colons >= 2);
        let mut found = Vec::new();
        let mut at = 0;
        while (may_be_v4 || may_be_v6) && at < self.characters.len() {
            // IPv6 first: an IPv4 address may be its end.
            let v6 = if may_be_v6 { self.v6(at, wanted) } else { None };
            let end = if may_be_v4 && v6.is_none() { self.v4(at, wanted) } else { v6 };
            if let Some(end) = end {
                found.push((self.places[at], self.places[end]));
                at = end;
            } else {
                at += 1;
            }
        }
        found
    }

    /// The end of the longest wanted IPv6 address that begins here: whole groups, neither more nor less.
    fn v6(&self, start: usize, wanted: &BTreeSet<IpAddr>) -> Option<usize> {
        let all = self.characters.as_slice();
        let in_group = |at: usize| all.get(at).is_some_and(u8::is_ascii_hexdigit);
        let begins_group = in_group(start) && (start == 0 || !in_group(start - 1));
        if !begins_group && !all[start..].starts_with(b"::") {
            return None;
        }
        // The four parts of an IPv4 address count as groups here.
        let most = if self.dots >= 3 { 10 } else { 8 };
        let (mut groups, mut gaps, mut longest) = (0, 0, None);
        for end in start + 1..=all.len().min(start + LONGEST) {
            let ends_group = in_group(end - 1) && !in_group(end);
            let ends_gap = all[start..end].ends_with(b"::");
            groups += usize::from(ends_group);
            gaps += usize::from(ends_gap);
            if groups > most || gaps > 1 {
                break;
            }
            // Only what can be one is read, so that a long text of colons costs no more than another.
            let may_be_one =
                if gaps == 1 { ends_group || ends_gap } else { ends_group && (groups == 8 || groups == 10) };
            let is_wanted = || {
                let text = std::str::from_utf8(&all[start..end]).unwrap_or_default();
                text.parse::<Ipv6Addr>().is_ok_and(|address| wanted.contains(&address.to_canonical()))
            };
            if may_be_one && is_wanted() {
                longest = Some(end);
            }
        }
        longest
    }

    /// The end of the wanted IPv4 address that begins here. 203.0.113.7 is not in 203.0.113.77.
    fn v4(&self, start: usize, wanted: &BTreeSet<IpAddr>) -> Option<usize> {
        if start > 0 && self.characters[start - 1].is_ascii_digit() {
            return None;
        }
        let mut octets = [0; 4];
        let mut at = start;
        for (number, octet) in octets.iter_mut().enumerate() {
            if number > 0 {
                (self.characters.get(at) == Some(&b'.')).then_some(())?;
                at += 1;
            }
            let digits = self.characters[at..].iter().take(4).take_while(|digit| digit.is_ascii_digit());
            // Some write every part with three digits.
            let (value, length) = digits.fold((0_u16, 0), |(value, length), digit| {
                (value * 10 + u16::from(digit - b'0'), length + 1)
            });
            (1..=3).contains(&length).then_some(())?;
            *octet = u8::try_from(value).ok()?;
            at += length;
        }
        wanted.contains(&IpAddr::V4(Ipv4Addr::from(octets))).then_some(at)
    }
}

/// The character at the start with percent-encoding undone so many times, and how many bytes it takes.
fn character(bytes: &[u8], depth: usize) -> (u8, usize) {
    if depth == 0 || bytes[0] != b'%' {
        return (bytes[0], 1);
    }
    let coded = |at: usize| {
        let [high, low] = bytes.get(at..at + 2)?.try_into().ok()?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        u8::try_from(digit(high)? * 16 + digit(low)?).ok()
    };
    let mut read = (bytes[0], 1);
    for _ in 0..depth {
        match coded(read.1) {
            Some(byte) if read.0 == b'%' => read = (byte, read.1 + 2),
            _ => break,
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const V4: &str = "203.0.113.7";
    const V6: &str = "2001:db8:0:0:1::7";

    fn canaries() -> Addresses {
        [V4, V6].map(|text| text.parse().unwrap()).into_iter().collect()
    }

    #[track_caller]
    fn cleaned(texts: &[(&str, &str)]) {
        for (text, expected) in texts {
            assert_eq!(canaries().clean((*text).to_owned()), *expected, "{text}");
        }
    }

    #[test]
    fn an_ipv4_address_is_found_as_a_whole_in_any_company() {
        cleaned(&[
            ("203.0.113.7", "[address]"),
            ("/by/203.0.113.7/and/203.0.113.7.", "/by/[address]/and/[address]."),
            ("http://203.0.113.7:80/", "http://[address]:80/"),
            ("a203.0.113.7b", "a[address]b"),
            ("1.203.0.113.7.nip.example", "1.[address].nip.example"),
            ("ä203.000.113.007ä", "ä[address]ä"),
            ("face:203.0.113.7", "face:[address]"),
        ]);
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "203.0.113.77",
            "1203.0.113.7",
            "203.0.113.8",
            "203.0.113",
            "203.0.113.",
            "203.0..113.7",
            "203.0.113.0007",
            "459.0.113.7",
            "2001:db8::1:0:7",
            "2001:db8:0:0:1::77",
            "12001:db8:0:0:1::7",
            "std::vec::Vec, a...b...c, 12:30:45.123, %%%, %2, %",
            "",
        ] {
            assert_eq!(canaries().clean(text.to_owned()), text);
        }
    }

    #[test]
    fn an_ipv6_address_is_found_in_every_spelling() {
        cleaned(&[
            ("2001:db8:0:0:1::7", "[address]"),
            ("2001:0DB8:0000:0000:0001:0000:0000:0007", "[address]"),
            ("2001:db8::1:0:0:7", "[address]"),
            ("2001:db8::1:0:0.0.0.7", "[address]"),
            ("http://[2001:db8:0:0:1::7]:80/", "http://[address]:80/"),
            ("[[2001:db8:0:0:1::7]", "[[address]"),
            ("[2001:db8:0:0:1::7", "[[address]"),
            ("ip:2001:db8:0:0:1::7:443", "ip:[address]:443"),
            ("2001:db8:0:0:1::7%eth0.", "[address]%eth0."),
            ("ä2001:db8:0:0:1::7ä", "ä[address]ä"),
        ]);
    }

    #[test]
    fn an_ipv4_address_is_found_inside_ipv6() {
        cleaned(&[
            ("::ffff:203.0.113.7", "[address]"),
            ("::FFFF:cb00:7107", "[address]"),
            ("0:0:0:0:0:ffff:203.0.113.7", "[address]"),
            ("::203.0.113.7", "::[address]"),
        ]);
    }

    #[test]
    fn an_encoded_address_is_found() {
        cleaned(&[
            ("2001%3Adb8%3a0:0:1%3A%3A7", "[address]"),
            ("2001%253Adb8%253A0%253A0%253A1%253A%253A7", "[address]"),
            ("%5B2001%3Adb8%3A0%3A0%3A1%3A%3A7%5D", "%5B[address]%5D"),
            ("203%2E0%2e113%2E7", "[address]"),
            ("203.0.113.%37", "[address]"),
            ("a%20203.0.113.7", "a%20[address]"),
            ("a%2520203.0.113.7", "a%2520[address]"),
            ("50%203.0.113.7", "50%[address]"),
            ("50%25203.0.113.7", "50%25[address]"),
        ]);
    }

    #[test]
    fn every_text_of_an_object_is_cleaned() {
        let mut object = json!({
            "203.0.113.7": 1, "list": ["203.0.113.7", { "deep": "at 203.0.113.7" }], "\n2001:db8:0:0:1::7": null, "n": 203.0
        });
        canaries().clean_object(object.as_object_mut().unwrap());
        let expected = json!({ "[address]": 1, "list": ["[address]", { "deep": "at [address]" }], "\n[address]": null, "n": 203.0 });
        assert_eq!(object, expected);
    }

    proptest! {
        #[test]
        fn whatever_stands_around_it_nothing_is_left_of_it_and_nothing_else_is_lost(
            before in "[0-9a-f:.%\\[\\]2357AEx ä]{0,60}",
            after in "[0-9a-f:.%\\[\\]2357AEx ä]{0,60}",
            address in prop::sample::select(vec![V4, V6, "::ffff:203.0.113.7", "2001%3adb8%3A0:0:1::7"]),
        ) {
            let cleaned = canaries().clean(format!("{before}({address}){after}"));
            prop_assert!(!cleaned.contains(address), "{cleaned}");
            let around = format!("{}({REDACTED}){}", canaries().clean(before), canaries().clean(after));
            prop_assert_eq!(cleaned, around);
        }
    }

    #[test]
    fn what_is_everybodys_is_nobodys() {
        let texts = ["127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "::"];
        let addresses: Addresses = texts.map(|text| text.parse().unwrap()).into_iter().collect();
        assert_eq!(addresses, Addresses::default());
        assert!(texts.iter().all(|text| !addresses.are_in(text)));
        assert_eq!(format!("{:?}", canaries()), "Addresses(2)");
    }
}
