//! Why every component runs where it does: what it costs there, and what every other place would
//! have meant.
//!
//! A counterfactual moves one instance and keeps all else; it is valued in full, nodes and targets
//! included. Plain data for others to show.

use super::{
    evaluate::{permits, pinned},
    pack::each,
    problem::{Candidate, Demand, Problem, Resources, Solution},
    shift::Shifts,
};
use crate::{diagnostic::Origin, money::MicroUsd, quantity::Micros};

/// One instance of a component explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Index of the component.
    pub component: usize,
    /// Index of the place where this instance runs.
    pub place: usize,
    /// What it costs there, over the horizon.
    pub share: Share,
    /// The other place that is possible and next in rank, with the difference in what is paid if only this
    /// instance moved there (negative only where the search did not end, or where this place is preferred).
    pub runner_up: Option<(usize, MicroUsd)>,
    /// Every other place in order.
    pub others: Vec<(usize, Verdict)>,
}

/// What one instance is accountable for, over the horizon. Shares of a place sum to its cost, but
/// for rounding down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Its dedicated nodes, or its part of the shared ones by its dominant resource.
    pub nodes: MicroUsd,
    /// Its part of the place's fee: equal parts.
    pub fee: MicroUsd,
    /// What it sends: its part by bytes of every meter it uses.
    pub transfer: MicroUsd,
}

impl Share {
    /// In all.
    pub fn total(&self) -> MicroUsd {
        self.nodes + self.fee + self.transfer
    }
}

/// What another place would have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may not run there: the reason and its line.
    Excluded(String, Option<Origin>),
    /// Another instance of it runs there.
    Taken,
    /// It must stay: it is pinned.
    Pinned,
    /// A required group would be left without an instance.
    Required(String),
    /// A flow with this other component would break its bound: latency there, bound.
    TooFar {
        /// Index of the flow.
        flow: usize,
        /// Index of the other component.
        other: usize,
        /// Latency to the nearest instance that it could talk to; `None` when not known.
        latency: Option<Micros>,
        /// What the flow allows.
        bound: Micros,
    },
    /// No way of a flow with this other component carries what it needs: what the widest does, what is needed.
    TooNarrow {
        /// Index of the flow.
        flow: usize,
        /// Bits a second of the widest way.
        carries: u64,
        /// Bits a second that the flow needs.
        rate: u64,
    },
    /// This spread (by index) holds no more there.
    Crowded(usize),
    /// No nodes can be bought, and none are free, for it with what runs there.
    NoRoom,
    /// Possible as far as that is seen without valuing it: there are too many to value all.
    Unvalued,
    /// Possible, at this much more in all (less only where the search did not end).
    Dearer(MicroUsd),
    /// Possible, at this much more money in all, and one of the two places is preferred.
    Weighed {
        /// What more is paid; negative where it is cheaper.
        by: MicroUsd,
        /// What more it counts as because another place is preferred; negative where it is itself.
        counted: MicroUsd,
    },
}

/// Components and flows that are looked at to value places, of all components together; in large sets they weigh more.
const MOST_LOOKED: u64 = 20_000_000;

/// Explains every component and instance of a solution. Of very many, what other places would cost is found of
/// the first only.
pub fn explain(problem: &Problem, solution: &Solution) -> Vec<Explanation> {
    explain_some(problem, solution, |_| true, MOST_LOOKED)
}

/// The same for one component, by index.
pub fn explain_one(problem: &Problem, solution: &Solution, component: usize) -> Vec<Explanation> {
    explain_some(problem, solution, |i| i == component, u64::MAX)
}

fn explain_some(problem: &Problem, solution: &Solution, wanted: impl Fn(usize) -> bool, most: u64) -> Vec<Explanation> {
    let mut shifts = Shifts::new(problem, solution).within(most);
    let shares = shares(problem, solution);
    let mut all = Vec::new();
    for (i, places) in solution.instances.iter().enumerate().filter(|(i, _)| wanted(*i)) {
        for (k, here) in places.iter().enumerate() {
            let others: Vec<(usize, Verdict)> = (0..problem.places.len())
                .filter(|l| l != here)
                .map(|l| (l, verdict(problem, solution, &mut shifts, (i, k), l)))
                .collect();
            let runner_up = others
                .iter()
                .filter_map(|(l, v)| match v {
                    Verdict::Dearer(by) => Some((*by, *l, *by)),
                    Verdict::Weighed { by, counted } => Some((*by + *counted, *l, *by)),
                    _ => None,
                })
                .min()
                .map(|(_, l, by)| (l, by));
            all.push(Explanation { component: i, place: *here, share: shares[i][k], runner_up, others });
        }
    }
    all
}

/// What became of everything if one instance moved to `l`.
fn verdict(
    problem: &Problem,
    solution: &Solution,
    shifts: &mut Shifts<'_>,
    (i, k): (usize, usize),
    l: usize,
) -> Verdict {
    let component = &problem.components[i];
    if let Candidate::Excluded(e) = &component.candidates[l] {
        return Verdict::Excluded(e.reason.clone(), e.origin.clone());
    }
    let now = &solution.instances[i];
    if now.contains(&l) {
        return Verdict::Taken;
    }
    if pinned(component) {
        return Verdict::Pinned;
    }
    let mut moved = now.clone();
    moved[k] = l;
    moved.sort_unstable();
    if let Some(group) = component.groups.iter().find(|g| !g.places.iter().any(|p| moved.contains(p))) {
        return Verdict::Required(group.text.clone());
    }
    if !permits(component, &moved) {
        return Verdict::Excluded("not permitted".to_owned(), None);
    }
    if let Some(far) = too_far(problem, solution, shifts.flows(i), i, &moved) {
        return far;
    }
    if let Some(spread) = shifts.crowded(i, &moved) {
        return Verdict::Crowded(spread);
    }
    if shifts.spent() {
        return Verdict::Unvalued;
    }
    let counted = |places: &[usize]| places.iter().map(|l| component.disliked(*l)).sum::<MicroUsd>();
    match shifts.dearer(&[i], now[k], l) {
        Some(by) => match counted(&moved) - counted(now) {
            MicroUsd::ZERO => Verdict::Dearer(by),
            counted => Verdict::Weighed { by, counted },
        },
        None => Verdict::NoRoom,
    }
}

/// A flow of a component, of these, that breaks its bound with the component at other places.
fn too_far(problem: &Problem, solution: &Solution, flows: &[usize], i: usize, moved: &[usize]) -> Option<Verdict> {
    let places = |c: usize| if c == i { moved } else { solution.instances[c].as_slice() };
    for index in flows {
        let flow = &problem.flows[*index];
        for a in places(flow.from) {
            if places(flow.to).iter().any(|b| problem.reaches(flow, *a, *b)) {
                continue;
            }
            let near = |b: &&usize| problem.near(flow.latency, *a, **b);
            if let Some(rate) = flow.rate
                && let Some(carries) =
                    places(flow.to).iter().filter(near).filter_map(|b| problem.routes[*a][*b].bandwidth).max()
            {
                return Some(Verdict::TooNarrow { flow: *index, carries, rate });
            }
            let bound = flow.latency.unwrap_or_default();
            let latency = places(flow.to).iter().filter_map(|b| problem.routes[*a][*b].latency).min();
            let other = if flow.from == i { flow.to } else { flow.from };
            return Some(Verdict::TooFar { flow: *index, other, latency, bound });
        }
    }
    None
}

/// What moving all that can from one place to another would save: (from, to, components, saving), the
/// largest first. Several components share a fee and nodes, so that together they may gain where none does
/// alone.
pub fn together(problem: &Problem, solution: &Solution) -> Vec<(usize, usize, Vec<usize>, MicroUsd)> {
    let mut shifts = Shifts::new(problem, solution);
    let mut all = Vec::new();
    for from in 0..problem.places.len() {
        let here: Vec<usize> =
            (0..problem.components.len()).filter(|i| solution.instances[*i].contains(&from)).collect();
        for to in (0..problem.places.len()).filter(|to| *to != from) {
            let fits = |i: &usize| {
                let mut moved = solution.instances[*i].clone();
                moved.iter_mut().filter(|l| **l == from).for_each(|l| *l = to);
                moved.sort_unstable();
                permits(&problem.components[*i], &moved)
            };
            let movers: Vec<usize> = here.iter().copied().filter(fits).collect();
            if movers.len() < 2 {
                continue;
            }
            // What is preferred is no saving to miss.
            let weigh = |l: usize| movers.iter().map(|i| problem.components[*i].disliked(l)).sum::<MicroUsd>();
            let counted = weigh(to) - weigh(from);
            if let Some(by) = shifts.dearer(&movers, from, to).filter(|by| by.0 < 0 && (*by + counted).0 < 0) {
                all.push((from, to, movers, MicroUsd::ZERO - by));
            }
        }
    }
    all.sort_by_key(|(.., saving)| std::cmp::Reverse(*saving));
    all
}

/// `amount` · `part` / `whole`, rounded down.
pub(super) fn part_of(amount: MicroUsd, part: u128, whole: u128) -> MicroUsd {
    if whole == 0 {
        return MicroUsd::ZERO;
    }
    let share = i128::try_from(part).unwrap_or(0) * i128::from(amount.0) / i128::try_from(whole).unwrap_or(1);
    MicroUsd(i64::try_from(share).unwrap_or(0))
}

/// Cost shares of all instances.
pub(super) fn shares(problem: &Problem, solution: &Solution) -> Vec<Vec<Share>> {
    let mut shares: Vec<Vec<Share>> =
        solution.instances.iter().map(|places| vec![Share::default(); places.len()]).collect();
    for (l, place) in problem.places.iter().enumerate() {
        let here: Vec<(usize, usize)> = solution
            .instances
            .iter()
            .enumerate()
            .filter_map(|(i, places)| places.iter().position(|p| *p == l).map(|k| (i, k)))
            .collect();
        let mut own = vec![0_u32; place.offers.len()];
        for (i, k) in &here {
            let mine = &solution.dedicated[*i][*k];
            shares[*i][*k].nodes = mine.iter().map(|(t, n)| place.offers[*t].price.times(u64::from(*n))).sum();
            shares[*i][*k].fee = part_of(place.fee, 1, here.len() as u128);
            for (t, n) in mine {
                own[*t] += n;
            }
        }
        let rest = || place.offers.iter().zip(&solution.nodes[l]).zip(&own);
        let cost: MicroUsd = rest().map(|((o, all), own)| o.price.times(u64::from(all.saturating_sub(*own)))).sum();
        // What the nodes hold, to see which resource is dominant for whom.
        let mut whole = [0_u128; 4];
        let mut hold = |room: &Resources, n: u32| {
            for (sum, r) in whole.iter_mut().zip(each(room)) {
                *sum += u128::from(r) * u128::from(n);
            }
        };
        rest().for_each(|((o, all), own)| hold(&o.usable, all.saturating_sub(*own)));
        place.free.iter().for_each(|free| hold(free, 1));
        let weights: Vec<u128> = here.iter().map(|(i, _)| dominant(problem, *i, l, whole)).collect();
        let sum: u128 = weights.iter().sum();
        for ((i, k), weight) in here.iter().zip(weights) {
            shares[*i][*k].nodes += part_of(cost, weight, sum);
        }
    }
    // Bytes on every meter, then each sender's part.
    let senders = || {
        problem.flows.iter().zip(&solution.targets).flat_map(|(flow, targets)| {
            let sources = solution.instances[flow.from].iter().zip(targets).enumerate();
            sources.filter_map(move |(k, (a, b))| {
                problem.routes[*a][*b].meter.map(|m| (flow.from, k, m, problem.bytes(flow, *a)))
            })
        })
    };
    let mut bytes = vec![0_u64; problem.meters.len()];
    for (_, _, m, n) in senders() {
        bytes[m] = bytes[m].saturating_add(n);
    }
    for (i, k, m, n) in senders() {
        shares[i][k].transfer += part_of(problem.meters[m].cost(bytes[m]), u128::from(n), u128::from(bytes[m]));
    }
    shares
}

/// The largest part of any resource that the pods of a component take, in millionths.
fn dominant(problem: &Problem, i: usize, l: usize, whole: [u128; 4]) -> u128 {
    let Candidate::Allowed(Demand::Shared(groups)) = &problem.components[i].candidates[l] else { return 0 };
    (0..4)
        .filter(|r| whole[*r] > 0)
        .map(|r| {
            let sum: u128 = groups.iter().map(|g| u128::from(each(&g.size)[r]) * u128::from(g.count)).sum();
            sum * 1_000_000 / whole[r]
        })
        .max()
        .unwrap_or(0)
}
