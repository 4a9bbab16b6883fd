//! Fewest moves: what is reconsidered stays where it runs unless moving is worth it.
//!
//! The second of two phases. The first has found the cheapest placement of what is free; here as many
//! components as can be go back to where they run, as long as the whole stays within what was allowed
//! above the cheapest.

use std::collections::BTreeMap;

use super::{
    evaluate::{Evaluator, permits},
    explain::{Share, shares},
    problem::{Limits, Method, Problem, Solution},
    search::find,
};
use crate::{money::MicroUsd, quantity::Percent};

/// Components up to which subsets are tried one by one, and how many of them.
const FEW: usize = 12;
const MOST_SUBSETS: usize = 150;

/// The placement with the fewest moves that costs at most `hysteresis` of what is reconsidered more than
/// the cheapest.
pub(super) fn steady(problem: &Problem, best: Solution, hysteresis: Percent, limits: &Limits) -> Solution {
    let movers: Vec<usize> =
        (0..problem.components.len()).filter(|i| problem.components[*i].moves_to(&best.instances[*i])).collect();
    if movers.is_empty() || hysteresis.0 == 0 {
        return best;
    }
    let free = |i: usize| !problem.components[i].pinned;
    let paid: MicroUsd = shares(problem, &best)
        .iter()
        .enumerate()
        .filter(|(i, _)| free(*i))
        .flat_map(|(_, all)| all)
        .map(Share::total)
        .sum();
    let slack = MicroUsd(paid.0 / 10_000 * i64::from(hysteresis.0));
    let most = best.cost.decided() + slack;
    subsets(problem, &best, most, limits).unwrap_or_else(|| backwards(problem, best, &movers, most))
}

/// Few components: those that may move are tried in sets of growing size, all others stay.
fn subsets(problem: &Problem, best: &Solution, most: MicroUsd, limits: &Limits) -> Option<Solution> {
    let places = |i: &usize| !problem.components[*i].incumbent.is_empty() && !problem.components[*i].pinned;
    let candidates: Vec<usize> = (0..problem.components.len()).filter(places).collect();
    if problem.components.len() > FEW {
        return None;
    }
    let mut left = MOST_SUBSETS;
    for size in 0..candidates.len() {
        let mut found: Option<Solution> = None;
        for mask in (0_u32..1 << candidates.len()).filter(|m| m.count_ones() as usize == size) {
            left = left.checked_sub(1)?;
            let mut posed = problem.clone();
            for (k, i) in candidates.iter().enumerate() {
                posed.components[*i].pinned = mask >> k & 1 == 0;
            }
            let Ok(solution) = find(&posed, limits) else { continue };
            let cost = solution.cost.decided();
            if cost <= most && found.as_ref().is_none_or(|f| cost < f.cost.decided()) {
                found = Some(solution);
            }
        }
        if let Some(found) = found {
            return Some(Solution { bound: best.bound.min(found.cost.decided()), method: Method::Steady, ..found });
        }
    }
    None
}

/// Many: from the cheapest placement back, first all that left a place together, then one by one, those
/// first whose way back costs least.
fn backwards(problem: &Problem, best: Solution, movers: &[usize], most: MicroUsd) -> Solution {
    let mut eval = Evaluator::new(problem);
    let mut now = best.instances.clone();
    let mut groups: BTreeMap<&Vec<usize>, Vec<usize>> = BTreeMap::new();
    for i in movers {
        groups.entry(&problem.components[*i].incumbent).or_default().push(*i);
    }
    let together = groups.into_values().filter(|g| g.len() > 1);
    let sets: Vec<Vec<usize>> = together.chain(movers.iter().map(|i| vec![*i])).collect();
    let mut back = |from: &[Vec<usize>], set: &[usize]| {
        let mut instances = from.to_vec();
        for i in set {
            instances[*i].clone_from(&problem.components[*i].incumbent);
        }
        let permitted = set.iter().all(|i| permits(&problem.components[*i], &instances[*i]));
        let cost = permitted.then(|| eval.value(&instances)).flatten()?.rank.cost + problem.standing();
        (cost <= most).then_some((cost, instances))
    };
    // Twice: what goes back may let others follow.
    for _ in 0..2 {
        let stays = |i: &usize, now: &[Vec<usize>]| now[*i] == problem.components[*i].incumbent;
        let mut order: Vec<(bool, MicroUsd, &Vec<usize>)> = sets
            .iter()
            .filter(|set| !set.iter().all(|i| stays(i, &now)))
            .filter_map(|set| back(&now, set).map(|(cost, _)| (set.len() == 1, cost, set)))
            .collect();
        order.sort();
        for (_, _, set) in order {
            if let Some((_, next)) = back(&now, set) {
                now = next;
            }
        }
    }
    if now == best.instances {
        return best;
    }
    eval.solution(&now, best.bound, Method::Steady).unwrap_or(best)
}
