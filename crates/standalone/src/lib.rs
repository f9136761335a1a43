//! The whole house in one process: embedded ClickHouse, migrations, ingest and query-api on one port.
//!
//! * [`house`]: puts the parts together,
//! * [`serve`]: `footfall serve`,
//! * [`import`]: `footfall import`,
//! * [`remote`]: commands that talk to a running server,
//! * [`commands`]: `footfall migrate`, `footfall website`, `footfall erase` and `footfall key`.

pub mod commands;
pub mod house;
pub mod import;
pub mod remote;
pub mod serve;
