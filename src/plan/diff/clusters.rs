//! Clusters that shall be: made, changed, made anew; and whether what answers is who it was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Diff, Sides, Standing, change, record_of, silence};
use crate::{
    address::ResourceAddress,
    diagnostic::{Diagnostic, Diagnostics},
    network::Networks,
    observed::{ClusterObserved, Observed},
    plan::{
        change::{Action, ActionReason, Change, Conflict, FieldChange, Precondition},
        desired::{Desired, Resource},
        fields,
    },
    spec::{ClusterDriver, DeletionPolicy},
    state::{ClusterRecord, RecordDetail, State, record::NodePoolState},
};

/// What a cluster shall be.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) pools: &'a [NodePoolState],
    pub(super) policy: DeletionPolicy,
    pub(super) networks: &'a Networks,
}

impl Wanted<'_> {
    /// Whether what is remembered says otherwise; how it is reached is another matter.
    fn differs(&self, record: &ClusterRecord) -> bool {
        record.pools != *self.pools || record.deletion_policy != self.policy || self.renumbers(record)
    }

    fn renumbers(&self, record: &ClusterRecord) -> bool {
        record.networks() != *self.networks
    }

    /// Node counts and networks that change, as fields.
    fn changes(&self, record: &ClusterRecord) -> Vec<FieldChange> {
        let tree = |pools: &[NodePoolState], networks: Networks| {
            let counts: serde_json::Map<String, Value> =
                pools.iter().map(|p| (p.name.clone(), Value::from(p.count))).collect();
            serde_json::json!({ "nodes": counts, "network": networks })
        };
        fields::changes(&tree(&record.pools, record.networks()), &tree(self.pools, *self.networks))
    }
}

/// Compares a cluster, and says how it stands to what shall be on it.
pub(super) fn cluster<'a>(resource: &Resource, wanted: Wanted<'_>, sides: Sides<'a>, diff: &mut Diff) -> Standing<'a> {
    let Sides { desired, state, observed, terms } = sides;
    let pools = wanted.pools;
    let name = resource.address.cluster();
    let record = record_of(state, &resource.address).and_then(|(r, _, c)| Some((r, c?)));
    let record_serial = record.map(|(r, _)| r.serial);
    let driver = desired.connections.get(name).map_or(ClusterDriver::Existing, |c| c.driver);
    let found = observed.clusters.get(name);
    let stands = matches!(found, Some(ClusterObserved::Reached { .. } | ClusterObserved::Unreachable { .. }));
    let ours = record.is_some() || state.uncertain.contains_key(&resource.address);
    let taken_over =
        matches!(found, Some(ClusterObserved::Reached { .. })) && terms.imports.contains(&resource.address);
    if stands && driver == ClusterDriver::Local && !ours && !taken_over {
        diff.conflicts.push(taken(resource));
        return Standing::Silent;
    }
    let mut add = |action, reason, uid: Option<&str>, fields| {
        let precondition =
            Precondition { record_serial, cluster_uid: uid.map(str::to_owned), ..Precondition::default() };
        diff.changes
            .insert(resource.address.clone(), Change { fields, ..change(resource, action, reason, precondition) });
    };
    match found {
        Some(ClusterObserved::Reached { uid, .. })
            if driver == ClusterDriver::Local && record.is_some() && terms.replace.contains(&resource.address) =>
        {
            add(Action::Replace, ActionReason::Requested, Some(uid), Vec::new());
            Standing::Made
        }
        Some(ClusterObserved::Reached { uid, served, namespaces, objects, pools: live, .. }) => {
            let there = Standing::There { uid, served, namespaces, objects };
            match record {
                None if driver == ClusterDriver::Local && taken_over => {
                    add(Action::Update, ActionReason::Imported, Some(uid), live_nodes(live, pools));
                }
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
                    } else if wanted.differs(record) {
                        let renumbered = wanted.renumbers(record);
                        let reason = if renumbered { ActionReason::SpecChanged } else { ActionReason::NodesChanged };
                        add(Action::Update, reason, Some(uid), wanted.changes(record));
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
        // It was being made, or made anew, when an apply was cut off: nobody knows what is on it.
        Some(ClusterObserved::Unreachable { .. })
            if driver == ClusterDriver::Local
                && (record.is_none() || state.uncertain.contains_key(&resource.address)) =>
        {
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
        None if observed.offline && (record.is_some() || driver == ClusterDriver::Existing) => {
            match record {
                None => add(Action::Create, ActionReason::New, None, Vec::new()),
                Some((_, record)) if wanted.differs(record) => {
                    add(Action::Update, ActionReason::SpecChanged, Some(&record.uid), wanted.changes(record));
                }
                Some(_) => diff.unchanged += 1,
            }
            silence(name, observed, diff);
            if let Some(change) = diff.changes.get_mut(&resource.address) {
                change.unverified = true;
            }
            diff.blind = true;
            Standing::Unasked { uid: record.map(|(_, c)| c.uid.clone()) }
        }
        Some(ClusterObserved::Absent) | None => {
            let reason = if record.is_some() { ActionReason::DeletedOutside } else { ActionReason::New };
            add(Action::Create, reason, None, Vec::new());
            if observed.offline && !observed.clusters.contains_key(name) {
                silence(name, observed, diff);
            }
            Standing::Made
        }
    }
}

/// A local cluster of that name is somebody else's: it would be destroyed with this project.
fn taken(resource: &Resource) -> Conflict {
    let name = resource.address.cluster();
    Conflict {
        address: resource.address.clone(),
        field: None,
        theirs: None,
        ours: None,
        owner: "somebody else: another project, another environment, or whoever made it by hand".into(),
        hint: format!(
            "give this one another name; or use that one as it is with `driver: existing`; or, if it is this project's, \
             `skyplan import cluster/{name}`; or, if nobody needs it, `skyplan local down {name} --delete`"
        ),
        origin: resource.origin.clone(),
    }
}

/// What changes in how a cluster is reached, as fields.
fn access_changes(record: &ClusterRecord, desired: &Desired, name: &str) -> Vec<FieldChange> {
    let tree = |kubeconfig: Option<&String>, context: Option<&String>| serde_json::json!({"existing": {"kubeconfig": kubeconfig, "context": context}});
    let after = desired.connections.get(name);
    fields::changes(
        &tree(record.kubeconfig.as_ref(), record.context.as_ref()),
        &tree(after.and_then(|c| c.kubeconfig.as_ref()), after.and_then(|c| c.context.as_ref())),
    )
}

fn live_nodes(live: &BTreeMap<String, u32>, pools: &[NodePoolState]) -> Vec<FieldChange> {
    let before = serde_json::json!({ "nodes": live });
    let counts: serde_json::Map<String, Value> = pools.iter().map(|p| (p.name.clone(), Value::from(p.count))).collect();
    fields::changes(&before, &serde_json::json!({ "nodes": counts }))
}

/// Existing clusters that are not the ones that the state knows, but for those that somebody says were made anew.
pub(in crate::plan) fn strangers(
    state: &State,
    observed: &Observed,
    replaced: &BTreeSet<ResourceAddress>,
) -> Diagnostics {
    let clusters = state.records.iter().filter_map(|(address, record)| match &record.detail {
        RecordDetail::Cluster(c) if c.driver == ClusterDriver::Existing => Some((address, record, c)),
        _ => None,
    });
    clusters
        .filter(|(address, ..)| !replaced.contains(address))
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
                .hint("if the kubeconfig points at the wrong cluster, mend it")
                .hint(format!(
                    "if the cluster was made anew: `--replace cluster/{name}` makes everything on it anew, too"
                )),
        ),
        _ => None,
    }
}
