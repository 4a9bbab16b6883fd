//! A kind whose definition is taken away in the middle.

use std::{fs, process::Stdio, thread, time::Duration};

use super::{assert_sound, behind, timed};
use crate::real::home::{Home, both};

const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: lamps, singular: lamp, kind: Lamp}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

fn lamp(color: &str) -> String {
    format!("apiVersion: example.com/v1\nkind: Lamp\nmetadata: {{name: l}}\nspec: {{color: {color}}}\n")
}

fn define(home: &Home) {
    let file = home.dir.path().join("lamps.yaml");
    fs::write(&file, DEFINITION).unwrap();
    home.kubectl("host", &["apply", "-f", file.to_str().unwrap()]);
    home.kubectl("host", &["wait", "--for=condition=Established", "crd/lamps.example.com", "--timeout=20s"]);
}

#[test]
fn a_definition_that_is_taken_away_is_said() {
    let (home, _meddler) = behind(3);
    define(&home);
    let file = home.project().join("hello/manifests/lamp.yaml");
    let write = |color: &str| fs::write(&file, lamp(color)).unwrap();
    write("red");
    home.run(&["apply", "--yes"], 0);
    assert_sound(&home, 3, "1");

    // Between plan and apply.
    write("green");
    home.run(&["plan", "-o", "p.plan"], 0);
    home.kubectl("host", &["delete", "crd", "lamps.example.com"]);
    let (said, took) = timed(&home, &["apply", "--yes", "p.plan"], 1);
    assert!(took < Duration::from_secs(30), "{took:?}: {said}");
    assert!(said.contains("error[SKY0718]: cluster `prod` does not serve example.com/v1 Lamp"), "{said}");
    home.run(&["state", "doctor"], 0);

    // While it is awaited.
    define(&home);
    home.run(&["apply", "--yes"], 0);
    // It says of itself that it is not ready.
    let status = "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": \"False\", \"reason\": \"Cold\"}]}}";
    home.kubectl("host", &["-n", "hello", "patch", "lamp", "l", "--type=merge", "-p", status]);
    write("blue");
    let child = home
        .command(&["apply", "--yes", "--timeout", "100s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let color = ["-n", "hello", "get", "lamp", "l", "-o", "jsonpath={.spec.color}"];
    while home.kubectl("host", &color) != "blue" {
        thread::sleep(Duration::from_millis(200));
    }
    thread::sleep(Duration::from_secs(2));
    let begun = std::time::Instant::now();
    home.kubectl("host", &["delete", "crd", "lamps.example.com"]);
    let output = child.wait_with_output().unwrap();
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}: {said}", begun.elapsed());
    assert!(said.contains("error[SKY0714]") && said.contains("Lamp hello/l"), "{said}");
    home.run(&["state", "doctor"], 0);
    println!("{said}");

    define(&home);
    write("green");
    home.run(&["apply", "--yes"], 0);
    assert_sound(&home, 3, "1");
    // What nobody serves any more needs nobody to delete it.
    home.kubectl("host", &["delete", "crd", "lamps.example.com"]);
    home.run(&["destroy", "--yes"], 0);
    assert_eq!(home.run(&["state", "list"], 0), "");
}
