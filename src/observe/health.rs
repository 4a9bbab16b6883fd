//! How what was applied is doing, for `skyplan status`: one list per cluster and kind.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, future::join_all, stream};

use super::{AT_ONCE, cluster};
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::{
        Drivers, Fallible,
        kubernetes::{self, Health, address, replicas},
    },
    observed::{Connection, KindRef},
    spec::ClusterDriver,
};

/// What to look at on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthTarget {
    /// How to get at it.
    pub connection: Connection,
    /// Kinds to list, by the label `skyplan.io/lineage`.
    pub kinds: BTreeSet<KindRef>,
    /// The label's value.
    pub lineage: String,
}

/// How one object is doing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectHealth {
    /// Whether it is as its spec wants it.
    pub health: Health,
    /// Replicas ready and wanted, such as `3/3`, for what has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<String>,
    /// Uid, to tell it from another of its name.
    pub uid: String,
}

/// How everything is doing, cluster by cluster; a cluster that cannot be asked says why.
pub async fn health(
    drivers: &Drivers,
    targets: &BTreeMap<String, HealthTarget>,
) -> BTreeMap<String, Result<BTreeMap<ResourceAddress, ObjectHealth>, Box<Diagnostic>>> {
    let all = targets.iter().map(|(name, target)| async move { (name.clone(), of(drivers, name, target).await) });
    join_all(all).await.into_iter().collect()
}

async fn of(drivers: &Drivers, name: &str, target: &HealthTarget) -> Fallible<BTreeMap<ResourceAddress, ObjectHealth>> {
    if target.connection.driver == ClusterDriver::Local && !cluster::stands(drivers, name)? {
        return Err(Box::new(
            Diagnostic::error("SKY0707", format!("local cluster `{name}` is not there")).hint("make it: skyplan apply"),
        ));
    }
    let handle = drivers.cluster(name, &target.connection).await?;
    let labels = format!("skyplan.io/lineage={}", target.lineage);
    let lists = target.kinds.iter().map(|kind| {
        let (handle, labels) = (&handle, &labels);
        async move {
            let what = format!("list {}", kind.kind);
            let failed = |f| cluster::fault(name, &what, &f);
            let Some(served) = handle.kind(kind).await.map_err(failed)? else { return Fallible::Ok(Vec::new()) };
            handle.list(&served, labels).await.map_err(failed)
        }
    });
    let lists: Vec<_> = stream::iter(lists.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(lists
        .iter()
        .flatten()
        .map(|object| {
            let health = ObjectHealth {
                health: kubernetes::health(object),
                replicas: replicas(object).map(|(ready, want)| format!("{ready}/{want}")),
                uid: object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            };
            (address(name, object), health)
        })
        .collect())
}
