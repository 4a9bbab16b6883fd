//! `skyplan destroy`: takes everything away that skyplan made, in reverse order.

use std::path::Path;

use super::apply::planned;
use crate::{
    cli::{args::DestroyArgs, exit::Exit, output::Output, session::Session},
    driver::{Drivers, local::LocalRoot},
};

pub(in crate::cli) async fn run(root: &Path, args: &DestroyArgs, output: &Output) -> Exit {
    let session = match Session::open(root, output) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    match session.log_to_plan().and_then(|log| Ok((log, LocalRoot::from_env()?))) {
        Ok((log, local)) => planned(&session, &Drivers::new(root, local), log, true, &args.run, output).await,
        Err(d) => output.fault(d),
    }
}
