//! Counts for many pods: filled up with one kind of node and completed with a few others, the
//! cheapest first. Where all counts are too many to look at, these are where good ones are.

use super::{hunt::Hunt, short, within_quota};

/// Most other nodes in a completion.
const FEW: usize = 3;
/// Counts of the filling kind that are tried below the one that fills alone.
const BELOW: u32 = 5;
/// Simulations.
const LOOKS: usize = 160;

impl Hunt<'_> {
    /// Simulates lots in the order of their cost until one fits.
    pub(super) fn lots(&mut self, least: &[u32]) {
        let kinds = least.len();
        let mut sure = least.to_vec();
        for row in self.rows {
            // Only one kind serves it.
            let mut serve = (0..kinds).filter(|t| row.per_node[*t] > 0);
            if let (Some(t), None) = (serve.next(), serve.next()) {
                let count = u32::try_from(row.need.div_ceil(row.per_node[t])).unwrap_or(u32::MAX);
                sure[t] = sure[t].max(count.min(self.most[t]));
            }
        }
        let mut lots: Vec<Vec<u32>> = vec![vec![0; kinds]];
        let mut last: Vec<(Vec<u32>, usize)> = vec![(vec![0; kinds], 0)];
        for _ in 0..FEW {
            let mut next = Vec::new();
            for (lot, from) in &last {
                for t in *from..kinds {
                    let mut more = lot.clone();
                    more[t] += 1;
                    next.push((more, t));
                }
            }
            lots.extend(next.iter().map(|(lot, _)| lot.clone()));
            last = next;
        }
        let mut all: Vec<(i64, Vec<u32>)> = Vec::new();
        for t in 0..kinds {
            let alone = self.rows.iter().filter_map(|row| {
                let left = short(row, &sure);
                left.checked_div(row.per_node[t]).map(|_| left.div_ceil(row.per_node[t]))
            });
            let alone =
                u32::try_from(alone.max().unwrap_or(0)).unwrap_or(u32::MAX).min(self.most[t].saturating_sub(sure[t]));
            for count in alone.saturating_sub(BELOW)..=alone {
                for lot in &lots {
                    let mut counts: Vec<u32> = sure.iter().zip(lot).map(|(a, b)| a.saturating_add(*b)).collect();
                    counts[t] = counts[t].saturating_add(count);
                    let cost = self.cost(&counts).0;
                    let fine = counts.iter().zip(self.most).all(|(n, most)| n <= most)
                        && self.best.as_ref().is_none_or(|best| cost < best.0.0)
                        && self.rows.iter().all(|row| short(row, &counts) == 0)
                        && within_quota(self.yard, &counts);
                    if fine {
                        all.push((cost, counts));
                    }
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        // In strides that shorten: the cheaper of those that fit are close to each other.
        let mut top = all.len();
        for looks in [LOOKS / 2, LOOKS / 4, LOOKS / 4] {
            let stride = top.div_ceil(looks).max(1);
            let Some(at) = (0..top).step_by(stride).find(|at| self.offer(&all[*at].1)) else { continue };
            top = at;
        }
    }
}
