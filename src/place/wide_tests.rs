//! The engine for many components, held against brute force where that can be.
#![allow(clippy::expect_used, clippy::panic, clippy::needless_range_loop, reason = "tests")]

use super::{
    check::check,
    dice::Dice,
    domain::Domain,
    lp::{Solver, build, first_order::FirstOrder},
    oracle::brute_force,
    problem::{Fit, Limits, Method, Problem},
    samples::{Shape, problem},
    search::{find, solve, wide_outcome},
};

const CASES: u64 = 60;

fn cases() -> u64 {
    std::option_env!("SKYPLAN_CASES").and_then(|n| n.parse().ok()).unwrap_or(CASES)
}

fn root(problem: &Problem) -> Option<Domain> {
    let mut root = Domain::new(problem);
    root.propagate(problem).ok().map(|()| root)
}

#[test]
fn no_prices_prove_too_much() {
    let (mut held, mut tight) = (0, 0);
    for seed in 0..cases() {
        let problem = problem(Shape::small(seed), seed);
        let (Some(root), Some((cost, ..))) = (root(&problem), brute_force(&problem)) else { continue };
        let model = build::build(&problem, &root);
        let answer = FirstOrder::new(&model.lp, None).advance(&model.lp, 2_000_000);
        let bound = model.lp.value(&answer.prices).floor().0;
        assert!(bound <= cost, "seed {seed}: {bound} against {cost}");
        tight += u32::from(bound * 2 > cost);
        // Any prices are valid, also those that no solver would give.
        let mut dice = Dice::new(seed);
        for _ in 0..5 {
            let odd = |p: &f64| match dice.below(8) {
                0 => -1.0,
                1 => f64::NAN,
                2 => p * 3.0 + 1.0,
                3 => f64::INFINITY,
                n => p * n as f64 / 4.0,
            };
            let prices: Vec<f64> = answer.prices.iter().map(odd).collect();
            let bound = model.lp.value(&prices).floor().0;
            assert!(bound <= cost, "seed {seed}: {bound} against {cost}");
        }
        held += 1;
    }
    assert!(held > cases() / 2 && u64::from(tight) > cases() / 3, "{held} held, {tight} tight");
}

#[test]
fn the_wide_engine_agrees_with_brute_force() {
    let mut solved = 0;
    for seed in 0..cases() {
        let problem = problem(Shape::small(seed), seed);
        let Some(root) = root(&problem) else { continue };
        let outcome = wide_outcome(&problem, Limits { moves: 1_000, ..Limits::default() }, root, false);
        match (outcome.best, brute_force(&problem)) {
            (Some(rank), Some((cost, _, _, instances))) => {
                // What stands anyway is no part of a search.
                let cost = cost - problem.standing().0;
                assert!(outcome.bound.0 <= cost, "seed {seed}");
                assert_eq!((rank.cost.0, rank.instances), (cost, instances), "seed {seed}");
                assert!(outcome.complete, "seed {seed}");
                solved += 1;
            }
            (None, None) => assert!(outcome.complete, "seed {seed}"),
            (found, expected) => panic!("seed {seed}: {found:?} against {expected:?}"),
        }
    }
    assert!(solved > cases() / 3, "{solved} solved");
}

#[test]
fn wide_problems_are_found_again() {
    let shape = Shape { components: 16, places: 6, several: 30, dedicated: 20, ..Shape::small(3) };
    for seed in 0..4 {
        let problem = problem(shape, seed);
        let hasty = Limits { nodes: 40, moves: 3_000, ..Limits::default() };
        let first = find(&problem, &hasty).ok();
        if let Some(found) = &first {
            assert_eq!(check(&problem, found), Ok(()), "seed {seed}");
        }
        assert_eq!(first, find(&problem, &hasty).ok(), "seed {seed}");
    }
}

#[test]
fn sums_and_size_classes_agree_with_brute_force() {
    let (mut solved, mut cheaper) = (0, 0);
    for seed in 0..2 * cases() {
        let fit = if seed % 2 == 0 { Fit::Cover } else { Fit::Sum };
        let problem = Problem { fit, ..problem(Shape::small(seed / 2), seed / 2) };
        match (solve(&problem, &Limits::default()), brute_force(&problem)) {
            (Ok(found), Some((cost, _, _, instances))) => {
                assert_eq!((found.cost.decided().0, &found.instances), (cost, &instances), "seed {seed}");
                assert_eq!(found.method, Method::Exact, "seed {seed}");
                assert_eq!(check(&problem, &found), Ok(()), "seed {seed}");
                let strict = Problem { fit: Fit::Scheduler, ..problem };
                let packed = solve(&strict, &Limits::default()).map_or(i64::MAX, |s| s.cost.decided().0);
                assert!(packed >= cost, "seed {seed}");
                cheaper += usize::from(packed > cost);
                solved += 1;
            }
            (Err(refusal), None) => assert!(refusal.proven, "seed {seed}"),
            (found, expected) => panic!("seed {seed}: {found:?} against {expected:?}"),
        }
    }
    assert!(solved > cases() / 2 && cheaper > 0, "{solved} solved, {cheaper} cheaper than the scheduler allows");
}
