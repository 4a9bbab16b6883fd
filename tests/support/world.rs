//! A world in memory: clusters with objects that answer the planner's questions and change as real
//! ones do. The reference that plans are carried out against where no control plane is at hand.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skyplan::{
    address::{ObjectAddress, ResourceAddress},
    diagnostic::Diagnostic,
    network::Networks,
    observed::{
        ClusterObserved, ClusterQuestion, DryRun, DryRunQuestion, FreeNode, Holding, Observed, Questions, Stranger,
    },
    plan::secret,
    spec::ClusterDriver,
};

use super::server_side_apply::{apply, update};

/// Everything that is.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) clusters: BTreeMap<String, Site>,
    /// What the next uid is made of.
    serial: u64,
}

/// A cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    pub(crate) uid: String,
    pub(crate) objects: BTreeMap<ResourceAddress, Value>,
    pub(crate) pools: BTreeMap<String, u32>,
    /// What it was made with, of a local one.
    pub(crate) networks: Networks,
    pub(crate) free: Vec<FreeNode>,
    /// It does not answer.
    pub(crate) silent: bool,
}

/// The address of an object on a cluster.
pub(crate) fn address_of(cluster: &str, object: &Value) -> ResourceAddress {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let version = text(&object["apiVersion"]).unwrap();
    ResourceAddress::Object(ObjectAddress {
        cluster: cluster.into(),
        group: version.split_once('/').map_or(String::new(), |(g, _)| g.into()),
        kind: text(&object["kind"]).unwrap(),
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]).unwrap(),
    })
}

/// An object as `observe` hands it on: without noise, secret values as digests.
pub(crate) fn clean(object: &Value, key: &str) -> Value {
    let mut object = object.clone();
    secret::redact(&mut object, key);
    object.as_object_mut().unwrap().remove("status");
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    for entry in object["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
        entry.as_object_mut().unwrap().remove("time");
    }
    object
}

/// Fields that cannot be changed in place.
fn immutable(live: &Value, new: &Value) -> Option<String> {
    let fields: &[&str] = match live["kind"].as_str().unwrap() {
        "Deployment" => &["/spec/selector"],
        "StatefulSet" => &["/spec/selector", "/spec/serviceName"],
        "Job" => &["/spec/template"],
        "Service" => &["/spec/clusterIP"],
        _ => &[],
    };
    let field = fields.iter().find(|f| live.pointer(f) != new.pointer(f))?;
    Some(format!("{}: field is immutable", field[1..].replace('/', ".")))
}

impl World {
    fn uid(&mut self) -> String {
        self.serial += 1;
        format!("00000000-0000-0000-0000-{:012}", self.serial)
    }

    /// Makes a cluster with the namespaces that every cluster has, unless it is there.
    pub(crate) fn make_cluster(&mut self, name: &str) -> &mut Site {
        if !self.clusters.contains_key(name) {
            let mut site = Site { uid: self.uid(), ..Site::default() };
            for namespace in ["default", "kube-system"] {
                let uid = if namespace == "kube-system" { site.uid.clone() } else { self.uid() };
                let object =
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "uid": uid}});
                site.objects.insert(address_of(name, &object), object);
            }
            self.clusters.insert(name.into(), site);
        }
        self.clusters.get_mut(name).unwrap()
    }

    /// An object.
    pub(crate) fn object(&self, address: &ResourceAddress) -> Option<&Value> {
        self.clusters.get(address.cluster())?.objects.get(address)
    }

    /// What the object would be after a server-side apply of `sent`.
    fn merged(&self, address: &ResourceAddress, sent: &Value, manager: &str, force: bool) -> Result<Value, DryRun> {
        let site = &self.clusters[address.cluster()];
        if let Some(namespace) = address.object().and_then(|o| o.namespace.as_ref()) {
            let named = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            if !site.objects.contains_key(&address_of(address.cluster(), &named)) {
                return Err(DryRun::Refused { code: 404, message: format!("namespaces \"{namespace}\" not found") });
            }
        }
        let mut taken = site.objects.get(address).cloned();
        if let Some(metadata) = taken.as_mut().filter(|_| force).and_then(|o| o["metadata"].as_object_mut()) {
            metadata.remove("managedFields");
        }
        let live = taken.as_ref();
        let new = apply(live, sent, manager).map_err(|causes| DryRun::Conflict { causes })?;
        match live.and_then(|live| immutable(live, &new)) {
            Some(message) => Err(DryRun::Immutable { message }),
            None => Ok(new),
        }
    }

    /// Server-side apply; the answer is the object.
    pub(crate) fn apply(&mut self, address: &ResourceAddress, sent: &Value, manager: &str) -> Result<Value, DryRun> {
        self.apply_as(address, sent, manager, false)
    }

    /// The same, taking fields from others if `force`.
    pub(crate) fn apply_as(
        &mut self,
        address: &ResourceAddress,
        sent: &Value,
        manager: &str,
        force: bool,
    ) -> Result<Value, DryRun> {
        let mut new = self.merged(address, sent, manager, force)?;
        let before = self.object(address);
        if before != Some(&new) {
            let uid = before.map(|o| o["metadata"]["uid"].clone());
            new["metadata"]["uid"] = uid.unwrap_or_else(|| self.uid().into());
            self.serial += 1;
            new["metadata"]["resourceVersion"] = self.serial.to_string().into();
            self.clusters.get_mut(address.cluster()).unwrap().objects.insert(address.clone(), new.clone());
        }
        Ok(new)
    }

    /// Somebody else writes an object.
    pub(crate) fn edit(&mut self, address: &str, manager: &str, edit: impl FnOnce(&mut Value)) {
        let address: ResourceAddress = address.parse().unwrap();
        self.serial += 1;
        let serial = self.serial.to_string();
        let object = self.clusters.get_mut(address.cluster()).unwrap().objects.get_mut(&address).unwrap();
        *object = update(object, manager, edit);
        object["metadata"]["resourceVersion"] = serial.into();
    }

    /// Somebody else makes an object.
    pub(crate) fn foreign(&mut self, cluster: &str, manager: &str, object: &Value) {
        let address = address_of(cluster, object);
        self.apply(&address, object, manager).unwrap();
    }

    /// Deletes an object, and what is in it.
    pub(crate) fn delete(&mut self, address: &ResourceAddress) {
        let site = self.clusters.get_mut(address.cluster()).unwrap();
        site.objects.remove(address);
        if let Some(namespace) = address.object().filter(|o| o.kind == "Namespace") {
            site.objects.retain(|a, _| a.object().and_then(|o| o.namespace.as_ref()) != Some(&namespace.name));
        }
    }

    /// Answers everything that is asked.
    pub(crate) fn answer(&self, questions: &Questions, key: &str, observed: &mut Observed) {
        for (name, question) in &questions.clusters {
            observed.clusters.insert(name.clone(), self.reach(name, question, key));
            let networks = self.clusters.get(name).map(|site| site.networks).filter(|n| !n.is_empty());
            observed.networks.extend(networks.map(|n| (name.clone(), n)));
        }
        for address in questions.lookups.keys() {
            let stranger = self.object(address).map(|object| {
                let all = object["metadata"]["managedFields"].as_array().into_iter().flatten();
                let mut managers: Vec<String> = all.filter_map(|e| e["manager"].as_str()).map(str::to_owned).collect();
                managers.sort();
                managers.dedup();
                Stranger {
                    uid: object["metadata"]["uid"].as_str().unwrap().into(),
                    managers,
                    lineage: object["metadata"]["labels"]["skyplan.io/lineage"].as_str().map(str::to_owned),
                }
            });
            observed.lookups.insert(address.clone(), stranger);
        }
        for address in questions.imports.keys() {
            observed.imports.insert(address.clone(), self.object(address).map(|o| clean(o, key)));
        }
        for (address, question) in &questions.holdings {
            let (target, site) = (address.object().unwrap(), &self.clusters[address.cluster()]);
            let strangers = site.objects.iter().filter(|(a, o)| {
                let object = a.object().unwrap();
                let within = match &question.kind {
                    Some(kind) => o["apiVersion"] == *kind.api_version && o["kind"] == *kind.kind,
                    None => object.namespace.as_ref() == Some(&target.name),
                };
                within && o["metadata"]["labels"]["skyplan.io/lineage"] != *question.lineage
            });
            let some: Vec<String> =
                strangers.map(|(a, _)| a.object().unwrap()).map(|o| format!("{} {}", o.kind, o.name)).collect();
            observed.holdings.insert(address.clone(), Holding { count: some.len() as u64, some, ..Holding::default() });
        }
        for (address, DryRunQuestion { object, manager, force }) in &questions.dry_runs {
            let answer = match self.merged(address, object, manager, *force) {
                Ok(object) => DryRun::Applied { object: clean(&object, key) },
                Err(refused) => refused,
            };
            observed.dry_runs.insert(address.clone(), answer);
        }
    }

    fn reach(&self, name: &str, question: &ClusterQuestion, key: &str) -> ClusterObserved {
        let site = match self.clusters.get(name) {
            Some(site) if !site.silent => site,
            None if question.connection.driver == ClusterDriver::Local => return ClusterObserved::Absent,
            _ => {
                let why = Diagnostic::error("SKY0701", format!("cluster `{name}` does not answer: connection refused"));
                return ClusterObserved::Unreachable { why: Box::new(why) };
            }
        };
        let ours = |object: &Value| object["metadata"]["labels"]["skyplan.io/lineage"] == *question.lineage;
        let asked = |object: &Value| {
            question.kinds.iter().any(|k| object["apiVersion"] == *k.api_version && object["kind"] == *k.kind)
        };
        let custom = |version: &str, kind: &str| {
            site.objects.values().find(|o| {
                o["kind"] == "CustomResourceDefinition"
                    && version.split_once('/').is_some_and(|(group, _)| o["spec"]["group"] == *group)
                    && o["spec"]["names"]["kind"] == *kind
            })
        };
        let served = question.kinds.iter().filter_map(|k| {
            let builtin = !k.api_version.contains('.') || k.api_version.contains(".k8s.io/");
            let namespaced = if builtin {
                !["Namespace", "CustomResourceDefinition", "ClusterRole"].contains(&k.kind.as_str())
            } else {
                custom(&k.api_version, &k.kind)?["spec"]["scope"] == "Namespaced"
            };
            Some((k.key(), namespaced))
        });
        let namespaces = site.objects.keys().filter_map(|a| a.object()).filter(|o| o.kind == "Namespace");
        ClusterObserved::Reached {
            uid: site.uid.clone(),
            version: "v1.36.0".into(),
            served: served.collect(),
            namespaces: namespaces.map(|n| (n.name.clone(), false)).collect(),
            objects: site
                .objects
                .iter()
                .filter(|(_, o)| asked(o) && ours(o))
                .map(|(a, o)| (a.clone(), clean(o, key).into()))
                .collect(),
            free: if question.capacity { site.free.clone() } else { Vec::new() },
            pools: site.pools.clone(),
        }
    }

    /// Everything that is there, without what differs from run to run: uids and versions.
    pub(crate) fn shape(&self) -> Value {
        let mut all = json!({});
        for (name, site) in &self.clusters {
            all[name] = json!({"pools": site.pools});
            for (address, object) in &site.objects {
                let mut object = object.clone();
                object["metadata"]["uid"] = Value::Null;
                object["metadata"]["resourceVersion"] = Value::Null;
                all[name][address.to_string()] = object;
            }
        }
        all
    }
}
