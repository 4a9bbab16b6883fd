//! Making the simulated nodes of a cluster those that its pools ask for.
//!
//! Talks to the API only; the nodes then live through kwok.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, pin_mut, stream};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::watcher,
};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    kubeconfig,
    node_objects::{NodePool, POOL_LABEL, desired, difference, is_ours, is_ready},
    start::Running,
};
use crate::diagnostic::Diagnostic;

/// Whose fields they are, in `managedFields`.
const MANAGER: &str = "skyplan-local";
/// Requests in flight.
const AT_ONCE: usize = 16;
/// How often to look again when somebody else writes the same node at the same time.
const ATTEMPTS: usize = 5;

/// What was done to get there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeChanges {
    /// Nodes that were made.
    pub created: usize,
    /// Nodes that were given another size, other labels or other taints.
    pub updated: usize,
    /// Nodes that were removed, those with the highest numbers first.
    pub deleted: usize,
}

/// Makes the nodes of a cluster those of `pools`, no more and no less, and waits until all are ready.
/// Pods on a removed node are removed with it.
///
/// # Errors
/// When the cluster cannot have nodes, does not answer, or a node is not ready before `patience` ends.
pub async fn sync_nodes(running: &Running, pools: &[NodePool], patience: Duration) -> Result<NodeChanges, Diagnostic> {
    let cluster = &running.name;
    if !running.simulates_nodes {
        return if pools.iter().all(|p| p.count == 0) { Ok(NodeChanges::default()) } else { Err(no_nodes(running)) };
    }
    let desired = desired(cluster, pools)?;
    let client = kubeconfig::client(&running.kubeconfig, true).await?;
    let mut changes = NodeChanges::default();
    for attempt in 1.. {
        match converge(&client, cluster, &desired, &mut changes).await {
            Ok(()) => break,
            Err(Fault::Api(kube::Error::Api(status))) if status.is_conflict() && attempt < ATTEMPTS => {}
            Err(Fault::Api(error)) => return Err(api_fault(cluster, &error)),
            Err(Fault::Said(diagnostic)) => return Err(*diagnostic),
        }
    }
    let mut waiting: BTreeSet<String> = desired.into_keys().collect();
    if timeout(patience, all_ready(&client, &mut waiting)).await.is_err() {
        return Err(not_ready(running, &waiting, patience));
    }
    Ok(changes)
}

enum Fault {
    Api(kube::Error),
    Said(Box<Diagnostic>),
}

impl From<kube::Error> for Fault {
    fn from(error: kube::Error) -> Self {
        Self::Api(error)
    }
}

async fn converge(
    client: &Client,
    cluster: &str,
    desired: &BTreeMap<String, Node>,
    changes: &mut NodeChanges,
) -> Result<(), Fault> {
    let nodes: Api<Node> = Api::all(client.clone());
    let live: BTreeMap<String, Node> =
        nodes.list(&ListParams::default()).await?.items.into_iter().map(|node| (node.name_any(), node)).collect();
    if let Some(other) = desired.keys().find(|name| live.get(*name).is_some_and(|node| !is_ours(node))) {
        return Err(Fault::Said(Box::new(
            Diagnostic::error("SKY0619", format!("node `{other}` of cluster `{cluster}` was not made by skyplan"))
                .hint("rename the node pool, or delete that node"),
        )));
    }

    // First what goes: its place may be what the rest is short of.
    let surplus = live.iter().rev().filter(|(name, node)| is_ours(node) && !desired.contains_key(*name));
    let removed = stream::iter(surplus.map(|(name, _)| remove(client, name)));
    changes.deleted += count(removed.buffer_unordered(AT_ONCE)).await?;

    let missing = desired.iter().filter(|(name, _)| !live.contains_key(*name));
    let created = stream::iter(missing.map(|(_, node)| create(&nodes, node)));
    changes.created += count(created.buffer_unordered(AT_ONCE)).await?;

    let kept = desired.iter().filter_map(|(name, node)| Some((node, live.get(name)?)));
    let updated = stream::iter(kept.map(|(node, live)| update(&nodes, node, live)));
    changes.updated += count(updated.buffer_unordered(AT_ONCE)).await?;
    Ok(())
}

async fn count(done: impl futures::Stream<Item = kube::Result<bool>>) -> kube::Result<usize> {
    done.try_fold(0, |n, changed| async move { Ok(n + usize::from(changed)) }).await
}

async fn create(nodes: &Api<Node>, node: &Node) -> kube::Result<bool> {
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    nodes.create(&params, node).await?;
    Ok(true)
}

async fn update(nodes: &Api<Node>, node: &Node, live: &Node) -> kube::Result<bool> {
    let (patch, status) = difference(node, live);
    let changed = patch.is_some() || status.is_some();
    let (name, params) =
        (live.name_any(), PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() });
    if let Some(mut patch) = patch {
        // The list of taints is written whole: only over the one that was read.
        patch["metadata"]["resourceVersion"] = Value::from(live.meta().resource_version.clone());
        nodes.patch(&name, &params, &Patch::Merge(patch)).await?;
    }
    if let Some(status) = status {
        nodes.patch_status(&name, &params, &Patch::Merge(status)).await?;
    }
    Ok(changed)
}

/// Removes a node, and at once the pods on it: the cluster's own collector would do that about a
/// minute later, and nobody is there any more to end them gracefully.
async fn remove(client: &Client, name: &str) -> kube::Result<bool> {
    let nodes: Api<Node> = Api::all(client.clone());
    let gone = ignore_missing(nodes.delete(name, &DeleteParams::default()).await)?;
    let pods: Api<Pod> = Api::all(client.clone());
    let bound = pods.list_metadata(&ListParams::default().fields(&format!("spec.nodeName={name}"))).await?;
    let now = DeleteParams::default().grace_period(0);
    stream::iter(bound.items.iter().filter_map(|pod| Some((pod.namespace()?, pod.name_any()))))
        .map(|(namespace, pod)| {
            let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
            let now = &now;
            async move { ignore_missing(pods.delete(&pod, now).await) }
        })
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(gone)
}

fn ignore_missing<T>(result: kube::Result<T>) -> kube::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Watches until every node in `waiting` is ready; they are taken out one by one.
async fn all_ready(client: &Client, waiting: &mut BTreeSet<String>) {
    if waiting.is_empty() {
        return;
    }
    let config = watcher::Config::default().labels(POOL_LABEL);
    let events = watcher(Api::<Node>::all(client.clone()), config);
    pin_mut!(events);
    // A watch that breaks is taken up again by the next poll of the stream.
    while let Some(event) = events.next().await {
        if let Ok(watcher::Event::Apply(node) | watcher::Event::InitApply(node)) = event
            && is_ready(&node)
        {
            waiting.remove(&node.name_any());
            if waiting.is_empty() {
                return;
            }
        }
    }
}

fn no_nodes(running: &Running) -> Diagnostic {
    let name = &running.name;
    let lacks = if running.api_only { "kube-controller-manager and kube-scheduler" } else { "kwok" };
    Diagnostic::error("SKY0615", format!("cluster `{name}` cannot have nodes"))
        .detail(format!("It was started from a set of programs without {lacks}."))
        .hint("build the full set: make control-plane; unset KUBEBUILDER_ASSETS")
        .hint(format!("then start it again: skyplan local down {name}; skyplan local up {name}"))
}

fn api_fault(cluster: &str, error: &kube::Error) -> Diagnostic {
    Diagnostic::error("SKY0616", format!("the nodes of cluster `{cluster}` cannot be set"))
        .detail(format!("Its API says: {error}."))
        .hint(format!("see whether it is up: skyplan local list; start it: skyplan local up {cluster}"))
}

fn not_ready(running: &Running, waiting: &BTreeSet<String>, patience: Duration) -> Diagnostic {
    const NAMED: usize = 5;
    let some: Vec<&str> = waiting.iter().take(NAMED).map(String::as_str).collect();
    let more = if waiting.len() > NAMED { ", …" } else { "" };
    let log = running.kubeconfig.with_file_name("logs").join("kwok.log");
    Diagnostic::error(
        "SKY0617",
        format!("{} nodes of cluster `{}` are not ready after {} s", waiting.len(), running.name, patience.as_secs()),
    )
    .detail(format!("They are {}{more}.", some.join(", ")))
    .hint(format!("see what their simulator says: {}", log.display()))
    .hint("then run the same again: it goes on from here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_of_nodes_that_are_not_ready() {
        let running = Running {
            name: "dev".into(),
            kubeconfig: "/home/me/.local/state/skyplan/local/dev/kubeconfig".into(),
            server: String::new(),
            kube_system_uid: String::new(),
            version: String::new(),
            api_only: false,
            simulates_nodes: true,
            started: true,
        };
        let waiting = BTreeSet::from(["dev-default-0".to_owned(), "dev-default-1".to_owned()]);
        crate::render::diagnostics::golden(&not_ready(&running, &waiting, Duration::from_secs(60)), &[]);
    }
}
