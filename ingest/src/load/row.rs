//! The row of one event: its own facts, its session's facts stamped on it, and what it changes.

use schema::Event;
use schema::rows::EventRow;
use uuid::Uuid;

use super::sessionise::Place;

/// The facts of a session's first event, stamped on all its events. In three parts, since sessions that differ have most of
/// them in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Where the session came from.
    pub source: Source,
    /// With what it was made.
    pub device: Device,
    /// Where it was made, and in which language.
    pub locale: Locale,
}

/// Where a session came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
#[allow(clippy::struct_field_names, reason = "they are called as in the record and in the rows")]
pub struct Source {
    pub referrer: String,
    pub channel: String,
    pub utm_source: String,
    pub utm_medium: String,
    pub utm_campaign: String,
    pub utm_term: String,
    pub utm_content: String,
}

/// With what a session was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
#[allow(clippy::struct_field_names, reason = "they are called as in the record and in the rows")]
pub struct Device {
    pub device_type: String,
    pub browser: String,
    pub os: String,
    pub screen: String,
}

/// Where a session was made, and in which language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Locale {
    pub country: String,
    pub region: String,
    pub city: String,
    pub language: String,
}

/// What one event changes.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    pub(super) visits: i8,
    pub(super) visitors: i8,
    pub(super) bounces: i8,
    pub(super) duration_ms: i64,
    pub(super) entry_duration_ms: i64,
    pub(super) unique_pageview: i8,
    pub(super) prev_path: String,
}

/// What a row says of its session.
#[derive(Clone, Copy)]
pub(super) struct Booked<'a> {
    pub(super) id: u64,
    pub(super) start: i64,
    pub(super) day: u16,
    pub(super) entry_path: &'a str,
    pub(super) source: Option<&'a Source>,
    pub(super) device: Option<&'a Device>,
    pub(super) locale: Option<&'a Locale>,
}

impl Stamp {
    /// The facts of one event.
    pub fn of(event: &Event) -> Self {
        Self {
            source: Source {
                referrer: event.referrer.clone(),
                channel: event.channel.clone(),
                utm_source: event.utm_source.clone(),
                utm_medium: event.utm_medium.clone(),
                utm_campaign: event.utm_campaign.clone(),
                utm_term: event.utm_term.clone(),
                utm_content: event.utm_content.clone(),
            },
            device: Device {
                device_type: event.device_type.clone(),
                browser: event.browser.clone(),
                os: event.os.clone(),
                screen: event.screen.clone(),
            },
            locale: Locale {
                country: event.country.clone(),
                region: event.region.clone(),
                city: event.city.clone(),
                language: event.language.clone(),
            },
        }
    }
}

/// A day as the store keeps it; collectors refuse what lies outside.
pub(super) fn stored_day(day: i32) -> u16 {
    u16::try_from(day).unwrap_or_default()
}

/// A fact of the session, which is nearly always the event's own. An event without a session keeps its own.
fn stamped(own: String, of_session: Option<&str>) -> String {
    match of_session {
        Some(of_session) if of_session != own => of_session.to_owned(),
        _ => own,
    }
}

pub(super) fn row(
    event: Event,
    place: Place<'_>,
    epoch: u32,
    event_id: Uuid,
    deltas: Deltas,
    booked: Option<Booked<'_>>,
) -> EventRow {
    let source = booked.and_then(|booked| booked.source);
    let device = booked.and_then(|booked| booked.device);
    let locale = booked.and_then(|booked| booked.locale);
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
        session_id: booked.map_or(0, |booked| booked.id),
        session_start: booked.map_or(0, |booked| booked.start),
        session_day: booked.map_or(0, |booked| booked.day),
        entry_path: booked.map_or_else(String::new, |booked| booked.entry_path.to_owned()),
        prev_path: deltas.prev_path,
        visits: deltas.visits,
        visitors: deltas.visitors,
        bounces: deltas.bounces,
        duration_ms: deltas.duration_ms,
        entry_lead_ms: deltas.entry_duration_ms - deltas.duration_ms,
        unique_pageview: deltas.unique_pageview,
        referrer: stamped(event.referrer, source.map(|source| &*source.referrer)),
        channel: stamped(event.channel, source.map(|source| &*source.channel)),
        utm_source: stamped(event.utm_source, source.map(|source| &*source.utm_source)),
        utm_medium: stamped(event.utm_medium, source.map(|source| &*source.utm_medium)),
        utm_campaign: stamped(event.utm_campaign, source.map(|source| &*source.utm_campaign)),
        utm_term: stamped(event.utm_term, source.map(|source| &*source.utm_term)),
        utm_content: stamped(event.utm_content, source.map(|source| &*source.utm_content)),
        device_type: stamped(event.device_type, device.map(|device| &*device.device_type)),
        browser: stamped(event.browser, device.map(|device| &*device.browser)),
        os: stamped(event.os, device.map(|device| &*device.os)),
        screen: stamped(event.screen, device.map(|device| &*device.screen)),
        country: stamped(event.country, locale.map(|locale| &*locale.country)),
        region: stamped(event.region, locale.map(|locale| &*locale.region)),
        city: stamped(event.city, locale.map(|locale| &*locale.city)),
        language: stamped(event.language, locale.map(|locale| &*locale.language)),
        event_id,
        stream: place.stream.to_owned(),
        kafka_partition: place.partition as u16,
        kafka_offset: place.offset,
        epoch,
    }
}
