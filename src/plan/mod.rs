//! Model, state and what was observed → [`Plan`]: what shall be, what differs, in which order.
//!
//! [`plan`] is a pure function that is called again with more answers until nothing is left to ask:
//! first the clusters are reached and listed, then what differs is tried as a dry-run. It takes every
//! decision; an apply only carries them out.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod answer;
pub mod change;
pub mod desired;
mod diff;
mod fields;
mod guard;
mod offline;
pub mod order;
pub mod projection;
mod report;
pub mod secret;

use std::collections::{BTreeMap, BTreeSet};

pub use self::change::Plan;
use self::{
    change::{Base, Cost, FORMAT_VERSION, Note},
    desired::{Body, Choice, Desired, connection, desired},
    secret::Secrets,
};
pub use crate::observed;
use crate::{
    address::ResourceAddress,
    compile::model::Model,
    diagnostic::{Diagnostic, Diagnostics},
    observed::{ClusterQuestion, Connection, KindRef, Observed, Questions},
    place::{
        decide::{Placed, place},
        problem::Limits,
    },
    spec::ClusterDriver,
    state::{RecordDetail, State},
};

/// What a plan is made from, besides what is observed.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The project; `None` takes everything away (`destroy`).
    pub model: Option<&'a Model>,
    /// Name of the project.
    pub project: &'a str,
    /// The state.
    pub state: &'a State,
    /// Digest of the texts that the model was read from.
    pub inputs_digest: &'a str,
    /// Budgets of the placement.
    pub limits: Limits,
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
    let first = reach(inputs, observed);
    if !first.is_empty() {
        return Ok(Step::Ask(first));
    }
    // A cluster that is not who it was says nothing of the one that is meant: not its room either.
    let mut faults = diff::strangers(inputs.state, observed);
    if faults.has_errors() {
        return Err(faults);
    }
    let (wanted, placed) = match inputs.model {
        Some(model) => {
            let placed = place(model, observed, inputs.state, &inputs.limits)?;
            let solution = &placed.solution;
            let wanted = desired(
                model,
                &Choice { runs: &solution.instances, nodes: &solution.nodes, in_order: &placed.in_order },
                inputs.state,
                observed,
                &mut faults,
            );
            (wanted, Some((model, placed)))
        }
        None => {
            let nothing =
                Desired { resources: BTreeMap::new(), connections: BTreeMap::new(), secrets: Secrets::default() };
            (nothing, None)
        }
    };
    let mut diff = diff::diff(&wanted, inputs.state, observed, inputs.model.is_none());
    faults.extend(std::mem::take(&mut diff.faults));
    if faults.has_errors() {
        return Err(faults);
    }
    if !diff.questions.is_empty() {
        return Ok(Step::Ask(diff.questions));
    }
    order::order(&mut diff.changes);
    let changes: Vec<change::Change> = diff.changes.into_values().collect();
    if order::topological(&changes).is_none() {
        return Err(Diagnostic::error("SKY0215", "the changes depend on each other in a circle")
            .hint("look for a circle in `dependsOn`")
            .into());
    }
    let mut notes = diff.notes;
    if let Some((model, placed)) = &placed {
        notes.extend(idle(model, placed, &wanted));
    }
    if diff.blind {
        let text = "clusters were not asked: this plan is to be looked at, not to be applied".into();
        notes.push(Note { topic: "offline".into(), text });
    }
    notes.sort();
    let mut clusters: BTreeMap<String, Connection> = BTreeMap::new();
    for change in &changes {
        let name = change.address.cluster();
        let uncertain = || inputs.state.uncertain.get(&change.address).and_then(|u| u.connection.clone());
        let known = wanted
            .connections
            .get(name)
            .cloned()
            .or_else(|| recorded_connection(inputs.state, name))
            .or_else(uncertain);
        clusters.extend(known.map(|c| (name.to_owned(), c)));
    }
    let destroy = inputs.model.is_none();
    let guards = if destroy { Vec::new() } else { guard::guards(&changes, inputs.state.records.len()) };
    let before = inputs.state.placement.monthly;
    let cost = placed.as_ref().map_or_else(Cost::default, |(model, placed)| report::cost(model, placed));
    let had_placement = !inputs.state.placement.components.is_empty();
    Ok(Step::Done(
        Box::new(Plan {
            format_version: FORMAT_VERSION.into(),
            skyplan_version: env!("CARGO_PKG_VERSION").into(),
            project: inputs.project.into(),
            environment: inputs.model.and_then(|m| m.environment.clone()),
            base: Base { lineage: inputs.state.lineage.clone(), serial: inputs.state.serial },
            inputs_digest: inputs.inputs_digest.into(),
            placement: placed.as_ref().map(|(model, placed)| report::placement(model, placed)),
            cost: Cost { monthly_before: had_placement.then_some(before), ..cost },
            clusters,
            applyable: diff.conflicts.is_empty() && !diff.blind,
            guards,
            changes,
            unchanged: diff.unchanged,
            conflicts: diff.conflicts,
            notes,
            placement_record: Some(placed.map(|(_, p)| p.record).unwrap_or_default()),
            complete: diff.complete,
        }),
        wanted.secrets,
    ))
}

/// Which clusters have to be reached, and what listed on them: whatever the specs or the records
/// speak of, wherever it will be placed.
fn reach(inputs: &Inputs<'_>, observed: &Observed) -> Questions {
    let mut questions = Questions::default();
    if observed.offline {
        return questions;
    }
    let kind_of = |object: &serde_json::Value| KindRef {
        api_version: object["apiVersion"].as_str().unwrap_or_default().to_owned(),
        kind: object["kind"].as_str().unwrap_or_default().to_owned(),
    };
    let written: BTreeSet<KindRef> =
        inputs.model.into_iter().flat_map(|m| &m.objects).map(|o| kind_of(&o.object)).collect();
    let mut connections: BTreeMap<String, Connection> = BTreeMap::new();
    for address in inputs.state.records.keys() {
        let name = address.cluster();
        connections.extend(recorded_connection(inputs.state, name).map(|c| (name.to_owned(), c)));
    }
    // What an apply that was cut off may have made, where nobody else would look.
    for (address, uncertain) in &inputs.state.uncertain {
        connections.extend(uncertain.connection.clone().map(|c| (address.cluster().to_owned(), c)));
    }
    connections.extend(inputs.model.into_iter().flat_map(|m| &m.clusters).map(|c| (c.name.clone(), connection(c))));
    for (name, connection) in connections {
        if observed.clusters.contains_key(&name) {
            continue;
        }
        let mut kinds = written.clone();
        kinds.insert(KindRef { api_version: "v1".into(), kind: "Namespace".into() });
        let mut ours = BTreeSet::new();
        for (address, record) in inputs.state.records.iter().filter(|(a, _)| a.cluster() == name) {
            if let (RecordDetail::Object(o), Some(object)) = (&record.detail, address.object()) {
                kinds.insert(KindRef { api_version: o.api_version.clone(), kind: object.kind.clone() });
                ours.insert(o.uid.clone());
            }
        }
        for (address, uncertain) in inputs.state.uncertain.iter().filter(|(a, _)| a.cluster() == name) {
            if let Some(object) = address.object().filter(|_| !uncertain.api_version.is_empty()) {
                kinds.insert(KindRef { api_version: uncertain.api_version.clone(), kind: object.kind.clone() });
            }
        }
        let capacity = connection.driver == ClusterDriver::Existing && inputs.model.is_some();
        let lineage = inputs.state.lineage.clone();
        questions.clusters.insert(name, ClusterQuestion { connection, kinds, lineage, capacity, ours });
    }
    questions
}

fn recorded_connection(state: &State, cluster: &str) -> Option<Connection> {
    match &state.records.get(&ResourceAddress::Cluster(cluster.to_owned()))?.detail {
        RecordDetail::Cluster(c) => {
            Some(Connection { driver: c.driver, kubeconfig: c.kubeconfig.clone(), context: c.context.clone() })
        }
        RecordDetail::Object(_) => None,
    }
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
            format!("nothing runs on cluster {}; it is kept until its document is removed", cluster.name)
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
        let source = model.objects.iter().find(|o| {
            secret::is_secret(&o.object)
                && o.object["metadata"]["name"] == *object.name
                && o.object["metadata"]["namespace"].as_str() == object.namespace.as_deref()
        });
        if let Some(source) = source {
            secrets.seal(address, &mut source.object.clone(), key);
        }
    }
    secrets
}
