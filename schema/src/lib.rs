//! The shape of what is stored.
//!
//! * [`event`]: the record that travels through the stream,
//! * [`rows`]: one struct per table, in the table's words,
//! * [`mod@migrate`]: the numbered files that make the tables, and the rollups beside them,
//! * [`store`]: how to reach ClickHouse.

pub mod event;
pub mod migrate;
pub mod rows;
pub mod store;

pub use event::Event;
