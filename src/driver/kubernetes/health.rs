//! Whether an object is as its spec wants it: kstatus' rules. Pure.
//!
//! Three answers only. What nobody is working on (a spec that cannot be reached any more) is failed;
//! what may still come is progressing; kinds that have no status are ready at once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether an object is as its spec wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "health", content = "reason")]
pub enum Health {
    /// It is.
    Ready,
    /// Not yet, and why.
    Progressing(String),
    /// It is not, and will not be by itself; why.
    Failed(String),
}

/// Whether an object is as its spec wants it. Ask with the whole object, `status` included.
pub fn health(object: &Value) -> Health {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Health::Progressing("is being deleted".into());
    }
    let group = object["apiVersion"].as_str().and_then(|v| v.split_once('/')).map_or("", |(group, _)| group);
    let found = match (group, object["kind"].as_str().unwrap_or_default()) {
        ("apps", kind @ ("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")) => {
            lagging(object).or_else(|| match kind {
                "Deployment" => deployment(object),
                "StatefulSet" => stateful_set(object),
                "DaemonSet" => daemon_set(object),
                _ => replica_set(object),
            })
        }
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("", "Namespace") => phase(object, "Active"),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => api_service(object),
        _ => lagging(object).or_else(|| generic(object)),
    };
    found.unwrap_or(Health::Ready)
}

/// How many replicas a workload has ready, and wants: `3/3`.
pub fn replicas(object: &Value) -> Option<(u64, u64)> {
    let (spec, status) = (&object["spec"], &object["status"]);
    match object["kind"].as_str()? {
        "Deployment" | "StatefulSet" | "ReplicaSet" => {
            Some((number(&status["readyReplicas"], 0), number(&spec["replicas"], 1)))
        }
        "DaemonSet" => Some((number(&status["numberReady"], 0), number(&status["desiredNumberScheduled"], 0))),
        "Job" => Some((number(&status["succeeded"], 0), number(&spec["completions"], 1))),
        _ => None,
    }
}

fn number(value: &Value, default: u64) -> u64 {
    value.as_u64().unwrap_or(default)
}

fn progressing(reason: impl Into<String>) -> Option<Health> {
    Some(Health::Progressing(reason.into()))
}

/// The controller has not seen the latest spec.
fn lagging(object: &Value) -> Option<Health> {
    let (generation, observed) = (&object["metadata"]["generation"], &object["status"]["observedGeneration"]);
    // Kinds with a status that never says what it is about are not asked for it.
    let says = observed.is_u64() || object["apiVersion"].as_str().is_some_and(|v| v.starts_with("apps/"));
    (says && number(observed, 0) < number(generation, 0))
        .then(|| Health::Progressing("not yet seen by its controller".into()))
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}

fn is_true(condition: &Value) -> bool {
    condition["status"] == "True"
}

/// `Reason: message` of a condition.
fn words(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().filter(|t| !t.is_empty());
    match (text("reason"), text("message")) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => condition["type"].as_str().unwrap_or_default().to_owned(),
    }
}

fn deployment(object: &Value) -> Option<Health> {
    let (spec, status) = (&object["spec"], &object["status"]);
    if spec["paused"] == true {
        return None;
    }
    if let Some(c) = condition(object, "Progressing").filter(|c| c["reason"] == "ProgressDeadlineExceeded") {
        return Some(Health::Failed(words(c)));
    }
    let want = number(&spec["replicas"], 1);
    let (all, updated) = (number(&status["replicas"], 0), number(&status["updatedReplicas"], 0));
    let (ready, available) = (number(&status["readyReplicas"], 0), number(&status["availableReplicas"], 0));
    if updated < want {
        return progressing(format!("{updated} of {want} replicas are up to date"));
    }
    if all > updated {
        return progressing(format!("{} old replicas are going", all - updated));
    }
    if ready < want {
        return progressing(format!("{ready} of {want} replicas are ready"));
    }
    (available < want).then(|| Health::Progressing(format!("{available} of {want} replicas are available")))
}

fn stateful_set(object: &Value) -> Option<Health> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let want = number(&spec["replicas"], 1);
    let ready = number(&status["readyReplicas"], 0);
    if spec["updateStrategy"]["type"] == "OnDelete" {
        return (ready < want).then(|| Health::Progressing(format!("{ready} of {want} replicas are ready")));
    }
    let all = number(&status["replicas"], 0);
    if all > want {
        return progressing(format!("{} replicas too many are going", all - want));
    }
    if ready < want {
        return progressing(format!("{ready} of {want} replicas are ready"));
    }
    // A partition keeps the lower ones as they are, on purpose.
    let partition = number(&spec["updateStrategy"]["rollingUpdate"]["partition"], 0);
    let updated = number(&status["updatedReplicas"], 0);
    if updated < want.saturating_sub(partition) {
        return progressing(format!("{updated} of {} replicas are up to date", want.saturating_sub(partition)));
    }
    (partition == 0 && want > 0 && status["currentRevision"] != status["updateRevision"])
        .then(|| Health::Progressing("the new revision is being rolled out".into()))
}

fn daemon_set(object: &Value) -> Option<Health> {
    let status = &object["status"];
    let want = number(&status["desiredNumberScheduled"], 0);
    for (field, what) in
        [("updatedNumberScheduled", "up to date"), ("numberReady", "ready"), ("numberAvailable", "available")]
    {
        let have = number(&status[field], 0);
        let on_delete = field == "updatedNumberScheduled" && object["spec"]["updateStrategy"]["type"] == "OnDelete";
        if have < want && !on_delete {
            return progressing(format!("{have} of {want} pods are {what}"));
        }
    }
    None
}

fn replica_set(object: &Value) -> Option<Health> {
    if let Some(c) = condition(object, "ReplicaFailure").filter(|c| is_true(c)) {
        return progressing(words(c));
    }
    let want = number(&object["spec"]["replicas"], 1);
    let available = number(&object["status"]["availableReplicas"], 0);
    (available < want).then(|| Health::Progressing(format!("{available} of {want} replicas are available")))
}

fn job(object: &Value) -> Option<Health> {
    if let Some(c) = condition(object, "Failed").or_else(|| condition(object, "FailureTarget")).filter(|c| is_true(c)) {
        return Some(Health::Failed(words(c)));
    }
    if condition(object, "Complete").is_some_and(is_true) || object["spec"]["suspend"] == true {
        return None;
    }
    let status = &object["status"];
    let (active, done) = (number(&status["active"], 0), number(&status["succeeded"], 0));
    let failed = number(&status["failed"], 0);
    progressing(match failed {
        0 => format!("{active} running, {done} done"),
        _ => format!("{active} running, {done} done, {failed} failed"),
    })
}

fn pod(object: &Value) -> Option<Health> {
    match object["status"]["phase"].as_str().unwrap_or_default() {
        "Succeeded" => None,
        "Failed" => Some(Health::Failed(words(&object["status"]))),
        "Running" if condition(object, "Ready").is_some_and(is_true) => None,
        "Running" => progressing(waiting(object).unwrap_or_else(|| "its containers are not ready".into())),
        _ => {
            let unscheduled = condition(object, "PodScheduled").filter(|c| c["status"] == "False").map(words);
            progressing(waiting(object).or(unscheduled).unwrap_or_else(|| "is starting".into()))
        }
    }
}

/// Why a container of a pod does not run: `web: ImagePullBackOff: …`.
pub(super) fn waiting(pod: &Value) -> Option<String> {
    let statuses = ["initContainerStatuses", "containerStatuses"].iter().filter_map(|f| pod["status"][f].as_array());
    statuses.flatten().find_map(|c| {
        let waiting = &c["state"]["waiting"];
        let reason = waiting["reason"].as_str()?;
        let idle = ["ContainerCreating", "PodInitializing"].contains(&reason);
        (!idle).then(|| format!("container {}: {}", c["name"].as_str().unwrap_or("?"), words(waiting)))
    })
}

fn claim(object: &Value) -> Option<Health> {
    match object["status"]["phase"].as_str().unwrap_or("Pending") {
        "Bound" => None,
        "Lost" => Some(Health::Failed("its volume is lost".into())),
        phase => progressing(format!("is {}, not Bound", phase)),
    }
}

fn service(object: &Value) -> Option<Health> {
    let balancer = object["spec"]["type"] == "LoadBalancer";
    let assigned = object["status"]["loadBalancer"]["ingress"].as_array().is_some_and(|i| !i.is_empty());
    (balancer && !assigned).then(|| Health::Progressing("no address of a load balancer yet".into()))
}

fn phase(object: &Value, good: &str) -> Option<Health> {
    let phase = object["status"]["phase"].as_str().unwrap_or(good);
    (phase != good).then(|| Health::Progressing(format!("is {phase}")))
}

fn definition(object: &Value) -> Option<Health> {
    if let Some(c) = condition(object, "NamesAccepted").filter(|c| c["status"] == "False") {
        return Some(Health::Failed(words(c)));
    }
    match condition(object, "Established") {
        Some(c) if is_true(c) => None,
        _ => progressing("not yet established"),
    }
}

fn api_service(object: &Value) -> Option<Health> {
    match condition(object, "Available") {
        Some(c) if is_true(c) => None,
        Some(c) => progressing(words(c)),
        None => progressing("not yet available"),
    }
}

/// Kinds that nobody knows: the conditions that kstatus defines, then the usual one, `Ready`.
fn generic(object: &Value) -> Option<Health> {
    if let Some(c) = condition(object, "Stalled").filter(|c| is_true(c)) {
        return Some(Health::Failed(words(c)));
    }
    if let Some(c) = condition(object, "Reconciling").filter(|c| is_true(c)) {
        return progressing(words(c));
    }
    let c = condition(object, "Ready")?;
    (!is_true(c)).then(|| Health::Progressing(words(c)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(api_version: &str, kind: &str, rest: Value) -> String {
        let mut object = rest;
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        match health(&object) {
            Health::Ready => "ready".into(),
            Health::Progressing(why) => format!("progressing: {why}"),
            Health::Failed(why) => format!("failed: {why}"),
        }
    }

    #[test]
    fn deployments() {
        let with = |spec: Value, status: Value| {
            of("apps/v1", "Deployment", json!({"metadata": {"generation": 2}, "spec": spec, "status": status}))
        };
        let two = json!({"replicas": 2});
        assert_eq!(with(two.clone(), json!({})), "progressing: not yet seen by its controller");
        let full = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
        assert_eq!(with(two.clone(), full.clone()), "ready");
        let but = |field: &str, value: Value| {
            let mut status = full.clone();
            status[field] = value;
            with(two.clone(), status)
        };
        assert_eq!(but("updatedReplicas", json!(1)), "progressing: 1 of 2 replicas are up to date");
        assert_eq!(but("replicas", json!(3)), "progressing: 1 old replicas are going");
        assert_eq!(but("readyReplicas", json!(0)), "progressing: 0 of 2 replicas are ready");
        assert_eq!(but("availableReplicas", json!(1)), "progressing: 1 of 2 replicas are available");
        assert_eq!(but("observedGeneration", json!(1)), "progressing: not yet seen by its controller");
        let late = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}]);
        assert_eq!(but("conditions", late), "failed: ProgressDeadlineExceeded: late");
        assert_eq!(with(json!({"replicas": 0}), json!({"observedGeneration": 2})), "ready");
    }

    #[test]
    fn stateful_and_daemon_sets() {
        let set = |spec: Value, status: Value| of("apps/v1", "StatefulSet", json!({"spec": spec, "status": status}));
        assert_eq!(
            set(json!({"replicas": 3}), json!({"replicas": 1, "readyReplicas": 1})),
            "progressing: 1 of 3 replicas are ready"
        );
        let rolling = json!({"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "currentRevision": "a", "updateRevision": "b"});
        assert_eq!(set(json!({"replicas": 2}), rolling.clone()), "progressing: the new revision is being rolled out");
        let partition =
            json!({"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}});
        assert_eq!(set(partition, rolling), "ready");
        let daemons = |status: Value| of("apps/v1", "DaemonSet", json!({"status": status}));
        assert_eq!(
            daemons(json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 1})),
            "progressing: 1 of 2 pods are ready"
        );
        assert_eq!(daemons(json!({"desiredNumberScheduled": 0})), "ready");
    }

    #[test]
    fn jobs_and_pods() {
        let job = |status: Value| of("batch/v1", "Job", json!({"spec": {}, "status": status}));
        assert_eq!(job(json!({"active": 1, "failed": 2})), "progressing: 1 running, 0 done, 2 failed");
        assert_eq!(job(json!({"conditions": [{"type": "Complete", "status": "True"}]})), "ready");
        assert_eq!(
            job(json!({"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]})),
            "failed: BackoffLimitExceeded"
        );
        let pod = |status: Value| of("v1", "Pod", json!({"status": status}));
        let pulling = json!({"phase": "Pending", "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]});
        assert_eq!(pod(pulling), "progressing: container web: ImagePullBackOff: no such image");
        let nowhere = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]});
        assert_eq!(pod(nowhere), "progressing: Unschedulable: 0/1 nodes");
        assert_eq!(pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})), "ready");
    }

    #[test]
    fn the_rest() {
        assert_eq!(of("v1", "ConfigMap", json!({})), "ready");
        assert_eq!(of("v1", "Service", json!({"spec": {"type": "ClusterIP"}})), "ready");
        assert_eq!(
            of("v1", "Service", json!({"spec": {"type": "LoadBalancer"}})),
            "progressing: no address of a load balancer yet"
        );
        assert_eq!(of("v1", "PersistentVolumeClaim", json!({})), "progressing: is Pending, not Bound");
        assert_eq!(of("v1", "Namespace", json!({"status": {"phase": "Terminating"}})), "progressing: is Terminating");
        assert_eq!(
            of("v1", "Namespace", json!({"metadata": {"deletionTimestamp": "x"}})),
            "progressing: is being deleted"
        );
        let crd =
            |c: Value| of("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({"status": {"conditions": c}}));
        assert_eq!(crd(json!([])), "progressing: not yet established");
        assert_eq!(crd(json!([{"type": "Established", "status": "True"}])), "ready");
        assert_eq!(
            crd(json!([{"type": "NamesAccepted", "status": "False", "reason": "ListKindConflict"}])),
            "failed: ListKindConflict"
        );
        let own = |generation: u64, c: Value| {
            of(
                "x.io/v1",
                "Thing",
                json!({"metadata": {"generation": generation}, "status": {"observedGeneration": 1, "conditions": c}}),
            )
        };
        assert_eq!(own(2, json!([])), "progressing: not yet seen by its controller");
        assert_eq!(own(1, json!([{"type": "Ready", "status": "False", "message": "wait"}])), "progressing: wait");
        assert_eq!(own(1, json!([{"type": "Stalled", "status": "True", "reason": "Bad"}])), "failed: Bad");
        assert_eq!(own(1, json!([{"type": "Ready", "status": "True"}])), "ready");
    }
}
