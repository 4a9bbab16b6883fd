//! Which folders a kustomization reaches, and that it reaches nothing else.
//!
//! Kustomize would fetch whatever looks like an address, in every field that names a file: so they are all looked
//! at before it is run. Knows the fields of a kustomization, not what they do.

use std::sync::Arc;

use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    load::{
        snapshot::{Files, Place},
        yaml::{self, Node, Tree},
    },
    spec::Render,
};

const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Lists of files and folders.
const FOLDERS: [&str; 7] =
    ["resources", "bases", "components", "generators", "transformers", "validators", "configurations"];
/// Those whose files are carried out, and may name files themselves.
const CARRIED_OUT: [&str; 3] = ["generators", "transformers", "validators"];
/// Lists of files.
const FILES: [&str; 2] = ["crds", "patchesStrategicMerge"];
/// Fields with a `path` in their entries.
const WITH_PATHS: [&str; 4] = ["patches", "patchesJson6902", "replacements", "openapi"];
/// Fields with files in their entries, maybe as `key=path`.
const WITH_FILES: [&str; 2] = ["configMapGenerator", "secretGenerator"];
/// What makes kustomize run helm, which fetches charts.
const HELM: [&str; 4] = ["helmCharts", "helmGlobals", "helmChartInflationGenerator", "helmChartsGenerator"];
/// Folders that one kustomization reaches.
const MOST_FOLDERS: usize = 1_000;

/// All files that the kustomization of a source is made from.
pub(super) fn files(place: &Place, render: &Render) -> Result<Files, Diagnostics> {
    let mut files = Files::new();
    let mut open = vec![Reached { folder: render.path.clone(), origin: render.origin.clone(), carried_out: false }];
    let mut seen: Vec<String> = Vec::new();
    let mut faults = Diagnostics::new();
    while let Some(Reached { folder, origin, carried_out }) = open.pop() {
        if seen.contains(&folder) {
            continue;
        }
        if seen.len() == MOST_FOLDERS {
            faults.push(
                Diagnostic::error("SKY0103", format!("`{}` reaches more than {MOST_FOLDERS} folders", render.name()))
                    .at(&origin),
            );
            break;
        }
        // What is below a folder that was read is there already.
        let covered = seen.iter().any(|s| s.is_empty() || folder.starts_with(&format!("{s}/")));
        if !covered {
            match place.files(&folder).map_err(|d| *d)? {
                Some(more) => files.extend(more),
                None => {
                    faults.push(nothing(&folder, &origin));
                    continue;
                }
            }
        }
        if files.contains_key(&folder) {
            // A file, not a folder: kustomize says itself whether it takes it.
            continue;
        }
        let mut scan = Scan { folder: &folder, files: &files, carried_out, faults: &mut faults, reached: Vec::new() };
        scan.read(&origin);
        open.append(&mut scan.reached);
        seen.push(folder);
    }
    if faults.has_errors() { Err(faults) } else { Ok(files) }
}

/// A folder, and who named it.
struct Reached {
    folder: String,
    origin: Origin,
    /// What is in it is carried out by kustomize.
    carried_out: bool,
}

struct Scan<'a> {
    folder: &'a str,
    files: &'a Files,
    carried_out: bool,
    faults: &'a mut Diagnostics,
    reached: Vec<Reached>,
}

impl Scan<'_> {
    fn read(&mut self, named_at: &Origin) {
        let path =
            |name: &str| if self.folder.is_empty() { name.to_owned() } else { format!("{}/{name}", self.folder) };
        let Some((file, bytes)) = NAMES.iter().find_map(|n| self.files.get_key_value(&path(n))) else {
            return self.faults.push(nothing(self.folder, named_at));
        };
        let file: Arc<str> = file.as_str().into();
        let nodes = match std::str::from_utf8(bytes).map(|text| yaml::parse(&file, text)) {
            Ok(Ok(nodes)) => nodes,
            Ok(Err(fault)) => return self.faults.push(*fault),
            Err(_) => {
                return self.faults.push(
                    Diagnostic::error("SKY0109", format!("`{file}` is not UTF-8 text"))
                        .at(&Origin::file(file))
                        .hint("save it as UTF-8"),
                );
            }
        };
        for node in &nodes {
            self.document(node, &file);
        }
        if self.carried_out {
            let inside = if self.folder.is_empty() { String::new() } else { format!("{}/", self.folder) };
            let files = self.files;
            for (_, bytes) in files.iter().filter(|(path, _)| path.starts_with(&inside)) {
                self.look_into(&String::from_utf8_lossy(bytes), named_at);
            }
        }
    }

    fn document(&mut self, node: &Node, file: &Arc<str>) {
        let Tree::Map(entries) = &node.value else { return };
        for (key, value) in entries {
            let key = &*key.value;
            if HELM.contains(&key) {
                self.faults.push(
                    Diagnostic::error("SKY0143", format!("`{key}` makes kustomize run helm, which fetches charts"))
                        .at(&value.span.origin(file))
                        .hint("write a `helm` source into the Application"),
                );
            } else if FOLDERS.contains(&key) || FILES.contains(&key) {
                for entry in texts(value) {
                    self.entry(key, entry, file);
                }
            } else if WITH_PATHS.contains(&key) {
                items(value).filter_map(|item| item.get("path")).for_each(|path| self.local(path, file));
            } else if WITH_FILES.contains(&key) {
                for item in items(value) {
                    for field in ["files", "env", "envs"] {
                        item.get(field).into_iter().flat_map(texts).for_each(|path| self.local(path, file));
                    }
                }
            }
        }
    }

    fn entry(&mut self, key: &str, entry: &Node, file: &Arc<str>) {
        let text = entry.text().unwrap_or_default().trim();
        let carried_out = self.carried_out || CARRIED_OUT.contains(&key);
        // Written right here.
        if text.contains('\n') {
            if carried_out {
                self.look_into(text, &entry.span.origin(file));
            }
            return;
        }
        self.local(entry, file);
        if is_remote(text) || !FOLDERS.contains(&key) {
            return;
        }
        let Some(path) = below(self.folder, text) else {
            return self.faults.push(
                Diagnostic::error("SKY0111", format!("`{text}` leads out of the project"))
                    .at(&entry.span.origin(file))
                    .hint("a kustomization is made from files in the project's folder"),
            );
        };
        if let Some(bytes) = self.files.get(&path) {
            if carried_out {
                self.look_into(&String::from_utf8_lossy(bytes), &entry.span.origin(file));
            }
            return;
        }
        self.reached.push(Reached { folder: path, origin: entry.span.origin(file), carried_out });
    }

    /// What is carried out may name files in any of its fields.
    fn look_into(&mut self, text: &str, origin: &Origin) {
        if let Some(word) = text.split(|c: char| c.is_whitespace() || "\"'[]{},".contains(c)).find(|w| is_remote(w)) {
            self.faults.push(remote(word, origin));
        }
    }

    fn local(&mut self, node: &Node, file: &Arc<str>) {
        let text = node.text().unwrap_or_default().trim();
        let path =
            text.split_once('=').filter(|(key, _)| !key.contains([':', '/', '?'])).map_or(text, |(_, path)| path);
        if !text.contains('\n') && (is_remote(text) || is_remote(path)) {
            self.faults.push(remote(text, &node.span.origin(file)));
        }
    }
}

/// What kustomize would take for the address of a file or a repository.
fn is_remote(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let head = |h: &str| text.starts_with(h);
    text.contains("://")
        || text.contains("?ref=")
        || text.contains("?version=")
        || ["git::", "git@", "gh:", "github.com", "www.github.com"].into_iter().any(head)
        || text.split_once('@').is_some_and(|(_, host)| host.contains(':') && !host.contains(' '))
}

fn items(node: &Node) -> impl Iterator<Item = &Node> {
    let (list, one) = match &node.value {
        Tree::List(items) => (items.as_slice(), None),
        _ => (&[][..], Some(node)),
    };
    list.iter().chain(one)
}

fn texts(node: &Node) -> impl Iterator<Item = &Node> {
    items(node).filter(|n| n.text().is_some())
}

/// A path as kustomize takes it, from the project's root on.
fn below(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn nothing(folder: &str, origin: &Origin) -> Diagnostic {
    let folder = if folder.is_empty() { "." } else { folder };
    Diagnostic::error("SKY0145", format!("there is no kustomization at `{folder}`"))
        .at(origin)
        .hint(format!("kustomize looks for {}", NAMES.join(", ")))
}

fn remote(text: &str, origin: &Origin) -> Diagnostic {
    Diagnostic::error("SKY0143", format!("`{text}` would be fetched while it is rendered"))
        .at(origin)
        .hint("a plan reads nothing from the network: copy it into the project, or write a source with `git` and run `skyplan lock`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Renderer;

    fn codes(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let render =
            Render { origin: Origin::file("app.yaml"), content: None, path: "over".into(), how: Renderer::Kustomize };
        match super::files(&Place::Folder(dir.path().into()), &render) {
            Ok(files) => files.into_keys().map(|f| (String::new(), f)).collect(),
            Err(out) => out.iter().map(|d| (d.code.clone(), d.labels[0].origin.to_string())).collect(),
        }
    }

    fn of(text: &str) -> Vec<String> {
        codes(&[("over/kustomization.yaml", text)]).into_iter().map(|(c, _)| c).filter(|c| !c.is_empty()).collect()
    }

    #[test]
    fn bases_are_taken_in() {
        let all = codes(&[
            ("over/kustomization.yaml", "resources: [../base, a.yaml]\ncomponents: [../parts/x]\n"),
            ("over/a.yaml", ""),
            ("base/Kustomization", "resources: [b.yaml]"),
            ("base/b.yaml", ""),
            ("parts/x/kustomization.yml", "kind: Component"),
            ("parts/y/kustomization.yml", "kind: Component"),
        ]);
        let files: Vec<&str> = all.iter().map(|(_, f)| f.as_str()).collect();
        let [a, b] = ["base/Kustomization", "base/b.yaml"];
        assert_eq!(files, [a, b, "over/a.yaml", "over/kustomization.yaml", "parts/x/kustomization.yml"]);
    }

    #[test]
    fn whatever_would_be_fetched_is_refused() {
        for text in [
            "resources: ['https://example.com/a.yaml']",
            "resources: ['HTTPS://example.com/a.yaml']",
            "bases: [github.com/o/r]",
            "components: ['git@example.com:o/r.git']",
            "resources: ['o/r?ref=v1']",
            "resources: ['git::https://x/y']",
            "resources: ['ssh://git@x/y']",
            "resources: ['file:///etc']",
            "patches: [{path: 'http://x/y'}]",
            "patchesStrategicMerge: ['http://x/y']",
            "patchesJson6902: [{path: 'http://x/y'}]",
            "replacements: [{path: 'http://x/y'}]",
            "openapi: {path: 'http://x/y'}",
            "crds: ['http://x/y']",
            "configurations: ['http://x/y']",
            "configMapGenerator: [{name: a, files: ['k=http://x/y']}]",
            "secretGenerator: [{name: a, envs: ['http://x/y']}]",
            "configMapGenerator: [{name: a, env: 'http://x/y'}]",
            "generators: ['http://x/y']",
            "transformers:\n- |\n  kind: PatchTransformer\n  path: http://127.0.0.1/x\n",
            "helmCharts: [{name: x}]",
        ] {
            assert_eq!(of(text), ["SKY0143"], "{text}");
        }
        assert_eq!(of("resources: [../../etc]"), ["SKY0111"]);
        assert_eq!(of("resources: [/etc]"), ["SKY0111"]);
        assert_eq!(of("resources: [../none]"), ["SKY0145"]);
        assert_eq!(of("resources: ["), ["SKY0101"]);
    }

    #[test]
    fn addresses_in_values_are_values() {
        let text = "commonAnnotations: {docs: 'https://example.com'}\nimages: [{name: a, newName: 'x/y:1'}]\n\
                    configMapGenerator: [{name: a, literals: ['URL=https://example.com']}]\n\
                    patches:\n- patch: |\n    a: https://example.com\n";
        assert_eq!(of(text), [""; 0]);
    }

    #[test]
    fn files_that_are_carried_out_are_looked_into() {
        let generator = "kind: ConfigMapGenerator\nfiles: [http://127.0.0.1/x]\n";
        let all = codes(&[("over/kustomization.yaml", "generators: [g.yaml]"), ("over/g.yaml", generator)]);
        assert_eq!(all, [("SKY0143".into(), "over/kustomization.yaml:1".into())]);
        let all = codes(&[
            ("over/kustomization.yaml", "transformers: [../t]"),
            ("t/kustomization.yaml", "resources: [../u]"),
            ("u/kustomization.yaml", "resources: [g.yaml]"),
            ("u/g.yaml", generator),
        ]);
        // Said where the file is named, and once for the folder.
        assert!(!all.is_empty() && all.iter().all(|(code, _)| code == "SKY0143"), "{all:?}");
    }
}
