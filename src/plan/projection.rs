//! The no-op proof: an object seen through the fields that one manager owns.
//!
//! `fieldsV1` of `metadata.managedFields` names the owned fields (KEP-555). The projection of an
//! object on it is what must be equal for nothing to do. Values that Kubernetes did not return in
//! `fieldsV1` are not ours and do not count.

use serde_json::{Map, Value};

use crate::digest::digest_of;
pub use crate::digest::{digest, hex};

/// The `fieldsV1` of a manager's one apply entry (no subresource), if the object has it.
pub fn owned_fields<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let entry = entries.iter().find(|e| {
        e["manager"] == manager && e["operation"] == "Apply" && e.get("subresource").is_none_or(Value::is_null)
    })?;
    entry.get("fieldsV1")
}

/// Digest of a whole object as it is seen, whoever set which field.
pub fn whole_digest(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    digest(&object)
}

/// What of `value` the field set `owned` names.
pub fn project(value: &Value, owned: &Value) -> Value {
    let Some(set) = owned.as_object() else { return Value::Null };
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, below) in set {
                if let Some(name) = key.strip_prefix("f:")
                    && let Some(field) = map.get(name)
                {
                    out.insert(name.to_owned(), if is_leaf(below) { field.clone() } else { project(field, below) });
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let mut out = Vec::new();
            for (key, below) in set {
                if let Some(keys) = key.strip_prefix("k:").and_then(|k| serde_json::from_str::<Value>(k).ok()) {
                    if let Some(item) = items.iter().find(|i| has_keys(i, &keys)) {
                        out.push(if is_leaf(below) { item.clone() } else { project(item, below) });
                    }
                } else if let Some(wanted) = key.strip_prefix("v:").and_then(|v| serde_json::from_str::<Value>(v).ok())
                {
                    out.extend(items.iter().find(|i| **i == wanted).cloned());
                } else if let Some(index) = key.strip_prefix("i:").and_then(|i| i.parse::<usize>().ok()) {
                    out.extend(items.get(index).map(|item| project(item, below)));
                }
            }
            Value::Array(out)
        }
        other => other.clone(),
    }
}

/// An empty set below a field: the field is owned whole, as an atom.
fn is_leaf(below: &Value) -> bool {
    below.as_object().is_none_or(Map::is_empty)
}

/// Whether a list item has the values of its merge keys. Keys with defaults (`protocol`) are in the
/// server's answer, so they are compared as they are.
fn has_keys(item: &Value, keys: &Value) -> bool {
    keys.as_object().is_some_and(|keys| keys.iter().all(|(k, v)| item.get(k) == Some(v)))
}

/// Digest of an object seen through a field set.
pub fn projection_digest(object: &Value, owned: &Value) -> String {
    digest_of(&(&object["apiVersion"], owned, project(object, owned)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_owned_fields_are_seen() {
        let owned = json!({
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:name": {}}}}},
                "f:finalizers": {"v:\"a/b\"": {}},
                "f:atomic": {},
            }
        });
        let mut live = json!({
            "apiVersion": "apps/v1",
            "metadata": {"labels": {"app": "web", "foreign": "x"}},
            "spec": {
                "replicas": 2,
                "paused": false,
                "template": {"spec": {"containers": [
                    {"name": "sidecar", "image": "s"}, {"name": "web", "image": "i:1", "imagePullPolicy": "Always"}
                ]}},
                "finalizers": ["c/d", "a/b"],
                "atomic": {"x": [1, 2]},
            }
        });
        let before = projection_digest(&live, &owned);
        assert_eq!(
            project(&live, &owned)["spec"],
            json!({"replicas": 2, "template": {"spec": {"containers": [{"image": "i:1", "name": "web"}]}},
                   "finalizers": ["a/b"], "atomic": {"x": [1, 2]}})
        );
        live["metadata"]["labels"]["foreign"] = json!("y");
        live["spec"]["paused"] = json!(true);
        assert_eq!(projection_digest(&live, &owned), before);
        live["spec"]["atomic"]["x"] = json!([2, 1]);
        assert_ne!(projection_digest(&live, &owned), before);
    }

    #[test]
    fn the_manager_s_own_entry_is_found() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "skyplan-a", "operation": "Update", "fieldsV1": {"f:x": {}}},
            {"manager": "skyplan-a", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:y": {}}},
            {"manager": "skyplan-a", "operation": "Apply", "fieldsV1": {"f:z": {}}},
        ]}});
        assert_eq!(owned_fields(&object, "skyplan-a"), Some(&json!({"f:z": {}})));
        assert_eq!(owned_fields(&object, "other"), None);
    }
}
