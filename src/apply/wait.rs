//! Knowing when an object is ready, or gone.
//!
//! What a watch shows may be older than what was just written: only what is at least as new counts.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until, timeout},
};

use super::{
    executor::Run,
    fault::{Failure, hopeless, interrupted, late, refused},
    patience::patiently,
    site::Site,
    watches::Seen,
};
use crate::{
    driver::kubernetes::{Fault, Health, Id, Served, diagnose, explain, health},
    plan::change::Change,
};

/// A failure may be of the spec before: it counts once it has stood this long.
const SURE: Duration = Duration::from_secs(2);
/// How long the last look at an object may take.
const LOOK: Duration = Duration::from_secs(5);
/// What is said of an object whose cluster is silent at its deadline.
const SILENT: &str = "was not seen any more: its cluster does not answer";

/// Whether an object that was just applied has to be waited for. `applied` is the answer of the apply.
pub(super) fn is_awaited(run: &Run<'_>, site: &Site, applied: &Value) -> bool {
    run.options.wait
        && counts(applied, run.sites.is_local(site.cluster.name()))
        // Without its types a built-in kind's answer is still whole.
        && health(applied) != Health::Ready
}

/// Waits until an object that [`is_awaited`] is as its spec wants it.
pub(super) async fn ready(
    run: &Run<'_>,
    change: &Change,
    site: &Site,
    kind: &Served,
    applied: &Value,
) -> Result<(), Failure> {
    let Some(mut words) = reason(&health(applied)) else { return Ok(()) };
    run.waits(change, &words);
    let metadata = &applied["metadata"];
    let (namespace, name) = (metadata["namespace"].as_str(), metadata["name"].as_str().unwrap_or_default());
    let mut seen = run.watches.follow(&site.cluster, kind, namespace, name);
    let begun = Instant::now();
    let deadline = (begun + run.options.timeout).min(run.deadline);
    let (mut last, mut there, mut failing) = (Arc::new(applied.clone()), false, None::<Instant>);
    loop {
        // Taken out first: the borrow must not live across what is awaited below.
        let mut state = seen.borrow_and_update().clone();
        if matches!(state, Seen::Deaf) {
            // It may be shown in its namespace.
            seen = run.watches.follow(&site.cluster, kind, namespace, name);
            state = match site.cluster.get(kind, Id { namespace, name }).await {
                Ok(Some(object)) => Seen::Present(Arc::new(object)),
                Ok(None) => {
                    let words = "it, or its kind, was deleted by somebody else while it was being awaited";
                    return Err(Failure::settled(hopeless(change, words, &[])));
                }
                Err(fault) if fault.is_unanswered() => Seen::Nothing,
                Err(fault) => return Err(Failure::settled(refused(change, "look at", &fault))),
            };
        }
        match state {
            Seen::Present(object) if is_newer(&object, applied) => {
                there = true;
                let now = health(&object);
                last = object;
                match now {
                    Health::Ready => return Ok(()),
                    Health::Failed(why) => {
                        failing.get_or_insert_with(Instant::now);
                        words = why;
                    }
                    Health::Progressing(why) => {
                        failing = None;
                        if why != words {
                            run.waits(change, &why);
                        }
                        words = why;
                    }
                }
            }
            Seen::Absent if there => {
                let words = "it was deleted by somebody else while it was being awaited";
                return Err(Failure::settled(hopeless(change, words, &[])));
            }
            Seen::Present(_) | Seen::Absent | Seen::Nothing | Seen::Deaf => {}
        }
        let sure = failing.map_or(deadline, |since| (since + SURE).min(deadline));
        match next(run, &mut seen, sure).await {
            Next::Changed => {}
            Next::Cancelled => return Err(Failure::settled(interrupted(&change.address, true))),
            Next::Late => {
                // A watch whose connection broke without a word is deaf.
                match timeout(LOOK, site.cluster.get(kind, Id { namespace, name })).await {
                    Ok(Ok(Some(object))) => match health(&object) {
                        Health::Ready => return Ok(()),
                        Health::Progressing(why) => {
                            (words, last) = (why, Arc::new(object));
                            // It recovered: there is time left to go on waiting.
                            if failing.take().is_some() && Instant::now() < deadline {
                                continue;
                            }
                        }
                        Health::Failed(why) => (words, last) = (why, Arc::new(object)),
                    },
                    Ok(Err(fault)) if fault.is_unanswered() => words = format!("{SILENT} ({})", fault.words()),
                    Err(_) => words = SILENT.into(),
                    Ok(Ok(None) | Err(_)) => {}
                }
                let said = explain(&site.cluster, &last).await;
                let why = if failing.is_some() {
                    hopeless(change, &words, &said)
                } else {
                    late(change, false, &phrase(&words), begun.elapsed().as_secs(), &said)
                };
                return Err(Failure::settled(why));
            }
        }
    }
}

/// Waits until an object with that uid is gone. `going` is the answer of the delete. A replacement
/// is not left half done: `patient` goes on when the apply is cancelled.
pub(super) async fn gone(
    run: &Run<'_>,
    change: &Change,
    site: &Site,
    kind: &Served,
    going: &Value,
    patient: bool,
) -> Result<(), Failure> {
    if !run.options.wait && !patient {
        return Ok(());
    }
    let metadata = &going["metadata"];
    let (uid, name) = (metadata["uid"].as_str().unwrap_or_default(), metadata["name"].as_str().unwrap_or_default());
    let id = Id { namespace: metadata["namespace"].as_str(), name };
    let mut seen = run.watches.follow(&site.cluster, kind, id.namespace, name);
    run.waits(change, &holders(going));
    let begun = Instant::now();
    let deadline = (begun + run.options.timeout).min(run.deadline);
    let mut last = Arc::new(going.clone());
    loop {
        // Taken out first: the borrow must not live across what is awaited below.
        let state = seen.borrow_and_update().clone();
        if matches!(state, Seen::Deaf) {
            seen = run.watches.follow(&site.cluster, kind, id.namespace, name);
        }
        match state {
            Seen::Present(object) if object["metadata"]["uid"] == uid => last = object,
            // Another one of the same name.
            Seen::Present(object) if is_newer(&object, going) => return Ok(()),
            // Gone, or only without our label: that is worth one question.
            Seen::Absent | Seen::Deaf => {
                let stamp = patiently(run, change, async || site.cluster.stamp(kind, id).await).await;
                match stamp {
                    Ok(found) if found.as_ref().is_none_or(|s| s.uid != uid) => return Ok(()),
                    Ok(_) => {}
                    Err(fault) => return Err(unknown(change, site, &fault)),
                }
            }
            Seen::Present(_) | Seen::Nothing => {}
        }
        match next(run, &mut seen, deadline).await {
            Next::Changed => {}
            Next::Cancelled if patient => {
                tokio::select! {
                    _ = seen.changed() => {}
                    () = sleep_until(deadline) => {}
                }
                if Instant::now() >= deadline {
                    return Err(Failure::settled(interrupted(&change.address, false)));
                }
            }
            // The record stays: it is there until it is gone.
            Next::Cancelled => return Err(Failure::settled(interrupted(&change.address, false))),
            Next::Late => {
                // A watch whose connection broke without a word is deaf.
                if let Ok(Ok(found)) = timeout(LOOK, site.cluster.stamp(kind, id)).await
                    && found.is_none_or(|s| s.uid != uid)
                {
                    return Ok(());
                }
                let why = late(change, true, &holders(&last), begun.elapsed().as_secs(), &remarks(&last));
                return Err(Failure::settled(why));
            }
        }
    }
}

enum Next {
    Changed,
    Late,
    Cancelled,
}

async fn next(run: &Run<'_>, seen: &mut Receiver<Seen>, deadline: Instant) -> Next {
    tokio::select! {
        biased;
        () = run.options.cancel.cancelled() => Next::Cancelled,
        changed = seen.changed() => if changed.is_ok() { Next::Changed } else { Next::Late },
        () = sleep_until(deadline) => Next::Late,
    }
}

fn unknown(change: &Change, site: &Site, fault: &Fault) -> Failure {
    let what = format!("tell whether {} is gone", change.address.short());
    Failure::settled(diagnose(site.cluster.name(), &what, fault).about(&change.address))
}

/// Whether its readiness says anything about the apply: a claim waits for its first pod, and nobody
/// hands out load balancers on this machine.
fn counts(object: &Value, local: bool) -> bool {
    match object["kind"].as_str().unwrap_or_default() {
        "PersistentVolumeClaim" => false,
        "Service" => !local,
        _ => true,
    }
}

fn reason(health: &Health) -> Option<String> {
    match health {
        Health::Ready => None,
        Health::Progressing(why) | Health::Failed(why) => Some(why.clone()),
    }
}

/// Whether an object is not older than another state of it.
fn is_newer(object: &Value, than: &Value) -> bool {
    let number = |v: &Value| v["metadata"]["resourceVersion"].as_str().and_then(|r| r.parse::<u128>().ok());
    match (number(object), number(than)) {
        (Some(own), Some(other)) => own >= other,
        _ => object["metadata"]["generation"].as_u64() >= than["metadata"]["generation"].as_u64(),
    }
}

/// A reason as the end of "it …".
fn phrase(words: &str) -> String {
    let verbal = ["is ", "has ", "was "].iter().any(|v| words.starts_with(v));
    if verbal { words.to_owned() } else { format!("is waiting: {words}") }
}

/// What keeps an object from going.
fn holders(object: &Value) -> String {
    let names: Vec<&str> =
        object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut spec = object["spec"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).peekable();
    match (names.is_empty(), spec.peek().is_some()) {
        (false, _) => format!("is being deleted, held by finalizers {}", names.join(", ")),
        (true, true) => format!("is being deleted, held by finalizers {}", spec.collect::<Vec<_>>().join(", ")),
        (true, false) => "is being deleted".to_owned(),
    }
}

/// What a namespace says of what is left in it.
fn remarks(object: &Value) -> Vec<String> {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .filter(|c| c["status"] == "True")
        .filter_map(|c| c["message"].as_str().filter(|m| !m.is_empty()).map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_seen_before_does_not_count() {
        let at = |version: &str| json!({"metadata": {"resourceVersion": version, "generation": 1}});
        assert!(is_newer(&at("10"), &at("9")) && is_newer(&at("9"), &at("9")) && !is_newer(&at("8"), &at("9")));
        assert!(is_newer(&json!({"metadata": {"generation": 2}}), &at("x")));
    }

    #[test]
    fn what_holds_an_object_is_named() {
        let object = json!({"metadata": {"finalizers": ["a/b", "c/d"]}});
        assert_eq!(holders(&object), "is being deleted, held by finalizers a/b, c/d");
        assert_eq!(
            holders(&json!({"spec": {"finalizers": ["kubernetes"]}})),
            "is being deleted, held by finalizers kubernetes"
        );
        let namespace = json!({"status": {"conditions": [{"status": "True", "message": "1 pod left"}, {"status": "False", "message": "x"}]}});
        assert_eq!(remarks(&namespace), ["1 pod left"]);
    }
}
