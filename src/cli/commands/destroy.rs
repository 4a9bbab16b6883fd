//! `skyplan destroy`: takes everything away that skyplan made, in reverse order.

use std::path::Path;

use super::apply::planned;
use crate::cli::{args::DestroyArgs, exit::Exit, output::Output, session::Session};

pub(in crate::cli) async fn run(root: &Path, args: &DestroyArgs, output: &Output) -> Exit {
    match Session::open_to_plan(root, &args.project, output) {
        Ok((session, log, drivers)) => planned(&session, &drivers, log, true, &args.run, output).await,
        Err(exit) => exit,
    }
}
