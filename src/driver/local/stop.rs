//! `down`: ending a cluster's processes, all of them and no others, and removing its data if asked.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    components::Component,
    folder::Folder,
    lock::Lock,
    process::{self, ProcessId},
    record::Record,
    root::LocalRoot,
};
use crate::diagnostic::Diagnostic;

/// What becomes of a cluster's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// The next `up` has all objects again.
    Keep,
    /// Nothing is left.
    Delete,
}

/// How long another run on the same cluster is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after SIGTERM comes SIGKILL. Nothing is lost by it: what was acknowledged is in etcd's
/// log, and etcd reads that log at its next start as it does after every crash.
const GRACE: Duration = Duration::from_millis(1500);
/// How long the kernel may take to end a process that was killed.
const LAST: Duration = Duration::from_secs(10);

/// Stops a cluster; the answer is whether there was anything to stop or to delete.
///
/// # Errors
/// When a process does not end or the data cannot be removed.
pub async fn down(root: &LocalRoot, name: &str, data: Data) -> Result<bool, Diagnostic> {
    process::check_platform()?;
    let folder = root.cluster(name)?;
    if !root.state.is_dir() {
        return Ok(false);
    }
    let lock = Lock::take(&root.lock_file(name), &format!("cluster `{name}`"), PATIENCE, || {}).await?;
    let was_there = folder.exists();
    // A record that cannot be read must not keep anybody from getting rid of the cluster: its
    // processes are known by their command lines too.
    let record = Record::read(&folder).ok().flatten();
    let living = living(&folder, record.as_ref());
    match data {
        Data::Keep => end(&living).await?,
        Data::Delete => end_at_once(&living).await?,
    }
    match (data, record) {
        (Data::Keep, Some(mut record)) if !record.processes.is_empty() => {
            record.processes.clear();
            record.write(&folder)?;
        }
        (Data::Keep, _) => {}
        (Data::Delete, _) => folder.remove()?,
    }
    if !folder.exists() {
        lock.remove();
    }
    Ok(!living.is_empty() || (was_there && data == Data::Delete))
}

/// All processes of a cluster that live: those recorded, and those of which no record was kept.
pub(super) fn living(folder: &Folder, record: Option<&Record>) -> Vec<(Component, ProcessId)> {
    let recorded = record.into_iter().flat_map(|r| &r.processes).map(|(c, id)| (*c, id.clone()));
    let marks = Component::ALL.map(|c| (c, c.mark(folder)));
    let mut all: Vec<(Component, ProcessId)> = recorded.chain(process::marked(&marks)).collect();
    all.retain(|(_, id)| id.is_alive());
    all.sort_by_key(|(component, id)| (id.pid, *component));
    all.dedup_by(|a, b| a.1 == b.1);
    all
}

/// Ends processes in the order of [`Component::STOP_ORDER`] and waits until they have ended.
pub(super) async fn end(processes: &[(Component, ProcessId)]) -> Result<(), Diagnostic> {
    for group in Component::STOP_ORDER {
        let group: Vec<_> = processes.iter().filter(|(c, _)| group.contains(c)).cloned().collect();
        group.iter().for_each(|(_, id)| id.terminate());
        if !ended(&group, GRACE).await {
            end_at_once(&group).await?;
        }
    }
    Ok(())
}

/// Ends processes whose data nobody will ask for; the store last, as an API server without one does not answer, and
/// who asks it waits, should we be killed in between.
async fn end_at_once(processes: &[(Component, ProcessId)]) -> Result<(), Diagnostic> {
    processes.iter().rev().for_each(|(_, id)| id.kill());
    if ended(processes, LAST).await { Ok(()) } else { Err(stuck(processes)) }
}

async fn ended(group: &[(Component, ProcessId)], patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while group.iter().any(|(_, id)| id.is_alive()) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(Duration::from_millis(5)).await;
    }
    true
}

fn stuck(group: &[(Component, ProcessId)]) -> Diagnostic {
    let left: Vec<(String, String)> = group
        .iter()
        .filter(|(_, id)| id.is_alive())
        .map(|(component, id)| (component.to_string(), id.pid.to_string()))
        .collect();
    immortal(&left)
}

fn immortal(left: &[(String, String)]) -> Diagnostic {
    let names: Vec<String> = left.iter().map(|(component, pid)| format!("{component} (process {pid})")).collect();
    let pids: Vec<&str> = left.iter().map(|(_, pid)| &**pid).collect();
    Diagnostic::error("SKY0613", format!("{} cannot be ended", names.join(", ")))
        .detail("It was killed and is still there: it may wait for a disk, or belong to another user.")
        .hint(format!(
            "see what it does: ps -o pid,user,stat,wchan:30,cmd -p {}; then run the same again",
            pids.join(",")
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_of_a_process_that_stays() {
        crate::render::diagnostics::golden(&immortal(&[("etcd".into(), "4711".into())]), &[]);
    }
}
