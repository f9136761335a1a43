//! The lock: the living keep it, the dead lose it, and nobody takes it from somebody else.

use std::time::Duration;

use schema::migrate::{self, LockTimes, MigrateError, Migration};

use crate::house::{self, SHORT, number, run, tables};

const LOCK: &str = "CREATE TABLE migration_lock (holder UUID, beat DateTime64(3, 'UTC') DEFAULT now64(3))
                    ENGINE = MergeTree ORDER BY beat";

const ONE: &[Migration] = &[Migration {
    name: "0001_one",
    sql: "CREATE TABLE IF NOT EXISTS one (n UInt8) ENGINE = MergeTree ORDER BY n;\n",
}];

const RECORDED: &str = "SELECT count() FROM schema_migrations";

#[tokio::test]
async fn the_lock_of_a_migrator_that_died_is_taken_over() {
    let store = house::empty().await;
    let client = store.client();
    run(&client, LOCK).await;
    run(&client, "INSERT INTO migration_lock VALUES (generateUUIDv4(), '2020-01-01 00:00:00')").await;
    assert_eq!(migrate::up_with(&store, ONE, &[], SHORT).await.unwrap(), ["0001_one"]);
    assert_eq!(tables(&client).await, ["one", "schema_migrations"], "the dead one's lock is gone");
}

/// It died between making the lock and its first heartbeat. Its table, kept for a heartbeat's time for others who
/// look, is gone when `up` is over: the process may end then.
#[tokio::test]
async fn a_lock_without_a_heartbeat_is_taken_over() {
    let store = house::empty().await;
    run(&store.client(), LOCK).await;
    let slow_heart = LockTimes { heartbeat: Duration::from_millis(1500), ..SHORT };
    assert_eq!(migrate::up_with(&store, ONE, &[], slow_heart).await.unwrap(), ["0001_one"]);
    assert_eq!(tables(&store.client()).await, ["one", "schema_migrations"]);
}

#[tokio::test]
async fn of_many_who_wait_for_a_dead_one_each_gets_its_turn() {
    let store = house::empty().await;
    run(&store.client(), LOCK).await;
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = store.clone();
        runs.spawn(async move { migrate::up_with(&store, ONE, &[], SHORT).await });
    }
    let ran: Vec<_> = runs.join_all().await.into_iter().flat_map(|outcome| outcome.unwrap()).collect();
    assert_eq!(ran, ["0001_one"]);
    assert_eq!(number(&store.client(), RECORDED).await, 1);
    assert_eq!(tables(&store.client()).await, ["one", "schema_migrations"]);
}

#[tokio::test]
async fn a_migration_longer_than_the_patience_keeps_its_lock() {
    const LONG: &[Migration] = &[Migration {
        name: "0001_long",
        sql: "SELECT sleep(3) FORMAT Null;\nSELECT sleep(1) FORMAT Null;\n",
    }];
    let store = house::missing().await;
    let first = tokio::spawn({
        let store = store.clone();
        async move { migrate::up_with(&store, LONG, &[], SHORT).await }
    });
    let other = async {
        // It comes when the first is at work.
        let at_work = format!(
            "SELECT count() FROM system.tables WHERE database = '{}' AND name = 'schema_migrations'",
            store.database()
        );
        while number(&store.server(), &at_work).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        migrate::up_with(&store, LONG, &[], SHORT).await
    };
    assert_eq!(other.await.unwrap(), [""; 0]);
    assert_eq!(first.await.unwrap().unwrap(), ["0001_long"]);
    assert_eq!(number(&store.client(), RECORDED).await, 1);
}

#[tokio::test]
async fn who_waits_for_the_living_too_long_gives_up_and_changes_nothing() {
    let store = house::empty().await;
    run(&store.client(), LOCK).await;
    run(&store.client(), "INSERT INTO migration_lock (holder) VALUES (generateUUIDv4())").await;
    let impatient = LockTimes { wait: Duration::from_millis(200), ..LockTimes::default() };
    let refusal = migrate::up_with(&store, ONE, &[], impatient).await.unwrap_err();
    assert!(matches!(refusal, MigrateError::Locked(_)), "{refusal:?}");
    assert_eq!(tables(&store.client()).await, ["migration_lock"]);
    assert_eq!(number(&store.client(), "SELECT count() FROM migration_lock").await, 1);
}

/// A migrator that was held to be dead, and was only slow, meets the lock of the one that took over.
#[tokio::test]
async fn nobody_releases_the_lock_of_another() {
    const OVERTAKEN: &[Migration] = &[Migration {
        name: "0001_overtaken",
        sql: "RENAME TABLE migration_lock TO set_aside;\n\
              CREATE TABLE migration_lock (holder UUID, beat DateTime64(3, 'UTC') DEFAULT now64(3))\n\
              ENGINE = MergeTree ORDER BY beat;\n\
              INSERT INTO migration_lock (holder) VALUES (generateUUIDv4());\n",
    }];
    let store = house::missing().await;
    migrate::up_with(&store, OVERTAKEN, &[], LockTimes::default()).await.unwrap();
    assert_eq!(tables(&store.client()).await, ["migration_lock", "schema_migrations", "set_aside"]);
}
