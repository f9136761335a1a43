//! What any stream does. Nothing here knows which one it is.

use std::time::Duration;

use ingest::stream::{Position, ReadLimits, StreamError};
use tokio::time::timeout;

use crate::house::{House, LARGEST, Loader, PATIENCE, append, read, record, texts, up_to};

/// Long enough for something wrong to happen.
const A_WHILE: Duration = Duration::from_millis(200);

pub(crate) async fn appends_are_answered_with_ascending_offsets(house: &House) {
    let stream = &*house.stream;
    assert_eq!(stream.partitions(), 3);
    let mixed = vec![record(0, "a"), record(1, "b"), record(0, "c")];
    let offsets: Vec<_> = stream.append(mixed).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(offsets, [0, 0, 1]);
    assert_eq!(append(stream, 0, &["d", "e"]).await, [2, 3]);
    assert_eq!(stream.append(Vec::new()).await.len(), 0);

    let mut ends = Vec::new();
    for partition in 0..3 {
        ends.push((stream.end(partition).await.unwrap(), stream.committed(partition).await.unwrap()));
    }
    assert_eq!(ends, [(4, 0), (1, 0), (0, 0)]);
    assert!(stream.append(vec![record(3, "nowhere")]).await[0].is_err());
}

pub(crate) async fn records_are_read_in_the_order_of_each_appender(house: &House) {
    const APPENDERS: usize = 8;
    const CALLS: usize = 20;
    let appenders = (0..APPENDERS).map(|appender| {
        let stream = std::sync::Arc::clone(&house.stream);
        tokio::spawn(async move {
            for call in 0..CALLS {
                let pair = vec![
                    record(1, format!("{appender}:{call}:0")),
                    record(1, format!("{appender}:{call}:1")),
                ];
                for stored in stream.append(pair).await {
                    stored.unwrap();
                }
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.unwrap();
    }

    let mut loader = Loader::join(&*house.stream);
    let mut lease = loader.lease(1).await;
    let records = read(&mut lease, APPENDERS * CALLS * 2).await;
    assert!(records.iter().map(|record| record.offset).eq(0..(APPENDERS * CALLS * 2) as u64));
    for appender in 0..APPENDERS {
        let mine: Vec<_> =
            texts(&records).into_iter().filter(|text| text.starts_with(&format!("{appender}:"))).collect();
        let expected: Vec<_> = (0..CALLS)
            .flat_map(|call| [format!("{appender}:{call}:0"), format!("{appender}:{call}:1")])
            .collect();
        assert_eq!(mine, expected);
    }
}

pub(crate) async fn a_lease_begins_at_the_committed_offset(house: &House) {
    let stream = &*house.stream;
    append(stream, 2, &["a", "b", "c", "d"]).await;
    let mut loader = Loader::join(stream);
    let mut lease = loader.lease(2).await;
    assert_eq!(lease.position(), Position { next: 0, plan: None });
    assert_eq!(texts(&read(&mut lease, 3).await), ["a", "b", "c"]);
    lease.commit(2).await.unwrap();
    assert_eq!(stream.committed(2).await.unwrap(), 2);

    // Read but not committed: the next holder reads it again.
    drop(lease);
    let mut lease = loader.lease(2).await;
    assert_eq!(lease.position(), Position { next: 2, plan: None });
    assert_eq!(texts(&read(&mut lease, 2).await), ["c", "d"]);
}

pub(crate) async fn a_plan_survives_a_loader_that_dies(house: &House) {
    let stream = &*house.stream;
    append(stream, 0, &["a", "b", "c", "d"]).await;
    let mut loader = Loader::join(stream);
    let mut lease = loader.lease(0).await;
    lease.commit(1).await.unwrap();
    read(&mut lease, 2).await;
    lease.plan(3).await.unwrap();
    assert_eq!(stream.committed(0).await.unwrap(), 1);
    drop(lease);
    loader.stop().await;

    let mut loader = Loader::join(stream);
    let mut lease = loader.lease(0).await;
    assert_eq!(lease.position(), Position { next: 1, plan: Some(3) });
    let again = lease.read(ReadLimits { before: Some(3), ..up_to(100) }).await.unwrap();
    assert_eq!(texts(&again), ["b", "c"]);
}

pub(crate) async fn a_commit_clears_the_plan(house: &House) {
    let stream = &*house.stream;
    append(stream, 0, &["a", "b", "c"]).await;
    let mut loader = Loader::join(stream);
    let mut lease = loader.lease(0).await;
    lease.plan(1).await.unwrap();
    lease.plan(2).await.unwrap();
    lease.commit(2).await.unwrap();
    drop(lease);
    assert_eq!(loader.lease(0).await.position(), Position { next: 2, plan: None });
}

pub(crate) async fn an_offset_is_never_committed_backward(house: &House) {
    let stream = &*house.stream;
    append(stream, 0, &["a", "b", "c"]).await;
    let mut loader = Loader::join(stream);
    let mut lease = loader.lease(0).await;
    lease.commit(2).await.unwrap();
    assert!(lease.commit(1).await.is_err());
    assert!(lease.plan(1).await.is_err());
    lease.commit(2).await.unwrap();
    assert_eq!(stream.committed(0).await.unwrap(), 2);
}

pub(crate) async fn a_read_stops_at_its_limits(house: &House) {
    append(&*house.stream, 0, &["aaaa", "bbbb", "cccc", "dddd", "eeee"]).await;
    let mut loader = Loader::join(&*house.stream);
    let mut lease = loader.lease(0).await;
    // With a linger, so that what comes back is cut by the limit and not by the moment.
    let patient = ReadLimits { linger: PATIENCE, ..up_to(100) };
    let two = lease.read(ReadLimits { records: 2, ..patient }).await.unwrap();
    assert_eq!(texts(&two), ["aaaa", "bbbb"]);
    let five_bytes = lease.read(ReadLimits { bytes: 5, ..patient }).await.unwrap();
    assert_eq!(texts(&five_bytes), ["cccc", "dddd"], "the record that reaches the limit is the last");
    let one_byte = lease.read(ReadLimits { bytes: 1, ..patient }).await.unwrap();
    assert_eq!(texts(&one_byte), ["eeee"]);
}

pub(crate) async fn a_read_stops_before_the_end_of_a_plan(house: &House) {
    append(&*house.stream, 0, &["a", "b", "c", "d"]).await;
    let mut loader = Loader::join(&*house.stream);
    let mut lease = loader.lease(0).await;
    let plan = ReadLimits { before: Some(3), linger: PATIENCE, ..up_to(100) };
    assert_eq!(texts(&lease.read(plan).await.unwrap()), ["a", "b", "c"]);
    assert!(lease.read(plan).await.unwrap().is_empty(), "nothing is left of the plan, and it does not wait");
    assert_eq!(texts(&read(&mut lease, 1).await), ["d"]);
}

pub(crate) async fn a_read_gathers_until_its_limit_or_its_linger(house: &House) {
    let stream = std::sync::Arc::clone(&house.stream);
    append(&*stream, 0, &["a"]).await;
    let mut loader = Loader::join(&*stream);
    let mut lease = loader.lease(0).await;
    let gathering = tokio::spawn(async move {
        let records = lease.read(ReadLimits { linger: PATIENCE, ..up_to(2) }).await.unwrap();
        (lease, records)
    });
    tokio::time::sleep(A_WHILE).await;
    assert!(!gathering.is_finished(), "it has one record and time for a second");
    append(&*stream, 0, &["b"]).await;
    let (mut lease, records) = timeout(PATIENCE, gathering).await.unwrap().unwrap();
    assert_eq!(texts(&records), ["a", "b"]);

    append(&*stream, 0, &["c"]).await;
    let short = ReadLimits { linger: Duration::from_millis(20), ..up_to(100) };
    let records = timeout(PATIENCE, lease.read(short)).await.expect("it lingers only so long").unwrap();
    assert_eq!(texts(&records), ["c"]);
}

pub(crate) async fn a_read_waits_and_is_woken(house: &House) {
    let stream = std::sync::Arc::clone(&house.stream);
    let mut loader = Loader::join(&*stream);
    let mut lease = loader.lease(1).await;
    let waiting = tokio::spawn(async move { lease.read(up_to(10)).await.unwrap() });
    append(&*stream, 0, &["for another partition"]).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(!waiting.is_finished());
    append(&*stream, 1, &["a"]).await;
    let records = timeout(PATIENCE, waiting).await.expect("the append wakes the read").unwrap();
    assert_eq!(texts(&records), ["a"]);
}

pub(crate) async fn a_cancelled_read_loses_nothing(house: &House) {
    let stream = &*house.stream;
    let names: Vec<String> = (0..400).map(|number| number.to_string()).collect();
    let mut loader = Loader::join(stream);
    let mut lease = loader.lease(0).await;
    let mut records = Vec::new();
    for chunk in names.chunks(40) {
        append(stream, 0, &chunk.iter().map(String::as_str).collect::<Vec<_>>()).await;
        // Dropped while it waits for more than there is, then at any moment.
        let greedy = ReadLimits { linger: PATIENCE, ..up_to(100_000) };
        for wait in [0, 50, 200, 1_000, 3_000] {
            if let Ok(more) = timeout(Duration::from_micros(wait), lease.read(greedy)).await {
                records.extend(more.unwrap());
            }
            if let Ok(more) = timeout(Duration::from_micros(wait), lease.read(up_to(3))).await {
                records.extend(more.unwrap());
            }
        }
    }
    records.extend(read(&mut lease, names.len() - records.len()).await);
    assert_eq!(texts(&records), names);
}

pub(crate) async fn a_record_that_is_too_large_is_refused_alone(house: &House) {
    let stream = &*house.stream;
    let sizes = [LARGEST, LARGEST + 1, 0];
    let records = sizes.iter().map(|size| record(0, "x".repeat(*size))).collect();
    let results = stream.append(records).await;
    assert!(matches!(results[..], [Ok(0), Err(StreamError::TooLarge), Ok(1)]), "{results:?}");
    let mut loader = Loader::join(stream);
    let mut lease = loader.lease(0).await;
    let stored: Vec<_> = read(&mut lease, 2).await.iter().map(|record| record.payload.len()).collect();
    assert_eq!(stored, [LARGEST, 0]);
}

pub(crate) async fn a_stop_revokes_the_leases_and_ends_the_receiver(house: &House) {
    let stream = &*house.stream;
    append(stream, 0, &["a", "b"]).await;
    let mut loader = Loader::join(stream);
    let mut lease = loader.lease(0).await;
    lease.plan(2).await.unwrap();
    loader.stop.cancel();
    timeout(PATIENCE, lease.revoked().cancelled()).await.expect("a stop revokes the leases");
    assert!(matches!(lease.read(up_to(1)).await, Err(StreamError::Closed)));
    lease.commit(2).await.expect("what is in hand may be finished");
    drop(lease);
    loader.stop().await;

    let mut loader = Loader::join(stream);
    let lease = loader.lease(0).await;
    assert_eq!(lease.position(), Position { next: 2, plan: None });
}

pub(crate) async fn a_closed_stream_answers_closed(house: &House) {
    let stream = &*house.stream;
    append(stream, 0, &["a"]).await;
    stream.close().await;
    let results = stream.append(vec![record(0, "b"), record(0, "c")]).await;
    assert!(matches!(results[..], [Err(StreamError::Closed), Err(StreamError::Closed)]), "{results:?}");
    assert!(matches!(stream.end(0).await, Err(StreamError::Closed)));
    assert!(matches!(stream.committed(0).await, Err(StreamError::Closed)));
    assert!(matches!(stream.leases(tokio_util::sync::CancellationToken::new()), Err(StreamError::Closed)));
    stream.close().await;
}
