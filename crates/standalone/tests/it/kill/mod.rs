//! kill -9 at any moment, of the house, of its engine, of both, of a loader, of an import, of the brokers: every event that
//! was accepted is in ClickHouse after the next start, once, and the reports are those of a life without accidents.

mod bridge;
mod brokers;
mod cases;
mod collect;
mod deletion;
mod failpoints;
mod fuse;
mod import;
mod kafka;
pub mod ledger;
pub mod loader;
mod loaders;
mod outage;
pub mod senders;
pub mod store;
