//! The words a user may write, one file per kind, as plain data.
//!
//! Every leaf that can be wrong carries its place ([`At`]). Nothing here looks anything up, fills a
//! default from the environment, or knows what the words come to: that is `compile`'s work.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod application;
mod at;
mod catalog;
mod cluster;
pub mod fieldpath;
mod network;
mod null;
mod overrides;
mod pattern;
mod policy;
mod project;
mod provider;
mod refactoring;
mod remote;
mod render;
mod schema;
mod source;
mod strategy;
mod trust;
mod unread;

pub use application::{
    Application, ComponentOverride, ComponentResources, GpuCount, Instances, Lifecycle, ObjectSelector, OnConflict,
};
pub use at::At;
pub(crate) use at::MARKER;
pub use catalog::{
    CatalogEntry, CatalogLock, CatalogSource, Importer, LOCK_FILE, LOCK_VERSION, LockedProfile, LockedSource, PriceRule,
};
pub use cluster::{Cluster, ClusterDriver, DeletionPolicy, ExistingBlock, LocalBlock, NodePool, Taint, TaintEffect};
pub use network::{ClusterNetwork, NetworkPool, NetworkSettings};
pub use null::Null;
pub use overrides::{Override, PatchOp, PatchOperation};
pub use pattern::matches_pattern;
pub use policy::{
    ComponentPolicy, ComputeAlternative, ComputeRequirement, DataflowPolicy, DeploymentPolicy, Flow, GpuNeed,
    LabelExpression, LabelOperator, Location, LocationGroup, PlaceSelector, PreferredPlaces, SpreadBy, SpreadRule,
    TolerationOperator, TolerationSpec, Volume,
};
pub use project::{
    EncryptionSettings, Environment, LatencyBound, Output, OutputObject, Parameter, PlacementSettings, Project,
    RecipientKey, STATE_URL, StateSettings,
};
pub use provider::{
    ControlPlanePrice, EgressPrice, EgressTier, EgressTo, Gpu, LatencyDefault, LatencyPair, LatencyProfile, Offering,
    Platform, ProviderProfile, QuotaSpec, Zone, ZoneType,
};
pub use refactoring::{MovedBlock, Refactoring, Subject};
pub use remote::{Content, LockedContent, Remote};
pub use render::{ChartRender, Render, Rendered, RenderedSource, Renderer};
pub use schema::schema;
pub use source::{Capabilities, GitSource, HelmSource, OciSource, Source};
pub use strategy::{Strategy, StrategyName, Weight};
pub use trust::{Signer, TrustSettings};
pub use unread::Unread;

use crate::diagnostic::Origin;

/// The API version of all of skyplan's kinds.
pub const API_VERSION: &str = "skyplan.io/v1alpha1";

/// Kinds that a document may have, sorted.
pub const KINDS: [&str; 9] = [
    "Application",
    "Cluster",
    "DataflowPolicy",
    "DeploymentPolicy",
    "LatencyProfile",
    "Null",
    "Project",
    "ProviderProfile",
    "Refactoring",
];

/// A document and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Document<T> {
    /// The head of the document.
    pub origin: Origin,
    /// What it says.
    pub spec: T,
}

/// Everything that a project's files say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpecSet {
    /// The root document; `None` only while loading.
    pub project: Option<Document<Project>>,
    /// Which of its environments this is; `None` where it has none.
    pub environment: Option<String>,
    /// Places that can be rented or are owned.
    pub providers: Vec<Document<ProviderProfile>>,
    /// Networks between places.
    pub latencies: Vec<Document<LatencyProfile>>,
    /// Clusters that are there or shall be.
    pub clusters: Vec<Document<Cluster>>,
    /// Applications.
    pub applications: Vec<Document<Application>>,
    /// Nothings.
    pub nulls: Vec<Document<Null>>,
    /// What components need.
    pub deployments: Vec<Document<DeploymentPolicy>>,
    /// Data between components.
    pub dataflows: Vec<Document<DataflowPolicy>>,
    /// What has other names, is let go, or is taken over.
    pub refactorings: Vec<Document<Refactoring>>,
    /// `skyplan.lock`, where there is one.
    pub lock: Option<Document<CatalogLock>>,
    /// What could not be read: references to it are not dangling.
    pub unread: Unread,
    /// The texts of all files, for places that nothing above remembers.
    pub texts: std::collections::BTreeMap<std::sync::Arc<str>, std::sync::Arc<str>>,
    /// Objects of every application's sources, by the application's name, in the order of sources.
    pub manifests: std::collections::BTreeMap<String, Vec<Manifest>>,
    /// What has to be rendered before all of them are known.
    pub renders: Vec<Render>,
    /// What is not in the project, locked or not, with the places that ask for it.
    pub remotes: Vec<At<Remote>>,
    /// What was rendered.
    pub rendered: Vec<RenderedSource>,
}

/// A Kubernetes object as it was written or rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The head of the object.
    pub origin: Origin,
    /// The object.
    pub object: serde_json::Value,
    /// Its namespace where it names none, if that is not the application's.
    pub namespace: Option<std::sync::Arc<str>>,
}
