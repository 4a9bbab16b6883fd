//! A plan as text: where components run and at what price, then what changes on each cluster, then
//! totals.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Style, placement};
use crate::{
    address::ResourceAddress,
    money::MicroUsd,
    plan::{
        Plan,
        change::{Action, ActionReason, Change, Check, CheckSeverity, FieldChange, Renaming, Settlement, Target},
    },
    spec::Subject,
};

/// Longer values are cut in a line of the text; the JSON has them whole.
const MOST_CHARS: usize = 60;
/// More fields of one object are counted, not shown.
const MOST_FIELDS: usize = 12;

/// The whole plan.
pub fn render(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    if let Some(environment) = &plan.environment {
        out.push_str(&format!("{} {environment}\n\n", style.bold("Environment")));
    }
    if !plan.what_if.is_empty() {
        let rows: Vec<Vec<String>> = plan.what_if.iter().map(|what| vec![what.clone()]).collect();
        let note = style.dim("this plan is to be looked at, it is never applied");
        out.push_str(&format!("{}  {note}\n{}\n", style.bold("What if"), super::table::columns(&rows, 2)));
    }
    if let Some(report) = &plan.placement
        && !report.components.is_empty()
    {
        out.push_str(&placement::render(report, &plan.cost, style));
        out.push('\n');
    }
    for note in &plan.notes {
        out.push_str(&format!("{} {}\n", style.warn("note:"), note.text));
    }
    for check in &plan.checks {
        out.push_str(&check_line(check, style));
    }
    if !plan.notes.is_empty() || !plan.checks.is_empty() {
        out.push('\n');
    }
    out.push_str(&moved(&plan.moved, style));
    out.push_str(&changes(&plan.changes, style));
    if !plan.conflicts.is_empty() {
        out.push_str(&conflicts(plan, style));
    }
    if let Some(trust) = &plan.trust {
        out.push_str(&format!("{} from this apply on, {}\n", style.bold("Trust:"), trust.words()));
    }
    out.push_str(&totals(plan, style));
    out.push_str(&super::outputs::unknown(plan, style));
    out
}

/// What is called otherwise from then on.
fn moved(all: &[Renaming], style: Style) -> String {
    if all.is_empty() {
        return String::new();
    }
    let name = |n: &Subject| match n {
        Subject::Component(_) => format!("component {n}"),
        Subject::Application(_) => format!("application {n}"),
        _ => n.to_string(),
    };
    let row = |m: &Renaming| {
        let origin = m.origin.as_ref().map_or_else(String::new, |o| style.dim(&format!("# {o}")));
        vec![format!("{} {}", style.dim("→"), name(&m.from)), format!("is now {}", m.to), origin]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    format!("{}\n{}\n", style.bold("in the state"), super::table::columns(&rows, 2))
}

fn check_line(check: &Check, style: Style) -> String {
    let head = match check.severity {
        CheckSeverity::Error => style.bad(&format!("error[{}]:", check.rule)),
        CheckSeverity::Warning => style.warn(&format!("warning[{}]:", check.rule)),
        CheckSeverity::Note => style.dim(&format!("note[{}]:", check.rule)),
    };
    let about = check.address.as_ref().map(|a| format!("{}: ", on_cluster(a))).unwrap_or_default();
    format!("{head} {about}{}\n", check.text)
}

fn changes(changes: &[Change], style: Style) -> String {
    let mut by_cluster: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        by_cluster.entry(change.address.cluster()).or_default().push(change);
    }
    let mut out = String::new();
    for (cluster, mut changes) in by_cluster {
        changes.sort_by_key(|c| (rank(&c.address), c.address.short()));
        out.push_str(&style.bold(&format!("on {}", place(cluster))));
        out.push('\n');
        let width = changes.iter().map(|c| c.address.short().chars().count()).max().unwrap_or(0);
        for change in changes {
            out.push_str(&one(change, width, style));
        }
        out.push('\n');
    }
    out
}

/// What everything else stands on comes first.
fn rank(address: &ResourceAddress) -> u8 {
    match address {
        ResourceAddress::Cluster(_) => 0,
        ResourceAddress::Null(_) => 3,
        ResourceAddress::Object(o) => match o.kind.as_str() {
            "CustomResourceDefinition" => 1,
            "Namespace" => 2,
            _ => 3,
        },
    }
}

fn one(change: &Change, width: usize, style: Style) -> String {
    let sign = change.action.sign();
    let sign = match change.action {
        Action::Create => style.good(sign),
        Action::Update | Action::Replace => style.warn(sign),
        Action::Delete => style.bad(sign),
        Action::Forget | Action::Import => style.dim(sign),
    };
    let name = change.address.short();
    let pad = " ".repeat(width.saturating_sub(name.chars().count()));
    let mut remark = String::new();
    if let Some(origin) = &change.origin {
        remark = format!("# {origin}");
    }
    let why = reason(&change.reason);
    if !why.is_empty() {
        remark = if remark.is_empty() { format!("# {why}") } else { format!("{remark}, {why}") };
    }
    let mut out = format!("  {sign} {name}{pad}  {}", style.dim(&remark)).trim_end().to_owned() + "\n";
    if let (Action::Create, Some(Target::Cluster { pools, networks, .. })) = (change.action, &change.after) {
        let nodes: Vec<String> = pools.iter().map(|p| format!("{} {}", p.count, p.name)).collect();
        if !nodes.is_empty() {
            out.push_str(&format!("      nodes: {}\n", nodes.join(", ")));
        }
        if !networks.is_empty() {
            out.push_str(&format!("      networks: {}\n", networks.words()));
        }
    }
    for field in change.fields.iter().take(MOST_FIELDS) {
        out.push_str(&format!("      {}\n", field_line(field, style)));
    }
    if change.fields.len() > MOST_FIELDS {
        out.push_str(&format!("      … and {} more fields\n", change.fields.len() - MOST_FIELDS));
    }
    for c in &change.contested {
        let theirs = c.theirs.as_ref().map_or_else(|| "none".into(), value);
        let words = match c.settled {
            Settlement::Taken => format!("taken from {}", c.owner.manager),
            Settlement::Left => {
                let owner = if c.owner.manager.is_empty() { "the cluster" } else { &c.owner.manager };
                format!("left to {owner}, which has {theirs}; the specs say {}", said(&c.ours))
            }
            Settlement::Kept => format!("stays {theirs}, as it is ignored; the specs say {}", said(&c.ours)),
        };
        out.push_str(&format!("      {}: {}\n", c.path, style.warn(&words)));
    }
    out
}

/// One field that differs, in a line.
pub fn field_line(field: &FieldChange, style: Style) -> String {
    let before = field.before.as_ref().map(value);
    let after = field.after.as_ref().map(value);
    let line = match (before, after) {
        (Some(before), Some(after)) => format!("{}: {} → {}", field.path, style.bad(&before), style.good(&after)),
        (None, Some(after)) => format!("{}: {}", style.good(&format!("+ {}", field.path)), after),
        (Some(before), None) => format!("{}: {}", style.bad(&format!("- {}", field.path)), before),
        (None, None) => field.path.clone(),
    };
    let by = field.by.as_ref().map(|owner| {
        let time = owner.time.as_ref().map_or_else(String::new, |time| format!(", {time}"));
        style.dim(&format!("  # by {}{time}", owner.manager))
    });
    line + &by.unwrap_or_default()
}

/// What the specs say.
fn said(wanted: &Value) -> String {
    if wanted.is_null() { "nothing".into() } else { value(wanted) }
}

pub(super) fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) if text.starts_with("hmac-sha256:") => return "(secret)".into(),
        // What a manifest holds is not to move a terminal's cursor.
        Value::String(text) => text.replace('\n', "⏎").replace(|c: char| c.is_control(), "�"),
        other => other.to_string(),
    };
    if text.chars().count() > MOST_CHARS { text.chars().take(MOST_CHARS - 1).chain(['…']).collect() } else { text }
}

/// The reason in words; empty for what is simply new.
pub fn reason(reason: &ActionReason) -> String {
    match reason {
        ActionReason::New => "",
        ActionReason::SpecChanged => "changed in the specs",
        ActionReason::Drifted => "drift: changed outside of skyplan",
        ActionReason::DeletedOutside => "drift: deleted outside of skyplan",
        ActionReason::Removed => "no longer in the specs",
        ActionReason::Moved => "its component moves away",
        ActionReason::Destroyed => "",
        ActionReason::Immutable { message } => {
            return format!("must be made anew: {}", message.lines().next().unwrap_or_default());
        }
        ActionReason::ClusterReplaced => "its cluster is made anew",
        ActionReason::GoneWithCluster => "goes with its cluster",
        ActionReason::AlreadyGone => "gone already",
        ActionReason::Retained => "left as it is, no longer remembered",
        ActionReason::Uncertain => "left by an apply that was cut off",
        ActionReason::Unready => "applied before, not seen to become ready",
        ActionReason::NodesChanged => "another number of nodes",
        ActionReason::Requested => "asked for with --replace",
        ActionReason::Renamed => "its cluster has another name",
        ActionReason::Imported => "taken over: it is there already",
        ActionReason::LetGo => "let go: left as it is, no longer remembered",
    }
    .into()
}

fn conflicts(plan: &Plan, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(&style.bad("In the way")));
    for of_one in plan.conflicts.chunk_by(|a, b| a.address == b.address && a.hint == b.hint) {
        let first = &of_one[0];
        let origin = first.origin.as_ref().map_or_else(String::new, |o| format!("  # {o}"));
        let on = first.address.object().map_or_else(String::new, |o| format!(" on {}", o.cluster));
        let owner = if first.field.is_none() { format!(" is owned by {}", first.owner) } else { String::new() };
        let (sign, name) = (style.bad("!"), first.address.short());
        out.push_str(&format!("  {sign} {name}{on}{owner}{}\n", style.dim(&origin)));
        for conflict in of_one {
            let Some(path) = conflict.field.clone() else { continue };
            let (before, after) = (conflict.theirs.clone(), conflict.ours.clone());
            let line = field_line(&FieldChange { path, before, after, by: None }, style);
            out.push_str(&format!("      {line}, owned by {}\n", conflict.owner));
        }
        out.push_str(&format!("      {}\n", first.hint));
    }
    out.push('\n');
    out
}

/// How many changes there are of each sort.
pub fn counts(plan: &Plan) -> [(Action, &'static str, usize); 6] {
    let count = |action| plan.changes.iter().filter(|c| c.action == action).count();
    [
        (Action::Create, "to create", count(Action::Create)),
        (Action::Update, "to change", count(Action::Update)),
        (Action::Replace, "to replace", count(Action::Replace)),
        (Action::Delete, "to delete", count(Action::Delete)),
        (Action::Forget, "to forget", count(Action::Forget)),
        (Action::Import, "to remember", count(Action::Import)),
    ]
}

fn totals(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    if plan.is_empty() && plan.conflicts.is_empty() {
        let text = match (plan.refresh_only, plan.complete) {
            (true, _) => "The state is up to date.",
            (_, true) => "No changes.",
            _ if plan.is_narrowed() => "No changes in this part.",
            _ => "No changes where clusters answered.",
        };
        let are = if plan.refresh_only { "there" } else { "as the specs say" };
        out.push_str(&style.bold(&style.good(text)));
        out.push_str(&format!(" {} resources are {are}.\n", plan.unchanged));
    } else {
        let parts: Vec<String> =
            counts(plan).iter().filter(|(_, _, n)| *n > 0).map(|(_, words, n)| format!("{n} {words}")).collect();
        let names = format!("{} to rename", plan.moved.len());
        let parts: Vec<String> = Some(names).filter(|_| !plan.moved.is_empty()).into_iter().chain(parts).collect();
        let mut list = if parts.is_empty() { "nothing to change".into() } else { parts.join(", ") };
        let taken = plan.changes.iter().filter(|c| c.reason == ActionReason::Imported).count();
        if taken > 0 {
            list.push_str(&format!(" ({taken} of them taken over)"));
        }
        out.push_str(&format!("{} {list}; {} unchanged.\n", style.bold("Plan:"), plan.unchanged));
    }
    if let Some(line) = cost_line(plan) {
        out.push_str(&format!("{} {line}\n", style.bold("Cost:")));
    }
    if plan.refresh_only && !plan.changes.is_empty() {
        out.push_str("Only the state is changed, no cluster.\n");
    }
    if plan.destroy && !plan.changes.is_empty() {
        let what = if plan.is_narrowed() { "part of what skyplan made" } else { "everything that skyplan made" };
        out.push_str(&style.bold(&style.bad(&format!("This plan destroys: it takes {what} away.\n"))));
    }
    if plan.checks.iter().any(|c| c.severity == CheckSeverity::Error) {
        out.push_str(&style.bad("This plan cannot be applied: it does not pass skyplan's own check.\n"));
    }
    if !plan.guards.is_empty() {
        let list = plan.guards.join("; ");
        out.push_str(&style.bad(&format!("This plan needs --allow-deletes: {list}.\n")));
    }
    if !plan.conflicts.is_empty() {
        let n = plan.conflicts.len();
        let what = if n == 1 { "conflict is".into() } else { format!("{n} conflicts are") };
        out.push_str(&style.bad(&format!("This plan cannot be applied until the {what} settled.\n")));
    }
    out
}

/// `$312.40/month (+$36.50): nodes $…, control planes $…, data $…`; nothing for what is free.
fn cost_line(plan: &Plan) -> Option<String> {
    let cost = &plan.cost;
    let before = cost.monthly_before;
    if cost.monthly == MicroUsd::ZERO && before.unwrap_or_default() == MicroUsd::ZERO {
        return None;
    }
    let mut line = format!("{}/month", cost.monthly);
    if let Some(before) = before.filter(|b| *b != cost.monthly) {
        let delta = cost.monthly - before;
        let sign = if delta.0 > 0 { "+" } else { "" };
        line.push_str(&format!(" ({sign}{delta})"));
    }
    let parts = [("nodes", cost.nodes), ("control planes", cost.fees), ("data", cost.transfer)];
    let parts: Vec<String> =
        parts.iter().filter(|(_, m)| *m != MicroUsd::ZERO).map(|(what, m)| format!("{what} {m}")).collect();
    if !parts.is_empty() {
        line.push_str(&format!(": {}", parts.join(", ")));
    }
    if let Some((horizon, total)) = &cost.horizon {
        line.push_str(&format!("; {total} over {horizon}"));
    }
    Some(line)
}

/// A cluster's name, in a heading.
pub fn place(cluster: &str) -> &str {
    if cluster.is_empty() { "no cluster" } else { cluster }
}

/// A resource's address with its cluster, for lines that stand alone: `edge: Deployment shop/web`.
pub fn on_cluster(address: &ResourceAddress) -> String {
    match address {
        ResourceAddress::Cluster(name) => format!("cluster {name}"),
        ResourceAddress::Null(_) => address.short(),
        ResourceAddress::Object(o) => format!("{}: {}", o.cluster, address.short()),
    }
}
