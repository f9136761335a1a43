//! kill -9 at any moment, of the house, of its engine, of both, of an import, with Kafka's brokers away or not: every event that was accepted is in
//! ClickHouse after the next start, once, and the reports are those of a life without accidents.

mod bridge;
mod collect;
mod failpoints;
mod fuse;
mod import;
mod ledger;
