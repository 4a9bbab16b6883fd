//! Other names for what is remembered, written to the log: what a plan says, or what somebody asks for.

use jiff::Timestamp;

use crate::{
    diagnostic::Diagnostic,
    driver::Fallible,
    plan::both,
    state::{Begin, Entry, Holder, Move, Moved, State, store::Log},
};

/// How often an entry that lost its place is appended again.
const ATTEMPTS: usize = 20;

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
            return Err(Box::new(
                Diagnostic::error("SKY0805", format!("another apply is at work on {}", step.from))
                    .about(&step.from)
                    .detail(begin.span())
                    .hint("wait until it has ended"),
            ));
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
    for _ in 0..ATTEMPTS {
        log.catch_up()?;
        let (moves, _) = pending(log.state(), moves.iter().cloned(), now, ended)?;
        if moves.is_empty() {
            return Ok(0);
        }
        let count = moves.len();
        match log.append(&entry(moves, now)) {
            Ok(()) => return Ok(count),
            Err(lost) if lost.code == "SKY0803" => {}
            Err(fault) => return Err(Box::new(fault)),
        }
    }
    Err(Box::new(
        Diagnostic::error("SKY0803", "others change the state all the time").hint("run the same again in a moment"),
    ))
}

pub(super) fn entry(moves: Vec<Move>, now: Timestamp) -> Entry {
    Entry::Moved(Moved { at: now.to_string(), moves })
}
