//! One watch per cluster and kind, shared by all that wait for objects of it.
//!
//! A watch begins with the first that waits and ends with the apply. Where it is forbidden everywhere, there is one per
//! namespace. Each object has its own channel,
//! so that an event wakes only those whom it concerns.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt as _;
use kube::{
    Api,
    core::{DynamicObject, TypeMeta},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

use crate::driver::kubernetes::{Cluster, Served};

/// What a watch last saw of an object.
#[derive(Clone, Debug, Default)]
pub(super) enum Seen {
    /// Nothing yet: the watch has just begun.
    #[default]
    Nothing,
    /// It is not there, or no longer has our label.
    Absent,
    /// It is there.
    Present(Arc<Value>),
    /// Nobody knows: the cluster refuses to show it, as credentials have ended or the kind is gone.
    Deaf,
}

/// Seconds that one request of a watch lasts; the next goes on where it ended.
const ROUND: u32 = 45;

/// Namespace and name.
type Key = (Option<String>, String);

#[derive(Default)]
struct Objects {
    /// Whether all objects have been listed once.
    listed: bool,
    /// Whether it may be watched everywhere at all.
    forbidden: bool,
    channels: BTreeMap<Key, watch::Sender<Seen>>,
}

type Shared = Arc<Mutex<Objects>>;

struct Watch {
    objects: Shared,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All watches of one apply.
pub(super) struct Watches {
    labels: String,
    running: Mutex<BTreeMap<Scope, Watch>>,
}

/// Cluster, kind, and namespace where one is not enough for all.
type Scope = (String, String, Option<String>);

impl Watches {
    /// Of objects with the label of a lineage.
    pub(super) fn new(lineage: &str) -> Self {
        Self { labels: format!("skyplan.io/lineage={lineage}"), running: Mutex::default() }
    }

    /// What is seen of an object from now on.
    pub(super) fn follow(
        &self,
        cluster: &Cluster,
        kind: &Served,
        namespace: Option<&str>,
        name: &str,
    ) -> watch::Receiver<Seen> {
        let name_of_kind = format!("{}/{}", kind.resource.api_version, kind.resource.kind);
        let scope =
            |namespace: Option<&str>| (cluster.name().to_owned(), name_of_kind.clone(), namespace.map(str::to_owned));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let everywhere = running.entry(scope(None)).or_insert_with(|| start(cluster, kind, None, &self.labels));
        let narrow = namespace.filter(|_| kind.namespaced && lock(&everywhere.objects).forbidden);
        let watch = running.entry(scope(narrow)).or_insert_with(|| start(cluster, kind, narrow, &self.labels));
        let mut objects = lock(&watch.objects);
        let unseen = if objects.listed { Seen::Absent } else { Seen::Nothing };
        let key = (namespace.map(str::to_owned), name.to_owned());
        objects.channels.entry(key).or_insert_with(|| watch::Sender::new(unseen)).subscribe()
    }

    /// Ends the watches of a cluster: it goes, or is made anew.
    pub(super) fn forget(&self, cluster: &str) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, ..), _| of != cluster);
    }
}

fn lock(objects: &Shared) -> MutexGuard<'_, Objects> {
    objects.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(cluster: &Cluster, kind: &Served, namespace: Option<&str>, labels: &str) -> Watch {
    let client = cluster.client().clone();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &kind.resource),
        None => Api::all_with(client, &kind.resource),
    };
    // Servers end a watch after that, so that one that has lost its connection is noticed.
    let config = watcher::Config::default().labels(labels).timeout(ROUND);
    let objects = Shared::default();
    let resource = &kind.resource;
    let types = TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() };
    let task = tokio::spawn(listen(api, config, types, objects.clone()));
    Watch { objects, task }
}

/// Takes in events until it is aborted. What breaks is taken up again by the library, with pauses.
async fn listen(api: Api<DynamicObject>, config: watcher::Config, types: TypeMeta, objects: Shared) {
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut listed = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                listed.insert(key(&object));
                see(&objects, &types, object);
            }
            Ok(watcher::Event::InitDone) => {
                let mut objects = lock(&objects);
                objects.listed = true;
                for (key, channel) in &objects.channels {
                    if !listed.contains(key) {
                        channel.send_replace(Seen::Absent);
                    }
                }
            }
            Ok(watcher::Event::Apply(object)) => see(&objects, &types, object),
            Ok(watcher::Event::Delete(object)) => show(&objects, key(&object), Seen::Absent),
            Err(error) => {
                tracing::debug!(%error, "a watch broke");
                if let Some(code) = refusal(&error) {
                    let mut objects = lock(&objects);
                    objects.forbidden |= code == 403;
                    objects.channels.values().for_each(|channel| drop(channel.send_replace(Seen::Deaf)));
                }
            }
        }
    }
}

/// The status of what will not be better soon: whoever waits should look for himself. 0: credentials that cannot be had.
fn refusal(error: &watcher::Error) -> Option<u16> {
    let (watcher::Error::InitialListFailed(error)
    | watcher::Error::WatchStartFailed(error)
    | watcher::Error::WatchFailed(error)) = error
    else {
        return None;
    };
    match error {
        kube::Error::Api(status) => Some(status.code).filter(|code| matches!(code, 401 | 403 | 404)),
        kube::Error::Auth(_) => Some(0),
        _ => None,
    }
}

fn key(object: &DynamicObject) -> Key {
    (object.metadata.namespace.clone(), object.metadata.name.clone().unwrap_or_default())
}

fn see(objects: &Shared, types: &TypeMeta, mut object: DynamicObject) {
    // Built-in kinds do not say in a list what they are, and health is a matter of kind.
    object.types = Some(types.clone());
    object.metadata.managed_fields = None;
    let key = key(&object);
    if let Ok(value) = serde_json::to_value(object) {
        show(objects, key, Seen::Present(Arc::new(value)));
    }
}

fn show(objects: &Shared, key: Key, seen: Seen) {
    lock(objects).channels.entry(key).or_default().send_replace(seen);
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use kube::core::ApiResource;
    use serde_json::json;
    use tokio::time::timeout;

    use super::*;
    use crate::driver::kubernetes::fake::{self, Answer};

    /// A watch that breaks (its connection ends, its place in history is gone) begins again with a list.
    #[tokio::test]
    async fn what_breaks_is_taken_up_again() {
        let (lists, watches) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let object = |version: &str| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                   "metadata": {"name": "m", "namespace": "n", "uid": "u", "resourceVersion": version}})
        };
        let client = fake::client(move |path| {
            assert!(path.contains("labelSelector=skyplan.io%2Flineage%3Dl"), "{path}");
            if !path.contains("watch=true") {
                let items =
                    if lists.fetch_add(1, Ordering::SeqCst) == 0 { vec![object("1")] } else { vec![object("7")] };
                return Answer::list(&items);
            }
            assert!(path.contains("timeoutSeconds="), "{path}");
            match watches.fetch_add(1, Ordering::SeqCst) {
                // Ends without a word, as servers do after a while.
                0 => Answer::watch(&[json!({"type": "MODIFIED", "object": object("2")})]),
                1 => Answer::watch(&[json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1",
                    "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version", "metadata": {}}})]),
                _ => Answer::watch(&[json!({"type": "DELETED", "object": object("8")})]),
            }
        });
        let resource = ApiResource {
            group: String::new(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
        };
        let all = Watches::new("l");
        let cluster = Cluster::new("edge", client);
        let mut seen = all.follow(&cluster, &Served { resource, namespaced: true, kept: true }, Some("n"), "m");
        let mut story = Vec::new();
        while story.last().is_none_or(|last| last != "gone") {
            timeout(Duration::from_secs(30), seen.changed()).await.unwrap().unwrap();
            story.push(match &*seen.borrow_and_update() {
                Seen::Present(object) => object["metadata"]["resourceVersion"].as_str().unwrap().to_owned(),
                Seen::Absent => "gone".into(),
                Seen::Nothing | Seen::Deaf => "nothing".into(),
            });
        }
        // Only the last state counts, so one in between may be passed over; the list after the 410 is not.
        assert!(story.contains(&"7".to_owned()), "{story:?}");
    }
}
