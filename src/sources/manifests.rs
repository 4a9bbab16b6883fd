//! Manifests in something that was fetched: nothing is rendered, they are only read.

use std::collections::BTreeMap;

use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    load::{
        snapshot::{Files, Place},
        tree::is_yaml,
    },
    spec::{Render, Rendered},
};

/// Folders with one of these are for a tool.
const OTHERS: [&str; 4] = ["Chart.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The YAML files below a folder, but for those of charts and kustomizations.
pub(super) fn files(place: &Place, render: &Render) -> Result<Files, Diagnostics> {
    let mut files = place.files(&render.path).map_err(|d| *d)?.unwrap_or_default();
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let name = |path: &str| path.rsplit_once('/').map_or(path, |(_, name)| name).to_owned();
    let others: Vec<String> = files.keys().filter(|p| OTHERS.contains(&&*name(p))).map(|p| folder(p)).collect();
    files.retain(|path, _| is_yaml(path) && !path.ends_with(".age") && !others.iter().any(|o| path.starts_with(o)));
    if files.is_empty() {
        return Err(Diagnostic::error("SKY0110", format!("there are no YAML files at `{}`", render.name()))
            .at(&render.origin)
            .hint("for a kustomization or a chart in it write `kustomize` or `helm` beside `git` or `oci`")
            .into());
    }
    Ok(files)
}

/// Their texts.
pub(super) fn read(render: &Render, files: &Files) -> Result<Rendered, Diagnostics> {
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, bytes) in files {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(Diagnostic::error("SKY0109", format!("`{path}` in `{}` is not UTF-8 text", render.name()))
                .at(&render.origin)
                .hint("save it as UTF-8")
                .into());
        };
        texts.insert(path, text);
    }
    let output = serde_json::json!(texts).to_string();
    let inputs = render.content.as_ref().map_or_else(String::new, |c| c.sha256.clone());
    Ok(Rendered { tool: String::new(), inputs, output })
}
