//! The log over a store whose answers get lost, whose neighbours interfere, and whose blobs are small.

use std::{fmt, sync::Mutex};

use super::*;
use crate::{blobs::PartName, memory::Memory};

/// Called before and after each create, with the store beneath.
type Hook = Box<dyn FnMut(&Memory, &str, &Name) -> Result<(), BackendError> + Send>;

/// A store in memory that somebody meddles with.
struct Meddled {
    memory: Memory,
    hook: Mutex<Hook>,
}

impl fmt::Debug for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddled")
    }
}

impl Meddled {
    fn log(
        memory: &Memory,
        hook: impl FnMut(&Memory, &str, &Name) -> Result<(), BackendError> + Send + 'static,
    ) -> Log<Self> {
        Log::new(Self { memory: memory.clone(), hook: Mutex::new(Box::new(hook)) })
    }

    fn meddle(&self, when: &str, name: &Name) -> Result<(), BackendError> {
        (self.hook.lock().unwrap())(&self.memory, when, name)
    }
}

impl Blobs for Meddled {
    fn place(&self) -> String {
        self.memory.place()
    }
    fn max_bytes(&self) -> usize {
        self.memory.max_bytes()
    }
    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
        self.meddle("before create", name)?;
        let done = self.memory.create(name, bytes)?;
        self.meddle("after create", name)?;
        Ok(done)
    }
    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
        self.meddle("before get", name)?;
        self.memory.get(name)
    }
    fn names(&self, shelf: Shelf, after: u64) -> Result<Vec<Name>, BackendError> {
        let names = self.memory.names(shelf, after)?;
        if shelf == Shelf::Entries {
            self.meddle("after names", &Name::Entry(0))?;
        }
        Ok(names)
    }
    fn delete(&self, name: &Name) -> Result<(), BackendError> {
        self.meddle("before delete", name)?;
        self.memory.delete(name)
    }
}

fn lost() -> BackendError {
    BackendError::Unreachable { place: "memory".into(), why: "the answer was lost".into() }
}

/// Does it once, the first time that `when` and `name` fit.
fn once(
    when: &'static str,
    name: Name,
    mut act: impl FnMut(&Memory) -> Result<(), BackendError> + Send + 'static,
) -> impl FnMut(&Memory, &str, &Name) -> Result<(), BackendError> + Send + 'static {
    let mut done = false;
    move |memory, now, this| {
        if done || now != when || *this != name {
            return Ok(());
        }
        done = true;
        act(memory)
    }
}

fn filled(memory: &Memory, upto: u64) -> Log<Memory> {
    let log = Log::new(memory.clone());
    for serial in 1..=upto {
        assert_eq!(log.append(serial, b"same").unwrap(), Appended::Ok);
    }
    log
}

fn parts_of(memory: &Memory) -> Vec<Name> {
    memory.names(Shelf::Parts, 0).unwrap()
}

#[test]
fn a_writer_whose_answer_was_lost_knows_that_it_won() {
    let memory = Memory::new(1000);
    let log = Meddled::log(&memory, once("after create", Name::Entry(1), |_| Err(lost())));
    assert_eq!(log.append(1, b"same").unwrap(), Appended::Ok);
    assert_eq!(log.append(1, b"same").unwrap(), Appended::Conflict, "the same bytes of another are not ours");
    assert_eq!(log.read(1).unwrap(), b"same");
}

#[test]
fn a_writer_whose_question_was_lost_may_lose() {
    let memory = Memory::new(1000);
    let rival = |memory: &Memory| {
        Log::new(memory.clone()).append(1, b"same").unwrap();
        Err(lost())
    };
    let log = Meddled::log(&memory, once("before create", Name::Entry(1), rival));
    assert_eq!(log.append(1, b"same").unwrap(), Appended::Conflict);
}

#[test]
fn a_store_that_stays_away_is_said_to_be_away() {
    let memory = Memory::new(1000);
    let mut tries = 0;
    let log = Meddled::log(&memory, move |_, when, _| {
        tries += u32::from(when == "before create");
        assert!(tries <= TRIES);
        Err(lost())
    });
    assert!(matches!(log.append(1, b"x"), Err(BackendError::Unreachable { .. })));
    assert_eq!(Log::new(memory).list(0).unwrap(), [0; 0]);
}

#[test]
fn of_two_compactions_at_once_the_further_one_stands() {
    let memory = Memory::new(1000);
    filled(&memory, 10);
    let further = |memory: &Memory| Log::new(memory.clone()).remove(8);
    let log = Meddled::log(&memory, once("before get", Name::Entry(6), further));
    log.remove(5).unwrap();
    assert_eq!((log.floor().unwrap(), log.list(0).unwrap()), (9, vec![9, 10]));
    assert!(matches!(log.remove(11), Err(BackendError::Missing(12))), "nothing would be left");
}

#[test]
fn below_the_floor_nothing_counts() {
    let memory = Memory::new(1000);
    let log = filled(&memory, 10);
    log.remove(8).unwrap();
    assert_eq!((log.floor().unwrap(), log.list(0).unwrap()), (9, vec![9, 10]));
    assert!(matches!(log.read(8), Err(BackendError::Missing(8))));
    assert_eq!(log.append(5, b"late").unwrap(), Appended::Conflict);
    assert_eq!(log.append(10, b"late").unwrap(), Appended::Conflict);
    assert_eq!(log.append(11, b"next").unwrap(), Appended::Ok);
    assert_eq!(log.list(9).unwrap(), [10, 11]);
    log.remove(3).unwrap();
    assert_eq!(log.list(0).unwrap(), [9, 10, 11], "the floor does not fall");
}

#[test]
fn the_log_keeps_its_beginning() {
    let memory = Memory::new(1000);
    let log = filled(&memory, 3);
    assert!(matches!(log.remove(3), Err(BackendError::Missing(4))));
    assert_eq!(log.list(0).unwrap(), [1, 2, 3]);
}

#[test]
fn a_writer_that_slept_through_a_compaction_is_told() {
    let memory = Memory::new(1000);
    filled(&memory, 1);
    let others = |memory: &Memory| {
        let log = Log::new(memory.clone());
        for serial in 2..=9 {
            log.append(serial, b"theirs").unwrap();
        }
        log.remove(7)
    };
    let sleeper = Meddled::log(&memory, once("before create", Name::Entry(2), others));
    assert_eq!(sleeper.append(2, b"ours").unwrap(), Appended::Conflict);
    assert_eq!(Log::new(memory.clone()).list(0).unwrap(), [8, 9]);
    assert_eq!(memory.get(&Name::Entry(2)).unwrap(), None, "it took its void entry away");
}

#[test]
fn a_void_entry_of_a_killed_writer_is_not_seen_and_is_collected() {
    let memory = Memory::new(1000);
    let log = filled(&memory, 5);
    log.remove(3).unwrap();
    memory.create(&Name::Entry(2), b"void").unwrap();
    assert_eq!(log.list(0).unwrap(), [4, 5]);
    log.collect().unwrap();
    assert_eq!(memory.get(&Name::Entry(2)).unwrap(), None);
}

#[test]
fn a_reader_beside_a_compaction_sees_no_gap() {
    let memory = Memory::new(1000);
    filled(&memory, 9);
    let compact = |memory: &Memory| Log::new(memory.clone()).remove(6);
    let reader = Meddled::log(&memory, once("after names", Name::Entry(0), compact));
    assert_eq!(reader.list(0).unwrap(), [7, 8, 9]);

    let memory = Memory::new(1000);
    filled(&memory, 9);
    let reader = Meddled::log(&memory, once("before get", Name::Entry(3), compact));
    let serials: Vec<u64> = reader.entries(0).unwrap().into_iter().map(|(serial, _)| serial).collect();
    assert_eq!(serials, [7, 8, 9], "taken again: entries 1 and 2 were read before");
}

#[test]
fn a_compaction_that_was_killed_is_finished_by_the_next() {
    for kill_at in 1..9 {
        let memory = Memory::new(1000);
        filled(&memory, 9);
        let mut deletes = 0;
        let killed = Meddled::log(&memory, move |_, when, _| {
            deletes += u32::from(when == "before delete");
            if deletes >= kill_at {
                return Err(BackendError::Failed { place: "memory".into(), why: "killed".into() });
            }
            Ok(())
        });
        let done = killed.remove(6);
        assert_eq!(done.is_ok(), kill_at > 6, "{kill_at}: {done:?}");
        let log = Log::new(memory.clone());
        assert_eq!(log.list(0).unwrap(), [7, 8, 9]);
        log.remove(6).unwrap();
        assert_eq!(memory.names(Shelf::Entries, 0).unwrap().len(), 3);
    }
}

#[test]
fn marks_do_not_pile_up() {
    let memory = Memory::new(1000);
    let log = filled(&memory, 20);
    for upto in 1..19 {
        log.remove(upto).unwrap();
    }
    assert_eq!(memory.names(Shelf::Floors, 0).unwrap(), [Name::Floor(18), Name::Floor(19)]);
}

#[test]
fn entries_of_any_size_are_read_back() {
    let memory = Memory::new(1000);
    let log = Log::new(memory.clone());
    let limit = log.max_entry_bytes();
    for (serial, size) in (1..).zip([0, 1, limit - 1, limit, limit + 1, 1000, 2000, 4321]) {
        let entry: Vec<u8> = (0..size).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
        assert_eq!(log.append(serial, &entry).unwrap(), Appended::Ok);
        assert_eq!(log.read(serial).unwrap(), entry, "{size} bytes");
    }
    assert_eq!(log.append(1, &[0; 3000]).unwrap(), Appended::Conflict);
    let needed = parts_of(&memory);
    log.collect().unwrap();
    assert_eq!(parts_of(&memory), needed, "the loser took its parts away, the others are needed");
    let too_large = log.append(9, &[1; 100_000]);
    assert!(matches!(too_large, Err(BackendError::Unsupported { .. })), "its head would not fit: {too_large:?}");
}

#[test]
fn damage_to_a_part_is_found() {
    let memory = Memory::new(1000);
    let log = Log::new(memory.clone());
    log.append(1, &[7; 2500]).unwrap();
    let part = parts_of(&memory).remove(0);
    let bytes = memory.get(&part).unwrap().unwrap();
    memory.delete(&part).unwrap();
    let missing = log.read(1).unwrap_err();
    assert!(missing.to_string().starts_with("entry 1 is damaged: its part"), "{missing}");
    memory.create(&part, &bytes[1..]).unwrap();
    let changed = log.read(1).unwrap_err();
    assert!(changed.to_string().ends_with("was changed"), "{changed}");
}

#[test]
fn parts_are_collected_as_soon_as_nobody_can_need_them_and_not_before() {
    let memory = Memory::new(1000);
    let part = |serial| {
        let name = Name::Part(PartName { serial, nonce: "killed".into(), digest: "d".into() });
        memory.create(&name, b"left").unwrap();
        name
    };
    let log = filled(&memory, 3);
    let (taken, open) = (part(3), part(4));
    log.collect().unwrap();
    assert_eq!(parts_of(&memory), std::slice::from_ref(&open), "{taken:?} was of entry 3, which another wrote");
    log.append(4, &[4; 2000]).unwrap();
    log.collect().unwrap();
    assert!(!parts_of(&memory).contains(&open));
    assert_eq!(log.read(4).unwrap(), [4; 2000]);
    log.append(5, b"x").unwrap();
    log.remove(4).unwrap();
    assert_eq!(parts_of(&memory), []);
}

#[test]
fn a_collection_between_parts_and_head_does_no_harm() {
    let memory = Memory::new(1000);
    filled(&memory, 3);
    let collect = |memory: &Memory| Log::new(memory.clone()).collect();
    let log = Meddled::log(&memory, once("before create", Name::Entry(4), collect));
    assert_eq!(log.append(4, &[9; 5000]).unwrap(), Appended::Ok);
    assert_eq!(log.read(4).unwrap(), [9; 5000]);
}
