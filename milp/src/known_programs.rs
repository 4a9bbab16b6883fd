//! Small programs whose answers are known, and the budgets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{Budget, Column, End, Program, Row, minimise, version};

const ALL: Budget = Budget { iterations: 1_000_000, nodes: 100_000, stall: 100_000, gap: 0.0, seconds: 60.0 };

/// Choose among things of some weights and worths, within a capacity; worths are negative costs.
fn knapsack(count: usize) -> Program {
    let weight = |i: usize| (37 * i % 41 + 20) as f64;
    let columns = (0..count).map(|i| Column {
        cost: -(weight(i) + (i * 17 % 7) as f64 / 8.0),
        least: 0.0,
        most: 1.0,
        whole: true,
    });
    let entries = |k: usize| (0..count).map(|i| (i, weight((i * (k + 1)) % count))).collect();
    let total: f64 = (0..count).map(weight).sum();
    let rows = (0..3).map(|k| Row { entries: entries(k), least: f64::NEG_INFINITY, most: (total / 2.0).floor() });
    Program { columns: columns.collect(), rows: rows.collect() }
}

/// Split numbers into halves of equal sums, several times at once: easy to write down, hard to solve.
fn market_split() -> Program {
    let (rows, count) = (5, 40);
    let number = |r: usize, c: usize| ((r + 1) * (c + 3).pow(3) * 31 % 1009 % 100) as f64;
    let mut program = Program::default();
    program.columns.resize(count, Column { cost: 0.0, least: 0.0, most: 1.0, whole: true });
    for r in 0..rows {
        let off = program.columns.len();
        program.columns.resize(off + 2, Column { cost: 1.0, least: 0.0, most: 1e4, whole: false });
        let half = ((0..count).map(|c| number(r, c)).sum::<f64>() / 2.0).floor();
        let entries = (0..count).map(|c| (c, number(r, c))).chain([(off, 1.0), (off + 1, -1.0)]);
        program.rows.push(Row { entries: entries.collect(), least: half, most: half });
    }
    program
}

fn value(program: &Program, point: &[f64]) -> f64 {
    program.columns.iter().zip(point).map(|(c, x)| c.cost * x).sum()
}

/// The least cost by trying everything.
fn by_force(program: &Program) -> f64 {
    let count = program.columns.len();
    let mut best = f64::INFINITY;
    for mask in 0..1_u32 << count {
        let point: Vec<f64> = (0..count).map(|i| f64::from(mask >> i & 1)).collect();
        let fits = program.rows.iter().all(|r| r.entries.iter().map(|(c, v)| v * point[*c]).sum::<f64>() <= r.most);
        if fits {
            best = best.min(value(program, &point));
        }
    }
    best
}

#[test]
fn finds_what_trying_everything_finds() {
    for count in [1, 5, 12] {
        let program = knapsack(count);
        let found = minimise(&program, None, &ALL, &|| false);
        assert_eq!(found.end, End::Best);
        let point = found.point.expect("nothing at all is a point");
        let best = by_force(&program);
        assert!((value(&program, &point) - best).abs() < 1e-6 && (found.bound - best).abs() < 1e-4, "{count}");
    }
}

#[test]
fn a_budget_of_work_ends_it_at_the_same_point_every_time() {
    let program = market_split();
    let few = Budget { iterations: 5_000, ..ALL };
    let first = minimise(&program, None, &few, &|| false);
    assert_eq!(first.end, End::Work, "{first:?}");
    for _ in 0..3 {
        let next = minimise(&program, None, &few, &|| false);
        assert_eq!((&next.point, next.bound.to_bits()), (&first.point, first.bound.to_bits()));
        assert_eq!((next.iterations, next.nodes), (first.iterations, first.nodes));
    }
}

#[test]
fn a_start_is_a_point_at_least_as_good_in_the_end() {
    let program = knapsack(40);
    let none = Budget { iterations: 0, nodes: 0, ..ALL };
    let start: Vec<Option<f64>> = (0..40).map(|i| Some(f64::from(u8::from(i < 12)))).collect();
    let point: Vec<f64> = start.iter().flatten().copied().collect();
    let found = minimise(&program, Some(&start), &none, &|| false);
    let reached = found.point.expect("the start is one");
    assert!(value(&program, &reached) <= value(&program, &point) + 1e-6);
    // What is no point at all does no harm.
    let wrong: Vec<Option<f64>> = vec![Some(1.0); 40];
    assert_eq!(minimise(&program, Some(&wrong), &ALL, &|| false).end, End::Best);
}

#[test]
fn says_when_there_is_nothing() {
    let column = Column { cost: 1.0, least: 0.0, most: 1.0, whole: true };
    let row = Row { entries: vec![(0, 2.0)], least: 1.0, most: 1.0 };
    let found = minimise(&Program { columns: vec![column], rows: vec![row] }, None, &ALL, &|| false);
    assert_eq!((found.end, found.point), (End::Infeasible, None));
    let found = minimise(&Program::default(), None, &ALL, &|| false);
    assert_eq!(found.end, End::Best);
}

#[test]
fn names_itself() {
    assert!(version().starts_with("1."), "{}", version());
}
