//! Tries a store before anything is trusted to it: some take a condition and ignore it.

use std::{sync::Barrier, thread};

use crate::{
    Appended, BackendError,
    blobs::{Blobs, Name, Shelf},
    log::{create, nonce, patiently},
};

/// Writers that try the same name at once, and how often.
const WRITERS: usize = 16;
const ROUNDS: usize = 8;

/// Whether the store does what a log needs. What it writes for that it removes again.
///
/// # Errors
/// The store lies ([`BackendError::Unsupported`]), or failed.
pub fn probe(blobs: &dyn Blobs) -> Result<(), BackendError> {
    let mut names = Vec::new();
    let done = second_is_refused(blobs, &mut names)
        .and_then(|()| (0..ROUNDS).try_for_each(|_| of_many_one_wins(blobs, &mut names)));
    let cleaned: Result<Vec<()>, _> = names.iter().map(|name| patiently(|| blobs.delete(name))).collect();
    done?;
    cleaned?;
    for name in &names {
        if patiently(|| blobs.get(name))?.is_some() {
            return Err(lies(blobs, "what was deleted is still there"));
        }
    }
    Ok(())
}

fn fresh(names: &mut Vec<Name>) -> Result<Name, BackendError> {
    let name = Name::Probe(nonce()?);
    names.push(name.clone());
    Ok(name)
}

fn second_is_refused(blobs: &dyn Blobs, names: &mut Vec<Name>) -> Result<(), BackendError> {
    let name = fresh(names)?;
    let (first, second) = (nonce()?.into_bytes(), nonce()?.into_bytes());
    if create(blobs, &name, &first)? != Appended::Ok {
        return Err(lies(blobs, "it says that a new name is taken"));
    }
    if patiently(|| blobs.get(&name))?.as_ref() != Some(&first) {
        return Err(lies(blobs, "what was written is not read back"));
    }
    if !patiently(|| blobs.names(Shelf::Probes, 0))?.contains(&name) {
        return Err(lies(blobs, "what was written is not listed"));
    }
    if patiently(|| blobs.create(&name, &second))? != Appended::Conflict {
        return Err(lies(blobs, "it overwrites although it was told to create only if absent"));
    }
    if patiently(|| blobs.get(&name))?.as_ref() != Some(&first) {
        return Err(lies(blobs, "it says that a name is taken, and overwrites it nevertheless"));
    }
    Ok(())
}

fn of_many_one_wins(blobs: &dyn Blobs, names: &mut Vec<Name>) -> Result<(), BackendError> {
    let name = fresh(names)?;
    let tickets = (0..WRITERS).map(|_| nonce()).collect::<Result<Vec<_>, _>>()?;
    let barrier = Barrier::new(WRITERS);
    let outcomes: Vec<Result<Appended, BackendError>> = thread::scope(|scope| {
        let writers: Vec<_> = tickets
            .iter()
            .map(|ticket| {
                let (name, barrier) = (&name, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    create(blobs, name, ticket.as_bytes())
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let winners: Vec<&String> =
        tickets.iter().zip(&outcomes).filter(|(_, o)| **o == Appended::Ok).map(|(t, _)| t).collect();
    let there = patiently(|| blobs.get(&name))?;
    match winners[..] {
        [winner] if there.as_deref() == Some(winner.as_bytes()) => Ok(()),
        [_] => Err(lies(blobs, "of several that created the same name at once, not the winner is read back")),
        _ => Err(lies(blobs, &format!("of {WRITERS} that created the same name at once {} won", winners.len()))),
    }
}

fn lies(blobs: &dyn Blobs, why: &str) -> BackendError {
    BackendError::Unsupported { place: blobs.place(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::{thread::sleep, time::Duration};

    use super::*;
    use crate::memory::Memory;

    /// How a store lies.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Lie {
        None,
        Overwrites,
        RefusesAndOverwrites,
        LooksAndThenWrites,
        Forgets,
        HidesFromLists,
        KeepsWhatIsDeleted,
    }

    #[derive(Debug)]
    struct Liar(Memory, Lie);

    impl Blobs for Liar {
        fn place(&self) -> String {
            "liar".into()
        }
        fn max_bytes(&self) -> usize {
            100
        }
        fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
            let there = self.0.get(name)?.is_some();
            match self.1 {
                Lie::Forgets => return Ok(Appended::Ok),
                Lie::Overwrites | Lie::RefusesAndOverwrites => self.0.delete(name)?,
                Lie::LooksAndThenWrites if !there => {
                    sleep(Duration::from_millis(20));
                    self.0.delete(name)?;
                }
                _ => {}
            }
            let done = self.0.create(name, bytes)?;
            Ok(if there && self.1 == Lie::RefusesAndOverwrites { Appended::Conflict } else { done })
        }
        fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
            self.0.get(name)
        }
        fn names(&self, shelf: Shelf, after: u64) -> Result<Vec<Name>, BackendError> {
            if self.1 == Lie::HidesFromLists { Ok(Vec::new()) } else { self.0.names(shelf, after) }
        }
        fn delete(&self, name: &Name) -> Result<(), BackendError> {
            if self.1 == Lie::KeepsWhatIsDeleted { Ok(()) } else { self.0.delete(name) }
        }
    }

    #[test]
    fn a_store_that_lies_is_refused() {
        use Lie::{Forgets, HidesFromLists, KeepsWhatIsDeleted, LooksAndThenWrites, Overwrites, RefusesAndOverwrites};
        let honest = Liar(Memory::new(100), Lie::None);
        probe(&honest).unwrap();
        assert_eq!(honest.names(Shelf::Probes, 0).unwrap(), [], "nothing is left behind");
        let expected = [
            (Overwrites, "it overwrites although"),
            (RefusesAndOverwrites, "overwrites it nevertheless"),
            (LooksAndThenWrites, "at once"),
            (Forgets, "not read back"),
            (HidesFromLists, "not listed"),
            (KeepsWhatIsDeleted, "still there"),
        ];
        for (lie, why) in expected {
            let error = probe(&Liar(Memory::new(100), lie)).unwrap_err();
            assert!(matches!(error, BackendError::Unsupported { .. }), "{lie:?}: {error}");
            assert!(error.to_string().contains(why), "{lie:?}: {error}");
        }
    }
}
