//! What must be done before what: edges among the changes of one plan.
//!
//! Makes run before what needs them; deletes run after what needed them is gone; what is forgotten
//! with a cluster is forgotten once the cluster is gone.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Action, ActionReason, Change};
use crate::address::ResourceAddress;

/// Changes of the same object on any cluster.
type Twins<'a> = BTreeMap<Identity<'a>, Vec<&'a Change>>;

/// Fills `depends_on` of every change.
pub(super) fn order(changes: &mut BTreeMap<ResourceAddress, Change>) {
    let edges = edges(changes);
    for (address, before) in edges {
        if let Some(change) = changes.get_mut(&address) {
            change.depends_on = before.into_iter().collect();
        }
    }
}

fn edges(changes: &BTreeMap<ResourceAddress, Change>) -> BTreeMap<ResourceAddress, BTreeSet<ResourceAddress>> {
    let mut edges: BTreeMap<ResourceAddress, BTreeSet<ResourceAddress>> = BTreeMap::new();
    let mut made: Twins<'_> = BTreeMap::new();
    for change in changes.values().filter(|c| !c.goes()) {
        if let Some(identity) = identity(&change.address) {
            made.entry(identity).or_default().push(change);
        }
    }
    let elsewhere = |address: &ResourceAddress| -> Vec<ResourceAddress> {
        let twins = identity(address).and_then(|i| made.get(&i)).into_iter().flatten();
        twins.filter(|c| c.address.cluster() != address.cluster()).map(|c| c.address.clone()).collect()
    };
    for (address, change) in changes {
        for required in &change.requires {
            let Some(other) = changes.get(required) else { continue };
            if shrinks(other) {
                edges.entry(required.clone()).or_default().insert(address.clone());
                continue;
            }
            match (change.goes(), other.goes()) {
                (false, false) => edges.entry(address.clone()).or_default().insert(required.clone()),
                // With its cluster: remembered until the cluster is really gone.
                (true, true) if change.reason == ActionReason::GoneWithCluster => {
                    matches!(required, ResourceAddress::Cluster(_))
                        && edges.entry(address.clone()).or_default().insert(required.clone())
                }
                (true, false) if change.reason == ActionReason::GoneWithCluster => {
                    other.action == Action::Replace
                        && edges.entry(address.clone()).or_default().insert(required.clone())
                }
                // Of two records that each want the other there first, the later one knows.
                (true, true) if other.requires.contains(address) && is_older(change, other) => false,
                (true, true) => edges.entry(required.clone()).or_default().insert(address.clone()),
                _ => false,
            };
        }
        // What goes with its cluster and is made elsewhere: the cluster waits for that. One that is made
        // anew does not: what is on it may be needed elsewhere.
        if change.reason == ActionReason::GoneWithCluster {
            let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
            if changes.get(&cluster).is_some_and(Change::goes) {
                edges.entry(cluster).or_default().extend(elsewhere(address));
            }
        }
        // A component that moves is deleted where it was only once it is up where it goes.
        if change.reason == ActionReason::Moved && change.action == Action::Delete {
            edges.entry(address.clone()).or_default().extend(elsewhere(address));
        }
    }
    edges
}

/// Whether what a change is based on was remembered before what another one is based on.
fn is_older(change: &Change, other: &Change) -> bool {
    let of = |c: &Change| (c.precondition.record_serial, c.address.clone());
    of(change) < of(other)
}

/// Whether an update of a cluster only takes nodes away: it comes last there, when nothing needs them.
pub(super) fn shrinks(change: &Change) -> bool {
    is_of_nodes(change)
        && change.fields.iter().all(|f| f.path.starts_with("nodes") && count(&f.after) <= count(&f.before))
}

/// Whether an update of a cluster takes nodes away.
pub(super) fn takes_nodes(change: &Change) -> bool {
    is_of_nodes(change)
        && change.fields.iter().any(|f| f.path.starts_with("nodes") && count(&f.after) < count(&f.before))
}

fn is_of_nodes(change: &Change) -> bool {
    change.action == Action::Update
        && matches!(change.address, ResourceAddress::Cluster(_))
        && !change.fields.is_empty()
}

fn count(value: &Option<serde_json::Value>) -> Option<u64> {
    value.as_ref().map_or(Some(0), serde_json::Value::as_u64)
}

/// An object's name without its cluster: group, kind, namespace, name.
pub(super) type Identity<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

/// What tells an object from others on its cluster.
pub(super) fn identity(address: &ResourceAddress) -> Option<Identity<'_>> {
    address.object().map(|o| (o.group.as_str(), o.kind.as_str(), o.namespace.as_deref(), o.name.as_str()))
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
