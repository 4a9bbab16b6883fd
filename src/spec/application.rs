//! `Application`: components and where their manifests come from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{At, Capabilities, DeletionPolicy, Override, Source};
use crate::quantity::{Bytes, MilliCpu};

/// Components and where their manifests come from.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Application {
    /// Name, unique in the project.
    pub name: At<String>,
    /// Namespace of objects that name none; default: the application's name.
    pub namespace: Option<At<String>>,
    /// Where the manifests come from.
    pub sources: Vec<At<Source>>,
    /// What charts are told of the clusters.
    pub capabilities: Option<Capabilities>,
    /// What is said about components beyond their manifests. A workload that no entry selects is a
    /// component by itself.
    #[serde(default)]
    pub components: Vec<At<ComponentOverride>>,
    /// Whether its objects are taken over where they are there already, made by somebody else.
    #[serde(default)]
    pub adopt: bool,
    /// How its objects live and go. What a component says of its own counts as well.
    #[serde(default)]
    pub lifecycle: Vec<At<Lifecycle>>,
    /// What is otherwise on some clusters. Placement reads the objects as they are without it.
    #[serde(default)]
    pub overrides: Vec<At<Override>>,
}

/// What is said about one component.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentOverride {
    /// Name, unique in the application.
    pub name: At<String>,
    /// Which of the application's objects it consists of; default: the workload of that name.
    pub objects: Option<At<ObjectSelector>>,
    /// Replicas of every instance; default: the manifest's.
    pub replicas: Option<At<u32>>,
    /// Requests of one replica; default: the manifest's.
    pub resources: Option<ComponentResources>,
    /// In how many places it runs.
    pub instances: Option<At<Instances>>,
    /// Components of the same application that must be ready before.
    #[serde(default)]
    pub depends_on: Vec<At<String>>,
    /// How its objects, and those that serve it, live and go.
    pub lifecycle: Option<At<Lifecycle>>,
}

/// How objects live and go.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lifecycle {
    /// Which; default: all.
    pub objects: Option<At<ObjectSelector>>,
    /// Fields that are set once, when an object is made: whatever becomes of them later stays, as in
    /// `spec.template.spec.containers[name=web].image` or `metadata.annotations[example.com/x]`.
    #[serde(default)]
    pub ignore_fields: Vec<At<String>>,
    /// Fields that are taken from whoever else owns them.
    #[serde(default)]
    pub take_fields: Vec<At<String>>,
    /// What becomes of all other fields that others own and that the specs want otherwise.
    pub on_conflict: Option<OnConflict>,
    /// What happens to an object that the specs no longer have.
    pub deletion_policy: Option<DeletionPolicy>,
    /// Whether a plan that would delete it is refused.
    pub prevent_destroy: Option<At<bool>>,
}

/// What becomes of fields that others own and that the specs want otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// They are in the way of the plan.
    #[default]
    Fail,
    /// They are taken from their owners.
    Take,
    /// They are left to their owners.
    Leave,
}

/// Objects that match all that is given.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectSelector {
    /// Kind.
    pub kind: Option<At<String>>,
    /// Names.
    #[serde(default)]
    pub names: Vec<At<String>>,
    /// Labels.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
}

/// Requests of one replica.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentResources {
    /// CPU.
    pub cpu: Option<MilliCpu>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// GPUs.
    pub gpu: Option<GpuCount>,
}

/// A number of GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct GpuCount(pub u64);

/// In how many places a component runs.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instances {
    /// Fewest; default: the number of required location groups, at least 1.
    pub min: Option<u32>,
    /// Most; default: `min`.
    pub max: Option<u32>,
}
