//! Folder or Git revision → [`SpecSet`]: which files are read, and which document of theirs is what.
//!
//! `disk` and `git` read what [`tree`] and [`snapshot`] walk; everything after it works on texts alone. What has to be
//! rendered first is asked for (`SpecSet.renders`), and read again with the answers. Knows the
//! kinds by name, not what they mean.

mod decode;
mod disk;
pub mod git;
mod parallel;
mod masked;
mod remotes;
mod rendered;
pub mod snapshot;
mod sources;
pub mod parameters;
pub(crate) mod salvage;
mod sealed;
pub mod suppose;
pub mod tree;
pub mod yaml;

use std::{collections::BTreeMap, sync::Arc};

use serde::de::DeserializeOwned;

pub use self::{
    masked::masked,
    rendered::{differences, holds_secrets},
};
use self::{
    parameters::{Answers, Choice},
    salvage::Parsed,
    tree::SourceTree,
    yaml::{Node, Span, Tree},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin, did_you_mean},
    seal::Keyring,
    spec::{API_VERSION, Document, KINDS, LOCK_FILE, LOCK_VERSION, SpecSet, Unread},
};

/// Files of a folder with one of these are that tool's, not ours.
const OTHERS: [&str; 4] = ["Chart.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Reads every document of a tree. With an error among the diagnostics the set is not complete, and
/// nothing may be planned from it.
pub fn read(tree: &SourceTree) -> (SpecSet, Diagnostics) {
    read_as(tree, &Choice::default())
}

/// The same for one environment, or with other values of parameters.
pub fn read_as(tree: &SourceTree, choice: &Choice) -> (SpecSet, Diagnostics) {
    // Of what is encrypted whole there are no lines to be shown.
    let texts = tree.files.iter().filter(|(path, _)| !sealed::is_age(path));
    let texts = texts.map(|(path, text)| (Arc::clone(path), Arc::clone(text))).collect();
    let set = SpecSet { texts, ..SpecSet::default() };
    let (keys, rendered) = (choice.keys.clone(), choice.rendered.clone());
    let mut reader =
        Reader { set, out: Diagnostics::new(), parsed: BTreeMap::new(), keys, rendered, named: BTreeMap::new() };
    reader.parse_all(tree);
    let mentions = |path: &str| tree.files.get(path).is_some_and(|text| text.contains("${parameters."));
    reader.set.environment =
        parameters::fill(&mut reader.parsed, mentions, &reader.set.unread, choice, &mut reader.out);
    suppose::suppose(&mut reader.parsed, &choice.set, &mut reader.out);
    reader.documents(tree);
    reader.sources(tree);
    (reader.set, reader.out)
}

/// Whether a diagnostic may only echo a file that is there and could not be read at all.
pub fn echoes_unread(diagnostic: &Diagnostic) -> bool {
    ["SKY0110", "SKY0114", "SKY0202", "SKY0213", "SKY0214"].contains(&diagnostic.code.as_str())
        && !diagnostic.summary.starts_with("a second ")
}

struct Reader {
    set: SpecSet,
    out: Diagnostics,
    /// Documents of every file that could be parsed.
    parsed: BTreeMap<Arc<str>, Vec<Node>>,
    /// Keys that open what is encrypted.
    keys: Keyring,
    /// What came of sources that somebody had to render.
    rendered: Answers,
    /// Folders that are rendered, with the key of each rendering.
    named: BTreeMap<String, Vec<String>>,
}

impl Reader {
    fn parse_all(&mut self, tree: &SourceTree) {
        let others: Vec<String> = tree
            .files
            .keys()
            .filter_map(|path| {
                let (folder, name) = split(path);
                (OTHERS.contains(&name) && !folder.is_empty()).then(|| folder.to_owned())
            })
            .collect();
        // A project's root may be a chart, too.
        let templates =
            ["templates/", "charts/", "crds/"].into_iter().filter(|_| tree.files.contains_key("Chart.yaml"));
        let others: Vec<String> = others.into_iter().chain(templates.map(str::to_owned)).collect();
        let ours: Vec<(&Arc<str>, &Arc<str>)> = tree
            .files
            .iter()
            .filter(|(path, _)| !others.iter().any(|folder| path.starts_with(folder.as_str())))
            .collect();
        let keys = self.keys.clone();
        for ((path, _), parsed) in ours.iter().zip(parallel::map(&ours, |(path, text)| parse(path, text, &keys))) {
            self.parsed.insert(Arc::clone(path), parsed.nodes);
            for (fault, text) in parsed.faults {
                self.out.push(fault);
                if text.contains(API_VERSION) {
                    self.set.unread.add(&text);
                } else {
                    self.set.unread.add_manifest(&text);
                }
            }
        }
    }

    /// Takes skyplan's kinds; what is left over is for sources.
    fn documents(&mut self, tree: &SourceTree) {
        let files = std::mem::take(&mut self.parsed);
        for (path, nodes) in files {
            if &*path == LOCK_FILE {
                self.lock(nodes, &path);
                continue;
            }
            let mut rest = Vec::new();
            for node in nodes {
                let version = node.get("apiVersion").and_then(Node::text);
                let kind = node.get("kind").and_then(kind_of);
                match (version, kind) {
                    (Some(API_VERSION), Some(kind)) => {
                        let kind = kind.to_owned();
                        self.document(&kind, node, &path);
                    }
                    (Some(v), kind) if v.starts_with("skyplan.io/") => self.wrong_version(&node, &path, v, kind),
                    _ => rest.push(node),
                }
            }
            self.parsed.insert(path, rest);
        }
        if self.set.project.is_none() && !self.set.unread.may_define("Project") {
            let text = if tree.files.contains_key("skyplan.yaml") {
                "skyplan.yaml holds no document of kind Project"
            } else {
                "there is no skyplan.yaml here"
            };
            self.out.push(
                Diagnostic::error("SKY0114", text)
                    .hint("run `skyplan init` to begin a project, or name its folder with -C"),
            );
        }
    }

    /// The lock is no document of a kind: nobody writes it by hand.
    fn lock(&mut self, nodes: Vec<Node>, path: &Arc<str>) {
        if let Some(node) = nodes.into_iter().next() {
            let head = node.span;
            if let Some(Node { value: Tree::UInt(version), span }) = node.get("version")
                && *version > LOCK_VERSION
            {
                let text = format!("the lock is of version {version}, and this skyplan knows {LOCK_VERSION}");
                return self.out.push(
                    Diagnostic::error("SKY0132", text)
                        .at(&span.origin(path))
                        .hint("use the version of skyplan that wrote it, or a newer one"),
                );
            }
            self.set.lock = typed(&node, head.origin(path), head, &mut self.out);
        }
    }

    fn wrong_version(&mut self, node: &Node, path: &Arc<str>, version: &str, kind: Option<&str>) {
        self.set.unread.add(kind.unwrap_or_default());
        forget(node, &mut self.set.unread);
        let at = |name: &str| node.get(name).map_or(node.span, |n| n.span).origin(path);
        if version == API_VERSION && kind.is_none() {
            let d = match node.get("kind") {
                Some(kind) => Diagnostic::error("SKY0104", "`kind` is text").at(&kind.span.origin(path)),
                None => Diagnostic::error("SKY0106", "missing field `kind`").at(&node.span.origin(path)),
            };
            return self.out.push(d);
        }
        self.out.push(
            Diagnostic::error("SKY0113", format!("this version of skyplan does not know `{version}`"))
                .at(&at("apiVersion"))
                .hint(format!("write `apiVersion: {API_VERSION}`")),
        );
    }

    fn document(&mut self, kind: &str, mut node: Node, path: &Arc<str>) {
        let origin = node.span.origin(path);
        let head = node.get("kind").map_or(node.span, |n| n.span);
        if let Tree::Map(entries) = &mut node.value {
            entries.retain(|(k, _)| !matches!(&*k.value, "apiVersion" | "kind"));
        }
        let faults = self.out.len();
        self.take(kind, &node, origin, head);
        if self.out.len() > faults {
            self.set.unread.add(kind);
            forget(&node, &mut self.set.unread);
        }
    }

    fn take(&mut self, kind: &str, node: &Node, origin: Origin, head: Span) {
        let kind_origin = head.origin(&origin.file);
        let (set, out) = (&mut self.set, &mut self.out);
        match kind {
            "Project" => {
                let Some(project) = typed(node, origin, head, out) else { return };
                if let Some(first) = &set.project {
                    out.push(
                        Diagnostic::error("SKY0114", "a second document of kind Project")
                            .at(&kind_origin)
                            .label(&first.origin, "the first one")
                            .hint("a project has one root; a folder with its own skyplan.yaml is a project of its own"),
                    );
                } else {
                    set.project = Some(project);
                }
            }
            "ProviderProfile" => set.providers.extend(typed(node, origin, head, out)),
            "LatencyProfile" => set.latencies.extend(typed(node, origin, head, out)),
            "Null" => set.nulls.extend(typed(node, origin, head, out)),
            "Cluster" => set.clusters.extend(typed(node, origin, head, out)),
            "Application" => set.applications.extend(typed(node, origin, head, out)),
            "DeploymentPolicy" => set.deployments.extend(typed(node, origin, head, out)),
            "DataflowPolicy" => set.dataflows.extend(typed(node, origin, head, out)),
            "Refactoring" => set.refactorings.extend(typed(node, origin, head, out)),
            _ => {
                let d = Diagnostic::error("SKY0113", format!("there is no kind `{kind}`")).at(&kind_origin);
                out.push(match did_you_mean(kind, KINDS) {
                    Some(near) => d.hint(format!("did you mean `{near}`?")),
                    None => d.hint(format!("kinds are {}", KINDS.join(", "))),
                });
            }
        }
    }
}

/// Whether a file may be encrypted, so that it takes keys to read it.
pub fn is_sealed(path: &str, text: &str) -> bool {
    sealed::is_age(path) || text.contains(sealed::ENCRYPTED)
}

/// The documents of a file, opened where they are encrypted.
fn parse(path: &Arc<str>, text: &Arc<str>, keys: &Keyring) -> Parsed {
    let parsed = if sealed::is_age(path) {
        sealed::open_age(path, text, keys)
    } else {
        let parsed = salvage::parse(path, text);
        // Of a part of a file the checksum says nothing; with a fault there is no plan anyway.
        if !sealed::is_sops(&parsed.nodes) || !parsed.faults.is_empty() {
            return parsed;
        }
        sealed::open_sops(path, text, parsed.nodes, keys)
    };
    match parsed {
        Ok(nodes) => Parsed { nodes, faults: Vec::new() },
        Err(fault) => Parsed { nodes: Vec::new(), faults: vec![(*fault, String::new())] },
    }
}

fn typed<T: DeserializeOwned>(node: &Node, origin: Origin, head: Span, out: &mut Diagnostics) -> Option<Document<T>> {
    decode::decode(node, head, &origin.file, out).map(|spec| Document { origin, spec })
}

/// The word of a `kind`. To YAML the four letters of `Null` are no text.
fn kind_of(node: &Node) -> Option<&str> {
    match node.value {
        Tree::Null if node.span.len == 4 => Some("Null"),
        _ => node.text(),
    }
}

/// Remembers the words of a document that could not be decoded.
fn forget(node: &Node, unread: &mut Unread) {
    match &node.value {
        Tree::Text(text) => unread.add(text),
        Tree::List(items) => items.iter().for_each(|item| forget(item, unread)),
        Tree::Map(entries) => entries.iter().for_each(|(_, value)| forget(value, unread)),
        _ => {}
    }
}

/// Folder with its slash, and name.
fn split(path: &str) -> (&str, &str) {
    path.rfind('/').map_or(("", path), |slash| path.split_at(slash + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> SourceTree {
        SourceTree { files: files.iter().map(|(p, t)| ((*p).into(), (*t).into())).collect() }
    }

    fn codes(files: &[(&str, &str)]) -> Vec<String> {
        let (_, out) = read(&tree(files));
        out.sorted().iter().map(|d| d.code.clone()).collect()
    }

    const PROJECT: (&str, &str) = ("skyplan.yaml", "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: shop\n");

    #[test]
    fn an_application_takes_its_manifests_and_strays_are_named() {
        let app = "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources:\n- path: ../manifests\n\
                   - objects:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n";
        let list = "apiVersion: v1\nkind: List\nitems:\n- {kind: A}\n- {kind: B}\n";
        let files = [
            PROJECT,
            ("apps/web.yaml", app),
            ("manifests/a.yaml", list),
            ("other/b.yaml", "apiVersion: v1\nkind: Pod\n"),
        ];
        let (set, out) = read(&tree(&files));
        let kinds: Vec<&serde_json::Value> = set.manifests["web"].iter().map(|m| &m.object["kind"]).collect();
        assert_eq!(kinds, ["A", "B", "ConfigMap"]);
        assert_eq!(set.manifests["web"][1].origin.line, 5);
        let codes: Vec<&str> = out.iter().map(|d| d.code.as_str()).collect();
        assert_eq!((codes, out.has_errors()), (vec!["SKY0112"], false));
    }

    #[test]
    fn two_applications_may_share_a_file() {
        let app = |name: &str| {
            format!(
                "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: {name}\nsources: [{{path: m.yaml}}]\n---\n"
            )
        };
        // What is ours in a file of manifests is no manifest, whoever comes second.
        let text =
            "apiVersion: v1\nkind: A\n---\napiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: c\ndriver: local\n";
        let apps = app("a") + &app("b");
        let (set, out) = read(&tree(&[PROJECT, ("apps.yaml", apps.trim_end_matches("---\n")), ("m.yaml", text)]));
        assert!(out.is_empty(), "{out:?}");
        assert_eq!((set.manifests["a"].len(), set.clusters.len()), (1, 1));
        assert_eq!(set.manifests["a"], set.manifests["b"]);
    }

    #[test]
    fn faults_of_all_files_come_together() {
        let app = "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources: [{path: manifest}, {}, {path: ../..}]\n";
        assert_eq!(
            codes(&[
                PROJECT,
                ("a.yaml", app),
                ("b.yaml", "a: [\n"),
                ("c.yaml", "apiVersion: skyplan.io/v1alpha1\nkind: Clutser\n"),
                ("d.yaml", "apiVersion: skyplan.io/v2\nkind: Cluster\n"),
                ("manifests/x.yaml", "a: 1\n"),
            ]),
            ["SKY0110", "SKY0115", "SKY0111", "SKY0101", "SKY0113", "SKY0113"]
        );
        assert_eq!(codes(&[("a.yaml", "a: 1")]), ["SKY0114"]);
    }

    #[test]
    fn folders_of_other_tools_are_left_alone() {
        let chart = [PROJECT, ("chart/Chart.yaml", "name: x"), ("chart/templates/a.yaml", "{{ broken")];
        assert_eq!(codes(&chart), [""; 0]);
        let app = "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources: [{helm: {chart: .}}]\n";
        let root = [PROJECT, ("web.yaml", app), ("Chart.yaml", "name: x"), ("templates/a.yaml", "{{ broken")];
        let (set, out) = read(&tree(&root));
        assert!(out.is_empty(), "{out:?}");
        assert_eq!((set.renders.len(), set.renders[0].path.as_str()), (1, ""));
    }

    #[test]
    fn a_lock_names_a_source_once() {
        let app = "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\n\
                   sources: [{oci: {url: 'oci://registry.example.com/x:v1', path: .}}]\n";
        let line = |digest: &str| {
            format!(
                "- source: oci://registry.example.com/x:v1\n  resolved: sha256:x\n  sha256: {}\n",
                digest.repeat(64)
            )
        };
        let head = "version: 1\ncatalog: []\nsources:\n";
        let once = format!("{head}{}", line("a"));
        let twice = format!("{once}{}", line("b"));
        assert_eq!(codes(&[PROJECT, ("web.yaml", app), ("skyplan.lock", &once)]), [""; 0]);
        assert_eq!(codes(&[PROJECT, ("web.yaml", app), ("skyplan.lock", &twice)]), ["SKY0150"]);
    }

    #[test]
    fn a_value_that_is_null_is_a_value() {
        let operations = "[{op: replace, path: /data, value: null}, {op: remove, path: /data}]";
        let app = format!(
            "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources: [{{path: m.yaml}}]\n\
             overrides: [{{clusters: [{{cluster: c}}], objects: {{kind: A}}, jsonPatch: {operations}}}]\n"
        );
        let (set, out) = read(&tree(&[PROJECT, ("web.yaml", &app), ("m.yaml", "apiVersion: v1\nkind: A\n")]));
        assert!(out.is_empty(), "{out:?}");
        let operations = set.applications[0].spec.overrides[0].json_patch.as_ref().unwrap();
        assert_eq!((&operations[0].value.value, &operations[1].value.value), (&Some(serde_json::Value::Null), &None));
    }
}
