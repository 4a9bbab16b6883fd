//! One cluster: what it serves, its namespaces, and what of ours is on it.
//!
//! Three round trips at most: discovery and the small questions, the lists, further pages.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use kube::core::params::ListParams;
use serde_json::Value;

use super::{AT_ONCE, capacity};
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::{
        Drivers, Fallible,
        kubernetes::{self, Cluster, Fault, Served, address, clean},
        local::LocalState,
    },
    observed::{ClusterObserved, ClusterQuestion, FreeNode, KindRef},
    packed::Packed,
    spec::ClusterDriver,
};

/// What a node of a local cluster says about its pool.
const POOL_LABEL: &str = "skyplan.io/node-pool";

/// What is to be known of one cluster; faults are part of the answer.
pub(super) async fn observe(
    drivers: &Drivers,
    name: &str,
    question: &ClusterQuestion,
    secret_key: &str,
) -> ClusterObserved {
    if question.connection.driver == ClusterDriver::Local {
        match stands(drivers, name) {
            Ok(true) => {}
            Ok(false) => return ClusterObserved::Absent,
            Err(why) => return ClusterObserved::Unreachable { why },
        }
    }
    match reach(drivers, name, question, secret_key).await {
        Ok(reached) => reached,
        Err(mut why) => {
            if question.connection.driver == ClusterDriver::Local && why.code == "SKY0701" {
                why.hints = vec![format!("start it again: skyplan local up {name}")];
            }
            ClusterObserved::Unreachable { why }
        }
    }
}

/// Whether a local cluster is there and runs, as far as can be seen without asking it.
pub(super) fn stands(drivers: &Drivers, name: &str) -> Fallible<bool> {
    let Some(info) = drivers.local_info(name)? else { return Ok(false) };
    match info.state {
        LocalState::Running => Ok(true),
        // Something of it lives: it may answer all the same.
        LocalState::Broken(_) if !info.pids.is_empty() => Ok(true),
        // A start that never came to its end left nothing that anybody could have used.
        LocalState::Broken(_) if info.server.is_empty() => Ok(false),
        LocalState::Broken(_) | LocalState::Stopped => Err(Box::new(stopped(name))),
    }
}

fn stopped(name: &str) -> Diagnostic {
    Diagnostic::error("SKY0707", format!("local cluster `{name}` is stopped"))
        .detail("Its data are there, its processes are not; they do not survive a restart of the machine.")
        .hint(format!("start it again: skyplan local up {name}"))
}

async fn reach(
    drivers: &Drivers,
    name: &str,
    question: &ClusterQuestion,
    secret_key: &str,
) -> Fallible<ClusterObserved> {
    let cluster = drivers.cluster(name, &question.connection).await?;
    let ask = Ask { cluster: &cluster };
    let local = question.connection.driver == ClusterDriver::Local;
    let namespaces = Served::namespaces();
    let (version, namespaces, kinds, nodes) = futures::try_join!(
        ask.one("tell its version", cluster.version()),
        ask.one("list Namespace", cluster.list_metadata(&namespaces, "")),
        ask.kinds(question, secret_key),
        ask.nodes(local, question),
    )?;
    let uid = namespaces
        .iter()
        .find(|n| n["metadata"]["name"] == "kube-system")
        .and_then(|n| n["metadata"]["uid"].as_str())
        .ok_or_else(|| fault(name, "list Namespace", &Fault::Refused(404, "there is no kube-system".into())))?
        .to_owned();
    let namespaces = namespaces.iter().filter_map(|n| {
        let going = n["metadata"]["deletionTimestamp"].is_string();
        Some((n["metadata"]["name"].as_str()?.to_owned(), going))
    });
    let (served, objects) = kinds;
    let (free, pools) = nodes;
    Ok(ClusterObserved::Reached { uid, version, served, namespaces: namespaces.collect(), objects, free, pools })
}

/// Questions to one cluster.
struct Ask<'a> {
    cluster: &'a Cluster,
}

impl Ask<'_> {
    async fn one<T>(&self, what: &str, answer: impl Future<Output = Result<T, Fault>>) -> Fallible<T> {
        answer.await.map_err(|f| fault(self.cluster.name(), what, &f))
    }

    /// Kinds that are served, and all objects of them with our label.
    async fn kinds(
        &self,
        question: &ClusterQuestion,
        secret_key: &str,
    ) -> Fallible<(BTreeMap<String, bool>, BTreeMap<ResourceAddress, Packed>)> {
        let labels = format!("skyplan.io/lineage={}", question.lineage);
        let lists = question.kinds.iter().map(|kind| {
            let labels = &labels;
            async move {
                let what = format!("tell whether it serves {}", kind.key());
                let Some(served) = self.one(&what, self.cluster.kind(kind)).await? else { return Ok(None) };
                let what = format!("list {}", kind.kind);
                let listed = self.one(&what, self.listed(&served, labels, &question.namespaces)).await?;
                Fallible::Ok(Some((kind.key(), served.namespaced, listed)))
            }
        });
        // Collected, because a stream that holds the closure could not move between threads.
        let mut lists = stream::iter(lists.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        let (mut served, mut found) = (BTreeMap::new(), Vec::new());
        while let Some(list) = lists.try_next().await? {
            let Some((key, namespaced, listed)) = list else { continue };
            served.insert(key, namespaced);
            found.extend(listed);
        }
        let mut objects = BTreeMap::new();
        for object in found {
            let address = address(self.cluster.name(), &object);
            let kind = object["kind"].as_str().unwrap_or_default();
            // Seen in another version it has other fields: only where there is no such version any more.
            let wanted = question.versions.get(&address).filter(|version| {
                served.contains_key(&KindRef { api_version: (*version).clone(), kind: kind.to_owned() }.key())
            });
            if wanted.is_none_or(|version| object["apiVersion"] == *version) {
                objects.insert(address, clean(object, secret_key).into());
            }
        }
        Ok((served, objects))
    }

    /// Everywhere at once; where that is forbidden, and for Secrets always, in the namespaces that are in use: nobody
    /// needs the right to read all Secrets of a cluster.
    async fn listed(&self, kind: &Served, labels: &str, namespaces: &BTreeSet<String>) -> Result<Vec<Value>, Fault> {
        if !is_secret(kind) {
            match self.cluster.list(kind, labels).await {
                Err(Fault::Forbidden(_)) if kind.namespaced => {}
                listed => return listed,
            }
        }
        let select = ListParams::default().labels(labels);
        let each = namespaces.iter().map(|namespace| self.cluster.list_in(kind, namespace, &select));
        Ok(try_join_all(each).await?.into_iter().flatten().collect())
    }

    /// Free capacity, where it is asked for; nodes per pool, where skyplan makes them.
    async fn nodes(&self, local: bool, question: &ClusterQuestion) -> Fallible<(Vec<FreeNode>, BTreeMap<String, u32>)> {
        let mut pools = BTreeMap::new();
        if local {
            let listed = self.one("list Node", self.cluster.list_metadata(&Served::nodes(), POOL_LABEL)).await?;
            for node in &listed {
                if let Some(pool) = node["metadata"]["labels"][POOL_LABEL].as_str() {
                    *pools.entry(pool.to_owned()).or_insert(0) += 1;
                }
            }
        }
        if !question.capacity {
            return Ok((Vec::new(), pools));
        }
        let kind = |api_version: &str, kind: &str| KindRef { api_version: api_version.into(), kind: kind.into() };
        let owners = if question.ours.is_empty() {
            Vec::new()
        } else {
            // What stands between a workload and its pods.
            let between = [kind("apps/v1", "ReplicaSet"), kind("batch/v1", "Job")];
            let mut all = Vec::new();
            for kind in &between {
                if let Some(served) = self.one("tell its kinds", self.cluster.kind(kind)).await? {
                    let what = format!("list {}", kind.kind);
                    all.extend(self.one(&what, self.cluster.list_metadata(&served, "")).await?);
                }
            }
            all
        };
        let (nodes, pods) = (Served::nodes(), Served::pods());
        let (nodes, pods) = futures::try_join!(
            self.one("list Node", self.cluster.list(&nodes, "")),
            self.one("list Pod", self.cluster.list(&pods, "")),
        )?;
        Ok((capacity::free(&nodes, &pods, &owners, &question.ours), pools))
    }
}

fn is_secret(kind: &Served) -> bool {
    kind.resource.group.is_empty() && kind.resource.kind == "Secret"
}

pub(super) fn fault(cluster: &str, what: &str, fault: &Fault) -> Box<Diagnostic> {
    Box::new(kubernetes::diagnose(cluster, what, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_of_a_stopped_cluster() {
        crate::render::diagnostics::golden(&stopped("dev"), &[]);
    }
}
