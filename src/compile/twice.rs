//! One object that is written twice, not alike: said here where both surely go to one cluster. Where they
//! only meet because of where they are placed, the planner says it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{locate::Locator, model::AppObject, pods};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// What an object is to a cluster: group, kind, namespace, name.
type Identity<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>);

pub(super) fn check(objects: &[AppObject], locator: &Locator<'_>, out: &mut Diagnostics) {
    // Texts of one object that differ, with all components that each of them serves.
    let mut seen: BTreeMap<Identity<'_>, Vec<(&AppObject, BTreeSet<usize>)>> = BTreeMap::new();
    for object in objects {
        let (group, kind) = pods::group_kind(&object.object);
        let metadata = &object.object["metadata"];
        let others = seen.entry((group, kind, metadata["namespace"].as_str(), metadata["name"].as_str())).or_default();
        let alike = others.iter().position(|(o, _)| !differ(&o.object, &object.object));
        let clash =
            others.iter().enumerate().find(|(i, (_, c))| Some(*i) != alike && !c.is_disjoint(&object.components));
        if let Some((_, (other, _))) = clash {
            let name = match (metadata["namespace"].as_str(), metadata["name"].as_str().unwrap_or_default()) {
                (Some(namespace), name) => format!("{kind} {namespace}/{name}"),
                (None, name) => format!("{kind} {name}"),
            };
            out.push(
                Diagnostic::error("SKY0503", format!("{name} is written twice, not alike"))
                    .at(&locator.part(&object.origin, "/metadata/name"))
                    .label(&locator.part(&other.origin, "/metadata/name"), "the other one")
                    .hint("keep one of the two, or make them the same"),
            );
        }
        match alike {
            Some(i) => others[i].1.extend(&object.components),
            None if clash.is_none() => others.push((object, object.components.clone())),
            None => {}
        }
    }
}

/// Whether two texts of one object say different things. A Secret with `data` may be the same as one
/// with `stringData`: that is left to the planner, which compares what they come to.
fn differ(a: &Value, b: &Value) -> bool {
    let forms = |o: &Value| (o["data"].is_object(), o["stringData"].is_object());
    if a["kind"] == "Secret" && forms(a) != forms(b) {
        return false;
    }
    a != b
}
