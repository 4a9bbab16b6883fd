//! Names: unique within their kind, and such as Kubernetes and file names bear.

use std::collections::BTreeMap;

use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin, did_you_mean},
    spec::{At, SpecSet},
};

/// Checks every document's name.
/// More names are not listed in a hint.
const MOST_KNOWN: usize = 20;

pub(super) fn check(set: &SpecSet, out: &mut Diagnostics) {
    let mut kinds: BTreeMap<&str, Vec<&At<String>>> = BTreeMap::new();
    let mut add = |kind, name| kinds.entry(kind).or_default().push(name);
    if let Some(project) = &set.project {
        add("Project", &project.spec.name);
        if let Some(lineage) = &project.spec.lineage {
            add("lineage", lineage);
        }
    }
    set.providers.iter().for_each(|d| add("ProviderProfile", &d.spec.name));
    set.latencies.iter().for_each(|d| add("LatencyProfile", &d.spec.name));
    set.clusters.iter().for_each(|d| add("Cluster", &d.spec.name));
    set.nulls.iter().for_each(|d| add("Null", &d.spec.name));
    set.applications.iter().for_each(|d| add("Application", &d.spec.name));
    set.deployments.iter().for_each(|d| add("DeploymentPolicy", &d.spec.name));
    set.dataflows.iter().for_each(|d| add("DataflowPolicy", &d.spec.name));
    set.refactorings.iter().for_each(|d| add("Refactoring", &d.spec.name));
    for (kind, names) in kinds {
        for name in &names {
            dns_label(kind, name, out);
        }
        unique(kind, names.into_iter(), out);
    }
    for application in &set.applications {
        let components = application.spec.components.iter().map(|c| &c.name);
        components.clone().for_each(|name| dns_label("component", name, out));
        unique("component", components, out);
    }
}

/// Notes every name that another of the same kind has already.
pub(super) fn unique<'a>(kind: &str, names: impl Iterator<Item = &'a At<String>>, out: &mut Diagnostics) {
    let mut first: BTreeMap<&str, &Origin> = BTreeMap::new();
    for name in names {
        if let Some(other) = first.get(name.as_str()) {
            out.push(
                Diagnostic::error("SKY0201", format!("a second {kind} called `{name}`"))
                    .at(&name.origin)
                    .label(other, "the first one")
                    .hint("give one of them another name"),
            );
        } else {
            first.insert(name, &name.origin);
        }
    }
}

/// RFC 1123 label, as for namespaces: it ends up in labels, file names and node names.
pub(super) fn dns_label(what: &str, name: &At<String>, out: &mut Diagnostics) {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fine = !name.is_empty()
        && name.len() <= 63
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !fine {
        let article = if what.starts_with(['A', 'a', 'e']) { "an" } else { "a" };
        out.push(
            Diagnostic::error("SKY0203", format!("`{name}` cannot be the name of {article} {what}"))
                .at(&name.origin)
                .hint("names are 1 to 63 of a-z, 0-9 and -, and neither begin nor end with -"),
        );
    }
}

fn no_such(what: &str, name: impl std::fmt::Display) -> String {
    format!("there is no {what} called `{name}`")
}

/// Whether a diagnostic only echoes a document that could not be read: what it holds is not known.
pub(super) fn echoes(diagnostic: &Diagnostic, set: &SpecSet) -> bool {
    match diagnostic.code.as_str() {
        "SKY0202" => {
            let name = diagnostic.summary.split('`').nth(1).unwrap_or_default();
            let component = ["component", "workload"].iter().any(|w| diagnostic.summary == no_such(w, name));
            set.unread.may_define(name) || component && set.unread.may_define("Application")
        }
        "SKY0213" | "SKY0214" => set.unread.lacks_manifests(),
        _ => false,
    }
}

/// A reference to something that is not there.
pub(super) fn dangling<'a>(what: &str, reference: &At<String>, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    nameless(what, reference, &known, true)
}

/// The same; `near` says whether a name that may be meant is looked for.
pub(super) fn nameless(what: &str, reference: &At<String>, known: &[&str], near: bool) -> Diagnostic {
    let d = Diagnostic::error("SKY0202", no_such(what, reference)).at(&reference.origin);
    let near = if near { did_you_mean(reference, known.iter().copied()) } else { None };
    match near {
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => d.hint(format!("there is no {what} at all")),
        None if known.len() > MOST_KNOWN => {
            d.hint(format!("known: {} and {} more", known[..MOST_KNOWN].join(", "), known.len() - MOST_KNOWN))
        }
        None => d.hint(format!("known: {}", known.join(", "))),
    }
}
