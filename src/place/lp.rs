//! A linear relaxation of a placement problem, and the lower bound that prices prove.
//!
//! `build` writes the relaxation down, a [`Solver`] finds prices for its rows (`first_order`, our own;
//! `simplex`, HiGHS, when built in), and [`Lp::value`] says what any prices prove, from the rows
//! alone: a solver's word for its optimum is never taken. Knows numbers, not places.

pub(super) mod build;
mod cuts;
pub(super) mod first_order;
mod flows;

use std::ops::Range;

use super::pack::IMPOSSIBLE;
use crate::money::MicroUsd;

/// Minimise cost · x over blocks and boxes, under rows `Σ coefficient · x ≤ limit` that cost
/// `cap` for every unit they are exceeded by.
#[derive(Clone, Debug, Default)]
pub(super) struct Lp {
    /// Dollars for a unit of every column.
    pub(super) cost: Vec<f64>,
    /// Columns that range over 0..=1 and sum to a number in a range: one component's places.
    pub(super) blocks: Vec<Block>,
    /// Least and most of every column beyond the blocks, which come first.
    pub(super) boxes: Vec<(f64, f64)>,
    /// Entries of every row: positions in `columns` and `values`.
    pub(super) starts: Vec<usize>,
    pub(super) columns: Vec<u32>,
    pub(super) values: Vec<f64>,
    pub(super) limits: Vec<f64>,
    /// The most that a unit beyond the limit costs; infinite where it is forbidden.
    pub(super) caps: Vec<f64>,
    /// Rows whose prices may be cut down together so that columns do not pay below nothing.
    pub(super) yards: Vec<Yard>,
    /// Rows that are added only where they are found to matter.
    pub(super) spare: Vec<Spare>,
    /// Dollars that are certain.
    pub(super) constant: f64,
}

/// A row of a yard that is not there yet.
#[derive(Clone, Debug)]
pub(super) struct Spare {
    pub(super) yard: usize,
    pub(super) entries: Vec<(usize, f64)>,
    pub(super) limit: f64,
}

/// One component's columns.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) columns: Range<usize>,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// Rows that demand a place's nodes, and the columns of those nodes.
#[derive(Clone, Debug)]
pub(super) struct Yard {
    pub(super) rows: Range<usize>,
    /// More such rows, which follow from whole numbers.
    pub(super) cuts: Vec<usize>,
    /// Rows that bound nodes: what they are charged, nodes may earn beyond their cost.
    pub(super) quotas: Range<usize>,
    pub(super) nodes: Range<usize>,
}

/// What prices prove.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    /// Lower bound in dollars, before rounding.
    pub(super) bound: f64,
    /// Sum of magnitudes, for the rounding error.
    pub(super) scale: f64,
    /// What every column costs at these prices.
    pub(super) reduced: Vec<f64>,
}

/// What a solver returns: a point that need not be feasible, and prices that need not be the best.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) point: Vec<f64>,
    pub(super) prices: Vec<f64>,
}

/// Something that finds good prices for one relaxation, the better the longer it is asked.
pub(super) trait Solver {
    /// Goes on for about so many multiplications.
    fn advance(&mut self, lp: &Lp, work: u64) -> Answer;
}

impl Proof {
    /// The bound in whole micro-dollars, less what floating point may have lost.
    pub(super) fn floor(&self) -> MicroUsd {
        self.with(0.0)
    }

    /// The same with so many dollars more.
    pub(super) fn with(&self, more: f64) -> MicroUsd {
        let micro = (self.bound + more.max(0.0)) * 1e6 - (self.scale + more.abs()) * 1e-5 - 1e-3;
        MicroUsd((micro.ceil() as i64).clamp(0, IMPOSSIBLE.0))
    }
}

impl Lp {
    /// Number of columns in blocks.
    pub(super) fn blocked(&self) -> usize {
        self.cost.len() - self.boxes.len()
    }

    /// Adds a column beyond the blocks.
    pub(super) fn column(&mut self, cost: f64, least: f64, most: f64) -> usize {
        self.cost.push(cost);
        self.boxes.push((least, most));
        self.cost.len() - 1
    }

    /// Adds a row.
    pub(super) fn row(&mut self, entries: impl IntoIterator<Item = (usize, f64)>, limit: f64, cap: f64) {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        for (column, value) in entries {
            self.columns.push(u32::try_from(column).unwrap_or(u32::MAX));
            self.values.push(value);
        }
        self.starts.push(self.columns.len());
        self.limits.push(limit);
        self.caps.push(cap);
    }

    /// Entries of a row.
    pub(super) fn entries(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let all = self.starts[row]..self.starts[row + 1];
        self.columns[all.clone()].iter().map(|c| *c as usize).zip(self.values[all].iter().copied())
    }

    /// The lower bound that prices prove: every row is charged at its price, and every block and
    /// box takes what is cheapest for it. Prices outside of what rows allow are moved inside.
    pub(super) fn value(&self, prices: &[f64]) -> Proof {
        let mut prices: Vec<f64> = prices
            .iter()
            .zip(&self.caps)
            .map(|(p, cap)| if p.is_finite() { p.clamp(0.0, *cap) } else { 0.0 })
            .collect();
        for yard in &self.yards {
            self.moderate(yard, &mut prices);
        }
        let mut reduced = self.cost.clone();
        let (mut bound, mut scale) = (self.constant, self.constant.abs());
        for (row, price) in prices.iter().enumerate().filter(|(_, p)| **p != 0.0) {
            for (column, value) in self.entries(row) {
                reduced[column] += price * value;
                scale += (price * value).abs();
            }
            bound -= price * self.limits[row];
            scale += (price * self.limits[row]).abs();
        }
        let mut sorted = Vec::new();
        for block in &self.blocks {
            bound += block.least(&reduced, &mut sorted);
        }
        for (reduced, (least, most)) in reduced[self.blocked()..].iter().zip(&self.boxes) {
            let at = if *reduced < 0.0 { most } else { least };
            bound += reduced * at;
            scale += (reduced * at).abs();
        }
        if !bound.is_finite() {
            bound = f64::NEG_INFINITY;
        }
        Proof { bound, scale, reduced }
    }

    /// Lowers a yard's prices until no node earns more than it costs.
    fn moderate(&self, yard: &Yard, prices: &mut [f64]) {
        let mut paid = vec![0.0; yard.nodes.len()];
        for row in yard.rows.clone().chain(yard.cuts.iter().copied()) {
            for (column, value) in self.entries(row).filter(|(c, _)| yard.nodes.contains(c)) {
                paid[column - yard.nodes.start] -= prices[row] * value;
            }
        }
        let mut worth = self.cost[yard.nodes.clone()].to_vec();
        for row in yard.quotas.clone() {
            for (column, value) in self.entries(row).filter(|(c, _)| yard.nodes.contains(c)) {
                worth[column - yard.nodes.start] += prices[row] * value;
            }
        }
        let worth = paid.iter().zip(&worth);
        let factor = worth.filter(|(paid, _)| **paid > 0.0).map(|(paid, cost)| cost / paid).fold(1.0, f64::min);
        if factor < 1.0 {
            for row in yard.rows.clone().chain(yard.cuts.iter().copied()) {
                prices[row] *= factor;
            }
        }
    }
}

impl Block {
    /// The least that the block's columns come to.
    fn least(&self, reduced: &[f64], sorted: &mut Vec<f64>) -> f64 {
        let all = &reduced[self.columns.clone()];
        if self.min == 1.0 && self.max == 1.0 {
            return all.iter().copied().fold(f64::INFINITY, f64::min);
        }
        sorted.clear();
        sorted.extend_from_slice(all);
        sorted.sort_by(f64::total_cmp);
        let (mut sum, mut count) = (0.0, 0.0);
        for value in sorted.iter() {
            if count < self.min || count < self.max && *value < 0.0 {
                sum += value;
                count += 1.0;
            }
        }
        if count < self.min { f64::INFINITY } else { sum }
    }
}
