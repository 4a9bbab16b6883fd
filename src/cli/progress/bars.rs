//! One bar for each cluster that is at work, with what is in flight there. Knows indicatif.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Flight, Flights};
use crate::{address::ResourceAddress, plan::Plan};

/// Bars at once: with more, a terminal would scroll and flicker.
const MOST: usize = 8;
/// Characters of a cluster's name.
const NAME: usize = 20;
/// What a cluster does that has nothing in flight.
const IDLE: &str = "waits for what it depends on";

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

    /// Shows what is in flight, cluster by cluster.
    pub(super) fn refresh(&self, flights: &Flights) {
        let mut here: BTreeMap<&str, Here<'_>> = BTreeMap::new();
        for (address, flight) in flights {
            let found = here.entry(address.cluster()).or_insert(Here { count: 0, oldest: (address, flight) });
            found.count += 1;
            if flight.begun < found.oldest.1.begun {
                found.oldest = (address, flight);
            }
        }
        let mut rows = self.rows();
        let mut shown = rows.values().filter(|r| r.bar.is_some()).count();
        for (cluster, row) in rows.iter_mut() {
            let flying = here.get(cluster.as_str());
            if row.bar.is_none() && flying.is_some() && shown < MOST {
                row.bar = Some(self.bar(cluster, row));
                shown += 1;
            }
            if let Some(bar) = &row.bar {
                bar.set_message(flying.map_or_else(|| IDLE.to_owned(), Here::words));
                bar.tick();
            }
        }
    }

    /// One more is over on a cluster.
    pub(super) fn advance(&self, cluster: &str) {
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(cluster) else { return };
        row.done += 1;
        let Some(bar) = &row.bar else { return };
        bar.set_position(row.done);
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
        bar
    }
}

/// What is in flight on one cluster.
struct Here<'a> {
    count: usize,
    oldest: (&'a ResourceAddress, &'a Flight),
}

impl Here<'_> {
    /// The change that has been in flight for longest with what it waits for, and how many others.
    fn words(&self) -> String {
        let (address, flight) = self.oldest;
        let waits = if flight.waits.is_empty() { String::new() } else { format!(": {}", flight.waits) };
        let more = if self.count > 1 { format!("+{} ", self.count - 1) } else { String::new() };
        format!("{more}{}{waits}", address.short()).replace(char::is_control, " ")
    }
}
