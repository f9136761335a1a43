//! The collector: a hit is enriched, appended to the stream, and answered when the stream says that it is durable.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use directory::{Directory, Website};
use service::Problem;
use uuid::Uuid;

use crate::enrich::salts::SaltError;
use crate::enrich::{Dated, Enriched, Enricher, NoEvent, admit};
use crate::hit::Hit;
use crate::stream::{Record, Stream, StreamError};
use crate::telemetry;

/// Seconds after which a caller may try again what the stream could not take.
const RETRY_AFTER: u64 = 5;

/// How an event that was taken will count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// In every report.
    Counted,
    /// As a bot: only where bots are asked for.
    Bot,
    /// Never: the website excludes its address.
    Excluded,
    /// Never, and nothing of it is stored.
    Dropped,
}

/// Takes hits from every surface.
pub struct Collector {
    directory: Arc<Directory>,
    enricher: Enricher,
    stream: Arc<dyn Stream>,
}

impl Collector {
    /// A collector of the directory's websites that writes to this stream.
    pub fn new(directory: Arc<Directory>, enricher: Enricher, stream: Arc<dyn Stream>) -> Self {
        Self { directory, enricher, stream }
    }

    /// The directory that says which websites there are.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The stream that events go to.
    pub fn stream(&self) -> &Arc<dyn Stream> {
        &self.stream
    }

    /// A website, if there is one of this id.
    pub fn website(&self, id: Uuid) -> Option<Arc<Website>> {
        self.directory.snapshot().website(id).cloned()
    }

    /// Takes one hit. `Ok` means that it is durable.
    pub fn accept(&self, hit: Hit) -> impl Future<Output = Result<Accepted, Problem>> + Send {
        // Not in the future, which would be as large as everything that is known of an event, and is moved about.
        let taken = self.accept_all(vec![hit]);
        async { taken.await?.pop().unwrap_or_else(|| Err(Problem::internal("the stream gave no answer"))) }
    }

    /// Takes hits in order: one answer each. `Err` as a whole: nothing was appended.
    pub async fn accept_all(&self, hits: Vec<Hit>) -> Result<Vec<Result<Accepted, Problem>>, Problem> {
        let mut dated = Vec::with_capacity(hits.len());
        for hit in &hits {
            dated.push(match self.enricher.date(hit).await {
                Ok(dated) => Ok(dated),
                Err(NoEvent::Dropped(reason)) => Err(reason),
                Err(NoEvent::Salt(error)) => return Err(no_salt(error)),
            });
        }
        let (records, verdicts) = self.records(hits, dated);
        if records.is_empty() {
            return Ok(verdicts.into_iter().map(|verdict| Ok(verdict.counted())).collect());
        }
        let sizes = telemetry::sizes(&records);
        let began = Instant::now();
        let appended = self.stream.append(records).await;
        telemetry::appended(began.elapsed(), sizes.into_iter().zip(appended.iter().map(Result::is_ok)));
        let mut appended = appended.into_iter();
        Ok(verdicts
            .into_iter()
            .filter_map(|verdict| match verdict {
                // It has no record.
                Verdict::Dropped(_) => Some(Ok(verdict.counted())),
                _ => Some(appended.next()?.map(|_| verdict.counted()).map_err(not_appended)),
            })
            .collect())
    }

    /// The records of the hits that are not dropped, and a verdict for each hit.
    fn records(
        &self,
        hits: Vec<Hit>,
        dated: Vec<Result<Dated, admit::Reason>>,
    ) -> (Vec<Record>, Vec<Verdict>) {
        let mut records = Vec::with_capacity(hits.len());
        let mut verdicts = Vec::with_capacity(hits.len());
        for (hit, dated) in hits.into_iter().zip(dated) {
            let Enriched { event, partition } = match dated {
                Ok(dated) => self.enricher.event(hit, &dated),
                Err(reason) => {
                    verdicts.push(Verdict::Dropped(reason));
                    continue;
                }
            };
            records.push(Record { partition, payload: Bytes::from(event.to_bytes()) });
            verdicts.push(if event.excluded {
                Verdict::Excluded
            } else if event.is_bot() {
                Verdict::Bot { reason: event.bot_reason }
            } else {
                Verdict::Counted
            });
        }
        (records, verdicts)
    }
}

/// How an event will count once it is durable, and why; or why it is not to be.
enum Verdict {
    Counted,
    Bot { reason: String },
    Excluded,
    Dropped(admit::Reason),
}

impl Verdict {
    /// It is durable now, unless it was dropped.
    fn counted(self) -> Accepted {
        match self {
            Self::Counted => {
                telemetry::accepted();
                Accepted::Counted
            }
            Self::Bot { reason } => {
                telemetry::bot(reason);
                Accepted::Bot
            }
            Self::Excluded => {
                telemetry::excluded();
                Accepted::Excluded
            }
            Self::Dropped(reason) => {
                telemetry::dropped(reason.as_str());
                Accepted::Dropped
            }
        }
    }
}

fn no_salt(error: SaltError) -> Problem {
    Problem::Unavailable { retry_after: RETRY_AFTER, cause: Some(error.into()) }
}

fn not_appended(error: StreamError) -> Problem {
    match error {
        StreamError::TooLarge => Problem::TooLarge { limit: crate::bounds::COLLECT_BODY },
        error => Problem::Unavailable { retry_after: RETRY_AFTER, cause: Some(error.into()) },
    }
}
