//! Acceptance cases, by their names in the facts: D of SkyCluster's comparison, E of placement.
#![allow(clippy::expect_used, clippy::panic, clippy::needless_range_loop, reason = "tests")]

use super::{
    check::check,
    infeasible::Conflict,
    problem::{
        Candidate, Component, Demand, Exclusion, Flow, Group, Limits, Meter, Method, Offer, Place, PodGroup, Problem,
        Quota, Requirement, Resources, Route, Solution, Tier,
    },
    search::solve,
};
use crate::{diagnostic::Origin, money::MicroUsd, quantity::Micros};

const GB: u64 = 1_000_000_000;

fn line(n: u32) -> Origin {
    Origin { file: "policy.yaml".into(), line: n, column: 1, start: 0, len: 0 }
}

fn usd(text: &str) -> MicroUsd {
    MicroUsd::parse(text).expect("a price")
}

/// Builds problems in the words of the cases.
#[derive(Default)]
struct Fleet(Problem);

impl Fleet {
    fn place(mut self, name: &str, fee: &str, offers: &[(&str, &str, u64, u64)]) -> Self {
        let offers = offers.iter().map(|(name, price, cpu, gib)| {
            let size = Resources { milli_cpu: cpu * 1000, memory: gib << 30, gpus: 0, pods: 110 };
            Offer {
                name: (*name).into(),
                offering: (*name).into(),
                price: usd(price),
                gross: size,
                usable: size,
                min: 0,
                max: None,
            }
        });
        let place = Place {
            name: name.into(),
            origin: line(1),
            fee: usd(fee),
            offers: offers.collect(),
            free: Vec::new(),
            kept: false,
            quota: None,
        };
        self.0.places.push(place);
        self
    }

    /// Latency in microseconds both ways; own places are half a millisecond apart.
    fn latency(mut self, pairs: &[(usize, usize, u64)]) -> Self {
        let n = self.0.places.len();
        let own = |a, b| Route { latency: (a == b).then_some(Micros(500)), bandwidth: None, meter: None };
        self.0.routes = (0..n).map(|a| (0..n).map(|b| own(a, b)).collect()).collect();
        for (a, b, micros) in pairs {
            self.0.routes[*a][*b].latency = Some(Micros(*micros));
            self.0.routes[*b][*a].latency = Some(Micros(*micros));
        }
        self
    }

    /// A meter for the ways between pairs of places.
    fn meter(mut self, name: &str, tiers: &[(Option<u64>, &str)], ways: &[(usize, usize)]) -> Self {
        let tiers = tiers.iter().map(|(gb, price)| Tier { up_to: gb.map(|gb| gb * GB), per_gb: usd(price) });
        self.0.meters.push(Meter { name: name.into(), tiers: tiers.collect() });
        for (a, b) in ways {
            self.0.routes[*a][*b].meter = Some(self.0.meters.len() - 1);
        }
        self
    }

    fn component(mut self, name: &str, at: &[usize], demand: impl Fn(usize) -> Demand) -> Self {
        let candidates = (0..self.0.places.len()).map(|l| {
            if at.contains(&l) {
                Candidate::Allowed(demand(l))
            } else {
                Candidate::Excluded(Exclusion { reason: "not permitted".into(), origin: Some(line(20)) })
            }
        });
        let component = Component {
            name: name.into(),
            origin: line(10 + self.0.components.len() as u32),
            candidates: candidates.collect(),
            groups: Vec::new(),
            min: 1,
            max: 1,
            incumbent: Vec::new(),
            pinned: false,
            dislike: Vec::new(),
            portions: Vec::new(),
        };
        self.0.components.push(component);
        self
    }

    /// One dedicated node of the first offer.
    fn cp(self, name: &str, at: &[usize]) -> Self {
        self.component(name, at, |_| dedicated(&[&[(0, 1)]]))
    }

    fn pods(self, name: &str, at: &[usize], milli_cpu: u64, gib: u64, count: u32) -> Self {
        let size = Resources { milli_cpu, memory: gib << 30, gpus: 0, pods: 1 };
        self.component(name, at, |_| Demand::Shared(vec![PodGroup { size, count, only: None, free: None }]))
    }

    /// Required groups of the last component; instances follow their number unless said.
    fn required(mut self, groups: &[(&str, &[usize])], max: Option<u32>) -> Self {
        let component = self.0.components.last_mut().expect("a component");
        component.groups = groups
            .iter()
            .enumerate()
            .map(|(k, (text, places))| Group {
                places: places.to_vec(),
                text: (*text).into(),
                origin: line(30 + k as u32),
            })
            .collect();
        component.min = max.unwrap_or(groups.len() as u32).min(groups.len() as u32);
        component.max = max.unwrap_or(groups.len() as u32);
        self
    }

    fn flow(mut self, from: usize, to: usize, bytes: u64, latency: Option<u64>) -> Self {
        let origin = line(40 + self.0.flows.len() as u32);
        self.0.flows.push(Flow { from, to, bytes, latency: latency.map(Micros), rate: None, origin });
        self
    }

    fn edit(mut self, change: impl FnOnce(&mut Problem)) -> Self {
        change(&mut self.0);
        self
    }

    fn solved(&self) -> Solution {
        let solution = solve(&self.0, &Limits::default()).expect("a placement");
        assert_eq!(check(&self.0, &solution), Ok(()));
        assert_eq!(solution.method, Method::Exact);
        solution
    }

    fn cost(&self) -> String {
        self.solved().cost.total().exact()
    }

    fn conflict(&self) -> Conflict {
        let refusal = solve(&self.0, &Limits::default()).expect_err("no placement");
        assert!(refusal.proven);
        refusal.conflicts[0].clone()
    }
}

fn dedicated(entries: &[&[(usize, u32)]]) -> Demand {
    let entries = entries.iter().map(|anyof| Requirement { origin: line(50), anyof: anyof.to_vec() });
    Demand::Dedicated(entries.collect())
}

/// aws us-east-1 and gcp us-east1: `cp` nodes, 20 ms apart, 0.09 and 0.12 per GB.
fn two_points(latency: u64) -> Fleet {
    let offers = [
        ("0-cp", "0.05", 2, 4),
        ("1-l4", "0.4893", 12, 49),
        ("2-a10g", "4.10", 64, 256),
        ("3-4xa10g", "5.67", 48, 192),
    ];
    Fleet::default()
        .place("aws", "0", &offers)
        .place("gcp", "0", &offers)
        .latency(&[(0, 1, latency)])
        .meter("aws to internet", &[(None, "0.09")], &[(0, 1)])
        .meter("gcp to internet", &[(None, "0.12")], &[(1, 0)])
}

const BOTH: &[(&str, &[usize])] = &[("region: us-east-1", &[0]), ("region: us-east1", &[1])];

#[test]
fn d1_redis_pipeline() {
    let half = GB / 2;
    let fleet = two_points(20_000)
        .cp("pipeline/aggregator", &[0, 1])
        .cp("pipeline/processor", &[0, 1])
        .required(BOTH, None)
        .cp("pipeline/producer", &[0, 1])
        .required(BOTH, None)
        .cp("pipeline/redis", &[0])
        .required(&[("region: us-east-1", &[0])], None)
        .flow(0, 3, half, Some(500_000))
        .flow(1, 0, half, Some(500_000))
        .flow(1, 3, half, Some(500_000))
        .flow(2, 1, half, Some(500_000))
        .flow(2, 3, half, Some(500_000));
    let solution = fleet.solved();
    assert_eq!(solution.cost.total().exact(), "0.48");
    assert_eq!((solution.cost.nodes.exact(), solution.cost.transfer.exact()), ("0.3".into(), "0.18".into()));
    assert_eq!(solution.instances, [vec![0], vec![0, 1], vec![0, 1], vec![0]]);
    assert_eq!(solution.targets[3], [0, 1], "each producer talks to the processor beside it");
}

#[test]
fn d3_loadtest() {
    let fleet = two_points(20_000).cp("x", &[0, 1]).required(BOTH, None).cp("y", &[0, 1]).required(BOTH, None).flow(
        0,
        1,
        GB / 2,
        Some(500_000),
    );
    let solution = fleet.solved();
    assert_eq!(solution.cost.total().exact(), "0.2");
    assert_eq!(solution.targets, [vec![0, 1]]);
}

#[test]
fn d4_latency_on_the_bound() {
    let fleet = |strict| {
        two_points(20_000)
            .cp("x", &[0])
            .cp("y", &[1])
            .flow(0, 1, GB / 2, Some(20_000))
            .edit(|p| p.strict_latency = strict)
    };
    assert_eq!(fleet(false).cost(), "0.145");
    let Conflict::Latency { from, to, bound, nearest, strict, .. } = fleet(true).conflict() else { panic!() };
    assert_eq!((from.as_str(), to.as_str(), bound, strict), ("x", "y", Micros(20_000), true));
    assert_eq!(nearest, Some(("aws".into(), "gcp".into(), Micros(20_000))));
    let refusal = solve(&fleet(true).0, &Limits::default()).expect_err("strict");
    let diagnostic = &refusal.to_diagnostics()[0];
    assert_eq!(diagnostic.code, "SKY0404");
    assert_eq!(diagnostic.summary, "no places keep the flow from `x` to `y` within less than 20ms");
    assert_eq!(diagnostic.hints, ["allow a latency of more than 20ms from `x` to `y`: it would cost $0.15/month then"]);
}

#[test]
fn d5_just_above_the_latency() {
    let fleet = two_points(20_000)
        .cp("x", &[0])
        .cp("y", &[1])
        .flow(0, 1, GB / 2, Some(20_010))
        .edit(|p| p.strict_latency = true);
    assert_eq!(fleet.cost(), "0.145");
}

#[test]
fn d6_one_node_at_each_point() {
    let fleet = two_points(20_000)
        .cp("x", &[0, 1])
        .cp("y", &[0, 1])
        .flow(0, 1, GB, Some(50_000))
        .edit(|p| p.places.iter_mut().for_each(|place| place.offers[0].max = Some(1)));
    let solution = fleet.solved();
    assert_eq!(solution.cost.total().exact(), "0.19");
    assert_eq!(solution.instances, [[0], [1]]);
}

#[test]
fn d8_and_of_two_constraints() {
    let fleet = two_points(20_000).component("x", &[0], |_| dedicated(&[&[(3, 1)], &[(1, 1)]]));
    assert_eq!(fleet.cost(), "6.1593");
}

#[test]
fn d10_price_times_count() {
    let fleet = two_points(20_000).component("x", &[0, 1], |_| dedicated(&[&[(0, 10), (1, 1)]]));
    let solution = fleet.solved();
    assert_eq!(solution.cost.total().exact(), "0.4893");
    assert_eq!(solution.dedicated[0][0], [(1, 1)]);
}

#[test]
fn d11_fewer_instances_than_groups() {
    let fleet = two_points(20_000).cp("x", &[0, 1]).required(BOTH, Some(1));
    let Conflict::TooFewInstances { needed, max, groups, .. } = fleet.conflict() else { panic!() };
    assert_eq!((needed, max), (2, 1));
    let names: Vec<String> = groups.into_iter().map(|(text, _)| text).collect();
    assert_eq!(names, ["region: us-east-1", "region: us-east1"]);
    let refusal = solve(&fleet.0, &Limits::default()).expect_err("one instance");
    let diagnostic = &refusal.to_diagnostics()[0];
    assert_eq!(diagnostic.code, "SKY0403");
    assert_eq!(
        diagnostic.summary,
        "`x` may run in 1 place but its required groups need 2: region: us-east-1, region: us-east1"
    );
}

#[test]
fn d12_a_cycle_is_fine() {
    let fleet =
        two_points(20_000).cp("x", &[0]).cp("y", &[1]).flow(0, 1, GB / 2, Some(50_000)).flow(1, 0, GB / 2, None);
    assert_eq!(fleet.cost(), "0.205");
}

#[test]
fn a_required_place_outside_permitted_is_named() {
    let fleet = two_points(20_000).cp("x", &[0]).required(&[("region: us-east1", &[1])], None);
    let Conflict::RequiredOutside { component, group, places, .. } = fleet.conflict() else { panic!() };
    assert_eq!((component.as_str(), group.as_str()), ("x", "region: us-east1"));
    assert_eq!(places[0].reason, "not permitted");
}

/// The catalogue of E; places in order of name: aws/eu, aws/us, edge/e1, gcp/eu.
const AWS_EU: usize = 0;
const AWS_US: usize = 1;
const EDGE: usize = 2;
const GCP_EU: usize = 3;
const CLOUDS: &[usize] = &[AWS_EU, AWS_US, GCP_EU];
const ALL: &[usize] = &[AWS_EU, AWS_US, EDGE, GCP_EU];

fn catalogue(tiers: &[(Option<u64>, &str)]) -> Fleet {
    Fleet::default()
        .place("aws/eu", "73", &[("l", "242", 8, 32), ("s", "66", 2, 8)])
        .place("aws/us", "73", &[("l", "220", 8, 32), ("s", "60", 2, 8)])
        .place("edge/e1", "0", &[])
        .place("gcp/eu", "73", &[("l", "210", 8, 32), ("s", "58", 2, 8)])
        .latency(&[
            (AWS_US, AWS_EU, 80_000),
            (AWS_US, GCP_EU, 85_000),
            (AWS_EU, GCP_EU, 5_000),
            (EDGE, AWS_US, 95_000),
            (EDGE, AWS_EU, 15_000),
            (EDGE, GCP_EU, 12_000),
        ])
        .meter("aws inter-region", &[(None, "0.02")], &[(AWS_EU, AWS_US), (AWS_US, AWS_EU)])
        .meter("aws to internet", tiers, &[(AWS_EU, GCP_EU), (AWS_US, GCP_EU), (AWS_EU, EDGE), (AWS_US, EDGE)])
        .meter("gcp to internet", &[(None, "0.12")], &[(GCP_EU, AWS_EU), (GCP_EU, AWS_US), (GCP_EU, EDGE)])
        .edit(|p| {
            p.places[EDGE].free = vec![Resources { milli_cpu: 4000, memory: 16 << 30, gpus: 0, pods: 110 }];
        })
}

fn flat() -> Fleet {
    catalogue(&[(None, "0.09")])
}

#[test]
fn e1_e2_the_cheapest_place() {
    let clouds = flat().pods("a", CLOUDS, 2000, 4, 1).solved();
    assert_eq!((clouds.cost.total().exact(), &clouds.instances[0][..]), ("131".into(), &[GCP_EU][..]));
    let all = flat().pods("a", ALL, 2000, 4, 1).solved();
    assert_eq!((all.cost.total().exact(), &all.instances[0][..]), ("0".into(), &[EDGE][..]));
}

#[test]
fn e3_the_fee_keeps_them_together() {
    for (bytes, apart) in [(100 * GB, "425"), (0, "416")] {
        let fleet = flat().pods("a", &[AWS_US], 2000, 8, 1).pods("b", CLOUDS, 8000, 32, 1).flow(0, 1, bytes, None);
        assert_eq!(fleet.cost(), "353");
        // The runner-up: b anywhere but beside a.
        let fleet =
            flat().pods("a", &[AWS_US], 2000, 8, 1).pods("b", &[AWS_EU, GCP_EU], 8000, 32, 1).flow(0, 1, bytes, None);
        assert_eq!(fleet.cost(), apart);
    }
}

#[test]
fn e5_e6_latency_and_what_would_do() {
    let fleet =
        |bound| flat().pods("a", &[EDGE], 2000, 8, 1).pods("b", CLOUDS, 2000, 8, 1).flow(0, 1, 10 * GB, Some(bound));
    let near = fleet(20_000).solved();
    assert_eq!((near.cost.total().exact(), near.instances[1][0]), ("131".into(), GCP_EU));
    let Conflict::Latency { nearest, .. } = fleet(10_000).conflict() else { panic!() };
    assert_eq!(nearest, Some(("edge/e1".into(), "gcp/eu".into(), Micros(12_000))));
    let refusal = solve(&fleet(10_000).0, &Limits::default()).expect_err("too near");
    assert_eq!(
        refusal.to_diagnostics()[0].hints,
        ["allow a latency of 12ms from `a` to `b`: it would cost $131.00/month then"]
    );
    assert_eq!(fleet(12_000).cost(), "131");
}

#[test]
fn e7_dearer_each_cheaper_together() {
    let fleet = flat().pods("a", &[AWS_EU, GCP_EU], 1000, 4, 1).pods("b", &[AWS_EU, AWS_US], 1000, 4, 1).pods(
        "c",
        &[AWS_EU, GCP_EU],
        2000,
        8,
        1,
    );
    let solution = fleet.solved();
    assert_eq!(solution.cost.total().exact(), "205");
    assert_eq!(solution.instances, [[AWS_EU], [AWS_EU], [AWS_EU]]);
}

#[test]
fn e9_quota() {
    let quota = |cpu: u64| Quota {
        origin: line(60),
        limit: Resources { milli_cpu: cpu * 1000, memory: u64::MAX, gpus: u64::MAX, pods: u64::MAX },
    };
    let one = flat().pods("a", CLOUDS, 2000, 8, 4).edit(|p| p.places[GCP_EU].quota = Some(quota(6)));
    assert_eq!(one.cost(), "293");
    let all = flat().pods("a", CLOUDS, 2000, 8, 4).edit(|p| p.places.iter_mut().for_each(|l| l.quota = Some(quota(6))));
    let Conflict::Capacity { components, short } = all.conflict() else { panic!() };
    assert_eq!(components[0].0, "a");
    assert_eq!(short[0].text, "needs 8 CPU, the quota allows 6 CPU");
    assert_eq!(short[0].origin, line(60));
    let refusal = solve(&all.0, &Limits::default()).expect_err("no quota suffices");
    assert_eq!(
        refusal.to_diagnostics()[0].hints,
        [
            "raise the quota of `gcp/eu` to 8 CPU: it would cost $283.00/month then",
            "raise the quota of `aws/us` to 8 CPU: it would cost $293.00/month then",
            "raise the quota of `aws/eu` to 8 CPU: it would cost $315.00/month then",
        ]
    );
}

#[test]
fn e12_moving_has_a_price() {
    let fleet = |move_cost: &str| {
        flat().pods("a", CLOUDS, 2000, 4, 1).edit(|p| {
            p.places.iter_mut().for_each(|place| place.fee = MicroUsd::ZERO);
            p.places[AWS_US].fee = usd("73");
            p.components[0].incumbent = vec![AWS_EU];
            p.move_cost = usd(move_cost);
        })
    };
    assert_eq!((fleet("0").cost(), fleet("0").solved().instances[0][0]), ("58".into(), GCP_EU));
    assert_eq!((fleet("20").cost(), fleet("20").solved().instances[0][0]), ("66".into(), AWS_EU));
    let pinned = fleet("0").edit(|p| p.components[0].pinned = true);
    assert_eq!(pinned.cost(), "66");
}

const TIERS: &[(Option<u64>, &str)] =
    &[(Some(100), "0"), (Some(10_240), "0.09"), (Some(51_200), "0.085"), (None, "0.07")];

#[test]
fn e14_tiers_are_on_the_sum() {
    let fleet = catalogue(TIERS)
        .pods("a", &[AWS_US], 2000, 4, 1)
        .pods("b", &[GCP_EU], 2000, 4, 1)
        .pods("c", &[GCP_EU], 2000, 4, 1)
        .flow(0, 1, 80 * GB, None)
        .flow(0, 2, 80 * GB, None);
    let solution = fleet.solved();
    assert_eq!(solution.cost.transfer.exact(), "5.4");
    assert_eq!(solution.cost.total().exact(), "327.4");
    let large = |at: &[usize]| {
        catalogue(TIERS).pods("a", &[AWS_US], 2000, 4, 1).pods("b", at, 2000, 4, 1).flow(0, 1, 12_000 * GB, None)
    };
    assert_eq!(large(&[GCP_EU, AWS_EU]).cost(), "512");
    let far = large(&[GCP_EU]).solved();
    assert_eq!((far.cost.total().exact(), far.cost.transfer.exact()), ("1326.2".into(), "1062.2".into()));
}

#[test]
fn e14_the_joint_choice_of_targets() {
    // b runs at both; each way has its own free band: one flow on each is free, both on one is not.
    let fleet = Fleet::default()
        .place("p", "0", &[("n", "1", 4, 16)])
        .place("q", "0", &[("n", "1", 4, 16)])
        .place("r", "0", &[("n", "1", 4, 16)])
        .latency(&[])
        .meter("p to q", &[(Some(100), "0"), (None, "0.09")], &[(0, 1)])
        .meter("p to r", &[(Some(100), "0"), (None, "0.10")], &[(0, 2)])
        .pods("a", &[0], 100, 1, 1)
        .pods("b", &[1, 2], 100, 1, 1)
        .required(&[("q", &[1]), ("r", &[2])], None)
        .pods("c", &[1, 2], 100, 1, 1)
        .required(&[("q", &[1]), ("r", &[2])], None)
        .flow(0, 1, 80 * GB, None)
        .flow(0, 2, 80 * GB, None);
    let solution = fleet.solved();
    assert_eq!(solution.cost.transfer, MicroUsd::ZERO);
    assert_ne!(solution.targets[0], solution.targets[1]);
}

#[test]
fn e18_whole_pods_on_whole_nodes() {
    let fleet = |cpu, count| {
        Fleet::default().place("p", "0", &[("n", "1", cpu, 64)]).latency(&[]).pods("a", &[0], 3000, 1, count)
    };
    assert_eq!(fleet(4, 2).cost(), "2");
    assert_eq!(fleet(4, 3).cost(), "3");
    assert_eq!(fleet(8, 5).cost(), "3", "the sum of sizes says 2");
}

#[test]
fn the_scheduler_spreads_before_it_fills() {
    // Two nodes hold 2 × 3 CPU and 2 × 1 CPU in a packing, but the scheduler spreads pods over all nodes
    // there are: it ends with the same here, as the largest come first.
    let fleet = Fleet::default().place("p", "0", &[("n", "1", 4, 64)]).latency(&[]).pods("a", &[0], 1000, 1, 3).pods(
        "b",
        &[0],
        4000,
        1,
        1,
    );
    assert_eq!(fleet.cost(), "2");
    assert_eq!(fleet.edit(|p| p.components.reverse()).cost(), "2", "whatever their names");
    // Where spreading breaks a packing, a node more is bought: 3+2 and 2+2+... do not meet.
    let spread = Fleet::default().place("p", "0", &[("n", "1", 6, 64)]).latency(&[]).pods("a", &[0], 3000, 1, 2).pods(
        "b",
        &[0],
        2000,
        1,
        3,
    );
    assert_eq!(spread.cost(), "3", "3+3 and 2+2+2 would do, the scheduler makes 3+2 and 3+2");
}

#[test]
fn lines_in_conflict_are_told_with_what_would_do() {
    // a must be at the edge; b near a and near c, which is far.
    let fleet = flat()
        .pods("a", &[EDGE], 1000, 1, 1)
        .pods("b", CLOUDS, 1000, 1, 1)
        .pods("c", &[AWS_US], 1000, 1, 1)
        .flow(0, 1, GB, Some(20_000))
        .flow(1, 2, GB, Some(20_000));
    let Conflict::Together { lines, .. } = fleet.conflict() else { panic!() };
    let texts: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    assert_eq!(texts, ["`a` to `b` within 20ms", "`b` to `c` within 20ms"]);
    let refusal = solve(&fleet.0, &Limits::default()).expect_err("no placement");
    assert_eq!(
        refusal.to_diagnostics()[0].hints,
        [
            "allow a latency of 95ms from `a` to `b`: it would cost $133.00/month then",
            "allow a latency of 80ms from `b` to `c`: it would cost $272.02/month then",
        ]
    );
}

#[test]
fn minimum_nodes_are_bought_and_used() {
    let fleet = flat().pods("a", &[GCP_EU], 2000, 4, 1).edit(|p| p.places[GCP_EU].offers[0].min = 1);
    let solution = fleet.solved();
    assert_eq!(solution.cost.total().exact(), "283");
    assert_eq!(solution.nodes[GCP_EU], [1, 0]);
}

#[test]
fn a_tie_is_broken_by_moves_then_places_then_names() {
    let twins = || {
        Fleet::default()
            .place("p", "0", &[("n", "1", 2, 8)])
            .place("q", "0", &[("n", "1", 2, 8)])
            .latency(&[])
            .pods("a", &[0, 1], 2000, 4, 1)
            .pods("b", &[0, 1], 2000, 4, 1)
    };
    assert_eq!(twins().solved().instances, [[0], [0]]);
    let stay = twins().edit(|p| p.components[1].incumbent = vec![1]);
    assert_eq!(stay.solved().instances, [[1], [1]]);
}

#[test]
fn thousands_of_equal_pods() {
    let fleet = |count| Fleet::default().place("a", "0", &[("pool", "0.1", 2, 8)]).pods("x", &[0], 1000, 1, count);
    let solution = fleet(3000).latency(&[]).solved();
    assert_eq!(solution.nodes, [[1500]]);
    assert_eq!(solution.cost.total().exact(), "150");
    for count in [100_001, u32::MAX] {
        assert!(solve(&fleet(count).latency(&[]).0, &Limits::default()).is_err(), "{count}");
    }
}
