//! Taking over, letting go and going back, on a real control plane.

use std::{fs, process::Command};

use super::home::Home;

const EXTRA: &str = "object/quickstart/core/ConfigMap/hello/extra";

impl Home {
    fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]);
        let output = git.args(args).current_dir(self.project()).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", super::home::both(&output));
    }

    fn commit(&self) {
        self.git(&["add", "-A", "."]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    /// Serial of the last entry.
    fn last(&self) -> String {
        let log = self.run(&["state", "log"], 0);
        log.lines().last().unwrap().split_whitespace().next().unwrap().to_owned()
    }
}

#[test]
fn what_is_there_is_taken_over_gone_back_to_and_let_go() {
    let home = Home::new("quickstart");
    fs::write(home.project().join(".gitignore"), ".skyplan\n").unwrap();
    home.git(&["init", "-q"]);
    home.commit();
    home.run(&["apply", "--yes"], 0);
    let field = |field: &str| home.kubectl("quickstart", &["-n", "hello", "get", "cm", "extra", "-o", field]);

    // Somebody made it by hand; now it stands in the specs, too.
    home.kubectl("quickstart", &["-n", "hello", "create", "cm", "extra", "--from-literal=a=1", "--from-literal=b=1"]);
    let extra = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {a: \"2\"}\n";
    fs::write(home.project().join("hello/manifests/extra.yaml"), extra).unwrap();
    let said = home.said(&["plan"], 1);
    assert!(said.contains("skyplan import"), "{said}");
    assert!(home.said(&["import", "object/quickstart/core/ConfigMap/hello/none", "--yes"], 1).contains("SKY0209"));
    let said = home.said(&["import", EXTRA, "--yes"], 0);
    assert!(said.contains("taken over") && said.contains("data.a: 1 → 2"), "{said}");
    assert_eq!((field("jsonpath={.data.a}"), field("jsonpath={.data.b}")), ("2".into(), "1".into()));
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));

    // An apply from no commit cannot be gone back to; one from a commit can.
    assert!(home.said(&["rollback", &home.last(), "--yes"], 1).contains("SKY0811"));
    home.edit("hello/manifests/web.yaml", "replicas: 2", "replicas: 3");
    home.commit();
    home.run(&["apply", "--yes"], 0);
    let good = home.last();
    home.edit("hello/manifests/web.yaml", "replicas: 3", "replicas: 4");
    home.edit("hello/manifests/extra.yaml", "\"2\"", "\"3\"");
    home.commit();
    home.run(&["apply", "--yes"], 0);
    let said = home.run(&["state", "diff", &good], 0);
    assert!(said.contains("Deployment hello/web") && said.contains("ConfigMap hello/extra"), "{said}");
    let said = home.said(&["rollback", &good, "--yes"], 0);
    assert!(said.contains("spec.replicas: 4 → 3"), "{said}");
    assert_eq!(field("jsonpath={.data.a}"), "2");
    let said = home.run(&["plan"], 0);
    assert!(said.contains(&format!("rolled back to {good}")) && said.contains("2 to change"), "{said}");
    assert!(home.said(&["state", "unhold", "--all"], 0).contains("2 no longer held"));
    home.run(&["apply", "--yes"], 0);

    // Out of the specs, and left as it is.
    fs::remove_file(home.project().join("hello/manifests/extra.yaml")).unwrap();
    let keep = format!("apiVersion: skyplan.io/v1alpha1\nkind: Refactoring\nname: keep\nremoved: [{EXTRA}]\n");
    fs::write(home.project().join("keep.yaml"), keep).unwrap();
    let said = home.run(&["apply", "--yes"], 0);
    assert!(said.contains("let go") && said.contains("keep.yaml:4"), "{said}");
    assert_eq!(field("jsonpath={.data.a}"), "3");
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("can be taken out"));

    // A component with another name stays where it is.
    let said = home.run(&["state", "move", "hello/cache", "hello/store"], 0);
    assert!(said.contains("hello/cache is now hello/store"), "{said}");
    home.run(&["state", "move", "hello/store", "hello/cache"], 0);
    assert!(home.said(&["state", "move", "cluster/quickstart", "cluster/other"], 1).contains("SKY0208"));
    let said = home.run(&["state", "doctor"], 0);
    assert!(said.starts_with("The state is sound: 7 resources"), "{said}");
}
