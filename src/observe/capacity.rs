//! What nodes have left: allocatable minus what the pods on them request. Pure.
//!
//! Our own pods do not count: where they go is what is being decided.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    compile::pods::{amounts, requests, sum},
    observed::FreeNode,
    quantity::Resources,
    spec::Taint,
};

/// Nodes that take pods, by name, with what is left on each. `owners` are the metadata of what
/// stands between workloads and pods, `ours` the uids of our workloads.
pub(super) fn free(nodes: &[Value], pods: &[Value], owners: &[Value], ours: &BTreeSet<String>) -> Vec<FreeNode> {
    let mut own: BTreeSet<&str> = ours.iter().map(String::as_str).collect();
    // CronJob → Job → Pod and Deployment → ReplicaSet → Pod are two steps: one here, one below.
    let between: Vec<&str> =
        owners.iter().filter(|o| is_owned(o, &own)).filter_map(|o| o["metadata"]["uid"].as_str()).collect();
    own.extend(between);
    let mut used: BTreeMap<&str, Resources> = BTreeMap::new();
    for pod in pods {
        let over = ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == *phase);
        if let Some(node) = pod["spec"]["nodeName"].as_str()
            && !over
            && !is_owned(pod, &own)
        {
            let total = used.entry(node).or_default();
            *total = sum(*total, requests(&pod["spec"]).unwrap_or_default());
        }
    }
    let mut all: Vec<FreeNode> = nodes.iter().filter(|n| takes_pods(n)).filter_map(|n| left(n, &used)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn is_owned(object: &Value, by: &BTreeSet<&str>) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.filter_map(|o| o["uid"].as_str()).any(|uid| by.contains(uid))
        || object["metadata"]["uid"].as_str().is_some_and(|uid| by.contains(uid))
}

fn takes_pods(node: &Value) -> bool {
    let ready = node["status"]["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
    ready && node["spec"]["unschedulable"] != true
}

fn left(node: &Value, used: &BTreeMap<&str, Resources>) -> Option<FreeNode> {
    let name = node["metadata"]["name"].as_str()?;
    let all = amounts(&node["status"]["allocatable"]).unwrap_or_default();
    let used = used.get(name).copied().unwrap_or_default();
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    Some(FreeNode {
        name: name.to_owned(),
        milli_cpu: all.milli_cpu.saturating_sub(used.milli_cpu),
        memory: all.memory.saturating_sub(used.memory),
        gpus: all.gpus.saturating_sub(used.gpus),
        pods: all.pods.saturating_sub(used.pods),
        labels: labels.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect(),
        taints: taints.filter_map(taint).collect(),
    })
}

/// Without the time that the server adds to some.
fn taint(value: &Value) -> Option<Taint> {
    let mut taint = serde_json::Map::new();
    for field in ["key", "value", "effect"] {
        if let Some(text) = value.get(field).filter(|v| v.is_string()) {
            taint.insert(field.to_owned(), text.clone());
        }
    }
    serde_json::from_value(Value::Object(taint)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(node: &str, owner: &str, cpu: &str) -> Value {
        json!({
            "metadata": {"ownerReferences": [{"uid": owner}]},
            "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}]},
            "status": {"phase": "Running"},
        })
    }

    #[test]
    fn our_own_pods_do_not_count() {
        let node = |name: &str, ready: &str| {
            json!({
                "metadata": {"name": name, "labels": {"zone": "a"}},
                "spec": {"taints": [{"key": "k", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}]},
                "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110", "nvidia.com/gpu": "2"},
                           "conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let mut cordoned = node("c", "True");
        cordoned["spec"]["unschedulable"] = json!(true);
        let mut done = pod("a", "else", "4");
        done["status"]["phase"] = json!("Succeeded");
        let pods = [pod("a", "else", "500m"), pod("a", "set-1", "1"), pod("a", "mine", "1"), done];
        let owners = [json!({"metadata": {"uid": "set-1", "ownerReferences": [{"uid": "deployment-1"}]}})];
        let ours = ["deployment-1".to_owned(), "mine".to_owned()].into();
        let got = free(&[node("b", "False"), node("a", "True"), cordoned], &pods, &owners, &ours);
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].resources(), Resources { milli_cpu: 3500, memory: 7 << 30, gpus: 2, pods: 109 });
        assert_eq!((got[0].labels["zone"].as_str(), got[0].taints[0].key.as_str()), ("a", "k"));
    }

    #[test]
    fn a_pod_requests_what_the_scheduler_counts() {
        let got = requests(&json!({
            "initContainers": [
                {"restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
                {"resources": {"requests": {"cpu": "2"}}},
            ],
            "containers": [{"resources": {"requests": {"cpu": "500m", "memory": "64Mi"}}}],
            "overhead": {"cpu": "10m"},
        }));
        assert_eq!(got, Ok(Resources { milli_cpu: 2110, memory: 64 << 20, gpus: 0, pods: 1 }));
    }
}
