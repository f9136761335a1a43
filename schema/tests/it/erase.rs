//! What is erased leaves no row behind, and everybody else's numbers stay as they were.

use std::time::Duration;

use clickhouse::Client;
use schema::epochs;
use schema::erase::{self, Erased, Kind};
use schema::maintain::{Maintainer, Range};
use schema::migrate;
use schema::rollup::change::Silent;
use schema::rollup::tables;
use schema::rows::{DeadLetterRow, EventClaimRow, EventRow, WebsiteRow};
use schema::store::StoreUrl;
use uuid::Uuid;

use crate::house::{self, MONDAY, first_view, load, utc, view};

struct Shelf {
    store: StoreUrl,
    client: Client,
    maintainer: Maintainer,
}

async fn shelf() -> Shelf {
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let maintainer = Maintainer::new(store.clone()).patient(Duration::from_millis(300));
    Shelf { client: store.client(), store, maintainer }
}

impl Shelf {
    async fn website(&self, settings: impl FnOnce(&mut WebsiteRow)) -> Uuid {
        let mut row = WebsiteRow {
            id: Uuid::new_v4(),
            account_id: Uuid::new_v4(),
            domain: "example.com".into(),
            timezone: "UTC".into(),
            content_groups: Vec::new(),
            excluded_ips: vec!["192.0.2.7".into()],
            respect_dnt: false,
            retention_days: 0,
            created_at: 0,
            version: 5,
            is_deleted: false,
        };
        settings(&mut row);
        house::insert(&self.client, "websites", std::slice::from_ref(&row)).await;
        row.id
    }

    async fn delete(&self, website: Uuid) {
        let sql = format!(
            "INSERT INTO websites (id, version, is_deleted) SELECT '{website}', 18446744073709551615, true"
        );
        house::run(&self.client, &sql).await;
    }

    async fn rows_of(&self, website: Uuid) -> u64 {
        let mut names = vec!["events".to_owned(), "event_claims".to_owned()];
        names.extend(tables::all(&self.client).await.unwrap().into_iter().map(|table| table.name));
        let mut rows = 0;
        for name in names {
            rows += house::number(
                &self.client,
                &format!("SELECT count() FROM {name} WHERE website_id = '{website}'"),
            )
            .await;
        }
        rows
    }

    /// All rows of all rollups of a website, added up by their keys.
    async fn sums(&self, website: Uuid) -> Vec<String> {
        let mut sums = Vec::new();
        for (name, keys, facts) in [
            (
                "site_totals",
                "day, hour, is_bot",
                "events, pageviews, unique_pageviews, visitors, visits, bounces, duration_ms",
            ),
            (
                "pages",
                "day, is_bot, path, content_group",
                "pageviews, unique_pageviews, visits, entries, exits",
            ),
            ("identified", "day, is_bot, visitor_id", "events"),
        ] {
            let added: Vec<_> = facts.split(", ").map(|fact| format!("sum(t.{fact}) AS s_{fact}")).collect();
            let sql = format!(
                "SELECT toString(tuple('{name}', {keys}, {})) FROM (SELECT {keys}, {} FROM {name} AS t
                 WHERE website_id = '{website}' GROUP BY {keys}) WHERE {} ORDER BY 1",
                facts.split(", ").map(|fact| format!("s_{fact}")).collect::<Vec<_>>().join(", "),
                added.join(", "),
                facts.split(", ").map(|fact| format!("s_{fact} != 0")).collect::<Vec<_>>().join(" OR "),
            );
            sums.extend(house::rows::<String>(&self.client, &sql).await);
        }
        sums
    }

    async fn is_clean(&self) {
        let findings = self.maintainer.verify(Range::default(), &mut Silent).await.unwrap();
        assert!(findings.is_clean(), "{findings:?}");
    }

    async fn audited(&self, action: &str) -> u64 {
        house::number(&self.client, &format!("SELECT count() FROM audit_log WHERE action = '{action}'")).await
    }
}

/// A visit of two pages by somebody, with an id of its own session.
fn visit(website: Uuid, visitor_id: u64, session_id: u64) -> Vec<EventRow> {
    let of = |row: EventRow| EventRow { visitor_id, session_id, ..row };
    vec![
        of(first_view(website)),
        of(EventRow {
            time: utc(MONDAY, 12, 1),
            path: "/next".into(),
            bounces: -1,
            duration_ms: 60_000,
            unique_pageview: 1,
            prev_path: "/".into(),
            ..view(website)
        }),
    ]
}

#[tokio::test]
async fn a_deleted_website_leaves_no_row_and_nobody_else_notices() {
    let shelf = shelf().await;
    let gone = shelf.website(|_| {}).await;
    let kept = shelf.website(|_| {}).await;
    let mut events = visit(gone, 1, 1);
    events.extend(visit(kept, 1, 2));
    load(&shelf.client, "one", &events).await;
    let claim = |website_id| EventClaimRow {
        website_id,
        event_id: Uuid::from_u128(9),
        stream: "test".into(),
        kafka_partition: 0,
        kafka_offset: 1,
        turn: 1,
        received_at: utc(MONDAY, 12, 0),
    };
    house::insert(&shelf.client, "event_claims", &[claim(gone), claim(kept)]).await;
    let letter = |website: Uuid, kafka_offset| DeadLetterRow {
        stream: "test".into(),
        kafka_partition: 0,
        kafka_offset,
        reason: "newer_version".into(),
        detail: String::new(),
        payload: schema::Event { version: 99, website: Some(website.into()), ..Default::default() }
            .to_bytes(),
        recorded_at: 0,
    };
    let noise = DeadLetterRow { payload: vec![255; 40], ..letter(gone, 3) };
    house::insert(&shelf.client, "dead_letters", &[letter(gone, 1), letter(kept, 2), noise]).await;
    let before = shelf.sums(kept).await;
    assert!(shelf.maintainer.erase().await.unwrap().is_empty(), "nothing is deleted yet");

    shelf.delete(gone).await;
    let done = shelf.maintainer.erase().await.unwrap();
    assert_eq!(
        done.iter().map(|one| (one.kind, one.website_id)).collect::<Vec<_>>(),
        [(Kind::Website, gone)]
    );
    assert_eq!(shelf.rows_of(gone).await, 0);
    let letters: Vec<u64> =
        house::rows(&shelf.client, "SELECT kafka_offset FROM dead_letters ORDER BY kafka_offset").await;
    assert_eq!(letters, [2, 3], "what no website can be read of is nobody's");
    let texts = "SELECT count() FROM websites WHERE domain != '' AND id = '";
    assert_eq!(house::number(&shelf.client, &format!("{texts}{gone}'")).await, 0, "no earlier version stays");
    assert_eq!(house::number(&shelf.client, &format!("{texts}{kept}'")).await, 1);
    assert_eq!(shelf.sums(kept).await, before);
    shelf.is_clean().await;
    assert_eq!(shelf.audited("website.erased").await, 1);
    assert!(shelf.maintainer.erase().await.unwrap().is_empty(), "it is done once");

    // A copy of the store that is put back does not bring it back for long.
    load(&shelf.client, "copy", &visit(gone, 1, 1)).await;
    assert_eq!(shelf.maintainer.retain(utc(MONDAY, 12, 0)).await.unwrap(), 1);
    shelf.maintainer.erase().await.unwrap();
    assert_eq!(shelf.rows_of(gone).await, 0);
}

#[tokio::test]
async fn nothing_is_removed_before_every_loader_drops_it_and_what_was_cut_off_goes_on() {
    let shelf = shelf().await;
    let gone = shelf.website(|_| {}).await;
    load(&shelf.client, "one", &visit(gone, 1, 1)).await;
    epochs::checkpoint(&shelf.client, "test", 0, 0, 0).await.unwrap();
    shelf.delete(gone).await;
    shelf.maintainer.erase().await.unwrap_err();
    assert!(shelf.rows_of(gone).await > 0, "the loader of the partition may still add to it");
    shelf.maintainer.erase().await.unwrap_err();
    let epoch = epochs::current(&shelf.client).await.unwrap().number;
    assert_eq!(epoch, 1, "waiting begins no further epochs");
    let erased = async |epoch| Erased::of_epoch(&shelf.client, epoch).await.unwrap();
    let event = schema::Event { website: Some(gone.into()), day: 20_514, ..Default::default() };
    assert_eq!(erased(0).await.reason(&event), None, "a batch of the epoch before is made again as it was");
    assert_eq!(erased(1).await.reason(&event), Some("deleted_website"));

    epochs::checkpoint(&shelf.client, "test", 0, epoch, 2).await.unwrap();
    assert_eq!(shelf.maintainer.erase().await.unwrap().len(), 1);
    assert_eq!(shelf.rows_of(gone).await, 0);
}

#[tokio::test]
async fn what_belongs_to_a_deleted_account_goes_with_it() {
    let shelf = shelf().await;
    let account = Uuid::new_v4();
    let gone = shelf.website(|row| row.account_id = account).await;
    let kept = shelf.website(|_| {}).await;
    for (id, owner) in [(1, account), (2, Uuid::new_v4())] {
        let sql = format!(
            "INSERT INTO users (id, account_id, email, key_hash, version, is_deleted)
             SELECT toUUID('00000000-0000-0000-0000-00000000000{id}'), '{owner}', 'x@example.com', 'hash', 5, false"
        );
        house::run(&shelf.client, &sql).await;
    }
    let sql = format!("INSERT INTO accounts (id, name, version, is_deleted) SELECT '{account}', '', 9, true");
    house::run(&shelf.client, &sql).await;
    load(&shelf.client, "one", &[visit(gone, 1, 1), visit(kept, 1, 2)].concat()).await;
    shelf.maintainer.erase().await.unwrap();
    assert_eq!(shelf.rows_of(gone).await, 0);
    assert!(shelf.rows_of(kept).await > 0);
    let users: Vec<String> =
        house::rows(&shelf.client, "SELECT concat(email, '|', key_hash) FROM users ORDER BY id").await;
    assert_eq!(users, ["|", "x@example.com|hash"]);
}

#[tokio::test]
async fn days_beyond_the_retention_go_and_no_session_is_cut_in_two() {
    let shelf = shelf().await;
    // In Auckland it is Tuesday already.
    let short = shelf
        .website(|row| {
            row.retention_days = 2;
            row.timezone = "Pacific/Auckland".into();
        })
        .await;
    let long = shelf.website(|row| row.retention_days = 400).await;
    let on = |day: u16, row: EventRow| {
        let moved = i64::from(day) * 86_400_000 - i64::from(MONDAY) * 86_400_000;
        EventRow {
            day,
            session_day: day,
            time: row.time + moved,
            session_start: row.session_start + moved,
            ..row
        }
    };
    let mut events = Vec::new();
    for website in [short, long] {
        for (at, day) in (MONDAY - 5..=MONDAY).enumerate() {
            events.extend(visit(website, 1, 10 + at as u64).into_iter().map(|row| on(day, row)));
        }
        // Begins before the horizon (Sunday) and ends on its day.
        let session =
            |row: EventRow| EventRow { session_id: 99, visitor_id: 7, session_day: MONDAY - 2, ..row };
        events.push(session(EventRow {
            visits: 1,
            visitors: 1,
            bounces: 1,
            unique_pageview: 1,
            ..on(MONDAY - 2, view(website))
        }));
        events.push(session(EventRow {
            visitors: 1,
            bounces: -1,
            duration_ms: 5,
            unique_pageview: 1,
            path: "/late".into(),
            prev_path: "/".into(),
            ..on(MONDAY - 1, view(website))
        }));
    }
    load(&shelf.client, "one", &events).await;
    let before = shelf.sums(long).await;
    // Monday noon UTC is Tuesday in Auckland: Sunday, Monday and Tuesday stay.
    assert_eq!(shelf.maintainer.retain(utc(MONDAY, 12, 0)).await.unwrap(), 1);
    assert_eq!(shelf.maintainer.erase().await.unwrap().len(), 1);
    let days: Vec<u16> = house::rows(
        &shelf.client,
        &format!("SELECT DISTINCT day FROM events WHERE website_id = '{short}' ORDER BY day"),
    )
    .await;
    assert_eq!(days, [MONDAY - 1, MONDAY]);
    let late = format!("SELECT count() FROM events WHERE website_id = '{short}' AND session_id = 99");
    assert_eq!(
        house::number(&shelf.client, &late).await,
        0,
        "the rest of a session that began before goes too"
    );
    for name in tables::all(&shelf.client).await.unwrap().into_iter().map(|table| table.name) {
        let sql = format!(
            "SELECT count() FROM {name} WHERE website_id = '{short}' AND toUInt16(day) < {}",
            MONDAY - 1
        );
        assert_eq!(house::number(&shelf.client, &sql).await, 0, "{name}");
    }
    let sums = shelf.sums(short).await;
    assert!(!sums.iter().any(|sum| sum.contains("/late")), "{sums:?}");
    assert_eq!(shelf.sums(long).await, before);
    shelf.is_clean().await;
    shelf.maintainer.rebuild(None, Range::default(), &mut Silent).await.unwrap();
    assert_eq!(shelf.sums(short).await, sums);
    assert_eq!(shelf.maintainer.retain(utc(MONDAY, 12, 0)).await.unwrap(), 0, "there is nothing left to do");

    // Loaders drop what comes later for these days, and no longer when the retention is prolonged.
    let event =
        schema::Event { website: Some(short.into()), day: i32::from(MONDAY - 2), ..Default::default() };
    let reason = async || {
        let epoch = epochs::current(&shelf.client).await.unwrap().number;
        Erased::of_epoch(&shelf.client, epoch).await.unwrap().reason(&event)
    };
    assert_eq!(reason().await, Some("beyond_retention"));
    let sql = format!(
        "INSERT INTO websites (id, version, is_deleted, retention_days) SELECT '{short}', 6, false, 0"
    );
    house::run(&shelf.client, &sql).await;
    assert_eq!(shelf.maintainer.retain(utc(MONDAY, 12, 0)).await.unwrap(), 1);
    shelf.maintainer.erase().await.unwrap();
    assert_eq!(reason().await, None);
}

#[tokio::test]
async fn an_erased_visitor_is_as_if_never_there() {
    let shelf = shelf().await;
    let website = shelf.website(|_| {}).await;
    let reference = shelf.website(|_| {}).await;
    let other = shelf.website(|_| {}).await;
    let identified =
        |rows: Vec<EventRow>| rows.into_iter().map(|row| EventRow { is_identified: true, ..row }).collect();
    let everybody_else = |website: Uuid| {
        let named: Vec<EventRow> = identified(visit(website, 30, 3));
        [visit(website, 20, 2), named].concat()
    };
    // Ann's session goes on after midnight, where she has another id.
    let mut ann = visit(website, 10, 1);
    ann.push(EventRow {
        day: MONDAY + 1,
        time: utc(MONDAY + 1, 0, 1),
        visitor_id: 11,
        person: 10,
        session_id: 1,
        visitors: 1,
        duration_ms: 9,
        ..view(website)
    });
    let named: Vec<EventRow> = identified(visit(website, 40, 4));
    load(&shelf.client, "one", &[everybody_else(website), ann, named, everybody_else(reference)].concat())
        .await;
    // The same ids on another website are other people.
    load(&shelf.client, "two", &visit(other, 10, 1)).await;
    let before = shelf.sums(other).await;

    for visitor in [10, 40] {
        erase::request_visitor(&shelf.client, website, visitor, utc(MONDAY + 2, 0, 0)).await.unwrap();
    }
    let id = erase::request_visitor(&shelf.client, website, 999, utc(MONDAY + 2, 0, 0)).await.unwrap();
    assert_eq!(erase::state(&shelf.client, website, id).await.unwrap().as_deref(), Some("requested"));
    let done = shelf.maintainer.erase().await.unwrap();
    assert_eq!(done.len(), 4, "the three, and Ann after midnight");
    assert_eq!(erase::state(&shelf.client, website, id).await.unwrap().as_deref(), Some("done"));
    assert_eq!(erase::state(&shelf.client, other, id).await.unwrap(), None);

    assert_eq!(shelf.sums(website).await, shelf.sums(reference).await);
    assert_eq!(shelf.sums(other).await, before);
    let left =
        format!("SELECT count() FROM events WHERE website_id = '{website}' AND visitor_id IN (10, 11, 40)");
    assert_eq!(house::number(&shelf.client, &left).await, 0);
    let named = format!("SELECT count() FROM identified WHERE website_id = '{website}' AND visitor_id = 40");
    assert_eq!(
        house::number(&shelf.client, &named).await,
        0,
        "no row names the visitor, not even with sums of 0"
    );
    shelf.is_clean().await;
    assert!(!epochs::current(&shelf.client).await.unwrap().held, "loaders go on");
    let texts: Vec<String> = house::rows(
        &shelf.client,
        "SELECT concat(subject, detail) FROM audit_log WHERE action = 'visitor.erased'",
    )
    .await;
    assert!(texts.iter().any(|text| text.starts_with(&erase::visitor_hash(website, 10))), "{texts:?}");
    // A second look at the store of a maintainer of its own finds nothing to do.
    assert!(Maintainer::new(shelf.store.clone()).erase().await.unwrap().is_empty());
}
