//! What comes after what though nobody wrote it: objects after the operators and the webhooks that see to them.
//!
//! A custom resource is of use once the operator that came with its definition runs, and what a webhook of the plan is
//! asked about can be applied once somebody answers. Where the operator itself needs such an object, it comes first, as
//! no order would do otherwise.

use std::collections::BTreeSet;

use serde_json::Value;

use super::desired::{Body, Desired, Resource};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    compile::pods::is_workload,
};

/// Adds these edges to what each resource depends on.
pub(super) fn add(all: &mut Desired) {
    for (address, later) in operators(all).into_iter().chain(webhooks(all)) {
        let before = closure(all, &address);
        for one in later.into_iter().filter(|a| !before.contains(a)) {
            if let Some(resource) = all.resources.get_mut(&one) {
                resource.depends_on.extend(address.iter().filter(|a| **a != one).cloned());
            }
        }
    }
}

/// What must be there, and what comes after it.
type Edges = (BTreeSet<ResourceAddress>, Vec<ResourceAddress>);

fn objects(all: &Desired) -> impl Iterator<Item = (&ObjectAddress, &Resource, &Value, &[String])> {
    all.resources.values().filter_map(|resource| match &resource.body {
        Body::Object { object, components, .. } => {
            Some((resource.address.object()?, resource, &**object, components.as_slice()))
        }
        Body::Cluster { .. } | Body::Null { .. } => None,
    })
}

/// Custom resources after the workloads that came with their definition.
fn operators(all: &Desired) -> Vec<Edges> {
    let mut edges = Vec::new();
    for (at, _, definition, components) in objects(all).filter(|(at, ..)| at.kind == "CustomResourceDefinition") {
        let spec = &definition["spec"];
        let is_of = |o: &ObjectAddress| spec["group"] == *o.group && spec["names"]["kind"] == *o.kind;
        let here = || objects(all).filter(|(o, ..)| o.cluster == at.cluster);
        let customs: Vec<_> = here().filter(|(o, ..)| is_of(o)).map(|(_, r, ..)| r.address.clone()).collect();
        if customs.is_empty() {
            continue;
        }
        let came_with = |theirs: &[String]| theirs.iter().any(|c| components.contains(c));
        let workloads = here().filter(|(_, _, object, theirs)| is_workload(object) && came_with(theirs));
        edges.push((workloads.map(|(_, r, ..)| r.address.clone()).collect(), customs));
    }
    edges
}

/// What a webhook is asked about after its configuration, and that after the pods that answer.
fn webhooks(all: &Desired) -> Vec<Edges> {
    let mut edges = Vec::new();
    let kinds = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
    for (at, resource, configuration, _) in objects(all).filter(|(at, ..)| kinds.contains(&at.kind.as_str())) {
        let here = || objects(all).filter(|(o, ..)| o.cluster == at.cluster);
        let (mut answering, mut asked) = (BTreeSet::new(), Vec::new());
        // One that may be passed over holds nothing up.
        let must_answer = |webhook: &&Value| webhook["failurePolicy"] != "Ignore";
        for webhook in configuration["webhooks"].as_array().into_iter().flatten().filter(must_answer) {
            let service = &webhook["clientConfig"]["service"];
            let is_it = |o: &ObjectAddress| {
                o.kind == "Service"
                    && o.group.is_empty()
                    && service["name"] == *o.name
                    && o.namespace.as_deref() == service["namespace"].as_str()
            };
            let Some((_, _, service, _)) = here().find(|(o, ..)| is_it(o)) else { continue };
            let pods = here().filter(|(_, _, o, _)| is_workload(o) && selects(service, o));
            answering.extend(pods.map(|(_, r, ..)| r.address.clone()));
            asked.extend(here().filter(|(o, ..)| is_asked_about(webhook, o)).map(|(_, r, ..)| r.address.clone()));
        }
        if !answering.is_empty() {
            edges.push((answering, vec![resource.address.clone()]));
            edges.push((BTreeSet::from([resource.address.clone()]), asked));
        }
    }
    edges
}

/// Whether a Service leads to the pods of a workload in its namespace.
fn selects(service: &Value, workload: &Value) -> bool {
    let selector = service["spec"]["selector"].as_object();
    let labels = &workload["spec"]["template"]["metadata"]["labels"];
    service["metadata"]["namespace"] == workload["metadata"]["namespace"]
        && selector.is_some_and(|s| !s.is_empty() && s.iter().all(|(key, value)| labels[key] == *value))
}

/// Whether a webhook is asked about objects of a kind. Rules name the word in paths, which is not known before the kind
/// is served: it is made as the field makes it. Selectors are not looked at: too late does no harm.
fn is_asked_about(webhook: &Value, object: &ObjectAddress) -> bool {
    let has = |list: &Value, word: &str| list.as_array().is_some_and(|all| all.iter().any(|v| v == "*" || v == word));
    let name = object.kind.to_lowercase();
    let plurals = [
        format!("{name}s"),
        format!("{name}es"),
        name.strip_suffix('y').map_or_else(|| name.clone(), |n| format!("{n}ies")),
    ];
    webhook["rules"].as_array().into_iter().flatten().any(|rule| {
        // One that is asked about everything would have everything wait for it.
        let all = has(&rule["apiGroups"], "*") && has(&rule["resources"], "*");
        !all && has(&rule["apiGroups"], &object.group) && plurals.iter().any(|plural| has(&rule["resources"], plural))
    })
}

/// These resources, and all that they depend on.
fn closure(all: &Desired, start: &BTreeSet<ResourceAddress>) -> BTreeSet<ResourceAddress> {
    let mut seen = start.clone();
    let mut open: Vec<ResourceAddress> = start.iter().cloned().collect();
    while let Some(address) = open.pop() {
        let needs = all.resources.get(&address).into_iter().flat_map(|r| &r.depends_on);
        open.extend(needs.filter(|n| seen.insert((*n).clone())).cloned());
    }
    seen
}
