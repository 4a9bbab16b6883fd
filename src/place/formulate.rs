//! [`Model`] and what is free → [`Problem`]: where selectors, offerings and prices become indices and
//! integers. Knows both worlds, and nothing of how a problem is solved.

use std::collections::{BTreeMap, BTreeSet};

use super::welcome::{at_least, free_refuses, kept_away, node_refuses, pool_refuses, serves};
use super::{
    problem::{
        Candidate, Component, Demand, Exclusion, Fit, Flow, Group, Meter, Offer, Place, PodGroup, Problem, Quota,
        Requirement, Resources, Route, Spread, Tier,
    },
    strategy::{self, Division},
};
use crate::{
    compile::{
        egress_between,
        model::{self, Access, Cluster, Model, PlaceFilter, PodNeed, Pool, Volume},
    },
    money::{HOURS_PER_MONTH, MicroUsd},
    observed::FreeNode,
    quantity::Micros,
};

/// What is known of the present when a problem is posed.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// Free nodes of existing clusters that answered.
    pub free: BTreeMap<String, Vec<FreeNode>>,
    /// Existing clusters that nobody could look at, and why: they keep what they have and take nothing new.
    pub unreached: BTreeMap<String, String>,
    /// Component → clusters it was placed on by the last apply.
    pub incumbents: BTreeMap<String, Vec<String>>,
    /// Clusters of our own that stand: they are paid for until they are removed.
    pub standing: BTreeSet<String>,
    /// Components that stay where they are.
    pub pinned: BTreeSet<String>,
    /// Component → cluster → replicas, of those that a strategy divided in the last apply.
    pub portions: BTreeMap<String, BTreeMap<String, u32>>,
    /// How strategies divide replicas now.
    pub divisions: BTreeMap<String, Division>,
}

/// Poses the problem of a model over a horizon.
pub fn formulate(model: &Model, present: &Present, horizon: Micros) -> Problem {
    let seconds = horizon.seconds();
    let (meters, routes) = routes(model, seconds);
    let mut problem = Problem {
        places: model.clusters.iter().map(|c| place(model, c, present, seconds)).collect(),
        components: model.components.iter().map(|c| component(model, c, present, seconds)).collect(),
        flows: model.flows.iter().map(|f| flow(f, seconds)).collect(),
        routes,
        meters,
        strict_latency: model.settings.strict_latency,
        move_cost: model.settings.move_cost,
        spreads: model.components.iter().flat_map(|c| &c.spread).map(spread).collect(),
        fit: Fit::Scheduler,
    };
    strategy::fix(model, &present.divisions, &mut problem);
    problem
}

fn place(model: &Model, cluster: &Cluster, present: &Present, seconds: u64) -> Place {
    let headroom = model.settings.headroom;
    let per_node = daemons(model, cluster);
    let usable = |size: Resources| Resources {
        milli_cpu: headroom.taken_from(size.milli_cpu).saturating_sub(per_node.milli_cpu),
        memory: headroom.taken_from(size.memory).saturating_sub(per_node.memory),
        gpus: size.gpus.saturating_sub(per_node.gpus),
        pods: size.pods.saturating_sub(per_node.pods),
    };
    let free = match &cluster.access {
        Access::Existing { .. } => {
            present.free.get(&cluster.name).into_iter().flatten().map(|n| usable(n.resources())).collect()
        }
        Access::Local { nodes: (count, size) } => vec![usable(*size); *count as usize],
    };
    let existing = matches!(cluster.access, Access::Existing { .. });
    Place {
        name: cluster.name.clone(),
        origin: cluster.origin.clone(),
        // Whoever runs an existing cluster pays for it.
        fee: if existing { MicroUsd::ZERO } else { cluster.fee.per_hour_over(seconds) },
        kept: !existing && cluster.always(),
        offers: cluster
            .pools
            .iter()
            .map(|p| Offer {
                name: p.name.clone(),
                offering: p.offering.clone(),
                price: p.price.per_hour_over(seconds),
                gross: p.size,
                usable: usable(p.size),
                min: p.min,
                max: p.max,
            })
            .collect(),
        free,
        quota: cluster.quota.as_ref().map(|(limit, origin)| Quota { origin: origin.clone(), limit: *limit }),
    }
}

/// What DaemonSets that may come to a cluster take of every node.
fn daemons(model: &Model, cluster: &Cluster) -> Resources {
    let index = model.clusters.iter().position(|c| c.name == cluster.name);
    let here = model.components.iter().filter(|c| index.is_none_or(|i| permitted(c, i)));
    let mut sum = Resources::default();
    for size in here.flat_map(|c| &c.per_node) {
        sum = crate::compile::pods::sum(sum, Resources { pods: 1, ..*size });
    }
    sum
}

fn permitted(component: &model::Component, cluster: usize) -> bool {
    let tagged = component.attributes.iter().all(|tag| tag.clusters.contains(&cluster));
    tagged && (component.permitted.is_empty() || component.permitted.iter().any(|f| f.clusters.contains(&cluster)))
}

/// One component, with its candidates at all places.
pub(super) fn component(model: &Model, component: &model::Component, present: &Present, seconds: u64) -> Component {
    let incumbents = present.incumbents.get(&component.name);
    let index_of = |name: &String| model.clusters.iter().position(|c| c.name == *name);
    let mut incumbent: Vec<usize> = incumbents.into_iter().flatten().filter_map(index_of).collect();
    incumbent.sort_unstable();
    Component {
        name: component.name.clone(),
        origin: component.origin.clone(),
        candidates: model
            .clusters
            .iter()
            .enumerate()
            .map(|(i, cluster)| candidate(component, i, cluster, present, incumbent.contains(&i)))
            .collect(),
        groups: component
            .required
            .iter()
            .map(|group| {
                let places: BTreeSet<usize> = group.any_of.iter().flat_map(|f| f.clusters.iter().copied()).collect();
                Group {
                    places: places.into_iter().collect(),
                    text: any_words(&group.any_of),
                    origin: group.origin.clone(),
                }
            })
            .collect(),
        min: component.instances.0,
        max: component.instances.1,
        pinned: present.pinned.contains(&component.name) && !incumbent.is_empty(),
        dislike: dislike(component, model.clusters.len(), seconds),
        portions: Vec::new(),
        incumbent,
    }
}

/// By place: the weights of the preferences that it does not meet, over the horizon.
fn dislike(component: &model::Component, places: usize, seconds: u64) -> Vec<MicroUsd> {
    if component.preferred.is_empty() {
        return Vec::new();
    }
    let weight = |w: MicroUsd| {
        let part = of_month(u64::try_from(w.0).unwrap_or(0), seconds);
        MicroUsd(i64::try_from(part).unwrap_or(i64::MAX))
    };
    let against = |l: usize| component.preferred.iter().filter(move |p| !p.places.clusters.contains(&l));
    (0..places).map(|l| against(l).map(|p| weight(p.weight)).sum()).collect()
}

fn spread(spread: &model::Spread) -> Spread {
    Spread {
        components: spread.components.clone(),
        domains: spread.domains.clone(),
        most: spread.most,
        text: spread.text.clone(),
        origin: spread.origin.clone(),
    }
}

fn any_words(filters: &[PlaceFilter]) -> String {
    let words: Vec<&str> = filters.iter().map(|f| f.text.as_str()).collect();
    words.join(" or ")
}

fn candidate(
    component: &model::Component,
    index: usize,
    cluster: &Cluster,
    present: &Present,
    incumbent: bool,
) -> Candidate {
    let excluded = |reason: String, origin| Candidate::Excluded(Exclusion { reason, origin });
    let listed = component.permitted.is_empty() || component.permitted.iter().any(|f| f.clusters.contains(&index));
    if !listed {
        let origin = component.permitted.first().map(|f| f.origin.clone());
        return excluded(format!("not permitted (permitted: {})", any_words(&component.permitted)), origin);
    }
    if let Some(tag) = component.attributes.iter().find(|tag| !tag.clusters.contains(&index)) {
        return excluded(format!("does not carry the tag `{}`", tag.text), Some(tag.origin.clone()));
    }
    if let Some((taint, origin)) = kept_away(cluster, component) {
        return excluded(format!("the cluster's taint `{}` is not tolerated", taint.words()), Some(origin.clone()));
    }
    if let Some(why) = present.unreached.get(&cluster.name) {
        return if incumbent {
            // It runs there as far as anybody knows; its needs cannot be checked now.
            Candidate::Allowed(Demand::Shared(Vec::new()))
        } else {
            excluded(format!("{why}; it takes nothing new"), Some(cluster.origin.clone()))
        };
    }
    if component.dedicated {
        return dedicated(component, cluster);
    }
    let free: Vec<Resources> = match &cluster.access {
        Access::Local { nodes: (count @ 1.., size) } => vec![*size; *count as usize],
        _ => present.free.get(&cluster.name).into_iter().flatten().map(FreeNode::resources).collect(),
    };
    for compute in &component.compute {
        let offered = cluster.pools.iter().any(|p| compute.any_of.iter().any(|k| serves(p, k)));
        let there = free.iter().any(|n| compute.any_of.iter().any(|k| k.pattern.is_none() && at_least(n, &k.size)));
        if !offered && !there {
            return excluded("no node here is what `compute` asks for".into(), Some(compute.origin.clone()));
        }
    }
    let mut groups = Vec::new();
    for need in &component.pods {
        let asked = |p: &Pool| {
            component.compute.is_empty() || component.compute.iter().flat_map(|c| &c.any_of).any(|k| serves(p, k))
        };
        let only: Vec<usize> = (0..cluster.pools.len())
            .filter(|i| asked(&cluster.pools[*i]) && pool_refuses(&cluster.pools[*i], need, component).is_none())
            .collect();
        if only.is_empty() && !cluster.pools.is_empty() {
            let first = &cluster.pools[0];
            let why = cluster.pools.iter().find_map(|p| pool_refuses(p, need, component));
            let why = why.unwrap_or_else(|| "`compute` asks for others".into());
            return excluded(format!("no node pool here takes its pods: {why}"), Some(first.origin.clone()));
        }
        let all = only.len() == cluster.pools.len();
        let free = spare(cluster, need, component, present);
        if let Some(Err(why)) = &free {
            return excluded(format!("no node here takes its pods: {why}"), Some(cluster.origin.clone()));
        }
        groups.push(PodGroup {
            size: need.size,
            count: need.count,
            only: if all { None } else { Some(only) },
            free: free.and_then(Result::ok),
        });
    }
    Candidate::Allowed(Demand::Shared(groups))
}

/// The free nodes of a cluster that take a pod, or why none does; `None` where they all do, or there are none.
fn spare(
    cluster: &Cluster,
    need: &PodNeed,
    component: &model::Component,
    present: &Present,
) -> Option<Result<Vec<usize>, String>> {
    let refusals: Vec<Option<String>> = match &cluster.access {
        Access::Local { nodes: (count @ 1.., _) } => {
            vec![node_refuses(&BTreeMap::new(), "default", need); *count as usize]
        }
        Access::Local { .. } => Vec::new(),
        Access::Existing { .. } => {
            let nodes = present.free.get(&cluster.name).into_iter().flatten();
            nodes.map(|n| free_refuses(n, need, component)).collect()
        }
    };
    let all = refusals.iter().all(Option::is_none);
    let takes: Vec<usize> = (0..refusals.len()).filter(|k| refusals[*k].is_none()).collect();
    match refusals.into_iter().flatten().next() {
        _ if all => None,
        Some(why) if takes.is_empty() => Some(Err(why)),
        _ => Some(Ok(takes)),
    }
}

fn dedicated(component: &model::Component, cluster: &Cluster) -> Candidate {
    let mut requirements = Vec::new();
    for compute in &component.compute {
        let mut anyof: Vec<(usize, u32)> = Vec::new();
        for kind in &compute.any_of {
            let takes = |p: &Pool| component.pods.iter().all(|need| pool_refuses(p, need, component).is_none());
            let fits = cluster.pools.iter().enumerate().filter(|(_, p)| serves(p, kind) && takes(p));
            anyof.extend(fits.map(|(i, _)| (i, kind.count)));
        }
        anyof.sort_by_key(|(i, count)| (cluster.pools[*i].price.times(u64::from(*count)), *i, *count));
        anyof.dedup();
        if anyof.is_empty() {
            let reason = "no offering here is what `compute` asks for".to_owned();
            return Candidate::Excluded(Exclusion { reason, origin: Some(compute.origin.clone()) });
        }
        requirements.push(Requirement { origin: compute.origin.clone(), anyof });
    }
    Candidate::Allowed(Demand::Dedicated(requirements))
}

/// A part of a month, in proportion: monthly volumes and tier bounds scale with the horizon.
fn of_month(amount: u64, seconds: u64) -> u64 {
    let scaled = u128::from(amount) * u128::from(seconds) / u128::from(HOURS_PER_MONTH * 3600);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn flow(flow: &model::Flow, seconds: u64) -> Flow {
    Flow {
        from: flow.from,
        to: flow.to,
        bytes: match flow.volume {
            Volume::PerMonth(bytes) => of_month(bytes, seconds),
            Volume::Total(bytes) => bytes,
        },
        latency: flow.latency,
        rate: flow.rate,
        origin: flow.origin.clone(),
    }
}

/// A price list that several clusters may share: platform, how far, tiers.
type MeterKey = (crate::spec::Platform, crate::spec::EgressTo, Vec<(Option<u64>, MicroUsd)>);

/// Meters and routes. Volume is summed per platform and price list, as platforms bill an account:
/// profiles of one platform with the same list share a meter.
fn routes(model: &Model, seconds: u64) -> (Vec<Meter>, Vec<Vec<Route>>) {
    let mut meters: Vec<Meter> = Vec::new();
    let mut known: BTreeMap<MeterKey, usize> = BTreeMap::new();
    let mut meter = |a: &Cluster, b: &Cluster| -> Option<usize> {
        let (a, b) = (a.site.as_ref()?, b.site.as_ref()?);
        let to = egress_between(a, b)?;
        let list = a.egress.get(&to)?;
        let index = *known.entry((a.platform, to, list.clone())).or_insert_with(|| {
            let tiers = list
                .iter()
                .map(|(up_to, price)| Tier { up_to: up_to.map(|bytes| of_month(bytes, seconds)), per_gb: *price });
            meters.push(Meter { name: format!("{} to {}", a.platform.word(), to.word()), tiers: tiers.collect() });
            meters.len() - 1
        });
        Some(index)
    };
    let routes = model
        .clusters
        .iter()
        .enumerate()
        .map(|(i, a)| {
            model
                .clusters
                .iter()
                .enumerate()
                .map(|(j, b)| Route {
                    latency: model.latency[i][j],
                    bandwidth: model.bandwidth.get(i).and_then(|row| row[j]),
                    meter: if i == j { None } else { meter(a, b) },
                })
                .collect()
        })
        .collect();
    (meters, routes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_730_hours() {
        assert_eq!(of_month(730, 3600), 1);
        assert_eq!(of_month(100, 730 * 3600), 100);
        assert_eq!(of_month(u64::MAX, 730 * 3600), u64::MAX);
    }
}
