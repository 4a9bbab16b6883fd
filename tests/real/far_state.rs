//! The state is far away, on servers of every kind: applies are killed, and the network to the store breaks,
//! in the middle. The next apply comes to the end.
//!
//! `SKYPLAN_FAR_KILLS` says how many kills, `SKYPLAN_SEED` where.

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use skyplan_state_backends::LogBackend as _;

use super::{
    existing::guest,
    kill::{number, seed, victim::Dice},
    store::{breaks, converges, want},
    stores::{Store, Witness, with},
};
use crate::servers::{self, Server};

/// Kills of `make test`; `make test-full PART=kill` asks for 12.
const KILLS: u64 = 4;

fn disturbed(name: &str, server: Result<Server, String>) {
    with(name, server, |store| disturb(name, &store));
}

fn disturb(name: &str, store: &Store) {
    let (far, proxy) = store.far();
    let mut home = guest();
    home.env.clone_from(&far.env);
    let file = home.project().join("skyplan.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{}", Store::setting(&far))).unwrap();
    let args = ["apply", "--yes", "--parallelism", "2"];
    want(&home, "0");
    home.run(&args, 0);

    let (mut dice, log, mut witness) = (Dice::new(seed()), store.open(), Witness::default());
    // From its first entry on, by the log itself; so long from then.
    let begun = |value: u32| {
        want(&home, &value.to_string());
        let before = log.list(0).unwrap().last().copied().unwrap();
        let mut child = home.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while log.list(before).unwrap().is_empty() && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(2));
        }
        child
    };
    let mut child = begun(1);
    let start = Instant::now();
    assert!(child.wait().unwrap().success());
    let time = start.elapsed();
    let (mut value, mut at_work) = (1, 0);
    let (wanted, mut kills) = (number("SKYPLAN_FAR_KILLS").unwrap_or(KILLS), 0);
    // Some come too late, on a machine that is quicker than a moment ago.
    while kills < wanted || at_work == 0 && kills < 10 * wanted {
        kills += 1;
        value += 1;
        let mut child = begun(value);
        thread::sleep(Duration::from_micros(dice.below(u64::try_from(time.as_micros()).unwrap())));
        at_work += u32::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        witness.look(&log);
        converges(&home, &value.to_string());
    }
    println!("{name}: {at_work} of {kills} kills met an apply at work ({time:?})");
    assert!(at_work > 0);
    breaks(&home, &proxy, value);
    witness.checked(&log);
}

#[test]
fn in_postgres() {
    disturbed("state in Postgres, disturbed", servers::postgres());
}

#[test]
fn in_s3() {
    disturbed("state in S3, disturbed", servers::versitygw());
}

#[test]
#[ignore = "make test-full PART=kill"]
fn in_s3_on_moto() {
    disturbed("state on moto, disturbed", servers::moto());
}

#[test]
#[ignore = "make test-full PART=kill"]
fn in_gcs() {
    disturbed("state in GCS, disturbed", servers::fake_gcs());
}

#[test]
#[ignore = "make test-full PART=kill"]
fn in_azure() {
    disturbed("state in Azure, disturbed", servers::azurite());
}
