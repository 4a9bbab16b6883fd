//! One minimal conflict among the lines of the specs, the smallest set of lines to relax, and the values
//! that would do.
//!
//! Everything comes from one question, asked often and with a small budget: whether a placement exists
//! without some rules. A conflict is found by leaving out what it does not need; the smallest set by
//! hitting the conflicts that are known until nothing is in conflict any more.

use std::cell::Cell;

use super::{
    super::{
        domain::Domain,
        problem::{Limits, Problem},
        search,
    },
    Line, Way,
    rules::{Posed, Rule, Words},
    values,
};

/// Questions that one explanation may ask, and components from which on it may ask fewer.
const MOST_ASKED: u32 = 600;
const FEW_ASKED: u32 = 60;
const MANY: usize = 100;
/// Conflicts that are looked at for the smallest set.
const MOST_CONFLICTS: usize = 16;
/// Lines of a conflict that are tried as the only one to relax.
const MOST_ALONE: usize = 8;

/// Asks whether placements exist.
pub(in crate::place) struct Asker<'a> {
    pub(super) posed: Posed<'a>,
    pub(super) limits: Limits,
    left: Cell<u32>,
    /// Every answer that a conflict was found by was certain: it has no line too many.
    sure: Cell<bool>,
}

impl<'a> Asker<'a> {
    pub(in crate::place) fn new(problem: &'a Problem, words: Option<Words<'a>>, limits: &Limits) -> Self {
        let few = problem.components.len() >= MANY;
        let part = if few { 100 } else { 20 };
        let limits = Limits { gap_ppm: if few { 20_000 } else { 0 }, ..limits.part(part) };
        let left = Cell::new(if few { FEW_ASKED } else { MOST_ASKED });
        Self { posed: Posed { problem, words, holds: None }, limits, left, sure: Cell::new(true) }
    }

    /// The same with a rule that is not the user's, and holds in any case.
    pub(in crate::place) fn holding(mut self, rule: Rule) -> Self {
        self.posed.holds = Some(rule);
        self
    }

    fn feasible(&self, problem: &Problem) -> Option<bool> {
        let left = self.left.get().checked_sub(1)?;
        self.left.set(left);
        search::feasible(problem, &self.limits)
    }

    /// Whether the conflicts found have no line too many.
    pub(in crate::place) fn sure(&self) -> bool {
        self.sure.get()
    }

    /// Whether there is a placement, as far as the budget tells.
    pub(super) fn possible(&self, problem: &Problem) -> bool {
        self.feasible(problem) == Some(true)
    }

    /// A minimal set of rules that cannot be met together, with some left out in any case; empty when
    /// what cannot be left out already conflicts, or when nothing was proven.
    pub(in crate::place) fn conflict(&self, lifted: &[Rule]) -> Vec<Rule> {
        let rules: Vec<Rule> = self.posed.rules().into_iter().filter(|r| !lifted.contains(r)).collect();
        // What filtering alone refuses is found by filtering alone, which is cheap.
        let filtered = |out: &[Rule]| {
            let problem = self.posed.without(out);
            Domain::new(&problem).propagate(&problem).is_err()
        };
        let mut kept = rules.clone();
        if filtered(lifted) {
            kept = needed(&rules, lifted, &filtered);
            if kept.is_empty() {
                return kept;
            }
        }
        let refused = |out: &[Rule]| {
            let answer = self.feasible(&self.posed.without(out));
            self.sure.set(self.sure.get() && answer.is_some());
            answer == Some(false)
        };
        let out: Vec<Rule> = lifted.iter().copied().chain(rules.into_iter().filter(|r| !kept.contains(r))).collect();
        if kept.len() == self.posed.rules().len() && !refused(&out) {
            return Vec::new();
        }
        needed(&kept, &out, &refused)
    }

    /// The smallest set of rules without which there is a placement, beginning with a conflict that is
    /// known; empty where none is found.
    pub(in crate::place) fn smallest(&self, first: &[Rule]) -> Vec<Rule> {
        let mut conflicts = vec![first.to_vec()];
        while conflicts.len() <= MOST_CONFLICTS {
            let Some(set) = hitting(&conflicts) else { return Vec::new() };
            match self.feasible(&self.posed.without(&set)) {
                Some(true) => return set,
                None => return Vec::new(),
                Some(false) => conflicts.push(self.conflict(&set)),
            }
        }
        Vec::new()
    }

    /// A conflict with its lines, and what would do: the single lines that suffice, cheapest first, or
    /// the smallest set that does.
    pub(in crate::place) fn told(&self, conflict: &[Rule]) -> (Vec<Line>, Vec<Way>) {
        let lines = conflict.iter().map(|rule| values::line(&self.posed, *rule)).collect();
        let mut ways: Vec<Way> = Vec::new();
        for rule in conflict.iter().rev().take(MOST_ALONE) {
            if self.possible(&self.posed.without(&[*rule])) {
                ways.extend(values::way(self, &[*rule]));
            }
        }
        if ways.is_empty() && !conflict.is_empty() {
            let set = self.smallest(conflict);
            if !set.is_empty() {
                ways.extend(values::way(self, &set));
            }
        }
        ways.sort_by_key(|way| (way.cost.is_none(), way.cost));
        (lines, ways)
    }
}

/// The rules that are needed for a refusal, leaving out first by halves, then one by one.
fn needed(rules: &[Rule], lifted: &[Rule], refused: &dyn Fn(&[Rule]) -> bool) -> Vec<Rule> {
    let mut out: Vec<Rule> = lifted.to_vec();
    let mut kept: Vec<Rule> = rules.to_vec();
    if kept.is_empty() {
        return kept;
    }
    let mut all = out.clone();
    all.extend(&kept);
    if refused(&all) {
        return Vec::new();
    }
    let mut chunk = kept.len().div_ceil(2);
    loop {
        let mut next = Vec::new();
        for part in kept.chunks(chunk) {
            let mut trial = out.clone();
            trial.extend(part);
            if refused(&trial) { out = trial } else { next.extend(part) }
        }
        kept = next;
        if chunk == 1 || kept.is_empty() {
            return kept;
        }
        chunk = chunk.div_ceil(2);
    }
}

/// The smallest set with a rule of every conflict; of equals the one with later, more negotiable rules.
/// `None` where a conflict has none.
fn hitting(conflicts: &[Vec<Rule>]) -> Option<Vec<Rule>> {
    fn search(conflicts: &[Vec<Rule>], chosen: &mut Vec<Rule>, most: usize) -> bool {
        let Some(open) = conflicts.iter().find(|c| !c.iter().any(|r| chosen.contains(r))) else { return true };
        if chosen.len() == most {
            return false;
        }
        for rule in open.iter().rev() {
            chosen.push(*rule);
            if search(conflicts, chosen, most) {
                return true;
            }
            chosen.pop();
        }
        false
    }
    (1..=conflicts.len()).find_map(|most| {
        let mut chosen = Vec::new();
        search(conflicts, &mut chosen, most).then_some(chosen)
    })
}
