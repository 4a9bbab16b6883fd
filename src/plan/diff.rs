//! Desired resources, records and what was observed → changes, and what is still to be asked.
//!
//! The no-op proof decides without asking: what was sent is what is desired, and the live object
//! seen through our fields is what the server answered then. Only the rest is tried as a dry-run.

mod clusters;
mod contested;
mod leftovers;
mod nulls;
mod objects;
mod removed;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(super) use self::clusters::strangers;
use super::{
    change::{Action, ActionReason, Change, Conflict, Note, Precondition},
    desired::{ADDRESS_ANNOTATION, Body, Desired, Resource, identity},
};
use crate::{
    address::ResourceAddress,
    diagnostic::{Diagnostic, Diagnostics, Origin, did_you_mean},
    observed::{ClusterObserved, Observed, Questions},
    packed::Packed,
    spec::{ClusterDriver, DeletionPolicy, OnConflict},
    state::{ClusterRecord, ObjectRecord, Record, RecordDetail, State, moves::renamed},
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
        objects: &'a BTreeMap<ResourceAddress, Packed>,
    },
    /// The plan makes it, or makes it anew: nothing that was on it counts.
    Made,
    /// Nobody was asked: what is recorded is all that is known, its uid for one.
    Unasked { uid: Option<String> },
    /// It does not answer.
    Silent,
}

/// What is asked for beyond what the specs say.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms<'a> {
    /// Everything goes.
    pub(super) destroy: bool,
    /// Deleted and made again.
    pub(super) replace: BTreeSet<ResourceAddress>,
    /// Clusters that stay though nobody wants them.
    pub(super) spared: BTreeSet<String>,
    /// What is left as it is, and where that is written.
    pub(super) let_go: BTreeMap<ResourceAddress, Option<&'a Origin>>,
    /// What is taken over where it is there already.
    pub(super) imports: BTreeSet<ResourceAddress>,
    /// Who gives way over fields.
    pub(super) on_conflict: OnConflict,
}

/// All that is compared.
#[derive(Clone, Copy)]
struct Sides<'a> {
    desired: &'a Desired,
    state: &'a State,
    observed: &'a Observed,
    terms: &'a Terms<'a>,
}

/// Compares everything.
pub(super) fn diff(desired: &Desired, state: &State, observed: &Observed, terms: &Terms<'_>) -> Diff {
    let mut diff = Diff { complete: true, ..Diff::default() };
    let sides = Sides { desired, state, observed, terms };
    let mut standings: BTreeMap<&str, Standing<'_>> = BTreeMap::new();
    for resource in desired.resources.values() {
        if let Body::Cluster { pools, deletion_policy, networks, .. } = &resource.body {
            let name = resource.address.cluster();
            let wanted = clusters::Wanted { pools, policy: *deletion_policy, networks };
            let standing = clusters::cluster(resource, wanted, sides, &mut diff);
            standings.insert(name, standing);
        }
    }
    for resource in desired.resources.values() {
        if let Body::Object { .. } = &resource.body
            && let Some(standing) = standings.get(resource.address.cluster())
        {
            objects::object(resource, standing, sides, &mut diff);
        }
    }
    for resource in desired.resources.values() {
        if let Body::Null { input } = &resource.body {
            nulls::null(resource, input, sides, &mut diff);
        }
    }
    let replaced = |diff: &Diff, a: &ResourceAddress| {
        let cluster = ResourceAddress::Cluster(a.cluster().to_owned());
        diff.changes.get(a).is_some_and(|c| c.action == Action::Replace || c.reason == ActionReason::ClusterReplaced)
            || *a != cluster && terms.replace.contains(&cluster)
    };
    for address in &terms.replace {
        if replaced(&diff, address) {
            continue;
        }
        let asked = diff.questions.dry_runs.contains_key(address);
        let refused = diff.conflicts.iter().any(|c| c.address == *address)
            || diff.faults.iter().any(|f| f.address.as_deref() == Some(&address.to_string()));
        if !asked && !refused {
            diff.faults.push(not_there(address, desired, state, observed));
        }
    }
    removed::removed(sides, &mut diff);
    leftovers::orphans(sides, &mut diff);
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
        RecordDetail::Null(_) => (record, None, None),
    })
}

pub(super) fn change(resource: &Resource, action: Action, reason: ActionReason, precondition: Precondition) -> Change {
    let api_version = match &resource.body {
        Body::Object { api_version, .. } => api_version.clone(),
        Body::Cluster { .. } | Body::Null { .. } => String::new(),
    };
    Change {
        after: Some(resource.body.target()),
        origin: resource.origin.clone(),
        precondition,
        requires: resource.depends_on.iter().cloned().collect(),
        api_version,
        ..Change::new(resource.address.clone(), action, reason)
    }
}

/// Whether the annotation names the object itself, by its present name or one that its cluster had; labels alone are
/// copied to children.
pub(super) fn is_ours(object: &Value, state: &State, address: &ResourceAddress) -> bool {
    let mark = &object["metadata"]["annotations"][ADDRESS_ANNOTATION];
    let cluster = address.cluster();
    *mark == identity(&state.lineage, address)
        || state.former.get(cluster).is_some_and(|names| {
            names.iter().any(|name| *mark == identity(&state.lineage, &renamed(address, cluster, name)))
        })
}

/// The fault of a `--replace` of something that cannot be replaced.
fn not_there(address: &ResourceAddress, desired: &Desired, state: &State, observed: &Observed) -> Diagnostic {
    let d = Diagnostic::error("SKY0916", format!("`--replace {address}` cannot be done")).about(address);
    let known = || desired.resources.keys().map(ToString::to_string).collect::<Vec<_>>();
    match (desired.resources.get(address), observed.clusters.get(address.cluster())) {
        (None, _) if state.records.contains_key(address) => {
            d.detail("The specs no longer have it.").hint("a plan without `--replace` deletes it")
        }
        (None, _) => {
            let names = known();
            let d = d.detail("There is no such resource.");
            match did_you_mean(&address.to_string(), names.iter().map(String::as_str)) {
                Some(near) => d.hint(format!("did you mean `{near}`?")),
                None => d.hint("`skyplan state list` prints the addresses of what there is"),
            }
        }
        (Some(_), Some(ClusterObserved::Unreachable { .. })) => {
            d.detail(format!("Cluster {} does not answer.", address.cluster())).hint("mend the cluster first")
        }
        (Some(Resource { body: Body::Cluster { .. }, .. }), Some(ClusterObserved::Reached { .. })) => {
            d.detail("It is not skyplan's to make.").hint("only clusters with `driver: local` can be made anew")
        }
        _ => d.detail("It is not there.").hint("a plan without `--replace` makes it"),
    }
}

/// Notes that a cluster could not be compared.
pub(super) fn silence(name: &str, observed: &Observed, diff: &mut Diff) {
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
