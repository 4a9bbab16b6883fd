//! `kustomize build`, or `kubectl kustomize`.
//!
//! The kustomization is built as the only resource of another one, which asks for the origin of every object:
//! `load` takes it out again. The load restrictor stays as it is: files are read below their own kustomization only,
//! while other kustomizations (`../base`) may be anywhere in the project.

use std::{ffi::OsString, path::Path};

use super::{TREE, child::Bounds, child::run, tool::Tool, unfinished};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    spec::Render,
};

pub(super) fn render(render: &Render, tool: &Tool, folder: &Path, bounds: Bounds) -> Result<String, Diagnostics> {
    let place = if render.path.is_empty() { TREE.to_owned() } else { format!("{TREE}/{}", render.path) };
    // JSON is YAML.
    let outer = serde_json::json!({"resources": [place], "buildMetadata": ["originAnnotations"]});
    if let Err(e) = std::fs::write(folder.join("kustomization.yaml"), outer.to_string()) {
        return Err(super::own_fault(render, &e).into());
    }
    let args: [OsString; 2] = [tool.command.into(), ".".into()];
    let said = run(&tool.program, &args, folder, bounds).map_err(|f| unfinished(render, tool, f))?;
    if !said.success {
        return Err(failed(render, tool, &said.faults, folder).into());
    }
    let text = String::from_utf8(said.out).map_err(|_| failed(render, tool, "what it writes is not UTF-8", folder))?;
    Ok(text
        .replace(&format!("      path: {TREE}/"), "      path: ")
        .replace(&format!("      configuredIn: {TREE}/"), "      configuredIn: "))
}

/// What kustomize says, in terms of the project's folders.
pub(crate) fn failed(render: &Render, tool: &Tool, said: &str, folder: &Path) -> Diagnostic {
    let said = said.replace(&format!("{}/{TREE}", folder.display()), ".").replace(&format!("'{TREE}/"), "'");
    let said = said.trim().trim_start_matches("Error: ").trim_start_matches("error: ");
    // The last clause is the cause; what is before it says on which way it was met.
    Diagnostic::error("SKY0141", format!("`{}` cannot be built", render.name()))
        .detail(format!("{} says: {said}", tool.name))
        .at(&render.origin)
        .hint("`kustomize build` in that folder shows the same")
}
