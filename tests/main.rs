//! The one integration-test binary: `pure::` needs nothing, `hard::` takes minutes, `real::`
//! starts control planes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "tests say what they find by panicking"
)]

mod support;

#[path = "../state-backends/tests/servers.rs"]
mod servers;

mod pure {
    mod answers;
    mod architecture;
    mod catalog;
    mod codes;
    mod compare;
    mod echoes;
    mod eight_laws;
    mod golden;
    mod hostile;
    mod laws;
    mod left;
    mod lifecycle;
    mod marks;
    mod networks;
    mod offline;
    mod parts;
    mod placement_cases;
    mod placement_words;
    mod plan_checks;
    mod schemas;
    mod signatures;
    mod sizes;
    mod stability;
    mod state_formats;
    mod strategies;
    mod surgery;
    mod versions;
    mod what_if;
}

mod hard {
    mod hostile;
}

mod real {
    mod adopt;
    mod cli;
    mod cloud;
    mod codes;
    mod credentials;
    mod contested;
    mod crowd;
    mod environments;
    mod existing;
    mod failure;
    mod far_state;
    mod faults;
    mod full_disk;
    mod home;
    mod init;
    mod kill;
    mod kinds;
    mod kubernetes_driver;
    mod local_driver;
    mod meddler;
    mod network;
    mod parts;
    mod proxy;
    mod prune;
    mod race;
    mod remotes;
    mod store;
    mod stores;
    mod surgery;
    mod together;
    mod truth;
    mod rights;
    mod secrets;
    mod sources;
}
