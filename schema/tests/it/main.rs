//! The schema on the real engine: what the files make, what the rows are, and what the rollups count.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod change;
mod cluster;
mod epochs;
mod erase;
mod house;
mod lock;
mod migrate;
mod migrate_bin;
mod names;
mod rebuild;
mod repeat;
mod rows;
mod shards;
mod site_totals;
mod site_totals_laws;
mod structure;
mod verify;
