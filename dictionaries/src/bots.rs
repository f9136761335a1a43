//! Machines, told by their user agent.
//!
//! Every user agent that comes in is looked at, so all texts are sought in one pass: at each place only the few
//! which start with the two bytes there are compared.

use std::sync::LazyLock;

use crate::rows::rows;

/// Bytes of a user agent that are looked at. Browsers stay below 500; the rest is not worth the time.
const LOOKED_AT: usize = 1024;

/// What is said of a request that names no user agent: browsers always do.
const NO_AGENT: &str = "no user agent";

/// Where in a user agent a text counts.
#[derive(Clone, Copy)]
enum Place {
    Anywhere,
    Start,
    /// No letter follows: `bot` in `Googlebot/2.1`, not in `bottom`.
    End,
    /// No letter before or after.
    Word,
}

/// What a text tells, from the least to the most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Nothing: it belongs to a browser although a bot's text is inside.
    Lookalike,
    /// That it is a machine.
    Trait,
    /// Which machine it is.
    Name,
}

/// A text that tells a machine, or a browser that looks like one.
struct Sign {
    text: &'static [u8],
    place: Place,
    weight: Weight,
    name: &'static str,
}

impl Sign {
    fn is_at(&self, at: usize, agent: &[u8]) -> bool {
        let letter = |place: Option<&u8>| place.is_some_and(u8::is_ascii_alphabetic);
        let starts = || !letter(at.checked_sub(1).and_then(|before| agent.get(before)));
        let ends = || !letter(agent.get(at + self.text.len()));
        agent[at..].starts_with(self.text)
            && match self.place {
                Place::Anywhere => true,
                Place::Start => at == 0,
                Place::End => ends(),
                Place::Word => starts() && ends(),
            }
    }
}

/// All signs, by the bucket of their first two bytes; in a bucket the longest first.
struct Signs {
    signs: Vec<Sign>,
    /// Where each bucket starts in `signs`, and one more: where the last one ends.
    starts: Vec<usize>,
}

const BUCKETS: usize = 1 << 12;

/// The low six bits tell lower-case letters, digits and signs apart well enough.
fn bucket(first: u8, second: u8) -> usize {
    usize::from(first & 63) << 6 | usize::from(second & 63)
}

impl Signs {
    fn new(mut signs: Vec<Sign>) -> Self {
        signs.retain(|sign| sign.text.len() >= 2);
        let bucket_of = |sign: &Sign| bucket(sign.text[0], sign.text[1]);
        signs.sort_by_key(|sign| (bucket_of(sign), std::cmp::Reverse(sign.text.len())));
        let starts =
            (0..=BUCKETS).map(|bucket| signs.partition_point(|sign| bucket_of(sign) < bucket)).collect();
        Self { signs, starts }
    }

    /// The longest sign at a place of `agent`, which is in lower case.
    fn at(&self, at: usize, agent: &[u8]) -> Option<&Sign> {
        let bucket = bucket(*agent.get(at)?, *agent.get(at + 1)?);
        let signs = &self.signs[self.starts[bucket]..self.starts[bucket + 1]];
        signs.iter().find(|sign| sign.is_at(at, agent))
    }

    /// What says most in `agent`; of equals the longest, then the first.
    fn best(&self, agent: &[u8]) -> Option<&Sign> {
        let says = |sign: &Sign| (sign.weight, sign.text.len());
        let mut best: Option<&Sign> = None;
        let mut at = 0;
        while at < agent.len() {
            match self.at(at, agent) {
                Some(sign) if sign.weight == Weight::Lookalike => {
                    at += sign.text.len();
                    continue;
                }
                Some(sign) if best.is_none_or(|best| says(sign) > says(best)) => best = Some(sign),
                _ => {}
            }
            at += 1;
        }
        best
    }
}

static SIGNS: LazyLock<Signs> = LazyLock::new(|| {
    let list = |file: &'static str, weight| {
        rows(file).filter_map(move |[text, place, name]| {
            let place = match place {
                "any" => Place::Anywhere,
                "start" => Place::Start,
                "end" => Place::End,
                "word" => Place::Word,
                _ => return None,
            };
            Some(Sign { text: text.as_bytes(), place, weight, name })
        })
    };
    let lookalikes = rows(include_str!("../data/bot_lookalikes.tsv")).map(|[text, name]| Sign {
        text: text.as_bytes(),
        place: Place::Anywhere,
        weight: Weight::Lookalike,
        name,
    });
    Signs::new(
        list(include_str!("../data/bot_names.tsv"), Weight::Name)
            .chain(list(include_str!("../data/bot_traits.tsv"), Weight::Trait))
            .chain(lookalikes)
            .collect(),
    )
});

/// Why a user agent is a machine's: the machine's name (`Googlebot`, `curl`), else what it says of itself
/// (`crawler`, `web address in the user agent`). None for people's browsers and applications.
///
/// The answers are from a closed list, so they can be stored and counted. An empty user agent, or the `-` of an
/// access log, is `no user agent`. Programming libraries are machines even where an application of people uses
/// them (OkHttp, for one): an application that counts its users names itself.
pub fn is_bot_agent(user_agent: &str) -> Option<&'static str> {
    let agent = user_agent.trim();
    if agent.is_empty() || agent == "-" {
        return Some(NO_AGENT);
    }
    let mut buffer = [0; LOOKED_AT];
    let length = agent.len().min(LOOKED_AT);
    let lower = &mut buffer[..length];
    lower.copy_from_slice(&agent.as_bytes()[..length]);
    lower.make_ascii_lowercase();
    SIGNS.best(lower).map(|sign| sign.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_before_a_trait() {
        let googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        assert_eq!(is_bot_agent(googlebot), Some("Googlebot"));
        assert_eq!(is_bot_agent("Example-Crawler"), Some("crawler"));
        assert_eq!(is_bot_agent("examplebot/1.0"), Some("bot"));
    }

    #[test]
    fn a_request_without_a_user_agent_is_a_machines() {
        for agent in ["", "  ", "-"] {
            assert_eq!(is_bot_agent(agent), Some("no user agent"), "{agent:?}");
        }
    }

    #[test]
    fn bot_counts_at_the_end_of_a_word_only() {
        assert_eq!(is_bot_agent("Somebot"), Some("bot"));
        assert_eq!(is_bot_agent("Bot"), Some("bot"));
        assert_eq!(is_bot_agent("bot2"), Some("bot"));
        assert_eq!(is_bot_agent("Bottom/1.0"), None);
        assert_eq!(is_bot_agent("Botany"), None);
    }

    #[test]
    fn a_lookalike_hides_only_itself() {
        assert_eq!(is_bot_agent("CUBOT_NOTE_20"), None);
        assert_eq!(is_bot_agent("CUBOT bot"), Some("bot"));
        assert_eq!(is_bot_agent("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"), None);
        assert_eq!(is_bot_agent("Mozilla/4.0 (compatible; MSIE 6.0; bot)"), Some("bot"));
    }

    #[test]
    fn some_texts_count_at_the_start_only() {
        assert_eq!(is_bot_agent("curl/8.5.0"), Some("curl"));
        assert_eq!(is_bot_agent("Mozilla/5.0 (X11) Curlew/1.0"), None);
    }

    #[test]
    fn what_is_too_long_is_looked_at_in_part() {
        assert_eq!(is_bot_agent(&format!("Googlebot {}", "a".repeat(1 << 20))), Some("Googlebot"));
        assert_eq!(is_bot_agent(&format!("{} Googlebot", "🦀".repeat(1 << 10))), None);
    }

    #[test]
    fn every_text_is_findable() {
        for text in &SIGNS.signs {
            assert!(text.text.is_ascii() && !text.text.iter().any(u8::is_ascii_uppercase), "{}", text.name);
            assert!(SIGNS.at(0, text.text).is_some_and(|found| std::ptr::eq(found, text)), "{}", text.name);
        }
    }
}
