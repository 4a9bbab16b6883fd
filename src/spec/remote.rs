//! Sources that are not in the project: what they are called, and what the lock remembers of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::At;

/// Something that is fetched once, by `skyplan lock`, and then only read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Remote {
    /// A revision of a Git repository.
    Git {
        /// Address.
        url: String,
        /// Branch, tag or commit.
        reference: String,
    },
    /// A chart of a chart repository.
    Chart {
        /// Address of the repository.
        repo: String,
        /// Name of the chart.
        chart: String,
        /// Its version.
        version: String,
    },
    /// An artifact of an OCI registry.
    Oci {
        /// Address, with tag or digest.
        url: String,
        /// Whether it is a chart, whose files are in a folder of its name.
        chart: bool,
    },
}

impl Remote {
    /// What the lock calls it.
    pub fn name(&self) -> String {
        match self {
            Self::Git { url, reference } => format!("git {url} {reference}"),
            Self::Chart { repo, chart, version } => format!("chart {repo} {chart} {version}"),
            Self::Oci { url, chart: true } => format!("chart {url}"),
            Self::Oci { url, chart: false } => url.clone(),
        }
    }
}

/// A remote source that is locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// What it is.
    pub remote: Remote,
    /// Commit, version or digest that it came to.
    pub resolved: String,
    /// SHA-256 over all its files.
    pub sha256: String,
}

/// A remote source in the lock.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedContent {
    /// What it is called.
    pub source: At<String>,
    /// Commit, version or digest that it came to.
    pub resolved: String,
    /// SHA-256 over all its files.
    pub sha256: String,
}
