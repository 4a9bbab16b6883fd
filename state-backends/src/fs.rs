//! The log as files of one folder.
//!
//! An entry is written to a temporary file, synced, and hard-linked to its final name: the link
//! fails if the name is taken, and the name never shows half an entry. The folder is synced before
//! the append counts, so a power cut cannot take back what was reported.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{Appended, BackendError, LogBackend};

/// A folder with a file for every entry.
#[derive(Debug)]
pub struct FolderLog {
    folder: PathBuf,
}

impl FolderLog {
    /// A log in this folder, which is made by the first append: looking changes nothing.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, serial: u64) -> PathBuf {
        self.folder.join(format!("{serial:012}.json"))
    }
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> BackendError + 'a {
    move |source| BackendError::Io { what: format!("{what} {}", path.display()), source }
}

impl LogBackend for FolderLog {
    fn append(&self, serial: u64, bytes: &[u8]) -> Result<Appended, BackendError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let target = self.path(serial);
        // Unique among processes and threads; one left by a killed writer is never read.
        let nonce = COUNT.fetch_add(1, Ordering::Relaxed);
        // State is its owner's: it holds the key of the digests that stand for secret values.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(failed("making the folder", &self.folder))?;
        let draft = self.folder.join(format!(".draft-{serial}-{}-{nonce}", process::id()));
        let write = || -> io::Result<Appended> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            match fs::hard_link(&draft, &target) {
                Ok(()) => {
                    File::open(&self.folder)?.sync_all()?;
                    Ok(Appended::Ok)
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Appended::Conflict),
                Err(e) => Err(e),
            }
        };
        let result = write();
        // The draft has done its work or is of no use.
        let _ = fs::remove_file(&draft);
        result.map_err(failed("writing", &target))
    }

    fn read(&self, serial: u64) -> Result<Vec<u8>, BackendError> {
        let path = self.path(serial);
        fs::read(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => BackendError::Missing(serial),
            _ => failed("reading", &path)(e),
        })
    }

    fn list(&self, after: u64) -> Result<Vec<u64>, BackendError> {
        let mut serials = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(serials),
            entries => entries.map_err(failed("listing", &self.folder))?,
        };
        for entry in entries {
            let name = entry.map_err(failed("listing", &self.folder))?.file_name();
            let serial = name.to_str().and_then(|n| n.strip_suffix(".json")).and_then(|n| n.parse::<u64>().ok());
            serials.extend(serial.filter(|s| *s > after));
        }
        serials.sort_unstable();
        Ok(serials)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn entries_are_read_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let log = FolderLog::new(&dir.path().join("a/b"));
        for serial in [1, 2, 10, 9] {
            assert_eq!(log.append(serial, &serial.to_le_bytes()).unwrap(), Appended::Ok);
        }
        assert_eq!(log.list(1).unwrap(), [2, 9, 10]);
        assert_eq!(log.read(9).unwrap(), 9_u64.to_le_bytes());
        assert!(matches!(log.read(3), Err(BackendError::Missing(3))));
        assert_eq!(log.append(9, b"other").unwrap(), Appended::Conflict);
        assert_eq!(log.read(9).unwrap(), 9_u64.to_le_bytes());
        let left: Vec<_> = fs::read_dir(log.folder()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 4, "no drafts stay behind: {left:?}");
    }

    #[test]
    fn of_many_writers_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(8);
        let wins: usize = thread::scope(|scope| {
            let writers: Vec<_> = (0..8_u8)
                .map(|writer| {
                    let (path, barrier) = (dir.path(), &barrier);
                    scope.spawn(move || {
                        let log = FolderLog::new(path);
                        barrier.wait();
                        (1..=50).filter(|s| log.append(*s, &[writer; 4096]).unwrap() == Appended::Ok).count()
                    })
                })
                .collect();
            writers.into_iter().map(|w| w.join().unwrap()).sum()
        });
        assert_eq!(wins, 50);
        let log = FolderLog::new(dir.path());
        for serial in 1..=50 {
            let bytes = log.read(serial).unwrap();
            assert!(bytes.len() == 4096 && bytes.iter().all(|b| *b == bytes[0]), "entry {serial} is whole");
        }
    }

    #[test]
    fn a_draft_of_a_killed_writer_is_not_an_entry() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".draft-1-77-0"), b"half").unwrap();
        let log = FolderLog::new(dir.path());
        assert_eq!(log.list(0).unwrap(), [0; 0]);
        assert_eq!(log.append(1, b"whole").unwrap(), Appended::Ok);
    }
}
