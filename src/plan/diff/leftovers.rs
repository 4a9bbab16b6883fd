//! What nobody wants and no record knows: left by an apply that was cut off, or marked as ours by hand.

use serde_json::Value;

use super::{Diff, is_ours};
use crate::{
    address::ResourceAddress,
    observed::{ClusterObserved, Observed},
    plan::{
        change::{Action, ActionReason, Change, Note, Precondition},
        desired::Desired,
    },
    spec::ClusterDriver,
    state::State,
};

/// What an apply that was cut off may have made, and what carries our marks, though no record knows
/// it and nobody wants it.
pub(super) fn orphans(desired: &Desired, state: &State, observed: &Observed, diff: &mut Diff) {
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
            if !unwanted(address) {
                continue;
            }
            let object = object.unpack();
            if !is_ours(&object, &state.lineage, address) {
                continue;
            }
            let text = |v: &Value| v.as_str().map(str::to_owned);
            let precondition = Precondition {
                uid: text(&object["metadata"]["uid"]),
                cluster_uid: Some(uid.clone()),
                ..Precondition::default()
            };
            let cluster = ResourceAddress::Cluster(name.clone());
            let goes = diff.changes.get(&cluster).is_some_and(|c| matches!(c.action, Action::Delete | Action::Replace));
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
    // Its cluster is remembered until it is gone.
    let requires = address.surroundings();
    Change { precondition, api_version, requires, ..Change::new(address.clone(), action, ActionReason::Uncertain) }
}
