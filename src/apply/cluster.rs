//! One change of a cluster.

use super::{
    executor::Run,
    fault::{Failure, placed},
};
use crate::{
    driver::another_cluster,
    network::Networks,
    observed::Connection,
    plan::change::{Action, Change, Target},
    spec::{ClusterDriver, DeletionPolicy},
    state::{ClusterRecord, Record, RecordDetail, record::NodePoolState},
};

pub(super) async fn perform(run: &Run<'_>, change: &Change) -> Result<(), Failure> {
    if matches!(change.action, Action::Forget | Action::Import) {
        run.record(change, change.record.as_deref().cloned());
        return Ok(());
    }
    let name = change.address.cluster();
    let connection = run.sites.connection(name)?;
    match change.action {
        Action::Create | Action::Update => make(run, change, connection).await,
        Action::Replace => {
            remove(run, change, connection).await?;
            make(run, change, connection).await
        }
        Action::Delete | Action::Forget | Action::Import => {
            remove(run, change, connection).await?;
            run.record(change, None);
            Ok(())
        }
    }
}

async fn make(run: &Run<'_>, change: &Change, connection: &Connection) -> Result<(), Failure> {
    let name = change.address.cluster();
    let (pools, deletion_policy, networks): (&[NodePoolState], _, _) = match &change.after {
        Some(Target::Cluster { pools, deletion_policy, networks, .. }) => (pools, *deletion_policy, *networks),
        _ => (&[], DeletionPolicy::default(), Networks::default()),
    };
    run.sites.forget(name);
    run.watches.forget(name);
    let uid = match connection.driver {
        ClusterDriver::Local => {
            let expected = expected(run, change);
            let told = |text: &str| run.waits(change, text);
            let made = run.sites.drivers().ensure_cluster(name, pools, &networks, expected.as_deref(), &told).await;
            // It may have been made and not got its nodes.
            made.map_err(|why| Failure { why: Box::new(placed(*why, change)), settled: false })?.uid
        }
        ClusterDriver::Existing => {
            run.sites.site(run, change).await.map_err(|why| placed(*why, change)).map_err(Failure::settled)?.uid
        }
    };
    let detail = RecordDetail::Cluster(ClusterRecord {
        driver: connection.driver,
        kubeconfig: connection.kubeconfig.clone(),
        context: connection.context.clone(),
        uid,
        pools: pools.to_vec(),
        deletion_policy,
        networks,
    });
    run.record(
        change,
        Some(Record { serial: 0, detail, depends_on: change.requires.clone(), origin: change.origin.clone() }),
    );
    Ok(())
}

/// The incarnation that is meant; `None` when whatever is there is right, or nothing is there.
fn expected(run: &Run<'_>, change: &Change) -> Option<String> {
    let recorded = || match &run.records.get(&change.address)?.detail {
        RecordDetail::Cluster(record) => Some(record.uid.clone()),
        RecordDetail::Object(_) | RecordDetail::Null(_) => None,
    };
    match change.action {
        Action::Update => change.precondition.cluster_uid.clone().or_else(recorded),
        Action::Create => change.precondition.cluster_uid.clone(),
        Action::Replace | Action::Delete | Action::Forget | Action::Import => None,
    }
}

/// Ends a local cluster; others stay as they are.
async fn remove(run: &Run<'_>, change: &Change, connection: &Connection) -> Result<(), Failure> {
    let name = change.address.cluster();
    if connection.driver == ClusterDriver::Existing {
        return Ok(());
    }
    let drivers = run.sites.drivers();
    let recorded = match run.records.get(&change.address).map(|r| &r.detail) {
        Some(RecordDetail::Cluster(record)) => Some(record.uid.clone()),
        _ => None,
    };
    // Another cluster of its name must not be deleted for it. One that does not answer cannot be
    // asked; the folder is what the record is about.
    if let Some(expected) = change.precondition.cluster_uid.clone().or(recorded)
        && let Ok(cluster) = drivers.cluster(name, connection).await
        && let Ok(found) = cluster.uid().await
        && found != expected
    {
        return Err(Failure::settled(placed(another_cluster(name, &expected, &found), change)));
    }
    run.sites.forget(name);
    run.watches.forget(name);
    run.waits(change, "stopping its processes");
    let gone = drivers.delete_cluster(name).await;
    gone.map(drop).map_err(|why| Failure::unsettled(placed(*why, change)))
}
