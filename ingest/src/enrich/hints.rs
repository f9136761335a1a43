//! User-Agent Client Hints: `Sec-CH-UA`, `Sec-CH-UA-Mobile` and `Sec-CH-UA-Platform`, which browsers built on Chromium
//! send by themselves. They tell what the user agent hides (Brave, the version-less families) and correct it.
//!
//! The headers are structured fields (RFC 8941): what does not parse says nothing. The made-up brands that browsers mix
//! in (`Not;A=Brand`) are no entries of our list of brands and say nothing either.

use dictionaries::browser_by_brand;

use super::agent::Agent;
use crate::hit::Sent;

/// Bytes of a hint that are read: browsers send about 100.
const LONGEST: usize = 512;

/// Brands that are read: browsers send three or four.
const MOST_BRANDS: usize = 16;

/// What a browser says of itself in its hints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// The most telling of its brands, as a family of ours.
    pub browser: Option<&'static str>,
    /// True when a brand says that nobody looks at it.
    pub headless: bool,
    /// Whether it asks for pages for telephones.
    pub mobile: Option<bool>,
    /// The operating system, as a family of ours.
    pub os: Option<&'static str>,
}

impl Hints {
    /// Reads the hints of a request.
    pub fn read(sent: &Sent) -> Self {
        let brands = sent.brands.as_deref().and_then(strings).unwrap_or_default();
        let families = || brands.iter().filter_map(|brand| browser_by_brand(brand));
        Self {
            // A browser built on Chrome may name both; the other one is what it is.
            browser: families().find(|family| *family != "Chrome").or_else(|| families().next()),
            headless: brands.iter().any(|brand| brand == "HeadlessChrome"),
            mobile: sent.mobile.as_deref().and_then(boolean),
            os: sent
                .platform
                .as_deref()
                .and_then(strings)
                .and_then(|platform| family_of_platform(platform.first()?)),
        }
    }

    /// Corrects what the user agent said.
    pub fn refine(&self, mut agent: Agent) -> Agent {
        if let Some(browser) = self.browser.filter(|_| matches!(agent.browser, "" | "Chrome")) {
            agent.browser = browser;
        }
        // A system that hides behind these words is known better by its token: Tizen, KaiOS, a console.
        let common = matches!(agent.os, "" | "Windows" | "macOS" | "Linux" | "Chrome OS" | "Android");
        if let Some(os) = self.os.filter(|_| common) {
            agent.os = os;
        }
        agent.device_type = match (self.mobile, agent.device_type, agent.os) {
            (Some(true), "unknown" | "desktop" | "tablet", _) => "mobile",
            // A tablet that asks for desktop pages says Linux in its user agent.
            (Some(false), "unknown" | "desktop" | "mobile", "Android") => "tablet",
            (Some(false), "unknown", "Windows" | "macOS" | "Linux" | "Chrome OS") => "desktop",
            (_, device, _) => device,
        };
        agent
    }
}

fn family_of_platform(platform: &str) -> Option<&'static str> {
    Some(match platform {
        "Windows" => "Windows",
        "macOS" | "Mac OS X" => "macOS",
        "Chrome OS" | "Chromium OS" => "Chrome OS",
        "Linux" => "Linux",
        "Android" => "Android",
        "iOS" => "iOS",
        _ => return None,
    })
}

/// A boolean of a structured field: `?1` or `?0`.
fn boolean(text: &str) -> Option<bool> {
    match text.trim_matches(' ') {
        "?1" => Some(true),
        "?0" => Some(false),
        _ => None,
    }
}

/// The strings of a structured list, without their parameters: `"Chromium";v="124", "Brave";v="124"`. A single string is
/// a list of one. None when it is not such a list.
fn strings(text: &str) -> Option<Vec<String>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut found = Vec::new();
    let mut rest = text.trim_matches(' ');
    loop {
        let (string, after) = string(rest)?;
        found.push(string);
        rest = parameters(after)?.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(found);
        }
        if found.len() == MOST_BRANDS {
            return None;
        }
        rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}

/// A quoted string at the start, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut read = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((read, &inside[at + 1..])),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\') => read.push(escaped),
                _ => return None,
            },
            ' '..='~' => read.push(character),
            _ => return None,
        }
    }
    None
}

/// Passes over the parameters at the start: `;v="124";mobile`.
fn parameters(mut text: &str) -> Option<&str> {
    while let Some(parameter) = text.strip_prefix(';') {
        let key = parameter.trim_start_matches(' ');
        let after = key.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-.*".contains(c));
        if after.len() == key.len() {
            return None;
        }
        text = match after.strip_prefix('=') {
            None => after,
            Some(value) if value.starts_with('"') => string(value)?.1,
            Some(value) => value.trim_start_matches(|c: char| !matches!(c, ';' | ',' | ' ' | '"')),
        };
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_strings_is_read_without_its_parameters() {
        let read = |text| strings(text).map(|found| found.join("|"));
        assert_eq!(read(r#""Chromium";v="124", "Brave";v="124""#).as_deref(), Some("Chromium|Brave"));
        assert_eq!(read(r#""a, \"b\"; c\\";x;y=1.5;z="," , "d""#).as_deref(), Some(r#"a, "b"; c\|d"#));
        assert_eq!(read(r#""macOS""#).as_deref(), Some("macOS"));
    }

    #[test]
    fn what_is_no_list_of_strings_says_nothing() {
        let many = vec![r#""a""#; MOST_BRANDS + 1].join(",");
        let long = format!("\"{}\"", "a".repeat(LONGEST));
        for text in
            ["", "Chromium", "\"", "\"a", "\"a\"b", "\"a\",", "\"a\";=1", "\"\\a\"", "\"ä\"", &many, &long]
        {
            assert_eq!(strings(text), None, "{text}");
        }
        assert_eq!(["?1", "?0", "1", "true", ""].map(boolean), [Some(true), Some(false), None, None, None]);
    }
}
