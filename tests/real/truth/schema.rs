//! Which fields differ, as the server's own schema has it: lists by key, sets and atoms (`x-kubernetes-list-type`,
//! `x-kubernetes-map-type` of OpenAPI). Knows how skyplan writes paths, and uses nothing of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread::sleep,
    time::Duration,
};

use serde_json::Value;

use super::server::Server;

/// Schemas by group and version.
#[derive(Default)]
pub(super) struct Schemas(BTreeMap<String, Value>);

/// A place in a schema; nothing is known where there is none.
#[derive(Clone, Copy)]
struct Node<'a> {
    doc: &'a Value,
    /// As the field says, and what it refers to.
    own: Option<&'a Value>,
    meant: Option<&'a Value>,
}

/// What a list is.
enum List<'a> {
    Keyed(Vec<&'a str>),
    Set,
    Atom,
}

impl<'a> Node<'a> {
    fn new(doc: &'a Value, own: Option<&'a Value>) -> Self {
        let target = |s: &'a Value| s["$ref"].as_str().or_else(|| s["allOf"][0]["$ref"].as_str());
        let meant = own.map(|s| target(s).and_then(|r| doc.pointer(&r[1..])).unwrap_or(s));
        Self { doc, own, meant }
    }

    fn says(&self, word: &str) -> Option<&'a Value> {
        self.own.and_then(|s| s.get(word)).or_else(|| self.meant.and_then(|s| s.get(word)))
    }

    fn field(&self, key: &str) -> Self {
        let named = self.says("properties").and_then(|p| p.get(key));
        let any = || self.says("additionalProperties").filter(|s| s.is_object());
        Self::new(self.doc, named.or_else(any))
    }

    fn item(&self) -> Self {
        Self::new(self.doc, self.says("items"))
    }

    fn is_atom(&self) -> bool {
        self.says("x-kubernetes-map-type").is_some_and(|t| t == "atomic")
    }

    fn list(&self) -> List<'a> {
        match self.says("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("map") => {
                let keys = self.says("x-kubernetes-list-map-keys").and_then(Value::as_array).unwrap();
                List::Keyed(keys.iter().filter_map(Value::as_str).collect())
            }
            Some("set") => List::Set,
            _ => List::Atom,
        }
    }

    /// What an item of a keyed list is called.
    fn called(&self, item: &Value, keys: &[&str]) -> String {
        let words = keys.iter().map(|key| {
            let default = || self.item().field(key).says("default").cloned();
            let value = item.get(key).cloned().or_else(default).unwrap_or_default();
            format!("{key}={value}")
        });
        format!("[{}]", words.collect::<Vec<_>>().join(","))
    }
}

impl Schemas {
    /// The schemas of these versions; those of new definitions come a moment later than they.
    pub(super) fn read(server: &Server, versions: &BTreeSet<&str>) -> Self {
        for _ in 0..100 {
            let index = server.get("/openapi/v3").unwrap();
            let paths = index["paths"].as_object().unwrap();
            let path = |version: &str| format!("{}/{version}", if version.contains('/') { "apis" } else { "api" });
            if versions.iter().all(|version| paths.contains_key(&path(version))) {
                let read =
                    |version: &&str| ((*version).to_owned(), server.get(&format!("/openapi/v3/{}", path(version))));
                let all = versions.iter().map(read).map(|(version, doc)| (version, doc.unwrap()));
                return Self(all.collect());
            }
            sleep(Duration::from_millis(100));
        }
        panic!("the server has no schemas of some of {versions:?}");
    }

    fn root(&self, object: &Value) -> Node<'_> {
        let version = object["apiVersion"].as_str().unwrap();
        let (group, short) = version.split_once('/').unwrap_or(("", version));
        let doc = self.0.get(version).unwrap_or_else(|| panic!("no schema of {version}"));
        let is = |s: &Value| {
            s["x-kubernetes-group-version-kind"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|k| k["group"] == group && k["version"] == short && k["kind"] == object["kind"])
        };
        let found = doc["components"]["schemas"].as_object().unwrap().values().find(|s| is(s));
        assert!(found.is_some(), "no schema of {version} {}", object["kind"]);
        Node::new(doc, found)
    }

    /// Paths that differ.
    pub(super) fn differ(&self, a: &Value, b: &Value) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        differ(self.root(a), Some(a), Some(b), String::new(), &mut out);
        out
    }

    /// A path of ours in the same words; it leads somewhere in one of the two.
    pub(super) fn words(&self, path: &str, sides: [&Value; 2]) -> String {
        let found = sides.iter().find_map(|side| walk(self.root(side), side, path, String::new()));
        found.unwrap_or_else(|| format!("{path} (leads nowhere)"))
    }
}

/// Equality, where 1 is 1.0.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

/// What the server writes by itself and nobody asks for.
fn is_noise(path: &str) -> bool {
    const NOISE: [&str; 11] = [
        // Who wrote what, and how often: changed by every write.
        "/metadata/managedFields",
        "/metadata/generation",
        "/metadata/resourceVersion",
        // Of one that is made anew.
        "/metadata/uid",
        "/metadata/creationTimestamp",
        "/metadata/selfLink",
        "/metadata/deletionTimestamp",
        "/metadata/deletionGracePeriodSeconds",
        // Controllers' own.
        "/status",
        "/metadata/annotations/deployment.kubernetes.io/revision",
        "/metadata/annotations/autoscaling.alpha.kubernetes.io/conditions",
    ];
    NOISE.contains(&path)
}

fn differ(node: Node<'_>, a: Option<&Value>, b: Option<&Value>, path: String, out: &mut BTreeSet<String>) {
    if is_noise(&path) || a.zip(b).is_some_and(|(a, b)| same(a, b)) || a.is_none() && b.is_none() {
        return;
    }
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) if !node.is_atom() => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                differ(node.field(key), a.get(key), b.get(key), format!("{path}/{key}"), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => match node.list() {
            List::Atom => drop(out.insert(path)),
            List::Set => {
                let times = |all: &[Value], x: &Value| all.iter().filter(|y| *y == x).count();
                let other = a.iter().chain(b).filter(|x| times(a, x) != times(b, x));
                out.extend(other.map(|x| format!("{path}[={x}]")));
            }
            List::Keyed(keys) => {
                let name = |item: &Value| node.called(item, &keys);
                for called in a.iter().chain(b).map(name).collect::<BTreeSet<_>>() {
                    // Mostly one of each; a server takes one that is written twice.
                    let mut x = a.iter().filter(|item| name(item) == called);
                    let mut y = b.iter().filter(|item| name(item) == called);
                    loop {
                        let (x, y) = (x.next(), y.next());
                        if x.is_none() && y.is_none() {
                            break;
                        }
                        differ(node.item(), x, y, format!("{path}{called}"), out);
                    }
                }
                // Containers start, and variables are put in, in their order.
                let order = |here: &[Value], there: &[Value]| -> Vec<String> {
                    let there: BTreeSet<String> = there.iter().map(name).collect();
                    let mut seen = BTreeSet::new();
                    here.iter().map(name).filter(|n| there.contains(n) && seen.insert(n.clone())).collect()
                };
                if order(a, b) != order(b, a) {
                    out.insert(path);
                }
            }
        },
        _ => drop(out.insert(path)),
    }
}

/// Follows a path as skyplan writes it: `spec.ports[port=80,protocol=UDP].name`, `metadata.annotations[a.b/c]`,
/// `spec.args[0]`, `metadata.finalizers[="x"]`.
fn walk(node: Node<'_>, value: &Value, rest: &str, path: String) -> Option<String> {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    if rest.is_empty() || node.is_atom() {
        return Some(path);
    }
    match value {
        Value::Object(map) => {
            let after = |key: &str| {
                let boxed = || rest.strip_prefix('[')?.strip_prefix(key)?.strip_prefix(']');
                let plain = || rest.strip_prefix(key).filter(|r| r.is_empty() || r.starts_with(['.', '[']));
                boxed().or_else(plain)
            };
            let key = map.keys().filter(|key| after(key).is_some()).max_by_key(|key| key.len())?;
            walk(node.field(key), &map[key], after(key)?, format!("{path}/{key}"))
        }
        Value::Array(items) => {
            let kind = node.list();
            if matches!(kind, List::Atom) {
                return Some(path);
            }
            let inner = rest.strip_prefix('[')?;
            // The end that leads to an item: a value may have a bracket in it.
            let ends = inner.match_indices(']').map(|(at, _)| at);
            let (item, after) = ends.filter_map(|at| Some((item(items, &inner[..at])?, &inner[at + 1..]))).next()?;
            match kind {
                List::Keyed(keys) => {
                    let called = node.called(item, &keys);
                    walk(node.item(), item, after, format!("{path}{called}"))
                }
                _ => Some(format!("{path}[={item}]")),
            }
        }
        _ => None,
    }
}

fn item<'a>(items: &'a [Value], inside: &str) -> Option<&'a Value> {
    let is = |value: &Value, text: &str| {
        value.as_str() == Some(text) || serde_json::from_str::<Value>(text).is_ok_and(|read| read == *value)
    };
    if let Ok(number) = inside.parse::<usize>() {
        return items.get(number);
    }
    if let Some(text) = inside.strip_prefix('=') {
        return items.iter().find(|item| is(item, text));
    }
    let whole = |item: &&Value| {
        inside.split_once('=').is_some_and(|(key, text)| item.get(key).is_some_and(|value| is(value, text)))
    };
    let each = |item: &&Value| {
        inside.split(',').all(|part| {
            part.split_once('=').is_some_and(|(key, text)| item.get(key).is_some_and(|value| is(value, text)))
        })
    };
    items.iter().find(whole).or_else(|| items.iter().find(each))
}
