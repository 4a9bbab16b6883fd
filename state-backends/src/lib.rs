//! A log of numbered opaque blobs, each created only if it is not there.
//!
//! This crate knows nothing of what the blobs mean. A backend keeps one promise above all: of two
//! writers that append the same serial, exactly one succeeds, and a blob is there whole or not at
//! all, whatever is killed when.
//!
//! Two layers: a *store* ([`blobs::Blobs`]) keeps named blobs ([`fs`], [`memory`], and over the network
//! `objects`, `kubernetes`, `postgres`); [`log::Log`] makes a log of any of them. [`open()`] finds the store
//! that an address names; [`probe()`] tries whether it can be trusted;
//! [`copy()`] moves a log to another store.

pub mod blobs;
mod error;
mod frame;
pub mod log;
mod parts;
mod probe;
mod copy;
pub mod fs;
pub mod memory;
#[cfg(feature = "_network")]
mod bridge;
#[cfg(feature = "kubernetes")]
pub mod credentials;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
#[cfg(feature = "_objects")]
pub mod objects;
#[cfg(feature = "postgres")]
pub mod postgres;
mod address;
mod open;

use std::fmt;

pub use address::shown;
pub use copy::copy;
pub use error::{BackendError, without_credentials};
pub use open::{OpenLog, open};
pub use probe::probe;

/// Whether an append took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The entry is in the log, and stays there.
    Ok,
    /// Another entry has this serial, or the log has been compacted past it.
    Conflict,
}

/// A log of numbered blobs.
pub trait LogBackend: fmt::Debug {
    /// Writes the blob `serial`, unless there is one.
    ///
    /// # Errors
    /// The store failed; whether the append took effect is not known then.
    fn append(&self, serial: u64, bytes: &[u8]) -> Result<Appended, BackendError>;

    /// Reads the blob `serial`, which [`LogBackend::list`] has named.
    ///
    /// # Errors
    /// It is not there, it is damaged, or the store failed.
    fn read(&self, serial: u64) -> Result<Vec<u8>, BackendError>;

    /// Serials above `after`, rising.
    ///
    /// # Errors
    /// The store failed.
    fn list(&self, after: u64) -> Result<Vec<u64>, BackendError>;

    /// Removes all entries up to this serial, for good. The entry after it must be there: the log
    /// begins with it from now on.
    ///
    /// # Errors
    /// The entry after it is not there or damaged, or the store failed; entries up to `upto` may be void
    /// already, and the next call goes on with it.
    fn remove(&self, upto: u64) -> Result<(), BackendError>;

    /// The size up to which an entry is one blob; a larger one is written in parts.
    fn max_entry_bytes(&self) -> usize;
}
