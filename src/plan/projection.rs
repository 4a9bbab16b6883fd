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
    seen(value, owned, Order::Live)
}

/// In which order items with keys are seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As they stand: containers start, and variables are put in, in that order.
    Live,
    /// By their keys: how earlier versions of skyplan recorded it.
    Keys,
}

fn seen(value: &Value, owned: &Value, order: Order) -> Value {
    let Some(set) = owned.as_object() else { return Value::Null };
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, below) in set {
                if let Some(name) = key.strip_prefix("f:")
                    && let Some(field) = map.get(name)
                {
                    out.insert(name.to_owned(), if is_leaf(below) { field.clone() } else { seen(field, below, order) });
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => Value::Array(list(items, set, order)),
        other => other.clone(),
    }
}

fn list(items: &[Value], set: &Map<String, Value>, order: Order) -> Vec<Value> {
    let (mut keyed, mut out) = (Vec::new(), Vec::new());
    for (key, below) in set {
        if let Some(keys) = key.strip_prefix("k:").and_then(|k| serde_json::from_str::<Value>(k).ok()) {
            if let Some(at) = items.iter().position(|i| has_keys(i, &keys)) {
                keyed.push((at, if is_leaf(below) { items[at].clone() } else { seen(&items[at], below, order) }));
            }
        } else if let Some(wanted) = key.strip_prefix("v:").and_then(|v| serde_json::from_str::<Value>(v).ok()) {
            out.extend(items.iter().find(|i| **i == wanted).cloned());
        } else if let Some(index) = key.strip_prefix("i:").and_then(|i| i.parse::<usize>().ok()) {
            out.extend(items.get(index).map(|item| seen(item, below, order)));
        }
    }
    if order == Order::Live {
        keyed.sort_by_key(|(at, _)| *at);
    }
    keyed.into_iter().map(|(_, item)| item).chain(out).collect()
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
    // Its own word, so that none is taken for one of an earlier version.
    digest_of(&("in order", &object["apiVersion"], owned, project(object, owned)))
}

/// Whether that is the digest of an object seen through a field set, also as earlier versions wrote it.
pub fn is_projection(recorded: &str, object: &Value, owned: &Value) -> bool {
    let of_keys = || digest_of(&(&object["apiVersion"], owned, seen(object, owned, Order::Keys)));
    recorded == projection_digest(object, owned) || recorded == of_keys()
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
    fn items_have_an_order_and_what_was_recorded_without_one_holds() {
        let item = |name: &str| json!({"name": name, "image": "i"});
        let object = |items: Value| json!({"apiVersion": "v1", "list": items});
        let keys = json!({"k:{\"name\":\"a\"}": {"f:name": {}}, "k:{\"name\":\"b\"}": {"f:name": {}}});
        let owned = json!({ "f:list": keys });
        let (one, other) = (object(json!([item("b"), item("a")])), object(json!([item("a"), item("b")])));
        let recorded = projection_digest(&one, &owned);
        assert!(is_projection(&recorded, &one, &owned) && !is_projection(&recorded, &other, &owned));
        let with_theirs = object(json!([item("b"), item("theirs"), item("a")]));
        assert!(is_projection(&recorded, &with_theirs, &owned));
        let earlier = digest_of(&("v1", &owned, seen(&one, &owned, Order::Keys)));
        assert!(is_projection(&earlier, &one, &owned));
        let sorted = projection_digest(&other, &owned);
        assert!(!is_projection(&sorted, &one, &owned), "not by way of the earlier one");
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
