//! Overrides of an `Application`: what is otherwise on some clusters.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, ObjectSelector, PlaceSelector};

/// What is otherwise on some clusters: exactly one of `patch` and `jsonPatch`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// On clusters that any of these selects.
    pub clusters: Vec<At<PlaceSelector>>,
    /// Which of the application's objects; may be left out where `patch` names its object.
    pub objects: Option<At<ObjectSelector>>,
    /// A part of an object, laid over it (strategic merge): lists of containers, variables, ports, volumes and the like
    /// are joined by name, other lists replaced, `null` takes a field away.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub patch: Option<At<serde_json::Value>>,
    /// Operations, one after the other (RFC 6902).
    pub json_patch: Option<Vec<At<PatchOperation>>>,
}

/// One operation of a JSON patch.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchOperation {
    /// What is done.
    pub op: PatchOp,
    /// Where, as a JSON pointer: `/spec/replicas`.
    pub path: String,
    /// With what; for `add`, `replace` and `test`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub value: Option<serde_json::Value>,
    /// From where; for `move` and `copy`.
    pub from: Option<String>,
}

/// A value that is written is one, also when it is `null`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PatchOp {
    /// Puts a value there.
    Add,
    /// Takes it away.
    Remove,
    /// Puts another one in its place.
    Replace,
    /// Takes one from elsewhere.
    Move,
    /// Copies one from elsewhere.
    Copy,
    /// Wants this value to be there.
    Test,
}
