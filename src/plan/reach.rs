//! The first round of questions: which clusters have to be reached, and what listed on them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inputs, desired::connection, select::stays};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    compile::pods::group_kind,
    observed::{ClusterQuestion, Connection, KindRef, Observed, Questions},
    spec::ClusterDriver,
    state::{RecordDetail, State},
};

/// Which clusters have to be reached, and what listed on them: whatever the specs or the records
/// speak of, wherever it will be placed.
pub(super) fn reach(inputs: &Inputs<'_>, observed: &Observed) -> Questions {
    let mut questions = Questions::default();
    if observed.offline {
        return questions;
    }
    let kind_of = |object: &serde_json::Value| KindRef {
        api_version: object["apiVersion"].as_str().unwrap_or_default().to_owned(),
        kind: object["kind"].as_str().unwrap_or_default().to_owned(),
    };
    let written: BTreeSet<KindRef> =
        inputs.model.into_iter().flat_map(|m| &m.objects).map(|o| kind_of(&o.object)).collect();
    let still: BTreeSet<(&str, &str, Option<&str>, &str)> =
        inputs.model.into_iter().flat_map(|m| &m.objects).map(|o| named(&o.object)).collect();
    let mut connections: BTreeMap<String, Connection> = BTreeMap::new();
    for address in inputs.state.records.keys() {
        let name = address.cluster();
        connections.extend(recorded_connection(inputs.state, name).map(|c| (name.to_owned(), c)));
    }
    // What an apply that was cut off may have made, where nobody else would look.
    for (address, uncertain) in &inputs.state.uncertain {
        connections.extend(uncertain.connection.clone().map(|c| (address.cluster().to_owned(), c)));
    }
    connections.extend(inputs.model.into_iter().flat_map(|m| &m.clusters).map(|c| (c.name.clone(), connection(c))));
    for (name, connection) in connections {
        if observed.clusters.contains_key(&name) {
            continue;
        }
        let mut kinds = written.clone();
        kinds.insert(KindRef { api_version: "v1".into(), kind: "Namespace".into() });
        let mut ours = BTreeSet::new();
        for (address, record) in inputs.state.records.iter().filter(|(a, _)| a.cluster() == name) {
            if let (RecordDetail::Object(o), Some(object)) = (&record.detail, address.object()) {
                kinds.insert(KindRef { api_version: o.api_version.clone(), kind: object.kind.clone() });
                // What is to go, and does not go with this plan, takes room as that of others does.
                let goes = !still.contains(&(&object.group, &object.kind, object.namespace.as_deref(), &object.name));
                if !(goes && stays(&inputs.scope, address, record)) {
                    ours.insert(o.uid.clone());
                }
            }
        }
        for (address, uncertain) in inputs.state.uncertain.iter().filter(|(a, _)| a.cluster() == name) {
            if let Some(object) = address.object().filter(|_| !uncertain.api_version.is_empty()) {
                kinds.insert(KindRef { api_version: uncertain.api_version.clone(), kind: object.kind.clone() });
            }
        }
        let capacity = connection.driver == ClusterDriver::Existing && inputs.model.is_some();
        let lineage = inputs.state.lineage.clone();
        let versions = versions(inputs, &name, &kinds);
        let namespaces = namespaces(inputs, &name);
        let question = ClusterQuestion { connection, kinds, lineage, namespaces, capacity, versions, ours };
        questions.clusters.insert(name, question);
    }
    questions
}

/// Namespaces that something is written for, remembered in, or uncertain in.
fn namespaces(inputs: &Inputs<'_>, cluster: &str) -> BTreeSet<String> {
    let written = inputs.model.into_iter().flat_map(|m| &m.objects).filter_map(|o| named(&o.object).2);
    let known = inputs.state.records.keys().chain(inputs.state.uncertain.keys()).filter(|a| a.cluster() == cluster);
    let known = known.filter_map(|a| a.object()?.namespace.as_deref());
    written.chain(known).map(str::to_owned).collect()
}

/// Objects of kinds that are listed in several versions, and which of those is theirs: as they are written, else
/// as they were recorded.
fn versions(inputs: &Inputs<'_>, cluster: &str, kinds: &BTreeSet<KindRef>) -> BTreeMap<ResourceAddress, String> {
    let parts = |kind: &KindRef| {
        let group = kind.api_version.split_once('/').map_or("", |(group, _)| group);
        (group.to_owned(), kind.kind.clone())
    };
    let mut seen = BTreeSet::new();
    let several: BTreeSet<(String, String)> =
        kinds.iter().map(parts).filter(|kind| !seen.insert(kind.clone())).collect();
    let mut all = BTreeMap::new();
    for (address, record) in inputs.state.records.iter().filter(|(a, _)| a.cluster() == cluster && !several.is_empty())
    {
        if let (RecordDetail::Object(o), Some(object)) = (&record.detail, address.object())
            && several.contains(&(object.group.clone(), object.kind.clone()))
        {
            all.insert(address.clone(), o.api_version.clone());
        }
    }
    for object in inputs.model.into_iter().flat_map(|m| &m.objects).filter(|_| !several.is_empty()).map(|o| &o.object) {
        let (group, kind, namespace, name) = named(object);
        if !several.contains(&(group.to_owned(), kind.to_owned())) {
            continue;
        }
        // Whether its kind has namespaces is not known yet.
        for namespace in [namespace, None] {
            let address = ObjectAddress {
                cluster: cluster.to_owned(),
                group: group.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
            };
            let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
            all.insert(ResourceAddress::Object(address), version);
        }
    }
    all
}

/// Group, kind, namespace and name of an object.
fn named(object: &serde_json::Value) -> (&str, &str, Option<&str>, &str) {
    let (group, kind) = group_kind(object);
    let metadata = &object["metadata"];
    (group, kind, metadata["namespace"].as_str(), metadata["name"].as_str().unwrap_or_default())
}

/// How a cluster was reached when it was recorded.
pub(super) fn recorded_connection(state: &State, cluster: &str) -> Option<Connection> {
    match &state.records.get(&ResourceAddress::Cluster(cluster.to_owned()))?.detail {
        RecordDetail::Cluster(c) => {
            Some(Connection { driver: c.driver, kubeconfig: c.kubeconfig.clone(), context: c.context.clone() })
        }
        RecordDetail::Object(_) | RecordDetail::Null(_) => None,
    }
}
