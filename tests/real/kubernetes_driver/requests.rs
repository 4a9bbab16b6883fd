//! Requests to the API server: what it refuses, in our words, and lists longer than a page.

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt as _, stream};
use serde_json::json;

use skyplan::{
    driver::kubernetes::{Fault, Id, Mode},
    plan::projection::owned_fields,
};

use super::{Project, World};

/// What the server says, in our words.
pub(super) async fn requests(world: Arc<World>) {
    let project = Project::new(&world, "requests");
    let namespace = project.namespace().await;
    let cluster = &world.cluster;
    let deployments = project.kind("apps/v1", "Deployment").await;
    let web = project.mark(project.deployment("web", 0)).1;
    let tried = cluster.apply(&deployments, &web, "one", Mode::DryRun).await.unwrap();
    assert_eq!(tried["spec"]["strategy"]["type"], "RollingUpdate");
    let id = Id { namespace: Some(&namespace), name: "web" };
    assert_eq!(cluster.get(&deployments, id).await.unwrap(), None);
    let made = cluster.apply(&deployments, &web, "one", Mode::Real).await.unwrap();
    assert!(owned_fields(&made, "one").is_some());

    // Another manager: refused, with the field and its owner. Quantities are compared as text, so
    // `1000m` conflicts with the server's `1`.
    let mut other = web.clone();
    other["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("1");
    other["spec"]["replicas"] = json!(5);
    other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("i:2");
    for mode in [Mode::DryRun, Mode::Real] {
        let Err(Fault::Conflict(mut causes)) = cluster.apply(&deployments, &other, "two", mode).await else {
            panic!("no conflict")
        };
        causes.sort();
        let fields: Vec<&str> = causes.iter().map(|(f, _)| f.as_str()).collect();
        assert_eq!(fields, ["spec.replicas", "spec.template.spec.containers[name=\"web\"].image"]);
        assert!(causes.iter().all(|(_, manager)| manager == "one"), "{causes:?}");
    }

    // A field that is not there.
    let mut wrong = web.clone();
    wrong["spec"]["replicaz"] = json!(1);
    let refused = cluster.apply(&deployments, &wrong, "one", Mode::DryRun).await;
    assert!(matches!(&refused, Err(Fault::Refused(_, words)) if words.contains("replicaz")), "{refused:?}");
    // Not valid.
    let mut wrong = web.clone();
    wrong["spec"]["replicas"] = json!(-1);
    let refused = cluster.apply(&deployments, &wrong, "one", Mode::DryRun).await;
    assert!(matches!(&refused, Err(Fault::Refused(422, _))), "{refused:?}");
    // No such namespace.
    let mut wrong = web.clone();
    wrong["metadata"]["namespace"] = json!("nowhere");
    assert_eq!(cluster.apply(&deployments, &wrong, "one", Mode::DryRun).await, Err(Fault::NotFound));

    // Fields that cannot be changed in place.
    let mut selector = web.clone();
    selector["spec"]["selector"]["matchLabels"] = json!({"app": "x"});
    selector["spec"]["template"]["metadata"]["labels"] = json!({"app": "x"});
    let jobs = project.kind("batch/v1", "Job").await;
    let services = project.kind("v1", "Service").await;
    let sets = project.kind("apps/v1", "StatefulSet").await;
    let service = |address: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": namespace},
               "spec": {"clusterIP": address, "ports": [{"port": 80}]}})
    };
    let set = |storage: &str| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": namespace},
               "spec": {"replicas": 0, "serviceName": storage, "selector": {"matchLabels": {"a": "b"}},
                        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    };
    let mut config = project.config_map("fixed", "a");
    config["immutable"] = json!(true);
    let mut config_after = config.clone();
    config_after["data"]["k"] = json!("b");
    let role = |name: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
               "metadata": {"name": "r", "namespace": namespace},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}})
    };
    for (kind, before, after) in [
        (&deployments, web.clone(), selector),
        (&jobs, project.job("j", "i:1"), project.job("j", "i:2")),
        (&services, service("10.96.77.1"), service("10.96.77.2")),
        (&sets, set("a"), set("b")),
        (&project.kind("v1", "ConfigMap").await, config, config_after),
        (&project.kind("rbac.authorization.k8s.io/v1", "RoleBinding").await, role("a"), role("b")),
    ] {
        cluster.apply(kind, &before, "one", Mode::Real).await.unwrap();
        let refused = cluster.apply(kind, &after, "one", Mode::DryRun).await;
        assert!(matches!(&refused, Err(Fault::Immutable(_))), "{}: {refused:?}", kind.resource.kind);
    }
}

/// More objects than a page holds, applied and listed.
pub(super) async fn pages(world: Arc<World>) {
    const MANY: usize = 1100;
    let project = Project::new(&world, "pages");
    project.namespace().await;
    let maps = project.kind("v1", "ConfigMap").await;
    stream::iter(0..MANY)
        .for_each_concurrent(16, |n| {
            let (project, maps) = (&project, &maps);
            async move {
                let object = project.mark(project.config_map(&format!("m{n}"), "v")).1;
                project.world.cluster.apply(maps, &object, "one", Mode::Real).await.unwrap();
            }
        })
        .await;
    let labels = format!("skyplan.io/lineage={}", project.lineage);
    let listed = world.cluster.list(&maps, &labels).await.unwrap();
    let names: BTreeSet<&str> = listed.iter().filter_map(|o| o["metadata"]["name"].as_str()).collect();
    assert_eq!((listed.len(), names.len()), (MANY, MANY));
    assert!(listed.iter().all(|o| o["kind"] == "ConfigMap" && o["apiVersion"] == "v1"));
    assert_eq!(world.cluster.list_metadata(&maps, &labels).await.unwrap().len(), MANY);
}
