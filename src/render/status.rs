//! How what was applied is doing: by cluster and component, as people and programs read it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Style, table::columns};
use crate::{address::ResourceAddress, money::MicroUsd};

/// How everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Version of this format.
    pub format_version: String,
    /// Name of the project.
    pub project: String,
    /// Which environment it is; absent where the project has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Serial of the last entry of the log.
    pub serial: u64,
    /// Cost per month as of the last apply.
    pub monthly: MicroUsd,
    /// Clusters, sorted by name.
    pub clusters: Vec<ClusterStatus>,
    /// Workloads, sorted by component.
    pub workloads: Vec<WorkloadStatus>,
    /// Resources that are no workloads.
    pub others: u64,
    /// The last apply that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_apply: Option<LastApply>,
    /// Applies that began and did not end.
    pub open: Vec<OpenApply>,
}

/// How a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Name.
    pub cluster: String,
    /// How skyplan gets at it.
    pub driver: String,
    /// Nodes that skyplan bought: `1 × g6-xlarge`.
    pub nodes: String,
    /// Why it was not asked; absent = it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// How a workload is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStatus {
    /// Components that it serves.
    pub components: Vec<String>,
    /// Which.
    pub address: ResourceAddress,
    /// Replicas ready and wanted: `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
    /// The same in words.
    pub health: String,
    /// It is not what was applied: gone, or made anew by somebody else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drifted: bool,
}

/// An apply that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastApply {
    /// Serial of its last entry.
    pub serial: u64,
    /// When it ended.
    pub at: String,
    /// Whether all was done.
    pub complete: bool,
}

/// An apply that did not end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenApply {
    /// When it began.
    pub at: String,
    /// When it gives up at the latest.
    pub until: String,
    /// Changes of which nobody knows whether they were made.
    pub uncertain: u64,
}

impl Status {
    /// Whether all clusters answer and all workloads are ready.
    pub fn well(&self) -> bool {
        self.clusters.iter().all(|c| c.silent.is_none()) && self.workloads.iter().all(|w| w.ready)
    }
}

/// As text.
pub fn render(status: &Status, style: Style) -> String {
    let mut out = format!("{}\n", style.bold("Clusters"));
    let clusters: Vec<Vec<String>> = status
        .clusters
        .iter()
        .map(|c| {
            let words = c.silent.as_ref().map_or_else(|| style.good("answers"), |why| style.bad(why));
            vec![style.bold(&c.cluster), style.dim(&c.driver), c.nodes.clone(), words]
        })
        .collect();
    out.push_str(&columns(&clusters, 2));
    out.push_str(&format!("{}\n", style.bold("Components")));
    let workloads: Vec<Vec<String>> = status
        .workloads
        .iter()
        .map(|w| {
            let words = if w.ready { style.good(&w.health) } else { style.bad(&w.health) };
            let count = w.replicas.clone().unwrap_or_default();
            vec![w.components.join(", "), style.bold(w.address.cluster()), w.address.short(), count, words]
        })
        .collect();
    out.push_str(&columns(&workloads, 2));
    out.push_str(&format!("and {} other resources, as of entry {} of the log\n", status.others, status.serial));
    if status.monthly != MicroUsd::ZERO {
        out.push_str(&format!("{} {}/month\n", style.bold("Cost:"), status.monthly));
    }
    if let Some(last) = &status.last_apply {
        let how = if last.complete { "complete" } else { "not complete: `skyplan apply` goes on from there" };
        // What is below seconds helps nobody here.
        let at = last.at.split('.').next().unwrap_or_default().trim_end_matches('Z');
        out.push_str(&format!("{} {at}Z, {how}\n", style.bold("Last apply:")));
    }
    for open in &status.open {
        let text = format!(
            "an apply began at {} and has not ended; it has until {}, and {} of its changes are not known",
            open.at, open.until, open.uncertain
        );
        out.push_str(&format!("{} {text}\n", style.warn("note:")));
    }
    let drifted = status.workloads.iter().filter(|w| w.drifted).count();
    if drifted > 0 {
        let what = if drifted == 1 { "1 workload is".to_owned() } else { format!("{drifted} workloads are") };
        let text = format!("{what} not what was applied; `skyplan plan` shows what it would restore");
        out.push_str(&format!("{} {text}\n", style.warn("note:")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_is_said() {
        let address: ResourceAddress = "object/edge/apps/Deployment/shop/web".parse().unwrap();
        let workload = WorkloadStatus {
            components: vec!["shop/web".into()],
            address,
            replicas: Some("2/2".into()),
            ready: true,
            health: "ready".into(),
            drifted: false,
        };
        let cluster =
            ClusterStatus { cluster: "edge".into(), driver: "local".into(), nodes: "1 × nuc".into(), silent: None };
        let well = Status { clusters: vec![cluster], workloads: vec![workload], ..Status::default() };
        assert!(well.well());
        let text = render(&well, Style::default());
        assert!(text.contains("2/2  ready") && !text.contains("note:"), "{text}");
        let mut ill = well;
        ill.clusters[0].silent = Some("it does not answer".into());
        ill.workloads[0].drifted = true;
        ill.last_apply = Some(LastApply { serial: 3, at: "2026-01-01T00:00:00Z".into(), complete: false });
        let text = render(&ill, Style::default());
        assert!(!ill.well() && text.contains("it does not answer"), "{text}");
        assert!(text.contains("goes on from there") && text.contains("1 workload is not what was applied"), "{text}");
    }
}
