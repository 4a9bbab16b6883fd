//! `skyplan validate`: the specs alone.

use std::path::Path;

use crate::cli::{exit::Exit, output::Output, session::Session};

pub(in crate::cli) fn run(root: &Path, output: &Output) -> Exit {
    match Session::open(root, output) {
        Ok(session) => {
            let model = &session.model;
            output.print(&format!(
                "{} is valid: {} clusters, {} components, {} objects, {} flows\n",
                model.project,
                model.clusters.len(),
                model.components.len(),
                model.objects.len(),
                model.flows.len()
            ));
            Exit::Done
        }
        Err(exit) => exit,
    }
}
