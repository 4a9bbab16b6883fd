//! Placements whose cost or refusal is known, by words beyond places and sizes: what may not come together,
//! what is preferred, how much a way carries, taints, spot prices, tags. Projects of real specs, as in
//! `placement_cases`, whose places and prices they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use skyplan::{
    money::MicroUsd,
    place::explain::{Verdict, explain},
};

use super::placement_cases::{application, expect, invalid, needs, nodes, project, refused, solved, total};
use crate::support::project::Project;

/// Components (name, CPUs, GiB, replicas, its other words) in `regions`.
fn words(components: &[(&str, u32, u32, u32, &str)]) -> Project {
    let list: Vec<(&str, u32, u32, u32)> = components.iter().map(|(n, c, m, r, _)| (*n, *c, *m, *r)).collect();
    let entries: Vec<(&str, &str)> = components.iter().filter(|c| !c.4.is_empty()).map(|c| (c.0, c.4)).collect();
    project("regions", &[("app.yaml", application(&list)), ("needs.yaml", needs(&entries))])
}

const CLOUDS: &str = "location: {permitted: [{type: cloud}]}";

#[test]
fn e10_never_together() {
    let with =
        |a: &str, b: &str| words(&[("a", 2, 4, 1, &format!("{CLOUDS}{a}")), ("b", 2, 4, 1, &format!("{CLOUDS}{b}"))]);
    let apart = ", spread: [{with: [b]}]";
    expect(&with("", ""), "189", &[("a", "gcp-eu"), ("b", "gcp-eu")]);
    // Of the two ways at this price the one that is first by name.
    let project = with(apart, "");
    expect(&project, "264", &[("a", "aws-us"), ("b", "gcp-eu")]);
    assert_eq!(nodes(&solved(&project)), ["aws-us/s: 1", "gcp-eu/s: 1"]);
    // The next: one of them in aws-eu.
    let next = format!("{CLOUDS}{apart}").replace("{type: cloud}", "{provider: aws-eu}, {provider: gcp-eu}");
    let next = words(&[("a", 2, 4, 1, &next), ("b", 2, 4, 1, CLOUDS)]).with(
        "needs.yaml",
        "{type: cloud}",
        "{provider: gcp-eu}, {provider: aws-eu}",
    );
    assert_eq!(total(&solved(&next)), "270");
    // By platform it does not matter who says it.
    expect(&with("", ", spread: [{by: platform, with: [app/a]}]"), "264", &[("a", "aws-us"), ("b", "gcp-eu")]);
    // Two in one are one too many, three are too many for two platforms.
    let three = |max: &str| {
        let all = format!("{CLOUDS}, spread: [{{by: platform, with: [b, c]{max}}}]");
        words(&[("a", 2, 4, 1, &all), ("b", 2, 4, 1, CLOUDS), ("c", 2, 4, 1, CLOUDS)])
    };
    let (code, text) = refused(&three(""));
    assert_eq!(code, "SKY0410", "{text}");
    assert!(text.contains("3 instances must be kept apart and there is room for 2"), "{text}");
    assert!(
        text.contains("needs.yaml:5:") && text.contains("at most 1 of app/a, app/b, app/c in each platform"),
        "{text}"
    );
    assert!(text.contains("allow a `max` of 2"), "{text}");
    expect(&three(", max: 2"), "320", &[("a", "aws-us"), ("b", "gcp-eu"), ("c", "gcp-eu")]);
}

#[test]
fn instances_are_spread_over_regions() {
    // Three instances: all on one continent would be cheapest, at most two may be on one platform.
    let entry = |spread: &str| {
        format!("location: {{required: [{{anyOf: [{{type: cloud}}]}}, {{anyOf: [{{type: cloud}}]}}]}}{spread}")
    };
    let with = |spread: &str| {
        let spread = entry(spread);
        words(&[("a", 2, 4, 1, &spread)]).with(
            "app.yaml",
            "sources:",
            "components: [{name: a, objects: {kind: Deployment, names: [a]}, instances: {min: 2, max: 2}}]\nsources:",
        )
    };
    expect(&with(""), "264", &[("a", "aws-us gcp-eu")]);
    expect(&with(", spread: [{by: platform}]"), "264", &[("a", "aws-us gcp-eu")]);
    let (code, text) = refused(
        &with(", spread: [{by: continent}]")
            .with("aws-us.yaml", "region:", "continent: eu\nregion:")
            .with("aws-eu.yaml", "region:", "continent: eu\nregion:")
            .with("gcp-eu.yaml", "region:", "continent: eu\nregion:"),
    );
    assert_eq!(code, "SKY0410", "{text}");
}

#[test]
fn faults_of_spreads_are_told() {
    let (code, text) = invalid(&words(&[("a", 2, 4, 1, "spread: [{max: 0}]")]));
    assert_eq!(code, "SKY0107", "{text}");
    let (code, text) = invalid(&words(&[("a", 2, 4, 1, "spread: [{with: [bb]}]"), ("b", 2, 4, 1, "")]));
    assert_eq!(code, "SKY0202", "{text}");
    let (code, text) = invalid(&words(&[("a", 2, 4, 1, "spread: [{by: planet}]")]));
    assert_eq!(code, "SKY0108", "{text}");
}

#[test]
fn a_preferred_place_may_cost_so_much_more() {
    // gcp-eu is the cheapest at 131, aws-us costs 133, aws-eu 139. Weights are a month's; this horizon is an hour.
    let with = |preferred: &str| {
        words(&[("a", 2, 4, 1, &format!("location: {{permitted: [{{type: cloud}}], preferred: [{preferred}]}}"))])
    };
    let dollars = |n: u32| (n * 730).to_string();
    expect(&with(&format!("{{provider: aws-us, weight: {}}}", dollars(1))), "131", &[("a", "gcp-eu")]);
    expect(&with(&format!("{{provider: aws-us, weight: {}}}", dollars(3))), "133", &[("a", "aws-us")]);
    // Weights add up, and only what is paid is in the bill.
    let both =
        with(&format!("{{platform: aws, weight: {}}}, {{provider: aws-eu, weight: {}}}", dollars(3), dollars(5)));
    let placed = solved(&both);
    assert_eq!((total(&placed).as_str(), placed.solution.cost.dislike.0), ("133", 5_000_000));
    assert_eq!(placed.monthly.cost.dislike, placed.month.components[0].dislike[1]);
    let more =
        with(&format!("{{platform: aws, weight: {}}}, {{provider: aws-eu, weight: {}}}", dollars(3), dollars(7)));
    expect(&more, "139", &[("a", "aws-eu")]);
    for wrong in ["provider: aws-us, weight: -1", "provider: aws-us, weight: 1000001"] {
        let (code, text) = invalid(&with(&format!("{{{wrong}}}")));
        assert_eq!(code, "SKY0117", "{text}");
    }
    let (code, text) = invalid(&with("{provider: aws-us}"));
    assert_eq!(code, "SKY0106", "{text}");
    let (code, text) = invalid(&with("{weight: 1}"));
    assert_eq!(code, "SKY0221", "{text}");
}

#[test]
fn what_is_preferred_is_told() {
    let project = words(&[(
        "a",
        2,
        4,
        1,
        "location: {permitted: [{type: cloud}], preferred: [{provider: aws-us, weight: 14600}]}",
    )]);
    let placed = solved(&project);
    let all = explain(&placed.problem, &placed.solution);
    // aws-eu, aws-us, edge, gcp-eu.
    assert_eq!(all[0].place, 1);
    let gcp = &all[0].others.iter().find(|(l, _)| *l == 3).unwrap().1;
    assert_eq!(*gcp, Verdict::Weighed { by: MicroUsd(-2_000_000), counted: MicroUsd(20_000_000) });
    assert_eq!(all[0].runner_up, Some((3, MicroUsd(-2_000_000))));
}
