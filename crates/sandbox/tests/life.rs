//! The engine's life: what it answers, what it keeps, and how it ends.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Stdio,
};

use sandbox::{ChildCommand, Engine, EngineError, EngineOptions, Health};
use support::{as_process, count, is_alive, kill, of, options, run, signal_to, start, until};
use tempfile::tempdir;
use tokio::net::TcpStream;

#[tokio::test]
async fn it_is_a_clickhouse_server_on_both_protocols() {
    let folder = tempdir().expect("a folder");
    let engine = start(folder.path()).await;
    let version: String = of(&engine).query("SELECT version()").fetch_one().await.expect("an answer");
    assert!(version.starts_with("26.7."), "{version}");
    assert!(TcpStream::connect(("127.0.0.1", engine.tcp_port())).await.is_ok());
    assert_eq!(engine.health(), Health::Running);
    engine.stop().await.expect("stopped in order");
}

#[tokio::test]
async fn a_table_survives_stop_and_start() {
    let folder = tempdir().expect("a folder");
    let engine = start(folder.path()).await;
    make_table(&engine).await;
    engine.stop().await.expect("stopped in order");

    let engine = start(folder.path()).await;
    assert_eq!(count(&of(&engine), "SELECT sum(n) FROM house.numbers").await, 4950);
    engine.stop().await.expect("stopped in order");
}

#[tokio::test]
async fn a_killed_child_comes_back_on_the_same_port_with_its_data() {
    let folder = tempdir().expect("a folder");
    let engine = start(folder.path()).await;
    make_table(&engine).await;
    let before = engine.pid().expect("it runs");
    let mut health = engine.watch_health();

    kill(before);
    health.wait_for(|health| *health == Health::Restarting).await.expect("watched");
    health.wait_for(|health| *health == Health::Running).await.expect("watched");

    assert_ne!(engine.pid(), Some(before));
    assert_eq!(count(&of(&engine), "SELECT sum(n) FROM house.numbers").await, 4950);
    engine.stop().await.expect("stopped in order");
}

#[tokio::test]
async fn a_child_that_cannot_come_back_is_given_up_with_its_reason() {
    let folder = tempdir().expect("a folder");
    let program = folder.path().join("engine.sh");
    let script = format!(
        "#!/bin/sh\n[ ! -e {0}/broken ] || {{ echo 'footfall-engine: broken' >&2; exit 9; }}\nexec {1} \"$@\"\n",
        folder.path().display(),
        env!("CARGO_BIN_EXE_footfall-engine")
    );
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permitted");
    let child = ChildCommand::new(program, [""; 0]);
    let engine = Engine::start(EngineOptions { child, ..options(&folder.path().join("data")) })
        .await
        .expect("started");

    fs::write(folder.path().join("broken"), "").expect("written");
    kill(engine.pid().expect("it runs"));
    let mut health = engine.watch_health();
    let failed =
        health.wait_for(|health| matches!(health, Health::Failed(_))).await.expect("watched").clone();
    let Health::Failed(reason) = failed else { unreachable!("waited for") };
    assert!(reason.contains("footfall-engine: broken"), "{reason}");
    engine.stop().await.expect("there is nothing to stop");
}

#[tokio::test]
async fn a_signal_to_the_whole_service_leaves_the_end_to_the_parent() {
    let folder = tempdir().expect("a folder");
    let engine = start(folder.path()).await;
    let child = engine.pid().expect("it runs");
    for signal in ["-TERM", "-INT"] {
        signal_to(child, signal);
    }
    assert_eq!(count(&of(&engine), "SELECT toUInt64(1)").await, 1);
    assert_eq!((engine.pid(), engine.health()), (Some(child), Health::Running));
    engine.stop().await.expect("stopped in order");
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_refused_by_name_and_owner() {
    let folder = tempdir().expect("a folder");
    let engine = start(folder.path()).await;
    let error = Engine::start(options(folder.path())).await.expect_err("refused");
    assert!(matches!(error, EngineError::InUse { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "the data folder {} is in use by another Footfall (pid {})",
            folder.path().display(),
            std::process::id()
        )
    );
    assert_eq!(count(&of(&engine), "SELECT toUInt64(1)").await, 1);
    engine.stop().await.expect("stopped in order");
}

#[tokio::test]
async fn a_killed_parent_leaves_no_child_and_its_folder_can_be_opened_at_once() {
    let folder = tempdir().expect("a folder");
    let mut parent = as_process("a_parent")
        .env("PARENT_FOLDER", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a parent");
    let mut lines = BufReader::new(parent.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let child = lines.find_map(|line| line.strip_prefix("child ")?.parse().ok()).expect("a child's id");

    parent.kill().expect("killed");
    let engine = start(folder.path()).await;
    parent.wait().expect("gone");

    assert!(!is_alive(child), "the child outlived its parent");
    assert_eq!(count(&of(&engine), "SELECT sum(n) FROM house.numbers").await, 4950);
    engine.stop().await.expect("stopped in order");
}

#[tokio::test]
#[ignore = "the process that the test above kills"]
async fn a_parent() {
    let folder = std::env::var_os("PARENT_FOLDER").expect("told where");
    let engine = start(folder.as_ref()).await;
    make_table(&engine).await;
    println!("\nchild {}", engine.pid().expect("it runs"));
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_stopped_or_dropped_engine_ends_and_removes_its_folder_when_told_to() {
    let folder = tempdir().expect("a folder");
    let data = folder.path().join("data");
    let engine = Engine::start(EngineOptions { remove_data: true, ..options(&data) }).await.expect("started");
    let child = engine.pid().expect("it runs");
    assert!(data.exists());
    drop(engine);
    until("the child ends", async || !is_alive(child)).await;
    assert!(!data.exists());
}

#[tokio::test]
async fn a_missing_library_is_named_with_its_remedy() {
    let folder = tempdir().expect("a folder");
    let library = Some(folder.path().join("libchdb.so"));
    let error =
        Engine::start(EngineOptions { library, ..options(folder.path()) }).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        format!(
            "the ClickHouse library is not at {}/libchdb.so: run scripts/fetch-engine",
            folder.path().display()
        )
    );
}

#[tokio::test]
async fn a_library_that_is_none_is_reported_with_the_childs_last_words() {
    let folder = tempdir().expect("a folder");
    let library = folder.path().join("libchdb.so");
    fs::write(&library, "not a library").expect("written");
    let options = EngineOptions { library: Some(library), ..options(&folder.path().join("data")) };
    let error = Engine::start(options).await.expect_err("refused");
    assert!(matches!(error, EngineError::Died { .. }), "{error:?}");
    assert!(error.to_string().contains("cannot be loaded"), "{error}");
}

#[tokio::test]
async fn a_fixed_port_that_is_taken_is_named() {
    let folder = tempdir().expect("a folder");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("an address").port();
    let error = Engine::start(EngineOptions { tcp_port: Some(port), ..options(folder.path()) }).await;
    assert!(matches!(error, Err(EngineError::PortTaken(taken)) if taken == port), "{error:?}");
}

#[tokio::test]
async fn the_query_log_is_there_when_wanted_and_no_log_holds_a_querys_text() {
    let folder = tempdir().expect("a folder");
    let engine =
        Engine::start(EngineOptions { query_log: true, ..options(folder.path()) }).await.expect("started");
    let client = of(&engine);
    run(&client, "SELECT 'marked-a'").await;
    assert!(client.query("SELECT throwIf(1, 'marked-b')").execute().await.is_err());
    run(&client, "SYSTEM FLUSH LOGS").await;
    let logged =
        count(&client, "SELECT count() FROM system.query_log WHERE query LIKE '%marked-a%' AND type = 2");
    assert_eq!(logged.await, 1);
    drop(client);
    engine.stop().await.expect("stopped in order");

    for log in fs::read_dir(folder.path().join("log")).expect("a folder of logs") {
        let text = fs::read_to_string(log.expect("a log").path()).expect("read");
        assert!(!text.contains("marked-"), "{text}");
    }
}

#[tokio::test]
async fn memory_is_limited_and_a_query_beyond_it_fails_alone() {
    let folder = tempdir().expect("a folder");
    let options = EngineOptions { memory_limit: Some(400_000_000), ..options(folder.path()) };
    let engine = Engine::start(options).await.expect("started");
    let client = of(&engine);
    let greedy = client.query("SELECT length(groupArray(number)) FROM numbers(200000000)").execute().await;
    assert!(greedy.expect_err("refused").to_string().contains("MEMORY_LIMIT_EXCEEDED"));
    assert_eq!(count(&client, "SELECT toUInt64(1)").await, 1);
    assert_eq!(engine.health(), Health::Running);
    drop(client);
    engine.stop().await.expect("stopped in order");
}

#[tokio::test]
async fn mutations_run_in_the_small_pools() {
    let folder = tempdir().expect("a folder");
    let engine = start(folder.path()).await;
    make_table(&engine).await;
    let client = of(&engine);
    run(&client, "ALTER TABLE house.numbers DELETE WHERE n >= 50 SETTINGS mutations_sync = 2").await;
    assert_eq!(count(&client, "SELECT count() FROM house.numbers").await, 50);
    drop(client);
    engine.stop().await.expect("stopped in order");
}

async fn make_table(engine: &Engine) {
    let client = of(engine);
    run(&client, "CREATE DATABASE house").await;
    run(&client, "CREATE TABLE house.numbers (n UInt64) ENGINE = MergeTree ORDER BY n").await;
    run(&client, "INSERT INTO house.numbers SELECT number FROM numbers(100)").await;
}
