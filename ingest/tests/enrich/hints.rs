//! Client hints refine what the user agent says, and never what it knows better.

use ingest::enrich::recognise::{Agent, Recogniser};
use ingest::hit::Sent;
use proptest::prelude::*;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36";
const LINUX: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36";
const PIXEL: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36";
const FACEBOOK: &str = "Mozilla/5.0 (Linux; Android 13; SM-A536B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/124.0.6367.54 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/461.0.0.46.85;]";
const TIZEN: &str = "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) 94.0.4606.31/7.0 TV Safari/537.36";

fn sent(brands: &str, mobile: &str, platform: &str) -> Sent {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Sent { brands: some(brands), mobile: some(mobile), platform: some(platform), ..Sent::default() }
}

fn families(user_agent: &str, sent: &Sent) -> [&'static str; 3] {
    let Agent { device_type, browser, os } =
        Recogniser::default().recognise(user_agent, Some(sent), false).agent;
    [device_type, browser, os]
}

#[test]
fn a_brand_names_the_browser_that_hides_behind_chrome() {
    for (brands, browser) in [
        (r#""Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99""#, "Chrome"),
        (r#""Chromium";v="124", "Brave";v="124", "Not-A.Brand";v="99""#, "Brave"),
        (r#""Not A(Brand";v="8", "Chromium";v="132", "Opera GX";v="117""#, "Opera"),
        (r#""Microsoft Edge";v="125", "Chromium";v="125", "Not.A/Brand";v="24""#, "Edge"),
        (r#""Vivaldi";v="6.7", "Chromium";v="124", "Google Chrome";v="124""#, "Vivaldi"),
        (r#""Not;A=Brand";v="99", "Chromium";v="124""#, "Chrome"),
        (r#""(Not(A:Brand";v="99", "\"quoted\"";v="1", "Brave";v="1""#, "Brave"),
        ("Brave", "Chrome"),
        (r#""Brave"#, "Chrome"),
        ("", "Chrome"),
    ] {
        assert_eq!(
            families(CHROME, &sent(brands, "?0", "\"Windows\"")),
            ["desktop", browser, "Windows"],
            "{brands}"
        );
    }
}

#[test]
fn the_platform_and_the_mobile_flag_correct_the_user_agent() {
    for (user_agent, mobile, platform, expected) in [
        (LINUX, "?0", "\"Chrome OS\"", ["desktop", "Chrome", "Chrome OS"]),
        (CHROME, "?0", "\"macOS\"", ["desktop", "Chrome", "macOS"]),
        (LINUX, "?0", "\"Android\"", ["tablet", "Chrome", "Android"]),
        (LINUX, "?1", "\"Android\"", ["mobile", "Chrome", "Android"]),
        (PIXEL, "?0", "\"Android\"", ["tablet", "Chrome", "Android"]),
        (PIXEL, "?1", "\"Android\"", ["mobile", "Chrome", "Android"]),
        (CHROME, "1", "Windows", ["desktop", "Chrome", "Windows"]),
        (LINUX, "?0", "\"Unknown\"", ["desktop", "Chrome", "Linux"]),
    ] {
        assert_eq!(
            families(user_agent, &sent("", mobile, platform)),
            expected,
            "{mobile} {platform} {user_agent}"
        );
    }
}

#[test]
fn what_the_user_agent_knows_better_stays() {
    let webview = sent(r#""Chromium";v="124", "Android WebView";v="124""#, "?1", "\"Android\"");
    assert_eq!(families(FACEBOOK, &webview), ["mobile", "Facebook", "Android"]);
    assert_eq!(families(TIZEN, &sent("", "?0", "\"Linux\""))[0], "tv");
    assert_eq!(families(TIZEN, &sent("", "?0", "\"Linux\""))[2], "Tizen");
}

proptest! {
    #[test]
    fn no_hint_panics_or_makes_a_name_of_its_own(
        brands in "\\PC{0,80}|(\"[A-Za-z ;=,\\\\\"]{0,12}\"(;v=\"?[0-9.]{0,4}\"?)?,? ?){0,20}",
        mobile in "\\?[01]|.{0,3}",
        platform in "\"?[A-Za-z ]{0,12}\"?",
    ) {
        let found = families(CHROME, &sent(&brands, &mobile, &platform));
        prop_assert!(["desktop", "mobile", "tablet"].contains(&found[0]));
        prop_assert!(!found[1].is_empty() && !found[2].is_empty());
    }
}
