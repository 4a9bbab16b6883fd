//! Names of resources: `cluster/<c>`, `null/<name>`, `object/<c>/<group>/<Kind>/<namespace>/<name>`.
//!
//! An address never changes while the resource lives; it has no API version in it. Knows nothing
//! of what a resource is made of.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The name of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceAddress {
    /// A cluster, by the name its `Cluster` document has.
    Cluster(String),
    /// A `Null`, by the name its document has. It is on no cluster.
    Null(String),
    /// A Kubernetes object on a cluster.
    Object(ObjectAddress),
}

/// The name of a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectAddress {
    /// Cluster that it is on.
    pub cluster: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Kind, as in the manifest.
    pub kind: String,
    /// Namespace; `None` for what has none.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ResourceAddress {
    /// The cluster that the resource is, or is on; empty for what is on none.
    pub fn cluster(&self) -> &str {
        match self {
            Self::Cluster(name) => name,
            Self::Null(_) => "",
            Self::Object(object) => &object.cluster,
        }
    }

    /// The object's address, if it is one.
    pub fn object(&self) -> Option<&ObjectAddress> {
        match self {
            Self::Object(object) => Some(object),
            Self::Cluster(_) | Self::Null(_) => None,
        }
    }

    /// What an object is in: its cluster, and its namespace.
    pub fn surroundings(&self) -> Vec<Self> {
        let Self::Object(object) = self else { return Vec::new() };
        let namespace = object.namespace.as_ref().map(|name| {
            Self::Object(ObjectAddress {
                cluster: object.cluster.clone(),
                group: String::new(),
                kind: "Namespace".into(),
                namespace: None,
                name: name.clone(),
            })
        });
        std::iter::once(Self::Cluster(object.cluster.clone())).chain(namespace).collect()
    }

    /// The address without the cluster, as people read it below a cluster's heading:
    /// `Deployment shop/web`.
    pub fn short(&self) -> String {
        // A name that a server would refuse may still be shown, and must not move a terminal's cursor.
        self.words().replace(char::is_control, "\u{fffd}")
    }

    fn words(&self) -> String {
        match self {
            Self::Cluster(name) => format!("Cluster {name}"),
            Self::Null(name) => format!("Null {name}"),
            Self::Object(o) => match &o.namespace {
                Some(namespace) => format!("{} {namespace}/{}", o.kind, o.name),
                None => format!("{} {}", o.kind, o.name),
            },
        }
    }
}

impl fmt::Display for ResourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(name) => write!(f, "cluster/{name}"),
            Self::Null(name) => write!(f, "null/{name}"),
            Self::Object(o) => {
                let group = if o.group.is_empty() { "core" } else { &o.group };
                let namespace = o.namespace.as_deref().unwrap_or("-");
                write!(f, "object/{}/{group}/{}/{namespace}/{}", o.cluster, o.kind, o.name)
            }
        }
    }
}

impl FromStr for ResourceAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not an address such as cluster/edge or object/edge/apps/Deployment/shop/web");
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|p| p.is_empty()) {
            return Err(bad());
        }
        match parts.as_slice() {
            ["cluster", name] => Ok(Self::Cluster((*name).to_owned())),
            ["null", name] => Ok(Self::Null((*name).to_owned())),
            ["object", cluster, group, kind, namespace, name] => Ok(Self::Object(ObjectAddress {
                cluster: (*cluster).to_owned(),
                group: if *group == "core" { String::new() } else { (*group).to_owned() },
                kind: (*kind).to_owned(),
                namespace: (*namespace != "-").then(|| (*namespace).to_owned()),
                name: (*name).to_owned(),
            })),
            _ => Err(bad()),
        }
    }
}

impl Serialize for ResourceAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl schemars::JsonSchema for ResourceAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResourceAddress".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "cluster/<c>, null/<name> or object/<c>/<group>/<Kind>/<namespace or ->/<name>",
            "type": "string"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in [
            "cluster/edge",
            "null/marker",
            "object/edge/apps/Deployment/shop/web",
            "object/edge/core/Namespace/-/shop",
            "object/edge/rbac.authorization.k8s.io/ClusterRole/-/system:node",
        ] {
            let address: ResourceAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        for bad in ["", "cluster", "cluster/", "object/a/b", "thing/x", "object/a/apps/D//x"] {
            assert!(bad.parse::<ResourceAddress>().is_err(), "{bad}");
        }
    }
}
