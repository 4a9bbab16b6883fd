//! Outputs: where each will be read from once a plan is applied, and which of them that changes.

use std::collections::BTreeMap;

use super::{
    change::{Action, Change, OutputFrom, PlannedOutput},
    desired::{Body, Desired},
};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    compile::model::{Model, Output, OutputSource},
    state::State,
};

/// All outputs of a model.
pub(super) fn outputs(
    model: &Model,
    wanted: &Desired,
    changes: &[Change],
    state: &State,
) -> BTreeMap<String, PlannedOutput> {
    model.outputs.iter().map(|o| (o.name.clone(), one(o, wanted, changes, state))).collect()
}

fn one(output: &Output, wanted: &Desired, changes: &[Change], state: &State) -> PlannedOutput {
    let here = |cluster: &str| output.cluster.as_deref().is_none_or(|c| c == cluster);
    let mut from = Vec::new();
    for resource in wanted.resources.values().filter(|r| here(r.address.cluster())) {
        let is = match (&resource.address, &output.source) {
            (ResourceAddress::Cluster(_), OutputSource::Connection) => true,
            (ResourceAddress::Object(o), OutputSource::Object { .. }) => names(&output.source, o),
            _ => false,
        };
        if is {
            let name = resource.address.cluster();
            let api_version = match &resource.body {
                Body::Object { api_version, .. } => api_version.clone(),
                Body::Cluster { .. } | Body::Null { .. } => String::new(),
            };
            from.extend(wanted.connections.get(name).map(|connection| OutputFrom {
                address: resource.address.clone(),
                api_version,
                connection: connection.clone(),
            }));
        }
    }
    let changes = |from: &OutputFrom| {
        let cluster = ResourceAddress::Cluster(from.address.cluster().to_owned());
        changes.iter().any(|c| c.action != Action::Forget && (c.address == from.address || c.address == cluster))
    };
    let known = state.outputs.get(&output.name).filter(|o| o.path == output.path && o.of == addresses(&from));
    let value = known.filter(|_| !from.iter().any(changes)).map(|o| o.value.clone());
    PlannedOutput { description: output.description.clone(), path: output.path.clone(), from, value }
}

fn names(source: &OutputSource, object: &ObjectAddress) -> bool {
    let OutputSource::Object { api_version, kind, namespace, name } = source else { return false };
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    // A kind outside of namespaces has none, whatever was filled in.
    let same = object.namespace.is_none() || object.namespace == *namespace;
    object.group == group && object.kind == *kind && object.name == *name && same
}

/// What a value is read from.
pub fn addresses(from: &[OutputFrom]) -> Vec<ResourceAddress> {
    from.iter().map(|f| f.address.clone()).collect()
}
