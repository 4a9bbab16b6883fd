//! Strategies of components: fields that go together, clusters and weights resolved, and which workload
//! is divided.

use std::collections::BTreeSet;

use super::{
    applications::Applications,
    model::{AppObject, Cluster, Component, Model, Offered, Strategy},
    names::dangling,
    pods, policies,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    quantity::Resources,
    spec::{At, SpecSet, StrategyName},
};

/// A strategy as it is written; `None` for what is whole anyway. How many replicas there are is
/// filled in by [`complete`].
pub(super) fn strategy(
    written: &At<crate::spec::Strategy>,
    set: &SpecSet,
    clusters: &[Cluster],
    component: &Component,
    out: &mut Diagnostics,
) -> Option<Strategy> {
    fields(written, component, out);
    if let Some(n) = written.locations.as_ref().filter(|n| n.value == 0) {
        out.push(Diagnostic::error("SKY0107", "a count is at least 1").at(&n.origin).hint("leave it out for one"));
    }
    let mut named = Vec::new();
    for name in &written.clusters {
        match clusters.iter().position(|c| c.name == name.value) {
            Some(index) if named.contains(&index) => out.push(
                Diagnostic::error("SKY0261", format!("`{name}` is named twice"))
                    .at(&name.origin)
                    .hint("each cluster is served once"),
            ),
            Some(index) => named.push(index),
            None if set.clusters.iter().any(|c| c.spec.name.value == name.value) => {}
            None => out.push(dangling("Cluster", name, set.clusters.iter().map(|c| c.spec.name.as_str()))),
        }
    }
    if written.name == StrategyName::ClusterAffinity && written.clusters.is_empty() {
        out.push(
            Diagnostic::error("SKY0261", "`ClusterAffinity` names no clusters")
                .at(&written.origin)
                .hint("say which: `{name: ClusterAffinity, clusters: [paris, lyon]}`"),
        );
    }
    let weights = written.weights.iter().map(|w| (policies::filter(&w.selector, set, clusters, out), w.weight));
    let weights = weights.collect();
    if written.name == StrategyName::Cost && !divided(written) {
        return None;
    }
    Some(Strategy {
        name: written.name,
        replicas: 0,
        surge: pods::Surge::None,
        locations: written.locations.as_ref().map_or(1, |n| n.value.max(1)),
        clusters: named,
        weights,
        partial: written.partial,
        origin: written.origin.clone(),
        offered: offered(set),
    })
}

fn divided(written: &crate::spec::Strategy) -> bool {
    written.divided.as_ref().is_some_and(|d| d.value)
}

/// Notes fields that a strategy does not read, and what else says where a component runs.
fn fields(written: &At<crate::spec::Strategy>, component: &Component, out: &mut Diagnostics) {
    use StrategyName as N;
    let name = written.name;
    let word = name.word();
    let mut stray = |origin: Option<&Origin>, field: &str, goes_with: &[N]| {
        let Some(origin) = origin.filter(|_| !goes_with.contains(&name)) else { return };
        let words: Vec<String> = goes_with.iter().map(|n| format!("`{}`", n.word())).collect();
        out.push(
            Diagnostic::error("SKY0261", format!("`{field}` does not go with `{word}`"))
                .at(origin)
                .hint(format!("it is for {}", words.join(", "))),
        );
    };
    stray(written.locations.as_ref().map(|n| &n.origin), "locations", &[N::WorstFit, N::BestFit, N::MostTraffic]);
    stray(written.clusters.first().map(|c| &c.origin), "clusters", &[N::ClusterAffinity]);
    stray(written.weights.first().map(|w| &w.origin), "weights", &[N::Weighted, N::Spread]);
    stray(written.divided.as_ref().map(|d| &d.origin), "divided", &[N::Cost]);
    if name == N::Cost && written.partial {
        let d = Diagnostic::error("SKY0261", "`partial` does not go with `Cost`").at(&written.origin);
        out.push(d.hint("everything is placed where it is cheapest, or nothing is"));
    }
    if name == N::Cost && !divided(written) {
        return;
    }
    let mut other = |yes: bool, origin: &Origin, field: &str, hint: &str| {
        if yes {
            out.push(
                Diagnostic::error("SKY0261", format!("`{field}` does not go with `{word}`"))
                    .at(origin)
                    .label(&written.origin, "the strategy")
                    .hint(hint),
            );
        }
    };
    let narrower = "the strategy decides in how many places it runs; narrow them with `location.permitted`";
    other(component.instances != (0, 0), &component.origin, "instances", narrower);
    if let Some(group) = component.required.first() {
        other(true, &group.origin, "required", narrower);
    }
    other(component.dedicated, &written.origin, "dedicated", "replicas are divided over nodes that others share");
}

/// What the project's providers sell, for advice on what would do.
fn offered(set: &SpecSet) -> Vec<Offered> {
    let mut all: Vec<Offered> = set
        .providers
        .iter()
        .flat_map(|p| p.spec.offerings.iter().map(move |o| (p, o)))
        .map(|(provider, o)| Offered {
            provider: provider.spec.name.value.clone(),
            name: o.name.value.clone(),
            size: Resources {
                milli_cpu: o.vcpus.0,
                memory: o.memory.0,
                gpus: o.gpu.as_ref().map_or(0, |g| g.count),
                pods: super::clusters::PODS_PER_NODE,
            },
            price: o.price.value,
        })
        .collect();
    all.sort_by(|a, b| (&a.name, &a.provider).cmp(&(&b.name, &b.provider)));
    all
}

/// Finds the workload that each strategy divides, and its replicas.
pub(super) fn complete(all: &mut Applications, out: &mut Diagnostics) {
    let Applications { components, objects } = all;
    for (i, component) in components.iter_mut().enumerate() {
        let Some(strategy) = &mut component.strategy else { continue };
        match workloads(objects, i).as_slice() {
            [one] if pods::scales(&one.object) && component.pods.len() <= 1 => {
                strategy.replicas = replicas(objects, one);
                strategy.surge = pods::Surge::of(&one.object);
            }
            others => {
                let kinds: Vec<&str> = others.iter().filter_map(|o| o.object["kind"].as_str()).collect();
                let has = if kinds.is_empty() { "it runs nothing".to_owned() } else { kinds.join(", ") };
                out.push(
                    Diagnostic::error("SKY0260", format!("`{}` has no replicas to divide ({has})", component.name))
                        .at(&strategy.origin)
                        .label(&component.origin, "the component")
                        .hint(
                            "a strategy divides one Deployment, StatefulSet or ReplicaSet; make components of several",
                        ),
                );
            }
        }
    }
}

/// What a component runs, but for what runs on every node.
fn workloads(objects: &[AppObject], component: usize) -> Vec<&AppObject> {
    let own = objects.iter().filter(|o| o.components == BTreeSet::from([component]) && pods::is_workload(&o.object));
    own.filter(|o| !pods::per_node(&o.object)).collect()
}

/// Replicas of a workload: its own, else the least of the autoscaler that owns it.
fn replicas(objects: &[AppObject], workload: &AppObject) -> u32 {
    let scaler =
        objects.iter().find(|o| o.application == workload.application && pods::targets(&o.object, &workload.object));
    let least = scaler.and_then(|o| o.object["spec"]["minReplicas"].as_u64());
    let written = workload.object["spec"]["replicas"].as_u64();
    u32::try_from(written.or(least).unwrap_or(1)).unwrap_or(u32::MAX)
}

/// `{name: Cost, divided: true}` as a component could say that is whole, and could as well be divided.
pub(crate) fn could_divide(model: &Model, component: usize) -> Option<Strategy> {
    let own = model.components.get(component)?;
    let free = own.strategy.is_none() && own.instances == (1, 1) && own.required.is_empty() && !own.dedicated;
    let workloads = workloads(&model.objects, component);
    let ([one], true, true) = (workloads.as_slice(), free, own.pods.len() == 1) else { return None };
    let replicas = replicas(&model.objects, one);
    (pods::scales(&one.object) && replicas > 1).then(|| Strategy {
        name: StrategyName::Cost,
        replicas,
        surge: pods::Surge::of(&one.object),
        locations: 1,
        clusters: Vec::new(),
        weights: Vec::new(),
        partial: false,
        origin: own.origin.clone(),
        offered: Vec::new(),
    })
}
