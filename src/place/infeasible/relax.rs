//! A minimal set of lines that cannot be met together, and for each what would do instead.

use super::{
    super::{
        problem::{Limits, Problem},
        search,
    },
    Line, words,
};
use crate::quantity::Micros;

/// A user-facing constraint that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Latency bound of a flow.
    Latency(usize),
    /// A required group: component, group.
    Group(usize, usize),
    /// `instances.min` of a component beyond 1.
    Fewest(usize),
    /// `instances.max` of a component.
    Most(usize),
    /// Quota of a place.
    Quota(usize),
    /// `max` of an offer: place, offer.
    Nodes(usize, usize),
    /// A component stays where it runs.
    Pin(usize),
    /// What may not come together.
    Spread(usize),
}

/// Feasibility is asked often: each time with a small budget.
fn budget(limits: &Limits) -> Limits {
    Limits { nodes: (limits.nodes / 20).max(20), moves: (limits.moves / 20).max(500), gap_ppm: 0 }
}

/// All rules of a problem, the most negotiable last: those are kept in the conflict.
fn rules(problem: &Problem) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (l, place) in problem.places.iter().enumerate() {
        rules.extend(place.quota.iter().map(|_| Rule::Quota(l)));
        rules.extend((0..place.offers.len()).filter(|t| place.offers[*t].max.is_some()).map(|t| Rule::Nodes(l, t)));
    }
    for (i, component) in problem.components.iter().enumerate() {
        if component.pinned && !component.incumbent.is_empty() {
            rules.push(Rule::Pin(i));
        }
        rules.extend((0..component.groups.len()).map(|g| Rule::Group(i, g)));
        if component.min > 1 {
            rules.push(Rule::Fewest(i));
        }
        if (component.max as usize) < problem.places.len() {
            rules.push(Rule::Most(i));
        }
    }
    rules.extend((0..problem.spreads.len()).map(Rule::Spread));
    rules.extend(problem.flows.iter().enumerate().filter(|(_, f)| f.latency.is_some()).map(|(f, _)| Rule::Latency(f)));
    rules
}

/// The problem without some rules.
fn without(problem: &Problem, out: &[Rule]) -> Problem {
    let mut problem = problem.clone();
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for rule in out {
        match *rule {
            Rule::Latency(f) => problem.flows[f].latency = None,
            Rule::Group(i, g) => groups.push((i, g)),
            Rule::Fewest(i) => problem.components[i].min = 1,
            Rule::Most(i) => problem.components[i].max = u32::try_from(problem.places.len()).unwrap_or(u32::MAX),
            Rule::Quota(l) => problem.places[l].quota = None,
            Rule::Nodes(l, t) => problem.places[l].offers[t].max = None,
            Rule::Pin(i) => problem.components[i].pinned = false,
            Rule::Spread(s) => problem.spreads[s].most = u32::MAX,
        }
    }
    groups.sort_unstable();
    for (i, g) in groups.into_iter().rev() {
        problem.components[i].groups.remove(g);
    }
    problem
}

/// A minimal set of rules that cannot be met together; empty when what cannot be left out already
/// conflicts, or when nothing was proven.
pub(super) fn minimal(problem: &Problem, limits: &Limits) -> Vec<Line> {
    let limits = budget(limits);
    let refused = |out: &[Rule]| search::feasible(&without(problem, out), &limits) == Some(false);
    let rules = rules(problem);
    if rules.is_empty() || refused(&rules) {
        return Vec::new();
    }
    // Leave out what the conflict does not need: first by halves, then one by one.
    let mut out: Vec<Rule> = Vec::new();
    let mut kept: Vec<Rule> = rules;
    let mut chunk = kept.len().div_ceil(2);
    loop {
        let mut next = Vec::new();
        for part in kept.chunks(chunk) {
            let mut trial = out.clone();
            trial.extend(part);
            if refused(&trial) { out = trial } else { next.extend(part) }
        }
        kept = next;
        if chunk == 1 {
            break;
        }
        chunk = chunk.div_ceil(2);
    }
    kept.iter().map(|rule| line(problem, *rule, &limits)).collect()
}

/// A rule in words, with what would do instead.
fn line(problem: &Problem, rule: Rule, limits: &Limits) -> Line {
    let possible = |changed: &Problem| search::feasible(changed, limits) == Some(true);
    let place = |l: usize| &problem.places[l];
    match rule {
        Rule::Latency(f) => {
            let flow = &problem.flows[f];
            let bound = flow.latency.unwrap_or_default();
            let names = (&problem.components[flow.from].name, &problem.components[flow.to].name);
            // The least latency in the table that makes it possible, by halving.
            let mut steps: Vec<Micros> =
                problem.routes.iter().flatten().filter_map(|r| r.latency).filter(|l| *l >= bound).collect();
            steps.sort_unstable();
            steps.dedup();
            let with = |latency: Micros| {
                let mut changed = problem.clone();
                let more = u64::from(problem.strict_latency);
                changed.flows[f].latency = Some(Micros(latency.0 + more));
                possible(&changed)
            };
            let (mut low, mut high) = (0, steps.len());
            while low < high {
                let mid = usize::midpoint(low, high);
                if with(steps[mid]) { high = mid } else { low = mid + 1 }
            }
            let relax = steps.get(low).map(|l| {
                let than = if problem.strict_latency { "more than " } else { "" };
                format!("a latency of {than}{l}")
            });
            Line {
                text: format!("`{}` to `{}` within {}{bound}", names.0, names.1, words::than(problem)),
                origin: flow.origin.clone(),
                relax,
            }
        }
        Rule::Group(i, g) => {
            let component = &problem.components[i];
            let relax = possible(&without(problem, &[rule])).then(|| "leaving this group out".to_owned());
            let text = format!("`{}` requires {}", component.name, component.groups[g].text);
            Line { text, origin: component.groups[g].origin.clone(), relax }
        }
        Rule::Fewest(i) => {
            let component = &problem.components[i];
            let relax = (1..component.min).rev().find(|min| {
                let mut changed = problem.clone();
                changed.components[i].min = *min;
                possible(&changed)
            });
            Line {
                text: format!("`{}` runs in at least {} places", component.name, component.min),
                origin: component.origin.clone(),
                relax: relax.map(|min| format!("instances.min of {min}")),
            }
        }
        Rule::Most(i) => {
            let component = &problem.components[i];
            let most = u32::try_from(problem.places.len()).unwrap_or(u32::MAX);
            let relax = (component.max.saturating_add(1)..=most.min(component.max.saturating_add(4))).find(|max| {
                let mut changed = problem.clone();
                changed.components[i].max = *max;
                possible(&changed)
            });
            Line {
                text: format!("`{}` runs in at most {}", component.name, words::places(component.max)),
                origin: component.origin.clone(),
                relax: relax.map(|max| format!("instances.max of {max}")),
            }
        }
        Rule::Quota(l) => {
            let free = without(problem, &[rule]);
            let relax = possible(&free).then(|| words::quota_needed(&free, l, limits)).flatten();
            let quota = place(l).quota.as_ref();
            Line {
                text: format!("the quota of `{}`{}", place(l).name, quota.map(words::quota).unwrap_or_default()),
                origin: quota.map_or_else(|| place(l).origin.clone(), |q| q.origin.clone()),
                relax,
            }
        }
        Rule::Nodes(l, t) => {
            let offer = &place(l).offers[t];
            let max = offer.max.unwrap_or_default();
            let relax = (max.saturating_add(1)..=max.saturating_add(8)).find(|more| {
                let mut changed = problem.clone();
                changed.places[l].offers[t].max = Some(*more);
                possible(&changed)
            });
            Line {
                text: format!("at most {} of `{}` at `{}`", words::nodes(max), offer.name, place(l).name),
                origin: place(l).origin.clone(),
                relax: relax.map(|max| format!("a maximum of {max}")),
            }
        }
        Rule::Spread(s) => {
            let spread = &problem.spreads[s];
            let relax = (spread.most.saturating_add(1)..=spread.most.saturating_add(8)).find(|most| {
                let mut changed = problem.clone();
                changed.spreads[s].most = *most;
                possible(&changed)
            });
            Line {
                text: spread.text.clone(),
                origin: spread.origin.clone(),
                relax: relax.map(|most| format!("a `max` of {most}")),
            }
        }
        Rule::Pin(i) => {
            let component = &problem.components[i];
            let relax = possible(&without(problem, &[rule])).then(|| "letting it move".to_owned());
            Line { text: format!("`{}` stays where it runs", component.name), origin: component.origin.clone(), relax }
        }
    }
}
