//! A log over any store: entries of any size, a floor below which nothing counts, and no doubt about who
//! won.
//!
//! # Who won
//! A writer that gets no answer tries again. If the name is then taken, it reads what is there: its own
//! nonce means that it had won the first time.
//!
//! # The floor
//! [`LogBackend::remove`] first publishes a floor, and only then removes what is below. Else a writer that
//! slept through it could take a serial that was freed. It may still create such an entry, but it looks at
//! the floor after that and sees that the entry is void; readers look at entries first and at the floor
//! after, so that they never take a half-removed log for one with gaps.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Appended, BackendError, LogBackend,
    blobs::{Blobs, Name, Shelf},
    frame::{self, Frame},
    parts,
};

/// How often a call that found nobody is made, the first pause, and when it is too late for another.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
const TOO_LATE: Duration = Duration::from_secs(30);

/// A log over a store.
#[derive(Debug)]
pub struct Log<B> {
    blobs: B,
    framed: bool,
}

impl<B: Blobs> Log<B> {
    /// A log over this store.
    pub fn new(blobs: B) -> Self {
        Self { blobs, framed: true }
    }

    /// A log whose entries are stored as they are: for stores that have no size limit and never leave an
    /// append undecided.
    pub(crate) fn plain(blobs: B) -> Self {
        Self { blobs, framed: false }
    }

    /// The store.
    pub fn blobs(&self) -> &B {
        &self.blobs
    }

    /// The store, and no log over it any more.
    pub fn into_blobs(self) -> B {
        self.blobs
    }

    /// Entries below this serial are void; 1 = none is.
    ///
    /// # Errors
    /// The store failed.
    pub fn floor(&self) -> Result<u64, BackendError> {
        let marks = patiently(|| self.blobs.names(Shelf::Floors, 0))?;
        Ok(marks.iter().filter_map(Name::serial).max().unwrap_or(1))
    }

    /// All entries above `after`, of one moment: taken again where the log is compacted meanwhile.
    ///
    /// # Errors
    /// The store failed, or an entry is damaged.
    pub fn entries(&self, after: u64) -> Result<Vec<(u64, Vec<u8>)>, BackendError> {
        'again: loop {
            let mut entries = Vec::new();
            for serial in self.list(after)? {
                match self.read(serial) {
                    Ok(bytes) => entries.push((serial, bytes)),
                    Err(BackendError::Missing(_)) if serial < self.floor()? => continue 'again,
                    Err(e) => return Err(e),
                }
            }
            return Ok(entries);
        }
    }

    /// Removes what nobody needs any more: void entries, pieces of entries that were not written, and
    /// what killed writers left. Safe at any time, beside any writer.
    ///
    /// # Errors
    /// The store failed.
    pub fn collect(&self) -> Result<(), BackendError> {
        let floor = self.floor()?;
        let entries = patiently(|| self.blobs.names(Shelf::Entries, 0))?;
        let (void, kept): (BTreeSet<_>, BTreeSet<_>) = entries.into_iter().partition(|e| e.serial() < Some(floor));
        for name in &void {
            patiently(|| self.blobs.delete(name))?;
        }
        parts::collect(&self.blobs, floor, &kept)?;
        // The mark before the last one stays: a listing that is not of one moment may miss the newest.
        let mut marks = patiently(|| self.blobs.names(Shelf::Floors, 0))?;
        marks.sort();
        for name in marks.iter().rev().skip(2) {
            patiently(|| self.blobs.delete(name))?;
        }
        self.blobs.sweep(&|serial| serial < floor || kept.contains(&Name::Entry(serial)))
    }
}

/// Creates a blob whose bytes nobody else would write, and does not stop before it is known who did.
pub(crate) fn create(blobs: &dyn Blobs, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
    match patiently(|| blobs.create(name, bytes))? {
        Appended::Ok => Ok(Appended::Ok),
        Appended::Conflict => match patiently(|| blobs.get(name))? {
            Some(there) if there == bytes => Ok(Appended::Ok),
            _ => Ok(Appended::Conflict),
        },
    }
}

/// Repeats what found nobody.
pub(crate) fn patiently<T>(call: impl Fn() -> Result<T, BackendError>) -> Result<T, BackendError> {
    let (mut tries, begun) = (1, Instant::now());
    loop {
        match call() {
            Err(e) if e.is_temporary() && tries < TRIES && begun.elapsed() < TOO_LATE => {
                thread::sleep(PAUSE * 2_u32.pow(tries - 1));
                tries += 1;
            }
            done => return done,
        }
    }
}

/// A number that nobody else has.
pub(crate) fn nonce() -> Result<String, BackendError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| BackendError::Io { what: "drawing a number".into(), source: e.into() })?;
    Ok(frame::hex(&bytes))
}

fn entry(serial: u64) -> String {
    format!("entry {serial}")
}

impl<B: Blobs> LogBackend for Log<B> {
    fn append(&self, serial: u64, bytes: &[u8]) -> Result<Appended, BackendError> {
        let name = Name::Entry(serial);
        if !self.framed {
            let done = patiently(|| self.blobs.create(&name, bytes))?;
            return if done == Appended::Ok && self.void(serial)? { Ok(Appended::Conflict) } else { Ok(done) };
        }
        let nonce = nonce()?;
        let (blob, parts) = if bytes.len() <= self.max_entry_bytes() {
            (frame::whole(&nonce, bytes)?, Vec::new())
        } else {
            parts::write(&self.blobs, serial, &nonce, bytes)?
        };
        let done = create(&self.blobs, &name, &blob)?;
        if done == Appended::Ok && !self.void(serial)? {
            return Ok(Appended::Ok);
        }
        for part in &parts {
            // Whoever collects next removes what is left.
            let _ = self.blobs.delete(part);
        }
        Ok(Appended::Conflict)
    }

    fn read(&self, serial: u64) -> Result<Vec<u8>, BackendError> {
        let name = Name::Entry(serial);
        let blob = patiently(|| self.blobs.get(&name))?.ok_or(BackendError::Missing(serial))?;
        if !self.framed {
            return Ok(blob);
        }
        match frame::read(&entry(serial), blob)? {
            Frame::Plain(bytes) | Frame::Whole(bytes) => Ok(bytes),
            Frame::Head(header) => match parts::read(&self.blobs, serial, &header)? {
                Ok(bytes) => Ok(bytes),
                Err(_) if serial < self.floor()? => Err(BackendError::Missing(serial)),
                Err(why) => Err(frame::damaged(&entry(serial), &why)),
            },
        }
    }

    fn list(&self, after: u64) -> Result<Vec<u64>, BackendError> {
        // In this order: what is removed between the two is below the floor that is read then.
        let names = patiently(|| self.blobs.names(Shelf::Entries, after))?;
        let floor = self.floor()?;
        let mut serials: Vec<u64> = names.iter().filter_map(Name::serial).collect();
        serials.retain(|s| *s > after && *s >= floor);
        serials.sort_unstable();
        Ok(serials)
    }

    fn remove(&self, upto: u64) -> Result<(), BackendError> {
        let next = upto.saturating_add(1);
        if self.floor()? < next {
            match self.read(next) {
                // Somebody else has compacted further meanwhile.
                Err(BackendError::Missing(_)) if next < self.floor()? => {}
                // Without it the log would have no beginning.
                Err(e) => return Err(e),
                Ok(_) => patiently(|| self.blobs.create(&Name::Floor(next), b"floor\n")).map(drop)?,
            }
        }
        self.collect()
    }

    fn max_entry_bytes(&self) -> usize {
        self.blobs.max_bytes().saturating_sub(frame::LINE_BYTES)
    }
}

impl<B: Blobs> Log<B> {
    /// Whether an entry that was just created came too late: the log has been compacted past it.
    fn void(&self, serial: u64) -> Result<bool, BackendError> {
        let void = serial < self.floor()?;
        if void {
            // Whoever collects next removes it if this fails; readers do not see it.
            let _ = self.blobs.delete(&Name::Entry(serial));
        }
        Ok(void)
    }
}

#[cfg(test)]
mod tests;
