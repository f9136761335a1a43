//! The embedded ClickHouse: the real server, in a child process of ours.
//!
//! The shared library `libchdb` (fetched by `scripts/fetch-engine`) is ClickHouse itself. A child process loads it,
//! opens ClickHouse's own HTTP and native listeners on loopback and serves one data folder; the parent holds the child's
//! stdin, and letting go of it, by `stop`, by drop or by dying, stops the server in order. So whatever speaks to a
//! ClickHouse server speaks to this one unchanged.
//!
//! - [`Engine`] is the parent's side: it starts the child, watches it and starts it again when it dies.
//! - [`engine_child_main`] is the child's side: `footfall engine …` and `footfall-engine` call it.
//! - [`testing`] gives a test process its one engine.

mod child;
mod engine;
mod error;
mod library;
mod options;
mod process;
mod supervisor;
mod tail;
pub mod testing;

pub use child::engine_child_main;
pub use engine::{Engine, Health};
pub use error::EngineError;
pub use library::{ENGINE_VERSION, library_path};
pub use options::{ChildCommand, EngineOptions};
