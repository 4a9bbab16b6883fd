//! Values of outputs, from clusters as they are after an apply.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::{Map, Value};

use super::cluster;
use crate::{
    driver::{Drivers, Fallible, kubernetes::Id},
    observed::KindRef,
    plan::{
        change::{OutputFrom, PlannedOutput},
        outputs::addresses,
        secret::is_secret,
    },
    spec::{ClusterDriver, fieldpath},
    state::RecordedOutput,
};

/// Reads all values. One that is not there yet is null; a cluster that cannot be asked says why, and
/// its values are null too.
pub async fn outputs(
    drivers: &Drivers,
    planned: &BTreeMap<String, PlannedOutput>,
) -> (BTreeMap<String, RecordedOutput>, Vec<String>) {
    let mut remarks = Vec::new();
    let mut values = BTreeMap::new();
    for (name, output) in planned {
        let asked = output
            .from
            .iter()
            .map(|from| async move { (from.address.cluster().to_owned(), value(drivers, from, &output.path).await) });
        let mut by_cluster = Map::new();
        for (cluster, answer) in join_all(asked).await {
            let found = answer.unwrap_or_else(|why| {
                remarks.push(format!("output {name}: {}", why.summary));
                Some(Value::Null)
            });
            if found.is_none() {
                remarks.push(format!("output {name} has no value on {cluster} yet: `skyplan apply` looks again"));
            }
            by_cluster.insert(cluster, found.unwrap_or(Value::Null));
        }
        let value = match by_cluster.len() {
            0 | 1 => by_cluster.into_values().next().unwrap_or(Value::Null),
            _ => Value::Object(by_cluster),
        };
        let description = output.description.clone();
        let of = addresses(&output.from);
        values.insert(name.clone(), RecordedOutput { value, description, path: output.path.clone(), of });
    }
    (values, remarks)
}

async fn value(drivers: &Drivers, from: &OutputFrom, path: &str) -> Fallible<Option<Value>> {
    let name = from.address.cluster();
    let Some(object) = from.address.object() else {
        let connection = &from.connection;
        let text = match (path, connection.driver) {
            ("kubeconfig", ClusterDriver::Local) => Some(drivers.kubeconfig(name).display().to_string()),
            ("kubeconfig", ClusterDriver::Existing) => connection.kubeconfig.clone(),
            ("context", _) => connection.context.clone(),
            _ => None,
        };
        return Ok(text.map(Value::from));
    };
    let cluster = drivers.cluster(name, &from.connection).await?;
    let failed = |fault| cluster::fault(name, "read an output", &fault);
    let kind = KindRef { api_version: from.api_version.clone(), kind: object.kind.clone() };
    let Some(served) = cluster.kind_by_now(&kind).await.map_err(failed)? else { return Ok(None) };
    let id = Id { namespace: object.namespace.as_deref(), name: &object.name };
    let live = cluster.get(&served, id).await.map_err(failed)?;
    // No manifest names a Secret here; a plan file that somebody wrote might.
    let Some(live) = live.filter(|o| !is_secret(o)) else { return Ok(None) };
    let steps = fieldpath::parse(path).unwrap_or_default();
    Ok(fieldpath::find(&live, &steps).filter(|_| !steps.is_empty()).cloned())
}
