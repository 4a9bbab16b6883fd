//! Plan files on disk: written whole, read for an apply or to be looked at.

use std::path::Path;

use crate::{
    diagnostic::Diagnostic,
    plan::{
        Plan,
        file::{self, PlanFile},
    },
};

/// Reads a plan file.
pub(super) fn read(path: &Path) -> Result<Plan, Diagnostic> {
    read_all(path).map(|file| file.plan)
}

/// Reads a plan file, with the bytes that signatures are over.
pub(super) fn read_all(path: &Path) -> Result<PlanFile, Diagnostic> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| {
        Diagnostic::error("SKY0901", format!("{name} cannot be read: {e}"))
            .hint(format!("write it with `skyplan plan -o {name}`, or name another plan file"))
    })?;
    file::read(&name, &bytes).map_err(|d| *d)
}

/// Writes a plan file.
pub(super) fn write(path: &Path, plan: &Plan) -> Result<(), Diagnostic> {
    std::fs::write(path, plan.to_file())
        .map_err(|e| Diagnostic::error("SKY0901", format!("{} cannot be written: {e}", path.display())))
}
