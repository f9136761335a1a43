//! Comparing a rollup's table with the events, and making it equal to them.
//!
//! Both look at rows of closed epochs only, which no loader adds to any more. What differs is inserted as a correction, all
//! keys of a day in one block and so in one step: whoever reads sees the day before or after. Whoever is
//! killed in between leaves days that are right and days that are not yet; the next run finds nothing to do for the former.

use std::collections::HashSet;

use clickhouse::query::Query;
use clickhouse::{Client, Row};
use serde::Deserialize;
use uuid::Uuid;

use super::{Rollup, RollupError};
use crate::migrate::fence;
use crate::rows::Day;

/// Events that one correction looks at, when days are that small: enough to keep a query busy, little enough to show
/// progress.
const SLICE_EVENTS: u64 = 2_000_000;

/// Bytes of grouping in memory beyond which ClickHouse goes to its disk.
const SPILL_BYTES: &str = "1500000000";

/// Which rows are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// One website; else all.
    pub website: Option<Uuid>,
    /// Rows of earlier epochs than this.
    pub upto: u32,
}

impl Extent {
    /// Everything of the epochs before `upto`.
    pub fn all(upto: u32) -> Self {
        Self { from: 0, to: Day::MAX, website: None, upto }
    }

    fn bind(&self, query: Query) -> Query {
        query
            .param("from", self.from)
            .param("to", self.to)
            .param("every_website", self.website.is_none())
            .param("website", self.website.unwrap_or_default().to_string())
            .param("upto", self.upto)
    }
}

/// Days that are looked at together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// How many events these days have.
    pub events: u64,
}

/// A key of a rollup that does not equal the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The website.
    pub website_id: Uuid,
    /// The day, since 1970-01-01.
    pub day: Day,
    /// All of the key, as ClickHouse writes a tuple.
    pub key: String,
    /// The columns that differ, and by how much: what the events say minus what the rollup says.
    pub columns: Vec<(String, i64)>,
}

#[derive(Row, Deserialize)]
struct DayRow {
    day: Day,
    events: u64,
}

#[derive(Row, Deserialize)]
struct DifferenceRow {
    #[serde(with = "clickhouse::serde::uuid")]
    website_id: Uuid,
    day: Day,
    key: String,
    differences: Vec<i64>,
}

/// One table of a rollup, and how it is compared with the events.
pub struct Recount<'a> {
    client: &'a Client,
    rollup: &'a Rollup,
    table: &'a str,
    keys: Vec<&'static str>,
    sums: Vec<&'static str>,
}

impl<'a> Recount<'a> {
    /// Looks whether the table is there, with all of its columns.
    pub async fn of(client: &'a Client, rollup: &'a Rollup, table: &'a str) -> Result<Self, RollupError> {
        let (keys, sums) = rollup.columns();
        let there =
            client.query(include_str!("columns.sql")).param("table", table).fetch_all::<String>().await?;
        if there.is_empty() {
            return Err(RollupError::NotBuilt(rollup.name.to_owned()));
        }
        if keys.iter().chain(&sums).any(|column| there.iter().all(|other| other != column)) {
            return Err(RollupError::Misshapen(table.to_owned()));
        }
        Ok(Self { client, rollup, table, keys, sums })
    }

    /// A file's text with the names of this table's columns put in.
    fn text(&self, file: &str) -> String {
        let join = |names: &[&str], separator: &str, write: &dyn Fn(&str) -> String| {
            names.iter().map(|name| write(name)).collect::<Vec<_>>().join(separator)
        };
        let difference = |name: &str| ["sum(", name, ") AS d_", name].concat();
        // The longer slots first: no slot's name begins with another's but these.
        file.replace("$difference_names", &join(&self.sums, ", ", &|name| ["d_", name].concat()))
            .replace("$differences", &join(&self.sums, ", ", &difference))
            .replace("$any_differs", &join(&self.sums, " OR ", &|name| ["d_", name, " != 0"].concat()))
            .replace("$negated", &join(&self.sums, ", ", &|name| ["-", name].concat()))
            .replace("$keys", &self.keys.join(", "))
            .replace("$sums", &self.sums.join(", "))
            .replace("$table", self.table)
    }

    fn difference(&self) -> String {
        let facts = self.rollup.facts(include_str!("scope.sql").trim_end());
        self.text(include_str!("difference.sql")).replace("$facts", &facts)
    }

    /// The days to look at, in order, small ones together.
    pub async fn slices(&self, extent: Extent) -> Result<Vec<Slice>, RollupError> {
        let query = self.client.query(&self.text(include_str!("days.sql")));
        let days = extent.bind(query).fetch_all::<DayRow>().await?;
        let mut slices: Vec<Slice> = Vec::new();
        for DayRow { day, events } in days {
            match slices.last_mut() {
                Some(last) if last.events + events <= SLICE_EVENTS => {
                    last.to = day;
                    last.events += events;
                }
                _ => slices.push(Slice { from: day, to: day, events }),
            }
        }
        Ok(slices)
    }

    /// The slices that a job has not done yet.
    pub async fn left(&self, extent: Extent, job: Uuid) -> Result<Vec<Slice>, RollupError> {
        let done: HashSet<Day> = self
            .client
            .query(include_str!("days_done.sql"))
            .param("table", self.table)
            .param("upto", extent.upto)
            .param("job", job.to_string())
            .fetch_all::<Day>()
            .await?
            .into_iter()
            .collect();
        let mut slices = self.slices(extent).await?;
        slices.retain(|slice| !(slice.from..=slice.to).all(|day| done.contains(&day)));
        Ok(slices)
    }

    /// Makes the days of a slice equal to the events, and writes that down for the job.
    pub async fn correct(&self, extent: Extent, slice: Slice, job: Uuid) -> Result<(), RollupError> {
        let extent = Extent { from: slice.from, to: slice.to, ..extent };
        let correct = self
            .text(include_str!("correct.sql"))
            .replace("$difference", &self.difference())
            .replace("$fence", &fence());
        extent
            .bind(self.client.query(&correct))
            .with_setting(
                "query_id",
                [&prefix(self.client).await?, Uuid::new_v4().to_string().as_str()].concat(),
            )
            .with_setting("async_insert", "0")
            // The same difference may come up twice, and is to be put right both times.
            .with_setting("insert_deduplicate", "0")
            // All of it in one block, so that it lands in one step.
            .with_setting("max_insert_threads", "1")
            .with_setting("min_insert_block_size_rows", "1000000000000")
            .with_setting("min_insert_block_size_bytes", "0")
            .with_setting("max_partitions_per_insert_block", "0")
            .with_setting("max_bytes_before_external_group_by", SPILL_BYTES)
            .execute()
            .await?;
        extent
            .bind(self.client.query(include_str!("day_done.sql")))
            .param("table", self.table)
            .param("job", job.to_string())
            .param("events", slice.events)
            .with_setting("async_insert", "0")
            .execute()
            .await?;
        Ok(())
    }

    /// The keys of a slice that differ, at most so many.
    pub async fn compare(
        &self,
        extent: Extent,
        slice: Slice,
        limit: u64,
    ) -> Result<Vec<Difference>, RollupError> {
        let extent = Extent { from: slice.from, to: slice.to, ..extent };
        let compare = self.text(include_str!("compare.sql")).replace("$difference", &self.difference());
        let rows = extent
            .bind(self.client.query(&compare))
            .param("limit", limit)
            .with_setting("max_bytes_before_external_group_by", SPILL_BYTES)
            .fetch_all::<DifferenceRow>()
            .await?;
        let difference = |row: DifferenceRow| Difference {
            website_id: row.website_id,
            day: row.day,
            key: row.key,
            columns: self
                .sums
                .iter()
                .map(|name| (*name).to_owned())
                .zip(row.differences)
                .filter(|(_, difference)| *difference != 0)
                .collect(),
        };
        Ok(rows.into_iter().map(difference).collect())
    }
}

/// How the ids of corrections of this database begin.
async fn prefix(client: &Client) -> Result<String, clickhouse::error::Error> {
    let database = client.query("SELECT currentDatabase()").fetch_one::<String>().await?;
    Ok(["footfall-correct-", &database, "-"].concat())
}

/// Ends corrections that a maintainer who died has left running: they would land beside the ones to come. The caller
/// has the migration lock.
pub(crate) async fn end_leftovers(client: &Client) -> Result<(), clickhouse::error::Error> {
    let prefix = prefix(client).await?;
    let running = client
        .query("SELECT count() FROM system.processes WHERE startsWith(query_id, {prefix:String})")
        .param("prefix", &prefix)
        .fetch_one::<u64>()
        .await?;
    if running > 0 {
        tracing::warn!(running, "Corrections of a maintainer that is gone are ended.");
        let kill = include_str!("end_leftovers.sql").replace("$prefix", &prefix);
        client.query_raw(&kill).execute().await?;
    }
    Ok(())
}
