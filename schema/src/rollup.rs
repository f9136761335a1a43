//! Rollups: sums of the events that make reports fast, and how they are made, changed, verified and made again on a
//! live system.
//!
//! A rollup is one file: its table, and a question to the events whose answer is its rows. It has tables by version
//! (`pages_0`, `pages_7`: the number is the epoch from which on its view fills it; see [`crate::epochs`]), each with a view
//! that adds up what is inserted, and a plain view by the rollup's own name (`pages`), for whoever asks by hand; it
//! is put onto another table in one step. Reports ask the table itself, whose name they look up ([`tables::usable`]).
//!
//! Every row carries the epoch of its events, so rows of closed epochs can be compared with the events, to the unit, while loading goes on; and because all facts are sums, what differs is
//! put right by inserting the difference, a day at a time, in one step each.

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::epochs::EpochError;

pub mod change;
pub mod recount;
pub mod tables;

/// A rollup's file.
#[derive(Debug, Clone, Copy)]
pub struct Rollup {
    /// The name of its view, and what its tables' names begin with.
    pub name: &'static str,
    /// Rises with every change of the file.
    pub version: u32,
    /// The table (`$table` stands for its name), then the question whose answer is its rows (`$scope` stands for
    /// which events), separated by a semicolon at the end of a line.
    pub sql: &'static str,
}

macro_rules! rollups {
    ($($name:literal $version:literal),* $(,)?) => {
        &[$(Rollup {
            name: $name,
            version: $version,
            sql: include_str!(concat!("../rollups/", $name, ".sql")),
        }),*]
    };
}

/// All rollups with their versions.
pub const ROLLUPS: &[Rollup] = rollups! {
    "devices" 1,
    "event_types" 1,
    "identified" 1,
    "pages" 1,
    "places" 1,
    "site_totals" 1,
    "sources" 1,
};

/// Why rollups could not be made, changed or compared.
#[derive(Debug, Error)]
pub enum RollupError {
    /// The file was changed and its version was not.
    #[error("the rollup {0} was edited under the same version; give it a new version, or restore the file")]
    Edited(String),
    /// The database's rollup is of a newer release.
    #[error("the database has a newer version of the rollup {0}; run a newer release")]
    Newer(String),
    /// There is no such rollup.
    #[error("there is no rollup {0}")]
    Unknown(String),
    /// The rollup has no table that is whole.
    #[error("the rollup {0} is not built yet; `migrate up` goes on with it")]
    NotBuilt(String),
    /// The stream's loaders answer, so it is not gone.
    #[error("loaders of the stream {0} are at work: it is not gone; stop them first")]
    Alive(String),
    /// Nobody waits for such a stream.
    #[error("there is no stream {0} that is waited for")]
    NoStream(String),
    /// The rollup's table lacks columns.
    #[error("the table {0} is not as its file makes it; `migrate verify` tells how")]
    Misshapen(String),
    /// A table that was just built does not equal the events.
    #[error(
        "the rollup {rollup} was built, but differs from the events on {days} days; readers stay on the table before it"
    )]
    Differs {
        /// The rollup.
        rollup: String,
        /// How many days of websites differ.
        days: usize,
    },
    /// Rows that were deleted are there all the same.
    #[error("{rows} rows that are to be erased are still in {table}; it is tried again")]
    Remains {
        /// The table.
        table: String,
        /// How many rows.
        rows: u64,
    },
    /// Loaders did not take up the change.
    #[error(transparent)]
    Loaders(#[from] EpochError),
    /// The store did not answer, or refused.
    #[error("ClickHouse failed while rollups were at work")]
    Store(#[from] clickhouse::error::Error),
}

impl Rollup {
    /// A rollup by its name.
    pub fn find(rollups: &'static [Rollup], name: &str) -> Result<&'static Rollup, RollupError> {
        let found = rollups.iter().find(|rollup| rollup.name == name);
        found.ok_or_else(|| RollupError::Unknown(name.to_owned()))
    }

    /// The statement that makes its table under a name.
    pub(crate) fn table(&self, name: &str) -> String {
        self.parts().0.replace("$table", name)
    }

    /// The question whose answer is its rows; `scope` says which events, as `e`.
    pub(crate) fn facts(&self, scope: &str) -> String {
        self.parts().1.replace("$scope", scope)
    }

    /// The columns of the table's statement, one per line, but for the epoch: those that it is sorted by, and the sums.
    pub(crate) fn columns(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let lines = || self.parts().0.lines();
        let sorted =
            lines().find_map(|line| line.strip_prefix("ORDER BY (")?.strip_suffix(')')).unwrap_or_default();
        let keys: Vec<_> = sorted.split(", ").filter(|key| *key != "epoch").collect();
        let column = |line: &'static str| {
            let column = line.strip_prefix("    ")?.split(' ').next()?;
            (!column.is_empty() && column != "epoch" && !keys.contains(&column)).then_some(column)
        };
        let sums = lines().filter_map(column).collect();
        (keys, sums)
    }

    fn parts(&self) -> (&'static str, &'static str) {
        let (table, facts) = self.sql.split_once(";\n").unwrap_or((self.sql, ""));
        (table, facts.trim().trim_end_matches(';'))
    }

    /// The SHA-256 of the file, hexadecimal.
    pub(crate) fn checksum(&self) -> String {
        crate::hexadecimal(&Sha256::digest(self.sql.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_rollup_of_a_table_and_a_question() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rollups");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let names: Vec<String> = ROLLUPS.iter().map(|rollup| format!("{}.sql", rollup.name)).collect();
        assert_eq!(names, files);
        for rollup in ROLLUPS {
            assert!(rollup.table("t").contains("CREATE TABLE IF NOT EXISTS t\n"), "{}", rollup.name);
            assert!(rollup.facts("true").starts_with("SELECT"), "{}", rollup.name);
            assert!(rollup.facts("true").contains("WHERE true"), "{}", rollup.name);
            assert!(rollup.version > 0);
            let (keys, sums) = rollup.columns();
            assert_eq!(keys[..2], ["website_id", "day"], "{}", rollup.name);
            assert!(!sums.is_empty() && !sums.contains(&"epoch"), "{}: {sums:?}", rollup.name);
            for column in keys.iter().chain(&sums) {
                assert!(
                    rollup.facts("true").contains(&["AS ", column].concat()),
                    "{}: {column}",
                    rollup.name
                );
            }
        }
    }
}
