//! The exact least charge of a place with many components: a search over sets that looks only
//! where the offers make it worth while.
//!
//! Costs of sets are remembered between calls: prices change, costs do not.

use std::collections::BTreeMap;

use super::{
    super::{domain::Mark, pack::IMPOSSIBLE, problem::Problem, site},
    loose::{Knapsack, Loose},
};

/// Sets looked at in one search.
const STEPS: u32 = 2_500;
/// What the first look at a set counts as.
const FRESH: u32 = 40;
/// Most components of a place: bits of a mask.
pub(super) const MOST: usize = 64;

/// What is known of sets of components at one place.
#[derive(Debug, Default)]
pub(super) struct Deep {
    /// By mask of tenants: a bound for the set and all that contain it, and its own cost.
    known: BTreeMap<u64, (f64, Option<f64>)>,
}

/// One search.
struct Hunt<'a> {
    problem: &'a Problem,
    place: usize,
    tenants: &'a [usize],
    deep: &'a mut Deep,
    loose: &'a Loose,
    /// Tenants that may be added, with profit and weight, best ratio first.
    items: Vec<(usize, f64, f64)>,
    /// By row, then first item, then capacity: the most profit of the items from there on.
    tables: Vec<Vec<Vec<f64>>>,
    /// Profit of all items from each on.
    sums: Vec<f64>,
    best: f64,
    set: u64,
    /// The least that sets come to which there was no time to look at.
    unseen: f64,
    steps: u32,
}

/// What the members of a set come to.
#[derive(Clone)]
struct Sums {
    /// Offers beyond dedicated nodes.
    gain: f64,
    /// Weight in the chosen price list.
    load: f64,
    /// Steps in every row.
    loads: Vec<usize>,
}

/// By first item, then capacity: the most profit of the items from there on.
fn table(row: &Knapsack, items: &[(usize, f64, f64)]) -> Vec<Vec<f64>> {
    let mut all = vec![vec![0.0_f64; row.top + 1]; items.len() + 1];
    for n in (0..items.len()).rev() {
        let (item, profit, _) = items[n];
        let takes = row.takes[item];
        let mut now = all[n + 1].clone();
        for c in takes..=row.top {
            now[c] = now[c].max(all[n + 1][c - takes] + profit);
        }
        all[n] = now;
    }
    all
}

impl Deep {
    /// Least charge less offers over all sets that marks allow, or a bound on it when the search was
    /// too long; the best set, unless it was; and how many were looked at. `offers` and `marks` are by position among the tenants.
    pub(super) fn least(
        &mut self,
        problem: &Problem,
        place: usize,
        tenants: &[usize],
        loose: &Loose,
        offers: &[f64],
        marks: &[Mark],
    ) -> (f64, Option<u64>, u32) {
        let profit = |k: usize| offers[k] - loose.own[k];
        let (mut sure, mut gain) = (0_u64, 0.0);
        for (k, mark) in marks.iter().enumerate() {
            if *mark == Mark::In {
                sure |= 1 << k;
                gain += profit(k);
            }
        }
        let open: Vec<usize> = (0..tenants.len()).filter(|k| marks[*k] == Mark::Free && profit(*k) > 0.0).collect();
        // The price list that leaves least to gain.
        let mut choice: Option<(f64, usize)> = None;
        for (n, (weights, free)) in loose.lists.iter().enumerate() {
            let left: f64 = open.iter().map(|k| (profit(*k) - weights[*k]).max(0.0)).sum::<f64>() + free;
            if choice.is_none_or(|(least, _)| left < least) {
                choice = Some((left, n));
            }
        }
        let list = choice.map_or(0, |(_, n)| n);
        let (weights, free) = &loose.lists[list];
        let mut items: Vec<(usize, f64, f64)> = open.iter().map(|k| (*k, profit(*k), weights[*k])).collect();
        let ratio = |item: &(usize, f64, f64)| item.1 / item.2.max(1e-9);
        items.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)).then(a.0.cmp(&b.0)));
        let load: f64 = (0..tenants.len()).filter(|k| sure >> k & 1 == 1).map(|k| weights[k]).sum::<f64>() - free;
        let best = if sure == 0 { 0.0 } else { f64::INFINITY };
        let mut sums = vec![0.0; items.len() + 1];
        for n in (0..items.len()).rev() {
            sums[n] = sums[n + 1] + items[n].1;
        }
        let tables = loose.rows.iter().map(|row| table(row, &items)).collect();
        let loads: Vec<usize> = loose
            .rows
            .iter()
            .map(|row| row.takes.iter().enumerate().filter(|(k, _)| sure >> k & 1 == 1).map(|(_, t)| t).sum())
            .collect();
        let mut hunt = Hunt {
            problem,
            place,
            tenants,
            deep: self,
            loose,
            items,
            tables,
            sums,
            best,
            set: sure,
            unseen: f64::INFINITY,
            steps: STEPS,
        };
        hunt.descend(0, sure, Sums { gain, load, loads }, 0.0);
        let used = STEPS - hunt.steps;
        (hunt.best.min(hunt.unseen), (hunt.steps > 0).then_some(hunt.set), used)
    }
}

impl Hunt<'_> {
    fn members(&self, set: u64) -> Vec<usize> {
        self.tenants.iter().enumerate().filter(|(k, _)| set >> k & 1 == 1).map(|(_, i)| *i).collect()
    }

    /// A bound on the shared nodes of a set and of all that contain it.
    fn cover(&mut self, set: u64) -> f64 {
        if set == 0 {
            return 0.0;
        }
        if let Some((cover, _)) = self.deep.known.get(&set) {
            return *cover;
        }
        self.steps = self.steps.saturating_sub(FRESH);
        let cover = site::cover(self.problem, self.place, &self.members(set));
        let cover = if cover >= IMPOSSIBLE { f64::INFINITY } else { cover.0 as f64 };
        self.deep.known.insert(set, (cover, None));
        cover
    }

    /// Cost of a set with its fee and dedicated nodes.
    fn cost(&mut self, set: u64) -> f64 {
        if let Some((_, Some(cost))) = self.deep.known.get(&set) {
            return *cost;
        }
        self.steps = self.steps.saturating_sub(FRESH);
        let bound = site::solve(self.problem, self.place, &self.members(set)).bound;
        let cost = if bound >= IMPOSSIBLE { f64::INFINITY } else { bound.0 as f64 + self.loose.fee };
        if let Some(known) = self.deep.known.get_mut(&set) {
            known.1 = Some(cost);
        }
        cost
    }

    /// Sets that contain `set` and items from `k` on. `least` bounds the nodes of a subset.
    fn descend(&mut self, k: usize, set: u64, sums: Sums, least: f64) {
        if self.steps == 0 {
            self.unseen = self.unseen.min(self.loose.fee + self.floor(k, least, &sums) - sums.gain);
            return;
        }
        self.steps -= 1;
        let cover = self.cover(set).max(least);
        // The set itself.
        if set != 0 && self.loose.fee + cover - sums.gain < self.best {
            let own: f64 = (0..self.tenants.len()).filter(|k| set >> k & 1 == 1).map(|k| self.loose.own[k]).sum();
            // `gain` is already less the dedicated nodes, the cost holds them.
            let net = self.cost(set) - own - sums.gain;
            if net < self.best {
                self.best = net;
                self.set = set;
            }
        }
        for n in k..self.items.len() {
            if self.loose.fee + self.floor(n, cover, &sums) - sums.gain >= self.best {
                return;
            }
            let (item, profit, weight) = self.items[n];
            let mut more = sums.clone();
            more.gain += profit;
            more.load += weight;
            for (load, row) in more.loads.iter_mut().zip(&self.loose.rows) {
                *load += row.takes[item];
            }
            self.descend(n + 1, set | 1 << item, more, cover);
        }
    }

    /// A bound on nodes less profit of what is added, over all sets with any of the items from `n` on.
    fn floor(&self, n: usize, cover: f64, sums: &Sums) -> f64 {
        let plain = self.linear(n, cover, sums).max(cover - self.sums[n]);
        let wanted = self.best - self.loose.fee + sums.gain;
        if plain >= wanted {
            return plain;
        }
        let mut least = if self.loose.beyond.is_finite() {
            self.linear(n, cover.max(self.loose.beyond), sums)
        } else {
            f64::INFINITY
        };
        for (cost, room) in &self.loose.purchases {
            let cost = cost.max(cover);
            if cost - self.sums[n] >= least {
                break;
            }
            let mut most = f64::INFINITY;
            for (r, table) in self.tables.iter().enumerate() {
                let Some(left) = room[r].checked_sub(sums.loads[r]) else {
                    most = f64::NEG_INFINITY;
                    break;
                };
                most = most.min(table[n][left]);
            }
            least = least.min(cost - most);
        }
        least.max(plain)
    }

    /// A bound on nodes less profit of what is added: first what the nodes may hold anyway, then
    /// what pays by the price list.
    fn linear(&self, n: usize, cover: f64, sums: &Sums) -> f64 {
        let (mut load, mut gain) = (sums.load, 0.0);
        for (_, profit, weight) in &self.items[n..] {
            if load < cover {
                let part = ((cover - load) / weight.max(1e-9)).min(1.0);
                // The rest of it, if it pays.
                let more = if profit > weight { 1.0 } else { part };
                load += more * weight;
                gain += more * profit;
            } else if profit > weight {
                load += weight;
                gain += profit;
            } else {
                break;
            }
        }
        load.max(cover) - gain
    }
}
