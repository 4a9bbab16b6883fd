//! Other names for what is remembered: a cluster with all that is on it, the place of a component. Pure.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    entry::Begin,
    record::{PlacementRecord, Record, RecordDetail},
    replay::State,
    reservation::Reservation,
};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    spec::Subject,
};

/// One thing and its two names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// What it was called.
    pub from: Subject,
    /// What it is called.
    pub to: Subject,
}

impl State {
    /// Whether anything is remembered under this name.
    pub fn knows(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Cluster(name) => self.records.keys().chain(self.uncertain.keys()).any(|a| a.cluster() == name),
            Subject::Other(address) => self.records.contains_key(address),
            _ => self.placement.components.keys().any(|c| belongs(subject, c)),
        }
    }

    /// The state with other names in it. What was called by the new name before is overwritten: whether there is
    /// such a thing is to be asked first.
    #[must_use]
    pub fn moved(mut self, step: &Move) -> Self {
        match (&step.from, &step.to) {
            (Subject::Cluster(from), Subject::Cluster(to)) => self.rename_cluster(from, to),
            (from, to) => {
                let name = |c: &String| renamed_component(c, from, to).unwrap_or_else(|| c.clone());
                for record in self.records.values_mut() {
                    if let RecordDetail::Object(object) = &mut record.detail {
                        object.components = object.components.iter().map(name).collect();
                        object.components.sort();
                        object.components.dedup();
                    }
                }
            }
        }
        self.placement = self.placement.moved(step);
        self
    }

    fn rename_cluster(&mut self, from: &str, to: &str) {
        let address = |a: &ResourceAddress| renamed(a, from, to);
        let records = std::mem::take(&mut self.records);
        self.records = records
            .into_iter()
            .map(|(a, record)| {
                let depends_on = record.depends_on.iter().map(address).collect();
                (address(&a), Record { depends_on, ..record })
            })
            .collect();
        self.uncertain = std::mem::take(&mut self.uncertain).into_iter().map(|(a, u)| (address(&a), u)).collect();
        self.held = std::mem::take(&mut self.held).into_iter().map(|(a, h)| (address(&a), h)).collect();
        for output in self.outputs.values_mut() {
            output.of = output.of.iter().map(address).collect();
        }
        for begin in self.open.values_mut() {
            rename_in_begin(begin, from, to);
        }
        // The objects on it say their old names until an apply has written the new ones.
        let mut former = self.former.remove(from).unwrap_or_default();
        former.insert(from.to_owned());
        former.remove(to);
        self.former.entry(to.to_owned()).or_default().extend(former);
    }
}

impl PlacementRecord {
    /// The same with other names in it.
    #[must_use]
    pub fn moved(mut self, step: &Move) -> Self {
        match (&step.from, &step.to) {
            (Subject::Cluster(from), Subject::Cluster(to)) => self.rename_cluster(from, to),
            (from, to) => {
                let name = |c: String| renamed_component(&c, from, to).unwrap_or(c);
                self.components = self.components.into_iter().map(|(c, placed)| (name(c), placed)).collect();
            }
        }
        self
    }

    fn rename_cluster(&mut self, from: &str, to: &str) {
        let name = |c: &String| if c == from { to.to_owned() } else { c.clone() };
        for placed in self.components.values_mut() {
            placed.clusters = placed.clusters.iter().map(name).collect();
            placed.clusters.sort();
            placed.portions = std::mem::take(&mut placed.portions).into_iter().map(|(c, n)| (name(&c), n)).collect();
        }
        self.clusters = self.clusters.iter().map(name).collect();
        self.clusters.sort();
        self.clusters.dedup();
    }
}

impl Begin {
    /// Whether an apply that does this would be disturbed by another name for it.
    pub fn is_about(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Cluster(name) => {
                self.takes.contains(&Reservation::Room(name.clone()))
                    || self.writes.iter().chain(&self.reads).any(|a| a.cluster() == name)
            }
            // Its end remembers all components' places.
            _ => true,
        }
    }
}

/// Whether a component is the subject, or of the application that is.
fn belongs(subject: &Subject, component: &str) -> bool {
    match subject {
        Subject::Component(name) => name == component,
        Subject::Application(name) => component.split_once('/').is_some_and(|(app, _)| app == name),
        _ => false,
    }
}

/// The new name of a component; `None` where it keeps its own.
fn renamed_component(component: &str, from: &Subject, to: &Subject) -> Option<String> {
    if !belongs(from, component) {
        return None;
    }
    match (to, component.split_once('/')) {
        (Subject::Component(name), _) => Some(name.clone()),
        (Subject::Application(app), Some((_, name))) => Some(format!("{app}/{name}")),
        _ => None,
    }
}

/// The address with another name of its cluster.
pub fn renamed(address: &ResourceAddress, from: &str, to: &str) -> ResourceAddress {
    match address {
        ResourceAddress::Cluster(name) if name == from => ResourceAddress::Cluster(to.to_owned()),
        ResourceAddress::Object(o) if o.cluster == from => {
            ResourceAddress::Object(ObjectAddress { cluster: to.to_owned(), ..o.clone() })
        }
        _ => address.clone(),
    }
}

fn rename_in_begin(begin: &mut Begin, from: &str, to: &str) {
    let address = |a: &ResourceAddress| renamed(a, from, to);
    for all in [&mut begin.writes, &mut begin.reads] {
        *all = all.iter().map(address).collect();
    }
    for taken in &mut begin.takes {
        if matches!(taken, Reservation::Room(cluster) if cluster == from) {
            *taken = Reservation::Room(to.to_owned());
        }
    }
    begin.networks = rename_key(std::mem::take(&mut begin.networks), from, to);
    begin.api_versions =
        std::mem::take(&mut begin.api_versions).into_iter().map(|(a, version)| (address(&a), version)).collect();
    begin.clusters = rename_key(std::mem::take(&mut begin.clusters), from, to);
}

fn rename_key<T>(mut map: BTreeMap<String, T>, from: &str, to: &str) -> BTreeMap<String, T> {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        spec::ClusterDriver,
        state::{ClusterRecord, PlacedInstance, replay::Uncertain},
    };

    fn state() -> State {
        let cluster = ClusterRecord {
            driver: ClusterDriver::Existing,
            kubeconfig: None,
            context: None,
            uid: "u".into(),
            pools: Vec::new(),
            deletion_policy: crate::spec::DeletionPolicy::Retain,
            networks: crate::network::Networks::default(),
        };
        let record = |depends_on: Vec<ResourceAddress>| Record {
            serial: 3,
            detail: RecordDetail::Cluster(cluster.clone()),
            depends_on,
            origin: None,
        };
        let at = |text: &str| text.parse::<ResourceAddress>().unwrap();
        let placed = PlacedInstance {
            clusters: vec!["a".into(), "m".into()],
            spec: "s".into(),
            portions: [("a".into(), 2), ("m".into(), 1)].into(),
            missing: 0,
        };
        State {
            records: [
                (at("cluster/a"), record(Vec::new())),
                (at("object/a/core/ConfigMap/n/m"), record(vec![at("cluster/a")])),
                (at("cluster/m"), record(Vec::new())),
            ]
            .into(),
            uncertain: [(at("object/a/core/ConfigMap/n/late"), Uncertain::default())].into(),
            placement: PlacementRecord {
                components: [("shop/web".into(), placed)].into(),
                clusters: vec!["a".into(), "m".into()],
                ..PlacementRecord::default()
            },
            open: [(2, Begin { writes: vec![at("object/a/core/ConfigMap/n/late")], ..Begin::default() })].into(),
            ..State::default()
        }
    }

    fn step(from: &str, to: &str) -> Move {
        Move { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    #[test]
    fn a_cluster_has_another_name_everywhere() {
        let state = state();
        assert!(state.knows(&"cluster/a".parse().unwrap()) && !state.knows(&"cluster/z".parse().unwrap()));
        let moved = state.clone().moved(&step("cluster/a", "cluster/z"));
        let text = serde_json::to_string(&moved).unwrap();
        assert!(!text.contains("cluster/a\"") && !text.contains("object/a/"), "{text}");
        assert_eq!(moved.placement.components["shop/web"].clusters, ["m", "z"]);
        assert_eq!(moved.former["z"].iter().collect::<Vec<_>>(), ["a"]);
        // And back again, but that it was called otherwise in between.
        let back = moved.moved(&step("cluster/z", "cluster/a"));
        assert_eq!(State { former: BTreeMap::new(), ..back.clone() }, state);
        assert_eq!(back.former["a"].iter().collect::<Vec<_>>(), ["z"]);
    }

    #[test]
    fn a_place_is_kept_under_another_name() {
        let moved = state().moved(&step("shop/web", "store/front"));
        assert_eq!(moved.placement.components.keys().collect::<Vec<_>>(), ["store/front"]);
        let moved = state().moved(&step("shop", "store"));
        assert_eq!(moved.placement.components.keys().collect::<Vec<_>>(), ["store/web"]);
        assert!(
            moved.knows(&Subject::Application("store".into())) && !moved.knows(&Subject::Application("shop".into()))
        );
    }
}
