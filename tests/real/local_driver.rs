//! The `local` driver against real control planes. The programs must be there (`make control-plane`):
//! without them these tests fail, they are not skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Node, Pod, ServiceAccount},
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use skyplan::driver::local::{
    Candidate, Data, LocalRoot, LocalSpec, LocalState, Networks, NodeChanges, NodePool, Running, Taint, down, kubectl,
    list, sync_nodes, up,
};

/// Tells the copy of this program that is to be killed where to start a cluster.
const HELPER_STATE: &str = "SKYPLAN_TEST_HELPER_STATE";
const PATIENCE: Duration = Duration::from_secs(120);

/// A state folder of its own. Whatever of it still runs at the end of a test is ended then.
struct Place {
    folder: tempfile::TempDir,
    root: LocalRoot,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { root: root(&folder.path().join("state")), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.state.join(name)
    }

    async fn up(&self, name: &str) -> Running {
        up(&self.root, &spec(name), &|_| {}).await.unwrap()
    }

    fn state(&self, name: &str) -> LocalState {
        list(&self.root).unwrap().into_iter().find(|c| c.name == name).unwrap().state
    }

    fn pids(&self, name: &str) -> BTreeMap<String, u32> {
        list(&self.root).unwrap().into_iter().find(|c| c.name == name).unwrap().pids
    }

    fn record(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name).join("cluster.json")).unwrap()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for pid in running(self.folder.path()) {
            signal(pid, "KILL");
        }
    }
}

fn root(state: &Path) -> LocalRoot {
    LocalRoot { state: state.to_owned(), ..LocalRoot::from_env().unwrap() }
}

fn spec(name: &str) -> LocalSpec {
    LocalSpec { fsync: false, deadline: PATIENCE, ..LocalSpec::new(name) }
}

/// The processes that have a path below `folder` in their command line and have not ended.
fn running(folder: &Path) -> Vec<u32> {
    let needle = format!("={}/", fs::canonicalize(folder).unwrap().display());
    let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| String::from_utf8_lossy(&c).contains(&needle))
    })
    .collect()
}

fn assert_nothing_runs(folder: &Path) {
    assert_eq!(running(folder), Vec::<u32>::new());
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

async fn client(running: &Running) -> Client {
    let file = Kubeconfig::read_from(&running.kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    config.proxy_url = None;
    Client::try_from(config).unwrap()
}

async fn leave_a_note(client: &Client, text: &str) {
    let note: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "note"}, "data": {"text": text}})).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    maps.create(&PostParams::default(), &note).await.unwrap();
}

async fn note(client: &Client) -> String {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    maps.get("note").await.unwrap().data.unwrap()["text"].clone()
}

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_survive_a_stop_and_nothing_survives_a_deletion() {
    let place = Place::new();
    assert_eq!(list(&place.root).unwrap(), []);
    let first = place.up("dev").await;
    assert!(first.started && !first.api_only && first.simulates_nodes, "{first:?}");
    assert!(first.version.starts_with("v1."), "{first:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&first.kubeconfig), 0o600);
    assert_eq!(mode(&place.path("dev").join("certificates/ca.key")), 0o600);
    assert_eq!(mode(&place.path("dev")), 0o700);

    let api = client(&first).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(api.clone(), "default");
    accounts.get("default").await.unwrap();
    leave_a_note(&api, "still here").await;
    let kubectl = Command::new(kubectl(&place.root).unwrap())
        .arg("--kubeconfig")
        .arg(&first.kubeconfig)
        .args(["get", "configmap", "note", "-o", "name"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&kubectl.stdout), "configmap/note\n");

    assert_eq!(place.state("dev"), LocalState::Running);
    let pids = place.pids("dev");
    assert_eq!(pids.len(), 5);
    assert_eq!(place.up("dev").await, Running { started: false, ..first.clone() });
    fs::remove_file(&first.kubeconfig).unwrap();
    assert_eq!(place.up("dev").await, Running { started: false, ..first.clone() });
    assert_eq!(place.pids("dev"), pids);

    assert!(down(&place.root, "dev", Data::Keep).await.unwrap());
    assert_eq!(place.state("dev"), LocalState::Stopped);
    assert_nothing_runs(place.folder.path());
    assert!(!down(&place.root, "dev", Data::Keep).await.unwrap());

    assert_eq!(place.up("dev").await, first);
    assert_eq!(note(&client(&first).await).await, "still here");
    let other =
        LocalSpec { networks: Some(Networks { pods: "10.1.0.0/16".into(), ..Networks::default() }), ..spec("dev") };
    assert_eq!(up(&place.root, &other, &|_| {}).await.unwrap_err().code, "SKY0614");

    assert!(down(&place.root, "dev", Data::Delete).await.unwrap());
    assert_nothing_runs(place.folder.path());
    assert!(!place.path("dev").exists());
    assert_eq!(list(&place.root).unwrap(), []);
    assert!(!down(&place.root, "dev", Data::Delete).await.unwrap());
    assert_eq!(down(&place.root, "../dev", Data::Delete).await.unwrap_err().code, "SKY0601");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_the_next_up_brings_it_back() {
    let place = Place::new();
    let first = place.up("dev").await;
    leave_a_note(&client(&first).await, "kept").await;
    for victims in [&["kube-scheduler"][..], &["etcd"], &["kube-apiserver", "kwok", "kube-controller-manager"]] {
        let pids = place.pids("dev");
        victims.iter().for_each(|v| signal(pids[*v], "KILL"));
        eventually("the processes' end", async || (place.pids("dev").len() == 5 - victims.len()).then_some(())).await;
        let LocalState::Broken(what) = place.state("dev") else { panic!("not broken without {victims:?}") };
        assert!(victims.iter().all(|v| what.contains(v)), "{what}");

        assert_eq!(place.up("dev").await, first);
        assert_eq!(note(&client(&first).await).await, "kept");
        assert_eq!(running(place.folder.path()).len(), 5);
    }
    // One that hangs does not answer a polite request either.
    signal(place.pids("dev")["kube-apiserver"], "STOP");
    assert!(down(&place.root, "dev", Data::Keep).await.unwrap());
    assert_nothing_runs(place.folder.path());
}

/// Not a test of its own: the run that `a_run_killed_half_way_is_taken_up` kills.
#[tokio::test(flavor = "multi_thread")]
async fn helper_that_is_killed() {
    if let Some(state) = std::env::var_os(HELPER_STATE) {
        up(&root(Path::new(&state)), &spec("dev"), &|_| {}).await.unwrap();
    }
}

fn helper(place: &Place) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "real::local_driver::helper_that_is_killed"])
        .env(HELPER_STATE, &place.root.state)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_half_way_is_taken_up() {
    let place = Place::new();
    let recorded = || -> Vec<u64> {
        let record = fs::read(place.path("dev").join("cluster.json")).unwrap_or_default();
        let record: Value = serde_json::from_slice(&record).unwrap_or_default();
        let processes = record["processes"].as_object().into_iter().flat_map(|p| p.values());
        processes.map(|p| p["pid"].as_u64().unwrap()).collect()
    };
    for wanted in [1, 3] {
        let before = recorded();
        let mut helper = helper(&place);
        eventually("the start of some processes", async || {
            let now = recorded();
            (now.len() >= wanted && now.iter().all(|pid| !before.contains(pid))).then_some(())
        })
        .await;
        helper.kill().unwrap();
        helper.wait().unwrap();
    }
    let LocalState::Broken(what) = place.state("dev") else { panic!("not half started") };
    assert!(what.contains("kube-scheduler not running"), "{what}");
    let first = place.up("dev").await;
    assert_eq!(running(place.folder.path()).len(), 5);

    // As if it had been killed between the starts and their record: they are found nevertheless.
    let mut record = place.record("dev");
    record["processes"] = json!({});
    fs::write(place.path("dev").join("cluster.json"), record.to_string()).unwrap();
    assert_eq!(place.pids("dev").len(), 5);
    assert!(down(&place.root, "dev", Data::Keep).await.unwrap());
    assert_nothing_runs(place.folder.path());
    assert_eq!(place.up("dev").await, first);

    // A record that cannot be read stops an `up`, but never a deletion.
    fs::write(place.path("dev").join("cluster.json"), "{").unwrap();
    assert_eq!(up(&place.root, &spec("dev"), &|_| {}).await.unwrap_err().code, "SKY0606");
    assert!(down(&place.root, "dev", Data::Delete).await.unwrap());
    assert_nothing_runs(place.folder.path());
    assert!(!place.path("dev").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_has_a_recorded_number_by_chance_is_left_alone() {
    let place = Place::new();
    place.up("dev").await;
    let boot = place.record("dev")["processes"]["etcd"]["boot"].clone();
    assert!(down(&place.root, "dev", Data::Keep).await.unwrap());

    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", stranger.id())).unwrap();
    let started: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let mut record = place.record("dev");
    record["processes"] = json!({
        "etcd": {"pid": stranger.id(), "started": started - 1, "boot": boot},
        "kube-apiserver": {"pid": stranger.id(), "started": started, "boot": "before the last power cut"},
        "kwok": {"pid": 1, "started": 0, "boot": boot},
    });
    let write = || fs::write(place.path("dev").join("cluster.json"), record.to_string()).unwrap();

    write();
    assert_eq!(place.state("dev"), LocalState::Stopped);
    assert!(!down(&place.root, "dev", Data::Keep).await.unwrap());
    write();
    assert!(place.up("dev").await.started);
    assert!(down(&place.root, "dev", Data::Keep).await.unwrap());
    write();
    assert!(down(&place.root, "dev", Data::Delete).await.unwrap());
    assert_eq!(stranger.try_wait().unwrap(), None, "the stranger was killed");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_keeps_its_port() {
    let place = Place::new();
    let first = place.up("dev").await;
    assert!(down(&place.root, "dev", Data::Keep).await.unwrap());
    let port = |field: &str| u16::try_from(place.record("dev")[field].as_u64().unwrap()).unwrap();

    let squatter = TcpListener::bind(("127.0.0.1", port("apiPort"))).unwrap();
    let fault = up(&place.root, &spec("dev"), &|_| {}).await.unwrap_err();
    assert_eq!(fault.code, "SKY0608");
    assert!(fault.summary.contains(&port("apiPort").to_string()), "{fault:?}");
    assert_nothing_runs(place.folder.path());
    drop(squatter);

    // Nobody else knows etcd's.
    let before = port("etcdPort");
    let _squatter = TcpListener::bind(("127.0.0.1", before)).unwrap();
    assert_eq!(place.up("dev").await, first);
    assert_ne!(port("etcdPort"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_programs_are_named() {
    let mut place = Place::new();
    let programs = place.folder.path().join("programs");
    let set = |place: &mut Place, named_by: Option<&str>| {
        let candidate = Candidate { folder: programs.clone(), named_by: named_by.map(str::to_owned) };
        place.root.binaries = vec![candidate];
    };
    set(&mut place, None);
    let fault = up(&place.root, &spec("dev"), &|_| {}).await.unwrap_err();
    assert_eq!(fault.code, "SKY0602");
    assert!(fault.hints.iter().any(|h| h.contains("make control-plane")), "{fault:?}");

    fs::create_dir(&programs).unwrap();
    fs::copy("/bin/true", programs.join("kube-apiserver")).unwrap();
    set(&mut place, Some("SKYPLAN_CONTROL_PLANE"));
    let fault = up(&place.root, &spec("dev"), &|_| {}).await.unwrap_err();
    assert_eq!(fault.code, "SKY0603");
    assert_eq!(fault.summary, format!("etcd is missing in {}", programs.display()));
    assert!(!place.path("dev").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_says_why_and_leaves_nothing_running() {
    let mut place = Place::new();
    let programs = place.folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let program = |name: &str, script: &str| {
        fs::write(programs.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    place.root.binaries = vec![Candidate { folder: programs.clone(), named_by: None }];
    // A FIFO that nobody writes: waits for ever, in the shell itself.
    let wait = "mkfifo ./wait-$$; read line <./wait-$$";

    program("etcd", wait);
    program("kube-apiserver", "for i in 1 2 3 4 5 6 7 8 9 10 11; do echo line $i; done; exit 3");
    let fault = up(&place.root, &spec("dev"), &|_| {}).await.unwrap_err();
    assert_eq!(fault.code, "SKY0611");
    assert!(fault.summary.contains("kube-apiserver"), "{fault:?}");
    assert!(fault.detail.contains("exit status: 3"), "{fault:?}");
    assert!(fault.detail.contains("line 2\n") && !fault.detail.contains("line 1\n"), "{fault:?}");
    assert!(fault.detail.contains("dev/logs/kube-apiserver.log"), "{fault:?}");
    assert_nothing_runs(&place.path("dev"));
    assert_eq!(place.state("dev"), LocalState::Stopped);

    program("kube-apiserver", wait);
    let hasty = LocalSpec { deadline: Duration::from_millis(300), ..spec("dev") };
    let fault = up(&place.root, &hasty, &|_| {}).await.unwrap_err();
    assert_eq!(fault.code, "SKY0612");
    assert!(fault.summary.contains("etcd does not listen"), "{fault:?}");
    assert_nothing_runs(&place.path("dev"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_and_two_runs_at_once() {
    let place = Place::new();
    let (a, b, again) = tokio::join!(place.up("a"), place.up("b"), place.up("a"));
    assert!(a.started != again.started, "one of two runs on the same cluster starts it");
    assert_eq!(a.kube_system_uid, again.kube_system_uid);
    assert_ne!(a.kube_system_uid, b.kube_system_uid);
    assert_ne!(a.server, b.server);
    leave_a_note(&client(&a).await, "in a").await;
    leave_a_note(&client(&b).await, "in b").await;
    assert!(down(&place.root, "b", Data::Delete).await.unwrap());
    assert_eq!(note(&client(&a).await).await, "in a");
    assert_eq!(place.state("a"), LocalState::Running);
    assert_eq!(running(place.folder.path()).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_without_controllers_is_an_api_only() {
    let mut place = Place::new();
    let programs = place.folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let full = kubectl(&place.root).expect("the control plane's programs (make control-plane)");
    for program in ["etcd", "kube-apiserver"] {
        symlink(full.with_file_name(program), programs.join(program)).unwrap();
    }
    place.root.binaries = vec![Candidate { folder: programs, named_by: Some("KUBEBUILDER_ASSETS".into()) }];
    let first = place.up("dev").await;
    assert!(first.api_only && !first.simulates_nodes, "{first:?}");
    assert_eq!(place.pids("dev").len(), 2);
    leave_a_note(&client(&first).await, "x").await;
    assert!(!place.up("dev").await.started);

    let pools = [NodePool::new("std", 1, 1000, 1 << 30)];
    assert_eq!(sync_nodes(&first, &pools, PATIENCE).await.unwrap_err().code, "SKY0615");
    assert_eq!(sync_nodes(&first, &[], PATIENCE).await, Ok(NodeChanges::default()));

    // With the full set the same cluster becomes a whole one.
    place.root = root(&place.root.state);
    let second = place.up("dev").await;
    assert!(second.started && !second.api_only, "{second:?}");
    assert_eq!((second.kube_system_uid, second.server), (first.kube_system_uid, first.server));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_follow_their_pools() {
    let place = Place::new();
    let running = place.up("dev").await;
    let api = client(&running).await;
    let nodes: Api<Node> = Api::all(api.clone());
    let names = async || -> Vec<String> {
        nodes.list(&ListParams::default()).await.unwrap().iter().map(|n| n.name_any()).collect()
    };
    let sync = async |pools: &[NodePool]| {
        let changes = sync_nodes(&running, pools, PATIENCE).await.unwrap();
        (changes.created, changes.updated, changes.deleted)
    };

    let mut std = NodePool::new("std", 3, 4000, 8 << 30);
    std.labels.insert("zone".into(), "a".into());
    let gpu = NodePool {
        gpus: 2,
        taints: vec![Taint { key: "gpu".into(), value: "yes".into(), effect: "NoSchedule".into() }],
        ..NodePool::new("gpu", 1, 16_000, 64 << 30)
    };
    assert_eq!(sync(&[std.clone(), gpu.clone()]).await, (4, 0, 0));
    assert_eq!(names().await, ["dev-gpu-0", "dev-std-0", "dev-std-1", "dev-std-2"]);
    assert_eq!(sync(&[std.clone(), gpu.clone()]).await, (0, 0, 0));
    for node in nodes.list(&ListParams::default()).await.unwrap() {
        let conditions = node.status.unwrap().conditions.unwrap();
        assert!(conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
    }

    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 6,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [
                    {"name": "web", "image": "web", "resources": {"requests": {"cpu": "1500m"}}}
                ]}
            }
        }
    }))
    .unwrap();
    let deployments: Api<Deployment> = Api::namespaced(api.clone(), "default");
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    let ready = async |wanted: i32| {
        eventually("ready replicas", async || {
            let status = deployments.get("web").await.unwrap().status?;
            (status.ready_replicas.unwrap_or(0) == wanted).then_some(())
        })
        .await;
    };
    ready(6).await;

    // Somebody changes what is ours and adds what is not; another size is wanted, other labels, fewer
    // GPUs, no taint.
    let theirs = json!({"metadata": {"labels": {"zone": "b", "theirs": "x", "skyplan.io/node-pool": null}}});
    nodes.patch("dev-std-0", &PatchParams::default(), &Patch::Merge(theirs)).await.unwrap();
    std.memory = 16 << 30;
    let gpu = NodePool { gpus: 0, taints: vec![], ..gpu };
    assert_eq!(sync(&[std.clone(), gpu.clone()]).await, (0, 4, 0));
    assert_eq!(sync(&[std.clone(), gpu.clone()]).await, (0, 0, 0));
    let node = nodes.get("dev-std-0").await.unwrap();
    assert_eq!(node.labels()["zone"], "a");
    assert_eq!(node.labels()["theirs"], "x");
    assert_eq!(node.status.unwrap().allocatable.unwrap()["memory"].0, "16Gi");
    let node = nodes.get("dev-gpu-0").await.unwrap();
    assert!(!node.status.unwrap().capacity.unwrap().contains_key("nvidia.com/gpu"));
    assert!(node.spec.unwrap().taints.is_none_or(|t| t.is_empty()));

    // Down to two nodes: those with the highest numbers go, their pods find places elsewhere.
    std.count = 1;
    assert_eq!(sync(&[std.clone(), gpu.clone()]).await, (0, 0, 2));
    assert_eq!(names().await, ["dev-gpu-0", "dev-std-0"]);
    ready(6).await;
    let pods: Api<Pod> = Api::all(api.clone());
    let gone = |p: &Pod| p.spec.as_ref().unwrap().node_name.as_deref().is_some_and(|n| n == "dev-std-2");
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.iter().filter(|p| gone(p)).count(), 0);

    // A stop in between changes nothing; afterwards the nodes go on.
    assert!(down(&place.root, "dev", Data::Keep).await.unwrap());
    place.up("dev").await;
    std.count = 2;
    assert_eq!(sync(&[std, gpu]).await, (1, 0, 0));
    assert_eq!(sync(&[]).await, (0, 0, 3));
    assert_eq!(names().await, Vec::<String>::new());

    let stranger: Node = serde_json::from_value(json!({"metadata": {"name": "dev-std-0"}})).unwrap();
    nodes.create(&PostParams::default(), &stranger).await.unwrap();
    let pools = [NodePool::new("std", 1, 1000, 1 << 30)];
    assert_eq!(sync_nodes(&running, &pools, PATIENCE).await.unwrap_err().code, "SKY0619");
}
