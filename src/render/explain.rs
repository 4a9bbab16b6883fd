//! Answers to "why" as text: a component's place with its price and its alternatives, a resource with what
//! stands behind it.

use super::{
    Style,
    placement::volume,
    plan::{field_line, reason, value},
    table::columns,
};
use crate::{
    money::MicroUsd,
    plan::{
        answer::{
            ComponentAnswer, FieldAnswer, InstanceAnswer, Need, Next, OtherPlace, ResourceAnswer, Standing, Written,
        },
        change::Action,
    },
    quantity::{Bytes, MilliCpu},
};

/// A component, with every place it runs in.
pub fn component(answer: &ComponentAnswer, style: Style) -> String {
    let mut out = String::new();
    for instance in &answer.instances {
        let site = if instance.site.is_empty() { String::new() } else { format!(" ({})", instance.site) };
        let name = style.bold(&answer.component);
        out.push_str(&format!("{name} runs on {}{}\n", style.bold(&instance.cluster), style.dim(&site)));
        out.push_str(&head(answer, instance, style));
        if !instance.others.is_empty() {
            let heading = if priced(instance) { "Other places, cheapest first" } else { "Other places" };
            out.push_str(&format!("\n{}\n", style.bold(heading)));
            let rows: Vec<Vec<String>> = instance.others.iter().map(|o| other(o, instance, style)).collect();
            out.push_str(&columns(&rows, 2));
        }
        if !instance.flows.is_empty() {
            out.push_str(&format!("\n{}\n", style.bold("Flows")));
            out.push_str(&columns(&flows(instance, style), 2));
        }
        out.push('\n');
    }
    if !answer.constraints.is_empty() {
        out.push_str(&format!("{}\n", style.bold("What its place must keep to")));
        let rows: Vec<Vec<String>> = answer
            .constraints
            .iter()
            .map(|c| {
                let effect = match c.excludes.as_slice() {
                    [] => "rules out nothing that is left".into(),
                    all => format!("rules out {}", all.join(", ")),
                };
                vec![c.text.clone(), effect, style.dim(&format!("# {}", c.origin))]
            })
            .collect();
        out.push_str(&columns(&rows, 2));
    }
    out
}

fn priced(instance: &InstanceAnswer) -> bool {
    let free = |m: MicroUsd| m == MicroUsd::ZERO;
    !free(instance.monthly) || instance.others.iter().any(|o| !free(o.extra.unwrap_or_default()))
}

fn head(answer: &ComponentAnswer, instance: &InstanceAnswer, style: Style) -> String {
    let mut rows: Vec<[String; 2]> = vec![["because".into(), instance.reason.clone()]];
    if answer.kept {
        rows.push(["".into(), "it was placed there before, and nothing that bears on it has changed since".into()]);
    } else if answer.proven {
        rows.push(["".into(), "no cheaper placement of everything exists (proven)".into()]);
    } else {
        rows.push(["".into(), "a cheaper placement of everything may exist: `skyplan explain` says how much".into()]);
    }
    if priced(instance) {
        let parts = [("nodes", instance.nodes), ("control plane", instance.fees), ("data", instance.transfer)];
        let parts: Vec<String> =
            parts.iter().filter(|(_, m)| *m != MicroUsd::ZERO).map(|(what, m)| format!("{what} {m}")).collect();
        let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        rows.push(["costs".into(), format!("{}/month{parts}", instance.monthly)]);
    }
    if let Some(next) = instance.others.iter().find(|o| Some(&o.cluster) == instance.runner_up.as_ref()) {
        rows.push([
            "next best".into(),
            format!("{} at {} in all", next.cluster, dearer(next.extra.unwrap_or_default())),
        ]);
    }
    let needs: Vec<String> = answer.needs.iter().map(need).collect();
    if !needs.is_empty() {
        rows.push(["needs".into(), needs.join(", ")]);
    }
    if !instance.beside.is_empty() {
        rows.push(["beside".into(), instance.beside.join(", ")]);
    }
    rows.push(["written".into(), answer.origin.to_string()]);
    facts(&rows, style)
}

/// `name  text` lines, the names dim and of one width.
fn facts(rows: &[[String; 2]], style: Style) -> String {
    columns(&rows.iter().map(|[name, text]| vec![style.dim(name), text.clone()]).collect::<Vec<_>>(), 2)
}

fn need(need: &Need) -> String {
    let mut size = Vec::new();
    if need.milli_cpu > 0 {
        size.push(format!("{} CPU", MilliCpu(need.milli_cpu)));
    }
    if need.memory > 0 {
        size.push(Bytes(need.memory).to_string());
    }
    if need.gpus > 0 {
        size.push(format!("{} GPU", need.gpus));
    }
    let pods = if need.pods == 1 { "1 pod".to_owned() } else { format!("{} pods", need.pods) };
    if size.is_empty() { format!("{pods} without requests") } else { format!("{pods} of {}", size.join(" and ")) }
}

fn dearer(extra: MicroUsd) -> String {
    if extra < MicroUsd::ZERO { format!("{extra}/month") } else { format!("+{extra}/month") }
}

fn other(other: &OtherPlace, instance: &InstanceAnswer, style: Style) -> Vec<String> {
    let price = match other.extra {
        Some(extra) if priced(instance) => dearer(extra),
        _ => String::new(),
    };
    let words = match other.standing {
        Standing::Possible => {
            let next = instance.runner_up.as_ref() == Some(&other.cluster);
            let words = if next { "possible: the next best" } else { "possible" };
            if other.reason.is_empty() { words.into() } else { format!("{words}; {}", other.reason) }
        }
        Standing::Taken => other.reason.clone(),
        Standing::Excluded | Standing::NoRoom => style.warn(&other.reason),
    };
    let origin = other.origin.as_ref().map_or_else(String::new, |o| style.dim(&format!("# {o}")));
    vec![style.bold(&other.cluster), price, words, origin]
}

fn flows(instance: &InstanceAnswer, style: Style) -> Vec<Vec<String>> {
    let row = |answer: &crate::plan::answer::FlowAnswer| {
        let f = &answer.flow;
        let latency = match (f.latency, f.bound) {
            (Some(latency), Some(bound)) => format!("{latency} (≤ {bound})"),
            (Some(latency), None) => latency.to_string(),
            (None, Some(bound)) => format!("(≤ {bound})"),
            (None, None) => String::new(),
        };
        let way =
            if f.from.1 == f.to.1 { format!("within {}", f.from.1) } else { format!("{} → {}", f.from.1, f.to.1) };
        let price = match &f.meter {
            Some(meter) => format!("{}/month ({meter})", answer.monthly),
            None => "free".into(),
        };
        let name = |n: &str| super::placement::short(n).to_owned();
        vec![
            format!("{} → {}", name(&f.from.0), name(&f.to.0)),
            way,
            latency,
            volume(f.bytes, f.once),
            if f.bytes == 0 { String::new() } else { price },
            style.dim(&format!("# {}", answer.origin)),
        ]
    };
    instance.flows.iter().map(row).collect()
}

/// A resource.
pub fn resource(answer: &ResourceAnswer, style: Style) -> String {
    let address = &answer.address;
    let on = if address.object().is_some() { format!(" on {}", style.bold(address.cluster())) } else { String::new() };
    let mut out = format!("{}{on}\n", style.bold(&address.short()));
    let mut rows: Vec<[String; 2]> = vec![["address".into(), address.to_string()]];
    if let Some(origin) = &answer.origin {
        rows.push(["written".into(), origin.to_string()]);
    }
    for (i, why) in answer.why.iter().enumerate() {
        rows.push([if i == 0 { "because".into() } else { String::new() }, why.clone()]);
    }
    rows.push(["there".into(), answer.live.clone()]);
    rows.push([
        "recorded".into(),
        match &answer.remembered {
            None => "no: it was never applied".into(),
            Some(r) if r.same => format!("by entry {} of the log, as it is in the specs now", r.serial),
            Some(r) => format!("by entry {} of the log; the specs say something else now", r.serial),
        },
    ]);
    rows.push(["next plan".into(), next(&answer.next, style)]);
    out.push_str(&facts(&rows, style));
    if let Next::Change { fields, .. } = &answer.next {
        for field in fields {
            out.push_str(&format!("    {}\n", field_line(field, style)));
        }
    }
    out.push_str(&list("It needs", &answer.depends_on, address.cluster(), style));
    out.push_str(&list("Needed by", &answer.needed_by, address.cluster(), style));
    if !answer.fields.is_empty() {
        out.push_str(&format!("\n{}\n", style.bold("Fields")));
        for field in &answer.fields {
            out.push_str(&one_field(field, style));
        }
    }
    out
}

fn next(next: &Next, style: Style) -> String {
    match next {
        Next::Change { action, reason: why, .. } => {
            let verb = match action {
                Action::Create => "creates it",
                Action::Update => "changes it",
                Action::Replace => "deletes it and makes it again",
                Action::Delete => "deletes it",
                Action::Forget => "forgets it",
                Action::Import => "remembers it as it is",
            };
            let why = reason(why);
            if why.is_empty() { verb.into() } else { format!("{verb}: {why}") }
        }
        Next::Conflicts { conflicts } => {
            let owners: Vec<String> = conflicts
                .iter()
                .map(|c| c.field.as_ref().map_or_else(|| c.owner.clone(), |f| format!("{f} is {}'s", c.owner)))
                .collect();
            style.bad(&format!("cannot be applied: {}", owners.join(", ")))
        }
        Next::Nothing { because } => format!("leaves it alone: {because}"),
        Next::NoPlan { errors } => {
            let errors = if *errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
            style.bad(&format!("there is none: {errors}; see `skyplan plan`"))
        }
    }
}

/// Addresses, those on the same cluster by their short names.
fn list(title: &str, all: &[crate::address::ResourceAddress], cluster: &str, style: Style) -> String {
    if all.is_empty() {
        return String::new();
    }
    let name = |a: &crate::address::ResourceAddress| {
        if a.cluster() == cluster || a.cluster().is_empty() {
            a.short()
        } else {
            format!("{} on {}", a.short(), a.cluster())
        }
    };
    let lines: Vec<String> = all.iter().map(|a| format!("  {}\n", name(a))).collect();
    format!("\n{}\n{}", style.bold(title), lines.concat())
}

fn one_field(field: &FieldAnswer, style: Style) -> String {
    let sent = field.value.as_ref().map_or_else(|| "(not sent)".to_owned(), value);
    let mut out = format!("  {} = {sent}\n", style.bold(&field.path));
    let origin = field.origin.as_ref().map_or_else(String::new, |o| format!(", {o}"));
    let from = match &field.written {
        Written::Manifest => format!("the manifest{origin}"),
        Written::Application => format!("`replicas` of the component{origin}; it goes before the manifest's"),
        Written::Skyplan if field.path == "metadata.namespace" => "the application's namespace".into(),
        Written::Skyplan => "skyplan, to know it again".into(),
        Written::Autoscaler => format!("nobody: a HorizontalPodAutoscaler owns it{origin}"),
        Written::Manager { name } => format!("{name}, not skyplan"),
        Written::Server => "nobody: it is the server's default, or a controller's".into(),
    };
    let mut rows = vec![["from".to_owned(), from]];
    if let Some(live) = &field.live {
        let by =
            if field.managers.is_empty() { String::new() } else { format!(" (held by {})", field.managers.join(", ")) };
        rows.push(["live".to_owned(), format!("{}{by}", value(live))]);
    }
    for [name, text] in rows {
        out.push_str(&format!("    {}  {text}\n", style.dim(&name)));
    }
    out
}
