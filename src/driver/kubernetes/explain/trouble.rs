//! What is wrong with a pod, container by container, as its status tells. Pure.

use serde_json::Value;

use crate::driver::kubernetes::health::waiting_words;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What, as a sentence without its full stop.
    pub(super) words: String,
    /// Whose log may say why.
    pub(super) log: Option<LogSource>,
}

/// A log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogSource {
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) node: String,
    /// Of the run before: the present one has not begun.
    pub(super) previous: bool,
}

/// Everything that is wrong with a pod; empty for one that is well.
pub(super) fn troubles(pod: &Value) -> Vec<Trouble> {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, node) = (text("/metadata/name"), text("/spec/nodeName"));
    let mut found = Vec::new();
    for field in ["initContainerStatuses", "containerStatuses"] {
        for status in pod["status"][field].as_array().into_iter().flatten() {
            let container = status["name"].as_str().unwrap_or("?");
            let Some((words, previous)) = container_words(status) else { continue };
            let log = previous.filter(|_| !node.is_empty()).map(|previous| LogSource {
                pod: name.clone(),
                container: container.to_owned(),
                node: node.clone(),
                previous,
            });
            found.push(Trouble { words: format!("container {container} of pod {name}: {words}"), log });
        }
    }
    if found.is_empty() {
        found.extend(pod_words(pod).map(|words| Trouble { words, log: None }));
    }
    found
}

/// What is wrong with a container, and whether its log is that of the run before; `None` = no log.
fn container_words(status: &Value) -> Option<(String, Option<bool>)> {
    let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
    let restarts = match status["restartCount"].as_u64().unwrap_or_default() {
        0 => String::new(),
        1 => ", 1 restart so far".to_owned(),
        n => format!(", {n} restarts so far"),
    };
    if let Some(words) = waiting_words(&state["waiting"]) {
        return Some(match ending(last) {
            Some(ended) => (format!("{words}; it {ended}{restarts}"), Some(true)),
            None => (words, None),
        });
    }
    if let Some(ended) = ending(&state["terminated"]) {
        return Some((format!("it {ended}{restarts}"), Some(false)));
    }
    if state["running"].is_object() && status["ready"] == false {
        return Some(match ending(last) {
            Some(ended) => (format!("it runs again; before, it {ended}{restarts}"), Some(true)),
            None => ("it runs, but its probes do not succeed".into(), Some(false)),
        });
    }
    None
}

/// How a run ended, unless it ended well.
fn ending(terminated: &Value) -> Option<String> {
    let code = terminated["exitCode"].as_i64()?;
    let reason = terminated["reason"].as_str().unwrap_or_default();
    if code == 0 && reason != "OOMKilled" {
        return None;
    }
    let mut words = format!("ended with exit code {code}");
    if !reason.is_empty() {
        words += &format!(" ({reason})");
    }
    if let Some(message) = terminated["message"].as_str().map(str::trim).filter(|m| !m.is_empty()) {
        words += &format!(": {}", message.replace(char::is_control, " "));
    }
    Some(words)
}

/// What is wrong with a pod none of whose containers says anything.
fn pod_words(pod: &Value) -> Option<String> {
    let conditions = pod["status"]["conditions"].as_array();
    let unscheduled = conditions
        .into_iter()
        .flatten()
        .find(|c| c["type"] == "PodScheduled" && c["status"] == "False")
        .map(|c| format!("unschedulable: {}", c["message"].as_str().unwrap_or_default().trim_end_matches('.')));
    unscheduled.or_else(|| {
        let text = |field: &str| pod["status"][field].as_str().unwrap_or_default();
        (text("phase") == "Failed")
            .then(|| format!("pod failed: {} {}", text("reason"), text("message")).trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: Value) -> Vec<String> {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": status});
        let log = |t: &Trouble| t.log.as_ref().map_or("", |l| if l.previous { " [previous]" } else { " [log]" });
        troubles(&pod).iter().map(|t| format!("{}{}", t.words, log(t))).collect()
    }

    #[test]
    fn containers_tell_what_is_wrong() {
        let one = |state: Value| of(json!({"containerStatuses": [{"name": "c", "ready": false, "state": state}]}));
        assert_eq!(
            one(json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}})),
            ["container c of pod p: ErrImagePull: no such image"]
        );
        assert_eq!(one(json!({"waiting": {"reason": "ContainerCreating"}})), [""; 0]);
        assert_eq!(
            one(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})),
            ["container c of pod p: it ended with exit code 137 (OOMKilled) [log]"]
        );
        assert_eq!(one(json!({"terminated": {"exitCode": 0, "reason": "Completed"}})), [""; 0]);
        assert_eq!(one(json!({"running": {}})), ["container c of pod p: it runs, but its probes do not succeed [log]"]);
        let again = json!({"name": "c", "ready": false, "restartCount": 1, "state": {"running": {}},
                           "lastState": {"terminated": {"exitCode": 1, "message": "no\nway"}}});
        assert_eq!(
            of(json!({"initContainerStatuses": [again]})),
            [
                "container c of pod p: it runs again; before, it ended with exit code 1: no way, 1 restart so far [previous]"
            ]
        );
    }

    #[test]
    fn pods_tell_what_is_wrong() {
        let nowhere = json!([{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available."}]);
        assert_eq!(of(json!({"conditions": nowhere})), ["unschedulable: 0/3 nodes are available"]);
        assert_eq!(of(json!({"phase": "Failed", "reason": "Evicted"})), ["pod failed: Evicted"]);
        assert_eq!(of(json!({"phase": "Running"})), [""; 0]);
    }
}
