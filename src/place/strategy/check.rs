//! Whether a division is what its words ask for. Shares no code with what divides, on purpose.

use std::collections::BTreeMap;

use super::{
    super::problem::{Candidate, Demand, Problem, Solution},
    Division,
};
use crate::{compile::model::Model, spec::StrategyName};

/// Verifies divisions against the specs, and a solution against divisions.
///
/// # Errors
/// Says everything that is wrong, in words.
pub(in super::super) fn check(
    model: &Model,
    divisions: &BTreeMap<String, Division>,
    problem: &Problem,
    solution: &Solution,
) -> Result<(), Vec<String>> {
    let mut faults = Vec::new();
    for (i, component) in model.components.iter().enumerate() {
        let Some(strategy) = component.strategy.as_ref().filter(|s| s.replicas > 0) else { continue };
        let name = &component.name;
        let Some(division) = divisions.get(name) else {
            faults.push(format!("{name} is not divided"));
            continue;
        };
        let places = solution.instances.get(i).map_or(&[][..], Vec::as_slice);
        let mut sum = 0_u64;
        for (l, cluster) in model.clusters.iter().enumerate() {
            let portion = division.portions.get(&cluster.name).copied().unwrap_or(0);
            sum += u64::from(portion);
            if places.contains(&l) != (portion > 0) {
                faults.push(format!("{name} runs {portion} replicas on {} and not on the places chosen", cluster.name));
            }
            if portion == 0 {
                continue;
            }
            let permitted = component.permitted.iter().any(|p| p.clusters.contains(&l));
            if !component.permitted.is_empty() && !permitted {
                faults.push(format!("{name} has replicas on {}, which is not permitted", cluster.name));
            }
            if let Candidate::Allowed(Demand::Shared(groups)) = &problem.components[i].candidates[l]
                && groups.iter().any(|g| g.count < portion)
            {
                faults.push(format!("{name}: the pods on {} are fewer than its replicas", cluster.name));
            }
        }
        let each = u64::from(strategy.replicas);
        let wanted = match strategy.name {
            StrategyName::WorstFit | StrategyName::BestFit | StrategyName::MostTraffic => {
                each * u64::from(strategy.locations)
            }
            StrategyName::ClusterAffinity => each * strategy.clusters.len() as u64,
            StrategyName::Duplicated => each * division.portions.len() as u64,
            _ => each,
        };
        let whole = strategy.name != StrategyName::Duplicated;
        if whole && sum + u64::from(division.missing) != wanted || sum > wanted {
            faults.push(format!("{name}: {sum} replicas and {} missing are not {wanted}", division.missing));
        }
        if division.missing > 0 && !strategy.partial {
            faults.push(format!("{name}: {} replicas are missing", division.missing));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
