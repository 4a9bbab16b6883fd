//! Placements after an apply: what is recorded, sunk, kept or closed, through plans and their bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use skyplan::plan::Plan;

use super::{CLOUDS, shared};
use crate::support::{
    log::{Log, Planned, plan},
    project::Project,
    world::World,
};

/// After the first apply of a project, with an edge that has no room.
fn applied(project: &Project) -> (World, Log) {
    let mut world = World::default();
    world.make_cluster("edge");
    let model = project.model();
    let mut log = Log::new(&model.lineage);
    log.run(&mut world, Some(&model));
    (world, log)
}

#[track_caller]
fn replan(project: &Project, world: &World, log: &Log) -> Planned {
    plan(world, Some(&project.model()), &log.state).unwrap_or_else(|out| panic!("{}", project.shown(&out)))
}

/// What bills come to over the horizon of an hour, in dollars, and where everything runs.
fn said(plan: &Plan) -> (String, Vec<String>) {
    let report = plan.placement.as_ref().unwrap();
    let at = report.components.iter().map(|c| format!("{} {}", c.component, c.cluster));
    (plan.cost.horizon.unwrap().1.exact(), at.collect())
}

fn with_move_cost(project: &Project, dollars: u32) -> Project {
    project.clone().with("skyplan.yaml", "headroom: 0%", &format!("headroom: 0%\n  moveCost: {dollars}"))
}

#[test]
fn e12_a_move_is_worth_eight_and_not_twenty() {
    // Control planes are others' matter: they cost nothing here.
    let sunk = |permitted: &str| {
        let project = shared(&[("a", 2, 4, 1, permitted)], &[]);
        ["aws-us.yaml", "aws-eu.yaml", "gcp-eu.yaml"]
            .iter()
            .fold(project, |p, file| p.with(file, "controlPlane: {price: 73}", "controlPlane: {price: 0}"))
    };
    let (world, log) = applied(&sunk("{provider: aws-eu}"));
    let wider = sunk("{provider: aws-eu}, {provider: gcp-eu}");
    // Its words have changed, so that it is reconsidered: 58 rather than 66.
    let moved = replan(&wider, &world, &log);
    assert_eq!(said(&moved.plan), ("58".into(), vec!["app/a gcp-eu".into()]));
    assert!(moved.changes().iter().any(|c| c == "+ cluster/gcp-eu"), "{:#?}", moved.changes());
    // At 20 a move the sum would be 78: it stays, and nothing is to be done.
    let kept = replan(&with_move_cost(&wider, 20), &world, &log);
    assert_eq!(said(&kept.plan), ("66".into(), vec!["app/a aws-eu".into()]));
    kept.assert_empty();
    // As much as a move costs less than it gains, it is made; the move itself is on no bill.
    let moved = replan(&with_move_cost(&wider, 5), &world, &log);
    assert_eq!(said(&moved.plan).0, "58");
}

/// Two components, each where it must, then both wherever.
fn apart_then_free(change: impl Fn(Project) -> Project) -> (Project, World, Log) {
    let with = |a: &str, b: &str| change(shared(&[("a", 2, 4, 1, a), ("b", 2, 4, 1, b)], &[]));
    let (world, log) = applied(&with("{provider: aws-eu}", "{provider: gcp-eu}"));
    (with(CLOUDS, CLOUDS), world, log)
}

#[test]
fn e13_a_cluster_of_our_own_that_closes_saves_its_fee() {
    let (free, mut world, mut log) = apart_then_free(|p| p);
    // Two nodes and one control plane: 2 · 58 + 73. What stands is paid until its document goes.
    let planned = replan(&free, &world, &log);
    let both = vec!["app/a gcp-eu".to_owned(), "app/b gcp-eu".to_owned()];
    assert_eq!(said(&planned.plan), ("262".into(), both.clone()));
    log.run(&mut world, Some(&free.model()));
    let text = free.tree.files["clusters.yaml"].to_string();
    let (before, rest) = text.split_once("apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: aws-eu").unwrap();
    let (_, after) = rest.split_once("---\n").unwrap();
    let mut closed = free.clone();
    closed.tree.files.insert("clusters.yaml".into(), format!("{before}{after}").into());
    let closed = closed.with("clusters.yaml", "  - {a: aws-us, b: aws-eu, p95: 80ms}\n", "");
    let planned = replan(&closed, &world, &log);
    assert_eq!(said(&planned.plan), ("189".into(), both));
    assert_eq!(planned.changes(), ["- cluster/aws-eu"], "with what is on it");
}

#[test]
fn e13_a_cluster_that_is_kept_is_paid_anyway_and_draws_others() {
    let min = "nodePools: [{offering: s, min: 1}, {offering: l}]\n---\napiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: gcp-eu";
    let kept = |p: Project| {
        let plain = min.replace(", min: 1", "").replace("{offering: l}]", "{offering: l}]  # aws");
        p.with("clusters.yaml", &plain, min)
    };
    let (free, world, log) = apart_then_free(kept);
    // Its control plane and a node are paid in any case, so that a stays for nothing and b needs 66 beside it,
    // where gcp-eu asks for 58 and 73; that one is still paid until it goes.
    let planned = replan(&free, &world, &log);
    let both = vec!["app/a aws-eu".to_owned(), "app/b aws-eu".to_owned()];
    assert_eq!(said(&planned.plan), ("278".into(), both));
}
