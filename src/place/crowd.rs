//! What may not come together: how many instances too many an assignment has in the domains of its
//! spreads (anti-affinity, topology spread). Knows counts, not costs.

use super::problem::Problem;

/// The spreads of a problem, laid out for many countings.
#[derive(Clone, Debug)]
pub(super) struct Crowds<'a> {
    problem: &'a Problem,
    /// For spread and place: the domain that it is in.
    at: Vec<Vec<Option<usize>>>,
    /// Spreads that count a component.
    of: Vec<Vec<usize>>,
}

impl<'a> Crowds<'a> {
    pub(super) fn new(problem: &'a Problem) -> Self {
        let mut of = vec![Vec::new(); problem.components.len()];
        let mut at = Vec::with_capacity(problem.spreads.len());
        for (s, spread) in problem.spreads.iter().enumerate() {
            let mut domains = vec![None; problem.places.len()];
            for (d, places) in spread.domains.iter().enumerate() {
                places.iter().for_each(|l| domains[*l] = Some(d));
            }
            at.push(domains);
            spread.components.iter().for_each(|i| of[*i].push(s));
        }
        Self { problem, at, of }
    }

    /// Instances beyond what one spread allows, if component `i` ran in `set`.
    fn beyond(&self, s: usize, instances: &[Vec<usize>], i: usize, set: &[usize]) -> usize {
        let spread = &self.problem.spreads[s];
        let mut counts = vec![0_usize; spread.domains.len()];
        for k in &spread.components {
            for l in if *k == i { set } else { instances[*k].as_slice() } {
                if let Some(d) = self.at[s][*l] {
                    counts[d] += 1;
                }
            }
        }
        counts.into_iter().map(|n| n.saturating_sub(spread.most as usize)).sum()
    }

    /// Instances beyond what is allowed, over all spreads.
    pub(super) fn excess(&self, instances: &[Vec<usize>]) -> usize {
        (0..self.at.len()).map(|s| self.beyond(s, instances, usize::MAX, &[])).sum()
    }

    /// The same over the spreads that count component `i`, if it ran in `set`.
    pub(super) fn excess_of(&self, instances: &[Vec<usize>], i: usize, set: &[usize]) -> usize {
        self.of[i].iter().map(|s| self.beyond(*s, instances, i, set)).sum()
    }

    /// The first spread of component `i` that is broken if it runs in `set`.
    pub(super) fn broken_by(&self, instances: &[Vec<usize>], i: usize, set: &[usize]) -> Option<usize> {
        self.of[i].iter().copied().find(|s| self.beyond(*s, instances, i, set) > 0)
    }
}
