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

/// Kind, namespace and name.
type Reference<'a> = (&'a str, &'a str, &'a str);

/// What the objects of one application refer to, turned round.
pub(super) struct References<'a> {
    /// Workloads with their namespaces and the labels of their pods.
    workloads: Vec<(&'a str, BTreeMap<String, String>, usize)>,
    /// Workloads by namespace and one label of their pods.
    labelled: BTreeMap<(&'a str, String, String), Vec<usize>>,
    /// Components by what their pods name.
    named: BTreeMap<Reference<'a>, BTreeSet<usize>>,
    /// Components by kind, namespace and name of their workloads.
    scaled: BTreeMap<Reference<'a>, BTreeSet<usize>>,
    /// How claims begin that a template would make, written by hand: namespace, beginning, component.
    claims: Vec<(&'a str, String, usize)>,
    services: BTreeMap<(&'a str, &'a str), Vec<&'a Value>>,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl<'a> References<'a> {
    pub(super) fn of(workloads: &[Workload<'a>], all: &[&'a Value]) -> Self {
        let mut references = Self {
            workloads: Vec::new(),
            labelled: BTreeMap::new(),
            named: BTreeMap::new(),
            scaled: BTreeMap::new(),
            claims: Vec::new(),
            services: BTreeMap::new(),
        };
        for workload in workloads {
            references.add(workload.object, workload.component);
        }
        for service in all.iter().filter(|o| o["kind"] == "Service") {
            let metadata = &service["metadata"];
            let key = (text(&metadata["namespace"]), text(&metadata["name"]));
            references.services.entry(key).or_default().push(service);
        }
        references
    }

    fn add(&mut self, object: &'a Value, component: usize) {
        let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let labels = texts(pod_labels(object));
        for (k, v) in &labels {
            self.labelled.entry((namespace, k.clone(), v.clone())).or_default().push(self.workloads.len());
        }
        self.workloads.push((namespace, labels, component));
        self.scaled.entry((text(&object["kind"]), namespace, name)).or_default().insert(component);
        for template in list(&object["spec"]["volumeClaimTemplates"]) {
            if let Some(template) = template["metadata"]["name"].as_str() {
                self.claims.push((namespace, format!("{template}-{name}-"), component));
            }
        }
        let mut names = Vec::new();
        refers(pod_spec(object), &mut names);
        for (kind, name) in names {
            self.named.entry((kind, namespace, name)).or_default().insert(component);
        }
    }

    /// Components whose pods have these labels.
    fn by_labels(&self, namespace: &'a str, selector: &BTreeMap<String, String>) -> BTreeSet<usize> {
        let Some((k, v)) = selector.first_key_value() else { return BTreeSet::new() };
        let some = self.labelled.get(&(namespace, k.clone(), v.clone()));
        let workloads = some.into_iter().flatten().map(|w| &self.workloads[*w]);
        let selects = |labels: &BTreeMap<String, String>| selector.iter().all(|(k, v)| labels.get(k) == Some(v));
        workloads.filter(|(_, labels, _)| selects(labels)).map(|(_, _, component)| *component).collect()
    }

    /// Components that `object` serves; empty when nothing tells.
    pub(super) fn components(&self, object: &'a Value) -> BTreeSet<usize> {
        let spec = &object["spec"];
        let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let by_labels = |selector: &Value| self.by_labels(namespace, &texts(selector));
        match group_kind(object) {
            ("", "Service") => by_labels(&spec["selector"]),
            ("policy", "PodDisruptionBudget") => by_labels(&spec["selector"]["matchLabels"]),
            ("networking.k8s.io", "NetworkPolicy") => by_labels(&spec["podSelector"]["matchLabels"]),
            ("autoscaling", "HorizontalPodAutoscaler") => {
                let target = &spec["scaleTargetRef"];
                self.scaled.get(&(text(&target["kind"]), namespace, text(&target["name"]))).cloned().unwrap_or_default()
            }
            ("networking.k8s.io", "Ingress") => {
                let mut backends: Vec<&Value> = vec![&spec["defaultBackend"]["service"]["name"]];
                for rule in list(&spec["rules"]) {
                    backends.extend(list(&rule["http"]["paths"]).iter().map(|p| &p["backend"]["service"]["name"]));
                }
                let names = backends.into_iter().filter_map(Value::as_str);
                let services = names.flat_map(|n| self.services.get(&(namespace, n)).into_iter().flatten());
                services.flat_map(|s| by_labels(&s["spec"]["selector"])).collect()
            }
            ("", kind @ ("ConfigMap" | "Secret" | "ServiceAccount" | "PersistentVolumeClaim")) => {
                let mut found = self.named.get(&(kind, namespace, name)).cloned().unwrap_or_default();
                if kind == "PersistentVolumeClaim" {
                    let made = self.claims.iter().filter(|(ns, begin, _)| *ns == namespace && name.starts_with(begin));
                    found.extend(made.map(|(_, _, component)| *component));
                }
                found
            }
            _ => BTreeSet::new(),
        }
    }
}

/// Kinds and names that a pod template refers to.
fn refers<'a>(pod: &'a Value, out: &mut Vec<(&'static str, &'a str)>) {
    let mut add = |kind, name: &'a Value| out.extend(name.as_str().map(|name| (kind, name)));
    for volume in list(&pod["volumes"]) {
        add("ConfigMap", &volume["configMap"]["name"]);
        add("Secret", &volume["secret"]["secretName"]);
        add("PersistentVolumeClaim", &volume["persistentVolumeClaim"]["claimName"]);
        for source in list(&volume["projected"]["sources"]) {
            add("ConfigMap", &source["configMap"]["name"]);
            add("Secret", &source["secret"]["name"]);
        }
    }
    for container in list(&pod["containers"]).iter().chain(list(&pod["initContainers"])) {
        for from in list(&container["envFrom"]) {
            add("ConfigMap", &from["configMapRef"]["name"]);
            add("Secret", &from["secretRef"]["name"]);
        }
        for variable in list(&container["env"]) {
            add("ConfigMap", &variable["valueFrom"]["configMapKeyRef"]["name"]);
            add("Secret", &variable["valueFrom"]["secretKeyRef"]["name"]);
        }
    }
    for secret in list(&pod["imagePullSecrets"]) {
        add("Secret", &secret["name"]);
    }
    add("ServiceAccount", &pod["serviceAccountName"]);
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
            let got: Vec<usize> = References::of(&workloads, &[&service]).components(&object).into_iter().collect();
            assert_eq!(got, want, "{}", object["kind"]);
        }
    }
}
