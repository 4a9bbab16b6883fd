//! What a resource is, why it is where it is, and what will become of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Facts, FieldAnswer, Written,
    field::{Step, at, in_sources, managers, near, steps},
};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    compile::{model::AppObject, pods},
    diagnostic::{Diagnostic, Origin, did_you_mean},
    observed::ClusterObserved,
    packed::Packed,
    place::explain::explain,
    plan::{
        change::{Action, ActionReason, Conflict, FORMAT_VERSION, FieldChange},
        desired::{self, ADDRESS_ANNOTATION, Body, LINEAGE_LABEL},
        report,
    },
    state::RecordDetail,
};

/// All about a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceAnswer {
    /// Version of this format.
    pub format_version: String,
    /// Which.
    pub address: ResourceAddress,
    /// Where it is written, or was when it was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Components that it serves here.
    pub components: Vec<String>,
    /// Why it is on this cluster.
    pub why: Vec<String>,
    /// What must be there before it.
    pub depends_on: Vec<ResourceAddress>,
    /// What needs it.
    pub needed_by: Vec<ResourceAddress>,
    /// What the state remembers of it; absent = it was never applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<Remembered>,
    /// How it is now: `there`, `not there`, or why nobody knows.
    pub live: String,
    /// What the next plan does with it.
    pub next: Next,
    /// Fields: the one that was asked for, or those that do not come from the manifest.
    pub fields: Vec<FieldAnswer>,
}

/// What the state remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Remembered {
    /// Entry of the log that wrote it.
    pub serial: u64,
    /// Uid of the object, or of the cluster's `kube-system`.
    pub uid: String,
    /// Whether what was sent then is what would be sent now.
    pub same: bool,
}

/// What the next plan does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "does")]
pub enum Next {
    /// It changes it.
    #[serde(rename_all = "camelCase")]
    Change {
        /// What happens.
        action: Action,
        /// Why.
        reason: ActionReason,
        /// Which fields.
        fields: Vec<FieldChange>,
    },
    /// It cannot be applied: somebody else's things are in the way.
    Conflicts {
        /// What is in the way.
        conflicts: Vec<Conflict>,
    },
    /// It leaves it as it is.
    Nothing {
        /// Why.
        because: String,
    },
    /// There is no plan.
    NoPlan {
        /// How many errors there are.
        errors: usize,
    },
}

impl Facts<'_> {
    /// All about a resource; with a path, where the value of that field comes from.
    ///
    /// # Errors
    /// It has no such field.
    pub fn resource(&self, address: &ResourceAddress, field: Option<&str>) -> Result<ResourceAnswer, Box<Diagnostic>> {
        let wanted = self.desired.resources.get(address);
        let record = self.state.records.get(address);
        let (components, depends_on) = match (wanted, record.map(|r| &r.detail)) {
            (Some(resource), _) => (
                match &resource.body {
                    Body::Object { components, .. } => components.clone(),
                    Body::Cluster { .. } => self.placed_on(address.cluster()),
                    Body::Null { .. } => Vec::new(),
                },
                resource.depends_on.iter().cloned().collect(),
            ),
            (None, Some(detail)) => {
                let components = if let RecordDetail::Object(o) = detail { o.components.clone() } else { Vec::new() };
                (components, record.map_or_else(Vec::new, |r| r.depends_on.clone()))
            }
            (None, None) => (Vec::new(), Vec::new()),
        };
        let mut needed_by: Vec<ResourceAddress> = self
            .desired
            .resources
            .values()
            .filter(|r| r.depends_on.contains(address))
            .map(|r| r.address.clone())
            .collect();
        let gone = self.state.records.iter().filter(|(a, _)| !self.desired.resources.contains_key(a));
        needed_by.extend(gone.filter(|(_, r)| r.depends_on.contains(address)).map(|(a, _)| a.clone()));
        needed_by.sort();
        let cluster = self.model.clusters.iter().find(|c| ResourceAddress::Cluster(c.name.clone()) == *address);
        let origin = wanted.and_then(|r| r.origin.clone()).or_else(|| cluster.map(|c| c.origin.clone()));
        let fields = match (field, address.object()) {
            (None, Some(_)) => self.notable(address),
            (None, None) => Vec::new(),
            (Some(path), Some(_)) => vec![self.field(address, path).ok_or_else(|| self.no_field(address, path))?],
            (Some(_), None) => {
                return Err(Box::new(
                    Diagnostic::error("SKY0920", "a cluster has no fields to ask for")
                        .hint("`--field` is for objects: `skyplan explain object/… --field spec.replicas`"),
                ));
            }
        };
        Ok(ResourceAnswer {
            format_version: FORMAT_VERSION.into(),
            address: address.clone(),
            origin: origin.or_else(|| record.and_then(|r| r.origin.clone())),
            why: self.why(address, &components),
            components,
            depends_on,
            needed_by,
            remembered: record.map(|r| Remembered {
                serial: r.serial,
                uid: match &r.detail {
                    RecordDetail::Cluster(c) => c.uid.clone(),
                    RecordDetail::Null(n) => n.id.clone(),
                    RecordDetail::Object(o) => o.uid.clone(),
                },
                same: match (&r.detail, wanted.map(|w| &w.body)) {
                    (RecordDetail::Object(o), Some(Body::Object { digest, .. })) => o.sent == *digest,
                    (RecordDetail::Cluster(c), Some(Body::Cluster { pools, .. })) => c.pools == *pools,
                    (RecordDetail::Null(n), Some(Body::Null { input })) => n.input == *input,
                    _ => false,
                },
            }),
            live: self.live_words(address),
            next: self.next(address),
            fields,
        })
    }

    fn placed_on(&self, cluster: &str) -> Vec<String> {
        let runs = self.placed.solution.instances.iter().zip(&self.model.components);
        runs.filter(|(places, _)| places.iter().any(|p| self.model.clusters[*p].name == cluster))
            .map(|(_, c)| c.name.clone())
            .collect()
    }

    fn why(&self, address: &ResourceAddress, components: &[String]) -> Vec<String> {
        let Some(object) = address.object() else {
            let wanted = self.desired.resources.contains_key(address);
            return vec![match (wanted, components) {
                (true, _) if address.cluster().is_empty() => "the specs have it".into(),
                (true, []) => {
                    "nothing is placed on it; it stands because of its pools' `min`, or until its document goes".into()
                }
                (true, all) => {
                    format!("{} placed on it: {}", plural(all.len(), "component is", "components are"), all.join(", "))
                }
                (false, _) if self.state.records.contains_key(address) => "the specs no longer have it".into(),
                (false, _) => "it is not made: nothing is placed on it".into(),
            }];
        };
        if !self.desired.resources.contains_key(address) {
            let written = self.model.objects.iter().any(|o| is_source_of(o, object));
            return vec![
                if written { "its component no longer runs here" } else { "the specs no longer have it" }.into(),
            ];
        }
        let Some(source) = self.source(object) else {
            let namespace = &object.name;
            return vec![format!("objects here need the namespace {namespace}, and nobody else provides it")];
        };
        let own = pods::is_workload(&source.object);
        let explanations = explain(&self.placed.month, &self.placed.monthly);
        explanations
            .iter()
            .filter(|e| self.model.clusters[e.place].name == object.cluster)
            .filter(|e| components.contains(&self.model.components[e.component].name))
            .map(|e| {
                let name = &self.model.components[e.component].name;
                let reason = report::reason(self.model, &self.placed, e);
                let verb = if own { "it is" } else { "it goes with" };
                format!("{verb} {name}, which runs here: {reason}")
            })
            .collect()
    }

    /// The written object that an address comes from.
    fn source(&self, object: &ObjectAddress) -> Option<&AppObject> {
        let here = |o: &&AppObject| {
            o.components.iter().any(|c| {
                self.placed.solution.instances[*c].iter().any(|p| self.model.clusters[*p].name == object.cluster)
            })
        };
        self.model.objects.iter().filter(|o| is_source_of(o, object)).find(here)
    }

    fn live(&self, address: &ResourceAddress) -> Option<Value> {
        match self.observed.clusters.get(address.cluster()) {
            Some(ClusterObserved::Reached { objects, .. }) => objects.get(address).map(Packed::unpack),
            _ => None,
        }
    }

    fn live_words(&self, address: &ResourceAddress) -> String {
        match (self.observed.clusters.get(address.cluster()), address) {
            (_, ResourceAddress::Null(_)) => "a Null is nowhere but in the state".into(),
            (Some(ClusterObserved::Reached { version, .. }), ResourceAddress::Cluster(_)) => {
                format!("there, Kubernetes {version}")
            }
            (Some(ClusterObserved::Reached { .. }), _) if self.live(address).is_some() => "there".into(),
            (Some(ClusterObserved::Reached { .. }), _) => match self.observed.lookups.get(address) {
                Some(Some(_)) => "there, and not skyplan's".into(),
                _ => "not there".into(),
            },
            (Some(ClusterObserved::Unreachable { why }), _) => {
                format!("not known: cluster {} does not answer ({})", address.cluster(), why.summary)
            }
            (Some(ClusterObserved::Absent), _) => "not there: its cluster is not made".into(),
            (None, _) => "not known: its cluster was not asked".into(),
        }
    }

    fn next(&self, address: &ResourceAddress) -> Next {
        let plan = match &self.plan {
            Ok(plan) => plan,
            Err(errors) => return Next::NoPlan { errors: *errors },
        };
        let conflicts: Vec<Conflict> = plan.conflicts.iter().filter(|c| c.address == *address).cloned().collect();
        if !conflicts.is_empty() {
            return Next::Conflicts { conflicts };
        }
        if let Some(change) = plan.changes.iter().find(|c| c.address == *address) {
            let (action, reason, fields) = (change.action, change.reason.clone(), change.fields.clone());
            return Next::Change { action, reason, fields };
        }
        let because = match self.observed.clusters.get(address.cluster()) {
            Some(ClusterObserved::Unreachable { .. }) => "its cluster does not answer",
            _ if self.desired.resources.contains_key(address) => "it is as the specs say",
            _ => "nothing is to be done about it",
        };
        Next::Nothing { because: because.into() }
    }

    /// Fields that people look for in the manifest and do not find there.
    fn notable(&self, address: &ResourceAddress) -> Vec<FieldAnswer> {
        let paths = ["metadata.namespace".to_owned(), "spec.replicas".to_owned()];
        let fields = paths.iter().filter_map(|path| self.field(address, path));
        fields.filter(|f| f.written != Written::Manifest && f.written != Written::Server).collect()
    }

    /// Where the value of a field comes from.
    fn field(&self, address: &ResourceAddress, path: &str) -> Option<FieldAnswer> {
        let object = address.object()?;
        let sent = match self.desired.resources.get(address).map(|r| &r.body) {
            Some(Body::Object { object, .. }) => Some(object),
            _ => None,
        };
        let source = self.source(object);
        let live = self.live(address);
        let live = live.as_ref();
        let live_steps = live.and_then(|o| steps(o, path));
        let held = live.zip(live_steps.as_ref()).map_or_else(Vec::new, |(o, s)| managers(o, s));
        let mut answer = FieldAnswer {
            path: path.to_owned(),
            value: None,
            live: live.zip(live_steps.as_ref()).and_then(|(o, s)| at(o, s)).cloned(),
            written: Written::Server,
            origin: None,
            managers: held,
        };
        let path_in = sent.and_then(|o| steps(o, path));
        if let (Some(sent), Some(steps)) = (sent, &path_in) {
            answer.value = at(sent, steps).cloned();
            (answer.written, answer.origin) = self.author(source, steps);
            return Some(answer);
        }
        if path == "spec.replicas"
            && let Some(scaler) = source.and_then(|s| {
                let name = desired::scaled(&s.application, &s.object);
                desired::autoscalers(self.model).get(&name).copied()
            })
        {
            answer.written = Written::Autoscaler;
            answer.origin = Some(scaler.origin.clone());
            return Some(answer);
        }
        answer.live.as_ref()?;
        let ours = desired::manager(&self.state.lineage);
        if let Some(name) = answer.managers.iter().find(|m| **m != ours) {
            answer.written = Written::Manager { name: name.clone() };
        }
        Some(answer)
    }

    /// Who wrote a value that skyplan sends.
    fn author(&self, source: Option<&AppObject>, steps: &[Step]) -> (Written, Option<Origin>) {
        if let [Step::Key(top), Step::Key(map), Step::Key(key)] = steps
            && top == "metadata"
            && (map == "labels" && (key == LINEAGE_LABEL || key == "app.kubernetes.io/managed-by")
                || map == "annotations" && key == ADDRESS_ANNOTATION)
        {
            return (Written::Skyplan, None);
        }
        let Some(source) = source else { return (Written::Skyplan, None) };
        let key = |name: &str| Step::Key(name.to_owned());
        if *steps == [key("spec"), key("replicas")] {
            for component in &source.components {
                let entry = &self.model.components[*component].origin;
                if let Some((origin, value)) = in_sources(self.sources, entry, &[key("replicas")])
                    && Some(&value) == source.object.pointer("/spec/replicas")
                    && *entry != source.origin
                {
                    return (Written::Application, Some(origin));
                }
            }
        }
        match in_sources(self.sources, &source.origin, steps) {
            Some((origin, _)) => (Written::Manifest, Some(origin)),
            // Filled in: the application's namespace. Without sources (a replay) the head must do.
            None if self.sources.text(&source.origin.file).is_some() => (Written::Skyplan, None),
            None => (Written::Manifest, Some(source.origin.clone())),
        }
    }

    fn no_field(&self, address: &ResourceAddress, path: &str) -> Box<Diagnostic> {
        let d = Diagnostic::error("SKY0920", format!("{} has no field `{path}`", address.short())).about(address);
        let sent = match self.desired.resources.get(address).map(|r| &r.body) {
            Some(Body::Object { object, .. }) => Some(object),
            _ => None,
        };
        let live = self.live(address);
        let known = sent.map(|o| &**o).or(live.as_ref()).map_or_else(Vec::new, |o| near(o, path));
        let last = path.rsplit(['.', '[']).next().unwrap_or(path).trim_end_matches(']');
        Box::new(match did_you_mean(last, known.iter().map(String::as_str)) {
            Some(meant) => {
                let before = path.trim_end_matches(']').strip_suffix(last).unwrap_or_default();
                let after = if before.ends_with('[') { "]" } else { "" };
                d.hint(format!("did you mean `{before}{meant}{after}`?"))
            }
            None if known.is_empty() => {
                d.hint("paths are as plans print them: `spec.template.spec.containers[name=web].image`")
            }
            None => d.hint(format!("there are {}", known.join(", "))),
        })
    }
}

fn is_source_of(source: &AppObject, object: &ObjectAddress) -> bool {
    let metadata = &source.object["metadata"];
    pods::group_kind(&source.object) == (object.group.as_str(), object.kind.as_str())
        && metadata["name"] == *object.name
        // What lives outside of namespaces is written with one at times.
        && object.namespace.as_deref().is_none_or(|n| metadata["namespace"] == *n)
}

fn plural(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}
