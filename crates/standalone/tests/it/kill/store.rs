//! What is in the store, asked there and not through the reports.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::{Client, Row};
use schema::Event;
use schema::rows::DeadLetterRow;
use schema::store::StoreUrl;
use serde::Deserialize;

use crate::cli::process::Folder;

/// A house's store, seen from behind.
pub struct Store(Client);

/// A column of a rollup's table.
#[derive(Row, Deserialize)]
struct Column {
    name: String,
    kind: String,
    is_in_sorting_key: u8,
}

/// A materialized view.
#[derive(Row, Deserialize)]
struct View {
    select: String,
    definition: String,
}

impl Store {
    /// The store of the house that runs on a folder.
    pub fn of(folder: &Folder) -> Self {
        Self::at(&StoreUrl::parse(&folder.store_url()).unwrap())
    }

    pub fn at(url: &StoreUrl) -> Self {
        Self(url.client())
    }

    /// How often each path of a website is stored.
    pub async fn events(&self, website: &str) -> BTreeMap<String, u64> {
        #[derive(Row, Deserialize)]
        struct Stored {
            path: String,
            times: u64,
        }
        let sql = "SELECT path, count() AS times FROM events WHERE website_id = {website:UUID} GROUP BY path";
        let rows = self.0.query(sql).param("website", website).fetch_all::<Stored>().await.unwrap();
        rows.into_iter().map(|row| (row.path, row.times)).collect()
    }

    /// How often each path of a website is a dead letter. One that cannot be read is a path by its bytes' text.
    pub async fn dead_letters(&self, website: &str) -> BTreeMap<String, u64> {
        let mut letters = BTreeMap::new();
        let sql = "SELECT ?fields FROM dead_letters";
        for letter in self.0.query(sql).fetch_all::<DeadLetterRow>().await.unwrap() {
            let path = match Event::from_bytes(&letter.payload) {
                Ok(event) if event.website_id().to_string() != website => continue,
                Ok(event) => event.path,
                Err(_) => String::from_utf8_lossy(&letter.payload).into_owned(),
            };
            *letters.entry(path).or_default() += 1;
        }
        letters
    }

    /// Every table that a materialized view fills holds what the view makes of the rows that are there now: no insert
    /// reached one of them and not the other, or reached one twice. Rollups that come later are found here too.
    pub async fn assert_rollups_are_recounts(&self) {
        let views = "SELECT as_select AS select, create_table_query AS definition FROM system.tables \
                     WHERE database = currentDatabase() AND engine = 'MaterializedView' ORDER BY name";
        let views = self.0.query(views).fetch_all::<View>().await.unwrap();
        let mut compared = BTreeSet::new();
        for view in &views {
            let table = target(&view.definition);
            let merged = self.merged(&table).await;
            let stored = self.lines(&merged.replace("{source}", &table)).await;
            // A table holds what was put in when it was made, too.
            let select = of_every_epoch(&view.select);
            let recounted = self.lines(&merged.replace("{source}", &format!("({select})"))).await;
            // Nobody is identified here.
            assert!(!recounted.is_empty() || table.starts_with("identified"), "{table} says nothing");
            let wrong: Vec<_> = stored.symmetric_difference(&recounted).take(6).collect();
            assert!(wrong.is_empty(), "{table} is not what its rows are when counted again: {wrong:#?}");
            compared.insert(table);
        }
        for table in ["site_totals_", "stream_positions"] {
            assert!(
                compared.iter().any(|name| name.starts_with(table)),
                "{table} was not found: {compared:?}"
            );
        }
        let offsets = "SELECT count(), uniqExact(stream, kafka_partition, kafka_offset) FROM events";
        let (rows, places) = self.0.query(offsets).fetch_one::<(u64, u64)>().await.unwrap();
        assert_eq!(rows, places, "a record was stored twice");
    }

    /// The question for all of a rollup, each column added up as its type says, with a hole for where from.
    async fn merged(&self, table: &str) -> String {
        let columns = "SELECT name, type AS kind, is_in_sorting_key FROM system.columns \
                       WHERE database = currentDatabase() AND table = {table:String} ORDER BY position";
        let columns = self.0.query(columns).param("table", table).fetch_all::<Column>().await.unwrap();
        // Which epoch a correction belongs to says nothing of what it sums up.
        let columns: Vec<_> = columns.into_iter().filter(|column| column.name != "epoch").collect();
        let is_key = |column: &&Column| column.is_in_sorting_key == 1;
        let keys: Vec<_> = columns.iter().filter(is_key).map(|column| column.name.clone()).collect();
        let all: Vec<_> = columns.iter().map(|column| sum_of(table, column)).collect();
        // Keys of which nothing is left come and go with merges.
        let sums: Vec<_> = columns.iter().filter(|column| column.is_in_sorting_key == 0).collect();
        let some: Vec<_> = sums.iter().map(|column| format!("{} != 0", sum_of(table, column))).collect();
        let having =
            if table == "stream_positions" { String::new() } else { format!("HAVING {}", some.join(" OR ")) };
        format!("SELECT {} FROM {{source}} GROUP BY {} {having}", all.join(", "), keys.join(", "))
    }

    async fn lines(&self, sql: &str) -> BTreeSet<String> {
        let bytes = self.0.query(sql).fetch_bytes("TabSeparated").unwrap().collect().await.unwrap();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

/// The question of a rollup's view, of all events.
fn of_every_epoch(select: &str) -> String {
    let Some((before, after)) = select.split_once("epoch >= ") else { return select.to_owned() };
    format!("{before}epoch >= 0{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// The table that a view writes to.
fn target(definition: &str) -> String {
    let name = definition.split(" TO ").nth(1).and_then(|rest| rest.split([' ', '\n', '(']).next());
    name.and_then(|name| name.rsplit('.').next()).unwrap().replace('`', "")
}

/// A column as one value per key.
fn sum_of(table: &str, Column { name, kind, is_in_sorting_key }: &Column) -> String {
    if *is_in_sorting_key == 1 {
        return name.clone();
    }
    let function = |outer: &str| {
        let inner = kind.strip_prefix(outer)?.strip_prefix('(')?;
        inner.split(',').next().map(str::trim)
    };
    match (function("SimpleAggregateFunction"), function("AggregateFunction")) {
        (Some(function), _) => format!("{function}({name})"),
        (None, Some(function)) => format!("{function}Merge({name})"),
        (None, None) if kind == "Int64" => format!("sum({name})"),
        (None, None) => panic!("{table}.{name} is a {kind}, and nobody knows how to add those up"),
    }
}
