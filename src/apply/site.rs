//! Which cluster an address is on, that it is the one that was planned for, and how many changes may
//! be in flight there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OnceCell, Semaphore};

use super::{executor::Run, patience::patiently};
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::{
        Drivers, Fallible, another_cluster,
        kubernetes::{Cluster, diagnose},
    },
    observed::Connection,
    plan::change::{Action, Change, Plan},
    spec::ClusterDriver,
};

/// A cluster that may be written to.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) cluster: Cluster,
    /// Uid of its `kube-system`.
    pub(super) uid: String,
}

/// Asked once: a cluster that does not answer the first is not asked again by the next thousand.
type Cell = Arc<OnceCell<Fallible<Site>>>;

/// The clusters of one apply.
pub(super) struct Sites<'a> {
    drivers: &'a Drivers,
    plan: &'a Plan,
    cells: Mutex<BTreeMap<String, Cell>>,
    seats: BTreeMap<&'a str, Semaphore>,
    /// Clusters and namespaces that this plan makes: nothing of others can be in them.
    made: BTreeSet<(&'a str, Option<&'a str>)>,
}

impl<'a> Sites<'a> {
    pub(super) fn new(plan: &'a Plan, drivers: &'a Drivers, parallelism: usize) -> Self {
        let seats = plan.changes.iter().map(|c| (c.address.cluster(), Semaphore::new(parallelism.max(1)))).collect();
        Self { drivers, plan, cells: Mutex::default(), seats, made: plan.changes.iter().filter_map(made).collect() }
    }

    pub(super) fn drivers(&self) -> &Drivers {
        self.drivers
    }

    /// A place among those that are in flight on a cluster.
    pub(super) fn seats(&self, cluster: &str) -> Option<&Semaphore> {
        self.seats.get(cluster)
    }

    pub(super) fn connection(&self, cluster: &str) -> Fallible<&Connection> {
        self.plan.clusters.get(cluster).ok_or_else(|| {
            Box::new(
                Diagnostic::error("SKY0705", format!("the plan does not say how to get at cluster `{cluster}`"))
                    .hint("plan again: `skyplan plan`"),
            )
        })
    }

    pub(super) fn is_local(&self, cluster: &str) -> bool {
        self.plan.clusters.get(cluster).is_some_and(|c| c.driver == ClusterDriver::Local)
    }

    /// The cluster that a change is about. Asked once who it is; not the one that was planned for: an
    /// error before anything is written there.
    pub(super) async fn site(&self, run: &Run<'_>, change: &Change) -> Fallible<Site> {
        let name = change.address.cluster();
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            cells.entry(name.to_owned()).or_default().clone()
        };
        let connect = || async {
            let cluster = self.drivers.cluster(name, self.connection(name)?).await?;
            let uid = patiently(run, change, async || cluster.uid().await)
                .await
                .map_err(|f| Box::new(diagnose(name, "read who it is (namespace kube-system)", &f)))?;
            Fallible::Ok(Site { cluster, uid })
        };
        let site = cell.get_or_init(connect).await.as_ref().map_err(Clone::clone)?;
        match &change.precondition.cluster_uid {
            Some(expected) if *expected != site.uid => Err(Box::new(another_cluster(name, expected, &site.uid))),
            _ => Ok(site.clone()),
        }
    }

    /// A cluster has been made, or made anew: who it is has to be asked again.
    pub(super) fn forget(&self, cluster: &str) {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }

    /// Whether the plan itself makes the place where an object will be, so that nothing of others can
    /// be in its way.
    pub(super) fn is_new(&self, change: &Change) -> bool {
        let cluster = change.address.cluster();
        let namespace = change.address.object().and_then(|o| o.namespace.as_deref());
        self.made.contains(&(cluster, None)) || (namespace.is_some() && self.made.contains(&(cluster, namespace)))
    }
}

fn made(change: &Change) -> Option<(&str, Option<&str>)> {
    match (&change.address, change.action) {
        (ResourceAddress::Cluster(name), Action::Replace) => return Some((name.as_str(), None)),
        (_, Action::Create) => {}
        _ => return None,
    }
    match &change.address {
        ResourceAddress::Cluster(name) => change.precondition.cluster_uid.is_none().then_some((name.as_str(), None)),
        ResourceAddress::Null(_) => None,
        ResourceAddress::Object(o) => {
            (o.kind == "Namespace" && o.group.is_empty()).then_some((o.cluster.as_str(), Some(o.name.as_str())))
        }
    }
}
