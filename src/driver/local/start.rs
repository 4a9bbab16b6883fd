//! `up`: from whatever is there to a cluster that is usable.
//!
//! Knows the order of things. Whatever it finds half done it ends and starts anew on the same data;
//! what is well it leaves alone.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::{process::Child, time::Instant};

use super::{
    binaries::Binaries,
    certificates,
    components::Component,
    folder::Folder,
    kubeconfig,
    lock::Lock,
    ports,
    process::{self, ProcessId},
    ready::{self, Facts, Stage},
    record::{Networks, Record},
    root::{LocalRoot, text},
    stop,
};
use crate::diagnostic::Diagnostic;

/// A cluster that shall be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSpec {
    /// A DNS label.
    pub name: String,
    /// Addresses of pods and Services; `None` = as it has them, or the usual ones.
    pub networks: Option<Networks>,
    /// Whether etcd waits for the disk. Without, a crash of the machine may cost the data; for tests.
    pub fsync: bool,
    /// How long the start may take.
    pub deadline: Duration,
}

impl LocalSpec {
    /// A cluster with the defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), networks: None, fsync: true, deadline: Duration::from_secs(60) }
    }
}

/// A cluster that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// The file to reach it with, as its administrator.
    pub kubeconfig: PathBuf,
    /// The URL of its API.
    pub server: String,
    /// What tells this cluster from another of the same name.
    pub kube_system_uid: String,
    /// The version of its API server, such as `v1.36.3`.
    pub version: String,
    /// Whether there is an API only: no controllers, no scheduler.
    pub api_only: bool,
    /// Whether it can have nodes.
    pub simulates_nodes: bool,
    /// Whether anything had to be started.
    pub started: bool,
}

/// Told one line at a time what is going on.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// How long a cluster whose processes all live may take to answer before it is started anew.
const STILL_WELL: Duration = Duration::from_secs(5);

/// Makes sure that a cluster is there and usable; what was in it is still in it.
///
/// # Errors
/// When it does not come up. Nothing is left running then; data and logs stay.
pub async fn up(root: &LocalRoot, spec: &LocalSpec, progress: Progress<'_>) -> Result<Running, Diagnostic> {
    process::check_platform()?;
    super::root::check_name(&spec.name)?;
    spec.networks.iter().try_for_each(|networks| networks.check().map(drop))?;
    let binaries = Binaries::find(&root.binaries)?;
    root.create()?;
    let folder = root.cluster(&spec.name)?;
    let what = format!("cluster `{}`", spec.name);
    let _lock = Lock::take(&root.lock_file(&spec.name), &what, spec.deadline, || {
        progress("waiting for another skyplan that is at work on it");
    })
    .await?;

    let record = Record::read(&folder)?;
    if let Some(record) = &record {
        check_networks(record, spec)?;
    }
    let living = stop::living(&folder, record.as_ref());
    if let Some(record) = &record
        && let Some(running) = still_well(&folder, record, spec, &binaries, &living).await
    {
        return Ok(running);
    }
    if !living.is_empty() {
        progress("stopping what is left of it");
        stop::end(&living).await?;
    }
    let mut record = prepare(root, &folder, record, spec).await?;
    let deadline = Instant::now() + spec.deadline;
    let launch = Launch { spec, folder: &folder, binaries: &binaries, progress, deadline };
    let result = launch.run(&mut record).await;
    if result.is_err() {
        // The fault that is told is the first one.
        let _ = stop::end(&stop::living(&folder, Some(&record))).await;
        record.processes.clear();
        let _ = record.write(&folder);
    }
    result
}

fn check_networks(record: &Record, spec: &LocalSpec) -> Result<(), Diagnostic> {
    let Networks { pods, services } = &record.networks;
    let Some(wanted) = spec.networks.as_ref().filter(|wanted| record.networks != **wanted) else { return Ok(()) };
    let name = &spec.name;
    Err(Diagnostic::error("SKY0614", format!("cluster `{name}` has other networks, and they cannot be changed"))
        .detail(format!(
            "It has pods {pods} and services {services}; wanted are pods {} and services {}.",
            wanted.pods, wanted.services
        ))
        .hint(format!("give the cluster up with all that is in it: skyplan local down {name} --delete")))
}

/// The cluster as it is, if there is nothing to do.
async fn still_well(
    folder: &Folder,
    record: &Record,
    spec: &LocalSpec,
    binaries: &Binaries,
    living: &[(Component, ProcessId)],
) -> Option<Running> {
    let components: BTreeSet<Component> = living.iter().map(|(c, _)| *c).collect();
    let whole = binaries.components().iter().all(|c| components.contains(c));
    let twice = living.len() > components.len();
    let service_address = record.networks.check().ok()?;
    if !whole || twice || !certificates::are_good(folder, service_address, SystemTime::now()) {
        return None;
    }
    if !folder.kubeconfig().exists() {
        kubeconfig::write_all(folder, &spec.name, &record.server()).ok()?;
    }
    let client = kubeconfig::client(&folder.kubeconfig(), false).await.ok()?;
    let controllers = components.contains(&Component::ControllerManager);
    let facts = ready::is_usable(&client, controllers, STILL_WELL.min(spec.deadline)).await?;
    Some(running(folder, record, spec, &components, facts, false))
}

fn running(
    folder: &Folder,
    record: &Record,
    spec: &LocalSpec,
    components: &BTreeSet<Component>,
    facts: Facts,
    started: bool,
) -> Running {
    Running {
        name: spec.name.clone(),
        kubeconfig: folder.kubeconfig(),
        server: record.server(),
        kube_system_uid: facts.kube_system_uid,
        version: facts.version,
        api_only: !components.contains(&Component::ControllerManager),
        simulates_nodes: components.contains(&Component::Kwok),
        started,
    }
}

/// Everything that has to lie on disk before a process can start.
async fn prepare(
    root: &LocalRoot,
    folder: &Folder,
    record: Option<Record>,
    spec: &LocalSpec,
) -> Result<Record, Diagnostic> {
    folder.create()?;
    let mut record = {
        // Two clusters that are made at the same time must not pick the same ports.
        let _lock = Lock::take(&root.ports_lock_file(), "the ports of local clusters", spec.deadline, || {}).await?;
        let record = settle_ports(root, folder, record, spec)?;
        record.write(folder)?;
        record
    };
    let service_address = record.networks.check()?;
    let now = SystemTime::now();
    if !certificates::are_good(folder, service_address, now) {
        certificates::issue(folder, &spec.name, service_address, now)?;
    }
    kubeconfig::write_all(folder, &spec.name, &record.server())?;
    record.processes.clear();
    Ok(record)
}

fn settle_ports(
    root: &LocalRoot,
    folder: &Folder,
    record: Option<Record>,
    spec: &LocalSpec,
) -> Result<Record, Diagnostic> {
    let mut taken = BTreeSet::new();
    for name in root.names()?.iter().filter(|n| **n != spec.name) {
        // One that cannot be read is not this cluster's fault.
        if let Ok(Some(other)) = Record::read(&root.cluster(name)?) {
            taken.extend(other.ports());
        }
    }
    let seed = text(folder.path());
    let Some(mut record) = record else {
        return Ok(Record::new(spec.networks.clone().unwrap_or_default(), ports::pick(&seed, &taken)?));
    };
    if !ports::is_free(record.api_port) {
        let (port, name) = (record.api_port, &spec.name);
        return Err(port_taken(port, name));
    }
    // Nobody but this cluster's own API server knows these two.
    if !ports::is_free(record.etcd_port) || !ports::is_free(record.etcd_peer_port) {
        taken.insert(record.api_port);
        [record.etcd_port, record.etcd_peer_port] = ports::pick(&seed, &taken)?;
    }
    Ok(record)
}

fn port_taken(port: u16, name: &str) -> Diagnostic {
    Diagnostic::error("SKY0608", format!("port {port} of cluster `{name}` is in use by another program"))
        .detail("The port stands in kubeconfigs that were handed out, so the cluster keeps it.")
        .hint(format!("see who has it: ss -ltnp 'sport = :{port}'; stop that program, then run the same again"))
        .hint(format!("or give the cluster up with all that is in it: skyplan local down {name} --delete"))
}

/// What is started when. The API server waits for etcd by itself; kwok comes up while the API server
/// sleeps the second that it sleeps before it makes its roles.
const WAVES: [(Option<Stage>, &[Component]); 3] = [
    (None, &[Component::Etcd, Component::ApiServer]),
    (Some(Stage::Answers), &[Component::Kwok]),
    (Some(Stage::Healthy), &[Component::ControllerManager, Component::Scheduler]),
];

/// One start.
struct Launch<'a> {
    spec: &'a LocalSpec,
    folder: &'a Folder,
    binaries: &'a Binaries,
    progress: Progress<'a>,
    deadline: Instant,
}

impl Launch<'_> {
    async fn run(&self, record: &mut Record) -> Result<Running, Diagnostic> {
        record.binaries = text(self.binaries.folder());
        record.components = self.binaries.components().to_vec();
        let client = kubeconfig::client(&self.folder.kubeconfig(), false).await?;
        let mut children = Vec::new();
        for (stage, wave) in WAVES {
            let wave: Vec<Component> =
                wave.iter().copied().filter(|c| self.binaries.components().contains(c)).collect();
            if wave.is_empty() {
                continue;
            }
            if let Some(stage) = stage {
                self.wait(&client, stage, record, &mut children).await?;
            }
            let names: Vec<&str> = wave.iter().map(|c| c.name()).collect();
            (self.progress)(&format!("starting {}", names.join(" and ")));
            for component in wave {
                children.push(self.spawn(component, record)?);
            }
        }
        let components: BTreeSet<Component> = children.iter().map(|(c, _)| *c).collect();
        let stage = Stage::Usable { controllers: components.contains(&Component::ControllerManager) };
        let Some(facts) = self.wait(&client, stage, record, &mut children).await? else {
            return Err(Diagnostic::error("SKY0612", format!("cluster `{}` says nothing of itself", self.spec.name)));
        };
        record.version = Some(facts.version.clone());
        record.write(self.folder)?;
        Ok(running(self.folder, record, self.spec, &components, facts, true))
    }

    fn spawn(&self, component: Component, record: &mut Record) -> Result<(Component, Child), Diagnostic> {
        let arguments = component.arguments(self.folder, record, self.binaries, self.spec.fsync);
        let log = self.folder.new_log(component.name())?;
        let child = process::spawn(&self.binaries.program(component), &arguments, self.folder.path(), log)?;
        if let Some(id) = child.id().and_then(ProcessId::of) {
            record.processes.insert(component, id);
            record.write(self.folder)?;
        }
        Ok((component, child))
    }

    async fn wait(
        &self,
        client: &kube::Client,
        stage: Stage,
        record: &Record,
        children: &mut [(Component, Child)],
    ) -> Result<Option<Facts>, Diagnostic> {
        ready::wait(client, stage, &self.spec.name, self.folder, record, children, self.deadline).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_of_a_taken_port() {
        crate::render::diagnostics::golden(&port_taken(24_817, "dev"), &[]);
    }
}
