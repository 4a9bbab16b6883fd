//! What may be done next: changes, and how many of those that they wait for are left. Pure.

use std::collections::BTreeMap;

use crate::{address::ResourceAddress, plan::change::Change};

/// Changes by their place in the plan.
#[derive(Debug)]
pub(super) struct Graph {
    /// Who waits for it.
    waiters: Vec<Vec<usize>>,
    /// How many it still waits for; `None` = it has been given out, or never will be.
    left: Vec<Option<usize>>,
}

impl Graph {
    /// What a change depends on and the plan does not change is done already.
    pub(super) fn new(changes: &[Change]) -> Self {
        let places: BTreeMap<&ResourceAddress, usize> = changes.iter().zip(0..).map(|(c, i)| (&c.address, i)).collect();
        let mut waiters = vec![Vec::new(); changes.len()];
        let mut left = vec![Some(0); changes.len()];
        for (change, own) in changes.iter().zip(0..) {
            let mut before: Vec<usize> = change.depends_on.iter().filter_map(|a| places.get(a).copied()).collect();
            before.sort_unstable();
            before.dedup();
            left[own] = Some(before.len());
            for place in before {
                waiters[place].push(own);
            }
        }
        Self { waiters, left }
    }

    /// All that wait for nothing, once.
    pub(super) fn take_ready(&mut self) -> Vec<usize> {
        let ready: Vec<usize> = (0..self.left.len()).filter(|i| self.left[*i] == Some(0)).collect();
        for place in &ready {
            self.left[*place] = None;
        }
        ready
    }

    /// It is done: those that now wait for nothing more.
    pub(super) fn done(&mut self, place: usize) -> Vec<usize> {
        let mut ready = Vec::new();
        for waiter in self.waiters[place].clone() {
            if let Some(left) = &mut self.left[waiter] {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.left[waiter] = None;
                    ready.push(waiter);
                }
            }
        }
        ready
    }

    /// It is not done: all that wait for it, directly or not, never will be.
    pub(super) fn failed(&mut self, place: usize) -> Vec<usize> {
        let (mut lost, mut next) = (Vec::new(), vec![place]);
        while let Some(place) = next.pop() {
            for waiter in self.waiters[place].clone() {
                if self.left[waiter].take().is_some() {
                    lost.push(waiter);
                    next.push(waiter);
                }
            }
        }
        lost.sort_unstable();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::change::{Action, ActionReason};

    fn changes(edges: &[(&str, &[&str])]) -> Vec<Change> {
        let address = |n: &str| format!("cluster/{n}").parse().unwrap();
        let change = |(name, before): &(&str, &[&str])| Change {
            depends_on: before.iter().map(|b| address(b)).collect(),
            ..Change::new(address(name), Action::Create, ActionReason::New)
        };
        edges.iter().map(change).collect()
    }

    #[test]
    fn a_diamond_runs_in_order() {
        let all = changes(&[("a", &["elsewhere"]), ("b", &["a"]), ("c", &["a", "a"]), ("d", &["b", "c"])]);
        let mut graph = Graph::new(&all);
        assert_eq!(graph.take_ready(), [0]);
        assert_eq!(graph.take_ready(), [0_usize; 0]);
        assert_eq!(graph.done(0), [1, 2]);
        assert_eq!(graph.done(1), [0_usize; 0]);
        assert_eq!(graph.done(2), [3]);
    }

    #[test]
    fn a_failure_takes_its_branch_only() {
        let all = changes(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &[]), ("e", &["d"])]);
        let mut graph = Graph::new(&all);
        assert_eq!(graph.take_ready(), [0, 3]);
        assert_eq!(graph.failed(0), [1, 2]);
        assert_eq!(graph.done(3), [4]);
    }

    #[test]
    fn a_circle_is_never_given_out() {
        let mut graph = Graph::new(&changes(&[("a", &["b"]), ("b", &["a"])]));
        assert!(graph.take_ready().is_empty());
    }
}
