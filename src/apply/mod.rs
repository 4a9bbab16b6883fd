//! Carries out a plan: every decision is in the plan, every outcome goes to the log.
//!
//! | file | knows |
//! | --- | --- |
//! | `check` | whether the plan is still true of the state, before anything is done |
//! | `meets` | whether two applies may run at the same time |
//! | `moves` | other names for what is remembered |
//! | `graph` | what may be done next |
//! | `executor` | doing all that may be done, at once, within bounds |
//! | `journal` | when what is written to the log |
//! | `site` | which cluster an address is on, and that it is the one that was planned for |
//! | `object`, `cluster` | one change |
//! | `patience` | asking again while a cluster does not answer |
//! | `watches`, `wait` | knowing when it is ready, or gone, without asking again and again |
//! | `fault` | what is said when it does not work |
//! | `report` | what came of it, and what was not tried |
//!
//! The order of things is what makes a kill at any moment harmless: `Begin` names all addresses
//! before the first side effect, each outcome is written when its object has changed (not when it is
//! ready), and every request carries what must still hold at the target.

mod check;
mod cluster;
mod confirm;
mod executor;
mod fault;
mod graph;
mod journal;
mod meets;
mod moves;
mod null;
mod object;
mod patience;
mod report;
mod site;
mod wait;
mod watches;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use moves::rename;
pub use report::{Counts, Outcome, Report, Stop};

use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::{Drivers, Fallible},
    plan::{
        change::{Action, Plan},
        secret::Secrets,
    },
    state::{Delta, End, Entry, PlacementRecord, Source, store::Log},
    trust::Trust,
};

/// How an apply goes about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Changes in flight per cluster at most; requests of them are paced by the cluster's answers.
    pub parallelism: usize,
    /// How long one resource may take to become ready, or to go.
    pub timeout: Duration,
    /// How long all of it may take: then nothing new is begun, and what has no answer is given up.
    pub total: Duration,
    /// Whether a change is done only when its object is ready (or gone). Else as soon as the server
    /// has taken it.
    pub wait: bool,
    /// Start nothing new; finish what is in flight.
    pub cancel: CancellationToken,
    /// Stop now.
    pub abort: CancellationToken,
    /// What the plan was made from, for the log.
    pub source: Option<Source>,
    /// Values of Secrets that it changes, sealed, for the log.
    pub sealed: BTreeMap<ResourceAddress, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parallelism: crate::driver::kubernetes::MOST,
            timeout: Duration::from_secs(5 * 60),
            total: Duration::from_secs(30 * 60),
            wait: true,
            cancel: CancellationToken::new(),
            abort: CancellationToken::new(),
            source: None,
            sealed: BTreeMap::new(),
        }
    }
}

/// Told how it goes. Every address is finished once; only what was begun is started.
pub trait Progress: Send + Sync {
    /// A change has begun.
    fn started(&self, address: &ResourceAddress, action: Action);
    /// What a change waits for; said again whenever that is something else.
    fn waiting(&self, address: &ResourceAddress, text: &str);
    /// What came of a change.
    fn finished(&self, address: &ResourceAddress, outcome: &Outcome);
}

/// Nobody is told.
impl Progress for () {
    fn started(&self, _: &ResourceAddress, _: Action) {}
    fn waiting(&self, _: &ResourceAddress, _: &str) {}
    fn finished(&self, _: &ResourceAddress, _: &Outcome) {}
}

/// Carries out a plan. Failures of single changes are in the report; what they block is skipped,
/// everything else goes on.
///
/// # Errors
/// Nothing was done: the plan is stale (`SKY0501`), another apply is at work on the same resources
/// (`SKY0805`), or the log cannot be written.
pub async fn run(
    plan: &Plan,
    secrets: &Secrets,
    drivers: &Drivers,
    log: &mut Log,
    options: &Options,
    progress: &dyn Progress,
) -> Fallible<Report> {
    let begun = Instant::now();
    if !plan.applyable {
        return Err(Box::new(
            Diagnostic::error("SKY0719", "this plan may not be applied").hint("see its conflicts: `skyplan plan`"),
        ));
    }
    let before = match log.state() {
        state if state.serial == plan.base.serial => state.placement.clone(),
        _ => log.state_at(plan.base.serial)?.map(|state| state.placement).unwrap_or_default(),
    };
    let before = plan.moved.iter().fold(before, |placement, m| placement.moved(&m.into()));
    confirm::confirm(plan, drivers).await?;
    let begin = journal::begin(plan, log, options, Timestamp::now())?;
    let (run, recorded) = executor::Run::new(plan, secrets, drivers, log.state(), options, progress, begun);
    let mut journal = journal::Journal::new(log, begin, plan, &options.sealed);
    let (endings, stop) = executor::execute(&run, recorded, &mut journal).await;
    let done = endings.values().all(report::Ending::is_done);
    let settled = endings.iter().filter(|(_, e)| e.is_settled()).map(|(a, _)| a.clone()).collect();
    let end = End {
        begin: Some(begin),
        at: Timestamp::now().to_string(),
        complete: done && plan.saw_all(),
        placement: plan.placement_to_remember().cloned().filter(|_| done),
        settled,
        trust: plan.trust.clone().filter(|_| done),
    };
    journal.end(end, &before);
    Ok(Report::new(endings, stop, journal.fault(), begun.elapsed().as_secs_f64()))
}

/// Carries out a plan that changes nothing but what is remembered, in one entry; gives the number of
/// resources. No driver is at hand, so no cluster can be touched.
///
/// # Errors
/// Nothing was done, as for [`run`].
pub fn settle(plan: &Plan, log: &mut Log) -> Fallible<usize> {
    if let Some(change) = plan.changes.iter().find(|c| !matches!(c.action, Action::Forget | Action::Import)) {
        return Err(Box::new(
            Diagnostic::error("SKY0719", "a plan that only brings the state up to date changes a cluster")
                .about(&change.address)
                .hint("plan again: `skyplan plan --refresh-only`"),
        ));
    }
    let since = journal::news(log, plan.base.serial, plan.base.serial, "")?;
    check::check(plan, log.state(), &since, Timestamp::now(), &crate::driver::local::has_ended)?;
    let outcomes = plan.changes.iter().map(|c| (c.address.clone(), c.record.as_deref().cloned()));
    log.append(&Entry::Delta(Delta { outcomes: outcomes.collect() }))?;
    Ok(plan.changes.len())
}

/// The entry that ends an apply that had nothing to change but where components are placed, or who is trusted.
pub fn end_of(placement: Option<PlacementRecord>, trust: Option<Trust>) -> Entry {
    let at = Timestamp::now().to_string();
    Entry::End(End { begin: None, at, complete: true, placement, settled: Vec::new(), trust })
}
