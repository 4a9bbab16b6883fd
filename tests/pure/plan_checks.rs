//! The linter of plans: a good plan is broken in one place, and the rule for it speaks up, alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use skyplan::{
    address::ResourceAddress,
    compile::model::Model,
    digest::digest,
    plan::{
        Plan, Scope,
        change::{Action, ActionReason, Change, CheckSeverity, FieldChange, Target},
        check::{check, refusal},
    },
    spec::{ClusterDriver, DeletionPolicy},
    state::{RecordDetail, State},
};

use crate::support::{
    generated::two_clusters,
    log::{Log, plan_as},
    project::Project,
    world::World,
};

/// A plan with what it is checked against.
#[derive(Clone)]
struct Good {
    plan: Plan,
    state: State,
    model: Option<Model>,
}

fn planned(first: &Project, second: Option<&Project>, scope: &Scope) -> Good {
    let mut world = World::default();
    let mut log = Log::new(&first.model().lineage);
    log.run(&mut world, Some(&first.model()));
    let model = second.map(Project::model);
    let plan = plan_as(&world, model.as_ref(), &log.state, scope).unwrap().plan;
    Good { plan, state: log.state, model }
}

/// All objects are new; Secrets, nodes and prices are among them.
fn new() -> Good {
    let model = Project::example("shop").model();
    let state = Log::new(&model.lineage).state;
    let plan = plan_as(&World::default(), Some(&model), &state, &Scope::default()).unwrap().plan;
    Good { plan, state, model: Some(model) }
}

/// Components move, nodes come and go, a namespace goes.
fn moving() -> Good {
    let shop = Project::example("shop");
    let moved = shop.clone().with("shop/policies.yaml", "permitted: [{platform: aws}]", "permitted: [{platform: gcp}]");
    planned(&shop, Some(&moved), &Scope::default())
}

/// A cluster goes, with what is on it.
fn going() -> Good {
    let project = two_clusters();
    let moved = project.clone().with("where.yaml", "cluster: a", "cluster: b").without("a.yaml");
    planned(&project, Some(&moved), &Scope::default())
}

const PHOTOS: &str = "apps/Deployment/shop/photos";

fn at(text: &str) -> ResourceAddress {
    text.parse().unwrap()
}

impl Good {
    fn of(&mut self, address: &str) -> &mut Change {
        let found = self.plan.changes.iter_mut().find(|c| c.address.to_string() == address);
        found.unwrap_or_else(|| panic!("no change of {address}"))
    }

    /// Edits the object of a change; its digest is made to fit.
    fn object(&mut self, address: &str, edit: impl FnOnce(&mut Value)) {
        match &mut self.of(address).after {
            Some(Target::Object { object, digest: said, .. }) => {
                edit(std::sync::Arc::make_mut(object));
                *said = digest(object);
            }
            other => panic!("{other:?}"),
        }
    }

    fn secret(&self) -> String {
        let found = self.plan.changes.iter().find(|c| c.address.object().is_some_and(|o| o.kind == "Secret"));
        found.unwrap().address.to_string()
    }

    fn errors(&self) -> BTreeSet<String> {
        let found = check(&self.plan, &self.state, self.model.as_ref());
        found.into_iter().filter(|c| c.severity == CheckSeverity::Error).map(|c| c.rule).collect()
    }
}

/// What is broken, in which plan, how, and the rules that must see it.
type Case = (&'static str, fn() -> Good, fn(&mut Good), &'static [&'static str]);

const BROKEN: &[Case] = &[
    ("a change twice", new, |g| g.plan.changes.push(g.plan.changes.last().unwrap().clone()), &["once"]),
    ("changes out of order", new, |g| g.plan.changes.swap(0, 1), &["once"]),
    (
        "a dependency that is not in the plan",
        new,
        |g| g.of("cluster/aws").depends_on.push(at("cluster/nowhere")),
        &["dangling"],
    ),
    ("a circle", new, |g| g.of("cluster/aws").depends_on.push(at(&format!("object/aws/{PHOTOS}"))), &["circle"]),
    (
        "an object before its namespace",
        new,
        |g| g.of(&format!("object/aws/{PHOTOS}")).depends_on.retain(|a| *a == at("cluster/aws")),
        &["order"],
    ),
    (
        "a namespace before its cluster",
        new,
        |g| g.of("object/aws/core/Namespace/-/shop").depends_on.clear(),
        &["cluster-missing", "order"],
    ),
    (
        "a namespace that goes before what is in it",
        moving,
        |g| g.of("object/aws/core/Namespace/-/shop").depends_on.clear(),
        &["order"],
    ),
    (
        "a deleted object that others need",
        moving,
        |g| g.of(&format!("object/gcp/{PHOTOS}")).requires.push(at(&format!("object/aws/{PHOTOS}"))),
        &["needed"],
    ),
    (
        "the old place is left before the new one is ready",
        moving,
        |g| g.of(&format!("object/aws/{PHOTOS}")).depends_on.retain(|a| a.cluster() == "aws"),
        &["move"],
    ),
    (
        "a move to nowhere",
        going,
        |g| {
            // The object that was there alone is said to move.
            let gone = g.of("object/a/core/Namespace/-/app");
            (gone.action, gone.reason) = (Action::Forget, ActionReason::AlreadyGone);
            g.plan.changes.retain(|c| c.address.cluster() == "a");
            g.plan.changes.iter_mut().for_each(|c| c.depends_on.retain(|a| a.cluster() == "a"));
            let cluster = g.of("cluster/a");
            cluster.depends_on = vec![at("object/a/apps/Deployment/app/web")];
            let web = g.of("object/a/apps/Deployment/app/web");
            (web.action, web.reason) = (Action::Delete, ActionReason::Moved);
            web.depends_on.clear();
            web.precondition.uid = Some("u".into());
            web.precondition.cluster_uid = Some("u".into());
            (g.plan.complete, g.model) = (false, None);
        },
        &["move"],
    ),
    (
        "an object made on a cluster that is not there",
        going,
        |g| {
            g.plan.changes.retain(|c| c.address.to_string() != "cluster/b");
            g.plan.changes.iter_mut().for_each(|c| c.depends_on.retain(|a| a.to_string() != "cluster/b"));
        },
        &["cluster-missing"],
    ),
    (
        "an object deleted on a cluster that is gone by then",
        going,
        |g| {
            let web = g.of("object/a/apps/Deployment/app/web");
            (web.action, web.reason) = (Action::Delete, ActionReason::Removed);
            web.precondition.uid = Some("u".into());
            web.precondition.cluster_uid = Some("u".into());
        },
        &["cluster-goes", "order"],
    ),
    (
        "another object than the address says",
        new,
        |g| g.object(&format!("object/aws/{PHOTOS}"), |o| o["metadata"]["name"] = "other".into()),
        &["identity"],
    ),
    (
        "another API version",
        new,
        |g| g.of(&format!("object/aws/{PHOTOS}")).api_version = "apps/v1beta1".into(),
        &["identity"],
    ),
    (
        "an object that was edited in the file",
        new,
        |g| match &mut g.of(&format!("object/aws/{PHOTOS}")).after {
            Some(Target::Object { object, .. }) => std::sync::Arc::make_mut(object)["spec"]["replicas"] = 99.into(),
            other => panic!("{other:?}"),
        },
        &["digest"],
    ),
    (
        "marks of another object",
        new,
        |g| {
            g.object(&format!("object/aws/{PHOTOS}"), |o| {
                o["metadata"]["annotations"]["skyplan.io/address"] = "shop:cluster/aws".into();
            });
        },
        &["marks"],
    ),
    (
        "no label of the project",
        new,
        |g| g.object(&format!("object/aws/{PHOTOS}"), |o| o["metadata"]["labels"] = json!({})),
        &["marks"],
    ),
    (
        "a name that was never filled in",
        new,
        |g| {
            let old = format!("object/aws/{PHOTOS}");
            g.object(&old, |o| {
                o["metadata"]["name"] = "${name}".into();
                o["metadata"]["annotations"]["skyplan.io/address"] =
                    "shop:object/aws/apps/Deployment/shop/${name}".into();
            });
            g.of(&old).address = at("object/aws/apps/Deployment/shop/${name}");
            g.plan.changes.sort_by(|a, b| a.address.cmp(&b.address));
        },
        &["unknown"],
    ),
    ("nothing to make", new, |g| g.of(&format!("object/aws/{PHOTOS}")).after = None, &["shape"]),
    (
        "a secret value as it is",
        new,
        |g| {
            let secret = g.secret();
            g.object(&secret, |o| o["data"] = json!({"password": "aHVudGVyMg=="}));
        },
        &["secret"],
    ),
    (
        "a secret value before it is sealed",
        new,
        |g| {
            let secret = g.secret();
            g.object(&secret, |o| o["stringData"] = json!({"password": "hunter2"}));
        },
        &["secret"],
    ),
    (
        "a secret value among the fields that change",
        new,
        |g| {
            let secret = g.secret();
            let field =
                FieldChange { path: "data.password".into(), before: None, after: Some("hunter2".into()), by: None };
            g.of(&secret).fields.push(field);
        },
        &["secret"],
    ),
    (
        "a delete of whatever has the name",
        moving,
        |g| g.of(&format!("object/aws/{PHOTOS}")).precondition.uid = None,
        &["precondition"],
    ),
    (
        "a delete that forgets what is remembered",
        moving,
        |g| g.of(&format!("object/aws/{PHOTOS}")).precondition.record_serial = None,
        &["precondition"],
    ),
    (
        "a create of what is there",
        new,
        |g| g.of(&format!("object/aws/{PHOTOS}")).precondition.uid = Some("u".into()),
        &["precondition"],
    ),
    ("no way to a cluster", new, |g| drop(g.plan.clusters.remove("aws")), &["connection"]),
    (
        "nodes that are too small",
        new,
        |g| match &mut g.of("cluster/aws").after {
            Some(Target::Cluster { pools, .. }) => pools.iter_mut().for_each(|p| p.milli_cpu = 1),
            other => panic!("{other:?}"),
        },
        &["capacity"],
    ),
    (
        "a node that nobody pays for",
        new,
        |g| match &mut g.of("cluster/aws").after {
            Some(Target::Cluster { pools, .. }) => pools[0].count += 1,
            other => panic!("{other:?}"),
        },
        &["nodes"],
    ),
    (
        "networks that another cluster gets",
        new,
        |g| {
            let Some(Target::Cluster { networks: theirs, .. }) = g.of("cluster/aws").after.clone() else { panic!() };
            match &mut g.of("cluster/gcp").after {
                Some(Target::Cluster { networks, .. }) => networks.services = theirs.pods,
                other => panic!("{other:?}"),
            }
        },
        &["networks"],
    ),
    ("a resource that is neither changed nor kept", moving, |g| g.plan.unchanged -= 1, &["counts"]),
    ("a wrong sum", new, |g| g.plan.cost.monthly.0 += 1, &["cost"]),
    ("a wrong price of a cluster", new, |g| g.plan.placement.as_mut().unwrap().clusters[0].monthly.0 += 1, &["cost"]),
    (
        "a place that is remembered and is not",
        new,
        |g| {
            let record = g.plan.placement_record.as_mut().unwrap();
            record.components.values_mut().next().unwrap().clusters = vec!["nowhere".into()];
        },
        &["placement-record"],
    ),
    (
        "a place that is shown and is not",
        new,
        |g| g.plan.placement.as_mut().unwrap().components[0].cluster = "nowhere".into(),
        &["placement", "placement-record"],
    ),
    ("no word for a delete of a cluster", going, |g| g.plan.guards.clear(), &["guard"]),
    ("no word for a delete of a namespace", moving, |g| g.plan.guards.clear(), &["guard"]),
    (
        "a delete of somebody else's cluster",
        going,
        |g| g.plan.clusters.get_mut("a").unwrap().driver = ClusterDriver::Existing,
        &["retained"],
    ),
    (
        "a delete of a cluster that is to be kept",
        going,
        |g| match &mut g.state.records.get_mut(&at("cluster/a")).unwrap().detail {
            RecordDetail::Cluster(c) => c.deletion_policy = DeletionPolicy::Retain,
            RecordDetail::Object(_) | RecordDetail::Null(_) => panic!(),
        },
        &["retained"],
    ),
    ("a destroy that makes something", new, |g| g.plan.destroy = true, &["kind-of-plan"]),
    ("a refresh that changes a cluster", new, |g| g.plan.refresh_only = true, &["kind-of-plan"]),
];

#[test]
fn every_break_of_a_plan_is_seen_by_its_rule() {
    let mut wrong = Vec::new();
    let mut rules = BTreeSet::new();
    for (what, base, break_it, expected) in BROKEN {
        let mut good = base();
        assert_eq!(good.errors(), BTreeSet::new(), "{what}: the plan was not good before");
        break_it(&mut good);
        let (found, expected): (BTreeSet<String>, BTreeSet<String>) =
            (good.errors(), expected.iter().map(ToString::to_string).collect());
        if found != expected {
            wrong.push(format!("{what}: {found:?}, not {expected:?}"));
        }
        rules.extend(expected);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Each rule has its row in the docs, and each row its rule.
    let text = include_str!("../../docs/plan-checks.md");
    let rows = text.lines().filter_map(|l| l.strip_prefix("| `")?.split_once('`')).map(|(rule, _)| rule.to_owned());
    let warnings = ["downtime", "data-stays", "untried"].map(str::to_owned);
    rules.extend(warnings);
    assert_eq!(rows.collect::<BTreeSet<_>>(), rules);
}

#[test]
fn a_plan_of_another_day_is_left_to_the_apply() {
    let mut good = moving();
    good.state.serial += 1;
    good.state.records.clear();
    assert_eq!(good.errors(), BTreeSet::new());
}

#[test]
fn a_refusal_says_what_to_do() {
    let mut good = going();
    good.plan.guards.clear();
    let d = refusal(&check(&good.plan, &good.state, good.model.as_ref())).unwrap();
    assert_eq!((d.code.as_str(), d.address.as_deref()), ("SKY0509", Some("cluster/a")));
    assert!(d.hints.iter().any(|h| h.contains("--record")), "{d:#?}");
}

#[test]
fn what_is_down_meanwhile_is_told() {
    let project = two_clusters();
    let replace = [at("object/a/apps/Deployment/app/web")].into();
    let good = planned(&project, Some(&project), &Scope { replace, ..Scope::default() });
    let found = check(&good.plan, &good.state, good.model.as_ref());
    let told: Vec<_> = found.iter().map(|c| (c.severity, c.rule.as_str())).collect();
    assert_eq!(told, [(CheckSeverity::Warning, "downtime")]);
    assert!(refusal(&found).is_none());
}
