//! Brute force over everything, for tests: every assignment, every node count, every target.
//!
//! Shares no code with the engine; the definition of "fits" is that of the simulated scheduler.
#![allow(clippy::expect_used, clippy::panic, clippy::needless_range_loop, reason = "tests")]

use super::problem::{Candidate, Demand, Fit, Offer, PodGroup, Problem, Resources};

/// Cost and rank of the best assignment: (cost, moves, open places, instances).
pub(super) type Best = (i64, usize, usize, Vec<Vec<usize>>);

fn subsets(n: usize) -> Vec<Vec<usize>> {
    (0_u32..1 << n).map(|mask| (0..n).filter(|k| mask >> k & 1 == 1).collect()).collect()
}

fn scheduler(free: &[Resources], offers: &[Offer], counts: &[u32], pods: &[Pod]) -> bool {
    struct N(Option<usize>, [i64; 4], [i64; 4]);
    let four = |r: &Resources| [r.milli_cpu as i64, r.memory as i64, r.gpus as i64, r.pods as i64];
    let mut nodes: Vec<N> = free.iter().map(|f| N(None, four(f), four(f))).collect();
    for (t, offer) in offers.iter().enumerate() {
        for _ in 0..counts[t] {
            nodes.push(N(Some(t), four(&offer.usable), four(&offer.usable)));
        }
    }
    let mut largest_first: Vec<_> = pods.iter().collect();
    largest_first.sort_by_key(|(size, ..)| std::cmp::Reverse(*size));
    for (size, only, unbought) in largest_first {
        let size = four(size);
        let mut pick: Option<(i64, usize)> = None;
        for (k, node) in nodes.iter().enumerate() {
            let allowed = match (node.0, only, unbought) {
                (Some(t), Some(only), _) => only.contains(&t),
                (Some(_), None, _) => true,
                (None, _, Some(some)) => some.contains(&k),
                (None, only, None) => only.is_none(),
            };
            if !allowed {
                continue;
            }
            if (0..4).any(|r| node.2[r] < size[r]) {
                continue;
            }
            let shares: Vec<i64> = (0..2)
                .filter(|r| node.1[*r] > 0)
                .map(|r| (i128::from(node.2[r] - size[r]) * 100 / i128::from(node.1[r])) as i64)
                .collect();
            let score = if shares.is_empty() { 0 } else { shares.iter().sum::<i64>() / shares.len() as i64 };
            if pick.is_none_or(|(s, _)| score > s) {
                pick = Some((score, k));
            }
        }
        let Some((_, k)) = pick else { return false };
        for r in 0..4 {
            nodes[k].2[r] -= size[r];
        }
    }
    true
}

/// A pod: its size, offers and free nodes that it may run on.
type Pod = (Resources, Option<Vec<usize>>, Option<Vec<usize>>);

/// More nodes of a kind than this are of no use.
fn top(fit: Fit, usable: &Resources, pods: &[Pod]) -> u32 {
    if fit == Fit::Scheduler {
        return pods.len() as u32;
    }
    let units: &[(u64, u64)] = if fit == Fit::Cover { &UNITS } else { &[(1, 1)] };
    let mut most = 0;
    for (cpu, memory) in units {
        let whole = |r: &Resources| [r.milli_cpu / cpu, r.memory / memory, r.gpus, r.pods];
        for r in 0..4 {
            let need: u64 = pods.iter().map(|(pod, ..)| whole(pod)[r]).sum();
            most = most.max(need.div_ceil(whole(usable)[r].max(1)));
        }
    }
    most as u32
}

/// Units that count: of CPU, of memory.
const UNITS: [(u64, u64); 4] = [(1, 1), (1_000, 4 << 30), (2_000, 8 << 30), (4_000, 16 << 30)];

/// By sums, or by the scheduler.
fn fits(fit: Fit, free: &[Resources], offers: &[Offer], counts: &[u32], pods: &[Pod]) -> bool {
    if fit == Fit::Scheduler {
        return scheduler(free, offers, counts, pods);
    }
    let units: &[(u64, u64)] = if fit == Fit::Cover { &UNITS } else { &UNITS[..1] };
    let within = |a: &Resources, b: &Resources| {
        a.milli_cpu <= b.milli_cpu && a.memory <= b.memory && a.gpus <= b.gpus && a.pods <= b.pods
    };
    let home = |(pod, only, there): &Pod| {
        let may = |k: &usize| there.as_ref().map_or(only.is_none(), |there| there.contains(k));
        (0..free.len()).filter(may).any(|k| within(pod, &free[k]))
            || (0..offers.len()).any(|t| only.as_ref().is_none_or(|o| o.contains(&t)) && within(pod, &offers[t].usable))
    };
    let whole = |(cpu, memory): (u64, u64), r: &Resources| [r.milli_cpu / cpu, r.memory / memory, r.gpus, r.pods];
    pods.iter().all(home)
        && units.iter().all(|unit| {
            (0..4).all(|r| {
                let need: u64 = pods.iter().map(|(pod, ..)| whole(*unit, pod)[r]).sum();
                let there: u64 = free.iter().map(|f| whole(*unit, f)[r]).sum();
                let bought: u64 =
                    offers.iter().zip(counts).map(|(o, n)| whole(*unit, &o.usable)[r] * u64::from(*n)).sum();
                need <= there + bought
            })
        })
}

/// Cheapest nodes (without fee) for these components at a place.
fn place(problem: &Problem, l: usize, components: &[usize]) -> Option<i64> {
    let here = &problem.places[l];
    let mut pods = Vec::new();
    let mut entries: Vec<Vec<(usize, u32)>> = Vec::new();
    for i in components {
        match &problem.components[*i].candidates[l] {
            Candidate::Allowed(Demand::Shared(groups)) => {
                for PodGroup { size, count, only, free } in groups {
                    pods.extend((0..*count).map(|_| (*size, only.clone(), free.clone())));
                }
            }
            Candidate::Allowed(Demand::Dedicated(all)) => entries.extend(all.iter().map(|e| e.anyof.clone())),
            Candidate::Excluded(_) => return None,
        }
    }
    let mut reserved = vec![vec![0_u32; here.offers.len()]];
    for entry in entries {
        let mut next = Vec::new();
        for (t, n) in entry {
            for r in &reserved {
                let mut r = r.clone();
                r[t] += n;
                next.push(r);
            }
        }
        next.sort();
        next.dedup();
        reserved = next;
    }
    let mut best = None;
    for own in reserved {
        let mut all: Vec<Vec<u32>> = vec![Vec::new()];
        for (t, offer) in here.offers.iter().enumerate() {
            let top = top(problem.fit, &offer.usable, &pods).max(offer.min);
            let top = offer.max.map_or(top, |m| top.min(m.saturating_sub(own[t])));
            let mut next = Vec::new();
            for counts in all {
                for n in offer.min..=top {
                    if offer.max.is_some_and(|m| own[t] + n > m) {
                        continue;
                    }
                    let mut counts: Vec<u32> = counts.clone();
                    counts.push(n);
                    next.push(counts);
                }
            }
            all = next;
        }
        for counts in all {
            let sum = |f: &dyn Fn(&Offer) -> u64| -> u64 {
                here.offers.iter().enumerate().map(|(t, o)| f(o) * u64::from(counts[t] + own[t])).sum()
            };
            if let Some(quota) = &here.quota {
                let q = &quota.limit;
                if sum(&|o| o.gross.milli_cpu) > q.milli_cpu
                    || sum(&|o| o.gross.memory) > q.memory
                    || sum(&|o| o.gross.gpus) > q.gpus
                    || sum(&|_| 1) > q.pods
                {
                    continue;
                }
            }
            let cost: i64 =
                here.offers.iter().enumerate().map(|(t, o)| o.price.0 * i64::from(counts[t] + own[t])).sum();
            if best.is_none_or(|b| cost < b) && fits(problem.fit, &here.free, &here.offers, &counts, &pods) {
                best = Some(cost);
            }
        }
    }
    best
}

/// Cheapest joint choice of targets.
fn transfer(problem: &Problem, instances: &[Vec<usize>]) -> Option<i64> {
    let mut sums: std::collections::BTreeSet<Vec<u64>> = [vec![0; problem.meters.len()]].into();
    for flow in &problem.flows {
        for a in &instances[flow.from] {
            let mut next = std::collections::BTreeSet::new();
            for b in &instances[flow.to] {
                let ok = match (flow.latency, problem.routes[*a][*b].latency) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(max), Some(is)) => is < max || is == max && !problem.strict_latency,
                };
                let narrow = matches!((flow.rate, problem.routes[*a][*b].bandwidth), (Some(r), Some(w)) if w < r);
                if !ok || narrow {
                    continue;
                }
                for sum in &sums {
                    let mut sum = sum.clone();
                    if let Some(m) = problem.routes[*a][*b].meter {
                        sum[m] += problem.bytes(flow, *a);
                    }
                    next.insert(sum);
                }
            }
            sums = next;
        }
    }
    sums.iter().map(|sum| problem.meters.iter().zip(sum).map(|(m, b)| m.cost(*b).0).sum()).min()
}

/// The best of all assignments.
pub(super) fn brute_force(problem: &Problem) -> Option<Best> {
    let mut best: Option<Best> = None;
    let options: Vec<Vec<Vec<usize>>> = problem
        .components
        .iter()
        .map(|c| {
            subsets(problem.places.len())
                .into_iter()
                .filter(|s| {
                    s.len() >= c.min as usize
                        && s.len() <= c.max as usize
                        && s.iter().all(|l| matches!(c.candidates[*l], Candidate::Allowed(_)))
                        && c.groups.iter().all(|g| g.places.iter().any(|l| s.contains(l)))
                        && (!c.pinned || c.incumbent.is_empty() || *s == c.incumbent)
                })
                .collect()
        })
        .collect();
    let mut places = std::collections::BTreeMap::new();
    let mut stack: Vec<Vec<Vec<usize>>> = vec![Vec::new()];
    while let Some(partial) = stack.pop() {
        if partial.len() < options.len() {
            for option in &options[partial.len()] {
                let mut next = partial.clone();
                next.push(option.clone());
                stack.push(next);
            }
            continue;
        }
        let crowded = problem.spreads.iter().any(|s| {
            let held =
                |d: &Vec<usize>| s.components.iter().flat_map(|i| &partial[*i]).filter(|l| d.contains(l)).count();
            s.domains.iter().any(|d| held(d) > s.most as usize)
        });
        if crowded {
            continue;
        }
        let Some(mut cost) = transfer(problem, &partial) else { continue };
        let mut open = 0;
        let mut fine = true;
        for l in 0..problem.places.len() {
            let here: Vec<usize> = (0..partial.len()).filter(|i| partial[*i].contains(&l)).collect();
            if here.is_empty() {
                if problem.places[l].kept {
                    let least = problem.places[l].offers.iter().map(|o| o.price.0 * i64::from(o.min));
                    cost += problem.places[l].fee.0 + least.sum::<i64>();
                }
                continue;
            }
            open += 1;
            match places.entry((l, here.clone())).or_insert_with(|| place(problem, l, &here)) {
                Some(nodes) => cost += *nodes + problem.places[l].fee.0,
                None => fine = false,
            }
        }
        if !fine {
            continue;
        }
        let moved = |(c, s): (&super::problem::Component, &Vec<usize>)| !c.incumbent.is_empty() && c.incumbent != *s;
        let moves = problem.components.iter().zip(&partial).filter(|(c, s)| moved((c, s))).count();
        cost += problem.move_cost.0 * moves as i64;
        let disliked = problem.components.iter().zip(&partial).filter(|(c, _)| !c.dislike.is_empty());
        cost += disliked.flat_map(|(c, s)| s.iter().map(|l| c.dislike[*l].0)).sum::<i64>();
        let rank = (cost, moves, open, partial);
        if best.as_ref().is_none_or(|b| rank < *b) {
            best = Some(rank);
        }
    }
    best
}
