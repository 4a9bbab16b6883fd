//! Desired resources, records and what was observed → changes, and what is still to be asked.
//!
//! The no-op proof decides without asking: what was sent is what is desired, and the live object
//! seen through our fields is what the server answered then. Only the rest is tried as a dry-run.

mod clusters;
mod leftovers;
mod objects;
mod removed;

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) use self::clusters::strangers;
use super::{
    change::{Action, ActionReason, Change, Conflict, Note, Precondition, Target},
    desired::{ADDRESS_ANNOTATION, Body, Desired, Resource, identity},
};
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostics,
    observed::{ClusterObserved, Observed, Questions},
    spec::{ClusterDriver, DeletionPolicy},
    state::{ClusterRecord, ObjectRecord, Record, RecordDetail, State},
};

/// What the comparison came to.
#[derive(Debug, Default)]
pub(super) struct Diff {
    pub(super) changes: BTreeMap<ResourceAddress, Change>,
    pub(super) unchanged: u64,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) notes: Vec<Note>,
    pub(super) questions: Questions,
    pub(super) faults: Diagnostics,
    /// Whether every cluster could be compared.
    pub(super) complete: bool,
    /// Some of it was planned for clusters that nobody looked at.
    pub(super) blind: bool,
}

/// How a cluster stands to the plan.
enum Standing<'a> {
    /// It answers, and is the one that records speak of, if any do.
    There {
        uid: &'a str,
        served: &'a BTreeMap<String, bool>,
        namespaces: &'a BTreeMap<String, bool>,
        objects: &'a BTreeMap<ResourceAddress, Value>,
    },
    /// The plan makes it, or makes it anew: nothing that was on it counts.
    Made,
    /// Nobody was asked: what is recorded is all that is known, its uid for one.
    Unasked { uid: Option<String> },
    /// It does not answer.
    Silent,
}

/// Compares everything.
pub(super) fn diff(desired: &Desired, state: &State, observed: &Observed, destroy: bool) -> Diff {
    let mut diff = Diff { complete: true, ..Diff::default() };
    let mut standings: BTreeMap<&str, Standing<'_>> = BTreeMap::new();
    for resource in desired.resources.values() {
        if let Body::Cluster { pools, deletion_policy } = &resource.body {
            let name = resource.address.cluster();
            let standing = clusters::cluster(resource, pools, *deletion_policy, desired, state, observed, &mut diff);
            standings.insert(name, standing);
        }
    }
    for resource in desired.resources.values() {
        if let Body::Object { .. } = &resource.body
            && let Some(standing) = standings.get(resource.address.cluster())
        {
            objects::object(resource, standing, desired, state, observed, &mut diff);
        }
    }
    removed::removed(desired, state, observed, destroy, &mut diff);
    leftovers::orphans(desired, state, observed, &mut diff);
    diff
}

fn record_of<'a>(
    state: &'a State,
    address: &ResourceAddress,
) -> Option<(&'a Record, Option<&'a ObjectRecord>, Option<&'a ClusterRecord>)> {
    let record = state.records.get(address)?;
    Some(match &record.detail {
        RecordDetail::Object(o) => (record, Some(o), None),
        RecordDetail::Cluster(c) => (record, None, Some(c)),
    })
}

pub(super) fn change(resource: &Resource, action: Action, reason: ActionReason, precondition: Precondition) -> Change {
    let (after, api_version) = match &resource.body {
        Body::Cluster { pools, deletion_policy } => {
            (Target::Cluster { pools: pools.clone(), deletion_policy: *deletion_policy }, String::new())
        }
        Body::Object { object, digest, api_version, components } => (
            Target::Object { object: object.clone(), digest: digest.clone(), components: components.clone() },
            api_version.clone(),
        ),
    };
    Change {
        after: Some(after),
        origin: resource.origin.clone(),
        precondition,
        requires: resource.depends_on.iter().cloned().collect(),
        api_version,
        ..Change::new(resource.address.clone(), action, reason)
    }
}

/// Whether the annotation names the object itself; labels alone are copied to children.
fn is_ours(object: &Value, lineage: &str, address: &ResourceAddress) -> bool {
    object["metadata"]["annotations"][ADDRESS_ANNOTATION] == identity(lineage, address)
}

/// Notes that a cluster could not be compared.
fn silence(name: &str, observed: &Observed, diff: &mut Diff) {
    diff.complete = false;
    let why = match observed.clusters.get(name) {
        Some(ClusterObserved::Unreachable { why }) => format!("{}. {}", why.summary, why.detail),
        _ => "it was not asked; what is planned there comes from the state alone".into(),
    };
    let text = format!("cluster {name} was not compared: {why}").trim_end().to_owned();
    let note = Note { topic: "unreachable".into(), text };
    if !diff.notes.contains(&note) {
        diff.notes.push(note);
    }
}

/// Whether a cluster is deleted when its document goes.
fn deletes(record: &ClusterRecord) -> bool {
    record.driver == ClusterDriver::Local && record.deletion_policy == DeletionPolicy::Delete
}
