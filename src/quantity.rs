//! Sizes, rates and times as integers, in the forms that Kubernetes and people write them.
//! Knows nothing of what they measure.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod day;

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Visitor},
};

pub use self::day::Day;

/// Thousandths of a CPU: `250m` is 250, `2` is 2000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MilliCpu(pub u64);

/// `1 place`, `3 places`.
pub fn counted<N: fmt::Display + PartialEq + From<u8>>(n: N, what: &str) -> String {
    let ending = if n == N::from(1) { "" } else { "s" };
    format!("{n} {what}{ending}")
}

/// Bytes: `512Mi`, `1.5GB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// How the word for a bad duration ends.
pub(crate) const NO_DURATION: &str = "is not a duration such as 15ms, 5m or 36h";

/// A time in microseconds: `15ms`, `5m`, `36h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

/// Bits a second: `100M`, `1.5G`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRate(pub u64);

/// Hundredths of a percent, 0..=10000: `10%`, `2.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(pub u16);

/// CPU, memory and GPUs, of a pod or of a node. `None` of something is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Thousandths of a CPU.
    pub milli_cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// GPUs (`nvidia.com/gpu` and its kin).
    pub gpus: u64,
    /// Pods: 1 for a pod, the kubelet's limit for a node.
    pub pods: u64,
}

/// Number and suffix, scaled by 1000 so that `m` and three decimals are exact; rounded up below that,
/// as Kubernetes rounds quantities.
fn milli(text: &str, extra: &[(&str, u128)]) -> Option<u128> {
    const SUFFIXES: [(&str, u128); 14] = [
        ("m", 1),
        ("", 1_000),
        ("k", 1_000_000),
        ("M", 1_000_000_000),
        ("G", 1_000_000_000_000),
        ("T", 1_000_000_000_000_000),
        ("P", 1_000_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000_000),
        ("Ki", 1_000 << 10),
        ("Mi", 1_000 << 20),
        ("Gi", 1_000 << 30),
        ("Ti", 1_000 << 40),
        ("Pi", 1_000 << 50),
        ("Ei", 1_000 << 60),
    ];
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && decimals.is_empty() || decimals.contains('.') || number.len() > 24 {
        return None;
    }
    let digits: u128 = format!("0{whole}{decimals}").parse().ok()?;
    let tens = 10_u128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let unit = match suffix.strip_prefix(['e', 'E']).and_then(|e| e.parse::<u32>().ok()) {
        // Kubernetes' decimal exponent form, `2e3`.
        Some(exponent) => 1_000_u128.checked_mul(10_u128.checked_pow(exponent)?)?,
        None => SUFFIXES.iter().chain(extra).find(|(s, _)| *s == suffix)?.1,
    };
    Some(digits.checked_mul(unit)?.div_ceil(tens))
}

impl MilliCpu {
    /// Parses a Kubernetes CPU quantity.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        milli(text, &[])
            .and_then(|m| u64::try_from(m).ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a CPU quantity such as 250m or 2"))
    }
}

impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl Bytes {
    /// Parses a Kubernetes memory quantity; decimal units may also be written `kB`, `MB`, `GB`, `TB`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        const BYTE_UNITS: [(&str, u128); 9] = [
            ("B", 1_000),
            ("kB", 1_000_000),
            ("MB", 1_000_000_000),
            ("GB", 1_000_000_000_000),
            ("TB", 1_000_000_000_000_000),
            ("KiB", 1_000 << 10),
            ("MiB", 1_000 << 20),
            ("GiB", 1_000 << 30),
            ("TiB", 1_000 << 40),
        ];
        milli(text, &BYTE_UNITS)
            .and_then(|m| u64::try_from(m.div_ceil(1000)).ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a size such as 512Mi, 4Gi or 1.5GB"))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 8] = [
            (1 << 40, "Ti"),
            (1 << 30, "Gi"),
            (1 << 20, "Mi"),
            (1 << 10, "Ki"),
            (1_000_000_000_000, "T"),
            (1_000_000_000, "G"),
            (1_000_000, "M"),
            (1_000, "k"),
        ];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, suffix)) => write!(f, "{}{suffix}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl BitRate {
    /// Parses a number of bits a second with a decimal unit.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let decimal = !text.contains(['m', 'i', 'e']) && !text.contains("E");
        milli(text, &[])
            .filter(|_| decimal)
            .and_then(|m| u64::try_from(m.div_ceil(1000)).ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a number of bits a second such as 100M or 1.5G"))
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] =
            [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, suffix)) => write!(f, "{}{suffix}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Micros {
    /// Parses a duration: numbers with `us`, `ms`, `s`, `m`, `h` or `d`, one or several (`1h30m`).
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` {NO_DURATION}");
        const UNITS: [(&str, u128); 6] = [
            ("us", 1),
            ("ms", 1_000),
            ("s", 1_000_000),
            ("m", 60_000_000),
            ("h", 3_600_000_000),
            ("d", 86_400_000_000),
        ];
        let (mut rest, mut total) = (text, 0_u128);
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let scale = UNITS.iter().find(|(u, _)| *u == unit).ok_or_else(bad)?.1;
            let milli_units = milli(number, &[]).ok_or_else(bad)?;
            total += milli_units * scale / 1000;
            rest = tail;
        }
        u64::try_from(total).map(Self).map_err(|_| bad())
    }

    /// Whole seconds, rounded down.
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, suffix)) => write!(f, "{}{suffix}", self.0 / unit),
            None if self.0 == 0 => write!(f, "0ms"),
            // 20.01ms and the like.
            None => {
                let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
                write!(f, "{}ms", text.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

impl Percent {
    /// Parses `10%` or `2.5%`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.strip_suffix('%')
            .and_then(|number| milli(number.trim(), &[]))
            .filter(|m| *m <= 100_000)
            .and_then(|m| u16::try_from(m / 10).ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a percentage from 0% to 100%"))
    }

    /// `amount` less this percentage, rounded down.
    pub fn taken_from(self, amount: u64) -> u64 {
        let left = u128::from(amount) * u128::from(10_000 - self.0.min(10_000)) / 10_000;
        u64::try_from(left).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:02}", self.0 / 100, self.0 % 100);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The text of a scalar that may have been written with or without quotes.
pub(crate) fn scalar_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number or text")
        }
        fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<String, E> {
            Ok(v.to_owned())
        }
        fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<String, E> {
            Ok(v.to_string())
        }
        fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<String, E> {
            Ok(v.to_string())
        }
        fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<String, E> {
            // The shortest text that reads back as the same number is what was written, but for
            // trailing zeros.
            Ok(format!("{v}"))
        }
    }
    deserializer.deserialize_any(Text)
}

macro_rules! as_text {
    ($($type:ident: $pattern:literal, $what:literal;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&scalar_text(deserializer)?).map_err(D::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": $what,
                    "type": ["string", "number"],
                    "pattern": $pattern
                })
            }
        }
    )*};
}

as_text! {
    MilliCpu: r"^[0-9]*\.?[0-9]*([mkMGTPE]|[eE][0-9]+)?$", "CPU quantity: 250m, 2";
    Bytes: r"^[0-9]*\.?[0-9]*([mkMGTPE]|[KMGTPE]i|[kMGT]?B|[KMGT]iB|[eE][0-9]+)?$", "size: 512Mi, 4Gi, 1.5GB";
    Micros: r"^([0-9]*\.?[0-9]*(us|ms|s|m|h|d))+$", "duration: 15ms, 5m, 36h";
    BitRate: r"^[0-9]*\.?[0-9]*[kMGTP]?$", "bits a second: 100M, 1.5G";
    Percent: r"^[0-9]*\.?[0-9]*%$", "percentage: 10%";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_quantities() {
        assert_eq!(MilliCpu::parse("250m"), Ok(MilliCpu(250)));
        assert_eq!(MilliCpu::parse("1.5"), Ok(MilliCpu(1500)));
        assert_eq!(MilliCpu::parse("0.1m"), Ok(MilliCpu(1)));
        assert_eq!(Bytes::parse("1.5GB"), Ok(Bytes(1_500_000_000)));
        assert_eq!(Bytes::parse("512Mi"), Ok(Bytes(512 << 20)));
        assert_eq!(Bytes::parse("2e3"), Ok(Bytes(2000)));
        assert_eq!(Bytes::parse("100m"), Ok(Bytes(1)));
        for bad in ["", "m", "1.2.3", "4 Gi", "x", "-1", "1e99999", "99999999999999999999999Gi"] {
            assert!(Bytes::parse(bad).is_err(), "{bad}");
            assert!(MilliCpu::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(Micros::parse("15ms"), Ok(Micros(15_000)));
        assert_eq!(Micros::parse("1h30m"), Ok(Micros(5_400_000_000)));
        assert_eq!(Micros::parse("20.01ms"), Ok(Micros(20_010)));
        assert_eq!(Micros(20_010).to_string(), "20.01ms");
        assert_eq!(Micros(730 * 3_600_000_000).to_string(), "730h");
        for bad in ["", "15", "ms", "5 m", "1x", "h1"] {
            assert!(Micros::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_decimal() {
        assert_eq!(BitRate::parse("100M"), Ok(BitRate(100_000_000)));
        assert_eq!(BitRate::parse("1.5G").map(|r| r.to_string()), Ok("1500M".into()));
        for bad in ["", "100m", "1Mi", "1Mbit", "-1", "1e3", "1E"] {
            assert!(BitRate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages() {
        assert_eq!(Percent::parse("10%").map(|p| p.taken_from(2000)), Ok(1800));
        assert_eq!(Percent::parse("2.5%").map(|p| p.to_string()), Ok("2.5%".into()));
        assert!(Percent::parse("101%").is_err());
        assert!(Percent::parse("10").is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_back(n in 0_u64..u64::MAX / 1000) {
            proptest::prop_assert_eq!(Bytes::parse(&Bytes(n).to_string()), Ok(Bytes(n)));
            proptest::prop_assert_eq!(BitRate::parse(&BitRate(n).to_string()), Ok(BitRate(n)));
            proptest::prop_assert_eq!(Micros::parse(&Micros(n).to_string()), Ok(Micros(n)));
            proptest::prop_assert_eq!(MilliCpu::parse(&MilliCpu(n).to_string()), Ok(MilliCpu(n)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            let _ = (Bytes::parse(&text), Micros::parse(&text), MilliCpu::parse(&text), Percent::parse(&text));
        }
    }
}
