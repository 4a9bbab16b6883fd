//! What must hold at the target for a change to be made: the object planned on, nobody else's, on the
//! cluster planned on.

use std::sync::Arc;

use kube::{
    Api,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use skyplan::{
    address::ResourceAddress,
    apply::{self, Options, Outcome},
    driver::kubernetes::{Deleted, Fault, Id, Mode},
    plan::{
        change::{Action, Change, Precondition},
        projection::owned_fields,
        secret::Secrets,
    },
};

use super::{Project, World, assert_done, code, plan};

/// What must hold at the target.
pub(super) async fn preconditions(world: Arc<World>) {
    let project = Project::new(&world, "preconditions");
    let namespace = project.namespace().await;
    let cluster = &world.cluster;
    let maps = project.kind("v1", "ConfigMap").await;
    let with = |value: &str, field: &str, text: &Value| {
        let mut object = project.mark(project.config_map("m", value)).1;
        object["metadata"][field] = text.clone();
        object
    };
    // Nothing is there, and a uid keeps it from being made.
    let other = json!("9c9e2c1e-0000-4000-8000-000000000000");
    let refused = cluster.apply(&maps, &with("a", "uid", &other), "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    // A resourceVersion alone does not keep it from being made, which is why a uid goes with it.
    let mut both = with("a", "uid", &other);
    both["metadata"]["resourceVersion"] = json!("7");
    let refused = cluster.apply(&maps, &both, "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    assert!(cluster.apply(&maps, &with("a", "resourceVersion", &json!("7")), "one", Mode::DryRun).await.is_ok());
    let first = cluster.apply(&maps, &project.mark(project.config_map("m", "a")).1, "one", Mode::Real).await.unwrap();
    let (uid, version) = (first["metadata"]["uid"].clone(), first["metadata"]["resourceVersion"].clone());
    let second = cluster.apply(&maps, &with("b", "uid", &uid), "one", Mode::Real).await.unwrap();
    assert_eq!(second["data"]["k"], "b");
    // Neither uid nor resourceVersion become fields that we own.
    let owned = owned_fields(&second, "one").unwrap().to_string();
    assert!(!owned.contains("uid") && !owned.contains("resourceVersion"), "{owned}");
    // One that no object has makes what is not there, and changes nothing that is.
    let refused = cluster.apply(&maps, &with("c", "resourceVersion", &json!("1")), "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    let refused = cluster.apply(&maps, &with("c", "resourceVersion", &version), "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    let refused = cluster.apply(&maps, &with("c", "uid", &other), "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    let id = Id { namespace: Some(&namespace), name: "m" };
    let refused = cluster.delete(&maps, id, uid.as_str(), version.as_str(), false).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    let refused = cluster.delete(&maps, id, other.as_str(), None, false).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    assert_eq!(cluster.delete(&maps, id, uid.as_str(), None, false).await, Ok(Deleted::Gone));
    assert_eq!(cluster.delete(&maps, id, uid.as_str(), None, false).await, Ok(Deleted::Gone));
}

/// What was planned on is no longer so.
pub(super) async fn what_is_stale_is_refused(world: Arc<World>) {
    let project = Project::new(&world, "stale");
    let namespace = project.namespace().await;
    let names = ["kept", "edited", "remade", "gone"];
    let made = names.iter().map(|n| project.create(project.config_map(n, "a"))).collect();
    assert_done(&project.apply(made).await);
    let mut updates = Vec::new();
    for name in names {
        updates.push(project.changed(Action::Update, project.config_map(name, "b")).await);
    }
    // Between plan and apply: one edited, one deleted and made again, one deleted; one gets a foreign label.
    let maps: Api<DynamicObject> = Api::namespaced_with(
        world.cluster.client().clone(),
        &namespace,
        &project.kind("v1", "ConfigMap").await.resource,
    );
    let patch = |patch: Value| Patch::Merge(patch);
    let params = PatchParams { field_manager: Some("somebody".into()), ..PatchParams::default() };
    maps.patch("edited", &params, &patch(json!({"data": {"k": "x"}}))).await.unwrap();
    maps.patch("kept", &params, &patch(json!({"metadata": {"labels": {"foreign": "x"}}}))).await.unwrap();
    for name in ["remade", "gone"] {
        maps.delete(name, &Default::default()).await.unwrap();
    }
    let served = project.kind("v1", "ConfigMap").await;
    let (_, remade) = project.mark(project.config_map("remade", "a"));
    let manager = format!("skyplan-{}", project.lineage);
    world.cluster.apply(&served, &remade, &manager, Mode::Real).await.unwrap();

    let addresses: Vec<ResourceAddress> = updates.iter().map(|u| u.address.clone()).collect();
    let report = project.apply(updates).await;
    for (address, want) in addresses.iter().zip(["", "SKY0501", "SKY0501", "SKY0501"]) {
        let got = code(&report, address);
        assert!(got == want || want.is_empty() && got.starts_with("Done"), "{address}: {got}");
    }
    // Nothing was done, and the state knows.
    let state = project.log().state().clone();
    assert!(state.uncertain.is_empty() && state.open.is_empty());
    assert_eq!(project.live(&addresses[1]).await["data"]["k"], "x");
    assert_eq!(project.live(&addresses[3]).await, Value::Null);
    assert_eq!(project.live(&addresses[0]).await["data"]["k"], "b");

    // A record that another run has written since.
    let stale = Change {
        precondition: Precondition { record_serial: Some(1), ..Precondition::default() },
        ..project.create(project.config_map("kept", "c"))
    };
    let plan = plan(&project.log(), vec![stale]);
    let refused =
        apply::run(&plan, &Secrets::default(), &world.drivers, &mut project.log(), &Options::default(), &()).await;
    assert_eq!(refused.unwrap_err().code, "SKY0501");
    assert_eq!(project.log().state().serial, state.serial, "nothing was begun");
}

/// Other projects' objects, other people's objects and fields, other clusters.
pub(super) async fn what_is_of_others_is_refused(world: Arc<World>) {
    let project = Project::new(&world, "others");
    let namespace = project.namespace().await;
    let maps = project.kind("v1", "ConfigMap").await;
    let cluster = &world.cluster;
    let mut foreign = project.config_map("foreign", "theirs");
    foreign["metadata"]["labels"]["skyplan.io/lineage"] = json!("somebody-else");
    cluster.apply(&maps, &foreign, "skyplan-somebody-else", Mode::Real).await.unwrap();
    cluster.apply(&maps, &project.config_map("unmarked", "theirs"), "kubectl", Mode::Real).await.unwrap();
    let shared = project.create(project.config_map("shared", "a"));
    let on_shared = shared.address.clone();
    assert_done(&project.apply(vec![shared]).await);
    let mut taken = project.config_map("shared", "a");
    taken["data"] = json!({"other": "theirs"});
    cluster.apply(&maps, &taken, "kubectl", Mode::Real).await.unwrap();
    let mut wants = project.config_map("shared", "a");
    wants["data"]["other"] = json!("mine");

    let first = project.create(project.config_map("foreign", "mine"));
    let second = project.create(project.config_map("unmarked", "mine"));
    let third = project.changed(Action::Update, wants).await;
    let mut fourth = project.create(project.config_map("later", "mine"));
    fourth.depends_on = vec![first.address.clone()];
    let (a, b, d) = (first.address.clone(), second.address.clone(), fourth.address.clone());
    let report = project.apply(vec![first, second, third, fourth]).await;
    assert_eq!([code(&report, &a), code(&report, &b), code(&report, &on_shared)], ["SKY0502", "SKY0502", "SKY0712"]);
    let said: String = report.faults().map(|d| format!("{} {}\n", d.summary, d.detail)).collect();
    assert!(said.contains("somebody-else") && said.contains("data.other belongs to kubectl"), "{said}");
    assert!(matches!(&report.outcomes[&d], Outcome::Skipped(cause) if cause.to_string().contains("foreign")));
    let live = cluster.get(&maps, Id { namespace: Some(&namespace), name: "foreign" }).await.unwrap().unwrap();
    assert_eq!(live["data"]["k"], "theirs");

    // Another cluster under the same name.
    let mut elsewhere = project.create(project.config_map("elsewhere", "mine"));
    elsewhere.precondition.cluster_uid = Some("another".into());
    let refused = project.attempt(vec![elsewhere], &Secrets::default(), &Options::default()).await.unwrap_err();
    assert_eq!(refused.code, "SKY0709");
    let there = cluster.get(&maps, Id { namespace: Some(&namespace), name: "elsewhere" }).await.unwrap();
    assert_eq!(there, None);
    assert!(project.log().state().uncertain.is_empty());
}
