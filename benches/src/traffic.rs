//! What visitors do, day by day, from a seed: visits with some 3.5 events each, of people who come again, on pages by
//! Zipf's law, busier by day than by night and on weekdays than at weekends.

use std::collections::BTreeMap;

use dictionaries::{Attribution, channel, without_www};
use ingest::enrich::recognise::{Agent, Recogniser, screen_bucket};
use schema::event::{Event, VERSION};
use serde_json::json;
use uuid::Uuid;

use crate::random::{Random, Weights, mix};
use crate::world::{self, AGENTS, COUNTRIES, REFERRERS, Site};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Events of a visit, on average; what is made comes close to it.
const EVENTS_PER_VISIT: f64 = 3.5;

/// How many partitions the stream has.
pub const PARTITIONS: u32 = 4;

/// How much traffic there is.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Where all chance comes from.
    pub seed: u64,
    /// How many events there are, about.
    pub events: u64,
    /// On how many days.
    pub days: u16,
    /// The first day, since 1970-01-01.
    pub first_day: u16,
}

/// An event, its partition, and what a browser would have sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The event as a collector makes it.
    pub event: Event,
    /// The partition of its person.
    pub partition: u32,
    /// The user agent of the request.
    pub user_agent: &'static str,
    referrer: &'static str,
    width: u32,
}

impl Sent {
    /// The body of the request, as the tracker writes it.
    pub fn body(&self) -> String {
        let event = &self.event;
        json!({
            "event_id": event.event_id.map(|id| Uuid::from(id).simple().to_string()),
            "website_id": event.website_id().to_string(),
            "event_type": event.event_type,
            "event_name": Some(&event.event_name).filter(|name| !name.is_empty()),
            "url": format!("https://{}{}", event.hostname, event.path),
            "path": event.path,
            "referrer": Some(self.referrer).filter(|host| !host.is_empty()).map(|host| format!("https://{host}/")),
            "screen_width": self.width,
            "screen_height": self.width * 9 / 16,
        })
        .to_string()
    }

    /// The record of the stream.
    pub fn record(&self) -> Vec<u8> {
        self.event.to_bytes()
    }
}

/// Makes the days of a [`Shape`], one after the other.
pub struct Traffic {
    shape: Shape,
    random: Random,
    sites: Vec<Site>,
    shares: Weights,
    agents: Weights,
    referrers: Weights,
    countries: Weights,
    hours: Weights,
    recogniser: Recogniser,
    /// How many people each site has had.
    people: Vec<u64>,
    /// Events by day; visits begin on one and may end on the next.
    made: BTreeMap<u16, Vec<Sent>>,
    day: u16,
}

/// Somebody, always the same.
struct Person {
    key: u64,
    user_agent: &'static str,
    agent: Agent,
    bot_reason: &'static str,
    country: &'static str,
    language: &'static str,
    city: String,
    width: u32,
    identified: bool,
}

impl Traffic {
    /// The traffic of a shape.
    pub fn new(shape: Shape) -> Self {
        let per_mille = |weights: &[u32]| Weights::of(weights.iter().map(|weight| f64::from(*weight)));
        let hour = |hour: i32| 1.2 + (f64::from(hour - 9) * std::f64::consts::PI / 12.0).sin();
        let sites = world::sites(shape.seed);
        Self {
            shape,
            random: Random::of(shape.seed),
            people: vec![0; sites.len()],
            sites,
            shares: world::shares(),
            agents: per_mille(&AGENTS.map(|(_, weight)| weight)),
            referrers: per_mille(&REFERRERS.map(|(_, weight)| weight)),
            countries: per_mille(&COUNTRIES.map(|(.., weight)| weight)),
            hours: Weights::of((0..24).map(hour)),
            recogniser: Recogniser::default(),
            made: BTreeMap::new(),
            day: shape.first_day,
        }
    }

    /// The next day's events in the order of their times; `None` after the last.
    pub fn next_day(&mut self) -> Option<Vec<Sent>> {
        let day = self.day;
        if day >= self.shape.first_day + self.shape.days {
            return None;
        }
        self.day += 1;
        // The first of January 1970 was a Thursday. The shares of a week's days add up to seven.
        let share = if matches!((day + 4) % 7, 0 | 6) { 0.7 } else { 1.12 };
        let visits = share * self.shape.events as f64 / f64::from(self.shape.days) / EVENTS_PER_VISIT;
        for _ in 0..visits.round() as u64 {
            self.visit(day);
        }
        let mut events = self.made.remove(&day).unwrap_or_default();
        events.sort_by_key(|sent| sent.event.time_ms);
        Some(events)
    }

    fn visit(&mut self, day: u16) {
        let at = self.shares.choose(&mut self.random);
        // A third of the visits is of somebody who was there before, lately rather than long ago.
        let known = self.people[at];
        let number = if known > 0 && self.random.chance(0.35) {
            known - 1 - (self.random.unit().powi(3) * known as f64) as u64
        } else {
            self.people[at] += 1;
            known
        };
        let person = self.person(at, number);
        let referrer = REFERRERS[self.referrers.choose(&mut self.random)].0;
        let campaign = self.random.chance(0.06).then(|| self.random.below(12));
        let mut time = i64::from(day) * DAY_MS
            + self.hours.choose(&mut self.random) as i64 * 60 * MINUTE_MS
            + self.random.below(60 * MINUTE_MS as u64) as i64;
        let send = |traffic: &mut Self, time: i64, event_type: &str, path: usize| {
            let event = traffic.event(at, &person, time, event_type, path, referrer, campaign);
            let day = u16::try_from(event.day).unwrap_or(day);
            let partition = (mix(person.key) % u64::from(PARTITIONS)) as u32;
            let sent =
                Sent { event, partition, user_agent: person.user_agent, referrer, width: person.width };
            traffic.made.entry(day).or_default().push(sent);
        };
        loop {
            let path = self.sites[at].popularity.choose(&mut self.random);
            send(self, time, "page_view", path);
            for (event_type, share) in [
                ("scroll_25", 0.30),
                ("scroll_50", 0.18),
                ("scroll_75", 0.09),
                ("custom", 0.06),
                ("outbound_link", 0.04),
            ] {
                if self.random.chance(share) {
                    time += self.random.wait(8_000.0);
                    send(self, time, event_type, path);
                }
            }
            time += self.random.wait(40_000.0);
            if !self.random.chance(0.45) {
                if self.random.chance(0.5) {
                    send(self, time, "close_tab", path);
                }
                break;
            }
        }
    }

    fn person(&self, at: usize, number: u64) -> Person {
        let mut random = Random::of(mix(number ^ self.shape.seed) ^ at as u64);
        let user_agent = AGENTS[self.agents.choose(&mut random)].0;
        let recognised = self.recogniser.recognise(user_agent, None, false);
        let (country, language, _) = COUNTRIES[self.countries.choose(&mut random)];
        // A country has some 30 cities, and not every address is known that well.
        let city = Weights::zipf(30).choose(&mut random);
        let widths: &[u32] = if recognised.agent.device_type == "mobile" {
            &[360, 390, 393, 412, 430]
        } else {
            &[1280, 1440, 1536, 1920, 2560]
        };
        Person {
            key: random.bits(),
            user_agent,
            agent: recognised.agent,
            bot_reason: recognised.bot_reason.unwrap_or_default(),
            country,
            language,
            city: if random.chance(0.8) { format!("{country} City {city}") } else { String::new() },
            width: widths[random.below(widths.len() as u64) as usize],
            identified: random.chance(self.sites[at].identified),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what a visit has in common, and what is the event's own")]
    fn event(
        &mut self,
        at: usize,
        person: &Person,
        time: i64,
        event_type: &str,
        path: usize,
        referrer: &str,
        campaign: Option<u64>,
    ) -> Event {
        let site = &self.sites[at];
        let day = (time / DAY_MS) as i32;
        let visitor = |day: i32| mix(person.key ^ mix(if person.identified { 0 } else { day as u64 })) | 1;
        let is_early = time % DAY_MS < 30 * MINUTE_MS;
        let is_custom = event_type == "custom";
        let utm = |name: &str| campaign.map(|_| name.to_owned()).unwrap_or_default();
        let utm_source = utm("newsletter");
        let utm_medium = utm("email");
        let host = Some(referrer).filter(|host| !host.is_empty());
        let attribution =
            Attribution { referrer: host, utm_source: &utm_source, utm_medium: &utm_medium, click_id: None };
        Event {
            version: VERSION,
            website: Some(site.id.into()),
            day,
            time_ms: time,
            received_ms: time,
            event_type: event_type.to_owned(),
            event_name: if is_custom {
                ["signup", "download", "play"][path % 3].to_owned()
            } else {
                String::new()
            },
            hostname: site.domain.clone(),
            path: site.paths[path].clone(),
            content_group: if site.paths[path].starts_with("/blog") {
                "Blog".to_owned()
            } else {
                String::new()
            },
            properties: if is_custom {
                format!(r#"{{"plan":"pro","value":{}}}"#, time % 100)
            } else {
                String::new()
            },
            visitor_id: visitor(day),
            identified: person.identified,
            previous_person: if is_early && !person.identified { visitor(day - 1) } else { 0 },
            referrer: without_www(referrer).to_owned(),
            channel: channel(attribution).as_str().to_owned(),
            utm_source,
            utm_medium,
            utm_campaign: campaign.map(|number| format!("campaign-{number}")).unwrap_or_default(),
            device_type: person.agent.device_type.to_owned(),
            browser: person.agent.browser.to_owned(),
            os: person.agent.os.to_owned(),
            screen: screen_bucket(Some(f64::from(person.width))).to_owned(),
            country: person.country.to_owned(),
            region: if person.city.is_empty() {
                String::new()
            } else {
                format!("{}-{}", person.country, person.city.len())
            },
            city: person.city.clone(),
            language: person.language.to_owned(),
            bot_reason: person.bot_reason.to_owned(),
            event_id: Some(Uuid::from_u64_pair(self.random.bits(), self.random.bits()).into()),
            ..Event::default()
        }
    }
}
