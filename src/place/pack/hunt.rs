//! The search over node counts: a good start, then all counts that may be cheaper.
//!
//! Work is counted in pods settled and counts looked at.

use std::cmp::Reverse;

use super::{
    super::{
        problem::{Fit, PodGroup},
        scheduler::settle,
    },
    IMPOSSIBLE, MOST, Packed, Yard, housed, most, pods,
    prices::Floors,
    rows::{Row, rows, short},
    start::EFFORT,
    within_quota,
};
use crate::money::MicroUsd;

pub(super) fn hunt(yard: &Yard<'_>, groups: &[&PodGroup], work: u64, simulate: bool) -> Packed {
    let none = Packed { best: None, bound: IMPOSSIBLE, exact: true };
    if pods(groups) > MOST || !housed(yard, groups) {
        return none;
    }
    let Some(most) = most(yard, groups) else { return none };
    let rows = rows(yard, groups);
    // With no quota this is exactly "not even with all there is".
    if rows.iter().any(|row| short(row, &most) > 0) {
        return none;
    }
    // Dear offers first, so that the last and cheapest is found by counting up.
    let mut order: Vec<usize> = (0..yard.offers.len()).collect();
    order.sort_by_key(|t| (Reverse(yard.offers[*t].price), *t));
    let floors = Floors::new(yard, &rows, &order);
    let mut hunt = Hunt {
        yard,
        groups,
        rows: &rows,
        most: &most,
        order: &order,
        floors: &floors,
        best: None,
        pods: pods(groups) + 1,
        work,
        effort: EFFORT,
        out: false,
        simulate: simulate && yard.fit == Fit::Scheduler,
    };
    let least: Vec<u32> = yard.offers.iter().map(|o| o.min).collect();
    let sunk: MicroUsd = yard.offers.iter().map(|o| o.price.times(u64::from(o.min))).sum();
    if hunt.offer(&least) {
        return Packed { best: hunt.best.map(|b| (b.0, b.2)), bound: sunk, exact: true };
    }
    if hunt.simulate {
        hunt.greedy(&least);
    } else {
        hunt.alone(&least);
    }
    let left: Vec<u64> = rows.iter().map(|row| row.need).collect();
    let bound = MicroUsd(floors.least(0, &left));
    let mut counts = vec![0; yard.offers.len()];
    hunt.descend(0, &mut counts, &left, 0, 0);
    let exact = !hunt.out;
    if !exact && hunt.simulate {
        hunt.lots(&least);
    }
    let best = hunt.best.map(|b| (b.0, b.2));
    let bound = match (&best, exact) {
        (Some((cost, _)), true) => *cost,
        (None, true) => IMPOSSIBLE,
        (Some((cost, _)), false) => bound.max(sunk).min(*cost),
        (None, false) => bound.max(sunk),
    };
    Packed { best, bound, exact }
}

/// Search over counts.
pub(super) struct Hunt<'a> {
    pub(super) yard: &'a Yard<'a>,
    pub(super) groups: &'a [&'a PodGroup],
    pub(super) rows: &'a [Row],
    pub(super) most: &'a [u32],
    pub(super) order: &'a [usize],
    pub(super) floors: &'a Floors,
    /// Cost, nodes, counts.
    pub(super) best: Option<(MicroUsd, u64, Vec<u32>)>,
    /// Work of one simulation.
    pub(super) pods: u64,
    pub(super) work: u64,
    /// What giving back and exchanging may still take.
    pub(super) effort: u64,
    pub(super) out: bool,
    /// Whether counts must stand the simulation, or the rows only.
    pub(super) simulate: bool,
}

impl Hunt<'_> {
    pub(super) fn cost(&self, counts: &[u32]) -> MicroUsd {
        self.yard.offers.iter().zip(counts).map(|(o, n)| o.price.times(u64::from(*n))).sum()
    }

    /// Whether counts of this cost and number would replace the best.
    fn better(&self, cost: MicroUsd, nodes: u64, counts: &[u32]) -> bool {
        self.best.as_ref().is_none_or(|(c, n, k)| {
            (cost, nodes).cmp(&(*c, *n)).then_with(|| k.as_slice().cmp(counts)) == std::cmp::Ordering::Less
        })
    }

    /// Whether the pods run on these counts. Those that lack a row need no simulation.
    pub(super) fn fit(&self, counts: &[u32]) -> bool {
        within_quota(self.yard, counts)
            && self.rows.iter().all(|row| short(row, counts) == 0)
            && (!self.simulate || settle(self.yard, self.groups, counts).is_ok())
    }

    /// Simulates these counts and keeps them when they fit and are better; says whether they fit.
    pub(super) fn offer(&mut self, counts: &[u32]) -> bool {
        let fit = self.fit(counts);
        if fit {
            let (cost, nodes) = (self.cost(counts), counts.iter().map(|n| u64::from(*n)).sum());
            if self.better(cost, nodes, counts) {
                self.best = Some((cost, nodes, counts.to_vec()));
            }
        }
        fit
    }

    /// All counts of the offers at `k` and after in order, cheaper than the best.
    fn descend(&mut self, k: usize, counts: &mut Vec<u32>, left: &[u64], cost: i64, nodes: u64) {
        if self.out {
            return;
        }
        let floor = self.floors.least(k, left);
        let limit = |hunt: &Self| hunt.best.as_ref().map(|b| (b.0.0, b.1));
        let hopeless = |spent: i64, nodes: u64, best: Option<(i64, u64)>| {
            best.is_some_and(|(c, n)| spent > c || spent == c && nodes > n)
        };
        if floor >= IMPOSSIBLE.0 || hopeless(cost.saturating_add(floor), nodes, limit(self)) {
            return;
        }
        if k == self.order.len() {
            let total = counts.iter().map(|n| u64::from(*n)).sum();
            if !self.better(MicroUsd(cost), total, counts) {
                return;
            }
            if self.work < self.pods {
                self.out = true;
                return;
            }
            self.work -= self.pods;
            self.offer(counts);
            return;
        }
        let t = self.order[k];
        let (mut low, high) = (self.yard.offers[t].min, self.most[t]);
        if k + 1 == self.order.len() {
            // Fewer of the last offer leave a row short.
            let lacks =
                self.rows.iter().zip(left).filter_map(|(row, left)| {
                    left.checked_div(row.per_node[t]).map(|_| left.div_ceil(row.per_node[t]))
                });
            low = low.max(u32::try_from(lacks.max().unwrap_or(0)).unwrap_or(u32::MAX));
        }
        let price = self.yard.offers[t].price.0;
        for n in low..=high {
            let spent = cost.saturating_add(price.saturating_mul(i64::from(n)));
            if hopeless(spent, nodes + u64::from(n), limit(self)) {
                break;
            }
            if self.work == 0 {
                self.out = true;
                break;
            }
            self.work -= 1;
            counts[t] = n;
            if !within_quota(self.yard, counts) {
                break;
            }
            let rest: Vec<u64> = self
                .rows
                .iter()
                .zip(left)
                .map(|(row, left)| left.saturating_sub(row.per_node[t].saturating_mul(u64::from(n))))
                .collect();
            self.descend(k + 1, counts, &rest, spent, nodes + u64::from(n));
        }
        counts[t] = 0;
    }
}
