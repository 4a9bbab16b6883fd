//! What a plan has to know of the world: the questions, and the answers.
//!
//! The planner never asks itself: it returns [`Questions`], `observe` answers into [`Observed`],
//! and the planner is called again. The answers are part of the replay file. Values of Secrets are
//! keyed digests here already.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    network::Networks,
    packed::Packed,
    quantity::{Day, Resources},
    spec::ClusterDriver,
};

/// Group, version and kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindRef {
    /// `apps/v1`, `v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
}

/// How to get at a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Driver.
    pub driver: ClusterDriver,
    /// Kubeconfig of an existing cluster: relative to the project's root, or absolute; `None` = the
    /// user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// Context of an existing cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// What is to be found out. Everything in one value may be asked at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Questions {
    /// Clusters to reach and list.
    pub clusters: BTreeMap<String, ClusterQuestion>,
    /// Planned objects that no list showed: are they there under another's name? By address, with
    /// the kind to ask for.
    pub lookups: BTreeMap<ResourceAddress, KindRef>,
    /// Objects to be taken over, where they are there: by address, with the kind to ask for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub imports: BTreeMap<ResourceAddress, KindRef>,
    /// Namespaces and definitions that are to go, and what is to be looked for in them: objects of others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holdings: BTreeMap<ResourceAddress, HoldingQuestion>,
    /// Objects to send as a dry-run of a server-side apply, by address. Secret values are keyed
    /// digests: whoever answers puts the real ones in.
    pub dry_runs: BTreeMap<ResourceAddress, DryRunQuestion>,
}

impl Questions {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
            && self.lookups.is_empty()
            && self.imports.is_empty()
            && self.holdings.is_empty()
            && self.dry_runs.is_empty()
    }
}

/// What is to be found out of one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterQuestion {
    /// How to get at it.
    pub connection: Connection,
    /// Kinds to list, by the label `skyplan.io/lineage`.
    pub kinds: BTreeSet<KindRef>,
    /// The label's value.
    pub lineage: String,
    /// Namespaces that objects of ours are, were or shall be in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub namespaces: BTreeSet<String>,
    /// Whether free capacity matters (it is not skyplan's cluster).
    pub capacity: bool,
    /// In which version an object is to be seen, where its kind is listed in several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<ResourceAddress, String>,
    /// Uids of our own workloads: their pods do not count as used.
    pub ours: BTreeSet<String>,
}

/// What objects of others are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldingQuestion {
    /// Which: of one kind anywhere, or (`None`) of any kind in a namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindRef>,
    /// Objects with this label `skyplan.io/lineage` are ours.
    pub lineage: String,
}

/// Objects of others in something that is to go. What controllers make by themselves does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// How many there are.
    pub count: u64,
    /// Some of them, sorted: `ConfigMap notes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub some: Vec<String>,
    /// Digest of all of them, so that a change is noticed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Of which kind, where it is about one; else all that are in a namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindRef>,
    /// Kinds that nobody let us look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
}

/// An object to send as a dry-run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRunQuestion {
    /// The object, with its marks.
    pub object: Value,
    /// Field manager.
    pub manager: String,
    /// Whether fields of other managers are taken from them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// All that was found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// By name of the cluster.
    pub clusters: BTreeMap<String, ClusterObserved>,
    /// Objects found by name that no list showed; `None` = not there.
    pub lookups: BTreeMap<ResourceAddress, Option<Stranger>>,
    /// Objects to be taken over, cleaned and redacted; `None` = not there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub imports: BTreeMap<ResourceAddress, Option<Value>>,
    /// What of others is in namespaces and definitions that are to go.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holdings: BTreeMap<ResourceAddress, Holding>,
    /// Answers of dry-runs.
    pub dry_runs: BTreeMap<ResourceAddress, DryRun>,
    /// Bytes a second that clusters receive, by name, for the strategy `MostTraffic`; a cluster that is not
    /// here receives nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub traffic: BTreeMap<String, u64>,
    /// Networks of local clusters, by name: what they were made with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, Networks>,
    /// There are no more answers to be had: nobody is asked. What is missing stays unknown, and what
    /// is planned without it is marked `unverified`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// The day on which it was found out; `None` where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub today: Option<Day>,
}

/// What was found out of one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "reach")]
pub enum ClusterObserved {
    /// It is not there (a local cluster that does not exist).
    Absent,
    /// It does not answer.
    Unreachable {
        /// Why, and what to do.
        why: Box<Diagnostic>,
    },
    /// It answers.
    #[serde(rename_all = "camelCase")]
    Reached {
        /// Uid of its `kube-system`.
        uid: String,
        /// Version of its API server.
        version: String,
        /// Kinds that were asked for and are served, and whether they live in namespaces.
        served: BTreeMap<String, bool>,
        /// All namespaces, by name: whether they are being deleted.
        namespaces: BTreeMap<String, bool>,
        /// Objects with our lineage's label, by address, without noise, Secrets redacted.
        /// `managedFields` are kept.
        objects: BTreeMap<ResourceAddress, Packed>,
        /// Free capacity, node by node, when it was asked for.
        free: Vec<FreeNode>,
        /// Nodes per pool (label `skyplan.io/node-pool`) of a local cluster.
        pools: BTreeMap<String, u32>,
    },
}

impl KindRef {
    /// `apps/v1/Deployment`: the key of [`ClusterObserved::Reached`]'s `served`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.api_version, self.kind)
    }
}

/// What a node has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreeNode {
    /// Name.
    pub name: String,
    /// Thousandths of a CPU.
    pub milli_cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// GPUs.
    pub gpus: u64,
    /// Pods.
    pub pods: u64,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its taints as `key=value:Effect`.
    #[serde(default)]
    pub taints: Vec<crate::spec::Taint>,
}

impl FreeNode {
    /// The four numbers.
    pub fn resources(&self) -> Resources {
        Resources { milli_cpu: self.milli_cpu, memory: self.memory, gpus: self.gpus, pods: self.pods }
    }
}

/// An object that is there and does not carry our label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stranger {
    /// Uid.
    pub uid: String,
    /// Managers of its fields, sorted, such as `kubectl-client-side-apply`.
    pub managers: Vec<String>,
    /// The label `skyplan.io/lineage` of another project, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
}

/// The answer of a dry-run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "answer")]
pub enum DryRun {
    /// What the object would be, cleaned and redacted like [`ClusterObserved::Reached`]'s objects.
    Applied {
        /// The merged object.
        object: Value,
    },
    /// Other managers own fields that we would set.
    Conflict {
        /// Field path → manager, as the server words them.
        causes: Vec<(String, String)>,
    },
    /// A field that cannot be changed in place.
    Immutable {
        /// The server's words.
        message: String,
    },
    /// Refused: invalid, denied by admission, forbidden.
    Refused {
        /// HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
}
