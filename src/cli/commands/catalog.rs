//! `skyplan catalog`: profiles from price files. Fetches, writes and shows; what files say is `catalog`'s.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::Path,
};

use serde::Serialize;

use crate::{
    catalog::{
        self, SourceText,
        changes::{self, Change, Figure},
        latency, lock,
        lock::Locked,
    },
    cli::{
        args::{CatalogCommand, ProjectArgs, RefreshArgs},
        download::{self, Bounds},
        exit::Exit,
        output::Output,
        session::{Texts, today},
    },
    diagnostic::{Diagnostic, Diagnostics, SourceMap, did_you_mean},
    digest::{digest_bytes, digest_pages},
    load::{self, parameters::Wanted, tree::SourceTree},
    quantity::Day,
    render,
    spec::{At, CatalogEntry, Importer, LOCK_FILE, LockedContent, SpecSet},
};

pub(in crate::cli) async fn run(root: &Path, command: &CatalogCommand, output: &Output) -> Exit {
    match command {
        CatalogCommand::Show { project, profile, json } => show(root, project, profile.as_deref(), *json, output),
        CatalogCommand::Refresh(args) => refresh(root, args, output).await,
    }
}

/// Reads the project; without its root, or with a fault in what `check` looks at, there is nothing to do.
fn open(root: &Path, project: &ProjectArgs, output: &Output) -> Result<(Texts, SpecSet), Exit> {
    let texts = Texts::read(root, project, output)?;
    let wanted = match project.reading.wanted() {
        Wanted::Only => Wanted::First,
        named => named,
    };
    let (set, found) = texts.documents(wanted);
    let mut faults = Diagnostics::new();
    catalog::check(&set, &mut faults);
    // Profiles that are not there yet are missed elsewhere; only the root is needed.
    if set.project.is_none() {
        faults.extend(found);
    } else {
        let of_root = |d: &&Diagnostic| d.labels.first().is_some_and(|l| &*l.origin.file == LOCK_FILE);
        faults.extend(found.iter().filter(of_root).cloned().collect());
    }
    let exit = output.diagnostics(&faults, &texts.sources);
    if faults.has_errors() { Err(exit) } else { Ok((texts, set)) }
}

fn show(root: &Path, project: &ProjectArgs, profile: Option<&str>, json: bool, output: &Output) -> Exit {
    let (texts, set) = match open(root, project, output) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let names = || set.providers.iter().map(|d| &d.spec.name).chain(set.latencies.iter().map(|d| &d.spec.name));
    if let Some(name) = profile.filter(|name| !names().any(|n| n.value == *name)) {
        return output.fault(unknown("profile", name, names().map(|n| n.as_str())));
    }
    let catalog = render::catalog::Catalog::new(&set, profile, today());
    if json {
        output.json(&catalog);
    } else {
        output.print(&catalog.text(output.style));
    }
    output.diagnostics(&lock::too_old(&set, profile, today()), &texts.sources)
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.collect();
    let d = Diagnostic::error("SKY0924", format!("there is no {what} `{name}`"));
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => d.hint("write an entry into `catalog` of the Project; docs/catalog.md shows one"),
        None => d.hint(format!("there are {}", known.join(", "))),
    }
}

/// What a refresh comes to, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    format_version: &'static str,
    written: bool,
    profiles: Vec<Refreshed>,
}

/// A profile that was made anew.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refreshed {
    profile: String,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<Day>,
    as_of: Day,
    new: bool,
    changes: Vec<Change>,
    notes: Vec<String>,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    locked: Locked,
}

async fn refresh(root: &Path, args: &RefreshArgs, output: &Output) -> Exit {
    let project = ProjectArgs { reading: args.reading.clone(), rev: None };
    let (texts, set) = match open(root, &project, output) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    if args.check {
        return check(root, args, &texts, &set, output);
    }
    let all: Vec<&CatalogEntry> = set.project.iter().flat_map(|p| &p.spec.catalog).map(|e| &e.value).collect();
    let known = || all.iter().map(|e| e.name.as_str());
    if let Some(name) = args.profiles.iter().find(|name| !known().any(|k| k == name.as_str())) {
        return output.fault(unknown("entry in the catalogue", name, known()));
    }
    if all.is_empty() && set.lock.is_none() {
        output.print("the Project has no `catalog`; docs/catalog.md shows how one is written\n");
        return Exit::Done;
    }
    let wanted = |e: &&&CatalogEntry| args.profiles.is_empty() || args.profiles.contains(&e.name.value);
    let mut faults = Diagnostics::new();
    let mut sources = texts.sources.clone();
    let mut done = Vec::new();
    for entry in all.iter().filter(wanted) {
        match one(root, entry, &set, args, &mut sources, output).await {
            Ok(refreshed) => done.push(refreshed),
            Err(found) => faults.extend(found),
        }
    }
    let mut exit = output.diagnostics(&faults, &sources);
    if !args.dry_run {
        let keep: BTreeMap<String, Locked> = set
            .lock
            .iter()
            .flat_map(|l| &l.spec.catalog)
            .filter(|l| known().any(|k| k == l.profile.value))
            .map(|l| (l.profile.value.clone(), Locked::from(&l.value)))
            .collect();
        if let Err(d) = write(root, &done, keep, &lock::sources_of(&set)) {
            exit = output.fault(d);
        }
    }
    if args.json {
        output.json(&Report { format_version: "1.0", written: !args.dry_run, profiles: done });
        return exit;
    }
    for r in &done {
        output.print(&render::catalog::changes(&r.profile, &r.file, !r.new, &r.changes, &r.notes, output.style));
    }
    if !done.is_empty() {
        output.say(&if args.dry_run {
            "Nothing is written (--dry-run).".to_owned()
        } else {
            format!("Files and {LOCK_FILE} are written: look at them, and commit them together.")
        });
    }
    exit
}

/// Makes one profile anew.
async fn one(
    root: &Path,
    entry: &CatalogEntry,
    set: &SpecSet,
    args: &RefreshArgs,
    excerpts: &mut SourceMap,
    output: &Output,
) -> Result<Refreshed, Diagnostics> {
    let mut read = Vec::new();
    let mut faults = Diagnostics::new();
    for source in &entry.sources {
        if output.terminal && source.url.is_some() {
            output.say(&format!("reading {}…", source.text()));
        }
        match download::read(root, source, entry.importer.value, Bounds::new(args.timeout)).await {
            Ok(text) => read.push(text),
            Err(d) => faults.push(d),
        }
    }
    if faults.has_errors() {
        return Err(faults);
    }
    let digests: Vec<(String, String)> = read.iter().map(|s| (s.name.clone(), digest_pages(&s.pages))).collect();
    let was = set.texts.get(entry.into.as_str());
    let before = was.map(|text| figures(&entry.into, text)).unwrap_or_default();
    let made = make(entry, &read, was.map(|t| &**t)).inspect_err(|_| {
        for source in read.iter().filter(|s| s.pages.len() == 1) {
            excerpts.insert(source.name.as_str().into(), source.pages.concat().into());
        }
    })?;
    let locked = lock::find(set, &entry.name);
    let ours = locked.is_some_and(|l| l.file.value == entry.into.value && lock::is_as_written(set, l));
    // What is on the disk counts: a file that is no YAML is not among the texts.
    let there = fs::read(root.join(entry.into.as_str())).ok();
    if !ours && !args.overwrite && there.is_some_and(|bytes| bytes != made.text.as_bytes()) {
        return Err(edited(entry, locked.is_some()).into());
    }
    let after = figures(&entry.into, &made.text);
    let today = today();
    let as_of = match made.published {
        Some(day) if !read.iter().all(|s| s.remote) => day.min(today),
        _ => today,
    };
    let version = catalog::importer_version(entry.importer.value);
    Ok(Refreshed {
        profile: entry.name.value.clone(),
        file: entry.into.value.clone(),
        valid_from: made.valid_from,
        as_of,
        new: was.is_none(),
        changes: changes::compare(&before, &after),
        notes: made.notes,
        locked: Locked {
            profile: entry.name.value.clone(),
            file: entry.into.value.clone(),
            sha256: digest_bytes(made.text.as_bytes()),
            importer: entry.importer.value,
            importer_version: version,
            entry: catalog::entry_digest(entry),
            fetched: today,
            valid_from: made.valid_from,
            as_of,
            sources: digests,
        },
        text: made.text,
    })
}

/// A profile's text, and what is known of its days.
struct Made {
    text: String,
    valid_from: Option<Day>,
    published: Option<Day>,
    notes: Vec<String>,
}

fn make(entry: &CatalogEntry, read: &[SourceText], was: Option<&str>) -> Result<Made, Diagnostics> {
    let made = if entry.importer.value == Importer::Latency {
        let old = was.map(|text| documents(&entry.into, text).0.latencies).unwrap_or_default();
        let measured = latency::merge(read, old.first().map(|d| &d.spec))?;
        let oldest = latency::oldest(&measured);
        Made { text: latency::write(entry, &measured), valid_from: None, published: oldest, notes: Vec::new() }
    } else {
        let found = catalog::import(entry, read)?;
        let text = catalog::profile::write(entry, &found);
        Made { text, valid_from: found.valid_from, published: found.published, notes: found.notes }
    };
    // What is written is to be read again; what an entry says may make it otherwise.
    let (_, faults) = documents(&entry.into, &made.text);
    if faults.has_errors() { Err(faults) } else { Ok(made) }
}

/// The documents of one text, without a Project around them.
fn documents(file: &str, text: &str) -> (SpecSet, Diagnostics) {
    let tree = SourceTree { files: [(file.into(), text.into())].into() };
    let (set, faults) = load::read(&tree);
    (set, faults.iter().filter(|d| d.code != "SKY0114").cloned().collect())
}

fn figures(file: &At<String>, text: &str) -> BTreeMap<String, Figure> {
    let (set, _) = documents(file, text);
    let prices = set.providers.iter().flat_map(|d| changes::figures(&d.spec));
    prices.chain(set.latencies.iter().flat_map(|d| changes::latencies(&d.spec))).collect()
}

fn edited(entry: &CatalogEntry, locked: bool) -> Diagnostic {
    let text = if locked {
        format!("`{}` was changed since it was fetched", entry.into)
    } else {
        format!("`{}` is there, and `refresh` did not write it", entry.into)
    };
    Diagnostic::error("SKY0925", text)
        .at(&entry.into.origin)
        .hint("look at what was changed, and put it into the entry, or into a profile of its own; then use --overwrite")
}

/// Whether everything agrees.
fn check(root: &Path, args: &RefreshArgs, texts: &Texts, set: &SpecSet, output: &Output) -> Exit {
    let paths =
        set.project.iter().flat_map(|p| &p.spec.catalog).flat_map(|e| &e.sources).filter_map(|s| s.path.as_ref());
    let local = paths.filter_map(|p| Some((p.value.clone(), digest_bytes(&fs::read(root.join(p.as_str())).ok()?))));
    let stale = lock::stale(set, &local.collect());
    if args.json {
        output.json(&serde_json::json!({"formatVersion": "1.0", "agrees": stale.is_empty(), "diagnostics": stale}));
    }
    let exit = output.diagnostics(&stale, &texts.sources);
    if stale.is_empty() && !args.json {
        let n = set.lock.as_ref().map_or(0, |l| l.spec.catalog.len());
        output.print(&format!("the catalogue is as it was fetched: {n} profiles\n"));
    }
    exit
}

/// Writes the files, then the lock that speaks of them.
fn write(
    root: &Path,
    done: &[Refreshed],
    mut lock: BTreeMap<String, Locked>,
    sources: &[LockedContent],
) -> Result<(), Diagnostic> {
    for refreshed in done {
        replace(root, &refreshed.file, &refreshed.text)?;
        lock.insert(refreshed.profile.clone(), refreshed.locked.clone());
    }
    replace(root, LOCK_FILE, &lock::write(&lock, sources))
}

/// Writes a file that is there whole, or not at all.
pub(super) fn replace(root: &Path, file: &str, text: &str) -> Result<(), Diagnostic> {
    let cannot =
        |e: &io::Error| Diagnostic::error("SKY0901", format!("{} cannot be written: {e}", root.join(file).display()));
    let path = root.join(file);
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder).map_err(|e| cannot(&e))?;
    let outside = || io::Error::new(io::ErrorKind::PermissionDenied, "a link leads out of the project");
    let inside = || -> io::Result<bool> { Ok(folder.canonicalize()?.starts_with(root.canonicalize()?)) };
    if !inside().map_err(|e| cannot(&e))? {
        return Err(cannot(&outside()));
    }
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut out = fs::File::create(&beside)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&beside, &path)
    })();
    written.map_err(|e| {
        let _ = fs::remove_file(&beside);
        cannot(&e)
    })
}
