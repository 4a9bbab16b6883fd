//! The least that anybody could send: the patches, so many at once, and nothing else. Run as a process of its own:
//! `kubernetes --bare KUBECONFIG FOLDER AT_ONCE`; namespaces are sent first.

use std::{fs, path::Path};

use futures::StreamExt as _;
use hyper::Request;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

/// Reads `PATH JSON` lines from the files of a folder, and sends them.
pub(crate) fn run(arguments: &[String]) {
    let [kubeconfig, folder, at_once] = arguments else { panic!("KUBECONFIG FOLDER AT_ONCE") };
    let at_once: usize = at_once.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        config.proxy_url = None;
        let client = Client::try_from(config).unwrap();
        for file in ["namespaces.txt", "objects.txt"] {
            let text = fs::read_to_string(Path::new(folder).join(file)).unwrap();
            let requests: Vec<(String, Vec<u8>)> = text
                .lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(path, body)| (path.to_owned(), body.as_bytes().to_vec()))
                .collect();
            let sent = futures::stream::iter(requests).map(|(path, body)| {
                let client = &client;
                async move {
                    let request = Request::patch(format!("{path}?fieldManager=bare&force=true"))
                        .header("content-type", "application/apply-patch+yaml")
                        .body(body)
                        .unwrap();
                    client.request::<Value>(request).await.unwrap();
                }
            });
            sent.buffer_unordered(at_once).collect::<Vec<()>>().await;
        }
    });
}
