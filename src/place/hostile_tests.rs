//! Numbers that nobody means: a bounded run without panics, overflows or a checker that disagrees.
#![allow(clippy::expect_used, reason = "tests")]

use super::{
    amounts::{too_large, within},
    check::check,
    explain::explain,
    problem::{Candidate, Demand, Fit, Flow, Limits, PodGroup, Problem, Quota, Resources},
    samples::{Shape, problem},
    search::find,
};
use crate::money::MicroUsd;

/// Small and wide problems, for every way to fit.
fn bases() -> Vec<Problem> {
    let wide = Shape { components: 15, places: 5, ..Shape::small(2) };
    let mut all = Vec::new();
    for fit in [Fit::Scheduler, Fit::Cover, Fit::Sum] {
        all.extend((0..2).map(|seed| Problem { fit, ..problem(Shape::small(seed), seed) }));
        all.push(Problem { fit, ..problem(wide, 1) });
    }
    all
}

/// Solves with little work; whatever is found is right.
fn bounded(problem: &Problem) {
    let limits = Limits { nodes: 5, moves: 200, gap_ppm: 0, ..Limits::default() };
    if let Ok(found) = find(problem, &limits) {
        assert_eq!(check(problem, &found), Ok(()));
        assert!(found.bound <= found.cost.decided());
    }
}

fn pods(problem: &mut Problem, change: impl Fn(&mut PodGroup)) {
    for candidate in problem.components.iter_mut().flat_map(|c| &mut c.candidates) {
        if let Candidate::Allowed(Demand::Shared(groups)) = candidate {
            groups.iter_mut().for_each(&change);
        }
    }
}

#[test]
fn nothing_to_buy_and_nowhere_to_go() {
    for base in bases() {
        let mut bare = base.clone();
        for place in &mut bare.places {
            place.offers.clear();
            place.free.clear();
        }
        pods(&mut bare, |g| g.only = None);
        for candidate in bare.components.iter_mut().flat_map(|c| &mut c.candidates) {
            if matches!(candidate, Candidate::Allowed(Demand::Dedicated(_))) {
                *candidate = Candidate::Allowed(Demand::Shared(Vec::new()));
            }
        }
        bounded(&bare);
    }
    bounded(&Problem::default());
}

#[test]
fn prices_near_the_largest_number() {
    for base in bases() {
        for price in [i64::MAX, i64::MAX / 4, 1 << 53] {
            let mut dear = base.clone();
            for place in &mut dear.places {
                place.fee = MicroUsd(price);
                place.offers.iter_mut().for_each(|o| o.price = MicroUsd(price));
            }
            dear.move_cost = MicroUsd(price);
            for tier in dear.meters.iter_mut().flat_map(|m| &mut m.tiers) {
                tier.per_gb = MicroUsd(price);
            }
            bounded(&dear);
        }
    }
}

#[test]
fn sizes_near_the_largest_number() {
    for base in bases() {
        for amount in [1_000_000_000_000_000_000, u64::MAX] {
            let mut large = base.clone();
            pods(&mut large, |g| {
                g.size = Resources { milli_cpu: amount, memory: amount, gpus: amount, pods: 1 };
                g.count = u32::MAX;
            });
            bounded(&large);
            for offer in large.places.iter_mut().flat_map(|p| &mut p.offers) {
                offer.usable = Resources { milli_cpu: amount, memory: amount, gpus: amount, pods: amount };
                offer.gross = offer.usable;
            }
            bounded(&large);
            pods(&mut large, |g| g.count = 3);
            bounded(&large);
            let mut flooded = base.clone();
            flooded.flows.iter_mut().for_each(|f| f.bytes = amount / 1_000);
            bounded(&flooded);
            let mut roomy = base.clone();
            for place in &mut roomy.places {
                place.free = vec![Resources { milli_cpu: amount, memory: amount, gpus: amount, pods: amount }; 3];
                if let Some(quota) = &mut place.quota {
                    quota.limit = Resources { milli_cpu: amount, memory: 0, gpus: amount, pods: amount };
                }
            }
            bounded(&roomy);
        }
    }
}

#[test]
fn rows_that_contradict_each_other() {
    for base in bases() {
        let mut none = base.clone();
        let origin = none.components[0].origin.clone();
        for place in &mut none.places {
            place.quota = Some(Quota { origin: origin.clone(), limit: Resources::default() });
            place.offers.iter_mut().for_each(|o| {
                o.min = 5;
                o.max = Some(2);
            });
        }
        bounded(&none);
        let mut near = base.clone();
        near.flows.iter_mut().for_each(|f| f.latency = Some(crate::quantity::Micros(0)));
        near.strict_latency = true;
        bounded(&near);
        let mut many = base.clone();
        many.components.iter_mut().for_each(|c| (c.min, c.max) = (u32::MAX, u32::MAX));
        bounded(&many);
    }
}

/// A million are refused ([`super::amounts`]): of these all that is done is bounded.
#[test]
fn ten_thousand_flows() {
    let shape = Shape { components: 15, places: 4, ..Shape::small(1) };
    let limits = Limits { nodes: 5, moves: 200, gap_ppm: 0, ..Limits::default() };
    // One that has a placement: else there would be nothing to do.
    let quiet = |seed: &u64| Problem { flows: Vec::new(), ..problem(shape, *seed) };
    let seed = (0..50).find(|seed| find(&quiet(seed), &limits).is_ok()).expect("some problem has a placement");
    let mut busy = quiet(&seed);
    let one = Flow { latency: None, rate: None, ..problem(shape, 1).flows[0].clone() };
    busy.flows = (0..10_000)
        .map(|k| Flow { from: k % 15, to: (k / 15) % 15, bytes: k as u64 * 1_000_000, ..one.clone() })
        .filter(|f| f.from != f.to)
        .collect();
    let found = find(&busy, &limits).expect("what has no bounds does not stand against it");
    assert_eq!(check(&busy, &found), Ok(()));
    assert_eq!(explain(&busy, &found).len(), found.instances.iter().map(Vec::len).sum::<usize>());
}

#[test]
fn what_cannot_be_added_up_is_refused() {
    assert!(within(50_000, 200_000).is_ok());
    for (components, flows) in [(100_000, 0), (15, 1_000_000)] {
        assert_eq!(within(components, flows).expect_err("too many").code, "SKY0412");
    }
    let hour = crate::quantity::Micros(3_600_000_000);
    let codes = |problem: &Problem| -> Vec<String> {
        too_large(problem, hour).iter().map(|d| format!("{} {}", d.code, d.summary)).collect()
    };
    let base = problem(Shape::small(1), 1);
    assert!(!base.flows.is_empty() && codes(&base).is_empty());
    // Together they are too much, though none is.
    let mut flooded = base.clone();
    let one = base.flows[0].clone();
    flooded.flows = vec![Flow { bytes: 1_000_000_000_000_000_000, ..one }; 20];
    assert_eq!(codes(&flooded).len(), 1);
    assert!(codes(&flooded)[0].starts_with("SKY0412 all flows together carry"), "{:?}", codes(&flooded));
    let mut dear = base.clone();
    dear.places[0].fee = MicroUsd(i64::MAX);
    dear.move_cost = MicroUsd(i64::MAX);
    for offer in dear.places.iter_mut().flat_map(|p| &mut p.offers) {
        offer.price = MicroUsd(i64::MAX / 4);
    }
    let offered = dear.places.iter().filter(|p| !p.offers.is_empty()).count();
    assert_eq!(codes(&dear).len(), 2 + offered, "{:?}", codes(&dear));
}
