//! The program's settings: one that cannot be read is told by its name and with what is expected, and its value, which may
//! be a secret, is not shown.

use std::process::Command;

#[test]
fn a_bad_setting_is_named_with_what_is_expected_and_its_value_is_not_shown() {
    for (name, expected) in [
        ("FOOTFALL_API_LIMIT", "a rate like 10/10s, or off"),
        ("FOOTFALL_CACHE", "off, or a size such as 64MiB"),
        ("FOOTFALL_MASTER_KEY", "32 random bytes"),
        ("FOOTFALL_CLICKHOUSE_URL", "http"),
        ("FOOTFALL_LISTEN", "an address such as 127.0.0.1"),
        ("FOOTFALL_PORT", "a number from 0 to 65535"),
        ("FOOTFALL_OPERATOR", "such as 127.0.0.1:9100"),
        ("FOOTFALL_LOG", "a level like info"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_query-api"));
        command
            .env_clear()
            // A store that nobody asks: the settings are read first.
            .env("FOOTFALL_CLICKHOUSE_URL", "http://127.0.0.1:1")
            .env("FOOTFALL_MASTER_KEY", "5a".repeat(32))
            .env(name, "[hunter2");
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{name}: {said}");
        let sentence = said.lines().last().unwrap_or_default();
        assert!(sentence.starts_with("query-api: ") && sentence.contains(name), "{sentence}");
        assert!(sentence.contains(expected), "{name}: {sentence}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
