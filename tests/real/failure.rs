//! An apply in which something fails: what does not depend on it goes on, and the report says what is
//! done, what failed and why in the cluster's own words, what was not tried, and how to go on.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::home::{Home, both};

/// The quickstart with a Deployment that no node takes; `web` depends on it.
fn broken() -> Home {
    let home = Home::new("quickstart");
    let broken = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: hunter2-hunter2}\n---\n\
                  apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: broken}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: broken}}\n  \
                  template:\n    metadata: {labels: {app: broken}}\n    spec:\n      affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {no: where}}, topologyKey: kubernetes.io/hostname}]}}\n      \
                  containers: [{name: main, image: i, envFrom: [{secretRef: {name: login}}]}]\n";
    fs::write(home.project().join("hello/manifests/broken.yaml"), broken).unwrap();
    home.edit("hello/application.yaml", "dependsOn: [cache]", "dependsOn: [cache, broken]");
    home
}

#[test]
fn a_failure_stops_only_what_depends_on_it_and_says_why() {
    let home = broken();
    let child = home
        .command(&["apply", "--yes", "--timeout", "12s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody runs the pod: what a kubelet would report of a crash is reported for it.
    let mut pod = String::new();
    for _ in 0..200 {
        thread::sleep(Duration::from_millis(100));
        let get = ["-n", "hello", "get", "pods", "-l", "app=broken", "-o", "jsonpath={.items[0].metadata.name}"];
        pod = home.try_kubectl("quickstart", &get).unwrap_or_default();
        if !pod.is_empty() {
            break;
        }
    }
    let crash = r#"{"status":{"containerStatuses":[{"name":"main","image":"i","imageID":"i","ready":false,"restartCount":3,
        "state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 40s"}},
        "lastState":{"terminated":{"exitCode":7,"reason":"Error","message":"cannot log in with hunter2-hunter2"}}}]}}"#;
    home.kubectl("quickstart", &["-n", "hello", "patch", "pod", &pod, "--subresource=status", "-p", crash]);
    let output = child.wait_with_output().unwrap();
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "SKY0714",
        "hello/manifests/broken.yaml:",
        "CrashLoopBackOff: back-off 40s; it ended with exit code 7 (Error): cannot log in with (secret value), 3 restarts so far",
        "event of Pod: FailedScheduling: 0/1 nodes are available",
        "7 done, 1 failed, 1 left out",
        "Left out, as quickstart: Deployment hello/broken failed: quickstart: Deployment hello/web\n",
        "  skyplan apply --yes --timeout 12s",
    ] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let state = home.run(&["state", "list"], 0);
    assert!(state.contains("StatefulSet/hello/cache") && state.contains("Deployment/hello/broken"), "{state}");
    assert!(!state.contains("Deployment/hello/web"), "{state}");

    // What was never seen ready is not taken for done.
    let changes = home.changes();
    let unready =
        ("update".to_owned(), "object/quickstart/apps/Deployment/hello/broken".to_owned(), "unready".to_owned());
    assert!(changes.contains(&unready), "{changes:?}");

    // For programs: one object per line, and the same facts.
    let output = home.command(&["apply", "--yes", "--json", "--timeout", "3s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let events: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let named = |name: &str| events.iter().filter(|e| e["event"] == name).collect::<Vec<_>>();
    assert_eq!((&events[0]["event"], &events[0]["formatVersion"]), (&"version".into(), &"1.0".into()));
    assert_eq!(named("planned").len(), changes.len());
    assert_eq!(named("started").len(), 1);
    assert!(named("progress").iter().any(|e| e["waitsFor"].as_str().unwrap().contains("replicas")));
    assert_eq!(named("failed")[0]["diagnostic"]["code"], "SKY0714");
    assert!(named("skipped").iter().all(|e| e["failed"] == "object/quickstart/apps/Deployment/hello/broken"));
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["complete"], &last["counts"]["failed"]),
        (&"summary".into(), &false.into(), &1.into())
    );
    assert_eq!(last["resume"], "skyplan apply --yes --json --timeout 3s");
    assert_eq!(last["clusters"]["quickstart"]["failed"], 1);

    // Mended, the next apply goes on from there.
    home.edit("hello/manifests/broken.yaml", "      affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {no: where}}, topologyKey: kubernetes.io/hostname}]}}\n", "");
    let output = home.command(&["apply", "--yes", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["complete"], &last["resume"]), (&true.into(), &Value::Null));
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
}

#[test]
fn a_second_interrupt_stops_at_once_and_nothing_is_lost() {
    let home = Home::new("quickstart");
    let child = home.command(&["apply", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let interrupt = || assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    // The first entry begins the log, the second the apply; then a cluster is made, for seconds.
    for _ in 0..600 {
        if home.log_entries() >= 2 {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(700));
    interrupt();
    thread::sleep(Duration::from_millis(200));
    let second = Instant::now();
    interrupt();
    let output = child.wait_with_output().unwrap();
    let said = both(&output);
    assert!(second.elapsed() < Duration::from_secs(2), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Stopping: ") && said.contains("Stopping now: ") && said.contains("SKY0716"), "{said}");
    assert!(said.contains("Not begun, as the apply was stopped: quickstart: ConfigMap hello/web, "), "{said}");
    assert!(said.contains("  skyplan apply --yes"), "{said}");
    home.run(&["plan"], 0);
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    home.run(&["destroy", "--yes"], 0);
    assert!(home.run(&["local", "list"], 0).contains("no local clusters"));
}

#[test]
fn events_need_somebody_who_has_agreed() {
    let home = Home::new("quickstart");
    let output = home.command(&["apply", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_str(String::from_utf8(output.stdout).unwrap().trim()).unwrap();
    assert_eq!((&line["event"], &line["diagnostic"]["code"]), (&"error".into(), &"SKY0904".into()));
}
