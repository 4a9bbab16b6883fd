//! The few things that act: `kubernetes` (objects of any kind), `local` (control planes as child
//! processes), and [`Drivers`], the connections of one run.
//!
//! Knows how a cluster is reached, not what shall be on it: no specs, no plan, no State.

pub mod connect;
pub mod kubernetes;
pub mod local;
pub mod null;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::Mutex;

use crate::{
    diagnostic::Diagnostic,
    driver::{
        kubernetes::Cluster,
        local::{Data, LocalInfo, LocalRoot, LocalSpec, NodePool, Taint},
        null::{Maker, Nowhere},
    },
    network::{Cidr, Networks},
    observed::Connection,
    spec::ClusterDriver,
    state::record::NodePoolState,
};

/// What every operation here can fail with. Boxed, because these results pass through many futures,
/// and a diagnostic is large.
pub type Fallible<T> = Result<T, Box<Diagnostic>>;

/// How long simulated nodes may take to become ready.
const NODE_PATIENCE: Duration = Duration::from_secs(120);

/// The connections of one run.
#[derive(Debug)]
pub struct Drivers {
    project: PathBuf,
    local: LocalRoot,
    fsync: bool,
    clusters: Mutex<BTreeMap<String, (Connection, Cluster)>>,
    maker: Box<dyn Maker>,
}

/// A local cluster that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensured {
    /// Uid of its `kube-system`.
    pub uid: String,
    /// Version of its API server.
    pub version: String,
}

impl Drivers {
    /// Connections for a project: `project` is the folder that relative paths of kubeconfigs start at.
    pub fn new(project: impl Into<PathBuf>, local: LocalRoot) -> Self {
        Self { project: project.into(), local, fsync: true, clusters: Mutex::default(), maker: Box::new(Nowhere) }
    }

    /// Local clusters do not wait for the disk. For tests and benchmarks.
    #[must_use]
    pub fn without_fsync(mut self) -> Self {
        self.fsync = false;
        self
    }

    /// `Null`s are made by it. For tests of what is done with a cloud.
    #[must_use]
    pub fn with_maker(mut self, maker: Box<dyn Maker>) -> Self {
        self.maker = maker;
        self
    }

    /// Who makes `Null`s.
    pub fn maker(&self) -> &dyn Maker {
        &*self.maker
    }

    /// Where local clusters are.
    pub fn local_root(&self) -> &LocalRoot {
        &self.local
    }

    /// The cluster of that name; the connection is made once per run.
    ///
    /// # Errors
    /// The kubeconfig is missing, unreadable, or has no such context. Nothing is sent yet.
    pub async fn cluster(&self, name: &str, connection: &Connection) -> Fallible<Cluster> {
        if let Some((known, cluster)) = self.clusters.lock().await.get(name)
            && known == connection
        {
            return Ok(cluster.clone());
        }
        // Not under the lock: a credential plugin that takes its time must not hold up the others.
        let client = match connection.driver {
            ClusterDriver::Local => connect::local(name, &self.kubeconfig(name)).await?,
            ClusterDriver::Existing => connect::existing(name, connection, &self.project).await?,
        };
        let cluster = Cluster::new(name, client);
        self.clusters.lock().await.insert(name.to_owned(), (connection.clone(), cluster.clone()));
        Ok(cluster)
    }

    /// The client of a cluster, for what [`Cluster`] does not offer.
    ///
    /// # Errors
    /// Like [`Drivers::cluster`].
    pub async fn client(&self, name: &str, connection: &Connection) -> Fallible<kube::Client> {
        Ok(self.cluster(name, connection).await?.client().clone())
    }

    /// A cluster that this run is connected to already.
    pub async fn connected(&self, name: &str) -> Option<Cluster> {
        self.clusters.lock().await.get(name).map(|(_, cluster)| cluster.clone())
    }

    /// How a local cluster is, without asking it; `None` = there is none.
    ///
    /// # Errors
    /// The folder of clusters cannot be read.
    pub fn local_info(&self, name: &str) -> Fallible<Option<LocalInfo>> {
        Ok(local::find(&self.local, name)?)
    }

    /// The networks that a local cluster was made with; `None` = there is none, or it never came to be made.
    ///
    /// # Errors
    /// The folder of clusters cannot be read.
    pub fn local_networks(&self, name: &str) -> Fallible<Option<Networks>> {
        let known = self.local_info(name)?.and_then(|info| info.networks);
        let cidr = |text: &str| Cidr::parse(text).ok();
        Ok(known.map(|n| Networks { pods: cidr(&n.pods), services: cidr(&n.services) }))
    }

    /// Makes sure that a local cluster runs and has these nodes, no more and no less; and these networks, where both
    /// are known.
    ///
    /// # Errors
    /// It does not come up, or has other networks; or it is not the one that `expected` (uid of `kube-system`) names, and
    /// then its nodes are left alone.
    pub async fn ensure_cluster(
        &self,
        name: &str,
        pools: &[NodePoolState],
        networks: &Networks,
        expected: Option<&str>,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Fallible<Ensured> {
        let known = networks.pods.zip(networks.services);
        let networks =
            known.map(|(pods, services)| local::Networks { pods: pods.to_string(), services: services.to_string() });
        let spec = LocalSpec { fsync: self.fsync, networks, ..LocalSpec::new(name) };
        // Certificates and ports may be new: whoever asks next connects anew.
        self.clusters.lock().await.remove(name);
        let running = local::up(&self.local, &spec, progress).await?;
        if let Some(expected) = expected
            && expected != running.kube_system_uid
        {
            return Err(Box::new(another_cluster(name, expected, &running.kube_system_uid)));
        }
        let pools: Vec<NodePool> = pools.iter().map(node_pool).collect();
        let nodes: u32 = pools.iter().map(|p| p.count).sum();
        if nodes > 0 {
            progress(&format!("setting {nodes} nodes"));
        }
        local::sync_nodes(&running, &pools, NODE_PATIENCE).await?;
        Ok(Ensured { uid: running.kube_system_uid, version: running.version })
    }

    /// Ends a local cluster and removes its data; the answer is whether there was anything.
    ///
    /// # Errors
    /// A process does not end, or the data cannot be removed.
    pub async fn delete_cluster(&self, name: &str) -> Fallible<bool> {
        self.clusters.lock().await.remove(name);
        Ok(local::down(&self.local, name, Data::Delete).await?)
    }

    /// Where the kubeconfig of a local cluster is.
    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        Path::new(&self.local.state).join(name).join("kubeconfig")
    }
}

/// A cluster's name leads to another cluster than it did.
pub fn another_cluster(name: &str, expected: &str, found: &str) -> Diagnostic {
    Diagnostic::error("SKY0709", format!("cluster `{name}` is not the cluster it was"))
        .detail(format!("The uid of its kube-system is {found}; expected is {expected}. Nothing was written to it."))
        .hint("point the Cluster document, or its kubeconfig, back at the cluster that was meant")
        .hint("if it was made anew on purpose: plan again with `skyplan plan`")
}

fn node_pool(pool: &NodePoolState) -> NodePool {
    let mut out = NodePool::new(&pool.name, pool.count, pool.milli_cpu, pool.memory);
    out.gpus = u32::try_from(pool.gpus).unwrap_or(u32::MAX);
    out.labels.clone_from(&pool.labels);
    out.taints = pool
        .taints
        .iter()
        .map(|t| Taint { key: t.key.clone(), value: t.value.clone(), effect: format!("{:?}", t.effect) })
        .collect();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TaintEffect;

    #[test]
    fn a_recorded_pool_becomes_nodes() {
        let pool = NodePoolState {
            name: "small".into(),
            count: 3,
            milli_cpu: 2000,
            memory: 4 << 30,
            gpus: 1,
            labels: [("a".to_owned(), "b".to_owned())].into(),
            taints: vec![crate::spec::Taint { key: "k".into(), value: String::new(), effect: TaintEffect::NoSchedule }],
        };
        let made = node_pool(&pool);
        assert_eq!((made.count, made.gpus, made.pods), (3, 1, 110));
        assert_eq!(made.taints[0].effect, "NoSchedule");
    }

    #[test]
    fn golden_of_another_cluster() {
        let uid = |n: u32| format!("00000000-0000-0000-0000-{n:012}");
        crate::render::diagnostics::golden(&another_cluster("edge", &uid(1), &uid(2)), &[]);
    }
}
