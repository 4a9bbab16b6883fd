//! Strategies on worlds whose results are known: M cases of mck8s in its World W (obtained by running its
//! own handlers, or the values that skyplan has to give in their place), D21 to D24 of SkyShift, Karmada's
//! divisions; all from specs to placements, some on to what is applied.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use skyplan::{
    address::ResourceAddress,
    observed::{ClusterObserved, FreeNode, Observed},
    place::{
        decide::{Placed, place},
        problem::Limits,
    },
    plan::order::topological,
    state::State,
};

use crate::support::{
    log::{Log, plan},
    project::Project,
    world::World,
};

mod bought;

const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind: ";

/// A node with this much free: thousandths of a CPU, MiB.
fn node(milli_cpu: u64, mib: u64) -> FreeNode {
    FreeNode {
        name: format!("n-{milli_cpu}-{mib}"),
        milli_cpu,
        memory: mib << 20,
        gpus: 0,
        pods: 110,
        labels: BTreeMap::new(),
        taints: Vec::new(),
    }
}

/// Clusters with their nodes.
type Nodes<'a> = &'a [(&'a str, Vec<FreeNode>)];

fn seen(nodes: Nodes<'_>, traffic: &[(&str, u64)]) -> Observed {
    let cluster = |name: &str, free: &[FreeNode]| ClusterObserved::Reached {
        uid: name.into(),
        version: "v1.36.0".into(),
        served: BTreeMap::new(),
        namespaces: BTreeMap::new(),
        objects: BTreeMap::new(),
        free: free.to_vec(),
        pools: BTreeMap::new(),
    };
    Observed {
        clusters: nodes.iter().map(|(name, free)| ((*name).into(), cluster(name, free))).collect(),
        traffic: traffic.iter().map(|(name, bytes)| ((*name).into(), *bytes)).collect(),
        ..Observed::default()
    }
}

/// Room for so many replicas of 1 CPU and 1 GiB on each of five clusters: World W where it is 4, 10, 6, 2, 8.
fn rooms(rooms: [u64; 5]) -> Vec<(&'static str, Vec<FreeNode>)> {
    let one = |n: u64| if n == 0 { Vec::new() } else { vec![node(n * 1000, n * 1024)] };
    ["c1", "c2", "c3", "c4", "c5"].into_iter().zip(rooms.map(one)).collect()
}

fn w() -> Vec<(&'static str, Vec<FreeNode>)> {
    rooms([4, 10, 6, 2, 8])
}

const TRAFFIC: [(&str, u64); 5] = [("c1", 100), ("c2", 50), ("c3", 900), ("c4", 700), ("c5", 10)];

/// Existing clusters called `names`, each with labels in flow style.
fn clusters(names: &[(&str, &str)]) -> String {
    let one = |(name, labels): &(&str, &str)| {
        format!("{HEAD}Cluster\nname: {name}\ndriver: existing\nlabels: {{{labels}}}\n")
    };
    names.iter().map(one).collect::<Vec<_>>().join("---\n")
}

/// The flavors of mck8s, its round trips in World W, and an application.
fn world_w(components: &[(&str, u32, &str)]) -> Project {
    let pairs = [
        ("c1", "c2", 10),
        ("c1", "c3", 5),
        ("c1", "c4", 3),
        ("c1", "c5", 20),
        ("c2", "c3", 7),
        ("c2", "c4", 9),
        ("c2", "c5", 4),
        ("c3", "c4", 6),
        ("c3", "c5", 8),
        ("c4", "c5", 11),
    ];
    let pairs: String = pairs.iter().map(|(a, b, ms)| format!("  - {{a: {a}, b: {b}, p95: {ms}ms}}\n")).collect();
    let sold = [("small", 2, 8, "0.1"), ("medium", 4, 16, "0.2"), ("large", 8, 32, "0.4"), ("xlarge", 16, 64, "0.8")];
    let sold = sold.map(|(n, c, m, p)| format!("  - {{name: {n}, vcpus: {c}, memory: {m}Gi, price: {p}}}\n")).concat();
    project(
        &[("c1", ""), ("c2", ""), ("c3", ""), ("c4", ""), ("c5", "")],
        components,
        &[
            ("network.yaml", format!("{HEAD}LatencyProfile\nname: rtt\npairs:\n{pairs}")),
            ("cloud.yaml", format!("{HEAD}ProviderProfile\nname: cloud\nplatform: openstack\nofferings:\n{sold}")),
        ],
    )
}

/// Components (name, replicas of 1 CPU and 1 GiB, the rest of its policy in flow style) on existing clusters.
fn project(names: &[(&str, &str)], components: &[(&str, u32, &str)], more: &[(&str, String)]) -> Project {
    let mut app = format!("{HEAD}Application\nname: app\nsources:\n  - objects:\n");
    let mut policy = format!("{HEAD}DeploymentPolicy\nname: needs\ncomponents:\n");
    for (name, replicas, rest) in components {
        app += &format!(
            "      - apiVersion: apps/v1\n        kind: Deployment\n        metadata: {{name: {name}}}\n        spec:\n          \
             replicas: {replicas}\n          strategy: {{type: Recreate}}\n          selector: {{matchLabels: {{app: {name}}}}}\n          \
             template:\n            metadata: {{labels: {{app: {name}}}}}\n            spec: {{containers: [{{name: main, image: i, \
             resources: {{requests: {{cpu: 1000m, memory: 1024Mi}}}}}}]}}\n"
        );
        policy += &format!("  - {{componentRef: {name}, {rest}}}\n");
    }
    let root = format!("{HEAD}Project\nname: w\nplacement: {{headroom: 0%}}\n");
    let mut files = vec![("skyplan.yaml", root), ("clusters.yaml", clusters(names)), ("app.yaml", app)];
    files.push(("needs.yaml", policy));
    files.extend(more.iter().map(|(p, t)| (*p, t.clone())));
    Project::of(files)
}

#[track_caller]
fn solved(project: &Project, observed: &Observed, state: &State) -> Placed {
    place(&project.model(), observed, state, &Limits::default()).unwrap_or_else(|out| panic!("{}", project.shown(&out)))
}

/// Divisions as `c1 4, c2 2`, by component.
fn portions(placed: &Placed) -> BTreeMap<String, String> {
    let words = |p: &BTreeMap<String, u32>| p.iter().map(|(c, n)| format!("{c} {n}")).collect::<Vec<_>>().join(", ");
    let all = placed.record.components.iter();
    all.map(|(name, p)| (name.trim_start_matches("app/").to_owned(), words(&p.portions))).collect()
}

/// What one component in World W comes to.
#[track_caller]
fn one(replicas: u32, strategy: &str, nodes: Nodes<'_>) -> String {
    let project = world_w(&[("web", replicas, &format!("strategy: {strategy}"))]);
    portions(&solved(&project, &seen(nodes, &TRAFFIC), &State::default()))["web"].clone()
}

#[track_caller]
fn refused(project: &Project, observed: &Observed) -> String {
    let out = place(&project.model(), observed, &State::default(), &Limits::default()).expect_err("it fits");
    project.shown(&out)
}

#[test]
fn m1_worst_fit() {
    assert_eq!(one(2, "{name: WorstFit, locations: 3}", &w()), "c2 2, c3 2, c5 2");
}

#[test]
fn m2_best_fit() {
    assert_eq!(one(2, "{name: BestFit, locations: 3}", &w()), "c1 2, c3 2, c4 2");
}

#[test]
fn m3_most_traffic_with_overflow() {
    assert_eq!(one(3, "{name: MostTraffic, locations: 2}", &w()), "c1 1, c3 3, c4 2");
}

#[test]
fn m5_one_location() {
    assert_eq!(one(3, "MostTraffic", &w()), "c3 3");
}

#[test]
fn m6_no_room_and_what_would_do() {
    let project = world_w(&[("web", 10, "strategy: {name: WorstFit, locations: 5}")]);
    let text = refused(&project, &seen(&w(), &TRAFFIC));
    for words in [
        "error[SKY0420]: `app/web` needs 50 replicas (10 in each of 5 places); 20 find no room",
        "c1 takes 4, c2 takes 10, c3 takes 6, c4 takes 2, c5 takes 8",
        "nodes that hold the 20 replicas",
        "3 × large",
        "partial: true",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let partial = project.with("needs.yaml", "locations: 5", "locations: 5, partial: true");
    let placed = solved(&partial, &seen(&w(), &TRAFFIC), &State::default());
    assert_eq!(portions(&placed)["web"], "c1 4, c2 10, c3 6, c4 2, c5 8");
    assert_eq!(placed.record.components["app/web"].missing, 20);
}

#[test]
fn m8_named_clusters_with_overflow_to_the_nearest() {
    assert_eq!(one(5, "{name: ClusterAffinity, clusters: [c1, c4]}", &w()), "c1 4, c3 4, c4 2");
}

#[test]
fn m11_a_named_cluster_that_is_too_small() {
    let mut nodes = w();
    nodes[3].1 = vec![node(900, 8192), node(900, 8192)];
    assert_eq!(one(2, "{name: ClusterAffinity, clusters: [c4]}", &nodes), "c1 2");
}

#[test]
fn m15_no_empty_deployments() {
    assert_eq!(one(2, "{name: ClusterAffinity, clusters: [c1, c4, c3]}", &rooms([0, 10, 0, 0, 8])), "c2 6");
}

#[test]
fn m16_room_is_counted_node_by_node() {
    let nodes = vec![("c1", vec![node(1500, 4096), node(2500, 1024)])];
    let project = |replicas| project(&[("c1", "")], &[("web", replicas, "strategy: WorstFit")], &[]);
    assert_eq!(portions(&solved(&project(2), &seen(&nodes, &[]), &State::default()))["web"], "c1 2");
    let text = refused(&project(4), &seen(&nodes, &[]));
    assert!(text.contains("`app/web` needs 4 replicas; 2 find no room") && text.contains("c1 takes 2"), "{text}");
}

/// A world of the clusters, and a log to apply plans to it.
fn live(nodes: Nodes<'_>) -> (World, Log) {
    let mut world = World::default();
    for (name, free) in nodes {
        world.make_cluster(name).free = free.clone();
    }
    (world, Log::new("w"))
}

/// Replicas of the workload by cluster, as they are there.
fn there(world: &World, name: &str) -> String {
    let mut out = Vec::new();
    for (cluster, site) in &world.clusters {
        let found =
            site.objects.iter().find(|(a, _)| a.object().is_some_and(|o| o.kind == "Deployment" && o.name == name));
        out.extend(found.map(|(_, object)| format!("{cluster} {}", object["spec"]["replicas"])));
    }
    out.join(", ")
}

/// Positions of changes in the order of the plan.
fn position(planned: &crate::support::log::Planned, sign: &str, cluster: &str) -> usize {
    let sorted = topological(&planned.plan.changes).unwrap();
    let at = |a: &ResourceAddress| a.object().is_some_and(|o| o.kind == "Deployment" && o.cluster == cluster);
    sorted
        .iter()
        .position(|c| c.action.sign() == sign && at(&c.address))
        .unwrap_or_else(|| panic!("no {sign} on {cluster}: {:#?}", planned.changes()))
}

/// The change of a Deployment on one cluster waits for that on another.
fn waits(planned: &crate::support::log::Planned, cluster: &str, other: &str) -> bool {
    let of = |cluster: &str| {
        let at = |a: &ResourceAddress| a.object().is_some_and(|o| o.kind == "Deployment" && o.cluster == cluster);
        planned.plan.changes.iter().find(|c| at(&c.address)).unwrap()
    };
    of(cluster).depends_on.contains(&of(other).address)
}

#[test]
fn m13_new_places_are_ready_before_old_ones_go() {
    let (mut world, mut log) = live(&w());
    let before = world_w(&[("web", 2, "strategy: {name: ClusterAffinity, clusters: [c2, c3]}")]);
    log.run(&mut world, Some(&before.model()));
    assert_eq!(there(&world, "web"), "c2 2, c3 2");
    plan(&world, Some(&before.model()), &log.state).unwrap().assert_empty();
    let after = world_w(&[("web", 3, "strategy: {name: ClusterAffinity, clusters: [c2, c5]}")]);
    let planned = log.run(&mut world, Some(&after.model()));
    assert_eq!(there(&world, "web"), "c2 3, c5 3");
    assert!(position(&planned, "+", "c5") < position(&planned, "-", "c3"));
    assert!(waits(&planned, "c3", "c5"), "{:#?}", planned.plan.changes);
    plan(&world, Some(&after.model()), &log.state).unwrap().assert_empty();
}

#[test]
fn m14_fewer_places_one_of_them_new() {
    let (mut world, mut log) = live(&w());
    let before = world_w(&[("web", 2, "strategy: {name: ClusterAffinity, clusters: [c2, c3, c4]}")]);
    log.run(&mut world, Some(&before.model()));
    assert_eq!(there(&world, "web"), "c2 2, c3 2, c4 2");
    let after = world_w(&[("web", 2, "strategy: {name: ClusterAffinity, clusters: [c5]}")]);
    let planned = log.run(&mut world, Some(&after.model()));
    assert_eq!(there(&world, "web"), "c5 2");
    for old in ["c2", "c3", "c4"] {
        assert!(position(&planned, "+", "c5") < position(&planned, "-", old));
        assert!(waits(&planned, old, "c5"));
    }
    plan(&world, Some(&after.model()), &log.state).unwrap().assert_empty();
}

// --- SkyShift ---------------------------------------------------------------------------------------

/// SkyShift's clusters: a has nodes of 4 and 3 CPUs, b one of 8, c one of 16.
fn skyshift() -> Vec<(&'static str, Vec<FreeNode>)> {
    let big = |cpu: u64| node(cpu * 1000, 1 << 20);
    vec![("a", vec![big(4), big(3)]), ("b", vec![big(8)]), ("c", vec![big(16)])]
}

fn job(clusters: usize, replicas: u32, cpu: u32, rest: &str) -> Project {
    let names = [("a", "env: dev, region: na"), ("b", "env: staging, region: eu"), ("c", "env: prod, region: ap")];
    project(&names[..clusters], &[("job", replicas, rest)], &[]).with("app.yaml", "cpu: 1000m", &format!("cpu: {cpu}"))
}

#[test]
fn d21_the_largest_cluster_is_filled_first() {
    let nodes = skyshift();
    let placed = solved(&job(2, 5, 2, "strategy: Spread"), &seen(&nodes[..2], &[]), &State::default());
    assert_eq!(portions(&placed)["job"], "a 1, b 4");
}

#[test]
fn d22_what_cannot_be_scheduled() {
    // 15 replicas fit on a and b and c; without c, 7.
    let nodes = skyshift();
    let text = refused(&job(3, 20, 2, "strategy: Spread"), &seen(&nodes, &[]));
    assert!(text.contains("needs 20 replicas; 5 find no room"), "{text}");
    assert!(text.contains("a takes 3, b takes 4, c takes 8"), "{text}");
    let text = refused(&job(3, 1, 17, "strategy: Spread"), &seen(&nodes, &[]));
    assert!(text.contains("needs 1 replica; it finds no room"), "{text}");
}

#[test]
fn d23_preferences_outweigh_size() {
    let strategy = "strategy: {name: Spread, weights: [{selector: {matchLabels: {env: dev}}, weight: 100}, \
                    {selector: {matchLabels: {env: staging}}, weight: 2}]}";
    let nodes = skyshift();
    let placed = solved(&job(3, 5, 2, strategy), &seen(&nodes, &[]), &State::default());
    assert_eq!(portions(&placed)["job"], "a 3, b 2");
}

#[test]
fn d24_filters_by_label() {
    let nodes = skyshift();
    // One filter of two conditions: its clusters are in none of these regions and of this environment.
    let filter = "location: {permitted: [{matchLabels: {env: dev}, \
                  matchExpressions: [{key: region, operator: NotIn, values: [eu, ap]}]}]}, strategy: Spread";
    let placed = solved(&job(3, 2, 1, filter), &seen(&nodes, &[]), &State::default());
    assert_eq!(portions(&placed)["job"], "a 2");
    // Bookinfo: two services on each of two kinds of cluster.
    let on = |tier: &str| format!("location: {{permitted: [{{matchLabels: {{tier: {tier}}}}}]}}, strategy: Spread");
    let (front, back) = (on("frontend"), on("backend"));
    let components =
        [("details", 1, front.as_str()), ("productpage", 1, &front), ("ratings", 1, &back), ("reviews", 1, &back)];
    let project = project(&[("one", "tier: frontend"), ("two", "tier: backend")], &components, &[]);
    let nodes = vec![("one", vec![node(4000, 8192)]), ("two", vec![node(4000, 8192)])];
    let placed = portions(&solved(&project, &seen(&nodes, &[]), &State::default()));
    let all: Vec<String> = placed.iter().map(|(name, at)| format!("{name} {at}")).collect();
    assert_eq!(all, ["details one 1", "productpage one 1", "ratings two 1", "reviews two 1"]);
}

// --- Karmada ----------------------------------------------------------------------------------------

#[test]
fn duplicated_is_whole_everywhere() {
    assert_eq!(one(2, "Duplicated", &w()), "c1 2, c2 2, c3 2, c4 2, c5 2");
    let text = refused(&world_w(&[("web", 3, "strategy: Duplicated")]), &seen(&w(), &TRAFFIC));
    assert!(text.contains("needs 15 replicas (3 in each place); 1 finds no room"), "{text}");
    assert_eq!(one(3, "{name: Duplicated, partial: true}", &w()), "c1 3, c2 3, c3 3, c4 2, c5 3");
}

#[test]
fn weights_divide() {
    let weights = "weights: [{selector: {cluster: c2}, weight: 2}, {selector: {cluster: c5}, weight: 1}]";
    assert_eq!(one(6, &format!("{{name: Weighted, {weights}}}"), &w()), "c2 4, c5 2");
    assert_eq!(one(7, &format!("{{name: Weighted, {weights}}}"), &w()), "c2 5, c5 2");
    assert_eq!(one(10, "Weighted", &w()), "c1 2, c2 2, c3 2, c4 2, c5 2");
    assert_eq!(one(15, "DynamicWeight", &w()), "c1 2, c2 5, c3 3, c4 1, c5 4");
    assert_eq!(one(12, "Aggregated", &w()), "c2 7, c5 5");
}

#[test]
fn one_more_replica_moves_none() {
    let (mut world, mut log) = live(&w());
    for (replicas, strategy, wanted) in [
        (3, "Aggregated", "c2 3"),
        (12, "Aggregated", "c2 7, c5 5"),
        (11, "Aggregated", "c2 6, c5 5"),
        (4, "Aggregated", "c2 4"),
    ] {
        let project = world_w(&[("web", replicas, &format!("strategy: {strategy}"))]);
        log.run(&mut world, Some(&project.model()));
        assert_eq!(there(&world, "web"), wanted);
        plan(&world, Some(&project.model()), &log.state).unwrap().assert_empty();
    }
}

// --- beyond ------------------------------------------------------------------------------------------

#[test]
fn what_is_left_out_is_placed_by_a_later_plan() {
    let (mut world, mut log) = live(&w());
    let project = world_w(&[("web", 10, "strategy: {name: WorstFit, locations: 5, partial: true}")]);
    let planned = log.run(&mut world, Some(&project.model()));
    let note = planned.plan.notes.iter().find(|n| n.topic == "partial").unwrap();
    assert_eq!(note.text, "20 of 50 replicas of app/web find no room and are left out; later plans place them");
    assert_eq!(there(&world, "web"), "c1 4, c2 10, c3 6, c4 2, c5 8");
    plan(&world, Some(&project.model()), &log.state).unwrap().assert_empty();
    // Somebody makes room.
    world.make_cluster("c4").free = vec![node(22_000, 22 * 1024)];
    log.run(&mut world, Some(&project.model()));
    assert_eq!(there(&world, "web"), "c1 4, c2 10, c3 6, c4 22, c5 8");
    assert_eq!(log.state.placement.components["app/web"].missing, 0);
    plan(&world, Some(&project.model()), &log.state).unwrap().assert_empty();
}

#[test]
fn nothing_is_given_away_twice() {
    // Two that each take all the room there is: together they do not fit.
    let both = [("one", 30, "strategy: Aggregated"), ("two", 1, "strategy: WorstFit")];
    let text = refused(&world_w(&both), &seen(&w(), &TRAFFIC));
    assert!(text.contains("`app/two` needs 1 replica; it finds no room") || text.contains("app/two"), "{text}");
    // One that can run in one place only keeps its room, whatever a strategy would like.
    let project = world_w(&[("fixed", 8, "location: {permitted: [{cluster: c2}]}"), ("web", 4, "strategy: WorstFit")]);
    let placed = solved(&project, &seen(&w(), &TRAFFIC), &State::default());
    assert_eq!(portions(&placed)["web"], "c5 4");
}

#[test]
fn others_are_placed_first_where_strategies_leave_them_no_room() {
    // Two of five CPUs each find no two places once `web` took its two from the largest.
    let free = |n: u64| vec![node(n * 1000, n * 1024)];
    let nodes = vec![("c1", free(6)), ("c2", free(5)), ("c3", free(2))];
    let names = [("c1", ""), ("c2", ""), ("c3", "")];
    let all = [("big", 5, "dedicated: false"), ("great", 5, "dedicated: false"), ("web", 2, "strategy: WorstFit")];
    let placed = solved(&project(&names, &all, &[]), &seen(&nodes, &[]), &State::default());
    assert_eq!(portions(&placed)["web"], "c3 2");
}

#[test]
fn a_silent_cluster_keeps_its_part() {
    let (mut world, mut log) = live(&w());
    let project = world_w(&[("web", 6, "strategy: Weighted")]);
    log.run(&mut world, Some(&project.model()));
    assert_eq!(there(&world, "web"), "c1 2, c2 1, c3 1, c4 1, c5 1");
    world.clusters.get_mut("c2").unwrap().silent = true;
    // Nothing is known of it: it keeps its one, the others share what is new.
    let more = world_w(&[("web", 12, "strategy: Weighted")]);
    log.run(&mut world, Some(&more.model()));
    assert_eq!(there(&world, "web"), "c1 3, c2 1, c3 3, c4 2, c5 3");
}

#[test]
fn an_autoscaler_gets_its_part() {
    let (mut world, mut log) = live(&w());
    let scaler = "      - apiVersion: autoscaling/v2\n        kind: HorizontalPodAutoscaler\n        metadata: {name: web}\n        \
                  spec: {minReplicas: 5, maxReplicas: 12, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n";
    let weights = "weights: [{selector: {cluster: c2}, weight: 3}, {selector: {cluster: c5}, weight: 2}]";
    let mut project = world_w(&[("web", 5, &format!("strategy: {{name: Weighted, {weights}}}"))]);
    let app = project.tree.files["app.yaml"].to_string() + scaler;
    project.tree.files.insert("app.yaml".into(), app.into());
    let planned = log.run(&mut world, Some(&project.model()));
    let bounds: Vec<String> = planned
        .plan
        .changes
        .iter()
        .filter(|c| c.address.to_string().contains("HorizontalPodAutoscaler"))
        .map(|c| {
            let object = &world.object(&c.address).unwrap()["spec"];
            format!("{} {}..{}", c.address.cluster(), object["minReplicas"], object["maxReplicas"])
        })
        .collect();
    assert_eq!(bounds, ["c2 3..8", "c5 2..4"]);
    for cluster in ["c2", "c5"] {
        let change = serde_json::to_value(planned.of(&format!("object/{cluster}/apps/Deployment/app/web"))).unwrap();
        let spec = &change["after"]["object"]["spec"];
        assert!(
            spec["template"].is_object() && spec["replicas"].is_null(),
            "the autoscaler owns the number: {change:#}"
        );
    }
    plan(&world, Some(&project.model()), &log.state).unwrap().assert_empty();
}

#[test]
fn a_divided_source_sends_its_parts() {
    let flows =
        format!("{HEAD}DataflowPolicy\nname: data\nflows:\n  - {{from: web, to: sink, volume: {{total: 100GB}}}}\n");
    let site = |name: &str, platform: &str| {
        format!(
            "{HEAD}ProviderProfile\nname: {name}\nplatform: {platform}\negress: [{{to: internet, tiers: [{{pricePerGb: 0.10}}]}}]\n"
        )
    };
    let weights = "weights: [{selector: {cluster: c1}, weight: 3}, {selector: {cluster: c2}, weight: 1}]";
    let project = project(
        &[("c1", ""), ("c2", "")],
        &[
            ("sink", 1, "location: {permitted: [{cluster: c1}]}"),
            ("web", 4, &format!("strategy: {{name: Weighted, {weights}}}")),
        ],
        &[("data.yaml", flows), ("one.yaml", site("one", "aws")), ("two.yaml", site("two", "gcp"))],
    )
    .with("clusters.yaml", "name: c1\n", "name: c1\nproviderRef: one\n")
    .with("clusters.yaml", "name: c2\n", "name: c2\nproviderRef: two\n");
    let nodes = vec![("c1", vec![node(8000, 8192)]), ("c2", vec![node(8000, 8192)])];
    let placed = solved(&project, &seen(&nodes, &[]), &State::default());
    assert_eq!(portions(&placed)["web"], "c1 3, c2 1");
    // A quarter of 100 GB leaves c2.
    assert_eq!(placed.solution.cost.transfer.exact(), "2.5");
}

#[test]
fn words_that_do_not_go_together() {
    for (replicas, strategy, words) in [
        (1, "strategy: {name: Weighted, locations: 2}", "`locations` does not go with `Weighted`"),
        (1, "strategy: {name: WorstFit, clusters: [c1]}", "`clusters` does not go with `WorstFit`"),
        (1, "strategy: {name: Spread, divided: true}", "`divided` does not go with `Spread`"),
        (1, "strategy: {name: Cost, partial: true}", "`partial` does not go with `Cost`"),
        (1, "strategy: ClusterAffinity", "names no clusters"),
        (1, "strategy: {name: ClusterAffinity, clusters: [c1, c1]}", "named twice"),
        (1, "strategy: {name: ClusterAffinity, clusters: [c9]}", "no Cluster called `c9`"),
        (1, "strategy: Worst", "SKY0108"),
        (1, "strategy: {name: WorstFit, location: 2}", "unknown field `location`"),
        (
            1,
            "strategy: WorstFit, location: {required: [{anyOf: [{cluster: c1}]}]}",
            "`required` does not go with `WorstFit`",
        ),
    ] {
        let project = world_w(&[("web", replicas, strategy)]);
        let (_, out) = project.compiled();
        let text = project.shown(&out);
        assert!(out.has_errors() && text.contains(words), "{strategy}: {words}\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every division adds up, fits, is kept by the next plan, and does not depend on names.
    #[test]
    fn divisions_hold(
        room in prop::array::uniform5(0_u64..8),
        kinds in prop::collection::vec((0_usize..8, 1_u32..5), 1..4),
    ) {
        let strategies = [
            "WorstFit", "{name: BestFit, locations: 2}", "MostTraffic", "{name: ClusterAffinity, clusters: [c3]}",
            "Weighted", "DynamicWeight", "Aggregated", "Spread",
        ];
        let words: Vec<String> = kinds.iter().map(|(k, _)| format!("strategy: {}", strategies[*k])).collect();
        let names = ["a", "b", "c"];
        let components: Vec<(&str, u32, &str)> =
            names.iter().zip(&kinds).zip(&words).map(|((n, (_, r)), w)| (*n, *r, w.as_str())).collect();
        let project = world_w(&components);
        let nodes = rooms(room);
        let wanted: u32 = kinds.iter().map(|(k, r)| if *k == 1 { 2 * r } else { *r }).sum();
        let observed = seen(&nodes, &TRAFFIC);
        match place(&project.model(), &observed, &State::default(), &Limits::default()) {
            Ok(placed) => {
                let all: u32 = placed.record.components.values().flat_map(|p| p.portions.values()).sum();
                prop_assert_eq!(all, wanted);
                let state = State { placement: placed.record.clone(), ..State::default() };
                let again = solved(&project, &observed, &state);
                prop_assert_eq!(&again.record, &placed.record);
            }
            Err(_) => prop_assert!(kinds.iter().any(|(k, _)| [3, 4].contains(k)) || u64::from(wanted) > room.iter().sum::<u64>()),
        }
    }
}
