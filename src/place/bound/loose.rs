//! A bound on what a place charges, where its sets of components are too many to list.
//!
//! Whole nodes are kept: for every purchase of nodes that may make sense, how much the place could
//! earn with it at most is a knapsack over the components, one for each cover row. Beyond the
//! listed purchases, linear prices.

use super::super::{
    domain::Mark,
    pack::{self, Yard, each},
    problem::{Candidate, Demand, Fit, PodGroup, Problem, Resources},
};

/// Purchases that are listed for one place.
const PURCHASES: usize = 400;
/// Steps of a knapsack's capacity.
const STEPS: u64 = 120;

/// Linear prices of one place and its whole purchases.
#[derive(Debug)]
pub(super) struct Loose {
    /// The place's fee, or less than nothing where the least of its nodes is paid anyway.
    pub(super) fee: f64,
    /// For every tenant: least cost of its dedicated nodes.
    pub(super) own: Vec<f64>,
    /// For every price list: weight of each tenant, and what is there without buying.
    pub(super) lists: Vec<(Vec<f64>, f64)>,
    pub(super) rows: Vec<Knapsack>,
    /// Cost, then capacity by row, in rising order of cost; none is dearer and smaller than another.
    pub(super) purchases: Vec<(f64, Vec<usize>)>,
    /// Cost of the cheapest purchase that is not listed; infinite when all that make sense are.
    pub(super) beyond: f64,
}

/// One cover row in coarse steps.
#[derive(Debug)]
pub(super) struct Knapsack {
    /// For every tenant: steps it takes.
    pub(super) takes: Vec<usize>,
    /// Steps that matter; more capacity is of no use.
    pub(super) top: usize,
}

impl Loose {
    pub(super) fn new(problem: &Problem, l: usize, tenants: &[usize]) -> Self {
        let place = &problem.places[l];
        let mut own = vec![0.0; tenants.len()];
        let mut pods: Vec<Vec<&PodGroup>> = vec![Vec::new(); tenants.len()];
        for (k, i) in tenants.iter().enumerate() {
            match &problem.components[*i].candidates[l] {
                Candidate::Allowed(Demand::Shared(groups)) => pods[k].extend(groups),
                Candidate::Allowed(Demand::Dedicated(entries)) => {
                    let least = entries.iter().filter_map(|e| {
                        e.anyof.iter().map(|(t, n)| place.offers[*t].price.times(u64::from(*n)).0).min()
                    });
                    own[k] = least.fold(0_i64, i64::saturating_add) as f64;
                }
                Candidate::Excluded(_) => {}
            }
        }
        let measures = measures(&pods, problem.fit);
        let mut loose = Self {
            fee: place.entry().0 as f64,
            own,
            lists: lists(problem, l, &pods, &measures),
            rows: Vec::new(),
            purchases: Vec::new(),
            beyond: 0.0,
        };
        loose.list_purchases(problem, l, &pods, &measures);
        loose
    }

    /// Lists purchases by rising cost, from the `min` nodes on.
    fn list_purchases(&mut self, problem: &Problem, l: usize, pods: &[Vec<&PodGroup>], measures: &[Measure]) {
        let place = &problem.places[l];
        let reserved = vec![0; place.offers.len()];
        let quota = place.quota.as_ref().map(|q| &q.limit);
        let yard = Yard { offers: &place.offers, free: &place.free, quota, reserved: &reserved, fit: problem.fit };
        let groups: Vec<&PodGroup> = pods.iter().flatten().copied().collect();
        let Some(most) = pack::most(&yard, &groups) else {
            // Not even the nodes that are bought in any case are allowed.
            self.beyond = f64::INFINITY;
            return;
        };
        let mut units = Vec::new();
        for measure in measures {
            let need: Vec<u64> = pods.iter().map(|groups| measure.all(groups)).collect();
            let sum = need.iter().fold(0_u64, |s, n| s.saturating_add(*n));
            let unit = sum.div_ceil(STEPS).max(1);
            let takes: Vec<usize> = need.iter().map(|n| usize::try_from(n / unit).unwrap_or(0)).collect();
            let top = takes.iter().sum();
            units.push(unit);
            self.rows.push(Knapsack { takes, top });
        }
        let capacity = |counts: &[u32]| -> Vec<usize> {
            measures
                .iter()
                .zip(&units)
                .zip(&self.rows)
                .map(|((measure, unit), row)| {
                    let free = place.free.iter().fold(0_u64, |s, f| s.saturating_add(measure.holds(f)));
                    let bought = place.offers.iter().zip(counts).fold(0_u64, |s, (o, n)| {
                        s.saturating_add(measure.holds(&o.usable).saturating_mul(u64::from(*n)))
                    });
                    usize::try_from(free.saturating_add(bought) / unit).unwrap_or(row.top).min(row.top)
                })
                .collect()
        };
        let cost = |counts: &[u32]| -> i64 {
            place
                .offers
                .iter()
                .zip(counts)
                .fold(0_i64, |sum, (o, n)| sum.saturating_add(o.price.times(u64::from(*n)).0))
        };
        let least: Vec<u32> = place.offers.iter().map(|o| o.min).collect();
        // Grows purchases offer by offer in order, so that each is met once.
        let mut queue = std::collections::BTreeSet::from([(cost(&least), least, 0_usize)]);
        let mut looked = 0;
        self.beyond = f64::INFINITY;
        while let Some((price, counts, from)) = queue.pop_first() {
            let room = capacity(&counts);
            let covered = self.purchases.iter().any(|(_, have)| have.iter().zip(&room).all(|(h, r)| h >= r));
            let full = room.iter().zip(&self.rows).all(|(r, row)| *r >= row.top);
            if !covered {
                self.purchases.push((price as f64, room));
            }
            if full {
                return;
            }
            looked += 1;
            if looked >= 8 * PURCHASES || self.purchases.len() >= PURCHASES {
                if let Some((next, ..)) = queue.first() {
                    self.beyond = *next as f64;
                }
                // What this one would have grown to is not in the queue.
                self.beyond = self.beyond.min(price as f64);
                return;
            }
            for t in from..counts.len() {
                if counts[t] < most[t] {
                    let mut more = counts.clone();
                    more[t] += 1;
                    if pack::within_quota(&yard, &more) {
                        queue.insert((cost(&more), more, t));
                    }
                }
            }
        }
    }

    /// What a tenant adds at least by the first price list: a price at which the place gains nothing.
    pub(super) fn fair(&self, k: usize) -> f64 {
        self.own[k] + self.lists.first().filter(|(_, free)| *free <= 0.0).map_or(0.0, |(w, _)| w[k])
    }

    /// Least charge less offers over all sets that marks allow; fills in whom the place serves,
    /// in parts. `offers` and `marks` are by position among the tenants.
    pub(super) fn least(&self, offers: &[f64], marks: &[Mark], serve: &mut [f64]) -> f64 {
        let mut best = if marks.contains(&Mark::In) { f64::INFINITY } else { 0.0 };
        serve.fill(0.0);
        let profits: Vec<f64> = offers.iter().zip(&self.own).map(|(o, own)| o - own).collect();
        let earned: Vec<Vec<f64>> = self.rows.iter().map(|row| row.fill(&profits, marks, None)).collect();
        let mut pick = None;
        for (cost, room) in &self.purchases {
            let (mut most, mut at) = (f64::INFINITY, 0);
            for (r, (earned, room)) in earned.iter().zip(room).enumerate() {
                if earned[*room] < most {
                    (most, at) = (earned[*room], r);
                }
            }
            let charge = self.fee + cost - most;
            if charge < best {
                best = charge;
                pick = Some((at, room.get(at).copied()));
            }
        }
        if self.beyond.is_finite() {
            let mut parts = vec![0.0; serve.len()];
            let charge = self.linear(&profits, marks, &mut parts);
            if charge < best {
                serve.copy_from_slice(&parts);
                return charge;
            }
        }
        match pick {
            Some((row, Some(room))) => {
                let mut taken = Vec::new();
                self.rows[row].fill(&profits, marks, Some(&mut taken));
                self.rows[row].trace(&taken, room, marks, serve);
            }
            Some((_, None)) => {
                for (k, part) in serve.iter_mut().enumerate() {
                    *part = f64::from(marks[k] == Mark::In || marks[k] == Mark::Free && profits[k] > 0.0);
                }
            }
            None => {}
        }
        best
    }

    /// Charge for what costs more than all listed purchases, by the best of the price lists.
    fn linear(&self, profits: &[f64], marks: &[Mark], serve: &mut [f64]) -> f64 {
        let mut best = f64::NEG_INFINITY;
        let mut trial = vec![0.0; profits.len()];
        let mut order: Vec<usize> = Vec::with_capacity(profits.len());
        for (weights, free) in &self.lists {
            trial.fill(0.0);
            order.clear();
            let (mut load, mut gain) = (-free, 0.0);
            for k in 0..profits.len() {
                let take = match marks[k] {
                    Mark::Out => false,
                    Mark::In => true,
                    Mark::Free => profits[k] >= weights[k] && profits[k] > 0.0,
                };
                if take {
                    trial[k] = 1.0;
                    load += weights[k];
                    gain += profits[k];
                } else if marks[k] == Mark::Free && profits[k] > 0.0 {
                    order.push(k);
                }
            }
            // What fits below the cost of the purchase costs nothing more.
            if load < self.beyond {
                let value = |k: usize| profits[k] / weights[k].max(1e-9);
                order.sort_by(|a, b| value(*b).total_cmp(&value(*a)).then(a.cmp(b)));
                for k in &order {
                    let part = ((self.beyond - load) / weights[*k].max(1e-9)).min(1.0);
                    trial[*k] = part;
                    load += part * weights[*k];
                    gain += part * profits[*k];
                    if part < 1.0 {
                        break;
                    }
                }
            }
            let charge = self.fee + load.max(self.beyond) - gain;
            if charge > best {
                best = charge;
                serve.copy_from_slice(&trial);
            }
        }
        best
    }
}

impl Knapsack {
    /// Most profit for every capacity; with `taken`, whether each tenant is in at each capacity.
    fn fill(&self, profits: &[f64], marks: &[Mark], mut taken: Option<&mut Vec<Vec<bool>>>) -> Vec<f64> {
        let mut earned = vec![0.0_f64; self.top + 1];
        for (k, profit) in profits.iter().enumerate() {
            let (takes, must) = (self.takes[k], marks[k] == Mark::In);
            let mut row = taken.as_ref().map(|_| vec![false; self.top + 1]);
            if must || marks[k] == Mark::Free && *profit > 0.0 {
                for c in (takes..=self.top).rev() {
                    let with = earned[c - takes] + profit;
                    if must || with > earned[c] {
                        earned[c] = with;
                        if let Some(row) = &mut row {
                            row[c] = true;
                        }
                    }
                }
                if must {
                    earned[..takes].fill(f64::NEG_INFINITY);
                }
            }
            if let (Some(all), Some(row)) = (&mut taken, row) {
                all.push(row);
            }
        }
        earned
    }

    /// Who is in at a capacity.
    fn trace(&self, taken: &[Vec<bool>], room: usize, marks: &[Mark], serve: &mut [f64]) {
        let mut room = room;
        for k in (0..taken.len()).rev() {
            if taken[k][room] {
                serve[k] = 1.0;
                room -= self.takes[k];
            } else {
                serve[k] = f64::from(marks[k] == Mark::In);
            }
        }
    }
}

/// A cover row: what pods take of it and rooms hold of it.
#[derive(Clone, Copy, Debug)]
enum Measure {
    /// One of the four resources.
    Resource(usize),
    /// Pods at least as large as this.
    Class(Resources),
    /// Whole units of one of the resources.
    Units(usize, u64),
}

impl Measure {
    fn takes(&self, size: &Resources) -> u64 {
        match self {
            Self::Resource(r) => each(size)[*r],
            Self::Units(r, unit) => each(size)[*r] / unit,
            Self::Class(least) => u64::from(each(least).iter().zip(each(size)).all(|(s, l)| *s <= l)),
        }
    }

    fn holds(&self, room: &Resources) -> u64 {
        match self {
            Self::Resource(r) => each(room)[*r],
            Self::Units(r, unit) => each(room)[*r] / unit,
            Self::Class(least) => {
                (0..4).filter_map(|r| each(room)[r].checked_div(each(least)[r])).min().unwrap_or(u64::from(u32::MAX))
            }
        }
    }

    fn all(&self, groups: &[&PodGroup]) -> u64 {
        groups.iter().fold(0, |s, g| s.saturating_add(self.takes(&g.size).saturating_mul(u64::from(g.count))))
    }
}

/// The resources that pods ask for, and the classes of large pods; few, as each costs time.
fn measures(pods: &[Vec<&PodGroup>], fit: Fit) -> Vec<Measure> {
    let asked = |m: &Measure| pods.iter().any(|groups| m.all(groups) > 0);
    let mut measures: Vec<Measure> = (0..4).map(Measure::Resource).filter(asked).collect();
    if fit != Fit::Scheduler {
        let classes = if fit == Fit::Cover { &pack::CLASSES[..] } else { &[] };
        measures.extend(classes.iter().map(|(r, unit)| Measure::Units(*r, *unit)).filter(asked));
        return measures;
    }
    let mut sizes: Vec<Resources> = pods.iter().flatten().filter(|g| g.count > 0).map(|g| g.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    measures.extend(sizes.into_iter().rev().take(6).map(Measure::Class));
    measures
}

/// One price list for every cover row of all pods together; a zero list where there is none.
fn lists(problem: &Problem, l: usize, pods: &[Vec<&PodGroup>], measures: &[Measure]) -> Vec<(Vec<f64>, f64)> {
    let place = &problem.places[l];
    let groups: Vec<&PodGroup> = pods.iter().flatten().copied().collect();
    let mut lists = Vec::new();
    for measure in measures {
        // The cheapest unit of the row that a group can use.
        let unit = |group: &PodGroup| {
            place
                .offers
                .iter()
                .enumerate()
                .filter(|(t, o)| {
                    (problem.fit != Fit::Scheduler || pack::suits(group, *t, &o.usable)) && measure.holds(&o.usable) > 0
                })
                .map(|(_, o)| o.price.0 as f64 / measure.holds(&o.usable) as f64)
                .fold(f64::INFINITY, f64::min)
        };
        // A pod that only free nodes serve has no price of its own; its room is in the credit.
        let finite = |u: f64| if u.is_finite() { u } else { 0.0 };
        let weights: Vec<f64> = pods
            .iter()
            .map(|groups| {
                groups.iter().map(|g| finite(unit(g)) * measure.takes(&g.size) as f64 * f64::from(g.count)).sum()
            })
            .collect();
        let dearest = groups.iter().map(|g| finite(unit(g))).fold(0.0, f64::max);
        let there: f64 = place.free.iter().map(|f| measure.holds(f) as f64).sum();
        if weights.iter().any(|w| *w > 0.0) {
            lists.push((weights, dearest * there));
        }
    }
    if lists.is_empty() {
        lists.push((vec![0.0; pods.len()], 0.0));
    }
    lists
}
