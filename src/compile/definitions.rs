//! Objects of kinds that the project itself defines, held to what their CustomResourceDefinition says.
//!
//! No cluster can try them before the definition is there. Knows the structural schemas of Kubernetes (types, fields,
//! bounds, enums); what takes an interpreter (patterns, CEL) is left to the server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{locate::Locator, pods::group_kind};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    spec::{Manifest, SpecSet},
};

/// Faults that are told of one object.
const MOST: usize = 10;

/// What is wrong at a place in an object.
struct Fault {
    /// JSON pointer.
    pointer: String,
    text: String,
    hint: Option<String>,
}

pub(super) fn check(set: &SpecSet, locator: &Locator<'_>, out: &mut Diagnostics) {
    let mut definitions: BTreeMap<(&str, &str), Vec<&Manifest>> = BTreeMap::new();
    for manifest in set.manifests.values().flatten() {
        let (group, kind) = group_kind(&manifest.object);
        let spec = &manifest.object["spec"];
        if (group, kind) == ("apiextensions.k8s.io", "CustomResourceDefinition")
            && let (Some(group), Some(kind)) = (spec["group"].as_str(), spec["names"]["kind"].as_str())
        {
            definitions.entry((group, kind)).or_default().push(manifest);
        }
    }
    // What is otherwise on some clusters is not all here.
    let overridden: BTreeSet<&str> = set
        .applications
        .iter()
        .filter(|app| !app.spec.overrides.is_empty())
        .map(|app| app.spec.name.value.as_str())
        .collect();
    let all = set.manifests.iter().filter(|(app, _)| !overridden.contains(app.as_str()));
    for manifest in all.flat_map(|(_, manifests)| manifests) {
        let Some(defined) = definitions.get(&group_kind(&manifest.object)) else { continue };
        // Several clusters may each have their own: the one that it fits best is meant.
        let told = defined.iter().map(|d| (*d, faults(&manifest.object, &d.object["spec"])));
        let Some((definition, faults)) = told.min_by_key(|(_, faults)| faults.len()) else { continue };
        for fault in faults.into_iter().take(MOST) {
            let d = Diagnostic::error("SKY0219", fault.text)
                .at(&locator.part(&manifest.origin, &fault.pointer))
                .label(&locator.part(&definition.origin, "/metadata/name"), "its definition");
            out.push(fault.hint.into_iter().fold(d, Diagnostic::hint));
        }
    }
}

fn faults(object: &Value, definition: &Value) -> Vec<Fault> {
    let written = object["apiVersion"].as_str().unwrap_or_default();
    let version = written.split_once('/').map_or(written, |(_, version)| version);
    let versions = || definition["versions"].as_array().into_iter().flatten().filter(|v| v["served"] == true);
    let Some(found) = versions().find(|v| v["name"] == *version) else {
        let names: Vec<&str> = versions().filter_map(|v| v["name"].as_str()).collect();
        // A definition without any is at fault itself.
        return if names.is_empty() {
            Vec::new()
        } else {
            let text = format!("its definition does not serve {written}");
            vec![Fault { pointer: "/apiVersion".into(), text, hint: Some(format!("it serves {}", names.join(", "))) }]
        };
    };
    let schema = &found["schema"]["openAPIV3Schema"];
    let mut check = Checker { open: definition["preserveUnknownFields"] == true, faults: Vec::new() };
    if schema.is_object() {
        check.fields(schema, object, "", true);
    }
    check.faults
}

struct Checker {
    /// Fields that no schema names are kept.
    open: bool,
    faults: Vec<Fault>,
}

impl Checker {
    fn fault(&mut self, pointer: &str, text: String, hint: Option<String>) {
        self.faults.push(Fault { pointer: pointer.to_owned(), text, hint });
    }

    fn value(&mut self, schema: &Value, value: &Value, pointer: &str) {
        // The server drops what is null where nothing may be.
        if value.is_null() {
            return;
        }
        let path = words(pointer);
        if schema["x-kubernetes-int-or-string"] == true {
            if !value.is_string() && !is_integer(value) {
                self.fault(pointer, format!("`{path}` must be a whole number or text, and is {}", kind(value)), None);
            }
            return;
        }
        let fits = match schema["type"].as_str().unwrap_or_default() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => is_integer(value),
            "number" => value.is_number(),
            _ => true,
        };
        if !fits {
            let wanted = match schema["type"].as_str().unwrap_or_default() {
                "object" => "a map",
                "array" => "a list",
                "string" => "text",
                "boolean" => "true or false",
                "integer" => "a whole number",
                _ => "a number",
            };
            let quoted =
                (wanted == "text" && !value.is_object() && !value.is_array()).then(|| "write it in quotes".into());
            self.fault(pointer, format!("`{path}` must be {wanted}, and is {}", kind(value)), quoted);
            return;
        }
        if let Some(all) = schema["enum"].as_array().filter(|all| !all.contains(value)) {
            let all: Vec<String> =
                all.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
            let near = value.as_str().and_then(|v| did_you_mean(v, all.iter().map(String::as_str)));
            let hint =
                near.map_or_else(|| format!("it is one of {}", all.join(", ")), |n| format!("did you mean `{n}`?"));
            self.fault(pointer, format!("`{path}` has a value that is none of those allowed"), Some(hint));
        }
        self.bounds(schema, value, pointer);
        match value {
            Value::Object(_) => self.fields(schema, value, pointer, schema["x-kubernetes-embedded-resource"] == true),
            Value::Array(items) if schema["items"].is_object() => {
                for (i, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{pointer}/{i}"));
                }
            }
            _ => {}
        }
    }

    fn bounds(&mut self, schema: &Value, value: &Value, pointer: &str) {
        let size = match value {
            Value::Number(n) => n.as_f64().map(|n| (n, "minimum", "maximum", "")),
            Value::String(text) => Some((length(text.chars().count()), "minLength", "maxLength", " characters")),
            Value::Array(items) => Some((length(items.len()), "minItems", "maxItems", " items")),
            _ => None,
        };
        let Some((size, least, most, unit)) = size else { return };
        let path = words(pointer);
        let open = |which: &str| schema[which] == true;
        if let Some(least) = schema[least].as_f64()
            && (size < least || size <= least && open("exclusiveMinimum"))
        {
            self.fault(pointer, format!("`{path}` is below its least, {least}{unit}"), None);
        }
        if let Some(most) = schema[most].as_f64()
            && (size > most || size >= most && open("exclusiveMaximum"))
        {
            self.fault(pointer, format!("`{path}` is above its most, {most}{unit}"), None);
        }
    }

    fn fields(&mut self, schema: &Value, value: &Value, pointer: &str, resource: bool) {
        let Some(fields) = value.as_object() else { return };
        let none = Map::new();
        let known = schema["properties"].as_object().unwrap_or(&none);
        let typed = |name: &str| resource && ["apiVersion", "kind", "metadata"].contains(&name);
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let defaulted = known.get(name).is_some_and(|field| !field["default"].is_null());
            let nothing = |value: &Value| value.is_null() && known.get(name).is_none_or(|f| f["nullable"] != true);
            if fields.get(name).is_none_or(nothing) && !defaulted && !typed(name) && !is_status(pointer, name) {
                self.fault(pointer, format!("`{}` is missing", words(&below(pointer, name))), None);
            }
        }
        let rest = &schema["additionalProperties"];
        let open = self.open || schema["x-kubernetes-preserve-unknown-fields"] == true || *rest == true;
        for (name, field) in fields {
            let at = below(pointer, name);
            if typed(name) || is_status(pointer, name) {
                continue;
            }
            match known.get(name) {
                Some(schema) => self.value(schema, field, &at),
                None if rest.is_object() => self.value(rest, field, &at),
                None if open => {}
                None => {
                    let hint =
                        did_you_mean(name, known.keys().map(String::as_str)).map(|n| format!("did you mean `{n}`?"));
                    self.fault(&at, format!("there is no field `{}`", words(&at)), hint);
                }
            }
        }
    }
}

/// What controllers write is never sent.
fn is_status(pointer: &str, name: &str) -> bool {
    pointer.is_empty() && name == "status"
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
}

#[expect(clippy::cast_precision_loss, reason = "to compare with the bounds of schemas, which are floats")]
fn length(n: usize) -> f64 {
    n as f64
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// `spec.ports[0].name` of `/spec/ports/0/name`.
fn words(pointer: &str) -> String {
    let mut text = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if step.parse::<usize>().is_ok() {
            text.push_str(&format!("[{step}]"));
        } else if text.is_empty() {
            text = step;
        } else {
            text.push_str(&format!(".{step}"));
        }
    }
    if text.is_empty() { "the object".into() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(spec: &Value) -> Vec<String> {
        let schema = json!({"type": "object", "required": ["spec"], "properties": {
            "spec": {"type": "object", "required": ["size", "mode"], "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "mode": {"type": "string", "enum": ["fast", "slow"], "default": "fast"},
                "port": {"x-kubernetes-int-or-string": true},
                "names": {"type": "array", "maxItems": 2, "items": {"type": "string", "minLength": 2}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "template": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
            }},
        }});
        let definition = json!({"versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": schema}}]});
        let object =
            json!({"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec, "status": {}});
        faults(&object, &definition).into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn what_fits_is_not_told() {
        let spec = json!({"size": 3, "mode": "slow", "port": "http", "names": ["ab"], "labels": {"a/b": "c"},
            "free": {"any": [1]}, "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}}});
        assert_eq!(told(&spec), [""; 0]);
        assert_eq!(told(&json!({"size": 2.0, "port": 80, "labels": null})), [""; 0], "a default, and nothing");
    }

    #[test]
    fn what_does_not_is_named_by_its_place() {
        let spec = json!({"size": "3", "mode": "quick", "prot": 1, "names": ["a", "bc", "de"], "labels": {"a": 1},
            "template": {"spce": {}}});
        let mut all = told(&spec);
        all.sort();
        let want = [
            "`spec.labels.a` must be text, and is a number",
            "`spec.mode` has a value that is none of those allowed",
            "`spec.names[0]` is below its least, 2 characters",
            "`spec.names` is above its most, 2 items",
            "`spec.size` must be a whole number, and is text",
            "there is no field `spec.prot`",
            "there is no field `spec.template.spce`",
        ];
        assert_eq!(all, want);
        assert_eq!(told(&json!({"size": 10})), ["`spec.size` is above its most, 9"]);
        assert_eq!(told(&json!({})), ["`spec.size` is missing"]);
    }

    #[test]
    fn a_version_that_is_not_served_is_told_with_those_that_are() {
        let definition = json!({"versions": [{"name": "v1", "served": true}, {"name": "v1beta1", "served": false}]});
        let object = json!({"apiVersion": "x.io/v1beta1", "kind": "Widget"});
        let all = faults(&object, &definition);
        assert_eq!(all[0].text, "its definition does not serve x.io/v1beta1");
        assert_eq!(all[0].hint.as_deref(), Some("it serves v1"));
    }
}
