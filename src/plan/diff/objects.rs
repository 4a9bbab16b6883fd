//! Objects that shall be: the no-op proof, and what a dry-run says of the rest.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Diff, Sides, Standing, change, contested, is_ours, record_of, removed::protected};
use crate::{
    address::ResourceAddress,
    compile::{applications::is_builtin, model::Protection},
    diagnostic::Diagnostic,
    observed::{ClusterObserved, DryRun, DryRunQuestion, KindRef, Stranger},
    packed::Packed,
    plan::{
        change::{Action, ActionReason, Conflict, FieldChange, Note, Precondition, Settlement},
        desired::{ADDRESS_ANNOTATION, Body, Desired, LINEAGE_LABEL, Resource, manager},
        fields, managed, offline,
        projection::{is_projection, owned_fields, project, projection_digest, whole_digest},
    },
    state::ObjectRecord,
};

/// Compares an object.
pub(super) fn object(resource: &Resource, standing: &Standing<'_>, sides: Sides<'_>, diff: &mut Diff) {
    let Sides { desired, state, observed, terms } = sides;
    let Body::Object { object, digest, api_version, lifecycle, .. } = &resource.body else { return };
    let address = &resource.address;
    let record = record_of(state, address).and_then(|(r, o, _)| Some((r, o?)));
    let record_serial = record.map(|(r, _)| r.serial);
    let (uid, served, namespaces, objects) = match standing {
        Standing::Unasked { uid } => return offline::by_record(resource, record, uid.as_deref(), diff),
        Standing::Made => {
            let reason = if record.is_some() { ActionReason::ClusterReplaced } else { ActionReason::New };
            let precondition = Precondition { record_serial, ..Precondition::default() };
            let mut create = change(resource, Action::Create, reason, precondition);
            // A cluster that is made anew by a word takes along what is on it.
            let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
            let lost = record.is_some_and(|(_, o)| o.protection.prevent_destroy) && terms.replace.contains(&cluster);
            if lost && matches!(observed.clusters.get(address.cluster()), Some(ClusterObserved::Reached { .. })) {
                let fate = format!("go with cluster {}", address.cluster());
                diff.faults.push(protected(address, resource.origin.as_ref(), &fate));
                return;
            }
            create.unverified = true;
            diff.changes.insert(address.clone(), create);
            return;
        }
        // What nobody could look at is neither changed nor as it shall be.
        Standing::Silent => return,
        Standing::There { uid, served, namespaces, objects } => (uid, served, namespaces, objects),
    };
    // A record of an earlier incarnation of the cluster says nothing of this one.
    let known = record.filter(|(_, o)| o.cluster_uid == **uid).map(|(_, o)| o);
    // The one that was recorded is ours, also where somebody has taken away what says so.
    let recorded = |uid: &Value| known.is_some_and(|k| *uid == k.uid);
    let listed = objects.get(address).map(Packed::unpack);
    let listed = listed.filter(|o| is_ours(o, state, address) || recorded(&o["metadata"]["uid"]));
    let unlisted = observed.imports.get(address).and_then(Option::as_ref).filter(|o| recorded(&o["metadata"]["uid"]));
    let live = listed.as_ref().or(unlisted);
    let precondition = Precondition {
        record_serial,
        uid: live.and_then(|o| o["metadata"]["uid"].as_str()).map(str::to_owned),
        projection: live.and_then(|o| match known {
            Some(known) => Some(projection_digest(o, &known.owned.unpack())),
            // What a killed apply has left: what it owns there is what we know of it.
            None => Some(projection_digest(o, owned_fields(o, &manager(&state.lineage))?)),
        }),
        cluster_uid: Some((*uid).to_owned()),
    };
    let us = manager(&state.lineage);
    let settle = |live: &Value| contested::settle(object, live, &us, lifecycle, terms.on_conflict);
    let contested_now = |known: &ObjectRecord, live: Option<&Value>| {
        // Where nothing was left there is nothing to be looked for: what we own is as it was sent.
        live.filter(|_| !known.left.is_empty()).map_or_else(Vec::new, |live| settle(live).contested)
    };
    if let (Some(known), Some(live_object)) = (known, live)
        && known.sent == *digest
        && is_projection(&known.projection, live_object, &known.owned.unpack())
        && known.protection == lifecycle.protection
        && !known.unready
        && precondition.uid.as_ref() == Some(&known.uid)
        && !state.uncertain.contains_key(address)
        && !terms.replace.contains(address)
        // What was left to others is theirs still, and not as the specs want it.
        && let contested = contested_now(known, live)
        && known.left.iter().eq(contested.iter().filter(|c| c.settled != Settlement::Taken).map(|c| &c.path))
    {
        diff.unchanged += 1;
        diff.notes.extend(contested::notes(resource, lifecycle, &contested));
        return;
    }
    // What has run to its end may clean up after itself: it does not run again for that.
    let settled = !state.uncertain.contains_key(address) && !terms.replace.contains(address);
    if live.is_none() && settled && known.is_some_and(|k| k.done && k.sent == *digest) {
        diff.unchanged += 1;
        return;
    }
    let reason = match (live, known) {
        (Some(_), Some(known)) if known.sent == *digest && known.protection == lifecycle.protection => {
            ActionReason::Drifted
        }
        (Some(_), Some(_)) => ActionReason::SpecChanged,
        (Some(_), None) => ActionReason::Uncertain,
        // A replacement may have been cut off between its two halves.
        (None, Some(_)) if state.uncertain.contains_key(address) => ActionReason::Uncertain,
        (None, Some(_)) => ActionReason::DeletedOutside,
        (None, None) if record.is_some() => ActionReason::ClusterReplaced,
        (None, None) => ActionReason::New,
    };
    let action = if live.is_some() { Action::Update } else { Action::Create };
    let kind = KindRef { api_version: api_version.clone(), kind: object["kind"].as_str().unwrap_or_default().into() };
    let mut planned = change(resource, action, reason, precondition);
    if let Some(open) = makes_possible(address, &kind, served, namespaces, desired, object) {
        let group = kind.api_version.split_once('/').map_or("", |(group, _)| group);
        if open || !is_builtin(group) {
            planned.unverified = true;
            diff.changes.insert(address.clone(), planned);
        } else {
            diff.faults.push(unserved(resource, &kind));
        }
        if !open && !is_builtin(group) {
            // Something of the plan, or in the cluster, may define it: an operator, most likely.
            diff.complete = false;
            let note = not_yet(address.cluster(), &kind);
            if !diff.notes.contains(&note) {
                diff.notes.push(note);
            }
        }
        return;
    }
    // What somebody else made and this project is to take over: as it is, where it is there.
    let imported = live.is_none() && terms.imports.contains(address);
    let found = observed.imports.get(address).and_then(Option::as_ref).filter(|_| imported);
    if imported && !observed.offline && !observed.imports.contains_key(address) {
        diff.questions.imports.insert(address.clone(), kind.clone());
    }
    if live.is_none() {
        match observed.lookups.get(address) {
            None if observed.offline => planned.unverified = true,
            None => {
                diff.questions.lookups.insert(address.clone(), kind);
                // Whether it is gone or has lost its label: what is tried next depends on it.
                if known.is_some() {
                    return;
                }
            }
            Some(Some(stranger))
                if found.is_some() && stranger.lineage.as_ref().is_none_or(|l| *l == state.lineage) =>
            {
                planned.action = Action::Update;
                planned.reason = ActionReason::Imported;
                planned.precondition.uid = Some(stranger.uid.clone());
                planned.precondition.projection = found.map(whole_digest);
            }
            Some(Some(stranger)) if known.is_some_and(|k| k.uid == stranger.uid) => {
                // Where it is not there when it is looked at, it has gone in between.
                if !observed.offline && !observed.imports.contains_key(address) {
                    diff.questions.imports.insert(address.clone(), kind);
                    return;
                }
            }
            Some(Some(stranger)) => return diff.conflicts.push(stranger_conflict(resource, stranger, &state.lineage)),
            Some(None) => {}
        }
    }
    // What was protected when it was applied last is until an apply has lifted that.
    let guarded = lifecycle.protection.prevent_destroy || known.is_some_and(|k| k.protection.prevent_destroy);
    let contested::Settled { mut contested, open } = live.or(found).map_or_else(Default::default, settle);
    if imported {
        // To take over is to take; what is ignored, or an autoscaler's, is left all the same.
        contested.retain(|c| c.settled != Settlement::Taken);
    }
    planned.contested = contested;
    let usual = planned.precondition.projection.clone();
    if planned.takes_fields() {
        planned.precondition.projection = live.map(whole_digest);
        // To force one field is to force them all.
        if !open.is_empty() {
            let hint = IN_THE_WAY;
            diff.conflicts.extend(open.into_iter().map(|c| Conflict {
                address: address.clone(),
                field: Some(c.path),
                theirs: c.theirs,
                ours: Some(c.ours),
                owner: c.owner.manager,
                hint: hint.into(),
                origin: resource.origin.clone(),
            }));
            return;
        }
    }
    match observed.dry_runs.get(address) {
        None if observed.offline => {
            offline::untried(&mut planned, object, live, known, &manager(&state.lineage));
            diff.changes.insert(address.clone(), planned);
        }
        None => {
            let question = DryRunQuestion {
                object: planned.sent(object),
                manager: us,
                // What others own and the specs say otherwise is taken from them.
                force: imported || planned.takes_fields(),
            };
            diff.questions.dry_runs.insert(address.clone(), question);
        }
        Some(DryRun::Applied { object: merged }) => {
            planned.fields = live.or(found).map_or_else(Vec::new, |live| fields::changes(live, merged));
            if planned.reason == ActionReason::Imported {
                planned.fields.retain(|f| !is_mark(&f.path));
            }
            if matches!(planned.reason, ActionReason::Drifted | ActionReason::Imported)
                && let Some(live) = live.or(found)
            {
                for field in &mut planned.fields {
                    field.by = managed::owners(live, &field.path, &us).into_iter().next();
                }
            }
            if let Some(known) = known {
                planned.fields.extend(protection_changes(known.protection, lifecycle.protection));
            }
            if planned.reason == ActionReason::SpecChanged
                && !planned.fields.is_empty()
                && planned.fields.iter().all(|f| f.path.contains(ADDRESS_ANNOTATION))
            {
                planned.reason = ActionReason::Renamed;
            }
            let owns = |o: &Value| owned_fields(o, &manager(&state.lineage)).is_some();
            // Nothing would change, and what there is is remembered: the words differ, not the object.
            let unready = known.is_some_and(|k| k.unready);
            // One that was brought up to date without knowing what was sent is no better known.
            let uncertain =
                state.uncertain.contains_key(address) || unready || known.is_some_and(|k| k.sent.is_empty());
            let holds_more =
                ["Namespace", "CustomResourceDefinition"].contains(&object["kind"].as_str().unwrap_or_default());
            if terms.replace.contains(address) && live.is_some() && holds_more {
                let d = Diagnostic::error("SKY0916", format!("`--replace {address}` cannot be done"))
                    .about(address)
                    .detail("Everything in it would go with it, also what is not skyplan's.")
                    .hint("replace what is in it, one by one, or the cluster");
                diff.faults.push(d);
            } else if terms.replace.contains(address) && live.is_some() && guarded {
                diff.faults.push(protected(address, resource.origin.as_ref(), "be deleted and made again"));
            } else if terms.replace.contains(address) && live.is_some() {
                planned.action = Action::Replace;
                planned.reason = ActionReason::Requested;
                planned.contested.clear();
                planned.precondition.projection = usual;
                diff.changes.insert(address.clone(), planned);
            } else if planned.fields.is_empty() && known.is_some() && live.is_some_and(owns) && !uncertain {
                diff.unchanged += 1;
                diff.notes.extend(contested::notes(resource, lifecycle, &planned.contested));
            } else {
                if planned.fields.is_empty() && uncertain {
                    // It is as it shall be; applying it once more writes the record that is missing.
                    planned.reason = if unready { ActionReason::Unready } else { ActionReason::Uncertain };
                }
                diff.changes.insert(address.clone(), planned);
            }
        }
        Some(DryRun::Conflict { causes }) => diff.conflicts.extend(causes.iter().map(|(field, owner)| Conflict {
            address: address.clone(),
            field: Some(field.trim_start_matches('.').to_owned()),
            theirs: live.and_then(|live| managed::at(live, field)).cloned(),
            ours: managed::at(object, field).cloned(),
            owner: owner.clone(),
            hint: IN_THE_WAY.into(),
            origin: resource.origin.clone(),
        })),
        // Somebody else's object is not deleted to make room.
        Some(DryRun::Immutable { message }) if planned.reason == ActionReason::Imported => {
            diff.conflicts.push(Conflict {
                address: address.clone(),
                field: None,
                theirs: None,
                ours: None,
                owner: "who made it".into(),
                hint: format!("it cannot become what the specs say ({message}): write it as it is, or delete it"),
                origin: resource.origin.clone(),
            });
        }
        Some(DryRun::Immutable { message }) if guarded => {
            let fault = protected(address, resource.origin.as_ref(), "be deleted and made again");
            diff.faults.push(fault.detail(format!("It cannot become what the specs say in place: {message}.")));
        }
        Some(DryRun::Immutable { message }) => {
            planned.action = Action::Replace;
            planned.reason = ActionReason::Immutable { message: message.clone() };
            // A new one has no other owners.
            planned.contested.clear();
            planned.precondition.projection = usual;
            planned.fields = live.map_or_else(Vec::new, |live| {
                let owned = known.map(|k| project(live, &k.owned.unpack()));
                owned.map_or_else(Vec::new, |before| {
                    fields::changes(&before, object).into_iter().filter(|f| f.before.is_some()).collect()
                })
            });
            diff.changes.insert(address.clone(), planned);
        }
        Some(DryRun::Refused { code, message }) => {
            let mut d = Diagnostic::error("SKY0506", format!("the API server refuses {}: {message}", address.short()))
                .about(address)
                .detail(format!("Cluster {} answered {code} to a dry-run.", address.cluster()))
                .hint("mend the manifest, or what refuses it (a quota, an admission webhook), and plan again");
            if let Some(origin) = &resource.origin {
                d = d.at(origin);
            }
            diff.faults.push(d);
        }
    }
}

/// What changes in how an object is protected, as fields.
fn protection_changes(before: Protection, after: Protection) -> Vec<FieldChange> {
    fields::changes(&serde_json::json!({ "lifecycle": before }), &serde_json::json!({ "lifecycle": after }))
}

const IN_THE_WAY: &str = "`--on-conflict take` takes it, `--on-conflict leave` leaves it; or take it out of the manifest; `--exclude` plans the rest";

/// Whether a field is one of the marks that say whose an object is.
fn is_mark(path: &str) -> bool {
    [ADDRESS_ANNOTATION, LINEAGE_LABEL, "app.kubernetes.io/managed-by"].iter().any(|mark| path.contains(mark))
        || ["metadata.labels", "metadata.annotations"].contains(&path)
}

/// `Some(true)` when the plan itself makes what the object needs (its kind, its namespace), so that
/// it cannot be tried now; `Some(false)` when nothing serves its kind.
fn makes_possible(
    address: &ResourceAddress,
    kind: &KindRef,
    served: &BTreeMap<String, bool>,
    namespaces: &BTreeMap<String, bool>,
    desired: &Desired,
    object: &Value,
) -> Option<bool> {
    let target = address.object()?;
    if !served.contains_key(&kind.key()) {
        let defined = desired.resources.values().any(|r| match &r.body {
            Body::Object { object: crd, .. } => {
                r.address.cluster() == target.cluster
                    && crd["kind"] == "CustomResourceDefinition"
                    && crd["spec"]["group"] == *target.group
                    && crd["spec"]["names"]["kind"] == object["kind"]
            }
            Body::Cluster { .. } | Body::Null { .. } => false,
        });
        return Some(defined);
    }
    match target.namespace.as_ref().map(|n| namespaces.get(n)) {
        Some(None | Some(true)) => Some(true),
        _ => None,
    }
}

fn not_yet(cluster: &str, kind: &KindRef) -> Note {
    Note {
        topic: "unserved".into(),
        text: format!(
            "cluster {cluster} does not serve {} {} yet: objects of it are planned from their text, and an apply waits \
             until something serves them",
            kind.api_version, kind.kind
        ),
    }
}

fn unserved(resource: &Resource, kind: &KindRef) -> Diagnostic {
    let cluster = resource.address.cluster();
    let mut d =
        Diagnostic::error("SKY0507", format!("cluster `{cluster}` does not serve {} {}", kind.api_version, kind.kind))
            .about(&resource.address)
            .hint("`kubectl api-resources` says what it serves, and in which version");
    if let Some(origin) = &resource.origin {
        d = d.at(origin);
    }
    d
}

const NOT_OURS: &str = "it exists and is not skyplan's; take it over (`adopt: true` of the Application, or `skyplan import`), delete it or rename it";

fn stranger_conflict(resource: &Resource, stranger: &Stranger, lineage: &str) -> Conflict {
    let managers = stranger.managers.join(", ");
    let (owner, hint) = match &stranger.lineage {
        Some(own) if own == lineage => (
            "this project, under another address".into(),
            "if its cluster has another name now: `moved` of a Refactoring, or `skyplan state move`",
        ),
        Some(lineage) => {
            (format!("skyplan lineage {lineage}"), "it belongs to another skyplan project; rename one of the two")
        }
        None if managers.is_empty() => ("nobody that skyplan knows".into(), NOT_OURS),
        None => (managers, NOT_OURS),
    };
    Conflict {
        address: resource.address.clone(),
        field: None,
        theirs: None,
        ours: None,
        owner,
        hint: hint.into(),
        origin: resource.origin.clone(),
    }
}
