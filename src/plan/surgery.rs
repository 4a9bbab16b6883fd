//! What the specs say of what is remembered: other names, what is let go, what is taken over; and what is held.
//!
//! Other names come first: everything else is planned on the state with them in it. Knows the state and the model,
//! nothing of the world.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    Inputs,
    change::{Note, Renaming},
    desired::Desired,
    diff::Diff,
};
use crate::{
    address::ResourceAddress,
    compile::model::{Noted, Renamed},
    diagnostic::{Diagnostic, Diagnostics, Origin},
    spec::Subject,
    state::{Held, Move, State, seconds},
};

/// The state that is planned on, and how it came about.
pub(super) struct Surgery<'a> {
    pub(super) state: Cow<'a, State>,
    pub(super) moved: Vec<Renaming>,
    pub(super) notes: Vec<Note>,
}

impl From<&Renaming> for Move {
    fn from(renaming: &Renaming) -> Self {
        Self { from: renaming.from.clone(), to: renaming.to.clone() }
    }
}

fn note(topic: &str, text: String) -> Note {
    Note { topic: topic.into(), text }
}

/// That a line of a refactoring has nothing to do any more.
fn done(origin: &Origin, text: String) -> Note {
    note("refactoring", format!("{text}; {origin} can be taken out"))
}

/// Gives what is remembered the names that the specs have for it.
pub(super) fn operate<'a>(inputs: &Inputs<'a>) -> Result<Surgery<'a>, Diagnostics> {
    let mut surgery = Surgery { state: Cow::Borrowed(inputs.state), moved: Vec::new(), notes: held(inputs.state) };
    // What is only looked up is looked up where it was.
    let Some(model) = inputs.model.filter(|_| !inputs.scope.refresh_only) else { return Ok(surgery) };
    let mut faults = Diagnostics::new();
    for step in &model.surgery.moved {
        let Renamed { from, to, origin } = step;
        if !surgery.state.knows(from) {
            surgery.notes.push(done(origin, format!("nothing is remembered as {from}, which was to be {to}")));
        } else if !surgery.state.knows(to) {
            let renaming = Renaming { from: from.clone(), to: to.clone(), origin: Some(origin.clone()) };
            surgery.state = Cow::Owned(surgery.state.into_owned().moved(&Move::from(&renaming)));
            surgery.moved.push(renaming);
        } else if let Subject::Cluster(_) = from {
            faults.push(both(from, to).at(origin));
        } else {
            surgery.notes.push(done(origin, format!("{to} has a place of its own already, beside that of {from}")));
        }
    }
    if faults.has_errors() { Err(faults) } else { Ok(surgery) }
}

/// The fault of a name that something else has.
pub fn both(from: &Subject, to: &Subject) -> Diagnostic {
    Diagnostic::error("SKY0510", format!("`{from}` cannot become `{to}`: both are remembered"))
        .about(to)
        .detail("Each has records of its own in the state; one of the two would be lost.")
        .hint(format!(
            "if they are the same: `skyplan state forget {to}` first (nothing is deleted); else give it a name that is free"
        ))
}

/// What is held, with since when and why.
fn held(state: &State) -> Vec<Note> {
    let mut by_reason: BTreeMap<&Held, Vec<&ResourceAddress>> = BTreeMap::new();
    for (address, held) in &state.held {
        by_reason.entry(held).or_default().push(address);
    }
    let line = |(held, addresses): (&Held, Vec<&ResourceAddress>)| {
        let since = seconds(&held.since);
        let what = match addresses.as_slice() {
            [one] => format!("{one} is"),
            [first, ..] => format!("{first} and {} more are", addresses.len() - 1),
            [] => String::new(),
        };
        note("held", format!("{what} held since {since}: {}; `skyplan state unhold` ends it", held.reason))
    };
    by_reason.into_iter().map(line).collect()
}

/// Where nobody looks at the plan, what is held is left out of it, with what depends on it.
pub(super) fn spare_held<'a>(inputs: &Inputs<'a>, wanted: &Desired) -> Inputs<'a> {
    let mut inputs = inputs.clone();
    if inputs.scope.unattended {
        let state = inputs.state;
        let known = |a: &&ResourceAddress| wanted.resources.contains_key(a) || state.records.contains_key(a);
        inputs.scope.excludes.extend(state.held.keys().filter(known).map(ToString::to_string));
    }
    inputs
}

/// What is left as it is, and where that is written.
pub(super) fn let_go<'a>(inputs: &Inputs<'a>) -> BTreeMap<ResourceAddress, Option<&'a Origin>> {
    let written = inputs.model.into_iter().flat_map(|m| &m.surgery.removed);
    written.map(|Noted { address, origin }| (address.clone(), Some(origin))).collect()
}

/// What is taken over where it is there already, and where that is written.
pub(super) fn imports<'a>(inputs: &Inputs<'a>) -> BTreeMap<ResourceAddress, Option<&'a Origin>> {
    let written = inputs.model.into_iter().flat_map(|m| &m.surgery.imports);
    let asked = inputs.scope.imports.iter().map(|a| (a.clone(), None));
    asked.chain(written.map(|Noted { address, origin }| (address.clone(), Some(origin)))).collect()
}

/// Faults and notes of what is let go and taken over, against what shall be.
pub(super) fn hold_to(inputs: &Inputs<'_>, wanted: &Desired, diff: &mut Diff) {
    let state = inputs.state;
    let model_has = |address: &ResourceAddress| {
        inputs.model.is_some_and(|m| m.clusters.iter().any(|c| c.name == address.cluster()))
    };
    for (address, origin) in let_go(inputs) {
        let Some(origin) = origin else { continue };
        if let Some(resource) = wanted.resources.get(&address) {
            let fault = Diagnostic::error("SKY0209", format!("{address} is let go here, and the specs have it"))
                .at(origin)
                .about(&address)
                .hint("take it out of the specs, too, or leave it out of `removed`");
            diff.faults.push(match &resource.origin {
                Some(other) => fault.label(other, "it stands here"),
                None => fault,
            });
        } else if !state.records.contains_key(&address) && !state.uncertain.contains_key(&address) {
            diff.notes.push(done(origin, format!("{address} is not remembered")));
        }
    }
    for (address, origin) in imports(inputs) {
        // A cluster of another environment is none of this one's business.
        if origin.is_some() && !model_has(&address) {
            continue;
        }
        if !wanted.resources.contains_key(&address) {
            let fault =
                Diagnostic::error("SKY0209", format!("{address} cannot be taken over: the specs do not have it"))
                    .about(&address)
                    .hint("write it into the specs as it is: a plan then shows what differs")
                    .hint("or it runs elsewhere: `skyplan plan` shows on which clusters components are placed");
            diff.faults.push(match origin {
                Some(origin) => fault.at(origin),
                None => fault,
            });
        } else if state.records.contains_key(&address) {
            diff.notes.push(match origin {
                Some(origin) => done(origin, format!("{address} is skyplan's already")),
                None => note("import", format!("{address} is skyplan's already")),
            });
        } else if diff.changes.get(&address).is_some_and(|c| c.precondition.uid.is_none()) && address.object().is_some()
        {
            diff.notes.push(note("import", format!("{address} is not there to be taken over: it is made")));
        }
    }
}
