//! Entries that are too large for one blob: pieces named by their digests first, then a head that lists
//! them. The entry is there when the head is.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry as Slot},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    BackendError,
    blobs::{Blobs, Name, PartName, Shelf},
    frame::{self, Frame, Header},
    log::patiently,
};

/// Pieces under way at once.
const ABREAST: usize = 4;

fn name(serial: u64, nonce: &str, digest: &str) -> Name {
    Name::Part(PartName { serial, nonce: nonce.to_owned(), digest: digest.to_owned() })
}

/// Writes the pieces of an entry; returns its head, and what was written.
pub(crate) fn write(
    blobs: &dyn Blobs,
    serial: u64,
    nonce: &str,
    entry: &[u8],
) -> Result<(Vec<u8>, Vec<Name>), BackendError> {
    let pieces: Vec<&[u8]> = entry.chunks(blobs.max_bytes().max(1)).collect();
    let digests: Vec<String> = pieces.iter().map(|piece| frame::digest(piece)).collect();
    let head = frame::head(nonce, entry, digests.clone())?;
    if head.len() > blobs.max_bytes() {
        let why = format!("an entry of {} bytes is more than it can take", entry.len());
        return Err(BackendError::Unsupported { place: blobs.place(), why });
    }
    let names: Vec<Name> = digests.iter().map(|digest| name(serial, nonce, digest)).collect();
    abreast(names.len(), |i| {
        // Taken = this very piece: the nonce is ours.
        patiently(|| blobs.create(&names[i], pieces[i])).map(drop)
    })?;
    Ok((head, names))
}

/// Puts an entry together; the inner error says what is wrong with it.
pub(crate) fn read(blobs: &dyn Blobs, serial: u64, header: &Header) -> Result<Result<Vec<u8>, String>, BackendError> {
    let pieces: Vec<Mutex<Option<Vec<u8>>>> = header.parts.iter().map(|_| Mutex::default()).collect();
    abreast(pieces.len(), |i| {
        let name = name(serial, &header.nonce, &header.parts[i]);
        *pieces[i].lock().unwrap_or_else(PoisonError::into_inner) = patiently(|| blobs.get(&name))?;
        Ok(())
    })?;
    let mut entry = Vec::new();
    for (piece, digest) in pieces.into_iter().zip(&header.parts) {
        let Some(piece) = piece.into_inner().unwrap_or_else(PoisonError::into_inner) else {
            return Ok(Err(format!("its part {digest} is missing")));
        };
        if frame::digest(&piece) != *digest {
            return Ok(Err(format!("its part {digest} was changed")));
        }
        entry.extend_from_slice(&piece);
    }
    header.check(&format!("entry {serial}"), &entry)?;
    Ok(Ok(entry))
}

/// Removes pieces that no entry can ever need: those of entries below the floor, and those of attempts
/// that were not the one that wrote their entry.
pub(crate) fn collect(blobs: &dyn Blobs, floor: u64, entries: &BTreeSet<Name>) -> Result<(), BackendError> {
    let mut heads: BTreeMap<u64, Wanted> = BTreeMap::new();
    for name in patiently(|| blobs.names(Shelf::Parts, 0))? {
        let Name::Part(part) = &name else { continue };
        let needless = if part.serial < floor {
            true
        } else if entries.contains(&Name::Entry(part.serial)) {
            let head = match heads.entry(part.serial) {
                Slot::Occupied(slot) => slot.into_mut(),
                Slot::Vacant(slot) => slot.insert(wanted(blobs, part.serial)?),
            };
            match head {
                Wanted::Of(head) => head.nonce != part.nonce || !head.parts.contains(&part.digest),
                Wanted::Nothing => true,
                Wanted::Unclear => false,
            }
        } else {
            // Perhaps its head is just being written.
            false
        };
        if needless {
            patiently(|| blobs.delete(&name))?;
        }
    }
    Ok(())
}

/// Which pieces an entry needs.
enum Wanted {
    Of(Header),
    Nothing,
    /// The entry is damaged: whoever mends it may need them.
    Unclear,
}

fn wanted(blobs: &dyn Blobs, serial: u64) -> Result<Wanted, BackendError> {
    let Some(blob) = patiently(|| blobs.get(&Name::Entry(serial)))? else { return Ok(Wanted::Nothing) };
    match frame::read(&format!("entry {serial}"), blob) {
        Ok(Frame::Head(header)) => Ok(Wanted::Of(header)),
        Ok(Frame::Plain(_) | Frame::Whole(_)) => Ok(Wanted::Nothing),
        Err(_) => Ok(Wanted::Unclear),
    }
}

/// Does `work` for every number below `count`, some at once; the first error stops it.
fn abreast(count: usize, work: impl Fn(usize) -> Result<(), BackendError> + Sync) -> Result<(), BackendError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            work(i).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (1..ABREAST.min(count)).map(|_| scope.spawn(worker)).collect();
        let mut done = worker();
        for handle in workers {
            let theirs = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done = done.and(theirs);
        }
        done
    })
}
