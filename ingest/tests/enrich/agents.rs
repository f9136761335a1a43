//! The agents of today: what they are in the reports.

use ingest::enrich::recognise::{Recogniser, agent, bot_reason};

/// A user agent, its device, its browser, its system.
const AGENTS: &[[&str; 4]] = &[
    // Engines under other names.
    [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
        "desktop",
        "Chrome",
        "Windows",
    ],
    [
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
        "desktop",
        "Safari",
        "macOS",
    ],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0", "desktop", "Firefox", "Linux"],
    [
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0",
        "desktop",
        "Firefox",
        "Linux",
    ],
    ["Mozilla/5.0 (X11; OpenBSD amd64; rv:109.0) Gecko/20100101 Firefox/115.0", "desktop", "Firefox", "BSD"],
    [
        "Mozilla/5.0 (Windows NT 11.0; Win64; x64; rv:125.0) Gecko/20100101 Firefox/125.0",
        "desktop",
        "Firefox",
        "Windows",
    ],
    [
        "Mozilla/5.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)",
        "desktop",
        "Internet Explorer",
        "Windows",
    ],
    [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Edg/124.0.0.0",
        "desktop",
        "Edge",
        "Windows",
    ],
    [
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Edg/124.0.0.0",
        "desktop",
        "Edge",
        "macOS",
    ],
    [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Edg/124.0.0.0",
        "desktop",
        "Edge",
        "Linux",
    ],
    [
        "Mozilla/5.0 (Linux; Android 10; HD1913) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36 EdgA/124.0.0.0",
        "mobile",
        "Edge",
        "Android",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 EdgiOS/124.0.0.0 Mobile/15E148 Safari/605.1.15",
        "mobile",
        "Edge",
        "iOS",
    ],
    [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Safari/537.36 OPR/109.0.0.0",
        "desktop",
        "Opera",
        "Windows",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1 OPX/2.4.4",
        "mobile",
        "Opera",
        "iOS",
    ],
    [
        "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
        "mobile",
        "Opera",
        "Android",
    ],
    [
        "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/24.0 Chrome/117.0.0.0 Mobile Safari/537.36",
        "mobile",
        "Samsung Internet",
        "Android",
    ],
    [
        "Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/24.0 Chrome/117.0.0.0 Safari/537.36",
        "tablet",
        "Samsung Internet",
        "Android",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Focus/125.0 Mobile/15E148 Safari/605.1.15",
        "mobile",
        "Firefox Focus",
        "iOS",
    ],
    [
        "Mozilla/5.0 (Linux; Android 8.0.0; Pixel 2) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Klar/8.0 Chrome/69.0 Mobile Safari/537.36",
        "mobile",
        "Firefox Klar",
        "Android",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/125.0 Mobile/15E148 Safari/605.1.15",
        "mobile",
        "Firefox",
        "iOS",
    ],
    ["Mozilla/5.0 (Android 14; Mobile; rv:125.0) Gecko/125.0 Firefox/125.0", "mobile", "Firefox", "Android"],
    ["Mozilla/5.0 (Android 14; Tablet; rv:125.0) Gecko/125.0 Firefox/125.0", "tablet", "Firefox", "Android"],
    [
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15 Ddg/17.4",
        "desktop",
        "DuckDuckGo",
        "macOS",
    ],
    [
        "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/124.0 Mobile/15E148 Safari/604.1",
        "tablet",
        "Chrome",
        "iOS",
    ],
    [
        "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36",
        "mobile",
        "Chrome",
        "Android",
    ],
    [
        "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
        "tablet",
        "Chrome",
        "Android",
    ],
    [
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
        "desktop",
        "Chrome",
        "Chrome OS",
    ],
    [
        "Mozilla/5.0 (Linux; Android 9; KFMAWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/120.4.1 like Chrome/120.0.6099.230 Safari/537.36",
        "tablet",
        "Silk",
        "Fire OS",
    ],
    [
        "Mozilla/5.0 (X11; U; Linux armv7l like Android; en-us) AppleWebKit/531.2+ (KHTML, like Gecko) Version/5.0 Safari/533.2+ Kindle/3.0+",
        "tablet",
        "Android Browser",
        "Android",
    ],
    // Inside applications.
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21E236 Instagram 329.0.3.29.92 (iPhone15,2; iOS 17_4_1; en_US; en; scale=3.00; 1179x2556; 593536846)",
        "mobile",
        "Instagram",
        "iOS",
    ],
    [
        "Mozilla/5.0 (Linux; Android 13; SM-A536B Build/TP1A.220624.014; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/124.0.6367.54 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/461.0.0.46.85;]",
        "mobile",
        "Facebook",
        "Android",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21E236 [FBAN/FBIOS;FBAV/461.0.0.32.109;FBDV/iPhone14,5]",
        "mobile",
        "Facebook",
        "iOS",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21E236 musical_ly_34.1.0 JsSdk/2.0 NetType/WIFI BytedanceWebview/d8a21c6",
        "mobile",
        "TikTok",
        "iOS",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]/9.29.6242",
        "mobile",
        "LinkedIn",
        "iOS",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.48(0x1800302c) NetType/4G Language/zh_CN",
        "mobile",
        "WeChat",
        "iOS",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/313.0.625544628 Mobile/15E148 Safari/604.1",
        "mobile",
        "Google App",
        "iOS",
    ],
    [
        "Mozilla/5.0 (Linux; Android 13; Pixel 6 Build/TQ3A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36",
        "mobile",
        "Android WebView",
        "Android",
    ],
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
        "mobile",
        "iOS WebView",
        "iOS",
    ],
    // Televisions and consoles.
    [
        "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) 94.0.4606.31/7.0 TV Safari/537.36",
        "tv",
        "Safari",
        "Tizen",
    ],
    [
        "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
        "tv",
        "Chrome",
        "webOS",
    ],
    ["Roku/DVP-9.10 (519.10E04111A)", "tv", "Roku", "Roku OS"],
    ["AppleTV11,1/11.1", "tv", "", "tvOS"],
    [
        "Mozilla/5.0 (Linux; Android 9; AFTMM Build/PS7624; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/108.0.5359.220 Mobile Safari/537.36",
        "tv",
        "Android WebView",
        "Fire OS",
    ],
    [
        "Mozilla/5.0 (Linux; Android 12; BRAVIA 4K VH2 Build/STT1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
        "tv",
        "Chrome",
        "Android",
    ],
    [
        "Mozilla/5.0 (PlayStation; PlayStation 5/8.20) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.4 Safari/605.1.15",
        "console",
        "PlayStation",
        "PlayStation",
    ],
    [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Safari/537.36 Edg/123.0.2420.53",
        "console",
        "Edge",
        "Xbox",
    ],
    [
        "Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/609.4 (KHTML, like Gecko) NF/6.0.3.18.1 NintendoBrowser/5.1.0.23519",
        "console",
        "Nintendo Browser",
        "Nintendo",
    ],
    // Telephones with systems of their own.
    [
        "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile",
        "mobile",
        "Chrome",
        "HarmonyOS",
    ],
    [
        "Mozilla/5.0 (Linux; Android 10; HarmonyOS; ELS-AN00; HMSCore 6.12.0.302) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.4844.88 HuaweiBrowser/14.0.0.322 Mobile Safari/537.36",
        "mobile",
        "Huawei Browser",
        "HarmonyOS",
    ],
    [
        "Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
        "mobile",
        "Firefox",
        "KaiOS",
    ],
    [
        "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/52.0.2743.116 Mobile Safari/537.36 Edge/15.15254",
        "mobile",
        "Edge",
        "Windows Phone",
    ],
    ["something else", "unknown", "", ""],
    ["", "unknown", "", ""],
];

#[test]
fn the_agents_of_today_have_their_families() {
    let wrong: Vec<_> = AGENTS
        .iter()
        .filter_map(|[user_agent, device, browser, os]| {
            let found = agent(user_agent);
            let found = [found.device_type, found.browser, found.os];
            (found != [*device, *browser, *os]).then(|| format!("{found:?}: {user_agent}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn none_of_them_is_a_bot_but_the_one_that_says_nothing() {
    for [user_agent, ..] in AGENTS {
        assert_eq!(bot_reason(user_agent, false).is_some(), user_agent.is_empty(), "{user_agent}");
    }
}

#[test]
fn what_is_remembered_is_what_is_read() {
    let recogniser = Recogniser::default();
    for _ in 0..2 {
        for [user_agent, ..] in AGENTS {
            let recognised = recogniser.recognise(user_agent, None, false);
            assert_eq!(recognised.agent, agent(user_agent), "{user_agent}");
            assert_eq!(recognised.bot_reason, bot_reason(user_agent, false), "{user_agent}");
        }
    }
    assert_eq!(recogniser.remembered(), AGENTS.len());
}

#[test]
fn no_more_is_remembered_than_the_memory_holds() {
    let recogniser = Recogniser::default();
    for number in 0..10_000 {
        recogniser.recognise(&format!("agent {number}"), None, false);
    }
    assert!((1..=8_192).contains(&recogniser.remembered()), "{}", recogniser.remembered());
    let before = recogniser.remembered();
    recogniser.recognise(&"a".repeat(513), None, false);
    assert_eq!(recogniser.remembered(), before, "a long one is not kept");
}
