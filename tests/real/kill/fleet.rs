//! Two clusters and what runs there; what is there is asked of the clusters themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use crate::real::home::{Home, both};

const LINEAGE: &str = "fleet";

pub(super) struct Fleet {
    pub(super) home: Home,
}

fn workload(kind: &str, name: &str, image: &str) -> String {
    let (version, more) = match kind {
        "Job" => ("batch/v1", String::new()),
        "StatefulSet" => {
            ("apps/v1", format!("  serviceName: {name}\n  replicas: 2\n  selector: {{matchLabels: {{app: {name}}}}}\n"))
        }
        _ => ("apps/v1", format!("  replicas: 2\n  selector: {{matchLabels: {{app: {name}}}}}\n")),
    };
    let restart = if kind == "Job" { "      restartPolicy: Never\n" } else { "" };
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{more}  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n{restart}      \
         containers: [{{name: c, image: \"{image}\", envFrom: [{{configMapRef: {{name: settings}}}}], resources: {{requests: {{cpu: 50m, memory: 32Mi}}}}}}]\n---\n"
    )
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n---\n"
    )
}

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n---\n\
                        apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {password: not-in-any-state}\n---\n";

fn policy(places: &[(&str, &str)]) -> String {
    let entries: String = places
        .iter()
        .map(|(component, cluster)| {
            format!("  - componentRef: {component}\n    location: {{permitted: [{{cluster: {cluster}}}]}}\n")
        })
        .collect();
    format!("apiVersion: skyplan.io/v1alpha1\nkind: DeploymentPolicy\nname: places\ncomponents:\n{entries}")
}

impl Fleet {
    pub(super) fn new() -> Self {
        let home = Home::empty();
        home.run(&["local", "up", "host", "--nodes", "2"], 0);
        let config = home.dir.path().join("state/skyplan/local/host/kubeconfig");
        let head = "apiVersion: skyplan.io/v1alpha1\nkind:";
        let write = |file: &str, text: String| {
            let path = home.project().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "skyplan.yaml",
            format!("{head} Project\nname: fleet\nlineage: {LINEAGE}\nplacement: {{headroom: 0%}}\n"),
        );
        write(
            "clusters.yaml",
            format!(
                "{head} Cluster\nname: own\ndriver: local\n---\n{head} Cluster\nname: prod\ndriver: existing\nexisting: {{kubeconfig: {}}}\n",
                config.display()
            ),
        );
        write(
            "app/application.yaml",
            format!(
                "{head} Application\nname: app\nsources: [{{path: manifests}}]\ncomponents:\n  - {{name: web, dependsOn: [cache]}}\n"
            ),
        );
        let fleet = Self { home };
        fleet.original();
        fleet
    }

    fn write(&self, web: &str, mover: &str, job: &str, other: &str, policy: &str) {
        let manifests = [
            SETTINGS.to_owned(),
            workload("StatefulSet", "cache", "i:1"),
            service("cache"),
            workload("Deployment", "web", web),
            service("web"),
            workload("Deployment", "mover", mover),
            service("mover"),
            workload("Job", "migrate", job),
            workload("Deployment", other, "i:1"),
        ];
        fs::create_dir_all(self.home.project().join("app/manifests")).unwrap();
        fs::write(self.home.project().join("app/manifests/all.yaml"), manifests.concat()).unwrap();
        fs::write(self.home.project().join("policy.yaml"), policy).unwrap();
    }

    /// What the first apply of a cycle makes.
    pub(super) fn original(&self) {
        let places = [("cache", "own"), ("web", "prod"), ("mover", "own"), ("migrate", "own"), ("going", "prod")];
        self.write("i:1", "i:1", "i:1", "going", &policy(&places));
    }

    /// One is changed in place, one moves to the other cluster, one has to be replaced, one goes, one comes.
    pub(super) fn change(&self) {
        let places = [("cache", "own"), ("web", "prod"), ("mover", "prod"), ("migrate", "own"), ("coming", "own")];
        self.write("i:2", "i:1", "i:2", "coming", &policy(&places));
    }

    /// Clusters that answer now, by their names in the project and on this machine.
    fn clusters(&self) -> Vec<(&'static str, &'static str)> {
        let running = self.home.run(&["local", "list"], 0);
        let up =
            |name: &str| running.lines().any(|l| l.split_whitespace().next() == Some(name) && l.contains("running"));
        [("own", "own"), ("prod", "host")].into_iter().filter(|(_, local)| up(local)).collect()
    }

    /// Uids of everything that carries this project's marks on clusters that answer; each cluster's
    /// own uid, too.
    pub(super) fn objects(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for (cluster, local) in self.clusters() {
            let kinds = "namespaces,configmaps,secrets,services,endpoints,endpointslices,deployments,statefulsets,\
                         daemonsets,replicasets,controllerrevisions,jobs,pods,persistentvolumeclaims,serviceaccounts";
            let label = format!("skyplan.io/lineage={LINEAGE}");
            let (all, system) = match (
                self.home.try_kubectl(local, &["get", kinds, "-A", "-l", &label, "-o", "json"]),
                self.home.try_kubectl(local, &["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]),
            ) {
                (Some(all), Some(system)) => (all, system),
                // It was killed while it was being made, or being taken down.
                _ => continue,
            };
            found.insert(format!("cluster/{cluster}"), system);
            let all: Value = serde_json::from_str(&all).unwrap();
            for object in all["items"].as_array().unwrap() {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let group = text("/apiVersion").split_once('/').map_or("core", |(group, _)| group);
                let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("-");
                let address =
                    format!("object/{cluster}/{group}/{}/{namespace}/{}", text("/kind"), text("/metadata/name"));
                // Children get copies of labels: of Services, and of pod templates.
                let marked = text("/metadata/annotations/skyplan.io~1address") == format!("{LINEAGE}:{address}");
                let child = object.pointer("/metadata/ownerReferences").is_some() || text("/kind") == "Endpoints";
                if marked || !child {
                    found.insert(address, text("/metadata/uid").to_owned());
                }
            }
        }
        found
    }

    /// What is there now and the next plan leaves where it is: everything but what it deletes or
    /// replaces. With uids.
    pub(super) fn spared(&self, destroy: bool) -> Vec<(String, String)> {
        let args: &[&str] = if destroy { &["plan", "--destroy", "--json"] } else { &["plan", "--json"] };
        let plan: Value = serde_json::from_str(&self.home.run(args, 0)).unwrap();
        let changes = plan["changes"].as_array().unwrap().iter();
        let goes: BTreeSet<&str> = changes
            .filter(|c| ["delete", "replace"].contains(&c["action"].as_str().unwrap()))
            .filter_map(|c| c["address"].as_str())
            .collect();
        self.objects().into_iter().filter(|(a, _)| !goes.contains(a.as_str())).collect()
    }

    /// Exactly what shall be there is there, and the state knows it all.
    #[track_caller]
    pub(super) fn assert_exact(&self, found: &BTreeMap<String, String>) {
        let known: BTreeSet<String> = self.home.run(&["state", "list"], 0).lines().map(str::to_owned).collect();
        let found: BTreeSet<String> = found.keys().cloned().collect();
        assert_eq!(found, known, "left: on the clusters; right: in the state");
        let moved = |cluster: &str| known.contains(&format!("object/{cluster}/apps/Deployment/app/mover"));
        let changed = fs::read_to_string(self.home.project().join("policy.yaml")).unwrap().contains("coming");
        assert_eq!((moved("own"), moved("prod")), (!changed, changed));
        let state: Value = serde_json::from_str(&self.home.run(&["state", "show"], 0)).unwrap();
        for open in ["uncertain", "open"] {
            assert!(state[open].as_object().is_none_or(serde_json::Map::is_empty), "{}", state[open]);
        }
        assert!(!state.to_string().contains("not-in-any-state"));
    }

    /// Nothing of it is left, and the next cycle can begin.
    #[track_caller]
    pub(super) fn assert_gone(&self) {
        assert_eq!(self.home.run(&["state", "list"], 0), "");
        let left = self.objects();
        assert_eq!(left.keys().collect::<Vec<_>>(), ["cluster/prod"], "the cluster that was there stays, empty");
        self.original();
    }

    /// A plan file whose apply was killed: what is left of it is done, or it is refused by the address
    /// that has moved.
    #[track_caller]
    pub(super) fn a_file_goes_on_or_is_stale(&self) {
        let output = self.home.command(&["apply", "plan.json"]).output().unwrap();
        let said = both(&output);
        match output.status.code() {
            Some(0) => {}
            Some(4) => assert!(said.contains("SKY0501") && said.contains("out of date for"), "{said}"),
            other => panic!("exit {other:?}: {said}"),
        }
    }

    /// Folders and processes are those of the clusters that shall be there, each once.
    #[track_caller]
    pub(super) fn assert_processes(&self) {
        let root = self.home.dir.path().join("state/skyplan/local");
        let own = self.home.run(&["state", "list"], 0).contains("cluster/own");
        let names: &[&str] = if own { &["host", "own"] } else { &["host"] };
        let mut folders: Vec<String> = fs::read_dir(&root)
            .unwrap()
            .map(|e| e.unwrap())
            .filter(|e| e.path().is_dir())
            .map(|e| e.file_name().into_string().unwrap())
            .collect();
        folders.sort();
        assert_eq!(folders, names);
        let mut running: BTreeMap<String, usize> = BTreeMap::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
            let line = String::from_utf8_lossy(&line).into_owned();
            let mark = format!("{}/", root.display());
            if let Some((_, rest)) = line.split_once(&mark) {
                let name = rest.split('/').next().unwrap().to_owned();
                *running.entry(name).or_default() += 1;
            }
        }
        let want: BTreeMap<String, usize> = names.iter().map(|n| ((*n).to_owned(), 5)).collect();
        assert_eq!(running, want, "processes by cluster");
    }
}
