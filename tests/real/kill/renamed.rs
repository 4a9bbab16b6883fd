//! Something is made, the apply is killed before it can say so, and then the specs call it by another
//! name: the next plan finds what is left, and takes it away.

use std::fs;

use super::victim::{Moment, kill};
use crate::real::home::Home;

/// Kills before one falls between the making of the object and its record.
const TRIES: u64 = 12;

fn project() -> Home {
    let home = Home::empty();
    home.run(&["local", "up", "host", "--nodes", "1"], 0);
    let config = home.dir.path().join("state/skyplan/local/host/kubeconfig");
    let head = "apiVersion: skyplan.io/v1alpha1\nkind:";
    let write = |file: &str, text: String| fs::write(home.project().join(file), text).unwrap();
    write("skyplan.yaml", format!("{head} Project\nname: fleet\nlineage: fleet\nplacement: {{headroom: 0%}}\n"));
    let existing = format!("existing: {{kubeconfig: {}}}", config.display());
    write("clusters.yaml", format!("{head} Cluster\nname: prod\ndriver: existing\n{existing}\n"));
    write("application.yaml", format!("{head} Application\nname: app\nsources: [{{path: manifests}}]\n"));
    fs::create_dir_all(home.project().join("manifests")).unwrap();
    home
}

/// The specs want one Deployment, of this name.
fn want(home: &Home, name: &str) {
    let text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
         template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: c, image: i}}]}}\n"
    );
    fs::write(home.project().join("manifests/all.yaml"), text).unwrap();
}

#[test]
fn what_a_killed_apply_made_is_found_after_its_rename() {
    let home = project();
    let there = || home.kubectl("host", &["-n", "app", "get", "deployments", "-o", "name"]);
    let known = || home.run(&["state", "list"], 0);
    let mut left = None;
    for attempt in 0..TRIES {
        let name = format!("name-{attempt}");
        want(&home, &name);
        let met = kill(&home, &["apply", "--yes"], &Moment::Entry(1, 20 + 20 * attempt));
        println!("attempt {attempt}: {met}");
        let made = home.try_kubectl("host", &["-n", "app", "get", "deployment", &name]).is_some();
        if met.living && made && !known().contains(&name) {
            left = Some(name);
            break;
        }
    }
    let left = left.expect("no kill fell between the making of the object and its record");
    want(&home, "other");
    let change = home.changes().into_iter().find(|(_, address, _)| address.ends_with(&format!("/{left}")));
    let (action, _, why) = change.expect("the plan knows of what is left");
    assert_eq!((action.as_str(), why.as_str()), ("delete", "uncertain"));
    home.run(&["apply", "--yes"], 0);
    assert_eq!(there(), "deployment.apps/other\n");
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let state: serde_json::Value = serde_json::from_str(&home.run(&["state", "show"], 0)).unwrap();
    for open in ["uncertain", "open"] {
        assert!(state[open].as_object().is_none_or(serde_json::Map::is_empty), "{}", state[open]);
    }
}
