//! The operator's commands, for `migrate` and for `footfall migrate`: what is said in the terminal about the work that
//! [`crate::maintain`] does.

use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use thiserror::Error;
use uuid::Uuid;

use crate::epochs::EpochError;
use crate::maintain::plan::Planned;
use crate::maintain::{Findings, Maintainer, Range};
use crate::migrate::{self, MigrateError};
use crate::rollup::RollupError;
use crate::rollup::change::Progress;
use crate::rows::Day;
use crate::store::StoreUrl;

/// What to do with the schema.
#[derive(Debug, Clone, Subcommand)]
pub enum MigrateCommand {
    /// Tell what `up` would do, with sizes and an estimate; change nothing.
    Plan,
    /// Run what has not run yet, and build the rollups that are new or changed.
    Up,
    /// List every migration and every rollup's tables with their states.
    Status,
    /// Compare structure and rollups with the files and the events, to the unit. Fails when something differs.
    Verify(Days),
    /// Make the days of a rollup (or of all) equal to the events again.
    Rebuild {
        /// The rollup, such as `pages`; without it: all.
        rollup: Option<String>,
        /// Which days.
        #[command(flatten)]
        days: Days,
    },
    /// Drop the tables of rollups that newer ones took the place of.
    Prune,
    /// Erase now what is to be erased (deleted websites, visitors who asked for it), instead of waiting for the loaders' upkeep.
    Erase,
    /// Erase now the days that are beyond the websites' retention, and what else is to be erased.
    Retain,
    /// Say that a stream is gone for good (a journal that was deleted): nobody waits for its loaders any more.
    Retire {
        /// The stream's id, as a message about it names it.
        stream: String,
    },
}

/// Which days, of which website.
#[derive(Debug, Clone, Copy, Args)]
pub struct Days {
    /// The first day (YYYY-MM-DD); without it: from the beginning.
    #[arg(long, value_parser = day)]
    from: Option<Day>,
    /// The last day (YYYY-MM-DD); without it: to the end.
    #[arg(long, value_parser = day)]
    to: Option<Day>,
    /// One website, by its id.
    #[arg(long)]
    website: Option<Uuid>,
}

impl From<Days> for Range {
    fn from(days: Days) -> Self {
        let all = Self::default();
        Self { from: days.from.unwrap_or(all.from), to: days.to.unwrap_or(all.to), website: days.website }
    }
}

/// A calendar day as days since 1970-01-01; the reason when it is none that can be stored.
pub fn day(text: &str) -> Result<Day, &'static str> {
    const EXPECTED: &str = "expected a day as YYYY-MM-DD, from 1970-01-01 to 2149-06-06";
    let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| EXPECTED)?;
    let is_padded = text.len() == "YYYY-MM-DD".len();
    let days = date.signed_duration_since(chrono::NaiveDate::default()).num_days();
    Day::try_from(days).ok().filter(|_| is_padded).ok_or(EXPECTED)
}

/// Why a command ended without success.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The work failed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// `verify` found something; it was printed.
    #[error("the store is not as it should be: {0}")]
    Findings(String),
}

/// Runs a command and prints what came of it.
pub async fn run(command: MigrateCommand, store: &StoreUrl) -> Result<(), CommandError> {
    let maintainer = Maintainer::new(store.clone());
    let mut bar = Bar::default();
    match command {
        MigrateCommand::Plan => {
            let planned = maintainer.plan().await?;
            if planned.is_empty() {
                println!("There is nothing to do.");
            }
            for step in planned {
                println!("{}", told(&step));
            }
        }
        MigrateCommand::Up => {
            let ran = migrate::up(store).await?;
            match ran.len() {
                0 => println!("The database is up to date."),
                count => println!("{count} migrations were applied: {}.", ran.join(", ")),
            }
            let built = finish(&maintainer, &mut bar).await?;
            if !built.is_empty() {
                println!("Built: {}.", built.join(", "));
            }
        }
        MigrateCommand::Status => {
            for (name, state) in migrate::status(store).await? {
                println!("{name:<28} {}", state.as_str());
            }
            if migrate::has_table(store, "rollup_tables").await.map_err(MigrateError::from)? {
                for table in maintainer.tables().await? {
                    println!("{:<28} version {}, {}", table.name, table.version, table.state.as_str());
                }
            }
        }
        MigrateCommand::Verify(days) => {
            let findings = maintainer.verify(days.into(), &mut bar).await?;
            print(&findings);
            if !findings.is_clean() {
                return Err(CommandError::Findings(summary(&findings)));
            }
            println!("Structure and rollups are as they should be.");
        }
        MigrateCommand::Rebuild { rollup, days } => {
            maintainer.rebuild(rollup.as_deref(), days.into(), &mut bar).await?;
            println!("{} equals the events.", rollup.as_deref().unwrap_or("Every rollup"));
        }
        MigrateCommand::Prune => {
            let dropped = maintainer.prune().await?;
            match dropped.len() {
                0 => println!("There is nothing to drop."),
                _ => println!("Dropped: {}.", dropped.join(", ")),
            }
        }
        MigrateCommand::Erase => tell_erased(&maintainer).await?,
        MigrateCommand::Retain => {
            maintainer.retain(chrono::Utc::now().timestamp_millis()).await?;
            tell_erased(&maintainer).await?;
        }
        MigrateCommand::Retire { stream } => {
            let partitions = maintainer.retire(&stream).await?;
            println!("{partitions} partitions of {stream} are not waited for any more.");
        }
    }
    Ok(())
}

async fn tell_erased(maintainer: &Maintainer) -> Result<(), MigrateError> {
    let erased = maintainer.erase().await?;
    if erased.is_empty() {
        println!("There is nothing to erase.");
    }
    for erasure in erased {
        println!("erased   {} of {}", erasure.kind.as_str(), erasure.website_id);
    }
    Ok(())
}

/// Builds what is being built; says for whom it waits, for as long as it takes.
async fn finish(maintainer: &Maintainer, bar: &mut Bar) -> Result<Vec<String>, MigrateError> {
    let mut told = false;
    loop {
        match maintainer.finish(bar).await {
            Err(MigrateError::Rollup(RollupError::Loaders(EpochError::Behind(behind)))) => {
                if !told {
                    eprintln!("Waiting: {}.", EpochError::Behind(behind));
                    told = true;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            outcome => return outcome,
        }
    }
}

fn told(step: &Planned) -> String {
    match step {
        Planned::Migration(name) => format!("run      {name}"),
        Planned::Rollup { name, from, to, events, days, bytes, seconds } => {
            let from = from.map_or_else(|| "nothing".to_owned(), |version| format!("version {version}"));
            format!(
                "build    {name}: from {from} to version {to}; {events} events of {days} days to read, about {seconds} s; \
                 the table now has {} kB",
                bytes / 1000
            )
        }
        Planned::Prune { table, bytes } => format!("prune    {table} can be dropped ({} kB)", bytes / 1000),
    }
}

fn print(findings: &Findings) {
    for sentence in &findings.structure {
        println!("structure: {sentence}");
    }
    for (rollup, differences) in &findings.differences {
        for difference in differences {
            let columns: Vec<String> =
                difference.columns.iter().map(|(name, by)| format!("{name} {by:+}")).collect();
            println!("{rollup}: {} lacks {}", difference.key, columns.join(", "));
        }
    }
    if let Some(unsure) = &findings.unsure {
        println!("Batches on their way may look like differences: {unsure}");
    }
}

fn summary(findings: &Findings) -> String {
    let mut parts = Vec::new();
    if !findings.structure.is_empty() {
        parts.push(format!("{} differences of structure", findings.structure.len()));
    }
    for (rollup, differences) in &findings.differences {
        let mut days: Vec<_> = differences.iter().map(|one| (one.website_id, one.day)).collect();
        days.dedup();
        parts.push(format!("{rollup} differs in {} keys on {} days", differences.len(), days.len()));
    }
    parts.join(", ")
}

/// A progress bar per rollup: days, events, the time that is left.
#[derive(Default)]
struct Bar {
    bar: Option<ProgressBar>,
    days: (u64, u64),
}

impl Progress for Bar {
    fn begin(&mut self, rollup: &str, days: u64, events: u64) {
        let style = ProgressStyle::with_template(
            "{prefix:>12} {bar:32} {human_pos}/{human_len} events, {msg}, {per_sec}, {eta} left",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.days = (0, days);
        self.bar = Some(ProgressBar::new(events).with_style(style).with_prefix(rollup.to_owned()));
    }

    fn advance(&mut self, days: u64, events: u64) {
        self.days.0 += days;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}/{} days", self.days.0, self.days.1));
            bar.inc(events);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn a_day_is_written_in_one_way() {
        assert_eq!(day("1970-01-02"), Ok(1));
        assert_eq!(day("2026-03-02"), Ok(20_514));
        for text in ["", "2026-3-2", "1969-12-31", "2149-06-07", "2026-02-30", "02.03.2026", "2026-03-02 "] {
            assert!(day(text).is_err(), "{text}");
        }
    }
}
