//! What called: device, browser and operating system, a bot's reason, the screen's bucket.
//!
//! Reading a user agent costs some tens of microseconds and the same few thousand come again and again, so a
//! [`Recogniser`] remembers them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use dictionaries::is_bot_agent;

pub use super::agent::Agent;
use super::hints::Hints;
use super::{agent, bots};
use crate::hit::Sent;

/// User agents that are remembered. When there are more, all are forgotten: the frequent ones are back at once.
const REMEMBERED: usize = 8_192;

/// Bytes of a user agent that is remembered; browsers stay below. With [`REMEMBERED`] this bounds the memory to 6 MB.
const LONGEST_REMEMBERED: usize = 512;

/// What a user agent tells by itself.
#[derive(Clone, Copy)]
struct Told {
    agent: Agent,
    bot: Option<&'static str>,
}

/// Who called, and whether it is a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recognised {
    /// Its families.
    pub agent: Agent,
    /// Why it is held to be a bot's, if it is; one of a closed list of reasons.
    pub bot_reason: Option<&'static str>,
}

/// Recognises callers, and remembers their user agents.
#[derive(Default)]
pub struct Recogniser {
    remembered: RwLock<HashMap<Box<str>, Told>>,
}

impl Recogniser {
    /// Recognises a caller. `sent`: what its own request says; `None` for an event that somebody else reports.
    /// `spam_referrer`: its referrer is a known spammer's.
    pub fn recognise(&self, user_agent: &str, sent: Option<&Sent>, spam_referrer: bool) -> Recognised {
        let told = self.told(user_agent);
        let Some(sent) = sent else {
            let bot_reason = told.bot.or_else(|| bots::by_referrer(spam_referrer));
            return Recognised { agent: told.agent, bot_reason };
        };
        let hints = Hints::read(sent);
        Recognised {
            agent: hints.refine(told.agent),
            bot_reason: told
                .bot
                .or_else(|| bots::by_headers(sent, &hints))
                .or_else(|| bots::by_referrer(spam_referrer)),
        }
    }

    fn told(&self, user_agent: &str) -> Told {
        // A thread that panicked left a map that is whole: only insert and clear change it.
        if let Some(told) = self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(user_agent) {
            return *told;
        }
        let told = Told { agent: agent::read(user_agent), bot: is_bot_agent(user_agent) };
        if user_agent.len() <= LONGEST_REMEMBERED {
            let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(user_agent.into(), told);
        }
        told
    }

    /// How many user agents are remembered.
    pub fn remembered(&self) -> usize {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Recognises a user agent by itself, without remembering it.
pub fn agent(user_agent: &str) -> Agent {
    agent::read(user_agent)
}

/// Why a hit is held to be a bot's by its user agent and its referrer alone, if it is.
pub fn bot_reason(user_agent: &str, spam_referrer: bool) -> Option<&'static str> {
    bots::reason(user_agent, spam_referrer)
}

/// The bucket of a viewport's width in pixels, as the reports name it.
pub fn screen_bucket(width: Option<f64>) -> &'static str {
    match width {
        Some(width) if width >= 1441.0 => "1441+",
        Some(width) if width >= 1025.0 => "1025-1440",
        Some(width) if width >= 769.0 => "769-1024",
        Some(width) if width >= 376.0 => "376-768",
        Some(width) if width >= 320.0 => "320-375",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_falls_into_the_published_buckets() {
        let buckets = [319.0, 320.0, 375.0, 376.0, 768.0, 769.0, 1024.0, 1025.0, 1440.0, 1441.0]
            .map(|width| screen_bucket(Some(width)));
        assert_eq!(
            buckets,
            [
                "unknown",
                "320-375",
                "320-375",
                "376-768",
                "376-768",
                "769-1024",
                "769-1024",
                "1025-1440",
                "1025-1440",
                "1441+"
            ]
        );
        assert_eq!(screen_bucket(None), "unknown");
        assert_eq!(screen_bucket(Some(f64::NAN)), "unknown");
    }
}
