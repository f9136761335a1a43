//! Two loaders in one consumer group: one in the house, one that comes and goes, and is killed.

use std::time::Duration;

use tokio::sync::watch;

use super::brokers::Brokers;
use super::ledger::{Dice, assert_exactly_once, seed, zone_at_noon};
use super::loader::{Loader, MADE_AGAIN, STORED};
use super::senders::Senders;
use crate::cli::process::{ADMIN_KEY, Folder};

/// How the second loader's stay ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Leave {
    /// SIGTERM: it finishes what it has begun and says that it goes.
    InOrder,
    /// SIGKILL: the brokers find out.
    Killed,
    /// It stays, and the house with the first loader is killed and comes back.
    Stays,
}

use Leave::{InOrder, Killed, Stays};

pub const LEAVES: [Leave; 5] = [InOrder, Killed, InOrder, Stays, InOrder];

/// The second loader joins and leaves, again and again, under traffic.
pub async fn assert_loaders_come_and_go(leaves: &[Leave], stream: &[(&str, &str)]) {
    let folder = Folder::on_shared_store().await;
    let store = folder.store_url();
    let mut server = folder.serve_openly_with(stream);
    let website = server.add_website(ADMIN_KEY, "loaders.example", &zone_at_noon()).await;
    let (tell, house) = watch::channel(server.url());
    let senders = Senders::start(16, seed(), &website, &house);
    let mut dice = Dice::new(seed());
    let mut made_again = 0;

    for leave in leaves {
        let loader = Loader::start(&store, stream);
        // It has its share, and has begun with it.
        loader.has_logged(STORED).await;
        tokio::time::sleep(Duration::from_millis(dice.roll(100, 1500))).await;
        made_again += loader.made_again();
        match leave {
            InOrder => loader.terminate().await,
            Killed => loader.kill(),
            Stays => {
                made_again += server.log().matches(MADE_AGAIN).count();
                server.kill();
                server = folder.serve_openly_with(stream);
                tell.send(server.url()).unwrap();
                senders.accepted_once_more().await;
                loader.terminate().await;
            }
        }
        senders.accepted_once_more().await;
    }
    let ledger = senders.stop().await;
    server.settle(ADMIN_KEY, &website).await;
    made_again += server.log().matches(MADE_AGAIN).count();
    let kills = leaves.iter().filter(|leave| **leave != InOrder).count();
    println!("{} stays, {kills} kills; {made_again} planned batches were made again", leaves.len());
    assert_exactly_once(&folder, &server, &website, &ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_stored_once_while_a_second_loader_comes_and_goes() {
    assert_loaders_come_and_go(&LEAVES, &Brokers::mock(8).settings()).await;
}
