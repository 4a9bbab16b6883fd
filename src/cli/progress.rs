//! How an apply goes on: a line that moves on a terminal, plain lines elsewhere.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    address::ResourceAddress,
    apply::{Outcome, Progress},
    plan::{Plan, change::Action},
    render::plan::on_cluster,
    spec::ClusterDriver,
};

/// Shows the progress of one apply.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    started: Mutex<std::collections::BTreeMap<ResourceAddress, (Action, Instant)>>,
    /// Clusters that are there already: they are connected to, not made.
    existing: BTreeSet<String>,
    total: usize,
    done: Mutex<usize>,
}

impl Shown {
    pub(super) fn new(terminal: bool, plan: &Plan) -> Self {
        let total = plan.changes.len();
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let existing = plan.clusters.iter().filter(|(_, c)| c.driver == ClusterDriver::Existing);
        let existing = existing.map(|(name, _)| name.clone()).collect();
        Self { bar, started: Mutex::default(), existing, total, done: Mutex::new(0) }
    }

    /// Takes the moving line away.
    pub(super) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn verb(&self, address: &ResourceAddress, action: Action, done: bool) -> &'static str {
        match (address, action) {
            (ResourceAddress::Cluster(name), Action::Create) if self.existing.contains(name) => {
                if done {
                    "connected to"
                } else {
                    "connecting to"
                }
            }
            _ => verb(action, done),
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }
}

fn verb(action: Action, done: bool) -> &'static str {
    match (action, done) {
        (Action::Create, false) => "making",
        (Action::Create, true) => "made",
        (Action::Update, false) => "changing",
        (Action::Update, true) => "changed",
        (Action::Replace, false) => "replacing",
        (Action::Replace, true) => "replaced",
        (Action::Delete, false) => "deleting",
        (Action::Delete, true) => "deleted",
        (Action::Forget, false) => "forgetting",
        (Action::Forget, true) => "forgot",
    }
}

impl Progress for Shown {
    fn started(&self, address: &ResourceAddress, action: Action) {
        if let Ok(mut started) = self.started.lock() {
            started.insert(address.clone(), (action, Instant::now()));
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} {}", self.verb(address, action, false), on_cluster(address)));
        } else if matches!(address, ResourceAddress::Cluster(_)) {
            // Clusters take seconds; everything else says when it is done.
            self.line(&format!("  {} {}…", self.verb(address, action, false), on_cluster(address)));
        }
    }

    fn waiting(&self, address: &ResourceAddress, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {text}", on_cluster(address)));
        }
    }

    fn finished(&self, address: &ResourceAddress, outcome: &Outcome) {
        let started = self.started.lock().ok().and_then(|mut s| s.remove(address));
        let count = self.done.lock().map_or(0, |mut done| {
            *done += 1;
            *done
        });
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        let text = match (outcome, started) {
            (Outcome::Done { .. }, Some((action, at))) => {
                let seconds = at.elapsed().as_secs_f64();
                let took = if seconds >= 0.1 { format!(" after {seconds:.1} s") } else { String::new() };
                format!("{} {}{took}", self.verb(address, action, true), on_cluster(address))
            }
            (Outcome::Failed(_), _) => format!("FAILED {}", on_cluster(address)),
            (Outcome::Skipped(why), _) => format!("left out {}: {why}", on_cluster(address)),
            _ => return,
        };
        let total = self.total;
        self.line(&format!("  [{count:>width$}/{total}] {text}", width = total.to_string().len()));
    }
}
