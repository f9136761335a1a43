//! `up` brings a database up to date, once, or says why not; `status` tells how it stands.

use schema::migrate::{self, LockTimes, MIGRATIONS, MigrateError, Migration, State};
use schema::store::StoreUrl;
use tokio::task::JoinSet;

use crate::house::{self, number, run, tables};

fn names(files: &[Migration]) -> Vec<&'static str> {
    files.iter().map(|file| file.name).collect()
}

/// The recorded migrations in the order in which they ran.
async fn recorded(store: &StoreUrl) -> Vec<String> {
    house::rows(&store.client(), "SELECT name FROM schema_migrations ORDER BY applied_at, name").await
}

async fn states(store: &StoreUrl) -> Vec<(String, State)> {
    migrate::status(store).await.unwrap()
}

fn all(state: State) -> Vec<(String, State)> {
    MIGRATIONS.iter().map(|file| (file.name.to_owned(), state)).collect()
}

#[tokio::test]
async fn the_first_up_applies_everything_in_order_and_the_second_nothing() {
    let store = house::missing().await;
    assert_eq!(migrate::up(&store).await.unwrap(), names(MIGRATIONS));
    assert_eq!(recorded(&store).await, names(MIGRATIONS));
    assert_eq!(migrate::up(&store).await.unwrap(), [""; 0]);
    assert_eq!(recorded(&store).await, names(MIGRATIONS));
}

#[tokio::test]
async fn up_makes_the_database_that_the_url_names_and_leaves_no_lock() {
    let store = house::missing().await;
    let exists = format!("SELECT count() FROM system.databases WHERE name = '{}'", store.database());
    assert_eq!(number(&store.server(), &exists).await, 0);
    migrate::up(&store).await.unwrap();
    assert_eq!(number(&store.server(), &exists).await, 1);
    let expected = [
        "accounts",
        "dead_letter_replays",
        "dead_letters",
        "events",
        "salts",
        "schema_migrations",
        "site_totals",
        "site_totals_0",
        "site_totals_0_view",
    ];
    let made = tables(&store.client()).await;
    assert_eq!(
        made.iter().filter(|name| expected.contains(&name.as_str())).count(),
        expected.len(),
        "{made:?}"
    );
    assert!(!made.iter().any(|name| name.starts_with("migration_lock")), "{made:?}");
}

#[tokio::test]
async fn up_works_in_a_database_that_holds_other_things() {
    let store = house::empty().await;
    run(&store.client(), "CREATE TABLE theirs (n UInt8) ENGINE = MergeTree ORDER BY n").await;
    run(&store.client(), "INSERT INTO theirs VALUES (7)").await;
    assert_eq!(migrate::up(&store).await.unwrap(), names(MIGRATIONS));
    assert_eq!(number(&store.client(), "SELECT toUInt64(sum(n)) FROM theirs").await, 7);
}

#[tokio::test]
async fn status_tells_what_is_pending_and_what_is_applied_and_makes_nothing() {
    let store = house::missing().await;
    assert_eq!(states(&store).await, all(State::Pending));
    let exists = format!("SELECT count() FROM system.databases WHERE name = '{}'", store.database());
    assert_eq!(number(&store.server(), &exists).await, 0);

    migrate::up_with(&store, &MIGRATIONS[..2], &[], LockTimes::default()).await.unwrap();
    let halfway = states(&store).await;
    assert_eq!(halfway[..2], all(State::Applied)[..2]);
    assert_eq!(halfway[2..], all(State::Pending)[2..]);

    assert_eq!(migrate::up(&store).await.unwrap(), names(&MIGRATIONS[2..]));
    assert_eq!(states(&store).await, all(State::Applied));
}

#[tokio::test]
async fn an_edited_migration_is_refused_before_anything_runs() {
    let store = house::missing().await;
    migrate::up_with(&store, &MIGRATIONS[..2], &[], LockTimes::default()).await.unwrap();
    run(
        &store.client(),
        "ALTER TABLE schema_migrations UPDATE checksum = 'other' WHERE name = '0002_dead_letters'
         SETTINGS mutations_sync = 2",
    )
    .await;
    let before = tables(&store.client()).await;

    let refusal = migrate::up(&store).await.unwrap_err();
    assert!(matches!(&refusal, MigrateError::Edited(name) if name == "0002_dead_letters"), "{refusal:?}");
    assert!(refusal.to_string().contains("0002_dead_letters was edited after it ran"), "{refusal}");
    assert_eq!(tables(&store.client()).await, before, "nothing ran and no lock is left");
    assert_eq!(states(&store).await[1], ("0002_dead_letters".to_owned(), State::Edited));
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused_before_anything_runs() {
    let store = house::missing().await;
    migrate::up_with(&store, &MIGRATIONS[..2], &[], LockTimes::default()).await.unwrap();
    run(&store.client(), "INSERT INTO schema_migrations (name, checksum) VALUES ('9999_future', 'x')").await;
    let before = tables(&store.client()).await;

    let refusal = migrate::up(&store).await.unwrap_err();
    assert!(matches!(&refusal, MigrateError::Unknown(name) if name == "9999_future"), "{refusal:?}");
    assert!(refusal.to_string().contains("run a newer release"), "{refusal}");
    assert_eq!(tables(&store.client()).await, before, "nothing ran and no lock is left");
    assert_eq!(states(&store).await.last(), Some(&("9999_future".to_owned(), State::Unknown)));
}

const SOUND: Migration = Migration {
    name: "0001_sound",
    sql: "CREATE TABLE IF NOT EXISTS sound (n UInt8) ENGINE = MergeTree ORDER BY n;\n",
};
const BROKEN: &[Migration] = &[
    SOUND,
    Migration {
        name: "0002_next",
        sql: "CREATE TABLE IF NOT EXISTS half (n UInt8) ENGINE = MergeTree ORDER BY n;\n\
              ALTER TABLE nowhere ADD COLUMN IF NOT EXISTS m UInt8;\n",
    },
];
const MENDED: &[Migration] = &[
    SOUND,
    Migration {
        name: "0002_next",
        sql: "CREATE TABLE IF NOT EXISTS half (n UInt8) ENGINE = MergeTree ORDER BY n;\n\
              ALTER TABLE half ADD COLUMN IF NOT EXISTS m UInt8;\n",
    },
];

#[tokio::test]
async fn a_statement_that_fails_is_named_and_its_file_runs_again_once_it_is_mended() {
    let store = house::missing().await;
    let failure = migrate::up_with(&store, BROKEN, &[], LockTimes::default()).await.unwrap_err();
    assert!(matches!(&failure, MigrateError::Failed { name, .. } if name == "0002_next"), "{failure:?}");
    assert_eq!(recorded(&store).await, ["0001_sound"]);
    assert_eq!(tables(&store.client()).await, ["half", "schema_migrations", "sound"], "no lock is left");

    assert_eq!(migrate::up_with(&store, MENDED, &[], LockTimes::default()).await.unwrap(), ["0002_next"]);
    assert_eq!(recorded(&store).await, ["0001_sound", "0002_next"]);
}

#[tokio::test]
async fn two_at_once_apply_everything_once() {
    at_once(2).await;
}

#[tokio::test]
async fn eight_at_once_apply_everything_once() {
    at_once(8).await;
}

async fn at_once(migrators: usize) {
    let store = house::missing().await;
    let mut runs = JoinSet::new();
    for _ in 0..migrators {
        let store = store.clone();
        runs.spawn(async move { migrate::up(&store).await });
    }
    let mut ran: Vec<_> = runs.join_all().await.into_iter().flat_map(|outcome| outcome.unwrap()).collect();
    ran.sort_unstable();
    assert_eq!(ran, names(MIGRATIONS));
    assert_eq!(recorded(&store).await, names(MIGRATIONS));
    let left = tables(&store.client()).await;
    assert!(!left.iter().any(|name| name.starts_with("migration_lock")), "{left:?}");
}

/// A repeat may come 24 hours later, from a stream that keeps events for seven days; a log may be imported again in a year.
#[tokio::test]
async fn an_event_id_lapses_after_ten_days_unless_the_event_was_received_later_than_it_happened() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let client = store.client();
    // In one insert, and so in one part of the store for each month.
    run(
        &client,
        "INSERT INTO events (website_id, day, time, received_after_ms, path, event_id)
         SELECT generateUUIDv4(), toDate(at), at, after, path, generateUUIDv4() FROM VALUES(
             'at DateTime64(3), after Int64, path String',
             (now64(3, 'UTC') - toIntervalHour(1), 0, '/now'),
             (now64(3, 'UTC') - toIntervalHour(10 * 24 - 1), 0, '/nine days'),
             (now64(3, 'UTC') - toIntervalHour(10 * 24 + 1), 0, '/ten days'),
             (now64(3, 'UTC') - toIntervalHour(10 * 24 + 1), 1, '/ten days, from a log'),
             (toDateTime64('2015-05-17 10:05:03', 3, 'UTC'), 300000000000, '/years, from a log'))",
    )
    .await;
    run(&client, "OPTIMIZE TABLE events FINAL").await;
    let kept: Vec<String> = house::rows(
        &client,
        "SELECT path FROM events WHERE event_id != toUUID('00000000-0000-0000-0000-000000000000') ORDER BY time, path",
    )
    .await;
    assert_eq!(kept, ["/years, from a log", "/ten days, from a log", "/nine days", "/now"]);
    assert_eq!(number(&client, "SELECT count() FROM events").await, 5, "the events stay");
}
