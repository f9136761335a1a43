//! What a user agent says: device, browser and operating system, by `woothee` and our corrections of it.
//!
//! woothee knows the great families and the past; `dictionaries` knows what hides behind them: browsers built on
//! another, browsers inside applications, televisions, consoles. What cannot be known is not guessed: an iPad that
//! asks for desktop pages is a Mac, Brave is Chrome unless its hints say more, and a Firefox Focus of today is Firefox.

use std::collections::HashSet;
use std::sync::LazyLock;

use dictionaries::{browser_by_token, device_by_token, system_by_token};
use woothee::dataset::DATASET;
use woothee::parser::{Parser, WootheeResult};

/// Families as the reports name them. Unknown ones are empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agent {
    /// `desktop`, `mobile`, `tablet`, `tv`, `console` or `unknown`.
    pub device_type: &'static str,
    /// `Chrome`, `Safari`, `Instagram`, …; of a machine its name.
    pub browser: &'static str,
    /// `Windows`, `macOS`, `Tizen`, …
    pub os: &'static str,
}

impl Agent {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { device_type: "unknown", browser: "", os: "" };
}

static PARSER: LazyLock<Parser> = LazyLock::new(Parser::new);

/// Every name that woothee gives: its answers borrow from the user agent, ours outlive it.
static NAMES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| DATASET.values().flat_map(|known| [known.name, known.os]).collect());

/// What woothee and the usual words of a user agent call a system, asked in this order where woothee finds none.
const SYSTEM_WORDS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// Reads a user agent.
pub fn read(user_agent: &str) -> Agent {
    let found = PARSER.parse(user_agent).unwrap_or_default();
    if matches!(found.category, "crawler" | "misc") {
        // A machine's own name; whose device it pretends to be is not a fact.
        return Agent { browser: static_name(found.name), ..Agent::UNKNOWN };
    }
    let os = system_by_token(user_agent).unwrap_or_else(|| system(user_agent, found.os));
    Agent {
        device_type: device(user_agent, found.category, os),
        browser: browser(user_agent, &found, os),
        os,
    }
}

fn browser(user_agent: &str, found: &WootheeResult<'_>, os: &str) -> &'static str {
    if let Some(browser) = browser_by_token(user_agent) {
        return browser;
    }
    match static_name(found.name) {
        "SamsungBrowser" => "Samsung Internet",
        "Google Search App" => "Google App",
        // woothee names a console's browser after the console.
        "Xbox 360" | "Xbox One" => "Internet Explorer",
        "Nintendo 3DS" | "Nintendo Wii U" => "Nintendo Browser",
        "InternetTVBrowser" => "NetFront",
        "Webview" if os == "iOS" => "iOS WebView",
        "Webview" => "Android WebView",
        // The browser of Android before Chrome called itself Safari.
        "Safari" if os == "Android" => "Android Browser",
        name => name,
    }
}

fn system(user_agent: &str, found: &str) -> &'static str {
    match static_name(found) {
        "iPhone" | "iPad" | "iPod" | "iOS" => "iOS",
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "ChromeOS" => "Chrome OS",
        name if name.starts_with("Windows") => "Windows",
        // Not systems: whose browser it is, and what stands between.
        "DigitalTV" | "Mobile Transcoder" => "",
        "" => SYSTEM_WORDS.iter().find(|(word, _)| user_agent.contains(word)).map_or("", |(_, os)| os),
        name => name,
    }
}

fn device(user_agent: &str, category: &str, os: &str) -> &'static str {
    if let Some(device) = device_by_token(user_agent) {
        return device;
    }
    // Browsers of Android say "Mobile" on telephones only; applications say nothing of the kind.
    let on_tablet = || user_agent.starts_with("Mozilla/") && !user_agent.contains("Mobile");
    match (category, os) {
        (_, "Android" | "Fire OS" | "HarmonyOS") => {
            if on_tablet() {
                "tablet"
            } else {
                "mobile"
            }
        }
        ("smartphone" | "mobilephone", _) | (_, "iOS") => "mobile",
        ("appliance", _) => "console",
        ("pc", _) | (_, "Windows" | "macOS" | "Linux" | "Chrome OS" | "BSD" | "Solaris" | "Haiku") => {
            "desktop"
        }
        (_, "Tizen" | "webOS" | "tvOS" | "Roku OS") => "tv",
        _ => "unknown",
    }
}

/// A name of woothee's, which is one of a closed list; the unknown is empty.
fn static_name(name: &str) -> &'static str {
    if name == "UNKNOWN" { "" } else { NAMES.get(name).copied().unwrap_or_default() }
}
