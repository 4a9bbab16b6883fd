//! Price files → profiles: what `skyplan catalog` writes and compares. Bytes in, text out.
//!
//! Each importer reads the files of one platform in the form in which the platform publishes them, and
//! says what it found as one [`Imported`]; [`profile`] writes that as a document that is read like any
//! other spec. Knows no network, no disk and no clock: `cli` fetches and writes. All figures are exact
//! decimals until they are rounded once to micro-dollars.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod aws;
mod azure;
pub mod changes;
mod decimal;
mod entry;
mod gcp;
mod json;
pub mod latency;
pub mod lock;
mod offers;
mod openstack;
pub mod pages;
pub mod profile;

pub use self::{
    entry::{check, entry_digest},
    offers::{Band, Gpu, Imported, Offer},
};

use self::json::{Doc, Faults};
use crate::{
    diagnostic::Diagnostics,
    spec::{CatalogEntry, Importer, matches_pattern},
};

/// A source as it was read: its name, and the text of its pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceText {
    /// Address or path.
    pub name: String,
    /// Texts of its pages, in order.
    pub pages: Vec<String>,
    /// Whether it came from elsewhere, and is as new as the day on which it was read.
    pub remote: bool,
}

/// The version of an importer: prices that another version reads otherwise are read again.
pub fn importer_version(importer: Importer) -> u64 {
    match importer {
        Importer::Aws | Importer::Azure | Importer::Gcp | Importer::Latency | Importer::Openstack => 1,
    }
}

/// Reads the price files of an entry.
///
/// # Errors
/// What is wrong with them, at their lines; never a part of the prices.
pub fn import(entry: &CatalogEntry, sources: &[SourceText]) -> Result<Imported, Diagnostics> {
    let mut faults = Faults::default();
    let docs: Vec<Doc<'_>> = sources.iter().flat_map(Doc::pages).collect();
    let mut found = match entry.importer.value {
        Importer::Aws => aws::read(entry, &docs, &mut faults),
        Importer::Azure => azure::read(entry, &docs, &mut faults),
        Importer::Gcp => gcp::read(entry, &docs, &mut faults),
        Importer::Openstack => openstack::read(entry, &docs, &mut faults),
        Importer::Latency => Imported::default(),
    };
    found.settle(entry, &mut faults);
    let faults = faults.into_diagnostics();
    if faults.has_errors() { Err(faults) } else { Ok(found) }
}

/// Whether a name is as one of the patterns says; `*` stands for any characters. No patterns fit all.
pub(crate) fn fits<'a>(name: &str, patterns: impl IntoIterator<Item = &'a str>) -> bool {
    let mut none = true;
    patterns.into_iter().any(|pattern| {
        none = false;
        matches_pattern(pattern, name)
    }) || none
}

#[cfg(test)]
mod tests;
