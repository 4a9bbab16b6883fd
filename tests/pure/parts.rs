//! Plans that were asked for a part, for a replacement, or for the state alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use skyplan::{
    address::ResourceAddress,
    compile::model::Model,
    observed::{FreeNode, Observed},
    plan::{
        Scope,
        change::{Action, ActionReason},
    },
    state::{RecordDetail, State},
};

use crate::support::{
    generated::{generated, pieces, two_clusters},
    log::{Log, Outcomes, Planned, applied, plan, plan_as},
    project::Project,
    world::World,
};

const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind:";

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn target(all: &[&str]) -> Scope {
    Scope { targets: words(all), ..Scope::default() }
}

fn exclude(all: &[&str]) -> Scope {
    Scope { excludes: words(all), ..Scope::default() }
}

fn replace(address: &str) -> Scope {
    Scope { replace: [address.parse().unwrap()].into(), ..Scope::default() }
}

fn refresh() -> Scope {
    Scope { refresh_only: true, ..Scope::default() }
}

#[track_caller]
fn narrow(world: &World, model: Option<&Model>, log: &Log, scope: &Scope) -> Planned {
    plan_as(world, model, &log.state, scope).unwrap_or_else(|out| panic!("{out:#?}"))
}

fn code(world: &World, model: &Model, log: &Log, scope: &Scope) -> (String, Vec<String>) {
    let out = plan_as(world, Some(model), &log.state, scope).expect_err("it is refused");
    let first = out.iter().next().unwrap();
    (first.code.clone(), first.hints.clone())
}

fn shop_that_moves() -> (Project, World, Log) {
    let shop = Project::example("shop");
    let (world, log) = applied(&shop);
    let moved = shop.with("shop/policies.yaml", "permitted: [{platform: aws}]", "permitted: [{platform: gcp}]");
    (moved, world, log)
}

#[test]
fn a_target_takes_in_what_it_depends_on() {
    let (world, log) = (World::default(), Log::new("shop"));
    let model = Project::example("shop").model();
    let part = narrow(&world, Some(&model), &log, &target(&["shop/photos"]));
    let changes = part.changes();
    assert!(
        changes.contains(&"+ cluster/aws".to_owned()) && changes.contains(&"+ object/aws/core/Namespace/-/shop".into())
    );
    assert!(changes.iter().all(|c| !c.contains("StatefulSet")), "{changes:#?}");
    assert!(!part.plan.complete && part.plan.applyable);
    assert_eq!(part.plan.targets, ["shop/photos"]);
    let note = part.plan.notes.iter().find(|n| n.topic == "narrowed").unwrap();
    assert!(
        note.text.contains("--target shop/photos") && note.text.contains("prices are of the whole"),
        "{}",
        note.text
    );
    // Only what was done is remembered.
    let record = part.plan.placement_record.as_ref().unwrap();
    assert!(record.components.contains_key("shop/photos") && !record.components.contains_key("shop/orders"));
}

#[test]
fn what_is_excluded_takes_out_what_depends_on_it() {
    let (world, log) = (World::default(), Log::new("shop"));
    let model = Project::example("shop").model();
    let whole = plan(&world, Some(&model), &log.state).unwrap().changes();
    let part = narrow(&world, Some(&model), &log, &exclude(&["cluster/aws"])).changes();
    let left: Vec<&String> = whole.iter().filter(|c| !part.contains(c)).collect();
    assert!(left.iter().all(|c| c.contains("/aws")) && !part.iter().any(|c| c.contains("/aws")), "{left:#?}");
    assert!(part.iter().any(|c| c.contains("/gcp")));
}

/// An application with one Deployment of its name.
fn app(name: &str) -> [(String, String); 2] {
    let labels = format!("{{app: {name}}}");
    let pod = "{containers: [{name: c, image: i, resources: {requests: {cpu: 1}}}]}";
    [
        (format!("{name}/a.yaml"), format!("{HEAD} Application\nname: {name}\nsources: [{{path: manifests}}]\n")),
        (
            format!("{name}/manifests/all.yaml"),
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
                 selector: {{matchLabels: {labels}}}\n  template: {{metadata: {{labels: {labels}}}, spec: {pod}}}\n"
            ),
        ),
    ]
}

#[test]
fn what_is_left_in_place_keeps_its_room() {
    let project = |apps: &[&str]| {
        let one = format!("{HEAD} Cluster\nname: one\ndriver: existing\nexisting: {{kubeconfig: k}}\n");
        let own = [("skyplan.yaml".to_owned(), format!("{HEAD} Project\nname: rooms\n")), ("one.yaml".to_owned(), one)];
        Project::of(own.into_iter().chain(apps.iter().flat_map(|name| app(name)))).model()
    };
    let (mut world, mut log) = (World::default(), Log::new("rooms"));
    let (labels, taints) = (BTreeMap::new(), Vec::new());
    let node = FreeNode { name: "n".into(), milli_cpu: 8000, memory: 32 << 30, gpus: 0, pods: 110, labels, taints };
    world.make_cluster("one").free = vec![node];
    log.run(&mut world, Some(&project(&["old", "web"])));
    let model = project(&["web", "new"]);
    // Pods of what is ours do not count as used. What is to go, and does not go with this plan, is as if it were not.
    let frees = |name: &str, scope: &Scope| {
        let planned = narrow(&world, Some(&model), &log, scope);
        let named = |a: &&ResourceAddress| a.object().is_some_and(|o| o.kind == "Deployment" && o.name == name);
        let address = log.state.records.keys().find(named).unwrap();
        let RecordDetail::Object(object) = &log.state.records[address].detail else { panic!() };
        let goes = planned.changes().contains(&format!("- {address}"));
        (planned.asked["one"].ours.contains(&object.uid), goes)
    };
    for (scope, goes) in [
        (Scope::default(), true),
        (target(&["new"]), false),
        (target(&["new", "old"]), true),
        (target(&["old/old"]), true),
        (target(&["object/one/apps/Deployment/*"]), true),
        (exclude(&["old"]), false),
        (exclude(&["new"]), true),
    ] {
        assert_eq!(frees("old", &scope), (goes, goes), "{scope:?}");
        assert_eq!(frees("web", &scope), (true, false), "{scope:?}");
    }
}

#[test]
fn half_a_move_is_never_made() {
    let (moved, world, log) = shop_that_moves();
    let model = moved.model();
    let (old, new) = ("object/aws/apps/Deployment/shop/photos", "object/gcp/apps/Deployment/shop/photos");
    // Without the new one the old one stays.
    let part = narrow(&world, Some(&model), &log, &exclude(&[new]));
    assert!(!part.changes().iter().any(|c| c.contains(old)), "{:#?}", part.changes());
    assert_eq!(
        part.plan.placement_record.as_ref().unwrap().components["shop/photos"].clusters,
        ["aws"],
        "it is remembered where it still runs"
    );
    // The old one goes only with the new one.
    let part = narrow(&world, Some(&model), &log, &target(&[old]));
    assert!(part.changes().contains(&format!("+ {new}")), "{:#?}", part.changes());
    // The new one may come while the old one stays.
    let part = narrow(&world, Some(&model), &log, &exclude(&[old]));
    assert!(part.changes().contains(&format!("+ {new}")), "{:#?}", part.changes());
    assert!(!part.changes().contains(&format!("- {old}")));
    assert!(!part.changes().iter().any(|c| c.contains("Namespace/-/shop")), "what it is in stays");
    assert!(part.plan.guards.is_empty(), "{:?}", part.plan.guards);
}

#[test]
fn a_cluster_stays_while_something_on_it_does() {
    let project = two_clusters();
    let (world, log) = applied(&project);
    let moved = project.with("where.yaml", "cluster: a", "cluster: b").without("a.yaml").model();
    let web = "object/a/apps/Deployment/app/web";
    let part = narrow(&world, Some(&moved), &log, &exclude(&[web]));
    assert!(!part.changes().contains(&"- cluster/a".to_owned()), "{:#?}", part.changes());
    // One component is taken away by itself, not with the cluster that would go.
    let part = narrow(&world, None, &log, &target(&["app/web"]));
    assert_eq!(part.changes(), [format!("- {web}")]);
    assert!(part.plan.destroy && !part.plan.complete);
    // Named, the cluster goes with all that is on it.
    let part = narrow(&world, None, &log, &target(&["cluster/a"]));
    assert_eq!(
        part.changes(),
        ["- cluster/a".to_owned(), ". object/a/core/Namespace/-/app".into(), format!(". {web}")]
    );
}

#[test]
fn what_is_in_the_way_elsewhere_is_not_in_the_way() {
    let project = Project::example("quickstart");
    let (mut world, log) = applied(&project);
    let web = "object/quickstart/apps/Deployment/hello/web";
    world.edit(web, "kubectl-scale", |o| o["spec"]["replicas"] = 7.into());
    let changed = project.with("hello/manifests/cache.yaml", "replicas: 1", "replicas: 2").model();
    assert!(!plan(&world, Some(&changed), &log.state).unwrap().plan.applyable);
    for scope in [target(&["hello/cache"]), exclude(&["hello/web"]), exclude(&["object/*/web"])] {
        let part = narrow(&world, Some(&changed), &log, &scope);
        assert!(part.plan.applyable && part.plan.conflicts.is_empty(), "{:#?}", part.plan.conflicts);
        assert_eq!(part.changes(), ["~ object/quickstart/apps/StatefulSet/hello/cache"]);
    }
}

#[test]
fn what_there_is_not_is_named() {
    let project = Project::example("quickstart");
    let (world, log) = applied(&project);
    let model = project.model();
    for (word, near) in [
        ("hello/wbe", "`hello/web`"),
        ("helo", "`hello`"),
        ("quickstart", "`cluster/quickstart`"),
        ("cluster/quikstart", "`cluster/quickstart`"),
        ("object/quickstart/apps/Deployment/hello/wb", "`object/quickstart/apps/Deployment/hello/web`"),
        ("web", "`hello/web`"),
    ] {
        for scope in [target(&[word]), exclude(&[word])] {
            let (code, hints) = code(&world, &model, &log, &scope);
            assert_eq!(code, "SKY0915");
            assert!(hints.iter().any(|h| h.contains(near)), "{word}: {hints:?}");
        }
    }
    for address in ["object/quickstart/apps/Deployment/hello/wb", "cluster/other"] {
        assert_eq!(code(&world, &model, &log, &replace(address)).0, "SKY0916");
    }
    // What the plan makes anyway is not there to be replaced.
    let web = "object/quickstart/apps/Deployment/hello/web";
    let mut without = world.clone();
    without.delete(&web.parse().unwrap());
    assert_eq!(code(&without, &model, &log, &replace(web)).0, "SKY0916");
}

#[test]
fn an_object_is_replaced_when_that_is_asked_for() {
    let project = Project::example("quickstart");
    let (mut world, mut log) = applied(&project);
    let web: ResourceAddress = "object/quickstart/apps/Deployment/hello/web".parse().unwrap();
    let before = world.object(&web).unwrap()["metadata"]["uid"].clone();
    let part = narrow(&world, Some(&project.model()), &log, &replace(&web.to_string()));
    let change = part.only();
    assert_eq!((change.action, &change.reason), (Action::Replace, &ActionReason::Requested));
    assert!(part.plan.complete && part.plan.guards.is_empty());
    log.apply(&mut world, &part, Outcomes::AtOnce, usize::MAX).unwrap();
    assert_ne!(world.object(&web).unwrap()["metadata"]["uid"], before);
    plan(&world, Some(&project.model()), &log.state).unwrap().assert_empty();
}

#[test]
fn a_cluster_is_replaced_with_all_that_is_on_it() {
    let project = two_clusters();
    let (mut world, mut log) = applied(&project);
    let before = world.clusters["a"].uid.clone();
    // What is no longer wanted there goes with it.
    let smaller = project.with("app.yaml", "{name: web}", "{name: other}").with(
        "where.yaml",
        "componentRef: web",
        "componentRef: other",
    );
    let part = narrow(&world, Some(&smaller.model()), &log, &replace("cluster/a"));
    assert_eq!(
        part.changes(),
        [
            "± cluster/a",
            "+ object/a/core/Namespace/-/app",
            "+ object/a/apps/Deployment/app/other",
            ". object/a/apps/Deployment/app/web",
        ]
    );
    let gone = part.of("object/a/apps/Deployment/app/web");
    assert_eq!((&gone.reason, gone.depends_on.len()), (&ActionReason::GoneWithCluster, 1));
    assert_eq!(part.plan.guards.len(), 1, "{:?}", part.plan.guards);
    log.apply(&mut world, &part, Outcomes::AtOnce, usize::MAX).unwrap();
    assert_ne!(world.clusters["a"].uid, before);
    plan(&world, Some(&smaller.model()), &log.state).unwrap().assert_empty();
}

#[test]
fn nothing_leaves_for_a_place_that_does_not_answer() {
    let project = two_clusters();
    // Both clusters stand.
    let both = project.clone().with("where.yaml", "cluster: a", "cluster: b");
    let (mut world, mut log) = applied(&both);
    log.run(&mut world, Some(&project.model()));
    // It is to go back to b, which is stopped.
    world.clusters.get_mut("b").unwrap().silent = true;
    for wanted in [both.clone(), both.without("a.yaml")] {
        let planned = plan(&world, Some(&wanted.model()), &log.state).unwrap();
        let goes = planned.plan.changes.iter().filter(|c| c.address.cluster() == "a" && c.goes());
        assert_eq!(goes.count(), 0, "{:#?}", planned.changes());
        assert!(!planned.plan.complete);
    }
}

#[test]
fn a_refresh_tells_drift_and_forgets_what_is_gone() {
    let project = Project::example("quickstart");
    let (mut world, mut log) = applied(&project);
    let (web, service) = ("object/quickstart/apps/Deployment/hello/web", "object/quickstart/core/Service/hello/cache");
    world.edit(web, "kubectl-scale", |o| o["spec"]["replicas"] = 7.into());
    world.edit(web, "somebody", |o| {
        o["metadata"]["labels"].as_object_mut().unwrap().remove("app.kubernetes.io/managed-by");
    });
    world.delete(&service.parse().unwrap());
    let part = narrow(&world, Some(&project.model()), &log, &refresh());
    assert_eq!(part.changes(), [format!(". {service}")]);
    assert!(part.plan.refresh_only && part.plan.applyable && part.plan.placement_record.is_none());
    assert!(part.observed.dry_runs.is_empty() && part.observed.lookups.is_empty());
    let drift: Vec<&str> = part.plan.notes.iter().map(|n| n.text.as_str()).collect();
    assert_eq!(
        drift,
        ["Deployment hello/web on quickstart was changed outside of skyplan: \
          metadata.labels.app.kubernetes.io/managed-by (gone), spec.replicas (by kubectl-scale)"]
    );
    log.settle(&part.plan);
    assert!(!log.state.records.contains_key(&service.parse().unwrap()));
    // Without its clusters nothing is left to remember.
    world.clusters.clear();
    let part = narrow(&world, Some(&project.model()), &log, &refresh());
    assert_eq!(part.plan.changes.len(), log.state.records.len());
    log.settle(&part.plan);
    assert!(log.state.records.is_empty());
}

#[test]
fn a_refresh_settles_whatever_a_cut_left_open() {
    let project = Project::example("quickstart");
    let model = project.model();
    let (uncut, whole) = applied(&project);
    let first = plan(&World::default(), Some(&model), &Log::new("quickstart").state).unwrap();
    let mut imported = 0;
    for outcomes in [Outcomes::AtOnce, Outcomes::Grouped] {
        for most in 0.. {
            let (mut world, mut log) = (World::default(), Log::new("quickstart"));
            let done = log.apply(&mut world, &first, outcomes, most).is_ok();
            let before = format!("{world:?}");
            let settles = narrow(&world, Some(&model), &log, &refresh());
            imported += settles.plan.changes.iter().filter(|c| c.action == Action::Import).count();
            log.settle(&settles.plan);
            assert_eq!(format!("{world:?}"), before);
            assert!(log.state.uncertain.is_empty() && log.state.open.is_empty(), "{outcomes:?} {most}");
            narrow(&world, Some(&model), &log, &refresh()).assert_empty();
            log.run(&mut world, Some(&model));
            assert_eq!((world.shape(), log.shape()), (uncut.shape(), whole.shape()), "{outcomes:?} {most}");
            if done {
                break;
            }
        }
    }
    assert!(imported > 10, "{imported}");
}

/// What a user might name: a component, an application, an address, a pattern.
fn any_word(planned: &Planned, at: usize) -> String {
    let mut all = words(&["app", "object/a/*", "object/*/Deployment/*", "cluster/b", "app/c0", "app/c1", "app/c2"]);
    all.extend(planned.plan.changes.iter().map(|c| c.address.to_string()));
    all[at % all.len()].clone()
}

/// Where the workload of a component runs.
fn runs(world: &World, component: &str) -> Vec<String> {
    let name = component.rsplit('/').next().unwrap();
    let at = world.clusters.iter().filter(|(_, site)| {
        let mut objects = site.objects.keys().filter_map(ResourceAddress::object);
        objects.any(|o| o.name == name && ["Deployment", "StatefulSet"].contains(&o.kind.as_str()))
    });
    at.map(|(cluster, _)| cluster.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A part, and then the whole, come to the same as the whole at once; and after the part nothing has
    /// vanished that was to stay, and what is remembered is true.
    #[test]
    fn a_part_and_then_the_whole(
        first in pieces(), second in pieces(), clusters in (1..4_usize, 1..4_usize),
        word in 0..60_usize, more in 0..60_usize, out in any::<bool>(), both in any::<bool>(),
    ) {
        let (first, second) = (generated(&first, clusters.0), generated(&second, clusters.1));
        let (mut world, mut log) = applied(&first);
        let (before, after) = (log.state.placement.clone(), second.model());
        let all = plan(&world, Some(&after), &log.state).unwrap();
        let (mut uncut, mut whole) = (world.clone(), log.clone());
        whole.apply(&mut uncut, &all, Outcomes::AtOnce, usize::MAX).unwrap();
        let (word, more) = (any_word(&all, word), any_word(&all, more));
        let scope = match (out, both) {
            (true, _) => exclude(&[&word, &more]),
            (_, true) => Scope { targets: vec![word], excludes: vec![more], ..Scope::default() },
            _ => target(&[&word, &more]),
        };
        // A word that names nothing here is refused.
        let Ok(part) = plan_as(&world, Some(&after), &log.state, &scope) else { return Ok(()) };
        prop_assert!(!part.plan.complete);
        log.apply(&mut world, &part, Outcomes::AtOnce, usize::MAX).unwrap();
        for component in before.components.keys().filter(|c| after.components.iter().any(|now| now.name == **c)) {
            prop_assert!(!runs(&world, component).is_empty(), "{component} is gone: {scope:?}");
        }
        // Rests of what the specs no longer have are remembered until the last of them is gone.
        let written = |name: &String| after.components.iter().any(|c| c.name == *name);
        for (component, place) in log.state.placement.components.iter().filter(|(name, _)| written(name)) {
            let at = runs(&world, component);
            prop_assert!(place.clusters.iter().all(|c| at.contains(c)), "{component}: {place:?}, runs on {at:?}");
        }
        let rest = plan(&world, Some(&after), &log.state).unwrap();
        log.apply(&mut world, &rest, Outcomes::AtOnce, usize::MAX).unwrap();
        prop_assert_eq!(world.shape(), uncut.shape(), "{:?}", scope);
        prop_assert_eq!(log.shape(), whole.shape(), "{:?}", scope);
        plan(&world, Some(&after), &log.state).unwrap().assert_empty();
    }

    /// Taking a part away, and then the rest, leaves nothing.
    #[test]
    fn a_part_of_a_destroy_and_then_the_rest(first in pieces(), clusters in 1..4_usize, word in 0..60_usize, out in any::<bool>()) {
        let project = generated(&first, clusters);
        let (mut world, mut log) = applied(&project);
        let all = plan(&world, None, &log.state).unwrap();
        let word = any_word(&all, word);
        let scope = if out { exclude(&[&word]) } else { target(&[&word]) };
        let Ok(part) = plan_as(&world, None, &log.state, &scope) else { return Ok(()) };
        log.apply(&mut world, &part, Outcomes::AtOnce, usize::MAX).unwrap();
        for (component, place) in &log.state.placement.components {
            prop_assert!(place.clusters.iter().all(|c| world.clusters.contains_key(c)), "{component}: {place:?}");
        }
        log.run(&mut world, None);
        prop_assert!(world.clusters.is_empty() && log.state.records.is_empty());
        prop_assert_eq!(&log.state.placement, &State::default().placement);
    }

    /// A refresh changes no cluster, whatever happened there, and a second one finds nothing to do.
    #[test]
    fn a_refresh_changes_no_cluster(pieces in pieces(), clusters in 1..4_usize, cut in 0..60_usize, gone in 0..30_usize) {
        let project = generated(&pieces, clusters);
        let model = project.model();
        let (mut world, mut log) = (World::default(), Log::new(&model.lineage));
        let first = plan(&world, Some(&model), &log.state).unwrap();
        let _ = log.apply(&mut world, &first, Outcomes::AtOnce, cut);
        let objects: Vec<ResourceAddress> = log.state.records.keys().filter(|a| a.object().is_some()).cloned().collect();
        if let Some(address) = objects.get(gone) {
            world.delete(address);
        }
        let before = format!("{world:?}");
        let part = plan_as(&world, Some(&model), &log.state, &refresh()).unwrap();
        log.settle(&part.plan);
        prop_assert_eq!(format!("{world:?}"), before);
        prop_assert!(log.state.uncertain.is_empty());
        plan_as(&world, Some(&model), &log.state, &refresh()).unwrap().assert_empty();
        log.run(&mut world, Some(&model));
        plan(&world, Some(&model), &log.state).unwrap().assert_empty();
        prop_assert_eq!(part.observed.dry_runs, Observed::default().dry_runs);
    }
}
