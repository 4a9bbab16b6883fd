//! Strategies where nodes are bought, and replicas split by price.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use skyplan::{observed::Observed, state::State};

use super::{HEAD, node, portions, project, refused, seen, solved};
use crate::support::project::Project;

/// A pool of nodes of 2 CPUs, so many at most, at this price an hour.
fn bought(name: &str, price: &str, max: u32) -> String {
    format!(
        "{HEAD}ProviderProfile\nname: {name}\nplatform: {}\nregion: {name}\ncontrolPlane: {{price: 0.1}}\nofferings: \
         [{{name: s, vcpus: 2, memory: 8Gi, price: {price}}}]\n---\n{HEAD}Cluster\nname: {name}\nproviderRef: {name}\n\
         driver: local\nnodePools: [{{offering: s, max: {max}}}]\n",
        if name == "a" { "aws" } else { "gcp" }
    )
}

/// Components on two clusters whose nodes are bought: at most three of 2 CPUs, and two.
fn rented(components: &[(&str, u32, &str)]) -> Project {
    let places = format!("{}---\n{}", bought("a", "0.2", 3), bought("b", "0.3", 2));
    project(&[], components, &[("places.yaml", places)])
}

#[test]
fn nodes_that_can_be_bought_are_room() {
    let place = |replicas, strategy: &str| {
        let project = rented(&[("web", replicas, &format!("strategy: {strategy}"))]);
        portions(&solved(&project, &Observed::default(), &State::default()))["web"].clone()
    };
    assert_eq!(place(6, "Aggregated"), "a 6");
    assert_eq!(place(8, "Spread"), "a 6, b 2");
    assert_eq!(place(10, "DynamicWeight"), "a 6, b 4");
    let text = refused(&rented(&[("web", 11, "strategy: Spread")]), &Observed::default());
    assert!(text.contains("11 replicas; 1 finds no room") && text.contains("1 × s"), "{text}");
}

#[test]
fn split_where_that_is_cheaper() {
    // Whole it fits nowhere: at most 6 CPUs in one place, 4 in the other.
    let whole = rented(&[("web", 8, "strategy: Cost")]);
    let text = refused(&whole, &Observed::default());
    assert!(!text.contains("SKY0420"), "{text}");
    let split = rented(&[("web", 8, "strategy: {name: Cost, divided: true}")]);
    let placed = solved(&split, &Observed::default(), &State::default());
    // Three of a and one of b, and both fees.
    assert_eq!(portions(&placed)["web"], "a 6, b 2");
    let hour = placed.month.places.iter().map(|p| p.fee).sum::<skyplan::money::MicroUsd>();
    assert_eq!(placed.monthly.cost.fees, hour);
    // Where one place is enough, a second fee is not paid.
    let small = rented(&[("web", 3, "strategy: {name: Cost, divided: true}")]);
    assert_eq!(portions(&solved(&small, &Observed::default(), &State::default()))["web"], "a 3");
    // What is there and free is used first, the rest is bought.
    let mixed = project(
        &[("c1", "")],
        &[("web", 5, "strategy: {name: Cost, divided: true}")],
        &[("places.yaml", bought("a", "0.2", 3))],
    );
    let nodes = vec![("c1", vec![node(3000, 1 << 20)])];
    let placed = solved(&mixed, &seen(&nodes, &[]), &State::default());
    assert_eq!(portions(&placed)["web"], "a 2, c1 3");
    let state = State { placement: placed.record.clone(), ..State::default() };
    assert_eq!(solved(&mixed, &seen(&nodes, &[]), &state).record, placed.record);
}
