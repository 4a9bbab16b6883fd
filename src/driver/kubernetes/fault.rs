//! What can come back instead of an answer, and what it means. Pure but for taking kube's errors.

use kube::core::Status;
use skyplan_state_backends::credentials::words;

use crate::diagnostic::Diagnostic;

/// What came back instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such object, or no such kind.
    NotFound,
    /// Other managers own fields that were to be set: (field, manager).
    Conflict(Vec<(String, String)>),
    /// The object is not the one that was meant, or has changed since: uid or resourceVersion differ.
    Stale(String),
    /// A field that cannot be changed in place.
    Immutable(String),
    /// The continue token or resourceVersion is too old.
    Expired,
    /// The server does not know these credentials.
    Unauthorized(String),
    /// These credentials may not do that.
    Forbidden(String),
    /// The server has no server-side apply.
    NoApply,
    /// Anything else that the server refused: HTTP status and its words.
    Refused(u16, String),
    /// The server, or what stands before it, failed at it: HTTP status and its words. What was asked for may
    /// have been done.
    Failing(u16, String),
    /// No answer came. What was asked for may have been done.
    Unreachable(String),
}

impl Fault {
    /// Whether nobody knows what came of it; it may come to something when it is asked again.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Failing(..) | Self::Unreachable(_))
    }

    /// What it says, in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Failing(code, words) => format!("{code}: {}", words.trim_end_matches('.')),
            Self::NotFound => "not found".into(),
            Self::Conflict(_) => "others own its fields".into(),
            Self::Expired => "it changed faster than it could be read".into(),
            Self::NoApply => "the server has no server-side apply".into(),
            Self::Stale(words)
            | Self::Immutable(words)
            | Self::Unauthorized(words)
            | Self::Forbidden(words)
            | Self::Refused(_, words)
            | Self::Unreachable(words) => words.trim_end_matches('.').to_owned(),
        }
    }
}

impl From<kube::Error> for Fault {
    fn from(error: kube::Error) -> Self {
        let told = words(&error);
        match error {
            kube::Error::Api(status) => refusal(&status),
            kube::Error::BuildRequest(error) => Self::Refused(0, error.to_string()),
            kube::Error::SerdeError(error) => Self::Refused(0, format!("the answer cannot be read: {error}")),
            kube::Error::Auth(error) => Self::Unauthorized(told.unwrap_or_else(|| error.to_string())),
            // Of a token that was to be had anew.
            _ if told.is_some() => Self::Unauthorized(told.unwrap_or_default()),
            other => Self::Unreachable(innermost(&other)),
        }
    }
}

/// The last cause of an error: the others say only where it passed.
fn innermost(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What a server says with 500 of an object that it did not take.
const NOTHING_DONE: [&str; 3] = ["failed calling webhook", "admission plugin", "failed to create typed patch object"];

fn refusal(status: &Status) -> Fault {
    let message = status.message.clone();
    match status.code {
        404 => Fault::NotFound,
        401 => Fault::Unauthorized(message),
        403 => Fault::Forbidden(message),
        409 => {
            let causes = conflicts(status);
            if causes.is_empty() { Fault::Stale(message) } else { Fault::Conflict(causes) }
        }
        410 => Fault::Expired,
        415 => Fault::NoApply,
        // How an apply with the uid of another object of the same name is refused.
        422 if message.contains("metadata.uid: Invalid value") => Fault::Stale(message),
        422 if is_immutable(&message) => Fault::Immutable(message),
        // The server is well: who was to look at the object is not, or the object has fields that there are not (as
        // server-side apply says it). Nothing was done.
        500 if NOTHING_DONE.iter().any(|w| message.contains(w)) => Fault::Refused(500, message),
        500 | 502..=504 => Fault::Failing(status.code, message),
        code => Fault::Refused(code, message),
    }
}

/// Fields and their managers, as a refused server-side apply names them.
fn conflicts(status: &Status) -> Vec<(String, String)> {
    let causes = status.details.iter().flat_map(|d| &d.causes);
    causes
        .filter(|c| c.reason == "FieldManagerConflict")
        .map(|c| (c.field.trim_start_matches('.').to_owned(), manager(&c.message)))
        .collect()
}

/// `kubectl` of `conflict with "kubectl" with subresource "scale" using apps/v1`.
fn manager(message: &str) -> String {
    message.split('"').nth(1).unwrap_or(message).to_owned()
}

/// Kubernetes has no code for it: these are the words of its validations.
fn is_immutable(message: &str) -> bool {
    const WORDS: [&str; 10] = [
        "is immutable",
        "may not change once set",
        "updates to statefulset spec",
        "updates to parameters are forbidden",
        "pod updates may not change fields",
        "cannot change roleRef",
        "may not be changed in an update",
        "may not be modified",
        "cannot be changed",
        "updates to provisioner are forbidden",
    ];
    WORDS.iter().any(|w| message.contains(w))
}

/// A fault in words, for what was done on a cluster: `what` is such as `list Deployment`.
pub fn diagnose(cluster: &str, what: &str, fault: &Fault) -> Diagnostic {
    let refused = |words: &str| {
        Diagnostic::error("SKY0706", format!("cluster `{cluster}` did not {what}"))
            .detail(format!("It says: {words}."))
            .hint("if it was busy, run the same again; if not, see whether `kubectl` gets the same answer")
    };
    match fault {
        Fault::Unreachable(why) => Diagnostic::error("SKY0701", format!("cluster `{cluster}` does not answer"))
            .detail(format!("Asked to {what}: {why}."))
            .hint("see whether `kubectl get namespaces` works with the same kubeconfig and context")
            .hint("see whether a VPN, a proxy or a firewall stands in between"),
        Fault::Unauthorized(why) => {
            Diagnostic::error("SKY0702", format!("cluster `{cluster}` does not accept the credentials"))
                .detail(format!("Asked to {what}: {why}."))
                .hint("log in again, or renew the certificate or token in the kubeconfig")
        }
        Fault::Forbidden(why) => Diagnostic::error("SKY0703", format!("cluster `{cluster}` forbids skyplan to {what}"))
            .detail(format!("{why}."))
            .hint("grant the user of the kubeconfig that right, or use another context"),
        Fault::NoApply => Diagnostic::error("SKY0708", format!("cluster `{cluster}` has no server-side apply"))
            .detail("Its API server answers 415 to it. Kubernetes has it since 1.22; some simulated servers never.")
            .hint("upgrade the cluster, or take it out of the project"),
        Fault::NotFound => refused("not found"),
        Fault::Expired => refused("the list changed faster than it could be read").hint("run the same again"),
        Fault::Conflict(causes) => {
            let fields: Vec<String> = causes.iter().map(|(f, m)| format!("{f} ({m})")).collect();
            refused(&format!("other managers own {}", fields.join(", ")))
        }
        Fault::Failing(..) => refused(&fault.words()),
        Fault::Stale(words) | Fault::Immutable(words) | Fault::Refused(_, words) => {
            refused(words.trim_end_matches('.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    fn status(code: u16, message: &str, causes: Vec<StatusCause>) -> Status {
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes,
            retry_after_seconds: 0,
        };
        Status { code, message: message.into(), details: Some(details), ..Status::default() }
    }

    #[test]
    fn conflicts_name_field_and_manager() {
        let cause = |message: &str, field: &str| StatusCause {
            reason: "FieldManagerConflict".into(),
            message: message.into(),
            field: field.into(),
        };
        let causes = vec![
            cause("conflict with \"kubectl\" using apps/v1", ".spec.template.spec.containers[name=\"web\"].image"),
            cause("conflict with \"hpa\" with subresource \"scale\" using apps/v1", ".spec.replicas"),
        ];
        let want = vec![
            ("spec.template.spec.containers[name=\"web\"].image".to_owned(), "kubectl".to_owned()),
            ("spec.replicas".to_owned(), "hpa".to_owned()),
        ];
        assert_eq!(refusal(&status(409, "Apply failed with 2 conflicts", causes)), Fault::Conflict(want));
        let stale = "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified";
        assert_eq!(refusal(&status(409, stale, Vec::new())), Fault::Stale(stale.into()));
    }

    #[test]
    fn refusals_are_told_apart() {
        for words in [
            "Job.batch \"m\" is invalid: spec.template: Invalid value: {}: field is immutable",
            "Service \"s\" is invalid: spec.clusterIPs[0]: Invalid value: [\"10.96.0.9\"]: may not change once set",
            "StatefulSet.apps \"d\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than",
            "RoleBinding \"r\" is invalid: roleRef: Invalid value: {}: cannot change roleRef",
        ] {
            assert_eq!(refusal(&status(422, words, Vec::new())), Fault::Immutable(words.into()));
        }
        let invalid = "Deployment \"web\" is invalid: spec.replicas: Invalid value: -1";
        assert_eq!(refusal(&status(422, invalid, Vec::new())), Fault::Refused(422, invalid.into()));
        let another = "ConfigMap \"m\" is invalid: metadata.uid: Invalid value: \"9c\": field is immutable";
        assert_eq!(refusal(&status(422, another, Vec::new())), Fault::Stale(another.into()));
        assert_eq!(refusal(&status(404, "", Vec::new())), Fault::NotFound);
        for code in [500, 502, 503, 504] {
            assert!(refusal(&status(code, "etcdserver: request timed out", Vec::new())).is_unanswered());
        }
        let webhook = "Internal error occurred: failed calling webhook \"a.b.c\": connection refused";
        assert_eq!(refusal(&status(500, webhook, Vec::new())), Fault::Refused(500, webhook.into()));
        assert!(!refusal(&status(429, "too many", Vec::new())).is_unanswered());
        assert_eq!(refusal(&status(415, "", Vec::new())), Fault::NoApply);
        assert_eq!(refusal(&status(403, "no", Vec::new())), Fault::Forbidden("no".into()));
    }

    #[test]
    fn faults_become_words() {
        let d = diagnose("edge", "list Deployment", &Fault::Unreachable("connection refused".into()));
        assert_eq!((d.code.as_str(), d.summary.as_str()), ("SKY0701", "cluster `edge` does not answer"));
        assert!(d.detail.contains("connection refused") && !d.hints.is_empty());
        assert_eq!(diagnose("edge", "apply", &Fault::NoApply).code, "SKY0708");
        assert_eq!(diagnose("edge", "apply", &Fault::Unauthorized(String::new())).code, "SKY0702");
    }

    #[test]
    fn golden_of_answers_that_are_none() {
        let refused = Fault::Failing(500, "etcdserver: leader changed".into());
        crate::render::diagnostics::golden(&diagnose("edge", "list Deployment", &refused), &[]);
        crate::render::diagnostics::golden(&diagnose("edge", "apply Deployment shop/web", &Fault::NoApply), &[]);
    }
}
