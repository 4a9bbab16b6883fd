//! `strategy` of a component: by which rule its replicas are spread over places.
//!
//! A name alone, or a name with what it needs. What the rules do is not known here.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{At, PlaceSelector};

/// By which rule replicas are spread over places.
#[derive(Clone, Debug, PartialEq)]
pub struct Strategy {
    /// The rule.
    pub name: StrategyName,
    /// In how many places `replicas` are wanted each.
    pub locations: Option<At<u32>>,
    /// Clusters that are wanted.
    pub clusters: Vec<At<String>>,
    /// Weights of places.
    pub weights: Vec<At<Weight>>,
    /// Whether replicas that find no room are left out.
    pub partial: bool,
    /// Whether the replicas may be split.
    pub divided: Option<At<bool>>,
}

/// A rule with what it needs.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename = "Strategy", deny_unknown_fields)]
struct Fields {
    /// The rule.
    name: StrategyName,
    /// In how many places `replicas` are wanted each; default 1. For `WorstFit`, `BestFit` and
    /// `MostTraffic`.
    locations: Option<At<u32>>,
    /// Clusters that are wanted, with `replicas` in each, in the order that they are served in. For
    /// `ClusterAffinity`.
    #[serde(default)]
    clusters: Vec<At<String>>,
    /// Weights of places: of several entries that match a place the largest counts. For `Weighted`, where
    /// a place that no entry matches gets nothing, and for `Spread`, where it gets little.
    #[serde(default)]
    weights: Vec<At<Weight>>,
    /// Whether replicas that find no room are left out; default false: then nothing is placed.
    #[serde(default)]
    partial: bool,
    /// Whether the replicas may be split over places where that is cheaper; default false. For `Cost`.
    divided: Option<At<bool>>,
}

/// Names of the fields, for readers that take maps apart before types are known.
const FIELDS: &[&str] = &["name", "locations", "clusters", "weights", "partial", "divided"];

/// A weight of some places.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Weight {
    /// Which places.
    pub selector: At<PlaceSelector>,
    /// How much, against the others.
    pub weight: u32,
}

/// Names of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum StrategyName {
    /// Whole, where everything together is cheapest; `divided: true` splits it where that is cheaper.
    #[default]
    Cost,
    /// `replicas` in each of `locations` places, those with the most room first.
    WorstFit,
    /// `replicas` in each of `locations` places, those with the least room first.
    BestFit,
    /// `replicas` in each of `locations` places, those that receive the most traffic first.
    MostTraffic,
    /// `replicas` in each of `clusters`; what finds no room goes to the nearest others.
    ClusterAffinity,
    /// `replicas` in every permitted place.
    Duplicated,
    /// `replicas` in all, divided by `weights`.
    Weighted,
    /// `replicas` in all, divided by the room there is.
    DynamicWeight,
    /// `replicas` in all, in as few places as hold them.
    Aggregated,
    /// `replicas` in all, filling one place after the other, the largest first.
    Spread,
}

impl StrategyName {
    /// The word in the specs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cost => "Cost",
            Self::WorstFit => "WorstFit",
            Self::BestFit => "BestFit",
            Self::MostTraffic => "MostTraffic",
            Self::ClusterAffinity => "ClusterAffinity",
            Self::Duplicated => "Duplicated",
            Self::Weighted => "Weighted",
            Self::DynamicWeight => "DynamicWeight",
            Self::Aggregated => "Aggregated",
            Self::Spread => "Spread",
        }
    }
}

impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Strategy;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a strategy, or a map with its `name`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Strategy, E> {
                let name = StrategyName::deserialize(word.into_deserializer())?;
                Ok(Strategy {
                    name,
                    locations: None,
                    clusters: Vec::new(),
                    weights: Vec::new(),
                    partial: false,
                    divided: None,
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Strategy, A::Error> {
                Fields::deserialize(MapAccessDeserializer::new(map)).map(|f| Strategy {
                    name: f.name,
                    locations: f.locations,
                    clusters: f.clusters,
                    weights: f.weights,
                    partial: f.partial,
                    divided: f.divided,
                })
            }
        }
        deserializer.deserialize_struct("Strategy", FIELDS, Either)
    }
}

impl JsonSchema for Strategy {
    fn schema_name() -> Cow<'static, str> {
        "StrategyOrName".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, fields) = (generator.subschema_for::<StrategyName>(), generator.subschema_for::<Fields>());
        json_schema!({"description": "The name of a strategy, or a strategy with what it needs.", "anyOf": [name, fields]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_type() {
        let schema = schemars::schema_for!(Fields).to_value();
        let mut fields: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = FIELDS.to_vec();
        fields.sort_unstable();
        known.sort_unstable();
        assert_eq!(fields, known);
    }
}
