//! Kinds that the plan itself brings, and kinds that somebody else will.

use std::{fs, thread, time::Duration};

use serde_json::Value;

use super::{existing::guest, home::Home};

fn definition(kind: &str) -> String {
    let plural = kind.to_lowercase() + "s";
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {plural}.example.com}}\nspec:\n  \
         group: example.com\n  scope: Namespaced\n  names: {{kind: {kind}, plural: {plural}}}\n  versions:\n    - name: v1\n      \
         served: true\n      storage: true\n      schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {{type: object, \
         properties: {{size: {{type: integer}}}}}}}}}}}}\n"
    )
}

fn custom(kind: &str, name: &str) -> String {
    format!("apiVersion: example.com/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{size: 3}}\n")
}

/// Another application with these manifests.
fn application(home: &Home, name: &str, manifests: &str) {
    let folder = home.project().join(name);
    fs::create_dir_all(folder.join("manifests")).unwrap();
    let app =
        format!("apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: {name}\nsources:\n  - path: manifests\n");
    fs::write(folder.join("application.yaml"), app).unwrap();
    fs::write(folder.join("manifests/all.yaml"), manifests).unwrap();
}

/// What a change of a plan depends on.
fn before(plan: &str, address: &str) -> Vec<String> {
    let plan: Value = serde_json::from_str(plan).unwrap();
    let change = plan["changes"].as_array().unwrap().iter().find(|c| c["address"] == address).unwrap();
    change["dependsOn"].as_array().into_iter().flatten().map(|a| a.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_an_operator_sees_to_comes_after_it() {
    let home = guest();
    // The operator is the web of the quickstart, with a webhook in front of everything that is called Gear or Job.
    let webhook = "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: gears}\n\
                   webhooks:\n  - name: gears.example.com\n    clientConfig: {service: {name: web, namespace: hello}}\n    rules:\n      - \
                   {apiGroups: [example.com], apiVersions: [\"*\"], operations: [CREATE], resources: [wheels]}\n    \
                   failurePolicy: Fail\n    timeoutSeconds: 1\n    sideEffects: None\n    admissionReviewVersions: [v1]\n";
    fs::write(home.project().join("hello/manifests/gears.yaml"), definition("Gear") + webhook).unwrap();
    let customs = [definition("Wheel"), custom("Gear", "large"), custom("Wheel", "front")].join("---\n");
    application(&home, "mill", &customs);
    let plan = home.run(&["plan", "--json"], 0);
    let (web, hooks) = (
        "object/prod/apps/Deployment/hello/web",
        "object/prod/admissionregistration.k8s.io/ValidatingWebhookConfiguration/-/gears",
    );
    assert!(before(&plan, "object/prod/example.com/Gear/mill/large").contains(&web.to_owned()), "{plan}");
    assert!(before(&plan, "object/prod/example.com/Wheel/mill/front").contains(&hooks.to_owned()), "{plan}");
    assert!(before(&plan, hooks).contains(&web.to_owned()), "{plan}");
    // Nobody answers there: what is asked about alone fails, and all else is made.
    let said = home.said(&["apply", "--yes"], 1);
    assert!(said.contains("failed calling webhook") && said.contains("12 done, 1 failed"), "{said}");
}

#[test]
fn a_kind_that_an_operator_will_bring_is_planned_and_awaited() {
    let home = guest();
    application(&home, "mill", &custom("Gear", "large"));
    let plan = home.run(&["plan"], 0);
    assert!(plan.contains("cluster prod does not serve example.com/v1 Gear yet"), "{plan}");
    assert!(home.run(&["plan", "--json"], 0).contains("\"complete\": false"));
    let crd = home.dir.path().join("crd.yaml");
    fs::write(&crd, definition("Gear")).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(4));
            home.kubectl("host", &["apply", "-f", crd.to_str().unwrap()]);
        });
        home.run(&["apply", "--yes"], 0);
    });
    assert_eq!(home.kubectl("host", &["-n", "mill", "get", "gear", "large", "-o", "jsonpath={.spec.size}"]), "3");
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    home.run(&["destroy", "--yes"], 0);
}

#[test]
fn a_kind_that_never_comes_fails_alone_and_in_time() {
    let home = guest();
    application(&home, "mill", &custom("Gear", "large"));
    let said = home.said(&["apply", "--yes", "--timeout", "4s"], 1);
    assert!(said.contains("SKY0718") && said.contains("does not serve example.com/v1 Gear"), "{said}");
    // All else is there.
    assert!(home.kubectl("host", &["-n", "hello", "get", "deployments", "-o", "name"]).contains("web"));
    let plan = home.run(&["plan"], 0);
    assert!(plan.contains("1 to create"), "{plan}");
}
