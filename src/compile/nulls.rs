//! `Null` documents: what each needs is there.

use std::collections::BTreeSet;

use super::{model::Null, names::dangling};
use crate::{diagnostic::Diagnostics, spec::SpecSet};

/// All of them, sorted by name.
pub(super) fn compile(set: &SpecSet, out: &mut Diagnostics) -> Vec<Null> {
    let names: BTreeSet<&str> = set.nulls.iter().map(|d| d.spec.name.as_str()).collect();
    let mut nulls = Vec::with_capacity(set.nulls.len());
    for spec in set.nulls.iter().map(|d| &d.spec) {
        for missing in spec.depends_on.iter().filter(|n| !names.contains(n.as_str())) {
            out.push(dangling("Null", missing, names.iter().copied()));
        }
        nulls.push(Null {
            name: spec.name.value.clone(),
            origin: spec.name.origin.clone(),
            input: spec.input.clone(),
            depends_on: spec.depends_on.iter().map(|n| n.value.clone()).collect(),
        });
    }
    nulls.sort_by(|a, b| a.name.cmp(&b.name));
    nulls
}
