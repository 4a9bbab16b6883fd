//! Outputs: what they are read from, checked as far as the specs tell.

use super::{
    model::{AppObject, Output, OutputSource},
    names::{dangling, unique},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    spec::{self, At, OutputObject, SpecSet, fieldpath::parse},
};

/// What a cluster's connection can be asked for.
const OF_CONNECTIONS: [&str; 2] = ["context", "kubeconfig"];

/// All outputs, sorted by name.
pub(super) fn compile(set: &SpecSet, objects: &[AppObject], out: &mut Diagnostics) -> Vec<Output> {
    let written = set.project.iter().flat_map(|p| &p.spec.outputs);
    unique("output", written.clone().map(|o| &o.name), out);
    let mut outputs: Vec<Output> = written.filter_map(|o| output(o, set, objects, out)).collect();
    outputs.sort_by(|a, b| a.name.cmp(&b.name));
    outputs
}

fn output(spec: &spec::Output, set: &SpecSet, objects: &[AppObject], out: &mut Diagnostics) -> Option<Output> {
    if let Some(name) = &spec.cluster
        && !set.clusters.iter().any(|c| c.spec.name.value == name.value)
    {
        out.push(dangling("Cluster", name, set.clusters.iter().map(|c| c.spec.name.as_str())));
    }
    let cluster = spec.cluster.as_ref().map(|c| c.value.clone());
    let source = match (&spec.object, &cluster) {
        (Some(object), _) => object_source(object, &spec.path, objects, out)?,
        (None, Some(_)) => {
            if !OF_CONNECTIONS.contains(&spec.path.as_str()) {
                let d = Diagnostic::error("SKY0225", format!("a cluster's connection has no `{}`", spec.path));
                out.push(d.at(&spec.path.origin).hint(match did_you_mean(&spec.path, OF_CONNECTIONS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "it has `kubeconfig` and `context`; fields of an object need `object`".into(),
                }));
            }
            OutputSource::Connection
        }
        (None, None) => {
            out.push(
                Diagnostic::error("SKY0115", "an output has `object`, `cluster`, or both")
                    .at(&spec.name.origin)
                    .hint("say what its value is read from"),
            );
            return None;
        }
    };
    Some(Output {
        name: spec.name.value.clone(),
        description: spec.description.clone(),
        cluster,
        source,
        path: spec.path.value.clone(),
        origin: spec.name.origin.clone(),
    })
}

fn object_source(
    wanted: &OutputObject,
    path: &At<String>,
    objects: &[AppObject],
    out: &mut Diagnostics,
) -> Option<OutputSource> {
    if wanted.kind.value == "Secret" {
        out.push(
            Diagnostic::error("SKY0224", "the values of a Secret are not shown, and not kept in the state")
                .at(&wanted.kind.origin)
                .hint("let who needs it read it from the cluster: `kubectl get secret`"),
        );
        return None;
    }
    if let Err(why) = parse(path) {
        out.push(
            Diagnostic::error("SKY0225", format!("`{path}` is not the path of a field: {why}")).at(&path.origin).hint(
                "write it as `status.loadBalancer.ingress[0].ip`; keys with dots as `metadata.labels[\"a.b/c\"]`",
            ),
        );
        return None;
    }
    let named = |o: &AppObject| o.object["metadata"]["name"].as_str() == Some(wanted.name.as_str());
    let is = |o: &&AppObject| {
        let asked =
            |field: &Option<At<String>>, have: Option<&str>| field.as_ref().is_none_or(|f| have == Some(f.as_str()));
        o.object["kind"] == wanted.kind.value
            && asked(&wanted.application, Some(&o.application))
            && asked(&wanted.namespace, o.object["metadata"]["namespace"].as_str())
    };
    let Some(found) = objects.iter().filter(is).find(|o| named(o)) else {
        let known = objects.iter().filter(is).filter_map(|o| o.object["metadata"]["name"].as_str());
        out.push(dangling(&wanted.kind, &wanted.name, known));
        return None;
    };
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    Some(OutputSource::Object {
        api_version: text(&found.object["apiVersion"]).unwrap_or_default(),
        kind: wanted.kind.value.clone(),
        namespace: text(&found.object["metadata"]["namespace"]),
        name: wanted.name.value.clone(),
    })
}
