//! The engine for many components, held against brute force where that can be, and against figures that
//! others found on the shared instances.
#![allow(clippy::expect_used, clippy::panic, clippy::needless_range_loop, reason = "tests")]

use super::{
    check::check,
    dice::Dice,
    domain::Domain,
    lp::{Solver, build, first_order::FirstOrder},
    oracle::brute_force,
    problem::{Candidate, Component, Demand, Limits, Method, Problem},
    samples::{Shape, problem},
    search::{solve, wide_outcome},
    skybench::{self, Model},
};

const CASES: u64 = 200;

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

/// Cents, as the instances are priced.
fn cents(micro: i64) -> f64 {
    micro as f64 / 10_000.0
}

#[test]
fn skybench_a_is_solved_to_the_optimum_that_is_known() {
    for (n, offers, seed, optimum) in [
        (5, 10, 1, 184_324.0),
        (5, 10, 2, 163_248.0),
        (20, 50, 1, 545_403.0),
        (20, 50, 3, 389_550.8),
        (50, 200, 2, 491_799.0),
        (100, 200, 1, 1_783_904.7),
        (300, 500, 1, 4_547_371.2),
        // The relaxation alone is 144 cents below this one.
        (300, 500, 3, 3_907_216.4),
    ] {
        let problem = skybench::problem(n, offers, seed, Model::A);
        let found = solve(&problem, &Limits::default()).expect("it is feasible by construction");
        assert_eq!(check(&problem, &found), Ok(()));
        assert_eq!(found.method, Method::Exact, "{n} × {offers}, seed {seed}");
        let cost = cents(found.cost.total().0);
        assert!((cost - optimum).abs() < 0.06, "{n} × {offers}, seed {seed}: {cost} against {optimum}");
    }
}

#[test]
fn skybench_b_lies_between_its_bound_and_what_is_possible() {
    // What nodes cost is no less here than with the sums of capacity that these optima are for.
    for (n, offers, seed, least, most) in [(5, 10, 1, 37_680.0, 37_680.0), (20, 50, 1, 178_744.0, 190_000.0)] {
        let problem = skybench::problem(n, offers, seed, Model::B);
        let found = solve(&problem, &Limits { nodes: 200, ..Limits::default() }).expect("it is feasible");
        assert_eq!(check(&problem, &found), Ok(()));
        let (cost, bound) = (cents(found.cost.total().0), cents(found.bound.0));
        assert!(bound <= cost && least <= cost && cost <= most, "{n} × {offers}: {bound} to {cost}");
    }
    // The relaxation of the largest comes near the value that simplex methods find, and not above what
    // is known to be possible with sums of capacity.
    let problem = skybench::problem(300, 500, 1, Model::B);
    let model = build::build(&problem, &root(&problem).expect("it is feasible"));
    let answer = FirstOrder::new(&model.lp, None).advance(&model.lp, 250_000_000);
    let bound = cents(model.lp.value(&answer.prices).floor().0);
    assert!((2_150_000.0..2_212_402.0).contains(&bound), "{bound}");
}

#[test]
fn wide_problems_are_found_again() {
    let shape = Shape { components: 16, places: 6, several: 30, dedicated: 20, ..Shape::small(3) };
    for seed in 0..4 {
        let problem = problem(shape, seed);
        let hasty = Limits { nodes: 40, moves: 3_000, gap_ppm: 0 };
        let first = solve(&problem, &hasty);
        if let Ok(found) = &first {
            assert_eq!(check(&problem, found), Ok(()), "seed {seed}");
        }
        assert_eq!(first, solve(&problem, &hasty), "seed {seed}");
    }
}

#[test]
fn instances_are_those_of_the_definition() {
    for (seed, flows, bounded, permitted, cpu, quotas, existing) in
        [(1, 432, 128, 9633, 591_250, 33, 8), (2, 424, 114, 9750, 574_750, 20, 10), (3, 432, 134, 8746, 553_500, 23, 8)]
    {
        let problem = skybench::problem(300, 500, seed, Model::B);
        assert_eq!(problem.flows.len(), flows);
        assert_eq!(problem.flows.iter().filter(|f| f.latency.is_some()).count(), bounded);
        let allowed = |c: &Component| c.candidates.iter().filter(|c| matches!(c, Candidate::Allowed(_))).count();
        assert_eq!(problem.components.iter().map(allowed).sum::<usize>(), permitted);
        let pods = problem.components.iter().map(|c| {
            let shared = c.candidates.iter().find_map(|c| match c {
                Candidate::Allowed(Demand::Shared(groups)) => Some(&groups[0]),
                _ => None,
            });
            shared.map_or(0, |g| g.size.milli_cpu * u64::from(g.count))
        });
        assert_eq!(pods.sum::<u64>(), cpu);
        assert_eq!(problem.places.iter().filter(|p| p.quota.is_some()).count(), quotas);
        assert_eq!(problem.places.iter().filter(|p| !p.free.is_empty()).count(), existing);
    }
}
