//! Why a workload's pods do not start: what the cluster itself has to say about them.
//!
//! Asked only when something did not become ready, so its requests do not count.

use kube::core::params::ListParams;
use serde_json::Value;

use super::{health::waiting, requests::Cluster, served::Served};

/// Remarks of each sort.
const MANY: usize = 3;

/// What containers wait for, where pods cannot be scheduled, and the last warnings about them: one
/// sentence each. Empty when there is nothing to say, or nobody says it.
pub async fn explain(cluster: &Cluster, object: &Value) -> Vec<String> {
    let Some(namespace) = object["metadata"]["namespace"].as_str() else { return Vec::new() };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut names = vec![name.to_owned()];
    let mut said = Vec::new();
    if let Some(labels) = selector(object) {
        let params = ListParams::default().labels(&labels);
        for pod in cluster.list_in(&Served::pods(), namespace, &params).await.unwrap_or_default() {
            names.push(pod["metadata"]["name"].as_str().unwrap_or_default().to_owned());
            said.extend(waiting(&pod).or_else(|| unscheduled(&pod)));
        }
    }
    said.sort();
    said.dedup();
    said.truncate(MANY);
    let params = ListParams::default().fields("type=Warning");
    let mut events = cluster.list_in(&Served::events(), namespace, &params).await.unwrap_or_default();
    events.retain(|e| e["involvedObject"]["name"].as_str().is_some_and(|n| concerns(n, &names)));
    events.sort_by_key(|e| std::cmp::Reverse(time(e).to_owned()));
    let mut warnings: Vec<String> = Vec::new();
    for event in &events {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        let kind = event["involvedObject"]["kind"].as_str().unwrap_or_default();
        let line = format!("{kind} {}: {}", text("reason"), text("message"));
        if !warnings.contains(&line) && warnings.len() < MANY {
            warnings.push(line);
        }
    }
    said.extend(warnings);
    said
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

fn unscheduled(pod: &Value) -> Option<String> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let c = conditions.iter().find(|c| c["type"] == "PodScheduled" && c["status"] == "False")?;
    Some(format!("unschedulable: {}", c["message"].as_str().unwrap_or_default()))
}

fn selector(object: &Value) -> Option<String> {
    let labels = object["spec"]["selector"]["matchLabels"].as_object()?;
    let pairs: Vec<String> = labels.iter().filter_map(|(k, v)| Some(format!("{k}={}", v.as_str()?))).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_concerns_a_workload() {
        let names = ["web".to_owned(), "web-5d-x".to_owned()];
        assert!(concerns("web", &names) && concerns("web-5d-x", &names) && concerns("web-5d", &names));
        assert!(!concerns("website", &names));
        let object = json!({"spec": {"selector": {"matchLabels": {"app": "web", "tier": "a"}}}});
        assert_eq!(selector(&object).as_deref(), Some("app=web,tier=a"));
        assert_eq!(selector(&json!({})), None);
    }
}
