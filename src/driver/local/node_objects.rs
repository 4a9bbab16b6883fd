//! What a simulated node is: from a pool to `Node` objects, and what of a live one is not as it
//! should be.
//!
//! Compares and composes only; `nodes` talks to the API.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::core::v1::{Node, NodeSpec, NodeStatus, Taint as NodeTaint},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::root::is_dns_label;
use crate::{
    diagnostic::Diagnostic,
    quantity::{Bytes, MilliCpu},
};

/// The pool that a node is of; what `nodes` selects by.
pub(super) const POOL_LABEL: &str = "skyplan.io/node-pool";
/// Which labels were set here, so that those that are no longer wanted can be told from others'.
const LABELS_ANNOTATION: &str = "skyplan.io/node-labels";
/// What makes kwok play the kubelet.
const KWOK_ANNOTATION: &str = "kwok.x-k8s.io/node";
const GPU: &str = "nvidia.com/gpu";
/// Taints below it are the control plane's own: not ready, cordoned.
const SYSTEM_TAINTS: &str = "node.kubernetes.io/";

/// A number of like nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePool {
    /// Part of the nodes' names.
    pub name: String,
    /// How many.
    pub count: u32,
    /// CPU of each.
    pub milli_cpu: u64,
    /// Memory of each, in bytes.
    pub memory: u64,
    /// GPUs of each.
    pub gpus: u32,
    /// How many pods each takes.
    pub pods: u32,
    /// Labels beyond the usual ones, e.g. region and zone.
    pub labels: BTreeMap<String, String>,
    /// Taints of each.
    pub taints: Vec<Taint>,
}

impl NodePool {
    /// A pool of nodes without GPUs, labels or taints, for 110 pods each.
    pub fn new(name: impl Into<String>, count: u32, milli_cpu: u64, memory: u64) -> Self {
        Self {
            name: name.into(),
            count,
            milli_cpu,
            memory,
            gpus: 0,
            pods: 110,
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }
    }
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, often empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// All nodes that shall be there, by name.
pub(super) fn desired(cluster: &str, pools: &[NodePool]) -> Result<BTreeMap<String, Node>, Diagnostic> {
    let mut nodes = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for pool in pools {
        let fault = |why: &str| {
            Err(Diagnostic::error("SKY0619", format!("node pool `{}` of cluster `{cluster}` {why}", pool.name))
                .hint("give the pool another name: names of nodes are made of the cluster's, the pool's and a number"))
        };
        if !is_dns_label(&pool.name) {
            return fault("has a name that is not a DNS label");
        }
        if !seen.insert(&pool.name) {
            return fault("is there twice");
        }
        for index in 0..pool.count {
            let name = format!("{cluster}-{}-{index}", pool.name);
            if name.len() > 63 {
                return fault(&format!("has too long a name: `{name}` exceeds 63 characters"));
            }
            // `c` with pool `a-1` and `c-a` with pool `1` are different clusters; but pools `a` and
            // `a-1` never make the same name, for an index has no dash.
            nodes.insert(name.clone(), node(&name, pool));
        }
    }
    Ok(nodes)
}

fn node(name: &str, pool: &NodePool) -> Node {
    let mut labels = pool.labels.clone();
    for (key, value) in [
        (POOL_LABEL, pool.name.as_str()),
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
    ] {
        labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    let keys: Vec<&str> = labels.keys().map(String::as_str).collect();
    let annotations = BTreeMap::from([
        (KWOK_ANNOTATION.to_owned(), "fake".to_owned()),
        (LABELS_ANNOTATION.to_owned(), keys.join(",")),
    ]);
    let taints = pool.taints.iter().map(|taint| NodeTaint {
        key: taint.key.clone(),
        value: Some(taint.value.clone()).filter(|v| !v.is_empty()),
        effect: taint.effect.clone(),
        time_added: None,
    });
    let mut capacity = BTreeMap::from([
        ("cpu".to_owned(), Quantity(MilliCpu(pool.milli_cpu).to_string())),
        ("memory".to_owned(), Quantity(Bytes(pool.memory).to_string())),
        ("pods".to_owned(), Quantity(pool.pods.to_string())),
        ("ephemeral-storage".to_owned(), Quantity("100Gi".to_owned())),
    ]);
    if pool.gpus > 0 {
        capacity.insert(GPU.to_owned(), Quantity(pool.gpus.to_string()));
    }
    Node {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec { taints: Some(taints.collect()), ..NodeSpec::default() }),
        status: Some(NodeStatus {
            capacity: Some(capacity.clone()),
            allocatable: Some(capacity),
            ..NodeStatus::default()
        }),
    }
}

/// Whether a live node was made here.
pub(super) fn is_ours(live: &Node) -> bool {
    let has = |map: &Option<BTreeMap<String, String>>, key| map.as_ref().is_some_and(|m| m.contains_key(key));
    has(&live.metadata.labels, POOL_LABEL) || has(&live.metadata.annotations, LABELS_ANNOTATION)
}

/// Whether pods are placed on it: ready, and the control plane has taken notice.
pub(super) fn is_ready(live: &Node) -> bool {
    let conditions = live.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let taints = live.spec.iter().flat_map(|s| s.taints.iter().flatten());
    conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
        && !taints
            .into_iter()
            .any(|t| t.key.strip_prefix(SYSTEM_TAINTS).is_some_and(|k| matches!(k, "not-ready" | "unreachable")))
}

/// Merge patches, for the node and for its status, that make a live node what it should be; `None`
/// where it is.
pub(super) fn difference(desired: &Node, live: &Node) -> (Option<Value>, Option<Value>) {
    let mut patch = json!({});
    let labels = map_difference(&desired.metadata.labels, &live.metadata.labels, |key| {
        let ours = live.metadata.annotations.as_ref().and_then(|a| a.get(LABELS_ANNOTATION));
        ours.is_some_and(|keys| keys.split(',').any(|k| k == key))
    });
    let annotations = map_difference(&desired.metadata.annotations, &live.metadata.annotations, |_| false);
    for (field, changes) in [("labels", labels), ("annotations", annotations)] {
        if !changes.is_empty() {
            patch["metadata"][field] = json!(changes);
        }
    }
    if let Some(taints) = taint_difference(desired, live) {
        patch["spec"]["taints"] = json!(taints);
    }

    let mut status = json!({});
    fn amounts(node: &Node, allocatable: bool) -> BTreeMap<&String, &Quantity> {
        let status = node.status.iter();
        status.flat_map(|s| if allocatable { &s.allocatable } else { &s.capacity }).flatten().collect()
    }
    for (field, allocatable) in [("capacity", false), ("allocatable", true)] {
        let (want, have) = (amounts(desired, allocatable), amounts(live, allocatable));
        let mut changes = BTreeMap::new();
        for (key, quantity) in &want {
            if have.get(key).is_none_or(|h| !same_amount(h, quantity)) {
                changes.insert(*key, Some(*quantity));
            }
        }
        changes.extend(have.keys().filter(|k| !want.contains_key(*k)).map(|k| (*k, None)));
        if !changes.is_empty() {
            status["status"][field] = json!(changes);
        }
    }
    let some = |value: Value| Some(value).filter(|v| v.as_object().is_some_and(|o| !o.is_empty()));
    (some(patch), some(status))
}

type Texts = Option<BTreeMap<String, String>>;

/// What must be set, and what of ours must go.
fn map_difference(desired: &Texts, live: &Texts, is_ours: impl Fn(&str) -> bool) -> BTreeMap<String, Option<String>> {
    let empty = BTreeMap::new();
    let (desired, live) = (desired.as_ref().unwrap_or(&empty), live.as_ref().unwrap_or(&empty));
    let set = desired.iter().filter(|(k, v)| live.get(*k) != Some(v)).map(|(k, v)| (k.clone(), Some(v.clone())));
    let gone = live.keys().filter(|k| !desired.contains_key(*k) && is_ours(k)).map(|k| (k.clone(), None));
    set.chain(gone).collect()
}

/// The whole list as it should be, if it is not: a pool's taints, and those of the control plane.
fn taint_difference(desired: &Node, live: &Node) -> Option<Vec<NodeTaint>> {
    fn of(node: &Node) -> Vec<NodeTaint> {
        node.spec.iter().flat_map(|s| s.taints.iter().flatten()).cloned().collect()
    }
    let order = |t: &NodeTaint| (t.key.clone(), t.value.clone().unwrap_or_default(), t.effect.clone());
    let (system, mut have): (Vec<_>, Vec<_>) = of(live).into_iter().partition(|t| t.key.starts_with(SYSTEM_TAINTS));
    let mut want = of(desired);
    have.sort_by_key(order);
    want.sort_by_key(order);
    if have.iter().map(order).eq(want.iter().map(order)) {
        return None;
    }
    want.extend(system);
    Some(want)
}

/// `1024Mi` and `1Gi` are the same.
fn same_amount(a: &Quantity, b: &Quantity) -> bool {
    // Thousandths of bytes are rounded up; there are none here.
    a == b
        || matches!((Bytes::parse(&a.0), Bytes::parse(&b.0)), (Ok(x), Ok(y)) if x == y)
            && matches!((MilliCpu::parse(&a.0), MilliCpu::parse(&b.0)), (Ok(x), Ok(y)) if x == y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> NodePool {
        NodePool {
            gpus: 1,
            labels: BTreeMap::from([("zone".into(), "a".into())]),
            taints: vec![Taint { key: "edge".into(), value: String::new(), effect: "NoSchedule".into() }],
            ..NodePool::new("std", 2, 1500, 4 << 30)
        }
    }

    fn one(pool: &NodePool) -> Node {
        desired("c", std::slice::from_ref(pool)).unwrap().remove("c-std-0").unwrap()
    }

    #[test]
    fn a_pool_is_so_many_nodes() {
        let nodes = desired("c", &[pool(), NodePool::new("big", 1, 64_000, 1 << 38)]).unwrap();
        assert_eq!(nodes.keys().collect::<Vec<_>>(), ["c-big-0", "c-std-0", "c-std-1"]);
        let node = serde_json::to_value(&nodes["c-std-1"]).unwrap();
        assert_eq!(
            node["status"]["allocatable"],
            json!({"cpu": "1500m", "memory": "4Gi", "pods": "110", "ephemeral-storage": "100Gi", GPU: "1"})
        );
        assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "c-std-1");
        assert_eq!(node["metadata"]["annotations"][LABELS_ANNOTATION].as_str().unwrap().split(',').count(), 5);
    }

    #[test]
    fn bad_pools_are_refused() {
        let code = |pools: &[NodePool]| desired("c", pools).unwrap_err().code;
        assert_eq!(code(&[pool(), pool()]), "SKY0619");
        assert_eq!(code(&[NodePool::new("a/b", 1, 1, 1)]), "SKY0619");
        assert_eq!(code(&[NodePool::new("x".repeat(60), 1, 1, 1)]), "SKY0619");
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        let desired = one(&pool());
        let mut live = desired.clone();
        // What others add: a beta label, the control plane's taint, other spellings of amounts.
        live.metadata.labels.as_mut().unwrap().insert("beta.kubernetes.io/os".into(), "linux".into());
        let taint = NodeTaint {
            key: "node.kubernetes.io/not-ready".into(),
            effect: "NoSchedule".into(),
            ..NodeTaint::default()
        };
        live.spec.as_mut().unwrap().taints.as_mut().unwrap().insert(0, taint);
        let capacity = live.status.as_mut().unwrap().capacity.as_mut().unwrap();
        capacity.insert("memory".into(), Quantity("4096Mi".into()));
        capacity.insert("cpu".into(), Quantity("1.5".into()));
        assert_eq!(difference(&desired, &live), (None, None));
        assert!(!is_ready(&live) && is_ours(&live));
    }

    #[test]
    fn what_differs_is_repaired_and_nothing_else() {
        let live = {
            let mut live = one(&pool());
            live.metadata.labels.as_mut().unwrap().insert("theirs".into(), "x".into());
            let mut taint = NodeTaint { key: "node.kubernetes.io/unschedulable".into(), ..NodeTaint::default() };
            taint.effect = "NoSchedule".into();
            live.spec.as_mut().unwrap().taints.as_mut().unwrap().push(taint);
            live
        };
        let mut wanted = NodePool { gpus: 0, memory: 8 << 30, taints: vec![], ..pool() };
        wanted.labels = BTreeMap::from([("rack".into(), "7".into())]);
        let (patch, status) = difference(&one(&wanted), &live);
        let patch = patch.unwrap();
        assert_eq!(patch["metadata"]["labels"], json!({"rack": "7", "zone": null}));
        assert_eq!(
            patch["spec"]["taints"],
            json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}])
        );
        let amounts = json!({"memory": "8Gi", GPU: null});
        assert_eq!(status, Some(json!({"status": {"capacity": amounts, "allocatable": amounts}})));
    }

    #[test]
    fn golden_of_a_pool_that_is_there_twice() {
        crate::render::diagnostics::golden(&desired("dev", &[pool(), pool()]).unwrap_err(), &[]);
    }
}
