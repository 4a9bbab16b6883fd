//! `skyplan destroy`: takes everything away that skyplan made, in reverse order.

use std::path::Path;

use super::{apply::planned, plan::asked};
use crate::cli::{
    args::{DestroyArgs, OtherArgs},
    exit::Exit,
    output::Output,
    session::Session,
};

pub(in crate::cli) async fn run(root: &Path, args: &DestroyArgs, output: &Output) -> Exit {
    match Session::open_to_plan(root, &args.project, output) {
        Ok((session, log, drivers)) => {
            let asked = asked(true, &args.part, &OtherArgs::default(), &args.project);
            planned(&session, &drivers, log, &asked, args.allow_deletes, &args.run, output).await
        }
        Err(exit) => exit,
    }
}
