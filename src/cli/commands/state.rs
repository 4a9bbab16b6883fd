//! `skyplan state`: what skyplan remembers.

pub(in crate::cli) mod diff;
mod doctor;
pub(in crate::cli) mod hold;

use std::{collections::BTreeSet, path::Path};

use jiff::Timestamp;

use crate::{
    address::ResourceAddress,
    apply::rename,
    cli::{
        args::{ProjectArgs, StateCommand},
        exit::Exit,
        output::Output,
        sealing,
        session::Session,
    },
    compile::{immovable, log_url},
    diagnostic::{Diagnostic, did_you_mean},
    driver::local::has_ended,
    quantity::counted,
    render::table::columns,
    spec::{ClusterDriver, Subject},
    state::{
        Begin, Delta, Entry, Holder, Move, Record, RecordDetail, State, seconds,
        store::{Location, Log},
    },
};

pub(in crate::cli) fn run(root: &Path, project: &ProjectArgs, command: &StateCommand, output: &Output) -> Exit {
    let session = match Session::open(root, project, output) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let log = session.log();
    if let StateCommand::Doctor { fix, json } = command {
        return doctor::run(log, *fix, *json, output);
    }
    let mut log = match log {
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
        StateCommand::Diff { from, to, json } => return diff::run(&log, *from, *to, *json, output),
        StateCommand::Doctor { .. } => {}
        StateCommand::Move { from, to } => return moved(&session, &mut log, from, to, output),
        StateCommand::Hold { addresses, reason } => return hold::hold(&mut log, addresses, Some(reason), output),
        StateCommand::Unhold { addresses, all } => {
            let all: Vec<ResourceAddress> =
                if *all { log.state().held.keys().cloned().collect() } else { addresses.clone() };
            return hold::hold(&mut log, &all, None, output);
        }
        StateCommand::Forget { addresses } => match forget(&mut log, addresses, Timestamp::now(), &has_ended) {
            Ok(gone) => {
                let lines: Vec<String> = gone.iter().map(|a| format!("{a}\n")).collect();
                output.print(&lines.concat());
                output.say(&format!("{} no longer remembered; nothing was deleted", gone.len()));
            }
            Err(d) => return output.fault(*d),
        },
        StateCommand::Rekey => return sealing::rekey(&session, &mut log, output),
        StateCommand::Migrate { to } => return migrate(&session, &log, to, output),
    }
    Exit::Done
}

/// Calls something otherwise in the state, by the rules of `moved` in a Refactoring.
fn moved(session: &Session, log: &mut Log, from: &Subject, to: &Subject, output: &Output) -> Exit {
    if let Some((text, hint)) = immovable(from, to) {
        return output.fault(Diagnostic::error("SKY0208", text).hint(hint));
    }
    if let Subject::Cluster(name) = from
        && let Some(Record { detail: RecordDetail::Cluster(c), .. }) =
            log.state().records.get(&ResourceAddress::Cluster(name.clone()))
        && c.driver == ClusterDriver::Local
    {
        let text = format!("cluster `{name}` is local: its name is what it is on this machine");
        let hint = "clusters with `driver: existing` can have another name; a local one is made anew";
        return output.fault(Diagnostic::error("SKY0208", text).hint(hint));
    }
    if !log.state().knows(from) {
        let mut known: Vec<String> = log.state().placement.components.keys().cloned().collect();
        known.extend(log.state().records.keys().filter(|a| a.object().is_none()).map(ToString::to_string));
        let d = Diagnostic::error("SKY0905", format!("the state has nothing called `{from}`"));
        return output.fault(match did_you_mean(&from.to_string(), known.iter().map(String::as_str)) {
            Some(near) => d.hint(format!("did you mean `{near}`?")),
            None => d.hint(format!("it has {}", known.join(", "))),
        });
    }
    let step = Move { from: from.clone(), to: to.clone() };
    match rename(log, &[step], Timestamp::now(), &has_ended) {
        Ok(_) => {
            output.print(&format!("{from} is now {to} in the state; no cluster was changed.\n"));
            if let Subject::Cluster(name) = to
                && !session.model.clusters.iter().any(|c| c.name == *name)
            {
                output.say(&format!(
                    "note: the specs have no cluster `{name}` yet; until they do, a plan takes away what is on it"
                ));
            }
            Exit::Done
        }
        Err(d) => output.fault(*d),
    }
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

/// Takes resources out of the state, and nothing away from where they are.
fn forget(
    log: &mut Log,
    texts: &[String],
    now: Timestamp,
    ended: &dyn Fn(&Holder) -> bool,
) -> Result<Vec<ResourceAddress>, Box<Diagnostic>> {
    let forgotten = log.append_of(|state| {
        let mut gone = BTreeSet::new();
        for text in texts {
            let address = text.parse::<ResourceAddress>().map_err(|why| Diagnostic::error("SKY0905", why))?;
            let known = state.records.keys().chain(state.uncertain.keys());
            let cluster = matches!(address, ResourceAddress::Cluster(_)).then(|| address.cluster());
            // A cluster that is not remembered cannot be asked for what is on it.
            let those = known.filter(|a| **a == address || Some(a.cluster()) == cluster).cloned();
            let before = gone.len();
            gone.extend(those);
            if gone.len() == before && !gone.contains(&address) {
                return Err(Box::new(unknown(state, text)));
            }
        }
        for begin in state.open.values().filter(|b| b.at_work(now, ended)) {
            if let Some(address) = begin.writes.iter().chain(&begin.reads).find(|a| gone.contains(a)) {
                return Err(Box::new(begin.in_the_way(&address.short(), address)));
            }
        }
        let outcomes = gone.iter().map(|address| (address.clone(), None)).collect();
        Ok(Some((Entry::Delta(Delta { outcomes }), gone.into_iter().collect())))
    })?;
    Ok(forgotten.unwrap_or_default())
}

pub(in crate::cli) fn unknown(state: &State, text: &str) -> Diagnostic {
    let known: Vec<String> = state.records.keys().map(ToString::to_string).collect();
    let d = Diagnostic::error("SKY0905", format!("the state has no resource `{text}`"));
    match did_you_mean(text, known.iter().map(String::as_str)) {
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None => d.hint("`skyplan state list` lists them all"),
    }
}

fn row(serial: u64, entry: &Entry) -> Vec<String> {
    let (kind, at, text) = match entry {
        Entry::Snapshot(s) => ("snapshot", String::new(), counted(s.state.records.len(), "resource")),
        Entry::Begin(b) => (
            "begin",
            seconds(&b.at),
            format!(
                "plan {}, {}, until {}{}",
                short(&b.plan),
                counted(b.writes.len(), "change"),
                seconds(&b.until),
                commit(b)
            ),
        ),
        Entry::Delta(d) => {
            let gone = d.outcomes.values().filter(|r| r.is_none()).count();
            ("delta", String::new(), format!("{} recorded, {gone} gone", d.outcomes.len() - gone))
        }
        Entry::Outputs(o) => ("outputs", seconds(&o.at), format!("{} values", o.values.len())),
        Entry::Moved(m) => {
            let all: Vec<String> = m.moves.iter().map(|s| format!("{} is now {}", s.from, s.to)).collect();
            ("moved", seconds(&m.at), all.join(", "))
        }
        Entry::Hold(h) => {
            let what = match h.addresses.as_slice() {
                [one] => one.to_string(),
                all => format!("{} resources", all.len()),
            };
            let text = match &h.reason {
                Some(reason) => format!("{what}: {reason}"),
                None => format!("{what} no longer"),
            };
            ("hold", seconds(&h.at), text)
        }
        Entry::Sealed(s) => ("sealed", seconds(&s.at), format!("values of {} Secrets", s.values.len())),
        Entry::End(e) => ("end", seconds(&e.at), if e.complete { "complete" } else { "not complete" }.to_owned()),
    };
    vec![serial.to_string(), kind.into(), at, text]
}

/// The commit that was applied, where it is known.
fn commit(begin: &Begin) -> String {
    let commit = begin.source.as_ref().and_then(|s| s.revision.as_deref());
    commit.map_or_else(String::new, |c| format!(", commit {}", short(c)))
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with two resources that an apply was at when it was killed.
    fn log(dir: &Path) -> Log {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/state/2-chained/log");
        for file in std::fs::read_dir(from).unwrap().map(|f| f.unwrap()) {
            std::fs::copy(file.path(), dir.join(file.file_name())).unwrap();
        }
        Log::open(&Location::folder(dir), "quickstart", String::new).unwrap()
    }

    #[test]
    fn what_is_forgotten_is_gone_from_the_state_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(dir.path());
        let later = "2100-01-01T00:00:00Z".parse().unwrap();
        let mut run = |texts: &[&str], now: Timestamp, ended: bool| {
            let texts: Vec<String> = texts.iter().map(|t| (*t).to_owned()).collect();
            let done = forget(&mut log, &texts, now, &|_| ended);
            (done.map(|gone| gone.len()).map_err(|d| d.code), log.state().records.len())
        };
        let (web, map) = ("object/quickstart/apps/Deployment/hello/web", "object/quickstart/core/ConfigMap/hello/web");
        // Of several all or none.
        assert_eq!(run(&[map, "cluster/other"], later, true), (Err("SKY0905".into()), 7));
        assert_eq!(run(&[map, map], later, true), (Ok(1), 6));
        let at_work = "2026-11-21T22:50:00Z".parse().unwrap();
        assert_eq!(run(&[web], at_work, false), (Err("SKY0805".into()), 6));
        assert_eq!(run(&[web], at_work, true), (Ok(1), 5));
        assert_eq!(run(&["cluster/quickstart"], later, true), (Ok(5), 0));
        assert!(log.state().uncertain.is_empty() && log.state().open.is_empty());
    }
}
