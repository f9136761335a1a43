//! Retention: which websites have days that are too old, by their own calendars.

use chrono::{DateTime, Datelike as _};
use chrono_tz::Tz;
use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::{Erasure, Kind, open, record};
use crate::maintain::Maintainer;
use crate::migrate::MigrateError;
use crate::rows::{Day, Millis};

#[derive(Row, Deserialize)]
struct RetainedRow {
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    timezone: String,
    retention_days: u16,
    horizon: i64,
}

#[derive(Row, Deserialize)]
struct LeftoverRow {
    #[serde(with = "clickhouse::serde::uuid")]
    website_id: Uuid,
}

/// Days since 1970-01-01 at an instant, in a zone; UTC when the zone is not known.
fn local_day(timezone: &str, now: Millis) -> i64 {
    let zone = timezone.parse().unwrap_or(Tz::UTC);
    let instant = DateTime::from_timestamp_millis(now).unwrap_or_default();
    i64::from(instant.with_timezone(&zone).num_days_from_ce() - DateTime::UNIX_EPOCH.num_days_from_ce())
}

impl Maintainer {
    /// Asks for the erasure of what is older than the websites' retention at an instant; [`Maintainer::erase`] does it.
    /// Today and that many days before it stay. Returns for how many websites.
    pub async fn retain(&self, now: Millis) -> Result<usize, MigrateError> {
        let client = self.client();
        let open = open(&client).await?;
        let mut asked = 0;
        for row in client.query(include_str!("retained.sql")).fetch_all::<RetainedRow>().await? {
            if open.iter().any(|erasure| erasure.website_id == row.id && erasure.kind == Kind::Days) {
                continue;
            }
            let horizon = match row.retention_days {
                0 => 0,
                days => (local_day(&row.timezone, now) - i64::from(days)).clamp(0, i64::from(Day::MAX)),
            };
            // A retention that was prolonged lets earlier days in again.
            let is_due = horizon < row.horizon
                || horizon > 0
                    && client
                        .query(include_str!("has_older.sql"))
                        .param("website", row.id.to_string())
                        .param("horizon", horizon)
                        .fetch_one::<u64>()
                        .await?
                        > 0;
            if is_due {
                let erasure = Erasure {
                    id: Uuid::new_v4(),
                    kind: Kind::Days,
                    website_id: row.id,
                    visitor: String::new(),
                    before: horizon,
                    epoch: 0,
                };
                record(&client, &erasure, "requested").await?;
                asked += 1;
            }
        }
        for LeftoverRow { website_id } in
            client.query(include_str!("leftovers.sql")).fetch_all::<LeftoverRow>().await?
        {
            if !open.iter().any(|erasure| erasure.id == website_id) {
                let id = website_id;
                let erasure = Erasure {
                    id,
                    kind: Kind::Website,
                    website_id,
                    visitor: String::new(),
                    before: 0,
                    epoch: 0,
                };
                record(&client, &erasure, "requested").await?;
                asked += 1;
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::local_day;

    #[test]
    fn a_day_ends_at_the_websites_own_midnight() {
        let late_monday = (20_514 * 24 + 23) * 3_600_000;
        assert_eq!(local_day("UTC", late_monday), 20_514);
        assert_eq!(local_day("Europe/Helsinki", late_monday), 20_515);
        assert_eq!(local_day("America/Los_Angeles", late_monday), 20_514);
        assert_eq!(local_day("Mars/Olympus", late_monday), 20_514);
    }
}
