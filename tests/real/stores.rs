//! States that are kept on real servers, and what reads them without the log's own code.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use skyplan_state_backends::{LogBackend as _, OpenLog};

use super::proxy::Proxy;
use crate::servers::{self, Place, Server};

/// A place for one state, and its server while it is needed.
pub(super) struct Store {
    pub(super) place: Place,
    _server: Server,
}

impl Store {
    pub(super) fn folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { url: format!("file://{}/LOG", dir.path().display()), env: Vec::new() };
        Self::on(Server { place, dir, children: Vec::new() })
    }

    pub(super) fn on(server: Server) -> Self {
        Self { place: server.place.clone(), _server: server }
    }

    /// The same, reached by way of a proxy.
    pub(super) fn far(&self) -> (Place, Proxy) {
        let port = |url: &str| {
            let digits = url.split("127.0.0.1:").nth(1).unwrap();
            digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())].to_owned()
        };
        let all = [&self.place.url].into_iter().chain(self.place.env.iter().map(|(_, value)| value));
        let server = format!("127.0.0.1:{}", port(all.clone().find(|t| t.contains("127.0.0.1:")).unwrap()));
        let proxy = Proxy::new(server.clone());
        let turn = |text: &str| text.replace(&server, &format!("127.0.0.1:{}", proxy.port()));
        let env = self.place.env.iter().map(|(n, v)| (n.clone(), turn(v))).collect();
        (Place { url: turn(&self.place.url), env }, proxy)
    }

    /// Its line in `skyplan.yaml`.
    pub(super) fn setting(place: &Place) -> String {
        format!("state: {{url: \"{}\"}}\n", place.url("state"))
    }

    pub(super) fn open(&self) -> OpenLog {
        self.place.open("state")
    }
}

/// The entries of a log as they were met, each once; what is compacted away later stays here.
#[derive(Debug, Default)]
pub(super) struct Witness {
    entries: BTreeMap<u64, Vec<u8>>,
}

impl Witness {
    /// Looks for what is new.
    pub(super) fn look(&mut self, log: &OpenLog) {
        let last = self.entries.last_key_value().map_or(0, |(serial, _)| *serial);
        for serial in log.list(last).unwrap() {
            self.entries.insert(serial, log.read(serial).unwrap());
        }
    }

    /// What is still there is what was met; no serial is missing; each entry names the digest of the one
    /// before it.
    pub(super) fn checked(mut self, log: &OpenLog) -> BTreeMap<u64, Value> {
        self.look(log);
        for serial in log.list(0).unwrap() {
            assert_eq!(log.read(serial).unwrap(), self.entries[&serial], "entry {serial} was changed");
        }
        let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
        for ((one, bytes), (next, after)) in self.entries.iter().zip(self.entries.iter().skip(1)) {
            assert_eq!(one + 1, *next, "an entry is missing");
            let after = std::str::from_utf8(after).unwrap();
            assert!(after.contains(&hex(bytes)), "entry {next} does not name the one before");
        }
        let parsed = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
        self.entries.iter().map(|(serial, bytes)| (*serial, parsed(bytes))).collect()
    }
}

/// A store whose server this machine does not have is named, and counted by `scripts/test.sh`.
pub(super) fn with(name: &str, server: Result<Server, String>, test: impl FnOnce(Store)) {
    match server {
        Ok(server) => test(Store::on(server)),
        Err(why) => servers::not_run(name, &why),
    }
}
