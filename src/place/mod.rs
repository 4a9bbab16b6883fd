//! Where every component runs, on what, and why: [`decide::place`].
//!
//! `formulate` turns a model into a [`problem::Problem`] of indices and integers; `search` finds the
//! cheapest placement and proves it where it can; `check` verifies it with code of its own; `explain`
//! and `infeasible` say why. Only `bound` knows the LP solver.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod bound;
pub mod check;
pub mod decide;
mod domain;
pub mod evaluate;
pub mod explain;
pub mod formulate;
pub mod infeasible;
mod local;
mod pack;
mod part;
pub mod problem;
pub mod search;
mod site;
mod transfer;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timing;
