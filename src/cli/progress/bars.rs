//! One bar for each cluster that is at work, with what is in flight there. Knows indicatif.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Flights;
use crate::plan::Plan;

/// Bars at once: with more, a terminal would scroll and flicker.
const MOST: usize = 8;
/// Characters of a cluster's name.
const NAME: usize = 20;
/// How often elapsed times move on.
const TICK: Duration = Duration::from_millis(250);

/// The bars of one apply.
pub(super) struct Bars {
    all: MultiProgress,
    clusters: Mutex<BTreeMap<String, Row>>,
    width: usize,
}

struct Row {
    total: u64,
    done: u64,
    /// While there is something in flight, and room.
    bar: Option<ProgressBar>,
}

impl Bars {
    /// `None` where nothing can be drawn.
    pub(super) fn new(plan: &Plan) -> Option<Self> {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        if all.is_hidden() {
            return None;
        }
        let mut clusters: BTreeMap<String, Row> = BTreeMap::new();
        for change in &plan.changes {
            let row = clusters.entry(change.address.cluster().to_owned());
            row.or_insert(Row { total: 0, done: 0, bar: None }).total += 1;
        }
        let width = clusters.keys().map(|c| c.chars().count()).max().unwrap_or(0).min(NAME);
        Some(Self { all, clusters: Mutex::new(clusters), width })
    }

    pub(super) fn line(&self, text: &str) {
        let _ = self.all.println(text);
    }

    /// Shows what is in flight on a cluster.
    pub(super) fn show(&self, cluster: &str, flights: &Flights) {
        let mut rows = self.rows();
        let shown = rows.values().filter(|r| r.bar.is_some()).count();
        let Some(row) = rows.get_mut(cluster) else { return };
        if row.bar.is_none() && shown < MOST {
            row.bar = Some(self.bar(cluster, row));
        }
        if let Some(bar) = &row.bar {
            bar.set_message(message(cluster, flights));
        }
    }

    /// One more is over on a cluster.
    pub(super) fn advance(&self, cluster: &str, flights: &Flights) {
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(cluster) else { return };
        row.done += 1;
        let Some(bar) = &row.bar else { return };
        bar.set_position(row.done);
        bar.set_message(message(cluster, flights));
        if row.done == row.total {
            bar.finish_and_clear();
            self.all.remove(bar);
            row.bar = None;
        }
    }

    pub(super) fn close(&self) {
        for row in self.rows().values_mut() {
            if let Some(bar) = row.bar.take() {
                bar.finish_and_clear();
            }
        }
        let _ = self.all.clear();
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self, cluster: &str, row: &Row) -> ProgressBar {
        let name: String = cluster.chars().take(NAME).collect();
        let bar = self.all.add(ProgressBar::new(row.total));
        if let Ok(style) = ProgressStyle::with_template("  {prefix} [{bar:16}] {pos:>3}/{len} {elapsed:>4} {wide_msg}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(format!("{name:width$}", width = self.width));
        bar.set_position(row.done);
        bar.enable_steady_tick(TICK);
        bar
    }
}

/// The change that has been in flight for longest with what it waits for, and how many others.
fn message(cluster: &str, flights: &Flights) -> String {
    let mut here: Vec<_> = flights.iter().filter(|(address, _)| address.cluster() == cluster).collect();
    here.sort_by_key(|(_, flight)| flight.begun);
    let Some((address, flight)) = here.first() else { return "waits for what it depends on".into() };
    let waits = if flight.waits.is_empty() { String::new() } else { format!(": {}", flight.waits) };
    let more = if here.len() > 1 { format!("+{} ", here.len() - 1) } else { String::new() };
    format!("{more}{}{waits}", address.short()).replace(char::is_control, " ")
}
