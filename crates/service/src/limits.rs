//! Rate limits by key, with bounded memory.
//!
//! The engine is `governor`'s (the one inside tower-governor), called directly: the keys of the surfaces (a website
//! and an address, an API key) are known only after the body or the directory has been read, which is later than a
//! tower layer runs.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::config::Rate;
use crate::problem::Problem;

/// Idle keys are forgotten after this many checks, so the table holds no more than the keys of a few periods.
const SWEEP_EVERY: u32 = 4096;

type Engine<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// What is left of a key's allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests in a whole allowance.
    pub limit: u32,
    /// Requests that would be taken now.
    pub remaining: u32,
    /// Seconds until the allowance is whole again, when nothing more is asked.
    pub whole_in: u64,
}

/// Counts requests per key: a burst of the whole allowance is taken at once, then it refills evenly.
pub struct Limiter<K: Hash + Eq + Clone> {
    inner: Option<Limited<K>>,
    checks: AtomicU32,
}

struct Limited<K: Hash + Eq + Clone> {
    engine: Engine<K>,
    requests: u32,
    per: Duration,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// A limiter of the given rate.
    pub fn new(rate: Rate) -> Self {
        let inner = match rate {
            Rate::Off => None,
            Rate::Limited { requests, per } => NonZeroU32::new(requests)
                .and_then(|burst| Some(Quota::with_period(per / requests)?.allow_burst(burst)))
                .map(|quota| Limited { engine: RateLimiter::keyed(quota).with_middleware(), requests, per }),
        };
        Self { inner, checks: AtomicU32::new(0) }
    }

    /// Takes one request of `key`, or says when the next is taken.
    pub fn check(&self, key: &K) -> Result<(), Problem> {
        self.take(key).1
    }

    /// The same, and tells what is left afterwards; `None` when there is no limit.
    pub fn take(&self, key: &K) -> (Option<Allowance>, Result<(), Problem>) {
        let Some(inner) = &self.inner else { return (None, Ok(())) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            inner.engine.retain_recent();
            inner.engine.shrink_to_fit();
        }
        match inner.engine.check_key(key) {
            Ok(state) => (Some(inner.allowance(state.remaining_burst_capacity())), Ok(())),
            Err(denied) => {
                let wait = denied.wait_time_from(DefaultClock::default().now());
                let retry_after = wait.as_millis().div_ceil(1000).max(1) as u64;
                (Some(inner.allowance(0)), Err(Problem::RateLimited { retry_after }))
            }
        }
    }
}

impl<K: Hash + Eq + Clone> Limited<K> {
    fn allowance(&self, remaining: u32) -> Allowance {
        let used = u128::from(self.requests.saturating_sub(remaining));
        let whole_in = (self.per.as_millis() * used).div_ceil(u128::from(self.requests.max(1)) * 1000);
        Allowance { limit: self.requests, remaining, whole_in: whole_in as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_the_next_request_is_told_when_to_come_back() {
        let limiter = Limiter::new(Rate::per_seconds(10, 3600));
        for _ in 0..10 {
            limiter.check(&"ann").unwrap();
        }
        let Err(Problem::RateLimited { retry_after }) = limiter.check(&"ann") else {
            panic!("the eleventh request was taken")
        };
        assert!((1..=360).contains(&retry_after));
        limiter.check(&"bob").unwrap();
    }

    #[test]
    fn what_is_left_is_told_also_when_nothing_is() {
        let limiter = Limiter::new(Rate::per_seconds(2, 3600));
        let left = [(1, 1800), (0, 3600), (0, 3600)];
        for (remaining, whole_in) in left {
            let (allowance, _) = limiter.take(&"ann");
            assert_eq!(allowance, Some(Allowance { limit: 2, remaining, whole_in }));
        }
        assert!(limiter.take(&"ann").1.is_err());
    }

    #[test]
    fn off_is_off() {
        let limiter = Limiter::new(Rate::Off);
        for _ in 0..1000 {
            limiter.check(&1).unwrap();
        }
    }
}
