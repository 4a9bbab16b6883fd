//! A day of the calendar. Knows no clock: which day it is today is said to it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A day, as days since 1970-01-01: `2026-11-09`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

/// The calendar's own: 400 years have this many days.
const ERA: i64 = 146_097;

impl Day {
    /// Parses `2026-11-09`; what follows in a timestamp such as `2026-11-09T10:00:00Z` is left away.
    ///
    /// # Errors
    /// Says that it is not a day.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a day such as 2026-11-09");
        let (date, rest) = text.split_at_checked(10).ok_or_else(bad)?;
        if !(rest.is_empty() || rest.starts_with(['T', ' '])) {
            return Err(bad());
        }
        let mut parts = date.split('-');
        let mut number = |digits: usize| -> Option<i64> {
            let part = parts.next()?;
            (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else { return Err(bad()) };
        let candidate = Self::of(year, month, day).ok_or_else(bad)?;
        // 2026-02-30 comes out as another day than it went in.
        if candidate.civil() == (year, month, day) { Ok(candidate) } else { Err(bad()) }
    }

    /// Of seconds since 1970, in UTC.
    #[must_use]
    pub fn of_seconds(seconds: i64) -> Self {
        Self(i32::try_from(seconds.div_euclid(86_400)).unwrap_or(i32::MAX))
    }

    /// How many days before `later` it is; 0 if it is not before.
    pub fn days_until(self, later: Self) -> u32 {
        u32::try_from(i64::from(later.0) - i64::from(self.0)).unwrap_or(0)
    }

    /// Days since 1970 of a civil date, with years that begin in March: leap days come last.
    fn of(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let year = if month <= 2 { year - 1 } else { year };
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = year.div_euclid(400) * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        i32::try_from(days - 719_468).ok().map(Self)
    }

    fn civil(self) -> (i64, i64, i64) {
        let days = i64::from(self.0) + 719_468;
        let of_era = days.rem_euclid(ERA);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + days.div_euclid(ERA) * 400 + i64::from(month <= 2);
        (year, month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = super::scalar_text(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl schemars::JsonSchema for Day {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"description": "A day such as 2026-11-09", "type": "string", "format": "date"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_shown() {
        for (text, days) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-11-21", 20_778), ("1969-12-31", -1)] {
            assert_eq!(Day::parse(text), Ok(Day(days)), "{text}");
            assert_eq!(Day(days).to_string(), text);
        }
        assert_eq!(Day::parse("2026-11-09T10:00:00Z"), Day::parse("2026-11-09"));
        for bad in ["", "2026-02-30", "2025-02-29", "2026-13-01", "26-1-1", "2026-11-091", "+026-01-01", "äöüäöüäöü"]
        {
            assert!(Day::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Day(5).days_until(Day(17)), 12);
        assert_eq!(Day(17).days_until(Day(5)), 0);
        assert_eq!(Day::of_seconds(86_399), Day(0));
    }

    #[test]
    fn every_day_of_a_few_centuries_comes_back() {
        for day in (-200_000..200_000).step_by(7) {
            assert_eq!(Day::parse(&Day(day).to_string()), Ok(Day(day)));
        }
    }
}
