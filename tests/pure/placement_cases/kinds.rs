//! Kinds of node by price, ways by what they cost, and replicas that may be split.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use skyplan::place::problem::{Candidate, Demand};

use super::{CLOUDS, application, dedicated, needs, nodes, on_a, places, project, shared, solved, total};

#[test]
fn d17_alternatives_by_price() {
    // What the nodes of the first entry may be, the cheapest first.
    let alternatives = |compute: &str| -> Vec<String> {
        let placed = solved(&on_a(compute));
        let Candidate::Allowed(Demand::Dedicated(entries)) = &placed.problem.components[0].candidates[0] else {
            panic!("not dedicated")
        };
        let offers = &placed.problem.places[0].offers;
        let one = |(t, n): &(usize, u32)| format!("{n} × {} {}", offers[*t].offering, offers[*t].price.exact());
        entries[0].anyof.iter().map(one).collect()
    };
    let large = "{anyOf: [{vcpus: 64, memory: 256Gi, gpu: {model: A10G, count: 1}}]}";
    assert_eq!(alternatives(large), ["1 × 64vCPU-256GB-1xA10G-22GB 4.1"]);
    let either = "{anyOf: [{vcpus: 48, gpu: {model: A10G, count: 4}}, {gpu: {model: L4}}]}";
    assert_eq!(alternatives(either), ["1 × 12vCPU-49GB-1xL4-24GB 0.4893", "1 × 48vCPU-192GB-4xA10G-22GB 5.67"]);
    // A Deployment that asks for no kind of node can run on all of them, on those with GPUs too: the
    // cheapest is bought, and what is left when that cannot be had.
    let plain = |pools: &str| {
        let app = application(&[("x", 1, 1, 1)]).replace("cpu: 1, memory: 1Gi", "cpu: 500m, memory: 256Mi");
        let all = "[{offering: 2vCPU-4GB}, {offering: 12vCPU-49GB-1xL4-24GB}, {offering: 64vCPU-256GB-1xA10G-22GB}, {offering: 48vCPU-192GB-4xA10G-22GB}]";
        let on_a = needs(&[("x", "location: {permitted: [{cluster: a}]}")]);
        solved(&project("points", &[("app.yaml", app), ("needs.yaml", on_a)]).with("clusters.yaml", all, pools))
    };
    for (pools, bought) in [
        ("[{offering: 48vCPU-192GB-4xA10G-22GB}, {offering: 2vCPU-4GB}]", "a/2vcpu-4gb: 1"),
        ("[{offering: 48vCPU-192GB-4xA10G-22GB}, {offering: 12vCPU-49GB-1xL4-24GB}]", "a/12vcpu-49gb-1xl4-24gb: 1"),
    ] {
        assert_eq!(nodes(&plain(pools)), [bought]);
    }
}

#[test]
fn d20_what_leaves_where_for_how_much() {
    let placed = solved(&dedicated(&[("x", "")], &[]));
    let ways: Vec<String> = placed
        .problem
        .routes
        .iter()
        .flatten()
        .map(|way| {
            let latency = way.latency.map(|l| l.to_string()).unwrap_or_default();
            format!(
                "{latency} {}",
                way.meter.map_or("free".into(), |m| placed.problem.meters[m].tiers[0].per_gb.exact())
            )
        })
        .collect();
    // a → a, a → g, g → a, g → g.
    assert_eq!(ways, ["0ms free", "20ms 0.09", "20ms 0.12", "0ms free"]);
}

#[test]
fn e9_what_a_quota_forbids_whole_may_be_split() {
    // All three quotas are 6 CPUs and four replicas take 8: three in the cheapest region, one in the next.
    let mut project = shared(&[("a", 2, 8, 4, CLOUDS)], &[]);
    for file in ["aws-us.yaml", "aws-eu.yaml", "gcp-eu.yaml"] {
        let text = project.tree.files[file].to_string() + "quota: {vcpus: 6}\n";
        project.tree.files.insert(file.into(), text.into());
    }
    let split =
        project.with("needs.yaml", "componentRef: a,", "componentRef: a, strategy: {name: Cost, divided: true},");
    let placed = solved(&split);
    assert_eq!((total(&placed).as_str(), places(&placed)["a"].as_str()), ("380", "aws-us gcp-eu"));
    assert_eq!(placed.record.components["app/a"].portions.values().collect::<Vec<_>>(), [&1, &3]);
}
