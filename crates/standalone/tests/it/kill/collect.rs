//! Sixteen machines send while the house is killed again and again.

use std::time::Duration;

use tokio::sync::watch;

use super::ledger::{Dice, Senders, assert_exactly_once, zone_at_noon};
use crate::cli::process::{ADMIN_KEY, Folder, signal};

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

/// Another number, other moments. `scripts/crash-test` gives one for each of its rounds.
fn seed() -> u64 {
    std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_302)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_in_clickhouse_after_kill_9_once() {
    let folder = Folder::new().await;
    let mut server = folder.serve_openly();
    let website = server.add_website(ADMIN_KEY, "kill.example", &zone_at_noon()).await;
    let (tell, house) = watch::channel(server.url());
    let senders = Senders::start(16, seed(), &website, &house);
    let mut dice = Dice::new(seed());
    let mut made_again = 0;

    for (victim, moment) in ROUNDS {
        senders.accepted_once_more().await;
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
    senders.accepted_once_more().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ledger = senders.stop().await;
    server.settle(ADMIN_KEY, &website).await;
    made_again += server.log().matches("A planned batch is made again.").count();
    println!("{made_again} planned batches were made again");
    assert_exactly_once(&server, &website, &ledger).await;
}
