//! An assignment with its value, and what steps away from it would add: in a fraction of a microsecond.
//!
//! What a place charges for a set of components is remembered under the set's mark, so that most steps are
//! looked up. Knows prices and rooms, not where a search goes.

use super::super::{
    crowd::Crowds,
    dice::Dice,
    lp::build::{Model, own},
    problem::{Flow, Problem},
    room::{Room, Takes},
};

/// Prices of sets that are remembered: a power of two.
const MEMORY: usize = 1 << 16;

/// One way between places.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Dollars for a byte.
    rate: f64,
    /// Microseconds; infinite where nothing is known.
    latency: f64,
    /// Bits a second; infinite where nothing is known.
    carries: f64,
}

/// A flow as the search sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    bytes: f64,
    /// The flow, where its source's replicas are divided: then each place sends its part.
    divided: Option<usize>,
    /// Ways at most so long will do.
    bound: f64,
    /// Ways that carry so much will do.
    rate: f64,
}

/// An assignment and its value.
#[derive(Debug)]
pub(in super::super) struct State<'a> {
    pub(super) problem: &'a Problem,
    model: &'a Model,
    rooms: Vec<Room>,
    takes: Takes,
    /// By column: its own nodes, and what is disliked.
    own: Vec<f64>,
    crowds: Crowds<'a>,
    pub(super) links: Vec<Link>,
    /// Flows of every component.
    pub(super) joins: Vec<Vec<usize>>,
    ways: Vec<Way>,
    pub(super) sets: Vec<Vec<usize>>,
    /// By place: who runs there, what they take, what it costs, the mark of the set.
    pub(super) here: Vec<Vec<usize>>,
    needs: Vec<Vec<f64>>,
    costs: Vec<f64>,
    keys: Vec<u64>,
    /// A mark for every column.
    marks: Vec<u64>,
    known: Vec<(u64, f64)>,
    /// Changes whenever prices of sets do.
    epoch: u64,
    dice: Dice,
    pub(super) whole: f64,
    /// What a broken constraint costs.
    fine: f64,
    /// Times its linear price that a load counts where no nodes hold it, so that it pays to leave one by one.
    steep: f64,
    scratch: (Vec<f64>, Vec<f64>),
}

impl<'a> State<'a> {
    /// A state at the prices of the relaxation; nothing is placed yet.
    pub(super) fn new(problem: &'a Problem, model: &'a Model, prices: &[f64], fine: f64) -> Self {
        let places = problem.places.len();
        let mut joins = vec![Vec::new(); problem.components.len()];
        let mut links = Vec::new();
        let counts = |f: &Flow| f.from != f.to && (f.bytes > 0 || f.latency.is_some() || f.rate.is_some());
        for (f, flow) in problem.flows.iter().enumerate().filter(|(_, f)| counts(f)) {
            joins[flow.from].push(links.len());
            joins[flow.to].push(links.len());
            let strict = u64::from(problem.strict_latency);
            let bound = flow.latency.map_or(f64::INFINITY, |b| b.0.saturating_sub(strict) as f64);
            let divided = Some(f).filter(|_| !problem.components[flow.from].portions.is_empty());
            let rate = flow.rate.map_or(0.0, |r| r as f64);
            links.push(Link { from: flow.from, to: flow.to, bytes: flow.bytes as f64, divided, bound, rate });
        }
        let ways = problem.routes.iter().flatten().map(|route| Way {
            rate: route.meter.map_or(0.0, |m| model.slopes[m]),
            latency: route.latency.map_or(f64::INFINITY, |l| l.0 as f64),
            carries: route.bandwidth.map_or(f64::INFINITY, |b| b as f64),
        });
        let mut owns = Vec::with_capacity(model.places.len());
        for (i, block) in model.lp.blocks.iter().enumerate() {
            let dislike = |l: usize| problem.components[i].disliked(l).0 as f64 / 1e6;
            owns.extend(block.columns.clone().map(|c| model.places[c]).map(|l| own(problem, i, l) + dislike(l)));
        }
        let mut dice = Dice::new(7);
        Self {
            problem,
            model,
            rooms: (0..places).map(|l| Room::new(problem, model, l, prices)).collect(),
            takes: Takes::new(problem, model),
            own: owns,
            crowds: Crowds::new(problem),
            links,
            joins,
            ways: ways.collect(),
            sets: Vec::new(),
            here: vec![Vec::new(); places],
            needs: vec![Vec::new(); places],
            costs: vec![0.0; places],
            keys: vec![0; places],
            marks: model.places.iter().map(|_| dice.next()).collect(),
            known: vec![(0, 0.0); MEMORY],
            epoch: dice.next(),
            dice,
            whole: 1.0,
            fine,
            steep: 2.0,
            scratch: Default::default(),
        }
    }

    pub(super) fn column(&self, i: usize, l: usize) -> Option<usize> {
        self.model.at[i][l].map(|c| c as usize)
    }

    /// Learns that a place holds less than its nodes promise, or more than was learned before.
    pub(super) fn waste(&mut self, l: usize, more: f64) {
        let waste = &mut self.rooms[l].waste;
        *waste = (*waste + more).max(0.0);
        self.epoch = self.dice.next();
    }

    /// Makes it dearer to break a constraint.
    pub(super) fn insist(&mut self) {
        self.fine *= 4.0;
        self.steep *= 2.0;
        self.epoch = self.dice.next();
    }

    /// What a place costs in this search.
    pub(super) fn charged(&self, l: usize) -> f64 {
        self.costs[l]
    }

    /// Starts from an assignment within the columns.
    pub(super) fn set(&mut self, instances: &[Vec<usize>], whole: f64) {
        self.whole = whole;
        self.epoch = self.dice.next();
        self.sets = instances.to_vec();
        self.here.iter_mut().for_each(Vec::clear);
        self.keys.fill(0);
        for (need, room) in self.needs.iter_mut().zip(&self.rooms) {
            need.clear();
            need.resize(room.free.len(), 0.0);
        }
        for (i, set) in instances.iter().enumerate() {
            for l in set {
                self.here[*l].push(i);
                if let Some(column) = self.model.at[i][*l].map(|c| c as usize) {
                    self.keys[*l] ^= self.marks[column];
                    self.needs[*l].iter_mut().zip(self.takes.of(column)).for_each(|(n, t)| *n += t);
                }
            }
        }
        for l in 0..self.costs.len() {
            self.costs[l] = self.price(l, None, 0.0);
        }
    }

    /// What a place costs with a column more (1), less (-1), or as it is.
    fn price(&mut self, l: usize, column: Option<usize>, sign: f64) -> f64 {
        let tenants = self.here[l].len() as f64 + sign;
        if tenants < 0.5 {
            return 0.0;
        }
        let key = (self.keys[l] ^ column.map_or(0, |c| self.marks[c])) ^ self.epoch;
        let slot = key as usize & (MEMORY - 1);
        let (known, cost) = self.known[slot];
        if known == key {
            return cost;
        }
        let (mut need, mut left) = std::mem::take(&mut self.scratch);
        need.clone_from(&self.needs[l]);
        if let Some(column) = column {
            need.iter_mut().zip(self.takes.of(column)).for_each(|(n, t)| *n += sign * t);
        }
        let room = &self.rooms[l];
        let nodes = room.nodes(&need, &mut left);
        let nodes = if nodes.is_finite() { nodes } else { self.fine + self.steep * room.linear(&need) };
        let mixed = if self.whole < 1.0 { self.whole * nodes + (1.0 - self.whole) * room.linear(&need) } else { nodes };
        let cost = room.open + mixed;
        self.scratch = (need, left);
        self.known[slot] = (key, cost);
        cost
    }

    /// What a flow costs between two sets of places.
    fn haul(&self, link: &Link, from: &[usize], to: &[usize]) -> f64 {
        let places = self.rooms.len();
        let mut sum = 0.0;
        for a in from {
            let part = |f: usize| self.problem.bytes(&self.problem.flows[f], *a) as f64;
            let bytes = link.divided.map_or(link.bytes, part);
            let mut best = f64::INFINITY;
            for b in to {
                let way = self.ways[a * places + b];
                let near = way.latency <= link.bound || link.bound == f64::INFINITY;
                if near && way.carries >= link.rate {
                    best = best.min(way.rate * bytes);
                }
            }
            sum += if best.is_finite() { best } else { self.fine };
        }
        sum
    }

    /// What a component costs by itself if it ran in a set of places.
    fn single(&self, i: usize, set: &[usize]) -> f64 {
        let own: f64 = set.iter().map(|l| self.column(i, *l).map_or(self.fine, |c| self.own[c])).sum();
        own + if self.problem.components[i].moves_to(set) { self.problem.move_cost.0 as f64 / 1e6 } else { 0.0 }
    }

    /// What a component costs by itself and by its flows if it ran in a set of places.
    fn alone(&self, i: usize, set: &[usize]) -> f64 {
        let mut sum = self.single(i, set);
        for join in &self.joins[i] {
            let link = &self.links[*join];
            sum += if link.from == i {
                self.haul(link, set, &self.sets[link.to])
            } else {
                self.haul(link, &self.sets[link.from], set)
            };
        }
        sum + self.fine * self.crowds.excess_of(&self.sets, i, set) as f64
    }

    /// Value of the assignment.
    pub(super) fn total(&self) -> f64 {
        let places: f64 = self.costs.iter().sum();
        let flows: f64 = self.links.iter().map(|k| self.haul(k, &self.sets[k.from], &self.sets[k.to])).sum();
        let own: f64 = self.sets.iter().enumerate().map(|(i, set)| self.single(i, set)).sum();
        places + flows + own + self.fine * self.crowds.excess(&self.sets) as f64
    }

    /// What a change would add, without making it.
    pub(super) fn delta(&mut self, i: usize, set: &[usize]) -> f64 {
        let mut delta = self.alone(i, set) - self.alone(i, &self.sets[i]);
        for k in 0..self.sets[i].len() {
            let l = self.sets[i][k];
            if !set.contains(&l) {
                let column = self.column(i, l);
                delta += self.price(l, column, -1.0) - self.costs[l];
            }
        }
        for l in set {
            if !self.sets[i].contains(l) {
                let column = self.column(i, *l);
                delta += self.price(*l, column, 1.0) - self.costs[*l];
            }
        }
        delta
    }

    /// Makes a change; gives back what was.
    pub(super) fn change(&mut self, i: usize, set: &[usize]) -> Vec<usize> {
        let old = std::mem::replace(&mut self.sets[i], set.to_vec());
        for l in old.iter().filter(|l| !set.contains(l)) {
            let column = self.column(i, *l);
            let cost = self.price(*l, column, -1.0);
            self.here[*l].retain(|j| *j != i);
            self.shift(*l, column, -1.0, cost);
        }
        for l in set.iter().filter(|l| !old.contains(l)) {
            let column = self.column(i, *l);
            let cost = self.price(*l, column, 1.0);
            self.here[*l].push(i);
            self.shift(*l, column, 1.0, cost);
        }
        old
    }

    fn shift(&mut self, l: usize, column: Option<usize>, sign: f64, cost: f64) {
        if let Some(column) = column {
            self.keys[l] ^= self.marks[column];
            self.needs[l].iter_mut().zip(self.takes.of(column)).for_each(|(n, t)| *n += sign * t);
        }
        self.costs[l] = cost;
    }
}
