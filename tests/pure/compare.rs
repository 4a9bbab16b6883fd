//! Two versions compared without a cluster: what is told must be what a plan does after the first was
//! applied.

use skyplan::{
    place::problem::Limits,
    plan::{Plan, compare::compare},
};

use crate::support::{
    log::{Log, plan},
    project::{Project, checkout},
    world::World,
};

fn signs(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|c| format!("{} {}", c.action.sign(), c.address)).collect()
}

fn compared(before: &Project, after: &Project) -> Plan {
    compare(&before.model(), &after.model(), &Limits::default()).unwrap()
}

fn case(name: &str) -> Project {
    Project::open(&checkout("testdata/plan").join(name).join("repo"))
}

#[test]
fn a_comparison_tells_what_a_plan_would_do() {
    let shop = Project::example("shop");
    let quickstart = Project::example("quickstart");
    let cases = [
        (shop.clone(), shop.clone().with("shop/manifests/till.yaml", "replicas: 2", "replicas: 3")),
        (shop.clone(), shop.clone().with("shop/manifests/api.yaml", "replicas: 3", "replicas: 4")),
        (
            quickstart.clone(),
            quickstart.clone().without("hello/manifests/cache.yaml").with(
                "hello/application.yaml",
                "    dependsOn: [cache]\n",
                "",
            ),
        ),
        (
            case("move").with("shop/policies.yaml", "permitted: [{platform: gcp}]", "permitted: [{platform: aws}]"),
            case("move"),
        ),
    ];
    for (before, after) in cases {
        for (a, b) in [(&before, &after), (&after, &before)] {
            let told = compared(a, b);
            assert!(!told.changes.is_empty() && !told.applyable);
            let (mut world, mut log) = (World::default(), Log::new(&a.model().lineage));
            log.run(&mut world, Some(&a.model()));
            let planned = plan(&world, Some(&b.model()), &log.state).unwrap_or_else(|out| panic!("{}", b.shown(&out)));
            assert_eq!(signs(&told), signs(&planned.plan));
            assert_eq!(told.unchanged, planned.plan.unchanged);
            assert_eq!(told.cost, planned.plan.cost);
            assert_eq!(
                serde_json::to_value(&told.placement).unwrap()["components"],
                serde_json::to_value(&planned.plan.placement).unwrap()["components"]
            );
        }
        assert_eq!(signs(&compared(&before, &before)), [""; 0]);
    }
}

#[test]
fn no_secret_value_is_in_a_comparison_nor_a_digest_that_gives_it_away() {
    let shop = Project::example("shop");
    let other = shop.clone().with("shop/manifests/orders.yaml", "change-me", "changed");
    for (a, b) in [(&shop, &other), (&shop, &shop.clone().without("shop/policies.yaml"))] {
        let Ok(plan) = compare(&a.model(), &b.model(), &Limits::default()) else { continue };
        let text = serde_json::to_string(&plan).unwrap();
        assert!(!text.contains("change") || !text.contains("hmac-sha256"), "{text}");
        assert!(!text.contains("hmac-sha256") && !text.contains("Y2hhbmdl"), "{text}");
    }
    let fields = &compared(&shop, &other).changes[0].fields;
    assert_eq!(
        (fields.len(), fields[0].path.as_str(), fields[0].after.as_ref()),
        (1, "data.password", Some(&"(secret)".into()))
    );
}
