//! Kinds that a plan itself brings, and takes away.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use skyplan::{
    address::ResourceAddress,
    observe,
    observed::{ClusterObserved, Observed, Questions},
    plan::change::Action,
    state::{RecordDetail, State},
};

use super::{CLUSTER, KEY, Project, World, assert_done, change};

/// A definition and an object of it in one plan.
pub(super) async fn a_kind_and_its_object(world: Arc<World>) {
    let project = Project::new(&world, "kinds");
    project.namespace().await;
    let definition = project.create(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.kinds.skyplan.io"},
        "spec": {"group": "kinds.skyplan.io", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing", "singular": "thing"},
                 "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer", "default": 3}, "name": {"type": "string"}}}}}}}]}}));
    let thing = json!({"apiVersion": "kinds.skyplan.io/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": project.lineage}, "spec": {"name": "x"}});
    let mut thing = project.create(thing);
    thing.depends_on = vec![definition.address.clone()];
    thing.unverified = true;
    let address = thing.address.clone();
    let before = project.question(&[("kinds.skyplan.io/v1", "Thing"), ("v1", "ConfigMap")], false, BTreeSet::new());
    let mut questions = Questions::default();
    questions.clusters.insert(CLUSTER.into(), before);
    let mut observed = Observed::default();
    observe::answer(&world.drivers, &questions, KEY, &mut observed).await;
    let ClusterObserved::Reached { served, .. } = &observed.clusters[CLUSTER] else { panic!("{observed:?}") };
    assert_eq!(served, &[("v1/ConfigMap".to_owned(), true)].into());
    let crd = definition.address.clone();
    assert_done(&project.apply(vec![definition, thing]).await);
    assert_eq!(project.live(&address).await["spec"]["size"], 3);
    // Both go at once: the object goes with its kind, whoever is first.
    let gone = |address: &ResourceAddress, state: &State| {
        let mut delete = change(address.clone(), Action::Delete, None);
        let record = &state.records[address];
        let RecordDetail::Object(object) = &record.detail else { panic!("no object") };
        delete.api_version.clone_from(&object.api_version);
        delete.precondition.record_serial = Some(record.serial);
        delete.precondition.uid = Some(object.uid.clone());
        delete
    };
    let state = project.log().state().clone();
    assert_done(&project.apply(vec![gone(&address, &state), gone(&crd, &state)]).await);
}
