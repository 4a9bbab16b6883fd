//! What kube-scheduler would make of nodes and pods: the definition of "it fits".
//!
//! An exact packing is not what the scheduler does: it takes pods as they come and puts each where most
//! is left. Knows nodes and pods, nothing of prices.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    pack::{Yard, fits},
    problem::{PodGroup, Resources},
};

/// kube-scheduler's `LeastAllocated` score after the pod is placed: the mean over CPU and memory of
/// the free share in hundredths, each rounded down.
fn score(whole: &Resources, left: &Resources, size: &Resources) -> u64 {
    let share = |left: u64, size: u64, whole: u64| {
        let free = left - size;
        // The wide division is slow and seldom needed.
        let wide = || u64::try_from(u128::from(free) * 100 / u128::from(whole)).unwrap_or(100);
        (whole > 0).then(|| free.checked_mul(100).map_or_else(wide, |hundred| hundred / whole))
    };
    let cpu = share(left.milli_cpu, size.milli_cpu, whole.milli_cpu);
    let memory = share(left.memory, size.memory, whole.memory);
    match (cpu, memory) {
        (Some(c), Some(m)) => (c + m) / 2,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 0,
    }
}

/// What the simulation stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stuck {
    /// The group with the pod that finds no node.
    pub(super) group: usize,
    /// Its pods from that one on.
    pub(super) left: u32,
}

/// Nodes of one kind in the simulation. Of equal empty nodes the first is taken, so that only those
/// taken so far and the next one need to be looked at.
struct Lane<'a> {
    offer: Option<usize>,
    /// Sizes of the nodes: one for all, or one for each.
    whole: &'a [Resources],
    count: usize,
    /// What is left on the nodes that are taken.
    taken: Vec<Resources>,
}

impl Lane<'_> {
    /// Size of a node and what is left on it.
    fn node(&self, k: usize) -> (&Resources, &Resources) {
        let whole = if self.offer.is_some() { &self.whole[0] } else { &self.whole[k] };
        (whole, self.taken.get(k).unwrap_or(whole))
    }
}

/// A node that a pod can go to: its score, then first lane and first node in it.
type Way = (u64, Reverse<usize>, Reverse<usize>);

/// The order that settles best: largest pods first.
pub(super) fn largest_first(groups: &[&PodGroup]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|g| Reverse(groups[*g].size));
    order
}

/// Simulates the scheduler: the largest pods come first, equals in the order of the groups (the order
/// that a person would roll them out in, and the one that packs best); each goes to the allowed node with
/// the highest score, of equals to the first (free nodes come first, then offers in order). Says
/// which group has a pod that finds no node. Pods with `only` do not run on free nodes, which are
/// of no offer, but where `free` names them.
pub(super) fn settle(yard: &Yard<'_>, groups: &[&PodGroup], counts: &[u32]) -> Result<(), Stuck> {
    settle_in(yard, groups, counts, largest_first(groups))
}

/// The same with groups coming in this order.
pub(super) fn settle_in(yard: &Yard<'_>, groups: &[&PodGroup], counts: &[u32], order: Vec<usize>) -> Result<(), Stuck> {
    let free = Lane { offer: None, whole: yard.free, count: yard.free.len(), taken: yard.free.to_vec() };
    let mut lanes = vec![free];
    lanes.extend(yard.offers.iter().enumerate().map(|(t, offer)| Lane {
        offer: Some(t),
        whole: std::slice::from_ref(&offer.usable),
        count: counts[t] as usize,
        taken: Vec::new(),
    }));
    let mut ways: BinaryHeap<Way> = BinaryHeap::new();
    let mut before: Option<&PodGroup> = None;
    for g in order {
        let group = groups[g];
        let way = |lanes: &[Lane<'_>], lane: usize, k: usize| {
            let (whole, left) = lanes[lane].node(k);
            fits(&group.size, left).then(|| (score(whole, left, &group.size), Reverse(lane), Reverse(k)))
        };
        // After equal pods the ways are those that they left.
        if before
            .is_none_or(|before| (before.size, &before.only, &before.free) != (group.size, &group.only, &group.free))
        {
            let mut all = ways.into_vec();
            all.clear();
            for (n, lane) in lanes.iter().enumerate() {
                let allowed = |k: usize| match (lane.offer, &group.only) {
                    (None, _) => group.takes_free(k),
                    (Some(_), None) => true,
                    (Some(offer), Some(only)) => only.contains(&offer),
                };
                let seen = lane.count.min(lane.taken.len() + 1);
                all.extend((0..seen).filter(|k| allowed(*k)).filter_map(|k| way(&lanes, n, k)));
            }
            ways = BinaryHeap::from(all);
        }
        before = Some(group);
        for done in 0..group.count {
            let Some((_, Reverse(n), Reverse(k))) = ways.pop() else {
                return Err(Stuck { group: g, left: group.count - done });
            };
            let mut left = *lanes[n].node(k).1;
            left.milli_cpu -= group.size.milli_cpu;
            left.memory -= group.size.memory;
            left.gpus -= group.size.gpus;
            left.pods -= group.size.pods;
            if k < lanes[n].taken.len() {
                lanes[n].taken[k] = left;
            } else {
                lanes[n].taken.push(left);
                if k + 1 < lanes[n].count {
                    ways.extend(way(&lanes, n, k + 1));
                }
            }
            ways.extend(way(&lanes, n, k));
        }
    }
    Ok(())
}
