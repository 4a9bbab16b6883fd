//! What is remembered of one resource: enough to compare it without asking, and to delete it when
//! its specs are gone.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    address::ResourceAddress,
    compile::model::Protection,
    diagnostic::Origin,
    network::Networks,
    packed::Packed,
    spec::{ClusterDriver, DeletionPolicy, Taint},
};

/// One resource that skyplan made or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Serial of the log entry that wrote this record; filled in by replay.
    #[serde(default)]
    pub serial: u64,
    /// What it is.
    #[serde(flatten)]
    pub detail: RecordDetail,
    /// Resources that must be deleted after this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ResourceAddress>,
    /// Where it was written when it was applied; the file may be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum RecordDetail {
    /// A cluster.
    Cluster(ClusterRecord),
    /// A `Null`.
    Null(NullRecord),
    /// A Kubernetes object.
    Object(ObjectRecord),
}

/// What is remembered of a `Null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NullRecord {
    /// What it was called when it was made: another one has another.
    pub id: String,
    /// What it was given.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
}

/// What is remembered of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRecord {
    /// How skyplan gets at it.
    pub driver: ClusterDriver,
    /// Kubeconfig of an existing cluster: path as in [`crate::compile::model::Access`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// Context of an existing cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Uid of the namespace `kube-system`: which incarnation of the cluster this is about.
    pub uid: String,
    /// Nodes that were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<NodePoolState>,
    /// What happens when its document goes.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Its networks, as far as they are known: leased, or written.
    #[serde(default, skip_serializing_if = "Networks::is_empty")]
    pub networks: Networks,
}

impl ClusterRecord {
    /// What it has: one that was made before networks were leased has those that all had then.
    pub fn networks(&self) -> Networks {
        let first = self.driver == ClusterDriver::Local && self.networks.is_empty();
        if first { Networks::FIRST } else { self.networks }
    }
}

/// Nodes of one pool: how many, and what each is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePoolState {
    /// Name of the pool.
    pub name: String,
    /// Number of nodes.
    pub count: u32,
    /// Thousandths of a CPU of each.
    pub milli_cpu: u64,
    /// Bytes of each.
    pub memory: u64,
    /// GPUs of each.
    #[serde(default)]
    pub gpus: u64,
    /// Labels of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Taints of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

/// What is remembered of a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRecord {
    /// API version that it was applied with.
    pub api_version: String,
    /// Uid of the object.
    pub uid: String,
    /// Uid of the cluster's `kube-system`: which incarnation it is on.
    pub cluster_uid: String,
    /// Digest of what was sent (secret values as keyed digests).
    pub sent: String,
    /// `fieldsV1` of our one manager entry, from the apply's response.
    pub owned: Packed,
    /// Digest of the response's projection on `owned` (see [`crate::plan::projection`]).
    pub projection: String,
    /// Paths of fields that were not sent, because they were left to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Components that it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// It was applied and has not been seen to become ready since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unready: bool,
    /// It has run to its end (a Job): that it is gone says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// What keeps it from being deleted when its specs are gone.
    #[serde(default, skip_serializing_if = "Protection::is_none")]
    pub protection: Protection,
}

/// An output as it was read last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedOutput {
    /// Its value; by cluster where it was read from several; null where there was none.
    pub value: Value,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The field that was read.
    pub path: String,
    /// What it was read from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<ResourceAddress>,
}

/// Where every component was placed by the last apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementRecord {
    /// Component → where it runs.
    pub components: BTreeMap<String, PlacedInstance>,
    /// Names of all clusters that could be chosen.
    pub clusters: Vec<String>,
    /// Total cost per month of 730 hours, in micro-dollars as decimal text.
    pub monthly: crate::money::MicroUsd,
}

impl PlacementRecord {
    /// `now`, with all that a plan changes: it was made from `before`, and others may have remembered
    /// something about other components since.
    #[must_use]
    pub fn with_changes(now: &Self, before: &Self, planned: &Self) -> Self {
        let mut merged = now.clone();
        for (name, placed) in &planned.components {
            if before.components.get(name) != Some(placed) {
                merged.components.insert(name.clone(), placed.clone());
            }
        }
        merged
            .components
            .retain(|name, _| planned.components.contains_key(name) || !before.components.contains_key(name));
        if planned.clusters != before.clusters {
            merged.clusters.clone_from(&planned.clusters);
        }
        merged.monthly += planned.monthly - before.monthly;
        merged
    }
}

/// Where one component was placed, and by which words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedInstance {
    /// Clusters, sorted.
    pub clusters: Vec<String>,
    /// Digest of what the specs say of it: reconsidered when it changes.
    pub spec: String,
    /// Cluster → replicas, where a strategy has divided them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub portions: BTreeMap<String, u32>,
    /// Replicas that found no room: later plans place them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::MicroUsd;

    fn placed(components: &[(&str, &str)], monthly: i64) -> PlacementRecord {
        let at = |cluster: &str| PlacedInstance {
            clusters: vec![cluster.into()],
            spec: String::new(),
            portions: BTreeMap::new(),
            missing: 0,
        };
        PlacementRecord {
            components: components.iter().map(|(name, cluster)| ((*name).to_owned(), at(cluster))).collect(),
            clusters: Vec::new(),
            monthly: MicroUsd(monthly),
        }
    }

    #[test]
    fn what_two_applies_placed_at_the_same_time_is_all_remembered() {
        let before = placed(&[("a", "x"), ("b", "x"), ("old", "x")], 10);
        let one = placed(&[("a", "y"), ("b", "x"), ("old", "x")], 12);
        let two = placed(&[("a", "x"), ("b", "z"), ("new", "z")], 15);
        let first = PlacementRecord::with_changes(&before, &before, &one);
        assert_eq!(first, one);
        let both = PlacementRecord::with_changes(&first, &before, &two);
        assert_eq!(both, placed(&[("a", "y"), ("b", "z"), ("new", "z")], 17));
    }
}
