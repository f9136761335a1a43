//! The directory itself: opened once per process, refreshed in the background, read without waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use metrics::{Unit, describe_gauge, gauge};
use schema::store::StoreUrl;
use service::operator::Probe;
use service::secrets::UserIds;
use service::{Clock, MasterKey, Stop};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::bounds;
use crate::error::DirectoryError;
use crate::keys::{ApiKey, Sealer};
use crate::snapshot::Snapshot;
use crate::tables::{Fingerprint, Tables};

/// Accounts, users, keys and websites, over the tables of one store.
pub struct Directory {
    pub(crate) tables: Tables,
    pub(crate) sealer: Sealer,
    pub(crate) first_key: ApiKey,
    user_ids: UserIds,
    pub(crate) clock: Clock,
    /// Held during a write, so that this process never races with itself.
    pub(crate) writing: Mutex<()>,
    snapshot: ArcSwap<Snapshot>,
    /// What the snapshot was made from; held during a load, so that an older one never replaces a newer.
    loaded: Mutex<Option<Fingerprint>>,
    /// When the snapshot was last known to be what the tables say.
    confirmed: ArcSwap<Instant>,
}

impl Directory {
    /// Loads the first snapshot. The tables must be there ([`schema::migrate::up`]), and what they hold must have been
    /// sealed under this master key: with another one nothing would fit, keys' copies and salts, and nobody could tell
    /// visitors apart any more.
    pub async fn open(
        store: &StoreUrl,
        master: &MasterKey,
        clock: Clock,
    ) -> Result<Arc<Self>, DirectoryError> {
        let directory = Self {
            tables: Tables::new(store),
            sealer: Sealer::new(master),
            first_key: ApiKey::of_bits(&master.derive("the first admin's api-key")),
            user_ids: UserIds::new(master),
            clock,
            writing: Mutex::new(()),
            snapshot: ArcSwap::default(),
            loaded: Mutex::new(None),
            confirmed: ArcSwap::from_pointee(Instant::now()),
        };
        directory.refresh().await?;
        directory.refuse_other_master_key().await?;
        Ok(Arc::new(directory))
    }

    /// One copy that opens is enough: the others may be from a time when a wrong key was not refused.
    async fn refuse_other_master_key(&self) -> Result<(), DirectoryError> {
        let mut copies =
            self.tables.users().await?.into_iter().filter(|row| !row.key_sealed.is_empty()).peekable();
        if copies.peek().is_none() || copies.any(|row| self.sealer.open(&row.key_sealed, row.id).is_ok()) {
            Ok(())
        } else {
            Err(DirectoryError::OtherMasterKey)
        }
    }

    /// The visitor that a website's user is, whom the website calls by this id.
    pub fn visitor_of_user(&self, website: Uuid, user_id: &str) -> u64 {
        self.user_ids.visitor(website.as_bytes(), user_id)
    }

    /// What was last read. It does not change; ask again for something newer.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Reads the tables again if they have changed. On an error the last snapshot stays.
    pub async fn refresh(&self) -> Result<(), DirectoryError> {
        let mut loaded = self.loaded.lock().await;
        let asked = Arc::new(Instant::now());
        // Asked first: a change during the load differs from it, and is loaded next time.
        let fingerprint = self.tables.fingerprint().await?;
        if *loaded == Some(fingerprint) {
            self.confirmed.store(asked);
            return Ok(());
        }
        let (accounts, users, websites) =
            tokio::try_join!(self.tables.accounts(), self.tables.users(), self.tables.websites())?;
        self.snapshot.store(Arc::new(Snapshot::of_rows(accounts, users, websites)));
        *loaded = Some(fingerprint);
        self.confirmed.store(asked);
        Ok(())
    }

    /// How long ago the snapshot was last known to be what the tables say: at most the time between two refreshes,
    /// unless the store is away.
    pub fn age(&self) -> Duration {
        self.confirmed.load().elapsed()
    }

    /// Tells the operator the snapshot's age.
    pub fn probe(self: &Arc<Self>) -> Probe {
        describe_gauge!(
            "footfall_directory_age_seconds",
            Unit::Seconds,
            "Time since the directory's snapshot was last known to be current"
        );
        let directory = Arc::clone(self);
        Arc::new(move || gauge!("footfall_directory_age_seconds").set(directory.age().as_secs_f64()))
    }

    /// Refreshes until it is stopped, so that changes of other processes are seen within 2 s. While the store is
    /// away the last snapshot stays; each outage is logged once.
    pub async fn keep_fresh(self: Arc<Self>, stop: Stop) {
        let mut is_away = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(bounds::REFRESH_EVERY) => {}
            }
            let refreshed = tokio::select! {
                () = stop.cancelled() => return,
                refreshed = self.refresh() => refreshed,
            };
            match &refreshed {
                Ok(()) if is_away => tracing::info!("The directory can be read again."),
                Err(error) if !is_away => {
                    let cause = service::problem::chain(error);
                    tracing::warn!(cause, "The directory cannot be read; the last snapshot is kept.");
                }
                _ => {}
            }
            is_away = refreshed.is_err();
        }
    }

    /// After a write: what was written is to be seen at once. The write stands even when this fails.
    pub(crate) async fn see_own_write(&self) {
        if let Err(error) = self.refresh().await {
            let cause = service::problem::chain(&error);
            tracing::warn!(cause, "A change was written but could not be read back yet.");
        }
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}
