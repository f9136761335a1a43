//! The laws of the numbers, over random websites and random questions, and against a count by hand.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use futures::{StreamExt as _, stream};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use query_api::report::breakdown::Group;
use query_api::report::filter::{Condition, Filter, Operator, Property};
use query_api::report::{Breakdown, Dimension, Funnel, List, Metric, Page, Prefer, Reports, Scope, Series};
use schema::rows::EventRow;

use crate::house::{Site, day, house};
use crate::visit::Visit;

const WEBSITES: usize = 20;
const QUESTIONS: usize = 16;

const METRICS: &[Metric] = &[
    Metric::Events,
    Metric::Pageviews,
    Metric::UniquePageviews,
    Metric::UniqueVisitors,
    Metric::Visits,
    Metric::Bounces,
    Metric::DurationMs,
];
const ADDITIVE: &[Metric] = &[
    Metric::Events,
    Metric::Pageviews,
    Metric::UniquePageviews,
    Metric::Visits,
    Metric::Bounces,
    Metric::DurationMs,
];
const EDGES: &[Metric] = &[Metric::Entries, Metric::Exits];
const OF_PAGES: &[Metric] = &[
    Metric::Pageviews,
    Metric::UniquePageviews,
    Metric::Visits,
    Metric::Bounces,
    Metric::DurationMs,
    Metric::Entries,
    Metric::Exits,
];

const PATHS: [&str; 5] = ["/", "/blog", "/blog/a", "/pricing", "/ä b"];
const CHANNELS: [&str; 3] = ["Direct", "Social", "Organic Search"];
const REFERRERS: [&str; 3] = ["", "t.co", "google.com"];
const BROWSERS: [&str; 2] = ["Chrome", "Firefox"];
const COUNTRIES: [&str; 3] = ["", "DE", "NZ"];
const DEVICES: [[&str; 3]; 2] = [["desktop", "Linux", "1441+"], ["mobile", "iOS", "320-375"]];
const CAMPAIGNS: [[&str; 3]; 2] = [["", "", ""], ["news", "email", "spring"]];
const ZONES: [Tz; 3] = [chrono_tz::Asia::Kolkata, chrono_tz::Pacific::Auckland, chrono_tz::America::New_York];
const FIRST: &str = "2026-02-24";
const LAST: &str = "2026-03-01";

/// A visit, told by numbers.
#[derive(Debug, Clone)]
struct Told {
    who: usize,
    second: i64,
    stamps: [usize; 6],
    events: Vec<(usize, usize, i64)>,
}

fn told() -> impl Strategy<Value = Told> {
    let events = prop::collection::vec((0..6_usize, 0..PATHS.len(), 0..1_800_i64), 1..6);
    // Four days, most visits around midnight.
    let second =
        (0..4_i64, prop_oneof![80_000..86_400_i64, 0..86_400_i64]).prop_map(|(day, at)| day * 86_400 + at);
    (0..7_usize, second, prop::array::uniform6(0..6_usize), events)
        .prop_map(|(who, second, stamps, events)| Told { who, second, stamps, events })
}

fn visit(site: &Site<'_>, number: usize, told: &Told) -> Visit {
    let start = day(FIRST).and_hms_opt(0, 0, 0).unwrap()
        + chrono::TimeDelta::seconds(told.second)
        // No two sessions start at once.
        + chrono::TimeDelta::milliseconds(i64::try_from(number).unwrap());
    let [channel, referrer, browser, country, device, campaign] = told.stamps;
    let mut visit = site
        .visit(&told.who.to_string())
        .from(CHANNELS[channel % 3])
        .via(REFERRERS[referrer % 3])
        .with(BROWSERS[browser % 2])
        .in_country(COUNTRIES[country % 3])
        .on(DEVICES[device % 2])
        .campaign(CAMPAIGNS[campaign % 2])
        .at(&start.to_string().replace(' ', "T"));
    visit = match told.who {
        4 => visit.identified(),
        5 => visit.bot(),
        6 => visit.excluded(),
        _ => visit,
    };
    for (kind, path, gap) in &told.events {
        let path = PATHS[*path];
        visit = match kind {
            0 => visit.fires("go", path),
            1 => visit.does("scroll_50", path),
            _ => visit.sees(path),
        }
        .after(*gap);
    }
    visit
}

fn condition() -> impl Strategy<Value = Condition> {
    let values = prop_oneof![
        (Just(Property::Page), prop::sample::select(&PATHS[..])),
        (Just(Property::Page), prop::sample::select(&PATHS[..])),
        (Just(Property::ContentGroup), prop::sample::select(&["", "Blog"][..])),
        (Just(Property::Channel), prop::sample::select(&CHANNELS[..])),
        (Just(Property::Referrer), prop::sample::select(&REFERRERS[..])),
        (Just(Property::Browser), prop::sample::select(&BROWSERS[..])),
        (Just(Property::Country), prop::sample::select(&COUNTRIES[..])),
        (Just(Property::UtmMedium), prop::sample::select(&["", "email"][..])),
        (Just(Property::Os), prop::sample::select(&["Linux", "iOS"][..])),
    ];
    let test = (values, 0..5_usize).prop_map(|((property, value), operator)| {
        let value = value.to_owned();
        let operator = match operator {
            0 => Operator::IsNot(value),
            1 => Operator::Contains(value.chars().take(2).collect()),
            2 => Operator::StartsWith(value.chars().take(3).collect()),
            3 => Operator::In(vec![value, "it's \\ \"x\"\n".into()]),
            _ => Operator::Is(value),
        };
        Condition::Test(property, operator)
    });
    test.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::Any),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

/// A question about a website.
#[derive(Debug, Clone)]
struct Asked {
    days: (u64, u64),
    zone: Option<Tz>,
    include_bots: bool,
    in_blog: bool,
    condition: Option<Condition>,
    narrower: Condition,
    by: Dimension,
    path: &'static str,
    size: u64,
    steps: Vec<&'static str>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let dimensions = [
        Dimension::Channel,
        Dimension::Referrer,
        Dimension::Campaign,
        Dimension::DeviceType,
        Dimension::Browser,
        Dimension::Os,
        Dimension::Screen,
        Dimension::Country,
    ];
    let range = prop_oneof![Just((0, 6)), (0..6_u64, 1..6_u64)];
    let zone = prop_oneof![3 => Just(None), 1 => prop::sample::select(&ZONES[..]).prop_map(Some)];
    let scope =
        (range, zone, any::<bool>(), prop::bool::weighted(0.25), prop::option::of(condition()), condition());
    let steps = prop::sample::select(&["/", "/blog", "/pricing", "scroll_50", "go", "page_view"][..]);
    let rest = (
        prop::sample::select(dimensions.to_vec()),
        prop::sample::select(&PATHS[..]),
        1..4_u64,
        prop::collection::vec(steps, 2..5),
    );
    (scope, rest).prop_map(
        |((days, zone, include_bots, in_blog, condition, narrower), (by, path, size, steps))| Asked {
            days,
            zone,
            include_bots,
            in_blog,
            condition,
            narrower,
            by,
            path,
            size,
            steps,
        },
    )
}

impl Asked {
    fn scope(&self, site: &Site<'_>, condition: Option<&Condition>) -> Scope {
        let start = day(FIRST) + chrono::Days::new(self.days.0);
        let end = (start + chrono::Days::new(self.days.1 - 1)).max(start);
        Scope {
            zone: self.zone,
            include_bots: self.include_bots,
            content_group: self.in_blog.then(|| "Blog".to_owned()),
            filter: condition.map(|condition| Filter::new(condition).unwrap()),
            ..site.scope(&start.to_string(), &end.to_string())
        }
    }

    fn is_whole(&self) -> bool {
        self.days == (0, 6) && self.zone.is_none()
    }
}

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

/// The properties that differ within a session.
fn is_of_events(condition: &Condition) -> bool {
    match condition {
        Condition::All(inner) | Condition::Any(inner) => inner.iter().any(is_of_events),
        Condition::Not(inner) => is_of_events(inner),
        Condition::Test(property, _) => property.is_of_events(),
    }
}

/// The totals of [`METRICS`], counted row by row.
fn by_hand(rows: &[EventRow], asked: &Asked, scope: &Scope) -> Vec<i64> {
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

async fn totals(reports: &Reports, scope: &Scope, metrics: &'static [Metric]) -> Vec<i64> {
    let answer = reports.totals(scope, metrics).await.unwrap();
    metrics.iter().map(|metric| answer.counts.of(*metric)).collect()
}

async fn series(
    reports: &Reports,
    scope: &Scope,
    path: Option<&str>,
    metrics: &'static [Metric],
) -> Vec<Vec<i64>> {
    let series = Series { path: path.map(str::to_owned), metrics };
    let days = reports.series(scope, &series).await.unwrap().counts;
    days.iter().map(|(_, counts)| metrics.iter().map(|metric| counts.of(*metric)).collect()).collect()
}

fn summed(rows: &[Vec<i64>]) -> Vec<i64> {
    let mut sum = rows[0].clone();
    for row in &rows[1..] {
        sum.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
    }
    sum
}

type Rows = Vec<(Vec<String>, String, Vec<i64>)>;

async fn breakdown(reports: &Reports, scope: &Scope, question: Breakdown, page: Page) -> Rows {
    let groups = reports.breakdown(scope, question, page).await.unwrap().counts;
    groups
        .into_iter()
        .map(|group| {
            let counts = question.metrics.iter().map(|metric| group.counts.of(*metric)).collect();
            (group.key, group.label, counts)
        })
        .collect()
}

const OF_DEVICES: &[List] = &[
    List { by: Dimension::Browser, metric: 0 },
    List { by: Dimension::Screen, metric: 1 },
    List { by: Dimension::Browser, metric: 1 },
];

const OF_EDGES: &[List] = &[List { by: Dimension::Page, metric: 0 }, List { by: Dimension::Page, metric: 1 }];

const EVERYTHING: Page = Page { limit: 1000, offset: 0 };

#[track_caller]
fn none_exceeds(less: &[i64], more: &[i64], what: &str, asked: &Asked) {
    assert!(less.iter().zip(more).all(|(less, more)| less <= more), "{what}: {less:?} {more:?} {asked:?}");
}

/// One way and the other: a website, its events, a question.
struct Case<'c> {
    auto: Reports,
    events: Reports,
    rows: &'c [EventRow],
    asked: &'c Asked,
    scope: Scope,
    /// The same with one more condition.
    narrow: Scope,
}

impl<'c> Case<'c> {
    fn new(site: &Site<'_>, rows: &'c [EventRow], asked: &'c Asked) -> Self {
        let [auto, events] =
            [Prefer::Auto, Prefer::EventsOnly].map(|prefer| site.house.reports().prefer(prefer));
        let narrower =
            Condition::All(asked.condition.iter().cloned().chain([asked.narrower.clone()]).collect());
        let (scope, narrow) =
            (asked.scope(site, asked.condition.as_ref()), asked.scope(site, Some(&narrower)));
        Self { auto, events, rows, asked, scope, narrow }
    }

    async fn totals_are_what_a_hand_counts(&self) {
        let Self { auto, events, asked, scope, .. } = self;
        let total = totals(events, scope, METRICS).await;
        assert_eq!(total, by_hand(self.rows, asked, scope), "by hand {asked:?}");
        assert_eq!(totals(auto, scope, METRICS).await, total, "rollup and events {asked:?}");
        let [count, visitors, visits, bounces] = [0, 3, 4, 5].map(|at: usize| total[at]);
        assert!(visitors <= count && bounces <= visits, "{total:?} {asked:?}");
        // A session may start in the range and view the page that is asked for after it.
        if asked.is_whole() || !(asked.in_blog || asked.condition.as_ref().is_some_and(is_of_events)) {
            assert!(visits <= count, "{total:?} {asked:?}");
        }
        none_exceeds(&totals(auto, &self.narrow, METRICS).await, &total, "a narrower filter", asked);
    }

    async fn days_add_up(&self) {
        let Self { auto, events, asked, scope, .. } = self;
        let total = totals(auto, scope, ADDITIVE).await;
        let days = series(auto, scope, None, ADDITIVE).await;
        assert_eq!(days.len(), usize::try_from(scope.days.count()).unwrap());
        assert_eq!(series(events, scope, None, ADDITIVE).await, days, "series {asked:?}");
        assert_eq!(summed(&days), total, "the sum of a series {asked:?}");
    }

    async fn groups_add_up(&self) {
        let Self { auto, events, asked, scope, .. } = self;
        let by = Breakdown { by: asked.by, metrics: &[Metric::Visits, Metric::Bounces], named_only: false };
        let groups = breakdown(auto, scope, by, EVERYTHING).await;
        assert_eq!(breakdown(events, scope, by, EVERYTHING).await, groups, "breakdown {asked:?}");
        let visits = totals(auto, scope, &[Metric::Visits]).await;
        assert_eq!(
            groups.iter().map(|(_, _, counts)| counts[0]).sum::<i64>(),
            visits[0],
            "its sum {asked:?}"
        );
        self.lists_are_breakdowns(OF_DEVICES, &[Metric::Visits, Metric::Bounces]).await;
    }

    /// Several lists at once are what each is by itself.
    async fn lists_are_breakdowns(&self, lists: &'static [List], metrics: &'static [Metric]) {
        let Self { auto, events, asked, scope, .. } = self;
        let page = Page { limit: asked.size, offset: asked.size / 2 };
        let mut expected = Vec::new();
        for list in lists {
            let metrics = std::slice::from_ref(&metrics[list.metric]);
            let by = Breakdown { by: list.by, metrics, named_only: false };
            let groups = breakdown(auto, scope, by, page).await;
            expected.push(groups.into_iter().map(|(key, _, counts)| (key, counts[0])).collect::<Vec<_>>());
        }
        for reports in [auto, events] {
            let counts = reports.lists(scope, lists, metrics, page).await.unwrap().counts;
            let given: Vec<Vec<_>> = lists
                .iter()
                .zip(counts)
                .map(|(list, groups)| {
                    let count = |group: Group| (group.key, group.counts.of(metrics[list.metric]));
                    groups.into_iter().map(count).collect()
                })
                .collect();
            assert_eq!(given, expected, "lists {asked:?}");
        }
    }

    async fn pages_are_the_same_in_any_size(&self) {
        let Self { auto, events, asked, scope, .. } = self;
        let pages = Breakdown { by: Dimension::Page, metrics: OF_PAGES, named_only: false };
        let whole = breakdown(auto, scope, pages, EVERYTHING).await;
        assert_eq!(breakdown(events, scope, pages, EVERYTHING).await, whole, "pages {asked:?}");
        let mut parts = Rows::new();
        loop {
            let page = Page { limit: asked.size, offset: u64::try_from(parts.len()).unwrap() };
            let part = breakdown(auto, scope, pages, page).await;
            if part.is_empty() {
                break;
            }
            parts.extend(part);
        }
        assert_eq!(parts, whole, "pages of {} {asked:?}", asked.size);
    }

    async fn a_page_is_the_sum_of_its_days(&self) {
        let Self { auto, events, asked, scope, .. } = self;
        let of_page = series(auto, scope, Some(asked.path), OF_PAGES).await;
        assert_eq!(series(events, scope, Some(asked.path), OF_PAGES).await, of_page, "of a page {asked:?}");
        let pages = Breakdown { by: Dimension::Page, metrics: OF_PAGES, named_only: false };
        let whole = breakdown(auto, scope, pages, EVERYTHING).await;
        if let Some((_, _, counts)) = whole.iter().find(|(key, _, _)| key[0] == asked.path) {
            assert_eq!(&summed(&of_page), counts, "a page and its days {asked:?}");
        }
    }

    async fn who_enters_leaves(&self) {
        let Self { auto, events, asked, scope, .. } = self;
        let edges = series(auto, scope, None, EDGES).await;
        assert_eq!(series(events, scope, None, EDGES).await, edges, "entries and exits {asked:?}");
        let entries = Breakdown { by: Dimension::Page, metrics: &[Metric::Entries], named_only: false };
        let landings = breakdown(auto, scope, entries, EVERYTHING).await;
        let entered = summed(&edges)[0];
        assert_eq!(
            landings.iter().map(|(_, _, counts)| counts[0]).sum::<i64>(),
            entered,
            "entries {asked:?}"
        );
        assert!(edges.iter().all(|counts| counts[0] == counts[1]), "{edges:?} {asked:?}");
        self.lists_are_breakdowns(OF_EDGES, EDGES).await;
    }

    async fn a_funnel_only_loses(&self) {
        let Self { auto, asked, scope, .. } = self;
        let funnel = Funnel::new(asked.steps.iter().map(|step| (*step).to_owned()).collect()).unwrap();
        let sessions = auto.funnel(scope, &funnel).await.unwrap().counts;
        assert!(sessions.is_sorted_by(|before, after| before >= after), "{sessions:?} {asked:?}");
        assert!(sessions[0] <= totals(auto, scope, &[Metric::Visits]).await[0], "{sessions:?} {asked:?}");
        let fewer = auto.funnel(&self.narrow, &funnel).await.unwrap().counts;
        none_exceeds(&fewer, &sessions, "a narrower funnel", asked);
    }

    /// One law of one case: a fresh question for each.
    async fn check(&self, law: usize) {
        match law % 7 {
            0 => self.totals_are_what_a_hand_counts().await,
            1 => self.days_add_up().await,
            2 => self.groups_add_up().await,
            3 => self.pages_are_the_same_in_any_size().await,
            4 => self.a_page_is_the_sum_of_its_days().await,
            5 => self.who_enters_leaves().await,
            _ => self.a_funnel_only_loses().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_laws_hold_for_any_website_and_any_question() {
    let house = house().await;
    let mut runner = TestRunner::deterministic();
    let mut websites = Vec::new();
    for _ in 0..WEBSITES {
        let site = house.site().await;
        let visits = prop::collection::vec(told(), 1..25).new_tree(&mut runner).unwrap().current();
        let visits = visits.iter().enumerate().map(|(number, told)| visit(&site, number, told));
        let mut rows: Vec<EventRow> = visits.flat_map(Visit::into_rows).collect();
        crate::visit::mark_first_of_day(&mut rows);
        websites.push((site, rows));
    }
    let rows: Vec<EventRow> = websites.iter().flat_map(|(_, rows)| rows.clone()).collect();
    websites[0].0.store_rows(&rows).await;
    assert!(
        rows.iter().any(|row| row.session_day != row.day),
        "some session goes on over {LAST}'s midnights"
    );
    let mut cases = Vec::new();
    for (site, rows) in &websites {
        for _ in 0..QUESTIONS {
            cases.push((site, rows, asked().new_tree(&mut runner).unwrap().current()));
        }
    }
    assert!(cases.len() >= 300);
    let checks = cases.iter().enumerate().map(async |(number, (site, rows, asked))| {
        Case::new(site, rows, asked).check(number).await;
    });
    stream::iter(checks).buffer_unordered(8).collect::<Vec<()>>().await;
}
