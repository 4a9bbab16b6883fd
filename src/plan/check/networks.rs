//! That no cluster which is made gets addresses that another one has.

use std::collections::BTreeMap;

use super::Checker;
use crate::{
    address::ResourceAddress,
    network::Networks,
    plan::change::{Action, ActionReason, Change, Target},
    spec::ClusterDriver,
    state::RecordDetail,
};

impl Checker<'_> {
    pub(super) fn networks(&mut self) {
        let mut all: BTreeMap<&str, Networks> = BTreeMap::new();
        for (address, record) in self.state.iter().flat_map(|s| &s.records) {
            if let RecordDetail::Cluster(cluster) = &record.detail {
                all.insert(address.cluster(), cluster.networks());
            }
        }
        let made: Vec<(&Change, Networks)> = self.plan.changes.iter().filter_map(|c| Some((c, given(c)?))).collect();
        all.extend(made.iter().map(|(change, networks)| (change.address.cluster(), *networks)));
        for (change, networks) in made {
            let name = change.address.cluster();
            let local = self.plan.clusters.get(name).is_some_and(|c| c.driver == ClusterDriver::Local);
            // What is there already has what it has.
            if !local || change.action != Action::Create || change.reason != ActionReason::New {
                continue;
            }
            for (what, network) in networks.known() {
                let meets = |other: &str, theirs: &Networks| {
                    theirs.known().any(|(of, n)| n.overlaps(network) && !(other == name && of == what))
                };
                if let Some((other, _)) = all.iter().find(|(other, theirs)| meets(other, theirs)) {
                    let text = format!("it would get {network} for {}, of which cluster {other} has some", what.name());
                    self.error("networks", &change.address, text);
                }
            }
        }
    }
}

/// Networks of a cluster that stands afterwards.
fn given(change: &Change) -> Option<Networks> {
    match (&change.address, &change.after) {
        (ResourceAddress::Cluster(_), Some(Target::Cluster { networks, .. })) => Some(*networks),
        _ => None,
    }
}
