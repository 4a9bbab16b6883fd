//! The cheapest nodes that pods really run on, at one place.
//!
//! Node counts *fit* when kube-scheduler, as [`settle`] simulates it, finds a node for every pod:
//! that a packing exists is not enough, because the scheduler does not look for it. The simulation
//! is not monotone (one node or pod more may make it fail), so nothing here concludes from one
//! count to another but by the cover rows, which every packing satisfies. Knows offers and pods,
//! nothing of components, fees or transfer.

mod lots;

use std::cmp::Reverse;

use super::{
    problem::{Offer, PodGroup, Resources},
    scheduler::{Stuck, largest_first, settle},
};
use crate::money::MicroUsd;

/// What pods can be put on at one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yard<'a> {
    /// Nodes that can be bought.
    pub(super) offers: &'a [Offer],
    /// Room on nodes that exist.
    pub(super) free: &'a [Resources],
    /// Bounds on the sum of gross sizes.
    pub(super) quota: Option<&'a Resources>,
    /// For every offer: nodes that dedicated components take; they count against `max` and quota.
    pub(super) reserved: &'a [u32],
}

/// Result of [`cheapest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    /// Cost of the bought nodes and their number for every offer; `None` when none was found.
    pub(super) best: Option<(MicroUsd, Vec<u32>)>,
    /// No counts that fit cost less.
    pub(super) bound: MicroUsd,
    /// The search ran to its end: `best` is the optimum, and none means that none exists.
    pub(super) exact: bool,
}

/// Cost of something that is impossible, as a bound.
pub(super) const IMPOSSIBLE: MicroUsd = MicroUsd(i64::MAX / 4);

/// More pods, or dedicated nodes of one offer, at one place are refused: a cluster does not hold them.
pub(super) const MOST: u64 = 20_000;
/// With up to so many pods nodes are bought one by one, which wastes least.
const FEW: u64 = 200;
/// Pods settled by one taste while nodes are given back and exchanged.
const EFFORT: u64 = 250_000;

/// Pods in all.
fn pods(groups: &[&PodGroup]) -> u64 {
    groups.iter().fold(0, |n, g| n.saturating_add(u64::from(g.count)))
}

/// The four numbers of [`Resources`], to loop over.
pub(super) fn each(r: &Resources) -> [u64; 4] {
    [r.milli_cpu, r.memory, r.gpus, r.pods]
}

/// Whether a pod of this size fits into what is left.
pub(super) fn fits(size: &Resources, left: &Resources) -> bool {
    size.milli_cpu <= left.milli_cpu && size.memory <= left.memory && size.gpus <= left.gpus && size.pods <= left.pods
}

/// Whether pods of the group may run on nodes of the offer and one fits an empty one.
pub(super) fn suits(group: &PodGroup, offer: usize, usable: &Resources) -> bool {
    group.only.as_ref().is_none_or(|only| only.contains(&offer)) && fits(&group.size, usable)
}

/// One necessary condition on counts: Σ `per_node[t]` · counts[t] ≥ `need`.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) need: u64,
    pub(super) per_node: Vec<u64>,
}

/// Conditions that every packing satisfies: sums of resources, and for every size of pod the number
/// of pods at least that large (a node takes a whole number of them).
pub(super) fn rows(yard: &Yard<'_>, groups: &[&PodGroup]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |need: u64, from_free: u64, per_node: Vec<u64>| {
        if need > from_free {
            rows.push(Row { need: need - from_free, per_node });
        }
    };
    let anywhere = groups.iter().any(|g| g.only.is_none());
    for r in 0..4 {
        let need =
            groups.iter().fold(0_u64, |n, g| n.saturating_add(each(&g.size)[r].saturating_mul(u64::from(g.count))));
        let free = if anywhere { yard.free.iter().fold(0_u64, |n, f| n.saturating_add(each(f)[r])) } else { 0 };
        let per_node = yard
            .offers
            .iter()
            .enumerate()
            .map(|(t, o)| if groups.iter().any(|g| suits(g, t, &o.usable)) { each(&o.usable)[r] } else { 0 });
        add(need, free, per_node.collect());
    }
    let mut sizes: Vec<Resources> = groups.iter().filter(|g| g.count > 0).map(|g| g.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for size in sizes {
        let class: Vec<&&PodGroup> = groups.iter().filter(|g| fits(&size, &g.size)).collect();
        let need = class.iter().map(|g| u64::from(g.count)).sum();
        let times = |room: &Resources| {
            (0..4).filter_map(|r| each(room)[r].checked_div(each(&size)[r])).min().unwrap_or(u64::from(u32::MAX))
        };
        let free = if class.iter().any(|g| g.only.is_none()) {
            yard.free.iter().map(times).fold(0, u64::saturating_add)
        } else {
            0
        };
        let per_node = yard
            .offers
            .iter()
            .enumerate()
            .map(|(t, o)| if class.iter().any(|g| suits(g, t, &o.usable)) { times(&o.usable) } else { 0 });
        add(need, free, per_node.collect());
    }
    rows
}

/// Most nodes of every offer that can be of use beside the reserved ones; `None` when not even the
/// minimum is allowed. More nodes of an offer than pods that suit it change nothing.
pub(super) fn most(yard: &Yard<'_>, groups: &[&PodGroup]) -> Option<Vec<u32>> {
    let mut all = Vec::with_capacity(yard.offers.len());
    for (t, offer) in yard.offers.iter().enumerate() {
        let pods = groups.iter().filter(|g| suits(g, t, &offer.usable)).map(|g| g.count).fold(0, u32::saturating_add);
        let limit = offer.max.map_or(u32::MAX, |max| max.saturating_sub(yard.reserved[t]));
        if offer.min > limit || offer.max.is_some_and(|max| yard.reserved[t] > max) {
            return None;
        }
        all.push(pods.clamp(offer.min, limit.max(offer.min)).min(limit));
    }
    let least: Vec<u32> = yard.offers.iter().map(|o| o.min).collect();
    within_quota(yard, &least).then_some(all)
}

/// Whether the counts beside the reserved nodes keep the quota.
pub(super) fn within_quota(yard: &Yard<'_>, counts: &[u32]) -> bool {
    let Some(limit) = yard.quota else { return true };
    let mut sum = [0_u128; 4];
    for (t, offer) in yard.offers.iter().enumerate() {
        let n = u128::from(counts[t]) + u128::from(yard.reserved[t]);
        let gross = each(&offer.gross);
        for r in 0..3 {
            sum[r] += n * u128::from(gross[r]);
        }
        sum[3] += n;
    }
    sum.iter().zip(each(limit)).all(|(sum, limit)| *sum <= u128::from(limit))
}

/// Whether the pods cannot run here whatever is bought: no simulation is needed to say so.
pub(super) fn hopeless(yard: &Yard<'_>, groups: &[&PodGroup]) -> bool {
    if pods(groups) > MOST {
        return true;
    }
    let Some(most) = most(yard, groups) else { return true };
    if yard.quota.is_none() {
        return rows(yard, groups).iter().any(|row| short(row, &most) > 0);
    }
    // With a quota every row by itself must be reachable within every quota by itself.
    let least: Vec<u32> = yard.offers.iter().map(|o| o.min).collect();
    rows(yard, groups).iter().any(|row| {
        let mut alone: Vec<u64> = Vec::new();
        for (t, offer) in yard.offers.iter().enumerate() {
            let mut counts = least.clone();
            let (mut low, mut high) = (offer.min, most[t]);
            while low < high {
                counts[t] = low + (high - low).div_ceil(2);
                if within_quota(yard, &counts) { low = counts[t] } else { high = counts[t] - 1 }
            }
            alone.push(u64::from(low));
        }
        let reach = row.per_node.iter().zip(&alone).fold(0_u64, |n, (c, k)| n.saturating_add(c.saturating_mul(*k)));
        reach < row.need
    })
}

/// How much a row lacks with these counts.
fn short(row: &Row, counts: &[u32]) -> u64 {
    let have =
        row.per_node.iter().zip(counts).fold(0_u64, |n, (c, k)| n.saturating_add(c.saturating_mul(u64::from(*k))));
    row.need.saturating_sub(have)
}

/// A lower bound on the nodes of these pods and of any pods with them: the cheapest counts that
/// satisfy the cover rows, whole but not simulated.
pub(super) fn cover(yard: &Yard<'_>, groups: &[&PodGroup], work: u64) -> MicroUsd {
    hunt(yard, groups, work, false).bound
}

/// The cheapest counts that fit; of equals the fewest nodes, then the most of the first names.
/// `work` bounds the pods settled in simulations.
pub(super) fn cheapest(yard: &Yard<'_>, groups: &[&PodGroup], work: u64) -> Packed {
    hunt(yard, groups, work, true)
}

fn hunt(yard: &Yard<'_>, groups: &[&PodGroup], work: u64, simulate: bool) -> Packed {
    let none = Packed { best: None, bound: IMPOSSIBLE, exact: true };
    if pods(groups) > MOST {
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
    let ratios = ratios(yard, &rows, &order);
    let mut hunt = Hunt {
        yard,
        groups,
        rows: &rows,
        most: &most,
        order: &order,
        ratios: &ratios,
        best: None,
        pods: pods(groups) + 1,
        work,
        effort: EFFORT,
        out: false,
        simulate,
    };
    let least: Vec<u32> = yard.offers.iter().map(|o| o.min).collect();
    let sunk: MicroUsd = yard.offers.iter().map(|o| o.price.times(u64::from(o.min))).sum();
    if hunt.offer(&least) {
        return Packed { best: hunt.best.map(|b| (b.0, b.2)), bound: sunk, exact: true };
    }
    if simulate {
        hunt.greedy(&least);
    }
    let left: Vec<u64> = rows.iter().map(|row| row.need).collect();
    let bound = MicroUsd(hunt.floor(0, &left));
    let mut counts = vec![0; yard.offers.len()];
    hunt.descend(0, &mut counts, &left, 0, 0);
    let exact = !hunt.out;
    if !exact && simulate {
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

/// For every row and position in `order`: the least price for one unit of the row among the offers
/// from there on, in micro-dollars; infinite when none of them serves it.
fn ratios(yard: &Yard<'_>, rows: &[Row], order: &[usize]) -> Vec<Vec<f64>> {
    rows.iter()
        .map(|row| {
            let mut out = vec![f64::INFINITY; order.len() + 1];
            for k in (0..order.len()).rev() {
                let t = order[k];
                let here = if row.per_node[t] == 0 {
                    f64::INFINITY
                } else {
                    yard.offers[t].price.0 as f64 / row.per_node[t] as f64
                };
                out[k] = out[k + 1].min(here);
            }
            out
        })
        .collect()
}

/// Search over counts.
struct Hunt<'a> {
    yard: &'a Yard<'a>,
    groups: &'a [&'a PodGroup],
    rows: &'a [Row],
    most: &'a [u32],
    order: &'a [usize],
    ratios: &'a [Vec<f64>],
    /// Cost, nodes, counts.
    best: Option<(MicroUsd, u64, Vec<u32>)>,
    /// Work of one simulation.
    pods: u64,
    work: u64,
    /// What giving back and exchanging may still take.
    effort: u64,
    out: bool,
    /// Whether counts must stand the simulation, or the rows only.
    simulate: bool,
}

impl Hunt<'_> {
    fn cost(&self, counts: &[u32]) -> MicroUsd {
        self.yard.offers.iter().zip(counts).map(|(o, n)| o.price.times(u64::from(*n))).sum()
    }

    /// Whether counts of this cost and number would replace the best.
    fn better(&self, cost: MicroUsd, nodes: u64, counts: &[u32]) -> bool {
        self.best.as_ref().is_none_or(|(c, n, k)| {
            (cost, nodes).cmp(&(*c, *n)).then_with(|| k.as_slice().cmp(counts)) == std::cmp::Ordering::Less
        })
    }

    /// Whether the pods run on these counts. Those that lack a row need no simulation.
    fn fit(&self, counts: &[u32]) -> bool {
        within_quota(self.yard, counts)
            && self.rows.iter().all(|row| short(row, counts) == 0)
            && (!self.simulate || settle(self.yard, self.groups, counts).is_ok())
    }

    /// Simulates these counts and keeps them when they fit and are better; says whether they fit.
    fn offer(&mut self, counts: &[u32]) -> bool {
        let fit = self.fit(counts);
        if fit {
            let (cost, nodes) = (self.cost(counts), counts.iter().map(|n| u64::from(*n)).sum());
            if self.better(cost, nodes, counts) {
                self.best = Some((cost, nodes, counts.to_vec()));
            }
        }
        fit
    }

    /// Buys nodes for the first pod that finds none until all do, by four tastes; then gives back
    /// and exchanges what is not needed. A good start; no proof.
    fn greedy(&mut self, least: &[u32]) {
        let mut starts: Vec<Vec<u32>> = Vec::new();
        for taste in 0..4 {
            let mut counts = least.to_vec();
            let mut rounds = self.pods + 4;
            self.effort = EFFORT;
            while let Err(stuck) = settle(self.yard, self.groups, &counts) {
                let spent = taste > 0 && self.effort < self.pods;
                let Some(t) = self.taste(taste, stuck.group, &counts).filter(|_| rounds > 0 && !spent) else { break };
                let batch = if self.pods <= FEW { 1 } else { self.batch(taste, stuck, t, &counts) };
                if batch == 0 {
                    break;
                }
                counts[t] += batch;
                rounds -= 1;
                if self.pods > FEW {
                    self.effort = self.effort.saturating_sub(self.pods);
                }
            }
            if !starts.contains(&counts) && self.offer(&counts) {
                starts.push(counts.clone());
                self.trim(counts, least);
            }
        }
    }

    /// The offer that a taste buys for a group.
    fn taste(&self, taste: usize, group: usize, counts: &[u32]) -> Option<usize> {
        let size = self.groups[group].size;
        let value = |t: usize| {
            let offer = &self.yard.offers[t];
            let price = offer.price.0 as f64;
            match taste {
                0 => price,
                1 => price / (offer.usable.milli_cpu as f64 + 1.0),
                2 => price / (offer.usable.memory as f64 + 1.0),
                _ => {
                    let times = (0..4).filter_map(|r| each(&offer.usable)[r].checked_div(each(&size)[r])).min();
                    price / times.unwrap_or(1).min(self.pods) as f64
                }
            }
        };
        (0..counts.len())
            .filter(|t| counts[*t] < self.most[*t] && suits(self.groups[group], *t, &self.yard.offers[*t].usable))
            .min_by(|a, b| value(*a).total_cmp(&value(*b)))
    }

    /// How many nodes of the offer cover the rest of the group and later groups of the same taste,
    /// as far as most nodes and quota go.
    fn batch(&self, taste: usize, stuck: Stuck, t: usize, counts: &[u32]) -> u32 {
        let whole = each(&self.yard.offers[t].usable);
        let mut need = [0_u64; 4];
        let order = largest_first(self.groups);
        for g in order.into_iter().skip_while(|g| *g != stuck.group) {
            if g == stuck.group || self.taste(taste, g, counts) == Some(t) {
                let count = if g == stuck.group { stuck.left } else { self.groups[g].count };
                for (need, size) in need.iter_mut().zip(each(&self.groups[g].size)) {
                    *need = need.saturating_add(size.saturating_mul(u64::from(count)));
                }
            }
        }
        let sums = need.iter().zip(whole).filter(|(_, whole)| *whole > 0).map(|(need, whole)| need.div_ceil(whole));
        let size = each(&self.groups[stuck.group].size);
        let times = (0..4).filter_map(|r| whole[r].checked_div(size[r])).min().unwrap_or(u64::MAX).max(1);
        let all = sums.max().unwrap_or(1).max(u64::from(stuck.left).div_ceil(times)).max(1);
        let room = self.most[t] - counts[t];
        let (mut low, mut high) = (0, u32::try_from(all).unwrap_or(u32::MAX).min(room));
        let mut trial = counts.to_vec();
        while low < high {
            let mid = low + (high - low).div_ceil(2);
            trial[t] = counts[t] + mid;
            if within_quota(self.yard, &trial) { low = mid } else { high = mid - 1 }
        }
        low
    }

    /// Takes nodes away, or exchanges one for a cheaper one, while the rest still fits. What goes
    /// well is tried with twice as many the next time.
    fn trim(&mut self, mut counts: Vec<u32>, least: &[u32]) {
        let mut steps = vec![1_u32; counts.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for k in 0..self.order.len() {
                let t = self.order[k];
                if counts[t] <= least[t] {
                    continue;
                }
                if self.effort < self.pods {
                    return;
                }
                self.effort -= self.pods;
                let before = counts[t];
                let step = steps[t].min(before - least[t]);
                counts[t] -= step;
                if self.offer(&counts) {
                    if self.pods > FEW {
                        steps[t] = step.saturating_mul(2);
                    }
                    changed = true;
                    continue;
                }
                if step > 1 {
                    counts[t] = before;
                    steps[t] = step / 2;
                    changed = true;
                    continue;
                }
                let mut looked = 0;
                let cheaper = self.order[k + 1..].iter().copied().find(|u| {
                    let price = |t: usize| self.yard.offers[t].price;
                    if counts[*u] >= self.most[*u] || price(*u) >= price(t) || looked * self.pods > self.effort {
                        return false;
                    }
                    looked += 1;
                    let mut swapped = counts.clone();
                    swapped[*u] += 1;
                    self.fit(&swapped)
                });
                self.effort = self.effort.saturating_sub(looked * self.pods);
                match cheaper {
                    Some(u) => {
                        counts[u] += 1;
                        self.offer(&counts);
                        changed = true;
                    }
                    None => counts[t] += 1,
                }
            }
        }
    }

    /// Least cost of what rows lack, from the offers at `k` and after in order.
    fn floor(&self, k: usize, left: &[u64]) -> i64 {
        let mut floor = 0.0_f64;
        for (ratios, left) in self.ratios.iter().zip(left) {
            if *left > 0 {
                floor = floor.max(ratios[k] * *left as f64);
            }
        }
        if floor.is_infinite() { IMPOSSIBLE.0 } else { (floor * (1.0 - 1e-12) - 1e-6).ceil() as i64 }
    }

    /// All counts of the offers at `k` and after in order, cheaper than the best.
    fn descend(&mut self, k: usize, counts: &mut Vec<u32>, left: &[u64], cost: i64, nodes: u64) {
        if self.out {
            return;
        }
        let floor = self.floor(k, left);
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
