//! Good counts to start from: bought pod by pod or filled up with one kind, then trimmed. No proof.

use super::{
    super::scheduler::{Stuck, largest_first, settle},
    each,
    hunt::Hunt,
    rows::short,
    suits, within_quota,
};

/// With up to so many pods nodes are bought one by one, which wastes least.
const FEW: u64 = 200;
/// Pods settled by one taste while nodes are given back and exchanged.
pub(super) const EFFORT: u64 = 250_000;

impl Hunt<'_> {
    /// Buys nodes for the first pod that finds none until all do, by four tastes; then gives back
    /// and exchanges what is not needed. A good start; no proof.
    pub(super) fn greedy(&mut self, least: &[u32]) {
        let mut starts: Vec<Vec<u32>> = Vec::new();
        for taste in 0..4 {
            let mut counts = least.to_vec();
            let mut rounds = self.pods + 4;
            self.effort = EFFORT;
            while let Err(stuck) = settle(self.yard, self.groups, &counts) {
                let spent = taste > 0 && self.effort < self.pods;
                let Some(t) = self.taste(taste, stuck.group, &counts).filter(|_| rounds > 0 && !spent) else { break };
                let batch = if self.pods <= FEW { 1 } else { self.batch(taste, stuck, t, &counts) };
                if batch == 0 {
                    break;
                }
                counts[t] += batch;
                rounds -= 1;
                if self.pods > FEW {
                    self.effort = self.effort.saturating_sub(self.pods);
                }
            }
            if !starts.contains(&counts) && self.offer(&counts) {
                starts.push(counts.clone());
                self.trim(counts, least);
            }
        }
    }

    /// Fills up with one kind of node, by turns, and exchanges what is not needed.
    pub(super) fn alone(&mut self, least: &[u32]) {
        for t in 0..least.len() {
            let lacks = self.rows.iter().filter_map(|row| {
                let left = short(row, least);
                left.checked_div(row.per_node[t]).map(|_| left.div_ceil(row.per_node[t]))
            });
            let more = u32::try_from(lacks.max().unwrap_or(0)).unwrap_or(u32::MAX);
            let mut counts = least.to_vec();
            counts[t] = counts[t].saturating_add(more).min(self.most[t]);
            self.effort = EFFORT;
            if self.offer(&counts) {
                self.trim(counts, least);
            }
        }
    }

    /// The offer that a taste buys for a group.
    fn taste(&self, taste: usize, group: usize, counts: &[u32]) -> Option<usize> {
        let size = self.groups[group].size;
        let value = |t: usize| {
            let offer = &self.yard.offers[t];
            let price = offer.price.0 as f64;
            match taste {
                0 => price,
                1 => price / (offer.usable.milli_cpu as f64 + 1.0),
                2 => price / (offer.usable.memory as f64 + 1.0),
                _ => {
                    let times = (0..4).filter_map(|r| each(&offer.usable)[r].checked_div(each(&size)[r])).min();
                    price / times.unwrap_or(1).min(self.pods) as f64
                }
            }
        };
        (0..counts.len())
            .filter(|t| counts[*t] < self.most[*t] && suits(self.groups[group], *t, &self.yard.offers[*t].usable))
            .min_by(|a, b| value(*a).total_cmp(&value(*b)))
    }

    /// How many nodes of the offer cover the rest of the group and later groups of the same taste,
    /// as far as most nodes and quota go.
    fn batch(&self, taste: usize, stuck: Stuck, t: usize, counts: &[u32]) -> u32 {
        let whole = each(&self.yard.offers[t].usable);
        let mut need = [0_u64; 4];
        let order = largest_first(self.groups);
        for g in order.into_iter().skip_while(|g| *g != stuck.group) {
            if g == stuck.group || self.taste(taste, g, counts) == Some(t) {
                let count = if g == stuck.group { stuck.left } else { self.groups[g].count };
                for (need, size) in need.iter_mut().zip(each(&self.groups[g].size)) {
                    *need = need.saturating_add(size.saturating_mul(u64::from(count)));
                }
            }
        }
        let sums = need.iter().zip(whole).filter(|(_, whole)| *whole > 0).map(|(need, whole)| need.div_ceil(whole));
        let size = each(&self.groups[stuck.group].size);
        let times = (0..4).filter_map(|r| whole[r].checked_div(size[r])).min().unwrap_or(u64::MAX).max(1);
        let all = sums.max().unwrap_or(1).max(u64::from(stuck.left).div_ceil(times)).max(1);
        let room = self.most[t] - counts[t];
        let (mut low, mut high) = (0, u32::try_from(all).unwrap_or(u32::MAX).min(room));
        let mut trial = counts.to_vec();
        while low < high {
            let mid = low + (high - low).div_ceil(2);
            trial[t] = counts[t] + mid;
            if within_quota(self.yard, &trial) { low = mid } else { high = mid - 1 }
        }
        low
    }

    /// Takes nodes away, or exchanges one for a cheaper one, while the rest still fits. What goes
    /// well is tried with twice as many the next time.
    fn trim(&mut self, mut counts: Vec<u32>, least: &[u32]) {
        let mut steps = vec![1_u32; counts.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for k in 0..self.order.len() {
                let t = self.order[k];
                if counts[t] <= least[t] {
                    continue;
                }
                if self.effort < self.pods {
                    return;
                }
                self.effort -= self.pods;
                let before = counts[t];
                let step = steps[t].min(before - least[t]);
                counts[t] -= step;
                if self.offer(&counts) {
                    if self.pods > FEW {
                        steps[t] = step.saturating_mul(2);
                    }
                    changed = true;
                    continue;
                }
                if step > 1 {
                    counts[t] = before;
                    steps[t] = step / 2;
                    changed = true;
                    continue;
                }
                let mut looked = 0;
                let cheaper = self.order[k + 1..].iter().copied().find(|u| {
                    let price = |t: usize| self.yard.offers[t].price;
                    if counts[*u] >= self.most[*u] || price(*u) >= price(t) || looked * self.pods > self.effort {
                        return false;
                    }
                    looked += 1;
                    let mut swapped = counts.clone();
                    swapped[*u] += 1;
                    self.fit(&swapped)
                });
                self.effort = self.effort.saturating_sub(looked * self.pods);
                match cheaper {
                    Some(u) => {
                        counts[u] += 1;
                        self.offer(&counts);
                        changed = true;
                    }
                    None => counts[t] += 1,
                }
            }
        }
    }
}
