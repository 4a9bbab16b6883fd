//! Problems with many components: the relaxation's bound, an assignment from its point and prices,
//! and what both together rule out.
//!
//! Knows the order of things; each of them is elsewhere: `lp` proves, `anneal` finds, [`Evaluator`] has
//! the last word on every cost.

use super::{
    anneal::Annealer,
    domain::{Domain, Mark},
    evaluate::{Evaluator, Rank, Trial, permits},
    lp::{Answer, Block, Proof, Solver, build, build::Model, first_order::FirstOrder},
    problem::{Component, Fit, Limits, Problem},
};
use crate::money::MicroUsd;

/// Components from which on a problem is wide: tables over all sets of them are too large.
pub(super) const MANY: usize = 13;
/// Multiplications of the relaxation's solver for a node of the budget, and for an entry of the rows
/// between two looks at what it has come to.
const WORK: u64 = 120_000;
const LOOK: u64 = 400;
/// Entries of the rows from which on there is more work, and how many times as much at most.
const LARGE: u64 = 50_000;
const MORE: u64 = 6;
/// Parts of the work, in hundredths, after which cuts are added.
const CUTS: [u64; 3] = [35, 50, 65];
/// Steps of the local search for a move of the budget, and exact values for a hundred moves.
const STEPS: u64 = 6;
const VALUES: u64 = 1;
/// Components to place from which on the local search takes all of its steps.
const MANY_OPEN: u64 = 60;
/// Places that the local search tries for every component.
const OPTIONS: usize = 10;
/// How much dearer than its cheapest place an option of a component may look, in parts of what a component
/// costs about: the next only where the one before made no placement.
const WITHIN: [f64; 3] = [0.03, 0.5, f64::INFINITY];
/// Short searches from warm on, of which the best goes on; their steps, and those of the first that goes on from
/// it, in hundredths of all.
const STARTS: u64 = 6;
const SHORT: u64 = 20;
const TAIL: u64 = 30;
/// Rounds in which the local search learns what nodes really hold.
const ROUNDS: u64 = 10;
/// Dollars by which a step may look dearer and still be valued exactly.
const MARGIN: f64 = 5.0;

/// What came of it.
#[derive(Debug)]
pub(super) struct Wide {
    pub(super) best: Option<Rank>,
    /// No assignment costs less.
    pub(super) bound: MicroUsd,
    /// Whatever is not worse than the best is in here.
    pub(super) domain: Domain,
    /// A mixed-integer solver was asked.
    pub(super) mixed: bool,
}

/// Bounds a problem and looks for a good assignment within a domain.
pub(super) fn run(problem: &Problem, eval: &mut Evaluator<'_>, root: &Domain, limits: &Limits) -> Wide {
    let mut wide = Wide { best: None, bound: MicroUsd::ZERO, domain: root.clone(), mixed: false };
    let stay: Vec<Vec<usize>> = problem.components.iter().map(|c| c.incumbent.clone()).collect();
    wide.offer(problem, eval, &stay);
    let mut model = build::build(problem, root);
    let (answer, proof) = relax(problem, &mut model, limits);
    wide.bound = wide.bound.max(proof.floor());
    let start = round(&model, &answer, &proof, problem);
    wide.offer(problem, eval, &start);
    if wide.narrow(problem, &model, &proof) {
        return wide;
    }
    // Few choices first; more where those do not make a placement.
    for within in WITHIN {
        let options = options(&model, &answer, &proof, problem, wide.best.as_ref(), within);
        wide.search(problem, eval, &model, &answer, &proof, &options, &start, limits);
        if wide.best.is_some() || limits.watch.enough() {
            break;
        }
    }
    if wide.narrow(problem, &model, &proof) {
        return wide;
    }
    #[cfg(feature = "highs")]
    if limits.nodes > 0 {
        super::mip::improve(problem, eval, &mut wide, &model, &proof, limits);
    }
    wide
}

impl Wide {
    /// Looks for a good assignment within options.
    #[allow(clippy::too_many_arguments, reason = "all that is known")]
    fn search(
        &mut self,
        problem: &Problem,
        eval: &mut Evaluator<'_>,
        model: &Model,
        answer: &Answer,
        proof: &Proof,
        options: &[Vec<usize>],
        start: &[Vec<usize>],
        limits: &Limits,
    ) {
        let scale = proof.bound.abs() / problem.components.len() as f64 + 1.0;
        let mut search = Annealer::new(problem, model, &answer.prices, options, scale);
        let open = options.iter().filter(|places| places.len() > 1).count() as u64;
        let moves = limits.moves.min(limits.moves / MANY_OPEN * open);
        let steps = moves * STEPS;
        // One long search is worth less than the best of some short ones: it cannot undo what it opened early.
        let mut first: Option<Trial> = None;
        for seed in 0..STARTS {
            if first.is_some() && limits.watch.enough() {
                break;
            }
            let found = search.run(start, steps / 100 * SHORT, ROUNDS + 1 + seed, false);
            let trial = eval.trial(&found).0;
            if first.as_ref().is_none_or(|best| trial < *best) {
                first = Some(trial);
            }
        }
        let mut sets = first.map_or_else(|| start.to_vec(), |trial| trial.rank.instances);
        self.offer(problem, eval, &sets);
        for seed in 0..ROUNDS {
            if limits.watch.enough() {
                break;
            }
            // Once more from warm on, with what was learned.
            let warm = seed == ROUNDS / 2;
            let part = if seed == 0 { TAIL } else { 10 };
            sets = search.run(&sets, if warm { steps } else { steps / 100 * part }, seed, !warm);
            let broken = self.offer(problem, eval, &sets);
            if broken {
                search.insist();
            }
            if !learn(problem, eval, &mut search, &sets) && !broken {
                break;
            }
        }
        if problem.fit != Fit::Scheduler {
            sets = search.run(&sets, steps / 3, ROUNDS, true);
        }
        self.offer(problem, eval, &sets);
        let from = self.best.as_ref().map_or(sets, |best| best.instances.clone());
        let found = polish(problem, eval, &mut search, options, &from, moves * VALUES / 100);
        self.offer(problem, eval, &found);
    }

    /// Keeps an assignment when it is possible and the best; says whether it breaks something.
    pub(super) fn offer(&mut self, problem: &Problem, eval: &mut Evaluator<'_>, sets: &[Vec<usize>]) -> bool {
        if !problem.components.iter().zip(sets).all(|(c, set)| permits(c, set)) {
            return true;
        }
        let trial = eval.trial(sets).0;
        if trial.broken == 0 && self.best.as_ref().is_none_or(|best| trial.rank < *best) {
            self.best = Some(trial.rank);
        }
        trial.broken > 0
    }

    /// Takes out places where a component would cost more than the best; says whether nothing is
    /// left to choose.
    pub(super) fn narrow(&mut self, problem: &Problem, model: &Model, proof: &Proof) -> bool {
        let Some(best) = &self.best else { return false };
        for (i, block) in model.lp.blocks.iter().enumerate() {
            if problem.components[i].max > 1 {
                continue;
            }
            let least = block.columns.clone().map(|c| proof.reduced[c]).fold(f64::INFINITY, f64::min);
            for column in block.columns.clone() {
                let mark = &mut self.domain.marks[i][model.places[column]];
                if *mark == Mark::Free && proof.with(proof.reduced[column] - least) > best.cost {
                    *mark = Mark::Out;
                }
            }
        }
        // What is the only place left is sure.
        if self.domain.propagate(problem).is_err() {
            // Nothing is as good as the best: it was ruled out with the rest.
            for (marks, set) in self.domain.marks.iter_mut().zip(&best.instances) {
                for (l, mark) in marks.iter_mut().enumerate() {
                    *mark = if set.contains(&l) { Mark::In } else { Mark::Out };
                }
            }
        }
        (0..self.domain.marks.len()).all(|i| self.domain.fixed(i))
    }
}

/// Solves the relaxation until it stands or the work is spent, and cuts off what whole nodes cannot be.
fn relax(problem: &Problem, model: &mut Model, limits: &Limits) -> (Answer, Proof) {
    let size = (model.lp.columns.len() as u64 / LARGE).clamp(1, MORE);
    let all = limits.nodes.saturating_mul(WORK * size);
    let mut work = all;
    let mut solver = FirstOrder::new(&model.lp, None);
    let mut answer = solver.advance(&model.lp, 0);
    let mut proof = model.lp.value(&answer.prices);
    let (mut still, mut cuts) = (0, 0);
    let look = (LOOK * model.lp.columns.len() as u64).clamp(1, (all / 8).max(1));
    while work > 0 && !limits.watch.enough() {
        let next = solver.advance(&model.lp, look.min(work));
        work = work.saturating_sub(look);
        let proves = model.lp.value(&next.prices);
        still = if proves.bound > proof.bound + proof.bound.abs() * 1e-7 { 0 } else { still + 1 };
        let due = CUTS.get(cuts).is_some_and(|part| all - work >= all / 100 * part);
        if due || still > 3 {
            cuts += 1;
            if cuts > CUTS.len() || model.lp.cut(&next) + model.late(problem, &next) == 0 {
                break;
            }
            still = 0;
            answer.prices.resize(model.lp.limits.len(), 0.0);
            solver = solver.resume(&model.lp, next.clone());
        }
        if proves.bound > proof.bound {
            (answer, proof) = (next, proves);
            answer.prices.resize(model.lp.limits.len(), 0.0);
        } else {
            answer.point = next.point;
        }
    }
    (answer, proof)
}

/// The point with every component in its likeliest places.
fn round(model: &Model, answer: &Answer, proof: &Proof, problem: &Problem) -> Vec<Vec<usize>> {
    let set = |(block, component): (&Block, &Component)| {
        let mut order: Vec<usize> = block.columns.clone().collect();
        let point = |c: usize| answer.point[c];
        order.sort_by(|a, b| {
            point(*b).total_cmp(&point(*a)).then(proof.reduced[*a].total_cmp(&proof.reduced[*b])).then(a.cmp(b))
        });
        let mut set: Vec<usize> = Vec::new();
        for group in &component.groups {
            if !group.places.iter().any(|l| set.contains(l)) {
                set.extend(order.iter().map(|c| model.places[*c]).find(|l| group.places.contains(l)));
            }
        }
        for column in order {
            let l = model.places[column];
            let (count, likely) = (set.len(), point(column) > 0.6);
            let wanted = count < component.min as usize || count < component.max as usize && likely;
            if wanted && !set.contains(&l) {
                set.push(l);
            }
        }
        set.sort_unstable();
        set
    };
    model.lp.blocks.iter().zip(&problem.components).map(set).collect()
}

/// Places that the relaxation finds good for every component.
fn options(
    model: &Model,
    answer: &Answer,
    proof: &Proof,
    problem: &Problem,
    best: Option<&Rank>,
    within: f64,
) -> Vec<Vec<usize>> {
    let within = proof.bound.abs() / problem.components.len() as f64 * within;
    let mut all = Vec::with_capacity(model.lp.blocks.len());
    for (i, (block, component)) in model.lp.blocks.iter().zip(&problem.components).enumerate() {
        let mut order: Vec<usize> = block.columns.clone().collect();
        let rank = |c: &usize| if answer.point[*c] > 0.01 { f64::NEG_INFINITY } else { proof.reduced[*c] };
        order.sort_by(|a, b| rank(a).total_cmp(&rank(b)).then(a.cmp(b)));
        let ranked = || order.iter().map(|c| model.places[*c]);
        let least = order.iter().map(|c| proof.reduced[*c]).fold(f64::INFINITY, f64::min);
        let near = order.iter().filter(|c| proof.reduced[**c] <= least + within).count().max(2);
        let mut places: Vec<usize> = ranked().take(near.min(OPTIONS) + component.min as usize).collect();
        for group in &component.groups {
            places.extend(ranked().filter(|l| group.places.contains(l)).take(2));
        }
        places.extend(best.iter().flat_map(|best| &best.instances[i]));
        places.sort_unstable();
        places.dedup();
        all.push(places);
    }
    all
}

/// Tells the search where nodes hold less than it believes; says whether there was anything to tell.
fn learn(problem: &Problem, eval: &mut Evaluator<'_>, search: &mut Annealer<'_>, sets: &[Vec<usize>]) -> bool {
    search.set(sets, 1.0);
    let mut learned = false;
    for (l, place) in problem.places.iter().enumerate() {
        let here: Vec<usize> = (0..sets.len()).filter(|i| sets[*i].contains(&l)).collect();
        if here.is_empty() {
            continue;
        }
        let site = eval.sites.at(l, &here);
        let own: f64 = here.iter().map(|i| build::own(problem, *i, l)).sum();
        let Some(cost) = site.cost else {
            search.waste(l, 0.03);
            learned = true;
            continue;
        };
        let nodes = build::dollars(cost.0) - own;
        let more = nodes + build::dollars(place.entry().0) - search.charged(l);
        if more > 0.5 {
            search.waste(l, (more / nodes / 2.0).clamp(0.004, 0.25));
            learned = true;
        }
    }
    learned
}

/// Single steps, valued exactly, while they help.
fn polish(
    problem: &Problem,
    eval: &mut Evaluator<'_>,
    search: &mut Annealer<'_>,
    options: &[Vec<usize>],
    start: &[Vec<usize>],
    values: u64,
) -> Vec<Vec<usize>> {
    let mut best: Trial = eval.trial(start).0;
    search.set(start, 1.0);
    let mut left = values;
    let mut changed = true;
    while changed && left > 0 {
        changed = false;
        for (i, component) in problem.components.iter().enumerate() {
            for l in &options[i] {
                let Some(set) = search.variant(i, *l) else { continue };
                if left == 0 || !permits(component, &set) || search.delta(i, &set) > MARGIN {
                    continue;
                }
                left -= 1;
                let mut now = best.rank.instances.clone();
                now[i].clone_from(&set);
                let trial = eval.trial(&now).0;
                if trial < best {
                    best = trial;
                    search.apply(i, &set);
                    changed = true;
                }
            }
        }
    }
    best.rank.instances
}
