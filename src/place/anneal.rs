//! Local search on prices for problems with many components: steps that are valued in a microsecond.
//!
//! Nodes are valued by [`super::room`], partly at their linear price at first, so that components find
//! their way before whole nodes hold them. Transfer is valued at the meters' least slopes. What is found is
//! a start for exact search, not a result.

mod state;

use super::{dice::Dice, evaluate::permits, lp::build::Model, problem::Problem};
use state::State;

/// One phase: how much of whole nodes counts, from which temperature to which, for which share of
/// the steps.
struct Phase {
    whole: f64,
    from: f64,
    to: f64,
    share: f64,
}

const PHASES: [Phase; 3] = [
    Phase { whole: 0.3, from: 0.04, to: 0.012, share: 0.2 },
    Phase { whole: 0.7, from: 0.025, to: 0.01, share: 0.2 },
    Phase { whole: 1.0, from: 0.02, to: 0.0004, share: 0.6 },
];

/// When little is to be changed.
const LATE: [Phase; 1] = [Phase { whole: 1.0, from: 0.006, to: 0.0004, share: 1.0 }];

/// Most components that leave a place together.
const LEAVE: usize = 12;
/// Steps between two tries to empty a place.
const VACATE: u64 = 400;

/// A search over options.
#[derive(Debug)]
pub(super) struct Annealer<'a> {
    state: State<'a>,
    /// Places to try, by component.
    options: &'a [Vec<usize>],
    /// What a component costs about: steps are hot or cold by it.
    scale: f64,
}

impl<'a> Annealer<'a> {
    /// A search over `options` with the prices of the relaxation.
    pub(super) fn new(
        problem: &'a Problem,
        model: &'a Model,
        prices: &[f64],
        options: &'a [Vec<usize>],
        scale: f64,
    ) -> Self {
        Self { state: State::new(problem, model, prices, scale * 10.0), options, scale }
    }

    /// Learns that a place holds less than its nodes promise, or more than was learned before.
    pub(super) fn waste(&mut self, l: usize, more: f64) {
        self.state.waste(l, more);
    }

    /// Makes it dearer to break a constraint.
    pub(super) fn insist(&mut self) {
        self.state.insist();
    }

    /// What a place costs in this search.
    pub(super) fn charged(&self, l: usize) -> f64 {
        self.state.charged(l)
    }

    /// Starts from an assignment within the columns.
    pub(super) fn set(&mut self, instances: &[Vec<usize>], whole: f64) {
        self.state.set(instances, whole);
    }

    /// What a change would add, without making it.
    pub(super) fn delta(&mut self, i: usize, set: &[usize]) -> f64 {
        self.state.delta(i, set)
    }

    /// Makes a change.
    pub(super) fn apply(&mut self, i: usize, set: &[usize]) {
        self.state.change(i, set);
    }

    /// The set of a component with a place for the one that it shares most with, or more.
    pub(super) fn variant(&self, i: usize, to: usize) -> Option<Vec<usize>> {
        let set = &self.state.sets[i];
        if set.contains(&to) {
            return None;
        }
        let mut next = set.clone();
        // For one of several the last makes room.
        *next.last_mut()? = to;
        next.sort_unstable();
        Some(next)
    }

    /// Another set for a component in `next`: mostly one place for another; says whether it may be.
    fn step(&self, i: usize, dice: &mut Dice, next: &mut Vec<usize>) -> bool {
        let (set, options) = (&self.state.sets[i], &self.options[i]);
        let component = &self.state.problem.components[i];
        let to = options[dice.below(options.len())];
        next.clear();
        if component.max == 1 {
            next.push(to);
            return set != next;
        }
        next.extend_from_slice(set);
        match (next.iter().position(|l| *l == to), dice.below(3)) {
            (Some(k), _) => {
                next.remove(k);
            }
            (None, 0) => next.push(to),
            (None, _) => {
                let k = dice.below(next.len().max(1));
                if let Some(place) = next.get_mut(k) {
                    *place = to;
                }
            }
        }
        next.sort_unstable();
        permits(component, next)
    }

    /// Searches with so many steps, from cold if `late`; returns the best.
    pub(super) fn run(&mut self, start: &[Vec<usize>], steps: u64, seed: u64, late: bool) -> Vec<Vec<usize>> {
        let mut dice = Dice::new(seed);
        let open: Vec<usize> = (0..self.options.len()).filter(|i| self.options[*i].len() > 1).collect();
        self.set(start, 1.0);
        let mut best = (self.state.total(), start.to_vec());
        if open.is_empty() {
            return best.1;
        }
        let mut set = Vec::new();
        for phase in if late { &LATE[..] } else { &PHASES[..] } {
            let from = std::mem::take(&mut self.state.sets);
            self.set(&from, phase.whole);
            let mut value = self.state.total();
            let count = (steps as f64 * phase.share) as u64;
            let mut heat = 0.0;
            for n in 0..count {
                if n.is_multiple_of(1024) {
                    let part = n as f64 / count as f64;
                    heat = self.scale * phase.from * (phase.to / phase.from).powf(part);
                }
                let pick = (dice.next() >> 11) as f64 / (1_u64 << 53) as f64;
                let most = -heat * pick.max(1e-300).ln();
                if n % VACATE == VACATE - 1 {
                    value += self.vacate(most, &mut dice);
                    continue;
                }
                let i = open[dice.below(open.len())];
                if !self.step(i, &mut dice, &mut set) {
                    continue;
                }
                let kind = dice.below(8);
                value += if kind > 1 {
                    let delta = self.delta(i, &set);
                    if delta > most {
                        continue;
                    }
                    self.state.change(i, &set);
                    delta
                } else {
                    let Some(delta) = self.pair(i, &set, kind == 0, most, &mut dice) else { continue };
                    delta
                };
                // While it is hot the best does not last long.
                if phase.whole == 1.0 && value < best.0 - 1e-6 && n * 4 > count * 3 {
                    best.0 = value;
                    best.1.clone_from(&self.state.sets);
                }
            }
            if phase.whole == 1.0 && value < best.0 {
                best = (value, self.state.sets.clone());
            }
        }
        best.1
    }

    /// Two components at once: both to one place, or each to the other's.
    fn pair(&mut self, i: usize, set: &[usize], join: bool, most: f64, dice: &mut Dice) -> Option<f64> {
        let state = &self.state;
        let (j, other) = if join {
            let link = &state.links[*state.joins[i].get(dice.below(state.joins[i].len().max(1)))?];
            (if link.from == i { link.to } else { link.from }, set.to_vec())
        } else {
            let here = &state.here[*set.first()?];
            (*here.get(dice.below(here.len().max(1)))?, state.sets[i].clone())
        };
        if j == i
            || state.sets[j] == other
            || other.iter().any(|l| state.column(j, *l).is_none())
            || !permits(&state.problem.components[j], &other)
        {
            return None;
        }
        let first = self.state.delta(i, set);
        let old = self.state.change(i, set);
        let second = self.state.delta(j, &other);
        if first + second > most {
            self.state.change(i, &old);
            return None;
        }
        self.state.change(j, &other);
        Some(first + second)
    }

    /// Everybody leaves a place, one after the other to where it is cheapest; says what that added.
    fn vacate(&mut self, most: f64, dice: &mut Dice) -> f64 {
        let l = dice.below(self.state.here.len());
        let here = self.state.here[l].clone();
        if here.is_empty() || here.len() > LEAVE {
            return 0.0;
        }
        let mut undo = Vec::new();
        let mut sum = 0.0;
        for i in here {
            let mut best: Option<(f64, Vec<usize>)> = None;
            for k in 0..self.options[i].len() {
                let to = self.options[i][k];
                let set = &self.state.sets[i];
                if to == l || set.contains(&to) {
                    continue;
                }
                let mut next: Vec<usize> = set.iter().map(|at| if *at == l { to } else { *at }).collect();
                next.sort_unstable();
                if !permits(&self.state.problem.components[i], &next) {
                    continue;
                }
                let delta = self.state.delta(i, &next);
                if best.as_ref().is_none_or(|(least, _)| delta < *least) {
                    best = Some((delta, next));
                }
            }
            let Some((delta, next)) = best else {
                sum = f64::INFINITY;
                break;
            };
            sum += delta;
            undo.push((i, self.state.change(i, &next)));
        }
        if sum <= most {
            return sum;
        }
        for (i, old) in undo.into_iter().rev() {
            self.state.change(i, &old);
        }
        0.0
    }
}
