//! What flows cost and allow, as rows of the relaxation.
//!
//! If the source is in one set of places and the target not in another, data pays at least so much, or may not
//! be. Knows the prices and lengths of ways; which nodes there are is not known here.

use std::collections::BTreeMap;

use super::{
    super::{
        domain::Domain,
        problem::{Flow, Problem},
        transfer::Haul,
    },
    Answer,
    build::Model,
};

/// Entries from which on flows get no more rows: a bound on memory.
const ENTRIES: usize = 20_000_000;
/// Ways of one flow up to which its bounds get all of their rows at once.
const PAIRS: usize = 40_000;
/// Parts of an instance that count, and by which a bound must be broken to get a row.
const PART: f64 = 0.02;

/// From one place: prices of a byte, cheapest first, each with the set of places that are not dearer.
type Steps = Vec<(f64, usize)>;

/// The price lists of all places; they are the same for all flows.
struct Tariff {
    steps: Vec<Steps>,
    sets: Vec<Vec<usize>>,
}

impl Tariff {
    fn new(problem: &Problem, slopes: &[f64]) -> Self {
        let haul = Haul::new(problem);
        let places = problem.places.len();
        let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let steps = (0..places).map(|a| {
            let mut ways: Vec<(f64, usize)> =
                (0..places).map(|b| (haul.meter(a, b).map_or(0.0, |m| slopes[m]), b)).collect();
            ways.sort_by(|x, y| x.0.total_cmp(&y.0));
            let mut near: Vec<usize> = Vec::new();
            let same = ways.chunk_by(|x, y| x.0.total_cmp(&y.0).is_eq());
            same.map(|chunk| {
                near.extend(chunk.iter().map(|(_, b)| *b));
                near.sort_unstable();
                let next = known.len();
                (chunk[0].0, *known.entry(near.clone()).or_insert(next))
            })
            .collect()
        });
        let steps = steps.collect();
        let mut sets = vec![Vec::new(); known.len()];
        for (set, id) in known {
            sets[id] = set;
        }
        Self { steps, sets }
    }
}

impl Model {
    /// Transfer and bounds of all flows.
    pub(super) fn flows(&mut self, problem: &Problem, domain: &Domain) {
        let tariff = Tariff::new(problem, &self.slopes);
        for (f, flow) in problem.flows.iter().enumerate().filter(|(_, f)| f.from != f.to) {
            let sources: Vec<usize> = domain.possible(flow.from).collect();
            let targets: Vec<usize> = domain.possible(flow.to).collect();
            // Rows may be left out: the bound is lower then, not wrong.
            if self.lp.columns.len() < ENTRIES {
                self.transfer(problem, &tariff, flow, &sources, &targets);
            }
            if !flow.bounded() {
                continue;
            }
            if sources.len() * targets.len() > PAIRS || self.lp.columns.len() >= ENTRIES {
                self.later.push(f);
            } else {
                self.reach(problem, flow, &sources, &targets);
            }
        }
    }

    /// Prices of one flow.
    fn transfer(&mut self, problem: &Problem, tariff: &Tariff, flow: &Flow, sources: &[usize], targets: &[usize]) {
        if flow.bytes == 0 {
            return;
        }
        let single = problem.components[flow.from].max == 1;
        let mut wanted = vec![false; problem.places.len()];
        targets.iter().for_each(|b| wanted[*b] = true);
        // Sets with what of them the target may use; equal ones under one number.
        let mut numbers: Vec<Option<usize>> = vec![None; tariff.sets.len()];
        let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let mut sizes: Vec<usize> = Vec::new();
        // Sources with the same near targets and the same price of going beyond.
        let mut levels: BTreeMap<(usize, u64), Vec<usize>> = BTreeMap::new();
        for a in sources {
            let bytes = problem.bytes(flow, *a) as f64;
            let mut last: Option<(f64, usize)> = None;
            for (slope, set) in &tariff.steps[*a] {
                let near = *numbers[*set].get_or_insert_with(|| {
                    let near: Vec<usize> = tariff.sets[*set].iter().copied().filter(|b| wanted[*b]).collect();
                    let (next, size) = (known.len(), near.len());
                    let number = *known.entry(near).or_insert(next);
                    if number == next {
                        sizes.push(size);
                    }
                    number
                });
                let (price, size) = (slope * bytes, sizes[near]);
                if size == 0 || last.is_some_and(|(_, before)| sizes[before] == size) {
                    continue;
                }
                match last {
                    None => {
                        if let Some(column) = self.column(flow.from, *a) {
                            self.lp.cost[column] += price;
                        }
                    }
                    Some((before, near)) if price > before => {
                        levels.entry((near, (price - before).to_bits())).or_default().push(*a);
                    }
                    Some(_) => {}
                }
                last = Some((price, near));
            }
        }
        let mut sets: Vec<(Vec<usize>, usize)> = known.into_iter().collect();
        sets.sort_unstable();
        for (near, number) in sets {
            for ((_, step), from) in levels.range((number, 0)..=(number, u64::MAX)) {
                self.apart(problem, flow, from, &near, single, f64::from_bits(*step));
            }
        }
    }

    /// Bounds of one flow: all rows.
    fn reach(&mut self, problem: &Problem, flow: &Flow, sources: &[usize], targets: &[usize]) {
        let single = problem.components[flow.from].max == 1;
        let near =
            |a: usize| -> Vec<usize> { targets.iter().copied().filter(|b| problem.reaches(flow, a, *b)).collect() };
        let reach: Vec<Vec<usize>> = sources.iter().map(|a| near(*a)).collect();
        let mut sets: Vec<Vec<usize>> = reach.clone();
        if single {
            // Backwards: who does not reach a target does not run when the target is there.
            for b in targets {
                let mut union: Vec<usize> = reach.iter().filter(|near| !near.contains(b)).flatten().copied().collect();
                union.sort_unstable();
                union.dedup();
                sets.push(union);
            }
        }
        sets.sort_unstable();
        sets.dedup();
        for near in sets.into_iter().filter(|near| near.len() < targets.len()) {
            let within = |other: &Vec<usize>| other.iter().all(|b| near.binary_search(b).is_ok());
            let from: Vec<usize> =
                sources.iter().zip(&reach).filter(|(_, other)| within(other)).map(|(a, _)| *a).collect();
            if !from.is_empty() {
                self.apart(problem, flow, &from, &near, single, f64::INFINITY);
            }
        }
    }

    /// Bounds of flows with many ways, where a point breaks them; says how many rows that made.
    pub(in super::super) fn late(&mut self, problem: &Problem, answer: &Answer) -> usize {
        let mut count = 0;
        for f in std::mem::take(&mut self.later) {
            let flow = &problem.flows[f];
            let single = problem.components[flow.from].max == 1;
            let block = self.lp.blocks[flow.from].columns.clone();
            let there: Vec<(usize, f64)> =
                block.map(|c| (self.places[c], answer.point[c])).filter(|(_, x)| *x > PART).collect();
            let targets = self.lp.blocks[flow.to].columns.clone();
            let mut sets: Vec<Vec<usize>> = Vec::new();
            for (a, _) in &there {
                let near = targets.clone().map(|c| self.places[c]).filter(|b| problem.reaches(flow, *a, *b));
                sets.push(near.collect());
            }
            for near in &sets {
                let within = |other: &Vec<usize>| other.iter().all(|b| near.binary_search(b).is_ok());
                let inside = || there.iter().zip(&sets).filter(|(_, other)| within(other)).map(|(a, _)| a);
                let from: Vec<usize> = inside().map(|(a, _)| *a).collect();
                let point = |b: &usize| self.column(flow.to, *b).map_or(0.0, |c| answer.point[c]);
                let most = if single { 1 } else { from.len().min(problem.components[flow.from].max as usize) };
                let short = inside().map(|(_, x)| x).sum::<f64>() - most as f64 * near.iter().map(point).sum::<f64>();
                if short > PART && self.lp.columns.len() < ENTRIES {
                    self.apart(problem, flow, &from, near, single, f64::INFINITY);
                    count += 1;
                }
            }
            self.later.push(f);
        }
        count
    }

    /// A row: an instance of the source in `from` without one of the target in `near` costs `cap`.
    fn apart(&mut self, problem: &Problem, flow: &Flow, from: &[usize], near: &[usize], single: bool, cap: f64) {
        let most = if single { 1 } else { from.len().min(problem.components[flow.from].max as usize) };
        let weight = -(most as f64);
        let mut limit = 0.0;
        let mut entries: Vec<(usize, f64)> =
            from.iter().filter_map(|a| self.column(flow.from, *a)).map(|c| (c, 1.0)).collect();
        let block = self.lp.blocks[flow.to].columns.clone();
        if problem.components[flow.to].max == 1 && 2 * near.len() > block.len() {
            // Not near is far, in fewer entries.
            let far = block.filter(|c| near.binary_search(&self.places[*c]).is_err());
            entries.extend(far.map(|c| (c, -weight)));
            limit = -weight;
        } else {
            entries.extend(near.iter().filter_map(|b| self.column(flow.to, *b)).map(|c| (c, weight)));
        }
        self.lp.row(entries, limit, cap);
    }
}
