//! `ProviderProfile` and `LatencyProfile`: what can be had where, at what price, how far apart.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::At;
use crate::{
    money::MicroUsd,
    quantity::{BitRate, Bytes, Day, Micros, MilliCpu},
};

/// A place that can be rented or is owned: one region of one platform.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderProfile {
    /// Name, unique in the project.
    pub name: At<String>,
    /// Whose it is. Data within one platform pays `inter-region`, beyond it `internet`.
    pub platform: At<Platform>,
    /// Region, in the platform's words.
    pub region: Option<At<String>>,
    /// Region, in words that several platforms share.
    pub region_alias: Option<At<String>>,
    /// Continent.
    pub continent: Option<At<String>>,
    /// Zones; absent = one called `default`.
    #[serde(default)]
    pub zones: Vec<Zone>,
    /// Nodes that can be had.
    #[serde(default)]
    pub offerings: Vec<At<Offering>>,
    /// What a cluster costs before its first node.
    #[serde(default)]
    pub control_plane: ControlPlanePrice,
    /// What data that leaves costs.
    #[serde(default)]
    pub egress: Vec<At<EgressPrice>>,
    /// What can be had at most.
    pub quota: Option<At<QuotaSpec>>,
    /// Compliance tags.
    #[serde(default)]
    pub attributes: BTreeSet<String>,
}

/// Whose a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Platform {
    Aws,
    Azure,
    Baremetal,
    Gcp,
    Local,
    Openstack,
    Other,
}

impl Platform {
    /// The word in the specs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Baremetal => "baremetal",
            Self::Gcp => "gcp",
            Self::Local => "local",
            Self::Openstack => "openstack",
            Self::Other => "other",
        }
    }
}

/// A zone of a region.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Zone {
    /// Name.
    pub name: At<String>,
    /// What stands there; default `cloud`.
    #[serde(default, rename = "type")]
    pub kind: ZoneType,
    /// Clusters that name no zone are here.
    #[serde(default)]
    pub default: bool,
    /// Whether it may be used; default true.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// What stands in a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ZoneType {
    /// A data centre.
    #[default]
    Cloud,
    /// A network edge site of a carrier.
    Nte,
    /// A site of one's own.
    Edge,
}

impl ZoneType {
    /// The word in the specs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Nte => "nte",
            Self::Edge => "edge",
        }
    }
}

/// A kind of node that can be had.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Offering {
    /// Name, unique in the profile.
    pub name: At<String>,
    /// CPUs.
    pub vcpus: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// GPUs.
    pub gpu: Option<Gpu>,
    /// US dollars per hour.
    pub price: At<MicroUsd>,
    /// US dollars per hour for a node that may be taken away at any time.
    pub spot_price: Option<At<MicroUsd>>,
    /// Zones that have it; absent = all.
    pub zones: Option<Vec<At<String>>>,
    /// How many can be had; absent = unlimited.
    pub available: Option<u32>,
}

/// GPUs of a node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// Model, such as `L4`.
    pub model: String,
    /// How many; default 1.
    #[serde(default = "one")]
    pub count: u64,
    /// Memory of each.
    pub memory: Option<Bytes>,
}

fn one() -> u64 {
    1
}

/// What a cluster costs before its first node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlPlanePrice {
    /// US dollars per hour.
    pub price: Option<At<MicroUsd>>,
}

/// The price list of data that leaves.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EgressPrice {
    /// How far it goes.
    pub to: EgressTo,
    /// Prices by the volume of a month (730 h); the sum over all flows from this provider counts.
    pub tiers: Vec<At<EgressTier>>,
}

/// How far data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EgressTo {
    /// To another platform.
    Internet,
    /// To another region of the platform.
    InterRegion,
    /// To another zone of the region.
    InterZone,
}

impl EgressTo {
    /// The word in the specs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Internet => "internet",
            Self::InterRegion => "inter-region",
            Self::InterZone => "inter-zone",
        }
    }
}

/// One price band.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EgressTier {
    /// Where it begins, in 10⁹ bytes; default: where the one before ends.
    pub from_gb: Option<At<u64>>,
    /// Where it ends; absent = never.
    pub to_gb: Option<At<u64>>,
    /// US dollars per 10⁹ bytes.
    pub price_per_gb: At<MicroUsd>,
}

/// What can be had at most.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaSpec {
    /// CPUs over all nodes.
    pub vcpus: Option<MilliCpu>,
    /// Memory over all nodes.
    pub memory: Option<Bytes>,
    /// GPUs over all nodes.
    pub gpus: Option<u64>,
    /// Nodes.
    pub nodes: Option<u64>,
}

/// How far places are apart.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyProfile {
    /// Name, unique in the project.
    pub name: At<String>,
    /// Latencies between two places, both ways.
    #[serde(default)]
    pub pairs: Vec<At<LatencyPair>>,
    /// What holds for pairs of zone types where no pair says more.
    #[serde(default)]
    pub defaults: Vec<At<LatencyDefault>>,
    /// Free texts, such as who measured and when.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The latency between two places: each a `Cluster`, a `ProviderProfile`, `profile/zone`, a zone,
/// a region or a region alias. The most exact pair counts.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyPair {
    /// One end.
    pub a: At<String>,
    /// The other.
    pub b: At<String>,
    /// Median.
    pub p50: Option<Micros>,
    /// What bounds are compared with.
    pub p95: Option<Micros>,
    /// Slowest of a hundred.
    pub p99: Option<Micros>,
    /// Bits a second that the way carries; absent = not known.
    pub bandwidth: Option<BitRate>,
    /// The day it was measured.
    pub measured_at: Option<At<Day>>,
    /// How many measurements it comes from.
    pub samples: Option<u64>,
}

/// The latency between zones of two types.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyDefault {
    /// Type of one zone.
    pub a: ZoneType,
    /// Type of the other.
    pub b: ZoneType,
    /// What bounds are compared with.
    pub p95: Micros,
    /// Bits a second that the way carries; absent = not known.
    pub bandwidth: Option<BitRate>,
}
