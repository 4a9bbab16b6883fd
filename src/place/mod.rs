//! Where every component runs, on what, and why: [`decide::place`].
//!
//! `formulate` turns a model into a [`problem::Problem`] of indices and integers; `search` finds the
//! cheapest placement and proves it where it can; `check` verifies it with code of its own; `explain`
//! and `infeasible` say why; `what_if` prices what is not allowed. Few components are settled by branch and
//! bound on a Lagrangian bound (`bound`); many by a linear relaxation (`lp`), a local search on its prices
//! (`anneal`), and what is left by the former. Before all that `strategy` divides the replicas of components
//! that are not to be whole.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod amounts;
mod anneal;
pub mod arrival;
mod bound;
pub mod check;
mod crowd;
pub mod contingency;
pub mod decide;
#[cfg(test)]
pub(crate) use decide::unsound;
mod dice;
mod domain;
pub mod evaluate;
pub mod explain;
pub mod formulate;
pub mod infeasible;
mod local;
mod lp;
#[cfg(feature = "highs")]
mod mip;
mod pack;
mod part;
pub mod problem;
mod room;
mod scheduler;
pub mod search;
pub mod sensitivity;
mod shift;
mod site;
mod steady;
pub mod strategy;
mod transfer;
pub mod watch;
mod welcome;
pub mod what_if;
mod wide;
pub mod wish;

/// The mixed-integer solver that is built in, by name and version.
pub fn mixed_solver() -> Option<String> {
    #[cfg(feature = "highs")]
    let solver = Some(format!("HiGHS {}", skyplan_milp::version()));
    #[cfg(not(feature = "highs"))]
    let solver = None;
    solver
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod moves_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod skybench;
#[cfg(test)]
mod skybench_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wide_tests;
