//! How long an apply and a plan without changes take where there is nothing but the state: N `Null`s,
//! side by side and in a chain, beside as many `terraform_data` of Terraform: `make bench-state`.
//!
//! Every run is the release binary, from before it starts to after it ended, on a project on disk, with a
//! log in a folder that is synced to the disk. Writes `benches/results/state.json`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a report")]

#[path = "scale/run.rs"]
mod run;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};

use self::run::Run;

/// Resources of one file.
const OF_FILE: usize = 1_000;
/// No run takes longer.
const MOST: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Wide,
    Chained,
}

impl Shape {
    fn word(self) -> &'static str {
        if self == Self::Wide { "wide" } else { "chained" }
    }
}

fn main() {
    let sizes = |name: &str, usual: &[usize]| {
        let given = std::env::var(name).ok();
        given.map_or(usual.to_vec(), |text| text.split(',').filter_map(|n| n.parse().ok()).collect::<Vec<usize>>())
    };
    let (ours, theirs) =
        (sizes("STATE_SIZES", &[1_000, 5_000, 50_000]), sizes("STATE_PEER_SIZES", &[500, 1_000, 2_000]));
    let kept = std::env::var_os("STATE_DIR").map(PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let dir = kept.as_deref().unwrap_or(folder.path());
    println!("| tool | shape | N | apply: s, CPU s, peak MB | no-op plan: s, CPU s | bytes written / of the state |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut cases = Vec::new();
    for shape in [Shape::Wide, Shape::Chained] {
        cases.extend(ours.iter().map(|size| skyplan(dir, *size, shape)));
    }
    let peer = version();
    if peer.is_some() {
        for shape in [Shape::Wide, Shape::Chained] {
            cases.extend(theirs.iter().map(|size| terraform(dir, *size, shape)));
        }
    }
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let result = json!({
        "bench": "state",
        "command": "make bench-state",
        "cpu": model.trim_start_matches(['\t', ' ', ':']),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "load": read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" "),
        "version": env!("CARGO_PKG_VERSION"),
        "peers": {"terraform": peer.unwrap_or_else(|| "absent".into())},
        "cases": cases,
    });
    if std::env::var_os("STATE_SIZES").is_none() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results/state.json");
        fs::write(path, serde_json::to_string_pretty(&result).unwrap() + "\n").unwrap();
    }
}

fn skyplan(dir: &Path, size: usize, shape: Shape) -> Value {
    let root = dir.join(format!("skyplan-{}-{size}", shape.word()));
    fs::create_dir_all(&root).unwrap();
    fs::write(
        root.join("skyplan.yaml"),
        "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: bench\nlineage: bench\n",
    )
    .unwrap();
    for file in 0..size.div_ceil(OF_FILE) {
        let mut text = String::new();
        for i in file * OF_FILE..((file + 1) * OF_FILE).min(size) {
            let _ = write!(
                text,
                "---\napiVersion: skyplan.io/v1alpha1\nkind: Null\nname: w{i}\ninput: {{name: w{i}, replicas: 1, memory: 64Mi}}\n"
            );
            if shape == Shape::Chained && i > 0 {
                let _ = writeln!(text, "dependsOn: [w{}]", i - 1);
            }
        }
        fs::write(root.join(format!("nulls-{file:03}.yaml")), text).unwrap();
    }
    let out = dir.join("out.txt");
    let once = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyplan"));
        command.arg("-C").arg(&root).args(arguments);
        run::run(&mut command, &out, MOST).unwrap()
    };
    let applied = once(&["apply", "--yes"]);
    let state: Vec<u64> =
        fs::read_dir(root.join(".skyplan/state")).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).collect();
    once(&["state", "show"]);
    // As a Snapshot has it: without line ends.
    let shown: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    let shown = shown.to_string().len() as u64;
    let looked = once(&["plan", "--detailed-exitcode"]);
    case("skyplan", size, shape, &applied, &looked, Some((state.iter().sum(), shown)))
}

fn version() -> Option<String> {
    let out = Command::new("terraform").arg("version").env("CHECKPOINT_DISABLE", "1").output().ok()?;
    String::from_utf8(out.stdout).ok()?.lines().next().map(str::to_owned)
}

fn terraform(dir: &Path, size: usize, shape: Shape) -> Value {
    let root = dir.join(format!("terraform-{}-{size}", shape.word()));
    fs::create_dir_all(&root).unwrap();
    for file in 0..size.div_ceil(OF_FILE) {
        let mut text = String::new();
        for i in file * OF_FILE..((file + 1) * OF_FILE).min(size) {
            let after = match shape {
                Shape::Chained if i > 0 => format!("  depends_on = [terraform_data.w{}]\n", i - 1),
                _ => String::new(),
            };
            let _ = write!(
                text,
                "resource \"terraform_data\" \"w{i}\" {{\n  input = {{\n    name     = \"w{i}\"\n    replicas = 1\n    memory   = \"64Mi\"\n  }}\n{after}}}\n"
            );
        }
        fs::write(root.join(format!("data-{file:03}.tf")), text).unwrap();
    }
    let out = dir.join("out.txt");
    let once = |arguments: &[&str]| {
        let mut command = Command::new("terraform");
        command.args(arguments).current_dir(&root).env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
        run::run(&mut command, &out, MOST).unwrap()
    };
    assert_eq!(once(&["init", "-input=false"]).end, "ok", "terraform init");
    let applied = once(&["apply", "-input=false", "-no-color", "-auto-approve"]);
    let looked = once(&["plan", "-input=false", "-no-color", "-detailed-exitcode"]);
    case("terraform", size, shape, &applied, &looked, None)
}

#[expect(clippy::cast_precision_loss, reason = "a report")]
fn case(tool: &str, size: usize, shape: Shape, apply: &Run, plan: &Run, state: Option<(u64, u64)>) -> Value {
    let bytes = state.map_or_else(String::new, |(written, state)| {
        format!("{written} / {state} = {:.1}", written as f64 / state.max(1) as f64)
    });
    let faults: String = [apply, plan].iter().filter(|r| r.end != "ok").map(|r| format!(" ({})", r.end)).collect();
    println!(
        "| {tool} | {} | {size} | {:.2}, {:.2}, {:.0} | {:.2}, {:.2} | {bytes}{faults} |",
        shape.word(),
        apply.seconds,
        apply.cpu_seconds,
        apply.peak_mb,
        plan.seconds,
        plan.cpu_seconds
    );
    json!({"tool": tool, "size": size, "shape": shape.word(), "apply": apply, "noOpPlan": plan,
        "bytesWritten": state.map(|s| s.0), "stateBytes": state.map(|s| s.1)})
}
