//! The safety stop of a search: a flag that is raised from outside, by somebody with a clock.
//!
//! The search knows no clock, and ends by itself when its budget of work is spent. Where that takes too
//! long the flag ends it with what it has. It says of itself that it was heeded, as what comes of that
//! does not repeat; and it remembers what was found, so that the same question has the same answer again
//! within one run of the program.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use super::problem::{Problem, Solution};

/// Answers that are remembered.
const MOST_KEPT: usize = 4;

/// A flag, and what was found so far. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    raised: AtomicBool,
    heeded: AtomicBool,
    found: Mutex<Vec<(Problem, Solution)>>,
}

impl Watch {
    /// Asks all searches under this watch to end.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::Relaxed);
    }

    /// Whether to end now. Who asks, heeds.
    pub(super) fn enough(&self) -> bool {
        let raised = self.0.raised.load(Ordering::Relaxed);
        if raised {
            self.0.heeded.store(true, Ordering::Relaxed);
        }
        raised
    }

    /// Whether a search ended for it.
    pub fn was_cut(&self) -> bool {
        self.0.heeded.load(Ordering::Relaxed)
    }

    /// What was found for a problem before.
    pub(super) fn found(&self, problem: &Problem) -> Option<Solution> {
        let all = self.0.found.lock().ok()?;
        all.iter().find(|(known, _)| known == problem).map(|(_, solution)| solution.clone())
    }

    /// Remembers what was found for a problem.
    pub(super) fn keep(&self, problem: &Problem, solution: &Solution) {
        if let Ok(mut all) = self.0.found.lock() {
            all.truncate(MOST_KEPT - 1);
            all.insert(0, (problem.clone(), solution.clone()));
        }
    }
}

/// Budgets are the same whoever watches.
impl PartialEq for Watch {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Watch {}
