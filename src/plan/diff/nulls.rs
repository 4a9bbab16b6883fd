//! `Null`s: compared with what is remembered of them, for there is nothing to be asked.

use serde_json::{Value, json};

use super::{Diff, Sides, change};
use crate::{
    plan::{
        change::{Action, ActionReason, Change, Precondition},
        desired::Resource,
        fields,
    },
    state::RecordDetail,
};

/// Compares one.
pub(super) fn null(resource: &Resource, input: &Value, sides: Sides<'_>, diff: &mut Diff) {
    let Sides { state, terms, .. } = sides;
    let known = state.records.get(&resource.address).and_then(|record| match &record.detail {
        RecordDetail::Null(known) => Some((record.serial, known)),
        RecordDetail::Cluster(_) | RecordDetail::Object(_) => None,
    });
    let uncertain = state.uncertain.contains_key(&resource.address);
    let precondition = Precondition {
        record_serial: known.map(|(serial, _)| serial),
        uid: known.map(|(_, known)| known.id.clone()),
        ..Precondition::default()
    };
    let (action, reason, fields) = match known {
        None if uncertain => (Action::Create, ActionReason::Uncertain, Vec::new()),
        None => (Action::Create, ActionReason::New, Vec::new()),
        Some(_) if terms.replace.contains(&resource.address) => (Action::Replace, ActionReason::Requested, Vec::new()),
        Some((_, known)) if known.input != *input => {
            let fields = fields::changes(&json!({ "input": known.input }), &json!({ "input": input }));
            (Action::Update, ActionReason::SpecChanged, fields)
        }
        Some(_) if uncertain => (Action::Update, ActionReason::Uncertain, Vec::new()),
        Some(_) => {
            diff.unchanged += 1;
            return;
        }
    };
    let planned = change(resource, action, reason, precondition);
    diff.changes.insert(resource.address.clone(), Change { fields, ..planned });
}
