//! From a kubeconfig to a client. Sends nothing: whether the cluster answers shows with the first
//! request. Knows kubeconfigs and how their faults are worded.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use skyplan_state_backends::credentials::{prepare, told};

use super::Fallible;
use crate::{diagnostic::Diagnostic, observed::Connection};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one request may be silent. A watch ends sooner, and is begun again.
const SILENCE: Duration = Duration::from_secs(75);

/// A client of a local cluster.
pub(super) async fn local(name: &str, kubeconfig: &Path) -> Fallible<Client> {
    let missing = |why: &KubeconfigError| {
        Box::new(
            Diagnostic::error("SKY0705", format!("the kubeconfig of cluster `{name}` cannot be used"))
                .detail(format!("{}.", told(why)))
                .hint(format!("start the cluster, which writes it again: skyplan local up {name}")),
        )
    };
    let file = Kubeconfig::read_from(kubeconfig).map_err(|e| missing(&e))?;
    let mut config =
        Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(|e| missing(&e))?;
    // The library takes HTTPS_PROXY for loopback addresses too.
    config.proxy_url = None;
    client(name, config).await
}

/// A client of an existing cluster.
pub(super) async fn existing(name: &str, connection: &Connection, project: &Path) -> Fallible<Client> {
    let options = KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
    let (config, file) = match &connection.kubeconfig {
        Some(path) => {
            let path = project.join(path);
            let config = match Kubeconfig::read_from(&path) {
                Ok(file) => Config::from_custom_kubeconfig(file, &options).await,
                Err(error) => Err(error),
            };
            (config, Some(path))
        }
        None => (Config::from_kubeconfig(&options).await, None),
    };
    let config = config.map_err(|e| Box::new(kubeconfig_fault(name, connection, file.as_ref(), &e)))?;
    client(name, config).await
}

async fn client(name: &str, mut config: Config) -> Fallible<Client> {
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    // It would repeat writes that may have been done. What is to be repeated, `driver::kubernetes` knows.
    config.default_retry = false;
    // A credential plugin of the kubeconfig runs in here, and may take its time.
    let made = tokio::task::spawn_blocking(move || {
        prepare(&mut config)?;
        Client::try_from(config).map_err(|error| told(&error))
    });
    let why = match made.await {
        Ok(Ok(client)) => return Ok(client),
        Ok(Err(why)) => why,
        Err(error) => error.to_string(),
    };
    Err(Box::new(
        Diagnostic::error("SKY0702", format!("the credentials for cluster `{name}` cannot be had"))
            .detail(format!("{why}."))
            .hint("see whether `kubectl get namespaces` works with the same kubeconfig and context"),
    ))
}

fn kubeconfig_fault(
    name: &str,
    connection: &Connection,
    file: Option<&PathBuf>,
    error: &KubeconfigError,
) -> Diagnostic {
    let place = file.map_or_else(|| "the user's kubeconfig".to_owned(), |f| f.display().to_string());
    match error {
        KubeconfigError::LoadContext(_) | KubeconfigError::CurrentContextNotSet => {
            let summary = match &connection.context {
                Some(context) => format!("there is no context `{context}` for cluster `{name}`"),
                None => format!("no context is chosen for cluster `{name}`"),
            };
            Diagnostic::error("SKY0704", summary)
                .detail(format!("Looked in {place}."))
                .hint("see which there are: kubectl config get-contexts")
                .hint("then set `existing.context` of the Cluster")
        }
        KubeconfigError::FindPath | KubeconfigError::ReadConfig(..) => {
            Diagnostic::error("SKY0705", format!("there is no kubeconfig for cluster `{name}`"))
                .detail(match error {
                    KubeconfigError::ReadConfig(why, _) => format!("Looked for {place}: {why}."),
                    other => format!("Looked for {place}: {other}."),
                })
                .hint("set `existing.kubeconfig` of the Cluster, or the variable KUBECONFIG")
        }
        other => Diagnostic::error("SKY0705", format!("the kubeconfig of cluster `{name}` cannot be used"))
            .detail(format!("{place}: {}.", told(other)))
            .hint("see whether `kubectl get namespaces` works with it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ClusterDriver;

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let text = "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\n\
                    users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: a, user: u}}]\n";
        std::fs::write(dir.path().join("k"), text).unwrap();
        std::fs::write(dir.path().join("broken"), "clusters: 7").unwrap();
        let code = async |file: &str, context: Option<&str>| {
            let connection = Connection {
                driver: ClusterDriver::Existing,
                kubeconfig: Some(file.into()),
                context: context.map(str::to_owned),
            };
            existing("edge", &connection, dir.path()).await.map(|_| String::new()).unwrap_or_else(|d| d.code)
        };
        assert_eq!(code("k", Some("c")).await, "");
        assert_eq!(code("k", None).await, "SKY0704");
        assert_eq!(code("k", Some("d")).await, "SKY0704");
        assert_eq!(code("none", Some("c")).await, "SKY0705");
        assert_eq!(code("broken", Some("c")).await, "SKY0705");
    }
}
