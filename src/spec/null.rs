//! `Null`: nothing at all, that is planned, applied and remembered like anything else.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::At;

/// Nothing: for tests and benchmarks of what is done with things, and to remember a value.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Null {
    /// Name, unique in the project.
    pub name: At<String>,
    /// What is remembered of it; where it changes, so does the resource.
    #[serde(default)]
    pub input: Value,
    /// Other `Null`s that must be there first.
    #[serde(default)]
    pub depends_on: Vec<At<String>>,
}
