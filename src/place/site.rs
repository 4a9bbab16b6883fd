//! What a set of components costs at one place: its fee, their shared nodes, their dedicated nodes.
//!
//! Answers are remembered, since a search asks for the same sets again and again. Knows nothing of
//! transfer or of where else a component runs.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    pack::{self, IMPOSSIBLE, Yard},
    problem::{Candidate, Demand, Fit, Place, PodGroup, Problem, Requirement},
};
use crate::money::MicroUsd;

/// Pods settled in one search for node counts, times nodes counts looked at.
const PACK_WORK: u64 = 60_000;
/// Combinations of dedicated alternatives that are tried at one place.
const CHOICES: u32 = 2_000;

/// One place with the components that run there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// Nodes in all, without the fee; `None` when no way was found.
    pub(super) cost: Option<MicroUsd>,
    /// A lower bound on `cost`, [`IMPOSSIBLE`] when there is surely no way.
    pub(super) bound: MicroUsd,
    /// `cost` is the least there is, or there is none.
    pub(super) exact: bool,
    /// Shared and dedicated nodes for every offer.
    pub(super) nodes: Vec<u32>,
    /// For every component in order: its own nodes; empty when it shares.
    pub(super) dedicated: Vec<Vec<(usize, u32)>>,
}

impl Site {
    fn impossible(problem: &Problem, place: usize) -> Self {
        Self {
            cost: None,
            bound: IMPOSSIBLE,
            exact: true,
            nodes: vec![0; problem.places[place].offers.len()],
            dedicated: Vec::new(),
        }
    }
}

/// Components in all sets that are remembered.
const MOST_KNOWN: usize = 4_000_000;

/// Sites computed so far.
#[derive(Debug)]
pub(super) struct Sites<'a> {
    problem: &'a Problem,
    known: Vec<BTreeMap<Vec<usize>, Rc<Site>>>,
    /// Components in the sets of `known`.
    held: usize,
}

/// What components (indices, sorted) ask of a place; `None` when one of them is excluded.
pub(super) struct Wants<'a> {
    pub(super) pods: Vec<&'a PodGroup>,
    /// (position in the list of components, entry).
    pub(super) entries: Vec<(usize, &'a Requirement)>,
}

/// Collects the demands of components at a place.
pub(super) fn wants<'a>(problem: &'a Problem, place: usize, components: &[usize]) -> Option<Wants<'a>> {
    let mut wants = Wants { pods: Vec::new(), entries: Vec::new() };
    for (k, i) in components.iter().enumerate() {
        match &problem.components[*i].candidates[place] {
            Candidate::Allowed(Demand::Shared(groups)) => wants.pods.extend(groups),
            Candidate::Allowed(Demand::Dedicated(entries)) => wants.entries.extend(entries.iter().map(|e| (k, e))),
            Candidate::Excluded(_) => return None,
        }
    }
    Some(wants)
}

fn yard<'a>(place: &'a Place, reserved: &'a [u32], fit: Fit) -> Yard<'a> {
    Yard { offers: &place.offers, free: &place.free, quota: place.quota.as_ref().map(|q| &q.limit), reserved, fit }
}

/// Whether a component alone surely cannot be served at a place, whatever is bought.
pub(super) fn hopeless(problem: &Problem, place: usize, component: usize) -> bool {
    let Some(wants) = wants(problem, place, &[component]) else { return true };
    let site = &problem.places[place];
    let mut reserved = vec![0; site.offers.len()];
    if pack::hopeless(&yard(site, &reserved, problem.fit), &wants.pods) {
        return true;
    }
    wants.entries.iter().any(|(_, entry)| {
        entry.anyof.iter().all(|(t, n)| {
            if u64::from(*n) > pack::MOST {
                return true;
            }
            reserved[*t] = *n;
            let fails = pack::hopeless(&yard(site, &reserved, problem.fit), &[]);
            reserved[*t] = 0;
            fails
        })
    })
}

/// A lower bound on the shared nodes of these components, and of any set that contains them.
pub(super) fn cover(problem: &Problem, place: usize, components: &[usize]) -> MicroUsd {
    let Some(wants) = wants(problem, place, components) else { return IMPOSSIBLE };
    let here = &problem.places[place];
    pack::cover(&yard(here, &vec![0; here.offers.len()], problem.fit), &wants.pods, PACK_WORK / 8)
}

impl<'a> Sites<'a> {
    pub(super) fn new(problem: &'a Problem) -> Self {
        Self { problem, known: vec![BTreeMap::new(); problem.places.len()], held: 0 }
    }

    /// The site of these components (indices, sorted, not empty).
    pub(super) fn at(&mut self, place: usize, components: &[usize]) -> Rc<Site> {
        if let Some(site) = self.known[place].get(components) {
            return Rc::clone(site);
        }
        let site = Rc::new(solve(self.problem, place, components));
        self.held += components.len();
        if self.held > MOST_KNOWN {
            // All can be found out again.
            self.known.iter_mut().for_each(BTreeMap::clear);
            self.held = components.len();
        }
        self.known[place].insert(components.to_vec(), Rc::clone(&site));
        site
    }
}

/// Finds the cheapest nodes for a set of components.
pub(super) fn solve(problem: &Problem, place: usize, components: &[usize]) -> Site {
    let here = &problem.places[place];
    let Some(wants) = wants(problem, place, components) else { return Site::impossible(problem, place) };
    let none = vec![0; here.offers.len()];
    let price = |(t, n): (usize, u32)| here.offers[t].price.times(u64::from(n));
    let shared = pack::cheapest(&yard(here, &none, problem.fit), &wants.pods, PACK_WORK);
    if shared.best.is_none() && shared.exact {
        // Reserving nodes only takes room away.
        return Site::impossible(problem, place);
    }
    // Alternatives by price, then number of nodes, then names.
    let ranked: Vec<Vec<(usize, u32)>> = wants
        .entries
        .iter()
        .map(|(_, entry)| {
            let mut all = entry.anyof.clone();
            all.sort_by_key(|(t, n)| (price((*t, *n)), *n, *t));
            all.dedup();
            all
        })
        .collect();
    let mut choice = Choice {
        floor: shared.bound,
        best: None,
        left: CHOICES,
        exact: true,
        ranked: &ranked,
        price: &price,
        try_with: &|reserved: &[u32]| {
            if shared.exact && reserved.iter().all(|n| *n == 0) {
                return shared.clone();
            }
            pack::cheapest(&yard(here, reserved, problem.fit), &wants.pods, PACK_WORK)
        },
    };
    let mut reserved = none.clone();
    choice.descend(0, &mut reserved, MicroUsd::ZERO, &mut Vec::new());
    let least: MicroUsd = ranked.iter().filter_map(|all| all.first()).map(|a| price(*a)).sum();
    let (exact, floor) = (choice.exact, choice.floor);
    let Some((cost, counts, picks)) = choice.best else {
        let mut site = Site::impossible(problem, place);
        if !exact {
            site.exact = false;
            site.bound = floor + least;
        }
        return site;
    };
    let mut nodes = counts;
    let mut dedicated = vec![Vec::new(); components.len()];
    for ((k, _), (t, n)) in wants.entries.iter().zip(picks) {
        nodes[t] = nodes[t].saturating_add(n);
        dedicated[*k].push((t, n));
    }
    let bound = if exact { cost } else { (floor + least).min(cost) };
    Site { cost: Some(cost), bound, exact, nodes, dedicated }
}

/// Cost, shared counts, alternative of every entry.
type Chosen = (MicroUsd, Vec<u32>, Vec<(usize, u32)>);

/// Search over alternatives of dedicated entries.
struct Choice<'a> {
    /// Least cost of the shared nodes.
    floor: MicroUsd,
    best: Option<Chosen>,
    left: u32,
    exact: bool,
    ranked: &'a [Vec<(usize, u32)>],
    price: &'a dyn Fn((usize, u32)) -> MicroUsd,
    try_with: &'a dyn Fn(&[u32]) -> pack::Packed,
}

impl Choice<'_> {
    fn descend(&mut self, k: usize, reserved: &mut Vec<u32>, spent: MicroUsd, picks: &mut Vec<(usize, u32)>) {
        if self.left == 0 {
            self.exact = false;
            return;
        }
        let rest: MicroUsd = self.ranked[k..].iter().filter_map(|all| all.first()).map(|a| (self.price)(*a)).sum();
        if self.best.as_ref().is_some_and(|(cost, ..)| spent + rest + self.floor >= *cost) {
            return;
        }
        if k == self.ranked.len() {
            self.left -= 1;
            let packed = (self.try_with)(reserved);
            self.exact &= packed.exact;
            if let Some((cost, counts)) = packed.best
                && self.best.as_ref().is_none_or(|(best, ..)| cost + spent < *best)
            {
                self.best = Some((cost + spent, counts, picks.clone()));
            }
            return;
        }
        for (t, n) in self.ranked[k].clone() {
            let before = reserved[t];
            reserved[t] = before.saturating_add(n);
            if u64::from(reserved[t]) > pack::MOST {
                reserved[t] = before;
                continue;
            }
            picks.push((t, n));
            self.descend(k + 1, reserved, spent + (self.price)((t, n)), picks);
            picks.pop();
            reserved[t] = before;
        }
    }
}
