//! What a cluster keeps from one run to the next: ports, networks, and which processes are its own.
//!
//! Knows the file `cluster.json`. It is written after every spawn, so that a run that is killed
//! leaves no more than one process unrecorded; those are found by their command lines.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{
    components::Component,
    folder::{self, Folder},
    process::ProcessId,
};
use crate::{
    diagnostic::Diagnostic,
    network::{Cidr, MADE},
};

/// The version of the file's layout.
const FORMAT: u32 = 1;

/// The addresses of a cluster, as IPv4 CIDRs; fixed when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    /// Addresses of pods.
    pub pods: String,
    /// Addresses of Services.
    pub services: String,
}

impl Default for Networks {
    fn default() -> Self {
        Self { pods: "10.244.0.0/16".to_owned(), services: "10.96.0.0/16".to_owned() }
    }
}

impl Networks {
    /// Whether the control plane will take them; if so, the address of the `kubernetes` Service.
    pub(super) fn check(&self) -> Result<Ipv4Addr, Diagnostic> {
        let fault = |what: String| {
            Diagnostic::error("SKY0614", what)
                .detail("Local clusters take IPv4 networks that start at their first address, /12 to /24.")
                .hint("for example pods 10.244.0.0/16 and services 10.96.0.0/16")
        };
        let parse = |text: &str, what: &str| {
            let network = Cidr::parse(text).ok().filter(|n| MADE.contains(&n.length()));
            network.ok_or_else(|| fault(format!("`{text}` cannot be the network of the {what}")))
        };
        let (pods, services) = (parse(&self.pods, "pods")?, parse(&self.services, "Services")?);
        if pods.overlaps(services) {
            return Err(fault(format!("the networks {pods} and {services} overlap")));
        }
        Ok(services.address(1))
    }
}

/// The file `cluster.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    format: u32,
    /// Part of the kubeconfig, so it never changes.
    pub(super) api_port: u16,
    pub(super) etcd_port: u16,
    pub(super) etcd_peer_port: u16,
    pub(super) networks: Networks,
    /// The folder of the binaries that run, or ran last.
    pub(super) binaries: String,
    /// All that was to be started from it.
    #[serde(default)]
    pub(super) components: Vec<Component>,
    /// The version that the API server told when it was last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// What was started and not stopped; it may have ended by itself.
    #[serde(default)]
    pub(super) processes: BTreeMap<Component, ProcessId>,
}

impl Record {
    pub(super) fn new(networks: Networks, [api_port, etcd_port, etcd_peer_port]: [u16; 3]) -> Self {
        Self {
            format: FORMAT,
            api_port,
            etcd_port,
            etcd_peer_port,
            networks,
            binaries: String::new(),
            components: Vec::new(),
            version: None,
            processes: BTreeMap::new(),
        }
    }

    /// The record in a folder; `None` when there is none yet.
    pub(super) fn read(folder: &Folder) -> Result<Option<Self>, Diagnostic> {
        let path = folder.record();
        let Some(text) = folder::read(&path)? else { return Ok(None) };
        let fault = |why: String| {
            let name = folder.path().file_name().unwrap_or_default().display();
            Diagnostic::error("SKY0606", format!("{} cannot be used", path.display()))
                .detail(why)
                .hint(format!("give the cluster up with all that is in it: skyplan local down {name} --delete"))
        };
        let record: Self =
            serde_json::from_str(&text).map_err(|e| fault(format!("It is not a cluster's record: {e}.")))?;
        if record.format != FORMAT {
            return Err(fault(format!(
                "It was written by another version of skyplan: format {}, not {FORMAT}.",
                record.format
            )));
        }
        Ok(Some(record))
    }

    pub(super) fn write(&self, folder: &Folder) -> Result<(), Diagnostic> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        folder::write_private(&folder.record(), &text)
    }

    /// Where the API is, as it stands in the kubeconfig.
    pub(super) fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port)
    }

    pub(super) fn ports(&self) -> [u16; 3] {
        [self.api_port, self.etcd_port, self.etcd_peer_port]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().into());
        assert_eq!(Record::read(&folder).unwrap(), None);
        let mut record = Record::new(Networks::default(), [1, 2, 3]);
        record.processes.insert(Component::ApiServer, ProcessId { pid: 7, started: 99, boot: "b".into() });
        record.write(&folder).unwrap();
        assert_eq!(Record::read(&folder).unwrap(), Some(record));
        let text = std::fs::read_to_string(folder.record()).unwrap();
        assert!(text.contains("\"kube-apiserver\""), "{text}");

        for (bad, why) in [("", "EOF"), ("{}", "missing field"), (&text.replace("t\": 1,", "t\": 2,"), "format 2")] {
            std::fs::write(folder.record(), bad).unwrap();
            let fault = Record::read(&folder).unwrap_err();
            assert_eq!(fault.code, "SKY0606");
            assert!(fault.detail.contains(why), "{}", fault.detail);
        }
    }

    #[test]
    fn golden_networks_are_checked() {
        let check = |pods: &str, services: &str| Networks { pods: pods.into(), services: services.into() }.check();
        assert_eq!(Networks::default().check(), Ok(Ipv4Addr::new(10, 96, 0, 1)));
        assert_eq!(check("10.1.0.0/16", "10.2.3.0/24"), Ok(Ipv4Addr::new(10, 2, 3, 1)));
        for (pods, services) in [
            ("10.244.0.0/16", "10.244.3.0/24"),
            ("10.244.0.1/16", "10.96.0.0/16"),
            ("10.244.0.0", "10.96.0.0/16"),
            ("fd00::/64", "10.96.0.0/16"),
            ("10.244.0.0/16", "10.0.0.0/8"),
            ("10.244.0.0/33", "10.96.0.0/16"),
        ] {
            assert_eq!(check(pods, services).unwrap_err().code, "SKY0614", "{pods} {services}");
        }
        crate::render::diagnostics::golden(&check("10.244.0.0/16", "10.244.3.0/24").unwrap_err(), &[]);
    }
}
