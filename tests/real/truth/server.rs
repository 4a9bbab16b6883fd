//! The API server, asked and written to by plain HTTP. Uses nothing of skyplan.

use std::{collections::BTreeMap, path::Path, time::Duration};

use hyper::http;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

/// Requests in flight.
const AT_ONCE: usize = 8;

/// A kind by version and name → its word in paths, and whether its objects have namespaces.
type Kinds = BTreeMap<(String, String), (String, bool)>;

pub(super) struct Server {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// What a request came to: the answer, or status and message.
pub(super) type Answer = Result<Value, (u16, String)>;

/// How somebody writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    Json,
    JsonPatch,
    MergePatch,
    Apply,
}

impl Server {
    pub(super) fn new(kubeconfig: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let file = Kubeconfig::read_from(kubeconfig).unwrap();
            let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
            config.proxy_url = None;
            config.read_timeout = Some(Duration::from_secs(30));
            Client::try_from(config).unwrap()
        });
        Self { client, runtime }
    }

    async fn send(client: Client, method: &str, url: &str, body: Option<(Body, Value)>) -> Answer {
        let kind = match body {
            Some((Body::JsonPatch, _)) => "application/json-patch+json",
            Some((Body::MergePatch, _)) => "application/merge-patch+json",
            Some((Body::Apply, _)) => "application/apply-patch+yaml",
            _ => "application/json",
        };
        let bytes = body.map_or_else(Vec::new, |(_, value)| value.to_string().into_bytes());
        let request =
            http::Request::builder().method(method).uri(url).header("content-type", kind).body(bytes).unwrap();
        match client.request::<Value>(request).await {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) => Err((status.code, status.message.clone())),
            Err(error) => panic!("{method} {url}: {error}"),
        }
    }

    pub(super) fn ask(&self, method: &str, url: &str, body: Option<(Body, Value)>) -> Answer {
        self.runtime.block_on(Self::send(self.client.clone(), method, url, body))
    }

    pub(super) fn get(&self, url: &str) -> Option<Value> {
        match self.ask("GET", url, None) {
            Ok(value) => Some(value),
            Err((404, _)) => None,
            Err(why) => panic!("GET {url}: {why:?}"),
        }
    }

    /// What is at all of these, each by itself.
    pub(super) fn get_all(&self, urls: &[String]) -> Vec<Option<Value>> {
        use futures::StreamExt as _;
        self.runtime.block_on(async {
            let all = urls.iter().map(|url| {
                let client = self.client.clone();
                async move {
                    match Self::send(client, "GET", url, None).await {
                        Ok(value) => Some(value),
                        Err((404, _)) => None,
                        Err(why) => panic!("GET {url}: {why:?}"),
                    }
                }
            });
            futures::stream::iter(all.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await
        })
    }

    /// Kinds whose objects can be made, patched and deleted.
    pub(super) fn kinds(&self) -> Kinds {
        let mut versions = vec!["/api/v1".to_owned()];
        for group in self.get("/apis").unwrap()["groups"].as_array().unwrap() {
            let all = group["versions"].as_array().unwrap().iter();
            versions.extend(all.map(|v| format!("/apis/{}", v["groupVersion"].as_str().unwrap())));
        }
        let mut kinds = Kinds::new();
        for version in versions {
            let list = self.get(&version).unwrap();
            for kind in list["resources"].as_array().unwrap() {
                let verbs = kind["verbs"].as_array().unwrap();
                let name = kind["name"].as_str().unwrap();
                if name.contains('/') || !["create", "patch", "delete"].iter().all(|v| verbs.contains(&json!(v))) {
                    continue;
                }
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let namespaced = kind["namespaced"] == true;
                kinds.insert((text(&list["groupVersion"]), text(&kind["kind"])), (name.to_owned(), namespaced));
            }
        }
        kinds
    }
}
