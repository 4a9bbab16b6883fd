//! What is not allowed, priced: what moving one instance would save or cost if nothing of the user's
//! words stood against it. Tells what a constraint costs, which no search needs to know.

use super::{
    decide::Placed,
    evaluate::{Evaluator, evaluate_recorded},
    explain::part_of,
    formulate::formulate,
    infeasible::{
        Conflict, Infeasible,
        relax::Asker,
        rules::{Rule, Words},
    },
    problem::{Candidate, Group, Limits, Problem, Solution},
    search::{Refusal, find},
    steady::steady,
};
use crate::{
    compile::model::Model,
    money::{HOURS_PER_MONTH, MicroUsd},
    quantity::Micros,
};

/// For every place: how much more a month would cost in all if this instance of a component (both by
/// index) ran there, whatever location, latency, quota and pool limits say. `None` where it is now, where
/// another instance is, and where no money would help: no node takes it, or the cluster does not answer.
pub fn unbound(model: &Model, placed: &Placed, component: usize, instance: usize) -> Vec<Option<MicroUsd>> {
    let mut free = model.clone();
    free.components[component].permitted.clear();
    free.components[component].required.clear();
    free.components[component].attributes.clear();
    free.components.iter_mut().for_each(|c| c.spread.retain(|s| !s.components.contains(&component)));
    free.clusters.iter_mut().for_each(|c| c.taints.clear());
    for flow in free.flows.iter_mut().filter(|f| f.from == component || f.to == component) {
        flow.latency = None;
        flow.rate = None;
    }
    let problem = formulate(&free, &placed.present, Micros(HOURS_PER_MONTH * 3_600_000_000));
    let here = &placed.monthly.instances[component];
    (0..problem.places.len())
        .map(|l| {
            if here.contains(&l) || placed.closed.contains(&l) {
                None
            } else {
                moved(&problem, placed, component, instance, l)
            }
        })
        .collect()
}

fn moved(problem: &Problem, placed: &Placed, component: usize, instance: usize, l: usize) -> Option<MicroUsd> {
    if let Candidate::Excluded(_) = problem.components[component].candidates[l] {
        return None;
    }
    let mut roomy = problem.clone();
    roomy.places[l].quota = None;
    roomy.places[l].offers.iter_mut().for_each(|o| o.max = None);
    let mut instances = placed.monthly.instances.clone();
    *instances[component].get_mut(instance)? = l;
    instances[component].sort_unstable();
    let value = Evaluator::new(&roomy).value(&instances)?;
    Some(value.rank.cost + roomy.standing() - value.dislike - placed.monthly.cost.total())
}

/// What the bytes of one flow from one place to another cost a month: its part of their meter, all bytes
/// of which are billed together.
pub fn transfer(placed: &Placed, flow: usize, from: usize, to: usize) -> MicroUsd {
    let problem = &placed.month;
    let Some(meter) = problem.routes[from][to].meter else { return MicroUsd::ZERO };
    let all = problem.bytes_on(&placed.monthly, meter);
    part_of(problem.meters[meter].cost(all), u128::from(problem.bytes(&problem.flows[flow], from)), u128::from(all))
}

/// A component at a place where it does not run.
#[derive(Clone, Debug)]
pub enum Forced {
    /// It can be there.
    Possible {
        /// A month if only this instance moves; `None` where that alone cannot be.
        alone: Option<Box<Solution>>,
        /// The cheapest month with it there that was found; of many components, one in which it moves alone,
        /// where it can.
        best: Box<Solution>,
    },
    /// It cannot be there, as the specs are: the lines that stand against it, and what would do.
    Impossible(Infeasible),
    /// The budget ended before that was known.
    Unknown,
}

/// Components from which on nothing is searched for where one move suffices.
const MANY: usize = 100;

/// What it would take for an instance of a component to run at a place, all others starting from where
/// they are.
pub fn forced(model: &Model, placed: &Placed, limits: &Limits, component: usize, place: usize) -> Forced {
    let mut problem = placed.month.clone();
    problem.move_cost = MicroUsd::ZERO;
    for (c, places) in problem.components.iter_mut().zip(&placed.monthly.instances) {
        c.incumbent.clone_from(places);
    }
    let own = &mut problem.components[component];
    let group = own.groups.len();
    let (text, origin) = (format!("cluster: {}", problem.places[place].name), own.origin.clone());
    own.groups.push(Group { places: vec![place], text, origin });
    let alone = alone(&placed.month, placed, component, place).map(Box::new);
    if let (Some(alone), true) = (&alone, problem.components.len() > MANY) {
        return Forced::Possible { best: alone.clone(), alone: Some(alone.clone()) };
    }
    match find(&problem, limits) {
        Ok(best) => {
            let found = Box::new(steady(&problem, best, model.settings.hysteresis, limits));
            let best = alone.clone().filter(|a| a.cost.billed() <= found.cost.billed()).unwrap_or(found);
            Forced::Possible { alone, best }
        }
        Err(Refusal { proven: false }) => Forced::Unknown,
        Err(Refusal { proven: true }) => {
            let words = Words { model, present: &placed.present, closed: &placed.closed };
            let asker = Asker::new(&problem, Some(words), limits).holding(Rule::Group(component, group));
            let conflict = asker.conflict(&[]);
            let minimal = asker.sure();
            let (lines, ways) = asker.told(&conflict);
            let conflicts = vec![Conflict::Together { lines, minimal }];
            Forced::Impossible(Infeasible { conflicts, ways, over: None, proven: true })
        }
    }
}

/// A month in which one instance of a component moves to a place: the one that can at the least cost.
fn alone(problem: &Problem, placed: &Placed, component: usize, place: usize) -> Option<Solution> {
    let now = &placed.monthly.instances;
    let moved = (0..now[component].len()).filter_map(|k| {
        let mut instances = now.clone();
        instances[component][k] = place;
        instances[component].sort_unstable();
        evaluate_recorded(problem, &instances)
    });
    moved.min_by_key(|s| s.cost.decided())
}
