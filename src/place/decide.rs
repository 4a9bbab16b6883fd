//! Where everything runs: the recorded placement where it still holds, else a solve.
//!
//! Stability rule: a placed component is reconsidered only when its own words changed, those of a
//! component that it shares flows with, or the set of clusters, or when somebody asks for it. Those that it
//! shares nodes with are reconsidered only where nothing fits otherwise: they must not move for nothing.
//! Prices alone move nothing. What is reconsidered stays unless moving is worth it (`place::steady`).
//! What stays is reserved before others' use of a cluster; a cluster that does not answer keeps what it has
//! and takes nothing new.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    amounts::{exact, too_large, too_many},
    arrival::order_matters,
    check::check,
    evaluate::evaluate_recorded,
    formulate::{Present, formulate},
    infeasible::{explain, rules::Words},
    problem::{Candidate, Limits, Problem, Solution},
    search::{Refusal, find},
    steady::steady,
    strategy::{self, Division, Terms},
    wish::{Wish, reserve},
};
use crate::{
    address::ResourceAddress,
    compile::model::{Component, Flow, Model, PodNeed, Toleration, Volume},
    diagnostic::{Diagnostic, Diagnostics},
    digest::digest,
    money::{HOURS_PER_MONTH, MicroUsd},
    observed::{ClusterObserved, Observed},
    quantity::{Micros, Resources},
    spec::ClusterDriver,
    state::{PlacedInstance, PlacementRecord, State},
};

/// A placement with the problem it solves, over the horizon and over a month.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Over the project's horizon: what was optimised.
    pub problem: Problem,
    /// The choice.
    pub solution: Solution,
    /// The same over a month of 730 hours: what is shown.
    pub month: Problem,
    /// The same choice at monthly prices.
    pub monthly: Solution,
    /// What was known of the present, without what must stay.
    pub present: Present,
    /// What staying everywhere would cost a month; `None` where nothing moves, or where that cannot be.
    pub stayed: Option<MicroUsd>,
    /// Clusters (indices) that take nothing: they are lost, or others use too much of them.
    pub closed: Vec<usize>,
    /// For every cluster: whether pods must come in order of size to find their nodes.
    pub in_order: Vec<bool>,
    /// What the state will remember.
    pub record: PlacementRecord,
}

/// Places every component of a model.
///
/// # Errors
/// No placement meets all constraints, each named with its line.
pub fn place(model: &Model, observed: &Observed, state: &State, limits: &Limits) -> Result<Placed, Diagnostics> {
    place_as(model, observed, state, limits, &Wish::default())
}

/// The same, with what is asked besides the specs.
///
/// # Errors
/// No placement meets all constraints, each named with its line.
pub fn place_as(
    model: &Model,
    observed: &Observed,
    state: &State,
    limits: &Limits,
    wish: &Wish,
) -> Result<Placed, Diagnostics> {
    too_many(model)?;
    let limits = &near_enough(model, limits);
    let flows = flows_of(model);
    let specs: BTreeMap<&str, String> =
        model.components.iter().zip(&flows).map(|(c, flows)| (c.name.as_str(), spec_digest(model, flows, c))).collect();
    let mut present = present(model, observed, state);
    let names: Vec<String> = model.clusters.iter().map(|c| c.name.clone()).collect();
    let recorded = &state.placement;
    if recorded.clusters == names {
        present.pinned = untouched(model, state, &specs, wish);
    }
    let homeless = |name: &str| {
        let clusters = recorded.components.get(name).map(|p| &p.clusters);
        clusters.is_some_and(|all| all.iter().any(|c| wish.without.contains(c)))
    };
    let unchanged = |name: &&String| recorded.clusters == names && recorded_alike(recorded, &specs, name);
    let stays = |name: &&String| !lacks(recorded, name) && !homeless(name) && !wish.reoptimize.names(name);
    let settled: BTreeSet<String> = recorded.components.keys().filter(unchanged).filter(stays).cloned().collect();
    present.pinned.retain(|name| !lacks(recorded, name));
    let mut problem = formulate(model, &present, model.settings.horizon);
    let faults = too_large(&problem, model.settings.horizon);
    if faults.has_errors() {
        return Err(faults);
    }
    let lost = wish.without(&mut problem);
    let terms = Terms { model, present: &present, settled: &settled, traffic: &observed.traffic, others: None };
    let solve = |p| attempt(p, limits, Words { model, present: &present, closed: &lost });
    present.divisions = strategy::divide(&terms, &mut problem, limits, &solve)?;
    let held: Vec<usize> = (0..problem.components.len()).filter(|i| problem.components[*i].pinned).collect();
    let pose = |problem: &mut Problem, present: &Present| {
        let mut closed = wish.without(problem);
        closed.extend(reserve(problem, model, present, &held));
        closed
    };
    let closed = pose(&mut problem, &present);
    let everything = !problem.components.is_empty() && held.len() == problem.components.len();
    let incumbents: Vec<Vec<usize>> = problem.components.iter().map(|c| c.incumbent.clone()).collect();
    let kept = if everything { evaluate_recorded(&problem, &incumbents) } else { None };
    let (problem, solution) = match kept {
        Some(solution) => (problem, solution),
        None => match attempt(problem, limits, Words { model, present: &present, closed: &closed }) {
            Ok(found) => found,
            Err(faults) => {
                others_first(model, &mut present, (&settled, &observed.traffic), wish, limits, &held).ok_or(faults)?
            }
        },
    };
    exact(&solution)?;
    if let Err(faults) = check(&problem, &solution) {
        return Err(unsound(&faults).into());
    }
    if let Err(faults) = strategy::check::check(model, &present.divisions, &problem, &solution) {
        return Err(unsound(&faults).into());
    }
    // What is shown compares with every place, whether the component would be reconsidered or not.
    present.pinned.clear();
    let a_month = Micros(HOURS_PER_MONTH * 3_600_000_000);
    let mut month = formulate(model, &present, a_month);
    let faults = too_large(&month, a_month);
    if faults.has_errors() {
        return Err(faults);
    }
    pose(&mut month, &present);
    let monthly = evaluate_recorded(&month, &solution.instances).unwrap_or_else(|| solution.clone());
    let moves = problem.components.iter().zip(&solution.instances).any(|(c, places)| c.moves_to(places));
    let stayed = if moves { stayed(&month, &solution.instances) } else { None };
    let record = PlacementRecord {
        components: model
            .components
            .iter()
            .zip(&solution.instances)
            .map(|(c, places)| {
                let clusters = places.iter().map(|p| names[*p].clone()).collect();
                let spec = specs.get(c.name.as_str()).cloned().unwrap_or_default();
                let Division { portions, missing, .. } = present.divisions.get(&c.name).cloned().unwrap_or_default();
                (c.name.clone(), PlacedInstance { clusters, spec, portions, missing })
            })
            .collect(),
        monthly: bill(&month, &monthly, &present),
        clusters: names,
    };
    let in_order = order_matters(&problem, &solution);
    Ok(Placed { problem, solution, month, monthly, present, stayed, closed, in_order, record })
}

/// The budgets with the project's gap, where it has one and the budgets have none.
fn near_enough(model: &Model, limits: &Limits) -> Limits {
    let gap = u64::from(model.settings.gap.0) * 100;
    Limits { gap_ppm: if limits.gap_ppm == 0 { gap } else { limits.gap_ppm }, ..limits.clone() }
}

/// Components that stay where they run: nothing that bears on their place has changed.
fn untouched(model: &Model, state: &State, specs: &BTreeMap<&str, String>, wish: &Wish) -> BTreeSet<String> {
    let same = |name: &str| recorded_alike(&state.placement, specs, name);
    let mut changed: BTreeSet<usize> =
        (0..model.components.len()).filter(|i| !same(&model.components[*i].name)).collect();
    let ends = model.flows.iter().flat_map(|f| [(f.from, f.to), (f.to, f.from)]).chain(kept_apart(model));
    let neighbours: Vec<usize> = ends.filter(|(a, _)| changed.contains(a)).map(|(_, b)| b).collect();
    changed.extend(neighbours);
    let stay = model.components.iter().enumerate().filter(|(i, _)| !changed.contains(i));
    stay.map(|(_, c)| c.name.clone()).filter(|name| !wish.reoptimize.names(name)).collect()
}

/// What it would cost if nothing that runs moved, and what is new ran where it does.
fn stayed(month: &Problem, instances: &[Vec<usize>]) -> Option<MicroUsd> {
    let stay = |(c, places): (&super::problem::Component, &Vec<usize>)| {
        if c.incumbent.is_empty() { places.clone() } else { c.incumbent.clone() }
    };
    let all: Vec<Vec<usize>> = month.components.iter().zip(instances).map(stay).collect();
    evaluate_recorded(month, &all).map(|s| s.cost.billed())
}

/// Strategies took room that others cannot do without: those are placed first, then what is left is divided.
fn others_first(
    model: &Model,
    present: &mut Present,
    (settled, traffic): (&BTreeSet<String>, &BTreeMap<String, u64>),
    wish: &Wish,
    limits: &Limits,
    held: &[usize],
) -> Option<(Problem, Solution)> {
    if std::mem::take(&mut present.divisions).is_empty() {
        return None;
    }
    let mut problem = formulate(model, present, model.settings.horizon);
    let closed = wish.without(&mut problem);
    let solve = |p| attempt(p, limits, Words { model, present, closed: &closed });
    let (_, first) = solve(strategy::aside(model, problem.clone())).ok()?;
    let terms = Terms { model, present, settled, traffic, others: Some(&first.instances) };
    let divisions = strategy::divide(&terms, &mut problem, limits, &solve).ok()?;
    reserve(&mut problem, model, present, held);
    let found = solve(problem).ok()?;
    present.divisions = divisions;
    Some(found)
}

/// What is found must pass a check that shares nothing with the search.
pub(crate) fn unsound(faults: &[String]) -> Diagnostic {
    Diagnostic::error("SKY0490", "the placement found does not pass skyplan's own check; nothing is planned")
        .detail(faults.join("; "))
        .hint("this is a bug of skyplan: please report it with a replay file (`skyplan plan --record FILE`)")
}

/// Solves with what is pinned. Where that cannot be, those are free that may no longer run where they do,
/// then those as well that they share flows or a place with, at last everything: a component that grew may
/// need others to make room. Gives the problem that was solved.
fn attempt(problem: Problem, limits: &Limits, words: Words<'_>) -> Result<(Problem, Solution), Diagnostics> {
    let driven_out = |i: usize| {
        let component = &problem.components[i];
        component.incumbent.iter().any(|l| matches!(component.candidates[*l], Candidate::Excluded(_)))
    };
    let out: BTreeSet<usize> = (0..problem.components.len()).filter(|i| driven_out(*i)).collect();
    let free = |i: usize| !problem.components[i].pinned || out.contains(&i);
    // Those that share a flow or a place with what is free.
    let near = || -> BTreeSet<usize> {
        let all = 0..problem.components.len();
        let places: BTreeSet<usize> =
            all.clone().filter(|i| free(*i)).flat_map(|i| problem.components[i].incumbent.iter().copied()).collect();
        let beside = |i: &usize| problem.components[*i].incumbent.iter().any(|l| places.contains(l));
        let ends = problem.flows.iter().flat_map(|f| [(f.from, f.to), (f.to, f.from)]);
        let linked = ends.filter(|(free_end, _)| free(*free_end)).map(|(_, other)| other);
        all.filter(beside).chain(linked).collect()
    };
    let steps: [&dyn Fn() -> BTreeSet<usize>; 4] =
        [&BTreeSet::new, &|| out.clone(), &|| &out | &near(), &|| (0..problem.components.len()).collect()];
    let mut last: Option<(Problem, Refusal)> = None;
    for unpinned in steps {
        let mut posed = problem.clone();
        for i in unpinned() {
            posed.components[i].pinned = false;
        }
        // The same question is not asked twice.
        if last.as_ref().is_some_and(|(before, _)| *before == posed) {
            continue;
        }
        if let Some(solution) = limits.watch.found(&posed) {
            return Ok((posed, solution));
        }
        match find(&posed, limits) {
            Ok(best) => {
                let solution = steady(&posed, best, words.model.settings.hysteresis, limits);
                limits.watch.keep(&posed, &solution);
                return Ok((posed, solution));
            }
            Err(refusal) => last = Some((posed, refusal)),
        }
    }
    let Some((posed, refusal)) = last else { return Err(Diagnostics::default()) };
    let mut infeasible = explain(&posed, refusal, limits, Some(words));
    infeasible.or_divided(&posed, words.model, limits);
    infeasible.over = Some(words.model.settings.horizon).filter(|h| h.seconds() != HOURS_PER_MONTH * 3600);
    Err(infeasible.to_diagnostics().into_iter().collect())
}

/// Whether a component was placed by the same words.
fn recorded_alike(recorded: &PlacementRecord, specs: &BTreeMap<&str, String>, name: &str) -> bool {
    recorded.components.get(name).is_some_and(|p| specs.get(name) == Some(&p.spec))
}

/// Whether some of its replicas found no room.
fn lacks(recorded: &PlacementRecord, name: &str) -> bool {
    recorded.components.get(name).is_some_and(|p| p.missing > 0)
}

fn present(model: &Model, observed: &Observed, state: &State) -> Present {
    let mut present = Present::default();
    for cluster in model.clusters.iter().filter(|c| c.driver() == ClusterDriver::Existing) {
        match observed.clusters.get(&cluster.name) {
            Some(ClusterObserved::Reached { free, .. }) => {
                present.free.insert(cluster.name.clone(), free.clone());
            }
            Some(ClusterObserved::Unreachable { why }) => {
                present.unreached.insert(cluster.name.clone(), why.summary.clone());
            }
            _ => {
                present.unreached.insert(cluster.name.clone(), "it was not asked".into());
            }
        }
    }
    let own = model.clusters.iter().filter(|c| c.driver() != ClusterDriver::Existing).map(|c| c.name.clone());
    present.standing = own.filter(|c| state.records.contains_key(&ResourceAddress::Cluster(c.clone()))).collect();
    present.incumbents =
        state.placement.components.iter().map(|(name, p)| (name.clone(), p.clusters.clone())).collect();
    let divided = state.placement.components.iter().filter(|(_, p)| !p.portions.is_empty());
    present.portions = divided.map(|(name, p)| (name.clone(), p.portions.clone())).collect();
    present
}

/// Pairs of components that may not come together.
fn kept_apart(model: &Model) -> impl Iterator<Item = (usize, usize)> + '_ {
    let spreads = model.components.iter().flat_map(|c| &c.spread);
    spreads.flat_map(|s| s.components.iter().flat_map(|a| s.components.iter().map(|b| (*a, *b))))
}

/// The flows of every component, in the order of the model.
fn flows_of(model: &Model) -> Vec<Vec<&Flow>> {
    let mut all = vec![Vec::new(); model.components.len()];
    for flow in &model.flows {
        all[flow.from].push(flow);
        all[flow.to].push(flow);
    }
    all
}

/// The words of pods that every record speaks of, as they were first written down.
fn pod_words(pod: &PodNeed) -> impl std::fmt::Debug {
    #[derive(Debug)]
    #[expect(dead_code, reason = "read by its Debug")]
    struct PodNeed<'a> {
        size: Resources,
        count: u32,
        tolerations: &'a [Toleration],
        node_selector: &'a BTreeMap<String, String>,
    }
    let (tolerations, node_selector) = (pod.tolerations.as_slice(), &pod.node_selector);
    PodNeed { size: pod.size, count: pod.count, tolerations, node_selector }
}

/// Digest of all words that bear on a component's place, but for prices.
fn spec_digest(model: &Model, flows: &[&Flow], component: &Component) -> String {
    let flows_of = flows;
    let flows: Vec<_> = flows
        .iter()
        .map(|f| {
            let (per, bytes) = match f.volume {
                Volume::PerMonth(bytes) => ("month", bytes),
                Volume::Total(bytes) => ("total", bytes),
            };
            json!([model.components[f.from].name, model.components[f.to].name, f.latency, per, bytes])
        })
        .collect();
    let filters =
        |all: &[crate::compile::model::PlaceFilter]| -> Vec<String> { all.iter().map(|f| f.text.clone()).collect() };
    let mut words = json!([
        format!("{:?}", component.pods.iter().map(pod_words).collect::<Vec<_>>()),
        format!("{:?}", component.per_node),
        component.instances,
        filters(&component.permitted),
        component.required.iter().map(|g| filters(&g.any_of)).collect::<Vec<_>>(),
        component.compute.iter().map(|c| format!("{:?}", c.any_of)).collect::<Vec<_>>(),
        component.dedicated,
        flows,
    ]);
    // Words that most components do not use count only where they do: what was recorded before them holds.
    let mut more: Vec<serde_json::Value> = Vec::new();
    more.extend(component.pods.iter().filter(|p| !p.affinity.is_empty()).map(|p| json!(["affinity", p.affinity])));
    more.extend(component.tolerations.iter().map(|t| json!(["toleration", t])));
    more.extend(component.spot.then(|| json!("spot")));
    more.extend(component.attributes.iter().map(|tag| json!(["tag", tag.text])));
    more.extend(component.spread.iter().map(|s| json!(["spread", s.text])));
    more.extend(component.preferred.iter().map(|p| json!(["preferred", p.places.text, p.weight])));
    let rates = flows_of.iter().filter_map(|f| f.rate.map(|rate| (f, rate)));
    more.extend(
        rates.map(|(f, rate)| json!(["rate", model.components[f.from].name, model.components[f.to].name, rate])),
    );
    if let Some(all) = words.as_array_mut() {
        all.append(&mut more);
    }
    let words = match &component.strategy {
        // What is whole keeps the digest that it always had.
        None => words,
        Some(s) => json!([
            words,
            s.name.word(),
            s.replicas,
            s.locations,
            s.clusters.iter().map(|c| model.clusters[*c].name.as_str()).collect::<Vec<_>>(),
            s.weights.iter().map(|(f, weight)| (f.text.as_str(), *weight)).collect::<Vec<_>>(),
            s.partial,
        ]),
    };
    digest(&words)[..16].to_owned()
}

/// Monthly cost of a placement, by what it is paid for; moves do not count.
pub fn monthly_total(placed: &Placed) -> MicroUsd {
    bill(&placed.month, &placed.monthly, &placed.present)
}

/// What bills come to, with what stands though nothing runs on it.
pub fn bill(problem: &Problem, solution: &Solution, present: &Present) -> MicroUsd {
    solution.cost.billed() + idle_fees(problem, solution, present)
}

/// The fee of a place where nothing runs and that nothing keeps, but that stands until it is removed. It is in the
/// bill; what is decided counts it as saved.
pub fn idle_fee(problem: &Problem, solution: &Solution, present: &Present, place: usize) -> MicroUsd {
    let here = &problem.places[place];
    let idle = solution.instances.iter().all(|places| !places.contains(&place));
    if idle && !here.kept && present.standing.contains(&here.name) { here.fee } else { MicroUsd::ZERO }
}

/// All of them.
pub fn idle_fees(problem: &Problem, solution: &Solution, present: &Present) -> MicroUsd {
    (0..problem.places.len()).map(|l| idle_fee(problem, solution, present, l)).sum()
}
