//! `Project`: the root of a project's folder.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Visitor};
use serde_json::Value;

use super::{At, CatalogEntry, NetworkSettings, TrustSettings};
use crate::{
    money::MicroUsd,
    quantity::{Micros, Percent},
    seal::recipient,
};

/// Where the state log is kept where nothing else is written.
pub const STATE_URL: &str = "file://.skyplan/state";

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
    /// Who may sign what is applied.
    #[serde(default)]
    pub trust: TrustSettings,
    /// How places are chosen.
    #[serde(default)]
    pub placement: PlacementSettings,
    /// What the networks of clusters are leased from.
    #[serde(default)]
    pub networks: NetworkSettings,
    /// Values that `${parameters.NAME}` stands for in all documents and manifests: text, numbers, true or
    /// false.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// What the project is planned for, each with its own state; `--env` says which is meant. Absent: one
    /// called `default`.
    #[serde(default)]
    pub environments: Vec<Environment>,
    /// Values to know after an apply, such as the address of a load balancer.
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// Profiles that `skyplan catalog refresh` writes, and what from.
    #[serde(default)]
    pub catalog: Vec<At<CatalogEntry>>,
}

/// One of the places that a project is planned for: staging, production.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Environment {
    /// Name.
    pub name: At<String>,
    /// Values of parameters that are others here.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Names of the Clusters that there are in it; absent: all.
    pub clusters: Option<Vec<At<String>>>,
}

/// Text, a number, or true or false.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter(pub Value);

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Parameter;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text, a number, or true or false")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Parameter, E> {
                Ok(Parameter(v.into()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Parameter, E> {
                Ok(Parameter(v.into()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Parameter, E> {
                Ok(Parameter(v.into()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Parameter, E> {
                Ok(Parameter(v.into()))
            }
            fn visit_str<E>(self, v: &str) -> Result<Parameter, E> {
                Ok(Parameter(v.into()))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}

impl JsonSchema for Parameter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Parameter".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "Text, a number, or true or false.", "type": ["string", "number", "boolean"]})
    }
}

/// A value to know after an apply.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Output {
    /// Name.
    pub name: At<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// The Cluster that it is read from; absent: wherever the object is, as a map by cluster where that is
    /// more than one.
    pub cluster: Option<At<String>>,
    /// The object that it is read from; absent: the cluster's connection.
    pub object: Option<OutputObject>,
    /// Field: `status.loadBalancer.ingress[0].ip` of an object; `kubeconfig` or `context` of a cluster.
    pub path: At<String>,
}

/// An object of an application.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutputObject {
    /// Application that has it; absent: any.
    pub application: Option<At<String>>,
    /// Kind.
    pub kind: At<String>,
    /// Namespace; absent: any.
    pub namespace: Option<At<String>>,
    /// Name.
    pub name: At<String>,
}

/// Where the state log is kept.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StateSettings {
    /// `file://` and a path, relative to the project; or an address that begins with `s3://`, `gs://`,
    /// `azblob://`, `kubernetes://` or `postgres://`. Default `file://.skyplan/state`.
    pub url: Option<At<String>>,
    /// For whom secret values are sealed.
    #[serde(default)]
    pub encryption: EncryptionSettings,
}

/// For whom secret values are sealed where a plan file or the state is to hold them. Without recipients neither
/// does: the specs alone have them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EncryptionSettings {
    /// Public keys: `age1…`, as `age-keygen` writes them, or `ssh-ed25519 AAAA…`.
    #[serde(default)]
    pub recipients: Vec<At<RecipientKey>>,
}

/// A public key that age encrypts for, without a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientKey(pub String);

impl<'de> Deserialize<'de> for RecipientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        recipient(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for RecipientKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RecipientKey".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A public key: `age1…` or `ssh-ed25519 AAAA…`.", "type": "string", "pattern": "^(age1|ssh-ed25519 )"})
    }
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
    /// What a placement may cost more than the cheapest for the sake of fewer moves, as a part of what the
    /// components cost that are reconsidered; default `2%`.
    pub hysteresis: Option<At<Percent>>,
    /// A search ends once its placement is proven to cost at most this much more than the cheapest; default
    /// `0%`.
    pub gap: Option<At<Percent>>,
    /// A search that takes longer than this ends with what it has; default `1m`. A placement that was cut
    /// off so is not applied without a person.
    pub deadline: Option<At<Micros>>,
    /// Prices of the catalogue that are older are warned of; default `90d`.
    pub prices_max_age: Option<At<Micros>>,
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
