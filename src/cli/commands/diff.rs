//! `skyplan diff`: what would change between two revisions of the specs.

use std::path::Path;

use crate::{
    cli::{
        args::{DiffArgs, ProjectArgs},
        exit::Exit,
        output::Output,
        session::Texts,
    },
    compile::model::Model,
    diagnostic::Diagnostic,
    digest::digest,
    place::problem::Limits,
    plan::compare::{Fault, compare},
    render,
};

pub(in crate::cli) fn run(root: &Path, args: &DiffArgs, output: &Output) -> Exit {
    match compared(root, args, output) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn compared(root: &Path, args: &DiffArgs, output: &Output) -> Result<Exit, Exit> {
    let (from, to) = range(&args.revisions).map_err(|d| output.fault(d))?;
    let (before, before_texts) = version(root, Some(from), args, output)?;
    let (after, after_texts) = version(root, to, args, output)?;
    let mut plan = compare(&before, &after, &Limits::default()).map_err(|fault| {
        let (which, faults, texts) = match fault {
            Fault::Before(faults) => (from, faults, &before_texts),
            Fault::After(faults) => (to.unwrap_or("the working folder"), faults, &after_texts),
        };
        output.say(&format!("{which} cannot be placed:"));
        output.diagnostics(&faults, &texts.sources)
    })?;
    let environment = after.environment.as_deref();
    plan.inputs_digest =
        digest(&serde_json::json!([before_texts.digest(environment), after_texts.digest(environment)]));
    if args.json {
        output.json(&plan);
    } else {
        let to = to.unwrap_or("the working folder");
        output.print(&format!("{} {from} → {to}\n\n", output.style.bold("Specs")));
        output.print(&render::plan::render(&plan, output.style));
    }
    Ok(if args.detailed_exitcode && !plan.changes.is_empty() { Exit::Changes } else { Exit::Done })
}

/// What a revision, or the folder, comes to.
fn version(root: &Path, rev: Option<&str>, args: &DiffArgs, output: &Output) -> Result<(Model, Texts), Exit> {
    let project = ProjectArgs { reading: args.reading.clone(), rev: rev.map(str::to_owned) };
    let mut texts = Texts::read(root, &project, output)?;
    let compiled = texts.compile(args.reading.wanted());
    if compiled.faults.has_errors() {
        output.say(&format!("{} is not valid:", rev.unwrap_or("the working folder")));
    }
    // Warnings are for whoever writes the second version.
    let exit = if rev.is_none() || compiled.faults.has_errors() {
        output.diagnostics(&compiled.faults, &texts.sources)
    } else {
        Exit::Done
    };
    let valid = compiled.model.filter(|_| !compiled.faults.has_errors());
    Ok((valid.ok_or(exit)?, texts))
}

/// `A..B`, with `HEAD` for what is left out; `A` alone is compared with the folder.
fn range(text: &str) -> Result<(&str, Option<&str>), Diagnostic> {
    if text.contains("...") {
        return Err(Diagnostic::error("SKY0912", format!("`{text}` does not name two revisions"))
            .hint("write `A..B`; `git merge-base A B` names what two branches have in common"));
    }
    match text.split_once("..") {
        None => Ok((text, None)),
        Some((a, b)) if a.is_empty() && b.is_empty() => {
            Err(Diagnostic::error("SKY0912", "`..` does not name two revisions").hint("write `A..B`"))
        }
        Some((a, b)) => Ok((if a.is_empty() { "HEAD" } else { a }, Some(if b.is_empty() { "HEAD" } else { b }))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_git() {
        assert_eq!(range("main..v2").unwrap(), ("main", Some("v2")));
        assert_eq!(range("main..").unwrap(), ("main", Some("HEAD")));
        assert_eq!(range("..v2").unwrap(), ("HEAD", Some("v2")));
        assert_eq!(range("v1.2").unwrap(), ("v1.2", None));
        assert_eq!(range("a...b").unwrap_err().code, "SKY0912");
        assert_eq!(range("..").unwrap_err().code, "SKY0912");
    }
}
