//! Sharding itself, on two servers: the same files without replicas, which need a Keeper.

use std::net::TcpListener;

use clickhouse::{Client, Row};
use sandbox::{Engine, EngineOptions};
use schema::maintain::{Maintainer, Range};
use schema::migrate::{self, LockTimes, MIGRATIONS, MigrateError};
use schema::rollup::change::Silent;
use schema::rows::EventRow;
use schema::store::StoreUrl;
use serde::Deserialize;
use uuid::Uuid;

use crate::house::{self, MONDAY, first_view, number, utc, view};

const CLUSTER: &str = "pair";

/// Two servers that know each other.
struct Pair {
    engines: [Engine; 2],
    _folder: tempfile::TempDir,
}

impl Pair {
    async fn start() -> Self {
        // The engine of the tests sees to it that there is a library.
        let _ = sandbox::testing::engine().await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
        let child = sandbox::testing::child_command().await.unwrap();
        let start = async |number: usize| {
            let options = EngineOptions {
                fsync: false,
                tcp_port: Some(ports[number]),
                clusters: vec![(CLUSTER.to_owned(), ports.to_vec())],
                ..EngineOptions::new(folder.path().join(number.to_string()), child.clone())
            };
            Engine::start(options).await.unwrap()
        };
        Self { engines: [start(0).await, start(1).await], _folder: folder }
    }

    fn node(&self, number: usize) -> StoreUrl {
        StoreUrl::parse(&self.engines[number].http_url()).unwrap()
    }

    fn sharded(&self, number: usize) -> StoreUrl {
        self.node(number).in_cluster_without_keeper(CLUSTER.parse().unwrap())
    }

    async fn stop(self) {
        for engine in self.engines {
            engine.stop().await.unwrap();
        }
    }
}

/// Events of 20 websites on three days, some sessions of two views, one of them over midnight.
fn events() -> Vec<EventRow> {
    let website = |number: u128| Uuid::from_u128(0x5ead_0000 + number * 0x1_0001);
    let mut events = Vec::new();
    for number in 0..20 {
        for visit in 0..=number as u64 {
            let day = MONDAY + (visit % 3) as u16;
            let (session_id, time) = (1 + visit, utc(day, 23, 50));
            let start = EventRow {
                day,
                time,
                visitor_id: session_id,
                session_id,
                session_start: time,
                session_day: day,
                path: format!("/{}", visit % 4),
                entry_path: format!("/{}", visit % 4),
                prev_path: String::new(),
                kafka_offset: events.len() as u64,
                ..first_view(website(number))
            };
            events.push(start.clone());
            if visit % 2 == 0 {
                events.push(EventRow {
                    day: day + 1,
                    time: utc(day + 1, 0, 5),
                    bounces: -1,
                    duration_ms: 900_000,
                    unique_pageview: 1,
                    visits: 0,
                    visitors: 1,
                    path: "/next".into(),
                    prev_path: start.path.clone(),
                    kafka_offset: events.len() as u64,
                    ..EventRow { session_id, ..view(website(number)) }
                });
                let last = events.len() - 1;
                events[last] = EventRow {
                    session_start: time,
                    session_day: day,
                    entry_path: start.path,
                    visitor_id: session_id,
                    ..events[last].clone()
                };
            }
        }
    }
    events
}

/// What readers ask, as text: one line per row.
const QUESTIONS: [&str; 5] = [
    "SELECT toString(tuple(website_id, day, hour, sum(events), sum(pageviews), sum(visitors), sum(visits), sum(bounces), sum(duration_ms)))
     FROM site_totals GROUP BY website_id, day, hour ORDER BY website_id, day, hour",
    "SELECT toString(tuple(website_id, path, sum(pageviews), sum(visits), sum(entries), sum(exits), sum(entry_duration_ms)))
     FROM pages GROUP BY website_id, path ORDER BY website_id, path",
    "SELECT toString(tuple(website_id, count(), uniqExact(visitor_id), sum(visits))) FROM events GROUP BY website_id ORDER BY website_id",
    "SELECT toString(tuple(website_id, count())) FROM events
     WHERE session_id IN (SELECT session_id FROM events WHERE path = '/next') GROUP BY website_id ORDER BY website_id",
    "SELECT toString(tuple(stream, kafka_partition, max(last_offset))) FROM stream_positions GROUP BY stream, kafka_partition",
];

async fn answers(client: &Client) -> Vec<Vec<String>> {
    let mut answers = Vec::new();
    for question in QUESTIONS {
        answers.push(house::rows(client, question).await);
    }
    answers
}

#[derive(Debug, Row, Deserialize)]
struct Spread {
    shards: u64,
    websites: u64,
    most_shards_of_one: u64,
}

#[tokio::test]
async fn two_shards_answer_as_one_server_does() {
    let pair = Pair::start().await;
    let single = pair.node(0).with_database("single");
    migrate::up(&single).await.unwrap();
    // Without a Keeper each node is migrated by itself; the rollups need the events of both.
    for node in 0..2 {
        migrate::up_with(&pair.sharded(node), MIGRATIONS, &[], LockTimes::default()).await.unwrap();
    }
    for node in 0..2 {
        migrate::up(&pair.sharded(node)).await.unwrap();
        assert_eq!(
            migrate::up(&pair.sharded(node)).await.unwrap(),
            [""; 0],
            "a second run finds nothing to do"
        );
    }
    let (alone, first, second) = (single.client(), pair.sharded(0).client(), pair.sharded(1).client());
    let events = events();
    house::load(&alone, "a token", &events).await;
    house::load(&first, "a token", &events).await;

    let spread: Spread = first
        .query_raw(
            "SELECT uniqExact(shard) AS shards, count() AS websites, max(of_one) AS most_shards_of_one
             FROM (SELECT website_id, any(_shard_num) AS shard, uniqExact(_shard_num) AS of_one FROM events GROUP BY website_id)",
        )
        .fetch_one()
        .await
        .unwrap();
    assert_eq!((spread.shards, spread.websites, spread.most_shards_of_one), (2, 20, 1));

    let expected = answers(&alone).await;
    assert!(expected.iter().all(|rows| !rows.is_empty()));
    assert_eq!(answers(&first).await, expected);
    assert_eq!(answers(&second).await, expected, "whichever node is asked");

    // A rollup's part tells of the websites of its shard, and of no other.
    for client in [&first, &second] {
        let strangers =
            "SELECT count() FROM pages_0_local WHERE website_id NOT IN (SELECT website_id FROM events_local)";
        assert_eq!(number(client, strangers).await, 0);
        assert!(number(client, "SELECT count() FROM pages_0_local").await > 0);
    }

    // The batch once more, as after a crash: through the other node, too.
    house::load(&first, "a token", &events).await;
    house::load(&second, "a token", &events).await;
    assert_eq!(answers(&first).await, expected);
    house::load(&second, "another token", &events).await;
    assert_eq!(number(&first, "SELECT count() FROM events").await, 2 * events.len() as u64);

    // What is missing on a shard is found and put right over all of them.
    let expected = answers(&first).await;
    house::run(&second, "ALTER TABLE pages_0_local DELETE WHERE 1 SETTINGS mutations_sync = 2").await;
    assert_ne!(answers(&first).await, expected);
    let maintainer = Maintainer::new(pair.sharded(0));
    maintainer.rebuild(Some("pages"), Range::default(), &mut Silent).await.unwrap();
    assert_eq!(answers(&first).await, expected);

    // A database stays what it was made for.
    for other in [pair.node(0), single.in_cluster_without_keeper(CLUSTER.parse().unwrap())] {
        assert!(matches!(migrate::up(&other).await, Err(MigrateError::OtherCluster { .. })));
    }
    drop((alone, first, second));
    pair.stop().await;
}
