//! What came of an apply. Pure.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{address::ResourceAddress, diagnostic::Diagnostic};

/// Names that one line of the report gives; the rest is counted.
const NAMES: usize = 6;

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
    /// It was left out, because it depends on this, which failed; directly or not.
    Skipped(ResourceAddress),
    /// It was not begun: the apply was ended before.
    NotStarted,
}

/// Why an apply was stopped before everything was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stop {
    /// Somebody asked for it: what was in flight was finished.
    Cancelled,
    /// Somebody asked for it twice.
    Aborted,
    /// All of it took too long.
    Deadline,
    /// The log cannot be written.
    Log,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// By address.
    pub outcomes: BTreeMap<ResourceAddress, Outcome>,
    /// Whether it was stopped, and by what.
    pub stop: Option<Stop>,
    /// What went wrong with the log, if anything did.
    pub log_fault: Option<Box<Diagnostic>>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    pub(super) fn new(
        endings: BTreeMap<ResourceAddress, Ending>,
        stop: Option<Stop>,
        log_fault: Option<Box<Diagnostic>>,
        seconds: f64,
    ) -> Self {
        Self { outcomes: endings.into_iter().map(|(a, e)| (a, e.outcome)).collect(), stop, log_fault, seconds }
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
        let mut all = Counts::default();
        self.outcomes.values().for_each(|outcome| all.add(outcome));
        all
    }

    /// The same for each cluster.
    pub fn by_cluster(&self) -> BTreeMap<&str, Counts> {
        let mut clusters: BTreeMap<&str, Counts> = BTreeMap::new();
        for (address, outcome) in &self.outcomes {
            clusters.entry(address.cluster()).or_default().add(outcome);
        }
        clusters
    }

    /// `12 done, 1 failed, 3 left out in 4.2 s`; where there are several clusters, a line for each; then
    /// what was not tried, and why.
    pub fn summary(&self) -> String {
        let clusters = self.by_cluster();
        let mut text = format!("{} in {:.1} s\n", self.counts().words(), self.seconds);
        if clusters.len() > 1 {
            let width = clusters.keys().map(|c| c.chars().count()).max().unwrap_or_default();
            for (cluster, counts) in &clusters {
                let _ = writeln!(text, "  {cluster:width$}  {}", counts.words());
            }
        }
        text + &self.untried()
    }

    fn untried(&self) -> String {
        let mut causes: BTreeMap<&ResourceAddress, Vec<&ResourceAddress>> = BTreeMap::new();
        let mut never = Vec::new();
        for (address, outcome) in &self.outcomes {
            match outcome {
                Outcome::Skipped(cause) => causes.entry(cause).or_default().push(address),
                Outcome::NotStarted => never.push(address),
                Outcome::Done { .. } | Outcome::Failed(_) => {}
            }
        }
        let mut text = String::new();
        for (cause, lost) in causes {
            let _ = writeln!(text, "Left out, as {} failed: {}", on(cause), names(&lost));
        }
        if !never.is_empty() {
            let why = match self.stop {
                Some(Stop::Deadline) => ", as the time for all of it was over (`--deadline`)",
                Some(Stop::Cancelled | Stop::Aborted) => ", as the apply was stopped",
                Some(Stop::Log) if self.log_fault.as_ref().is_some_and(|f| f.code == "SKY0803") => {
                    ", as another apply has gone ahead"
                }
                Some(Stop::Log) => ", as the state cannot be written",
                None => "",
            };
            let _ = writeln!(text, "Not begun{why}: {}", names(&never));
        }
        text
    }
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Done { .. } => &mut self.done,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Skipped(_) => &mut self.skipped,
            Outcome::NotStarted => &mut self.not_started,
        } += 1;
    }

    /// `12 done, 1 failed`.
    fn words(self) -> String {
        let Self { done, failed, skipped, not_started } = self;
        let mut line = format!("{done} done");
        for (count, word) in [(failed, "failed"), (skipped, "left out"), (not_started, "not begun")] {
            if count > 0 {
                let _ = write!(line, ", {count} {word}");
            }
        }
        line
    }
}

/// `edge: Deployment shop/web`.
fn on(address: &ResourceAddress) -> String {
    match address {
        ResourceAddress::Cluster(_) | ResourceAddress::Null(_) => address.short(),
        ResourceAddress::Object(object) => format!("{}: {}", object.cluster, address.short()),
    }
}

fn names(all: &[&ResourceAddress]) -> String {
    let mut names: Vec<String> = all.iter().take(NAMES).map(|a| on(a)).collect();
    if all.len() > NAMES {
        names.push(format!("{} more", all.len() - NAMES));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> ResourceAddress {
        text.parse().unwrap()
    }

    fn failed() -> Outcome {
        Outcome::Failed(Box::new(Diagnostic::error("SKY0711", "no")))
    }

    fn report(outcomes: Vec<(ResourceAddress, Outcome)>, stop: Option<Stop>) -> Report {
        Report { outcomes: outcomes.into_iter().collect(), stop, log_fault: None, seconds: 4.21 }
    }

    #[test]
    fn a_report_counts() {
        let all = vec![(at("object/a/core/Namespace/-/x"), Outcome::Done { seconds: 1.0 })];
        assert_eq!(report(all, None).summary(), "1 done in 4.2 s\n");
        let web = "object/a/apps/Deployment/x/web";
        let report = report(
            vec![
                (at("cluster/a"), Outcome::Done { seconds: 1.0 }),
                (at(web), failed()),
                (at("object/a/core/Service/x/web"), Outcome::Skipped(at(web))),
                (at("cluster/prod"), Outcome::Done { seconds: 1.0 }),
                (at("object/prod/core/Service/x/web"), Outcome::Skipped(at(web))),
            ],
            None,
        );
        assert_eq!(
            report.summary(),
            "2 done, 1 failed, 2 left out in 4.2 s\n  a     1 done, 1 failed, 1 left out\n  prod  1 done, 1 left out\n\
             Left out, as a: Deployment x/web failed: a: Service x/web, prod: Service x/web\n"
        );
        assert!(!report.complete());
        assert_eq!(report.faults().count(), 1);
    }

    #[test]
    fn what_was_not_begun_says_why() {
        let many = (0..9).map(|n| (at(&format!("object/a/core/Secret/x/s{n}")), Outcome::NotStarted)).collect();
        let text = report(many, Some(Stop::Deadline)).summary();
        assert!(text.contains("0 done, 9 not begun in 4.2 s\nNot begun, as the time for all of it was over (`--deadline`): a: Secret x/s0, "));
        assert!(text.ends_with("a: Secret x/s5, 3 more\n"), "{text}");
    }
}
