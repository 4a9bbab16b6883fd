//! `skyplan.lock`: what every file of the catalogue was made from, so that a change of prices is a change
//! in the repository that somebody reviews.
//!
//! One file with sections, and not one per use: it is what a review looks at, and what later holds other
//! things that are fetched once and then only read.

use std::collections::BTreeMap;

use super::{entry_digest, importer_version, profile::scalar};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    digest::digest_bytes,
    quantity::{Day, Micros},
    spec::{At, CatalogEntry, Importer, LOCK_FILE, LOCK_VERSION, LockedContent, LockedProfile, SpecSet},
};

/// A file of the catalogue, as the lock has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Name of the profile.
    pub profile: String,
    /// The file.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What read the sources.
    pub importer: Importer,
    /// Its version.
    pub importer_version: u64,
    /// SHA-256 of the entry.
    pub entry: String,
    /// The day on which the sources were read.
    pub fetched: Day,
    /// The day from which the prices are valid.
    pub valid_from: Option<Day>,
    /// The day that the prices' age is counted from.
    pub as_of: Day,
    /// Sources with their digests.
    pub sources: Vec<(String, String)>,
}

impl From<&LockedProfile> for Locked {
    fn from(locked: &LockedProfile) -> Self {
        Self {
            profile: locked.profile.value.clone(),
            file: locked.file.value.clone(),
            sha256: locked.sha256.clone(),
            importer: locked.importer,
            importer_version: locked.importer_version,
            entry: locked.entry.clone(),
            fetched: locked.fetched,
            valid_from: locked.valid_from,
            as_of: locked.as_of.value,
            sources: locked.sources.iter().map(|s| (s.source.clone(), s.sha256.clone())).collect(),
        }
    }
}

/// The lock's text.
pub fn write(all: &BTreeMap<String, Locked>, sources: &[LockedContent]) -> String {
    let mut out = format!(
        "# Written by `skyplan {}`; commit it, and leave it as it is.\nversion: {LOCK_VERSION}\ncatalog:\n",
        if sources.is_empty() { "catalog refresh" } else { "lock` and `skyplan catalog refresh" }
    );
    for locked in all.values() {
        let mut line = |name: &str, value: String| {
            let lead = if name == "profile" { "- " } else { "  " };
            out.push_str(&format!("{lead}{name}: {value}\n"));
        };
        line("profile", scalar(&locked.profile));
        line("file", scalar(&locked.file));
        line("sha256", format!("\"{}\"", locked.sha256));
        line("importer", locked.importer.word().into());
        line("importerVersion", locked.importer_version.to_string());
        line("entry", format!("\"{}\"", locked.entry));
        line("fetched", locked.fetched.to_string());
        locked.valid_from.iter().for_each(|day| line("validFrom", day.to_string()));
        line("asOf", locked.as_of.to_string());
        out.push_str("  sources:\n");
        for (source, sha256) in &locked.sources {
            out.push_str(&format!("  - source: {}\n    sha256: \"{sha256}\"\n", scalar(source)));
        }
    }
    if all.is_empty() {
        out = out.replace("catalog:\n", "catalog: []\n");
    }
    let mut sorted: Vec<&LockedContent> = sources.iter().collect();
    sorted.sort_by(|a, b| a.source.value.cmp(&b.source.value));
    if !sorted.is_empty() {
        out.push_str("sources:\n");
    }
    for locked in sorted {
        let quoted = |text: &str| serde_json::Value::from(text);
        let (resolved, sha256) = (quoted(&locked.resolved), quoted(&locked.sha256));
        out.push_str(&format!("- source: {}\n", quoted(&locked.source.value)));
        out.push_str(&format!("  resolved: {resolved}\n  sha256: {sha256}\n"));
    }
    out
}

/// Everything that the lock remembers of the catalogue.
pub fn catalog_of(set: &SpecSet) -> BTreeMap<String, Locked> {
    let all = set.lock.iter().flat_map(|l| &l.spec.catalog);
    all.map(|l| (l.profile.value.clone(), Locked::from(&l.value))).collect()
}

/// Everything that it remembers of remote sources.
pub fn sources_of(set: &SpecSet) -> Vec<LockedContent> {
    set.lock.iter().flat_map(|l| &l.spec.sources).map(|l| l.value.clone()).collect()
}

/// The lock's line of a profile.
pub fn find<'a>(set: &'a SpecSet, profile: &str) -> Option<&'a LockedProfile> {
    set.lock.iter().flat_map(|l| &l.spec.catalog).map(|l| &l.value).find(|l| l.profile.value == profile)
}

/// Whether a file is, byte for byte, what was written.
pub fn is_as_written(set: &SpecSet, locked: &LockedProfile) -> bool {
    set.texts.get(locked.file.as_str()).is_some_and(|text| digest_bytes(text.as_bytes()) == locked.sha256)
}

/// What does not agree: entries, lock, files, and sources in the project, whose digests are given by path.
pub fn stale(set: &SpecSet, local: &BTreeMap<String, String>) -> Diagnostics {
    let mut out = Diagnostics::new();
    let entries = set.project.iter().flat_map(|p| &p.spec.catalog);
    for entry in entries {
        let fault = match find(set, &entry.name) {
            None => Some(fault(&entry.name.origin, format!("`{}` was never fetched", entry.name))),
            Some(locked) => outdated(set, entry, locked, local),
        };
        out.extend(
            fault.map(|d| d.hint(format!("run `skyplan catalog refresh {}`", entry.name))).into_iter().collect(),
        );
    }
    let known = |name: &str| set.project.iter().flat_map(|p| &p.spec.catalog).any(|e| e.name.value == name);
    for locked in set.lock.iter().flat_map(|l| &l.spec.catalog).filter(|l| !known(&l.profile)) {
        out.push(
            fault(&locked.profile.origin, format!("the Project has no entry for `{}`", locked.profile))
                .hint("run `skyplan catalog refresh`: it takes what nothing asks for out of the lock"),
        );
    }
    out
}

fn fault(origin: &Origin, text: impl Into<String>) -> Diagnostic {
    Diagnostic::error("SKY0923", text).at(origin)
}

fn outdated(
    set: &SpecSet,
    entry: &CatalogEntry,
    locked: &LockedProfile,
    local: &BTreeMap<String, String>,
) -> Option<Diagnostic> {
    let version = importer_version(entry.importer.value);
    if locked.entry != entry_digest(entry) {
        return Some(
            fault(&entry.name.origin, format!("the entry `{}` is another than the one that was fetched", entry.name))
                .label(&locked.profile.origin, "what was fetched"),
        );
    }
    if locked.importer_version != version {
        let was = locked.importer_version;
        let text = format!("`{}` was read by version {was} of its importer; this one is {version}", entry.name);
        return Some(fault(&locked.profile.origin, text));
    }
    if !set.texts.contains_key(locked.file.as_str()) {
        return Some(fault(&locked.file.origin, format!("the file `{}` is not there", locked.file)));
    }
    if !is_as_written(set, locked) {
        let text = format!("`{}` is not as it was fetched: somebody changed it", locked.file);
        return Some(
            fault(&Origin::file(locked.file.as_str()), text)
                .label(&locked.file.origin, format!("its digest is in {LOCK_FILE}"))
                .hint("what is to be other than the sources say goes into the entry, or a profile that is written by hand"),
        );
    }
    let paths = entry.sources.iter().filter_map(|s| s.path.as_ref());
    for path in paths {
        let was = locked.sources.iter().find(|s| s.source == path.value).map(|s| &s.sha256);
        if local.get(&path.value) != was {
            let text = format!("the source `{path}` is another than the one that was read");
            return Some(fault(&path.origin, text).label(&locked.profile.origin, "what was read"));
        }
    }
    None
}

/// A warning of figures that are older than the Project wants them.
pub fn old(profile: &str, as_of: Day, days: u64, origin: &Origin) -> Diagnostic {
    let days = if days == 1 { "a day".to_owned() } else { format!("{days} days") };
    Diagnostic::warning("SKY0232", format!("the figures of `{profile}` are of {as_of}, older than {days}"))
        .at(origin)
        .hint(format!("run `skyplan catalog refresh {profile}`, or set `placement.pricesMaxAge`"))
}

/// Figures older than this are warned of where the Project says nothing else: 90 days.
pub const MAX_AGE: Micros = Micros(90 * 86_400_000_000);

/// Warnings of all profiles, used or not, and of latencies that were measured long ago.
pub fn too_old(set: &SpecSet, only: Option<&str>, today: Day) -> Diagnostics {
    let said = set.project.as_ref().and_then(|p| p.spec.placement.prices_max_age.as_ref());
    let days = said.map_or(MAX_AGE, |age| age.value).seconds() / 86_400;
    let is_old = |day: Day| u64::from(day.days_until(today)) > days;
    let wanted = |name: &str| only.is_none_or(|o| o == name);
    let locked = set.lock.iter().flat_map(|l| &l.spec.catalog).filter(|l| wanted(&l.profile) && is_old(l.as_of.value));
    // Measuring is not fetching.
    let hint = |l: &LockedProfile, d: Diagnostic| match l.importer {
        Importer::Latency => {
            Diagnostic { hints: Vec::new(), ..d }.hint("measure again, and refresh it with the new file")
        }
        _ => d,
    };
    let known = |l: &&At<LockedProfile>| set.texts.contains_key(l.file.as_str());
    let prices = locked.filter(known).map(|l| hint(l, old(&l.profile, l.as_of.value, days, &l.as_of.origin)));
    // Those that were fetched have one day in the lock, for the oldest of them.
    let by_hand = set.latencies.iter().filter(|d| wanted(&d.spec.name) && find(set, &d.spec.name).is_none());
    let measured = by_hand.filter_map(|d| {
        let days_of = d.spec.pairs.iter().filter_map(|p| p.measured_at.as_ref());
        let oldest = days_of.filter(|day| is_old(day.value)).min_by_key(|day| day.value)?;
        Some(old(&d.spec.name, oldest.value, days, &oldest.origin).hint("measure again, and write the new day"))
    });
    prices.chain(measured).collect()
}
