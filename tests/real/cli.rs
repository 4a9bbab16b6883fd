//! The examples by the command line on real control planes: what a user does, and what must hold.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use super::home::{Home, both};

fn change(action: &str, address: &str, why: &str) -> (String, String, String) {
    (action.into(), address.into(), why.into())
}

#[test]
fn quickstart_from_nothing_to_nothing() {
    let home = Home::new("quickstart");
    assert!(home.said(&["apply"], 1).contains("SKY0904"), "nobody can be asked, so nothing is done");
    assert_eq!(home.run(&["local", "list"], 0).lines().count(), 1);
    let applied = home.said(&["apply", "--yes"], 0);
    assert!(applied.contains("7 done"), "{applied}");
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    assert!(home.run(&["status"], 0).contains("2/2  ready"));
    let web = "object/quickstart/apps/Deployment/hello/web";
    assert!(home.run(&["show"], 0).contains("7 resources on 1 cluster, as of entry"));
    assert!(home.run(&["show", web], 0).contains("ready"));
    let field = home.run(&["explain", web, "--field", "spec.strategy.type"], 0);
    assert!(field.contains("the server's default") && field.contains("live  RollingUpdate"), "{field}");
    assert!(home.run(&["explain", "web"], 0).contains("it was placed there before"));
    assert!(home.run(&["graph"], 0).contains("<svg"));
    assert_eq!(home.run(&["state", "list"], 0).lines().count(), 7);
    assert!(home.run(&["state", "log"], 0).contains("complete"));
    assert!(home.run(&["state", "show", "cluster/quickstart"], 0).contains("\"local\""));
    // A second apply does nothing and says so.
    let entries = home.state_files();
    assert!(home.run(&["apply", "--yes"], 0).contains("No changes."));
    assert_eq!(home.state_files(), entries);
    home.run(&["destroy", "--yes"], 0);
    assert_eq!(home.run(&["state", "list"], 0), "");
    assert!(home.run(&["local", "list"], 0).contains("no local clusters"));
    assert!(!home.dir.path().join("state/skyplan/local/quickstart").exists());
}

#[test]
fn what_init_writes_works_as_it_is() {
    let home = Home::empty();
    home.run(&["init", "--name", "mine"], 0);
    assert!(home.said(&["init"], 1).contains("SKY0906"));
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    home.run(&["destroy", "--yes"], 0);
}

#[test]
fn the_shop_is_placed_applied_changed_and_restored() {
    let home = Home::new("shop");
    let first = home.run(&["plan"], 0);
    assert_eq!(home.run(&["plan", "--json"], 0), home.run(&["plan", "--json"], 0), "also before the first apply");
    assert!(first.contains("Plan: 17 to create; 0 unchanged."), "{first}");
    assert!(first.contains("Cost: $1,099.01/month"), "{first}");
    // A plan file holds no secret value, and is applied all the same.
    home.run(&["plan", "-o", "plan.json"], 0);
    let file = fs::read_to_string(home.project().join("plan.json")).unwrap();
    assert!(!file.contains("change-me") && !file.contains("Y2hhbmdlLW1l"));
    home.run(&["apply", "plan.json"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));

    // One replica more is exactly one change.
    home.edit("shop/manifests/till.yaml", "replicas: 2", "replicas: 3");
    assert_eq!(home.changes(), [change("update", "object/store/apps/Deployment/shop/till", "specChanged")]);
    home.run(&["apply", "--yes"], 0);
    assert_eq!(home.kubectl("store", &["-n", "shop", "get", "deploy", "till", "-o", "jsonpath={.spec.replicas}"]), "3");

    // One that needs a larger node changes that too, and nothing else.
    home.edit("shop/manifests/api.yaml", "replicas: 3", "replicas: 4");
    assert_eq!(
        home.changes(),
        [
            change("update", "cluster/gcp", "nodesChanged"),
            change("update", "object/gcp/apps/Deployment/shop/api", "specChanged"),
        ]
    );
    home.run(&["apply", "--yes"], 0);
    assert_eq!(home.changes(), []);

    // What somebody else adds is theirs; what somebody else takes away is restored.
    home.kubectl("gcp", &["-n", "shop", "label", "deployment", "api", "theirs=yes"]);
    home.kubectl("store", &["-n", "shop", "delete", "deployment", "till"]);
    assert_eq!(home.changes(), [change("create", "object/store/apps/Deployment/shop/till", "deletedOutside")]);
    let text = home.run(&["plan"], 0);
    assert!(text.contains("drift: deleted outside of skyplan"), "{text}");
    home.run(&["apply", "--yes"], 0);
    assert_eq!(home.changes(), []);
    let label = ["-n", "shop", "get", "deploy", "api", "-o", "jsonpath={.metadata.labels.theirs}"];
    assert_eq!(home.kubectl("gcp", &label), "yes");

    // A field of ours with another value is drift, named with both values.
    home.kubectl("gcp", &["-n", "shop", "set", "image", "deployment/api", "api=other:1"]);
    let drift = home.said(&["plan"], 1);
    assert!(drift.contains("kubectl-set"), "the owner of the field is named: {drift}");
    home.kubectl("gcp", &["-n", "shop", "delete", "deployment", "api"]);
    home.run(&["apply", "--yes"], 0);

    // The same inputs give the same bytes, also from the replay file; no secret value is in any.
    let recorded = home.run(&["plan", "--json", "--record", "replay.json"], 0);
    assert_eq!(home.run(&["plan", "--json"], 0), recorded);
    assert_eq!(home.run(&["plan", "--json", "--replay", "replay.json"], 0), recorded);
    fs::rename(home.project().join("replay.json"), home.dir.path().join("replay.json")).unwrap();
    for file in walk(&home.project().join(".skyplan")).into_iter().chain([home.dir.path().join("replay.json")]) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("change-me") && !text.contains("Y2hhbmdlLW1l"), "{}", file.display());
    }
    let secret = ["-n", "shop", "get", "secret", "orders", "-o", "jsonpath={.data.password}"];
    assert_eq!(home.kubectl("gcp", &secret), "Y2hhbmdlLW1l");

    home.run(&["destroy", "--yes"], 0);
    assert_eq!(home.run(&["state", "list"], 0), "");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn a_stale_plan_is_refused_whatever_moved() {
    let home = Home::new("quickstart");
    home.run(&["apply", "--yes"], 0);
    let web = "hello/manifests/web.yaml";

    // The specs moved.
    home.edit(web, "replicas: 2", "replicas: 3");
    home.run(&["plan", "-o", "plan.json"], 0);
    home.edit(web, "replicas: 3", "replicas: 4");
    let said = home.said(&["apply", "plan.json"], 4);
    assert!(said.contains("SKY0501") && said.contains("specs"), "{said}");

    // The state moved: the same plan applied twice.
    home.run(&["plan", "-o", "plan.json"], 0);
    home.run(&["apply", "plan.json"], 0);
    let said = home.said(&["apply", "plan.json"], 4);
    assert!(said.contains("SKY0501") && said.contains("Deployment hello/web"), "{said}");

    // The cluster moved: the object was made anew meanwhile.
    home.edit(web, "replicas: 4", "replicas: 5");
    home.run(&["plan", "-o", "plan.json"], 0);
    home.kubectl("quickstart", &["-n", "hello", "scale", "deployment", "web", "--replicas=1"]);
    let said = home.said(&["apply", "plan.json"], 4);
    assert!(said.contains("SKY0501"), "{said}");
    let replicas = ["-n", "hello", "get", "deploy", "web", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(home.kubectl("quickstart", &replicas), "1", "nothing was done");
}

#[test]
fn an_interrupted_apply_says_so_and_goes_on() {
    let home = Home::new("quickstart");
    let child = home.command(&["apply", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(700));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    assert!(both(&output).contains("goes on from here"), "{}", both(&output));
    // What was in flight, the cluster, was finished and recorded; nothing new was begun.
    assert_eq!(home.run(&["state", "list"], 0), "cluster/quickstart\n");
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
}

#[test]
fn looking_changes_nothing() {
    let home = Home::new("quickstart");
    home.run(&["validate"], 0);
    home.run(&["plan"], 0);
    home.run(&["state", "list"], 0);
    assert!(!home.project().join(".skyplan").exists());
    assert!(!home.dir.path().join("state").exists());
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let home = Home::new("quickstart");
    let nowhere = home.dir.path().join("nowhere");
    fs::create_dir(&nowhere).unwrap();
    let output = home.command(&["apply", "--yes"]).env("SKYPLAN_CONTROL_PLANE", &nowhere).output().unwrap();
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("SKY0603") && said.contains("nowhere"), "{said}");
    assert_eq!(home.run(&["state", "list"], 0), "", "nothing was made");
    // And the next apply, with the programs there, goes on.
    home.run(&["apply", "--yes"], 0);
}
