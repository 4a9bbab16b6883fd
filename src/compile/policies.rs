//! Deployment and dataflow policies, joined to the components and places that they speak of.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    model::{Cluster, Component, Compute, Flow, NodeKind, PlaceFilter, Preferred, RequiredGroup, Toleration, Volume},
    names::{dangling, nameless},
    strategies,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    money::MicroUsd,
    quantity::Resources,
    spec::{
        At, ComponentPolicy, LabelExpression, LabelOperator, PlaceSelector, SpecSet, TolerationOperator, TolerationSpec,
    },
};

/// A place is required that is not permitted.
const NOT_PERMITTED: &str = "SKY0217";

/// What a preference is worth at most, a month.
const MOST_WEIGHT: MicroUsd = MicroUsd(1_000_000_000_000);

/// Joins deployment policies to components, and sets the instances that nothing set.
pub(super) fn deployments(set: &SpecSet, clusters: &[Cluster], components: &mut [Component], out: &mut Diagnostics) {
    let mut seen: BTreeMap<usize, Origin> = BTreeMap::new();
    let index_of = Names::new(components);
    for policy in set.deployments.iter().flat_map(|d| &d.spec.components) {
        let Some(index) = index_of.resolve(&policy.component_ref, out) else { continue };
        if let Some(first) = seen.insert(index, policy.component_ref.origin.clone()) {
            out.push(
                Diagnostic::error("SKY0201", format!("a second policy for `{}`", policy.component_ref))
                    .at(&policy.component_ref.origin)
                    .label(&first, "the first one")
                    .hint("join them: one component has one entry"),
            );
            continue;
        }
        join(policy, set, clusters, &mut components[index], out);
    }
    for component in components {
        let (min, max) = component.instances;
        let groups = u32::try_from(component.required.len()).unwrap_or(u32::MAX).max(1);
        let min = if min > 0 {
            min
        } else if max > 0 {
            groups.min(max)
        } else {
            groups
        };
        component.instances = (min, max.max(min));
    }
}

fn join(
    policy: &ComponentPolicy,
    set: &SpecSet,
    clusters: &[Cluster],
    component: &mut Component,
    out: &mut Diagnostics,
) {
    component.permitted = policy.location.permitted.iter().map(|s| filter(s, set, clusters, out)).collect();
    component.required = policy
        .location
        .required
        .iter()
        .map(|group| RequiredGroup {
            any_of: group.any_of.iter().map(|s| filter(s, set, clusters, out)).collect(),
            origin: group.origin.clone(),
        })
        .collect();
    for tag in &policy.location.attributes {
        let carries = |c: &Cluster| c.site.as_ref().is_some_and(|s| s.attributes.contains(&tag.value));
        let selected = clusters.iter().enumerate().filter(|(_, c)| carries(c)).map(|(i, _)| i).collect();
        component.attributes.push(PlaceFilter {
            clusters: selected,
            text: tag.value.clone(),
            origin: tag.origin.clone(),
        });
    }
    for preferred in &policy.location.preferred {
        dear(&preferred.weight, out);
        let selector = At { value: preferred.selector(), origin: preferred.origin.clone() };
        let places = filter(&selector, set, clusters, out);
        component.preferred.push(Preferred { places, weight: preferred.weight.value });
    }
    outside(component, set, clusters, out);
    component.spot = policy.spot;
    component.tolerations = policy.tolerations.iter().map(|t| toleration(t, out)).collect();
    component.dedicated = policy.dedicated;
    component.strategy = policy.strategy.as_ref().and_then(|s| strategies::strategy(s, set, clusters, component, out));
    if policy.dedicated && policy.compute.is_empty() {
        out.push(
            Diagnostic::error("SKY0220", "a dedicated component says which nodes it needs")
                .at(&policy.component_ref.origin)
                .hint("add `compute`"),
        );
    }
    for requirement in &policy.compute {
        if requirement.any_of.is_empty() {
            out.push(
                Diagnostic::error("SKY0220", "`anyOf` is empty: no node would do")
                    .at(&requirement.origin)
                    .hint("say which nodes would do: `anyOf: [{vcpus: 2, memory: 4Gi}]`"),
            );
        }
        let any_of = requirement
            .any_of
            .iter()
            .map(|a| {
                if let Some(count) = a.count.as_ref().filter(|c| c.value == 0) {
                    out.push(
                        Diagnostic::error("SKY0107", "a count is at least 1")
                            .at(&count.origin)
                            .hint("leave it out for one"),
                    );
                }
                NodeKind {
                    pattern: a.name.as_ref().map(|n| n.value.clone()),
                    size: Resources {
                        milli_cpu: a.vcpus.map_or(0, |v| v.0),
                        memory: a.memory.map_or(0, |m| m.0),
                        gpus: a.gpu.as_ref().map_or(0, |g| g.count.unwrap_or(1)),
                        pods: 0,
                    },
                    gpu: a.gpu.clone(),
                    count: a.count.as_ref().map_or(1, |c| c.value),
                }
            })
            .collect();
        component.compute.push(Compute { any_of, origin: requirement.origin.clone() });
    }
}

/// A toleration as its pods would say it.
fn toleration(written: &At<TolerationSpec>, out: &mut Diagnostics) -> Toleration {
    let spec = &written.value;
    let exists = spec.operator == TolerationOperator::Exists;
    let wrong = match (exists, &spec.key, &spec.value) {
        (true, _, Some(_)) => Some("`Exists` tolerates any value: it goes without `value`"),
        (false, None, _) => Some("`Equal` needs a `key`"),
        _ => None,
    };
    if let Some(text) = wrong {
        out.push(
            Diagnostic::error("SKY0242", text)
                .at(&written.origin)
                .hint("`{key: gpu, value: \"yes\"}`, `{key: gpu, operator: Exists}`, or `{operator: Exists}` for all"),
        );
    }
    let value = spec.value.clone().unwrap_or_default();
    Toleration {
        key: spec.key.clone(),
        value: (!exists).then_some(value),
        effect: spec.effect.map(|e| e.word().to_owned()),
    }
}

/// Notes a weight that is no price anybody would pay.
fn dear(weight: &At<MicroUsd>, out: &mut Diagnostics) {
    if !(0..=MOST_WEIGHT.0).contains(&weight.value.0) {
        out.push(
            Diagnostic::error("SKY0117", "a weight is from 0 to 1000000")
                .at(&weight.origin)
                .hint("it is in dollars a month; where no price would do, use `permitted`"),
        );
    }
}

/// Whether a fault is one that placement tells as well, with what every way out would cost.
pub fn placement_tells(fault: &Diagnostic) -> bool {
    fault.code == NOT_PERMITTED
}

/// Notes required groups that no permitted place meets, whatever else is true of the places.
fn outside(component: &Component, set: &SpecSet, clusters: &[Cluster], out: &mut Diagnostics) {
    if component.permitted.is_empty() {
        return;
    }
    let permitted: BTreeSet<usize> = component.permitted.iter().flat_map(|f| &f.clusters).copied().collect();
    for group in &component.required {
        let places: BTreeSet<usize> = group.any_of.iter().flat_map(|f| &f.clusters).copied().collect();
        // With documents missing only what names its clusters, and knows where they are, is sure.
        let named = |f: &PlaceFilter| f.clusters.len() == 1 && f.text.starts_with("cluster: ");
        let sure =
            set.unread.is_empty() || group.any_of.iter().all(named) && places.iter().all(|c| known(set, &clusters[*c]));
        if places.is_empty() || !places.is_disjoint(&permitted) || !sure {
            continue;
        }
        let names: Vec<String> = group.any_of.iter().map(|f| f.text.clone()).collect();
        let mut d = Diagnostic::error(
            NOT_PERMITTED,
            format!("`{}` requires {}, which is not permitted", component.name, names.join(" or ")),
        )
        .label(&group.origin, "required here");
        for filter in &component.permitted {
            d = d.label(&filter.origin, "permitted");
        }
        out.push(d.hint("permit one of its places, or leave the group out of `required`"));
    }
}

/// Whether all is known of where a cluster is.
fn known(set: &SpecSet, cluster: &Cluster) -> bool {
    cluster.site.is_some()
        || set.clusters.iter().any(|c| c.spec.name.value == cluster.name && c.spec.provider_ref.is_none())
}

/// A selector as the clusters it selects.
pub(super) fn filter(
    selector: &At<PlaceSelector>,
    set: &SpecSet,
    clusters: &[Cluster],
    out: &mut Diagnostics,
) -> PlaceFilter {
    check_references(selector, set, out);
    let selected: BTreeSet<usize> =
        clusters.iter().enumerate().filter(|(_, c)| selects(selector, c)).map(|(i, _)| i).collect();
    let text = words(selector);
    if text.is_empty() {
        out.push(
            Diagnostic::error("SKY0221", "an empty selector selects every place")
                .at(&selector.origin)
                .hint("say which places, or leave the entry out"),
        );
    }
    PlaceFilter { clusters: selected, text, origin: selector.origin.clone() }
}

/// Names of things that are written in the project must be there; regions and zones of the world
/// need not be.
pub(super) fn check_references(selector: &PlaceSelector, set: &SpecSet, out: &mut Diagnostics) {
    if let Some(name) = &selector.cluster
        && !set.clusters.iter().any(|c| c.spec.name.value == name.value)
    {
        out.push(dangling("Cluster", name, set.clusters.iter().map(|c| c.spec.name.as_str())));
    }
    if let Some(name) = &selector.provider
        && !set.providers.iter().any(|p| p.spec.name.value == name.value)
    {
        out.push(dangling("ProviderProfile", name, set.providers.iter().map(|p| p.spec.name.as_str())));
    }
}

pub(super) fn selects(selector: &PlaceSelector, cluster: &Cluster) -> bool {
    let is = |wanted: &Option<At<String>>, have: Option<&String>| {
        wanted.as_ref().is_none_or(|w| have.is_some_and(|h| *h == w.value))
    };
    let site = cluster.site.as_ref();
    is(&selector.cluster, Some(&cluster.name))
        && is(&selector.provider, site.map(|s| &s.provider))
        && is(&selector.region, site.map(|s| &s.region))
        && is(&selector.region_alias, site.and_then(|s| s.region_alias.as_ref()))
        && is(&selector.continent, site.and_then(|s| s.continent.as_ref()))
        && is(&selector.zone, site.map(|s| &s.zone))
        && selector.platform.is_none_or(|p| site.is_some_and(|s| s.platform == p))
        && selector.kind.is_none_or(|k| site.is_some_and(|s| s.zone_type == k))
        && selector.attributes.iter().all(|a| site.is_some_and(|s| s.attributes.contains(&a.value)))
        && selector.match_labels.iter().all(|(k, v)| cluster.labels.get(k) == Some(v))
        && selector.match_expressions.iter().all(|e| holds(e, cluster.labels.get(&e.key)))
}

fn holds(expression: &LabelExpression, value: Option<&String>) -> bool {
    let listed = value.is_some_and(|v| expression.values.contains(v));
    match expression.operator {
        LabelOperator::In => listed,
        LabelOperator::NotIn => !listed,
        LabelOperator::Exists => value.is_some(),
        LabelOperator::DoesNotExist => value.is_none(),
    }
}

/// The selector as it is written, on one line.
fn words(selector: &PlaceSelector) -> String {
    let mut parts = Vec::new();
    let named = [
        ("cluster", &selector.cluster),
        ("provider", &selector.provider),
        ("region", &selector.region),
        ("regionAlias", &selector.region_alias),
        ("continent", &selector.continent),
        ("zone", &selector.zone),
    ];
    parts.extend(named.into_iter().filter_map(|(k, v)| Some(format!("{k}: {}", v.as_ref()?.value))));
    parts.extend(selector.platform.map(|p| format!("platform: {}", p.word())));
    parts.extend(selector.kind.map(|k| format!("type: {}", k.word())));
    if !selector.attributes.is_empty() {
        let all: Vec<&str> = selector.attributes.iter().map(|a| a.as_str()).collect();
        parts.push(format!("attributes: {}", all.join(", ")));
    }
    parts.extend(selector.match_labels.iter().map(|(k, v)| format!("{k}={v}")));
    parts.extend(selector.match_expressions.iter().map(|e| match e.operator {
        LabelOperator::In => format!("{} in ({})", e.key, e.values.join(", ")),
        LabelOperator::NotIn => format!("{} not in ({})", e.key, e.values.join(", ")),
        LabelOperator::Exists => e.key.clone(),
        LabelOperator::DoesNotExist => format!("!{}", e.key),
    }));
    parts.join(", ")
}

/// Components by their full and by their own names.
pub(super) struct Names {
    full: BTreeMap<String, usize>,
    own: BTreeMap<String, Vec<usize>>,
    /// References so far that name nothing.
    misses: Cell<usize>,
}

/// References to nothing for which a name is guessed that may be meant.
const MOST_GUESSES: usize = 100;

impl Names {
    pub(super) fn new(components: &[Component]) -> Self {
        let mut names = Self { full: BTreeMap::new(), own: BTreeMap::new(), misses: Cell::new(0) };
        for (i, component) in components.iter().enumerate() {
            names.full.entry(component.name.clone()).or_insert(i);
            if let Some((_, own)) = component.name.split_once('/') {
                names.own.entry(own.to_owned()).or_default().push(i);
            }
        }
        names
    }

    /// The component that a reference names.
    pub(super) fn resolve(&self, reference: &At<String>, out: &mut Diagnostics) -> Option<usize> {
        let qualified = reference.contains('/');
        if qualified && let Some(one) = self.full.get(&reference.value) {
            return Some(*one);
        }
        match self.own.get(&reference.value).map_or(&[][..], Vec::as_slice) {
            [one] => return Some(*one),
            [] => {
                let known: Vec<&str> = if qualified {
                    self.full.keys().map(String::as_str).collect()
                } else {
                    self.own.keys().map(String::as_str).collect()
                };
                // Among so many faults nobody reads the hundredth guess, and each looks at all names.
                self.misses.set(self.misses.get() + 1);
                out.push(nameless("component", reference, &known, self.misses.get() <= MOST_GUESSES));
            }
            several => {
                let called = |i: &usize| self.full.iter().find(|(_, k)| *k == i).map_or("", |(name, _)| name.as_str());
                let names: Vec<&str> = several.iter().map(called).collect();
                out.push(
                    Diagnostic::error("SKY0207", format!("`{reference}` is in several applications"))
                        .at(&reference.origin)
                        .hint(format!("write one of {}", names.join(", "))),
                );
            }
        }
        None
    }
}

/// All flows, sorted by (from, to).
pub(super) fn flows(set: &SpecSet, components: &[Component], out: &mut Diagnostics) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    let mut known: BTreeMap<(usize, usize), Origin> = BTreeMap::new();
    let index_of = Names::new(components);
    for flow in set.dataflows.iter().flat_map(|d| &d.spec.flows) {
        let ends = (index_of.resolve(&flow.from, out), index_of.resolve(&flow.to, out));
        let (Some(from), Some(to)) = ends else { continue };
        if from == to {
            out.push(
                Diagnostic::error("SKY0215", "a flow from a component to itself")
                    .at(&flow.origin)
                    .hint("data inside an instance is free and has no latency; leave the flow out"),
            );
            continue;
        }
        let volume = match flow.volume.as_ref().map(|v| (v.per_month, v.total)) {
            None => Volume::Total(0),
            Some((Some(bytes), None)) => Volume::PerMonth(bytes.0),
            Some((None, Some(bytes))) => Volume::Total(bytes.0),
            Some(_) => {
                let origin = flow.volume.as_ref().map_or(&flow.origin, |v| &v.origin);
                out.push(
                    Diagnostic::error("SKY0115", "a volume has exactly one of `perMonth` and `total`")
                        .at(origin)
                        .hint("`perMonth` for what flows all the time, `total` for what flows once"),
                );
                continue;
            }
        };
        if let Some(other) = known.get(&(from, to)) {
            out.push(
                Diagnostic::error("SKY0201", format!("a second flow from `{}` to `{}`", flow.from, flow.to))
                    .at(&flow.origin)
                    .label(other, "the first one")
                    .hint("join them: their volumes add up"),
            );
            continue;
        }
        known.insert((from, to), flow.origin.clone());
        let latency = flow.latency.as_ref().map(|l| l.value);
        let rate = flow.rate.as_ref().map(|r| r.value.0);
        flows.push(Flow { from, to, latency, rate, volume, origin: flow.origin.clone() });
    }
    flows.sort_by_key(|f| (f.from, f.to));
    flows
}
