//! What some components cost elsewhere, by the difference: only the place that they leave, the place that
//! they come to, and the data that they send are valued anew. Exact, and far cheaper than the whole.

use super::{
    crowd::Crowds,
    problem::{Problem, Solution},
    site::Sites,
    transfer::Haul,
};
use crate::money::MicroUsd;

/// Values moves away from one solution.
#[derive(Debug)]
pub(super) struct Shifts<'a> {
    problem: &'a Problem,
    sites: Sites<'a>,
    haul: Haul<'a>,
    crowds: Crowds<'a>,
    /// Components at every place, sorted.
    tenants: Vec<Vec<usize>>,
    /// What every place costs, with its fee.
    costs: Vec<MicroUsd>,
    transfer: MicroUsd,
    /// Flows of every component.
    flows: Vec<Vec<usize>>,
    /// The solution; while a move is valued, with it.
    instances: Vec<Vec<usize>>,
}

impl<'a> Shifts<'a> {
    pub(super) fn new(problem: &'a Problem, solution: &Solution) -> Self {
        let mut tenants = vec![Vec::new(); problem.places.len()];
        for (i, places) in solution.instances.iter().enumerate() {
            places.iter().for_each(|l| tenants[*l].push(i));
        }
        let mut flows = vec![Vec::new(); problem.components.len()];
        for (f, flow) in problem.flows.iter().enumerate() {
            flows[flow.from].push(f);
            flows[flow.to].push(f);
        }
        let mut all = Self {
            problem,
            sites: Sites::new(problem),
            haul: Haul::new(problem),
            crowds: Crowds::new(problem),
            tenants,
            costs: Vec::new(),
            transfer: solution.cost.transfer,
            flows,
            instances: solution.instances.clone(),
        };
        let costs = (0..problem.places.len()).map(|l| {
            let here = std::mem::take(&mut all.tenants[l]);
            let cost = all.place(l, &here).unwrap_or_default();
            all.tenants[l] = here;
            cost
        });
        all.costs = costs.collect();
        all
    }

    /// Flows of a component, by index.
    pub(super) fn flows(&self, i: usize) -> &[usize] {
        &self.flows[i]
    }

    /// The first spread that a component would break at these places.
    pub(super) fn crowded(&self, i: usize, places: &[usize]) -> Option<usize> {
        self.crowds.broken_by(&self.instances, i, places)
    }

    /// What a place costs with these components; `None` where they find no nodes.
    fn place(&mut self, l: usize, here: &[usize]) -> Option<MicroUsd> {
        if here.is_empty() {
            return Some(MicroUsd::ZERO);
        }
        Some(self.sites.at(l, here).cost? + self.problem.places[l].entry())
    }

    /// How much more everything costs if these components, which run at `from` and not at `to`, run at `to`
    /// instead; `None` where that cannot be. Whether each of them may is not looked at, nor what is disliked.
    pub(super) fn dearer(&mut self, movers: &[usize], from: usize, to: usize) -> Option<MicroUsd> {
        let left: Vec<usize> = self.tenants[from].iter().copied().filter(|i| !movers.contains(i)).collect();
        let mut there: Vec<usize> = self.tenants[to].iter().chain(movers).copied().collect();
        there.sort_unstable();
        let places = self.place(from, &left)? + self.place(to, &there)? - self.costs[from] - self.costs[to];
        let old: Vec<Vec<usize>> = movers.iter().map(|i| self.instances[*i].clone()).collect();
        let was = movers.iter().filter(|i| self.moves(**i)).count();
        for i in movers {
            let set = &mut self.instances[*i];
            set.iter_mut().filter(|l| **l == from).for_each(|l| *l = to);
            set.sort_unstable();
        }
        let transfer = match movers.iter().all(|i| self.flows[*i].is_empty()) {
            true => Some(self.transfer),
            false => self.haul.choose(&self.instances).map(|t| t.cost),
        };
        let crowded = self.crowds.excess(&self.instances) > 0;
        let is = movers.iter().filter(|i| self.moves(**i)).count();
        for (i, set) in movers.iter().zip(old) {
            self.instances[*i] = set;
        }
        if crowded {
            return None;
        }
        let price = |n: usize| self.problem.move_cost.times(n as u64);
        Some(places + transfer? - self.transfer + price(is) - price(was))
    }

    /// Whether a component runs elsewhere than before.
    fn moves(&self, i: usize) -> bool {
        self.problem.components[i].moves_to(&self.instances[i])
    }
}
