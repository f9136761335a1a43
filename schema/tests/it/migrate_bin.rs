//! The program `migrate`, as an operator runs it.

use std::process::{Child, Command, Output, Stdio};

use schema::migrate::MIGRATIONS;
use schema::rollup::{ROLLUPS, Rollup};
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
    let current = |rollup: &Rollup| {
        format!("{:<28} version {}, current\n", [rollup.name, "_0"].concat(), rollup.version)
    };
    let rollups: Vec<String> = ROLLUPS.iter().map(current).collect();
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

/// Runs it to its end; the code, what it printed, and what it complained of.
fn ran(url: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program(arguments).env(URL, url).output().unwrap();
    (output.status.code(), out(&output), err(&output))
}

#[tokio::test]
async fn plan_tells_what_up_would_do_and_changes_nothing() {
    let (store, url) = missing().await;
    let (code, said, complained) = ran(&url, &["plan"]);
    assert_eq!(code, Some(0), "{complained}");
    let expected = MIGRATIONS.iter().map(|file| format!("run      {}", file.name));
    let built = ROLLUPS.iter().map(|rollup| {
        format!(
            "build    {}: from nothing to version {}; 0 events of 0 days to read, about 0 s; the table now has 0 kB",
            rollup.name, rollup.version
        )
    });
    assert_eq!(said.lines().collect::<Vec<_>>(), expected.chain(built).collect::<Vec<_>>());
    let exists = format!("SELECT count() FROM system.databases WHERE name = '{}'", store.database());
    assert_eq!(number(&store.server(), &exists).await, 0);
    assert_eq!(ran(&url, &["up"]).0, Some(0));
    assert_eq!(ran(&url, &["plan"]), (Some(0), "There is nothing to do.\n".to_owned(), String::new()));
}

#[tokio::test]
async fn verify_fails_with_what_it_found_and_rebuild_repairs_it() {
    let (store, url) = missing().await;
    schema::migrate::up(&store).await.unwrap();
    let client = store.client();
    let site = uuid::Uuid::new_v4();
    house::load(&client, "a", &[house::first_view(site)]).await;
    let (code, said, complained) = ran(&url, &["verify"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "Structure and rollups are as they should be.\n"),
        "{complained}"
    );

    house::plant(&client, "pages_0", site, "pageviews", 1).await;
    let (code, said, complained) = ran(&url, &["verify"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&format!("pages: ('{site}','2026-03-02',false,'/planted','') lacks pageviews -1\n")),
        "{said}"
    );
    assert!(
        complained.contains("the store is not as it should be: pages differs in 1 keys on 1 days"),
        "{complained}"
    );

    for arguments in [&["rebuild", "devices"][..], &["rebuild", "pages", "--to", "2026-03-01"]] {
        assert_eq!(ran(&url, arguments).0, Some(0));
        assert_eq!(ran(&url, &["verify"]).0, Some(1), "that was not about it");
    }
    let day =
        ["rebuild", "pages", "--from", "2026-03-02", "--to", "2026-03-02", "--website", &site.to_string()];
    let (code, said, complained) = ran(&url, &day);
    assert_eq!((code, said.as_str()), (Some(0), "pages equals the events.\n"), "{complained}");
    assert_eq!(ran(&url, &["verify"]).0, Some(0));
    let (code, said, _) = ran(&url, &["rebuild"]);
    assert_eq!((code, said.as_str()), (Some(0), "Every rollup equals the events.\n"));
    let (code, _, complained) = ran(&url, &["rebuild", "nothing"]);
    assert_eq!(code, Some(1));
    assert!(complained.contains("there is no rollup nothing"), "{complained}");
}

#[tokio::test]
async fn what_another_took_the_place_of_is_pruned() {
    let (store, url) = missing().await;
    let old = house::changed(ROLLUPS, "pages", 0);
    schema::migrate::up_with(&store, MIGRATIONS, old, house::SHORT).await.unwrap();
    house::load(&store.client(), "a", &[house::first_view(uuid::Uuid::new_v4())]).await;
    assert!(
        ran(&url, &["plan"]).1.starts_with("build    pages: from version 0 to version 1; 1 events of 1 days")
    );
    let (code, said, complained) = ran(&url, &["up"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "The database is up to date.\nBuilt: pages.\n"),
        "{complained}"
    );
    assert!(ran(&url, &["plan"]).1.starts_with("prune    pages_0 can be dropped"));
    assert_eq!(ran(&url, &["prune"]).1, "Dropped: pages_0.\n");
    assert_eq!(ran(&url, &["prune"]).1, "There is nothing to drop.\n");
    assert_eq!(ran(&url, &["verify"]).0, Some(0));
}

#[tokio::test]
async fn a_stream_is_retired_by_its_name() {
    let (store, url) = missing().await;
    schema::migrate::up(&store).await.unwrap();
    house::loader(&store, "gone", 0).await;
    house::loader(&store, "gone", 1).await;
    let (code, _, complained) = ran(&url, &["retire", "other"]);
    assert_eq!(code, Some(1));
    assert!(complained.contains("there is no stream other that is waited for"), "{complained}");
    let (code, said, complained) = ran(&url, &["retire", "gone"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "2 partitions of gone are not waited for any more.\n"),
        "{complained}"
    );
    assert_eq!(ran(&url, &["retire", "gone"]).0, Some(1), "once is enough");
}
