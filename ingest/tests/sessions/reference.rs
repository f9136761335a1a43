//! Two slow readings of what a session is: the definition, for events in the order of their times, and the rule of late
//! events, for events as they arrive. Both work on whole people and lists of events; neither knows a hash or a delta.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ingest::load::sessionise::SESSION_GAP_MS;
use schema::event::{CUSTOM, PAGE_VIEW};
use schema::rows::EventRow;

use super::people::Seen;

/// What reports add up.
#[derive(Debug, Default, PartialEq)]
pub struct Counts {
    /// By the session's day: visits, bounces, milliseconds.
    pub sessions: BTreeMap<i32, [i64; 3]>,
    /// By the event's day.
    pub visitors: BTreeMap<i32, i64>,
    /// By the event's day and path.
    pub unique_views: BTreeMap<(i32, String), i64>,
    /// By the session's day and the entry page: sessions, and their milliseconds.
    pub entries: BTreeMap<(i32, String), [i64; 2]>,
    /// By the session's day and the exit page.
    pub exits: BTreeMap<(i32, String), i64>,
}

/// Sessions as the numbers of their events, in the order in which they were booked.
pub type Sessions = Vec<Vec<usize>>;

fn starts(seen: &Seen) -> bool {
    [PAGE_VIEW, CUSTOM].contains(&seen.event.event_type.as_str())
}

/// All counted events by person, in the given order.
fn people(seen: &[Seen], order: &[usize]) -> Vec<Vec<usize>> {
    let mut people: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for at in order.iter().copied().filter(|at| !seen[*at].event.excluded) {
        people.entry(seen[at].who).or_default().push(at);
    }
    people.into_values().collect()
}

/// The definition: all events of a person, split where the gap between neighbours is over 30 minutes; only a page view
/// or a custom event starts a session. `order`: of the times.
pub fn by_definition(seen: &[Seen], order: &[usize]) -> Sessions {
    let mut sessions = Sessions::new();
    for events in people(seen, order) {
        let mut open: Option<Vec<usize>> = None;
        for at in events {
            let time = seen[at].event.time_ms;
            let goes_on = open
                .as_ref()
                .and_then(|session| session.last())
                .is_some_and(|last| time - seen[*last].event.time_ms <= SESSION_GAP_MS);
            if goes_on {
                open.as_mut().unwrap().push(at);
            } else {
                sessions.extend(open.take());
                open = starts(&seen[at]).then(|| vec![at]);
            }
        }
        sessions.extend(open);
    }
    sessions
}

/// The rule of late events: one joins the session of its person's day that it lies in or next to, the one that it
/// follows rather than one that it precedes. A session is where its latest day is; an event of an earlier day finds
/// one that went on. `order`: of the booking.
pub fn by_rule(seen: &[Seen], order: &[usize]) -> Sessions {
    let mut sessions = Sessions::new();
    for events in people(seen, order) {
        let mut own = Sessions::new();
        for at in events {
            match session_of(seen, &own, at) {
                Some(session) => own[session].push(at),
                None if starts(&seen[at]) => own.push(vec![at]),
                None => {}
            }
        }
        sessions.append(&mut own);
    }
    sessions
}

fn session_of(seen: &[Seen], sessions: &Sessions, at: usize) -> Option<usize> {
    let (time, day) = (seen[at].event.time_ms, seen[at].day);
    let days = |session: &[usize]| session.iter().map(|at| seen[*at].day).collect::<BTreeSet<_>>();
    let on = |day: i32| {
        let here = sessions.iter().enumerate().filter(move |(_, session)| days(session).last() == Some(&day));
        let near: Vec<_> = here
            .map(|(number, session)| {
                let times = session.iter().map(|at| seen[*at].event.time_ms);
                (times.clone().min().unwrap(), times.max().unwrap(), number)
            })
            .filter(|(first, last, _)| time >= first - SESSION_GAP_MS && time <= last + SESSION_GAP_MS)
            .collect();
        let followed = near.iter().filter(|(first, ..)| time >= *first).max();
        followed.or_else(|| near.iter().min()).map(|(.., number)| *number)
    };
    if let Some(found) = on(day) {
        return Some(found);
    }
    // In the first half hour of a day: a session of the last day on which it was that day at the website.
    let before = seen[at].event.previous_person != 0;
    if let Some(found) = before.then(|| on(seen[at].event.day_before())).flatten() {
        return Some(found);
    }
    let went_on = sessions.iter().filter_map(|session| {
        let days = days(session);
        days.contains(&day).then(|| days.range(day + 1..).next().copied()).flatten()
    });
    let mut next = went_on.max();
    while let Some(day) = next {
        if let Some(found) = on(day) {
            return Some(found);
        }
        let went_on = sessions.iter().filter_map(|session| {
            let days = days(session);
            days.contains(&day).then(|| days.range(day + 1..).next().copied()).flatten()
        });
        next = went_on.max();
    }
    None
}

/// What sessions count for.
pub fn count(seen: &[Seen], sessions: &Sessions) -> Counts {
    let mut counts = Counts::default();
    let counted = seen.iter().filter(|seen| !seen.event.excluded);
    for (day, _) in counted.map(|seen| (seen.day, seen.who)).collect::<BTreeSet<_>>() {
        *counts.visitors.entry(day).or_default() += 1;
    }
    for session in sessions {
        let events: Vec<_> = session.iter().map(|at| &seen[*at]).collect();
        let day = events[0].day;
        let times = events.iter().map(|seen| seen.event.time_ms);
        let duration = times.clone().max().unwrap() - times.min().unwrap();
        let views: Vec<_> = events.iter().filter(|seen| seen.event.event_type == PAGE_VIEW).collect();
        let customs = events.iter().filter(|seen| seen.event.event_type == CUSTOM).count();
        add(&mut counts.sessions, day, [1, i64::from(views.len() == 1 && customs == 0), duration]);
        let mut paths = BTreeSet::new();
        for view in views.iter().filter(|view| paths.insert(&view.event.path)) {
            *counts.unique_views.entry((view.day, view.event.path.clone())).or_default() += 1;
        }
        let Some(entry) = views.first() else { continue };
        add(&mut counts.entries, (day, entry.event.path.clone()), [1, duration]);
        let exit = views.iter().max_by_key(|view| view.event.time_ms).unwrap();
        *counts.exits.entry((day, exit.event.path.clone())).or_default() += 1;
    }
    counts
}

fn add<K: Ord, const N: usize>(sums: &mut BTreeMap<K, [i64; N]>, key: K, more: [i64; N]) {
    let sums = sums.entry(key).or_insert([0; N]);
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// What the rows add up to, as reports read them.
pub fn sum(rows: &[EventRow]) -> Counts {
    let mut counts = Counts::default();
    let mut entered = BTreeSet::new();
    for row in rows {
        let (day, session_day) = (i32::from(row.day), i32::from(row.session_day));
        let deltas = [i64::from(row.visits), i64::from(row.bounces), row.duration_ms];
        add(&mut counts.sessions, session_day, deltas);
        *counts.visitors.entry(day).or_default() += i64::from(row.visitors);
        *counts.unique_views.entry((day, row.path.clone())).or_default() += i64::from(row.unique_pageview);
        if !row.entry_path.is_empty() {
            let enters = i64::from(entered.insert(row.session_id));
            add(
                &mut counts.entries,
                (session_day, row.entry_path.clone()),
                [enters, row.duration_ms + row.entry_lead_ms],
            );
        }
        if row.event_type == PAGE_VIEW && row.session_id != 0 {
            *counts.exits.entry((session_day, row.path.clone())).or_default() += 1;
            if !row.prev_path.is_empty() {
                *counts.exits.entry((session_day, row.prev_path.clone())).or_default() -= 1;
            }
        }
    }
    counts.sessions.retain(|_, sums| *sums != [0; 3]);
    counts.visitors.retain(|_, sum| *sum != 0);
    counts.unique_views.retain(|_, sum| *sum != 0);
    counts.exits.retain(|_, sum| *sum != 0);
    counts
}

/// The rows' sessions as the numbers of their events.
pub fn sessions_of(rows: &[EventRow]) -> BTreeSet<BTreeSet<usize>> {
    let mut sessions: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.session_id != 0) {
        sessions.entry(row.session_id).or_default().insert(row.kafka_offset as usize);
    }
    sessions.into_values().collect()
}

/// What holds for any rows, however late the events came: a session's deltas add up to what its own rows say.
pub fn assert_laws(rows: &[EventRow]) {
    let mut sessions: HashMap<u64, Vec<&EventRow>> = HashMap::new();
    for row in rows {
        sessions.entry(row.session_id).or_default().push(row);
    }
    for row in sessions.remove(&0).unwrap_or_default() {
        let deltas = (
            row.visits,
            row.bounces,
            row.duration_ms,
            row.duration_ms + row.entry_lead_ms,
            row.unique_pageview,
        );
        assert_eq!(deltas, (0, 0, 0, 0, 0), "an event outside a session changes none: {row:?}");
        assert!(row.entry_path.is_empty() && row.prev_path.is_empty() && row.session_day == 0);
        assert!(row.visitors == 0 || !row.is_excluded);
    }
    for rows in sessions.into_values() {
        let sum = |of: fn(&EventRow) -> i64| rows.iter().map(|row| of(row)).sum::<i64>();
        let start = rows[0];
        assert_eq!(sum(|row| row.visits.into()), 1);
        assert_eq!(start.visits, 1, "the event that was booked first starts it");
        assert_eq!((start.session_start, start.session_day), (start.time, start.day));
        for row in &rows {
            assert_eq!((row.session_start, row.session_day), (start.session_start, start.session_day));
            assert_eq!((row.is_bot, row.is_excluded), (start.is_bot, false));
        }
        let views: Vec<_> = rows.iter().filter(|row| row.event_type == PAGE_VIEW).collect();
        let customs = rows.iter().filter(|row| row.event_type == CUSTOM).count();
        let times = rows.iter().map(|row| row.time);
        let duration = times.clone().max().unwrap() - times.min().unwrap();
        assert_eq!(sum(|row| row.bounces.into()), i64::from(views.len() == 1 && customs == 0));
        assert_eq!(sum(|row| row.duration_ms), duration);
        assert_eq!(
            sum(|row| row.duration_ms + row.entry_lead_ms),
            if views.is_empty() { 0 } else { duration }
        );

        let paths: BTreeSet<_> = views.iter().map(|row| row.path.as_str()).collect();
        for path in &paths {
            let counted = views.iter().filter(|row| row.path == *path).map(|row| row.unique_pageview);
            assert_eq!(counted.collect::<Vec<_>>().iter().sum::<i8>(), 1, "{path}");
        }
        assert_eq!(sum(|row| row.unique_pageview.into()), paths.len() as i64);

        let entry = views.first().map_or("", |row| row.path.as_str());
        let mut has_entry = false;
        for row in &rows {
            has_entry |= row.event_type == PAGE_VIEW;
            assert_eq!(row.entry_path, if has_entry { entry } else { "" });
        }
        let mut exits: BTreeMap<&str, i64> = BTreeMap::new();
        for view in &views {
            *exits.entry(&view.path).or_default() += 1;
            if !view.prev_path.is_empty() {
                *exits.entry(&view.prev_path).or_default() -= 1;
            }
        }
        exits.retain(|_, sum| *sum != 0);
        let exit = views.iter().max_by_key(|row| row.time).map(|row| (row.path.as_str(), 1));
        assert_eq!(exits.into_iter().collect::<Vec<_>>(), exit.into_iter().collect::<Vec<_>>());
    }
    let mut visitors: BTreeMap<_, i64> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.is_excluded) {
        *visitors.entry((row.day, row.visitor_id, row.is_bot)).or_default() += i64::from(row.visitors);
    }
    assert!(visitors.values().all(|sum| *sum == 1), "each once a day: {visitors:?}");
}
