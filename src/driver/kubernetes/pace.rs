//! How many requests a cluster is asked at once: arithmetic on its answers. Pure: times are passed in.
//!
//! There is no number that fits all: a server on a laptop has two cores, one far away takes forty requests
//! to be kept busy. So the number is found.
//!
//! - It grows by one per window of good answers and is halved by a refusal, a failure or a time-out: additive
//!   increase, multiplicative decrease (Chiu and Jain 1989). Until the first sign against it, it grows by one
//!   per answer, as TCP's slow start does (Jacobson 1988).
//! - Requests that queue at the server show in the latency: what is in flight times the share of the latency
//!   that was not there when the server was idle (TCP Vegas: Brakmo and Peterson 1995). The quicker quarter of
//!   a window counts, as only a standing queue delays nearly all (the thought of CoDel: Nichols and Jacobson 2012).
//! - Where it was refused is remembered, and tried again ever more rarely (as CUBIC does: RFC 9438).

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{collections::BTreeMap, time::Duration};

/// In flight at first. Latency alone takes it no lower: that much keeps any server busy.
const START: f64 = 8.0;
/// In flight at most. With its default fairness an API server has about 49 seats for a plain user.
pub const MOST: usize = 64;
/// How much of what is in flight may queue before it no longer grows, and before it shrinks.
const QUEUED: (f64, f64) = (0.15, 0.3);
/// The same in requests, where few are in flight.
const QUEUED_LEAST: (f64, f64) = (0.75, 1.5);
/// From this share on it is halved: the queue is longer than what is worked at.
const FLOODED: f64 = 0.6;
/// How long a least latency is believed: the way to the server may have become longer.
const BELIEVED: Duration = Duration::from_secs(30);
/// Windows before one more than what was refused is tried, at first and at most.
const PROBES: (u32, u32) = (8, 128);

/// What is asked, and of which kind: only what is alike can be compared.
pub(super) type Sort = (&'static str, String);

/// What an answer says about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered.
    Good,
    /// It has too much to do.
    Refused,
    /// It, or what stands before it, failed; or nothing came.
    Failed,
    /// Nothing: nobody waited for the answer.
    Unsaid,
}

/// The number that may be in flight, and what it is derived from.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    limit: f64,
    /// Nothing has spoken against more so far.
    climbing: bool,
    ceiling: Option<Ceiling>,
    /// What was sent before that speaks of a number that is no longer.
    cut: Duration,
    window: Window,
    least: BTreeMap<Sort, Least>,
}

/// As many as were not refused.
#[derive(Clone, Copy, Debug)]
struct Ceiling {
    at: f64,
    /// Windows to go until one more is tried, and how many it was.
    left: u32,
    pause: u32,
    /// One more is being tried.
    probing: bool,
}

/// As many answers as are in flight.
#[derive(Clone, Debug, Default)]
struct Window {
    most_flying: usize,
    /// Latencies, as multiples of what they are on an idle server.
    slower: Vec<f64>,
}

impl Window {
    /// What three quarters of the answers took at least.
    fn quick(&self) -> f64 {
        let mut all = self.slower.clone();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 4).copied().unwrap_or(1.0)
    }
}

/// The least latency of a sort, of this time and of the time before.
#[derive(Clone, Copy, Debug)]
struct Least {
    since: Duration,
    now: Duration,
    before: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let (cut, window) = (Duration::ZERO, Window::default());
        Self { limit: START, climbing: true, ceiling: None, cut, window, least: BTreeMap::new() }
    }
}

impl Pace {
    /// How many may be in flight.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 1 to 64")]
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Takes in an answer that came at `now` after `took`, when `flying` were in flight, itself included.
    pub(super) fn heard(&mut self, sort: &Sort, sign: Sign, now: Duration, took: Duration, flying: usize) {
        match sign {
            Sign::Unsaid => {}
            Sign::Good => self.good(sort, now, took, flying),
            Sign::Refused | Sign::Failed => self.bad(sign, now, took, flying),
        }
        self.limit = self.limit.clamp(1.0, as_f64(MOST));
    }

    fn good(&mut self, sort: &Sort, now: Duration, took: Duration, flying: usize) {
        let slower = self.slower(sort, now, took);
        self.window.slower.push(slower);
        self.window.most_flying = self.window.most_flying.max(flying);
        let in_use = 2 * self.window.most_flying >= self.limit();
        if self.climbing && in_use && slower < 1.0 / (1.0 - QUEUED.1) {
            self.limit += 1.0;
        }
        if self.window.slower.len() < self.limit() {
            return;
        }
        let window = std::mem::take(&mut self.window);
        if !in_use {
            return;
        }
        let flying = as_f64(window.most_flying);
        let queued = flying * (1.0 - 1.0 / window.quick());
        let bound = |part: f64, least: f64| (flying * part).max(least);
        if queued > flying * FLOODED && self.limit > START {
            self.climbing = false;
            self.limit = (self.limit / 2.0).max(START);
        } else if queued > bound(QUEUED.1, QUEUED_LEAST.1) {
            self.climbing = false;
            self.limit = (self.limit - 1.0).max(self.limit.min(START));
        } else if queued < bound(QUEUED.0, QUEUED_LEAST.0) && !self.climbing {
            self.grow();
        }
    }

    /// A window was good.
    fn grow(&mut self) {
        let Some(ceiling) = &mut self.ceiling else {
            self.limit += 1.0;
            return;
        };
        if ceiling.probing {
            // There is more room than there was.
            self.ceiling = None;
            self.limit += 1.0;
        } else if self.limit < ceiling.at {
            self.limit += ((ceiling.at - self.limit) / 2.0).max(1.0);
            self.limit = self.limit.min(ceiling.at);
        } else if ceiling.left > 0 {
            ceiling.left -= 1;
        } else {
            ceiling.probing = true;
            self.limit = ceiling.at + 1.0;
        }
    }

    fn bad(&mut self, sign: Sign, now: Duration, took: Duration, flying: usize) {
        // All that were in flight together are told the same: it counts once.
        if now.saturating_sub(took) < self.cut {
            return;
        }
        (self.cut, self.climbing, self.window) = (now, false, Window::default());
        let probed = self.ceiling.filter(|c| c.probing);
        if sign == Sign::Failed {
            self.limit = (self.limit / 2.0).floor();
        } else if let Some(ceiling) = probed {
            let pause = (ceiling.pause * 2).min(PROBES.1);
            self.limit = ceiling.at;
            self.ceiling = Some(Ceiling { left: pause, pause, probing: false, ..ceiling });
            return;
        } else {
            let at = (as_f64(flying).min(self.limit) - 1.0).max(1.0);
            self.ceiling = Some(Ceiling { at, left: PROBES.0, pause: PROBES.0, probing: false });
            self.limit = (at / 2.0).ceil();
        }
        if let Some(ceiling) = &mut self.ceiling {
            ceiling.probing = false;
        }
    }

    /// A latency as a multiple of the least of its sort.
    fn slower(&mut self, sort: &Sort, now: Duration, took: Duration) -> f64 {
        let took = took.max(Duration::from_micros(1));
        let first = Least { since: now, now: took, before: took };
        // Not `entry`: most sorts are known, and a key is a string.
        if !self.least.contains_key(sort) {
            self.least.insert(sort.clone(), first);
        }
        let Some(least) = self.least.get_mut(sort) else { return 1.0 };
        if now.saturating_sub(least.since) > BELIEVED {
            *least = Least { before: least.now, ..first };
        }
        least.now = least.now.min(took);
        took.as_secs_f64() / least.now.min(least.before).as_secs_f64()
    }
}

#[allow(clippy::cast_precision_loss, reason = "it is a number of requests")]
fn as_f64(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
