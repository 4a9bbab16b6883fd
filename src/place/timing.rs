//! How long larger problems take and how good the answers are; asserts the answers, not the time.
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a clock and a report, in tests only")]

use std::time::Instant;

use super::{
    problem::{Limits, Method, Problem},
    samples::{Shape, problem},
    search::solve,
};

fn ten() -> Shape {
    Shape {
        components: 10,
        places: 10,
        offers: 3,
        replicas: 3,
        excluded: 20,
        several: 0,
        dedicated: 0,
        scarce: 0,
        bounded: 30,
    }
}

fn kinds() -> Vec<(&'static str, Shape)> {
    vec![
        ("plain", ten()),
        ("all permitted", Shape { excluded: 0, bounded: 0, ..ten() }),
        ("few permitted", Shape { excluded: 60, ..ten() }),
        ("scarce", Shape { scarce: 40, ..ten() }),
        ("several", Shape { several: 30, ..ten() }),
        ("everything", Shape { several: 20, scarce: 30, dedicated: 20, ..ten() }),
    ]
}

fn large() -> Shape {
    Shape { components: 30, places: 50, several: 10, scarce: 15, dedicated: 10, excluded: 40, ..ten() }
}

fn timed(name: &str, seed: u64, problem: &Problem) -> Option<Method> {
    let start = Instant::now();
    let found = solve(problem, &Limits::default());
    let seconds = start.elapsed().as_secs_f64();
    match found {
        Ok(s) => {
            let (cost, bound) = (s.cost.total().0, s.bound.0);
            let gap = (cost - bound) as f64 / cost.max(1) as f64 * 100.0;
            eprintln!("{name:16} {seed:3} {seconds:7.3} s cost {:>12} gap {gap:6.3} % {:?}", s.cost.total().to_string(), s.method);
            Some(s.method)
        }
        Err(refusal) => {
            eprintln!("{name:16} {seed:3} {seconds:7.3} s infeasible, proven: {}", refusal.proven);
            None
        }
    }
}

#[test]
fn ten_by_ten_is_proven() {
    let problem = problem(ten(), 1);
    assert_eq!(timed("10x10", 1, &problem), Some(Method::Exact));
}

#[test]
#[ignore = "a report; run it in a release build"]
fn report_ten_by_ten() {
    for (name, shape) in kinds() {
        for seed in 0..10 {
            timed(name, seed, &problem(shape, seed));
        }
    }
}

#[test]
#[ignore = "a report; run it in a release build"]
fn report_thirty_by_fifty() {
    for seed in 0..5 {
        timed("30x50", seed, &problem(large(), seed));
        timed("30x50 plain", seed, &problem(Shape { components: 30, places: 50, ..ten() }, seed));
        timed("20x20", seed, &problem(Shape { components: 20, places: 20, ..ten() }, seed));
    }
}
