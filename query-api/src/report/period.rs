//! Days, and the words for ranges of them.
//!
//! A day is a calendar day in the website's zone. A range has both its ends; a range of one day is a range.
//! Everything here is arithmetic on dates: what "today" is comes from outside.

use std::fmt;

use chrono::{Datelike, Days as Count, Months, NaiveDate};

/// The earliest day that can be asked for. There was little web before it.
pub const EARLIEST: NaiveDate = date(2000, 1, 1);

/// The latest day that can be asked for.
pub const LATEST: NaiveDate = date(2099, 12, 31);

/// The longest range that can be asked for by its dates: ten years, leap days included. It bounds the rows of a series.
pub const LONGEST: i64 = 3653;

/// 1970-01-01: day 0 of the store.
const EPOCH: NaiveDate = date(1970, 1, 1);

const fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => NaiveDate::MIN,
    }
}

/// A range of days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Days {
    start: NaiveDate,
    end: NaiveDate,
}

/// Why two dates are no range that a report can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaysError {
    /// The start is after the end.
    Reversed,
    /// A date is before [`EARLIEST`] or after [`LATEST`].
    OutOfBounds,
    /// The range is longer than [`LONGEST`] days.
    TooLong,
}

impl Days {
    /// The days from `start` to `end`, both included.
    pub fn between(start: NaiveDate, end: NaiveDate) -> Result<Self, DaysError> {
        if start > end {
            return Err(DaysError::Reversed);
        }
        if start < EARLIEST || end > LATEST {
            return Err(DaysError::OutOfBounds);
        }
        let days = Self { start, end };
        if days.count() > LONGEST {
            return Err(DaysError::TooLong);
        }
        Ok(days)
    }

    /// The `count` days that end with `end`; at least one.
    fn ending(end: NaiveDate, count: u64) -> Self {
        Self { start: end - Count::new(count.saturating_sub(1)), end }
    }

    /// From the first day there is, or today, to today.
    pub(crate) fn since(first: Option<NaiveDate>, today: NaiveDate) -> Self {
        Self { start: first.map_or(today, |first| first.max(EARLIEST).min(today)), end: today }
    }

    /// The first day.
    pub fn start(&self) -> NaiveDate {
        self.start
    }

    /// The last day.
    pub fn end(&self) -> NaiveDate {
        self.end
    }

    /// How many days they are; at least 1.
    pub fn count(&self) -> i64 {
        (self.end - self.start).num_days() + 1
    }

    /// The range that this one is compared with.
    #[must_use]
    pub fn compared(&self, comparison: Comparison) -> Self {
        match comparison {
            Comparison::PreviousPeriod => Self::ending(self.start - Count::new(1), self.count() as u64),
            // A month is never longer than it is: 29 Feb becomes 28 Feb.
            Comparison::YearOverYear => {
                Self { start: self.start - Months::new(12), end: self.end - Months::new(12) }
            }
        }
    }
}

impl fmt::Display for Days {
    /// `2026-02-16 to 2026-02-22`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

/// What a range is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The range of equal length just before.
    PreviousPeriod,
    /// The same dates a year earlier; 28 Feb for 29 Feb.
    YearOverYear,
}

/// The ranges that have a name, and those that are given by their dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Today.
    Today,
    /// The day before today.
    Yesterday,
    /// The last so many days, today included.
    LastDays(u16),
    /// The last so many months, up to and including today: 12 months on 2026-03-19 start on 2025-03-20.
    LastMonths(u16),
    /// From 1 January of this year to today.
    YearToDate,
    /// From the day of the first event to today; today alone when there is none.
    All,
    /// Two dates.
    Custom(Days),
}

impl Period {
    /// The period's days, when today is `today`. `None` for [`Period::All`], which depends on the events.
    pub fn days(self, today: NaiveDate) -> Option<Days> {
        Some(match self {
            Self::Today => Days::ending(today, 1),
            Self::Yesterday => Days::ending(today - Count::new(1), 1),
            Self::LastDays(count) => Days::ending(today, u64::from(count)),
            Self::LastMonths(count) => {
                let start = today - Months::new(u32::from(count)) + Count::new(1);
                Days { start: start.min(today), end: today }
            }
            Self::YearToDate => Days { start: today.with_ordinal(1).unwrap_or(today), end: today },
            Self::All => return None,
            Self::Custom(days) => days,
        })
    }
}

/// The day that is so many days after 1970-01-01.
pub(crate) fn day_from_epoch(days: i64) -> NaiveDate {
    EPOCH + chrono::TimeDelta::days(days)
}

/// How many days a day is after 1970-01-01, as the store counts them; earlier ones are that day.
pub(crate) fn days_since_epoch(day: NaiveDate) -> u16 {
    u16::try_from((day - EPOCH).num_days().max(0)).unwrap_or(u16::MAX)
}

/// A day as the store can hold it: none is before 1970-01-01, and nothing happened before.
pub(crate) fn storable(day: NaiveDate) -> NaiveDate {
    day.max(EPOCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn days(period: Period, today: &str) -> String {
        period.days(day(today)).unwrap().to_string()
    }

    fn compared(start: &str, end: &str, comparison: Comparison) -> String {
        Days::between(day(start), day(end)).unwrap().compared(comparison).to_string()
    }

    #[test]
    fn every_word_means_its_days() {
        let today = "2026-03-19";
        assert_eq!(days(Period::Today, today), "2026-03-19 to 2026-03-19");
        assert_eq!(days(Period::Yesterday, today), "2026-03-18 to 2026-03-18");
        assert_eq!(days(Period::LastDays(7), today), "2026-03-13 to 2026-03-19");
        assert_eq!(days(Period::LastDays(30), today), "2026-02-18 to 2026-03-19");
        assert_eq!(days(Period::LastDays(90), today), "2025-12-20 to 2026-03-19");
        assert_eq!(days(Period::LastMonths(12), today), "2025-03-20 to 2026-03-19");
        assert_eq!(days(Period::YearToDate, today), "2026-01-01 to 2026-03-19");
        assert_eq!(Period::All.days(day(today)), None);
    }

    #[test]
    fn words_hold_at_the_edges_of_years_and_in_leap_years() {
        assert_eq!(days(Period::YearToDate, "2026-01-01"), "2026-01-01 to 2026-01-01");
        assert_eq!(days(Period::Yesterday, "2026-01-01"), "2025-12-31 to 2025-12-31");
        assert_eq!(days(Period::LastMonths(12), "2024-02-29"), "2023-03-01 to 2024-02-29");
        assert_eq!(days(Period::LastMonths(12), "2025-02-28"), "2024-02-29 to 2025-02-28");
    }

    #[test]
    fn the_previous_period_ends_the_day_before() {
        let previous = Comparison::PreviousPeriod;
        assert_eq!(compared("2026-02-23", "2026-03-01", previous), "2026-02-16 to 2026-02-22");
        assert_eq!(compared("2024-03-01", "2024-03-01", previous), "2024-02-29 to 2024-02-29");
    }

    #[test]
    fn a_year_earlier_has_no_29_february() {
        let yoy = Comparison::YearOverYear;
        assert_eq!(compared("2026-02-23", "2026-03-01", yoy), "2025-02-23 to 2025-03-01");
        assert_eq!(compared("2024-02-29", "2024-02-29", yoy), "2023-02-28 to 2023-02-28");
        assert_eq!(compared("2025-02-28", "2025-03-01", yoy), "2024-02-28 to 2024-03-01");
    }

    #[test]
    fn all_starts_with_the_first_event_and_is_never_empty() {
        let today = day("2026-03-19");
        assert_eq!(Days::since(Some(day("2026-01-02")), today).to_string(), "2026-01-02 to 2026-03-19");
        assert_eq!(Days::since(None, today).to_string(), "2026-03-19 to 2026-03-19");
        assert_eq!(Days::since(Some(day("2026-04-01")), today).to_string(), "2026-03-19 to 2026-03-19");
        assert_eq!(Days::since(Some(day("1970-01-01")), today).start(), EARLIEST);
    }

    #[test]
    fn a_range_that_cannot_be_asked_for_has_a_reason() {
        let between = |start, end| Days::between(day(start), day(end));
        assert_eq!(between("2026-03-02", "2026-03-01"), Err(DaysError::Reversed));
        assert_eq!(between("1999-12-31", "2000-01-01"), Err(DaysError::OutOfBounds));
        assert_eq!(between("2099-12-31", "2100-01-01"), Err(DaysError::OutOfBounds));
        assert_eq!(between("2016-01-01", "2026-01-02"), Err(DaysError::TooLong));
        assert_eq!(between("2016-01-01", "2025-12-31").unwrap().count(), LONGEST);
    }

    proptest! {
        #[test]
        fn the_previous_period_touches_its_successor_and_is_as_long(first in 0_i64..30_000, count in 1_i64..=LONGEST) {
            let start = EARLIEST + chrono::TimeDelta::days(first);
            let Ok(days) = Days::between(start, start + chrono::TimeDelta::days(count - 1)) else { return Ok(()) };
            let previous = days.compared(Comparison::PreviousPeriod);
            prop_assert_eq!(previous.count(), days.count());
            prop_assert_eq!(previous.end() + Count::new(1), days.start());
        }

        #[test]
        fn a_year_earlier_keeps_month_and_day_but_for_29_february(first in 0_i64..30_000) {
            let start = EARLIEST + chrono::TimeDelta::days(first);
            let earlier = Days::ending(start, 1).compared(Comparison::YearOverYear).start();
            prop_assert_eq!(earlier.year(), start.year() - 1);
            prop_assert_eq!(earlier.month(), start.month());
            prop_assert_eq!(earlier.day(), if (start.month(), start.day()) == (2, 29) { 28 } else { start.day() });
        }

        #[test]
        fn a_relative_period_ends_today_or_yesterday_and_is_not_reversed(first in 0_i64..30_000, months in 0_u16..60) {
            let today = EARLIEST + chrono::TimeDelta::days(first);
            for period in [Period::LastDays(0), Period::LastDays(90), Period::LastMonths(months), Period::YearToDate] {
                let days = period.days(today).unwrap();
                prop_assert!(days.start() <= days.end());
                prop_assert_eq!(days.end(), today);
            }
        }
    }
}
