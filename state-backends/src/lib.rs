//! A log of numbered opaque blobs, each created only if it is not there.
//!
//! This crate knows nothing of what the blobs mean. A backend keeps one promise above all: of two
//! writers that append the same serial, exactly one succeeds, and a blob is there whole or not at
//! all, whatever is killed when.

pub mod fs;

use std::{fmt, io};

/// Why a backend could not do it.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The blob is not there.
    #[error("entry {0} is not there")]
    Missing(u64),
    /// The store failed; whether an append took effect is not known.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The cause.
        source: io::Error,
    },
}

/// Whether an append took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The entry is in the log, and stays there.
    Ok,
    /// Another entry has this serial.
    Conflict,
}

/// A log of numbered blobs.
pub trait LogBackend: fmt::Debug {
    /// Writes the blob `serial`, unless there is one.
    ///
    /// # Errors
    /// The store failed.
    fn append(&self, serial: u64, bytes: &[u8]) -> Result<Appended, BackendError>;

    /// Reads the blob `serial`.
    ///
    /// # Errors
    /// It is not there, or the store failed.
    fn read(&self, serial: u64) -> Result<Vec<u8>, BackendError>;

    /// Serials above `after`, rising.
    ///
    /// # Errors
    /// The store failed.
    fn list(&self, after: u64) -> Result<Vec<u64>, BackendError>;
}
