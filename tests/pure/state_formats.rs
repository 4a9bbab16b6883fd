//! Logs as every version so far has written them, in `testdata/state`: each is read, and gone on with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use skyplan::state::{
    End, Entry,
    store::{Location, Log},
};

use crate::support::project::checkout;

/// The logs, oldest first: in each an apply, another, and one that was killed after its `Begin`.
fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(checkout("testdata/state")).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    cases
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut entries: Vec<PathBuf> = all.filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    entries.sort();
    entries
}

fn open(folder: &Path) -> Log {
    Log::open(&Location::folder(folder), "quickstart", || "key".into()).unwrap()
}

#[test]
fn golden_logs_of_every_format_are_read_and_gone_on_with() {
    let cases = cases();
    assert!(cases.len() >= 3);
    for case in cases {
        let dir = tempfile::tempdir().unwrap();
        for file in files(&case.join("log")) {
            fs::copy(&file, dir.path().join(file.file_name().unwrap())).unwrap();
        }
        let mut log = open(dir.path());
        let state = serde_json::to_string_pretty(log.state()).unwrap() + "\n";
        let golden = case.join("state.json");
        if std::env::var("SNAPSHOTS").is_ok_and(|s| s == "overwrite") {
            fs::write(&golden, &state).unwrap();
        }
        assert_eq!(state, fs::read_to_string(&golden).unwrap_or_default(), "{}", case.display());
        assert!(!log.state().uncertain.is_empty() && log.state().open.len() == 1);
        let end =
            End { begin: None, at: String::new(), complete: true, placement: None, settled: Vec::new(), trust: None };
        log.append(&Entry::End(end)).unwrap();
        assert_eq!(open(dir.path()).state(), log.state());
    }
}

/// Else it has become another format: then a log of it has to be added, and the others stay.
#[test]
fn this_version_writes_the_newest_format() {
    let newest = cases().pop().unwrap().join("log");
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path());
    for (_, entry) in open(&newest).entries().unwrap() {
        log.append(&entry).unwrap();
    }
    let (written, golden) = (files(dir.path()), files(&newest));
    assert_eq!(written.len(), golden.len());
    for (written, golden) in written.iter().zip(&golden) {
        // The first line of a file holds a number that nobody else has.
        let rest = |path: &Path| fs::read_to_string(path).unwrap().split_once('\n').unwrap().1.to_owned();
        assert_eq!(rest(written), rest(golden), "{}", golden.display());
    }
}
