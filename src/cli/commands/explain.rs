//! `skyplan explain`: why something is as it is, from the facts that a plan is made from.

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::{
    cli::{
        args::ExplainArgs,
        exit::Exit,
        output::Output,
        planning::{self, Asked},
        session::Session,
    },
    diagnostic::{Diagnostic, did_you_mean},
    money::MicroUsd,
    plan::answer::{Facts, Subject, WhyNotAnswer},
    render::{self, Style, codes},
};

pub(in crate::cli) async fn run(root: &Path, args: &ExplainArgs, output: &Output) -> Exit {
    if let Some(word) = args.subject.as_deref().filter(|word| is_code(word)) {
        return code(&word.to_uppercase(), args.json, output);
    }
    let (session, log, drivers) = match Session::open_to_plan(root, &args.project, output) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    let asked = Asked::default();
    let looked = planning::look(&session, log.state(), &drivers, &asked, output).await;
    let inputs = planning::inputs(&session, log.state(), "", &asked);
    let plan = looked.plan.as_ref().map(|made| &made.plan);
    let facts = match Facts::new(&session.model, &inputs, &looked.observed, plan, &session.sources) {
        Ok(facts) => facts,
        // Nothing can be placed: why not is all there is to explain.
        Err(faults) => return session.show(&faults, output),
    };
    let Some(subject) = &args.subject else {
        return told(&facts.whole(), args.json, render::what_if::whole, output);
    };
    match facts.subject(subject) {
        Err(d) => output.fault(*d),
        Ok(Subject::Component(_)) if args.field.is_some() => output.fault(
            Diagnostic::error("SKY0920", "a component has no fields to ask for")
                .hint("`--field` is for objects: `skyplan explain object/… --field spec.replicas`"),
        ),
        Ok(Subject::Component(index)) if args.why_not.is_some() => {
            match facts.why_not(index, args.why_not.as_deref().unwrap_or_default()) {
                Err(d) => output.fault(*d),
                Ok(answer) => why_not(&answer, &session, args.json, output),
            }
        }
        Ok(Subject::Resource(_)) if args.why_not.is_some() => output.fault(
            Diagnostic::error("SKY0920", "`--why-not` is about the place of a component")
                .hint("name a component, such as `shop/web`"),
        ),
        Ok(Subject::Component(index)) => {
            let answer = facts.component(index);
            if let (Err(faults), false) = (&looked.plan, args.json) {
                output.say(&format!("note: no plan can be made now ({} errors): see `skyplan plan`", faults.len()));
            }
            told(&answer, args.json, render::explain::component, output)
        }
        Ok(Subject::Resource(address)) => match facts.resource(&address, args.field.as_deref()) {
            Err(d) => output.fault(*d),
            Ok(answer) => told(&answer, args.json, render::explain::resource, output),
        },
    }
}

/// Prints an answer for programs or for people.
fn told<T: Serialize>(answer: &T, json: bool, text: fn(&T, Style) -> String, output: &Output) -> Exit {
    if json {
        output.json(answer);
    } else {
        output.print(&text(answer, output.style));
    }
    Exit::Done
}

/// Prints why a component does not run on a cluster: the lines against it as they stand in the specs.
fn why_not(answer: &WhyNotAnswer, session: &Session, json: bool, output: &Output) -> Exit {
    match answer.refusal() {
        Some(refusal) if !json => {
            output.print(&render::diagnostics::one(&refusal, &session.sources, output.style));
            output.print("\n");
            if let Some(more) = answer.regardless.filter(|more| *more != MicroUsd::ZERO) {
                let more = if more < MicroUsd::ZERO { format!("{more}") } else { format!("+{more}") };
                output.print(&format!("If only it moved there, whatever the specs say: {more}/month.\n"));
            }
            Exit::Done
        }
        _ => told(answer, json, render::what_if::why_not, output),
    }
}

/// `SKY` and digits, in any case.
fn is_code(word: &str) -> bool {
    let digits = word.get(..3).filter(|head| head.eq_ignore_ascii_case("sky")).and_then(|_| word.get(3..));
    digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
}

fn code(code: &str, json: bool, output: &Output) -> Exit {
    let Some(text) = codes::page(code) else {
        let d = Diagnostic::error("SKY0918", format!("there is no code `{code}`"));
        return output.fault(match did_you_mean(code, codes::all()) {
            Some(near) => d.hint(format!("did you mean `{near}`?")),
            None => d.hint("codes stand in brackets behind `error` and `warning`"),
        });
    };
    if json {
        output.json(&json!({"formatVersion": "1.0", "code": code, "text": text}));
    } else {
        output.print(text);
    }
    Exit::Done
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_code_is_known_by_its_form() {
        assert!(super::is_code("sky0202") && !super::is_code("skyfall") && !super::is_code("SKY"));
    }
}
