//! What pods say of the nodes that they must run on, beyond `nodeSelector`: required node affinity. What
//! placement does not count of it is a warning.

use serde_json::Value;

use super::{
    locate::Locator,
    model::{LabelOperator, LabelRule},
    pods::{list, pod_spec, pod_spec_path},
};
use crate::diagnostic::{Diagnostic, Diagnostics, Origin};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// Terms of the required node affinity, any of which will do; each has rules that must all be met.
pub(super) fn terms(spec: &Value) -> Vec<Vec<LabelRule>> {
    let terms = list(&spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]);
    if !terms.iter().all(understood) {
        // Any of its terms might be met.
        return Vec::new();
    }
    terms.iter().map(|term| list(&term["matchExpressions"]).iter().filter_map(rule).collect()).collect()
}

/// Whether all that a term says is by labels.
fn understood(term: &Value) -> bool {
    list(&term["matchFields"]).is_empty() && list(&term["matchExpressions"]).iter().all(|r| rule(r).is_some())
}

fn rule(value: &Value) -> Option<LabelRule> {
    let operator = match value["operator"].as_str()? {
        "In" => LabelOperator::In,
        "NotIn" => LabelOperator::NotIn,
        "Exists" => LabelOperator::Exists,
        "DoesNotExist" => LabelOperator::DoesNotExist,
        "Gt" => LabelOperator::Gt,
        "Lt" => LabelOperator::Lt,
        _ => return None,
    };
    let values = list(&value["values"]).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    Some(LabelRule { key: value["key"].as_str()?.to_owned(), operator, values })
}

/// Warns of what bears on nodes and is not counted.
pub(super) fn check(object: &Value, locator: &Locator<'_>, origin: &Origin, out: &mut Diagnostics) {
    let (spec, base) = (pod_spec(object), pod_spec_path(object));
    let affinity = &spec["affinity"];
    let mut found: Vec<(String, &str)> = Vec::new();
    for field in ["podAffinity", "podAntiAffinity"] {
        if !list(&affinity[field][REQUIRED]).is_empty() {
            found.push((format!("{base}/affinity/{field}"), "a required affinity between pods"));
        }
    }
    let terms = list(&affinity["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]);
    for (i, term) in terms.iter().enumerate() {
        let at = format!("{base}/affinity/nodeAffinity/{REQUIRED}/nodeSelectorTerms/{i}");
        if !understood(term) {
            found.push((at, "a node affinity by fields, or with an operator that skyplan does not know,"));
        }
    }
    for (i, constraint) in list(&spec["topologySpreadConstraints"]).iter().enumerate() {
        if constraint["whenUnsatisfiable"] != "ScheduleAnyway" {
            found.push((format!("{base}/topologySpreadConstraints/{i}"), "a spread over nodes or zones"));
        }
    }
    for (pointer, what) in found {
        out.push(
            Diagnostic::warning("SKY0240", format!("{what} is not counted in placement"))
                .at(&locator.part(origin, &pointer))
                .hint("the nodes that are bought may be too few for it; `spread` of a DeploymentPolicy keeps components apart by cluster"),
        );
    }
}
