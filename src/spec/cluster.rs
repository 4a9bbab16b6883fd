//! `Cluster`: a cluster that is there or shall be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{At, ClusterNetwork};
use crate::quantity::{Bytes, MilliCpu};

/// A cluster that is there or shall be.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Name, unique in the project.
    pub name: At<String>,
    /// The `ProviderProfile` it is in; needed for prices and latencies.
    pub provider_ref: Option<At<String>>,
    /// A zone of that provider; default: its default zone.
    pub zone: Option<At<String>>,
    /// How skyplan gets at it.
    pub driver: At<ClusterDriver>,
    /// For `driver: local`.
    pub local: Option<At<LocalBlock>>,
    /// For `driver: existing`.
    pub existing: Option<At<ExistingBlock>>,
    /// Nodes that placement may buy.
    #[serde(default)]
    pub node_pools: Vec<At<NodePool>>,
    /// Its networks.
    pub networks: Option<At<ClusterNetwork>>,
    /// Labels that selectors match.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What keeps components away that do not tolerate it. `PreferNoSchedule` keeps none away.
    #[serde(default)]
    pub taints: Vec<At<Taint>>,
    /// What happens to it when its document goes; default `delete` for what skyplan made.
    pub deletion_policy: Option<DeletionPolicy>,
}

/// How skyplan gets at a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClusterDriver {
    /// It is there; only its objects are skyplan's.
    Existing,
    /// A real control plane as child processes on this machine, with simulated nodes.
    Local,
}

/// What happens to something when the specs no longer have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeletionPolicy {
    /// It is deleted.
    #[default]
    Delete,
    /// It is left as it is and forgotten.
    Retain,
}

/// `driver: local`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalBlock {
    /// Simulated nodes when there are no `nodePools`; default 1.
    pub nodes: Option<u32>,
    /// CPUs of each; default 8.
    pub cpu: Option<MilliCpu>,
    /// Memory of each; default 32Gi.
    pub memory: Option<Bytes>,
}

/// `driver: existing`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingBlock {
    /// Path of a kubeconfig, relative to the file it is written in; default: `KUBECONFIG`, then
    /// `~/.kube/config`.
    pub kubeconfig: Option<At<String>>,
    /// Its context; default: the current one.
    pub context: Option<At<String>>,
}

/// Nodes of one kind.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodePool {
    /// Name of the pool; default: the offering's, with what a node's name may not have replaced.
    pub name: Option<At<String>>,
    /// An offering of the cluster's provider.
    pub offering: At<String>,
    /// Fewest nodes; default 0. A pool with a minimum keeps the cluster there in any case.
    #[serde(default)]
    pub min: u32,
    /// Most nodes; absent = as many as the offering has.
    pub max: Option<u32>,
    /// Whether its nodes are bought at the offering's `spotPrice`; default false. They carry the label and taint
    /// `skyplan.io/spot=true:NoSchedule`, and take components with `spot: true` only.
    #[serde(default)]
    pub spot: bool,
    /// Labels of its nodes.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes.
    #[serde(default)]
    pub taints: Vec<Taint>,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What it does to pods that do not tolerate it.
    pub effect: TaintEffect,
}

impl TaintEffect {
    /// The word in the specs.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

impl Taint {
    /// As `kubectl` writes it: `key=value:effect`.
    pub fn words(&self) -> String {
        let value = if self.value.is_empty() { String::new() } else { format!("={}", self.value) };
        format!("{}{value}:{}", self.key, self.effect.word())
    }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// New pods stay away.
    NoSchedule,
    /// New pods stay away if they can.
    PreferNoSchedule,
    /// Pods that are there leave.
    NoExecute,
}
