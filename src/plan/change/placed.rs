//! What a plan says of places: where components run, at what price, and why.
//!
//! Plain data, part of the format of plans; how it is found is not known here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    diagnostic::Origin,
    money::MicroUsd,
    quantity::{Day, Micros},
};

/// What the placement costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Per month of 730 hours.
    pub monthly: MicroUsd,
    /// The same as of the last apply; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_before: Option<MicroUsd>,
    /// Of that: nodes.
    pub nodes: MicroUsd,
    /// Of that: control planes.
    pub fees: MicroUsd,
    /// Of that: transferred data.
    pub transfer: MicroUsd,
    /// Over the horizon, where that is not a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<(Micros, MicroUsd)>,
}

/// Where components run, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementReport {
    /// Name and version of the search.
    pub solver: String,
    /// `recorded`, `exact`, `steady` (about as cheap as the cheapest, with the fewest moves), `budget`, or
    /// `deadline` (cut off).
    pub method: String,
    /// Cost over the horizon.
    pub cost: MicroUsd,
    /// Proven lower bound on it.
    pub bound: MicroUsd,
    /// Every instance of every component, sorted by component and cluster.
    pub components: Vec<PlacedComponent>,
    /// Clusters that are used or kept, with their nodes.
    pub clusters: Vec<PlacedCluster>,
    /// Flows between places, in the order of the model.
    pub flows: Vec<PlacedFlow>,
    /// Components that move.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<PlannedMove>,
    /// What the moves save a month against staying; absent where staying is not possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saves: Option<MicroUsd>,
    /// What moves would save that are not made because nobody asked for them, the largest first; they
    /// do not add up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub savings: Vec<Saving>,
    /// How far the largest prices may move before something else is cheaper; only where it is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensitivity: Vec<PriceRange>,
    /// How old the prices are that this counts with; absent where all are written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<PricesReport>,
}

/// How far a price may move: rise, and fall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceRange {
    /// Which: `nodes s on aws`, `control plane of aws`, `data aws to internet`.
    pub price: String,
    /// What is paid for it per month.
    pub monthly: MicroUsd,
    /// From so much more on, in thousandths of the price, something else is cheaper; absent where that is
    /// not so up to `lookedUpTo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rise: Option<u64>,
    /// From so much less on, in thousandths of the price, something else is cheaper; absent where it is the
    /// cheapest however far the price falls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fall: Option<u64>,
    /// How far it was looked, in thousandths more.
    pub looked_up_to: u64,
    /// Whether that is exact; otherwise it holds for single moves, and several together may be cheaper
    /// before.
    pub exact: bool,
}

/// A component that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedMove {
    /// `application/component`.
    pub component: String,
    /// Clusters that it leaves.
    pub from: Vec<String>,
    /// Clusters that it comes to.
    pub to: Vec<String>,
}

/// What a move would save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Saving {
    /// Those that would move, as `application/component`: one, or all that can from one cluster to another.
    pub components: Vec<String>,
    /// Where it runs.
    pub from: String,
    /// Where it would cost less.
    pub to: String,
    /// How much less everything would cost per month.
    pub monthly: MicroUsd,
}

/// How old prices are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PricesReport {
    /// The day on which the plan was made, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_on: Option<Day>,
    /// Profiles of the catalogue, sorted by name.
    pub profiles: Vec<ProfilePrices>,
    /// Whether others are written by hand, and have no day.
    pub others_by_hand: bool,
}

/// How old the prices of a profile are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfilePrices {
    /// Profile.
    pub profile: String,
    /// The day that their age is counted from.
    pub as_of: Day,
    /// Whether somebody changed the file since it was fetched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
}

/// One instance of a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedComponent {
    /// `application/component`.
    pub component: String,
    /// Where it runs.
    pub cluster: String,
    /// How many replicas run there, where a strategy has divided them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Its share of the cost per month.
    pub monthly: MicroUsd,
    /// Why here, in one clause.
    pub reason: String,
    /// The next best place and what it would cost more per month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<RunnerUp>,
    /// What excluded other places: (cluster, reason).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<ExcludedPlace>,
    /// Where it is written.
    pub origin: Origin,
}

/// The next best place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunnerUp {
    /// Cluster.
    pub cluster: String,
    /// What it would cost more per month.
    pub extra: MicroUsd,
}

/// A place where a component cannot run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExcludedPlace {
    /// Cluster.
    pub cluster: String,
    /// Why not.
    pub reason: String,
}

/// A cluster with its nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedCluster {
    /// Name.
    pub cluster: String,
    /// `aws/us-east-1/us-east-1a`, as far as it is known.
    pub site: String,
    /// Per month: control plane and nodes.
    pub monthly: MicroUsd,
    /// Control plane per month.
    pub fee: MicroUsd,
    /// (pool, nodes, per month).
    pub nodes: Vec<PlacedNodes>,
}

/// Nodes of one pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedNodes {
    /// Pool.
    pub pool: String,
    /// Number.
    pub count: u32,
    /// Per month.
    pub monthly: MicroUsd,
}

/// A flow between two instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedFlow {
    /// Source component and cluster.
    pub from: (String, String),
    /// Target component and cluster.
    pub to: (String, String),
    /// Latency between the two, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Micros>,
    /// Bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Micros>,
    /// Bytes per month of 730 hours, as the monthly cost counts them.
    pub bytes: u64,
    /// They are sent once, not every month.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// What prices apply: `aws to internet`; `None` = free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
}
