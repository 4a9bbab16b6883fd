//! A relaxation as a mixed-integer program, and what its points mean.

use skyplan_milp::{Column, Program, Row};

use super::super::{
    evaluate::Evaluator,
    lp::build::Model,
    problem::{Method, Problem},
};
use crate::money::MicroUsd;

/// Columns of the relaxation are whole; rows that may be exceeded at a price get a column for it, at the
/// end.
pub(super) fn write(model: &Model) -> Program {
    let lp = &model.lp;
    let mut program = Program::default();
    let blocked = lp.blocked();
    for (column, cost) in lp.cost.iter().enumerate() {
        let (least, most) = if column < blocked { (0.0, 1.0) } else { lp.boxes[column - blocked] };
        program.columns.push(Column { cost: *cost, least, most, whole: true });
    }
    for block in &lp.blocks {
        let entries = block.columns.clone().map(|c| (c, 1.0)).collect();
        program.rows.push(Row { entries, least: block.min, most: block.max });
    }
    for (row, (limit, cap)) in lp.limits.iter().zip(&lp.caps).enumerate() {
        let mut entries: Vec<(usize, f64)> = lp.entries(row).collect();
        if cap.is_finite() {
            entries.push((program.columns.len(), -1.0));
            let most = f64::INFINITY;
            program.columns.push(Column { cost: *cap, least: 0.0, most, whole: false });
        }
        program.rows.push(Row { entries, least: f64::NEG_INFINITY, most: *limit });
    }
    program
}

/// The assignment that a point stands for.
pub(super) fn read(model: &Model, point: &[f64]) -> Vec<Vec<usize>> {
    let set = |block: &super::super::lp::Block| {
        let mut set: Vec<usize> = block.columns.clone().filter(|c| point[*c] > 0.5).map(|c| model.places[c]).collect();
        set.sort_unstable();
        set
    };
    model.lp.blocks.iter().map(set).collect()
}

/// A value for every column from an assignment; the solver fills in what is `None`.
pub(super) fn start(
    problem: &Problem,
    eval: &mut Evaluator<'_>,
    model: &Model,
    program: &Program,
    instances: &[Vec<usize>],
) -> Option<Vec<Option<f64>>> {
    let solution = eval.solution(instances, MicroUsd::ZERO, Method::Budget)?;
    let mut start = vec![None; program.columns.len()];
    for (i, (block, set)) in model.lp.blocks.iter().zip(instances).enumerate() {
        for column in block.columns.clone() {
            start[column] = Some(f64::from(u8::from(set.contains(&model.places[column]))));
        }
        if set.iter().any(|l| model.at[i][*l].is_none()) {
            return None;
        }
    }
    for (l, site) in model.sites.iter().enumerate() {
        if let Some(open) = site.open {
            start[open] = Some(f64::from(u8::from(instances.iter().any(|set| set.contains(&l)))));
        }
        let place = &problem.places[l];
        for ((t, most), column) in site.useful.iter().zip(site.nodes..) {
            let mut count = solution.nodes[l][*t];
            for (set, own) in instances.iter().zip(&solution.dedicated) {
                let own = set.iter().zip(own).filter(|(place, _)| **place == l).flat_map(|(_, own)| own);
                count = own.filter(|(other, _)| other == t).fold(count, |count, (_, n)| count.saturating_sub(*n));
            }
            start[column] = Some(f64::from(count.saturating_sub(place.offers[*t].min).min(*most)));
        }
    }
    let own = model.lp.cost.len();
    let mut next = own;
    for (row, (limit, cap)) in model.lp.limits.iter().zip(&model.lp.caps).enumerate() {
        if cap.is_finite() {
            let sum: f64 = model.lp.entries(row).map(|(c, v)| start[c].unwrap_or(0.0) * v).sum();
            start[next] = Some((sum - limit).max(0.0));
            next += 1;
        }
    }
    Some(start)
}
