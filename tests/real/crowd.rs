//! Many resources on two clusters, in revisions that can be gone between for ever: no reset is needed
//! between runs. What is there is asked of the clusters themselves, and compared with what an
//! undisturbed apply came to.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use serde_json::{Map, Value};

use super::{home::Home, proxy::Proxy};

pub(super) const LINEAGE: &str = "crowd";
/// Clusters by their names in the project; on this machine they have the same ones.
pub(super) const CLUSTERS: [&str; 2] = ["one", "two"];
/// What an apply of a revision is asked with. The old place of a namespace goes with it.
pub(super) const APPLY: [&str; 3] = ["apply", "--yes", "--allow-deletes"];
/// All kinds that the revisions have, and those that they would leave behind.
const KINDS: &str = "namespaces,configmaps,secrets,services,deployments,replicasets,jobs,pods,serviceaccounts";
const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind:";

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Revision {
    A,
    B,
    /// B, and one application on the other cluster. Its namespace goes with it, which takes Kubernetes
    /// five seconds.
    C,
    /// What B has, with other values.
    D,
}

impl Revision {
    /// What all values are in it.
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B | Self::C => "B",
            Self::D => "D",
        }
    }
}

/// Everything that carries the project's marks, by address.
pub(super) type Objects = BTreeMap<String, Value>;

/// What a revision comes to when nothing disturbs its apply, without what differs each time.
#[derive(Debug, PartialEq)]
pub(super) struct Settled {
    objects: Objects,
    state: Value,
}

pub(super) struct Crowd {
    pub(super) home: Home,
}

fn map(name: &str, value: &str, more: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n{more}data: {{v: \"{value}\"}}\n---\n")
}

fn secret(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{v: \"{value}\"}}\n---\n")
}

fn deployment(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec: {{containers: [{{name: c, image: \"{image}\", resources: {{requests: {{cpu: 10m}}}}}}]}}\n---\n"
    )
}

/// Per cluster: 50 changed in place, 25 come as 25 others go, 3 replaced, 5 left as they are, a
/// Deployment changed, one comes and one goes.
fn manifests(revision: Revision) -> String {
    let (letter, value) = (if revision == Revision::A { "a" } else { "b" }, revision.value());
    let mut text = String::new();
    for n in 0..40 {
        text += &map(&format!("keep-{n:02}"), value, "");
    }
    for n in 0..25 {
        text += &map(&format!("{letter}-{n:02}"), value, "");
    }
    for n in 0..10 {
        text += &secret(&format!("key-{n}"), &format!("planted-{value}"));
    }
    for n in 0..3 {
        // What is immutable has to be deleted and made again.
        text += &map(&format!("fixed-{n}"), value, "immutable: true\n");
    }
    for n in 0..5 {
        text += &map(&format!("still-{n}"), "same", "");
    }
    text + &deployment("web", &format!("i:{value}")) + &deployment(&format!("only-{letter}"), "i:1")
}

impl Crowd {
    /// Both clusters are up, and nothing is applied yet.
    pub(super) fn new() -> Self {
        Self::with(|home, cluster| {
            home.dir.path().join("state/skyplan/local").join(cluster).join("kubeconfig").display().to_string()
        })
    }

    /// The same, with a proxy before each cluster.
    pub(super) fn far() -> (Self, Vec<Proxy>) {
        let proxies = RefCell::new(Vec::new());
        let crowd = Self::with(|home, cluster| {
            let config = home.dir.path().join("state/skyplan/local").join(cluster).join("kubeconfig");
            let far = format!("far-{cluster}.kubeconfig");
            proxies.borrow_mut().push(Proxy::before(&config, &home.project().join(&far)));
            far
        });
        (crowd, proxies.into_inner())
    }

    /// The same with a way to the clusters of one's own: the path of a kubeconfig.
    pub(super) fn with(way: impl Fn(&Home, &str) -> String) -> Self {
        let home = Home::empty();
        for cluster in CLUSTERS {
            home.run(&["local", "up", cluster, "--nodes", "1"], 0);
        }
        let project = format!("{HEAD} Project\nname: crowd\nlineage: {LINEAGE}\nplacement: {{headroom: 0%}}\n");
        let clusters = CLUSTERS.map(|cluster| {
            let config = way(&home, cluster);
            format!("{HEAD} Cluster\nname: {cluster}\ndriver: existing\nexisting: {{kubeconfig: {config}}}\n")
        });
        for (file, text) in [("skyplan.yaml", project), ("clusters.yaml", clusters.join("---\n"))] {
            fs::write(home.project().join(file), text).unwrap();
        }
        for app in ["left", "right", "roam"] {
            fs::create_dir_all(home.project().join(app).join("manifests")).unwrap();
            let text = format!("{HEAD} Application\nname: {app}\nsources: [{{path: manifests}}]\n");
            fs::write(home.project().join(app).join("application.yaml"), text).unwrap();
        }
        let crowd = Self { home };
        crowd.want(Revision::A);
        crowd
    }

    /// The specs say this from now on.
    pub(super) fn want(&self, revision: Revision) {
        let b = revision != Revision::A;
        let only = if b { "only-b" } else { "only-a" };
        let mut policy = format!("{HEAD} DeploymentPolicy\nname: places\ncomponents:\n");
        let roams = if revision == Revision::C { "two" } else { "one" };
        for (component, cluster) in [
            ("left/web".to_owned(), "one"),
            (format!("left/{only}"), "one"),
            ("right/web".to_owned(), "two"),
            (format!("right/{only}"), "two"),
            // Moves to the other cluster, with its namespace and what belongs to it.
            ("roam/roam".to_owned(), roams),
        ] {
            let _ = write!(
                policy,
                "  - componentRef: {component}\n    location: {{permitted: [{{cluster: {cluster}}}]}}\n"
            );
        }
        let write = |file: &str, text: &str| fs::write(self.home.project().join(file), text).unwrap();
        write("policy.yaml", &policy);
        for app in ["left", "right"] {
            write(&format!("{app}/manifests/all.yaml"), &manifests(revision));
        }
        write("roam/manifests/all.yaml", &(deployment("roam", "i:1") + &map("with", "same", "")));
    }

    /// Serial of the last entry of the log; 0 = there is none.
    pub(super) fn last(&self) -> u64 {
        let files = fs::read_dir(self.home.project().join(".skyplan/state")).into_iter().flatten().flatten();
        files.filter_map(|f| f.file_name().to_str()?.strip_suffix(".json")?.parse().ok()).max().unwrap_or(0)
    }

    /// The file of an entry.
    pub(super) fn file(&self, serial: u64) -> PathBuf {
        self.home.project().join(format!(".skyplan/state/{serial:012}.json"))
    }

    /// An entry; the line before it says how long it is.
    pub(super) fn entry(&self, serial: u64) -> Value {
        let text = fs::read_to_string(self.file(serial)).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    /// Entries after this one.
    pub(super) fn entries_after(&self, serial: u64) -> Vec<Value> {
        (serial + 1..=self.last()).map(|serial| self.entry(serial)).collect()
    }

    /// Asks both clusters for everything with the project's label. What Kubernetes made of it (pods and
    /// the like, which inherit labels) is left out.
    pub(super) fn objects(&self) -> Objects {
        let mut found = Objects::new();
        for cluster in CLUSTERS {
            let label = format!("skyplan.io/lineage={LINEAGE}");
            let get = ["get", KINDS, "-A", "-l", &label, "-o", "json", "--show-managed-fields"];
            let all: Value = serde_json::from_str(&self.home.kubectl(cluster, &get)).unwrap();
            for object in all["items"].as_array().unwrap() {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let group = text("/apiVersion").split_once('/').map_or("core", |(group, _)| group);
                let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("-");
                let (kind, name) = (text("/kind"), text("/metadata/name"));
                let address = format!("object/{cluster}/{group}/{kind}/{namespace}/{name}");
                let marked = text("/metadata/annotations/skyplan.io~1address") == format!("{LINEAGE}:{address}");
                if marked || object.pointer("/metadata/ownerReferences").is_none() {
                    assert!(marked, "{address} has another address in its marks");
                    found.insert(address, object.clone());
                }
            }
        }
        found
    }

    /// What there is now, without what is different each time.
    pub(super) fn settled(&self, objects: &Objects) -> Settled {
        let mut state: Value = serde_json::from_str(&self.home.run(&["state", "show"], 0)).unwrap();
        for open in ["uncertain", "open"] {
            assert!(state[open].as_object().is_none_or(Map::is_empty), "{open}: {}", state[open]);
        }
        without_identity(&mut state);
        let objects = objects.iter().map(|(address, object)| (address.clone(), still(object))).collect();
        Settled { objects, state }
    }

    /// The clusters have what the state says and nothing else, and it is what an undisturbed apply made.
    #[track_caller]
    pub(super) fn assert_settled(&self, as_if: &Settled) -> Objects {
        let objects = self.objects();
        let known: BTreeSet<String> = self.home.run(&["state", "list"], 0).lines().map(str::to_owned).collect();
        let there: BTreeSet<String> = objects.keys().cloned().chain(CLUSTERS.map(|c| format!("cluster/{c}"))).collect();
        assert_eq!(there, known, "left: on the clusters; right: in the state");
        let now = self.settled(&objects);
        for (address, object) in &now.objects {
            assert_eq!(Some(object), as_if.objects.get(address), "{address}");
        }
        assert_eq!(now.objects.len(), as_if.objects.len());
        assert_eq!(differences(&now.state, &as_if.state), Vec::<String>::new(), "now, undisturbed");
        objects
    }
}

/// Where two values differ: path, and both.
fn differences(a: &Value, b: &Value) -> Vec<String> {
    match (a, b) {
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            let of = |name: &String| {
                differences(left.get(name).unwrap_or(&Value::Null), right.get(name).unwrap_or(&Value::Null))
            };
            names.into_iter().flat_map(|name| of(name).into_iter().map(move |d| format!("{name} / {d}"))).collect()
        }
        _ if a == b => Vec::new(),
        _ => vec![format!("{a}, {b}")],
    }
}

/// Who each of them is.
pub(super) fn uids(objects: &Objects) -> BTreeMap<&str, &str> {
    objects.iter().map(|(address, object)| (address.as_str(), object["metadata"]["uid"].as_str().unwrap())).collect()
}

/// What an object is, without when and which: content, marks, and who owns which field.
fn still(object: &Value) -> Value {
    let mut object = object.clone();
    let fields = object.as_object_mut().unwrap();
    fields.remove("status");
    // The cluster's own controllers come and go among the owners of fields.
    let metadata = fields["metadata"].as_object_mut().unwrap();
    for name in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
        metadata.remove(name);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
    }
    let ours = |field: &&Value| field["manager"] == format!("skyplan-{LINEAGE}");
    let owned: Vec<Value> = metadata["managedFields"].as_array().unwrap().iter().filter(ours).cloned().collect();
    metadata.insert("managedFields".into(), owned.into());
    without(&mut object, &["time"]);
    object
}

/// A state without serials, and without which object it was.
fn without_identity(state: &mut Value) {
    without(state, &["serial", "uid", "clusterUid", "secretKey"]);
}

fn without(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|v| without(v, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| without(v, names)),
        _ => {}
    }
}
