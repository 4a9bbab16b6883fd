//! Objects of every kind that a cluster serves and that can be made, patched and deleted: one entry of `kinds.yaml`
//! each, with values drawn from a seed. What is left out says why.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{draw::Draw, server::Server};

/// Where everything is that has a namespace and says nothing else.
pub(super) const NAMESPACE: &str = "truth";

/// Kinds that are not tested, and why.
const EXCLUDED: [(&str, &str, &str); 4] = [
    ("v1", "Node", "those that are there are the cluster's own; a new one is written to by controllers all the time"),
    ("v1", "Event", "it tells what has been, and goes after an hour"),
    ("events.k8s.io/v1", "Event", "it tells what has been, and goes after an hour"),
    (
        "apiregistration.k8s.io/v1",
        "APIService",
        "one of a server that is not there breaks discovery, and those of definitions are the server's own",
    ),
];

/// An entry of `kinds.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Kind {
    pub(super) object: Value,
    pub(super) change: BTreeMap<String, Vec<Value>>,
    pub(super) defaults: BTreeMap<String, Vec<Value>>,
    pub(super) foreign: BTreeMap<String, Value>,
    pub(super) keep: Option<String>,
    pub(super) still: bool,
    pub(super) fixed: Vec<String>,
    pub(super) scale: bool,
    pub(super) once: bool,
    namespace: Option<String>,
    name: Option<String>,
}

/// An object under test.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// `apps/Deployment/truth/web`, as in addresses.
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Path of its kind's objects on the server.
    pub(super) path: String,
    pub(super) namespaced: bool,
    /// As it is written.
    pub(super) manifest: Value,
}

impl Object {
    pub(super) fn url(&self) -> String {
        format!("{}/{}", self.path, self.manifest["metadata"]["name"].as_str().unwrap())
    }

    /// What is sent of it: with the marks that say whose it is, and what a Secret holds in one place.
    pub(super) fn sent(&self, cluster: &str, lineage: &str) -> Value {
        let mut object = self.manifest.clone();
        let metadata = object["metadata"].as_object_mut().unwrap();
        if !self.namespaced {
            metadata.remove("namespace");
        }
        for part in ["labels", "annotations"] {
            if !metadata.get(part).is_some_and(Value::is_object) {
                metadata.insert(part.into(), json!({}));
            }
        }
        metadata["labels"]["app.kubernetes.io/managed-by"] = "skyplan".into();
        metadata["labels"]["skyplan.io/lineage"] = lineage.into();
        metadata["annotations"]["skyplan.io/address"] = format!("{lineage}:object/{cluster}/{}", self.id).into();
        if let Some(Value::Object(plain)) = object.as_object_mut().unwrap().remove("stringData") {
            use base64::Engine as _;
            for (name, text) in plain {
                let text = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap());
                object["data"][name] = text.into();
            }
        }
        object
    }
}

/// Objects of all kinds, so many of each, and how many kinds that are.
pub(super) fn all(server: &Server, each: usize, draw: &mut Draw) -> (Vec<Object>, usize) {
    let kinds: Vec<Kind> = serde_saphyr::from_str(include_str!("kinds.yaml")).unwrap();
    let served = server.kinds();
    let key = |object: &Value| {
        (object["apiVersion"].as_str().unwrap().to_owned(), object["kind"].as_str().unwrap().to_owned())
    };
    let generated: BTreeSet<_> = kinds.iter().map(|k| key(&k.object)).collect();
    let excluded: BTreeSet<_> = EXCLUDED.iter().map(|(v, k, _)| ((*v).to_owned(), (*k).to_owned())).collect();
    let own = |k: &(String, String)| k.0.starts_with("truth.example/");
    let covered: BTreeSet<_> = generated.iter().filter(|k| !own(k)).chain(&excluded).cloned().collect();
    let there: BTreeSet<_> = served.keys().filter(|k| !own(k)).cloned().collect();
    assert_eq!(covered, there, "each kind of discovery is tested, or left out for a reason");
    assert!(generated.is_disjoint(&excluded) && generated.len() >= 40, "{} kinds", generated.len());

    let mut objects: Vec<Object> = Vec::new();
    let mut ids = BTreeSet::new();
    for kind in &kinds {
        for _ in 0..if kind.once { 1 } else { each } {
            let name = kind.object["kind"].as_str().unwrap().to_lowercase();
            // Kinds that refer to each other count alike.
            let alike = |o: &&Object| o.manifest["kind"] == kind.object["kind"] && o.kind.name == kind.name;
            let number = objects.iter().filter(alike).count();
            let mut manifest = vary(&kind.object, number, draw);
            let named = kind.name.as_ref().map_or_else(|| format!("{name}-{number}"), |n| numbered(n, number));
            let (version, word) = key(&kind.object);
            // Kinds that the plan defines are not served yet.
            let (plural, namespaced) = served
                .get(&(version.clone(), word.clone()))
                .cloned()
                .unwrap_or_else(|| (format!("{}s", word.to_lowercase()), word != "Plain"));
            let namespace = kind.namespace.clone().unwrap_or_else(|| NAMESPACE.into());
            dress(&mut manifest, draw);
            manifest["metadata"]["name"] = named.clone().into();
            let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
            let group = version.split_once('/').map_or("core", |(group, _)| group);
            let (path, id) = if namespaced {
                manifest["metadata"]["namespace"] = namespace.clone().into();
                (format!("{root}/namespaces/{namespace}/{plural}"), format!("{group}/{word}/{namespace}/{named}"))
            } else {
                (format!("{root}/{plural}"), format!("{group}/{word}/-/{named}"))
            };
            assert!(ids.insert(id.clone()), "{id} twice");
            let mut kind = kind.clone();
            for values in kind.change.values_mut().chain(kind.defaults.values_mut()) {
                for value in values {
                    *value = vary(value, number, draw);
                }
            }
            objects.push(Object { id, kind, path, namespaced, manifest });
        }
    }
    (objects, generated.len())
}

/// Labels and annotations of many sorts, and finalizers, which are a set.
fn dress(manifest: &mut Value, draw: &mut Draw) {
    if !manifest["metadata"].is_object() {
        manifest["metadata"] = json!({});
    }
    let deletable = !["Namespace", "CustomResourceDefinition", "PersistentVolume", "PersistentVolumeClaim"]
        .contains(&manifest["kind"].as_str().unwrap());
    let metadata = manifest["metadata"].as_object_mut().unwrap();
    if draw.chance(70) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        labels["truth.example/a.b-c"] = draw.pick(&["x", "", "X_y.z"]).into();
        labels["tier"] = "web".into();
    }
    if draw.chance(70) {
        let text = text(draw);
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if !annotations.is_object() {
            *annotations = json!({});
        }
        annotations["truth.example/note"] = text.into();
        annotations["plain"] = "1.0".into();
    }
    if deletable && draw.chance(20) {
        metadata.insert("finalizers".into(), json!(["truth.example/z", "truth.example/a"]));
    }
}

fn text(draw: &mut Draw) -> &'static str {
    draw.pick(&[
        "",
        "true",
        "1.0",
        "null",
        " a: b # c",
        "häi ☃",
        "one\ntwo\n",
        "one\n\n two",
        "'\"\\",
        "2026-01-01",
        "~",
    ])
}

fn numbered(text: &str, number: usize) -> String {
    text.replace("$i", &number.to_string())
}

/// Puts values for the words that stand for some.
fn vary(value: &Value, number: usize, draw: &mut Draw) -> Value {
    match value {
        Value::String(word) => match word.as_str() {
            "$text" => text(draw).into(),
            "$text1" => draw.pick(&["häi ☃", "a: b", "true"]).into(),
            "$cpu" => draw.pick(&[json!("100m"), json!("0.1"), json!("200m"), json!(".25"), json!("0.050")]),
            "$memory" => draw.pick(&[
                json!("1024Mi"),
                json!("0.5Gi"),
                json!("512Mi"),
                json!("1073741824"),
                json!(268_435_456),
                json!("1e8"),
                json!("1G"),
            ]),
            "$n" => draw.pick(&[json!(1), json!(2.0), json!(3)]),
            "$target" => draw.pick(&[json!(8080), json!("http")]),
            "$percent" => draw.pick(&[json!(1), json!("25%"), json!("50%")]),
            "$template" => template(draw),
            "$nowhere" => {
                let mut template = template(draw);
                template["spec"]["nodeSelector"] = json!({"no": "where"});
                template
            }
            "$batch" => {
                let mut template = template(draw);
                template["spec"]["restartPolicy"] = "Never".into();
                template
            }
            "$webhooks" => webhooks(draw),
            _ => numbered(word, number).into(),
        },
        Value::Array(items) => items.iter().map(|item| vary(item, number, draw)).collect(),
        Value::Object(map) => {
            let all = map.iter().map(|(key, value)| (numbered(key, number), vary(value, number, draw)));
            Value::Object(all.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Pods as people write them: quantities in odd ways, one port with two protocols, empty maps, nulls.
fn template(draw: &mut Draw) -> Value {
    let requests =
        json!({"cpu": vary(&json!("$cpu"), 0, draw), "memory": draw.pick(&["64Mi", "0.0625Gi", "67108864"])});
    let mut template = json!({
        "metadata": {"labels": {"app": "x"}},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": "i:1",
                    "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}],
                    "env": [
                        {"name": "A", "value": text(draw)},
                        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    ],
                    "resources": {"requests": requests, "limits": {"cpu": draw.pick(&[json!(1), json!("1000m"), json!("1.0")])}},
                    "args": ["--a", "--b=c", ""],
                },
                {"name": "side", "image": "i:1", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]},
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "none", "optional": true}}],
        },
    });
    if draw.chance(50) {
        template["metadata"]["creationTimestamp"] = Value::Null;
        template["spec"]["nodeSelector"] = Value::Null;
    }
    if draw.chance(50) {
        template["spec"]["containers"][0]["securityContext"] = json!({});
        template["spec"]["initContainers"] = json!([]);
        template["spec"]["tolerations"] = json!([{"key": "a", "operator": "Exists"}]);
    }
    template
}

fn webhooks(draw: &mut Draw) -> Value {
    let hook = |name: &str| {
        json!({
            "name": name,
            "clientConfig": {"url": "https://127.0.0.1:1/x"},
            "rules": [{"apiGroups": ["none.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore",
        })
    };
    let mut all = vec![hook("a.truth.example")];
    if draw.chance(50) {
        all.push(hook("b.truth.example"));
    }
    all.into()
}
