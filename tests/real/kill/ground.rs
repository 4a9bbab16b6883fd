//! Where a large apply is disturbed again and again: what it comes to undisturbed, and whether it comes
//! to the same when it was disturbed and then run again.

use std::{
    collections::BTreeMap,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::real::{
    crowd::{APPLY, Crowd, Revision, Settled, uids},
    home::both,
};

/// An apply that has not come to its moment after this long never will.
const PATIENCE: Duration = Duration::from_secs(120);

/// When a blow falls, by the entries of the apply that it is meant for: 1 = its `Begin`.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// As soon as the file is there that will be this entry: it is not written yet.
    Draft(u64),
    /// As soon as the entry is there.
    Entry(u64),
    /// So long after its `Begin`.
    After(Duration),
    /// So long after it was started, which may be before its `Begin`.
    Started(Duration),
}

/// Where a blow fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fell {
    BeforeBegin,
    /// The apply was at work; this was its last entry.
    AtWork(usize),
    AfterEnd,
    /// Nobody was there any more.
    TooLate,
}

/// An undisturbed run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    /// From `Begin` to `End`.
    pub(super) time: Duration,
    /// From `Begin` to `End`.
    pub(super) entries: usize,
}

pub(super) struct Ground {
    pub(super) crowd: Crowd,
    settled: BTreeMap<Revision, Settled>,
    /// Of a move between two revisions.
    measures: BTreeMap<(Revision, Revision), Measure>,
    /// What is applied, and what shall be applied next.
    at: Revision,
    to: Revision,
    /// How often what.
    pub(super) fell: BTreeMap<Fell, usize>,
}

/// From the first `Begin` of these entries to the first `End`.
fn span(entries: &[serde_json::Value]) -> Option<Duration> {
    let at = |kind: &str| -> Option<Timestamp> {
        entries.iter().find(|entry| entry["entry"] == kind)?["at"].as_str()?.parse().ok()
    };
    at("end")?.duration_since(at("begin")?).try_into().ok()
}

impl Ground {
    /// Goes between the revisions once, undisturbed; between A and B only, unless it shall go `far`.
    pub(super) fn new(crowd: Crowd, far: bool) -> Self {
        let (at, to) = (Revision::A, Revision::B);
        let (settled, measures) = (BTreeMap::new(), BTreeMap::new());
        let mut ground = Self { crowd, settled, measures, at, to, fell: BTreeMap::new() };
        let tour = [Revision::A, Revision::B, Revision::A, Revision::C, Revision::A, Revision::B, Revision::C];
        for to in if far { &tour[..] } else { &tour[..3] } {
            let to = *to;
            let from = ground.at;
            let (settled, measure) = ground.undisturbed(to);
            println!(
                "{from:?} to {to:?}: {} entries, {} ms from Begin to End",
                measure.entries,
                measure.time.as_millis()
            );
            if let Some(before) = ground.settled.insert(to, settled) {
                assert_eq!(before, ground.settled[&to], "the same from nothing and from any other revision");
            }
            ground.measures.insert((from, to), measure);
        }
        ground
    }

    fn undisturbed(&mut self, to: Revision) -> (Settled, Measure) {
        self.crowd.want(to);
        let base = self.crowd.last();
        self.crowd.home.run(&APPLY, 0);
        let log = self.crowd.entries_after(base);
        let place = |kind: &str| log.iter().position(|entry| entry["entry"] == kind).unwrap();
        let (first, last) = (place("begin"), place("end"));
        let changes = log[first]["writes"].as_array().unwrap().len();
        // The first one makes all of the first; from B to C goes one application alone.
        assert!(changes >= 200 || base == 0 || (self.at, to) == (Revision::B, Revision::C), "{changes} changes");
        self.at = to;
        let settled = self.crowd.settled(&self.crowd.objects());
        assert!(self.crowd.home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
        println!("{changes} changes to {to:?}");
        let time = span(&log).unwrap();
        (settled, Measure { time, entries: last - first + 1 })
    }

    /// What is to be applied next, and what that took undisturbed. `far`: with a namespace that goes.
    pub(super) fn next(&mut self, far: bool) -> (Revision, Measure) {
        self.to = match self.at {
            Revision::C => Revision::A,
            _ if far => Revision::C,
            Revision::A => Revision::B,
            Revision::B | Revision::D => Revision::A,
        };
        (self.to, self.measures[&(self.at, self.to)])
    }

    /// Starts the next apply; the answer is the last serial before it.
    pub(super) fn start(&self, more: &[&str]) -> (Child, u64) {
        let base = self.crowd.last();
        let child = self
            .crowd
            .home
            .command(&[&APPLY, more].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        (child, base)
    }

    /// Waits until it is time. `false` = the process ended before.
    pub(super) fn wait(&self, child: &mut Child, base: u64, when: When) -> bool {
        let begun = Instant::now();
        let folder = self.crowd.home.project().join(".skyplan/state");
        let draft = |serial: u64| {
            let start = format!(".draft-{serial}-");
            let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            files.into_iter().any(|f| f.file_name().to_str().is_some_and(|n| n.starts_with(&start)))
        };
        let pause = match when {
            When::After(pause) | When::Started(pause) => pause,
            _ => Duration::ZERO,
        };
        loop {
            let now = match when {
                When::Draft(n) => draft(base + n),
                When::Entry(n) => self.crowd.file(base + n).exists(),
                When::After(_) => self.crowd.file(base + 1).exists(),
                When::Started(_) => true,
            };
            if now {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{when:?} never came");
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            // An entry boundary is met within microseconds; there is time for the rest.
            if matches!(when, When::After(_)) {
                thread::sleep(Duration::from_millis(1));
            }
        }
        thread::sleep(pause);
        child.try_wait().unwrap().is_none()
    }

    /// Starts the next apply and kills it.
    pub(super) fn kill(&mut self, when: When) -> Fell {
        let (mut child, base) = self.start(&[]);
        self.wait(&mut child, base, when);
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        let entries = self.crowd.entries_after(base);
        let fell = match (output.status.code(), entries.len()) {
            (Some(0), _) => Fell::TooLate,
            (Some(_), _) => panic!("it failed before it was killed: {}", both(&output)),
            _ if entries.iter().any(|entry| entry["entry"] == "end") => Fell::AfterEnd,
            (None, 0) => Fell::BeforeBegin,
            (None, entries) => Fell::AtWork(entries),
        };
        // It took less than was measured, on a machine that had more to do then.
        if matches!(fell, Fell::TooLate | Fell::AfterEnd)
            && let Some(time) = span(&entries)
            && let Some(measure) = self.measures.get_mut(&(self.at, self.to))
        {
            measure.time = measure.time.min(time);
        }
        *self.fell.entry(fell).or_default() += 1;
        fell
    }

    /// Disturbs the next apply, runs it again, and looks whether all is as if nothing had been. The
    /// answer is the disturbance's.
    pub(super) fn disturb<T>(&mut self, how: impl FnOnce(&mut Self) -> T) -> T {
        let to = self.to;
        let (from, before) = (self.at, self.crowd.objects());
        self.crowd.want(to);
        let answer = how(self);
        let between = self.crowd.objects();
        self.crowd.home.run(&APPLY, 0);
        let after = self.crowd.assert_settled(&self.settled[&to]);
        assert!(self.crowd.home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
        let (before, between, after) = (uids(&before), uids(&between), uids(&after));
        for (address, uid) in &after {
            if let Some(old) = before.get(address) {
                let replaced = address.contains("/fixed-") && from.value() != to.value();
                assert_eq!(old != uid, replaced, "{address} was made anew, or not, against the plan");
            }
            if let Some(made) = between.get(address).filter(|made| before.get(address) != Some(made)) {
                assert_eq!(made, uid, "{address} was made twice");
            }
        }
        self.at = to;
        answer
    }
}
