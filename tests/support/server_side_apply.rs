//! Server-side apply (KEP-555) over JSON, as far as the built-in kinds in these tests need it: owned
//! field sets, merge by keys, removal of what is no longer sent, conflicts with their owners.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A field.
    Field(String),
    /// An item of a list, by its keys as JSON text.
    Item(String),
}

type Path = Vec<Step>;
type FieldSet = BTreeSet<Path>;

/// Lists that are merged by keys, and the keys; others are atoms.
fn merge_keys(list: &str, items: &[Value]) -> Option<&'static [&'static str]> {
    let have = |key: &str| !items.is_empty() && items.iter().all(|i| i.get(key).is_some());
    match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" if have("name") => Some(&["name"]),
        "volumeMounts" if have("mountPath") => Some(&["mountPath"]),
        "ports" if have("containerPort") => Some(&["containerPort", "protocol"]),
        "ports" if have("port") => Some(&["port", "protocol"]),
        _ => None,
    }
}

/// Maps that are atoms: selectors.
fn is_atom(field: &str) -> bool {
    matches!(field, "selector" | "nodeSelector" | "secretRef" | "configMapRef" | "scaleTargetRef")
}

fn item_keys(item: &Value, keys: &[&str]) -> String {
    let value = |key: &&str| match item.get(*key) {
        None if *key == "protocol" => Value::from("TCP"),
        value => value.cloned().unwrap_or_default(),
    };
    let map: Map<String, Value> = keys.iter().map(|k| ((*k).to_owned(), value(k))).collect();
    Value::Object(map).to_string()
}

fn last_field(path: &[Step]) -> &str {
    match path.last() {
        Some(Step::Field(name)) => name,
        _ => "",
    }
}

/// What identifies an object, or what the server writes: nobody owns it.
fn is_identity(path: &[Step], field: &str) -> bool {
    match path {
        [] => ["apiVersion", "kind", "status"].contains(&field),
        [Step::Field(metadata)] if metadata == "metadata" => {
            ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"]
                .contains(&field)
        }
        _ => false,
    }
}

/// The fields that an object sets.
pub(crate) fn fields(object: &Value) -> FieldSet {
    let mut out = FieldSet::new();
    collect(object, &mut Path::new(), &mut out);
    out
}

fn collect(value: &Value, path: &mut Path, out: &mut FieldSet) {
    match value {
        Value::Object(map) if !map.is_empty() && !is_atom(last_field(path)) => {
            for (key, below) in map {
                if !is_identity(path, key) {
                    path.push(Step::Field(key.clone()));
                    collect(below, path, out);
                    path.pop();
                }
            }
        }
        Value::Array(items) if merge_keys(last_field(path), items).is_some() => {
            let keys = merge_keys(last_field(path), items).unwrap_or_default();
            for item in items {
                path.push(Step::Item(item_keys(item, keys)));
                out.insert(path.clone());
                collect(item, path, out);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        _ => {
            out.insert(path.clone());
        }
    }
}

/// A field set as `fieldsV1`.
pub(crate) fn to_fields_v1(set: &FieldSet) -> Value {
    let mut root = json!({});
    for path in set {
        let mut node = &mut root;
        for step in path {
            let key = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Item(keys) => format!("k:{keys}"),
            };
            node = node.as_object_mut().unwrap().entry(key).or_insert_with(|| json!({}));
        }
        if matches!(path.last(), Some(Step::Item(_))) {
            node["."] = json!({});
        }
    }
    root
}

/// `fieldsV1` as a field set.
pub(crate) fn from_fields_v1(fields: &Value) -> FieldSet {
    fn walk(node: &Value, path: &mut Path, out: &mut FieldSet) {
        let map = node.as_object().unwrap();
        if map.is_empty() || map.contains_key(".") {
            out.insert(path.clone());
        }
        for (key, below) in map.iter().filter(|(k, _)| *k != ".") {
            let (sort, name) = key.split_once(':').unwrap();
            path.push(if sort == "f" { Step::Field(name.into()) } else { Step::Item(name.into()) });
            walk(below, path, out);
            path.pop();
        }
    }
    let mut out = FieldSet::new();
    walk(fields, &mut Path::new(), &mut out);
    out.remove(&Path::new());
    out
}

fn position(items: &[Value], keys: &str) -> Option<usize> {
    let wanted: Map<String, Value> = serde_json::from_str(keys).unwrap();
    let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
    items.iter().position(|i| item_keys(i, &names) == keys)
}

fn get<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |at, step| match step {
        Step::Field(name) => at.get(name),
        Step::Item(keys) => at.as_array().and_then(|items| Some(&items[position(items, keys)?])),
    })
}

/// Removes a field or an item, and maps and lists that are empty then.
fn remove(value: &mut Value, path: &[Step]) {
    match (value, path) {
        (Value::Object(map), [Step::Field(name)]) => {
            map.remove(name);
        }
        (Value::Object(map), [Step::Field(name), rest @ ..]) => {
            if let Some(below) = map.get_mut(name) {
                remove(below, rest);
                if below.as_object().is_some_and(Map::is_empty) || below.as_array().is_some_and(Vec::is_empty) {
                    map.remove(name);
                }
            }
        }
        (Value::Array(items), [Step::Item(keys)]) => {
            if let Some(at) = position(items, keys) {
                items.remove(at);
            }
        }
        (Value::Array(items), [Step::Item(keys), rest @ ..]) => {
            if let Some(at) = position(items, keys) {
                remove(&mut items[at], rest);
            }
        }
        _ => {}
    }
}

fn merge(live: &mut Value, sent: &Value, path: &mut Path) {
    match sent {
        Value::Object(map) if live.is_object() && !is_atom(last_field(path)) => {
            for (key, value) in map {
                path.push(Step::Field(key.clone()));
                merge(live.as_object_mut().unwrap().entry(key).or_insert(Value::Null), value, path);
                path.pop();
            }
        }
        Value::Array(items) if live.is_array() && merge_keys(last_field(path), items).is_some() => {
            let keys = merge_keys(last_field(path), items).unwrap_or_default();
            let list = live.as_array_mut().unwrap();
            for item in items {
                let name = item_keys(item, keys);
                path.push(Step::Item(name.clone()));
                match position(list, &name) {
                    Some(at) => merge(&mut list[at], item, path),
                    None => list.push(item.clone()),
                }
                path.pop();
            }
        }
        _ => *live = sent.clone(),
    }
}

/// What the server fills in where nothing is said.
fn defaults(object: &mut Value) {
    fn protocols(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, below) in map {
                    if key == "ports" {
                        for port in below.as_array_mut().into_iter().flatten().filter(|p| p.is_object()) {
                            port.as_object_mut().unwrap().entry("protocol").or_insert_with(|| "TCP".into());
                        }
                    }
                    protocols(below);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(protocols),
            _ => {}
        }
    }
    protocols(object);
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let mut default = |field: &str, value: Value| {
        spec.entry(field).or_insert(value);
    };
    match kind.as_str() {
        "Deployment" | "StatefulSet" => {
            default("replicas", 1.into());
            default("revisionHistoryLimit", 10.into());
        }
        "Service" => {
            default("type", "ClusterIP".into());
            default("clusterIP", "10.0.0.1".into());
            default("sessionAffinity", "None".into());
        }
        _ => {}
    }
}

fn entries(object: &Value) -> Vec<(String, String, FieldSet)> {
    let all = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    all.map(|e| {
        let text = |f: &str| e[f].as_str().unwrap_or_default().to_owned();
        (text("manager"), text("operation"), from_fields_v1(&e["fieldsV1"]))
    })
    .collect()
}

fn set_entries(object: &mut Value, entries: &[(String, String, FieldSet)]) {
    let version = object["apiVersion"].clone();
    let entry = |(manager, operation, set): &(String, String, FieldSet)| {
        json!({
            "manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1",
            "fieldsV1": to_fields_v1(set), "time": "2026-01-01T00:00:00Z",
        })
    };
    let list: Vec<Value> = entries.iter().filter(|e| !e.2.is_empty()).map(entry).collect();
    object["metadata"]["managedFields"] = list.into();
}

/// What an object is after an apply, never forced; else the fields of others that it would change.
pub(crate) fn apply(live: Option<&Value>, sent: &Value, manager: &str) -> Result<Value, Vec<(String, String)>> {
    let wanted = fields(sent);
    let mut object = live.cloned().unwrap_or_else(|| json!({"metadata": {}}));
    let mut all = entries(&object);
    let mut conflicts = Vec::new();
    for (other, operation, set) in &all {
        let own = other == manager && operation == "Apply";
        for path in wanted.intersection(set).filter(|_| !own) {
            if matches!(path.last(), Some(Step::Field(_))) && get(&object, path) != get(sent, path) {
                conflicts.push((words(path), other.clone()));
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let before = all.iter().position(|(m, o, _)| m == manager && o == "Apply");
    let (others, own): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(i, _)| Some(*i) != before);
    // In the order of the set an item comes before what is in it, and goes whole if nobody has more of it.
    for path in own.iter().flat_map(|(_, (_, _, set))| set.difference(&wanted)) {
        let kept = others.iter().any(|(_, (_, _, set))| set.iter().any(|p| p.starts_with(path)));
        if !kept {
            remove(&mut object, path);
        }
    }
    let mut sent = sent.clone();
    if let Some(metadata) = sent["metadata"].as_object_mut() {
        metadata.remove("uid");
        metadata.remove("resourceVersion");
    }
    merge(&mut object, &sent, &mut Path::new());
    defaults(&mut object);
    match before {
        Some(at) => all[at].2 = wanted,
        None => all.push((manager.to_owned(), "Apply".into(), wanted)),
    }
    set_entries(&mut object, &all);
    Ok(object)
}

/// What an object is after somebody has written it (PUT or a merge patch): what changes is theirs,
/// and nobody else's.
pub(crate) fn update(live: &Value, manager: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut object = live.clone();
    edit(&mut object);
    let (before, after) = (fields(live), fields(&object));
    let changed: FieldSet = after.iter().filter(|p| get(live, p) != get(&object, p)).cloned().collect();
    let leaf = |p: &&Path| matches!(p.last(), Some(Step::Field(_))) || !before.contains(*p);
    let taken: FieldSet = changed.iter().filter(leaf).cloned().collect();
    let mut all = entries(live);
    for (_, _, set) in &mut all {
        set.retain(|p| !taken.contains(p) && after.contains(p));
    }
    match all.iter_mut().find(|(m, o, _)| m == manager && o == "Update") {
        Some((_, _, set)) => set.extend(taken),
        None => all.push((manager.to_owned(), "Update".into(), taken)),
    }
    set_entries(&mut object, &all);
    object
}

/// A path as the server words it: `.spec.template.spec.containers[name="web"].image`.
fn words(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Field(name) => out.push_str(&format!(".{name}")),
            Step::Item(keys) => {
                let map: Map<String, Value> = serde_json::from_str(keys).unwrap();
                let parts: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
                out.push_str(&format!("[{}]", parts.join(",")));
            }
        }
    }
    out
}

#[test]
fn an_apply_sets_what_is_sent_and_drops_what_is_not_sent_any_more() {
    let first = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": {"x": "1", "y": "1"}},
        "spec": {"ports": [{"port": 80}, {"port": 81}]}});
    let mut second = first.clone();
    second["metadata"]["labels"] = json!({"x": "2"});
    second["spec"]["ports"] = json!([{"port": 81, "targetPort": 9}]);
    let one = apply(None, &first, "m").unwrap();
    let own = &one["metadata"]["managedFields"][0]["fieldsV1"];
    assert_eq!(own["f:spec"]["f:ports"]["k:{\"port\":80,\"protocol\":\"TCP\"}"], json!({".": {}, "f:port": {}}));
    assert_eq!(from_fields_v1(own), fields(&first));
    // Another manager's label stays, and so does a port that it has added.
    let other = update(&one, "other", |o| {
        o["metadata"]["labels"]["z"] = "3".into();
        o["spec"]["ports"].as_array_mut().unwrap().push(json!({"port": 90, "protocol": "TCP"}));
    });
    let two = apply(Some(&other), &second, "m").unwrap();
    assert_eq!(two["metadata"]["labels"], json!({"x": "2", "z": "3"}));
    let ports: Vec<&Value> = two["spec"]["ports"].as_array().unwrap().iter().map(|p| &p["port"]).collect();
    assert_eq!(ports, [&json!(81), &json!(90)]);
    // What another has changed is its own from then on.
    let taken = update(&two, "other", |o| o["metadata"]["labels"]["x"] = "9".into());
    assert_eq!(apply(Some(&taken), &second, "m"), Err(vec![(".metadata.labels.x".into(), "other".into())]));
    assert_eq!(apply(Some(&two), &second, "m").unwrap(), two);
}
