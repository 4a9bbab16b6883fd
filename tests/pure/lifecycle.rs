//! What `lifecycle` says of objects: fields that are set once or taken, objects that stay, objects that must.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use skyplan::{
    address::ResourceAddress,
    plan::change::{Action, ActionReason, Settlement},
    state::RecordDetail,
};

use crate::support::{
    log::{Log, Planned, applied, plan},
    project::Project,
    world::World,
};

const APP: &str = "hello/application.yaml";
const WEB: &str = "object/quickstart/apps/Deployment/hello/web";

/// The quickstart with a lifecycle of its component `web`.
fn project(lifecycle: &str) -> Project {
    let entry = format!("    dependsOn: [cache]\n    lifecycle: {lifecycle}");
    Project::example("quickstart").with(APP, "    dependsOn: [cache]", &entry)
}

#[track_caller]
fn replan(project: &Project, world: &World, log: &Log) -> Planned {
    plan(world, Some(&project.model()), &log.state).unwrap_or_else(|out| panic!("{}", project.shown(&out)))
}

fn live(world: &World, pointer: &str) -> serde_json::Value {
    world.object(&WEB.parse().unwrap()).unwrap().pointer(pointer).cloned().unwrap_or_default()
}

fn scaled(project: Project, replicas: u32) -> Project {
    project.with("hello/manifests/web.yaml", "replicas: 2", &format!("replicas: {replicas}"))
}

fn other_image(project: Project) -> Project {
    project.with("hello/manifests/web.yaml", "agnhost:2.53", "agnhost:2.54")
}

#[test]
fn an_ignored_field_is_its_changers_and_the_rest_is_applied() {
    let project = project("{ignoreFields: [spec.replicas]}");
    let (mut world, mut log) = applied(&project);
    world.edit(WEB, "somebody", |o| o["spec"]["replicas"] = 7.into());
    replan(&project, &world, &log).assert_empty();
    replan(&scaled(project.clone(), 5), &world, &log).assert_empty();
    let next = other_image(scaled(project, 5));
    let planned = replan(&next, &world, &log);
    let change = planned.only();
    assert_eq!(change.fields.len(), 1, "{:#?}", change.fields);
    assert_eq!(change.contested[0].settled, Settlement::Left);
    log.run(&mut world, Some(&next.model()));
    assert_eq!(live(&world, "/spec/replicas"), 7);
    assert_eq!(live(&world, "/spec/template/spec/containers/0/image"), "registry.k8s.io/e2e-test-images/agnhost:2.54");
    replan(&next, &world, &log).assert_empty();
}

#[test]
fn an_ignored_field_that_nobody_changed_stays_as_it_was_made() {
    let project = project("{ignoreFields: [spec.replicas]}");
    let (mut world, mut log) = applied(&project);
    replan(&scaled(project.clone(), 5), &world, &log).assert_empty();
    let next = other_image(scaled(project, 5));
    assert_eq!(replan(&next, &world, &log).only().contested[0].settled, Settlement::Kept);
    log.run(&mut world, Some(&next.model()));
    assert_eq!(live(&world, "/spec/replicas"), 2);
    replan(&next, &world, &log).assert_empty();
}

#[test]
fn fields_are_taken_one_by_one_or_all_of_a_component() {
    for lifecycle in ["{takeFields: [spec.replicas]}", "{onConflict: take}"] {
        let project = project(lifecycle);
        let (mut world, mut log) = applied(&project);
        world.edit(WEB, "somebody", |o| o["spec"]["replicas"] = 7.into());
        let planned = replan(&project, &world, &log);
        assert!(planned.plan.applyable && planned.only().takes_fields(), "{lifecycle}");
        log.run(&mut world, Some(&project.model()));
        assert_eq!(live(&world, "/spec/replicas"), 2);
        replan(&project, &world, &log).assert_empty();
    }
    let project = project("{takeFields: [spec.replicas]}");
    let (mut world, log) = applied(&project);
    world.edit(WEB, "somebody", |o| o["spec"]["template"]["spec"]["containers"][0]["image"] = "x".into());
    assert_eq!(replan(&project, &world, &log).plan.conflicts.len(), 1, "another field is still in the way");
}

#[test]
fn what_is_to_stay_stays_with_what_it_is_in() {
    let project = project("{deletionPolicy: retain, objects: {kind: ConfigMap}}");
    let (mut world, mut log) = applied(&project);
    let planned = log.run(&mut world, None);
    let of = |address: &str| (planned.of(address).action, planned.of(address).reason.clone());
    // Its cluster goes, and so does all that is on it.
    assert_eq!(of("object/quickstart/core/ConfigMap/hello/web").1, ActionReason::GoneWithCluster);

    let (mut world, mut log) = applied(&project);
    let none =
        ["cache", "web"].iter().fold(project.without(APP), |p, m| p.without(&format!("hello/manifests/{m}.yaml")));
    let planned = log.run(&mut world, Some(&none.model()));
    let of = |address: &str| (planned.of(address).action, planned.of(address).reason.clone());
    assert_eq!(of("object/quickstart/core/ConfigMap/hello/web"), (Action::Forget, ActionReason::Retained));
    assert_eq!(of("object/quickstart/core/Namespace/-/hello"), (Action::Forget, ActionReason::Retained));
    assert_eq!(of(WEB), (Action::Delete, ActionReason::Removed));
    let map: ResourceAddress = "object/quickstart/core/ConfigMap/hello/web".parse().unwrap();
    assert!(world.object(&map).is_some() && !log.state.records.contains_key(&map));
}

#[test]
fn what_is_protected_goes_only_after_that_was_lifted() {
    let project = project("{preventDestroy: true, objects: {kind: ConfigMap}}");
    let (mut world, mut log) = applied(&project);
    let map: ResourceAddress = "object/quickstart/core/ConfigMap/hello/web".parse().unwrap();
    let faults = plan(&world, None, &log.state).unwrap_err();
    assert_eq!(
        faults.iter().map(|d| (d.code.clone(), d.address.clone())).collect::<Vec<_>>(),
        [("SKY0545".into(), Some(map.to_string()))]
    );
    // That the specs no longer say so is not enough: it has to be applied.
    let lifted = Project::example("quickstart");
    let change = replan(&lifted, &world, &log);
    assert_eq!(change.only().fields[0].path, "lifecycle.preventDestroy");
    let replace = skyplan::plan::select::Scope { replace: [map.clone()].into(), ..Default::default() };
    let faults = crate::support::log::plan_as(&world, Some(&lifted.model()), &log.state, &replace).unwrap_err();
    assert_eq!(faults.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SKY0545"]);
    log.run(&mut world, Some(&lifted.model()));
    replan(&lifted, &world, &log).assert_empty();
    assert!(plan(&world, None, &log.state).is_ok());
}

#[test]
fn a_job_that_ran_to_its_end_does_not_run_again_for_being_gone() {
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: seed}\nspec:\n  ttlSecondsAfterFinished: 5\n  template:\n    \
               spec:\n      restartPolicy: Never\n      containers: [{name: seed, image: busybox}]\n";
    let mut project = Project::example("quickstart");
    project.tree.files.insert("hello/manifests/seed.yaml".into(), job.into());
    let (mut world, mut log) = applied(&project);
    let address: ResourceAddress = "object/quickstart/batch/Job/hello/seed".parse().unwrap();
    world.delete(&address);
    assert_eq!(replan(&project, &world, &log).only().reason, ActionReason::DeletedOutside, "before its end");
    match &mut log.state.records.get_mut(&address).unwrap().detail {
        RecordDetail::Object(record) => record.done = true,
        other => panic!("{other:?}"),
    }
    replan(&project, &world, &log).assert_empty();
    let changed = project.with("hello/manifests/seed.yaml", "busybox", "busybox:2");
    assert_eq!(replan(&changed, &world, &log).only().action, Action::Create);
}

#[test]
fn a_selector_of_nothing_protects_nothing_and_is_told() {
    let (_, out) = project("{preventDestroy: true, objects: {kind: ConfigMpa}}").compiled();
    assert_eq!(out.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SKY0213"]);
}

#[test]
fn to_take_one_field_takes_no_other() {
    let project = project("{takeFields: [spec.replicas]}");
    let (mut world, log) = applied(&project);
    world.edit(WEB, "somebody", |o| {
        o["spec"]["replicas"] = 7.into();
        o["spec"]["template"]["spec"]["containers"][0]["image"] = "x".into();
    });
    let planned = replan(&project, &world, &log);
    let fields: Vec<_> = planned.plan.conflicts.iter().map(|c| c.field.as_deref().unwrap()).collect();
    assert_eq!(fields, ["spec.template.spec.containers[name=web].image"]);
    assert!(planned.plan.changes.is_empty() && !planned.plan.applyable);
}

#[test]
fn of_an_ignored_part_each_keeps_its_own() {
    let project = project(
        "{ignoreFields: [\"spec.template.spec.containers[name=web].resources\", metadata.labels, metadata.annotations]}",
    );
    let (mut world, mut log) = applied(&project);
    world.edit(WEB, "vpa", |o| {
        o["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "3".into();
        o["metadata"]["labels"]["theirs"] = "x".into();
    });
    replan(&project, &world, &log).assert_empty();
    let next = other_image(project);
    log.run(&mut world, Some(&next.model()));
    let requests = live(&world, "/spec/template/spec/containers/0/resources/requests");
    assert_eq!(requests, serde_json::json!({"cpu": "3", "memory": "64Mi"}));
    let labels = live(&world, "/metadata/labels");
    assert!(labels["theirs"] == "x" && labels["app.kubernetes.io/managed-by"] == "skyplan", "{labels}");
    replan(&next, &world, &log).assert_empty();
}

#[test]
fn an_ignored_field_stays_when_the_manifest_no_longer_has_it() {
    let project = project("{ignoreFields: [spec.replicas]}");
    let (mut world, mut log) = applied(&project);
    let next = other_image(project).with("hello/manifests/web.yaml", "  replicas: 2\n", "");
    log.run(&mut world, Some(&next.model()));
    assert_eq!(live(&world, "/spec/replicas"), 2);
    replan(&next, &world, &log).assert_empty();
}

#[test]
fn what_is_no_longer_ignored_becomes_what_the_specs_say() {
    let ignoring = project("{ignoreFields: [spec.replicas]}");
    let (mut world, mut log) = applied(&ignoring);
    let next = other_image(scaled(ignoring, 5));
    log.run(&mut world, Some(&next.model()));
    replan(&next, &world, &log).assert_empty();
    let plain = other_image(scaled(Project::example("quickstart"), 5));
    let planned = replan(&plain, &world, &log);
    assert_eq!(planned.only().fields[0].path, "spec.replicas", "{:#?}", planned.plan.changes);
}

#[test]
fn what_lost_its_label_still_goes_when_the_specs_no_longer_have_it() {
    let project = Project::example("quickstart");
    let (mut world, mut log) = applied(&project);
    let cache = "object/quickstart/core/Service/hello/cache";
    for (lost, mark) in [("labels", "skyplan.io/lineage"), ("annotations", "skyplan.io/address")] {
        let (mut world, mut log) = (world.clone(), log.clone());
        world.edit(cache, "somebody", |o| {
            o["metadata"][lost].as_object_mut().unwrap().remove(mark);
        });
        let without = project.clone().without("hello/manifests/cache.yaml").with(APP, "    dependsOn: [cache]\n", "");
        let planned = log.run(&mut world, Some(&without.model()));
        assert_eq!(planned.of(cache).action, Action::Delete, "{lost}");
        assert!(world.object(&cache.parse().unwrap()).is_none(), "{lost}");
    }
    log.run(&mut world, Some(&project.model()));
}

#[test]
fn a_misspelt_name_protects_nothing_and_is_told() {
    let (_, out) = project("{preventDestroy: true, objects: {kind: ConfigMap, names: [web, wbe]}}").compiled();
    assert_eq!(out.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SKY0213"]);
}
