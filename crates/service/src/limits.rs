//! Rate limits by key, with bounded memory.
//!
//! The engine is `governor`'s (the one inside tower-governor), called directly: the keys of the surfaces (a website
//! and an address, an API key) are known only after the body or the directory has been read, which is later than a
//! tower layer runs.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::config::Rate;
use crate::problem::Problem;

/// Idle keys are forgotten after this many checks, so the table holds no more than the keys of a few periods.
const SWEEP_EVERY: u32 = 4096;

/// Counts requests per key: a burst of the whole allowance is taken at once, then it refills evenly.
pub struct Limiter<K: Hash + Eq + Clone> {
    inner: Option<DefaultKeyedRateLimiter<K>>,
    checks: AtomicU32,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// A limiter of the given rate.
    pub fn new(rate: Rate) -> Self {
        let inner = match rate {
            Rate::Off => None,
            Rate::Limited { requests, per } => NonZeroU32::new(requests)
                .and_then(|burst| Some(Quota::with_period(per / requests)?.allow_burst(burst)))
                .map(DefaultKeyedRateLimiter::keyed),
        };
        Self { inner, checks: AtomicU32::new(0) }
    }

    /// Takes one request of `key`, or says when the next is taken.
    pub fn check(&self, key: &K) -> Result<(), Problem> {
        let Some(inner) = &self.inner else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            inner.retain_recent();
            inner.shrink_to_fit();
        }
        inner.check_key(key).map_err(|denied| {
            let wait = denied.wait_time_from(DefaultClock::default().now());
            Problem::RateLimited { retry_after: wait.as_millis().div_ceil(1000).max(1) as u64 }
        })
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
    fn off_is_off() {
        let limiter = Limiter::new(Rate::Off);
        for _ in 0..1000 {
            limiter.check(&1).unwrap();
        }
    }
}
