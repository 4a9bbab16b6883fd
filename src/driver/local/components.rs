//! The five processes of a cluster: names, flags, and the order of start and stop.
//!
//! Says what is run, not how or when. Every process has one flag that holds a path in its cluster's
//! folder ([`Component::mark`]): by that it is recognised when no record of it was kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{binaries::Binaries, folder::Folder, record::Record, root::text};

/// A process of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Component {
    Etcd,
    #[serde(rename = "kube-apiserver")]
    ApiServer,
    #[serde(rename = "kube-controller-manager")]
    ControllerManager,
    #[serde(rename = "kube-scheduler")]
    Scheduler,
    Kwok,
}

impl Component {
    pub(super) const ALL: [Self; 5] =
        [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler, Self::Kwok];

    /// Which are stopped together, one group after the other: whoever talks to the API goes before
    /// it, so that it need not wait for them, and etcd goes last.
    pub(super) const STOP_ORDER: [&'static [Self]; 3] =
        [&[Self::ControllerManager, Self::Scheduler, Self::Kwok], &[Self::ApiServer], &[Self::Etcd]];

    /// The name of the program, of the log and in the record.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
        }
    }

    /// The argument that no process but this one of this cluster has.
    pub(super) fn mark(self, folder: &Folder) -> String {
        let file = |file: &str| text(&folder.certificate(file));
        match self {
            Self::Etcd => format!("--data-dir={}", text(&folder.etcd_data())),
            Self::ApiServer => format!("--tls-cert-file={}", file("apiserver.crt")),
            Self::ControllerManager => format!("--kubeconfig={}", file("controller-manager.kubeconfig")),
            Self::Scheduler => format!("--kubeconfig={}", file("scheduler.kubeconfig")),
            Self::Kwok => format!("--kubeconfig={}", file("kwok.kubeconfig")),
        }
    }

    /// The command line, without the program.
    pub(super) fn arguments(self, folder: &Folder, record: &Record, binaries: &Binaries, fsync: bool) -> Vec<String> {
        let mut arguments = vec![self.mark(folder)];
        arguments.extend(match self {
            Self::Etcd => etcd(folder, record, fsync),
            Self::ApiServer => api_server(folder, record),
            Self::ControllerManager => controller_manager(folder),
            Self::Scheduler => client_flags(),
            Self::Kwok => kwok(record, binaries),
        });
        arguments
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn etcd(folder: &Folder, record: &Record, fsync: bool) -> Vec<String> {
    let file = |file: &str| text(&folder.certificate(file));
    let client = format!("https://127.0.0.1:{}", record.etcd_port);
    let peer = format!("https://127.0.0.1:{}", record.etcd_peer_port);
    let mut flags = vec![
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // Whoever reaches etcd is above every rule of the API, and every user of this machine
        // reaches its ports: certificates both ways, from an authority that signs nothing else.
        format!("--cert-file={}", file("etcd.crt")),
        format!("--key-file={}", file("etcd.key")),
        format!("--trusted-ca-file={}", file("etcd-ca.crt")),
        "--client-cert-auth".to_owned(),
        format!("--peer-cert-file={}", file("etcd.crt")),
        format!("--peer-key-file={}", file("etcd.key")),
        format!("--peer-trusted-ca-file={}", file("etcd-ca.crt")),
        "--peer-client-cert-auth".to_owned(),
        // A cluster of one elects itself; it need not be patient.
        "--heartbeat-interval=20".to_owned(),
        "--election-timeout=100".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    if !fsync {
        flags.push("--unsafe-no-fsync".to_owned());
    }
    flags
}

fn api_server(folder: &Folder, record: &Record) -> Vec<String> {
    let file = |file: &str| text(&folder.certificate(file));
    vec![
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", record.api_port),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        format!("--etcd-servers=https://127.0.0.1:{}", record.etcd_port),
        format!("--etcd-cafile={}", file("etcd-ca.crt")),
        format!("--etcd-certfile={}", file("apiserver-etcd-client.crt")),
        format!("--etcd-keyfile={}", file("apiserver-etcd-client.key")),
        format!("--kubelet-client-certificate={}", file("apiserver-kubelet-client.crt")),
        format!("--kubelet-client-key={}", file("apiserver-kubelet-client.key")),
        "--kubelet-preferred-address-types=InternalIP,Hostname".to_owned(),
        format!("--requestheader-client-ca-file={}", file("front-proxy-ca.crt")),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", file("front-proxy-client.crt")),
        format!("--proxy-client-key-file={}", file("front-proxy-client.key")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        format!("--service-cluster-ip-range={}", record.networks.services),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        // An endpoint on loopback is refused, so the `kubernetes` Service has none.
        "--endpoint-reconciler-type=none".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

fn controller_manager(folder: &Folder) -> Vec<String> {
    let file = |file: &str| text(&folder.certificate(file));
    let mut flags = client_flags();
    flags.extend([
        format!("--root-ca-file={}", file("ca.crt")),
        format!("--service-account-private-key-file={}", file("sa.key")),
        // Its own user may little more than hand out tokens; each controller acts as itself.
        "--use-service-account-credentials=true".to_owned(),
        format!("--cluster-signing-cert-file={}", file("ca.crt")),
        format!("--cluster-signing-key-file={}", file("ca.key")),
    ]);
    flags
}

/// What controller-manager and scheduler have in common: one of each, no port, no polite delays.
fn client_flags() -> Vec<String> {
    ["--leader-elect=false", "--secure-port=0", "--profiling=false", "--kube-api-qps=1000", "--kube-api-burst=2000"]
        .map(str::to_owned)
        .to_vec()
}

fn kwok(record: &Record, binaries: &Binaries) -> Vec<String> {
    vec![
        format!("--config={}", text(&binaries.stages())),
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake".to_owned(),
        format!("--cidr={}", record.networks.pods),
        "--node-ip=127.0.0.1".to_owned(),
        "--node-lease-duration-seconds=40".to_owned(),
        "--v=WARN".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_the_record() {
        for component in Component::ALL {
            assert_eq!(serde_json::to_value(component).unwrap(), component.name());
        }
        assert_eq!(Component::STOP_ORDER.concat().len(), Component::ALL.len());
    }

    #[test]
    fn a_mark_belongs_to_one_cluster() {
        let (a, b) = (Folder::new("/s/a".into()), Folder::new("/s/a-b".into()));
        for component in Component::ALL {
            assert_ne!(component.mark(&a), component.mark(&b));
            assert!(component.mark(&a).contains("=/s/a/"));
        }
    }
}
