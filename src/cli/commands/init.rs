//! `skyplan init`: a small project that works as it is.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    cli::{args::InitArgs, exit::Exit, output::Output, session::random_hex},
    diagnostic::Diagnostic,
    state::store::Location,
};

const CLUSTERS: &str = "\
# A real Kubernetes control plane on this machine, with one simulated node.
# For a cluster that is there already, write `driver: existing` and, below it,
# `existing: {kubeconfig: path, context: name}`.
apiVersion: skyplan.io/v1alpha1
kind: Cluster
name: NAME-local
driver: local
";

const APPLICATION: &str = "\
# What runs: every workload below `manifests/` is a component, and goes where its
# policies allow at the lowest price. Services and the like go with their pods.
apiVersion: skyplan.io/v1alpha1
kind: Application
name: hello
sources:
  - path: manifests
";

const MANIFESTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: registry.k8s.io/e2e-test-images/agnhost:2.53
          args: [netexec, --http-port=8080]
          ports:
            - containerPort: 8080
          resources:
            requests: {cpu: 100m, memory: 64Mi}
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
    - port: 80
      targetPort: 8080
";

pub(in crate::cli) fn run(root: &Path, args: &InitArgs, output: &Output) -> Exit {
    match write(root, args) {
        Ok(text) => {
            output.print(&text);
            Exit::Done
        }
        Err(d) => output.fault(d),
    }
}

fn write(root: &Path, args: &InitArgs) -> Result<String, Diagnostic> {
    fs::create_dir_all(root).map_err(|e| unwritable(root, &e))?;
    let real = root.canonicalize().map_err(|e| unwritable(root, &e))?;
    let folder = real.file_name().and_then(|n| n.to_str()).unwrap_or("project");
    let name = args.name.clone().unwrap_or_else(|| dns_label(folder));
    if name != dns_label(&name) {
        return Err(Diagnostic::error("SKY0203", format!("`{name}` cannot be the name of a project"))
            .hint("names are 1 to 63 of a-z, 0-9 and -, and neither begin nor end with -"));
    }
    // A text in JSON is one in YAML, whatever is in it.
    let state = args.state.as_ref().map_or_else(String::new, |url| format!("state:\n  url: {}\n", json!(url)));
    let project = format!(
        "# The root of a skyplan project. The lineage ties its state to it: leave it as it is.\n\
         apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: {name}\nlineage: {name}-{}\n{state}",
        random_hex(4)
    );
    let cluster = CLUSTERS.replace("NAME", &name);
    let files: [(&str, &str); 4] = [
        ("skyplan.yaml", &project),
        ("clusters.yaml", &cluster),
        ("hello/application.yaml", APPLICATION),
        ("hello/manifests/web.yaml", MANIFESTS),
    ];
    let taken: Vec<&str> = files.iter().map(|(f, _)| *f).filter(|f| root.join(f).exists()).collect();
    if !taken.is_empty() {
        return Err(Diagnostic::error("SKY0906", format!("there is something here already: {}", taken.join(", ")))
            .hint("begin in an empty folder, or with `skyplan -C DIR init`"));
    }
    let place = args.state.as_ref().map(|url| Location::of(root, Some(url)));
    if let Some(place) = &place {
        place.probe()?;
    }
    for (path, text) in files {
        let path = root.join(path);
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).map_err(|e| unwritable(&path, &e))?;
    }
    ignore_state(root).map_err(|e| unwritable(&root.join(".gitignore"), &e))?;
    let kept = place.map_or_else(String::new, |place| {
        format!(
            "\nIts state is kept in {}. That was tried: what is created there only if absent is never\noverwritten.\n",
            place.text()
        )
    });
    let at = if root == Path::new(".") { String::new() } else { format!(" -C {}", root.display()) };
    Ok(format!(
        "A project called {name}:\n  skyplan.yaml              its root\n  clusters.yaml             one cluster on this machine\n  \
         hello/application.yaml    one application\n  hello/manifests/web.yaml  its manifests\n{kept}\n\
         See what it comes to: skyplan{at} plan\n"
    ))
}

/// The state of this machine is not for Git.
fn ignore_state(root: &Path) -> std::io::Result<()> {
    let path = root.join(".gitignore");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    if text.lines().any(|l| l.trim() == ".skyplan/") {
        return Ok(());
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    fs::write(path, format!("{text}{gap}.skyplan/\n"))
}

fn dns_label(text: &str) -> String {
    let clean: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let clean = clean.trim_matches('-');
    if clean.is_empty() { "project".into() } else { clean.to_owned() }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("SKY0901", format!("{} cannot be written: {error}", path.display()))
}
