//! The network between skyplan and the API servers, and between skyplan and its state, breaks at drawn
//! points of a large apply: it waits, or says what it did not do, and the next one comes to the same.
//!
//! `SKYPLAN_CUTS` says how many, `SKYPLAN_SEED` where.

use std::{thread, time::Duration};

use super::{
    ground::{Ground, When},
    number, seed,
    victim::Dice,
};
use crate::real::{crowd::Crowd, home::both, proxy::Mode};

/// Cuts of `make test`; `make test-full PART=kill` asks for 40.
const CUTS: u64 = 6;

#[test]
fn an_apply_whose_network_breaks_comes_to_the_same() {
    let seed = seed();
    let mut dice = Dice::new(seed);
    let (crowd, proxies) = Crowd::far();
    let mut ground = Ground::new(crowd, false);
    let (mut through, mut failed) = (0, 0);
    for cut in 0..number("SKYPLAN_CUTS").unwrap_or(CUTS) {
        let (to, measure) = ground.next(false);
        let mode = [Mode::Drop, Mode::Lose, Mode::Stall, Mode::Slow][usize::try_from(cut % 4).unwrap()];
        let at = Duration::from_micros(dice.below(measure.time.as_micros().try_into().unwrap()));
        // Mostly for a moment; now and then for longer than anybody waits, and always so where answers are
        // lost for the second time: what was done without a word is what a log forgets most easily.
        let long = mode != Mode::Slow && (dice.below(6) == 0 || cut % 8 == 5);
        let time = Duration::from_millis(20 + dice.below(1500));
        let both_ways = dice.below(2) == 0;
        let status = ground.disturb(|ground| {
            let more: &[&str] = if long { &["--deadline", "3s", "--timeout", "2s"] } else { &[] };
            let (mut child, base) = ground.start(more);
            let set = |mode: Mode| proxies.iter().skip(usize::from(!both_ways)).for_each(|p| p.set(mode));
            if ground.wait(&mut child, base, When::After(at)) {
                set(mode);
                if !long {
                    thread::sleep(time);
                    set(Mode::Pass);
                }
            }
            let output = child.wait_with_output().unwrap();
            set(Mode::Pass);
            let said = both(&output);
            assert!(output.status.code() == Some(0) || said.contains("SKY"), "{said}");
            output.status.code()
        });
        *(if status == Some(0) { &mut through } else { &mut failed }) += 1;
        println!(
            "cut {cut} to {to:?}: {mode:?} after {at:?} for {time:?}, long {long}, both {both_ways}: exit {status:?}"
        );
        assert!(matches!(status, Some(0 | 1)));
    }
    println!("seed {seed}: {through} applies got through, {failed} failed and were run again");
}
