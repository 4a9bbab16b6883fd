//! Who owns which field of an object, and since when: what `metadata.managedFields` says (KEP-555).
//!
//! Knows two ways to write a path, ours (`spec.containers[name=web].image`, `metadata.annotations[a.b/c]`) and
//! the API server's (`.spec.containers[name="web"].image`, `.metadata.annotations.a.b/c`); nothing of plans.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::join;

/// A manager of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// `kubectl-edit`, `kube-controller-manager`.
    pub manager: String,
    /// When it last changed any of the fields that it owns, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `scale`, `status`, where it wrote by way of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
}

impl Owner {
    /// Whether it writes for autoscalers: their controllers are in it, and they write by way of `scale`.
    pub(super) fn is_autoscaler(&self) -> bool {
        self.manager == "kube-controller-manager" && self.subresource.as_deref() == Some("scale")
    }
}

/// A step into an object, with what it leads to.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    /// Into a map.
    Key(&'a str),
    /// Into a list, by what the item is and where it stands.
    Item(&'a Value, usize),
}

/// The value at a path; `None` where there is none.
pub fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    steps(object, path).map(|(_, value)| value)
}

/// Whether a path is, or leads into, what another one names.
pub fn within(path: &str, of: &str) -> bool {
    after(relative(path), relative(of)).is_some()
}

/// Who owns the field at a path, but for this manager; the last one to have written first.
pub fn owners(object: &Value, path: &str, but: &str) -> Vec<Owner> {
    let Some((steps, _)) = steps(object, path) else { return Vec::new() };
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let ours = |entry: &&Value| entry["manager"] == but;
    let mut all: Vec<Owner> =
        entries.filter(|entry| !ours(entry) && covers(&entry["fieldsV1"], &steps)).map(owner).collect();
    all.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.cmp(b)));
    all
}

/// Managers of tools that bring objects from files to clusters: where an object is taken over, so is their part.
/// From the tools' sources; some write their own name, some that of a library.
const TOOLS: [&str; 17] = [
    "HashiCorp",
    "Helm",
    "Terraform",
    "argocd-application-controller",
    "argocd-controller",
    "helm",
    "helm-controller",
    "kapp",
    "kluctl",
    "kubectl",
    "kubectl-client-side-apply",
    "kubectl-create",
    "kubectl-edit",
    "kubectl-patch",
    "kubectl-replace",
    "kustomize-controller",
    "pulumi-kubernetes",
];

/// `managedFields` of an object without those of such tools; `None` where there are none. Their fields stay as they
/// are: what the specs say is this project's then, the rest is nobody's.
pub fn without_tools(object: &Value) -> Option<Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let is_tool = |entry: &&Value| {
        let plain = entry.get("subresource").is_none_or(|s| s.as_str().is_none_or(str::is_empty));
        plain && entry["manager"].as_str().is_some_and(|m| TOOLS.contains(&m))
    };
    let others: Vec<Value> = entries.iter().filter(|e| !is_tool(e)).cloned().collect();
    (others.len() < entries.len()).then_some(Value::Array(others))
}

fn owner(entry: &Value) -> Owner {
    let text = |name: &str| entry[name].as_str().filter(|s| !s.is_empty()).map(str::to_owned);
    Owner { manager: text("manager").unwrap_or_default(), time: text("time"), subresource: text("subresource") }
}

/// A field that another manager owns, and that is to be another than it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contest {
    /// Path, as we write it.
    pub(super) path: String,
    /// Whose it is.
    pub(super) owner: Owner,
    /// What it is.
    pub(super) theirs: Option<Value>,
    /// What it is to be.
    pub(super) ours: Value,
}

/// The fields that a server-side apply of `ours` under the manager `us` would be refused for (KEP-555: owned by
/// another, with another value), by path. Of several owners it is an autoscaler's, else that of the last to have
/// written.
pub(super) fn contests(ours: &Value, live: &Value, us: &str) -> Vec<Contest> {
    let mut all: Vec<Contest> = Vec::new();
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    for entry in entries.filter(|entry| entry["manager"] != us) {
        meet(&entry["fieldsV1"], ours, Some(live), String::new(), &mut |path, ours, theirs| {
            all.push(Contest { path, owner: owner(entry), theirs: theirs.cloned(), ours: ours.clone() });
        });
    }
    all.sort_by(|a, b| {
        let (x, y) = (&a.owner, &b.owner);
        let scaled = y.is_autoscaler().cmp(&x.is_autoscaler());
        a.path.cmp(&b.path).then(scaled).then_with(|| y.time.cmp(&x.time))
    });
    all.dedup_by(|a, b| a.path == b.path);
    all
}

/// Finds what a field set names, is in ours, and is another there.
fn meet(
    set: &Value,
    ours: &Value,
    live: Option<&Value>,
    path: String,
    found: &mut impl FnMut(String, &Value, Option<&Value>),
) {
    for (name, below) in set.as_object().into_iter().flatten() {
        let (path, ours, live) = if let Some(key) = name.strip_prefix("f:") {
            let Some(own) = ours.get(key) else { continue };
            (join(&path, key), own, live.and_then(|l| l.get(key)))
        } else if let Some(keys) = name.strip_prefix("k:").and_then(|k| serde_json::from_str::<Value>(k).ok()) {
            let all = |v: &Value| -> Vec<Value> {
                v.as_array().into_iter().flatten().filter(|item| has(item, &keys)).cloned().collect()
            };
            let Some(own) = all(ours).into_iter().next() else { continue };
            let path = format!("{path}[{}]", words(&keys));
            match live.map(all).unwrap_or_default().as_slice() {
                // Written twice: the server knows one owner of both.
                [there, _, ..] => found(path, &own, Some(there)),
                there => meet(below, &own, there.first(), path, found),
            }
            continue;
        } else {
            // Sets only grow together, but where a value is written twice; a position is part of an atom above it.
            let value = name.strip_prefix("v:").and_then(|v| serde_json::from_str::<Value>(v).ok());
            let times = |list: &Value, value: &Value| {
                list.as_array().into_iter().flatten().filter(|item| *item == value).count()
            };
            if let Some(value) = value.filter(|v| times(ours, v) > 0 && live.is_some_and(|l| times(l, v) > 1)) {
                found(format!("{path}[={value}]"), &value, Some(&value));
            }
            continue;
        };
        if below.as_object().is_none_or(serde_json::Map::is_empty) {
            if live != Some(ours) {
                found(path, ours, live);
            }
        } else {
            meet(below, ours, live, path, found);
        }
    }
}

/// Whether an item has these keys; one that it lacks has its default.
fn has(item: &Value, keys: &Value) -> bool {
    keys.as_object().is_some_and(|keys| keys.iter().all(|(k, v)| item.get(k).is_none_or(|own| own == v)))
}

fn words(keys: &Value) -> String {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let all = keys.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v)));
    all.collect::<Vec<_>>().join(",")
}

/// Takes the field at a path out of an object.
pub fn remove(object: &mut Value, path: &str) {
    take_out(object, relative(path));
}

/// Gives the field at a path the value that it has in another object, where both have the list items on the way.
pub fn graft(object: &mut Value, from: &Value, path: &str) {
    grow(object, from, relative(path));
}

fn grow(value: &mut Value, from: &Value, rest: &str) {
    if rest.is_empty() {
        *value = from.clone();
        return;
    }
    match from {
        Value::Object(map) => {
            let found = map.iter().filter_map(|(key, below)| Some((key, below, after(rest, key)?)));
            let Some((key, below, rest)) = found.max_by_key(|(key, ..)| key.len()) else { return };
            if value.is_null() {
                *value = Value::Object(serde_json::Map::new());
            }
            if let Some(fields) = value.as_object_mut() {
                grow(fields.entry(key).or_insert(Value::Null), below, relative(rest));
            }
        }
        Value::Array(items) => {
            let Some((inside, rest)) = bracket(rest) else { return };
            let position = |all: &[Value]| all.iter().enumerate().position(|(n, item)| names(inside, item, n));
            let own = value.as_array_mut().and_then(|all| Some((position(all)?, all)));
            if let (Some(there), Some((own, all))) = (position(items), own) {
                grow(&mut all[own], &items[there], relative(rest));
            }
        }
        _ => {}
    }
}

fn take_out(value: &mut Value, rest: &str) {
    match value {
        Value::Object(map) => {
            let key = map.keys().filter(|key| after(rest, key).is_some()).max_by_key(|key| key.len()).cloned();
            let Some(key) = key else { return };
            match after(rest, &key).unwrap_or_default() {
                "" => drop(map.remove(&key)),
                below => {
                    if let Some(value) = map.get_mut(&key) {
                        take_out(value, relative(below));
                    }
                }
            }
        }
        Value::Array(items) => {
            let Some((inside, below)) = bracket(rest) else { return };
            let Some(at) = items.iter().enumerate().position(|(n, item)| names(inside, item, n)) else { return };
            match below {
                "" => drop(items.remove(at)),
                below => take_out(&mut items[at], relative(below)),
            }
        }
        _ => {}
    }
}

/// A path without what stands before its first name.
fn relative(path: &str) -> &str {
    path.strip_prefix('.').unwrap_or(path)
}

/// Whether a field set names the field, or something within it, or something that it is part of as an atom.
fn covers(set: &Value, steps: &[Step<'_>]) -> bool {
    let mut set = set;
    for step in steps {
        let Some(names) = set.as_object() else { return false };
        // An empty set below a field: it is owned whole.
        let below = match step {
            Step::Key(key) => names.get(&format!("f:{key}")),
            Step::Item(item, index) => names.iter().find(|(name, _)| is_item(name, item, *index)).map(|(_, v)| v),
        };
        let Some(below) = below else { return false };
        if below.as_object().is_none_or(serde_json::Map::is_empty) {
            return true;
        }
        set = below;
    }
    true
}

/// Whether this is how a field set calls an item of a list.
fn is_item(name: &str, item: &Value, index: usize) -> bool {
    let json = |prefix: &str| name.strip_prefix(prefix).and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(keys) = json("k:") {
        return keys.as_object().is_some_and(|keys| keys.iter().all(|(k, v)| item.get(k) == Some(v)));
    }
    json("v:").is_some_and(|value| value == *item) || name.strip_prefix("i:") == Some(index.to_string().as_str())
}

/// The way along a path, and where it ends.
fn steps<'a>(object: &'a Value, path: &str) -> Option<(Vec<Step<'a>>, &'a Value)> {
    let (mut value, mut rest, mut all) = (object, path.strip_prefix('.').unwrap_or(path), Vec::new());
    while !rest.is_empty() {
        match value {
            Value::Object(map) => {
                // Names may have dots in them: the longest one that is there.
                let (key, below, after) = map
                    .iter()
                    .filter_map(|(key, below)| Some((key, below, after(rest, key)?)))
                    .max_by_key(|(key, ..)| key.len())?;
                all.push(Step::Key(key));
                (value, rest) = (below, after);
            }
            Value::Array(items) => {
                let (inside, after) = bracket(rest)?;
                let index = items.iter().enumerate().position(|(n, item)| names(inside, item, n))?;
                all.push(Step::Item(&items[index], index));
                (value, rest) = (&items[index], after);
            }
            _ => return None,
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    Some((all, value))
}

/// What comes after a name at the beginning of a path: `name`, or `[name]` as we write one that has dots.
fn after<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    let bracketed = || rest.strip_prefix('[')?.strip_prefix(name)?.strip_prefix(']');
    let plain = || rest.strip_prefix(name).filter(|after| after.is_empty() || after.starts_with(['.', '[']));
    plain().or_else(bracketed)
}

/// What stands in the bracket at the beginning of a path, and what comes after it.
fn bracket(rest: &str) -> Option<(&str, &str)> {
    let inner = rest.strip_prefix('[')?;
    let (mut quoted, mut escaped) = (false, false);
    let end = inner.char_indices().find_map(|(at, c)| {
        let ends = c == ']' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })?;
    Some((&inner[..end], &inner[end + 1..]))
}

/// Whether a bracket means this item: `3`, `="x"`, `name=web`, `port=80,protocol="TCP"`.
fn names(inside: &str, item: &Value, index: usize) -> bool {
    let is = |value: &Value, text: &str| {
        value.as_str() == Some(text) || serde_json::from_str::<Value>(text).is_ok_and(|read| read == *value)
    };
    if let Some(text) = inside.strip_prefix('=') {
        return is(item, text);
    }
    if let Ok(number) = inside.parse::<usize>() {
        return number == index;
    }
    // A key that is not written has its default.
    let whole = |(key, text): (&str, &str)| item.get(key).is_none_or(|value| is(value, text));
    // One key may have a comma in its value.
    let one = || inside.split_once('=').is_some_and(|(key, text)| item.get(key).is_some_and(|value| is(value, text)));
    one() || inside.contains(',') && inside.split(',').all(|part| part.split_once('=').is_some_and(whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> Value {
        json!({
            "metadata": {
                "annotations": {"a.b/c": "x", "a": "y"},
                "finalizers": ["one", "two"],
                "managedFields": [
                    {"manager": "ours", "time": "3", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                    {"manager": "hpa", "time": "1", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                    {"manager": "edit", "time": "2", "fieldsV1": {
                        "f:metadata": {"f:annotations": {".": {}, "f:a.b/c": {}}, "f:finalizers": {"v:\"two\"": {}}},
                        "f:spec": {
                            "f:replicas": {},
                            "f:atom": {},
                            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}},
                            "f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}},
                        },
                    }},
                ],
            },
            "spec": {
                "replicas": 3,
                "atom": {"x": [1, 2]},
                "ports": [{"port": 80, "protocol": "UDP"}, {"port": 80, "protocol": "TCP", "name": "http"}],
                "containers": [{"name": "side", "image": "s"}, {"name": "web", "image": "w:1"}],
            },
        })
    }

    #[test]
    fn both_ways_to_write_a_path_lead_to_the_value() {
        let object = object();
        let all = [
            (".metadata.annotations.a.b/c", json!("x")),
            ("metadata.annotations[a.b/c]", json!("x")),
            ("metadata.annotations.a", json!("y")),
            (".spec.ports[port=80,protocol=\"TCP\"].name", json!("http")),
            (".spec.containers[name=\"web\"].image", json!("w:1")),
            ("spec.containers[name=web].image", json!("w:1")),
            ("spec.containers[1].image", json!("w:1")),
            (".metadata.finalizers[=\"two\"]", json!("two")),
            ("spec.atom.x[0]", json!(1)),
        ];
        for (path, value) in all {
            assert_eq!(at(&object, path), Some(&value), "{path}");
        }
        for path in ["spec.none", "spec.containers[name=none].image", "spec.containers[7]", "spec.replicas.x", "spec.["]
        {
            assert_eq!(at(&object, path), None, "{path}");
        }
    }

    #[test]
    fn owners_are_named_the_last_one_first() {
        let object = object();
        let managers = |path: &str| owners(&object, path, "ours").into_iter().map(|o| o.manager).collect::<Vec<_>>();
        assert_eq!(managers(".spec.replicas"), ["edit", "hpa"]);
        assert_eq!(managers("spec.atom.x[0]"), ["edit"], "part of an atom");
        assert_eq!(managers("spec.containers[name=web].image"), ["edit"]);
        assert_eq!(managers("spec.containers[name=side].image"), [""; 0]);
        assert_eq!(managers("spec.ports[port=80,protocol=\"TCP\"].name"), ["edit"]);
        assert_eq!(managers("metadata.annotations[a.b/c]"), ["edit"]);
        assert_eq!(managers("metadata.annotations.a"), [""; 0]);
        assert_eq!(managers("metadata.finalizers[1]"), ["edit"]);
        assert_eq!(managers("metadata.finalizers[0]"), [""; 0]);
        let scale = owners(&object, "spec.replicas", "edit").into_iter().find(|o| o.manager == "hpa").unwrap();
        assert_eq!(scale.subresource.as_deref(), Some("scale"));
    }

    #[test]
    fn what_an_autoscaler_owns_with_others_is_the_autoscaler_s() {
        let entry = |manager: &str, subresource: &str, time: &str| json!({"manager": manager, "subresource": subresource, "time": time, "fieldsV1": {"f:replicas": {}}});
        let all = [entry("edit", "", "3"), entry("kube-controller-manager", "scale", "1"), entry("alice", "", "2")];
        let live = json!({"metadata": {"managedFields": all}, "replicas": 3});
        let found = contests(&json!({"replicas": 1}), &live, "ours");
        assert!(found.len() == 1 && found[0].owner.is_autoscaler(), "{found:?}");
    }

    #[test]
    fn an_item_that_another_has_written_twice_is_contested_whole() {
        let entry = json!({"manager": "edit", "fieldsV1": {
            "f:ports": {"k:{\"port\":80}": {".": {}, "f:port": {}}}, "f:set": {"v:1": {}, "v:2": {}},
        }});
        let ports = json!([{"port": 80}, {"port": 80}]);
        let live = json!({"metadata": {"managedFields": [entry]}, "ports": ports, "set": [1, 1, 2]});
        let ours = json!({"ports": [{"port": 80}], "set": [1, 2]});
        let paths: Vec<String> = contests(&ours, &live, "ours").into_iter().map(|c| c.path).collect();
        assert_eq!(paths, ["ports[port=80]", "set[=1]"]);
    }

    #[test]
    fn what_another_owns_and_is_to_be_otherwise_is_contested() {
        let live = object();
        let ours = json!({
            "metadata": {"annotations": {"a.b/c": "z", "a": "other"}},
            "spec": {
                "replicas": 3,
                "atom": {"x": [2]},
                "ports": [{"port": 80, "name": "web"}],
                "containers": [{"name": "web", "image": "w:2"}, {"name": "side", "image": "t"}],
            },
        });
        let all = contests(&ours, &live, "ours");
        let paths: Vec<&str> = all.iter().map(|c| c.path.as_str()).collect();
        let want = [
            "metadata.annotations[a.b/c]",
            "spec.atom",
            "spec.containers[name=web].image",
            "spec.ports[port=80,protocol=TCP].name",
        ];
        assert_eq!(paths, want);
        assert_eq!((all[2].theirs.as_ref(), &all[2].ours), (Some(&json!("w:1")), &json!("w:2")));
        let mut left = ours.clone();
        want.iter().for_each(|path| remove(&mut left, path));
        assert_eq!(
            left,
            json!({
                "metadata": {"annotations": {"a": "other"}},
                "spec": {
                    "replicas": 3,
                    "ports": [{"port": 80}],
                    "containers": [{"name": "web"}, {"name": "side", "image": "t"}],
                },
            })
        );
        assert_eq!(contests(&left, &live, "ours"), []);
    }
}
