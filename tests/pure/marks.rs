//! The marks that say whose an object is, taken away by somebody: the recorded object stays ours.

use serde_json::json;
use skyplan::{
    plan::{
        Scope,
        change::{Action, ActionReason},
    },
    spec::OnConflict,
};

use crate::support::{
    log::{applied, plan, plan_as},
    project::Project,
};

const WEB: &str = "object/quickstart/apps/Deployment/hello/web";

#[test]
fn an_object_that_lost_its_marks_gets_them_again() {
    let project = Project::example("quickstart");
    for lost in ["/metadata/labels", "/metadata/annotations", "/metadata"] {
        let (mut world, log) = applied(&project);
        world.edit(WEB, "alice", |o| {
            let parts = ["/metadata/labels", "/metadata/annotations"];
            for part in parts.iter().filter(|part| part.starts_with(lost)) {
                *o.pointer_mut(part).unwrap() = json!({});
            }
        });
        let planned = plan(&world, Some(&project.model()), &log.state).unwrap();
        let change = planned.only();
        assert_eq!((change.action, &change.reason), (Action::Update, &ActionReason::Drifted), "{lost}");
        assert!(change.fields.iter().all(|f| f.path.starts_with("metadata.")), "{:#?}", change.fields);
        assert!(planned.plan.applyable, "{:#?}", planned.plan.conflicts);
    }
}

#[test]
fn a_label_that_somebody_has_set_otherwise_is_taken_back_where_that_is_asked_for() {
    let project = Project::example("quickstart");
    let (mut world, log) = applied(&project);
    world.edit(WEB, "alice", |o| o["metadata"]["labels"]["skyplan.io/lineage"] = "else".into());
    let scope = Scope { on_conflict: OnConflict::Take, ..Scope::default() };
    let planned = plan_as(&world, Some(&project.model()), &log.state, &scope).unwrap();
    let paths: Vec<&str> = planned.only().fields.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["metadata.labels[skyplan.io/lineage]"]);
    assert!(planned.plan.applyable, "{:#?}", planned.plan.conflicts);
}

#[test]
fn another_object_of_that_name_is_a_stranger() {
    let project = Project::example("quickstart");
    let (mut world, log) = applied(&project);
    world.delete(&WEB.parse().unwrap());
    let other = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "hello"}, "spec": {},
    });
    world.foreign("quickstart", "alice", &other);
    let planned = plan(&world, Some(&project.model()), &log.state).unwrap();
    assert_eq!(planned.plan.conflicts.len(), 1, "{:#?}", planned.plan);
    assert!(!planned.plan.applyable);
}
