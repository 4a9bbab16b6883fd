//! Clusters that are busy, broken, silent, or lose what they had: the right result or a clear error, in bounded
//! time, and a state that the next apply goes on from.

mod certificate;
mod definitions;

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use super::{
    existing::guest,
    home::Home,
    meddler::{Asked, Fate, Meddler},
};

/// A project of so many maps on a cluster behind a meddler.
fn behind(maps: usize) -> (Home, Meddler) {
    let home = guest();
    let folder = home.dir.path().join("state/skyplan/local/host");
    let meddler = Meddler::before(&folder, &home.project().join("far.kubeconfig"));
    home.edit("clusters.yaml", &folder.join("kubeconfig").display().to_string(), "far.kubeconfig");
    fs::remove_file(home.project().join("hello/manifests/cache.yaml")).unwrap();
    home.edit("hello/application.yaml", "components:\n  - name: web\n    dependsOn: [cache]\n", "");
    write_maps(&home, maps, "1");
    (home, meddler)
}

fn write_maps(home: &Home, maps: usize, value: &str) {
    let text: String = (0..maps)
        .map(|n| {
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{n:03}}}\ndata: {{n: \"{value}\"}}\n---\n")
        })
        .collect();
    fs::write(home.project().join("hello/manifests/maps.yaml"), text).unwrap();
}

/// Runs skyplan; what it said, and how long it took.
fn timed(home: &Home, args: &[&str], status: i32) -> (String, Duration) {
    let begun = Instant::now();
    let said = home.said(args, status);
    (said, begun.elapsed())
}

/// The state is sound, and everything is as the specs say.
fn assert_sound(home: &Home, maps: usize, value: &str) {
    home.run(&["state", "doctor"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let args = ["-n", "hello", "get", "configmaps", "-l", "skyplan.io/lineage", "-o", "jsonpath={.items[*].data.n}"];
    let values = home.kubectl("host", &args);
    assert_eq!(values.split_whitespace().filter(|v| *v == value).count(), maps, "{values}");
}

fn is_map(asked: &Asked) -> bool {
    asked.path.contains("/configmaps/m")
}

#[test]
fn a_storm_of_refusals_is_weathered() {
    let (home, meddler) = behind(60);
    let mut count = 0;
    meddler.rule(move |_| {
        count += 1;
        if count % 2 == 0 {
            Fate::Answer("429 Too Many Requests", "Retry-After: 1", "Too many requests, please try again later.")
        } else {
            Fate::Pass
        }
    });
    let (said, took) = timed(&home, &["apply", "--yes"], 0);
    assert!(took < Duration::from_secs(60), "{took:?}: {said}");
    assert_sound(&home, 60, "1");

    // One that only refuses is told as what it is.
    meddler.rule(|_| {
        Fate::Answer("429 Too Many Requests", "Retry-After: 300", "Too many requests, please try again later.")
    });
    let (said, took) = timed(&home, &["plan"], 0);
    assert!(took < Duration::from_secs(30), "{took:?}: {said}");
    assert!(
        said.contains("cluster prod was not compared: cluster `prod` did not")
            && said.contains("It says: Too many requests, please try again later.")
            && said.contains("No changes where clusters answered."),
        "{said}"
    );
}

/// A proxy before the server gives up, and the write was done all the same. Taken for undone and sent again, it
/// would come back as changed by others.
#[test]
fn a_write_that_was_done_behind_a_failure_is_known_as_done() {
    let (home, meddler) = behind(20);
    for (value, status) in
        [("1", "504 Gateway Timeout"), ("2", "503 Service Unavailable"), ("3", "500 Internal Server Error")]
    {
        write_maps(&home, 20, value);
        let mut seen = BTreeSet::new();
        meddler.rule(move |asked| {
            if asked.writes() && is_map(asked) && seen.insert(asked.path.clone()) {
                Fate::Instead(status, "upstream request timeout")
            } else {
                Fate::Pass
            }
        });
        let (said, took) = timed(&home, &["apply", "--yes"], 0);
        assert!(took < Duration::from_secs(60), "{took:?}: {said}");
        assert!(!said.contains("SKY"), "{said}");
        assert_sound(&home, 20, value);
    }
    // Deletions, too.
    let mut seen = BTreeSet::new();
    meddler.rule(move |asked| {
        if asked.verb == "DELETE" && seen.insert(asked.path.clone()) {
            Fate::Instead("504 Gateway Timeout", "upstream request timeout")
        } else {
            Fate::Pass
        }
    });
    home.run(&["destroy", "--yes"], 0);
    assert_eq!(home.run(&["state", "list"], 0), "");
}

#[test]
fn a_server_that_fails_at_writes_is_told_and_the_next_apply_goes_on() {
    let (home, meddler) = behind(20);
    meddler.rule(|asked| {
        if asked.writes() && asked.path.contains("/configmaps/m01") {
            Fate::Answer("500 Internal Server Error", "", "etcdserver: mvcc: database is corrupt")
        } else {
            Fate::Pass
        }
    });
    let (said, took) = timed(&home, &["apply", "--yes", "--timeout", "4s"], 1);
    assert!(took < Duration::from_secs(60), "{took:?}: {said}");
    assert!(
        said.contains("error[SKY0706]: cluster `prod` did not apply ConfigMap hello/m01")
            && said.contains("It says: 500: etcdserver: mvcc: database is corrupt."),
        "{said}"
    );
    meddler.rule(|_| Fate::Pass);
    home.run(&["apply", "--yes"], 0);
    assert_sound(&home, 20, "1");

    // Nothing was done where a webhook is not there: that is no failure of the server.
    write_maps(&home, 20, "2");
    meddler.rule(|asked| {
        if asked.writes() && is_map(asked) {
            let words = "Internal error occurred: failed calling webhook \"a.example.com\": connection refused";
            Fate::Answer("500 Internal Server Error", "", words)
        } else {
            Fate::Pass
        }
    });
    let (said, took) = timed(&home, &["apply", "--yes"], 1);
    assert!(took < Duration::from_secs(30), "{took:?}: {said}");
    assert!(
        said.contains("error[SKY0711]: cluster `prod` refused to apply ConfigMap hello/m00")
            && said.contains("failed calling webhook \"a.example.com\""),
        "{said}"
    );
    meddler.rule(|_| Fate::Pass);
    home.run(&["apply", "--yes"], 0);
    assert_sound(&home, 20, "2");
}

#[test]
fn lists_that_break_or_grow_too_old_begin_anew() {
    let (home, meddler) = behind(520);
    home.run(&["apply", "--yes"], 0);
    let listed = |asked: &Asked| asked.path.contains("/configmaps?");
    let mut breaks = 0;
    meddler.rule(move |asked| {
        if listed(asked) && breaks < 2 {
            breaks += 1;
            return Fate::Cut(20_000);
        }
        Fate::Pass
    });
    assert_sound(&home, 520, "1");
    assert!(meddler.asked().iter().filter(|a| listed(a)).count() >= 4);

    let gone = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"The provided \
                continue parameter is too old\",\"reason\":\"Expired\",\"code\":410}";
    let mut old = 0;
    meddler.rule(move |asked| {
        if listed(asked) && asked.path.contains("continue=") && old < 2 {
            old += 1;
            return Fate::Answer("410 Gone", "Content-Type: application/json", gone);
        }
        Fate::Pass
    });
    assert_sound(&home, 520, "1");
    let first = |a: &&Asked| listed(a) && !a.path.contains("continue=");
    assert!(meddler.asked().iter().filter(first).count() >= 3);

    // For ever is too long.
    meddler.rule(move |asked| {
        if listed(asked) && asked.path.contains("continue=") {
            return Fate::Answer("410 Gone", "Content-Type: application/json", gone);
        }
        Fate::Pass
    });
    let (said, took) = timed(&home, &["plan"], 0);
    assert!(took < Duration::from_secs(30), "{took:?}: {said}");
    assert!(
        said.contains("cluster prod was not compared")
            && said.contains("the list changed faster than it could be read"),
        "{said}"
    );
    meddler.rule(move |asked| if listed(asked) { Fate::Cut(20_000) } else { Fate::Pass });
    let (said, took) = timed(&home, &["plan"], 0);
    assert!(took < Duration::from_secs(30), "{took:?}: {said}");
    assert!(said.contains("cluster prod was not compared: cluster `prod` does not answer"), "{said}");
}

#[test]
fn a_cluster_that_hangs_holds_up_nobody() {
    let (home, meddler) = behind(20);
    home.run(&["local", "up", "other", "--nodes", "1"], 0);
    let config = home.dir.path().join("state/skyplan/local/other/kubeconfig");
    let clusters = fs::read_to_string(home.project().join("clusters.yaml")).unwrap();
    let other = clusters.replace("name: prod", "name: other").replace("far.kubeconfig", &config.display().to_string());
    fs::write(home.project().join("clusters.yaml"), format!("{clusters}---\n{other}")).unwrap();
    fs::create_dir_all(home.project().join("more/manifests")).unwrap();
    let web = fs::read_to_string(home.project().join("hello/manifests/web.yaml")).unwrap();
    fs::write(home.project().join("more/manifests/work.yaml"), web.replace("web", "work")).unwrap();
    let head = "apiVersion: skyplan.io/v1alpha1\nkind:";
    let application = format!("{head} Application\nname: more\nsources: [{{path: manifests}}]\n");
    fs::write(home.project().join("more/application.yaml"), application).unwrap();
    let place = |component: &str, cluster: &str| {
        format!("  - componentRef: {component}\n    location: {{permitted: [{{cluster: {cluster}}}]}}\n")
    };
    let places = place("web", "prod") + &place("work", "other");
    let policy = format!("{head} DeploymentPolicy\nname: places\ncomponents:\n{places}");
    fs::write(home.project().join("policy.yaml"), policy).unwrap();
    let write = |value: &str| {
        write_maps(&home, 20, value);
        let (from, to) = ("hello/manifests/maps.yaml", "more/manifests/maps.yaml");
        fs::copy(home.project().join(from), home.project().join(to)).unwrap();
    };
    write("1");
    home.run(&["apply", "--yes"], 0);
    write("2");
    home.run(&["plan", "-o", "p.plan"], 0);
    meddler.rule(|_| Fate::Hang);
    let begun = Instant::now();
    let mut child = home
        .command(&["apply", "--yes", "--json", "--timeout", "20s", "p.plan"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut last = None;
    {
        use std::io::BufRead as _;
        for line in std::io::BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.contains("\"done\"") && line.contains("\"cluster\":\"other\"") {
                last = Some(begun.elapsed());
            }
            said += &(line + "\n");
        }
    }
    let output = child.wait_with_output().unwrap();
    said += &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let (last, all) = (last.unwrap_or_else(|| panic!("{said}")), begun.elapsed());
    assert!(last < Duration::from_secs(12) && all > last + Duration::from_secs(5), "{last:?} of {all:?}: {said}");
    assert!(all < Duration::from_secs(90), "{all:?}");
    assert!(said.contains("SKY0701") && said.contains("cluster `prod` does not answer"), "{said}");

    // A plan says which part of it is not known.
    let (said, took) = timed(&home, &["plan"], 0);
    assert!(took < Duration::from_secs(25), "{took:?}: {said}");
    assert!(said.contains("cluster prod was not compared: cluster `prod` does not answer"), "{said}");
    meddler.rule(|_| Fate::Pass);
    home.run(&["apply", "--yes"], 0);
    assert_sound(&home, 20, "2");
}
