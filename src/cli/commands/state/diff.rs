//! `skyplan state diff`: what changed in the state between two entries of the log.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cli::{exit::Exit, output::Output},
    diagnostic::Diagnostic,
    plan::{
        change::{Action, FieldChange},
        fields,
    },
    render::{
        Style,
        plan::{field_line, on_cluster},
    },
    state::{Entry, Move, State, store::Log},
};

/// What differs between two states.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StateDiff {
    format_version: &'static str,
    from: u64,
    to: u64,
    /// What is called otherwise since; everything else is by the new names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    moved: Vec<Move>,
    resources: Vec<Changed>,
    placement: Vec<FieldChange>,
    outputs: Vec<FieldChange>,
    held: Vec<FieldChange>,
    uncertain: Vec<FieldChange>,
}

/// A resource of which something else is remembered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    address: crate::address::ResourceAddress,
    /// `create`: it is remembered since; `update`; `forget`: it is no longer.
    action: Action,
    /// The entry that wrote its present record.
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldChange>,
}

pub(super) fn run(log: &Log, from: u64, to: Option<u64>, as_json: bool, output: &Output) -> Exit {
    let to = to.unwrap_or(log.state().serial);
    let diff = match between(log, from.min(to), from.max(to)) {
        Ok(diff) => diff,
        Err(d) => return output.fault(*d),
    };
    if as_json {
        output.json(&diff);
    } else {
        output.print(&text(&diff, output.style));
    }
    Exit::Done
}

fn between(log: &Log, from: u64, to: u64) -> Result<StateDiff, Box<Diagnostic>> {
    let (before, after) = (state_at(log, from)?, state_at(log, to)?);
    let since = log.entries()?.into_iter().filter(|(serial, _)| (from + 1..=to).contains(serial));
    let moved: Vec<Move> =
        since.flat_map(|(_, entry)| if let Entry::Moved(m) = entry { m.moves } else { Vec::new() }).collect();
    let before = moved.iter().fold(before, State::moved);
    Ok(StateDiff { moved, ..compare(&before, &after) })
}

/// The state as of an entry that is kept.
pub(in crate::cli) fn state_at(log: &Log, serial: u64) -> Result<State, Box<Diagnostic>> {
    if let Some(state) = log.state_at(serial)? {
        return Ok(state);
    }
    let last = log.state().serial;
    let entries = log.entries()?;
    let Some((first, _)) = entries.first() else {
        return Err(Box::new(
            Diagnostic::error("SKY0810", "the log has no entries yet").hint("`skyplan apply` writes the first ones"),
        ));
    };
    let fault = Diagnostic::error("SKY0810", format!("entry {serial} of the state log is not at hand"));
    Err(Box::new(if serial < *first {
        fault
            .detail(format!("The log goes from entry {first} to {last}: what is older than 512 entries is removed."))
            .hint("a copy of the store from that time has it")
    } else {
        fault.hint(format!("the log goes from entry {first} to {last}: `skyplan state log` lists them"))
    }))
}

/// What people compare of a record: not which entry wrote it, nor what only the next plan reads.
fn facts(record: &crate::state::Record) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        for field in ["serial", "owned", "kind", "origin"] {
            map.remove(field);
        }
        let short = |v: &Value| v.as_str().map(|text| json!(text.chars().take(12).collect::<String>()));
        for digest in ["sent", "projection"] {
            if let Some(cut) = map.get(digest).and_then(short) {
                map.insert(digest.to_owned(), cut);
            }
        }
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        if let Some(Value::Array(all)) = map.get("dependsOn") {
            let by_name: serde_json::Map<String, Value> = all.iter().map(|a| (text(a), json!(true))).collect();
            map.insert("dependsOn".into(), Value::Object(by_name));
        }
    }
    value
}

fn compare(before: &State, after: &State) -> StateDiff {
    let mut resources = Vec::new();
    let mut addresses: Vec<_> = before.records.keys().chain(after.records.keys()).collect();
    addresses.sort();
    addresses.dedup();
    for address in addresses {
        let changed = match (before.records.get(address), after.records.get(address)) {
            (None, Some(new)) => (Action::Create, Some(new.serial), Vec::new()),
            (Some(_), None) => (Action::Forget, None, Vec::new()),
            (Some(old), Some(new)) if old.serial != new.serial => {
                let mut fields = fields::changes(&facts(old), &facts(new));
                // It follows from that.
                if fields.iter().any(|f| f.path == "sent") {
                    fields.retain(|f| f.path != "projection");
                }
                (Action::Update, Some(new.serial), fields)
            }
            _ => continue,
        };
        let (action, serial, fields) = changed;
        resources.push(Changed { address: address.clone(), action, serial, fields });
    }
    let placement = |s: &State| {
        let components = s.placement.components.iter().map(|(name, p)| {
            let place = if p.portions.is_empty() { json!(p.clusters.join(", ")) } else { json!(p.portions) };
            (name.clone(), place)
        });
        Value::Object(components.collect())
    };
    let outputs = |s: &State| {
        let values = s.outputs.iter().map(|(name, o)| (name.clone(), o.value.clone()));
        Value::Object(values.collect())
    };
    let held = |s: &State| {
        let all = s.held.iter().map(|(a, h)| (a.to_string(), json!(h.reason)));
        Value::Object(all.collect())
    };
    let uncertain = |s: &State| {
        let all = s.uncertain.keys().map(|a| (a.to_string(), json!(true)));
        Value::Object(all.collect())
    };
    StateDiff {
        format_version: "1.0",
        from: before.serial,
        to: after.serial,
        moved: Vec::new(),
        resources,
        placement: fields::changes(&placement(before), &placement(after)),
        outputs: fields::changes(&outputs(before), &outputs(after)),
        held: fields::changes(&held(before), &held(after)),
        uncertain: fields::changes(&uncertain(before), &uncertain(after)),
    }
}

fn text(diff: &StateDiff, style: Style) -> String {
    let mut out: String = diff.moved.iter().map(|m| format!("→ {} is now {}\n", m.from, m.to)).collect();
    for changed in &diff.resources {
        let sign = match changed.action {
            Action::Create => style.good("+"),
            Action::Forget => style.bad("-"),
            _ => style.warn("~"),
        };
        let serial = changed.serial.map_or_else(String::new, |s| style.dim(&format!("  # entry {s}")));
        out.push_str(&format!("{sign} {}{serial}\n", on_cluster(&changed.address)));
        for field in &changed.fields {
            out.push_str(&format!("    {}\n", field_line(field, style)));
        }
        if changed.action == Action::Update && changed.fields.is_empty() {
            out.push_str(&format!("    {}\n", style.dim("applied again, as it was")));
        }
    }
    for (title, fields) in [("placement", &diff.placement), ("outputs", &diff.outputs), ("held", &diff.held)] {
        if !fields.is_empty() {
            out.push_str(&format!("{}\n", style.bold(title)));
            out.extend(fields.iter().map(|f| format!("    {}\n", field_line(f, style))));
        }
    }
    if !diff.uncertain.is_empty() {
        out.push_str(&format!("{}\n", style.bold("uncertain")));
        for field in &diff.uncertain {
            let since = if field.after.is_some() { "uncertain since" } else { "uncertain no longer" };
            out.push_str(&format!("    {}: {since}\n", field.path));
        }
    }
    if out.is_empty() {
        return format!("Nothing changed between entries {} and {}.\n", diff.from, diff.to);
    }
    format!("{}\n{out}", style.bold(&format!("from entry {} to {}", diff.from, diff.to)))
}
