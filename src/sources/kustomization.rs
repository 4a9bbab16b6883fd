//! Which folders a kustomization reaches, and that it reaches nothing else.
//!
//! Kustomize would fetch whatever looks like an address, in every field that names a file: so they are all looked
//! at before it is run. Knows the fields of a kustomization, not what they do.

use std::sync::Arc;

use super::archive::{MOST_TOGETHER, size};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    load::{
        snapshot::{Files, Place},
        tree::is_yaml,
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
/// Fields in which nothing is named that is read. Kustomize takes every field in any case (`RESOURCES`), so that only
/// those that are written as in its documentation are known here, and no others are let through.
const OTHERS: [&str; 16] = [
    "apiVersion",
    "kind",
    "metadata",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "images",
    "imageTags",
    "replicas",
    "vars",
    "sortOptions",
    "generatorOptions",
    "buildMetadata",
];
/// Fields of entries, of those that are looked into.
const OF_ENTRIES: [(&str, &[&str]); 6] = [
    ("patches", &["path", "patch", "target", "options"]),
    ("patchesJson6902", &["path", "patch", "target", "options"]),
    ("replacements", &["path", "source", "sourceValue", "targets"]),
    ("openapi", &["path"]),
    ("configMapGenerator", &OF_GENERATORS),
    ("secretGenerator", &OF_GENERATORS),
];
const OF_GENERATORS: [&str; 9] =
    ["name", "namespace", "behavior", "files", "literals", "env", "envs", "options", "type"];
/// Fields of a kustomization whose objects are carried out: with others it could make addresses of harmless pieces.
const OF_CARRIED_OUT: [&str; 4] = ["apiVersion", "kind", "metadata", "resources"];
/// What makes kustomize run helm, which fetches charts.
const HELM: [&str; 4] = ["helmCharts", "helmGlobals", "helmChartInflationGenerator", "helmChartsGenerator"];
/// Folders that one kustomization reaches.
const MOST_FOLDERS: usize = 1_000;

/// All files that the kustomization of a source is made from.
pub(super) fn files(place: &Place, render: &Render) -> Result<Files, Diagnostics> {
    let mut files = Files::new();
    let mut open = vec![Reached { folder: render.path.clone(), origin: render.origin.clone(), carried_out: false }];
    // What is only read by one may be carried out by another.
    let mut seen: Vec<(String, bool)> = Vec::new();
    let mut faults = Diagnostics::new();
    while let Some(Reached { folder, origin, carried_out }) = open.pop() {
        if seen.iter().any(|(known, as_carried_out)| *known == folder && (*as_carried_out || !carried_out)) {
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
        let covered = seen.iter().any(|(s, _)| s.is_empty() || *s == folder || folder.starts_with(&format!("{s}/")));
        if !covered {
            match place.files(&folder).map_err(|d| *d)? {
                Some(more) => {
                    files.extend(more);
                    if size(&files) > MOST_TOGETHER {
                        let what = format!("`{}` reaches more than {} MiB", render.name(), MOST_TOGETHER >> 20);
                        faults.push(Diagnostic::error("SKY0103", what).at(&origin).hint("keep other files elsewhere"));
                        break;
                    }
                }
                None => {
                    faults.push(nothing(&folder, &origin));
                    continue;
                }
            }
        }
        let mut scan = Scan { folder: &folder, files: &files, carried_out, faults: &mut faults, reached: Vec::new() };
        match files.get(&folder) {
            // A file, not a folder: kustomize says itself whether it takes it.
            Some(bytes) if carried_out => drop(scan.look_into(&String::from_utf8_lossy(bytes), &origin)),
            Some(_) => {}
            None => scan.read(&origin),
        }
        open.append(&mut scan.reached);
        seen.push((folder, carried_out));
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
            for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with(&inside)) {
                let text = String::from_utf8_lossy(bytes);
                match is_yaml(path) {
                    true => drop(self.look_into(&text, named_at)),
                    false => {
                        self.faults.extend(address_in(&text).map(|word| remote(word, named_at)).into_iter().collect())
                    }
                }
            }
        }
    }

    fn document(&mut self, node: &Node, file: &Arc<str>) {
        let Tree::Map(entries) = &node.value else { return };
        for (key, value) in entries {
            let (origin, key) = (key.span.origin(file), &*key.value);
            if self.carried_out && !OF_CARRIED_OUT.contains(&key) {
                self.faults.push(
                    Diagnostic::error("SKY0143", format!("`{key}` may change what generators and transformers fetch"))
                        .at(&origin)
                        .hint("a kustomization of generators or transformers lists them as `resources`, and has nothing else"),
                );
                continue;
            }
            if let Some((_, known)) = OF_ENTRIES.iter().find(|(field, _)| *field == key) {
                self.known_fields(key, value, known, file);
            }
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
                // Kustomize takes texts in `patches` for those of `patchesStrategicMerge`.
                texts(value).for_each(|path| self.local(path, file));
            } else if WITH_FILES.contains(&key) {
                for item in items(value) {
                    for field in ["files", "env", "envs"] {
                        item.get(field).into_iter().flat_map(texts).for_each(|path| self.local(path, file));
                    }
                }
            } else if !OTHERS.contains(&key) {
                self.faults.push(unknown(key, "a kustomization", &origin));
            }
        }
    }

    /// Says which fields of entries are not known.
    fn known_fields(&mut self, field: &str, value: &Node, known: &[&str], file: &Arc<str>) {
        for item in items(value) {
            let Tree::Map(entries) = &item.value else { continue };
            for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&&*key.value)) {
                self.faults.push(unknown(&key.value, &format!("`{field}`"), &key.span.origin(file)));
            }
        }
    }

    fn entry(&mut self, key: &str, entry: &Node, file: &Arc<str>) {
        // As it is: kustomize takes a name with spaces for one with spaces.
        let (text, origin) = (entry.text().unwrap_or_default(), entry.span.origin(file));
        if !FOLDERS.contains(&key) {
            return self.local(entry, file);
        }
        let carried_out = self.carried_out || CARRIED_OUT.contains(&key);
        // Written right here, or a name: kustomize tries both.
        let written = match carried_out {
            true => match self.look_into(text, &origin) {
                Some(written) => written,
                None => return,
            },
            false => false,
        };
        if is_remote(text) {
            return self.faults.push(remote(text.trim(), &origin));
        }
        let Some(path) = below(self.folder, text) else {
            return self.faults.push(
                Diagnostic::error("SKY0111", format!("`{}` leads out of the project", text.escape_debug()))
                    .at(&origin)
                    .hint("a kustomization is made from files in the project's folder"),
            );
        };
        if let Some(bytes) = self.files.get(&path) {
            if carried_out {
                self.look_into(&String::from_utf8_lossy(bytes), &origin);
            }
        } else if !written {
            self.reached.push(Reached { folder: path, origin, carried_out });
        }
    }

    /// What is carried out may name files in any of its fields. `None` = it does, or that cannot be told; else whether
    /// it is more than a word.
    fn look_into(&mut self, text: &str, origin: &Origin) -> Option<bool> {
        let fault = match (address_in(text), yaml::parse(&Arc::clone(&origin.file), text)) {
            (Some(word), _) => remote(word, origin),
            (None, Ok(nodes)) => match nodes.iter().find_map(address) {
                Some(word) => remote(&word, origin),
                None => return Some(nodes.iter().any(|n| matches!(n.value, Tree::Map(_) | Tree::List(_)))),
            },
            // Whoever is not as strict may see addresses in it.
            (None, Err(why)) => {
                Diagnostic::error("SKY0143", format!("what this would fetch cannot be told: {}", why.summary))
                    .at(origin)
                    .hint("generators and transformers are written in plain YAML")
            }
        };
        if !self.faults.iter().any(|known| *known == fault) {
            self.faults.push(fault);
        }
        None
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

/// The first word in a text that would be fetched.
fn address_in(text: &str) -> Option<&str> {
    text.split(|c: char| c.is_whitespace() || "\"'[]{},".contains(c)).find(|w| is_remote(w))
}

/// The same in all keys and values, as they are read: an address may be written with escapes.
fn address(node: &Node) -> Option<String> {
    let word = |text: &str| address_in(text).map(str::to_owned).or_else(|| is_remote(text).then(|| text.to_owned()));
    match &node.value {
        Tree::Text(text) => word(text),
        Tree::List(items) => items.iter().find_map(address),
        Tree::Map(entries) => entries.iter().find_map(|(key, value)| word(&key.value).or_else(|| address(value))),
        _ => None,
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

fn unknown(key: &str, of: &str, origin: &Origin) -> Diagnostic {
    Diagnostic::error("SKY0143", format!("`{}` is no field of {of} that is known", key.escape_debug()))
        .at(origin)
        .hint("kustomize reads fields in any case, and may fetch what they name: write it as its documentation does")
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
            "RESOURCES: ['http://x/y']",
            "resource\u{17f}: ['http://x/y']",
            "patches: [{PATH: 'http://x/y'}]",
            "patches: ['http://x/y']",
            "patchesJson6902: [{Path: 'http://x/y'}]",
            "replacements: [{pAth: 'http://x/y'}]",
            "openapi: {patH: 'http://x/y'}",
            "openapi: {'path ': 'http://x/y'}",
            "configMapGenerator: [{name: a, File\u{17f}: ['http://x/y']}]",
            "secretGenerator: [{name: a, ENVS: ['http://x/y']}]",
            "generators: ['{kind: X, path: \"http:\\x2f\\x2fx/y\"}']",
            "transformers:\n- |\n  kind: X\n  path: \"http:\\u002f/x\"\n",
            "validators:\n- |\n  kind: X\n  path: [\n",
        ] {
            assert_eq!(of(text), ["SKY0143"], "{text}");
        }
        assert_eq!(of("resources: [../../etc]"), ["SKY0111"]);
        assert_eq!(of("resources: [/etc]"), ["SKY0111"]);
        for field in ["resources", "bases", "components", "generators", "transformers"] {
            let text = format!("{field}: [\"a\\n/../../../../../home/x\"]");
            assert_eq!(of(&text), ["SKY0111"], "{text}");
        }
        assert_eq!(of("transformers: [\"kind: X\\n/../../../../../home/x\"]").len(), 1);
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
        // As a base first, and carried out later, or the reverse.
        for text in ["resources: [../t]\ntransformers: [../t]", "transformers: [../t]\nresources: [../t]"] {
            let all = codes(&[
                ("over/kustomization.yaml", text),
                ("t/kustomization.yaml", "resources: [g.yaml]"),
                ("t/g.yaml", "kind: ConfigMapGenerator\nfiles: [\"http:\\x2f/127.0.0.1/x\"]\n"),
            ]);
            assert!(!all.is_empty() && all.iter().all(|(code, _)| code == "SKY0143"), "{text}: {all:?}");
        }
        // What is harmless in pieces.
        let all = codes(&[
            ("over/kustomization.yaml", "transformers: [../t]"),
            ("t/kustomization.yaml", "resources: [g.yaml]\nnamePrefix: 'http:/'"),
            ("t/g.yaml", "kind: A\n"),
        ]);
        assert_eq!(all, [("SKY0143".into(), "t/kustomization.yaml:2".into())]);
        let text = "transformers:\n- |\n  kind: PrefixTransformer\n  metadata: {name: a}\n  prefix: ../x/../y/z\n";
        assert_eq!(of(text), [""; 0]);
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
