//! `skyplan plan`: what an apply would do.

use std::path::Path;

use crate::{
    cli::{
        args::{OtherArgs, PartArgs, PlanArgs, ProjectArgs},
        exit::Exit,
        output::Output,
        planfile,
        planning::{self, Asked},
        replay::{self, Replay},
        sealing,
        session::Session,
    },
    observed::Observed,
    place::wish::{Reconsider, Wish},
    plan::{Plan, Scope, check::refusal},
    render,
};

pub(in crate::cli) async fn run(root: &Path, args: &PlanArgs, output: &Output) -> Exit {
    if let Some(file) = &args.replay {
        let replay = match Replay::read(file) {
            Ok(replay) => replay,
            Err(d) => return output.fault(d),
        };
        return match replay.plan() {
            Ok(plan) => show(&plan, args, output),
            Err(faults) => output.diagnostics(&faults, &crate::diagnostic::SourceMap::default()),
        };
    }
    // A large file is read while the specs are.
    let answers = args.observed.clone().map(|file| std::thread::spawn(move || replay::read_observed(&file)));
    let (session, log, drivers) = match Session::open_to_plan(root, &args.project, output) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    let mut asked = asked(args.destroy, &args.part, &args.other, &args.project);
    asked.scope.wish.without = args.without_cluster.iter().cloned().collect();
    asked.scope.wish.sensitivity = args.json;
    let looked = if args.offline {
        let answered = answers.map_or_else(
            || Ok(Observed::default()),
            |reader| reader.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)),
        );
        match answered {
            Ok(observed) => planning::offline(&session, log.state(), observed, &asked),
            Err(d) => return output.fault(d),
        }
    } else {
        planning::look(&session, log.state(), &drivers, &asked, output).await
    };
    // Also of a plan that cannot be made: that is what one reports.
    if let Some(file) = &args.record {
        let replay = Replay::new(
            &session.model,
            &session.inputs_digest(&log.state().secret_key),
            &asked,
            log.state(),
            &looked.observed,
        );
        if let Err(d) = replay.write(file) {
            return output.fault(d);
        }
    }
    let exit = match &looked.plan {
        Ok(made) => {
            let key = &log.state().secret_key;
            let sealed = || sealing::for_file(&made.plan, &made.secrets, &session.model.recipients, key);
            match args.out.as_ref().map(|_| sealed()) {
                None => show(&made.plan, args, output),
                Some(Ok(sealed)) => {
                    let revision = session.source(key).revision;
                    show(&Plan { sealed, revision, ..made.plan.clone() }, args, output)
                }
                Some(Err(d)) => output.fault(d),
            }
        }
        Err(faults) => session.show(faults, output),
    };
    // The process ends: the kernel takes memory back at once, piece by piece it takes longer.
    std::mem::forget((looked, session));
    exit
}

/// What the options ask for.
pub(super) fn asked(destroy: bool, part: &PartArgs, other: &OtherArgs, project: &ProjectArgs) -> Asked {
    let reoptimize = match other.reoptimize.as_slice() {
        [] => Reconsider::Nothing,
        words if words.iter().any(|w| w == "*") => Reconsider::All,
        words => Reconsider::Only(words.iter().cloned().collect()),
    };
    let scope = Scope {
        targets: part.targets.clone(),
        excludes: part.excludes.clone(),
        replace: other.replace.iter().cloned().collect(),
        refresh_only: other.refresh_only,
        on_conflict: other.on_conflict,
        wish: Wish { reoptimize, supposed: project.supposed(), ..Wish::default() },
        ..Scope::default()
    };
    Asked { destroy, scope, gap: other.gap, ..Asked::default() }
}

fn show(plan: &Plan, args: &PlanArgs, output: &Output) -> Exit {
    if args.json {
        output.json(plan);
    } else {
        output.print(&render::plan::render(plan, output.style));
    }
    if let Some(file) = &args.out {
        if let Err(d) = planfile::write(file, plan) {
            return output.fault(d);
        }
        let file = file.display();
        let with: String = args.project.typed().iter().map(|word| format!(" {word}")).collect();
        output.say(&if plan.applyable {
            format!("The plan is in {file}; do it with `skyplan apply{with} {file}`.")
        } else {
            format!("The plan is in {file}, to be looked at: it cannot be applied.")
        });
    }
    if let Some(d) = refusal(&plan.checks) {
        return output.fault(d);
    }
    if !plan.conflicts.is_empty() {
        return Exit::Error;
    }
    match (args.detailed_exitcode, plan.is_empty()) {
        (true, false) => Exit::Changes,
        // Nobody knows whether there would be any.
        (true, true) if !plan.complete && !plan.is_narrowed() && !plan.refresh_only => Exit::Error,
        _ => Exit::Done,
    }
}
