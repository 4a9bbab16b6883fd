//! Sources of applications → manifests: those that are written, and those that somebody has rendered.
//!
//! Knows which files a source names, not what renders it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use super::{
    Reader, parse, rendered, split,
    tree::{SourceTree, is_yaml},
    yaml::{Node, Tree},
};
use crate::{
    diagnostic::{Diagnostic, Origin, Severity, did_you_mean},
    spec::{Application, At, ChartRender, Content, Document, HelmSource, Manifest, Remote, Render, Renderer, Source},
};

/// Names of a kustomization's file.
pub(super) const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

impl Reader {
    /// Gathers the manifests that sources name, and warns of those that nothing names.
    pub(super) fn sources(&mut self, tree: &SourceTree) {
        let mut taken: BTreeSet<Arc<str>> = BTreeSet::new();
        let faults = self.out.len();
        let mut manifests: BTreeMap<String, Vec<Manifest>> = BTreeMap::new();
        let applications = std::mem::take(&mut self.set.applications);
        for application in &applications {
            let objects = manifests.entry(application.spec.name.value.clone()).or_default();
            for source in &application.spec.sources {
                let known = self.out.len();
                self.source(application, source, tree, &mut taken, objects);
                let fails = self.out.iter().skip(known).any(|d| d.severity == Severity::Error);
                if fails
                    && (source.path.is_none() && source.objects.is_none()
                        || source.git.is_some()
                        || source.oci.is_some())
                {
                    // What it would have held is not missed elsewhere.
                    self.set.unread.add_manifest("Application");
                }
            }
        }
        self.set.applications = applications;
        // An application that could not be read, or a source that is misspelt, may mean them.
        let lost = self.set.unread.may_define("Application") || self.out.len() > faults;
        for (path, nodes) in self.parsed.iter().filter(|(path, _)| !lost && !taken.contains(*path)) {
            let strays = nodes.iter().filter(|n| n.get("apiVersion").is_some() && n.get("kind").is_some());
            for node in strays {
                let kind = node.get("kind").and_then(Node::text).unwrap_or("object");
                self.out.push(
                    Diagnostic::warning("SKY0112", format!("this {kind} belongs to no application and is not applied"))
                        .at(&node.span.origin(path))
                        .hint("name its file or folder as a `path` source of an Application"),
                );
            }
        }
        self.set.manifests = manifests;
    }

    fn source(
        &mut self,
        application: &Document<Application>,
        source: &At<Source>,
        tree: &SourceTree,
        taken: &mut BTreeSet<Arc<str>>,
        objects: &mut Vec<Manifest>,
    ) {
        let content = match self.content_of(source) {
            Ok(content) => content,
            // Said, and nothing can be made of it.
            Err(()) => return,
        };
        if let Some(content) = content {
            return self.elsewhere(application, source, &content, tree, taken, objects);
        }
        match (&source.objects, &source.path, &source.kustomize, &source.helm) {
            (Some(written), None, None, None) => objects.extend(written.iter().map(|o| Manifest {
                origin: o.origin.clone(),
                object: o.value.clone(),
                namespace: None,
            })),
            (None, Some(path), None, None) => {
                let Some(wanted) = self.inside(&application.origin.file, path) else { return };
                let files = files_of(tree, &wanted);
                if files.is_empty() {
                    self.out.push(no_files(tree, &wanted, path));
                }
                for file in files {
                    // Trees go as objects are made of them: large projects need the room. Of a file
                    // that is somebody else's too they are made again.
                    let again = || tree.files.get(&file).map(|text| parse(&file, text, &self.keys).nodes);
                    let nodes = match self.parsed.remove(&file) {
                        None if taken.contains(&file) => again(),
                        nodes => nodes,
                    };
                    for node in nodes.into_iter().flatten().filter(|n| !is_ours(n)) {
                        expand(node, &file, None, objects);
                    }
                    taken.insert(file);
                }
            }
            (None, None, Some(path), None) => {
                let Some(wanted) = self.inside(&application.origin.file, path) else { return };
                taken.extend(files_of(tree, &wanted));
                if files_of(tree, &wanted).is_empty() {
                    return self.out.push(no_kustomization(tree, &wanted, path));
                }
                let render =
                    Render { origin: path.origin.clone(), content: None, path: wanted, how: Renderer::Kustomize };
                self.take_rendered(application, &render, None, objects);
            }
            (None, None, None, Some(helm)) => {
                let Some(render) = self.chart(application, helm, None, tree, taken) else { return };
                let namespace = helm.namespace.as_ref().map(|n| n.value.as_str().into());
                self.take_rendered(application, &render, namespace, objects);
            }
            _ => self.out.push(
                Diagnostic::error("SKY0115", "a source has exactly one of `objects`, `path`, `kustomize` and `helm`")
                    .at(&source.origin)
                    .hint("for more than one, write a source for each"),
            ),
        }
    }

    /// A path from the project's root on; said where it leads out.
    pub(super) fn inside(&mut self, file: &str, path: &At<String>) -> Option<String> {
        let inside = resolve(file, path);
        if inside.is_none() {
            self.out.push(
                Diagnostic::error("SKY0111", format!("`{path}` leads out of the project"))
                    .at(&path.origin)
                    .hint("sources are inside the project's folder"),
            );
        }
        inside
    }

    /// What has to be asked for to have a chart rendered.
    pub(super) fn chart(
        &mut self,
        application: &Document<Application>,
        helm: &At<HelmSource>,
        content: Option<&Content>,
        tree: &SourceTree,
        taken: &mut BTreeSet<Arc<str>>,
    ) -> Option<Render> {
        let (app, file) = (&application.spec, &application.origin.file);
        let alone = content.is_some_and(|c| !matches!(c.remote, Remote::Git { .. } | Remote::Oci { chart: false, .. }));
        let whole = At { value: String::new(), origin: helm.origin.clone() };
        let Some(chart) = helm.chart.as_ref().or(alone.then_some(&whole)) else {
            self.out.push(
                Diagnostic::error("SKY0106", "missing field `chart`")
                    .at(&helm.origin)
                    .hint("name a folder with a Chart.yaml, or an archive of one (`.tgz`)"),
            );
            return None;
        };
        let faults = self.out.len();
        let path = match content {
            // The content of a chart repository is the chart.
            Some(_) if alone => Some(String::new()),
            Some(_) => self.inside("", chart),
            None => self.inside(file, chart),
        };
        let mut values = Vec::new();
        for wanted in &helm.values_files {
            let Some(path) = self.inside(file, wanted) else { continue };
            values.extend(self.values_file(&path, wanted, tree, taken));
        }
        match helm.values.as_ref().map(|v| (v, &v.value)) {
            None | Some((_, serde_json::Value::Null)) => {}
            Some((_, map @ serde_json::Value::Object(_))) => values.push(map.to_string()),
            Some((other, _)) => self.out.push(not_a_map(&other.origin)),
        }
        let path = path.filter(|_| self.out.len() == faults)?;
        let head = if path.is_empty() { "Chart.yaml".to_owned() } else { format!("{path}/Chart.yaml") };
        if content.is_none() && !path.ends_with(".tgz") && !tree.files.contains_key(head.as_str()) {
            self.out.push(no_chart(tree, &path, chart));
            return None;
        }
        let words = app.capabilities.as_ref();
        let or = |word: &Option<At<String>>, other: &str| word.as_ref().map_or(other, |w| w).to_owned();
        let namespace = or(&app.namespace, &app.name);
        Some(Render {
            origin: chart.origin.clone(),
            content: content.cloned(),
            path,
            how: Renderer::Helm(Box::new(ChartRender {
                release: or(&helm.release_name, &app.name),
                namespace: or(&helm.namespace, &namespace),
                values,
                include_crds: helm.include_crds.unwrap_or(true),
                kube_version: words.and_then(|c| Some(c.kube_version.as_ref()?.value.clone())),
                api_versions: words.map_or_else(Vec::new, |c| c.api_versions.iter().map(|v| v.value.clone()).collect()),
            })),
        })
    }

    /// The values of a file, as JSON; parameters are filled in.
    fn values_file(
        &mut self,
        path: &str,
        written: &At<String>,
        tree: &SourceTree,
        taken: &mut BTreeSet<Arc<str>>,
    ) -> Option<String> {
        let Some((file, text)) = tree.files.get_key_value(path) else {
            self.out.push(no_files(tree, path, written));
            return None;
        };
        let nodes = match self.parsed.get(file) {
            Some(nodes) => nodes.clone(),
            // In the folder of a chart, which is not read as ours.
            None => {
                let parsed = parse(file, text, &self.keys);
                for (fault, _) in parsed.faults {
                    self.out.push(fault);
                }
                parsed.nodes
            }
        };
        taken.insert(Arc::clone(file));
        let mut nodes = nodes.into_iter();
        match (nodes.next(), nodes.next()) {
            (None, _) | (Some(Node { value: Tree::Null, .. }), None) => None,
            (Some(node), None) if matches!(node.value, Tree::Map(_)) => Some(node.into_json().to_string()),
            (Some(node), None) => {
                self.out.push(not_a_map(&node.span.origin(file)));
                None
            }
            (_, Some(second)) => {
                self.out.push(
                    Diagnostic::error("SKY0104", "a file of values is one document")
                        .at(&second.span.origin(file))
                        .hint("make files of them; later ones count more"),
                );
                None
            }
        }
    }

    /// Takes what came of a source, or asks for it.
    pub(super) fn take_rendered(
        &mut self,
        application: &Document<Application>,
        render: &Render,
        namespace: Option<Arc<str>>,
        objects: &mut Vec<Manifest>,
    ) {
        match self.rendered.get(&render.key()) {
            None => self.set.renders.push(render.clone()),
            Some(Err(faults)) => {
                // Two applications may have the same source, and the same fault.
                for fault in faults.iter() {
                    if !self.out.iter().any(|known| known == fault) {
                        self.out.push(fault.clone());
                    }
                }
            }
            Some(Ok(rendered)) => {
                let known = self.named.entry(render.name()).or_default();
                let key = render.key();
                let number = known.iter().position(|k| *k == key).unwrap_or_else(|| {
                    known.push(key);
                    known.len() - 1
                });
                let number = if number == 0 { String::new() } else { format!(" ({})", number + 1) };
                let found = rendered::read(render, rendered, &format!("{}{number}", render.name()));
                self.set.texts.extend(found.texts);
                self.out.extend(found.faults);
                for (file, node) in found.nodes {
                    expand(node, &file, namespace.clone(), objects);
                }
                self.set.rendered.push(rendered::remembered(&application.spec.name, render, rendered));
            }
        }
    }
}

/// Whether a document is skyplan's and no manifest.
pub(super) fn is_ours(node: &Node) -> bool {
    node.get("apiVersion").and_then(Node::text).is_some_and(|v| v.starts_with("skyplan.io/"))
}

/// Objects of a document: itself, or the items of a `List`.
fn expand(node: Node, file: &Arc<str>, namespace: Option<Arc<str>>, objects: &mut Vec<Manifest>) {
    let is_list = node.get("kind").and_then(Node::text) == Some("List")
        && matches!(node.get("items"), Some(Node { value: Tree::List(_), .. }));
    if !is_list {
        return objects.push(Manifest { origin: node.span.origin(file), object: node.into_json(), namespace });
    }
    let Tree::Map(entries) = node.value else { return };
    for (_, items) in entries.into_iter().filter(|(k, _)| &*k.value == "items") {
        let Tree::List(items) = items.value else { continue };
        items.into_iter().for_each(|item| expand(item, file, namespace.clone(), objects));
    }
}

/// A path relative to the folder of `file`, as a path from the root; `None` when it leads out.
pub(super) fn resolve(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = split(file).0.split('/').filter(|p| !p.is_empty()).collect();
    if path.starts_with('/') {
        return None;
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The file itself, or the YAML files below the folder.
fn files_of(tree: &SourceTree, path: &str) -> Vec<Arc<str>> {
    let below = if path.is_empty() { String::new() } else { format!("{path}/") };
    let itself = tree.files.get_key_value(path).map(|(f, _)| Arc::clone(f));
    let inside = tree.files.range::<str, _>((Bound::Included(&*below), Bound::Unbounded)).map(|(f, _)| f);
    let inside = inside.take_while(|f| f.starts_with(&below)).filter(|f| is_yaml(f)).cloned();
    itself.into_iter().chain(inside).collect()
}

fn no_files(tree: &SourceTree, wanted: &str, path: &At<String>) -> Diagnostic {
    let d = Diagnostic::error("SKY0110", format!("there are no YAML files at `{wanted}`")).at(&path.origin);
    let mut known: Vec<&str> =
        tree.files.keys().flat_map(|f| [&**f, split(f).0.trim_end_matches('/')]).filter(|p| !p.is_empty()).collect();
    known.dedup();
    near(d, wanted, known)
}

fn no_kustomization(tree: &SourceTree, wanted: &str, path: &At<String>) -> Diagnostic {
    let d = Diagnostic::error("SKY0145", format!("there is no kustomization at `{wanted}`")).at(&path.origin);
    near(d, wanted, folders_with(tree, &KUSTOMIZATIONS))
}

fn no_chart(tree: &SourceTree, wanted: &str, path: &At<String>) -> Diagnostic {
    let d = Diagnostic::error("SKY0145", format!("there is no chart at `{wanted}`")).at(&path.origin);
    near(d, wanted, folders_with(tree, &["Chart.yaml"]))
}

fn not_a_map(origin: &Origin) -> Diagnostic {
    Diagnostic::error("SKY0104", "values are a map")
        .at(origin)
        .hint("write `name: value`, as in the chart's values.yaml")
}

/// Folders that hold a file of one of these names.
fn folders_with<'a>(tree: &'a SourceTree, names: &[&str]) -> Vec<&'a str> {
    let folders = tree.files.keys().map(|f| split(f)).filter(|(_, name)| names.contains(name));
    folders.map(|(folder, _)| folder.trim_end_matches('/')).filter(|f| !f.is_empty()).collect()
}

fn near(d: Diagnostic, wanted: &str, known: Vec<&str>) -> Diagnostic {
    match did_you_mean(wanted, known) {
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None => d.hint("paths are relative to the file they are written in"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_their_file() {
        assert_eq!(resolve("apps/web.yaml", "../m").as_deref(), Some("m"));
        assert_eq!(resolve("skyplan.yaml", "./a/b/").as_deref(), Some("a/b"));
        assert_eq!(resolve("skyplan.yaml", "../m"), None);
        assert_eq!(resolve("skyplan.yaml", "/etc"), None);
    }
}
