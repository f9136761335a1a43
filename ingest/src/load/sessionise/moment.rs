//! A moment in fewer bytes than a number has.

/// The latest moment that there is; the earliest is as far before 1970. Records with other ones are refused long before.
const LATEST: i64 = (1 << 47) - 1;

/// Milliseconds since 1970, of which 48 bits reach over four thousand years.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moment([u8; 6]);

impl Moment {
    pub(super) fn of(milliseconds: i64) -> Self {
        let mut bytes = [0; 6];
        bytes.copy_from_slice(&milliseconds.clamp(-LATEST, LATEST).to_le_bytes()[..6]);
        Self(bytes)
    }

    pub(super) fn milliseconds(self) -> i64 {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0);
        // Shifted up and down again, its highest bit is the sign.
        i64::from_le_bytes(bytes) >> 16
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moment_is_what_it_was(milliseconds in -LATEST..=LATEST) {
            prop_assert_eq!(Moment::of(milliseconds).milliseconds(), milliseconds);
        }
    }

    #[test]
    fn the_ends_of_time_are_moments() {
        for milliseconds in [0, -1, 1, LATEST, -LATEST] {
            assert_eq!(Moment::of(milliseconds).milliseconds(), milliseconds);
        }
        assert_eq!(Moment::of(i64::MAX).milliseconds(), LATEST);
        assert_eq!(Moment::of(i64::MIN).milliseconds(), -LATEST);
    }
}
