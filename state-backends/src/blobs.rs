//! What a store has to do: keep named blobs, each created only if its name is free.
//!
//! A store knows neither entries nor floors; [`crate::log`] makes a log of it.

use std::fmt;

use crate::{Appended, BackendError};

/// Kinds of blobs, each listed for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// One blob for every entry of the log.
    Entries,
    /// Pieces of entries that are too large for one blob.
    Parts,
    /// Marks: entries below the highest of them are void.
    Floors,
    /// What a probe leaves for a moment.
    Probes,
}

impl Shelf {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Parts => "parts",
            Self::Floors => "floors",
            Self::Probes => "probes",
        }
    }
}

/// Name of a blob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// The entry with this serial.
    Entry(u64),
    /// A piece of an entry.
    Part(PartName),
    /// Entries below this serial are void.
    Floor(u64),
    /// A trial.
    Probe(String),
}

/// Name of a piece. It belongs to one attempt to write one entry, so that it is known for certain when
/// nobody needs it any more: as soon as the entry is there and is not of this attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    /// Serial of the entry.
    pub serial: u64,
    /// Nonce of the attempt.
    pub nonce: String,
    /// SHA-256 of the bytes.
    pub digest: String,
}

impl Name {
    /// The shelf that it is on.
    pub fn shelf(&self) -> Shelf {
        match self {
            Self::Entry(_) => Shelf::Entries,
            Self::Part(_) => Shelf::Parts,
            Self::Floor(_) => Shelf::Floors,
            Self::Probe(_) => Shelf::Probes,
        }
    }

    /// The serial that it is about.
    pub fn serial(&self) -> Option<u64> {
        match self {
            Self::Entry(serial) | Self::Floor(serial) | Self::Part(PartName { serial, .. }) => Some(*serial),
            Self::Probe(_) => None,
        }
    }

    /// The name that this text means on a shelf; `None` = not one of ours.
    pub fn parse(shelf: Shelf, text: &str) -> Option<Self> {
        let serial = |text: &str| -> Option<u64> {
            (text.len() >= 12 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
        };
        match shelf {
            Shelf::Entries => serial(text).map(Self::Entry),
            Shelf::Floors => serial(text).map(Self::Floor),
            Shelf::Probes => Some(Self::Probe(text.to_owned())),
            Shelf::Parts => {
                let mut pieces = text.split('-');
                let name = (pieces.next()?, pieces.next()?, pieces.next()?, pieces.next());
                let (number, nonce, digest, None) = name else { return None };
                Some(Self::Part(PartName {
                    serial: serial(number)?,
                    nonce: nonce.to_owned(),
                    digest: digest.to_owned(),
                }))
            }
        }
    }
}

/// Twelve digits or more, so that names sort as numbers do for a long time.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(serial) | Self::Floor(serial) => write!(f, "{serial:012}"),
            Self::Part(PartName { serial, nonce, digest }) => write!(f, "{serial:012}-{nonce}-{digest}"),
            Self::Probe(nonce) => f.write_str(nonce),
        }
    }
}

/// A store of named blobs.
///
/// Calls block. A network store has threads of its own for its connections, so that it can be called from
/// anywhere; a caller that is asynchronous itself calls it from a thread that may block.
pub trait Blobs: fmt::Debug + Send + Sync {
    /// Which store it is, for messages: an address without credentials.
    fn place(&self) -> String;

    /// The most bytes that one blob may have.
    fn max_bytes(&self) -> usize;

    /// Creates the blob if the name is free. Of many that try the same name at once exactly one is told
    /// [`Appended::Ok`], and the blob is there whole or not at all; it survives a power cut from then on.
    ///
    /// # Errors
    /// The store failed; it may have created the blob nevertheless.
    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError>;

    /// The blob, if it is there. What was created before this call began is seen.
    ///
    /// # Errors
    /// The store failed.
    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError>;

    /// Names on a shelf, in any order; for entries those above `after` suffice. What was created before
    /// this call began, and not removed, is in it.
    ///
    /// # Errors
    /// The store failed.
    fn names(&self, shelf: Shelf, after: u64) -> Result<Vec<Name>, BackendError>;

    /// Removes the blob, if it is there.
    ///
    /// # Errors
    /// The store failed.
    fn delete(&self, name: &Name) -> Result<(), BackendError>;

    /// Removes what writers that were killed have left outside of all shelves, where `dead` says that
    /// the entry they were about cannot be written any more.
    ///
    /// # Errors
    /// The store failed.
    fn sweep(&self, dead: &dyn Fn(u64) -> bool) -> Result<(), BackendError> {
        let _ = dead;
        Ok(())
    }
}

macro_rules! by_reference {
    ($($type:ty),*) => {$(
        impl<B: Blobs + ?Sized> Blobs for $type {
            fn place(&self) -> String {
                (**self).place()
            }
            fn max_bytes(&self) -> usize {
                (**self).max_bytes()
            }
            fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
                (**self).create(name, bytes)
            }
            fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
                (**self).get(name)
            }
            fn names(&self, shelf: Shelf, after: u64) -> Result<Vec<Name>, BackendError> {
                (**self).names(shelf, after)
            }
            fn delete(&self, name: &Name) -> Result<(), BackendError> {
                (**self).delete(name)
            }
            fn sweep(&self, dead: &dyn Fn(u64) -> bool) -> Result<(), BackendError> {
                (**self).sweep(dead)
            }
        }
    )*};
}

by_reference!(&B, Box<B>, std::sync::Arc<B>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let part = PartName { serial: 7, nonce: "ab".into(), digest: "cd".into() };
        for name in
            [Name::Entry(12), Name::Entry(1_234_567_890_123), Name::Floor(1), Name::Part(part), Name::Probe("x".into())]
        {
            assert_eq!(Name::parse(name.shelf(), &name.to_string()), Some(name));
        }
        for text in ["12", "", "00000000000x", "-00000000001", "+00000000001", "000000000001-a"] {
            assert_eq!(Name::parse(Shelf::Entries, text), None, "{text}");
            assert_eq!(Name::parse(Shelf::Parts, text), None, "{text}");
        }
    }
}
