//! Making, changing, verifying and making again: what operators do with rollups while events come in.

use std::time::Duration;

use clickhouse::Client;
use uuid::Uuid;

use super::recount::{Difference, Extent, Recount, end_leftovers};
use super::tables::{self, RollupTable, State};
use super::{Rollup, RollupError};
use crate::cluster;
use crate::epochs;
use crate::rows::Day;

/// How long loaders are held at most while readers move to another table; a maintainer who dies holds up nobody longer.
const HOLD: Duration = Duration::from_secs(40);

/// How long to wait for the loaders to stand still; then they go on, and readers are moved another time.
const STANDSTILL: Duration = Duration::from_secs(30);

/// How long nothing else is done to rollups after their readers were moved: all of them know of it by then.
const READERS_KNOW: Duration = tables::KNOWN_FOR.saturating_add(Duration::from_secs(1));

/// How many differing keys are listed per rollup.
pub const LISTED: usize = 1000;

/// What a long work tells on its way.
pub trait Progress: Send {
    /// A rollup is begun: so many days and events are to be looked at.
    fn begin(&mut self, rollup: &str, days: u64, events: u64);
    /// So many days and events of it more are done.
    fn advance(&mut self, days: u64, events: u64);
    /// It is done.
    fn end(&mut self);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str, _: u64, _: u64) {}
    fn advance(&mut self, _: u64, _: u64) {}
    fn end(&mut self) {}
}

/// What a rollup needs so that this release can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is there, in this version.
    Nothing,
    /// A table of this version is being built.
    Finish,
    /// There is no table of this version.
    Build,
}

/// What a rollup needs; an error when its file and the database contradict each other.
pub fn step(rollup: &Rollup, tables: &[RollupTable]) -> Result<Step, RollupError> {
    let of_rollup = || tables.iter().filter(|table| table.rollup == rollup.name && table.state != State::Old);
    if of_rollup().any(|table| table.version > rollup.version) {
        return Err(RollupError::Newer(rollup.name.to_owned()));
    }
    let mut step = Step::Build;
    for table in of_rollup().filter(|table| table.version == rollup.version) {
        if table.checksum != rollup.checksum() {
            return Err(RollupError::Edited(rollup.name.to_owned()));
        }
        match (table.state, step) {
            (State::Current, _) => step = Step::Nothing,
            (State::Building, Step::Build) => step = Step::Finish,
            _ => {}
        }
    }
    Ok(step)
}

/// What every rollup needs; an error before anything is changed.
pub(crate) fn steps(
    rollups: &'static [Rollup],
    tables: &[RollupTable],
) -> Result<Vec<(&'static Rollup, Step)>, RollupError> {
    rollups.iter().map(|rollup| Ok((rollup, step(rollup, tables)?))).collect()
}

/// Makes the tables and views that this release needs and that are missing; new events go in from now on. In a database
/// that no loader has touched they are whole at once; else [`finish`] makes them so. The caller has the migration lock.
pub(crate) async fn prepare(
    client: &Client,
    rollups: &'static [Rollup],
) -> Result<Vec<&'static str>, RollupError> {
    let there = tables::all(client).await?;
    let newest = epochs::current(client).await?.number;
    let is_untouched_yet = is_untouched(client).await?;
    let (mut made, mut first, mut begins) = (Vec::new(), Vec::new(), false);
    for (rollup, step) in steps(rollups, &there)? {
        if is_mended(client, rollup, &there).await? {
            continue;
        }
        let has_older =
            there.iter().any(|table| table.rollup == rollup.name && table.state != State::Building);
        let is_first = is_untouched_yet && !has_older;
        let since = if is_first { 0 } else { newest + 1 };
        let mut table = RollupTable::new(rollup, since, State::Building);
        for begun in there.iter().filter(|table| is_unfinished(table, rollup, step)) {
            if step == Step::Finish && can_go_on(client, begun, newest, is_first).await? {
                table = begun.clone();
            } else {
                drop_table(client, begun).await?;
            }
        }
        tables::record(client, &table, Some(State::Building)).await?;
        make(client, rollup, &table).await?;
        begins |= table.since > newest;
        tracing::info!(
            rollup = rollup.name,
            version = rollup.version,
            table = table.name,
            "A rollup's table was made."
        );
        made.push(rollup.name);
        if is_first {
            first.push(table);
        }
    }
    if !first.is_empty() {
        if !is_untouched(client).await? {
            // A loader of another release came in meanwhile: some of its rows may have met no view.
            return Box::pin(prepare(client, rollups)).await;
        }
        for table in first {
            show(client, &table.rollup, &table.name).await?;
            tables::record(client, &table, Some(State::Current)).await?;
        }
    }
    if begins {
        // Only now: whoever loads under the new number meets all of the new views.
        epochs::begin(client, newest + 1, Duration::ZERO, "new rollup tables").await?;
    }
    Ok(made)
}

fn is_of(table: &RollupTable, rollup: &Rollup, state: State) -> bool {
    table.rollup == rollup.name && table.version == rollup.version && table.state == state
}

/// Tables that are in the way of a new one: those that are not whole, and readers' own, when parts of it are gone.
fn is_unfinished(table: &RollupTable, rollup: &Rollup, step: Step) -> bool {
    let is_broken = step == Step::Nothing && is_of(table, rollup, State::Current);
    table.rollup == rollup.name && (table.state == State::Building || is_broken)
}

async fn is_untouched(client: &Client) -> Result<bool, clickhouse::error::Error> {
    client.query(include_str!("untouched.sql")).fetch_one::<bool>().await
}

/// Whether a table that was begun can be finished: no row can have passed it by, because its view is there, or because
/// nobody loads in its epoch yet.
async fn can_go_on(
    client: &Client,
    table: &RollupTable,
    newest: u32,
    is_first: bool,
) -> Result<bool, clickhouse::error::Error> {
    let is_empty = if table.since == 0 { is_first } else { table.since > newest };
    Ok(is_empty || table.since > 0 && missing(client, table).await?.is_empty())
}

/// The table and its view, where they are missing.
async fn make(client: &Client, rollup: &Rollup, table: &RollupTable) -> Result<(), RollupError> {
    cluster::run_as_made(client, &rollup.table(&table.name)).await?;
    let scope = ["e.epoch >= ", &table.since.to_string()].concat();
    let view = include_str!("view.sql")
        .replace("$view", &table.view())
        .replace("$table", &table.name)
        .replace("$facts", &rollup.facts(&scope));
    cluster::run_as_made(client, &view).await?;
    Ok(())
}

/// Lets readers of the rollup see this table: one step, no reader is without.
async fn show(client: &Client, rollup: &str, table: &str) -> Result<(), RollupError> {
    let reader = include_str!("reader.sql").replace("$rollup", rollup).replace("$table", table);
    cluster::run_as_made(client, &reader).await?;
    Ok(())
}

/// Whether a rollup has all that it needs, after what is easily made again was. What somebody dropped by hand is noticed
/// here, and the rollup is then built anew.
async fn is_mended(client: &Client, rollup: &Rollup, there: &[RollupTable]) -> Result<bool, RollupError> {
    let Some(table) = there.iter().find(|table| is_of(table, rollup, State::Current)) else {
        return Ok(false);
    };
    let missing = missing(client, table).await?;
    if missing.iter().all(|name| *name == table.rollup) {
        if !missing.is_empty() {
            show(client, rollup.name, &table.name).await?;
            tracing::warn!(
                rollup = rollup.name,
                "The readers' view of a rollup was gone; it was made again."
            );
        }
        return Ok(true);
    }
    tracing::warn!(
        rollup = rollup.name,
        missing = missing.join(", "),
        "Parts of a rollup are gone; it is built anew."
    );
    Ok(false)
}

/// The names of what a table should have beside it and has not.
pub async fn missing(client: &Client, table: &RollupTable) -> Result<Vec<String>, clickhouse::error::Error> {
    let mut wanted = vec![table.name.clone(), table.view()];
    if table.state == State::Current {
        wanted.push(table.rollup.clone());
    }
    let there = client.query(include_str!("there.sql")).param("names", &wanted).fetch_all::<String>().await?;
    Ok(wanted.into_iter().filter(|name| !there.contains(name)).collect())
}

async fn drop_table(client: &Client, table: &RollupTable) -> Result<(), RollupError> {
    for (statement, name) in
        [(include_str!("drop_view.sql"), table.view()), (include_str!("drop_table.sql"), table.name.clone())]
    {
        cluster::run_as_made(client, &statement.replace("$name", &name)).await?;
    }
    tables::record(client, table, None).await?;
    Ok(())
}

/// The tables of these rollups that are being built.
pub(crate) async fn building(
    client: &Client,
    rollups: &'static [Rollup],
) -> Result<Vec<(&'static Rollup, RollupTable)>, clickhouse::error::Error> {
    let tables = tables::all(client).await?;
    let of_rollup = |table: RollupTable| {
        let rollup = rollups.iter().find(|rollup| is_of(&table, rollup, State::Building))?;
        Some((rollup, table))
    };
    Ok(tables.into_iter().filter_map(of_rollup).collect())
}

/// Makes the tables whole that are being built, and moves their readers to them. `patience` is how long the loaders may
/// take to go on. The caller has the migration lock.
pub(crate) async fn finish(
    client: &Client,
    rollups: &'static [Rollup],
    patience: Duration,
    progress: &mut dyn Progress,
) -> Result<Vec<String>, RollupError> {
    let newest = epochs::current(client).await?.number;
    let mut whole = Vec::new();
    for (rollup, table) in building(client, rollups).await? {
        if table.since > newest || !missing(client, &table).await?.is_empty() {
            // Rows would pass it by.
            return Err(RollupError::NotBuilt(table.rollup));
        }
        epochs::wait(client, table.since, patience).await?;
        end_leftovers(client).await?;
        backfill(client, rollup, &table, progress).await?;
        tracing::info!(
            rollup = rollup.name,
            version = rollup.version,
            table = table.name,
            "A rollup was built."
        );
        whole.push(table);
    }
    if !whole.is_empty() {
        move_readers(client, &whole).await?;
    }
    Ok(whole.into_iter().map(|table| table.rollup).collect())
}

/// Puts all that came before a table into it, and compares. What was done is not done again, unless it is wrong: somebody
/// may have changed events since.
async fn backfill(
    client: &Client,
    rollup: &Rollup,
    table: &RollupTable,
    progress: &mut dyn Progress,
) -> Result<(), RollupError> {
    let extent = Extent::all(table.since);
    // A build is one job, whoever goes on with it.
    correct(client, rollup, &table.name, extent, Uuid::nil(), progress).await?;
    if compare(client, rollup, &table.name, extent, &mut Silent).await?.is_empty() {
        return Ok(());
    }
    correct(client, rollup, &table.name, extent, Uuid::new_v4(), progress).await?;
    let differences = compare(client, rollup, &table.name, extent, &mut Silent).await?;
    if differences.is_empty() {
        return Ok(());
    }
    Err(RollupError::Differs { rollup: table.rollup.clone(), days: days(&differences) })
}

fn days(differences: &[Difference]) -> usize {
    let mut days: Vec<_> =
        differences.iter().map(|difference| (difference.website_id, difference.day)).collect();
    days.dedup();
    days.len()
}

/// Readers see the new tables from one moment to the next. Meanwhile no batch is on its way, so that none is in what they
/// saw before and not yet in a new table: when a loader does not stand still, nobody is moved. The loaders are held once
/// for all tables.
async fn move_readers(client: &Client, whole: &[RollupTable]) -> Result<(), RollupError> {
    let there = tables::all(client).await?;
    let epoch = epochs::current(client).await?.number + 1;
    epochs::begin(client, epoch, HOLD, "readers move to another table").await?;
    let moved = async {
        epochs::wait(client, epoch, STANDSTILL).await?;
        for table in whole {
            show(client, &table.rollup, &table.name).await?;
            tables::record(client, table, Some(State::Current)).await?;
            let is_before =
                |other: &&RollupTable| other.rollup == table.rollup && other.state == State::Current;
            for old in there.iter().filter(is_before) {
                tables::record(client, old, Some(State::Old)).await?;
            }
        }
        Ok(())
    }
    .await;
    let released = epochs::release(client, epoch).await;
    // Who knows the table before by its name goes on asking it. It is filled too, but gets no corrections any more.
    tokio::time::sleep(READERS_KNOW).await;
    moved.and(released.map_err(RollupError::from))
}

/// Drops the tables that others took the place of. Returns their names. The caller has the migration lock.
pub(crate) async fn prune(client: &Client) -> Result<Vec<String>, RollupError> {
    let mut dropped = Vec::new();
    for table in tables::all(client).await?.into_iter().filter(|table| table.state == State::Old) {
        drop_table(client, &table).await?;
        dropped.push(table.name);
    }
    Ok(dropped)
}

/// The table that readers of a rollup see.
pub async fn shown(client: &Client, rollup: &Rollup) -> Result<RollupTable, RollupError> {
    let tables = tables::all(client).await?;
    let current = tables.into_iter().find(|table| is_of(table, rollup, State::Current));
    current.ok_or_else(|| RollupError::NotBuilt(rollup.name.to_owned()))
}

/// Closes the epoch that is being loaded: afterwards the rows of all epochs before the returned one are complete. The
/// caller has the migration lock.
pub(crate) async fn close_epoch(
    client: &Client,
    patience: Duration,
    reason: &str,
) -> Result<u32, RollupError> {
    let epoch = epochs::current(client).await?.number + 1;
    epochs::begin(client, epoch, Duration::ZERO, reason).await?;
    epochs::wait(client, epoch, patience).await?;
    Ok(epoch)
}

/// Makes days of a table equal to the events.
pub(crate) async fn correct(
    client: &Client,
    rollup: &Rollup,
    table: &str,
    extent: Extent,
    job: Uuid,
    progress: &mut dyn Progress,
) -> Result<(), RollupError> {
    let recount = Recount::of(client, rollup, table).await?;
    let slices = recount.left(extent, job).await?;
    let days = slices.iter().map(|slice| days_of(slice.from, slice.to)).sum();
    progress.begin(rollup.name, days, slices.iter().map(|slice| slice.events).sum());
    for slice in slices {
        recount.correct(extent, slice, job).await?;
        progress.advance(days_of(slice.from, slice.to), slice.events);
    }
    progress.end();
    Ok(())
}

/// What differs between a table and the events, at most [`LISTED`] keys.
pub(crate) async fn compare(
    client: &Client,
    rollup: &Rollup,
    table: &str,
    extent: Extent,
    progress: &mut dyn Progress,
) -> Result<Vec<Difference>, RollupError> {
    let recount = Recount::of(client, rollup, table).await?;
    let slices = recount.slices(extent).await?;
    let days = slices.iter().map(|slice| days_of(slice.from, slice.to)).sum();
    progress.begin(rollup.name, days, slices.iter().map(|slice| slice.events).sum());
    let mut differences = Vec::new();
    for slice in slices {
        let room = LISTED.saturating_sub(differences.len()) as u64;
        if room == 0 {
            break;
        }
        differences.extend(recount.compare(extent, slice, room).await?);
        progress.advance(days_of(slice.from, slice.to), slice.events);
    }
    progress.end();
    Ok(differences)
}

fn days_of(from: Day, to: Day) -> u64 {
    u64::from(to.saturating_sub(from)) + 1
}
