//! One test for every kind of server: all that a backend promises.

use std::{env, time::Duration};

use crate::{
    conformance, race,
    servers::{self, Place, Server},
};

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
