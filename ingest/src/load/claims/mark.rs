//! Whose turns of a batch the store has kept. Two loaders may write different ones under the token of the same batch, when
//! one of them has lost its partition and does not know it yet; the store keeps the first block of a token, and says
//! nothing.

use std::collections::{HashMap, HashSet};

use clickhouse::Row;
use schema::rows::EventClaimRow;
use serde::Deserialize;
use uuid::Uuid;

use super::turn::ALONE;
use super::{Ask, Claims, WorkerError};
use crate::enrich::event_key;

/// A day of receipt, in milliseconds: a partition of the table.
const DAY_MS: i64 = 24 * 3600 * 1000;

#[derive(Row, Deserialize)]
struct MarkRow {
    #[serde(with = "clickhouse::serde::uuid")]
    website_id: Uuid,
    day: u16,
    mark: u64,
}

impl Claims<'_> {
    /// Rows that go with a batch's turns and tell whose they are, one in each part that the store makes of them, since it
    /// keeps or drops a part as a whole: one for each website and day of receipt. Their id is the token's, which
    /// nobody can guess.
    pub(super) fn marks(&self, fresh: &[&Ask], token: &str, mark: u64) -> Vec<EventClaimRow> {
        let parts: HashMap<_, _> = fresh.iter().map(|ask| (part_of(ask), *ask)).collect();
        let event_id = event_key(token);
        let row = |ask: &Ask| EventClaimRow { event_id, kafka_offset: mark, ..self.row(ask, ALONE) };
        parts.into_values().map(row).collect()
    }

    /// Whether the turns that the store has of these events are the ones that were written with this mark.
    pub(super) async fn are_kept(&self, fresh: &[&Ask], token: &str, mark: u64) -> Result<bool, WorkerError> {
        let parts: HashSet<_> = fresh.iter().map(|ask| part_of(ask)).collect();
        let websites: HashSet<_> = parts.iter().map(|(website, _)| website.to_string()).collect();
        if parts.is_empty() {
            return Ok(true);
        }
        let look = || {
            self.client
                .query(include_str!("marks.sql"))
                .param("websites", websites.iter().collect::<Vec<_>>())
                .param("id", event_key(token))
        };
        let mut kept = HashSet::new();
        for row in self.patiently::<MarkRow>(look).await? {
            let part = (row.website_id, i64::from(row.day));
            if row.mark == mark {
                kept.insert(part);
            } else if parts.contains(&part) {
                return Ok(false);
            }
        }
        Ok(parts.is_subset(&kept))
    }
}

/// The parts that the store makes of claims: by website, where it is sharded, and by day of receipt.
fn part_of(ask: &Ask) -> (Uuid, i64) {
    (ask.website_id, ask.received_at.div_euclid(DAY_MS))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schema::store::StoreUrl;

    use service::Stop;

    use super::super::insert;
    use super::*;
    use crate::stream::journal::{Journal, JournalOptions};
    use crate::stream::{Offset, Stream};

    /// 2026-03-02 12:00 UTC.
    const NOON: i64 = 1_772_452_800_000;

    fn ask(offset: Offset, received_at: i64) -> Ask {
        let event_id = Uuid::from_u128(1 + u128::from(offset));
        Ask { website_id: Uuid::from_u128(7), event_id, offset, received_at }
    }

    /// Two loaders believe that a partition is theirs, and write other turns of the same batch.
    #[tokio::test]
    async fn a_loader_knows_whether_the_turns_of_its_batch_are_the_ones_that_it_wrote() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let engine = sandbox::testing::engine().await;
        let store = StoreUrl::parse(&engine.store_url).unwrap().with_database("claims_of_two_loaders");
        schema::migrate::up(&store).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let stream: Arc<dyn Stream> = Journal::open(JournalOptions::new(folder.path(), 1)).unwrap();
        let (client, stop) = (store.client(), Stop::new());
        let claims = Claims { client: &client, stream: &*stream, partition: 0, stop: &stop };
        // Of two days of receipt, so the store makes two parts of them.
        let asks: Vec<_> = (0..40).map(|offset| ask(offset, NOON + (offset as i64 % 2) * DAY_MS)).collect();
        let (today, all): (Vec<_>, Vec<_>) =
            (asks.iter().filter(|ask| ask.received_at == NOON).collect(), asks.iter().collect());
        let token = claims.token(&asks);
        let write = async |asks: &[&Ask], turn: u32, mark: u64| {
            let mut rows: Vec<_> = asks.iter().map(|ask| claims.row(ask, turn)).collect();
            rows.extend(claims.marks(asks, &token, mark));
            insert::insert_claims(&client, Some(&token), &rows, &stop).await.unwrap();
        };

        assert!(!claims.are_kept(&all, &token, 1).await.unwrap(), "nothing was written");
        // The one is cut off after the first part.
        write(&today, 2, 1).await;
        assert!(claims.are_kept(&today, &token, 1).await.unwrap());
        assert!(!claims.are_kept(&all, &token, 1).await.unwrap());
        // Of the other the store keeps the second part alone.
        write(&all, 3, 2).await;
        assert!(!claims.are_kept(&all, &token, 2).await.unwrap());
        assert!(!claims.are_kept(&all, &token, 1).await.unwrap());
        let turns = claims.turns(&all).await.unwrap();
        assert_eq!(turns.len(), all.len());
        assert!(asks.iter().all(|ask| turns[&ask.offset] == if ask.received_at == NOON { 2 } else { 3 }));
        // What is written again because the answer was lost is the same block.
        write(&today, 2, 1).await;
        assert!(claims.are_kept(&today, &token, 1).await.unwrap());
        stream.close().await;
    }
}
