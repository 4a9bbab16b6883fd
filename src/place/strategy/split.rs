//! `{name: Cost, divided: true}`: replicas split over places where that is cheaper.
//!
//! Every replica, or a few of them together, is placed in one solve as if it were a component of its own,
//! beside everything else; where they come to stand is the division. What a rollout adds is counted once
//! without and once with every part, and the component whole is tried as well: the cheapest of the three is taken,
//! so that splitting never costs more than not splitting.

use std::collections::BTreeMap;

use super::{
    super::{
        problem::{Candidate, Component, Demand, Flow, Limits, Problem, Solution},
        search::find,
    },
    Division, Terms, fix, fix_one,
};
use crate::{
    compile::model::{Strategy, Surge},
    diagnostic::Diagnostics,
    money::MicroUsd,
};

/// Parts that one component is placed in.
const PARTS: u32 = 8;

/// Solves a problem of the model's own components; gives what was solved, with less pinned where need be.
pub(super) type Solve<'a> = &'a dyn Fn(Problem) -> Result<(Problem, Solution), Diagnostics>;

/// Divides the components `open`, beside those of `divisions`. `bare` is the problem with nothing divided.
pub(super) fn split(
    terms: &Terms<'_>,
    bare: &Problem,
    divisions: &BTreeMap<String, Division>,
    open: &[(usize, &Strategy)],
    limits: &Limits,
    solve: Solve<'_>,
) -> Result<BTreeMap<String, Division>, Diagnostics> {
    let mut fixed = bare.clone();
    fix(terms.model, divisions, &mut fixed);
    let mut best: Option<(MicroUsd, BTreeMap<String, Division>)> = None;
    for rolling in [false, true] {
        let mut wide = fixed.clone();
        let units: Vec<Vec<(usize, u32)>> =
            open.iter().map(|(i, s)| take_apart(&mut wide, *i, s, rolling, &terms.present.portions)).collect();
        wide.flows.sort_by_key(|f| (f.from, f.to));
        let Ok(solution) = find(&wide, limits) else { continue };
        let mut all = divisions.clone();
        for ((i, strategy), units) in open.iter().zip(&units) {
            all.insert(bare.components[*i].name.clone(), gather(bare, strategy, units, &solution));
        }
        let mut problem = bare.clone();
        fix(terms.model, &all, &mut problem);
        let Ok(solution) = find(&problem, limits) else { continue };
        if best.as_ref().is_none_or(|(least, _)| solution.cost.decided() < *least) {
            best = Some((solution.cost.decided(), all));
        }
    }
    // Whole, for what it costs, or for the reasons why that cannot be.
    match (solve(fixed), best) {
        (Ok((_, solution)), best) if best.as_ref().is_none_or(|(least, _)| solution.cost.decided() <= *least) => {
            let mut all = divisions.clone();
            for (i, strategy) in open {
                let units = [(*i, strategy.replicas)];
                all.insert(bare.components[*i].name.clone(), gather(bare, strategy, &units, &solution));
            }
            Ok(all)
        }
        (_, Some((_, all))) => Ok(all),
        (Err(faults), None) => Err(faults),
        (Ok(_), None) => Ok(divisions.clone()),
    }
}

/// How one component that is whole could be divided so that there is a placement, and that placement; `None` where
/// that is of no help.
pub(in crate::place) fn way_out(
    problem: &Problem,
    i: usize,
    strategy: &Strategy,
    limits: &Limits,
) -> Option<(Division, Solution)> {
    let found = [false, true].into_iter().filter_map(|rolling| {
        let mut wide = problem.clone();
        let units = take_apart(&mut wide, i, strategy, rolling, &BTreeMap::new());
        wide.flows.sort_by_key(|f| (f.from, f.to));
        let division = gather(problem, strategy, &units, &find(&wide, limits).ok()?);
        let mut fixed = problem.clone();
        fix_one(&mut fixed, i, strategy, &division);
        Some((division, find(&fixed, limits).ok()?))
    });
    found.min_by_key(|(_, solution)| solution.cost.decided())
}

/// The division that parts of a component come to.
fn gather(problem: &Problem, strategy: &Strategy, units: &[(usize, u32)], solution: &Solution) -> Division {
    let mut division = Division { whole: strategy.replicas, ..Division::default() };
    for (unit, size) in units {
        for l in &solution.instances[*unit] {
            *division.portions.entry(problem.places[*l].name.clone()).or_default() += size;
        }
    }
    division
}

/// Makes components of the parts of one: the first in its place, the others behind all. Gives their indices and
/// numbers of replicas.
fn take_apart(
    wide: &mut Problem,
    i: usize,
    strategy: &Strategy,
    rolling: bool,
    portions: &BTreeMap<String, BTreeMap<String, u32>>,
) -> Vec<(usize, u32)> {
    let n = strategy.replicas.clamp(1, PARTS);
    let sizes: Vec<u32> = (0..n).map(|k| strategy.replicas / n + u32::from(k < strategy.replicas % n)).collect();
    let surge = if rolling { strategy.surge } else { Surge::None };
    let original = wide.components[i].clone();
    // Where the parts run now, one after the other.
    let recorded = portions.get(&original.name);
    let mut runs: Vec<usize> = Vec::new();
    for (l, place) in wide.places.iter().enumerate() {
        let n = recorded.and_then(|p| p.get(&place.name)).copied().unwrap_or(0);
        runs.extend(std::iter::repeat_n(l, n.min(strategy.replicas) as usize));
    }
    let mut units = Vec::new();
    let mut done = 0;
    for (k, size) in sizes.iter().enumerate() {
        let now = runs.get(done as usize).copied();
        let unit = part(&original, surge.with(*size), now);
        let at = if k == 0 { i } else { wide.components.len() };
        if k == 0 {
            wide.components[i] = unit;
        } else {
            wide.components.push(unit);
        }
        units.push((at, *size));
        done += size;
    }
    // What it sends is sent in parts; what it receives, the first receives.
    let whole = u128::from(strategy.replicas.max(1));
    let mut more: Vec<Flow> = Vec::new();
    for flow in wide.flows.iter_mut().filter(|f| f.from == i) {
        let bytes = u128::from(flow.bytes);
        let of = |size: u32| u64::try_from(bytes * u128::from(size) / whole).unwrap_or(u64::MAX);
        let others = units.iter().skip(1).map(|(at, size)| Flow { from: *at, bytes: of(*size), ..flow.clone() });
        more.extend(others);
        flow.bytes = of(sizes.first().copied().unwrap_or(0));
    }
    wide.flows.extend(more);
    units
}

/// One part of a component, with so many pods.
fn part(original: &Component, pods: u32, now: Option<usize>) -> Component {
    let mut unit =
        Component { min: 1, max: 1, pinned: false, incumbent: now.into_iter().collect(), ..original.clone() };
    for candidate in &mut unit.candidates {
        if let Candidate::Allowed(Demand::Shared(groups)) = candidate {
            groups.iter_mut().for_each(|g| g.count = pods);
        }
    }
    unit
}
