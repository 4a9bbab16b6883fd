//! Networks of clusters: leased once, kept, and no two with the same addresses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use skyplan::{
    diagnostic::{Diagnostics, Severity},
    network::{Cidr, Networks},
    plan::{
        Scope,
        change::{Action, ActionReason},
    },
    state::RecordDetail,
};

use crate::support::{
    log::{Log, Outcomes, applied, plan, plan_as},
    project::Project,
    world::World,
};

const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind:";

/// Clusters that always stand, each with what more is written of it.
fn fleet(networks: &str, clusters: &[(&str, &str)]) -> Project {
    let provider = "name: p\nplatform: local\nofferings: [{name: s, vcpus: 2, memory: 4Gi, price: 0.1}]\n";
    let mut files = vec![
        ("skyplan.yaml".to_owned(), format!("{HEAD} Project\nname: fleet\n{networks}\n")),
        ("p.yaml".to_owned(), format!("{HEAD} ProviderProfile\n{provider}")),
    ];
    for (name, more) in clusters {
        let local = "driver: local\nproviderRef: p\nnodePools: [{offering: s, min: 1}]";
        let driver = if more.contains("driver:") { "" } else { local };
        files.push((format!("{name}.yaml"), format!("{HEAD} Cluster\nname: {name}\n{driver}\n{more}\n")));
    }
    Project::of(files)
}

/// By name, as words.
fn has(log: &Log) -> BTreeMap<&str, Networks> {
    let clusters = log.state.records.iter().filter_map(|(address, record)| match &record.detail {
        RecordDetail::Cluster(c) => Some((address.cluster(), c.networks())),
        _ => None,
    });
    clusters.collect()
}

fn words(log: &Log, name: &str) -> String {
    has(log)[name].words()
}

fn codes(out: &Diagnostics) -> Vec<&str> {
    out.iter().map(|d| d.code.as_str()).collect()
}

#[test]
fn what_is_leased_stays_whatever_becomes_of_others() {
    let (mut world, mut log) = applied(&fleet("", &[("b", "")]));
    assert_eq!(words(&log, "b"), "pods 10.244.0.0/16, services 10.96.0.0/16");
    log.run(&mut world, Some(&fleet("", &[("a", ""), ("b", "")]).model()));
    assert_eq!(words(&log, "a"), "pods 10.245.0.0/16, services 10.97.0.0/16");
    assert_eq!(words(&log, "b"), "pods 10.244.0.0/16, services 10.96.0.0/16");
    // One that goes has its networks until it is gone.
    log.run(&mut world, Some(&fleet("", &[("a", ""), ("c", "")]).model()));
    assert_eq!(words(&log, "c"), "pods 10.246.0.0/16, services 10.98.0.0/16");
    log.run(&mut world, Some(&fleet("", &[("a", ""), ("c", ""), ("d", "")]).model()));
    assert_eq!(words(&log, "d"), "pods 10.244.0.0/16, services 10.96.0.0/16");
    // Other pools are for those to come.
    let pools = "networks: {pods: {pools: [172.16.0.0/12], prefix: 20}, services: {prefix: 24}}";
    let more = fleet(pools, &[("a", ""), ("c", ""), ("d", ""), ("e", "")]);
    log.run(&mut world, Some(&more.model()));
    assert_eq!(words(&log, "e"), "pods 172.16.0.0/20, services 10.99.0.0/24");
    assert_eq!(words(&log, "a"), "pods 10.245.0.0/16, services 10.97.0.0/16");
    plan(&world, Some(&more.model()), &log.state).unwrap().assert_empty();
}

#[test]
fn what_is_written_nobody_else_gets() {
    let prod = "driver: existing\nexisting: {kubeconfig: k}\nnetworks: {pods: 10.244.0.0/14, services: 10.98.0.0/20}";
    let z = "networks: {services: 10.96.0.0/16}";
    let (_, log) = applied(&fleet("", &[("prod", prod), ("a", ""), ("z", z)]));
    assert_eq!(words(&log, "a"), "pods 10.128.0.0/16, services 10.97.0.0/16");
    assert_eq!(words(&log, "z"), "pods 10.129.0.0/16, services 10.96.0.0/16");
}

#[test]
fn a_cluster_of_before_has_what_all_had() {
    let (mut world, mut log) = applied(&fleet("", &[("old", "")]));
    for record in log.state.records.values_mut() {
        if let RecordDetail::Cluster(c) = &mut record.detail {
            c.networks = Networks::default();
        }
    }
    assert!(!serde_json::to_string(&log.state).unwrap().contains("10.244"));
    plan(&world, Some(&fleet("", &[("old", "")]).model()), &log.state).unwrap().assert_empty();
    log.run(&mut world, Some(&fleet("", &[("new", ""), ("old", "")]).model()));
    assert_eq!(words(&log, "new"), "pods 10.245.0.0/16, services 10.97.0.0/16");
    // Writing down what it has changes nothing.
    let written = fleet("", &[("new", ""), ("old", "networks: {pods: 10.244.0.0/16}")]);
    plan(&world, Some(&written.model()), &log.state).unwrap().assert_empty();
}

#[test]
fn one_that_was_about_to_be_made_keeps_what_it_was_to_get() {
    let project = fleet("", &[("b", "")]);
    // After the Begin; after the cluster was made and before anybody heard of it.
    for most in [1, 2] {
        let (mut world, mut log) = (World::default(), Log::new("fleet"));
        let planned = plan(&world, Some(&project.model()), &log.state).unwrap();
        assert!(log.apply(&mut world, &planned, Outcomes::AtOnce, most).is_err());
        let other = fleet("networks: {pods: {pools: [172.16.0.0/12]}}", &[("a", ""), ("b", "")]);
        log.run(&mut world, Some(&other.model()));
        assert_eq!(words(&log, "b"), "pods 10.244.0.0/16, services 10.96.0.0/16");
        assert_eq!(words(&log, "a"), "pods 172.16.0.0/16, services 10.97.0.0/16");
    }
}

#[test]
fn the_network_of_what_stands_is_changed_by_making_it_anew() {
    let (mut world, mut log) = applied(&fleet("", &[("b", "")]));
    let other = fleet("", &[("b", "networks: {pods: 10.1.0.0/16}")]).model();
    let out = plan(&world, Some(&other), &log.state).expect_err("it is refused");
    assert_eq!(codes(&out), ["SKY0530"]);
    assert!(out.iter().all(|d| d.hints.iter().any(|h| h.contains("--replace cluster/b"))), "{out:#?}");
    let scope = Scope { replace: ["cluster/b".parse().unwrap()].into(), ..Scope::default() };
    let planned = plan_as(&world, Some(&other), &log.state, &scope).unwrap();
    assert_eq!(planned.of("cluster/b").action, Action::Replace);
    log.apply(&mut world, &planned, Outcomes::AtOnce, usize::MAX).unwrap();
    assert_eq!(words(&log, "b"), "pods 10.1.0.0/16, services 10.96.0.0/16");
    plan(&world, Some(&other), &log.state).unwrap().assert_empty();
    // Whoever takes it away may also make another.
    world.clusters.clear();
    let again = fleet("", &[("b", "networks: {pods: 10.2.0.0/16}")]).model();
    let planned = log.run(&mut world, Some(&again));
    assert_eq!(planned.of("cluster/b").reason, ActionReason::DeletedOutside);
    assert_eq!(words(&log, "b"), "pods 10.2.0.0/16, services 10.96.0.0/16");
}

#[test]
fn what_is_known_of_an_existing_cluster_may_change() {
    let app = "name: web\nsources: [{path: manifests}]\n";
    let web = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n";
    let prod = |network: &str| {
        let mut project = fleet("", &[("prod", &format!("driver: existing\nexisting: {{kubeconfig: k}}\n{network}"))]);
        project.tree.files.insert("web/a.yaml".into(), format!("{HEAD} Application\n{app}").into());
        project.tree.files.insert("web/manifests/web.yaml".into(), web.into());
        project.model()
    };
    let (mut world, mut log) = (World::default(), Log::new("fleet"));
    world.make_cluster("prod");
    log.run(&mut world, Some(&prod("")));
    assert_eq!(has(&log)["prod"], Networks::default());
    let known = prod("networks: {pods: 10.0.0.0/14}");
    let planned = log.run(&mut world, Some(&known));
    let change = planned.only();
    assert_eq!((change.action, &change.reason), (Action::Update, &ActionReason::SpecChanged));
    let fields: Vec<&str> = change.fields.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(fields, ["network.pods"]);
    assert_eq!(words(&log, "prod"), "pods 10.0.0.0/14");
    plan(&world, Some(&known), &log.state).unwrap().assert_empty();
}

#[test]
fn networks_that_cannot_be_are_told() {
    let existing = |network: &str| format!("driver: existing\nexisting: {{kubeconfig: k}}\nnetworks: {{{network}}}");
    let fault = |networks: &str, clusters: &[(&str, &str)]| {
        let out = fleet(networks, clusters).compiled().1;
        assert!(out.iter().all(|d| d.severity == Severity::Warning || !d.hints.is_empty()), "{out:#?}");
        out.iter().map(|d| format!("{:?} {}: {}", d.severity, d.code, d.summary)).collect::<Vec<_>>().join("; ")
    };
    for (network, wanted) in [
        ("pods: 10.244.0.1/16", "Error SKY0107: `10.244.0.1/16` begins within the network 10.244.0.0/16"),
        ("pods: fd00::/64", "Error SKY0107: `fd00::/64` is not an IPv4 network such as 10.244.0.0/16"),
        ("pods: 10.0.0.0/4", "Error SKY0107: `10.0.0.0/4` is too large: networks are from /8 to /30"),
        ("services: 10.0.0.0/8", "Error SKY0107: 10.0.0.0/8 cannot be a network of Services"),
        (
            "pods: 10.0.0.0/12, services: 10.1.0.0/16",
            "Error SKY0243: pods and Services of cluster `a` have addresses in common",
        ),
    ] {
        assert_eq!(fault("", &[("a", &format!("networks: {{{network}}}"))]), wanted);
    }
    for (networks, wanted) in [
        ("pods: {prefix: 8}", "Error SKY0107: networks of pods cannot be /8"),
        ("pods: {pools: []}", "Error SKY0107: no pool to lease networks of pods from"),
        ("services: {pools: [10.0.0.0/17]}", "Error SKY0107: no network of /16 is within 10.0.0.0/17"),
    ] {
        assert_eq!(fault(&format!("networks: {{{networks}}}"), &[]), wanted);
    }
    let (one, two) = ("networks: {pods: 10.1.0.0/16}", "networks: {services: 10.1.128.0/20}");
    let words = "Services of cluster `b` and pods of cluster `a` have addresses in common";
    assert_eq!(fault("", &[("a", one), ("b", two)]), format!("Error SKY0243: {words}"));
    // Those that nobody made are as they are.
    let (one, two) = (existing("pods: 10.1.0.0/16"), existing("services: 10.1.128.0/20"));
    assert_eq!(fault("", &[("a", &one), ("b", &two)]), format!("Warning SKY0243: {words}"));
    assert!(
        fault("", &[("a", &one), ("b", "networks: {pods: 10.1.0.0/24}")])
            .starts_with("Error SKY0243: pods of cluster `b`")
    );

    let (world, log) = applied(&fleet("", &[("a", "")]));
    let refused = |networks: &str, clusters: &[(&str, &str)]| {
        let out = plan(&world, Some(&fleet(networks, clusters).model()), &log.state).expect_err("it is refused");
        out.iter().map(|d| format!("{}: {}", d.code, d.summary)).collect::<Vec<_>>()
    };
    assert_eq!(
        refused("", &[("a", ""), ("b", "networks: {services: 10.244.0.0/20}")]),
        ["SKY0243: Services of cluster `b` and pods of cluster `a` have addresses in common"]
    );
    assert_eq!(
        refused("networks: {pods: {pools: [10.244.0.0/15]}}", &[("a", ""), ("b", ""), ("c", ""), ("d", "")]),
        ["SKY0531: no network of /16 is left for pods of cluster `c` and 1 more"]
    );
    // What an existing cluster has is a fact.
    let prod = existing("pods: 10.244.0.0/16");
    let noted = fleet("", &[("a", ""), ("prod", &prod)]).model();
    assert!(plan(&world, Some(&noted), &log.state).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_two_clusters_ever_share_an_address(
        steps in proptest::collection::vec((0_u8..32, 0_usize..4, 0_usize..4, 0_usize..30), 1..6),
    ) {
        let pools = [
            "",
            "networks: {pods: {prefix: 20}, services: {pools: [10.244.0.0/16], prefix: 22}}",
            "networks: {pods: {pools: [10.244.0.0/15, 10.97.0.0/16]}}",
            "networks: {services: {pools: [10.244.0.0/14]}}",
        ];
        let writes = ["", "networks: {pods: 10.245.0.0/16}", "networks: {services: 10.244.16.0/20}", "networks: {pods: 10.1.0.0/16}"];
        let (mut world, mut log) = (World::default(), Log::new("fleet"));
        for (there, pool, written, most) in steps {
            let before: BTreeMap<String, Networks> = has(&log).into_iter().map(|(n, all)| (n.to_owned(), all)).collect();
            let names = ["a", "b", "c", "d", "w"];
            let clusters: Vec<(&str, &str)> = names.iter().enumerate().filter(|(i, _)| there >> i & 1 == 1)
                .map(|(_, name)| (*name, if *name == "w" { writes[written] } else { "" })).collect();
            let model = fleet(pools[pool], &clusters).model();
            match plan(&world, Some(&model), &log.state) {
                Ok(planned) => drop(log.apply(&mut world, &planned, Outcomes::AtOnce, most)),
                Err(out) => prop_assert!(out.iter().all(|d| ["SKY0243", "SKY0530", "SKY0531"].contains(&d.code.as_str())), "{out:#?}"),
            }
            let now = has(&log);
            // What is written may change while nothing is there.
            for (name, networks) in now.iter().filter(|(name, _)| **name != "w") {
                prop_assert!(before.get(*name).is_none_or(|b| b == networks), "{name} is renumbered");
            }
            // Also of those that were made and nobody has heard of.
            let mut all: BTreeMap<&str, Networks> = world.clusters.iter().map(|(n, site)| (n.as_str(), site.networks)).collect();
            all.extend(now.iter().map(|(n, networks)| (*n, *networks)));
            let flat: Vec<Cidr> = all.values().flat_map(|n| n.known().map(|(_, n)| n)).collect();
            for (i, a) in flat.iter().enumerate() {
                prop_assert!(flat[..i].iter().all(|b| !a.overlaps(*b)), "{all:#?}");
            }
        }
    }
}
