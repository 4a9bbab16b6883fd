//! A cluster that is not skyplan's: its capacity is read, its objects are left alone, and it stays.

use std::fs;

use super::home::Home;

const PROJECT: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: guest\nplacement: {headroom: 0%}\n";

/// A host cluster that is up, and a project that uses it by its kubeconfig.
pub(super) fn guest() -> Home {
    let home = Home::new("quickstart");
    home.run(&["local", "up", "host", "--nodes", "2"], 0);
    fs::write(home.project().join("skyplan.yaml"), PROJECT).unwrap();
    let config = home.dir.path().join("state/skyplan/local/host/kubeconfig");
    let cluster = format!(
        "apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: prod\ndriver: existing\nexisting: {{kubeconfig: {}}}\n",
        config.display()
    );
    fs::write(home.project().join("clusters.yaml"), cluster).unwrap();
    home
}

#[test]
fn objects_come_and_go_and_the_cluster_stays() {
    let home = guest();
    home.kubectl("host", &["create", "namespace", "theirs"]);
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let destroyed = home.said(&["destroy", "--yes"], 0);
    assert!(destroyed.contains("- Namespace hello"), "{destroyed}");
    assert_eq!(home.run(&["state", "list"], 0), "");
    let namespaces = home.kubectl("host", &["get", "namespaces", "-o", "name"]);
    assert!(namespaces.contains("theirs") && !namespaces.contains("hello"), "{namespaces}");
    assert!(home.run(&["local", "list"], 0).contains("running"));
}

#[test]
fn what_vanishes_from_the_specs_is_not_deleted_without_a_word() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    home.edit("hello/application.yaml", "- path: manifests", "- path: manifests/web.yaml");
    home.edit("hello/application.yaml", "    dependsOn: [cache]\n", "");
    // Two of six are few; the whole application is not.
    assert!(!home.run(&["plan"], 0).contains("--allow-deletes"));
    home.edit("hello/application.yaml", "- path: manifests/web.yaml", "- objects: []");
    home.edit("hello/application.yaml", "components:\n  - name: web\n", "");
    assert!(home.run(&["plan"], 0).contains("--allow-deletes"));
    let said = home.said(&["apply", "--yes"], 5);
    assert!(said.contains("SKY0508") && said.contains("Namespace hello"), "{said}");
    assert!(home.kubectl("host", &["get", "namespaces", "-o", "name"]).contains("hello"));
    home.run(&["apply", "--yes", "--allow-deletes"], 0);
    assert!(!home.kubectl("host", &["get", "namespaces", "-o", "name"]).contains("hello"));
}

#[test]
fn what_was_there_before_is_not_taken() {
    let home = guest();
    home.kubectl("host", &["create", "namespace", "hello"]);
    home.kubectl("host", &["-n", "hello", "create", "configmap", "web", "--from-literal=a=b"]);
    let plan = home.said(&["plan"], 1);
    assert!(plan.contains("In the way") && plan.contains("ConfigMap hello/web"), "{plan}");
    assert!(home.said(&["apply", "--yes"], 1).contains("SKY0504"));
    let data = ["-n", "hello", "get", "configmap", "web", "-o", "jsonpath={.data.a}"];
    assert_eq!(home.kubectl("host", &data), "b", "nothing was done");
    home.kubectl("host", &["-n", "hello", "delete", "configmap", "web"]);
    home.run(&["apply", "--yes"], 0);
    // The namespace was there before: it stays when all of skyplan's goes.
    home.run(&["destroy", "--yes"], 0);
    assert!(home.kubectl("host", &["get", "namespaces", "-o", "name"]).contains("hello"));
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_done() {
    let home = guest();
    home.edit("hello/manifests/cache.yaml", "replicas: 1", "replicas: 3");
    home.edit("hello/manifests/cache.yaml", "cpu: 250m", "cpu: \"7\"");
    let said = home.said(&["plan"], 3);
    assert!(said.contains("SKY0405"), "{said}");
    home.edit("hello/manifests/cache.yaml", "replicas: 3", "replicas: 2");
    home.run(&["apply", "--yes"], 0);
    // Its own pods do not count against it.
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
}

#[test]
fn a_cluster_that_does_not_answer_holds_nothing_else_up() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    home.run(&["local", "down", "host"], 0);
    let plan = home.said(&["plan"], 0);
    assert!(plan.contains("cluster prod was not compared") && !plan.contains("No changes. "), "{plan}");
    home.run(&["local", "up", "host"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
}

#[test]
fn another_cluster_under_the_same_name_is_not_believed() {
    let home = guest();
    let config = |cluster: &str| home.dir.path().join("state/skyplan/local").join(cluster).join("kubeconfig");
    let shown = config("host").display().to_string();
    home.edit("clusters.yaml", &shown, "prod.kubeconfig");
    fs::copy(config("host"), home.project().join("prod.kubeconfig")).unwrap();
    home.run(&["apply", "--yes"], 0);
    home.run(&["local", "up", "other"], 0);
    fs::copy(config("other"), home.project().join("prod.kubeconfig")).unwrap();
    for command in [&["plan"][..], &["destroy", "--yes"]] {
        let said = home.said(command, 1);
        assert!(said.contains("SKY0505"), "{command:?}: {said}");
    }
    assert_eq!(home.run(&["state", "list"], 0).lines().count(), 7, "nothing was forgotten");
}

#[test]
fn what_cannot_be_reached_is_not_forgotten() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    home.run(&["local", "down", "host"], 0);
    home.run(&["destroy", "--yes"], 1);
    assert_eq!(home.run(&["state", "list"], 0).lines().count(), 7);
    home.run(&["local", "up", "host"], 0);
    home.run(&["destroy", "--yes"], 0);
    assert_eq!(home.run(&["state", "list"], 0), "");
    assert!(!home.kubectl("host", &["get", "namespaces", "-o", "name"]).contains("hello"));
}

#[test]
fn kinds_outside_of_namespaces_are_applied_once() {
    let home = guest();
    let objects = "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: more}\nspec: {cidrs: [10.200.0.0/24]}\n---\n\
                   apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 10\n";
    fs::write(home.project().join("hello/manifests/outside.yaml"), objects).unwrap();
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    home.run(&["destroy", "--yes"], 0);
    assert!(!home.kubectl("host", &["get", "servicecidrs,priorityclasses", "-o", "name"]).contains("high"));
}

#[test]
fn a_cluster_that_was_made_anew_gets_everything_anew_when_somebody_says_so() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    home.run(&["plan", "--refresh-only", "-o", "old.json"], 0);
    home.edit("hello/manifests/web.yaml", "greeting: hello", "greeting: hi");
    home.run(&["plan", "-o", "p.json"], 0);
    home.run(&["local", "down", "host", "--delete"], 0);
    home.run(&["local", "up", "host", "--nodes", "2"], 0);
    // Another cluster: nothing is written, not even that an apply began.
    let before = home.run(&["state", "log"], 0);
    let said = home.said(&["apply", "p.json"], 1);
    assert!(said.contains("SKY0709") && said.contains("Nothing was written to it"), "{said}");
    assert_eq!(home.run(&["state", "log"], 0), before);
    let said = home.said(&["plan"], 1);
    assert!(said.contains("SKY0505") && said.contains("--replace cluster/prod"), "{said}");
    let plan = home.run(&["plan", "--replace", "cluster/prod"], 0);
    assert!(plan.contains("+ Cluster prod") && plan.contains("+ Deployment hello/web"), "{plan}");
    home.run(&["apply", "--yes", "--replace", "cluster/prod"], 0);
    assert!(home.kubectl("host", &["get", "deployments", "-A"]).contains("web"));
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    // One that is who it was is not made anew.
    let said = home.said(&["plan", "--replace", "cluster/prod"], 1);
    assert!(said.contains("SKY0916"), "{said}");
}

#[test]
fn a_cluster_that_is_gone_for_good_is_let_go_and_not_waited_for() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    home.run(&["local", "down", "host", "--delete"], 0);
    fs::remove_file(home.project().join("clusters.yaml")).unwrap();
    fs::remove_dir_all(home.project().join("hello")).unwrap();
    let plan = home.run(&["plan"], 0);
    assert!(plan.contains("if it is gone for good") && !plan.contains("No changes."), "{plan}");
    let removed = "apiVersion: skyplan.io/v1alpha1\nkind: Refactoring\nname: gone\nremoved: [cluster/prod]\n";
    fs::write(home.project().join("gone.yaml"), removed).unwrap();
    home.run(&["apply", "--yes"], 0);
    assert_eq!(home.run(&["state", "list"], 0), "");
}
