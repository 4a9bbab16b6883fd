//! Blobs as files of one folder.
//!
//! A blob is written to a temporary file, synced, and hard-linked to its final name: the link
//! fails if the name is taken, and the name never shows half a blob. The folder is synced before
//! the append counts, so a power cut cannot take back what was reported.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    Appended, BackendError, LogBackend,
    blobs::{Blobs, Name, Shelf},
    log::{Log, nonce},
};

/// A folder with a file for every entry, and folders for the rest.
#[derive(Clone, Debug)]
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

    /// The folder of a shelf. Entries are where people look first.
    fn shelf(&self, shelf: Shelf) -> PathBuf {
        if shelf == Shelf::Entries { self.folder.clone() } else { self.folder.join(shelf.name()) }
    }

    fn path(&self, name: &Name) -> PathBuf {
        let ending = if name.shelf() == Shelf::Entries { ".json" } else { "" };
        self.shelf(name.shelf()).join(format!("{name}{ending}"))
    }

    /// What an error of the operating system means here.
    fn failed<'a>(&'a self, what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> BackendError + 'a {
        move |source| {
            let (place, why) = (path.display().to_string(), source.to_string());
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    BackendError::Full { place, why }
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    BackendError::Denied { place, why }
                }
                _ => BackendError::Io { what: format!("{what} {place}"), source },
            }
        }
    }
}

/// Drafts are named by the serial that they are about and a number that nobody else has.
const DRAFT: &str = ".draft-";

/// Makes a folder and those above it, and syncs each name that was new.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new(""));
    make_folder(parent)?;
    // State is its owner's: it holds the key of the digests that stand for secret values.
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => sync(parent),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
}

/// Gives a draft its final name, unless that is taken.
fn publish(draft: &Path, target: &Path) -> io::Result<Appended> {
    match fs::hard_link(draft, target) {
        Ok(()) => Ok(Appended::Ok),
        // A network file system may lose its answer and ask again: taken by this very file = done.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let (ours, theirs) = (fs::metadata(draft), fs::metadata(target));
            let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
            Ok(if ours.is_ok_and(|a| theirs.is_ok_and(|b| same(a, b))) { Appended::Ok } else { Appended::Conflict })
        }
        // Somebody saw that this serial can no longer be written, and swept our draft away.
        Err(e)
            if e.kind() == io::ErrorKind::NotFound && !draft.exists() && target.parent().is_some_and(Path::exists) =>
        {
            Ok(Appended::Conflict)
        }
        Err(e) => Err(e),
    }
}

impl Blobs for FolderLog {
    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    fn max_bytes(&self) -> usize {
        usize::MAX
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
        let (folder, target) = (self.shelf(name.shelf()), self.path(name));
        make_folder(&folder).map_err(self.failed("making the folder", &folder))?;
        // One left by a killed writer is never read.
        let draft = folder.join(format!("{DRAFT}{}-{}", name.serial().unwrap_or(0), nonce()?));
        let write = || -> io::Result<Appended> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            let done = publish(&draft, &target)?;
            // Also of a lost race: what won must be there to stay before anybody builds on it.
            sync(&folder)?;
            Ok(done)
        };
        let result = write();
        // The draft has done its work or is of no use.
        let _ = fs::remove_file(&draft);
        result.map_err(|e| match e.kind() {
            io::ErrorKind::Unsupported => BackendError::Unsupported {
                place: self.place(),
                why: format!("its file system has no hard links ({e})"),
            },
            _ => self.failed("writing", &target)(e),
        })
    }

    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed("reading", &path)(e)),
        }
    }

    fn names(&self, shelf: Shelf, _: u64) -> Result<Vec<Name>, BackendError> {
        let folder = self.shelf(shelf);
        let files = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(self.failed("listing", &folder))?,
        };
        let mut names = Vec::new();
        for file in files {
            let file = file.map_err(self.failed("listing", &folder))?.file_name();
            let Some(text) = file.to_str().filter(|text| !text.starts_with('.')) else { continue };
            let text = if shelf == Shelf::Entries { text.strip_suffix(".json") } else { Some(text) };
            names.extend(text.and_then(|text| Name::parse(shelf, text)));
        }
        Ok(names)
    }

    fn delete(&self, name: &Name) -> Result<(), BackendError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.failed("removing", &path)(e)),
            _ => Ok(()),
        }
    }

    fn sweep(&self, dead: &dyn Fn(u64) -> bool) -> Result<(), BackendError> {
        for shelf in [Shelf::Entries, Shelf::Parts, Shelf::Floors] {
            let folder = self.shelf(shelf);
            let Ok(files) = fs::read_dir(&folder) else { continue };
            for file in files.flatten() {
                let name = file.file_name();
                let serial = name.to_str().and_then(|n| n.strip_prefix(DRAFT)?.split('-').next()?.parse().ok());
                if serial.is_some_and(dead) {
                    let path = file.path();
                    match fs::remove_file(&path) {
                        Err(e) if e.kind() != io::ErrorKind::NotFound => {
                            return Err(self.failed("removing", &path)(e));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// A log whose files are the entries, byte for byte.
impl LogBackend for FolderLog {
    fn append(&self, serial: u64, bytes: &[u8]) -> Result<Appended, BackendError> {
        Log::plain(self).append(serial, bytes)
    }

    fn read(&self, serial: u64) -> Result<Vec<u8>, BackendError> {
        Log::plain(self).read(serial)
    }

    fn list(&self, after: u64) -> Result<Vec<u64>, BackendError> {
        Log::plain(self).list(after)
    }

    fn remove(&self, upto: u64) -> Result<(), BackendError> {
        Log::plain(self).remove(upto)
    }

    fn max_entry_bytes(&self) -> usize {
        usize::MAX
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
        fs::write(dir.path().join(".draft-1-ab"), b"half").unwrap();
        let log = FolderLog::new(dir.path());
        assert_eq!(log.list(0).unwrap(), [0; 0]);
        assert_eq!(log.append(1, b"whole").unwrap(), Appended::Ok);
        fs::write(dir.path().join(".draft-2-cd"), b"half").unwrap();
        Log::new(&log).collect().unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".draft-2-cd", "000000000001.json"], "that of entry 2 may still be needed");
    }

    #[test]
    fn files_of_earlier_versions_are_part_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("000000000001.json"), br#"{"entry":"snapshot"}"#).unwrap();
        let log = Log::new(FolderLog::new(dir.path()));
        assert_eq!(log.append(1, b"x").unwrap(), Appended::Conflict);
        assert_eq!(log.append(2, b"x").unwrap(), Appended::Ok);
        assert_eq!(log.read(1).unwrap(), br#"{"entry":"snapshot"}"#);
        assert_eq!(log.entries(0).unwrap().len(), 2);
    }

    #[test]
    fn a_draft_swept_away_means_that_somebody_else_won() {
        let dir = tempfile::tempdir().unwrap();
        let (draft, target) = (dir.path().join("draft"), dir.path().join("target"));
        assert!(publish(&dir.path().join("gone/draft"), &dir.path().join("gone/target")).is_err());
        assert_eq!(publish(&draft, &target).unwrap(), Appended::Conflict, "of a serial below the floor");
        fs::write(&target, b"theirs").unwrap();
        assert_eq!(publish(&draft, &target).unwrap(), Appended::Conflict);
        fs::write(&draft, b"ours").unwrap();
        assert_eq!(publish(&draft, &target).unwrap(), Appended::Conflict);
        fs::remove_file(&target).unwrap();
        assert_eq!(publish(&draft, &target).unwrap(), Appended::Ok);
        assert_eq!(publish(&draft, &target).unwrap(), Appended::Ok, "an answer was lost");
    }
}
