//! What comes before what, by a walk of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, acts, stays};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    plan::change::{Action, ActionReason, Change, CheckSeverity},
};

type Name<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

fn name(o: &ObjectAddress) -> Name<'_> {
    (&o.group, &o.kind, o.namespace.as_deref(), &o.name)
}

impl<'a> Checker<'a> {
    pub(super) fn graph(&mut self) {
        self.once();
        self.dangling();
        self.circle();
        self.needs();
        self.moves();
        self.clusters();
        self.untried();
    }

    /// Every resource changes once, and the list is sorted.
    fn once(&mut self) {
        for pair in self.plan.changes.windows(2) {
            if pair[0].address >= pair[1].address {
                let text = if pair[0].address == pair[1].address { "it changes twice" } else { "it is out of order" };
                self.error("once", &pair[1].address, text);
            }
        }
    }

    /// What is waited for is in the plan.
    fn dangling(&mut self) {
        for change in &self.plan.changes {
            for before in &change.depends_on {
                if !self.changes.contains_key(before) {
                    self.error(
                        "dangling",
                        &change.address,
                        format!("it waits for {before}, which the plan does not change"),
                    );
                }
            }
        }
    }

    /// Nothing waits for itself: what waits for nothing is taken away until nothing is left.
    fn circle(&mut self) {
        let mut left: BTreeMap<&ResourceAddress, usize> = BTreeMap::new();
        let mut waiters: BTreeMap<&ResourceAddress, Vec<&ResourceAddress>> = BTreeMap::new();
        for change in self.changes.values().copied() {
            let known: BTreeSet<_> = change.depends_on.iter().filter(|b| self.changes.contains_key(b)).collect();
            left.insert(&change.address, known.len());
            for before in known {
                waiters.entry(before).or_default().push(&change.address);
            }
        }
        let mut free: Vec<&ResourceAddress> = left.iter().filter(|(_, n)| **n == 0).map(|(a, _)| *a).collect();
        while let Some(address) = free.pop() {
            left.remove(address);
            for waiter in waiters.get(address).into_iter().flatten() {
                if let Some(n) = left.get_mut(waiter) {
                    *n = n.saturating_sub(1);
                    if *n == 0 {
                        free.push(waiter);
                    }
                }
            }
        }
        let first = left.keys().next().copied();
        if let Some(address) = first {
            self.error("circle", address, "it waits for itself, directly or through others");
        }
    }

    /// Whether a change waits for another, by however many steps.
    fn waits(&self, late: &Change, early: &ResourceAddress) -> bool {
        if late.depends_on.contains(early) {
            return true;
        }
        let mut seen: BTreeSet<&ResourceAddress> = BTreeSet::new();
        let mut open: Vec<&ResourceAddress> = late.depends_on.iter().collect();
        while let Some(address) = open.pop() {
            if address == early {
                return true;
            }
            if seen.insert(address) {
                open.extend(self.changes.get(address).into_iter().flat_map(|c| &c.depends_on));
            }
        }
        false
    }

    /// Makes after what they need, deletes before what they needed.
    fn needs(&mut self) {
        for change in &self.plan.changes {
            for needed in &change.requires {
                let Some(other) = self.changes.get(needed).copied() else { continue };
                let (stay, there) = (stays(change), stays(other));
                if stay && matches!(other.action, Action::Delete | Action::Forget) {
                    self.error("needed", needed, format!("it goes, but {} needs it", change.address));
                } else if stay
                    && matches!(other.action, Action::Create | Action::Replace)
                    && !self.waits(change, needed)
                {
                    self.error("order", &change.address, format!("it does not wait for {needed}, which it needs"));
                } else if stay && there && !self.waits(change, needed) && !self.waits(other, &change.address) {
                    self.error("order", &change.address, format!("it and {needed}, which it needs, come in any order"));
                } else if change.action == Action::Delete
                    && other.action == Action::Delete
                    && !self.waits(other, &change.address)
                {
                    self.error(
                        "order",
                        needed,
                        format!("it goes without waiting for {}, which needs it", change.address),
                    );
                }
            }
        }
    }

    /// What moves is up where it goes before it is deleted where it was.
    fn moves(&mut self) {
        let mut twins: BTreeMap<Name<'_>, Vec<&'a ResourceAddress>> = BTreeMap::new();
        let recorded = self.state.into_iter().flat_map(|s| s.records.keys());
        for address in self.plan.changes.iter().map(|c| &c.address).chain(recorded) {
            if let Some(object) = address.object() {
                twins.entry(name(object)).or_default().push(address);
            }
        }
        let moved = self.plan.changes.iter().filter(|c| c.reason == ActionReason::Moved && c.action == Action::Delete);
        for change in moved {
            let Some(object) = change.address.object() else { continue };
            let all = twins.get(&name(object)).into_iter().flatten().copied();
            let others: Vec<&ResourceAddress> = all.filter(|a| a.cluster() != change.address.cluster()).collect();
            let made: Vec<&Change> =
                others.iter().filter_map(|a| self.changes.get(a)).copied().filter(|c| stays(c)).collect();
            let late: Vec<&&Change> = made.iter().filter(|c| !self.waits(change, &c.address)).collect();
            if let Some(first) = late.first() {
                let text = format!("it is deleted without waiting for {}, which takes its place", first.address);
                self.error("move", &change.address, text);
            }
            let stands = others.iter().any(|a| !self.changes.contains_key(a));
            if made.is_empty() && !stands && self.state.is_some() {
                self.error("move", &change.address, "it is said to move, but it is nowhere else");
            }
            let data = made.iter().any(|c| has_claims(c)) || object.kind == "PersistentVolumeClaim";
            if data {
                self.warning(
                    "data-stays",
                    &change.address,
                    "it moves away from its volumes: what is on them does not move",
                );
            }
        }
    }

    /// What is on a cluster comes after it is made, and goes before it is deleted.
    fn clusters(&mut self) {
        for change in self.plan.changes.iter().filter(|c| acts(c) && c.address.object().is_some()) {
            let name = change.address.cluster();
            match self.change_of_cluster(name) {
                Some(cluster) if matches!(cluster.action, Action::Delete | Action::Forget) => {
                    if stays(change) {
                        self.error(
                            "cluster-goes",
                            &change.address,
                            "its cluster goes, and it is made or changed there",
                        );
                    } else if !self.waits(cluster, &change.address) {
                        self.error(
                            "cluster-goes",
                            &cluster.address,
                            format!("it goes without waiting for {}", change.address),
                        );
                    }
                }
                Some(cluster)
                    if matches!(cluster.action, Action::Create | Action::Replace)
                        && stays(change)
                        && !self.waits(change, &cluster.address) =>
                {
                    self.error("cluster-missing", &change.address, "it does not wait for its cluster to be made");
                }
                Some(_) => {}
                None if stays(change) && self.state.is_some() && self.cluster_record(name).is_none() => {
                    self.error(
                        "cluster-missing",
                        &change.address,
                        "its cluster is not there, and the plan does not make it",
                    );
                }
                None => {}
            }
        }
    }
}

impl Checker<'_> {
    /// What a cluster that stands could not be asked about.
    fn untried(&mut self) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for change in self.plan.changes.iter().filter(|c| c.unverified) {
            *counts.entry(change.address.cluster()).or_default() += 1;
        }
        for (name, count) in counts {
            let stands = self.change_of_cluster(name).is_none_or(|c| match c.action {
                Action::Create => c.precondition.cluster_uid.is_some(),
                action => action == Action::Update,
            });
            if stands {
                let what = if count == 1 { "1 change".into() } else { format!("{count} changes") };
                let text = format!("{what} could not be tried there: the plan itself makes what they need");
                let address = ResourceAddress::Cluster(name.to_owned());
                self.say(CheckSeverity::Note, "untried", Some(&address), text);
            }
        }
    }
}

/// Whether it asks for volumes of its own.
fn has_claims(change: &Change) -> bool {
    let claims = match &change.after {
        Some(crate::plan::change::Target::Object { object, .. }) => object["spec"]["volumeClaimTemplates"].as_array(),
        _ => None,
    };
    claims.is_some_and(|c| !c.is_empty())
}
