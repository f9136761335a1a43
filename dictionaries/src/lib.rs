//! The names of the world: which hosts are search engines, which user agents are machines, what a click id
//! says about who was paid, what a country is called.
//!
//! One list, one file, one function: the facts lie as text in `data/` (where they come from is in
//! `data/SOURCES.md`), are compiled in and parsed once, on the first question. Every look-up is pure: no IO, no
//! clock, no configuration, and no input that makes it panic. What follows from the facts is decided elsewhere,
//! with one exception: [`channel`] is the published table of traffic channels, read aloud.

mod assets;
mod bots;
mod channels;
mod click_ids;
mod countries;
mod families;
mod hosts;
mod referrers;
mod rows;
mod spam;

pub use assets::is_asset;
pub use bots::is_bot_agent;
pub use channels::{Attribution, Channel, channel};
pub use click_ids::{ClickId, ClickKind, click_id};
pub use countries::{continent, continent_name, countries, country_name};
pub use families::{browser_by_brand, browser_by_token, device_by_token, system_by_token};
pub use referrers::{
    Referrer, ReferrerKind, ai_assistant, email_provider, referrer, search_engine, social_network,
    without_www,
};
pub use spam::is_spam_referrer;
