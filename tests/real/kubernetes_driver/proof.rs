//! Nothing to do after an apply: the proof that what was recorded is what is observed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::json;

use skyplan::{
    apply::Options,
    observe,
    observed::{ClusterObserved, ClusterQuestion, KindRef, Observed, Questions},
    plan::{
        change::Change,
        projection::{owned_fields, projection_digest},
        secret::Secrets,
    },
    state::RecordDetail,
};

use super::{CLUSTER, KEY, Project, World, assert_done};

/// What the apply recorded is what a later list shows: kinds with defaults, normalised quantities,
/// controllers that write into them.
pub(super) async fn nothing_to_do(world: Arc<World>) {
    let project = Project::new(&world, "noop");
    let namespace = project.namespace().await;
    let meta = |name: &str| json!({"name": name, "namespace": namespace});
    let mut web = project.deployment("web", 2);
    web["spec"]["template"]["spec"]["initContainers"] =
        json!([{"name": "init", "image": "i", "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}]);
    web["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]);
    let objects = vec![
        web,
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"),
               "spec": {"selector": {"app": "web"}, "ports": [{"name": "dns", "port": 53, "targetPort": "dns", "protocol": "UDP"}, {"name": "tcp", "port": 53}]}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("db"), "data": {"user": "Zm9v"}, "stringData": {"password": "hunter2"}}),
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta("db"),
               "spec": {"replicas": 0, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
                        "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "i"}]}},
                        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}]}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta("web"),
               "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "elsewhere"}, "maxReplicas": 5,
                        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}}),
        project.job("once", "i:1"),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta("web"),
               "spec": {"rules": [{"host": "x.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta("web"), "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta("web"),
               "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("web")}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta("data"), "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta("web"), "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "noops.test.skyplan.io"},
               "spec": {"group": "test.skyplan.io", "scope": "Namespaced", "names": {"plural": "noops", "kind": "Noop", "singular": "noop"},
                        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}),
    ];
    let mut secrets = Secrets::default();
    let changes: Vec<Change> = objects
        .into_iter()
        .map(|object| {
            let (address, mut object) = project.mark(object);
            secrets.seal(&address, &mut object, KEY);
            project.create(object)
        })
        .collect();
    let kinds: BTreeSet<KindRef> = changes
        .iter()
        .map(|c| KindRef { api_version: c.api_version.clone(), kind: c.address.object().unwrap().kind.clone() })
        .collect();
    let options = Options { timeout: Duration::from_secs(60), ..Options::default() };
    assert_done(&project.apply_with(changes.clone(), &secrets, &options).await);
    let log = project.log();
    let text = serde_json::to_string(&log.entries().unwrap().into_iter().map(|(_, e)| e).collect::<Vec<_>>()).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "a secret value is in the log");
    let mut questions = Questions::default();
    questions
        .clusters
        .insert(CLUSTER.into(), ClusterQuestion { kinds, ..project.question(&[], false, BTreeSet::new()) });
    // Twice: at once, and when controllers have had their say.
    for pause in [0, 1500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let mut observed = Observed::default();
        observe::answer(&world.drivers, &questions, KEY, &mut observed).await;
        let text = serde_json::to_string(&observed).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "a secret value was observed");
        let ClusterObserved::Reached { objects, .. } = &observed.clusters[CLUSTER] else { panic!("{observed:?}") };
        for change in &changes {
            let RecordDetail::Object(known) = &log.state().records[&change.address].detail else { panic!("no object") };
            let live = objects.get(&change.address).unwrap_or_else(|| panic!("{} was not listed", change.address));
            let live = live.unpack();
            assert_eq!(projection_digest(&live, &known.owned.unpack()), known.projection, "{}", change.address);
            assert_eq!(live["metadata"]["uid"], json!(known.uid));
            assert_eq!(owned_fields(&live, &format!("skyplan-{}", project.lineage)), Some(&known.owned.unpack()));
        }
    }
}
