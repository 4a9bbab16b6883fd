//! Plans and applies on real API servers, beside kubectl and a bare generator of patches: `make bench-k8s`.
//!
//! Every run is a process of its own, measured from before it starts to after it ended; requests are counted by the
//! servers; what is there afterwards is asked by a reader that knows nothing of any tool. Writes
//! `benches/results/kubernetes.json`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a report"
)]

#[path = "kubernetes/bare.rs"]
mod bare;
#[path = "kubernetes/delay.rs"]
mod delay;
#[path = "kubernetes/objects.rs"]
mod objects;
#[path = "kubernetes/project.rs"]
mod project;
#[path = "scale/run.rs"]
mod run;
#[path = "kubernetes/server.rs"]
mod server;
#[path = "kubernetes/tools.rs"]
mod tools;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::{
    objects::{DEFINITION, Dice, Object, change, objects},
    project::Project,
    server::Server,
    tools::{Operation, Tool},
};

/// No run takes longer.
const MOST: Duration = Duration::from_secs(180);
const SEED: u64 = 20_261_122;

/// What is measured at one point of the grid.
#[derive(Clone, Copy)]
struct Point {
    tool: Tool,
    size: usize,
    round_trip: u64,
    clusters: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == "--bare") {
        return bare::run(&arguments[1..]);
    }
    let kept = std::env::var_os("BENCH_DIR").map(PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let dir = kept.as_deref().unwrap_or(folder.path());
    let points = points(&std::env::var("BENCH").unwrap_or_default());
    println!("| tool | objects | clusters | round trip | operation | s | CPU s | peak MB | requests |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let (begun, mut runs) = (Instant::now(), Vec::new());
    for point in points {
        runs.extend(measure(dir, point));
    }
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let kubectl = server::kubectl().args(["version", "--client", "-o", "json"]).output().unwrap();
    let kubectl: Value = serde_json::from_slice(&kubectl.stdout).unwrap_or_default();
    let result = json!({
        "bench": "kubernetes",
        "command": "make bench-k8s",
        "seed": SEED,
        "seconds": begun.elapsed().as_secs(),
        "cpu": model.trim_start_matches(['\t', ' ', ':']),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "load": read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" "),
        "version": env!("CARGO_PKG_VERSION"),
        "peers": {
            "kubectl": kubectl["clientVersion"]["gitVersion"],
            "bare": "ours: only sends the patches, 32 at once",
            "opentofu": tools::absent("tofu"),
            "kapp": tools::absent("kapp"),
        },
        "runs": runs,
    });
    let out = std::env::var_os("BENCH_OUT")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results/kubernetes.json"), PathBuf::from);
    fs::write(out, serde_json::to_string_pretty(&result).unwrap() + "\n").unwrap();
}

/// `BENCH=quick`: one size. `BENCH=TOOL,OBJECTS,ROUND TRIP,CLUSTERS[;…]`: these.
fn points(asked: &str) -> Vec<Point> {
    let point = |tool, size, round_trip, clusters| Point { tool, size, round_trip, clusters };
    let peers = |size, round_trip| Tool::ALL.map(|tool| point(tool, size, round_trip, 1));
    match asked {
        "quick" => [0, 20].into_iter().flat_map(|round_trip| peers(1_000, round_trip)).collect(),
        "" => {
            let mut all = Vec::new();
            for size in [100, 1_000, 5_000] {
                for round_trip in [0, 20, 50] {
                    all.push(point(Tool::Skyplan, size, round_trip, 1));
                }
            }
            all.extend([5, 10].map(|clusters| point(Tool::Skyplan, 100, 20, clusters)));
            for _ in 0..3 {
                all.extend([0, 20].into_iter().flat_map(|r| peers(1_000, r)).filter(|p| p.tool != Tool::Skyplan));
            }
            all.extend(peers(5_000, 20).into_iter().filter(|p| p.tool != Tool::Skyplan));
            all
        }
        list => list
            .split(';')
            .map(|one| {
                let parts: Vec<&str> = one.split(',').collect();
                let number = |place: usize| parts[place].trim().parse::<usize>().unwrap();
                let tool = Tool::ALL.into_iter().find(|t| t.name() == parts[0].trim()).expect("a tool");
                point(tool, number(1), u64::try_from(number(2)).unwrap(), number(3))
            })
            .collect(),
    }
}

/// All operations of a tool, one after the other, on clusters of their own.
fn measure(dir: &Path, point: Point) -> Vec<Value> {
    let Point { tool, size, round_trip, clusters } = point;
    let servers: Vec<Server> =
        (0..clusters).map(|n| Server::start(dir, &format!("b{n}"), Duration::from_millis(round_trip))).collect();
    let definition = dir.join("definition.yaml");
    fs::write(&definition, DEFINITION).unwrap();
    for server in &servers {
        server.kubectl(&["apply", "-f", &project::text(&definition)]);
        server.kubectl(&["wait", "--for=condition=Established", "crd/lamps.bench.example.com", "--timeout=30s"]);
        // Whoever comes first would pay for it.
        server.kubectl(&["get", "lamps", "-A"]);
    }
    let project = Project::new(dir.join("project"));
    let mut wanted = objects(size, SEED);
    let mut runs = Vec::new();
    for operation in tool.operations() {
        let mut foreign = BTreeMap::new();
        match operation {
            Operation::Changed => change(&mut wanted, SEED + 1),
            Operation::Drifted => foreign = drift(&servers[0], &wanted),
            Operation::Pruned => prune(&mut wanted),
            _ => {}
        }
        tool.prepare(&project, &servers, &wanted);
        let before: Vec<_> = servers.iter().map(Server::requests).collect();
        let out = dir.join("out.txt");
        let mut command: Command = tool.command(*operation, &project, &servers);
        let mut run = run::run(&mut command, &out, MOST).unwrap();
        if tool == Tool::KubectlTuned && *operation != Operation::Plan {
            // It is that of the shell, not of the sixteen.
            run.peak_mb = f64::NAN;
        }
        let mut requests = BTreeMap::<String, u64>::new();
        for (server, before) in servers.iter().zip(before) {
            for (verb, count) in server.requests() {
                let more = count - before.get(&verb).copied().unwrap_or(0);
                // Reading the metrics is one itself.
                if more > 0 {
                    *requests.entry(verb).or_default() += more;
                }
            }
        }
        let all: u64 = requests.values().sum();
        let right = tool.is_right(*operation, &servers, &wanted, &run.end, &foreign);
        println!(
            "| {} | {size} | {clusters} | {round_trip} ms | {} | {:.2} | {:.2} | {:.0} | {all} |{}",
            tool.name(),
            operation.name(),
            run.seconds,
            run.cpu_seconds,
            run.peak_mb,
            if right == "yes" { String::new() } else { format!(" {right}") }
        );
        runs.push(json!({
            "tool": tool.name(), "objects": size, "clusters": clusters, "roundTripMs": round_trip,
            "operation": operation.name(), "run": run, "requests": requests, "right": right,
        }));
        if run.end.starts_with("stopped") {
            break;
        }
    }
    runs
}

/// A tenth is changed by somebody else: values of ConfigMaps and annotations of all others.
fn drift(server: &Server, wanted: &[Object]) -> BTreeMap<String, String> {
    let some = Dice::new(SEED + 2).some(wanted.len(), wanted.len() / 10);
    let mut foreign = BTreeMap::new();
    for group in some.chunks(50) {
        let mut by_place = BTreeMap::<(&str, &str), Vec<&str>>::new();
        for place in group {
            let o = &wanted[*place];
            by_place.entry((o.namespace.as_str(), o.plural)).or_default().push(&o.name);
            foreign.insert(format!("{} {}/{}", o.kind, o.namespace, o.name), "drifted".to_owned());
        }
        for ((namespace, plural), names) in by_place {
            let mut arguments = vec!["-n", namespace, "annotate", "--overwrite", plural];
            arguments.extend(names);
            arguments.push("bench=drifted");
            server.kubectl(&arguments);
        }
    }
    foreign
}

/// A tenth is no longer wanted.
fn prune(wanted: &mut Vec<Object>) {
    let some = Dice::new(SEED + 3).some(wanted.len(), wanted.len() / 10);
    let mut place = 0;
    wanted.retain(|_| {
        place += 1;
        some.binary_search(&(place - 1)).is_err()
    });
}
