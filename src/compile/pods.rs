//! What pods a workload object comes to, and what they request. Knows the built-in workload kinds.
//!
//! A pod's request is the larger of its largest init container and the sum of its containers (with
//! sidecars, init containers that restart), plus its overhead: the rule of kube-scheduler.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::{PodNeed, Toleration};
use crate::quantity::{Bytes, MilliCpu, Resources};

/// Kinds whose pods are understood, with their groups.
const WORKLOADS: [(&str, &str); 7] = [
    ("", "Pod"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
];

/// Whether an object runs pods.
pub(crate) fn is_workload(object: &Value) -> bool {
    let (group, kind) = group_kind(object);
    WORKLOADS.contains(&(group, kind))
}

/// Group and kind of an object.
pub(crate) fn group_kind(object: &Value) -> (&str, &str) {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    (version.split_once('/').map_or("", |(group, _)| group), object["kind"].as_str().unwrap_or_default())
}

/// The pod template of a workload.
pub(super) fn pod_spec(object: &Value) -> &Value {
    match group_kind(object).1 {
        "Pod" => &object["spec"],
        "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        _ => &object["spec"]["template"]["spec"],
    }
}

/// The pod template of a workload, to be changed.
pub(crate) fn pod_spec_mut(object: &mut Value) -> Option<&mut Value> {
    let path = pod_spec_path(object);
    object.pointer_mut(path)
}

/// Where the pod template of a workload stands in it.
pub(super) fn pod_spec_path(object: &Value) -> &'static str {
    match group_kind(object).1 {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    }
}

/// The labels of a workload's pods.
pub(super) fn pod_labels(object: &Value) -> &Value {
    match group_kind(object).1 {
        "Pod" => &object["metadata"]["labels"],
        "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"],
        _ => &object["spec"]["template"]["metadata"]["labels"],
    }
}

/// Whether `replicas` can be set on it.
pub(crate) fn scales(object: &Value) -> bool {
    matches!(group_kind(object), ("apps", "Deployment" | "ReplicaSet" | "StatefulSet"))
}

/// Whether its pods run on every node.
pub(super) fn per_node(object: &Value) -> bool {
    group_kind(object) == ("apps", "DaemonSet")
}

/// The pods of one instance, with what a rollout adds for a while.
///
/// # Errors
/// A request that is not a quantity, in words.
pub(super) fn need(object: &Value) -> Result<PodNeed, String> {
    let spec = pod_spec(object);
    Ok(PodNeed {
        size: requests(spec)?,
        count: count(object),
        tolerations: list(&spec["tolerations"]).iter().map(toleration).collect(),
        node_selector: texts(&spec["nodeSelector"]),
        affinity: super::affinity::terms(spec),
    })
}

fn count(object: &Value) -> u32 {
    let spec = &object["spec"];
    let number = |v: &Value, default: u64| u32::try_from(v.as_u64().unwrap_or(default)).unwrap_or(u32::MAX);
    match group_kind(object).1 {
        "Deployment" => {
            let replicas = number(&spec["replicas"], 1);
            Surge::of(object).with(replicas)
        }
        "StatefulSet" | "ReplicaSet" => number(&spec["replicas"], 1),
        "Job" => number(&spec["parallelism"], 1),
        "CronJob" => number(&spec["jobTemplate"]["spec"]["parallelism"], 1),
        _ => 1,
    }
}

/// Pods above `replicas` while a Deployment rolls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Surge {
    /// None: the old go first.
    None,
    /// So many.
    Pods(u32),
    /// So many in a hundred, rounded up.
    Percent(u64),
}

impl Surge {
    /// That of a workload: what it says, 25 % where a Deployment says nothing.
    pub(super) fn of(object: &Value) -> Self {
        let strategy = &object["spec"]["strategy"];
        if group_kind(object).1 != "Deployment" || strategy["type"] == "Recreate" {
            return Self::None;
        }
        match &strategy["rollingUpdate"]["maxSurge"] {
            Value::Number(n) => Self::Pods(n.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)),
            Value::String(text) => Self::Percent(text.strip_suffix('%').and_then(|p| p.parse().ok()).unwrap_or(0)),
            _ => Self::Percent(25),
        }
    }

    /// Pods of so many replicas while they roll.
    pub fn with(self, replicas: u32) -> u32 {
        let more = match self {
            _ if replicas == 0 => 0,
            Self::None => 0,
            Self::Pods(n) => n,
            Self::Percent(percent) => {
                let more = u64::from(replicas).saturating_mul(percent).div_ceil(100);
                u32::try_from(more).unwrap_or(u32::MAX)
            }
        };
        replicas.saturating_add(more)
    }
}

/// Whether an object is an autoscaler of another one.
pub(super) fn targets(scaler: &Value, object: &Value) -> bool {
    let target = &scaler["spec"]["scaleTargetRef"];
    scaler["kind"] == "HorizontalPodAutoscaler"
        && target["kind"] == object["kind"]
        && target["name"] == object["metadata"]["name"]
        && scaler["metadata"]["namespace"] == object["metadata"]["namespace"]
}

pub(crate) fn requests(spec: &Value) -> Result<Resources, String> {
    let mut running = Resources::default();
    let mut starting = Resources::default();
    for container in list(&spec["containers"]) {
        running = sum(running, container_requests(container)?);
    }
    let mut sidecars = Resources::default();
    for container in list(&spec["initContainers"]) {
        let own = container_requests(container)?;
        if container["restartPolicy"] == "Always" {
            sidecars = sum(sidecars, own);
            starting = larger(starting, sidecars);
        } else {
            starting = larger(starting, sum(sidecars, own));
        }
    }
    // What is requested for the pod as a whole counts instead of its containers' sum.
    let whole = amounts(&spec["resources"]["requests"])?;
    let overhead = amounts(&spec["overhead"])?;
    let mut all = sum(larger(larger(sum(running, sidecars), starting), whole), overhead);
    all.pods = 1;
    Ok(all)
}

/// Requests, and limits for what only a limit is given for, as the API server defaults it.
fn container_requests(container: &Value) -> Result<Resources, String> {
    let mut merged = serde_json::Map::new();
    for field in ["limits", "requests"] {
        if let Value::Object(map) = &container["resources"][field] {
            merged.extend(map.clone());
        }
    }
    amounts(&Value::Object(merged))
}

pub(crate) fn amounts(map: &Value) -> Result<Resources, String> {
    let mut out = Resources::default();
    for (name, value) in map.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match name.as_str() {
            "cpu" => out.milli_cpu = MilliCpu::parse(&text)?.0,
            "memory" => out.memory = Bytes::parse(&text)?.0,
            "pods" => out.pods = Bytes::parse(&text)?.0,
            gpu if gpu.ends_with("/gpu") => out.gpus = out.gpus.saturating_add(Bytes::parse(&text)?.0),
            _ => {}
        }
    }
    Ok(out)
}

pub(crate) fn sum(a: Resources, b: Resources) -> Resources {
    Resources {
        milli_cpu: a.milli_cpu.saturating_add(b.milli_cpu),
        memory: a.memory.saturating_add(b.memory),
        gpus: a.gpus.saturating_add(b.gpus),
        pods: a.pods.saturating_add(b.pods),
    }
}

fn larger(a: Resources, b: Resources) -> Resources {
    Resources {
        milli_cpu: a.milli_cpu.max(b.milli_cpu),
        memory: a.memory.max(b.memory),
        gpus: a.gpus.max(b.gpus),
        pods: a.pods.max(b.pods),
    }
}

/// Every request and limit that is no quantity: where it stands in the object, and what is wrong with it.
pub(super) fn wrong_amounts(object: &Value) -> Vec<(String, String)> {
    let base = pod_spec_path(object);
    let spec = pod_spec(object);
    let mut maps = vec![format!("{base}/overhead"), format!("{base}/resources/requests")];
    for field in ["initContainers", "containers"] {
        for i in 0..list(&spec[field]).len() {
            maps.extend(["limits", "requests"].map(|what| format!("{base}/{field}/{i}/resources/{what}")));
        }
    }
    let mut wrong = Vec::new();
    for map in maps {
        for (name, value) in object.pointer(&map).and_then(Value::as_object).into_iter().flatten() {
            let one = Value::Object([(name.clone(), value.clone())].into_iter().collect());
            if let Err(text) = amounts(&one) {
                wrong.push((format!("{map}/{}", name.replace('~', "~0").replace('/', "~1")), text));
            }
        }
    }
    wrong
}

fn toleration(value: &Value) -> Toleration {
    let text = |field: &str| value[field].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let exists = value["operator"] == "Exists";
    Toleration {
        key: text("key"),
        value: if exists { None } else { Some(text("value").unwrap_or_default()) },
        effect: text("effect"),
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(spec: &Value) -> Value {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": spec}}});
        object["spec"]["replicas"] = json!(4);
        object
    }

    #[test]
    fn a_pod_needs_what_the_scheduler_counts() {
        let got = need(&deployment(&json!({
            "initContainers": [
                {"resources": {"requests": {"cpu": "2"}}},
                {"restartPolicy": "Always", "resources": {"requests": {"memory": "64Mi"}}},
            ],
            "containers": [
                {"resources": {"requests": {"cpu": "250m", "memory": "128Mi"}}},
                {"resources": {"limits": {"cpu": 0.5, "nvidia.com/gpu": 1}}},
            ],
            "overhead": {"cpu": "10m"},
        })))
        .unwrap();
        assert_eq!(got.size, Resources { milli_cpu: 2010, memory: 192 << 20, gpus: 1, pods: 1 });
        assert_eq!(got.count, 5, "25 % surge, rounded up");
        assert!(need(&deployment(&json!({"containers": [{"resources": {"requests": {"cpu": "x"}}}]}))).is_err());
    }

    #[test]
    fn surge_follows_the_strategy() {
        let rolling =
            |surge: Value| json!({"kind": "Deployment", "spec": {"strategy": {"rollingUpdate": {"maxSurge": surge}}}});
        assert_eq!(Surge::of(&rolling(json!("50%"))).with(3), 5);
        assert_eq!(Surge::of(&rolling(json!(0))).with(3), 3);
        assert_eq!(Surge::of(&rolling(Value::Null)).with(1), 2);
        assert_eq!(Surge::of(&rolling(json!(2))).with(0), 0);
        let recreate = json!({"kind": "Deployment", "spec": {"replicas": 3, "strategy": {"type": "Recreate"}}});
        assert_eq!(count(&recreate), 3);
    }
}
