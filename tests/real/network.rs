//! Applies whose way to the API server breaks: cut and back, silent for good, and a server that is
//! killed and started again.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{
    existing::guest,
    home::{Home, both},
    proxy::{Mode, Proxy},
};

/// A project on a cluster that is reached through a proxy, with enough objects that an apply has a
/// middle.
fn behind_a_proxy() -> (Home, Proxy) {
    let home = guest();
    let config = home.dir.path().join("state/skyplan/local/host/kubeconfig");
    let proxy = Proxy::before(&config, &home.project().join("far.kubeconfig"));
    home.edit("clusters.yaml", &config.display().to_string(), "far.kubeconfig");
    let maps: String = (0..40)
        .map(|n| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{n:02}}}\ndata: {{n: \"{n}\"}}\n---\n"))
        .collect();
    fs::write(home.project().join("hello/manifests/maps.yaml"), maps).unwrap();
    (home, proxy)
}

/// Runs an apply; after so many lines of progress something happens to the network. The answer is the
/// exit status, all that was said, and how long it took.
fn apply(home: &Home, more: &[&str], lines: usize, event: impl FnOnce()) -> (i32, String, Duration) {
    let args: Vec<&str> = ["apply", "--yes", "--parallelism", "2"].iter().chain(more).copied().collect();
    let begun = Instant::now();
    let mut child = home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let (mut said, mut seen) = (String::new(), 0);
    while seen < lines {
        let before = said.len();
        assert!(reader.read_line(&mut said).unwrap() > 0, "it ended before its middle: {said}");
        seen += usize::from(said[before..].starts_with("  ["));
    }
    event();
    reader.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), format!("{}{said}", both(&output)), begun.elapsed())
}

fn assert_converged(home: &Home) {
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let maps = home.kubectl("host", &["-n", "hello", "get", "configmaps", "-l", "skyplan.io/lineage", "-o", "name"]);
    assert_eq!(maps.lines().count(), 41, "{maps}");
}

#[test]
fn a_network_that_is_away_for_a_moment_is_waited_for() {
    let (home, proxy) = behind_a_proxy();
    for (mode, lines) in [(Mode::Drop, 8), (Mode::Stall, 20)] {
        let (status, said, _) = apply(&home, &[], lines, || {
            proxy.set(mode);
            thread::sleep(Duration::from_secs(3));
            proxy.set(Mode::Pass);
        });
        assert_eq!(status, 0, "{said}");
        assert_converged(&home);
        home.run(&["destroy", "--yes"], 0);
    }
}

#[test]
fn a_network_that_stays_away_holds_nothing_up_for_ever() {
    let (home, proxy) = behind_a_proxy();
    for (mode, lines) in [(Mode::Stall, 10), (Mode::Drop, 10)] {
        let (status, said, took) = apply(&home, &["--timeout", "3s", "--deadline", "6s"], lines, || proxy.set(mode));
        assert_eq!(status, 1, "{said}");
        // The deadline, what is on its way, the last questions about what was waited for.
        assert!(took < Duration::from_secs(40), "{took:?}: {said}");
        assert!(said.contains("SKY0701") || said.contains("does not answer"), "{said}");
        assert!(said.contains(" failed") && (said.contains("not begun") || said.contains("left out")), "{said}");
        assert!(said.contains("skyplan apply --yes --parallelism 2 --timeout 3s --deadline 6s"), "{said}");
        // The state says what is known, and a plan without the cluster does not pretend to know more.
        assert!(home.run(&["state", "list"], 0).lines().count() >= 10);
        proxy.set(Mode::Pass);
        home.run(&["apply", "--yes"], 0);
        assert_converged(&home);
        home.run(&["destroy", "--yes"], 0);
    }
}

#[test]
fn an_api_server_that_is_killed_and_comes_back_is_waited_for() {
    let (home, _proxy) = behind_a_proxy();
    let mark = format!("{}/", home.dir.path().join("state/skyplan/local/host").display());
    let (status, said, _) = apply(&home, &[], 12, || {
        let mut killed = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.split('\0').next().is_some_and(|p| p.ends_with("kube-apiserver")) && line.contains(&mark) {
                let pid = entry.file_name().into_string().unwrap();
                killed +=
                    usize::from(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            }
        }
        assert_eq!(killed, 1);
        home.run(&["local", "up", "host"], 0);
    });
    assert_eq!(status, 0, "{said}");
    assert_converged(&home);
}
