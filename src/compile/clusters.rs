//! Clusters joined with their providers: site, node pools with prices, fee, quota, egress prices.

use std::collections::BTreeMap;

use super::{
    model::{Access, Cluster, Pool, Site},
    names::{dangling, unique},
    networks,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    money::MicroUsd,
    quantity::{Bytes, MilliCpu, Resources},
    spec::{self, At, ClusterDriver, Document, EgressTo, ProviderProfile, SpecSet, Taint, TaintEffect, Zone},
};

/// More nodes than this nobody means, and Kubernetes does not run (5,000 is its limit).
const MOST_NODES: u32 = 5_000;
/// Dearer than this an hour is a slip of the keyboard.
const MOST_PRICE: MicroUsd = MicroUsd(1_000_000_000_000);

/// Label and taint of nodes that may be taken away at any time.
pub(crate) const SPOT: &str = "skyplan.io/spot";

/// The kubelet's default limit of pods on a node.
pub(super) const PODS_PER_NODE: u64 = 110;

/// All clusters, sorted by name.
pub(super) fn compile(set: &SpecSet, out: &mut Diagnostics) -> Vec<Cluster> {
    for profile in &set.providers {
        check_profile(&profile.spec, out);
    }
    let mut clusters: Vec<Cluster> = set.clusters.iter().filter_map(|d| cluster(d, set, out)).collect();
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    clusters
}

fn check_profile(profile: &ProviderProfile, out: &mut Diagnostics) {
    unique("offering", profile.offerings.iter().map(|o| &o.name), out);
    unique("zone", profile.zones.iter().map(|z| &z.name), out);
    for offering in &profile.offerings {
        not_negative(&offering.price, out);
        if let Some(spot) = &offering.spot_price {
            not_negative(spot, out);
        }
        for zone in offering.zones.iter().flatten() {
            if !profile.zones.iter().any(|z| z.name.value == zone.value) {
                out.push(dangling("zone", zone, profile.zones.iter().map(|z| z.name.as_str())));
            }
        }
    }
    if let Some(price) = &profile.control_plane.price {
        not_negative(price, out);
    }
    for list in &profile.egress {
        let mut from = 0;
        for (i, tier) in list.tiers.iter().enumerate() {
            not_negative(&tier.price_per_gb, out);
            if let Some(begin) = tier.from_gb.as_ref().filter(|b| b.value != from) {
                out.push(
                    Diagnostic::error(
                        "SKY0205",
                        format!("this tier begins at {begin} GB, the one before ends at {from} GB"),
                    )
                    .at(&begin.origin)
                    .hint("tiers follow each other without gaps; the first begins at 0"),
                );
            }
            let last = i + 1 == list.tiers.len();
            match &tier.to_gb {
                Some(end) if end.value <= from => out.push(
                    Diagnostic::error("SKY0205", format!("this tier ends at {end} GB, where it begins or before"))
                        .at(&end.origin)
                        .hint("write the sum of gigabytes where the next tier begins"),
                ),
                None if !last => out.push(
                    Diagnostic::error("SKY0205", "only the last tier has no end")
                        .at(&tier.origin)
                        .hint("give it a `toGb`"),
                ),
                _ => {}
            }
            from = tier.to_gb.as_ref().map_or(u64::MAX, |e| e.value);
        }
        if list.tiers.is_empty() {
            out.push(
                Diagnostic::error("SKY0205", "a price list has at least one tier")
                    .at(&list.origin)
                    .hint("one price for all: `tiers: [{pricePerGb: 0.09}]`"),
            );
        }
    }
}

fn not_negative(price: &At<MicroUsd>, out: &mut Diagnostics) {
    if price.0 < 0 || price.value > MOST_PRICE {
        out.push(
            Diagnostic::error("SKY0117", "a price is from 0 to 1000000")
                .at(&price.origin)
                .hint("prices are in dollars, of a node and a control plane by the hour"),
        );
    }
}

fn cluster(document: &Document<spec::Cluster>, set: &SpecSet, out: &mut Diagnostics) -> Option<Cluster> {
    let spec = &document.spec;
    let mut provider = None;
    if let Some(reference) = &spec.provider_ref {
        provider = set.providers.iter().map(|d| &d.spec).find(|p| p.name.value == reference.value);
        if provider.is_none() {
            out.push(dangling("ProviderProfile", reference, set.providers.iter().map(|d| d.spec.name.as_str())));
        }
    }
    let site = match (provider, &spec.zone) {
        (Some(provider), _) => Some(site(provider, spec, out)?),
        (None, Some(zone)) if spec.provider_ref.is_none() => {
            out.push(
                Diagnostic::error("SKY0206", "a zone without a provider")
                    .at(&zone.origin)
                    .hint("name the ProviderProfile that has the zone with `providerRef`"),
            );
            None
        }
        _ => None,
    };
    let zone = site.as_ref().map(|s| s.zone.clone());
    let pools = pools(spec, provider, zone.as_deref(), out);
    Some(Cluster {
        name: spec.name.value.clone(),
        origin: spec.name.origin.clone(),
        access: access(spec, out),
        fee: provider.and_then(|p| p.control_plane.price.as_ref()).map_or(MicroUsd::ZERO, |p| p.value),
        quota: provider.and_then(|p| p.quota.as_ref()).map(|q| {
            let limit = Resources {
                milli_cpu: q.vcpus.map_or(u64::MAX, |MilliCpu(n)| n),
                memory: q.memory.map_or(u64::MAX, |Bytes(n)| n),
                gpus: q.gpus.unwrap_or(u64::MAX),
                pods: q.nodes.unwrap_or(u64::MAX),
            };
            (limit, q.origin.clone())
        }),
        site,
        pools,
        labels: spec.labels.clone(),
        taints: spec.taints.iter().map(|t| (t.value.clone(), t.origin.clone())).collect(),
        deletion_policy: spec.deletion_policy.unwrap_or_default(),
        networks: networks::written(spec, out),
    })
}

fn access(spec: &spec::Cluster, out: &mut Diagnostics) -> Access {
    let mut stray = |block: Option<&Origin>, name: &str| {
        if let Some(origin) = block {
            out.push(
                Diagnostic::error("SKY0206", format!("`{name}` goes with `driver: {name}`"))
                    .at(origin)
                    .label(&spec.driver.origin, "the driver")
                    .hint("take one of the two out"),
            );
        }
    };
    match spec.driver.value {
        ClusterDriver::Existing => {
            stray(spec.local.as_ref().map(|b| &b.origin), "local");
            if let Some(pool) = spec.node_pools.first() {
                out.push(
                    Diagnostic::error("SKY0206", "nodes of an existing cluster cannot be bought")
                        .at(&pool.origin)
                        .hint("its free capacity is read from the cluster; leave `nodePools` out"),
                );
            }
            let block = spec.existing.as_ref();
            let kubeconfig = block.and_then(|b| b.kubeconfig.as_ref()).map(|path| {
                let folder = path.origin.file.rfind('/').map_or("", |slash| &path.origin.file[..=slash]);
                if path.starts_with('/') { path.value.clone() } else { format!("{folder}{path}") }
            });
            Access::Existing { kubeconfig, context: block.and_then(|b| b.context.as_ref()).map(|c| c.value.clone()) }
        }
        ClusterDriver::Local => {
            stray(spec.existing.as_ref().map(|b| &b.origin), "existing");
            let block = spec.local.as_ref().map(|b| b.value.clone()).unwrap_or_default();
            let size = Resources {
                milli_cpu: block.cpu.map_or(8_000, |c| c.0),
                memory: block.memory.map_or(32 << 30, |m| m.0),
                gpus: 0,
                pods: PODS_PER_NODE,
            };
            let nodes = if spec.node_pools.is_empty() { block.nodes.unwrap_or(1) } else { 0 };
            if nodes > MOST_NODES {
                let origin = spec.local.as_ref().map_or(&spec.name.origin, |b| &b.origin);
                out.push(
                    Diagnostic::error("SKY0107", format!("a cluster has at most {MOST_NODES} nodes, not {nodes}"))
                        .at(origin)
                        .hint("make several clusters"),
                );
            }
            let nodes = nodes.min(MOST_NODES);
            Access::Local { nodes: (nodes, size) }
        }
    }
}

fn site(provider: &ProviderProfile, spec: &spec::Cluster, out: &mut Diagnostics) -> Option<Site> {
    let zone: Option<&Zone> = match &spec.zone {
        Some(wanted) => match provider.zones.iter().find(|z| z.name.value == wanted.value) {
            Some(zone) if zone.enabled => Some(zone),
            Some(zone) => {
                out.push(
                    Diagnostic::error("SKY0206", format!("zone `{wanted}` is not enabled"))
                        .at(&wanted.origin)
                        .label(&zone.name.origin, "switched off here")
                        .hint("choose another zone, or take `enabled: false` out"),
                );
                return None;
            }
            None => {
                out.push(dangling("zone", wanted, provider.zones.iter().map(|z| z.name.as_str())));
                return None;
            }
        },
        None => {
            provider.zones.iter().find(|z| z.default && z.enabled).or_else(|| provider.zones.iter().find(|z| z.enabled))
        }
    };
    let mut egress = BTreeMap::new();
    for list in &provider.egress {
        let tiers = list
            .tiers
            .iter()
            .map(|t| (t.to_gb.as_ref().map(|gb| gb.saturating_mul(1_000_000_000)), t.price_per_gb.value))
            .collect();
        if egress.insert(list.to, tiers).is_some() {
            out.push(
                Diagnostic::error("SKY0201", format!("a second price list to {}", list.to.word()))
                    .at(&list.origin)
                    .hint("join their tiers in one list"),
            );
        }
    }
    Some(Site {
        provider: provider.name.value.clone(),
        platform: provider.platform.value,
        region: provider.region.as_ref().unwrap_or(&provider.name).value.clone(),
        region_alias: provider.region_alias.as_ref().map(|a| a.value.clone()),
        continent: provider.continent.as_ref().map(|c| c.value.clone()),
        zone: zone.map_or_else(|| "default".to_owned(), |z| z.name.value.clone()),
        zone_type: zone.map(|z| z.kind).unwrap_or_default(),
        attributes: provider.attributes.clone(),
        egress,
    })
}

fn pools(
    spec: &spec::Cluster,
    provider: Option<&ProviderProfile>,
    zone: Option<&str>,
    out: &mut Diagnostics,
) -> Vec<Pool> {
    let mut pools: Vec<Pool> = Vec::new();
    for pool in &spec.node_pools {
        let Some(provider) = provider else {
            if spec.provider_ref.is_none() {
                out.push(
                    Diagnostic::error("SKY0206", "a node pool needs a provider that offers its nodes")
                        .at(&pool.origin)
                        .hint("name a ProviderProfile with `providerRef`, or leave `nodePools` out for one free simulated node"),
                );
            }
            continue;
        };
        let Some(offering) = provider.offerings.iter().find(|o| o.name.value == pool.offering.value) else {
            out.push(dangling("offering", &pool.offering, provider.offerings.iter().map(|o| o.name.as_str())));
            continue;
        };
        if let (Some(zones), Some(zone)) = (&offering.zones, zone)
            && !zones.iter().any(|z| z.value == zone)
        {
            out.push(
                Diagnostic::error("SKY0206", format!("zone `{zone}` does not offer `{}`", offering.name.value))
                    .at(&pool.offering.origin)
                    .label(&offering.name.origin, "offered in other zones")
                    .hint("choose another offering, or add the zone to its `zones`"),
            );
        }
        if pool.min > MOST_NODES {
            out.push(
                Diagnostic::error("SKY0107", format!("a pool has at most {MOST_NODES} nodes, not {}", pool.min))
                    .at(&pool.origin)
                    .hint("make several clusters"),
            );
        }
        let max = match (pool.max, offering.available) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if max.is_some_and(|max| max < pool.min) {
            out.push(
                Diagnostic::error(
                    "SKY0107",
                    format!("the pool's minimum is {}, its maximum {}", pool.min, max.unwrap_or(0)),
                )
                .at(&pool.origin)
                .hint("`max` is bounded by the offering's `available`"),
            );
        }
        let (mut labels, mut taints) = (pool.labels.clone(), pool.taints.clone());
        let mut price = offering.price.value;
        if pool.spot {
            let (key, value) = (SPOT.to_owned(), "true".to_owned());
            taints.push(Taint { key: key.clone(), value: value.clone(), effect: TaintEffect::NoSchedule });
            labels.insert(key, value);
            match &offering.spot_price {
                Some(spot) => price = spot.value,
                None => out.push(
                    Diagnostic::error("SKY0241", format!("`{}` has no spot price", offering.name.value))
                        .at(&pool.offering.origin)
                        .label(&offering.name.origin, "the offering")
                        .hint("write its `spotPrice`, or take `spot: true` out of the pool"),
                ),
            }
        }
        let name = pool.name.as_ref().map_or_else(|| dns_name(&offering.name), |n| n.value.clone());
        if let Some(other) = pools.iter().find(|p| p.name == name) {
            out.push(
                Diagnostic::error("SKY0201", format!("a second node pool called `{name}`"))
                    .at(&pool.origin)
                    .label(&other.origin, "the first one")
                    .hint("give one of them a `name`"),
            );
            continue;
        }
        pools.push(Pool {
            name,
            offering: offering.name.value.clone(),
            origin: pool.origin.clone(),
            size: Resources {
                milli_cpu: offering.vcpus.0,
                memory: offering.memory.0,
                gpus: offering.gpu.as_ref().map_or(0, |g| g.count),
                pods: PODS_PER_NODE,
            },
            gpu: offering.gpu.as_ref().map(|g| (g.model.clone(), g.memory.map(|m| m.0))),
            price,
            spot: pool.spot,
            min: pool.min,
            max,
            labels,
            taints,
        });
    }
    pools.sort_by(|a, b| a.name.cmp(&b.name));
    pools
}

/// An offering's name as part of a node's name: `m7i.large` → `m7i-large`.
fn dns_name(text: &str) -> String {
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    name.trim_matches('-').to_owned()
}

/// The price list for data that goes from one site to another; `None` = free.
pub(crate) fn egress_between(a: &Site, b: &Site) -> Option<EgressTo> {
    if a.platform != b.platform {
        Some(EgressTo::Internet)
    } else if a.region != b.region {
        Some(EgressTo::InterRegion)
    } else if a.zone != b.zone {
        Some(EgressTo::InterZone)
    } else {
        None
    }
}
