//! The walls of the house: which room may know which, and what no file may hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files of the project below a folder that end so, without what is built or installed.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() {
                if !["target", "node_modules", ".git", "data"].contains(&&*name)
                    || path.ends_with("dictionaries/data")
                {
                    walk(&path, found);
                }
            } else {
                found.push(path);
            }
        }
    }
    let (root, mut found) = (root(), Vec::new());
    walk(&root.join(folder), &mut found);
    found
        .into_iter()
        .filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).ok()?;
            Some((path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), text))
        })
        .collect()
}

/// The packages that a package's program may use (not its tests).
fn dependencies(package: &str) -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    section.lines().filter_map(|line| line.split([' ', '=']).next()).map(str::to_owned).collect()
}

/// Lines outside the unit tests of a file.
fn program(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

#[track_caller]
fn assert_absent(folder: &str, words: &[&str], why: &str) {
    let found = files(folder, &[".rs"]);
    assert!(!found.is_empty(), "{folder} has no files");
    for (path, text) in found {
        for word in words {
            assert!(!program(&text).contains(word), "{path} says `{word}`: {why}");
        }
    }
}

#[test]
fn ingest_and_query_api_never_depend_on_each_other() {
    assert!(!dependencies("ingest").contains("query-api"));
    assert!(!dependencies("query-api").contains("ingest"));
}

#[test]
fn production_binaries_never_depend_on_the_embedded_engine() {
    for package in ["schema", "dictionaries", "ingest", "query-api", "crates/service", "crates/directory"] {
        assert!(!dependencies(package).contains("sandbox"), "{package}");
    }
}

#[test]
fn service_knows_neither_clickhouse_nor_kafka() {
    let known = dependencies("crates/service");
    for foreign in ["clickhouse", "rdkafka", "schema", "directory", "fjall"] {
        assert!(!known.contains(foreign), "{foreign}");
    }
}

#[test]
fn dictionaries_are_pure_lookups() {
    assert!(dependencies("dictionaries").iter().all(String::is_empty), "they need no package");
    assert_absent(
        "dictionaries/src",
        &["std::fs", "std::net", "std::env", "SystemTime"],
        "dictionaries do no IO",
    );
}

#[test]
fn the_report_core_knows_neither_axum_nor_any_surface() {
    assert_absent(
        "query-api/src/report",
        &["axum", "crate::surfaces", "http::", "Problem"],
        "the core knows no surface",
    );
}

#[test]
fn surfaces_hold_no_sql_and_name_no_column() {
    let sql = ["SELECT ", "INSERT INTO", "FROM events", "site_totals", "session_day", "unique_pageview "];
    assert_absent("query-api/src/surfaces", &sql, "SQL and columns belong to the report core");
    for (path, text) in files("ingest/src/surfaces", &[".rs"]) {
        assert!(!sql.iter().any(|word| program(&text).contains(word)), "{path} holds SQL");
    }
}

#[test]
fn sql_is_never_built_from_text() {
    for folder in ["query-api/src", "ingest/src", "crates/directory/src", "schema/src"] {
        for (path, text) in files(folder, &[".rs"]) {
            for (at, line) in program(&text).lines().enumerate() {
                let built = line.contains("format!(")
                    && ["SELECT ", "INSERT ", "ALTER ", " FROM ", "WHERE "]
                        .iter()
                        .any(|word| line.contains(word));
                assert!(!built, "{path}:{} builds SQL from text", at + 1);
            }
        }
    }
}

#[test]
fn only_the_stream_knows_which_stream_it_is() {
    for (path, text) in files("ingest/src", &[".rs"]) {
        let knows = path.contains("/stream/") || path.ends_with("config.rs") || path.ends_with("stream.rs");
        assert!(knows || !program(&text).contains("rdkafka") && !program(&text).contains("fjall"), "{path}");
    }
}

#[test]
fn unsafe_code_is_in_the_sandbox_only() {
    for (path, text) in files("", &[".rs"]) {
        let allowed = path.starts_with("crates/sandbox/") || path.ends_with("tidy.rs");
        assert!(
            allowed || !text.lines().any(|line| line.contains("unsafe {") || line.contains("unsafe fn")),
            "{path}"
        );
    }
}

#[test]
fn nothing_is_left_undone_or_left_over() {
    let words = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "dbg!("];
    for (path, text) in files("", &[".rs", ".sql", ".js", ".mjs", ".md", ".yaml"]) {
        if path.ends_with("tidy.rs") || path.ends_with("clippy.toml") {
            continue;
        }
        for word in words {
            assert!(!text.contains(word), "{path} says {word}");
        }
    }
}

#[test]
fn the_hit_has_an_address_and_the_event_cannot() {
    let record = std::fs::read_to_string(root().join("schema/event.proto")).unwrap();
    let fields: Vec<_> =
        record.lines().filter(|line| line.contains(" = ") && !line.trim_start().starts_with("//")).collect();
    for line in fields {
        for word in [" ip ", " ip_", "address", "user_agent"] {
            assert!(!line.contains(word), "{line}");
        }
    }
}

#[test]
fn every_setting_is_in_the_readmes_table() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut named = BTreeSet::new();
    for folder in ["ingest/src", "query-api/src", "schema/src", "crates"] {
        for (path, text) in files(folder, &[".rs"]) {
            if path.contains("/tests/") {
                continue;
            }
            for part in program(&text).split("\"FOOTFALL_").skip(1) {
                let name: String = part.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
                named.insert(format!("FOOTFALL_{name}"));
            }
        }
    }
    assert!(named.len() >= 10, "{named:?}");
    for name in named {
        assert!(readme.contains(&format!("`{name}`")), "README.md has no row for {name}");
    }
}

#[test]
fn the_architecture_names_files_that_are_there() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named: BTreeSet<_> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('/') && word.contains('.') && !word.contains([' ', '*', '{', '…']))
        .filter(|word| [".rs", ".sql", ".js", ".proto", ".toml"].iter().any(|ending| word.ends_with(ending)))
        .collect();
    assert!(named.len() >= 20, "it tells a life of an event and of a report with file names: {named:?}");
    for path in named {
        assert!(root().join(path).is_file(), "ARCHITECTURE.md names {path}, which is not there");
    }
}
