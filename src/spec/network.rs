//! Networks: of one cluster, and what those of all others are leased from.

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;
use crate::network::Cidr;

/// What the networks of clusters are leased from that skyplan makes. A cluster keeps what it got for as long as it
/// is there, also when this changes; no two of one project have an address in common.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkSettings {
    /// Addresses of pods. Pools where none are written: `10.244.0.0/14`, `10.128.0.0/10` and `10.192.0.0/11`, enough
    /// for 100 clusters of the default size, of which the first gets `10.244.0.0/16`.
    pub pods: Option<At<NetworkPool>>,
    /// Addresses of Services. Pools where none are written: `10.96.0.0/11`, `10.64.0.0/11` and `10.32.0.0/11`, enough
    /// for 96 clusters of the default size, of which the first gets `10.96.0.0/16`.
    pub services: Option<At<NetworkPool>>,
}

/// What networks of one use are leased from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPool {
    /// A cluster gets the lowest network that nobody has of the first of these that has one.
    pub pools: Option<Vec<At<Cidr>>>,
    /// How large a cluster's network is, as the length of its prefix: from 12 to 24; default 16.
    pub prefix: Option<At<u8>>,
}

/// The networks of one cluster. With `driver: local`: what it gets when it is made, and from then on has; what is not
/// written is leased. With `driver: existing`: what it has, so that no other gets it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterNetwork {
    /// Addresses of pods.
    pub pods: Option<At<Cidr>>,
    /// Addresses of Services.
    pub services: Option<At<Cidr>>,
}
