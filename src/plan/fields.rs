//! Which fields differ between two objects, in paths that people read.
//!
//! Items of lists are told apart by what Kubernetes merges them by (`name`, `port`…) where all items
//! have it, else by position. Knows nothing of clusters or owners.

use std::collections::BTreeSet;

use serde_json::Value;

use super::change::FieldChange;

/// Keys that tell list items apart, best first.
const MERGE_KEYS: [&str; 7] = ["name", "containerPort", "port", "mountPath", "devicePath", "ip", "type"];

/// Metadata that servers write.
const NOISE: [&str; 7] =
    ["managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "deletionTimestamp"];

/// All fields that differ, sorted as they stand in the objects.
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut out = Vec::new();
    walk(String::new(), Some(before), Some(after), &mut out);
    out
}

fn walk(path: String, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let noise = path == "metadata" && NOISE.contains(&key.as_str()) || path.is_empty() && key == "status";
                if !noise {
                    walk(join(&path, key), a.get(key), b.get(key), out);
                }
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => match merge_key(a, b) {
            Some(key) => {
                let find = |items: &'_ [Value], wanted: &Value| items.iter().position(|i| i[key] == *wanted);
                let names: Vec<&Value> = a.iter().map(|i| &i[key]).collect();
                let new = b.iter().map(|i| &i[key]).filter(|n| !names.contains(n));
                let all: Vec<&Value> = names.iter().copied().chain(new).collect();
                for name in all {
                    let text = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
                    let x = find(a, name).map(|i| &a[i]);
                    let y = find(b, name).map(|i| &b[i]);
                    walk(format!("{path}[{key}={text}]"), x, y, out);
                }
            }
            None => {
                for i in 0..a.len().max(b.len()) {
                    walk(format!("{path}[{i}]"), a.get(i), b.get(i), out);
                }
            }
        },
        _ => out.push(FieldChange { path, before: before.cloned(), after: after.cloned(), by: None }),
    }
}

/// A path and one more name.
pub(super) fn join(path: &str, key: &str) -> String {
    let quoted = key.contains(['.', '/']);
    match (path.is_empty(), quoted) {
        (true, _) => key.to_owned(),
        (false, true) => format!("{path}[{key}]"),
        (false, false) => format!("{path}.{key}"),
    }
}

/// A key that every item of both lists has, with values that do not repeat within a list.
fn merge_key(a: &[Value], b: &[Value]) -> Option<&'static str> {
    let unique = |items: &[Value], key: &str| {
        let values: BTreeSet<String> = items.iter().map(|i| i[key].to_string()).collect();
        values.len() == items.len()
    };
    MERGE_KEYS.into_iter().find(|key| {
        a.iter().chain(b).all(|i| i.get(key).is_some_and(|v| !v.is_null() && !v.is_object()))
            && unique(a, key)
            && unique(b, key)
            && !(a.is_empty() && b.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_what_people_read() {
        let before = json!({
            "metadata": {"uid": "1", "annotations": {"a.b/c": "x"}},
            "spec": {"replicas": 2, "containers": [{"name": "a", "image": "i:1"}, {"name": "b"}], "args": ["x", "y"]},
            "status": {"ready": 1},
        });
        let after = json!({
            "metadata": {"uid": "2", "annotations": {"a.b/c": "y"}},
            "spec": {"replicas": 3, "containers": [{"name": "c"}, {"name": "a", "image": "i:2"}], "args": ["x"]},
        });
        let paths: Vec<String> = changes(&before, &after).into_iter().map(|c| c.path).collect();
        assert_eq!(
            paths,
            [
                "metadata.annotations[a.b/c]",
                "spec.args[1]",
                "spec.containers[name=a].image",
                "spec.containers[name=b]",
                "spec.containers[name=c]",
                "spec.replicas",
            ]
        );
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..3).prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]|name", inner, 0..3)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself(x in tree()) {
            prop_assert_eq!(changes(&x, &x), []);
        }

        #[test]
        fn what_differs_is_found(x in tree(), y in tree()) {
            // A mere change of order of keyed lists is no change to Kubernetes.
            let ordered = |v: &Value| { let mut t = v.to_string().into_bytes(); t.sort_unstable(); t };
            if ordered(&x) != ordered(&y) {
                prop_assert!(!changes(&x, &y).is_empty());
            }
        }
    }
}
