//! Whether an object is as its spec wants it: kstatus' rules. Pure.
//!
//! Three answers only. What nobody is working on (a spec that cannot be reached any more) is failed;
//! what may still come is progressing; kinds that have no status are ready at once. `docs/apply.md` has
//! the rules as a table, and where they are stricter than kstatus': a Job has to complete, a load
//! balancer needs its address.

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
    // Any kind may say that it is stuck, or not done yet.
    if let Some(said) = announced(object) {
        return said;
    }
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
        // It is a timetable: what it starts is not awaited.
        ("batch", "CronJob") => None,
        ("", "Pod") => pod(object),
        ("", "ReplicationController") => lagging(object).or_else(|| replica_set(object)),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "PersistentVolume") => volume(object),
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
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
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
    let workload = object["apiVersion"].as_str().is_some_and(|v| v.starts_with("apps/"))
        || object["kind"] == "ReplicationController";
    let says = observed.is_u64() || workload;
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
    let (want, status) = (number(&object["spec"]["replicas"], 1), &object["status"]);
    let all = number(&status["replicas"], 0);
    if all > want {
        return progressing(format!("{} replicas too many are going", all - want));
    }
    for (field, what) in
        [("fullyLabeledReplicas", "labelled"), ("readyReplicas", "ready"), ("availableReplicas", "available")]
    {
        let have = number(&status[field], 0);
        if have < want {
            return progressing(format!("{have} of {want} replicas are {what}"));
        }
    }
    None
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

/// Why a container of a pod does not run: `container web: ImagePullBackOff: …`.
fn waiting(pod: &Value) -> Option<String> {
    let statuses = ["initContainerStatuses", "containerStatuses"].iter().filter_map(|f| pod["status"][f].as_array());
    statuses.flatten().find_map(|c| {
        let words = waiting_words(&c["state"]["waiting"])?;
        Some(format!("container {}: {words}", c["name"].as_str().unwrap_or("?")))
    })
}

/// Why a container waits, unless it merely starts.
pub(super) fn waiting_words(waiting: &Value) -> Option<String> {
    let reason = waiting["reason"].as_str()?;
    (!["ContainerCreating", "PodInitializing"].contains(&reason)).then(|| words(waiting))
}

fn claim(object: &Value) -> Option<Health> {
    match object["status"]["phase"].as_str().unwrap_or("Pending") {
        "Bound" => None,
        "Lost" => Some(Health::Failed("its volume is lost".into())),
        phase => progressing(format!("is {}, not Bound", phase)),
    }
}

fn volume(object: &Value) -> Option<Health> {
    match object["status"]["phase"].as_str().unwrap_or("Pending") {
        "Available" | "Bound" | "Released" => None,
        "Failed" => Some(Health::Failed(words(&object["status"]))),
        phase => progressing(format!("is {phase}")),
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

/// The two conditions that kstatus defines for all kinds.
fn announced(object: &Value) -> Option<Health> {
    if let Some(c) = condition(object, "Stalled").filter(|c| is_true(c)) {
        // Of an older spec: the newer one may mend it.
        return lagging(object).or_else(|| Some(Health::Failed(words(c))));
    }
    condition(object, "Reconciling").filter(|c| is_true(c)).and_then(|c| progressing(words(c)))
}

/// Kinds that nobody knows: the usual condition, `Ready`.
fn generic(object: &Value) -> Option<Health> {
    let c = condition(object, "Ready")?;
    (!is_true(c)).then(|| Health::Progressing(words(c)))
}

#[cfg(test)]
mod tests;
