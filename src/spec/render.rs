//! What has to be rendered before the objects of a source are known, and what came of it.
//!
//! Words only: who renders is `sources`' business.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{diagnostic::Origin, digest::digest_of};

/// A source that somebody has to render.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Render {
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
    /// Folder or archive, from the project's root on.
    pub path: String,
    /// What renders it.
    pub how: Renderer,
}

/// What renders a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Renderer {
    /// `kustomize build`.
    Kustomize,
    /// `helm template`.
    Helm(Box<ChartRender>),
}

/// What a chart is rendered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartRender {
    /// `.Release.Name`.
    pub release: String,
    /// `.Release.Namespace`.
    pub namespace: String,
    /// Values as JSON, later ones count more.
    pub values: Vec<String>,
    /// Whether `crds/` are taken.
    pub include_crds: bool,
    /// `.Capabilities.KubeVersion`.
    pub kube_version: Option<String>,
    /// `.Capabilities.APIVersions` besides the built-in ones.
    pub api_versions: Vec<String>,
}

impl Render {
    /// What its result is known by.
    pub fn key(&self) -> String {
        digest_of(self)
    }

    /// What it is called in plans and faults.
    pub fn name(&self) -> &str {
        if self.path.is_empty() { "." } else { &self.path }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendered {
    /// Program and version, such as `helm 3.22.0`.
    pub tool: String,
    /// Digest of everything that was read for it.
    pub inputs: String,
    /// What the program wrote.
    pub output: String,
}

/// What a plan remembers of a rendered source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenderedSource {
    /// Application.
    pub application: String,
    /// Folder or archive.
    pub source: String,
    /// Program and version.
    pub tool: String,
    /// SHA-256 of everything that was read for it; absent where secret values come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// SHA-256 of what was rendered; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}
