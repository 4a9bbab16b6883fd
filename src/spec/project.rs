//! `Project`: the root of a project's folder.

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;
use crate::{
    money::MicroUsd,
    quantity::{Micros, Percent},
};

/// The root document, in `skyplan.yaml`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Project {
    /// Name of the project.
    pub name: At<String>,
    /// Identity of the project's state, written by `skyplan init`; the name where absent.
    pub lineage: Option<At<String>>,
    /// Where the state log is kept.
    #[serde(default)]
    pub state: StateSettings,
    /// How places are chosen.
    #[serde(default)]
    pub placement: PlacementSettings,
}

/// Where the state log is kept.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StateSettings {
    /// `file://` and a path, relative to the project; default `file://.skyplan/state`.
    pub url: Option<At<String>>,
}

/// How places are chosen.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlacementSettings {
    /// The time that cost is summed over; default `730h`, a month.
    pub horizon: Option<At<Micros>>,
    /// What moving one component is counted as, in US dollars; default 0.
    pub move_cost: Option<At<MicroUsd>>,
    /// Whether a latency equal to the bound meets it; default `inclusive`.
    pub latency_bound: Option<LatencyBound>,
    /// Part of every node that stays free; default `10%`.
    pub headroom: Option<At<Percent>>,
}

/// Whether a latency equal to the bound meets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LatencyBound {
    /// `≤`
    #[default]
    Inclusive,
    /// `<`, as SkyCluster has it.
    Strict,
}
