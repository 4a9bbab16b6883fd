//! `Refactoring`: what is called something else, is let go, or is taken over, written down so that it can be
//! reviewed.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::At;
use crate::address::ResourceAddress;

/// Surgery on what skyplan remembers: what is called something else, is let go, or is taken over. A document that
/// has done its work changes nothing, and can be taken out.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refactoring {
    /// Name, unique in the project.
    pub name: At<String>,
    /// What is called something else in the specs, and is the same.
    #[serde(default)]
    pub moved: Vec<MovedBlock>,
    /// Addresses that the specs no longer have, and that are left as they are instead of being deleted.
    #[serde(default)]
    pub removed: Vec<At<ResourceAddress>>,
    /// Addresses that the specs have, and that are there already: they are taken over.
    #[serde(default)]
    pub import: Vec<At<ResourceAddress>>,
}

/// One thing and its two names.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MovedBlock {
    /// What it was called.
    pub from: At<Subject>,
    /// What the specs call it now.
    pub to: At<Subject>,
}

/// What may have another name and be the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// `cluster/edge`: a cluster, with all that is on it.
    Cluster(String),
    /// `shop/web`: a component.
    Component(String),
    /// `shop`: an application, with all of its components.
    Application(String),
    /// An address of something else, whose name is what it is.
    Other(ResourceAddress),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(name) => write!(f, "cluster/{name}"),
            Self::Component(name) | Self::Application(name) => f.write_str(name),
            Self::Other(address) => address.fmt(f),
        }
    }
}

impl FromStr for Subject {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<ResourceAddress>() {
            return Ok(match address {
                ResourceAddress::Cluster(name) => Self::Cluster(name),
                other => Self::Other(other),
            });
        }
        match text.split('/').collect::<Vec<_>>().as_slice() {
            [application] if !application.is_empty() => Ok(Self::Application(text.to_owned())),
            [application, name] if !application.is_empty() && !name.is_empty() => Ok(Self::Component(text.to_owned())),
            _ => Err(format!("`{text}` is none of cluster/NAME, APPLICATION/COMPONENT and APPLICATION")),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Subject {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Subject".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"description": "cluster/<c>, <application>/<component> or <application>", "type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_back() {
        for text in ["cluster/edge", "shop/web", "shop", "object/a/core/ConfigMap/n/m"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for bad in ["", "/", "a/b/c", "cluster/"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }
}
