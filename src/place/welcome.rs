//! Which nodes take which pods: sizes and names that `compute` asks for, taints, labels, spot.
//!
//! Says it as kube-scheduler does, from the words of pools and pods alone.

use std::collections::BTreeMap;

use crate::{
    compile::{
        SPOT,
        model::{Cluster, Component, LabelOperator, LabelRule, NodeKind, PodNeed, Pool, Toleration},
    },
    diagnostic::Origin,
    observed::FreeNode,
    quantity::Resources,
    spec::{Taint, TaintEffect, matches_pattern},
};

/// Whether nodes of a pool are of a kind: at least its size, its GPU, its name's pattern.
pub(super) fn serves(pool: &Pool, kind: &NodeKind) -> bool {
    let named =
        kind.pattern.as_ref().is_none_or(|p| matches_pattern(p, &pool.offering) || matches_pattern(p, &pool.name));
    let gpu = kind.gpu.as_ref().is_none_or(|wanted| {
        pool.gpu.as_ref().is_some_and(|(model, memory)| {
            wanted.model.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(model))
                && wanted.memory.is_none_or(|m| memory.is_none_or(|have| have >= m.0))
        })
    });
    named && gpu && at_least(&pool.size, &kind.size)
}

pub(super) fn at_least(have: &Resources, want: &Resources) -> bool {
    have.milli_cpu >= want.milli_cpu && have.memory >= want.memory && have.gpus >= want.gpus
}

/// The taint of a cluster that keeps a component away: one that any of its pods does not tolerate.
pub(super) fn kept_away<'a>(cluster: &'a Cluster, component: &Component) -> Option<(&'a Taint, &'a Origin)> {
    let tolerated = |taint: &Taint| {
        let own = component.tolerations.iter().any(|t| tolerates(t, taint));
        let pods = component.pods.iter().all(|p| p.tolerations.iter().any(|t| tolerates(t, taint)));
        own || pods && !component.pods.is_empty()
    };
    let hard = cluster.taints.iter().filter(|(t, _)| t.effect != TaintEffect::PreferNoSchedule);
    hard.map(|(t, origin)| (t, origin)).find(|(t, _)| !tolerated(t))
}

/// Why a pool's nodes do not take a pod; `None` when they do.
pub(super) fn pool_refuses(pool: &Pool, need: &PodNeed, component: &Component) -> Option<String> {
    if pool.spot && !component.spot {
        return Some(format!("`{}` is spot, and it does not say `spot: true`", pool.name));
    }
    let tolerations = || need.tolerations.iter().chain(&component.tolerations);
    tainted(&pool.taints, |t| t.key == SPOT && component.spot || tolerations().any(|own| tolerates(own, t)))
        .or_else(|| node_refuses(&pool.labels, &pool.name, need))
}

/// Why a free node does not take a pod.
pub(super) fn free_refuses(node: &FreeNode, need: &PodNeed, component: &Component) -> Option<String> {
    let tolerations = || need.tolerations.iter().chain(&component.tolerations);
    tainted(&node.taints, |t| tolerations().any(|own| tolerates(own, t)))
        .or_else(|| labels_refuse(need, |key| node.labels.get(key).map(String::as_str)))
}

/// The first hard taint that is not tolerated, in words.
fn tainted(taints: &[Taint], tolerated: impl Fn(&Taint) -> bool) -> Option<String> {
    let hard = taints.iter().filter(|t| t.effect != TaintEffect::PreferNoSchedule);
    hard.into_iter().find(|t| !tolerated(t)).map(|t| format!("taint `{}`", t.words()))
}

/// Why nodes with these labels, and those that every node that skyplan makes has, do not take a pod.
pub(super) fn node_refuses(labels: &BTreeMap<String, String>, pool: &str, need: &PodNeed) -> Option<String> {
    labels_refuse(need, |key| {
        labels.get(key).map(String::as_str).or(match key {
            "skyplan.io/node-pool" => Some(pool),
            "kubernetes.io/os" => Some("linux"),
            "kubernetes.io/arch" => Some("amd64"),
            _ => None,
        })
    })
}

fn labels_refuse<'a>(need: &PodNeed, label: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    if let Some((key, value)) = need.node_selector.iter().find(|(k, v)| label(k) != Some(v.as_str())) {
        return Some(format!("nodeSelector `{key}: {value}`"));
    }
    let meets = |rule: &LabelRule| {
        let have = label(&rule.key);
        let number = |text: &str| text.parse::<i64>().ok();
        let ordered = |wanted: std::cmp::Ordering| {
            let (have, bound) = (have.and_then(number), rule.values.first().and_then(|v| number(v)));
            matches!((have, bound), (Some(have), Some(bound)) if have.cmp(&bound) == wanted)
        };
        match rule.operator {
            LabelOperator::In => have.is_some_and(|h| rule.values.iter().any(|v| v == h)),
            LabelOperator::NotIn => have.is_none_or(|h| rule.values.iter().all(|v| v != h)),
            LabelOperator::Exists => have.is_some(),
            LabelOperator::DoesNotExist => have.is_none(),
            LabelOperator::Gt => ordered(std::cmp::Ordering::Greater),
            LabelOperator::Lt => ordered(std::cmp::Ordering::Less),
        }
    };
    let any = need.affinity.is_empty() || need.affinity.iter().any(|term| !term.is_empty() && term.iter().all(meets));
    if any {
        return None;
    }
    let missed = need.affinity.iter().flatten().find(|rule| !meets(rule));
    Some(missed.map_or_else(|| "node affinity".into(), |rule| format!("node affinity by `{}`", rule.key)))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    toleration.effect.as_deref().is_none_or(|e| e == taint.effect.word())
        && toleration.key.as_ref().is_none_or(|k| *k == taint.key)
        && toleration.value.as_ref().is_none_or(|v| *v == taint.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_keep_pods_away_that_do_not_tolerate_them() {
        let taint = Taint { key: "gpu".into(), value: "yes".into(), effect: TaintEffect::NoSchedule };
        let toleration = |key: Option<&str>, value: Option<&str>| Toleration {
            key: key.map(str::to_owned),
            value: value.map(str::to_owned),
            effect: None,
        };
        assert!(tolerates(&toleration(Some("gpu"), Some("yes")), &taint));
        assert!(tolerates(&toleration(None, None), &taint));
        assert!(!tolerates(&toleration(Some("gpu"), Some("no")), &taint));
        assert!(!tolerates(&toleration(Some("other"), None), &taint));
    }

    #[test]
    fn required_node_affinity_is_kept() {
        let rule = |key: &str, operator, values: &[&str]| LabelRule {
            key: key.into(),
            operator,
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned()), ("cores".to_owned(), "8".to_owned())]);
        let takes = |affinity: Vec<Vec<LabelRule>>| {
            let need = PodNeed {
                size: Resources::default(),
                count: 1,
                tolerations: Vec::new(),
                node_selector: BTreeMap::new(),
                affinity,
            };
            node_refuses(&labels, "p", &need)
        };
        for (rule, wanted) in [
            (rule("zone", LabelOperator::In, &["a", "b"]), true),
            (rule("zone", LabelOperator::In, &["b"]), false),
            (rule("zone", LabelOperator::NotIn, &["b"]), true),
            (rule("rack", LabelOperator::NotIn, &["b"]), true),
            (rule("zone", LabelOperator::NotIn, &["a"]), false),
            (rule("zone", LabelOperator::Exists, &[]), true),
            (rule("rack", LabelOperator::Exists, &[]), false),
            (rule("rack", LabelOperator::DoesNotExist, &[]), true),
            (rule("zone", LabelOperator::DoesNotExist, &[]), false),
            (rule("cores", LabelOperator::Gt, &["4"]), true),
            (rule("cores", LabelOperator::Gt, &["8"]), false),
            (rule("cores", LabelOperator::Lt, &["16"]), true),
            (rule("zone", LabelOperator::Lt, &["16"]), false),
        ] {
            assert_eq!(takes(vec![vec![rule.clone()]]).is_none(), wanted, "{rule:?}");
        }
        // Terms are alternatives, rules of a term are not.
        let (good, bad) = (rule("zone", LabelOperator::Exists, &[]), rule("rack", LabelOperator::Exists, &[]));
        assert_eq!(takes(vec![vec![bad.clone()], vec![good.clone()]]), None);
        assert_eq!(takes(vec![vec![good, bad]]), Some("node affinity by `rack`".into()));
        assert!(takes(vec![Vec::new()]).is_some(), "a term without rules takes no node");
    }
}
