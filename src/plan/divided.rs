//! What a division of replicas means for objects: the number that a workload has on each cluster, and the
//! bounds of its autoscaler there. Knows divisions as they are, not how they come about.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::Note;
use crate::{
    compile::{
        model::{AppObject, Model},
        pods::{self, group_kind},
    },
    place::{decide::Placed, strategy::Division},
};

/// Sets what a cluster's portion changes in an object.
///
/// A workload gets its portion as `spec.replicas`. Where a HorizontalPodAutoscaler owns that number it
/// is not sent at all; the autoscaler then gets its part of `minReplicas` and `maxReplicas`, which
/// are written for all places together as `replicas` is, so that no two of them fight and none outgrows the
/// room that the division counted on.
pub(super) fn adapt(
    model: &Model,
    divisions: &BTreeMap<String, Division>,
    source: &AppObject,
    cluster: &str,
    body: &mut Value,
) {
    let components = source.components.iter().filter_map(|c| divisions.get(&model.components[*c].name));
    for division in components {
        let Some(portion) = division.portions.get(cluster) else { continue };
        if pods::scales(body) {
            set(body, "replicas", Value::from(*portion));
        } else if group_kind(body).1 == "HorizontalPodAutoscaler" {
            let names: Vec<&String> = division.portions.keys().collect();
            let at = names.iter().position(|n| *n == cluster).unwrap_or_default();
            let portions: Vec<u32> = division.portions.values().copied().collect();
            let least = body["spec"]["minReplicas"].as_u64().unwrap_or(1);
            let least = part(least, &portions, at, division.whole);
            if let Some(most) = body["spec"]["maxReplicas"].as_u64() {
                set(body, "minReplicas", Value::from(least));
                set(body, "maxReplicas", Value::from(part(most, &portions, at, division.whole).max(least)));
            }
        }
    }
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert(field.to_owned(), value);
    }
}

/// The part of a number, written for `whole` replicas, that the portion at `at` gets: whole parts, the rest to
/// the first, at least 1.
fn part(number: u64, portions: &[u32], at: usize, whole: u32) -> u64 {
    let sum: u128 = portions.iter().map(|p| u128::from(*p)).sum();
    // Strategies with several locations run `whole` in each of them.
    let number = u128::from(number) * sum / u128::from(whole.max(1));
    let until = |to: usize| {
        let before: u128 = portions[..to].iter().map(|p| u128::from(*p)).sum();
        (number * before).div_ceil(sum.max(1))
    };
    u64::try_from(until(at + 1) - until(at)).unwrap_or(u64::MAX).max(1)
}

/// Replicas that are left out for want of room.
pub(super) fn missing(placed: &Placed) -> Vec<Note> {
    let lacking = placed.present.divisions.iter().filter(|(_, d)| d.missing > 0);
    lacking
        .map(|(name, d)| {
            let total = d.total().saturating_add(d.missing);
            let text = format!(
                "{} of {total} replicas of {name} find no room and are left out; later plans place them",
                d.missing
            );
            Note { topic: "partial".into(), text }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_autoscalers_add_up() {
        let parts = |n: u64, portions: &[u32], whole: u32| -> Vec<u64> {
            (0..portions.len()).map(|at| part(n, portions, at, whole)).collect()
        };
        assert_eq!(parts(10, &[3, 2], 5), [6, 4]);
        assert_eq!(parts(5, &[1, 1], 2), [3, 2], "the remainder is not lost");
        assert_eq!(parts(1, &[3, 2], 5), [1, 1], "an autoscaler keeps at least one");
        assert_eq!(parts(4, &[2, 2, 2], 2), [4, 4, 4], "whole in every place");
    }
}
