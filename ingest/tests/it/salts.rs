//! The salts of the visitor hash, and what they are for: nothing that is stored leads back to an address.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use ingest::enrich::salts::{SaltError, Salts};
use ingest::load::LoadConfig;
use schema::store::StoreUrl;
use serde_json::json;
use service::config::Rate;
use service::{Clock, MasterKey, Stop};

use crate::hand::Hand;
use crate::house::{FIREFOX, Ground, House, NOW, PATIENCE, at, house, master, store_of_its_own};

const HOUR_MS: i64 = 3_600_000;
/// How many salts the store holds, without the claims that led to them.
const SALTS: &str = "SELECT count() FROM salts WHERE length(salt) > 1";
const TODAY: i32 = (NOW / (24 * HOUR_MS)) as i32;

fn salts(store: &StoreUrl, clock: &Clock) -> Arc<Salts> {
    Salts::new(store.client(), &master(), clock.clone())
}

async fn bytes(salts: &Salts, day: i32) -> Vec<u8> {
    salts.of(day).await.unwrap().bytes().to_vec()
}

async fn count(store: &StoreUrl, sql: &str) -> u64 {
    store.client().query(sql).fetch_one().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_that_race_for_a_day_agree() {
    let store = store_of_its_own().await;
    let clock = Clock::fixed(NOW);
    for day in TODAY..TODAY + 20 {
        let racing = (0..6).map(|_| {
            let salts = salts(&store, &clock);
            tokio::spawn(async move { bytes(&salts, day).await })
        });
        let agreed: HashSet<_> = join_all(racing).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(agreed.len(), 1);
        let later = bytes(&salts(&store, &clock), day).await;
        assert!(agreed.contains(&later));
    }
}

#[tokio::test]
async fn a_salt_is_128_random_bits_and_survives_a_restart() {
    let store = store_of_its_own().await;
    let clock = Clock::fixed(NOW);
    let before = bytes(&salts(&store, &clock), TODAY).await;
    assert_eq!(before.len(), 16);
    clock.set(NOW + 12 * HOUR_MS);
    assert_eq!(bytes(&salts(&store, &clock), TODAY).await, before);
    assert_ne!(bytes(&salts(&store, &clock), TODAY + 1).await, before);
}

#[tokio::test]
async fn a_copy_of_the_database_opens_nothing() {
    let store = store_of_its_own().await;
    let salt = bytes(&salts(&store, &Clock::fixed(NOW)), TODAY).await;
    let stored: String = store.client().query("SELECT max(salt) FROM salts").fetch_one().await.unwrap();
    let hex: String = salt.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let decoded = STANDARD.decode(&stored).unwrap();
    assert!(!stored.contains(&hex) && !stored.contains(STANDARD.encode(&salt).trim_end_matches('=')));
    assert!(!decoded.windows(salt.len()).any(|window| window == salt));

    let stranger = Salts::new(store.client(), &MasterKey::generate().unwrap(), Clock::fixed(NOW));
    assert!(matches!(stranger.of(TODAY).await, Err(SaltError::Sealed)));
    assert_eq!(count(&store, SALTS).await, 1, "a stranger replaces nothing");
}

#[tokio::test]
async fn a_salt_is_destroyed_after_48_hours_in_memory_and_in_the_store() {
    let store = store_of_its_own().await;
    let clock = Clock::fixed(NOW);
    let salts = salts(&store, &clock);
    let first = bytes(&salts, TODAY).await;

    clock.set(NOW + 48 * HOUR_MS - 1000);
    salts.destroy_old().await.unwrap();
    assert_eq!(bytes(&salts, TODAY).await, first);
    assert_eq!(count(&store, SALTS).await, 1);

    clock.set(NOW + 48 * HOUR_MS);
    salts.destroy_old().await.unwrap();
    assert_eq!(count(&store, "SELECT count() FROM salts").await, 0);
    let parts = "SELECT count() FROM system.parts
                 WHERE database = currentDatabase() AND table = 'salts' AND active AND rows > 0";
    assert_eq!(count(&store, parts).await, 0);
    assert_ne!(bytes(&salts, TODAY).await, first, "a late event gets a new one");
}

#[tokio::test]
async fn a_salt_whose_time_is_over_is_not_used_even_before_it_is_destroyed() {
    let store = store_of_its_own().await;
    let clock = Clock::fixed(NOW);
    let salts = salts(&store, &clock);
    let first = bytes(&salts, TODAY).await;
    clock.set(NOW + 48 * HOUR_MS);
    let second = bytes(&salts, TODAY).await;
    assert_ne!(second, first);
    // Destroying the old one leaves the new one.
    salts.destroy_old().await.unwrap();
    assert_eq!(bytes(&salts, TODAY).await, second);
    assert_eq!(count(&store, SALTS).await, 1);
}

#[tokio::test]
async fn whoever_tends_them_stops_also_while_the_store_is_silent() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = StoreUrl::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let stop = Stop::new();
    let tending = tokio::spawn(salts(&store, &Clock::fixed(NOW)).tend(stop.clone()));
    // It has asked, and nothing will ever answer.
    let _connection = silent.accept().await.unwrap();
    stop.cancel();
    tokio::time::timeout(PATIENCE, tending).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn a_person_is_one_visitor_within_a_day_and_another_on_the_next() {
    let house = house().await;
    let site = house.site().await;
    let view = |time: &str, ip: &str, agent: &str| {
        let url = "https://example.com/";
        json!({ "event_type": "page_view", "url": url, "timestamp": time, "ip": ip, "user_agent": agent })
    };
    site.import_all(&[
        view("2026-03-01T01:00:00Z", "192.0.2.1", FIREFOX),
        view("2026-03-01T02:00:00Z", "::ffff:192.0.2.1", FIREFOX),
        view("2026-03-01T03:00:00Z", "192.0.2.2", FIREFOX),
        view(
            "2026-03-01T04:00:00Z",
            "192.0.2.1",
            "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
        ),
        view("2026-03-02T01:00:00Z", "192.0.2.1", FIREFOX),
    ])
    .await;
    let visitors: Vec<_> = site.rows().await.iter().map(|row| row.visitor_id).collect();
    assert_eq!(visitors[0], visitors[1], "the same person, over either kind of socket");
    assert_eq!(
        visitors[1..].iter().collect::<HashSet<_>>().len(),
        4,
        "address, agent and day each make another"
    );

    let other = house.site().await;
    other.import_all(&[view("2026-03-01T01:00:00Z", "192.0.2.1", FIREFOX)]).await;
    assert_ne!(other.row().await.visitor_id, visitors[0], "websites cannot compare their visitors");
}

#[tokio::test]
async fn an_address_is_neither_in_the_stream_nor_in_the_store() {
    let ground = Ground::journal();
    let house = House::open(store_of_its_own().await, ground.stream().await, Rate::Off).await;
    let site = house.site().await;
    let forms: [(&str, &[&str], &[u8]); 2] = [
        ("198.51.100.77", &["198.51.100.77", "c633644d"], &[198, 51, 100, 77]),
        ("2001:db8:77::4d", &["2001:db8:77::4d", "2001:0db8:0077"], &[0x20, 0x01, 0x0d, 0xb8, 0, 0x77]),
    ];
    for (address, ..) in forms {
        assert_eq!(house.send(&at(address), &site.view("/")).await, 202);
    }

    let mut hand = Hand::join(&*house.stream).await;
    let mut streamed = Vec::new();
    for partition in 0..house.stream.partitions() {
        streamed.extend(hand.read(&*house.stream, partition).await.into_iter().map(|record| record.payload));
    }
    hand.leave().await;
    assert_eq!(streamed.len(), 2);
    let _loading = house.load(LoadConfig::default());
    house.settle().await;
    let stored = house.store.client().query("SELECT toJSONString(tuple(*)) FROM events");
    let stored: Vec<String> = stored.fetch_all().await.unwrap();
    assert_eq!(stored.len(), 2);

    for (_, texts, octets) in forms {
        for payload in &streamed {
            let mut reversed = octets.to_vec();
            reversed.reverse();
            let holds = |bytes: &[u8]| payload.windows(bytes.len()).any(|window| window == bytes);
            assert!(!holds(octets) && !holds(&reversed));
        }
        for text in texts {
            assert!(
                streamed.iter().all(|bytes| !String::from_utf8_lossy(bytes).to_lowercase().contains(text))
            );
            assert!(stored.iter().all(|row| !row.to_lowercase().contains(text)), "{text}");
        }
    }
}
