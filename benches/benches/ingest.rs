//! What one event costs on its way in, step by step: parse, attribute, recognise, redact, hash, encode; decode, sessionise, and
//! its share of a block.

use std::hint::black_box;
use std::sync::Arc;

use benches::block::Encoder;
use benches::rows;
use benches::traffic::{Sent, Shape, Traffic};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use directory::{ContentGroups, ExcludedIps, Website};
use ingest::enrich::attribute::attribute;
use ingest::enrich::local_day;
use ingest::enrich::recognise::{self, Recogniser};
use ingest::enrich::redact::Addresses;
use ingest::load::sessionise::{Day, Place, Sessioniser};
use ingest::surfaces::ImportLine;
use schema::event::{Event, PAGE_VIEW, VERSION};
use service::secrets::keyed_hash;
use uuid::Uuid;

const AGENT: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36";

/// Events of a thousand visitors, three and a half each, over an hour of one day.
fn events() -> Vec<Event> {
    let website = Uuid::from_u128(1);
    (0..3_500_u64)
        .map(|number| Event {
            version: VERSION,
            website: Some(website.into()),
            day: 20_000,
            time_ms: 20_000 * 86_400_000 + 36_000_000 + number as i64 * 1_000,
            received_ms: 20_000 * 86_400_000 + 36_000_000 + number as i64 * 1_000,
            event_type: PAGE_VIEW.to_owned(),
            hostname: "example.com".to_owned(),
            path: format!("/articles/{}", number % 97),
            visitor_id: 1 + number * 7_919 % 1_000,
            referrer: "google.com".to_owned(),
            channel: "Organic Search".to_owned(),
            device_type: "mobile".to_owned(),
            browser: "Chrome".to_owned(),
            os: "Android".to_owned(),
            screen: "376-768".to_owned(),
            language: "en".to_owned(),
            ..Event::default()
        })
        .collect()
}

fn website() -> Arc<Website> {
    Arc::new(Website {
        id: Uuid::from_u128(1),
        account_id: Uuid::from_u128(2),
        domain: "site-0.example".to_owned(),
        timezone: chrono_tz::Europe::Berlin,
        content_groups: ContentGroups::default(),
        excluded_ips: ExcludedIps::default(),
        respect_dnt: false,
        retention_days: None,
        created_at: 0,
    })
}

/// The first event of the benches' traffic that has a referrer.
fn sent() -> Sent {
    let shape = Shape { seed: 1, events: 1_000, days: 1, first_day: 20_000 };
    let mut day = Traffic::new(shape).next_day().unwrap_or_default();
    let at = day.iter().position(|sent| !sent.event.referrer.is_empty()).unwrap_or_default();
    day.swap_remove(at)
}

fn steps(criterion: &mut Criterion) {
    let events = events();
    let encoded: Vec<_> = events.iter().map(Event::to_bytes).collect();
    let (website, sent) = (website(), sent());
    let (body, now) = (sent.body(), sent.event.time_ms);

    let mut group = criterion.benchmark_group("one event");
    group.bench_function("parse its body and check its fields", |bencher| {
        bencher.iter(|| ImportLine::parse(black_box(body.as_bytes()), &website, now).is_ok());
    });
    if let Ok(hit) = ImportLine::parse(body.as_bytes(), &website, now) {
        group.bench_function("attribute it", |bencher| bencher.iter(|| attribute(black_box(&hit))));
    }
    group.bench_function("find its day at the website", |bencher| {
        bencher.iter(|| local_day(black_box(now), website.timezone));
    });
    let recogniser = Recogniser::default();
    group.bench_function("recognise an agent that is remembered", |bencher| {
        bencher.iter(|| recogniser.recognise(black_box(AGENT), None, false));
    });
    group.bench_function("recognise its agent", |bencher| {
        bencher.iter(|| (recognise::agent(black_box(AGENT)), recognise::bot_reason(black_box(AGENT), false)));
    });
    let addresses: Addresses =
        ["203.0.113.7", "2001:db8::7"].into_iter().filter_map(|text| text.parse().ok()).collect();
    for (what, text) in [
        ("find no address in its path", "/articles/2026/how-to-measure?page=2"),
        ("find the address in its path", "/unsubscribe/203.0.113.7/now"),
        ("find no address in 16 kB of its like", &"1:".repeat(8_192)),
    ] {
        group.bench_function(what, |bencher| bencher.iter(|| addresses.are_in(black_box(text))));
    }
    group.bench_function("hash its visitor", |bencher| {
        bencher.iter(|| keyed_hash(black_box(&[7; 16]), &[&[198, 51, 100, 1], AGENT.as_bytes(), &[1; 16]]));
    });
    group.bench_function("encode it", |bencher| bencher.iter(|| black_box(&events[0]).to_bytes()));
    group.bench_function("decode it", |bencher| bencher.iter(|| Event::from_bytes(black_box(&encoded[0]))));
    group.finish();

    let mut group = criterion.benchmark_group("3,500 events of 1,000 visitors");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("sessionise them", |bencher| {
        bencher.iter_batched(
            || events.clone(),
            |events| {
                let mut sessions = Sessioniser::default();
                for (offset, event) in (0..).zip(events) {
                    while let Some(day) = sessions.missing(&event) {
                        sessions.put(day, Day::default());
                    }
                    black_box(sessions.apply(event, Place { stream: "bench", partition: 0, offset }));
                }
            },
            criterion::BatchSize::LargeInput,
        );
    });
    let rows = rows::of_events(&events);
    let encoding = tokio::runtime::Runtime::new().and_then(|runtime| {
        let encoder = runtime.block_on(Encoder::start()).map_err(std::io::Error::other)?;
        Ok((runtime, encoder))
    });
    if let Ok((runtime, encoder)) = encoding {
        group.bench_function("encode and send them as a block", |bencher| {
            bencher.iter(|| runtime.block_on(encoder.encode(black_box(&rows))).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
