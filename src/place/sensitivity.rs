//! How far a price may move before the placement changes, for the largest prices of a placement.
//!
//! Few components: by halving, each time with a search for something cheaper. Many: by the single moves
//! that pay less of the price, which is exact for one move; that the placement changes before is possible
//! then, that it stays the same beyond is not.

use std::collections::BTreeSet;

use super::{
    evaluate::{Evaluator, evaluate_recorded, permits},
    problem::{Limits, Method, Problem, Solution},
    search::find,
};
use crate::money::MicroUsd;

/// Components up to which a search answers.
const FEW: usize = 12;
/// Prices that are looked at.
const LARGEST: usize = 3;
/// As many times dearer is far enough, and how finely it is looked at, both in thousandths of the price.
const FAR: u64 = 10_000;
const FINE: u64 = 5;
/// Single moves that are valued for one price, fewer where there is more to look at for each.
const MOST_MOVES: usize = 400;
const MOST_LOOKED: usize = 10_000_000;

/// A price that a placement pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Nodes of an offer: place, offer.
    Nodes(usize, usize),
    /// The fee of a place.
    Fee(usize),
    /// A meter.
    Meter(usize),
}

/// How far a price may move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Which.
    pub item: Item,
    /// What the placement pays for it.
    pub cost: MicroUsd,
    /// From so many thousandths of the price on, something else is cheaper; `None` = not up to
    /// [`Range::far`].
    pub changes_at: Option<u64>,
    /// At so many thousandths of the price and below, something else is cheaper; `None` = however far it falls.
    pub falls_to: Option<u64>,
    /// How far it was looked, in thousandths.
    pub far: u64,
    /// Whether it stays the cheapest up to there; otherwise no single move is cheaper before.
    pub proven: bool,
}

/// What each price comes to in a placement, largest first.
fn items(problem: &Problem, solution: &Solution) -> Vec<(MicroUsd, Item)> {
    let mut all = Vec::new();
    for (l, place) in problem.places.iter().enumerate() {
        let nodes = place.offers.iter().zip(&solution.nodes[l]).enumerate();
        all.extend(nodes.map(|(t, (offer, n))| (offer.price.times(u64::from(*n)), Item::Nodes(l, t))));
        if solution.instances.iter().any(|set| set.contains(&l)) {
            all.push((place.fee, Item::Fee(l)));
        }
    }
    all.extend((0..problem.meters.len()).map(|m| (paid(problem, solution, Item::Meter(m)), Item::Meter(m))));
    all.retain(|(cost, _)| *cost > MicroUsd::ZERO);
    // The first of equals is the first by place.
    all.sort_by(|(a, _), (b, _)| b.cmp(a));
    all
}

/// What a placement pays at a price.
fn paid(problem: &Problem, solution: &Solution, item: Item) -> MicroUsd {
    match item {
        Item::Nodes(l, t) => problem.places[l].offers[t].price.times(u64::from(solution.nodes[l][t])),
        Item::Fee(l) => {
            let open = solution.instances.iter().any(|set| set.contains(&l));
            if open || problem.places[l].kept { problem.places[l].fee } else { MicroUsd::ZERO }
        }
        Item::Meter(m) => problem.meters[m].cost(problem.bytes_on(solution, m)),
    }
}

/// The problem with a price at so many thousandths of what it is.
fn at(problem: &Problem, item: Item, thousandths: u64) -> Problem {
    let mut problem = problem.clone();
    let scaled = |price: MicroUsd| {
        let value = i128::from(price.0) * i128::from(thousandths) / 1000;
        MicroUsd(i64::try_from(value).unwrap_or(i64::MAX))
    };
    match item {
        Item::Nodes(l, t) => problem.places[l].offers[t].price = scaled(problem.places[l].offers[t].price),
        Item::Fee(l) => problem.places[l].fee = scaled(problem.places[l].fee),
        Item::Meter(m) => problem.meters[m].tiers.iter_mut().for_each(|t| t.per_gb = scaled(t.per_gb)),
    }
    problem
}

/// How far the largest prices may rise, and how far they may fall, before something else is cheaper than the
/// placement. Nothing is pinned in the problem.
pub fn sensitivity(problem: &Problem, solution: &Solution, limits: &Limits) -> Vec<Range> {
    let largest: Vec<(MicroUsd, Item)> = items(problem, solution).into_iter().take(LARGEST).collect();
    let range = |(cost, item)| {
        if problem.components.len() > FEW {
            return by_moves(problem, solution, item, cost);
        }
        let limits = Limits { nodes: limits.nodes / 10, moves: limits.moves / 10, ..limits.clone() };
        let mut proven = true;
        let mut cheaper = |thousandths: u64| {
            let dear = at(problem, item, thousandths);
            let stays = evaluate_recorded(&dear, &solution.instances).map(|s| s.cost.decided());
            let best = find(&dear, &limits).ok();
            proven &= best.as_ref().is_some_and(|b| b.method == Method::Exact);
            best.zip(stays).is_some_and(|(best, stays)| best.cost.decided() < stays)
        };
        let changes_at = if cheaper(1000) {
            Some(1000)
        } else if cheaper(FAR) {
            let (mut low, mut high) = (1000, FAR);
            while high - low > FINE {
                let mid = u64::midpoint(low, high);
                if cheaper(mid) { high = mid } else { low = mid }
            }
            Some(high)
        } else {
            None
        };
        // Cheaper, it draws others.
        let falls_to = if changes_at != Some(1000) && cheaper(0) {
            let (mut low, mut high) = (0, 1000);
            while high - low > FINE {
                let mid = u64::midpoint(low, high);
                if cheaper(mid) { low = mid } else { high = mid }
            }
            Some(low)
        } else {
            None
        };
        Range { item, cost, changes_at, falls_to, far: FAR, proven }
    };
    largest.into_iter().map(range).collect()
}

/// The first single move that is cheaper when a price rises: each move that pays less of it has a price
/// from which on it is.
fn by_moves(problem: &Problem, solution: &Solution, item: Item, cost: MicroUsd) -> Range {
    let ends: BTreeSet<usize> = problem.flows.iter().flat_map(|f| [f.from, f.to]).collect();
    let bears = |i: usize| match item {
        Item::Nodes(l, _) | Item::Fee(l) => solution.instances[i].contains(&l),
        Item::Meter(_) => ends.contains(&i),
    };
    let mut eval = Evaluator::new(problem);
    let mut first: Option<u64> = None;
    let mut last: Option<u64> = None;
    let most = (MOST_LOOKED / (problem.components.len() + problem.flows.len()).max(1)).min(MOST_MOVES);
    let pairs = |of: &dyn Fn(usize) -> bool, to: &dyn Fn(usize) -> bool| -> Vec<(usize, usize)> {
        let all = (0..problem.components.len()).filter(|i| of(*i));
        let all = all.flat_map(|i| (0..problem.places.len()).filter(|l| to(*l)).map(move |l| (i, l)));
        all.filter(|(i, l)| !solution.instances[*i].contains(l)).take(most).collect()
    };
    let mut moves = pairs(&bears, &|_| true);
    // What is elsewhere comes only for nodes: a fee is paid already.
    if let Item::Nodes(here, _) = item {
        moves.extend(pairs(&|i| !bears(i), &|l| l == here));
    }
    for (i, l) in moves {
        for k in 0..solution.instances[i].len() {
            let mut moved = solution.instances.clone();
            moved[i][k] = l;
            moved[i].sort_unstable();
            if !permits(&problem.components[i], &moved[i]) {
                continue;
            }
            let Some(other) = eval.solution(&moved, MicroUsd::ZERO, Method::Recorded) else { continue };
            let less = cost - paid(problem, &other, item);
            let dearer = (other.cost.decided() - solution.cost.decided()).max(MicroUsd::ZERO);
            if less > MicroUsd::ZERO {
                let rise = i128::from(dearer.0) * 1000 / i128::from(less.0);
                let at = 1001_u64.saturating_add(u64::try_from(rise).unwrap_or(u64::MAX));
                first = Some(first.map_or(at, |known| known.min(at)));
            } else if less < MicroUsd::ZERO {
                let fall = i128::from(dearer.0) * 1000 / -i128::from(less.0);
                let at = 999_u64.checked_sub(u64::try_from(fall).unwrap_or(u64::MAX));
                last = last.max(at);
            }
        }
    }
    Range { item, cost, changes_at: first.filter(|at| *at <= FAR), falls_to: last, far: FAR, proven: false }
}
