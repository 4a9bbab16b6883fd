//! When a cluster is up.
//!
//! "Usable" is later than `/readyz`: until the controllers have made the default ServiceAccount,
//! every pod is refused. Asks only; starts and stops nothing.

use std::{net::TcpStream, time::Duration};

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{Api, Client, api::GetParams};
use tokio::{
    process::Child,
    time::{Instant, sleep, timeout},
};

use super::{
    components::Component,
    folder::{self, Folder},
    record::Record,
};
use crate::diagnostic::Diagnostic;

/// How often is looked, and how long one answer may take.
const PAUSE: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_secs(2);
const LOG_LINES: usize = 10;

/// What a cluster that is up says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) kube_system_uid: String,
    pub(super) version: String,
}

/// How far to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The API server answers.
    Answers,
    /// It says that it is healthy. The controller-manager asks for that once a second and the
    /// scheduler needs its roles: before this, both would only fall asleep.
    Healthy,
    /// Everything is there that a workload needs; with controllers, if there are any.
    Usable { controllers: bool },
}

/// What is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Api,
    Ready,
    Controllers,
}

/// Asks once whether a cluster is usable.
pub(super) async fn is_usable(client: &Client, controllers: bool, patience: Duration) -> Option<Facts> {
    let deadline = Instant::now() + patience;
    loop {
        if let Ok(facts) = look(client, Stage::Usable { controllers }).await {
            return facts;
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(PAUSE * 5).await;
    }
}

/// Waits until a cluster has come so far, as long as all of its processes live.
pub(super) async fn wait(
    client: &Client,
    stage: Stage,
    cluster: &str,
    folder: &Folder,
    record: &Record,
    children: &mut [(Component, Child)],
    deadline: Instant,
) -> Result<Option<Facts>, Diagnostic> {
    let begun = Instant::now();
    loop {
        for (component, child) in children.iter_mut() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(died(*component, &status.to_string(), cluster, folder));
            }
        }
        let missing = match look(client, stage).await {
            Ok(facts) => return Ok(facts),
            Err(missing) => missing,
        };
        if Instant::now() >= deadline {
            return Err(late(missing, cluster, folder, record, begun.elapsed()));
        }
        sleep(PAUSE).await;
    }
}

async fn look(client: &Client, stage: Stage) -> Result<Option<Facts>, Missing> {
    async fn answer<T>(missing: Missing, call: impl Future<Output = kube::Result<T>>) -> Result<T, Missing> {
        timeout(ANSWER, call).await.ok().and_then(Result::ok).ok_or(missing)
    }
    let controllers = match stage {
        Stage::Answers => return answer(Missing::Api, ask(client, "/livez", "ping")).await.map(|_| None),
        Stage::Healthy => return answer(Missing::Ready, ask(client, "", "healthz")).await.map(|_| None),
        Stage::Usable { controllers } => controllers,
    };
    if controllers {
        // First what comes last: before that, one question per look is enough.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        answer(Missing::Controllers, accounts.get("default")).await?;
    }
    answer(Missing::Ready, ask(client, "", "readyz")).await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    answer(Missing::Ready, namespaces.get("default")).await?;
    let system = answer(Missing::Ready, namespaces.get("kube-system")).await?;
    let version = answer(Missing::Ready, client.apiserver_version()).await?;
    let kube_system_uid = system.metadata.uid.ok_or(Missing::Ready)?;
    Ok(Some(Facts { kube_system_uid, version: version.git_version }))
}

/// One GET of a path that is no resource.
async fn ask(client: &Client, folder: &str, name: &str) -> kube::Result<String> {
    let request =
        kube::core::Request::new(folder).get(name, &GetParams::default()).map_err(kube::Error::BuildRequest)?;
    client.request_text(request).await
}

fn died(component: Component, status: &str, cluster: &str, folder: &Folder) -> Diagnostic {
    let log = folder.log(component.name());
    Diagnostic::error("SKY0611", format!("{component} ended while cluster `{cluster}` was started"))
        .detail(format!(
            "It ended with {status}. The last lines of {}:\n{}",
            log.display(),
            folder::tail(&log, LOG_LINES)
        ))
        .hint(format!("read the whole log: {}", log.display()))
        .hint(format!("then try again: skyplan local up {cluster}"))
}

fn late(missing: Missing, cluster: &str, folder: &Folder, record: &Record, after: Duration) -> Diagnostic {
    let etcd_listens = TcpStream::connect_timeout(
        &std::net::SocketAddr::from(([127, 0, 0, 1], record.etcd_port)),
        Duration::from_millis(200),
    )
    .is_ok();
    let (component, what) = match missing {
        Missing::Api | Missing::Ready if !etcd_listens => (Component::Etcd, "etcd does not listen"),
        Missing::Api => (Component::ApiServer, "kube-apiserver does not answer"),
        Missing::Ready => (Component::ApiServer, "kube-apiserver does not say that it is ready"),
        Missing::Controllers => {
            (Component::ControllerManager, "kube-controller-manager has not made the default ServiceAccount")
        }
    };
    let log = folder.log(component.name());
    let said = match folder::tail(&log, LOG_LINES) {
        lines if lines.is_empty() => format!("{} is empty.", log.display()),
        lines => format!("The last lines of {}:\n{lines}", log.display()),
    };
    let seconds = (after.as_millis() + 500) / 1000;
    Diagnostic::error("SKY0612", format!("cluster `{cluster}` is not up after {seconds} s: {what}"))
        .detail(said)
        .hint(format!("read the logs: {}", folder.logs().display()))
        .hint(format!("on a busy machine give it longer: skyplan local up {cluster} --timeout 5m"))
}
