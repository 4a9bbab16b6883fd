//! `DeploymentPolicy` and `DataflowPolicy`: what components need, and what flows between them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{At, Platform, Strategy, TaintEffect, ZoneType};
use crate::{
    money::MicroUsd,
    quantity::{BitRate, Bytes, Micros, MilliCpu},
};

/// What components need.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeploymentPolicy {
    /// Name, unique in the project.
    pub name: At<String>,
    /// One entry a component.
    pub components: Vec<At<ComponentPolicy>>,
}

/// What one component needs.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentPolicy {
    /// `component`, or `application/component` where several applications have one of that name.
    pub component_ref: At<String>,
    /// Nodes it needs: all of the entries.
    #[serde(default)]
    pub compute: Vec<At<ComputeRequirement>>,
    /// Whether it has its nodes for itself; default false.
    #[serde(default)]
    pub dedicated: bool,
    /// Where it may and must run.
    #[serde(default)]
    pub location: Location,
    /// By which rule its replicas are spread over places; default `Cost`: whole, where all is cheapest.
    pub strategy: Option<At<Strategy>>,
    /// What may not come together: all of the entries.
    #[serde(default)]
    pub spread: Vec<At<SpreadRule>>,
    /// Taints of clusters and node pools that it tolerates, as its pods' own; written into its pods.
    #[serde(default)]
    pub tolerations: Vec<At<TolerationSpec>>,
    /// Whether it may run on nodes that may be taken away at any time; default false.
    #[serde(default)]
    pub spot: bool,
}

/// A taint that is tolerated, as in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TolerationSpec {
    /// Key; absent with `Exists` = any.
    pub key: Option<String>,
    /// How the value is compared; default `Equal`.
    #[serde(default)]
    pub operator: TolerationOperator,
    /// Value, with `Equal`; absent = the empty one.
    pub value: Option<String>,
    /// Effect; absent = any.
    pub effect: Option<TaintEffect>,
}

/// How a toleration compares values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// The value is this one.
    #[default]
    Equal,
    /// Any value.
    Exists,
}

/// How many instances may be in one place together.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpreadRule {
    /// What counts as one place; default `cluster`.
    #[serde(default)]
    pub by: SpreadBy,
    /// Most instances in each; default 1.
    pub max: Option<At<u32>>,
    /// Components whose instances count with its own, as in `componentRef`; default: only its own.
    #[serde(default)]
    pub with: Vec<At<String>>,
}

/// What counts as one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpreadBy {
    /// Every cluster is one.
    #[default]
    Cluster,
    /// Clusters in one zone of one region of one platform.
    Zone,
    /// Clusters in one region of one platform.
    Region,
    /// Clusters of one provider profile.
    Provider,
    /// Clusters of one platform.
    Platform,
    /// Clusters on one continent.
    Continent,
}

impl SpreadBy {
    /// The word in the specs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Zone => "zone",
            Self::Region => "region",
            Self::Provider => "provider",
            Self::Platform => "platform",
            Self::Continent => "continent",
        }
    }
}

/// One of several kinds of node.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputeRequirement {
    /// The cheapest of these that can be had counts.
    pub any_of: Vec<At<ComputeAlternative>>,
}

/// A kind of node: an offering of at least that size.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputeAlternative {
    /// Pattern of the offering's name, with `*`.
    pub name: Option<At<String>>,
    /// CPUs, at least.
    pub vcpus: Option<MilliCpu>,
    /// Memory, at least.
    pub memory: Option<Bytes>,
    /// GPUs, at least.
    pub gpu: Option<GpuNeed>,
    /// How many nodes; default 1.
    pub count: Option<At<u32>>,
}

/// GPUs of a node, at least.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuNeed {
    /// Model, compared without case.
    pub model: Option<String>,
    /// How many.
    pub count: Option<u64>,
    /// Memory of each.
    pub memory: Option<Bytes>,
}

/// Where a component may and must run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Location {
    /// Any of these; empty = anywhere.
    #[serde(default)]
    pub permitted: Vec<At<PlaceSelector>>,
    /// Compliance tags that every place must carry: all of them.
    #[serde(default)]
    pub attributes: Vec<At<String>>,
    /// One instance in each of these.
    #[serde(default)]
    pub required: Vec<At<LocationGroup>>,
    /// Rather here, if that is not much dearer: every entry counts against the places that it does not select.
    #[serde(default)]
    pub preferred: Vec<At<PreferredPlaces>>,
}

/// Any of some places.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocationGroup {
    /// Any of these.
    pub any_of: Vec<At<PlaceSelector>>,
}

/// Places that match all that is given.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceSelector {
    /// Name of a cluster.
    pub cluster: Option<At<String>>,
    /// Name of a provider profile.
    pub provider: Option<At<String>>,
    /// Platform.
    pub platform: Option<Platform>,
    /// Region.
    pub region: Option<At<String>>,
    /// Region alias.
    pub region_alias: Option<At<String>>,
    /// Continent.
    pub continent: Option<At<String>>,
    /// Zone.
    pub zone: Option<At<String>>,
    /// Type of zone.
    #[serde(rename = "type")]
    pub kind: Option<ZoneType>,
    /// Compliance tags: all of them.
    #[serde(default)]
    pub attributes: Vec<At<String>>,
    /// Labels of the cluster.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// What else must hold of the cluster's labels: all of them.
    #[serde(default)]
    pub match_expressions: Vec<At<LabelExpression>>,
}

/// Something that must hold of a label.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelExpression {
    /// The label.
    pub key: String,
    /// What must hold of its value.
    pub operator: LabelOperator,
    /// Values, for `In` and `NotIn`.
    #[serde(default)]
    pub values: Vec<String>,
}

/// What must hold of a label's value. A cluster without the label passes `NotIn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of Kubernetes")]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// Places that match all that is given, and what they are worth.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreferredPlaces {
    /// US dollars a month: another place is chosen where it is cheaper by more.
    pub weight: At<MicroUsd>,
    /// Name of a cluster.
    pub cluster: Option<At<String>>,
    /// Name of a provider profile.
    pub provider: Option<At<String>>,
    /// Platform.
    pub platform: Option<Platform>,
    /// Region.
    pub region: Option<At<String>>,
    /// Region alias.
    pub region_alias: Option<At<String>>,
    /// Continent.
    pub continent: Option<At<String>>,
    /// Zone.
    pub zone: Option<At<String>>,
    /// Type of zone.
    #[serde(rename = "type")]
    pub kind: Option<ZoneType>,
    /// Compliance tags: all of them.
    #[serde(default)]
    pub attributes: Vec<At<String>>,
    /// Labels of the cluster.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// What else must hold of the cluster's labels: all of them.
    #[serde(default)]
    pub match_expressions: Vec<At<LabelExpression>>,
}

impl PreferredPlaces {
    /// The places alone.
    pub fn selector(&self) -> PlaceSelector {
        PlaceSelector {
            cluster: self.cluster.clone(),
            provider: self.provider.clone(),
            platform: self.platform,
            region: self.region.clone(),
            region_alias: self.region_alias.clone(),
            continent: self.continent.clone(),
            zone: self.zone.clone(),
            kind: self.kind,
            attributes: self.attributes.clone(),
            match_labels: self.match_labels.clone(),
            match_expressions: self.match_expressions.clone(),
        }
    }
}

/// Data between components.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataflowPolicy {
    /// Name, unique in the project.
    pub name: At<String>,
    /// The flows.
    pub flows: Vec<At<Flow>>,
}

/// Data from one component to another.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flow {
    /// Source, as in `componentRef`.
    pub from: At<String>,
    /// Target, as in `componentRef`.
    pub to: At<String>,
    /// Bound on the latency between the two; absent = none.
    pub latency: Option<At<Micros>>,
    /// Bits a second that the way must carry for every instance of the source; absent = any way will do.
    pub rate: Option<At<BitRate>>,
    /// What every instance of the source sends; absent = nothing worth counting.
    pub volume: Option<At<Volume>>,
}

/// An amount of data: exactly one of its fields.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Per month of 730 hours.
    pub per_month: Option<Bytes>,
    /// Once, whatever the horizon.
    pub total: Option<Bytes>,
}
