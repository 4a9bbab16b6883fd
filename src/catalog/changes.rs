//! What changed between two versions of a profile: names, old and new figures, percent.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    money::MicroUsd,
    quantity::Micros,
    spec::{LatencyProfile, ProviderProfile},
};

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Figure {
    /// US dollars, per hour or 10⁹ bytes.
    Usd(MicroUsd),
    /// A latency.
    Latency(Micros),
}

impl Figure {
    /// As text.
    pub fn text(self) -> String {
        match self {
            Self::Usd(price) => format!("${}", price.exact()),
            Self::Latency(time) => time.to_string(),
        }
    }

    fn amount(self) -> i128 {
        match self {
            Self::Usd(price) => price.0.into(),
            Self::Latency(time) => time.0.into(),
        }
    }
}

/// A figure that changed; without one side it is new or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Offering, `control plane`, `data internet up to 10240 GB`, or two places.
    pub name: String,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Figure>,
    /// After.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Figure>,
    /// By how much, in tenths of a percent; `None` for what is new, gone or was 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permille: Option<i64>,
}

impl Change {
    /// `+4.2 %`, `new`, `gone`.
    pub fn by(&self) -> String {
        match (self.before, self.after, self.permille) {
            (None, ..) => "new".into(),
            (_, None, _) => "gone".into(),
            (.., Some(n)) => {
                let sign = if n < 0 { "-" } else { "+" };
                format!("{sign}{}.{} %", n.unsigned_abs() / 10, n.unsigned_abs() % 10)
            }
            _ => String::new(),
        }
    }
}

/// Everything that a profile prices, by name.
pub fn figures(profile: &ProviderProfile) -> BTreeMap<String, Figure> {
    let mut out = BTreeMap::new();
    for offering in &profile.offerings {
        out.insert(offering.name.value.clone(), Figure::Usd(offering.price.value));
        if let Some(spot) = &offering.spot_price {
            out.insert(format!("{} (spot)", offering.name), Figure::Usd(spot.value));
        }
    }
    if let Some(fee) = &profile.control_plane.price {
        out.insert("control plane".into(), Figure::Usd(fee.value));
    }
    for list in &profile.egress {
        for tier in &list.tiers {
            let end = tier.to_gb.as_ref().map_or_else(|| "and more".into(), |gb| format!("up to {gb} GB"));
            out.insert(format!("data {} {end}", list.to.word()), Figure::Usd(tier.price_per_gb.value));
        }
    }
    out
}

/// What bounds are compared with, by pair of places.
pub fn latencies(profile: &LatencyProfile) -> BTreeMap<String, Figure> {
    let all = profile.pairs.iter();
    all.filter_map(|p| Some((format!("{} – {}", p.a, p.b), Figure::Latency(p.p95.or(p.p99).or(p.p50)?)))).collect()
}

/// What differs, by name.
pub fn compare(before: &BTreeMap<String, Figure>, after: &BTreeMap<String, Figure>) -> Vec<Change> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = Vec::new();
    for name in names {
        let (old, new) = (before.get(name).copied(), after.get(name).copied());
        if old == new {
            continue;
        }
        let permille = match (old, new) {
            (Some(a), Some(b)) if a.amount() > 0 => {
                let (a, b) = (a.amount(), b.amount());
                // Half up, away from 0.
                let twice = 2 * 1000 * (b - a);
                i64::try_from((twice + (b - a).signum() * a) / (2 * a)).ok()
            }
            _ => None,
        };
        out.push(Change { name: name.clone(), before: old, after: new, permille });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_percent() {
        let of = |all: &[(&str, i64)]| -> BTreeMap<String, Figure> {
            all.iter().map(|(n, p)| ((*n).to_owned(), Figure::Usd(MicroUsd(*p)))).collect()
        };
        let before = of(&[("a", 100_000), ("b", 50_000), ("c", 7), ("free", 0)]);
        let after = of(&[("a", 104_250), ("b", 50_000), ("d", 9), ("free", 10)]);
        let told: Vec<String> = compare(&before, &after).iter().map(|c| format!("{} {}", c.name, c.by())).collect();
        assert_eq!(told, ["a +4.3 %", "c gone", "d new", "free "]);
        let less = compare(&of(&[("a", 300)]), &of(&[("a", 200)]));
        assert_eq!(less[0].by(), "-33.3 %");
    }
}
