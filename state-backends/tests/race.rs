//! Eight processes append to one log as fast as they can, read at random, and compact; then somebody who
//! shares no code with the log checks the whole history.
//!
//! A log is a list of registers that are written once. Its history is in order (linearizable) exactly if
//! 1. no serial was won twice, and every win that is not compacted is in the log, byte for byte;
//! 2. whoever began after a win had ended, won a later serial;
//! 3. whoever listed after a win had ended, saw it.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};
use skyplan_state_backends::{
    Appended, BackendError, LogBackend as _,
    blobs::{Blobs, Name, Shelf},
    log::Log,
    open,
};

use crate::{conformance::noise, servers::Place};

const PROCESSES: u32 = 8;

/// Entries that a compaction leaves.
const KEPT: u64 = 40;

/// A store whose blobs are small, so that many entries are in parts.
#[derive(Debug)]
struct Small<B>(B);

impl<B: Blobs> Blobs for Small<B> {
    fn place(&self) -> String {
        self.0.place()
    }
    fn max_bytes(&self) -> usize {
        4096
    }
    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
        self.0.create(name, bytes)
    }
    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
        self.0.get(name)
    }
    fn names(&self, shelf: Shelf, after: u64) -> Result<Vec<Name>, BackendError> {
        self.0.names(shelf, after)
    }
    fn delete(&self, name: &Name) -> Result<(), BackendError> {
        self.0.delete(name)
    }
    fn sweep(&self, dead: &dyn Fn(u64) -> bool) -> Result<(), BackendError> {
        self.0.sweep(dead)
    }
}

/// Nanoseconds on a clock that all processes share and nobody sets.
fn now() -> u128 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u128::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u128::try_from(time.tv_nsec).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// An entry that can be checked by itself: its seed, then noise that follows from it.
fn entry(seed: u64) -> Vec<u8> {
    let size = if seed.is_multiple_of(20) { 15_000 } else { 100 + usize::try_from(seed % 1500).unwrap() };
    [&seed.to_le_bytes()[..], &noise(seed, size)].concat()
}

/// One of the eight; started by [`run`], does nothing by itself.
#[test]
#[ignore = "a process of the race, started by the tests of the backends"]
fn process() {
    let (Ok(url), Ok(out), Ok(id)) = (env::var("RACE_URL"), env::var("RACE_OUT"), env::var("RACE_ID")) else { return };
    let id: u64 = id.parse().unwrap();
    let lookup = |name: &str| env::var(name).ok();
    let log = Log::new(Small(open(&url, Path::new("/"), &lookup).unwrap().into_blobs()));
    let mut history = fs::File::create(out).unwrap();
    // Connected: now it counts.
    log.list(0).unwrap();
    let deadline = Instant::now() + Duration::from_secs(env::var("RACE_SECONDS").unwrap().parse().unwrap());
    let (mut last, mut count) = (0, 0);
    while Instant::now() < deadline {
        count += 1;
        let begun = now();
        let listed = log.list(last).unwrap();
        last = listed.last().copied().unwrap_or(last);
        writeln!(history, "saw {last} {begun}").unwrap();
        if let Some(serial) = listed.get(usize::try_from(count).unwrap() % listed.len().max(1)) {
            match log.read(*serial) {
                Ok(bytes) => {
                    let seed = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                    assert!(bytes == entry(seed), "entry {serial} is torn");
                }
                Err(BackendError::Missing(_)) => assert!(*serial < log.floor().unwrap(), "entry {serial} is gone"),
                Err(e) => panic!("{e}"),
            }
        }
        let (serial, seed) = (last + 1, id * 1_000_000 + count);
        let bytes = entry(seed);
        let begun = now();
        if log.append(serial, &bytes).unwrap() == Appended::Ok {
            writeln!(history, "won {serial} {begun} {} {}", now(), hex(&Sha256::digest(&bytes))).unwrap();
            last = serial;
        }
        if count % 10 == 0 && last > KEPT {
            log.remove(last - KEPT).unwrap();
        }
    }
    writeln!(history, "done").unwrap();
}

#[derive(Debug)]
struct Win {
    begun: u128,
    ended: u128,
    digest: String,
}

pub(crate) fn run(name: &str, place: &Place, time: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let history = |id: u32| dir.path().join(format!("{id}"));
    let children: Vec<_> = (0..PROCESSES)
        .map(|id| {
            Command::new(env::current_exe().unwrap())
                .args(["--ignored", "--exact", "race::process", "--nocapture", "--test-threads=1"])
                .envs(place.env.iter().cloned())
                .env("RACE_URL", place.url("race"))
                .env("RACE_OUT", history(id))
                .env("RACE_ID", id.to_string())
                .env("RACE_SECONDS", time.as_secs().to_string())
                .stdout(Stdio::null())
                .stderr(fs::File::create(dir.path().join(format!("{id}.err"))).unwrap())
                .spawn()
                .unwrap()
        })
        .collect();
    for (id, child) in children.into_iter().enumerate() {
        let status = child.wait_with_output().unwrap().status;
        let said = fs::read_to_string(dir.path().join(format!("{id}.err"))).unwrap();
        assert!(status.success(), "{name}: process {id}: {said}");
    }

    let mut wins: BTreeMap<u64, Win> = BTreeMap::new();
    let (mut seen, mut by_process) = (Vec::new(), Vec::new());
    for id in 0..PROCESSES {
        let text = fs::read_to_string(history(id)).unwrap();
        assert!(text.ends_with("done\n"), "{name}: process {id} came to its end");
        by_process.push(text.lines().filter(|line| line.starts_with("won")).count());
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |i: usize| words[i].parse::<u128>().unwrap();
            match words[0] {
                "won" => {
                    let win = Win { begun: number(2), ended: number(3), digest: words[4].to_owned() };
                    let serial = words[1].parse().unwrap();
                    if let Some(other) = wins.insert(serial, win) {
                        panic!("{name}: serial {serial} was won twice: {other:?}, {:?}", wins[&serial]);
                    }
                }
                "saw" => seen.push((words[1].parse::<u64>().unwrap(), number(2))),
                _ => {}
            }
        }
    }
    let blobs = place.open("race").into_blobs();
    let floor = check_log(name, &blobs, &wins);
    check_order(name, &wins, &seen);
    let last = *wins.keys().next_back().unwrap();
    let undecided = (1..floor).filter(|serial| !wins.contains_key(serial)).count();
    assert!(last > 3 && seen.len() > 8, "{name}: only {last} entries of {} attempts", seen.len());
    let rate = u128::from(last) * 1000 / time.as_millis();
    println!(
        "race on {name}: {last} entries ({rate} a second) of {} attempts, by process {by_process:?}, floor {floor}, \
         {undecided} told that they lost because the log was compacted past them",
        seen.len()
    );
}

/// The log itself, read without any of its code.
fn check_log(name: &str, blobs: &dyn Blobs, wins: &BTreeMap<u64, Win>) -> u64 {
    let numbers = |shelf| blobs.names(shelf, 0).unwrap().iter().filter_map(Name::serial).collect::<Vec<_>>();
    let floor = numbers(Shelf::Floors).into_iter().max().unwrap_or(1);
    let mut serials: Vec<u64> = numbers(Shelf::Entries).into_iter().filter(|serial| *serial >= floor).collect();
    serials.sort_unstable();
    let last = *serials.last().unwrap();
    assert_eq!(serials, (floor..=last).collect::<Vec<_>>(), "{name}: the log has no gaps");
    for serial in serials {
        let digest = hex(&Sha256::digest(read(blobs, serial)));
        let win = wins.get(&serial).unwrap_or_else(|| panic!("{name}: nobody claims entry {serial}"));
        assert_eq!(digest, win.digest, "{name}: entry {serial} is that of its winner");
    }
    assert_eq!(wins.keys().next_back(), Some(&last), "{name}: no win is lost");
    floor
}

fn read(blobs: &dyn Blobs, serial: u64) -> Vec<u8> {
    let blob = blobs.get(&Name::Entry(serial)).unwrap().unwrap();
    let line = blob.iter().position(|b| *b == b'\n').unwrap();
    let header: serde_json::Value = serde_json::from_slice(&blob[..line]).unwrap();
    let Some(parts) = header.get("parts") else { return blob[line + 1..].to_vec() };
    let mut entry = Vec::new();
    for digest in parts.as_array().unwrap() {
        let nonce = header["nonce"].as_str().unwrap();
        let name = format!("{serial:012}-{nonce}-{}", digest.as_str().unwrap());
        entry.extend(blobs.get(&Name::parse(Shelf::Parts, &name).unwrap()).unwrap().unwrap());
    }
    entry
}

fn check_order(name: &str, wins: &BTreeMap<u64, Win>, seen: &[(u64, u128)]) {
    let mut earliest_end = u128::MAX;
    for (serial, win) in wins.iter().rev() {
        assert!(win.begun <= earliest_end, "{name}: {serial} was begun after a later one had ended");
        earliest_end = earliest_end.min(win.ended);
    }
    // (end, highest serial won until then), rising.
    let mut ends: Vec<(u128, u64)> = wins.iter().map(|(serial, win)| (win.ended, *serial)).collect();
    ends.sort_unstable();
    let mut highest = 0;
    for (_, serial) in &mut ends {
        highest = highest.max(*serial);
        *serial = highest;
    }
    for (last, begun) in seen {
        let before = ends.partition_point(|(end, _)| end < begun);
        let expected = before.checked_sub(1).map_or(0, |i| ends[i].1);
        assert!(*last >= expected, "{name}: a list begun after {expected} was won ended at {last}");
    }
}

/// The checks find what they are for.
mod itself {
    use super::*;

    fn win(begun: u128, ended: u128) -> Win {
        Win { begun, ended, digest: String::new() }
    }

    #[test]
    fn accepts_what_overlaps() {
        check_order("x", &[(1, win(1, 5)), (2, win(2, 4)), (3, win(5, 9))].into(), &[(0, 1), (2, 5), (3, 10)]);
    }

    #[test]
    #[should_panic(expected = "was begun after")]
    fn finds_an_earlier_serial_won_later() {
        check_order("x", &[(1, win(5, 6)), (2, win(1, 4))].into(), &[]);
    }

    #[test]
    #[should_panic(expected = "a list begun after 1")]
    fn finds_a_list_that_is_behind() {
        check_order("x", &[(1, win(1, 2))].into(), &[(0, 3)]);
    }
}
