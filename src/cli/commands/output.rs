//! `skyplan output`: values that the last apply gave, from the state alone.

use std::path::Path;

use serde_json::json;

use crate::{
    cli::{args::OutputArgs, exit::Exit, output::Output, session::Session},
    diagnostic::{Diagnostic, did_you_mean},
    render::outputs::{bare, values},
};

pub(in crate::cli) fn run(root: &Path, args: &OutputArgs, output: &Output) -> Exit {
    let session = match Session::open(root, &args.project, output) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let log = match session.log() {
        Ok(log) => log,
        Err(d) => return output.fault(d),
    };
    let outputs = &log.state().outputs;
    match &args.name {
        Some(name) => match outputs.get(name) {
            Some(known) if args.json => output.json(&known.value),
            Some(known) => output.print(&(bare(&known.value) + "\n")),
            None => {
                let d = Diagnostic::error("SKY0911", format!("the state has no output `{name}`"));
                let known = outputs.keys().chain(session.model.outputs.iter().map(|o| &o.name));
                let near = did_you_mean(name, known.map(String::as_str));
                let written = session.model.outputs.iter().any(|o| o.name == *name);
                return output.fault(match near {
                    _ if written => d.hint("it is read by the next `skyplan apply`"),
                    Some(near) => d.hint(format!("did you mean `{near}`?")),
                    None => d.hint("`skyplan output` lists them all; they are written as `outputs` of the Project"),
                });
            }
        },
        None if args.json => {
            output.json(&json!({
                "formatVersion": "1.0",
                "environment": session.model.environment,
                "outputs": outputs,
            }));
        }
        None if outputs.is_empty() => {
            output.print("There are no outputs; an apply reads those that the Project names.\n")
        }
        None => output.print(values(outputs, output.style).trim_start()),
    }
    Exit::Done
}
