//! The way in: collect, enrich, stream, load.
//!
//! ```text
//! surfaces/   a request's body becomes a Hit
//! enrich/     a Hit becomes an Event, which has no address any more
//! stream/     the durable log between the two halves
//! load/       an Event becomes a row with its own deltas, stored once
//! ```

pub mod bounds;
pub mod collect;
pub mod config;
pub mod dead_letters;
pub mod enrich;
pub mod hit;
pub mod load;
pub mod stats;
pub mod stream;
pub mod surfaces;
pub mod telemetry;
pub mod upkeep;

pub use collect::Collector;
