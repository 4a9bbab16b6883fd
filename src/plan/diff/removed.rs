//! Records whose resources shall no longer be: deleted where they are, forgotten where they are gone.

use super::{Diff, deletes, is_ours, record_of, silence};
use crate::{
    address::ResourceAddress,
    observed::{ClusterObserved, Observed},
    plan::{
        change::{Action, ActionReason, Change, Precondition},
        desired::Desired,
        order::same_object,
    },
    state::{ClusterRecord, ObjectRecord, Record, RecordDetail, State},
};

/// What happens to a resource, and why.
type Fate = (Action, ActionReason);

/// What a record is compared with.
struct World<'a> {
    desired: &'a Desired,
    state: &'a State,
    observed: &'a Observed,
    /// Why everything goes that nobody wants.
    why: ActionReason,
}

/// Changes of all records that nobody wants any more.
pub(super) fn removed(desired: &Desired, state: &State, observed: &Observed, destroy: bool, diff: &mut Diff) {
    let why = if destroy { ActionReason::Destroyed } else { ActionReason::Removed };
    let world = World { desired, state, observed, why };
    for (address, record) in state.records.iter().filter(|(a, _)| !desired.resources.contains_key(a)) {
        let mut precondition = Precondition { record_serial: Some(record.serial), ..Precondition::default() };
        let fate = match &record.detail {
            RecordDetail::Cluster(c) => world.cluster(address, c),
            RecordDetail::Object(o) => world.object(address, o, &mut precondition),
        };
        let Some((action, reason)) = fate else {
            silence(address.cluster(), observed, diff);
            continue;
        };
        let mut change = gone(address, record, action, reason, precondition);
        if observed.offline && !observed.clusters.contains_key(address.cluster()) {
            change.unverified = true;
            if action == Action::Delete && address.object().is_some() {
                silence(address.cluster(), observed, diff);
                diff.blind = true;
            }
        }
        diff.changes.insert(address.clone(), change);
    }
}

fn gone(
    address: &ResourceAddress,
    record: &Record,
    action: Action,
    reason: ActionReason,
    precondition: Precondition,
) -> Change {
    let api_version = match &record.detail {
        RecordDetail::Object(o) => o.api_version.clone(),
        RecordDetail::Cluster(_) => String::new(),
    };
    Change {
        precondition,
        requires: record.depends_on.clone(),
        api_version,
        ..Change::new(address.clone(), action, reason)
    }
}

impl World<'_> {
    fn observed(&self, address: &ResourceAddress) -> Option<&ClusterObserved> {
        self.observed.clusters.get(address.cluster())
    }

    /// What happens to a cluster; `None` where it has to answer first.
    fn cluster(&self, address: &ResourceAddress, record: &ClusterRecord) -> Option<Fate> {
        let observed = self.observed(address);
        if deletes(record) {
            return Some(match observed {
                Some(ClusterObserved::Absent) => (Action::Forget, ActionReason::AlreadyGone),
                _ => (Action::Delete, self.why.clone()),
            });
        }
        // What is on it has to go first, and that cannot be asked for now.
        let silent = !self.observed.offline
            && !matches!(observed, Some(ClusterObserved::Reached { .. } | ClusterObserved::Absent));
        let holds = || self.state.records.keys().any(|a| a.cluster() == address.cluster() && a != address);
        if silent && holds() { None } else { Some((Action::Forget, ActionReason::Retained)) }
    }

    /// What happens to an object; `None` where its cluster has to answer first.
    fn object(
        &self,
        address: &ResourceAddress,
        record: &ObjectRecord,
        precondition: &mut Precondition,
    ) -> Option<Fate> {
        if self.cluster_goes(address) {
            return Some((Action::Forget, ActionReason::GoneWithCluster));
        }
        let (uid, objects) = match self.observed(address) {
            Some(ClusterObserved::Reached { uid, objects, .. }) => (uid, objects),
            Some(ClusterObserved::Absent) => return Some((Action::Forget, ActionReason::AlreadyGone)),
            None if self.observed.offline => {
                precondition.cluster_uid = Some(record.cluster_uid.clone());
                precondition.uid = Some(record.uid.clone());
                return Some((Action::Delete, self.why.clone()));
            }
            _ => return None,
        };
        precondition.cluster_uid = Some(uid.clone());
        precondition.uid = Some(record.uid.clone());
        let live = objects.get(address).filter(|l| is_ours(l, &self.state.lineage, address));
        if live.is_none() || *uid != record.cluster_uid {
            return Some((Action::Forget, ActionReason::AlreadyGone));
        }
        // A namespace goes when nothing is left in it, not with a component.
        let moved = !record.components.is_empty() && self.desired.resources.keys().any(|a| same_object(a, address));
        Some((Action::Delete, if moved { ActionReason::Moved } else { self.why.clone() }))
    }

    fn cluster_goes(&self, address: &ResourceAddress) -> bool {
        let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
        !self.desired.resources.contains_key(&cluster)
            && record_of(self.state, &cluster).and_then(|(_, _, c)| c).is_some_and(deletes)
    }
}
