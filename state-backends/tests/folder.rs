//! What goes wrong with folders: no room, no permission, half an entry, a writer killed at any point.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Read as _,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use skyplan_state_backends::{Appended, BackendError, LogBackend as _, fs::FolderLog, log::Log};

use crate::{conformance::noise, servers};

fn open(folder: &Path) -> Log<FolderLog> {
    Log::new(FolderLog::new(folder))
}

/// Every entry is there, in order, and the one that belongs there.
fn is_whole(folder: &Path, size: usize) -> u64 {
    let entries = open(folder).entries(0).unwrap();
    for ((serial, bytes), expected) in entries.iter().zip(1..) {
        assert_eq!(*serial, expected);
        assert!(*bytes == noise(expected, size), "entry {serial}");
    }
    entries.len() as u64
}

fn drafts(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(".draft")).collect()
}

/// Appends until something goes wrong, says what, and ends; started by the tests below.
#[test]
#[ignore = "a process that other tests start"]
fn process() {
    let (Ok(folder), Ok(size)) = (env::var("APPEND_TO"), env::var("APPEND_BYTES")) else { return };
    let (log, size) = (open(Path::new(&folder)), size.parse().unwrap());
    let mut serial = log.list(0).unwrap().last().map_or(1, |last| last + 1);
    loop {
        match log.append(serial, &noise(serial, size)) {
            Ok(Appended::Ok) => println!("appended {serial}"),
            Ok(Appended::Conflict) => panic!("there is nobody else"),
            Err(error) => {
                println!("\nfailed {error:?}");
                return;
            }
        }
        serial += 1;
    }
}

fn appending(program: &Path, folder: &Path, size: usize) -> Command {
    let mut command = Command::new(program);
    command.args(["--ignored", "--exact", "folder::process", "--nocapture", "--test-threads=1"]);
    command.env("APPEND_TO", folder).env("APPEND_BYTES", size.to_string()).stderr(Stdio::null());
    command
}

fn failure_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("failed"));
    line.unwrap_or_else(|| panic!("{:?}: {text}", output.status)).to_owned()
}

#[test]
fn a_limit_on_the_size_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state");
    for serial in 1..=3 {
        open(&folder).append(serial, &noise(serial, 100_000)).unwrap();
    }
    let exe = env::current_exe().unwrap();
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", r#"trap "" XFSZ; ulimit -f 100; exec "$0" "$@""#]).arg(&exe);
    let plain = appending(&exe, &folder, 100_000);
    limited.args(plain.get_args()).env("APPEND_TO", &folder).env("APPEND_BYTES", "100000").stderr(Stdio::null());
    let failure = failure_of(&mut limited);
    assert!(failure.starts_with("failed Full"), "{failure}");
    assert_eq!(is_whole(&folder, 100_000), 3);
    assert!(drafts(&folder).is_empty());
    assert_eq!(open(&folder).append(4, &noise(4, 100_000)).unwrap(), Appended::Ok, "once there is room");
}

/// A small disk, gone with its test.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=1m,mode=700", "skyplan-tests"];
    let mounted = Command::new("mount").args(mount).arg(dir.path()).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return servers::not_run("a full disk", "mount is for root");
    }
    let disk = Disk(dir.path().to_path_buf());
    let folder = disk.0.join("state");
    let log = open(&folder);
    let mut serial = 1;
    let error = loop {
        match log.append(serial, &noise(serial, 50_000)) {
            Ok(_) => serial += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, BackendError::Full { .. }), "{error:?}");
    assert!(serial > 10, "{serial}");
    assert_eq!(is_whole(&folder, 50_000), serial - 1);
    // Room is made by compaction: a mark takes less than an entry.
    log.remove(serial - 3).unwrap();
    assert_eq!(log.append(serial, &noise(serial, 50_000)).unwrap(), Appended::Ok);
    assert_eq!(log.list(0).unwrap(), [serial - 2, serial - 1, serial]);
}

#[test]
fn a_folder_that_may_only_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state");
    for serial in 1..=3 {
        open(&folder).append(serial, &noise(serial, 1000)).unwrap();
    }
    let exe = dir.path().join("exe");
    fs::copy(env::current_exe().unwrap(), &exe).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(dir.path(), 0o755);
    mode(&exe, 0o755);
    let mut command = appending(&exe, &folder, 1000);
    if let Some((uid, gid)) = servers::unprivileged() {
        for file in fs::read_dir(&folder).unwrap() {
            chown(file.unwrap().path(), Some(uid), Some(gid)).unwrap();
        }
        chown(&folder, Some(uid), Some(gid)).unwrap();
        command.uid(uid).gid(gid);
    }
    mode(&folder, 0o500);
    let failure = failure_of(&mut command);
    assert!(failure.starts_with("failed Denied"), "{failure}");
    mode(&folder, 0o700);
    assert_eq!(is_whole(&folder, 1000), 3);
}

#[test]
fn a_last_entry_that_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for serial in 1..=3 {
        log.append(serial, &noise(serial, 1000)).unwrap();
    }
    let file = dir.path().join("000000000003.json");
    let whole = fs::read(&file).unwrap();
    for keep in 0..whole.len() {
        fs::write(&file, &whole[..keep]).unwrap();
        let error = log.entries(0).unwrap_err();
        assert!(matches!(error, BackendError::Corrupt { .. }), "{keep}: {error}");
        assert!(error.to_string().starts_with("entry 3 is damaged"), "{keep}: {error}");
    }
    assert_eq!(log.read(2).unwrap(), noise(2, 1000));
    assert_eq!(log.append(3, b"over it").unwrap(), Appended::Conflict);
    fs::remove_file(&file).unwrap();
    assert_eq!(log.append(3, b"instead").unwrap(), Appended::Ok, "after whoever looked took it away");
}

#[test]
fn a_writer_killed_at_any_point() {
    const KILLS: u64 = 60;
    const BYTES: usize = 300_000;
    let dir = tempfile::tempdir().unwrap();
    let exe = env::current_exe().unwrap();
    // Where the kill fell, by what it left.
    let mut fell: BTreeMap<&str, u32> = BTreeMap::new();
    let mut before = 0;
    for kill in 0..KILLS {
        let known: Vec<_> = if dir.path().exists() { drafts(dir.path()) } else { Vec::new() };
        let mut child = appending(&exe, dir.path(), BYTES).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut said = String::new();
        // Once it is at work, after a time of our choice.
        let mut byte = [0];
        while !said.contains("appended") && stdout.read(&mut byte).unwrap() == 1 {
            said.push(char::from(byte[0]));
        }
        let micros = u64::from_le_bytes(noise(kill + 1, 8).try_into().unwrap()) % 20_000;
        thread::sleep(Duration::from_micros(micros));
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        stdout.read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));

        let now = is_whole(dir.path(), BYTES);
        let reported = said.matches("appended").count() as u64;
        assert!(now >= before + reported, "{reported} were reported after {before}, {now} are there");
        before = now;
        let left: Vec<_> = drafts(dir.path()).into_iter().filter(|path| !known.contains(path)).collect();
        let point = match &left[..] {
            [] if now > before + reported => "after the draft was removed",
            [] => "between appends",
            [draft] => {
                let name = draft.file_name().unwrap().to_str().unwrap();
                let serial: u64 = name.split('-').nth(1).unwrap().parse().unwrap();
                let whole = usize::try_from(fs::metadata(draft).unwrap().len()).unwrap() >= BYTES;
                match (whole, serial <= now) {
                    (false, _) => "in the draft",
                    (true, false) => "between draft and link",
                    (true, true) => "between link and answer",
                }
            }
            more => panic!("{more:?}"),
        };
        *fell.entry(point).or_default() += 1;
    }
    println!("{KILLS} kills fell: {fell:?}, {before} entries");
    assert!(fell.contains_key("between draft and link"), "{fell:?}");
    let log = open(dir.path());
    assert_eq!(log.append(before + 1, &noise(before + 1, BYTES)).unwrap(), Appended::Ok);
    log.collect().unwrap();
    assert!(drafts(dir.path()).is_empty(), "what they left is collected");
    assert_eq!(is_whole(dir.path(), BYTES), before + 1);
}
