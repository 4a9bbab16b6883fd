//! Cuts: rows that whole numbers of nodes satisfy and fractions do not.
//!
//! Mixed-integer rounding. What tenants take of a place is at most what whole nodes hold; divided by the size of
//! one kind of node and rounded, that is a row that lets a fraction of a node count for less than it holds.
//! Which tenants are counted as "not there" and which as "there" is taken from the point to be cut off.
//! Knows rows and columns only.

use super::{Answer, Lp, Spare};

/// A cut must be worth this many dollars for a row.
const WORTH: f64 = 0.5;
/// Remainders closer to a whole number make no difference.
const REST: f64 = 0.02;
/// A spare row that is exceeded by so much of its largest entry matters.
const BROKEN: f64 = 0.01;
/// Cuts that one place gets at once.
const PER_YARD: usize = 4;

/// One cut before it is a row: Σ coefficients · columns ≥ least.
struct Cut {
    entries: Vec<(usize, f64)>,
    least: f64,
    worth: f64,
}

impl Lp {
    /// Adds cuts that the point breaks; says how many.
    pub(in super::super) fn cut(&mut self, answer: &Answer) -> usize {
        let mut count = self.recall(&answer.point);
        for y in 0..self.yards.len() {
            let yard = &self.yards[y];
            let mut cuts: Vec<Cut> = Vec::new();
            let mut bases: Vec<(Vec<(usize, f64)>, f64)> =
                yard.rows.clone().map(|row| (self.entries(row).collect(), self.limits[row])).collect();
            bases.extend(self.together(y, &answer.prices));
            for (entries, limit) in &bases {
                self.round(y, entries, *limit, &answer.point, &mut cuts);
            }
            cuts.sort_by(|a, b| b.worth.total_cmp(&a.worth));
            let mut kept: Vec<Cut> = Vec::new();
            for cut in cuts {
                // Two that say about the same are one too many.
                if kept.len() < PER_YARD && kept.iter().all(|k| !alike(&k.entries, &cut.entries)) {
                    kept.push(cut);
                }
            }
            for cut in kept {
                self.yards[y].cuts.push(self.limits.len());
                self.row(cut.entries.into_iter().map(|(c, v)| (c, -v)), -cut.least, f64::INFINITY);
                count += 1;
            }
        }
        count
    }

    /// Adds spare rows that the point breaks; says how many.
    fn recall(&mut self, point: &[f64]) -> usize {
        let spare = std::mem::take(&mut self.spare);
        let (broken, rest): (Vec<Spare>, Vec<Spare>) = spare
            .into_iter()
            .partition(|s| s.entries.iter().map(|(c, v)| point[*c] * v).sum::<f64>() > s.limit + BROKEN);
        self.spare = rest;
        let count = broken.len();
        for row in broken {
            self.yards[row.yard].cuts.push(self.limits.len());
            self.row(row.entries, row.limit, f64::INFINITY);
        }
        count
    }

    /// Adds all spare rows: for solvers that want them from the start.
    #[cfg(feature = "highs")]
    pub(in super::super) fn complete(&mut self) {
        for row in std::mem::take(&mut self.spare) {
            self.yards[row.yard].cuts.push(self.limits.len());
            self.row(row.entries, row.limit, f64::INFINITY);
        }
    }

    /// All rows of a yard at their prices: a row in money.
    fn together(&self, y: usize, prices: &[f64]) -> Option<(Vec<(usize, f64)>, f64)> {
        let yard = &self.yards[y];
        let priced: Vec<usize> = yard.rows.clone().filter(|row| prices[*row] > 1e-6).collect();
        if priced.len() < 2 {
            return None;
        }
        let mut sums = std::collections::BTreeMap::new();
        let mut limit = 0.0;
        for row in priced {
            for (column, value) in self.entries(row) {
                *sums.entry(column).or_insert(0.0) += value * prices[row];
            }
            limit += self.limits[row] * prices[row];
        }
        Some((sums.into_iter().collect(), limit))
    }

    /// Cuts from one row `Σ entries ≤ limit`, by every kind of node.
    fn round(&self, y: usize, entries: &[(usize, f64)], limit: f64, point: &[f64], cuts: &mut Vec<Cut>) {
        let nodes = &self.yards[y].nodes;
        let blocked = self.blocked();
        // As Σ -entries ≥ -limit, with what the point has most of counted from above.
        let top = |c: usize| if c < blocked { 1.0 } else { self.boxes[c - blocked].1 };
        let mut least = -limit;
        let mut terms: Vec<(usize, f64, bool)> = Vec::with_capacity(entries.len());
        for (c, v) in entries {
            let turned = !nodes.contains(c) && point[*c] > 0.5 * top(*c) && top(*c) == 1.0;
            if turned {
                least += v;
            }
            terms.push((*c, if turned { *v } else { -v }, turned));
        }
        let mut sizes: Vec<f64> =
            entries.iter().filter(|(c, v)| nodes.contains(c) && -v > 1e-9).map(|(_, v)| -v).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
        for size in sizes {
            let whole = least / size;
            let rest = whole - whole.floor();
            if whole <= 0.0 || !(REST..=1.0 - REST).contains(&rest) {
                continue;
            }
            let mut cut = Cut { entries: Vec::with_capacity(terms.len()), least: whole.ceil(), worth: 0.0 };
            // What the row and the cut ask of nodes, and what a unit costs at the cheapest.
            let (mut asks, mut asked, mut unit, mut plain) = (whole.ceil(), whole, f64::INFINITY, f64::INFINITY);
            for (c, v, turned) in &terms {
                let v = v / size;
                // A little more than exact never proves too much.
                let rounded = v.floor() + ((v - v.floor()) / rest).min(1.0) + 1e-9;
                if rounded.abs() <= 2e-9 {
                    continue;
                }
                let at = if *turned { 1.0 - point[*c] } else { point[*c] };
                if nodes.contains(c) {
                    unit = unit.min(self.cost[*c] / rounded);
                    plain = plain.min(self.cost[*c] / v);
                } else {
                    asks -= rounded * at;
                    asked -= v * at;
                }
                if *turned {
                    cut.least -= rounded;
                    cut.entries.push((*c, -rounded));
                } else {
                    cut.entries.push((*c, rounded));
                }
            }
            cut.worth = asks.max(0.0) * unit - asked.max(0.0) * plain;
            if cut.worth > WORTH && unit.is_finite() {
                // Numbers near one.
                let unit = 1.0 / cut.entries.iter().map(|(_, v)| v.abs()).fold(1e-9, f64::max);
                cut.entries.iter_mut().for_each(|(_, v)| *v *= unit);
                cut.least *= unit;
                cuts.push(cut);
            }
        }
    }
}

/// Whether two cuts point the same way.
fn alike(a: &[(usize, f64)], b: &[(usize, f64)]) -> bool {
    let (mut k, mut product) = (0, 0.0);
    for (c, v) in a {
        while k < b.len() && b[k].0 < *c {
            k += 1;
        }
        if k < b.len() && b[k].0 == *c {
            product += v * b[k].1;
        }
    }
    let length = |x: &[(usize, f64)]| x.iter().map(|(_, v)| v * v).sum::<f64>();
    product * product > 0.95 * 0.95 * length(a) * length(b)
}
