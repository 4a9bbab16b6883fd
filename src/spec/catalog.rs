//! The catalogue: which profiles are made from price files, and what `skyplan.lock` remembers of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{At, EgressPrice, LockedContent, QuotaSpec};
use crate::{money::MicroUsd, quantity::Day};

/// The lock file, in the project's root.
pub const LOCK_FILE: &str = "skyplan.lock";

/// The lock's version that this skyplan writes.
pub const LOCK_VERSION: u64 = 1;

/// A profile that `skyplan catalog refresh` writes from price files.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogEntry {
    /// Name of the profile.
    pub name: At<String>,
    /// Whose files they are.
    pub importer: At<Importer>,
    /// File that is written, in the project: a path that ends in `.yaml`.
    pub into: At<String>,
    /// What it is made from. Each file says itself what it is.
    pub sources: Vec<At<CatalogSource>>,
    /// Region, in the platform's words.
    pub region: Option<At<String>>,
    /// Region, in words that several platforms share.
    pub region_alias: Option<String>,
    /// Continent.
    pub continent: Option<String>,
    /// Zones that the profile has.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Compliance tags.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// Names of the offerings that are taken, with `*` for anything; absent = all.
    #[serde(default)]
    pub offerings: Vec<At<String>>,
    /// Prices of offerings whose source has none, such as flavors; the first that fits counts.
    #[serde(default)]
    pub prices: Vec<At<PriceRule>>,
    /// What a cluster costs before its first node, in US dollars per hour, whatever the sources say.
    pub control_plane_price: Option<At<MicroUsd>>,
    /// Price lists of data that leaves; a list here counts, whatever the sources say.
    #[serde(default)]
    pub egress: Vec<At<EgressPrice>>,
    /// What can be had at most.
    pub quota: Option<At<QuotaSpec>>,
}

/// A file that a profile is made from.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogSource {
    /// `https://` address that `skyplan catalog refresh` reads.
    pub url: Option<At<String>>,
    /// Path in the project, relative to its root.
    pub path: Option<At<String>>,
    /// Headers that are sent with the request, and the environment variables that hold their values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl CatalogSource {
    /// The address or path.
    pub fn text(&self) -> &str {
        self.url.as_ref().or(self.path.as_ref()).map_or("", |t| t.value.as_str())
    }
}

/// What reads a price file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Importer {
    /// Offer files of the AWS price list, and the history of spot prices.
    Aws,
    /// Items of the Azure Retail Prices API, and the list of sizes.
    Azure,
    /// SKUs of the Cloud Billing Catalog, and the list of machine types.
    Gcp,
    /// Measured latencies.
    Latency,
    /// Flavors of an OpenStack cloud.
    Openstack,
}

impl Importer {
    /// The word in the specs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::Latency => "latency",
            Self::Openstack => "openstack",
        }
    }
}

/// A price for offerings whose source has none.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceRule {
    /// Names of offerings, with `*` for anything; absent = all.
    pub offering: Option<At<String>>,
    /// US dollars per hour.
    pub price: Option<At<MicroUsd>>,
    /// US dollars per hour and CPU, added to the price.
    pub per_vcpu: Option<At<MicroUsd>>,
    /// US dollars per hour and 2³⁰ bytes of memory, added to the price.
    pub per_gib: Option<At<MicroUsd>>,
}

/// `skyplan.lock`: where every file of the catalogue came from, and when; what remote sources came to.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogLock {
    /// Version of the format.
    pub version: At<u64>,
    /// Files of the catalogue, sorted by profile.
    #[serde(default)]
    pub catalog: Vec<At<LockedProfile>>,
    /// Sources that are not in the project, sorted.
    #[serde(default)]
    pub sources: Vec<At<LockedContent>>,
}

/// A file of the catalogue as it was written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedProfile {
    /// Name of the profile.
    pub profile: At<String>,
    /// The file.
    pub file: At<String>,
    /// SHA-256 of the file as it was written.
    pub sha256: String,
    /// What read the sources.
    pub importer: Importer,
    /// Version of the importer.
    pub importer_version: u64,
    /// SHA-256 of the entry in the Project that it was made for.
    pub entry: String,
    /// The day on which the sources were read.
    pub fetched: Day,
    /// The day from which the prices are valid, if the sources say so.
    pub valid_from: Option<Day>,
    /// The day that the prices' age is counted from.
    pub as_of: At<Day>,
    /// What it was made from.
    pub sources: Vec<LockedSource>,
}

/// A source as it was read.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedSource {
    /// Address or path.
    pub source: String,
    /// SHA-256 of its bytes; of all pages, one after the other.
    pub sha256: String,
}
