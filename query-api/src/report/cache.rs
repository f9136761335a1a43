//! The snapshot cache: answers that are kept as long as nothing that they were counted from has changed.
//!
//! **What it promises.** An answer from here is what the store would say now. It is kept under the whole question as it
//! was resolved (website, days, zone, bots, filters, metrics or steps, page), the table that it is asked of, and
//! the mark of what that table holds of its days (`marks`). The mark is read for every question, and before the store is
//! asked: a change in between leaves an answer under a mark that nobody has again, and never an old answer under a
//! new one.
//!
//! **What it costs.** To read the mark takes about as long as to ask a rollup for a month of one website: with 40 parts
//! 3.3 ms, where an empty query takes 0.8 ms, that month as a series 4.4 ms, its pages 5.3 ms, and a funnel over 400,000
//! events 12 ms. So only questions that cost more are kept (`is_worth_it`). An insert makes misses of all questions that
//! reach into its days; on a busy installation mostly those hit that end before today, and those that many ask at once.
//!
//! Equal questions that come while one is being answered wait for its answer. Each asks for itself when that one fails or
//! its caller goes away, so a caller who is alone takes the query along. What happens just now is never kept.

mod asked;
mod marks;
mod size;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use quick_cache::sync::{Cache as Entries, DefaultLifecycle, GuardResult, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use schema::store::StoreUrl;

use crate::report::ReportError;
use crate::report::period::days_since_epoch;
use crate::report::plan::{IDENTIFIED, Source};
use crate::report::ready::Chosen;
use crate::report::scope::Scope;
use marks::{EVENTS, Marks};

pub(crate) use asked::{Asked, Keepable, text_bytes};
pub use size::CacheSize;

/// A rollup answers about so many days of a website in the time that it takes to read the mark.
const SHORT_DAYS: i64 = 31;

/// What an entry takes beside its texts and lists: the key, its links and the fixed parts of the answer.
const ENTRY_BYTES: u64 = 512;

/// What an answer has on average: a page of a list.
const TYPICAL_BYTES: u64 = 4096;

/// Whether an answer was kept from an earlier question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It was, and it is what the store would say now.
    Hit,
    /// It was not; it may be kept for the next one.
    Miss,
    /// Such questions are always asked of the store.
    Off,
}

impl Kept {
    /// The word for headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Off => "off",
        }
    }

    /// The word for an answer that is made of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Miss }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    asked: Asked,
    source: Source,
    mark: u128,
}

/// An answer. The question decides on its type, so every answer under a key is of the same.
#[derive(Clone)]
struct Entry {
    answer: Arc<dyn Any + Send + Sync>,
    bytes: u64,
}

impl Entry {
    fn of<T: Keepable>(answer: &T) -> Self {
        Self { bytes: answer.bytes(), answer: Arc::new(answer.clone()) }
    }

    fn get<T: Keepable>(&self) -> Option<T> {
        self.answer.downcast_ref::<T>().cloned()
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Entry> for Bytes {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        ENTRY_BYTES + key.asked.bytes() + entry.bytes
    }
}

type Guard<'c> = PlaceholderGuard<'c, Key, Entry, Bytes, DefaultHashBuilder, DefaultLifecycle<Key, Entry>>;

/// Answers, and what they were counted from.
pub(crate) struct Cache {
    entries: Entries<Key, Entry, Bytes>,
    marks: Marks,
}

impl Cache {
    /// An empty cache for answers of a store; `None` when nothing is to be kept.
    pub(crate) fn new(store: &StoreUrl, size: CacheSize) -> Option<Self> {
        describe();
        let CacheSize(bytes @ 1..) = size else { return None };
        let options = OptionsBuilder::new()
            // One bound for all; beside a question to the store the lock is nothing.
            .shards(1)
            .weight_capacity(bytes)
            .estimated_items_capacity(usize::try_from(bytes / TYPICAL_BYTES).unwrap_or(usize::MAX).max(1))
            .build()
            .ok()?;
        let entries =
            Entries::with_options(options, Bytes, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Some(Self { entries, marks: Marks::new(store) })
    }

    /// The kept answer, else the store's, which is kept.
    pub(crate) async fn answer<T: Keepable>(
        &self,
        asked: Asked,
        chosen: &Chosen,
        ask: impl Future<Output = Result<T, ReportError>>,
    ) -> Result<(T, Kept), ReportError> {
        let Some(mark) = self.mark(&asked, chosen).await else { return Ok((ask.await?, Kept::Off)) };
        self.under(&Key { asked, source: chosen.source, mark }, ask).await
    }

    /// The answer under a key.
    async fn under<T: Keepable>(
        &self,
        key: &Key,
        ask: impl Future<Output = Result<T, ReportError>>,
    ) -> Result<(T, Kept), ReportError> {
        match self.find(key).await {
            Ok(entry) => {
                if let Some(answer) = entry.get() {
                    counter!("footfall_cache_hits_total").increment(1);
                    return Ok((answer, Kept::Hit));
                }
                Ok((ask.await?, Kept::Miss))
            }
            Err(guard) => {
                counter!("footfall_cache_misses_total").increment(1);
                let answer = ask.await?;
                if let Some(guard) = guard {
                    // Refused only when the entry is gone by now, which it may be.
                    let _ = guard.insert(Entry::of(&answer));
                    gauge!("footfall_cache_bytes").set(self.entries.weight() as f64);
                }
                Ok((answer, Kept::Miss))
            }
        }
    }

    /// The entry; else the duty to fill it in, or nothing when somebody who had it could not.
    async fn find(&self, key: &Key) -> Result<Entry, Option<Guard<'_>>> {
        match self.entries.get_value_or_guard(key, Some(Duration::ZERO)) {
            GuardResult::Value(entry) => Ok(entry),
            GuardResult::Guard(guard) => Err(Some(guard)),
            // Who waited in vain asks for himself: waiting in turn for a question that fails would take all of their times.
            GuardResult::Timeout => self.entries.get_value_or_guard_async(key).await.map_err(|_| None),
        }
    }

    /// The mark of what a question reads; `None` where nobody can tell.
    async fn mark(&self, asked: &Asked, chosen: &Chosen) -> Option<u128> {
        let pieces = match self.marks.now().await {
            Ok(pieces) => pieces,
            Err(error) => {
                tracing::warn!(%error, "The store did not say what it holds; the answer is not kept.");
                return None;
            }
        };
        let first = days_since_epoch(asked.scope().first_day_read());
        let Some(rollup) = chosen.source.rollup() else {
            // Sessions are followed to whatever day they go on.
            return pieces.mark(&[EVENTS], first, u16::MAX);
        };
        let identified = (chosen.source == Source::SiteTotals).then_some(IDENTIFIED);
        let tables = [rollup].into_iter().chain(identified).map(|rollup| chosen.tables.of(rollup));
        pieces.mark(&tables.collect::<Option<Vec<_>>>()?, first, days_since_epoch(asked.scope().days.end()))
    }
}

/// Whether a question costs more than to look whether its answer has changed.
pub(crate) fn is_worth_it(scope: &Scope, source: Source) -> bool {
    source.rollup().is_none() || scope.days.count() > SHORT_DAYS
}

/// Gives every metric its help.
fn describe() {
    describe_counter!("footfall_cache_hits_total", Unit::Count, "Questions answered from kept answers");
    describe_counter!(
        "footfall_cache_misses_total",
        Unit::Count,
        "Questions whose answers could be kept, and were asked of the store"
    );
    describe_gauge!("footfall_cache_bytes", Unit::Bytes, "Bytes of kept answers, about");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::report::Funnel;

    fn cache(bytes: u64) -> Cache {
        // Nobody asks it here.
        Cache::new(&"http://127.0.0.1:9/nowhere".parse().unwrap(), CacheSize(bytes)).unwrap()
    }

    fn key(mark: u128) -> Key {
        let day = "2026-03-01".parse().unwrap();
        let scope = Scope::new(uuid::Uuid::nil(), crate::report::Days::between(day, day).unwrap());
        let funnel = Funnel::new(vec!["/a".into(), "/b".into()]).unwrap();
        Key { asked: Asked::Funnel(scope, funnel), source: Source::PartOfEvents, mark }
    }

    /// How often a question was asked, and a gate before the answer.
    struct Store {
        asked: AtomicUsize,
        open: Semaphore,
    }

    impl Store {
        fn new() -> Arc<Self> {
            Arc::new(Self { asked: AtomicUsize::new(0), open: Semaphore::new(0) })
        }

        /// Asks through a cache, in a task of its own; the answer is how often the store was asked by then.
        fn ask(
            self: &Arc<Self>,
            cache: &Arc<Cache>,
            fails: bool,
        ) -> JoinHandle<Result<(Vec<i64>, Kept), ReportError>> {
            let (store, cache) = (Arc::clone(self), Arc::clone(cache));
            tokio::spawn(async move {
                let ask = async {
                    let count = store.asked.fetch_add(1, Ordering::SeqCst) + 1;
                    store.open.acquire().await.unwrap().forget();
                    if fails { Err(ReportError::Unanswerable) } else { Ok(vec![count as i64]) }
                };
                cache.under(&key(1), ask).await
            })
        }

        async fn was_asked(&self, count: usize) {
            while self.asked.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
            // Whoever else wanted to ask has had every chance.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(self.asked.load(Ordering::SeqCst), count);
        }
    }

    #[tokio::test]
    async fn equal_questions_at_once_are_asked_once() {
        let (cache, store) = (Arc::new(cache(1 << 20)), Store::new());
        let first = store.ask(&cache, false);
        store.was_asked(1).await;
        let others: Vec<_> = (0..5).map(|_| store.ask(&cache, false)).collect();
        store.was_asked(1).await;
        store.open.add_permits(1);
        assert_eq!(first.await.unwrap().unwrap(), (vec![1], Kept::Miss));
        for other in others {
            assert_eq!(other.await.unwrap().unwrap(), (vec![1], Kept::Hit));
        }
        // Another mark is another key.
        let answer = cache.under(&key(2), async { Ok(vec![9]) }).await.unwrap();
        assert_eq!(answer, (vec![9], Kept::Miss));
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_others_to_ask() {
        let (cache, store) = (Arc::new(cache(1 << 20)), Store::new());
        let first = store.ask(&cache, false);
        store.was_asked(1).await;
        let other = store.ask(&cache, false);
        store.was_asked(1).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        store.was_asked(2).await;
        store.open.add_permits(1);
        assert_eq!(other.await.unwrap().unwrap(), (vec![2], Kept::Miss));
    }

    #[tokio::test]
    async fn a_failure_is_nobody_elses_and_is_not_kept() {
        let (cache, store) = (Arc::new(cache(1 << 20)), Store::new());
        let first = store.ask(&cache, true);
        store.was_asked(1).await;
        let others: Vec<_> = (0..3).map(|_| store.ask(&cache, false)).collect();
        store.was_asked(1).await;
        store.open.add_permits(1);
        assert!(first.await.unwrap().is_err());
        // All at once, not one after the other's failure.
        store.was_asked(4).await;
        store.open.add_permits(3);
        for other in others {
            assert_eq!(other.await.unwrap().unwrap().1, Kept::Miss);
        }
        assert_eq!(cache.under(&key(1), async { Ok(vec![7]) }).await.unwrap(), (vec![7], Kept::Miss));
        assert_eq!(cache.under(&key(1), async { Ok(vec![8]) }).await.unwrap(), (vec![7], Kept::Hit));
    }

    #[tokio::test]
    async fn it_takes_no_more_memory_than_it_may() {
        const SIZE: u64 = 64 << 10;
        let cache = cache(SIZE);
        for mark in 0..200 {
            // Each is 8 KiB, the last is larger than all of it.
            let numbers = if mark == 199 { SIZE as usize } else { 1024 };
            let (answer, _) = cache.under(&key(mark), async { Ok(vec![3; numbers]) }).await.unwrap();
            assert_eq!(answer.len(), numbers);
            assert!(cache.entries.weight() <= SIZE, "{}", cache.entries.weight());
        }
        assert!(cache.entries.len() >= 4, "it keeps what it can: {}", cache.entries.len());
    }

    #[test]
    fn an_answer_of_two_is_a_hit_when_both_are() {
        assert_eq!(Kept::Hit.and(Kept::Hit), Kept::Hit);
        assert_eq!(Kept::Hit.and(Kept::Miss), Kept::Miss);
        assert_eq!(Kept::Off.and(Kept::Off), Kept::Off);
    }
}
