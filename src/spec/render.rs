//! What has to be rendered before the objects of a source are known, and what came of it.
//!
//! Words only: who renders is `sources`' business.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Content;
use crate::{diagnostic::Origin, digest::digest_of};

/// A source that somebody has to render.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Render {
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
    /// What it is in; `None` = the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Folder or archive, from the root of that on.
    pub path: String,
    /// What renders it.
    pub how: Renderer,
}

/// What renders a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Renderer {
    /// Nothing: these are manifests.
    Files,
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
    pub fn name(&self) -> String {
        match &self.content {
            None if self.path.is_empty() => ".".to_owned(),
            None => self.path.clone(),
            Some(content) if self.path.is_empty() => content.remote.name(),
            Some(content) => format!("{} {}", content.remote.name(), self.path),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendered {
    /// Program and version, such as `helm 3.22.0`; empty where none was needed.
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
    /// Program and version; absent for manifests that are only read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// SHA-256 of everything that was read for it; absent where secret values come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// SHA-256 of what was rendered; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}
