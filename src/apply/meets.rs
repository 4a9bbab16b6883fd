//! Whether two applies may run at the same time. Pure.
//!
//! One meets another where it writes what the other writes or builds on, or where both take room on the
//! same cluster. What is taken away with all that is in it (a cluster, a namespace) counts as written,
//! whole.

use std::{cmp::Ordering, collections::BTreeSet};

use crate::{
    address::ResourceAddress,
    plan::change::{Action, Change, Plan},
    spec::Subject,
    state::{Begin, Delta, Entry, Move},
};

/// Kinds that run pods, and so take room.
const WORKLOADS: [&str; 8] =
    ["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "ReplicationController", "StatefulSet"];
/// Fields that say how much they take.
const AMOUNTS: [&str; 4] = ["replicas", "resources", "parallelism", "containers"];

/// What an apply writes, builds on, and takes.
#[derive(Debug, Default)]
pub(super) struct Scope {
    writes: BTreeSet<ResourceAddress>,
    reads: BTreeSet<ResourceAddress>,
    takes: BTreeSet<String>,
    /// Clusters that go, with all that is on them.
    clusters: BTreeSet<String>,
    /// Namespaces that go: cluster and name.
    namespaces: BTreeSet<(String, String)>,
}

/// Where two meet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// Both change it.
    Same(ResourceAddress),
    /// We build on what they change.
    BuildsOn(ResourceAddress),
    /// They build on what we change.
    BuiltOn(ResourceAddress),
    /// It is in what we take away.
    Within(ResourceAddress),
    /// Both take room on this cluster.
    Room(String),
}

impl Meeting {
    /// What it is about.
    pub(super) fn address(&self) -> ResourceAddress {
        match self {
            Self::Same(a) | Self::BuildsOn(a) | Self::BuiltOn(a) | Self::Within(a) => a.clone(),
            Self::Room(cluster) => ResourceAddress::Cluster(cluster.clone()),
        }
    }
}

impl Scope {
    /// Of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut scope = Self { writes: plan.changes.iter().map(|c| c.address.clone()).collect(), ..Self::default() };
        for change in &plan.changes {
            scope.takes.extend(takes_room(change).then(|| change.address.cluster().to_owned()));
            if !matches!(change.action, Action::Forget | Action::Import) {
                let on = change.requires.iter().chain(&change.depends_on).cloned();
                scope.reads.extend(on.chain(change.address.surroundings()));
            }
            if !matches!(change.action, Action::Delete | Action::Replace) {
                continue;
            }
            match &change.address {
                ResourceAddress::Cluster(name) => drop(scope.clusters.insert(name.clone())),
                ResourceAddress::Object(o) if o.group.is_empty() && o.kind == "Namespace" => {
                    scope.namespaces.insert((o.cluster.clone(), o.name.clone()));
                }
                ResourceAddress::Object(_) | ResourceAddress::Null(_) => {}
            }
        }
        scope.reads.retain(|address| !scope.writes.contains(address));
        scope
    }

    /// What it builds on, for its `Begin`.
    pub(super) fn reads(&self) -> Vec<ResourceAddress> {
        self.reads.iter().cloned().collect()
    }

    /// Clusters that it takes room on, for its `Begin`.
    pub(super) fn takes(&self) -> Vec<String> {
        self.takes.iter().cloned().collect()
    }

    /// Where it meets an apply that is at work.
    pub(super) fn meets(&self, other: &Begin) -> Option<Meeting> {
        let written = other.writes.iter().find_map(|address| self.meets_change(address));
        let built_on = || other.reads.iter().find(|a| self.writes.contains(a)).cloned().map(Meeting::BuiltOn);
        written.or_else(built_on).or_else(|| self.meets_room(other))
    }

    /// Where it meets an entry that was written since the plan was made.
    pub(super) fn meets_entry(&self, entry: &Entry) -> Option<Meeting> {
        match entry {
            Entry::Delta(Delta { outcomes }) => outcomes.keys().find_map(|address| self.meets_change(address)),
            Entry::Begin(begin) => self.meets_room(begin),
            Entry::Moved(moved) => moved.moves.iter().find_map(|step| self.meets_move(step)),
            Entry::Snapshot(_) | Entry::End(_) | Entry::Outputs(_) | Entry::Hold(_) | Entry::Sealed(_) => None,
        }
    }

    /// What the plan is about is called otherwise since.
    fn meets_move(&self, step: &Move) -> Option<Meeting> {
        let names = [&step.from, &step.to].map(|s| if let Subject::Cluster(name) = s { name.as_str() } else { "" });
        let about = self.writes.iter().chain(&self.reads).find(|a| names.contains(&a.cluster()));
        about.cloned().map(Meeting::BuildsOn)
    }

    /// Both take room on one cluster.
    pub(super) fn meets_room(&self, other: &Begin) -> Option<Meeting> {
        other.takes.iter().find(|cluster| self.takes.contains(*cluster)).cloned().map(Meeting::Room)
    }

    fn meets_change(&self, address: &ResourceAddress) -> Option<Meeting> {
        if self.writes.contains(address) {
            return Some(Meeting::Same(address.clone()));
        }
        if self.reads.contains(address) {
            return Some(Meeting::BuildsOn(address.clone()));
        }
        let object = address.object()?;
        let place = (object.cluster.clone(), object.namespace.clone().unwrap_or_default());
        let within = self.clusters.contains(&object.cluster) || self.namespaces.contains(&place);
        within.then(|| Meeting::Within(address.clone()))
    }
}

/// Whether more room is needed for it than before, as far as can be told from its fields.
fn takes_room(change: &Change) -> bool {
    let runs = change.address.object().is_some_and(|o| WORKLOADS.contains(&o.kind.as_str()));
    let grows = || change.fields.iter().any(|f| AMOUNTS.iter().any(|word| f.path.contains(word)) && !shrinks(f));
    runs && match change.action {
        Action::Create | Action::Replace => true,
        Action::Update => grows(),
        Action::Delete | Action::Forget | Action::Import => false,
    }
}

/// A number that becomes smaller. An image that changes asks for no more, either.
fn shrinks(field: &crate::plan::change::FieldChange) -> bool {
    let number = |value: &Option<serde_json::Value>| value.as_ref().and_then(serde_json::Value::as_f64);
    let less = number(&field.before).zip(number(&field.after)).map(|(before, after)| before.total_cmp(&after));
    less == Some(Ordering::Greater) || field.path.ends_with(".image")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::change::{ActionReason, FieldChange};

    fn address(text: &str) -> ResourceAddress {
        text.parse().unwrap()
    }

    fn change(text: &str, action: Action) -> Change {
        Change::new(address(text), action, ActionReason::New)
    }

    fn plan(changes: Vec<Change>) -> Plan {
        Plan { changes, ..Plan::default() }
    }

    fn begin(plan: &Plan) -> Begin {
        let scope = Scope::of(plan);
        Begin {
            writes: plan.changes.iter().map(|c| c.address.clone()).collect(),
            reads: scope.reads(),
            takes: scope.takes(),
            ..Begin::default()
        }
    }

    /// What each of two plans says of the other's `Begin`.
    fn both(one: Vec<Change>, two: Vec<Change>) -> [Option<Meeting>; 2] {
        let (one, two) = (plan(one), plan(two));
        [Scope::of(&one).meets(&begin(&two)), Scope::of(&two).meets(&begin(&one))]
    }

    const MAP: &str = "object/a/core/ConfigMap/n/one";
    const WEB: &str = "object/a/apps/Deployment/n/web";

    #[test]
    fn those_on_different_clusters_do_not_meet() {
        let other = "object/b/apps/Deployment/n/web";
        let meetings = both(vec![change(WEB, Action::Create)], vec![change(other, Action::Create)]);
        assert_eq!(meetings, [None, None]);
        // Nor do those on one cluster that take no room.
        let two = vec![change("object/a/core/ConfigMap/n/two", Action::Update)];
        assert_eq!(both(vec![change(MAP, Action::Create)], two), [None, None]);
    }

    #[test]
    fn a_cluster_that_goes_meets_what_comes_to_it() {
        let [goes, comes] = both(vec![change("cluster/a", Action::Delete)], vec![change(MAP, Action::Create)]);
        assert_eq!(goes, Some(Meeting::Within(address(MAP))));
        assert_eq!(comes, Some(Meeting::BuildsOn(address("cluster/a"))));
        let namespace = "object/a/core/Namespace/-/n";
        let [goes, comes] = both(vec![change(namespace, Action::Delete)], vec![change(MAP, Action::Create)]);
        assert_eq!(goes, Some(Meeting::Within(address(MAP))));
        assert_eq!(comes, Some(Meeting::BuildsOn(address(namespace))));
    }

    #[test]
    fn what_is_built_on_is_not_changed_meanwhile() {
        let mut built = change(WEB, Action::Update);
        built.requires = vec![address(MAP)];
        let [one, two] = both(vec![built], vec![change(MAP, Action::Update)]);
        assert_eq!(one, Some(Meeting::BuildsOn(address(MAP))));
        assert_eq!(two, Some(Meeting::BuiltOn(address(MAP))));
    }

    #[test]
    fn two_that_take_room_on_one_cluster_meet() {
        let job = "object/a/batch/Job/n/job";
        let meetings = both(vec![change(WEB, Action::Create)], vec![change(job, Action::Create)]);
        assert_eq!(meetings, [Some(Meeting::Room("a".into())), Some(Meeting::Room("a".into()))]);
        let field = |path: &str, before: i32, after: i32| {
            let number = |n: i32| Some(serde_json::Value::from(n));
            let field = FieldChange { path: path.into(), before: number(before), after: number(after) };
            Change { fields: vec![field], ..change(WEB, Action::Update) }
        };
        for (path, before, after, takes) in [
            ("spec.replicas", 1, 2, true),
            ("spec.replicas", 2, 1, false),
            ("spec.template.spec.containers[name=c].resources.requests.cpu", 1, 2, true),
            ("spec.template.spec.containers[name=c].image", 1, 2, false),
            ("metadata.labels.a", 1, 2, false),
        ] {
            assert_eq!(takes_room(&field(path, before, after)), takes, "{path}");
        }
    }

    #[test]
    fn what_came_since_the_plan_counts_where_something_came_of_it() {
        let scope = Scope::of(&plan(vec![change(WEB, Action::Create)]));
        let outcome = |text: &str| Entry::Delta(Delta { outcomes: [(address(text), None)].into() });
        assert_eq!(scope.meets_entry(&outcome("cluster/a")), Some(Meeting::BuildsOn(address("cluster/a"))));
        assert_eq!(scope.meets_entry(&outcome(MAP)), None);
        let taken = begin(&plan(vec![change("object/a/batch/Job/n/job", Action::Create)]));
        assert_eq!(scope.meets_entry(&Entry::Begin(taken)), Some(Meeting::Room("a".into())));
        // Nothing came of what another was about to do.
        let only_begun = Begin { writes: vec![address("cluster/a")], ..Begin::default() };
        assert_eq!(scope.meets_entry(&Entry::Begin(only_begun)), None);
    }
}
