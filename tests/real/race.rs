//! Eight processes apply as fast as they can, each specs of its own over one state: to places that only
//! one of them writes, and to one that all of them write. Then somebody who shares no code with the log
//! reads it.
//!
//! `SKYPLAN_RACE_SECONDS` says how long. The state is on every kind of store in turn; three of them in
//! `make test`, all in `make test-full PART=race`.
//!
//! The log's own race (`state-backends/tests/race.rs`) shows that it is a log: entries are in one order
//! that agrees with real time. On top of that, applies are in order if
//! 1. no two that write the same address are between their `Begin` and `End` at the same time: so for
//!    each address the applies that wrote it are one after the other, in the order of the log;
//! 2. each that said it was done has a `Begin` and an `End` of its own among the entries that came while
//!    it ran: so that order agrees with real time;
//! 3. each address holds in the end what the last of them wrote.
//!
//! That is what linearizability asks of registers that are written whole; no search for an order is
//! needed, as the log is the order.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use skyplan_state_backends::LogBackend as _;

use super::{
    home::{Home, both},
    stores::{Store, Witness, with},
};
use crate::servers;

const PROCESSES: usize = 8;
const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind:";

/// One try of one process.
#[derive(Debug)]
struct Try {
    process: usize,
    token: String,
    shared: bool,
    begun: Instant,
    ended: Instant,
    /// The last entry before it and after it.
    entries: (u64, u64),
    status: Option<i32>,
    said: String,
}

/// Specs of one process: applications of its own, and the one of all.
fn specs(home: &Home, process: usize, config: &Path, store: &Store) {
    let folder = home.project().join(format!("p{process}"));
    let write = |file: &str, text: String| {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("skyplan.yaml", format!("{HEAD} Project\nname: race\nlineage: race\n{}", Store::setting(&store.place)));
    write(
        "clusters.yaml",
        format!("{HEAD} Cluster\nname: one\ndriver: existing\nexisting: {{kubeconfig: {}}}\n", config.display()),
    );
    for app in (0..PROCESSES).map(|n| format!("own-{n}")).chain(["shared".to_owned()]) {
        write(
            &format!("{app}/application.yaml"),
            format!("{HEAD} Application\nname: {app}\nsources: [{{path: manifests}}]\n"),
        );
        write(&format!("{app}/manifests/all.yaml"), maps("first"));
    }
}

fn maps(token: &str) -> String {
    let map =
        |n| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{n}}}\ndata: {{token: \"{token}\"}}\n---\n");
    (0..5).map(map).collect()
}

fn one(home: &Home, process: usize, store: &Store, until: Instant) -> Vec<Try> {
    let log = store.open();
    let count = || log.list(0).unwrap().last().copied().unwrap_or_default();
    let folder = home.project().join(format!("p{process}"));
    let mut tries = Vec::new();
    while Instant::now() < until {
        // One of three is about what all write.
        let shared = (tries.len() + process).is_multiple_of(3);
        let app = if shared { "shared".to_owned() } else { format!("own-{process}") };
        let token = format!("{process}-{}", tries.len());
        fs::write(folder.join(&app).join("manifests/all.yaml"), maps(&token)).unwrap();
        let (begun, before) = (Instant::now(), count());
        let args = ["apply", "--yes", "--target", &app];
        let output = home.command(&args).current_dir(&folder).output().unwrap();
        let (ended, status, said) = (Instant::now(), output.status.code(), both(&output));
        tries.push(Try { process, token, shared, begun, ended, entries: (before, count()), status, said });
    }
    tries
}

/// Whether each of these gets a span of its own that lies within it: (from, to) of spans that are one
/// after the other, (after, until) of those who want one.
fn each_has_its_own(spans: &[(u64, u64)], mut wanted: Vec<(u64, u64)>) -> bool {
    wanted.sort_by_key(|(_, until)| *until);
    let mut free: BTreeSet<(u64, u64)> = spans.iter().copied().collect();
    wanted.into_iter().all(|(after, until)| {
        let own = free.iter().find(|(from, to)| *from > after && *to <= until).copied();
        own.is_some_and(|own| free.remove(&own))
    })
}

#[test]
fn the_check_finds_what_it_is_for() {
    assert!(each_has_its_own(&[(2, 3), (4, 5)], vec![(0, 9), (3, 6)]));
    assert!(!each_has_its_own(&[(2, 3)], vec![(0, 9), (1, 6)]), "one of the two is lost");
    assert!(!each_has_its_own(&[(2, 3)], vec![(2, 9)]), "it took effect before it was begun");
    assert!(!each_has_its_own(&[(2, 9)], vec![(0, 5)]), "it took effect after it had ended");
}

fn eight_at_once(name: &str, store: &Store) {
    let seconds = std::env::var("SKYPLAN_RACE_SECONDS").map_or(10, |s| s.parse().unwrap());
    let mut home = Home::empty();
    home.env.clone_from(&store.place.env);
    home.run(&["local", "up", "host", "--nodes", "1"], 0);
    let config = home.dir.path().join("state/skyplan/local/host/kubeconfig");
    (0..PROCESSES).for_each(|process| specs(&home, process, &config, store));
    let first = home.command(&["apply", "--yes"]).current_dir(home.project().join("p0")).output().unwrap();
    assert!(first.status.success(), "{}", both(&first));
    let log = store.open();
    let start = log.list(0).unwrap().last().copied().unwrap();

    let until = Instant::now() + Duration::from_secs(seconds);
    let (tries, witness): (Vec<Try>, Witness) = thread::scope(|scope| {
        let home = &home;
        let all: Vec<_> = (0..PROCESSES).map(|process| scope.spawn(move || one(home, process, store, until))).collect();
        let mut witness = Witness::default();
        while !all.iter().all(|t| t.is_finished()) {
            witness.look(&log);
            thread::sleep(Duration::from_millis(250));
        }
        (all.into_iter().flat_map(|t| t.join().unwrap()).collect(), witness)
    });
    let entries = witness.checked(&log);

    // Of each apply: from when to when, in serials, and what it wrote.
    let mut spans: BTreeMap<u64, (u64, BTreeSet<&str>)> = BTreeMap::new();
    for (&serial, entry) in entries.range(start + 1..) {
        match entry["entry"].as_str().unwrap() {
            "begin" => {
                let writes = entry["writes"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
                spans.insert(serial, (u64::MAX, writes));
            }
            "end" => {
                if let Some(begin) = entry["begin"].as_u64() {
                    spans.get_mut(&begin).unwrap().0 = serial;
                }
            }
            _ => {}
        }
    }
    for (begin, (end, writes)) in &spans {
        for (other, (other_end, others)) in spans.range(begin + 1..) {
            let meet = writes.intersection(others).next();
            assert!(other > end || meet.is_none(), "{begin}..{end} and {other}..{other_end} both write {meet:?}");
        }
    }
    let mut counts: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    for t in &tries {
        let code = ["SKY0805", "SKY0501", "SKY0803"].into_iter().find(|c| t.said.contains(c));
        let what = match (t.status, code) {
            (Some(0), _) => "done",
            (Some(1 | 4), Some(code)) => code,
            _ => panic!("{}: exit {:?}: {}", t.token, t.status, t.said),
        };
        // Nobody meets those that are alone.
        assert!(t.shared || what == "done", "{}: {}", t.token, t.said);
        *counts.entry((t.shared, what)).or_default() += 1;
    }
    let after = entries.range(start + 1..).count();
    println!("{name}, {seconds} s: {} applies, {after} entries; (shared?, what): {counts:?}", tries.len());

    // Which one wrote what last, by the log; it must be one that said so, or nobody did.
    let value = |app: &str| {
        let get = ["-n", app, "get", "configmaps", "-l", "skyplan.io/lineage", "-o", "jsonpath={.items[*].data.token}"];
        let values = home.kubectl("host", &get);
        let values: BTreeSet<String> = values.split(' ').map(str::to_owned).collect();
        assert_eq!(values.len(), 1, "{app} is torn: {values:?}");
        values.into_iter().next().unwrap()
    };
    for app in (0..PROCESSES).map(|n| format!("own-{n}")).chain(["shared".to_owned()]) {
        let wrote = |t: &&Try| {
            t.status == Some(0) && t.shared == (app == "shared") && (t.shared || app == format!("own-{}", t.process))
        };
        let done: Vec<&Try> = tries.iter().filter(wrote).collect();
        let now = value(&app);
        let its = |writes: &BTreeSet<&str>| writes.iter().any(|w| w.contains(&format!("/{app}/")));
        let own: Vec<(u64, u64)> = spans.iter().filter(|(_, (_, w))| its(w)).map(|(b, (e, _))| (*b, *e)).collect();
        assert!(each_has_its_own(&own, done.iter().map(|t| t.entries).collect()), "{app}: {own:?}, {done:?}");
        if done.is_empty() {
            assert_eq!(now, "first");
            continue;
        }
        let last =
            done.iter().find(|t| t.token == now).unwrap_or_else(|| panic!("{app} holds {now}, which nobody wrote"));
        // No other was started after it had ended: that one would be later in the log, and have the last word.
        let later = done.iter().find(|t| t.begun > last.ended);
        assert!(later.is_none(), "{app} holds {now}, and {later:?} came later");
    }
    assert!(counts.get(&(false, "done")).is_some_and(|n| *n >= 2));
}

#[test]
fn eight_that_apply_at_once_lose_nothing() {
    eight_at_once("fs", &Store::folder());
}

#[test]
fn nor_with_the_state_in_kubernetes() {
    with("race on Kubernetes", servers::kubernetes(), |store| eight_at_once("Kubernetes", &store));
}

#[test]
fn nor_in_postgres() {
    with("race on Postgres", servers::postgres(), |store| eight_at_once("Postgres", &store));
}

#[test]
#[ignore = "make test-full PART=race"]
fn nor_in_s3_on_versitygw() {
    with("race on versitygw", servers::versitygw(), |store| eight_at_once("S3 on versitygw", &store));
}

#[test]
#[ignore = "make test-full PART=race"]
fn nor_in_s3_on_moto() {
    with("race on moto", servers::moto(), |store| eight_at_once("S3 on moto", &store));
}

#[test]
#[ignore = "make test-full PART=race"]
fn nor_in_gcs() {
    with("race on fake-gcs-server", servers::fake_gcs(), |store| eight_at_once("GCS on fake-gcs-server", &store));
}

#[test]
#[ignore = "make test-full PART=race"]
fn nor_in_azure() {
    with("race on azurite", servers::azurite(), |store| eight_at_once("Azure on azurite", &store));
}
