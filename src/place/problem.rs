//! The placement problem in integers: what the search sees of a fleet.
//!
//! Components, places and offerings are indices into the vectors here, which are sorted by name, so
//! that a problem does not depend on the order of files. All money is for the whole horizon. This
//! file knows nothing of specs but the [`Origin`]s that explanations point at.

use crate::{diagnostic::Origin, money::MicroUsd, quantity::Micros};

use super::watch::Watch;
pub use crate::quantity::Resources;

/// Everything that is to be decided in one solve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// Where components may run, sorted by name.
    pub places: Vec<Place>,
    /// What is to be placed, sorted by name.
    pub components: Vec<Component>,
    /// Data between components, sorted by (from, to).
    pub flows: Vec<Flow>,
    /// `routes[a][b]`: what data from place a to place b meets. `routes[a][a]` is always usable.
    pub routes: Vec<Vec<Route>>,
    /// Meters that transferred bytes are summed on before tiered prices apply.
    pub meters: Vec<Meter>,
    /// Latency bounds are `<` in place of `≤` (`placement.latencyBound: strict`).
    pub strict_latency: bool,
    /// What one component's change of places costs.
    pub move_cost: MicroUsd,
    /// What must not come together.
    pub spreads: Vec<Spread>,
    /// When pods fit on nodes.
    pub fit: Fit,
}

/// When pods fit on nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// When kube-scheduler, which spreads pods, finds a node for every one. What plans use.
    #[default]
    Scheduler,
    /// When sums fit, and sums of size classes (cover rows). What benchmarks compare by.
    Cover,
    /// When sums fit: too optimistic for plans, but what published figures count.
    Sum,
}

/// At most so many instances of some components, counted together, in each of some sets of places:
/// anti-affinity, topology spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Components that count (indices, sorted).
    pub components: Vec<usize>,
    /// Sets of places (indices, sorted), without overlaps.
    pub domains: Vec<Vec<usize>>,
    /// Most instances in each set, at least 1.
    pub most: u32,
    /// In the words of the specs: `apart from shop/b`.
    pub text: String,
    /// Its line.
    pub origin: Origin,
}

/// A cluster that is there or may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the cluster.
    pub name: String,
    /// Its document.
    pub origin: Origin,
    /// Paid over the horizon when at least one component runs here (control plane), or when the place is kept; 0
    /// where others pay it.
    pub fee: MicroUsd,
    /// Nodes that can be bought here, sorted by name. Bought nodes are shared by all components
    /// that are not dedicated.
    pub offers: Vec<Offer>,
    /// What is free on nodes that exist and cost nothing more, node by node.
    pub free: Vec<Resources>,
    /// It stands whether anything runs here or not: its fee and the least of its nodes are paid anyway.
    pub kept: bool,
    /// Upper bound on the sum over bought nodes (the gross size of offers), where there is one.
    pub quota: Option<Quota>,
}

/// A kind of node at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Name of the node pool that buys it.
    pub name: String,
    /// Name of the offering in the provider's profile.
    pub offering: String,
    /// Price of one node over the horizon.
    pub price: MicroUsd,
    /// Size as sold: what requirements match and quotas count.
    pub gross: Resources,
    /// What pods can use of it: allocatable, less DaemonSets, less headroom.
    pub usable: Resources,
    /// Nodes that are bought in any case once the place is open (`nodePools[].min`).
    pub min: u32,
    /// Most nodes (`nodePools[].max`, the offering's `available`), `None` = unlimited.
    pub max: Option<u32>,
}

/// What a provider lets one buy in all at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Line of the profile it stands on.
    pub origin: Origin,
    /// Bounds on the sum of `gross` over bought nodes; `u64::MAX` = none. `pods` counts nodes.
    pub limit: Resources,
}

impl Place {
    /// What the least of its nodes costs.
    pub fn least(&self) -> MicroUsd {
        self.offers.iter().map(|o| o.price.times(u64::from(o.min))).sum()
    }

    /// What the first to run here pays beyond the place's nodes: the fee; less than nothing where the place is
    /// kept, as the least of its nodes is paid anyway.
    pub fn entry(&self) -> MicroUsd {
        if self.kept { MicroUsd::ZERO - self.least() } else { self.fee }
    }
}

impl Flow {
    /// Whether it may not go every way.
    pub fn bounded(&self) -> bool {
        self.latency.is_some() || self.rate.is_some()
    }
}

impl Component {
    /// Whether it changes its places when it runs at these.
    pub fn moves_to(&self, places: &[usize]) -> bool {
        !self.incumbent.is_empty() && self.incumbent != places
    }

    /// What an instance at a place counts as beyond its cost.
    pub fn disliked(&self, place: usize) -> MicroUsd {
        self.dislike.get(place).copied().unwrap_or_default()
    }
}

/// Something that runs in `min..=max` places, whole in each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// `application/component`.
    pub name: String,
    /// Where it is written.
    pub origin: Origin,
    /// One entry for every place, in the order of [`Problem::places`].
    pub candidates: Vec<Candidate>,
    /// Required groups: at least one instance in each.
    pub groups: Vec<Group>,
    /// Fewest instances, at least 1.
    pub min: u32,
    /// Most instances, at least `min`.
    pub max: u32,
    /// Where it runs now, as indices of places, sorted; empty when it is new.
    pub incumbent: Vec<usize>,
    /// Stay where it runs: the stability rule says it is not reconsidered.
    pub pinned: bool,
    /// By place: what an instance there counts as beyond its cost, because another place is preferred.
    /// Decides, but is never paid. Empty = nothing anywhere.
    pub dislike: Vec<MicroUsd>,
    /// By place, for a component whose replicas a strategy has divided: how many run there. What it sends
    /// is divided alike. Empty = every instance is whole.
    pub portions: Vec<u32>,
}

/// A component at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// It may run here and needs this.
    Allowed(Demand),
    /// It may not, and why.
    Excluded(Exclusion),
}

/// Why a component may not run at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// One clause in the words of the specs: `not permitted (provider: aws)`.
    pub reason: String,
    /// The line that excludes it.
    pub origin: Option<Origin>,
}

/// What one instance of a component takes at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Pods that share bought and free nodes with others.
    Shared(Vec<PodGroup>),
    /// Nodes of its own: one alternative of every entry (AND of OR). Offers are indices into
    /// [`Place::offers`]; dedicated nodes count against `max` and quota, `min` nodes do not serve
    /// them.
    Dedicated(Vec<Requirement>),
}

/// Equal pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodGroup {
    /// Of one pod.
    pub size: Resources,
    /// How many: (replicas + surge) of one instance.
    pub count: u32,
    /// Offers whose nodes they may run on (indices, sorted); `None` = any that they fit.
    pub only: Option<Vec<usize>>,
    /// Free nodes that they may run on (indices, sorted); `None` = all where `only` is `None`, else none.
    pub free: Option<Vec<usize>>,
}

impl PodGroup {
    /// Whether its pods may run on any free node.
    pub fn roams(&self) -> bool {
        self.free.as_ref().map_or(self.only.is_none(), |free| !free.is_empty())
    }

    /// Whether its pods may run on this free node.
    pub fn takes_free(&self, node: usize) -> bool {
        self.free.as_ref().map_or(self.only.is_none(), |free| free.contains(&node))
    }
}

/// One `compute` entry of a dedicated component at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Line of the entry.
    pub origin: Origin,
    /// (offer, number of nodes); never empty.
    pub anyof: Vec<(usize, u32)>,
}

/// One group of `location.required`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Places that serve it (indices, sorted), whether the component is allowed there or not.
    pub places: Vec<usize>,
    /// The group in the words of the specs: `region: us-east-1`.
    pub text: String,
    /// Its line.
    pub origin: Origin,
}

/// Data from one component to another. Every instance of `from` talks to exactly one instance of
/// `to` and sends `bytes` to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Index of the source.
    pub from: usize,
    /// Index of the target; may be before or after `from`: cycles are fine.
    pub to: usize,
    /// Bytes over the horizon that one instance of the source sends; of one whose replicas are divided:
    /// that all of them send. [`Problem::bytes`] knows which.
    pub bytes: u64,
    /// Bound on latency; `None` = no bound.
    pub latency: Option<Micros>,
    /// Bits a second that the way must carry; `None` = any way will do.
    pub rate: Option<u64>,
    /// Its line.
    pub origin: Origin,
}

/// The way from one place to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Latency; `None` = not known, which no bound accepts.
    pub latency: Option<Micros>,
    /// Bits a second that it carries; `None` = not known, which every flow accepts.
    pub bandwidth: Option<u64>,
    /// Meter that bytes count on; `None` = free.
    pub meter: Option<usize>,
}

/// A price list for transferred bytes: the tiers apply to the sum of all bytes on the meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// For people: `aws to internet`.
    pub name: String,
    /// Tiers in rising order without gaps; the last has no upper end. Never empty.
    pub tiers: Vec<Tier>,
}

/// One price band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Up to this many bytes over the horizon; `None` = without end.
    pub up_to: Option<u64>,
    /// Price per 10⁹ bytes within the band.
    pub per_gb: MicroUsd,
}

impl Meter {
    /// What `bytes` on this meter cost, each band rounded half up.
    pub fn cost(&self, bytes: u64) -> MicroUsd {
        let mut from = 0;
        let mut total = MicroUsd::ZERO;
        for tier in &self.tiers {
            let end = tier.up_to.unwrap_or(u64::MAX).min(bytes);
            if end > from {
                total += tier.per_gb.per_gb_for(end - from);
                from = end;
            }
        }
        total
    }
}

impl Problem {
    /// What is paid wherever anything runs: kept places with the least of their nodes. No part of what
    /// assignments are compared by.
    pub fn standing(&self) -> MicroUsd {
        self.places.iter().filter(|p| p.kept).map(|p| p.fee + p.least()).sum()
    }

    /// Bytes over the horizon that the source's instance at a place sends: all alike, or, where a strategy
    /// has divided the replicas, its part of the whole.
    pub fn bytes(&self, flow: &Flow, place: usize) -> u64 {
        let portions = &self.components[flow.from].portions;
        if portions.is_empty() {
            return flow.bytes;
        }
        let sum = |to: usize| portions[..to].iter().map(|n| u128::from(*n)).sum::<u128>();
        let all = sum(portions.len()).max(1);
        // Differences of rounded sums: together they are the whole.
        let until = |to: usize| u128::from(flow.bytes) * sum(to) / all;
        u64::try_from(until(place + 1) - until(place)).unwrap_or(u64::MAX)
    }

    /// Bytes over the horizon that count on a meter in a solution.
    pub fn bytes_on(&self, solution: &Solution, meter: usize) -> u64 {
        let ways = self.flows.iter().zip(&solution.targets).flat_map(|(flow, targets)| {
            solution.instances[flow.from].iter().zip(targets).map(move |(a, b)| (flow, *a, *b))
        });
        let on = ways.filter(|(_, a, b)| self.routes[*a][*b].meter == Some(meter));
        on.fold(0, |sum, (flow, a, _)| sum.saturating_add(self.bytes(flow, a)))
    }

    /// Bytes over the horizon that so many instances of the source send together, at most.
    pub fn most_bytes(&self, flow: &Flow, instances: usize) -> u64 {
        let divided = !self.components[flow.from].portions.is_empty();
        if divided { flow.bytes } else { flow.bytes.saturating_mul(instances as u64) }
    }

    /// Whether a flow may go from place `a` to place `b`: near enough, and wide enough.
    pub fn reaches(&self, flow: &Flow, a: usize, b: usize) -> bool {
        self.near(flow.latency, a, b) && self.wide(flow.rate, a, b)
    }

    /// Whether place `b` is as near to place `a` as a bound says.
    pub fn near(&self, bound: Option<Micros>, a: usize, b: usize) -> bool {
        match (bound, self.routes[a][b].latency) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(bound), Some(latency)) if self.strict_latency => latency < bound,
            (Some(bound), Some(latency)) => latency <= bound,
        }
    }

    /// Whether the way from place `a` to place `b` carries so many bits a second, or nobody knows what it does.
    pub fn wide(&self, rate: Option<u64>, a: usize, b: usize) -> bool {
        match (rate, self.routes[a][b].bandwidth) {
            (Some(rate), Some(carries)) => carries >= rate,
            _ => true,
        }
    }
}

/// Budgets of a search: in work, so that a run repeats anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes of the branch and bound.
    pub nodes: u64,
    /// Moves of the local search.
    pub moves: u64,
    /// Stop once (cost − bound) / cost is at most this, in millionths. 0 = prove the optimum.
    pub gap_ppm: u64,
    /// A safety stop from outside.
    pub watch: Watch,
}

impl Limits {
    /// One of so many parts of the work, for a question among many; always enough to try.
    pub(super) fn part(&self, parts: u64) -> Self {
        Self { nodes: (self.nodes / parts).max(20), moves: (self.moves / parts).max(500), ..self.clone() }
    }
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// Total cost, recomputed from the choices below, exact in integers.
    pub cost: Costs,
    /// Proven lower bound on what is decided by ([`Costs::decided`]), at most that.
    pub bound: MicroUsd,
    /// How it was found and why the search ended.
    pub method: Method,
    /// A mixed-integer solver was asked.
    pub mixed: bool,
    /// For every component: indices of places, sorted.
    pub instances: Vec<Vec<usize>>,
    /// For every flow and every instance of its source (same order as `instances`): the place
    /// of the target's instance that it talks to.
    pub targets: Vec<Vec<usize>>,
    /// For every place and offer: nodes bought, shared and dedicated together.
    pub nodes: Vec<Vec<u32>>,
    /// For every component and instance: dedicated nodes as (offer, count); empty when shared.
    pub dedicated: Vec<Vec<Vec<(usize, u32)>>>,
}

/// The total, by what it is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Bought nodes.
    pub nodes: MicroUsd,
    /// Fees of open places.
    pub fees: MicroUsd,
    /// Transferred data.
    pub transfer: MicroUsd,
    /// Moves of components that ran elsewhere.
    pub moves: MicroUsd,
    /// What instances at places that are not preferred count as. It decides, and is never paid.
    pub dislike: MicroUsd,
}

impl Costs {
    /// What bills come to: what is paid, without moves.
    pub fn billed(&self) -> MicroUsd {
        self.nodes + self.fees + self.transfer
    }

    /// What is paid: the sum without what only decides.
    pub fn total(&self) -> MicroUsd {
        self.billed() + self.moves
    }

    /// What was minimised, and what [`Solution::bound`] bounds: what is paid, and what is disliked.
    pub fn decided(&self) -> MicroUsd {
        self.total() + self.dislike
    }
}

/// How a solution was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The recorded placement still holds; nothing was solved.
    Recorded,
    /// Branch and bound ran to the end: nothing cheaper exists.
    Exact,
    /// The work budget ended first: the best found, with its bound.
    Budget,
    /// Of what is about as cheap as the cheapest, that with the fewest moves.
    Steady,
    /// The deadline ended the search: another run may find something else.
    Deadline,
}
