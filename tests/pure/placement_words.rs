//! Placements whose cost or refusal is known, by words beyond places and sizes: what may not come together,
//! what is preferred, how much a way carries, taints, spot prices, tags. Projects of real specs, as in
//! `placement_cases`, whose places and prices they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use skyplan::{
    diagnostic::Diagnostics,
    money::MicroUsd,
    observed::{ClusterObserved, Observed},
    place::{
        decide::Placed,
        explain::{Verdict, explain},
        problem::{Candidate, Demand},
    },
    spec::{Taint, TaintEffect},
    state::State,
};

use super::placement_cases::{
    HEAD, application, expect, hints, invalid, needs, nodes, project, refused, solve_in, solved, there, total,
};
use crate::support::project::Project;

/// Components (name, CPUs, GiB, replicas, its other words) in `regions`.
fn words(components: &[(&str, u32, u32, u32, &str)]) -> Project {
    let list: Vec<(&str, u32, u32, u32)> = components.iter().map(|(n, c, m, r, _)| (*n, *c, *m, *r)).collect();
    let entries: Vec<(&str, &str)> = components.iter().filter(|c| !c.4.is_empty()).map(|c| (c.0, c.4)).collect();
    let mut files = vec![("app.yaml", application(&list))];
    if !entries.is_empty() {
        files.push(("needs.yaml", needs(&entries)));
    }
    project("regions", &files)
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
    expect(&three(", max: 2"), "322", &[("a", "aws-us"), ("b", "gcp-eu"), ("c", "gcp-eu")]);
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

#[test]
fn a_way_may_be_too_narrow() {
    let with = |flow: &str| {
        let project = words(&[
            ("a", 2, 8, 1, "location: {permitted: [{provider: aws-us}]}"),
            ("b", 2, 8, 1, "location: {permitted: [{provider: aws-eu}, {provider: gcp-eu}]}"),
        ]);
        let data = format!("{HEAD}DataflowPolicy\nname: data\nflows:\n  - {{from: a, to: b, {flow}}}\n");
        let mut project = project
            .with("clusters.yaml", "b: gcp-eu, p95: 85ms", "b: gcp-eu, p95: 85ms, bandwidth: 50M")
            .with("clusters.yaml", "b: aws-eu, p95: 80ms", "b: aws-eu, p95: 80ms, bandwidth: 1G");
        project.tree.files.insert("data.yaml".into(), data.as_str().into());
        project
    };
    expect(&with("rate: 50M"), "264", &[("a", "aws-us"), ("b", "gcp-eu")]);
    let wide = with("rate: 100M");
    expect(&wide, "272", &[("a", "aws-us"), ("b", "aws-eu")]);
    let placed = solved(&wide);
    let all = explain(&placed.problem, &placed.solution);
    let b = all.iter().find(|e| e.component == 1).unwrap();
    let gcp = &b.others.iter().find(|(l, _)| *l == 3).unwrap().1;
    assert_eq!(*gcp, Verdict::TooNarrow { flow: 0, carries: 50_000_000, rate: 100_000_000 });
    // Nothing is known of the way to the edge: any rate will do. Nothing else carries so much.
    let (code, text) = refused(&with("rate: 2G"));
    assert_eq!(code, "SKY0411", "{text}");
    assert!(
        text.contains("the widest, from `aws-us` to `aws-eu`, carries 1G of 2G") && text.contains("data.yaml:5:5"),
        "{text}"
    );
    assert!(text.contains("ask for a rate of 1G from `app/a` to `app/b`"), "{text}");
    // Near enough and wide enough, but not both.
    let (code, text) = refused(
        &with("rate: 1G, latency: 80ms")
            .with("clusters.yaml", "p95: 80ms, bandwidth: 1G", "p95: 85ms, bandwidth: 1G")
            .with("clusters.yaml", "p95: 85ms, bandwidth: 50M", "p95: 80ms, bandwidth: 50M"),
    );
    assert_eq!(code, "SKY0406", "{text}");
    assert!(text.contains("ask for a rate of 50M") && text.contains("allow a latency of 85ms"), "{text}");
    let (code, text) = invalid(&with("rate: 100Mbit"));
    assert_eq!(code, "SKY0107", "{text}");
}

#[test]
fn e15_all_places_carry_a_tag() {
    let with = |permitted: &str| words(&[("a", 2, 4, 1, &format!("location: {{{permitted}attributes: [gdpr]}}"))]);
    // Only aws-eu and gcp-eu carry it; the edge would be free.
    expect(&with(""), "131", &[("a", "gcp-eu")]);
    let project = with("permitted: [{provider: aws-us}], ");
    let (code, text) = refused(&project);
    assert_eq!(code, "SKY0401", "{text}");
    assert!(text.contains("no place is left for `app/a`"), "{text}");
    assert!(text.contains("`aws-us`: does not carry the tag `gdpr`"), "{text}");
    assert!(text.contains("`aws-eu`, `edge`, `gcp-eu`: not permitted (permitted: provider: aws-us)"), "{text}");
    // Relaxing either line would do, and it is said what for.
    assert_eq!(
        hints(&text),
        [
            "permit `app/a` at `gcp-eu`: it would cost $131.00 over 1h then",
            "do without the tag `gdpr` of `app/a`: it would cost $133.00 over 1h then",
        ]
    );
    expect(&project.clone().with("needs.yaml", ", attributes: [gdpr]", ""), "133", &[("a", "aws-us")]);
    expect(&project.with("needs.yaml", "permitted: [{provider: aws-us}], ", ""), "131", &[("a", "gcp-eu")]);
    // Several lines that have to be relaxed together are told together.
    let text = refused(&with("permitted: [{provider: aws-us}], ").with("needs.yaml", "[gdpr]", "[nobody, gdpr]")).1;
    assert_eq!(
        hints(&text),
        [
            "do without the tag `gdpr` of `app/a`, and do without the tag `nobody` of `app/a`: it would cost $133.00 over 1h then"
        ]
    );
    // Instances all carry it.
    let (code, _) = refused(&with("").with(
        "app.yaml",
        "sources:",
        "components: [{name: a, objects: {kind: Deployment, names: [a]}, instances: {min: 3}}]\nsources:",
    ));
    assert_eq!(code, "SKY0401");
}

/// What `a` may not do at a cluster, by name.
#[track_caller]
fn why_not(project: &Project, cluster: &str) -> String {
    let placed = solved(project);
    let at = placed.problem.places.iter().position(|p| p.name == cluster).unwrap();
    match &placed.problem.components[0].candidates[at] {
        Candidate::Excluded(e) => format!("{} @{}", e.reason, e.origin.as_ref().map_or(0, |o| o.line)),
        Candidate::Allowed(_) => String::new(),
    }
}

#[test]
fn taints_of_a_cluster_keep_components_away() {
    let with = |words_of_a: &str| {
        words(&[("a", 2, 4, 1, &format!("{CLOUDS}{words_of_a}"))])
            .with("clusters.yaml", "nodePools: [{offering: s}, {offering: l}]  # gcp", "nodePools: [{offering: s}, {offering: l}]  # gcp\ntaints:\n  - {key: team, value: data, effect: NoSchedule}\n  - {key: soft, effect: PreferNoSchedule}")
    };
    let project = with("");
    expect(&project, "133", &[("a", "aws-us")]);
    assert_eq!(why_not(&project, "gcp-eu"), "the cluster's taint `team=data:NoSchedule` is not tolerated @22");
    for tolerates in [
        "{key: team, value: data}",
        "{key: team, operator: Exists}",
        "{operator: Exists}",
        "{key: team, value: data, effect: NoSchedule}",
    ] {
        expect(&with(&format!(", tolerations: [{tolerates}]")), "131", &[("a", "gcp-eu")]);
    }
    for other in ["{key: team, value: web}", "{key: data, operator: Exists}", "{operator: Exists, effect: NoExecute}"] {
        expect(&with(&format!(", tolerations: [{other}]")), "133", &[("a", "aws-us")]);
    }
    // The pods may say it themselves.
    let own = with("").with(
        "app.yaml",
        "spec: {containers",
        "spec: {tolerations: [{key: team, operator: Exists}], containers",
    );
    expect(&own, "131", &[("a", "gcp-eu")]);
    let (code, text) = invalid(&with(", tolerations: [{value: x}]"));
    assert_eq!(code, "SKY0242", "{text}");
}

#[test]
fn required_node_affinity_chooses_pools() {
    let with = |rules: &str| {
        let affinity = format!(
            "spec: {{affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{{matchExpressions: [{rules}]}}]}}}}}}, containers"
        );
        words(&[("a", 2, 4, 1, "location: {permitted: [{provider: gcp-eu}]}")])
            .with("app.yaml", "spec: {containers", &affinity)
            .with(
                "clusters.yaml",
                "nodePools: [{offering: s}, {offering: l}]  # gcp",
                "nodePools: [{offering: s}, {offering: l, labels: {disk: fast, gen: \"7\"}}]",
            )
    };
    for large in [
        "{key: disk, operator: In, values: [fast, faster]}",
        "{key: disk, operator: Exists}",
        "{key: gen, operator: Gt, values: [\"6\"]}",
    ] {
        expect(&with(large), "283", &[("a", "gcp-eu")]);
    }
    for small in ["{key: disk, operator: NotIn, values: [fast]}", "{key: disk, operator: DoesNotExist}"] {
        expect(&with(small), "131", &[("a", "gcp-eu")]);
    }
    let (code, text) = refused(&with("{key: gen, operator: Lt, values: [\"7\"]}"));
    assert_eq!(code, "SKY0401", "{text}");
    assert!(text.contains("no node pool here takes its pods: node affinity by `gen`"), "{text}");
}

#[test]
fn free_nodes_are_chosen_by_taints_and_labels() {
    let project = |pod: &str| {
        words(&[("a", 2, 4, 2, "location: {permitted: [{cluster: edge}]}")]).with(
            "app.yaml",
            "spec: {containers",
            &format!("spec: {{{pod}containers"),
        )
    };
    let mut observed = there();
    if let Some(ClusterObserved::Reached { free, .. }) = observed.clusters.get_mut("edge") {
        let mut gpu = free[0].clone();
        gpu.name = "n2".into();
        gpu.taints = vec![Taint { key: "gpu".into(), value: String::new(), effect: TaintEffect::NoSchedule }];
        gpu.labels = [("disk".to_owned(), "fast".to_owned())].into();
        free.push(gpu);
    }
    let at = |project: &Project| {
        let placed = solve_in(project, &observed, &State::default()).unwrap();
        (
            total(&placed),
            placed.problem.components[0].candidates[2].clone(),
            placed.record.components["app/a"].clusters.join(" "),
        )
    };
    let spare = |candidate: &Candidate| match candidate {
        Candidate::Allowed(Demand::Shared(groups)) => groups[0].free.clone(),
        other => panic!("{other:?}"),
    };
    // Only the first takes pods that tolerate nothing: both fit there.
    let (cost, edge, place) = at(&project(""));
    assert_eq!((cost.as_str(), place.as_str(), spare(&edge)), ("0", "edge", Some(vec![0])));
    let (cost, edge, _) = at(&project("tolerations: [{key: gpu, operator: Exists}], "));
    assert_eq!((cost.as_str(), spare(&edge)), ("0", None));
    let (cost, edge, _) = at(&project("tolerations: [{key: gpu, operator: Exists}], nodeSelector: {disk: fast}, "));
    assert_eq!((cost.as_str(), spare(&edge)), ("0", Some(vec![1])));
    // The label without the toleration: no node.
    let (code, edge) = match at_all(&project("nodeSelector: {disk: fast}, "), &observed) {
        Ok(_) => panic!("there is a placement"),
        Err(out) => (out.iter().map(|d| d.code.clone()).collect::<String>(), format!("{out:?}")),
    };
    assert_eq!(code, "SKY0401");
    assert!(edge.contains("no node here takes its pods: nodeSelector `disk: fast`"), "{edge}");
}

fn at_all(project: &Project, observed: &Observed) -> Result<Placed, Diagnostics> {
    solve_in(project, observed, &State::default())
}

#[test]
fn spot_nodes_are_for_those_that_say_so() {
    let with = |words_of_a: &str| {
        words(&[("a", 2, 4, 1, &format!("{CLOUDS}{words_of_a}"))])
            .with("gcp-eu.yaml", "price: 58}", "price: 58, spotPrice: 20}")
            .with(
                "clusters.yaml",
                "nodePools: [{offering: s}, {offering: l}]  # gcp",
                "nodePools: [{offering: s}, {offering: s, name: cheap, spot: true}]",
            )
    };
    let project = with("");
    expect(&project, "131", &[("a", "gcp-eu")]);
    assert_eq!(nodes(&solved(&project)), ["gcp-eu/s: 1"]);
    let spot = with(", spot: true");
    expect(&spot, "93", &[("a", "gcp-eu")]);
    assert_eq!(nodes(&solved(&spot)), ["gcp-eu/cheap: 1"]);
    let model = spot.model();
    let pool = &model.clusters.iter().find(|c| c.name == "gcp-eu").unwrap().pools[0];
    assert_eq!(
        (pool.labels["skyplan.io/spot"].as_str(), pool.taints[0].words()),
        ("true", "skyplan.io/spot=true:NoSchedule".into())
    );
    // Nothing else there: it needs a word.
    let only = project.with(
        "clusters.yaml",
        "[{offering: s}, {offering: s, name: cheap, spot: true}]",
        "[{offering: s, name: cheap, spot: true}]",
    );
    assert!(
        why_not(&only, "gcp-eu")
            .starts_with("no node pool here takes its pods: `cheap` is spot, and it does not say `spot: true`")
    );
    let (code, text) = invalid(&spot.with("gcp-eu.yaml", ", spotPrice: 20", ""));
    assert_eq!(code, "SKY0241", "{text}");
}

#[test]
fn e13_what_stands_anyway_is_sunk_and_in_the_bill() {
    // gcp-eu has a small node in any case: what runs on it costs nothing more, though aws-us were cheaper than
    // both together.
    let min = |project: Project| {
        project.with(
            "clusters.yaml",
            "nodePools: [{offering: s}, {offering: l}]  # gcp",
            "nodePools: [{offering: s, min: 1}, {offering: l}]",
        )
    };
    let anywhere = min(words(&[("a", 2, 4, 1, CLOUDS)]));
    expect(&anywhere, "131", &[("a", "gcp-eu")]);
    let placed = solved(&anywhere);
    let all = explain(&placed.problem, &placed.solution);
    assert_eq!(all[0].runner_up, Some((1, MicroUsd(133_000_000))), "in aws-us all of it would be more");
    // Where nothing runs it is paid all the same, control plane and node, and decides nothing.
    let elsewhere = min(words(&[("a", 2, 4, 1, "location: {permitted: [{platform: aws}]}")]));
    expect(&elsewhere, "264", &[("a", "aws-us")]);
    let placed = solved(&elsewhere);
    assert_eq!(nodes(&placed), ["aws-us/s: 1", "gcp-eu/s: 1"]);
    assert_eq!((placed.solution.cost.nodes, placed.solution.cost.fees), (MicroUsd(118_000_000), MicroUsd(146_000_000)));
    // A second component fills it before anything new is bought.
    let two = min(words(&[("a", 2, 4, 1, CLOUDS), ("b", 8, 32, 1, "location: {permitted: [{provider: aws-us}]}")]));
    expect(&two, "424", &[("a", "gcp-eu"), ("b", "aws-us")]);
}
