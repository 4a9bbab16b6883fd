//! Parts of plans, replacements, refreshes and plan files by the command line, on real control planes.

use std::fs;

use super::home::Home;

const WEB: &str = "object/quickstart/apps/Deployment/hello/web";

#[test]
fn a_part_a_replacement_and_the_state_alone() {
    let home = Home::new("quickstart");
    // A part, and then the rest.
    let part = home.run(&["plan", "--target", "hello/cache"], 0);
    assert!(part.contains("--target hello/cache") && !part.contains("Deployment hello/web"), "{part}");
    home.run(&["apply", "--yes", "--target", "hello/cache"], 0);
    let state = home.run(&["state", "list"], 0);
    assert!(state.contains("StatefulSet/hello/cache") && !state.contains("Deployment/hello/web"), "{state}");
    assert!(home.said(&["plan", "--target", "hello/cahce"], 1).contains("did you mean `hello/cache`?"));
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));

    // One object is made again.
    let uid = ["-n", "hello", "get", "deploy", "web", "-o", "jsonpath={.metadata.uid}"];
    let before = home.kubectl("quickstart", &uid);
    let shown = home.run(&["plan", "--replace", WEB], 0);
    assert!(shown.contains("warning[downtime]") && shown.contains("asked for with --replace"), "{shown}");
    home.run(&["apply", "--yes", "--replace", WEB], 0);
    assert_ne!(home.kubectl("quickstart", &uid), before);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));

    // Drift is told, what is gone is forgotten, and nothing is done about it.
    home.kubectl("quickstart", &["-n", "hello", "scale", "deployment", "web", "--replicas=1"]);
    home.kubectl("quickstart", &["-n", "hello", "delete", "service", "cache"]);
    let told = home.run(&["apply", "--yes", "--refresh-only"], 0);
    assert!(told.contains("changed outside of skyplan: spec.replicas (by kubectl)"), "{told}");
    assert!(told.contains("1 resource was brought up to date"), "{told}");
    assert!(!home.run(&["state", "list"], 0).contains("Service/hello/cache"));
    let replicas = ["-n", "hello", "get", "deploy", "web", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(home.kubectl("quickstart", &replicas), "1");
    home.kubectl("quickstart", &["-n", "hello", "scale", "deployment", "web", "--replicas=2"]);

    // The whole cluster is made again, with the word that it takes.
    let cluster = ["apply", "--yes", "--replace", "cluster/quickstart"];
    assert!(home.said(&cluster, 5).contains("SKY0508"));
    home.run(&[&cluster[..], &["--allow-deletes"]].concat(), 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    assert_ne!(home.kubectl("quickstart", &uid), before);

    // Part of it is taken away, then a saved plan takes the rest.
    home.run(&["destroy", "--yes", "--target", "hello/web"], 0);
    let state = home.run(&["state", "list"], 0);
    assert!(state.contains("cluster/quickstart") && !state.contains("Deployment/hello/web"), "{state}");
    home.run(&["plan", "--destroy", "-o", "gone.json"], 0);
    let shown = home.run(&["apply", "gone.json"], 0);
    assert!(shown.contains("This plan destroys: it takes everything that skyplan made away."), "{shown}");
    assert_eq!(home.run(&["state", "list"], 0), "");
}

#[test]
fn an_edited_plan_file_is_refused() {
    let home = Home::new("quickstart");
    home.run(&["plan", "-o", "plan.json"], 0);
    let file = home.project().join("plan.json");
    let good = fs::read_to_string(&file).unwrap();
    let mut bare: serde_json::Value = serde_json::from_str(&good).unwrap();
    bare.as_object_mut().unwrap().remove("digest").unwrap();
    let bare = bare.to_string();
    for (from, to, rule) in [
        ("\"replicas\":2", "\"replicas\":3", "digest"),
        ("\"unchanged\":0", "\"unchanged\":5", "counts"),
        (
            "\"object/quickstart/core/Namespace/-/hello\"],",
            "\"object/quickstart/core/Namespace/-/other\"],",
            "dangling",
        ),
    ] {
        assert!(good.contains(from), "the plan has no {from}");
        fs::write(&file, good.replacen(from, to, 1)).unwrap();
        let said = home.said(&["apply", "plan.json"], 1);
        assert!(said.contains("SKY0520"), "{said}");
        // Somebody took its digest out: what a plan has to be is checked anyway.
        fs::write(&file, bare.replacen(from, to, 1)).unwrap();
        let said = home.said(&["apply", "plan.json"], 1);
        assert!(said.contains("SKY0509") && said.contains(rule), "{said}");
    }
    assert!(!home.dir.path().join("state").exists(), "nothing was done");
}
