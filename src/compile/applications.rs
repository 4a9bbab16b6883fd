//! Applications → components, and objects with the components they serve.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    affinity,
    attach::{self, Workload},
    lifecycles,
    locate::Locator,
    model::{AppObject, Component, PodNeed},
    names::{dangling, dns_label},
    pods,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    quantity::Resources,
    spec::{self, At, ComponentOverride, Document, Manifest, ObjectSelector, SpecSet},
};

/// What the applications come to.
pub(super) struct Applications {
    /// Sorted by name.
    pub(super) components: Vec<Component>,
    /// In the order of sources, applications sorted by name.
    pub(super) objects: Vec<AppObject>,
}

/// Kinds of the built-in groups that live outside of namespaces.
const CLUSTER_SCOPED: [&str; 30] = [
    "APIService",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterTrustBundle",
    "DeviceClass",
    "IPAddress",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ResourceSlice",
    "ServiceCIDR",
    "StorageVersionMigration",
    "VolumeAttributesClass",
    "ClusterRoleBinding",
    "CSIDriver",
    "CSINode",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];

pub(super) fn compile(set: &SpecSet, locator: &Locator<'_>, out: &mut Diagnostics) -> Applications {
    let mut documents: Vec<&Document<spec::Application>> = set.applications.iter().collect();
    documents.sort_by(|a, b| a.spec.name.value.cmp(&b.spec.name.value));
    let mut all = Applications { components: Vec::new(), objects: Vec::new() };
    let custom = cluster_scoped_customs(set);
    for document in documents {
        let manifests = set.manifests.get(&document.spec.name.value).map_or(&[][..], Vec::as_slice);
        application(&document.spec, manifests, &custom, locator, &mut all, out);
    }
    sort(&mut all);
    all
}

/// Sorts components by name and keeps the objects' indices right.
fn sort(all: &mut Applications) {
    let mut order: Vec<usize> = (0..all.components.len()).collect();
    order.sort_by(|a, b| all.components[*a].name.cmp(&all.components[*b].name));
    let mut new_index = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        new_index[*old] = new;
    }
    for object in &mut all.objects {
        object.components = object.components.iter().map(|i| new_index[*i]).collect();
    }
    all.components.sort_by(|a, b| a.name.cmp(&b.name));
}

/// (group, kind) of custom resources that the project itself defines as cluster-scoped.
fn cluster_scoped_customs(set: &SpecSet) -> BTreeSet<(String, String)> {
    set.manifests
        .values()
        .flatten()
        .filter(|m| m.object["kind"] == "CustomResourceDefinition" && m.object["spec"]["scope"] == "Cluster")
        .filter_map(|m| {
            let spec = &m.object["spec"];
            Some((spec["group"].as_str()?.to_owned(), spec["names"]["kind"].as_str()?.to_owned()))
        })
        .collect()
}

fn application(
    app: &spec::Application,
    manifests: &[Manifest],
    customs: &BTreeSet<(String, String)>,
    locator: &Locator<'_>,
    all: &mut Applications,
    out: &mut Diagnostics,
) {
    let namespace = app.namespace.as_ref().unwrap_or(&app.name);
    if app.namespace.is_some() {
        dns_label("namespace", namespace, out);
    }
    let mut objects: Vec<(Origin, Value)> = Vec::new();
    for manifest in manifests {
        let namespace = manifest.namespace.as_deref().unwrap_or(namespace);
        if let Some(object) = named(manifest, namespace, customs, locator, out) {
            objects.push((manifest.origin.clone(), object));
        }
    }
    let base = all.components.len();
    // Which entry each object belongs to, if any.
    let mut owner: Vec<Option<usize>> = vec![None; objects.len()];
    for (entry, component) in app.components.iter().enumerate() {
        claim(app, entry, component, &objects, &mut owner, locator, out);
    }
    let mut components: Vec<Component> =
        app.components.iter().map(|c| new_component(app, &c.name, &c.name.origin)).collect();
    for (i, (origin, object)) in objects.iter().enumerate() {
        if owner[i].is_none() && pods::is_workload(object) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let full = format!("{}/{name}", app.name.value);
            let taken = components.iter().position(|c| c.name == full && c.origin != *origin);
            owner[i] = Some(taken.unwrap_or(components.len()));
            if taken.is_none() {
                components.push(new_component(app, &name, origin));
            }
        }
    }
    for (entry, spec) in app.components.iter().enumerate() {
        adjust(app, spec, entry, &mut components, &mut objects, &owner, out);
    }
    circles(app, out);
    if components.is_empty() && !objects.is_empty() {
        // Nothing runs, but the objects still have to be somewhere: the application is placed as one.
        components.push(new_component(app, &app.name, &app.name.origin));
    }
    for (i, (origin, object)) in objects.iter().enumerate() {
        let Some(component) = owner[i].filter(|_| pods::is_workload(object)) else { continue };
        affinity::check(object, locator, origin, out);
        match pods::need(object) {
            Ok(need) if pods::per_node(object) => components[component].per_node.push(need.size),
            Ok(need) if need.count > 0 => components[component].pods.push(need),
            Ok(_) => {}
            Err(_) => {
                for (pointer, text) in pods::wrong_amounts(object) {
                    let d = Diagnostic::error("SKY0211", text).at(&locator.part(origin, &pointer));
                    out.push(d.hint("requests and limits are written as Kubernetes writes them: 250m, 2, 512Mi, 4Gi"));
                }
            }
        }
    }
    for (entry, spec) in app.components.iter().enumerate() {
        resources(spec, &mut components[entry], out);
    }
    let values: Vec<&Value> = objects.iter().map(|(_, o)| o).collect();
    let workloads: Vec<Workload<'_>> = values
        .iter()
        .zip(&owner)
        .filter(|(object, _)| pods::is_workload(object))
        .filter_map(|(object, owner)| Some(Workload { object, component: base + (*owner)? }))
        .collect();
    let references = attach::References::of(&workloads, &values);
    let everywhere: BTreeSet<usize> = (base..base + components.len()).collect();
    let mut attached = Vec::new();
    for (object, owner) in values.iter().zip(&owner) {
        attached.push(match owner {
            Some(component) => BTreeSet::from([base + component]),
            None => match references.components(object) {
                some if !some.is_empty() => some,
                _ => everywhere.clone(),
            },
        });
    }
    let serves = |i: usize, entry: usize| attached[i].contains(&(base + entry));
    let lifecycles = lifecycles::of(app, &values, serves, out);
    for (((origin, object), components), lifecycle) in objects.into_iter().zip(attached).zip(lifecycles) {
        all.objects.push(AppObject {
            application: app.name.value.clone(),
            origin,
            object,
            components,
            overridden: BTreeMap::new(),
            lifecycle,
        });
    }
    all.components.extend(components);
}

fn new_component(app: &spec::Application, name: &str, origin: &Origin) -> Component {
    Component {
        name: format!("{}/{name}", app.name.value),
        origin: origin.clone(),
        application: app.name.value.clone(),
        pods: Vec::new(),
        per_node: Vec::new(),
        instances: (0, 0),
        permitted: Vec::new(),
        required: Vec::new(),
        compute: Vec::new(),
        dedicated: false,
        tolerations: Vec::new(),
        spot: false,
        spread: Vec::new(),
        attributes: Vec::new(),
        preferred: Vec::new(),
        depends_on: Vec::new(),
        strategy: None,
    }
}

/// The object with its namespace filled in; `None` when it is no object at all.
fn named(
    manifest: &Manifest,
    namespace: &str,
    customs: &BTreeSet<(String, String)>,
    locator: &Locator<'_>,
    out: &mut Diagnostics,
) -> Option<Value> {
    let object = &manifest.object;
    let fault = |text: &str, part: &str| {
        Some(
            Diagnostic::error("SKY0210", text.to_owned())
                .at(&locator.part(&manifest.origin, part))
                .hint("a Kubernetes object has `apiVersion`, `kind` and `metadata.name`"),
        )
    };
    let has = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
    let missing = if !object.is_object() {
        fault("this is not a Kubernetes object", "")
    } else if !has("/apiVersion") || !has("/kind") {
        fault("this object has no `apiVersion` or no `kind`", "")
    } else if object.pointer("/metadata/generateName").is_some() {
        fault("`generateName` makes a new object at every apply; give it a `name`", "/metadata/generateName")
    } else if !has("/metadata/name") {
        fault("this object has no name", "/metadata/name")
    } else {
        None
    };
    if let Some(missing) = missing.or_else(|| malformed(manifest, locator)) {
        out.push(missing);
        return None;
    }
    let (group, kind) = pods::group_kind(object);
    let mut object = object.clone();
    let outside = customs.contains(&(group.to_owned(), kind.to_owned()));
    let scoped = !(outside || is_builtin(group) && CLUSTER_SCOPED.contains(&kind));
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut)?;
    if !scoped {
        metadata.remove("namespace");
    } else if !metadata.get("namespace").is_some_and(Value::is_string) {
        metadata.insert("namespace".into(), Value::from(namespace));
    }
    // What servers write is not ours to send.
    for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"] {
        metadata.remove(field);
    }
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    Some(object)
}

/// What no server would take, said before anything is planned from it: names that would lead elsewhere,
/// maps that are none, secret values that are not text. Values are never shown.
fn malformed(manifest: &Manifest, locator: &Locator<'_>) -> Option<Diagnostic> {
    let object = &manifest.object;
    let fault =
        |text: String, part: &str| Some(Diagnostic::error("SKY0210", text).at(&locator.part(&manifest.origin, part)));
    let unsafe_name = |text: &str| {
        text.len() > 253
            || text.contains(['/', '%'])
            || text.contains(char::is_whitespace)
            || text.contains(char::is_control)
    };
    for (what, part) in [("name", "/metadata/name"), ("namespace", "/metadata/namespace"), ("kind", "/kind")] {
        match object.pointer(part) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if !unsafe_name(text) => {}
            Some(_) => {
                return fault(format!("this object's {what} cannot be one"), part)
                    .map(|d| d.hint("it is text without spaces, `/` and `%`, of at most 253 characters"));
            }
        }
    }
    if object["apiVersion"].as_str().is_some_and(|v| v.matches('/').count() > 1 || unsafe_name(&v.replacen('/', "", 1)))
    {
        return fault("this object's apiVersion is not `version` or `group/version`".into(), "/apiVersion")
            .map(|d| d.hint("such as `v1` or `apps/v1`"));
    }
    let secret = object["kind"] == "Secret" && object["apiVersion"] == "v1";
    let maps = [
        ("labels", "/metadata/labels"),
        ("annotations", "/metadata/annotations"),
        ("data", "/data"),
        ("stringData", "/stringData"),
    ];
    for (field, part) in maps.into_iter().take(if secret { 4 } else { 2 }) {
        let text = |v: &Value| v.is_string() || v.is_null() && field == "data";
        let wrong = match object.pointer(part) {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => map.iter().find(|(_, v)| !text(v)).map(|(k, _)| k.replace('~', "~0")),
            Some(_) => Some(String::new()),
        };
        if let Some(key) = wrong {
            let kind = object["kind"].as_str().unwrap_or("object");
            return fault(
                format!("`{field}` of this {kind} is not a map of text"),
                &format!("{part}/{}", key.replace('/', "~1")),
            )
            .map(|d| d.hint("write numbers, true and false in quotes"));
        }
    }
    if pods::is_workload(object) && !object["spec"].is_object() {
        return fault("this workload has no `spec`".into(), "/spec").map(|d| d.hint("add it, with a pod template"));
    }
    if pods::scales(object) && !object["spec"]["replicas"].is_null() && object["spec"]["replicas"].as_u64().is_none() {
        return fault("`spec.replicas` is not a whole number, 0 or more".into(), "/spec/replicas")
            .map(|d| d.hint("write a number, without quotes"));
    }
    None
}

/// Groups that Kubernetes itself serves.
pub(crate) fn is_builtin(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io") && !group.ends_with(".x-k8s.io")
}

/// Gives the objects that an entry selects to it.
fn claim(
    app: &spec::Application,
    entry: usize,
    component: &At<ComponentOverride>,
    objects: &[(Origin, Value)],
    owner: &mut [Option<usize>],
    locator: &Locator<'_>,
    out: &mut Diagnostics,
) {
    let by = |c: &ComponentOverride| c.objects.as_ref().map_or(c.name.origin.clone(), |s| s.origin.clone());
    let mut found = false;
    for (i, (origin, object)) in objects.iter().enumerate() {
        let selected = match &component.objects {
            Some(selector) => matches(selector, object),
            None => pods::is_workload(object) && object["metadata"]["name"] == *component.name.value,
        };
        if !selected {
            continue;
        }
        found = true;
        if let Some(other) = owner[i] {
            out.push(
                Diagnostic::error(
                    "SKY0212",
                    format!(
                        "`{}` and `{}` select the same {}",
                        app.components[other].name,
                        component.name,
                        object["kind"].as_str().unwrap_or("object")
                    ),
                )
                .at(&by(component))
                .label(&by(&app.components[other]), "the other one")
                .label(&locator.part(origin, "/metadata/name"), "the object")
                .hint("an object belongs to one component: narrow one of the two"),
            );
        }
        owner[i] = Some(entry);
    }
    if !found {
        let names =
            objects.iter().filter(|(_, o)| pods::is_workload(o)).filter_map(|(_, o)| o["metadata"]["name"].as_str());
        out.push(match &component.objects {
            Some(selector) => Diagnostic::error("SKY0213", "this selector matches none of the application's objects")
                .at(&selector.origin)
                .hint(words_of(objects)),
            None => dangling("workload", &component.name, names)
                .hint("a component without `objects` is the workload of its name"),
        });
    }
}

/// The objects that a selector could have meant.
fn words_of(objects: &[(Origin, Value)]) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let all: Vec<String> =
        objects.iter().map(|(_, o)| format!("{} {}", text(&o["kind"]), text(&o["metadata"]["name"]))).collect();
    match all.len() {
        0 => "the application has no objects at all".into(),
        n if n > 8 => format!("it has {}, … ({n} in all)", all[..8].join(", ")),
        _ => format!("it has {}", all.join(", ")),
    }
}

pub(super) fn matches(selector: &ObjectSelector, object: &Value) -> bool {
    let metadata = &object["metadata"];
    selector.kind.as_ref().is_none_or(|k| object["kind"] == *k.value)
        && (selector.names.is_empty() || selector.names.iter().any(|n| metadata["name"] == *n.value))
        && selector.match_labels.iter().all(|(k, v)| metadata["labels"][k] == **v)
}

/// Replicas, instances and dependencies that an entry sets.
fn adjust(
    app: &spec::Application,
    spec: &ComponentOverride,
    entry: usize,
    components: &mut [Component],
    objects: &mut [(Origin, Value)],
    owner: &[Option<usize>],
    out: &mut Diagnostics,
) {
    if let Some(replicas) = &spec.replicas {
        let mut set = false;
        for (_, object) in objects.iter_mut().zip(owner).filter(|(_, o)| **o == Some(entry)).map(|(o, _)| o) {
            if pods::scales(object)
                && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
            {
                spec.insert("replicas".into(), Value::from(replicas.value));
                set = true;
            }
        }
        if !set && spec.resources.is_none() {
            out.push(
                Diagnostic::error("SKY0214", "none of this component's objects has replicas that can be set")
                    .at(&replicas.origin)
                    .hint("`replicas` works on a Deployment, StatefulSet or ReplicaSet"),
            );
        }
    }
    if let Some(instances) = &spec.instances {
        let min = instances.min.unwrap_or(0);
        let max = instances.max.unwrap_or(0);
        if instances.min == Some(0) || max > 0 && max < min {
            out.push(
                Diagnostic::error("SKY0107", "instances are at least 1, and `max` is not below `min`")
                    .at(&instances.origin)
                    .hint("leave `max` out for exactly `min` instances"),
            );
        }
        components[entry].instances = (min, max);
    }
    for dependency in &spec.depends_on {
        let full = format!("{}/{}", app.name.value, dependency.value);
        if !components.iter().any(|c| c.name == full) {
            let prefix = format!("{}/", app.name.value);
            out.push(dangling("component", dependency, components.iter().filter_map(|c| c.name.strip_prefix(&prefix))));
        } else if full == components[entry].name {
            out.push(
                Diagnostic::error("SKY0215", "a component that depends on itself")
                    .at(&dependency.origin)
                    .hint("take the entry out"),
            );
        }
        components[entry].depends_on.push(full);
    }
}

/// Notes circles in `dependsOn`, each once.
fn circles(app: &spec::Application, out: &mut Diagnostics) {
    let index = |name: &str| app.components.iter().position(|c| c.name.value == name);
    let before: Vec<Vec<usize>> =
        app.components.iter().map(|c| c.depends_on.iter().filter_map(|d| index(&d.value)).collect()).collect();
    let reaches = |from: usize, to: usize| {
        let (mut seen, mut open) = (BTreeSet::new(), before[from].clone());
        while let Some(i) = open.pop() {
            if i == to {
                return true;
            }
            if seen.insert(i) {
                open.extend(&before[i]);
            }
        }
        false
    };
    let members: Vec<usize> = (0..before.len()).filter(|i| !before[*i].contains(i) && reaches(*i, *i)).collect();
    let Some((first, others)) = members.split_first() else { return };
    let line = |i: usize| app.components[i].depends_on.first().map_or(&app.components[i].origin, |d| &d.origin);
    let mut d = Diagnostic::error("SKY0215", "components that wait for each other in a circle").at(line(*first));
    for other in others {
        d = d.label(line(*other), "and here");
    }
    out.push(d.hint("take one `dependsOn` out"));
}

/// Requests that an entry sets in place of the manifest's.
fn resources(spec: &ComponentOverride, component: &mut Component, out: &mut Diagnostics) {
    let Some(resources) = &spec.resources else { return };
    let set = |size: &mut Resources| {
        size.milli_cpu = resources.cpu.map_or(size.milli_cpu, |c| c.0);
        size.memory = resources.memory.map_or(size.memory, |m| m.0);
        size.gpus = resources.gpu.map_or(size.gpus, |g| g.0);
    };
    if component.pods.len() > 1 {
        out.push(
            Diagnostic::error("SKY0216", "`resources` is for a component with one workload, this one has several")
                .at(&spec.name.origin)
                .hint("write the requests into the manifests, or make components of them"),
        );
    }
    if component.pods.is_empty() {
        component.pods.push(PodNeed {
            size: Resources { pods: 1, ..Resources::default() },
            count: spec.replicas.as_ref().map_or(1, |r| r.value),
            tolerations: Vec::new(),
            node_selector: BTreeMap::new(),
            affinity: Vec::new(),
        });
    }
    for need in &mut component.pods {
        set(&mut need.size);
    }
}
