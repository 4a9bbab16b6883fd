//! The relaxation of a problem within a domain.
//!
//! Columns: every component at every place that it may run at; nodes and openings of places. What
//! flows cost is said by rows that may be exceeded at a price: if the source is in one set of places and
//! the target not in another, data pays at least so much. That is as tight as a column for every pair of
//! places where prices grow with distance in a tree, and needs a row for every place and level.

use super::{
    super::{
        domain::{Domain, Mark},
        evaluate::pinned,
        pack::{self, Yard as Nodes, each},
        problem::{Candidate, Demand, Fit, PodGroup, Problem, Resources},
        transfer::Haul,
    },
    Block, Lp, Spare, Yard,
};

/// Classes of pods by one resource that get rows of their own.
const CLASSES: usize = 5;

/// A relaxation with what its columns mean.
#[derive(Debug)]
pub(in super::super) struct Model {
    pub(in super::super) lp: Lp,
    /// Place of every column in a block.
    pub(in super::super) places: Vec<usize>,
    /// For component and place: its column.
    pub(in super::super) at: Vec<Vec<Option<u32>>>,
    /// What is known of nodes, by place.
    pub(in super::super) sites: Vec<Site>,
    /// Dollars for a byte on every meter, at most what it costs.
    pub(in super::super) slopes: Vec<f64>,
    /// Flows whose bounds get rows only where a point breaks them.
    pub(super) later: Vec<usize>,
}

/// What the relaxation looks at in one place's nodes.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Site {
    /// What is measured, and the row of it where it has one.
    pub(in super::super) measures: Vec<(Measure, Option<usize>)>,
    /// Offers that are worth buying beyond their minimum, and how many more at most.
    pub(in super::super) useful: Vec<(usize, u32)>,
    /// Column of its opening, and of the first useful offer.
    pub(in super::super) open: Option<usize>,
    pub(in super::super) nodes: usize,
}

pub(in super::super) fn dollars(micro: i64) -> f64 {
    micro as f64 / 1e6
}

/// Writes down the relaxation.
pub(in super::super) fn build(problem: &Problem, domain: &Domain) -> Model {
    let mut model = Model {
        lp: Lp::default(),
        places: Vec::new(),
        at: Vec::new(),
        sites: vec![Site::default(); problem.places.len()],
        slopes: slopes(problem, domain),
        later: Vec::new(),
    };
    for (i, component) in problem.components.iter().enumerate() {
        let from = model.places.len();
        let mut at = vec![None; problem.places.len()];
        let stays = component.incumbent.is_empty() || component.max > 1 || pinned(component);
        for l in domain.possible(i) {
            let moved = !stays && component.incumbent != [l];
            let moving = if moved { dollars(problem.move_cost.0) } else { 0.0 };
            at[l] = Some(u32::try_from(model.places.len()).unwrap_or(u32::MAX));
            model.places.push(l);
            model.lp.cost.push(own(problem, i, l) + moving + dollars(component.disliked(l).0));
        }
        model.at.push(at);
        model.lp.blocks.push(Block {
            columns: from..model.places.len(),
            min: f64::from(component.min),
            max: f64::from(component.max),
        });
    }
    model.lp.starts.push(0);
    for (i, component) in problem.components.iter().enumerate() {
        for group in &component.groups {
            let serve = group.places.iter().filter_map(|l| model.column(i, *l)).map(|c| (c, -1.0));
            model.lp.row(serve.collect::<Vec<_>>(), -1.0, f64::INFINITY);
        }
        // What surely runs somewhere.
        for l in domain.sure(i).filter(|_| component.max > 1) {
            let here = model.column(i, l).map(|c| (c, -1.0));
            model.lp.row(here, -1.0, f64::INFINITY);
        }
    }
    for spread in &problem.spreads {
        for places in &spread.domains {
            let pairs = spread.components.iter().flat_map(|i| places.iter().map(move |l| (*i, *l)));
            let entries: Vec<(usize, f64)> = pairs.filter_map(|(i, l)| model.column(i, l)).map(|c| (c, 1.0)).collect();
            if entries.len() > spread.most as usize {
                model.lp.row(entries, f64::from(spread.most), f64::INFINITY);
            }
        }
    }
    for l in 0..problem.places.len() {
        model.place(problem, domain, l);
    }
    model.lp.constant -= problem.meters.iter().map(|m| m.tiers.len() as f64 * 1e-6).sum::<f64>();
    model.flows(problem, domain);
    model
}

/// Least cost of the dedicated nodes of a component at a place.
pub(in super::super) fn own(problem: &Problem, i: usize, l: usize) -> f64 {
    let Candidate::Allowed(Demand::Dedicated(entries)) = &problem.components[i].candidates[l] else { return 0.0 };
    let offers = &problem.places[l].offers;
    let least = |anyof: &[(usize, u32)]| anyof.iter().map(|(t, n)| offers[*t].price.times(u64::from(*n)).0).min();
    entries.iter().filter_map(|e| least(&e.anyof)).map(dollars).sum()
}

/// From every place: the meters of its ways, each with the places they lead to, a bit for each.
fn meters(problem: &Problem) -> Vec<Vec<(usize, Vec<u64>)>> {
    let haul = Haul::new(problem);
    let places = problem.places.len();
    let from = |a: usize| {
        let mut ways: Vec<(usize, Vec<u64>)> = Vec::new();
        for b in 0..places {
            let Some(m) = haul.meter(a, b) else { continue };
            let k = ways.iter().position(|(known, _)| *known == m).unwrap_or_else(|| {
                ways.push((m, vec![0; places.div_ceil(64)]));
                ways.len() - 1
            });
            ways[k].1[b / 64] |= 1 << (b % 64);
        }
        ways
    };
    (0..places).map(from).collect()
}

/// For every meter a line below its cost: dollars for a byte.
fn slopes(problem: &Problem, domain: &Domain) -> Vec<f64> {
    let ways = meters(problem);
    let mut most = vec![0_u64; problem.meters.len()];
    for flow in &problem.flows {
        let mut used = vec![false; problem.meters.len()];
        let mut targets = vec![0_u64; problem.places.len().div_ceil(64)];
        domain.possible(flow.to).for_each(|b| targets[b / 64] |= 1 << (b % 64));
        for a in domain.possible(flow.from) {
            for (m, ends) in &ways[a] {
                used[*m] = used[*m] || ends.iter().zip(&targets).any(|(end, target)| end & target != 0);
            }
        }
        let bytes = problem.most_bytes(flow, problem.components[flow.from].max as usize);
        for (most, _) in most.iter_mut().zip(used).filter(|(_, used)| *used) {
            *most = most.saturating_add(bytes);
        }
    }
    let line = |(meter, most): (&super::super::problem::Meter, &u64)| {
        if let [tier] = meter.tiers.as_slice() {
            return tier.per_gb.0 as f64 / 1e15;
        }
        let ends = meter.tiers.iter().filter_map(|t| t.up_to).filter(|end| end < most).chain([*most]);
        let rounding = meter.tiers.len() as f64;
        let rate = |end: u64| ((meter.cost(end).0 as f64 - rounding) / end as f64).max(0.0) / 1e6;
        ends.filter(|end| *end > 0).map(rate).fold(f64::INFINITY, f64::min)
    };
    problem.meters.iter().zip(&most).map(line).map(|s| if s.is_finite() { s } else { 0.0 }).collect()
}

/// Something that pods take of nodes, in whole or in units of a class.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Measure {
    resource: usize,
    /// Size of a unit; a pod or node counts for as many whole ones as it holds. 0 = not in units.
    unit: u64,
}

impl Measure {
    /// CPU and memory as such.
    pub(in super::super) fn divisible(&self) -> bool {
        self.resource < 2 && self.unit == 0
    }

    pub(in super::super) fn of(&self, size: &Resources) -> f64 {
        let amount = each(size)[self.resource];
        amount.checked_div(self.unit).unwrap_or(amount) as f64
    }
}

/// The resources that pods ask for, and classes of large pods. Whole units of a class are never
/// more together than what holds them: floors of sums are at least sums of floors.
fn measures(pods: &[(usize, &[PodGroup])], nodes: &[&Resources], fit: Fit) -> Vec<Measure> {
    let mut measures = Vec::new();
    for resource in 0..4 {
        let mut sizes: Vec<u64> = pods
            .iter()
            .flat_map(|(_, groups)| groups.iter())
            .filter(|g| g.count > 0)
            .map(|g| each(&g.size)[resource])
            .filter(|s| *s > 0)
            .collect();
        if sizes.is_empty() {
            continue;
        }
        let sum: f64 = pods
            .iter()
            .flat_map(|(_, groups)| groups.iter())
            .map(|g| each(&g.size)[resource] as f64 * f64::from(g.count))
            .sum();
        if nodes.iter().all(|n| each(n)[resource] as f64 >= sum) && resource == 3 {
            continue;
        }
        measures.push(Measure { resource, unit: 0 });
        if fit != Fit::Scheduler {
            let most = sizes.iter().max().copied().unwrap_or(0);
            let classes = pack::CLASSES.iter().filter(|(r, unit)| *r == resource && *unit <= most);
            measures.extend(classes.filter(|_| fit == Fit::Cover).map(|(_, unit)| Measure { resource, unit: *unit }));
            continue;
        }
        sizes.sort_unstable();
        sizes.dedup();
        let mut last = u64::MAX;
        let mut count = 0;
        for unit in sizes.into_iter().rev() {
            // Classes close together say the same, and so do units that fill nodes without a rest.
            let rest = nodes.iter().any(|n| !each(n)[resource].is_multiple_of(unit));
            if unit <= last / 3 * 2 && count < CLASSES && rest && resource < 2 {
                measures.push(Measure { resource, unit });
                last = unit;
                count += 1;
            }
        }
    }
    measures
}

impl Model {
    pub(super) fn column(&self, i: usize, l: usize) -> Option<usize> {
        self.at[i][l].map(|c| c as usize)
    }

    /// Nodes, opening, capacity and quota of one place.
    fn place(&mut self, problem: &Problem, domain: &Domain, l: usize) {
        let place = &problem.places[l];
        let tenants: Vec<usize> = (0..problem.components.len()).filter(|i| self.at[*i][l].is_some()).collect();
        if tenants.is_empty() {
            return;
        }
        let shared = |i: usize| match &problem.components[i].candidates[l] {
            Candidate::Allowed(Demand::Shared(groups)) => Some((i, groups.as_slice())),
            _ => None,
        };
        let pods: Vec<(usize, &[PodGroup])> = tenants.iter().filter_map(|i| shared(*i)).collect();
        let groups: Vec<&PodGroup> = pods.iter().flat_map(|(_, groups)| groups.iter()).collect();
        let quota = place.quota.as_ref().map(|q| &q.limit);
        let none = vec![0; place.offers.len()];
        let yard = Nodes { offers: &place.offers, free: &place.free, quota, reserved: &none, fit: problem.fit };
        let sunk: i64 = place.offers.iter().map(|o| o.price.times(u64::from(o.min)).0).fold(0, i64::saturating_add);
        let fee = dollars(place.entry().0.saturating_add(sunk));
        let sure = tenants.iter().any(|i| domain.marks[*i][l] == Mark::In);
        let open = (fee > 0.0).then(|| self.lp.column(fee, f64::from(u8::from(sure)), 1.0));
        if let Some(open) = open.filter(|_| !sure) {
            for i in &tenants {
                let link = self.column(*i, l).map(|c| (c, 1.0)).into_iter().chain([(open, -1.0)]);
                self.lp.row(link.collect::<Vec<_>>(), 0.0, f64::INFINITY);
            }
        }
        self.sites[l].open = open;
        let Some(most) = pack::most(&yard, &groups) else { return };
        let useful: Vec<usize> = (0..place.offers.len())
            .filter(|t| most[*t] > place.offers[*t].min)
            .filter(|t| {
                problem.fit != Fit::Scheduler || groups.iter().any(|g| pack::suits(g, *t, &place.offers[*t].usable))
            })
            .filter(|t| !dominated(problem, l, *t, &groups))
            .collect();
        self.sites[l].useful = useful.iter().map(|t| (*t, most[*t] - place.offers[*t].min)).collect();
        let first = self.lp.cost.len();
        self.sites[l].nodes = first;
        for t in &useful {
            let more = f64::from(most[*t] - place.offers[*t].min);
            self.lp.column(dollars(place.offers[*t].price.0), 0.0, more);
        }
        let nodes: Vec<&Resources> = useful.iter().map(|t| &place.offers[*t].usable).collect();
        let from = self.lp.limits.len();
        for measure in measures(&pods, &nodes, problem.fit) {
            // A class counts only pods that are as large; free room counts for all.
            let there = place.free.iter().map(|f| measure.of(f)).sum::<f64>()
                + place.offers.iter().map(|o| measure.of(&o.usable) * f64::from(o.min)).sum::<f64>();
            let takes = |groups: &[PodGroup]| groups.iter().map(|g| measure.of(&g.size) * f64::from(g.count)).sum();
            let mut entries: Vec<(usize, f64)> = pods
                .iter()
                .filter_map(|(i, groups)| Some((self.column(*i, l)?, takes(groups))))
                .filter(|(_, takes)| *takes > 0.0)
                .collect();
            self.sites[l].measures.push((measure, None));
            let whole = entries.iter().map(|(_, takes)| takes).sum::<f64>();
            if whole <= there && open.is_none() || entries.is_empty() {
                continue;
            }
            // Numbers near one make for quick solving.
            let unit = 1.0 / entries.iter().map(|(_, takes)| *takes).fold(0.0, f64::max);
            entries.iter_mut().for_each(|(_, takes)| *takes *= unit);
            let bought = useful.iter().zip(first..).map(|(t, c)| (c, -measure.of(&place.offers[*t].usable) * unit));
            entries.extend(bought.filter(|(_, holds)| *holds != 0.0));
            let limit = match open.filter(|_| there > 0.0) {
                Some(open) => {
                    entries.push((open, -there * unit));
                    0.0
                }
                None => there * unit,
            };
            if measure.unit > 0 {
                self.lp.spare.push(Spare { yard: self.lp.yards.len(), entries, limit });
                continue;
            }
            if let Some(last) = self.sites[l].measures.last_mut() {
                last.1 = Some(self.lp.limits.len());
            }
            self.lp.row(entries, limit, f64::INFINITY);
        }
        let rows = from..self.lp.limits.len();
        for resource in 0..4 {
            let Some(quota) = quota else { break };
            let limit = each(quota)[resource];
            let size = |t: usize| if resource == 3 { 1 } else { each(&place.offers[t].gross)[resource] };
            let all: u64 =
                useful.iter().fold(0, |sum, t| sum.saturating_add(size(*t).saturating_mul(u64::from(most[*t]))));
            let least: u64 = (0..place.offers.len())
                .fold(0, |sum, t| sum.saturating_add(size(t).saturating_mul(place.offers[t].min.into())));
            if limit >= all || limit == 0 {
                continue;
            }
            let left = limit.saturating_sub(least) as f64;
            let unit = useful.iter().map(|t| size(*t)).max().unwrap_or(1).max(1) as f64;
            let entries = useful.iter().zip(first..).map(|(t, c)| (c, size(*t) as f64 / unit));
            self.lp.row(entries.collect::<Vec<_>>(), left / unit, f64::INFINITY);
        }
        let quotas = rows.end..self.lp.limits.len();
        self.lp.yards.push(Yard { rows, cuts: Vec::new(), quotas, nodes: first..first + useful.len() });
    }
}

/// Whether another offer at the place is as large for every pod and not dearer; of equals the first stays.
fn dominated(problem: &Problem, l: usize, t: usize, groups: &[&PodGroup]) -> bool {
    let offers = &problem.places[l].offers;
    let quota = problem.places[l].quota.is_some();
    offers.iter().enumerate().any(|(u, other)| {
        u != t
            && other.max.is_none()
            && other.price <= offers[t].price
            && each(&other.usable).iter().zip(each(&offers[t].usable)).all(|(a, b)| *a >= b)
            && (!quota || other.gross == offers[t].gross)
            && groups.iter().all(|g| g.only.is_none())
            && (u < t || other.price < offers[t].price || other.usable != offers[t].usable)
    })
}
