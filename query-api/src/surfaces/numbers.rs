//! Exact rates of counts, rounded half away from zero.
//!
//! Binary fractions cannot hold 2.675, so nothing here is a float until it is written: a [`Decimal`] is a whole number
//! of hundredths, tenths or ones.

use std::fmt;

use serde::{Serialize, Serializer};

/// A number of so many decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// The number · 10^scale.
    units: i64,
    scale: u32,
}

impl Decimal {
    /// A whole number.
    pub const fn whole(value: i64) -> Self {
        Self { units: value, scale: 0 }
    }

    /// `numerator / denominator`, rounded to `scale` decimals. A rate over nothing is 0.
    pub fn ratio(numerator: i128, denominator: i128, scale: u32) -> Self {
        let units = numerator
            .checked_mul(10_i128.pow(scale))
            .and_then(|numerator| divide_rounding(numerator, denominator))
            .unwrap_or(0);
        let units = i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX });
        Self { units, scale }
    }

    /// `part / whole · 100`, rounded to `scale` decimals.
    pub fn percentage(part: i64, whole: i64, scale: u32) -> Self {
        Self::ratio(i128::from(part) * 100, i128::from(whole), scale)
    }

    /// The change from `previous` to this number in percent, of the numbers as they are shown, with 2 decimals; `None`
    /// when the previous one is 0. Both have the same number of decimals.
    pub fn change_pct(self, previous: Self) -> Option<Self> {
        debug_assert_eq!(self.scale, previous.scale);
        let (now, then) = (i128::from(self.units), i128::from(previous.units));
        (then != 0).then(|| Self::ratio((now - then) * 100, then, 2))
    }

    /// The number without the zeros at its end, as whole part and fraction.
    fn split(self) -> (i64, Option<f64>) {
        let ten = 10_i64.pow(self.scale);
        if self.units % ten == 0 {
            (self.units / ten, None)
        } else {
            (self.units / ten, Some(self.units as f64 / ten as f64))
        }
    }
}

/// Half away from zero; `None` over nothing.
fn divide_rounding(numerator: i128, denominator: i128) -> Option<i128> {
    if denominator == 0 {
        return None;
    }
    let (size, by) = (numerator.unsigned_abs(), denominator.unsigned_abs());
    let rounded = size / by + u128::from(size % by >= by.div_ceil(2));
    let rounded = i128::try_from(rounded).ok()?;
    Some(if (numerator < 0) == (denominator < 0) { rounded } else { -rounded })
}

impl fmt::Display for Decimal {
    /// The shortest form: `42.3`, `25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.split() {
            (_, Some(fraction)) => write!(f, "{fraction}"),
            (whole, None) => write!(f, "{whole}"),
        }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.split() {
            (_, Some(fraction)) => serializer.serialize_f64(fraction),
            (whole, None) => serializer.serialize_i64(whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ratio(numerator: i128, denominator: i128, scale: u32) -> String {
        Decimal::ratio(numerator, denominator, scale).to_string()
    }

    #[test]
    fn a_half_is_rounded_away_from_zero() {
        assert_eq!(ratio(2675, 1000, 2), "2.68");
        assert_eq!(ratio(-2675, 1000, 2), "-2.68");
        assert_eq!(ratio(1005, 1000, 2), "1.01");
        assert_eq!(ratio(1, 2, 0), "1");
        assert_eq!(ratio(-1, 2, 0), "-1");
        assert_eq!(ratio(1, 3, 2), "0.33");
        assert_eq!(ratio(-1, 3, 0), "0");
        assert_eq!(ratio(1, 2000, 1), "0");
    }

    #[test]
    fn a_rate_over_nothing_is_zero() {
        assert_eq!(ratio(5, 0, 1), "0");
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        assert_eq!(Decimal::percentage(1, 4, 1).to_string(), "25");
        assert_eq!(serde_json::to_string(&Decimal::percentage(1, 4, 1)).unwrap(), "25");
        assert_eq!(serde_json::to_string(&Decimal::percentage(423, 1000, 1)).unwrap(), "42.3");
        assert_eq!(serde_json::to_string(&Decimal::ratio(-1, 4, 2)).unwrap(), "-0.25");
    }

    #[test]
    fn the_published_changes_come_out() {
        let change =
            |now, then| Decimal::whole(now).change_pct(Decimal::whole(then)).map(|pct| pct.to_string());
        assert_eq!(change(12_450, 11_200).as_deref(), Some("11.16"));
        assert_eq!(change(9_870, 8_930).as_deref(), Some("10.53"));
        assert_eq!(change(34_200, 30_100).as_deref(), Some("13.62"));
        assert_eq!(change(185, 172).as_deref(), Some("7.56"));
        assert_eq!(change(5, 0), None);
        assert_eq!(change(0, 5).as_deref(), Some("-100"));
        let (now, then) = (Decimal::ratio(423, 10, 1), Decimal::ratio(441, 10, 1));
        assert_eq!(now.change_pct(then).map(|pct| pct.to_string()).as_deref(), Some("-4.08"));
    }

    proptest! {
        #[test]
        fn a_rounded_ratio_is_within_half_a_unit(numerator in -1_000_000_000_i128..1_000_000_000, denominator in 1_i128..1_000_000, scale in 0_u32..3) {
            let units = i128::from(Decimal::ratio(numerator, denominator, scale).units);
            let error = (units * denominator - numerator * 10_i128.pow(scale)).abs();
            prop_assert!(error * 2 <= denominator);
        }

        #[test]
        fn rounding_is_symmetric_about_zero(numerator in -1_000_000_i128..1_000_000, denominator in 1_i128..1_000) {
            let there = Decimal::ratio(numerator, denominator, 1).units;
            let back = Decimal::ratio(-numerator, denominator, 1).units;
            prop_assert_eq!(there, -back);
        }

        #[test]
        fn a_written_number_reads_back_as_itself(units in -10_000_000_i64..10_000_000, scale in 0_u32..3) {
            let written = Decimal { units, scale }.to_string();
            let read: f64 = written.parse().unwrap();
            prop_assert_eq!((read * 10_f64.powi(scale as i32)).round() as i64, units);
        }
    }
}
