//! Environments and parameters: which environment is meant, and its values put in where documents
//! say `${parameters.NAME}`.
//!
//! Works on parsed documents of any kind, before they are understood; every value keeps the place of
//! what was written. Only this exact form is looked at, so that `${X}` of shells stays what it is;
//! `$${parameters.NAME}` comes out as `${parameters.NAME}`.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    suppose::is_path,
    yaml::{Key, Node, Span, Tree},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    seal::Keyring,
    spec::{API_VERSION, Rendered, Unread},
};

/// What a value begins with.
const HEAD: &str = "${parameters.";
/// Texts may not grow beyond this through parameters: a few lines can ask for any amount.
const MOST_FILLED: usize = 64 * 1024 * 1024;

/// What is asked for besides the texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Which environment.
    pub environment: Wanted,
    /// Parameters with another value for this run.
    pub set: BTreeMap<String, String>,
    /// Keys that open what is encrypted.
    pub keys: Keyring,
    /// What came of sources that somebody had to render.
    pub rendered: Answers,
}

/// What came of sources that were rendered, by [`Render::key`](crate::spec::Render::key).
pub type Answers = BTreeMap<String, Result<Rendered, Diagnostics>>;

/// Which environment is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The only one, or none where none are written.
    #[default]
    Only,
    /// The first, whether there are others or not.
    First,
    /// The one of this name.
    Named(String),
}

/// A value and where it is written.
struct Value {
    tree: Tree,
    at: (Arc<str>, Span),
}

/// Parameters of one environment.
struct Values {
    known: BTreeMap<String, Value>,
    /// Names that have a value in other environments only.
    elsewhere: BTreeSet<String>,
    environment: Option<String>,
    used: BTreeSet<String>,
    /// Bytes that texts with parameters have come to.
    filled: usize,
}

/// Finds the environment and replaces every parameter in all documents. The answer is the environment's
/// name; `None` where the project has none.
pub(super) fn fill(
    files: &mut BTreeMap<Arc<str>, Vec<Node>>,
    mentions: impl Fn(&str) -> bool,
    unread: &Unread,
    choice: &Choice,
    out: &mut Diagnostics,
) -> Option<String> {
    let root = files.iter().find_map(|(path, nodes)| Some((Arc::clone(path), nodes.iter().find(|n| is_project(n))?)));
    // Without a root nothing is planned, and that is said elsewhere.
    let (path, root) = root?;
    let environment = environment(root, &path, choice, out);
    let mut values = Values {
        known: BTreeMap::new(),
        elsewhere: BTreeSet::new(),
        environment: environment.and_then(|e| e.get("name")).and_then(Node::text).map(str::to_owned),
        used: BTreeSet::new(),
        filled: 0,
    };
    values.take(root.get("parameters"), &path);
    values.take(environment.and_then(|e| e.get("parameters")), &path);
    for other in list(root.get("environments")) {
        let names = entries(other.get("parameters")).map(|(k, _)| k.value.to_string());
        values.elsewhere.extend(names.filter(|n| !values.known.contains_key(n)));
    }
    values.set(&choice.set, root, out);
    for (path, nodes) in files.iter_mut().filter(|(path, _)| mentions(path)) {
        for node in nodes {
            // What an environment or parameter is cannot depend on one.
            if let (true, Tree::Map(entries)) = (is_project(node), &mut node.value) {
                for (key, value) in entries.iter_mut() {
                    if ["environments", "parameters"].contains(&&*key.value) {
                        no_parameters(value, path, out);
                    } else {
                        values.replace(value, path, out);
                    }
                }
            } else {
                values.replace(node, path, out);
            }
        }
    }
    for (name, value) in values.known.iter().filter(|(name, _)| !values.used.contains(*name)) {
        // A document that could not be read may use it.
        if unread.may_define(&format!("parameters.{name}")) {
            continue;
        }
        out.push(
            Diagnostic::warning("SKY0223", format!("nothing uses parameter `{name}`"))
                .at(&value.at.1.origin(&value.at.0))
                .hint(format!("write `{HEAD}{name}}}` where its value belongs, or remove it")),
        );
    }
    values.environment
}

fn is_project(node: &Node) -> bool {
    let is = |field: &str, text: &str| node.get(field).and_then(Node::text) == Some(text);
    is("kind", "Project") && is("apiVersion", API_VERSION)
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|n| &n.value) {
        Some(Tree::List(items)) => items,
        _ => &[],
    }
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = &(Key, Node)> {
    match node.map(|n| &n.value) {
        Some(Tree::Map(entries)) => entries.iter(),
        _ => [].iter(),
    }
}

/// The environment that is meant.
fn environment<'a>(root: &'a Node, path: &Arc<str>, choice: &Choice, out: &mut Diagnostics) -> Option<&'a Node> {
    let all = list(root.get("environments"));
    let names: Vec<&str> = all.iter().filter_map(|e| e.get("name")?.text()).collect();
    let at = root.get("environments").map_or(root.span, |n| n.span).origin(path);
    match &choice.environment {
        Wanted::Named(name) if all.is_empty() && name == "default" => None,
        Wanted::Named(name) => {
            let found = all.iter().find(|e| e.get("name").and_then(Node::text) == Some(name));
            if found.is_none() {
                let d = Diagnostic::error("SKY0222", format!("there is no environment `{name}`"));
                out.push(match did_you_mean(name, names.iter().copied()) {
                    Some(near) => d.at(&at).hint(format!("did you mean `{near}`?")),
                    None if names.is_empty() => {
                        d.hint("this project has none: they are written as `environments` of its Project")
                    }
                    None => d.at(&at).hint(format!("it has {}", names.join(", "))),
                });
            }
            // The rest is read as for one of them, so that nothing follows from the one fault.
            found.or(all.first())
        }
        Wanted::Only if all.len() > 1 => {
            out.push(
                Diagnostic::error("SKY0222", "this project has several environments, and none was named")
                    .at(&at)
                    .hint(format!("say which with `--env`, or in SKYPLAN_ENV: {}", names.join(", "))),
            );
            // The rest is read as for one of them, so that its faults are found as well.
            all.first()
        }
        Wanted::Only | Wanted::First => all.first(),
    }
}

/// Values of parameters are what they are.
fn no_parameters(node: &Node, path: &Arc<str>, out: &mut Diagnostics) {
    match &node.value {
        Tree::Text(text) if text.contains(HEAD) => out.push(
            Diagnostic::error("SKY0129", "environments and parameters do not refer to parameters")
                .at(&node.span.origin(path))
                .hint("write the value itself"),
        ),
        Tree::List(items) => items.iter().for_each(|n| no_parameters(n, path, out)),
        Tree::Map(entries) => entries.iter().for_each(|(_, n)| no_parameters(n, path, out)),
        _ => {}
    }
}

impl Values {
    /// Values of a map; what is neither text, number, nor true or false is found when the root is decoded.
    fn take(&mut self, map: Option<&Node>, path: &Arc<str>) {
        for (key, node) in entries(map) {
            let at = (Arc::clone(path), key.span);
            // An environment's value is another for what is written for all.
            let value = self.known.entry(key.value.to_string()).or_insert(Value { tree: Tree::Null, at });
            value.tree = node.value.clone();
        }
    }

    /// Values of the command line, of the type that is written.
    fn set(&mut self, set: &BTreeMap<String, String>, root: &Node, out: &mut Diagnostics) {
        for (name, text) in set.iter().filter(|(name, _)| !is_path(name)) {
            let elsewhere = || {
                list(root.get("environments"))
                    .iter()
                    .find_map(|e| Some((None, e.get("parameters")?.get(name)?.value.clone())))
            };
            let written = self.known.get(name).map(|v| (Some(v.at.clone()), v.tree.clone())).or_else(elsewhere);
            let Some((at, like)) = written else {
                let d = Diagnostic::error("SKY0129", format!("there is no parameter `{name}` to set"));
                out.push(self.near(name, d));
                continue;
            };
            match typed(text, &like) {
                Some(tree) => {
                    let at = at.unwrap_or_else(|| ("skyplan.yaml".into(), root.span));
                    self.known.insert(name.clone(), Value { tree, at });
                }
                None => out.push(
                    Diagnostic::error("SKY0129", format!("parameter `{name}` cannot be set to `{text}`")).hint(
                        match like {
                            Tree::Bool(_) => "it is true or false",
                            _ => "it is a number",
                        },
                    ),
                ),
            }
        }
    }

    fn near(&self, name: &str, d: Diagnostic) -> Diagnostic {
        let all: Vec<&str> = self.known.keys().chain(&self.elsewhere).map(String::as_str).collect();
        match did_you_mean(name, all.iter().copied()) {
            Some(near) => d.hint(format!("did you mean `{near}`?")),
            None if all.is_empty() => d.hint("this project has none: they are written as `parameters` of its Project"),
            None => d.hint(format!("it has {}", all.join(", "))),
        }
    }

    fn replace(&mut self, node: &mut Node, path: &Arc<str>, out: &mut Diagnostics) {
        match &mut node.value {
            Tree::Text(text) if text.contains(HEAD) => {
                if let Some(tree) = self.text(text, node.span, path, out) {
                    node.value = tree;
                }
            }
            Tree::List(items) => items.iter_mut().for_each(|n| self.replace(n, path, out)),
            Tree::Map(entries) => {
                for (key, n) in entries.iter_mut() {
                    if key.value.contains(HEAD) {
                        out.push(
                            Diagnostic::error("SKY0129", "a parameter cannot stand in a key")
                                .at(&key.span.origin(path))
                                .hint("parameters are values; write the key out"),
                        );
                    }
                    self.replace(n, path, out);
                }
            }
            _ => {}
        }
    }

    /// What a text comes to; `None` with a fault in `out`.
    fn text(&mut self, text: &str, span: Span, path: &Arc<str>, out: &mut Diagnostics) -> Option<Tree> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(HEAD) {
            let after = &rest[at + HEAD.len()..];
            if rest[..at].ends_with('$') {
                filled.push_str(&rest[..at - 1]);
                filled.push_str(HEAD);
                rest = after;
                continue;
            }
            filled.push_str(&rest[..at]);
            let length =
                after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(after.len());
            let (name, tail) = after.split_at(length);
            let closed = tail.strip_prefix('}').filter(|_| !name.is_empty());
            let value = match closed {
                Some(_) => self.value(name).map_err(|d| d.at(&span.origin(path))),
                None => Err(Diagnostic::error("SKY0129", "a parameter is written `${parameters.NAME}`")
                    .at(&span.origin(path))
                    .hint("write `$${parameters.` where just that text is meant")),
            };
            let value = value.map_err(|d| out.push(d)).ok()?;
            rest = closed.unwrap_or_default();
            if at == 0 && rest.is_empty() && filled.is_empty() {
                let size = if let Tree::Text(text) = &value { text.len() } else { 0 };
                return self.room_for(size, span, path, out).then_some(value);
            }
            match &value {
                Tree::Text(text) => filled.push_str(text),
                other => filled.push_str(&Node { span, value: other.clone() }.into_json().to_string()),
            }
        }
        filled.push_str(rest);
        self.room_for(filled.len(), span, path, out).then(|| Tree::Text(filled.into()))
    }

    /// Whether so much more text may come of parameters.
    fn room_for(&mut self, bytes: usize, span: Span, path: &Arc<str>, out: &mut Diagnostics) -> bool {
        let before = self.filled;
        self.filled += bytes;
        if self.filled > MOST_FILLED && before <= MOST_FILLED {
            out.push(
                Diagnostic::error("SKY0103", "parameters make these texts larger than 64 MiB")
                    .at(&span.origin(path))
                    .hint("a parameter is a word or a line, not a file"),
            );
        }
        self.filled <= MOST_FILLED
    }

    fn value(&mut self, name: &str) -> Result<Tree, Diagnostic> {
        if let Some(value) = self.known.get(name) {
            self.used.insert(name.to_owned());
            return Ok(match &value.tree {
                // Refused where it is written: a parameter is one value.
                Tree::List(_) | Tree::Map(_) => Tree::Null,
                scalar => scalar.clone(),
            });
        }
        if let (true, Some(environment)) = (self.elsewhere.contains(name), &self.environment) {
            return Err(Diagnostic::error(
                "SKY0129",
                format!("environment `{environment}` has no value for parameter `{name}`"),
            )
            .hint("give it one, or write one for all environments below the Project's `parameters`"));
        }
        let d = Diagnostic::error("SKY0129", format!("there is no parameter `{name}`"));
        Err(self.near(name, d))
    }
}

/// A text of the command line as a value like another one.
fn typed(text: &str, like: &Tree) -> Option<Tree> {
    match like {
        Tree::Bool(_) => text.parse().ok().map(Tree::Bool),
        Tree::Int(_) | Tree::UInt(_) | Tree::Float(_) => {
            let whole = text.parse().map(Tree::UInt).or_else(|_| text.parse().map(Tree::Int));
            whole.ok().or_else(|| text.parse().ok().filter(|x: &f64| x.is_finite()).map(Tree::Float))
        }
        _ => Some(Tree::Text(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{read_as, tree::SourceTree};

    const PROJECT: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: shop\n";
    const VALUES: &str = "parameters: {replicas: 1, tag: '1.10', debug: false, host: x}\n\
        environments:\n- {name: staging}\n- name: prod\n  parameters: {replicas: 3, region: eu}\n";

    fn read(values: &str, manifest: &str, choice: &Choice) -> (serde_json::Value, Vec<(String, String)>) {
        let app = "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources: [{path: m.yaml}]\n";
        let files =
            [("skyplan.yaml", format!("{PROJECT}{values}")), ("app.yaml", app.into()), ("m.yaml", manifest.into())];
        let tree = SourceTree { files: files.into_iter().map(|(p, t)| (p.into(), t.into())).collect() };
        let (set, out) = read_as(&tree, choice);
        let object =
            set.manifests.get("web").and_then(|m| m.first()).map_or(serde_json::Value::Null, |m| m.object.clone());
        let said = out.sorted().into_iter().map(|d| (d.code.clone(), d.summary.clone())).collect();
        (object["data"].clone(), said)
    }

    fn env(name: &str) -> Choice {
        Choice { environment: Wanted::Named(name.into()), ..Choice::default() }
    }

    const ALL: &str = "apiVersion: v1\nkind: ConfigMap\ndata:\n  n: ${parameters.replicas}\n  t: \"${parameters.tag}\"\n  \
        b: ${parameters.debug}\n  s: 'https://${parameters.host}:${parameters.replicas}/$${parameters.host}/${HOST}/$parameters'\n";

    #[test]
    fn values_take_their_places_and_keep_their_type() {
        let (data, said) = read(VALUES, ALL, &env("staging"));
        assert_eq!(said, []);
        let want = serde_json::json!({"n": 1, "t": "1.10", "b": false,
            "s": "https://x:1/${parameters.host}/${HOST}/$parameters"});
        assert_eq!(data, want);
        let mut choice = env("prod");
        choice.set = [("tag", "2"), ("replicas", "7")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let (data, said) = read(VALUES, ALL, &choice);
        assert_eq!((&data["n"], &data["t"]), (&7.into(), &"2".into()));
        assert_eq!(said, [("SKY0223".to_owned(), "nothing uses parameter `region`".to_owned())]);
    }

    #[test]
    fn faults_are_at_the_place_of_use() {
        let manifest = "data: ['${parameters.tga}', '${parameters.region}', '${parameters.a b}', '${parameters.']\n";
        let (_, said) = read(VALUES, manifest, &env("staging"));
        let words: Vec<&str> = said.iter().filter(|(code, _)| code == "SKY0129").map(|(_, s)| s.as_str()).collect();
        assert_eq!(
            words,
            [
                "there is no parameter `tga`",
                "environment `staging` has no value for parameter `region`",
                "a parameter is written `${parameters.NAME}`",
                "a parameter is written `${parameters.NAME}`",
            ]
        );
        let circle = "parameters: {a: 'x${parameters.b}', b: 1}\n";
        assert!(read(circle, "a: 1\n", &Choice::default()).1.iter().any(|(code, _)| code == "SKY0129"));
        for (name, value) in [("replicas", "many"), ("debug", "yes"), ("none", "1")] {
            let set = [(name.to_owned(), value.to_owned())].into();
            let (_, said) = read(VALUES, ALL, &Choice { set, ..env("staging") });
            assert!(said.iter().any(|(code, _)| code == "SKY0129"), "{name}");
        }
    }

    #[test]
    fn one_of_several_environments_has_to_be_named() {
        let first = |choice: &Choice| {
            read(VALUES, ALL, choice).1.first().map(|(_, summary)| summary.clone()).unwrap_or_default()
        };
        assert!(first(&Choice::default()).contains("none was named"));
        assert!(first(&env("prdo")).contains("no environment `prdo`"));
        assert_eq!(first(&Choice { environment: Wanted::First, ..Choice::default() }), "");
        let one = "environments: [{name: only, parameters: {replicas: 2, tag: a, debug: true, host: b}}]\n";
        assert_eq!(read(one, ALL, &Choice::default()).0["n"], 2);
        assert_eq!(read("", "data: {a: $x}\n", &env("default")).1, []);
        assert_eq!(read("", "data: {a: $x}\n", &env("other")).1[0].0, "SKY0222");
    }
}
