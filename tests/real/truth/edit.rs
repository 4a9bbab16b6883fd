//! Changes of JSON by pointer, and the four ways in which somebody sends one to a server.

use serde_json::{Map, Value, json};

use super::server::{Answer, Body, Server};

/// A change of an object.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Set(String, Value),
    Remove(String),
}

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The whole object, as `kubectl edit` does.
    Put,
    JsonPatch,
    MergePatch,
    /// Server-side apply of nothing but this, by force.
    Apply,
}

pub(super) const WAYS: [Way; 4] = [Way::Put, Way::JsonPatch, Way::MergePatch, Way::Apply];

/// The steps of a pointer.
pub(super) fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")).collect()
}

/// A step of a pointer.
pub(super) fn step(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Changes an object here; whether there was a place for it.
pub(super) fn edit(object: &mut Value, edit: &Edit) -> bool {
    let (pointer, value) = match edit {
        Edit::Set(pointer, value) => (pointer, Some(value)),
        Edit::Remove(pointer) => (pointer, None),
    };
    let mut steps = steps(pointer);
    let last = steps.pop().unwrap();
    let mut at = object;
    for step in steps {
        if at.is_null() && value.is_some() {
            *at = json!({});
        }
        at = match at {
            Value::Object(map) => {
                if value.is_some() {
                    map.entry(step.clone()).or_insert(Value::Null);
                }
                match map.get_mut(&step) {
                    Some(below) => below,
                    None => return false,
                }
            }
            Value::Array(items) => match step.parse::<usize>().ok().and_then(|n| items.get_mut(n)) {
                Some(item) => item,
                None => return false,
            },
            _ => return false,
        };
    }
    if at.is_null() && value.is_some() {
        *at = if last == "-" { json!([]) } else { json!({}) };
    }
    match (at, value) {
        (Value::Object(map), Some(value)) => drop(map.insert(last, value.clone())),
        (Value::Object(map), None) => return map.remove(&last).is_some(),
        (Value::Array(items), Some(value)) if last == "-" => items.push(value.clone()),
        (Value::Array(items), _) => {
            let Some(n) = last.parse::<usize>().ok().filter(|n| *n < items.len()) else { return false };
            match value {
                Some(value) => items[n] = value.clone(),
                None => drop(items.remove(n)),
            }
        }
        _ => return false,
    }
    true
}

/// Sends a change; in another way where this one cannot say it.
pub(super) fn send(server: &Server, url: &str, live: &Value, change: &Edit, way: Way, manager: &str) -> Answer {
    let mut after = live.clone();
    if !edit(&mut after, change) {
        return Err((0, "there is no such place".into()));
    }
    let (pointer, value) = match change {
        Edit::Set(pointer, value) => (pointer, value.clone()),
        Edit::Remove(pointer) => (pointer, Value::Null),
    };
    let maps = {
        let mut at = Some(live);
        steps(pointer).iter().all(|step| {
            let is_list = at.is_some_and(Value::is_array);
            at = at.and_then(|v| v.get(step));
            !is_list && step != "-"
        })
    };
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let way = match way {
        Way::MergePatch if !maps || has_null(&value) && matches!(change, Edit::Set(..)) => Way::Put,
        Way::Apply if !maps || matches!(change, Edit::Remove(_)) => Way::Put,
        Way::JsonPatch if live.pointer(parent).is_none_or(Value::is_null) => Way::Put,
        way => way,
    };
    let manager = format!("fieldManager={manager}");
    match way {
        Way::Put => server.ask("PUT", &format!("{url}?{manager}"), Some((Body::Json, after))),
        Way::JsonPatch => {
            let op = match change {
                Edit::Set(..) if live.pointer(pointer).is_some() => {
                    json!([{"op": "replace", "path": pointer, "value": value}])
                }
                Edit::Set(..) => json!([{"op": "add", "path": pointer, "value": value}]),
                Edit::Remove(_) => json!([{"op": "remove", "path": pointer}]),
            };
            server.ask("PATCH", &format!("{url}?{manager}"), Some((Body::JsonPatch, op)))
        }
        Way::MergePatch => {
            server.ask("PATCH", &format!("{url}?{manager}"), Some((Body::MergePatch, nested(pointer, value))))
        }
        Way::Apply => {
            let mut body = nested(pointer, value);
            name(&mut body, live);
            server.ask("PATCH", &format!("{url}?force=true&{manager}"), Some((Body::Apply, body)))
        }
    }
}

/// Says which object it is.
pub(super) fn name(body: &mut Value, live: &Value) {
    for field in ["apiVersion", "kind"] {
        body[field] = live[field].clone();
    }
    for field in ["name", "namespace"] {
        if let Some(value) = live["metadata"].get(field) {
            body["metadata"][field] = value.clone();
        }
    }
}

fn nested(pointer: &str, value: Value) -> Value {
    steps(pointer).into_iter().rev().fold(value, |value, step| Value::Object(Map::from_iter([(step, value)])))
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}
