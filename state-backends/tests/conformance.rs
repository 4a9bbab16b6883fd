//! What every backend promises, tried on one that is really there.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use skyplan_state_backends::{
    Appended, BackendError, LogBackend as _, OpenLog,
    blobs::{Blobs, Name, Shelf},
    log::Log,
    probe,
};

use crate::servers::Place;

pub(crate) fn all(place: &Place) {
    can_be_trusted(place);
    is_empty_at_first(place);
    keeps_order_and_gaps(place);
    refuses_the_second(place);
    holds_entries_of_any_size(place);
    lets_one_of_eight_win(place);
    knows_its_own_after_a_lost_answer(place);
    forgets_what_is_below_the_floor(place);
    finds_a_truncated_entry(place);
    lists_more_than_a_page(place);
    keeps_logs_apart(place);
}

/// Bytes that differ everywhere and do not compress.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn can_be_trusted(place: &Place) {
    let log = place.open("probe");
    probe(log.blobs()).unwrap();
    assert_eq!(log.blobs().names(Shelf::Probes, 0).unwrap(), []);
}

fn is_empty_at_first(place: &Place) {
    let log = place.open("absent");
    assert_eq!(log.list(0).unwrap(), [0; 0]);
    assert_eq!(log.floor().unwrap(), 1);
    assert!(matches!(log.read(1), Err(BackendError::Missing(1))));
    assert!(matches!(log.remove(1), Err(BackendError::Missing(2))));
    log.collect().unwrap();
}

fn keeps_order_and_gaps(place: &Place) {
    let log = place.open("order");
    for serial in [1, 2, 10, 9, 100, 1_000_000] {
        assert_eq!(log.append(serial, &serial.to_le_bytes()).unwrap(), Appended::Ok);
    }
    let again = place.open("order");
    assert_eq!(again.list(0).unwrap(), [1, 2, 9, 10, 100, 1_000_000]);
    assert_eq!(again.list(9).unwrap(), [10, 100, 1_000_000]);
    assert_eq!(again.list(1_000_000).unwrap(), [0; 0]);
    assert_eq!(again.read(10).unwrap(), 10_u64.to_le_bytes());
    assert!(matches!(again.read(3), Err(BackendError::Missing(3))));
}

fn refuses_the_second(place: &Place) {
    let log = place.open("second");
    assert_eq!(log.append(1, b"first").unwrap(), Appended::Ok);
    assert_eq!(log.append(1, b"second").unwrap(), Appended::Conflict);
    assert_eq!(place.open("second").append(1, b"first").unwrap(), Appended::Conflict, "even with the same bytes");
    assert_eq!(log.read(1).unwrap(), b"first");
}

fn holds_entries_of_any_size(place: &Place) {
    let log = place.open("sizes");
    let limit = log.max_entry_bytes();
    let mut sizes = vec![0, 1, 64 << 20];
    if limit < 64 << 20 {
        sizes.extend([limit - 1, limit, limit + 1, limit * 2]);
    }
    for (serial, size) in (1..).zip(sizes) {
        let entry = noise(serial, size);
        assert_eq!(log.append(serial, &entry).unwrap(), Appended::Ok, "{size} bytes");
        assert!(place.open("sizes").read(serial).unwrap() == entry, "{size} bytes are read back");
    }
    let before = log.blobs().names(Shelf::Parts, 0).unwrap().len();
    assert_eq!(log.append(3, &noise(9, limit.min(32 << 20) + 1)).unwrap(), Appended::Conflict);
    assert_eq!(log.blobs().names(Shelf::Parts, 0).unwrap().len(), before, "the loser's parts are gone");
    assert!(log.read(3).unwrap() == noise(3, 64 << 20), "64 MiB, still those of the winner");
    log.append(100, b"last").unwrap();
    log.remove(99).unwrap();
    assert_eq!(log.blobs().names(Shelf::Parts, 0).unwrap(), []);
}

fn lets_one_of_eight_win(place: &Place) {
    const SERIALS: std::ops::RangeInclusive<u64> = 1..=15;
    let barrier = Barrier::new(8);
    // Nothing is asserted between barriers: a writer that is gone would leave the others waiting.
    let attempt = |log: &OpenLog, serial, entry: &[u8]| -> Result<(bool, bool), BackendError> {
        let won = log.append(serial, entry)? == Appended::Ok;
        Ok((won, log.read(serial)? == entry))
    };
    let outcomes: Vec<Vec<Result<(bool, bool), BackendError>>> = thread::scope(|scope| {
        let writers: Vec<_> = (0..8_u64)
            .map(|writer| {
                let (barrier, attempt) = (&barrier, &attempt);
                scope.spawn(move || {
                    let log = place.open("eight");
                    let entry = noise(writer, 5000);
                    let attempt = |serial| {
                        barrier.wait();
                        attempt(&log, serial, &entry)
                    };
                    SERIALS.map(attempt).collect()
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    for i in 0..15 {
        let of_serial: Vec<(bool, bool)> = outcomes.iter().map(|o| *o[i].as_ref().unwrap()).collect();
        assert_eq!(of_serial.iter().filter(|(won, _)| *won).count(), 1, "one wins: {of_serial:?}");
        assert!(of_serial.iter().all(|(won, there)| won == there), "and is read by all at once: {of_serial:?}");
    }
}

/// Loses the answer to the first create.
#[derive(Debug)]
struct Deaf<B>(B, AtomicBool);

impl<B: Blobs> Blobs for Deaf<B> {
    fn place(&self) -> String {
        self.0.place()
    }
    fn max_bytes(&self) -> usize {
        self.0.max_bytes()
    }
    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
        let done = self.0.create(name, bytes)?;
        if self.1.swap(true, Ordering::Relaxed) {
            return Ok(done);
        }
        Err(BackendError::Unreachable { place: self.place(), why: "the answer was lost".into() })
    }
    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
        self.0.get(name)
    }
    fn names(&self, shelf: Shelf, after: u64) -> Result<Vec<Name>, BackendError> {
        self.0.names(shelf, after)
    }
    fn delete(&self, name: &Name) -> Result<(), BackendError> {
        self.0.delete(name)
    }
}

fn knows_its_own_after_a_lost_answer(place: &Place) {
    let deaf = || Log::new(Deaf(place.open("deaf").into_blobs(), AtomicBool::new(false)));
    assert_eq!(deaf().append(1, b"same").unwrap(), Appended::Ok);
    assert_eq!(deaf().append(1, b"same").unwrap(), Appended::Conflict);
}

fn forgets_what_is_below_the_floor(place: &Place) {
    let log = place.open("floor");
    for serial in 1..=12 {
        log.append(serial, b"entry").unwrap();
    }
    log.remove(8).unwrap();
    let again = place.open("floor");
    assert_eq!((again.floor().unwrap(), again.list(0).unwrap()), (9, vec![9, 10, 11, 12]));
    assert!(matches!(again.read(8), Err(BackendError::Missing(8))));
    assert_eq!(again.append(3, b"late").unwrap(), Appended::Conflict, "void");
    assert_eq!(again.blobs().get(&Name::Entry(3)).unwrap(), None);
    // A writer that was killed before it looked at the floor.
    assert_eq!(again.blobs().create(&Name::Entry(4), b"void").unwrap(), Appended::Ok);
    assert_eq!(again.list(0).unwrap(), [9, 10, 11, 12]);
    again.collect().unwrap();
    assert_eq!(again.blobs().get(&Name::Entry(4)).unwrap(), None);
    assert_eq!(again.append(13, b"next").unwrap(), Appended::Ok);
    again.remove(12).unwrap();
    assert_eq!(place.open("floor").list(0).unwrap(), [13]);
}

fn finds_a_truncated_entry(place: &Place) {
    let log = place.open("torn");
    for serial in 1..=3 {
        log.append(serial, &noise(serial, 1000)).unwrap();
    }
    let name = Name::Entry(3);
    let whole = log.blobs().get(&name).unwrap().unwrap();
    for keep in [0, 5, 100, 500, whole.len() - 1] {
        log.blobs().delete(&name).unwrap();
        assert_eq!(log.blobs().create(&name, &whole[..keep]).unwrap(), Appended::Ok);
        let error = log.read(3).unwrap_err();
        assert!(matches!(error, BackendError::Corrupt { .. }), "{keep} bytes: {error}");
        assert!(error.to_string().starts_with("entry 3 is damaged"), "{error}");
        assert_eq!(log.append(3, b"over it").unwrap(), Appended::Conflict, "nobody writes over it");
    }
    assert_eq!(log.read(2).unwrap(), noise(2, 1000));
}

fn lists_more_than_a_page(place: &Place) {
    const COUNT: u64 = 1_100;
    let log = place.open("pages");
    thread::scope(|scope| {
        for worker in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for serial in (1..=COUNT).filter(|serial| serial % 8 == worker) {
                    assert_eq!(log.blobs().create(&Name::Entry(serial), b"entry").unwrap(), Appended::Ok);
                }
            });
        }
    });
    assert_eq!(log.list(0).unwrap(), (1..=COUNT).collect::<Vec<_>>());
    assert_eq!(log.list(COUNT - 2).unwrap(), [COUNT - 1, COUNT]);
}

fn keeps_logs_apart(place: &Place) {
    let (one, two) = (place.open("apart"), place.open("apart-2"));
    one.append(1, b"one").unwrap();
    assert_eq!(two.list(0).unwrap(), [0; 0]);
    two.append(1, b"two").unwrap();
    two.append(2, b"two").unwrap();
    assert_eq!((one.list(0).unwrap(), one.read(1).unwrap()), (vec![1], b"one".to_vec()));
}
