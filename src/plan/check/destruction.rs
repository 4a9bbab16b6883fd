//! What goes: that it is still what was meant, that somebody said it may, and that it is not to stay.

use super::{Checker, acts};
use crate::{
    address::ResourceAddress,
    compile::model::Protection,
    plan::change::{Action, ActionReason, Change},
    spec::{ClusterDriver, DeletionPolicy},
    state::RecordDetail,
};

impl Checker<'_> {
    pub(super) fn destruction(&mut self) {
        for change in &self.plan.changes {
            self.preconditions(change);
            self.retained(change);
            self.kind_of_plan(change);
            let somewhere = !matches!(change.address, ResourceAddress::Null(_));
            if somewhere && acts(change) && !self.plan.clusters.contains_key(change.address.cluster()) {
                self.error("connection", &change.address, "the plan does not say how its cluster is reached");
            }
            if change.action == Action::Replace {
                self.downtime(change);
            }
        }
        self.guards();
    }

    /// What is changed or deleted is held to be the one that was looked at.
    fn preconditions(&mut self, change: &Change) {
        let p = &change.precondition;
        let of_object = change.address.object().is_some();
        let held = match change.action {
            Action::Update | Action::Delete | Action::Replace if of_object => {
                p.uid.is_some() && p.cluster_uid.is_some()
            }
            Action::Create if of_object => p.uid.is_none(),
            Action::Update if change.reason == ActionReason::Imported => p.cluster_uid.is_some(),
            // An unreachable one is asked when it answers: its record says who it is.
            Action::Update | Action::Replace => p.record_serial.is_some(),
            Action::Delete => p.record_serial.is_some() || change.reason == ActionReason::Uncertain,
            _ => true,
        };
        if !held {
            self.error("precondition", &change.address, "nothing holds it to what was looked at when it was planned");
        }
        if self.state.is_some() && self.record(&change.address).map(|r| r.serial) != p.record_serial {
            self.error("precondition", &change.address, "it is not based on what is remembered of it");
        }
    }

    /// What is somebody else's, or was to be kept, is not deleted.
    fn retained(&mut self, change: &Change) {
        let deletes = matches!(change.action, Action::Delete | Action::Replace);
        if !deletes {
            return;
        }
        if change.address.object().is_some() {
            let known = match self.record(&change.address).map(|r| &r.detail) {
                Some(RecordDetail::Object(o)) => o.protection,
                _ => Protection::default(),
            };
            if known.prevent_destroy || known.retain && change.action == Action::Delete {
                self.error("retained", &change.address, "its lifecycle is to keep it");
            }
            return;
        }
        if self.plan.clusters.get(change.address.cluster()).is_some_and(|c| c.driver == ClusterDriver::Existing) {
            self.error("retained", &change.address, "it is a cluster that skyplan did not make");
        }
        let policy = match self.record(&change.address).map(|r| &r.detail) {
            Some(RecordDetail::Cluster(c)) => c.deletion_policy,
            _ => DeletionPolicy::Delete,
        };
        if policy != DeletionPolicy::Delete && change.action == Action::Delete {
            self.error("retained", &change.address, "its deletion policy is to keep it");
        }
    }

    /// A plan that destroys only deletes; one that refreshes touches no cluster.
    fn kind_of_plan(&mut self, change: &Change) {
        let plan = self.plan;
        if plan.destroy && !matches!(change.action, Action::Delete | Action::Forget) {
            self.error("kind-of-plan", &change.address, "a plan that destroys makes or changes it");
        }
        if plan.refresh_only && acts(change) {
            self.error("kind-of-plan", &change.address, "a plan that only refreshes the state changes it");
        }
    }

    fn downtime(&mut self, change: &Change) {
        let what = match change.address.object().map(|o| o.kind.as_str()) {
            None if change.address.cluster().is_empty() => return,
            None => "the cluster and all that is on it is down until it is made again",
            Some("DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet") => "it is down until it is made again",
            Some(_) => return,
        };
        self.warning("downtime", &change.address, what);
    }

    /// What cannot be had back is named in the plan's guards.
    fn guards(&mut self) {
        if self.plan.destroy {
            return;
        }
        let mut gone = 0;
        for change in &self.plan.changes {
            let precious = match &change.address {
                ResourceAddress::Cluster(_) => true,
                ResourceAddress::Null(_) => false,
                ResourceAddress::Object(o) => matches!(
                    o.kind.as_str(),
                    "CustomResourceDefinition" | "Namespace" | "PersistentVolume" | "PersistentVolumeClaim"
                ),
            };
            let deletes = change.action == Action::Delete || change.action == Action::Replace && precious;
            let name = match &change.address {
                ResourceAddress::Cluster(name) | ResourceAddress::Null(name) => name,
                ResourceAddress::Object(o) => &o.name,
            };
            if deletes && precious && !self.plan.guards.iter().any(|g| g.contains(name.as_str())) {
                self.error("guard", &change.address, "it is deleted, and nobody is asked for a word");
            }
            gone += usize::from(deletes && change.reason != ActionReason::Moved);
        }
        let recorded = self.state.map_or(usize::MAX, |s| s.records.len());
        if gone >= 3 && gone.saturating_mul(5) > recorded && self.plan.guards.is_empty() {
            self.error_of_plan(
                "guard",
                format!("it deletes {gone} of {recorded} resources, and nobody is asked for a word"),
            );
        }
    }
}
