//! Independent parts of a problem: components that no flow, place or meter ties together.

use super::{
    domain::{Domain, Mark},
    problem::{Flow, Problem, Spread},
};

/// Groups of components (indices, sorted) that can be placed apart from each other.
pub(super) fn split(problem: &Problem, domain: &Domain) -> Vec<Vec<usize>> {
    let n = problem.components.len();
    let mut head: Vec<usize> = (0..n).collect();
    fn find(head: &mut [usize], mut i: usize) -> usize {
        while head[i] != i {
            head[i] = head[head[i]];
            i = head[i];
        }
        i
    }
    fn join(head: &mut [usize], a: usize, b: usize) {
        let (a, b) = (find(head, a), find(head, b));
        head[a.max(b)] = a.min(b);
    }
    for spread in &problem.spreads {
        for other in &spread.components[1..] {
            join(&mut head, spread.components[0], *other);
        }
    }
    // Who shares a place shares its fee, nodes and quota.
    for l in 0..problem.places.len() {
        let mut first = None;
        for i in (0..n).filter(|i| domain.marks[*i][l] != Mark::Out) {
            join(&mut head, *first.get_or_insert(i), i);
        }
    }
    problem.flows.iter().for_each(|flow| join(&mut head, flow.from, flow.to));
    if (0..n).all(|i| find(&mut head, i) == 0) {
        return if n == 0 { Vec::new() } else { vec![(0..n).collect()] };
    }
    let mut users: Vec<Option<usize>> = vec![None; problem.meters.len()];
    for flow in &problem.flows {
        for a in domain.possible(flow.from) {
            for b in domain.possible(flow.to) {
                if let Some(m) = problem.routes[a][b].meter {
                    join(&mut head, *users[m].get_or_insert(flow.from), flow.from);
                }
            }
        }
    }
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); n];
    for i in 0..n {
        parts[find(&mut head, i)].push(i);
    }
    parts.retain(|p| !p.is_empty());
    parts
}

/// The problem of some components as if the others were not there: flows to them end, and what may not
/// come together with them may.
pub(super) fn keep(problem: &Problem, members: &[usize]) -> Problem {
    let here = |s: &Spread| {
        let components: Vec<usize> = s.components.iter().copied().filter(|i| members.contains(i)).collect();
        (components.len() > 1).then(|| Spread { components, ..s.clone() })
    };
    extract(&Problem { spreads: problem.spreads.iter().filter_map(here).collect(), ..problem.clone() }, members)
}

/// The problem of some components alone; all places stay, so that indices keep their meaning.
pub(super) fn extract(problem: &Problem, members: &[usize]) -> Problem {
    if members.len() == problem.components.len() {
        return problem.clone();
    }
    let index = |i: usize| members.binary_search(&i).ok();
    let flows = problem.flows.iter().filter_map(|f| Some(Flow { from: index(f.from)?, to: index(f.to)?, ..f.clone() }));
    // A part holds all or none of the components that may not come together.
    let spreads = problem.spreads.iter().filter_map(|s| {
        let components: Option<Vec<usize>> = s.components.iter().map(|i| index(*i)).collect();
        components.map(|components| Spread { components, ..s.clone() })
    });
    Problem {
        components: members.iter().map(|i| problem.components[*i].clone()).collect(),
        flows: flows.collect(),
        places: problem.places.clone(),
        routes: problem.routes.clone(),
        meters: problem.meters.clone(),
        strict_latency: problem.strict_latency,
        move_cost: problem.move_cost,
        spreads: spreads.collect(),
        fit: problem.fit,
    }
}
