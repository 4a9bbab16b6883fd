//! One test for every kind of server: all that a backend promises.

use std::{env, path::Path, time::Duration};

use skyplan_state_backends::{OpenLog, open};

use crate::{conformance, race, servers};
use servers::Server;

/// A place for logs: an address with `LOG` where the name of the log goes, and the environment that
/// leads there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) env: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn url(&self, log: &str) -> String {
        self.url.replace("LOG", log)
    }

    pub(crate) fn open(&self, log: &str) -> OpenLog {
        let lookup = |name: &str| self.env.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        open(&self.url(log), Path::new("/"), &lookup).unwrap()
    }
}

fn all(name: &str, server: Result<Server, String>) {
    let server = match server {
        Ok(server) => server,
        Err(why) => return servers::not_run(name, &why),
    };
    conformance::all(&server.place);
    let seconds = env::var("SKYPLAN_RACE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    race::run(name, &server.place, Duration::from_secs(seconds));
}

#[test]
fn fs() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { url: format!("file://{}/LOG", dir.path().display()), env: Vec::new() };
    all("fs", Ok(Server { place, dir, children: Vec::new() }));
}

#[test]
fn s3_on_versitygw() {
    all("S3 on versitygw", servers::versitygw());
}

#[test]
fn s3_on_moto() {
    all("S3 on moto", servers::moto());
}

#[test]
fn gcs_on_fake_gcs_server() {
    all("GCS on fake-gcs-server", servers::fake_gcs());
}

#[test]
fn azblob_on_azurite() {
    all("Azure Blob on azurite", servers::azurite());
}

#[test]
fn kubernetes() {
    all("Kubernetes", servers::kubernetes());
}

#[test]
fn postgres() {
    all("Postgres", servers::postgres());
}
