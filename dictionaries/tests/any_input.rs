//! No input makes a look-up panic, and what is found does not depend on the spelling.

use dictionaries::{
    Attribution, ai_assistant, browser_by_brand, browser_by_token, channel, click_id, continent,
    country_name, device_by_token, email_provider, is_asset, is_bot_agent, is_spam_referrer, referrer,
    search_engine, social_network, system_by_token, without_www,
};
use proptest::prelude::*;

/// Text of any characters, and text that is nearly a host, a user agent or a path.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,64}",
        "\\PC{0,2000}",
        "(www\\.|mail\\.|android-app://|\\.){0,3}[a-zA-Z.ßİ🦀-]{0,40}(google|yandex|t|x)?(\\.co|\\.com)?\\.[a-z]{0,3}[./ ]{0,2}",
        "(Mozilla/5\\.0 \\(compatible; |CUBOT|bot|curl/| |ǅ|crawl){0,40}",
        "/?[a-z./?#%🦀]{0,40}\\.[A-Za-z]{0,20}",
    ]
}

proptest! {
    #[test]
    fn nothing_panics(one in text(), two in text(), three in text()) {
        let _ = (search_engine(&one), social_network(&one), email_provider(&one), ai_assistant(&one));
        let _ = (is_spam_referrer(&one), is_bot_agent(&one), is_asset(&one));
        let _ = (country_name(&one), continent(&one));
        let _ = (browser_by_token(&one), browser_by_brand(&one), system_by_token(&one), device_by_token(&one));
        let visit = Attribution {
            referrer: Some(&one),
            utm_source: &two,
            utm_medium: &three,
            click_id: click_id(&two),
        };
        let _ = channel(visit);
        prop_assert!(one.ends_with(without_www(&one)));
    }

    #[test]
    fn case_does_not_matter(one in text()) {
        let upper = one.to_ascii_uppercase();
        prop_assert_eq!(is_bot_agent(&one), is_bot_agent(&upper));
        prop_assert_eq!(is_asset(&one), is_asset(&upper));
        prop_assert_eq!(click_id(&one), click_id(&upper));
        prop_assert_eq!(country_name(&one), country_name(&upper));
        prop_assert_eq!(referrer(&one), referrer(&upper));
    }

    #[test]
    fn a_subdomain_is_what_its_domain_is(label in "[a-z]{1,10}[0-9]{5}", host in "(bing\\.com|t\\.co|claude\\.ai|mail\\.yahoo\\.com|google\\.de)") {
        prop_assert!(referrer(&host).is_some());
        prop_assert_eq!(referrer(&format!("{label}.{host}")), referrer(&host));
    }
}
