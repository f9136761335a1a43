//! What it costs to turn a question into SQL with its parameters: the choice of the table, the text, the values.

use std::hint::black_box;

use chrono::NaiveDate;
use criterion::{Criterion, criterion_group, criterion_main};
use query_api::report::filter::{Condition, Operator, Property};
use query_api::report::{Breakdown, Days, Dimension, Filter, Metric, Page, Reports, Scope};
use schema::store::StoreUrl;
use service::Clock;
use uuid::Uuid;

const SOURCES: Breakdown = Breakdown {
    by: Dimension::Channel,
    metrics: &[Metric::Visits, Metric::Bounces, Metric::DurationMs],
    named_only: false,
};

const PAGES: Breakdown = Breakdown {
    by: Dimension::Page,
    metrics: &[Metric::Pageviews, Metric::UniquePageviews, Metric::Bounces],
    named_only: false,
};

const PAGE: Page = Page { limit: 20, offset: 0 };

/// As many tests as an analyst's segment has.
fn segment() -> Condition {
    let is = |property, text: &str| Condition::Test(property, Operator::Is(text.to_owned()));
    let countries = ["DE", "AT", "CH"].map(str::to_owned).to_vec();
    Condition::All(vec![
        Condition::Test(Property::Country, Operator::In(countries)),
        Condition::Any(vec![is(Property::Browser, "Firefox"), is(Property::Browser, "Chrome")]),
        Condition::Not(Box::new(Condition::Test(Property::Page, Operator::StartsWith("/blog".to_owned())))),
    ])
}

fn build(criterion: &mut Criterion) {
    let Ok(store) = StoreUrl::parse("http://127.0.0.1:9/footfall") else { return };
    let reports = Reports::new(&store, Clock::fixed(0));
    let day = |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap_or_default();
    let Ok(days) = Days::between(day(1), day(30)) else { return };
    let whole = Scope::new(Uuid::from_u128(1), days);
    let condition = segment();
    let Ok(filter) = Filter::new(&condition) else { return };
    let part = Scope { filter: Some(filter), ..whole.clone() };

    let mut group = criterion.benchmark_group("a report's SQL");
    group.bench_function("raise a filter of four tests", |bencher| {
        bencher.iter(|| Filter::new(black_box(&condition)));
    });
    for (what, scope, question) in [
        ("channels, from a rollup", &whole, SOURCES),
        ("pages, from a rollup", &whole, PAGES),
        ("channels of a segment, from events", &part, SOURCES),
        ("pages of a segment, from events", &part, PAGES),
    ] {
        group.bench_function(what, |bencher| {
            bencher.iter(|| reports.planned(black_box(scope), question, PAGE).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
