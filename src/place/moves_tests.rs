//! Moves of random problems: what one costs by the difference is what it costs in all, and the fewest that
//! are taken are the fewest there are.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use super::{
    explain::{Verdict, explain, shares, together},
    problem::{Limits, Problem, Solution},
    samples::{Shape, problem},
    search::{evaluate_recorded, find},
    steady::steady,
};
use crate::{money::MicroUsd, quantity::Percent};

#[test]
fn the_difference_is_the_difference() {
    let (mut single, mut groups) = (0, 0);
    for seed in 0..200 {
        let shape = Shape { components: 4, places: 4, ..Shape::small(seed) };
        let problem = problem(shape, seed);
        let Ok(solution) = find(&problem, &Limits::default()) else { continue };
        let total = solution.cost.total();
        for e in explain(&problem, &solution) {
            let k = solution.instances[e.component].iter().position(|l| *l == e.place).expect("it runs there");
            for (l, verdict) in e.others {
                let mut instances = solution.instances.clone();
                instances[e.component][k] = l;
                instances[e.component].sort_unstable();
                let whole = evaluate_recorded(&problem, &instances).map(|s| s.cost.total() - total);
                match verdict {
                    Verdict::Dearer(by) | Verdict::Weighed { by, .. } => {
                        assert_eq!(Some(by), whole, "seed {seed}: {} at {l}", e.component);
                        single += 1;
                    }
                    // Sets are not permitted, or nothing fits.
                    _ => assert_eq!(whole, None, "seed {seed}: {verdict:?}"),
                }
            }
        }
        // From a placement that is not the cheapest: everything in one place, where that can be.
        for l in 0..problem.places.len() {
            let all: Vec<Vec<usize>> = vec![vec![l]; problem.components.len()];
            let Some(there) = evaluate_recorded(&problem, &all) else { continue };
            for (from, to, movers, saving) in together(&problem, &there) {
                let mut instances = there.instances.clone();
                for i in &movers {
                    instances[*i].iter_mut().filter(|l| **l == from).for_each(|l| *l = to);
                }
                let then = evaluate_recorded(&problem, &instances).expect("it was valued");
                assert_eq!(there.cost.total() - then.cost.total(), saving, "seed {seed}");
                groups += 1;
            }
        }
    }
    assert!(single > 200 && groups > 10, "{single} {groups}");
}

/// All placements of a small problem with what they cost and how many moves they make.
fn all(problem: &Problem) -> Vec<(MicroUsd, usize)> {
    let sets = 1_usize << problem.places.len();
    let places = |mask: usize| (0..problem.places.len()).filter(|l| mask >> l & 1 == 1).collect::<Vec<_>>();
    let mut found = Vec::new();
    for code in 0..sets.pow(u32::try_from(problem.components.len()).expect("few")) {
        let mut rest = code;
        let instances: Vec<Vec<usize>> = problem
            .components
            .iter()
            .map(|_| {
                let set = places(rest % sets);
                rest /= sets;
                set
            })
            .collect();
        if let Some(s) = evaluate_recorded(problem, &instances) {
            found.push((s.cost.decided(), moves(problem, &s)));
        }
    }
    found
}

fn moves(problem: &Problem, solution: &Solution) -> usize {
    (0..problem.components.len()).filter(|i| problem.components[*i].moves_to(&solution.instances[*i])).count()
}

#[test]
fn the_fewest_moves_are_taken_that_are_cheap_enough() {
    let (mut fewer, mut kept) = (0, 0);
    for seed in 0..250 {
        let shape = Shape { components: 1 + seed as usize % 3, places: 3, several: 0, ..Shape::small(seed) };
        let mut problem = problem(shape, seed);
        problem.move_cost = MicroUsd::ZERO;
        for (i, component) in problem.components.iter_mut().enumerate() {
            component.pinned = false;
            component.incumbent = vec![(seed as usize + i) % 3];
        }
        let limits = Limits::default();
        let Ok(best) = find(&problem, &limits) else { continue };
        let cheapest = best.cost.decided();
        let all = all(&problem);
        assert_eq!(all.iter().map(|(cost, _)| *cost).min(), Some(cheapest), "seed {seed}");
        for percent in [0, 500, 3_000] {
            let found = steady(&problem, best.clone(), Percent(percent), &limits);
            // Everything is reconsidered; what stands anyway and what is only counted allow nothing.
            let paid: MicroUsd = shares(&problem, &best).iter().flatten().map(|s| s.nodes + s.fee + s.transfer).sum();
            let most = MicroUsd(cheapest.0 + paid.0 / 10_000 * i64::from(percent));
            assert!(found.cost.decided() <= most, "seed {seed}");
            assert!(found.bound <= cheapest, "seed {seed}");
            let near = MicroUsd(most.0 - 1_000_000);
            let fewest = all.iter().filter(|(cost, _)| *cost <= near).map(|(_, moves)| *moves).min();
            assert!(fewest.is_none_or(|n| moves(&problem, &found) <= n), "seed {seed}: {fewest:?} suffice");
            fewer += usize::from(moves(&problem, &found) < moves(&problem, &best));
            kept += usize::from(moves(&problem, &found) == moves(&problem, &best));
        }
    }
    assert!(fewer > 20 && kept > 100, "{fewer} {kept}");
}
