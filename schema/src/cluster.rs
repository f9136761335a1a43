//! The same files on a cluster: shards by website, each with replicas.
//!
//! A statement of our files becomes the statements of a cluster ([`Cluster::render`]). How a table is spread is said here,
//! of each by its name ([`place`]); a table that is not named is refused.
//!
//! * **By website**: events, the rollups, the claims of event ids. `events_local` holds a shard's rows, `events` is
//!   distributed over all shards; all of a website is on one shard, so a rollup's view adds up there what comes there.
//! * **By shard**: what only such views fill (the streams' positions); it is read over all shards.
//! * **Everywhere**: what is small and must be the same for all (the directory, salts, epochs, dead letters): one table with
//!   a replica on every node.
//!
//! An acknowledged write is seen by whoever reads afterwards, on any node: [`SETTINGS`]. An insert waits for the shards and
//! for the majority of the replicas, so two replicas are no fewer failures than one: three are. A batch that reached one
//! shard and not the other is inserted again under the same token.
//!
//! The lock of the migrations is a table of one node: migrators name the same node.

use clickhouse::{Client, Row};
use serde::Deserialize;
use thiserror::Error;

mod render;
mod tokens;

/// What all queries of a cluster's clients run with.
///
/// Inserts go to their shards before they are acknowledged, and to a majority of replicas, one after the other, which is
/// what lets a read demand everything acknowledged; a replica that lags refuses the read, and it is tried again. Questions
/// go to the shard of their website; what they ask within themselves is on the same shard.
pub const SETTINGS: [(&str, &str); 9] = [
    ("distributed_foreground_insert", "1"),
    ("insert_quorum", "auto"),
    ("insert_quorum_parallel", "0"),
    ("select_sequential_consistency", "1"),
    ("load_balancing", "in_order"),
    ("optimize_skip_unused_shards", "1"),
    ("distributed_product_mode", "local"),
    ("alter_sync", "2"),
    ("distributed_ddl_task_timeout", "600"),
];

/// A cluster's name, as the nodes' `remote_servers` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterName(String);

/// A name that no cluster of ours has.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected the name of a cluster: letters, digits, _ and -")]
pub struct ClusterNameError;

impl ClusterName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ClusterName {
    type Err = ClusterNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if text.is_empty() || !text.bytes().all(is_plain) {
            return Err(ClusterNameError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// How a table is spread over a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A part on every shard: all rows of a website on the same one.
    ByWebsite,
    /// A part on every shard, filled there by a view.
    ByShard,
    /// The whole of it on every node.
    Everywhere,
}

/// How each table is spread; the rollups' tables (`pages_0`) are by website.
const PLACES: [(&str, Place); 17] = [
    ("accounts", Place::Everywhere),
    ("audit_log", Place::Everywhere),
    ("countries", Place::Everywhere),
    ("dead_letter_replays", Place::Everywhere),
    ("dead_letters", Place::Everywhere),
    ("erasures", Place::Everywhere),
    ("event_claims", Place::ByWebsite),
    ("events", Place::ByWebsite),
    ("load_checkpoints", Place::Everywhere),
    ("load_epochs", Place::Everywhere),
    ("rollup_days", Place::Everywhere),
    ("rollup_tables", Place::Everywhere),
    ("salts", Place::Everywhere),
    ("schema_migrations", Place::Everywhere),
    ("stream_positions", Place::ByShard),
    ("users", Place::Everywhere),
    ("websites", Place::Everywhere),
];

/// How a table is spread; `None`: nobody has said it.
pub fn place(table: &str) -> Option<Place> {
    if let Some((_, place)) = PLACES.iter().find(|(name, _)| *name == table) {
        return Some(*place);
    }
    let (rollup, epoch) = table.rsplit_once('_')?;
    let is_rollup =
        !rollup.is_empty() && !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    is_rollup.then_some(Place::ByWebsite)
}

impl Place {
    /// A table's name on one node.
    fn local(self, table: &str) -> String {
        match self {
            Self::Everywhere => table.to_owned(),
            Self::ByWebsite | Self::ByShard => [table, "_local"].concat(),
        }
    }

    /// The path in Keeper and the replica's name, as arguments of an engine.
    fn replica(self) -> &'static str {
        match self {
            Self::Everywhere => "'/clickhouse/tables/everywhere/{database}/{table}', '{shard}-{replica}'",
            Self::ByWebsite | Self::ByShard => "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'",
        }
    }
}

/// A statement that is not known here.
#[derive(Debug, Error)]
#[error("`{statement}` has no form for a cluster: {why}")]
pub struct Refusal {
    statement: String,
    why: &'static str,
}

impl Refusal {
    fn new(statement: &str, why: &'static str) -> Self {
        let line = statement.lines().find(|line| !line.trim_start().starts_with("--")).unwrap_or_default();
        Self { statement: line.trim().to_owned(), why }
    }
}

/// A cluster and the database on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    name: ClusterName,
    database: String,
    has_keeper: bool,
}

/// What the tables say they were made for.
#[derive(Row, Deserialize)]
struct Found {
    own: String,
    cluster: String,
    replicated: bool,
    made: bool,
}

impl Cluster {
    /// A cluster whose nodes are kept together by a Keeper: tables have replicas, and one statement reaches all nodes.
    pub fn new(name: ClusterName, database: &str) -> Self {
        Self { name, database: database.to_owned(), has_keeper: true }
    }

    /// The same nodes without a Keeper, for trying out sharding: no replicas, and each node is migrated by itself.
    #[must_use]
    pub fn without_keeper(self) -> Self {
        Self { has_keeper: false, ..self }
    }

    pub(crate) fn of_database(self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }
}

/// The statement that makes the database, on all nodes.
pub(crate) fn database_sql(cluster: Option<&Cluster>) -> String {
    let on_cluster = cluster.map(Cluster::on_cluster).unwrap_or_default();
    include_str!("cluster/database.sql").trim_end().replace("$on_cluster", &on_cluster)
}

/// The statement that removes it there.
pub(crate) fn drop_database_sql(cluster: Option<&Cluster>) -> String {
    let on_cluster = cluster.map(Cluster::on_cluster).unwrap_or_default();
    include_str!("cluster/drop_database.sql").trim_end().replace("$on_cluster", &on_cluster)
}

/// Runs a statement of our files: on one node as it is, on a cluster as [`Cluster::render`] says.
pub(crate) async fn run(
    client: &Client,
    cluster: Option<&Cluster>,
    statement: &str,
) -> Result<(), clickhouse::error::Error> {
    let Some(cluster) = cluster else { return client.query_raw(statement).execute().await };
    let statements =
        cluster.render(statement).map_err(|refusal| clickhouse::error::Error::Other(Box::new(refusal)))?;
    for statement in statements {
        client.query_raw(&statement).execute().await?;
    }
    Ok(())
}

/// As [`run`], on the cluster that the tables were made for.
pub(crate) async fn run_as_made(client: &Client, statement: &str) -> Result<(), clickhouse::error::Error> {
    let cluster = of(client).await?.flatten();
    run(client, cluster.as_ref(), statement).await
}

/// The cluster that a database's tables were made for; `Some(None)`: one node, `None`: there are no tables yet.
pub(crate) async fn of(client: &Client) -> Result<Option<Option<Cluster>>, clickhouse::error::Error> {
    let found = client.query_raw(include_str!("cluster/found.sql")).fetch_one::<Found>().await?;
    if !found.made {
        return Ok(None);
    }
    Ok(Some(found.cluster.parse().ok().map(|name| Cluster {
        name,
        database: found.own,
        has_keeper: found.replicated,
    })))
}
