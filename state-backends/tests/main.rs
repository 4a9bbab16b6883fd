//! Every backend against a real server: the conformance suite, a race of eight processes, and what goes
//! wrong with disks, credentials and networks.
//!
//! Servers are started here, on free ports, in temporary folders. One that this machine does not have is
//! named in a line `not run: …`, which `scripts/test.sh` counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod backends;
mod conformance;
mod failures;
mod folder;
mod race;
mod servers;
mod wire;
