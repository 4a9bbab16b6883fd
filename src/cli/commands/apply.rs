//! `skyplan apply`: does what a plan says, after showing it and asking, or what a plan file says.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::{
    apply::{self, Options},
    cli::{
        args::{ApplyArgs, ProjectArgs, RunArgs},
        exit::Exit,
        output::Output,
        planning,
        progress::Shown,
        session::Session,
    },
    diagnostic::{Diagnostic, Diagnostics},
    driver::Drivers,
    load::parameters::Wanted,
    plan::{Plan, change::FORMAT_VERSION, secret::Secrets, secret_values},
    render,
    state::store::Log,
};

/// All changes together may take this long.
const TOTAL: std::time::Duration = std::time::Duration::from_secs(30 * 60);

pub(in crate::cli) async fn run(root: &Path, args: &ApplyArgs, output: &Output) -> Exit {
    let file = match args.plan.as_deref().map(|file| read(file, &args.project)).transpose() {
        Ok(file) => file,
        Err(d) => return output.fault(d),
    };
    // A plan file says itself which environment it is for.
    let environment = file.as_ref().and_then(|plan| plan.environment.clone());
    let project = ProjectArgs { env: environment.or_else(|| args.project.env.clone()), ..args.project.clone() };
    let (session, log, drivers) = match Session::open_to_plan(root, &project, output) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    match file {
        Some(plan) => {
            if let Err(d) = still_true(&plan, &session, &log) {
                return output.fault(d);
            }
            output.print(&render::plan::render(&plan, output.style));
            let changed = plan.changes.iter().map(|c| &c.address);
            let secrets = secret_values(&session.model, changed, &log.state().secret_key);
            execute(&plan, &secrets, &drivers, log, &args.run, output).await
        }
        None => planned(&session, &drivers, log, false, &args.run, output).await,
    }
}

/// Plans, shows, asks, does.
pub(super) async fn planned(
    session: &Session,
    drivers: &Drivers,
    log: Log,
    destroy: bool,
    args: &RunArgs,
    output: &Output,
) -> Exit {
    let made = match planning::make(session, log.state(), drivers, destroy, output).await {
        Ok(made) => made,
        Err(faults) => return session.show(&faults, output),
    };
    output.print(&render::plan::render(&made.plan, output.style));
    if made.plan.changes.is_empty() && made.plan.conflicts.is_empty() {
        return remember(&made.plan, log, output);
    }
    let refused = !made.plan.guards.is_empty() && !args.allow_deletes;
    if made.plan.applyable && !args.yes && !refused {
        if !output.interactive {
            let verb = if destroy { "destroy" } else { "apply" };
            return output.fault(
                Diagnostic::error("SKY0904", "nobody is there to be asked")
                    .hint(format!("look at the plan above, then run `skyplan {verb} --yes`")),
            );
        }
        let question = if destroy { "\nTake all of this away?" } else { "\nDo this?" };
        if !output.confirm(question) {
            output.say("Nothing was done.");
            return Exit::Error;
        }
    }
    execute(&made.plan, &made.secrets, drivers, log, args, output).await
}

/// A plan without changes may still have placed something for the first time.
fn remember(plan: &Plan, mut log: Log, output: &Output) -> Exit {
    match &plan.placement_record {
        Some(placement) if log.state().placement != *placement => {
            let end = apply::end_of(Some(placement.clone()));
            log.append(&end).map_or_else(|d| output.fault(d), |()| Exit::Done)
        }
        _ => Exit::Done,
    }
}

/// Reads a plan file, which is to be for the environment that is named, if one is.
fn read(file: &Path, project: &ProjectArgs) -> Result<Plan, Diagnostic> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|e| Diagnostic::error("SKY0901", format!("{name} cannot be read: {e}")))?;
    let plan: Plan = serde_json::from_slice(&text).map_err(|e| {
        Diagnostic::error("SKY0901", format!("{name} is not a plan: {e}")).hint("write one with `skyplan plan -o FILE`")
    })?;
    if plan.format_version.split('.').next() != FORMAT_VERSION.split('.').next() {
        return Err(Diagnostic::error(
            "SKY0901",
            format!("{name} has format {}, this skyplan reads {FORMAT_VERSION}", plan.format_version),
        ));
    }
    if let (Wanted::Named(wanted), made) = (project.wanted(), plan.environment.as_deref().unwrap_or("default"))
        && wanted != made
    {
        return Err(Diagnostic::error(
            "SKY0910",
            format!("{name} is a plan for environment `{made}`, not for `{wanted}`"),
        )
        .hint("leave `--env` and SKYPLAN_ENV out, or plan for the environment that is meant"));
    }
    Ok(plan)
}

/// Checks that the project still says what a plan was made from.
fn still_true(plan: &Plan, session: &Session, log: &Log) -> Result<(), Diagnostic> {
    if plan.inputs_digest != session.inputs_digest(&log.state().secret_key) {
        return Err(Diagnostic::error("SKY0501", "the specs have changed since this plan was made").hint(
            "plan again: `skyplan plan -o FILE`; what was planned with `--rev` or `--set` is applied with the same",
        ));
    }
    Ok(())
}

async fn execute(
    plan: &Plan,
    secrets: &Secrets,
    drivers: &Drivers,
    mut log: Log,
    args: &RunArgs,
    output: &Output,
) -> Exit {
    if !plan.applyable {
        return output.fault(
            Diagnostic::error("SKY0504", "this plan has conflicts and cannot be applied")
                .hint("they are listed above, each with what to do"),
        );
    }
    if plan.changes.is_empty() {
        return remember(plan, log, output);
    }
    if !plan.guards.is_empty() && !args.allow_deletes {
        return output.fault(
            Diagnostic::error("SKY0508", "this plan destroys what cannot be had back, and nobody said that it may")
                .detail(plan.guards.join("\n"))
                .hint(
                    "if that is meant: `--allow-deletes`; if not, look for a path or a name that changed in the specs",
                ),
        );
    }
    let options = Options {
        parallelism: args.parallelism as usize,
        timeout: args.timeout,
        total: TOTAL,
        wait: true,
        cancel: CancellationToken::new(),
        abort: CancellationToken::new(),
    };
    let signals = tokio::spawn(interrupts(options.cancel.clone(), options.abort.clone()));
    let progress = Shown::new(output.terminal, plan);
    let report = apply::run(plan, secrets, drivers, &mut log, &options, &progress).await;
    signals.abort();
    progress.close();
    let report = match report {
        Ok(report) => report,
        Err(d) => return output.fault(*d),
    };
    let mut faults = Diagnostics::new();
    for fault in report.faults() {
        faults.push(fault.clone());
    }
    output.print(&report.summary());
    if report.complete() {
        return Exit::Done;
    }
    let exit = output.diagnostics(&faults, &crate::diagnostic::SourceMap::default());
    output.say("What was done is recorded. Mend the cause and run `skyplan apply` again: it goes on from here.");
    if exit == Exit::Stale { Exit::Stale } else { Exit::Error }
}

/// Ctrl-C (or SIGTERM) once: start nothing new. Twice: stop now.
async fn interrupts(cancel: CancellationToken, abort: CancellationToken) {
    let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
    for token in [cancel, abort] {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        token.cancel();
    }
}
