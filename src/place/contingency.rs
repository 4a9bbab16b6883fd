//! What if clusters were lost: whether everything finds another place, what moves, and at what price.
//!
//! Every loss starts from the placement there is; what did not run on what is lost stays unless it has to
//! make room.

use std::collections::BTreeSet;

use super::{
    decide::{Placed, monthly_total, place_as},
    part::keep,
    problem::Limits,
    search::feasible,
    wish::Wish,
};
use crate::{compile::model::Model, diagnostic::Diagnostics, money::MicroUsd, observed::Observed, state::State};

/// Clusters that are lost together (indices, sorted), and what comes of it.
#[derive(Clone, Debug)]
pub struct Loss {
    /// What is lost.
    pub clusters: Vec<usize>,
    /// What comes of it.
    pub outcome: Outcome,
}

/// What comes of a loss.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Everything finds a place.
    Holds {
        /// The placement without what is lost.
        placed: Box<Placed>,
        /// What it costs more per month.
        extra: MicroUsd,
    },
    /// Something does not.
    Fails {
        /// Components that find no place (indices): the rest does without them.
        cannot: Vec<usize>,
        /// Why.
        faults: Diagnostics,
    },
}

/// The loss of every cluster on which something runs, and with `pairs` of every two of them.
pub fn contingency(
    model: &Model,
    observed: &Observed,
    state: &State,
    now: &Placed,
    limits: &Limits,
    pairs: bool,
) -> Vec<Loss> {
    let state = State { placement: now.record.clone(), ..state.clone() };
    let used: BTreeSet<usize> = now.solution.instances.iter().flatten().copied().collect();
    let mut lost: Vec<Vec<usize>> = used.iter().map(|l| vec![*l]).collect();
    if pairs {
        let two = used.iter().flat_map(|a| used.range(a + 1..).map(move |b| vec![*a, *b]));
        lost.extend(two);
    }
    let loss = |clusters: Vec<usize>| {
        let without = clusters.iter().map(|l| model.clusters[*l].name.clone()).collect();
        let wish = Wish { without, ..Wish::default() };
        let outcome = match place_as(model, observed, &state, limits, &wish) {
            Ok(placed) => {
                let extra = monthly_total(&placed) - monthly_total(now);
                Outcome::Holds { placed: Box::new(placed), extra }
            }
            Err(faults) => Outcome::Fails { cannot: nowhere(now, &wish, limits), faults },
        };
        Loss { clusters, outcome }
    };
    lost.into_iter().map(loss).collect()
}

/// Components that ran on what is lost and find no place, one after the other in order of names: those
/// that do are kept.
fn nowhere(now: &Placed, wish: &Wish, limits: &Limits) -> Vec<usize> {
    let mut problem = now.month.clone();
    problem.components.iter_mut().for_each(|c| c.pinned = false);
    let lost = wish.without(&mut problem);
    let limits = limits.part(20);
    let out = |i: &usize| now.solution.instances[*i].iter().any(|l| lost.contains(l));
    let (driven_out, mut members): (Vec<usize>, Vec<usize>) = (0..problem.components.len()).partition(out);
    let mut cannot = Vec::new();
    for i in driven_out {
        let mut more = members.clone();
        more.push(i);
        more.sort_unstable();
        if feasible(&keep(&problem, &more), &limits) == Some(true) {
            members = more;
        } else {
            cannot.push(i);
        }
    }
    cannot
}
