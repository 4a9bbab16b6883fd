//! Whether two applies may run at the same time. Pure.
//!
//! One meets another where it writes what the other writes or builds on, or where both take some of the
//! same: room on a cluster, networks that nobody has, nodes within a provider's quota. What is taken away
//! with all that is in it (a cluster, a namespace) counts as written, whole.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    address::ResourceAddress,
    network::Networks,
    plan::change::{Action, Change, FieldChange, Plan, Target},
    spec::Subject,
    state::{Begin, Delta, Entry, Move, Reservation},
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
    /// What it takes some of, and what for.
    takes: BTreeMap<Reservation, ResourceAddress>,
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
    /// Both take some of it: we for this resource.
    Takes(Reservation, ResourceAddress),
}

impl Meeting {
    /// What it is about.
    pub(super) fn address(&self) -> ResourceAddress {
        match self {
            Self::Same(a) | Self::BuildsOn(a) | Self::BuiltOn(a) | Self::Within(a) | Self::Takes(_, a) => a.clone(),
        }
    }
}

impl Scope {
    /// Of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut scope = Self { writes: plan.changes.iter().map(|c| c.address.clone()).collect(), ..Self::default() };
        for change in &plan.changes {
            let cluster = change.address.cluster();
            let room = takes_room(change).then(|| Reservation::Room(cluster.to_owned()));
            for reservation in room.into_iter().chain(takes_for_cluster(change)) {
                scope.takes.entry(reservation).or_insert_with(|| ResourceAddress::Cluster(cluster.to_owned()));
            }
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

    /// What it takes some of, for its `Begin`.
    pub(super) fn takes(&self) -> Vec<Reservation> {
        self.takes.keys().cloned().collect()
    }

    /// Where it meets an apply that is at work.
    pub(super) fn meets(&self, other: &Begin) -> Option<Meeting> {
        let written = other.writes.iter().find_map(|address| self.meets_change(address));
        let built_on = || other.reads.iter().find(|a| self.writes.contains(a)).cloned().map(Meeting::BuiltOn);
        written.or_else(built_on).or_else(|| self.meets_takes(other))
    }

    /// Where it meets an entry that was written since the plan was made.
    pub(super) fn meets_entry(&self, entry: &Entry) -> Option<Meeting> {
        match entry {
            Entry::Delta(Delta { outcomes }) => outcomes.keys().find_map(|address| self.meets_change(address)),
            Entry::Begin(begin) => self.meets_takes(begin),
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

    /// Both take some of the same.
    fn meets_takes(&self, other: &Begin) -> Option<Meeting> {
        let mut ours = other.takes.iter().filter_map(|taken| self.takes.get_key_value(taken));
        ours.next().map(|(taken, address)| Meeting::Takes(taken.clone(), address.clone()))
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

/// What making or changing a cluster takes some of: networks that are its own from then on, nodes.
fn takes_for_cluster(change: &Change) -> Vec<Reservation> {
    let Some(Target::Cluster { networks, quota, .. }) = &change.after else { return Vec::new() };
    let field = |f: &&FieldChange, word: &str| f.path.split('.').next() == Some(word);
    let renumbered = |word: &str| change.fields.iter().any(|f| f.path == format!("network.{word}"));
    let new = change.precondition.record_serial.is_none();
    let leased = networks.known().filter(|(what, _)| new || renumbered(what.word()));
    let bought = match change.action {
        Action::Create | Action::Replace => true,
        Action::Update => change.fields.iter().any(|f| field(&f, "nodes") && f.after.is_some() && !shrinks(f)),
        Action::Delete | Action::Forget | Action::Import => false,
    };
    let quota = quota.iter().filter(|_| bought).cloned().map(Reservation::Quota);
    leased.map(|(what, _)| Reservation::Network(what)).chain(quota).collect()
}

/// Networks of the clusters that a plan makes or changes, for its `Begin`.
pub(super) fn networks(plan: &Plan) -> BTreeMap<String, Networks> {
    let known = plan.changes.iter().filter_map(|c| match &c.after {
        Some(Target::Cluster { networks, .. }) if !networks.is_empty() => {
            Some((c.address.cluster().to_owned(), *networks))
        }
        _ => None,
    });
    known.collect()
}

/// A number that becomes smaller. An image that changes asks for no more, either.
fn shrinks(field: &FieldChange) -> bool {
    let number = |value: &Option<serde_json::Value>| value.as_ref().and_then(serde_json::Value::as_f64);
    let less = number(&field.before).zip(number(&field.after)).map(|(before, after)| before.total_cmp(&after));
    less == Some(Ordering::Greater) || field.path.ends_with(".image")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        network::Use,
        plan::change::{ActionReason, Precondition},
        spec::DeletionPolicy,
        state::record::NodePoolState,
    };

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

    fn room(cluster: &str) -> Meeting {
        Meeting::Takes(Reservation::Room(cluster.into()), ResourceAddress::Cluster(cluster.into()))
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
        assert_eq!(meetings, [Some(room("a")), Some(room("a"))]);
        let field = |path: &str, before: i32, after: i32| {
            let number = |n: i32| Some(serde_json::Value::from(n));
            let field = FieldChange { path: path.into(), before: number(before), after: number(after), by: None };
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

    fn cluster(name: &str, action: Action, networks: Networks, quota: Option<&str>) -> Change {
        let pool = NodePoolState {
            name: "small".into(),
            count: 2,
            milli_cpu: 2000,
            memory: 4 << 30,
            gpus: 0,
            labels: BTreeMap::new(),
            taints: Vec::new(),
        };
        let (deletion_policy, quota) = (DeletionPolicy::Delete, quota.map(str::to_owned));
        let after = Some(Target::Cluster { pools: vec![pool], deletion_policy, networks, quota });
        let record_serial = (action != Action::Create).then_some(1);
        let precondition = Precondition { record_serial, ..Precondition::default() };
        Change { after, precondition, ..change(&format!("cluster/{name}"), action) }
    }

    #[test]
    fn two_that_are_given_networks_meet() {
        let (none, pods) = (Networks::default(), Networks { services: None, ..Networks::FIRST });
        let make = |name: &str, networks| vec![cluster(name, Action::Create, networks, None)];
        let [one, two] = both(make("a", Networks::FIRST), make("b", pods));
        let meeting = |name: &str| Meeting::Takes(Reservation::Network(Use::Pods), address(&format!("cluster/{name}")));
        assert_eq!((one, two), (Some(meeting("a")), Some(meeting("b"))));
        // Nobody leases what is not known, and who has networks takes no more.
        assert_eq!(both(make("a", none), make("b", pods)), [None, None]);
        let grows = vec![cluster("a", Action::Update, Networks::FIRST, None)];
        assert_eq!(both(grows, make("b", pods)), [None, None]);
        let begin = begin(&plan(make("a", Networks::FIRST)));
        assert_eq!(begin.takes, ["cidr/pods", "cidr/services"].map(Reservation::from));
        assert_eq!(networks(&plan(make("a", Networks::FIRST)))["a"], Networks::FIRST);
    }

    #[test]
    fn two_that_buy_within_one_quota_meet() {
        let field = |path: &str, before: Option<i32>, after: Option<i32>| {
            let number = |n: Option<i32>| n.map(serde_json::Value::from);
            vec![FieldChange { path: path.into(), before: number(before), after: number(after), by: None }]
        };
        let buys = |action, fields, quota| vec![Change { fields, ..cluster("a", action, Networks::default(), quota) }];
        let other = || vec![cluster("b", Action::Create, Networks::default(), Some("aws"))];
        for (action, fields, quota, meets) in [
            (Action::Create, Vec::new(), Some("aws"), true),
            (Action::Create, Vec::new(), Some("gcp"), false),
            (Action::Create, Vec::new(), None, false),
            (Action::Update, field("nodes.small", Some(1), Some(2)), Some("aws"), true),
            (Action::Update, field("nodes.small", None, Some(2)), Some("aws"), true),
            (Action::Update, field("nodes.small", Some(2), Some(1)), Some("aws"), false),
            (Action::Update, field("nodes.small", Some(2), None), Some("aws"), false),
            (Action::Update, field("network.pods", None, Some(2)), Some("aws"), false),
        ] {
            let both = both(buys(action, fields.clone(), quota), other());
            let meeting = |name: &str| {
                meets.then(|| Meeting::Takes(Reservation::Quota("aws".into()), address(&format!("cluster/{name}"))))
            };
            assert_eq!(both, [meeting("a"), meeting("b")], "{action:?} {fields:?} {quota:?}");
        }
    }

    #[test]
    fn what_came_since_the_plan_counts_where_something_came_of_it() {
        let scope = Scope::of(&plan(vec![change(WEB, Action::Create)]));
        let outcome = |text: &str| Entry::Delta(Delta { outcomes: [(address(text), None)].into() });
        assert_eq!(scope.meets_entry(&outcome("cluster/a")), Some(Meeting::BuildsOn(address("cluster/a"))));
        assert_eq!(scope.meets_entry(&outcome(MAP)), None);
        let taken = begin(&plan(vec![change("object/a/batch/Job/n/job", Action::Create)]));
        assert_eq!(scope.meets_entry(&Entry::Begin(taken)), Some(room("a")));
        // Nothing came of what another was about to do.
        let only_begun = Begin { writes: vec![address("cluster/a")], ..Begin::default() };
        assert_eq!(scope.meets_entry(&Entry::Begin(only_begun)), None);
    }
}
