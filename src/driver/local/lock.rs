//! One run at a time per cluster.
//!
//! A lock is an open file with `flock` on it: the kernel lets go of it when its holder ends, however
//! it ends. Knows nothing of clusters.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::folder::io_fault;
use crate::diagnostic::Diagnostic;

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting for whoever has it; `waiting` is called once if that is needed.
    pub(super) async fn take(
        path: &Path,
        what: &str,
        patience: Duration,
        waiting: impl FnOnce(),
    ) -> Result<Self, Diagnostic> {
        let deadline = Instant::now() + patience;
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Self::attempt(path)? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(Diagnostic::error("SKY0607", format!("another skyplan is at work on {what}"))
                    .detail(format!("It did not end within {} s.", patience.as_secs()))
                    .hint(format!("wait for it, or see who it is: fuser -v {}", path.display())));
            }
            if let Some(say) = waiting.take() {
                say();
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn attempt(path: &Path) -> Result<Option<Self>, Diagnostic> {
        let fault = |e| io_fault("lock", path, &e);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(fault(e)),
        }
        // Between opening and locking the holder may have removed the file: then this is a lock on
        // something that nobody else will ever open.
        let ours = file.metadata().map_err(fault)?.ino();
        Ok(fs::metadata(path).is_ok_and(|m| m.ino() == ours).then_some(Self { path: path.to_owned(), _file: file }))
    }

    /// Lets go of the lock and leaves no file behind.
    pub(super) fn remove(self) {
        // While it is still held; one who waits for it notices.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn golden_the_second_waits_and_then_fails() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".dev.lock");
        let first = Lock::take(&path, "a", Duration::ZERO, || {}).await.unwrap();
        let mut told = 0;
        let fault = Lock::take(&path, "cluster `dev`", Duration::from_millis(60), || told += 1).await.unwrap_err();
        assert_eq!((fault.code.as_str(), told), ("SKY0607", 1));
        let folder = place.path().display().to_string();
        crate::render::diagnostics::golden(&fault, &[(&folder, "/home/me/.local/state/skyplan/local")]);
        drop(first);
        let second = Lock::take(&path, "a", Duration::ZERO, || {}).await.unwrap();

        // A waiter that has the removed file open must not believe that it holds the lock.
        let (path2, waiter) = (path.clone(), File::open(&path).unwrap());
        second.remove();
        let third = Lock::take(&path2, "a", Duration::ZERO, || {}).await.unwrap();
        assert!(waiter.try_lock().is_ok());
        assert!(Lock::take(&path, "a", Duration::ZERO, || {}).await.is_err());
        drop(third);
    }
}
