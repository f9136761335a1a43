//! The whole house, end to end: real requests, the real stream, the real ClickHouse.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access_log;
mod browser;
mod canary;
mod cli;
mod conformance;
mod docker;
mod house;
mod kill;
mod live;
mod tidy;
