//! Doing all that may be done, at once, within bounds.
//!
//! One task drives everything, so there is nothing to lock and a stop is a stop. A change holds a
//! seat at its cluster while it sends requests, not while it waits for readiness.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Options, Progress, cluster,
    fault::{Failure, interrupted, never},
    graph::Graph,
    journal::Journal,
    null, object,
    patience::Silent,
    report::{Ending, Outcome, Stop},
    site::Sites,
    watches::Watches,
};
use crate::{
    address::ResourceAddress,
    driver::Drivers,
    plan::{
        change::{Change, Plan},
        secret::{Hider, Secrets},
    },
    state::{Record, State},
};

/// How long after a deadline an answer that is on its way may come.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// A resource and its new record; `None` = it is gone.
pub(super) type Recorded = (ResourceAddress, Option<Record>);

/// What all changes of one apply share.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) secrets: &'a Secrets,
    /// Made once: every line of progress goes through it.
    hider: Hider,
    pub(super) options: &'a Options,
    pub(super) progress: &'a dyn Progress,
    /// Whose fields they are.
    pub(super) manager: String,
    pub(super) secret_key: String,
    /// Records of what is changed, as they were.
    pub(super) records: BTreeMap<ResourceAddress, Record>,
    /// Serial of the first `Begin` since which nobody knows what became of it, by address.
    pub(super) since: BTreeMap<ResourceAddress, u64>,
    /// Serial of our own `Begin`.
    pub(super) begin: u64,
    pub(super) sites: Sites<'a>,
    pub(super) watches: Watches,
    pub(super) silent: Silent,
    /// When the apply gives up.
    pub(super) deadline: Instant,
    /// Until when others wait for it, as its `Begin` says, by the clock on the wall: a machine that sleeps
    /// does not count the time.
    until: Option<Timestamp>,
    /// Nothing new is begun any more.
    stop: CancellationToken,
    /// What has been begun.
    begun: Mutex<BTreeSet<ResourceAddress>>,
    recorder: mpsc::UnboundedSender<Recorded>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        secrets: &'a Secrets,
        drivers: &'a Drivers,
        state: &State,
        options: &'a Options,
        progress: &'a dyn Progress,
        begun: Instant,
    ) -> (Self, mpsc::UnboundedReceiver<Recorded>) {
        let (recorder, recorded) = mpsc::unbounded_channel();
        let lineage = &plan.base.lineage;
        let records = plan.changes.iter().filter_map(|c| state.records.get_key_value(&c.address));
        let run = Self {
            plan,
            secrets,
            hider: secrets.hider(),
            options,
            progress,
            manager: format!("skyplan-{lineage}"),
            secret_key: state.secret_key.clone(),
            records: records.map(|(a, r)| (a.clone(), r.clone())).collect(),
            since: state.uncertain.iter().map(|(a, u)| (a.clone(), u.begin)).collect(),
            begin: state.serial,
            sites: Sites::new(plan, drivers, options.parallelism),
            watches: Watches::new(lineage),
            silent: Silent::default(),
            deadline: begun + options.total,
            until: state.open.get(&state.serial).and_then(|begin| begin.until.parse().ok()),
            stop: options.cancel.child_token(),
            begun: Mutex::default(),
            recorder,
        };
        (run, recorded)
    }

    pub(super) fn lineage(&self) -> &str {
        &self.plan.base.lineage
    }

    /// Whether others may have gone ahead by now: nothing is sent any more.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() > self.deadline + GRACE || self.until.is_some_and(|until| Timestamp::now() > until)
    }

    /// What a change waits for is shown; servers may repeat secret values.
    pub(super) fn waits(&self, change: &Change, text: &str) {
        self.progress.waiting(&change.address, &self.hider.hide(text));
    }

    /// What became of a change's resource goes to the log, now.
    pub(super) fn record(&self, change: &Change, record: Option<Record>) {
        // The other end lives as long as the run.
        let _ = self.recorder.send((change.address.clone(), record));
    }
}

/// Carries out all changes of the plan; every one of them has an ending. Also whether the apply was
/// stopped before all was tried, and by what.
pub(super) async fn execute(
    run: &Run<'_>,
    mut recorded: mpsc::UnboundedReceiver<Recorded>,
    journal: &mut Journal<'_>,
) -> (BTreeMap<ResourceAddress, Ending>, Option<Stop>) {
    let changes = &run.plan.changes;
    let mut graph = Graph::new(changes);
    let mut endings = Endings { run, all: BTreeMap::new() };
    let mut flying = FuturesUnordered::new();
    let mut ready = graph.take_ready();
    let mut stop = None;
    loop {
        // One that was asleep must not begin anything before it looks at the clock.
        if Instant::now() >= run.deadline && !run.stop.is_cancelled() {
            stop.get_or_insert(Stop::Deadline);
            run.stop.cancel();
        }
        if !run.stop.is_cancelled() {
            for place in ready.drain(..) {
                flying.push(async move { (place, fly(run, &changes[place]).await) });
            }
        }
        if flying.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            () = run.options.abort.cancelled() => {
                stop = Some(Stop::Aborted);
                break;
            }
            Some((address, record)) = recorded.recv() => {
                journal.add(address, record);
            }
            Some((place, ending)) = flying.next() => {
                match &ending.outcome {
                    Outcome::Done { .. } => ready.extend(graph.done(place)),
                    Outcome::Failed(_) => {
                        for lost in graph.failed(place) {
                            let outcome = Outcome::Skipped(changes[place].address.clone());
                            endings.add(&changes[lost], Ending { outcome, settled: true });
                        }
                    }
                    Outcome::Skipped(_) | Outcome::NotStarted => {}
                }
                endings.add(&changes[place], ending);
            }
            () = until(journal.due()) => journal.flush(),
            () = sleep_until(run.deadline), if !run.stop.is_cancelled() => {
                stop.get_or_insert(Stop::Deadline);
                run.stop.cancel();
            }
        }
        // What is done from here on could not be recorded.
        if journal.is_broken() {
            stop.get_or_insert(Stop::Log);
            run.stop.cancel();
        }
    }
    drop(flying);
    while let Ok((address, record)) = recorded.try_recv() {
        journal.add(address, record);
    }
    let begun = run.begun.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for change in changes.iter().filter(|c| begun.contains(&c.address)) {
        if !endings.all.contains_key(&change.address) {
            let applied = journal.has(&change.address);
            let why = Box::new(interrupted(&change.address, applied));
            endings.add(change, Ending { outcome: Outcome::Failed(why), settled: applied });
        }
    }
    for change in changes {
        if !endings.all.contains_key(&change.address) {
            endings.add(change, Ending { outcome: Outcome::NotStarted, settled: true });
        }
    }
    (endings.all, stop.or(run.options.cancel.is_cancelled().then_some(Stop::Cancelled)))
}

struct Endings<'a, 'r> {
    run: &'a Run<'r>,
    all: BTreeMap<ResourceAddress, Ending>,
}

impl Endings<'_, '_> {
    fn add(&mut self, change: &Change, mut ending: Ending) {
        // Servers, events and logs repeat what they were given.
        if let Outcome::Failed(why) = &mut ending.outcome {
            why.detail = self.run.hider.hide(&why.detail);
        }
        self.run.progress.finished(&change.address, &ending.outcome);
        self.all.insert(change.address.clone(), ending);
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

fn unanswered(change: &Change, begun: Instant) -> Failure {
    Failure::unsettled(never(change, begun.elapsed().as_secs()))
}

/// One change from its first request until it is ready.
async fn fly(run: &Run<'_>, change: &Change) -> Ending {
    let not_started = Ending { outcome: Outcome::NotStarted, settled: true };
    let Some(seats) = run.sites.seats(change.address.cluster()) else { return not_started };
    // Without a seat: what brings the kind may need it.
    if let ResourceAddress::Object(object) = &change.address
        && change.unverified
    {
        let served = tokio::select! {
            biased;
            () = run.stop.cancelled() => return not_started,
            served = object::awaited(run, change, object) => served,
        };
        if let Err(Failure { why, settled }) = served {
            return Ending { outcome: Outcome::Failed(why), settled };
        }
    }
    let seat = tokio::select! {
        biased;
        () = run.stop.cancelled() => return not_started,
        seat = seats.acquire() => seat,
    };
    run.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(change.address.clone());
    run.progress.started(&change.address, change.action);
    let begun = Instant::now();
    let last = run.deadline + GRACE;
    let result = match &change.address {
        ResourceAddress::Cluster(_) => {
            timeout_at(last, cluster::perform(run, change)).await.unwrap_or_else(|_| Err(unanswered(change, begun)))
        }
        ResourceAddress::Null(_) => {
            let limit = (begun + run.options.timeout + GRACE).min(last);
            timeout_at(limit, null::perform(run, change)).await.unwrap_or_else(|_| Err(unanswered(change, begun)))
        }
        // A replacement waits in there until the old object is gone.
        ResourceAddress::Object(object) => {
            let limit = (begun + run.options.timeout + GRACE).min(last);
            match timeout_at(limit, object::perform(run, change, object)).await {
                Ok(Ok(after)) => {
                    drop(seat);
                    after.wait(run, change).await
                }
                Ok(Err(failure)) => Err(failure),
                Err(_) => Err(unanswered(change, begun)),
            }
        }
    };
    match result {
        Ok(()) => Ending { outcome: Outcome::Done { seconds: begun.elapsed().as_secs_f64() }, settled: true },
        Err(Failure { why, settled }) => Ending { outcome: Outcome::Failed(why), settled },
    }
}
