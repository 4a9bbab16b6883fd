//! Which kinds a server has: one request per group and version, remembered for the run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResourceList};
use kube::core::ApiResource;
use tokio::sync::OnceCell;

use super::{fault::Fault, requests::Cluster};
use crate::observed::KindRef;

/// A kind that a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Group, version, kind and the word in paths.
    pub resource: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether its objects are made, listed and deleted: views of others are not.
    pub kept: bool,
}

impl Served {
    /// A kind that every server has, without asking.
    fn core(kind: &str, plural: &str, namespaced: bool) -> Self {
        let resource = ApiResource {
            group: String::new(),
            version: "v1".to_owned(),
            api_version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        Self { resource, namespaced, kept: true }
    }

    /// `Namespace`.
    pub fn namespaces() -> Self {
        Self::core("Namespace", "namespaces", false)
    }

    /// `Node`.
    pub fn nodes() -> Self {
        Self::core("Node", "nodes", false)
    }

    /// `Pod`.
    pub fn pods() -> Self {
        Self::core("Pod", "pods", true)
    }

    /// `Event`.
    pub fn events() -> Self {
        Self::core("Event", "events", true)
    }
}

/// Kinds of one group and version, by name.
type Kinds = BTreeMap<String, Served>;

/// What was found out so far. Each group and version has its own cell, so that many who ask at once
/// cause one request.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    groups: Mutex<BTreeMap<String, Arc<OnceCell<Kinds>>>>,
}

impl Discovery {
    /// How a kind is served; `None` = it is not.
    pub(super) async fn kind(&self, cluster: &Cluster, kind: &KindRef) -> Result<Option<Served>, Fault> {
        let cell = self.cell(&kind.api_version);
        let kinds = cell.get_or_try_init(|| ask(cluster, &kind.api_version)).await?;
        Ok(kinds.get(&kind.kind).cloned())
    }

    /// All kinds, each in the version that the server prefers; and APIs that do not answer.
    pub(super) async fn all(&self, cluster: &Cluster) -> Result<(Vec<Served>, Vec<String>), Fault> {
        let groups = cluster.look::<APIGroupList>("", "apis").await?.groups.into_iter();
        let preferred = groups.filter_map(|g| {
            let version = g.preferred_version.or_else(|| g.versions.into_iter().next())?;
            Some(version.group_version)
        });
        let all = std::iter::once("v1".to_owned()).chain(preferred).map(|version| async move {
            let cell = self.cell(&version);
            let kinds = cell.get_or_try_init(|| ask(cluster, &version)).await;
            (kinds.map(|kinds| kinds.values().cloned().collect::<Vec<_>>()), version)
        });
        let (mut kinds, mut silent) = (Vec::new(), Vec::new());
        for (found, version) in join_all(all).await {
            match found {
                Ok(found) => kinds.extend(found),
                // Of a server behind the server.
                Err(Fault::Failing(..)) => silent.push(version),
                Err(fault) => return Err(fault),
            }
        }
        Ok((kinds, silent))
    }

    fn cell(&self, api_version: &str) -> Arc<OnceCell<Kinds>> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.entry(api_version.to_owned()).or_default().clone()
    }

    /// Like [`Discovery::kind`], asking anew for one that was not there. Many who miss it at once cause one request.
    pub(super) async fn kind_by_now(&self, cluster: &Cluster, kind: &KindRef) -> Result<Option<Served>, Fault> {
        let cell = self.cell(&kind.api_version);
        let known = cell.initialized();
        let kinds = cell.get_or_try_init(|| ask(cluster, &kind.api_version)).await?;
        if let Some(served) = kinds.get(&kind.kind).cloned() {
            return Ok(Some(served));
        }
        if known {
            let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            if groups.get(&kind.api_version).is_some_and(|now| Arc::ptr_eq(now, &cell)) {
                groups.remove(&kind.api_version);
            }
        } else {
            return Ok(None);
        }
        self.kind(cluster, kind).await
    }
}

async fn ask(cluster: &Cluster, api_version: &str) -> Result<Kinds, Fault> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let path = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
    let resources = match cluster.look::<APIResourceList>(&path, version).await {
        Ok(list) => list.resources,
        Err(Fault::NotFound) => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let own = resources.into_iter().filter(|r| !r.name.contains('/'));
    let kinds = own.map(|r| {
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: api_version.to_owned(),
            kind: r.kind.clone(),
            plural: r.name,
        };
        let kept = ["create", "delete", "list"].iter().all(|verb| r.verbs.iter().any(|v| v == verb));
        (r.kind, Served { resource, namespaced: r.namespaced, kept })
    });
    Ok(kinds.collect())
}
