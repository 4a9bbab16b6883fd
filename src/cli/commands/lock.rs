//! `skyplan lock`: sources that are not in the project are fetched, and noted in the lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Serialize;

use super::catalog::replace;
use crate::{
    catalog::lock,
    cli::{
        args::{LockArgs, ProjectArgs},
        exit::Exit,
        output::Output,
        session::Texts,
    },
    diagnostic::{Diagnostic, Diagnostics},
    load::parameters::Wanted,
    quantity::counted,
    sources::Contents,
    spec::{At, Content, LOCK_FILE, LockedContent, Remote, SpecSet},
};

/// What became of one source.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    source: String,
    resolved: String,
    sha256: String,
    /// `added`, `changed`, `removed` or `kept`.
    change: &'static str,
    /// What it was before, where it has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    format_version: &'static str,
    written: bool,
    sources: Vec<Line>,
}

/// What is asked for from elsewhere.
struct Asked {
    set: SpecSet,
    wanted: BTreeMap<String, At<Remote>>,
    /// In all environments; otherwise in one.
    all: bool,
    faults: Diagnostics,
}

pub(in crate::cli) fn run(root: &Path, args: &LockArgs, output: &Output) -> Exit {
    let texts = match Texts::read(root, &ProjectArgs { reading: args.reading.clone(), rev: None }, output) {
        Ok(texts) => texts,
        Err(exit) => return exit,
    };
    let Asked { set, wanted, all, faults } = remotes(&texts, args);
    if faults.has_errors() {
        return output.diagnostics(&faults, &texts.sources);
    }
    if args.check {
        let stale = stale(&set, &wanted, all);
        let exit = output.diagnostics(&stale, &texts.sources);
        if stale.is_empty() {
            output.print(&format!("{LOCK_FILE} has {}\n", counted(wanted.len(), "source")));
        }
        return exit;
    }
    if args.fetch {
        return fetch(&texts, &set, &wanted, output);
    }
    let update = args.update.as_deref();
    if let Some(word) =
        update.into_iter().flatten().find(|word| !wanted.keys().any(|name| name.contains(word.as_str())))
    {
        let d = Diagnostic::error("SKY0202", format!("no source is called `{word}`"));
        let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
        return output.fault(match names.as_slice() {
            [] => d.hint("all sources are in the project"),
            names => d.hint(format!("there are: {}", names.join(", "))),
        });
    }
    let asked =
        |name: &str| update.is_some_and(|words| words.is_empty() || words.iter().any(|w| name.contains(w.as_str())));
    let before: BTreeMap<String, LockedContent> =
        lock::sources_of(&set).into_iter().map(|l| (l.source.value.clone(), l)).collect();
    let (mut after, mut faults, contents) = (Vec::new(), Diagnostics::new(), Contents::from_env());
    for (name, remote) in &wanted {
        match before.get(name).filter(|_| !asked(name)) {
            Some(kept) => after.push(kept.clone()),
            None => {
                output.say(&format!("fetching {name}"));
                match contents.lock(&remote.value) {
                    Ok(content) => after.push(LockedContent {
                        source: At { value: name.clone(), origin: remote.origin.clone() },
                        resolved: content.resolved,
                        sha256: content.sha256,
                    }),
                    Err(fault) => faults.push(fault.at(&remote.origin)),
                }
            }
        }
    }
    if !all {
        // What other environments ask for was not looked at.
        after.extend(before.iter().filter(|(name, _)| !wanted.contains_key(*name)).map(|(_, l)| l.clone()));
    }
    if faults.has_errors() {
        // The lock stays as it was: half of it would be none.
        return output.diagnostics(&faults, &texts.sources);
    }
    let lines = lines(&before, &after);
    let written = lines.iter().any(|l| l.change != "kept") || before.len() != lock::sources_of(&set).len();
    if written && let Err(d) = replace(root, LOCK_FILE, &lock::write(&lock::catalog_of(&set), &after)) {
        return output.fault(d);
    }
    if args.json {
        output.json(&Report { format_version: "1.0", written, sources: lines });
    } else {
        output.print(&shown(&lines, written));
    }
    Exit::Done
}

/// Fetches what is locked and not on this machine. It has to be what was locked.
fn fetch(texts: &Texts, set: &SpecSet, wanted: &BTreeMap<String, At<Remote>>, output: &Output) -> Exit {
    let (locked, contents) = (lock::sources_of(set), Contents::from_env());
    let (mut faults, mut fetched) = (Diagnostics::new(), 0);
    for (name, remote) in wanted {
        let Some(l) = locked.iter().find(|l| l.source.value == *name) else {
            faults.push(not_locked(name, remote));
            continue;
        };
        let (resolved, sha256) = (l.resolved.clone(), l.sha256.clone());
        match contents.fetch(&Content { remote: remote.value.clone(), resolved, sha256 }) {
            Ok(had_to) => fetched += usize::from(had_to),
            Err(fault) => faults.push(fault.at(&remote.origin)),
        }
    }
    let exit = output.diagnostics(&faults, &texts.sources);
    if !faults.has_errors() {
        output.print(&match fetched {
            0 => format!("{} of {LOCK_FILE}: on this machine\n", counted(wanted.len(), "source")),
            n => format!("{} of {LOCK_FILE}: on this machine, {n} fetched\n", counted(wanted.len(), "source")),
        });
    }
    exit
}

fn not_locked(name: &str, remote: &At<Remote>) -> Diagnostic {
    Diagnostic::error("SKY0150", format!("`{name}` is not in {LOCK_FILE}"))
        .at(&remote.origin)
        .hint("run `skyplan lock`")
}

/// What the environments ask for from elsewhere, by name.
fn remotes(texts: &Texts, args: &LockArgs) -> Asked {
    let first = match args.reading.wanted() {
        Wanted::Only => Wanted::First,
        named => named,
    };
    let all = first == Wanted::First;
    let (set, found) = texts.documents(first);
    let names: BTreeSet<String> =
        set.project.iter().flat_map(|p| &p.spec.environments).skip(1).map(|e| e.name.value.clone()).collect();
    let mut sets = vec![(set.remotes.clone(), found)];
    for name in names.into_iter().filter(|_| all) {
        let (set, found) = texts.documents(Wanted::Named(name));
        sets.push((set.remotes, found));
    }
    let (mut wanted, mut faults) = (BTreeMap::new(), Diagnostics::new());
    for (remotes, found) in sets {
        for remote in remotes {
            wanted.entry(remote.name()).or_insert(remote);
        }
        // That something is not locked is what this is for.
        let others = found.iter().filter(|d| d.code != "SKY0150" && !faults.iter().any(|known| known == *d));
        let others: Vec<Diagnostic> = others.cloned().collect();
        faults.extend(others.into_iter().collect());
    }
    Asked { set, wanted, all, faults }
}

/// What is asked for and not locked, and the reverse.
fn stale(set: &SpecSet, wanted: &BTreeMap<String, At<Remote>>, all: bool) -> Diagnostics {
    let locked = || set.lock.iter().flat_map(|l| &l.spec.sources);
    let missing = wanted.iter().filter(|(name, _)| !locked().any(|l| l.source.value == **name));
    let missing = missing.map(|(name, remote)| not_locked(name, remote));
    let extra = locked().filter(|l| all && !wanted.contains_key(&l.source.value)).map(|l| {
        Diagnostic::error("SKY0150", format!("no source asks for `{}` any more", l.source.value))
            .at(&l.source.origin)
            .hint("run `skyplan lock`: it takes it out")
    });
    let twice = locked().enumerate().filter(|(i, l)| locked().take(*i).any(|k| k.source.value == l.source.value));
    let twice = twice.map(|(_, l)| {
        Diagnostic::error("SKY0150", format!("`{}` is in {LOCK_FILE} twice", l.source.value))
            .at(&l.source.origin)
            .hint("keep the line that is right, or run `skyplan lock --update`")
    });
    missing.chain(extra).chain(twice).collect()
}

fn lines(before: &BTreeMap<String, LockedContent>, after: &[LockedContent]) -> Vec<Line> {
    let line = |l: &LockedContent, change, was| Line {
        source: l.source.value.clone(),
        resolved: l.resolved.clone(),
        sha256: l.sha256.clone(),
        change,
        was,
    };
    let now = after.iter().map(|l| match before.get(&l.source.value) {
        None => line(l, "added", None),
        Some(was) if was.sha256 != l.sha256 || was.resolved != l.resolved => {
            line(l, "changed", Some(was.resolved.clone()))
        }
        Some(_) => line(l, "kept", None),
    });
    let gone = before.iter().filter(|(name, _)| !after.iter().any(|l| l.source.value == **name));
    let mut all: Vec<Line> = now.chain(gone.map(|(_, l)| line(l, "removed", None))).collect();
    all.sort_by(|a, b| a.source.cmp(&b.source));
    all
}

fn shown(lines: &[Line], written: bool) -> String {
    if lines.is_empty() {
        return "all sources are in the project: there is nothing to lock\n".into();
    }
    let short = |resolved: &str| match resolved.strip_prefix("sha256:") {
        Some(digest) => format!("sha256:{}", digest.get(..12).unwrap_or(digest)),
        None if resolved.len() >= 40 => resolved.get(..12).unwrap_or(resolved).to_owned(),
        None => resolved.to_owned(),
    };
    let mut out = String::new();
    for line in lines {
        let sign = match line.change {
            "added" => '+',
            "changed" => '~',
            "removed" => '-',
            _ => ' ',
        };
        let was = line.was.as_ref().map_or(String::new(), |was| format!("{} → ", short(was)));
        out.push_str(&format!("{sign} {}  {was}{}\n", line.source, short(&line.resolved)));
    }
    out.push_str(&match written {
        true => format!("\n{LOCK_FILE} is written: look at it, and commit it.\n"),
        false => format!("\n{LOCK_FILE} has them all; `skyplan lock --update` looks for newer ones.\n"),
    });
    out
}
