//! Sources of an `Application`: where its manifests come from.

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;

/// One source: exactly one of `objects`, `path`, `kustomize` and `helm`; `git` and `oci` say where the latter three are
/// if they are not in the project.
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
    /// A Git repository that paths of this source are in. `skyplan lock` fetches it.
    pub git: Option<At<GitSource>>,
    /// An artifact in an OCI registry that paths of this source are in. `skyplan lock` fetches it.
    pub oci: Option<At<OciSource>>,
}

/// A Git repository.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSource {
    /// `https://`, `ssh://`, `file://` or `git://`.
    pub url: At<String>,
    /// A branch, tag or commit.
    #[serde(rename = "ref")]
    pub reference: At<String>,
    /// A file or folder of manifests in it, where the source has no other path; `.` = all of it.
    pub path: Option<At<String>>,
}

/// An artifact in an OCI registry: files in an archive.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciSource {
    /// `oci://HOST/NAME:TAG`, or `…@sha256:…`.
    pub url: At<String>,
    /// A file or folder of manifests in it, where the source has no other path; `.` = all of it.
    pub path: Option<At<String>>,
}

/// A chart and what it is rendered with.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelmSource {
    /// A folder with a `Chart.yaml`, or an archive of one (`.tgz`), relative to the file it is written in.
    /// With `repo`, the chart's name there.
    pub chart: Option<At<String>>,
    /// A chart repository: the address that has its `index.yaml`. `skyplan lock` fetches the chart.
    pub repo: Option<At<String>>,
    /// A chart in an OCI registry: `oci://HOST/NAME`. `skyplan lock` fetches it.
    pub oci: Option<At<String>>,
    /// Version of a chart that is not in the project, in full.
    pub version: Option<At<String>>,
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
