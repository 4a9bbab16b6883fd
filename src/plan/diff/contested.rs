//! Fields that others own and that the specs want otherwise: who gives way.

use serde_json::Value;

use crate::plan::{
    change::{Contested, Note, Settlement},
    desired::Resource,
    managed,
    select::OnConflict,
};

/// Who writes for autoscalers: their controllers are in it, and they write by way of `scale`.
const SCALER: (&str, &str) = ("kube-controller-manager", "scale");

/// The fields of an object that somebody gives way on. Where nobody does, the server will refuse it, and the
/// plan says so.
pub(super) fn settle(ours: &Value, live: &Value, us: &str, on_conflict: OnConflict) -> Vec<Contested> {
    let all = managed::contests(ours, live, us).into_iter();
    all.filter_map(|contest| {
        let scaled = (contest.owner.manager.as_str(), contest.owner.subresource.as_deref().unwrap_or_default());
        let settled = match on_conflict {
            // Replicas are the autoscaler's to set, whoever wrote a number first.
            _ if scaled == SCALER => Settlement::Left,
            OnConflict::Fail => return None,
            OnConflict::Take => Settlement::Taken,
            OnConflict::Leave => Settlement::Left,
        };
        Some(Contested {
            path: contest.path,
            owner: contest.owner,
            theirs: contest.theirs,
            ours: contest.ours,
            settled,
        })
    })
    .collect()
}

/// What is left to others of something that does not change otherwise.
pub(super) fn notes(resource: &Resource, contested: &[Contested]) -> Vec<Note> {
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
    // What an autoscaler has set is nothing to be told each time.
    let told = |c: &&Contested| c.settled == Settlement::Left && c.owner.manager != SCALER.0;
    contested.iter().filter(told).map(words).collect()
}
