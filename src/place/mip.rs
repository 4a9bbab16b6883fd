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
        Answer, Proof,
        build::{self, Model},
    },
    pack::IMPOSSIBLE,
    problem::{Limits, Problem},
    wide::Wide,
};
use crate::money::MicroUsd;

/// Kernels to look in first: which part of the gap a choice may cost beyond the best, and which part of
/// the work it gets.
const KERNELS: [(f64, u64); 1] = [(0.002, 2)];
/// Open choices up to which the program is solved as it is.
const DIRECT: usize = 2_000;
/// Entries of rows that simplex iterations pass over, for a node of the budget.
const WORK: u64 = 400_000;
/// The part of a bound that the solver's tolerances may make up.
const MARGIN: f64 = 1e-5;
/// Nodes of the solver's tree, and of those in a row that better nothing.
const NODES: u64 = 20_000;
const STALL: u64 = 5_000;
/// Seconds after which something must be wrong.
const LAST_RESORT: f64 = 600.0;

/// A point and prices of the relaxation by an interior-point method: none where it fails.
pub(super) fn relax(model: &Model) -> Option<(Answer, Proof)> {
    let program = program::write(model);
    let t = std::time::Instant::now();
    let found = skyplan_milp::relax(&program, LAST_RESORT);
    let point = found.point.filter(|_| found.end == End::Best)?;
    let prices = found.prices[model.lp.blocks.len()..].iter().map(|p| p.max(0.0)).collect();
    let answer = Answer { point: point[..model.lp.cost.len()].to_vec(), prices };
    let proof = model.lp.value(&answer.prices);
    eprintln!(
        "lp {:.2} s: {:.3} proves {:.3}",
        t.elapsed().as_secs_f64(),
        found.bound + model.lp.constant,
        proof.bound
    );
    Some((answer, proof))
}

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
    let mut work = limits.nodes.saturating_mul(WORK);
    if open(&wide.domain) > DIRECT {
        for (part, share) in KERNELS {
            if let Some(kernel) = kernel(problem, wide, model, proof, part) {
                work = work.saturating_sub(attempt(problem, eval, wide, &kernel, limits, work / share).1);
                wide.narrow(problem, model, proof);
            }
        }
    }
    let domain = wide.domain.clone();
    let (found, _) = attempt(problem, eval, wide, &domain, limits, work);
    let best = wide.best.as_ref().map_or(IMPOSSIBLE, |best| best.cost);
    wide.bound = wide.bound.max(found.min(best));
}

/// Choices that are not made.
fn open(domain: &Domain) -> usize {
    (0..domain.marks.len()).map(|i| domain.possible(i).count().saturating_sub(1)).sum()
}

/// Solves the program of a domain; gives the bound within it and the work that was done.
fn attempt(
    problem: &Problem,
    eval: &mut Evaluator<'_>,
    wide: &mut Wide,
    domain: &Domain,
    limits: &Limits,
    work: u64,
) -> (MicroUsd, u64) {
    let model = build::build(problem, domain);
    let program = program::write(&model);
    let start = wide.best.as_ref().and_then(|best| program::start(problem, eval, &model, &program, &best.instances));
    let pass = (model.lp.columns.len() as u64).max(1);
    let budget = Budget {
        iterations: work / pass,
        nodes: NODES,
        stall: STALL,
        gap: limits.gap_ppm as f64 / 1e6,
        seconds: LAST_RESORT,
    };
    let t = std::time::Instant::now();
    let found = minimise(&program, start.as_deref(), &budget);
    eprintln!(
        "mip: open {} cols {} rows {} nz {} budget it {} -> {:?} it {} nodes {} bound {:.2} {:.2} s; best {:?} bound before {:?}",
        open(domain),
        program.columns.len(),
        program.rows.len(),
        model.lp.columns.len(),
        budget.iterations,
        found.end,
        found.iterations,
        found.nodes,
        found.bound + model.lp.constant,
        t.elapsed().as_secs_f64(),
        wide.best.as_ref().map(|b| b.cost),
        wide.bound
    );
    if let Some(point) = &found.point {
        let sets = program::read(&model, point);
        let cost: f64 = program.columns.iter().zip(point).map(|(c, x)| c.cost * x).sum::<f64>() + model.lp.constant;
        let broken = wide.offer(problem, eval, &sets);
        eprintln!(
            "  point {cost:.2}, broken {broken}, valued {:?}, best {:?}",
            eval.trial(&sets).0.rank.cost,
            wide.best.as_ref().map(|b| b.cost)
        );
    }
    (floor(&found, &model), found.iterations.saturating_mul(pass))
}

/// What the solver's bound is worth.
fn floor(found: &Found, model: &Model) -> MicroUsd {
    match found.end {
        End::Best | End::Work | End::Clock if found.bound.is_finite() => {
            let bound = found.bound + model.lp.constant;
            let safe = (bound - bound.abs() * MARGIN) * 1e6 - 1.0;
            MicroUsd((safe.floor() as i64).clamp(0, IMPOSSIBLE.0))
        }
        _ => MicroUsd::ZERO,
    }
}

/// The domain without what costs more than a part of the gap beyond the bound. Not a proof of anything.
fn kernel(problem: &Problem, wide: &Wide, model: &Model, proof: &Proof, part: f64) -> Option<Domain> {
    let best = wide.best.as_ref()?;
    let most = (best.cost.0 as f64 / 1e6 - proof.bound) * part;
    let mut domain = wide.domain.clone();
    for (i, block) in model.lp.blocks.iter().enumerate() {
        let least = block.columns.clone().map(|c| proof.reduced[c]).fold(f64::INFINITY, f64::min);
        for column in block.columns.clone() {
            let l = model.places[column];
            let mark = &mut domain.marks[i][l];
            let dear = proof.reduced[column] - least > most && !best.instances[i].contains(&l);
            if *mark == Mark::Free && dear && problem.components[i].max == 1 {
                *mark = Mark::Out;
            }
        }
    }
    domain.propagate(problem).ok().map(|()| domain)
}
