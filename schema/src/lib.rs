//! The shape of what is stored.
//!
//! * [`event`]: the record that travels through the stream,
//! * [`rows`]: one struct per table, in the table's words,
//! * [`mod@migrate`]: the numbered files that make the tables,
//! * [`rollup`]: the sums that make reports fast, and their changes on a live system,
//! * [`cluster`]: the same files on a cluster, sharded by website,
//! * [`maintain`]: verifying, building and making again while events come in,
//! * [`epochs`]: how such changes are kept apart from the loading,
//! * [`erase`]: websites, old days and visitors leave the store,
//! * [`audit`]: who did what to whose data,
//! * [`command`]: the operator's commands,
//! * [`store`]: how to reach ClickHouse.

pub mod audit;
pub mod cluster;
pub mod command;
pub mod epochs;
pub mod erase;
pub mod event;
pub mod maintain;
pub mod migrate;
pub mod rollup;
pub mod rows;
pub mod store;

pub use event::Event;

/// Bytes as hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
