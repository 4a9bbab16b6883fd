//! The cluster all scenarios share: made and grown by applies, found stopped, taken away by an apply.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use skyplan::{
    apply::{self, Options},
    driver::{
        Drivers,
        local::{self, Data},
    },
    network::Networks,
    observe,
    observed::{ClusterObserved, ClusterQuestion, Connection, Observed, Questions},
    plan::{
        change::{Action, Target},
        secret::Secrets,
    },
    spec::{ClusterDriver, DeletionPolicy},
    state::{RecordDetail, record::NodePoolState},
};

use super::{CLUSTER, KEY, assert_done, at, change, connection, open, plan};

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
    let (deletion_policy, networks) = (DeletionPolicy::Delete, Networks::default());
    Target::Cluster { pools: vec![pool], deletion_policy, networks, quota: None }
}

pub(super) async fn make_the_cluster(drivers: &Drivers, state: &Path) -> String {
    let mut log = open(state, "fleet");
    let cluster = change(at("cluster/kd"), Action::Create, Some(node_pool(2)));
    let options = Options::default();
    let plan = plan(&log, vec![cluster]);
    let mut question = Questions::default();
    question.clusters.insert(
        CLUSTER.into(),
        ClusterQuestion {
            connection: connection(),
            kinds: BTreeSet::new(),
            lineage: "fleet".into(),
            namespaces: BTreeSet::new(),
            capacity: false,
            versions: BTreeMap::new(),
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
    let more = self::plan(&log, vec![update]);
    assert_done(&apply::run(&more, &Secrets::default(), drivers, &mut log, &options, &()).await.unwrap());
    uid.clone()
}

pub(super) async fn take_the_cluster_away(drivers: &Drivers, state: &Path) {
    let mut log = open(state, "fleet");
    let mut delete = change(at("cluster/kd"), Action::Delete, None);
    delete.precondition.record_serial = Some(log.state().records[&at("cluster/kd")].serial);
    let plan = plan(&log, vec![delete]);
    // Stopped, it is neither absent nor asked.
    local::down(drivers.local_root(), CLUSTER, Data::Keep).await.unwrap();
    let mut questions = Questions::default();
    let question = ClusterQuestion {
        connection: connection(),
        kinds: BTreeSet::new(),
        lineage: "fleet".into(),
        namespaces: BTreeSet::new(),
        capacity: false,
        versions: BTreeMap::new(),
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
