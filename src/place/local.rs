//! Local search: good assignments fast, without proof.
//!
//! Steps that improve, then random kicks from the best; may pass through what is impossible.
//! Randomness is a seeded generator of its own, and work is counted in trials.

use std::collections::BTreeSet;

use super::{
    dice::Dice,
    domain::{Domain, Mark},
    evaluate::{Evaluator, Trial, permits},
    problem::Problem,
};

/// Kicks without a better assignment after which the search ends.
const PATIENCE: u32 = 200;

/// A local search within a domain.
#[derive(Debug)]
pub(super) struct Local<'e, 'a> {
    eval: &'e mut Evaluator<'a>,
    problem: &'a Problem,
    domain: &'e Domain,
    /// Trials left.
    pub(super) moves: u64,
}

impl<'e, 'a> Local<'e, 'a> {
    pub(super) fn new(eval: &'e mut Evaluator<'a>, domain: &'e Domain, moves: u64) -> Self {
        let problem = eval.problem;
        Self { eval, problem, domain, moves }
    }

    /// Sets of places one step away from a component's.
    fn steps(&self, i: usize, places: &[usize]) -> Vec<Vec<usize>> {
        let possible: Vec<usize> = self.domain.possible(i).collect();
        let mut sets = Vec::new();
        let mut add = |mut set: Vec<usize>| {
            set.sort_unstable();
            if permits(&self.problem.components[i], &set)
                && (0..self.domain.marks[i].len()).all(|l| self.domain.marks[i][l] != Mark::In || set.contains(&l))
            {
                sets.push(set);
            }
        };
        for l in possible.iter().filter(|l| !places.contains(l)) {
            for k in 0..places.len() {
                let mut set = places.to_vec();
                set[k] = *l;
                add(set);
            }
            if places.len() < self.problem.components[i].max as usize {
                let mut set = places.to_vec();
                set.push(*l);
                add(set);
            }
        }
        for k in 0..places.len() {
            let mut set = places.to_vec();
            set.remove(k);
            add(set);
        }
        sets
    }

    /// Any permitted set within the domain: the required groups first, then what is cheap to say.
    pub(super) fn some_set(&self, i: usize, dice: &mut Dice) -> Option<Vec<usize>> {
        let component = &self.problem.components[i];
        let possible: Vec<usize> = self.domain.possible(i).collect();
        for _ in 0..64 {
            let mut set: BTreeSet<usize> = self.domain.sure(i).collect();
            for group in &component.groups {
                if !group.places.iter().any(|l| set.contains(l)) {
                    let open: Vec<usize> = group.places.iter().copied().filter(|l| possible.contains(l)).collect();
                    // A place that serves another open group too, half of the time.
                    let shared: Vec<usize> = open
                        .iter()
                        .copied()
                        .filter(|l| component.groups.iter().filter(|g| g.places.contains(l)).count() > 1)
                        .collect();
                    let from = if !shared.is_empty() && dice.below(2) == 0 { &shared } else { &open };
                    set.extend(from.get(dice.below(from.len())));
                }
            }
            while set.len() < component.min as usize && set.len() < possible.len() {
                set.extend(possible.get(dice.below(possible.len())));
            }
            let set: Vec<usize> = set.into_iter().collect();
            if permits(component, &set) {
                return Some(set);
            }
        }
        None
    }

    fn trial(&mut self, instances: &[Vec<usize>]) -> Trial {
        self.moves = self.moves.saturating_sub(1);
        self.eval.trial(instances).0
    }

    /// Steps down from an assignment until no single step helps: one component elsewhere, two
    /// exchanged, one place emptied into another.
    pub(super) fn descend(&mut self, start: &[Vec<usize>], dice: &mut Dice) -> Trial {
        let mut best = self.trial(start);
        let n = start.len();
        let mut order: Vec<usize> = (0..n).collect();
        let mut changed = true;
        while changed && self.moves > 0 {
            changed = false;
            for k in (1..n).rev() {
                order.swap(k, dice.below(k + 1));
            }
            for i in order.clone() {
                let mut now = best.rank.instances.clone();
                let mut better = None;
                for set in self.steps(i, &best.rank.instances[i]) {
                    now[i] = set;
                    let trial = self.trial(&now);
                    if trial < *better.as_ref().unwrap_or(&best) {
                        better = Some(trial);
                    }
                    if self.moves == 0 {
                        break;
                    }
                }
                if let Some(trial) = better {
                    best = trial;
                    changed = true;
                }
            }
            if !changed
                && self.moves > 0
                && let Some(trial) = self.merge(&best).or_else(|| self.exchange(&best))
            {
                best = trial;
                changed = true;
            }
        }
        best
    }

    /// Moves all that runs at one place, or one component and its neighbours by flows, to another.
    fn merge(&mut self, best: &Trial) -> Option<Trial> {
        let places = self.problem.places.len();
        let instances = &best.rank.instances;
        let open: Vec<usize> = (0..places).filter(|l| instances.iter().any(|set| set.contains(l))).collect();
        for from in open {
            for to in (0..places).filter(|l| *l != from) {
                let mut now = instances.clone();
                for (i, set) in now.iter_mut().enumerate() {
                    if set.contains(&from) && !set.contains(&to) && self.domain.marks[i][to] == Mark::Free {
                        let mut moved: Vec<usize> = set.iter().map(|l| if *l == from { to } else { *l }).collect();
                        moved.sort_unstable();
                        if permits(&self.problem.components[i], &moved) && self.domain.marks[i][from] == Mark::Free {
                            *set = moved;
                        }
                    }
                }
                if now == *instances {
                    continue;
                }
                let trial = self.trial(&now);
                if trial < *best {
                    return Some(trial);
                }
                if self.moves == 0 {
                    return None;
                }
            }
        }
        None
    }

    /// Two components take each other's places; a pair that a flow joins moves together.
    fn exchange(&mut self, best: &Trial) -> Option<Trial> {
        let instances = &best.rank.instances;
        let fits = |i: usize, set: &[usize]| {
            permits(&self.problem.components[i], set)
                && set.iter().all(|l| self.domain.marks[i][*l] != Mark::Out)
                && self.domain.sure(i).all(|l| set.contains(&l))
        };
        let mut trials = Vec::new();
        for i in 0..instances.len() {
            for j in i + 1..instances.len() {
                if instances[i] != instances[j] && fits(i, &instances[j]) && fits(j, &instances[i]) {
                    let mut now = instances.clone();
                    now.swap(i, j);
                    trials.push(now);
                }
            }
        }
        for flow in &self.problem.flows {
            for l in 0..self.problem.places.len() {
                let set = vec![l];
                if flow.from != flow.to && fits(flow.from, &set) && fits(flow.to, &set) {
                    let mut now = instances.clone();
                    now[flow.from].clone_from(&set);
                    now[flow.to] = set;
                    trials.push(now);
                }
            }
        }
        for now in trials {
            if self.moves == 0 {
                return None;
            }
            let trial = self.trial(&now);
            if trial < *best {
                return Some(trial);
            }
        }
        None
    }

    /// Descends from the given starts and a random one, then kicks the best until the moves are spent.
    pub(super) fn run(&mut self, starts: &[Vec<Vec<usize>>], seed: u64) -> Option<Trial> {
        let mut dice = Dice::new(seed);
        let n = self.problem.components.len();
        let mut best: Option<Trial> = None;
        let random: Option<Vec<Vec<usize>>> = (0..n).map(|i| self.some_set(i, &mut dice)).collect();
        for start in starts.iter().chain(&random) {
            if self.moves == 0 {
                break;
            }
            let trial = self.descend(start, &mut dice);
            if best.as_ref().is_none_or(|b| trial < *b) {
                best = Some(trial);
            }
        }
        let mut best = best?;
        let movable: Vec<usize> = (0..n).filter(|i| !self.domain.fixed(*i)).collect();
        let mut current = best.clone();
        let mut idle = 0;
        while self.moves > 0 && !movable.is_empty() && idle < PATIENCE {
            let mut now = current.rank.instances.clone();
            for _ in 0..2 + dice.below(2 + movable.len() / 6) {
                let i = movable[dice.below(movable.len())];
                if let Some(set) = self.some_set(i, &mut dice) {
                    now[i] = set;
                }
            }
            let trial = self.descend(&now, &mut dice);
            idle += 1;
            if trial < best {
                best = trial.clone();
                idle = 0;
            }
            // Sometimes go on from somewhere a little worse.
            let near = trial.broken <= best.broken && trial.rank.cost.0 - best.rank.cost.0 <= best.rank.cost.0 / 50;
            current = if near { trial } else { best.clone() };
        }
        Some(best)
    }
}
