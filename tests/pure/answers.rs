//! What `explain` and `graph` say, as people see it: goldens in `testdata/answers/`, and what must hold of
//! them whatever they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use skyplan::{
    diagnostic::Diagnostics,
    money::MicroUsd,
    observed::{ClusterObserved, Observed},
    place::problem::Limits,
    plan::{
        self, Inputs, Plan, Step,
        answer::{Facts, Next, ResourceAnswer, Standing, Subject, Written},
    },
    render::{self, Style, graph},
};

use crate::support::{
    log::{Log, plan as plan_in},
    project::{Project, checkout},
    world::World,
};

/// Compares with a file of `testdata/answers/`, or writes it.
pub(super) fn golden(name: &str, text: &str) {
    let path = checkout("testdata/answers").join(name);
    if std::env::var("SNAPSHOTS").is_ok_and(|v| v == "overwrite") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let was = fs::read_to_string(&path).unwrap_or_default();
    assert!(was == text, "testdata/answers/{name} differs (`make bless` writes it); now it is:\n{text}");
}

const PLAIN: Style = Style { color: false };

/// A project, what is known of it, and its plan.
struct Case {
    project: Project,
    log: Log,
    observed: Observed,
    plan: Plan,
}

impl Case {
    /// Nothing was applied, no cluster is there.
    fn new(project: Project) -> Self {
        let model = project.model();
        let nowhere = model.clusters.iter().map(|c| (c.name.clone(), ClusterObserved::Absent));
        let observed = Observed { clusters: nowhere.collect(), ..Observed::default() };
        let log = Log::new(&model.lineage);
        let inputs = inputs(&model, &log);
        let Step::Done(plan, _) = plan::plan(&inputs, &observed).unwrap() else { panic!("it asks") };
        Self { project, log, observed, plan: *plan }
    }

    /// As a world is after a story.
    fn after(project: Project, story: impl Fn(&mut World, &mut Log, &Project)) -> Self {
        let (mut world, model) = (World::default(), project.model());
        let mut log = Log::new(&model.lineage);
        story(&mut world, &mut log, &project);
        let observed = plan_in(&world, Some(&model), &log.state).unwrap().observed;
        let Step::Done(plan, _) = plan::plan(&inputs(&model, &log), &observed).unwrap() else { panic!("it asks") };
        Self { project, log, observed, plan: *plan }
    }

    fn with<T>(&self, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
        let (model, sources) = (self.project.model(), self.project.sources());
        let facts = Facts::new(&model, &inputs(&model, &self.log), &self.observed, Ok(&self.plan), &sources).unwrap();
        ask(&facts)
    }

    fn text(&self, word: &str) -> String {
        self.with(|facts| match facts.subject(word).unwrap() {
            Subject::Component(i) => render::explain::component(&facts.component(i), PLAIN),
            Subject::Resource(a) => render::explain::resource(&facts.resource(&a, None).unwrap(), PLAIN),
        })
    }

    fn field(&self, address: &str, path: &str) -> ResourceAnswer {
        self.with(|facts| facts.resource(&address.parse().unwrap(), Some(path)).unwrap())
    }
}

fn inputs<'a>(model: &'a skyplan::compile::model::Model, log: &'a Log) -> Inputs<'a> {
    Inputs {
        model: Some(model),
        project: &model.project,
        environment: model.environment.as_deref(),
        state: &log.state,
        inputs_digest: "digest of the texts",
        limits: Limits::default(),
        scope: skyplan::plan::Scope::default(),
    }
}

const WEB: &str = "object/quickstart/apps/Deployment/hello/web";

#[test]
fn the_shop_explained() {
    let shop = Case::new(Project::example("shop"));
    let mut all = String::new();
    for word in ["api", "till", "photos", "shop/vision", "cluster/gcp", "object/gcp/core/Namespace/-/shop"] {
        all += &format!("$ skyplan explain {word}\n{}\n", shop.text(word));
    }
    golden("shop.txt", &all);
}

#[test]
fn a_price_of_a_place_is_what_moving_there_costs() {
    // What explain says of the place that a constraint rules out is what the plan says without it.
    let price = |project: &Project| Case::new(project.clone()).plan.cost.monthly;
    let shop = Project::example("shop");
    let case = Case::new(shop.clone());
    let extra = case.with(|facts| {
        let Subject::Component(i) = facts.subject("photos").unwrap() else { panic!() };
        let instance = &facts.component(i).instances[0];
        let gcp = instance.others.iter().find(|o| o.cluster == "gcp").unwrap();
        assert_eq!(gcp.standing, Standing::Excluded);
        assert_eq!(gcp.origin.as_ref().unwrap().to_string(), "shop/policies.yaml:12");
        let parts = instance.nodes + instance.fees + instance.transfer;
        assert_eq!(parts, instance.monthly);
        gcp.extra.unwrap()
    });
    // Vision is held where it is: what is asked is what one move costs.
    let there = shop.with("shop/policies.yaml", "permitted: [{platform: aws}]", "permitted: [{platform: gcp}]").with(
        "shop/policies.yaml",
        "permitted: [{type: cloud}]",
        "permitted: [{platform: aws}]",
    );
    // With one move more allowed the rest may settle better, never worse.
    let least = price(&there) - case.plan.cost.monthly;
    assert!(MicroUsd::ZERO < least && least <= extra, "{least} {extra}");
}

#[test]
fn the_author_of_a_value_is_named() {
    let project = Project::example("quickstart").with(
        "hello/application.yaml",
        "  - name: web\n",
        "  - name: web\n    replicas: 4\n",
    );
    let case = Case::after(project, |world, log, project| {
        log.run(world, Some(&project.model()));
        world.edit(WEB, "kubectl-patch", |o| o["spec"]["paused"] = true.into());
    });
    let author = |path: &str| case.field(WEB, path).fields.remove(0);
    let replicas = author("spec.replicas");
    assert_eq!((replicas.written, replicas.value), (Written::Application, Some(4.into())));
    assert_eq!(replicas.origin.unwrap().to_string(), "hello/application.yaml:10");
    assert_eq!(replicas.managers, ["skyplan-quickstart"]);
    let image = author("spec.template.spec.containers[name=web].image");
    assert_eq!((image.written, image.origin.is_some()), (Written::Manifest, true));
    assert_eq!(author("metadata.labels[skyplan.io/lineage]").written, Written::Skyplan);
    assert_eq!(author("spec.paused").written, Written::Manager { name: "kubectl-patch".into() });
    let answer = case.field(WEB, "spec.replicas");
    assert!(matches!(answer.next, Next::Nothing { .. }), "{:?}", answer.next);
    assert!(answer.remembered.unwrap().same);
    golden("field.txt", &case.text(WEB));
}

#[test]
fn an_autoscaled_number_is_nobody_s() {
    let project = Project::example("quickstart");
    let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  maxReplicas: 9\n  \
                  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n";
    let mut project = project;
    project.tree.files.insert("hello/manifests/scaler.yaml".into(), scaler.into());
    let field = Case::new(project).field(WEB, "spec.replicas").fields.remove(0);
    assert_eq!((field.written, field.value), (Written::Autoscaler, None));
    assert_eq!(field.origin.unwrap().to_string(), "hello/manifests/scaler.yaml:1");
}

#[test]
fn words_that_mean_nothing_are_met_with_what_was_meant() {
    let shop = Case::new(Project::example("shop"));
    shop.with(|facts| {
        for (word, hint) in [
            ("shop/ap", "shop/api"),
            ("object/gcp/apps/Deployment/shop/apo", "object/gcp/apps/Deployment/shop/api"),
            ("gcp", "cluster/gcp"),
        ] {
            let d = facts.subject(word).unwrap_err();
            assert!(d.code == "SKY0918" && d.hints[0].contains(hint), "{word}: {:?}", d.hints);
        }
        let d =
            facts.resource(&"object/gcp/apps/Deployment/shop/api".parse().unwrap(), Some("spec.replica")).unwrap_err();
        assert!(d.code == "SKY0920" && d.hints[0].contains("`spec.replicas`"), "{:?}", d.hints);
    });
}

#[test]
fn without_a_plan_there_is_still_an_answer() {
    let case = Case::new(Project::example("quickstart"));
    let (model, sources) = (case.project.model(), case.project.sources());
    let faults: Diagnostics = skyplan::diagnostic::Diagnostic::error("SKY0506", "refused").into();
    let facts = Facts::new(&model, &inputs(&model, &case.log), &case.observed, Err(&faults), &sources).unwrap();
    assert_eq!(facts.resource(&WEB.parse().unwrap(), None).unwrap().next, Next::NoPlan { errors: 1 });
}

#[test]
fn graphs_of_the_shop() {
    let shop = Case::new(Project::example("shop"));
    let (changes, placement) = (graph::build::changes(&shop.plan), graph::build::placement(&shop.plan));
    golden("shop-changes.svg", &graph::svg::render(&changes));
    golden("shop-placement.svg", &graph::svg::render(&placement));
    golden("shop-changes.dot", &graph::dot::render(&changes));
    golden("shop-placement.mmd", &graph::mermaid::render(&placement));
    assert_eq!(changes.nodes.len(), shop.plan.changes.len());
    assert_eq!(placement.edges.len(), shop.plan.placement.unwrap().flows.len());
}

#[test]
fn a_large_plan_is_drawn_by_component() {
    let mut plan = Case::new(Project::example("quickstart")).plan;
    let sample = plan.changes.iter().find(|c| c.address.to_string() == WEB).unwrap().clone();
    for k in 0..300 {
        let mut change = sample.clone();
        change.address = format!("object/quickstart/apps/Deployment/hello/web-{k:03}").parse().unwrap();
        plan.changes.push(change);
    }
    plan.changes.sort_by(|a, b| a.address.cmp(&b.address));
    let graph = graph::build::changes(&plan);
    assert!(graph.nodes.len() < 10, "{}", graph.nodes.len());
    let web = graph.nodes.iter().find(|n| n.name.ends_with("web")).unwrap();
    assert!(web.remark.ends_with("changes"), "{web:?}");
}
