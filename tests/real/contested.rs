//! Fields that somebody else has changed: who, from what, and what becomes of them. The plan fails, takes them
//! or leaves them; what an autoscaler sets is its own without a word.

use super::{existing::guest, home::Home};

fn field(home: &Home, kind: &str, path: &str) -> String {
    home.kubectl("host", &["-n", "hello", "get", kind, "web", "-o", &format!("jsonpath={{{path}}}")])
}

/// Somebody changes an object under a name of their own.
fn patch(home: &Home, kind: &str, manager: &str, patch: &str, more: &[&str]) {
    let manager = format!("--field-manager={manager}");
    let mut args = vec!["-n", "hello", "patch", kind, "web", "--type=merge", &manager, "-p", patch];
    args.extend(more);
    home.kubectl("host", &args);
}

#[test]
fn a_field_of_others_is_in_the_way_or_taken_or_left() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    patch(
        &home,
        "configmap",
        "alice",
        r#"{"data":{"greeting":"hi","other":"theirs"},"metadata":{"labels":{"a":"b"}}}"#,
        &[],
    );

    let plan = home.run(&["plan"], 1);
    assert!(plan.contains("data.greeting: hi → hello, owned by alice"), "{plan}");
    assert!(plan.contains("--on-conflict take"), "{plan}");
    let said = home.said(&["apply", "--yes"], 1);
    assert!(said.contains("owned by alice"), "{said}");
    assert_eq!(field(&home, "configmap", ".data.greeting"), "hi");

    let left = home.run(&["plan", "--on-conflict", "leave", "--detailed-exitcode"], 0);
    assert!(left.contains("No changes.") && left.contains("data.greeting is left to alice"), "{left}");
    home.run(&["apply", "--yes", "--on-conflict", "leave"], 0);
    assert_eq!(field(&home, "configmap", ".data.greeting"), "hi");

    let taken = home.run(&["plan", "--on-conflict", "take"], 0);
    assert!(taken.contains("data.greeting: hi → hello  # by alice, 2"), "{taken}");
    assert!(taken.contains("data.greeting: taken from alice"), "{taken}");
    home.run(&["apply", "--yes", "--on-conflict", "take"], 0);
    assert_eq!(field(&home, "configmap", ".data.greeting"), "hello");
    // Only that one.
    assert_eq!(field(&home, "configmap", ".data.other"), "theirs");
    assert_eq!(field(&home, "configmap", ".metadata.labels.a"), "b");
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
}

#[test]
fn what_is_taken_is_what_was_looked_at() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    patch(&home, "configmap", "alice", r#"{"data":{"greeting":"hi"}}"#, &[]);
    home.run(&["plan", "--on-conflict", "take", "-o", "p.json"], 0);
    patch(&home, "configmap", "alice", r#"{"data":{"greeting":"hey"}}"#, &[]);
    let said = home.said(&["apply", "p.json"], 4);
    assert!(said.contains("changed since the plan was made"), "{said}");
    assert_eq!(field(&home, "configmap", ".data.greeting"), "hey");
}

#[test]
fn replicas_are_the_autoscaler_s() {
    let home = guest();
    home.run(&["apply", "--yes"], 0);
    // As its controller does it.
    let scale = |n: u32| {
        let text = format!(r#"{{"spec":{{"replicas":{n}}}}}"#);
        patch(&home, "deployment", "kube-controller-manager", &text, &["--subresource=scale"]);
    };
    scale(3);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    home.edit("hello/manifests/web.yaml", "cpu: 100m", "cpu: 110m");
    let plan = home.run(&["plan"], 0);
    assert!(plan.contains("spec.replicas: left to kube-controller-manager, which has 3"), "{plan}");
    home.run(&["apply", "--yes"], 0);
    assert_eq!(field(&home, "deployment", ".spec.replicas"), "3");
    scale(4);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    assert_eq!(field(&home, "deployment", ".spec.replicas"), "4");
}
