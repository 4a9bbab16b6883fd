//! Overrides of applications → the objects as they are on the clusters that are meant.
//!
//! Patches are tried here, once for each object and cluster, so that one that does not fit is a fault of the specs.
//! Placement reads the objects as they are without them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    applications::{is_builtin, matches},
    model::{AppObject, Cluster},
    patch::{merge, operate},
    pods::group_kind,
    policies::{check_references, selects},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    spec::{self, At, Override, SpecSet},
};

/// What says which object it is: that is the same everywhere.
const IDENTITY: [&str; 4] = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"];

pub(super) fn apply(set: &SpecSet, clusters: &[Cluster], objects: &mut [AppObject], out: &mut Diagnostics) {
    for document in &set.applications {
        for over in &document.spec.overrides {
            one(set, &document.spec, over, clusters, objects, out);
        }
    }
}

fn one(
    set: &SpecSet,
    app: &spec::Application,
    over: &At<Override>,
    clusters: &[Cluster],
    objects: &mut [AppObject],
    out: &mut Diagnostics,
) {
    if over.patch.is_some() == over.json_patch.is_some() {
        return out.push(
            Diagnostic::error("SKY0115", "an override has exactly one of `patch` and `jsonPatch`")
                .at(&over.origin)
                .hint("for both, write two overrides"),
        );
    }
    if over.clusters.is_empty() {
        return out.push(
            Diagnostic::error("SKY0160", "this override is for no cluster")
                .at(&over.origin)
                .hint("`clusters` selects some: `[{cluster: NAME}]`, or by their labels and places"),
        );
    }
    over.clusters.iter().for_each(|selector| check_references(selector, set, out));
    let chosen = |c: &Cluster| over.clusters.iter().any(|selector| selects(selector, c));
    let here: BTreeSet<usize> = clusters.iter().enumerate().filter(|(_, c)| chosen(c)).map(|(i, _)| i).collect();
    let mut found = false;
    for object in objects.iter_mut().filter(|o| o.application == app.name.value && is_meant(over, &o.object)) {
        found = true;
        if object.object["kind"] == "Secret" && group_kind(&object.object).0.is_empty() {
            out.push(
                Diagnostic::error("SKY0160", "a Secret is the same on all clusters")
                    .at(&over.origin)
                    .hint("write a Secret for each, and patch the name by which it is referred to"),
            );
            continue;
        }
        // Tried also where no cluster of this environment is meant: it has to fit in the others.
        let mut tried = object.object.clone();
        if !patched(over, &mut tried, out) {
            return;
        }
        for cluster in &here {
            let variant = object.overridden.entry(*cluster).or_insert_with(|| object.object.clone());
            if !patched(over, variant, out) {
                return;
            }
        }
    }
    if !found && !set.unread.lacks_manifests() {
        let origin = over.objects.as_ref().map_or(&over.origin, |o| &o.origin);
        out.push(
            Diagnostic::error("SKY0160", "this override is for none of the application's objects")
                .at(origin)
                .hint("`patch` names its object by `kind` and `metadata.name`, or `objects` selects some"),
        );
    }
}

/// Whether an override is for an object.
fn is_meant(over: &Override, object: &Value) -> bool {
    let named = |part: &Value| {
        let same = |pointer: &str| part.pointer(pointer).is_none_or(|w| object.pointer(pointer) == Some(w));
        part.get("kind").is_some()
            && part.pointer("/metadata/name").is_some()
            && IDENTITY.iter().skip(1).all(|pointer| same(pointer))
    };
    match (&over.objects, &over.patch) {
        (Some(selector), _) => matches(selector, object),
        (None, Some(part)) => named(part),
        (None, None) => false,
    }
}

/// Patches an object; says what is wrong, at its place.
fn patched(over: &Override, object: &mut Value, out: &mut Diagnostics) -> bool {
    let before = object.clone();
    let result = match (&over.patch, &over.json_patch) {
        (Some(part), _) => {
            let own = is_builtin(group_kind(object).0);
            merge(object, part, own).map_err(|why| (why, part.origin.clone()))
        }
        (None, Some(operations)) => {
            operations.iter().try_for_each(|o| operate(object, o).map_err(|why| (why, o.origin.clone())))
        }
        (None, None) => Ok(()),
    };
    let name =
        |o: &Value| format!("{} {}", o["kind"].as_str().unwrap_or("?"), o["metadata"]["name"].as_str().unwrap_or("?"));
    let fault = |why: String, origin: &Origin| {
        Diagnostic::error("SKY0160", format!("this override does not fit {}: {why}", name(&before))).at(origin)
    };
    if let Err((why, origin)) = result {
        out.push(fault(why, &origin).hint("look at the object as it is without the override"));
        return false;
    }
    let origin = over.patch.as_ref().map(|p| &p.origin);
    let origin = origin.or_else(|| over.json_patch.as_ref()?.first().map(|o| &o.origin));
    if let Some(pointer) = IDENTITY.iter().find(|p| before.pointer(p) != object.pointer(p)) {
        if let Some(origin) = origin {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            let why = format!("its `{field}` would be another");
            out.push(fault(why, origin).hint("an object is the same one on all clusters; write another one"));
        }
        return false;
    }
    true
}
