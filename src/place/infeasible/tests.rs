//! Conflicts and ways out of random problems, held against brute force.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use super::{
    super::{
        oracle::brute_force,
        problem::{Limits, Problem},
        samples::{Shape, problem},
    },
    relax::Asker,
    rules::{Posed, Rule},
    values,
};

/// Random problems; `SKYPLAN_CASES` at build time asks for more.
const CASES: u64 = 400;

/// Small problems in which much is asked for.
fn tight(seed: u64) -> Problem {
    let mut shape = Shape::small(seed);
    shape.components = shape.components.min(3);
    shape.places = shape.places.max(2);
    shape.scarce = shape.scarce.max(30);
    shape.bounded = 80;
    problem(shape, seed)
}

fn possible(problem: &Problem) -> bool {
    brute_force(problem).is_some()
}

/// Whether some set of at most `most` rules, lifted, makes it possible.
fn any_set(posed: &Posed<'_>, rules: &[Rule], most: usize, chosen: &mut Vec<Rule>) -> bool {
    if !chosen.is_empty() && possible(&posed.without(chosen)) {
        return true;
    }
    if most == 0 {
        return false;
    }
    rules.iter().enumerate().any(|(k, rule)| {
        chosen.push(*rule);
        let found = any_set(posed, &rules[k + 1..], most - 1, chosen);
        chosen.pop();
        found
    })
}

#[test]
fn a_conflict_is_whole_and_minimal_and_its_ways_out_are_ways_out() {
    let (mut conflicts, mut together, mut pairs, mut ways_seen) = (0, 0, 0, 0);
    let cases = std::option_env!("SKYPLAN_CASES").and_then(|n| n.parse().ok()).unwrap_or(CASES);
    for seed in 0..cases {
        let problem = tight(seed);
        if possible(&problem) {
            continue;
        }
        let asker = Asker::new(&problem, None, &Limits::default());
        let posed = &asker.posed;
        let rules = posed.rules();
        let conflict = asker.conflict(&[]);
        if conflict.is_empty() {
            assert!(!possible(&posed.without(&rules)), "seed {seed}: there is a conflict, none is told");
            continue;
        }
        conflicts += 1;
        together += usize::from(conflict.len() > 1);
        // The lines of the conflict alone refuse everything ...
        let others: Vec<Rule> = rules.iter().copied().filter(|r| !conflict.contains(r)).collect();
        assert!(!possible(&posed.without(&others)), "seed {seed}: {conflict:?} can be met");
        // ... and no fewer of them do.
        for rule in &conflict {
            let mut out = others.clone();
            out.push(*rule);
            assert!(possible(&posed.without(&out)), "seed {seed}: {rule:?} takes no part in {conflict:?}");
        }
        // The smallest set is one, and the smallest.
        let set = asker.smallest(&conflict);
        if possible(&posed.without(&rules)) {
            assert!(!set.is_empty(), "seed {seed}");
            assert!(possible(&posed.without(&set)), "seed {seed}: {set:?} does not do");
            assert!(!any_set(posed, &rules, set.len() - 1, &mut Vec::new()), "seed {seed}: fewer than {set:?} do");
            pairs += usize::from(set.len() > 1);
        }
        // Values in place of what is left out do as well, at the price that is told.
        for rules in conflict.iter().map(|r| vec![*r]).chain([set]).filter(|r| !r.is_empty()) {
            if !possible(&posed.without(&rules)) {
                continue;
            }
            let (relaxed, way) = values::relaxed(&asker, &rules).expect("there is a way");
            let (cost, moves, _, instances) =
                brute_force(&relaxed).unwrap_or_else(|| panic!("seed {seed}: {way:?} does not do"));
            let disliked = relaxed.components.iter().zip(&instances);
            let disliked: i64 = disliked.flat_map(|(c, places)| places.iter().map(|l| c.disliked(*l).0)).sum();
            let cost = cost - disliked - problem.move_cost.0 * i64::try_from(moves).expect("few moves");
            assert_eq!(way.cost.map(|c| c.0), Some(cost), "seed {seed}: {way:?}");
            ways_seen += 1;
        }
    }
    let seen = [conflicts, together, pairs, ways_seen];
    assert!(conflicts > 30 && together > 10 && pairs > 0 && ways_seen > 30, "{seen:?}");
}
