//! People at websites all over the world, seen through the real enricher: whose day it is, who they are on it, and who
//! they were before midnight.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeZone as _};
use chrono_tz::{America, Asia, Europe, Pacific, Tz, UTC};
use directory::{ContentGroups, ExcludedIps, Website};
use ingest::enrich::locate::Atlas;
use ingest::enrich::pseudonymise::Pseudonymiser;
use ingest::enrich::salts::Salts;
use ingest::enrich::{Enricher, local_day};
use ingest::hit::{Hit, Utm};
use ingest::load::sessionise::SESSION_GAP_MS;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use schema::event::{Event, PAGE_VIEW};
use service::{Clock, MasterKey};
use uuid::Uuid;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0";

/// The instants around which people are about: a zone, when, and what its clocks do then.
pub const INSTANTS: [(Tz, &str, &str); 25] = [
    (UTC, "2026-03-02T00:00:00Z", "midnight"),
    (Asia::Kolkata, "2026-02-28T18:30:00Z", "midnight"),
    (America::New_York, "2026-03-08T05:00:00Z", "midnight before the change"),
    (America::New_York, "2026-03-08T07:00:00Z", "forward from 2 to 3"),
    (America::New_York, "2026-03-09T04:00:00Z", "midnight after the change"),
    (America::New_York, "2026-11-01T04:00:00Z", "midnight before the change"),
    (America::New_York, "2026-11-01T06:00:00Z", "back from 2 to 1"),
    (America::New_York, "2026-11-02T05:00:00Z", "midnight after the change"),
    (Europe::Berlin, "2026-03-28T23:00:00Z", "midnight before the change"),
    (Europe::Berlin, "2026-03-29T01:00:00Z", "forward from 2 to 3"),
    (Europe::Berlin, "2026-10-24T22:00:00Z", "midnight before the change"),
    (Europe::Berlin, "2026-10-25T01:00:00Z", "back from 3 to 2"),
    (chrono_tz::Australia::Lord_Howe, "2026-04-04T13:00:00Z", "midnight before the change"),
    (chrono_tz::Australia::Lord_Howe, "2026-04-04T15:00:00Z", "back by half an hour"),
    (chrono_tz::Australia::Lord_Howe, "2026-10-03T13:30:00Z", "midnight before the change"),
    (chrono_tz::Australia::Lord_Howe, "2026-10-03T15:30:00Z", "forward by half an hour"),
    (Pacific::Chatham, "2026-04-04T10:15:00Z", "midnight before the change"),
    (Pacific::Chatham, "2026-04-04T14:00:00Z", "back from 3:45 to 2:45"),
    (Pacific::Chatham, "2026-09-26T11:15:00Z", "midnight before the change"),
    (Pacific::Chatham, "2026-09-26T14:00:00Z", "forward from 2:45 to 3:45"),
    (America::Sao_Paulo, "2018-11-04T03:00:00Z", "forward from midnight to 1: the day has no midnight"),
    (America::Sao_Paulo, "2018-02-18T02:00:00Z", "back from midnight to 23 of the same day"),
    (America::Sao_Paulo, "2018-02-18T03:00:00Z", "midnight, the second try"),
    (Pacific::Apia, "2011-12-30T10:00:00Z", "from the end of the 29th to the 31st"),
    (Pacific::Apia, "2011-12-31T10:00:00Z", "midnight after the day that was left out"),
];

/// Who is about: an address, an agent, a user id, a session id.
const PEOPLE: [(&str, &str, &str, &str); 6] = [
    ("192.0.2.1", FIREFOX, "", ""),
    ("2001:db8::2", FIREFOX, "", ""),
    ("192.0.2.3", FIREFOX, "ann", "s1"),
    ("192.0.2.4", FIREFOX, "", "s2"),
    ("192.0.2.5", "curl/8.5.0", "", ""),
    // The website excludes this one.
    ("198.51.100.6", FIREFOX, "", ""),
];

/// How often each of them does something: those who count the most often.
const ABOUT: [usize; 10] = [0, 0, 1, 2, 2, 2, 3, 3, 4, 5];

const KINDS: [&str; 11] = [
    PAGE_VIEW,
    PAGE_VIEW,
    PAGE_VIEW,
    PAGE_VIEW,
    "custom",
    "signup",
    "scroll_25",
    "scroll_50",
    "scroll_75",
    "close_tab",
    "outbound_link",
];

/// What somebody does, and when it arrives.
#[derive(Debug, Clone)]
pub struct Step {
    pub person: usize,
    pub time: i64,
    pub kind: &'static str,
    pub path: &'static str,
    /// It comes by a spammer's link: a bot's event of somebody who is none otherwise.
    pub is_spam: bool,
    /// Shuffles those that arrive together.
    pub shuffle: u16,
    /// How many batches too late it arrives, when things arrive late.
    pub delay: usize,
}

/// A website's traffic, in the order in which it happened, and where its batches end.
#[derive(Debug, Clone)]
pub struct Scene {
    pub zone: Tz,
    pub steps: Vec<Step>,
    pub cuts: Vec<Index>,
}

/// An event as it was enriched, and what is known of it beside.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The person and whether it is a bot's event, without any hash.
    pub who: (usize, bool),
    /// The calendar's day at the website.
    pub day: i32,
    pub event: Event,
}

pub fn millis(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

/// The calendar, asked directly.
pub fn calendar_day(time: i64, zone: Tz) -> i32 {
    let date = zone.timestamp_millis_opt(time).unwrap().date_naive();
    (date - NaiveDate::default()).num_days() as i32
}

/// Traffic of a few people around one of the instants, each with gaps that matter.
pub fn scenes() -> impl Strategy<Value = Scene> {
    let gap = prop_oneof![
        4 => select(vec![SESSION_GAP_MS - 1, SESSION_GAP_MS, SESSION_GAP_MS + 1]),
        2 => 0..SESSION_GAP_MS,
        1 => select(vec![0, 1, 20_000, 3 * 3_600_000]),
    ];
    let delay = prop_oneof![8 => Just(0), 2 => Just(1), 1 => Just(2), 1 => Just(4)];
    let step = (
        select(&ABOUT[..]),
        gap,
        select(&KINDS[..]),
        select(vec!["/", "/a", "/b", "/c"]),
        prop::bool::weighted(0.1),
        any::<u16>(),
        delay,
    );
    let before = prop_oneof![
        select(vec![0, 1, 600_000, SESSION_GAP_MS - 1, SESSION_GAP_MS, SESSION_GAP_MS + 1]),
        0..4 * SESSION_GAP_MS,
    ];
    let begins = prop::collection::vec(before, PEOPLE.len());
    let steps = prop::collection::vec(step, 1..70);
    let cuts = prop::collection::vec(any::<Index>(), 0..6);
    (select(&INSTANTS[..]), begins, steps, cuts).prop_map(|((zone, instant, _), begins, steps, cuts)| {
        let mut clocks: Vec<_> = begins.into_iter().map(|before| millis(instant) - before).collect();
        let mut steps: Vec<_> = steps
            .into_iter()
            .map(|(person, gap, kind, path, is_spam, shuffle, delay)| {
                let time = clocks[person];
                clocks[person] += gap;
                Step { person, time, kind, path, is_spam, shuffle, delay }
            })
            .collect();
        steps.sort_by_key(|step| step.time);
        Scene { zone, steps, cuts }
    })
}

/// The enricher, with salts in a real store.
pub struct World(Enricher);

impl World {
    pub fn new(client: clickhouse::Client) -> Self {
        let master = MasterKey::parse(&"5a".repeat(32)).unwrap();
        let salts = Salts::new(client, &master, Clock::fixed(millis("2026-12-01T00:00:00Z")));
        Self(Enricher::new(Pseudonymiser::new(salts, &master, 5), Arc::new(Atlas::empty())))
    }

    /// What becomes of a scene at a new website, in the order in which it happened.
    pub async fn see(&self, scene: &Scene) -> Vec<Seen> {
        let website = Arc::new(Website {
            id: Uuid::new_v4(),
            account_id: Uuid::nil(),
            domain: "example.com".into(),
            respect_dnt: false,
            retention_days: None,
            timezone: scene.zone,
            content_groups: ContentGroups::default(),
            excluded_ips: ExcludedIps::parse(vec!["198.51.100.0/24".into()]).unwrap(),
            created_at: 0,
        });
        let mut seen = Vec::with_capacity(scene.steps.len());
        let mut partitions = HashMap::new();
        for step in &scene.steps {
            let enriched = self.0.enrich(hit(&website, step)).await.unwrap();
            let partition = *partitions.entry(step.person).or_insert(enriched.partition);
            assert_eq!(enriched.partition, partition, "one person, one partition, whatever the day");
            let day = calendar_day(step.time, scene.zone);
            assert_eq!((enriched.event.day, local_day(step.time, scene.zone).0), (day, day));
            let is_bot = step.is_spam || PEOPLE[step.person].1 != FIREFOX;
            assert_eq!(enriched.event.is_bot(), is_bot);
            seen.push(Seen { who: (step.person, is_bot), day, event: enriched.event });
        }
        seen
    }
}

fn hit(website: &Arc<Website>, step: &Step) -> Hit {
    let (address, agent, user, session) = PEOPLE[step.person];
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Hit {
        addresses: ingest::enrich::redact::Addresses::default(),
        opts_out: false,
        website: Arc::clone(website),
        received_at: step.time,
        time: step.time,
        address: address.parse().ok(),
        user_agent: agent.to_owned(),
        accept_language: None,
        is_relayed: false,
        sent: None,
        event_type: step.kind.to_owned(),
        event_name: None,
        url: "https://example.com/".parse().unwrap(),
        path: step.path.to_owned(),
        referrer: step.is_spam.then(|| "https://semalt.com/".to_owned()),
        screen_width: None,
        properties: None,
        utm: Utm::default(),
        user_id: given(user),
        session_id: given(session),
        event_id: None,
    }
}

#[test]
fn the_clocks_do_at_these_instants_what_they_are_said_to_do() {
    use chrono::Offset as _;
    for (zone, instant, what) in INSTANTS {
        let time = millis(instant);
        let offset = |time: i64| zone.timestamp_millis_opt(time).unwrap().offset().fix().local_minus_utc();
        let [days, seconds] =
            [calendar_day(time, zone) - calendar_day(time - 1, zone), offset(time) - offset(time - 1)];
        let expected = match what {
            _ if what.contains("31st") => (2, 24 * 3600),
            _ if what.contains("no midnight") => (1, 3600),
            _ if what.starts_with("midnight") => (1, 0),
            _ if what.ends_with("half an hour") => (0, if what.starts_with("back") { -1800 } else { 1800 }),
            _ => (0, if what.starts_with("back") { -3600 } else { 3600 }),
        };
        assert_eq!((days, seconds), expected, "{zone} {instant}: {what}");
    }
}
