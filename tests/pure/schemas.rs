//! The published schemas are those of the types.

use std::{fs, path::Path};

#[test]
fn the_schema_of_plans_is_fresh() {
    let schema = schemars::schema_for!(skyplan::plan::Plan);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/plan.json");
    if std::env::var_os("SNAPSHOTS").is_some_and(|v| v == "overwrite") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == text, "schemas/plan.json is stale: run `make bless`");
}
