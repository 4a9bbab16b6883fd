//! Entries → [`State`]. Pure: the same entries give the same state anywhere.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    entry::{Begin, Entry},
    record::{PlacementRecord, Record, RecordedOutput},
};
use crate::{address::ResourceAddress, network::Networks, observed::Connection, trust::Trust};

/// Everything that skyplan remembers of one environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Which project's state this is.
    pub lineage: String,
    /// Serial of the last entry; 0 = there is no log yet.
    #[serde(default)]
    pub serial: u64,
    /// Key of digests of secret values, as hexadecimal text.
    pub secret_key: String,
    /// All resources.
    #[serde(default)]
    pub records: BTreeMap<ResourceAddress, Record>,
    /// Where components were placed.
    #[serde(default)]
    pub placement: PlacementRecord,
    /// What outputs came to when they were read last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, RecordedOutput>,
    /// Who may sign what is applied, as of the last apply.
    #[serde(default, skip_serializing_if = "Trust::is_empty")]
    pub trust: Trust,
    /// Values of Secrets, as age sealed them for the project's recipients.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sealed: BTreeMap<ResourceAddress, String>,
    /// Addresses that an apply was about to change when it was cut off: nobody knows whether it did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uncertain: BTreeMap<ResourceAddress, Uncertain>,
    /// Applies that have begun and not ended, by the serial of their `Begin`. One that was killed stays
    /// until all of its addresses are settled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "by_serial")]
    pub open: BTreeMap<u64, Begin>,
    /// Resources that nobody changes who was not asked to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<ResourceAddress, Held>,
    /// Clusters that had other names, and which: objects on them may still say those.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former: BTreeMap<String, BTreeSet<String>>,
}

/// JSON has numbers as keys only as texts, and serde does not take those back for numbers within a tagged entry: a
/// Snapshot that was written while an apply was open could not be read.
fn by_serial<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u64, Begin>, D::Error> {
    let texts = BTreeMap::<String, Begin>::deserialize(deserializer)?;
    texts.into_iter().map(|(serial, begin)| Ok((serial.parse().map_err(D::Error::custom)?, begin))).collect()
}

/// Why something is left alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Since when.
    pub since: String,
    /// Why.
    pub reason: String,
}

/// What is needed to find out what became of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Uncertain {
    /// How to get at its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// API version of the object; empty for what is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// The networks that a cluster was to get.
    #[serde(default, skip_serializing_if = "Networks::is_empty")]
    pub networks: Networks,
    /// Serial of the first `Begin` since which this is so: what makes things under new names is told it,
    /// and can be asked what it has made for it.
    #[serde(default)]
    pub begin: u64,
}

impl State {
    /// The state after one more entry with the next serial.
    #[must_use]
    pub fn after(mut self, serial: u64, entry: &Entry) -> Self {
        match entry {
            Entry::Snapshot(snapshot) => self = snapshot.state.clone(),
            Entry::Begin(begin) => {
                for address in &begin.writes {
                    let before = self.uncertain.get(address);
                    let uncertain = Uncertain {
                        networks: match begin.networks.get(address.cluster()) {
                            Some(networks) if matches!(address, ResourceAddress::Cluster(_)) => *networks,
                            _ => before.map(|u| u.networks).unwrap_or_default(),
                        },
                        connection: begin.clusters.get(address.cluster()).cloned(),
                        api_version: begin.api_versions.get(address).cloned().unwrap_or_default(),
                        begin: before.map_or(serial, |u| u.begin),
                    };
                    self.uncertain.insert(address.clone(), uncertain);
                }
                self.open.insert(serial, begin.clone());
            }
            Entry::Delta(delta) => {
                for (address, record) in &delta.outcomes {
                    self.uncertain.remove(address);
                    match record {
                        Some(record) => {
                            self.records.insert(address.clone(), Record { serial, ..record.clone() });
                        }
                        None => {
                            self.records.remove(address);
                            if let ResourceAddress::Cluster(name) = address {
                                self.former.remove(name);
                            }
                            self.sealed.remove(address);
                        }
                    }
                }
            }
            Entry::Sealed(sealed) => {
                for (address, value) in &sealed.values {
                    match value {
                        Some(value) => self.sealed.insert(address.clone(), value.clone()),
                        None => self.sealed.remove(address),
                    };
                }
            }
            Entry::Outputs(outputs) => self.outputs.clone_from(&outputs.values),
            Entry::Moved(moved) => self = moved.moves.iter().fold(self, State::moved),
            Entry::Hold(hold) => {
                for address in &hold.addresses {
                    match &hold.reason {
                        Some(reason) => {
                            let held = Held { since: hold.at.clone(), reason: reason.clone() };
                            self.held.insert(address.clone(), held);
                        }
                        None => drop(self.held.remove(address)),
                    }
                }
            }
            Entry::End(end) => {
                for address in &end.settled {
                    self.uncertain.remove(address);
                }
                if let Some(placement) = &end.placement {
                    self.placement = placement.clone();
                }
                if let Some(trust) = &end.trust {
                    self.trust = trust.clone();
                }
                if let Some(begin) = end.begin {
                    self.open.remove(&begin);
                }
            }
        }
        let uncertain = &self.uncertain;
        // From the end: what is begun first is settled first.
        self.open.retain(|_, begin| begin.writes.iter().rev().any(|address| uncertain.contains_key(address)));
        self.serial = serial;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{ClusterRecord, Delta, End, RecordDetail, Snapshot, entry::FORMAT};

    fn record(uid: &str) -> Record {
        Record {
            serial: 0,
            detail: RecordDetail::Cluster(ClusterRecord {
                driver: crate::spec::ClusterDriver::Local,
                kubeconfig: None,
                context: None,
                uid: uid.into(),
                pools: Vec::new(),
                deletion_policy: crate::spec::DeletionPolicy::Delete,
                networks: Networks::default(),
            }),
            depends_on: Vec::new(),
            origin: None,
        }
    }

    #[test]
    fn what_began_and_did_not_end_is_uncertain() {
        let a: ResourceAddress = "cluster/a".parse().unwrap();
        let b: ResourceAddress = "cluster/b".parse().unwrap();
        let entries = [
            Entry::Snapshot(Snapshot { format: FORMAT, state: State { lineage: "x".into(), ..State::default() } }),
            Entry::Begin(Begin {
                plan: "p".into(),
                writes: vec![a.clone(), b.clone()],
                until: "2026-01-01T00:30:00Z".into(),
                at: "2026-01-01T00:00:00Z".into(),
                ..Begin::default()
            }),
            Entry::Delta(Delta { outcomes: [(a.clone(), Some(record("1")))].into() }),
        ];
        let state = (1..).zip(&entries).fold(State::default(), |s, (serial, e)| s.after(serial, e));
        assert_eq!((state.serial, state.records[&a].serial), (3, 3));
        assert_eq!(state.uncertain.keys().collect::<Vec<_>>(), [&b]);
        let end = Entry::End(End {
            begin: Some(2),
            at: String::new(),
            complete: false,
            placement: None,
            settled: vec![b],
            trust: None,
        });
        let state = state.after(4, &end);
        assert!(state.open.is_empty() && state.uncertain.is_empty());
        let gone = Entry::Delta(Delta { outcomes: [(a, None)].into() });
        assert!(state.after(5, &gone).records.is_empty());
    }

    #[test]
    fn a_snapshot_reads_back_while_an_apply_is_open() {
        let begin = Begin { writes: vec!["cluster/a".parse().unwrap()], ..Begin::default() };
        let state = State::default().after(7, &Entry::Begin(begin));
        assert_eq!(state.open.len(), 1);
        let entry = Entry::Snapshot(Snapshot { format: FORMAT, state });
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }

    #[test]
    fn entries_read_back() {
        let a: ResourceAddress = "cluster/a".parse().unwrap();
        let entry = Entry::Delta(Delta { outcomes: [(a, Some(record("1")))].into() });
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }
}
