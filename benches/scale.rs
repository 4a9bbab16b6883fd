//! How long plans of large projects take, and how much memory: `make bench`.
//!
//! Prints tables and writes `benches/results/scale.json`. Every run is the release binary, from before
//! it starts to after it ended, on a project on disk. Beside it Terraform, where it is at hand.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a report")]

#[allow(dead_code, reason = "the tests' world; a benchmark needs part of it")]
#[path = "../tests/support/mod.rs"]
mod support;

#[path = "scale/project.rs"]
mod project;
#[path = "scale/run.rs"]
mod run;
#[path = "scale/terraform.rs"]
mod terraform;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};

use self::{
    project::{CLUSTERS, Placement},
    run::Run,
};

/// No run takes longer.
const MOST: Duration = Duration::from_secs(120);

/// Sizes, runs of each, and what is left out.
struct Options {
    sizes: Vec<usize>,
    repeat: usize,
    peers: bool,
    free: bool,
    save: bool,
}

fn options() -> Options {
    let list = |name: &str| std::env::var(name).ok();
    let sizes = list("SCALE_SIZES").map(|t| t.split(',').filter_map(|n| n.parse().ok()).collect());
    Options {
        save: sizes.is_none(),
        sizes: sizes.unwrap_or_else(|| vec![1_000, 10_000]),
        repeat: list("SCALE_REPEAT").and_then(|n| n.parse().ok()).unwrap_or(5),
        peers: list("SCALE_PEERS").is_none_or(|v| v != "no"),
        // The placement of that many at once takes more memory than most machines have.
        free: list("SCALE_FREE").is_some_and(|v| v == "yes"),
    }
}

fn main() {
    let options = options();
    // Where the projects can be looked at afterwards.
    let kept = std::env::var_os("SCALE_DIR").map(PathBuf::from);
    let dir = tempfile::tempdir().unwrap();
    let dir = kept.as_deref().unwrap_or(dir.path());
    let mut cases = Vec::new();
    println!(
        "| project | case | seconds (least, median) | CPU s | peak MB | output MB | |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
    for size in &options.sizes {
        for placement in [Placement::Bound, Placement::Free] {
            if placement == Placement::Bound || options.free {
                cases.extend(ours(dir, *size, placement, options.repeat));
            }
        }
    }
    let peer = terraform::version();
    if options.peers && peer.is_some() {
        for size in terraform::sizes(&options.sizes) {
            let (more, fine) = terraform::cases(dir, size, options.repeat.min(3));
            cases.extend(more);
            if !fine {
                break;
            }
        }
    }
    let mut result = json!({
        "bench": "scale",
        "command": "make bench",
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "load": load(),
        "cpu": cpu(),
        "version": env!("CARGO_PKG_VERSION"),
        "clusters": CLUSTERS,
        "peers": {"terraform": peer.unwrap_or_else(|| "absent".into())},
        "cases": cases,
    });
    result["growth"] = growth(&cases);
    println!("\n{}", serde_json::to_string_pretty(&result["growth"]).unwrap());
    if options.save {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
        fs::write(folder.join("scale.json"), serde_json::to_string_pretty(&result).unwrap() + "\n").unwrap();
    }
}

/// Processes that want to run: their averages over one, five and fifteen minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(": "));
    line.map_or_else(String::new, |(_, name)| name.to_owned())
}

/// A case: prints its line and gives it for the file.
pub(crate) fn case(tool: &str, size: usize, kind: &str, what: &str, command: &str, runs: &[Run]) -> Value {
    let mut seconds: Vec<f64> = runs.iter().map(|r| r.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let (least, median) = (seconds[0], seconds[seconds.len() / 2]);
    let mut spent: Vec<f64> = runs.iter().map(|r| r.cpu_seconds).collect();
    spent.sort_by(f64::total_cmp);
    let spent = spent[spent.len() / 2];
    let peak = runs.iter().map(|r| r.peak_mb).fold(0.0, f64::max);
    let output = runs.last().map_or(0, |r| r.output_bytes);
    let end = runs.iter().find(|r| r.end != "ok").map_or("", |r| r.end.as_str());
    #[expect(clippy::cast_precision_loss, reason = "a report")]
    let megabytes = output as f64 / 1e6;
    println!(
        "| {tool} {size} {kind} | {what} | {least:.3}, {median:.3} | {spent:.2} | {peak:.0} | {megabytes:.1} | {end} |"
    );
    json!({"tool": tool, "size": size, "kind": kind, "case": what, "command": command,
        "least": least, "median": median, "cpuSeconds": spent, "load": load(), "peakMb": peak, "runs": runs})
}

/// All cases of ours for one size.
fn ours(dir: &Path, size: usize, placement: Placement, repeat: usize) -> Vec<Value> {
    let name = format!("{size}-{}", placement.word());
    let root = dir.join(&name);
    let files = project::write(&root, size, placement).unwrap();
    let observed = dir.join(format!("{name}.observed.json"));
    let kind = format!("{} in {files} files", placement.word());
    let shown = "skyplan plan --offline --observed FILE --json";
    let plan = || -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyplan"));
        command.arg("-C").arg(&root).args(["plan", "--offline", "--json", "--observed"]).arg(&observed);
        run::run(&mut command, &dir.join("plan.json"), MOST).unwrap()
    };
    let measured = |what: &str, one: &mut dyn FnMut(usize) -> Run| {
        let mut runs = vec![one(0)];
        // One that had to be stopped is not begun again.
        while runs.len() < repeat && runs[0].end == "ok" {
            runs.push(one(runs.len()));
        }
        (runs[0].end == "ok", case("skyplan", size, &kind, what, shown, &runs))
    };
    project::nothing_there(&observed).unwrap();
    let (fine, first) = measured("all create", &mut |_| plan());
    let mut cases = vec![first];
    if !fine {
        return cases;
    }
    assert_eq!(changes(&dir.join("plan.json")), expected(size), "everything is made");
    if placement == Placement::Free {
        return cases;
    }
    project::apply(&root, &observed).unwrap();
    cases.push(measured("no-op", &mut |_| plan()).1);
    assert_eq!(changes(&dir.join("plan.json")), 0, "nothing is left to do");
    let file = root.join(project::manifests_of(0));
    cases.push(
        measured("one file changed", &mut |i| {
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, text.replacen(&format!(":1.0.{i}"), &format!(":1.0.{}", i + 1), 1)).unwrap();
            plan()
        })
        .1,
    );
    assert_eq!(changes(&dir.join("plan.json")), 1, "one workload changes");
    cases
}

/// Clusters, namespaces of applications, workloads.
fn expected(size: usize) -> usize {
    CLUSTERS + size.div_ceil(10) + size
}

fn changes(plan: &PathBuf) -> usize {
    let plan: Value = serde_json::from_slice(&fs::read(plan).unwrap()).unwrap();
    plan["changes"].as_array().map_or(0, Vec::len)
}

/// By how much CPU times grow from the smallest to the largest size, as an exponent: 1 is linear.
#[expect(clippy::cast_precision_loss, reason = "a report")]
fn growth(cases: &[Value]) -> Value {
    let mut out = json!({});
    for small in cases {
        let same = |c: &&Value| {
            let word =
                |v: &Value| v["kind"].as_str().unwrap_or_default().split(' ').next().unwrap_or_default().to_owned();
            c["tool"] == small["tool"] && c["case"] == small["case"] && word(c) == word(small)
        };
        let Some(large) = cases.iter().rev().find(same) else { continue };
        let (a, b) = (small["size"].as_u64().unwrap_or(1), large["size"].as_u64().unwrap_or(1));
        let (x, y) = (small["cpuSeconds"].as_f64().unwrap_or(1.0), large["cpuSeconds"].as_f64().unwrap_or(1.0));
        let whole = |c: &Value| c["runs"].as_array().is_some_and(|runs| runs.iter().all(|r| r["end"] == "ok"));
        if b > a && whole(small) && whole(large) {
            let exponent = (y / x).ln() / (b as f64 / a as f64).ln();
            let name = format!(
                "{} {} {}",
                small["tool"].as_str().unwrap_or(""),
                small["kind"].as_str().unwrap_or("").split(' ').next().unwrap_or(""),
                small["case"].as_str().unwrap_or("")
            );
            out[name] = json!((exponent * 100.0).round() / 100.0);
        }
    }
    out
}
