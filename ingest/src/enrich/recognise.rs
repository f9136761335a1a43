//! What called: device, browser and operating system by `woothee`, corrected; bots with a reason; the screen's bucket.

use std::sync::LazyLock;

use woothee::parser::Parser;

/// Families as the reports name them. Unknown ones are empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agent<'a> {
    /// `desktop`, `mobile`, `tablet`, `tv`, `console` or `unknown`.
    pub device_type: &'static str,
    /// `Chrome`, `Safari`, …
    pub browser: &'a str,
    /// `Windows`, `macOS`, …
    pub os: &'a str,
}

static PARSER: LazyLock<Parser> = LazyLock::new(Parser::new);

/// Browsers that woothee takes for the one they are built on: the token that they add, and their name. The first
/// that is there wins.
const BROWSER_TOKENS: [(&str, &str); 16] = [
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("UCBrowser/", "UC Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("Whale/", "Whale"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edg/", "Edge"),
    ("CriOS/", "Chrome"),
    ("FxiOS/", "Firefox"),
];

/// Tokens that tell a device when woothee's category does not, in the order in which they are asked.
const DEVICE_TOKENS: [(&str, &str); 14] = [
    ("iPad", "tablet"),
    ("Tablet", "tablet"),
    ("Kindle", "tablet"),
    ("SMART-TV", "tv"),
    ("SmartTV", "tv"),
    ("Smart TV", "tv"),
    ("AppleTV", "tv"),
    ("GoogleTV", "tv"),
    ("Android TV", "tv"),
    ("Web0S", "tv"),
    ("HbbTV", "tv"),
    ("PlayStation", "console"),
    ("Nintendo", "console"),
    ("Xbox", "console"),
];

/// Recognises a user agent.
pub fn agent(user_agent: &str) -> Agent<'_> {
    let Some(found) = PARSER.parse(user_agent) else {
        return Agent { device_type: "unknown", browser: "", os: "" };
    };
    let browser = BROWSER_TOKENS
        .iter()
        .find(|(token, _)| user_agent.contains(token))
        .map_or_else(|| known(found.name), |(_, name)| name);
    Agent { device_type: device_type(user_agent, found.category, found.os), browser, os: os(found.os) }
}

fn device_type(user_agent: &str, category: &str, os: &str) -> &'static str {
    if let Some((_, device)) = DEVICE_TOKENS.iter().find(|(token, _)| user_agent.contains(token)) {
        return device;
    }
    match category {
        // Android says "Mobile" on phones only. Source: Chrome's documentation of its user agent.
        "smartphone" if os == "Android" && !user_agent.contains("Mobile") => "tablet",
        "smartphone" | "mobilephone" => "mobile",
        "pc" => "desktop",
        "appliance" => "console",
        _ => "unknown",
    }
}

fn known(name: &str) -> &str {
    if name == "UNKNOWN" { "" } else { name }
}

fn os(os: &str) -> &str {
    match os {
        "iPhone" | "iPad" | "iPod" | "iOS" => "iOS",
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "ChromeOS" => "Chrome OS",
        "Windows Phone OS" => "Windows Phone",
        _ if os.starts_with("Windows") => "Windows",
        _ => known(os),
    }
}

/// Why a hit is held to be a bot's, if it is.
pub fn bot_reason(user_agent: &str, spam_referrer: bool) -> Option<&'static str> {
    dictionaries::is_bot_agent(user_agent).or_else(|| spam_referrer.then_some("spam referrer"))
}

/// The bucket of a viewport's width in pixels, as the reports name it.
pub fn screen_bucket(width: Option<f64>) -> &'static str {
    match width {
        Some(width) if width >= 1441.0 => "1441+",
        Some(width) if width >= 1025.0 => "1025-1440",
        Some(width) if width >= 769.0 => "769-1024",
        Some(width) if width >= 376.0 => "376-768",
        Some(width) if width >= 320.0 => "320-375",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_agents_have_their_families() {
        for (user_agent, device_type, browser, os) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
                "desktop",
                "Chrome",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
                "desktop",
                "Safari",
                "macOS",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
                "desktop",
                "Firefox",
                "Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
                "mobile",
                "Safari",
                "iOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36",
                "mobile",
                "Chrome",
                "Android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
                "tablet",
                "Chrome",
                "Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Edg/124.0.0.0",
                "desktop",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0",
                "desktop",
                "Opera",
                "Windows",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/124.0 Mobile/15E148 Safari/604.1",
                "tablet",
                "Chrome",
                "iOS",
            ),
            ("something else", "unknown", "", ""),
        ] {
            assert_eq!(agent(user_agent), Agent { device_type, browser, os }, "{user_agent}");
        }
    }

    #[test]
    fn a_width_falls_into_the_published_buckets() {
        let buckets = [319.0, 320.0, 375.0, 376.0, 768.0, 769.0, 1024.0, 1025.0, 1440.0, 1441.0]
            .map(|width| screen_bucket(Some(width)));
        assert_eq!(
            buckets,
            [
                "unknown",
                "320-375",
                "320-375",
                "376-768",
                "376-768",
                "769-1024",
                "769-1024",
                "1025-1440",
                "1025-1440",
                "1441+"
            ]
        );
        assert_eq!(screen_bucket(None), "unknown");
        assert_eq!(screen_bucket(Some(f64::NAN)), "unknown");
    }
}
