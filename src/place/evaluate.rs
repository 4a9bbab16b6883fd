//! What an assignment of components to places costs: the only file that adds costs up.
//!
//! Everything is exact and in integers. Node counts and targets are chosen here, as cheap as the
//! assignment allows; the assignment itself is given.

use std::rc::Rc;

use super::{
    crowd::Crowds,
    pack::IMPOSSIBLE,
    problem::{Candidate, Component, Costs, Method, Problem, Solution},
    site::{Site, Sites},
    transfer::Haul,
};
use crate::money::MicroUsd;

/// What solutions are compared by: cost with what is disliked and without what stands anyway, moves, open places, names. Less is better.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) cost: MicroUsd,
    pub(super) moves: usize,
    pub(super) open: usize,
    pub(super) instances: Vec<Vec<usize>>,
}

/// A value of an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) rank: Rank,
    /// Lower bound on the assignment's cost; less than the cost only where a work limit was hit.
    pub(super) bound: MicroUsd,
    /// What of it only decides.
    pub(super) dislike: MicroUsd,
}

/// How far an assignment is from being possible, then its cost. For searches that pass through
/// what is impossible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trial {
    /// Places whose pods find no nodes, instances that reach no target, instances too many where they may
    /// not come together.
    pub(super) broken: usize,
    pub(super) rank: Rank,
}

/// Evaluates assignments of one problem.
#[derive(Debug)]
pub(super) struct Evaluator<'a> {
    pub(super) problem: &'a Problem,
    pub(super) sites: Sites<'a>,
    pub(super) haul: Haul<'a>,
    pub(super) crowds: Crowds<'a>,
    /// For every place: components that run there; kept to save allocations.
    tenants: Vec<Vec<usize>>,
}

/// Whether a set of places (sorted) keeps the component's own rules: candidates, number, groups,
/// pin.
pub(super) fn permits(component: &Component, places: &[usize]) -> bool {
    let count = places.len();
    let allowed = |l: &usize| matches!(component.candidates.get(*l), Some(Candidate::Allowed(_)));
    count >= component.min as usize
        && count <= component.max as usize
        && places.windows(2).all(|w| w[0] < w[1])
        && places.iter().all(allowed)
        && component.groups.iter().all(|g| g.places.iter().any(|l| places.contains(l)))
        && (!pinned(component) || places == component.incumbent)
}

/// Whether the component must stay where it runs. One that runs nowhere cannot.
pub(super) fn pinned(component: &Component) -> bool {
    component.pinned && !component.incumbent.is_empty()
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(problem: &'a Problem) -> Self {
        Self {
            problem,
            sites: Sites::new(problem),
            haul: Haul::new(problem),
            crowds: Crowds::new(problem),
            tenants: vec![Vec::new(); problem.places.len()],
        }
    }

    fn settle(&mut self, instances: &[Vec<usize>]) {
        self.tenants.iter_mut().for_each(Vec::clear);
        for (i, places) in instances.iter().enumerate() {
            for l in places {
                self.tenants[*l].push(i);
            }
        }
    }

    /// Components that change their places.
    pub(super) fn moves(&self, instances: &[Vec<usize>]) -> usize {
        let components = self.problem.components.iter().zip(instances);
        components.filter(|(c, places)| c.moves_to(places)).count()
    }

    /// What is disliked about an assignment.
    pub(super) fn dislike(&self, instances: &[Vec<usize>]) -> MicroUsd {
        let components = self.problem.components.iter().zip(instances).filter(|(c, _)| !c.dislike.is_empty());
        components.flat_map(|(c, places)| places.iter().map(|l| c.disliked(*l))).sum()
    }

    fn move_cost(&self, moves: usize) -> MicroUsd {
        self.problem.move_cost.times(moves as u64)
    }

    /// Cost and rank of an assignment whose sets are permitted; `None` when it cannot be.
    pub(super) fn value(&mut self, instances: &[Vec<usize>]) -> Option<Value> {
        let trial = self.trial(instances);
        (trial.0.broken == 0).then_some(Value { rank: trial.0.rank, bound: trial.1, dislike: self.dislike(instances) })
    }

    /// A lower bound on an assignment's cost, [`IMPOSSIBLE`] when it surely cannot be, with its
    /// trial.
    pub(super) fn trial(&mut self, instances: &[Vec<usize>]) -> (Trial, MicroUsd) {
        self.settle(instances);
        let (mut cost, mut bound) = (MicroUsd::ZERO, MicroUsd::ZERO);
        let (mut broken, mut open, mut impossible) = (0, 0, false);
        for (l, tenants) in self.tenants.iter().enumerate() {
            if tenants.is_empty() {
                continue;
            }
            open += 1;
            let entry = self.problem.places[l].entry();
            let site = self.sites.at(l, tenants);
            cost += entry + site.cost.unwrap_or_default();
            bound += entry + site.bound;
            impossible |= site.bound >= IMPOSSIBLE;
            broken += usize::from(site.cost.is_none());
        }
        match self.haul.choose(instances) {
            Some(transfer) => {
                cost += transfer.cost;
                bound += transfer.bound;
            }
            None => {
                broken += self.haul.cut_off(instances);
                bound = IMPOSSIBLE;
            }
        }
        let crowded = self.crowds.excess(instances);
        broken += crowded;
        if impossible || crowded > 0 {
            bound = IMPOSSIBLE;
        }
        let moves = self.moves(instances);
        let more = self.move_cost(moves) + self.dislike(instances);
        cost += more;
        bound = (bound + more).min(IMPOSSIBLE);
        // More than can be counted is more than can be paid.
        broken += usize::from(broken == 0 && cost >= IMPOSSIBLE);
        (Trial { broken, rank: Rank { cost, moves, open, instances: instances.to_vec() } }, bound)
    }

    /// Everything about an assignment; `None` when it cannot be. `bound` is one on its rank's cost, which
    /// leaves out what is paid anyway, and is clipped.
    pub(super) fn solution(&mut self, instances: &[Vec<usize>], bound: MicroUsd, method: Method) -> Option<Solution> {
        let problem = self.problem;
        if self.crowds.excess(instances) > 0 {
            return None;
        }
        self.settle(instances);
        let transfer = self.haul.choose(instances)?;
        let mut cost = Costs { transfer: transfer.cost, ..Costs::default() };
        cost.moves = self.move_cost(self.moves(instances));
        cost.dislike = self.dislike(instances);
        let mut nodes: Vec<Vec<u32>> = problem.places.iter().map(|p| vec![0; p.offers.len()]).collect();
        let mut dedicated: Vec<Vec<Vec<(usize, u32)>>> =
            instances.iter().map(|places| vec![Vec::new(); places.len()]).collect();
        for (l, tenants) in self.tenants.iter().enumerate() {
            let place = &problem.places[l];
            if tenants.is_empty() {
                if place.kept {
                    cost.nodes += place.least();
                    cost.fees += place.fee;
                    nodes[l] = place.offers.iter().map(|o| o.min).collect();
                }
                continue;
            }
            let site: Rc<Site> = self.sites.at(l, tenants);
            cost.nodes += site.cost?;
            cost.fees += place.fee;
            nodes[l].clone_from(&site.nodes);
            for (i, own) in tenants.iter().zip(&site.dedicated) {
                if let Some(k) = instances[*i].iter().position(|place| *place == l) {
                    dedicated[*i][k].clone_from(own);
                }
            }
        }
        if cost.total() >= IMPOSSIBLE {
            return None;
        }
        Some(Solution {
            bound: (bound + problem.standing()).min(cost.decided()),
            cost,
            method,
            mixed: false,
            instances: instances.to_vec(),
            targets: transfer.targets,
            nodes,
            dedicated,
        })
    }
}

/// Evaluates a given assignment without searching for a better one: for placements that are
/// recorded. `None` when it violates something. Its bound is 0: nothing is proven.
pub fn evaluate_recorded(problem: &Problem, instances: &[Vec<usize>]) -> Option<Solution> {
    let fits = instances.len() == problem.components.len()
        && problem.components.iter().zip(instances).all(|(c, places)| permits(c, places));
    if !fits {
        return None;
    }
    Evaluator::new(problem).solution(instances, MicroUsd::ZERO, Method::Recorded)
}
