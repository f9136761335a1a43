//! Ten thousand records that no loader can make rows of, put straight into the stream.

use std::time::Duration;

use bytes::Bytes;
use ingest::load::LoadConfig;
use ingest::stream::Record;
use schema::event::{Event, PAGE_VIEW, VERSION};
use schema::rows::DeadLetterRow;
use service::config::Rate;
use uuid::Uuid;

use crate::house::{Ground, House, NOW, PARTITIONS, store_of_its_own};
use crate::load::on_both;

on_both!(ten_thousand_poisoned_records_are_dead_letters_and_the_good_ones_count);

const POISONED: u64 = 10_000;

/// Every so many poisoned records there is a good one.
const GOOD_EVERY: u64 = 20;

const DAY_MS: i64 = 24 * 3_600_000;

fn good(website: Uuid, number: u64) -> Event {
    Event {
        version: VERSION,
        website: Some(website.into()),
        day: (NOW / DAY_MS) as i32,
        time_ms: NOW + number as i64,
        received_ms: NOW + number as i64,
        event_type: PAGE_VIEW.into(),
        path: "/good".into(),
        visitor_id: number + 1,
        ..Event::default()
    }
}

/// Fourteen kinds in turn: the bytes, and the reason that the dead letter has.
fn poison(website: Uuid, number: u64) -> (Vec<u8>, &'static str) {
    let event = good(website, number);
    let and = |more: &[u8]| [event.to_bytes(), more.to_vec()].concat();
    match number % 14 {
        0 => (Vec::new(), "malformed"),
        1 => (vec![0x08], "malformed"),
        // No wire type has this number; then whatever comes.
        2 => {
            let mut bytes = vec![0x0f];
            let mut bits = number;
            for _ in 0..40 {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                bytes.push((bits >> 56) as u8);
            }
            (bytes, "malformed")
        }
        // Cut off within the path.
        3 => {
            let bytes = event.to_bytes();
            let path = bytes.windows(5).position(|window| window == b"/good").unwrap();
            (bytes[..path + 2].to_vec(), "malformed")
        }
        // The website as a number, the path as a number.
        4 => (and(if number.is_multiple_of(28) { &[0x10, 1] } else { &[0x48, 1] }), "malformed"),
        5 => (Event { version: VERSION + 1 + number as u32, ..event }.to_bytes(), "newer_version"),
        6 => (Event { version: 0, ..event }.to_bytes(), "malformed"),
        7 if number.is_multiple_of(2) => (Event { website: None, ..event }.to_bytes(), "malformed"),
        7 => (Event { website: Some(Uuid::nil().into()), ..event }.to_bytes(), "malformed"),
        8 => (and(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), "malformed"),
        // A path that is no UTF-8.
        9 => (and(&[0x4a, 2, 0xff, 0xfe]), "malformed"),
        10 => {
            let odd = match number / 14 % 6 {
                0 => Event { day: i32::MAX, ..event },
                1 => Event { day: event.day + 2, ..event },
                2 => Event { time_ms: -1, day: -1, ..event },
                3 => Event { time_ms: i64::MAX, ..event },
                4 => Event { received_ms: i64::MIN, ..event },
                _ => Event { event_type: "page_viev".into(), ..event },
            };
            (odd.to_bytes(), "out_of_range")
        }
        // A website within which nothing makes sense.
        11 => (and(&[0x12, 4, 0x09, 1, 2, 3]), "malformed"),
        // Another schema: only fields that an event does not have.
        12 => (b"\xa2\x06\x05hello\xa8\x06\x2a".to_vec(), "malformed"),
        _ => (Event { visitor_id: 0, ..event }.to_bytes(), "malformed"),
    }
}

async fn ten_thousand_poisoned_records_are_dead_letters_and_the_good_ones_count(ground: Ground) {
    let house = House::open(store_of_its_own().await, ground.stream().await, Rate::Off).await;
    let client = house.store.client();
    client.query("ALTER TABLE events ADD CONSTRAINT poison CHECK path != '/poison'").execute().await.unwrap();
    let website = Uuid::new_v4();
    let mut records = Vec::new();
    let mut put = |number: u64, payload: Vec<u8>, reason: Option<&'static str>| {
        let partition = (number % u64::from(PARTITIONS)) as u32;
        records.push((Record { partition, payload: Bytes::from(payload) }, reason));
    };
    for number in 0..POISONED {
        let (payload, reason) = poison(website, number);
        put(number / 14 + number, payload, Some(reason));
        if number % GOOD_EVERY == 0 {
            put(number / GOOD_EVERY, good(website, number).to_bytes(), None);
        }
        // One that only the store refuses, from somebody whose other events are good.
        if number % 500 == 0 {
            let refused = Event { path: "/poison".into(), ..good(website, number) };
            put(number / GOOD_EVERY, refused.to_bytes(), Some("refused_by_store"));
        }
    }
    for partition in 0..u64::from(PARTITIONS) {
        put(partition, vec![0xff; 500 * 1024], Some("malformed"));
    }

    let small = LoadConfig { linger: Duration::from_millis(5), batch_rows: 700, ..LoadConfig::default() };
    let mut loading = house.load(small.clone());
    let mut expected = Vec::new();
    for (at, piece) in records.chunks(500).enumerate() {
        let fates = house.stream.append(piece.iter().map(|(record, _)| record.clone()).collect()).await;
        for ((record, reason), offset) in piece.iter().zip(fates) {
            let offset = offset.unwrap();
            if let Some(reason) = reason {
                expected.push((record.partition, offset, *reason, record.payload.clone()));
            }
        }
        // Again and again the loader dies in the middle, and another one comes.
        if at % 5 == 4 {
            loading.die().await;
            loading = house.load(small.clone());
        }
    }
    house.settle().await;
    loading.stop().await;
    let _once_more = house.load(small);
    house.settle().await;

    let letters = house.dead_letters().await;
    let found: Vec<_> = letters.into_iter().map(of_letter).collect();
    expected.sort_by_key(|(partition, offset, ..)| (*partition, *offset));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.into_iter().zip(expected) {
        let (partition, offset, reason, payload) = expected;
        assert_eq!(found, (partition, offset, reason.to_owned(), payload.to_vec()));
    }
    let sql = "SELECT toInt64(count()), uniqExact(visitor_id), sum(toInt64(visits)), sum(toInt64(visitors)) FROM events
               WHERE website_id = ?";
    let counted = client.query(sql).bind(website).fetch_one::<(i64, u64, i64, i64)>().await.unwrap();
    let good = POISONED / GOOD_EVERY;
    assert_eq!(counted, (good as i64, good, good as i64, good as i64));
    let sql = "SELECT sum(events), sum(visits), sum(visitors) FROM site_totals WHERE website_id = ?";
    let summed = client.query(sql).bind(website).fetch_one::<(i64, i64, i64)>().await.unwrap();
    assert_eq!(summed, (good as i64, good as i64, good as i64));
    assert_eq!(client.query("SELECT uniqExact(website_id) FROM events").fetch_one::<u64>().await.unwrap(), 1);
}

fn of_letter(letter: DeadLetterRow) -> (u32, u64, String, Vec<u8>) {
    (u32::from(letter.kafka_partition), letter.kafka_offset, letter.reason, letter.payload)
}
