//! Sources of an `Application`: where its manifests come from.

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;

/// One source: exactly one of its fields.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Kubernetes objects written right here.
    pub objects: Option<Vec<At<serde_json::Value>>>,
    /// A file or a folder of manifests, relative to the file it is written in.
    pub path: Option<At<String>>,
    /// A folder with a kustomization, relative to the file it is written in: what `kustomize build` makes of it.
    pub kustomize: Option<At<String>>,
    /// A chart: what `helm template` makes of it.
    pub helm: Option<At<HelmSource>>,
}

/// A chart and what it is rendered with.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelmSource {
    /// A folder with a `Chart.yaml`, or an archive of one (`.tgz`), relative to the file it is written in.
    pub chart: Option<At<String>>,
    /// Values; they count more than those of `valuesFiles`.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub values: Option<At<serde_json::Value>>,
    /// Files of values, relative to the file this is written in; later ones count more.
    #[serde(default)]
    pub values_files: Vec<At<String>>,
    /// `.Release.Name`; default: the application's name.
    pub release_name: Option<At<String>>,
    /// `.Release.Namespace`, and the namespace of objects that name none; default: the application's.
    pub namespace: Option<At<String>>,
    /// Whether the chart's `crds/` are taken; default: true.
    #[serde(rename = "includeCRDs")]
    pub include_crds: Option<bool>,
}

/// What charts are told of the clusters: they are rendered once, for all of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capabilities {
    /// `.Capabilities.KubeVersion`, such as `1.33.0`; default: what the helm at hand was made for.
    pub kube_version: Option<At<String>>,
    /// What `.Capabilities.APIVersions` has besides the built-in ones, such as `monitoring.coreos.com/v1`.
    #[serde(default)]
    pub api_versions: Vec<At<String>>,
}
