//! Sixteen machines send while the house is killed again and again.

use std::time::Duration;

use tokio::sync::watch;

use super::brokers::Brokers;
use super::ledger::{Dice, assert_exactly_once, seed, zone_at_noon};
use super::loader::{MADE_AGAIN, STORED};
use super::senders::Senders;
use crate::cli::process::{ADMIN_KEY, Folder, signal};

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Victim {
    /// The house; its engine sees its parent die and ends in order.
    House,
    /// The engine alone; the house goes on accepting, and starts it again.
    Engine,
    /// Both at once, as when the machine's memory is up.
    Both,
}

/// When it is killed.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// Whenever the dice say.
    Any,
    /// When a batch has landed in ClickHouse and is perhaps not yet committed, and others are on their way.
    Landed,
}

use Moment::{Any, Landed};
use Victim::{Both, Engine, House};

pub const ROUNDS: [(Victim, Moment); 10] = [
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

/// Fewer deaths of houses: on Kafka the next one must wait until the brokers give the dead one up.
const ENGINE_ROUNDS: [(Victim, Moment); 6] =
    [(Engine, Any), (House, Landed), (Engine, Landed), (Both, Landed), (Engine, Any), (Both, Any)];

/// Kills in each round under traffic; `stream`: more settings.
pub async fn assert_kills_are_survived(rounds: &[(Victim, Moment)], stream: &[(&str, &str)]) {
    let folder = Folder::new().await;
    let mut server = folder.serve_openly_with(stream);
    let website = server.add_website(ADMIN_KEY, "kill.example", &zone_at_noon()).await;
    let (tell, house) = watch::channel(server.url());
    let senders = Senders::start(16, seed(), &website, &house);
    let mut dice = Dice::new(seed());
    let mut made_again = 0;

    for (victim, moment) in rounds {
        senders.accepted_once_more().await;
        tokio::time::sleep(Duration::from_millis(dice.roll(200, 1500))).await;
        if matches!(moment, Landed) {
            server.wait_until_it_logs(STORED);
        }
        let engines = if *victim == House { Vec::new() } else { folder.engines() };
        for engine in engines {
            signal("KILL", engine);
        }
        if *victim != Engine {
            made_again += server.log().matches(MADE_AGAIN).count();
            server.kill();
            server = folder.serve_openly_with(stream);
            tell.send(server.url()).unwrap();
        }
    }
    senders.accepted_once_more().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ledger = senders.stop().await;
    server.settle(ADMIN_KEY, &website).await;
    made_again += server.log().matches(MADE_AGAIN).count();
    println!("{} kills; {made_again} planned batches were made again", rounds.len());
    assert_exactly_once(&folder, &server, &website, &ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_in_clickhouse_after_kill_9_once() {
    assert_kills_are_survived(&ROUNDS, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_in_clickhouse_after_kill_9_once_from_kafka() {
    let brokers = Brokers::mock(4);
    assert_kills_are_survived(&ENGINE_ROUNDS, &brokers.settings()).await;
}
