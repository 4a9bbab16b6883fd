//! A large apply, killed at every boundary of an entry and at points drawn over the time it takes.
//!
//! `SKYPLAN_POINTS` says how many are drawn, `SKYPLAN_SEED` where they fall.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    ground::{Fell, Ground, Measure, When},
    number, seed,
    victim::Dice,
};
use crate::real::crowd::Crowd;

/// Points of `make test`; `make test-full PART=kill` asks for 100, with `SEED=n` for others.
const POINTS: u64 = 14;
/// From so many on every boundary is tried, and namespaces go, too.
const ALL: u64 = 50;

#[test]
fn a_large_apply_killed_anywhere_comes_to_the_same() {
    let points = number("SKYPLAN_POINTS").unwrap_or(POINTS);
    let seed = seed();
    let mut dice = Dice::new(seed);
    let mut ground = Ground::new(Crowd::new(), points >= ALL);
    let begun = Instant::now();

    let mut boundaries = 0;
    for place in 1..=u64::try_from(ground.next(false).1.entries).unwrap() {
        for (n, when) in [When::Draft(place), When::Entry(place)].into_iter().enumerate() {
            // Both ways; in a short run one of each three, so that it tries others with another seed.
            for _ in 0..2 {
                if points < ALL && (dice.below(6) != 0 && !(place == 2 && n == 1)) {
                    continue;
                }
                boundaries += 1;
                let (to, _) = ground.next(false);
                let fell = ground.disturb(|ground| ground.kill(when));
                println!("boundary {when:?} to {to:?}: {fell:?}");
            }
        }
    }
    let at_boundaries = std::mem::take(&mut ground.fell);

    let (mut drawn, mut again) = (0, 0);
    while drawn < points {
        let (to, Measure { time, .. }) = ground.next(points >= ALL && dice.below(12) == 0);
        let within =
            |dice: &mut Dice, time: Duration| Duration::from_micros(dice.below(time.as_micros().try_into().unwrap()));
        // One in thirty anywhere from its start on, where it still plans.
        let when = match dice.below(30) {
            0 => When::Started(within(&mut dice, time)),
            _ => When::After(within(&mut dice, time * 19 / 20)),
        };
        // One in six is killed again while it goes on, with less to do.
        let twice = dice.below(6) == 0;
        let second = When::After(within(&mut dice, time / 8));
        let fell = ground.disturb(|ground| {
            let first = ground.kill(when);
            (first, (twice && matches!(first, Fell::AtWork(_))).then(|| ground.kill(second)))
        });
        drawn += 1 + u64::from(fell.1.is_some());
        again += u64::from(fell.1.is_some());
        println!("point {drawn} to {to:?}: {when:?} {fell:?}");
    }
    let report = report(seed, boundaries, &at_boundaries, again, &ground, begun.elapsed());
    println!("{report}");
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kills-{seed}.txt")), report).unwrap();
    let all: usize = ground.fell.values().sum();
    let at_work: usize = ground.fell.iter().filter(|(f, _)| matches!(f, Fell::AtWork(_))).map(|(_, n)| n).sum();
    // One of ten may miss; of a few, three.
    assert!((all - at_work) * 10 <= all.max(30), "only {at_work} of {all} kills fell in an apply that was at work");
}

fn report(
    seed: u64,
    boundaries: usize,
    at_boundaries: &std::collections::BTreeMap<Fell, usize>,
    again: u64,
    ground: &Ground,
    took: Duration,
) -> String {
    let mut text = format!(
        "seed {seed}, {} s: {boundaries} kills at boundaries of entries, {} drawn ({again} of them in a second apply); \
         all came to the same end\n",
        took.as_secs(),
        ground.fell.values().sum::<usize>()
    );
    for (name, fell) in [("at boundaries", at_boundaries), ("drawn", &ground.fell)] {
        let _ = writeln!(text, "{name}:");
        for (fell, count) in fell {
            let name = match fell {
                Fell::BeforeBegin => "before Begin".to_owned(),
                Fell::AtWork(1) => "after Begin".to_owned(),
                Fell::AtWork(n) => format!("after entry {n}"),
                Fell::AfterEnd => "after End".to_owned(),
                Fell::TooLate => "too late".to_owned(),
            };
            let _ = writeln!(text, "  {name:<16} {count:>4} {}", "#".repeat(*count));
        }
    }
    text
}
