//! Plan files as they are read: for an apply, or to be looked at.

use std::path::Path;

use crate::{
    diagnostic::Diagnostic,
    plan::{Plan, change::FORMAT_VERSION},
};

/// Reads a plan file.
pub(super) fn read(file: &Path) -> Result<Plan, Diagnostic> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|e| {
        Diagnostic::error("SKY0901", format!("{name} cannot be read: {e}"))
            .hint(format!("write it with `skyplan plan -o {name}`, or name another plan file"))
    })?;
    let plan: Plan = serde_json::from_slice(&text).map_err(|e| {
        Diagnostic::error("SKY0901", format!("{name} is not a plan: {e}")).hint("write one with `skyplan plan -o FILE`")
    })?;
    if plan.format_version.split('.').next() == FORMAT_VERSION.split('.').next() {
        return Ok(plan);
    }
    let format = &plan.format_version;
    Err(Diagnostic::error("SKY0901", format!("{name} has format {format}, this skyplan reads {FORMAT_VERSION}")))
}
