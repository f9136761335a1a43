//! A setting that cannot be read is refused by name, and its value, which may be a secret, is never shown.

use super::process::Folder;

/// What nobody may see.
const SECRET: &str = "hunter2";

#[tokio::test]
async fn a_bad_setting_is_named_and_never_shown() {
    let folder = Folder::new().await;
    for (name, value) in [
        ("FOOTFALL_PARTITIONS", "0"),
        ("FOOTFALL_PARTITIONS", "1025"),
        ("FOOTFALL_PARTITIONS", SECRET),
        ("FOOTFALL_KAFKA_TOPIC", "hunter2!"),
        ("FOOTFALL_COLLECT_LIMIT", SECRET),
        ("FOOTFALL_LENA_LIMIT", SECRET),
        ("FOOTFALL_BITCAIN_LIMIT", SECRET),
        ("FOOTFALL_API_LIMIT", SECRET),
        ("FOOTFALL_CACHE", SECRET),
        ("FOOTFALL_TRUSTED_PROXIES", SECRET),
        ("FOOTFALL_MASTER_KEY", SECRET),
        ("FOOTFALL_ADMIN_KEY", SECRET),
        ("FOOTFALL_LOG", "[hunter2"),
        ("FOOTFALL_CLICKHOUSE_URL", SECRET),
        ("FOOTFALL_CLICKHOUSE_URL", "tcp://me:hunter2@localhost:9000"),
        ("FOOTFALL_CLICKHOUSE_URL", "http://me:hunter2@"),
        ("FOOTFALL_LISTEN", SECRET),
        ("FOOTFALL_GEOIP", "/nowhere/at/all.mmdb"),
    ] {
        let refused = folder.run(&["serve", "--port", "0"], &[(name, value)]);
        refused.assert_failed_with(&[name]);
        assert!(!refused.err.contains(SECRET), "{name} is shown: {refused:?}");
        assert_eq!(refused.out, "", "it did not start");
        assert!(!refused.err.contains(" ERROR "), "one cause, said once: {refused:?}");
        assert_eq!(folder.engines(), Vec::<u32>::new(), "{name}={value} left an engine behind");
    }
    // And the folder is as good as new.
    folder.serve(&[]);
}

#[tokio::test]
async fn a_bad_setting_is_told_with_what_is_expected() {
    let folder = Folder::new().await;
    for (name, expected) in [
        ("FOOTFALL_PARTITIONS", "a number from 1 to 1024"),
        ("FOOTFALL_COLLECT_LIMIT", "a rate like 10/10s, or off"),
        ("FOOTFALL_LENA_LIMIT", "a rate like 10/10s, or off"),
        ("FOOTFALL_BITCAIN_LIMIT", "a rate like 10/10s, or off"),
        ("FOOTFALL_API_LIMIT", "a rate like 10/10s, or off"),
        ("FOOTFALL_CACHE", "off, or a size such as 64MiB"),
        ("FOOTFALL_TRUSTED_PROXIES", "address"),
        ("FOOTFALL_MASTER_KEY", "32 random bytes"),
        ("FOOTFALL_ADMIN_KEY", "16 to 256 characters"),
        ("FOOTFALL_CLICKHOUSE_URL", "http"),
        ("FOOTFALL_LISTEN", "an address such as 127.0.0.1"),
        ("FOOTFALL_OPERATOR", "such as 127.0.0.1:9100"),
        ("FOOTFALL_GEOIP", "cannot be opened"),
    ] {
        let refused = folder.run(&["serve", "--port", "0"], &[(name, SECRET)]);
        let shown = if name == "FOOTFALL_GEOIP" { "" } else { SECRET };
        refused.assert_failed_with(&[name, expected]);
        assert!(shown.is_empty() || !refused.err.contains(shown), "{name} is shown: {refused:?}");
    }
    let refused = folder.run(&["serve"], &[("FOOTFALL_PORT", "abc")]);
    assert!(!refused.ok && refused.err.contains("FOOTFALL_PORT") && refused.err.contains("from 0 to 65535"));
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_without_its_password() {
    let folder = Folder::new().await;
    let settings = [("FOOTFALL_CLICKHOUSE_URL", "http://me:hunter2@127.0.0.1:1")];
    for args in [&["serve", "--port", "0"][..], &["migrate", "up"], &["migrate", "status"]] {
        let refused = folder.run(args, &settings);
        refused.assert_failed_with(&["ClickHouse"]);
        assert!(!refused.err.contains(SECRET), "{refused:?}");
    }
}

#[tokio::test]
async fn an_empty_setting_is_none() {
    let folder = Folder::new().await;
    let server = folder.serve(&[
        ("FOOTFALL_ADMIN_KEY", ""),
        ("FOOTFALL_COLLECT_LIMIT", " "),
        ("FOOTFALL_LOG", ""),
        ("FOOTFALL_MASTER_KEY", ""),
    ]);
    assert!(server.key().starts_with("tt_"), "{}", server.welcome);
}
