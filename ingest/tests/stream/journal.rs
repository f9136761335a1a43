//! What only the journal does: it survives on its own disk.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ingest::stream::journal::{Journal, JournalOptions, OpenError};
use ingest::stream::{Lease, Offset, Position, Record, Stream, StreamError};
use proptest::prelude::*;
use tempfile::tempdir;

use crate::house::{Loader, PATIENCE, append, read, record, texts, up_to};

fn open(folder: &Path, partitions: u32) -> Arc<Journal> {
    Journal::open(JournalOptions::new(folder, partitions)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reopened_journal_is_the_same_journal() {
    let folder = tempdir().unwrap();
    let journal = open(folder.path(), 2);
    let id = journal.id().to_owned();
    assert!(id.strip_prefix("journal-").is_some_and(|hex| hex.len() == 16), "{id}");
    append(&*journal, 0, &["a", "b", "c"]).await;
    let mut loader = Loader::join(&*journal);
    let mut lease = loader.lease(0).await;
    lease.commit(1).await.unwrap();
    lease.plan(3).await.unwrap();
    drop(lease);
    journal.close().await;

    let journal = open(folder.path(), 2);
    assert_eq!(journal.id(), id);
    let mut loader = Loader::join(&*journal);
    let mut lease = loader.lease(0).await;
    assert_eq!(lease.position(), Position { next: 1, plan: Some(3) });
    assert_eq!(texts(&read(&mut lease, 2).await), ["b", "c"]);
    assert_eq!(append(&*journal, 0, &["d"]).await, [3]);

    let elsewhere = tempdir().unwrap();
    assert_ne!(open(elsewhere.path(), 2).id(), id, "another journal has another name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_go_on_after_everything_was_committed_and_trimmed() {
    let folder = tempdir().unwrap();
    for round in 0..3 {
        let journal = open(folder.path(), 1);
        assert_eq!(append(&*journal, 0, &["a", "b"]).await, [2 * round, 2 * round + 1]);
        let mut loader = Loader::join(&*journal);
        let mut lease = loader.lease(0).await;
        assert_eq!(lease.position().next, 2 * round);
        lease.commit(2 * round + 2).await.unwrap();
    }
}

#[tokio::test]
async fn the_number_of_partitions_is_kept() {
    let folder = tempdir().unwrap();
    open(folder.path(), 3).close().await;
    assert_eq!(open(folder.path(), 8).partitions(), 3);
    assert!(matches!(Journal::open(JournalOptions::new(folder.path(), 0)), Err(OpenError::NoPartitions)));
}

#[tokio::test]
async fn a_folder_belongs_to_one_process() {
    let folder = tempdir().unwrap();
    let journal = open(folder.path(), 1);
    let error = Journal::open(JournalOptions::new(folder.path(), 1)).err().expect("it is in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    drop(journal);
    open(folder.path(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_set_of_leases_at_a_time() {
    let folder = tempdir().unwrap();
    let journal = open(folder.path(), 2);
    let mut loader = Loader::join(&*journal);
    let lease = loader.lease(0).await;
    let refused = |journal: &Journal| journal.leases(tokio_util::sync::CancellationToken::new()).is_err();
    assert!(refused(&journal));
    drop(loader);
    assert!(refused(&journal), "one lease is still held");
    drop(lease);
    let mut loader = Loader::join(&*journal);
    assert_eq!(loader.lease(1).await.partition(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_journal_refuses_and_takes_again_after_a_commit() {
    let folder = tempdir().unwrap();
    let options = JournalOptions { max_bytes: 10, ..JournalOptions::new(folder.path(), 2) };
    let journal = Journal::open(options.clone()).unwrap();
    append(&*journal, 0, &["1234", "5678"]).await;
    let call = vec![record(1, "9"), record(1, "abc"), record(1, "d")];
    let results = journal.append(call).await;
    assert!(matches!(results[..], [Ok(0), Err(StreamError::Full), Err(StreamError::Full)]), "{results:?}");

    // It is still full after a restart.
    drop(journal);
    let journal = Journal::open(options).unwrap();
    assert!(matches!(journal.append(vec![record(0, "xx")]).await[..], [Err(StreamError::Full)]));
    let mut loader = Loader::join(&*journal);
    loader.lease(0).await.commit(1).await.unwrap();
    assert_eq!(append(&*journal, 0, &["xx"]).await, [2], "the refused ones took no offset");
    loader.lease(0).await.commit(3).await.unwrap();
    assert_eq!(append(&*journal, 0, &["123456789"]).await, [3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_waits_a_bounded_time() {
    let folder = tempdir().unwrap();
    let options = JournalOptions {
        queue_bytes: 1_000,
        queue_wait: Duration::ZERO,
        ..JournalOptions::new(folder.path(), 1)
    };
    let journal = Journal::open(options).unwrap();
    let calls = (0..50).map(|_| journal.append(vec![record(0, "x".repeat(900))]));
    let results: Vec<_> = futures::future::join_all(calls).await.into_iter().flatten().collect();
    let stored = results.iter().filter(|result| result.is_ok()).count();
    let full = results.iter().filter(|result| matches!(result, Err(StreamError::Full))).count();
    assert!(stored >= 1 && full >= 1 && stored + full == 50, "{stored} stored, {full} refused");
    assert_eq!(journal.end(0).await.unwrap(), stored as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_records_leave_the_disk() {
    let folder = tempdir().unwrap();
    let journal = open(folder.path(), 1);
    let mut loader = Loader::join(&*journal);
    let mut lease = loader.lease(0).await;
    let mut next = 0;
    // Noise, so that compression cannot do the trimming's work.
    let mut seed = 1_u64;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    });
    let payload: bytes::Bytes = noise.take(256 << 10).collect();
    // Half a gigabyte goes through. Without trimming the folder would hold all of it.
    for _ in 0..16 {
        let records = (0..128).map(|_| Record { partition: 0, payload: payload.clone() }).collect();
        for stored in journal.append(records).await {
            next = stored.unwrap() + 1;
        }
        let found = read(&mut lease, 128).await;
        assert!(found.iter().all(|record| record.payload == payload));
        lease.commit(next).await.unwrap();
    }
    let shrunk = async {
        while bytes_in(folder.path()) > 350 << 20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shrunk).await.expect("the folder shrinks");
}

/// Bytes really taken on disk: the log's files are made larger than they are filled.
fn bytes_in(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Runs one of the helpers below in a process of its own.
fn child(helper: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("journal::{helper}"), "--ignored", "--nocapture", "--test-threads=1"])
        .env("STREAM_TEST_FOLDER", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Says `stored <partition> <offset> <payload>` for each answered append, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child process of a test below"]
async fn helper_appends_until_it_is_killed() {
    let Ok(folder) = std::env::var("STREAM_TEST_FOLDER") else { return };
    let journal = open(Path::new(&folder), 2);
    let appenders = (0..4).map(|appender| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            for number in 0.. {
                let payload =
                    format!("{}-{appender}-{number}-{}", std::process::id(), "x".repeat(number % 700));
                let partition = appender % 2;
                let offset =
                    journal.append(vec![record(partition, payload.clone())]).await.remove(0).unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "\nstored {partition} {offset} {payload}").unwrap();
                out.flush().unwrap();
            }
        })
    });
    futures::future::join_all(appenders.collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_kill() {
    let folder = tempdir().unwrap();
    let mut answered: BTreeMap<(u32, Offset), String> = BTreeMap::new();
    for round in 1..=4 {
        let mut child = child("helper_appends_until_it_is_killed", folder.path()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = 0;
        for line in lines {
            if let Some((at, payload)) = parse_stored(&line) {
                assert_eq!(answered.insert(at, payload), None, "an offset is given once");
                seen += 1;
                if seen == 50 * round {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(seen >= 50 * round, "the child worked until it was killed: {seen}");

        let journal = open(folder.path(), 2);
        let mut loader = Loader::join(&*journal);
        for partition in 0..2 {
            let end = journal.end(partition).await.unwrap();
            let mut lease = loader.lease(partition).await;
            let records = read(&mut lease, usize::try_from(end).unwrap()).await;
            let expected: Vec<_> = answered.range((partition, 0)..(partition + 1, 0)).collect();
            for ((_, offset), payload) in expected {
                let found =
                    records.get(usize::try_from(*offset).unwrap()).expect("an answered record is there");
                assert_eq!(
                    (found.offset, texts(std::slice::from_ref(found))[0]),
                    (*offset, payload.as_str())
                );
            }
            loader.kept.insert(partition, lease);
        }
    }
}

fn parse_stored(line: &str) -> Option<((u32, Offset), String)> {
    let mut words = line.strip_prefix("stored ")?.split(' ');
    let at = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    // The last line may have been cut by the kill; a whole one ends in its payload's own length of filler.
    let payload = words.next()?;
    let (head, filler) = payload.rsplit_once('-')?;
    let number: usize = head.rsplit_once('-')?.1.parse().ok()?;
    (filler.len() == number % 700).then(|| (at, payload.to_owned()))
}

/// Limits the size of this process's files, as a full disk would.
#[cfg(target_os = "linux")]
fn limit_files(limit: &str) {
    let pid = std::process::id().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).status();
    assert!(status.expect("prlimit is part of util-linux").success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child process of a test below"]
async fn helper_meets_a_full_disk() {
    let Ok(folder) = std::env::var("STREAM_TEST_FOLDER") else { return };
    let journal = open(Path::new(&folder), 1);
    let one = |text: &str| journal.append(vec![record(0, text)]);
    assert!(matches!(one("before").await[..], [Ok(0)]));

    limit_files("1");
    for _ in 0..3 {
        let results = journal.append(vec![record(0, "lost"), record(0, "x".repeat(100_000))]).await;
        assert!(
            results.iter().all(|result| matches!(result, Err(StreamError::Unavailable(_)))),
            "{results:?}"
        );
        assert_eq!(journal.end(0).await.unwrap(), 1);
    }

    limit_files("unlimited");
    let again = async {
        loop {
            match one("after").await.remove(0) {
                Ok(offset) => return offset,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let offset = tokio::time::timeout(PATIENCE, again).await.expect("it works again without a restart");
    assert_eq!(offset, 1, "no offset was given to what was refused");
    let mut loader = Loader::join(&*journal);
    let mut lease = loader.lease(0).await;
    assert_eq!(texts(&read(&mut lease, 2).await), ["before", "after"]);
    lease.commit(2).await.unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_outlived() {
    let folder = tempdir().unwrap();
    let helper = child("helper_meets_a_full_disk", folder.path());
    // A write beyond the limit must fail as on a full disk, not kill the process.
    let mut patient = Command::new("sh");
    patient
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(helper.get_program())
        .args(helper.get_args());
    let output = patient.env("STREAM_TEST_FOLDER", folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u32, Vec<u8>)>),
    Read(u32, usize),
    Plan(u32),
    Commit(u32),
    DropLease(u32),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let payload = proptest::collection::vec(any::<u8>(), 0..300);
    let call = proptest::collection::vec((0..2_u32, payload), 1..8);
    prop_oneof![
        5 => call.prop_map(Step::Append),
        4 => (0..2_u32, 1..10_usize).prop_map(|(partition, records)| Step::Read(partition, records)),
        1 => (0..2_u32).prop_map(Step::Plan),
        3 => (0..2_u32).prop_map(Step::Commit),
        1 => (0..2_u32).prop_map(Step::DropLease),
        1 => Just(Step::Reopen),
    ]
}

/// What one partition must hold.
#[derive(Default)]
struct Model {
    all: Vec<Vec<u8>>,
    read: usize,
    committed: usize,
    plan: Option<Offset>,
}

async fn replay(steps: Vec<Step>) {
    let folder = tempdir().unwrap();
    let mut journal = open(folder.path(), 2);
    let mut loader = Loader::join(&*journal);
    let mut models = [Model::default(), Model::default()];
    for step in steps {
        match step {
            Step::Append(call) => {
                let records = call.iter().map(|(partition, bytes)| Record {
                    partition: *partition,
                    payload: bytes.clone().into(),
                });
                let results = journal.append(records.collect()).await;
                for ((partition, bytes), result) in call.into_iter().zip(results) {
                    let model = &mut models[partition as usize];
                    assert_eq!(result.unwrap(), model.all.len() as u64);
                    model.all.push(bytes);
                }
            }
            Step::Read(partition, records) => {
                let model = &mut models[partition as usize];
                let mut lease = loader.lease(partition).await;
                if model.read < model.all.len() {
                    for found in lease.read(up_to(records)).await.unwrap() {
                        assert_eq!(found.offset, model.read as u64);
                        assert_eq!(found.payload, model.all[model.read]);
                        model.read += 1;
                    }
                }
                loader.kept.insert(partition, lease);
            }
            Step::Plan(partition) => {
                let model = &mut models[partition as usize];
                let mut lease = loader.lease(partition).await;
                lease.plan(model.read as u64).await.unwrap();
                model.plan = Some(model.read as u64);
                loader.kept.insert(partition, lease);
            }
            Step::Commit(partition) => {
                let model = &mut models[partition as usize];
                let mut lease = loader.lease(partition).await;
                lease.commit(model.read as u64).await.unwrap();
                (model.committed, model.plan) = (model.read, None);
                loader.kept.insert(partition, lease);
            }
            Step::DropLease(partition) => {
                let lease: Box<dyn Lease> = loader.lease(partition).await;
                drop(lease);
                let lease = loader.lease(partition).await;
                let model = &mut models[partition as usize];
                assert_eq!(lease.position(), Position { next: model.committed as u64, plan: model.plan });
                model.read = model.committed;
                loader.kept.insert(partition, lease);
            }
            Step::Reopen => {
                drop(loader);
                drop(journal);
                journal = open(folder.path(), 2);
                loader = Loader::join(&*journal);
                for model in &mut models {
                    model.read = model.committed;
                }
            }
        }
        for (partition, model) in (0..).zip(&models) {
            assert_eq!(journal.end(partition).await.unwrap(), model.all.len() as u64);
            assert_eq!(journal.committed(partition).await.unwrap(), model.committed as u64);
        }
    }
    // Whatever happened, what is left is exactly what was appended and not committed.
    for (partition, model) in (0..).zip(&models) {
        drop(loader.lease(partition).await);
        let mut lease = loader.lease(partition).await;
        let rest = read(&mut lease, model.all.len() - model.committed).await;
        assert!(
            rest.iter()
                .map(|record| &record.payload[..])
                .eq(model.all[model.committed..].iter().map(|bytes| &bytes[..]))
        );
        loader.kept.insert(partition, lease);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_history_reads_back_what_was_appended_in_order(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(replay(steps));
    }
}
