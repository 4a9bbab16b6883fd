//! Destruction is explicit: what a plan would take away that nobody gets back by planning again.
//!
//! A typo in a path can make a whole application vanish from the specs. Deletes of clusters,
//! namespaces, definitions and volumes, and of more than a fifth of all that is recorded, need a word
//! of their own. Knows the changes, and how many resources there are.

use super::change::{Action, ActionReason, Change};
use crate::{address::ResourceAddress, quantity::counted};

/// Kinds whose deletion takes more with it than itself.
const PRECIOUS: [&str; 4] = ["CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim"];
/// Deletes of at most one in so many are everyday work.
const ONE_IN: usize = 5;
/// Below this many deletes their share says nothing.
const FEW: usize = 3;

/// Why a plan needs an explicit word, a clause each; empty when it does not.
pub(super) fn guards(changes: &[Change], recorded: usize) -> Vec<String> {
    // What is replaced is deleted too; only of the precious ones nothing is got back.
    let precious = |c: &Change| match &c.address {
        ResourceAddress::Cluster(_) => true,
        ResourceAddress::Null(_) => false,
        ResourceAddress::Object(o) => PRECIOUS.contains(&o.kind.as_str()),
    };
    let deletes: Vec<&Change> =
        changes.iter().filter(|c| c.action == Action::Delete || c.action == Action::Replace && precious(c)).collect();
    let mut reasons: Vec<String> = deletes
        .iter()
        .filter_map(|c| match &c.address {
            ResourceAddress::Cluster(name) => Some(format!("it deletes cluster {name} with all that is on it")),
            ResourceAddress::Object(o) if PRECIOUS.contains(&o.kind.as_str()) => Some(format!(
                "it deletes {} on {} with all that is in it{}",
                c.address.short(),
                o.cluster,
                of_others(c)
            )),
            ResourceAddress::Object(_) | ResourceAddress::Null(_) => None,
        })
        .collect();
    let gone = deletes.iter().filter(|c| c.reason != ActionReason::Moved).count();
    if gone >= FEW && gone * ONE_IN > recorded {
        reasons.push(format!("it deletes {gone} of {recorded} resources"));
    }
    reasons
}

/// What a plan that is meant to destroy takes along that skyplan never made, a clause each.
pub(super) fn strangers(changes: &[Change]) -> Vec<String> {
    let takes = |c: &&Change| c.holds.as_ref().is_some_and(|h| h.count > 0 || !h.unseen.is_empty());
    let words = |c: &Change| {
        format!("{} on {} goes with all that is in it{}", c.address.short(), c.address.cluster(), of_others(c))
    };
    changes.iter().filter(takes).map(words).collect()
}

/// `: ConfigMap notes and 2 more objects are not skyplan's`.
fn of_others(change: &Change) -> String {
    let Some(holds) = &change.holds else { return String::new() };
    let unseen = match holds.unseen.as_slice() {
        [] => String::new(),
        kinds => format!("; nobody may look for {}", kinds.join(", ")),
    };
    let more = holds.count - holds.some.len() as u64;
    let named = match (holds.some.as_slice(), more) {
        ([], _) => return unseen,
        ([one], 0) => format!("{one} is"),
        (some, 0) => format!("{} are", listed(some)),
        (some, more) => format!("{} and {} are", some.join(", "), counted(more, "more object")),
    };
    format!(": {named} not skyplan's{unseen}")
}

/// `a, b and c`.
fn listed(all: &[String]) -> String {
    match all {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        all => all.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delete(address: &str, reason: ActionReason) -> Change {
        Change::new(address.parse().unwrap(), Action::Delete, reason)
    }

    #[test]
    fn what_cannot_be_had_back_needs_a_word() {
        let maps = |n: usize, reason: ActionReason| -> Vec<Change> {
            (0..n).map(|i| delete(&format!("object/a/core/ConfigMap/x/c{i}"), reason.clone())).collect()
        };
        assert_eq!(guards(&maps(2, ActionReason::Removed), 3), [""; 0], "two are few");
        assert_eq!(guards(&maps(4, ActionReason::Removed), 20), [""; 0], "a fifth is not more than a fifth");
        assert_eq!(guards(&maps(5, ActionReason::Removed), 20), ["it deletes 5 of 20 resources"]);
        assert_eq!(guards(&maps(9, ActionReason::Moved), 20), [""; 0], "what moves is not gone");
        let precious =
            [delete("cluster/a", ActionReason::Removed), delete("object/a/core/Namespace/-/x", ActionReason::Removed)];
        assert_eq!(guards(&precious, 100).len(), 2);
        let replaced =
            Change { action: Action::Replace, ..delete("object/a/core/PersistentVolumeClaim/x/v", ActionReason::New) };
        assert_eq!(guards(&[replaced], 100).len(), 1);
    }
}
