//! Kubeconfig files, and clients made from them.
//!
//! Certificates are inside the file, so that it may be copied anywhere; the user's own
//! `~/.kube/config` is neither read nor written.

use std::{fmt::Write as _, path::Path};

use k8s_openapi::ByteString;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::folder::{self, Folder};
use crate::diagnostic::Diagnostic;

/// Writes the kubeconfigs of the user and of the processes.
pub(super) fn write_all(folder: &Folder, cluster: &str, server: &str) -> Result<(), Diagnostic> {
    for user in ["controller-manager", "scheduler", "kwok"] {
        let path = folder.certificate(&format!("{user}.kubeconfig"));
        folder::write_private(&path, render(folder, cluster, server, user)?.as_bytes())?;
    }
    folder::write_private(&folder.kubeconfig(), render(folder, cluster, server, "admin")?.as_bytes())
}

/// All that goes in is base64, an address or a DNS label: nothing that YAML would read otherwise.
fn render(folder: &Folder, cluster: &str, server: &str, user: &str) -> Result<String, Diagnostic> {
    let data = |file: String| -> Result<String, Diagnostic> {
        let pem = folder::read(&folder.certificate(&file))?.unwrap_or_default();
        // Kubernetes' own type for bytes writes itself as quoted base64.
        Ok(serde_json::to_string(&ByteString(pem.into_bytes())).unwrap_or_default())
    };
    let (authority, certificate, key) =
        (data("ca.crt".to_owned())?, data(format!("{user}.crt"))?, data(format!("{user}.key"))?);
    let context = format!("skyplan-{cluster}");
    let mut text = String::from("apiVersion: v1\nkind: Config\n");
    let _ = write!(
        text,
        "clusters:
- name: {context}
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: {context}-{user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {context}-{user}
current-context: {context}
"
    );
    Ok(text)
}

/// A client of the cluster that a kubeconfig speaks of. `patient` ones repeat what a busy server
/// refuses; those who ask whether it is up yet do not.
pub(super) async fn client(kubeconfig: &Path, patient: bool) -> Result<Client, Diagnostic> {
    // It lies in the folder that is called like the cluster.
    let name = kubeconfig.parent().and_then(Path::file_name).unwrap_or_default().display();
    let fault = |why: String| {
        Diagnostic::error("SKY0616", format!("{} cannot be used", kubeconfig.display()))
            .detail(why)
            .hint(format!("write it again: skyplan local up {name}"))
    };
    let file = Kubeconfig::read_from(kubeconfig).map_err(|e| fault(format!("{e}.")))?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(|e| fault(format!("{e}.")))?;
    // The library takes HTTPS_PROXY for loopback addresses too.
    config.proxy_url = None;
    config.default_retry = patient;
    Client::try_from(config).map_err(|e| fault(format!("{e}.")))
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::SystemTime};

    use super::{super::certificates, *};

    #[tokio::test]
    async fn golden_a_kubeconfig_stands_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("dev"));
        folder.create().unwrap();
        certificates::issue(&folder, "dev", Ipv4Addr::new(10, 96, 0, 1), SystemTime::now()).unwrap();
        write_all(&folder, "dev", "https://127.0.0.1:20001").unwrap();
        let copy = place.path().join("copy");
        std::fs::copy(folder.kubeconfig(), &copy).unwrap();
        folder.remove().unwrap();

        let read = Kubeconfig::read_from(&copy).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("skyplan-dev"));
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
        assert_eq!(config.cluster_url, "https://127.0.0.1:20001/");
        assert_eq!(config.root_cert.map(|c| c.len()), Some(1));
        client(&copy, false).await.unwrap();
        let fault = client(&folder.kubeconfig(), false).await.map(|_| ()).unwrap_err();
        let state = place.path().display().to_string();
        crate::render::diagnostics::golden(&fault, &[(&state, "/home/me/.local/state/skyplan/local")]);
    }
}
