//! `skyplan validate`: the specs alone, of one environment or of all.

use std::{collections::BTreeMap, path::Path};

use crate::{
    cli::{args::ValidateArgs, exit::Exit, output::Output, session::Texts},
    compile::model::Model,
    diagnostic::{Diagnostic, Diagnostics},
    load::parameters::Wanted,
    quantity::counted,
};

pub(in crate::cli) fn run(root: &Path, args: &ValidateArgs, output: &Output) -> Exit {
    let mut texts = match Texts::read(root, &args.project, output) {
        Ok(texts) => texts,
        Err(exit) => return exit,
    };
    let first = match args.project.reading.wanted() {
        Wanted::Only => Wanted::First,
        named => named,
    };
    let first_only = first != Wanted::First;
    let compiled = texts.compile(first);
    let others = compiled.environments.iter().skip(1).filter(|_| !first_only).cloned();
    let others: Vec<_> = others.map(|e| texts.compile(Wanted::Named(e))).collect();
    let all: Vec<_> = std::iter::once(compiled.clone()).chain(others).collect();
    let named: Vec<(&str, &Diagnostics)> =
        all.iter().map(|c| (c.environment.as_deref().unwrap_or_default(), &c.faults)).collect();
    let exit = output.diagnostics(&merged(&named), &texts.sources);
    if exit == Exit::Done {
        all.iter().filter_map(|c| c.model.as_ref()).for_each(|m| output.print(&line(m)));
    }
    exit
}

/// Faults of several environments, each once. What only some of them have says which.
fn merged(all: &[(&str, &Diagnostics)]) -> Diagnostics {
    let mut seen: Vec<(&Diagnostic, Vec<&str>)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (environment, faults) in all {
        for fault in faults.iter() {
            // There may be many: each is found by its text.
            let place = *known.entry(serde_json::to_string(fault).unwrap_or_default()).or_insert(seen.len());
            match seen.get_mut(place) {
                Some((_, environments)) => environments.push(environment),
                None => seen.push((fault, vec![environment])),
            }
        }
    }
    seen.into_iter()
        .map(|(fault, environments)| {
            let mut fault = fault.clone();
            if environments.len() < all.len() {
                let space = if fault.detail.is_empty() { "" } else { " " };
                fault.detail.push_str(&format!("{space}In environment {}.", environments.join(", ")));
            }
            fault
        })
        .collect()
}

fn line(model: &Model) -> String {
    let environment = model.environment.as_ref().map_or_else(String::new, |e| format!(" in environment {e}"));
    format!(
        "{} is valid{environment}: {}, {}, {}, {}\n",
        model.project,
        counted(model.clusters.len(), "cluster"),
        counted(model.components.len(), "component"),
        counted(model.objects.len(), "object"),
        counted(model.flows.len(), "flow")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_told_once_and_where_it_is() {
        let (a, b) = (Diagnostic::error("SKY0001", "in both"), Diagnostic::error("SKY0002", "in one"));
        let (one, two): (Diagnostics, Diagnostics) = (a.clone().into(), [a, b.detail("Why.")].into_iter().collect());
        let told: Vec<(String, String)> =
            merged(&[("staging", &one), ("prod", &two)]).iter().map(|d| (d.code.clone(), d.detail.clone())).collect();
        assert_eq!(told, [("SKY0001".into(), String::new()), ("SKY0002".into(), "Why. In environment prod.".into())]);
    }
}
