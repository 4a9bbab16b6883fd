//! The search: filter, split, a good start, then branch and bound to the proven optimum.
//!
//! Best-first over domains, each with its bound from `bound`; every result is exact because
//! assignments are valued by [`super::evaluate`] alone. Work is counted, never timed, so that a run
//! repeats anywhere. Of equal costs the fewest moves win, then the fewest open places, then names.

use std::{
    collections::{BTreeMap, BinaryHeap},
    rc::Rc,
};

use super::{
    bound::{Prices, Relaxation, View},
    domain::{Domain, Mark},
    evaluate::{Evaluator, Rank, permits},
    infeasible,
    local::Local,
    pack::IMPOSSIBLE,
    part,
    problem::{Candidate, Demand, Method, Problem},
    watch::Watch,
    wide,
};
use crate::money::MicroUsd;

pub use super::{
    evaluate::evaluate_recorded,
    infeasible::Infeasible,
    problem::{Limits, Solution},
};

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: 4_000, moves: 120_000, gap_ppm: 0, watch: Watch::default() }
    }
}

/// Numbers looked at in one round of prices that count as one node of the budget.
const UNIT: u64 = 400_000;
/// Rounds of prices at the root and at every other node.
const ROOT_ROUNDS: u32 = 1_000;
const NODE_ROUNDS: u32 = 30;
/// Rounds at the root with places searched in depth, where tables are too large.
const DEEP_ROUNDS: u32 = 120;
/// What a set looked at in depth counts as.
const LOOK: u64 = 1_000;
/// Open choices of a wide problem that the tree is asked to settle, where at most so many components
/// share nodes: its bound is dear for large sets of them.
const OPEN: usize = 400;
const SHARING: usize = 40;
/// Components from which on less work is left to the tree after the relaxation and its local search.
const LESS: u64 = 20;
/// Places of each component that the local search looks at first.
const KERNEL: usize = 7;

/// Finds the cheapest placement, or says which constraints are in conflict.
///
/// # Errors
/// [`Infeasible`] names what cannot be met together.
pub fn solve(problem: &Problem, limits: &Limits) -> Result<Solution, Infeasible> {
    find(problem, limits).map_err(|refusal| infeasible::explain(problem, refusal, limits, None))
}

/// There is no placement, and whether that is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) proven: bool,
}

/// The same without saying why there is none.
pub(super) fn find(problem: &Problem, limits: &Limits) -> Result<Solution, Refusal> {
    let mut root = Domain::new(problem);
    if root.propagate(problem).is_err() {
        return Err(Refusal { proven: true });
    }
    let parts = part::split(problem, &root);
    let mut instances = vec![Vec::new(); problem.components.len()];
    let (mut bound, mut complete, mut mixed) = (MicroUsd::ZERO, true, false);
    for members in &parts {
        let part = part::extract(problem, members);
        let share = Limits {
            nodes: limits.nodes / parts.len() as u64 + 1,
            moves: limits.moves / parts.len() as u64 + 1,
            ..limits.clone()
        };
        let outcome = outcome(&part, share, false);
        bound += outcome.bound;
        complete &= outcome.complete;
        mixed |= outcome.mixed;
        let Some(rank) = outcome.best else {
            return Err(Refusal { proven: outcome.complete });
        };
        for (i, places) in members.iter().zip(rank.instances) {
            instances[*i] = places;
        }
    }
    let mut eval = Evaluator::new(problem);
    let found = eval.value(&instances).and_then(|value| {
        let exact = complete || bound >= value.rank.cost;
        let method = match (exact, limits.watch.was_cut()) {
            (true, _) => Method::Exact,
            (false, true) => Method::Deadline,
            (false, false) => Method::Budget,
        };
        eval.solution(&instances, bound, method).map(|found| Solution { mixed, ..found })
    });
    found.ok_or(Refusal { proven: false })
}

/// Whether any placement exists; `None` when the budget does not tell.
pub(super) fn feasible(problem: &Problem, limits: &Limits) -> Option<bool> {
    let mut root = Domain::new(problem);
    if root.propagate(problem).is_err() {
        return Some(false);
    }
    for members in part::split(problem, &root) {
        let part = part::extract(problem, &members);
        let outcome = outcome(&part, limits.clone(), true);
        if outcome.best.is_none() {
            return if outcome.complete { Some(false) } else { None };
        }
    }
    Some(true)
}

/// Searches one part.
fn outcome(part: &Problem, limits: Limits, any: bool) -> Outcome {
    let mut root = Domain::new(part);
    if root.propagate(part).is_err() {
        return Outcome { best: None, bound: IMPOSSIBLE, complete: true, mixed: false };
    }
    if part.components.len() < wide::MANY {
        Tree::new(part, limits).run(root, any)
    } else {
        wide_outcome(part, limits, root, any)
    }
}

/// Searches a part with many components: by its relaxation first, which leaves the tree what is still
/// open where that is little.
pub(super) fn wide_outcome(part: &Problem, limits: Limits, root: Domain, any: bool) -> Outcome {
    let mut tree = Tree::new(part, limits);
    let found = wide::run(part, &mut tree.eval, &root, &tree.limits);
    tree.best = found.best;
    let open: usize = (0..part.components.len()).map(|i| found.domain.possible(i).count().saturating_sub(1)).sum();
    let cost = tree.best.as_ref().map(|best| best.cost);
    let many = part.components.iter().filter(|c| c.candidates.iter().any(shares)).count() > SHARING;
    #[cfg(feature = "highs")]
    let many = many || part.components.len() >= wide::MANY && cost.is_some_and(|c| super::mip::settled(c, found.bound));
    if cost.is_some() && (any || many || open > OPEN || tree.close_enough(found.bound)) {
        let bound = found.bound.min(cost.unwrap_or(IMPOSSIBLE));
        return Outcome { complete: cost == Some(bound), best: tree.best, bound, mixed: found.mixed };
    }
    // The local search has been, and a bound that prices did not close is seldom closed by more work.
    tree.work /= 1 + part.components.len() as u64 / LESS;
    tree.limits.moves /= 20;
    let rest = tree.run(found.domain, any);
    Outcome { bound: rest.bound.max(found.bound), mixed: found.mixed, ..rest }
}

/// Whether a component shares nodes with others at a place.
fn shares(candidate: &Candidate) -> bool {
    matches!(candidate, Candidate::Allowed(Demand::Shared(_)))
}

/// What the tree came to.
pub(super) struct Outcome {
    pub(super) best: Option<Rank>,
    pub(super) bound: MicroUsd,
    /// The tree was searched to its end.
    pub(super) complete: bool,
    /// A mixed-integer solver was asked.
    pub(super) mixed: bool,
}

/// An open node; the heap gives the least bound, then the deepest, then the oldest.
struct Node {
    bound: MicroUsd,
    depth: usize,
    id: u64,
    domain: Domain,
    prices: Rc<Prices>,
}

impl Node {
    fn key(&self) -> (std::cmp::Reverse<MicroUsd>, usize, std::cmp::Reverse<u64>) {
        (std::cmp::Reverse(self.bound), self.depth, std::cmp::Reverse(self.id))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Node {}
impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Node {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// How good it is to branch on a component: the second-least bound of the children, then few
/// children, then names.
type Promise = (MicroUsd, std::cmp::Reverse<usize>, std::cmp::Reverse<usize>);

/// Branch and bound on one part of a problem.
struct Tree<'a> {
    problem: &'a Problem,
    limits: Limits,
    eval: Evaluator<'a>,
    best: Option<Rank>,
    /// Least bound of assignments whose exact value a work limit kept from us.
    loose_end: MicroUsd,
    work: u64,
    ids: u64,
}

impl<'a> Tree<'a> {
    fn new(problem: &'a Problem, limits: Limits) -> Self {
        let work = limits.nodes.saturating_mul(UNIT);
        Self { problem, limits, eval: Evaluator::new(problem), best: None, loose_end: IMPOSSIBLE, work, ids: 0 }
    }

    /// Values an assignment and keeps it when it is the best; says what it costs at least.
    fn offer(&mut self, instances: &[Vec<usize>]) -> MicroUsd {
        let fine = self.problem.components.iter().zip(instances).all(|(c, set)| permits(c, set));
        if !fine {
            return IMPOSSIBLE;
        }
        let (trial, bound) = self.eval.trial(instances);
        if trial.broken == 0 && self.best.as_ref().is_none_or(|best| trial.rank < *best) {
            self.best = Some(trial.rank);
        }
        bound
    }

    /// Whether nothing at or above this bound can be better than the best, names aside.
    fn beaten(&self, bound: MicroUsd, domain: &Domain) -> bool {
        let Some(best) = &self.best else { return bound >= IMPOSSIBLE };
        if bound != best.cost {
            return bound > best.cost;
        }
        // A tie at most: fewer moves or places are still to be had.
        let moves = self.problem.components.iter().enumerate().filter(|(i, c)| {
            !c.incumbent.is_empty()
                && (c.incumbent.iter().any(|l| domain.marks[*i][*l] == Mark::Out)
                    || domain.sure(*i).any(|l| !c.incumbent.contains(&l)))
        });
        let open = (0..self.problem.places.len()).filter(|l| domain.marks.iter().any(|m| m[*l] == Mark::In));
        let (moves, open) = (moves.count(), open.count());
        if (moves, open) != (best.moves, best.open) {
            return (moves, open) > (best.moves, best.open);
        }
        // The least by names that the domain may hold, component by component.
        for (i, places) in best.instances.iter().enumerate() {
            if let Some(least) = domain.possible(i).next()
                && domain.fixed(i)
            {
                let set: Vec<usize> = domain.sure(i).collect();
                match set.cmp(places) {
                    std::cmp::Ordering::Less => return false,
                    std::cmp::Ordering::Greater => return true,
                    std::cmp::Ordering::Equal => debug_assert!(least <= places[0]),
                }
            } else {
                return domain.possible(i).next() > places.first().copied();
            }
        }
        true
    }

    /// Searches; `any` stops at the first placement.
    fn run(mut self, root: Domain, any: bool) -> Outcome {
        // Nothing is left to choose: large projects whose policies say it all come here.
        if self.leaf(&root) {
            let cost = self.best.as_ref().map_or(IMPOSSIBLE, |b| b.cost);
            return Outcome {
                bound: self.loose_end.min(cost),
                complete: self.loose_end >= cost,
                best: self.best,
                mixed: false,
            };
        }
        let stay: Vec<Vec<usize>> = self.problem.components.iter().map(|c| c.incumbent.clone()).collect();
        self.offer(&stay);
        let relaxation = Relaxation::new(self.problem, &root, &mut self.eval.sites);
        let moves = self.limits.moves;
        self.local(&root, &[], moves / 4, 1);
        if any && self.best.is_some() {
            return Outcome { best: self.best, bound: MicroUsd::ZERO, complete: false, mixed: false };
        }
        let mut open = BinaryHeap::new();
        let start = Rc::new(relaxation.start());
        let mut heard: Vec<Vec<Vec<usize>>> = Vec::new();
        if let Some(node) = self.enter(&relaxation, root.clone(), &start, 0, ROOT_ROUNDS, &mut heard) {
            heard.reverse();
            heard.truncate(6);
            let kernel = self.kernel(&relaxation, &node);
            self.local(&kernel, &heard, moves - moves / 4, 2);
            open.push(node);
        }
        let mut complete = true;
        let deep = relaxation.is_loose();
        while let Some(node) = open.pop() {
            if self.best.is_some() && any {
                break;
            }
            if self.beaten(node.bound, &node.domain) {
                continue;
            }
            if self.work == 0 || self.limits.watch.enough() || self.close_enough(node.bound) {
                complete = false;
                open.push(node);
                break;
            }
            let mut view = View::new(&relaxation, &node.domain, deep);
            let children = self.branch(&relaxation, &mut view, &node);
            for child in children {
                let mut heard = Vec::new();
                if let Some(next) =
                    self.enter(&relaxation, child, &node.prices, node.depth + 1, NODE_ROUNDS, &mut heard)
                {
                    open.push(next);
                }
            }
        }
        let rest = open.iter().map(|n| n.bound).min().unwrap_or(IMPOSSIBLE).min(self.loose_end);
        let cost = self.best.as_ref().map_or(IMPOSSIBLE, |b| b.cost);
        let complete = complete && self.loose_end >= cost;
        Outcome { bound: rest.min(cost), complete, best: self.best, mixed: false }
    }

    /// The domain cut down to the places that prices find good for each component: where a local
    /// search looks first.
    fn kernel(&self, relaxation: &Relaxation<'a>, node: &Node) -> Domain {
        let mut domain = node.domain.clone();
        let mut ranked: Vec<Vec<(MicroUsd, usize)>> = vec![Vec::new(); domain.marks.len()];
        for forced in View::new(relaxation, &node.domain, relaxation.is_loose()).forced(relaxation, &node.prices) {
            ranked[forced.component].push((forced.inside, forced.place));
        }
        for (i, mut places) in ranked.into_iter().enumerate() {
            places.sort_unstable();
            let component = &self.problem.components[i];
            let mut keep: Vec<usize> = places.iter().take(KERNEL + component.min as usize).map(|(_, l)| *l).collect();
            for group in &component.groups {
                keep.extend(places.iter().map(|(_, l)| *l).filter(|l| group.places.contains(l)).take(2));
            }
            keep.extend(self.best.iter().flat_map(|best| &best.instances[i]));
            for (_, l) in places.iter().filter(|(_, l)| !keep.contains(l)) {
                domain.marks[i][*l] = Mark::Out;
            }
        }
        domain
    }

    fn close_enough(&self, bound: MicroUsd) -> bool {
        let Some(best) = &self.best else { return false };
        let gap = i128::from(best.cost.0 - bound.0) * 1_000_000;
        self.limits.gap_ppm > 0 && gap <= i128::from(best.cost.0) * i128::from(self.limits.gap_ppm)
    }

    fn local(&mut self, domain: &Domain, starts: &[Vec<Vec<usize>>], moves: u64, seed: u64) {
        let mut all: Vec<Vec<Vec<usize>>> = self.best.iter().map(|b| b.instances.clone()).collect();
        let own = self.problem.components.iter();
        all.extend(starts.iter().filter(|s| own.clone().zip(s.iter()).all(|(c, set)| permits(c, set))).cloned());
        let found = Local::new(&mut self.eval, domain, moves).run(&all, seed);
        if let Some(trial) = found {
            self.offer(&trial.rank.instances);
        }
    }

    /// Values the one assignment that a domain may have come down to.
    fn leaf(&mut self, domain: &Domain) -> bool {
        let Some(instances) = domain.assignment() else { return false };
        let least = self.offer(&instances);
        if self.best.as_ref().is_none_or(|best| least < best.cost) {
            // Only where a work limit hid its exact cost.
            self.loose_end = self.loose_end.min(least);
        }
        true
    }

    /// Bounds a domain; `None` when it holds nothing better.
    fn enter(
        &mut self,
        relaxation: &Relaxation<'a>,
        mut domain: Domain,
        prices: &Rc<Prices>,
        depth: usize,
        rounds: u32,
        heard: &mut Vec<Vec<Vec<usize>>>,
    ) -> Option<Node> {
        let mut prices = Rc::clone(prices);
        let mut bound = MicroUsd::ZERO;
        for pass in 0..3 {
            domain.propagate(self.problem).ok()?;
            if self.leaf(&domain) {
                return None;
            }
            let view = View::new(relaxation, &domain, false);
            let cost = self.best.as_ref().map(|b| b.cost.0 as f64);
            let target = cost.unwrap_or(f64::INFINITY);
            let rounds = if pass == 0 { rounds } else { rounds / 3 };
            let mut visits: Vec<Vec<Vec<usize>>> = Vec::new();
            let pace = if depth == 0 { 1.0 } else { 0.4 };
            let (found, better) = relaxation.ascend(&view, &prices, target, rounds, pace, &mut |chosen| {
                visits.push(chosen.to_vec());
            });
            self.work = self.work.saturating_sub(view.work() * u64::from(rounds + 4));
            let (mut found, mut better) = (found, better);
            if relaxation.is_loose() && !self.beaten(found.floor(), &domain) {
                let looked = relaxation.looked();
                let view = View::new(relaxation, &domain, true);
                let rounds = if depth == 0 { DEEP_ROUNDS } else { rounds / 3 };
                (found, better) = relaxation.ascend(&view, &better, target, rounds, 0.2, &mut |chosen| {
                    visits.push(chosen.to_vec());
                });
                self.work = self.work.saturating_sub((relaxation.looked() - looked) * LOOK);
            }
            bound = bound.max(found.floor());
            prices = Rc::new(better);
            self.offer(&found.chosen);
            heard.append(&mut visits);
            if bound >= IMPOSSIBLE || self.beaten(bound, &domain) {
                return None;
            }
            let mut fixed = 0;
            for forced in view.forced(relaxation, &prices) {
                let mark = &mut domain.marks[forced.component][forced.place];
                if *mark != Mark::Free {
                    continue;
                }
                let over = |b: MicroUsd| self.best.as_ref().map_or(b >= IMPOSSIBLE, |best| b > best.cost);
                match (over(forced.inside), over(forced.outside)) {
                    (true, true) => return None,
                    (true, false) => *mark = Mark::Out,
                    (false, true) => *mark = Mark::In,
                    (false, false) => continue,
                }
                fixed += 1;
            }
            if fixed == 0 {
                break;
            }
        }
        domain.propagate(self.problem).ok()?;
        if self.leaf(&domain) {
            return None;
        }
        self.ids += 1;
        Some(Node { bound, depth, id: self.ids, domain, prices })
    }

    /// Domains that together cover a node: the places of one component, or in and out at one.
    fn branch(&mut self, relaxation: &Relaxation<'a>, view: &mut View, node: &Node) -> Vec<Domain> {
        let forced = view.forced(relaxation, &node.prices);
        let mut by_component: BTreeMap<usize, Vec<(MicroUsd, MicroUsd, usize)>> = BTreeMap::new();
        for f in forced {
            by_component.entry(f.component).or_default().push((f.inside, f.outside, f.place));
        }
        let mut choice: Option<(Promise, Vec<Domain>)> = None;
        for (i, mut options) in by_component {
            options.sort_unstable();
            let single = self.problem.components[i].max == 1;
            let (second, count, best) = if single {
                (options.get(1).map_or(IMPOSSIBLE, |o| o.0), options.len(), None)
            } else {
                let Some(o) = options.iter().max_by_key(|o| (o.0.min(o.1), o.0.max(o.1), std::cmp::Reverse(o.2)))
                else {
                    continue;
                };
                (o.0.max(o.1), 2, Some(o.2))
            };
            let key = (second, std::cmp::Reverse(count), std::cmp::Reverse(i));
            if choice.as_ref().is_some_and(|(known, _)| *known >= key) {
                continue;
            }
            let with = |l: usize, mark: Mark| {
                let mut domain = node.domain.clone();
                domain.marks[i][l] = mark;
                domain
            };
            let children = match best {
                None => options.iter().map(|o| with(o.2, Mark::In)).collect(),
                Some(l) => vec![with(l, Mark::In), with(l, Mark::Out)],
            };
            choice = Some((key, children));
        }
        choice.map(|(_, children)| children).unwrap_or_default()
    }
}
