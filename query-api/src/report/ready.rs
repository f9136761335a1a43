//! Which rollups can be asked, and which tables they are in: while one is being built, in a new version or for the first
//! time, the events answer.

use std::sync::Arc;

use clickhouse::Client;
use clickhouse::query::Query;
use schema::rollup::ROLLUPS;
use schema::rollup::tables::{self, KNOWN_FOR};
use schema::store::StoreUrl;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::report::plan::Source;
use crate::report::scope::Scope;
use crate::report::sql::{Reader, Sql};

/// The rollups that are whole, in the version of this release, each with the name of its table. A table that is named is
/// planned in two thirds of the time that its rollup's view takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables(Arc<[(&'static str, String)]>);

impl Tables {
    /// The table of a rollup; `None`: the rollup cannot be asked now.
    pub(crate) fn of(&self, rollup: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == rollup).map(|(_, table)| table.as_str())
    }
}

/// What was chosen to answer a question.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// The table.
    pub(crate) source: Source,
    /// Whether some of a website's rows are picked: by a filter, or by their page.
    pub(crate) picks: bool,
    /// What the tables of rollups were called when it was chosen.
    pub(crate) tables: Tables,
}

impl Chosen {
    /// The events, or some of them: what no rollup answers.
    pub(crate) fn events() -> Self {
        Self { source: Source::PartOfEvents, picks: true, tables: Tables::default() }
    }

    /// A query about a scope over what was chosen, which the text calls `{table:Identifier}` where it is a rollup.
    pub(crate) fn ask(&self, text: &Sql, scope: &Scope, reader: &Reader) -> Query {
        let query = scope.bind(text.ask(reader));
        let Some(rollup) = self.source.rollup() else { return query };
        let query = query.param("table", self.tables.of(rollup).unwrap_or(rollup));
        // The key finds the rows of a website's days. Where all of them are wanted, it does not pay to read some columns first.
        let query = if self.picks { query } else { query.with_setting("optimize_move_to_prewhere", "0") };
        // So few rows are added up before a second thread has begun.
        if self.source.is_small() { query.with_setting("max_threads", "1") } else { query }
    }
}

/// What the store said last.
#[derive(Default)]
struct Known {
    asked_at: Option<Instant>,
    tables: Tables,
}

/// Asks the store, and remembers the answer for a while.
pub(crate) struct Ready {
    client: Client,
    known: Mutex<Known>,
}

impl Ready {
    pub(crate) fn new(store: &StoreUrl) -> Self {
        Self { client: store.client(), known: Mutex::default() }
    }

    /// The rollups that are whole, in the version of this release.
    pub(crate) async fn tables(&self) -> Tables {
        let mut known = self.known.lock().await;
        if known.asked_at.is_none_or(|at| at.elapsed() > KNOWN_FOR) {
            // What is said may have changed while it was said.
            let asked_at = Some(Instant::now());
            match tables::usable(&self.client, ROLLUPS).await {
                Ok(tables) => *known = Known { asked_at, tables: Tables(tables.into()) },
                // The question itself will tell what is wrong with the store.
                Err(error) => tracing::debug!(%error, "The store did not say which rollups are whole."),
            }
        }
        known.tables.clone()
    }
}
