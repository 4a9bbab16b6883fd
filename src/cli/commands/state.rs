//! `skyplan state`: what skyplan remembers.

use std::path::Path;

use crate::{
    address::ResourceAddress,
    cli::{
        args::{ProjectArgs, StateCommand},
        exit::Exit,
        output::Output,
        session::Session,
    },
    compile::log_url,
    diagnostic::{Diagnostic, did_you_mean},
    render::table::columns,
    state::{
        Entry, State,
        store::{Location, Log},
    },
};

pub(in crate::cli) fn run(root: &Path, project: &ProjectArgs, command: &StateCommand, output: &Output) -> Exit {
    let session = match Session::open(root, project, output) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let log = match session.log() {
        Ok(log) => log,
        Err(d) => return output.fault(d),
    };
    match command {
        StateCommand::List => {
            let lines: Vec<String> = log.state().records.keys().map(|a| format!("{a}\n")).collect();
            output.print(&lines.concat());
        }
        StateCommand::Show { address: None } => {
            let mut state = log.state().clone();
            // The key would let anybody test guesses of secret values.
            state.secret_key = "(not shown)".into();
            output.json(&state);
        }
        StateCommand::Show { address: Some(text) } => match text.parse::<ResourceAddress>() {
            Ok(address) => match log.state().records.get(&address) {
                Some(record) => output.json(record),
                None => return output.fault(unknown(log.state(), text)),
            },
            Err(why) => return output.fault(Diagnostic::error("SKY0905", why)),
        },
        StateCommand::Log => match log.entries() {
            Ok(entries) => {
                let rows: Vec<Vec<String>> = entries.iter().map(|(serial, e)| row(*serial, e)).collect();
                output.print(&columns(&rows, 0));
            }
            Err(d) => return output.fault(d),
        },
        StateCommand::Migrate { to } => return migrate(&session, &log, to, output),
    }
    Exit::Done
}

/// Copies the log. The old one stays: nothing is lost if the copy turns out to be in the wrong place.
fn migrate(session: &Session, log: &Log, to: &str, output: &Output) -> Exit {
    let target = Location::of(&session.root, Some(&log_url(to, session.model.environment.as_deref())));
    if target == *log.location() {
        return output.fault(Diagnostic::error("SKY0905", "the state is kept there already"));
    }
    match log.copy_to(&target) {
        Ok(entries) => {
            output.print(&format!(
                "{entries} entries copied from {} to {}, and read back.\n\nNow write this into skyplan.yaml, and \
                 commit it:\n  state:\n    url: {to}\n\nUntil then nobody may apply. The old log is left as it is.\n",
                log.location().text(),
                target.text()
            ));
            Exit::Done
        }
        Err(d) => output.fault(d),
    }
}

fn unknown(state: &State, text: &str) -> Diagnostic {
    let known: Vec<String> = state.records.keys().map(ToString::to_string).collect();
    let d = Diagnostic::error("SKY0905", format!("the state has no resource `{text}`"));
    match did_you_mean(text, known.iter().map(String::as_str)) {
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None => d.hint("`skyplan state list` lists them all"),
    }
}

fn row(serial: u64, entry: &Entry) -> Vec<String> {
    let (kind, at, text) = match entry {
        Entry::Snapshot(s) => ("snapshot", String::new(), format!("{} resources", s.state.records.len())),
        Entry::Begin(b) => (
            "begin",
            seconds(&b.at),
            format!("plan {}, {} changes, until {}", short(&b.plan), b.writes.len(), seconds(&b.until)),
        ),
        Entry::Delta(d) => {
            let gone = d.outcomes.values().filter(|r| r.is_none()).count();
            ("delta", String::new(), format!("{} recorded, {gone} gone", d.outcomes.len() - gone))
        }
        Entry::Outputs(o) => ("outputs", seconds(&o.at), format!("{} values", o.values.len())),
        Entry::End(e) => ("end", seconds(&e.at), if e.complete { "complete" } else { "not complete" }.to_owned()),
    };
    vec![serial.to_string(), kind.into(), at, text]
}

/// A time of the log without what is below seconds.
fn seconds(at: &str) -> String {
    at.split('.').next().map_or_else(String::new, |t| format!("{}Z", t.trim_end_matches('Z')))
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
