//! The cheapest nodes that pods really run on, at one place.
//!
//! Node counts *fit* when kube-scheduler, as [`super::scheduler`] simulates it, finds a node for every pod:
//! that a packing exists is not enough, because the scheduler does not look for it. The simulation
//! is not monotone (one node or pod more may make it fail), so nothing here concludes from one
//! count to another but by the cover rows, which every packing satisfies. Where a problem says
//! that rows are enough ([`Fit`]), they are. Knows offers and pods, nothing of components, fees or transfer.

mod hunt;
mod lots;
mod prices;
mod rows;
mod start;

pub(super) use rows::{CLASSES, rows, short};

use super::problem::{Fit, Offer, PodGroup, Resources};
use crate::money::MicroUsd;

/// What pods can be put on at one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yard<'a> {
    /// Nodes that can be bought.
    pub(super) offers: &'a [Offer],
    /// Room on nodes that exist.
    pub(super) free: &'a [Resources],
    /// Bounds on the sum of gross sizes.
    pub(super) quota: Option<&'a Resources>,
    /// For every offer: nodes that dedicated components take; they count against `max` and quota.
    pub(super) reserved: &'a [u32],
    /// When pods fit.
    pub(super) fit: Fit,
}

/// Result of [`cheapest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    /// Cost of the bought nodes and their number for every offer; `None` when none was found.
    pub(super) best: Option<(MicroUsd, Vec<u32>)>,
    /// No counts that fit cost less.
    pub(super) bound: MicroUsd,
    /// The search ran to its end: `best` is the optimum, and none means that none exists.
    pub(super) exact: bool,
}

/// Cost of something that is impossible, as a bound.
pub(super) const IMPOSSIBLE: MicroUsd = MicroUsd(i64::MAX / 4);

/// More pods, or dedicated nodes of one offer, at one place are refused: a cluster does not hold them.
pub(super) const MOST: u64 = 20_000;

/// Pods in all.
fn pods(groups: &[&PodGroup]) -> u64 {
    groups.iter().fold(0, |n, g| n.saturating_add(u64::from(g.count)))
}

/// The four numbers of [`Resources`], to loop over.
pub(super) fn each(r: &Resources) -> [u64; 4] {
    [r.milli_cpu, r.memory, r.gpus, r.pods]
}

/// Whether a pod of this size fits into what is left.
pub(super) fn fits(size: &Resources, left: &Resources) -> bool {
    size.milli_cpu <= left.milli_cpu && size.memory <= left.memory && size.gpus <= left.gpus && size.pods <= left.pods
}

/// Whether every group has a node that holds one of its pods: free, or of an offer.
fn housed(yard: &Yard<'_>, groups: &[&PodGroup]) -> bool {
    groups.iter().filter(|g| g.count > 0).all(|g| {
        yard.free.iter().enumerate().any(|(k, f)| g.takes_free(k) && fits(&g.size, f))
            || yard.offers.iter().enumerate().any(|(t, o)| suits(g, t, &o.usable))
    })
}

/// Whether pods of the group may run on nodes of the offer and one fits an empty one.
pub(super) fn suits(group: &PodGroup, offer: usize, usable: &Resources) -> bool {
    group.only.as_ref().is_none_or(|only| only.contains(&offer)) && fits(&group.size, usable)
}

/// Most nodes of every offer that can be of use beside the reserved ones; `None` when not even the
/// minimum is allowed. More nodes of an offer than pods that suit it change nothing, or than rows lack.
pub(super) fn most(yard: &Yard<'_>, groups: &[&PodGroup]) -> Option<Vec<u32>> {
    let mut all = Vec::with_capacity(yard.offers.len());
    let sums = if yard.fit == Fit::Scheduler { Vec::new() } else { rows(yard, groups) };
    for (t, offer) in yard.offers.iter().enumerate() {
        let pods = if yard.fit == Fit::Scheduler {
            groups.iter().filter(|g| suits(g, t, &offer.usable)).map(|g| g.count).fold(0, u32::saturating_add)
        } else {
            let serve = sums.iter().filter(|row| row.per_node[t] > 0);
            let alone = serve.map(|row| row.need.div_ceil(row.per_node[t]));
            u32::try_from(alone.max().unwrap_or(0)).unwrap_or(u32::MAX)
        };
        let limit = offer.max.map_or(u32::MAX, |max| max.saturating_sub(yard.reserved[t]));
        if offer.min > limit || offer.max.is_some_and(|max| yard.reserved[t] > max) {
            return None;
        }
        all.push(pods.clamp(offer.min, limit.max(offer.min)).min(limit));
    }
    let least: Vec<u32> = yard.offers.iter().map(|o| o.min).collect();
    within_quota(yard, &least).then_some(all)
}

/// Whether the counts beside the reserved nodes keep the quota.
pub(super) fn within_quota(yard: &Yard<'_>, counts: &[u32]) -> bool {
    let Some(limit) = yard.quota else { return true };
    let mut sum = [0_u128; 4];
    for (t, offer) in yard.offers.iter().enumerate() {
        let n = u128::from(counts[t]) + u128::from(yard.reserved[t]);
        let gross = each(&offer.gross);
        for r in 0..3 {
            sum[r] += n * u128::from(gross[r]);
        }
        sum[3] += n;
    }
    sum.iter().zip(each(limit)).all(|(sum, limit)| *sum <= u128::from(limit))
}

/// Whether the pods cannot run here whatever is bought: no simulation is needed to say so.
pub(super) fn hopeless(yard: &Yard<'_>, groups: &[&PodGroup]) -> bool {
    if pods(groups) > MOST || !housed(yard, groups) {
        return true;
    }
    let Some(most) = most(yard, groups) else { return true };
    if yard.quota.is_none() {
        return rows(yard, groups).iter().any(|row| short(row, &most) > 0);
    }
    // With a quota every row by itself must be reachable within every quota by itself.
    let least: Vec<u32> = yard.offers.iter().map(|o| o.min).collect();
    rows(yard, groups).iter().any(|row| {
        let mut alone: Vec<u64> = Vec::new();
        for (t, offer) in yard.offers.iter().enumerate() {
            let mut counts = least.clone();
            let (mut low, mut high) = (offer.min, most[t]);
            while low < high {
                counts[t] = low + (high - low).div_ceil(2);
                if within_quota(yard, &counts) { low = counts[t] } else { high = counts[t] - 1 }
            }
            alone.push(u64::from(low));
        }
        let reach = row.per_node.iter().zip(&alone).fold(0_u64, |n, (c, k)| n.saturating_add(c.saturating_mul(*k)));
        reach < row.need
    })
}

/// A lower bound on the nodes of these pods and of any pods with them: the cheapest counts that
/// satisfy the cover rows, whole but not simulated.
pub(super) fn cover(yard: &Yard<'_>, groups: &[&PodGroup], work: u64) -> MicroUsd {
    hunt::hunt(yard, groups, work, false).bound
}

/// The cheapest counts that fit; of equals the fewest nodes, then the most of the first names.
/// `work` bounds the pods settled in simulations.
pub(super) fn cheapest(yard: &Yard<'_>, groups: &[&PodGroup], work: u64) -> Packed {
    hunt::hunt(yard, groups, work, true)
}
