//! Why a workload's pods do not run: what the cluster itself has to say about them. Its containers'
//! states, the last lines of their logs, its events.
//!
//! Asked only when something did not become ready, so its requests do not count. The lines may hold
//! anything that a program prints: whoever shows them takes secret values out first.

use std::time::Duration;

use kube::core::params::ListParams;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    explain::trouble::{Trouble, troubles},
    requests::{Cluster, Id},
    served::Served,
};

mod trouble;

/// Remarks of each sort.
const MANY: usize = 3;
/// Lines of a log.
const LOG_LINES: usize = 8;
/// Characters of one of them.
const LOG_WIDTH: usize = 240;
/// How long all of it may take: a cluster that does not answer has nothing to say.
const PATIENCE: Duration = Duration::from_secs(15);
/// What a simulated node carries.
const SIMULATED: &str = "kwok.x-k8s.io/node";

/// What containers wait for or ended with, where pods cannot be scheduled, and the last warnings about
/// them: one sentence each, without its full stop; log lines are indented. Empty when there is nothing
/// to say, or nobody says it.
pub async fn explain(cluster: &Cluster, object: &Value) -> Vec<String> {
    timeout(PATIENCE, ask(cluster, object)).await.unwrap_or_default()
}

async fn ask(cluster: &Cluster, object: &Value) -> Vec<String> {
    let Some(namespace) = object["metadata"]["namespace"].as_str() else { return Vec::new() };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let pods = if object["kind"] == "Pod" {
        vec![object.clone()]
    } else if let Some(labels) = selector(object) {
        cluster.list_in(&Served::pods(), namespace, &ListParams::default().labels(&labels)).await.unwrap_or_default()
    } else {
        Vec::new()
    };
    let mut names = vec![name.to_owned()];
    names.extend(pods.iter().filter_map(|p| p["metadata"]["name"].as_str().map(str::to_owned)));
    let mut found: Vec<Trouble> = pods.iter().flat_map(troubles).collect();
    found.sort_by(|a, b| a.words.cmp(&b.words));
    found.dedup_by(|a, b| a.words == b.words);
    let mut said = Vec::new();
    for trouble in found.iter().take(MANY) {
        said.push(trouble.words.clone());
        said.extend(log(cluster, namespace, trouble).await);
    }
    let mut events = events(cluster, namespace, &names).await;
    // The scheduler says it twice.
    events.retain(|e| !said.iter().any(|s| s.strip_prefix("unschedulable: ").is_some_and(|why| e.contains(why))));
    said.extend(events);
    said
}

/// The last lines of the log of a container that has run.
async fn log(cluster: &Cluster, namespace: &str, trouble: &Trouble) -> Vec<String> {
    let Some(source) = &trouble.log else { return Vec::new() };
    let node = Id { namespace: None, name: &source.node };
    let simulated = match cluster.stamp(&Served::nodes(), node).await {
        Ok(Some(stamp)) => stamp.metadata["annotations"].get(SIMULATED).is_some(),
        _ => false,
    };
    if simulated {
        return vec![format!("  no log: node {} is simulated", source.node)];
    }
    match cluster.log(namespace, &source.pod, &source.container, source.previous, LOG_LINES).await {
        Ok(text) => {
            let lines: Vec<String> = text.lines().rev().take(LOG_LINES).map(shown).collect();
            if lines.is_empty() { vec!["  its log is empty".into()] } else { lines.into_iter().rev().collect() }
        }
        Err(fault) => vec![format!("  no log: {}", fault.words())],
    }
}

/// A line of a log, such that it can be printed anywhere.
fn shown(line: &str) -> String {
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LOG_WIDTH + 1).collect();
    match clean.char_indices().nth(LOG_WIDTH) {
        Some((end, _)) => format!("  | {}…", &clean[..end]),
        None => format!("  | {clean}"),
    }
}

async fn events(cluster: &Cluster, namespace: &str, names: &[String]) -> Vec<String> {
    let params = ListParams::default().fields("type=Warning");
    let mut events = cluster.list_in(&Served::events(), namespace, &params).await.unwrap_or_default();
    events.retain(|e| e["involvedObject"]["name"].as_str().is_some_and(|n| concerns(n, names)));
    events.sort_by_key(|e| std::cmp::Reverse(time(e).to_owned()));
    let mut warnings: Vec<String> = Vec::new();
    for event in &events {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        let kind = event["involvedObject"]["kind"].as_str().unwrap_or_default();
        let times = event["count"].as_u64().filter(|n| *n > 1).map_or_else(String::new, |n| format!(" ({n} times)"));
        let line = format!("event of {kind}: {}: {}{times}", text("reason"), text("message").trim_end_matches('.'));
        if !warnings.contains(&line) && warnings.len() < MANY {
            warnings.push(line);
        }
    }
    warnings
}

/// The object itself, its pods, and what stands in between (a ReplicaSet's name begins with its own).
fn concerns(involved: &str, names: &[String]) -> bool {
    names.iter().any(|n| n == involved)
        || names
            .first()
            .is_some_and(|own| involved.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('-')))
}

fn time(event: &Value) -> &str {
    ["lastTimestamp", "eventTime"].iter().find_map(|f| event[*f].as_str()).unwrap_or_default()
}

/// The labels that a workload knows its pods by.
fn selector(object: &Value) -> Option<String> {
    let selector = &object["spec"]["selector"];
    let labels = if object["kind"] == "ReplicationController" { selector } else { &selector["matchLabels"] };
    let pairs: Vec<String> =
        labels.as_object()?.iter().filter_map(|(k, v)| Some(format!("{k}={}", v.as_str()?))).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::driver::kubernetes::fake::{self, Answer};

    #[test]
    fn what_concerns_a_workload() {
        let names = ["web".to_owned(), "web-5d-x".to_owned()];
        assert!(concerns("web", &names) && concerns("web-5d-x", &names) && concerns("web-5d", &names));
        assert!(!concerns("website", &names));
        let object = json!({"spec": {"selector": {"matchLabels": {"app": "web", "tier": "a"}}}});
        assert_eq!(selector(&object).as_deref(), Some("app=web,tier=a"));
        assert_eq!(selector(&json!({})), None);
        let controller = json!({"kind": "ReplicationController", "spec": {"selector": {"app": "web"}}});
        assert_eq!(selector(&controller).as_deref(), Some("app=web"));
    }

    #[tokio::test]
    async fn a_simulated_node_has_no_logs() {
        let client = fake::client(|_| {
            Answer::json(&json!({"metadata": {"name": "n", "uid": "u", "annotations": {(SIMULATED): "fake"}}}))
        });
        let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": {"containerStatuses": [
            {"name": "c", "state": {"terminated": {"exitCode": 1}}}]}});
        let said = log(&Cluster::new("edge", client), "shop", &troubles(&pod)[0]).await;
        assert_eq!(said, ["  no log: node n is simulated"]);
    }

    #[tokio::test]
    async fn a_crash_is_told_with_its_log_and_events() {
        let pod = json!({"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"nodeName": "n"}, "status": {
            "phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
                "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}}]}});
        let event = json!({"involvedObject": {"kind": "Pod", "name": "web-1"}, "reason": "BackOff", "count": 7,
            "message": "restarting failed container", "lastTimestamp": "2026-01-01T00:00:00Z"});
        let other = json!({"involvedObject": {"kind": "Pod", "name": "db-1"}, "reason": "Failed", "message": "x"});
        let client = fake::client(move |path| {
            if path.contains("/log") {
                assert!(path.contains("previous=true") && path.contains("container=web"), "{path}");
                Answer::text("one\ntwo\u{1b}[31m\n")
            } else if path.contains("/pods") {
                assert!(path.contains("app%3Dweb"), "{path}");
                Answer::list(std::slice::from_ref(&pod))
            } else if path.contains("/events") {
                Answer::list(&[event.clone(), other.clone()])
            } else {
                Answer::json(&json!({"metadata": {"name": "n", "uid": "u"}}))
            }
        });
        let cluster = Cluster::new("edge", client);
        let object = json!({"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
                            "spec": {"selector": {"matchLabels": {"app": "web"}}}});
        assert_eq!(
            explain(&cluster, &object).await,
            [
                "container web of pod web-1: CrashLoopBackOff: back-off 40s; it ended with exit code 3 (Error), 4 restarts so far",
                "  | one",
                "  | two [31m",
                "event of Pod: BackOff: restarting failed container (7 times)",
            ]
        );
    }
}
