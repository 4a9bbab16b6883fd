//! The relaxation with its whole numbers, for a mixed-integer solver: better assignments and bounds where
//! the local search and linear prices end.
//!
//! What the solver finds is a candidate, valued like any other by [`Evaluator`]. Its bound holds within
//! its tolerances, not in exact arithmetic, so that it counts less a margin; what only prices prove
//! ([`super::lp::Lp::value`]) needs no such trust. Knows no solver: `skyplan-milp` does.

mod program;

use skyplan_milp::{Budget, End, Found, minimise};

use super::{
    domain::{Domain, Mark},
    evaluate::Evaluator,
    lp::{
        Proof,
        build::{self, Model},
    },
    pack::IMPOSSIBLE,
    problem::{Limits, Problem},
    wide::Wide,
};
use crate::money::MicroUsd;

/// Open choices up to which the program is solved as it is.
const DIRECT: usize = 2_000;
/// A choice in the kernel costs at most this part of the gap more than the best one; the kernel gets one
/// of so many parts of the work.
const KERNEL: f64 = 0.002;
const SHARE: u64 = 3;
/// The same for the program that gives the bound: nothing outside of it is cheaper than that part of the
/// gap above the bound that prices prove.
const HALF: f64 = 0.4;
/// Entries of rows that simplex iterations pass over, for a node of the budget; and iterations, where rows
/// are few.
const WORK: u64 = 200_000;
const ITERATIONS: u64 = 3;
/// The part of a bound that the solver's tolerances may make up.
const MARGIN: f64 = 1e-5;
/// Nodes of the solver's tree, and of those in a row that better nothing.
const NODES: u64 = 20_000;
const STALL: u64 = 5_000;
/// Seconds after which something must be wrong.
const LAST_RESORT: f64 = 600.0;

/// Betters the best assignment and the bound.
pub(super) fn improve(
    problem: &Problem,
    eval: &mut Evaluator<'_>,
    wide: &mut Wide,
    model: &Model,
    proof: &Proof,
    limits: &Limits,
) {
    wide.mixed = true;
    let mut solve = Solve { problem, limits, left: limits.nodes.saturating_mul(WORK) };
    let (mut domain, mut outside) = (wide.domain.clone(), IMPOSSIBLE);
    if open(&domain) > DIRECT {
        if let Some((kernel, _)) = kernel(problem, wide, model, proof, KERNEL) {
            let share = solve.left / SHARE;
            solve.attempt(eval, wide, &kernel, share);
            wide.narrow(problem, model, proof);
            domain = wide.domain.clone();
        }
        if let Some((half, least)) = kernel(problem, wide, model, proof, HALF) {
            (domain, outside) = (half, least);
        }
    }
    let within = solve.attempt(eval, wide, &domain, solve.left);
    let best = wide.best.as_ref().map_or(IMPOSSIBLE, |best| best.cost);
    wide.bound = wide.bound.max(within.min(outside).min(best));
    wide.narrow(problem, model, proof);
}

/// Whether a bound is as near to a cost as the solver can tell.
pub(super) fn settled(cost: MicroUsd, bound: MicroUsd) -> bool {
    (cost.0 - bound.0) as f64 <= cost.0 as f64 * 2.0 * MARGIN
}

/// Choices that are not made.
fn open(domain: &Domain) -> usize {
    (0..domain.marks.len()).map(|i| domain.possible(i).count().saturating_sub(1)).sum()
}

/// Solves programs of one problem until the work is spent.
struct Solve<'a> {
    problem: &'a Problem,
    limits: &'a Limits,
    left: u64,
}

impl Solve<'_> {
    /// Solves the program of a domain with a part of the work; gives the bound within it.
    fn attempt(&mut self, eval: &mut Evaluator<'_>, wide: &mut Wide, domain: &Domain, work: u64) -> MicroUsd {
        if self.limits.watch.enough() {
            return MicroUsd::ZERO;
        }
        let mut model = build::build(self.problem, domain);
        model.lp.complete();
        let program = program::write(&model);
        let best = wide.best.as_ref();
        let start = best.and_then(|best| program::start(self.problem, eval, &model, &program, &best.instances));
        let pass = (model.lp.columns.len() as u64).max(1);
        let budget = Budget {
            iterations: (work / pass).min(self.limits.nodes.saturating_mul(ITERATIONS)),
            nodes: NODES,
            stall: STALL,
            gap: self.limits.gap_ppm as f64 / 1e6,
            seconds: LAST_RESORT,
        };
        let found = minimise(&program, start.as_deref(), &budget, &|| self.limits.watch.enough());
        self.left = self.left.saturating_sub(found.iterations.saturating_mul(pass));
        if let Some(point) = &found.point {
            wide.offer(self.problem, eval, &program::read(&model, point));
        }
        floor(&found, &model)
    }
}

/// What the solver's bound is worth.
fn floor(found: &Found, model: &Model) -> MicroUsd {
    if matches!(found.end, End::Infeasible | End::Failed) || !found.bound.is_finite() {
        return MicroUsd::ZERO;
    }
    let bound = found.bound + model.lp.constant;
    let safe = (bound - bound.abs() * MARGIN) * 1e6 - 1.0;
    MicroUsd((safe.floor() as i64).clamp(0, IMPOSSIBLE.0))
}

/// The domain without choices that cost more than a part of the gap beyond the best ones, and what an
/// assignment outside of it costs at least.
fn kernel(problem: &Problem, wide: &Wide, model: &Model, proof: &Proof, part: f64) -> Option<(Domain, MicroUsd)> {
    let best = wide.best.as_ref()?;
    let most = (build::dollars(best.cost.0) - proof.bound) * part;
    let mut domain = wide.domain.clone();
    for (i, block) in model.lp.blocks.iter().enumerate().filter(|(i, _)| problem.components[*i].max == 1) {
        let least = block.columns.clone().map(|c| proof.reduced[c]).fold(f64::INFINITY, f64::min);
        for column in block.columns.clone() {
            let l = model.places[column];
            let mark = &mut domain.marks[i][l];
            if *mark == Mark::Free && proof.reduced[column] - least > most && !best.instances[i].contains(&l) {
                *mark = Mark::Out;
            }
        }
    }
    domain.propagate(problem).ok().map(|()| (domain, proof.with(most)))
}
