//! Amounts that cannot be added up: beyond them sums would no longer be exact, so that they are refused by name.
//!
//! Costs are added in whole micro-dollars and bytes in whole bytes, both with 63 bits. A node of 100 million dollars
//! and eight exabytes in all are far beyond what anybody means.

use super::{
    pack::IMPOSSIBLE,
    problem::{Problem, Solution},
};
use crate::{
    compile::model::Model,
    diagnostic::{Diagnostic, Diagnostics, Origin},
    money::MicroUsd,
    quantity::Micros,
};

/// Most that one node, fee or move may cost, over the horizon.
const MOST_EACH: MicroUsd = MicroUsd(100_000_000_000_000);
/// Most that all data may cost, over the horizon.
const MOST_DATA: i128 = 1_000_000_000_000_000_000;
/// Most bytes of all flows together.
const MOST_BYTES: u128 = 8_000_000_000_000_000_000;

/// Most components and flows that are placed together.
const MOST_COMPONENTS: usize = 50_000;
const MOST_FLOWS: usize = 200_000;

/// Refuses more than is placed in reasonable time.
pub(super) fn too_many(model: &Model) -> Result<(), Diagnostic> {
    within(model.components.len(), model.flows.len())
}

/// The same of their numbers.
pub(super) fn within(components: usize, flows: usize) -> Result<(), Diagnostic> {
    for (n, most, what) in [(components, MOST_COMPONENTS, "components"), (flows, MOST_FLOWS, "flows")] {
        if n > most {
            return Err(refused(format!("there are {n} {what}, and at most {most} are placed together"))
                .hint("make projects of parts that exchange no data; several workloads may be one component"));
        }
    }
    Ok(())
}

/// Notes what is too large to be added up over a time.
pub(super) fn too_large(problem: &Problem, over: Micros) -> Diagnostics {
    let mut out = Diagnostics::new();
    let dear = |what: String, price: MicroUsd, origin: &Origin| {
        refused(format!("{what} costs {price} over {over}"))
            .label(origin, format!("more than {MOST_EACH} each cannot be added up"))
            .hint("write prices in dollars an hour, and a horizon that is meant")
    };
    for place in &problem.places {
        if place.fee > MOST_EACH {
            out.push(dear(format!("the control plane of `{}`", place.name), place.fee, &place.origin));
        }
        if let Some(offer) = place.offers.iter().find(|o| o.price > MOST_EACH) {
            let what = format!("a node of `{}` at `{}`", offer.offering, place.name);
            out.push(dear(what, offer.price, &place.origin));
        }
    }
    if problem.move_cost > MOST_EACH {
        let text = format!("`placement.moveCost` is {}; more than {MOST_EACH} cannot be added up", problem.move_cost);
        out.push(refused(text).hint("it is in dollars for every move"));
    }
    let sent = |i: usize| {
        let flow = &problem.flows[i];
        let most = (problem.components[flow.from].max as usize).min(problem.places.len());
        u128::from(flow.bytes) * if problem.components[flow.from].portions.is_empty() { most as u128 } else { 1 }
    };
    let all: u128 = (0..problem.flows.len()).map(sent).sum();
    let dearest = problem.meters.iter().flat_map(|m| &m.tiers).map(|t| t.per_gb.0).max().unwrap_or(0);
    let cost = i128::from(dearest).saturating_mul(i128::try_from(all).unwrap_or(i128::MAX)) / 1_000_000_000;
    let largest = (0..problem.flows.len()).max_by_key(|i| (sent(*i), std::cmp::Reverse(*i)));
    if let Some(flow) = largest.map(|i| &problem.flows[i]).filter(|_| all > MOST_BYTES || cost > MOST_DATA) {
        let what = if all > MOST_BYTES { "carry" } else { "cost" };
        let amount = if all > MOST_BYTES { format!("{} GB", all / 1_000_000_000) } else { dollars(cost) };
        out.push(
            refused(format!("all flows together {what} {amount} over {over}"))
                .label(&flow.origin, "the largest of them; that much cannot be added up")
                .hint("volumes are bytes: `500MB`, `2GB`; prices are dollars for 10⁹ bytes"),
        );
    }
    out
}

/// Whether what a solution costs is still exact.
pub(super) fn exact(solution: &Solution) -> Result<(), Diagnostic> {
    if solution.cost.decided() < IMPOSSIBLE {
        return Ok(());
    }
    Err(refused(format!("everything together costs {} or more", IMPOSSIBLE))
        .hint("write prices in dollars an hour, and a horizon that is meant"))
}

fn refused(text: String) -> Diagnostic {
    Diagnostic::error("SKY0412", text)
}

fn dollars(cost: i128) -> String {
    i64::try_from(cost).map_or_else(|_| format!("more than {}", MicroUsd(i64::MAX)), |cost| MicroUsd(cost).to_string())
}
