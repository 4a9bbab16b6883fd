//! Objects, plans and waits on a real API server with real controllers and simulated nodes.
//!
//! One cluster serves all scenarios; each has namespaces and a lineage of its own. The cluster is
//! made by an apply, and taken away by one.
#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests are tests")]

mod cluster;
mod deletes;
mod kinds;
mod preconditions;
mod proof;
mod questions;
mod requests;
mod waits;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::{LocalSet, spawn_local};

use skyplan::{
    address::ResourceAddress,
    apply::{self, Options, Outcome, Report},
    driver::{
        Drivers,
        kubernetes::{Cluster, Id, Served, address, clean},
        local::{self, Data, LocalRoot},
    },
    observed::{ClusterQuestion, Connection, KindRef},
    plan::{
        change::{Action, ActionReason, Base, Change, FORMAT_VERSION, Plan, Precondition, Target},
        projection::{digest, projection_digest},
        secret::{Secrets, redact},
    },
    spec::ClusterDriver,
    state::{
        RecordDetail,
        store::{Location, Log},
    },
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
    Log::open(&Location::folder(folder), lineage, || KEY.into()).unwrap()
}

/// A plan made of what the log says now.
fn plan(log: &Log, changes: Vec<Change>) -> Plan {
    Plan {
        format_version: FORMAT_VERSION.into(),
        skyplan_version: "test".into(),
        project: "test".into(),
        environment: None,
        outputs: std::collections::BTreeMap::new(),
        base: Base { lineage: log.state().lineage.clone(), serial: log.state().serial },
        clusters: [(CLUSTER.to_owned(), connection())].into(),
        changes,
        complete: true,
        applyable: true,
        ..Plan::default()
    }
}

fn change(address: ResourceAddress, action: Action, after: Option<Target>) -> Change {
    Change { after, ..Change::new(address, action, ActionReason::New) }
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
        let after = Target::Object {
            digest: digest(&object),
            object: object.into(),
            components: Vec::new(),
            protection: skyplan::compile::model::Protection::default(),
        };
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
        change.precondition.projection = Some(projection_digest(&live, &known.owned.unpack()));
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

    async fn attempt(
        &self,
        changes: Vec<Change>,
        secrets: &Secrets,
        options: &Options,
    ) -> Result<Report, Box<skyplan::diagnostic::Diagnostic>> {
        let mut log = self.log();
        let plan = plan(&log, changes);
        apply::run(&plan, secrets, &self.world.drivers, &mut log, options, &()).await
    }

    async fn apply_with(&self, changes: Vec<Change>, secrets: &Secrets, options: &Options) -> Report {
        self.attempt(changes, secrets, options).await.unwrap()
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
            namespaces: BTreeSet::from([self.lineage.clone()]),
            capacity,
            versions: BTreeMap::new(),
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
    let made = cluster::make_the_cluster(&drivers, state.path()).await;
    let cluster = drivers.cluster(CLUSTER, &connection()).await.unwrap();
    let uid = cluster.uid().await.unwrap();
    assert_eq!(uid, made);
    let world = Arc::new(World { drivers, cluster, uid });
    let all = [
        ("requests", spawn_local(requests::requests(world.clone()))),
        ("preconditions", spawn_local(preconditions::preconditions(world.clone()))),
        ("pages", spawn_local(requests::pages(world.clone()))),
        ("no_op", spawn_local(proof::nothing_to_do(world.clone()))),
        ("stale", spawn_local(preconditions::what_is_stale_is_refused(world.clone()))),
        ("others", spawn_local(preconditions::what_is_of_others_is_refused(world.clone()))),
        ("deletes", spawn_local(deletes::deletes_are_awaited(world.clone()))),
        ("waits", spawn_local(waits::readiness_is_awaited(world.clone()))),
        ("every_kind", spawn_local(waits::every_kind_becomes_ready(world.clone()))),
        ("kinds", spawn_local(kinds::a_kind_and_its_object(world.clone()))),
        ("questions", spawn_local(questions::questions(world.clone()))),
        ("stops", spawn_local(waits::a_stop_is_clean(world.clone()))),
    ];
    let mut failed = Vec::new();
    for (name, scenario) in all {
        if scenario.await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
    cluster::take_the_cluster_away(&world.drivers, state.path()).await;
}
