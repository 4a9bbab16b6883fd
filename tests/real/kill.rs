//! Applies that are killed (`kill -9`) at seeded points of their life, then run again: nothing is
//! lost, left over, or made twice.
//!
//! One cycle is made of three applies of a fleet of two clusters (one that skyplan makes, one that is
//! there): making everything, changing it (a move between clusters, a replacement, deletions, new
//! things), and destroying it. Each is killed, some of them twice, some from a plan file, and then run
//! to its end. `SKYPLAN_KILLS` says how many kills, `SKYPLAN_SEED` where they fall.

mod cuts;
mod fleet;
mod ground;
mod points;
mod renamed;
pub(super) mod victim;

use std::time::{SystemTime, UNIX_EPOCH};

use fleet::Fleet;
pub(crate) use victim::Dice;
use victim::Moment;

/// Kills of `make test`; `make test-full PART=kill` asks for 20.
const KILLS: usize = 4;

pub(super) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed that was asked for, or a new one; it is said in any case.
pub(super) fn seed() -> u64 {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
    let seed = number("SKYPLAN_SEED").unwrap_or_else(clock);
    println!("seed: {seed} (again with SKYPLAN_SEED={seed})");
    seed
}

#[test]
fn an_apply_killed_anywhere_is_finished_by_the_next() {
    let kills = number("SKYPLAN_KILLS").map_or(KILLS, |n| usize::try_from(n).unwrap());
    let mut dice = Dice::new(seed());
    let fleet = Fleet::new();
    let (mut blows, mut met) = (0, 0);
    // A blow that comes too late kills nothing, and is made up for.
    for cycle in 0.. {
        if met >= kills || blows >= 2 * kills {
            break;
        }
        for phase in Phase::ALL {
            // One apply of each cycle is killed again while it is finished.
            let most = if phase == Phase::ALL[(cycle + 1) % 3] { 2 } else { 1 };
            let (more, hit) = run(&fleet, phase, cycle, most.min(kills.saturating_sub(met)), &mut dice);
            blows += more;
            met += hit;
        }
    }
    println!("{met} of {blows} blows met a living apply");
    assert!(met >= kills, "only {met} of {blows} blows met a living apply: the moments are badly chosen");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Make,
    Change,
    Destroy,
}

impl Phase {
    const ALL: [Self; 3] = [Self::Make, Self::Change, Self::Destroy];
}

/// One phase: struck, looked at, finished, looked at. The answer is how many blows there were, and how
/// many met a living process.
fn run(fleet: &Fleet, phase: Phase, cycle: usize, most: usize, dice: &mut Dice) -> (usize, usize) {
    if phase == Phase::Change {
        fleet.change();
    }
    let destroy = phase == Phase::Destroy;
    let command: &[&str] = if destroy { &["destroy", "--yes"] } else { &["apply", "--yes"] };
    let mut spared = fleet.spared(destroy);
    let (mut blows, mut met) = (0, 0);
    // Only what was killed can be killed again.
    while blows < most && met == blows {
        let moment = Moment::choose(dice, phase == Phase::Make && blows == 0, blows > 0);
        // Every other change goes by a plan file.
        let file = phase == Phase::Change && cycle.is_multiple_of(2) && blows == 0;
        if file {
            fleet.home.run(&["plan", "-o", "plan.json"], 0);
        }
        let blow = victim::kill(&fleet.home, if file { &["apply", "plan.json"] } else { command }, &moment);
        blows += 1;
        met += usize::from(blow.living);
        println!("cycle {cycle}, {phase:?}, blow {blows}{}: {moment:?} {blow}", if file { ", plan file" } else { "" });
        // Whatever was cut off: the state is readable, and a plan can be made.
        fleet.home.run(&["state", "list"], 0);
        fleet.home.run(&["state", "log"], 0);
        fleet.home.run(if destroy { &["plan", "--destroy"][..] } else { &["plan"] }, 0);
        // What lives now, and is not planned to be made anew or to go, must live on.
        spared.extend(fleet.spared(destroy));
        if file && blow.living {
            fleet.a_file_goes_on_or_is_stale();
        }
    }
    fleet.home.run(command, 0);
    if destroy {
        fleet.assert_gone();
    } else {
        assert!(fleet.home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
        let after = fleet.objects();
        fleet.assert_exact(&after);
        for (address, uid) in &spared {
            assert_eq!(after.get(address), Some(uid), "{address} was made anew, and no plan said so");
        }
    }
    fleet.assert_processes();
    (blows, met)
}
