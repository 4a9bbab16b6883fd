//! Numbers: where things are placed, whether they fit, what it costs, how many there are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, stays};
use crate::{
    compile::model::{Access, Model},
    money::MicroUsd,
    plan::change::{PlacementReport, Target},
    quantity::Resources,
    state::{PlacementRecord, record::NodePoolState},
};

impl<'a> Checker<'a> {
    pub(super) fn figures(&mut self) {
        self.counts();
        self.cost();
        let plan = self.plan;
        if let Some(record) = &plan.placement_record {
            self.placement_record(record);
        }
        if let Some(report) = &plan.placement {
            self.report(report);
            if let Some(model) = self.model {
                self.capacity(model, report);
            }
        }
    }

    /// Every recorded resource changes or stays.
    fn counts(&mut self) {
        let Some(state) = self.state else { return };
        // What could not be compared, or was left out, is neither.
        if !self.plan.complete || !self.plan.conflicts.is_empty() {
            return;
        }
        let changed = self.plan.changes.iter().filter(|c| state.records.contains_key(&c.address)).count();
        let stay = usize::try_from(self.plan.unchanged).unwrap_or(usize::MAX);
        if changed.saturating_add(stay) != state.records.len() {
            let text = format!("of {} resources {changed} change and {stay} stay", state.records.len());
            self.error_of_plan("counts", text);
        }
    }

    /// Sums are those of their parts.
    fn cost(&mut self) {
        let cost = &self.plan.cost;
        if cost.monthly != cost.nodes + cost.fees + cost.transfer {
            self.error_of_plan("cost", "the price is not the sum of nodes, control planes and data");
        }
        let Some(report) = &self.plan.placement else { return };
        let (mut nodes, mut fees) = (MicroUsd::ZERO, MicroUsd::ZERO);
        for cluster in &report.clusters {
            let own: MicroUsd = cluster.nodes.iter().map(|n| n.monthly).sum();
            if cluster.monthly != cluster.fee + own {
                self.error_of_plan(
                    "cost",
                    format!("the price of cluster {} is not that of its parts", cluster.cluster),
                );
            }
            nodes += own;
            fees += cluster.fee;
        }
        if (nodes, fees) != (cost.nodes, cost.fees) {
            self.error_of_plan("cost", "the price is not the sum over the clusters");
        }
    }

    /// What is remembered of the placement is what is shown, and of this project.
    fn placement_record(&mut self, record: &PlacementRecord) {
        if let Some(model) = self.model.filter(|_| !self.plan.destroy) {
            let clusters: BTreeSet<&str> = model.clusters.iter().map(|c| c.name.as_str()).collect();
            let components: BTreeSet<&str> = model.components.iter().map(|c| c.name.as_str()).collect();
            for (name, place) in &record.components {
                let stranger = place.clusters.iter().any(|c| !clusters.contains(c.as_str()));
                // Where a part was left out, what is gone from the specs may still run.
                if !self.plan.is_narrowed() && (stranger || !components.contains(name.as_str())) {
                    self.error_of_plan(
                        "placement-record",
                        format!("{name} is remembered where the project has no place"),
                    );
                }
                if place.clusters.is_empty() {
                    self.error_of_plan("placement-record", format!("{name} is remembered to run nowhere"));
                }
            }
        }
        let Some(report) = &self.plan.placement else { return };
        let mut shown: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for instance in &report.components {
            shown.entry(&instance.component).or_default().insert(&instance.cluster);
        }
        let kept = record.components.iter().all(|(name, place)| {
            shown.get(name.as_str()).is_some_and(|at| at.iter().copied().eq(place.clusters.iter().map(String::as_str)))
        });
        let all = shown.len() == record.components.len();
        if !self.plan.is_narrowed() && (!kept || !all) {
            self.error_of_plan("placement-record", "what will be remembered is not the placement that is shown");
        }
    }

    /// The report speaks of clusters of the project, each once.
    fn report(&mut self, report: &PlacementReport) {
        let Some(model) = self.model else { return };
        let known: BTreeSet<&str> = model.clusters.iter().map(|c| c.name.as_str()).collect();
        let named = report.components.iter().map(|c| &c.cluster).chain(report.clusters.iter().map(|c| &c.cluster));
        let strangers: BTreeSet<&String> = named.filter(|c| !known.contains(c.as_str())).collect();
        for stranger in strangers {
            self.error_of_plan("placement", format!("cluster {stranger} is not one of the project"));
        }
        let mut seen = BTreeSet::new();
        for instance in &report.components {
            if !seen.insert((&instance.component, &instance.cluster)) {
                let text = format!("{} is placed twice on {}", instance.component, instance.cluster);
                self.error_of_plan("placement", text);
            }
        }
    }

    /// The pods of every cluster find room on the nodes that it has then.
    fn capacity(&mut self, model: &Model, report: &PlacementReport) {
        // A part of all changes neither brings all nodes nor all pods.
        if self.plan.is_narrowed() || !self.plan.complete {
            return;
        }
        for cluster in &model.clusters {
            let Access::Local { nodes: (standing, _) } = cluster.access else { continue };
            let Some(pools) = self.pools(&cluster.name) else { continue };
            let headroom = standing == 0 && !cluster.pools.is_empty();
            let kept = |n: u64| if headroom { model.settings.headroom.taken_from(n) } else { n };
            let here: BTreeSet<&str> =
                report.components.iter().filter(|c| c.cluster == cluster.name).map(|c| c.component.as_str()).collect();
            let components = || model.components.iter().filter(|c| here.contains(c.name.as_str()));
            let total = |get: &dyn Fn(&Resources) -> u64| -> u128 {
                let nodes: u64 = pools.iter().map(|p| u64::from(p.count)).sum();
                let pods = components().filter(|c| !c.dedicated).flat_map(|c| &c.pods);
                let shared: u128 = pods.map(|p| u128::from(get(&p.size)) * u128::from(p.count)).sum();
                let everywhere = components().flat_map(|c| &c.per_node);
                let daemons: u128 = everywhere.map(|size| u128::from(get(size)) * u128::from(nodes)).sum();
                shared + daemons
            };
            let room = |get: &dyn Fn(&NodePoolState) -> u64, headroom: bool| -> u128 {
                let of = |p: &NodePoolState| if headroom { kept(get(p)) } else { get(p) };
                pools.iter().map(|p| u128::from(of(p)) * u128::from(p.count)).sum()
            };
            for (what, asked, there) in [
                ("CPU", total(&|r| r.milli_cpu), room(&|p| p.milli_cpu, true)),
                ("memory", total(&|r| r.memory), room(&|p| p.memory, true)),
                ("GPUs", total(&|r| r.gpus), room(&|p| p.gpus, false)),
            ] {
                if asked > there {
                    let text = format!("the pods on cluster {} ask for more {what} than its nodes have", cluster.name);
                    self.error_of_plan("capacity", text);
                }
            }
            let bought: u64 = report
                .clusters
                .iter()
                .filter(|c| c.cluster == cluster.name)
                .flat_map(|c| &c.nodes)
                .map(|n| u64::from(n.count))
                .sum();
            let made: u64 = pools.iter().map(|p| u64::from(p.count)).sum();
            if standing == 0 && bought != made {
                let text = format!("cluster {} is priced with {bought} nodes and gets {made}", cluster.name);
                self.error_of_plan("nodes", text);
            }
        }
    }

    /// The nodes that a cluster has once the plan is applied; `None` where it is not there then.
    fn pools(&self, name: &str) -> Option<&'a [NodePoolState]> {
        match self.change_of_cluster(name) {
            Some(change) if stays(change) => match &change.after {
                Some(Target::Cluster { pools, .. }) => Some(pools),
                _ => None,
            },
            Some(_) => None,
            None => self.cluster_record(name).map(|c| c.pools.as_slice()),
        }
    }
}
