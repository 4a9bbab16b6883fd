//! Applies that are killed (`kill -9`) at seeded points of their life, then run again: nothing is
//! lost, left over, or made twice.
//!
//! One cycle is made of three applies of a fleet of two clusters (one that skyplan makes, one that is
//! there): making everything, changing it (a move between clusters, a replacement, deletions, new
//! things), and destroying it. Each is killed, some of them twice, some from a plan file, and then run
//! to its end. `SKYPLAN_KILLS` says how many kills, `SKYPLAN_SEED` where they fall.

mod fleet;
mod victim;

use std::time::{SystemTime, UNIX_EPOCH};

use fleet::Fleet;
use victim::{Dice, Moment};

/// Kills of `make test`; `make test-full PART=kill` asks for 20.
const KILLS: usize = 4;

#[test]
fn an_apply_killed_anywhere_is_finished_by_the_next() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let kills = number("SKYPLAN_KILLS").map_or(KILLS, |n| usize::try_from(n).unwrap());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
    let seed = number("SKYPLAN_SEED").unwrap_or_else(clock);
    println!("seed of the kills: {seed} (again with SKYPLAN_SEED={seed})");
    let mut dice = Dice::new(seed);
    let fleet = Fleet::new();
    let (mut done, mut hit, mut cycle) = (0, 0, 0);
    while done < kills {
        for phase in Phase::ALL {
            // The last of a small count is the second kill of one apply.
            let twice = done + 1 == kills || (cycle + phase as usize) % 3 == 2;
            let times = if twice && done > 0 { 2 } else { 1 };
            let (tried, met) = run(&fleet, phase, cycle, times.min((kills - done).max(1)), done < kills, &mut dice);
            done += tried;
            hit += met;
        }
        cycle += 1;
    }
    println!("{hit} of {done} kills met a living apply");
    assert!(hit * 3 >= done * 2, "only {hit} of {done} kills met a living apply: the moments are badly chosen");
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

/// One phase: killed, looked at, finished, looked at. The answer is how many kills there were, and how
/// many met a living process.
fn run(fleet: &Fleet, phase: Phase, cycle: usize, times: usize, kill: bool, dice: &mut Dice) -> (usize, usize) {
    if phase == Phase::Change {
        fleet.change();
    }
    let command: &[&str] = if phase == Phase::Destroy { &["destroy", "--yes"] } else { &["apply", "--yes"] };
    let mut spared = fleet.spared(phase == Phase::Destroy);
    let (mut tried, mut hit) = (0, 0);
    for time in 0..if kill { times } else { 0 } {
        let moment = Moment::choose(dice, phase == Phase::Make && time == 0);
        // Every other change goes by a plan file.
        let file = phase == Phase::Change && cycle % 2 == 0 && time == 0;
        if file {
            fleet.home.run(&["plan", "-o", "plan.json"], 0);
        }
        let met = victim::kill(&fleet.home, if file { &["apply", "plan.json"] } else { command }, &moment);
        println!(
            "cycle {cycle}, {phase:?}, kill {}: {moment:?}{} {met}",
            time + 1,
            if file { ", plan file" } else { "" }
        );
        tried += 1;
        hit += usize::from(met.living);
        // Whatever was cut off: the state is readable, and a plan can be made.
        fleet.home.run(&["state", "list"], 0);
        fleet.home.run(&["state", "log"], 0);
        let plan = if phase == Phase::Destroy { &["plan", "--destroy"][..] } else { &["plan"] };
        fleet.home.run(plan, 0);
        if file {
            fleet.a_file_goes_on_or_is_stale();
        }
        // What lives now, and is not planned to be made anew or to go, must live on.
        spared.extend(fleet.spared(phase == Phase::Destroy));
    }
    fleet.home.run(command, 0);
    let after = fleet.objects();
    if phase == Phase::Destroy {
        fleet.assert_gone();
    } else {
        assert!(fleet.home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
        fleet.assert_exact(&after);
        for (address, uid) in &spared {
            assert_eq!(after.get(address), Some(uid), "{address} was made anew, and no plan said so");
        }
    }
    fleet.assert_processes();
    (tried, hit)
}
