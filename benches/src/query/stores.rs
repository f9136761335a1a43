//! The same events in one database after another. What takes long is made once and may be kept: the events but for the last
//! day, and the last day by itself. From there databases are cloned, which shares the files, and get the last day their own
//! way.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clickhouse::Client;
use schema::migrate::{self, LockTimes, MIGRATIONS};
use schema::rows::EventRow;
use schema::store::StoreUrl;
use service::Stop;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{FIRST_DAY, State};
use crate::rows::{blocks, insert};
use crate::traffic::Shape;

/// Rows of a block when there is much to load, as the loader's largest.
const BLOCK: usize = 100_000;

/// In how many blocks the last day comes, where it is to lie in many parts.
const SMALL_BLOCKS: u64 = 100;

/// Rows of a block while more comes in, and how often one does.
const LIVE_BLOCK: usize = 10_000;
const LIVE_EVERY: Duration = Duration::from_secs(1);

/// The databases of one amount of events.
pub struct Stores {
    shape: Shape,
    store: StoreUrl,
    /// How many events there are, to the unit.
    pub events: u64,
}

impl Stores {
    /// Makes what is not there yet. A database that was not finished is made anew.
    pub async fn open(store: &StoreUrl, shape: Shape) -> anyhow::Result<Self> {
        let mut stores = Self { shape, store: store.clone(), events: 0 };
        if !stores.is_finished().await? {
            stores.make().await?;
        }
        let merged = stores.of(State::Merged).client();
        stores.events = merged.query("SELECT count() FROM events").fetch_one().await?;
        Ok(stores)
    }

    /// The database with the events in a state.
    pub fn of(&self, state: State) -> StoreUrl {
        self.database(match state {
            State::Merged => "merged",
            State::Parts => "parts",
            State::Inserts => "inserts",
        })
    }

    fn database(&self, name: &str) -> StoreUrl {
        let Shape { seed, events, days, .. } = self.shape;
        self.store.clone().with_database(&format!("bench_{seed}_{days}_{events}_{name}"))
    }

    fn last_day(&self) -> u16 {
        FIRST_DAY + self.shape.days - 1
    }

    async fn is_finished(&self) -> anyhow::Result<bool> {
        let name = self.of(State::Merged).database().to_owned();
        let finished = self
            .store
            .server()
            .query("SELECT count() FROM system.tables WHERE database = {name:String} AND name = 'finished'")
            .param("name", name)
            .fetch_one::<u64>()
            .await?;
        Ok(finished > 0)
    }

    /// Loads all events, and merges them.
    async fn make(&self) -> anyhow::Result<()> {
        let (base, last) = (self.database("base"), self.database("last"));
        drop_database(&base).await?;
        drop_database(&last).await?;
        migrate::up(&base).await?;
        // The last day is only kept here, until it is copied.
        migrate::up_with(&last, MIGRATIONS, &[], LockTimes::default()).await?;
        let began = Instant::now();
        let (to_base, to_last) = (base.client(), last.client());
        let (send, mut made) = tokio::sync::mpsc::channel::<Vec<EventRow>>(2);
        let shape = self.shape;
        // Making rows keeps one processor busy while the store has the other.
        let maker = tokio::runtime::Handle::current();
        let maker = tokio::task::spawn_blocking(move || {
            maker.block_on(blocks(shape, BLOCK, async |_, block| Ok::<_, ()>(send.send(block).await.is_ok())))
        });
        let (mut events, mut number) = (0, 0);
        while let Some(block) = made.recv().await {
            let (late, early): (Vec<_>, Vec<_>) =
                block.into_iter().partition(|row| row.day >= self.last_day());
            for (client, rows) in [(&to_base, early), (&to_last, late)] {
                if !rows.is_empty() {
                    number += 1;
                    events += rows.len();
                    insert(client, &format!("load/{number}"), &rows).await?;
                }
            }
        }
        maker.await?.map_err(|()| anyhow::anyhow!("the events were not made"))?;
        println!("{events} events were made and loaded in {:.0} s.", began.elapsed().as_secs_f64());
        merge(&to_base).await?;
        let merged = self.of(State::Merged);
        self.clone_into(&base, &merged).await?;
        let client = merged.client();
        copy(&last, &client).await?;
        merge(&client).await?;
        for statement in include_str!("states/tables.sql").split(";\n") {
            client.query_raw(statement).execute().await.context("the states were not made")?;
        }
        for table in ["states_site", "states_pages", "states_sources", "states_devices"] {
            client.query(&["OPTIMIZE TABLE ", table, " FINAL"].concat()).execute().await?;
        }
        client.query("CREATE TABLE finished (at DateTime) ENGINE = Log").execute().await?;
        println!("They were merged and counted in other ways after {:.0} s.", began.elapsed().as_secs_f64());
        Ok(())
    }

    /// A database with the same files as another.
    async fn clone_into(&self, from: &StoreUrl, to: &StoreUrl) -> anyhow::Result<()> {
        drop_database(to).await?;
        migrate::up(to).await?;
        let client = to.client();
        let partitions = client
            .query(
                "SELECT table, _partition_id FROM
                 (SELECT DISTINCT table, partition_id AS _partition_id FROM system.parts
                  WHERE active AND database = {from:String} AND (table = 'events' OR match(table, '_[0-9]+$')))
                 ORDER BY ALL",
            )
            .param("from", from.database())
            .fetch_all::<(String, String)>()
            .await?;
        for (table, partition) in partitions {
            // The statement has parameters for values alone; these names are the store's own.
            let attach = [
                "ALTER TABLE ",
                &table,
                " ATTACH PARTITION ID '",
                &partition,
                "' FROM ",
                from.database(),
                ".",
                &table,
            ];
            client.query(&attach.concat()).execute().await?;
        }
        Ok(())
    }

    /// Makes the database whose last day lies in many small parts, and keeps it so.
    pub async fn make_parts(&self) -> anyhow::Result<u64> {
        let parts = self.of(State::Parts);
        self.clone_into(&self.database("base"), &parts).await?;
        let client = parts.client();
        for table in tables(&client).await? {
            client.query(&["SYSTEM STOP MERGES ", &table].concat()).execute().await?;
        }
        let mut rows = self
            .database("last")
            .client()
            .query("SELECT ?fields FROM events ORDER BY kafka_partition, kafka_offset")
            .fetch::<EventRow>()?;
        let last = self.database("last").client();
        let count: u64 = last.query("SELECT count() FROM events").fetch_one().await?;
        let size = count.div_ceil(SMALL_BLOCKS).max(1) as usize;
        let (mut block, mut number) = (Vec::with_capacity(size), 0);
        loop {
            let row = rows.next().await?;
            let is_last = row.is_none();
            block.extend(row);
            if block.len() >= size || is_last {
                number += 1;
                insert(&client, &format!("parts/{number}"), &block).await?;
                block.clear();
            }
            if is_last {
                break;
            }
        }
        let parts = client
            .query("SELECT count() FROM system.parts WHERE active AND database = currentDatabase() AND table = 'events'")
            .fetch_one::<u64>()
            .await?;
        Ok(parts)
    }

    /// Makes the database into which more comes, and lets it come until the task is stopped.
    pub async fn begin_inserts(&self, stop: Stop) -> anyhow::Result<JoinHandle<anyhow::Result<u64>>> {
        let live = self.of(State::Inserts);
        self.clone_into(&self.of(State::Merged), &live).await?;
        // All of one day, as what a loader inserts while events come in.
        let busy =
            Shape { events: 40 * LIVE_BLOCK as u64, days: 1, first_day: self.last_day(), ..self.shape };
        let mut supply = Vec::new();
        blocks(busy, LIVE_BLOCK, async |_, block| {
            supply.push(block);
            anyhow::Ok(true)
        })
        .await?;
        let client = live.client();
        Ok(tokio::spawn(async move {
            let mut rows = 0;
            let mut tick = tokio::time::interval(LIVE_EVERY);
            for (number, block) in supply.iter().cycle().enumerate() {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = tick.tick() => {}
                }
                let lap = 1 + (number / supply.len()) as u64;
                insert(&client, &format!("live/{number}"), &others(block, lap)).await?;
                rows += block.len() as u64;
            }
            Ok(rows)
        }))
    }

    /// Removes the database that grew.
    pub async fn end_inserts(&self) -> anyhow::Result<()> {
        drop_database(&self.of(State::Inserts)).await
    }
}

/// The same rows of other people: an event never comes twice, and what asks for sessions would find each with two events at every
/// moment.
fn others(rows: &[EventRow], lap: u64) -> Vec<EventRow> {
    let other = |row: &EventRow| EventRow {
        visitor_id: row.visitor_id.wrapping_add(lap),
        session_id: if row.session_id == 0 { 0 } else { row.session_id.wrapping_add(lap) },
        event_id: Uuid::from_u128(row.event_id.as_u128().wrapping_add(lap.into())),
        // Further than any place of the events before.
        kafka_offset: row.kafka_offset + (lap << 40),
        ..row.clone()
    };
    rows.iter().map(other).collect()
}

/// The tables that come of events: they themselves, and the rollups.
async fn tables(client: &Client) -> anyhow::Result<Vec<String>> {
    Ok(client
        .query(
            "SELECT name FROM system.tables
             WHERE database = currentDatabase() AND (name = 'events' OR match(name, '_[0-9]+$')) ORDER BY name",
        )
        .fetch_all::<String>()
        .await?)
}

async fn merge(client: &Client) -> anyhow::Result<()> {
    for table in tables(client).await? {
        client.query(&["OPTIMIZE TABLE ", &table, " FINAL"].concat()).execute().await?;
    }
    Ok(())
}

/// Copies all events, through the views.
async fn copy(from: &StoreUrl, to: &Client) -> anyhow::Result<()> {
    to.query("INSERT INTO events SELECT * FROM {from:Identifier}.events")
        .param("from", from.database())
        .execute()
        .await?;
    Ok(())
}

async fn drop_database(store: &StoreUrl) -> anyhow::Result<()> {
    let drop = store.server().query("DROP DATABASE IF EXISTS {name:Identifier} SYNC");
    drop.param("name", store.database()).execute().await?;
    Ok(())
}
