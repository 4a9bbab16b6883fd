//! Fields that were left to others stay known as left: the next plan asks about them again.

use skyplan::{plan::Scope, spec::OnConflict};

use crate::support::{
    log::{Outcomes, applied, plan, plan_as},
    project::Project,
};

const WEB: &str = "object/quickstart/apps/Deployment/hello/web";

#[test]
fn what_was_left_is_not_forgotten_once_the_rest_is_applied() {
    let project = Project::example("quickstart");
    let (mut world, mut log) = applied(&project);
    world.edit(WEB, "alice", |o| o["spec"]["replicas"] = 7.into());
    let changed = project.with("hello/manifests/web.yaml", "cpu: 100m", "cpu: 110m").model();
    let leave = Scope { on_conflict: OnConflict::Leave, ..Scope::default() };
    let planned = plan_as(&world, Some(&changed), &log.state, &leave).unwrap();
    log.apply(&mut world, &planned, Outcomes::AtOnce, usize::MAX).unwrap();

    let again = plan_as(&world, Some(&changed), &log.state, &leave).unwrap();
    again.assert_empty();
    assert!(again.observed.dry_runs.is_empty(), "it is as it was left: nobody is asked");
    assert!(again.plan.notes.iter().any(|n| n.text.contains("is left to alice")), "{:#?}", again.plan.notes);
    let asked = plan(&world, Some(&changed), &log.state).unwrap();
    assert!(asked.plan.conflicts.iter().any(|c| c.field.as_deref() == Some("spec.replicas")), "{:#?}", asked.plan);
    // Whoever has it next, with another number.
    world.edit(WEB, "bob", |o| o["spec"]["replicas"] = 8.into());
    let asked = plan(&world, Some(&changed), &log.state).unwrap();
    assert!(asked.plan.conflicts.iter().any(|c| c.owner == "bob"), "{:#?}", asked.plan.conflicts);
}
