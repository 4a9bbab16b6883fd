//! The published schemas are those of the types.

use std::{fs, path::Path};

use serde_json::Value;
use skyplan::spec::{KINDS, schema};

#[test]
fn the_published_schemas_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let plan = ("plan", schemars::schema_for!(skyplan::plan::Plan).to_value());
    let status = ("status", schemars::schema_for!(skyplan::render::status::Status).to_value());
    let lost = schemars::schema_for!(skyplan::plan::answer::ContingencyAnswer).to_value();
    let kinds = KINDS.iter().map(|kind| (*kind, schema(kind).unwrap()));
    let all: Vec<(&str, Value)> = kinds.chain([plan, status, ("contingency", lost)]).collect();
    let bless = std::env::var_os("SNAPSHOTS").is_some_and(|v| v == "overwrite");
    for (name, schema) in &all {
        let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
        let path = folder.join(format!("{name}.json"));
        if bless {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, text).unwrap();
        } else {
            let published = fs::read_to_string(&path).unwrap_or_default();
            assert!(published == text, "schemas/{name}.json is stale: run `make bless`");
        }
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), all.len(), "a schema that no type has");
}
