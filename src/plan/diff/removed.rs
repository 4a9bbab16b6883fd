//! Records whose resources shall no longer be: deleted where they are, forgotten where they are gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Diff, Sides, Terms, deletes, is_ours, record_of, silence};
use crate::{
    address::ResourceAddress,
    diagnostic::{Diagnostic, Origin},
    observed::{ClusterObserved, HoldingQuestion, KindRef, Observed},
    packed::Packed,
    plan::{
        change::{Action, ActionReason, Change, Note, Precondition},
        desired::Desired,
        order::{Identity, identity},
        projection::projection_digest,
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
    terms: &'a Terms<'a>,
    /// Objects that shall be, wherever, and where.
    wanted: BTreeMap<Identity<'a>, Vec<&'a ResourceAddress>>,
    /// Clusters that stay for what is on them and cannot go elsewhere now.
    needed: BTreeSet<&'a str>,
}

/// Changes of all records that nobody wants any more.
pub(super) fn removed(sides: Sides<'_>, diff: &mut Diff) {
    let Sides { desired, state, observed, terms } = sides;
    let why = if terms.destroy { ActionReason::Destroyed } else { ActionReason::Removed };
    let mut wanted: BTreeMap<Identity<'_>, Vec<&ResourceAddress>> = BTreeMap::new();
    for address in desired.resources.keys() {
        if let Some(identity) = identity(address) {
            wanted.entry(identity).or_default().push(address);
        }
    }
    let mut world = World { desired, state, observed, why, terms, wanted, needed: BTreeSet::new() };
    let stay = with_what_they_need(state, state.records.keys().filter(|a| world.must_stay(a, diff)).collect());
    world.needed = stay.iter().map(|a| a.cluster()).collect();
    let kept = world.let_go();
    for (address, record) in state.records.iter().filter(|(a, _)| !desired.resources.contains_key(a)) {
        if let Some(origin) = kept.get(address) {
            // Of a namespace that would have stayed for something the thing itself tells.
            if terms.let_go.contains_key(address) && world.cluster_goes(address) {
                diff.faults.push(taken_along(address, *origin));
            }
            let precondition = Precondition { record_serial: Some(record.serial), ..Precondition::default() };
            let written = [address, &ResourceAddress::Cluster(address.cluster().to_owned())]
                .into_iter()
                .any(|a| terms.let_go.contains_key(a));
            let reason = if written || origin.is_some() { ActionReason::LetGo } else { ActionReason::Retained };
            let forget = gone(address, record, Action::Forget, reason, precondition);
            diff.changes.insert(address.clone(), Change { origin: origin.cloned(), ..forget });
            continue;
        }
        let spared = matches!(&record.detail, RecordDetail::Cluster(c) if deletes(c))
            && terms.spared.contains(address.cluster());
        if spared || stay.contains(address) {
            continue;
        }
        if let Some(kind) = world.unlisted(address, record) {
            // Whether it is gone, or has lost its label.
            diff.questions.lookups.insert(address.clone(), kind);
            continue;
        }
        let mut precondition = Precondition { record_serial: Some(record.serial), ..Precondition::default() };
        let fate = match &record.detail {
            RecordDetail::Cluster(c) => world.cluster(address, c),
            RecordDetail::Object(o) => world.object(address, o, &mut precondition),
            RecordDetail::Null(n) => {
                precondition.uid = Some(n.id.clone());
                Some((Action::Delete, world.why.clone()))
            }
        };
        let Some((action, reason)) = fate else {
            silence(address.cluster(), observed, diff);
            let name = address.cluster();
            if !desired.resources.contains_key(&ResourceAddress::Cluster(name.to_owned())) {
                let text = format!(
                    "cluster {name} is no longer in the specs, and has to answer before what is on it can go; if it is gone \
                     for good, let it go: `removed: [cluster/{name}]` of a Refactoring"
                );
                let note = Note { topic: "unreachable".into(), text };
                if !diff.notes.contains(&note) {
                    diff.notes.push(note);
                }
            }
            continue;
        };
        let taken_along = world.protected_in(address, action);
        if let Some((other, record)) = taken_along {
            diff.faults.push(protected(other, record.origin.as_ref(), &format!("go with {}", address.short())));
            continue;
        }
        if is_protected(record)
            && world.is_of_now(address, record)
            && (action == Action::Delete || reason == ActionReason::GoneWithCluster)
        {
            diff.faults.push(protected(address, record.origin.as_ref(), "be deleted"));
            continue;
        }
        let mut change = gone(address, record, action, reason, precondition);
        if observed.offline && !address.cluster().is_empty() && !observed.clusters.contains_key(address.cluster()) {
            change.unverified = true;
            if action == Action::Delete && address.object().is_some() {
                silence(address.cluster(), observed, diff);
                diff.blind = true;
            }
        }
        if change.action == Action::Delete
            && let Some(question) = holding(address, state, observed)
        {
            change.holds = observed.holdings.get(address).cloned();
            if change.holds.is_none() {
                diff.questions.holdings.insert(address.clone(), question);
            }
        }
        diff.changes.insert(address.clone(), change);
    }
}

fn is_protected(record: &Record) -> bool {
    matches!(&record.detail, RecordDetail::Object(o) if o.protection.prevent_destroy)
}

/// The fault of something that must not be deleted, by what was applied last.
pub(super) fn protected(address: &ResourceAddress, origin: Option<&Origin>, fate: &str) -> Diagnostic {
    let fault = Diagnostic::error("SKY0545", format!("{} would {fate}, and is protected", address.short()))
        .about(address)
        .detail("Its lifecycle says `preventDestroy: true`, or said so when it was applied last.")
        .hint("to keep it and no longer manage it: `removed` of a Refactoring")
        .hint("to delete it: apply it once without `preventDestroy`, then take it out");
    origin.into_iter().fold(fault, Diagnostic::at)
}

/// Records with all that they were recorded to depend on.
fn with_what_they_need<'a>(state: &'a State, start: BTreeSet<&'a ResourceAddress>) -> BTreeSet<&'a ResourceAddress> {
    let mut open: Vec<&ResourceAddress> = start.iter().copied().collect();
    let mut seen = start;
    while let Some(address) = open.pop() {
        let needs = state.records.get(address).into_iter().flat_map(|r| &r.depends_on);
        open.extend(needs.filter(|n| seen.insert(n)));
    }
    seen
}

/// The fault of something that is to stay on a cluster that goes.
fn taken_along(address: &ResourceAddress, origin: Option<&Origin>) -> Diagnostic {
    let cluster = address.cluster();
    let fault = Diagnostic::error("SKY0511", format!("{} cannot stay: its cluster {cluster} goes", address.short()))
        .about(address)
        .hint(format!("let the cluster go, too: `cluster/{cluster}` in `removed`"))
        .hint("or delete what is on it with it: take this line out");
    origin.into_iter().fold(fault, Diagnostic::at)
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
        RecordDetail::Cluster(_) | RecordDetail::Null(_) => String::new(),
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
        let live = objects.get(address).map(Packed::unpack);
        let live = live.filter(|l| is_ours(l, self.state, address) || l["metadata"]["uid"] == *record.uid);
        let Some(live) = live.filter(|_| *uid == record.cluster_uid) else {
            // The one that was recorded, though it has lost its label: its uid is all that it is held to.
            let lost = self.observed.lookups.get(address).and_then(Option::as_ref).filter(|s| s.uid == record.uid);
            return Some(match lost.filter(|_| *uid == record.cluster_uid) {
                Some(_) => (Action::Delete, self.why.clone()),
                None => (Action::Forget, ActionReason::AlreadyGone),
            });
        };
        // Only as it is: whoever changes it meanwhile wants it.
        precondition.projection = Some(projection_digest(&live, &record.owned.unpack()));
        // A namespace goes when nothing is left in it, not with a component.
        let moved = !record.components.is_empty() && identity(address).is_some_and(|i| self.wanted.contains_key(&i));
        Some((Action::Delete, if moved { ActionReason::Moved } else { self.why.clone() }))
    }

    /// Whether an object is to be elsewhere instead, and nothing is known to bring it there: its new
    /// cluster does not answer, or something is in the way.
    fn must_stay(&self, address: &ResourceAddress, diff: &Diff) -> bool {
        if self.desired.resources.contains_key(address) {
            return false;
        }
        let Some(twins) = identity(address).and_then(|i| self.wanted.get(&i)) else { return false };
        let served = self.state.records.get(address).is_some_and(|r| match &r.detail {
            RecordDetail::Object(o) => !o.components.is_empty(),
            RecordDetail::Cluster(_) | RecordDetail::Null(_) => false,
        });
        let comes = |a: &&ResourceAddress| {
            diff.changes.contains_key(*a)
                // One that never became ready stands for nothing yet.
                || self.state.records.get(*a).is_some_and(
                    |r| matches!(&r.detail, RecordDetail::Object(o) if !o.unready),
                )
                || diff.questions.dry_runs.contains_key(*a)
                || diff.questions.lookups.contains_key(*a)
        };
        served && !twins.iter().any(comes)
    }

    /// Records that are left as they are, with what they are in: a namespace or a definition takes along what is in
    /// it.
    fn let_go(&self) -> BTreeMap<&ResourceAddress, Option<&Origin>> {
        let holds = |a: &ResourceAddress| {
            a.object().is_some_and(|o| ["Namespace", "CustomResourceDefinition"].contains(&o.kind.as_str()))
        };
        let mut all = BTreeMap::new();
        for (address, record) in &self.state.records {
            let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
            let written = [address, &cluster].into_iter().find_map(|a| self.terms.let_go.get(a));
            let Some(origin) = written.or_else(|| self.is_retained(address, record).then_some(&None)) else { continue };
            all.insert(address, *origin);
            for around in record.depends_on.iter().filter(|a| holds(a)) {
                all.entry(around).or_insert(*origin);
            }
        }
        all
    }

    /// The kind of a recorded object that no list showed, where it was not looked for by name yet.
    fn unlisted(&self, address: &ResourceAddress, record: &Record) -> Option<KindRef> {
        let (RecordDetail::Object(o), object) = (&record.detail, address.object()?) else { return None };
        let Some(ClusterObserved::Reached { uid, objects, served, .. }) = self.observed(address) else { return None };
        let kind = KindRef { api_version: o.api_version.clone(), kind: object.kind.clone() };
        let asked = self.observed.offline || self.observed.lookups.contains_key(address);
        // What is done may be gone; where its kind is, it is.
        let there = *uid == o.cluster_uid && served.contains_key(&kind.key()) && !o.done;
        (there && !asked && !objects.contains_key(address) && !self.cluster_goes(address)).then_some(kind)
    }

    /// Whether a record is of the cluster as it is now, and not of one that is lost.
    fn is_of_now(&self, address: &ResourceAddress, record: &Record) -> bool {
        match (self.observed(address), &record.detail) {
            (Some(ClusterObserved::Reached { uid, .. }), RecordDetail::Object(o)) => *uid == o.cluster_uid,
            _ => true,
        }
    }

    /// Something protected that would go with a definition, though the specs still have it.
    fn protected_in(&self, address: &ResourceAddress, action: Action) -> Option<(&ResourceAddress, &Record)> {
        let question = holding(address, self.state, self.observed).filter(|_| action == Action::Delete)?;
        let kind = question.kind?;
        let group = kind.api_version.split_once('/').map_or("", |(group, _)| group);
        self.state.records.iter().find(|(a, record)| {
            a.cluster() == address.cluster()
                && a.object().is_some_and(|o| o.group == group && o.kind == kind.kind)
                && is_protected(record)
        })
    }

    /// Whether its deletion policy leaves it where it is. With its cluster it goes all the same.
    fn is_retained(&self, address: &ResourceAddress, record: &Record) -> bool {
        matches!(&record.detail, RecordDetail::Object(o) if o.protection.retain)
            && !self.desired.resources.contains_key(address)
            && !self.cluster_goes(address)
    }

    fn cluster_goes(&self, address: &ResourceAddress) -> bool {
        let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
        if self.terms.replace.contains(&cluster) {
            return true;
        }
        !self.terms.spared.contains(address.cluster())
            && !self.terms.let_go.contains_key(&cluster)
            && !self.needed.contains(address.cluster())
            && !self.desired.resources.contains_key(&cluster)
            && record_of(self.state, &cluster).and_then(|(_, _, c)| c).is_some_and(deletes)
    }
}

/// What is to be asked before something goes that others may have put things into.
pub(super) fn holding(address: &ResourceAddress, state: &State, observed: &Observed) -> Option<HoldingQuestion> {
    let object = address.object()?;
    let Some(ClusterObserved::Reached { objects, .. }) = observed.clusters.get(address.cluster()) else { return None };
    let kind = match object.kind.as_str() {
        "Namespace" if object.group.is_empty() => None,
        "CustomResourceDefinition" => {
            let spec = objects.get(address)?.unpack()["spec"].take();
            let served = spec["versions"].as_array().into_iter().flatten().find(|v| v["served"] == true)?;
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let api_version = format!("{}/{}", text(&spec["group"]), text(&served["name"]));
            Some(KindRef { api_version, kind: text(&spec["names"]["kind"]) })
        }
        _ => return None,
    };
    Some(HoldingQuestion { kind, lineage: state.lineage.clone() })
}
