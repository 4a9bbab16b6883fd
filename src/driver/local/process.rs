//! Starting, recognising and ending processes.
//!
//! A process is its number, the moment it was started and the boot of the machine: a number alone is
//! soon somebody else's. Nothing is ever signalled before all three were found to agree. Knows
//! nothing of Kubernetes.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Stdio,
};

use rustix::process::{Pid, Signal, getuid};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::folder::io_fault;
use crate::{diagnostic::Diagnostic, state::Holder};

/// Which process, for all time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    pub(super) pid: u32,
    /// Ticks since boot, as the kernel counts them.
    pub(super) started: u64,
    /// The boot within which the other two mean anything.
    pub(super) boot: String,
}

/// This process, as another run can recognise it.
pub fn this_process() -> Option<Holder> {
    let id = ProcessId::of(std::process::id())?;
    Some(Holder { pid: id.pid, started: id.started, space: format!("{} {}", id.boot, namespace()?) })
}

/// Whether a process is known to have ended. One of another machine or container never is.
pub fn has_ended(holder: &Holder) -> bool {
    let here = boot().zip(namespace()).map(|(boot, namespace)| format!("{boot} {namespace}"));
    if here.as_ref() != Some(&holder.space) {
        return false;
    }
    !Stat::read(holder.pid).is_some_and(|s| s.started == holder.started && !s.has_ended())
}

/// The namespace that process numbers are of: containers of one machine share its boot, not this.
fn namespace() -> Option<String> {
    Some(std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

impl ProcessId {
    /// The process that has this number now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self { pid, started: stat.started, boot: boot()? })
    }

    /// Whether it still runs. One that has ended but was not collected by its parent does not.
    pub(super) fn is_alive(&self) -> bool {
        Stat::read(self.pid).is_some_and(|s| s.started == self.started && !s.has_ended())
            && boot().as_ref() == Some(&self.boot)
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    #[cfg(target_os = "linux")]
    fn signal(&self, signal: Signal) {
        use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
        let Some(pid) = self.number() else { return };
        // A descriptor of the process is taken first and the identity checked after: what the
        // descriptor speaks of cannot be replaced in between.
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) if self.is_alive() => {
                let _ = pidfd_send_signal(&descriptor, signal);
            }
            Err(rustix::io::Errno::NOSYS) => self.signal_number(pid, signal),
            _ => {}
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.number() {
            self.signal_number(pid, signal);
        }
    }

    fn signal_number(&self, pid: Pid, signal: Signal) {
        if self.is_alive() {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn number(&self) -> Option<Pid> {
        // 1 is init: never ours, whatever a record says.
        i32::try_from(self.pid).ok().filter(|n| *n > 1).and_then(Pid::from_raw)
    }
}

/// What `/proc/<pid>/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    threads: u32,
    started: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
    }

    /// `pid (name) state …`: the name is the process' own choice and may hold anything, brackets and
    /// line ends too; what follows its last bracket is fields without any.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        // State is the third field of the line, the number of threads the 20th, the start the 22nd.
        let state = fields.next()?.chars().next()?;
        let threads = fields.nth(16)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        Some(Self { state, threads, started })
    }

    /// A process that is killed shows as a zombie when its first thread has ended; its ports and
    /// files stay taken until the last one has.
    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

/// Which boot of the machine this is.
fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// Whether this system can tell processes apart.
pub(super) fn check_platform() -> Result<(), Diagnostic> {
    if ProcessId::of(std::process::id()).is_some() { Ok(()) } else { Err(no_processes()) }
}

fn no_processes() -> Diagnostic {
    Diagnostic::error("SKY0604", "local clusters cannot be run on this system")
        .detail("They need Linux' /proc to tell their own processes from others.")
        .hint("run skyplan on Linux, in a virtual machine or in a container")
}

/// All processes of this user that have one of `marks` as an argument, with the mark's tag.
pub(super) fn marked<T: Copy>(marks: &[(T, String)]) -> Vec<(T, ProcessId)> {
    let user = getuid().as_raw();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let folder = format!("/proc/{pid}");
        let arguments = fs::read(format!("{folder}/cmdline")).ok()?;
        let tag =
            marks.iter().find(|(_, mark)| arguments.split(|b| *b == 0).any(|argument| argument == mark.as_bytes()))?.0;
        let ours = fs::metadata(folder).ok()?.uid() == user;
        ours.then(|| ProcessId::of(pid).map(|id| (tag, id))).flatten()
    })
    .collect()
}

/// Starts a program that is to outlive this one: a process group of its own, so that no Ctrl-C
/// reaches it, nothing of our environment, no terminal.
pub(super) fn spawn(program: &Path, arguments: &[String], home: &Path, log: File) -> Result<Child, Diagnostic> {
    let second = log.try_clone().map_err(|e| io_fault("write the log of", program, &e))?;
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(second)
        .process_group(0)
        .kill_on_drop(false)
        .spawn()
        .map_err(|e| {
            Diagnostic::error("SKY0610", format!("{} cannot be started", program.display()))
                .detail(format!("The system says: {e}."))
                .hint("rebuild the programs for this machine: make control-plane")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_parsed_whatever_the_name() {
        let line = |name: &str| {
            format!("12 ({name}) Z 1 12 12 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 9 0 4711 123456 78 18446744073709551615")
        };
        for name in ["etcd", "a) b (c", "", ")", "x) R 1 2 3", "two\nlines", "((("] {
            let stat = Stat::parse(&line(name)).unwrap();
            assert_eq!(stat, Stat { state: 'Z', threads: 9, started: 4711 }, "{name}");
            assert!(!stat.has_ended() && Stat { threads: 1, ..stat }.has_ended());
        }
        for bad in ["", "12 (x", "12 (x) ", "12 (x) S 1 2 3", "12 (x) S a b c d e f g h i j k l m n o p q r s t"] {
            assert_eq!(Stat::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn this_process_is_known() {
        let own = ProcessId::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!ProcessId { started: own.started + 1, ..own.clone() }.is_alive());
        assert!(!ProcessId { boot: "another".into(), ..own.clone() }.is_alive());
        assert!(check_platform().is_ok());
        assert_eq!(ProcessId { pid: 0, ..own.clone() }.number(), None);
        assert_eq!(ProcessId { pid: 1, ..own.clone() }.number(), None);
        assert_eq!(ProcessId { pid: u32::MAX, ..own }.number(), None);
    }

    #[tokio::test]
    async fn only_the_same_process_is_ended() {
        let place = tempfile::tempdir().unwrap();
        let mark = format!("--x={}", place.path().display());
        let log = File::create(place.path().join("log")).unwrap();
        let script = ["-c".into(), "kill -STOP $$".into(), mark.clone()];
        let mut child = spawn(Path::new("/bin/sh"), &script, place.path(), log).unwrap();
        let id = ProcessId::of(child.id().unwrap()).unwrap();
        // Its arguments may be a moment in coming.
        let seen = || marked(&[((), mark.clone())]);
        for _ in 0..100 {
            if !seen().is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(seen(), [((), id.clone())]);
        assert_eq!(marked(&[((), "--x=".into())]), []);

        let other = ProcessId { started: id.started - 1, ..id.clone() };
        other.kill();
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(id.is_alive() && child.try_wait().unwrap().is_none());
        id.kill();
        assert!(!child.wait().await.unwrap().success());
        assert!(!id.is_alive());
    }

    #[test]
    fn golden_of_other_systems() {
        crate::render::diagnostics::golden(&no_processes(), &[]);
    }
}
