//! What the files make, as the store tells it, so that a migration's effect is a diff of `structure.sql`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clickhouse::Client;
use schema::migrate;

use crate::house;

const HEAD: &str = "-- What the migrations and rollups make, in the store's own words (SHOW CREATE), by name. Written by\n\
                    --     FOOTFALL_UPDATE_STRUCTURE=1 cargo test -p schema --test it structure\n";

#[tokio::test]
async fn the_structure_is_the_committed_one() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let found = format!("{HEAD}\n{}", of(&store.client(), store.database()).await);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("structure.sql");
    if std::env::var_os("FOOTFALL_UPDATE_STRUCTURE").is_some_and(|value| value == "1") {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == committed,
        "the files make another structure than schema/structure.sql tells:\n{}\n\
         When that is meant: FOOTFALL_UPDATE_STRUCTURE=1 cargo test -p schema --test it structure",
        difference(&committed, &found)
    );
}

/// The definitions of all tables and views of a database, by name, without what differs from one database to another:
/// its name, and the user that made a view.
pub(crate) async fn of(client: &Client, database: &str) -> String {
    let mut definitions = Vec::new();
    for table in house::tables(client).await {
        let shown: Vec<String> = house::rows(client, &format!("SHOW CREATE TABLE `{table}`")).await;
        definitions.push(format!("{};\n", normalised(&shown.concat(), database)));
    }
    definitions.join("\n")
}

fn normalised(shown: &str, database: &str) -> String {
    let shown = shown.replace(&format!("`{database}`."), "").replace(&format!("{database}."), "");
    let lines = shown.lines().map(str::trim_end);
    lines.filter(|line| !line.is_empty() && !line.starts_with("DEFINER = ")).collect::<Vec<_>>().join("\n")
}

/// The lines that differ, definition by definition.
fn difference(committed: &str, found: &str) -> String {
    let (old, new) = (definitions(committed), definitions(found));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut lines = Vec::new();
    for name in names.into_iter().filter(|name| old.get(name) != new.get(name)) {
        let of = |side: &BTreeMap<_, &'_ str>| side.get(name).copied().unwrap_or_default().to_owned();
        let (old, new) = (of(&old), of(&new));
        lines.push(format!("  {name}"));
        lines.extend(
            old.lines()
                .filter(|line| !new.lines().any(|other| other == *line))
                .map(|line| format!("- {line}")),
        );
        lines.extend(
            new.lines()
                .filter(|line| !old.lines().any(|other| other == *line))
                .map(|line| format!("+ {line}")),
        );
    }
    lines.join("\n")
}

/// A text's definitions by their first lines.
fn definitions(text: &str) -> BTreeMap<&str, &str> {
    let pieces = text.split("\n\n").map(str::trim);
    pieces.map(|piece| (piece.lines().next().unwrap_or_default(), piece)).collect()
}

#[test]
fn a_definition_names_neither_its_database_nor_who_made_it() {
    let shown = "CREATE MATERIALIZED VIEW db.v TO `db`.t\n(\n    `a` UInt8 \n)\nDEFINER = default SQL SECURITY DEFINER\nAS SELECT a\nFROM db.s";
    let expected = "CREATE MATERIALIZED VIEW v TO t\n(\n    `a` UInt8\n)\nAS SELECT a\nFROM s";
    assert_eq!(normalised(shown, "db"), expected);
}

#[test]
fn a_difference_is_told_table_by_table() {
    let committed =
        "-- head\n\nCREATE TABLE a\n(\n    `n` UInt8\n);\n\nCREATE TABLE b\n(\n    `n` UInt8\n);\n";
    let found = "-- head\n\nCREATE TABLE a\n(\n    `n` UInt8\n);\n\nCREATE TABLE b\n(\n    `n` UInt16\n);\n";
    assert_eq!(difference(committed, found), "  CREATE TABLE b\n-     `n` UInt8\n+     `n` UInt16");
}
