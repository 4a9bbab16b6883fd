//! One project, two environments and outputs, by the command line on a real control plane.

use super::home::Home;

#[test]
fn an_environment_has_its_own_clusters_values_and_state() {
    let home = Home::new("environments");
    assert!(home.said(&["plan"], 1).contains("SKY0222"));
    assert_eq!(home.run(&["validate"], 0).lines().count(), 2);
    let plan = home.run(&["plan", "--env", "staging", "-o", "plan.json"], 0);
    assert!(plan.contains("Environment staging") && plan.contains("address    = (known after apply)"), "{plan}");
    std::fs::rename(home.project().join("plan.json"), home.dir.path().join("plan.json")).unwrap();
    assert!(home.said(&["apply", "../plan.json", "--env", "production"], 1).contains("SKY0910"));
    // The file says itself which environment it is for.
    let applied = home.run(&["apply", "../plan.json"], 0);
    assert!(applied.contains("address    = 10."), "{applied}");
    assert!(home.run(&["plan", "--env", "staging", "--detailed-exitcode"], 0).contains("No changes."));
    let file = home.run(&["output", "kubeconfig", "--env", "staging"], 0);
    assert!(std::path::Path::new(file.trim()).is_file(), "{file}");
    let address = home.kubectl("staging", &["-n", "web", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
    let json: serde_json::Value =
        serde_json::from_str(&home.run(&["output", "--json", "--env", "staging"], 0)).unwrap();
    assert_eq!(json["outputs"]["address"]["value"], address.as_str());
    assert!(home.said(&["output", "adress", "--env", "staging"], 1).contains("did you mean `address`?"));
    assert!(home.run(&["output", "--env", "production"], 0).contains("no outputs"));
    // Nothing of another environment is known, or touched.
    assert!(home.run(&["state", "list", "--env", "production"], 0).is_empty());
    assert!(home.project().join(".skyplan/state/staging/000000000001.json").is_file());
    let greet = ["-n", "web", "get", "configmap", "web", "-o", "jsonpath={.data.greet\\.sh}"];
    assert_eq!(home.kubectl("staging", &greet), "echo \"${HOME} serves hello.test\"\n");
    let set = home.run(&["plan", "--env", "staging", "--set", "replicas=2"], 0);
    assert!(set.contains("spec.replicas: 1 → 2"), "{set}");
    // What was applied before there were environments is not forgotten silently.
    std::fs::copy(
        home.project().join(".skyplan/state/staging/000000000001.json"),
        home.project().join(".skyplan/state/000000000001.json"),
    )
    .unwrap();
    assert!(home.said(&["plan", "--env", "production"], 0).contains("SKY0913"));
    assert!(!home.said(&["plan", "--env", "staging"], 0).contains("SKY0913"));
    home.run(&["destroy", "--yes", "--env", "staging"], 0);
    assert!(home.run(&["output", "--env", "staging"], 0).contains("no outputs"));
}
