//! What is said when a change does not work. Pure.

use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::kubernetes::{self, Fault, Stamp},
    plan::change::Change,
};

use super::check::stale;

/// A change that did not work.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: Box<Diagnostic>,
    /// Whether the log is right about the resource all the same: nothing was done, or what was done
    /// is recorded.
    pub(super) settled: bool,
}

impl Failure {
    pub(super) fn settled(why: Diagnostic) -> Self {
        Self { why: Box::new(why), settled: true }
    }

    /// Nobody knows what was done.
    pub(super) fn unsettled(why: Diagnostic) -> Self {
        Self { why: Box::new(why), settled: false }
    }

    /// A refused write, or one without an answer.
    pub(super) fn of_write(change: &Change, verb: &str, fault: &Fault) -> Self {
        let why = Box::new(refused(change, verb, fault));
        Self { why, settled: !fault.is_unanswered() }
    }
}

impl From<Box<Diagnostic>> for Failure {
    fn from(why: Box<Diagnostic>) -> Self {
        Self { why, settled: true }
    }
}

/// Points at where the change is written.
pub(super) fn placed(diagnostic: Diagnostic, change: &Change) -> Diagnostic {
    let diagnostic = diagnostic.about(&change.address);
    match &change.origin {
        Some(origin) => diagnostic.at(origin),
        None => diagnostic,
    }
}

/// A fault of a request about a change; `verb` is such as `apply`.
pub(super) fn refused(change: &Change, verb: &str, fault: &Fault) -> Diagnostic {
    let (address, cluster) = (&change.address, change.address.cluster());
    let name = address.short();
    let diagnostic = match fault {
        Fault::Conflict(causes) => {
            let owned: Vec<String> =
                causes.iter().map(|(field, manager)| format!("{field} belongs to {manager}")).collect();
            Diagnostic::error("SKY0712", format!("fields of {name} belong to somebody else"))
                .detail(format!("{}.", owned.join("; ")))
                .hint("take these fields out of the manifest, or let their owner give them up")
                .hint("then plan again: `skyplan plan`")
        }
        Fault::Immutable(words) => {
            Diagnostic::error("SKY0713", format!("{name} has a field that cannot be changed in place"))
                .detail(format!("Cluster {cluster} says: {}.", words.trim_end_matches('.')))
                .hint("plan again: the plan will show that it is replaced")
        }
        Fault::Stale(words) => stale(address, &format!("cluster {cluster} says: {words}")),
        // It is not the manifest.
        Fault::Refused(429, _) => kubernetes::diagnose(cluster, &format!("{verb} {name}"), fault),
        Fault::Refused(code, words) => {
            Diagnostic::error("SKY0711", format!("cluster `{cluster}` refused to {verb} {name}"))
                .detail(format!("It answered {code}: {}.", words.trim_end_matches('.')))
                .hint("mend the manifest, or what refuses it (a quota, an admission webhook), and apply again")
        }
        Fault::NotFound => Diagnostic::error("SKY0711", format!("cluster `{cluster}` refused to {verb} {name}"))
            .detail("Its namespace, or its kind, is not there.")
            .hint("plan again: `skyplan plan`"),
        other => kubernetes::diagnose(cluster, &format!("{verb} {name}"), other),
    };
    placed(diagnostic, change)
}

/// What was to be made is there already, and is not what was planned.
pub(super) fn occupied(change: &Change, stamp: &Stamp, lineage: &str) -> Diagnostic {
    let labels = &stamp.metadata["labels"];
    let name = change.address.short();
    match labels["skyplan.io/lineage"].as_str() {
        Some(own) if own == lineage => stale(&change.address, "it has come into being since the plan was made"),
        Some(other) => placed(
            Diagnostic::error("SKY0502", format!("{name} belongs to another skyplan project"))
                .detail(format!("Its lineage is `{other}`; this project's is `{lineage}`."))
                .hint("rename one of the two, or delete it in the other project"),
            change,
        ),
        None => {
            let fields = stamp.metadata["managedFields"].as_array().into_iter().flatten();
            let managers: std::collections::BTreeSet<&str> = fields.filter_map(|f| f["manager"].as_str()).collect();
            let managers: Vec<&str> = managers.into_iter().collect();
            placed(
                Diagnostic::error("SKY0502", format!("{name} exists and is not managed by skyplan"))
                    .detail(format!("It was made by {} since the plan was made.", managers.join(", ")))
                    .hint("delete it, or rename yours; then plan again"),
                change,
            )
        }
    }
}

/// It did not become ready, or did not go, in time: `words` is what it was last seen doing.
pub(super) fn late(change: &Change, goes: bool, words: &str, seconds: u64, said: &[String]) -> Diagnostic {
    let name = change.address.short();
    let (code, summary) = if goes {
        ("SKY0715", format!("{name} is not gone after {seconds} s"))
    } else {
        ("SKY0714", format!("{name} is not ready after {seconds} s"))
    };
    let mut detail = vec![format!("It {words}.")];
    detail.extend(said.iter().map(|s| sentence(s)));
    let hint = if goes {
        "see which finalizer holds it and who should remove that; then apply again, it goes on from here"
    } else {
        "it is applied and recorded; mend the cause and apply again, or give it more time with `--timeout`"
    };
    placed(Diagnostic::error(code, summary).detail(detail.join("\n")).hint(hint), change)
}

/// With its full stop; lines of logs stay as they are.
fn sentence(words: &str) -> String {
    if words.starts_with(' ') { words.to_owned() } else { format!("{}.", words.trim_end_matches('.')) }
}

/// It will not become ready by itself.
pub(super) fn hopeless(change: &Change, words: &str, said: &[String]) -> Diagnostic {
    let mut detail = vec![format!("{}.", words.trim_end_matches('.'))];
    detail.extend(said.iter().map(|s| sentence(s)));
    let summary = format!("{} has failed on cluster `{}`", change.address.short(), change.address.cluster());
    placed(
        Diagnostic::error("SKY0714", summary)
            .detail(detail.join("\n"))
            .hint("it is applied and recorded; mend the cause and apply again"),
        change,
    )
}

/// A plan lacks the object; its own check finds that, too, before anything is done.
pub(super) fn unsaid(change: &Change) -> Diagnostic {
    let why = Diagnostic::error("SKY0719", "the plan does not say what the object shall be");
    placed(why.hint("plan again: `skyplan plan -o FILE`"), change)
}

/// A secret value is not the one whose digest the plan holds.
pub(super) fn not_held(change: &Change, name: &str) -> Diagnostic {
    let short = change.address.short();
    placed(
        Diagnostic::error("SKY0717", format!("the value `{name}` of {short} is not the one that was planned"))
            .detail("Plans hold no secret values; they are read from the project when it is applied.")
            .hint("put back the file that it came from, or plan again: `skyplan plan`"),
        change,
    )
}

/// It was asked for, and nothing came back in time.
pub(super) fn never(change: &Change, seconds: u64) -> Diagnostic {
    let (address, cluster) = (&change.address, change.address.cluster());
    let diagnostic = match address {
        ResourceAddress::Cluster(_) | ResourceAddress::Null(_) => {
            Diagnostic::error("SKY0716", format!("{} was not done after {seconds} s", address.short()))
        }
        ResourceAddress::Object(_) => Diagnostic::error(
            "SKY0701",
            format!("cluster `{cluster}` gave no answer about {} in {seconds} s", address.short()),
        ),
    };
    placed(
        diagnostic
            .detail("Whether it was done will be seen: the state says that nobody knows, and the next plan finds out.")
            .hint("see whether the cluster answers, then apply again"),
        change,
    )
}

/// The apply was ended while this was going on.
pub(super) fn interrupted(address: &ResourceAddress, applied: bool) -> Diagnostic {
    let summary = format!("{} was interrupted", address.short());
    let diagnostic = Diagnostic::error("SKY0716", summary).about(address);
    if applied {
        diagnostic.detail("It is applied and recorded; whether it became ready was not awaited.").hint("apply again")
    } else {
        diagnostic
            .detail("Nobody knows whether it was done; the state says so, and the next plan finds out.")
            .hint("plan again: `skyplan plan`")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::change::{Action, ActionReason};

    fn change() -> Change {
        let address = "object/edge/apps/Deployment/shop/web".parse().unwrap();
        Change { api_version: "apps/v1".into(), ..Change::new(address, Action::Create, ActionReason::New) }
    }

    #[test]
    fn owners_are_named() {
        let fault = Fault::Conflict(vec![("spec.replicas".into(), "hpa".into())]);
        let d = refused(&change(), "apply", &fault);
        assert_eq!((d.code.as_str(), d.detail.as_str()), ("SKY0712", "spec.replicas belongs to hpa."));
        assert!(!Failure::of_write(&change(), "apply", &Fault::Unreachable("x".into())).settled);
        assert!(Failure::of_write(&change(), "apply", &fault).settled);
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let stamp = |metadata| Stamp { uid: "u".into(), metadata };
        let own = stamp(json!({"labels": {"skyplan.io/lineage": "l"}}));
        assert_eq!(occupied(&change(), &own, "l").code, "SKY0501");
        assert!(occupied(&change(), &own, "m").summary.contains("another skyplan project"));
        let stranger = stamp(json!({"managedFields": [{"manager": "kubectl"}, {"manager": "kubectl"}]}));
        assert_eq!(occupied(&change(), &stranger, "l").detail, "It was made by kubectl since the plan was made.");
    }

    #[test]
    fn golden_of_what_hardly_happens() {
        let address = || "object/edge/apps/Deployment/shop/web".parse().unwrap();
        let fault = Fault::Conflict(vec![("spec.replicas".into(), "hpa".into())]);
        crate::render::diagnostics::golden(&refused(&change(), "apply", &fault), &[]);
        let fault = Fault::Immutable("spec.selector: Invalid value: field is immutable".into());
        crate::render::diagnostics::golden(&refused(&change(), "apply", &fault), &[]);
        crate::render::diagnostics::golden(&interrupted(&address(), false), &[]);
        crate::render::diagnostics::golden(&not_held(&change(), "password"), &[]);
        crate::render::diagnostics::golden(&unsaid(&change()), &[]);
    }
}
