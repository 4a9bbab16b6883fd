//! The independent checker: whether a solution keeps every constraint and costs what it says.
//!
//! Shares no code with search, packing or evaluation, on purpose: it states the meaning of a
//! problem a second time. The two share one definition only, that of kube-scheduler's order of
//! filling nodes, and each writes it down by itself.

use super::problem::{Candidate, Component, Demand, Fit, Flow, Place, Problem, Requirement, Resources, Solution};

/// Verifies a solution.
///
/// # Errors
/// Says everything that is wrong, in words.
pub fn check(problem: &Problem, solution: &Solution) -> Result<(), Vec<String>> {
    let mut faults = Vec::new();
    if shape(problem, solution, &mut faults) {
        for (component, places) in problem.components.iter().zip(&solution.instances) {
            instances(problem, component, places, &mut faults);
        }
        spreads(problem, solution, &mut faults);
        let transfer = flows(problem, solution, &mut faults);
        let mut nodes = 0_i128;
        let mut fees = 0_i128;
        for (l, place) in problem.places.iter().enumerate() {
            nodes += site(problem, solution, l, place, &mut faults);
            if place.kept || tenants(solution, l).next().is_some() {
                fees += i128::from(place.fee.0);
            }
        }
        let moved = problem
            .components
            .iter()
            .zip(&solution.instances)
            .filter(|(c, places)| !c.incumbent.is_empty() && c.incumbent != **places);
        let moves = i128::from(problem.move_cost.0) * moved.count() as i128;
        let dislike: i128 = problem
            .components
            .iter()
            .zip(&solution.instances)
            .flat_map(|(c, places)| places.iter().filter_map(|l| c.dislike.get(*l)))
            .map(|d| i128::from(d.0))
            .sum();
        for (what, said, is) in [
            ("nodes", solution.cost.nodes, nodes),
            ("fees", solution.cost.fees, fees),
            ("transfer", solution.cost.transfer, transfer),
            ("moves", solution.cost.moves, moves),
            ("dislike", solution.cost.dislike, dislike),
        ] {
            if i128::from(said.0) != is {
                faults.push(format!("{what} cost {is} micro-dollars, the solution says {}", said.0));
            }
        }
        if i128::from(solution.bound.0) > nodes + fees + transfer + moves + dislike {
            faults.push("the lower bound is above the cost".to_owned());
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Components with an instance at a place, in order.
fn tenants(solution: &Solution, l: usize) -> impl Iterator<Item = usize> + '_ {
    (0..solution.instances.len()).filter(move |i| solution.instances[*i].contains(&l))
}

/// Whether all lists have the lengths that the rest relies on.
fn shape(problem: &Problem, solution: &Solution, faults: &mut Vec<String>) -> bool {
    let places = problem.places.len();
    let mut want = |fine: bool, what: &str| {
        if !fine {
            faults.push(format!("the solution does not belong to the problem: {what}"));
        }
        fine
    };
    let mut fine = want(solution.instances.len() == problem.components.len(), "number of components");
    fine &= want(solution.instances.iter().flatten().all(|l| *l < places), "a place that there is not");
    fine &= want(solution.targets.len() == problem.flows.len(), "number of flows");
    fine &= want(solution.targets.iter().flatten().all(|l| *l < places), "a target that there is not");
    fine &= want(
        solution.nodes.len() == places
            && solution.nodes.iter().zip(&problem.places).all(|(n, p)| n.len() == p.offers.len()),
        "number of offers",
    );
    fine &= want(
        solution.dedicated.len() == solution.instances.len()
            && solution.dedicated.iter().zip(&solution.instances).all(|(d, i)| d.len() == i.len()),
        "dedicated nodes",
    );
    fine
}

/// Number, permission, groups and pin of one component.
fn instances(problem: &Problem, component: &Component, places: &[usize], faults: &mut Vec<String>) {
    let name = &component.name;
    let count = u32::try_from(places.len()).unwrap_or(u32::MAX);
    if !(component.min..=component.max).contains(&count) {
        faults.push(format!("{name} runs in {count} places, allowed are {} to {}", component.min, component.max));
    }
    if places.windows(2).any(|pair| pair[0] >= pair[1]) {
        faults.push(format!("the places of {name} are not sorted or not distinct"));
    }
    for l in places {
        if let Candidate::Excluded(why) = &component.candidates[*l] {
            faults.push(format!("{name} may not run at {}: {}", problem.places[*l].name, why.reason));
        }
    }
    for group in &component.groups {
        if group.places.iter().all(|l| !places.contains(l)) {
            faults.push(format!("{name} has no instance in {}", group.text));
        }
    }
    if component.pinned && !component.incumbent.is_empty() && component.incumbent != places {
        faults.push(format!("{name} is pinned and moved"));
    }
}

/// Instances that may not come together.
fn spreads(problem: &Problem, solution: &Solution, faults: &mut Vec<String>) {
    for spread in &problem.spreads {
        for domain in &spread.domains {
            let mut count = 0_u64;
            for component in &spread.components {
                count += solution.instances[*component].iter().filter(|l| domain.contains(l)).count() as u64;
            }
            if count > u64::from(spread.most) {
                let at: Vec<&str> = domain.iter().map(|l| problem.places[*l].name.as_str()).collect();
                faults.push(format!("{}: there are {count} at {}", spread.text, at.join(", ")));
            }
        }
    }
}

/// Targets and latency of all flows; returns what the transfer costs.
fn flows(problem: &Problem, solution: &Solution, faults: &mut Vec<String>) -> i128 {
    let mut bytes = vec![0_u128; problem.meters.len()];
    for (flow, targets) in problem.flows.iter().zip(&solution.targets) {
        let Flow { from, to, latency, rate, .. } = *flow;
        let names = format!("{} to {}", problem.components[from].name, problem.components[to].name);
        if targets.len() != solution.instances[from].len() {
            faults.push(format!("{names}: not every instance has a target"));
            continue;
        }
        for (a, b) in solution.instances[from].iter().zip(targets) {
            if !solution.instances[to].contains(b) {
                faults.push(format!("{names}: the target does not run at {}", problem.places[*b].name));
            }
            let route = &problem.routes[*a][*b];
            let kept = match (latency, route.latency) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(bound), Some(is)) => is.0 < bound.0 + u64::from(!problem.strict_latency),
            };
            if !kept {
                let (a, b) = (&problem.places[*a].name, &problem.places[*b].name);
                faults.push(format!("{names}: {a} and {b} are too far apart"));
            }
            if rate.is_some_and(|rate| route.bandwidth.is_some_and(|carries| carries < rate)) {
                let (a, b) = (&problem.places[*a].name, &problem.places[*b].name);
                faults.push(format!("{names}: the way from {a} to {b} is too narrow"));
            }
            if let Some(meter) = route.meter {
                bytes[meter] += sent(&problem.components[from], flow.bytes, *a);
            }
        }
    }
    let mut total = 0_i128;
    for (meter, bytes) in problem.meters.iter().zip(bytes) {
        let mut below = 0_u128;
        for tier in &meter.tiers {
            let top = tier.up_to.map_or(u128::MAX, u128::from).min(bytes);
            if top > below {
                // Half a micro-dollar and more is one.
                let price = i128::from(tier.per_gb.0) * (top - below) as i128;
                total += (price + 500_000_000).div_euclid(1_000_000_000);
                below = top;
            }
        }
    }
    total
}

/// What the instance of a source at a place sends: all of it, or its part where replicas are divided. Parts
/// end where the sum of all up to there, rounded down, ends.
fn sent(source: &Component, bytes: u64, place: usize) -> u128 {
    let whole: u128 = source.portions.iter().map(|n| u128::from(*n)).sum();
    if whole == 0 {
        return u128::from(bytes);
    }
    let before: u128 = source.portions.iter().take(place).map(|n| u128::from(*n)).sum();
    let upto = before + u128::from(source.portions[place]);
    u128::from(bytes) * upto / whole - u128::from(bytes) * before / whole
}

/// Nodes of one place: dedicated ones, limits, and that the scheduler finds room on the rest.
/// Returns what they cost.
fn site(problem: &Problem, solution: &Solution, l: usize, place: &Place, faults: &mut Vec<String>) -> i128 {
    let bought = &solution.nodes[l];
    let here: Vec<usize> = tenants(solution, l).collect();
    if here.is_empty() {
        let least = |t: usize| if place.kept { place.offers[t].min } else { 0 };
        if bought.iter().enumerate().any(|(t, n)| *n != least(t)) {
            faults.push(format!("{}: other nodes than the least are bought where nothing runs", place.name));
        }
        return place.offers.iter().zip(bought).map(|(o, n)| i128::from(o.price.0) * i128::from(*n)).sum();
    }
    let mut own = vec![0_u64; place.offers.len()];
    let mut pods: Vec<Pod<'_>> = Vec::new();
    for i in here {
        let component = &problem.components[i];
        let nodes = solution.instances[i]
            .iter()
            .position(|at| *at == l)
            .map_or(&[][..], |k| solution.dedicated[i][k].as_slice());
        match &component.candidates[l] {
            Candidate::Excluded(_) => {}
            Candidate::Allowed(Demand::Shared(groups)) => {
                if !nodes.is_empty() {
                    faults.push(format!("{}: {} has nodes of its own", place.name, component.name));
                }
                for group in groups {
                    let pod = Pod { size: group.size, only: group.only.as_deref(), free: group.free.as_deref() };
                    pods.extend((0..group.count).map(|_| pod));
                }
            }
            Candidate::Allowed(Demand::Dedicated(entries)) => {
                if !serves(entries, nodes) {
                    faults.push(format!("{}: the nodes of {} are not what it asks for", place.name, component.name));
                }
            }
        }
        for (t, n) in nodes {
            if let Some(sum) = own.get_mut(*t) {
                *sum += u64::from(*n);
            }
        }
    }
    let mut shared = Vec::with_capacity(bought.len());
    let mut cost = 0_i128;
    let mut gross = [0_u128; 4];
    for (t, offer) in place.offers.iter().enumerate() {
        let all = u64::from(bought[t]);
        cost += i128::from(offer.price.0) * i128::from(all);
        let wide = u128::from(all);
        gross[0] += wide * u128::from(offer.gross.milli_cpu);
        gross[1] += wide * u128::from(offer.gross.memory);
        gross[2] += wide * u128::from(offer.gross.gpus);
        gross[3] += wide;
        if offer.max.is_some_and(|max| all > u64::from(max)) {
            faults.push(format!("{}: more of {} than may be bought", place.name, offer.name));
        }
        if all < own[t] + u64::from(offer.min) {
            faults.push(format!("{}: fewer of {} than its minimum and dedicated nodes", place.name, offer.name));
        }
        shared.push(all.saturating_sub(own[t]));
    }
    if let Some(quota) = &place.quota {
        let limit = [quota.limit.milli_cpu, quota.limit.memory, quota.limit.gpus, quota.limit.pods];
        if gross.iter().zip(limit).any(|(sum, limit)| *sum > u128::from(limit)) {
            faults.push(format!("{}: the quota is exceeded", place.name));
        }
    }
    let room = match problem.fit {
        Fit::Scheduler => schedules(place, &shared, &pods),
        Fit::Cover => sums(place, &shared, &pods, &[1, 2, 4], &[4, 8, 16]),
        Fit::Sum => sums(place, &shared, &pods, &[], &[]),
    };
    if !room {
        let who = if problem.fit == Fit::Scheduler { "the scheduler finds" } else { "sums leave" };
        faults.push(format!("{}: {who} no node for a pod", place.name));
    }
    cost
}

/// Whether the nodes are one alternative of every entry, in the order of the entries.
fn serves(entries: &[Requirement], nodes: &[(usize, u32)]) -> bool {
    entries.len() == nodes.len() && entries.iter().zip(nodes).all(|(entry, node)| entry.anyof.contains(node))
}

/// Every pod has a node in the catalogue or a free one that holds it, and sums suffice: of every resource,
/// and of whole units of CPUs and GiB.
fn sums(place: &Place, shared: &[u64], pods: &[Pod<'_>], cpus: &[u64], gib: &[u64]) -> bool {
    let holds = |room: &Resources, pod: &Resources| {
        pod.milli_cpu <= room.milli_cpu && pod.memory <= room.memory && pod.gpus <= room.gpus && pod.pods <= room.pods
    };
    let fits_one = pods.iter().all(|pod| {
        let free = |k: &usize| pod.free.map_or(pod.only.is_none(), |free| free.contains(k));
        let offer = |t: &usize| pod.only.is_none_or(|only| only.contains(t));
        (0..place.free.len()).filter(free).any(|k| holds(&place.free[k], &pod.size))
            || (0..place.offers.len()).filter(offer).any(|t| holds(&place.offers[t].usable, &pod.size))
    });
    let enough = |amount: &dyn Fn(&Resources) -> u64| {
        let wanted: u128 = pods.iter().map(|pod| u128::from(amount(&pod.size))).sum();
        let free: u128 = place.free.iter().map(|room| u128::from(amount(room))).sum();
        let bought = place.offers.iter().zip(shared).map(|(o, n)| u128::from(amount(&o.usable)) * u128::from(*n));
        wanted <= free + bought.sum::<u128>()
    };
    fits_one
        && enough(&|r| r.milli_cpu)
        && enough(&|r| r.memory)
        && enough(&|r| r.gpus)
        && enough(&|r| r.pods)
        && cpus.iter().all(|n| enough(&|r| r.milli_cpu / (n * 1000)))
        && gib.iter().all(|n| enough(&|r| r.memory / (n * 1024 * 1024 * 1024)))
}

/// A pod, the offers and the free nodes that it may run on.
#[derive(Clone, Copy)]
struct Pod<'a> {
    size: Resources,
    only: Option<&'a [usize]>,
    free: Option<&'a [usize]>,
}

/// kube-scheduler with `LeastAllocated`: every pod, largest first, goes to the node with the largest free
/// share of CPU and memory after it, the first of equals; free nodes first, then offers by name.
fn schedules(place: &Place, shared: &[u64], pods: &[Pod<'_>]) -> bool {
    struct Room {
        offer: Option<usize>,
        size: Resources,
        used: Resources,
    }
    let room = |offer, size: &Resources| Room { offer, size: *size, used: Resources::default() };
    let mut rooms: Vec<Room> = place.free.iter().map(|size| room(None, size)).collect();
    for (t, offer) in place.offers.iter().enumerate() {
        for _ in 0..shared[t] {
            rooms.push(room(Some(t), &offer.usable));
        }
    }
    let share = |size: u64, used: u64| (size > 0).then(|| u128::from(size - used) * 100 / u128::from(size));
    let mut pods = pods.to_vec();
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.size));
    for Pod { size: pod, only, free } in &pods {
        let mut chosen: Option<(u128, usize)> = None;
        for (k, room) in rooms.iter().enumerate() {
            let allowed = match (only, room.offer) {
                (None, Some(_)) => true,
                (Some(only), Some(offer)) => only.contains(&offer),
                // Free nodes come first.
                (only, None) => match free {
                    Some(free) => free.contains(&k),
                    None => only.is_none(),
                },
            };
            let (size, used) = (&room.size, &room.used);
            let fits = pod.milli_cpu <= size.milli_cpu - used.milli_cpu
                && pod.memory <= size.memory - used.memory
                && pod.gpus <= size.gpus - used.gpus
                && pod.pods <= size.pods - used.pods;
            if !(allowed && fits) {
                continue;
            }
            let shares =
                [share(size.milli_cpu, used.milli_cpu + pod.milli_cpu), share(size.memory, used.memory + pod.memory)];
            let known = shares.iter().flatten().count() as u128;
            let score = shares.iter().flatten().sum::<u128>() / known.max(1);
            if chosen.is_none_or(|(best, _)| best < score) {
                chosen = Some((score, k));
            }
        }
        let Some((_, k)) = chosen else { return false };
        let used = &mut rooms[k].used;
        used.milli_cpu += pod.milli_cpu;
        used.memory += pod.memory;
        used.gpus += pod.gpus;
        used.pods += pod.pods;
    }
    true
}
