//! Where days begin in a zone that is not the website's own.
//!
//! Events carry the day of the website's zone. In another zone a day is a span of time: from its first instant there to
//! the first instant of the next. The spans are computed here and sent along, so that it does not matter which zones
//! and which changes of them the store knows.

use chrono::{Days as Count, NaiveDate, NaiveTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use crate::report::period::Days;

/// How far from midnight the first instant of a day is looked for. Samoa once skipped a whole day.
const SKIPPED_MINUTES: i64 = 2 * 24 * 60;

/// The first instant of a day, in seconds since 1970. A day that a zone skipped has the first instant after it.
fn start_of(day: NaiveDate, zone: Tz) -> i64 {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..SKIPPED_MINUTES)
        .find_map(|minutes| zone.from_local_datetime(&(midnight + TimeDelta::minutes(minutes))).earliest())
        .map_or_else(|| midnight.and_utc().timestamp(), |instant| instant.timestamp())
}

/// Where the days of a range begin, and where the last one ends: one more than there are days, never falling.
pub(crate) fn bounds(days: Days, zone: Tz) -> Vec<i64> {
    let count = u64::try_from(days.count()).unwrap_or(0);
    (0..=count).map(|at| start_of(days.start() + Count::new(at), zone)).collect()
}

/// Where a range begins and ends, in milliseconds since 1970: the end is not a part of it.
pub(crate) fn span(days: Days, zone: Tz) -> (i64, i64) {
    (start_of(days.start(), zone) * 1000, start_of(days.end() + Count::new(1), zone) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(start: &str, end: &str, zone: Tz) -> Vec<i64> {
        let days = Days::between(start.parse().unwrap(), end.parse().unwrap()).unwrap();
        let bounds = bounds(days, zone);
        assert_eq!(span(days, zone), (bounds[0] * 1000, bounds[bounds.len() - 1] * 1000));
        bounds.windows(2).map(|pair| (pair[1] - pair[0]) / 3600).collect()
    }

    #[test]
    fn days_have_as_many_hours_as_their_zone_gives_them() {
        assert_eq!(hours("2026-03-28", "2026-03-30", chrono_tz::Europe::Berlin), [24, 23, 24]);
        assert_eq!(hours("2026-10-24", "2026-10-26", chrono_tz::Europe::Berlin), [24, 25, 24]);
        // There was no midnight: the day began at one o'clock.
        assert_eq!(hours("2018-11-03", "2018-11-05", chrono_tz::America::Sao_Paulo), [24, 23, 24]);
        // There was no 30 December.
        assert_eq!(hours("2011-12-29", "2011-12-31", chrono_tz::Pacific::Apia), [24, 0, 24]);
    }

    #[test]
    fn a_day_begins_at_midnight_there() {
        let start = start_of("2026-03-01".parse().unwrap(), chrono_tz::Asia::Kolkata);
        assert_eq!(start, 1_772_323_200 - 19_800);
    }
}
