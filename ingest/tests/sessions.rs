//! The sessioniser against the definitions of the metrics: what it streams adds up to what a slow reading of the
//! definitions counts, and what it forgets can be recalled from the rows.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ingest::load::recall::{Before, recall};
use ingest::load::sessionise::{Day, DayKey, Place, SESSION_GAP_MS, Sessioniser};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use schema::event::{CUSTOM, Event, PAGE_VIEW, VERSION};
use schema::rows::EventRow;
use schema::store::StoreUrl;
use uuid::Uuid;

#[path = "sessions/people.rs"]
mod people;
#[path = "sessions/reference.rs"]
mod reference;
#[path = "sessions/zones.rs"]
mod zones;

const DAY_MS: i64 = 24 * 3_600_000;

/// A site in UTC; a person is a small number, whose hash changes with the day.
fn event(website: Uuid, person: u64, time: i64, event_type: &str, path: &str) -> Event {
    let day = time.div_euclid(DAY_MS);
    let hash = |day: i64| person * 1_000_000 + day as u64;
    let bridges = (time - SESSION_GAP_MS).div_euclid(DAY_MS) != day;
    Event {
        version: VERSION,
        website: Some(website.into()),
        day: day as i32,
        time_ms: time,
        received_ms: time,
        event_type: event_type.to_owned(),
        event_name: if event_type == CUSTOM { "signup".to_owned() } else { String::new() },
        path: path.to_owned(),
        visitor_id: hash(day),
        previous_person: if bridges { hash(day - 1) } else { 0 },
        bot_reason: if person.is_multiple_of(5) { "bot".to_owned() } else { String::new() },
        ..Event::default()
    }
}

fn apply(sessions: &mut Sessioniser, events: &[Event], first_offset: u64) -> Vec<EventRow> {
    let mut rows = Vec::new();
    for (offset, event) in (first_offset..).zip(events) {
        while let Some(day) = sessions.missing(event) {
            sessions.put(day, Day::default());
        }
        rows.extend(sessions.apply(event.clone(), Place { stream: "test", partition: 0, offset }));
    }
    rows
}

#[test]
fn the_example_of_the_design_adds_up() {
    let website = Uuid::new_v4();
    let at = |minutes: i64, seconds: i64| 100 * DAY_MS + (600 + minutes) * 60_000 + seconds * 1000;
    let rows = apply(
        &mut Sessioniser::default(),
        &[
            event(website, 1, at(0, 0), PAGE_VIEW, "/"),
            event(website, 1, at(0, 20), "scroll_25", "/"),
            event(website, 1, at(2, 0), PAGE_VIEW, "/pricing"),
            event(website, 1, at(3, 0), PAGE_VIEW, "/"),
        ],
        0,
    );
    let column = |read: fn(&EventRow) -> i64| rows.iter().map(read).collect::<Vec<_>>();
    assert_eq!(column(|row| row.visits.into()), [1, 0, 0, 0]);
    assert_eq!(column(|row| row.visitors.into()), [1, 0, 0, 0]);
    assert_eq!(column(|row| row.bounces.into()), [1, 0, -1, 0]);
    assert_eq!(column(|row| row.duration_ms), [0, 20_000, 100_000, 60_000]);
    assert_eq!(column(|row| row.unique_pageview.into()), [1, 0, 1, 0]);
    assert_eq!(rows.iter().map(|row| row.prev_path.as_str()).collect::<Vec<_>>(), ["", "", "/", "/pricing"]);
    assert!(rows.iter().all(|row| row.entry_path == "/"));
}

#[test]
fn thirty_minutes_continue_a_session_and_a_millisecond_more_does_not() {
    let website = Uuid::new_v4();
    let visits = |gap: i64| -> i64 {
        let events = [
            event(website, 1, 100 * DAY_MS, PAGE_VIEW, "/"),
            event(website, 1, 100 * DAY_MS + gap, PAGE_VIEW, "/"),
        ];
        apply(&mut Sessioniser::default(), &events, 0).iter().map(|row| i64::from(row.visits)).sum()
    };
    assert_eq!(visits(SESSION_GAP_MS), 1);
    assert_eq!(visits(SESSION_GAP_MS + 1), 2);
}

#[test]
fn an_event_that_starts_no_session_has_a_visitor_and_no_visit() {
    let rows =
        apply(&mut Sessioniser::default(), &[event(Uuid::new_v4(), 1, 100 * DAY_MS, "scroll_25", "/")], 0);
    assert_eq!((rows[0].visitors, rows[0].visits, rows[0].session_id), (1, 0, 0));
}

#[test]
fn a_late_event_joins_its_session_and_the_exit_stays() {
    let website = Uuid::new_v4();
    let at = |minutes: i64| 100 * DAY_MS + (12 * 60 + minutes) * 60_000;
    let rows = apply(
        &mut Sessioniser::default(),
        &[
            event(website, 1, at(0), PAGE_VIEW, "/"),
            event(website, 1, at(10), PAGE_VIEW, "/b"),
            // Late: between the two, and one before the first.
            event(website, 1, at(5), PAGE_VIEW, "/late"),
            event(website, 1, at(-5), "scroll_25", "/"),
            // Late by more than the gap: a session of its own, which the next one joins.
            event(website, 1, at(-60), PAGE_VIEW, "/early"),
            event(website, 1, at(-55), PAGE_VIEW, "/early"),
        ],
        0,
    );
    let sum = |read: fn(&EventRow) -> i64| rows.iter().map(read).sum::<i64>();
    assert_eq!(sum(|row| row.visits.into()), 2);
    assert_eq!(sum(|row| row.duration_ms), 15 * 60_000 + 5 * 60_000);
    assert_eq!(rows[2].prev_path, "/late", "the exit does not move to a page that was seen earlier");
}

#[test]
fn of_two_sessions_the_one_that_began_later_is_followed_whichever_was_booked_first() {
    let website = Uuid::new_v4();
    let at = |minutes: i64| 100 * DAY_MS + (12 * 60 + minutes) * 60_000;
    let view = |minutes| event(website, 1, at(minutes), PAGE_VIEW, "/");
    for order in [[40, 0], [0, 40]] {
        let events = [view(order[0]), view(order[1]), view(20), view(45)];
        let rows = apply(&mut Sessioniser::default(), &events, 0);
        let of = |minutes| rows.iter().find(|row| row.time == at(minutes)).unwrap().session_id;
        assert_eq!((of(20) == of(0), of(45) == of(40)), (true, true), "{order:?}");
    }
}

#[test]
fn an_event_id_that_is_repeated_on_its_day_is_dropped() {
    let mut first = event(Uuid::new_v4(), 1, 100 * DAY_MS, PAGE_VIEW, "/");
    first.event_id = Some(Uuid::from_u128(7).into());
    let mut sessions = Sessioniser::default();
    assert_eq!(apply(&mut sessions, &[first.clone()], 0).len(), 1);
    assert!(sessions.repeats(&first));
    assert_eq!(apply(&mut sessions, &[first.clone()], 1).len(), 0);
    let other = Event { event_id: Some(Uuid::from_u128(8).into()), ..first };
    assert!(!sessions.repeats(&other));
    assert_eq!(apply(&mut sessions, &[other], 2).len(), 1);
}

/// A session may be another's than the visitor's: that person is not seen by it.
#[test]
fn whose_session_it_is_need_not_be_who_was_seen() {
    let (website, at) = (Uuid::new_v4(), |minute: i64| 100 * DAY_MS + (12 * 60 + minute) * 60_000);
    let mut told = event(website, 1, at(0), PAGE_VIEW, "/");
    let owner = event(website, 2, at(1), PAGE_VIEW, "/owner");
    told.person = owner.visitor_id;
    let rows = apply(&mut Sessioniser::default(), &[told.clone(), owner.clone(), told, owner], 0);
    let of = |row: &EventRow| (row.visitors, row.visits, row.session_id == rows[0].session_id);
    assert_eq!(
        rows.iter().map(of).collect::<Vec<_>>(),
        [(1, 1, true), (1, 0, true), (0, 0, true), (0, 0, true)]
    );
}

#[test]
fn an_event_with_an_id_needs_no_day_but_its_own() {
    let mut first = event(Uuid::new_v4(), 1, 100 * DAY_MS + 12 * 3_600_000, PAGE_VIEW, "/");
    first.event_id = Some(Uuid::from_u128(7).into());
    let mut sessions = Sessioniser::default();
    apply(&mut sessions, &[first], 0);
    assert_eq!(sessions.days(), 1);
}

/// What the definitions say, read slowly: all events of a person, split where the gap is over 30 minutes.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    visits: BTreeMap<i64, i64>,
    bounces: BTreeMap<i64, i64>,
    duration_ms: BTreeMap<i64, i64>,
    visitors: BTreeMap<i64, i64>,
    unique_pageviews: BTreeMap<(i64, String), i64>,
    entries: BTreeMap<String, i64>,
    exits: BTreeMap<String, i64>,
    entry_duration_ms: BTreeMap<String, i64>,
}

fn by_definition(events: &[(u64, Event)]) -> Expected {
    let mut expected = Expected::default();
    let day = |event: &Event| i64::from(event.day);
    let seen: BTreeSet<_> = events.iter().map(|(person, event)| (day(event), *person)).collect();
    for (day, _) in seen {
        *expected.visitors.entry(day).or_default() += 1;
    }
    let mut people: BTreeMap<u64, Vec<&Event>> = BTreeMap::new();
    for (person, event) in events {
        people.entry(*person).or_default().push(event);
    }
    for events in people.into_values() {
        let mut sessions: Vec<Vec<&Event>> = Vec::new();
        for event in events {
            let open = sessions.last_mut().filter(|session| {
                session.last().is_some_and(|last| event.time_ms - last.time_ms <= SESSION_GAP_MS)
            });
            match open {
                Some(session) => session.push(event),
                None if [PAGE_VIEW, CUSTOM].contains(&event.event_type.as_str()) => {
                    sessions.push(vec![event]);
                }
                None => {}
            }
        }
        for session in sessions {
            let (first, last) = (session[0], session[session.len() - 1]);
            let views: Vec<_> = session.iter().filter(|event| event.event_type == PAGE_VIEW).collect();
            let customs = session.iter().filter(|event| event.event_type == CUSTOM).count();
            let duration = last.time_ms - first.time_ms;
            *expected.visits.entry(day(first)).or_default() += 1;
            *expected.duration_ms.entry(day(first)).or_default() += duration;
            *expected.bounces.entry(day(first)).or_default() += i64::from(views.len() == 1 && customs == 0);
            let mut paths = HashSet::new();
            for view in &views {
                if paths.insert(&view.path) {
                    *expected.unique_pageviews.entry((day(view), view.path.clone())).or_default() += 1;
                }
            }
            if let (Some(entry), Some(exit)) = (views.first(), views.last()) {
                *expected.entries.entry(entry.path.clone()).or_default() += 1;
                *expected.exits.entry(exit.path.clone()).or_default() += 1;
                *expected.entry_duration_ms.entry(entry.path.clone()).or_default() += duration;
            }
        }
    }
    expected.without_zeroes()
}

fn by_sums(rows: &[EventRow]) -> Expected {
    let mut sums = Expected::default();
    let mut entered = HashSet::new();
    for row in rows {
        let session_day = i64::from(row.session_day);
        let day = i64::from(row.day);
        *sums.visits.entry(session_day).or_default() += i64::from(row.visits);
        *sums.bounces.entry(session_day).or_default() += i64::from(row.bounces);
        *sums.duration_ms.entry(session_day).or_default() += row.duration_ms;
        *sums.visitors.entry(day).or_default() += i64::from(row.visitors);
        if row.event_type == PAGE_VIEW {
            *sums.unique_pageviews.entry((day, row.path.clone())).or_default() +=
                i64::from(row.unique_pageview);
            *sums.exits.entry(row.path.clone()).or_default() += 1;
            if !row.prev_path.is_empty() {
                *sums.exits.entry(row.prev_path.clone()).or_default() -= 1;
            }
            if entered.insert(row.session_id) {
                *sums.entries.entry(row.entry_path.clone()).or_default() += 1;
            }
        }
        *sums.entry_duration_ms.entry(row.entry_path.clone()).or_default() +=
            row.duration_ms + row.entry_lead_ms;
    }
    sums.without_zeroes()
}

impl Expected {
    fn without_zeroes(mut self) -> Self {
        for counts in [&mut self.visits, &mut self.bounces, &mut self.duration_ms, &mut self.visitors] {
            counts.retain(|_, count| *count != 0);
        }
        self.unique_pageviews.retain(|_, count| *count != 0);
        for counts in [&mut self.entries, &mut self.exits, &mut self.entry_duration_ms] {
            counts.retain(|_, count| *count != 0);
        }
        self
    }
}

/// Events of a few people over three days, in time order, with the gaps that matter.
fn traffic() -> impl Strategy<Value = Vec<(u64, i64, &'static str, &'static str)>> {
    let gap = prop_oneof![
        Just(0),
        Just(1),
        Just(20_000),
        Just(61_500),
        Just(SESSION_GAP_MS - 1),
        Just(SESSION_GAP_MS),
        Just(SESSION_GAP_MS + 1),
        Just(3 * 3_600_000),
        0..SESSION_GAP_MS,
    ];
    let kind = prop::sample::select(vec![PAGE_VIEW, PAGE_VIEW, PAGE_VIEW, CUSTOM, "scroll_25", "close_tab"]);
    let path = prop::sample::select(vec!["/", "/a", "/b", "/c"]);
    // Starts shortly before a midnight, so that many sessions go over it.
    prop::collection::vec((1..4_u64, gap, kind, path), 1..120).prop_map(|steps| {
        let mut time = 100 * DAY_MS + 23 * 3_600_000;
        let mut events = Vec::new();
        for (person, gap, kind, path) in steps {
            time += gap;
            events.push((person, time, kind, path));
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_stream_of_deltas_adds_up_to_the_definitions(traffic in traffic()) {
        let website = Uuid::new_v4();
        let events: Vec<_> = traffic
            .into_iter()
            .map(|(person, time, kind, path)| (person, event(website, person, time, kind, path)))
            .collect();
        let stream: Vec<_> = events.iter().map(|(_, event)| event.clone()).collect();
        let rows = apply(&mut Sessioniser::default(), &stream, 0);
        prop_assert_eq!(by_sums(&rows), by_definition(&events));
    }
}

async fn client() -> clickhouse::Client {
    let engine = sandbox::testing::engine().await;
    let store = StoreUrl::parse(&engine.store_url)
        .unwrap()
        .with_database(&format!("test_sessions_{}", std::process::id()));
    schema::migrate::up(&store).await.unwrap();
    let client = store.client();
    // These events are older than ids are kept.
    client.query("SYSTEM STOP TTL MERGES events").execute().await.unwrap();
    client
}

#[tokio::test]
async fn what_was_forgotten_is_recalled_from_the_rows() {
    let client = client().await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..12 {
        let traffic = traffic().new_tree(&mut runner).unwrap().current();
        let website = Uuid::new_v4();
        let mut stream: Vec<_> = traffic
            .iter()
            .map(|(person, time, kind, path)| event(website, *person, *time, kind, path))
            .collect();
        for (at, event) in stream.iter_mut().enumerate().filter(|(at, _)| at % 3 == 0) {
            event.event_id = Some(Uuid::from_u128(1 + at as u128).into());
        }
        let rows = apply(&mut Sessioniser::default(), &stream, 0);
        ingest::load::insert::insert_events(&client, &website.to_string(), &rows, &service::Stop::new())
            .await
            .unwrap();

        // At any point of the stream: who remembers and who has just recalled go on alike.
        for split in [1, stream.len() / 3, stream.len() / 2, stream.len()] {
            let mut remembering = Sessioniser::default();
            apply(&mut remembering, &stream[..split], 0);
            let expected = apply(&mut remembering, &stream[split..], split as u64);

            let before = Before { stream: "test", partition: 0, offset: split as u64 };
            let mut recalling = Sessioniser::default();
            let mut went_on = Vec::new();
            for (offset, event) in (split as u64..).zip(&stream[split..]) {
                while let Some(day) = recalling.missing(event) {
                    for (key, state) in recall(&client, &before, &HashSet::from([day])).await.unwrap() {
                        recalling.put(key, state);
                    }
                }
                let place = Place { stream: "test", partition: 0, offset };
                went_on.extend(recalling.apply(event.clone(), place));
            }
            assert_eq!(went_on, expected, "after {split} of {} events", stream.len());
        }
    }
}

#[tokio::test]
async fn a_days_state_is_recalled_whole() {
    let client = client().await;
    let website = Uuid::new_v4();
    let key = DayKey { website_id: website, day: 100 };
    let noon = 100 * DAY_MS + 12 * 3_600_000;
    let stream: Vec<_> = [
        (1, noon, PAGE_VIEW, "/"),
        (1, noon + 5, CUSTOM, "/"),
        (2, noon + 10, PAGE_VIEW, "/a"),
        (5, noon + 20, PAGE_VIEW, "/bot"),
        (3, noon + 30, "scroll_25", "/a"),
        (2, noon + 2 * 3_600_000, PAGE_VIEW, "/b"),
    ]
    .map(|(person, time, kind, path)| event(website, person, time, kind, path))
    .into();
    let rows = apply(&mut Sessioniser::default(), &stream, 0);
    ingest::load::insert::insert_events(&client, &website.to_string(), &rows, &service::Stop::new())
        .await
        .unwrap();
    let before = Before { stream: "test", partition: 0, offset: 1000 };
    let recalled: HashMap<_, _> =
        recall(&client, &before, &HashSet::from([key])).await.unwrap().into_iter().collect();
    let day = &recalled[&key];
    assert_eq!(day.visitors.len(), 4);
    assert_eq!(day.sessions.values().map(Vec::len).sum::<usize>(), 4);
    // The rows of another partition and of a batch that is about to be made again are not looked at.
    for before in [Before { partition: 1, ..before.clone() }, Before { offset: 0, ..before.clone() }] {
        let recalled = recall(&client, &before, &HashSet::from([key])).await.unwrap();
        assert!(recalled[0].1.visitors.is_empty());
    }
    // Those of an earlier stream are.
    let recalled = recall(&client, &Before { stream: "new", partition: 1, offset: 0 }, &HashSet::from([key]))
        .await
        .unwrap();
    assert_eq!(recalled[0].1.visitors.len(), 4);
}
