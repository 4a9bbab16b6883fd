//! `list`: which clusters there are and how they are, without asking them.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    process,
    record::{Networks, Record},
    root::LocalRoot,
    stop,
};
use crate::diagnostic::Diagnostic;

/// A cluster that has a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalInfo {
    /// Its name.
    pub name: String,
    /// The URL of its API; empty when its record cannot be read.
    pub server: String,
    /// Whether it runs.
    pub state: LocalState,
    /// The file to reach it with.
    pub kubeconfig: PathBuf,
    /// Its processes by program.
    pub pids: BTreeMap<String, u32>,
    /// The version it ran with last.
    pub version: Option<String>,
    /// Its networks; `None` when its record cannot be read.
    pub networks: Option<Networks>,
}

/// Whether a cluster runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalState {
    /// All of its processes do.
    Running,
    /// None does; its data are kept.
    Stopped,
    /// Neither; what is wrong.
    Broken(String),
}

/// All clusters, by name.
///
/// # Errors
/// When the folder of clusters cannot be read.
pub fn list(root: &LocalRoot) -> Result<Vec<LocalInfo>, Diagnostic> {
    process::check_platform()?;
    root.names()?.iter().map(|name| info(root, name)).collect()
}

/// One cluster; `None` = it has no folder.
///
/// # Errors
/// When the folder of clusters cannot be read.
pub fn find(root: &LocalRoot, name: &str) -> Result<Option<LocalInfo>, Diagnostic> {
    process::check_platform()?;
    root.names()?.iter().find(|n| *n == name).map(|name| info(root, name)).transpose()
}

fn info(root: &LocalRoot, name: &str) -> Result<LocalInfo, Diagnostic> {
    let folder = root.cluster(name)?;
    let (record, fault) = match Record::read(&folder) {
        Ok(Some(record)) => (Some(record), None),
        Ok(None) => (None, Some("it was never completely made".to_owned())),
        Err(fault) => (None, Some(fault.summary)),
    };
    let living = stop::living(&folder, record.as_ref());
    let components = record.iter().flat_map(|r| &r.components);
    let dead: Vec<&str> = components.filter(|c| living.iter().all(|(l, _)| l != *c)).map(|c| c.name()).collect();
    let state = match fault {
        Some(fault) => LocalState::Broken(fault),
        None if living.is_empty() => LocalState::Stopped,
        None if dead.is_empty() => LocalState::Running,
        None => LocalState::Broken(format!("{} not running", dead.join(", "))),
    };
    Ok(LocalInfo {
        name: name.to_owned(),
        server: record.as_ref().map(Record::server).unwrap_or_default(),
        state,
        kubeconfig: folder.kubeconfig(),
        pids: living.iter().map(|(c, id)| (c.name().to_owned(), id.pid)).collect(),
        networks: record.as_ref().map(|r| r.networks.clone()),
        version: record.and_then(|r| r.version),
    })
}
