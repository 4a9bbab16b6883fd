//! Which component an object of an application serves: by reference, as Kubernetes resolves it.
//!
//! A Service goes where the pods go that it selects, a ConfigMap where the pods go that mount it.
//! What nothing refers to goes wherever the application runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::pods::{group_kind, list, pod_labels, pod_spec, texts};

/// A workload of an application and the component it belongs to.
pub(super) struct Workload<'a> {
    pub(super) object: &'a Value,
    pub(super) component: usize,
}

/// Components that `object` serves; empty when nothing tells.
pub(super) fn components(object: &Value, workloads: &[Workload<'_>], all: &[&Value]) -> BTreeSet<usize> {
    let spec = &object["spec"];
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = &object["metadata"]["namespace"];
    let here = || workloads.iter().filter(|w| w.object["metadata"]["namespace"] == *namespace);
    let by_labels = |selector: BTreeMap<String, String>| -> BTreeSet<usize> {
        if selector.is_empty() {
            return BTreeSet::new();
        }
        let selects = |w: &&Workload<'_>| {
            let labels = texts(pod_labels(w.object));
            selector.iter().all(|(k, v)| labels.get(k) == Some(v))
        };
        here().filter(selects).map(|w| w.component).collect()
    };
    let by_reference = |kind: &str| -> BTreeSet<usize> {
        here().filter(|w| refers(pod_spec(w.object), w.object, kind, name)).map(|w| w.component).collect()
    };
    match group_kind(object) {
        ("", "Service") => by_labels(texts(&spec["selector"])),
        ("policy", "PodDisruptionBudget") => by_labels(texts(&spec["selector"]["matchLabels"])),
        ("networking.k8s.io", "NetworkPolicy") => by_labels(texts(&spec["podSelector"]["matchLabels"])),
        ("autoscaling", "HorizontalPodAutoscaler") => here()
            .filter(|w| {
                w.object["kind"] == spec["scaleTargetRef"]["kind"]
                    && w.object["metadata"]["name"] == spec["scaleTargetRef"]["name"]
            })
            .map(|w| w.component)
            .collect(),
        ("networking.k8s.io", "Ingress") => {
            let mut backends: Vec<&Value> = vec![&spec["defaultBackend"]["service"]["name"]];
            for rule in list(&spec["rules"]) {
                backends.extend(list(&rule["http"]["paths"]).iter().map(|p| &p["backend"]["service"]["name"]));
            }
            let services = all.iter().filter(|o| {
                o["kind"] == "Service"
                    && backends.contains(&&o["metadata"]["name"])
                    && o["metadata"]["namespace"] == *namespace
            });
            services.flat_map(|s| by_labels(texts(&s["spec"]["selector"]))).collect()
        }
        ("", kind @ ("ConfigMap" | "Secret" | "ServiceAccount" | "PersistentVolumeClaim")) => by_reference(kind),
        _ => BTreeSet::new(),
    }
}

/// Whether a pod template names an object.
fn refers(pod: &Value, workload: &Value, kind: &str, name: &str) -> bool {
    let volumes = list(&pod["volumes"]);
    let volume = |pointer: &str| volumes.iter().any(|v| v.pointer(pointer).and_then(Value::as_str) == Some(name));
    let projected =
        |field: &str| volumes.iter().flat_map(|v| list(&v["projected"]["sources"])).any(|s| s[field]["name"] == name);
    let in_environment = |from: &str, key: &str| {
        let containers = list(&pod["containers"]).iter().chain(list(&pod["initContainers"]));
        containers.into_iter().any(|c| {
            list(&c["envFrom"]).iter().any(|e| e[from]["name"] == name)
                || list(&c["env"]).iter().any(|e| e["valueFrom"][key]["name"] == name)
        })
    };
    match kind {
        "ConfigMap" => {
            volume("/configMap/name") || projected("configMap") || in_environment("configMapRef", "configMapKeyRef")
        }
        "Secret" => {
            volume("/secret/secretName")
                || projected("secret")
                || in_environment("secretRef", "secretKeyRef")
                || list(&pod["imagePullSecrets"]).iter().any(|s| s["name"] == name)
        }
        "ServiceAccount" => pod["serviceAccountName"] == name,
        "PersistentVolumeClaim" => {
            let own = workload["metadata"]["name"].as_str().unwrap_or_default();
            volume("/persistentVolumeClaim/claimName")
                // A claim that a StatefulSet's template would make, written by hand.
                || list(&workload["spec"]["volumeClaimTemplates"])
                    .iter()
                    .filter_map(|t| t["metadata"]["name"].as_str())
                    .any(|t| name.starts_with(&format!("{t}-{own}-")))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_go_with_the_pods_they_serve() {
        let pod =
            json!({"containers": [{"envFrom": [{"configMapRef": {"name": "settings"}}]}], "serviceAccountName": "web"});
        let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": pod}}});
        let db = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"app": "db"}}, "spec": {}}}});
        let workloads = [Workload { object: &web, component: 0 }, Workload { object: &db, component: 1 }];
        let object = |version: &str, kind: &str, name: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec});
        let service = object("v1", "Service", "web", json!({"selector": {"app": "web"}}));
        let path = json!({"backend": {"service": {"name": "web"}}});
        let cases = [
            (service.clone(), vec![0]),
            (object("v1", "ConfigMap", "settings", json!({})), vec![0]),
            (object("v1", "ConfigMap", "other", json!({})), vec![]),
            (object("v1", "ServiceAccount", "web", json!({})), vec![0]),
            (
                object("policy/v1", "PodDisruptionBudget", "p", json!({"selector": {"matchLabels": {"app": "db"}}})),
                vec![1],
            ),
            (object("networking.k8s.io/v1", "Ingress", "i", json!({"rules": [{"http": {"paths": [path]}}]})), vec![0]),
            (
                object(
                    "autoscaling/v2",
                    "HorizontalPodAutoscaler",
                    "h",
                    json!({"scaleTargetRef": {"kind": "StatefulSet", "name": "db"}}),
                ),
                vec![1],
            ),
        ];
        for (object, want) in cases {
            let got: Vec<usize> = components(&object, &workloads, &[&service]).into_iter().collect();
            assert_eq!(got, want, "{}", object["kind"]);
        }
    }
}
