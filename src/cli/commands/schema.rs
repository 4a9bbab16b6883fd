//! `skyplan schema`: the JSON Schema of a kind, or of plans.

use crate::{
    cli::{exit::Exit, output::Output},
    diagnostic::{Diagnostic, did_you_mean},
    plan::{Plan, answer::ContingencyAnswer},
    render::status::Status,
    spec::{KINDS, schema},
};

pub(in crate::cli) fn run(kind: Option<&str>, output: &Output) -> Exit {
    let Some(kind) = kind else {
        output.print(&(KINDS.join("\n") + "\ncontingency\nplan\nstatus\n"));
        return Exit::Done;
    };
    let found = match kind {
        "contingency" => Some(schemars::schema_for!(ContingencyAnswer).to_value()),
        "plan" => Some(schemars::schema_for!(Plan).to_value()),
        "status" => Some(schemars::schema_for!(Status).to_value()),
        kind => schema(kind),
    };
    match found {
        Some(schema) => {
            output.json(&schema);
            Exit::Done
        }
        None => {
            let d = Diagnostic::error("SKY0113", format!("there is no kind `{kind}`"));
            output.fault(match did_you_mean(kind, KINDS) {
                Some(near) => d.hint(format!("did you mean `{near}`?")),
                None => d.hint(format!("kinds are {}", KINDS.join(", "))),
            })
        }
    }
}
