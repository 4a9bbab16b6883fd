//! What is written to the log, and when: `Begin` before the first side effect, outcomes in groups,
//! `End` at last.
//!
//! Somebody else may append in between. That is no conflict as long as it is about other resources:
//! `Begin` has made sure of that, so an entry that lost its place is appended again.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::check;
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::{
        Fallible,
        local::{has_ended, this_process},
    },
    plan::{change::Plan, projection::digest},
    state::{Begin, Delta, End, Entry, Record, store::Log},
};

/// How long an outcome may wait for others to be written with.
const GROUP_TIME: Duration = Duration::from_millis(200);
/// How many outcomes are written at once at most.
const GROUP_SIZE: usize = 64;
/// How often an entry that lost its place is appended again.
const ATTEMPTS: usize = 20;

/// Checks the plan and writes `Begin`; the answer is its serial.
pub(super) fn begin(plan: &Plan, log: &mut Log, total: Duration, now: Timestamp) -> Fallible<u64> {
    let total = SignedDuration::try_from(total).unwrap_or(SignedDuration::from_hours(1));
    let entry = Entry::Begin(Begin {
        plan: digest(&serde_json::to_value(plan).unwrap_or_default()),
        writes: plan.changes.iter().map(|c| c.address.clone()).collect(),
        clusters: plan.clusters.clone(),
        api_versions: plan
            .changes
            .iter()
            .filter(|c| !c.api_version.is_empty())
            .map(|c| (c.address.clone(), c.api_version.clone()))
            .collect(),
        holder: this_process(),
        until: now.checked_add(total).and_then(|t| t.checked_add(super::executor::GRACE)).unwrap_or(now).to_string(),
        at: now.to_string(),
    });
    let key = log.state().secret_key.clone();
    for _ in 0..ATTEMPTS {
        check::check(plan, log.state(), now, &has_ended)?;
        match log.append(&entry) {
            Ok(()) => return Ok(log.state().serial),
            Err(lost) if lost.code == "SKY0803" => reopen(log)?,
            Err(fault) => return Err(Box::new(fault)),
        }
        if log.state().secret_key != key {
            return Err(Box::new(
                Diagnostic::error("SKY0501", "the plan is out of date: the state was begun by somebody else meanwhile")
                    .hint("plan again: `skyplan plan`"),
            ));
        }
    }
    Err(Box::new(
        Diagnostic::error("SKY0803", "others change the state all the time").hint("run the same again in a moment"),
    ))
}

fn reopen(log: &mut Log) -> Fallible<()> {
    log.catch_up().map_err(Box::new)
}

/// Outcomes on their way to the log.
pub(super) struct Journal<'a> {
    log: &'a mut Log,
    waiting: BTreeMap<ResourceAddress, Option<Record>>,
    due: Option<Instant>,
    fault: Option<Box<Diagnostic>>,
}

impl<'a> Journal<'a> {
    pub(super) fn new(log: &'a mut Log) -> Self {
        Self { log, waiting: BTreeMap::new(), due: None, fault: None }
    }

    /// Takes an outcome: a record, or that it is gone.
    pub(super) fn add(&mut self, address: ResourceAddress, record: Option<Record>) {
        self.waiting.insert(address, record);
        self.due.get_or_insert_with(|| Instant::now() + GROUP_TIME);
        if self.waiting.len() >= GROUP_SIZE {
            self.flush();
        }
    }

    /// When what waits has to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) {
        self.due = None;
        if !self.waiting.is_empty() {
            let outcomes = std::mem::take(&mut self.waiting);
            self.append(&Entry::Delta(Delta { outcomes }));
        }
    }

    /// Writes what waits, and that it is over.
    pub(super) fn end(&mut self, end: End) {
        self.flush();
        // Without its outcomes in the log the run has not ended: what began stays uncertain.
        if self.fault.is_none() {
            self.append(&Entry::End(end));
            // A log that is not compacted now is compacted another time.
            let _ = self.log.compact();
        }
    }

    /// What went wrong, the first of it.
    pub(super) fn fault(&mut self) -> Option<Box<Diagnostic>> {
        self.fault.take()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.fault.is_some()
    }

    fn append(&mut self, entry: &Entry) {
        for _ in 0..ATTEMPTS {
            let failed = match self.log.append(entry) {
                Ok(()) => return,
                Err(lost) if lost.code == "SKY0803" => reopen(self.log).err(),
                Err(fault) => Some(Box::new(fault)),
            };
            if let Some(fault) = failed {
                self.fault.get_or_insert(fault);
                return;
            }
        }
        self.fault.get_or_insert(Box::new(Diagnostic::error("SKY0803", "others change the state all the time")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &std::path::Path) -> Log {
        Log::open(&crate::state::store::Location::folder(dir), "l", || "k".into()).unwrap()
    }

    #[tokio::test]
    async fn outcomes_are_written_in_groups() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path());
        let mut journal = Journal::new(&mut log);
        let address = |n: usize| format!("cluster/c{n}").parse::<ResourceAddress>().unwrap();
        (0..GROUP_SIZE + 1).for_each(|n| journal.add(address(n), None));
        assert!(journal.due().is_some());
        journal.end(End { begin: None, at: String::new(), complete: true, placement: None, settled: Vec::new() });
        assert!(journal.due().is_none() && journal.fault().is_none());
        // Snapshot, two groups, End.
        assert_eq!(log.entries().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn an_entry_that_lost_its_place_is_appended_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, mut other) = (open(dir.path()), open(dir.path()));
        other.append(&super::super::end_of(None)).unwrap();
        let mut journal = Journal::new(&mut log);
        journal.add("cluster/a".parse().unwrap(), None);
        journal.flush();
        assert!(journal.fault().is_none());
        assert_eq!(log.state().serial, 3);
    }
}
