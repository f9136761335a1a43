//! Parameters of single reports. Like the common ones they are checked wherever they are given.

use service::Problem;

use crate::report::{Dimension, Funnel, Metric, funnel};
use crate::surfaces::tinytrail::params::Given;

/// Bytes of a path, a step or a name; the longest that is collected is shorter.
const MOST_BYTES: usize = 2048;

/// What traffic sources are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupBy {
    Channel,
    Domain,
    Utm,
}

impl GroupBy {
    const WORDS: [(&str, Self); 3] =
        [("channel", Self::Channel), ("domain", Self::Domain), ("utm", Self::Utm)];

    pub(super) fn dimension(self) -> Dimension {
        match self {
            Self::Channel => Dimension::Channel,
            Self::Domain => Dimension::Referrer,
            Self::Utm => Dimension::Campaign,
        }
    }
}

/// What a series shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Visits,
    Pageviews,
    UniquePageviews,
    BounceRate,
    AvgSessionDuration,
    LandingPageEntries,
    ExitPageExits,
}

impl Shown {
    const WORDS: [(&str, Self); 7] = [
        ("visits", Self::Visits),
        ("pageviews", Self::Pageviews),
        ("unique_pageviews", Self::UniquePageviews),
        ("bounce_rate", Self::BounceRate),
        ("avg_session_duration", Self::AvgSessionDuration),
        ("landing_page_entries", Self::LandingPageEntries),
        ("exit_page_exits", Self::ExitPageExits),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, shown)| *shown == self).map_or("", |(word, _)| word)
    }

    /// What has to be counted. Rates of a page are of the sessions that entered on it.
    pub(super) fn metrics(self, is_of_page: bool) -> &'static [Metric] {
        match self {
            Self::Visits => &[Metric::Visits],
            Self::Pageviews => &[Metric::Pageviews],
            Self::UniquePageviews => &[Metric::UniquePageviews],
            Self::BounceRate if is_of_page => &[Metric::Bounces, Metric::Entries],
            Self::BounceRate => &[Metric::Bounces, Metric::Visits],
            Self::AvgSessionDuration if is_of_page => &[Metric::DurationMs, Metric::Entries],
            Self::AvgSessionDuration => &[Metric::DurationMs, Metric::Visits],
            Self::LandingPageEntries => &[Metric::Entries],
            Self::ExitPageExits => &[Metric::Exits],
        }
    }
}

/// The parameters of single reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Questions {
    pub(super) group_by: GroupBy,
    pub(super) shown: Shown,
    /// The page of a series; none for the whole website.
    pub(super) path: Option<String>,
    pub(super) event_name: Option<String>,
    steps: Option<Funnel>,
}

impl Questions {
    pub(super) fn parse(given: &Given<'_>) -> Result<Self, Problem> {
        Ok(Self {
            group_by: given.word("group_by", &GroupBy::WORDS)?.unwrap_or(GroupBy::Channel),
            shown: given.word("metric", &Shown::WORDS)?.unwrap_or(Shown::Pageviews),
            // A series of the whole website says so with a star.
            path: text(given, "path")?.filter(|path| path != "*"),
            event_name: text(given, "event_name")?,
            steps: steps(given)?,
        })
    }

    /// The funnel that must be there.
    pub(super) fn funnel(&self) -> Result<&Funnel, Problem> {
        self.steps.as_ref().ok_or_else(wrong_steps)
    }
}

fn text(given: &Given<'_>, name: &'static str) -> Result<Option<String>, Problem> {
    let Some(text) = given.one(name)? else { return Ok(None) };
    bounded(text, name).map(Some)
}

fn bounded(text: &str, name: &'static str) -> Result<String, Problem> {
    if text.is_empty() || text.len() > MOST_BYTES {
        return Err(Problem::field(name, format!("{name} must have 1 to {MOST_BYTES} bytes.")));
    }
    Ok(text.to_owned())
}

/// The parameter of a funnel, once for every step.
const STEPS: &str = "steps[]";

fn steps(given: &Given<'_>) -> Result<Option<Funnel>, Problem> {
    let steps = given.all(STEPS).map(|step| bounded(step, STEPS)).collect::<Result<Vec<_>, _>>()?;
    if steps.is_empty() {
        return Ok(None);
    }
    Funnel::new(steps).map(Some).map_err(|_| wrong_steps())
}

fn wrong_steps() -> Problem {
    let (fewest, most) = (funnel::FEWEST_STEPS, funnel::MOST_STEPS);
    Problem::field(
        STEPS,
        format!("steps[] must be given {fewest} to {most} times: the steps in their order."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Questions, Problem> {
        Questions::parse(&Given::parse(query))
    }

    #[test]
    fn the_defaults_are_the_published_ones() {
        let questions = parse("").unwrap();
        assert_eq!((questions.group_by, questions.shown), (GroupBy::Channel, Shown::Pageviews));
        assert_eq!((&questions.path, &questions.event_name), (&None, &None));
        assert!(questions.funnel().is_err());
        assert_eq!(parse("path=*").unwrap().path, None);
    }

    #[test]
    fn steps_keep_their_order() {
        let questions = parse("steps[]=/b&x=1&steps%5B%5D=/a&steps[]=/b").unwrap();
        assert_eq!(questions.funnel().unwrap().steps(), ["/b", "/a", "/b"]);
    }

    #[test]
    fn every_bad_value_is_refused_by_name() {
        for (query, field) in [
            ("group_by=country", "group_by"),
            ("group_by=", "group_by"),
            ("metric=visitors", "metric"),
            ("metric=avg_session_duration_sec", "metric"),
            ("path=", "path"),
            ("event_name=", "event_name"),
            ("event_name=a&event_name=b", "event_name"),
            ("steps[]=/a", "steps[]"),
            ("steps[]=/a&steps[]=", "steps[]"),
            (&"&steps[]=/a".repeat(21), "steps[]"),
            (&format!("path=/{}", "x".repeat(2048)), "path"),
        ] {
            match parse(query) {
                Err(Problem::Invalid { field: Some(given), message }) => {
                    assert_eq!(given, field, "{query}");
                    assert!(message.contains(field), "{message}");
                }
                other => panic!("{query} was not refused: {other:?}"),
            }
        }
    }
}
