//! Questions a plan asks of a cluster that is there, and what the answers must not give away.

use std::sync::Arc;

use serde_json::{Value, json};

use skyplan::{
    driver::kubernetes::Mode,
    observe,
    observed::{ClusterObserved, DryRun, DryRunQuestion, KindRef, Observed, Questions},
};

use super::{CLUSTER, KEY, Project, World, assert_done, at};

/// Lookups, dry-runs and capacity.
pub(super) async fn questions(world: Arc<World>) {
    let project = Project::new(&world, "questions");
    let namespace = project.namespace().await;
    let maps = project.kind("v1", "ConfigMap").await;
    world.cluster.apply(&maps, &project.config_map("theirs", "a"), "kubectl", Mode::Real).await.unwrap();
    let (web, object) = project.mark(project.deployment("web", 2));
    assert_done(&project.apply(vec![project.create(project.deployment("web", 2))]).await);
    let uid = project.live(&web).await["metadata"]["uid"].as_str().unwrap().to_owned();
    let kind = |v: &str, k: &str| KindRef { api_version: v.into(), kind: k.into() };
    let manager = format!("skyplan-{}", project.lineage);
    let mut questions = Questions::default();
    let lookup = |name: &str| at(&format!("object/{CLUSTER}/core/ConfigMap/{namespace}/{name}"));
    questions.lookups.insert(lookup("theirs"), kind("v1", "ConfigMap"));
    questions.lookups.insert(lookup("none"), kind("v1", "ConfigMap"));
    let mut refused = object.clone();
    refused["spec"]["replicas"] = json!(-1);
    let mut secret = project
        .mark(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "stringData": {"k": "hunter2"}}))
        .1;
    let dry = |name: &str, object: Value| {
        (
            at(&format!("object/{CLUSTER}/apps/Deployment/{namespace}/{name}")),
            DryRunQuestion { object, manager: manager.clone(), force: false },
        )
    };
    questions.dry_runs.extend([dry("web", object), dry("refused", refused)]);
    secret["data"] = json!({"l": "Zm9v"});
    questions.dry_runs.extend([dry("secret", secret)]);
    questions.clusters.insert(CLUSTER.into(), project.question(&[("apps/v1", "Deployment")], true, [uid].into()));
    let mut observed = Observed::default();
    observe::answer(&world.drivers, &questions, KEY, &mut observed).await;
    assert_eq!(observed.lookups[&lookup("none")], None);
    let stranger = observed.lookups[&lookup("theirs")].clone().unwrap();
    assert_eq!((stranger.managers, stranger.lineage), (vec!["kubectl".to_owned()], None));
    let answer = |name: &str| observed.dry_runs[&dry(name, Value::Null).0].clone();
    assert!(matches!(answer("web"), DryRun::Applied { object } if object.get("status").is_none()));
    assert!(matches!(answer("refused"), DryRun::Refused { code: 422, .. }), "{:?}", answer("refused"));
    let DryRun::Applied { object } = answer("secret") else { panic!("{:?}", answer("secret")) };
    let keys: Vec<&String> = object["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["k", "l"]);
    assert!(!object.to_string().contains("aHVudGVyMg"), "{object}");
    let ClusterObserved::Reached { free, objects, namespaces, pools, .. } = &observed.clusters[CLUSTER] else {
        panic!("{observed:?}")
    };
    assert_eq!((free.len(), pools["n"], objects.len()), (3, 3, 1));
    assert!(free.iter().all(|n| n.memory <= 16 << 30 && n.milli_cpu <= 8000 && n.pods <= 110), "{free:?}");
    assert_eq!(namespaces.get(&namespace), Some(&false));
}
