//! The rows that the loader makes of traffic: partition by partition, through its own sessioniser. No store is needed,
//! because all days begin empty.

use anyhow::Context as _;
use chrono::{Days, NaiveDate, Utc};
use clickhouse::Client;
use ingest::load::insert::insert_events;
use ingest::load::sessionise::{Day, Place, Sessioniser};
use schema::event::Event;
use schema::rows::EventRow;
use service::Stop;

use crate::traffic::{PARTITIONS, Shape, Traffic};

/// The name of the stream that the rows say they are of.
pub const STREAM: &str = "bench";

const DAY_MS: i64 = 86_400_000;

/// Makes the rows of a shape and hands them over in blocks of one partition each, as the loader inserts them. Ends
/// early when `take` says so (`Ok(false)`), and with its error.
pub async fn blocks<E>(
    shape: Shape,
    block: usize,
    mut take: impl AsyncFnMut(u32, Vec<EventRow>) -> Result<bool, E>,
) -> Result<(), E> {
    let mut traffic = Traffic::new(shape);
    let mut partitions: Vec<_> =
        (0..PARTITIONS).map(|_| (Sessioniser::default(), 0_u64, Vec::new())).collect();
    while let Some(day) = traffic.next_day() {
        let began = day.first().map_or(0, |sent| sent.event.time_ms);
        for sent in day {
            let (sessions, offset, rows) = &mut partitions[sent.partition as usize];
            while let Some(missing) = sessions.missing(&sent.event) {
                sessions.put(missing, Day::default());
            }
            let place = Place { stream: STREAM, partition: sent.partition, offset: *offset };
            *offset += 1;
            rows.extend(sessions.apply(sent.event, place));
            if rows.len() >= block && !take(sent.partition, std::mem::take(rows)).await? {
                return Ok(());
            }
        }
        for (sessions, ..) in &mut partitions {
            sessions.forget_idle(began - DAY_MS);
        }
    }
    for (partition, (_, _, rows)) in (0..).zip(partitions) {
        if !rows.is_empty() && !take(partition, rows).await? {
            break;
        }
    }
    Ok(())
}

/// The rows of some events, in their order, of one partition.
pub fn of_events(events: &[Event]) -> Vec<EventRow> {
    let mut sessions = Sessioniser::default();
    (0..)
        .zip(events)
        .filter_map(|(offset, event)| {
            while let Some(missing) = sessions.missing(event) {
                sessions.put(missing, Day::default());
            }
            sessions.apply(event.clone(), Place { stream: STREAM, partition: 0, offset })
        })
        .collect()
}

/// Inserts a block as the loader does, under a token. A row that the store refuses is an error: then the bench is wrong.
pub async fn insert(client: &Client, token: &str, block: &[EventRow]) -> anyhow::Result<()> {
    if block.is_empty() {
        return Ok(());
    }
    let refused =
        insert_events(client, token, block, &Stop::new()).await.context("the insert was given up")?;
    anyhow::ensure!(refused.is_empty(), "the store refused {} rows", refused.len());
    Ok(())
}

/// The first of so many days, of which the last is today (UTC): what lapses with time is then as old as it would be.
pub fn days_until_today(days: u16) -> u16 {
    let first = Utc::now().date_naive() - Days::new(u64::from(days.saturating_sub(1)));
    u16::try_from((first - NaiveDate::default()).num_days()).unwrap_or(u16::MAX)
}
