//! `skyplan completions` and the hidden `skyplan man`: made from the command line itself.

use std::path::Path;

use crate::{
    cli::{exit::Exit, help, output::Output},
    diagnostic::Diagnostic,
};

pub(in crate::cli) fn run(shell: clap_complete::Shell, output: &Output) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "skyplan", &mut text);
    output.print(&String::from_utf8_lossy(&text));
    Exit::Done
}

/// Writes a page for every command into a folder.
pub(in crate::cli) fn man(folder: &Path, output: &Output) -> Exit {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(help::command().disable_help_subcommand(true), folder));
    match written {
        Ok(()) => Exit::Done,
        Err(e) => output.fault(Diagnostic::error("SKY0901", format!("{} cannot be written: {e}", folder.display()))),
    }
}
