//! Real control planes, made by the local driver; what they count, and what is on them, asked by kubectl alone.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::delay;

/// A cluster and the way to it.
pub(crate) struct Server {
    name: String,
    state: PathBuf,
    /// A kubeconfig that goes the long way.
    pub(crate) far: PathBuf,
    near: PathBuf,
}

/// What controllers do by themselves.
const OTHERS: [&str; 8] =
    ["leases", "replicasets", "events", "endpoints", "endpointslices", "nodes", "pods", "resourcequotas"];

impl Server {
    pub(crate) fn start(dir: &Path, name: &str, round_trip: Duration) -> Self {
        let state = dir.join("clusters");
        let server = Self {
            name: name.to_owned(),
            near: state.join("skyplan/local").join(name).join("kubeconfig"),
            far: dir.join(format!("{name}.kubeconfig")),
            state,
        };
        server.local(&["up", name, "--nodes", "1"]);
        let text = fs::read_to_string(&server.near).unwrap();
        let target = text.split("https://").nth(1).and_then(|t| t.split_whitespace().next()).unwrap();
        let target = target.trim_matches('"').to_owned();
        let port = if round_trip.is_zero() {
            target.rsplit(':').next().unwrap().parse().unwrap()
        } else {
            delay::start(&target, round_trip)
        };
        fs::write(&server.far, text.replace(&target, &format!("127.0.0.1:{port}"))).unwrap();
        server
    }

    fn local(&self, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyplan"));
        command.arg("local").args(arguments).env("XDG_STATE_HOME", &self.state);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Not by the long way, and not measured.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let output = kubectl().arg("--kubeconfig").arg(&self.near).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Requests that were answered so far, by verb.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        let text = self.kubectl(&["get", "--raw", "/metrics"]);
        let mut sums = BTreeMap::new();
        for line in text.lines().filter(|l| l.starts_with("apiserver_request_total{")) {
            let label = |name: &str| {
                line.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
            };
            let (verb, resource, sub) = (label("verb"), label("resource"), label("subresource"));
            if verb == "WATCH" || OTHERS.contains(&resource) || ["/metrics", "status", "scale"].contains(&sub) {
                continue;
            }
            let count: f64 = line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a counter")]
            let count = count as u64;
            *sums.entry(verb.to_owned()).or_default() += count;
        }
        sums
    }

    /// What `bench` says in the annotations of all objects of the mix.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        let kinds = "configmaps,deployments,services,serviceaccounts,roles,rolebindings,lamps";
        let all: Value = serde_json::from_str(&self.kubectl(&["get", kinds, "-A", "-o", "json"])).unwrap();
        let items = all["items"].as_array().unwrap().iter();
        items
            .filter_map(|o| {
                let metadata = &o["metadata"];
                let name = format!("{}/{}", metadata["namespace"].as_str()?, metadata["name"].as_str()?);
                Some((format!("{} {name}", o["kind"].as_str()?), metadata["annotations"]["bench"].as_str()?.to_owned()))
            })
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.local(&["down", &self.name, "--delete"]);
    }
}

/// The kubectl of the control plane.
pub(crate) fn kubectl() -> Command {
    let root = skyplan::driver::local::LocalRoot::from_env().unwrap();
    let mut command = Command::new(skyplan::driver::local::kubectl(&root).expect("run `make control-plane`"));
    command.env("KUBECACHEDIR", std::env::temp_dir().join("skyplan-bench-kubectl"));
    command
}
