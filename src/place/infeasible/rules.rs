//! Lines of the specs that may be left out or relaxed, one by one, and the problem without them.
//!
//! A rule is what a user wrote, not a row of the problem: what excludes places for a component is posed
//! anew without the line where the [`Model`] is at hand, as another line may exclude the same places.

use super::super::{
    formulate::{self, Present},
    problem::{Problem, Quota},
};
use crate::compile::model::Model;

/// A user-facing constraint that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::place) enum Rule {
    /// `location.permitted` of a component.
    Permitted(usize),
    /// `compute` of a component.
    Compute(usize),
    /// A tag that a component's places must carry: component, tag.
    Tag(usize, usize),
    /// A component stays where it runs.
    Pin(usize),
    /// Quota of a place.
    Quota(usize),
    /// `max` of an offer: place, offer.
    Nodes(usize, usize),
    /// A required group: component, group.
    Group(usize, usize),
    /// `instances.min` of a component beyond 1.
    Fewest(usize),
    /// `instances.max` of a component.
    Most(usize),
    /// What must not come together.
    Spread(usize),
    /// Bandwidth that a flow needs.
    Rate(usize),
    /// Latency bound of a flow.
    Latency(usize),
}

impl Rule {
    /// The component whose places this line narrows down.
    pub(super) fn narrows(self) -> Option<usize> {
        match self {
            Self::Permitted(i) | Self::Compute(i) | Self::Tag(i, _) => Some(i),
            _ => None,
        }
    }
}

/// The words that a problem was posed from.
#[derive(Clone, Copy, Debug)]
pub(in crate::place) struct Words<'a> {
    pub(in crate::place) model: &'a Model,
    pub(in crate::place) present: &'a Present,
    /// Places (indices) that take nothing, whatever the words say.
    pub(in crate::place) closed: &'a [usize],
}

/// A problem, and its words where they are known.
#[derive(Clone, Copy, Debug)]
pub(in crate::place) struct Posed<'a> {
    pub(in crate::place) problem: &'a Problem,
    pub(in crate::place) words: Option<Words<'a>>,
    /// This one is not the user's, and holds in any case.
    pub(in crate::place) holds: Option<Rule>,
}

impl Posed<'_> {
    /// All rules, the most negotiable last: those are kept in a conflict.
    pub(in crate::place) fn rules(&self) -> Vec<Rule> {
        let problem = self.problem;
        let places = problem.places.len();
        let mut rules = Vec::new();
        for (l, place) in problem.places.iter().enumerate() {
            rules.extend(place.quota.iter().map(|_| Rule::Quota(l)));
            rules.extend((0..place.offers.len()).filter(|t| place.offers[*t].max.is_some()).map(|t| Rule::Nodes(l, t)));
        }
        for (i, component) in problem.components.iter().enumerate() {
            if component.pinned && !component.incumbent.is_empty() {
                rules.push(Rule::Pin(i));
            }
            if let Some(words) = &self.words {
                let own = &words.model.components[i];
                rules.extend((!own.compute.is_empty() && !own.dedicated).then_some(Rule::Compute(i)));
                rules.extend((!own.permitted.is_empty()).then_some(Rule::Permitted(i)));
                rules.extend((0..own.attributes.len()).map(|k| Rule::Tag(i, k)));
            }
            rules.extend((0..component.groups.len()).map(|g| Rule::Group(i, g)));
            rules.extend((component.min > 1).then_some(Rule::Fewest(i)));
            rules.extend(((component.max as usize) < places).then_some(Rule::Most(i)));
        }
        rules.extend((0..problem.spreads.len()).map(Rule::Spread));
        let flows = || problem.flows.iter().enumerate();
        rules.extend(flows().filter(|(_, f)| f.rate.is_some()).map(|(f, _)| Rule::Rate(f)));
        rules.extend(flows().filter(|(_, f)| f.latency.is_some()).map(|(f, _)| Rule::Latency(f)));
        rules.retain(|rule| Some(*rule) != self.holds);
        rules
    }

    /// The problem without some rules.
    pub(in crate::place) fn without(&self, out: &[Rule]) -> Problem {
        let mut problem = self.problem.clone();
        let places = u32::try_from(problem.places.len()).unwrap_or(u32::MAX);
        let mut groups: Vec<(usize, usize)> = Vec::new();
        let mut spreads: Vec<usize> = Vec::new();
        for rule in out {
            match *rule {
                Rule::Latency(f) => problem.flows[f].latency = None,
                Rule::Rate(f) => problem.flows[f].rate = None,
                Rule::Group(i, g) => groups.push((i, g)),
                Rule::Fewest(i) => problem.components[i].min = 1,
                Rule::Most(i) => problem.components[i].max = places.max(problem.components[i].max),
                Rule::Quota(l) => problem.places[l].quota = None,
                Rule::Nodes(l, t) => problem.places[l].offers[t].max = None,
                Rule::Pin(i) => problem.components[i].pinned = false,
                Rule::Spread(s) => spreads.push(s),
                Rule::Permitted(i) | Rule::Compute(i) | Rule::Tag(i, _) => self.widen(&mut problem, i, out),
            }
        }
        groups.sort_unstable();
        for (i, g) in groups.into_iter().rev() {
            let component = &mut problem.components[i];
            // Where nothing else is written, as many instances are needed as there are groups.
            if component.min as usize == component.groups.len() {
                component.min = component.min.saturating_sub(1).max(1);
            }
            component.groups.remove(g);
        }
        spreads.sort_unstable();
        for s in spreads.into_iter().rev() {
            problem.spreads.remove(s);
        }
        problem
    }

    /// The candidates of a component without those of its lines that are out.
    fn widen(&self, problem: &mut Problem, i: usize, out: &[Rule]) {
        let Some(words) = &self.words else { return };
        let mut component = words.model.components[i].clone();
        if out.contains(&Rule::Permitted(i)) {
            component.permitted.clear();
        }
        if out.contains(&Rule::Compute(i)) {
            component.compute.clear();
        }
        let mut k = 0..;
        component.attributes.retain(|_| k.next().is_none_or(|k| !out.contains(&Rule::Tag(i, k))));
        let seconds = words.model.settings.horizon.seconds();
        let mut candidates = formulate::component(words.model, &component, words.present, seconds).candidates;
        for l in words.closed {
            candidates[*l].clone_from(&self.problem.components[i].candidates[*l]);
        }
        problem.components[i].candidates = candidates;
    }
}

/// A quota that these nodes would just keep.
pub(super) fn raised(quota: &Quota, taken: [u64; 4]) -> Quota {
    let mut quota = quota.clone();
    let limit = &mut quota.limit;
    for (limit, taken) in
        [&mut limit.milli_cpu, &mut limit.memory, &mut limit.gpus, &mut limit.pods].into_iter().zip(taken)
    {
        *limit = (*limit).max(taken);
    }
    quota
}
