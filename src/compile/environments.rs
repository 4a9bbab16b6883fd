//! What is an environment's own: its clusters, its lineage, its state.

use std::collections::BTreeSet;

use super::{
    model::Cluster,
    names::{dangling, dns_label, unique},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    spec::{At, Document, Environment, Project, STATE_URL, SpecSet},
};

/// The environment that a project without any has: its lineage and state are the project's own.
const DEFAULT: &str = "default";
/// Lineages are values of labels.
const LONGEST_LINEAGE: usize = 63;

/// Checks what is written of all environments.
pub(super) fn check(set: &SpecSet, out: &mut Diagnostics) {
    let Some(project) = &set.project else { return };
    let environments = &project.spec.environments;
    unique("environment", environments.iter().map(|e| &e.name), out);
    for environment in environments {
        dns_label("environment", &environment.name, out);
        let lineage = lineage(&project.spec, Some(&environment.name));
        if lineage.len() > LONGEST_LINEAGE {
            out.push(
                Diagnostic::error(
                    "SKY0203",
                    format!("lineage `{lineage}` is longer than {LONGEST_LINEAGE} characters"),
                )
                .at(&environment.name.origin)
                .hint("an environment's lineage is the project's and its name: shorten its name"),
            );
        }
        for name in environment.clusters.iter().flatten() {
            if !set.clusters.iter().any(|c| c.spec.name.value == name.value) {
                out.push(dangling("Cluster", name, set.clusters.iter().map(|c| c.spec.name.as_str())));
            }
        }
    }
}

/// The environment that the set was read for.
fn chosen<'a>(set: &SpecSet, project: &'a Document<Project>) -> Option<&'a Environment> {
    let name = set.environment.as_ref()?;
    project.spec.environments.iter().find(|e| e.name.value == *name)
}

/// Those of a project's clusters that there are in its environment.
pub(super) fn clusters(set: &SpecSet, clusters: Vec<Cluster>) -> Vec<Cluster> {
    let chosen = set.project.as_ref().and_then(|p| chosen(set, p)).and_then(|e| e.clusters.as_ref());
    let Some(names) = chosen else { return clusters };
    let names: BTreeSet<&str> = names.iter().map(|n| n.as_str()).collect();
    clusters.into_iter().filter(|c| names.contains(c.name.as_str())).collect()
}

/// Whose objects they are: two environments may share a cluster.
pub(super) fn lineage(project: &Project, environment: Option<&str>) -> String {
    let own: &At<String> = project.lineage.as_ref().unwrap_or(&project.name);
    match environment.filter(|e| *e != DEFAULT) {
        Some(environment) => format!("{own}-{environment}"),
        None => own.value.clone(),
    }
}

/// What addresses of state begin with.
pub(super) const STORES: [&str; 6] = ["file://", "s3://", "gs://", "azblob://", "kubernetes://", "postgres://"];

/// Where the state is kept.
pub(super) fn state_url(project: &Project, environment: Option<&str>) -> Option<String> {
    let url = project.state.url.as_ref().map(|u| u.value.as_str());
    match environment.filter(|e| *e != DEFAULT) {
        Some(_) => Some(log_url(url.unwrap_or(STATE_URL), environment)),
        None => url.map(str::to_owned),
    }
}

/// The address of an environment's log: each has one of its own beside or below the project's.
pub fn log_url(url: &str, environment: Option<&str>) -> String {
    let Some(environment) = environment.filter(|e| *e != DEFAULT) else { return url.to_owned() };
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let place = place.trim_end_matches('/');
    if place.starts_with("postgres://") {
        // The path is a database; a log in it has a name.
        let mut parts: Vec<String> = query.split('&').filter(|p| !p.is_empty()).map(str::to_owned).collect();
        match parts.iter_mut().find(|p| p.starts_with("log=")) {
            Some(log) => *log = format!("{log}-{environment}"),
            None => parts.push(format!("log={environment}")),
        }
        return format!("{place}?{}", parts.join("&"));
    }
    // An object's name has no folders.
    let between = if place.starts_with("kubernetes://") { '-' } else { '/' };
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{place}{between}{environment}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_has_a_log_of_its_own() {
        for (url, want) in [
            ("file://.skyplan/state", "file://.skyplan/state/prod"),
            ("s3://b/p/?region=eu", "s3://b/p/prod?region=eu"),
            ("kubernetes://ns/name?context=c", "kubernetes://ns/name-prod?context=c"),
            ("postgres://u@h/db", "postgres://u@h/db?log=prod"),
            ("postgres://u@h/db?sslmode=disable&log=a", "postgres://u@h/db?sslmode=disable&log=a-prod"),
        ] {
            assert_eq!(log_url(url, Some("prod")), want);
            assert_eq!(log_url(url, Some(DEFAULT)), url);
        }
    }
}
