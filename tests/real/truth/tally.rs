//! What was found of what is true, by class.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::mutations::{CLASSES, Class, Done};

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    mutations: usize,
    /// Of those, with something to be found.
    differing: usize,
    /// Fields that are true, found, and both.
    truth: usize,
    found: usize,
    both: usize,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: BTreeMap<Class, Row>,
    pub(super) faults: Vec<String>,
}

impl Tally {
    /// Changes so far.
    pub(super) fn mutations(&self) -> usize {
        self.rows.iter().filter(|(class, _)| **class != Class::Nothing).map(|(_, row)| row.mutations).sum()
    }

    pub(super) fn compare(
        &mut self,
        id: &str,
        done: &Done,
        found: &BTreeSet<String>,
        truth: &BTreeSet<String>,
        more: impl Fn() -> String,
    ) {
        let row = self.rows.entry(done.class).or_default();
        row.mutations += 1;
        row.differing += usize::from(!truth.is_empty());
        row.truth += truth.len();
        row.found += found.len();
        row.both += found.intersection(truth).count();
        if found != truth {
            let (missed, wrong): (Vec<_>, Vec<_>) =
                (truth.difference(found).collect(), found.difference(truth).collect());
            let what = &done.what;
            self.faults.push(format!("{id}: missed {missed:?}, wrong {wrong:?}\n    after {what}\n    {}", more()));
        }
    }

    /// Every class is there, and each of its fields was found, and no other.
    pub(super) fn assert_perfect(&self, full: bool) {
        for class in CLASSES {
            let row = self.rows.get(&class).copied().unwrap_or_default();
            assert!(row.mutations >= if full { 100 } else { 1 }, "{class:?}: {} changes", row.mutations);
        }
        for (class, row) in &self.rows {
            assert!(row.truth == row.both && row.found == row.both, "{class:?}: {row:?}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |of: usize, all: usize| if all == 0 { 100.0 } else { 100.0 * of as f64 / all as f64 };
        writeln!(
            f,
            "{:<16} {:>8} {:>8} {:>8} {:>10} {:>8}",
            "class", "changes", "differ", "fields", "precision", "recall"
        )?;
        for (class, row) in &self.rows {
            let (precision, recall) = (part(row.both, row.found), part(row.both, row.truth));
            let name = format!("{class:?}");
            writeln!(
                f,
                "{name:<16} {:>8} {:>8} {:>8} {precision:>9.1}% {recall:>7.1}%",
                row.mutations, row.differing, row.truth
            )?;
        }
        Ok(())
    }
}
