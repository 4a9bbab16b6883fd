//! Laws that hold for every project, each run in a world in memory: what is applied is what the next
//! plan finds, nothing depends on order, and a kill at any moment loses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use skyplan::{
    address::ResourceAddress,
    compile::model::Model,
    observed::Observed,
    place::problem::Limits,
    plan::{
        self, Inputs, Plan, Step,
        change::{Action, ActionReason},
        order::topological,
        secret::Secrets,
    },
    render::{self, Style},
    state::State,
};

use crate::support::{
    generated::{generated, pieces, two_clusters},
    log::{Log, Outcomes, Planned, plan},
    project::Project,
    world::World,
};

const EXAMPLES: [&str; 2] = ["quickstart", "shop"];
const WEB: &str = "object/quickstart/apps/Deployment/hello/web";

/// A world and a log after the first apply of a project.
fn applied(project: &Project) -> (World, Log) {
    let (mut world, model) = (World::default(), project.model());
    let mut log = Log::new(&model.lineage);
    check_order(&log.run(&mut world, Some(&model)).plan);
    (world, log)
}

fn quickstart() -> (Project, World, Log) {
    let project = Project::example("quickstart");
    let (world, log) = applied(&project);
    (project, world, log)
}

#[track_caller]
fn replan(project: &Project, world: &World, log: &Log) -> Planned {
    let planned =
        plan(world, Some(&project.model()), &log.state).unwrap_or_else(|out| panic!("{}", project.shown(&out)));
    check_order(&planned.plan);
    planned
}

/// Everything comes after what it needs, and goes before what it needed.
#[track_caller]
fn check_order(plan: &Plan) {
    let sorted = topological(&plan.changes).expect("no circle");
    let at: BTreeMap<&ResourceAddress, usize> = sorted.iter().zip(0..).map(|(c, i)| (&c.address, i)).collect();
    assert_eq!(at.len(), plan.changes.len());
    let goes = |action| matches!(action, Action::Delete | Action::Forget);
    for change in &plan.changes {
        let own = at[&change.address];
        assert!(change.depends_on.iter().all(|a| at[a] < own), "{}", change.address);
        for other in change.requires.iter().filter_map(|r| plan.changes.iter().find(|c| c.address == *r)) {
            let there = at[&other.address];
            match (goes(change.action), goes(other.action)) {
                (false, false) => assert!(there < own, "{} needs {}", change.address, other.address),
                (true, true) if change.reason != ActionReason::GoneWithCluster => {
                    assert!(own < there, "{} must go before {}", change.address, other.address);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn plan_after_apply_is_empty() {
    for name in EXAMPLES {
        let project = Project::example(name);
        let (world, log) = applied(&project);
        let again = replan(&project, &world, &log);
        again.assert_empty();
        assert!(
            again.observed.dry_runs.is_empty() && again.observed.lookups.is_empty(),
            "{name}: decided without asking"
        );
        assert!(log.state.uncertain.is_empty() && log.state.open.is_empty());
        assert_eq!(again.plan.unchanged as usize, log.state.records.len());
    }
}

#[test]
fn files_may_be_made_in_any_order() {
    for name in EXAMPLES {
        let project = Project::example(name);
        let first = plan(&World::default(), Some(&project.model()), &Log::new(name).state).unwrap().json();
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in project.tree.files.iter().rev() {
            let path = folder.path().join(&**path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &**text).unwrap();
        }
        let copy = Project::open(folder.path());
        assert_eq!(first, plan(&World::default(), Some(&copy.model()), &Log::new(name).state).unwrap().json());
    }
}

/// A plan's JSON but for the places it points at.
fn without_origins(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("origin");
            map.values_mut().for_each(without_origins);
        }
        Value::Array(items) => items.iter_mut().for_each(without_origins),
        _ => {}
    }
}

#[test]
fn names_of_files_do_not_matter() {
    for name in EXAMPLES {
        let project = Project::example(name);
        // Every file under another name, so that the last comes first.
        let count = project.tree.files.len();
        let renamed = project.tree.files.iter().enumerate().map(|(i, (path, text))| {
            let (folder, file) = path.rsplit_once('/').map_or(("", &**path), |(d, f)| (d, f));
            let file = if file == "skyplan.yaml" { file.to_owned() } else { format!("{:03}-{file}", count - i) };
            (format!("{folder}/{file}").trim_start_matches('/').to_owned(), text.clone())
        });
        let renamed = Project::of(renamed);
        let mut plans = [&project, &renamed].map(|p| {
            serde_json::to_value(plan(&World::default(), Some(&p.model()), &Log::new(name).state).unwrap().plan)
                .unwrap()
        });
        plans.iter_mut().for_each(without_origins);
        assert_eq!(plans[0], plans[1]);
    }
}

/// The plan made again from the texts of model, state and answers.
fn replayed(model: &Model, state: &State, observed: &Observed) -> Plan {
    fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }
    let mut model: Model = again(model);
    for (i, object) in model.objects.iter_mut().enumerate() {
        // As a replay file has it: without secret values.
        let any = ResourceAddress::Cluster(i.to_string());
        Secrets::default().seal(&any, &mut object.object, &state.secret_key);
    }
    let (state, observed) = (again(state), again(observed));
    let inputs = Inputs {
        model: Some(&model),
        project: &state.lineage,
        environment: model.environment.as_deref(),
        state: &state,
        inputs_digest: "inputs",
        limits: Limits::default(),
        scope: skyplan::plan::Scope::default(),
    };
    match plan::plan(&inputs, &observed).unwrap() {
        Step::Done(plan, _) => *plan,
        Step::Ask(questions) => panic!("{questions:#?}"),
    }
}

#[test]
fn a_plan_can_be_made_again_from_files() {
    for name in EXAMPLES {
        let project = Project::example(name);
        let (mut world, log) = applied(&project);
        if name == "quickstart" {
            world.edit(WEB, "somebody", |o| o["metadata"]["labels"] = json!({}));
        }
        for (world, log) in [(World::default(), Log::new(name)), (world, log)] {
            let planned = replan(&project, &world, &log);
            let again = replayed(&project.model(), &log.state, &planned.observed);
            assert_eq!(planned.json(), serde_json::to_string_pretty(&again).unwrap() + "\n");
            let read: Plan = serde_json::from_str(&planned.json()).unwrap();
            assert_eq!(read, planned.plan);
        }
    }
}

#[test]
fn no_secret_value_leaves_its_object() {
    const VALUE: &str = "xyzzy-9f2c41d7-plugh";
    const BASE64: &str = "eHl6enktOWYyYzQxZDctcGx1Z2g=";
    let project = Project::example("shop").with("shop/manifests/orders.yaml", "change-me", VALUE);
    let mut world = World::default();
    let mut log = Log::new("shop");
    let first = log.run(&mut world, Some(&project.model()));
    let secrets = |world: &World| world.shape().to_string().matches(BASE64).count();
    assert_eq!(secrets(&world), 1, "it is where it belongs");
    let changed = project.clone().with("shop/manifests/orders.yaml", VALUE, &format!("{VALUE}2"));
    let second = replan(&changed, &world, &log);
    assert_eq!(second.only().action, Action::Update);
    let secret = second.only().address.to_string();
    world.edit(&secret, "somebody", |o| {
        o["metadata"]["labels"] = json!({"skyplan.io/lineage": "shop"});
        o["data"]["more"] = BASE64.into();
    });
    let third = replan(&changed, &world, &log);
    assert!(!third.observed.dry_runs.is_empty());
    for planned in [&first, &second, &third] {
        let texts = [
            planned.json(),
            render::plan::render(&planned.plan, Style { color: false }),
            serde_json::to_string(&planned.observed).unwrap(),
            serde_json::to_string(&log.state).unwrap(),
            serde_json::to_string(&log.entries).unwrap(),
            format!("{:?} {:?}", planned.plan, planned.secrets),
        ];
        for text in texts {
            // Base64 of a longer value begins alike but for its last characters.
            assert!(!text.contains("xyzzy") && !text.contains(&BASE64[..20]), "{text}");
        }
    }
}

#[test]
fn one_number_is_one_change() {
    let (project, world, log) = quickstart();
    let planned = replan(&project.with("hello/manifests/web.yaml", "replicas: 2", "replicas: 3"), &world, &log);
    let change = planned.only();
    assert_eq!((change.action, &change.reason), (Action::Update, &ActionReason::SpecChanged));
    let fields: Vec<_> = change.fields.iter().map(|f| (f.path.as_str(), f.before.clone(), f.after.clone())).collect();
    assert_eq!(fields, [("spec.replicas", Some(json!(2)), Some(json!(3)))]);
}

#[test]
fn what_was_deleted_outside_is_made_again() {
    let (project, mut world, mut log) = quickstart();
    world.delete(&WEB.parse().unwrap());
    let planned = replan(&project, &world, &log);
    let change = planned.only();
    assert_eq!((change.action, &change.reason), (Action::Create, &ActionReason::DeletedOutside));
    log.run(&mut world, Some(&project.model()));
    replan(&project, &world, &log).assert_empty();
    // The same for a cluster: it and all that was on it.
    world.clusters.clear();
    let planned = replan(&project, &world, &log);
    assert!(planned.plan.changes.iter().all(|c| c.action == Action::Create));
    assert_eq!(planned.of("cluster/quickstart").reason, ActionReason::DeletedOutside);
    assert_eq!(planned.of(WEB).reason, ActionReason::ClusterReplaced);
    log.run(&mut world, Some(&project.model()));
    replan(&project, &world, &log).assert_empty();
}

#[test]
fn fields_of_others_are_not_our_business() {
    let (project, mut world, log) = quickstart();
    world.edit(WEB, "somebody", |o| o["metadata"]["labels"]["team"] = "blue".into());
    world.edit("object/quickstart/core/Service/hello/web", "somebody", |o| {
        o["spec"]["ports"].as_array_mut().unwrap().push(json!({"port": 9090, "protocol": "TCP", "name": "metrics"}));
    });
    world.edit(WEB, "kube-controller-manager", |o| o["status"] = json!({"readyReplicas": 2}));
    let planned = replan(&project, &world, &log);
    planned.assert_empty();
    assert!(planned.observed.dry_runs.is_empty());
}

#[test]
fn a_field_that_was_taken_away_is_set_again() {
    let (project, mut world, mut log) = quickstart();
    world.edit(WEB, "somebody", |o| {
        o["metadata"]["labels"].as_object_mut().unwrap().remove("app.kubernetes.io/managed-by");
    });
    let planned = replan(&project, &world, &log);
    let change = planned.only();
    assert_eq!((change.action, &change.reason), (Action::Update, &ActionReason::Drifted));
    let paths: Vec<&str> = change.fields.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["metadata.labels[app.kubernetes.io/managed-by]"]);
    log.run(&mut world, Some(&project.model()));
    replan(&project, &world, &log).assert_empty();
}

#[test]
fn a_field_that_another_manager_took_is_a_conflict_with_its_name() {
    let (project, mut world, mut log) = quickstart();
    world.edit(WEB, "kubectl-scale", |o| o["spec"]["replicas"] = 7.into());
    let planned = replan(&project, &world, &log);
    let conflicts: Vec<_> = planned.plan.conflicts.iter().map(|c| (c.field.as_deref(), c.owner.as_str())).collect();
    assert_eq!(conflicts, [(Some("spec.replicas"), "kubectl-scale")]);
    assert!(planned.plan.changes.is_empty() && !planned.plan.applyable);
    // Back at our value the field may be shared, and is ours again.
    world.edit(WEB, "kubectl-scale", |o| o["spec"]["replicas"] = 2.into());
    log.run(&mut world, Some(&project.model()));
    replan(&project, &world, &log).assert_empty();
}

#[test]
fn what_is_not_written_any_more_goes() {
    let (project, mut world, mut log) = quickstart();
    // An object of an application.
    let text = &project.tree.files["hello/manifests/web.yaml"];
    let service = text.rsplit("---").next().unwrap().to_owned();
    let smaller = project.with("hello/manifests/web.yaml", &format!("---{service}"), "");
    let planned = replan(&smaller, &world, &log);
    let change = planned.only();
    assert_eq!(change.address.to_string(), "object/quickstart/core/Service/hello/web");
    assert_eq!((change.action, &change.reason), (Action::Delete, &ActionReason::Removed));
    log.run(&mut world, Some(&smaller.model()));
    // Somebody has deleted it already: nothing is left but to forget it.
    world.delete(&WEB.parse().unwrap());
    let none = smaller
        .without("hello/manifests/web.yaml")
        .with("hello/application.yaml", "- name: web", "- name: cache")
        .with("hello/application.yaml", "    dependsOn: [cache]\n", "");
    let planned = replan(&none, &world, &log);
    let config = "object/quickstart/core/ConfigMap/hello/web";
    assert_eq!(planned.changes(), [format!("- {config}"), format!(". {WEB}")]);
    assert_eq!(planned.of(WEB).reason, ActionReason::AlreadyGone);
    log.run(&mut world, Some(&none.model()));
    replan(&none, &world, &log).assert_empty();
}

#[test]
fn a_component_that_moves_is_made_before_it_is_deleted() {
    let project = Project::example("shop");
    let (mut world, mut log) = applied(&project);
    let moved = project.with("shop/policies.yaml", "permitted: [{platform: aws}]", "permitted: [{platform: gcp}]");
    let planned = replan(&moved, &world, &log);
    let (old, new) = ("object/aws/apps/Deployment/shop/photos", "object/gcp/apps/Deployment/shop/photos");
    assert_eq!(planned.of(new).action, Action::Create);
    assert_eq!((planned.of(old).action, &planned.of(old).reason), (Action::Delete, &ActionReason::Moved));
    assert!(planned.of(old).depends_on.contains(&new.parse().unwrap()));
    log.run(&mut world, Some(&moved.model()));
    replan(&moved, &world, &log).assert_empty();
}

#[test]
fn nodes_go_only_after_what_ran_on_them() {
    let project = Project::example("shop");
    let (world, log) = applied(&project);
    let moved = project.with("shop/policies.yaml", "permitted: [{platform: aws}]", "permitted: [{platform: gcp}]");
    let planned = replan(&moved, &world, &log);
    let shrinks = planned.of("cluster/aws");
    assert_eq!(shrinks.reason, ActionReason::NodesChanged);
    let order = topological(&planned.plan.changes).unwrap();
    let at = |address: &str| order.iter().position(|c| c.address.to_string() == address).unwrap();
    assert!(at("object/aws/apps/Deployment/shop/photos") < at("cluster/aws"), "{shrinks:#?}");
    // Where nodes are added, they are there first.
    assert!(at("cluster/gcp") < at("object/gcp/apps/Deployment/shop/photos"));
}

#[test]
fn a_cluster_goes_only_when_what_ran_there_is_up_elsewhere() {
    let project = two_clusters();
    let (world, log) = applied(&project);
    let moved = project.with("where.yaml", "cluster: a", "cluster: b").without("a.yaml");
    let planned = replan(&moved, &world, &log);
    assert_eq!(planned.of("cluster/a").action, Action::Delete);
    assert_eq!(planned.of("object/a/apps/Deployment/app/web").action, Action::Forget);
    let order = topological(&planned.plan.changes).unwrap();
    let at = |address: &str| order.iter().position(|c| c.address.to_string() == address).unwrap();
    assert!(at("object/b/apps/Deployment/app/web") < at("cluster/a"), "{:#?}", planned.of("cluster/a"));
}

#[test]
fn what_moves_waits_also_after_a_cut() {
    let project = two_clusters();
    let (mut world, mut log) = applied(&project);
    let moved = project.with("where.yaml", "cluster: a", "cluster: b");
    let planned = replan(&moved, &world, &log);
    let (old, new) = ("object/a/apps/Deployment/app/web", "object/b/apps/Deployment/app/web");
    assert!(planned.of(old).depends_on.contains(&new.parse().unwrap()));
    // Cut off when the new one has been made and not recorded.
    for most in 0.. {
        let (mut there, mut kept) = (world.clone(), log.clone());
        kept.apply(&mut there, &planned, Outcomes::AtOnce, most).unwrap_err();
        if there.object(&new.parse().unwrap()).is_some() {
            (world, log) = (there, kept);
            break;
        }
    }
    let resumed = replan(&moved, &world, &log);
    assert_eq!((resumed.of(new).action, &resumed.of(new).reason), (Action::Update, &ActionReason::Uncertain));
    assert!(resumed.of(old).depends_on.contains(&new.parse().unwrap()), "{:#?}", resumed.of(old));
}

#[test]
fn what_was_never_seen_ready_is_awaited_before_the_old_one_goes() {
    let project = two_clusters();
    let (mut world, mut log) = applied(&project);
    let moved = project.with("where.yaml", "cluster: a", "cluster: b");
    let planned = replan(&moved, &world, &log);
    let (old, new) = ("object/a/apps/Deployment/app/web", "object/b/apps/Deployment/app/web");
    // Cut off when the new one has been made and recorded, but is not ready.
    for most in 0.. {
        let (mut there, mut kept) = (world.clone(), log.clone());
        kept.apply(&mut there, &planned, Outcomes::AtOnce, most).unwrap_err();
        if let Some(record) = kept.state.records.get_mut(&new.parse().unwrap()) {
            let skyplan::state::RecordDetail::Object(known) = &mut record.detail else { panic!("no object") };
            known.unready = true;
            (world, log) = (there, kept);
            break;
        }
    }
    let resumed = replan(&moved, &world, &log);
    assert_eq!((resumed.of(new).action, &resumed.of(new).reason), (Action::Update, &ActionReason::Unready));
    assert!(resumed.of(new).fields.is_empty());
    assert!(resumed.of(old).depends_on.contains(&new.parse().unwrap()), "{:#?}", resumed.of(old));
}

#[test]
fn destroy_leaves_nothing() {
    for name in EXAMPLES {
        let project = Project::example(name);
        let (mut world, mut log) = applied(&project);
        let planned = log.run(&mut world, None);
        check_order(&planned.plan);
        assert!(world.clusters.is_empty() && log.state.records.is_empty(), "{name}");
        assert_eq!(log.state.placement, State::default().placement);
        plan(&world, None, &log.state).unwrap().assert_empty();
    }
}

/// Cuts an apply off after every step, in both ways of writing outcomes, and hands what is left on.
fn cut_everywhere(world: &World, log: &Log, model: Option<&Model>, mut then: impl FnMut(World, Log, &str)) {
    let planned = plan(world, model, &log.state).unwrap();
    for outcomes in [Outcomes::AtOnce, Outcomes::Grouped] {
        for most in 0.. {
            let (mut world, mut log) = (world.clone(), log.clone());
            let done = log.apply(&mut world, &planned, outcomes, most).is_ok();
            then(world, log, &format!("{outcomes:?}, cut after {most} steps"));
            if done {
                assert!(most > planned.plan.changes.len());
                break;
            }
        }
    }
}

/// However an apply is cut off, doing it again ends where it would have ended.
#[track_caller]
fn resumes(world: &World, log: &Log, model: Option<&Model>) {
    let (mut uncut, mut whole) = (world.clone(), log.clone());
    whole.run(&mut uncut, model);
    cut_everywhere(world, log, model, |mut world, mut log, when| {
        let resumed = log.run(&mut world, model);
        check_order(&resumed.plan);
        assert_eq!(world.shape(), uncut.shape(), "{when}");
        plan(&world, model, &log.state).unwrap().assert_empty();
        assert_eq!(log.shape(), whole.shape(), "{when}");
    });
}

#[test]
fn a_first_apply_that_is_cut_off_goes_on() {
    for name in EXAMPLES {
        resumes(&World::default(), &Log::new(name), Some(&Project::example(name).model()));
    }
}

#[test]
fn an_apply_of_changes_that_is_cut_off_goes_on() {
    let (project, world, log) = quickstart();
    let changed = project
        .with("hello/manifests/web.yaml", "replicas: 2", "replicas: 3")
        .with("hello/manifests/web.yaml", "greeting: hello", "greeting: hi")
        .with("hello/manifests/cache.yaml", "serviceName: cache", "serviceName: other");
    let kinds: Vec<String> = replan(&changed, &world, &log).changes();
    assert_eq!(kinds.iter().filter(|c| c.starts_with('±')).count(), 1, "{kinds:#?}");
    resumes(&world, &log, Some(&changed.model()));
    let shop = Project::example("shop");
    let (world, log) = applied(&shop);
    let moved = shop
        .with("shop/policies.yaml", "permitted: [{platform: aws}]", "permitted: [{platform: gcp}]")
        .without("shop/manifests/reports.yaml")
        .with("shop/policies.yaml", "  - componentRef: reports\n    location:\n      permitted: [{type: cloud}]\n", "")
        .with("shop/policies.yaml", "  - {from: orders, to: reports, volume: {perMonth: 60GB}}\n", "");
    resumes(&world, &log, Some(&moved.model()));
}

#[test]
fn a_destroy_that_is_cut_off_goes_on() {
    for name in EXAMPLES {
        let (world, log) = applied(&Project::example(name));
        resumes(&world, &log, None);
    }
}

#[test]
fn a_destroy_after_a_cut_leaves_nothing() {
    for name in EXAMPLES {
        let model = Project::example(name).model();
        cut_everywhere(&World::default(), &Log::new(name), Some(&model), |mut world, mut log, when| {
            log.run(&mut world, None);
            assert!(world.clusters.is_empty(), "{when}: {:?}", world.clusters.keys());
            assert!(log.state.records.is_empty(), "{when}");
            assert!(log.state.uncertain.is_empty(), "{when}: {:?}", log.state.uncertain);
        });
    }
}

#[test]
fn objects_on_a_cluster_of_somebody_else_go_too() {
    let mut project = two_clusters();
    project.tree.files.insert(
        "a.yaml".into(),
        "apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: a\ndriver: existing\nexisting: {context: a}\n".into(),
    );
    let model = project.model();
    let mut start = World::default();
    start.make_cluster("a").free = vec![free_node("n1", 8_000)];
    cut_everywhere(&start, &Log::new("two"), Some(&model), |mut world, mut log, when| {
        log.run(&mut world, None);
        assert_eq!(world.shape(), start.shape(), "{when}");
        assert!(log.state.records.is_empty() && log.state.uncertain.is_empty(), "{when}");
    });
}

fn free_node(name: &str, milli_cpu: u64) -> skyplan::observed::FreeNode {
    skyplan::observed::FreeNode {
        name: name.into(),
        milli_cpu,
        memory: 32 << 30,
        gpus: 0,
        pods: 110,
        labels: BTreeMap::new(),
        taints: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn from_any_project_to_any_other(
        first in pieces(), second in pieces(), clusters in (1..4_usize, 1..4_usize), grouped in any::<bool>(), cut in 0..40_usize,
    ) {
        let outcomes = if grouped { Outcomes::Grouped } else { Outcomes::AtOnce };
        let (first, second) = (generated(&first, clusters.0), generated(&second, clusters.1));
        let (mut world, mut log) = applied(&first);
        replan(&first, &world, &log).assert_empty();
        let (mut uncut, mut whole) = (world.clone(), log.clone());
        let planned = replan(&second, &world, &log);
        whole.apply(&mut uncut, &planned, Outcomes::AtOnce, usize::MAX).unwrap();
        replan(&second, &uncut, &whole).assert_empty();
        let again = replayed(&second.model(), &log.state, &planned.observed);
        prop_assert_eq!(&again, &planned.plan);
        let _ = log.apply(&mut world, &planned, outcomes, cut);
        let resumed = replan(&second, &world, &log);
        log.apply(&mut world, &resumed, Outcomes::AtOnce, usize::MAX).unwrap();
        prop_assert_eq!(world.shape(), uncut.shape());
        replan(&second, &world, &log).assert_empty();
        prop_assert_eq!(log.shape(), whole.shape());
        log.run(&mut world, None);
        prop_assert!(world.clusters.is_empty() && log.state.records.is_empty());
    }
}
