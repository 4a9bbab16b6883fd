//! Money as integers: millionths of a US dollar. Knows nothing of what is bought.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub, SubAssign},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// How the words for a bad price end.
pub(crate) const NO_PRICE: [&str; 4] = [
    "is not an amount in dollars such as 0.096",
    "is negative; a price is 0 or more",
    "prices have at most 6",
    "is too large for a price",
];

/// Hours in the month that prices are compared by (8760 / 12).
pub const HOURS_PER_MONTH: u64 = 730;

/// An amount in micro-dollars. Written as decimal text with at most 6 decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsd(pub i64);

impl MicroUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Parses decimal text such as `0.0416` or `73`.
    ///
    /// # Errors
    /// Says in words what is wrong: more than 6 decimals, not a number, negative, too large.
    pub fn parse(text: &str) -> Result<Self, String> {
        let [no_amount, negative, too_fine, too_large] = NO_PRICE;
        let bad = || format!("`{text}` {no_amount}");
        if text.starts_with('-') {
            return Err(format!("`{text}` {negative}"));
        }
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if whole.is_empty() && decimals.is_empty() {
            return Err(bad());
        }
        if !whole.chars().chain(decimals.chars()).all(|c| c.is_ascii_digit()) {
            return Err(bad());
        }
        if decimals.len() > 6 {
            return Err(format!("`{text}` has {} decimals; {too_fine}", decimals.len()));
        }
        let digits = format!("{whole}{decimals:0<6}");
        digits.parse().map(Self).map_err(|_| format!("`{text}` {too_large}"))
    }

    /// What a price per hour comes to over `seconds`, rounded half up.
    #[must_use]
    pub fn per_hour_over(self, seconds: u64) -> Self {
        Self(mul_div(self.0, seconds, 3600))
    }

    /// What a price per 10⁹ bytes comes to for `bytes`, rounded half up.
    #[must_use]
    pub fn per_gb_for(self, bytes: u64) -> Self {
        Self(mul_div(self.0, bytes, 1_000_000_000))
    }

    /// `n` times the amount, saturating.
    #[must_use]
    pub fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX)))
    }

    /// The amount without trailing zeros: `0.48`, `131`.
    pub fn exact(self) -> String {
        let text = format!("{}.{:06}", self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if self.0 < 0 { format!("-{text}") } else { text.to_owned() }
    }
}

/// `a * b / c`, rounded half up, saturating.
fn mul_div(a: i64, b: u64, c: u64) -> i64 {
    let (product, c) = (i128::from(a) * i128::from(b), i128::from(c));
    let rounded = (product + c / 2).div_euclid(c);
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

/// Dollars and cents with thousands apart: `$1,234.50`. Amounts below a cent keep what they have.
impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        if magnitude > 0 && magnitude < 10_000 {
            return write!(f, "{sign}${}", MicroUsd(magnitude.cast_signed()).exact());
        }
        let cents = (magnitude + 5_000) / 10_000;
        let whole = (cents / 100).to_string();
        let mut grouped = String::new();
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        write!(f, "{sign}${grouped}.{:02}", cents % 100)
    }
}

impl Add for MicroUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for MicroUsd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for MicroUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for MicroUsd {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for MicroUsd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for MicroUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.exact())
    }
}

impl<'de> Deserialize<'de> for MicroUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = crate::quantity::scalar_text(deserializer)?;
        match text.strip_prefix('-') {
            // What we wrote ourselves may be negative (a change in cost); what a user writes is
            // checked where it is used as a price.
            Some(rest) => Self::parse(rest).map(|m| Self(-m.0)).map_err(D::Error::custom),
            None => Self::parse(&text).map_err(D::Error::custom),
        }
    }
}

impl schemars::JsonSchema for MicroUsd {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MicroUsd".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "US dollars as decimal text with at most 6 decimals",
            "type": ["string", "number"],
            "pattern": r"^-?[0-9]*(\.[0-9]{1,6})?$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_read_exactly() {
        assert_eq!(MicroUsd::parse("0.4893"), Ok(MicroUsd(489_300)));
        assert_eq!(MicroUsd::parse("73"), Ok(MicroUsd(73_000_000)));
        assert_eq!(MicroUsd::parse(".05"), Ok(MicroUsd(50_000)));
        assert!(MicroUsd::parse("0.1234567").unwrap_err().contains("7 decimals"));
        for bad in ["", ".", "1e3", "1,5", "-1", "99999999999999"] {
            assert!(MicroUsd::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_are_shown_as_people_write_them() {
        assert_eq!(MicroUsd(1_234_500_000).to_string(), "$1,234.50");
        assert_eq!(MicroUsd(-48_000).to_string(), "-$0.05");
        assert_eq!(MicroUsd(1_500).to_string(), "$0.0015");
        assert_eq!(MicroUsd(0).to_string(), "$0.00");
        assert_eq!(MicroUsd(480_000).exact(), "0.48");
    }

    #[test]
    fn prices_scale_by_time_and_volume() {
        assert_eq!(MicroUsd(50_000).per_hour_over(3600), MicroUsd(50_000));
        assert_eq!(MicroUsd(50_000).per_hour_over(730 * 3600), MicroUsd(36_500_000));
        assert_eq!(MicroUsd(90_000).per_gb_for(500_000_000), MicroUsd(45_000));
    }
}
