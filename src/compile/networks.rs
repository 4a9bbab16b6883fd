//! Networks that are written: pools that can be leased from, networks that can be, and no two with the same addresses.
//!
//! Who is leased what depends on who has what already, and is the plan's to say (`plan::networks`).

use std::collections::BTreeMap;

use super::model::Cluster;
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    network::{Cidr, Pool, Use},
    spec::{self, At, ClusterDriver, NetworkPool, Project},
};

/// Lengths of prefixes of networks that a control plane is made with.
const LENGTHS: std::ops::RangeInclusive<u8> = 12..=24;

/// What networks are leased from, where something of it is written.
pub(super) fn pools(project: &Project, out: &mut Diagnostics) -> BTreeMap<Use, (Pool, Origin)> {
    let written = [(Use::Pods, &project.networks.pods), (Use::Services, &project.networks.services)];
    written.into_iter().filter_map(|(what, pool)| Some((what, self::pool(what, pool.as_ref()?, out)))).collect()
}

fn pool(what: Use, written: &At<NetworkPool>, out: &mut Diagnostics) -> (Pool, Origin) {
    let usual = Pool::usual(what);
    let length = written.prefix.as_ref().map_or(usual.length, |p| p.value);
    if let Some(prefix) = written.prefix.as_ref().filter(|_| !LENGTHS.contains(&length)) {
        out.push(of_other_size(format!("networks of {} cannot be /{length}", what.name())).at(&prefix.origin));
    }
    let blocks = match &written.pools {
        None => usual.blocks,
        Some(blocks) => {
            if blocks.is_empty() {
                out.push(
                    Diagnostic::error("SKY0107", format!("no pool to lease networks of {} from", what.name()))
                        .at(&written.origin)
                        .hint("write at least one network, or leave `pools` out"),
                );
            }
            for block in blocks.iter().filter(|b| b.length() > length) {
                out.push(
                    Diagnostic::error("SKY0107", format!("no network of /{length} is within {block}"))
                        .at(&block.origin)
                        .hint("write a larger pool, or a longer `prefix`"),
                );
            }
            blocks.iter().map(|b| b.value).collect()
        }
    };
    (Pool { blocks, length }, written.origin.clone())
}

fn of_other_size(summary: String) -> Diagnostic {
    let (large, small) = (LENGTHS.start(), LENGTHS.end());
    Diagnostic::error("SKY0107", summary)
        .hint(format!("clusters that skyplan makes have networks from /{large} to /{small}, such as 10.244.0.0/16"))
}

/// What is written of a cluster's networks.
pub(super) fn written(spec: &spec::Cluster, out: &mut Diagnostics) -> BTreeMap<Use, (Cidr, Origin)> {
    let Some(network) = &spec.networks else { return BTreeMap::new() };
    let all = [(Use::Pods, &network.pods), (Use::Services, &network.services)];
    let all = all.into_iter().filter_map(|(what, network)| Some((what, network.as_ref()?)));
    all.map(|(what, network)| {
        if spec.driver.value == ClusterDriver::Local && !LENGTHS.contains(&network.length()) {
            out.push(of_other_size(format!("{network} cannot be a network of {}", what.name())).at(&network.origin));
        }
        (what, (network.value, network.origin.clone()))
    })
    .collect()
}

/// Tells networks that have addresses in common. Those of two clusters that skyplan only uses are as they are: that
/// is worth a warning.
pub(super) fn overlaps(clusters: &[Cluster], out: &mut Diagnostics) {
    let of = |c| move |(what, (network, origin)): (&Use, &'_ (Cidr, Origin))| (*network, c, *what, origin.clone());
    let mut all: Vec<(Cidr, &Cluster, Use, Origin)> = Vec::new();
    for cluster in clusters {
        all.extend(cluster.networks.iter().map(of(cluster)));
    }
    all.sort_by(|a, b| (a.0, &a.1.name, a.2).cmp(&(b.0, &b.1.name, b.2)));
    // Networks are within each other or apart; the larger one comes first.
    let mut outer: Option<&(Cidr, &Cluster, Use, Origin)> = None;
    for one in &all {
        let Some(other) = outer.filter(|o| o.0.overlaps(one.0)) else {
            outer = Some(one);
            continue;
        };
        let rank = |n: &(Cidr, &Cluster, Use, Origin)| (n.1.driver(), n.1.name.clone(), n.2);
        let (first, second) = if rank(other) < rank(one) { (other, one) } else { (one, other) };
        out.push(overlap(first, second));
    }
}

fn overlap(first: &(Cidr, &Cluster, Use, Origin), second: &(Cidr, &Cluster, Use, Origin)) -> Diagnostic {
    let [a, b] = [first, second].map(|(_, cluster, what, _)| (&cluster.name, what.name()));
    let summary = if a.0 == b.0 {
        format!("pods and Services of cluster `{}` have addresses in common", a.0)
    } else {
        format!("{} of cluster `{}` and {} of cluster `{}` have addresses in common", b.1, b.0, a.1, a.0)
    };
    let as_they_are = a.0 != b.0 && [first, second].iter().all(|n| n.1.driver() == ClusterDriver::Existing);
    let told =
        if as_they_are { Diagnostic::warning("SKY0243", summary) } else { Diagnostic::error("SKY0243", summary) };
    told.at(&second.3).label(&first.3, format!("{} of `{}`", a.1, a.0)).hint(if as_they_are {
        "each can be used as it is; they cannot be connected with each other"
    } else {
        "write another network; or leave it out, and one is leased that nobody has"
    })
}
