//! Several applies at once, each a process of its own: side by side where they do not meet, else one of
//! them stops and says why; and one that sleeps past its time does no harm when it wakes.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    crowd::{APPLY, CLUSTERS, Crowd, Revision},
    home::{Home, both},
    proxy::Proxy,
};

/// The revision A on two clusters, each behind a proxy of its own.
fn far() -> (Crowd, [Proxy; 2]) {
    let (crowd, proxies) = Crowd::far();
    crowd.home.run(&APPLY, 0);
    (crowd, proxies.try_into().ok().unwrap())
}

fn start(crowd: &Crowd, args: &[&str]) -> Child {
    crowd.home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until this many entries of the kind have come after the serial.
#[track_caller]
fn wait(crowd: &Crowd, after: u64, kind: &str, count: usize) {
    let begun = Instant::now();
    while crowd.entries_after(after).iter().filter(|entry| entry["entry"] == kind).count() < count {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {kind} came");
        thread::sleep(Duration::from_millis(1));
    }
}

fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), super::home::both(&output))
}

fn kinds(crowd: &Crowd, after: u64) -> Vec<String> {
    let with_outcome = crowd.entries_after(after);
    with_outcome.iter().map(|e| e["entry"].as_str().unwrap().to_owned()).filter(|k| k != "delta").collect()
}

#[test]
fn applies_on_different_clusters_run_at_the_same_time() {
    let (crowd, [one, two]) = far();
    crowd.want(Revision::B);
    let base = crowd.last();
    let left = start(&crowd, &[&APPLY[..], &["--target", "left"]].concat());
    wait(&crowd, base, "begin", 1);
    one.hold();
    let right = start(&crowd, &[&APPLY[..], &["--target", "right"]].concat());
    wait(&crowd, base, "begin", 2);
    two.hold();
    // Both have begun, and neither can end.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(kinds(&crowd, base), ["begin", "begin"]);
    one.release();
    two.release();
    for child in [left, right] {
        let (status, said) = end(child);
        assert_eq!(status, Some(0), "{said}");
    }
    assert_eq!(kinds(&crowd, base), ["begin", "begin", "end", "end"]);
    assert!(crowd.home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
}

#[test]
fn what_one_takes_away_nobody_adds_to() {
    let (crowd, [one, _two]) = far();
    crowd.want(Revision::B);
    let base = crowd.last();
    // First comes who adds.
    let add = start(&crowd, &[&APPLY[..], &["--target", "left"]].concat());
    wait(&crowd, base, "begin", 1);
    one.hold();
    let said = crowd.home.said(&["destroy", "--yes"], 1);
    assert!(said.contains("SKY0805") && said.contains("another apply is at work on "), "{said}");
    one.release();
    let (status, said) = end(add);
    assert_eq!(status, Some(0), "{said}");
    // Then who takes away.
    crowd.want(Revision::A);
    let base = crowd.last();
    let destroy = start(&crowd, &["destroy", "--yes"]);
    wait(&crowd, base, "begin", 1);
    one.hold();
    let said = crowd.home.said(&[&APPLY[..], &["--target", "left"]].concat(), 1);
    assert!(said.contains("SKY0805"), "{said}");
    one.release();
    let (status, said) = end(destroy);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(crowd.home.run(&["state", "list"], 0), "");
    assert!(crowd.objects().is_empty());
}

/// An application that takes most of a node, as a rollout has a second pod for a while.
fn large_app(project: &Path, name: &str) {
    fs::create_dir_all(project.join(name).join("manifests")).unwrap();
    let head = "apiVersion: skyplan.io/v1alpha1\nkind: Application";
    let text = format!("{head}\nname: {name}\nsources: [{{path: manifests}}]\n");
    fs::write(project.join(name).join("application.yaml"), text).unwrap();
    let text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
         template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: c, image: i, resources: {{requests: {{cpu: 3}}}}}}]}}\n"
    );
    fs::write(project.join(name).join("manifests/all.yaml"), text).unwrap();
    let policy = project.join("policy.yaml");
    let more = format!("  - componentRef: {name}/{name}\n    location: {{permitted: [{{cluster: one}}]}}\n");
    fs::write(&policy, fs::read_to_string(&policy).unwrap() + &more).unwrap();
}

/// Two people, each with a checkout of their own, want the last room of a cluster.
#[test]
fn the_last_room_is_taken_once() {
    let (crowd, [one, _two]) = far();
    let (project, other) = (crowd.home.project(), crowd.home.dir.path().join("other"));
    assert!(Command::new("cp").args(["-r"]).args([&project, &other]).status().unwrap().success());
    fs::remove_dir_all(other.join(".skyplan")).unwrap();
    let root = fs::read_to_string(other.join("skyplan.yaml")).unwrap();
    let url = format!("state: {{url: \"file://{}\"}}\n", project.join(".skyplan/state").display());
    fs::write(other.join("skyplan.yaml"), root + &url).unwrap();
    large_app(&project, "first");
    large_app(&other, "second");
    let second = |args: &[&str]| {
        let output = crowd.home.command(args).current_dir(&other).output().unwrap();
        (output.status.code(), super::home::both(&output))
    };
    // Both plans are good when they are made.
    let (status, said) = second(&["plan", "-o", "second.json", "--target", "second"]);
    assert_eq!(status, Some(0), "{said}");
    let base = crowd.last();
    let first = start(&crowd, &[&APPLY[..], &["--target", "first"]].concat());
    wait(&crowd, base, "begin", 1);
    one.hold();
    let (status, said) = second(&["apply", "second.json"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("SKY0805") && said.contains("takes room on cluster one"), "{said}");
    one.release();
    let (status, said) = end(first);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = second(&["apply", "second.json"]);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("SKY0501") && said.contains("nother apply has taken room there"), "{said}");
    // What this checkout knows nothing of is left where it is, and keeps its room.
    let (status, said) = second(&["plan", "--target", "second"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("SKY0405") && said.contains("second/second"), "{said}");
    // With its deletion there is room.
    let (status, said) = second(&["plan", "--target", "second", "--target", "first"]);
    assert_eq!(status, Some(0), "{said}");
}

/// Two people, each with a checkout of their own, want a cluster each: both plans lease the same networks.
#[test]
fn networks_are_leased_once() {
    let home = Home::empty();
    let (project, other) = (home.project(), home.dir.path().join("other"));
    fs::create_dir_all(&other).unwrap();
    let head = "apiVersion: skyplan.io/v1alpha1\nkind:";
    let provider = "name: p\nplatform: baremetal\nofferings: [{name: s, vcpus: 2, memory: 4Gi, price: 0.1}]\n";
    for (folder, name) in [(&project, "alpha"), (&other, "beta")] {
        let url = format!("file://{}", project.join(".skyplan/state").display());
        let root = format!("{head} Project\nname: fleet\nstate: {{url: \"{url}\"}}\n");
        fs::write(folder.join("skyplan.yaml"), root).unwrap();
        let cluster = format!("name: {name}\ndriver: local\nproviderRef: p\nnodePools: [{{offering: s, min: 1}}]\n");
        let text = format!("{head} ProviderProfile\n{provider}---\n{head} Cluster\n{cluster}");
        fs::write(folder.join("clusters.yaml"), text).unwrap();
    }
    let beta = |args: &[&str]| {
        let output = home.command(args).current_dir(&other).output().unwrap();
        (output.status.code(), super::home::both(&output))
    };
    let (status, said) = beta(&["plan", "-o", "beta.json", "--target", "cluster/beta"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("networks: pods 10.244.0.0/16, services 10.96.0.0/16"), "{said}");
    let mut alpha = home.command(&["apply", "--yes"]);
    let alpha = alpha.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The log has a Snapshot first.
    let begun = || project.join(".skyplan/state/000000000002.json").exists();
    let since = Instant::now();
    while !begun() {
        assert!(since.elapsed() < Duration::from_secs(60), "no Begin came");
        thread::sleep(Duration::from_millis(1));
    }
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &alpha.id().to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    let (status, said) = beta(&["apply", "beta.json"]);
    signal("-CONT");
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("SKY0805") && said.contains("another apply leases networks of pods"), "{said}");
    let (status, said) = end(alpha);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = beta(&["apply", "beta.json"]);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("SKY0501") && said.contains("nother apply has leased networks of pods"), "{said}");
    // Planned again it gets others.
    let (status, said) = beta(&["apply", "--yes", "--target", "cluster/beta"]);
    assert_eq!(status, Some(0), "{said}");
    for (name, pods, services, service) in [
        ("alpha", "10.244.0.0/16", "10.96.0.0/16", "10.96.0.1"),
        ("beta", "10.245.0.0/16", "10.97.0.0/16", "10.97.0.1"),
    ] {
        let said = home.run(&["show", &format!("cluster/{name}")], 0);
        assert!(said.contains(&format!("pods {pods}, services {services}")), "{said}");
        let json: serde_json::Value =
            serde_json::from_str(&home.run(&["show", &format!("cluster/{name}"), "--json"], 0)).unwrap();
        assert_eq!(json["record"]["networks"], serde_json::json!({"pods": pods, "services": services}));
        let path = "jsonpath={.spec.clusterIP}";
        assert_eq!(home.kubectl(name, &["get", "service", "kubernetes", "-o", path]), service);
    }
    // One that is started again has what it had.
    home.run(&["local", "down", "beta"], 0);
    home.run(&["local", "up", "beta"], 0);
    let (status, said) = beta(&["plan", "--detailed-exitcode", "--target", "cluster/beta"]);
    assert_eq!(status, Some(0), "{said}");
}

/// How an apply is kept from going on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sleep {
    /// Its process is stopped.
    Process,
    /// What it has sent is on its way, for long.
    Network,
}

#[test]
fn one_that_wakes_after_its_time_is_refused() {
    let (crowd, proxies) = far();
    for sleep in [Sleep::Network, Sleep::Process] {
        crowd.want(Revision::A);
        crowd.home.run(&APPLY, 0);
        crowd.want(Revision::B);
        let base = crowd.last();
        // Two at a time, so that much is left.
        let mut child = start(&crowd, &[&APPLY[..], &["--deadline", "2s", "--parallelism", "2"]].concat());
        wait(&crowd, base, "delta", 1);
        let signal = |name: &str| {
            assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
        };
        match sleep {
            Sleep::Process => signal("-STOP"),
            Sleep::Network => proxies.iter().for_each(Proxy::hold),
        }
        let begin = crowd.entries_after(base).into_iter().find(|e| e["entry"] == "begin").unwrap();
        let until: Timestamp = begin["until"].as_str().unwrap().parse().unwrap();
        // Until then nobody goes ahead.
        crowd.want(Revision::D);
        let said = crowd.home.said(&APPLY, 1);
        assert!(said.contains("SKY0805"), "{said}");
        while Timestamp::now() <= until {
            thread::sleep(Duration::from_millis(50));
        }
        // The last word of one that the network holds may come while this one plans: then it plans again.
        let first = crowd.home.command(&APPLY).output().unwrap();
        match first.status.code() {
            Some(4) if both(&first).contains("SKY0501") => drop(crowd.home.run(&APPLY, 0)),
            code => assert_eq!(code, Some(0), "{}", both(&first)),
        }
        let settled = crowd.settled(&crowd.objects());
        match sleep {
            Sleep::Process => signal("-CONT"),
            Sleep::Network => proxies.iter().for_each(Proxy::release),
        }
        let (mut out, mut err) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let said = out + &err;
        let status = child.wait().unwrap();
        println!(
            "{sleep:?}: {}",
            said.lines().filter(|l| l.contains("error") || l.contains("done")).collect::<Vec<_>>().join("\n")
        );
        assert_eq!(status.code(), Some(1), "{said}");
        // What the network held has arrived by now.
        thread::sleep(Duration::from_millis(500));
        crowd.assert_settled(&settled);
        assert!(crowd.home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    }
    assert_eq!(CLUSTERS.len(), proxies.len());
}
