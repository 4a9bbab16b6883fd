//! What the specs come to: names resolved, defaults filled, policies joined to components.
//!
//! Everything is sorted by name, so that a model does not depend on the order of files. Plain data.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde::{Deserialize, Serialize};

pub use super::{
    lifecycles::{Lifecycle, Protection},
    pods::Surge,
};
use crate::{
    address::ResourceAddress,
    diagnostic::Origin,
    money::MicroUsd,
    network::{Cidr, Networks, Pool as NetworkPool, Use},
    quantity::{Day, Micros, Percent, Resources},
    spec::{
        ClusterDriver, DeletionPolicy, EgressTo, GpuNeed, Platform, RenderedSource, StrategyName, Subject, Taint,
        ZoneType,
    },
    trust::Trust,
};

/// A project, understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Name of the project.
    pub project: String,
    /// Which of its environments this is; `None` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Identity of its state.
    pub lineage: String,
    /// Where its state is kept: a `file://` URL.
    pub state_url: Option<String>,
    /// Who may sign what is applied.
    #[serde(default, skip_serializing_if = "Trust::is_empty")]
    pub trust: Trust,
    /// For whom secret values are sealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// How places are chosen.
    pub settings: Settings,
    /// What networks are leased from, where that is written, with its line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<Use, (NetworkPool, Origin)>,
    /// Clusters, sorted by name.
    pub clusters: Vec<Cluster>,
    /// Components of all applications, sorted by name.
    pub components: Vec<Component>,
    /// Objects of all applications, in the order of sources.
    pub objects: Vec<AppObject>,
    /// Nothings, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<Null>,
    /// Flows, sorted by (from, to).
    pub flows: Vec<Flow>,
    /// Latency between clusters, by index; `None` = not known.
    pub latency: Vec<Vec<Option<Micros>>>,
    /// Bits a second between clusters, by index; `None` = not known. Empty = known of none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bandwidth: Vec<Vec<Option<u64>>>,
    /// Values to know after an apply, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// How old prices are; `None` where no file of the catalogue is locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// What has other names, is let go, or is taken over.
    #[serde(default, skip_serializing_if = "Surgery::is_empty")]
    pub surgery: Surgery,
    /// Sources that were rendered, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rendered: Vec<RenderedSource>,
}

/// What the specs say of what is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surgery {
    /// Other names for the same, each in one step, sorted.
    pub moved: Vec<Renamed>,
    /// What is left as it is, and no longer remembered, sorted.
    pub removed: Vec<Noted>,
    /// What is there already, and is taken over, sorted.
    pub imports: Vec<Noted>,
}

impl Model {
    /// What networks are leased from: what is written, else the usual ones.
    pub fn pool(&self, what: Use) -> Cow<'_, NetworkPool> {
        self.pools.get(&what).map_or_else(|| Cow::Owned(NetworkPool::usual(what)), |(pool, _)| Cow::Borrowed(pool))
    }
}

impl Surgery {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.moved.is_empty() && self.removed.is_empty() && self.imports.is_empty()
    }
}

/// One thing and its two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// What it was called.
    pub from: Subject,
    /// What it is called.
    pub to: Subject,
    /// Where that is written.
    pub origin: Origin,
}

/// An address and where it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// Address.
    pub address: ResourceAddress,
    /// Where.
    pub origin: Origin,
}

/// A `Null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Null {
    /// Name.
    pub name: String,
    /// Where it is written.
    pub origin: Origin,
    /// What it is given.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub input: serde_json::Value,
    /// Names of others that must be there first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// How old the prices of the profiles are that clusters stand on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// Older ones are warned of.
    pub max_age: Micros,
    /// Profiles of the catalogue, sorted by name.
    pub profiles: Vec<PricesOf>,
    /// Whether other profiles that clusters stand on were written by hand.
    pub by_hand: bool,
}

/// The prices of one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricesOf {
    /// Profile.
    pub profile: String,
    /// The day that their age is counted from.
    pub as_of: Day,
    /// Whether somebody changed the file since.
    pub edited: bool,
    /// The day in the lock.
    pub origin: Origin,
}

/// A value to know after an apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Name.
    pub name: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// The only cluster that it is read from; `None` = all that have what it is read from.
    pub cluster: Option<String>,
    /// What it is read from.
    pub source: OutputSource,
    /// Field.
    pub path: String,
    /// Where it is written.
    pub origin: Origin,
}

/// What an output is read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputSource {
    /// How a cluster is got at.
    Connection,
    /// An object of an application.
    Object {
        /// API version.
        api_version: String,
        /// Kind.
        kind: String,
        /// Namespace, as it is written or filled in.
        namespace: Option<String>,
        /// Name.
        name: String,
    },
}

/// How places are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The time that cost is summed over.
    pub horizon: Micros,
    /// What one move is counted as.
    pub move_cost: MicroUsd,
    /// Latency bounds are `<`.
    pub strict_latency: bool,
    /// Part of every node that stays free.
    pub headroom: Percent,
    /// What fewer moves may cost, as a part of what is reconsidered.
    #[serde(default)]
    pub hysteresis: Percent,
    /// When a search is near enough.
    #[serde(default)]
    pub gap: Percent,
    /// How long a search may take.
    #[serde(default)]
    pub deadline: Micros,
}

/// A cluster and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Name.
    pub name: String,
    /// Its document.
    pub origin: Origin,
    /// How skyplan gets at it.
    pub access: Access,
    /// Where it stands; `None` without `providerRef`.
    pub site: Option<Site>,
    /// Control plane, per hour.
    pub fee: MicroUsd,
    /// Nodes that can be bought, sorted by name.
    pub pools: Vec<Pool>,
    /// What can be bought at most, with its line.
    pub quota: Option<(Resources, Origin)>,
    /// Labels that selectors match.
    pub labels: BTreeMap<String, String>,
    /// What keeps components away, each with its line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<(Taint, Origin)>,
    /// What happens when its document goes.
    pub deletion_policy: DeletionPolicy,
    /// What is written of its networks, each with its line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<Use, (Cidr, Origin)>,
}

impl Cluster {
    /// How skyplan gets at it, as in the specs.
    pub fn driver(&self) -> ClusterDriver {
        match self.access {
            Access::Existing { .. } => ClusterDriver::Existing,
            Access::Local { .. } => ClusterDriver::Local,
        }
    }

    /// What is written of its networks.
    pub fn written(&self) -> Networks {
        let network = |what| self.networks.get(&what).map(|(network, _)| *network);
        Networks { pods: network(Use::Pods), services: network(Use::Services) }
    }

    /// Whether it stands whether anything runs on it or not.
    pub fn always(&self) -> bool {
        matches!(self.access, Access::Existing { .. }) || self.pools.iter().any(|p| p.min > 0)
    }
}

/// How skyplan gets at a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// By a kubeconfig.
    Existing {
        /// Path relative to the project's root, or absolute; `None` = the user's own.
        kubeconfig: Option<String>,
        /// Context; `None` = the current one.
        context: Option<String>,
    },
    /// By processes on this machine.
    Local {
        /// Simulated nodes where there are no pools: number and size of each.
        nodes: (u32, Resources),
    },
}

/// Where a cluster stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Profile.
    pub provider: String,
    /// Platform.
    pub platform: Platform,
    /// Region; the profile's name where it has none.
    pub region: String,
    /// Region alias.
    pub region_alias: Option<String>,
    /// Continent.
    pub continent: Option<String>,
    /// Zone.
    pub zone: String,
    /// Type of zone.
    pub zone_type: ZoneType,
    /// Compliance tags.
    pub attributes: BTreeSet<String>,
    /// Price lists of data that leaves: (bytes per month up to which, price per 10⁹ bytes).
    pub egress: BTreeMap<EgressTo, Vec<(Option<u64>, MicroUsd)>>,
}

/// Nodes of one kind on one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// Name.
    pub name: String,
    /// Offering.
    pub offering: String,
    /// Where it is written.
    pub origin: Origin,
    /// Size as sold.
    pub size: Resources,
    /// GPU model and memory of each, where there are GPUs.
    pub gpu: Option<(String, Option<u64>)>,
    /// Per hour and node.
    pub price: MicroUsd,
    /// Whether its nodes may be taken away at any time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
    /// Fewest nodes.
    pub min: u32,
    /// Most nodes.
    pub max: Option<u32>,
    /// Labels of its nodes.
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes.
    pub taints: Vec<Taint>,
}

/// What is placed as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// `application/component`.
    pub name: String,
    /// Where it is written.
    pub origin: Origin,
    /// Application.
    pub application: String,
    /// Pods of one instance.
    pub pods: Vec<PodNeed>,
    /// Pods that run on every node (DaemonSets), one each.
    pub per_node: Vec<Resources>,
    /// Fewest and most instances.
    pub instances: (u32, u32),
    /// Where it may run; empty = anywhere. Each with its words and line.
    pub permitted: Vec<PlaceFilter>,
    /// Places that carry all tags it must have, by tag. Each with its line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<PlaceFilter>,
    /// Where it must run.
    pub required: Vec<RequiredGroup>,
    /// Where it runs rather, if that is not much dearer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred: Vec<Preferred>,
    /// Nodes it needs: AND of OR.
    pub compute: Vec<Compute>,
    /// Whether it has its nodes for itself.
    pub dedicated: bool,
    /// Taints that it tolerates beyond what its pods say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Whether it may run on nodes that may be taken away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
    /// What it may not come together with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
    /// Components that must be ready before, by full name.
    pub depends_on: Vec<String>,
    /// By which rule its replicas are divided; `None` = it is whole wherever it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
}

/// By which rule the replicas of a component are divided over places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strategy {
    /// The rule.
    pub name: StrategyName,
    /// Replicas as they are written.
    pub replicas: u32,
    /// Pods beside them while they roll.
    pub surge: Surge,
    /// In how many places they are wanted.
    pub locations: u32,
    /// Clusters that are wanted, in order (indices).
    pub clusters: Vec<usize>,
    /// Weights of places.
    pub weights: Vec<(PlaceFilter, u32)>,
    /// Whether what finds no room is left out.
    pub partial: bool,
    /// Its line.
    pub origin: Origin,
    /// Nodes that are sold somewhere, for advice.
    pub offered: Vec<Offered>,
}

/// A kind of node that is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// Profile.
    pub provider: String,
    /// Offering.
    pub name: String,
    /// Size as sold.
    pub size: Resources,
    /// Per hour.
    pub price: MicroUsd,
}

/// Equal pods of one instance of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodNeed {
    /// Requests of one.
    pub size: Resources,
    /// How many, surge included.
    pub count: u32,
    /// Taints that they tolerate, as they are written.
    pub tolerations: Vec<Toleration>,
    /// Labels that their nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// Required node affinity: any of these, each all of its rules. Empty = none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affinity: Vec<Vec<LabelRule>>,
}

/// One `matchExpressions` of a node affinity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRule {
    /// Label.
    pub key: String,
    /// How it is compared.
    pub operator: LabelOperator,
    /// With what.
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are Kubernetes'")]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

/// What a pod tolerates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toleration {
    /// Key; `None` = any.
    pub key: Option<String>,
    /// Value; `None` = any.
    pub value: Option<String>,
    /// Effect; `None` = any.
    pub effect: Option<String>,
}

/// A selector of places with its words and line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceFilter {
    /// Names of the clusters that it selects, as a set of indices.
    pub clusters: BTreeSet<usize>,
    /// `region: us-east-1, type: cloud`.
    pub text: String,
    /// Its line.
    pub origin: Origin,
}

/// One entry of `location.preferred`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferred {
    /// These places.
    pub places: PlaceFilter,
    /// By how much a month another place must be cheaper to be chosen.
    pub weight: MicroUsd,
}

/// One group of `location.required`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredGroup {
    /// Any of these.
    pub any_of: Vec<PlaceFilter>,
    /// Its line.
    pub origin: Origin,
}

/// One entry of `spread`: at most so many instances in each domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Components that count together (indices, sorted).
    pub components: Vec<usize>,
    /// Clusters (indices) that are one domain each.
    pub domains: Vec<Vec<usize>>,
    /// Most instances in each.
    pub most: u32,
    /// In words: `at most 1 of a, b in each region`.
    pub text: String,
    /// Its line.
    pub origin: Origin,
}

/// One entry of `compute`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compute {
    /// Any of these.
    pub any_of: Vec<NodeKind>,
    /// Its line.
    pub origin: Origin,
}

/// A kind of node, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeKind {
    /// Pattern of the offering's name.
    pub pattern: Option<String>,
    /// At least this size.
    pub size: Resources,
    /// GPUs, where they matter.
    pub gpu: Option<GpuNeed>,
    /// How many nodes.
    pub count: u32,
}

/// Data between components.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Index of the source in [`Model::components`].
    pub from: usize,
    /// Index of the target.
    pub to: usize,
    /// Bound.
    pub latency: Option<Micros>,
    /// Bits a second that the way must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Bytes that one instance of the source sends.
    pub volume: Volume,
    /// Its line.
    pub origin: Origin,
}

/// Bytes, by what they are counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Volume {
    /// Per month of 730 hours.
    PerMonth(u64),
    /// Once.
    Total(u64),
}

/// A Kubernetes object of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppObject {
    /// Application.
    pub application: String,
    /// Its head in the sources.
    pub origin: Origin,
    /// The object with its namespace filled in and replicas as the specs say.
    pub object: serde_json::Value,
    /// Components that it belongs to or serves (indices): it goes where they go.
    pub components: BTreeSet<usize>,
    /// How it lives and goes.
    #[serde(default, skip_serializing_if = "Lifecycle::is_usual")]
    pub lifecycle: Lifecycle,
    /// The object as it is on clusters (indices) where it is otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overridden: BTreeMap<usize, serde_json::Value>,
}
