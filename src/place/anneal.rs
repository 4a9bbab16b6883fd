//! Local search on prices for problems with many components: steps that are valued in a microsecond.
//!
//! Nodes are valued by [`Room`], partly at their linear price at first, so that components find
//! their way before whole nodes hold them. Transfer is valued at the meters' least slopes. What is found is
//! a start for exact search, not a result.

use super::{
    crowd::Crowds,
    dice::Dice,
    evaluate::permits,
    lp::build::{Model, own},
    problem::Problem,
    room::{Room, Takes},
};

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
struct Link {
    from: usize,
    to: usize,
    bytes: f64,
    /// The flow, where its source's replicas are divided: then each place sends its part.
    divided: Option<usize>,
    /// Ways at most so long will do.
    bound: f64,
    /// Ways that carry so much will do.
    rate: f64,
}

/// One phase: how much of whole nodes counts, from which temperature to which, for which share of
/// the steps.
struct Phase {
    whole: f64,
    from: f64,
    to: f64,
    share: f64,
}

const PHASES: [Phase; 3] = [
    Phase { whole: 0.3, from: 0.12, to: 0.04, share: 0.25 },
    Phase { whole: 0.7, from: 0.06, to: 0.02, share: 0.25 },
    Phase { whole: 1.0, from: 0.04, to: 0.001, share: 0.5 },
];

/// When little is to be changed.
const LATE: [Phase; 1] = [Phase { whole: 1.0, from: 0.008, to: 0.001, share: 1.0 }];

/// What a place holds.
#[derive(Clone, Debug)]
struct Load {
    need: Vec<f64>,
    tenants: u32,
    cost: f64,
}

/// An assignment and its value.
#[derive(Debug)]
pub(super) struct Annealer<'a> {
    problem: &'a Problem,
    model: &'a Model,
    rooms: Vec<Room>,
    takes: Takes,
    /// By column: its own nodes, and what is disliked.
    own: Vec<f64>,
    links: Vec<Link>,
    /// Flows of every component.
    joins: Vec<Vec<usize>>,
    ways: Vec<Way>,
    crowds: Crowds<'a>,
    /// Places to try, by component.
    options: &'a [Vec<usize>],
    sets: Vec<Vec<usize>>,
    loads: Vec<Load>,
    whole: f64,
    /// What a broken constraint costs.
    fine: f64,
    /// What a component costs about: steps are hot or cold by it.
    scale: f64,
    scratch: (Vec<f64>, Vec<f64>),
}

/// A change of one component: what it was, and what loads were.
struct Undo {
    component: usize,
    set: Vec<usize>,
    loads: Vec<(usize, Load)>,
}

impl<'a> Annealer<'a> {
    /// A search over `options` with the prices of the relaxation.
    pub(super) fn new(
        problem: &'a Problem,
        model: &'a Model,
        prices: &[f64],
        options: &'a [Vec<usize>],
        scale: f64,
    ) -> Self {
        let places = problem.places.len();
        let rooms = (0..places).map(|l| Room::new(problem, model, l, prices)).collect();
        let mut joins = vec![Vec::new(); problem.components.len()];
        let mut links = Vec::new();
        for (f, flow) in problem.flows.iter().enumerate().filter(|(_, f)| f.from != f.to) {
            joins[flow.from].push(links.len());
            joins[flow.to].push(links.len());
            let bound =
                flow.latency.map_or(f64::INFINITY, |b| b.0 as f64 - f64::from(u8::from(problem.strict_latency)));
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
        Self {
            problem,
            model,
            rooms,
            takes: Takes::new(problem, model),
            own: owns,
            links,
            joins,
            ways: ways.collect(),
            crowds: Crowds::new(problem),
            options,
            sets: Vec::new(),
            loads: Vec::new(),
            whole: 1.0,
            fine: scale * 10.0,
            scale,
            scratch: Default::default(),
        }
    }

    fn column(&self, i: usize, l: usize) -> Option<usize> {
        self.model.at[i][l].map(|c| c as usize)
    }

    /// Value of a place.
    fn cost(&mut self, l: usize, need: &[f64], tenants: u32) -> f64 {
        if tenants == 0 {
            return 0.0;
        }
        let room = &self.rooms[l];
        let nodes = room.nodes(need, &mut self.scratch.1);
        let nodes = if nodes.is_finite() { nodes } else { self.fine + room.linear(need) };
        let nodes = if self.whole < 1.0 { self.whole * nodes + (1.0 - self.whole) * room.linear(need) } else { nodes };
        room.open + nodes
    }

    /// Learns that a place holds less than its nodes promise, or more than was learned before.
    pub(super) fn waste(&mut self, l: usize, more: f64) {
        let waste = &mut self.rooms[l].waste;
        *waste = (*waste + more).max(0.0);
    }

    /// Makes it dearer to break a constraint.
    pub(super) fn insist(&mut self) {
        self.fine *= 4.0;
    }

    /// What a place costs in this search.
    pub(super) fn charged(&self, l: usize) -> f64 {
        self.loads[l].cost
    }

    /// Starts from an assignment within the columns.
    pub(super) fn set(&mut self, instances: &[Vec<usize>], whole: f64) {
        self.whole = whole;
        self.sets = instances.to_vec();
        let blank = |room: &Room| Load { need: vec![0.0; room.free.len()], tenants: 0, cost: 0.0 };
        self.loads = self.rooms.iter().map(blank).collect();
        for (i, set) in instances.iter().enumerate() {
            for l in set {
                self.loads[*l].tenants += 1;
                if let Some(column) = self.column(i, *l) {
                    self.loads[*l].need.iter_mut().zip(self.takes.of(column)).for_each(|(n, t)| *n += t);
                }
            }
        }
        for l in 0..self.loads.len() {
            let need = std::mem::take(&mut self.loads[l].need);
            self.loads[l].cost = self.cost(l, &need, self.loads[l].tenants);
            self.loads[l].need = need;
        }
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

    /// What a component costs by itself and by its flows if it ran in a set of places.
    fn alone(&self, i: usize, set: &[usize]) -> f64 {
        let mut sum = 0.0;
        for l in set {
            sum += self.column(i, *l).map_or(self.fine, |c| self.own[c]);
        }
        let component = &self.problem.components[i];
        if !component.incumbent.is_empty() && component.incumbent != set {
            sum += self.problem.move_cost.0 as f64 / 1e6;
        }
        for join in &self.joins[i] {
            let link = self.links[*join];
            sum += if link.from == i {
                self.haul(&link, set, &self.sets[link.to])
            } else {
                self.haul(&link, &self.sets[link.from], set)
            };
        }
        sum + self.fine * self.crowds.excess_of(&self.sets, i, set) as f64
    }

    /// Value of the assignment.
    pub(super) fn total(&self) -> f64 {
        let places: f64 = self.loads.iter().map(|l| l.cost).sum();
        let flows: f64 = self.links.iter().map(|k| self.haul(k, &self.sets[k.from], &self.sets[k.to])).sum();
        let mut own = 0.0;
        for (i, set) in self.sets.iter().enumerate() {
            let component = &self.problem.components[i];
            own += set.iter().map(|l| self.column(i, *l).map_or(self.fine, |c| self.own[c])).sum::<f64>();
            if !component.incumbent.is_empty() && component.incumbent != *set {
                own += self.problem.move_cost.0 as f64 / 1e6;
            }
        }
        places + flows + own + self.fine * self.crowds.excess(&self.sets) as f64
    }

    /// Loads of the places that a change touches.
    fn shifted(&mut self, i: usize, set: &[usize]) -> (f64, Vec<(usize, Load)>) {
        let old = std::mem::take(&mut self.sets[i]);
        let mut delta = 0.0;
        let mut loads = Vec::with_capacity(2);
        let gone = old.iter().filter(|l| !set.contains(l)).map(|l| (*l, -1.0));
        let come = set.iter().filter(|l| !old.contains(l)).map(|l| (*l, 1.0));
        for (l, sign) in gone.chain(come) {
            let mut load = self.loads[l].clone();
            load.tenants = if sign > 0.0 { load.tenants + 1 } else { load.tenants - 1 };
            if let Some(column) = self.column(i, l) {
                load.need.iter_mut().zip(self.takes.of(column)).for_each(|(n, t)| *n += sign * t);
            }
            load.cost = self.cost(l, &load.need, load.tenants);
            delta += load.cost - self.loads[l].cost;
            loads.push((l, load));
        }
        self.sets[i] = old;
        (delta, loads)
    }

    /// What a change would add, without making it.
    pub(super) fn delta(&mut self, i: usize, set: &[usize]) -> f64 {
        let flows = self.alone(i, set) - self.alone(i, &self.sets[i]);
        flows + self.shifted(i, set).0
    }

    /// Makes a change; says what it added.
    pub(super) fn apply(&mut self, i: usize, set: &[usize]) -> f64 {
        self.change(i, set).0
    }

    fn change(&mut self, i: usize, set: &[usize]) -> (f64, Undo) {
        let flows = self.alone(i, set) - self.alone(i, &self.sets[i]);
        let (nodes, loads) = self.shifted(i, set);
        let mut undo =
            Undo { component: i, set: std::mem::replace(&mut self.sets[i], set.to_vec()), loads: Vec::new() };
        for (l, load) in loads {
            undo.loads.push((l, std::mem::replace(&mut self.loads[l], load)));
        }
        (flows + nodes, undo)
    }

    fn undo(&mut self, undo: Undo) {
        self.sets[undo.component] = undo.set;
        for (l, load) in undo.loads {
            self.loads[l] = load;
        }
    }

    /// The set of a component with a place for the one that it shares most with, or more.
    pub(super) fn variant(&self, i: usize, to: usize) -> Option<Vec<usize>> {
        let set = &self.sets[i];
        if set.contains(&to) {
            return None;
        }
        let mut next = set.clone();
        // For one of several the last makes room.
        *next.last_mut()? = to;
        next.sort_unstable();
        Some(next)
    }

    /// Another set for a component: mostly one place for another.
    pub(super) fn step(&self, i: usize, dice: &mut Dice) -> Option<Vec<usize>> {
        let (set, options) = (&self.sets[i], &self.options[i]);
        let component = &self.problem.components[i];
        let to = *options.get(dice.below(options.len()))?;
        if component.max == 1 {
            return (set.as_slice() != [to]).then(|| vec![to]);
        }
        let mut next = set.clone();
        match (next.iter().position(|l| *l == to), dice.below(3)) {
            (Some(k), _) => {
                next.remove(k);
            }
            (None, 0) => next.push(to),
            (None, _) => {
                let k = dice.below(next.len());
                if let Some(place) = next.get_mut(k) {
                    *place = to;
                }
            }
        }
        next.sort_unstable();
        permits(component, &next).then_some(next)
    }

    /// Searches with so many steps, from cold if `late`; returns the best.
    pub(super) fn run(&mut self, start: &[Vec<usize>], steps: u64, seed: u64, late: bool) -> Vec<Vec<usize>> {
        let mut dice = Dice::new(seed);
        let open: Vec<usize> = (0..self.options.len()).filter(|i| self.options[*i].len() > 1).collect();
        self.set(start, 1.0);
        let mut best = (self.total(), start.to_vec());
        let scale = self.scale;
        if open.is_empty() {
            return best.1;
        }
        for phase in if late { &LATE[..] } else { &PHASES[..] } {
            let from = self.sets.clone();
            self.set(&from, phase.whole);
            let mut value = self.total();
            let count = (steps as f64 * phase.share) as u64;
            for n in 0..count {
                let part = n as f64 / count as f64;
                let heat = scale * phase.from * (phase.to / phase.from).powf(part);
                let i = open[dice.below(open.len())];
                let Some(set) = self.step(i, &mut dice) else { continue };
                let pick = (dice.next() >> 11) as f64 / (1_u64 << 53) as f64;
                let most = -heat * pick.max(1e-300).ln();
                let kind = dice.below(8);
                let delta = if kind > 1 {
                    let delta = self.delta(i, &set);
                    if delta > most {
                        continue;
                    }
                    self.apply(i, &set)
                } else {
                    let Some(delta) = self.pair(i, &set, kind == 0, most, &mut dice) else { continue };
                    delta
                };
                value += delta;
                // While it is hot the best does not last long.
                if phase.whole == 1.0 && value < best.0 - 1e-6 && n * 4 > count * 3 {
                    best = (value, self.sets.clone());
                }
            }
            if phase.whole == 1.0 && value < best.0 {
                best = (value, self.sets.clone());
            }
        }
        best.1
    }

    /// Two components at once: both to one place, or each to the other's.
    fn pair(&mut self, i: usize, set: &[usize], join: bool, most: f64, dice: &mut Dice) -> Option<f64> {
        let (j, other) = if join {
            let link = self.links[*self.joins[i].get(dice.below(self.joins[i].len()))?];
            (if link.from == i { link.to } else { link.from }, set.to_vec())
        } else {
            let to = *set.first()?;
            let here: Vec<usize> = (0..self.sets.len()).filter(|j| *j != i && self.sets[*j] == [to]).collect();
            (*here.get(dice.below(here.len()))?, self.sets[i].clone())
        };
        if !permits(&self.problem.components[j], &other)
            || other.iter().any(|l| self.column(j, *l).is_none())
            || self.sets[j] == other
        {
            return None;
        }
        let (first, undo) = self.change(i, set);
        let second = self.delta(j, &other);
        if first + second > most {
            self.undo(undo);
            return None;
        }
        Some(first + self.apply(j, &other))
    }
}
