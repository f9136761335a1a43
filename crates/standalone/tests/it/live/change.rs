//! Rollups are made again and changed under traffic, again and again, and killed in the midst.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clickhouse::{Client, Row};
use schema::store::StoreUrl;
use serde::Deserialize;
use tokio::sync::watch;

use super::maintainer::{Work, other, run, run_until};
use super::poll::Poller;
use crate::cli::process::{ADMIN_KEY, Folder};
use crate::kill::ledger::{Dice, assert_exactly_once, seed, zone_at_noon};
use crate::kill::senders::Senders;

/// The variable that says how many rounds: 20 in the long form, `FOOTFALL_TEST_ROUNDS=20 cargo test -p standalone --test it
/// live:: -- --nocapture`; in the usual run one of each kind, two of them killed.
const ROUNDS: &str = "FOOTFALL_TEST_ROUNDS";

/// Events of a month before, so that a work takes a while.
const EARLIER: &str = include_str!("earlier.sql");

/// What is done in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// A day of the past is put wrong, and every rollup is made equal to the events.
    Rebuild,
    /// Three rollups get another version.
    Change,
}

fn rounds() -> u64 {
    std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4)
}

/// What readers' moves cost the loaders.
#[derive(Row, Deserialize)]
struct Pauses {
    moves: u64,
    mean_ms: f64,
    longest_ms: f64,
}

async fn execute(client: &Client, sql: &str) {
    client.query_raw(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Puts a number into a rollup of another website's past that no event tells of. Nobody asks for it.
async fn put_wrong(client: &Client, round: u64) {
    for table in ["pages_0 (website_id, day, path, pageviews)", "pages_0 (website_id, day, path, visits)"] {
        let sql = format!(
            "INSERT INTO {table} SETTINGS insert_deduplicate = 0
             SELECT toUUID('00000000-0000-0000-0000-000000000001'), today() - 40 - number, '/wrong', 1 + {round} FROM numbers(20)"
        );
        execute(client, &sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_is_untrue_while_rollups_are_changed_and_made_again_and_maintainers_killed() {
    let folder = Folder::on_shared_store().await;
    let mut server = folder.serve_openly();
    let store_url = folder.store_url();
    let store = StoreUrl::parse(&store_url).unwrap();
    let client = store.client();
    execute(&client, EARLIER).await;

    let website = server.add_website(ADMIN_KEY, "live.example", &zone_at_noon()).await;
    let (tell, house) = watch::channel(server.url());
    let senders = Senders::start(16, seed(), &website, &house);
    let settled = Arc::new(AtomicU64::new(0));
    let poller = Poller::start(&store, &website, &house, &senders.sent(), &settled);
    let mut dice = Dice::new(seed());
    let (mut kills, mut houses) = (0, 0);

    for round in 0..rounds() {
        let done = if round % 2 == 0 { Done::Change } else { Done::Rebuild };
        let is_killed = round % 4 >= 2;
        let command = || -> Command {
            match done {
                Done::Change => other(&store_url, Work::Strange, round as u32 + 1),
                Done::Rebuild => folder.command(&["migrate", "rebuild"]),
            }
        };
        if done == Done::Rebuild {
            put_wrong(&client, round).await;
        }
        senders.accepted_once_more().await;
        if is_killed {
            let time = Duration::from_millis(dice.roll(150, 2500));
            if run_until(command(), time).await {
                kills += 1;
            }
            if kills != 1 {
                // Once the dead one's lock lapses by itself; else that takes longer than the accident.
                execute(&client, "DROP TABLE IF EXISTS migration_lock SYNC").await;
            }
        }
        let work = tokio::spawn(run(command()));
        if round % 3 == 2 {
            tokio::time::sleep(Duration::from_millis(dice.roll(50, 1500))).await;
            server.kill();
            houses += 1;
            server = folder.serve_openly();
            tell.send(server.url()).unwrap();
        }
        work.await.unwrap().succeeded();
        // What was accepted until now is in every number from now on.
        senders.rest(true);
        let accepted = senders.accepted() as u64;
        server.settle(ADMIN_KEY, &website).await;
        settled.store(accepted, Ordering::SeqCst);
        senders.rest(false);
    }

    // And all of the house's own, as the next release does; the house goes on with what it has.
    run(other(&store_url, Work::Own, 100)).await.succeeded();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let ledger = senders.stop().await;
    server.settle(ADMIN_KEY, &website).await;
    let seen = poller.stop().await;

    let pauses = "SELECT count() AS moves, ifNotFinite(avg(ms), 0) AS mean_ms, max(ms) AS longest_ms FROM (
        SELECT epoch, (toFloat64(max(written_at)) - toFloat64(min(written_at))) * 1000 AS ms FROM load_epochs
        GROUP BY epoch HAVING countIf(reason LIKE 'readers move%') > 0 AND count() > 1)";
    let pauses = client.query(pauses).fetch_one::<Pauses>().await.unwrap();
    println!(
        "{} rounds; {kills} maintainers and {houses} houses killed; {} events accepted; polls: {:?}; \
         {} untrue numbers; readers were moved {} times, loaders held {:.0} ms on average, {:.0} ms at most",
        rounds(),
        ledger.accepted.len(),
        seen.polls,
        seen.untrue.len(),
        pauses.moves,
        pauses.mean_ms,
        pauses.longest_ms
    );
    assert!(seen.untrue.is_empty(), "{:#?}", &seen.untrue[..seen.untrue.len().min(9)]);
    for place in ["pages", "strange_totals", "API from rollup:site_totals", "API from events"] {
        assert!(
            seen.polls.get(place).is_some_and(|polls| *polls > 10),
            "{place} was not asked: {:?}",
            seen.polls
        );
    }
    let versions = (0..rounds()).filter(|round| round % 2 == 0).max().unwrap_or_default() as u32 + 1;
    run(other(&store_url, Work::VerifyStrange, versions)).await.succeeded();
    run(other(&store_url, Work::VerifyOwn, 100)).await.succeeded();
    assert_exactly_once(&folder, &server, &website, &ledger).await;
}
