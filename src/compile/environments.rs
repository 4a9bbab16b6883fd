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

/// Where the state is kept: each environment has a folder of its own below the project's.
pub(super) fn state_url(project: &Project, environment: Option<&str>) -> Option<String> {
    let url = project.state.url.as_ref().map(|u| u.value.clone());
    match environment.filter(|e| *e != DEFAULT) {
        Some(environment) => {
            let url = url.unwrap_or_else(|| STATE_URL.to_owned());
            Some(format!("{}/{environment}", url.trim_end_matches('/')))
        }
        None => url,
    }
}
