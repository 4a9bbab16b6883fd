//! The project under test, and what skyplan says of it.

use std::{collections::BTreeMap, fs, time::Instant};

use serde_json::Value;

use super::objects::{NAMESPACE, Object};
use crate::real::home::Home;

/// The cluster's name in the project.
pub(super) const CLUSTER: &str = "prod";

/// What a plan says of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Planned {
    pub(super) action: String,
    pub(super) why: String,
    pub(super) fields: Vec<String>,
}

/// A plan.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) changes: BTreeMap<String, Planned>,
    /// What is in the way of it.
    pub(super) faults: Vec<String>,
    pub(super) raw: Value,
}

pub(super) fn write_project(home: &Home) {
    let folder = home.project();
    let config = home.dir.path().join("state/skyplan/local/host/kubeconfig");
    fs::create_dir_all(folder.join("truth/manifests")).unwrap();
    let head = "apiVersion: skyplan.io/v1alpha1\n";
    let write = |file: &str, text: String| fs::write(folder.join(file), format!("{head}{text}")).unwrap();
    write("skyplan.yaml", "kind: Project\nname: truth\nplacement: {headroom: 0%}\n".into());
    write(
        "clusters.yaml",
        format!("kind: Cluster\nname: {CLUSTER}\ndriver: existing\nexisting: {{kubeconfig: {}}}\n", config.display()),
    );
    write(
        "truth/application.yaml",
        format!("kind: Application\nname: truth\nnamespace: {NAMESPACE}\nsources:\n  - path: manifests\n"),
    );
}

pub(super) fn write_manifest(home: &Home, number: usize, object: &Object) {
    fs::write(home.project().join(format!("truth/manifests/{number:03}.yaml")), object.manifest.to_string()).unwrap();
}

/// Makes a plan.
pub(super) fn plan(home: &Home, more: &[&str]) -> Plan {
    let args = [&["plan", "--json", "--on-conflict", "take"], more].concat();
    let output = home.command(&args).output().unwrap();
    let raw: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut plan = Plan::default();
    if raw["formatVersion"].is_null() || !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        plan.faults.push(format!("{said}{} {}", raw["conflicts"], raw["checks"]));
    }
    for change in raw["changes"].as_array().into_iter().flatten() {
        let address = text(&change["address"]);
        let id = address.strip_prefix(&format!("object/{CLUSTER}/")).unwrap_or(&address).to_owned();
        let fields = change["fields"].as_array().into_iter().flatten().map(|f| text(&f["path"])).collect();
        plan.changes
            .insert(id, Planned { action: text(&change["action"]), why: text(&change["reason"]["why"]), fields });
    }
    plan.raw = raw;
    plan
}

/// Applies; what it said where it failed.
pub(super) fn apply(home: &Home) -> Result<(), String> {
    let begun = Instant::now();
    let output = home.command(&["apply", "--yes", "--on-conflict", "take", "--timeout", "60s"]).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    if std::env::var_os("SKYPLAN_TRUTH_TIMES").is_some() {
        println!("apply {:.1} s", begun.elapsed().as_secs_f64());
    }
    Ok(())
}
