use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::driver::kubernetes::{
    Cluster, Fault, Id, Mode, Served,
    fake::{self, Answer},
};

fn kind() -> Served {
    let resource = ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
    };
    Served { resource, namespaced: true, kept: true }
}

fn map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}})
}

/// A cluster that gives these answers in turn, the last of them for ever; and how often it was asked.
fn cluster(answers: Vec<Answer>) -> (Cluster, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let count = asked.clone();
    let client = fake::client(move |_| {
        let place = count.fetch_add(1, Ordering::SeqCst);
        answers[place.min(answers.len() - 1)].clone()
    });
    (Cluster::new("edge", client), asked)
}

const ID: Id<'_> = Id { namespace: Some("n"), name: "m" };

#[tokio::test]
async fn what_a_busy_server_did_not_begin_with_is_repeated_whatever_it_is() {
    let busy = || Answer::refusal("429 Too Many Requests", Some(1), "Too many requests, please try again later.");
    let (edge, asked) = cluster(vec![busy(), busy(), Answer::json(&map())]);
    let begun = Instant::now();
    assert_eq!(edge.apply(&kind(), &map(), "skyplan", Mode::Real).await, Ok(map()));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    // As long as it wanted to be left alone, twice.
    assert!(begun.elapsed().as_millis() >= 2000, "{:?}", begun.elapsed());
    let (edge, _) = cluster(vec![Answer::refusal("429 Too Many Requests", Some(3600), "come back later")]);
    let told = edge.apply(&kind(), &map(), "skyplan", Mode::Real).await;
    assert_eq!(told, Err(Fault::Refused(429, "come back later".into())));
}

/// A write behind a failure may have been done. Asked again, it would be refused as changed by others.
#[tokio::test]
async fn a_write_that_failed_is_not_repeated_here() {
    for (status, code) in [
        ("500 Internal Server Error", 500),
        ("502 Bad Gateway", 502),
        ("503 Service Unavailable", 503),
        ("504 Gateway Timeout", 504),
    ] {
        let (edge, asked) = cluster(vec![Answer::refusal(status, None, "etcdserver: request timed out")]);
        let told = edge.apply(&kind(), &map(), "skyplan", Mode::Real).await;
        assert_eq!(told, Err(Fault::Failing(code, "etcdserver: request timed out".into())));
        assert!(edge.delete(&kind(), ID, Some("u"), Some("7"), false).await.unwrap_err().is_unanswered());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_read_that_failed_is_repeated() {
    let failures = || {
        vec![
            Answer::refusal("503 Service Unavailable", None, "<html>no\n  backend</html>"),
            Answer::refusal("500 Internal Server Error", None, "etcdserver: leader changed"),
            Answer::json(&map()),
        ]
    };
    let (edge, asked) = cluster(failures());
    assert_eq!(edge.get(&kind(), ID).await, Ok(Some(map())));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let (edge, asked) = cluster(failures());
    assert_eq!(edge.apply(&kind(), &map(), "skyplan", Mode::DryRun).await, Ok(map()));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    // This one is not of the moment.
    let (edge, asked) = cluster(vec![Answer::refusal("500 Internal Server Error", None, "runtime error")]);
    assert_eq!(edge.get(&kind(), ID).await, Err(Fault::Failing(500, "runtime error".into())));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // What is no Status is told in one line.
    let (edge, _) = cluster(vec![Answer::refusal("403 Forbidden", None, "<html>no\n  entry</html>")]);
    assert_eq!(edge.get(&kind(), ID).await, Err(Fault::Forbidden("<html>no entry</html>".into())));
}
