//! Desired resources, records and what was observed → changes, and what is still to be asked.
//!
//! The no-op proof decides without asking: what was sent is what is desired, and the live object
//! seen through our fields is what the server answered then. Only the rest is tried as a dry-run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    change::{Action, ActionReason, Change, Conflict, Note, Precondition, Target},
    desired::{ADDRESS_ANNOTATION, Body, Desired, Resource, identity, manager},
    fields,
    order::same_object,
    projection::{owned_fields, projection_digest},
};
use crate::{
    address::ResourceAddress,
    diagnostic::{Diagnostic, Diagnostics},
    observed::{ClusterObserved, DryRun, DryRunQuestion, KindRef, Observed, Questions},
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
            let standing = cluster(resource, pools, *deletion_policy, desired, state, observed, &mut diff);
            standings.insert(name, standing);
        }
    }
    for resource in desired.resources.values() {
        if let Body::Object { .. } = &resource.body
            && let Some(standing) = standings.get(resource.address.cluster())
        {
            object(resource, standing, desired, state, observed, &mut diff);
        }
    }
    removed(desired, state, observed, destroy, &mut diff);
    orphans(desired, state, observed, &mut diff);
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

fn change(resource: &Resource, action: Action, reason: ActionReason, precondition: Precondition) -> Change {
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

fn cluster<'a>(
    resource: &Resource,
    pools: &[crate::state::record::NodePoolState],
    policy: DeletionPolicy,
    desired: &Desired,
    state: &State,
    observed: &'a Observed,
    diff: &mut Diff,
) -> Standing<'a> {
    let name = resource.address.cluster();
    let record = record_of(state, &resource.address).and_then(|(r, _, c)| Some((r, c?)));
    let record_serial = record.map(|(r, _)| r.serial);
    let driver = desired.connections.get(name).map_or(ClusterDriver::Existing, |c| c.driver);
    let mut add = |action, reason, uid: Option<&str>, fields| {
        let precondition =
            Precondition { record_serial, cluster_uid: uid.map(str::to_owned), ..Precondition::default() };
        diff.changes
            .insert(resource.address.clone(), Change { fields, ..change(resource, action, reason, precondition) });
    };
    match observed.clusters.get(name) {
        Some(ClusterObserved::Reached { uid, served, namespaces, objects, pools: live, .. }) => {
            let there = Standing::There { uid, served, namespaces, objects };
            match record {
                None => add(Action::Create, ActionReason::New, Some(uid), Vec::new()),
                Some((_, record)) if record.uid != *uid => {
                    add(Action::Create, ActionReason::ClusterReplaced, Some(uid), Vec::new());
                }
                Some((_, record)) => {
                    let drifted = driver == ClusterDriver::Local
                        && record.pools.iter().any(|p| live.get(&p.name).copied().unwrap_or(0) != p.count);
                    let reached_by = desired.connections.get(name).map(|c| (&c.kubeconfig, &c.context));
                    if reached_by.is_some_and(|c| c != (&record.kubeconfig, &record.context)) {
                        add(
                            Action::Update,
                            ActionReason::SpecChanged,
                            Some(uid),
                            access_changes(record, desired, name),
                        );
                    } else if record.pools != *pools || record.deletion_policy != policy {
                        add(Action::Update, ActionReason::NodesChanged, Some(uid), node_changes(&record.pools, pools));
                    } else if drifted {
                        add(Action::Update, ActionReason::Drifted, Some(uid), live_nodes(live, pools));
                    } else if state.uncertain.contains_key(&resource.address) {
                        add(Action::Update, ActionReason::Uncertain, Some(uid), Vec::new());
                    } else {
                        diff.unchanged += 1;
                    }
                }
            }
            there
        }
        // It was being made when an apply was cut off: nothing can be on it yet.
        Some(ClusterObserved::Unreachable { .. }) if driver == ClusterDriver::Local && record.is_none() => {
            add(Action::Create, ActionReason::Uncertain, None, Vec::new());
            Standing::Made
        }
        Some(ClusterObserved::Unreachable { .. }) => {
            silence(name, observed, diff);
            if driver == ClusterDriver::Local {
                let precondition = Precondition { record_serial, ..Precondition::default() };
                let update = change(resource, Action::Update, ActionReason::Drifted, precondition);
                diff.changes.insert(resource.address.clone(), update);
            }
            Standing::Silent
        }
        Some(ClusterObserved::Absent) | None => {
            let reason = if record.is_some() { ActionReason::DeletedOutside } else { ActionReason::New };
            add(Action::Create, reason, None, Vec::new());
            Standing::Made
        }
    }
}

/// Node counts that change, as fields.
fn node_changes(
    before: &[crate::state::record::NodePoolState],
    after: &[crate::state::record::NodePoolState],
) -> Vec<super::change::FieldChange> {
    let tree = |pools: &[crate::state::record::NodePoolState]| {
        let counts: serde_json::Map<String, Value> =
            pools.iter().map(|p| (p.name.clone(), Value::from(p.count))).collect();
        serde_json::json!({ "nodes": counts })
    };
    fields::changes(&tree(before), &tree(after))
}

/// What changes in how a cluster is reached, as fields.
fn access_changes(record: &ClusterRecord, desired: &Desired, name: &str) -> Vec<super::change::FieldChange> {
    let tree = |kubeconfig: Option<&String>, context: Option<&String>| serde_json::json!({"existing": {"kubeconfig": kubeconfig, "context": context}});
    let after = desired.connections.get(name);
    fields::changes(
        &tree(record.kubeconfig.as_ref(), record.context.as_ref()),
        &tree(after.and_then(|c| c.kubeconfig.as_ref()), after.and_then(|c| c.context.as_ref())),
    )
}

fn live_nodes(
    live: &BTreeMap<String, u32>,
    pools: &[crate::state::record::NodePoolState],
) -> Vec<super::change::FieldChange> {
    let before = serde_json::json!({ "nodes": live });
    let counts: serde_json::Map<String, Value> = pools.iter().map(|p| (p.name.clone(), Value::from(p.count))).collect();
    fields::changes(&before, &serde_json::json!({ "nodes": counts }))
}

fn object(
    resource: &Resource,
    standing: &Standing<'_>,
    desired: &Desired,
    state: &State,
    observed: &Observed,
    diff: &mut Diff,
) {
    let Body::Object { object, digest, api_version, components } = &resource.body else { return };
    let address = &resource.address;
    let record = record_of(state, address).and_then(|(r, o, _)| Some((r, o?)));
    let record_serial = record.map(|(r, _)| r.serial);
    let (uid, served, namespaces, objects) = match standing {
        Standing::Made => {
            let reason = if record.is_some() { ActionReason::ClusterReplaced } else { ActionReason::New };
            let precondition = Precondition { record_serial, ..Precondition::default() };
            let mut create = change(resource, Action::Create, reason, precondition);
            create.unverified = true;
            diff.changes.insert(address.clone(), create);
            return;
        }
        Standing::Silent => {
            if record.is_some_and(|(_, o)| o.sent == *digest) {
                diff.unchanged += 1;
            }
            return;
        }
        Standing::There { uid, served, namespaces, objects } => (uid, served, namespaces, objects),
    };
    // A record of an earlier incarnation of the cluster says nothing of this one.
    let known = record.filter(|(_, o)| o.cluster_uid == **uid).map(|(_, o)| o);
    let live = objects.get(address).filter(|o| is_ours(o, &state.lineage, address));
    let precondition = Precondition {
        record_serial,
        uid: live.and_then(|o| o["metadata"]["uid"].as_str()).map(str::to_owned),
        projection: live.zip(known).map(|(o, k)| projection_digest(o, &k.owned)),
        cluster_uid: Some((*uid).to_owned()),
    };
    if let (Some(known), Some(projection)) = (known, &precondition.projection)
        && known.sent == *digest
        && known.projection == *projection
        && known.components == *components
        && precondition.uid.as_ref() == Some(&known.uid)
        && !state.uncertain.contains_key(address)
    {
        diff.unchanged += 1;
        return;
    }
    let reason = match (live, known) {
        (Some(_), Some(known)) if known.sent == *digest => ActionReason::Drifted,
        (Some(_), Some(_)) => ActionReason::SpecChanged,
        (Some(_), None) => ActionReason::Uncertain,
        (None, Some(_)) => ActionReason::DeletedOutside,
        (None, None) if record.is_some() => ActionReason::ClusterReplaced,
        (None, None) => ActionReason::New,
    };
    let action = if live.is_some() { Action::Update } else { Action::Create };
    let kind = KindRef { api_version: api_version.clone(), kind: object["kind"].as_str().unwrap_or_default().into() };
    let mut planned = change(resource, action, reason, precondition);
    if let Some(open) = makes_possible(address, &kind, served, namespaces, desired, object) {
        if open {
            planned.unverified = true;
            diff.changes.insert(address.clone(), planned);
        } else {
            diff.faults.push(unserved(resource, &kind));
        }
        return;
    }
    if live.is_none() {
        match observed.lookups.get(address) {
            None => {
                diff.questions.lookups.insert(address.clone(), kind);
            }
            Some(Some(stranger)) => return diff.conflicts.push(stranger_conflict(resource, stranger)),
            Some(None) => {}
        }
    }
    match observed.dry_runs.get(address) {
        None => {
            let question = DryRunQuestion { object: object.clone(), manager: manager(&state.lineage) };
            diff.questions.dry_runs.insert(address.clone(), question);
        }
        Some(DryRun::Applied { object: merged }) => {
            planned.fields = live.map_or_else(Vec::new, |live| fields::changes(live, merged));
            let owns = |o: &Value| owned_fields(o, &manager(&state.lineage)).is_some();
            // Nothing would change, and what there is is remembered: the words differ, not the object.
            let uncertain = state.uncertain.contains_key(address);
            if planned.fields.is_empty() && known.is_some() && live.is_some_and(owns) && !uncertain {
                diff.unchanged += 1;
            } else {
                if planned.fields.is_empty() && uncertain {
                    // It is as it shall be; applying it once more writes the record that is missing.
                    planned.reason = ActionReason::Uncertain;
                }
                diff.changes.insert(address.clone(), planned);
            }
        }
        Some(DryRun::Conflict { causes }) => diff.conflicts.extend(causes.iter().map(|(field, owner)| Conflict {
            address: address.clone(),
            field: Some(field.clone()),
            owner: owner.clone(),
            hint: "leave the field to its owner (take it out of the manifest), or make the owner give it up".into(),
            origin: resource.origin.clone(),
        })),
        Some(DryRun::Immutable { message }) => {
            planned.action = Action::Replace;
            planned.reason = ActionReason::Immutable { message: message.clone() };
            planned.fields = live.map_or_else(Vec::new, |live| {
                let owned = known.map(|k| super::projection::project(live, &k.owned));
                owned.map_or_else(Vec::new, |before| {
                    fields::changes(&before, object).into_iter().filter(|f| f.before.is_some()).collect()
                })
            });
            diff.changes.insert(address.clone(), planned);
        }
        Some(DryRun::Refused { code, message }) => {
            let mut d = Diagnostic::error("SKY0506", format!("the API server refuses {}: {message}", address.short()))
                .about(address)
                .detail(format!("Cluster {} answered {code} to a dry-run.", address.cluster()));
            if let Some(origin) = &resource.origin {
                d = d.at(origin);
            }
            diff.faults.push(d);
        }
    }
}

/// Whether the annotation names the object itself; labels alone are copied to children.
fn is_ours(object: &Value, lineage: &str, address: &ResourceAddress) -> bool {
    object["metadata"]["annotations"][ADDRESS_ANNOTATION] == identity(lineage, address)
}

/// `Some(true)` when the plan itself makes what the object needs (its kind, its namespace), so that
/// it cannot be tried now; `Some(false)` when nothing serves its kind.
fn makes_possible(
    address: &ResourceAddress,
    kind: &KindRef,
    served: &BTreeMap<String, bool>,
    namespaces: &BTreeMap<String, bool>,
    desired: &Desired,
    object: &Value,
) -> Option<bool> {
    let target = address.object()?;
    if !served.contains_key(&kind.key()) {
        let defined = desired.resources.values().any(|r| match &r.body {
            Body::Object { object: crd, .. } => {
                r.address.cluster() == target.cluster
                    && crd["kind"] == "CustomResourceDefinition"
                    && crd["spec"]["group"] == *target.group
                    && crd["spec"]["names"]["kind"] == object["kind"]
            }
            Body::Cluster { .. } => false,
        });
        return Some(defined);
    }
    match target.namespace.as_ref().map(|n| namespaces.get(n)) {
        Some(None | Some(true)) => Some(true),
        _ => None,
    }
}

fn unserved(resource: &Resource, kind: &KindRef) -> Diagnostic {
    let cluster = resource.address.cluster();
    let mut d =
        Diagnostic::error("SKY0507", format!("cluster `{cluster}` does not serve {} {}", kind.api_version, kind.kind))
            .about(&resource.address)
            .hint("install its CustomResourceDefinition, or add it to the application's sources");
    if let Some(origin) = &resource.origin {
        d = d.at(origin);
    }
    d
}

fn stranger_conflict(resource: &Resource, stranger: &crate::observed::Stranger) -> Conflict {
    let managers = stranger.managers.join(", ");
    let (owner, hint) = match &stranger.lineage {
        Some(lineage) => {
            (format!("skyplan lineage {lineage}"), "it belongs to another skyplan project; rename one of the two")
        }
        None if managers.is_empty() => {
            ("nobody that skyplan knows".into(), "it exists and is not skyplan's; delete or rename it")
        }
        None => (managers, "it exists and is not skyplan's; delete or rename it"),
    };
    Conflict {
        address: resource.address.clone(),
        field: None,
        owner,
        hint: hint.into(),
        origin: resource.origin.clone(),
    }
}

/// Records whose resources shall no longer be.
fn removed(desired: &Desired, state: &State, observed: &Observed, destroy: bool, diff: &mut Diff) {
    for (address, record) in state.records.iter().filter(|(a, _)| !desired.resources.contains_key(a)) {
        let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
        let cluster_goes = !desired.resources.contains_key(&cluster)
            && record_of(state, &cluster).and_then(|(_, _, c)| c).is_some_and(deletes);
        let why = if destroy { ActionReason::Destroyed } else { ActionReason::Removed };
        let mut precondition = Precondition { record_serial: Some(record.serial), ..Precondition::default() };
        let (action, reason) = match &record.detail {
            RecordDetail::Cluster(c) if deletes(c) => match observed.clusters.get(address.cluster()) {
                Some(ClusterObserved::Absent) => (Action::Forget, ActionReason::AlreadyGone),
                _ => (Action::Delete, why),
            },
            RecordDetail::Cluster(_) => {
                // What is on it has to go first, and that cannot be asked for now.
                let silent = !matches!(
                    observed.clusters.get(address.cluster()),
                    Some(ClusterObserved::Reached { .. } | ClusterObserved::Absent)
                );
                if silent && state.records.keys().any(|a| a.cluster() == address.cluster() && a != address) {
                    silence(address.cluster(), observed, diff);
                    continue;
                }
                (Action::Forget, ActionReason::Retained)
            }
            RecordDetail::Object(_) if cluster_goes => (Action::Forget, ActionReason::GoneWithCluster),
            RecordDetail::Object(o) => match observed.clusters.get(address.cluster()) {
                Some(ClusterObserved::Reached { uid, objects, .. }) => {
                    precondition.cluster_uid = Some(uid.clone());
                    precondition.uid = Some(o.uid.clone());
                    let live = objects.get(address).filter(|l| is_ours(l, &state.lineage, address));
                    match live {
                        Some(_) if *uid == o.cluster_uid => {
                            // A namespace goes when nothing is left in it, not with a component.
                            let moved =
                                !o.components.is_empty() && desired.resources.keys().any(|a| same_object(a, address));
                            (Action::Delete, if moved { ActionReason::Moved } else { why })
                        }
                        _ => (Action::Forget, ActionReason::AlreadyGone),
                    }
                }
                Some(ClusterObserved::Absent) => (Action::Forget, ActionReason::AlreadyGone),
                _ => {
                    silence(address.cluster(), observed, diff);
                    continue;
                }
            },
        };
        let api_version = match &record.detail {
            RecordDetail::Object(o) => o.api_version.clone(),
            RecordDetail::Cluster(_) => String::new(),
        };
        diff.changes.insert(
            address.clone(),
            Change {
                precondition,
                requires: record.depends_on.clone(),
                api_version,
                ..Change::new(address.clone(), action, reason)
            },
        );
    }
}

/// Notes that a cluster could not be compared.
fn silence(name: &str, observed: &Observed, diff: &mut Diff) {
    diff.complete = false;
    let why = match observed.clusters.get(name) {
        Some(ClusterObserved::Unreachable { why }) => format!("{}. {}", why.summary, why.detail),
        _ => "it was not asked".into(),
    };
    let text = format!("cluster {name} was not compared: {why}").trim_end().to_owned();
    let note = Note { topic: "unreachable".into(), text };
    if !diff.notes.contains(&note) {
        diff.notes.push(note);
    }
}

/// Existing clusters that are not the ones that the state knows.
pub(super) fn strangers(state: &State, observed: &Observed) -> Diagnostics {
    let clusters = state.records.iter().filter_map(|(address, record)| match &record.detail {
        RecordDetail::Cluster(c) if c.driver == ClusterDriver::Existing => Some((address, record, c)),
        _ => None,
    });
    clusters
        .filter_map(|(address, record, c)| {
            let fault = another(address.cluster(), &c.uid, observed)?;
            Some(record.origin.iter().fold(fault, |d, origin| d.at(origin)))
        })
        .collect()
}

/// The fault of an existing cluster that answers under the name of another.
fn another(name: &str, uid: &str, observed: &Observed) -> Option<Diagnostic> {
    match observed.clusters.get(name) {
        Some(ClusterObserved::Reached { uid: found, .. }) if found != uid => Some(
            Diagnostic::error("SKY0505", format!("cluster `{name}` is not the one that skyplan knows"))
                .about(format!("cluster/{name}"))
                .detail(format!("Its kube-system has uid {found}; the state remembers {uid}."))
                .hint("if the kubeconfig points at the wrong cluster, mend it; if the cluster was rebuilt, give it another name"),
        ),
        _ => None,
    }
}

/// Whether a cluster is deleted when its document goes.
fn deletes(record: &ClusterRecord) -> bool {
    record.driver == ClusterDriver::Local && record.deletion_policy == DeletionPolicy::Delete
}

/// What an apply that was cut off may have made, and what carries our marks, though no record knows
/// it and nobody wants it.
fn orphans(desired: &Desired, state: &State, observed: &Observed, diff: &mut Diff) {
    let unwanted =
        |address: &ResourceAddress| !desired.resources.contains_key(address) && !state.records.contains_key(address);
    for (address, uncertain) in state.uncertain.iter().filter(|(a, _)| unwanted(a)) {
        let ours = uncertain.connection.as_ref().is_some_and(|c| c.driver == ClusterDriver::Local);
        let action = match (address, observed.clusters.get(address.cluster())) {
            (
                ResourceAddress::Cluster(_),
                Some(ClusterObserved::Reached { .. } | ClusterObserved::Unreachable { .. }),
            ) if ours => Action::Delete,
            (ResourceAddress::Object(_), Some(ClusterObserved::Reached { objects, .. }))
                if objects.contains_key(address) =>
            {
                continue;
            }
            (ResourceAddress::Object(_), Some(ClusterObserved::Unreachable { .. })) => continue,
            // It never came to be, or is gone.
            _ => Action::Forget,
        };
        let mut gone = leftover(address, action, Precondition::default(), uncertain.api_version.clone());
        if action == Action::Forget {
            gone.reason = ActionReason::AlreadyGone;
        }
        diff.changes.insert(address.clone(), gone);
    }
    for (name, cluster) in &observed.clusters {
        let ClusterObserved::Reached { objects, uid, .. } = cluster else { continue };
        for (address, object) in objects {
            if !unwanted(address) || !is_ours(object, &state.lineage, address) {
                continue;
            }
            let text = |v: &Value| v.as_str().map(str::to_owned);
            let precondition = Precondition {
                uid: text(&object["metadata"]["uid"]),
                cluster_uid: Some(uid.clone()),
                ..Precondition::default()
            };
            let cluster = ResourceAddress::Cluster(name.clone());
            let goes = diff.changes.get(&cluster).is_some_and(|c| c.action == Action::Delete);
            if state.uncertain.contains_key(address) {
                let api_version = text(&object["apiVersion"]).unwrap_or_default();
                let mut left = leftover(address, Action::Delete, precondition, api_version);
                if goes {
                    left.action = Action::Forget;
                    left.reason = ActionReason::GoneWithCluster;
                    left.requires = vec![cluster];
                }
                diff.changes.insert(address.clone(), left);
            } else if goes {
                // Nobody will miss it.
            } else {
                diff.notes.push(Note {
                    topic: "orphan".into(),
                    text: format!(
                        "{} on {name} carries this project's marks, but no record knows it; it is left alone",
                        address.short()
                    ),
                });
            }
        }
    }
}

/// The end of something that an apply left behind when it was cut off.
fn leftover(address: &ResourceAddress, action: Action, precondition: Precondition, api_version: String) -> Change {
    Change { precondition, api_version, ..Change::new(address.clone(), action, ActionReason::Uncertain) }
}
