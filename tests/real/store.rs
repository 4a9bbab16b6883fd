//! What the state is kept in fails: no room, no right to write, an entry cut short, credentials that are
//! no longer good, clocks that are wrong, a network that breaks. It is said, nothing is lost, and the next
//! apply comes to the end.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use skyplan::state::{
    Begin, Entry, Holder,
    store::{Location, Log},
};

use super::{
    existing::guest,
    home::{Home, both},
    proxy::{Mode, Proxy},
};

/// Whoever has no rights.
const NOBODY: u32 = 65534;

/// One cluster that is there, and enough objects that an apply writes entries of many sizes.
pub(super) fn project() -> Home {
    let home = guest();
    want(&home, "0");
    home.run(&["apply", "--yes"], 0);
    home
}

pub(super) fn want(home: &Home, value: &str) {
    want_so_many(home, value, 40);
}

fn want_so_many(home: &Home, value: &str, count: usize) {
    let map =
        |n| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{n:03}}}\ndata: {{v: \"{value}\"}}\n---\n");
    fs::write(home.project().join("hello/manifests/maps.yaml"), (0..count).map(map).collect::<String>()).unwrap();
}

/// The next apply comes to the end, whatever was before.
#[track_caller]
pub(super) fn converges(home: &Home, value: &str) {
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let get = ["-n", "hello", "get", "configmaps", "-l", "skyplan.io/lineage", "-o", "jsonpath={.items[*].data.v}"];
    let values = home.kubectl("host", &get);
    let wanted = fs::read_to_string(home.project().join("hello/manifests/maps.yaml")).unwrap();
    let count = wanted.matches("kind: ConfigMap").count();
    assert_eq!(values.split(' ').filter(|v| *v == value).count(), count, "{values}");
    let state: serde_json::Value = serde_json::from_str(&home.run(&["state", "show"], 0)).unwrap();
    for open in ["uncertain", "open"] {
        assert!(state[open].as_object().is_none_or(serde_json::Map::is_empty), "{open}: {}", state[open]);
    }
}

fn entries(home: &Home) -> Vec<PathBuf> {
    let files = fs::read_dir(home.project().join(".skyplan/state")).unwrap().map(|f| f.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|f| f.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    files
}

/// skyplan from a shell, after this was done there.
fn after(home: &Home, first: &str) -> Output {
    let script = format!("{first}; exec \"$0\" apply --yes");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_skyplan")]).current_dir(home.project()).stdin(Stdio::null());
    shell.env("XDG_STATE_HOME", home.dir.path().join("state")).output().unwrap()
}

#[test]
fn files_that_may_not_grow() {
    let home = project();
    let mut refused = 0;
    // Blocks of 512 bytes: some entries are larger, others are not.
    for (n, blocks) in [0, 4, 12, 20, 30, 40, 60].into_iter().enumerate() {
        let value = (n + 1).to_string();
        want(&home, &value);
        let before = entries(&home).len();
        let output = after(&home, &format!("ulimit -f {blocks}"));
        let said = both(&output);
        let more = entries(&home).len() - before;
        println!("{blocks} blocks: {:?}, {more} entries more", output.status.code());
        if output.status.code() != Some(0) {
            refused += 1;
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("SKY0801") && said.contains("has no room left"), "{said}");
            assert!(said.contains("nothing that was in the log is lost"), "{said}");
        }
        converges(&home, &value);
    }
    assert!(refused >= 3, "only {refused} were refused");
}

/// A file system of a few pages, which takes a namespace of one's own.
#[test]
fn a_disk_that_is_full() {
    let home = project();
    let state = home.project().join(".skyplan/state");
    let small = |pages: usize| {
        format!(
            "s={state}; cp -a $s $s.kept; mount -t tmpfs -o size=8M none $s || exit 77; cp -a $s.kept/. $s; \
             dd if=/dev/zero of=$s/filler bs=4096 count=$(( $(df --output=avail -B4096 $s | tail -n 1) - {pages} )) 2>/dev/null; \
             \"$0\" apply --yes; status=$?; rm $s/filler; rm -rf $s.kept; mkdir $s.kept; cp -a $s/. $s.kept; umount $s; rm -rf $s; mv $s.kept $s; exit $status",
            state = state.display()
        )
    };
    let mut refused = 0;
    for (n, pages) in [0, 2, 4, 6, 8, 10, 12, 16].into_iter().enumerate() {
        let value = (n + 1).to_string();
        want(&home, &value);
        let before = entries(&home).len();
        let output = Command::new("unshare")
            .args(["-rm", "sh", "-c", &small(pages), env!("CARGO_BIN_EXE_skyplan")])
            .current_dir(home.project())
            .env("XDG_STATE_HOME", home.dir.path().join("state"))
            .stdin(Stdio::null())
            .output();
        let said = match &output {
            Ok(output) => both(output),
            Err(e) => e.to_string(),
        };
        let Some(output) = output.ok().filter(|o| !said.contains("unshare:") && o.status.code() != Some(77)) else {
            println!("not run: a disk that is full: no file system can be mounted here: {}", said.trim());
            return;
        };
        println!("{pages} pages: {:?}, {} entries more", output.status.code(), entries(&home).len() - before);
        if output.status.code() != Some(0) {
            refused += 1;
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("SKY0801") && said.contains("has no room left"), "{said}");
        }
        converges(&home, &value);
    }
    assert!(refused >= 3, "only {refused} were refused");
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|e| open_to_all(&e.unwrap().path()));
    }
}

/// Root may write anywhere: then somebody without rights runs it.
#[test]
fn a_folder_that_may_not_be_written() {
    let home = project();
    let folder = home.project().join(".skyplan/state");
    let binary = home.dir.path().join("skyplan");
    fs::copy(env!("CARGO_BIN_EXE_skyplan"), &binary).unwrap();
    open_to_all(home.dir.path());
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let apply = || {
        let mut command = Command::new(&binary);
        command.args(["apply", "--yes", "--parallelism", "1"]).current_dir(home.project()).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", home.dir.path().join("state")).stdout(Stdio::piped()).stderr(Stdio::piped());
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.spawn().unwrap()
    };
    let mode = |mode: u32| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    let own = || {
        if root {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
            entries(&home).iter().for_each(|e| chown(e, Some(NOBODY), Some(NOBODY)).unwrap());
        }
    };
    own();
    // From the beginning: nothing is done.
    want(&home, "1");
    mode(0o555);
    let before = entries(&home).len();
    let output = apply().wait_with_output().unwrap();
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("SKY0801") && said.contains("refused access: Permission denied"), "{said}");
    assert_eq!(entries(&home).len(), before);
    // In the middle: what was done is not recorded, and is found out. So many that the first outcomes are
    // written, or rather not, before the last change is begun.
    mode(0o755);
    want_so_many(&home, "1", 200);
    let child = apply();
    let begun = Instant::now();
    while entries(&home).len() == before {
        assert!(begun.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(1));
    }
    mode(0o555);
    let output = child.wait_with_output().unwrap();
    let said = both(&output);
    mode(0o755);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("SKY0801") && said.contains("as the state cannot be written"), "{said}");
    converges(&home, "1");
}

#[test]
fn entries_cut_short_or_gone() {
    let home = project();
    want(&home, "1");
    home.run(&["apply", "--yes"], 0);
    let all = entries(&home);
    let last = all.last().unwrap();
    let whole = fs::read(last).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(last, &whole[..length]).unwrap();
        let said = home.said(&["apply", "--yes"], 1);
        let name = format!("entry {} ", all.len());
        assert!(said.contains("SKY0802") && said.contains(&name), "{length} of {}: {said}", whole.len());
        assert!(said.contains("restore it from a copy"), "{said}");
    }
    // Without a copy: what only lost entries knew is asked of the cluster.
    for gone in all.iter().rev().take(2) {
        fs::remove_file(gone).unwrap();
    }
    converges(&home, "1");
}

#[test]
fn clocks_that_are_wrong() {
    let home = project();
    want(&home, "1");
    let begin = |hours: i64| {
        let at = Timestamp::now().checked_add(SignedDuration::from_hours(hours)).unwrap();
        let until = at.checked_add(SignedDuration::from_mins(30)).unwrap();
        let holder = Some(Holder { pid: 1, started: 1, space: "another machine".into() });
        let writes = vec!["object/prod/core/ConfigMap/hello/m000".parse().unwrap()];
        let entry = Begin {
            plan: "x".into(),
            writes,
            holder,
            at: at.to_string(),
            until: until.to_string(),
            ..Begin::default()
        };
        let lineage = "guest";
        let folder = home.project().join(".skyplan/state");
        let mut log = Log::open(&Location::folder(&folder), lineage, String::new).unwrap();
        log.append(&Entry::Begin(entry)).unwrap();
        until
    };
    // A machine whose clock is an hour behind: its time seems to be up. It finds out when it is back.
    begin(-1);
    converges(&home, "1");
    // One whose clock is an hour ahead: nobody goes ahead, and it says until when.
    want(&home, "2");
    let until = begin(1);
    let said = home.said(&["apply", "--yes"], 1);
    assert!(said.contains("SKY0805") && said.contains(&until.to_string()), "{said}");
}

/// The state is in the cluster's Secrets, by way of a proxy.
fn state_in_the_cluster() -> (Home, Proxy) {
    let home = guest();
    want(&home, "0");
    let config = home.dir.path().join("state/skyplan/local/host/kubeconfig");
    let far = home.project().join("far.kubeconfig");
    let proxy = Proxy::before(&config, &far);
    let url = format!("kubernetes://default/guest?kubeconfig={}", far.display());
    let text = fs::read_to_string(home.project().join("skyplan.yaml")).unwrap();
    fs::write(home.project().join("skyplan.yaml"), format!("{text}state: {{url: \"{url}\"}}\n")).unwrap();
    home.run(&["apply", "--yes"], 0);
    (home, proxy)
}

/// The network to the store breaks in the middle of applies; values are counted on from this one.
pub(super) fn breaks(home: &Home, proxy: &Proxy, mut value: u32) {
    let mut failed = 0;
    let modes = [
        (Mode::Drop, 500, 40),
        (Mode::Lose, 60, 1),
        (Mode::Drop, 60_000, 1),
        (Mode::Lose, 300, 120),
        (Mode::Stall, 900, 80),
    ];
    for (mode, time, at) in modes {
        value += 1;
        want(home, &value.to_string());
        let args = ["apply", "--yes", "--parallelism", "2"];
        let mut child = home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Somewhere from before its Begin to its End.
        thread::sleep(Duration::from_millis(100 + at * 5));
        proxy.set(mode);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(time) && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(10));
        }
        proxy.set(Mode::Pass);
        let output = child.wait_with_output().unwrap();
        let said = both(&output);
        println!(
            "{mode:?} for {time} ms: {:?} {}",
            output.status.code(),
            said.lines().find(|l| l.starts_with("error")).unwrap_or_default()
        );
        if output.status.code() != Some(0) {
            failed += 1;
            assert!(said.contains("SKY0801") && said.contains("cannot be reached"), "{said}");
        }
        converges(home, &value.to_string());
    }
    assert!(failed > 0, "one of them is away for a minute");
}

#[test]
fn a_store_that_breaks_in_the_middle() {
    let (home, proxy) = state_in_the_cluster();
    breaks(&home, &proxy, 0);
}

#[test]
fn credentials_that_are_no_longer_good() {
    let (home, _proxy) = state_in_the_cluster();
    let far = home.project().join("far.kubeconfig");
    let good = fs::read_to_string(&far).unwrap();
    let lines = good.lines().filter(|l| !l.contains("client-certificate-data"));
    let bad: Vec<String> = lines
        .map(|l| match l.find("client-key-data") {
            Some(at) => format!("{}token: expired", &l[..at]),
            None => l.to_owned(),
        })
        .collect();
    want(&home, "1");
    fs::write(&far, bad.join("\n")).unwrap();
    let said = home.said(&["apply", "--yes"], 1);
    assert!(said.contains("SKY0801") && said.contains("refused access"), "{said}");
    assert!(said.contains("renew the credentials, or ask its owner") && !said.contains("token: expired"), "{said}");
    fs::write(&far, good).unwrap();
    converges(&home, "1");
}
