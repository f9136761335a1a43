//! A set of event ids. A day of a busy website has millions, so they lie side by side, without the room that a hash table keeps
//! free.

use std::hash::{BuildHasher as _, RandomState};

/// Ids of a bucket, on average, at which buckets are split in two.
const FULL: usize = 128;

/// A bucket has room for a multiple of so many: 256 bytes, which is how far apart the allocator's sizes are here.
const ROOM: usize = 16;

/// A set of 128-bit numbers.
#[derive(Debug)]
pub(super) struct Ids {
    /// What ids are multiplied by: odd, so that none is lost, and not known to whoever chooses ids.
    stir: u128,
    /// By the product's first bits, as many as there are buckets; each in order. A power of two.
    buckets: Vec<Vec<u128>>,
    len: usize,
}

impl Default for Ids {
    fn default() -> Self {
        let random = RandomState::new();
        let stir = u128::from(random.hash_one(0)) << 64 | u128::from(random.hash_one(1)) | 1;
        Self { stir, buckets: vec![Vec::new()], len: 0 }
    }
}

impl Ids {
    pub(super) fn contains(&self, id: u128) -> bool {
        let stirred = id.wrapping_mul(self.stir);
        self.buckets[self.bucket(stirred)].binary_search(&stirred).is_ok()
    }

    /// False when it was there.
    pub(super) fn insert(&mut self, id: u128) -> bool {
        let stirred = id.wrapping_mul(self.stir);
        let bucket = self.bucket(stirred);
        let bucket = &mut self.buckets[bucket];
        let Err(at) = bucket.binary_search(&stirred) else { return false };
        if bucket.len() == bucket.capacity() {
            bucket.reserve_exact(ROOM);
        }
        bucket.insert(at, stirred);
        self.len += 1;
        if self.len > self.buckets.len() * FULL {
            self.split();
        }
        true
    }

    fn bucket(&self, stirred: u128) -> usize {
        // One bucket has no bits, and a shift by all of them is none.
        stirred.checked_shr(128 - self.buckets.len().trailing_zeros()).unwrap_or(0) as usize
    }

    fn split(&mut self) {
        let half = 127 - self.buckets.len().trailing_zeros();
        let mut halves = Vec::with_capacity(self.buckets.len() * 2);
        for bucket in std::mem::take(&mut self.buckets) {
            let (low, high) = bucket.split_at(bucket.partition_point(|stirred| stirred >> half & 1 == 0));
            halves.extend([with_room(low), with_room(high)]);
        }
        self.buckets = halves;
    }
}

fn with_room(ids: &[u128]) -> Vec<u128> {
    let mut bucket = Vec::with_capacity(ids.len().next_multiple_of(ROOM));
    bucket.extend_from_slice(ids);
    bucket
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_id_is_there_once_whatever_it_is_like() {
        let (mut ids, mut expected) = (Ids::default(), HashSet::new());
        let alike =
            (0..2_000_u128).flat_map(|number| [number, number << 100, number << 64, u128::MAX - number]);
        for id in alike {
            assert!(!ids.contains(id) || expected.contains(&id));
            assert_eq!(ids.insert(id), expected.insert(id), "{id}");
            assert!(ids.contains(id));
            assert!(!ids.insert(id));
        }
        assert!(ids.buckets.len() >= 32, "{} buckets", ids.buckets.len());
        assert_eq!(ids.len, expected.len());
        assert!(expected.iter().all(|id| ids.contains(*id)));
        assert!(!ids.contains(1 << 90));
    }
}
