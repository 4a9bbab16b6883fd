//! The catalogue as text: what can be had, at what price, of which day.

use serde::Serialize;

use super::{Style, placement::age, table::columns};
use crate::{
    catalog::{
        changes::Change,
        lock::{find, is_as_written},
    },
    money::{HOURS_PER_MONTH, MicroUsd},
    quantity::{Bytes, Day, Micros, MilliCpu},
    spec::{EgressTo, LatencyProfile, Platform, ProviderProfile, SpecSet},
};

/// So many changed prices of a profile are shown, those that changed most.
const MOST_CHANGES: usize = 40;

/// All that the catalogue has, for programs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    format_version: &'static str,
    today: Day,
    profiles: Vec<Profile>,
    latencies: Vec<Latencies>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    name: String,
    file: String,
    platform: Platform,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(flatten)]
    origin: Origin,
    offerings: Vec<Offering>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control_plane: Option<MicroUsd>,
    egress: Vec<Egress>,
}

/// Where figures come from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    by_hand: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    edited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Offering {
    name: String,
    vcpus: MilliCpu,
    memory: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<String>,
    hourly: MicroUsd,
    monthly: MicroUsd,
    /// Per hour, as a node that may be taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    spot_hourly: Option<MicroUsd>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Egress {
    to: EgressTo,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_gb: Option<u64>,
    price_per_gb: MicroUsd,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Latencies {
    name: String,
    file: String,
    #[serde(flatten)]
    origin: Origin,
    pairs: Vec<Pair>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    a: String,
    b: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p95: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured_at: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<u64>,
}

impl Catalog {
    /// The profiles of a project, or the one that is named.
    pub fn new(set: &SpecSet, only: Option<&str>, today: Day) -> Self {
        let wanted = |name: &str| only.is_none_or(|o| o == name);
        let providers = set.providers.iter().filter(|d| wanted(&d.spec.name));
        let latencies = set.latencies.iter().filter(|d| wanted(&d.spec.name));
        let mut profiles: Vec<Profile> = providers.map(|d| profile(set, &d.origin.file, &d.spec, today)).collect();
        profiles.sort_by(|a, b| a.name.cmp(&b.name));
        let mut latencies: Vec<Latencies> =
            latencies.map(|d| latency_profile(set, &d.origin.file, &d.spec, today)).collect();
        latencies.sort_by(|a, b| a.name.cmp(&b.name));
        Self { format_version: "1.0", today, profiles, latencies }
    }

    /// As tables.
    pub fn text(&self, style: Style) -> String {
        let profiles = self.profiles.iter().map(|p| profile_text(p, self.today, style));
        let latencies = self.latencies.iter().map(|l| latencies_text(l, self.today, style));
        let all: Vec<String> = profiles.chain(latencies).collect();
        if all.is_empty() { "there are no profiles\n".into() } else { all.join("\n") }
    }
}

fn origin(set: &SpecSet, name: &str, file: &str, today: Day) -> Origin {
    let locked = find(set, name).filter(|l| l.file.value == file);
    Origin {
        by_hand: locked.is_none(),
        edited: locked.is_some_and(|l| !is_as_written(set, l)),
        fetched: locked.map(|l| l.fetched),
        valid_from: locked.and_then(|l| l.valid_from),
        as_of: locked.map(|l| l.as_of.value),
        age_days: locked.map(|l| l.as_of.days_until(today)),
    }
}

fn profile(set: &SpecSet, file: &str, spec: &ProviderProfile, today: Day) -> Profile {
    let mut offerings: Vec<Offering> = spec
        .offerings
        .iter()
        .map(|o| Offering {
            name: o.name.value.clone(),
            vcpus: o.vcpus,
            memory: o.memory,
            gpu: o.gpu.as_ref().map(|g| format!("{} × {}", g.count, g.model)),
            hourly: o.price.value,
            monthly: o.price.per_hour_over(HOURS_PER_MONTH * 3600),
            spot_hourly: o.spot_price.as_ref().map(|p| p.value),
        })
        .collect();
    offerings.sort_by(|a, b| (a.hourly, &a.name).cmp(&(b.hourly, &b.name)));
    let tiers = spec.egress.iter().flat_map(|list| {
        list.tiers.iter().map(|t| Egress {
            to: list.to,
            to_gb: t.to_gb.as_ref().map(|g| g.value),
            price_per_gb: t.price_per_gb.value,
        })
    });
    Profile {
        name: spec.name.value.clone(),
        file: file.to_owned(),
        platform: spec.platform.value,
        region: spec.region.as_ref().map(|r| r.value.clone()),
        origin: origin(set, &spec.name, file, today),
        offerings,
        control_plane: spec.control_plane.price.as_ref().map(|p| p.value),
        egress: tiers.collect(),
    }
}

fn latency_profile(set: &SpecSet, file: &str, spec: &LatencyProfile, today: Day) -> Latencies {
    let pairs = spec.pairs.iter().map(|p| {
        let measured_at = p.measured_at.as_ref().map(|d| d.value);
        Pair {
            a: p.a.value.clone(),
            b: p.b.value.clone(),
            p50: p.p50,
            p95: p.p95,
            p99: p.p99,
            measured_at,
            age_days: measured_at.map(|d| d.days_until(today)),
            samples: p.samples,
        }
    });
    let origin = origin(set, &spec.name, file, today);
    Latencies { name: spec.name.value.clone(), file: file.to_owned(), origin, pairs: pairs.collect() }
}

/// `12 days old: fetched 2026-11-09, valid from 2026-11-01`, `written by hand`.
fn origin_text(origin: &Origin, today: Day) -> String {
    let (Some(as_of), Some(fetched)) = (origin.as_of, origin.fetched) else { return "written by hand".into() };
    let mut words = vec![format!("fetched {fetched}")];
    if as_of != fetched {
        words.push(format!("of {as_of}"));
    }
    words.extend(origin.valid_from.map(|day| format!("valid from {day}")));
    if origin.edited {
        words.push("edited since".into());
    }
    format!("{}: {}", age(as_of, today), words.join(", "))
}

fn head(name: &str, about: &str, origin: &Origin, file: &str, today: Day, style: Style) -> String {
    let about = if about.is_empty() { String::new() } else { format!("  {about}") };
    format!("{}{about}  {}  {}\n", style.bold(name), origin_text(origin, today), style.dim(file))
}

fn profile_text(profile: &Profile, today: Day, style: Style) -> String {
    let region = profile.region.as_ref().map_or_else(String::new, |r| format!("/{r}"));
    let about = format!("{}{region}", profile.platform.word());
    let mut out = head(&profile.name, &about, &profile.origin, &profile.file, today, style);
    if !profile.offerings.is_empty() {
        let titles = ["OFFERING", "VCPUS", "MEMORY", "GPUS", "$/HOUR", "$/MONTH", "SPOT $/HOUR"];
        let mut rows = vec![titles.iter().map(|t| style.dim(t)).collect::<Vec<_>>()];
        rows.extend(profile.offerings.iter().map(|o| {
            let gpu = o.gpu.clone().unwrap_or_default();
            let spot = o.spot_hourly.map(MicroUsd::exact).unwrap_or_default();
            let size = [o.vcpus.to_string(), o.memory.to_string(), gpu];
            let price = [o.hourly.exact(), cents(o.monthly), spot];
            [vec![o.name.clone()], size.into(), price.into()].concat()
        }));
        out.push_str(&columns(&without_empty(rows), 2));
    }
    if let Some(fee) = profile.control_plane {
        let month = fee.per_hour_over(HOURS_PER_MONTH * 3600);
        out.push_str(&format!("  control plane: {} an hour, {} a month\n", dollars(fee), month));
    }
    for to in [EgressTo::Internet, EgressTo::InterRegion, EgressTo::InterZone] {
        let tiers: Vec<String> = profile
            .egress
            .iter()
            .filter(|e| e.to == to)
            .map(|e| match e.to_gb {
                Some(end) => format!("{} up to {end} GB", dollars(e.price_per_gb)),
                None => dollars(e.price_per_gb),
            })
            .collect();
        if !tiers.is_empty() {
            out.push_str(&format!("  data, {}, per GB: {}\n", to.word(), tiers.join(", then ")));
        }
    }
    out
}

/// Columns in which any row has something.
fn without_empty(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let used = |i: usize| rows.iter().skip(1).any(|r| r.get(i).is_some_and(|c| !c.is_empty()));
    let keep: Vec<bool> = (0..rows.first().map_or(0, Vec::len)).map(used).collect();
    let row = |row: Vec<String>| row.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(cell, _)| cell).collect();
    rows.into_iter().map(row).collect()
}

fn dollars(price: MicroUsd) -> String {
    format!("${}", price.exact())
}

fn cents(price: MicroUsd) -> String {
    price.to_string().trim_start_matches('$').to_owned()
}

fn latencies_text(latencies: &Latencies, today: Day, style: Style) -> String {
    let mut out = head(&latencies.name, "latencies", &latencies.origin, &latencies.file, today, style);
    let titles = ["BETWEEN", "AND", "P50", "P95", "P99", "MEASURED", "SAMPLES"];
    let mut rows = vec![titles.iter().map(|t| style.dim(t)).collect::<Vec<_>>()];
    let text = |time: Option<Micros>| time.map(|t| t.to_string()).unwrap_or_default();
    rows.extend(latencies.pairs.iter().map(|p| {
        let measured = p.measured_at.map_or_else(String::new, |day| format!("{day}, {}", age(day, today)));
        let samples = p.samples.map(|n| n.to_string()).unwrap_or_default();
        vec![p.a.clone(), p.b.clone(), text(p.p50), text(p.p95), text(p.p99), measured, samples]
    }));
    if !latencies.pairs.is_empty() {
        out.push_str(&columns(&without_empty(rows), 2));
    }
    out
}

/// What a refresh changed in one profile.
pub fn changes(profile: &str, file: &str, was_there: bool, all: &[Change], notes: &[String], style: Style) -> String {
    let plural = |n: usize| if n == 1 { "1 price".to_owned() } else { format!("{n} prices") };
    let what = match (was_there, all.len()) {
        (false, n) => format!("new, with {}", plural(n).replace("price", "figure")),
        (true, 0) => "nothing changed".into(),
        (true, n) => format!("{} changed", plural(n).replace("price", "figure")),
    };
    let mut out = format!("{}  {what}  {}\n", style.bold(profile), style.dim(file));
    if was_there {
        let mut shown: Vec<&Change> = all.iter().collect();
        if shown.len() > MOST_CHANGES {
            shown.sort_by_key(|c| std::cmp::Reverse(c.permille.map_or(i64::MAX, i64::abs)));
            shown.truncate(MOST_CHANGES);
            shown.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let figure = |f: Option<crate::catalog::changes::Figure>| f.map_or_else(|| "–".to_owned(), |f| f.text());
        let rows: Vec<Vec<String>> =
            shown.iter().map(|c| vec![c.name.clone(), figure(c.before), "→".into(), figure(c.after), c.by()]).collect();
        out.push_str(&columns(&rows, 2));
        if all.len() > MOST_CHANGES {
            out.push_str(&format!("  … and {} more\n", all.len() - MOST_CHANGES));
        }
    }
    notes.iter().for_each(|note| out.push_str(&format!("  {}\n", style.dim(&format!("note: {note}")))));
    out
}
