//! Query parameters of the reports: parsed once, refused by name.
//!
//! Every parameter that the document knows is checked wherever it is given, also where a report has no use for it.
//! One that is given twice is refused: nobody could tell which was meant. Others are not looked at.

use std::borrow::Cow;

use chrono::NaiveDate;
use chrono_tz::Tz;
use directory::bounds::GROUP_NAME;
use service::Problem;
use uuid::Uuid;

use crate::report::filter::Condition;
use crate::report::period::{DaysError, EARLIEST, LATEST, LONGEST};
use crate::report::{Comparison, Days, Page, Period};
use crate::surfaces::tinytrail::filters;
use crate::surfaces::tinytrail::questions::Questions;

/// Rows of a page, unless `per_page` says otherwise.
const PER_PAGE: u64 = 50;

/// Rows of the largest page: the document's bound.
const MAX_PER_PAGE: u64 = 500;

/// The last page that can be asked for: nobody turns a million pages, and it keeps offsets small.
const MAX_PAGE: u64 = 1_000_000;

/// The periods by name.
const PERIODS: [(&str, Period); 8] = [
    ("yesterday", Period::Yesterday),
    ("today", Period::Today),
    ("7d", Period::LastDays(7)),
    ("30d", Period::LastDays(30)),
    ("90d", Period::LastDays(90)),
    ("12m", Period::LastMonths(12)),
    ("ytd", Period::YearToDate),
    ("all", Period::All),
];

/// The comparisons by name.
const COMPARISONS: [(&str, Comparison); 2] =
    [("previous_period", Comparison::PreviousPeriod), ("yoy", Comparison::YearOverYear)];

/// The formats by name.
const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("csv", Format::Csv)];

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

/// Which days, as far as they can be known before the website is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A period by name, or two dates.
    Period(Period),
    /// From a date to today, wherever the website is.
    Since(NaiveDate),
}

/// A page as the caller counts: from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paging {
    pub(super) page: u64,
    pub(super) per_page: u64,
}

impl From<Paging> for Page {
    fn from(paging: Paging) -> Self {
        Self { limit: paging.per_page, offset: (paging.page - 1) * paging.per_page }
    }
}

/// What every report may be asked with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReportParams {
    pub(super) website_id: Uuid,
    pub(super) days: Asked,
    pub(super) compare: Option<Comparison>,
    pub(super) include_bots: bool,
    pub(super) content_group: Option<String>,
    pub(super) paging: Paging,
    /// Whether all rows are wanted and not one page of them.
    pub(super) all_rows: bool,
    pub(super) format: Format,
    /// The zone of the days, where the caller wants another than the website's.
    pub(super) timezone: Option<Tz>,
    pub(super) filters: Option<Condition>,
    /// What single reports are asked with.
    pub(super) questions: Questions,
}

impl ReportParams {
    /// Reads a query string.
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let given = Given::parse(query);
        let format = given.word("format", &FORMATS)?.unwrap_or(Format::Json);
        let all_rows = all_rows(&given, format)?;
        Ok(Self {
            website_id: website_id(&given)?,
            days: days(&given)?,
            compare: given.word("compare", &COMPARISONS)?,
            include_bots: given.word("include_bots", &[("true", true), ("false", false)])?.unwrap_or(false),
            content_group: content_group(&given)?,
            paging: Paging {
                page: given.number("page", MAX_PAGE)?.unwrap_or(1),
                per_page: if all_rows {
                    MAX_PER_PAGE
                } else {
                    given.number("per_page", MAX_PER_PAGE)?.unwrap_or(PER_PAGE)
                },
            },
            all_rows,
            format,
            timezone: timezone(&given)?,
            filters: given.one("filters")?.map(filters::parse).transpose()?,
            questions: Questions::parse(&given)?,
        })
    }

    /// The period, when it is `today` at the website.
    pub(super) fn period(&self, today: NaiveDate) -> Result<Period, Problem> {
        match self.days {
            Asked::Period(period) => Ok(period),
            Asked::Since(start) => between(start, today).map(Period::Custom),
        }
    }
}

fn website_id(given: &Given<'_>) -> Result<Uuid, Problem> {
    const NAME: &str = "website_id";
    let text = given.one(NAME)?.ok_or_else(|| Problem::field(NAME, "website_id is required."))?;
    Uuid::try_parse(text).map_err(|_| Problem::field(NAME, "website_id must be a UUID."))
}

fn days(given: &Given<'_>) -> Result<Asked, Problem> {
    let named = given.word("period", &PERIODS)?.unwrap_or(Period::LastDays(7));
    match (given.date("start_date")?, given.date("end_date")?) {
        (None, None) => Ok(Asked::Period(named)),
        (Some(start), None) => Ok(Asked::Since(start)),
        (Some(start), Some(end)) => between(start, end).map(|days| Asked::Period(Period::Custom(days))),
        // There is no start that could be meant.
        (None, Some(_)) => {
            Err(Problem::field("start_date", "start_date is required when end_date is given."))
        }
    }
}

fn between(start: NaiveDate, end: NaiveDate) -> Result<Days, Problem> {
    Days::between(start, end).map_err(|error| match error {
        DaysError::Reversed => {
            Problem::field("start_date", format!("start_date must not be after end_date ({end})."))
        }
        DaysError::OutOfBounds => Problem::field(
            if start < EARLIEST { "start_date" } else { "end_date" },
            format!("start_date and end_date must lie between {EARLIEST} and {LATEST}."),
        ),
        DaysError::TooLong => Problem::field(
            "start_date",
            format!(
                "start_date and end_date must be at most {LONGEST} days apart; period=all has no such bound."
            ),
        ),
    })
}

/// Whether the page is all rows, which only a table may have: it is written as its rows come.
fn all_rows(given: &Given<'_>, format: Format) -> Result<bool, Problem> {
    if given.one("per_page")? != Some("all") {
        return Ok(false);
    }
    if format != Format::Csv {
        return Err(Problem::field("per_page", "per_page may be all for format=csv only."));
    }
    if given.number("page", MAX_PAGE)?.is_some_and(|page| page != 1) {
        return Err(Problem::field("page", "page must be 1 where per_page is all."));
    }
    Ok(true)
}

fn content_group(given: &Given<'_>) -> Result<Option<String>, Problem> {
    const NAME: &str = "content_group";
    match given.one(NAME)? {
        Some(name) if name.is_empty() || name.chars().count() > GROUP_NAME => Err(Problem::field(
            NAME,
            format!("content_group must be the name of a content group, 1 to {GROUP_NAME} characters."),
        )),
        name => Ok(name.map(str::to_owned)),
    }
}

fn timezone(given: &Given<'_>) -> Result<Option<Tz>, Problem> {
    const NAME: &str = "timezone";
    let parse = |name: &str| {
        name.parse().map_err(|_| Problem::field(NAME, "timezone must be an IANA zone such as Europe/Berlin."))
    };
    given.one(NAME)?.map(parse).transpose()
}

/// What was given, undecided.
pub(super) struct Given<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Given<'q> {
    pub(super) fn parse(query: &'q str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).collect())
    }

    /// The value of a parameter; given twice it is refused.
    pub(super) fn one(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_ref());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Problem::field(name, format!("{name} must be given once."))),
            (value, None) => Ok(value),
        }
    }

    /// All values of a parameter that may be given many times, in their order.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_ref())
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                Err(Problem::field(name, format!("{name} must be one of {}.", words.join(", "))))
            }
        }
    }

    /// A number from 1 to `max`, in decimal digits.
    fn number(&self, name: &'static str, max: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && (1..=max).contains(&number) => Ok(Some(number)),
            _ => Err(Problem::field(name, format!("{name} must be a whole number from 1 to {max}."))),
        }
    }

    /// A date, `YYYY-MM-DD` and nothing else.
    fn date(&self, name: &'static str) -> Result<Option<NaiveDate>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        // chrono also reads 2026-3-1 and +2026-03-01.
        let shape = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        match text.parse() {
            Ok(date) if shape => Ok(Some(date)),
            _ => Err(Problem::field(name, format!("{name} must be a date of the form YYYY-MM-DD."))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "website_id=550e8400-e29b-41d4-a716-446655440000";

    fn parse(rest: &str) -> Result<ReportParams, Problem> {
        ReportParams::parse(&format!("{SITE}&{rest}"))
    }

    /// The parameter that is refused.
    fn refused(query: &str) -> String {
        match ReportParams::parse(query) {
            Err(Problem::Invalid { field: Some(field), message }) => {
                assert!(message.contains(&*field), "{message} does not name {field}");
                field.into_owned()
            }
            other => panic!("{query} was not refused: {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_the_published_ones() {
        let params = parse("").unwrap();
        assert_eq!(params.days, Asked::Period(Period::LastDays(7)));
        assert_eq!(params.paging, Paging { page: 1, per_page: 50 });
        assert_eq!((params.compare, params.include_bots, params.content_group), (None, false, None));
        assert_eq!(params.format, Format::Json);
    }

    #[test]
    fn a_table_may_have_all_rows() {
        let params = parse("format=csv&per_page=all&page=1").unwrap();
        assert!(params.all_rows && params.paging.page == 1);
        assert!(!parse("format=csv&per_page=500").unwrap().all_rows);
    }

    #[test]
    fn dates_override_the_period() {
        let days = Days::between("2026-02-23".parse().unwrap(), "2026-03-01".parse().unwrap()).unwrap();
        let params = parse("period=12m&start_date=2026-02-23&end_date=2026-03-01").unwrap();
        assert_eq!(params.days, Asked::Period(Period::Custom(days)));
    }

    #[test]
    fn a_start_alone_reaches_to_today() {
        let params = parse("start_date=2026-02-23").unwrap();
        let today = "2026-03-01".parse().unwrap();
        let Ok(Period::Custom(days)) = params.period(today) else { panic!("no dates") };
        assert_eq!(days.to_string(), "2026-02-23 to 2026-03-01");
        assert!(params.period("2026-02-22".parse().unwrap()).is_err());
    }

    #[test]
    fn every_bad_value_is_refused_by_name() {
        for (query, field) in [
            ("", "website_id"),
            ("website_id=", "website_id"),
            ("website_id=7", "website_id"),
            ("website_id=550e8400-e29b-41d4-a716-44665544000g", "website_id"),
        ] {
            assert_eq!(refused(query), field, "{query}");
        }
        for (rest, field) in [
            ("period=8d", "period"),
            ("period=", "period"),
            ("period=7D", "period"),
            ("start_date=2026-02-30", "start_date"),
            ("start_date=2026-2-3", "start_date"),
            ("start_date=%2B026-02-03", "start_date"),
            ("start_date=2026-02-03T00:00", "start_date"),
            ("start_date=&end_date=2026-03-01", "start_date"),
            ("start_date=2026-03-01&end_date=yesterday", "end_date"),
            ("end_date=2026-03-01", "start_date"),
            ("start_date=2026-03-02&end_date=2026-03-01", "start_date"),
            ("start_date=1970-01-01&end_date=1970-01-02", "start_date"),
            ("start_date=2099-12-31&end_date=2100-01-01", "end_date"),
            ("start_date=2010-01-01&end_date=2026-01-01", "start_date"),
            ("compare=last_year", "compare"),
            ("compare=", "compare"),
            ("include_bots=1", "include_bots"),
            ("include_bots=TRUE", "include_bots"),
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=%2B1", "page"),
            ("page=1.5", "page"),
            ("page=99999999999999999999", "page"),
            ("per_page=0", "per_page"),
            ("per_page=501", "per_page"),
            ("per_page=many", "per_page"),
            ("per_page=all", "per_page"),
            ("per_page=all&format=json", "per_page"),
            ("per_page=all&format=csv&page=2", "page"),
            ("format=xml", "format"),
            ("content_group=", "content_group"),
            ("timezone=", "timezone"),
            ("timezone=Berlin", "timezone"),
            ("timezone=Europe/Berlin%27", "timezone"),
            ("filters=", "filters"),
            ("filters=%7B%7D", "filters"),
            ("group_by=page", "group_by"),
            ("metric=clicks", "metric"),
            ("steps[]=/", "steps[]"),
        ] {
            assert_eq!(refused(&format!("{SITE}&{rest}")), field, "{rest}");
        }
        assert_eq!(refused(&format!("{SITE}&content_group={}", "x".repeat(101))), "content_group");
    }

    #[test]
    fn a_parameter_given_twice_is_refused_even_when_it_says_the_same() {
        assert_eq!(refused(&format!("{SITE}&{SITE}")), "website_id");
        assert_eq!(refused(&format!("{SITE}&page=1&page=1")), "page");
    }

    #[test]
    fn unknown_parameters_are_not_looked_at() {
        assert!(parse("utm=1&utm=2&x").is_ok());
    }
}
