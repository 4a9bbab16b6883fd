//! Why a component runs where it does: price, constraints, and every other place, cheapest first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::{
    address::ResourceAddress,
    compile::model::PlaceFilter,
    diagnostic::Origin,
    money::MicroUsd,
    place::{
        explain::{Explanation, Verdict, explain_one},
        problem::Method,
        what_if,
    },
    plan::{
        change::{FORMAT_VERSION, PlacedFlow},
        desired::Body,
        report,
    },
    quantity::{BitRate, Micros},
};

/// All about a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentAnswer {
    /// Version of this format.
    pub format_version: String,
    /// `application/component`.
    pub component: String,
    /// Where it is written.
    pub origin: Origin,
    /// Pods of one instance.
    pub needs: Vec<Need>,
    /// Whether the recorded placement was kept, or a search made it.
    pub kept: bool,
    /// Whether nothing cheaper exists (always so for what was kept only as far as it was when made).
    pub proven: bool,
    /// Every place it runs in.
    pub instances: Vec<InstanceAnswer>,
    /// What the specs ask of its place, and which places that rules out.
    pub constraints: Vec<Constraint>,
    /// Its objects on all clusters.
    pub resources: Vec<ResourceAddress>,
}

/// Equal pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// How many at most, those of a rollout included.
    pub pods: u32,
    /// Thousandths of a CPU of each.
    pub milli_cpu: u64,
    /// Bytes of each.
    pub memory: u64,
    /// GPUs of each.
    pub gpus: u64,
}

/// One place it runs in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceAnswer {
    /// Cluster.
    pub cluster: String,
    /// `aws/us-east-1/us-east-1a`, as far as it is known.
    pub site: String,
    /// Why here, in one clause.
    pub reason: String,
    /// Its share of the cost per month.
    pub monthly: MicroUsd,
    /// Of that: nodes.
    pub nodes: MicroUsd,
    /// Of that: control planes.
    pub fees: MicroUsd,
    /// Of that: data that it sends.
    pub transfer: MicroUsd,
    /// Whom it shares the cluster with.
    pub beside: Vec<String>,
    /// The cheapest other place that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<String>,
    /// Every other place, cheapest first; those without a price last.
    pub others: Vec<OtherPlace>,
    /// Its flows, with where they go.
    pub flows: Vec<FlowAnswer>,
}

/// Another place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtherPlace {
    /// Cluster.
    pub cluster: String,
    /// `aws/us-east-1/us-east-1a`, as far as it is known.
    pub site: String,
    /// Whether it could run there.
    pub standing: Standing,
    /// What everything would cost more per month if it ran there, also where that is not allowed. Absent
    /// where no money would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<MicroUsd>,
    /// What stands against it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The line that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Whether a component could run at another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It could.
    Possible,
    /// The specs rule it out.
    Excluded,
    /// There are not enough nodes.
    NoRoom,
    /// Another instance of it is there.
    Taken,
}

/// A flow of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowAnswer {
    /// As the plan tells it.
    #[serde(flatten)]
    pub flow: PlacedFlow,
    /// What it costs per month.
    pub monthly: MicroUsd,
    /// Its line.
    pub origin: Origin,
}

/// Something that the specs ask of a component's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Constraint {
    /// In the words of the specs.
    pub text: String,
    /// Its line.
    pub origin: Origin,
    /// Clusters that it rules out, where nothing before it did.
    pub excludes: Vec<String>,
}

impl Facts<'_> {
    /// All about a component, by index.
    pub fn component(&self, index: usize) -> ComponentAnswer {
        let component = &self.model.components[index];
        let explanations: Vec<Explanation> = explain_one(&self.placed.month, &self.placed.monthly, index);
        let instances = explanations.iter().enumerate().map(|(k, e)| self.instance(index, k, e)).collect();
        let resources = self.desired.resources.values().filter(|r| match &r.body {
            Body::Object { components, .. } => components.contains(&component.name),
            Body::Cluster { .. } | Body::Null { .. } => false,
        });
        let kept = self.placed.solution.method == Method::Recorded;
        ComponentAnswer {
            format_version: FORMAT_VERSION.into(),
            component: component.name.clone(),
            origin: component.origin.clone(),
            needs: component
                .pods
                .iter()
                .map(|p| Need { pods: p.count, milli_cpu: p.size.milli_cpu, memory: p.size.memory, gpus: p.size.gpus })
                .collect(),
            kept,
            proven: self.placed.solution.method == Method::Exact && component.strategy.is_none(),
            instances,
            constraints: self.constraints(index, &explanations),
            resources: resources.map(|r| r.address.clone()).collect(),
        }
    }

    fn instance(&self, index: usize, k: usize, e: &Explanation) -> InstanceAnswer {
        let (model, placed) = (self.model, &self.placed);
        let name = |place: usize| model.clusters[place].name.clone();
        let prices = what_if::unbound(model, placed, index, k);
        let mut others: Vec<(usize, OtherPlace)> =
            e.others.iter().map(|(place, verdict)| (*place, self.other(*place, verdict, prices[*place]))).collect();
        others.sort_by_key(|(place, o)| (o.extra.is_none(), o.extra, o.standing != Standing::Possible, *place));
        let beside = placed.monthly.instances.iter().zip(&model.components).enumerate();
        InstanceAnswer {
            cluster: name(e.place),
            site: report::site(&model.clusters[e.place]),
            reason: report::reason(model, placed, e),
            monthly: e.share.total(),
            nodes: e.share.nodes,
            fees: e.share.fee,
            transfer: e.share.transfer,
            beside: beside
                .filter(|(i, (places, _))| *i != index && places.contains(&e.place))
                .map(|(_, (_, c))| c.name.clone())
                .collect(),
            runner_up: e.runner_up.map(|(place, _)| name(place)),
            others: others.into_iter().map(|(_, o)| o).collect(),
            flows: self.flows(index, e.place),
        }
    }

    pub(super) fn other(&self, place: usize, verdict: &Verdict, price: Option<MicroUsd>) -> OtherPlace {
        let cluster = &self.model.clusters[place];
        let (standing, reason, origin) = match verdict {
            Verdict::Dearer(_) | Verdict::Unvalued => (Standing::Possible, String::new(), None),
            Verdict::Weighed { counted, .. } => (Standing::Possible, weighed(*counted), None),
            Verdict::Taken => (Standing::Taken, "another instance runs there".into(), None),
            Verdict::NoRoom => {
                let origin = cluster.quota.as_ref().map_or(&cluster.origin, |(_, origin)| origin);
                (Standing::NoRoom, "not enough nodes are free or can be bought".into(), Some(origin.clone()))
            }
            Verdict::Pinned => (Standing::Excluded, "it stays where it runs".into(), None),
            Verdict::Excluded(why, origin) => (Standing::Excluded, why.clone(), origin.clone()),
            Verdict::Required(group) => (Standing::Excluded, format!("it is required elsewhere ({group})"), None),
            Verdict::TooNarrow { flow, carries, rate } => {
                let origin = Some(self.model.flows[*flow].origin.clone());
                let text = format!("{} is too narrow: {} of {}", self.way(*flow), BitRate(*carries), BitRate(*rate));
                (Standing::Excluded, text, origin)
            }
            Verdict::Crowded(spread) => {
                let spread = &self.placed.month.spreads[*spread];
                (Standing::Excluded, spread.text.clone(), Some(spread.origin.clone()))
            }
            Verdict::TooFar { flow, latency, bound, .. } => {
                let origin = Some(self.model.flows[*flow].origin.clone());
                (Standing::Excluded, self.too_far(*flow, *latency, *bound), origin)
            }
        };
        let extra = match verdict {
            Verdict::Dearer(by) | Verdict::Weighed { by, .. } => Some(*by),
            _ => price,
        };
        OtherPlace { cluster: cluster.name.clone(), site: report::site(cluster), standing, extra, reason, origin }
    }

    /// `till → orders`.
    fn way(&self, flow: usize) -> String {
        let flow = &self.model.flows[flow];
        let name = |i: usize| {
            let full = self.model.components[i].name.as_str();
            full.split_once('/').map_or(full, |(_, name)| name).to_owned()
        };
        format!("{} → {}", name(flow.from), name(flow.to))
    }

    fn too_far(&self, flow: usize, latency: Option<Micros>, bound: Micros) -> String {
        let way = self.way(flow);
        let sign = if self.model.settings.strict_latency { "<" } else { "≤" };
        match latency {
            Some(latency) => format!("{way} would take {latency} ({sign} {bound})"),
            None => format!("{way} needs {sign} {bound}, and no latency to there is known"),
        }
    }

    fn flows(&self, index: usize, place: usize) -> Vec<FlowAnswer> {
        let (model, placed) = (self.model, &self.placed);
        let mut out = Vec::new();
        for (i, flow) in placed.month.flows.iter().enumerate() {
            for (from, to) in placed.monthly.instances[flow.from].iter().zip(&placed.monthly.targets[i]) {
                if !((flow.from, *from) == (index, place) || (flow.to, *to) == (index, place)) {
                    continue;
                }
                out.push(FlowAnswer {
                    flow: report::flow(model, placed, i, *from, *to),
                    monthly: what_if::transfer(placed, i, *from, *to),
                    origin: flow.origin.clone(),
                });
            }
        }
        out
    }

    fn constraints(&self, index: usize, explanations: &[Explanation]) -> Vec<Constraint> {
        let component = &self.model.components[index];
        let words = |filters: &[PlaceFilter]| filters.iter().map(|f| f.text.as_str()).collect::<Vec<_>>().join(" or ");
        let ruled_out = |by: &dyn Fn(&Verdict) -> bool| -> Vec<String> {
            let all = explanations.iter().flat_map(|e| &e.others).filter(|(_, v)| by(v)).map(|(place, _)| *place);
            let places: std::collections::BTreeSet<usize> = all.collect();
            places.into_iter().map(|place| self.model.clusters[place].name.clone()).collect()
        };
        let by_line = |origin: &Origin| ruled_out(&|v| matches!(v, Verdict::Excluded(_, Some(line)) if line == origin));
        let mut out = Vec::new();
        if let Some(first) = component.permitted.first() {
            let text = format!("permitted: {}", words(&component.permitted));
            out.push(Constraint { text, origin: first.origin.clone(), excludes: by_line(&first.origin) });
        }
        for group in &component.required {
            let text = words(&group.any_of);
            let excludes = ruled_out(&|v| matches!(v, Verdict::Required(words) if *words == text));
            out.push(Constraint { text: format!("required: {text}"), origin: group.origin.clone(), excludes });
        }
        for tag in &component.attributes {
            let text = format!("attributes: {}", tag.text);
            out.push(Constraint { text, origin: tag.origin.clone(), excludes: by_line(&tag.origin) });
        }
        for preferred in &component.preferred {
            let text = format!("preferred: {} (up to {}/month dearer)", preferred.places.text, preferred.weight);
            out.push(Constraint { text, origin: preferred.places.origin.clone(), excludes: Vec::new() });
        }
        for compute in &component.compute {
            let text = if component.dedicated { "compute, dedicated" } else { "compute" };
            out.push(Constraint {
                text: text.into(),
                origin: compute.origin.clone(),
                excludes: by_line(&compute.origin),
            });
        }
        for (i, flow) in self.model.flows.iter().enumerate().filter(|(_, f)| f.from == index || f.to == index) {
            let name = |i: usize| &self.model.components[i].name;
            if let Some(rate) = flow.rate {
                out.push(Constraint {
                    text: format!("rate {} → {} {}", name(flow.from), name(flow.to), BitRate(rate)),
                    origin: flow.origin.clone(),
                    excludes: ruled_out(&|v| matches!(v, Verdict::TooNarrow { flow, .. } if *flow == i)),
                });
            }
            let Some(bound) = flow.latency else { continue };
            let sign = if self.model.settings.strict_latency { "<" } else { "≤" };
            out.push(Constraint {
                text: format!("latency {} → {} {sign} {bound}", name(flow.from), name(flow.to)),
                origin: flow.origin.clone(),
                excludes: ruled_out(&|v| matches!(v, Verdict::TooFar { flow, .. } if *flow == i)),
            });
        }
        for (s, spread) in self.placed.month.spreads.iter().enumerate().filter(|(_, s)| s.components.contains(&index)) {
            out.push(Constraint {
                text: spread.text.clone(),
                origin: spread.origin.clone(),
                excludes: ruled_out(&|v| matches!(v, Verdict::Crowded(by) if *by == s)),
            });
        }
        // Pools, clusters that do not answer, quotas: not the component's words, but they spoke.
        let own = out.len();
        for (place, verdict) in explanations.iter().flat_map(|e| &e.others) {
            let cluster = &self.model.clusters[*place];
            let (text, origin) = match verdict {
                Verdict::Excluded(why, Some(origin)) => (why.clone(), origin.clone()),
                Verdict::NoRoom => {
                    let origin = cluster.quota.as_ref().map_or(&cluster.origin, |(_, origin)| origin);
                    ("room: nodes that are free or can be bought".into(), origin.clone())
                }
                _ => continue,
            };
            match out.iter().position(|c| c.origin == origin) {
                Some(known) if known < own || out[known].excludes.contains(&cluster.name) => {}
                Some(known) => out[known].excludes.push(cluster.name.clone()),
                None => out.push(Constraint { text, origin, excludes: vec![cluster.name.clone()] }),
            }
        }
        out
    }
}

/// What a preference counts for or against a place.
fn weighed(counted: MicroUsd) -> String {
    if counted > MicroUsd::ZERO {
        format!("preferred elsewhere: {counted}/month counted against it")
    } else {
        format!("preferred: {}/month counted for it", MicroUsd::ZERO - counted)
    }
}
