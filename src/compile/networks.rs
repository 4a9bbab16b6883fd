//! Networks that are written: pools that can be leased from, networks that can be, and no two with the same addresses.
//!
//! Who is leased what depends on who has what already, and is the plan's to say (`plan::networks`).

use std::collections::BTreeMap;

use super::model::Cluster;
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    network::{Cidr, MADE, Pool, Use},
    spec::{self, At, ClusterDriver, NetworkPool, Project},
};

/// What networks are leased from, where something of it is written.
pub(super) fn pools(project: &Project, out: &mut Diagnostics) -> BTreeMap<Use, (Pool, Origin)> {
    let written = [(Use::Pods, &project.networks.pods), (Use::Services, &project.networks.services)];
    written.into_iter().filter_map(|(what, pool)| Some((what, self::pool(what, pool.as_ref()?, out)))).collect()
}

fn pool(what: Use, written: &At<NetworkPool>, out: &mut Diagnostics) -> (Pool, Origin) {
    let usual = Pool::usual(what);
    let length = written.prefix.as_ref().map_or(usual.length, |p| p.value);
    if let Some(prefix) = written.prefix.as_ref().filter(|_| !MADE.contains(&length)) {
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
    let (large, small) = (MADE.start(), MADE.end());
    Diagnostic::error("SKY0107", summary)
        .hint(format!("clusters that skyplan makes have networks from /{large} to /{small}, such as 10.244.0.0/16"))
}

/// What is written of a cluster's networks.
pub(super) fn written(spec: &spec::Cluster, out: &mut Diagnostics) -> BTreeMap<Use, (Cidr, Origin)> {
    let Some(network) = &spec.networks else { return BTreeMap::new() };
    let all = [(Use::Pods, &network.pods), (Use::Services, &network.services)];
    let all = all.into_iter().filter_map(|(what, network)| Some((what, network.as_ref()?)));
    all.map(|(what, network)| {
        if spec.driver.value == ClusterDriver::Local && !MADE.contains(&network.length()) {
            out.push(of_other_size(format!("{network} cannot be a network of {}", what.name())).at(&network.origin));
        }
        (what, (network.value, network.origin.clone()))
    })
    .collect()
}

/// A network that is written for a cluster, and where.
struct Written<'a> {
    network: Cidr,
    cluster: &'a Cluster,
    what: Use,
    origin: &'a Origin,
}

impl Written<'_> {
    fn is_of_existing(&self) -> bool {
        self.cluster.driver() == ClusterDriver::Existing
    }
}

/// Tells networks that have addresses in common. Those of two clusters that skyplan only uses are as they are: that
/// is worth a warning.
pub(super) fn overlaps(clusters: &[Cluster], out: &mut Diagnostics) {
    let mut all: Vec<Written<'_>> = Vec::new();
    for cluster in clusters {
        let networks = cluster.networks.iter();
        all.extend(networks.map(|(what, (network, origin))| Written {
            network: *network,
            cluster,
            what: *what,
            origin,
        }));
    }
    all.sort_by_key(|w| (w.network, &w.cluster.name, w.what));
    // Networks are within each other or apart; the larger one comes first.
    let mut outer: Option<&Written<'_>> = None;
    for one in &all {
        let Some(other) = outer.filter(|o| o.network.overlaps(one.network)) else {
            outer = Some(one);
            continue;
        };
        let rank = |w: &Written<'_>| (w.cluster.driver(), w.cluster.name.clone(), w.what);
        let (first, second) = if rank(other) < rank(one) { (other, one) } else { (one, other) };
        out.push(overlap(first, second));
    }
}

fn overlap(first: &Written<'_>, second: &Written<'_>) -> Diagnostic {
    let (theirs, ours) = (&first.cluster.name, &second.cluster.name);
    let as_they_are = theirs != ours && first.is_of_existing() && second.is_of_existing();
    let summary = if theirs == ours {
        format!("pods and Services of cluster `{ours}` have addresses in common")
    } else {
        in_common((ours, second.what), (theirs, first.what))
    };
    let told = if as_they_are {
        Diagnostic::warning("SKY0243", summary)
            .hint("each can be used as it is; they cannot be connected with each other")
    } else {
        Diagnostic::error("SKY0243", summary).hint(ANOTHER)
    };
    told.at(second.origin).label(first.origin, format!("{} of `{theirs}`", first.what.name()))
}

/// What to do about a network that another cluster has some of.
pub(crate) const ANOTHER: &str = "write another network; or leave it out, and one is leased that nobody has";

/// That networks of two clusters meet.
pub(crate) fn in_common((one, of_one): (&str, Use), (other, of_other): (&str, Use)) -> String {
    let (of_one, of_other) = (of_one.name(), of_other.name());
    format!("{of_one} of cluster `{one}` and {of_other} of cluster `{other}` have addresses in common")
}
