//! Fields that others own and that the specs want otherwise: who gives way.

use serde_json::Value;

use crate::{
    compile::model::Lifecycle,
    plan::{
        change::{Contested, Note, Settlement},
        desired::Resource,
        managed::{self, Owner},
        secret::is_secret,
    },
    spec::OnConflict,
};

/// The fields of an object that somebody gives way on. Where nobody does, the server will refuse it, and the
/// plan says so. What the specs ignore is not asked about.
pub(super) fn settle(
    ours: &Value,
    live: &Value,
    us: &str,
    lifecycle: &Lifecycle,
    on_conflict: OnConflict,
) -> Vec<Contested> {
    let mut all: Vec<Contested> = lifecycle.ignored.iter().filter_map(|path| ignored(ours, live, us, path)).collect();
    let on_conflict = lifecycle.on_conflict.unwrap_or(on_conflict);
    let is_ignored = |path: &str| lifecycle.ignored.iter().any(|p| managed::within(path, p));
    for contest in managed::contests(ours, live, us).into_iter().filter(|c| !is_ignored(&c.path)) {
        let taken = lifecycle.taken.iter().any(|p| managed::within(&contest.path, p));
        let settled = match on_conflict {
            _ if taken => Settlement::Taken,
            // Replicas are the autoscaler's to set, whoever wrote a number first.
            _ if contest.owner.is_autoscaler() => Settlement::Left,
            OnConflict::Fail => continue,
            OnConflict::Take => Settlement::Taken,
            OnConflict::Leave => Settlement::Left,
        };
        let managed::Contest { path, owner, theirs, ours } = contest;
        all.push(Contested { path, owner, theirs, ours, settled });
    }
    all
}

/// A field that was set once: as it is now, whoever made it so. `None` where the specs want just that.
fn ignored(ours: &Value, live: &Value, us: &str, path: &str) -> Option<Contested> {
    let wanted = managed::at(ours, path)?;
    let theirs = managed::at(live, path);
    let others = managed::owners(live, path, us);
    if theirs == Some(wanted) && (others.is_empty() || managed::owns(live, path, us)) {
        return None;
    }
    // Ours alone: not to send it would take it away.
    let kept = others.is_empty() && theirs.is_some() && managed::owns(live, path, us);
    // Nobody but the cluster has the value of a Secret.
    if kept && is_secret(ours) {
        return None;
    }
    let nobody = || Owner { manager: String::new(), time: None, subresource: None };
    Some(Contested {
        path: path.to_owned(),
        owner: if kept {
            Owner { manager: us.to_owned(), ..nobody() }
        } else {
            others.into_iter().next().unwrap_or_else(nobody)
        },
        theirs: theirs.cloned(),
        ours: wanted.clone(),
        settled: if kept { Settlement::Kept } else { Settlement::Left },
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
            c.owner.manager,
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
