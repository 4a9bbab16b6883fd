//! Surgery by documents: other names, what is let go, what is taken over; and what is held.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;
use skyplan::{
    address::ResourceAddress,
    observed::FreeNode,
    plan::{
        Plan, Scope,
        change::{Action, ActionReason},
    },
    state::{Held, State},
};

use crate::support::{
    generated::two_clusters,
    log::{Log, Outcomes, Planned, applied, plan, plan_as},
    project::Project,
    world::World,
};

const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind: ";
const WEB: &str = "apps/Deployment/app/web";

fn at(text: &str) -> ResourceAddress {
    text.parse().unwrap()
}

/// A project with an application on the one of its clusters that is `edge`.
fn edge() -> Project {
    let objects = "[{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: b}}, \
                   {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: \
                   {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: a, envFrom: \
                   [{configMapRef: {name: web}}], resources: {requests: {cpu: 100m}}}]}}}}]";
    Project::of([
        ("skyplan.yaml", format!("{HEAD}Project\nname: one\n")),
        ("edge.yaml", format!("{HEAD}Cluster\nname: edge\ndriver: existing\nexisting: {{kubeconfig: edge.conf}}\n")),
        ("app.yaml", format!("{HEAD}Application\nname: app\nsources: [{{objects: {objects}}}]\n")),
    ])
}

fn refactoring(project: Project, text: &str) -> Project {
    let mut project = project;
    project.tree.files.insert("refactoring.yaml".into(), format!("{HEAD}Refactoring\nname: r\n{text}\n").into());
    project
}

/// The world and the log of a project on an existing cluster.
fn running(project: &Project) -> (World, Log) {
    let mut world = World::default();
    let node = json!({"name": "n", "milliCpu": 4000, "memory": 16_u64 << 30, "gpus": 0, "pods": 110});
    world.make_cluster("edge").free = vec![serde_json::from_value::<FreeNode>(node).unwrap()];
    let mut log = Log::new(&project.model().lineage);
    log.run(&mut world, Some(&project.model()));
    (world, log)
}

/// Somebody calls a cluster otherwise in the specs: it is the same one.
fn called(world: &World, from: &str, to: &str) -> World {
    let mut world = world.clone();
    let mut site = world.clusters.remove(from).unwrap();
    let objects = std::mem::take(&mut site.objects);
    site.objects = objects.into_iter().map(|(a, o)| (skyplan::state::moves::renamed(&a, from, to), o)).collect();
    world.clusters.insert(to.into(), site);
    world
}

fn codes(project: &Project) -> Vec<String> {
    project.compiled().1.sorted().iter().map(|d| d.code.clone()).collect()
}

fn notes(plan: &Plan) -> Vec<&str> {
    plan.notes.iter().map(|n| n.text.as_str()).collect()
}

#[track_caller]
fn planned(project: &Project, world: &World, state: &State) -> Planned {
    plan(world, Some(&project.model()), state).unwrap_or_else(|out| panic!("{}", project.shown(&out)))
}

#[test]
fn a_cluster_is_called_otherwise_and_nothing_on_it_is_made_anew() {
    let project = edge();
    let (world, mut log) = running(&project);
    let before = log.state.records.len();
    let renamed = project.with("edge.yaml", "name: edge", "name: west");
    let mut world = called(&world, "edge", "west");
    // Without a word it is another cluster, and what is on it is somebody else's.
    let lost = planned(&renamed, &world, &log.state).plan;
    assert!(!lost.conflicts.is_empty() || lost.changes.iter().any(|c| c.action == Action::Create), "{lost:#?}");
    let renamed = refactoring(renamed, "moved: [{from: cluster/edge, to: cluster/west}]");
    let moved = planned(&renamed, &world, &log.state);
    assert_eq!(moved.plan.moved.len(), 1);
    assert!(
        moved.plan.changes.iter().all(|c| (c.action, &c.reason) == (Action::Update, &ActionReason::Renamed)),
        "{:#?}",
        moved.plan.changes
    );
    assert_eq!(moved.changes().len(), 3, "the objects say their new names; the cluster is as it is");
    let fields: Vec<&str> = moved.of(&format!("object/west/{WEB}")).fields.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(fields, ["metadata.annotations[skyplan.io/address]"]);
    log.apply(&mut world, &moved, Outcomes::AtOnce, usize::MAX).unwrap();
    assert_eq!(log.state.records.len(), before);
    let after = planned(&renamed, &world, &log.state);
    after.assert_empty();
    assert_eq!(
        notes(&after.plan),
        ["nothing is remembered as cluster/edge, which was to be cluster/west; refactoring.yaml:4 can be taken out"]
    );
    planned(&renamed.without("refactoring.yaml"), &world, &log.state).assert_empty();
}

#[test]
fn a_rename_may_be_cut_off_anywhere() {
    let project = edge();
    let (world, log) = running(&project);
    let renamed = project.with("edge.yaml", "name: edge", "name: west");
    let world = called(&world, "edge", "west");
    let written = refactoring(renamed.clone(), "moved: [{from: cluster/edge, to: cluster/west}]");
    let first = planned(&written, &world, &log.state);
    for most in 0.. {
        let (mut world, mut log) = (world.clone(), log.clone());
        let whole = log.apply(&mut world, &first, Outcomes::AtOnce, most).is_ok();
        // Once the names are in the log the document is not needed any more.
        let project = if most > 0 { &renamed } else { &written };
        let rest = planned(project, &world, &log.state);
        assert!(rest.plan.changes.iter().all(|c| c.action == Action::Update), "{most}: {:#?}", rest.plan.changes);
        log.apply(&mut world, &rest, Outcomes::AtOnce, usize::MAX).unwrap();
        planned(project, &world, &log.state).assert_empty();
        if whole {
            assert!(most > 5);
            break;
        }
    }
}

#[test]
fn a_component_keeps_its_place_under_another_name() {
    let two = two_clusters().without("where.yaml");
    let only_b = two.clone().with("a.yaml", "driver: local", "driver: local\ntaints: [{key: k, effect: NoSchedule}]");
    let (world, log) = applied(&only_b);
    // Both would do now, and the first by name is taken for what is new.
    let renamed = two.with("app.yaml", "name: app", "name: front");
    let new = planned(&renamed, &world, &log.state).plan;
    assert_eq!(new.placement.unwrap().components[0].cluster, "a");
    let moved = refactoring(renamed.clone(), "moved: [{from: app, to: front}]");
    let kept = planned(&moved, &world, &log.state).plan;
    assert_eq!(kept.placement.unwrap().components[0].cluster, "b");
    let one = refactoring(renamed, "moved: [{from: app/web, to: front/web}]");
    assert_eq!(planned(&one, &world, &log.state).plan.placement.unwrap().components[0].cluster, "b");
}

#[test]
fn what_is_let_go_stays_with_what_it_is_in() {
    let project = edge();
    let (mut world, mut log) = running(&project);
    let gone = project.with("app.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: b}}, ", "");
    let gone = gone.with("app.yaml", "envFrom: [{configMapRef: {name: web}}], ", "");
    let map = "object/edge/core/ConfigMap/app/web";
    assert_eq!(planned(&gone, &world, &log.state).of(map).action, Action::Delete);
    let kept = refactoring(gone.clone(), &format!("removed: [{map}]"));
    let plan = planned(&kept, &world, &log.state);
    let change = plan.of(map);
    assert_eq!((change.action, &change.reason), (Action::Forget, &ActionReason::LetGo));
    assert_eq!(change.origin.as_ref().unwrap().to_string(), "refactoring.yaml:4");
    log.apply(&mut world, &plan, Outcomes::AtOnce, usize::MAX).unwrap();
    assert!(world.object(&at(map)).is_some() && !log.state.records.contains_key(&at(map)));
    let after = planned(&kept, &world, &log.state);
    after.assert_empty();
    assert_eq!(notes(&after.plan), [format!("{map} is not remembered; refactoring.yaml:4 can be taken out")]);
    // Everything of the application goes: the namespace stays for what is let go.
    let (mut world, mut log) = running(&edge());
    let none = edge().without("app.yaml");
    let kept = refactoring(none, &format!("removed: [object/edge/{WEB}]"));
    let plan = planned(&kept, &world, &log.state);
    let namespace = plan.of("object/edge/core/Namespace/-/app");
    assert_eq!((namespace.action, &namespace.reason), (Action::Forget, &ActionReason::LetGo));
    log.apply(&mut world, &plan, Outcomes::AtOnce, usize::MAX).unwrap();
    assert!(world.object(&at(&format!("object/edge/{WEB}"))).is_some());
    assert!(world.object(&at("object/edge/core/ConfigMap/app/web")).is_none(), "nobody kept it");
}

#[test]
fn what_is_let_go_does_not_go_with_its_cluster() {
    let project = two_clusters();
    let (world, log) = applied(&project);
    let moved = project.with("where.yaml", "cluster: a", "cluster: b").without("a.yaml");
    let kept = refactoring(moved.clone(), &format!("removed: [object/a/{WEB}]"));
    let faults = plan(&world, Some(&kept.model()), &log.state).unwrap_err();
    assert_eq!(faults.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SKY0511"]);
    // The cluster, too: then all of it stays.
    let kept = refactoring(moved, "removed: [cluster/a]");
    let plan = planned(&kept, &world, &log.state);
    let on_a: Vec<Action> = plan.plan.changes.iter().filter(|c| c.address.cluster() == "a").map(|c| c.action).collect();
    assert_eq!(on_a, [Action::Forget; 3]);
}

#[test]
fn what_is_there_is_taken_over_and_what_differs_is_shown() {
    let project = edge();
    let mut world = World::default();
    let node = json!({"name": "n", "milliCpu": 4000, "memory": 16_u64 << 30, "gpus": 0, "pods": 110});
    world.make_cluster("edge").free = vec![serde_json::from_value::<FreeNode>(node).unwrap()];
    world.foreign("edge", "kubectl", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "app"},
        "data": {"a": "other", "theirs": "1"}});
    world.foreign("edge", "kubectl", &map);
    let mut log = Log::new(&project.model().lineage);
    let conflict = planned(&project, &world, &log.state).plan;
    assert_eq!(conflict.conflicts.len(), 1);
    let address = "object/edge/core/ConfigMap/app/web";
    let written = refactoring(project.clone(), &format!("import: [{address}]"));
    let asked = Scope { imports: [at(address)].into(), ..Scope::default() };
    let by_word = plan_as(&world, Some(&project.model()), &log.state, &asked).unwrap();
    let plan = planned(&written, &world, &log.state);
    assert_eq!(plan.plan.changes, by_word.plan.changes);
    let change = plan.of(address);
    assert_eq!((change.action, &change.reason), (Action::Update, &ActionReason::Imported));
    let fields: Vec<String> = change.fields.iter().map(|f| format!("{}: {:?}", f.path, f.before)).collect();
    assert_eq!(fields, ["data.a: Some(String(\"other\"))"]);
    log.apply(&mut world, &plan, Outcomes::AtOnce, usize::MAX).unwrap();
    let live = world.object(&at(address)).unwrap();
    assert_eq!((&live["data"]["a"], &live["data"]["theirs"]), (&json!("b"), &json!("1")));
    let after = planned(&written, &world, &log.state);
    after.assert_empty();
    assert_eq!(notes(&after.plan), [format!("{address} is skyplan's already; refactoring.yaml:4 can be taken out")]);
}

#[test]
fn what_another_project_has_is_not_taken_over() {
    let project = edge();
    let mut world = World::default();
    let node = json!({"name": "n", "milliCpu": 4000, "memory": 16_u64 << 30, "gpus": 0, "pods": 110});
    world.make_cluster("edge").free = vec![serde_json::from_value::<FreeNode>(node).unwrap()];
    world.foreign("edge", "kubectl", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}));
    let labels = json!({"skyplan.io/lineage": "other"});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "app", "labels": labels}});
    world.foreign("edge", "skyplan-other", &map);
    let written = refactoring(project, "import: [object/edge/core/ConfigMap/app/web]");
    let log = Log::new(&written.model().lineage);
    assert_eq!(planned(&written, &world, &log.state).plan.conflicts.len(), 1);
}

#[test]
fn a_local_cluster_is_taken_over() {
    let project = two_clusters();
    let mut world = World::default();
    world.make_cluster("a").pools.insert("default".into(), 2);
    let mut log = Log::new(&project.model().lineage);
    assert_eq!(planned(&project, &world, &log.state).plan.conflicts.len(), 1);
    let written = refactoring(project, "import: [cluster/a]");
    let plan = planned(&written, &world, &log.state);
    assert_eq!((plan.of("cluster/a").action, &plan.of("cluster/a").reason), (Action::Update, &ActionReason::Imported));
    log.apply(&mut world, &plan, Outcomes::AtOnce, usize::MAX).unwrap();
    planned(&written, &world, &log.state).assert_empty();
}

#[test]
fn refactorings_that_cannot_be_are_told() {
    for (text, code) in [
        ("moved: [{from: object/edge/core/ConfigMap/app/a, to: object/edge/core/ConfigMap/app/b}]", "SKY0208"),
        ("moved: [{from: cluster/old, to: app}]", "SKY0208"),
        ("moved: [{from: app, to: app}]", "SKY0208"),
        ("moved: [{from: cluster/edge, to: cluster/west}]", "SKY0209"),
        ("moved: [{from: old, to: nowhere}]", "SKY0202"),
        ("moved: [{from: old/web, to: app/nothing}]", "SKY0202"),
        ("removed: [cluster/edge]", "SKY0209"),
        ("import: [cluster/west]", "SKY0202"),
        ("moved: [{from: a/b/c, to: app}]", "SKY0107"),
        ("import: [edge]", "SKY0107"),
    ] {
        assert_eq!(codes(&refactoring(edge(), text)), [code], "{text}");
    }
    let twice = codes(&refactoring(edge(), "removed: [cluster/x]\nimport: [cluster/x]"));
    assert_eq!(twice, ["SKY0202", "SKY0209"]);
    // What only a plan knows.
    let (world, log) = running(&edge());
    for text in [format!("removed: [object/edge/{WEB}]"), "import: [object/edge/core/ConfigMap/app/none]".into()] {
        let project = refactoring(edge(), &text);
        let faults = plan(&world, Some(&project.model()), &log.state).unwrap_err();
        assert_eq!(faults.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SKY0209"], "{text}");
    }
}

#[test]
fn two_clusters_do_not_become_one() {
    let (world, mut log) = running(&edge());
    let west = edge().with("edge.yaml", "name: edge", "name: west");
    let mut world = called(&world, "edge", "west");
    let both = world.clusters["west"].clone();
    world.clusters.insert("edge".into(), both);
    let record = log.state.records[&at("cluster/edge")].clone();
    log.state.records.insert(at("cluster/west"), record);
    let project = refactoring(west, "moved: [{from: cluster/edge, to: cluster/west}]");
    let faults = plan(&world, Some(&project.model()), &log.state).unwrap_err();
    assert_eq!(faults.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SKY0510"]);
}

#[test]
fn what_is_held_is_left_alone_by_who_was_not_asked() {
    let project = edge();
    let (world, mut log) = running(&project);
    let held = Held { since: "2026-11-22T01:00:00.5Z".into(), reason: "rolled back to 7".into() };
    log.state.held.insert(at(&format!("object/edge/{WEB}")), held);
    let more = project.with("app.yaml", "replicas: 2", "replicas: 3").with("app.yaml", "{a: b}", "{a: c}");
    let attended = planned(&more, &world, &log.state);
    assert_eq!(attended.changes().len(), 2);
    let said = "object/edge/apps/Deployment/app/web is held since 2026-11-22T01:00:00Z: rolled back to 7; \
                `skyplan state unhold` ends it";
    assert!(notes(&attended.plan).contains(&said), "{:?}", notes(&attended.plan));
    let scope = Scope { unattended: true, ..Scope::default() };
    let alone = plan_as(&world, Some(&more.model()), &log.state, &scope).unwrap();
    assert_eq!(alone.changes(), ["~ object/edge/core/ConfigMap/app/web"]);
}
