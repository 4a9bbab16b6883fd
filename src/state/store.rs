//! The log on disk: opens it, replays it, appends to it. The only file that talks to
//! `skyplan-state-backends`.

use std::path::{Path, PathBuf};

use skyplan_state_backends::{Appended, BackendError, LogBackend, fs::FolderLog};

use super::{
    entry::{Entry, FORMAT, Snapshot},
    replay::State,
};
use crate::diagnostic::Diagnostic;

/// An open log and the state that it comes to.
#[derive(Debug)]
pub struct Log {
    backend: FolderLog,
    state: State,
}

impl Log {
    /// Opens the log of a project, and replays it. Nothing is written: a log that is not there yet
    /// has serial 0 and a fresh key for digests of secrets.
    ///
    /// # Errors
    /// The folder cannot be used, an entry is damaged or missing, or the log is of another lineage.
    pub fn open(folder: &Path, lineage: &str, fresh_key: impl FnOnce() -> String) -> Result<Self, Diagnostic> {
        let backend = FolderLog::new(folder);
        let mut state = State::default();
        for (expected, serial) in (1..).zip(backend.list(0).map_err(|e| unusable(folder, &e))?) {
            if serial != expected {
                return Err(Diagnostic::error("SKY0802", format!("entry {expected} of the state log is missing"))
                    .detail(format!("The log is in {}; the entry after it is {serial}.", folder.display()))
                    .hint("restore the file from a copy: entries are never removed by skyplan"));
            }
            let bytes = backend.read(serial).map_err(|e| unusable(folder, &e))?;
            let entry = serde_json::from_slice(&bytes).map_err(|e| damaged(folder, serial, &e.to_string()))?;
            if let Entry::Snapshot(Snapshot { format, .. }) = &entry
                && *format > FORMAT
            {
                return Err(Diagnostic::error(
                    "SKY0801",
                    format!("the state was written by a newer skyplan (format {format}, this one reads {FORMAT})"),
                )
                .hint("use that version or a newer one"));
            }
            state = state.after(serial, &entry);
        }
        if state.serial == 0 {
            lineage.clone_into(&mut state.lineage);
            state.secret_key = fresh_key();
        } else if state.lineage != lineage {
            return Err(Diagnostic::error(
                "SKY0804",
                format!("this is the state of lineage `{}`, the project's is `{lineage}`", state.lineage),
            )
            .detail(format!("The log is in {}.", folder.display()))
            .hint("point `state.url` at this project's own state, or restore `lineage` in skyplan.yaml"));
        }
        Ok(Self { backend, state })
    }

    /// The state as of the last entry.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where the log is.
    pub fn folder(&self) -> &Path {
        self.backend.folder()
    }

    /// Every entry with its serial.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn entries(&self) -> Result<Vec<(u64, Entry)>, Diagnostic> {
        let folder = self.backend.folder();
        let serials = self.backend.list(0).map_err(|e| unusable(folder, &e))?;
        serials
            .into_iter()
            .map(|serial| {
                let bytes = self.backend.read(serial).map_err(|e| unusable(folder, &e))?;
                let entry = serde_json::from_slice(&bytes).map_err(|e| damaged(folder, serial, &e.to_string()))?;
                Ok((serial, entry))
            })
            .collect()
    }

    /// Begins a log that has no entry yet, so that its key for digests of secrets stays the same from the
    /// first plan on. A log that somebody else begins at the same moment is taken as it is.
    ///
    /// # Errors
    /// The store failed.
    pub fn begin(&mut self) -> Result<(), Diagnostic> {
        if self.state.serial > 0 {
            return Ok(());
        }
        let snapshot = Snapshot { format: FORMAT, state: self.state.clone() };
        match self.append(&Entry::Snapshot(snapshot)) {
            Err(lost) if lost.code == "SKY0803" => {
                let (folder, lineage) = (self.folder().to_owned(), self.state.lineage.clone());
                *self = Self::open(&folder, &lineage, String::new)?;
                Ok(())
            }
            done => done,
        }
    }

    /// Appends an entry as the next serial. The first append writes a Snapshot before it.
    ///
    /// # Errors
    /// Somebody else appended meanwhile (`SKY0803`), or the store failed.
    pub fn append(&mut self, entry: &Entry) -> Result<(), Diagnostic> {
        if self.state.serial == 0 && !matches!(entry, Entry::Snapshot(_)) {
            let snapshot = Snapshot { format: FORMAT, state: self.state.clone() };
            self.append(&Entry::Snapshot(snapshot))?;
        }
        let serial = self.state.serial + 1;
        let folder = self.backend.folder();
        let bytes = serde_json::to_vec(entry).map_err(|e| damaged(folder, serial, &e.to_string()))?;
        match self.backend.append(serial, &bytes).map_err(|e| unusable(folder, &e))? {
            Appended::Ok => {
                self.state = std::mem::take(&mut self.state).after(serial, entry);
                Ok(())
            }
            Appended::Conflict => Err(lost(serial)),
        }
    }
}

/// The folder that a `state.url` names.
pub fn folder_of(root: &Path, url: Option<&str>) -> PathBuf {
    let url = url.unwrap_or(crate::spec::STATE_URL);
    root.join(url.strip_prefix("file://").unwrap_or(url))
}

fn unusable(folder: &Path, error: &BackendError) -> Diagnostic {
    Diagnostic::error("SKY0801", format!("the state cannot be used: {error}"))
        .detail(format!("The log is in {}.", folder.display()))
        .hint("check that the folder is writable and its disk has room")
}

/// Another run was first.
pub(crate) fn lost(serial: u64) -> Diagnostic {
    Diagnostic::error("SKY0803", "somebody else changed the state meanwhile")
        .detail(format!("Entry {serial} was written by another run."))
        .hint("plan again: `skyplan plan`")
}

fn damaged(folder: &Path, serial: u64, why: &str) -> Diagnostic {
    Diagnostic::error("SKY0802", format!("entry {serial} of the state log is damaged: {why}"))
        .detail(format!("The log is in {}.", folder.display()))
        .hint("restore the file from a copy")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Delta, End};

    fn open(folder: &Path, lineage: &str) -> Result<Log, Diagnostic> {
        Log::open(folder, lineage, || "key".into())
    }

    fn end() -> Entry {
        Entry::End(End { begin: None, at: String::new(), complete: true, placement: None, settled: Vec::new() })
    }

    #[test]
    fn a_log_is_replayed_and_guards_its_lineage() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), "a").unwrap();
        assert_eq!(log.state().serial, 0);
        log.append(&end()).unwrap();
        let again = open(dir.path(), "a").unwrap();
        assert_eq!((again.state(), again.state().serial), (log.state(), 2));
        assert_eq!(again.state().secret_key, "key");
        assert_eq!(open(dir.path(), "b").unwrap_err().code, "SKY0804");
    }

    #[test]
    fn of_two_that_begin_a_log_both_have_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let mut one = Log::open(dir.path(), "a", || "one".into()).unwrap();
        let mut two = Log::open(dir.path(), "a", || "two".into()).unwrap();
        one.begin().unwrap();
        two.begin().unwrap();
        assert_eq!((one.state(), two.state().secret_key.as_str()), (two.state(), "one"));
        two.begin().unwrap();
        assert_eq!(two.state().serial, 1);
    }

    #[test]
    fn of_two_writers_the_second_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut one = open(dir.path(), "a").unwrap();
        one.append(&end()).unwrap();
        let mut two = open(dir.path(), "a").unwrap();
        one.append(&end()).unwrap();
        let late = two.append(&Entry::Delta(Delta { outcomes: std::collections::BTreeMap::new() }));
        assert_eq!(late.unwrap_err().code, "SKY0803");
    }

    #[test]
    fn damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), "a").unwrap();
        log.append(&end()).unwrap();
        log.append(&end()).unwrap();
        let file = |n: u64| dir.path().join(format!("{n:012}.json"));
        std::fs::write(file(3), "{").unwrap();
        assert_eq!(open(dir.path(), "a").unwrap_err().code, "SKY0802");
        std::fs::remove_file(file(2)).unwrap();
        assert!(open(dir.path(), "a").unwrap_err().summary.contains("entry 2"));
    }
}
