//! Divided components in random problems, against brute force.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use super::super::{
    check::check,
    oracle::brute_force,
    problem::{Candidate, Demand, Exclusion, Limits, Problem},
    samples::{Shape, problem},
    search::solve,
};

/// Divides every second component that may run in two places, as `fix` does.
fn divided(mut problem: Problem, seed: u64) -> (Problem, usize) {
    let mut done = 0;
    for (i, component) in problem.components.iter_mut().enumerate() {
        let shared = |l: &usize| matches!(component.candidates[*l], Candidate::Allowed(Demand::Shared(_)));
        let places: Vec<usize> = (0..component.candidates.len()).filter(shared).take(2).collect();
        if places.len() < 2 || !component.groups.is_empty() || (seed as usize + i) % 2 == 1 {
            continue;
        }
        component.portions = vec![0; component.candidates.len()];
        for (k, l) in places.iter().enumerate() {
            component.portions[*l] = 1 + (seed as u32 + k as u32) % 4;
        }
        for (l, candidate) in component.candidates.iter_mut().enumerate() {
            if !places.contains(&l) {
                *candidate = Candidate::Excluded(Exclusion { reason: "divided".into(), origin: None });
            }
        }
        (component.min, component.max, component.pinned) = (2, 2, false);
        done += 1;
    }
    (problem, done)
}

#[test]
fn parts_of_flows_cost_what_brute_force_says() {
    let (mut compared, mut sent) = (0, 0);
    for seed in 0..160 {
        let shape = Shape { components: 3, places: 4, bounded: 0, ..Shape::small(seed) };
        let (problem, done) = divided(problem(shape, seed), seed);
        let (Ok(found), Some((cost, ..))) = (solve(&problem, &Limits::default()), brute_force(&problem)) else {
            continue;
        };
        assert_eq!(found.cost.decided().0, cost, "seed {seed}");
        assert_eq!(check(&problem, &found), Ok(()), "seed {seed}");
        compared += usize::from(done > 0);
        for flow in problem.flows.iter().filter(|f| !problem.components[f.from].portions.is_empty()) {
            let all: u64 = (0..problem.places.len()).map(|l| problem.bytes(flow, l)).sum();
            assert_eq!(all, flow.bytes, "no byte is lost");
            sent += 1;
        }
    }
    assert!(compared > 20 && sent > 20, "{compared} {sent}");
}
