//! skybench-1: the instances that placement is measured on, from a seed.
//!
//! The definition is `docs/placement.md`; the draws come in the order it gives, so that every
//! implementation makes the same instances. For tests and benchmarks only.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "measured data"
)]

use super::{
    dice::Dice,
    problem::{
        Candidate, Component, Demand, Exclusion, Fit, Flow, Meter, Offer, Place, PodGroup, Problem, Quota, Requirement,
        Resources, Route, Tier,
    },
};
use crate::{diagnostic::Origin, money::MicroUsd, quantity::Micros};

/// What is asked of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// Every replica buys the cheapest node that fits it; nothing is shared and nothing scarce.
    A,
    /// Shared nodes in whole numbers, cluster fees, free capacity, quotas; pods fit by sums and size classes.
    B,
}

/// Latitude, longitude and continent of the cities.
const METROS: [(f64, f64, &str); 17] = [
    (39.0, -77.0, "na"),
    (45.0, -122.0, "na"),
    (43.0, -79.0, "na"),
    (19.0, -99.0, "na"),
    (-23.0, -46.0, "sa"),
    (51.0, 0.0, "eu"),
    (50.0, 8.0, "eu"),
    (48.0, 2.0, "eu"),
    (59.0, 18.0, "eu"),
    (45.0, 9.0, "eu"),
    (25.0, 55.0, "me"),
    (19.0, 73.0, "as"),
    (1.0, 104.0, "as"),
    (35.0, 139.0, "as"),
    (37.0, 127.0, "as"),
    (-34.0, 151.0, "oc"),
    (-33.0, 18.0, "af"),
];
const CONTINENTS: [&str; 7] = ["af", "as", "eu", "me", "na", "oc", "sa"];

/// A provider's prices.
struct Provider {
    name: &'static str,
    /// Micro-dollars per 10⁹ bytes, to the internet and to its other regions.
    internet: i64,
    region: i64,
    /// Dollars a month for a cluster.
    fee: i64,
    /// Dollars an hour for a CPU and for a GiB.
    cpu: f64,
    memory: f64,
}

const fn provider(name: &'static str, internet: i64, region: i64, fee: i64, cpu: f64, memory: f64) -> Provider {
    Provider { name, internet, region, fee, cpu, memory }
}

const PROVIDERS: [Provider; 5] = [
    provider("aws", 90_000, 20_000, 73, 0.0300, 0.0040),
    provider("gcp", 120_000, 20_000, 73, 0.0290, 0.0039),
    provider("azure", 87_000, 20_000, 0, 0.0310, 0.0042),
    provider("budget", 10_000, 0, 0, 0.0120, 0.0020),
    provider("onprem", 0, 0, 0, 0.0200, 0.0030),
];

/// CPUs, GiB per CPU, GPUs.
const TYPES: [(u64, u64, u64); 10] =
    [(2, 2, 0), (2, 4, 0), (4, 2, 0), (4, 4, 0), (8, 4, 0), (16, 4, 0), (8, 8, 0), (16, 2, 0), (32, 4, 0), (16, 4, 1)];

/// Locations, types and providers that make up so many offers.
fn shape(offers: usize) -> (usize, &'static [usize], usize) {
    match offers {
        10 => (5, &[3, 9], 2),
        50 => (10, &[1, 3, 4, 6, 9], 3),
        200 => (25, &[1, 2, 3, 4, 5, 6, 8, 9], 4),
        10_000 => (1000, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 5),
        _ => (50, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 5),
    }
}

/// The draws of one stream.
struct Stream(Dice);

impl Stream {
    fn new(seed: u64, stream: u64) -> Self {
        let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (stream + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
        Self(Dice::new(mixed))
    }

    /// At least 0 and less than 1.
    fn part(&mut self) -> f64 {
        (self.0.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.part() * n as f64) as usize
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn weighted<T: Copy>(&mut self, all: &[T], weights: &[f64]) -> T {
        let mut left = self.part() * weights.iter().sum::<f64>();
        for (value, weight) in all.iter().zip(weights) {
            left -= weight;
            if left < 0.0 {
                return *value;
            }
        }
        all[all.len() - 1]
    }
}

struct Location {
    provider: usize,
    continent: &'static str,
    latitude: f64,
    longitude: f64,
    factor: f64,
}

struct Wish {
    cpu: u64,
    memory: u64,
    gpu: u64,
    replicas: u64,
    permitted: Vec<bool>,
    home: usize,
}

fn kilometres(a: &Location, b: &Location) -> f64 {
    let (la, lo) = (a.latitude.to_radians(), a.longitude.to_radians());
    let (ma, mo) = (b.latitude.to_radians(), b.longitude.to_radians());
    let h = ((ma - la) / 2.0).sin().powi(2) + la.cos() * ma.cos() * ((mo - lo) / 2.0).sin().powi(2);
    2.0 * 6371.0 * h.sqrt().asin()
}

/// Microseconds, in steps of ten.
fn latency(locations: &[Location], a: usize, b: usize) -> u64 {
    if a == b {
        return 500;
    }
    let far = if locations[a].provider == locations[b].provider { 0.0 } else { 2.0 };
    ((1.0 + 0.015 * kilometres(&locations[a], &locations[b]) + far) * 100.0).round_ties_even() as u64 * 10
}

fn line() -> Origin {
    Origin::file("skybench")
}

/// Nodes give 90 % of their CPUs and 85 % of their memory.
fn offers_at(location: &Location, types: &[usize], draws: &mut Stream) -> Vec<Offer> {
    let own = &PROVIDERS[location.provider];
    let offers = types.iter().map(|t| {
        let (cpu, per_cpu, gpus) = TYPES[*t];
        let hourly = (cpu as f64 * own.cpu + (cpu * per_cpu) as f64 * own.memory + gpus as f64 * 0.9)
            * location.factor
            * (0.95 + 0.1 * draws.part());
        let cents = (hourly * 730.0 * 100.0).round_ties_even() as i64;
        let gross = Resources { milli_cpu: cpu * 1_000, memory: (cpu * per_cpu) << 30, gpus, pods: 1_000 };
        let usable = Resources { milli_cpu: cpu * 900, memory: ((gross.memory >> 20) * 85 / 100) << 20, ..gross };
        let name = format!("t{t}");
        Offer { name: name.clone(), offering: name, price: MicroUsd(cents * 10_000), gross, usable, min: 0, max: None }
    });
    offers.collect()
}

fn wishes(n: usize, locations: &[Location], providers: usize, seed: u64) -> Vec<Wish> {
    let mut draws = Stream::new(seed, 3);
    let homes: Vec<usize> = (0..3.min(locations.len())).map(|_| draws.below(locations.len())).collect();
    let mut wishes = Vec::with_capacity(n);
    for _ in 0..n {
        let cpu = draws.weighted(&[250, 500, 1_000, 2_000, 4_000], &[30.0, 30.0, 20.0, 15.0, 5.0]);
        let memory = cpu * draws.weighted(&[1, 2, 4, 8], &[20.0, 40.0, 30.0, 10.0]) * 1024 / 1000;
        let replicas = draws.weighted(&[1, 2, 3, 5], &[40.0, 30.0, 20.0, 10.0]);
        let gpu = u64::from(draws.part() < 0.05);
        let home = draws.pick(&homes);
        let kind = draws.part();
        let permitted: Vec<bool> = if kind < 0.40 {
            vec![true; locations.len()]
        } else if kind < 0.80 {
            let (one, two) = (draws.pick(&CONTINENTS), draws.pick(&CONTINENTS));
            let fine = [locations[home].continent, one, two];
            locations.iter().map(|l| fine.contains(&l.continent)).collect()
        } else if kind < 0.95 {
            let fine = [locations[home].provider, draws.below(providers)];
            locations.iter().map(|l| fine.contains(&l.provider)).collect()
        } else {
            (0..locations.len()).map(|l| l == home).collect()
        };
        wishes.push(Wish { cpu, memory, gpu, replicas: if gpu > 0 { 1 } else { replicas }, permitted, home });
    }
    wishes
}

fn flows(wishes: &[Wish], locations: &[Location], seed: u64) -> Vec<Flow> {
    let mut draws = Stream::new(seed, 4);
    let mut flows: Vec<Flow> = Vec::new();
    for to in 1..wishes.len() {
        for _ in 0..1 + usize::from(draws.part() < 0.5) {
            let low = to.saturating_sub(10);
            let from = low + draws.below(to - low);
            let gigabytes = (draws.part() * 5000_f64.ln()).exp().round_ties_even() as u64;
            let bounded = draws.part() < 0.30;
            let bound = draws.pick(&[20_u64, 50, 100, 200]);
            if flows.iter().any(|f| (f.from, f.to) == (from, to)) {
                continue;
            }
            let least = latency(locations, wishes[from].home, wishes[to].home).div_ceil(1000);
            flows.push(Flow {
                from,
                to,
                bytes: gigabytes * 1_000_000_000,
                latency: bounded.then(|| Micros(bound.max(least) * 1000)),
                rate: None,
                origin: line(),
            });
        }
    }
    flows.sort_by_key(|f| (f.from, f.to));
    flows
}

/// What a component needs at a place.
fn demand(wish: &Wish, offers: &[Offer], model: Model) -> Demand {
    let size = Resources { milli_cpu: wish.cpu, memory: wish.memory << 20, gpus: wish.gpu, pods: 1 };
    let count = wish.replicas as u32;
    match model {
        Model::B => Demand::Shared(vec![PodGroup { size, count, only: None, free: None }]),
        Model::A => {
            let fits = |o: &Offer| {
                size.milli_cpu <= o.usable.milli_cpu && size.memory <= o.usable.memory && size.gpus <= o.usable.gpus
            };
            let fitting = offers.iter().enumerate().filter(|(_, o)| fits(o)).map(|(t, _)| (t, count));
            Demand::Dedicated(vec![Requirement { origin: line(), anyof: fitting.collect() }])
        }
    }
}

/// An instance with `n` components and so many offers (10, 50, 200, 500, or 10 000).
pub(crate) fn problem(n: usize, offers: usize, seed: u64, model: Model) -> Problem {
    let (count, types, providers) = shape(offers);
    let mut draws = Stream::new(seed, 1);
    let locations: Vec<Location> = (0..count)
        .map(|l| {
            let (latitude, longitude, continent) = METROS[draws.below(METROS.len())];
            Location {
                provider: l % providers,
                continent,
                latitude: latitude + draws.part() * 2.0 - 1.0,
                longitude: longitude + draws.part() * 2.0 - 1.0,
                factor: 0.85 + 0.5 * draws.part(),
            }
        })
        .collect();
    let mut draws = Stream::new(seed, 2);
    let catalogue: Vec<Vec<Offer>> = locations.iter().map(|l| offers_at(l, types, &mut draws)).collect();
    let wishes = wishes(n, &locations, providers, seed);
    let flows = flows(&wishes, &locations, seed);
    let mut draws = Stream::new(seed, 5);
    let total: u64 = wishes.iter().map(|w| w.cpu * w.replicas).sum();
    let mut places = Vec::with_capacity(count);
    for (l, (location, offers)) in locations.iter().zip(catalogue).enumerate() {
        let load: u64 = wishes.iter().filter(|w| w.home == l).map(|w| w.cpu * w.replicas).sum();
        let limit = (draws.part() < 0.5).then(|| 64_000.max(2 * load).max((0.10 * total as f64) as u64));
        let free = (draws.part() < 0.2).then(|| (0.03 * total as f64) as u64 + 4000);
        let none = u64::MAX;
        let place = Place {
            name: format!("l{l:04}"),
            origin: line(),
            fee: if free.is_some() { MicroUsd::ZERO } else { MicroUsd(PROVIDERS[location.provider].fee * 1_000_000) },
            offers,
            free: free
                .map(|cpu| Resources { milli_cpu: cpu, memory: (cpu * 4 * 1024 / 1000) << 20, gpus: 0, pods: 1_000 })
                .into_iter()
                .collect(),
            kept: false,
            quota: limit.map(|milli_cpu| Quota {
                origin: line(),
                limit: Resources { milli_cpu, memory: none, gpus: none, pods: none },
            }),
        };
        places.push(match model {
            Model::B => place,
            Model::A => Place { fee: MicroUsd::ZERO, free: Vec::new(), quota: None, ..place },
        });
    }
    let components = wishes.iter().enumerate().map(|(i, wish)| Component {
        name: format!("c{i:04}"),
        origin: line(),
        candidates: (0..count)
            .map(|l| {
                let reason = |text: &str| Candidate::Excluded(Exclusion { reason: text.into(), origin: None });
                let own = demand(wish, &places[l].offers, model);
                match &own {
                    _ if !wish.permitted[l] => reason("not permitted"),
                    Demand::Dedicated(entries) if entries[0].anyof.is_empty() => reason("no offer fits"),
                    _ => Candidate::Allowed(own),
                }
            })
            .collect(),
        groups: Vec::new(),
        min: 1,
        max: 1,
        incumbent: Vec::new(),
        pinned: false,
        dislike: Vec::new(),
        portions: Vec::new(),
    });
    let components = components.collect();
    let flat = |name: String, per_gb: i64| Meter { name, tiers: vec![Tier { up_to: None, per_gb: MicroUsd(per_gb) }] };
    let meters = PROVIDERS[..providers].iter().flat_map(|p| {
        [flat(format!("{} to regions", p.name), p.region), flat(format!("{} to internet", p.name), p.internet)]
    });
    let route = |a: usize, b: usize| {
        let (from, to) = (locations[a].provider, locations[b].provider);
        let meter = if a == b { None } else { Some(2 * from + usize::from(from != to)) };
        Route { latency: Some(Micros(latency(&locations, a, b))), bandwidth: None, meter }
    };
    let routes = (0..count).map(|a| (0..count).map(|b| route(a, b)).collect()).collect();
    Problem {
        meters: meters.collect(),
        routes,
        places,
        components,
        flows,
        strict_latency: false,
        move_cost: MicroUsd::ZERO,
        spreads: Vec::new(),
        fit: if model == Model::B { Fit::Cover } else { Fit::Scheduler },
    }
}
