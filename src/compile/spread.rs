//! `spread` of deployment policies: which components count together, over which sets of clusters.

use std::collections::BTreeMap;

use super::{
    model::{Cluster, Component, Spread},
    policies::Names,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    spec::{SpecSet, SpreadBy},
};

/// Joins the `spread` entries of all policies to their components.
pub(super) fn join(set: &SpecSet, clusters: &[Cluster], components: &mut [Component], out: &mut Diagnostics) {
    let policies = || set.deployments.iter().flat_map(|d| &d.spec.components).filter(|p| !p.spread.is_empty());
    if policies().next().is_none() {
        return;
    }
    let names = Names::new(components);
    for policy in policies() {
        // What it does not name has been said.
        let Some(own) = names.resolve(&policy.component_ref, &mut Diagnostics::new()) else { continue };
        for rule in &policy.spread {
            let most = rule.max.as_ref().map_or(1, |m| m.value);
            if let Some(max) = rule.max.as_ref().filter(|m| m.value == 0) {
                out.push(
                    Diagnostic::error("SKY0107", "at most 0 instances: it could run nowhere")
                        .at(&max.origin)
                        .hint("`max` is at least 1; leave it out for one"),
                );
            }
            let mut counted: Vec<usize> = rule.with.iter().filter_map(|with| names.resolve(with, out)).collect();
            counted.push(own);
            counted.sort_unstable();
            counted.dedup();
            let called: Vec<&str> = counted.iter().map(|i| components[*i].name.as_str()).collect();
            let text = format!("at most {most} of {} in each {}", called.join(", "), rule.by.word());
            let domains = domains(rule.by, clusters);
            components[own].spread.push(Spread {
                components: counted,
                domains,
                most,
                text,
                origin: rule.origin.clone(),
            });
        }
    }
}

/// Clusters that are one domain. Where nothing is known of a cluster's place it is one by itself.
fn domains(by: SpreadBy, clusters: &[Cluster]) -> Vec<Vec<usize>> {
    let mut domains: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
    for (i, cluster) in clusters.iter().enumerate() {
        let key = cluster.site.as_ref().and_then(|site| {
            let platform = site.platform.word();
            Some(match by {
                SpreadBy::Cluster => return None,
                SpreadBy::Zone => vec![platform, &site.region, &site.zone],
                SpreadBy::Region => vec![platform, &site.region],
                SpreadBy::Provider => vec![site.provider.as_str()],
                SpreadBy::Platform => vec![platform],
                SpreadBy::Continent => vec![site.continent.as_deref()?],
            })
        });
        domains.entry(key.unwrap_or_else(|| vec!["cluster of its own", "", "", &cluster.name])).or_default().push(i);
    }
    domains.into_values().collect()
}
