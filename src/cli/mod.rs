//! The command line: arguments in, text and an exit status out. The only module that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod commands;
mod download;
mod events;
mod exit;
mod help;
mod identities;
mod keys;
mod output;
mod own_files;
mod planfile;
mod planning;
mod progress;
mod replay;
mod resume;
mod sealing;
mod session;

use std::ffi::OsString;

use clap::FromArgMatches as _;
use tokio::signal::unix;

pub use self::exit::Exit;
use self::{
    args::{Args, Command},
    output::Output,
};

/// Runs the command that the arguments name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let parsed = help::command().try_get_matches_from(args).and_then(|m| Args::from_arg_matches(&m));
    let args = match parsed {
        Ok(args) => args,
        Err(e) => {
            let _ = e.print();
            // `--help` and `--version` come as errors too.
            return if e.use_stderr() { Exit::Error } else { Exit::Done };
        }
    };
    let output = Output::new(args.color);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: no threads to work with: {e}");
            return Exit::Error;
        }
    };
    let root = args.directory;
    runtime.block_on(async {
        // A file that may not grow (`ulimit -f`) shall be an error that is told, not the end.
        let _ = unix::signal(unix::SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
        match args.command {
            Command::Init(options) => commands::init::run(&root, &options, &output),
            Command::Validate(options) => commands::validate::run(&root, &options, &output),
            Command::Plan(options) => commands::plan::run(&root, &options, &output).await,
            Command::Diff(options) => commands::diff::run(&root, &options, &output),
            Command::Apply(options) => commands::apply::run(&root, &options, &output).await,
            Command::Destroy(options) => commands::destroy::run(&root, &options, &output).await,
            Command::Import(options) => commands::import::run(&root, &options, &output).await,
            Command::Rollback(options) => commands::rollback::run(&root, &options, &output).await,
            Command::Output(options) => commands::output::run(&root, &options, &output),
            Command::Status(options) => commands::status::run(&root, &options, &output).await,
            Command::Show(options) => commands::show::run(&root, &options, &output).await,
            Command::Graph(options) => commands::graph::run(&root, &options, &output).await,
            Command::Completions { shell } => commands::completions::run(shell, &output),
            Command::Man { folder } => commands::completions::man(&folder, &output),
            Command::Explain(options) => commands::explain::run(&root, &options, &output).await,
            Command::Contingency(options) => commands::contingency::run(&root, &options, &output).await,
            Command::State { project, command } => commands::state::run(&root, &project, &command, &output),
            Command::Keygen(options) => commands::sign::keygen(&options, &output),
            Command::Sign(options) => commands::sign::sign(&options, &output),
            Command::Verify(options) => commands::sign::verify(&root, &options, &output),
            Command::Catalog { command } => commands::catalog::run(&root, &command, &output).await,
            Command::Lock(options) => commands::lock::run(&root, &options, &output),
            Command::Schema { kind } => commands::schema::run(kind.as_deref(), &output),
            Command::Local { command } => commands::local::run(&command, &output).await,
        }
    })
}
