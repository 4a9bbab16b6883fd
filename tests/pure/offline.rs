//! Plans that ask nobody: from the state, and from what was seen earlier.

use skyplan::{
    compile::model::Model,
    observed::Observed,
    place::problem::Limits,
    plan::{self, Inputs, Plan, Scope, Step},
    state::State,
};

use crate::support::{
    log::{Log, plan as plan_in},
    project::Project,
    world::World,
};

const WEB: &str = "object/quickstart/apps/Deployment/hello/web";

/// The plan that comes of these answers and no others.
fn offline(model: &Model, state: &State, observed: &Observed) -> Plan {
    let inputs = Inputs {
        model: Some(model),
        project: "p",
        environment: model.environment.as_deref(),
        state,
        inputs_digest: "x",
        limits: Limits::default(),
        scope: Scope::default(),
    };
    let observed = Observed { offline: true, ..observed.clone() };
    match plan::plan(&inputs, &observed) {
        Ok(Step::Done(plan, _)) => *plan,
        Ok(Step::Ask(questions)) => panic!("it asks: {questions:#?}"),
        Err(faults) => panic!("{faults:#?}"),
    }
}

/// Sign and address of every change, with `?` where it is unverified.
fn said(plan: &Plan) -> Vec<String> {
    let mark = |unverified: bool| if unverified { "?" } else { "" };
    plan.changes.iter().map(|c| format!("{}{} {}", c.action.sign(), mark(c.unverified), c.address)).collect()
}

/// The quickstart as it was applied, and what was seen then.
fn applied() -> (Project, World, Log, Observed) {
    let project = Project::example("quickstart");
    let (mut world, model) = (World::default(), project.model());
    let mut log = Log::new(&model.lineage);
    log.run(&mut world, Some(&model));
    let observed = plan_in(&world, Some(&model), &log.state).unwrap().observed;
    (project, world, log, observed)
}

#[test]
fn with_all_answers_the_plan_is_that_of_who_asked() {
    let (project, mut world, log, observed) = applied();
    let same = offline(&project.model(), &log.state, &observed);
    assert!(same.changes.is_empty() && same.complete && same.applyable, "{:#?}", said(&same));
    // Also when something is to be done, and everything was asked.
    world.edit(WEB, "kubectl-edit", |o| o["spec"]["template"]["spec"]["containers"][0]["image"] = "other".into());
    let asked = plan_in(&world, Some(&project.model()), &log.state).unwrap();
    let told = offline(&project.model(), &log.state, &asked.observed);
    assert_eq!(told.changes, asked.plan.changes);
}

#[test]
fn what_cannot_be_tried_is_planned_from_what_was_seen() {
    let (project, _, log, observed) = applied();
    let changed = project.with("hello/manifests/web.yaml", "replicas: 2", "replicas: 5");
    let plan = offline(&changed.model(), &log.state, &observed);
    assert_eq!(said(&plan), [format!("~? {WEB}")]);
    let fields: Vec<&str> = plan.changes[0].fields.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(fields, ["spec.replicas"]);
    assert!(plan.complete && plan.applyable, "what was seen is what an apply checks");
}

#[test]
fn drift_and_what_is_new_are_seen_without_asking() {
    let (project, mut world, log, _) = applied();
    world.edit(WEB, "kubectl-edit", |o| o["spec"]["template"]["spec"]["containers"][0]["image"] = "other".into());
    let mut observed = plan_in(&world, Some(&project.model()), &log.state).unwrap().observed;
    observed.dry_runs.clear();
    let plan = offline(&project.model(), &log.state, &observed);
    assert_eq!(said(&plan), [format!("~? {WEB}")]);
    assert!(plan.changes[0].fields.iter().any(|f| f.path.ends_with("image")), "{:#?}", plan.changes[0].fields);
    let mut more = project.clone();
    more.tree.files.insert(
        "hello/manifests/more.yaml".into(),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n".into(),
    );
    let plan = offline(&more.model(), &log.state, &observed);
    assert_eq!(said(&plan)[0], "+? object/quickstart/core/ConfigMap/hello/more");
}

#[test]
fn without_answers_the_state_is_all_that_is_known() {
    let (project, _, log, _) = applied();
    let nothing = Observed::default();
    let same = offline(&project.model(), &log.state, &nothing);
    assert!(same.changes.is_empty() && !same.complete, "{:#?}", said(&same));
    assert!(same.notes.iter().any(|n| n.text.contains("was not asked")), "{:#?}", same.notes);
    let changed = project.clone().with("hello/manifests/web.yaml", "replicas: 2", "replicas: 5");
    let plan = offline(&changed.model(), &log.state, &nothing);
    assert_eq!(said(&plan), [format!("~? {WEB}")]);
    let gone = project.without("hello/manifests/web.yaml").with(
        "hello/application.yaml",
        "components:\n  - name: web\n    dependsOn: [cache]\n",
        "",
    );
    let plan = offline(&gone.model(), &log.state, &nothing);
    assert!(said(&plan).contains(&format!("-? {WEB}")), "{:#?}", said(&plan));
    assert!(!plan.applyable && !plan.complete, "nobody looked at what it would delete");
}

#[test]
fn a_project_that_was_never_applied_is_made_in_full() {
    let project = Project::example("quickstart");
    let model = project.model();
    let log = Log::new(&model.lineage);
    let (told, asked) = (
        offline(&model, &log.state, &Observed::default()),
        plan_in(&World::default(), Some(&model), &log.state).unwrap(),
    );
    let signs = |p: &Plan| p.changes.iter().map(|c| format!("{} {}", c.action.sign(), c.address)).collect::<Vec<_>>();
    assert_eq!(signs(&told), signs(&asked.plan));
    assert!(!told.complete);
}
