//! Sixteen machines send while the house is killed again and again.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::ledger::{Dice, Senders, recount, stored, zone_at_noon};
use crate::cli::process::{ADMIN_KEY, Folder, PATIENCE, signal};

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    /// The house; its engine sees its parent die and ends in order.
    House,
    /// The engine alone; the house goes on accepting, and starts it again.
    Engine,
    /// Both at once, as when the machine's memory is up.
    Both,
}

/// When it is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Whenever the dice say.
    Any,
    /// When a batch has landed in ClickHouse and is perhaps not yet committed, and others are on their way.
    Landed,
}

use Moment::{Any, Landed};
use Victim::{Both, Engine, House};

const ROUNDS: [(Victim, Moment); 10] = [
    (House, Any),
    (House, Landed),
    (Engine, Any),
    (Both, Landed),
    (Both, Any),
    (House, Landed),
    (Engine, Landed),
    (House, Any),
    (Both, Landed),
    (House, Landed),
];

/// Another number, other moments.
const SEED: u64 = 20_260_302;

/// Waits until the senders have been answered 202 once more.
async fn accepted_more_than(senders: &Senders, before: usize) {
    let deadline = Instant::now() + PATIENCE;
    while senders.accepted() <= before {
        assert!(Instant::now() < deadline, "nothing is accepted any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_in_clickhouse_after_kill_9_once() {
    let folder = Folder::new().await;
    let mut server = folder.serve_openly();
    let website = server.add_website(ADMIN_KEY, "kill.example", &zone_at_noon()).await;
    let (tell, house) = watch::channel(server.url());
    let senders = Senders::start(16, SEED, &website, &house);
    let mut dice = Dice::new(SEED);
    let mut made_again = 0;

    for (victim, moment) in ROUNDS {
        accepted_more_than(&senders, senders.accepted()).await;
        tokio::time::sleep(Duration::from_millis(dice.roll(200, 1500))).await;
        if matches!(moment, Landed) {
            server.wait_until_it_logs("A batch was stored.");
        }
        let engines = if victim == House { Vec::new() } else { folder.engines() };
        for engine in engines {
            signal("KILL", engine);
        }
        if victim != Engine {
            made_again += server.log().matches("A planned batch is made again.").count();
            server.kill();
            server = folder.serve_openly();
            tell.send(server.url()).unwrap();
        }
    }
    accepted_more_than(&senders, senders.accepted()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ledger = senders.stop().await;
    server.settle(ADMIN_KEY, &website).await;
    made_again += server.log().matches("A planned batch is made again.").count();
    println!(
        "{} accepted, {} not answered, {made_again} planned batches made again",
        ledger.accepted.len(),
        ledger.unknown.len()
    );
    assert!(ledger.accepted.len() > 500, "too few to mean anything: {}", ledger.accepted.len());
    assert!(ledger.others.is_empty(), "refused: {:?}", ledger.others);

    let stored = stored(&server, ADMIN_KEY, &website).await;
    let lost: Vec<_> = ledger.accepted.iter().filter(|path| !stored.contains_key(*path)).collect();
    assert!(
        lost.is_empty(),
        "{} accepted events are not in the store: {:?}…",
        lost.len(),
        &lost[..lost.len().min(9)]
    );
    let doubled: Vec<_> = stored.iter().filter(|(_, views)| **views != 1).collect();
    assert!(
        doubled.is_empty(),
        "{} events are not stored exactly once: {:?}…",
        doubled.len(),
        &doubled[..doubled.len().min(9)]
    );
    let sent = |path: &String| ledger.accepted.contains(path) || ledger.unknown.contains(path);
    assert!(stored.keys().all(sent), "something is stored that nobody sent");
    // The rollup and the sessions went through the same accidents.
    for (metric, expected) in recount(&stored) {
        let value = server.summary(ADMIN_KEY, &website, "period=today", metric).await;
        assert!((value - expected).abs() < 0.01, "{metric} is {value}, and {expected} when counted again");
    }
}
