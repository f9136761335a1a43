//! What somebody did to the structure by hand is told, each with a sentence, and what can be made again is.

use schema::maintain::Range;
use schema::migrate::{self, MIGRATIONS};
use schema::rollup::ROLLUPS;
use schema::rollup::change::Silent;
use schema::store::StoreUrl;
use uuid::Uuid;

use crate::house::{self, SHORT, changed, first_view, load, maintainer, number, run, view};

async fn with_a_visit() -> (StoreUrl, Uuid) {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let site = Uuid::new_v4();
    load(&store.client(), "a", &[first_view(site), view(site)]).await;
    (store, site)
}

async fn sentences(store: &StoreUrl) -> Vec<String> {
    let findings = maintainer(store, ROLLUPS).verify(Range::default(), &mut Silent).await.unwrap();
    assert!(findings.differences.is_empty(), "{findings:#?}");
    findings.structure
}

#[tokio::test]
async fn nothing_is_found_in_a_sound_database() {
    let (store, _) = with_a_visit().await;
    assert_eq!(sentences(&store).await, [""; 0]);
    let databases =
        format!("SELECT count() FROM system.databases WHERE startsWith(name, '{}_')", store.database());
    assert_eq!(number(&store.server(), &databases).await, 0, "the model is gone");
}

#[tokio::test]
async fn what_was_done_by_hand_is_told_by_name() {
    let (store, _) = with_a_visit().await;
    let client = store.client();
    for done in [
        "DROP TABLE salts SYNC",
        "DROP TABLE identified_0 SYNC",
        "DROP VIEW sources_0_view SYNC",
        "DROP VIEW site_totals SYNC",
        "DROP VIEW stream_positions_view SYNC",
        "ALTER TABLE events ADD COLUMN mine String",
        "ALTER TABLE devices_0 ADD COLUMN mine Int64",
        "ALTER TABLE event_types_0 DROP COLUMN events",
        "ALTER TABLE places_0_view MODIFY QUERY SELECT website_id, day, epoch FROM events",
        "CREATE OR REPLACE VIEW pages AS SELECT * FROM pages_0 WHERE NOT is_bot",
        "ALTER TABLE schema_migrations UPDATE checksum = 'x' WHERE name = '0004_salts' SETTINGS mutations_sync = 2",
        "INSERT INTO schema_migrations (name, checksum) VALUES ('9999_future', 'x')",
    ] {
        run(&client, done).await;
    }
    let mut told = vec![
        "devices_0 is not as the files make it: it has ``mine` Int64",
        "event_types_0 is not as the files make it: ",
        "events is not as the files make it: it has ``mine` String`",
        "identified_0 is missing",
        "pages is not as the files make it: it has `WHERE ",
        "places_0_view is not as the files make it: ",
        "salts is missing",
        "site_totals is missing",
        "sources_0_view is missing",
        "stream_positions_view is missing",
        "the migration 0004_salts is edited after it ran",
        "the migration 9999_future is unknown to this release",
    ];
    let found = sentences(&store).await;
    told.retain(|phrase| !found.iter().any(|sentence| sentence.starts_with(phrase)));
    assert!(told.is_empty() && found.len() == 12, "not told: {told:#?}, found: {found:#?}");
}

#[tokio::test]
async fn without_the_events_only_the_structure_is_told() {
    let (store, _) = with_a_visit().await;
    run(&store.client(), "DROP TABLE events SYNC").await;
    assert!(sentences(&store).await.contains(&"events is missing".to_owned()));
}

#[tokio::test]
async fn a_database_before_its_migrations_is_told_of_and_not_changed() {
    let store = house::missing().await;
    migrate::up_with(&store, &MIGRATIONS[..3], &[], SHORT).await.unwrap();
    let before = house::tables(&store.client()).await;
    let found = sentences(&store).await;
    assert!(found.contains(&"the migration 0004_salts is pending".to_owned()), "{found:?}");
    assert_eq!(house::tables(&store.client()).await, before);
}

#[tokio::test]
async fn rollups_of_other_releases_are_told_as_such() {
    let (store, _) = with_a_visit().await;
    let newer = maintainer(&store, changed(ROLLUPS, "pages", 2));
    let findings = newer.verify(Range::default(), &mut Silent).await.unwrap();
    assert_eq!(findings.structure, ["the rollup pages is not built in version 2"]);
    migrate::up_with(&store, MIGRATIONS, changed(ROLLUPS, "pages", 2), SHORT).await.unwrap();
    let findings = newer.verify(Range::default(), &mut Silent).await.unwrap();
    assert_eq!(findings.structure, ["the rollup pages is being built"]);
    newer.finish(&mut Silent).await.unwrap();
    let older = maintainer(&store, ROLLUPS).verify(Range::default(), &mut Silent).await.unwrap();
    assert_eq!(
        older.structure,
        ["the database has a newer version of the rollup pages; run a newer release"]
    );
}

#[tokio::test]
async fn a_rollup_that_was_dropped_by_hand_is_built_again() {
    for dropped in [&["pages_0_view"][..], &["pages"], &["pages_0", "pages_0_view", "pages"]] {
        let (store, site) = with_a_visit().await;
        let client = store.client();
        for name in dropped {
            run(&client, &format!("DROP TABLE {name} SYNC")).await;
        }
        migrate::up(&store).await.unwrap();
        let newest = schema::epochs::current(&client).await.unwrap().number;
        load(&client, "b", &[house::at_epoch(newest, view(site))]).await;
        maintainer(&store, ROLLUPS).finish(&mut Silent).await.unwrap();
        assert_eq!(number(&client, "SELECT toUInt64(sum(pageviews)) FROM pages").await, 3, "{dropped:?}");
        assert_eq!(sentences(&store).await, [""; 0], "{dropped:?}");
    }
}
