//! An apply that is killed at a chosen moment, and chance that can be repeated.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use crate::real::home::Home;

/// An apply that has not come to its moment after this long never will.
const PATIENCE: Duration = Duration::from_secs(120);

/// `SplitMix64`.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// When the blow falls.
#[derive(Debug)]
pub(super) enum Moment {
    /// So many milliseconds after the state has this many new entries: `Begin` is the first, then come
    /// the outcomes in groups.
    Entry(usize, u64),
    /// So many milliseconds after this many lines of progress.
    Line(usize, u64),
}

impl Moment {
    /// `slow`: a cluster is made first, which takes seconds. `again`: much may be done already.
    pub(super) fn choose(dice: &mut Dice, slow: bool, again: bool) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap();
        match dice.below(5) {
            0 => Self::Entry(1, dice.below(if slow { 3500 } else { 60 })),
            _ if again => Self::Entry(1, dice.below(30)),
            1 => Self::Entry(number(1 + dice.below(2)), dice.below(60)),
            // An outcome waits 200 ms for others before it is written.
            _ if slow => Self::Line(number(dice.below(13)), dice.below(200)),
            _ => Self::Line(number(dice.below(4)), dice.below(60)),
        }
    }
}

/// What a blow met.
pub(super) struct Met {
    pub(super) living: bool,
    lines: usize,
    entries: usize,
    last: String,
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { living, lines, entries, last } = self;
        let what = if *living { "met it" } else { "came too late" };
        write!(f, "{what} after {entries} entries and {lines} lines, the last `{}`", last.trim())
    }
}

/// Runs a command and kills it. Its standard error is read to the end, so that it never waits for us.
pub(super) fn kill(home: &Home, args: &[&str], moment: &Moment) -> Met {
    let entries = || home.log_entries();
    let before = entries();
    let mut child = home.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let (say, said) = channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = say.send(line);
        }
    });
    let begun = Instant::now();
    let (mut lines, mut last, mut over) = (0, String::new(), false);
    let pause = loop {
        assert!(begun.elapsed() < PATIENCE, "{moment:?} never came; last line: {last}");
        match moment {
            Moment::Entry(count, ms) if entries() >= before + count => break *ms,
            // Lines begin once the apply does.
            Moment::Line(count, ms) if lines >= *count && (lines > 0 || entries() > before) => break *ms,
            _ => {}
        }
        match said.recv_timeout(Duration::from_millis(2)) {
            Ok(line) => {
                lines += usize::from(line.starts_with("  "));
                last = line;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                over = true;
                break 0;
            }
        }
    };
    if !over {
        thread::sleep(Duration::from_millis(pause));
    }
    let _ = child.kill();
    let status = child.wait().unwrap();
    reader.join().unwrap();
    for line in said.try_iter() {
        lines += usize::from(line.starts_with("  "));
        last = line;
    }
    Met { living: status.code().is_none(), lines, entries: entries() - before, last }
}
