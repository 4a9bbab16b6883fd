//! Applies against a cloud whose things get new names: to make one twice is to have two.
//!
//! The cloud is a folder with a file for each thing. A process of its own applies, is killed at drawn
//! moments, and is started again: then there is one thing for each that is written, the right one, and no
//! other. `SKYPLAN_CLOUD_KILLS` says how many kills.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures::future::{BoxFuture, FutureExt as _};
use serde_json::{Value, json};
use skyplan::{
    apply::{self, Options},
    diagnostic::Diagnostic,
    driver::{Drivers, Fallible, local::LocalRoot, null::Maker},
    plan::secret::Secrets,
    state::store::{Location, Log},
};

use crate::{
    real::kill::Dice,
    support::{log::plan_as, project::Project, world::World},
};

/// Kills of `make test`.
const KILLS: usize = 30;
/// Things of a version.
const THINGS: usize = 40;
/// Every answer of the cloud takes this long, half of it after the deed.
const PAUSE: Duration = Duration::from_millis(4);

/// A file for each thing: its name is the id, its content the token and what it was given.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Of so many answers one is lost after the deed; 0 = none.
    loses: u64,
    asked: std::sync::Mutex<u64>,
}

impl Folder {
    /// Does something, as slowly as a cloud, and may lose the answer.
    async fn slowly<T>(&self, work: impl FnOnce() -> T) -> Fallible<T> {
        tokio::time::sleep(PAUSE / 2).await;
        let answer = work();
        tokio::time::sleep(PAUSE / 2).await;
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        if self.loses > 0 && asked.is_multiple_of(self.loses) {
            return Err(Box::new(Diagnostic::error("SKY0701", "the answer was lost")));
        }
        Ok(answer)
    }
}

impl Maker for Folder {
    fn find<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Fallible<Vec<String>>> {
        let all =
            move || things(&self.path).into_iter().filter(|(_, t)| t["token"] == token).map(|(id, _)| id).collect();
        self.slowly(all).boxed()
    }

    fn create<'a>(&'a self, token: &'a str, input: &'a Value) -> BoxFuture<'a, Fallible<String>> {
        let make = move || {
            // All of it or nothing, whenever its maker is killed.
            let draft = self.path.join(format!("{token}.draft"));
            fs::write(&draft, json!({"token": token, "input": input}).to_string()).unwrap();
            // No cloud gives an id twice.
            let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
            let mut ids = std::iter::repeat_with(|| format!("i-{:x}", clock()));
            ids.find(|id| fs::hard_link(&draft, self.path.join(id)).is_ok()).unwrap()
        };
        self.slowly(make).boxed()
    }

    fn update<'a>(&'a self, id: &'a str, input: &'a Value) -> BoxFuture<'a, Fallible<bool>> {
        let change = move || {
            let Some(mut thing) = things(&self.path).remove(id) else { return false };
            thing["input"] = input.clone();
            fs::write(self.path.join(format!("{id}.new")), thing.to_string()).unwrap();
            fs::rename(self.path.join(format!("{id}.new")), self.path.join(id)).unwrap();
            true
        };
        self.slowly(change).boxed()
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Fallible<()>> {
        self.slowly(move || drop(fs::remove_file(self.path.join(id)))).boxed()
    }
}

/// All things by id. Drafts are none.
fn things(path: &Path) -> BTreeMap<String, Value> {
    let files = fs::read_dir(path).unwrap().map(|f| f.unwrap()).filter(|f| f.path().extension().is_none());
    let read = files.map(|f| (f.file_name().into_string().unwrap(), fs::read(f.path()).unwrap_or_default()));
    read.filter_map(|(id, bytes)| Some((id, serde_json::from_slice(&bytes).ok()?))).collect()
}

/// What is written in a version: some things stay, some change, some come and go.
fn project(version: usize) -> Project {
    let mut text = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: cloud\nlineage: cloud\n".to_owned();
    for (name, input) in wanted(version) {
        text += &format!("---\napiVersion: skyplan.io/v1alpha1\nkind: Null\nname: {name}\ninput: {input}\n");
    }
    Project::of([("skyplan.yaml", text)])
}

fn wanted(version: usize) -> BTreeMap<String, usize> {
    let all = (0..THINGS).filter(|i| version == 0 || i % 4 != version % 4);
    let named = |i: usize| if i.is_multiple_of(5) { format!("v{version}-{i}") } else { format!("t{i}") };
    all.map(|i| (named(i), if i.is_multiple_of(3) { version } else { 0 })).collect()
}

/// Applies a version once; started by the tests below.
#[tokio::test]
#[ignore = "a process that other tests start"]
async fn process() {
    let number = |name: &str| env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let (Ok(folder), Some(version)) = (env::var("CLOUD"), number("CLOUD_VERSION")) else { return };
    let folder = Path::new(&folder);
    let mut log = Log::open(&Location::folder(&folder.join("state")), "cloud", || "0123".into()).unwrap();
    log.begin().unwrap();
    let model = project(version.try_into().unwrap()).model();
    let planned = plan_as(&World::default(), Some(&model), log.state(), &skyplan::plan::Scope::default()).unwrap();
    let loses = number("CLOUD_LOSES").unwrap_or(0);
    let cloud = Folder { path: folder.join("things"), loses, asked: std::sync::Mutex::default() };
    let root = LocalRoot { state: folder.join("clusters"), ..LocalRoot::from_env().unwrap() };
    let drivers = Drivers::new(folder, root).with_maker(Box::new(cloud));
    let options = Options::default();
    let report = apply::run(&planned.plan, &Secrets::default(), &drivers, &mut log, &options, &()).await;
    let done = matches!(&report, Ok(report) if report.complete());
    println!("\n{}", if done { "applied" } else { "not applied" });
}

/// Starts a process that applies a version.
fn applying(folder: &Path, version: usize, loses: u64) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "real::cloud::process", "--nocapture", "--test-threads=1"]);
    command.env("CLOUD", folder).env("CLOUD_VERSION", version.to_string()).env("CLOUD_LOSES", loses.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn applied(folder: &Path, version: usize, loses: u64) -> bool {
    let output = applying(folder, version, loses).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("applied"), "it ended with {}: {text}", output.status);
    text.lines().any(|line| line == "applied")
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder.join("state")).map_or(0, Iterator::count)
}

/// Waits until an apply has begun, or is over.
fn begins(folder: &Path, before: usize, child: &mut Child) {
    // A log begins with a Snapshot.
    let least = before.max(1) + 1;
    while entries(folder) < least && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// One thing for each that is written, the right one, known by its id; and nobody else.
fn is_as_written(folder: &Path, version: usize) {
    let log = Log::open(&Location::folder(&folder.join("state")), "cloud", String::new).unwrap();
    let state = log.state();
    let there = things(&folder.join("things"));
    let found = |address: String| {
        let record = serde_json::to_value(&state.records[&address.parse().unwrap()]).unwrap();
        there[record["id"].as_str().unwrap()]["input"].as_u64().unwrap()
    };
    let wanted = wanted(version);
    for (name, input) in &wanted {
        assert_eq!(found(format!("null/{name}")), *input as u64, "{name}");
    }
    assert_eq!((there.len(), state.records.len()), (wanted.len(), wanted.len()), "{there:#?}");
    assert!(state.uncertain.is_empty() && state.open.is_empty(), "{:?}", state.uncertain);
}

fn cloud() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("things")).unwrap();
    folder
}

#[test]
fn what_gets_new_names_is_neither_lost_nor_made_twice_by_kills() {
    let number = |name: &str| env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let kills = number("SKYPLAN_CLOUD_KILLS").map_or(KILLS, |n| usize::try_from(n).unwrap());
    let seed = number("SKYPLAN_SEED").unwrap_or(6);
    println!("seed of the kills: {seed}");
    let mut dice = Dice::new(seed);
    let folder = cloud();
    let folder = folder.path();
    let mut first = applying(folder, 0, 0);
    begins(folder, 0, &mut first);
    let begun = Instant::now();
    assert!(first.wait().unwrap().success());
    let whole = begun.elapsed();
    is_as_written(folder, 0);
    let (mut met, mut blows, mut version) = (0, 0, 0);
    while met < kills {
        assert!(blows < 3 * kills, "only {met} of {blows} blows met a living apply");
        version += 1;
        // Some applies are killed again while they are finished.
        for again in 0..=dice.below(2) {
            let before = entries(folder);
            let mut child = applying(folder, version, 0);
            begins(folder, before, &mut child);
            // Much is done by then; and it takes a process a while to end.
            let most = if again == 0 { 0.6 } else { 0.2 };
            thread::sleep(whole.mul_f64(most * dice.below(1000) as f64 / 1000.0));
            child.kill().unwrap();
            let living = child.wait().unwrap().code().is_none();
            let log = Log::open(&Location::folder(&folder.join("state")), "cloud", String::new).unwrap();
            met += usize::from(living && !log.state().open.is_empty());
            blows += 1;
        }
        assert!(applied(folder, version, 0), "version {version}");
        is_as_written(folder, version);
    }
    println!("{met} of {blows} blows met an apply that had begun and not ended");
}

#[test]
fn what_gets_new_names_is_neither_lost_nor_made_twice_by_lost_answers() {
    let folder = cloud();
    for version in 0..6 {
        let loses = 3 + version as u64;
        let mut tries = 0;
        while !applied(folder.path(), version, loses) {
            tries += 1;
            assert!(tries < 200, "version {version} never ends");
        }
        assert!(tries > 0, "no answer was lost");
        is_as_written(folder.path(), version);
    }
}
