//! Outputs as text: name and value, one per line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Style;
use crate::{plan::Plan, state::RecordedOutput};

/// Those that an apply of the plan changes.
pub fn unknown(plan: &Plan, style: Style) -> String {
    let names: Vec<&String> = plan.outputs.iter().filter(|(_, o)| o.value.is_none()).map(|(name, _)| name).collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let lines = names.iter().map(|name| format!("  {name:width$} = {}\n", style.dim("(known after apply)")));
    headed(lines.collect(), style)
}

/// Values as they were read.
pub fn values(outputs: &BTreeMap<String, RecordedOutput>, style: Style) -> String {
    let width = outputs.keys().map(|n| n.chars().count()).max().unwrap_or(0);
    let lines = outputs.iter().map(|(name, output)| {
        let remark =
            output.description.as_ref().map_or_else(String::new, |d| format!("  {}", style.dim(&format!("# {d}"))));
        format!("  {name:width$} = {}{remark}\n", shown(&output.value))
    });
    headed(lines.collect(), style)
}

/// A value alone: text as it is, everything else as JSON.
pub fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(none yet)".into(),
        // What a cluster answers is not to move a terminal's cursor.
        other => bare(other).replace(char::is_control, "\u{fffd}"),
    }
}

fn headed(lines: String, style: Style) -> String {
    if lines.is_empty() { lines } else { format!("\n{}\n{lines}", style.bold("Outputs")) }
}
