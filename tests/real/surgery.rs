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

#[test]
fn a_way_back_takes_the_word_of_a_signer_where_plans_do() {
    let home = Home::empty();
    let key = home.project().join("key");
    let key = key.to_str().unwrap();
    let said = home.said(&["keygen", "-o", key], 0);
    let public = said.lines().find(|line| line.starts_with("ssh-ed25519 ")).unwrap().to_owned();
    let write = |version: usize, trust: &str| {
        let text = format!(
            "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: back\nlineage: back\n{trust}---\n\
             apiVersion: skyplan.io/v1alpha1\nkind: Null\nname: release\ninput: {version}\n"
        );
        fs::write(home.project().join("skyplan.yaml"), text).unwrap();
    };
    fs::write(home.project().join(".gitignore"), ".skyplan\nkey*\nplan.json*\n").unwrap();
    home.git(&["init", "-q"]);
    write(1, "");
    home.commit();
    home.run(&["apply", "--yes"], 0);
    let first = home.last();
    write(2, "");
    home.commit();
    home.run(&["apply", "--yes"], 0);
    assert!(home.said(&["rollback", &first, "--yes"], 0).contains("input: 2 → 1"));
    home.run(&["state", "unhold", "--all"], 0);

    // From now on plans have to be signed: also those of a way back, and it would change whom is trusted.
    write(3, &format!("trust:\n  signers: [{public}]\n  requireSignedPlans: true\n"));
    home.commit();
    let plan = home.project().join("plan.json");
    let plan = plan.to_str().unwrap();
    assert!(home.said(&["apply", "--yes"], 5).contains("SKY0522"));
    home.run(&["plan", "-o", plan], 0);
    home.run(&["sign", plan, "--key", key], 0);
    home.run(&["apply", plan], 0);
    let said = home.said(&["rollback", &first, "--yes"], 5);
    assert!(said.contains("SKY0524"), "{said}");
    assert!(home.run(&["state", "show", "null/release"], 0).contains("\"input\": 3"));
}
