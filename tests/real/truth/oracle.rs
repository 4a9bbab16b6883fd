//! The two readers that say what is true: `kubectl diff --server-side`, whose two folders are compared field by field,
//! and the live objects themselves. Nothing of skyplan's sources is used.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::schema::Schemas;

/// Stands for an object as a whole.
pub(super) const WHOLE: &str = "(the object)";

pub(super) struct Kubectl {
    pub(super) binary: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) scratch: PathBuf,
}

/// What kubectl has to say of an object: as it is, as it would be, and the fields in which the two differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) live: Value,
    pub(super) merged: Value,
    pub(super) fields: BTreeSet<String>,
}

impl Kubectl {
    /// Compares all manifests with the cluster, in one run.
    pub(super) fn diff(&self, sent: &[Value], manager: &str, schemas: &Schemas) -> BTreeMap<String, Told> {
        let folder = self.scratch.join("diff");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let copy = self.scratch.join("copy");
        fs::write(&copy, "#!/bin/sh\ncp -r \"$1\" \"$TRUTH_TO/live\" && cp -r \"$2\" \"$TRUTH_TO/merged\"\n").unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        let list = self.scratch.join("sent.json");
        fs::write(&list, json!({"apiVersion": "v1", "kind": "List", "items": sent}).to_string()).unwrap();
        let output = Command::new(&self.binary)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["diff", "--server-side", "--force-conflicts", "--concurrency=16"])
            .arg(format!("--field-manager={manager}"))
            .arg("-f")
            .arg(&list)
            .env("KUBECTL_EXTERNAL_DIFF", &copy)
            .env("TRUTH_TO", &folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl diff: {said}");
        let read = |side: &str, name: &str| -> Value {
            let text = fs::read_to_string(folder.join(side).join(name)).unwrap_or_default();
            if text.trim().is_empty() { Value::Null } else { serde_saphyr::from_str(&text).unwrap() }
        };
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(folder.join("merged")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let (live, merged) = (read("live", &name), read("merged", &name));
            let fields = if live.is_null() { [WHOLE.to_owned()].into() } else { schemas.differ(&live, &merged) };
            assert!(all.insert(id(&merged), Told { live, merged, fields }).is_none(), "{name} twice");
        }
        assert_eq!(all.len(), sent.len(), "kubectl speaks of every object: {said}");
        all
    }
}

/// `apps/Deployment/truth/web`.
pub(super) fn id(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let version = text(&object["apiVersion"]);
    let group = version.split_once('/').map_or("core", |(group, _)| group);
    let metadata = &object["metadata"];
    format!("{group}/{}/{}/{}", text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
}

/// Whether an autoscaler has set the replicas of an object.
pub(super) fn is_autoscaled(live: &Value) -> bool {
    live["metadata"]["managedFields"].as_array().into_iter().flatten().any(|entry| {
        entry["manager"] == "kube-controller-manager"
            && entry["subresource"] == "scale"
            && entry["fieldsV1"]["f:spec"].get("f:replicas").is_some()
    })
}

/// Where skyplan keeps the kubeconfig of a cluster that it has made.
pub(super) fn kubeconfig(state: &Path, cluster: &str) -> PathBuf {
    state.join("skyplan/local").join(cluster).join("kubeconfig")
}
