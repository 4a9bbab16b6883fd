//! What came of an apply. Pure.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{address::ResourceAddress, diagnostic::Diagnostic};

/// What came of one change.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done.
    Done {
        /// How long it took.
        seconds: f64,
    },
    /// It is not, and why.
    Failed(Box<Diagnostic>),
    /// It was left out, because of what it depends on.
    Skipped(String),
    /// It was not begun: the apply was ended before.
    NotStarted,
}

/// An outcome, and what the state may say of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// Whether it is known that the log says what is: nothing was done, or what was done is recorded.
    pub(super) settled: bool,
}

impl Ending {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Done { .. })
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled && !self.is_done()
    }
}

/// How many changes ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Done.
    pub done: usize,
    /// Failed.
    pub failed: usize,
    /// Left out because of what they depend on.
    pub skipped: usize,
    /// Not begun.
    pub not_started: usize,
}

/// What came of an apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// By address.
    pub outcomes: BTreeMap<ResourceAddress, Outcome>,
    /// What went wrong with the log, if anything did.
    pub log_fault: Option<Box<Diagnostic>>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    pub(super) fn new(
        endings: BTreeMap<ResourceAddress, Ending>,
        log_fault: Option<Box<Diagnostic>>,
        seconds: f64,
    ) -> Self {
        Self { outcomes: endings.into_iter().map(|(a, e)| (a, e.outcome)).collect(), log_fault, seconds }
    }

    /// Whether everything was done, and is recorded.
    pub fn complete(&self) -> bool {
        self.log_fault.is_none() && self.outcomes.values().all(|o| matches!(o, Outcome::Done { .. }))
    }

    /// Everything that went wrong.
    pub fn faults(&self) -> impl Iterator<Item = &Diagnostic> {
        let failed = self.outcomes.values().filter_map(|o| match o {
            Outcome::Failed(why) => Some(&**why),
            _ => None,
        });
        failed.chain(self.log_fault.as_deref())
    }

    /// How many changes ended how.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in self.outcomes.values() {
            *match outcome {
                Outcome::Done { .. } => &mut counts.done,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::Skipped(_) => &mut counts.skipped,
                Outcome::NotStarted => &mut counts.not_started,
            } += 1;
        }
        counts
    }

    /// One line: `12 done, 1 failed, 3 left out in 4.2 s`.
    pub fn summary(&self) -> String {
        let Counts { done, failed, skipped, not_started } = self.counts();
        let mut line = format!("{done} done");
        for (count, word) in [(failed, "failed"), (skipped, "left out"), (not_started, "not begun")] {
            if count > 0 {
                let _ = write!(line, ", {count} {word}");
            }
        }
        let _ = writeln!(line, " in {:.1} s", self.seconds);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts() {
        let address = |n: &str| format!("cluster/{n}").parse::<ResourceAddress>().unwrap();
        let outcomes = [
            (address("a"), Outcome::Done { seconds: 1.0 }),
            (address("b"), Outcome::Failed(Box::new(Diagnostic::error("SKY0711", "no")))),
            (address("c"), Outcome::Skipped("because".into())),
        ];
        let report = Report { outcomes: outcomes.into(), log_fault: None, seconds: 4.21 };
        assert_eq!(report.summary(), "1 done, 1 failed, 1 left out in 4.2 s\n");
        assert!(!report.complete());
        assert_eq!(report.faults().count(), 1);
    }
}
