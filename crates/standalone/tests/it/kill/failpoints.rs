//! The house ends at every point at which a loader can be interrupted, on both streams.

use std::time::Duration;

use tokio::sync::watch;

use super::brokers::Brokers;
use super::ledger::{assert_exactly_once, zone_at_noon};
use super::loader::MADE_AGAIN;
use super::senders::Senders;
use crate::cli::process::{ADMIN_KEY, Folder};

/// The points of a batch's life, in their order.
const POINTS: [&str; 7] =
    ["after_poll", "after_plan", "after_want", "after_turn", "mid_insert", "after_insert", "after_commit"];

/// Runs a house that dies at each point in turn, under traffic; `stream`: more settings.
pub async fn assert_every_point_is_survived(stream: &[(&str, &str)]) {
    let folder = Folder::new().await;
    let (tell, house) = watch::channel(String::new());
    let mut senders = None;
    let mut website = String::new();
    let mut made_again = 0;
    for (round, point) in POINTS.into_iter().enumerate() {
        // Not at the first pass: a batch without anything before it hides mistakes.
        let failpoint = format!("{point}:{}", 3 + round);
        let settings = [stream, &[("FOOTFALL_FAILPOINT", failpoint.as_str())]].concat();
        let server = folder.serve_openly_with(&settings);
        if website.is_empty() {
            website = server.add_website(ADMIN_KEY, "failpoint.example", &zone_at_noon()).await;
        }
        tell.send(server.url()).unwrap();
        senders.get_or_insert_with(|| Senders::start(8, 7, &website, &house));
        let log = tokio::task::spawn_blocking(move || server.wait_until_it_dies()).await.unwrap();
        made_again += log.matches(MADE_AGAIN).count();
    }
    let server = folder.serve_openly_with(stream);
    tell.send(server.url()).unwrap();
    let senders = senders.unwrap();
    senders.accepted_once_more().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ledger = senders.stop().await;
    server.settle(ADMIN_KEY, &website).await;
    made_again += server.log().matches(MADE_AGAIN).count();
    println!("{} kills; {made_again} planned batches were made again", POINTS.len());
    assert_exactly_once(&folder, &server, &website, &ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_dies_at_any_point_of_a_batch_stores_every_202_once_from_the_journal() {
    assert_every_point_is_survived(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_dies_at_any_point_of_a_batch_stores_every_202_once_from_kafka() {
    assert_every_point_is_survived(&Brokers::mock(4).settings()).await;
}
