//! The placement as a whole: what it rests on, how far prices may move, and what the loss of a cluster
//! would mean.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::{
    money::MicroUsd,
    place::{
        contingency::{Outcome, contingency},
        decide::monthly_total,
    },
    plan::{
        change::{Cost, FORMAT_VERSION, PlacementReport, PlannedMove},
        report,
    },
};

/// The placement as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WholeAnswer {
    /// Version of this format.
    pub format_version: String,
    /// Name of the project.
    pub project: String,
    /// The placement, with how far prices may move.
    pub placement: PlacementReport,
    /// What it costs.
    pub cost: Cost,
}

/// What the loss of each cluster would mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContingencyAnswer {
    /// Version of this format.
    pub format_version: String,
    /// What everything costs per month now.
    pub monthly: MicroUsd,
    /// Whether every loss leaves a place for everything.
    pub holds: bool,
    /// Every loss, single clusters first.
    pub losses: Vec<LossAnswer>,
    /// Clusters on which nothing runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<String>,
}

/// What a loss would mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LossAnswer {
    /// Clusters that are lost.
    pub clusters: Vec<String>,
    /// Whether everything finds a place.
    pub holds: bool,
    /// What everything costs more per month then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<MicroUsd>,
    /// What moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<PlannedMove>,
    /// Components that can run nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cannot_run: Vec<String>,
    /// Why, in one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Facts<'_> {
    /// The placement as a whole.
    pub fn whole(&self) -> WholeAnswer {
        let mut placement = report::placement(self.model, &self.placed);
        placement.sensitivity = report::sensitivity(self.model, &self.placed, &self.limits);
        WholeAnswer {
            format_version: FORMAT_VERSION.into(),
            project: self.model.project.clone(),
            placement,
            cost: report::cost(self.model, &self.placed),
        }
    }

    /// What the loss of each cluster, or of every two, would mean.
    pub fn contingency(&self, pairs: bool) -> ContingencyAnswer {
        let (model, now) = (self.model, &self.placed);
        let name = |l: usize| model.clusters[l].name.clone();
        let losses = contingency(model, self.observed, self.state, now, &self.limits, pairs).into_iter().map(|loss| {
            let clusters = loss.clusters.iter().map(|l| name(*l)).collect();
            match loss.outcome {
                Outcome::Holds { placed, extra } => LossAnswer {
                    clusters,
                    holds: true,
                    extra: Some(extra),
                    moves: report::moves(model, &placed),
                    cannot_run: Vec::new(),
                    reason: String::new(),
                },
                Outcome::Fails { cannot, faults } => LossAnswer {
                    clusters,
                    holds: false,
                    extra: None,
                    moves: Vec::new(),
                    cannot_run: cannot.into_iter().map(|i| model.components[i].name.clone()).collect(),
                    reason: faults.iter().next().map(|d| d.summary.clone()).unwrap_or_default(),
                },
            }
        });
        let losses: Vec<LossAnswer> = losses.collect();
        let used = |l: usize| now.solution.instances.iter().flatten().any(|p| *p == l);
        ContingencyAnswer {
            format_version: FORMAT_VERSION.into(),
            monthly: monthly_total(now),
            holds: losses.iter().all(|l| l.holds),
            losses,
            idle: (0..model.clusters.len()).filter(|l| !used(*l)).map(name).collect(),
        }
    }
}
