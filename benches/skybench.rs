//! skybench-1: cost, bound, processor time and memory of placements of all sizes: `make bench-place`.
//!
//! Every cell runs in a process of its own, so that memory is its own. Prints a table and writes
//! `benches/results/place-skybench.json`, or `place-skybench-highs.json` with HiGHS. Arguments: seeds, by default
//! 1 to 3; `--cell` is for itself.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a report"
)]

use std::{env, fs, path::Path, process::Command, time::Instant};

use serde_json::{Value, json};
use skyplan::{
    diagnostic, money,
    place::{
        check::check,
        problem::{Candidate, Demand, Fit, Problem},
        search::{Limits, Solution, solve},
    },
    quantity,
};

mod place;

use place::skybench::{self, Model};

/// Seconds of processor time so far.
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// Most memory so far, in megabytes.
fn memory() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The problem after one component asks for twice the CPU: it and those it shares flows with are free.
fn changed(problem: &Problem, found: &Solution) -> Problem {
    let mut next = problem.clone();
    let one = next.components.len() / 2;
    for (component, places) in next.components.iter_mut().zip(&found.instances) {
        component.incumbent.clone_from(places);
        component.pinned = true;
    }
    for candidate in &mut next.components[one].candidates {
        if let Candidate::Allowed(Demand::Shared(groups)) = candidate {
            groups.iter_mut().for_each(|g| g.size.milli_cpu *= 2);
        }
    }
    next.components[one].pinned = false;
    for flow in problem.flows.iter().filter(|f| f.from == one || f.to == one) {
        next.components[flow.from].pinned = false;
        next.components[flow.to].pinned = false;
    }
    next
}

/// One cell, as JSON.
fn cell(n: usize, offers: usize, seed: u64, name: &str) -> Value {
    let (model, fit) = match name {
        "A" => (Model::A, Fit::Scheduler),
        "B packed" => (Model::B, Fit::Scheduler),
        "B aggregated" => (Model::B, Fit::Sum),
        _ => (Model::B, Fit::Cover),
    };
    let problem = Problem { fit, ..skybench::problem(n, offers, seed, model) };
    let base = memory();
    let (begun, clock) = (processor(), Instant::now());
    let found = solve(&problem, &Limits::default());
    let (seconds, wall) = (processor() - begun, clock.elapsed().as_secs_f64());
    let mut cell = json!({
        "components": n, "offers": offers, "seed": seed, "model": name,
        "cpuSeconds": (seconds * 1e4).round() / 1e4, "wallSeconds": (wall * 1e3).round() / 1e3,
        "peakMb": memory().round(), "problemMb": base.round(),
    });
    let Ok(found) = found else {
        cell["end"] = json!("none found");
        return cell;
    };
    assert_eq!(check(&problem, &found), Ok(()), "{n} {offers} {seed}");
    let (cost, bound) = (found.cost.total().0, found.bound.0);
    cell["costCents"] = json!(cost as f64 / 1e4);
    cell["boundCents"] = json!(bound as f64 / 1e4);
    cell["gapPercent"] = json!(((cost - bound) as f64 / cost.max(1) as f64 * 1e5).round() / 1e3);
    cell["end"] = json!(format!("{:?}", found.method));
    if model == Model::B {
        let next = changed(&problem, &found);
        let begun = processor();
        let again = solve(&next, &Limits::default());
        cell["replanCpuSeconds"] = json!(((processor() - begun) * 1e4).round() / 1e4);
        cell["replanFound"] = json!(again.is_ok_and(|s| check(&next, &s).is_ok()));
    }
    cell
}

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [flag, n, offers, seed, model] = args.as_slice()
        && flag == "--cell"
    {
        let number = |text: &str| text.parse().unwrap_or(0);
        println!("{}", cell(number(n), number(offers), number(seed) as u64, model.as_str()));
        return;
    }
    let mut seeds: Vec<u64> = args.iter().filter_map(|a| a.parse().ok()).collect();
    if seeds.is_empty() {
        seeds = vec![1, 2, 3];
    }
    let Ok(own) = env::current_exe() else { return };
    let mut runs: Vec<Value> = Vec::new();
    let solver = skyplan::place::mixed_solver();
    println!("build: {}", solver.as_deref().unwrap_or("pure Rust"));
    println!("| model | components | offers | seed | CPU s | cost ¢ | bound ¢ | gap % | MB | replan s |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for model in ["A", "B", "B aggregated", "B packed"] {
        for n in [5, 20, 50, 100, 300] {
            for offers in [10, 50, 200, 500] {
                for seed in &seeds {
                    let cell = ["--cell".into(), n.to_string(), offers.to_string(), seed.to_string(), model.into()];
                    let text = Command::new(&own).args(cell).output().map(|o| o.stdout).unwrap_or_default();
                    let run: Value = serde_json::from_slice(&text).unwrap_or_else(|_| json!({"end": "failed"}));
                    let show = |key: &str| run.get(key).map_or_else(|| "–".to_owned(), Value::to_string);
                    println!(
                        "| {model} | {n} | {offers} | {seed} | {} | {} | {} | {} | {} | {} |",
                        show("cpuSeconds"),
                        show("costCents"),
                        show("boundCents"),
                        show("gapPercent"),
                        show("peakMb"),
                        show("replanCpuSeconds")
                    );
                    runs.push(run);
                }
            }
        }
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let result = json!({
        "bench": "skybench-1",
        "command": "make bench-place",
        "seeds": seeds.clone(),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "load": load.trim(),
        "version": env!("CARGO_PKG_VERSION"),
        "solver": solver,
        "peers": "absent",
        "runs": runs,
    });
    let name = if solver.is_some() { "place-skybench-highs.json" } else { "place-skybench.json" };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    let text = serde_json::to_string_pretty(&result).unwrap_or_default() + "\n";
    if let Err(e) = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(name), text)) {
        println!("the results cannot be written: {e}");
    }
}
