//! A log from one store to another, entry by entry.

use crate::{
    Appended, BackendError, LogBackend as _,
    blobs::{Blobs, Name},
    log::{Log, patiently},
};

/// Copies a log into a store that holds none, or the beginning of this one: a copy that was broken off is
/// finished by the next. Returns how many entries the new log has. Nobody may append to either meanwhile.
///
/// # Errors
/// The new store holds another log ([`BackendError::Failed`]), or a store failed.
pub fn copy<A: Blobs, B: Blobs>(from: &Log<A>, to: &Log<B>) -> Result<usize, BackendError> {
    let (entries, there) = (from.entries(0)?, to.entries(0)?);
    let taken = |why: &str| BackendError::Failed { place: to.blobs().place(), why: why.to_owned() };
    if !entries.starts_with(&there) {
        return Err(taken("it holds another log, which is left as it is"));
    }
    let first = entries.first().map_or(1, |(serial, _)| *serial);
    if to.floor()? < first {
        patiently(|| to.blobs().create(&Name::Floor(first), b"floor\n"))?;
    }
    for (serial, bytes) in &entries[there.len()..] {
        if to.append(*serial, bytes)? == Appended::Conflict {
            return Err(taken("somebody else writes to it"));
        }
    }
    let copied = to.entries(0)?;
    if copied == entries { Ok(entries.len()) } else { Err(taken("what was copied is not what is read there")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn log(max_bytes: usize) -> Log<Memory> {
        Log::new(Memory::new(max_bytes))
    }

    #[test]
    fn a_copy_is_the_same_log() {
        let (from, to) = (log(1000), log(700));
        for serial in 1..=9 {
            from.append(serial, &[u8::try_from(serial).unwrap(); 2000]).unwrap();
        }
        from.remove(4).unwrap();
        assert_eq!(copy(&from, &to).unwrap(), 5);
        assert_eq!((to.entries(0).unwrap(), to.floor().unwrap()), (from.entries(0).unwrap(), 5));
        assert_eq!(to.append(3, b"late").unwrap(), Appended::Conflict, "void there as well");
    }

    #[test]
    fn a_copy_that_was_broken_off_is_finished_and_another_log_is_left() {
        let (from, to) = (log(1000), log(1000));
        for serial in 1..=3 {
            from.append(serial, b"entry").unwrap();
        }
        to.append(1, b"entry").unwrap();
        assert_eq!(copy(&from, &to).unwrap(), 3);
        assert_eq!(copy(&from, &to).unwrap(), 3);
        to.append(4, b"more").unwrap();
        assert!(copy(&from, &to).unwrap_err().to_string().contains("another log"));
        assert_eq!(to.list(0).unwrap(), [1, 2, 3, 4]);
    }
}
