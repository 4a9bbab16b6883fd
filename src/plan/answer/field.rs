//! Where one value of an object comes from: the manifest, a word in the Application, skyplan's own marks,
//! an autoscaler, another manager, or the server's defaults.
//!
//! Paths are written as plans print them: `spec.template.spec.containers[name=web].image`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    diagnostic::{Origin, SourceMap},
    load::yaml::{Node, Span, Tree, parse},
};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Written {
    /// The manifest.
    Manifest,
    /// The Application's words about the component.
    Application,
    /// skyplan: its marks, the application's namespace.
    Skyplan,
    /// An autoscaler owns the number; skyplan sends none.
    Autoscaler,
    /// Another manager of the live object.
    Manager {
        /// Its name.
        name: String,
    },
    /// Nobody wrote it: the server's default, or what a controller filled in.
    Server,
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldAnswer {
    /// Path.
    pub path: String,
    /// What skyplan sends; absent when it leaves the field alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What is there, where the cluster answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Value>,
    /// Who wrote it.
    pub written: Written,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Who holds the live field, as its `managedFields` say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<String>,
}

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `.name`
    Key(String),
    /// `[name=web]`, `[0]`, `[a.b/c]`
    Bracket(String),
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Of a map.
    Key(String),
    /// Of a list.
    Item(usize),
}

fn parts(path: &str) -> Option<Vec<Part>> {
    let mut out = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (name, after) = inner.split_once(']')?;
            out.push(Part::Bracket(name.to_owned()));
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let name = rest.get(..end).filter(|n| !n.is_empty())?;
            out.push(Part::Key(name.to_owned()));
            let after = &rest[end..];
            rest = after.strip_prefix('.').unwrap_or(after);
        }
    }
    Some(out)
}

/// Follows a path into a value; `None` when it has no such field.
pub(super) fn steps(value: &Value, path: &str) -> Option<Vec<Step>> {
    let mut at = value;
    let mut out = Vec::new();
    for part in parts(path)? {
        let (Part::Key(name) | Part::Bracket(name)) = &part;
        let step = match at {
            Value::Object(map) if map.contains_key(name) => Step::Key(name.clone()),
            Value::Array(items) => Step::Item(item(items, name)?),
            _ => return None,
        };
        at = get(at, &step)?;
        out.push(step);
    }
    Some(out)
}

/// `name=web`, `0`, or the plain name of an item.
fn item(items: &[Value], word: &str) -> Option<usize> {
    if let Ok(index) = word.parse::<usize>() {
        return (index < items.len()).then_some(index);
    }
    let (key, wanted) = word.split_once('=').unwrap_or(("name", word));
    items.iter().position(|i| match &i[key] {
        Value::String(text) => text == wanted,
        Value::Null => false,
        other => {
            let text = other.to_string();
            text == wanted
        }
    })
}

fn get<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(name) => value.get(name),
        Step::Item(index) => value.get(index),
    }
}

/// The value at the end of some steps.
pub(super) fn at<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |at, step| get(at, step))
}

/// The names that a path could have gone on with, where it first went wrong.
pub(super) fn near(value: &Value, path: &str) -> Vec<String> {
    let all = parts(path).unwrap_or_default();
    let mut at = value;
    for part in &all {
        let (Part::Key(name) | Part::Bracket(name)) = part;
        let next = match at {
            Value::Array(items) => item(items, name).and_then(|i| items.get(i)),
            other => other.get(name),
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    match at {
        Value::Object(map) => map.keys().cloned().collect(),
        Value::Array(items) => (0..items.len()).map(|i| format!("[{i}]")).collect(),
        _ => Vec::new(),
    }
}

/// Where the value at the end of some steps stands in the sources, and what it says there. `head` is where
/// its document, or the map that holds it, begins.
pub(super) fn in_sources(sources: &SourceMap, head: &Origin, steps: &[Step]) -> Option<(Origin, Value)> {
    let file: Arc<str> = Arc::clone(&head.file);
    let documents = parse(&file, sources.text(&file)?).ok()?;
    let root = documents.iter().find_map(|d| beginning_at(d, head))?;
    let found = steps.iter().try_fold(root, |node, step| match (step, &node.value) {
        (Step::Key(name), _) => node.get(name),
        (Step::Item(index), Tree::List(items)) => items.get(*index),
        _ => None,
    })?;
    Some((found.span.origin(&file), found.clone().into_json()))
}

/// The outermost map that begins at a place, or has a value that does (a name often stands for its map).
fn beginning_at<'a>(node: &'a Node, head: &Origin) -> Option<&'a Node> {
    let is_head = |span: &Span| (span.line, span.column) == (head.line, head.column);
    match &node.value {
        Tree::Map(entries) if [&node.span].into_iter().chain(entries.iter().map(|(_, v)| &v.span)).any(is_head) => {
            Some(node)
        }
        Tree::Map(entries) => entries.iter().find_map(|(_, v)| beginning_at(v, head)),
        Tree::List(items) => items.iter().find_map(|v| beginning_at(v, head)),
        _ => None,
    }
}

/// Managers that hold a field of a live object.
pub(super) fn managers(live: &Value, steps: &[Step]) -> Vec<String> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut out: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter(|e| e.get("fieldsV1").is_some_and(|set| holds(set, live, steps)))
        .filter_map(|e| e["manager"].as_str().map(str::to_owned))
        .collect();
    out.sort();
    out.dedup();
    out
}

fn holds(set: &Value, value: &Value, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let Some(below) = get(value, step) else { return false };
    let entries = set.as_object().into_iter().flatten();
    let named = entries.filter(|(key, _)| match step {
        Step::Key(name) => key.strip_prefix("f:") == Some(name),
        Step::Item(index) => {
            let json = |text: &str| serde_json::from_str::<Value>(text).ok();
            let keyed = key.strip_prefix("k:").and_then(json).is_some_and(|keys| {
                keys.as_object().is_some_and(|keys| keys.iter().all(|(k, v)| below.get(k) == Some(v)))
            });
            let valued = key.strip_prefix("v:").and_then(json).is_some_and(|v| v == *below);
            keyed || valued || key.strip_prefix("i:") == Some(&index.to_string())
        }
    });
    // An empty set below a field: all of it is held, as one.
    named
        .into_iter()
        .any(|(_, inner)| inner.as_object().is_none_or(serde_json::Map::is_empty) || holds(inner, below, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_followed_as_plans_print_them() {
        let object = json!({
            "metadata": {"annotations": {"a.b/c": "x"}},
            "spec": {"containers": [{"name": "side"}, {"name": "web", "image": "i", "ports": [{"port": 80}]}]},
        });
        let value = |path: &str| steps(&object, path).and_then(|s| at(&object, &s).cloned());
        assert_eq!(value("metadata.annotations[a.b/c]"), Some(json!("x")));
        for path in ["spec.containers[name=web].image", "spec.containers[1].image", "spec.containers[web].image"] {
            assert_eq!(value(path), Some(json!("i")), "{path}");
        }
        assert_eq!(value("spec.containers[name=web].ports[port=80]"), Some(json!({"port": 80})));
        for path in
            ["spec.nothing", "spec.containers[2]", "spec.containers[name=no]", "spec..x", "spec.containers[", "."]
        {
            assert_eq!(value(path), None, "{path}");
        }
        assert_eq!(near(&object, "spec.container[0].image"), ["containers"]);
    }

    #[test]
    fn the_line_of_a_value_is_found_in_its_document() {
        let mut sources = SourceMap::default();
        let text = "kind: A\n---\nkind: List\nitems:\n  - kind: B\n    spec:\n      list: [{name: x, v: 1}]\n";
        sources.insert("a.yaml".into(), text.into());
        let head = Origin { file: "a.yaml".into(), line: 5, column: 5, start: 0, len: 0 };
        let path = [Step::Key("spec".into()), Step::Key("list".into()), Step::Item(0), Step::Key("v".into())];
        let (origin, value) = in_sources(&sources, &head, &path).unwrap();
        assert_eq!((origin.line, origin.column, value), (7, 27, json!(1)));
        assert_eq!(in_sources(&sources, &head, &[Step::Key("no".into())]), None);
    }

    #[test]
    fn who_holds_a_field_is_read_from_its_managers() {
        let live = json!({
            "metadata": {"managedFields": [
                {"manager": "hand", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "skyplan-x", "fieldsV1": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}, "f:atom": {}}}},
            ]},
            "spec": {"replicas": 7, "containers": [{"name": "web", "image": "i", "tty": false}], "atom": {"a": 1}},
        });
        let held = |path: &str| managers(&live, &steps(&live, path).unwrap());
        assert_eq!(held("spec.replicas"), ["hand"]);
        assert_eq!(held("spec.containers[name=web].image"), ["skyplan-x"]);
        assert_eq!(held("spec.containers[name=web].tty"), Vec::<String>::new());
        assert_eq!(held("spec.atom.a"), ["skyplan-x"]);
    }
}
