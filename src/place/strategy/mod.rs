//! Strategies: by which rule the replicas of a component are divided over places.
//!
//! Runs before the search, on the same problem. What runs and stays is promised its room first, and what
//! can run in one place only; then components with a strategy are divided, those that need most first, each
//! promised what it gets; what is divided is fixed for the search, which places everything else beside it
//! at the least cost. So the outcome depends neither on the order of files nor on that of plans. The rules
//! themselves are arithmetic (`share`); room is what kube-scheduler would find (`rooms`); what lacks is
//! told by `advice`; `check` verifies with code of its own.

mod advice;
pub(super) mod check;
mod rooms;
mod share;
pub(super) mod split;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use self::{
    advice::{Lack, lacks},
    rooms::{Ask, Rooms},
    share::Spot,
};
use super::{
    formulate::Present,
    problem::{Candidate, Component, Demand, Exclusion, Limits, PodGroup, Problem},
    site,
};
use crate::{
    compile::model::{Model, Strategy},
    diagnostic::Diagnostics,
    spec::StrategyName,
};

/// How the replicas of a component are divided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// Cluster → replicas, at least 1.
    pub portions: BTreeMap<String, u32>,
    /// Replicas as they are written.
    pub whole: u32,
    /// Replicas that found no room (`partial: true`).
    pub missing: u32,
}

impl Division {
    /// Replicas in all places.
    pub fn total(&self) -> u32 {
        self.portions.values().fold(0, |n, p| n.saturating_add(*p))
    }

    /// Why a cluster runs its part, in one clause.
    pub fn reason(&self, strategy: StrategyName, cluster: &str) -> String {
        let portion = self.portions.get(cluster).copied().unwrap_or(0);
        let total = self.total().saturating_add(self.missing);
        let left = if self.missing == 0 { String::new() } else { format!("; {} find no room", self.missing) };
        format!("{portion} of {total} replicas ({}{left})", strategy.word())
    }

    /// `3 on c2, 2 on c5`.
    pub fn words(&self) -> String {
        let all: Vec<String> = self.portions.iter().map(|(cluster, n)| format!("{n} on {cluster}")).collect();
        all.join(", ")
    }
}

/// Most replicas that a component may have in all places together.
const MOST: u32 = 20_000;

/// What divisions are made from, besides the problem.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) model: &'a Model,
    pub(super) present: &'a Present,
    /// Components whose recorded division nothing bears on: they keep it as long as it fits.
    pub(super) settled: &'a BTreeSet<String>,
    /// What clusters receive.
    pub(super) traffic: &'a BTreeMap<String, u64>,
    /// Where all other components are to run, where that is decided first.
    pub(super) others: Option<&'a [Vec<usize>]>,
}

/// Divides every component that has a strategy, and fixes that in the problem.
///
/// # Errors
/// Replicas of a component that may not be left out find no room.
pub(super) fn divide(
    terms: &Terms<'_>,
    problem: &mut Problem,
    limits: &Limits,
    solve: split::Solve<'_>,
) -> Result<BTreeMap<String, Division>, Diagnostics> {
    let mut all = by_rule(terms, problem)?;
    let model = terms.model;
    let open: Vec<(usize, &Strategy)> = with_strategy(model)
        .filter(|(i, s)| s.name == StrategyName::Cost && !all.contains_key(&model.components[*i].name))
        .collect();
    if !open.is_empty() {
        all = split::split(terms, problem, &all, &open, limits, solve)?;
    }
    fix(model, &all, problem);
    Ok(all)
}

/// Components to divide. One with no replicas has nothing to divide: it is somewhere, whole.
fn with_strategy(model: &Model) -> impl Iterator<Item = (usize, &Strategy)> {
    let all = model.components.iter().enumerate().filter_map(|(i, c)| Some((i, c.strategy.as_ref()?)));
    all.filter(|(_, s)| s.replicas > 0)
}

/// Divides those that a rule divides, and those that stay divided.
fn by_rule(terms: &Terms<'_>, problem: &Problem) -> Result<BTreeMap<String, Division>, Diagnostics> {
    let Terms { model, present, settled, traffic, others } = *terms;
    let mut all = BTreeMap::new();
    if with_strategy(model).next().is_none() {
        return Ok(all);
    }
    let mut rooms = Rooms::new(problem);
    promise_the_others(model, problem, others, &mut rooms);
    let mut open: Vec<(usize, &Strategy)> = Vec::new();
    for (i, strategy) in with_strategy(model) {
        let name = &model.components[i].name;
        let kept = present.portions.get(name).filter(|_| settled.contains(name));
        match kept.filter(|portions| fits(model, problem, &rooms, i, strategy, portions)) {
            Some(portions) => {
                take(model, problem, &mut rooms, i, strategy, portions);
                all.insert(name.clone(), Division { portions: portions.clone(), whole: strategy.replicas, missing: 0 });
            }
            None if strategy.name == StrategyName::Cost => {}
            None => open.push((i, strategy)),
        }
    }
    // What needs most goes first: it has the fewest ways. Names decide only among equals.
    open.sort_by_key(|(i, s)| (Reverse(demand(model, *i, s)), s.name, &model.components[*i].name));
    let mut faults = Diagnostics::new();
    for (i, strategy) in open {
        let name = &model.components[i].name;
        let wish = Wish { model, present, problem, traffic, i, strategy };
        let spots = wish.spots(&rooms);
        let total = wish.total();
        let parts = wish.parts(&spots);
        let missing = total - parts.iter().sum::<u32>().min(total);
        let portions: BTreeMap<String, u32> =
            model.clusters.iter().zip(&parts).filter(|(_, n)| **n > 0).map(|(c, n)| (c.name.clone(), *n)).collect();
        if missing > 0 && !strategy.partial || portions.is_empty() && total > 0 {
            let lack = Lack { component: &model.components[i], strategy, total, missing, parts: &parts, spots: &spots };
            faults.push(lacks(model, problem, &lack));
            continue;
        }
        take(model, problem, &mut rooms, i, strategy, &portions);
        all.insert(name.clone(), Division { portions, whole: strategy.replicas, missing });
    }
    if faults.has_errors() { Err(faults) } else { Ok(all) }
}

/// Room for what is placed whole and stays, or has no choice.
fn promise_the_others(model: &Model, problem: &Problem, others: Option<&[Vec<usize>]>, rooms: &mut Rooms<'_>) {
    for (i, component) in problem.components.iter().enumerate().filter(|(i, _)| model.components[*i].strategy.is_none())
    {
        let allowed = |l: &usize| matches!(component.candidates[*l], Candidate::Allowed(_));
        if let Some(places) = others {
            places[i].iter().for_each(|l| rooms.promise_whole(i, *l));
            continue;
        }
        let possible = (0..problem.places.len()).filter(|l| allowed(l) && !site::hopeless(problem, *l, i));
        let possible: Vec<usize> = possible.collect();
        let stays = component.incumbent.iter().copied().filter(allowed);
        let places: Vec<usize> = if possible.len() <= component.min as usize { possible } else { stays.collect() };
        for l in places {
            rooms.promise_whole(i, l);
        }
    }
}

/// The problem without the needs of components that have a strategy.
pub(super) fn aside(model: &Model, mut problem: Problem) -> Problem {
    let divided = problem.components.iter_mut().zip(&model.components).filter(|(_, c)| c.strategy.is_some());
    for candidate in divided.flat_map(|(c, _)| c.candidates.iter_mut()) {
        if let Candidate::Allowed(demand) = candidate {
            *demand = Demand::Shared(Vec::new());
        }
    }
    problem
}

/// Size of all replicas of a component.
fn demand(model: &Model, i: usize, strategy: &Strategy) -> (u128, u128) {
    let size = model.components[i].pods.first().map(|p| p.size).unwrap_or_default();
    let replicas = u128::from(strategy.replicas) * u128::from(strategy.locations);
    (u128::from(size.milli_cpu) * replicas, u128::from(size.memory) * replicas)
}

/// The pod of a component that a place takes; `None` where it takes none, or does not say.
fn pod(component: &Component, l: usize) -> Option<&PodGroup> {
    match &component.candidates[l] {
        Candidate::Allowed(Demand::Shared(groups)) => groups.first(),
        _ => None,
    }
}

/// Whether a recorded division still finds its nodes.
fn fits(
    model: &Model,
    problem: &Problem,
    rooms: &Rooms<'_>,
    i: usize,
    strategy: &Strategy,
    portions: &BTreeMap<String, u32>,
) -> bool {
    let component = &problem.components[i];
    !portions.is_empty()
        && portions.iter().all(|(cluster, n)| {
            let Some(l) = model.clusters.iter().position(|c| c.name == *cluster) else { return false };
            let pod = pod(component, l).map(|pod| Ask { pod, surge: strategy.surge });
            match &component.candidates[l] {
                Candidate::Excluded(_) => false,
                // Of a cluster that does not answer nothing is known but that it runs there.
                Candidate::Allowed(_) => pod.is_none_or(|ask| rooms.holds(l, &ask, *n)),
            }
        })
}

fn take(
    model: &Model,
    problem: &Problem,
    rooms: &mut Rooms<'_>,
    i: usize,
    strategy: &Strategy,
    portions: &BTreeMap<String, u32>,
) {
    for (l, cluster) in model.clusters.iter().enumerate() {
        if let Some((n, pod)) = portions.get(&cluster.name).zip(pod(&problem.components[i], l)) {
            rooms.promise(l, Ask { pod, surge: strategy.surge }.pods(*n));
        }
    }
}

/// One component to divide.
struct Wish<'a> {
    model: &'a Model,
    present: &'a Present,
    problem: &'a Problem,
    traffic: &'a BTreeMap<String, u64>,
    i: usize,
    strategy: &'a Strategy,
}

impl Wish<'_> {
    fn allowed(&self, l: usize) -> bool {
        matches!(self.problem.components[self.i].candidates[l], Candidate::Allowed(_))
    }

    /// Replicas that are wanted in all.
    fn total(&self) -> u32 {
        let places = match self.strategy.name {
            StrategyName::WorstFit | StrategyName::BestFit | StrategyName::MostTraffic => self.strategy.locations,
            StrategyName::ClusterAffinity => u32::try_from(self.strategy.clusters.len()).unwrap_or(u32::MAX),
            StrategyName::Duplicated => {
                u32::try_from((0..self.problem.places.len()).filter(|l| self.allowed(*l)).count()).unwrap_or(u32::MAX)
            }
            _ => 1,
        };
        self.strategy.replicas.saturating_mul(places)
    }

    /// The places as the rules see them.
    fn spots(&self, rooms: &Rooms<'_>) -> Vec<Spot> {
        let component = &self.problem.components[self.i];
        let portions = self.present.portions.get(&component.name);
        let total = self.total();
        (0..self.problem.places.len())
            .map(|l| {
                let name = &self.problem.places[l].name;
                let now = portions.and_then(|p| p.get(name)).copied().unwrap_or(0);
                if !self.allowed(l) {
                    return Spot::default();
                }
                let Some(pod) = pod(component, l) else {
                    // It does not answer: it keeps what it has.
                    return Spot { room: now, now, ..Spot::default() };
                };
                let ask = Ask { pod, surge: self.strategy.surge };
                let bought = rooms.bought(l);
                // Rules that put places in order have to know how much more than enough there is.
                let most = if bought { total } else { MOST };
                let room = rooms.room(l, &ask, most.max(total).min(MOST.max(total)));
                let each = self.strategy.replicas.min(room);
                let price = if bought && room > 0 { rooms.extra(l, &ask, each) } else { Default::default() };
                Spot {
                    room,
                    bought,
                    price,
                    now,
                    weight: self.weight(l),
                    traffic: self.traffic.get(name).copied().unwrap_or(0),
                    score: self.score(l),
                }
            })
            .collect()
    }

    /// The largest weight that an entry gives a place.
    fn weight(&self, l: usize) -> u64 {
        let matching = self.strategy.weights.iter().filter(|(filter, _)| filter.clusters.contains(&l));
        matching.map(|(_, weight)| u64::from(*weight)).max().unwrap_or(0)
    }

    /// CPUs of a place's nodes, a GPU counting as ten, times its weight in hundredths of the largest weight;
    /// times 100 where there are no weights, times 1 where none of them matches.
    fn score(&self, l: usize) -> u64 {
        let place = &self.problem.places[l];
        let offers = place.offers.iter().map(|o| (o.usable, u64::from(o.max.unwrap_or(0))));
        let nodes = place.free.iter().map(|f| (*f, 1)).chain(offers);
        let size = nodes.fold(0_u64, |sum, (node, n)| {
            sum.saturating_add((node.milli_cpu.saturating_add(node.gpus.saturating_mul(10_000))).saturating_mul(n))
        });
        let largest = self.strategy.weights.iter().map(|(_, w)| u64::from(*w)).max().unwrap_or(0);
        let weight = match (largest, self.weight(l)) {
            (0, _) => 100,
            (_, 0) => 1,
            (largest, weight) => weight * 100 / largest,
        };
        size.saturating_mul(weight) / 1_000
    }

    /// Replicas for every place, in order.
    fn parts(&self, spots: &[Spot]) -> Vec<u32> {
        let Strategy { replicas, locations, .. } = *self.strategy;
        let apart = |a: usize, b: usize| self.model.latency[a][b];
        match self.strategy.name {
            StrategyName::Cost => vec![0; spots.len()],
            StrategyName::WorstFit => share::worst_fit(spots, replicas, locations),
            StrategyName::BestFit => share::best_fit(spots, replicas, locations),
            StrategyName::MostTraffic => share::most_traffic(spots, replicas, locations),
            StrategyName::ClusterAffinity => share::affinity(spots, replicas, &self.strategy.clusters, &apart),
            StrategyName::Duplicated => share::duplicated(spots, replicas),
            StrategyName::Weighted => share::weighted(spots, replicas),
            StrategyName::DynamicWeight => share::dynamic(spots, replicas),
            StrategyName::Aggregated => share::aggregated(spots, replicas),
            StrategyName::Spread => share::spread(spots, replicas),
        }
    }
}

/// Fixes what is divided in a problem: places, pods of the portions, volumes.
pub(super) fn fix(model: &Model, divisions: &BTreeMap<String, Division>, problem: &mut Problem) {
    for (i, component) in model.components.iter().enumerate() {
        if let Some((strategy, division)) = component.strategy.as_ref().zip(divisions.get(&component.name)) {
            fix_one(problem, i, strategy, division);
        }
    }
}

/// The same of one component.
fn fix_one(problem: &mut Problem, i: usize, strategy: &Strategy, division: &Division) {
    let portions: Vec<u32> =
        problem.places.iter().map(|p| division.portions.get(&p.name).copied().unwrap_or(0)).collect();
    let component = &mut problem.components[i];
    for (candidate, portion) in component.candidates.iter_mut().zip(&portions) {
        match candidate {
            Candidate::Allowed(Demand::Shared(groups)) if *portion > 0 => {
                for group in groups {
                    group.count = strategy.surge.with(*portion);
                }
            }
            Candidate::Allowed(_) => {
                let reason = format!("{} runs {}", strategy.name.word(), division.words());
                *candidate = Candidate::Excluded(Exclusion { reason, origin: Some(strategy.origin.clone()) });
            }
            Candidate::Excluded(_) => {}
        }
    }
    let places: Vec<usize> = (0..portions.len()).filter(|l| portions[*l] > 0).collect();
    component.portions = portions;
    component.min = u32::try_from(places.len()).unwrap_or(u32::MAX).max(1);
    component.max = component.min;
    component.pinned &= component.incumbent == places;
    // What every instance sends is what `whole` replicas send.
    for flow in problem.flows.iter_mut().filter(|f| f.from == i) {
        let bytes = u128::from(flow.bytes) * u128::from(division.total()) / u128::from(division.whole.max(1));
        flow.bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    }
}
