//! The program `migrate`, as an operator runs it.

use std::process::{Child, Command, Output, Stdio};

use schema::migrate::MIGRATIONS;
use schema::rollup::ROLLUPS;
use schema::store::StoreUrl;

use crate::house::{self, number};

const URL: &str = "FOOTFALL_CLICKHOUSE_URL";

/// The program, knowing nothing of this process's own store.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    command.args(arguments).env_remove(URL).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A store that is not there yet, and its URL with the database's name in it.
async fn missing() -> (StoreUrl, String) {
    let store = house::missing().await;
    let server = &sandbox::testing::engine().await.store_url;
    let (scheme, rest) = server.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    let url = format!("{scheme}://{authority}/{}", store.database());
    (store, url)
}

fn listed(state: &str) -> String {
    MIGRATIONS.iter().flat_map(|file| [format!("{:<28} {state}", file.name), "\n".to_owned()]).collect()
}

#[tokio::test]
async fn it_lists_applies_and_lists_again() {
    let (_, url) = missing().await;
    let run = |command| {
        let output = program(&[command]).env(URL, &url).output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
        out(&output)
    };
    assert_eq!(run("status"), listed("pending"));
    let names: Vec<_> = MIGRATIONS.iter().map(|file| file.name).collect();
    assert_eq!(run("up"), format!("{} migrations were applied: {}.\n", names.len(), names.join(", ")));
    let rollups: Vec<String> = ROLLUPS
        .iter()
        .map(|rollup| format!("{:<28} version {}, current\n", format!("{}_0", rollup.name), rollup.version))
        .collect();
    assert_eq!(run("status"), listed("applied") + &rollups.concat());
    assert_eq!(run("up"), "The database is up to date.\n");
}

#[tokio::test]
async fn the_store_may_be_an_argument() {
    let (_, url) = missing().await;
    let output = program(&["status", "--clickhouse-url", &url]).output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), listed("pending"));
}

#[tokio::test]
async fn several_at_once_apply_everything_once() {
    let (store, url) = missing().await;
    let start =
        || program(&["up"]).env(URL, &url).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started: Vec<Child> = (0..4).map(|_| start()).collect();
    for child in started {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
    }
    let recorded = "SELECT count() FROM schema_migrations";
    assert_eq!(number(&store.client(), recorded).await, MIGRATIONS.len() as u64);
}

#[tokio::test]
async fn a_refusal_is_a_sentence_and_a_failure() {
    let (store, url) = missing().await;
    schema::migrate::up(&store).await.unwrap();
    house::run(&store.client(), "INSERT INTO schema_migrations (name, checksum) VALUES ('9999_future', 'x')")
        .await;
    let output = program(&["up"]).env(URL, &url).output().unwrap();
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), ""));
    assert!(err(&output).contains("the database has the migration 9999_future"), "{}", err(&output));

    let output = program(&["status"]).env(URL, &url).output().unwrap();
    assert!(output.status.success(), "status only tells");
    assert!(
        out(&output).contains(&format!("{:<28} unknown to this release\n", "9999_future")),
        "{}",
        out(&output)
    );
}

#[test]
fn a_missing_url_is_asked_for() {
    for empty in [None, Some("")] {
        let mut command = program(&["up"]);
        if let Some(empty) = empty {
            command.env(URL, empty);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success());
        let said = err(&output);
        assert!(
            said.contains("say where ClickHouse is: --clickhouse-url or FOOTFALL_CLICKHOUSE_URL"),
            "{said}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_url_is_said_without_its_password() {
    for (url, reason) in [
        ("http://me:secret@db:8123/a-b", "a database's name has letters, digits and _"),
        ("tcp://me:secret@db:9000", "the scheme must be http or https"),
        ("http://me:secret@127.0.0.1:1", "ClickHouse could not be asked"),
    ] {
        for command in ["up", "status"] {
            let output = program(&[command]).env(URL, url).output().unwrap();
            assert!(!output.status.success());
            let said = err(&output) + &out(&output);
            assert!(said.contains(reason), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
