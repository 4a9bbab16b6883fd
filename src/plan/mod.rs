//! Model, state and what was observed → [`Plan`]: what shall be, what differs, in which order.
//!
//! [`plan`] is a pure function that is called again with more answers until nothing is left to ask:
//! first the clusters are reached and listed, then what differs is tried as a dry-run. It takes every
//! decision; an apply only carries them out.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod answer;
pub mod change;
pub mod check;
pub mod compare;
pub mod desired;
mod divided;
mod diff;
pub mod fields;
pub mod file;
mod guard;
mod implicit;
pub(crate) mod networks;
pub mod managed;
mod offline;
pub mod order;
pub mod outputs;
pub mod projection;
mod reach;
mod refresh;
mod report;
pub mod secret;
pub mod select;
mod surgery;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{change::Plan, select::Scope, surgery::both};
use self::{
    change::{Base, Cost, FORMAT_VERSION, Note, Renaming},
    desired::{Body, Choice, Desired, desired},
    diff::{Diff, Terms},
    reach::{reach, recorded_connection},
    secret::Secrets,
    select::{Names, Whole},
};
pub use crate::observed;
use crate::{
    address::ResourceAddress,
    compile::model::Model,
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    money::MicroUsd,
    observed::{Connection, Observed, Questions},
    place::{
        decide::{Placed, idle_fee, place_as},
        problem::Limits,
        wish::{Reconsider, Wish},
    },
    spec::ClusterDriver,
    state::{PlacementRecord, State},
};

/// What a plan is made from, besides what is observed.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The project; `None` takes everything away (`destroy`).
    pub model: Option<&'a Model>,
    /// Name of the project.
    pub project: &'a str,
    /// Which of its environments; `None` where it has none.
    pub environment: Option<&'a str>,
    /// The state.
    pub state: &'a State,
    /// Digest of the texts that the model was read from.
    pub inputs_digest: &'a str,
    /// Budgets of the placement.
    pub limits: Limits,
    /// What was asked for, besides everything.
    pub scope: Scope,
}

/// One step of planning.
#[derive(Debug)]
pub enum Step {
    /// This has to be known first.
    Ask(Questions),
    /// The plan, and the secret values that it holds only digests of.
    Done(Box<Plan>, Secrets),
}

/// Plans as far as the answers go.
///
/// # Errors
/// There is no plan: constraints in conflict, objects refused, clusters that are not who they were.
pub fn plan(inputs: &Inputs<'_>, observed: &Observed) -> Result<Step, Diagnostics> {
    let surgery::Surgery { state, moved, notes } = surgery::operate(inputs)?;
    let inputs = &Inputs { state: &state, ..inputs.clone() };
    plan_on(inputs, observed, &moved, notes)
}

/// The same, on the state in which everything is called as in the specs.
fn plan_on(
    inputs: &Inputs<'_>,
    observed: &Observed,
    moved: &[Renaming],
    notes: Vec<Note>,
) -> Result<Step, Diagnostics> {
    let first = reach(inputs, observed);
    if !first.is_empty() {
        return Ok(Step::Ask(first));
    }
    // A cluster that is not who it was says nothing of the one that is meant: not its room either.
    let mut faults = diff::strangers(inputs.state, observed, &inputs.scope.replace);
    if faults.has_errors() {
        return Err(faults);
    }
    if inputs.scope.refresh_only {
        return Ok(Step::Done(Box::new(refreshed(inputs, observed)), Secrets::default()));
    }
    let mut of_networks = Vec::new();
    let (wanted, placed) = match inputs.model {
        Some(model) => {
            let wish = &inputs.scope.wish.resolved(model);
            faults.extend(strangers_to(model, wish));
            let placed = place_as(model, observed, inputs.state, &inputs.limits, wish)?;
            let solution = &placed.solution;
            let mut wanted = desired(
                model,
                &Choice {
                    runs: &solution.instances,
                    nodes: &solution.nodes,
                    in_order: &placed.in_order,
                    divisions: &placed.present.divisions,
                },
                inputs.state,
                observed,
                &mut faults,
            );
            let replaced = &inputs.scope.replace;
            of_networks = networks::assign(model, inputs.state, observed, replaced, &mut wanted, &mut faults);
            (wanted, Some((model, placed)))
        }
        None => (Desired::default(), None),
    };
    let inputs = &surgery::spare_held(inputs, &wanted);
    faults.extend(Names::new(&wanted, inputs.state, inputs.model).unknown(&inputs.scope));
    let record = placed.as_ref().map(|(_, p)| p.record.clone()).unwrap_or_default();
    let (mut diff, record) = compare(inputs, &wanted, observed, record);
    diff.notes.extend(notes.into_iter().chain(of_networks));
    faults.extend(std::mem::take(&mut diff.faults));
    if faults.has_errors() {
        return Err(faults);
    }
    if !diff.questions.is_empty() {
        return Ok(Step::Ask(diff.questions));
    }
    // A cluster that nobody looked at may stand, and hold what nobody knows.
    diff.blind |= observed.offline
        && diff.changes.keys().any(|a| !a.cluster().is_empty() && !observed.clusters.contains_key(a.cluster()));
    let mut plan = Plan { moved: moved.to_vec(), ..finish(inputs, &wanted, diff) };
    if order::topological(&plan.changes).is_none() {
        return Err(Diagnostic::error("SKY0215", "the changes depend on each other in a circle")
            .hint("look for a circle in `dependsOn`")
            .into());
    }
    if let Some((model, placed)) = &placed {
        plan.notes.extend(idle(model, placed, &wanted));
        let mut report = report::placement(model, placed);
        if inputs.scope.wish.sensitivity {
            report.sensitivity = report::sensitivity(model, placed, &inputs.limits);
        }
        plan.notes.extend(report::savings(&report));
        plan.notes.extend(divided::missing(placed));
        plan.notes.sort();
        report.prices.iter_mut().for_each(|prices| prices.planned_on = observed.today);
        plan.placement = Some(report);
        plan.cost = Cost { monthly_before: plan.cost.monthly_before, ..report::cost(model, placed) };
    }
    plan.outputs =
        inputs.model.map_or_else(BTreeMap::new, |m| outputs::outputs(m, &wanted, &plan.changes, inputs.state));
    plan.placement_record = record;
    plan.trust = inputs.model.map(|m| m.trust.clone()).filter(|trust| *trust != inputs.state.trust);
    Ok(Step::Done(Box::new(plan.checked(inputs.state, inputs.model)), wanted.secrets))
}

/// Everything that differs, in order, without what was not asked for; and what the state will remember of
/// the placement.
fn compare(
    inputs: &Inputs<'_>,
    wanted: &Desired,
    observed: &Observed,
    record: PlacementRecord,
) -> (Diff, Option<PlacementRecord>) {
    let (scope, state) = (&inputs.scope, inputs.state);
    let mut terms = Terms {
        destroy: inputs.model.is_none(),
        replace: scope.replace.clone(),
        spared: select::spared(scope, state),
        let_go: surgery::let_go(inputs),
        imports: surgery::imports(inputs).into_keys().chain(wanted.adopted()).collect(),
        on_conflict: scope.on_conflict,
    };
    loop {
        let mut diff = diff::diff(wanted, state, observed, &terms);
        surgery::hold_to(inputs, wanted, &mut diff);
        order::order(&mut diff.changes);
        if !scope.is_narrow() {
            return (diff, Some(record));
        }
        let whole = Whole::new(wanted, state, &diff.changes);
        let out = whole.left_out(scope);
        // What was to go with a cluster that is not to go has to go by itself.
        let stays = |a: &&&ResourceAddress| {
            matches!(a, ResourceAddress::Cluster(_))
                && diff.changes.get(**a).is_some_and(|c| c.action == change::Action::Delete)
        };
        let stay: BTreeSet<String> = out.iter().filter(stays).map(|a| a.cluster().to_owned()).collect();
        if !stay.is_subset(&terms.spared) {
            terms.spared.extend(stay);
            continue;
        }
        let fault_of = |d: &Diagnostic| d.address.as_ref().and_then(|a| a.parse::<ResourceAddress>().ok());
        let blocked = diff.conflicts.iter().map(|c| c.address.clone()).chain(diff.faults.iter().filter_map(fault_of));
        let blocked: BTreeSet<ResourceAddress> = blocked.collect();
        let record = whole.placement(record, &out, &blocked);
        let out: BTreeSet<ResourceAddress> = out.into_iter().cloned().collect();
        let left = out.iter().filter(|a| diff.changes.contains_key(a) || blocked.contains(a)).count();
        diff.changes.retain(|a, _| !out.contains(a));
        diff.conflicts.retain(|c| !out.contains(&c.address));
        diff.faults = std::mem::take(&mut diff.faults)
            .iter()
            .filter(|d| fault_of(d).is_none_or(|a| !out.contains(&a)))
            .cloned()
            .collect();
        let record = Some(record).filter(|_| diff.complete);
        diff.notes.push(narrowed(scope, left));
        diff.complete = false;
        return (diff, record);
    }
}

/// That this is not everything.
fn narrowed(scope: &Scope, left: usize) -> Note {
    let words = |option: &str, all: &[String]| all.iter().map(|w| format!("{option} {w}")).collect::<Vec<_>>();
    let asked = [words("--target", &scope.targets), words("--exclude", &scope.excludes)].concat().join(" ");
    let what = match left {
        0 => "nothing else would change".to_owned(),
        1 => "1 change is left out".to_owned(),
        n => format!("{n} changes are left out"),
    };
    Note { topic: "narrowed".into(), text: format!("narrowed by {asked}: {what}; prices are of the whole") }
}

/// A plan of these changes, but for the placement.
fn finish(inputs: &Inputs<'_>, wanted: &Desired, diff: Diff) -> Plan {
    let (state, scope) = (inputs.state, &inputs.scope);
    let what_if = scope.wish.what_if();
    let changes: Vec<change::Change> = diff.changes.into_values().collect();
    let mut notes = diff.notes;
    if diff.blind {
        let text = "clusters were not asked: this plan is to be looked at, not to be applied".into();
        notes.push(Note { topic: "offline".into(), text });
    }
    notes.sort();
    let mut clusters: BTreeMap<String, Connection> = BTreeMap::new();
    for change in &changes {
        let name = change.address.cluster();
        let uncertain = || state.uncertain.get(&change.address).and_then(|u| u.connection.clone());
        let known =
            wanted.connections.get(name).cloned().or_else(|| recorded_connection(state, name)).or_else(uncertain);
        clusters.extend(known.map(|c| (name.to_owned(), c)));
    }
    let destroy = inputs.model.is_none();
    let guards = match (what_if.is_empty(), destroy) {
        (false, _) => Vec::new(),
        // To destroy is the word for all that skyplan made.
        (true, true) => guard::strangers(&changes),
        (true, false) => guard::guards(&changes, state.records.len()),
    };
    let had_placement = !state.placement.components.is_empty();
    Plan {
        format_version: FORMAT_VERSION.into(),
        skyplan_version: env!("CARGO_PKG_VERSION").into(),
        project: inputs.project.into(),
        environment: inputs.environment.map(str::to_owned),
        base: Base { lineage: state.lineage.clone(), serial: state.serial },
        inputs_digest: inputs.inputs_digest.into(),
        rendered: inputs.model.map_or_else(Vec::new, |m| m.rendered.clone()),
        cost: Cost { monthly_before: had_placement.then_some(state.placement.monthly), ..Cost::default() },
        clusters,
        applyable: diff.conflicts.is_empty() && !diff.blind && what_if.is_empty(),
        what_if,
        guards,
        destroy,
        targets: scope.targets.clone(),
        excludes: scope.excludes.clone(),
        reoptimize: match &scope.wish.reoptimize {
            Reconsider::Nothing => Vec::new(),
            Reconsider::Only(names) => names.iter().cloned().collect(),
            Reconsider::All => vec!["*".into()],
        },
        changes,
        unchanged: diff.unchanged,
        conflicts: diff.conflicts,
        notes,
        complete: diff.complete,
        ..Plan::default()
    }
}

/// Names that are listed where none is near.
const MOST_NAMES: usize = 12;

/// Components and clusters that somebody asked about and that there are not.
fn strangers_to(model: &Model, wish: &Wish) -> Diagnostics {
    let mut out = Diagnostics::new();
    let mut told = |what: &str, word: &String, known: Vec<&str>| {
        if !known.contains(&word.as_str()) {
            let d = Diagnostic::error("SKY0918", format!("no {what} is called `{word}`"));
            out.push(match did_you_mean(word, known.iter().copied()) {
                Some(near) => d.hint(format!("did you mean `{near}`?")),
                None if known.len() > MOST_NAMES => d.hint(format!("there are {}, …", known[..MOST_NAMES].join(", "))),
                None => d.hint(format!("there are {}", known.join(", "))),
            });
        }
    };
    if let Reconsider::Only(names) = &wish.reoptimize {
        for name in names {
            told("component", name, model.components.iter().map(|c| c.name.as_str()).collect());
        }
    }
    for name in &wish.without {
        told("cluster", name, model.clusters.iter().map(|c| c.name.as_str()).collect());
    }
    out
}

/// The plan that only brings what is remembered up to date.
fn refreshed(inputs: &Inputs<'_>, observed: &Observed) -> Plan {
    let diff = refresh::refresh(inputs.state, observed);
    let plan = finish(inputs, &Desired::default(), diff);
    let plan = Plan { refresh_only: true, destroy: false, guards: Vec::new(), cost: Cost::default(), ..plan };
    plan.checked(inputs.state, inputs.model)
}

/// Clusters that stand, or could stand, with nothing on them.
fn idle(model: &Model, placed: &Placed, wanted: &Desired) -> Vec<Note> {
    let used: BTreeSet<usize> = placed.solution.instances.iter().flatten().copied().collect();
    let mut notes = Vec::new();
    for (i, cluster) in model.clusters.iter().enumerate().filter(|(i, _)| !used.contains(i)) {
        let stands = wanted
            .resources
            .get(&ResourceAddress::Cluster(cluster.name.clone()))
            .is_some_and(|r| matches!(r.body, Body::Cluster { .. }));
        let nodes: u32 = placed.solution.nodes.get(i).map_or(0, |n| n.iter().sum());
        let text = if stands && nodes > 0 {
            format!("nothing runs on cluster {}; its {nodes} nodes are kept by their pools' `min`", cluster.name)
        } else if stands {
            let fee = idle_fee(&placed.month, &placed.monthly, &placed.present, i);
            let price = if fee == MicroUsd::ZERO { String::new() } else { format!(", which would save {fee}/month") };
            format!("nothing runs on cluster {}; it is kept until its document is removed{price}", cluster.name)
        } else if cluster.driver() == ClusterDriver::Existing {
            format!("nothing is placed on cluster {}", cluster.name)
        } else {
            format!("cluster {} is not made: nothing is placed on it", cluster.name)
        };
        notes.push(Note { topic: "idle".into(), text });
    }
    notes
}

/// The secret values of these objects, read from the model again: a plan file does not hold them.
pub fn secret_values<'a>(model: &Model, addresses: impl Iterator<Item = &'a ResourceAddress>, key: &str) -> Secrets {
    let mut secrets = Secrets::default();
    for address in addresses {
        let Some(object) = address.object().filter(|o| o.group.is_empty() && o.kind == "Secret") else { continue };
        // Several clusters may each have their own of this name: digests tell which one is meant.
        let sources = model.objects.iter().filter(|o| {
            secret::is_secret(&o.object)
                && o.object["metadata"]["name"] == *object.name
                && o.object["metadata"]["namespace"].as_str() == object.namespace.as_deref()
        });
        for source in sources {
            secrets.seal(address, &mut source.object.clone(), key);
        }
    }
    secrets
}
