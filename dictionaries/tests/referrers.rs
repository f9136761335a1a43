//! Every entry of the published lists of referrers is what its list says.

use std::path::{Path, PathBuf};

use dictionaries::{ReferrerKind, referrer};

/// Hosts that are something else than their list says, each with what it is and why.
const OTHERWISE: [(&str, Option<ReferrerKind>, &str); 18] = [
    ("digg.com", Some(ReferrerKind::Social), "the social networks hold it too"),
    ("www.facebook.com", Some(ReferrerKind::Social), "the social networks hold it too"),
    ("friendfeed.com", Some(ReferrerKind::Social), "a social network"),
    ("chat.openai.com", Some(ReferrerKind::AiAssistant), "the assistants hold it too"),
    ("chatgpt.com", Some(ReferrerKind::AiAssistant), "the assistants hold it too"),
    ("www.perplexity.ai", Some(ReferrerKind::AiAssistant), "the assistants hold it too"),
    ("you.com", Some(ReferrerKind::AiAssistant), "the assistants hold it too"),
    ("x.com", Some(ReferrerKind::Social), "an assistant only below a path, which browsers do not send"),
    ("apollo.lv", None, "a newspaper; a search engine only below a path, which browsers do not send"),
    ("www.cnn.com", None, "a newspaper: its articles link, its search box does not"),
    ("msnbc.msn.com", None, "a newspaper, likewise"),
    ("toppreise.ch", None, "compares prices, in every language"),
    ("www.toppreise.ch", None, "compares prices"),
    ("de.toppreise.ch", None, "compares prices"),
    ("en.toppreise.ch", None, "compares prices"),
    ("fr.toppreise.ch", None, "compares prices"),
    ("translate.google.com", None, "the site's own page, translated, links to the site"),
    ("login.live.com", None, "sends people back after they signed in"),
];

fn list(file: &str) -> Option<String> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/referrers").join(file);
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        eprintln!("{file} is not here; the test is skipped.");
    }
    text
}

/// The addresses of a list: every item of a block sequence that is not below `params`, `charsets` or the like.
fn addresses(text: &str) -> Vec<String> {
    let mut key = "";
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let trimmed = line.trim();
        if !line.starts_with([' ', '-']) {
            key = "";
        } else if let Some((name, "")) = trimmed.trim_start_matches("- ").split_once(':') {
            key = name;
        } else if let Some(item) = trimmed.strip_prefix("- ").filter(|_| matches!(key, "" | "urls")) {
            let item = item.trim().trim_matches(['\'', '"']);
            if !item.contains(": ") {
                found.push(item.to_owned());
            }
        } else if trimmed != "-" && !trimmed.starts_with("- ") {
            key = "another";
        }
    }
    found
}

/// Hosts that an address stands for: `{}` is any country, or any subdomain at the start. A path does not matter:
/// browsers send the host alone.
fn hosts(address: &str) -> Vec<String> {
    let address = address.to_lowercase().replace("android-app//", "");
    let address = address.split('/').next().unwrap_or_default().to_owned();
    if let Some(rest) = address.strip_prefix("{}.") {
        return ["de", "www"].iter().flat_map(|label| hosts(&format!("{label}.{rest}"))).collect();
    }
    if address.contains("{}") {
        return ["de", "fi", "co.uk", "com.br"]
            .iter()
            .map(|country| address.replace("{}", country))
            .collect();
    }
    vec![address]
}

fn assert_all(file: &str, kind: ReferrerKind, at_least: usize) {
    let Some(text) = list(file) else { return };
    let addresses = addresses(&text);
    assert!(addresses.len() >= at_least, "only {} addresses were read", addresses.len());
    let mut wrong = Vec::new();
    let mut seen = 0;
    for host in addresses.iter().flat_map(|address| hosts(address)) {
        let known = OTHERWISE.iter().find(|(exception, ..)| *exception == host);
        let expected = known.map_or(Some(kind), |(_, other, _)| *other);
        let found = referrer(&host).map(|referrer| referrer.kind);
        seen += 1;
        if found != expected {
            wrong.push((host, found));
        }
    }
    eprintln!("{file}: {} of {seen} hosts are what they are expected to be.", seen - wrong.len());
    assert!(wrong.is_empty(), "{file}: {wrong:#?}");
}

#[test]
fn search_engines_are_search_engines() {
    assert_all("SearchEngines.yml", ReferrerKind::Search, 600);
}

#[test]
fn social_networks_are_social_networks() {
    assert_all("Socials.yml", ReferrerKind::Social, 150);
}

#[test]
fn assistants_are_assistants() {
    assert_all("AIAssistants.yml", ReferrerKind::AiAssistant, 20);
}
