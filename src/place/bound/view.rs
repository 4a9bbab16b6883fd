//! A relaxation seen from one domain: what is possible there, laid out for many evaluations.

use super::{
    super::{
        domain::{Domain, Mark},
        evaluate::pinned,
        problem::Component,
    },
    Found, Prices, Relaxation, Tariff,
    deep::MOST,
    safe,
};
use crate::money::MicroUsd;

/// One flow between possible places.
#[derive(Debug)]
struct Pairs {
    flow: usize,
    from: usize,
    to: usize,
    sources: Vec<usize>,
    targets: Vec<usize>,
    /// Least cost by source, then target; infinite where latency forbids.
    costs: Vec<f64>,
    /// Instances of the source, least and most.
    least: usize,
    most: usize,
    /// The target has exactly one instance.
    single: bool,
}

/// One place with the components that may run there.
#[derive(Debug)]
struct Spot {
    sure: Vec<usize>,
    open: Vec<usize>,
    /// By subset of `open`, with all of `sure`; empty for loose places.
    costs: Vec<f64>,
}

/// A domain ready for evaluations.
#[derive(Debug)]
pub(in super::super) struct View {
    components: usize,
    places: usize,
    flows: usize,
    marks: Vec<Vec<Mark>>,
    spots: Vec<Spot>,
    pairs: Vec<Pairs>,
    /// Indices of `pairs` by source and by target component.
    sends: Vec<Vec<usize>>,
    receives: Vec<Vec<usize>>,
    /// By component and place: what is disliked, in micro-dollars.
    dislike: Vec<f64>,
    /// Transfer that is certain in this domain.
    certain: f64,
    /// Search places with many components exactly, which costs time.
    deep: bool,
}

/// Forced costs of deciding one component at one place: a bound if it runs there, and if it does not.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Forced {
    pub(in super::super) component: usize,
    pub(in super::super) place: usize,
    pub(in super::super) inside: MicroUsd,
    pub(in super::super) outside: MicroUsd,
}

impl View {
    pub(in super::super) fn new(relaxation: &Relaxation<'_>, domain: &Domain, deep: bool) -> Self {
        let problem = relaxation.problem;
        let places = problem.places.len();
        let mut view = Self {
            components: problem.components.len(),
            places,
            flows: problem.flows.len(),
            marks: domain.marks.clone(),
            spots: Vec::with_capacity(places),
            pairs: Vec::new(),
            sends: vec![Vec::new(); problem.components.len()],
            receives: vec![Vec::new(); problem.components.len()],
            dislike: problem.components.iter().flat_map(|c| (0..places).map(|l| c.disliked(l).0 as f64)).collect(),
            certain: 0.0,
            deep,
        };
        for l in 0..places {
            view.spots.push(spot(relaxation, domain, l));
        }
        view.lay_out_flows(relaxation, domain);
        view
    }

    pub(super) fn is_deep(&self) -> bool {
        self.deep
    }

    /// Prices of zero in the right shape.
    pub(super) fn blank(&self) -> Prices {
        Prices { share: vec![0.0; self.components * self.places], send: vec![0.0; self.flows * self.places] }
    }

    /// Splits flows into what is certain and what depends, with a linear price for the latter.
    fn lay_out_flows(&mut self, relaxation: &Relaxation<'_>, domain: &Domain) {
        let problem = relaxation.problem;
        let mut sure = vec![0_u64; problem.meters.len()];
        let mut maybe = vec![0_u64; problem.meters.len()];
        let mut certain = vec![false; problem.flows.len()];
        for (f, flow) in problem.flows.iter().enumerate() {
            let mut meters: Vec<Option<usize>> = Vec::new();
            for a in domain.possible(flow.from) {
                for b in domain.possible(flow.to).filter(|b| problem.reaches(flow, a, *b)) {
                    let meter = relaxation.haul.meter(a, b);
                    if !meters.contains(&meter) {
                        meters.push(meter);
                    }
                }
            }
            let (fewest, most) = number(&problem.components[flow.from], &domain.marks[flow.from]);
            certain[f] = meters.len() <= 1 && fewest == most || flow.bytes == 0;
            for m in meters.into_iter().flatten() {
                let bytes = problem.most_bytes(flow, most);
                let sum = if certain[f] { &mut sure[m] } else { &mut maybe[m] };
                *sum = sum.saturating_add(bytes);
            }
        }
        // The least price per byte beyond what is certain: a line below the meter's cost.
        let slopes: Vec<f64> = problem
            .meters
            .iter()
            .zip(sure.iter().zip(&maybe))
            .map(|(meter, (sure, maybe))| {
                let base = meter.cost(*sure).0;
                let rounding = i64::try_from(meter.tiers.len()).unwrap_or(i64::MAX).saturating_add(1);
                let ends = meter.tiers.iter().filter_map(|t| t.up_to).filter(|end| *end > *sure);
                let beyond = ends.map(|end| end - sure).filter(|r| r < maybe).chain([*maybe]);
                beyond
                    .filter(|r| *r > 0)
                    .map(|r| {
                        let more = meter.cost(sure.saturating_add(r)).0.saturating_sub(base).saturating_sub(rounding);
                        more.max(0) as f64 / r as f64
                    })
                    .fold(f64::INFINITY, f64::min)
            })
            .map(|slope| if slope.is_finite() { slope } else { 0.0 })
            .collect();
        self.certain = problem.meters.iter().zip(&sure).map(|(m, b)| m.cost(*b).0).sum::<i64>() as f64;
        // Small volumes may round to nothing, below the line.
        let rounded = problem.meters.iter().zip(&maybe).filter(|(_, maybe)| **maybe > 0);
        self.certain -= rounded.map(|(m, _)| m.tiers.len() as f64 + 1.0).sum::<f64>();
        for (f, flow) in problem.flows.iter().enumerate() {
            let sources: Vec<usize> = domain.possible(flow.from).collect();
            let targets: Vec<usize> = domain.possible(flow.to).collect();
            let mut costs = Vec::with_capacity(sources.len() * targets.len());
            for a in &sources {
                for b in &targets {
                    costs.push(if !problem.reaches(flow, *a, *b) {
                        f64::INFINITY
                    } else if certain[f] {
                        0.0
                    } else {
                        relaxation.haul.meter(*a, *b).map_or(0.0, |m| slopes[m] * problem.bytes(flow, *a) as f64)
                    });
                }
            }
            if costs.iter().all(|c| *c == 0.0) || flow.from == flow.to {
                continue;
            }
            let (least, most) = number(&problem.components[flow.from], &domain.marks[flow.from]);
            let single = number(&problem.components[flow.to], &domain.marks[flow.to]) == (1, 1);
            self.sends[flow.from].push(self.pairs.len());
            self.receives[flow.to].push(self.pairs.len());
            self.pairs.push(Pairs {
                flow: f,
                from: flow.from,
                to: flow.to,
                sources,
                targets,
                costs,
                least,
                most,
                single,
            });
        }
    }

    /// What a component pays at each place before flows: its share, and what is disliked.
    fn unary(&self, prices: &Prices) -> Vec<f64> {
        prices.share.iter().zip(&self.dislike).map(|(share, dislike)| share + dislike).collect()
    }

    /// The bound at these prices; `slope` becomes a direction in which it rises.
    pub(super) fn evaluate(&self, relaxation: &Relaxation<'_>, prices: &Prices, slope: &mut Prices) -> Found {
        let places = self.places;
        slope.share.fill(0.0);
        slope.send.fill(0.0);
        let (mut bound, mut scale) = (self.certain, self.certain);
        let mut impossible = false;
        let mut unary = self.unary(prices);
        let mut takers: Vec<Vec<Vec<usize>>> = Vec::with_capacity(self.pairs.len());
        for pairs in &self.pairs {
            takers.push(pairs.charge(prices, &mut unary, places));
        }
        let mut chosen = Vec::with_capacity(self.components);
        for i in 0..self.components {
            let (cost, set) = self.pick(relaxation, i, &unary[i * places..(i + 1) * places], None);
            impossible |= cost == f64::INFINITY;
            bound += cost;
            scale += cost.abs() + unary[i * places..(i + 1) * places].iter().fold(0.0, |m: f64, u| m.max(u.abs()));
            for l in &set {
                slope.share[i * places + l] += 1.0;
            }
            chosen.push(set);
        }
        for (pairs, takers) in self.pairs.iter().zip(&takers) {
            for a in &chosen[pairs.from] {
                slope.send[pairs.flow * places + a] += 1.0;
            }
            for (k, b) in pairs.targets.iter().enumerate() {
                if chosen[pairs.to].contains(b) {
                    for a in &takers[k] {
                        slope.send[pairs.flow * places + a] -= 1.0;
                    }
                }
            }
        }
        let mut serve = vec![0.0; self.components];
        for (l, spot) in self.spots.iter().enumerate() {
            serve.fill(0.0);
            let cost = self.serve(relaxation, l, spot, prices, &mut serve);
            impossible |= cost == f64::INFINITY;
            bound += cost;
            scale += cost.abs();
            for i in spot.sure.iter().chain(&spot.open) {
                slope.share[i * places + l] -= serve[*i];
            }
        }
        if impossible {
            bound = f64::INFINITY;
        } else if bound.is_nan() {
            // Prices out of range prove nothing.
            bound = f64::NEG_INFINITY;
        }
        Found { bound, scale, chosen }
    }

    /// Least charge less offers of one place; `serve` by component.
    fn serve(&self, relaxation: &Relaxation<'_>, l: usize, spot: &Spot, prices: &Prices, serve: &mut [f64]) -> f64 {
        let offer = |i: usize| prices.share[i * self.places + l];
        match &relaxation.tariffs[l] {
            Tariff::Loose(loose, deep) => {
                let tenants = &relaxation.tenants[l];
                let offers: Vec<f64> = tenants.iter().map(|i| offer(*i)).collect();
                let marks: Vec<Mark> = tenants.iter().map(|i| self.marks[*i][l]).collect();
                let mut parts = vec![0.0; tenants.len()];
                let least = loose.least(&offers, &marks, &mut parts);
                let nothing = parts.iter().zip(&marks).all(|(part, mark)| *part == 0.0 && *mark != Mark::In);
                if self.deep && tenants.len() <= MOST && !nothing {
                    let mut deep = deep.borrow_mut();
                    let (exact, set, looked) = deep.least(relaxation.problem, l, tenants, loose, &offers, &marks);
                    relaxation.looked.set(relaxation.looked.get() + u64::from(looked));
                    // A search cut short has a bound but no set: the loose one shows the way.
                    for (k, i) in tenants.iter().enumerate() {
                        serve[*i] = set.map_or(parts[k], |set| f64::from(set >> k & 1 == 1));
                    }
                    return if set.is_some() { exact } else { exact.max(least) };
                }
                for (i, part) in tenants.iter().zip(parts) {
                    serve[*i] = part;
                }
                least
            }
            Tariff::Exact(_) => {
                let fixed: f64 = spot.sure.iter().map(|i| offer(*i)).sum();
                let sums = sums(&spot.open, offer);
                let (mut best, mut at) = (f64::INFINITY, 0);
                for (mask, (cost, sum)) in spot.costs.iter().zip(&sums).enumerate() {
                    let net = cost - sum;
                    if net < best {
                        (best, at) = (net, mask);
                    }
                }
                for i in &spot.sure {
                    serve[*i] = 1.0;
                }
                for (k, i) in spot.open.iter().enumerate() {
                    serve[*i] = f64::from(at >> k & 1 == 1);
                }
                best - fixed
            }
        }
    }

    /// The cheapest set of places for a component, with one place forced in or out. Where sets are
    /// not listed, groups are left aside: still a bound.
    fn pick(
        &self,
        relaxation: &Relaxation<'_>,
        i: usize,
        unary: &[f64],
        force: Option<(usize, bool)>,
    ) -> (f64, Vec<usize>) {
        let component = &relaxation.problem.components[i];
        let mark = |l: usize| match force {
            Some((place, inside)) if place == l => {
                if inside {
                    Mark::In
                } else {
                    Mark::Out
                }
            }
            _ => self.marks[i][l],
        };
        let stay = &component.incumbent;
        let moving = if stay.is_empty() || pinned(component) { 0.0 } else { relaxation.problem.move_cost.0 as f64 };
        let mut best = (f64::INFINITY, Vec::new());
        if component.max == 1 {
            let sure = (0..self.places).filter(|l| mark(*l) == Mark::In).count();
            let mut at = None;
            for (l, price) in unary.iter().enumerate() {
                let fits = match mark(l) {
                    Mark::Out => false,
                    Mark::Free => sure == 0,
                    Mark::In => sure == 1,
                };
                let cost = price + if stay.as_slice() == [l] { 0.0 } else { moving };
                if fits && cost < best.0 {
                    best.0 = cost;
                    at = Some(l);
                }
            }
            best.1.extend(at);
            return best;
        }
        let fits = |set: &[usize]| {
            (0..self.places).all(|l| match mark(l) {
                Mark::Out => !set.contains(&l),
                Mark::In => set.contains(&l),
                Mark::Free => true,
            })
        };
        if let Some(sets) = &relaxation.sets[i] {
            let mut at = None;
            for (k, set) in sets.iter().enumerate() {
                let cost = set.iter().map(|l| unary[*l]).sum::<f64>() + if set == stay { 0.0 } else { moving };
                if cost < best.0 && fits(set) {
                    best.0 = cost;
                    at = Some(k);
                }
            }
            best.1 = at.map(|k| sets[k].clone()).unwrap_or_default();
            return best;
        }
        let mut set: Vec<usize> = (0..self.places).filter(|l| mark(*l) == Mark::In).collect();
        let mut open: Vec<usize> = (0..self.places).filter(|l| mark(*l) == Mark::Free).collect();
        open.sort_by(|a, b| unary[*a].total_cmp(&unary[*b]).then(a.cmp(b)));
        for l in open {
            if set.len() < component.min as usize || set.len() < component.max as usize && unary[l] < 0.0 {
                set.push(l);
            }
        }
        if set.len() < component.min as usize || set.len() > component.max as usize {
            return best;
        }
        set.sort_unstable();
        let cost = |set: &[usize]| set.iter().map(|l| unary[*l]).sum::<f64>();
        best = (cost(&set) + moving, set);
        if moving > 0.0 && fits(stay) && cost(stay) < best.0 {
            best = (cost(stay), stay.clone());
        }
        best
    }

    /// Bounds of deciding every open component and place either way, at these prices.
    pub(in super::super) fn forced(&self, relaxation: &Relaxation<'_>, prices: &Prices) -> Vec<Forced> {
        let places = self.places;
        // What one decision changes at a place is bounded without a deep search.
        let mut slope = self.blank();
        let found = self.evaluate(relaxation, prices, &mut slope);
        let mut unary = self.unary(prices);
        for pairs in &self.pairs {
            pairs.charge(prices, &mut unary, places);
        }
        let mut all = Vec::new();
        let picks: Vec<f64> = (0..self.components)
            .map(|i| self.pick(relaxation, i, &unary[i * places..(i + 1) * places], None).0)
            .collect();
        let mut serve = vec![0.0; self.components];
        for (l, spot) in self.spots.iter().enumerate() {
            let loose = matches!(relaxation.tariffs[l], Tariff::Loose(..));
            let offer = |i: usize| prices.share[i * places + l];
            let least = self.serve(relaxation, l, spot, prices, &mut serve);
            let fixed: f64 = spot.sure.iter().map(|i| offer(*i)).sum();
            let mut with = vec![f64::INFINITY; spot.open.len()];
            let mut without = with.clone();
            if !loose {
                let sums = sums(&spot.open, offer);
                for (mask, (cost, sum)) in spot.costs.iter().zip(&sums).enumerate() {
                    for k in 0..spot.open.len() {
                        let side = if mask >> k & 1 == 1 { &mut with[k] } else { &mut without[k] };
                        *side = side.min(cost - sum - fixed);
                    }
                }
            }
            if loose && let Tariff::Loose(tariff, _) = &relaxation.tariffs[l] {
                let tenants = &relaxation.tenants[l];
                let offers: Vec<f64> = tenants.iter().map(|i| offer(*i)).collect();
                let mut marks: Vec<Mark> = tenants.iter().map(|i| self.marks[*i][l]).collect();
                let mut parts = vec![0.0; tenants.len()];
                for (k, i) in spot.open.iter().enumerate() {
                    let Ok(at) = tenants.binary_search(i) else { continue };
                    marks[at] = Mark::In;
                    with[k] = tariff.least(&offers, &marks, &mut parts);
                    // Leaving out one that is not served anyway changes nothing.
                    marks[at] = Mark::Out;
                    without[k] = if serve[*i] > 0.0 { tariff.least(&offers, &marks, &mut parts) } else { least };
                    marks[at] = Mark::Free;
                }
            }
            for (k, i) in spot.open.iter().enumerate() {
                let row = &unary[i * places..(i + 1) * places];
                let (more_in, more_out) = (with[k] - least, without[k] - least);
                let decide = |inside: bool, more: f64| {
                    let (cost, _) = self.pick(relaxation, *i, row, Some((l, inside)));
                    let never = cost == f64::INFINITY || more == f64::INFINITY;
                    let total = found.bound + (cost - picks[*i]).max(0.0) + more.max(0.0);
                    safe(if never { f64::INFINITY } else { total }, found.scale)
                };
                all.push(Forced {
                    component: *i,
                    place: l,
                    inside: decide(true, more_in),
                    outside: decide(false, more_out),
                });
            }
        }
        all
    }

    /// Size of one evaluation, for work budgets.
    pub(in super::super) fn work(&self) -> u64 {
        let spots: usize =
            self.spots.iter().map(|s| if s.costs.is_empty() { 600 * s.open.len() } else { s.costs.len() }).sum();
        let pairs: usize = self.pairs.iter().map(|p| 2 * p.costs.len()).sum();
        (spots + pairs + self.components * self.places) as u64
    }
}

/// Sums of offers over all subsets.
fn sums(open: &[usize], offer: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; 1 << open.len()];
    for (k, i) in open.iter().enumerate() {
        let (done, rest) = sums.split_at_mut(1 << k);
        let more = offer(*i);
        for (to, from) in rest.iter_mut().zip(done) {
            *to = *from + more;
        }
    }
    sums
}

/// Least and most instances that marks leave.
fn number(component: &Component, marks: &[Mark]) -> (usize, usize) {
    let sure = marks.iter().filter(|m| **m == Mark::In).count();
    let possible = marks.iter().filter(|m| **m != Mark::Out).count();
    ((component.min as usize).max(sure), (component.max as usize).min(possible))
}

/// A place restricted to the domain.
fn spot(relaxation: &Relaxation<'_>, domain: &Domain, l: usize) -> Spot {
    let (mut sure, mut open) = (Vec::new(), Vec::new());
    let (mut base, mut bits) = (0_usize, Vec::new());
    for (k, i) in relaxation.tenants[l].iter().enumerate() {
        match domain.marks[*i][l] {
            Mark::Out => {}
            Mark::In => {
                sure.push(*i);
                base |= 1 << k;
            }
            Mark::Free => {
                open.push(*i);
                bits.push(1_usize << k);
            }
        }
    }
    let costs = match &relaxation.tariffs[l] {
        Tariff::Loose(..) => Vec::new(),
        Tariff::Exact(all) => {
            let mut masks = vec![base; 1 << open.len()];
            for (k, bit) in bits.iter().enumerate() {
                let (done, rest) = masks.split_at_mut(1 << k);
                for (to, from) in rest.iter_mut().zip(done) {
                    *to = *from | bit;
                }
            }
            masks.into_iter().map(|mask| all[mask]).collect()
        }
    };
    Spot { sure, open, costs }
}

impl Pairs {
    /// Moves the flow's cost onto its ends: sources pay `send`, targets give back what that is too
    /// much. Adds both to `unary`; says for every target which sources it counted.
    fn charge(&self, prices: &Prices, unary: &mut [f64], places: usize) -> Vec<Vec<usize>> {
        let send = &prices.send[self.flow * places..(self.flow + 1) * places];
        for a in &self.sources {
            unary[self.from * places + a] += send[*a];
        }
        let mut takers = Vec::with_capacity(self.targets.len());
        let mut gains: Vec<(f64, usize)> = Vec::with_capacity(self.sources.len());
        for (k, b) in self.targets.iter().enumerate() {
            // A lone target serves all instances of the source, however little it likes them.
            let must = if self.single { self.least } else { 0 };
            let gain_of = |s: usize| send[self.sources[s]] - self.costs[s * self.targets.len() + k];
            if self.most == 1 {
                let mut best = (f64::NEG_INFINITY, 0);
                for s in 0..self.sources.len() {
                    let gain = gain_of(s);
                    if gain > best.0 {
                        best = (gain, s);
                    }
                }
                let counted = best.0 > 0.0 || must > 0 && best.0.is_finite();
                if counted {
                    unary[self.to * places + b] -= best.0;
                }
                takers.push(if counted { vec![self.sources[best.1]] } else { Vec::new() });
                continue;
            }
            gains.clear();
            gains.extend((0..self.sources.len()).map(|s| (gain_of(s), s)).filter(|(g, _)| g.is_finite()));
            gains.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
            let mut counted = Vec::new();
            for (n, (gain, s)) in gains.iter().enumerate().take(self.most) {
                if n < must || *gain > 0.0 {
                    unary[self.to * places + b] -= gain;
                    counted.push(self.sources[*s]);
                }
            }
            takers.push(counted);
        }
        takers
    }
}
