//! Which parts of an object are noise, and what it is called. Pure.

use serde_json::Value;

use crate::{
    address::{ObjectAddress, ResourceAddress},
    plan::secret,
};

/// What the server writes on every change and nobody compares.
const NOISE: [&str; 5] =
    ["creationTimestamp", "generation", "resourceVersion", "selfLink", "deletionGracePeriodSeconds"];

/// Annotations in which version 1 of an autoscaler has what is its status in version 2.
const STATUS: [&str; 2] =
    ["autoscaling.alpha.kubernetes.io/conditions", "autoscaling.alpha.kubernetes.io/current-metrics"];

/// Takes the noise out of an object, and the values out of a Secret. `managedFields` stay, but for
/// those of the status.
#[must_use]
pub fn clean(mut object: Value, secret_key: &str) -> Value {
    secret::redact(&mut object, secret_key);
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in NOISE {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|name, _| !STATUS.contains(&name.as_str()));
        }
        // The status is not there, and neither is who wrote it.
        if let Some(managers) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
            managers.retain(|entry| entry["subresource"] != "status");
        }
    }
    object
}

/// The address of an object that is on a cluster. Namespaced or not shows in the object itself.
pub fn address(cluster: &str, object: &Value) -> ResourceAddress {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let group = object["apiVersion"].as_str().and_then(|v| v.split_once('/')).map_or("", |(group, _)| group);
    ResourceAddress::Object(ObjectAddress {
        cluster: cluster.to_owned(),
        group: group.to_owned(),
        kind: text(&object["kind"]),
        namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
        name: text(&object["metadata"]["name"]),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn noise_and_secret_values_go() {
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "data": {"p": "aHVudGVyMg=="}, "status": {},
            "metadata": {"name": "db", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 2,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{"manager": "m", "operation": "Apply", "time": "x", "fieldsV1": {}},
                    {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {}}]},
        });
        let cleaned = clean(object, "k");
        assert_eq!(
            cleaned["metadata"],
            json!({"name": "db", "namespace": "shop", "uid": "u",
                   "managedFields": [{"manager": "m", "operation": "Apply", "time": "x", "fieldsV1": {}}]})
        );
        let annotations = json!({"a": "b", "autoscaling.alpha.kubernetes.io/conditions": "[]"});
        let scaler = clean(json!({"metadata": {"annotations": annotations}}), "k");
        assert_eq!(scaler, json!({"metadata": {"annotations": {"a": "b"}}}));
        assert!(!cleaned.to_string().contains("aHVudGVyMg") && cleaned.get("status").is_none());
        assert_eq!(address("a", &cleaned).to_string(), "object/a/core/Secret/shop/db");
        let role =
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "x"}});
        assert_eq!(address("a", &role).to_string(), "object/a/rbac.authorization.k8s.io/ClusterRole/-/x");
    }
}
