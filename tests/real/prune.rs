//! What goes, what stays, and what others have put into it.

use std::fs;

use super::{existing::guest, home::Home};

fn names(home: &Home, kind: &str) -> String {
    home.kubectl("host", &["get", kind, "-A", "-o", "name"])
}

/// Nothing of the application is written any more.
fn empty(home: &Home) {
    fs::remove_dir_all(home.project().join("hello")).unwrap();
}

#[test]
fn what_others_have_put_into_a_namespace_is_named_before_it_goes() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    home.kubectl("host", &["-n", "hello", "create", "configmap", "notes"]);
    let destroy = home.run(&["plan", "--destroy"], 0);
    let told = "Namespace hello on prod goes with all that is in it: ConfigMap notes is not skyplan's";
    assert!(destroy.contains(told), "{destroy}");
    let said = home.said(&["destroy", "--yes"], 5);
    assert!(said.contains("SKY0508") && said.contains(told), "{said}");
    home.run(&["plan", "--destroy", "-o", "p.json"], 0);
    home.kubectl("host", &["-n", "hello", "create", "secret", "generic", "keys"]);
    // What came since is not in the plan that was allowed.
    let said = home.said(&["apply", "p.json", "--allow-deletes"], 4);
    assert!(said.contains("Others have put something into it since the plan was made (Secret keys)"), "{said}");
    assert!(names(&home, "namespaces").contains("hello"));

    empty(&home);
    let plan = home.run(&["plan"], 0);
    assert!(plan.contains("ConfigMap notes and Secret keys are not skyplan's"), "{plan}");
    home.run(&["apply", "--yes", "--allow-deletes"], 0);
    assert!(!names(&home, "namespaces").contains("hello"));
}

const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

#[test]
fn a_definition_takes_the_objects_of_others_only_with_a_word() {
    let home = guest();
    fs::write(home.project().join("hello/manifests/crd.yaml"), CRD).unwrap();
    home.run(&["apply", "--yes"], 0);
    let widget = home.dir.path().join("widget.yaml");
    fs::write(&widget, "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: default}\n").unwrap();
    home.kubectl("host", &["apply", "-f", widget.to_str().unwrap()]);
    fs::remove_file(home.project().join("hello/manifests/crd.yaml")).unwrap();
    let said = home.said(&["apply", "--yes"], 5);
    assert!(said.contains("with all that is in it: Widget default/w is not skyplan's"), "{said}");
    assert!(names(&home, "widgets.example.com").contains("widget.example.com/w"));
    home.run(&["apply", "--yes", "--allow-deletes"], 0);
    assert!(!names(&home, "customresourcedefinitions").contains("widgets"));
}

#[test]
fn what_is_to_stay_stays_and_what_is_protected_stops_the_plan() {
    let home = guest();
    let lifecycle = "kind: Application\nlifecycle:\n  - objects: {kind: ConfigMap}\n    deletionPolicy: retain\n  - objects: {kind: \
                     Service, names: [web]}\n    preventDestroy: true";
    home.edit("hello/application.yaml", "kind: Application", lifecycle);
    home.run(&["apply", "--yes"], 0);
    let said = home.said(&["destroy", "--yes"], 1);
    assert!(said.contains("SKY0545") && said.contains("Service hello/web would be deleted"), "{said}");
    home.edit("hello/application.yaml", "    preventDestroy: true", "    preventDestroy: false");
    let lifted = home.run(&["plan"], 0);
    assert!(lifted.contains("lifecycle.preventDestroy"), "{lifted}");
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let destroyed = home.run(&["destroy", "--yes"], 0);
    assert!(destroyed.contains("ConfigMap hello/web") && destroyed.contains("left as it is"), "{destroyed}");
    let left = names(&home, "configmaps,services,deployments");
    assert!(left.contains("configmap/web") && !left.contains("service/web") && !left.contains("deployment"), "{left}");
    assert!(names(&home, "namespaces").contains("hello"));
}

#[test]
fn a_job_that_is_done_and_gone_does_not_run_again() {
    let home = guest();
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: seed}\nspec:\n  ttlSecondsAfterFinished: 0\n  template:\n    \
               spec:\n      restartPolicy: Never\n      containers: [{name: seed, image: busybox}]\n";
    fs::write(home.project().join("hello/manifests/seed.yaml"), job).unwrap();
    home.run(&["apply", "--yes"], 0);
    home.kubectl("host", &["-n", "hello", "wait", "--for=delete", "job/seed", "--timeout=60s"]);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    home.run(&["apply", "--refresh-only", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    home.edit("hello/manifests/seed.yaml", "busybox", "busybox:2");
    assert!(home.run(&["plan"], 0).contains("+ Job hello/seed"));
}
