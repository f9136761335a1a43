//! Words that the engine's tests share.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::{path::Path, process::Command, time::Duration};

use clickhouse::Client;
use sandbox::{ChildCommand, Engine, EngineOptions};
use tokio::time::{sleep, timeout};

/// No wait in these tests takes this long unless it would never end.
const NEVER: Duration = Duration::from_secs(50);

pub(crate) fn child() -> ChildCommand {
    ChildCommand::new(env!("CARGO_BIN_EXE_footfall-engine"), [""; 0])
}

pub(crate) fn options(data: &Path) -> EngineOptions {
    EngineOptions { fsync: false, ..EngineOptions::new(data, child()) }
}

pub(crate) async fn start(data: &Path) -> Engine {
    Engine::start(options(data)).await.expect("the engine starts")
}

pub(crate) fn client(url: &str) -> Client {
    Client::default().with_url(url)
}

pub(crate) fn of(engine: &Engine) -> Client {
    client(&engine.http_url())
}

pub(crate) async fn run(client: &Client, sql: &str) {
    client.query(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

pub(crate) async fn count(client: &Client, sql: &str) -> u64 {
    client.query(sql).fetch_one().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Waits until `holds`.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(NEVER, wait).await.is_ok(), "it never came about that {what}");
}

pub(crate) fn kill(pid: u32) {
    signal_to(pid, "-KILL");
}

pub(crate) fn signal_to(pid: u32, signal: &str) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill runs");
    assert!(status.success(), "there is no process {pid}");
}

/// Whether the process runs. One that has ended but that its new parent has not yet noticed does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().expect("ps runs");
    let state = String::from_utf8_lossy(&output.stdout);
    !state.trim().is_empty() && !state.starts_with('Z')
}

/// Runs one of this test program's ignored tests as a process of its own.
pub(crate) fn as_process(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test knows itself"));
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command
}
