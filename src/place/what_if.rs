//! What is not allowed, priced: what moving one instance would save or cost if nothing of the user's
//! words stood against it. Tells what a constraint costs, which no search needs to know.

use super::{
    decide::Placed,
    evaluate::Evaluator,
    explain::part_of,
    formulate::formulate,
    problem::{Candidate, Problem},
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
        .map(|l| if here.contains(&l) { None } else { moved(&problem, placed, component, instance, l) })
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
    let pairs = problem.flows.iter().zip(&placed.monthly.targets).flat_map(|(f, targets)| {
        placed.monthly.instances[f.from].iter().zip(targets).map(move |(a, b)| (problem.bytes(f, *a), *a, *b))
    });
    let on_meter = pairs.filter(|(_, a, b)| problem.routes[*a][*b].meter == Some(meter));
    let all = on_meter.fold(0_u64, |sum, (bytes, ..)| sum.saturating_add(bytes));
    part_of(problem.meters[meter].cost(all), u128::from(problem.bytes(&problem.flows[flow], from)), u128::from(all))
}
