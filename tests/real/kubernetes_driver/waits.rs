//! Waits for objects to be ready: in order, in vain, and stopped.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;

use skyplan::{
    address::ResourceAddress,
    apply::{self, Options, Outcome, Progress},
    observe,
    plan::{change::Action, secret::Secrets},
};

use super::{CLUSTER, Project, World, assert_done, code, connection, plan};

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

/// A change is done when its object is ready; what depends on it comes after.
pub(super) async fn readiness_is_awaited(world: Arc<World>) {
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
    let options = Options { timeout: Duration::from_secs(60), ..Options::default() };
    let mut log = project.log();
    let plan = plan(&log, chain.clone());
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

/// Kinds with a state of their own, on a server whose controllers give it to them; and two that wait
/// for what will not come.
pub(super) async fn every_kind_becomes_ready(world: Arc<World>) {
    let project = Project::new(&world, "every-kind");
    let namespace = project.namespace().await;
    let object = |api_version: &str, kind: &str, name: &str, spec: serde_json::Value| {
        let metadata = json!({"name": name, "namespace": namespace});
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
    };
    let pod = json!({"containers": [{"name": "c", "image": "i"}]});
    let once = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]});
    let template = |app: &str| json!({"metadata": {"labels": {"app": app}}, "spec": pod});
    let labels = |app: &str| json!({"matchLabels": {"app": app}});
    let mut volume = object(
        "v1",
        "PersistentVolume",
        "every-kind",
        json!({"capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/none"}, "storageClassName": "every-kind"}),
    );
    volume["metadata"].as_object_mut().unwrap().remove("namespace");
    let on_delete = json!({"type": "OnDelete"});
    let objects = [
        object(
            "apps/v1",
            "ReplicaSet",
            "rs",
            json!({"replicas": 2, "selector": labels("rs"), "template": template("rs")}),
        ),
        object(
            "v1",
            "ReplicationController",
            "rc",
            json!({"replicas": 2, "selector": {"app": "rc"}, "template": template("rc")}),
        ),
        object(
            "apps/v1",
            "StatefulSet",
            "held",
            json!({"replicas": 1, "serviceName": "held", "selector": labels("held"),
            "template": template("held"), "updateStrategy": on_delete}),
        ),
        object("v1", "Pod", "pod", pod.clone()),
        object("batch/v1", "Job", "asleep", json!({"suspend": true, "template": {"spec": once}})),
        object(
            "batch/v1",
            "CronJob",
            "nightly",
            json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": once}}}}),
        ),
        object(
            "v1",
            "PersistentVolumeClaim",
            "later",
            json!({"accessModes": ["ReadWriteOnce"],
            "storageClassName": "nobody-s", "resources": {"requests": {"storage": "1Gi"}}}),
        ),
        volume,
        object(
            "v1",
            "Service",
            "out",
            json!({"type": "LoadBalancer", "selector": {"app": "rs"}, "ports": [{"port": 80}]}),
        ),
        object(
            "networking.k8s.io/v1",
            "Ingress",
            "in",
            json!({"defaultBackend": {"service": {"name": "out", "port": {"number": 80}}}}),
        ),
        object("policy/v1", "PodDisruptionBudget", "budget", json!({"minAvailable": 1, "selector": labels("rs")})),
        object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "scaler",
            json!({"minReplicas": 1, "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs"}}),
        ),
    ];
    let changes: Vec<_> = objects.into_iter().map(|o| project.create(o)).collect();
    let addresses: Vec<ResourceAddress> = changes.iter().map(|c| c.address.clone()).collect();
    assert_done(&project.apply(changes).await);
    let state = project.log().state().clone();
    for address in &addresses {
        let skyplan::state::RecordDetail::Object(known) = &state.records[address].detail else { panic!("no object") };
        assert!(!known.unready, "{address}");
    }

    // A quota that lets no pod in, and a pod whose image never comes: said in the cluster's words.
    let quota = object("v1", "ResourceQuota", "none", json!({"hard": {"pods": "0"}}));
    assert_done(&project.apply(vec![project.create(quota)]).await);
    let refused = project.create(object(
        "apps/v1",
        "ReplicaSet",
        "refused",
        json!({"replicas": 1, "selector": labels("refused"), "template": template("refused")}),
    ));
    let address = refused.address.clone();
    let short = Options { timeout: Duration::from_secs(4), ..Options::default() };
    let report = project.apply_with(vec![refused], &Secrets::default(), &short).await;
    assert_eq!(code(&report, &address), "SKY0714");
    let said = report.faults().next().unwrap();
    assert!(said.detail.contains("exceeded quota: none"), "{said:?}");
    let state = project.log().state().clone();
    let skyplan::state::RecordDetail::Object(known) = &state.records[&address].detail else { panic!("no object") };
    assert!(known.unready, "it was not seen to become ready, and the state says so");
}

/// Cancelled before it begins, and aborted in the middle.
pub(super) async fn a_stop_is_clean(world: Arc<World>) {
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
