//! One website per domain and account, although the store knows no uniqueness and several processes write.
//!
//! A claim is a row that reserves the domain. Whoever then looks and sees no other claim has won, makes the
//! website, and only afterwards lets go of the reservation. Two cannot both win: each has its row in the table
//! before it looks, so the one that looks later sees the other's.
//!
//! The earliest claim goes first: a later one yields as soon as it sees an earlier one, which waits for that.
//! Times alone would not do. A row carries the time at which its insert began and is seen when the insert has
//! ended, so a later claim may have looked, seen nothing and won before an earlier one appears. The earlier then
//! finds a website, or loses patience, and yields.

use schema::rows::WebsiteRow;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::bounds;
use crate::error::DirectoryError;
use crate::tables::{ClaimRow, RELEASED, RESERVED, Tables};

/// The right to make a website with a domain, or to give one the domain.
pub(crate) struct Claim<'a> {
    tables: &'a Tables,
    reservation: WebsiteRow,
}

impl<'a> Claim<'a> {
    /// Claims the domain of `website` in its account, under an id that no other row has but, once it is made,
    /// the new website's own.
    pub(crate) async fn take(
        tables: &'a Tables,
        website: &WebsiteRow,
        id: Uuid,
    ) -> Result<Self, DirectoryError> {
        let (account, domain) = (website.account_id, website.domain.as_str());
        if !tables.claims(account, domain).await?.is_empty() {
            return Err(DirectoryError::Duplicate);
        }
        let reservation = WebsiteRow { id, version: RESERVED, is_deleted: false, ..website.clone() };
        tables.put_website(&reservation).await?;
        let claim = Self { tables, reservation };
        let patience = Instant::now() + bounds::CLAIM_PATIENCE;
        loop {
            match judge(id, &tables.claims(account, domain).await?) {
                Verdict::Won => return Ok(claim),
                Verdict::Wait if Instant::now() < patience => sleep(bounds::CLAIM_POLL).await,
                Verdict::Wait | Verdict::Lost => {
                    claim.release().await?;
                    return Err(DirectoryError::Duplicate);
                }
            }
        }
    }

    /// Lets go of the reservation. A website that was made under its id stays.
    pub(crate) async fn release(self) -> Result<(), DirectoryError> {
        let released = WebsiteRow { version: RELEASED, is_deleted: true, ..self.reservation };
        self.tables.put_website(&released).await
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Won,
    Lost,
    Wait,
}

fn judge(id: Uuid, claims: &[ClaimRow]) -> Verdict {
    // A claim that is not there any more has lapsed.
    let Some(own) = claims.iter().find(|claim| claim.id == id) else { return Verdict::Lost };
    let goes_first =
        |claim: &ClaimRow| claim.is_website || (claim.claimed_at, claim.id) < (own.claimed_at, own.id);
    if claims.len() == 1 {
        Verdict::Won
    } else if claims.iter().filter(|claim| claim.id != id).any(goes_first) {
        Verdict::Lost
    } else {
        Verdict::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Uuid = Uuid::from_u128(5);

    fn reservation(id: u128, claimed_at: i64) -> ClaimRow {
        ClaimRow { id: Uuid::from_u128(id), claimed_at, is_website: false }
    }

    #[test]
    fn a_claim_without_rivals_wins() {
        assert_eq!(judge(OWN, &[reservation(5, 100)]), Verdict::Won);
    }

    #[test]
    fn the_earlier_claim_waits_and_the_later_yields() {
        let both = [reservation(5, 100), reservation(6, 101)];
        assert_eq!(judge(OWN, &both), Verdict::Wait);
        assert_eq!(judge(both[1].id, &both), Verdict::Lost);
    }

    #[test]
    fn claims_of_the_same_instant_are_told_apart_by_their_ids() {
        let both = [reservation(6, 100), reservation(5, 100)];
        assert_eq!(judge(OWN, &both), Verdict::Wait);
        assert_eq!(judge(both[0].id, &both), Verdict::Lost);
    }

    #[test]
    fn a_website_goes_before_every_reservation() {
        let website = ClaimRow { is_website: true, ..reservation(6, 999) };
        assert_eq!(judge(OWN, &[reservation(5, 100), website]), Verdict::Lost);
    }

    #[test]
    fn a_claim_that_lapsed_is_lost() {
        assert_eq!(judge(OWN, &[]), Verdict::Lost);
        assert_eq!(judge(OWN, &[reservation(6, 999)]), Verdict::Lost);
    }
}
