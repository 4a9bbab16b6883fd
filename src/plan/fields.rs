//! Which fields differ between two objects, in paths that people read.
//!
//! What a list is, `metadata.managedFields` of the two tell where they have some: items by key, a set, or one
//! atom. Else items are told apart by what Kubernetes merges them by (`name`, `port`…) where all items have it,
//! or by position. Knows nothing of clusters or owners.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::change::FieldChange;

/// Keys that tell list items apart, best first.
const MERGE_KEYS: [&str; 7] = ["name", "containerPort", "port", "mountPath", "devicePath", "ip", "type"];

/// Metadata that servers write.
const NOISE: [&str; 7] =
    ["managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "deletionTimestamp"];

/// What anybody owns at a place, as `fieldsV1` has it.
#[derive(Clone, Copy)]
enum Owned<'a> {
    /// The objects do not tell.
    Untold,
    /// Nobody owns anything there, or somebody owns it whole.
    Whole,
    /// These fields and items.
    Parts(&'a Map<String, Value>),
}

/// What tells the items of a list apart.
enum Items {
    /// These fields.
    Keys(Vec<String>),
    /// Their values.
    Values,
    /// Where they stand; the list is changed as one.
    Places,
    /// Nobody says: it is guessed.
    Guessed,
}

impl<'a> Owned<'a> {
    fn new(set: Option<&'a Value>) -> Self {
        set.and_then(Value::as_object).filter(|set| !set.is_empty()).map_or(Self::Whole, Self::Parts)
    }

    fn field(self, key: &str) -> Self {
        match self {
            Self::Parts(set) => Self::new(set.get(&format!("f:{key}"))),
            other => other,
        }
    }

    fn item(self, item: &Value) -> Self {
        let Self::Parts(set) = self else { return self };
        let is = |name: &str| keys(name).is_some_and(|keys| keys.iter().all(|(k, v)| item.get(k) == Some(v)));
        Self::new(set.iter().find(|(name, _)| is(name)).map(|(_, below)| below))
    }

    fn items(self) -> Items {
        match self {
            Self::Untold => Items::Guessed,
            Self::Whole => Items::Places,
            Self::Parts(set) => match set.keys().find_map(|name| keys(name)) {
                Some(keys) => Items::Keys(keys.into_iter().map(|(key, _)| key).collect()),
                None if set.keys().any(|name| name.starts_with("v:")) => Items::Values,
                None => Items::Places,
            },
        }
    }
}

/// The keys of an item in a field set.
fn keys(name: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(name.strip_prefix("k:")?).ok()
}

/// What all managers of the two own together, where they tell.
fn owned(objects: [&Value; 2]) -> Option<Map<String, Value>> {
    let mut all = None;
    for object in objects {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
        // Fields of other versions have other names.
        for entry in entries.filter(|e| e["apiVersion"] == object["apiVersion"]) {
            unite(all.get_or_insert_with(Map::new), &entry["fieldsV1"]);
        }
    }
    all
}

fn unite(all: &mut Map<String, Value>, more: &Value) {
    for (name, below) in more.as_object().into_iter().flatten() {
        if let Value::Object(all) = all.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())) {
            unite(all, below);
        }
    }
}

/// All fields that differ, sorted as they stand in the objects.
pub fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut out = Vec::new();
    let all = owned([before, after]);
    let owned = all.as_ref().map_or(Owned::Untold, Owned::Parts);
    walk(String::new(), Some(before), Some(after), owned, &mut out);
    out
}

fn walk<'a>(
    path: String,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    owned: Owned<'_>,
    out: &mut Vec<FieldChange>,
) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let noise = path == "metadata" && NOISE.contains(&key.as_str()) || path.is_empty() && key == "status";
                if !noise {
                    walk(join(&path, key), a.get(key), b.get(key), owned.field(key), out);
                }
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            let items = owned.items();
            let ordered = matches!(items, Items::Keys(_));
            let keys = match &items {
                Items::Keys(keys) => Some(keys.clone()),
                Items::Values => return values(&path, a, b, out),
                Items::Places => merge_key(a, b).filter(|key| in_order(a, b, key)).map(|key| vec![key.to_owned()]),
                Items::Guessed => merge_key(a, b).map(|key| vec![key.to_owned()]),
            };
            let Some(keys) = keys else {
                for i in 0..a.len().max(b.len()) {
                    walk(format!("{path}[{i}]"), a.get(i), b.get(i), Owned::Whole, out);
                }
                return;
            };
            let (x, y) = (distinct(a, &keys), distinct(b, &keys));
            // The first one where that tells them apart.
            let first = keys.get(..1).unwrap_or_default();
            let tells = distinct(&x, first).len() == x.len() && distinct(&y, first).len() == y.len();
            let few = if tells { first } else { keys.as_slice() };
            let new = y.iter().filter(|i| !x.iter().any(|j| alike(i, j, &keys)));
            for item in x.iter().chain(new) {
                // More than one where somebody has written it twice.
                let find =
                    |all: &'a [Value]| -> Vec<&'a Value> { all.iter().filter(|i| alike(i, item, &keys)).collect() };
                let (x, y) = (find(a), find(b));
                for n in 0..x.len().max(y.len()) {
                    let (x, y) = (x.get(n).copied(), y.get(n).copied());
                    walk(format!("{path}[{}]", words(item, few)), x, y, owned.item(item), out);
                }
            }
            let both = |here: &[Value], there: &[Value]| -> Vec<Value> {
                let there = |item: &&Value| there.iter().any(|other| alike(item, other, &keys));
                here.iter().filter(there).map(|item| Value::from(words(item, few))).collect()
            };
            let (x, y) = (both(&x, &y), both(&y, &x));
            if ordered && x != y {
                out.push(FieldChange { path, before: Some(x.into()), after: Some(y.into()), by: None });
            }
        }
        _ => out.push(FieldChange { path, before: before.cloned(), after: after.cloned(), by: None }),
    }
}

/// What is only in one of two sets.
fn values(path: &str, a: &[Value], b: &[Value], out: &mut Vec<FieldChange>) {
    // As often as it is more often here than there: a server takes a value that is written twice.
    let only = |here: &[Value], there: &[Value]| -> Vec<Value> {
        let count = |all: &[Value], value: &Value| all.iter().filter(|v| *v == value).count();
        let more = |n: &usize| count(&here[..*n], &here[*n]) >= count(there, &here[*n]);
        (0..here.len()).filter(more).map(|n| here[n].clone()).collect()
    };
    let change = |value: &Value, before: Option<Value>, after: Option<Value>| FieldChange {
        path: format!("{path}[={value}]"),
        before,
        after,
        by: None,
    };
    out.extend(only(a, b).into_iter().map(|value| change(&value, Some(value.clone()), None)));
    out.extend(only(b, a).into_iter().map(|value| change(&value, None, Some(value.clone()))));
}

/// Whether two items are the same one.
fn alike(a: &Value, b: &Value, keys: &[String]) -> bool {
    keys.iter().all(|key| a[key] == b[key])
}

/// Items without those that are the same one as another.
fn distinct(items: &[Value], keys: &[String]) -> Vec<Value> {
    let first = |n: usize| !items[..n].iter().any(|other| alike(&items[n], other, keys));
    (0..items.len()).filter(|n| first(*n)).map(|n| items[n].clone()).collect()
}

/// What an item is called: `port=53,protocol=UDP`.
fn words(item: &Value, keys: &[String]) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    keys.iter().map(|key| format!("{key}={}", text(&item[key]))).collect::<Vec<_>>().join(",")
}

/// Whether the items that are in both stand in the same order.
fn in_order(a: &[Value], b: &[Value], key: &str) -> bool {
    let common = |here: &[Value], there: &[Value]| -> Vec<Value> {
        here.iter().map(|i| i[key].clone()).filter(|name| there.iter().any(|i| i[key] == *name)).collect()
    };
    common(a, b) == common(b, a)
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

    /// Two objects of which somebody owns these fields.
    fn paths(owned: &Value, before: &Value, after: &Value) -> Vec<String> {
        let object = |spec: &Value| {
            let entry = json!({"manager": "m", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:x": owned}}});
            json!({"apiVersion": "v1", "metadata": {"managedFields": [entry]}, "spec": {"x": spec}})
        };
        changes(&object(before), &object(after)).into_iter().map(|c| c.path).collect()
    }

    #[test]
    fn owners_tell_what_a_list_is() {
        let keyed = json!({
            "k:{\"port\":53,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}},
            "k:{\"port\":53,\"protocol\":\"UDP\"}": {".": {}, "f:name": {}},
        });
        let port = |name: &str, protocol: &str| json!({"name": name, "port": 53, "protocol": protocol});
        let both = json!([port("a", "TCP"), port("b", "UDP")]);
        assert_eq!(
            paths(&keyed, &both, &json!([port("b", "UDP"), port("c", "TCP")])),
            ["spec.x[port=53,protocol=TCP].name", "spec.x"],
            "they stand in another order, too"
        );
        assert_eq!(paths(&keyed, &both, &json!([port("b", "UDP")])), ["spec.x[port=53,protocol=TCP]"]);
        let twice = json!([port("a", "TCP"), port("a", "TCP")]);
        let paths_of = |after: &Value| paths(&keyed, &twice, after);
        assert_eq!(paths_of(&both), ["spec.x[port=53,protocol=TCP]", "spec.x[port=53,protocol=UDP]"]);
        let set = json!({"v:\"a\"": {}, "v:\"b\"": {}});
        assert_eq!(paths(&set, &json!(["a", "b"]), &json!(["b", "a"])), [""; 0]);
        assert_eq!(paths(&set, &json!(["a", "b"]), &json!(["c", "a"])), ["spec.x[=\"b\"]", "spec.x[=\"c\"]"]);
        assert_eq!(paths(&set, &json!(["a", "a"]), &json!(["a"])), ["spec.x[=\"a\"]"]);
    }

    #[test]
    fn an_atom_has_an_order() {
        let (a, b) = (json!({"name": "a", "v": 1}), json!({"name": "b", "v": 2}));
        let turned = paths(&json!({}), &json!([a, b]), &json!([b, a]));
        assert_eq!(turned, ["spec.x[0].name", "spec.x[0].v", "spec.x[1].name", "spec.x[1].v"]);
        assert_eq!(paths(&json!({}), &json!([a, b]), &json!([b])), ["spec.x[name=a]"]);
        assert_eq!(paths(&json!({}), &json!([a]), &json!([a, b])), ["spec.x[name=b]"]);
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
