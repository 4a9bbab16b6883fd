//! `skyplan contingency`: what the loss of each cluster would mean.

use std::path::Path;

use crate::{
    cli::{
        args::ContingencyArgs,
        exit::Exit,
        output::Output,
        planning::{self, Asked},
        session::Session,
    },
    plan::answer::Facts,
    render,
};

pub(in crate::cli) async fn run(root: &Path, args: &ContingencyArgs, output: &Output) -> Exit {
    let (session, log, drivers) = match Session::open_to_look(root, &args.project, output) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    let asked = Asked::default();
    let observed = planning::look(&session, log.state(), &drivers, &asked, output).await.observed;
    let inputs = planning::inputs(&session, log.state(), "", &asked);
    let facts = match Facts::new(&session.model, &inputs, &observed, Err(&Default::default()), &session.sources) {
        Ok(facts) => facts,
        Err(faults) => return session.show(&faults, output),
    };
    let answer = facts.contingency(args.pairs);
    if args.json {
        output.json(&answer);
    } else {
        output.print(&render::what_if::contingency(&answer, output.style));
    }
    if answer.holds { Exit::Done } else { Exit::Infeasible }
}
