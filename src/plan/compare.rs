//! What would change between two versions of a project, from their models alone: no cluster is asked,
//! no state is read.
//!
//! The first version is taken as applied: its placement is the record that the second one is placed
//! from, so that nothing moves but what the specs move. An existing cluster is taken to have room for
//! whatever is placed on it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Plan,
    change::{Action, ActionReason, Base, Change, Cost, FORMAT_VERSION, Note},
    desired::{Body, Choice, Desired, Resource, desired},
    fields, guard, idle,
    order::{Identity, identity},
    report,
    secret::is_secret,
};
use crate::{
    address::ResourceAddress,
    compile::model::Model,
    diagnostic::Diagnostics,
    observed::{ClusterObserved, FreeNode, Observed},
    place::{
        decide::{Placed, place},
        problem::Limits,
    },
    spec::{ClusterDriver, DeletionPolicy},
    state::{ClusterRecord, PlacementRecord, Record, RecordDetail, State},
};

/// Secret values are compared by digests under this key; none of them is in the answer.
const KEY: &str = "compare";

/// Why there is no comparison: what is wrong with one of the two.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The first cannot be placed.
    Before(Diagnostics),
    /// The second cannot be placed.
    After(Diagnostics),
}

/// Compares what two versions come to. The answer is told as a plan; it cannot be applied.
///
/// # Errors
/// One of the two meets its own constraints nowhere, or writes an object twice.
pub fn compare(before: &Model, after: &Model, limits: &Limits) -> Result<Plan, Fault> {
    let mut state = State { lineage: before.lineage.clone(), secret_key: KEY.into(), ..State::default() };
    let (first, old) = version(before, &state, limits).map_err(Fault::Before)?;
    state = taken_as_applied(&old, &first.record, &after.lineage);
    let (second, new) = version(after, &state, limits).map_err(Fault::After)?;
    let mut changes = BTreeMap::new();
    let mut unchanged = 0;
    for resource in new.resources.values() {
        match old.resources.get(&resource.address) {
            None => drop(changes.insert(&resource.address, made(resource))),
            Some(known) => match changed(known, resource, &old, &new) {
                Some(change) => drop(changes.insert(&resource.address, change)),
                None => unchanged += 1,
            },
        }
    }
    let there: BTreeSet<Identity<'_>> = new.resources.keys().filter_map(identity).collect();
    for resource in old.resources.values().filter(|r| !new.resources.contains_key(&r.address)) {
        changes.insert(&resource.address, gone(resource, &old, &new, &there));
    }
    let changes: Vec<Change> = changes.into_values().collect();
    let mut notes = moves(&first.record, &second.record);
    notes.extend(idle(after, &second, &new));
    let existing = after.clusters.iter().filter(|c| c.driver() == ClusterDriver::Existing);
    let names: Vec<&str> = existing.map(|c| c.name.as_str()).collect();
    if !names.is_empty() {
        let text = format!("no cluster was asked: {} is taken to have room", names.join(", "));
        notes.push(Note { topic: "assumed".into(), text });
    }
    notes.sort();
    Ok(Plan {
        format_version: FORMAT_VERSION.into(),
        skyplan_version: env!("CARGO_PKG_VERSION").into(),
        project: after.project.clone(),
        environment: after.environment.clone(),
        base: Base { lineage: after.lineage.clone(), serial: 0 },
        placement: Some(report::placement(after, &second)),
        cost: Cost { monthly_before: Some(report::cost(before, &first).monthly), ..report::cost(after, &second) },
        guards: guard::guards(&changes, old.resources.len()),
        changes,
        unchanged,
        notes,
        complete: true,
        ..Plan::default()
    })
}

/// A version's placement and resources.
fn version(model: &Model, state: &State, limits: &Limits) -> Result<(Placed, Desired), Diagnostics> {
    let observed = roomy(model);
    let placed = place(model, &observed, state, limits)?;
    let solution = &placed.solution;
    let choice = Choice {
        runs: &solution.instances,
        nodes: &solution.nodes,
        in_order: &placed.in_order,
        divisions: &placed.present.divisions,
    };
    let mut faults = Diagnostics::new();
    let wanted = desired(model, &choice, state, &observed, &mut faults);
    if faults.has_errors() { Err(faults) } else { Ok((placed, wanted)) }
}

/// Existing clusters with one node that holds anything.
fn roomy(model: &Model) -> Observed {
    let node = || FreeNode {
        name: "any".into(),
        milli_cpu: 1 << 40,
        memory: 1 << 60,
        gpus: 1 << 20,
        pods: 1 << 30,
        labels: BTreeMap::new(),
        taints: Vec::new(),
    };
    let reached = || ClusterObserved::Reached {
        uid: String::new(),
        version: String::new(),
        served: BTreeMap::new(),
        namespaces: BTreeMap::new(),
        objects: BTreeMap::new(),
        free: vec![node()],
        pools: BTreeMap::new(),
    };
    let existing = model.clusters.iter().filter(|c| c.driver() == ClusterDriver::Existing);
    Observed { clusters: existing.map(|c| (c.name.clone(), reached())).collect(), ..Observed::default() }
}

/// What would be remembered of a version: where everything runs, and which clusters stand.
fn taken_as_applied(old: &Desired, placement: &PlacementRecord, lineage: &str) -> State {
    let cluster = |resource: &Resource| {
        let Body::Cluster { pools, deletion_policy, networks, .. } = &resource.body else { return None };
        let connection = old.connections.get(resource.address.cluster())?;
        let record = ClusterRecord {
            driver: connection.driver,
            kubeconfig: connection.kubeconfig.clone(),
            context: connection.context.clone(),
            uid: String::new(),
            pools: pools.clone(),
            deletion_policy: *deletion_policy,
            networks: *networks,
        };
        let record = Record { serial: 0, detail: RecordDetail::Cluster(record), depends_on: Vec::new(), origin: None };
        Some((resource.address.clone(), record))
    };
    State {
        lineage: lineage.to_owned(),
        secret_key: KEY.into(),
        records: old.resources.values().filter_map(cluster).collect(),
        placement: placement.clone(),
        ..State::default()
    }
}

fn change(resource: &Resource, action: Action, reason: ActionReason) -> Change {
    // Digests under a key that everybody knows would give weak values away.
    let weak = matches!(&resource.body, Body::Object { object, .. } if is_secret(object));
    let told = matches!(action, Action::Create | Action::Update) && !weak;
    Change {
        after: told.then(|| resource.body.target()),
        origin: resource.origin.clone(),
        ..Change::new(resource.address.clone(), action, reason)
    }
}

fn made(resource: &Resource) -> Change {
    change(resource, Action::Create, ActionReason::New)
}

/// What differs, if anything does.
fn changed(before: &Resource, after: &Resource, old: &Desired, new: &Desired) -> Option<Change> {
    let (reason, fields) = match (&before.body, &after.body) {
        (Body::Object { object: a, digest: x, .. }, Body::Object { object: b, digest: y, .. }) => {
            if x == y {
                return None;
            }
            (ActionReason::SpecChanged, fields::changes(a, b))
        }
        (Body::Cluster { .. }, Body::Cluster { .. }) => {
            let fields = fields::changes(&described(before, old), &described(after, new));
            let nodes_only = fields.iter().all(|f| f.path.starts_with("nodes"));
            (if nodes_only { ActionReason::NodesChanged } else { ActionReason::SpecChanged }, fields)
        }
        (Body::Null { input: a }, Body::Null { input: b }) => {
            (ActionReason::SpecChanged, fields::changes(&json!({ "input": a }), &json!({ "input": b })))
        }
        _ => return None,
    };
    if fields.is_empty() {
        return None;
    }
    let mut change = change(after, Action::Update, reason);
    change.fields = fields;
    for field in &mut change.fields {
        for value in [&mut field.before, &mut field.after].into_iter().flatten() {
            hide(value);
        }
    }
    Some(change)
}

/// What is said of a cluster, as a tree.
fn described(resource: &Resource, all: &Desired) -> Value {
    let Body::Cluster { pools, deletion_policy, networks, .. } = &resource.body else { return Value::Null };
    let connection = all.connections.get(resource.address.cluster());
    let counts: serde_json::Map<String, Value> = pools.iter().map(|p| (p.name.clone(), p.count.into())).collect();
    let sizes: serde_json::Map<String, Value> =
        pools.iter().map(|p| (p.name.clone(), json!([p.milli_cpu, p.memory, p.gpus, p.labels, p.taints]))).collect();
    json!({
        "driver": connection.map(|c| c.driver),
        "existing": {
            "kubeconfig": connection.and_then(|c| c.kubeconfig.as_ref()),
            "context": connection.and_then(|c| c.context.as_ref()),
        },
        "deletionPolicy": deletion_policy,
        "network": networks,
        "nodes": counts,
        "nodesAre": sizes,
    })
}

/// Takes digests of secret values out.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) if super::secret::is_digest(text) => *text = "(secret)".into(),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(map) => map.values_mut().for_each(hide),
        _ => {}
    }
}

fn gone(resource: &Resource, old: &Desired, new: &Desired, there: &BTreeSet<Identity<'_>>) -> Change {
    let address = &resource.address;
    // As a plan does it: what skyplan made is deleted with its document, what was there is left.
    let goes = |cluster: &ResourceAddress| match old.resources.get(cluster).map(|r| &r.body) {
        Some(Body::Cluster { deletion_policy, .. }) => {
            let local = old.connections.get(cluster.cluster()).is_some_and(|c| c.driver == ClusterDriver::Local);
            local && *deletion_policy == DeletionPolicy::Delete
        }
        _ => false,
    };
    let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
    let (action, reason) = match &resource.body {
        Body::Cluster { .. } if goes(address) => (Action::Delete, ActionReason::Removed),
        Body::Cluster { .. } => (Action::Forget, ActionReason::Retained),
        Body::Null { .. } => (Action::Delete, ActionReason::Removed),
        Body::Object { .. } if !new.resources.contains_key(&cluster) && goes(&cluster) => {
            (Action::Forget, ActionReason::GoneWithCluster)
        }
        Body::Object { components, .. } => {
            let moved = !components.is_empty() && identity(address).is_some_and(|i| there.contains(&i));
            (Action::Delete, if moved { ActionReason::Moved } else { ActionReason::Removed })
        }
    };
    change(resource, action, reason)
}

/// Components that run elsewhere.
fn moves(before: &PlacementRecord, after: &PlacementRecord) -> Vec<Note> {
    let differ = after.components.iter().filter_map(|(name, now)| {
        let was = before.components.get(name).filter(|was| was.clusters != now.clusters)?;
        let text = format!("{name} moves from {} to {}", was.clusters.join(", "), now.clusters.join(", "));
        Some(Note { topic: "move".into(), text })
    });
    differ.collect()
}
