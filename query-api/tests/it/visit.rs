//! What happened on a website, told as it happened and written as a loader writes it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::NaiveDateTime;
use schema::rows::EventRow;
use uuid::Uuid;

/// One person's visit: `visit.at("2026-03-01T10:00:00").sees("/").after(20).sees("/pricing")`.
pub(crate) struct Visit {
    site: Uuid,
    who: String,
    is_bot: bool,
    is_identified: bool,
    is_excluded: bool,
    channel: String,
    browser: String,
    referrer: String,
    campaign: [String; 3],
    device_type: String,
    os: String,
    screen: String,
    country: String,
    entry: String,
    exit: String,
    now: i64,
    views: usize,
    customs: usize,
    bounce: i8,
    seen: HashSet<String>,
    rows: Vec<EventRow>,
}

/// The stream's order is the order in which the events are told.
static OFFSETS: AtomicU64 = AtomicU64::new(0);

fn number_of(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish().max(1)
}

/// Days since 1970-01-01 of an instant in UTC.
fn day_of(millis: i64) -> u16 {
    u16::try_from(millis.div_euclid(86_400_000)).unwrap()
}

impl Visit {
    pub(crate) fn of(site: Uuid, who: &str) -> Self {
        Self {
            site,
            who: who.to_owned(),
            is_bot: false,
            is_identified: false,
            is_excluded: false,
            channel: "Direct".into(),
            browser: "Firefox".into(),
            referrer: String::new(),
            campaign: Default::default(),
            device_type: "desktop".into(),
            os: "Linux".into(),
            screen: "unknown".into(),
            country: String::new(),
            entry: String::new(),
            exit: String::new(),
            now: 0,
            views: 0,
            customs: 0,
            bounce: 0,
            seen: HashSet::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn bot(mut self) -> Self {
        self.is_bot = true;
        self
    }

    pub(crate) fn identified(mut self) -> Self {
        self.is_identified = true;
        self
    }

    pub(crate) fn excluded(mut self) -> Self {
        self.is_excluded = true;
        self
    }

    pub(crate) fn from(mut self, channel: &str) -> Self {
        channel.clone_into(&mut self.channel);
        self
    }

    pub(crate) fn with(mut self, browser: &str) -> Self {
        browser.clone_into(&mut self.browser);
        self
    }

    /// The referring domain.
    pub(crate) fn via(mut self, referrer: &str) -> Self {
        referrer.clone_into(&mut self.referrer);
        self
    }

    /// The campaign: source, medium and name.
    pub(crate) fn campaign(mut self, campaign: [&str; 3]) -> Self {
        self.campaign = campaign.map(str::to_owned);
        self
    }

    /// The device: type, system and bucket of the screen.
    pub(crate) fn on(mut self, [device_type, os, screen]: [&str; 3]) -> Self {
        device_type.clone_into(&mut self.device_type);
        os.clone_into(&mut self.os);
        screen.clone_into(&mut self.screen);
        self
    }

    /// The country.
    pub(crate) fn in_country(mut self, country: &str) -> Self {
        country.clone_into(&mut self.country);
        self
    }

    /// The next event happens at this instant of UTC.
    pub(crate) fn at(mut self, instant: &str) -> Self {
        self.now = instant.parse::<NaiveDateTime>().unwrap().and_utc().timestamp_millis();
        self
    }

    /// The next event happens so many seconds later.
    pub(crate) fn after(mut self, seconds: i64) -> Self {
        self.now += seconds * 1000;
        self
    }

    /// A view of a page.
    pub(crate) fn sees(self, path: &str) -> Self {
        self.does("page_view", path)
    }

    /// A custom event of a name.
    pub(crate) fn fires(mut self, name: &str, path: &str) -> Self {
        self = self.does("custom", path);
        if let Some(row) = self.rows.last_mut() {
            name.clone_into(&mut row.event_name);
        }
        self
    }

    /// An event on a page.
    pub(crate) fn does(mut self, event_type: &str, path: &str) -> Self {
        let previous = self.rows.last().filter(|row| row.session_id != 0);
        let starts = previous.is_none() && !self.is_excluded && matches!(event_type, "page_view" | "custom");
        let (session_start, last) = match previous {
            Some(row) => (row.session_start, row.time),
            None => (self.now, self.now),
        };
        let in_session = starts || previous.is_some();
        let is_view = event_type == "page_view";
        self.views += usize::from(is_view);
        self.customs += usize::from(event_type == "custom");
        let bounce = i8::from(in_session && self.views == 1 && self.customs == 0);
        let is_first_view = is_view && !self.is_excluded && self.seen.insert(path.to_owned());
        let enters = is_view && self.entry.is_empty();
        let prev_path =
            if is_view { std::mem::replace(&mut self.exit, path.to_owned()) } else { path.to_owned() };
        if enters {
            path.clone_into(&mut self.entry);
        }
        let visitor_day = if self.is_identified { 0 } else { day_of(self.now) };
        self.rows.push(EventRow {
            website_id: self.site,
            day: day_of(self.now),
            time: self.now,
            event_type: event_type.to_owned(),
            path: path.to_owned(),
            content_group: if path.starts_with("/blog") { "Blog".into() } else { String::new() },
            visitor_id: number_of((&self.who, visitor_day)),
            is_identified: self.is_identified,
            is_bot: self.is_bot,
            bot_reason: if self.is_bot { "user_agent".into() } else { String::new() },
            is_excluded: self.is_excluded,
            session_id: if in_session { number_of((&self.who, session_start)) } else { 0 },
            session_start,
            session_day: day_of(session_start),
            visits: i8::from(starts),
            bounces: bounce - self.bounce,
            duration_ms: self.now - last,
            entry_path: self.entry.clone(),
            prev_path,
            entry_lead_ms: if enters { last - session_start } else { 0 },
            referrer: self.referrer.clone(),
            utm_source: self.campaign[0].clone(),
            utm_medium: self.campaign[1].clone(),
            utm_campaign: self.campaign[2].clone(),
            device_type: self.device_type.clone(),
            os: self.os.clone(),
            screen: self.screen.clone(),
            country: self.country.clone(),
            kafka_offset: OFFSETS.fetch_add(1, Ordering::Relaxed),
            unique_pageview: i8::from(is_first_view),
            channel: self.channel.clone(),
            browser: self.browser.clone(),
            ..nothing()
        });
        self.bounce = bounce;
        self
    }

    pub(crate) fn into_rows(self) -> Vec<EventRow> {
        self.rows
    }
}

/// The first event of a visitor's day carries the mark.
pub(crate) fn mark_first_of_day(rows: &mut [EventRow]) {
    let mut seen = HashSet::new();
    for row in rows.iter_mut().filter(|row| !row.is_excluded) {
        row.visitors = i8::from(seen.insert((row.day, row.visitor_id, row.is_bot)));
    }
}

fn nothing() -> EventRow {
    EventRow {
        website_id: Uuid::nil(),
        day: 0,
        time: 0,
        received_after_ms: 0,
        event_type: String::new(),
        event_name: String::new(),
        hostname: String::new(),
        path: String::new(),
        content_group: String::new(),
        properties: String::new(),
        visitor_id: 0,
        is_identified: false,
        person: 0,
        is_bot: false,
        bot_reason: String::new(),
        is_excluded: false,
        session_id: 0,
        session_start: 0,
        session_day: 0,
        entry_path: String::new(),
        prev_path: String::new(),
        visits: 0,
        visitors: 0,
        bounces: 0,
        duration_ms: 0,
        entry_lead_ms: 0,
        unique_pageview: 0,
        referrer: String::new(),
        channel: String::new(),
        utm_source: String::new(),
        utm_medium: String::new(),
        utm_campaign: String::new(),
        utm_term: String::new(),
        utm_content: String::new(),
        device_type: String::new(),
        browser: String::new(),
        os: String::new(),
        screen: String::new(),
        country: String::new(),
        region: String::new(),
        city: String::new(),
        language: String::new(),
        event_id: Uuid::nil(),
        stream: "test".into(),
        kafka_partition: 0,
        kafka_offset: 0,
        epoch: 0,
    }
}
