//! A plan: what will change, why, in which order, at what price. Plain data; this is also the format
//! of plan files and of `--json`.

mod placed;

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use placed::{
    Cost, ExcludedPlace, PlacedCluster, PlacedComponent, PlacedFlow, PlacedNodes, PlacementReport, PlannedMove,
    PriceRange, PricesReport, ProfilePrices, RunnerUp, Saving,
};

use super::managed::{self, Owner};
use crate::{
    address::ResourceAddress,
    compile::model::Protection,
    diagnostic::Origin,
    network::Networks,
    observed::{Connection, Holding},
    spec::{DeletionPolicy, RenderedSource, Subject},
    state::{PlacementRecord, Record, record::NodePoolState},
    trust::Trust,
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
    /// Sources that were rendered: by which program, from what, to what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rendered: Vec<RenderedSource>,
    /// In a file: the commit that has those texts, where one does. Secret values that are not in the file are there,
    /// at the places that its changes name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Where components run, and why. `None` for a destroy.
    pub placement: Option<PlacementReport>,
    /// What it costs.
    pub cost: Cost,
    /// All clusters that changes touch, and how to get at them.
    pub clusters: BTreeMap<String, Connection>,
    /// What is remembered under other names from then on, before anything else happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Renaming>,
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
    /// Who may sign what is applied from then on, where that is to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// In a file: the secret values of its changes, as age sealed them for the project's recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// In a file: digest of what the plan means, by which a file that was changed is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether everything could be planned.
    pub complete: bool,
    /// Whether it may be applied.
    pub applyable: bool,
}

impl Plan {
    /// Whether nothing is done when it is applied, but that a placement may be remembered.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.moved.is_empty()
    }

    /// Whether it was asked for a part of all changes only.
    pub fn is_narrowed(&self) -> bool {
        !self.targets.is_empty() || !self.excludes.is_empty()
    }

    /// What the state is to remember of the placement once all changes are done; `None` where that is
    /// Whether every cluster that it is about could be looked at. It may be incomplete all the same: for a kind that
    /// nothing serves yet.
    pub fn saw_all(&self) -> bool {
        self.complete || self.is_narrowed() || !self.notes.iter().any(|n| n.topic == "unreachable")
    }

    /// not known.
    pub fn placement_to_remember(&self) -> Option<&PlacementRecord> {
        self.placement_record.as_ref().filter(|_| self.saw_all())
    }
}

/// One thing and its two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Renaming {
    /// What it was called.
    pub from: Subject,
    /// What it is called.
    pub to: Subject,
    /// Where that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
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
    /// Its cluster is called otherwise now, and its mark says so.
    Renamed,
    /// It is there already, and is taken over.
    Imported,
    /// The specs let it go: it is left as it is (`removed` of a `Refactoring`).
    LetGo,
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
    /// Fields that others own and that the specs want otherwise, where somebody gives way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contested: Vec<Contested>,
    /// What of others goes with it; where it is a namespace or a definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Holding>,
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
            contested: Vec::new(),
            holds: None,
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
    /// Whether any field is taken from another manager.
    pub fn takes_fields(&self) -> bool {
        self.contested.iter().any(|c| c.settled == Settlement::Taken)
    }

    /// Paths of the fields that are not as the specs want them: left to others, or as they were.
    pub fn left_fields(&self) -> impl Iterator<Item = &str> {
        self.contested.iter().filter(|c| c.settled != Settlement::Taken).map(|c| c.path.as_str())
    }

    /// What is sent of an object: without the fields that are left to others, and with what was kept. What says whose it
    /// is stays whatever is left.
    pub fn sent(&self, object: &Value) -> Value {
        let mut sent = object.clone();
        for contested in &self.contested {
            match (contested.settled, &contested.kept) {
                (Settlement::Taken, _) => {}
                (_, Some(kept)) => managed::graft(&mut sent, kept, &contested.path),
                (_, None) => managed::remove(&mut sent, &contested.path),
            }
        }
        for path in MARKS {
            managed::graft(&mut sent, object, path);
        }
        sent
    }

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
        /// Its networks, as far as they are known.
        #[serde(default, skip_serializing_if = "Networks::is_empty")]
        networks: Networks,
        /// The provider whose quota its nodes count against, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quota: Option<String>,
    },
    /// A `Null`.
    Null {
        /// What it is given.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        input: Value,
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
        /// What keeps it from being deleted.
        #[serde(default, skip_serializing_if = "Protection::is_none")]
        protection: Protection,
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
    /// Who changed it outside of the specs, where the cluster tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Owner>,
}

/// The fields that say whose an object is.
const MARKS: [&str; 3] = [
    "metadata.labels[app.kubernetes.io/managed-by]",
    "metadata.labels[skyplan.io/lineage]",
    "metadata.annotations[skyplan.io/address]",
];

/// A field that another manager owns and that the specs want otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contested {
    /// `spec.template.spec.containers[name=web].image`.
    pub path: String,
    /// Whose it is.
    pub owner: Owner,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Value>,
    /// What the specs say; null where they say nothing.
    pub ours: Value,
    /// Who gives way.
    pub settled: Settlement,
    /// What of it is this project's as it is, and stays so: an object with nothing but that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Value>,
}

/// Who gives way over a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Settlement {
    /// It becomes what the specs say, and this project's.
    Taken,
    /// It stays what it is; the specs' value is not sent.
    Left,
    /// It is nobody else's, and stays what it is, as the specs ignore what becomes of it.
    Kept,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// Resource.
    pub address: ResourceAddress,
    /// Field, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Value>,
    /// What the specs say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<Value>,
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
