//! `skyplan rollback`: a plan back to what was applied as of an entry of the log.
//!
//! The log remembers digests of objects, not their contents: those are in the commit that was applied then. That
//! commit is planned anew, with every component where it ran at the time.

use std::path::Path;

use super::{
    apply::{confirmed, permitted, refuse},
    plan::asked,
    state::diff::state_at,
};
use crate::{
    cli::{
        args::{OtherArgs, PartArgs, RollbackArgs},
        events,
        exit::Exit,
        output::Output,
        planning,
        session::Session,
    },
    diagnostic::Diagnostic,
    state::{End, Entry, PlacementRecord, Source, State, store::Log},
};

pub(in crate::cli) async fn run(root: &Path, args: &RollbackArgs, output: &Output) -> Exit {
    // The specs of today say where the log is.
    let then = Session::open(root, &args.project, output).and_then(|session| {
        let log = session.log().map_err(Box::new);
        let then = log.and_then(|log| Ok((state_at(&log, args.serial)?, source(&log, args.serial)?)));
        then.map_err(|d| output.fault(*d))
    });
    let (then, (source, commit)) = match then {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let mut project = args.project.clone();
    project.rev = Some(commit);
    let (session, log, drivers) = match Session::open_to_plan(root, &project, output) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    if session.inputs_digest(&log.state().secret_key) != source.inputs {
        return output.fault(
            not_the_same(args.serial)
                .detail("The commit that was applied then comes to other texts now.")
                .hint("what was applied with `--set` is gone back to with the same `--set`"),
        );
    }
    // What runs is as it is; where it shall run is as it was.
    let present = &log.state().placement;
    let placement = PlacementRecord { monthly: present.monthly, ..then.placement };
    let state = State { placement, ..log.state().clone() };
    let asked = asked(false, &PartArgs::default(), &OtherArgs::default(), &project);
    if let Err(d) = permitted(&session, &log, &asked) {
        return refuse(*d, &args.run, output);
    }
    let made = match planning::make(&session, &state, &drivers, &asked, output).await {
        Ok(made) => made,
        Err(faults) => {
            if args.run.json {
                faults.iter().for_each(events::error);
            }
            return session.show(&faults, output);
        }
    };
    if let Some((address, name)) = made.secrets.not_at_hand(&made.plan, &log.state().secret_key).first() {
        let d = Diagnostic::error("SKY0717", format!("the value of {name} in {} is not at hand", address.short()))
            .about(address)
            .detail("Nothing was changed.")
            .hint("bring the value back, or leave the Secret out of it, and apply");
        return refuse(d, &args.run, output);
    }
    let reason = format!("rolled back to {}", args.serial);
    let empty = made.plan.changes.is_empty();
    let exit = confirmed(&session, &drivers, log, (&made, Some(&reason)), args.allow_deletes, &args.run, output).await;
    if exit == Exit::Done && !empty {
        output.say(&format!(
            "It is as of entry {}. What was changed is held, so that nothing undoes it by itself: once the specs say the \
             same, `skyplan state unhold --all`.",
            args.serial
        ));
    }
    exit
}

fn not_the_same(serial: u64) -> Diagnostic {
    Diagnostic::error("SKY0811", format!("what was applied as of entry {serial} is not at hand"))
}

/// What the last apply that had come to its end by then was made from, and its commit.
fn source(log: &Log, serial: u64) -> Result<(Source, String), Box<Diagnostic>> {
    let entries = log.entries()?;
    let ended = entries.iter().rev().find_map(|(at, entry)| match entry {
        Entry::End(End { begin: Some(begin), complete: true, .. }) if *at <= serial => Some(*begin),
        _ => None,
    });
    let begun = entries.into_iter().find_map(|(at, entry)| match entry {
        Entry::Begin(begin) if Some(at) == ended => Some(begin),
        _ => None,
    });
    let source = begun.map(|begin| begin.source);
    let fault = not_the_same(serial);
    Err(Box::new(match source {
        None => fault
            .detail("No apply that came to its end by then is in the log.")
            .hint("`skyplan state log` lists the entries; `skyplan destroy` takes everything away"),
        Some(None) => fault
            .detail("It was applied by an older skyplan, which did not write down the commit.")
            .hint("if you know the commit: `skyplan plan --rev COMMIT`, then `skyplan apply --rev COMMIT`"),
        Some(Some(Source { revision: None, .. })) => fault
            .detail("It was applied from files that were in no commit, so nobody can read them any more.")
            .hint("choose an entry of an apply from a clean checkout, or bring the files back yourself and `skyplan apply`"),
        Some(Some(Source { revision: Some(commit), inputs })) => {
            return Ok((Source { revision: Some(commit.clone()), inputs }, commit));
        }
    }))
}
