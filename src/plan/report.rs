//! What a placement is told as: shares, reasons, runners-up, flows. Knows the words, not the search.

use std::collections::BTreeMap;

use super::change::{
    Cost, ExcludedPlace, Note, PlacedCluster, PlacedComponent, PlacedFlow, PlacedNodes, PlacementReport, PlannedMove,
    PriceRange, PricesReport, ProfilePrices, RunnerUp, Saving,
};
use crate::{
    compile::model::{Cluster, Model, Volume},
    money::{HOURS_PER_MONTH, MicroUsd},
    place::{
        self,
        decide::{Placed, bill, idle_fee, idle_fees, monthly_total},
        explain::{Explanation, Verdict, explain, together},
        problem::{Limits, Method},
        sensitivity::{self, Item},
    },
};

/// Name and version of the search, for the plan.
const SOLVER: &str = concat!("skyplan-bnb ", env!("CARGO_PKG_VERSION"));

/// What everything costs per month, and over the horizon where that is not a month.
pub(super) fn cost(model: &Model, placed: &Placed) -> Cost {
    let monthly = placed.monthly.cost;
    let horizon = model.settings.horizon;
    Cost {
        monthly: monthly_total(placed),
        monthly_before: None,
        nodes: monthly.nodes,
        fees: monthly.fees + idle_fees(&placed.month, &placed.monthly, &placed.present),
        transfer: monthly.transfer,
        horizon: (horizon.seconds() != HOURS_PER_MONTH * 3600)
            .then(|| (horizon, bill(&placed.problem, &placed.solution, &placed.present))),
    }
}

/// The placement in words.
pub(super) fn placement(model: &Model, placed: &Placed) -> PlacementReport {
    let explanations = explain(&placed.month, &placed.monthly);
    let name = |place: usize| model.clusters[place].name.clone();
    let components = explanations
        .iter()
        .map(|e| PlacedComponent {
            component: model.components[e.component].name.clone(),
            cluster: name(e.place),
            replicas: placed.month.components[e.component].portions.get(e.place).copied(),
            monthly: e.share.total(),
            reason: reason(model, placed, e),
            runner_up: e.runner_up.map(|(place, extra)| RunnerUp { cluster: name(place), extra }),
            excluded: e.others.iter().filter_map(|(place, v)| excluded(model, *place, v)).collect(),
            origin: model.components[e.component].origin.clone(),
        })
        .collect();
    PlacementReport {
        solver: solver(placed),
        method: match placed.solution.method {
            Method::Recorded => "recorded",
            Method::Exact => "exact",
            Method::Budget => "budget",
            Method::Steady => "steady",
            Method::Deadline => "deadline",
        }
        .into(),
        cost: placed.solution.cost.total(),
        // Without what only decides, so that it can be held against the cost.
        bound: (placed.solution.bound - placed.solution.cost.dislike).max(MicroUsd::ZERO),
        components,
        clusters: clusters(model, placed),
        flows: flows(model, placed),
        moves: moves(model, placed),
        saves: placed.stayed.map(|stayed| stayed - monthly_total(placed)),
        savings: possible_savings(model, placed, &explanations),
        sensitivity: Vec::new(),
        prices: prices(model),
    }
}

/// Components that ran elsewhere.
pub(super) fn moves(model: &Model, placed: &Placed) -> Vec<PlannedMove> {
    let all = placed.problem.components.iter().zip(&placed.solution.instances).enumerate();
    let moved = all.filter(|(_, (c, now))| c.moves_to(now));
    moved.map(|(i, (c, now))| planned_move(model, i, &c.incumbent, now)).collect()
}

/// A component, by index, from some places to others.
pub(super) fn planned_move(model: &Model, component: usize, from: &[usize], to: &[usize]) -> PlannedMove {
    let names = |these: &[usize], but: &[usize]| {
        these.iter().filter(|l| !but.contains(l)).map(|l| model.clusters[*l].name.clone()).collect()
    };
    PlannedMove { component: model.components[component].name.clone(), from: names(from, to), to: names(to, from) }
}

/// Moves that would save more than what it takes to move something that is reconsidered.
fn possible_savings(model: &Model, placed: &Placed, explanations: &[Explanation]) -> Vec<Saving> {
    let settings = &model.settings;
    let worth = |e: &Explanation, by: MicroUsd| {
        let least = MicroUsd(e.share.total().0 / 10_000 * i64::from(settings.hysteresis.0));
        MicroUsd::ZERO - by > least.max(settings.move_cost)
    };
    let mut all: Vec<Saving> = explanations
        .iter()
        .filter_map(|e| {
            let (to, by) = e.runner_up.filter(|(_, by)| *by < MicroUsd::ZERO && worth(e, *by))?;
            Some(Saving {
                components: vec![model.components[e.component].name.clone()],
                from: model.clusters[e.place].name.clone(),
                to: model.clusters[to].name.clone(),
                monthly: MicroUsd::ZERO - by,
            })
        })
        .collect();
    // Together where none does alone, or more than the best of them.
    let best = |from: &str| all.iter().filter(|s| s.from == from).map(|s| s.monthly).max().unwrap_or_default();
    let shares: BTreeMap<(usize, usize), MicroUsd> =
        explanations.iter().map(|e| ((e.component, e.place), e.share.total())).collect();
    let share = |i: usize, l: usize| shares.get(&(i, l)).copied().unwrap_or_default();
    let mut groups: Vec<Saving> = Vec::new();
    for (from, to, movers, monthly) in together(&placed.month, &placed.monthly) {
        let paid: MicroUsd = movers.iter().map(|i| share(*i, from)).sum();
        let least = MicroUsd(paid.0 / 10_000 * i64::from(settings.hysteresis.0));
        let from = model.clusters[from].name.clone();
        let worth = monthly > least.max(settings.move_cost.times(movers.len() as u64)) && monthly > best(&from);
        if worth && groups.iter().all(|g| g.from != from) {
            let components = movers.iter().map(|i| model.components[*i].name.clone()).collect();
            groups.push(Saving { components, from, to: model.clusters[to].name.clone(), monthly });
        }
    }
    all.extend(groups);
    all.sort_by(|a, b| (b.monthly, &a.components).cmp(&(a.monthly, &b.components)));
    all
}

/// How far the largest prices may move.
pub(super) fn sensitivity(model: &Model, placed: &Placed, limits: &Limits) -> Vec<PriceRange> {
    let problem = &placed.month;
    let place = |l: usize| &model.clusters[l].name;
    let words = |item: Item| match item {
        Item::Nodes(l, t) => format!("nodes {} on {}", problem.places[l].offers[t].name, place(l)),
        Item::Fee(l) => format!("control plane of {}", place(l)),
        Item::Meter(m) => format!("data {}", problem.meters[m].name),
    };
    let range = |r: sensitivity::Range| PriceRange {
        price: words(r.item),
        monthly: r.cost,
        rise: r.changes_at.map(|at| at - 1000),
        fall: r.falls_to.map(|at| 1000 - at),
        looked_up_to: r.far - 1000,
        exact: r.proven,
    };
    sensitivity::sensitivity(problem, &placed.monthly, limits).into_iter().map(range).collect()
}

/// Components in few words.
fn who(components: &[String]) -> String {
    match components {
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    }
}

/// What single moves would save, in words.
pub(super) fn savings(report: &PlacementReport) -> Option<Note> {
    let first = report.savings.first()?;
    let more = match report.savings.len() - 1 {
        0 => String::new(),
        1 => ", and there is one more such move".to_owned(),
        n => format!(", and there are {n} more such moves"),
    };
    let text = format!(
        "moving {} from {} to {} would save {}/month{more}; nothing moves for a price alone: `--reoptimize` reconsiders",
        who(&first.components),
        first.from,
        first.to,
        first.monthly
    );
    Some(Note { topic: "saving".into(), text })
}

/// What solved it, with versions.
fn solver(placed: &Placed) -> String {
    match place::mixed_solver().filter(|_| placed.solution.mixed) {
        Some(mixed) => format!("{SOLVER} with {mixed}"),
        None => SOLVER.into(),
    }
}

/// Days of the prices.
fn prices(model: &Model) -> Option<PricesReport> {
    model.prices.as_ref().map(|prices| PricesReport {
        planned_on: None,
        profiles: prices
            .profiles
            .iter()
            .map(|p| ProfilePrices { profile: p.profile.clone(), as_of: p.as_of, edited: p.edited })
            .collect(),
        others_by_hand: prices.by_hand,
    })
}

/// Why here, in one clause.
pub(super) fn reason(model: &Model, placed: &Placed, e: &Explanation) -> String {
    let component = &model.components[e.component];
    if let Some((strategy, division)) = component.strategy.as_ref().zip(placed.present.divisions.get(&component.name)) {
        return division.reason(strategy.name, &model.clusters[e.place].name);
    }
    let required: Vec<&str> = component
        .required
        .iter()
        .filter(|g| g.any_of.iter().any(|f| f.clusters.contains(&e.place)))
        .flat_map(|g| g.any_of.iter().map(|f| f.text.as_str()))
        .collect();
    if !required.is_empty() {
        return format!("required ({})", required.join(" or "));
    }
    let open: Vec<&(usize, Verdict)> = e
        .others
        .iter()
        .filter(|(_, v)| !matches!(v, Verdict::Excluded(..) | Verdict::Taken | Verdict::Pinned | Verdict::Required(_)))
        .collect();
    let places = model.clusters.len();
    if places == 1 {
        return "the only cluster".into();
    }
    if open.is_empty() && e.others.iter().all(|(_, v)| matches!(v, Verdict::Excluded(..))) {
        return match e.others.first() {
            Some((_, Verdict::Excluded(why, _))) => format!("the only place allowed: elsewhere {why}"),
            _ => "the only place allowed".into(),
        };
    }
    if placed.problem.components[e.component].pinned && placed.solution.method == Method::Recorded {
        return "stays where it runs".into();
    }
    // What a cheaper place lacks.
    let cheaper =
        |(_, v): &&&(usize, Verdict)| matches!(v, Verdict::Weighed { by, counted } if by.0 < 0 && counted.0 > 0);
    if let Some((place, _)) = open.iter().find(cheaper) {
        let lacks = component
            .preferred
            .iter()
            .find(|p| p.places.clusters.contains(&e.place) && !p.places.clusters.contains(place));
        return lacks.map_or_else(|| "preferred".into(), |p| format!("preferred ({})", p.places.text));
    }
    // A cheaper-looking place that a constraint rules out is worth more words than a dearer one.
    let too_far = open.iter().find_map(|(place, v)| match v {
        Verdict::TooFar { .. } => Some(format!("{} is too far", model.clusters[*place].name)),
        Verdict::NoRoom => Some(format!("no room on {}", model.clusters[*place].name)),
        Verdict::TooNarrow { .. } => Some(format!("the way to {} is too narrow", model.clusters[*place].name)),
        Verdict::Crowded(_) => Some(format!("not beside what is on {}", model.clusters[*place].name)),
        _ => None,
    });
    match too_far {
        Some(text) if e.runner_up.is_none() => format!("the only place left: {text}"),
        Some(text) => format!("cheapest; {text}"),
        None if open.iter().any(|(_, v)| matches!(v, Verdict::Unvalued)) => {
            "cheapest; what others cost was not asked".into()
        }
        None => "cheapest".into(),
    }
}

fn excluded(model: &Model, place: usize, verdict: &Verdict) -> Option<ExcludedPlace> {
    let reason = match verdict {
        Verdict::Excluded(reason, _) => reason.clone(),
        Verdict::NoRoom => "no room".into(),
        Verdict::TooFar { .. } => "too far".into(),
        Verdict::TooNarrow { .. } => "the way is too narrow".into(),
        Verdict::Crowded(_) => "may not come together with what runs there".into(),
        Verdict::Required(group) => format!("needed where it is ({group})"),
        Verdict::Pinned => "it stays where it runs".into(),
        Verdict::Taken | Verdict::Dearer(_) | Verdict::Weighed { .. } | Verdict::Unvalued => return None,
    };
    Some(ExcludedPlace { cluster: model.clusters[place].name.clone(), reason })
}

fn clusters(model: &Model, placed: &Placed) -> Vec<PlacedCluster> {
    let used = |i: usize| placed.solution.instances.iter().flatten().any(|p| *p == i);
    let mut out = Vec::new();
    for (i, cluster) in model.clusters.iter().enumerate() {
        let counts = &placed.monthly.nodes[i];
        let idle = idle_fee(&placed.month, &placed.monthly, &placed.present, i);
        if !used(i) && counts.iter().all(|n| *n == 0) && idle == MicroUsd::ZERO {
            continue;
        }
        let place = &placed.month.places[i];
        let nodes: Vec<PlacedNodes> = place
            .offers
            .iter()
            .zip(counts)
            .filter(|(_, n)| **n > 0)
            .map(|(offer, n)| PlacedNodes {
                pool: offer.name.clone(),
                count: *n,
                monthly: offer.price.times(u64::from(*n)),
            })
            .collect();
        let fee = if used(i) || place.kept { place.fee } else { idle };
        out.push(PlacedCluster {
            cluster: cluster.name.clone(),
            site: site(cluster),
            monthly: fee + nodes.iter().map(|n| n.monthly).sum(),
            fee,
            nodes,
        });
    }
    out
}

pub(super) fn site(cluster: &Cluster) -> String {
    cluster.site.as_ref().map_or_else(String::new, |s| format!("{}/{}/{}", s.platform.word(), s.region, s.zone))
}

fn flows(model: &Model, placed: &Placed) -> Vec<PlacedFlow> {
    let mut out = Vec::new();
    for (i, flow) in placed.month.flows.iter().enumerate() {
        let ways = placed.monthly.instances[flow.from].iter().zip(&placed.monthly.targets[i]);
        out.extend(ways.map(|(from, to)| self::flow(model, placed, i, *from, *to)));
    }
    out
}

/// A flow from an instance at one place to one at another.
pub(super) fn flow(model: &Model, placed: &Placed, index: usize, from: usize, to: usize) -> PlacedFlow {
    let (flow, route) = (&placed.month.flows[index], &placed.month.routes[from][to]);
    PlacedFlow {
        from: (model.components[flow.from].name.clone(), model.clusters[from].name.clone()),
        to: (model.components[flow.to].name.clone(), model.clusters[to].name.clone()),
        latency: if from == to { None } else { route.latency },
        bound: flow.latency,
        bytes: placed.month.bytes(flow, from),
        once: matches!(model.flows[index].volume, Volume::Total(_)),
        meter: route.meter.map(|m| placed.month.meters[m].name.clone()),
    }
}
