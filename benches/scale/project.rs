//! Projects of many workloads over ten clusters, on disk; and the same after an apply, with the state
//! and the answers that the tests' world in memory gives.

use std::{fmt::Write as _, fs, io, path::Path};

use skyplan::{compile::compile, load, load::tree::read_folder, state::Entry};

use crate::support::{
    log::{Log, Outcomes, plan},
    world::World,
};

/// Clusters.
pub(crate) const CLUSTERS: usize = 10;
/// Workloads of one application, all in one file.
const PER_APPLICATION: usize = 10;
const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind: ";

/// Who says where things run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Policies bind every component to one cluster.
    Bound,
    /// Nobody: every component may run anywhere.
    Free,
}

impl Placement {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Free => "free",
        }
    }
}

fn put(root: &Path, path: &str, text: &str) -> io::Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Writes a project with so many Deployments, ten to an application; the number of its files.
pub(crate) fn write(root: &Path, workloads: usize, placement: Placement) -> io::Result<usize> {
    put(root, "skyplan.yaml", &format!("{HEAD}Project\nname: scale\n"))?;
    let mut clusters = String::new();
    for i in 0..CLUSTERS {
        let nodes = (workloads / CLUSTERS / 20).max(4);
        let _ = write!(
            clusters,
            "{HEAD}Cluster\nname: c{i}\ndriver: local\nlocal: {{nodes: {nodes}, cpu: 16, memory: 64Gi}}\n---\n"
        );
    }
    put(root, "clusters.yaml", clusters.trim_end_matches("---\n"))?;
    let applications = workloads.div_ceil(PER_APPLICATION);
    for a in 0..applications {
        let count = PER_APPLICATION.min(workloads - a * PER_APPLICATION);
        let mut own = format!("{HEAD}Application\nname: app-{a:04}\nsources:\n- path: manifests\n");
        if placement == Placement::Bound {
            let _ = write!(own, "---\n{HEAD}DeploymentPolicy\nname: app-{a:04}\ncomponents:\n");
            for w in 0..count {
                let cluster = a % CLUSTERS;
                let _ = write!(
                    own,
                    "- componentRef: app-{a:04}/w{w}\n  location: {{permitted: [{{cluster: c{cluster}}}]}}\n"
                );
            }
        }
        put(root, &format!("apps/app-{a:04}/application.yaml"), &own)?;
        let manifests: String = (0..count).map(|w| manifest(a, w)).collect();
        put(root, &manifests_of(a), &manifests)?;
    }
    Ok(2 + 2 * applications)
}

/// The file of an application's workloads.
pub(crate) fn manifests_of(application: usize) -> String {
    format!("apps/app-{application:04}/manifests/workloads.yaml")
}

fn manifest(a: usize, w: usize) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: w{w}
  labels:
    app.kubernetes.io/name: w{w}
    app.kubernetes.io/part-of: app-{a:04}
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: w{w}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: w{w}
        app.kubernetes.io/part-of: app-{a:04}
    spec:
      containers:
        - name: main
          image: registry.example.com/app-{a:04}/w{w}:1.0.0
          args: [--listen, \":8080\", --level, info]
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: APPLICATION
              value: app-{a:04}
            - name: WORKLOAD
              value: w{w}
          resources:
            requests:
              cpu: 50m
              memory: 64Mi
            limits:
              memory: 128Mi
          readinessProbe:
            httpGet:
              path: /ready
              port: http
"
    )
}

/// Applies the project in the world in memory: writes its state, and `observed.json` beside the
/// project's folder.
pub(crate) fn apply(root: &Path, observed: &Path) -> io::Result<()> {
    let (tree, _) = read_folder(root);
    let (set, _) = load::read(&tree);
    let (model, out) = compile(&set);
    let model = model.ok_or_else(|| io::Error::other(format!("{out:?}")))?;
    let (mut world, mut log) = (World::default(), Log::new(&model.lineage));
    let failed = |what: String| io::Error::other(what);
    let planned = plan(&world, Some(&model), &log.state).map_err(|out| failed(format!("{out:?}")))?;
    log.apply(&mut world, &planned, Outcomes::Grouped, usize::MAX).map_err(|_| failed("cut off".into()))?;
    let again = plan(&world, Some(&model), &log.state).map_err(|out| failed(format!("{out:?}")))?;
    if !again.plan.changes.is_empty() {
        return Err(failed("a plan after an apply has changes".into()));
    }
    let folder = root.join(".skyplan/state");
    fs::create_dir_all(&folder)?;
    let entries: &[Entry] = &log.entries;
    for (serial, entry) in (1..).zip(entries) {
        fs::write(folder.join(format!("{serial:012}.json")), serde_json::to_vec(entry)?)?;
    }
    fs::write(observed, serde_json::to_vec(&again.observed)?)
}

/// No cluster is there.
pub(crate) fn nothing_there(observed: &Path) -> io::Result<()> {
    let clusters: serde_json::Map<String, serde_json::Value> =
        (0..CLUSTERS).map(|i| (format!("c{i}"), serde_json::json!({"reach": "absent"}))).collect();
    fs::write(observed, serde_json::to_vec(&serde_json::json!({ "clusters": clusters }))?)
}
