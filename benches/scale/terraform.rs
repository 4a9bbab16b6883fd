//! The same number of resources in Terraform: `terraform_data`, which is built in and asks nobody.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    case,
    run::{self, Run},
};

/// No run takes longer: a size that does is stopped, and larger ones are not begun.
const MOST: Duration = Duration::from_secs(180);

/// Its version, when it is on the path.
pub(crate) fn version() -> Option<String> {
    let out = Command::new("terraform").arg("version").env("CHECKPOINT_DISABLE", "1").output().ok()?;
    String::from_utf8(out.stdout).ok()?.lines().next().map(str::to_owned)
}

fn terraform(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("terraform");
    command.args(arguments).current_dir(folder);
    command.env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
    command
}

/// Sizes to try: between the smallest and the largest of ours it may come to its limit.
pub(crate) fn sizes(ours: &[usize]) -> Vec<usize> {
    let mut all: Vec<usize> = ours.iter().flat_map(|size| [*size, size / 5]).filter(|s| *s >= 1_000).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// All cases of one size, and whether none had to be stopped.
pub(crate) fn cases(dir: &Path, size: usize, repeat: usize) -> (Vec<Value>, bool) {
    let folder = dir.join(format!("terraform-{size}"));
    fs::create_dir_all(&folder).unwrap();
    // Files of ten resources each, as the projects of ours.
    for chunk in 0..size.div_ceil(10) {
        let mut text = String::new();
        for i in chunk * 10..(chunk * 10 + 10).min(size) {
            let _ = writeln!(
                text,
                "resource \"terraform_data\" \"w{i}\" {{\n  input = {{\n    name     = \"w{i}\"\n    image    = \
                 \"registry.example.com/w{i}:1.0.0\"\n    replicas = 1\n    memory   = \"64Mi\"\n  }}\n}}"
            );
        }
        fs::write(folder.join(format!("app-{chunk:04}.tf")), text).unwrap();
    }
    let out: PathBuf = dir.join("terraform.json");
    let shown = "terraform plan -input=false -no-color -out=plan && terraform show -json plan";
    let once = |arguments: &[&str]| run::run(&mut terraform(&folder, arguments), &out, MOST).unwrap();
    assert_eq!(once(&["init", "-input=false"]).end, "ok", "terraform init");
    // Two commands for what ours does in one.
    let plan = || {
        let made = once(&["plan", "-input=false", "-no-color", "-out=plan"]);
        if made.end != "ok" {
            return made;
        }
        let told = once(&["show", "-json", "plan"]);
        Run {
            seconds: made.seconds + told.seconds,
            cpu_seconds: made.cpu_seconds + told.cpu_seconds,
            peak_mb: made.peak_mb.max(told.peak_mb),
            ..told
        }
    };
    let measured = |what: &str| {
        let mut runs = vec![plan()];
        while runs.len() < repeat && runs[0].end == "ok" && runs[0].seconds < 60.0 {
            runs.push(plan());
        }
        (runs[0].end == "ok", case("terraform", size, "terraform_data", what, shown, &runs))
    };
    let (fine, first) = measured("all create");
    if !fine {
        return (vec![first], false);
    }
    fs::write(folder.join("terraform.tfstate"), state(size)).unwrap();
    let (fine, second) = measured("no-op");
    (vec![first, second], fine)
}

/// A state in which every resource is there. Made here, as an apply of so many takes Terraform hours.
fn state(size: usize) -> String {
    let kind =
        serde_json::json!(["object", {"image": "string", "memory": "string", "name": "string", "replicas": "number"}]);
    let resource = |i: usize| {
        let value = serde_json::json!({"image": format!("registry.example.com/w{i}:1.0.0"), "memory": "64Mi", "name": format!("w{i}"), "replicas": 1});
        serde_json::json!({"mode": "managed", "type": "terraform_data", "name": format!("w{i}"),
            "provider": "provider[\"terraform.io/builtin/terraform\"]",
            "instances": [{"schema_version": 0, "sensitive_attributes": [], "attributes": {
                "id": format!("00000000-0000-0000-0000-{i:012}"), "triggers_replace": null,
                "input": {"value": value, "type": kind}, "output": {"value": value, "type": kind}}}]})
    };
    let all: Vec<Value> = (0..size).map(resource).collect();
    serde_json::json!({"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "00000000-0000-0000-0000-000000000000",
        "outputs": {}, "resources": all, "check_results": null})
    .to_string()
}
