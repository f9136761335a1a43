//! A count by hand: the definitions of the numbers, row by row and as slowly as they read.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate};
use query_api::report::Scope;
use query_api::report::filter::{Condition, Operator, Property};
use schema::rows::EventRow;

use super::Asked;

fn passes(row: &EventRow, condition: &Condition) -> bool {
    match condition {
        Condition::All(all) => all.iter().all(|condition| passes(row, condition)),
        Condition::Any(any) => any.iter().any(|condition| passes(row, condition)),
        Condition::Not(condition) => !passes(row, condition),
        Condition::Test(property, operator) => {
            let value = match property {
                Property::Page => &row.path,
                Property::ContentGroup => &row.content_group,
                Property::Channel => &row.channel,
                Property::Referrer => &row.referrer,
                Property::Browser => &row.browser,
                Property::Country => &row.country,
                Property::UtmMedium => &row.utm_medium,
                Property::Os => &row.os,
                other => panic!("{other:?} is not generated"),
            };
            match operator {
                Operator::Is(is) => value == is,
                Operator::IsNot(is) => value != is,
                Operator::Contains(part) => value.contains(part),
                Operator::StartsWith(start) => value.starts_with(start),
                Operator::In(values) => values.contains(value),
            }
        }
    }
}

/// Whether it tests properties that differ within a session.
pub(super) fn is_of_events(condition: &Condition) -> bool {
    match condition {
        Condition::All(inner) | Condition::Any(inner) => inner.iter().any(is_of_events),
        Condition::Not(inner) => is_of_events(inner),
        Condition::Test(property, _) => property.is_of_events(),
    }
}

/// The totals of [`super::METRICS`], counted row by row.
pub(super) fn by_hand(rows: &[EventRow], asked: &Asked, scope: &Scope) -> Vec<i64> {
    let group = Condition::Test(Property::ContentGroup, Operator::Is("Blog".into()));
    let conditions: Vec<_> =
        asked.in_blog.then_some(group).into_iter().chain(asked.condition.clone()).collect();
    let condition = Condition::All(conditions);
    let counted: Vec<_> =
        rows.iter().filter(|row| !row.is_excluded && (asked.include_bots || !row.is_bot)).collect();
    let on = |stored: u16, moment: i64| {
        let day = match asked.zone {
            None => NaiveDate::default() + chrono::Days::new(stored.into()),
            Some(zone) => DateTime::from_timestamp_millis(moment).unwrap().with_timezone(&zone).date_naive(),
        };
        (scope.days.start()..=scope.days.end()).contains(&day)
    };
    let events: Vec<_> =
        counted.iter().filter(|row| on(row.day, row.time) && passes(row, &condition)).collect();
    let of_events = is_of_events(&condition);
    let sessions: HashSet<u64> = counted
        .iter()
        .filter(|row| row.session_id != 0 && on(row.session_day, row.session_start))
        .filter(|row| passes(row, &condition) && (!of_events || row.event_type == "page_view"))
        .map(|row| row.session_id)
        .collect();
    let visitors: HashSet<_> = events
        .iter()
        .map(|row| (if row.is_identified { 0 } else { row.day }, row.visitor_id, row.is_bot))
        .collect();
    let (mut bounces, mut duration) = (0, 0);
    for session in &sessions {
        let own: Vec<_> = counted.iter().filter(|row| row.session_id == *session).collect();
        let of = |kind: &str| own.iter().filter(|row| row.event_type == kind).count();
        bounces += i64::from(of("page_view") == 1 && of("custom") == 0);
        let times = || own.iter().map(|row| row.time);
        duration += times().max().unwrap() - times().min().unwrap();
    }
    let count = |count: usize| i64::try_from(count).unwrap();
    vec![
        count(events.len()),
        count(events.iter().filter(|row| row.event_type == "page_view").count()),
        events.iter().map(|row| i64::from(row.unique_pageview)).sum(),
        count(visitors.len()),
        count(sessions.len()),
        bounces,
        duration,
    ]
}
