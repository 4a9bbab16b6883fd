//! Before anything is begun: every cluster that answers is the one that the plan was made for.
//!
//! Each change asks again before it writes (`site`); but then others may have been written to already.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use tokio::time::timeout;

use crate::{
    driver::{Drivers, Fallible, another_cluster},
    plan::Plan,
};

/// How long the slowest of them holds the others up.
const PATIENCE: Duration = Duration::from_secs(3);

/// # Errors
/// A cluster is another one than was planned for (`SKY0709`). One that does not answer is nobody's fault yet.
pub(super) async fn confirm(plan: &Plan, drivers: &Drivers) -> Fallible<()> {
    let expected: BTreeMap<&str, &str> = plan
        .changes
        .iter()
        .filter_map(|c| Some((c.address.cluster(), c.precondition.cluster_uid.as_deref()?)))
        .collect();
    let asked = expected.into_iter().map(|(name, expected)| async move {
        let connection = plan.clusters.get(name)?;
        let ask = async { drivers.cluster(name, connection).await.ok()?.uid().await.ok() };
        let found = timeout(PATIENCE, ask).await.ok()??;
        (found != expected).then(|| Box::new(another_cluster(name, expected, &found)))
    });
    join_all(asked).await.into_iter().flatten().next().map_or(Ok(()), Err)
}
