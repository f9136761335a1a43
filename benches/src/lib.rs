//! Measurements, and the traffic that they are made with.
//!
//! * [`traffic`]: what visitors do, from a seed; as events, as a stream's records and as requests,
//! * [`rows`]: the rows that the loader makes of it,
//! * [`world`]: which sites, agents, sources and places there are,
//! * [`clock`]: what a process has used,
//! * [`figures`]: what was measured, as a table and as JSON,
//! * [`query`]: how fast reports are answered.

pub mod clock;
pub mod figures;
pub mod query;
pub mod random;
pub mod rows;
pub mod traffic;
pub mod world;
