//! The salts of the visitor hash: 128 random bits per calendar day, shared by all collectors through the store, kept
//! for 48 hours, then destroyed. After that no stored value can be linked to an address.
//!
//! Collectors that start at once must agree on a day's salt, although the store knows no uniqueness. So a salt is
//! claimed first: a claim is a row without a salt, and whoever then looks and sees no other claim makes the salt. Two
//! cannot both do so, since each has its row in the table before it looks. The later claim yields, the earlier one
//! waits for that. Times alone would not do: a row carries the time at which its insert began and is seen when the
//! insert has ended, so an earlier claim may appear after a later one has won.
//!
//! The bytes are sealed under the master key, so that a copy of the database alone opens nothing.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use clickhouse::{Client, Row};
use serde::Deserialize;
use service::{Clock, MasterKey, Stop};
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

/// How long a salt is kept after it was made.
const KEPT_MS: i64 = 48 * HOUR_MS;

/// The last place on earth ends a calendar day 36 hours after it began in UTC; a session may reach 30 minutes further.
const DAY_ENDS_AFTER_MS: i64 = 37 * HOUR_MS;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How often coming days are prepared and old salts destroyed.
const TEND_EVERY: Duration = Duration::from_mins(5);

/// Instead of a salt, in the row of a claim.
const CLAIMED: &str = "";

/// Instead of a salt, in the row by which a claim yields.
const YIELDED: &str = "-";

/// Whose claim is older than this has died before it made a salt. Far longer than a look and an insert take.
const LAPSED_AFTER_S: u32 = 5;

/// How often a claim that waits looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One day's salt. Not shown by `Debug`, wiped from memory when dropped.
#[derive(Clone)]
pub struct Salt(Zeroizing<[u8; 16]>);

impl Salt {
    /// The secret bits.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// A day's salt could not be had.
#[derive(Debug, Error)]
pub enum SaltError {
    /// The store did not answer.
    #[error("the salt of the day could not be read from the store")]
    Store(#[from] clickhouse::error::Error),
    /// The store's salt was sealed under another master key.
    #[error("the salt of the day cannot be opened; was the master key changed?")]
    Sealed,
    /// The system gave no random bits.
    #[error("no random bits could be had")]
    Random,
}

struct Kept {
    salt: Arc<Salt>,
    destroy_at: i64,
}

/// The salts that are alive.
pub struct Salts {
    client: Client,
    cipher: XChaCha20Poly1305,
    clock: Clock,
    kept: RwLock<HashMap<i32, Kept>>,
    claiming: tokio::sync::Mutex<()>,
}

/// A salt, a claim, or a claim's end.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
struct SaltRow {
    salt: String,
    #[serde(with = "clickhouse::serde::uuid")]
    claim: Uuid,
    destroy_at: u32,
    is_lapsed: bool,
}

impl SaltRow {
    fn is_salt(&self) -> bool {
        self.salt != CLAIMED && self.salt != YIELDED
    }
}

/// What a claim sees when it looks.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The day has its salt.
    Made(SaltRow),
    /// There is no other claim: make the salt.
    Won,
    /// There is an earlier claim.
    Yield,
    /// Another claim has not yielded yet, or has not made its salt yet.
    Wait,
    /// Nobody claims the day any more.
    Again,
}

/// Judges a claim by a day's rows, the earliest first.
fn judge(own: Uuid, rows: &[SaltRow]) -> Verdict {
    if let Some(salt) = rows.iter().find(|row| row.is_salt()) {
        return Verdict::Made(salt.clone());
    }
    let yielded = |claim: Uuid| rows.iter().any(|row| row.salt == YIELDED && row.claim == claim);
    let alive: Vec<Uuid> = rows
        .iter()
        .filter(|row| row.salt == CLAIMED && !row.is_lapsed && !yielded(row.claim))
        .map(|row| row.claim)
        .collect();
    match alive.iter().position(|claim| *claim == own) {
        Some(0) if alive.len() == 1 => Verdict::Won,
        Some(0) => Verdict::Wait,
        Some(_) => Verdict::Yield,
        None if alive.is_empty() => Verdict::Again,
        None => Verdict::Wait,
    }
}

impl Salts {
    /// The salts in the store behind `client`, sealed under the master key.
    pub fn new(client: Client, master: &MasterKey, clock: Clock) -> Arc<Self> {
        let key = Key::from(*master.derive("daily salts"));
        Arc::new(Self {
            client,
            cipher: XChaCha20Poly1305::new(&key),
            clock,
            kept: RwLock::default(),
            claiming: tokio::sync::Mutex::default(),
        })
    }

    /// The salt of a calendar day (days since 1970-01-01), made now when it has none.
    pub async fn of(&self, day: i32) -> Result<Arc<Salt>, SaltError> {
        match self.in_memory(day) {
            Some(salt) => Ok(salt),
            // Once a day; not a part of what is moved about for every event.
            None => Box::pin(self.find(day)).await,
        }
    }

    /// The salt of a day from the store, made when it has none.
    async fn find(&self, day: i32) -> Result<Arc<Salt>, SaltError> {
        let _one_at_a_time = self.claiming.lock().await;
        if let Some(salt) = self.in_memory(day) {
            return Ok(salt);
        }
        let stored = self.rows(day).await?.into_iter().find(SaltRow::is_salt);
        let row = match stored {
            Some(row) => row,
            None => self.claim(day).await?,
        };
        let salt = Arc::new(self.open(&row.salt)?);
        let kept = Kept { salt: Arc::clone(&salt), destroy_at: i64::from(row.destroy_at) * 1000 };
        if let Ok(mut salts) = self.kept.write() {
            salts.insert(day, kept);
        }
        Ok(salt)
    }

    /// Prepares the salts of the days around now and destroys old ones, until `stop` is cancelled. With them at hand a
    /// store that is away over midnight stops nobody.
    pub async fn tend(self: Arc<Self>, stop: Stop) {
        loop {
            // Wherever it is cut off it does no harm: a claim that nobody ends lapses, and what is old is destroyed next time.
            tokio::select! {
                () = self.tend_once() => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(TEND_EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn tend_once(&self) {
        let today = (self.clock.now() / DAY_MS) as i32;
        for day in today - 1..=today + 1 {
            if let Err(error) = self.of(day).await {
                tracing::warn!(error = %service::problem::chain(&error), "A day's salt could not be prepared.");
            }
        }
        if let Err(error) = self.destroy_old().await {
            tracing::warn!(%error, "Old salts could not be destroyed; it is tried again.");
        }
    }

    /// Destroys the salts whose time has come: in memory, and in the store by dropping their partitions, which removes
    /// the bytes from the disk.
    pub async fn destroy_old(&self) -> Result<(), clickhouse::error::Error> {
        let now = self.clock.now();
        if let Ok(mut kept) = self.kept.write() {
            kept.retain(|_, salt| salt.destroy_at > now);
        }
        let old = self
            .client
            .query(
                "SELECT DISTINCT _partition_id FROM salts
                 GROUP BY _partition_id HAVING max(destroy_at) <= fromUnixTimestamp({now:Int64})",
            )
            .param("now", now / 1000)
            .fetch_all::<String>()
            .await?;
        for partition in old {
            self.client
                .query("ALTER TABLE salts DROP PARTITION ID {partition:String}")
                .param("partition", partition.as_str())
                .execute()
                .await?;
            tracing::info!("Salts were destroyed: their 48 hours are over.");
        }
        Ok(())
    }

    fn in_memory(&self, day: i32) -> Option<Arc<Salt>> {
        let kept = self.kept.read().ok()?;
        kept.get(&day).filter(|kept| kept.destroy_at > self.clock.now()).map(|kept| Arc::clone(&kept.salt))
    }

    /// What the store holds of a day, the earliest first, without what is to be destroyed.
    async fn rows(&self, day: i32) -> Result<Vec<SaltRow>, clickhouse::error::Error> {
        self.client
            .query(
                "SELECT salt, claim, destroy_at, claimed_at < now64(9) - toIntervalSecond({lapsed:UInt32}) AS is_lapsed
                 FROM salts
                 WHERE day = toDate({day:UInt16}) AND destroy_at > fromUnixTimestamp({now:Int64})
                 ORDER BY claimed_at, claim",
            )
            .param("lapsed", LAPSED_AFTER_S)
            .param("day", day)
            .param("now", self.clock.now() / 1000)
            .fetch_all::<SaltRow>()
            .await
    }

    /// Claims a day until it has a salt, one's own or another's.
    async fn claim(&self, day: i32) -> Result<SaltRow, SaltError> {
        let mut own = Uuid::new_v4();
        self.put(day, own, CLAIMED).await?;
        loop {
            match judge(own, &self.rows(day).await?) {
                Verdict::Made(row) => return Ok(row),
                Verdict::Won => {
                    let mut salt = Zeroizing::new([0; 16]);
                    getrandom::fill(salt.as_mut_slice()).map_err(|_| SaltError::Random)?;
                    self.put(day, own, &self.seal(&salt)?).await?;
                }
                Verdict::Yield => self.put(day, own, YIELDED).await?,
                Verdict::Wait => tokio::time::sleep(LOOK_EVERY).await,
                Verdict::Again => {
                    own = Uuid::new_v4();
                    self.put(day, own, CLAIMED).await?;
                }
            }
        }
    }

    async fn put(&self, day: i32, claim: Uuid, salt: &str) -> Result<(), clickhouse::error::Error> {
        let destroy_at = (self.clock.now() + KEPT_MS).max(i64::from(day) * DAY_MS + DAY_ENDS_AFTER_MS);
        self.client
            .query(
                "INSERT INTO salts (day, salt, claim, destroy_at)
                 VALUES (toDate({day:UInt16}), {salt:String}, {claim:UUID}, fromUnixTimestamp({destroy_at:Int64}))",
            )
            .param("day", day)
            .param("salt", salt)
            .param("claim", claim.to_string())
            .param("destroy_at", destroy_at.div_euclid(1000))
            .execute()
            .await
    }

    fn seal(&self, salt: &[u8; 16]) -> Result<String, SaltError> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| SaltError::Random)?;
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), salt.as_slice()).map_err(|_| SaltError::Random)?;
        Ok(STANDARD.encode([nonce.as_slice(), sealed.as_slice()].concat()))
    }

    fn open(&self, text: &str) -> Result<Salt, SaltError> {
        let bytes = STANDARD.decode(text).map_err(|_| SaltError::Sealed)?;
        let (nonce, sealed) = bytes.split_first_chunk::<24>().ok_or(SaltError::Sealed)?;
        let salt = Zeroizing::new(
            self.cipher.decrypt(&XNonce::from(*nonce), sealed).map_err(|_| SaltError::Sealed)?,
        );
        Ok(Salt(Zeroizing::new(salt.as_slice().try_into().map_err(|_| SaltError::Sealed)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Uuid = Uuid::from_u128(5);
    const OTHER: Uuid = Uuid::from_u128(6);

    fn row(claim: Uuid, salt: &str) -> SaltRow {
        SaltRow { salt: salt.into(), claim, destroy_at: 0, is_lapsed: false }
    }

    fn dead(claim: Uuid) -> SaltRow {
        SaltRow { is_lapsed: true, ..row(claim, CLAIMED) }
    }

    #[test]
    fn a_claim_without_rivals_makes_the_salt() {
        assert_eq!(judge(OWN, &[row(OWN, CLAIMED)]), Verdict::Won);
        let yielded = [row(OTHER, CLAIMED), row(OWN, CLAIMED), row(OTHER, YIELDED)];
        assert_eq!(judge(OWN, &yielded), Verdict::Won);
        assert_eq!(judge(OWN, &[dead(OTHER), row(OWN, CLAIMED)]), Verdict::Won);
    }

    #[test]
    fn the_earlier_claim_waits_and_the_later_yields() {
        let claims = [row(OWN, CLAIMED), row(OTHER, CLAIMED), row(Uuid::from_u128(7), CLAIMED)];
        let verdicts = claims.each_ref().map(|claim| judge(claim.claim, &claims));
        assert_eq!(verdicts, [Verdict::Wait, Verdict::Yield, Verdict::Yield]);
    }

    #[test]
    fn who_has_yielded_waits_for_the_salt_and_claims_again_when_nobody_makes_it() {
        let yielded = [row(OWN, CLAIMED), row(OWN, YIELDED)];
        assert_eq!(judge(OWN, &[&[row(OTHER, CLAIMED)], &yielded[..]].concat()), Verdict::Wait);
        assert_eq!(judge(OWN, &[&[dead(OTHER)], &yielded[..]].concat()), Verdict::Again);
        assert_eq!(judge(OWN, &[dead(OWN)]), Verdict::Again, "one's own claim lapses too");
    }

    #[test]
    fn the_first_salt_is_the_days() {
        let rows = [row(OTHER, CLAIMED), row(OWN, CLAIMED), row(OTHER, "first"), row(OWN, "second")];
        assert_eq!(judge(OWN, &rows), Verdict::Made(rows[2].clone()));
    }
}
