//! Which instance of its target every instance of a flow's source talks to, and what that costs.
//!
//! Tiers apply to the sum on a meter, so that the choices hang together: they are made jointly, by
//! exhaustion within a work limit. Knows places only as indices of routes.

use super::problem::Problem;
use crate::money::MicroUsd;

/// Steps of the joint search; beyond, the choices are the best found and `exact` is false.
const STEPS: u32 = 20_000;

/// Targets and their cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    /// For every flow and instance of its source: a place of the target.
    pub(super) targets: Vec<Vec<usize>>,
    /// What all meters come to.
    pub(super) cost: MicroUsd,
    /// Lower bound on any choice of targets.
    pub(super) bound: MicroUsd,
    /// `cost` is the least there is.
    pub(super) exact: bool,
}

/// Price range of a meter over its tiers.
#[derive(Clone, Copy, Debug)]
struct Range {
    least: i64,
    most: i64,
    tiers: i64,
}

/// Chooses targets. Knows the meters' price ranges.
#[derive(Clone, Debug)]
pub(super) struct Haul<'a> {
    problem: &'a Problem,
    ranges: Vec<Range>,
}

/// A source instance whose target is not settled by dominance.
struct Open {
    flow: usize,
    source: usize,
    bytes: u64,
    /// (meter, place)
    options: Vec<(usize, usize)>,
}

impl<'a> Haul<'a> {
    pub(super) fn new(problem: &'a Problem) -> Self {
        let ranges = problem.meters.iter().map(|meter| {
            let prices = || meter.tiers.iter().map(|t| t.per_gb.0);
            Range {
                least: prices().min().unwrap_or(0),
                most: prices().max().unwrap_or(0),
                tiers: i64::try_from(meter.tiers.len()).unwrap_or(i64::MAX),
            }
        });
        Self { problem, ranges: ranges.collect() }
    }

    /// Number of source instances that reach no instance of their target.
    pub(super) fn cut_off(&self, instances: &[Vec<usize>]) -> usize {
        let flows = self.problem.flows.iter();
        flows
            .map(|f| {
                let lost = |a: &&usize| !instances[f.to].iter().any(|b| self.problem.reaches(f, **a, *b));
                instances[f.from].iter().filter(lost).count()
            })
            .sum()
    }

    /// The meter that counts on a way; `None` when it costs nothing.
    pub(super) fn meter(&self, a: usize, b: usize) -> Option<usize> {
        self.problem.routes[a][b].meter.filter(|m| self.ranges[*m].most > 0)
    }

    /// Whether `bytes` more on `m` and less on `other` never cost more, whatever else they carry;
    /// rounding, half a micro-dollar for every band before and after, included.
    fn dominates(&self, m: usize, other: usize, bytes: u64) -> bool {
        let (m, other) = (self.ranges[m], self.ranges[other]);
        let gain = (i128::from(other.least) - i128::from(m.most)) * i128::from(bytes);
        gain >= i128::from(m.tiers.saturating_add(other.tiers)) * 1_000_000_000
    }

    /// The cheapest targets; `None` when an instance reaches none.
    pub(super) fn choose(&self, instances: &[Vec<usize>]) -> Option<Transfer> {
        let meters = &self.problem.meters;
        let mut targets: Vec<Vec<usize>> = Vec::with_capacity(self.problem.flows.len());
        let mut bytes = vec![0_u64; meters.len()];
        let mut open: Vec<Open> = Vec::new();
        for (f, flow) in self.problem.flows.iter().enumerate() {
            let mut chosen = Vec::with_capacity(instances[flow.from].len());
            for (source, a) in instances[flow.from].iter().enumerate() {
                let sent = self.problem.bytes(flow, *a);
                let mut first = None;
                let mut gratis = None;
                let mut options: Vec<(usize, usize)> = Vec::new();
                for b in instances[flow.to].iter().filter(|b| self.problem.reaches(flow, *a, **b)) {
                    first = first.or(Some(*b));
                    match self.meter(*a, *b).filter(|_| sent > 0) {
                        None => gratis = gratis.or(Some(*b)),
                        Some(m) if !options.iter().any(|(known, _)| *known == m) => options.push((m, *b)),
                        Some(_) => {}
                    }
                }
                let first = first?;
                if let Some(b) = gratis {
                    chosen.push(b);
                    continue;
                }
                if options.len() > 1 {
                    let best: Vec<(usize, usize)> = options
                        .iter()
                        .filter(|(m, _)| !options.iter().any(|(n, _)| n != m && self.dominates(*n, *m, sent)))
                        .copied()
                        .collect();
                    options = best;
                }
                match options.as_slice() {
                    [(m, b)] => {
                        bytes[*m] = bytes[*m].saturating_add(sent);
                        chosen.push(*b);
                    }
                    _ => {
                        chosen.push(first);
                        open.push(Open { flow: f, source, bytes: sent, options });
                    }
                }
            }
            targets.push(chosen);
        }
        let cost = |bytes: &[u64]| -> MicroUsd { meters.iter().zip(bytes).map(|(m, b)| m.cost(*b)).sum() };
        if open.is_empty() {
            let cost = cost(&bytes);
            return Some(Transfer { targets, cost, bound: cost, exact: true });
        }
        // Large volumes first: they decide most.
        open.sort_by_key(|o| (std::cmp::Reverse(o.bytes), o.flow, o.source));
        let mut floors = vec![0_i64; open.len() + 1];
        for k in (0..open.len()).rev() {
            let least = |(m, _): &(usize, usize)| MicroUsd(self.ranges[*m].least).per_gb_for(open[k].bytes).0;
            floors[k] = floors[k + 1].saturating_add(open[k].options.iter().map(least).min().unwrap_or(0));
        }
        // Sums of rounded numbers against rounded sums.
        let slack = self.ranges.iter().map(|r| r.tiers).sum::<i64>() + i64::try_from(open.len()).unwrap_or(0) + 1;
        let mut joint = Joint { problem: self.problem, open: &open, floors: &floors, slack, best: None, steps: STEPS };
        joint.improve(&bytes);
        let floor = MicroUsd(cost(&bytes).0.saturating_add(floors[0] - slack).max(0));
        let mut picks = Vec::new();
        joint.descend(&mut bytes, &mut picks);
        let exact = joint.steps > 0;
        let (total, picks) = joint.best?;
        for (open, pick) in open.iter().zip(picks) {
            targets[open.flow][open.source] = open.options[pick].1;
        }
        let bound = if exact { total } else { floor.min(total) };
        Some(Transfer { targets, cost: total, bound, exact })
    }
}

/// Search over the unsettled choices together.
struct Joint<'a> {
    problem: &'a Problem,
    open: &'a [Open],
    floors: &'a [i64],
    slack: i64,
    best: Option<(MicroUsd, Vec<usize>)>,
    steps: u32,
}

impl Joint<'_> {
    fn cost(&self, bytes: &[u64]) -> MicroUsd {
        self.problem.meters.iter().zip(bytes).map(|(m, b)| m.cost(*b)).sum()
    }

    /// A start: one choice after the other, then single changes while they help.
    fn improve(&mut self, base: &[u64]) {
        let mut bytes = base.to_vec();
        let mut picks = Vec::new();
        for open in self.open {
            let price = |pick: usize, bytes: &[u64]| {
                let m = open.options[pick].0;
                let meter = &self.problem.meters[m];
                meter.cost(bytes[m].saturating_add(open.bytes)) - meter.cost(bytes[m])
            };
            let pick = (0..open.options.len()).min_by_key(|p| price(*p, &bytes)).unwrap_or(0);
            bytes[open.options[pick].0] += open.bytes;
            picks.push(pick);
        }
        let mut cost = self.cost(&bytes);
        let mut changed = true;
        let mut rounds = 20;
        while changed && rounds > 0 {
            changed = false;
            rounds -= 1;
            for (k, open) in self.open.iter().enumerate() {
                for pick in 0..open.options.len() {
                    let (old, new) = (open.options[picks[k]].0, open.options[pick].0);
                    bytes[old] -= open.bytes;
                    bytes[new] += open.bytes;
                    let now = self.cost(&bytes);
                    if now < cost {
                        (cost, picks[k], changed) = (now, pick, true);
                    } else {
                        bytes[new] -= open.bytes;
                        bytes[old] += open.bytes;
                    }
                }
            }
        }
        self.best = Some((cost, picks));
    }

    fn descend(&mut self, bytes: &mut Vec<u64>, picks: &mut Vec<usize>) {
        if self.steps == 0 {
            return;
        }
        self.steps -= 1;
        let k = picks.len();
        let spent = self.cost(bytes);
        if k == self.open.len() {
            if self.best.as_ref().is_none_or(|(cost, _)| spent < *cost) {
                self.best = Some((spent, picks.clone()));
            }
            return;
        }
        let floor = spent.0.saturating_add(self.floors[k] - self.slack).max(spent.0);
        if self.best.as_ref().is_some_and(|(cost, _)| floor >= cost.0) {
            return;
        }
        let open = &self.open[k];
        for (pick, (m, _)) in open.options.iter().enumerate() {
            bytes[*m] += open.bytes;
            picks.push(pick);
            self.descend(bytes, picks);
            picks.pop();
            bytes[*m] -= open.bytes;
        }
    }
}
