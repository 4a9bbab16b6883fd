//! Random problems for tests, from a seed.
#![allow(clippy::expect_used, clippy::panic, clippy::needless_range_loop, reason = "tests")]

use super::{
    dice::Dice,
    problem::{
        Candidate, Component, Demand, Exclusion, Fit, Flow, Group, Meter, Offer, Place, PodGroup, Problem, Quota,
        Requirement, Resources, Route, Spread, Tier,
    },
};
use crate::{diagnostic::Origin, money::MicroUsd, quantity::Micros};

/// How large and what kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) components: usize,
    pub(super) places: usize,
    pub(super) offers: usize,
    /// Most replicas of a component.
    pub(super) replicas: usize,
    /// Per cent of candidates that are excluded.
    pub(super) excluded: usize,
    /// Per cent of components with several instances.
    pub(super) several: usize,
    /// Per cent of components with dedicated nodes.
    pub(super) dedicated: usize,
    /// Per cent of places with a quota, offers with a maximum, places with free nodes.
    pub(super) scarce: usize,
    /// Per cent of flows with a latency bound.
    pub(super) bounded: usize,
    /// Per cent of components that may not come together with some others.
    pub(super) apart: usize,
    /// Per cent of components that prefer some places.
    pub(super) picky: usize,
}

impl Shape {
    /// Small enough for the oracle, with everything in it.
    pub(super) fn small(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x51);
        Self {
            components: 1 + dice.below(4),
            places: 1 + dice.below(4),
            offers: 2,
            replicas: 2,
            excluded: [0, 20, 50][dice.below(3)],
            several: [0, 30, 60][dice.below(3)],
            dedicated: [0, 30][dice.below(2)],
            scarce: [0, 30, 60][dice.below(3)],
            bounded: [0, 50][dice.below(2)],
            apart: [0, 0, 40][dice.below(3)],
            picky: [0, 0, 50][dice.below(3)],
        }
    }
}

fn line(n: usize) -> Origin {
    Origin { file: "sample.yaml".into(), line: u32::try_from(n).unwrap_or(0) + 1, column: 1, start: 0, len: 0 }
}

fn size(milli_cpu: u64, gib: u64) -> Resources {
    Resources { milli_cpu, memory: gib << 30, gpus: 0, pods: 1 }
}

/// What a component has against places, from a generator of its own.
fn dislike(shape: Shape, seed: u64, i: usize) -> Vec<MicroUsd> {
    let mut dice = Dice::new(seed ^ 0xD15 ^ (i as u64) << 32);
    if dice.below(100) >= shape.picky {
        return Vec::new();
    }
    (0..shape.places).map(|_| MicroUsd([0, 5, 20, 80][dice.below(4)] * 1_000_000)).collect()
}

/// How much ways carry and flows need, from a generator of its own.
fn narrow(shape: Shape, seed: u64, routes: &mut [Vec<Route>], flows: &mut [Flow]) {
    let mut dice = Dice::new(seed ^ 0xBA4D);
    for (a, row) in routes.iter_mut().enumerate() {
        for (b, route) in row.iter_mut().enumerate() {
            route.bandwidth = (a != b && dice.below(4) > 0).then(|| 50_000_000 * (1 + dice.below(4) as u64));
        }
    }
    for flow in flows {
        flow.rate = (dice.below(100) < shape.bounded / 2).then(|| 50_000_000 * (1 + dice.below(4) as u64));
    }
}

/// What may not come together, from a generator of its own.
fn spreads(shape: Shape, seed: u64) -> Vec<Spread> {
    let mut dice = Dice::new(seed ^ 0x5B8D);
    let mut spreads = Vec::new();
    for i in 0..shape.components {
        if dice.below(100) >= shape.apart {
            continue;
        }
        let mut components: Vec<usize> = (0..dice.below(3)).map(|_| dice.below(shape.components)).collect();
        components.push(i);
        components.sort_unstable();
        components.dedup();
        // Every place by itself, pairs of places, or halves.
        let size = [1, 2, shape.places.div_ceil(2)][dice.below(3)];
        let all: Vec<usize> = (0..shape.places).collect();
        spreads.push(Spread {
            components,
            domains: all.chunks(size).map(<[usize]>::to_vec).collect(),
            most: 1 + dice.below(2) as u32,
            text: format!("at most a few near c{i:02}"),
            origin: line(250 + i),
        });
    }
    spreads
}

/// A problem of the shape.
pub(super) fn problem(shape: Shape, seed: u64) -> Problem {
    let mut dice = Dice::new(seed.wrapping_mul(0x9E37_79B9).wrapping_add(7));
    let mut percent = {
        let mut dice = Dice::new(seed ^ 0xABCD);
        move |p: usize| dice.below(100) < p
    };
    let dollars = |n: usize| MicroUsd(n as i64 * 1_000_000);
    let regions = shape.places.div_ceil(2);
    let mut places = Vec::new();
    for l in 0..shape.places {
        let factor = 80 + dice.below(50);
        let kinds = [(2_000, 8, 60), (4_000, 8, 100), (4_000, 16, 115), (8_000, 32, 210), (2_000, 4, 48)];
        let mut offers: Vec<Offer> = (0..1 + dice.below(shape.offers))
            .map(|t| {
                let (cpu, gib, price) = kinds[(dice.below(kinds.len()) + t) % kinds.len()];
                let gross = Resources { pods: 20, ..size(cpu, gib) };
                let usable = Resources { milli_cpu: cpu - cpu / 10, memory: (gib << 30) - (1 << 29), ..gross };
                let min = u32::from(percent(shape.scarce / 3));
                Offer {
                    name: format!("n{t}"),
                    offering: format!("o{t}"),
                    price: MicroUsd((price * factor * 10_000) as i64 + dice.below(1000) as i64),
                    gross,
                    usable,
                    min,
                    max: percent(shape.scarce).then(|| min + dice.below(4) as u32),
                }
            })
            .collect();
        let mut free = Vec::new();
        if percent(shape.scarce) {
            free = (0..1 + dice.below(2))
                .map(|_| Resources { pods: 10, ..size(1_000 + 500 * dice.below(5) as u64, 4) })
                .collect();
            if dice.below(2) == 0 {
                offers.clear();
            }
        }
        let quota = percent(shape.scarce).then(|| Quota {
            origin: line(200 + l),
            limit: Resources {
                milli_cpu: 2_000 * (1 + dice.below(6) as u64),
                memory: u64::MAX,
                gpus: u64::MAX,
                pods: if dice.below(2) == 0 { u64::MAX } else { 1 + dice.below(4) as u64 },
            },
        });
        let fee = if dice.below(3) == 0 { MicroUsd::ZERO } else { dollars(30 + dice.below(50)) };
        let kept = offers.iter().any(|o| o.min > 0) && l % 2 == 0;
        places.push(Place { name: format!("p{l:02}"), origin: line(l), fee, offers, free, kept, quota });
    }
    let mut components = Vec::new();
    for i in 0..shape.components {
        let shared = !percent(shape.dedicated);
        let pod = size([250, 500, 1_000, 1_500][dice.below(4)], [1, 2, 3][dice.below(3)]);
        let count = 1 + dice.below(shape.replicas) as u32;
        let two = percent(15);
        let candidates = (0..shape.places).map(|l| {
            if percent(shape.excluded) {
                return Candidate::Excluded(Exclusion { reason: "not permitted".into(), origin: Some(line(50 + i)) });
            }
            let offers = places[l].offers.len();
            if shared || offers == 0 {
                let only = (offers > 1 && percent(10)).then(|| vec![dice.below(offers)]);
                let spare = places[l].free.len();
                // Labels and taints of free nodes, from a generator of their own.
                let mut labels = Dice::new(seed ^ 0xF2EE ^ (i * 64 + l) as u64);
                let free =
                    (spare > 0 && labels.below(4) == 0).then(|| (0..spare).filter(|_| labels.below(2) == 0).collect());
                let mut groups = vec![PodGroup { size: pod, count, only, free }];
                if two {
                    groups.push(PodGroup { size: size(500, 1), count: 1, only: None, free: None });
                }
                return Candidate::Allowed(Demand::Shared(groups));
            }
            let mut anyof: Vec<(usize, u32)> =
                (0..1 + dice.below(2)).map(|_| (dice.below(offers), 1 + dice.below(2) as u32)).collect();
            anyof.dedup();
            Candidate::Allowed(Demand::Dedicated(vec![Requirement { origin: line(70 + i), anyof }]))
        });
        let candidates: Vec<Candidate> = candidates.collect();
        let mut groups = Vec::new();
        let (mut min, mut max) = (1, 1);
        if percent(shape.several) && shape.places > 1 {
            for g in 0..dice.below(3) {
                let mut at: Vec<usize> = (0..1 + dice.below(3)).map(|_| dice.below(shape.places)).collect();
                at.sort_unstable();
                at.dedup();
                groups.push(Group { places: at, text: format!("region: r{g}"), origin: line(90 + i) });
            }
            min = 1 + dice.below(2) as u32;
            max = min + dice.below(2) as u32;
        }
        let mut incumbent = Vec::new();
        if percent(25) {
            incumbent = vec![dice.below(shape.places)];
        }
        let pinned = percent(10);
        components.push(Component {
            name: format!("app/c{i:02}"),
            origin: line(30 + i),
            candidates,
            groups,
            min,
            max,
            incumbent,
            pinned,
            dislike: dislike(shape, seed, i),
            portions: Vec::new(),
        });
    }
    // Meters: free inside a region, one for every source region, one for every provider to outside.
    let tier =
        |up_to: Option<u64>, per_gb: i64| Tier { up_to: up_to.map(|g| g * 1_000_000_000), per_gb: MicroUsd(per_gb) };
    let mut meters = Vec::new();
    for r in 0..regions {
        meters.push(Meter { name: format!("r{r} inter-region"), tiers: vec![tier(None, 20_000)] });
        let out = if dice.below(2) == 0 {
            vec![tier(Some(100), 0), tier(Some(1_000), 90_000), tier(None, 85_000 - 5_000 * dice.below(3) as i64)]
        } else {
            vec![tier(None, 120_000)]
        };
        meters.push(Meter { name: format!("r{r} internet"), tiers: out });
    }
    let place_of: Vec<(usize, usize)> = (0..shape.places).map(|_| (dice.below(100), dice.below(100))).collect();
    let routes = (0..shape.places)
        .map(|a| {
            (0..shape.places)
                .map(|b| {
                    let (d, e) = (place_of[a].0.abs_diff(place_of[b].0), place_of[a].1.abs_diff(place_of[b].1));
                    let region = |l: usize| l / 2;
                    let meter = if region(a) == region(b) {
                        None
                    } else if region(a) % 2 == region(b) % 2 {
                        Some(2 * region(a))
                    } else {
                        Some(2 * region(a) + 1)
                    };
                    let latency = if a == b { 500 } else { 1_000 + 1_000 * (d + e) as u64 };
                    let known = a == b || dice.below(30) > 0;
                    Route { latency: known.then_some(Micros(latency)), bandwidth: None, meter }
                })
                .collect()
        })
        .collect();
    let mut flows = Vec::new();
    for j in 1..shape.components {
        for _ in 0..1 + dice.below(2) {
            let i = j.saturating_sub(1 + dice.below(4));
            let (from, to) = if dice.below(4) == 0 { (j, i) } else { (i, j) };
            if flows.iter().any(|f: &Flow| (f.from, f.to) == (from, to)) {
                continue;
            }
            let gb = [0, 1, 10, 100, 400, 1_500][dice.below(6)];
            let latency = percent(shape.bounded).then(|| Micros([20_000, 50_000, 90_000, 120_000][dice.below(4)]));
            flows.push(Flow {
                from,
                to,
                bytes: gb * 1_000_000_000 + dice.below(1_000) as u64,
                latency,
                rate: None,
                origin: line(150 + flows.len()),
            });
        }
    }
    flows.sort_by_key(|f| (f.from, f.to));
    let mut routes: Vec<Vec<Route>> = routes;
    narrow(shape, seed, &mut routes, &mut flows);
    Problem {
        places,
        components,
        flows,
        routes,
        meters,
        strict_latency: dice.below(3) == 0,
        move_cost: dollars(dice.below(2) * 15),
        spreads: spreads(shape, seed),
        fit: Fit::Scheduler,
    }
}
