//! An erasure from its beginning to its end, under the migration lock.

use std::time::Duration;

use clickhouse::Client;
use clickhouse::query::Query;
use uuid::Uuid;

use super::remove::{Gone, letters};
use super::{Erasure, Kind, bury_orphans, open, record, visitor, visitor_hash};
use crate::audit;
use crate::epochs;
use crate::maintain::Maintainer;
use crate::migrate::MigrateError;
use crate::rollup::change::{self, Silent};
use crate::rollup::recount::{Extent, end_leftovers};
use crate::rollup::{Rollup, RollupError, tables};
use crate::rows::{AuditRow, Day};

/// How long loaders are held at most after the one who erases a visitor has shown signs of life.
const HOLD: Duration = Duration::from_secs(20);

/// How many rows have gone from where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Rows {
    events: u64,
    rollups: u64,
    dead_letters: u64,
    event_claims: u64,
}

impl Rows {
    /// The numbers as JSON.
    fn detail(self) -> String {
        let Self { events, rollups, dead_letters, event_claims } = self;
        format!(
            r#"{{"events":{events},"rollup_rows":{rollups},"dead_letters":{dead_letters},"event_claims":{event_claims}}}"#
        )
    }
}

impl Maintainer {
    /// Erases what is to be erased. Returns what is done now; nothing, when there is nothing or its time has not come: a
    /// rollup that is being built goes first, except before a whole website.
    pub async fn erase(&self) -> Result<Vec<Erasure>, MigrateError> {
        let client = self.client();
        bury_orphans(&client).await?;
        if open(&client).await?.is_empty() {
            return Ok(Vec::new());
        }
        let work = Work { client: &client, rollups: self.rollups(), patience: self.patience() };
        self.locked(work.all()).await
    }
}

struct Work<'a> {
    client: &'a Client,
    rollups: &'static [Rollup],
    patience: Duration,
}

impl Work<'_> {
    async fn all(&self) -> Result<Vec<Erasure>, RollupError> {
        let mut erasures = open(self.client).await?;
        let building =
            tables::all(self.client).await?.iter().any(|table| table.state == tables::State::Building);
        if building {
            erasures.retain(|erasure| erasure.kind == Kind::Website);
        }
        if erasures.is_empty() {
            return Ok(Vec::new());
        }
        end_leftovers(self.client).await?;
        visitor::extend(self.client, &mut erasures).await?;
        let begun_before: Vec<Uuid> =
            erasures.iter().filter(|erasure| erasure.epoch > 0).map(|erasure| erasure.id).collect();
        let is_held = erasures.iter().any(|erasure| erasure.kind == Kind::Visitor);
        let newest = epochs::current(self.client).await?.number;
        let last = erasures.iter().map(|erasure| erasure.epoch).max().unwrap_or_default();
        let is_new = is_held || last > newest || erasures.iter().any(|erasure| erasure.epoch == 0);
        let epoch = if is_new { newest + 1 } else { last };
        for erasure in erasures.iter_mut().filter(|erasure| erasure.epoch == 0) {
            erasure.epoch = epoch;
            record(self.client, erasure, "begun").await?;
        }
        let hold = if is_held { HOLD } else { Duration::ZERO };
        if is_new {
            // Only now: whoever loads under the new number finds what to drop.
            epochs::begin(self.client, epoch, hold, "erase").await?;
        }
        if !is_held {
            return self.remove(erasures, epoch, &begun_before).await;
        }
        let outcome = {
            let work = self.remove(erasures, epoch, &begun_before);
            tokio::pin!(work);
            loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    () = tokio::time::sleep(HOLD / 4) => {
                        epochs::begin(self.client, epoch, HOLD, "erase").await?;
                    }
                }
            }
        };
        epochs::release(self.client, epoch).await?;
        outcome
    }

    /// Waits for the loaders, then removes the rows.
    async fn remove(
        &self,
        erasures: Vec<Erasure>,
        epoch: u32,
        begun_before: &[Uuid],
    ) -> Result<Vec<Erasure>, RollupError> {
        epochs::wait(self.client, epoch, self.patience).await?;
        for erasure in &erasures {
            let is_resumed = begun_before.contains(&erasure.id);
            let rows = match erasure.kind {
                Kind::Website => self.website(erasure.website_id).await?,
                Kind::Days => self.days(erasure, epoch, is_resumed).await?,
                Kind::Visitor => self.visitor(erasure, epoch).await?,
            };
            record(self.client, erasure, "done").await?;
            self.audit(erasure, rows).await?;
        }
        Ok(erasures)
    }

    async fn audit(&self, erasure: &Erasure, rows: Rows) -> Result<(), RollupError> {
        let action = match erasure.kind {
            Kind::Website => "website.erased",
            Kind::Days => "website.days_erased",
            Kind::Visitor => "visitor.erased",
        };
        let subject = match erasure.kind {
            Kind::Website => String::new(),
            Kind::Days => day_text(erasure.before),
            Kind::Visitor => erasure.visitor.clone(),
        };
        tracing::info!(
            website = %erasure.website_id,
            kind = erasure.kind.as_str(),
            events = rows.events,
            rollup_rows = rows.rollups,
            "An erasure is done."
        );
        let row = AuditRow {
            at: chrono::Utc::now().timestamp_millis(),
            actor: audit::UPKEEP.to_owned(),
            action: action.to_owned(),
            account_id: Uuid::nil(),
            website_id: erasure.website_id,
            subject,
            detail: rows.detail(),
        };
        Ok(audit::record(self.client, &row).await?)
    }

    /// The names of all tables of rollups, whatever their state is.
    async fn rollup_tables(&self) -> Result<Vec<String>, RollupError> {
        Ok(tables::all(self.client).await?.into_iter().map(|table| table.name).collect())
    }

    async fn website(&self, website: Uuid) -> Result<Rows, RollupError> {
        let bind = |query: Query| query.param("website", website.to_string());
        let of_website = Gone { client: self.client, condition: "website_id = {website:UUID}", bind: &bind };
        let mut rows = Rows { events: of_website.from("events").await?, ..Rows::default() };
        for table in self.rollup_tables().await? {
            rows.rollups += of_website.from(&table).await?;
        }
        rows.event_claims = of_website.from("event_claims").await?;
        rows.dead_letters = letters(self.client, |event| event.website_id() == website).await?;
        // What the directory's earlier versions say of it and of whoever went with it.
        for (table, condition) in [
            ("websites", "id = {website:UUID} AND NOT is_deleted"),
            ("users", "NOT is_deleted AND id IN (SELECT id FROM users FINAL WHERE is_deleted)"),
            ("accounts", "NOT is_deleted AND id IN (SELECT id FROM accounts FINAL WHERE is_deleted)"),
        ] {
            Gone { client: self.client, condition, bind: &bind }.from(table).await?;
        }
        Ok(rows)
    }

    async fn days(&self, erasure: &Erasure, epoch: u32, is_resumed: bool) -> Result<Rows, RollupError> {
        let website = erasure.website_id;
        let horizon = Day::try_from(erasure.before.max(0)).unwrap_or(Day::MAX);
        let bind = |query: Query| {
            query.param("websites", vec![website.to_string()]).param("horizons", vec![horizon])
        };
        let last_day = if is_resumed {
            // It is not known any more.
            Day::MAX
        } else {
            self.client
                .query(include_str!("last_day.sql"))
                .param("website", website.to_string())
                .param("horizon", horizon)
                .fetch_one::<Day>()
                .await?
        };
        let of_events = Gone { client: self.client, condition: include_str!("days_gone.sql"), bind: &bind };
        let mut rows = Rows { events: of_events.from("events").await?, ..Rows::default() };
        let of_rollups =
            Gone { client: self.client, condition: include_str!("rollup_days_gone.sql"), bind: &bind };
        for table in self.rollup_tables().await? {
            rows.rollups += of_rollups.from(&table).await?;
        }
        if horizon > 0 && last_day >= horizon {
            let extent = Extent { from: horizon, to: last_day, website: Some(website), upto: epoch };
            self.correct(extent).await?;
        }
        Ok(rows)
    }

    async fn visitor(&self, erasure: &Erasure, epoch: u32) -> Result<Rows, RollupError> {
        let website = erasure.website_id;
        let bind = |query: Query| {
            query.param("website", website.to_string()).param("visitors", vec![erasure.visitor.clone()])
        };
        let gone = |condition| Gone { client: self.client, condition, bind: &bind };
        let of_visitor = gone(include_str!("visitor_gone.sql"));
        let mut rows = Rows {
            event_claims: gone(include_str!("claims_gone.sql")).from("event_claims").await?,
            events: of_visitor.from("events").await?,
            ..Rows::default()
        };
        rows.dead_letters = letters(self.client, |event| {
            event.website_id() == website && visitor_hash(website, event.visitor_id) == erasure.visitor
        })
        .await?;
        // Tables that nobody reads any more are corrected by nobody.
        change::prune(self.client).await?;
        let tables = self.rollup_tables().await?;
        let naming = self
            .client
            .query(include_str!("with_visitors.sql"))
            .param("tables", &tables)
            .fetch_all::<String>()
            .await?;
        for table in naming {
            rows.rollups += of_visitor.from(&table).await?;
        }
        self.correct(Extent { website: Some(website), ..Extent::all(epoch) }).await?;
        Ok(rows)
    }

    /// Makes a website's days equal to the events in all rollups.
    async fn correct(&self, extent: Extent) -> Result<(), RollupError> {
        let job = Uuid::new_v4();
        for rollup in self.rollups {
            let table = change::shown(self.client, rollup).await?;
            change::correct(self.client, rollup, &table.name, extent, job, &mut Silent).await?;
        }
        Ok(())
    }
}

/// Days since 1970-01-01 as `YYYY-MM-DD`.
fn day_text(day: i64) -> String {
    let date = chrono::NaiveDate::default().checked_add_signed(chrono::Duration::days(day));
    date.map(|date| date.to_string()).unwrap_or_default()
}
