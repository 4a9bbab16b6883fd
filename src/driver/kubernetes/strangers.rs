//! Objects of others in a namespace, or of a kind.
//!
//! What controllers make by themselves, and what goes with its owner, is nobody's loss.

use futures::future::join_all;
use serde_json::Value;

use super::{Cluster, Fault, Served};
use crate::{
    address::ResourceAddress,
    digest::digest,
    observed::{Holding, HoldingQuestion},
};

/// Kinds whose objects come and go by themselves.
const PASSING: [&str; 4] = ["Endpoints", "Event", "Lease", "PodMetrics"];
/// What is made in every namespace.
const EVERYWHERE: [(&str, &str); 2] = [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];
/// How many are named.
const NAMED: usize = 5;

/// What of others is in a namespace, or of the kind that a definition defines.
///
/// # Errors
/// No answer, or refused.
pub async fn strangers(
    cluster: &Cluster,
    address: &ResourceAddress,
    question: &HoldingQuestion,
) -> Result<Holding, Fault> {
    let Some(object) = address.object() else { return Ok(Holding::default()) };
    let (kinds, mut unseen, namespace) = match &question.kind {
        Some(kind) => (cluster.kind(kind).await?.into_iter().collect(), Vec::new(), None),
        None => {
            let (kinds, unseen) = kept(cluster).await?;
            (kinds, unseen, Some(object.name.as_str()))
        }
    };
    let labels = format!("skyplan.io/lineage!={}", question.lineage);
    let labels = &labels;
    let lists = kinds.iter().map(|kind| async move { (kind, cluster.list_metadata_in(kind, namespace, labels).await) });
    let mut names: Vec<(String, String)> = Vec::new();
    for (kind, listed) in join_all(lists).await {
        let kind = &kind.resource.kind;
        match listed {
            Ok(all) => {
                let counted = all.iter().filter(|o| counts(kind, o));
                names.extend(counted.map(|o| (named(kind, o, namespace.is_some()), o["metadata"]["uid"].to_string())));
            }
            // A server behind the server may be down: then nobody knows.
            Err(Fault::Forbidden(_) | Fault::Failing(..)) => unseen.push(kind.clone()),
            // It is served no more, or cannot be listed.
            Err(Fault::NotFound | Fault::Refused(405, _)) => {}
            Err(fault) => return Err(fault),
        }
    }
    names.sort();
    unseen.sort();
    let count = names.len() as u64;
    let digest = if names.is_empty() { String::new() } else { digest(&serde_json::json!(names)) };
    names.truncate(NAMED);
    let some = names.into_iter().map(|(name, _)| name).collect();
    Ok(Holding { count, some, digest, kind: question.kind.clone(), unseen })
}

/// Kinds of objects that are in namespaces, and stay there; and APIs that do not tell theirs.
async fn kept(cluster: &Cluster) -> Result<(Vec<Served>, Vec<String>), Fault> {
    let (all, unseen) = cluster.kinds().await?;
    let keeps = |s: &Served| s.namespaced && s.kept && !PASSING.contains(&s.resource.kind.as_str());
    Ok((all.into_iter().filter(keeps).collect(), unseen))
}

fn counts(kind: &str, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let owned = metadata["ownerReferences"].as_array().is_some_and(|all| !all.is_empty());
    let token = !metadata["annotations"]["kubernetes.io/service-account.name"].is_null();
    let name = metadata["name"].as_str().unwrap_or_default();
    let own_token = kind == "Secret" && token;
    !(owned || own_token || EVERYWHERE.contains(&(kind, name)))
}

fn named(kind: &str, object: &Value, in_namespace: bool) -> String {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    match metadata["namespace"].as_str().filter(|_| !in_namespace) {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_comes_by_itself_is_nobodys() {
        let map = json!({"metadata": {"name": "kube-root-ca.crt"}});
        assert!(!counts("ConfigMap", &map) && counts("Secret", &map));
        assert!(!counts("Pod", &json!({"metadata": {"name": "p", "ownerReferences": [{"kind": "ReplicaSet"}]}})));
        let token =
            json!({"metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": "default"}}});
        assert!(!counts("Secret", &token));
        assert_eq!(named("Widget", &json!({"metadata": {"name": "w", "namespace": "n"}}), false), "Widget n/w");
    }
}
