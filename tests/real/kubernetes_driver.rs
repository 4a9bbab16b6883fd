//! Objects, plans and waits on a real API server with real controllers and simulated nodes.
//!
//! One cluster serves all scenarios; each has namespaces and a lineage of its own. The cluster is
//! made by an apply, and taken away by one.
#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::{Value, json};
use tokio::task::{LocalSet, spawn_local};

use skyplan::{
    address::ResourceAddress,
    apply::{self, Options, Outcome, Progress, Report},
    driver::{
        Drivers,
        kubernetes::{Cluster, Deleted, Fault, Id, Mode, Served, address, clean},
        local::{self, Data, LocalRoot},
    },
    observe,
    observed::{ClusterObserved, ClusterQuestion, Connection, DryRun, DryRunQuestion, KindRef, Observed, Questions},
    plan::{
        change::{Action, ActionReason, Base, Change, Cost, FORMAT_VERSION, Plan, Precondition, Target},
        projection::{digest, owned_fields, projection_digest},
        secret::{Secrets, redact},
    },
    spec::{ClusterDriver, DeletionPolicy},
    state::{RecordDetail, State, record::NodePoolState, store::Log},
};

const CLUSTER: &str = "kd";
const KEY: &str = "0123";

/// The cluster, and how to get at it.
struct World {
    drivers: Drivers,
    cluster: Cluster,
    uid: String,
}

/// A project of its own: lineage, namespace, log.
struct Project {
    world: Arc<World>,
    lineage: String,
    folder: tempfile::TempDir,
}

fn connection() -> Connection {
    Connection { driver: ClusterDriver::Local, kubeconfig: None, context: None }
}

fn at(text: &str) -> ResourceAddress {
    text.parse().unwrap()
}

fn open(folder: &Path, lineage: &str) -> Log {
    Log::open(folder, lineage, || KEY.into()).unwrap()
}

fn plan(lineage: &str, changes: Vec<Change>) -> Plan {
    Plan {
        format_version: FORMAT_VERSION.into(),
        skyplan_version: "test".into(),
        project: "test".into(),
        base: Base { lineage: lineage.into(), serial: 0 },
        inputs_digest: String::new(),
        placement: None,
        cost: Cost::default(),
        clusters: [(CLUSTER.to_owned(), connection())].into(),
        changes,
        unchanged: 0,
        conflicts: Vec::new(),
        notes: Vec::new(),
        placement_record: None,
        complete: true,
        applyable: true,
    }
}

fn change(address: ResourceAddress, action: Action, after: Option<Target>) -> Change {
    Change {
        address,
        action,
        reason: ActionReason::New,
        fields: Vec::new(),
        after,
        origin: None,
        depends_on: Vec::new(),
        precondition: Precondition::default(),
        requires: Vec::new(),
        api_version: String::new(),
        unverified: false,
    }
}

fn node_pool(count: u32) -> Target {
    let pool = NodePoolState {
        name: "n".into(),
        count,
        milli_cpu: 8000,
        memory: 16 << 30,
        gpus: 0,
        labels: BTreeMap::new(),
        taints: Vec::new(),
    };
    Target::Cluster { pools: vec![pool], deletion_policy: DeletionPolicy::Delete }
}

fn assert_done(report: &Report) {
    assert!(report.complete(), "{}\n{:#?}", report.summary(), report.faults().collect::<Vec<_>>());
}

fn code(report: &Report, address: &ResourceAddress) -> String {
    match &report.outcomes[address] {
        Outcome::Failed(why) => why.code.clone(),
        other => format!("{other:?}"),
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn started(&self, address: &ResourceAddress, action: Action) {
        self.0.lock().unwrap().push(format!("{} {}", action.sign(), address.short()));
    }
    fn waiting(&self, address: &ResourceAddress, text: &str) {
        self.0.lock().unwrap().push(format!("… {}: {text}", address.short()));
    }
    fn finished(&self, address: &ResourceAddress, outcome: &Outcome) {
        let word = match outcome {
            Outcome::Done { .. } => "done".to_owned(),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(format!("= {}: {word}", address.short()));
    }
}

impl Project {
    fn new(world: &Arc<World>, name: &str) -> Self {
        Self { world: world.clone(), lineage: format!("test-{name}"), folder: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> Log {
        open(self.folder.path(), &self.lineage)
    }

    /// An object with this project's marks, and its address.
    fn mark(&self, mut object: Value) -> (ResourceAddress, Value) {
        let address = address(CLUSTER, &object);
        object["metadata"]["labels"]["skyplan.io/lineage"] = json!(self.lineage);
        object["metadata"]["annotations"]["skyplan.io/address"] = json!(format!("{} {address}", self.lineage));
        (address, object)
    }

    fn create(&self, object: Value) -> Change {
        let (address, mut object) = self.mark(object);
        redact(&mut object, KEY);
        let api_version = object["apiVersion"].as_str().unwrap().to_owned();
        let after = Target::Object { digest: digest(&object), object, components: Vec::new() };
        let precondition = Precondition { cluster_uid: Some(self.world.uid.clone()), ..Precondition::default() };
        Change { api_version, precondition, ..change(address, Action::Create, Some(after)) }
    }

    /// The same with what the state and the cluster say now as preconditions.
    async fn changed(&self, action: Action, object: Value) -> Change {
        let mut change = Change { action, ..self.create(object) };
        let live = self.live(&change.address).await;
        let record = self.log().state().records[&change.address].clone();
        let RecordDetail::Object(known) = &record.detail else { panic!("no object") };
        change.precondition.record_serial = Some(record.serial);
        change.precondition.uid = live["metadata"]["uid"].as_str().map(str::to_owned);
        change.precondition.projection = Some(projection_digest(&live, &known.owned));
        change
    }

    async fn live(&self, address: &ResourceAddress) -> Value {
        let object = address.object().unwrap();
        let record = self.log().state().records[address].clone();
        let RecordDetail::Object(known) = record.detail else { panic!("no object") };
        let kind = self.kind(&known.api_version, &object.kind).await;
        let id = Id { namespace: object.namespace.as_deref(), name: &object.name };
        clean(self.world.cluster.get(&kind, id).await.unwrap().unwrap_or(Value::Null), KEY)
    }

    async fn kind(&self, api_version: &str, kind: &str) -> Served {
        let kind = KindRef { api_version: api_version.into(), kind: kind.into() };
        self.world.cluster.kind_by_now(&kind).await.unwrap().unwrap()
    }

    async fn apply_with(&self, changes: Vec<Change>, secrets: &Secrets, options: &Options) -> Report {
        let plan = plan(&self.lineage, changes);
        apply::run(&plan, secrets, &self.world.drivers, &mut self.log(), options, &()).await.unwrap()
    }

    async fn apply(&self, changes: Vec<Change>) -> Report {
        let options = Options { timeout: Duration::from_secs(60), ..Options::default() };
        self.apply_with(changes, &Secrets::default(), &options).await
    }

    async fn namespace(&self) -> String {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.lineage}});
        assert_done(&self.apply(vec![self.create(namespace)]).await);
        self.lineage.clone()
    }

    fn config_map(&self, name: &str, value: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": self.lineage},
               "data": {"k": value}})
    }

    fn deployment(&self, name: &str, replicas: u32) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": self.lineage},
               "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [
                            {"name": "web", "image": "i:1", "resources": {"requests": {"cpu": "1000m", "memory": "64Mi"}}}]}}}})
    }

    fn job(&self, name: &str, image: &str) -> Value {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": self.lineage},
               "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}}})
    }

    fn question(&self, kinds: &[(&str, &str)], capacity: bool, ours: BTreeSet<String>) -> ClusterQuestion {
        ClusterQuestion {
            connection: connection(),
            kinds: kinds.iter().map(|(v, k)| KindRef { api_version: (*v).into(), kind: (*k).into() }).collect(),
            lineage: self.lineage.clone(),
            capacity,
            ours,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_cluster() {
    let place = tempfile::tempdir().unwrap();
    let root = LocalRoot { state: place.path().join("clusters"), ..LocalRoot::from_env().unwrap() };
    // Tasks, so that one that fails does not keep the cluster from being taken away.
    let outcome = LocalSet::new().run_until(async { spawn_local(scenarios(root.clone())).await }).await;
    local::down(&root, CLUSTER, Data::Delete).await.unwrap();
    outcome.unwrap();
}

async fn scenarios(root: LocalRoot) {
    let drivers = Drivers::new(root.state.clone(), root).without_fsync();
    let state = tempfile::tempdir().unwrap();
    let made = make_the_cluster(&drivers, state.path()).await;
    let cluster = drivers.cluster(CLUSTER, &connection()).await.unwrap();
    let uid = cluster.uid().await.unwrap();
    assert_eq!(uid, made);
    let world = Arc::new(World { drivers, cluster, uid });
    let all = [
        ("requests", spawn_local(requests(world.clone()))),
        ("preconditions", spawn_local(preconditions(world.clone()))),
        ("pages", spawn_local(pages(world.clone()))),
        ("no_op", spawn_local(nothing_to_do(world.clone()))),
        ("stale", spawn_local(what_is_stale_is_refused(world.clone()))),
        ("others", spawn_local(what_is_of_others_is_refused(world.clone()))),
        ("deletes", spawn_local(deletes_are_awaited(world.clone()))),
        ("waits", spawn_local(readiness_is_awaited(world.clone()))),
        ("kinds", spawn_local(a_kind_and_its_object(world.clone()))),
        ("questions", spawn_local(questions(world.clone()))),
        ("stops", spawn_local(a_stop_is_clean(world.clone()))),
    ];
    let mut failed = Vec::new();
    for (name, scenario) in all {
        if scenario.await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
    take_the_cluster_away(&world.drivers, state.path()).await;
}

async fn make_the_cluster(drivers: &Drivers, state: &Path) -> String {
    let mut log = open(state, "fleet");
    let cluster = change(at("cluster/kd"), Action::Create, Some(node_pool(2)));
    let options = Options::default();
    let plan = plan("fleet", vec![cluster]);
    let mut question = Questions::default();
    question.clusters.insert(
        CLUSTER.into(),
        ClusterQuestion {
            connection: connection(),
            kinds: BTreeSet::new(),
            lineage: "fleet".into(),
            capacity: false,
            ours: BTreeSet::new(),
        },
    );
    let mut observed = Observed::default();
    observe::answer(drivers, &question, KEY, &mut observed).await;
    assert_eq!(observed.clusters[CLUSTER], ClusterObserved::Absent);
    assert_done(&apply::run(&plan, &Secrets::default(), drivers, &mut log, &options, &()).await.unwrap());
    observe::answer(drivers, &question, KEY, &mut observed).await;
    let ClusterObserved::Reached { uid, pools, version, .. } = &observed.clusters[CLUSTER] else {
        panic!("{observed:?}")
    };
    assert_eq!(pools["n"], 2);
    assert!(version.starts_with('v'), "{version}");
    let RecordDetail::Cluster(record) = &log.state().records[&at("cluster/kd")].detail else { panic!("no cluster") };
    assert_eq!((&record.uid, record.pools[0].count), (uid, 2));
    assert!(log.state().uncertain.is_empty() && log.state().open.is_empty());

    // One more node.
    let mut update = change(at("cluster/kd"), Action::Update, Some(node_pool(3)));
    update.precondition.record_serial = Some(log.state().records[&at("cluster/kd")].serial);
    update.precondition.cluster_uid = Some(uid.clone());
    let more = self::plan("fleet", vec![update]);
    assert_done(&apply::run(&more, &Secrets::default(), drivers, &mut log, &options, &()).await.unwrap());
    uid.clone()
}

async fn take_the_cluster_away(drivers: &Drivers, state: &Path) {
    let mut log = open(state, "fleet");
    let mut delete = change(at("cluster/kd"), Action::Delete, None);
    delete.precondition.record_serial = Some(log.state().records[&at("cluster/kd")].serial);
    let plan = plan("fleet", vec![delete]);
    // Stopped, it is neither absent nor asked.
    local::down(drivers.local_root(), CLUSTER, Data::Keep).await.unwrap();
    let mut questions = Questions::default();
    let question = ClusterQuestion {
        connection: connection(),
        kinds: BTreeSet::new(),
        lineage: "fleet".into(),
        capacity: false,
        ours: BTreeSet::new(),
    };
    questions.clusters.insert(CLUSTER.into(), question.clone());
    // One that nobody answers for must not hold up the other.
    let kubeconfig = state.join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\n\
                users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: a, user: u}}]\ncurrent-context: c\n";
    std::fs::write(&kubeconfig, text).unwrap();
    let elsewhere = Connection {
        driver: ClusterDriver::Existing,
        kubeconfig: Some(kubeconfig.display().to_string()),
        context: None,
    };
    questions.clusters.insert("elsewhere".into(), ClusterQuestion { connection: elsewhere, ..question });
    let mut observed = Observed::default();
    observe::answer(drivers, &questions, KEY, &mut observed).await;
    for (cluster, code) in [(CLUSTER, "SKY0707"), ("elsewhere", "SKY0701")] {
        let ClusterObserved::Unreachable { why } = &observed.clusters[cluster] else { panic!("{observed:?}") };
        assert_eq!(why.code, code, "{why:?}");
        assert!(!why.hints.is_empty());
    }
    assert_done(&apply::run(&plan, &Secrets::default(), drivers, &mut log, &Options::default(), &()).await.unwrap());
    assert!(log.state().records.is_empty());
    assert!(drivers.local_info(CLUSTER).unwrap().is_none());
}

/// What the server says, in our words.
async fn requests(world: Arc<World>) {
    let project = Project::new(&world, "requests");
    let namespace = project.namespace().await;
    let cluster = &world.cluster;
    let deployments = project.kind("apps/v1", "Deployment").await;
    let web = project.mark(project.deployment("web", 0)).1;
    let tried = cluster.apply(&deployments, &web, "one", Mode::DryRun).await.unwrap();
    assert_eq!(tried["spec"]["strategy"]["type"], "RollingUpdate");
    let id = Id { namespace: Some(&namespace), name: "web" };
    assert_eq!(cluster.get(&deployments, id).await.unwrap(), None);
    let made = cluster.apply(&deployments, &web, "one", Mode::Real).await.unwrap();
    assert!(owned_fields(&made, "one").is_some());

    // Another manager: refused, with the field and its owner. Quantities are compared as text, so
    // `1000m` conflicts with the server's `1`.
    let mut other = web.clone();
    other["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("1");
    other["spec"]["replicas"] = json!(5);
    other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("i:2");
    for mode in [Mode::DryRun, Mode::Real] {
        let Err(Fault::Conflict(mut causes)) = cluster.apply(&deployments, &other, "two", mode).await else {
            panic!("no conflict")
        };
        causes.sort();
        let fields: Vec<&str> = causes.iter().map(|(f, _)| f.as_str()).collect();
        assert_eq!(fields, ["spec.replicas", "spec.template.spec.containers[name=\"web\"].image"]);
        assert!(causes.iter().all(|(_, manager)| manager == "one"), "{causes:?}");
    }

    // A field that is not there.
    let mut wrong = web.clone();
    wrong["spec"]["replicaz"] = json!(1);
    let refused = cluster.apply(&deployments, &wrong, "one", Mode::DryRun).await;
    assert!(matches!(&refused, Err(Fault::Refused(_, words)) if words.contains("replicaz")), "{refused:?}");
    // Not valid.
    let mut wrong = web.clone();
    wrong["spec"]["replicas"] = json!(-1);
    let refused = cluster.apply(&deployments, &wrong, "one", Mode::DryRun).await;
    assert!(matches!(&refused, Err(Fault::Refused(422, _))), "{refused:?}");
    // No such namespace.
    let mut wrong = web.clone();
    wrong["metadata"]["namespace"] = json!("nowhere");
    assert_eq!(cluster.apply(&deployments, &wrong, "one", Mode::DryRun).await, Err(Fault::NotFound));

    // Fields that cannot be changed in place.
    let mut selector = web.clone();
    selector["spec"]["selector"]["matchLabels"] = json!({"app": "x"});
    selector["spec"]["template"]["metadata"]["labels"] = json!({"app": "x"});
    let jobs = project.kind("batch/v1", "Job").await;
    let services = project.kind("v1", "Service").await;
    let sets = project.kind("apps/v1", "StatefulSet").await;
    let service = |address: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": namespace},
               "spec": {"clusterIP": address, "ports": [{"port": 80}]}})
    };
    let set = |storage: &str| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": namespace},
               "spec": {"replicas": 0, "serviceName": storage, "selector": {"matchLabels": {"a": "b"}},
                        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    };
    let mut config = project.config_map("fixed", "a");
    config["immutable"] = json!(true);
    let mut config_after = config.clone();
    config_after["data"]["k"] = json!("b");
    let role = |name: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
               "metadata": {"name": "r", "namespace": namespace},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}})
    };
    for (kind, before, after) in [
        (&deployments, web.clone(), selector),
        (&jobs, project.job("j", "i:1"), project.job("j", "i:2")),
        (&services, service("10.96.77.1"), service("10.96.77.2")),
        (&sets, set("a"), set("b")),
        (&project.kind("v1", "ConfigMap").await, config, config_after),
        (&project.kind("rbac.authorization.k8s.io/v1", "RoleBinding").await, role("a"), role("b")),
    ] {
        cluster.apply(kind, &before, "one", Mode::Real).await.unwrap();
        let refused = cluster.apply(kind, &after, "one", Mode::DryRun).await;
        assert!(matches!(&refused, Err(Fault::Immutable(_))), "{}: {refused:?}", kind.resource.kind);
    }
}

/// What must hold at the target.
async fn preconditions(world: Arc<World>) {
    let project = Project::new(&world, "preconditions");
    let namespace = project.namespace().await;
    let cluster = &world.cluster;
    let maps = project.kind("v1", "ConfigMap").await;
    let with = |value: &str, field: &str, text: &Value| {
        let mut object = project.mark(project.config_map("m", value)).1;
        object["metadata"][field] = text.clone();
        object
    };
    // Nothing is there, and a uid keeps it from being made.
    let other = json!("9c9e2c1e-0000-4000-8000-000000000000");
    let refused = cluster.apply(&maps, &with("a", "uid", &other), "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    // A resourceVersion alone does not keep it from being made, which is why a uid goes with it.
    let mut both = with("a", "uid", &other);
    both["metadata"]["resourceVersion"] = json!("7");
    let refused = cluster.apply(&maps, &both, "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    assert!(cluster.apply(&maps, &with("a", "resourceVersion", &json!("7")), "one", Mode::DryRun).await.is_ok());
    let first = cluster.apply(&maps, &project.mark(project.config_map("m", "a")).1, "one", Mode::Real).await.unwrap();
    let (uid, version) = (first["metadata"]["uid"].clone(), first["metadata"]["resourceVersion"].clone());
    let second = cluster.apply(&maps, &with("b", "uid", &uid), "one", Mode::Real).await.unwrap();
    assert_eq!(second["data"]["k"], "b");
    // Neither uid nor resourceVersion become fields that we own.
    let owned = owned_fields(&second, "one").unwrap().to_string();
    assert!(!owned.contains("uid") && !owned.contains("resourceVersion"), "{owned}");
    let refused = cluster.apply(&maps, &with("c", "resourceVersion", &version), "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    let refused = cluster.apply(&maps, &with("c", "uid", &other), "one", Mode::Real).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    let id = Id { namespace: Some(&namespace), name: "m" };
    let refused = cluster.delete(&maps, id, other.as_str(), false).await;
    assert!(matches!(&refused, Err(Fault::Stale(_))), "{refused:?}");
    assert_eq!(cluster.delete(&maps, id, uid.as_str(), false).await, Ok(Deleted::Gone));
    assert_eq!(cluster.delete(&maps, id, uid.as_str(), false).await, Ok(Deleted::Gone));
}

/// More objects than a page holds, applied and listed.
async fn pages(world: Arc<World>) {
    const MANY: usize = 1100;
    let project = Project::new(&world, "pages");
    project.namespace().await;
    let maps = project.kind("v1", "ConfigMap").await;
    stream::iter(0..MANY)
        .for_each_concurrent(16, |n| {
            let (project, maps) = (&project, &maps);
            async move {
                let object = project.mark(project.config_map(&format!("m{n}"), "v")).1;
                project.world.cluster.apply(maps, &object, "one", Mode::Real).await.unwrap();
            }
        })
        .await;
    let labels = format!("skyplan.io/lineage={}", project.lineage);
    let listed = world.cluster.list(&maps, &labels).await.unwrap();
    let names: BTreeSet<&str> = listed.iter().filter_map(|o| o["metadata"]["name"].as_str()).collect();
    assert_eq!((listed.len(), names.len()), (MANY, MANY));
    assert!(listed.iter().all(|o| o["kind"] == "ConfigMap" && o["apiVersion"] == "v1"));
    assert_eq!(world.cluster.list_metadata(&maps, &labels).await.unwrap().len(), MANY);
}

/// What the apply recorded is what a later list shows: kinds with defaults, normalised quantities,
/// controllers that write into them.
async fn nothing_to_do(world: Arc<World>) {
    let project = Project::new(&world, "noop");
    let namespace = project.namespace().await;
    let meta = |name: &str| json!({"name": name, "namespace": namespace});
    let mut web = project.deployment("web", 2);
    web["spec"]["template"]["spec"]["initContainers"] =
        json!([{"name": "init", "image": "i", "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}]);
    web["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]);
    let objects = vec![
        web,
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"),
               "spec": {"selector": {"app": "web"}, "ports": [{"name": "dns", "port": 53, "targetPort": "dns", "protocol": "UDP"}, {"name": "tcp", "port": 53}]}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("db"), "data": {"user": "Zm9v"}, "stringData": {"password": "hunter2"}}),
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta("db"),
               "spec": {"replicas": 0, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
                        "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "i"}]}},
                        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}]}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta("web"),
               "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "elsewhere"}, "maxReplicas": 5,
                        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}}),
        project.job("once", "i:1"),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta("web"),
               "spec": {"rules": [{"host": "x.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta("web"), "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta("web"),
               "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("web")}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta("data"), "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta("web"), "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "noops.test.skyplan.io"},
               "spec": {"group": "test.skyplan.io", "scope": "Namespaced", "names": {"plural": "noops", "kind": "Noop", "singular": "noop"},
                        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}),
    ];
    let mut secrets = Secrets::default();
    let changes: Vec<Change> = objects
        .into_iter()
        .map(|object| {
            let (address, mut object) = project.mark(object);
            secrets.seal(&address, &mut object, KEY);
            project.create(object)
        })
        .collect();
    let kinds: BTreeSet<KindRef> = changes
        .iter()
        .map(|c| KindRef { api_version: c.api_version.clone(), kind: c.address.object().unwrap().kind.clone() })
        .collect();
    let options = Options { timeout: Duration::from_secs(60), ..Options::default() };
    assert_done(&project.apply_with(changes.clone(), &secrets, &options).await);
    let log = project.log();
    let text = serde_json::to_string(&log.entries().unwrap().into_iter().map(|(_, e)| e).collect::<Vec<_>>()).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "a secret value is in the log");
    let mut questions = Questions::default();
    questions
        .clusters
        .insert(CLUSTER.into(), ClusterQuestion { kinds, ..project.question(&[], false, BTreeSet::new()) });
    // Twice: at once, and when controllers have had their say.
    for pause in [0, 1500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let mut observed = Observed::default();
        observe::answer(&world.drivers, &questions, KEY, &mut observed).await;
        let text = serde_json::to_string(&observed).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "a secret value was observed");
        let ClusterObserved::Reached { objects, .. } = &observed.clusters[CLUSTER] else { panic!("{observed:?}") };
        for change in &changes {
            let RecordDetail::Object(known) = &log.state().records[&change.address].detail else { panic!("no object") };
            let live = objects.get(&change.address).unwrap_or_else(|| panic!("{} was not listed", change.address));
            assert_eq!(projection_digest(live, &known.owned), known.projection, "{}", change.address);
            assert_eq!(live["metadata"]["uid"], json!(known.uid));
            assert_eq!(owned_fields(live, &format!("skyplan-{}", project.lineage)), Some(&known.owned));
        }
    }
}

/// What was planned on is no longer so.
async fn what_is_stale_is_refused(world: Arc<World>) {
    let project = Project::new(&world, "stale");
    let namespace = project.namespace().await;
    let names = ["kept", "edited", "remade", "gone"];
    let made = names.iter().map(|n| project.create(project.config_map(n, "a"))).collect();
    assert_done(&project.apply(made).await);
    let mut updates = Vec::new();
    for name in names {
        updates.push(project.changed(Action::Update, project.config_map(name, "b")).await);
    }
    // Between plan and apply: one edited, one deleted and made again, one deleted; one gets a foreign label.
    let maps: Api<DynamicObject> = Api::namespaced_with(
        world.cluster.client().clone(),
        &namespace,
        &project.kind("v1", "ConfigMap").await.resource,
    );
    let patch = |patch: Value| Patch::Merge(patch);
    let params = PatchParams { field_manager: Some("somebody".into()), ..PatchParams::default() };
    maps.patch("edited", &params, &patch(json!({"data": {"k": "x"}}))).await.unwrap();
    maps.patch("kept", &params, &patch(json!({"metadata": {"labels": {"foreign": "x"}}}))).await.unwrap();
    for name in ["remade", "gone"] {
        maps.delete(name, &Default::default()).await.unwrap();
    }
    let served = project.kind("v1", "ConfigMap").await;
    let (_, remade) = project.mark(project.config_map("remade", "a"));
    let manager = format!("skyplan-{}", project.lineage);
    world.cluster.apply(&served, &remade, &manager, Mode::Real).await.unwrap();

    let addresses: Vec<ResourceAddress> = updates.iter().map(|u| u.address.clone()).collect();
    let report = project.apply(updates).await;
    for (address, want) in addresses.iter().zip(["", "SKY0501", "SKY0501", "SKY0501"]) {
        let got = code(&report, address);
        assert!(got == want || want.is_empty() && got.starts_with("Done"), "{address}: {got}");
    }
    // Nothing was done, and the state knows.
    let state = project.log().state().clone();
    assert!(state.uncertain.is_empty() && state.open.is_empty());
    assert_eq!(project.live(&addresses[1]).await["data"]["k"], "x");
    assert_eq!(project.live(&addresses[3]).await, Value::Null);
    assert_eq!(project.live(&addresses[0]).await["data"]["k"], "b");

    // A record that another run has written since.
    let stale = Change {
        precondition: Precondition { record_serial: Some(1), ..Precondition::default() },
        ..project.create(project.config_map("kept", "c"))
    };
    let plan = plan(&project.lineage, vec![stale]);
    let refused =
        apply::run(&plan, &Secrets::default(), &world.drivers, &mut project.log(), &Options::default(), &()).await;
    assert_eq!(refused.unwrap_err().code, "SKY0501");
    assert_eq!(project.log().state().serial, state.serial, "nothing was begun");
}

/// Other projects' objects, other people's objects and fields, other clusters.
async fn what_is_of_others_is_refused(world: Arc<World>) {
    let project = Project::new(&world, "others");
    let namespace = project.namespace().await;
    let maps = project.kind("v1", "ConfigMap").await;
    let cluster = &world.cluster;
    let mut foreign = project.config_map("foreign", "theirs");
    foreign["metadata"]["labels"]["skyplan.io/lineage"] = json!("somebody-else");
    cluster.apply(&maps, &foreign, "skyplan-somebody-else", Mode::Real).await.unwrap();
    cluster.apply(&maps, &project.config_map("unmarked", "theirs"), "kubectl", Mode::Real).await.unwrap();
    let shared = project.create(project.config_map("shared", "a"));
    let on_shared = shared.address.clone();
    assert_done(&project.apply(vec![shared]).await);
    let mut taken = project.config_map("shared", "a");
    taken["data"] = json!({"other": "theirs"});
    cluster.apply(&maps, &taken, "kubectl", Mode::Real).await.unwrap();
    let mut wants = project.config_map("shared", "a");
    wants["data"]["other"] = json!("mine");

    let first = project.create(project.config_map("foreign", "mine"));
    let second = project.create(project.config_map("unmarked", "mine"));
    let third = project.changed(Action::Update, wants).await;
    let mut fourth = project.create(project.config_map("later", "mine"));
    fourth.depends_on = vec![first.address.clone()];
    let (a, b, d) = (first.address.clone(), second.address.clone(), fourth.address.clone());
    let report = project.apply(vec![first, second, third, fourth]).await;
    assert_eq!([code(&report, &a), code(&report, &b), code(&report, &on_shared)], ["SKY0502", "SKY0502", "SKY0712"]);
    let said: String = report.faults().map(|d| format!("{} {}\n", d.summary, d.detail)).collect();
    assert!(said.contains("somebody-else") && said.contains("data.other belongs to kubectl"), "{said}");
    assert!(matches!(&report.outcomes[&d], Outcome::Skipped(why) if why.contains("foreign")));
    let live = cluster.get(&maps, Id { namespace: Some(&namespace), name: "foreign" }).await.unwrap().unwrap();
    assert_eq!(live["data"]["k"], "theirs");

    // Another cluster under the same name.
    let mut elsewhere = project.create(project.config_map("elsewhere", "mine"));
    elsewhere.precondition.cluster_uid = Some("another".into());
    let address = elsewhere.address.clone();
    let report = project.apply(vec![elsewhere]).await;
    assert_eq!(code(&report, &address), "SKY0709");
    let there = cluster.get(&maps, Id { namespace: Some(&namespace), name: "elsewhere" }).await.unwrap();
    assert_eq!(there, None);
    assert!(project.log().state().uncertain.is_empty());
}

/// A deletion is done when the object is gone.
async fn deletes_are_awaited(world: Arc<World>) {
    let project = Project::new(&world, "deletes");
    let namespace = project.namespace().await;
    let mut held = project.config_map("held", "a");
    held["metadata"]["finalizers"] = json!(["test.skyplan.io/hold"]);
    let objects = [held.clone(), project.config_map("free", "a"), project.deployment("web", 2)];
    assert_done(&project.apply(objects.iter().map(|o| project.create(o.clone())).collect()).await);
    let mut deletes = Vec::new();
    for object in objects {
        let change = project.changed(Action::Delete, object).await;
        deletes.push(Change { after: None, ..change });
    }
    let addresses: Vec<ResourceAddress> = deletes.iter().map(|c| c.address.clone()).collect();
    let options = Options { timeout: Duration::from_secs(20), ..Options::default() };
    // Somebody lets go of it a little later.
    let maps: Api<DynamicObject> = Api::namespaced_with(
        world.cluster.client().clone(),
        &namespace,
        &project.kind("v1", "ConfigMap").await.resource,
    );
    let let_go = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        maps.patch("held", &PatchParams::default(), &patch).await.unwrap();
    };
    let short = Options { timeout: Duration::from_secs(1), ..options.clone() };
    let secrets = Secrets::default();
    let report = project.apply_with(vec![deletes[0].clone()], &secrets, &short).await;
    assert_eq!(code(&report, &addresses[0]), "SKY0715");
    let said = report.faults().next().unwrap();
    assert!(said.detail.contains("test.skyplan.io/hold"), "{said:?}");
    assert!(project.log().state().records.contains_key(&addresses[0]), "it is there until it is gone");
    let (report, ()) = tokio::join!(project.apply_with(deletes, &secrets, &options), let_go);
    assert_done(&report);
    let state = project.log().state().clone();
    assert!(addresses.iter().all(|a| !state.records.contains_key(a)));
    let pods = project.kind("v1", "Pod").await;
    let left = world.cluster.list_in(&pods, &namespace, &Default::default()).await.unwrap();
    assert!(left.is_empty(), "the Deployment was gone before its pods: {}", left.len());
}

/// A change is done when its object is ready; what depends on it comes after.
async fn readiness_is_awaited(world: Arc<World>) {
    let project = Project::new(&world, "waits");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": project.lineage}});
    let namespace = project.create(namespace);
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": project.lineage},
        "spec": {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
                 "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "i"}]}}}});
    let daemons = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "ds", "namespace": project.lineage},
        "spec": {"selector": {"matchLabels": {"app": "ds"}},
                 "template": {"metadata": {"labels": {"app": "ds"}}, "spec": {"containers": [{"name": "ds", "image": "i"}]}}}});
    let mut chain = vec![namespace];
    for object in [project.job("migrate", "i:1"), set, daemons, project.deployment("web", 3)] {
        let mut change = project.create(object);
        // Each waits for the one before.
        change.depends_on = chain.last().map(|c| c.address.clone()).into_iter().collect();
        change.requires = change.depends_on.clone();
        change.unverified = true;
        chain.push(change);
    }
    let told = Told::default();
    let plan = plan(&project.lineage, chain.clone());
    let options = Options { timeout: Duration::from_secs(60), ..Options::default() };
    let mut log = project.log();
    assert_done(&apply::run(&plan, &Secrets::default(), &world.drivers, &mut log, &options, &told).await.unwrap());
    let told = told.0.into_inner().unwrap();
    let order: Vec<&str> = told.iter().filter(|t| t.starts_with(['+', '='])).map(String::as_str).collect();
    let want: Vec<String> = chain
        .iter()
        .flat_map(|c| [format!("+ {}", c.address.short()), format!("= {}: done", c.address.short())])
        .collect();
    assert_eq!(order, want);
    assert!(told.iter().any(|t| t.starts_with("… Deployment")), "{told:#?}");
    assert_eq!(log.state().records[&chain[4].address].depends_on, chain[4].requires);
    let targets = [(
        CLUSTER.to_owned(),
        observe::HealthTarget {
            connection: connection(),
            kinds: project.question(&[("apps/v1", "Deployment"), ("batch/v1", "Job")], false, BTreeSet::new()).kinds,
            lineage: project.lineage.clone(),
        },
    )];
    let health = observe::health(&world.drivers, &targets.into()).await.remove(CLUSTER).unwrap().unwrap();
    assert_eq!(health[&chain[4].address].replicas.as_deref(), Some("3/3"));
    assert_eq!(health.len(), 2);

    // Nowhere to go: the scheduler's words are in the fault, and what depends on it is left out.
    let mut lost = project.deployment("lost", 1);
    lost["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "where"});
    let mut late = project.create(project.config_map("late", "a"));
    let lost = project.create(lost);
    late.depends_on = vec![lost.address.clone()];
    let (address, left_out) = (lost.address.clone(), late.address.clone());
    let short = Options { timeout: Duration::from_secs(3), ..Options::default() };
    let report = project.apply_with(vec![lost, late], &Secrets::default(), &short).await;
    assert_eq!(code(&report, &address), "SKY0714");
    let said = report.faults().next().unwrap();
    assert!(
        said.detail.contains("0 of 1 replicas are ready") && said.detail.contains("nodes are available"),
        "{said:?}"
    );
    assert!(matches!(report.outcomes[&left_out], Outcome::Skipped(_)));
    let state = project.log().state().clone();
    assert!(state.records.contains_key(&address), "it is applied, so it is recorded");
    assert!(state.uncertain.is_empty(), "{:?}", state.uncertain);

    // An update is awaited too, and a replacement is a new object.
    let update = project.changed(Action::Update, project.deployment("web", 4)).await;
    let replace = project.changed(Action::Replace, project.job("migrate", "i:2")).await;
    let old = replace.precondition.uid.clone();
    let job = replace.address.clone();
    assert_done(&project.apply(vec![update, replace]).await);
    let health = {
        let kinds = project.question(&[("apps/v1", "Deployment")], false, BTreeSet::new()).kinds;
        let target = observe::HealthTarget { connection: connection(), kinds, lineage: project.lineage.clone() };
        observe::health(&world.drivers, &[(CLUSTER.to_owned(), target)].into()).await.remove(CLUSTER).unwrap().unwrap()
    };
    assert_eq!(health[&chain[4].address].replicas.as_deref(), Some("4/4"));
    assert_ne!(project.live(&job).await["metadata"]["uid"].as_str().map(str::to_owned), old);
}

/// A definition and an object of it in one plan.
async fn a_kind_and_its_object(world: Arc<World>) {
    let project = Project::new(&world, "kinds");
    project.namespace().await;
    let definition = project.create(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.kinds.skyplan.io"},
        "spec": {"group": "kinds.skyplan.io", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing", "singular": "thing"},
                 "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer", "default": 3}, "name": {"type": "string"}}}}}}}]}}));
    let thing = json!({"apiVersion": "kinds.skyplan.io/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": project.lineage}, "spec": {"name": "x"}});
    let mut thing = project.create(thing);
    thing.depends_on = vec![definition.address.clone()];
    thing.unverified = true;
    let address = thing.address.clone();
    let before = project.question(&[("kinds.skyplan.io/v1", "Thing"), ("v1", "ConfigMap")], false, BTreeSet::new());
    let mut questions = Questions::default();
    questions.clusters.insert(CLUSTER.into(), before);
    let mut observed = Observed::default();
    observe::answer(&world.drivers, &questions, KEY, &mut observed).await;
    let ClusterObserved::Reached { served, .. } = &observed.clusters[CLUSTER] else { panic!("{observed:?}") };
    assert_eq!(served, &[("v1/ConfigMap".to_owned(), true)].into());
    let crd = definition.address.clone();
    assert_done(&project.apply(vec![definition, thing]).await);
    assert_eq!(project.live(&address).await["spec"]["size"], 3);
    // Both go at once: the object goes with its kind, whoever is first.
    let gone = |address: &ResourceAddress, state: &State| {
        let mut delete = change(address.clone(), Action::Delete, None);
        let record = &state.records[address];
        let RecordDetail::Object(object) = &record.detail else { panic!("no object") };
        delete.api_version.clone_from(&object.api_version);
        delete.precondition.record_serial = Some(record.serial);
        delete.precondition.uid = Some(object.uid.clone());
        delete
    };
    let state = project.log().state().clone();
    assert_done(&project.apply(vec![gone(&address, &state), gone(&crd, &state)]).await);
}

/// Lookups, dry-runs and capacity.
async fn questions(world: Arc<World>) {
    let project = Project::new(&world, "questions");
    let namespace = project.namespace().await;
    let maps = project.kind("v1", "ConfigMap").await;
    world.cluster.apply(&maps, &project.config_map("theirs", "a"), "kubectl", Mode::Real).await.unwrap();
    let (web, object) = project.mark(project.deployment("web", 2));
    assert_done(&project.apply(vec![project.create(project.deployment("web", 2))]).await);
    let uid = project.live(&web).await["metadata"]["uid"].as_str().unwrap().to_owned();
    let kind = |v: &str, k: &str| KindRef { api_version: v.into(), kind: k.into() };
    let manager = format!("skyplan-{}", project.lineage);
    let mut questions = Questions::default();
    let lookup = |name: &str| at(&format!("object/{CLUSTER}/core/ConfigMap/{namespace}/{name}"));
    questions.lookups.insert(lookup("theirs"), kind("v1", "ConfigMap"));
    questions.lookups.insert(lookup("none"), kind("v1", "ConfigMap"));
    let mut refused = object.clone();
    refused["spec"]["replicas"] = json!(-1);
    let mut secret = project
        .mark(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "stringData": {"k": "hunter2"}}))
        .1;
    let dry = |name: &str, object: Value| {
        (
            at(&format!("object/{CLUSTER}/apps/Deployment/{namespace}/{name}")),
            DryRunQuestion { object, manager: manager.clone() },
        )
    };
    questions.dry_runs.extend([dry("web", object), dry("refused", refused)]);
    secret["data"] = json!({"l": "Zm9v"});
    questions.dry_runs.extend([dry("secret", secret)]);
    questions.clusters.insert(CLUSTER.into(), project.question(&[("apps/v1", "Deployment")], true, [uid].into()));
    let mut observed = Observed::default();
    observe::answer(&world.drivers, &questions, KEY, &mut observed).await;
    assert_eq!(observed.lookups[&lookup("none")], None);
    let stranger = observed.lookups[&lookup("theirs")].clone().unwrap();
    assert_eq!((stranger.managers, stranger.lineage), (vec!["kubectl".to_owned()], None));
    let answer = |name: &str| observed.dry_runs[&dry(name, Value::Null).0].clone();
    assert!(matches!(answer("web"), DryRun::Applied { object } if object.get("status").is_none()));
    assert!(matches!(answer("refused"), DryRun::Refused { code: 422, .. }), "{:?}", answer("refused"));
    let DryRun::Applied { object } = answer("secret") else { panic!("{:?}", answer("secret")) };
    let keys: Vec<&String> = object["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["k", "l"]);
    assert!(!object.to_string().contains("aHVudGVyMg"), "{object}");
    let ClusterObserved::Reached { free, objects, namespaces, pools, .. } = &observed.clusters[CLUSTER] else {
        panic!("{observed:?}")
    };
    assert_eq!((free.len(), pools["n"], objects.len()), (3, 3, 1));
    assert!(free.iter().all(|n| n.memory <= 16 << 30 && n.milli_cpu <= 8000 && n.pods <= 110), "{free:?}");
    assert_eq!(namespaces.get(&namespace), Some(&false));
}

/// Cancelled before it begins, and aborted in the middle.
async fn a_stop_is_clean(world: Arc<World>) {
    let project = Project::new(&world, "stops");
    project.namespace().await;
    let options = Options::default();
    options.cancel.cancel();
    let change = project.create(project.config_map("a", "a"));
    let address = change.address.clone();
    let report = project.apply_with(vec![change.clone()], &Secrets::default(), &options).await;
    assert_eq!(report.outcomes[&address], Outcome::NotStarted);
    let state = project.log().state().clone();
    assert!(state.uncertain.is_empty() && state.open.is_empty());

    // Aborted while a Deployment is awaited: it is recorded, what comes after is not begun.
    let mut lost = project.deployment("lost", 1);
    lost["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "where"});
    let lost = project.create(lost);
    let (mut after, waits) = (change, lost.address.clone());
    after.depends_on = vec![waits.clone()];
    let options = Options::default();
    let abort = options.abort.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        abort.cancel();
    };
    let secrets = Secrets::default();
    let (report, ()) = tokio::join!(project.apply_with(vec![lost, after], &secrets, &options), stop);
    assert_eq!(code(&report, &waits), "SKY0716", "{:#?}", project.live(&waits).await);
    assert_eq!(report.outcomes[&address], Outcome::NotStarted);
    let state = project.log().state().clone();
    assert!(state.records.contains_key(&waits) && state.uncertain.is_empty(), "{state:?}");
    assert!(report.seconds < 10.0);
}
