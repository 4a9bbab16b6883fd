//! What is planned where nobody can be asked: from records and from what was seen earlier.
//!
//! Words that differ from what was sent are a change, whatever a server would have made of them: a
//! change too many is seen in review, one too few is not. All of it is marked `unverified`.

use serde_json::Value;

use super::{
    change::{Action, ActionReason, Change, Precondition},
    desired::{Body, Resource},
    diff::{Diff, change},
    fields,
    projection::{owned_fields, project},
};
use crate::state::{ObjectRecord, Record};

/// An object on a cluster that nobody looked at: its record is taken for what is there.
pub(super) fn by_record(
    resource: &Resource,
    record: Option<(&Record, &ObjectRecord)>,
    uid: Option<&str>,
    diff: &mut Diff,
) {
    let Body::Object { digest, components, .. } = &resource.body else { return };
    if record.is_some_and(|(_, o)| o.sent == *digest && o.components == *components) {
        diff.unchanged += 1;
        return;
    }
    let mut planned = match record {
        None => {
            let there = Precondition { cluster_uid: uid.map(str::to_owned), ..Precondition::default() };
            change(resource, Action::Create, ActionReason::New, there)
        }
        Some((record, object)) => {
            let believed = Precondition {
                record_serial: Some(record.serial),
                uid: Some(object.uid.clone()),
                projection: Some(object.projection.clone()),
                cluster_uid: Some(object.cluster_uid.clone()),
            };
            change(resource, Action::Update, ActionReason::SpecChanged, believed)
        }
    };
    planned.unverified = true;
    diff.changes.insert(resource.address.clone(), planned);
}

/// A change that could not be tried: its fields are those in which the live object, seen through the
/// fields that we own, differs from the words.
pub(super) fn untried(
    planned: &mut Change,
    object: &Value,
    live: Option<&Value>,
    known: Option<&ObjectRecord>,
    manager: &str,
) {
    planned.unverified = true;
    let Some(live) = live else { return };
    let Some(owned) = known.map(|k| k.owned.unpack()).or_else(|| owned_fields(live, manager).cloned()) else { return };
    let mut before = project(live, &owned);
    // Nobody owns what identifies an object.
    if let (Some(seen), Some(all)) = (before.as_object_mut(), live.as_object()) {
        for field in ["apiVersion", "kind"] {
            seen.extend(all.get(field).map(|v| (field.to_owned(), v.clone())));
        }
        let metadata = seen.entry("metadata").or_insert_with(|| Value::Object(serde_json::Map::new()));
        for field in ["name", "namespace"] {
            if let (Some(metadata), Some(v)) = (metadata.as_object_mut(), live["metadata"].get(field)) {
                metadata.insert(field.to_owned(), v.clone());
            }
        }
    }
    planned.fields = fields::changes(&before, object);
}
