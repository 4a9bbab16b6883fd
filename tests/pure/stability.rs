//! What moves, and what does not: nothing for a price, nothing for a neighbour's noise, and what is
//! reconsidered only where that is worth it. The places are those of `placement_cases`: in aws-us a small
//! node costs 60, in aws-eu 66, in gcp-eu 58, a control plane 73 each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use skyplan::{
    observed::{ClusterObserved, Observed},
    place::{
        decide::{Placed, monthly_total, place_as},
        problem::{Limits, Method},
        wish::{Reconsider, Wish},
    },
    state::State,
};

use super::placement_cases::{CLOUDS, places, shared, solve_in, solved, there, total};
use crate::support::project::Project;

/// What is remembered after an apply of a project, as it is in the world.
fn applied(project: &Project, observed: &Observed) -> State {
    let placed = solve_in(project, observed, &State::default()).unwrap_or_else(|out| panic!("{}", project.shown(&out)));
    State { placement: placed.record, ..State::default() }
}

fn all() -> Wish {
    Wish { reoptimize: Reconsider::All, ..Wish::default() }
}

#[track_caller]
fn asked(project: &Project, observed: &Observed, state: &State, wish: &Wish) -> Placed {
    place_as(&project.model(), observed, state, &Limits::default(), wish)
        .unwrap_or_else(|out| panic!("{}", project.shown(&out)))
}

/// The edge with so many CPUs left by others.
fn edge_with(milli_cpu: u64) -> Observed {
    let mut observed = there();
    for cluster in observed.clusters.values_mut() {
        let ClusterObserved::Reached { free, .. } = cluster else { panic!() };
        free[0].milli_cpu = milli_cpu;
    }
    observed
}

/// A cheaper offering in aws-us.
fn cheaper(project: &Project) -> Project {
    project.clone().with("aws-us.yaml", "price: 60", "price: 20")
}

#[test]
fn an_unchanged_project_is_not_solved_again() {
    let project = shared(&[("a", 2, 4, 1, CLOUDS), ("b", 1, 2, 2, CLOUDS)], &["from: a, to: b, volume: {total: 5GB}"]);
    let state = applied(&project, &Observed::default());
    let again = solve_in(&project, &Observed::default(), &state).unwrap();
    assert_eq!(again.solution.method, Method::Recorded);
    assert_eq!(again.record, state.placement);
}

#[test]
fn a_price_moves_nothing_until_somebody_asks() {
    let project = shared(&[("a", 2, 4, 1, CLOUDS)], &[]);
    let state = applied(&project, &Observed::default());
    let cheap = cheaper(&project);
    let kept = solve_in(&cheap, &Observed::default(), &state).unwrap();
    assert_eq!((kept.solution.method, places(&kept)["a"].as_str()), (Method::Recorded, "gcp-eu"));
    assert_eq!(kept.stayed, None);
    let moved = asked(&cheap, &Observed::default(), &state, &all());
    assert_eq!((total(&moved).as_str(), places(&moved)["a"].as_str()), ("93", "aws-us"));
    // 131 - 93 an hour, as the prices of these places are written.
    assert_eq!((moved.stayed.unwrap() - monthly_total(&moved)).exact(), (38 * 730).to_string());
}

#[test]
fn a_move_has_to_be_worth_it() {
    // Staying in aws-us costs 133, gcp-eu 131: 1.5 % less.
    let there = shared(&[("a", 2, 4, 1, "{provider: aws-us}")], &[]);
    let state = applied(&there, &Observed::default());
    let project = shared(&[("a", 2, 4, 1, CLOUDS)], &[]);
    for wish in [Wish::default(), all()] {
        let kept = asked(&project, &Observed::default(), &state, &wish);
        assert_eq!((kept.solution.method, places(&kept)["a"].as_str()), (Method::Steady, "aws-us"));
        assert_eq!(kept.solution.bound.exact(), "131", "what is cheapest stays known");
        let keener = project.clone().with("skyplan.yaml", "headroom: 0%", "headroom: 0%\n  hysteresis: 1%");
        let moved = asked(&keener, &Observed::default(), &state, &wish);
        assert_eq!((moved.solution.method, places(&moved)["a"].as_str()), (Method::Exact, "gcp-eu"));
        // What a move counts as is on top.
        let dear = keener.with("skyplan.yaml", "headroom: 0%", "headroom: 0%\n  moveCost: 20");
        let kept = asked(&dear, &Observed::default(), &state, &wish);
        assert_eq!((total(&kept).as_str(), places(&kept)["a"].as_str()), ("133", "aws-us"));
    }
}

#[test]
fn only_what_is_named_is_reconsidered() {
    let project = shared(&[("a", 2, 4, 1, CLOUDS), ("b", 2, 4, 1, CLOUDS)], &[]);
    let state = applied(&project, &Observed::default());
    // So cheap that even one alone is better off with a control plane of its own.
    let cheap = project.with("aws-us.yaml", "price: 60", "price: 1").with("aws-us.yaml", "price: 73", "price: 1");
    let only = Wish { reoptimize: Reconsider::Only(["app/b".to_owned()].into()), ..Wish::default() };
    let moved = asked(&cheap, &Observed::default(), &state, &only);
    assert_eq!(places(&moved), BTreeMap::from([("a", "gcp-eu".to_owned()), ("b", "aws-us".to_owned())]));
    let short = Wish { reoptimize: Reconsider::Only(["b".to_owned()].into()), ..Wish::default() };
    assert_eq!(short.resolved(&cheap.model()), only);
}

#[test]
fn one_changed_component_moves_nothing_unrelated() {
    let with = |replicas: u32| shared(&[("a", 2, 4, 1, CLOUDS), ("b", 1, 2, replicas, CLOUDS)], &[]);
    let state = applied(&with(1), &Observed::default());
    let changed = cheaper(&with(3));
    let placed = solve_in(&changed, &Observed::default(), &state).unwrap();
    assert_eq!(places(&placed)["a"], "gcp-eu", "nothing about it has changed but prices elsewhere");
    let free: Vec<&str> = placed.problem.components.iter().filter(|c| !c.pinned).map(|c| c.name.as_str()).collect();
    assert_eq!(free, ["app/b"]);
}

#[test]
fn neighbours_by_flow_are_reconsidered_neighbours_by_room_only_where_nothing_fits() {
    let flow = ["from: a, to: b, volume: {total: 1GB}"];
    let with =
        |replicas: u32| shared(&[("a", 1, 2, 1, CLOUDS), ("b", 1, 2, replicas, CLOUDS), ("c", 1, 2, 1, CLOUDS)], &flow);
    let state = applied(&with(1), &Observed::default());
    let placed = solve_in(&with(2), &Observed::default(), &state).unwrap();
    let pinned: Vec<bool> = placed.problem.components.iter().map(|c| c.pinned).collect();
    assert_eq!(pinned, [false, false, true], "c only shares nodes with them");
    // c has to make room at the edge, the only place that b may grow in.
    let edge = |cpus: u32| shared(&[("b", cpus, 2, 1, "{cluster: edge}"), ("c", 2, 2, 1, "")], &[]);
    let state = applied(&edge(2), &there());
    assert_eq!(places(&solve_in(&edge(2), &there(), &state).unwrap())["c"], "edge");
    let grown = solve_in(&edge(3), &there(), &state).unwrap();
    assert_eq!(places(&grown), BTreeMap::from([("b", "edge".to_owned()), ("c", "gcp-eu".to_owned())]));
}

#[test]
fn a_noisy_neighbour_moves_nothing_and_keeps_what_is_new_away() {
    let one = shared(&[("a", 2, 4, 1, "")], &[]);
    let state = applied(&one, &there());
    // Others take three of its four CPUs: a is there, and stays.
    let kept = solve_in(&one, &edge_with(1000), &state).unwrap();
    assert_eq!((kept.solution.method, places(&kept)["a"].as_str()), (Method::Recorded, "edge"));
    // What is left is not given away a second time, though it would suffice for b.
    let two = shared(&[("a", 2, 4, 1, ""), ("b", 1, 1, 1, "")], &[]);
    let placed = solve_in(&two, &edge_with(1000), &state).unwrap();
    assert_eq!(places(&placed), BTreeMap::from([("a", "edge".to_owned()), ("b", "gcp-eu".to_owned())]));
    // With room for both, b comes.
    let placed = solve_in(&two, &there(), &state).unwrap();
    assert_eq!(places(&placed)["b"], "edge");
}

#[test]
fn a_cluster_that_does_not_answer_keeps_what_it_has_and_takes_nothing_new() {
    let state = applied(&shared(&[("a", 2, 4, 1, "")], &[]), &there());
    let two = shared(&[("a", 2, 4, 1, ""), ("b", 1, 1, 1, "")], &[]);
    let placed = solve_in(&two, &Observed::default(), &state).unwrap();
    assert_eq!(places(&placed), BTreeMap::from([("a", "edge".to_owned()), ("b", "gcp-eu".to_owned())]));
    let again = asked(&two, &Observed::default(), &state, &all());
    assert_eq!(places(&again)["a"], "edge");
}

#[test]
fn a_cluster_more_makes_everything_be_reconsidered_and_little_move() {
    let there = shared(&[("a", 2, 4, 1, "{provider: aws-us}")], &[]);
    let state = applied(&there, &Observed::default());
    let more = "apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: aws-us-2\nproviderRef: aws-us\ndriver: local\nnodePools: [{offering: s}]\n";
    let mut project = there.clone();
    project.tree.files.insert("more.yaml".into(), more.into());
    let placed = solve_in(&project, &Observed::default(), &state).unwrap();
    assert!(!placed.problem.components[0].pinned);
    assert_eq!(places(&placed)["a"], "aws-us");
    assert_eq!(solved(&there).record.components, placed.record.components);
}

#[test]
fn without_a_cluster_only_what_ran_there_moves() {
    let project = shared(&[("a", 2, 4, 1, CLOUDS), ("b", 2, 4, 1, "{provider: aws-us}")], &[]);
    let state = applied(&project, &Observed::default());
    assert_eq!(places(&solved(&project))["a"], "aws-us");
    let apart = shared(&[("a", 2, 4, 1, CLOUDS), ("b", 2, 4, 1, "{provider: gcp-eu}, {provider: aws-eu}")], &[]);
    let state_apart = applied(&apart, &Observed::default());
    let lost = |cluster: &str| Wish { without: [cluster.to_owned()].into(), ..Wish::default() };
    let placed = asked(&apart, &Observed::default(), &state_apart, &lost("gcp-eu"));
    assert_eq!(places(&placed), BTreeMap::from([("a", "aws-eu".to_owned()), ("b", "aws-eu".to_owned())]));
    // b has nowhere to go.
    let out = place_as(&project.model(), &Observed::default(), &state, &Limits::default(), &lost("aws-us"));
    let text = project.shown(&out.unwrap_err());
    assert!(text.contains("`app/b`") && text.contains("without this cluster"), "{text}");
}

#[test]
fn a_search_that_is_cut_off_says_so_and_answers_the_same_again() {
    let components: Vec<(String, u32)> = (0..20).map(|i| (format!("c{i}"), 1 + i % 3)).collect();
    let list: Vec<(&str, u32, u32, u32, &str)> =
        components.iter().map(|(name, cpus)| (name.as_str(), *cpus, 3, 2, CLOUDS)).collect();
    let data: Vec<String> = (1..20).map(|i| format!("from: c{}, to: c{i}, volume: {{total: 90GB}}", i - 1)).collect();
    let project = shared(&list, &data.iter().map(String::as_str).collect::<Vec<_>>());
    let limits = Limits::default();
    limits.watch.raise();
    let wish = Wish::default();
    let state = State::default();
    let cut = place_as(&project.model(), &Observed::default(), &state, &limits, &wish).unwrap();
    assert_eq!(cut.solution.method, Method::Deadline);
    let again = place_as(&project.model(), &Observed::default(), &state, &limits, &wish).unwrap();
    assert_eq!(cut.solution, again.solution);
    let whole = solve_in(&project, &Observed::default(), &state).unwrap();
    assert!(whole.solution.cost.total() <= cut.solution.cost.total());
}
