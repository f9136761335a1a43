//! A hit becomes an event: admit · pseudonymise · locate · recognise · attribute · redact · group.
//!
//! The steps are pure look-ups, apart from the salt of the day, which all collectors share through the store. What
//! comes out has no address and no user id any more, not even in a text, and knows the partition that its person's events share.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use dictionaries::without_www;
use schema::Event;
use schema::event::{CUSTOM, TYPES, VERSION};
use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use crate::hit::Hit;
use crate::load::sessionise::SESSION_GAP_MS;

pub mod admit;
pub mod agent;
pub mod attribute;
pub mod bots;
pub mod hints;
pub mod locate;
pub mod pseudonymise;
pub mod recognise;
pub mod redact;
pub mod salts;

use locate::Atlas;
use pseudonymise::{DaySalts, Pseudonymiser};
use recognise::{Recognised, Recogniser};
use salts::SaltError;

/// An event with the partition that its person's events share.
#[derive(Debug, Clone, PartialEq)]
pub struct Enriched {
    /// What goes into the stream.
    pub event: Event,
    /// Where it goes.
    pub partition: u32,
}

/// A hit's day at its website, and what is needed for it.
pub struct Dated {
    day: i32,
    previous_day: Option<i32>,
    salts: DaySalts,
}

/// Why a hit did not become an event.
#[derive(Debug, Error)]
pub enum NoEvent {
    /// It is not to be stored.
    #[error("the event was dropped: {}", .0.as_str())]
    Dropped(admit::Reason),
    /// The day's salt cannot be had now.
    #[error(transparent)]
    Salt(#[from] SaltError),
}

/// Everything the steps look things up in.
pub struct Enricher {
    pseudonymiser: Pseudonymiser,
    atlas: Arc<Atlas>,
    recogniser: Recogniser,
}

impl Enricher {
    /// An enricher that uses these salts and secrets, and this geo database.
    pub fn new(pseudonymiser: Pseudonymiser, atlas: Arc<Atlas>) -> Self {
        Self { pseudonymiser, atlas, recogniser: Recogniser::default() }
    }

    /// Runs all steps.
    pub async fn enrich(&self, hit: Hit) -> Result<Enriched, NoEvent> {
        let dated = self.date(&hit).await?;
        Ok(self.event(hit, &dated))
    }

    /// The steps that may take time: whether the hit is admitted at all, its day and the salts of that.
    pub async fn date(&self, hit: &Hit) -> Result<Dated, NoEvent> {
        admit::admit(hit).map_err(NoEvent::Dropped)?;
        let (day, previous_day) = local_day(hit.time, hit.website.timezone);
        let salts = self.pseudonymiser.salts(hit, day, previous_day).await?;
        Ok(Dated { day, previous_day, salts })
    }

    /// All other steps.
    pub fn event(&self, hit: Hit, dated: &Dated) -> Enriched {
        let Dated { day, previous_day, ref salts } = *dated;
        let pseudonym = self.pseudonymiser.pseudonym(&hit, salts);
        let place = hit.address.map(|address| self.atlas.place(address)).unwrap_or_default();
        let attribution = attribute::attribute(&hit);
        let Recognised { agent, bot_reason } =
            self.recogniser.recognise(&hit.user_agent, hit.sent.as_ref(), attribution.is_spam);
        // The agent of a relayed event is the relay's: it tells nothing of the visitor.
        let bot_reason = if hit.is_relayed { bots::by_referrer(attribution.is_spam) } else { bot_reason };
        let (event_type, event_name) = name(&hit);
        let hostname = hostname(&hit);
        let excluded = hit.address.is_some_and(|address| hit.website.excluded_ips.contains(address));
        let clean = |text: String| hit.addresses.clean(text);
        let path = clean(hit.path);
        let event = Event {
            version: VERSION,
            website: Some(hit.website.id.into()),
            day,
            time_ms: hit.time,
            received_ms: hit.received_at,
            event_type,
            event_name: clean(event_name),
            hostname,
            content_group: hit.website.content_groups.of(&path).unwrap_or_default().to_owned(),
            path,
            visitor_id: pseudonym.visitor,
            identified: pseudonym.identified,
            person: 0,
            previous_person: pseudonym.previous.unwrap_or_default(),
            previous_day: previous_day.filter(|previous| *previous != day - 1).unwrap_or_default(),
            referrer: attribution.referrer,
            channel: attribution.channel.to_owned(),
            utm_source: attribution.utm_source,
            utm_medium: attribution.utm_medium,
            utm_campaign: attribution.utm_campaign,
            utm_term: attribution.utm_term,
            utm_content: attribution.utm_content,
            device_type: agent.device_type.to_owned(),
            browser: agent.browser.to_owned(),
            os: agent.os.to_owned(),
            screen: recognise::screen_bucket(hit.screen_width).to_owned(),
            country: place.country,
            region: place.region,
            city: place.city,
            language: hit.accept_language.as_deref().map(primary_language).unwrap_or_default(),
            properties: hit
                .properties
                .filter(|properties| !properties.is_empty())
                .map(|mut properties| {
                    hit.addresses.clean_object(&mut properties);
                    serde_json::Value::Object(properties).to_string()
                })
                .unwrap_or_default(),
            bot_reason: bot_reason.unwrap_or_default().to_owned(),
            excluded,
            event_id: hit.event_id.as_deref().map(|id| event_key(id).into()),
        };
        Enriched { event, partition: pseudonym.partition }
    }
}

/// The site-local day of an instant, and the day before it when a session of that one may reach to it. The day before is
/// yesterday, but where a zone crossed the date line and left out a day. A clock that is set back over midnight leads to
/// no earlier day: its sessions are not followed back.
pub fn local_day(time: i64, zone: Tz) -> (i32, Option<i32>) {
    let of = |time| days_since_epoch(local_date(time, zone));
    let day = of(time);
    (day, Some(of(time - SESSION_GAP_MS)).filter(|previous| *previous < day))
}

fn local_date(time: i64, zone: Tz) -> NaiveDate {
    let utc: DateTime<Utc> = Utc.timestamp_millis_opt(time).single().unwrap_or_default();
    utc.with_timezone(&zone).date_naive()
}

fn days_since_epoch(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - NaiveDate::default().num_days_from_ce()
}

/// The stored type and the custom event's name.
fn name(hit: &Hit) -> (String, String) {
    let known = TYPES.contains(&hit.event_type.as_str());
    if known && hit.event_type != CUSTOM {
        return (hit.event_type.clone(), String::new());
    }
    let property = || {
        let name = hit.properties.as_ref()?.get("name")?.as_str()?;
        (!name.is_empty() && name.len() <= crate::bounds::NAME).then(|| name.to_owned())
    };
    let name = hit
        .event_name
        .clone()
        .filter(|name| !name.is_empty())
        .or_else(property)
        .unwrap_or_else(|| if known { CUSTOM.to_owned() } else { hit.event_type.clone() });
    (CUSTOM.to_owned(), name)
}

/// The page's host. A website whose own name is an address keeps it, also when it visits itself.
fn hostname(hit: &Hit) -> String {
    let host = hit.url.host_str().unwrap_or_default().to_owned();
    let is_own = without_www(&host) == without_www(&hit.website.domain);
    if is_own { host } else { hit.addresses.clean(host) }
}

/// The first language of `Accept-Language`, lower case, without weight and region: `de-AT,de;q=0.9` is `de`.
fn primary_language(accepted: &str) -> String {
    let first = accepted.split([',', ';', '-', '_']).next().unwrap_or_default().trim();
    let plausible = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    if plausible { first.to_ascii_lowercase() } else { String::new() }
}

/// A caller's event id as 128 bits.
pub(crate) fn event_key(id: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_calendar_day_at_the_website() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let day = |text: &str| days_since_epoch(text.parse().unwrap());
        let kolkata = chrono_tz::Asia::Kolkata;
        let (last, first) = (day("2026-02-28"), day("2026-03-01"));
        assert_eq!(local_day(at("2026-02-28T18:29:59.999Z"), kolkata), (last, None));
        assert_eq!(local_day(at("2026-02-28T18:30:00.000Z"), kolkata), (first, Some(last)));
        assert_eq!(local_day(at("2026-02-28T18:59:59.999Z"), kolkata), (first, Some(last)));
        assert_eq!(local_day(at("2026-02-28T19:00:00.000Z"), kolkata), (first, None));
    }

    #[test]
    fn the_day_before_is_the_one_that_was_lived_there() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let day = |text: &str| days_since_epoch(text.parse().unwrap());
        // Samoa went from the 29th to the 31st.
        let apia = chrono_tz::Pacific::Apia;
        assert_eq!(local_day(at("2011-12-30T09:59:59.999Z"), apia), (day("2011-12-29"), None));
        assert_eq!(local_day(at("2011-12-30T10:00:00Z"), apia), (day("2011-12-31"), Some(day("2011-12-29"))));
        // Newfoundland set its clocks back by an hour one minute after midnight.
        let st_johns = chrono_tz::America::St_Johns;
        assert_eq!(local_day(at("2009-11-01T02:30:30Z"), st_johns).0, day("2009-11-01"));
        assert_eq!(local_day(at("2009-11-01T02:45:00Z"), st_johns), (day("2009-10-31"), None));
    }

    #[test]
    fn a_language_is_the_first_ones_primary_tag() {
        assert_eq!(primary_language("de-AT,de;q=0.9,en;q=0.8"), "de");
        assert_eq!(primary_language("EN"), "en");
        assert_eq!(primary_language("*"), "");
    }
}
