//! Secrets of one namespace of a Kubernetes cluster, one for every blob.
//!
//! A create of a name that is there is refused by the API server, whose store orders all writes; a list
//! without a version reads what a majority of that store has.

use std::{collections::BTreeMap, path::Path};

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::{
    Appended, BackendError,
    address::Address,
    blobs::{Blobs, Name, Shelf},
    bridge,
    credentials::{prepare, told, words},
    error::{deep, without_queries},
};

/// A Secret has 1 MiB of data at most, and a request to etcd 1.5 MiB.
const MAX_BYTES: usize = 1_000_000;

/// Names of one page of a list.
const PAGE: u32 = 500;

/// The key within a Secret.
const DATA: &str = "blob";

const LOG: &str = "skyplan.io/log";
const SHELF: &str = "skyplan.io/log-shelf";

/// Secrets of a namespace.
pub struct Secrets {
    place: String,
    log: String,
    api: Api<Secret>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Opens `kubernetes://NAMESPACE/NAME`: credentials by `KUBECONFIG`, `~/.kube/config`, or the pod's own.
pub(crate) fn open(
    mut address: Address,
    base: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Secrets, BackendError> {
    let (context, kubeconfig) = (address.take("context"), address.take("kubeconfig"));
    address.finish("context, kubeconfig")?;
    let log = if address.path.is_empty() { "state".to_owned() } else { address.path.clone() };
    if address.host.is_empty() {
        return Err(address.bad("it names no namespace: kubernetes://NAMESPACE/NAME"));
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if log.len() > 63 || !log.chars().all(fits) || log.starts_with('-') || log.ends_with('-') {
        return Err(address.bad(&format!("`{log}` is not a name: up to 63 of a-z, 0-9 and -")));
    }
    let paths: Vec<_> = match (kubeconfig, env("KUBECONFIG").filter(|list| !list.is_empty())) {
        (Some(path), _) => vec![base.join(path)],
        (None, Some(list)) => std::env::split_paths(&list).collect(),
        (None, None) => {
            let home = env("HOME").map(|home| Path::new(&home).join(".kube/config"));
            home.filter(|path| path.exists()).into_iter().collect()
        }
    };
    let unusable = |e: KubeconfigError| address.bad(&format!("the kubeconfig cannot be used: {}", told(&e)));
    let mut files = None::<Kubeconfig>;
    for path in &paths {
        let next = Kubeconfig::read_from(path).map_err(unusable)?;
        files = Some(match files {
            Some(files) => files.merge(next).map_err(unusable)?,
            None => next,
        });
    }
    let (place, namespace) = (address.url.clone(), address.host.clone());
    let client = bridge::run(&address.url, async move {
        let denied = |e: &dyn std::error::Error| BackendError::Denied { place: place.clone(), why: e.to_string() };
        let mut config = match files {
            Some(files) => {
                let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
                Config::from_custom_kubeconfig(files, &options).await.map_err(|e| denied(&e))?
            }
            None => Config::incluster().map_err(|e| denied(&e))?,
        };
        prepare(&mut config).map_err(|why| BackendError::Denied { place: place.clone(), why })?;
        Client::try_from(config).map_err(|e| failed(&place, &e))
    })?;
    Ok(Secrets { place: address.url, log, api: Api::namespaced(client, &namespace) })
}

impl Secrets {
    /// Dots separate: no part of a name has one.
    fn name(&self, name: &Name) -> String {
        format!("{}{name}", self.prefix(name.shelf()))
    }

    fn prefix(&self, shelf: Shelf) -> String {
        format!("skyplan.{}.{}.", self.log, shelf.name())
    }

    fn run<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Api<Secret>) -> F,
    ) -> Result<Result<T, kube::Error>, BackendError>
    where
        F: Future<Output = Result<T, kube::Error>> + Send + 'static,
    {
        let work = work(self.api.clone());
        bridge::run(&self.place, async move { Ok(work.await) })
    }
}

impl Blobs for Secrets {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
        let labels = [(LOG.into(), self.log.clone()), (SHELF.into(), name.shelf().name().into())];
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name(name)),
                labels: Some(BTreeMap::from(labels)),
                ..ObjectMeta::default()
            },
            data: Some([(DATA.to_owned(), ByteString(bytes.to_vec()))].into()),
            immutable: Some(true),
            type_: Some("skyplan.io/log".into()),
            ..Secret::default()
        };
        match self.run(|api| async move { api.create(&PostParams::default(), &secret).await })? {
            Ok(_) => Ok(Appended::Ok),
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(Appended::Conflict),
            Err(e) => Err(failed(&self.place, &e)),
        }
    }

    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
        let name = self.name(name);
        let read = self.run(|api| async move { api.get_opt(&name).await })?.map_err(|e| failed(&self.place, &e))?;
        Ok(read.and_then(|secret| secret.data).and_then(|mut data| data.remove(DATA)).map(|bytes| bytes.0))
    }

    fn names(&self, shelf: Shelf, _: u64) -> Result<Vec<Name>, BackendError> {
        let mut page = ListParams::default().limit(PAGE);
        page.label_selector = Some(format!("{LOG}={},{SHELF}={}", self.log, shelf.name()));
        let prefix = self.prefix(shelf);
        let listed = self.run(|api| async move {
            let mut names = Vec::new();
            loop {
                let list = api.list_metadata(&page).await?;
                names.extend(list.items.into_iter().filter_map(|item| item.metadata.name));
                match list.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => page.continue_token = Some(token),
                    None => return Ok(names),
                }
            }
        })?;
        let names = listed.map_err(|e| failed(&self.place, &e))?;
        Ok(names.iter().filter_map(|name| Name::parse(shelf, name.strip_prefix(&prefix)?)).collect())
    }

    fn delete(&self, name: &Name) -> Result<(), BackendError> {
        let name = self.name(name);
        match self.run(|api| async move { api.delete(&name, &DeleteParams::default()).await })? {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(e) => Err(failed(&self.place, &e)),
            Ok(_) => Ok(()),
        }
    }
}

fn failed(place: &str, error: &kube::Error) -> BackendError {
    let place = place.to_owned();
    let said = || words(error).unwrap_or_else(|| deep(error));
    match error {
        kube::Error::Api(status) => {
            let why = without_queries(&status.message);
            match status.code {
                401 => BackendError::Denied { place, why },
                403 if why.contains("exceeded quota") => BackendError::Full { place, why },
                403 => BackendError::Denied { place, why },
                // 410: a list took longer than its snapshot is kept.
                408 | 409 | 410 | 429 | 500 | 502 | 503 | 504 if why.contains("database space exceeded") => {
                    BackendError::Full { place, why }
                }
                408 | 409 | 410 | 429 | 500 | 502 | 503 | 504 => BackendError::Unreachable { place, why },
                _ => BackendError::Failed { place, why },
            }
        }
        kube::Error::Auth(_) => BackendError::Denied { place, why: said() },
        kube::Error::HyperError(_) | kube::Error::Service(_) => BackendError::Unreachable { place, why: said() },
        _ => BackendError::Failed { place, why: said() },
    }
}
