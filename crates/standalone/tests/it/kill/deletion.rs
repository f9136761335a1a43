//! A website is deleted while machines send to it and to another one, and the house that deletes it is killed.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use schema::rollup::tables;
use schema::store::StoreUrl;
use tokio::sync::watch;

use super::ledger::{Dice, assert_exactly_once, seed, zone_at_noon};
use super::senders::Senders;
use crate::cli::process::{ADMIN_KEY, Folder, PATIENCE};

/// How often the house is killed on the way.
const KILLS: u32 = 3;

/// The tables that still have something of a website: events, rollups.
async fn tables_with(store: &StoreUrl, website: &str) -> Vec<String> {
    let client = store.client();
    let mut names = vec!["events".to_owned()];
    names.extend(tables::all(&client).await.unwrap().into_iter().map(|table| table.name));
    let mut found = Vec::new();
    for name in names {
        let sql = format!("SELECT count() FROM {name} WHERE website_id = {{website:UUID}}");
        let rows = client.query(&sql).param("website", website).fetch_one::<u64>().await.unwrap();
        found.extend((rows > 0).then_some(name));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_survives_the_deaths_of_the_house_and_leaves_nothing() {
    let folder = Folder::on_shared_store().await;
    let store = StoreUrl::parse(&folder.store_url()).unwrap();
    let mut server = folder.serve_openly();
    let kept = server.add_website(ADMIN_KEY, "kept.example", &zone_at_noon()).await;
    let gone = server.add_website(ADMIN_KEY, "gone.example", &zone_at_noon()).await;
    let (tell, house) = watch::channel(server.url());
    let to_kept = Senders::start(8, seed(), &kept, &house);
    let to_gone = Senders::start(8, seed() + 100, &gone, &house);
    to_kept.accepted_once_more().await;
    to_gone.accepted_once_more().await;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let path = format!("/api/v1/websites/{gone}");
    let (status, answer) = server.ask(ADMIN_KEY, Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let mut dice = Dice::new(seed());
    for _ in 0..KILLS {
        // Upkeep looks every five seconds for what is to be erased, and at a start.
        tokio::time::sleep(Duration::from_millis(dice.roll(100, 2_000))).await;
        server.kill();
        server = folder.serve_openly();
        tell.send(server.url()).unwrap();
    }
    to_kept.accepted_once_more().await;
    to_gone.stop().await;
    let ledger = to_kept.stop().await;
    server.settle(ADMIN_KEY, &kept).await;

    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = tables_with(&store, &gone).await;
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{left:?} still have something of it: {}", server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_exactly_once(&folder, &server, &kept, &ledger).await;
}
