//! Decimal numbers as price files write them, exactly. Knows nothing of what they count.

use crate::money::MicroUsd;

/// Dearer than this an hour, or a gigabyte, is no price.
const MOST_MICRO: u128 = 1_000_000_000_000;
/// Digits that are kept; real price files have at most 20.
const MOST_DIGITS: usize = 34;

/// A number that is not negative: `digits` × 10^-`scale`, without zeros at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    pub(super) const ZERO: Self = Self { digits: 0, scale: 0 };
    /// 2⁻¹⁰: what a mebibyte is of a gibibyte.
    pub(super) const MIB_IN_GIB: Self = Self { digits: 9_765_625, scale: 10 };
    /// 10⁹ / 2³⁰: what a gigabyte is of a gibibyte.
    pub(super) const GB_IN_GIB: Self = Self { digits: 931_322_574_615_478_515_625, scale: 21 };

    pub(super) fn whole(n: u128) -> Self {
        Self { digits: n, scale: 0 }.short()
    }

    /// `units` and billionths.
    pub(super) fn units_and_nanos(units: u64, nanos: u32) -> Self {
        Self { digits: u128::from(units) * 1_000_000_000 + u128::from(nanos), scale: 9 }.short()
    }

    pub(super) fn of_micro(amount: MicroUsd) -> Self {
        Self { digits: u128::from(amount.0.max(0).unsigned_abs()), scale: 6 }.short()
    }

    /// Reads `0.1150000000`, `9E-05` and the like; the error says what is wrong with the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(rest) = text.strip_prefix('-') {
            // What is no number is not negative either.
            return match Self::parse(rest) {
                Ok(n) if n.digits == 0 => Ok(n),
                Ok(_) => Err("is negative"),
                Err(why) => Err(why),
            };
        }
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| "is not a number")?),
            None => (text, 0),
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{decimals}");
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("is not a number");
        }
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        let zeros = digits.len() - kept.len();
        if kept.is_empty() {
            return Ok(Self::ZERO);
        }
        if kept.len() > MOST_DIGITS || exponent.abs() > 60 {
            return Err("has more digits than any price");
        }
        // 10^scale: a negative one is zeros to the left of the point.
        let small = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let scale = small(decimals.len()) - i64::from(exponent) - small(zeros);
        let value = kept.parse::<u128>().map_err(|_| "is too large")?;
        match u32::try_from(scale) {
            Ok(scale) if scale <= 60 => Ok(Self { digits: value, scale }),
            Ok(_) => Err("has more digits than any price"),
            Err(_) => {
                let tens = u32::try_from(-scale).ok().and_then(|n| 10_u128.checked_pow(n)).ok_or("is too large")?;
                value.checked_mul(tens).map(|digits| Self { digits, scale: 0 }).ok_or("is too large")
            }
        }
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        Some(Self { digits: self.digits.checked_mul(other.digits)?, scale: self.scale + other.scale }.short())
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let at = |n: Self| 10_u128.checked_pow(scale - n.scale)?.checked_mul(n.digits);
        Some(Self { digits: at(self)?.checked_add(at(other)?)?, scale }.short())
    }

    /// As micro-dollars, rounded half up, and whether there was something to round; `None` if that is no price.
    pub(super) fn micro(self) -> Option<(MicroUsd, bool)> {
        let (micro, rounded) = self.scaled(6)?;
        let price = i64::try_from(micro).ok().filter(|_| micro <= MOST_MICRO)?;
        Some((MicroUsd(price), rounded))
    }

    /// Times 10^`places`, rounded half up to a whole number, and whether there was something to round.
    pub(super) fn scaled(self, places: u32) -> Option<(u128, bool)> {
        if self.scale <= places {
            return Some((self.digits.checked_mul(10_u128.checked_pow(places - self.scale)?)?, false));
        }
        // So small that it rounds to nothing.
        let Some(unit) = 10_u128.checked_pow(self.scale - places) else { return Some((0, true)) };
        let half = u128::from(self.digits % unit >= unit.div_ceil(2));
        Some((self.digits / unit + half, true))
    }

    fn short(mut self) -> Self {
        if self.digits == 0 {
            return Self::ZERO;
        }
        while self.scale > 0 && self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.scale -= 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micro(text: &str) -> Result<(i64, bool), &'static str> {
        Decimal::parse(text).and_then(|d| d.micro().map(|(m, r)| (m.0, r)).ok_or("is no price"))
    }

    #[test]
    fn numbers_of_price_files_become_micro_dollars() {
        for (text, want) in [
            ("0.1150000000", Ok((115_000, false))),
            ("9E-05", Ok((90, false))),
            ("1.5e+1", Ok((15_000_000, false))),
            ("0.0000005", Ok((1, true))),
            ("0.00000049999", Ok((0, true))),
            ("0.1234565", Ok((123_457, true))),
            ("0.12345649999999999999999999999", Ok((123_456, true))),
            ("1000000", Ok((1_000_000_000_000, false))),
            ("-0.0", Ok((0, false))),
            ("1000000.1", Err("is no price")),
            ("NaN", Err("is not a number")),
            ("-NaN", Err("is not a number")),
            ("Infinity", Err("is not a number")),
            ("", Err("is not a number")),
            (".", Err("is not a number")),
            ("1.2.3", Err("is not a number")),
            ("١", Err("is not a number")),
            ("1e", Err("is not a number")),
            ("1e999999999999", Err("is not a number")),
            ("-0.1", Err("is negative")),
            ("1e50", Err("is too large")),
            ("1e-99", Err("has more digits than any price")),
            ("99999999999999999999999999999999999999999999", Err("has more digits than any price")),
        ] {
            assert_eq!(micro(text), want, "{text}");
        }
    }

    #[test]
    fn sums_and_products_are_exact() {
        let d = |text: &str| Decimal::parse(text).unwrap();
        assert_eq!(d("0.1").plus(d("0.2")), Some(d("0.3")));
        assert_eq!(d("0.004237").times(d("16")), Some(d("0.067792")));
        assert_eq!(Decimal::whole(512).times(Decimal::MIB_IN_GIB), Some(d("0.5")));
        assert_eq!(Decimal::units_and_nanos(1, 40_738_000), d("1.040738"));
        assert_eq!(d("0.12").times(Decimal::GB_IN_GIB).unwrap().micro(), Some((MicroUsd(111_759), true)));
        assert_eq!(d("9e33").times(d("9e33")), None);
    }
}
