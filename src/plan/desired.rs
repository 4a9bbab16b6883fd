//! Model and placement → the resources that shall be, each with what it depends on.
//!
//! Knows identity marks, namespaces and the order in which kinds need each other; nothing of what is
//! there now but which namespaces are somebody else's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::{change::Target, divided, implicit, secret::Secrets};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    compile::{
        SPOT,
        model::{Access, AppObject, Cluster, Lifecycle, Model},
        pods::{group_kind, is_workload, pod_spec_mut},
    },
    diagnostic::{Diagnostic, Diagnostics, Origin},
    network::Networks,
    observed::{ClusterObserved, Connection, KindRef, Observed},
    place::strategy::Division,
    plan::projection::digest,
    spec::DeletionPolicy,
    state::{State, record::NodePoolState},
};

/// Label that selects what a lineage owns.
pub const LINEAGE_LABEL: &str = "skyplan.io/lineage";
/// Annotation that names the object itself: `<lineage>:<address>`.
pub const ADDRESS_ANNOTATION: &str = "skyplan.io/address";
/// Namespaces that every cluster has.
const BUILT_IN: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// A resource that shall be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resource {
    pub(super) address: ResourceAddress,
    pub(super) body: Body,
    pub(super) depends_on: BTreeSet<ResourceAddress>,
    pub(super) origin: Option<Origin>,
}

/// What a resource is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Cluster {
        pools: Vec<NodePoolState>,
        deletion_policy: DeletionPolicy,
        networks: Networks,
        quota: Option<String>,
    },
    Null {
        input: Value,
    },
    Object {
        object: Arc<Value>,
        digest: String,
        api_version: String,
        components: Vec<String>,
        lifecycle: Arc<Lifecycle>,
    },
}

impl Body {
    /// What a change makes of it.
    pub(super) fn target(&self) -> Target {
        match self {
            Self::Cluster { pools, deletion_policy, networks, quota } => Target::Cluster {
                pools: pools.clone(),
                deletion_policy: *deletion_policy,
                networks: *networks,
                quota: quota.clone(),
            },
            Self::Null { input } => Target::Null { input: input.clone() },
            Self::Object { object, digest, components, lifecycle, .. } => Target::Object {
                object: object.clone(),
                digest: digest.clone(),
                components: components.clone(),
                protection: lifecycle.protection,
            },
        }
    }
}

/// Everything that shall be, by address.
#[derive(Default)]
pub(super) struct Desired {
    pub(super) resources: BTreeMap<ResourceAddress, Resource>,
    pub(super) connections: BTreeMap<String, Connection>,
    pub(super) secrets: Secrets,
}

impl Desired {
    /// What is taken over where it is there already.
    pub(super) fn adopted(&self) -> impl Iterator<Item = ResourceAddress> {
        let adopts = |r: &&Resource| matches!(&r.body, Body::Object { lifecycle, .. } if lifecycle.adopt);
        self.resources.values().filter(adopts).map(|r| r.address.clone())
    }
}

/// The field manager of a lineage.
pub fn manager(lineage: &str) -> String {
    format!("skyplan-{lineage}")
}

/// The identity annotation of an object.
pub fn identity(lineage: &str, address: &ResourceAddress) -> String {
    format!("{lineage}:{address}")
}

/// How to get at a cluster of the model.
pub(super) fn connection(cluster: &Cluster) -> Connection {
    match &cluster.access {
        Access::Existing { kubeconfig, context } => {
            Connection { driver: cluster.driver(), kubeconfig: kubeconfig.clone(), context: context.clone() }
        }
        Access::Local { .. } => Connection { driver: cluster.driver(), kubeconfig: None, context: None },
    }
}

/// What a placement decides of the resources.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    /// Clusters that every component runs on, as indices.
    pub(super) runs: &'a [Vec<usize>],
    /// Bought nodes by cluster and pool.
    pub(super) nodes: &'a [Vec<u32>],
    /// Clusters on which the largest pods must come first.
    pub(super) in_order: &'a [bool],
    /// How replicas are divided, by component.
    pub(super) divisions: &'a BTreeMap<String, Division>,
}

/// What shall be.
pub(super) fn desired(
    model: &Model,
    choice: &Choice<'_>,
    state: &State,
    observed: &Observed,
    out: &mut Diagnostics,
) -> Desired {
    let Choice { runs, nodes, .. } = *choice;
    let mut all = Desired { resources: BTreeMap::new(), connections: BTreeMap::new(), secrets: Secrets::default() };
    let used: BTreeSet<usize> = runs.iter().flatten().copied().collect();
    for (i, cluster) in model.clusters.iter().enumerate() {
        let address = ResourceAddress::Cluster(cluster.name.clone());
        if used.contains(&i) || cluster.always() && !is_existing(cluster) || state.records.contains_key(&address) {
            all.connections.insert(cluster.name.clone(), connection(cluster));
            let body = Body::Cluster {
                pools: pools(cluster, &nodes[i]),
                deletion_policy: cluster.deletion_policy,
                // What is not written is leased in `networks`.
                networks: cluster.written(),
                quota: cluster.site.as_ref().filter(|_| cluster.quota.is_some()).map(|s| s.provider.clone()),
            };
            let origin = Some(cluster.origin.clone());
            all.resources.insert(address.clone(), Resource { address, body, depends_on: BTreeSet::new(), origin });
        }
    }
    let scalers = autoscalers(model);
    for object in &model.objects {
        let clusters: BTreeSet<usize> = object.components.iter().flat_map(|c| runs[*c].iter().copied()).collect();
        for cluster in clusters {
            let mut body = object.overridden.get(&cluster).unwrap_or(&object.object).clone();
            let cluster = &model.clusters[cluster];
            if is_cluster_scoped(&body, observed.clusters.get(&cluster.name))
                && let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut)
            {
                metadata.remove("namespace");
            }
            divided::adapt(model, choice.divisions, object, &cluster.name, &mut body);
            let mut lifecycle = object.lifecycle.clone();
            if scalers.contains_key(&scaled(&object.application, &body)) {
                // A live autoscaler owns the number; until it has set one, the last stays.
                lifecycle.ignored.insert("spec.replicas".into());
                if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.remove("replicas");
                }
            }
            tolerate(model, object, &mut body);
            add_object(model, (object, body, lifecycle), cluster, runs, &state.secret_key, &mut all, out);
        }
    }
    namespaces(&mut all, state, observed, &model.lineage);
    dependencies(model, choice, &mut all);
    implicit::add(&mut all);
    for null in &model.nulls {
        let address = ResourceAddress::Null(null.name.clone());
        let depends_on = null.depends_on.iter().cloned().map(ResourceAddress::Null).collect();
        let (body, origin) = (Body::Null { input: null.input.clone() }, Some(null.origin.clone()));
        all.resources.insert(address.clone(), Resource { address, body, depends_on, origin });
    }
    all
}

/// Writes the tolerations of a component's policy into its pods.
fn tolerate(model: &Model, source: &AppObject, body: &mut Value) {
    if !is_workload(body) {
        return;
    }
    let components = source.components.iter().map(|c| &model.components[*c]);
    let mut more: Vec<Value> = Vec::new();
    for component in components {
        if component.spot {
            more.push(json!({"key": SPOT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}));
        }
        for toleration in &component.tolerations {
            let mut words = json!({"operator": if toleration.value.is_some() { "Equal" } else { "Exists" }});
            let fields = [("key", &toleration.key), ("value", &toleration.value), ("effect", &toleration.effect)];
            for (field, text) in fields {
                if let Some(text) = text.as_ref().filter(|t| !t.is_empty()) {
                    words[field] = json!(text);
                }
            }
            more.push(words);
        }
    }
    let Some(spec) = pod_spec_mut(body).and_then(Value::as_object_mut).filter(|_| !more.is_empty()) else { return };
    if let Value::Array(all) = spec.entry("tolerations").or_insert_with(|| json!([])) {
        let fresh: Vec<Value> = more.into_iter().filter(|m| !all.contains(m)).collect();
        all.extend(fresh);
    }
}

/// Whether the cluster serves the kind outside of namespaces. It knows best, where it can be asked.
fn is_cluster_scoped(object: &Value, observed: Option<&ClusterObserved>) -> bool {
    let Some(ClusterObserved::Reached { served, .. }) = observed else { return false };
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let kind = KindRef { api_version: text("apiVersion"), kind: text("kind") };
    served.get(&kind.key()) == Some(&false)
}

fn is_existing(cluster: &Cluster) -> bool {
    matches!(cluster.access, Access::Existing { .. })
}

/// Nodes of a cluster: those that placement buys, or the default ones of a local cluster.
fn pools(cluster: &Cluster, bought: &[u32]) -> Vec<NodePoolState> {
    if let Access::Local { nodes: (count @ 1.., size) } = &cluster.access {
        return vec![NodePoolState {
            name: "default".into(),
            count: *count,
            milli_cpu: size.milli_cpu,
            memory: size.memory,
            gpus: size.gpus,
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }];
    }
    let pool = |(pool, count): (&crate::compile::model::Pool, &u32)| NodePoolState {
        name: pool.name.clone(),
        count: *count,
        milli_cpu: pool.size.milli_cpu,
        memory: pool.size.memory,
        gpus: pool.size.gpus,
        labels: pool.labels.clone(),
        taints: pool.taints.clone(),
    };
    cluster.pools.iter().zip(bought).filter(|(_, count)| **count > 0).map(pool).collect()
}

fn address_of(cluster: &str, object: &Value) -> ResourceAddress {
    let (group, kind) = group_kind(object);
    let metadata = &object["metadata"];
    ResourceAddress::Object(ObjectAddress {
        cluster: cluster.to_owned(),
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: metadata["namespace"].as_str().map(str::to_owned),
        name: metadata["name"].as_str().unwrap_or_default().to_owned(),
    })
}

fn add_object(
    model: &Model,
    (source, mut object, lifecycle): (&AppObject, Value, Lifecycle),
    cluster: &Cluster,
    runs: &[Vec<usize>],
    key: &str,
    all: &mut Desired,
    out: &mut Diagnostics,
) {
    let address = address_of(&cluster.name, &object);
    mark(&mut object, &model.lineage, &address);
    all.secrets.seal(&address, &mut object, key);
    let digest = digest(&object);
    let here: Vec<String> = source
        .components
        .iter()
        .filter(|c| runs[**c].iter().any(|i| model.clusters[*i].name == cluster.name))
        .map(|c| model.components[*c].name.clone())
        .collect();
    if let Some(other) = all.resources.get_mut(&address) {
        match &mut other.body {
            Body::Object { digest: first, components, lifecycle: its, .. } if *first == digest => {
                Arc::make_mut(its).join(&lifecycle);
                components.extend(here);
                components.sort();
                components.dedup();
            }
            _ => {
                let mut d = Diagnostic::error("SKY0503", format!("{} is written twice, not alike", address.short()))
                    .at(&source.origin)
                    .about(&address)
                    .hint("keep one of the two, or make them the same");
                if let Some(origin) = &other.origin {
                    d = d.label(origin, "the other one");
                }
                out.push(d);
            }
        }
        return;
    }
    let api_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let lifecycle = Arc::new(lifecycle);
    let body = Body::Object { object: object.into(), digest, api_version, components: here, lifecycle };
    let resource =
        Resource { address: address.clone(), body, depends_on: BTreeSet::new(), origin: Some(source.origin.clone()) };
    all.resources.insert(address, resource);
}

/// An object by what an autoscaler calls it: application, kind, namespace, name.
type Scaled<'a> = (&'a str, &'a str, &'a str, &'a str);

/// The autoscalers of a model, by what they own the number of replicas of.
pub(super) fn autoscalers(model: &Model) -> BTreeMap<Scaled<'_>, &AppObject> {
    let mut all = BTreeMap::new();
    for o in model.objects.iter().filter(|o| o.object["kind"] == "HorizontalPodAutoscaler") {
        let target = &o.object["spec"]["scaleTargetRef"];
        let namespace = o.object["metadata"]["namespace"].as_str().unwrap_or_default();
        if let (Some(kind), Some(name)) = (target["kind"].as_str(), target["name"].as_str()) {
            all.entry((o.application.as_str(), kind, namespace, name)).or_insert(o);
        }
    }
    all
}

/// What an autoscaler calls an object of an application.
pub(super) fn scaled<'a>(application: &'a str, object: &'a Value) -> Scaled<'a> {
    let (kind, metadata) = (object["kind"].as_str().unwrap_or_default(), &object["metadata"]);
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    (application, kind, namespace, metadata["name"].as_str().unwrap_or_default())
}

/// Labels to select by, and the annotation that names the object itself (labels are copied to
/// children, an annotation that names another object is not believed).
fn mark(object: &mut Value, lineage: &str, address: &ResourceAddress) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let mut put = |map: &str, key: &str, value: String| {
        let entry = metadata.entry(map).or_insert_with(|| Value::Object(Map::new()));
        if !entry.is_object() {
            *entry = Value::Object(Map::new());
        }
        entry[key] = Value::from(value);
    };
    put("labels", "app.kubernetes.io/managed-by", "skyplan".into());
    put("labels", LINEAGE_LABEL, lineage.to_owned());
    put("annotations", ADDRESS_ANNOTATION, identity(lineage, address));
}

/// Namespaces that objects need and nobody else provides.
fn namespaces(all: &mut Desired, state: &State, observed: &Observed, lineage: &str) {
    let needed: BTreeMap<(String, String), Option<Origin>> = all
        .resources
        .values()
        .filter_map(|r| {
            let object = r.address.object()?;
            Some(((object.cluster.clone(), object.namespace.clone()?), r.origin.clone()))
        })
        .rev()
        .collect();
    for ((cluster, name), origin) in needed {
        let mut object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let address = address_of(&cluster, &object);
        let foreign = match observed.clusters.get(&cluster) {
            Some(ClusterObserved::Reached { namespaces, objects, .. }) => {
                namespaces.contains_key(&name)
                    && !state.records.contains_key(&address)
                    && !objects.contains_key(&address)
            }
            _ => false,
        };
        if BUILT_IN.contains(&name.as_str()) || foreign || all.resources.contains_key(&address) {
            continue;
        }
        mark(&mut object, lineage, &address);
        let digest = digest(&object);
        let body = Body::Object {
            object: object.into(),
            digest,
            api_version: "v1".into(),
            components: Vec::new(),
            lifecycle: Arc::default(),
        };
        all.resources.insert(address.clone(), Resource { address, body, depends_on: BTreeSet::new(), origin });
    }
}

/// What each resource needs to be there before it.
fn dependencies(model: &Model, choice: &Choice<'_>, all: &mut Desired) {
    let runs = choice.runs;
    let larger = larger_first(model, choice);
    let addresses: Vec<ResourceAddress> = all.resources.keys().cloned().collect();
    // (cluster, group, kind) that a CRD in the plan defines → the CRD.
    let mut definitions: BTreeMap<(String, String, String), ResourceAddress> = BTreeMap::new();
    // Objects of one component on one cluster.
    let mut members: BTreeMap<(String, String), Vec<ResourceAddress>> = BTreeMap::new();
    for (address, resource) in &all.resources {
        let Body::Object { object, components, .. } = &resource.body else { continue };
        let cluster = address.cluster().to_owned();
        if object["kind"] == "CustomResourceDefinition" {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let key = (cluster.clone(), text(&object["spec"]["group"]), text(&object["spec"]["names"]["kind"]));
            definitions.insert(key, address.clone());
        }
        for component in components {
            members.entry((component.clone(), cluster.clone())).or_default().push(address.clone());
        }
    }
    let after: BTreeMap<&str, &Vec<String>> =
        model.components.iter().map(|c| (c.name.as_str(), &c.depends_on)).collect();
    let index: BTreeMap<&str, usize> = model.components.iter().enumerate().map(|(i, c)| (c.name.as_str(), i)).collect();
    for address in addresses {
        let Some(object) = address.object() else { continue };
        let mut needs = BTreeSet::from([ResourceAddress::Cluster(object.cluster.clone())]);
        if let Some(namespace) = &object.namespace {
            needs.insert(address_of(
                &object.cluster,
                &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            ));
        }
        let key = (object.cluster.clone(), object.group.clone(), object.kind.clone());
        needs.extend(definitions.get(&key).cloned());
        let rank = rank(&object.kind);
        if let Some(Resource { body: Body::Object { components, .. }, .. }) = all.resources.get(&address) {
            for component in components {
                let here = members.get(&(component.clone(), object.cluster.clone()));
                let before =
                    here.into_iter().flatten().filter(|m| m.object().is_some_and(|o| self::rank(&o.kind) < rank));
                needs.extend(before.cloned());
                if rank < Rank::Workload {
                    continue;
                }
                let here = index.get(component.as_str()).and_then(|i| larger.get(&(*i, object.cluster.as_str())));
                for other in here.into_iter().flatten() {
                    let theirs = members.get(&(model.components[*other].name.clone(), object.cluster.clone()));
                    let workloads = theirs.into_iter().flatten();
                    needs.extend(
                        workloads
                            .filter(|m| m.object().is_some_and(|o| self::rank(&o.kind) == Rank::Workload))
                            .cloned(),
                    );
                }
                for other in after.get(component.as_str()).into_iter().flat_map(|d| d.iter()) {
                    for cluster in index.get(other.as_str()).into_iter().flat_map(|i| &runs[*i]) {
                        let theirs = members.get(&(other.clone(), model.clusters[*cluster].name.clone()));
                        let workloads = theirs.into_iter().flatten();
                        needs.extend(
                            workloads
                                .filter(|m| m.object().is_some_and(|o| self::rank(&o.kind) == Rank::Workload))
                                .cloned(),
                        );
                    }
                }
            }
        }
        needs.retain(|n| *n != address && all.resources.contains_key(n));
        if let Some(resource) = all.resources.get_mut(&address) {
            resource.depends_on = needs;
        }
    }
}

/// Where pods must come in order of size: (component, cluster) → the components to wait for. A component
/// that must itself come after this one, by `dependsOn`, is not waited for.
fn larger_first<'a>(model: &'a Model, choice: &Choice<'_>) -> BTreeMap<(usize, &'a str), Vec<usize>> {
    let index: BTreeMap<&str, usize> = model.components.iter().enumerate().map(|(i, c)| (c.name.as_str(), i)).collect();
    let mut before: Vec<BTreeSet<usize>> = model
        .components
        .iter()
        .map(|c| c.depends_on.iter().filter_map(|d| index.get(d.as_str()).copied()).collect())
        .collect();
    let size = |i: usize| model.components[i].pods.iter().map(|p| p.size).max();
    let mut out: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
    for (l, cluster) in model.clusters.iter().enumerate().filter(|(l, _)| choice.in_order[*l]) {
        let mut here: Vec<usize> =
            (0..model.components.len()).filter(|i| choice.runs[*i].contains(&l) && size(*i).is_some()).collect();
        here.sort_by_key(|i| (std::cmp::Reverse(size(*i)), *i));
        for (k, smaller) in here.iter().enumerate() {
            // The nearest larger one that does not wait for this one.
            let larger =
                here[..k].iter().rev().find(|l| size(**l) > size(*smaller) && !comes_after(**l, *smaller, &before));
            if let Some(larger) = larger {
                before[*smaller].insert(*larger);
                out.entry((*smaller, &cluster.name)).or_default().push(*larger);
            }
        }
    }
    out
}

/// Whether `late` waits for `early`, by however many steps.
fn comes_after(late: usize, early: usize, before: &[BTreeSet<usize>]) -> bool {
    let mut seen = BTreeSet::from([late]);
    let mut open = vec![late];
    while let Some(i) = open.pop() {
        if i == early {
            return true;
        }
        open.extend(before[i].iter().filter(|b| seen.insert(**b)));
    }
    false
}

/// The order in which kinds of one component need each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// What pods refer to.
    Config,
    /// What runs pods.
    Workload,
    /// What refers to running pods.
    Front,
}

fn rank(kind: &str) -> Rank {
    match kind {
        "CronJob" | "DaemonSet" | "Deployment" | "Job" | "Pod" | "ReplicaSet" | "StatefulSet" => Rank::Workload,
        "HorizontalPodAutoscaler"
        | "Ingress"
        | "MutatingWebhookConfiguration"
        | "PodDisruptionBudget"
        | "ValidatingWebhookConfiguration"
        | "APIService" => Rank::Front,
        _ => Rank::Config,
    }
}
