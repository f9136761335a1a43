//! The row of one event: its own facts, its session's facts stamped on it, and what it changes.

use schema::Event;
use schema::rows::EventRow;
use uuid::Uuid;

use super::sessionise::Place;

/// The facts of a session's first event, stamped on all its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Stamp {
    pub referrer: String,
    pub channel: String,
    pub utm_source: String,
    pub utm_medium: String,
    pub utm_campaign: String,
    pub utm_term: String,
    pub utm_content: String,
    pub device_type: String,
    pub browser: String,
    pub os: String,
    pub screen: String,
    pub country: String,
    pub region: String,
    pub city: String,
    pub language: String,
}

/// What one event changes.
#[derive(Debug, Default)]
pub(in crate::load) struct Deltas {
    pub(super) visits: i8,
    pub(super) visitors: i8,
    pub(super) bounces: i8,
    pub(super) duration_ms: i64,
    pub(super) entry_duration_ms: i64,
    pub(super) unique_pageview: i8,
    pub(super) prev_path: String,
}

/// What a row says of its session.
pub(super) struct Booked {
    pub(super) id: u64,
    pub(super) start: i64,
    pub(super) day: i32,
    pub(super) entry_path: String,
    pub(super) stamp: Stamp,
}

impl Stamp {
    /// The facts of one event.
    pub fn of(event: &Event) -> Self {
        Self {
            referrer: event.referrer.clone(),
            channel: event.channel.clone(),
            utm_source: event.utm_source.clone(),
            utm_medium: event.utm_medium.clone(),
            utm_campaign: event.utm_campaign.clone(),
            utm_term: event.utm_term.clone(),
            utm_content: event.utm_content.clone(),
            device_type: event.device_type.clone(),
            browser: event.browser.clone(),
            os: event.os.clone(),
            screen: event.screen.clone(),
            country: event.country.clone(),
            region: event.region.clone(),
            city: event.city.clone(),
            language: event.language.clone(),
        }
    }
}

/// A day as the store keeps it; collectors refuse what lies outside.
fn stored_day(day: i32) -> u16 {
    u16::try_from(day).unwrap_or_default()
}

pub(super) fn row(
    event: Event,
    place: Place<'_>,
    event_id: Uuid,
    deltas: Deltas,
    booked: Option<Booked>,
) -> EventRow {
    let (stamp, session_id, session_start, session_day, entry_path) = match booked {
        Some(Booked { id, start, day, entry_path, stamp }) => (stamp, id, start, stored_day(day), entry_path),
        None => (Stamp::of(&event), 0, 0, 0, String::new()),
    };
    EventRow {
        website_id: event.website_id(),
        day: stored_day(event.day),
        time: event.time_ms,
        received_after_ms: event.received_ms - event.time_ms,
        is_bot: event.is_bot(),
        event_type: event.event_type,
        event_name: event.event_name,
        hostname: event.hostname,
        path: event.path,
        content_group: event.content_group,
        properties: event.properties,
        visitor_id: event.visitor_id,
        is_identified: event.identified,
        person: event.person,
        bot_reason: event.bot_reason,
        is_excluded: event.excluded,
        session_id,
        session_start,
        session_day,
        entry_path,
        prev_path: deltas.prev_path,
        visits: deltas.visits,
        visitors: deltas.visitors,
        bounces: deltas.bounces,
        duration_ms: deltas.duration_ms,
        entry_lead_ms: deltas.entry_duration_ms - deltas.duration_ms,
        unique_pageview: deltas.unique_pageview,
        referrer: stamp.referrer,
        channel: stamp.channel,
        utm_source: stamp.utm_source,
        utm_medium: stamp.utm_medium,
        utm_campaign: stamp.utm_campaign,
        utm_term: stamp.utm_term,
        utm_content: stamp.utm_content,
        device_type: stamp.device_type,
        browser: stamp.browser,
        os: stamp.os,
        screen: stamp.screen,
        country: stamp.country,
        region: stamp.region,
        city: stamp.city,
        language: stamp.language,
        event_id,
        stream: place.stream.to_owned(),
        kafka_partition: place.partition as u16,
        kafka_offset: place.offset,
        epoch: 0,
    }
}
