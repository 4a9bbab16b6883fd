//! Rules in words, and the values that would do in their place: the least that suffices, and what the
//! placement would then cost.

use super::{
    super::{
        problem::{Candidate, Exclusion, Problem, Solution},
        search,
    },
    Line, Step, Way,
    relax::Asker,
    rules::{Posed, Rule, raised},
    words,
};
use crate::{
    compile::model::PlaceFilter,
    diagnostic::Origin,
    quantity::{BitRate, Micros, counted},
};

/// Values next to the one that is written that are tried for a number of nodes or instances.
const NEXT: u32 = 8;

/// Places that one line lists.
const MOST_PLACES: usize = 4;

/// A rule in words.
pub(super) fn line(posed: &Posed<'_>, rule: Rule) -> Line {
    let problem = posed.problem;
    let name = |i: usize| &problem.components[i].name;
    let text = match rule {
        Rule::Permitted(i) => {
            let words = posed.words.map(|w| {
                let all: Vec<&str> = w.model.components[i].permitted.iter().map(|f| f.text.as_str()).collect();
                match all.len().saturating_sub(MOST_PLACES) {
                    0 => all.join(" or "),
                    n => format!("{} or {n} more", all[..MOST_PLACES].join(", ")),
                }
            });
            format!("`{}` is permitted only at {}", name(i), words.unwrap_or_default())
        }
        Rule::Compute(i) => format!("`{}` asks for these nodes", name(i)),
        Rule::Tag(i, k) => {
            let tag = tag(posed, i, k).map(|tag| tag.text.as_str()).unwrap_or_default();
            format!("`{}` runs only where the tag `{tag}` is", name(i))
        }
        Rule::Pin(i) => format!("`{}` stays where it runs", name(i)),
        Rule::Quota(l) => {
            let quota = problem.places[l].quota.as_ref();
            format!("the quota of `{}`{}", problem.places[l].name, quota.map(words::quota).unwrap_or_default())
        }
        Rule::Nodes(l, t) => {
            let offer = &problem.places[l].offers[t];
            let max = counted(offer.max.unwrap_or_default(), "node");
            format!("at most {max} of `{}` at `{}`", offer.name, problem.places[l].name)
        }
        Rule::Group(i, g) => format!("`{}` requires {}", name(i), problem.components[i].groups[g].text),
        Rule::Fewest(i) => format!("`{}` runs in at least {}", name(i), counted(problem.components[i].min, "place")),
        Rule::Most(i) => format!("`{}` runs in at most {}", name(i), counted(problem.components[i].max, "place")),
        Rule::Spread(s) => problem.spreads[s].text.clone(),
        Rule::Rate(f) | Rule::Latency(f) => {
            let flow = &problem.flows[f];
            let what = match (rule, flow.rate) {
                (Rule::Rate(_), Some(rate)) => format!("at {}", BitRate(rate)),
                _ => format!("within {}{}", words::than(problem), flow.latency.unwrap_or_default()),
            };
            format!("`{}` to `{}` {what}", name(flow.from), name(flow.to))
        }
    };
    Line { text, origin: origin(posed, rule) }
}

/// Where a rule is written.
fn origin(posed: &Posed<'_>, rule: Rule) -> Origin {
    let problem = posed.problem;
    let own = |i: usize| problem.components[i].origin.clone();
    match rule {
        Rule::Permitted(i) => {
            let first = posed.words.and_then(|w| w.model.components[i].permitted.first());
            first.map_or_else(|| own(i), |f| f.origin.clone())
        }
        Rule::Compute(i) => {
            let first = posed.words.and_then(|w| w.model.components[i].compute.first());
            first.map_or_else(|| own(i), |c| c.origin.clone())
        }
        Rule::Tag(i, k) => tag(posed, i, k).map_or_else(|| own(i), |tag| tag.origin.clone()),
        Rule::Pin(i) | Rule::Fewest(i) | Rule::Most(i) => own(i),
        Rule::Quota(l) => {
            let place = &problem.places[l];
            place.quota.as_ref().map_or_else(|| place.origin.clone(), |q| q.origin.clone())
        }
        Rule::Nodes(l, _) => problem.places[l].origin.clone(),
        Rule::Group(i, g) => problem.components[i].groups[g].origin.clone(),
        Rule::Spread(s) => problem.spreads[s].origin.clone(),
        Rule::Rate(f) | Rule::Latency(f) => problem.flows[f].origin.clone(),
    }
}

/// A tag that the places of a component must carry.
fn tag<'a>(posed: &Posed<'a>, i: usize, k: usize) -> Option<&'a PlaceFilter> {
    posed.words.and_then(|w| w.model.components[i].attributes.get(k))
}

/// What to write in place of some rules so that there is a placement, and what it would cost. Every
/// value is the least that does with those before it.
pub(super) fn way(asker: &Asker<'_>, rules: &[Rule]) -> Option<Way> {
    relaxed(asker, rules).map(|(_, way)| way)
}

/// The same, with the problem that comes of it.
pub(super) fn relaxed(asker: &Asker<'_>, rules: &[Rule]) -> Option<(Problem, Way)> {
    let mut changed = asker.posed.problem.clone();
    let mut steps = Vec::new();
    // From behind: what is taken out of a list does not shift what is before it.
    let mut rules = rules.to_vec();
    rules.sort_unstable_by(|a, b| b.cmp(a));
    for (k, rule) in rules.iter().enumerate() {
        let now = Now { posed: &asker.posed, done: &rules[..k], rest: &rules[k + 1..] };
        let (text, next) = value(asker, &now, &changed, *rule)?;
        steps.push(Step { text, origin: origin(&asker.posed, *rule) });
        changed = next;
    }
    let found = search::find(&changed, &asker.limits).ok()?;
    Some((changed, Way { steps, cost: Some(found.cost.billed()) }))
}

/// The rules of a set, at one of them.
struct Now<'a> {
    posed: &'a Posed<'a>,
    done: &'a [Rule],
    rest: &'a [Rule],
}

impl Now<'_> {
    /// A problem in which some rules have values by now, without further ones.
    fn without(&self, problem: &Problem, rules: &[Rule]) -> Problem {
        // The places of a component are found anew, from all its words: those that are out by now stay out.
        let again = |done: &&Rule| done.narrows().is_some_and(|i| rules.iter().any(|r| r.narrows() == Some(i)));
        let out: Vec<Rule> = rules.iter().chain(self.done.iter().filter(again)).copied().collect();
        Posed { problem, ..*self.posed }.without(&out)
    }

    /// The same without all rules that come later.
    fn open(&self, problem: &Problem) -> Problem {
        self.without(problem, self.rest)
    }
}

/// The value of one rule: in words, and the problem with it.
fn value(asker: &Asker<'_>, now: &Now<'_>, before: &Problem, rule: Rule) -> Option<(String, Problem)> {
    let without = || now.without(before, &[rule]);
    let solved = || search::find(&now.open(&without()), &asker.limits).ok();
    let posed = &asker.posed;
    let name = |i: usize| &posed.problem.components[i].name;
    // The first of some values that does, with the rules after it open.
    let first = |mut values: &mut dyn Iterator<Item = u32>, set: &dyn Fn(&mut Problem, u32)| {
        Iterator::find_map(&mut values, |value| {
            let mut next = before.clone();
            set(&mut next, value);
            asker.possible(&now.open(&next)).then_some((value, next))
        })
    };
    match rule {
        Rule::Latency(f) => {
            let flow = &posed.problem.flows[f];
            let bound = flow.latency.unwrap_or_default();
            let mut steps: Vec<Micros> =
                before.routes.iter().flatten().filter_map(|r| r.latency).filter(|l| *l >= bound).collect();
            steps.sort_unstable();
            steps.dedup();
            let with = |latency: Micros| {
                let mut next = before.clone();
                next.flows[f].latency = Some(Micros(latency.0 + u64::from(before.strict_latency)));
                next
            };
            let (mut low, mut high) = (0, steps.len());
            while low < high {
                let mid = usize::midpoint(low, high);
                if asker.possible(&now.open(&with(steps[mid]))) { high = mid } else { low = mid + 1 }
            }
            let ends = format!("from `{}` to `{}`", name(flow.from), name(flow.to));
            Some(match steps.get(low) {
                Some(latency) => {
                    let than = if before.strict_latency { "more than " } else { "" };
                    (format!("allow a latency of {than}{latency} {ends}"), with(*latency))
                }
                None => (format!("leave out the latency bound {ends}"), without()),
            })
        }
        Rule::Rate(f) => {
            let flow = &posed.problem.flows[f];
            let rate = flow.rate.unwrap_or_default();
            let mut steps: Vec<u64> =
                before.routes.iter().flatten().filter_map(|r| r.bandwidth).filter(|b| *b < rate).collect();
            steps.sort_unstable();
            steps.dedup();
            let ends = format!("from `{}` to `{}`", name(flow.from), name(flow.to));
            let with = |less: u64| {
                let mut next = before.clone();
                next.flows[f].rate = Some(less);
                next
            };
            let most = steps.into_iter().rev().find(|less| asker.possible(&now.open(&with(*less))));
            Some(match most {
                Some(less) => (format!("ask for a rate of {} {ends}", BitRate(less)), with(less)),
                None => (format!("leave out the rate {ends}"), without()),
            })
        }
        Rule::Group(i, g) => {
            let group = &posed.problem.components[i].groups[g].text;
            Some((format!("leave {group} out of what `{}` requires", name(i)), without()))
        }
        Rule::Fewest(i) => {
            // More than there are places do not differ.
            let places = u32::try_from(before.places.len()).unwrap_or(u32::MAX);
            let most = before.components[i].min.min(places.saturating_add(1));
            let (min, next) = first(&mut (1..most).rev(), &|p, min| p.components[i].min = min)?;
            Some((format!("set `instances.min` of `{}` to {min}", name(i)), next))
        }
        Rule::Most(i) => {
            let max = before.components[i].max;
            let mut values = max.saturating_add(1)..=max.saturating_add(NEXT);
            let (max, next) = first(&mut values, &|p, max| p.components[i].max = max)?;
            Some((format!("set `instances.max` of `{}` to {max}", name(i)), next))
        }
        Rule::Nodes(l, t) => {
            let offer = &before.places[l].offers[t];
            let max = offer.max.unwrap_or_default();
            let mut values = max.saturating_add(1)..=max.saturating_add(NEXT);
            let found = first(&mut values, &|p, max| p.places[l].offers[t].max = Some(max));
            let (max, next) = found.or_else(|| {
                let solution = solved()?;
                let mut next = before.clone();
                next.places[l].offers[t].max = Some(solution.nodes[l][t]);
                Some((solution.nodes[l][t], next))
            })?;
            Some((
                format!("let {} of `{}` be bought at `{}`", counted(max, "node"), offer.name, before.places[l].name),
                next,
            ))
        }
        Rule::Quota(l) => {
            let solution = solved()?;
            let (place, quota) = (&before.places[l], before.places[l].quota.as_ref()?);
            let new = raised(quota, words::taken(place, &solution.nodes[l]));
            let text = format!("raise the quota of `{}` to {}", place.name, words::more(&new, quota));
            let mut next = before.clone();
            next.places[l].quota = Some(new);
            Some((text, next))
        }
        Rule::Spread(s) => {
            let spread = &posed.problem.spreads[s];
            let mut values = spread.most.saturating_add(1)..=spread.most.saturating_add(NEXT);
            let found = first(&mut values, &|p, most| p.spreads[s].most = most);
            Some(match found {
                Some((most, next)) => (format!("allow a `max` of {most} in: {}", spread.text), next),
                None => (format!("leave out: {}", spread.text), without()),
            })
        }
        Rule::Pin(i) => Some((format!("let `{}` move", name(i)), without())),
        Rule::Permitted(i) => {
            let solution = solved()?;
            let (text, kept) = permitted(posed.problem, &solution, i);
            let mut next = without();
            for (l, candidate) in next.components[i].candidates.iter_mut().enumerate() {
                let was = &posed.problem.components[i].candidates[l];
                if matches!(was, Candidate::Excluded(_)) && !kept.contains(&l) {
                    *candidate = Candidate::Excluded(Exclusion { reason: "not permitted".into(), origin: None });
                }
            }
            Some((text, next))
        }
        Rule::Tag(i, k) => {
            let tag = tag(posed, i, k).map_or_else(String::new, |tag| format!(" `{}`", tag.text));
            Some((format!("do without the tag{tag} of `{}`", name(i)), without()))
        }
        Rule::Compute(i) => {
            let text = format!("let `{}` run on other nodes than `compute` asks for", name(i));
            Some((text, without()))
        }
    }
}

/// What `permitted` would have to allow for a placement: in words, and the places.
fn permitted(problem: &Problem, solution: &Solution, i: usize) -> (String, Vec<usize>) {
    let component = &problem.components[i];
    let more = solution.instances[i].iter().filter(|l| matches!(component.candidates[**l], Candidate::Excluded(_)));
    let places: Vec<usize> = more.copied().collect();
    let names: Vec<String> = places.iter().map(|l| format!("`{}`", problem.places[*l].name)).collect();
    (format!("permit `{}` at {}", component.name, names.join(" and ")), places)
}
