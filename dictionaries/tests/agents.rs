//! Machines are found and people are left alone.

use std::path::Path;

use dictionaries::is_bot_agent;
use serde_json::Value;

/// User agents of people: desktops, telephones, tablets, browsers inside applications, televisions, consoles, cars.
const PEOPLE: &str = include_str!("people.txt");

/// A few machines of every trade, each with the name that is given to it.
const MACHINES: [(&str, &str); 26] = [
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "Bingbot"),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "Ahrefs"),
    ("Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)", "Yahoo! Slurp"),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "GPTBot",
    ),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        "ClaudeBot",
    ),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
        "Headless Chrome",
    ),
    (
        "Mozilla/5.0 (Linux; Android 11; moto g power (2022)) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile Safari/537.36 Chrome-Lighthouse",
        "Lighthouse",
    ),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "Facebook link preview"),
    ("WhatsApp/2.23.20.0", "WhatsApp link preview"),
    ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "Slack link preview"),
    ("curl/8.5.0", "curl"),
    ("Wget/1.21.3", "Wget"),
    ("python-requests/2.31.0", "Python"),
    ("Go-http-client/2.0", "Go"),
    ("Java/17.0.8", "Java"),
    ("okhttp/4.12.0", "OkHttp"),
    ("axios/1.6.8", "axios"),
    ("Apache-HttpClient/4.5.14 (Java/17.0.8)", "Apache HttpClient"),
    ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "UptimeRobot"),
    ("Feedly/1.0 (+http://www.feedly.com/fetcher.html; 12 subscribers)", "Feedly"),
    ("Mozilla/5.0 zgrab/0.x", "ZGrab"),
    ("Screaming Frog SEO Spider/19.4", "Screaming Frog"),
    ("kube-probe/1.29", "Kubernetes probe"),
    ("Mozilla/5.0 (compatible; Some New Thing)", "compatible, but no browser"),
    ("NewThing (https://new.example/about)", "web address in the user agent"),
];

fn people() -> impl Iterator<Item = &'static str> {
    PEOPLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn people_are_no_machines() {
    assert!(people().count() >= 60, "the list is worth its name");
    let taken: Vec<_> = people().filter_map(|agent| is_bot_agent(agent).map(|name| (name, agent))).collect();
    assert!(taken.is_empty(), "taken for machines: {taken:#?}");
}

#[test]
fn machines_are_named() {
    for (agent, name) in MACHINES {
        assert_eq!(is_bot_agent(agent), Some(name), "{agent}");
    }
}

#[test]
fn at_least_99_in_100_of_the_known_crawlers_are_found() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/user-agents/crawler-user-agents.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("The collection of crawlers is not here; the test is skipped.");
        return;
    };
    let crawlers: Vec<Value> = serde_json::from_str(&text).expect("the collection is JSON");
    let agents: Vec<&str> = crawlers
        .iter()
        .filter_map(|crawler| crawler["instances"].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let missed: Vec<_> = agents.iter().filter(|agent| is_bot_agent(agent).is_none()).collect();
    let found = agents.len() - missed.len();
    eprintln!("{found} of {} crawlers are found.", agents.len());
    assert!(agents.len() > 1000);
    assert!(found * 100 >= agents.len() * 99, "missed: {missed:#?}");
}
