//! What must be done before what: edges among the changes of one plan.
//!
//! Makes run before what needs them; deletes run after what needed them is gone; what is forgotten
//! with a cluster is forgotten once the cluster is gone.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Action, ActionReason, Change};
use crate::address::ResourceAddress;

/// Fills `depends_on` of every change.
pub(super) fn order(changes: &mut BTreeMap<ResourceAddress, Change>) {
    let mut edges: BTreeMap<ResourceAddress, BTreeSet<ResourceAddress>> = BTreeMap::new();
    for (address, change) in changes.iter() {
        let goes = matches!(change.action, Action::Delete | Action::Forget);
        for required in &change.requires {
            let Some(other) = changes.get(required) else { continue };
            if shrinks(other) {
                edges.entry(required.clone()).or_default().insert(address.clone());
                continue;
            }
            let other_goes = matches!(other.action, Action::Delete | Action::Forget);
            match (goes, other_goes) {
                (false, false) => edges.entry(address.clone()).or_default().insert(required.clone()),
                // With its cluster: remembered until the cluster is really gone.
                (true, true) if change.reason == ActionReason::GoneWithCluster => {
                    matches!(required, ResourceAddress::Cluster(_))
                        && edges.entry(address.clone()).or_default().insert(required.clone())
                }
                (true, true) => edges.entry(required.clone()).or_default().insert(address.clone()),
                _ => false,
            };
        }
        // What goes with its cluster and is made elsewhere: the cluster waits for that.
        if change.reason == ActionReason::GoneWithCluster {
            let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
            let made = changes.values().filter(|other| {
                !matches!(other.action, Action::Delete | Action::Forget) && same_object(&other.address, address)
            });
            if changes.contains_key(&cluster) {
                edges.entry(cluster).or_default().extend(made.map(|other| other.address.clone()));
            }
        }
        // A component that moves is deleted where it was only once it is up where it goes.
        if change.reason == ActionReason::Moved && change.action == Action::Delete {
            let made = changes.values().filter(|other| {
                !matches!(other.action, Action::Delete | Action::Forget) && same_object(&other.address, address)
            });
            for other in made {
                edges.entry(address.clone()).or_default().insert(other.address.clone());
            }
        }
    }
    for (address, before) in edges {
        if let Some(change) = changes.get_mut(&address) {
            change.depends_on = before.into_iter().collect();
        }
    }
}

/// Whether an update of a cluster only takes nodes away: it comes last there, when nothing needs them.
fn shrinks(change: &Change) -> bool {
    let count = |v: &Option<serde_json::Value>| v.as_ref().map_or(Some(0), serde_json::Value::as_u64);
    change.action == Action::Update
        && matches!(change.address, ResourceAddress::Cluster(_))
        && !change.fields.is_empty()
        && change.fields.iter().all(|f| f.path.starts_with("nodes") && count(&f.after) <= count(&f.before))
}

/// The same object on another cluster.
pub(super) fn same_object(a: &ResourceAddress, b: &ResourceAddress) -> bool {
    match (a.object(), b.object()) {
        (Some(a), Some(b)) => {
            (&a.group, &a.kind, &a.namespace, &a.name) == (&b.group, &b.kind, &b.namespace, &b.name)
                && a.cluster != b.cluster
        }
        _ => false,
    }
}

/// Changes in an order in which everything comes after what it depends on, ties by address; `None`
/// when they go in a circle.
pub fn topological(changes: &[Change]) -> Option<Vec<&Change>> {
    let mut waiting: BTreeMap<&ResourceAddress, (usize, &Change)> =
        changes.iter().map(|c| (&c.address, (c.depends_on.len(), c))).collect();
    let mut followers: BTreeMap<&ResourceAddress, Vec<&ResourceAddress>> = BTreeMap::new();
    for change in changes {
        for before in &change.depends_on {
            followers.entry(before).or_default().push(&change.address);
        }
    }
    let mut ready: BTreeSet<&ResourceAddress> =
        waiting.iter().filter(|(_, (left, _))| *left == 0).map(|(a, _)| *a).collect();
    let mut sorted = Vec::new();
    while let Some(address) = ready.pop_first() {
        let (_, change) = waiting.get(address)?;
        sorted.push(*change);
        for follower in followers.get(address).into_iter().flatten() {
            let (left, _) = waiting.get_mut(*follower)?;
            *left -= 1;
            if *left == 0 {
                ready.insert(*follower);
            }
        }
    }
    (sorted.len() == changes.len()).then_some(sorted)
}
