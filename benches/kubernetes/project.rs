//! The same objects as each tool wants them.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    objects::{Object, namespaces},
    server::Server,
};

/// Folders of one case.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
}

const HEAD: &str = "apiVersion: skyplan.io/v1alpha1\nkind:";

/// Objects of one file.
const OF_FILE: usize = 50;

impl Project {
    pub(crate) fn new(root: PathBuf) -> Self {
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self { root }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A project of skyplan: an application per namespace (and per cluster).
    pub(crate) fn skyplan(&self, servers: &[Server], objects: &[Object]) {
        self.write(
            "skyplan.yaml",
            &format!("{HEAD} Project\nname: bench\nlineage: bench\nplacement: {{headroom: 0%}}\n"),
        );
        let mut clusters = String::new();
        for (number, server) in servers.iter().enumerate() {
            let config = server.far.display();
            let _ = write!(
                clusters,
                "---\n{HEAD} Cluster\nname: c{number}\ndriver: existing\nexisting: {{kubeconfig: {config}}}\n"
            );
        }
        self.write("clusters.yaml", &clusters);
        let mut places = String::new();
        for number in 0..servers.len() {
            for namespace in namespaces(objects) {
                let name = format!("{namespace}-c{number}");
                self.write(
                    &format!("{name}/application.yaml"),
                    &format!(
                        "{HEAD} Application\nname: {name}\nnamespace: {namespace}\nsources: [{{path: manifests}}]\n"
                    ),
                );
                let own: Vec<&Object> = objects.iter().filter(|o| o.namespace == namespace).collect();
                let texts: Vec<String> = own.iter().map(|o| o.yaml(false)).collect();
                self.write(&format!("{name}/manifests/all.yaml"), &texts.join("---\n"));
                for workload in own.iter().filter(|o| o.kind == "Deployment") {
                    let _ = write!(
                        places,
                        "  - componentRef: {name}/{}\n    location: {{permitted: [{{cluster: c{number}}}]}}\n",
                        workload.name
                    );
                }
            }
        }
        if servers.len() > 1 {
            self.write("policy.yaml", &format!("{HEAD} DeploymentPolicy\nname: places\ncomponents:\n{places}"));
        }
    }

    /// Files for kubectl, and the same dealt out over so many folders.
    pub(crate) fn kubectl(&self, objects: &[Object], folders: usize) {
        let spaces: String = namespaces(objects)
            .iter()
            .map(|n| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {n}}}\n"))
            .collect();
        self.write("namespaces.yaml", &spaces);
        let _ = fs::remove_dir_all(self.root.join("all"));
        let _ = fs::remove_dir_all(self.root.join("parts"));
        for (number, some) in objects.chunks(OF_FILE).enumerate() {
            let text = some.iter().map(|o| o.yaml(true)).collect::<Vec<_>>().join("---\n");
            self.write(&format!("all/{number:03}.yaml"), &text);
            self.write(&format!("parts/{:02}/{number:03}.yaml", number % folders), &text);
        }
    }

    /// Requests for the bare generator.
    pub(crate) fn bare(&self, objects: &[Object]) {
        let line = |path: &str, yaml: &str| {
            let value: Value = serde_saphyr::from_str(yaml).unwrap();
            format!("{path} {value}\n")
        };
        let spaces: String = namespaces(objects)
            .iter()
            .map(|n| {
                line(
                    &format!("/api/v1/namespaces/{n}"),
                    &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {n}}}\n"),
                )
            })
            .collect();
        self.write("namespaces.txt", &spaces);
        let all: String = objects.iter().map(|o| line(&o.path(), &o.yaml(true))).collect();
        self.write("objects.txt", &all);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// A folder's path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
