//! `skyplan status`: where components run, whether they are well, and what they cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::json;

use crate::{
    address::ResourceAddress,
    cli::{args::StatusArgs, exit::Exit, output::Output, session::Session},
    compile::model::Model,
    driver::{Drivers, kubernetes::Health, local::LocalRoot},
    money::MicroUsd,
    observe::{HealthTarget, ObjectHealth, health},
    observed::{Connection, KindRef},
    render::table::columns,
    state::{RecordDetail, State},
};

pub(in crate::cli) async fn run(root: &Path, args: &StatusArgs, output: &Output) -> Exit {
    let session = match Session::open(root, &args.project, output) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let (log, local) = match session.log().and_then(|log| Ok((log, LocalRoot::from_env()?))) {
        Ok(both) => both,
        Err(d) => return output.fault(d),
    };
    let state = log.state();
    if !args.json
        && let Some(environment) = &session.model.environment
    {
        output.print(&format!("{} {environment}\n", output.style.bold("Environment")));
    }
    if state.records.is_empty() {
        output.print("Nothing is applied yet; begin with `skyplan plan`.\n");
        return Exit::Done;
    }
    let drivers = Drivers::new(root, local);
    let (targets, workloads) = targets(state);
    let mut seen = Seen::new();
    for (cluster, answer) in health(&drivers, &targets).await {
        match answer {
            Ok(objects) => seen.extend(objects),
            Err(d) => {
                output.say(&format!("cluster {cluster} was not asked:"));
                output.fault(*d);
            }
        }
    }
    if args.json {
        output.print(
            &(serde_json::to_string_pretty(&as_json(&session.model, state, &workloads, &seen)).unwrap_or_default()
                + "\n"),
        );
    } else {
        output.print(&as_text(state, &workloads, &seen, output));
    }
    let well = workloads.keys().all(|a| seen.get(a).is_some_and(|o| o.health == Health::Ready));
    if well { Exit::Done } else { Exit::Error }
}

/// How objects are, by address.
type Seen = BTreeMap<ResourceAddress, ObjectHealth>;
/// Workloads with their components.
type Workloads = BTreeMap<ResourceAddress, Vec<String>>;

/// Kinds that run something.
const WORKLOADS: [&str; 6] = ["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "StatefulSet"];

fn targets(state: &State) -> (BTreeMap<String, HealthTarget>, Workloads) {
    let mut targets: BTreeMap<String, HealthTarget> = BTreeMap::new();
    let mut workloads = BTreeMap::new();
    for (address, record) in &state.records {
        if let RecordDetail::Cluster(c) = &record.detail {
            let connection =
                Connection { driver: c.driver, kubeconfig: c.kubeconfig.clone(), context: c.context.clone() };
            let target = HealthTarget { connection, kinds: BTreeSet::new(), lineage: state.lineage.clone() };
            targets.insert(address.cluster().to_owned(), target);
        }
    }
    for (address, record) in &state.records {
        if let (RecordDetail::Object(o), Some(object)) = (&record.detail, address.object())
            && WORKLOADS.contains(&object.kind.as_str())
        {
            if let Some(target) = targets.get_mut(&object.cluster) {
                target.kinds.insert(KindRef { api_version: o.api_version.clone(), kind: object.kind.clone() });
            }
            workloads.insert(address.clone(), o.components.clone());
        }
    }
    (targets, workloads)
}

fn words(health: Option<&ObjectHealth>) -> String {
    match health.map(|h| &h.health) {
        Some(Health::Ready) => "ready".into(),
        Some(Health::Progressing(why)) => why.clone(),
        Some(Health::Failed(why)) => format!("failed: {why}"),
        None => "not there".into(),
    }
}

fn as_text(state: &State, workloads: &Workloads, seen: &Seen, output: &Output) -> String {
    let style = output.style;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (address, components) in workloads {
        let health = seen.get(address);
        let text = words(health);
        let ready = health.is_some_and(|h| h.health == Health::Ready);
        let text = if ready { style.good(&text) } else { style.bad(&text) };
        let count = health.and_then(|h| h.replicas.clone()).unwrap_or_default();
        rows.push(vec![components.join(", "), style.bold(address.cluster()), address.short(), count, text]);
    }
    rows.sort();
    let mut out = columns(&rows, 0);
    let others = state.records.len() - workloads.len();
    out.push_str(&format!("and {others} other resources, as of entry {} of the log\n", state.serial));
    if state.placement.monthly != MicroUsd::ZERO {
        out.push_str(&format!("{} {}/month\n", style.bold("Cost:"), state.placement.monthly));
    }
    for open in state.open.values() {
        let text = format!("an apply began at {} and has not ended; it has until {}", open.at, open.until);
        out.push_str(&format!("{} {text}\n", style.warn("note:")));
    }
    out
}

fn as_json(model: &Model, state: &State, workloads: &Workloads, seen: &Seen) -> serde_json::Value {
    let resources: Vec<_> = workloads
        .iter()
        .map(|(address, components)| {
            let health = seen.get(address);
            json!({
                "address": address,
                "components": components,
                "ready": health.is_some_and(|h| h.health == Health::Ready),
                "health": words(health),
                "replicas": health.and_then(|h| h.replicas.clone()),
            })
        })
        .collect();
    json!({
        "formatVersion": "1.0",
        "environment": model.environment,
        "serial": state.serial,
        "monthly": state.placement.monthly,
        "resources": resources,
    })
}
