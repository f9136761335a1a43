//! Rollups are compared with the events, to the unit, and made equal to them, and nothing else is touched.

use clickhouse::Client;
use schema::maintain::{Maintainer, Range};
use schema::migrate;
use schema::rollup::ROLLUPS;
use schema::rollup::change::Silent;
use schema::rollup::recount::Difference;
use schema::rows::{Day, EventRow};
use uuid::Uuid;

use crate::house::{
    self, MONDAY, at_epoch, first_view, load, loader, maintainer, number, plant, run, utc, view,
};

/// A database of its own with a website.
struct House {
    client: Client,
    maintainer: Maintainer,
    site: Uuid,
}

impl House {
    async fn new() -> Self {
        let store = house::missing().await;
        migrate::up(&store).await.unwrap();
        let maintainer = maintainer(&store, ROLLUPS);
        Self { client: store.client(), maintainer, site: Uuid::new_v4() }
    }

    /// One with a visit of two views on Monday.
    async fn with_a_visit() -> Self {
        let house = Self::new().await;
        house.load(&[first_view(house.site), view(house.site)]).await;
        house
    }

    async fn load(&self, events: &[EventRow]) {
        load(&self.client, &Uuid::new_v4().to_string(), events).await;
    }

    async fn plant(&self, table: &str, column: &str, by: i64) {
        plant(&self.client, table, self.site, column, by).await;
    }

    async fn number(&self, sql: &str) -> u64 {
        number(&self.client, sql).await
    }

    async fn differences(&self, range: Range) -> Vec<(String, Vec<Difference>)> {
        self.maintainer.verify(range, &mut Silent).await.unwrap().differences
    }

    /// The rollups that differ.
    async fn wrong(&self) -> Vec<String> {
        self.differences(Range::default()).await.into_iter().map(|(rollup, _)| rollup).collect()
    }

    async fn rebuild(&self, rollup: Option<&str>, range: Range) {
        self.maintainer.rebuild(rollup, range, &mut Silent).await.unwrap();
    }

    async fn assert_sound(&self) {
        let findings = self.maintainer.verify(Range::default(), &mut Silent).await.unwrap();
        assert!(findings.is_clean(), "{findings:#?}");
    }
}

fn only(day: Day) -> Range {
    Range { from: day, to: day, website: None }
}

#[tokio::test]
async fn one_too_many_is_found_with_website_day_key_and_column_and_repaired() {
    let house = House::with_a_visit().await;
    let planted = [
        ("devices", "visits"),
        ("event_types", "events"),
        ("identified", "events"),
        ("pages", "entry_duration_ms"),
        ("places", "bounces"),
        ("site_totals", "visitors"),
        ("sources", "pageviews"),
    ];
    for (rollup, column) in planted {
        house.plant(&[rollup, "_0"].concat(), column, 1).await;
    }
    let found = house.differences(Range::default()).await;
    assert_eq!(found.len(), planted.len(), "{found:?}");
    for ((rollup, column), (found_rollup, differences)) in planted.iter().zip(&found) {
        assert_eq!(found_rollup, rollup);
        let [difference] = &differences[..] else { panic!("{found:?}") };
        assert_eq!((difference.website_id, difference.day), (house.site, MONDAY));
        assert_eq!(difference.columns, [((*column).to_owned(), -1)]);
        assert!(
            difference.key.starts_with(&format!("('{}','2026-03-02',", house.site)),
            "{}",
            difference.key
        );
    }
    house.rebuild(Some("pages"), Range::default()).await;
    let others = ["devices", "event_types", "identified", "places", "site_totals", "sources"];
    assert_eq!(house.wrong().await, others);
    house.rebuild(None, Range::default()).await;
    house.assert_sound().await;
}

#[tokio::test]
async fn the_same_mistake_is_found_and_repaired_again() {
    let house = House::with_a_visit().await;
    for _ in 0..3 {
        house.plant("pages_0", "pageviews", 1).await;
        assert_eq!(house.wrong().await, ["pages"]);
        house.rebuild(None, Range::default()).await;
        house.assert_sound().await;
    }
}

#[tokio::test]
async fn an_event_that_came_or_went_behind_the_views_is_found_in_every_rollup_that_it_tells_of() {
    let house = House::with_a_visit().await;
    run(&house.client, "DETACH TABLE pages_0_view SYNC").await;
    run(&house.client, "DETACH TABLE sources_0_view SYNC").await;
    house.load(&[EventRow { path: "/late".into(), ..view(house.site) }]).await;
    run(&house.client, "ATTACH TABLE pages_0_view").await;
    run(&house.client, "ATTACH TABLE sources_0_view").await;
    assert_eq!(house.wrong().await, ["pages", "sources"]);
    house.rebuild(None, Range::default()).await;
    house.assert_sound().await;

    run(&house.client, "ALTER TABLE events DELETE WHERE visits = 1 SETTINGS mutations_sync = 2").await;
    assert_eq!(house.wrong().await, ["devices", "event_types", "pages", "places", "site_totals", "sources"]);
    house.rebuild(None, Range::default()).await;
    house.assert_sound().await;
    assert_eq!(house.number("SELECT toUInt64(sum(visits)) FROM site_totals").await, 0);
}

#[tokio::test]
async fn a_rebuild_repairs_the_days_and_the_website_that_it_is_told_and_no_others() {
    let house = House::new().await;
    let other = Uuid::new_v4();
    for site in [house.site, other] {
        for day in [MONDAY, MONDAY + 1, MONDAY + 40] {
            let time = utc(day, 12, 0);
            let event = first_view(site);
            house.load(&[EventRow { day, time, session_start: time, session_day: day, ..event }]).await;
        }
    }
    run(
        &house.client,
        "INSERT INTO site_totals_0 SELECT * REPLACE (visits + 1 AS visits) FROM site_totals_0 SETTINGS insert_deduplicate = 0",
    )
    .await;
    let left = async || {
        let found = house.differences(Range::default()).await;
        let keys = found.into_iter().flat_map(|(_, differences)| differences);
        let mut keys: Vec<_> = keys.map(|difference| (difference.website_id, difference.day)).collect();
        keys.sort();
        keys
    };
    assert_eq!(left().await.len(), 6);
    house.rebuild(None, only(MONDAY + 1)).await;
    assert!(left().await.len() == 4 && left().await.iter().all(|(_, day)| *day != MONDAY + 1));
    house.rebuild(None, Range { website: Some(other), ..Range::default() }).await;
    let mut expected = [(house.site, MONDAY), (house.site, MONDAY + 40)];
    expected.sort();
    assert_eq!(left().await, expected);
    assert_eq!(house.differences(only(MONDAY + 40)).await.len(), 1, "verify looks where it is told");
    assert!(house.differences(only(MONDAY + 1)).await.is_empty());
    house.rebuild(None, Range::default()).await;
    assert_eq!(left().await, []);
    house.assert_sound().await;
}

#[tokio::test]
async fn merged_or_not_it_is_the_same() {
    let house = House::with_a_visit().await;
    for merges in ["STOP", "START"] {
        run(&house.client, &format!("SYSTEM {merges} MERGES pages_0")).await;
        for _ in 0..3 {
            house.load(&[view(house.site)]).await;
            house.plant("pages_0", "pageviews", 1).await;
        }
        if merges == "START" {
            run(&house.client, "OPTIMIZE TABLE pages_0 FINAL").await;
        }
        assert_eq!(house.wrong().await, ["pages"]);
        house.rebuild(Some("pages"), Range::default()).await;
        house.assert_sound().await;
        run(&house.client, "SYSTEM START MERGES pages_0").await;
        run(&house.client, "OPTIMIZE TABLE pages_0 FINAL").await;
        house.assert_sound().await;
    }
}

/// A session that goes on over midnight, and over a month's end; its facts belong to the day of its start, on which the
/// events that tell them do not lie. And the first and the last days that there are.
#[tokio::test]
async fn facts_on_days_without_their_events_are_compared_on_those_days() {
    let house = House::new().await;
    let at = |day: Day, start: Day, event: EventRow| EventRow {
        day,
        time: utc(day, 0, 5),
        session_start: utc(start, 23, 50),
        session_day: start,
        ..event
    };
    let sunday = MONDAY - 1;
    for (day, start) in
        [(MONDAY, sunday), (sunday, sunday - 1), (MONDAY + 900, MONDAY + 895), (0, 0), (20_000, 0)]
    {
        house
            .load(&[at(day, start, EventRow { duration_ms: 7, bounces: -1, ..first_view(house.site) })])
            .await;
    }
    house.assert_sound().await;
    for rollup in ["devices", "pages", "site_totals"] {
        run(&house.client, &format!("TRUNCATE TABLE {rollup}_0")).await;
    }
    assert_eq!(house.wrong().await, ["devices", "pages", "site_totals"]);
    // The day of a start alone, then the others.
    house.rebuild(None, only(sunday)).await;
    assert!(house.differences(only(sunday)).await.is_empty());
    assert!(!house.differences(only(MONDAY)).await.is_empty());
    house.rebuild(None, Range::default()).await;
    house.assert_sound().await;
    let visits = format!("SELECT toUInt64(sum(visits)) FROM site_totals WHERE day = toDate({sunday})");
    assert_eq!(house.number(&visits).await, 1);
    assert_eq!(house.number("SELECT toUInt64(sum(visits)) FROM pages").await, 5);
}

#[tokio::test]
async fn bots_identified_and_excluded_visitors_come_out_of_a_rebuild_as_they_were() {
    let house = House::new().await;
    house
        .load(&[
            first_view(house.site),
            EventRow { is_bot: true, ..first_view(house.site) },
            EventRow { is_identified: true, ..first_view(house.site) },
            EventRow { is_excluded: true, ..first_view(house.site) },
            EventRow { session_id: 0, event_type: "scroll_25".into(), ..view(house.site) },
        ])
        .await;
    house.assert_sound().await;
    let before =
        house.number("SELECT sum(cityHash64(*)) FROM (SELECT * EXCEPT epoch FROM site_totals)").await;
    for rollup in ROLLUPS {
        run(&house.client, &format!("TRUNCATE TABLE {}_0", rollup.name)).await;
    }
    assert_eq!(house.wrong().await.len(), ROLLUPS.len());
    house.rebuild(None, Range::default()).await;
    house.assert_sound().await;
    let after = house.number("SELECT sum(cityHash64(*)) FROM (SELECT * EXCEPT epoch FROM site_totals)").await;
    assert_eq!(before, after);
}

/// Rows of the epoch that is being loaded are nobody's business, even when they look wrong: the other half of their batch
/// may be on its way.
#[tokio::test]
async fn rows_of_a_newer_epoch_are_never_touched() {
    let house = House::with_a_visit().await;
    house.load(&[at_epoch(9, view(house.site))]).await;
    run(
        &house.client,
        "INSERT INTO pages_0 SELECT * REPLACE (9 AS epoch, pageviews + 5 AS pageviews) FROM pages_0 LIMIT 1",
    )
    .await;
    let before = house.number("SELECT toUInt64(sum(pageviews)) FROM pages WHERE epoch = 9").await;
    assert!(house.wrong().await.is_empty());
    house.rebuild(None, Range::default()).await;
    assert_eq!(house.number("SELECT toUInt64(sum(pageviews)) FROM pages WHERE epoch = 9").await, before);
    // Until their epoch is closed.
    let store_epochs = "INSERT INTO load_epochs (epoch, held_until, reason) SELECT 9, now64(3), 'test'";
    run(&house.client, store_epochs).await;
    assert_eq!(house.wrong().await, ["pages"]);
    house.rebuild(None, Range::default()).await;
    house.assert_sound().await;
}

/// A maintainer that dies in the midst leaves days that are right and days that are not yet.
#[tokio::test]
async fn a_rebuild_that_was_cut_off_is_finished_by_the_next() {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let (client, site) = (store.client(), Uuid::new_v4());
    let lively = loader(&store, "s", 0).await;
    let following = tokio::spawn(async move { lively.follow_on().await });
    load(&client, "a", &[first_view(site)]).await;
    for millis in [10, 60, 120, 200, 300] {
        for rollup in ["devices", "pages", "sources"] {
            plant(&client, &[rollup, "_0"].concat(), site, "pageviews", 1).await;
        }
        let other = maintainer(&store, ROLLUPS);
        let mut silent = Silent;
        let rebuild = other.rebuild(None, Range::default(), &mut silent);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(millis), rebuild).await;
    }
    let other = maintainer(&store, ROLLUPS);
    other.rebuild(None, Range::default(), &mut Silent).await.unwrap();
    let findings = other.verify(Range::default(), &mut Silent).await.unwrap();
    following.abort();
    assert!(findings.is_clean() && findings.unsure.is_none(), "{findings:#?}");
}

/// All of a day in one block, however many keys it has: whoever reads sees the day before or after.
#[tokio::test]
async fn a_day_is_corrected_in_one_step() {
    let house = House::new().await;
    run(&house.client, "SYSTEM STOP MERGES identified_0").await;
    run(
        &house.client,
        "INSERT INTO events (website_id, day, time, event_type, visitor_id, is_identified)
         SELECT toUUID('00000000-0000-0000-0000-000000000001'), '2026-03-02', '2026-03-02 12:00:00', 'custom', number, true
         FROM numbers(1200000)",
    )
    .await;
    run(&house.client, "TRUNCATE TABLE identified_0").await;
    house.rebuild(Some("identified"), Range::default()).await;
    assert_eq!(house.number("SELECT count() FROM identified").await, 1_200_000);
    let parts = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'identified_0' AND active";
    assert_eq!(house.number(parts).await, 1);
}
