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

/// Git in the project's folder, whatever this machine's settings are.
fn git(home: &Home, args: &[&str]) {
    let mut git = std::process::Command::new("git");
    git.current_dir(home.project()).args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(args);
    let output = git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn revisions_are_planned_and_compared_without_a_checkout() {
    let home = Home::new("environments");
    git(&home, &["init", "-q", "-b", "main"]);
    git(&home, &["add", "."]);
    git(&home, &["commit", "-qm", "one"]);
    git(&home, &["checkout", "-qb", "feature/scale"]);
    home.edit("skyplan.yaml", "replicas: 3", "replicas: 4");
    git(&home, &["commit", "-qam", "two"]);
    git(&home, &["pack-refs", "--all"]);
    git(&home, &["gc", "-q"]);
    git(&home, &["checkout", "-q", "main"]);
    // What is in the folder does not count, be it as broken as it may.
    home.edit("clusters.yaml", "kind: Cluster", "kind: [");
    assert!(home.said(&["validate"], 1).contains("SKY0101"));
    assert_eq!(home.run(&["validate", "--rev", "HEAD"], 0).lines().count(), 2);
    let args = ["plan", "--json", "--env", "production", "--rev"];
    let plan = home.run(&[args.as_slice(), &["feature/scale"]].concat(), 0);
    assert!(plan.contains("\"replicas\": 4"), "{plan}");
    let told = home.run(&["diff", "main..feature/scale", "--env", "production", "--detailed-exitcode"], 2);
    assert!(told.contains("spec.replicas: 3 → 4") && told.contains("Plan: 1 to change; 4 unchanged."), "{told}");
    let json: serde_json::Value =
        serde_json::from_str(&home.run(&["diff", "main..feature/scale", "--env", "production", "--json"], 0)).unwrap();
    assert_eq!((&json["applyable"], &json["changes"][0]["fields"][0]["after"]), (&false.into(), &4.into()));
    home.run(&["diff", "main..feature/scale", "--env", "staging", "--detailed-exitcode"], 0);
    assert!(home.said(&["diff", "--env", "staging"], 1).contains("the working folder is not valid"));
    assert!(home.said(&["plan", "--rev", "feature/scael"], 1).contains("did you mean `feature/scale`?"));
    git(&home, &["checkout", "-q", "clusters.yaml"]);
    // The same texts, so the same inputs: a plan of a revision is applied from its checkout.
    let digest = |args: &[&str]| {
        let plan: serde_json::Value = serde_json::from_str(&home.run(args, 0)).unwrap();
        plan["inputsDigest"].clone()
    };
    let (folder, main) =
        (["plan", "--json", "--env", "staging"], ["plan", "--json", "--env", "staging", "--rev", "main"]);
    assert_eq!(digest(&folder), digest(&main));
    // A comparison is not a plan.
    std::fs::write(home.dir.path().join("told.json"), json.to_string()).unwrap();
    home.said(&["apply", "../told.json"], 4);
}
