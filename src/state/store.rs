//! The log where it is kept: opens it, replays it, appends to it, compacts it. No other file
//! reads or writes logs by way of `skyplan-state-backends`.

use std::path::{Path, PathBuf};

use skyplan_state_backends::{
    Appended, BackendError, LogBackend as _, OpenLog,
    blobs::{Blobs as _, Name, Shelf},
};

use super::{
    chain::Link,
    entry::{Entry, FORMAT, KINDS, Snapshot},
    replay::State,
    turns::Turns,
};
use crate::diagnostic::Diagnostic;

/// When a log is compacted.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Entries that are kept at least: what `state log` and `rollback` can go back to.
    history: u64,
    /// A Snapshot is due when the entries since the last one are larger than it and than this: so what is
    /// written stays in proportion to what the state is.
    bytes: u64,
    /// Or when they are so many.
    count: u64,
}

const PACE: Pace = Pace { history: 512, bytes: 1 << 20, count: 256 };

/// Where a log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Address, as in `state.url`.
    pub url: String,
    /// What a relative path in it is relative to.
    pub base: PathBuf,
}

impl Location {
    /// What `state.url` of a project names.
    pub fn of(root: &Path, url: Option<&str>) -> Self {
        Self { url: url.unwrap_or(crate::spec::STATE_URL).to_owned(), base: root.to_owned() }
    }

    /// A folder.
    pub fn folder(path: &Path) -> Self {
        Self { url: format!("file://{}", path.display()), base: PathBuf::new() }
    }

    /// The folder, where it is one.
    pub fn path(&self) -> Option<PathBuf> {
        self.url.strip_prefix("file://").map(|path| self.base.join(path))
    }

    /// For people: the folder, or the address without what nobody is to see.
    pub fn text(&self) -> String {
        match self.path() {
            Some(path) => path.display().to_string(),
            None => skyplan_state_backends::shown(&self.url),
        }
    }

    /// Opens the store; nothing is written.
    ///
    /// # Errors
    /// The address is not understood, or nobody is there.
    pub fn open(&self) -> Result<OpenLog, Diagnostic> {
        let env = |name: &str| std::env::var(name).ok();
        skyplan_state_backends::open(&self.url, &self.base, &env).map_err(|e| self.unusable(&e))
    }

    /// Tries whether the store keeps its word: some take a condition and ignore it. What it writes for
    /// that it removes again.
    ///
    /// # Errors
    /// It does not, or it failed.
    pub fn probe(&self) -> Result<(), Diagnostic> {
        skyplan_state_backends::probe(self.open()?.blobs()).map_err(|e| self.unusable(&e))
    }

    fn unusable(&self, error: &BackendError) -> Diagnostic {
        let damaged = matches!(error, BackendError::Corrupt { .. } | BackendError::Missing(_));
        let variables = std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
        let said = skyplan_state_backends::without_credentials(&error.to_string(), variables);
        Diagnostic::error(if damaged { "SKY0802" } else { "SKY0801" }, format!("the state cannot be used: {said}"))
            .detail(format!("The log is in {}.", self.text()))
            .hint(error.hint())
    }

    fn read(&self, serial: u64, bytes: &[u8]) -> Result<Entry, Diagnostic> {
        /// As much of an entry as every version writes.
        #[derive(serde::Deserialize)]
        struct Head {
            entry: String,
            #[serde(default)]
            format: u32,
        }
        serde_json::from_slice(bytes).map_err(|e| match serde_json::from_slice::<Head>(bytes) {
            // Passing over it would come to another state than the one that was meant.
            Ok(head) if !KINDS.contains(&head.entry.as_str()) => self.newer(serial, &format!("`{}`", head.entry)),
            Ok(head) if head.format > FORMAT => self.newer(serial, &format!("of format {}", head.format)),
            _ => self.damaged(serial, &e.to_string()),
        })
    }

    fn newer(&self, serial: u64, what: &str) -> Diagnostic {
        Diagnostic::error("SKY0801", format!("the state was written by a newer skyplan: entry {serial} is {what}"))
            .detail(format!("The log is in {}; this version reads formats up to {FORMAT}.", self.text()))
            .hint("use that version or a newer one; nothing was changed")
    }

    fn damaged(&self, serial: u64, why: &str) -> Diagnostic {
        Diagnostic::error("SKY0802", format!("entry {serial} of the state log is damaged: {why}"))
            .detail(format!("The log is in {}.", self.text()))
            .hint("restore it from a copy: entries are never changed once written")
    }
}

/// An open log and the state that it comes to.
#[derive(Debug)]
pub struct Log {
    backend: OpenLog,
    location: Location,
    lineage: String,
    state: State,
    /// What the next entry is held to; `None` before the first.
    last: Option<Link>,
    /// Bytes and number of entries since the last Snapshot, and its size.
    since: (u64, u64),
    snapshot: u64,
    /// Serials of Snapshots, rising.
    snapshots: Vec<u64>,
    /// Format that the last of them says.
    format: u32,
    pace: Pace,
}

impl Log {
    /// Opens the log of a project, and replays it. Nothing is written: a log that is not there yet
    /// has serial 0 and a fresh key for digests of secrets.
    ///
    /// # Errors
    /// The store cannot be used, an entry is damaged, changed or missing, or the log is of another lineage.
    pub fn open(location: &Location, lineage: &str, fresh_key: impl FnOnce() -> String) -> Result<Self, Diagnostic> {
        let backend = location.open()?;
        let mut log = Self {
            backend,
            location: location.clone(),
            lineage: lineage.to_owned(),
            state: State::default(),
            last: None,
            since: (0, 0),
            snapshot: 0,
            snapshots: Vec::new(),
            format: 0,
            pace: PACE,
        };
        log.catch_up()?;
        if log.state.serial == 0 {
            lineage.clone_into(&mut log.state.lineage);
            log.state.secret_key = fresh_key();
        }
        Ok(log)
    }

    /// The state as of the last entry.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where the log is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Takes in what others have appended meanwhile.
    ///
    /// # Errors
    /// The store failed, or an entry is damaged, changed or missing.
    pub fn catch_up(&mut self) -> Result<(), Diagnostic> {
        let after = self.state.serial;
        let entries = self.backend.entries(after).map_err(|e| self.location.unusable(&e))?;
        for (serial, bytes) in entries {
            let first = self.state.serial == 0;
            // A log may begin late, with a Snapshot, and nothing is missing between two entries.
            if serial != self.state.serial + 1 && !first {
                return match self.state.serial == after {
                    // Compacted past us.
                    true => self.anew(),
                    false => Err(self.missing(self.state.serial + 1, serial)),
                };
            }
            let entry = self.location.read(serial, &bytes)?;
            self.understood(serial, first, &entry)?;
            if let Some(why) = self.last.as_ref().and_then(|last| last.broken(&bytes)) {
                return Err(self.location.damaged(serial, why));
            }
            self.take(serial, &entry, &bytes);
        }
        if self.state.serial > 0 && self.state.lineage != self.lineage {
            return Err(Diagnostic::error(
                "SKY0804",
                format!("this is the state of lineage `{}`, the project's is `{}`", self.state.lineage, self.lineage),
            )
            .detail(format!("The log is in {}.", self.location.text()))
            .hint("point `state.url` at this project's own state, or restore `lineage` in skyplan.yaml"));
        }
        Ok(())
    }

    /// Reads the log from its beginning.
    fn anew(&mut self) -> Result<(), Diagnostic> {
        (self.state, self.last) = (State::default(), None);
        self.snapshots.clear();
        self.catch_up()
    }

    /// Everything, as it is.
    fn snapshot(&self) -> Entry {
        Entry::Snapshot(Snapshot { format: FORMAT, state: self.state.clone() })
    }

    /// Whether this version can read the log that begins here.
    fn understood(&self, serial: u64, first: bool, entry: &Entry) -> Result<(), Diagnostic> {
        match entry {
            Entry::Snapshot(Snapshot { format, .. }) if *format > FORMAT => {
                Err(self.location.newer(serial, &format!("of format {format}")))
            }
            Entry::Snapshot(_) => Ok(()),
            _ if first => Err(self.missing(1, serial)),
            _ => Ok(()),
        }
    }

    fn missing(&self, expected: u64, found: u64) -> Diagnostic {
        Diagnostic::error("SKY0802", format!("entry {expected} of the state log is missing"))
            .detail(format!("The log is in {}; the entry after it is {found}.", self.location.text()))
            .hint("restore it from a copy: only what lies before a Snapshot is ever removed by skyplan")
    }

    fn take(&mut self, serial: u64, entry: &Entry, bytes: &[u8]) {
        let size = bytes.len() as u64;
        if let Entry::Snapshot(snapshot) = entry {
            self.snapshots.push(serial);
            self.format = snapshot.format;
            (self.snapshot, self.since) = (size, (0, 0));
        } else {
            self.since.0 += size;
            self.since.1 += 1;
        }
        self.last = Some(Link::of(bytes));
        self.state = std::mem::take(&mut self.state).after(serial, entry);
    }

    /// Every entry that is kept, with its serial.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn entries(&self) -> Result<Vec<(u64, Entry)>, Diagnostic> {
        self.read_after(0)
    }

    fn read_after(&self, serial: u64) -> Result<Vec<(u64, Entry)>, Diagnostic> {
        let entries = self.backend.entries(serial).map_err(|e| self.location.unusable(&e))?;
        entries.into_iter().map(|(serial, bytes)| Ok((serial, self.location.read(serial, &bytes)?))).collect()
    }

    /// Every entry after this serial; `None` where one of them is no longer kept.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn entries_after(&self, serial: u64) -> Result<Option<Vec<(u64, Entry)>>, Diagnostic> {
        let entries = self.read_after(serial)?;
        let whole = entries.first().is_none_or(|(first, _)| *first == serial + 1);
        Ok(whole.then_some(entries))
    }

    /// One entry; `None` where it is no longer kept.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn entry(&self, serial: u64) -> Result<Option<Entry>, Diagnostic> {
        let bytes = match self.backend.read(serial) {
            Err(BackendError::Missing(_)) => return Ok(None),
            read => read.map_err(|e| self.location.unusable(&e))?,
        };
        self.location.read(serial, &bytes).map(Some)
    }

    /// The state as it was after an entry that is still kept; `None` where it is not.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn state_at(&self, serial: u64) -> Result<Option<State>, Diagnostic> {
        let entries = self.entries()?;
        if !entries.iter().any(|(s, _)| *s == serial) {
            return Ok(None);
        }
        let upto = entries.iter().filter(|(s, _)| *s <= serial);
        Ok(Some(upto.fold(State::default(), |state, (serial, entry)| state.after(*serial, entry))))
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
        match self.append(&self.snapshot()) {
            Err(lost) if lost.code == "SKY0803" => self.anew(),
            done => done,
        }
    }

    /// Appends an entry as the next serial. The first append writes a Snapshot before it, and so does the first
    /// that older versions would not understand: they see by its format that the log is not for them.
    ///
    /// # Errors
    /// Somebody else appended meanwhile (`SKY0803`), or the store failed.
    pub fn append(&mut self, entry: &Entry) -> Result<(), Diagnostic> {
        let first = self.state.serial == 0 || entry.format() > self.format;
        if first && !matches!(entry, Entry::Snapshot(_)) {
            self.append(&self.snapshot())?;
        }
        // Nothing is trusted to a store that was never tried; to a folder it is.
        if self.state.serial == 0 && matches!(entry, Entry::Snapshot(_)) && self.location.path().is_none() {
            skyplan_state_backends::probe(self.backend.blobs()).map_err(|e| self.location.unusable(&e))?;
        }
        let serial = self.state.serial + 1;
        let bytes = serde_json::to_vec(entry).map_err(|e| self.location.damaged(serial, &e.to_string()))?;
        let bytes = match &self.last {
            Some(last) => last.chained(&bytes),
            None => bytes,
        };
        match self.backend.append(serial, &bytes).map_err(|e| self.location.unusable(&e))? {
            Appended::Ok => {
                self.take(serial, entry, &bytes);
                Ok(())
            }
            Appended::Conflict => Err(lost(serial)),
        }
    }

    /// Appends what is said of the state as it is then. Where others are first it is said anew of what they
    /// have left; `None` = there is nothing to be said. Answers what goes with the entry that was appended.
    ///
    /// # Errors
    /// What is said is a fault, others are first all the time (`SKY0803`), or the store failed.
    pub fn append_of<T>(
        &mut self,
        say: impl Fn(&State) -> Result<Option<(Entry, T)>, Box<Diagnostic>>,
    ) -> Result<Option<T>, Box<Diagnostic>> {
        let mut turns = Turns::new();
        loop {
            let Some((entry, told)) = say(&self.state)? else { return Ok(None) };
            match self.append(&entry) {
                Err(lost) if lost.code == "SKY0803" => turns.again()?,
                done => return done.map(|()| Some(told)).map_err(Box::new),
            }
            self.catch_up()?;
        }
    }

    /// Writes a Snapshot where one is due, and removes what is older than the history that is kept.
    /// Nothing depends on it: a log that is never compacted is as good, only longer.
    ///
    /// # Errors
    /// The store failed; the log is sound nevertheless.
    pub fn compact(&mut self) -> Result<(), Diagnostic> {
        let (bytes, count) = self.since;
        if count < self.pace.count && bytes < self.pace.bytes.max(self.snapshot) {
            return Ok(());
        }
        match self.append(&self.snapshot()) {
            // Somebody is at work: another time.
            Err(lost) if lost.code == "SKY0803" => return Ok(()),
            done => done?,
        }
        let kept = self.state.serial.saturating_sub(self.pace.history);
        match self.snapshots.iter().rev().find(|s| **s <= kept) {
            Some(first) if *first > 1 => self.backend.remove(first - 1).map_err(|e| self.location.unusable(&e)),
            _ => Ok(()),
        }
    }

    /// Blobs of entries that were compacted away: nobody needs them.
    ///
    /// # Errors
    /// The store failed.
    pub fn void(&self) -> Result<usize, Diagnostic> {
        let floor = self.backend.floor().map_err(|e| self.location.unusable(&e))?;
        let below = |name: &Name| match name {
            Name::Entry(serial) => *serial < floor,
            Name::Part(part) => part.serial < floor,
            Name::Floor(_) | Name::Probe(_) => false,
        };
        let mut count = 0;
        for shelf in [Shelf::Entries, Shelf::Parts] {
            let names = self.backend.blobs().names(shelf, 0).map_err(|e| self.location.unusable(&e))?;
            count += names.iter().filter(|n| below(n)).count();
        }
        Ok(count)
    }

    /// Removes them, and what killed writers left.
    ///
    /// # Errors
    /// The store failed.
    pub fn collect(&self) -> Result<(), Diagnostic> {
        self.backend.collect().map_err(|e| self.location.unusable(&e))
    }

    /// Copies the log to another place, which has none, and checks the copy.
    ///
    /// # Errors
    /// The other place holds another log, cannot be trusted with one, or failed.
    pub fn copy_to(&self, to: &Location) -> Result<usize, Diagnostic> {
        let target = to.open()?;
        skyplan_state_backends::probe(target.blobs()).map_err(|e| to.unusable(&e))?;
        skyplan_state_backends::copy(&self.backend, &target).map_err(|e| to.unusable(&e))
    }
}

/// Another run was first.
pub(crate) fn lost(serial: u64) -> Diagnostic {
    Diagnostic::error("SKY0803", "somebody else changed the state meanwhile")
        .detail(format!("Entry {serial} was written by another run."))
        .hint("plan again: `skyplan plan`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Delta, End};

    fn open(folder: &Path, lineage: &str) -> Result<Log, Diagnostic> {
        Log::open(&Location::folder(folder), lineage, || "key".into())
    }

    fn end() -> Entry {
        Entry::End(End {
            begin: None,
            at: String::new(),
            complete: true,
            placement: None,
            settled: Vec::new(),
            trust: None,
        })
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
        let mut one = Log::open(&Location::folder(dir.path()), "a", || "one".into()).unwrap();
        let mut two = Log::open(&Location::folder(dir.path()), "a", || "two".into()).unwrap();
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
        let whole = std::fs::read(file(3)).unwrap();
        std::fs::write(file(3), "{").unwrap();
        let cut = open(dir.path(), "a").unwrap_err();
        assert!(cut.code == "SKY0802" && cut.summary.contains("entry 3"), "{cut:?}");
        std::fs::write(file(3), whole).unwrap();
        std::fs::remove_file(file(2)).unwrap();
        let missing = open(dir.path(), "a").unwrap_err();
        assert!(missing.code == "SKY0802" && missing.summary.contains("entry 2"), "{missing:?}");
    }

    #[test]
    fn a_changed_entry_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), "a").unwrap();
        (0..3).for_each(|_| log.append(&end()).unwrap());
        // As somebody would who knows the format: length and digest of the frame fit.
        let file = dir.path().join(format!("{:012}.json", 3));
        let text = std::fs::read_to_string(&file).unwrap();
        let body = text.lines().last().unwrap().replace("\"complete\":true", "\"complete\":false");
        std::fs::write(&file, body).unwrap();
        let fault = open(dir.path(), "a").unwrap_err();
        assert!(fault.code == "SKY0802" && fault.summary.contains("entry 4"), "{fault:?}");
    }

    #[test]
    fn an_entry_of_a_newer_version_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), "a").unwrap();
        log.append(&end()).unwrap();
        for (text, what) in [
            (r#"{"entry":"lease","at":""}"#, "entry 3 is `lease`"),
            (r#"{"entry":"snapshot","format":99,"all":{}}"#, "entry 3 is of format 99"),
        ] {
            std::fs::write(dir.path().join("000000000003.json"), text).unwrap();
            let fault = open(dir.path(), "a").unwrap_err();
            assert!(fault.code == "SKY0801" && fault.summary.contains(what), "{fault:?}");
        }
    }

    #[test]
    fn what_older_versions_do_not_know_is_announced_by_a_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let first = r#"{"entry":"snapshot","format":1,"state":{"lineage":"a","secretKey":"key"}}"#;
        std::fs::write(dir.path().join("000000000001.json"), first).unwrap();
        let mut log = open(dir.path(), "a").unwrap();
        log.append(&end()).unwrap();
        assert_eq!(log.state().serial, 2, "it stays as it is until it must not");
        let held = vec!["cluster/a".parse().unwrap()];
        let hold = Entry::Hold(crate::state::Hold { at: String::new(), addresses: held, reason: Some("r".into()) });
        log.append(&hold).unwrap();
        assert!(matches!(log.entry(3).unwrap(), Some(Entry::Snapshot(Snapshot { format: FORMAT, .. }))));
        log.append(&hold).unwrap();
        let again = open(dir.path(), "a").unwrap();
        assert_eq!((again.state(), again.state().serial, again.state().held.len()), (log.state(), 5, 1));
    }

    #[test]
    fn a_long_log_is_compacted_and_keeps_its_history() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), "a").unwrap();
        log.pace = Pace { history: 20, count: 10, ..PACE };
        let mut beside = open(dir.path(), "a").unwrap();
        for _ in 0..60 {
            log.append(&end()).unwrap();
            log.compact().unwrap();
        }
        let kept = log.entries().unwrap();
        assert!(kept[0].0 > 1 && matches!(kept[0].1, Entry::Snapshot(_)));
        assert!((20..50).contains(&(kept.len() as u64)), "{}", kept.len());
        let again = open(dir.path(), "a").unwrap();
        assert_eq!(again.state(), log.state());
        assert_eq!(log.state_at(log.state().serial).unwrap().as_ref(), Some(log.state()));
        assert!(log.state_at(3).unwrap().is_none());
        // A reader from before it finds its way.
        beside.catch_up().unwrap();
        assert_eq!(beside.state(), log.state());
    }

    #[test]
    fn a_copy_comes_to_the_same_state() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut log = open(one.path(), "a").unwrap();
        log.append(&end()).unwrap();
        assert_eq!(log.copy_to(&Location::folder(two.path())).unwrap(), 2);
        assert_eq!(open(two.path(), "a").unwrap().state(), log.state());
    }
}
