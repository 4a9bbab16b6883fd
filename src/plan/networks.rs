//! Who has which networks, and what those get that are to be made.
//!
//! A cluster keeps what it has, whatever becomes of others and of the pools. One that is new gets what is written
//! for it, else the lowest networks that nobody has: nobody that the state remembers, that an apply was about to
//! make when it was cut off, or whose networks are written. Pods and Services count alike.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    change::Note,
    desired::{Body, Desired},
};
use crate::{
    address::ResourceAddress,
    compile::{
        model::{Cluster, Model},
        networks::{ANOTHER, in_common},
    },
    diagnostic::{Diagnostic, Diagnostics, Origin},
    network::{Cidr, Networks, Pool, Taken, Use},
    observed::{ClusterObserved, Observed},
    spec::ClusterDriver,
    state::{RecordDetail, State},
};

/// Gives every cluster its networks; what cannot be is a fault, what is worth knowing a note.
pub(super) fn assign(
    model: &Model,
    state: &State,
    observed: &Observed,
    replaced: &BTreeSet<ResourceAddress>,
    wanted: &mut Desired,
    faults: &mut Diagnostics,
) -> Vec<Note> {
    let held = held(model, state, observed);
    let mut taken = Taken::default();
    let written = model.clusters.iter().flat_map(|c| c.written().known());
    held.values().flat_map(Networks::known).chain(written).for_each(|(_, network)| taken.add(network));
    let mut used_up: BTreeMap<Use, Vec<&Cluster>> = BTreeMap::new();
    let mut notes = Vec::new();
    for cluster in &model.clusters {
        let address = ResourceAddress::Cluster(cluster.name.clone());
        let Some(resource) = wanted.resources.get_mut(&address) else { continue };
        let Body::Cluster { networks, .. } = &mut resource.body else { continue };
        if cluster.driver() == ClusterDriver::Existing {
            notes.extend(cluster.networks.iter().filter_map(|(what, (network, _))| {
                let (other, of_other, theirs) = meets(cluster, *network, &held)?;
                let text = format!(
                    "{} of cluster {} and {} of cluster {other} ({theirs}) have addresses in common: they cannot be connected",
                    what.name(),
                    cluster.name,
                    of_other.name(),
                );
                Some(Note { topic: "networks".into(), text })
            }));
            continue;
        }
        let has = held.get(&cluster.name).copied().unwrap_or_default();
        let anew = replaced.contains(&address)
            || matches!(observed.clusters.get(&cluster.name), Some(ClusterObserved::Absent));
        for what in Use::ALL {
            let given = match (has.of(what), cluster.networks.get(&what)) {
                (Some(has), None) => Some(has),
                (Some(has), Some((written, _))) if has == *written => Some(has),
                (Some(has), Some((written, origin))) if !anew => {
                    faults.push(fixed(&cluster.name, what, has, *written, origin));
                    Some(has)
                }
                (_, Some((written, origin))) => {
                    if let Some(other) = meets(cluster, *written, &held) {
                        faults.push(overlaps(&cluster.name, what, other, origin));
                    }
                    Some(*written)
                }
                (None, None) => {
                    let leased = model.pool(what).free(&taken);
                    match leased {
                        Some(network) => taken.add(network),
                        None => used_up.entry(what).or_default().push(cluster),
                    }
                    leased
                }
            };
            networks.set(what, given);
        }
    }
    faults.extend(used_up.iter().map(|(what, clusters)| none_left(*what, clusters, model)).collect::<Diagnostics>());
    notes
}

/// What clusters have, or may have, by name; of those that skyplan only uses only what is written, as that is all
/// that is known of them.
fn held(model: &Model, state: &State, observed: &Observed) -> BTreeMap<String, Networks> {
    let mut all = BTreeMap::new();
    let seen = |name: &str| observed.networks.get(name).copied();
    for (address, uncertain) in &state.uncertain {
        if let ResourceAddress::Cluster(name) = address {
            all.insert(name.clone(), seen(name).unwrap_or(uncertain.networks));
        }
    }
    for (address, record) in &state.records {
        if let RecordDetail::Cluster(cluster) = &record.detail {
            let name = address.cluster();
            all.insert(name.to_owned(), seen(name).unwrap_or_else(|| cluster.networks()));
        }
    }
    for cluster in &model.clusters {
        if cluster.driver() == ClusterDriver::Existing {
            all.insert(cluster.name.clone(), cluster.written());
        } else if let Some(networks) = seen(&cluster.name) {
            all.insert(cluster.name.clone(), networks);
        }
    }
    all
}

/// Another cluster with some of these addresses.
type Other<'a> = (&'a str, Use, Cidr);

/// Which one has some of them, and stands or is used by name; that two have what is written for them is told before.
fn meets<'a>(cluster: &Cluster, network: Cidr, held: &'a BTreeMap<String, Networks>) -> Option<Other<'a>> {
    let others = held.iter().filter(|(name, _)| **name != cluster.name);
    let mut all = others.flat_map(|(name, networks)| networks.known().map(move |(what, n)| (name.as_str(), what, n)));
    all.find(|(_, _, theirs)| theirs.overlaps(network))
}

/// Another network is written for a cluster than it has.
pub(crate) fn fixed(name: &str, what: Use, has: Cidr, written: Cidr, origin: &Origin) -> Diagnostic {
    let word = what.name();
    Diagnostic::error("SKY0530", format!("the network of {word} of cluster `{name}` cannot be changed"))
        .at(origin)
        .about(format!("cluster/{name}"))
        .detail(format!("It was made with {has}; {written} is written."))
        .hint(format!("write `{}: {has}`, or leave it out: a cluster keeps what it has", what.word()))
        .hint(format!("to have it made anew, with all that is on it: `--replace cluster/{name}`"))
}

fn overlaps(name: &str, what: Use, (other, of_other, theirs): Other<'_>, origin: &Origin) -> Diagnostic {
    Diagnostic::error("SKY0243", in_common((name, what), (other, of_other)))
        .at(origin)
        .about(format!("cluster/{name}"))
        .detail(format!("Cluster `{other}` has {theirs}, and keeps it."))
        .hint(ANOTHER)
}

fn none_left(what: Use, clusters: &[&Cluster], model: &Model) -> Diagnostic {
    let pool = model.pool(what);
    let Pool { blocks, length } = &*pool;
    let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
    let first = clusters.first().map_or("", |c| c.name.as_str());
    let more = if clusters.len() > 1 { format!(" and {} more", clusters.len() - 1) } else { String::new() };
    let word = what.word();
    let told = Diagnostic::error(
        "SKY0531",
        format!("no network of /{length} is left for {} of cluster `{first}`{more}", what.name()),
    )
    .detail(format!("All of {} is leased, or written for clusters.", blocks.join(", ")))
    .hint(format!("add a pool to `networks.{word}.pools` of the Project, or write a longer `networks.{word}.prefix`"))
    .hint("what clusters have stays as it is");
    match (model.pools.get(&what), clusters.first()) {
        (Some((_, origin)), _) => told.at(origin),
        (None, Some(cluster)) => told.at(&cluster.origin),
        (None, None) => told,
    }
}
