//! A plan: what will change, why, in which order, at what price. Plain data; this is also the format
//! of plan files and of `--json`.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    address::ResourceAddress,
    diagnostic::Origin,
    money::MicroUsd,
    observed::Connection,
    quantity::{Day, Micros},
    spec::DeletionPolicy,
    state::{PlacementRecord, Record, record::NodePoolState},
};

/// Version of the plan's format: `major.minor`; a new minor only adds.
pub const FORMAT_VERSION: &str = "1.0";

/// What an apply will do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Version of this format.
    pub format_version: String,
    /// Version of skyplan that made it.
    pub skyplan_version: String,
    /// Name of the project.
    pub project: String,
    /// Which of its environments this is for; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What the plan is based on.
    pub base: Base,
    /// Digest of the texts that were read.
    pub inputs_digest: String,
    /// Where components run, and why. `None` for a destroy.
    pub placement: Option<PlacementReport>,
    /// What it costs.
    pub cost: Cost,
    /// All clusters that changes touch, and how to get at them.
    pub clusters: BTreeMap<String, Connection>,
    /// Changes, sorted by address; resources that stay as they are only count.
    pub changes: Vec<Change>,
    /// Resources that stay as they are.
    pub unchanged: u64,
    /// Fields that another manager owns, objects of others: while there are any, nothing is applied.
    pub conflicts: Vec<Conflict>,
    /// What is worth knowing: drift, clusters that did not answer, idle clusters.
    pub notes: Vec<Note>,
    /// Outputs: what each is read from when this is applied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, PlannedOutput>,
    /// What the record of the placement will be.
    pub placement_record: Option<PlacementRecord>,
    /// Why applying it needs an explicit word (`--allow-deletes`); empty when it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<String>,
    /// Whether it was asked for everything to be taken away (`--destroy`): that needs no further word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub destroy: bool,
    /// Whether it only brings what is remembered up to date (`--refresh-only`): no cluster is changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refresh_only: bool,
    /// What it was narrowed to (`--target`), with what that depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// What was left out of it (`--exclude`), with what depends on that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    /// Components that were reconsidered because somebody asked (`--reoptimize`); `*` = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reoptimize: Vec<String>,
    /// What a check that shares nothing with the planner found; with an error it may not be applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What it supposes that is not so (`--without-cluster`, `--set` of a field): such a plan is never
    /// applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub what_if: Vec<String>,
    /// Whether everything could be planned.
    pub complete: bool,
    /// Whether it may be applied.
    pub applyable: bool,
}

impl Plan {
    /// Whether it was asked for a part of all changes only.
    pub fn is_narrowed(&self) -> bool {
        !self.targets.is_empty() || !self.excludes.is_empty()
    }

    /// What the state is to remember of the placement once all changes are done; `None` where that is
    /// not known.
    pub fn placement_to_remember(&self) -> Option<&PlacementRecord> {
        self.placement_record.as_ref().filter(|_| self.complete || self.is_narrowed())
    }
}

/// A value to know after an apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedOutput {
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Field.
    pub path: String,
    /// What it is read from.
    pub from: Vec<OutputFrom>,
    /// Its value, where this plan does not change what it is read from; else known after the apply.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_value")]
    pub value: Option<Value>,
}

/// `null` is a value, too.
fn some_value<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What a value is read from, and how to get at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputFrom {
    /// Object, or cluster for its connection.
    pub address: ResourceAddress,
    /// API version to get at an object with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Connection of the cluster.
    pub connection: Connection,
}

/// What a plan is based on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// Which project's state.
    pub lineage: String,
    /// Its serial when the plan was made.
    pub serial: u64,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// `+` It is made.
    Create,
    /// `~` It is changed where it is.
    Update,
    /// `±` It is deleted and made again, because a field cannot be changed in place.
    Replace,
    /// `-` It is deleted.
    Delete,
    /// `.` It is left as it is and no longer remembered.
    Forget,
    /// `=` It is left as it is and remembered as it is.
    Import,
}

impl Action {
    /// The sign in front of a line.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "±",
            Self::Delete => "-",
            Self::Forget => ".",
            Self::Import => "=",
        }
    }
}

/// Why a resource changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "why")]
pub enum ActionReason {
    /// It is new in the specs.
    New,
    /// The specs say something else than what was applied last.
    SpecChanged,
    /// It was changed behind skyplan's back.
    Drifted,
    /// It was deleted behind skyplan's back.
    DeletedOutside,
    /// The specs no longer have it.
    Removed,
    /// Its component no longer runs on this cluster.
    Moved,
    /// Everything is being destroyed.
    Destroyed,
    /// A field cannot be changed in place.
    Immutable {
        /// The server's words.
        message: String,
    },
    /// Its cluster is made anew, or goes.
    ClusterReplaced,
    /// It goes with its cluster.
    GoneWithCluster,
    /// It is gone already.
    AlreadyGone,
    /// Its deletion policy says so.
    Retained,
    /// An earlier apply was cut off before it could tell what became of it.
    Uncertain,
    /// It was applied, but no apply has seen it become ready: it is awaited.
    Unready,
    /// Placement buys another number of nodes.
    NodesChanged,
    /// Somebody asked for it (`--replace`).
    Requested,
}

/// One resource that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Which.
    pub address: ResourceAddress,
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: ActionReason,
    /// Which fields, for an update; also what drifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// What it shall be; `None` for what goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Target>,
    /// Where it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Changes of this plan that must be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ResourceAddress>,
    /// What must still hold when it is applied.
    pub precondition: Precondition,
    /// Resources that it depends on, for its record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<ResourceAddress>,
    /// API version to get at it with, for objects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Could not be tried on the server, because the plan itself makes what it needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// What is remembered of it from then on, where nothing else happens to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<Record>>,
}

impl Change {
    /// A change with nothing but its name, what happens and why.
    pub fn new(address: ResourceAddress, action: Action, reason: ActionReason) -> Self {
        Self {
            address,
            action,
            reason,
            fields: Vec::new(),
            after: None,
            origin: None,
            depends_on: Vec::new(),
            precondition: Precondition::default(),
            requires: Vec::new(),
            api_version: String::new(),
            unverified: false,
            record: None,
        }
    }
}

impl Change {
    /// Whether nothing of it is left, or remembered, afterwards.
    pub fn goes(&self) -> bool {
        matches!(self.action, Action::Delete | Action::Forget)
    }

    /// Components that it serves, where it says so; what goes is known to the state.
    pub fn components(&self) -> &[String] {
        match &self.after {
            Some(Target::Object { components, .. }) => components,
            _ => &[],
        }
    }
}

/// What a resource shall be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Target {
    /// A cluster.
    #[serde(rename_all = "camelCase")]
    Cluster {
        /// Nodes.
        pools: Vec<NodePoolState>,
        /// What happens when its document goes.
        deletion_policy: DeletionPolicy,
    },
    /// An object, with its marks; secret values as keyed digests.
    #[serde(rename_all = "camelCase")]
    Object {
        /// The object.
        object: Arc<Value>,
        /// Digest of it.
        digest: String,
        /// Components that it serves.
        components: Vec<String>,
    },
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// `spec.template.spec.containers[name=web].image`.
    pub path: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What must still hold when a change is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Precondition {
    /// Serial of its record; `None` = there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_serial: Option<u64>,
    /// Uid of the live object; `None` = it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Digest of the live object's projection on our fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<String>,
    /// Uid of the cluster's kube-system; `None` = the plan makes the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
}

/// Something of somebody else's in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// Resource.
    pub address: ResourceAddress,
    /// Field, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Who has it.
    pub owner: String,
    /// What to do.
    pub hint: String,
    /// Where it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// `drift`, `unreachable`, `idle`, `uncertain`…
    pub topic: String,
    /// A sentence.
    pub text: String,
}

/// Something that the check of the finished plan found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// How bad it is.
    pub severity: CheckSeverity,
    /// Name of the rule, as in `docs/plan-checks.md`.
    pub rule: String,
    /// The resource it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<ResourceAddress>,
    /// A sentence.
    pub text: String,
}

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckSeverity {
    /// The plan may not be applied.
    Error,
    /// It may, but somebody should look.
    Warning,
    /// Worth knowing.
    Note,
}

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
    /// How far the largest prices may rise before something else is cheaper; only where it is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensitivity: Vec<PriceRange>,
    /// How old the prices are that this counts with; absent where all are written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<PricesReport>,
}

/// How far a price may rise.
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
