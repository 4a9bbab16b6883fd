//! One more way out: replicas that no place holds together may hold in several.
//!
//! It is no rule that is left out, but a word that is added, which is why it is not asked for with the others.

use std::cmp::Reverse;

use super::{
    super::{
        problem::{Candidate, Demand, Limits, Problem},
        strategy::split::way_out,
    },
    Conflict, Infeasible, Step, Way,
    words::MOST_WAYS,
};
use crate::compile::{could_divide, model::Model};

/// Components that are tried, and how many of many.
const MOST_TRIED: usize = 4;
const MANY: usize = 100;

impl Infeasible {
    /// Adds that the replicas of one component could be divided, where that would do.
    pub(in crate::place) fn or_divided(&mut self, problem: &Problem, model: &Model, limits: &Limits) {
        if !self.proven {
            return;
        }
        let few = problem.components.len() < MANY;
        let limits = limits.part(if few { 20 } else { 100 });
        let mut tried: Vec<usize> = (0..problem.components.len())
            .filter(|i| problem.components[*i].portions.is_empty() && self.concerns(&problem.components[*i].name))
            .collect();
        tried.sort_by_key(|i| Reverse(cpus(problem, *i)));
        let strategies = tried.iter().filter_map(|i| Some((*i, could_divide(model, *i)?)));
        for (i, strategy) in strategies.take(if few { MOST_TRIED } else { 1 }) {
            let Some((division, solution)) = way_out(problem, i, &strategy, &limits) else { continue };
            let component = &problem.components[i];
            let text = format!(
                "divide the {} replicas of `{}` (`strategy: {{name: Cost, divided: true}}`), {}",
                strategy.replicas,
                component.name,
                division.words()
            );
            let steps = vec![Step { text, origin: component.origin.clone() }];
            let way = Way { steps, cost: Some(solution.cost.billed()) };
            // It is told even where there are many others, which are all of one kind then.
            let cheaper = self.ways.iter().filter(|w| w.cost.is_some() && w.cost <= way.cost).count();
            return self.ways.insert(cheaper.min(MOST_WAYS - 1), way);
        }
    }

    /// Whether a component takes part in what is in conflict; all do where it is a matter of lines.
    fn concerns(&self, name: &str) -> bool {
        self.conflicts.iter().all(|conflict| match conflict {
            Conflict::NoPlace { component, .. } => component == name,
            Conflict::Capacity { components, .. } => components.iter().any(|(c, _)| c == name),
            _ => true,
        })
    }
}

/// CPUs that all pods of a component ask for, where they ask for most.
fn cpus(problem: &Problem, i: usize) -> u128 {
    let at = |candidate: &Candidate| match candidate {
        Candidate::Allowed(Demand::Shared(groups)) => {
            groups.iter().map(|g| u128::from(g.size.milli_cpu) * u128::from(g.count)).sum()
        }
        _ => 0,
    };
    problem.components[i].candidates.iter().map(at).max().unwrap_or(0)
}
