//! Property tests of the whole engine: against the oracle, the checker and itself.
#![allow(clippy::expect_used, clippy::panic, clippy::needless_range_loop, reason = "tests")]

use super::{
    check::check,
    dice::Dice,
    explain::{Verdict, explain},
    infeasible::Conflict,
    oracle::brute_force,
    problem::{Candidate, Limits, Method, Problem},
    samples::{Shape, problem},
    search::{evaluate_recorded, solve},
};

/// Random problems compared with brute force; `SKYPLAN_CASES` at build time asks for more.
const CASES: u64 = 300;

fn cases() -> u64 {
    std::option_env!("SKYPLAN_CASES").and_then(|n| n.parse().ok()).unwrap_or(CASES)
}

#[test]
fn agrees_with_brute_force() {
    let (mut solved, mut refused) = (0, 0);
    for seed in 0..cases() {
        let problem = problem(Shape::small(seed), seed);
        let expected = brute_force(&problem);
        match (solve(&problem, &Limits::default()), expected) {
            (Ok(found), Some((cost, _, _, instances))) => {
                assert_eq!(found.cost.decided().0, cost, "seed {seed}: {:?} against {instances:?}", found.instances);
                assert_eq!(found.instances, instances, "seed {seed}: ties");
                assert_eq!(found.method, Method::Exact, "seed {seed}");
                assert_eq!(found.bound, found.cost.decided(), "seed {seed}");
                assert_eq!(check(&problem, &found), Ok(()), "seed {seed}");
                let recorded = evaluate_recorded(&problem, &found.instances).expect("it was just found");
                assert_eq!(recorded.cost.decided(), found.cost.decided(), "seed {seed}");
                for explanation in explain(&problem, &found) {
                    for (_, verdict) in explanation.others {
                        let more = match verdict {
                            Verdict::Dearer(by) => by,
                            Verdict::Weighed { by, counted } => by + counted,
                            _ => continue,
                        };
                        assert!(more.0 >= 0, "seed {seed}");
                    }
                }
                solved += 1;
            }
            (Err(refusal), None) => {
                assert!(refusal.proven, "seed {seed}");
                assert!(!refusal.conflicts.is_empty() && refusal.conflicts[0] != Conflict::Unknown, "seed {seed}");
                for diagnostic in refusal.to_diagnostics() {
                    assert!(diagnostic.code.starts_with("SKY04") && !diagnostic.summary.ends_with('.'));
                    assert!(!diagnostic.labels.is_empty(), "seed {seed}: {diagnostic:?}");
                }
                refused += 1;
            }
            (found, expected) => panic!("seed {seed}: {found:?} against {expected:?}"),
        }
    }
    assert!(solved > cases() / 3 && refused > cases() / 30, "{solved} solved, {refused} refused");
}

/// Cost of the optimum, dearer than anything when there is none.
fn cost(problem: &Problem) -> i64 {
    solve(problem, &Limits::default()).map_or(i64::MAX, |s| s.cost.decided().0)
}

fn middling(seed: u64) -> Problem {
    let shape = Shape { components: 5, places: 5, ..Shape::small(seed) };
    problem(shape, seed)
}

#[test]
fn relaxing_never_costs() {
    let mut dice = Dice::new(5);
    for seed in 0..cases() / 3 {
        let base = middling(seed);
        let before = cost(&base);
        let mut relaxed = base.clone();
        match dice.below(6) {
            0 => relaxed.flows.iter_mut().for_each(|f| (f.latency, f.rate) = (None, None)),
            1 => relaxed.places.iter_mut().for_each(|p| p.quota = None),
            4 => relaxed.spreads.clear(),
            5 => relaxed.components.iter_mut().for_each(|c| c.dislike.clear()),
            2 => relaxed.places.iter_mut().flat_map(|p| &mut p.offers).for_each(|o| o.max = None),
            _ => relaxed.components.iter_mut().for_each(|c| c.groups.clear()),
        }
        assert!(cost(&relaxed) <= before, "seed {seed}");
    }
}

#[test]
fn another_offer_never_costs() {
    for seed in 0..cases() / 3 {
        let base = middling(seed);
        let mut richer = base.clone();
        for place in &mut richer.places {
            if let Some(mut more) = place.offers.last().cloned() {
                // Named last, so that indices keep their meaning and ties their order.
                more.name = "z".into();
                more.price.0 = more.price.0 * 9 / 10;
                more.min = 0;
                place.offers.push(more);
            }
        }
        assert!(cost(&richer) <= cost(&base), "seed {seed}");
    }
}

#[test]
fn excluding_what_is_not_used_changes_nothing() {
    for seed in 0..cases() / 3 {
        let base = middling(seed);
        let Ok(found) = solve(&base, &Limits::default()) else { continue };
        let mut less = base.clone();
        let l = usize::try_from(seed % 5).unwrap_or(0);
        for (component, places) in less.components.iter_mut().zip(&found.instances) {
            if !places.contains(&l) && !component.incumbent.contains(&l) {
                component.candidates[l] =
                    Candidate::Excluded(super::problem::Exclusion { reason: "left out".into(), origin: None });
            }
        }
        let again = solve(&less, &Limits::default()).expect("the old solution is still there");
        assert_eq!(again.instances, found.instances, "seed {seed}");
    }
}

#[test]
fn what_is_found_is_found_again() {
    for seed in 0..20 {
        let problem = middling(seed);
        assert_eq!(solve(&problem, &Limits::default()), solve(&problem, &Limits::default()), "seed {seed}");
    }
}

#[test]
fn a_small_budget_still_gives_a_valid_bound() {
    for seed in 0..cases() / 6 {
        let problem = middling(seed);
        let hasty = Limits { nodes: 0, moves: 40, ..Limits::default() };
        let Ok(found) = solve(&problem, &hasty) else { continue };
        assert_eq!(check(&problem, &found), Ok(()), "seed {seed}");
        let best = cost(&problem);
        assert!(found.bound.0 <= best && best <= found.cost.decided().0, "seed {seed}: {found:?}, best {best}");
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let mut caught = 0;
    for seed in 0..cases() / 3 {
        let problem = problem(Shape::small(seed), seed);
        let Ok(found) = solve(&problem, &Limits::default()) else { continue };
        let mut cheaper = found.clone();
        cheaper.cost.nodes.0 -= 1;
        assert!(check(&problem, &cheaper).is_err());
        let mut moved = found.clone();
        let other = (moved.instances[0][0] + 1) % problem.places.len();
        if other != moved.instances[0][0] && moved.instances[0].len() == 1 {
            moved.instances[0][0] = other;
            caught += usize::from(check(&problem, &moved).is_err());
        }
        for l in 0..problem.places.len() {
            for t in 0..problem.places[l].offers.len() {
                if found.nodes[l][t] > 0 {
                    let mut fewer = found.clone();
                    fewer.nodes[l][t] -= 1;
                    fewer.cost.nodes -= problem.places[l].offers[t].price;
                    // One node less never serves: the cheapest were bought.
                    assert!(check(&problem, &fewer).is_err(), "seed {seed}");
                }
            }
        }
    }
    assert!(caught > 20, "{caught}");
}

#[test]
fn the_tree_alone_finds_the_optimum() {
    for seed in 0..cases() / 3 {
        let problem = middling(seed);
        let alone = Limits { moves: 0, ..Limits::default() };
        let found = solve(&problem, &alone).map_or(i64::MAX, |s| s.cost.decided().0);
        assert_eq!(found, cost(&problem), "seed {seed}");
        let small = super::samples::problem(Shape::small(seed), seed);
        let found = solve(&small, &alone).ok().map(|s| (s.cost.decided().0, s.instances));
        let expected = brute_force(&small).map(|(cost, _, _, instances)| (cost, instances));
        assert_eq!(found, expected, "small seed {seed}");
    }
}
