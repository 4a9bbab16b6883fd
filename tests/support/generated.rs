//! Projects that nobody wrote: for laws that hold for all of them.

use proptest::prelude::*;
use serde_json::json;

use super::project::Project;

/// One component of a generated project; those of one index have one name.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    stateful: bool,
    replicas: u32,
    image: u32,
    /// Service, ConfigMap, Secret.
    with: (bool, bool, bool),
    after_the_one_before: bool,
    place: usize,
}

impl Piece {
    /// Whether a Secret comes with it.
    pub(crate) fn has_secret(&self) -> bool {
        self.with.2
    }
}

/// Components, some of them left out.
pub(crate) fn pieces() -> impl Strategy<Value = Vec<Option<Piece>>> {
    let piece = (any::<bool>(), 1..3_u32, 0..3_u32, any::<(bool, bool, bool)>(), any::<bool>(), 0..3_usize).prop_map(
        |(stateful, replicas, image, with, after_the_one_before, place)| Piece {
            stateful,
            replicas,
            image,
            with,
            after_the_one_before,
            place,
        },
    );
    prop::collection::vec(prop::option::weighted(0.8, piece), 3..5)
}

/// The texts of a project with these components on the first `clusters` of a, b and c.
pub(crate) fn generated(pieces: &[Option<Piece>], clusters: usize) -> Project {
    let head = "apiVersion: skyplan.io/v1alpha1\nkind: ";
    let mut files = vec![("skyplan.yaml".to_owned(), format!("{head}Project\nname: made\n"))];
    for name in &["a", "b", "c"][..clusters] {
        files.push((format!("{name}.yaml"), format!("{head}Cluster\nname: {name}\ndriver: local\n")));
    }
    let (mut objects, mut entries, mut policies) = (Vec::new(), Vec::new(), Vec::new());
    let mut before: Option<String> = None;
    for (i, piece) in pieces.iter().enumerate() {
        let Some(piece) = piece else { continue };
        let name = format!("c{i}");
        let metadata = json!({"name": name});
        let mut container =
            json!({"name": "main", "image": format!("image:{}", piece.image), "ports": [{"containerPort": 80}]});
        let (service, config, secret) = piece.with;
        let mut from = Vec::new();
        if service {
            objects.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}));
        }
        if config {
            objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"image": piece.image.to_string()}}));
            from.push(json!({"configMapRef": metadata}));
        }
        if secret {
            objects.push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": format!("value-{}", piece.image)}}));
            from.push(json!({"secretRef": metadata}));
        }
        if !from.is_empty() {
            container["envFrom"] = from.into();
        }
        let mut spec = json!({"replicas": piece.replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}});
        if piece.stateful {
            spec["serviceName"] = format!("names-{}", piece.image).into();
        }
        let kind = if piece.stateful { "StatefulSet" } else { "Deployment" };
        objects.push(json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}));
        let needs: Vec<String> = before.take().into_iter().filter(|_| piece.after_the_one_before).collect();
        entries.push(json!({"name": name, "dependsOn": needs}));
        let place = ["a", "b", "c"][piece.place % clusters];
        policies.push(json!({"componentRef": name, "location": {"permitted": [{"cluster": place}]}}));
        before = Some(name);
    }
    if !objects.is_empty() {
        let source = json!([{"objects": objects}]);
        files.push((
            "app.yaml".into(),
            format!("{head}Application\nname: app\nsources: {source}\ncomponents: {}\n", json!(entries)),
        ));
        files
            .push(("where.yaml".into(), format!("{head}DeploymentPolicy\nname: p\ncomponents: {}\n", json!(policies))));
    }
    Project::of(files)
}

/// Two clusters, one component that is on the first by its policy.
pub(crate) fn two_clusters() -> Project {
    let head = "apiVersion: skyplan.io/v1alpha1\nkind: ";
    let web = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, \
               template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: a}]}}}}";
    Project::of([
        ("skyplan.yaml", format!("{head}Project\nname: two\n")),
        ("a.yaml", format!("{head}Cluster\nname: a\ndriver: local\n")),
        ("b.yaml", format!("{head}Cluster\nname: b\ndriver: local\n")),
        ("app.yaml", format!("{head}Application\nname: app\nsources: [{{objects: [{web}]}}]\n")),
        (
            "where.yaml",
            format!(
                "{head}DeploymentPolicy\nname: p\ncomponents: [{{componentRef: web, location: {{permitted: [{{cluster: a}}]}}}}]\n"
            ),
        ),
    ])
}
