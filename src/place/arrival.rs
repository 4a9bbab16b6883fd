//! Where the order matters in which pods arrive.
//!
//! A placement counts on the largest pods coming first (see `pack`); kube-scheduler takes them as they
//! come. Where another order would leave a pod without a node, the plan has to bring them in order.

use std::cmp::Reverse;

use super::{
    pack::Yard,
    problem::{PodGroup, Problem, Solution},
    scheduler::settle_in,
    site::wants,
};

/// For every place: whether smallest first, by name, or by name backwards, some pod finds no node.
pub fn order_matters(problem: &Problem, solution: &Solution) -> Vec<bool> {
    (0..problem.places.len()).map(|l| matters(problem, solution, l)).collect()
}

fn matters(problem: &Problem, solution: &Solution, l: usize) -> bool {
    let here: Vec<usize> = (0..problem.components.len()).filter(|i| solution.instances[*i].contains(&l)).collect();
    let Some(wants) = wants(problem, l, &here) else { return false };
    let place = &problem.places[l];
    let mut shared = solution.nodes[l].clone();
    for i in here {
        for (k, _) in solution.instances[i].iter().enumerate().filter(|(_, place)| **place == l) {
            for (offer, count) in solution.dedicated[i].get(k).into_iter().flatten() {
                shared[*offer] = shared[*offer].saturating_sub(*count);
            }
        }
    }
    let reserved = vec![0; place.offers.len()];
    let yard = Yard { offers: &place.offers, free: &place.free, quota: None, reserved: &reserved, fit: problem.fit };
    let pods: &[&PodGroup] = &wants.pods;
    let by_name: Vec<usize> = (0..pods.len()).collect();
    let backwards = by_name.iter().rev().copied().collect();
    let mut smallest = by_name.clone();
    smallest.sort_by_key(|g| pods[*g].size);
    // Largest first is what the placement was found with; should even that fail, there is no order to keep.
    let mut largest = by_name.clone();
    largest.sort_by_key(|g| Reverse(pods[*g].size));
    settle_in(&yard, pods, &shared, largest).is_ok()
        && [by_name, backwards, smallest].into_iter().any(|order| settle_in(&yard, pods, &shared, order).is_err())
}
