//! What if: a component elsewhere, a cluster lost, a price that rises. Prices as in `placement_cases`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use skyplan::{
    diagnostic::Diagnostics,
    load::{
        parameters::{Choice, Wanted},
        read_as,
    },
    money::MicroUsd,
    observed::Observed,
    place::problem::Limits,
    plan::{
        Inputs, Scope,
        answer::{Facts, Subject},
    },
    render::{self, Style},
    state::State,
};

use super::placement_cases::{CLOUDS, shared, there};
use crate::support::project::Project;

const PLAIN: Style = Style { color: false };

fn with<T>(project: &Project, observed: &Observed, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
    let (model, sources, state) = (project.model(), project.sources(), State::default());
    let inputs = Inputs {
        model: Some(&model),
        project: &model.project,
        environment: None,
        state: &state,
        inputs_digest: "",
        limits: Limits::default(),
        scope: Scope::default(),
    };
    let facts = Facts::new(&model, &inputs, observed, Err(&Diagnostics::new()), &sources);
    ask(&facts.unwrap_or_else(|out| panic!("{}", project.shown(&out))))
}

fn index(facts: &Facts<'_>, word: &str) -> usize {
    let Subject::Component(i) = facts.subject(word).unwrap() else { panic!() };
    i
}

/// Dollars an hour, as the prices of these places are written, as a month's.
fn month(dollars: i64) -> MicroUsd {
    MicroUsd(dollars * 730 * 1_000_000)
}

#[test]
fn a_place_that_is_possible_has_a_price_in_parts() {
    let project = shared(&[("a", 2, 4, 1, CLOUDS)], &[]);
    with(&project, &Observed::default(), |facts| {
        let i = index(facts, "a");
        let answer = facts.why_not(i, "aws-us").unwrap();
        let alone = answer.alone.unwrap();
        assert_eq!((alone.total, alone.nodes, alone.fees), (month(2), month(2), MicroUsd::ZERO));
        assert_eq!(answer.cheapest, Some(alone));
        assert!(answer.moves.is_empty() && answer.possible == Some(true));
        assert!(facts.why_not(i, "gcp-eu").unwrap().runs_there);
        assert_eq!(facts.why_not(i, "gcp").unwrap_err().code, "SKY0918");
    });
}

#[test]
fn what_has_to_move_along_is_named() {
    // b needs a within 10 ms: a in aws-us takes b along.
    let flow = ["from: a, to: b, latency: 10ms"];
    let project = shared(&[("a", 2, 4, 1, CLOUDS), ("b", 2, 4, 1, CLOUDS)], &flow);
    with(&project, &Observed::default(), |facts| {
        let answer = facts.why_not(index(facts, "a"), "aws-us").unwrap();
        assert!(answer.alone.is_none() && answer.reason.contains("85ms"), "{answer:?}");
        assert_eq!(answer.cheapest.unwrap().total, month(4));
        assert_eq!(answer.moves.len(), 1);
        assert_eq!((answer.moves[0].component.as_str(), answer.moves[0].to[0].as_str()), ("app/b", "aws-us"));
        let text = render::what_if::why_not(&answer, PLAIN);
        assert!(text.contains("moves along") && text.contains("app/b gcp-eu → aws-us"), "{text}");
    });
}

#[test]
fn an_impossible_place_is_refused_with_the_lines_against_it() {
    let project = shared(&[("a", 2, 4, 1, "{provider: aws-us}"), ("b", 2, 4, 1, CLOUDS)], &[]);
    with(&project, &Observed::default(), |facts| {
        let answer = facts.why_not(index(facts, "a"), "gcp-eu").unwrap();
        let refusal = answer.refusal().unwrap();
        assert_eq!(refusal.code, "SKY0431");
        let labels: Vec<&str> = refusal.labels.iter().map(|l| l.text.as_str()).collect();
        assert_eq!(labels, ["`app/a` is permitted only at provider: aws-us"]);
        assert_eq!(&*refusal.labels[0].origin.file, "needs.yaml");
        assert_eq!(refusal.hints.len(), 1, "{refusal:?}");
        assert!(refusal.hints[0].starts_with("permit `app/a` at `gcp-eu`: everything would cost"), "{refusal:?}");
    });
    // Nobody can make room at the edge.
    let project = shared(&[("a", 8, 4, 1, "")], &[]);
    with(&project, &there(), |facts| {
        let answer = facts.why_not(index(facts, "a"), "edge").unwrap();
        assert_eq!(answer.possible, Some(false));
        assert!(answer.ways.is_empty() && answer.refusal().is_some());
    });
}

#[test]
fn each_loss_says_what_moves_at_what_price_and_what_cannot_run() {
    let project =
        shared(&[("a", 2, 4, 1, CLOUDS), ("b", 2, 4, 1, "{cluster: edge}"), ("c", 2, 4, 1, "{provider: aws-us}")], &[]);
    with(&project, &there(), |facts| {
        let answer = facts.contingency(false);
        let losses: Vec<(&str, bool)> = answer.losses.iter().map(|l| (l.clusters[0].as_str(), l.holds)).collect();
        assert_eq!(losses, [("aws-us", false), ("edge", false)]);
        assert_eq!(answer.losses[0].cannot_run, ["app/c"]);
        assert_eq!(answer.losses[1].cannot_run, ["app/b"]);
        assert_eq!((answer.idle, answer.holds), (vec!["aws-eu".to_owned(), "gcp-eu".to_owned()], false));
    });
    // From gcp-eu, 131, to the next best place, 133.
    let project = shared(&[("a", 2, 4, 1, CLOUDS)], &[]);
    with(&project, &Observed::default(), |facts| {
        let answer = facts.contingency(true);
        assert_eq!((answer.holds, answer.losses.len()), (true, 1));
        assert_eq!(answer.losses[0].extra, Some(month(2)));
        assert_eq!(answer.losses[0].moves[0].to, ["aws-us"]);
        let text = render::what_if::contingency(&answer, PLAIN);
        assert!(text.contains("gcp-eu  +$1,460.00/month  moves a → aws-us"), "{text}");
    });
}

#[test]
fn how_far_a_price_may_rise_is_exact_for_few_components() {
    // gcp-eu costs 58 + 73, aws-us 60 + 73: nodes may rise by 2 of 58, 3.5 %; the fee by 2 of 73, 2.8 %.
    let project = shared(&[("a", 2, 4, 1, CLOUDS)], &[]);
    with(&project, &Observed::default(), |facts| {
        let all = facts.whole().placement.sensitivity;
        let rises: Vec<(&str, u64, bool)> = all.iter().map(|r| (r.price.as_str(), r.rise.unwrap(), r.exact)).collect();
        assert_eq!(rises.len(), 2);
        assert_eq!((rises[0].0, rises[0].2, rises[1].0), ("control plane of gcp-eu", true, "nodes s on gcp-eu"));
        // As fine as half a per cent.
        assert!((28..=33).contains(&rises[0].1) && (35..=40).contains(&rises[1].1), "{rises:?}");
    });
    // Nowhere else to go: whatever it costs.
    let project = shared(&[("a", 2, 4, 1, "{provider: gcp-eu}")], &[]);
    with(&project, &Observed::default(), |facts| {
        let whole = facts.whole();
        assert!(whole.placement.sensitivity.iter().all(|r| r.rise.is_none() && r.exact));
        let text = render::what_if::whole(&whole, PLAIN);
        assert!(text.contains("the cheapest at least up to +900 %"), "{text}");
    });
}

#[test]
fn a_price_that_falls_draws_what_is_elsewhere() {
    // Both control planes are paid. b takes the node of 58 in gcp-eu, until those of 60 in aws-us fall by 2.
    let few = [("a", 2, 8, 1, "{provider: gcp-eu}"), ("b", 2, 8, 1, CLOUDS), ("c", 2, 8, 2, "{provider: aws-us}")];
    let falls = |components: &[(&str, u32, u32, u32, &str)], exact: bool| {
        with(&shared(components, &[]), &Observed::default(), |facts| {
            let whole = facts.whole();
            let found = whole.placement.sensitivity.iter().find(|r| r.price == "nodes s on aws-us").unwrap();
            assert_eq!(found.exact, exact);
            assert!(found.fall.is_some_and(|fall| (33..=39).contains(&fall)), "{found:?}");
            let text = render::what_if::whole(&whole, PLAIN);
            let words = if exact { "; from -3." } else { "; at -3." };
            assert!(text.contains(words), "{text}");
        });
    };
    falls(&few, true);
    let names: Vec<String> = (0..12).map(|i| format!("x{i:02}")).collect();
    let mut many = few.to_vec();
    many.extend(names.iter().map(|n| (n.as_str(), 2, 8, 1, "{provider: aws-us}")));
    falls(&many, false);
}

#[test]
fn many_components_are_told_by_single_moves() {
    let names: Vec<String> = (0..14).map(|i| format!("c{i:02}")).collect();
    let list: Vec<(&str, u32, u32, u32, &str)> = names.iter().map(|n| (n.as_str(), 2, 8, 1, CLOUDS)).collect();
    with(&shared(&list, &[]), &Observed::default(), |facts| {
        let all = facts.whole().placement.sensitivity;
        assert!(!all.is_empty() && all.iter().all(|r| !r.exact), "{all:?}");
    });
}

#[test]
fn a_supposed_price_is_planned_with() {
    let project = shared(&[("a", 2, 4, 1, CLOUDS)], &[]);
    let set = [("ProviderProfile/aws-us.offerings[s].price".to_owned(), "10".to_owned())].into();
    let (specs, out) = read_as(&project.tree, &Choice { environment: Wanted::Only, set, ..Choice::default() });
    assert!(out.is_empty(), "{out:?}");
    let (model, _) = skyplan::compile::compile(&specs);
    let placed =
        skyplan::place::decide::place(&model.unwrap(), &Observed::default(), &State::default(), &Limits::default());
    assert_eq!(placed.unwrap().record.components["app/a"].clusters, ["aws-us"]);
}
