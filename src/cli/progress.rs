//! How an apply goes on: a bar for each cluster on a terminal, plain lines elsewhere.
//!
//! Both print one line for each change that ends. While nothing ends, the bars say what is waited
//! for; plain lines say so every ten seconds, so that a log of CI is not silent.

mod bars;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use self::bars::Bars;
use crate::{
    address::ResourceAddress,
    apply::{Outcome, Progress},
    plan::{
        Plan,
        change::{Action, ActionReason, Change},
    },
    render::plan::on_cluster,
    spec::ClusterDriver,
};

/// How often bars are drawn anew.
const REFRESH: Duration = Duration::from_millis(200);
/// How often plain lines say what is waited for.
const REMIND: Duration = Duration::from_secs(10);
/// How many of those lines are said at once.
const REMINDERS: usize = 5;

/// What is in flight.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    begun: Instant,
    waits: String,
}

/// By address.
pub(super) type Flights = BTreeMap<ResourceAddress, Flight>;

/// Shows the progress of one apply.
pub(super) struct Shown {
    bars: Option<Arc<Bars>>,
    words: BTreeMap<ResourceAddress, Words>,
    flights: Arc<Mutex<Flights>>,
    done: Mutex<usize>,
    clock: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

/// What is said of a change while it goes on, and when it is done: `making`, `made`.
type Words = (&'static str, &'static str);

impl Shown {
    pub(super) fn new(terminal: bool, plan: &Plan) -> Self {
        let bars = terminal.then(|| Bars::new(plan)).flatten().map(Arc::new);
        let flights = Arc::<Mutex<Flights>>::default();
        let clock = clock(bars.clone(), flights.clone());
        Self {
            bars,
            words: plan.changes.iter().map(|c| (c.address.clone(), words(c, plan))).collect(),
            flights,
            done: Mutex::new(0),
            clock: Mutex::new(Some(clock)),
        }
    }

    /// Takes the bars away; nothing is said any more.
    pub(super) fn close(&self) {
        let clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = clock {
            drop(stop);
            let _ = thread.join();
        }
        if let Some(bars) = &self.bars {
            bars.close();
        }
    }

    /// Says something above the bars.
    pub(super) fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.line(text),
            None => eprintln!("{text}"),
        }
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says every now and then what is in flight: bars at once, plain lines what has been for long.
fn clock(bars: Option<Arc<Bars>>, flights: Arc<Mutex<Flights>>) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = channel::<()>();
    let pause = if bars.is_some() { REFRESH } else { REMIND };
    let thread = thread::spawn(move || {
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let flights = flights.lock().unwrap_or_else(PoisonError::into_inner);
            match &bars {
                Some(bars) => bars.refresh(&flights),
                None => reminders(&flights).iter().for_each(|line| eprintln!("{line}")),
            }
        }
    });
    (stop, thread)
}

fn reminders(flights: &Flights) -> Vec<String> {
    let mut long: Vec<(&ResourceAddress, &Flight)> =
        flights.iter().filter(|(_, f)| f.begun.elapsed() >= REMIND).collect();
    long.sort_by_key(|(_, f)| f.begun);
    let said = long.iter().take(REMINDERS).map(|(address, flight)| {
        let waits = if flight.waits.is_empty() { String::new() } else { format!(": {}", flight.waits) };
        format!("  … {} s for {}{waits}", flight.begun.elapsed().as_secs(), on_cluster(address))
    });
    let mut lines: Vec<String> = said.collect();
    if long.len() > REMINDERS {
        lines.push(format!("  … and {} more", long.len() - REMINDERS));
    }
    lines
}

fn words(change: &Change, plan: &Plan) -> Words {
    let existing = matches!(change.address, ResourceAddress::Cluster(_))
        && plan.clusters.get(change.address.cluster()).is_some_and(|c| c.driver == ClusterDriver::Existing);
    match change.action {
        Action::Create | Action::Update | Action::Replace if existing => ("connecting to", "connected to"),
        Action::Create => ("making", "made"),
        Action::Update => ("changing", "changed"),
        Action::Replace => ("replacing", "replaced"),
        Action::Delete => ("deleting", "deleted"),
        // Its cluster's line says it.
        Action::Forget if change.reason == ActionReason::GoneWithCluster => ("forgetting", ""),
        Action::Forget => ("forgetting", "forgot"),
        Action::Import => ("remembering", "remembered"),
    }
}

impl Progress for Shown {
    fn started(&self, address: &ResourceAddress, action: Action) {
        self.flights().insert(address.clone(), Flight { begun: Instant::now(), waits: String::new() });
        // Clusters take seconds; everything else says when it is done.
        let long = matches!(address, ResourceAddress::Cluster(_)) && action != Action::Forget;
        if long && self.bars.is_none() {
            let word = self.words.get(address).map_or("", |w| w.0);
            self.line(&format!("  {word} {}…", on_cluster(address)));
        }
    }

    fn waiting(&self, address: &ResourceAddress, text: &str) {
        if let Some(flight) = self.flights().get_mut(address) {
            text.clone_into(&mut flight.waits);
        }
    }

    fn finished(&self, address: &ResourceAddress, outcome: &Outcome) {
        let flight = self.flights().remove(address);
        let count = {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            *done += 1;
            *done
        };
        let done = self.words.get(address).map_or("", |w| w.1);
        if let Some(bars) = &self.bars {
            bars.advance(address.cluster());
        }
        let text = match outcome {
            Outcome::Done { .. } if done.is_empty() => return,
            Outcome::Done { .. } => {
                let seconds = flight.map_or(0.0, |f| f.begun.elapsed().as_secs_f64());
                let took = if seconds >= 0.1 { format!(" after {seconds:.1} s") } else { String::new() };
                format!("{done} {}{took}", on_cluster(address))
            }
            Outcome::Failed(why) => match why.summary.strip_prefix(&address.short()) {
                Some(rest) => format!("FAILED {}{rest}", on_cluster(address)),
                None => format!("FAILED {}: {}", on_cluster(address), why.summary),
            },
            Outcome::Skipped(cause) => format!("left out {}, as {} failed", on_cluster(address), on_cluster(cause)),
            // They are in the report, all at once.
            Outcome::NotStarted => return,
        };
        let total = self.words.len();
        self.line(&format!("  [{count:>width$}/{total}] {text}", width = total.to_string().len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_said_and_not_all_of_it() {
        let address = |n: usize| format!("object/a/apps/Deployment/x/w{n}").parse::<ResourceAddress>().unwrap();
        let Some(begun) = Instant::now().checked_sub(REMIND * 2) else { return };
        let flight = |waits: &str| Flight { begun, waits: waits.into() };
        let mut flights: Flights = (0..7).map(|n| (address(n), flight(""))).collect();
        flights.insert(address(8), Flight { begun: Instant::now(), waits: String::new() });
        flights.insert(address(0), flight("0 of 1 replicas are ready"));
        let lines = reminders(&flights);
        assert_eq!(lines.len(), REMINDERS + 1);
        assert_eq!(lines[0], "  … 20 s for a: Deployment x/w0: 0 of 1 replicas are ready");
        assert_eq!(lines[REMINDERS], "  … and 2 more");
    }
}
