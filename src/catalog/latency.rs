//! Measured latencies → a `LatencyProfile` in which every pair knows when it was measured.
//!
//! A file is JSON (`{"measurements": [{"a", "b", "p50", "p95", "p99", "measuredAt", "samples"}]}`, or the
//! list alone) or CSV with these names in its first line. Of a pair that is measured several times the
//! newest counts; pairs that a file does not have any more stay, with their day.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    SourceText,
    json::{Doc, Faults, Leaf, content, short},
    profile::{head, scalar},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    quantity::{Day, Micros},
    spec::{CatalogEntry, LatencyProfile},
};

/// Fields of a measurement, in the order of the profile.
const FIELDS: [&str; 7] = ["a", "b", "p50", "p95", "p99", "measuredAt", "samples"];

/// What was measured between two places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Median, 95th and 99th of a hundred.
    pub quantiles: [Option<Micros>; 3],
    /// The day.
    pub at: Option<Day>,
    /// How many measurements.
    pub samples: Option<u64>,
}

/// Two places, the smaller name first.
pub type Pair = (String, String);

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    measurements: Vec<BTreeMap<String, Leaf<'a>>>,
}

/// Reads measurements, and adds those of the profile as it is.
///
/// # Errors
/// What is wrong with them, at their lines.
pub fn merge(sources: &[SourceText], before: Option<&LatencyProfile>) -> Result<BTreeMap<Pair, Measured>, Diagnostics> {
    let mut out: BTreeMap<Pair, Measured> = BTreeMap::new();
    for pair in before.iter().flat_map(|p| &p.pairs) {
        let measured = Measured {
            quantiles: [pair.p50, pair.p95, pair.p99],
            at: pair.measured_at.as_ref().map(|d| d.value),
            samples: pair.samples,
        };
        out.insert(ordered(&pair.a, &pair.b), measured);
    }
    let mut faults = Faults::default();
    for doc in sources.iter().flat_map(Doc::pages) {
        let rows = match doc.text.trim_start().chars().next() {
            Some('{') => doc.parse::<File<'_>>(&mut faults).map_or_else(Vec::new, |f| objects(&doc, &f.measurements)),
            Some('[') => doc.parse::<Vec<_>>(&mut faults).map_or_else(Vec::new, |all| objects(&doc, &all)),
            _ => lines(&doc, &mut faults),
        };
        for row in rows {
            if faults.is_full() {
                break;
            }
            let Some((pair, measured)) = read(&doc, &row, &mut faults) else { continue };
            let known = out.entry(pair).or_insert_with(|| measured.clone());
            // What does not say when it was measured is as old as can be.
            if known.at <= measured.at {
                *known = measured;
            }
        }
    }
    if faults.is_empty() { Ok(out) } else { Err(faults.into_diagnostics()) }
}

/// The profile as a document.
pub fn write(entry: &CatalogEntry, all: &BTreeMap<Pair, Measured>) -> String {
    let mut out = head(entry, "LatencyProfile", &[]);
    out.push_str(&format!("name: {}\npairs:{}\n", scalar(&entry.name), if all.is_empty() { " []" } else { "" }));
    for ((a, b), measured) in all {
        let mut parts = vec![format!("a: {}", scalar(a)), format!("b: {}", scalar(b))];
        for (name, value) in ["p50", "p95", "p99"].into_iter().zip(measured.quantiles) {
            parts.extend(value.map(|v| format!("{name}: {v}")));
        }
        parts.extend(measured.at.map(|day| format!("measuredAt: {day}")));
        parts.extend(measured.samples.map(|n| format!("samples: {n}")));
        out.push_str(&format!("- {{{}}}\n", parts.join(", ")));
    }
    out
}

/// The oldest day on which any pair was measured; `None` where one does not say.
pub fn oldest(all: &BTreeMap<Pair, Measured>) -> Option<Day> {
    all.values().map(|m| m.at).min().flatten()
}

/// Texts of a row by field, each as a part of the document.
type Row<'a> = BTreeMap<&'static str, (&'a str, String)>;

fn objects<'a>(_: &Doc<'a>, all: &[BTreeMap<String, Leaf<'a>>]) -> Vec<Row<'a>> {
    let field = |name: &str| FIELDS.iter().find(|f| **f == name).copied();
    let row = |object: &BTreeMap<String, Leaf<'a>>| {
        object.iter().filter_map(|(k, v)| Some((field(k)?, (v.get(), content(v).into_owned())))).collect()
    };
    all.iter().map(row).collect()
}

/// Rows of a CSV file. Names of places have no commas and need no quotes.
fn lines<'a>(doc: &Doc<'a>, faults: &mut Faults) -> Vec<Row<'a>> {
    let mut all = doc.text.lines().filter(|l| !l.trim().is_empty());
    let Some(first) = all.next() else { return Vec::new() };
    let names: Vec<&str> = first.split(',').map(str::trim).collect();
    if !["a", "b"].iter().all(|n| names.contains(n)) {
        faults.push(
            Diagnostic::error("SKY0130", "these are no measurements: the first line has no `a` and `b`")
                .at(&doc.origin(first))
                .hint(format!("write JSON, or CSV that begins with {}", FIELDS.join(","))),
        );
        return Vec::new();
    }
    let columns: Vec<Option<&'static str>> = names.iter().map(|n| FIELDS.iter().find(|f| *f == n).copied()).collect();
    all.map(|line| {
        let cells = line.split(',').map(str::trim).zip(&columns).filter(|(cell, _)| !cell.is_empty());
        cells.filter_map(|(cell, column)| Some(((*column)?, (cell, cell.to_owned())))).collect()
    })
    .collect()
}

fn read(doc: &Doc<'_>, row: &Row<'_>, faults: &mut Faults) -> Option<(Pair, Measured)> {
    let mut fine = true;
    let mut wrong = |part: &str, text: String| {
        fine = false;
        faults.push(
            Diagnostic::error("SKY0131", text)
                .at(&doc.origin(part))
                .hint("latencies have a unit, such as 12.5ms; days are written 2026-11-09"),
        );
    };
    let mut place = |name: &str| -> String {
        match row.get(name) {
            Some((_, text)) if !text.is_empty() && text != "null" => text.clone(),
            _ => {
                let part = row.values().next().map_or(doc.text.get(..0).unwrap_or_default(), |(part, _)| *part);
                wrong(part, format!("a measurement is between two places, and this one has no `{name}`"));
                String::new()
            }
        }
    };
    let (a, b) = (place("a"), place("b"));
    let mut measured = Measured::default();
    for (quantile, name) in measured.quantiles.iter_mut().zip(["p50", "p95", "p99"]) {
        if let Some((part, text)) = row.get(name).filter(|(_, text)| text != "null") {
            match Micros::parse(text) {
                Ok(time) => *quantile = Some(time),
                Err(why) => wrong(part, short_words(&why)),
            }
        }
    }
    let known: Vec<Micros> = measured.quantiles.iter().flatten().copied().collect();
    let part = row.values().next().map(|(part, _)| *part).unwrap_or_default();
    if known.is_empty() {
        wrong(part, format!("the measurement between {} and {} has no latency", short(&a), short(&b)));
    }
    if !known.is_sorted() {
        wrong(part, format!("the latencies between {} and {} are not p50 ≤ p95 ≤ p99", short(&a), short(&b)));
    }
    if let Some((part, text)) = row.get("measuredAt").filter(|(_, text)| text != "null") {
        match Day::parse(text) {
            Ok(day) => measured.at = Some(day),
            Err(why) => wrong(part, short_words(&why)),
        }
    }
    if let Some((part, text)) = row.get("samples").filter(|(_, text)| text != "null") {
        match text.parse() {
            Ok(n) => measured.samples = Some(n),
            Err(_) => wrong(part, format!("`{}` is not a number of measurements", short(text))),
        }
    }
    fine.then(|| (ordered(&a, &b), measured))
}

/// A sentence that repeats what a file says, without end.
fn short_words(text: &str) -> String {
    if text.len() > 200 { short(text) } else { text.to_owned() }
}

fn ordered(a: &str, b: &str) -> Pair {
    if a <= b { (a.to_owned(), b.to_owned()) } else { (b.to_owned(), a.to_owned()) }
}
