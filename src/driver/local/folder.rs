//! What of a cluster lies where on disk, and how it is written there.
//!
//! Everything is the user's alone: folders 0700, files 0600, because keys are among them and etcd's
//! data holds every Secret. Knows nothing of what the files mean.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::diagnostic::Diagnostic;

/// The folder of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// The user's way in.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// Ports, processes, versions.
    pub(super) fn record(&self) -> PathBuf {
        self.path.join("cluster.json")
    }

    pub(super) fn etcd_data(&self) -> PathBuf {
        self.path.join("etcd")
    }

    pub(super) fn certificates(&self) -> PathBuf {
        self.path.join("certificates")
    }

    /// A file among the certificates: `ca.crt`, `ca.key`, `scheduler.kubeconfig`.
    pub(super) fn certificate(&self, file: &str) -> PathBuf {
        self.certificates().join(file)
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(super) fn log(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// Creates the folder and those in it.
    pub(super) fn create(&self) -> Result<(), Diagnostic> {
        [&self.path, &self.certificates(), &self.logs(), &self.etcd_data()]
            .into_iter()
            .try_for_each(|path| create_private(path))
    }

    /// Removes everything; nothing to remove is fine.
    pub(super) fn remove(&self) -> Result<(), Diagnostic> {
        match fs::remove_dir_all(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_fault("remove", &self.path, &e)),
            _ => Ok(()),
        }
    }

    /// A fresh log for a process. The one of its run before is kept beside it: it may say why there
    /// has to be another run.
    pub(super) fn new_log(&self, process: &str) -> Result<File, Diagnostic> {
        let path = self.log(process);
        let _ = fs::rename(&path, self.logs().join(format!("{process}.previous.log")));
        OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(|e| io_fault("write", &path, &e))
    }
}

/// Creates a folder, and those above it, for the user alone.
pub(super) fn create_private(path: &Path) -> Result<(), Diagnostic> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| io_fault("create", path, &e))?;
    // One that was there already may be open to others.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|e| io_fault("protect", path, &e))
}

/// Writes a file for the user alone, whole or not at all, also when the machine stops in between.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // A left-over may have other permissions, which opening it would keep.
    let _ = fs::remove_file(&temporary);
    let written = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|e| io_fault("write", path, &e))
}

/// Reads a file; `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, Diagnostic> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_fault("read", path, &e)),
    }
}

/// The end of a log, for a diagnostic: the last lines that say something.
pub(super) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let mut last: Vec<&str> = text.lines().rev().filter(|l| !l.trim().is_empty()).take(lines).collect();
    last.reverse();
    last.iter().map(|l| shorten(l)).collect::<Vec<_>>().join("\n")
}

/// Some programs print a whole configuration in one line.
fn shorten(line: &str) -> String {
    const LONGEST: usize = 400;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line.to_owned(),
    }
}

/// A fault of the file system.
pub(super) fn io_fault(what: &str, path: &Path, error: &io::Error) -> Diagnostic {
    let fault = Diagnostic::error("SKY0605", format!("cannot {what} {}", path.display()))
        .detail(format!("The system says: {error}."));
    match error.kind() {
        io::ErrorKind::PermissionDenied => fault.hint(format!("see who owns it: ls -ld {}", path.display())),
        io::ErrorKind::StorageFull => fault.hint("make room on that disk, then run the same again"),
        _ => fault.hint("put that right, then run the same again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_whole() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("c"));
        folder.create().unwrap();
        fs::write(folder.kubeconfig(), "old").unwrap();
        fs::set_permissions(folder.kubeconfig(), fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&folder.kubeconfig(), b"new").unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.kubeconfig()), 0o600);
        assert_eq!(mode(&folder.certificates()), 0o700);
        assert_eq!(read(&folder.kubeconfig()).unwrap().as_deref(), Some("new"));
        assert_eq!(read(&folder.record()).unwrap(), None);
        folder.remove().unwrap();
        folder.remove().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_tail_is_the_last_lines() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("x.log");
        fs::write(&log, format!("a\nb\n\nc\n{}\n", "d".repeat(1000))).unwrap();
        let tail = tail(&log, 3);
        assert_eq!(tail.lines().take(2).collect::<Vec<_>>(), ["b", "c"]);
        assert!(tail.ends_with("d …") && tail.len() < 500);
    }
}
