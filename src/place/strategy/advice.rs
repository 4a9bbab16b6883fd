//! What to say when replicas find no room: how many, what every cluster takes, and which nodes would do.

use super::{
    super::{
        pack::{Yard, fits},
        problem::{Candidate, Fit, Offer, PodGroup, Problem},
        scheduler::settle,
    },
    share::Spot,
};
use crate::{
    compile::model::{Component, Model, Offered, Strategy},
    diagnostic::Diagnostic,
    money::MicroUsd,
    quantity::{Bytes, MilliCpu, Resources, counted},
    spec::StrategyName,
};

/// Replicas without room.
pub(super) struct Lack<'a> {
    pub(super) component: &'a Component,
    pub(super) strategy: &'a Strategy,
    pub(super) total: u32,
    pub(super) missing: u32,
    pub(super) parts: &'a [u32],
    pub(super) spots: &'a [Spot],
}

/// Kinds of node that are named at most.
const KINDS: usize = 4;
/// More nodes of a kind are not counted.
const MOST_NODES: u32 = 1_000;

/// The diagnostic.
pub(super) fn lacks(model: &Model, problem: &Problem, lack: &Lack<'_>) -> Diagnostic {
    let Lack { component, strategy, total, missing, .. } = *lack;
    let word = strategy.name.word();
    let of = match strategy.name {
        StrategyName::WorstFit | StrategyName::BestFit | StrategyName::MostTraffic if strategy.locations > 1 => {
            format!("{total} replicas ({} in each of {} places)", strategy.replicas, strategy.locations)
        }
        StrategyName::ClusterAffinity | StrategyName::Duplicated if total > strategy.replicas => {
            format!("{total} replicas ({} in each place)", strategy.replicas)
        }
        _ => counted(total, "replica"),
    };
    let lack_words = match missing {
        1 if total == 1 => "it finds".to_owned(),
        1 => "1 finds".to_owned(),
        n if n == total => "none of them find".to_owned(),
        n => format!("{n} find"),
    };
    let size = component.pods.first().map(|p| p.size).unwrap_or_default();
    let mut d = Diagnostic::error(
        "SKY0420",
        format!(
            "`{}` needs {of}; {lack_words} {}",
            component.name,
            if missing == total && total > 1 { "room" } else { "no room" }
        ),
    )
    .at(&strategy.origin)
    .detail(format!("{word}, each replica {}; {}", amount(&size), takes(model, problem, lack)));
    d = d.label(&component.origin, "the component");
    let kinds = kinds(model, strategy, component, missing);
    let what = if missing == 1 { "the replica".to_owned() } else { format!("the {missing} replicas") };
    if !kinds.is_empty() {
        d = d.hint(format!("nodes that hold {what}: {}", kinds.join(", or ")));
    }
    if !strategy.partial && missing < total {
        d = d.hint("`partial: true` places those that fit; later plans place the rest");
    } else if kinds.is_empty() {
        d = d.hint("ask for fewer replicas or smaller ones, or permit more clusters");
    }
    d
}

/// `1 CPU, 1Gi`.
fn amount(size: &Resources) -> String {
    let mut words = vec![format!("{} CPU", MilliCpu(size.milli_cpu)), Bytes(size.memory).to_string()];
    if size.gpus > 0 {
        words.push(format!("{} GPU", size.gpus));
    }
    words.join(", ")
}

/// What every cluster takes: `c1 takes 4, c2 takes 10`; why one takes nothing.
fn takes(model: &Model, problem: &Problem, lack: &Lack<'_>) -> String {
    let index = model.components.iter().position(|c| c.name == lack.component.name);
    let words = |l: usize| -> String {
        let name = &model.clusters[l].name;
        match index.map(|i| &problem.components[i].candidates[l]) {
            Some(Candidate::Excluded(why)) => format!("{name} takes none: {}", why.reason),
            _ if lack.parts[l] == 0 && lack.spots[l].room > 0 => format!("{name} has weight 0"),
            _ => format!("{name} takes {}", lack.parts[l]),
        }
    };
    (0..model.clusters.len()).map(words).collect::<Vec<_>>().join(", ")
}

/// Nodes that would hold what is missing, the cheapest first: `3 × large (aws)`.
fn kinds(model: &Model, strategy: &Strategy, component: &Component, missing: u32) -> Vec<String> {
    let size = component.pods.first().map(|p| p.size).unwrap_or_default();
    let pods = PodGroup { size, count: missing, only: None, free: None };
    let several = strategy.offered.iter().any(|o| o.provider != strategy.offered[0].provider);
    let mut all: Vec<(MicroUsd, u32, String)> = Vec::new();
    for offered in &strategy.offered {
        let Some(count) = nodes(model, offered, &pods) else { continue };
        let of = if several { format!(" ({})", offered.provider) } else { String::new() };
        all.push((offered.price.times(u64::from(count)), count, format!("{count} × {}{of}", offered.name)));
    }
    // The sizes of one price list cost about the same: fewer nodes are easier to read.
    all.sort();
    all.truncate(KINDS);
    all.into_iter().map(|(_, _, words)| words).collect()
}

/// How many nodes of a kind hold the pods, when nothing else is on them.
fn nodes(model: &Model, offered: &Offered, pods: &PodGroup) -> Option<u32> {
    let headroom = model.settings.headroom;
    let usable = Resources {
        milli_cpu: headroom.taken_from(offered.size.milli_cpu),
        memory: headroom.taken_from(offered.size.memory),
        ..offered.size
    };
    if !fits(&pods.size, &usable) {
        return None;
    }
    let offer = Offer {
        name: offered.name.clone(),
        offering: offered.name.clone(),
        price: offered.price,
        gross: offered.size,
        usable,
        min: 0,
        max: None,
    };
    let offers = [offer];
    let yard = Yard { offers: &offers, free: &[], quota: None, reserved: &[0], fit: Fit::Scheduler };
    let enough = |n: u32| settle(&yard, &[pods], &[n]).is_ok();
    let most = pods.count.min(MOST_NODES);
    if !enough(most) {
        return None;
    }
    let (mut low, mut high) = (0, most);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}
