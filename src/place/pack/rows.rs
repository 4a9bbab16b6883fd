//! Rows: conditions on node counts that can be said in sums.
//!
//! Knows sizes of pods and nodes, not what either costs.

use super::{
    super::problem::{Fit, PodGroup, Resources},
    Yard, each, fits, suits,
};

/// Size classes of [`Fit::Cover`]: resource (as in [`each`]) and unit. Pods at least as large as the unit
/// count for the whole units that they hold, and so do nodes.
pub(in super::super) const CLASSES: [(usize, u64); 6] =
    [(0, 1_000), (0, 2_000), (0, 4_000), (1, 4 << 30), (1, 8 << 30), (1, 16 << 30)];

/// One necessary condition on counts: Σ `per_node[t]` · counts[t] ≥ `need`.
#[derive(Clone, Debug)]
pub(in super::super) struct Row {
    pub(in super::super) need: u64,
    pub(in super::super) per_node: Vec<u64>,
}

/// The rows of a yard. For the scheduler they are necessary; where rows say what fits they are all there is.
pub(in super::super) fn rows(yard: &Yard<'_>, groups: &[&PodGroup]) -> Vec<Row> {
    let classes: &[(usize, u64)] = match yard.fit {
        Fit::Scheduler => return scheduled(yard, groups),
        Fit::Cover => &CLASSES,
        Fit::Sum => &[],
    };
    let mut rows = Vec::new();
    for (r, unit) in (0..4).map(|r| (r, 1)).chain(classes.iter().copied()) {
        let need: u128 = groups.iter().map(|g| u128::from(each(&g.size)[r] / unit) * u128::from(g.count)).sum();
        let free: u128 = yard.free.iter().map(|f| u128::from(each(f)[r] / unit)).sum();
        if need > free {
            // What cannot be counted cannot be bought.
            let (need, most) = u64::try_from(need - free).map_or((u64::MAX, 0), |need| (need, u64::MAX));
            let per_node = yard.offers.iter().map(|o| (each(&o.usable)[r] / unit).min(most)).collect();
            rows.push(Row { need, per_node });
        }
    }
    rows
}

/// Sum over all pods.
fn sum(groups: &[&PodGroup], of: impl Fn(&Resources) -> u64) -> u64 {
    groups.iter().fold(0, |n, g| n.saturating_add(of(&g.size).saturating_mul(u64::from(g.count))))
}

/// Conditions that every packing satisfies: sums of resources, and for every size of pod the number
/// of pods at least that large (a node takes a whole number of them).
fn scheduled(yard: &Yard<'_>, groups: &[&PodGroup]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |need: u64, from_free: u64, per_node: Vec<u64>| {
        if need > from_free {
            rows.push(Row { need: need - from_free, per_node });
        }
    };
    let anywhere = groups.iter().any(|g| g.roams());
    for r in 0..4 {
        let need = sum(groups, |size| each(size)[r]);
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
        let free =
            if class.iter().any(|g| g.roams()) { yard.free.iter().map(times).fold(0, u64::saturating_add) } else { 0 };
        let per_node = yard
            .offers
            .iter()
            .enumerate()
            .map(|(t, o)| if class.iter().any(|g| suits(g, t, &o.usable)) { times(&o.usable) } else { 0 });
        add(need, free, per_node.collect());
    }
    rows
}

/// How much a row lacks with these counts.
pub(in super::super) fn short(row: &Row, counts: &[u32]) -> u64 {
    let have =
        row.per_node.iter().zip(counts).fold(0_u64, |n, (c, k)| n.saturating_add(c.saturating_mul(u64::from(*k))));
    row.need.saturating_sub(have)
}
