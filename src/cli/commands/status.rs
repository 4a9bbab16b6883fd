//! `skyplan status`: where components run, whether they are well, and what they cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    address::ResourceAddress,
    cli::{args::StatusArgs, exit::Exit, output::Output, session::Session},
    compile::model::Model,
    diagnostic::Diagnostic,
    driver::kubernetes::Health,
    observe::{HealthTarget, ObjectHealth, health},
    observed::{Connection, KindRef},
    plan::change::FORMAT_VERSION,
    render::{
        self,
        status::{ClusterStatus, LastApply, OpenApply, Status, WorkloadStatus},
    },
    spec::ClusterDriver,
    state::{Entry, RecordDetail, State},
};

pub(in crate::cli) async fn run(root: &Path, args: &StatusArgs, output: &Output) -> Exit {
    let (session, log, drivers) = match Session::open_to_look(root, &args.project, output) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    let state = log.state();
    if !args.json
        && let Some(environment) = &session.model.environment
    {
        output.print(&format!("{} {environment}\n", output.style.bold("Environment")));
    }
    if state.records.is_empty() && !args.json {
        output.print("Nothing is applied yet; begin with `skyplan plan`.\n");
        return Exit::Done;
    }
    let (targets, workloads) = targets(state);
    let answers = health(&drivers, &targets).await;
    let last_apply = log.entries().ok().and_then(|all| last_apply(&all));
    let status = status(&session.model, state, &workloads, &answers, last_apply);
    if args.json {
        output.json(&status);
    } else {
        output.print(&render::status::render(&status, output.style));
    }
    if status.well() { Exit::Done } else { Exit::Error }
}

/// What clusters said, by name.
type Answers = BTreeMap<String, Result<BTreeMap<ResourceAddress, ObjectHealth>, Box<Diagnostic>>>;
/// Workloads with their components.
type Workloads = BTreeMap<ResourceAddress, Vec<String>>;

/// Kinds that run something.
const WORKLOADS: [&str; 6] = ["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "StatefulSet"];

pub(super) fn targets(state: &State) -> (BTreeMap<String, HealthTarget>, Workloads) {
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

pub(super) fn words(health: Option<&ObjectHealth>) -> String {
    match health.map(|h| &h.health) {
        Some(Health::Ready) => "ready".into(),
        Some(Health::Progressing(why)) => why.clone(),
        Some(Health::Failed(why)) => format!("failed: {why}"),
        None => "not there".into(),
    }
}

fn status(
    model: &Model,
    state: &State,
    workloads: &Workloads,
    answers: &Answers,
    last_apply: Option<LastApply>,
) -> Status {
    let clusters = state.records.iter().filter_map(|(address, record)| match &record.detail {
        RecordDetail::Cluster(c) => Some((address.cluster(), c)),
        RecordDetail::Object(_) | RecordDetail::Null(_) => None,
    });
    let clusters = clusters.map(|(name, c)| {
        let nodes: Vec<String> = c.pools.iter().map(|p| format!("{} × {}", p.count, p.name)).collect();
        ClusterStatus {
            cluster: name.to_owned(),
            driver: match c.driver {
                ClusterDriver::Existing => "existing".into(),
                ClusterDriver::Local => "local".into(),
            },
            nodes: nodes.join(", "),
            silent: match answers.get(name) {
                Some(Ok(_)) => None,
                Some(Err(d)) => Some(d.summary.clone()),
                None => Some("it was not asked".into()),
            },
        }
    });
    let mut all: Vec<WorkloadStatus> = workloads
        .iter()
        .map(|(address, components)| {
            let answer = answers.get(address.cluster()).and_then(|a| a.as_ref().ok());
            let found = answer.and_then(|seen| seen.get(address));
            let uid = state.records.get(address).and_then(|r| match &r.detail {
                RecordDetail::Object(o) => Some(&o.uid),
                RecordDetail::Cluster(_) | RecordDetail::Null(_) => None,
            });
            WorkloadStatus {
                components: components.clone(),
                address: address.clone(),
                replicas: found.and_then(|h| h.replicas.clone()),
                ready: found.is_some_and(|h| h.health == Health::Ready),
                health: if answer.is_some() { words(found) } else { "not known".into() },
                drifted: answer.is_some() && found.map(|h| &h.uid) != uid,
            }
        })
        .collect();
    all.sort();
    let uncertain =
        |addresses: &[ResourceAddress]| addresses.iter().filter(|a| state.uncertain.contains_key(a)).count();
    Status {
        format_version: FORMAT_VERSION.into(),
        project: model.project.clone(),
        environment: model.environment.clone(),
        serial: state.serial,
        monthly: state.placement.monthly,
        clusters: clusters.collect(),
        others: (state.records.len() - workloads.len()) as u64,
        workloads: all,
        last_apply,
        open: state
            .open
            .values()
            .map(|o| OpenApply { at: o.at.clone(), until: o.until.clone(), uncertain: uncertain(&o.writes) as u64 })
            .collect(),
    }
}

fn last_apply(entries: &[(u64, Entry)]) -> Option<LastApply> {
    entries.iter().rev().find_map(|(serial, entry)| match entry {
        Entry::End(end) => Some(LastApply { serial: *serial, at: end.at.clone(), complete: end.complete }),
        _ => None,
    })
}
