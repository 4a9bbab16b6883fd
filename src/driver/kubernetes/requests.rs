//! Which request each verb is: pages, time limits, preconditions, and whether it may be repeated.

use std::{sync::Arc, time::Duration};

use kube::{
    Client,
    core::{
        DynamicObject, ListMeta, Request, Resource as _,
        params::{
            DeleteParams, GetParams, ListParams, Patch, PatchParams, Preconditions, PropagationPolicy,
            ValidationDirective,
        },
        subresource::LogParams,
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    ask::{self, How, Repeat},
    fault::Fault,
    gate::Gate,
    served::{Discovery, Served},
};
use crate::observed::KindRef;

/// Objects per page of a list.
const PAGE: u32 = 500;
/// How often a list may begin anew because its pages grew too old.
const RESTARTS: usize = 3;
/// How long a small question may take, repetitions included.
const SHORT: Duration = Duration::from_secs(10);
/// How long a page of a list, or a write, may take.
const LONG: Duration = Duration::from_secs(60);
/// Bytes of a log that are asked for at most.
const LOG_BYTES: i64 = 64 * 1024;

/// A cluster that can be asked. Cheap to clone; all clones share one gate.
#[derive(Clone)]
pub struct Cluster {
    name: Arc<str>,
    client: Client,
    gate: Arc<Gate>,
    discovery: Arc<Discovery>,
}

/// Which object of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id<'a> {
    /// Namespace; `None` for what has none.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
}

/// Whether an apply is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The object changes.
    Real,
    /// The server only says what would be.
    DryRun,
    /// The object changes, and fields of other managers are taken from them.
    Forced,
    /// The server only says what that would come to.
    ForcedDryRun,
}

/// Name, namespace and marks of an object, without the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Uid.
    pub uid: String,
    /// Its metadata as the server sent them.
    pub metadata: Value,
}

/// What a deletion came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Deleted {
    /// It is gone, or was not there.
    Gone,
    /// It will go: something still has to happen first. The object as it is.
    Going(Box<Value>),
}

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    metadata: ListMeta,
    /// Lists of metadata say `null` for none.
    items: Option<Vec<Value>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster by its name in the project.
    pub fn new(name: &str, client: Client) -> Self {
        Self { name: name.into(), client, gate: Arc::default(), discovery: Arc::default() }
    }

    /// Its name in the project.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The library's client, for what lasts: what is asked with it passes no gate and is not repeated.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Version of the API server, such as `v1.36.3`.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn version(&self) -> Result<String, Fault> {
        let version: Value = self.look("", "version").await?;
        Ok(version["gitVersion"].as_str().unwrap_or_default().to_owned())
    }

    /// Uid of the namespace `kube-system`: which cluster this really is.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn uid(&self) -> Result<String, Fault> {
        let found = self.stamp(&Served::namespaces(), Id { namespace: None, name: "kube-system" }).await?;
        found.map(|s| s.uid).ok_or_else(|| Fault::Refused(404, "it has no namespace kube-system".into()))
    }

    /// How a kind is served; `None` = it is not (any more, or yet).
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn kind(&self, kind: &KindRef) -> Result<Option<Served>, Fault> {
        // One asks for all, and the others wait for that one.
        let silent = || Fault::Unreachable(format!("no answer within {} s", LONG.as_secs()));
        timeout(LONG, self.discovery.kind(self, kind)).await.unwrap_or_else(|_| Err(silent()))
    }

    /// Like [`Cluster::kind`], asking the server again for a kind that was not there.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn kind_by_now(&self, kind: &KindRef) -> Result<Option<Served>, Fault> {
        let silent = || Fault::Unreachable(format!("no answer within {} s", LONG.as_secs()));
        timeout(LONG, self.discovery.kind_by_now(self, kind)).await.unwrap_or_else(|_| Err(silent()))
    }

    /// All objects of a kind that a label selector takes, in all namespaces.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn list(&self, kind: &Served, labels: &str) -> Result<Vec<Value>, Fault> {
        self.pages(kind, None, &ListParams::default().labels(labels), false).await
    }

    /// Objects of one namespace that a field selector takes.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn list_in(&self, kind: &Served, namespace: &str, select: &ListParams) -> Result<Vec<Value>, Fault> {
        self.pages(kind, Some(namespace), select, false).await
    }

    /// The last lines of a container's log; `previous`: of the run before this one.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn log(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
        lines: usize,
    ) -> Result<String, Fault> {
        let params = LogParams {
            container: Some(container.to_owned()),
            previous,
            tail_lines: i64::try_from(lines).ok(),
            limit_bytes: Some(LOG_BYTES),
            ..LogParams::default()
        };
        let request = Request::new(DynamicObject::url_path(&Served::pods().resource, Some(namespace)));
        let how = How { sort: ("log", String::new()), repeat: Repeat::Free, limit: SHORT };
        let make = || request.logs(pod, &params).map_err(|e| kube::Error::BuildRequest(e).into());
        let text = ask::bytes(&self.client, &self.gate, &how, make).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Like [`Cluster::list`], metadata only.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn list_metadata(&self, kind: &Served, labels: &str) -> Result<Vec<Value>, Fault> {
        self.pages(kind, None, &ListParams::default().labels(labels), true).await
    }

    /// The same of one namespace; `None` = of all.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn list_metadata_in(
        &self,
        kind: &Served,
        namespace: Option<&str>,
        labels: &str,
    ) -> Result<Vec<Value>, Fault> {
        self.pages(kind, namespace, &ListParams::default().labels(labels), true).await
    }

    /// All kinds that are served, in the version that the server prefers; and APIs that do not tell theirs.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn kinds(&self) -> Result<(Vec<Served>, Vec<String>), Fault> {
        self.discovery.all(self).await
    }

    async fn pages(
        &self,
        kind: &Served,
        namespace: Option<&str>,
        select: &ListParams,
        metadata: bool,
    ) -> Result<Vec<Value>, Fault> {
        let request = Request::new(DynamicObject::url_path(&kind.resource, namespace));
        let (mut items, mut restarts, mut token) = (Vec::new(), 0, None::<String>);
        loop {
            let mut params = select.clone().limit(PAGE);
            params.continue_token.clone_from(&token);
            let verb = if metadata { Verb::ListMetadata(&params) } else { Verb::List(&params) };
            match self.ask::<Page>(LONG, &kind.resource.plural, &request, verb).await {
                Ok(page) => {
                    items.extend(page.items.unwrap_or_default());
                    token = page.metadata.continue_.filter(|t| !t.is_empty());
                    if token.is_none() {
                        break;
                    }
                }
                Err(Fault::Expired) if restarts < RESTARTS => {
                    restarts += 1;
                    items.clear();
                    token = None;
                }
                Err(fault) => return Err(fault),
            }
        }
        // Built-in kinds do not say in a list what they are.
        for item in &mut items {
            item["apiVersion"] = kind.resource.api_version.clone().into();
            item["kind"] = kind.resource.kind.clone().into();
        }
        Ok(items)
    }

    /// An object; `None` = it is not there.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn get(&self, kind: &Served, id: Id<'_>) -> Result<Option<Value>, Fault> {
        let request = request(kind, id);
        found(self.ask(SHORT, &kind.resource.plural, &request, Verb::Get(id.name)).await)
    }

    /// Uid and metadata of an object; `None` = it is not there.
    ///
    /// # Errors
    /// No answer, or refused.
    pub async fn stamp(&self, kind: &Served, id: Id<'_>) -> Result<Option<Stamp>, Fault> {
        let request = request(kind, id);
        let found = found(self.ask::<Value>(SHORT, &kind.resource.plural, &request, Verb::Stamp(id.name)).await)?;
        Ok(found.map(|mut object| {
            let metadata = object["metadata"].take();
            Stamp { uid: metadata["uid"].as_str().unwrap_or_default().to_owned(), metadata }
        }))
    }

    /// Server-side apply, forced only where the mode says so. `metadata.uid` and `metadata.resourceVersion` in the object are
    /// preconditions. The answer is the whole object as it is, or would be.
    ///
    /// # Errors
    /// No answer (then a real one may have been done), or refused.
    pub async fn apply(&self, kind: &Served, object: &Value, manager: &str, mode: Mode) -> Result<Value, Fault> {
        let id = Id {
            namespace: object["metadata"]["namespace"].as_str().filter(|_| kind.namespaced),
            name: object["metadata"]["name"].as_str().unwrap_or_default(),
        };
        let request = request(kind, id);
        let params = PatchParams {
            dry_run: matches!(mode, Mode::DryRun | Mode::ForcedDryRun),
            force: matches!(mode, Mode::Forced | Mode::ForcedDryRun),
            field_manager: Some(manager.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
        };
        self.ask(LONG, &kind.resource.plural, &request, Verb::Apply(id.name, &params, object)).await
    }

    /// Says anew whose an object's fields are, as long as it has that version. No field changes.
    ///
    /// # Errors
    /// No answer (then it may have been done), or refused; [`Fault::Stale`] if it has another version.
    pub async fn disown(&self, kind: &Served, live: &Value, owners: &Value, manager: &str) -> Result<Value, Fault> {
        let metadata = &live["metadata"];
        let id = Id {
            namespace: metadata["namespace"].as_str().filter(|_| kind.namespaced),
            name: metadata["name"].as_str().unwrap_or_default(),
        };
        let body = serde_json::json!({"metadata": {
            "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"], "managedFields": owners,
        }});
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.ask(LONG, &kind.resource.plural, &request(kind, id), Verb::Merge(id.name, &params, &body)).await
    }

    /// Deletes an object if it has that uid, and that version where one is given. `foreground`: what it
    /// owns goes first.
    ///
    /// # Errors
    /// No answer (then it may have been done), or refused; [`Fault::Stale`] if it has another uid or
    /// version.
    pub async fn delete(
        &self,
        kind: &Served,
        id: Id<'_>,
        uid: Option<&str>,
        version: Option<&str>,
        foreground: bool,
    ) -> Result<Deleted, Fault> {
        let policy = if foreground { PropagationPolicy::Foreground } else { PropagationPolicy::Background };
        let params = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: uid
                .map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: version.map(str::to_owned) }),
            ..DeleteParams::default()
        };
        let request = request(kind, id);
        match self.ask::<Value>(LONG, &kind.resource.plural, &request, Verb::Delete(id.name, &params)).await {
            // The server answers with a Status when nothing is left to be done.
            Ok(answer) if answer["kind"] == "Status" => Ok(Deleted::Gone),
            Ok(object) => Ok(Deleted::Going(Box::new(object))),
            Err(Fault::NotFound) => Ok(Deleted::Gone),
            Err(fault) => Err(fault),
        }
    }

    /// What the server says of itself at a path.
    pub(super) async fn look<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<T, Fault> {
        self.ask(SHORT, path, &Request::new(path), Verb::Get(name)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        limit: Duration,
        what: &str,
        request: &Request,
        verb: Verb<'_>,
    ) -> Result<T, Fault> {
        let how = How { sort: (verb.word(), what.to_owned()), repeat: verb.repeat(), limit };
        let make = || verb.made(request).map_err(|e| kube::Error::BuildRequest(e).into());
        ask::ask(&self.client, &self.gate, &how, make).await
    }
}

/// What is asked at a path.
#[derive(Clone, Copy)]
enum Verb<'a> {
    List(&'a ListParams),
    ListMetadata(&'a ListParams),
    Get(&'a str),
    Stamp(&'a str),
    Apply(&'a str, &'a PatchParams, &'a Value),
    Merge(&'a str, &'a PatchParams, &'a Value),
    Delete(&'a str, &'a DeleteParams),
}

impl Verb<'_> {
    fn made(self, request: &Request) -> Result<hyper::Request<Vec<u8>>, kube::core::request::Error> {
        match self {
            Verb::List(select) => request.list(select),
            Verb::ListMetadata(select) => request.list_metadata(select),
            Verb::Get(name) => request.get(name, &GetParams::default()),
            Verb::Stamp(name) => request.get_metadata(name, &GetParams::default()),
            Verb::Apply(name, params, object) => request.patch(name, params, &Patch::Apply(object)),
            Verb::Merge(name, params, body) => request.patch(name, params, &Patch::Merge(body)),
            Verb::Delete(name, params) => request.delete(name, params),
        }
    }

    /// A word for what is alike in latency.
    fn word(self) -> &'static str {
        match self {
            Verb::List(_) => "list",
            Verb::ListMetadata(_) => "list metadata",
            Verb::Get(_) => "get",
            Verb::Stamp(_) => "get metadata",
            Verb::Apply(_, params, _) if params.dry_run => "try",
            Verb::Apply(..) | Verb::Merge(..) => "apply",
            Verb::Delete(..) => "delete",
        }
    }

    fn repeat(self) -> Repeat {
        match self {
            Verb::List(_) | Verb::ListMetadata(_) | Verb::Get(_) | Verb::Stamp(_) => Repeat::Free,
            Verb::Apply(_, params, _) if params.dry_run => Repeat::Free,
            // With a uid alone the second one finds nothing, or the same object going. A version is another
            // one once the first has been there.
            Verb::Delete(_, DeleteParams { preconditions: Some(held), .. })
                if held.uid.is_some() && held.resource_version.is_none() =>
            {
                Repeat::Free
            }
            Verb::Apply(..) | Verb::Merge(..) | Verb::Delete(..) => Repeat::Refused,
        }
    }
}

fn request(kind: &Served, id: Id<'_>) -> Request {
    let namespace = id.namespace.filter(|_| kind.namespaced);
    Request::new(DynamicObject::url_path(&kind.resource, namespace))
}

fn found<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Fault::NotFound) => Ok(None),
        Err(fault) => Err(fault),
    }
}
