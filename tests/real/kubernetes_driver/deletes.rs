//! Deletions, of objects that go at once, that are held, and that have dependents.

use std::{sync::Arc, time::Duration};

use kube::{
    Api,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::json;

use skyplan::{
    address::ResourceAddress,
    apply::Options,
    plan::{
        change::{Action, Change},
        secret::Secrets,
    },
};

use super::{Project, World, assert_done, code};

/// A deletion is done when the object is gone.
pub(super) async fn deletes_are_awaited(world: Arc<World>) {
    let project = Project::new(&world, "deletes");
    let namespace = project.namespace().await;
    let mut held = project.config_map("held", "a");
    held["metadata"]["finalizers"] = json!(["test.skyplan.io/hold"]);
    let objects = [held.clone(), project.config_map("free", "a"), project.deployment("web", 2)];
    assert_done(&project.apply(objects.iter().map(|o| project.create(o.clone())).collect()).await);
    let mut deletes = Vec::new();
    for object in objects {
        let change = project.changed(Action::Delete, object).await;
        deletes.push(Change { after: None, ..change });
    }
    let addresses: Vec<ResourceAddress> = deletes.iter().map(|c| c.address.clone()).collect();
    let options = Options { timeout: Duration::from_secs(20), ..Options::default() };
    // Somebody lets go of it a little later.
    let maps: Api<DynamicObject> = Api::namespaced_with(
        world.cluster.client().clone(),
        &namespace,
        &project.kind("v1", "ConfigMap").await.resource,
    );
    let let_go = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        maps.patch("held", &PatchParams::default(), &patch).await.unwrap();
    };
    let short = Options { timeout: Duration::from_secs(1), ..options.clone() };
    let secrets = Secrets::default();
    let report = project.apply_with(vec![deletes[0].clone()], &secrets, &short).await;
    assert_eq!(code(&report, &addresses[0]), "SKY0715");
    let said = report.faults().next().unwrap();
    assert!(said.detail.contains("test.skyplan.io/hold"), "{said:?}");
    assert!(project.log().state().records.contains_key(&addresses[0]), "it is there until it is gone");
    let (report, ()) = tokio::join!(project.apply_with(deletes, &secrets, &options), let_go);
    assert_done(&report);
    let state = project.log().state().clone();
    assert!(addresses.iter().all(|a| !state.records.contains_key(a)));
    let pods = project.kind("v1", "Pod").await;
    let left = world.cluster.list_in(&pods, &namespace, &Default::default()).await.unwrap();
    assert!(left.is_empty(), "the Deployment was gone before its pods: {}", left.len());
}
