//! Every rule with an object on each side of it.

use serde_json::{Value, json};

use super::*;

/// What is said of an object: `spec` and `status` as YAML would have them.
fn of(api_version: &str, kind: &str, generation: u64, spec: &Value, status: &Value) -> String {
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"generation": generation},
                        "spec": spec, "status": status});
    match health(&object) {
        Health::Ready => "ready".into(),
        Health::Progressing(why) => format!("progressing: {why}"),
        Health::Failed(why) => format!("failed: {why}"),
    }
}

/// A row: spec, status, what is said. The generation is 2.
type Row = (Value, Value, &'static str);

#[track_caller]
fn check(api_version: &str, kind: &str, rows: Vec<Row>) {
    for (row, (spec, status, want)) in rows.iter().enumerate() {
        assert_eq!(of(api_version, kind, 2, spec, status), *want, "{kind}, row {row}: {spec} {status}");
    }
}

fn with(base: &Value, more: Value) -> Value {
    let mut all = base.clone();
    for (key, value) in more.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    all
}

#[test]
fn deployments() {
    let two = json!({"replicas": 2});
    let full = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
    let late =
        json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}]);
    let spec = || two.clone();
    check(
        "apps/v1",
        "Deployment",
        vec![
            (spec(), json!({}), "progressing: not yet seen by its controller"),
            (spec(), with(&full, json!({"observedGeneration": 1})), "progressing: not yet seen by its controller"),
            (spec(), with(&full, json!({"updatedReplicas": 1})), "progressing: 1 of 2 replicas are up to date"),
            (spec(), with(&full, json!({"replicas": 3})), "progressing: 1 old replicas are going"),
            (spec(), with(&full, json!({"readyReplicas": 0})), "progressing: 0 of 2 replicas are ready"),
            (spec(), with(&full, json!({"availableReplicas": 1})), "progressing: 1 of 2 replicas are available"),
            (spec(), with(&full, json!({"conditions": late})), "failed: ProgressDeadlineExceeded: late"),
            (json!({"replicas": 2, "paused": true}), json!({"observedGeneration": 2}), "ready"),
            (json!({"replicas": 0}), json!({"observedGeneration": 2}), "ready"),
            (json!({}), json!({"observedGeneration": 2}), "progressing: 0 of 1 replicas are up to date"),
            (spec(), full.clone(), "ready"),
        ],
    );
}

#[test]
fn stateful_sets() {
    let seen = json!({"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "currentRevision": "b", "updateRevision": "b"});
    let two = json!({"replicas": 2});
    let on_delete = json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}});
    let partition =
        json!({"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}});
    let old = |updated: u64| with(&seen, json!({"updatedReplicas": updated, "currentRevision": "a"}));
    check(
        "apps/v1",
        "StatefulSet",
        vec![
            (two.clone(), json!({}), "progressing: not yet seen by its controller"),
            (two.clone(), with(&seen, json!({"readyReplicas": 1})), "progressing: 1 of 2 replicas are ready"),
            (two.clone(), with(&seen, json!({"replicas": 3})), "progressing: 1 replicas too many are going"),
            (two.clone(), old(1), "progressing: 1 of 2 replicas are up to date"),
            (two.clone(), old(2), "progressing: the new revision is being rolled out"),
            (two.clone(), seen.clone(), "ready"),
            (json!({"replicas": 0}), json!({"observedGeneration": 2}), "ready"),
            // The lower ones stay as they are on purpose.
            (partition.clone(), old(0), "progressing: 0 of 1 replicas are up to date"),
            (partition, old(1), "ready"),
            // Nobody replaces them: only that they run counts.
            (on_delete.clone(), old(0), "ready"),
            (on_delete, with(&seen, json!({"readyReplicas": 0})), "progressing: 0 of 2 replicas are ready"),
        ],
    );
}

#[test]
fn daemon_sets() {
    let seen = json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 2, "numberAvailable": 2});
    let but = |field: &str| with(&seen, json!({ field: 1 }));
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    check(
        "apps/v1",
        "DaemonSet",
        vec![
            (json!({}), json!({}), "progressing: not yet seen by its controller"),
            (json!({}), but("updatedNumberScheduled"), "progressing: 1 of 2 pods are up to date"),
            (json!({}), but("numberReady"), "progressing: 1 of 2 pods are ready"),
            (json!({}), but("numberAvailable"), "progressing: 1 of 2 pods are available"),
            (on_delete.clone(), but("updatedNumberScheduled"), "ready"),
            (on_delete, but("numberReady"), "progressing: 1 of 2 pods are ready"),
            (json!({}), seen.clone(), "ready"),
            (json!({}), json!({"observedGeneration": 2, "desiredNumberScheduled": 0}), "ready"),
        ],
    );
}

#[test]
fn replica_sets_and_replication_controllers() {
    for (api_version, kind) in [("apps/v1", "ReplicaSet"), ("v1", "ReplicationController")] {
        let seen = json!({"observedGeneration": 2, "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
        let quota = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}]);
        let two = || json!({"replicas": 2});
        check(
            api_version,
            kind,
            vec![
                (two(), json!({}), "progressing: not yet seen by its controller"),
                (two(), with(&seen, json!({"replicas": 3})), "progressing: 1 replicas too many are going"),
                (two(), with(&seen, json!({"fullyLabeledReplicas": 1})), "progressing: 1 of 2 replicas are labelled"),
                (two(), with(&seen, json!({"readyReplicas": 1})), "progressing: 1 of 2 replicas are ready"),
                (two(), with(&seen, json!({"availableReplicas": 1})), "progressing: 1 of 2 replicas are available"),
                (two(), with(&seen, json!({"conditions": quota})), "progressing: FailedCreate: quota"),
                (two(), seen, "ready"),
            ],
        );
    }
}

#[test]
fn jobs_and_cron_jobs() {
    let condition = |kind: &str| json!({"conditions": [{"type": kind, "status": "True", "reason": "Because"}]});
    check(
        "batch/v1",
        "Job",
        vec![
            (json!({}), json!({}), "progressing: 0 running, 0 done"),
            (json!({}), json!({"active": 1, "succeeded": 2}), "progressing: 1 running, 2 done"),
            (json!({}), json!({"active": 1, "failed": 2}), "progressing: 1 running, 0 done, 2 failed"),
            (json!({}), condition("Complete"), "ready"),
            // Its criteria are met, but its pods still end.
            (json!({}), condition("SuccessCriteriaMet"), "progressing: 0 running, 0 done"),
            (json!({}), condition("Failed"), "failed: Because"),
            (json!({}), condition("FailureTarget"), "failed: Because"),
            (json!({"suspend": true}), json!({}), "ready"),
            (json!({"suspend": true}), condition("Failed"), "failed: Because"),
        ],
    );
    check("batch/v1", "CronJob", vec![(json!({}), json!({}), "ready"), (json!({}), json!({"active": [{}]}), "ready")]);
}

#[test]
fn pods() {
    let waits = |reason: &str| json!({"phase": "Pending", "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": reason, "message": "m"}}}]});
    let ready = |status: &str| json!({"phase": "Running", "conditions": [{"type": "Ready", "status": status}]});
    let nowhere = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]});
    let crash = with(&waits("CrashLoopBackOff"), json!({"phase": "Running"}));
    check(
        "v1",
        "Pod",
        vec![
            (json!({}), json!({}), "progressing: is starting"),
            (json!({}), waits("ContainerCreating"), "progressing: is starting"),
            (json!({}), waits("ImagePullBackOff"), "progressing: container web: ImagePullBackOff: m"),
            (json!({}), crash, "progressing: container web: CrashLoopBackOff: m"),
            (json!({}), nowhere, "progressing: Unschedulable: 0/1 nodes"),
            (json!({}), ready("False"), "progressing: its containers are not ready"),
            (json!({}), ready("True"), "ready"),
            (json!({}), json!({"phase": "Succeeded"}), "ready"),
            (json!({}), json!({"phase": "Failed", "reason": "Evicted", "message": "full"}), "failed: Evicted: full"),
        ],
    );
}

#[test]
fn volumes_and_addresses() {
    let phase = |phase: &str| json!({ "phase": phase });
    check(
        "v1",
        "PersistentVolumeClaim",
        vec![
            (json!({}), json!({}), "progressing: is Pending, not Bound"),
            (json!({}), phase("Bound"), "ready"),
            (json!({}), phase("Lost"), "failed: its volume is lost"),
        ],
    );
    check(
        "v1",
        "PersistentVolume",
        vec![
            (json!({}), json!({}), "progressing: is Pending"),
            (json!({}), phase("Available"), "ready"),
            (json!({}), phase("Bound"), "ready"),
            (json!({}), phase("Released"), "ready"),
            (json!({}), json!({"phase": "Failed", "message": "no disk"}), "failed: no disk"),
        ],
    );
    let balancer = || json!({"type": "LoadBalancer"});
    check(
        "v1",
        "Service",
        vec![
            (json!({"type": "ClusterIP"}), json!({}), "ready"),
            (json!({"type": "ExternalName"}), json!({}), "ready"),
            (balancer(), json!({"loadBalancer": {}}), "progressing: no address of a load balancer yet"),
            (balancer(), json!({"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}), "ready"),
        ],
    );
}

#[test]
fn what_makes_other_kinds_possible() {
    check(
        "v1",
        "Namespace",
        vec![
            (json!({}), json!({"phase": "Active"}), "ready"),
            (json!({}), json!({"phase": "Terminating"}), "progressing: is Terminating"),
        ],
    );
    let condition =
        |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status, "reason": "Because"}]});
    check(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        vec![
            (json!({}), json!({}), "progressing: not yet established"),
            (json!({}), condition("Established", "False"), "progressing: not yet established"),
            (json!({}), condition("Established", "True"), "ready"),
            (json!({}), condition("NamesAccepted", "False"), "failed: Because"),
        ],
    );
    check(
        "apiregistration.k8s.io/v1",
        "APIService",
        vec![
            (json!({}), json!({}), "progressing: not yet available"),
            (json!({}), condition("Available", "False"), "progressing: Because"),
            (json!({}), condition("Available", "True"), "ready"),
        ],
    );
}

#[test]
fn kinds_without_a_state_of_their_own() {
    for (api_version, kind) in [
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "ServiceAccount"),
        ("networking.k8s.io/v1", "Ingress"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("storage.k8s.io/v1", "StorageClass"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ] {
        check(api_version, kind, vec![(json!({}), json!({}), "ready")]);
    }
    // Whether it may scale, or evict, is not whether it was taken in.
    let inactive = json!([{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}]);
    check(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        vec![
            (json!({}), json!({}), "ready"),
            (json!({}), json!({"observedGeneration": 1}), "progressing: not yet seen by its controller"),
            (json!({}), json!({"observedGeneration": 2, "conditions": inactive}), "ready"),
        ],
    );
    check(
        "policy/v1",
        "PodDisruptionBudget",
        vec![
            (json!({}), json!({"observedGeneration": 1}), "progressing: not yet seen by its controller"),
            (json!({}), json!({"observedGeneration": 2, "disruptionsAllowed": 0}), "ready"),
        ],
    );
}

#[test]
fn kinds_that_nobody_knows() {
    let with = |observed: u64, kind: &str, status: &str| json!({"observedGeneration": observed, "conditions": [{"type": kind, "status": status, "reason": "Because", "message": "m"}]});
    check(
        "x.io/v1",
        "Thing",
        vec![
            (json!({}), json!({}), "ready"),
            (json!({}), json!({"phase": "Whatever"}), "ready"),
            (json!({}), with(1, "Ready", "True"), "progressing: not yet seen by its controller"),
            (json!({}), with(2, "Ready", "False"), "progressing: Because: m"),
            (json!({}), with(2, "Ready", "Unknown"), "progressing: Because: m"),
            (json!({}), with(2, "Ready", "True"), "ready"),
            (json!({}), with(2, "Reconciling", "True"), "progressing: Because: m"),
            (json!({}), with(2, "Stalled", "True"), "failed: Because: m"),
            (json!({}), with(2, "Stalled", "False"), "ready"),
            // What stalled was the spec before.
            (json!({}), with(1, "Stalled", "True"), "progressing: not yet seen by its controller"),
        ],
    );
    // Conditions without a generation are taken at their word.
    check(
        "x.io/v1",
        "Thing",
        vec![(json!({}), json!({"conditions": [{"type": "Ready", "status": "False"}]}), "progressing: Ready")],
    );
}

#[test]
fn what_is_being_deleted_is_not_ready() {
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(health(&object), Health::Progressing("is being deleted".into()));
}
