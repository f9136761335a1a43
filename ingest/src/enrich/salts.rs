//! The salts of the visitor hash: 128 random bits per calendar day, shared by all collectors through the store, kept
//! for 48 hours, then destroyed. After that no stored value can be linked to an address.
//!
//! A day's salt is claimed by an insert and a read-back: the earliest claim wins, so collectors that start at once
//! agree. The bytes are sealed under the master key, so that a copy of the database alone opens nothing.

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
use zeroize::Zeroizing;

/// How long a salt is kept after it was made.
const KEPT_MS: i64 = 48 * HOUR_MS;

/// The last place on earth ends a calendar day 36 hours after it began in UTC; a session may reach 30 minutes further.
const DAY_ENDS_AFTER_MS: i64 = 37 * HOUR_MS;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How often coming days are prepared and old salts destroyed.
const TEND_EVERY: Duration = Duration::from_mins(5);

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

#[derive(Row, Deserialize)]
struct SaltRow {
    salt: String,
    destroy_at: u32,
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
        if let Some(salt) = self.in_memory(day) {
            return Ok(salt);
        }
        let _one_at_a_time = self.claiming.lock().await;
        if let Some(salt) = self.in_memory(day) {
            return Ok(salt);
        }
        let row = match self.stored(day).await? {
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
            let today = (self.clock.now() / DAY_MS) as i32;
            for day in today - 1..=today + 1 {
                if let Err(error) = self.of(day).await {
                    tracing::warn!(error = %service::problem::chain(&error), "A day's salt could not be prepared.");
                }
            }
            if let Err(error) = self.destroy_old().await {
                tracing::warn!(%error, "Old salts could not be destroyed; it is tried again.");
            }
            tokio::select! {
                () = tokio::time::sleep(TEND_EVERY) => {}
                () = stop.cancelled() => return,
            }
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

    /// The earliest claim of a day that is still alive.
    async fn stored(&self, day: i32) -> Result<Option<SaltRow>, clickhouse::error::Error> {
        self.client
            .query(
                "SELECT salt, destroy_at FROM salts
                 WHERE day = toDate({day:UInt16}) AND destroy_at > fromUnixTimestamp({now:Int64})
                 ORDER BY claimed_at, claim LIMIT 1",
            )
            .param("day", day)
            .param("now", self.clock.now() / 1000)
            .fetch_optional::<SaltRow>()
            .await
    }

    /// Claims a day with a new salt and reads back whose claim was first.
    async fn claim(&self, day: i32) -> Result<SaltRow, SaltError> {
        let mut salt = Zeroizing::new([0; 16]);
        getrandom::fill(salt.as_mut_slice()).map_err(|_| SaltError::Random)?;
        let now = self.clock.now();
        let destroy_at = (now + KEPT_MS).max(i64::from(day) * DAY_MS + DAY_ENDS_AFTER_MS);
        self.client
            .query(
                "INSERT INTO salts (day, salt, claim, destroy_at)
                 VALUES (toDate({day:UInt16}), {salt:String}, {claim:UUID}, fromUnixTimestamp({destroy_at:Int64}))",
            )
            .param("day", day)
            .param("salt", self.seal(&salt)?)
            .param("claim", uuid::Uuid::new_v4().to_string())
            .param("destroy_at", destroy_at.div_euclid(1000))
            .execute()
            .await?;
        self.stored(day).await?.ok_or(SaltError::Store(clickhouse::error::Error::RowNotFound))
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
