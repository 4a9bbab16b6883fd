//! `skyplan import`: takes over what is there already and stands in the specs.

use std::path::Path;

use super::{apply::planned, plan::asked};
use crate::cli::{
    args::{ImportArgs, OtherArgs, PartArgs},
    exit::Exit,
    output::Output,
    session::Session,
};

pub(in crate::cli) async fn run(root: &Path, args: &ImportArgs, output: &Output) -> Exit {
    match Session::open_to_plan(root, &args.project, output) {
        Ok((session, log, drivers)) => {
            // Only these: whatever else differs is for `apply`.
            let part =
                PartArgs { targets: args.addresses.iter().map(ToString::to_string).collect(), ..PartArgs::default() };
            let mut asked = asked(false, &part, &OtherArgs::default(), &args.project);
            asked.scope.imports = args.addresses.iter().cloned().collect();
            planned(&session, &drivers, log, &asked, false, &args.run, output).await
        }
        Err(exit) => exit,
    }
}
