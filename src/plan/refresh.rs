//! What is remembered, brought up to date: resources that are gone are forgotten, uncertain ones are
//! settled, drift is told. Nothing on a cluster changes.
//!
//! Knows the state and what was observed; nothing of the specs but how their clusters are reached.

use serde_json::Value;

use super::{
    change::{Action, ActionReason, Change, Note, Precondition},
    desired::manager,
    diff::{Diff, is_ours, silence},
    projection::{is_projection, owned_fields, projection_digest},
};
use crate::{
    address::ResourceAddress,
    observed::{ClusterObserved, Observed},
    packed::Packed,
    spec::DeletionPolicy,
    state::{ClusterRecord, ObjectRecord, Record, RecordDetail, State, replay::Uncertain},
};

/// Compares the state with the world.
pub(super) fn refresh(state: &State, observed: &Observed) -> Diff {
    // What nobody was asked about is not known to be gone.
    let mut diff = Diff { complete: true, blind: observed.offline, ..Diff::default() };
    for (address, record) in &state.records {
        let refresh = Refresh { state, address, record: Some(record), uncertain: state.uncertain.get(address) };
        match &record.detail {
            RecordDetail::Cluster(c) => refresh.cluster(Some(c), observed, &mut diff),
            RecordDetail::Object(o) => refresh.object(Some(o), observed, &mut diff),
            // Nobody can be asked; what an apply that was cut off has made, the next one finds.
            RecordDetail::Null(_) => {}
        }
    }
    for (address, uncertain) in state.uncertain.iter().filter(|(a, _)| !state.records.contains_key(a)) {
        let refresh = Refresh { state, address, record: None, uncertain: Some(uncertain) };
        match address {
            ResourceAddress::Cluster(_) => refresh.cluster(None, observed, &mut diff),
            ResourceAddress::Object(_) => refresh.object(None, observed, &mut diff),
            ResourceAddress::Null(_) => {}
        }
    }
    diff
}

/// One resource.
struct Refresh<'a> {
    state: &'a State,
    address: &'a ResourceAddress,
    record: Option<&'a Record>,
    uncertain: Option<&'a Uncertain>,
}

impl Refresh<'_> {
    fn change(&self, action: Action, reason: ActionReason) -> Change {
        let precondition = Precondition { record_serial: self.record.map(|r| r.serial), ..Precondition::default() };
        Change {
            precondition,
            origin: self.record.and_then(|r| r.origin.clone()),
            ..Change::new(self.address.clone(), action, reason)
        }
    }

    fn forget(&self, diff: &mut Diff) {
        diff.changes.insert(self.address.clone(), self.change(Action::Forget, ActionReason::AlreadyGone));
    }

    fn remember(&self, reason: ActionReason, detail: RecordDetail, diff: &mut Diff) {
        let record = match self.record {
            Some(record) => Record { serial: 0, detail, ..record.clone() },
            // What must go after it, as far as its name tells.
            None => Record { serial: 0, detail, depends_on: self.address.surroundings(), origin: None },
        };
        let import = Change { record: Some(Box::new(record)), ..self.change(Action::Import, reason) };
        diff.changes.insert(self.address.clone(), import);
    }

    fn cluster(&self, record: Option<&ClusterRecord>, observed: &Observed, diff: &mut Diff) {
        let name = self.address.cluster();
        let uid = match observed.clusters.get(name) {
            Some(ClusterObserved::Reached { uid, pools, .. }) => {
                let differs = |r: &&ClusterRecord| {
                    r.uid == *uid && r.pools.iter().any(|p| pools.get(&p.name).copied().unwrap_or(0) != p.count)
                };
                if !pools.is_empty() && record.filter(differs).is_some() {
                    let text = format!("cluster {name} has another number of nodes than skyplan made");
                    diff.notes.push(Note { topic: "drift".into(), text });
                }
                uid
            }
            Some(ClusterObserved::Unreachable { .. }) => return silence(name, observed, diff),
            None if observed.offline => return silence(name, observed, diff),
            Some(ClusterObserved::Absent) | None => return self.forget(diff),
        };
        let other = record.is_some_and(|r| r.uid != *uid);
        if !other && self.uncertain.is_none() {
            diff.unchanged += 1;
            return;
        }
        let detail = match (record, self.uncertain.and_then(|u| u.connection.as_ref())) {
            (Some(record), _) => ClusterRecord { uid: uid.clone(), ..record.clone() },
            (None, Some(connection)) => ClusterRecord {
                driver: connection.driver,
                kubeconfig: connection.kubeconfig.clone(),
                context: connection.context.clone(),
                uid: uid.clone(),
                // What its nodes are is not seen: the next plan makes them what they shall be.
                pools: Vec::new(),
                deletion_policy: DeletionPolicy::default(),
                networks: observed.networks.get(name).copied().unwrap_or_default(),
            },
            (None, None) => return self.forget(diff),
        };
        let reason = if other { ActionReason::ClusterReplaced } else { ActionReason::Uncertain };
        self.remember(reason, RecordDetail::Cluster(detail), diff);
    }

    fn object(&self, record: Option<&ObjectRecord>, observed: &Observed, diff: &mut Diff) {
        let name = self.address.cluster();
        let (cluster_uid, objects) = match observed.clusters.get(name) {
            Some(ClusterObserved::Reached { uid, objects, .. }) => (uid, objects),
            Some(ClusterObserved::Unreachable { .. }) => return silence(name, observed, diff),
            None if observed.offline => return silence(name, observed, diff),
            Some(ClusterObserved::Absent) | None => return self.forget(diff),
        };
        let recorded = |o: &Value| record.is_some_and(|r| o["metadata"]["uid"] == r.uid);
        let ours = |o: &Value| is_ours(o, self.state, self.address) || recorded(o);
        let live = objects.get(self.address).map(Packed::unpack).filter(ours);
        let Some(live) =
            live.as_ref().filter(|_| self.uncertain.is_some() || record.is_some_and(|r| r.cluster_uid == *cluster_uid))
        else {
            // What has run to its end may clean up after itself.
            if record.is_some_and(|r| r.done && r.cluster_uid == *cluster_uid) && self.uncertain.is_none() {
                diff.unchanged += 1;
                return;
            }
            return self.forget(diff);
        };
        let owned = owned_fields(live, &manager(&self.state.lineage)).cloned().unwrap_or_default();
        let seen = |owned: &Value| projection_digest(live, owned);
        let same = record.filter(|r| live["metadata"]["uid"] == *r.uid && r.cluster_uid == *cluster_uid);
        let as_sent =
            same.filter(|r| is_projection(&r.projection, live, &r.owned.unpack()) && r.owned.unpack() == owned);
        match (same, self.uncertain) {
            (Some(record), None) => {
                diff.unchanged += 1;
                let ours = record.owned.unpack();
                if !is_projection(&record.projection, live, &ours) {
                    let text = drift(self.address, live, &ours, &owned);
                    diff.notes.push(Note { topic: "drift".into(), text });
                }
            }
            _ => {
                let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                let detail = ObjectRecord {
                    api_version: text(&live["apiVersion"]),
                    uid: text(&live["metadata"]["uid"]),
                    cluster_uid: cluster_uid.clone(),
                    // Nobody knows what was sent last, but where nothing of it has changed.
                    sent: as_sent.map(|r| r.sent.clone()).unwrap_or_default(),
                    projection: seen(&owned),
                    owned: owned.into(),
                    // Whether it ever became ready is for the next apply to find out.
                    unready: as_sent.is_none_or(|r| r.unready),
                    left: as_sent.map(|r| r.left.clone()).unwrap_or_default(),
                    components: record.map(|r| r.components.clone()).unwrap_or_default(),
                    done: as_sent.is_some_and(|r| r.done),
                    protection: record.map(|r| r.protection).unwrap_or_default(),
                };
                let reason = if self.uncertain.is_some() { ActionReason::Uncertain } else { ActionReason::Drifted };
                self.remember(reason, RecordDetail::Object(detail), diff);
            }
        }
    }
}

/// Which of our fields are no longer as we set them, and whose they are now.
fn drift(address: &ResourceAddress, live: &Value, ours: &Value, now: &Value) -> String {
    let mut lost = Vec::new();
    walk(ours, now, &mut Vec::new(), &mut lost);
    let entries = live["metadata"]["managedFields"].as_array();
    let mut fields: Vec<String> = lost
        .iter()
        .map(|path| {
            let owns = |e: &&Value| path.iter().try_fold(&e["fieldsV1"], |at, key| at.get(key)).is_some();
            let owner = entries.into_iter().flatten().find(owns).and_then(|e| e["manager"].as_str());
            let by = owner.map_or_else(|| " (gone)".to_owned(), |m| format!(" (by {m})"));
            format!("{}{by}", words(path))
        })
        .collect();
    fields.dedup();
    let list = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
    format!("{} on {} was changed outside of skyplan{list}", address.short(), address.cluster())
}

/// Paths of a field set that another lacks.
fn walk(ours: &Value, now: &Value, path: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    for (key, below) in ours.as_object().into_iter().flatten().filter(|(key, _)| *key != ".") {
        path.push(key.clone());
        match now.get(key) {
            Some(there) => walk(below, there, path, out),
            None => out.push(path.clone()),
        }
        path.pop();
    }
}

/// A path of a field set as people read it: `spec.template.spec.containers[name=web].image`.
fn words(path: &[String]) -> String {
    let mut text = String::new();
    for key in path {
        if let Some(name) = key.strip_prefix("f:") {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(name);
        } else if let Some(keys) = key.strip_prefix("k:").and_then(|k| serde_json::from_str::<Value>(k).ok()) {
            let shown = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            let pairs = keys.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", shown(v)));
            text.push_str(&format!("[{}]", pairs.collect::<Vec<_>>().join(",")));
        } else {
            text.push_str(&format!("[{}]", key.split_once(':').map_or(key.as_str(), |(_, v)| v)));
        }
    }
    text
}
