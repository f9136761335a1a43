//! How much memory kept answers may take: a setting.

use std::fmt;
use std::str::FromStr;

/// How much memory kept answers may take; 0: nothing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSize(pub(super) u64);

impl CacheSize {
    /// Nothing is kept.
    pub const OFF: Self = Self(0);
}

impl Default for CacheSize {
    /// 64 MiB: some ten thousand pages of lists.
    fn default() -> Self {
        Self(64 << 20)
    }
}

impl FromStr for CacheSize {
    type Err = &'static str;

    /// `off`, or a size: `64MiB`, `512KiB`, `1GiB`, or a number of bytes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected off, or a size such as 64MiB";
        if text == "off" {
            return Ok(Self::OFF);
        }
        let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("", 0)];
        let (digits, shift) = units
            .into_iter()
            .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))
            .ok_or(EXPECTED)?;
        // A sign is a number to the standard library.
        if !digits.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(EXPECTED);
        }
        let number: u64 = digits.parse().map_err(|_| EXPECTED)?;
        let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0);
        bytes.map(Self).ok_or(EXPECTED)
    }
}

impl fmt::Display for CacheSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::OFF { f.write_str("off") } else { write!(f, "{}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_off_or_a_number_with_a_unit() {
        for (text, bytes) in
            [("off", 0), ("1", 1), ("512KiB", 512 << 10), ("64MiB", 64 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(text.parse(), Ok(CacheSize(bytes)), "{text}");
        }
        for text in ["", "0", "0MiB", "on", "OFF", "64MB", "-1", "+1", "1.5GiB", "MiB", "99999999999GiB"] {
            assert!(text.parse::<CacheSize>().is_err(), "{text}");
        }
    }
}
