//! Figures that others found on the shared instances.
#![allow(clippy::expect_used, reason = "tests")]

use super::{
    check::check,
    domain::Domain,
    lp::{Solver, build, first_order::FirstOrder},
    problem::{Candidate, Component, Demand, Fit, Limits, Method, Problem},
    search::solve,
    skybench::{self, Model},
};

fn root(problem: &Problem) -> Option<Domain> {
    let mut root = Domain::new(problem);
    root.propagate(problem).ok().map(|()| root)
}

/// Cents, as the instances are priced.
fn cents(micro: i64) -> f64 {
    micro as f64 / 10_000.0
}

#[test]
fn e19_skybench_a_is_solved_to_the_optimum_that_is_known() {
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
        // Where HiGHS is asked, its bound counts less its tolerances.
        let gap = found.cost.decided() - found.bound;
        let settled = cfg!(feature = "highs") && gap.0 <= found.cost.decided().0 / 1_000;
        assert!(found.method == Method::Exact || settled, "{n} × {offers}, seed {seed}: {gap} open");
        let cost = cents(found.cost.total().0);
        assert!((cost - optimum).abs() < 0.06, "{n} × {offers}, seed {seed}: {cost} against {optimum}");
    }
}

fn b(n: usize, offers: usize, seed: u64, fit: Fit) -> Problem {
    Problem { fit, ..skybench::problem(n, offers, seed, Model::B) }
}

#[test]
fn e20_skybench_b_comes_to_what_is_known() {
    for (n, offers, optimum) in [(5, 10, 37_680.0), (20, 50, 178_744.0)] {
        let problem = b(n, offers, 1, Fit::Sum);
        let found = solve(&problem, &Limits::default()).expect("it is feasible by construction");
        assert_eq!(check(&problem, &found), Ok(()));
        let (cost, bound) = (cents(found.cost.total().0), cents(found.bound.0));
        assert!((cost - optimum).abs() < 0.5 && bound <= cost, "{n} × {offers}: {bound} to {cost}");
    }
    // The relaxation of the largest comes near the value that simplex methods find, and not above what
    // is known to be possible.
    let problem = b(300, 500, 1, Fit::Sum);
    let model = build::build(&problem, &root(&problem).expect("it is feasible"));
    let answer = FirstOrder::new(&model.lp, None).advance(&model.lp, 250_000_000);
    let bound = cents(model.lp.value(&answer.prices).floor().0);
    assert!((2_150_000.0..2_199_898.0).contains(&bound), "{bound}");
}

#[test]
fn what_fits_costs_the_more_the_more_it_says() {
    for (n, offers, seed) in [(5, 10, 1), (5, 50, 2), (5, 200, 3)] {
        let cost = |fit| {
            let problem = b(n, offers, seed, fit);
            let found = solve(&problem, &Limits::default()).expect("it is feasible");
            assert_eq!((check(&problem, &found), found.method), (Ok(()), Method::Exact), "{n} × {offers} {fit:?}");
            found.cost.total()
        };
        let all = [Fit::Sum, Fit::Cover, Fit::Scheduler].map(cost);
        assert!(all.is_sorted(), "{n} × {offers}, seed {seed}: {all:?}");
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
