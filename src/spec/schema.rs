//! JSON Schemas of the kinds, from the types: for editors, and for whoever checks specs elsewhere.

use schemars::{Schema, schema_for};
use serde_json::{Value, json};

use super::{
    API_VERSION, Application, Cluster, DataflowPolicy, DeploymentPolicy, LatencyProfile, Null, Project,
    ProviderProfile, Refactoring,
};

/// The schema (draft 2020-12) of a kind's documents; `None` for a kind that there is not.
pub fn schema(kind: &str) -> Option<Value> {
    let schema: Schema = match kind {
        "Application" => schema_for!(Application),
        "Cluster" => schema_for!(Cluster),
        "DataflowPolicy" => schema_for!(DataflowPolicy),
        "DeploymentPolicy" => schema_for!(DeploymentPolicy),
        "LatencyProfile" => schema_for!(LatencyProfile),
        "Null" => schema_for!(Null),
        "Project" => schema_for!(Project),
        "ProviderProfile" => schema_for!(ProviderProfile),
        "Refactoring" => schema_for!(Refactoring),
        _ => return None,
    };
    let mut schema = schema.to_value();
    // Which kind a document is stands in the document, not in the type.
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("apiVersion".into(), json!({"const": API_VERSION}));
        properties.insert("kind".into(), json!({"const": kind}));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.extend([json!("apiVersion"), json!("kind")]);
    }
    Some(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::KINDS;

    #[test]
    fn every_kind_has_one_that_refuses_other_fields() {
        for kind in KINDS {
            let schema = schema(kind).unwrap();
            assert_eq!(schema["properties"]["kind"]["const"], kind);
            assert_eq!(schema["additionalProperties"], false, "{kind}");
            assert!(schema["required"].as_array().unwrap().contains(&json!("name")), "{kind}");
        }
        assert_eq!(schema("Deployment"), None);
    }
}
