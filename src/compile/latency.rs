//! Latency profiles → matrices between clusters.
//!
//! A pair may name a cluster, `profile/zone`, a zone, a profile, a region or a region alias; the most
//! exact pair that fits counts, then the default for the two zone types.

use super::{model::Cluster, names::dangling};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    quantity::Micros,
    spec::{At, LatencyDefault, LatencyPair, SpecSet, ZoneType},
};

/// `matrix[a][b]` by the clusters' indices. Within one zone it is 0 unless a pair says more.
pub(super) fn matrix(set: &SpecSet, clusters: &[Cluster], out: &mut Diagnostics) -> Vec<Vec<Option<Micros>>> {
    for profile in &set.latencies {
        for pair in &profile.spec.pairs {
            if pair.p95.or(pair.p99).or(pair.p50).is_none() && pair.bandwidth.is_none() {
                out.push(
                    Diagnostic::error("SKY0106", "a pair says at least one of p95, p99, p50 and bandwidth")
                        .at(&pair.origin)
                        .hint("`p95` is what bounds of flows are compared with"),
                );
            }
            for end in [&pair.a, &pair.b] {
                if !known(set, end) {
                    out.push(dangling("place", end, set.providers.iter().map(|d| d.spec.name.as_str())));
                }
            }
        }
    }
    clusters.iter().map(|a| clusters.iter().map(|b| between(set, a, b)).collect()).collect()
}

/// Bits a second by the clusters' indices; nothing where no profile speaks of any.
pub(super) fn bandwidths(set: &SpecSet, clusters: &[Cluster]) -> Vec<Vec<Option<u64>>> {
    let profiles = || set.latencies.iter().map(|d| &d.spec);
    let pairs = profiles().flat_map(|p| &p.pairs).any(|p| p.bandwidth.is_some());
    if !pairs && profiles().flat_map(|p| &p.defaults).all(|d| d.bandwidth.is_none()) {
        return Vec::new();
    }
    let one = |a: &Cluster, b: &Cluster| {
        // Of equally exact words the more careful: the least.
        nearest(set, a, b, |pair| pair.bandwidth.map(|r| r.0)).or_else(|| {
            let (x, y) = (a.site.as_ref()?, b.site.as_ref()?);
            if (&x.provider, &x.zone) == (&y.provider, &y.zone) {
                return None;
            }
            defaults(set, x.zone_type, y.zone_type).filter_map(|d| d.bandwidth.map(|r| r.0)).min()
        })
    };
    clusters.iter().map(|a| clusters.iter().map(|b| one(a, b)).collect()).collect()
}

/// Defaults for two types of zone.
fn defaults(set: &SpecSet, a: ZoneType, b: ZoneType) -> impl Iterator<Item = &At<LatencyDefault>> {
    let all = set.latencies.iter().flat_map(|d| &d.spec.defaults);
    all.filter(move |d| (d.a, d.b) == (a, b) || (d.b, d.a) == (a, b))
}

/// What the most exact pair that says it says of two clusters; of equals the least.
fn nearest<T: Ord + Copy>(
    set: &SpecSet,
    a: &Cluster,
    b: &Cluster,
    said: impl Fn(&LatencyPair) -> Option<T>,
) -> Option<T> {
    let mut best: Option<(u8, T)> = None;
    for pair in set.latencies.iter().flat_map(|d| &d.spec.pairs) {
        let Some(value) = said(pair) else { continue };
        for (x, y) in [(&pair.a, &pair.b), (&pair.b, &pair.a)] {
            if let (Some(i), Some(j)) = (rank(x, a), rank(y, b))
                && best.is_none_or(|(rank, known)| (i + j, value) < (rank, known))
            {
                best = Some((i + j, value));
            }
        }
    }
    best.map(|(_, value)| value)
}

fn between(set: &SpecSet, a: &Cluster, b: &Cluster) -> Option<Micros> {
    if let Some(latency) = nearest(set, a, b, |pair| pair.p95.or(pair.p99).or(pair.p50)) {
        return Some(latency);
    }
    if a.name == b.name {
        return Some(Micros(0));
    }
    let (x, y) = (a.site.as_ref()?, b.site.as_ref()?);
    if (&x.provider, &x.zone) == (&y.provider, &y.zone) {
        return Some(Micros(0));
    }
    defaults(set, x.zone_type, y.zone_type).map(|d| d.p95).min()
}

/// How exactly a reference names where a cluster is, 0 best; `None` when it names another place.
fn rank(reference: &str, cluster: &Cluster) -> Option<u8> {
    if reference == cluster.name {
        return Some(0);
    }
    let site = cluster.site.as_ref()?;
    if reference.split_once('/') == Some((&site.provider, &site.zone)) || reference == site.zone {
        return Some(1);
    }
    if reference == site.provider {
        return Some(2);
    }
    if reference == site.region {
        return Some(3);
    }
    (Some(reference) == site.region_alias.as_deref()).then_some(4)
}

/// Whether any cluster, provider, zone or region has the name, used or not.
fn known(set: &SpecSet, reference: &At<String>) -> bool {
    let name = reference.as_str();
    set.clusters.iter().any(|c| c.spec.name.value == name)
        || set.providers.iter().map(|d| &d.spec).any(|p| {
            let is = |text: &Option<At<String>>| text.as_ref().is_some_and(|t| t.value == name);
            p.name.value == name
                || is(&p.region)
                || is(&p.region_alias)
                || p.zones
                    .iter()
                    .any(|z| z.name.value == name || name.split_once('/') == Some((&p.name.value, &z.name.value)))
        })
}
