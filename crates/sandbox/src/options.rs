//! What an engine is started with.

use std::{ffi::OsString, io, path::PathBuf};

/// How an engine is started. [`EngineOptions::new`] gives the values that suit one small machine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The data folder, created when it is missing. One engine at a time owns it.
    pub data: PathBuf,
    /// libchdb. `None`: `FOOTFALL_ENGINE_LIB`, then where `scripts/fetch-engine` puts it.
    pub library: Option<PathBuf>,
    /// The HTTP port on 127.0.0.1. `None`: a free one.
    pub http_port: Option<u16>,
    /// The native protocol's port on 127.0.0.1. `None`: a free one.
    pub tcp_port: Option<u16>,
    /// Keep `system.query_log`, for three days.
    pub query_log: bool,
    /// How to start the child.
    pub child: ChildCommand,
    /// The most memory the server's queries and merges may take, in bytes. `None`: half of the machine's.
    pub memory_limit: Option<u64>,
    /// Flush every insert to the disk before it is acknowledged, so that it outlives a power cut (about 20 ms each).
    pub fsync: bool,
    /// Clusters that the server knows: a name, and for each shard the native port of its one server on 127.0.0.1.
    pub clusters: Vec<(String, Vec<u16>)>,
    /// Remove the data folder when the engine stops in order: for tests.
    pub remove_data: bool,
}

impl EngineOptions {
    /// An engine on `data`, on free ports, without a query log, every insert flushed to the disk.
    pub fn new(data: impl Into<PathBuf>, child: ChildCommand) -> EngineOptions {
        EngineOptions {
            data: data.into(),
            library: None,
            http_port: None,
            tcp_port: None,
            query_log: false,
            child,
            memory_limit: None,
            fsync: true,
            clusters: Vec::new(),
            remove_data: false,
        }
    }
}

/// A program that ends up in [`engine_child_main`](crate::engine_child_main), and the arguments that lead there.
#[derive(Clone, Debug)]
pub struct ChildCommand {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
}

impl ChildCommand {
    /// Starts `program` with `args` before the engine's own.
    pub fn new<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
    ) -> ChildCommand {
        ChildCommand { program: program.into(), args: args.into_iter().map(Into::into).collect() }
    }

    /// Starts the running program once more with `args`, for example `["engine"]`. Fails when the system does not tell
    /// which program is running.
    pub fn current_exe<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> io::Result<ChildCommand> {
        Ok(ChildCommand::new(std::env::current_exe()?, args))
    }
}
