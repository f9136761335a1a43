//! Measurements, and the traffic that they are made with.
//!
//! * [`traffic`]: what visitors do, from a seed; as events, as a stream's records and as requests,
//! * [`rows`]: the rows that the loader makes of it,
//! * [`world`]: which sites, agents, sources and places there are,
//! * [`block`]: those rows as they go over the wire,
//! * [`clock`]: what a process has used,
//! * [`figures`]: what was measured, as a table and as JSON,
//! * [`process`]: programs that are measured, each on a processor of its own,
//! * [`http`]: load on them,
//! * [`query`]: how fast reports are answered,
//! * [`store`]: a ClickHouse of a bench's own.

pub mod block;
pub mod clock;
pub mod figures;
pub mod http;
pub mod process;
pub mod query;
pub mod random;
pub mod rows;
pub mod store;
pub mod traffic;
pub mod world;
