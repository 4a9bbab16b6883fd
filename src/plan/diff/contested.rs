//! Fields that others own and that the specs want otherwise: who gives way.

use serde_json::Value;

use crate::{
    compile::model::Lifecycle,
    plan::{
        change::{Contested, Note, Settlement},
        desired::Resource,
        managed::{self, Owner},
        projection::{owned_fields, project},
        secret::is_secret,
    },
    spec::OnConflict,
};

/// Fields that others own, or that stay as they are.
#[derive(Default)]
pub(super) struct Settled {
    /// Those that somebody gives way on.
    pub(super) contested: Vec<Contested>,
    /// Those that nobody gives way on.
    pub(super) open: Vec<managed::Contest>,
}

/// Who gives way on which field of an object. What the specs ignore is not asked about.
pub(super) fn settle(ours: &Value, live: &Value, us: &str, lifecycle: &Lifecycle, on_conflict: OnConflict) -> Settled {
    // What we own, as it is: whoever changes a field owns it from then on.
    let own = owned_fields(live, us).map(|set| project(live, set)).unwrap_or_default();
    let ignored = lifecycle.ignored.iter().filter_map(|path| ignored(ours, live, &own, us, path));
    let mut all = Settled { contested: ignored.collect(), open: Vec::new() };
    let on_conflict = lifecycle.on_conflict.unwrap_or(on_conflict);
    let is_ignored = |path: &str| lifecycle.ignored.iter().any(|p| managed::within(path, p));
    for contest in managed::contests(ours, live, us).into_iter().filter(|c| !is_ignored(&c.path)) {
        let taken = lifecycle.taken.iter().any(|p| managed::within(&contest.path, p));
        let settled = match on_conflict {
            _ if taken => Settlement::Taken,
            // Replicas are the autoscaler's to set, whoever wrote a number first.
            _ if contest.owner.is_autoscaler() => Settlement::Left,
            OnConflict::Fail => {
                all.open.push(contest);
                continue;
            }
            OnConflict::Take => Settlement::Taken,
            OnConflict::Leave => Settlement::Left,
        };
        let managed::Contest { path, owner, theirs, ours } = contest;
        all.contested.push(Contested { path, owner, theirs, ours, settled, kept: None });
    }
    all
}

/// A field that was set once: as it is now, whoever made it so. What of it we own is sent as it is, as not to send it would
/// take it away; the rest is not sent. `None` where the specs want just that.
fn ignored(ours: &Value, live: &Value, own: &Value, us: &str, path: &str) -> Option<Contested> {
    let (wanted, kept) = (managed::at(ours, path), managed::at(own, path));
    // Nobody but the cluster has the values of a Secret.
    let value = || ["data", "stringData"].iter().any(|field| managed::within(path, field));
    if wanted == kept || is_secret(ours) && value() && kept.is_some() {
        return None;
    }
    let owner = match managed::owners(live, path, us).into_iter().next() {
        Some(other) => other,
        None => Owner { manager: kept.map_or_else(String::new, |_| us.to_owned()), time: None, subresource: None },
    };
    Some(Contested {
        path: path.to_owned(),
        owner,
        theirs: managed::at(live, path).cloned(),
        ours: wanted.cloned().unwrap_or_default(),
        settled: if kept.is_some() { Settlement::Kept } else { Settlement::Left },
        kept: kept.map(|_| {
            // Nothing but the way there.
            let mut only = Value::Null;
            managed::graft(&mut only, own, path);
            if managed::at(&only, path).is_some() { only } else { own.clone() }
        }),
    })
}

/// What is left to others of something that does not change otherwise.
pub(super) fn notes(resource: &Resource, lifecycle: &Lifecycle, contested: &[Contested]) -> Vec<Note> {
    let words = |c: &Contested| Note {
        topic: "left".into(),
        text: format!(
            "{} on {}: {} is left to {}, which has {}; the specs say {}",
            resource.address.short(),
            resource.address.cluster(),
            c.path,
            if c.owner.manager.is_empty() { "the cluster" } else { &c.owner.manager },
            c.theirs.as_ref().map_or_else(|| "none".into(), ToString::to_string),
            c.ours
        ),
    };
    // What an autoscaler has set, or the specs ignore, is nothing to be told each time.
    let told = |c: &&Contested| {
        c.settled == Settlement::Left && !c.owner.is_autoscaler() && !lifecycle.ignored.contains(&c.path)
    };
    contested.iter().filter(told).map(words).collect()
}
