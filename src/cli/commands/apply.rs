//! `skyplan apply`: does what a plan says, after showing it and asking, or what a plan file says.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{plan::asked, state::hold::entry};
use crate::{
    apply::{self, Options, Progress, Report},
    cli::{
        args::{ApplyArgs, ProjectArgs, RunArgs},
        events::{self, Events},
        exit::Exit,
        keys,
        output::Output,
        planfile,
        planning::{self, Asked, Planned},
        progress::Shown,
        resume, sealing,
        session::Session,
    },
    diagnostic::{Diagnostic, Diagnostics},
    driver::{Drivers, Fallible, local::has_ended},
    load::parameters::Wanted,
    observe,
    plan::{
        Plan,
        check::{check, refusal},
        secret::Secrets,
        secret_values,
    },
    render,
    state::{Entry, Move, Outputs, store::Log},
    trust::{Signed, Trust},
};

pub(in crate::cli) async fn run(root: &Path, args: &ApplyArgs, output: &Output) -> Exit {
    let (file, by) = match args.plan.as_deref().map(|file| read(file, &args.project)).transpose() {
        Ok(read) => read.unzip(),
        Err(d) => return refuse(d, &args.run, output),
    };
    // A plan file says itself which environment it is for.
    let environment = file.as_ref().and_then(|plan| plan.environment.clone());
    let mut project = args.project.clone();
    project.reading.env = environment.or(project.reading.env);
    let (session, log, drivers) = match Session::open_to_plan(root, &project, output) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    match file {
        Some(mut plan) => {
            if let Some(d) = supposes(&plan) {
                return refuse(d, &args.run, output);
            }
            if let Err(d) = still_true(&plan, &session, &log) {
                return refuse(d, &args.run, output);
            }
            let signed = Signed { plan: by, commit: session.signed.clone() };
            if let Err(d) = Trust::permits(&log.state().trust, plan.trust.as_ref(), &signed) {
                return refuse(*d, &args.run, output);
            }
            // Checked anew: what the file says of itself may have been edited, too.
            plan.checks = check(&plan, log.state(), Some(&session.model));
            if !args.run.json {
                output.print(&render::plan::render(&plan, output.style));
                output.say(&format!("plan {}", plan.meaning()));
            }
            let changed = plan.changes.iter().map(|c| &c.address);
            let mut secrets = secret_values(&session.model, changed, &log.state().secret_key);
            secrets.hold(session.model.objects.iter().map(|o| &o.object));
            if let Err(d) = sealing::of_file(&plan, &mut secrets) {
                return refuse(d, &args.run, output);
            }
            let options = options(&args.run, &session, &log);
            let values = Values { secrets: &secrets, recipients: &session.model.recipients };
            execute(&plan, values, &drivers, log, args.allow_deletes, options, (&args.run, output)).await
        }
        None => {
            let asked = asked(false, &args.part, &args.other, &project);
            planned(&session, &drivers, log, &asked, args.allow_deletes, &args.run, output).await
        }
    }
}

/// Plans, shows, asks, does.
pub(super) async fn planned(
    session: &Session,
    drivers: &Drivers,
    log: Log,
    asked: &Asked,
    allow_deletes: bool,
    args: &RunArgs,
    output: &Output,
) -> Exit {
    if let Err(d) = permitted(session, &log, asked) {
        return refuse(*d, args, output);
    }
    let made = match planning::make(session, log.state(), drivers, asked, output).await {
        Ok(made) => made,
        Err(faults) => {
            if args.json {
                faults.iter().for_each(events::error);
            }
            return session.show(&faults, output);
        }
    };
    confirmed(session, drivers, log, (&made, None), allow_deletes, args, output).await
}

/// Whether those whom the project trusts let a plan be applied that was not written to a file.
pub(super) fn permitted(session: &Session, log: &Log, asked: &Asked) -> Result<(), Box<Diagnostic>> {
    let trust = &log.state().trust;
    let unchanged = asked.destroy || asked.scope.refresh_only || session.model.trust == *trust;
    let signed = Signed { plan: None, commit: session.signed.clone() };
    Trust::permits(trust, (!unchanged).then_some(&session.model.trust), &signed)
}

/// Shows a plan that was just made, asks, and does it; what it changes is held before that, where there is a reason.
pub(super) async fn confirmed(
    session: &Session,
    drivers: &Drivers,
    mut log: Log,
    (made, hold): (&Planned, Option<&str>),
    allow_deletes: bool,
    args: &RunArgs,
    output: &Output,
) -> Exit {
    let destroy = made.plan.destroy;
    if !args.json {
        output.print(&render::plan::render(&made.plan, output.style));
    }
    if let Some(d) = supposes(&made.plan) {
        return refuse(d, args, output);
    }
    if let Some(d) = hasty(&made.plan).filter(|_| args.yes) {
        return refuse(d, args, output);
    }
    if made.plan.is_empty() && made.plan.conflicts.is_empty() {
        return remember(&made.plan, drivers, log, args, output).await;
    }
    let refused = !made.plan.guards.is_empty() && !allow_deletes;
    if made.plan.applyable && !args.yes && !refused {
        if !output.interactive || args.json {
            let verb = if destroy { "destroy" } else { "apply" };
            let asked = Diagnostic::error("SKY0904", "nobody is there to be asked")
                .hint(format!("look at the plan above, then run `skyplan {verb} --yes`"));
            return refuse(asked, args, output);
        }
        let question = match (destroy, made.plan.refresh_only) {
            (true, _) => "\nTake all of this away?",
            (_, true) => "\nBring the state up to date so?",
            _ => "\nDo this?",
        };
        if !output.confirm(question) {
            output.say("Nothing was done.");
            return Exit::Error;
        }
    }
    if let Some(reason) = hold.filter(|_| made.plan.applyable && !refused && !made.plan.changes.is_empty()) {
        // Before anything is done: nobody is to undo it half way.
        let changed = made.plan.changes.iter().map(|c| c.address.clone()).collect();
        if let Err(d) = log.append(&entry(changed, Some(reason), jiff::Timestamp::now())) {
            return refuse(d, args, output);
        }
    }
    let options = options(args, session, &log);
    let values = Values { secrets: &made.secrets, recipients: &session.model.recipients };
    execute(&made.plan, values, drivers, log, allow_deletes, options, (args, output)).await
}

/// How an apply goes about it, and what is remembered of where its plan came from.
fn options(args: &RunArgs, session: &Session, log: &Log) -> Options {
    Options {
        parallelism: args.parallelism as usize,
        timeout: args.timeout,
        total: args.deadline,
        wait: true,
        cancel: CancellationToken::new(),
        abort: CancellationToken::new(),
        source: Some(session.source(&log.state().secret_key)),
        ..Options::default()
    }
}

/// A plan of what is not so is never applied.
fn supposes(plan: &Plan) -> Option<Diagnostic> {
    let first = plan.what_if.first()?;
    let more = if plan.what_if.len() > 1 { " and more" } else { "" };
    Some(
        Diagnostic::error("SKY0932", "a what-if plan is never applied")
            .detail(format!("It supposes that {first}{more}."))
            .hint("write it into the specs, and plan again"),
    )
}

/// A placement that was cut off and moves something needs a person.
fn hasty(plan: &Plan) -> Option<Diagnostic> {
    let report = plan.placement.as_ref().filter(|r| r.method == "deadline" && !r.moves.is_empty())?;
    let first = &report.moves[0].component;
    let more = report.moves.len() - 1;
    let what = if more == 0 { first.clone() } else { format!("{first} and {more} more") };
    Some(
        Diagnostic::error("SKY0430", format!("the search was cut off by its deadline, and what it found moves {what}"))
            .detail("Another run may find something else; nobody has looked at this one.")
            .hint("look at it first: `skyplan plan -o FILE`, then `skyplan apply FILE`")
            .hint("or allow more time (`placement.deadline`), or be content with less (`--gap 2%`)"),
    )
}

/// Says why nothing is done, in every form that was asked for.
pub(super) fn refuse(why: Diagnostic, args: &RunArgs, output: &Output) -> Exit {
    if args.json {
        events::error(&why);
    }
    output.fault(why)
}

/// A plan without changes may still have placed something for the first time.
async fn remember(plan: &Plan, drivers: &Drivers, mut log: Log, args: &RunArgs, output: &Output) -> Exit {
    if args.json {
        Events::new(plan).summary(&Report::default(), None);
    }
    let state = log.state();
    let renamed = plan.moved.iter().any(|m| state.knows(&m.from));
    let placement = plan.placement_to_remember().filter(|p| renamed || state.placement != **p);
    if renamed || placement.is_some() || plan.trust.is_some() {
        if plan.base.serial != state.serial || plan.base.lineage != state.lineage {
            let moved = Diagnostic::error("SKY0501", "the state has moved on since this plan was made")
                .detail(format!("The plan is based on entry {}; the log is at {}.", plan.base.serial, state.serial))
                .hint("plan again: `skyplan plan -o FILE`");
            return refuse(moved, args, output);
        }
        let moves: Vec<Move> = plan.moved.iter().map(Move::from).collect();
        if let Err(d) = apply::rename(&mut log, &moves, jiff::Timestamp::now(), &has_ended) {
            return refuse(*d, args, output);
        }
        let placement = placement.filter(|p| log.state().placement != **p);
        if (placement.is_some() || plan.trust.is_some())
            && let Err(d) = log.append(&apply::end_of(placement.cloned(), plan.trust.clone()))
        {
            return output.fault(d);
        }
        if renamed && !args.json {
            output.print("The state has the new names; no cluster was changed.\n");
        }
    }
    let exit = outputs(plan, drivers, &mut log, args, output).await;
    whole(plan, output).unwrap_or(exit)
}

/// What is to be said where not everything could be planned that was asked for.
fn whole(plan: &Plan, output: &Output) -> Option<Exit> {
    let partial = !plan.saw_all() && !plan.refresh_only;
    partial.then(|| {
        output.say(
            "Not everything could be looked at: what is on clusters that did not answer is as it was (see the notes \
             above). Once they answer, run this again.",
        );
        Exit::Error
    })
}

/// Reads the outputs that the plan changes, remembers and shows them.
async fn outputs(plan: &Plan, drivers: &Drivers, log: &mut Log, args: &RunArgs, output: &Output) -> Exit {
    // What is left of a part of a destroy keeps what it gave.
    if plan.refresh_only || plan.destroy && plan.is_narrowed() {
        return Exit::Done;
    }
    let known = &log.state().outputs;
    let missing = known.values().any(|o| o.value.is_null());
    let settled = !missing && plan.outputs.values().all(|o| o.value.is_some());
    if settled && known.keys().eq(plan.outputs.keys()) {
        return Exit::Done;
    }
    let stop = CancellationToken::new();
    let signals = tokio::spawn(interrupts(stop.clone(), CancellationToken::new(), |_| {}));
    let read = tokio::select! {
        read = observe::outputs(drivers, &plan.outputs) => Some(read),
        () = stop.cancelled() => None,
    };
    signals.abort();
    let Some((values, remarks)) = read else {
        output.say("note: the outputs were not read; the next apply does");
        return Exit::Done;
    };
    remarks.iter().for_each(|remark| output.say(remark));
    if args.json {
        events::outputs(&values);
    } else {
        output.print(&render::outputs::values(&values, output.style));
    }
    if values == *known {
        return Exit::Done;
    }
    let at = jiff::Timestamp::now().to_string();
    if let Err(d) = log.append(&Entry::Outputs(Outputs { at, values })) {
        // The apply is done; its values are read again by the next one.
        output.say(&format!("note: the outputs are not in the state yet: {}; the next apply sees to it", d.summary));
    }
    Exit::Done
}

/// Reads a plan file and who has signed it. It is to be for the environment that is named, if one is.
fn read(file: &Path, project: &ProjectArgs) -> Result<(Plan, BTreeSet<String>), Diagnostic> {
    let read = planfile::read_all(file)?;
    let by = keys::signers(file, &read)?;
    let plan = read.plan;
    if let (Wanted::Named(wanted), made) = (project.reading.wanted(), plan.environment.as_deref().unwrap_or("default"))
        && wanted != made
    {
        return Err(Diagnostic::error(
            "SKY0910",
            format!("{} is a plan for environment `{made}`, not for `{wanted}`", file.display()),
        )
        .hint("leave `--env` and SKYPLAN_ENV out, or plan for the environment that is meant"));
    }
    Ok((plan, by))
}

/// Checks that the project still says what a plan was made from.
fn still_true(plan: &Plan, session: &Session, log: &Log) -> Result<(), Diagnostic> {
    if plan.inputs_digest != session.inputs_digest(&log.state().secret_key) {
        let now = session.source(&log.state().secret_key).revision;
        return Err(Diagnostic::error("SKY0501", "the specs have changed since this plan was made")
            .detail(between(plan.revision.as_deref(), now.as_deref()))
            .hint(
                "plan again: `skyplan plan -o FILE`; what was planned with `--rev` or `--set` is applied with the same",
            ));
    }
    Ok(())
}

/// Of which commits the specs of a plan and those of now are, as far as they are of any.
fn between(then: Option<&str>, now: Option<&str>) -> String {
    let short = |commit: &str| commit.get(..12).unwrap_or(commit).to_owned();
    match (then, now) {
        (None, _) => String::new(),
        (Some(then), Some(now)) if then == now => {
            format!("The files are those of commit {}; what was said beside them is not.", short(then))
        }
        (Some(then), Some(now)) => {
            format!("The plan was made from commit {}; the specs are at commit {}.", short(then), short(now))
        }
        (Some(then), None) => {
            format!("The plan was made from commit {}; the specs are in no commit.", short(then))
        }
    }
}

/// Secret values, and for whom those are sealed that the state is to hold.
#[derive(Clone, Copy)]
struct Values<'a> {
    secrets: &'a Secrets,
    recipients: &'a [String],
}

async fn execute(
    plan: &Plan,
    values: Values<'_>,
    drivers: &Drivers,
    mut log: Log,
    allow_deletes: bool,
    options: Options,
    (args, output): (&RunArgs, &Output),
) -> Exit {
    let secrets = values.secrets;
    if let Some(d) = refusal(&plan.checks) {
        return refuse(d, args, output);
    }
    if !plan.applyable && plan.conflicts.is_empty() {
        let seen = Diagnostic::error("SKY0719", "this plan is to be looked at, not to be applied")
            .detail("It was made without asking the clusters.")
            .hint("plan again with the clusters at hand: `skyplan plan -o FILE`");
        return refuse(seen, args, output);
    }
    if !plan.applyable {
        let conflicts = Diagnostic::error("SKY0504", "this plan has conflicts and cannot be applied")
            .hint("they are listed above, each with what to do");
        return refuse(conflicts, args, output);
    }
    if plan.changes.is_empty() {
        return remember(plan, drivers, log, args, output).await;
    }
    if !plan.guards.is_empty() && !allow_deletes {
        return refuse(
            Diagnostic::error("SKY0508", "this plan destroys what cannot be had back, and nobody said that it may")
                .detail(plan.guards.join("\n"))
                .hint(
                    "if that is meant: `--allow-deletes`; if not, look for a path or a name that changed in the specs",
                ),
            args,
            output,
        );
    }
    if plan.refresh_only {
        return match apply::settle(plan, &mut log) {
            Ok(_) if args.json => {
                Events::new(plan).summary(&Report::default(), None);
                Exit::Done
            }
            Ok(1) => said(output, "1 resource was brought up to date in the state; no cluster was changed.\n"),
            Ok(n) => {
                said(output, &format!("{n} resources were brought up to date in the state; no cluster was changed.\n"))
            }
            Err(d) => refuse(*d, args, output),
        };
    }
    // Before anything is done: what cannot be sealed is not applied.
    let options = match sealing::for_state(plan, secrets, values.recipients, &log.state().secret_key) {
        Ok(sealed) => Options { sealed, ..options },
        Err(d) => return refuse(d, args, output),
    };
    let report = if args.json {
        let events = Arc::new(Events::new(plan));
        let report = go(plan, secrets, drivers, &mut log, &options, events.clone(), |text| eprintln!("{text}")).await;
        if let Ok(report) = &report {
            events.summary(report, (!report.complete()).then(|| resume::command(plan, report)).as_deref());
        }
        report
    } else {
        let shown = Arc::new(Shown::new(output.terminal, plan));
        let (progress, note) = (shown.clone(), shown.clone());
        let report = go(plan, secrets, drivers, &mut log, &options, progress, move |text| note.line(text)).await;
        shown.close();
        report
    };
    let report = match report {
        Ok(report) => report,
        Err(d) => return refuse(*d, args, output),
    };
    if !args.json {
        output.print(&report.summary());
    }
    if report.complete() {
        let exit = outputs(plan, drivers, &mut log, args, output).await;
        return whole(plan, output).unwrap_or(exit);
    }
    let mut faults = Diagnostics::new();
    for fault in report.faults() {
        faults.push(fault.clone());
    }
    let exit = output.diagnostics(&faults, &crate::diagnostic::SourceMap::default());
    let what = if report.counts().failed > 0 && report.stop.is_none() { "Mend the cause, then run" } else { "Run" };
    output.say(&format!(
        "What was done is recorded. {what} this, which goes on from here:\n  {}",
        resume::command(plan, &report)
    ));
    if exit == Exit::Stale { Exit::Stale } else { Exit::Error }
}

/// Carries the plan out, heeding signals.
async fn go(
    plan: &Plan,
    secrets: &Secrets,
    drivers: &Drivers,
    log: &mut Log,
    options: &Options,
    progress: Arc<dyn Progress>,
    note: impl Fn(&str) + Send + 'static,
) -> Fallible<Report> {
    let signals = tokio::spawn(interrupts(options.cancel.clone(), options.abort.clone(), note));
    let report = apply::run(plan, secrets, drivers, log, options, &*progress).await;
    signals.abort();
    report
}

fn said(output: &Output, text: &str) -> Exit {
    output.print(text);
    Exit::Done
}

/// Ctrl-C (or SIGTERM) once: start nothing new. Twice: stop now.
async fn interrupts(cancel: CancellationToken, abort: CancellationToken, note: impl Fn(&str)) {
    let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
    let words = [
        "Stopping: what was sent is finished and recorded, nothing new is begun. Once more: stop now.",
        "Stopping now: what has no answer yet is looked for by the next plan.",
    ];
    for (token, words) in [cancel, abort].into_iter().zip(words) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        token.cancel();
        note(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::change::{PlacementReport, PlannedMove};

    #[test]
    fn golden_of_a_hasty_apply() {
        let moved =
            |name: &str| PlannedMove { component: name.into(), from: vec!["aws-eu".into()], to: vec!["gcp-eu".into()] };
        let report = |method: &str, moves: Vec<PlannedMove>| Plan {
            placement: Some(PlacementReport { method: method.into(), moves, ..PlacementReport::default() }),
            ..Plan::default()
        };
        let two = || vec![moved("shop/api"), moved("shop/web")];
        assert!(hasty(&report("budget", two())).is_none() && hasty(&report("deadline", Vec::new())).is_none());
        let refused = hasty(&report("deadline", two())).unwrap();
        assert_eq!(Exit::of([&refused.code]), Exit::Refused);
        render::diagnostics::golden(&refused, &[]);
    }

    #[test]
    fn commits_of_a_plan_and_of_now_are_told() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let told = "The plan was made from commit aaaaaaaaaaaa; the specs are ";
        assert_eq!(between(Some(&a), Some(&b)), format!("{told}at commit bbbbbbbbbbbb."));
        assert_eq!(between(Some(&a), None), format!("{told}in no commit."));
        assert!(between(Some(&a), Some(&a)).starts_with("The files are those of commit aaaaaaaaaaaa;"));
        assert_eq!(between(None, Some(&b)), "");
    }

    #[test]
    fn golden_of_a_what_if_apply() {
        let plan = Plan { what_if: vec!["cluster aws is lost".into()], ..Plan::default() };
        assert!(supposes(&Plan::default()).is_none());
        render::diagnostics::golden(&supposes(&plan).unwrap(), &[]);
    }
}
