//! Whom an erasure of one visitor is about: sessions tie an anonymous visitor's ids of neighbouring days together.

use std::collections::BTreeSet;

use clickhouse::Client;
use uuid::Uuid;

use super::{Erasure, Kind, record};

/// The hashes of all whom sessions tie to a visitor, from day to day, the visitor among them.
pub(super) async fn tied(
    client: &Client,
    website: Uuid,
    visitor: &str,
) -> Result<BTreeSet<String>, clickhouse::error::Error> {
    let mut known = BTreeSet::from([visitor.to_owned()]);
    loop {
        let found = client
            .query(include_str!("tied.sql"))
            .param("website", website.to_string())
            .param("visitors", known.iter().collect::<Vec<_>>())
            .fetch_all::<String>()
            .await?;
        let before = known.len();
        known.extend(found);
        if known.len() == before {
            return Ok(known);
        }
    }
}

/// Writes down an erasure for everybody who is tied to a visitor and has none yet.
pub(super) async fn extend(
    client: &Client,
    erasures: &mut Vec<Erasure>,
) -> Result<(), clickhouse::error::Error> {
    let asked: Vec<Erasure> =
        erasures.iter().filter(|erasure| erasure.kind == Kind::Visitor).cloned().collect();
    for erasure in asked {
        for visitor in tied(client, erasure.website_id, &erasure.visitor).await? {
            let is_known = erasures
                .iter()
                .any(|other| other.website_id == erasure.website_id && other.visitor == visitor);
            if !is_known {
                let tied = Erasure { id: Uuid::new_v4(), visitor, epoch: 0, ..erasure.clone() };
                record(client, &tied, "requested").await?;
                erasures.push(tied);
            }
        }
    }
    Ok(())
}
