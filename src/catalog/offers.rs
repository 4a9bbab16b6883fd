//! What importers find: nodes with prices, fees, price lists of data; and the rules that hold for all of
//! them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    decimal::Decimal,
    fits,
    json::{Doc, Faults, Leaf},
};
use crate::{
    diagnostic::Diagnostic,
    money::MicroUsd,
    quantity::Day,
    spec::{CatalogEntry, EgressTo},
};

/// A kind of node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Thousandths of CPUs.
    pub milli_cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// GPUs.
    pub gpu: Option<Gpu>,
    /// Per hour.
    pub price: MicroUsd,
    /// Per hour, as a node that may be taken away.
    pub spot: Option<MicroUsd>,
    /// Zones that have it, where the source says so.
    pub zones: BTreeSet<String>,
}

/// GPUs of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Model.
    pub model: String,
    /// How many.
    pub count: u64,
    /// Memory of each.
    pub memory: Option<u64>,
}

/// A band of a price list: where it ends, in 10⁹ bytes, and the price of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Band {
    /// `None` = never.
    pub to_gb: Option<u64>,
    /// Per 10⁹ bytes.
    pub price: MicroUsd,
}

/// What an importer found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Nodes, by name.
    pub offers: BTreeMap<String, Offer>,
    /// Control plane, per hour.
    pub fee: Option<MicroUsd>,
    /// Data that leaves.
    pub egress: BTreeMap<EgressTo, Vec<Band>>,
    /// The day from which the newest of the prices is valid.
    pub valid_from: Option<Day>,
    /// The day on which the oldest of the files was published.
    pub published: Option<Day>,
    /// What is worth knowing.
    pub notes: Vec<String>,
    /// Names of prices that were rounded.
    pub(super) rounded: BTreeSet<String>,
    /// All names that the sources have, for "nothing fits".
    pub(super) seen: BTreeSet<String>,
}

/// Whether an entry wants an offering.
pub(super) fn wanted(entry: &CatalogEntry, name: &str) -> bool {
    fits(name, entry.offerings.iter().map(|p| p.as_str()))
}

impl Imported {
    /// Remembers that a price was rounded.
    pub(super) fn note_rounded(&mut self, name: &str, rounded: bool) {
        if rounded {
            self.rounded.insert(name.to_owned());
        }
    }

    /// A price of a leaf, with what was rounded noted.
    pub(super) fn price(
        &mut self,
        doc: &Doc<'_>,
        leaf: Leaf<'_>,
        name: &str,
        what: &str,
        faults: &mut Faults,
    ) -> Option<MicroUsd> {
        let (price, rounded) = doc.price(leaf, what, faults)?;
        self.note_rounded(name, rounded);
        Some(price)
    }

    /// An exact figure as a price. One that no price can be is a fault at the leaf.
    pub(super) fn settle_price(
        &mut self,
        exact: Option<Decimal>,
        name: &str,
        doc: &Doc<'_>,
        leaf: Leaf<'_>,
        faults: &mut Faults,
    ) -> Option<MicroUsd> {
        let Some((price, rounded)) = exact.and_then(Decimal::micro) else {
            faults.push(doc.wrong(leaf, format!("the price of {name} is more than 1000000 dollars an hour")));
            return None;
        };
        self.note_rounded(name, rounded);
        Some(price)
    }

    /// The newest day that any price is valid from.
    pub(super) fn valid(&mut self, day: Option<Day>) {
        self.valid_from = self.valid_from.max(day);
    }

    /// The oldest day that any file was published on.
    pub(super) fn published(&mut self, day: Option<Day>) {
        self.published = match (self.published, day) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Takes the price list that most destinations have; of equally common ones the dearest.
    pub(super) fn take_egress(&mut self, to: EgressTo, lists: Vec<Vec<Band>>) {
        let mut count: BTreeMap<&Vec<Band>, usize> = BTreeMap::new();
        for list in &lists {
            *count.entry(list).or_default() += 1;
        }
        let dear = |list: &Vec<Band>| list.iter().map(|b| b.price).max();
        let Some((list, n)) = count.iter().max_by_key(|(list, n)| (**n, dear(list))).map(|(l, n)| ((*l).clone(), *n))
        else {
            return;
        };
        if n < lists.len() {
            let others = lists.len() - n;
            self.notes.push(format!(
                "data {}: {n} of {} destinations have this price list, {others} another one",
                to.word(),
                lists.len()
            ));
        }
        self.egress.insert(to, list);
    }

    /// What holds whatever was read: patterns that fit nothing are faults, what the entry says counts.
    pub(super) fn settle(&mut self, entry: &CatalogEntry, faults: &mut Faults) {
        if faults.is_empty() {
            for pattern in &entry.offerings {
                if !self.offers.keys().any(|name| fits(name, [pattern.as_str()])) {
                    faults.push(self.nothing_fits(pattern));
                }
            }
            if self.offers.is_empty() && self.fee.is_none() && self.egress.is_empty() && self.seen.is_empty() {
                let region = entry.region.as_ref().map_or_else(String::new, |r| format!(" of region `{r}`"));
                let at = entry.region.as_ref().map_or(&entry.name.origin, |r| &r.origin);
                faults.push(
                    Diagnostic::error("SKY0231", format!("the sources of `{}` have no prices{region}", entry.name))
                        .at(at)
                        .hint("regions are written in the platform's words, such as eu-central-1, europe-west3, westeurope"),
                );
            }
        }
        if let Some(fee) = &entry.control_plane_price {
            self.fee = Some(fee.value);
        }
        for list in &entry.egress {
            let bands = list.tiers.iter();
            let bands = bands.map(|t| Band { to_gb: t.to_gb.as_ref().map(|g| g.value), price: t.price_per_gb.value });
            self.egress.insert(list.to, bands.collect());
        }
        // Who lists zones lists the profile's, and offers nothing elsewhere.
        if !entry.zones.is_empty() {
            for offer in self.offers.values_mut() {
                offer.zones.retain(|z| entry.zones.contains(z));
            }
        }
        if !self.rounded.is_empty() {
            let n = self.rounded.len();
            let names: Vec<&str> = self.rounded.iter().take(3).map(String::as_str).collect();
            let more = if n > 3 { ", …" } else { "" };
            let prices = if n == 1 {
                "1 price has more than 6 decimals and was"
            } else {
                &format!("{n} prices have more than 6 decimals and were")
            };
            self.notes.push(format!("{prices} rounded half up: {}{more}", names.join(", ")));
        }
    }

    fn nothing_fits(&self, pattern: &crate::spec::At<String>) -> Diagnostic {
        let d = Diagnostic::error("SKY0231", format!("no offering with a price fits `{pattern}`")).at(&pattern.origin);
        if self.seen.iter().any(|name| fits(name, [pattern.as_str()])) {
            return d.hint("the sources name such offerings, but their sizes and prices are not both in them");
        }
        match crate::diagnostic::did_you_mean(pattern, self.seen.iter().map(String::as_str)) {
            Some(near) => d.hint(format!("did you mean `{near}`?")),
            None => d.hint("`*` stands for any characters, as in `m7i.*`"),
        }
    }
}
