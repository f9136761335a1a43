//! A rollup changes while events come in: readers see the old table until the new one is whole.

use std::time::Duration;

use schema::epochs;
use schema::maintain::{Maintainer, Range};
use schema::migrate::{self, LockTimes, MIGRATIONS, MigrateError};
use schema::rollup::change::Silent;
use schema::rollup::tables::{RollupTable, State};
use schema::rollup::{ROLLUPS, Rollup, RollupError};
use schema::store::StoreUrl;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::house::{
    self, SHORT, at_epoch, changed, first_view, load, loader, maintainer, number, run, tables, view,
};

/// The tables of a rollup: version, epoch, state.
async fn of_rollup(maintainer: &Maintainer, name: &str) -> Vec<(u32, u32, State)> {
    let tables = maintainer.tables().await.unwrap();
    let own = tables.into_iter().filter(|table: &RollupTable| table.rollup == name);
    own.map(|table| (table.version, table.since, table.state)).collect()
}

async fn pageviews(store: &StoreUrl, table: &str) -> u64 {
    number(&store.client(), &format!("SELECT toUInt64(sum(pageviews)) FROM {table}")).await
}

async fn up(store: &StoreUrl, rollups: &'static [Rollup]) {
    migrate::up_with(store, MIGRATIONS, rollups, SHORT).await.unwrap();
}

async fn finish(store: &StoreUrl, rollups: &'static [Rollup]) -> Vec<String> {
    maintainer(store, rollups).finish(&mut Silent).await.unwrap()
}

async fn assert_sound(store: &StoreUrl, rollups: &'static [Rollup]) {
    let findings = maintainer(store, rollups).verify(Range::default(), &mut Silent).await.unwrap();
    assert!(findings.is_clean(), "{findings:#?}");
}

#[tokio::test]
async fn readers_see_the_old_version_until_the_new_one_is_whole() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let (client, site) = (store.client(), Uuid::new_v4());
    let second = changed(ROLLUPS, "pages", 2);
    let other = maintainer(&store, second);
    load(&client, "a", &[first_view(site), view(site)]).await;

    up(&store, second).await;
    assert_eq!(of_rollup(&other, "pages").await, [(1, 0, State::Current), (2, 1, State::Building)]);
    assert_eq!((pageviews(&store, "pages").await, pageviews(&store, "pages_1").await), (2, 0));
    // A loader that has taken up the change, and one that has not yet.
    load(&client, "b", &[at_epoch(1, view(site))]).await;
    load(&client, "c", &[at_epoch(0, view(site))]).await;
    assert_eq!((pageviews(&store, "pages").await, pageviews(&store, "pages_1").await), (4, 1));

    assert_eq!(finish(&store, second).await, ["pages"]);
    assert_eq!(of_rollup(&other, "pages").await, [(1, 0, State::Old), (2, 1, State::Current)]);
    let shown = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'pages'
                 AND create_table_query LIKE '%pages\\_1%'";
    assert_eq!(number(&client, shown).await, 1);
    assert_eq!((pageviews(&store, "pages").await, pageviews(&store, "pages_0").await), (4, 4));
    // The old one is kept, and filled, until it is pruned.
    load(&client, "d", &[at_epoch(2, view(site))]).await;
    assert_eq!((pageviews(&store, "pages").await, pageviews(&store, "pages_0").await), (5, 5));
    assert_sound(&store, second).await;
    assert_eq!(other.prune().await.unwrap(), ["pages_0"]);
    assert_eq!(other.prune().await.unwrap(), [""; 0]);
    assert_eq!(of_rollup(&other, "pages").await, [(2, 1, State::Current)]);
    assert!(!tables(&client).await.iter().any(|name| name.starts_with("pages_0")));
    assert_sound(&store, second).await;
}

#[tokio::test]
async fn every_rollup_changes_at_once_and_again() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let (client, site) = (store.client(), Uuid::new_v4());
    let mut rollups = ROLLUPS;
    for version in 2..4 {
        load(
            &client,
            &version.to_string(),
            &[at_epoch(epochs::current(&client).await.unwrap().number, first_view(site))],
        )
        .await;
        for rollup in ROLLUPS {
            rollups = changed(rollups, rollup.name, version);
        }
        up(&store, rollups).await;
        assert_eq!(finish(&store, rollups).await.len(), ROLLUPS.len());
        assert_eq!(finish(&store, rollups).await, [""; 0]);
        assert_sound(&store, rollups).await;
    }
    assert_eq!(maintainer(&store, rollups).prune().await.unwrap().len(), 2 * ROLLUPS.len());
    assert_sound(&store, rollups).await;
    assert_eq!(pageviews(&store, "site_totals").await, 2);
}

#[tokio::test]
async fn a_new_version_may_have_other_columns() {
    const WITHOUT: Rollup = Rollup {
        name: "event_types",
        version: 2,
        sql: "CREATE TABLE IF NOT EXISTS $table
(
    website_id UUID,
    day        Date,
    epoch      UInt32,
    events     Int64,
    views      Int64
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, epoch)
SETTINGS non_replicated_deduplication_window = 10000;

SELECT
    e.website_id                                AS website_id,
    e.day                                       AS day,
    e.epoch                                     AS epoch,
    toInt64(count())                            AS events,
    toInt64(countIf(e.event_type = 'page_view')) AS views
FROM events AS e
WHERE $scope AND NOT e.is_excluded
GROUP BY website_id, day, epoch;
",
    };
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    load(&store.client(), "a", &[first_view(Uuid::new_v4()), view(Uuid::new_v4())]).await;
    up(&store, &[WITHOUT]).await;
    finish(&store, &[WITHOUT]).await;
    assert_eq!(number(&store.client(), "SELECT toUInt64(sum(views)) FROM event_types").await, 2);
}

#[tokio::test]
async fn a_version_that_was_never_finished_makes_room_for_the_next() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let (client, site) = (store.client(), Uuid::new_v4());
    load(&client, "a", &[first_view(site)]).await;
    up(&store, changed(ROLLUPS, "pages", 2)).await;
    let third = changed(ROLLUPS, "pages", 3);
    up(&store, third).await;
    assert_eq!(
        of_rollup(&maintainer(&store, third), "pages").await,
        [(1, 0, State::Current), (3, 2, State::Building)]
    );
    assert!(!tables(&client).await.iter().any(|name| name.starts_with("pages_1")));
    finish(&store, third).await;
    assert_eq!(pageviews(&store, "pages").await, 1);
    assert_sound(&store, third).await;
}

#[tokio::test]
async fn an_edited_file_and_an_older_release_are_refused_and_nothing_changes() {
    let store = house::missing().await;
    let second = changed(ROLLUPS, "pages", 2);
    up(&store, second).await;
    let before = tables(&store.client()).await;
    let edited =
        migrate::up_with(&store, MIGRATIONS, house::edited(second, "pages"), SHORT).await.unwrap_err();
    assert!(
        matches!(&edited, MigrateError::Rollup(RollupError::Edited(name)) if name == "pages"),
        "{edited:?}"
    );
    assert!(
        edited.to_string().contains("pages was edited under the same version; give it a new version"),
        "{edited}"
    );
    let older = migrate::up(&store).await.unwrap_err();
    assert!(matches!(&older, MigrateError::Rollup(RollupError::Newer(name)) if name == "pages"), "{older:?}");
    assert!(older.to_string().contains("run a newer release"), "{older}");
    assert_eq!(tables(&store.client()).await, before);
    assert_sound(&store, second).await;
}

#[tokio::test]
async fn a_rollup_that_is_new_to_a_database_with_events_is_filled_with_them() {
    let store = house::missing().await;
    up(&store, house::without(ROLLUPS, "pages")).await;
    let (client, site) = (store.client(), Uuid::new_v4());
    load(&client, "a", &[first_view(site), view(site)]).await;
    up(&store, ROLLUPS).await;
    load(&client, "b", &[at_epoch(1, view(site))]).await;
    assert!(!tables(&client).await.contains(&"pages".to_owned()), "nobody sees it before it is whole");
    finish(&store, ROLLUPS).await;
    assert_eq!(pageviews(&store, "pages").await, 3);
    assert_sound(&store, ROLLUPS).await;
}

/// Several of one release: one is made, one is built anew, one goes on; all of them fill from the same epoch on.
#[tokio::test]
async fn what_is_made_beside_what_is_mended_misses_nothing() {
    let store = house::missing().await;
    up(&store, house::without(ROLLUPS, "pages")).await;
    let (client, site) = (store.client(), Uuid::new_v4());
    load(&client, "a", &[first_view(site)]).await;
    run(&client, "DROP TABLE devices_0_view SYNC").await;
    run(&client, "DROP TABLE sources_0 SYNC").await;
    let loader = loader(&store, "s", 0).await;
    let following = tokio::spawn(async move { loader.follow_on().await });
    up(&store, ROLLUPS).await;
    load(&client, "b", &[at_epoch(epochs::current(&client).await.unwrap().number, view(site))]).await;
    finish(&store, ROLLUPS).await;
    assert_sound(&store, ROLLUPS).await;
    following.abort();
    assert_eq!(pageviews(&store, "devices").await, 2);
}

/// The rollups of a release before there were epochs: `site_totals` was a table.
#[tokio::test]
async fn a_database_of_an_earlier_release_is_taken_over() {
    let store = house::missing().await;
    migrate::up_with(&store, &MIGRATIONS[..8], &[], LockTimes::default()).await.unwrap();
    let client = store.client();
    run(
        &client,
        "CREATE TABLE site_totals (website_id UUID, n Int64) ENGINE = SummingMergeTree ORDER BY website_id",
    )
    .await;
    run(&client, "CREATE MATERIALIZED VIEW site_totals_view TO site_totals AS SELECT website_id, toInt64(1) AS n FROM events").await;
    run(&client, "INSERT INTO schema_migrations (name, checksum) VALUES ('rollup_site_totals', 'x')").await;
    run(&client, "INSERT INTO events (website_id, day, time, received_at, event_type, session_id, session_start, session_day, visits, path)
                  SELECT generateUUIDv4(), '2026-03-02', '2026-03-02 12:00:00', '2026-03-02 12:00:01', 'page_view', 7, '2026-03-02 12:00:00', '2026-03-02', 1, '/'").await;
    migrate::up(&store).await.unwrap();
    finish(&store, ROLLUPS).await;
    assert_eq!(pageviews(&store, "site_totals").await, 1);
    assert_sound(&store, ROLLUPS).await;
}

/// Wherever the first start is cut off, the next one finishes it.
#[tokio::test]
async fn a_first_start_that_was_cut_off_is_finished_by_the_next() {
    let mut runs = JoinSet::new();
    for millis in [80, 350, 600, 900] {
        runs.spawn(async move {
            let store = house::missing().await;
            let cut = migrate::up_with(&store, MIGRATIONS, ROLLUPS, SHORT);
            let _ = tokio::time::timeout(Duration::from_millis(millis), cut).await;
            up(&store, ROLLUPS).await;
            assert_eq!(finish(&store, ROLLUPS).await, [""; 0], "an empty database has nothing to build");
            load(&store.client(), "a", &[first_view(Uuid::new_v4())]).await;
            assert_sound(&store, ROLLUPS).await;
        });
    }
    runs.join_all().await;
}

/// Wherever a change is cut off: while its tables are made, while it is built, while readers are moved.
#[tokio::test]
async fn a_change_that_was_cut_off_is_finished_by_the_next_run() {
    let mut runs = JoinSet::new();
    for millis in [40, 150, 400, 900] {
        runs.spawn(change_cut_off_after(Duration::from_millis(millis)));
    }
    runs.join_all().await;
}

async fn change_cut_off_after(time: Duration) {
    let store = house::missing().await;
    up(&store, house::without(ROLLUPS, "places")).await;
    let (client, site) = (store.client(), Uuid::new_v4());
    load(&client, "a", &[first_view(site)]).await;
    let loader = loader(&store, "s", 0).await;
    let second = changed(ROLLUPS, "pages", 2);
    let follower = loader.clone();
    let following = tokio::spawn(async move { follower.follow_on().await });
    let work = async {
        up(&store, second).await;
        let _ = maintainer(&store, second).finish(&mut Silent).await;
    };
    let _ = tokio::time::timeout(time, work).await;
    // Another work in between: it begins an epoch of its own, under which events come in.
    maintainer(&store, second).verify(Range::default(), &mut Silent).await.unwrap();
    let newest = epochs::current(&client).await.unwrap().number;
    load(&client, "b", &[at_epoch(newest, view(site))]).await;
    up(&store, second).await;
    finish(&store, second).await;
    assert_sound(&store, second).await;
    following.abort();
    assert_eq!((pageviews(&store, "pages").await, pageviews(&store, "places").await), (2, 2), "{time:?}");
    let states = of_rollup(&maintainer(&store, second), "pages").await;
    assert_eq!(states.last().unwrap().2, State::Current, "{states:?}");
}

/// Readers were moved and the maintainer died before it said that the table before is old.
#[tokio::test]
async fn of_two_tables_that_readers_are_said_to_see_the_newer_one_is_meant() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    load(&store.client(), "a", &[first_view(Uuid::new_v4())]).await;
    let second = changed(ROLLUPS, "pages", 2);
    up(&store, second).await;
    finish(&store, second).await;
    run(&store.client(), "INSERT INTO rollup_tables (rollup, table_name, version, checksum, since_epoch, state)
                          SELECT rollup, table_name, version, checksum, since_epoch, 'current' FROM rollup_tables
                          WHERE table_name = 'pages_0' AND state = 'old'").await;
    let other = maintainer(&store, second);
    assert_eq!(of_rollup(&other, "pages").await, [(1, 0, State::Old), (2, 1, State::Current)]);
    assert_eq!(other.prune().await.unwrap(), ["pages_0"]);
    assert_sound(&store, second).await;
}

/// What a full disk, a quota or a table made read-only do to a build: it stops, readers stay where they are, and the same
/// command goes on.
#[tokio::test]
async fn a_build_that_the_store_refuses_in_the_midst_goes_on_later() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let (client, site) = (store.client(), Uuid::new_v4());
    load(&client, "a", &[first_view(site)]).await;
    let second = changed(ROLLUPS, "pages", 2);
    up(&store, second).await;
    run(&client, "ALTER TABLE pages_1 ADD CONSTRAINT full CHECK pageviews < 0").await;
    let refusal = maintainer(&store, second).finish(&mut Silent).await.unwrap_err();
    assert!(refusal.to_string().contains("ClickHouse failed while rollups were at work"), "{refusal}");
    assert!(
        std::error::Error::source(&refusal)
            .is_some_and(|cause| cause.to_string().contains("VIOLATED_CONSTRAINT")),
        "{refusal:?}"
    );
    assert_eq!(pageviews(&store, "pages").await, 1, "readers see the table before");
    assert!(!tables(&client).await.iter().any(|name| name.starts_with("migration_lock")), "the lock is free");
    run(&client, "ALTER TABLE pages_1 DROP CONSTRAINT full").await;
    assert_eq!(finish(&store, second).await, ["pages"]);
    assert_sound(&store, second).await;
}
