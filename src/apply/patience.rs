//! Asking again while a cluster does not answer: its API server restarts, the network is away for a
//! moment.
//!
//! Everything that is asked through here may be asked twice: reads, deletions of one uid, and
//! server-side applies of the same bytes under our own name.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::executor::Run;
use crate::{driver::kubernetes::Fault, plan::change::Change};

/// How long a cluster may be silent. An API server restarts in less.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause; each is twice as long as the one before, up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// Why nothing more is asked by an apply that wakes too late.
pub(super) const OVER: &str = "it was not asked, as the time for all of the apply was over";

/// Clusters that were silent for too long: they are not waited for again.
#[derive(Debug, Default)]
pub(super) struct Silent(Mutex<BTreeSet<String>>);

impl Silent {
    fn has(&self, cluster: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(cluster)
    }

    fn set(&self, cluster: &str, silent: bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if silent {
            all.insert(cluster.to_owned());
        } else if !all.is_empty() {
            all.remove(cluster);
        }
    }
}

/// How long one change goes on asking.
pub(super) struct Patience<'a, 'r> {
    run: &'a Run<'r>,
    change: &'a Change,
    until: Instant,
    pause: Duration,
}

impl<'a, 'r> Patience<'a, 'r> {
    pub(super) fn new(run: &'a Run<'r>, change: &'a Change) -> Self {
        let until = (Instant::now() + PATIENCE.min(run.options.timeout)).min(run.deadline);
        Self { run, change, until, pause: PAUSES.0 }
    }

    /// Waits before the next attempt; `false` = no more of it.
    pub(super) async fn again(&mut self, why: &str) -> bool {
        let (run, cluster) = (self.run, self.change.address.cluster());
        if run.silent.has(cluster) || run.options.cancel.is_cancelled() {
            return false;
        }
        if Instant::now() + self.pause >= self.until {
            run.silent.set(cluster, true);
            return false;
        }
        run.waits(self.change, &format!("cluster {cluster} does not answer ({why}); asking again"));
        tokio::select! {
            () = sleep(self.pause) => {}
            () = run.options.cancel.cancelled() => {}
        }
        self.pause = (self.pause * 2).min(PAUSES.1);
        true
    }
}

/// Asks until there is an answer, or patience is at its end.
pub(super) async fn patiently<T>(
    run: &Run<'_>,
    change: &Change,
    ask: impl AsyncFn() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut patience = Patience::new(run, change);
    loop {
        if run.is_over() {
            return Err(Fault::Unreachable(OVER.into()));
        }
        match ask().await {
            Err(fault) if fault.is_unanswered() => {
                if !patience.again(&fault.words()).await {
                    return Err(fault);
                }
            }
            other => {
                run.silent.set(change.address.cluster(), false);
                return other;
            }
        }
    }
}
