//! How many replicas still find nodes at every place, while strategies take them one component after the
//! other. Knows nodes and pods, nothing of rules.

use super::super::{
    pack::{self, Yard, cheapest},
    problem::{Candidate, Demand, Fit, PodGroup, Problem},
};
use crate::{compile::model::Surge, money::MicroUsd};

/// Pods settled in one question for nodes.
const WORK: u64 = 20_000;

/// Places with what is promised to somebody.
pub(super) struct Rooms<'a> {
    problem: &'a Problem,
    /// Pods by place.
    promised: Vec<Vec<PodGroup>>,
    /// Nodes of dedicated components by place and offer.
    reserved: Vec<Vec<u32>>,
}

/// Pods of a portion at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// One of them, as the place takes it.
    pub(super) pod: &'a PodGroup,
    /// Pods beside the replicas while they roll.
    pub(super) surge: Surge,
}

impl Ask<'_> {
    pub(super) fn pods(&self, replicas: u32) -> PodGroup {
        PodGroup { count: self.surge.with(replicas), ..self.pod.clone() }
    }
}

impl<'a> Rooms<'a> {
    pub(super) fn new(problem: &'a Problem) -> Self {
        Self {
            problem,
            promised: vec![Vec::new(); problem.places.len()],
            reserved: problem.places.iter().map(|p| vec![0; p.offers.len()]).collect(),
        }
    }

    /// Whether pods find nodes beside those that are promised, and what all of them cost.
    fn price(&self, l: usize, more: &PodGroup) -> Option<MicroUsd> {
        let place = &self.problem.places[l];
        let quota = place.quota.as_ref().map(|q| &q.limit);
        let yard =
            Yard { offers: &place.offers, free: &place.free, quota, reserved: &self.reserved[l], fit: Fit::Scheduler };
        let mut groups: Vec<&PodGroup> = self.promised[l].iter().collect();
        groups.push(more);
        if pack::hopeless(&yard, &groups) {
            return None;
        }
        cheapest(&yard, &groups, WORK).best.map(|(cost, _)| cost)
    }

    /// Whether so many replicas find nodes.
    pub(super) fn holds(&self, l: usize, ask: &Ask<'_>, replicas: u32) -> bool {
        replicas == 0 || self.price(l, &ask.pods(replicas)).is_some()
    }

    /// Most replicas that find nodes, up to `most`.
    pub(super) fn room(&self, l: usize, ask: &Ask<'_>, most: u32) -> u32 {
        if self.holds(l, ask, most) {
            return most;
        }
        let (mut low, mut high) = (0, most);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.holds(l, ask, middle) { low = middle } else { high = middle }
        }
        low
    }

    /// Whether nodes have to be bought here for anything.
    pub(super) fn bought(&self, l: usize) -> bool {
        self.problem.places[l].free.is_empty()
    }

    /// What so many replicas cost here beyond what is promised: nodes, and the fee where nothing is yet.
    pub(super) fn extra(&self, l: usize, ask: &Ask<'_>, replicas: u32) -> MicroUsd {
        let nothing = PodGroup { count: 0, ..ask.pod.clone() };
        let before = self.price(l, &nothing).unwrap_or_default();
        let place = &self.problem.places[l];
        let fee = if self.promised[l].is_empty() && !place.kept { place.fee } else { MicroUsd::ZERO };
        self.price(l, &ask.pods(replicas)).map_or(pack::IMPOSSIBLE, |after| after - before + fee)
    }

    /// Promises room to pods.
    pub(super) fn promise(&mut self, l: usize, pods: PodGroup) {
        self.promised[l].push(pods);
    }

    /// Promises room to a whole component.
    pub(super) fn promise_whole(&mut self, i: usize, l: usize) {
        match &self.problem.components[i].candidates[l] {
            Candidate::Allowed(Demand::Shared(groups)) => self.promised[l].extend(groups.iter().cloned()),
            Candidate::Allowed(Demand::Dedicated(entries)) => {
                for (t, n) in entries.iter().filter_map(|e| e.anyof.first()) {
                    self.reserved[l][*t] = self.reserved[l][*t].saturating_add(*n);
                }
            }
            Candidate::Excluded(_) => {}
        }
    }
}
