//! `apply --json`: one JSON object per line on standard output, as things happen. For CI and other
//! programs; `docs/apply.md` says what each event holds.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    address::ResourceAddress,
    apply::{Outcome, Progress, Report},
    diagnostic::Diagnostic,
    plan::{Plan, change::Action},
    state::RecordedOutput,
};

/// Version of the stream: `major.minor`; a new minor only adds.
const FORMAT_VERSION: &str = "1.0";

/// Writes the events of one apply.
pub(super) struct Events {
    actions: BTreeMap<ResourceAddress, Action>,
    /// One line after the other, whoever writes.
    out: Mutex<()>,
}

impl Events {
    /// Begins the stream: its version, then every planned change.
    pub(super) fn new(plan: &Plan) -> Self {
        let actions = plan.changes.iter().map(|c| (c.address.clone(), c.action)).collect();
        let events = Self { actions, out: Mutex::default() };
        let head = json!({
            "formatVersion": FORMAT_VERSION, "skyplan": env!("CARGO_PKG_VERSION"), "project": plan.project,
            "lineage": plan.base.lineage, "serial": plan.base.serial, "digest": plan.meaning(),
        });
        events.write("version", &head);
        for change in &plan.changes {
            let why = serde_json::to_value(&change.reason).unwrap_or_default();
            let mut event = about(&change.address);
            event["action"] = json!(change.action);
            event["reason"] = why["why"].clone();
            if let Some(origin) = &change.origin {
                event["origin"] = json!(origin.to_string());
            }
            if !change.depends_on.is_empty() {
                event["dependsOn"] = json!(change.depends_on);
            }
            events.write("planned", &event);
        }
        events
    }

    /// Ends the stream.
    pub(super) fn summary(&self, report: &Report, resume: Option<&str>) {
        for fault in report.log_fault.iter() {
            self.write("error", &json!({ "diagnostic": fault }));
        }
        let mut event = json!({
            "complete": report.complete(), "counts": report.counts(), "clusters": report.by_cluster(),
            "seconds": rounded(report.seconds),
        });
        if let Some(stop) = report.stop {
            event["stopped"] = json!(stop);
        }
        if let Some(resume) = resume {
            event["resume"] = json!(resume);
        }
        self.write("summary", &event);
    }

    fn write(&self, name: &str, event: &Value) {
        let _one = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        write(name, event);
    }
}

/// Says what the outputs are after the apply.
pub(super) fn outputs(values: &BTreeMap<String, RecordedOutput>) {
    write("outputs", &json!({ "outputs": values }));
}

/// Says why there is no apply.
pub(super) fn error(diagnostic: &Diagnostic) {
    write("error", &json!({ "diagnostic": diagnostic }));
}

fn write(name: &str, event: &Value) {
    let mut line = json!({"event": name, "at": Timestamp::now().to_string()});
    for (key, value) in event.as_object().into_iter().flatten() {
        line[key] = value.clone();
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn about(address: &ResourceAddress) -> Value {
    json!({"address": address, "cluster": address.cluster()})
}

/// Milliseconds are enough.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

impl Progress for Events {
    fn started(&self, address: &ResourceAddress, action: Action) {
        let mut event = about(address);
        event["action"] = json!(action);
        self.write("started", &event);
    }

    fn waiting(&self, address: &ResourceAddress, text: &str) {
        let mut event = about(address);
        event["waitsFor"] = json!(text);
        self.write("progress", &event);
    }

    fn finished(&self, address: &ResourceAddress, outcome: &Outcome) {
        let mut event = about(address);
        event["action"] = json!(self.actions.get(address));
        let name = match outcome {
            Outcome::Done { seconds } => {
                event["seconds"] = json!(rounded(*seconds));
                "done"
            }
            Outcome::Failed(why) => {
                event["diagnostic"] = json!(why);
                "failed"
            }
            Outcome::Skipped(cause) => {
                (event["because"], event["failed"]) = (json!("dependencyFailed"), json!(cause));
                "skipped"
            }
            Outcome::NotStarted => {
                event["because"] = json!("stopped");
                "skipped"
            }
        };
        self.write(name, &event);
    }
}
