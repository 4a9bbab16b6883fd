//! `skyplan show`: what was applied, a plan file, or one resource, for people. The records themselves are
//! `skyplan state show`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::status;
use crate::{
    address::ResourceAddress,
    cli::{args::ShowArgs, exit::Exit, output::Output, planfile, session::Session},
    diagnostic::{Diagnostic, did_you_mean},
    driver::Drivers,
    money::MicroUsd,
    observe::health,
    quantity::counted,
    render::{self, Style, table::columns},
    state::{Record, RecordDetail, State},
};

pub(in crate::cli) async fn run(root: &Path, args: &ShowArgs, output: &Output) -> Exit {
    let what = args.what.as_deref();
    if let Some(file) = what.map(PathBuf::from).filter(|f| f.is_file()) {
        return match planfile::read(&file) {
            Ok(plan) if args.json => json_of(&plan, output),
            Ok(plan) => {
                output.print(&render::plan::render(&plan, output.style));
                Exit::Done
            }
            Err(d) => output.fault(d),
        };
    }
    let (session, log, drivers) = match Session::open_to_look(root, &args.project, output) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    let state = log.state();
    let Some(word) = what else {
        let project = &session.model.project;
        return if args.json {
            json_of(&summary(state, project), output)
        } else {
            output.print(&text(state, project, output.style));
            Exit::Done
        };
    };
    let found = word.parse::<ResourceAddress>().ok().and_then(|a| state.records.get_key_value(&a));
    match found {
        Some((address, record)) => one(address, record, state, &drivers, args.json, output).await,
        None => output.fault(unknown(word, state)),
    }
}

fn json_of(value: &impl serde::Serialize, output: &Output) -> Exit {
    output.json(value);
    Exit::Done
}

fn unknown(word: &str, state: &State) -> Diagnostic {
    let known: Vec<String> = state.records.keys().map(ToString::to_string).collect();
    let d = Diagnostic::error("SKY0921", format!("`{word}` is neither a plan file nor a resource of the state"));
    match did_you_mean(word, known.iter().map(String::as_str)) {
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None => d.hint("`skyplan state list` has all resources; `skyplan plan -o FILE` writes a plan file"),
    }
}

/// Records by cluster.
fn by_cluster(state: &State) -> BTreeMap<&str, Vec<(&ResourceAddress, &Record)>> {
    let mut all: BTreeMap<&str, Vec<(&ResourceAddress, &Record)>> = BTreeMap::new();
    for (address, record) in &state.records {
        all.entry(address.cluster()).or_default().push((address, record));
    }
    all
}

fn placed_on<'a>(state: &'a State, cluster: &str) -> Vec<&'a str> {
    let all = state.placement.components.iter().filter(|(_, p)| p.clusters.iter().any(|c| c == cluster));
    all.map(|(name, _)| name.as_str()).collect()
}

fn summary(state: &State, project: &str) -> Value {
    let clusters: Vec<Value> = by_cluster(state)
        .into_iter()
        .map(|(cluster, resources)| {
            let all: Vec<Value> =
                resources.iter().map(|(a, r)| json!({"address": a, "serial": r.serial, "origin": r.origin})).collect();
            json!({"cluster": cluster, "components": placed_on(state, cluster), "resources": all})
        })
        .collect();
    json!({
        "formatVersion": "1.0",
        "project": project,
        "lineage": state.lineage,
        "serial": state.serial,
        "monthly": state.placement.monthly,
        "clusters": clusters,
    })
}

fn text(state: &State, project: &str, style: Style) -> String {
    if state.records.is_empty() {
        return format!("Nothing of {project} is applied yet; begin with `skyplan plan`.\n");
    }
    let mut out = String::new();
    for (cluster, resources) in by_cluster(state) {
        let components = placed_on(state, cluster);
        let runs = if components.is_empty() { String::new() } else { format!("  {}", components.join(", ")) };
        out.push_str(&format!("{}{}\n", style.bold(&format!("on {}", render::plan::place(cluster))), style.dim(&runs)));
        let rows: Vec<Vec<String>> = resources
            .iter()
            .map(|(address, record)| {
                let origin = record.origin.as_ref().map_or_else(String::new, |o| format!("# {o}"));
                vec![address.short(), nodes(record), style.dim(&origin)]
            })
            .collect();
        out.push_str(&columns(&rows, 2));
        out.push('\n');
    }
    // What is nowhere has no cluster.
    let on = match by_cluster(state).keys().filter(|cluster| !cluster.is_empty()).count() {
        0 => String::new(),
        clusters => format!(" on {}", counted(clusters, "cluster")),
    };
    let resources = counted(state.records.len(), "resource");
    out.push_str(&format!("{resources}{on}, as of entry {} of the log\n", state.serial));
    if state.placement.monthly != MicroUsd::ZERO {
        out.push_str(&format!("{} {}/month\n", style.bold("Cost:"), state.placement.monthly));
    }
    out
}

/// Nodes of a cluster: `1 × g6-xlarge`.
fn nodes(record: &Record) -> String {
    match &record.detail {
        RecordDetail::Cluster(c) => {
            c.pools.iter().map(|p| format!("{} × {}", p.count, p.name)).collect::<Vec<_>>().join(", ")
        }
        RecordDetail::Object(_) | RecordDetail::Null(_) => String::new(),
    }
}

/// One resource: what is remembered, and how it is.
async fn one(
    address: &ResourceAddress,
    record: &Record,
    state: &State,
    drivers: &Drivers,
    json: bool,
    output: &Output,
) -> Exit {
    let mut targets = status::targets(state).0;
    targets.retain(|cluster, _| cluster == address.cluster());
    if let (Some(target), RecordDetail::Object(o), Some(object)) =
        (targets.get_mut(address.cluster()), &record.detail, address.object())
    {
        target.kinds =
            [crate::observed::KindRef { api_version: o.api_version.clone(), kind: object.kind.clone() }].into();
    }
    let answer = health(drivers, &targets).await.remove(address.cluster());
    let live = match (&answer, &record.detail) {
        (Some(Err(d)), _) => format!("not known: {}", d.summary),
        (Some(Ok(_)), RecordDetail::Cluster(_)) => "it answers".into(),
        (Some(Ok(seen)), RecordDetail::Object(o)) => match seen.get(address) {
            Some(found) if found.uid != o.uid => "there, but made anew by somebody else".into(),
            found => status::words(found),
        },
        (_, RecordDetail::Null(_)) => "a Null is nowhere but here".into(),
        (None, _) => "not known".into(),
    };
    if json {
        return json_of(&json!({"formatVersion": "1.0", "address": address, "record": record, "live": live}), output);
    }
    let style = output.style;
    let mut rows = vec![
        vec!["address".to_owned(), address.to_string()],
        vec!["there".to_owned(), live],
        vec!["recorded".to_owned(), format!("by entry {} of the log", record.serial)],
    ];
    if let Some(origin) = &record.origin {
        rows.push(vec!["written".into(), origin.to_string()]);
    }
    match &record.detail {
        RecordDetail::Cluster(c) => {
            rows.push(vec!["kube-system".into(), c.uid.clone()]);
            if !c.pools.is_empty() {
                rows.push(vec!["nodes".into(), nodes(record)]);
            }
            if !c.networks().is_empty() {
                rows.push(vec!["networks".into(), c.networks().words()]);
            }
        }
        RecordDetail::Null(n) => {
            rows.push(vec!["id".into(), n.id.clone()]);
            if !n.input.is_null() {
                rows.push(vec!["input".into(), n.input.to_string()]);
            }
        }
        RecordDetail::Object(o) => {
            rows.push(vec!["uid".into(), o.uid.clone()]);
            if !o.components.is_empty() {
                rows.push(vec!["serves".into(), o.components.join(", ")]);
            }
        }
    }
    let needs: Vec<String> = record.depends_on.iter().map(ResourceAddress::short).collect();
    if !needs.is_empty() {
        rows.push(vec!["needs".into(), needs.join(", ")]);
    }
    for row in &mut rows {
        row[0] = style.dim(&row[0]);
    }
    output.print(&format!("{}\n{}", style.bold(&render::plan::on_cluster(address)), columns(&rows, 2)));
    Exit::Done
}
