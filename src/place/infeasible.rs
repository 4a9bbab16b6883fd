//! Why there is no placement: the constraints in conflict, in the words of the specs.
//!
//! What filtering shows is said from its log. What it does not show is found by leaving
//! constraints out one by one: what is left and cannot be met together is a minimal conflict. Every
//! way out is told with what the placement would cost then.

mod divide;
pub(super) mod relax;
pub(super) mod rules;
#[cfg(test)]
mod tests;
mod values;
mod words;

use super::{
    domain::{Dead, Domain, Mark, Why},
    problem::{Candidate, Flow, Limits, Problem},
    search::Refusal,
    site,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    money::MicroUsd,
    quantity::{BitRate, Micros},
};

/// There is no placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Infeasible {
    /// What cannot be met; several entries are alternatives of one explanation, never empty.
    pub conflicts: Vec<Conflict>,
    /// What would do, the cheapest first: each suffices.
    pub ways: Vec<Way>,
    /// What their costs are summed over; `None` = a month.
    pub over: Option<Micros>,
    /// Certain. Otherwise the work budget ended before a placement was found.
    pub proven: bool,
}

/// Constraints that cannot be met together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// No place is left for a component.
    NoPlace {
        /// Name of the component.
        component: String,
        /// Where it is written.
        origin: Origin,
        /// Every place with the reason that excludes it and its line.
        places: Vec<Removed>,
        /// Places it needs, `instances.min`.
        needed: u32,
    },
    /// Every place of a required group is outside what is permitted, or cannot serve it.
    RequiredOutside {
        /// Name of the component.
        component: String,
        /// The group in the words of the specs.
        group: String,
        /// Line of the group.
        origin: Origin,
        /// Why the places of the group are out.
        places: Vec<Removed>,
    },
    /// Fewer instances are allowed than required groups need.
    TooFewInstances {
        /// Name of the component.
        component: String,
        /// Where it is written.
        origin: Origin,
        /// `instances.max`.
        max: u32,
        /// Fewest instances that the groups need.
        needed: u32,
        /// The groups with their lines.
        groups: Vec<(String, Origin)>,
    },
    /// A flow's latency bound excludes all pairs of places.
    Latency {
        /// Names of source and target.
        from: String,
        /// Name of the target.
        to: String,
        /// Line of the flow.
        origin: Origin,
        /// Its bound.
        bound: Micros,
        /// Whether the bound itself is not allowed.
        strict: bool,
        /// The pair of places that is nearest, with its latency; `None` when no latency is known.
        nearest: Option<(String, String, Micros)>,
    },
    /// No way between places that a flow may have carries what it needs.
    Narrow {
        /// Name of the source.
        from: String,
        /// Name of the target.
        to: String,
        /// Line of the flow.
        origin: Origin,
        /// Bits a second that it needs.
        rate: u64,
        /// The pair of places with the widest way, with what it carries.
        widest: (String, String, u64),
    },
    /// A place, or all of them, cannot hold what is needed.
    Capacity {
        /// What does not fit, with its origin.
        components: Vec<(String, Origin)>,
        /// What is short: place, line of its quota if there is one, what is needed and what is
        /// allowed, in words.
        short: Vec<Shortage>,
    },
    /// The domains of a spread hold fewer instances than are needed.
    Crowded {
        /// The spread in the words of the specs.
        text: String,
        /// Its line.
        origin: Origin,
        /// Fewest instances of all its components.
        needed: u32,
        /// How many its domains hold.
        room: u32,
        /// The least `max` that would do; `None` when none would.
        relax: Option<u32>,
    },
    /// Several lines that cannot be met together, though each can without the others.
    Together {
        /// Lines in conflict: what each asks, its origin, and the value that would do, if one does.
        lines: Vec<Line>,
        /// None of them could be left out.
        minimal: bool,
    },
    /// The budget ended; nothing is known.
    Unknown,
}

/// A place that is out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Name of the place.
    pub place: String,
    /// One clause.
    pub reason: String,
    /// The line that excludes it.
    pub origin: Option<Origin>,
}

/// A place that is too small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Name of the place.
    pub place: String,
    /// Line of its quota, or of the place.
    pub origin: Origin,
    /// What is needed and what is allowed: `needs 8 CPU, the quota allows 6`.
    pub text: String,
}

/// One line of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it asks: `a -> b within 10ms`.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
}

/// Lines to relax so that there is a placement, as few as will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What to write in place of each line.
    pub steps: Vec<Step>,
    /// What the placement would cost over the horizon, where that is known.
    pub cost: Option<MicroUsd>,
}

/// One line to relax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do: ``allow a latency of 12ms from `a` to `b` ``.
    pub text: String,
    /// Where the line stands.
    pub origin: Origin,
}

impl Infeasible {
    /// Diagnostics SKY0401 to SKY0406, one for every conflict.
    pub fn to_diagnostics(&self) -> Vec<Diagnostic> {
        let ways = words::ways(self);
        self.conflicts.iter().map(|conflict| words::diagnostic(conflict, &ways)).collect()
    }
}

/// A name and its reason for being out, of one component at one place.
fn removed(problem: &Problem, domain: &Domain, i: usize, l: usize) -> Removed {
    let place = problem.places[l].name.clone();
    let component = &problem.components[i];
    let (reason, origin) = match domain.why[i][l] {
        Why::Excluded => match &component.candidates[l] {
            Candidate::Excluded(e) => (e.reason.clone(), e.origin.clone()),
            Candidate::Allowed(_) => ("not permitted".to_owned(), None),
        },
        Why::Pinned => ("it is kept where it runs".to_owned(), Some(component.origin.clone())),
        Why::NoRoom => {
            let short = words::shortage(problem, l, &[i]);
            (short.text, Some(short.origin))
        }
        Why::Flow(f) => {
            let flow = &problem.flows[f];
            let (other, forth) = if flow.from == i { (flow.to, true) } else { (flow.from, false) };
            if let Some(narrow) = narrow(problem, domain, flow, l, forth) {
                return Removed { place, reason: narrow, origin: Some(flow.origin.clone()) };
            }
            let nearest = nearest(problem, l, other, forth, |b| domain.why[other][b] != Why::Excluded);
            let bound = flow.latency.unwrap_or_default();
            let name = &problem.components[other].name;
            let text = match nearest {
                Some((latency, _)) => format!("{latency} to `{name}`, the flow allows {}{bound}", words::than(problem)),
                None => format!("no known latency to `{name}`, the flow allows {}{bound}", words::than(problem)),
            };
            (text, Some(flow.origin.clone()))
        }
        Why::Crowd(s) => (problem.spreads[s].text.clone(), Some(problem.spreads[s].origin.clone())),
        Why::Instances => ("its instances are needed elsewhere".to_owned(), Some(component.origin.clone())),
        Why::Decided => ("not possible with the rest".to_owned(), None),
    };
    Removed { place, reason, origin }
}

/// What is too narrow about all ways between a place and those of the other end that are near enough.
fn narrow(problem: &Problem, domain: &Domain, flow: &Flow, l: usize, forth: bool) -> Option<String> {
    let rate = flow.rate?;
    let other = if forth { flow.to } else { flow.from };
    let ends = |b: usize| if forth { (l, b) } else { (b, l) };
    let near = (0..problem.places.len()).filter(|b| {
        let (a, b) = (ends(*b).0, ends(*b).1);
        domain.why[other][if forth { b } else { a }] != Why::Excluded && problem.near(flow.latency, a, b)
    });
    let widest = near.map(|b| problem.routes[ends(b).0][ends(b).1].bandwidth.unwrap_or(u64::MAX)).max()?;
    let name = &problem.components[other].name;
    (widest < rate).then(|| format!("too narrow: {} of {} to `{name}`", BitRate(widest), BitRate(rate)))
}

/// The least latency between a place and those of another component.
fn nearest(
    problem: &Problem,
    l: usize,
    other: usize,
    forth: bool,
    counts: impl Fn(usize) -> bool,
) -> Option<(Micros, usize)> {
    (0..problem.places.len())
        .filter(|b| counts(*b) && matches!(problem.components[other].candidates[*b], Candidate::Allowed(_)))
        .filter_map(|b| {
            let route = if forth { &problem.routes[l][b] } else { &problem.routes[b][l] };
            route.latency.map(|latency| (latency, b))
        })
        .min()
}

/// Why there is no placement, with what would do.
pub(super) fn explain(
    problem: &Problem,
    refusal: Refusal,
    limits: &Limits,
    words: Option<rules::Words<'_>>,
) -> Infeasible {
    if !refusal.proven {
        return Infeasible { conflicts: vec![Conflict::Unknown], ways: Vec::new(), over: None, proven: false };
    }
    let asker = relax::Asker::new(problem, words, limits);
    let conflict = asker.conflict(&[]);
    let minimal = asker.sure();
    let (lines, ways) = asker.told(&conflict);
    let together = |lines: Vec<Line>| match lines.is_empty() {
        true => hard(problem),
        false => Conflict::Together { lines, minimal },
    };
    let conflict = plain(problem).unwrap_or_else(|| together(lines));
    Infeasible { conflicts: vec![conflict], ways, over: None, proven: true }
}

/// What one component cannot do all by itself, or one flow: that is said in words of its own.
fn plain(problem: &Problem) -> Option<Conflict> {
    let mut domain = Domain::new(problem);
    let i = match domain.propagate(problem).err()? {
        Dead::Few(i) | Dead::Group(i, _) | Dead::Many(i) => i,
        Dead::Crowd(s) => problem.spreads[s].components[0],
    };
    let mut all = std::iter::once(i).chain(0..problem.components.len());
    all.find_map(|k| alone(problem, k)).or_else(|| latency(problem)).or_else(|| crowded(problem))
}

/// A conflict in which no line of the user's takes part.
fn hard(problem: &Problem) -> Conflict {
    let mut domain = Domain::new(problem);
    let Err(Dead::Few(i) | Dead::Group(i, _) | Dead::Many(i)) = domain.propagate(problem) else {
        return room(problem);
    };
    let component = &problem.components[i];
    let out = (0..problem.places.len()).filter(|l| domain.marks[i][*l] == Mark::Out);
    Conflict::NoPlace {
        component: component.name.clone(),
        origin: component.origin.clone(),
        places: out.map(|l| removed(problem, &domain, i, l)).collect(),
        needed: component.min,
    }
}

/// The conflict of one component with itself: its candidates, groups, instances and size.
fn alone(problem: &Problem, i: usize) -> Option<Conflict> {
    let component = &problem.components[i];
    let mut domain = Domain::new(problem);
    let name = component.name.clone();
    let list = |domain: &Domain, among: &dyn Fn(usize) -> bool| -> Vec<Removed> {
        let out = (0..problem.places.len()).filter(|l| among(*l) && domain.marks[i][*l] == Mark::Out);
        out.map(|l| removed(problem, domain, i, l)).collect()
    };
    for group in &component.groups {
        if group.places.iter().all(|l| domain.marks[i][*l] == Mark::Out) {
            return Some(Conflict::RequiredOutside {
                component: name,
                group: group.text.clone(),
                origin: group.origin.clone(),
                places: list(&domain, &|l| group.places.contains(&l)),
            });
        }
    }
    if domain.possible(i).count() < component.min as usize {
        let left: Vec<usize> = domain.possible(i).collect();
        let refused: Vec<usize> = (0..problem.places.len()).filter(|l| domain.why[i][*l] == Why::NoRoom).collect();
        if left.is_empty() && component.min == 1 && !refused.is_empty() {
            return Some(Conflict::Capacity {
                components: vec![(name, component.origin.clone())],
                short: refused.iter().map(|l| words::shortage(problem, *l, &[i])).collect(),
            });
        }
        return Some(Conflict::NoPlace {
            component: name,
            origin: component.origin.clone(),
            places: list(&domain, &|_| true),
            needed: component.min,
        });
    }
    let needed = hitting(
        &component
            .groups
            .iter()
            .map(|g| g.places.iter().copied().filter(|l| domain.marks[i][*l] != Mark::Out).collect())
            .collect::<Vec<Vec<usize>>>(),
    );
    if needed > component.max {
        return Some(Conflict::TooFewInstances {
            component: name,
            origin: component.origin.clone(),
            max: component.max,
            needed,
            groups: component.groups.iter().map(|g| (g.text.clone(), g.origin.clone())).collect(),
        });
    }
    // Anything else that this component alone does not survive, such as a pin.
    let mut lonely = problem.clone();
    lonely.flows.clear();
    lonely.spreads.clear();
    match domain.propagate(&lonely) {
        Err(Dead::Few(k) | Dead::Group(k, _) | Dead::Many(k)) if k == i => Some(Conflict::NoPlace {
            component: name,
            origin: component.origin.clone(),
            places: list(&domain, &|_| true),
            needed: component.min,
        }),
        _ => None,
    }
}

/// Fewest places that meet all groups.
fn hitting(groups: &[Vec<usize>]) -> u32 {
    let Some((first, rest)) = groups.split_first() else { return 0 };
    first
        .iter()
        .map(|l| {
            let rest: Vec<Vec<usize>> = rest.iter().filter(|g| !g.contains(l)).cloned().collect();
            1 + hitting(&rest)
        })
        .min()
        .unwrap_or(u32::MAX / 2)
}

/// A flow whose bound no pair of places keeps that its two components may have.
fn latency(problem: &Problem) -> Option<Conflict> {
    let domain = Domain::new(problem);
    for flow in &problem.flows {
        let mut best: Option<(Micros, usize, usize)> = None;
        let mut widest: Option<(u64, usize, usize)> = None;
        let (mut kept, mut near, mut wide) = (false, false, false);
        for a in domain.possible(flow.from) {
            for b in domain.possible(flow.to) {
                kept |= problem.reaches(flow, a, b);
                near |= problem.near(flow.latency, a, b);
                wide |= problem.wide(flow.rate, a, b);
                if let Some(carries) = problem.routes[a][b].bandwidth
                    && widest.is_none_or(|(most, ..)| carries > most)
                {
                    widest = Some((carries, a, b));
                }
                if let Some(latency) = problem.routes[a][b].latency
                    && best.is_none_or(|(least, ..)| latency < least)
                {
                    best = Some((latency, a, b));
                }
            }
        }
        let name = |l: usize| problem.places[l].name.clone();
        // Where each bound could be kept without the other, both are told together.
        if kept || near && wide {
            continue;
        }
        if let (false, Some(rate), Some((carries, a, b))) = (wide, flow.rate, widest) {
            return Some(Conflict::Narrow {
                from: problem.components[flow.from].name.clone(),
                to: problem.components[flow.to].name.clone(),
                origin: flow.origin.clone(),
                rate,
                widest: (name(a), name(b), carries),
            });
        }
        if let Some(bound) = flow.latency {
            return Some(Conflict::Latency {
                from: problem.components[flow.from].name.clone(),
                to: problem.components[flow.to].name.clone(),
                origin: flow.origin.clone(),
                bound,
                strict: problem.strict_latency,
                nearest: best.map(|(latency, a, b)| (name(a), name(b), latency)),
            });
        }
    }
    None
}

/// A spread whose domains hold too few, whatever else is true.
fn crowded(problem: &Problem) -> Option<Conflict> {
    let domain = Domain::new(problem);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    for spread in &problem.spreads {
        let needed: usize = spread.components.iter().map(|i| problem.components[*i].min as usize).sum();
        let open = |places: &[usize]| -> usize {
            let possible = |i: &usize| places.iter().filter(|l| domain.marks[*i][**l] != Mark::Out).count();
            spread.components.iter().map(possible).sum()
        };
        let all: usize = spread.components.iter().map(|i| domain.possible(*i).count()).sum();
        let within: usize = spread.domains.iter().map(|d| open(d)).sum();
        let room = |most: usize| all - within + spread.domains.iter().map(|d| open(d).min(most)).sum::<usize>();
        let most = spread.most as usize;
        let largest = spread.domains.iter().map(|d| open(d)).max().unwrap_or(0);
        if room(most) < needed {
            return Some(Conflict::Crowded {
                text: spread.text.clone(),
                origin: spread.origin.clone(),
                needed: number(needed),
                room: number(room(most)),
                relax: (most + 1..=needed.min(largest)).find(|most| room(*most) >= needed).map(number),
            });
        }
    }
    None
}

/// All components together against all places: for want of a better word.
fn room(problem: &Problem) -> Conflict {
    let all: Vec<usize> = (0..problem.components.len()).collect();
    Conflict::Capacity {
        components: problem.components.iter().map(|c| (c.name.clone(), c.origin.clone())).collect(),
        short: (0..problem.places.len())
            .filter(|l| {
                let here: Vec<usize> = all.iter().copied().filter(|i| !site::hopeless(problem, *l, *i)).collect();
                !here.is_empty()
            })
            .map(|l| words::shortage(problem, l, &all))
            .collect(),
    }
}
