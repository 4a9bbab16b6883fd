//! What is written to the log, and when: `Begin` before the first side effect, outcomes in groups,
//! `End` at last.
//!
//! Somebody else may append in between. That is no conflict as long as it is about other resources:
//! `Begin` has made sure of that, so an entry that lost its place is appended again. But nobody waits for
//! an apply whose time is up: one that slept past it may find that another has gone ahead with the same
//! resources. What it knows of them is old, and it says nothing of them any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    Options, check,
    meets::{self, Scope},
    moves,
};
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::{
        Fallible,
        local::{has_ended, this_process},
    },
    plan::change::Plan,
    state::{Begin, Delta, End, Entry, Move, PlacementRecord, Record, Sealed, State, Turns, store::Log},
};

/// How long an outcome may wait for others to be written with.
const GROUP_TIME: Duration = Duration::from_millis(200);
/// How many outcomes are written at once at most.
const GROUP_SIZE: usize = 64;

/// Checks the plan and writes `Begin`; the answer is its serial.
pub(super) fn begin(plan: &Plan, log: &mut Log, options: &Options, now: Timestamp) -> Fallible<u64> {
    let total = SignedDuration::try_from(options.total).unwrap_or(SignedDuration::from_hours(1));
    let scope = Scope::of(plan);
    let plan_digest = plan.meaning();
    let entry = Entry::Begin(Begin {
        plan: plan_digest.clone(),
        writes: plan.changes.iter().map(|c| c.address.clone()).collect(),
        reads: scope.reads(),
        takes: scope.takes(),
        networks: meets::networks(plan),
        clusters: plan.clusters.clone(),
        api_versions: plan
            .changes
            .iter()
            .filter(|c| !c.api_version.is_empty())
            .map(|c| (c.address.clone(), c.api_version.clone()))
            .collect(),
        source: options.source.clone(),
        holder: this_process(),
        until: now
            .checked_add(total)
            .and_then(|t| t.checked_add(super::executor::GRACE))
            .unwrap_or(Timestamp::MAX)
            .to_string(),
        at: now.to_string(),
    });
    let (key, trust) = (log.state().secret_key.clone(), log.state().trust.clone());
    let (mut turns, mut since, mut looked) = (Turns::new(), Vec::new(), plan.base.serial);
    loop {
        // Also the first time: whoever was at work when the log was opened may have ended.
        log.catch_up()?;
        if log.state().secret_key != key {
            return Err(Box::new(
                Diagnostic::error("SKY0501", "the plan is out of date: the state was begun by somebody else meanwhile")
                    .hint("plan again: `skyplan plan`"),
            ));
        }
        if log.state().trust != trust {
            return Err(Box::new(
                Diagnostic::error("SKY0501", "the plan is out of date: whom the project trusts was changed meanwhile")
                    .hint("plan again: `skyplan plan`"),
            ));
        }
        // Each entry is read once: where many write, one who reads all of them anew each time is never in time.
        since.extend(news(log, looked, plan.base.serial, &plan_digest)?);
        looked = log.state().serial;
        // What this very plan wanted to be called so is.
        let wanted = || plan.moved.iter().map(Move::from);
        since.retain(|(_, e)| !matches!(e, Entry::Moved(m) if m.moves.iter().all(|s| wanted().any(|w| w == *s))));
        let (moves, state) = moves::pending(log.state(), wanted(), now, &has_ended)?;
        check::check(plan, &state, &since, now, &has_ended)?;
        let next = if moves.is_empty() { &entry } else { &moves::entry(moves, now) };
        match log.append(next) {
            Ok(()) if matches!(next, Entry::Moved(_)) => {}
            Ok(()) => return Ok(log.state().serial),
            Err(lost) if lost.code == "SKY0803" => turns.again()?,
            Err(fault) => return Err(Box::new(fault)),
        }
    }
}

/// What others have appended after the entry `looked` at last, the plan being made at `base`. Of an apply that was
/// at work then and has ended since, its `Begin` too: the plan may have been made before its pods were there.
pub(super) fn news(log: &Log, looked: u64, base: u64, plan: &str) -> Fallible<Vec<(u64, Entry)>> {
    if log.state().serial == looked {
        return Ok(Vec::new());
    }
    let Some(mut entries) = log.entries_after(looked)? else {
        return Err(Box::new(
            Diagnostic::error("SKY0501", "the plan is too old to be checked against what was done since")
                .detail(format!("It is based on entry {base} of the state, which is no longer kept."))
                .hint("plan again: `skyplan plan -o FILE`"),
        ));
    };
    let ended: Vec<u64> = entries
        .iter()
        .filter_map(|(_, entry)| if let Entry::End(end) = entry { end.begin } else { None })
        .filter(|begin| *begin <= base)
        .collect();
    for serial in ended {
        entries.extend(log.entry(serial)?.map(|entry| (serial, entry)));
    }
    // An apply of this very plan that was killed is gone on with.
    entries.retain(|(_, entry)| !matches!(entry, Entry::Begin(begin) if begin.plan == plan));
    Ok(entries)
}

/// Outcomes on their way to the log.
pub(super) struct Journal<'a> {
    log: &'a mut Log,
    /// What our `Begin` says that we change.
    writes: BTreeSet<ResourceAddress>,
    /// Up to which entry others' were looked at.
    looked: u64,
    /// Serials of what we have appended.
    own: BTreeSet<u64>,
    /// What somebody else has begun to change since.
    overtaken: BTreeSet<ResourceAddress>,
    waiting: BTreeMap<ResourceAddress, Option<Record>>,
    /// What has been taken: its outcome needs no second word.
    taken: BTreeSet<ResourceAddress>,
    due: Option<Instant>,
    fault: Option<Box<Diagnostic>>,
    /// Values of Secrets, sealed: each is in the log before it is said that it was applied, so that no outcome is
    /// ever without them.
    sealed: &'a BTreeMap<ResourceAddress, String>,
}

impl<'a> Journal<'a> {
    pub(super) fn new(
        log: &'a mut Log,
        begin: u64,
        plan: &Plan,
        sealed: &'a BTreeMap<ResourceAddress, String>,
    ) -> Self {
        let writes = plan.changes.iter().map(|c| c.address.clone()).collect();
        let (own, overtaken, taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self {
            log,
            looked: begin,
            writes,
            own,
            overtaken,
            waiting: BTreeMap::new(),
            taken,
            due: None,
            fault: None,
            sealed,
        }
    }

    /// Takes an outcome: a record, or that it is gone.
    pub(super) fn add(&mut self, address: ResourceAddress, record: Option<Record>) {
        self.taken.insert(address.clone());
        self.waiting.insert(address, record);
        self.due.get_or_insert_with(|| Instant::now() + GROUP_TIME);
        if self.waiting.len() >= GROUP_SIZE {
            self.flush();
        }
    }

    /// Whether an outcome was taken.
    pub(super) fn has(&self, address: &ResourceAddress) -> bool {
        self.taken.contains(address)
    }

    /// When what waits has to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) {
        self.due = None;
        let outcomes = std::mem::take(&mut self.waiting);
        let applied = outcomes.iter().filter(|(_, record)| record.is_some());
        let sealed = self.sealed;
        let values: Vec<_> = applied.filter_map(|(address, _)| sealed.get_key_value(address)).collect();
        if !values.is_empty() {
            let at = Timestamp::now().to_string();
            self.append(|_, overtaken| {
                let ours = values.iter().filter(|(address, _)| !overtaken.contains(address));
                let values: BTreeMap<_, _> =
                    ours.map(|(address, text)| ((*address).clone(), Some((*text).clone()))).collect();
                (!values.is_empty()).then(|| Entry::Sealed(Sealed { at: at.clone(), values }))
            });
            // Then they stay uncertain.
            if self.fault.is_some() {
                return;
            }
        }
        self.append(|_, overtaken| {
            let ours = outcomes.iter().filter(|(address, _)| !overtaken.contains(address));
            let outcomes: BTreeMap<_, _> = ours.map(|(address, record)| (address.clone(), record.clone())).collect();
            (!outcomes.is_empty()).then_some(Entry::Delta(Delta { outcomes }))
        });
    }

    /// Writes what waits, and that it is over. The placement is what the plan makes of that `before`.
    pub(super) fn end(&mut self, mut end: End, before: &PlacementRecord) {
        self.flush();
        end.settled.retain(|address| !self.taken.contains(address));
        // Without its outcomes in the log the run has not ended: what began stays uncertain.
        if self.fault.is_none() {
            self.append(|state, overtaken| {
                let planned = end.placement.as_ref().filter(|_| overtaken.is_empty());
                let placement = planned.map(|p| PlacementRecord::with_changes(&state.placement, before, p));
                let settled = end.settled.iter().filter(|address| !overtaken.contains(address)).cloned().collect();
                let complete = end.complete && overtaken.is_empty();
                Some(Entry::End(End { placement, settled, complete, ..end.clone() }))
            });
            // A log that is not compacted now is compacted another time.
            let _ = self.log.compact();
        }
    }

    /// What went wrong, the first of it.
    pub(super) fn fault(&mut self) -> Option<Box<Diagnostic>> {
        let overtaken = || self.overtaken.first().map(|first| Box::new(overtaken(first, self.overtaken.len())));
        self.fault.take().or_else(overtaken)
    }

    /// Nothing may be begun any more.
    pub(super) fn is_broken(&self) -> bool {
        self.fault.is_some() || !self.overtaken.is_empty()
    }

    /// Appends what is said of the state as it is then, and of what others have taken over; `None` = no
    /// longer anything.
    fn append(&mut self, entry: impl Fn(&State, &BTreeSet<ResourceAddress>) -> Option<Entry>) {
        let mut turns = Turns::new();
        loop {
            let Some(entry) = entry(self.log.state(), &self.overtaken) else { return };
            let failed = match self.log.append(&entry) {
                Ok(()) => {
                    self.own.insert(self.log.state().serial);
                    return;
                }
                Err(lost) if lost.code == "SKY0803" => turns.again().and_then(|()| self.look()).err(),
                Err(fault) => Some(fault),
            };
            if let Some(fault) = failed {
                self.fault.get_or_insert(Box::new(fault));
                return;
            }
        }
    }

    /// What others have appended, and whether they have gone ahead with what is ours.
    fn look(&mut self) -> Result<(), Diagnostic> {
        self.log.catch_up()?;
        let entries = self.log.entries_after(self.looked)?;
        self.looked = self.log.state().serial;
        match entries {
            Some(entries) => {
                for (_, entry) in entries.iter().filter(|(serial, _)| !self.own.contains(serial)) {
                    let theirs: Vec<&ResourceAddress> = match entry {
                        Entry::Begin(begin) => begin.writes.iter().collect(),
                        Entry::Delta(delta) => delta.outcomes.keys().collect(),
                        // What is called otherwise now is not ours to tell of.
                        Entry::Moved(_) => self.writes.iter().collect(),
                        Entry::Snapshot(_) | Entry::End(_) | Entry::Outputs(_) | Entry::Hold(_) | Entry::Sealed(_) => {
                            Vec::new()
                        }
                    };
                    self.overtaken.extend(theirs.into_iter().filter(|a| self.writes.contains(*a)).cloned());
                }
            }
            // So much has come since that nothing is known.
            None => self.overtaken.clone_from(&self.writes),
        }
        Ok(())
    }
}

fn overtaken(first: &ResourceAddress, count: usize) -> Diagnostic {
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    Diagnostic::error("SKY0803", format!("somebody else has gone ahead with {}{more}", first.short()))
        .about(first)
        .detail("The time that this one had given itself was up, so nobody waited for it; it has stopped.")
        .hint("see what is there now: `skyplan plan`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::change::{Action, ActionReason, Base, Change, Precondition},
        state::{RecordDetail, record::NullRecord},
    };

    static NONE: BTreeMap<ResourceAddress, String> = BTreeMap::new();

    fn open(dir: &std::path::Path) -> Log {
        Log::open(&crate::state::store::Location::folder(dir), "l", || "k".into()).unwrap()
    }

    #[tokio::test]
    async fn outcomes_are_written_in_groups() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path());
        let mut journal = Journal::new(&mut log, 0, &Plan::default(), &NONE);
        let address = |n: usize| format!("cluster/c{n}").parse::<ResourceAddress>().unwrap();
        (0..GROUP_SIZE + 1).for_each(|n| journal.add(address(n), None));
        assert!(journal.due().is_some());
        let end = End { complete: true, ..End::default() };
        journal.end(end, &PlacementRecord::default());
        assert!(journal.due().is_none() && journal.fault().is_none());
        // Snapshot, two groups, End.
        assert_eq!(log.entries().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn a_secret_is_never_remembered_without_its_values() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, mut other) = (open(dir.path()), open(dir.path()));
        let address = |n: usize| format!("object/a/core/Secret/n/s{n}").parse::<ResourceAddress>().unwrap();
        let sealed = (0..3).map(|n| (address(n), format!("values {n}"))).collect();
        let record = || {
            let detail = RecordDetail::Null(NullRecord { id: "x".into(), input: serde_json::Value::Null });
            Some(Record { serial: 0, detail, depends_on: Vec::new(), origin: None })
        };
        let mut journal = Journal::new(&mut log, 0, &Plan::default(), &sealed);
        (0..2).for_each(|n| journal.add(address(n), record()));
        journal.flush();
        // Another appends in between; one goes, one has no values, one was not done.
        other.catch_up().unwrap();
        other.append(&super::super::end_of(None, None)).unwrap();
        journal.add(address(1), None);
        journal.add(address(7), record());
        journal.end(End { complete: true, ..End::default() }, &PlacementRecord::default());
        assert!(journal.fault().is_none());
        // Wherever somebody pulled the plug.
        for cut in 1..=log.state().serial {
            let state = log.state_at(cut).unwrap().unwrap();
            let known = |n: usize| state.records.contains_key(&address(n));
            assert!((0..2).all(|n| !known(n) || state.sealed[&address(n)] == format!("values {n}")), "{cut}");
        }
        assert_eq!(log.state().sealed.keys().collect::<Vec<_>>(), [&address(0)]);
    }

    #[tokio::test]
    async fn an_entry_that_lost_its_place_is_appended_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut log, mut other) = (open(dir.path()), open(dir.path()));
        other.append(&super::super::end_of(None, None)).unwrap();
        let mut journal = Journal::new(&mut log, 0, &Plan::default(), &NONE);
        journal.add("cluster/a".parse().unwrap(), None);
        journal.flush();
        assert!(journal.fault().is_none());
        assert_eq!(log.state().serial, 3);
    }

    fn plan(log: &Log, action: Action, addresses: &[&str]) -> Plan {
        let change = |text: &&str| {
            let address: ResourceAddress = text.parse().unwrap();
            let record_serial = log.state().records.get(&address).map(|r| r.serial);
            let precondition = Precondition { record_serial, ..Precondition::default() };
            let requires = address.surroundings();
            Change { precondition, requires, ..Change::new(address, action, ActionReason::New) }
        };
        let base = Base { lineage: "l".into(), serial: log.state().serial };
        Plan { base, changes: addresses.iter().map(change).collect(), applyable: true, ..Plan::default() }
    }

    fn code(begun: Fallible<u64>) -> (String, String) {
        begun.map_or_else(|d| (d.code.clone(), d.summary), |_| ("begun".into(), String::new()))
    }

    /// Two that have both planned on the same entry: what becomes of the second, while the first is at
    /// work, and once it has ended.
    fn second(one: (Action, &[&str]), two: (Action, &[&str])) -> [(String, String); 2] {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).begin().unwrap();
        let (mut first, mut second) = (open(dir.path()), open(dir.path()));
        let (a, b) = (plan(&first, one.0, one.1), plan(&second, two.0, two.1));
        let now = Timestamp::now();
        let hour = Options { total: Duration::from_secs(3600), ..Options::default() };
        let begin_a = begin(&a, &mut first, &hour, now).unwrap();
        let beside = code(begin(&b, &mut second, &hour, now));
        if beside.0 == "begun" {
            return [beside.clone(), beside];
        }
        let mut journal = Journal::new(&mut first, begin_a, &a, &NONE);
        a.changes.iter().for_each(|c| journal.add(c.address.clone(), None));
        let end = End { begin: Some(begin_a), complete: true, ..End::default() };
        journal.end(end, &PlacementRecord::default());
        assert!(journal.fault().is_none());
        [beside, code(begin(&b, &mut second, &hour, now))]
    }

    const WEB: &str = "object/a/apps/Deployment/n/web";

    #[test]
    fn applies_on_different_clusters_run_side_by_side() {
        let b = "object/b/apps/Deployment/n/web";
        let [beside, _] = second((Action::Create, &[WEB]), (Action::Create, &[b]));
        assert_eq!(beside.0, "begun");
        let maps = ["object/a/core/ConfigMap/n/one", "object/a/core/ConfigMap/n/two"];
        assert_eq!(second((Action::Create, &maps[..1]), (Action::Create, &maps[1..]))[0].0, "begun");
    }

    #[test]
    fn a_cluster_is_not_taken_away_from_under_what_comes_to_it() {
        let [beside, after] = second((Action::Create, &[WEB]), (Action::Delete, &["cluster/a"]));
        assert_eq!(
            beside,
            ("SKY0805".into(), "another apply is at work on Deployment n/web, which this plan would take away".into())
        );
        assert_eq!(after, ("SKY0501".into(), "the plan is out of date for Deployment n/web".into()));
        let [beside, after] = second((Action::Delete, &["cluster/a"]), (Action::Create, &[WEB]));
        assert_eq!(beside, ("SKY0805".into(), "another apply changes Cluster a, which this plan builds on".into()));
        assert_eq!(after, ("SKY0501".into(), "the plan is out of date for Cluster a".into()));
    }

    #[test]
    fn of_two_that_take_the_last_room_one_stops() {
        let job = "object/a/batch/Job/n/job";
        let [beside, after] = second((Action::Create, &[WEB]), (Action::Create, &[job]));
        assert_eq!(beside, ("SKY0805".into(), "another apply takes room on cluster a, as this plan would".into()));
        assert_eq!(after, ("SKY0501".into(), "the plan is out of date for Cluster a".into()));
    }

    #[test]
    fn one_that_slept_past_its_time_says_nothing_of_what_others_took_over() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).begin().unwrap();
        let (mut slow, mut quick) = (open(dir.path()), open(dir.path()));
        let maps = ["object/a/core/ConfigMap/n/one", "object/a/core/ConfigMap/n/two"];
        let (both, one) = (plan(&slow, Action::Create, &maps), plan(&quick, Action::Create, &maps[..1]));
        let long_ago = "2026-01-01T00:00:00Z".parse().unwrap();
        let a_minute = Options { total: Duration::from_secs(60), ..Options::default() };
        let begun = begin(&both, &mut slow, &a_minute, long_ago).unwrap();
        begin(&one, &mut quick, &a_minute, Timestamp::now()).unwrap();
        let mut journal = Journal::new(&mut slow, begun, &both, &NONE);
        both.changes.iter().for_each(|c| journal.add(c.address.clone(), None));
        let settled = both.changes.iter().map(|c| c.address.clone()).collect();
        let placement = Some(PlacementRecord::default());
        let end = End { begin: Some(begun), complete: true, placement, settled, ..End::default() };
        journal.end(end, &PlacementRecord::default());
        assert!(journal.is_broken());
        let fault = journal.fault().unwrap();
        assert_eq!(
            (fault.code.as_str(), fault.summary.as_str()),
            ("SKY0803", "somebody else has gone ahead with ConfigMap n/one")
        );
        let two: BTreeSet<ResourceAddress> = [maps[1].parse().unwrap()].into();
        let said: Vec<Entry> = slow.entries().unwrap().into_iter().rev().take(2).map(|(_, e)| e).collect();
        let [Entry::End(end), Entry::Delta(delta)] = &said[..] else { panic!("{said:?}") };
        assert_eq!(delta.outcomes.keys().cloned().collect::<BTreeSet<_>>(), two);
        // What is told as an outcome is not told again.
        assert_eq!(
            (end.complete, end.settled.iter().cloned().collect::<BTreeSet<_>>(), &end.placement),
            (false, BTreeSet::new(), &None)
        );
        assert!(slow.state().uncertain.contains_key(&maps[0].parse().unwrap()), "the other is at work on it");
    }

    #[test]
    fn a_killed_apply_of_a_plan_file_is_gone_on_with() {
        let a_second = Options { total: Duration::from_secs(1), ..Options::default() };
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).begin().unwrap();
        let mut log = open(dir.path());
        let plan = plan(&log, Action::Create, &[WEB]);
        let long_ago = "2026-01-01T00:00:00Z".parse().unwrap();
        begin(&plan, &mut log, &a_second, long_ago).unwrap();
        assert_eq!(code(begin(&plan, &mut log, &a_second, Timestamp::now())).0, "begun");
    }
}
