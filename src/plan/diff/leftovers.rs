//! What nobody wants and no record knows: left by an apply that was cut off, or marked as ours by hand.

use serde_json::Value;

use super::{Diff, Sides, is_ours, removed::holding};
use crate::{
    address::ResourceAddress,
    observed::ClusterObserved,
    plan::change::{Action, ActionReason, Change, Note, Precondition},
    spec::ClusterDriver,
};

/// What an apply that was cut off may have made, and what carries our marks, though no record knows
/// it and nobody wants it.
pub(super) fn orphans(sides: Sides<'_>, diff: &mut Diff) {
    let Sides { desired, state, observed, terms } = sides;
    let let_go = |address: &ResourceAddress| {
        let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
        terms.let_go.contains_key(address) || terms.let_go.contains_key(&cluster)
    };
    let unwanted =
        |address: &ResourceAddress| !desired.resources.contains_key(address) && !state.records.contains_key(address);
    for (address, uncertain) in state.uncertain.iter().filter(|(a, _)| unwanted(a)) {
        if let_go(address) {
            let forget = leftover(address, Action::Forget, Precondition::default(), uncertain.api_version.clone());
            diff.changes.insert(address.clone(), Change { reason: ActionReason::LetGo, ..forget });
            continue;
        }
        let ours = uncertain.connection.as_ref().is_some_and(|c| c.driver == ClusterDriver::Local);
        let action = match (address, observed.clusters.get(address.cluster())) {
            (
                ResourceAddress::Cluster(_),
                Some(ClusterObserved::Reached { .. } | ClusterObserved::Unreachable { .. }),
            ) if ours => Action::Delete,
            // What does not carry our mark was not made by us: our object never came to be.
            (ResourceAddress::Object(_), Some(ClusterObserved::Reached { objects, .. }))
                if objects.get(address).is_some_and(|o| is_ours(&o.unpack(), state, address)) =>
            {
                continue;
            }
            (ResourceAddress::Object(_), Some(ClusterObserved::Unreachable { .. })) => continue,
            // Whoever makes it is asked for what the cut-off apply has made.
            (ResourceAddress::Null(_), _) => Action::Delete,
            // It never came to be, or is gone.
            _ => Action::Forget,
        };
        let mut gone = leftover(address, action, Precondition::default(), uncertain.api_version.clone());
        if action == Action::Forget {
            gone.reason = ActionReason::AlreadyGone;
        }
        ask_what_is_in_it(&mut gone, sides, diff);
        diff.changes.insert(address.clone(), gone);
    }
    for (name, cluster) in &observed.clusters {
        let ClusterObserved::Reached { objects, uid, .. } = cluster else { continue };
        for (address, object) in objects {
            if !unwanted(address) || let_go(address) {
                continue;
            }
            let object = object.unpack();
            if !is_ours(&object, state, address) {
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
                ask_what_is_in_it(&mut left, sides, diff);
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

fn ask_what_is_in_it(change: &mut Change, sides: Sides<'_>, diff: &mut Diff) {
    if change.action != Action::Delete {
        return;
    }
    if let Some(question) = holding(&change.address, sides.state, sides.observed) {
        change.holds = sides.observed.holdings.get(&change.address).cloned();
        if change.holds.is_none() {
            diff.questions.holdings.insert(change.address.clone(), question);
        }
    }
}

/// The end of something that an apply left behind when it was cut off.
fn leftover(address: &ResourceAddress, action: Action, precondition: Precondition, api_version: String) -> Change {
    // Its cluster is remembered until it is gone.
    let requires = address.surroundings();
    Change { precondition, api_version, requires, ..Change::new(address.clone(), action, ActionReason::Uncertain) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::{
        observed::{Connection, Observed},
        plan::{
            desired::{Desired, identity},
            diff::Terms,
        },
        state::{State, replay::Uncertain},
    };

    #[test]
    fn what_a_killed_apply_may_have_made_is_settled_though_nobody_wants_it_any_more() {
        let address: ResourceAddress = "object/a/core/ConfigMap/n/renamed".parse().unwrap();
        let connection = Connection { driver: ClusterDriver::Existing, kubeconfig: None, context: None };
        let left =
            Uncertain { connection: Some(connection), api_version: "v1".into(), begin: 2, ..Uncertain::default() };
        let state = State { lineage: "l".into(), uncertain: [(address.clone(), left)].into(), ..State::default() };
        let planned = |found: Option<Value>| {
            let objects = found.iter().map(|o| (address.clone(), o.into())).collect();
            let reached = ClusterObserved::Reached {
                uid: "u".into(),
                version: String::new(),
                served: BTreeMap::new(),
                namespaces: BTreeMap::new(),
                objects,
                free: Vec::new(),
                pools: BTreeMap::new(),
            };
            let observed = Observed { clusters: [("a".into(), reached)].into(), ..Observed::default() };
            let mut diff = Diff::default();
            let (desired, terms) = (Desired::default(), Terms::default());
            let sides = Sides { desired: &desired, state: &state, observed: &observed, terms: &terms };
            orphans(sides, &mut diff);
            diff.changes.remove(&address).map(|c| (c.action, c.precondition.uid))
        };
        let object = |mark: &str| json!({"metadata": {"uid": "1", "annotations": {"skyplan.io/address": mark}}});
        assert_eq!(planned(None), Some((Action::Forget, None)), "it never came to be");
        let ours = object(&identity("l", &address));
        assert_eq!(planned(Some(ours)), Some((Action::Delete, Some("1".into()))));
        assert_eq!(planned(Some(object("another"))), Some((Action::Forget, None)), "it is somebody else's");
    }
}
