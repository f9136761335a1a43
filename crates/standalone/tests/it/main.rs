//! The whole house, end to end: real requests, the real stream, the real ClickHouse.

#![allow(missing_docs)]

mod access_log;
mod browser;
mod conformance;
mod house;
mod tidy;
