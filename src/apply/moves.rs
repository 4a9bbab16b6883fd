//! Other names for what is remembered, written to the log: what a plan says, or what somebody asks for.

use jiff::Timestamp;

use crate::{
    driver::Fallible,
    plan::both,
    state::{Begin, Entry, Holder, Move, Moved, State, store::Log},
};

/// Those of these moves that have anything to do, and the state after them.
///
/// # Errors
/// Both names are taken, or an apply is at work on what they mean.
pub(super) fn pending(
    state: &State,
    moves: impl Iterator<Item = Move>,
    now: Timestamp,
    ended: &dyn Fn(&Holder) -> bool,
) -> Fallible<(Vec<Move>, State)> {
    let (mut all, mut moved) = (Vec::new(), state.clone());
    for step in moves {
        if !moved.knows(&step.from) {
            continue;
        }
        if moved.knows(&step.to) {
            return Err(Box::new(both(&step.from, &step.to)));
        }
        let about = |b: &&Begin| b.is_about(&step.from) || b.is_about(&step.to);
        if let Some(begin) = moved.open.values().filter(|b| b.at_work(now, ended)).find(about) {
            return Err(Box::new(begin.in_the_way(&step.from.to_string(), &step.from)));
        }
        moved = moved.moved(&step);
        all.push(step);
    }
    Ok((all, moved))
}

/// Gives what is remembered other names; says how many were not so already.
///
/// # Errors
/// Nothing was done: both names are taken (`SKY0510`), an apply is at work (`SKY0805`), or the log failed.
pub fn rename(log: &mut Log, moves: &[Move], now: Timestamp, ended: &dyn Fn(&Holder) -> bool) -> Fallible<usize> {
    log.catch_up()?;
    let renamed = log.append_of(|state| {
        let (moves, _) = pending(state, moves.iter().cloned(), now, ended)?;
        let count = moves.len();
        Ok((count > 0).then(|| (entry(moves, now), count)))
    })?;
    Ok(renamed.unwrap_or_default())
}

pub(super) fn entry(moves: Vec<Move>, now: Timestamp) -> Entry {
    Entry::Moved(Moved { at: now.to_string(), moves })
}
