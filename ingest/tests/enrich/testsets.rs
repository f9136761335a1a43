//! The families agree with woothee's own test sets, said in our words.

use ingest::enrich::recognise::{agent, bot_reason};

use crate::world::{Case, testsets};

/// Where we know it better than the sets, by a part of the user agent, with the reason.
const BETTER: [(&str, &str); 3] = [
    ("SeaMonkey/", "a browser of its own, which the sets do not know"),
    ("Android 2.3.5; ja-jp; ISW11F", "the browser of Android before Chrome; Safari has never run there"),
    ("Android 3.1; ja-jp; L-06C", "the browser of Android before Chrome, likewise"),
];

/// What the sets count among desktops and is no browser, by a part of the user agent, with the reason.
const NO_BROWSERS: [(&str, &str); 2] = [
    ("VocusBot 0.4", "a crawler; the sets hold it among the minor crawlers and have no name for its browser"),
    ("Instapaper/4.0 (+http", "fetches pages for reading them later; the sets have no name for its browser"),
];

/// woothee's browser in our words.
fn browser(case: &Case) -> &str {
    match case.name.as_str() {
        "UNKNOWN" => "",
        "SamsungBrowser" => "Samsung Internet",
        "Google Search App" => "Google App",
        "InternetTVBrowser" => "NetFront",
        "Webview" if case.os == "Android" => "Android WebView",
        "Webview" => "iOS WebView",
        "Nintendo 3DS" | "Nintendo Wii U" => "Nintendo Browser",
        "PlayStation 3" | "PlayStation 4" | "PlayStation Portable" | "PlayStation Vita" => "PlayStation",
        // The sets name the console, whose browser it was.
        "Xbox 360" | "Xbox One" => "Internet Explorer",
        name => name,
    }
}

/// woothee's system in our words.
fn system(case: &Case) -> &str {
    match case.os.as_str() {
        "UNKNOWN" | "DigitalTV" | "Mobile Transcoder" => "",
        "iPhone" | "iPad" | "iPod" => "iOS",
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "ChromeOS" => "Chrome OS",
        "Windows Phone OS" => "Windows Phone",
        "BlackBerry 10" => "BlackBerry",
        "SymbianOS" => "Symbian",
        os if os.starts_with("Windows") => "Windows",
        os if os.starts_with("PlayStation") => "PlayStation",
        os if os.starts_with("Nintendo") => "Nintendo",
        os if os.starts_with("Xbox") => "Xbox",
        os => os,
    }
}

/// woothee's category in our words: the devices that it may be.
fn devices(case: &Case) -> &'static [&'static str] {
    match case.category.as_str() {
        "pc" => &["desktop"],
        "smartphone" => &["mobile", "tablet"],
        "mobilephone" => &["mobile"],
        "appliance" => &["console", "tv"],
        _ => &["unknown"],
    }
}

#[test]
fn at_least_95_in_100_families_agree_with_the_sets() {
    let Some(cases) = testsets() else { return };
    let mut disagree = [Vec::new(), Vec::new(), Vec::new()];
    for case in &cases {
        let found = agent(&case.agent);
        let mut note = |kind: usize, expected: &str, found: &str| {
            disagree[kind].push(format!("{expected:?}, not {found:?}: {}", case.agent));
        };
        if found.browser != browser(case) {
            note(0, browser(case), found.browser);
        }
        if found.os != system(case) {
            note(1, system(case), found.os);
        }
        if !devices(case).contains(&found.device_type) {
            note(2, devices(case)[0], found.device_type);
        }
    }
    for (kind, found) in ["browsers", "systems", "devices"].iter().zip(&disagree) {
        let agree = cases.len() - found.len();
        eprintln!("{kind}: {agree} of {} agree.", cases.len());
        assert!(agree * 100 >= cases.len() * 95, "{kind}: {found:#?}");
        let unexplained: Vec<_> =
            found.iter().filter(|found| !BETTER.iter().any(|(part, _)| found.contains(part))).collect();
        assert!(unexplained.is_empty(), "{kind} disagree without a reason: {unexplained:#?}");
    }
}

#[test]
fn no_browser_of_the_sets_is_a_bot() {
    let Some(cases) = testsets() else { return };
    let browsers: Vec<_> = cases
        .iter()
        .filter(|case| {
            matches!(case.category.as_str(), "pc" | "smartphone" | "mobilephone" | "appliance")
                && !NO_BROWSERS.iter().any(|(part, _)| case.agent.contains(part))
        })
        .collect();
    assert!(browsers.len() >= 100);
    let taken: Vec<_> =
        browsers.iter().filter_map(|case| Some((bot_reason(&case.agent, false)?, &case.agent))).collect();
    assert!(taken.is_empty(), "taken for bots: {taken:#?}");
}

#[test]
fn every_crawler_of_the_sets_is_a_bot() {
    let Some(cases) = testsets() else { return };
    let missed: Vec<_> = cases
        .iter()
        .filter(|case| case.category == "crawler" && bot_reason(&case.agent, false).is_none())
        .map(|case| &case.agent)
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
