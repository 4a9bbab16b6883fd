//! Lower bounds: what any solution within a domain costs at least.
//!
//! A Lagrangian relaxation. Every place decides by itself whom it would serve, given what each
//! component offers it (`share`), at the true cost of its fee and its nodes; every component decides by itself
//! where to run, given what it must offer and what its flows charge (`send`). Any prices give a
//! bound; [`Relaxation::ascend`] looks for good ones. Because a place sees the true cost of every set of
//! components, whole nodes and fees are not smeared as in a linear relaxation of node counts. Floating point lives only
//! here, and bounds are rounded to the safe side.

mod deep;
mod loose;
mod view;

use std::cell::{Cell, RefCell};

use super::{
    domain::{Domain, Mark},
    pack::IMPOSSIBLE,
    problem::Problem,
    site::Sites,
    transfer::Haul,
};
use crate::money::MicroUsd;
pub(super) use view::View;

/// Sites that may be computed for exact tables of places.
const TABLE: usize = 24_000;
/// Largest number of components in one exact table.
const TABLE_COMPONENTS: usize = 12;
/// Steps without a better bound after which steps become shorter.
const IDLE: u32 = 20;
/// Largest number of sets of places that are listed for one component.
const SETS: usize = 3_000;

/// What a place charges for every set of components.
#[derive(Debug)]
enum Tariff {
    /// `costs[mask]`: fee and nodes of the components in the mask; infinite when impossible.
    Exact(Vec<f64>),
    /// Too many sets: a bound from linear prices.
    Loose(loose::Loose, RefCell<deep::Deep>),
}

/// Prices that components and places trade at, in micro-dollars.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prices {
    /// For component and place.
    share: Vec<f64>,
    /// For flow and place of the source.
    send: Vec<f64>,
}

/// What is fixed about a problem for all bounds on it.
#[derive(Debug)]
pub(super) struct Relaxation<'a> {
    problem: &'a Problem,
    haul: Haul<'a>,
    /// Components that may run at each place at all.
    tenants: Vec<Vec<usize>>,
    tariffs: Vec<Tariff>,
    /// Permitted sets of places of every component with several instances, where they are few.
    sets: Vec<Option<Vec<Vec<usize>>>>,
    /// Sets that searches of places looked at, for work budgets.
    looked: Cell<u64>,
}

/// What one evaluation of prices found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Lower bound in micro-dollars, before rounding; infinite when the domain is impossible.
    pub(super) bound: f64,
    /// Sum of magnitudes, for the rounding error.
    scale: f64,
    /// What components chose.
    pub(super) chosen: Vec<Vec<usize>>,
}

impl Found {
    /// The bound as whole micro-dollars: no solution costs less.
    pub(super) fn floor(&self) -> MicroUsd {
        safe(self.bound, self.scale)
    }
}

/// Rounds a computed bound up to whole micro-dollars, less what floating point may have lost.
fn safe(bound: f64, scale: f64) -> MicroUsd {
    if bound == f64::INFINITY {
        return IMPOSSIBLE;
    }
    MicroUsd((bound - scale * 1e-11 - 1e-3).ceil() as i64)
}

impl<'a> Relaxation<'a> {
    /// Prepares bounds for domains within `root`.
    pub(super) fn new(problem: &'a Problem, root: &Domain, sites: &mut Sites<'a>) -> Self {
        let places = problem.places.len();
        let tenants: Vec<Vec<usize>> = (0..places)
            .map(|l| (0..problem.components.len()).filter(|i| root.marks[*i][l] != Mark::Out).collect())
            .collect();
        // Small tables first: the budget serves as many places as it can.
        let mut order: Vec<usize> = (0..places).collect();
        order.sort_by_key(|l| (tenants[*l].len(), *l));
        let mut budget = TABLE;
        let mut tariffs: Vec<Option<Tariff>> = (0..places).map(|_| None).collect();
        for l in order {
            let n = tenants[l].len();
            let tariff = if n <= TABLE_COMPONENTS && 1 << n <= budget {
                budget -= 1 << n;
                Tariff::Exact(table(problem, l, &tenants[l], sites))
            } else {
                Tariff::Loose(loose::Loose::new(problem, l, &tenants[l]), RefCell::default())
            };
            tariffs[l] = Some(tariff);
        }
        let sets = (0..problem.components.len()).map(|i| {
            let component = &problem.components[i];
            if component.max == 1 {
                return None;
            }
            let possible: Vec<usize> = root.possible(i).collect();
            let mut sets = Vec::new();
            let complete = list(&possible, component.max as usize, &mut Vec::new(), 0, &mut |set| {
                if super::evaluate::permits(component, set) {
                    sets.push(set.to_vec());
                }
                sets.len() <= SETS
            });
            complete.then_some(sets)
        });
        Self {
            problem,
            haul: Haul::new(problem),
            tenants,
            tariffs: tariffs.into_iter().flatten().collect(),
            sets: sets.collect(),
            looked: Cell::new(0),
        }
    }

    /// Whether some place has too many components for its table, so that deep views are tighter.
    pub(super) fn is_loose(&self) -> bool {
        self.tariffs.iter().any(|t| matches!(t, Tariff::Loose(..)))
    }

    /// Sets that deep views looked at so far.
    pub(super) fn looked(&self) -> u64 {
        self.looked.get()
    }

    /// Prices to start from: an equal share of every set for each of its members, which no place
    /// can better.
    pub(super) fn start(&self) -> Prices {
        let (n, places) = (self.problem.components.len(), self.problem.places.len());
        let mut share = vec![0.0; n * places];
        for l in 0..places {
            match &self.tariffs[l] {
                Tariff::Exact(costs) => {
                    for (k, i) in self.tenants[l].iter().enumerate() {
                        let least = (1..costs.len())
                            .filter(|mask| mask >> k & 1 == 1)
                            .map(|mask| costs[mask] / f64::from(mask.count_ones()))
                            .fold(f64::INFINITY, f64::min);
                        share[i * places + l] = if least.is_finite() { least } else { 0.0 };
                    }
                }
                Tariff::Loose(loose, _) => {
                    for (k, i) in self.tenants[l].iter().enumerate() {
                        share[i * places + l] = loose.fair(k);
                    }
                }
            }
        }
        Prices { share, send: vec![0.0; self.problem.flows.len() * places] }
    }

    /// Improves prices for a domain by at most `rounds` subgradient steps towards `target`. Returns the best found
    /// with its prices, and calls `visit` with what the components chose whenever the bound rose.
    pub(super) fn ascend(
        &self,
        view: &View,
        start: &Prices,
        target: f64,
        rounds: u32,
        mut pace: f64,
        visit: &mut dyn FnMut(&[Vec<usize>]),
    ) -> (Found, Prices) {
        let mut prices = start.clone();
        let (mut slope, mut drift) = (view.blank(), view.blank());
        let mut best = view.evaluate(self, &prices, &mut slope);
        let mut best_prices = prices.clone();
        let mut found = best.clone();
        let mut idle = 0;
        for _ in 0..rounds {
            if found.bound.is_infinite() || best.bound > target {
                break;
            }
            let mut norm = 0.0;
            for (d, g) in drift.share.iter_mut().zip(&slope.share).chain(drift.send.iter_mut().zip(&slope.send)) {
                // Some of the last direction damps the zigzag.
                *d = *g + 0.6 * *d;
                norm += *d * *d;
            }
            if norm < 1e-9 {
                break;
            }
            // Without a solution to aim at, somewhere above.
            let target = if target.is_finite() { target } else { best.bound + 0.2 * best.scale + 1.0 };
            let gap = (target - found.bound).max(target.abs() * 1e-6).max(1.0);
            let step = pace * gap / norm;
            for (p, d) in prices.share.iter_mut().zip(&drift.share).chain(prices.send.iter_mut().zip(&drift.send)) {
                *p += step * d;
            }
            found = view.evaluate(self, &prices, &mut slope);
            if found.bound > best.bound {
                if found.bound - best.bound > 1e-5 * gap {
                    idle = 0;
                }
                visit(&found.chosen);
                best = found.clone();
                best_prices.clone_from(&prices);
            }
            idle += 1;
            if idle > if view.is_deep() { IDLE / 2 } else { IDLE } {
                idle = 0;
                pace *= 0.7;
                if view.is_deep() {
                    // Steps are dear: go on from the best.
                    prices.clone_from(&best_prices);
                    found = view.evaluate(self, &prices, &mut slope);
                    drift = view.blank();
                }
                if pace < 1e-3 {
                    break;
                }
            }
        }
        (best, best_prices)
    }
}

/// Costs of all sets of the components at a place.
fn table(problem: &Problem, l: usize, tenants: &[usize], sites: &mut Sites<'_>) -> Vec<f64> {
    let mut costs = vec![0.0; 1 << tenants.len()];
    let mut members = Vec::new();
    for (mask, cost) in costs.iter_mut().enumerate().skip(1) {
        members.clear();
        members.extend(tenants.iter().enumerate().filter(|(k, _)| mask >> k & 1 == 1).map(|(_, i)| *i));
        let bound = sites.at(l, &members).bound;
        *cost = if bound >= IMPOSSIBLE { f64::INFINITY } else { (bound + problem.places[l].entry()).0 as f64 };
    }
    costs
}

/// Calls `each` with all non-empty subsets of at most `max` places until it says stop.
fn list(all: &[usize], max: usize, set: &mut Vec<usize>, from: usize, each: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    for k in from..all.len() {
        set.push(all[k]);
        let go_on = each(set) && (set.len() == max || list(all, max, set, k + 1, each));
        set.pop();
        if !go_on {
            return false;
        }
    }
    true
}
