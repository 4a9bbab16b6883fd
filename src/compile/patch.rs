//! Patches of Kubernetes objects: parts laid over them (strategic merge), and operations one by one (RFC 6902).
//!
//! Works on JSON alone. What it knows of Kubernetes is by which key lists of its own kinds are joined.

use serde_json::{Map, Value};

use crate::spec::{PatchOp, PatchOperation};

/// Lists of Kubernetes' own kinds whose items have a name, by the list's field. The first key that an item has counts.
const JOINED: [(&str, &[&str]); 18] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("volumes", &["name"]),
    ("env", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("secrets", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("ports", &["containerPort", "port"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("resourceClaims", &["name"]),
    ("conditions", &["type"]),
    ("ownerReferences", &["uid"]),
    ("webhooks", &["name"]),
    ("schedulingGates", &["name"]),
    ("matchConditions", &["name"]),
];
const DIRECTIVE: &str = "$patch";

/// Lays a part over an object. `own` = the kind is one of Kubernetes' own; of others every list is replaced.
pub(super) fn merge(object: &mut Value, part: &Value, own: bool) -> Result<(), String> {
    let (Value::Object(object), Value::Object(part)) = (object, part) else {
        return Err("a part of an object is a map".into());
    };
    // Ports of this kind are one value to the server.
    let own = own && object.get("kind").and_then(Value::as_str) != Some("EndpointSlice");
    merge_maps(object, part, own)
}

fn merge_maps(object: &mut Map<String, Value>, part: &Map<String, Value>, own: bool) -> Result<(), String> {
    match part.get(DIRECTIVE).map(Value::as_str) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => {
            object.clear();
        }
        _ => return Err("`$patch` is `replace`, or `delete` in an item of a list".into()),
    }
    for (key, value) in part.iter().filter(|(key, _)| *key != DIRECTIVE) {
        understood(key)?;
        match (object.get_mut(key), value) {
            (_, Value::Null) => {
                object.remove(key);
            }
            (Some(Value::Object(there)), Value::Object(value)) => merge_maps(there, value, own)?,
            (Some(Value::Array(there)), Value::Array(items)) => match key_of(key, there, items, own) {
                Some(name) => merge_lists(there, items, name, own)?,
                None => {
                    items.iter().try_for_each(plain)?;
                    there.clone_from(items);
                }
            },
            (_, value) => {
                object.insert(key.clone(), fresh(value)?);
            }
        }
    }
    Ok(())
}

/// The key by which two lists are joined, if they are.
fn key_of(field: &str, there: &[Value], items: &[Value], own: bool) -> Option<&'static str> {
    let keys = JOINED.iter().find(|(name, _)| own && *name == field)?.1;
    let has = |list: &[Value], key: &str| list.iter().all(|item| item.get(key).is_some());
    keys.iter().copied().find(|key| has(there, key) && has(items, key))
}

fn merge_lists(there: &mut Vec<Value>, items: &[Value], key: &str, own: bool) -> Result<(), String> {
    for item in items {
        let place = there.iter().position(|known| known.get(key) == item.get(key) && same_protocol(known, item));
        let deletes = item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete");
        match (place, deletes) {
            (Some(place), true) => {
                there.remove(place);
            }
            (None, true) => return Err(format!("there is no item with {key} {} to be deleted", item[key])),
            (Some(place), false) => merge(&mut there[place], item, own)?,
            (None, false) => there.push(fresh(item)?),
        }
    }
    Ok(())
}

/// A port may be there for each of several protocols: where both say theirs, it has to be the same.
fn same_protocol(one: &Value, other: &Value) -> bool {
    one.get("protocol").zip(other.get("protocol")).is_none_or(|(a, b)| a == b)
}

/// What is new: nulls have nothing to take away, nor have directives, but for those that say that it is new.
fn fresh(value: &Value) -> Result<Value, String> {
    match value {
        Value::Object(map) => {
            match map.get(DIRECTIVE).map(Value::as_str) {
                None | Some(Some("merge" | "replace")) => {}
                _ => return Err("`$patch` is `replace` where nothing is yet".into()),
            }
            let mut new = Map::new();
            for (key, value) in map.iter().filter(|(key, value)| *key != DIRECTIVE && !value.is_null()) {
                understood(key)?;
                new.insert(key.clone(), fresh(value)?);
            }
            Ok(Value::Object(new))
        }
        // A list of its own is as it is written.
        Value::Array(items) => items.iter().map(fresh).collect(),
        plain => Ok(plain.clone()),
    }
}

/// That there is no directive in a list that replaces another: it would go to the cluster.
fn plain(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(map) => map.iter().try_for_each(|(key, value)| understood(key).and_then(|()| plain(value))),
        Value::Array(items) => items.iter().try_for_each(plain),
        _ => Ok(()),
    }
}

fn understood(key: &str) -> Result<(), String> {
    match key.starts_with('$') {
        true if key == DIRECTIVE => Err("`$patch` is in a list that is replaced as a whole".into()),
        true => Err(format!("`{key}` is not understood")),
        false => Ok(()),
    }
}

/// Carries out one operation.
pub(super) fn operate(object: &mut Value, operation: &PatchOperation) -> Result<(), String> {
    let path = operation.path.as_str();
    let value = || operation.value.clone().ok_or_else(|| "it has no `value`".to_owned());
    let from = || operation.from.as_deref().ok_or_else(|| "it has no `from`".to_owned());
    match operation.op {
        PatchOp::Add => put(object, path, value()?),
        PatchOp::Remove => take(object, path).map(drop),
        PatchOp::Replace => {
            let new = value()?;
            *object.pointer_mut(path).ok_or_else(|| nothing(path))? = new;
            Ok(())
        }
        PatchOp::Move => {
            let from = from()?;
            if path.starts_with(&format!("{from}/")) {
                return Err(format!("`{path}` is within `{from}`"));
            }
            let value = take(object, from)?;
            put(object, path, value)
        }
        PatchOp::Copy => {
            let from = from()?;
            let value = object.pointer(from).cloned().ok_or_else(|| nothing(from))?;
            put(object, path, value)
        }
        PatchOp::Test => {
            let (is, wanted) = (object.pointer(path).ok_or_else(|| nothing(path))?, value()?);
            if *is == wanted { Ok(()) } else { Err(format!("`{path}` is {is}, not {wanted}")) }
        }
    }
}

fn nothing(path: &str) -> String {
    format!("there is nothing at `{path}`")
}

/// Parent and last step of a pointer.
fn split(path: &str) -> Result<(&str, String), String> {
    let (parent, last) =
        path.rsplit_once('/').ok_or_else(|| format!("`{path}` is no JSON pointer: it begins with `/`"))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn put(object: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (parent, last) = split(path)?;
    match object.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(last, value);
            Ok(())
        }
        Some(Value::Array(items)) => {
            let at = if last == "-" { Some(items.len()) } else { index(&last) };
            let at = at.filter(|i| *i <= items.len()).ok_or_else(|| nothing(path))?;
            items.insert(at, value);
            Ok(())
        }
        _ => Err(nothing(parent)),
    }
}

fn take(object: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, last) = split(path)?;
    let taken = match object.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&last),
        Some(Value::Array(items)) => index(&last).filter(|i| *i < items.len()).map(|i| items.remove(i)),
        _ => None,
    };
    taken.ok_or_else(|| nothing(path))
}

/// The index that a step says: digits, without a zero before them.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut object: Value, part: &Value) -> Result<Value, String> {
        merge(&mut object, part, true).map(|()| object)
    }

    #[test]
    fn parts_are_laid_over_objects() {
        let pod = json!({"spec": {"containers": [
            {"name": "a", "image": "x:1", "env": [{"name": "A", "value": "1"}], "args": ["1", "2"]},
            {"name": "b", "image": "y:1"}], "nodeName": "n", "ports": [{"port": 80, "name": "http"}]}});
        let part = json!({"spec": {"nodeName": null, "ports": [{"port": 80, "nodePort": 1}, {"port": 81}], "containers": [
            {"name": "a", "image": "x:2", "env": [{"name": "B", "value": "2"}], "args": ["3"]},
            {"name": "b", "$patch": "delete"}, {"name": "c", "image": "z"}]}});
        let want = json!({"spec": {"containers": [
            {"name": "a", "image": "x:2", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "args": ["3"]},
            {"name": "c", "image": "z"}], "ports": [{"port": 80, "name": "http", "nodePort": 1}, {"port": 81}]}});
        assert_eq!(merged(pod, &part), Ok(want));
        let replaced = merged(json!({"a": {"b": 1}}), &json!({"a": {"$patch": "replace", "c": 2}}));
        assert_eq!(replaced, Ok(json!({"a": {"c": 2}})));
        assert_eq!(merged(json!({}), &json!({"a": {"b": null, "c": 1}})), Ok(json!({"a": {"c": 1}})));
        let ports = json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]});
        let part = json!({"ports": [{"port": 53, "protocol": "TCP", "nodePort": 1}, {"port": 53, "protocol": "SCTP"}]});
        let want = json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP", "nodePort": 1},
            {"port": 53, "protocol": "SCTP"}]});
        assert_eq!(merged(ports, &part), Ok(want));
        let hooks =
            json!({"webhooks": [{"name": "a", "x": 1}, {"name": "b", "matchConditions": [{"name": "m", "e": 1}]}]});
        let part = json!({"webhooks": [{"name": "b", "matchConditions": [{"name": "n"}]}]});
        let want = json!({"webhooks": [{"name": "a", "x": 1},
            {"name": "b", "matchConditions": [{"name": "m", "e": 1}, {"name": "n"}]}]});
        assert_eq!(merged(hooks, &part), Ok(want));
        let slice = json!({"kind": "EndpointSlice", "ports": [{"port": 1}, {"port": 2}]});
        let want = json!({"kind": "EndpointSlice", "ports": [{"port": 2}]});
        assert_eq!(merged(slice, &want), Ok(want), "its ports are one value");
        let mut custom = json!({"env": [{"name": "A"}]});
        merge(&mut custom, &json!({"env": [{"name": "B"}]}), false).unwrap();
        assert_eq!(custom, json!({"env": [{"name": "B"}]}), "of kinds that are not known lists are replaced");
        for wrong in [
            json!({"$patch": "delete"}),
            json!({"$retainKeys": ["a"]}),
            json!({"spec": {"containers": [{"name": "z", "$patch": "delete"}]}}),
            // In a list that is replaced, and in what is new.
            json!({"spec": {"list": [{"name": "a", "$patch": "delete"}]}}),
            json!({"spec": {"list": [{"a": {"$patch": "replace"}}]}}),
            json!({"spec": {"new": {"$patch": "delete"}}}),
            json!({"spec": {"new": {"a": {"$retainKeys": ["b"]}}}}),
            json!({"spec": {"containers": [{"name": "b", "env": [{"name": "c", "$patch": "delete"}]}]}}),
            json!({"spec": {"containers": [{"name": "b", "$deleteFromPrimitiveList/args": ["c"]}]}}),
        ] {
            assert!(merged(json!({"spec": {"containers": [{"name": "a"}], "list": [1]}}), &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn operations_are_those_of_rfc_6902() {
        let done = |text: Value| -> Result<Value, String> {
            let mut object = json!({"a": {"b~/c": [1, 2]}, "d": 3});
            let word = |f: &str| text[f].as_str().map(str::to_owned);
            let op = serde_json::from_value(text["op"].clone()).unwrap();
            let path = word("path").unwrap();
            operate(&mut object, &PatchOperation { op, path, value: text.get("value").cloned(), from: word("from") })?;
            Ok(object)
        };
        let ok = |op: Value, want: Value| assert_eq!(done(op), Ok(want));
        ok(json!({"op": "add", "path": "/a/b~0~1c/1", "value": 9}), json!({"a": {"b~/c": [1, 9, 2]}, "d": 3}));
        ok(json!({"op": "add", "path": "/a/b~0~1c/-", "value": 9}), json!({"a": {"b~/c": [1, 2, 9]}, "d": 3}));
        ok(json!({"op": "add", "path": "/d", "value": null}), json!({"a": {"b~/c": [1, 2]}, "d": null}));
        ok(json!({"op": "remove", "path": "/a"}), json!({"d": 3}));
        ok(json!({"op": "replace", "path": "/a/b~0~1c/0", "value": 9}), json!({"a": {"b~/c": [9, 2]}, "d": 3}));
        ok(json!({"op": "move", "from": "/d", "path": "/a/e"}), json!({"a": {"b~/c": [1, 2], "e": 3}}));
        ok(json!({"op": "copy", "from": "/d", "path": "/e"}), json!({"a": {"b~/c": [1, 2]}, "d": 3, "e": 3}));
        ok(json!({"op": "test", "path": "/d", "value": 3}), json!({"a": {"b~/c": [1, 2]}, "d": 3}));
        for wrong in [
            json!({"op": "test", "path": "/d", "value": 4}),
            json!({"op": "add", "path": "/x/y", "value": 1}),
            json!({"op": "add", "path": "/a/b~0~1c/3", "value": 1}),
            json!({"op": "add", "path": "/a/b~0~1c/01", "value": 1}),
            json!({"op": "add", "path": "/d"}),
            json!({"op": "add", "path": "d", "value": 1}),
            json!({"op": "remove", "path": "/x"}),
            json!({"op": "replace", "path": "/x", "value": 1}),
            json!({"op": "move", "from": "/a", "path": "/a/e"}),
            json!({"op": "copy", "path": "/e"}),
        ] {
            assert!(done(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
