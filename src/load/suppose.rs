//! What if a spec said something else: `--set ProviderProfile/aws.offerings[s].price=0.2` put into parsed
//! documents before they are understood.
//!
//! A path begins with a kind and a name (or `project`); a field of a list is named by what it is called
//! (`name`, `componentRef`, `cluster`, …) or by its number. The value is YAML. What is replaced keeps its
//! place in the file, so that faults of the new value point at the old one.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{collections::BTreeMap, sync::Arc};

use super::yaml::{Key, Node, Span, Tree, parse};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    spec::API_VERSION,
};

/// Fields that an entry of a list is called by.
const NAMES: [&str; 8] = ["name", "componentRef", "cluster", "offering", "provider", "region", "to", "a"];

/// Whether a word of `--set` is a path in the specs; a parameter's name has no dots.
pub fn is_path(word: &str) -> bool {
    word.contains(['.', '/', '['])
}

/// Puts values where paths point.
pub(super) fn suppose(
    files: &mut BTreeMap<Arc<str>, Vec<Node>>,
    set: &BTreeMap<String, String>,
    out: &mut Diagnostics,
) {
    for (path, text) in set.iter().filter(|(path, _)| is_path(path)) {
        if let Err(d) = put(files, path, text) {
            out.push(*d);
        }
    }
}

fn fault(path: &str, what: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("SKY0930", format!("`--set {path}` points at nothing: {what}")))
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Field(&'a str),
    Entry(&'a str),
}

fn put(files: &mut BTreeMap<Arc<str>, Vec<Node>>, path: &str, text: &str) -> Result<(), Box<Diagnostic>> {
    let file: Arc<str> = "--set".into();
    let value = match parse(&file, text).map(|mut nodes| (nodes.len() < 2).then(|| nodes.pop())) {
        Ok(Some(node)) => node.map_or(Tree::Null, |n| n.value),
        _ => {
            return Err(Box::new(
                Diagnostic::error("SKY0930", format!("`{text}` is no value for `--set {path}`"))
                    .hint("values are YAML on one line: 0.2, 8760h, [], {a: b}"),
            ));
        }
    };
    let (document, steps) = split(path).ok_or_else(|| {
        Box::new(
            Diagnostic::error("SKY0930", format!("`--set {path}` is neither a parameter nor a path in the specs"))
                .hint("a path is written KIND/NAME.field[entry].field, or project.field"),
        )
    })?;
    let mut node = find(files, path, document)?;
    for (k, step) in steps.iter().enumerate() {
        let last = k + 1 == steps.len();
        node = match step {
            Step::Field(name) => field(node, path, name, last, steps.get(k + 1))?,
            Step::Entry(word) => entry(node, path, word)?,
        };
    }
    let span = node.span;
    node.value = value;
    settle(node, span);
    Ok(())
}

/// Everything in a new value stands where the old one stood.
fn settle(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.value {
        Tree::List(items) => items.iter_mut().for_each(|n| settle(n, span)),
        Tree::Map(entries) => entries.iter_mut().for_each(|(key, n)| {
            key.span = span;
            settle(n, span);
        }),
        _ => {}
    }
}

/// `Kind/name` or `project`, and the steps from there.
fn split(path: &str) -> Option<(&str, Vec<Step<'_>>)> {
    let (head, mut rest) = path.split_once('.')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (word, tail) = inner.split_once(']')?;
            steps.push(Step::Entry(word));
            rest = tail.strip_prefix('.').unwrap_or(tail);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            (!word.is_empty()).then(|| steps.push(Step::Field(word)))?;
            rest = tail.strip_prefix('.').unwrap_or(tail);
        }
    }
    (!head.is_empty() && !steps.is_empty()).then_some((head, steps))
}

fn find<'a>(
    files: &'a mut BTreeMap<Arc<str>, Vec<Node>>,
    path: &str,
    document: &str,
) -> Result<&'a mut Node, Box<Diagnostic>> {
    let called = |node: &Node| -> Option<String> {
        let text = |field: &str| node.get(field).and_then(Node::text);
        text("apiVersion").filter(|v| *v == API_VERSION)?;
        let kind = text("kind")?;
        Some(if kind == "Project" { "project".into() } else { format!("{kind}/{}", text("name").unwrap_or_default()) })
    };
    let all: Vec<String> = files.values().flatten().filter_map(called).collect();
    let wanted = if document.eq_ignore_ascii_case("project") { "project" } else { document };
    let node = files.values_mut().flatten().find(|n| called(n).as_deref() == Some(wanted));
    node.ok_or_else(|| {
        let d = fault(path, format!("there is no `{document}`"));
        match did_you_mean(document, all.iter().map(String::as_str)) {
            Some(near) => Box::new(d.hint(format!("did you mean `{near}`?"))),
            None => Box::new(d.hint("a path begins with a kind and a name, such as `Cluster/edge`, or with `project`")),
        }
    })
}

/// A field of a map; one that is not there is made, but for the first of an entry.
fn field<'a>(
    node: &'a mut Node,
    path: &str,
    name: &str,
    last: bool,
    next: Option<&Step<'_>>,
) -> Result<&'a mut Node, Box<Diagnostic>> {
    let span = node.span;
    if node.value == Tree::Null {
        node.value = Tree::Map(Vec::new());
    }
    let Tree::Map(entries) = &mut node.value else {
        return Err(fault(path, format!("`{name}` is a field of something that has none")));
    };
    let at = match entries.iter().position(|(key, _)| &*key.value == name) {
        Some(at) => at,
        None if last || matches!(next, Some(Step::Field(_))) => {
            let value = if last { Tree::Null } else { Tree::Map(Vec::new()) };
            entries.push((Key { value: name.into(), span }, Node { span, value }));
            entries.len() - 1
        }
        None => return Err(fault(path, format!("`{name}` is not written"))),
    };
    Ok(&mut entries[at].1)
}

/// An entry of a list, by what it is called or by its number.
fn entry<'a>(node: &'a mut Node, path: &str, word: &str) -> Result<&'a mut Node, Box<Diagnostic>> {
    let Tree::List(items) = &mut node.value else {
        return Err(fault(path, format!("`[{word}]` is an entry of something that is no list")));
    };
    let is = |item: &Node| {
        let short = |text: &str| text.rsplit('/').next() == Some(word);
        item.text() == Some(word)
            || NAMES.iter().filter_map(|field| item.get(field)?.text()).any(|text| text == word || short(text))
    };
    let at = items.iter().position(is).or_else(|| word.parse().ok().filter(|n| *n < items.len()));
    let names: Vec<String> =
        items.iter().filter_map(|i| NAMES.iter().find_map(|f| Some(i.get(f)?.text()?.to_owned()))).collect();
    match at {
        Some(at) => Ok(&mut items[at]),
        None => {
            let d = fault(path, format!("no entry is called `{word}`"));
            Err(Box::new(match names.is_empty() {
                true => d.hint(format!("there are {}, numbered from 0", items.len())),
                false => d.hint(format!("there are {}", names.join(", "))),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{parameters::Choice, read_as, tree::SourceTree};

    const PROJECT: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: shop\n";
    const PROFILE: &str = "apiVersion: skyplan.io/v1alpha1\nkind: ProviderProfile\nname: aws\nplatform: aws\n\
        offerings:\n- {name: s, vcpus: 2, memory: 8Gi, price: 1}\n- {name: l, vcpus: 8, memory: 32Gi, price: 4}\n";

    fn read(set: &[(&str, &str)]) -> (crate::spec::SpecSet, Diagnostics) {
        let files = [("skyplan.yaml", PROJECT), ("aws.yaml", PROFILE)];
        let tree = SourceTree { files: files.iter().map(|(p, t)| ((*p).into(), (*t).into())).collect() };
        let set = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        read_as(&tree, &Choice { set, ..Choice::default() })
    }

    #[test]
    fn values_are_put_where_paths_point() {
        let (set, out) = read(&[
            ("ProviderProfile/aws.offerings[l].price", "2.5"),
            ("ProviderProfile/aws.offerings[0].vcpus", "3"),
            ("ProviderProfile/aws.controlPlane.price", "0.1"),
            ("project.placement.horizon", "8760h"),
            ("project.name", "other"),
        ]);
        assert!(out.is_empty(), "{out:?}");
        let project = set.project.unwrap();
        assert_eq!(project.spec.name.value, "other");
        assert_eq!(project.spec.placement.horizon.unwrap().seconds(), 8760 * 3600);
        let text = format!("{:?}", set.providers);
        assert!(text.contains("2500000") && text.contains("MilliCpu(3000)"), "{text}");
    }

    #[test]
    fn what_points_at_nothing_is_told_with_what_there_is() {
        for (path, value, want) in [
            ("ProviderProfile/awz.platform", "gcp", "did you mean `ProviderProfile/aws`?"),
            ("ProviderProfile/aws.offerings[m].price", "1", "there are s, l"),
            ("ProviderProfile/aws.offerings[7].price", "1", "there are s, l"),
            ("ProviderProfile/aws.zones[a].name", "1", "`zones` is not written"),
            ("ProviderProfile/aws.name.first", "1", "a field of something that has none"),
            ("project.name[0]", "1", "no list"),
            ("a/b", "1", "neither a parameter nor a path"),
            ("project.name", "[", "is no value"),
        ] {
            let (_, out) = read(&[(path, value)]);
            let d = out.iter().find(|d| d.code == "SKY0930").unwrap_or_else(|| panic!("{path}: {out:?}"));
            let text = format!("{} {}", d.summary, d.hints.join(" "));
            assert!(text.contains(want), "{path}: {text}");
        }
        // A value of the wrong type is found as in a file, at the place of the old one.
        let (_, out) = read(&[("ProviderProfile/aws.offerings[s].price", "dear")]);
        let d = out.iter().next().unwrap();
        assert_eq!((&*d.labels[0].origin.file, d.labels[0].origin.line), ("aws.yaml", 6), "{out:?}");
    }
}
