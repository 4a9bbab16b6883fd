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
    /// Bytes on every meter, where nothing has a choice of whom to talk to: data is valued by the difference then.
    bytes: Option<Vec<u64>>,
    /// Components and flows that may still be looked at.
    left: u64,
    /// Flows of every component.
    flows: Vec<Vec<usize>>,
    /// The solution; while a move is valued, with it.
    instances: Vec<Vec<usize>>,
}

/// What it takes to find nodes for so many components: more for each of many.
fn weight(components: usize) -> u64 {
    components as u64 * (1 + components as u64 / 50).min(20)
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
            bytes: None,
            left: u64::MAX,
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
        let settled = solution.instances.iter().all(|places| places.len() == 1);
        all.bytes = settled.then(|| {
            let mut bytes = vec![0; problem.meters.len()];
            (0..problem.flows.len()).filter_map(|f| all.sent(f)).for_each(|(m, sent)| bytes[m] += sent);
            bytes
        });
        all
    }

    /// The same with a bound on what is looked at.
    pub(super) fn within(self, left: u64) -> Self {
        Self { left, ..self }
    }

    /// Whether that is used up.
    pub(super) fn spent(&self) -> bool {
        self.left == 0
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
        self.left = self.left.saturating_sub(weight(left.len()) + weight(there.len()));
        let old: Vec<Vec<usize>> = movers.iter().map(|i| self.instances[*i].clone()).collect();
        let was = movers.iter().filter(|i| self.moves(**i)).count();
        for i in movers {
            let set = &mut self.instances[*i];
            set.iter_mut().filter(|l| **l == from).for_each(|l| *l = to);
            set.sort_unstable();
        }
        let transfer = self.carried(movers, &old);
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

    /// What all data costs with some components moved from where they were; `None` where one reaches nobody.
    fn carried(&mut self, movers: &[usize], old: &[Vec<usize>]) -> Option<MicroUsd> {
        let mut touched: Vec<usize> = movers.iter().flat_map(|i| self.flows[*i].iter().copied()).collect();
        touched.sort_unstable();
        touched.dedup();
        if touched.is_empty() {
            return Some(self.transfer);
        }
        let Some(mut bytes) = self.bytes.clone() else {
            self.left = self.left.saturating_sub(self.problem.flows.len() as u64);
            return self.haul.choose(&self.instances).map(|t| t.cost);
        };
        self.left = self.left.saturating_sub(touched.len() as u64);
        let now = |f: &usize| {
            let flow = &self.problem.flows[*f];
            self.problem.reaches(flow, self.instances[flow.from][0], self.instances[flow.to][0])
        };
        if !touched.iter().all(now) {
            return None;
        }
        touched.iter().filter_map(|f| self.sent(*f)).for_each(|(m, sent)| bytes[m] += sent);
        let swap = |instances: &mut Vec<Vec<usize>>, sets: &[Vec<usize>]| -> Vec<Vec<usize>> {
            movers.iter().zip(sets).map(|(i, set)| std::mem::replace(&mut instances[*i], set.clone())).collect()
        };
        let moved = swap(&mut self.instances, old);
        touched.iter().filter_map(|f| self.sent(*f)).for_each(|(m, sent)| bytes[m] -= sent);
        swap(&mut self.instances, &moved);
        Some(self.problem.meters.iter().zip(&bytes).map(|(m, b)| m.cost(*b)).sum())
    }

    /// The meter that a flow between single instances counts on, and its bytes.
    fn sent(&self, f: usize) -> Option<(usize, u64)> {
        let flow = &self.problem.flows[f];
        let (a, b) = (self.instances[flow.from][0], self.instances[flow.to][0]);
        Some((self.haul.meter(a, b)?, self.problem.bytes(flow, a)))
    }

    /// Whether a component runs elsewhere than before.
    fn moves(&self, i: usize) -> bool {
        self.problem.components[i].moves_to(&self.instances[i])
    }
}
