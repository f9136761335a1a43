//! The data files keep their format: what a look-up would silently pass over is found here.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Each text file with the values that its fields may have; an empty list allows any.
const FILES: [(&str, &[&[&str]]); 17] = [
    ("ai_assistants.tsv", &[&[], &[]]),
    ("asset_extensions.txt", &[&[]]),
    ("bot_lookalikes.tsv", &[&[], &[]]),
    ("bot_names.tsv", &[&[], &["any", "start", "end", "word"], &[]]),
    ("bot_traits.tsv", &[&[], &["any", "start", "end", "word"], &[]]),
    ("brands.tsv", &[&[], &[]]),
    ("browser_tokens.tsv", &[&[], &["app", "browser"], &[]]),
    ("click_ids.tsv", &[&[], &["search", "social", "display", "affiliate", "email"], &["paid", "free"], &[]]),
    ("continents.tsv", &[&["AF", "AN", "AS", "EU", "NA", "OC", "SA"], &[]]),
    ("countries.tsv", &[&[], &["AF", "AN", "AS", "EU", "NA", "OC", "SA"], &[]]),
    ("device_tokens.tsv", &[&[], &["console", "tv", "tablet", "mobile"]]),
    ("email_providers.tsv", &[&[], &[]]),
    ("referrers.tsv", &[&[], &["search", "social", "ai", "none"], &[]]),
    ("search_engines.tsv", &[&[], &[]]),
    ("social_networks.tsv", &[&[], &[]]),
    ("spam_referrers.txt", &[&[]]),
    ("system_tokens.tsv", &[&[], &[]]),
];

/// Files whose first field is a host.
const HOSTS: [&str; 6] = [
    "ai_assistants.tsv",
    "email_providers.tsv",
    "referrers.tsv",
    "search_engines.tsv",
    "social_networks.tsv",
    "spam_referrers.txt",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn facts(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn keys(text: &str) -> Vec<&str> {
    facts(text).map(|line| line.split('\t').next().unwrap_or_default()).collect()
}

#[test]
fn every_line_has_the_fields_of_its_file() {
    for (file, fields) in FILES {
        let text = read(file);
        assert!(text.ends_with('\n') && !text.contains('\r'), "{file}: lines end with a newline");
        assert!(facts(&text).count() > 0, "{file} is empty");
        for line in facts(&text) {
            let found: Vec<&str> = line.split('\t').collect();
            assert_eq!(found.len(), fields.len(), "{file}: {line:?}");
            for (value, allowed) in found.iter().zip(fields) {
                assert!(!value.is_empty(), "{file}: {line:?} has an empty field");
                assert!(allowed.is_empty() || allowed.contains(value), "{file}: {value:?} in {line:?}");
            }
        }
    }
}

#[test]
fn every_file_is_sorted_and_says_each_fact_once() {
    for (file, _) in FILES {
        let text = read(file);
        for pair in keys(&text).windows(2) {
            assert!(pair[0] < pair[1], "{file}: {:?} before {:?}", pair[0], pair[1]);
        }
    }
}

#[test]
fn hosts_are_written_as_they_are_looked_up() {
    for file in HOSTS {
        let text = read(file);
        for host in keys(&text) {
            let domain = host.strip_suffix(".*").unwrap_or(host);
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
            assert!(domain.bytes().all(plain), "{file}: {host:?}");
            assert!(domain.split('.').all(|label| !label.is_empty()), "{file}: {host:?}");
            assert!(host.contains('.') && !host.starts_with("www."), "{file}: {host:?}");
        }
    }
}

#[test]
fn our_own_lists_do_not_contradict_each_other() {
    let (mails, others) = (read("email_providers.tsv"), read("referrers.tsv"));
    let (mails, others): (BTreeSet<_>, BTreeSet<_>) =
        (keys(&mails).into_iter().collect(), keys(&others).into_iter().collect());
    assert_eq!(mails.intersection(&others).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn no_known_referrer_is_spam() {
    for file in HOSTS.iter().filter(|file| **file != "spam_referrers.txt") {
        for host in keys(&read(file)) {
            assert!(!dictionaries::is_spam_referrer(host), "{file}: {host}");
        }
    }
}

#[test]
fn sources_name_every_file_and_no_other() {
    let sources = read("SOURCES.md");
    let named: BTreeSet<String> = sources
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(file, _)| file.to_owned())
        .collect();
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the data folder is there")
        .map(|entry| entry.expect("an entry can be read").file_name().to_string_lossy().into_owned())
        .filter(|file| file != "SOURCES.md")
        .collect();
    assert_eq!(named, there);
    let known: BTreeSet<String> = FILES.iter().map(|(file, _)| (*file).to_owned()).collect();
    let texts: BTreeSet<String> = there.into_iter().filter(|file| file != "from_matomo.py").collect();
    assert_eq!(known, texts, "each text file has a format above");
}
