//! Conflicts as diagnostics: summaries, labels and hints with the values needed.

use super::{
    super::{
        pack::{IMPOSSIBLE, MOST, each},
        problem::{Place, Problem, Quota, Resources},
        site,
    },
    Conflict, Infeasible, Removed, Shortage, Way,
};
use crate::{
    diagnostic::Diagnostic,
    money::MicroUsd,
    quantity::{BitRate, Bytes, MilliCpu, counted},
};

/// `less than ` where bounds are strict.
pub(super) fn than(problem: &Problem) -> &'static str {
    if problem.strict_latency { "less than " } else { "" }
}

/// One number of [`Resources`] in words.
fn amount(r: usize, n: u64) -> String {
    match r {
        0 => format!("{} CPU", MilliCpu(n)),
        1 => format!("{} of memory", size(n)),
        2 => counted(n, "GPU"),
        _ => counted(n, "node"),
    }
}

/// Bytes as people write them, rounded down to a tenth of a GiB where they are no round number.
fn size(n: u64) -> String {
    const GI: u64 = 1 << 30;
    if n.is_multiple_of(1 << 20) || n < GI {
        return Bytes(n).to_string();
    }
    let tenths = u128::from(n) * 10 / u128::from(GI);
    format!("{}.{}Gi", tenths / 10, tenths % 10)
}

/// What a quota allows: ` (6 CPU, 3 nodes)`.
pub(super) fn quota(quota: &Quota) -> String {
    let limits = each(&quota.limit);
    let words: Vec<String> = (0..4).filter(|r| limits[*r] < u64::MAX).map(|r| amount(r, limits[r])).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// What a quota allows more than another one: `8 CPU`.
pub(super) fn more(new: &Quota, old: &Quota) -> String {
    let (new, old) = (each(&new.limit), each(&old.limit));
    let words: Vec<String> = (0..4).filter(|r| new[*r] > old[*r]).map(|r| amount(r, new[r])).collect();
    words.join(", ")
}

/// What nodes take of a quota.
pub(super) fn taken(place: &Place, counts: &[u32]) -> [u64; 4] {
    let mut sum = [0_u64; 4];
    for (offer, n) in place.offers.iter().zip(counts) {
        let gross = each(&offer.gross);
        for r in 0..3 {
            sum[r] = sum[r].saturating_add(gross[r].saturating_mul(u64::from(*n)));
        }
        sum[3] += u64::from(*n);
    }
    sum
}

/// What a place lacks for these components.
pub(super) fn shortage(problem: &Problem, l: usize, components: &[usize]) -> Shortage {
    let place = &problem.places[l];
    let mut text = "no offer or free node is large enough".to_owned();
    let mut origin = place.origin.clone();
    let mut roomy =
        Problem { places: problem.places.clone(), components: problem.components.clone(), ..Problem::default() };
    roomy.places[l].quota = None;
    for offer in &mut roomy.places[l].offers {
        offer.max = None;
    }
    let here: Vec<usize> = components.iter().copied().filter(|i| !site::hopeless(&roomy, l, *i)).collect();
    if !here.is_empty() {
        let without = site::Sites::new(&roomy).at(l, &here);
        if without.bound < IMPOSSIBLE && without.cost.is_some() {
            let counts = &without.nodes;
            let needs = taken(place, counts);
            if let Some(quota) = &place.quota {
                let limits = each(&quota.limit);
                if let Some(r) = (0..4).find(|r| needs[*r] > limits[*r]) {
                    origin = quota.origin.clone();
                    text = format!("needs {}, the quota allows {}", amount(r, needs[r]), amount(r, limits[r]));
                    return Shortage { place: place.name.clone(), origin, text };
                }
            }
            for (offer, n) in place.offers.iter().zip(counts) {
                if let Some(max) = offer.max.filter(|max| n > max) {
                    text = format!("needs {} of `{}`, at most {max} may be bought", counted(*n, "node"), offer.name);
                    return Shortage { place: place.name.clone(), origin, text };
                }
            }
        }
    }
    let asked = site::wants(problem, l, components).map(|w| w.pods).unwrap_or_default();
    let pods: u64 = asked.iter().map(|g| u64::from(g.count)).sum();
    if pods > MOST {
        text = format!("{pods} pods, where one cluster takes at most {MOST}");
        return Shortage { place: place.name.clone(), origin, text };
    }
    if let Some(pod) = asked.iter().map(|g| g.size).max() {
        let largest = place.offers.iter().map(|o| o.usable).chain(place.free.iter().copied()).fold(
            Resources::default(),
            |a, b| Resources {
                milli_cpu: a.milli_cpu.max(b.milli_cpu),
                memory: a.memory.max(b.memory),
                gpus: a.gpus.max(b.gpus),
                pods: a.pods.max(b.pods),
            },
        );
        if let Some(r) = (0..3).find(|r| each(&pod)[*r] > each(&largest)[*r]) {
            text = format!(
                "a pod needs {}, the largest node has {}",
                amount(r, each(&pod)[r]),
                amount(r, each(&largest)[r])
            );
        }
    }
    Shortage { place: place.name.clone(), origin, text }
}

/// Labels the lines that exclude places, and notes those that no line excludes.
fn label_removed(mut diagnostic: Diagnostic, places: &[Removed]) -> Diagnostic {
    // Origin, reason, and the places that it excludes for this reason.
    let mut lines: Vec<(&crate::diagnostic::Origin, &str, Vec<String>)> = Vec::new();
    let mut rest: Vec<String> = Vec::new();
    for removed in places {
        let place = format!("`{}`", removed.place);
        let shown = removed.origin.as_ref().filter(|o| diagnostic.labels.iter().all(|l| l.origin != **o));
        let Some(origin) = shown else {
            rest.push(format!("{}: {}", removed.place, removed.reason));
            continue;
        };
        match lines.iter_mut().find(|(known, why, _)| *known == origin && *why == removed.reason) {
            Some((_, _, all)) => all.push(place),
            None => lines.push((origin, &removed.reason, vec![place])),
        }
    }
    while !lines.is_empty() {
        let origin = lines[0].0;
        let here: Vec<String> = lines
            .extract_if(.., |(o, _, _)| *o == origin)
            .map(|(_, why, all)| format!("{}: {why}", all.join(", ")))
            .collect();
        diagnostic = diagnostic.label(origin, here.join("; "));
    }
    if rest.is_empty() { diagnostic } else { diagnostic.detail(rest.join("\n")) }
}

/// Ways out that are told of one conflict.
pub(super) const MOST_WAYS: usize = 4;

/// Ways out as hints, each with what everything would cost then.
pub(super) fn ways(refusal: &Infeasible) -> Vec<String> {
    let over = refusal.over.map_or_else(|| "/month".to_owned(), |time| format!(" over {time}"));
    let free = refusal.ways.iter().all(|way| way.cost.unwrap_or_default() == MicroUsd::ZERO);
    let hint = |way: &Way| {
        let steps: Vec<&str> = way.steps.iter().map(|step| step.text.as_str()).collect();
        let steps = steps.join(", and ");
        match way.cost {
            Some(cost) if !free => format!("{steps}: it would cost {cost}{over} then"),
            _ => steps,
        }
    };
    refusal.ways.iter().take(MOST_WAYS).map(hint).collect()
}

/// One conflict as a diagnostic, with ways out as its hints.
pub(super) fn diagnostic(conflict: &Conflict, ways: &[String]) -> Diagnostic {
    let mut diagnostic = told(conflict);
    if !ways.is_empty() {
        diagnostic.hints = ways.to_vec();
    }
    diagnostic
}

/// One conflict, with hints for want of better ones.
fn told(conflict: &Conflict) -> Diagnostic {
    match conflict {
        Conflict::NoPlace { component, origin, places: removed, needed } => {
            let summary = if *needed > 1 {
                format!("`{component}` needs {} and fewer are left", counted(*needed, "place"))
            } else {
                format!("no place is left for `{component}`")
            };
            let diagnostic = Diagnostic::error("SKY0401", summary).at(origin).about(component);
            let diagnostic = label_removed(diagnostic, removed);
            diagnostic.hint(match removed.is_empty() {
                true => "add a cluster that it may run on",
                false => "relax what excludes one of these places, or add a cluster that it may run on",
            })
        }
        Conflict::RequiredOutside { component, group, origin, places } => {
            let summary = format!("`{component}` requires {group}, where it cannot run");
            let diagnostic = Diagnostic::error("SKY0402", summary).label(origin, "required here").about(component);
            let diagnostic = label_removed(diagnostic, places);
            if places.is_empty() {
                diagnostic.hint("no cluster is there; add one or leave the group out")
            } else {
                diagnostic.hint("permit one of its places, or leave the group out of `required`")
            }
        }
        Conflict::TooFewInstances { component, origin, max, needed, groups } => {
            let names: Vec<&str> = groups.iter().map(|(text, _)| text.as_str()).collect();
            let summary = format!(
                "`{component}` may run in {} but its required groups need {needed}: {}",
                counted(*max, "place"),
                names.join(", ")
            );
            let mut diagnostic = Diagnostic::error("SKY0403", summary).at(origin).about(component);
            for (text, origin) in groups {
                diagnostic = diagnostic.label(origin, format!("needs an instance in {text}"));
            }
            diagnostic.hint(format!("set `instances.max` to {needed}, or leave a group out of `required`"))
        }
        Conflict::Latency { from, to, origin, bound, strict, nearest } => {
            let less = if *strict { "less than " } else { "" };
            let summary = format!("no places keep the flow from `{from}` to `{to}` within {less}{bound}");
            let diagnostic = Diagnostic::error("SKY0404", summary);
            match nearest {
                Some((a, b, latency)) => diagnostic
                    .label(origin, format!("the nearest are `{a}` and `{b}`, {latency} apart"))
                    .hint(format!("allow a latency of {}{latency}", if *strict { "more than " } else { "" })),
                None => diagnostic
                    .label(origin, "no latency between their places is known")
                    .hint("add the pair to a LatencyProfile, or leave the bound out"),
            }
        }
        Conflict::Narrow { from, to, origin, rate, widest: (a, b, carries) } => {
            let (rate, carries) = (BitRate(*rate), BitRate(*carries));
            Diagnostic::error("SKY0411", format!("no way carries {rate} bits a second from `{from}` to `{to}`"))
                .label(origin, format!("too narrow: the widest, from `{a}` to `{b}`, carries {carries} of {rate}"))
                .hint(format!("ask for a rate of {carries}, or permit places with a wider way"))
        }
        Conflict::Capacity { components, short } => {
            let names: Vec<String> = components.iter().map(|(name, _)| format!("`{name}`")).collect();
            let summary = format!("nowhere is room for {}", names.join(", "));
            let mut diagnostic = Diagnostic::error("SKY0405", summary);
            if let [(name, _)] = components.as_slice() {
                diagnostic = diagnostic.about(name);
            }
            for (_, origin) in components {
                diagnostic = diagnostic.at(origin);
            }
            for s in short {
                diagnostic = diagnostic.label(&s.origin, format!("`{}`: {}", s.place, s.text));
            }
            match short.first() {
                Some(first) => diagnostic.hint(format!("make room at `{}`: {}", first.place, first.text)),
                None => diagnostic.hint("add a cluster or an offering that is large enough"),
            }
        }
        Conflict::Crowded { text, origin, needed, room, relax } => {
            let summary = format!("{needed} instances must be kept apart and there is room for {room}");
            let diagnostic = Diagnostic::error("SKY0410", summary).label(origin, text.clone());
            match relax {
                Some(most) => diagnostic.hint(format!("allow a `max` of {most}, or add clusters to spread over")),
                None => diagnostic.hint("add clusters to spread over, or take a component out of `with`"),
            }
        }
        Conflict::Together { lines, minimal } => {
            let mut diagnostic = Diagnostic::error("SKY0406", "these constraints cannot be met together");
            if !minimal {
                diagnostic = diagnostic.detail("The work budget ended: some of these lines may not take part.");
            }
            for line in lines {
                diagnostic = diagnostic.label(&line.origin, line.text.clone());
            }
            diagnostic.hint("relax one of them")
        }
        Conflict::Unknown => Diagnostic::error("SKY0406", "no placement was found within the work budget")
            .detail("Whether one exists is not known.")
            .hint("allow more work, or relax latency bounds, required groups or quotas"),
    }
}
