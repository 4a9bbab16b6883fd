//! Answers what the planner asks: all clusters at once, all kinds of a cluster at once.
//!
//! Reads only. What it hands on has no secret value in it; no answer is ever "nothing" because a
//! question failed: then the whole cluster counts as unreachable, with the reason.

mod capacity;
mod cluster;
mod health;
mod holdings;
mod outputs;
mod questions;

pub use health::{HealthTarget, ObjectHealth, health};
pub use outputs::outputs;

use futures::future::join_all;

use crate::{
    driver::{Drivers, kubernetes::MOST},
    observed::{ClusterObserved, Observed, Questions},
    spec::ClusterDriver,
};

/// Questions per cluster that are begun. How many of them are in flight, the cluster's pace says.
const AT_ONCE: usize = MOST;

/// Answers `questions` into `observed`, beside what is answered there already. What is sent as a
/// dry-run is sent as it is; what comes back is redacted with `secret_key`.
///
/// Lookups and dry-runs are about clusters that these or earlier questions reached. One that stops
/// answering in between becomes unreachable in `observed`.
pub async fn answer(drivers: &Drivers, questions: &Questions, secret_key: &str, observed: &mut Observed) {
    let clusters = questions.clusters.iter().map(|(name, question)| async move {
        (name.clone(), cluster::observe(drivers, name, question, secret_key).await)
    });
    observed.clusters.extend(join_all(clusters).await);
    for (name, question) in &questions.clusters {
        if question.connection.driver == ClusterDriver::Local
            && let Ok(Some(networks)) = drivers.local_networks(name)
        {
            observed.networks.insert(name.clone(), networks);
        }
    }

    let context = questions::Context { drivers, questions, secret_key };
    let (lookups, imports, holdings, dry_runs) =
        futures::join!(context.lookups(), context.imports(), context.holdings(), context.dry_runs());
    let failed = lookups.failed.into_iter().chain(imports.failed).chain(holdings.failed).chain(dry_runs.failed);
    for (cluster, why) in failed {
        observed.clusters.insert(cluster, ClusterObserved::Unreachable { why });
    }
    observed.lookups.extend(lookups.answers);
    observed.imports.extend(imports.answers);
    observed.holdings.extend(holdings.answers);
    observed.dry_runs.extend(dry_runs.answers);
}
