//! How long placements take and how good they are, by size and kind: `make bench`.
//!
//! Prints a table and writes `benches/results/placement.json`. Peers are not run here yet; the
//! generator is the one that the tests use.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, missing_docs, reason = "a report")]

use std::{fs, path::Path, time::Instant};

use serde_json::json;
use skyplan::{
    diagnostic, money,
    place::{
        check::check,
        search::{Limits, solve},
    },
    quantity,
};

mod place;

fn main() {
    let mut runs = Vec::new();
    println!("| problem | seed | seconds | cost | gap | |\n| --- | --- | --- | --- | --- | --- |");
    for (name, seed, problem) in place::cases() {
        let begun = Instant::now();
        let found = solve(&problem, &Limits::default());
        let seconds = begun.elapsed().as_secs_f64();
        let (cost, gap, end) = match &found {
            Ok(s) => {
                assert_eq!(check(&problem, s), Ok(()), "{name} {seed}");
                let (cost, bound) = (s.cost.total().0, s.bound.0);
                let gap = (cost - bound) as f64 / cost.max(1) as f64 * 100.0;
                (s.cost.total().to_string(), format!("{gap:.1} %"), format!("{:?}", s.method))
            }
            Err(e) => (String::new(), String::new(), if e.proven { "infeasible" } else { "none found" }.into()),
        };
        println!("| {name} | {seed} | {seconds:.2} | {cost} | {gap} | {end} |");
        runs.push(json!({"problem": name, "seed": seed, "seconds": seconds, "cost": cost, "gap": gap, "end": end}));
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let result = json!({
        "bench": "placement",
        "command": "make bench",
        "cores": cores,
        "load": load.trim(),
        "version": env!("CARGO_PKG_VERSION"),
        "peers": "absent",
        "runs": runs,
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    let text = serde_json::to_string_pretty(&result).unwrap_or_default() + "\n";
    if let Err(e) = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("placement.json"), text)) {
        println!("the results cannot be written: {e}");
    }
}
