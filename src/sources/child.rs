//! A program that is not trusted: shut off, and stopped in time.
//!
//! Knows processes and bytes, not what they are about.

use std::{
    ffi::OsString,
    fs, io,
    io::Read,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// What is kept of what a program says of its faults.
const MOST_SAID: usize = 64 * 1024;
/// Between looks at whether a program that has said everything has ended.
const PAUSE: Duration = Duration::from_millis(2);
/// Nobody listens there: what would go to the network ends here at once.
const NOWHERE: &str = "http://127.0.0.1:9";

/// What a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// From start to end.
    pub deadline: Duration,
    /// Bytes that it writes.
    pub output: usize,
    /// Bytes of memory, where the system can hold it to that (Linux).
    pub memory: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(60), output: 64 << 20, memory: 4 << 30 }
    }
}

/// What a program has written.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) out: Vec<u8>,
    pub(super) faults: String,
    pub(super) success: bool,
}

/// Why there is nothing.
#[derive(Debug)]
pub(super) enum Failure {
    NotStarted(io::Error),
    Late(Duration),
    TooMuch(usize),
    Memory(u64),
}

/// Runs a program in a folder, with another one as its home, and waits until it ends or has to.
pub(super) fn run(program: &Path, args: &[OsString], folder: &Path, bounds: Bounds) -> Result<Said, Failure> {
    let home = folder.join("home");
    fs::create_dir_all(home.join("bin")).map_err(Failure::NotStarted)?;
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).env_clear();
    // An empty folder: a program that is not there (git, docker, helm) is not run.
    command.env("PATH", home.join("bin")).env("HOME", &home).env("TMPDIR", folder).env("LC_ALL", "C").env("TZ", "UTC");
    for name in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "KUSTOMIZE_PLUGIN_HOME"] {
        command.env(name, &home);
    }
    for name in ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"] {
        command.env(name, home.join("helm"));
    }
    command.env("HELM_NO_PLUGINS", "1").env("KUBECONFIG", home.join("none"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, NOWHERE);
    }
    finish(command, bounds)
}

/// Runs what is ready to be run, in a process group of its own, and waits until it ends or has to.
pub(super) fn finish(mut command: Command, bounds: Bounds) -> Result<Said, Failure> {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let until = Instant::now() + bounds.deadline;
    let mut child = command.spawn().map_err(Failure::NotStarted)?;
    limit(&child, bounds);
    let out = child.stdout.take().map(|pipe| reader(pipe, bounds.output));
    let faults = child.stderr.take().map(|pipe| reader(pipe, MOST_SAID));
    let ended = wait(&mut child, out, faults, until, bounds);
    if !matches!(ended, Ok((_, _, Some(_)))) {
        stop(&child);
    }
    let (out, faults, status) = match ended {
        Ok((out, faults, Some(status))) => (out, faults, status),
        Ok((_, _, None)) => {
            let _ = child.wait();
            return Err(Failure::Late(bounds.deadline));
        }
        Err(failure) => {
            let _ = child.wait();
            return Err(failure);
        }
    };
    let faults = String::from_utf8_lossy(&faults).into_owned();
    if !status.success() && ["out of memory", "cannot allocate memory"].iter().any(|w| faults.contains(w)) {
        return Err(Failure::Memory(bounds.memory));
    }
    Ok(Said { out, faults, success: status.success() })
}

type Ended = (Vec<u8>, Vec<u8>, Option<ExitStatus>);

/// Waits for both texts and the end; without a status it was too late.
fn wait(
    child: &mut Child,
    out: Option<Receiver<Text>>,
    faults: Option<Receiver<Text>>,
    until: Instant,
    bounds: Bounds,
) -> Result<Ended, Failure> {
    let left = || until.saturating_duration_since(Instant::now());
    let take = |pipe: Option<Receiver<Text>>| match pipe.map(|p| p.recv_timeout(left())) {
        None | Some(Err(RecvTimeoutError::Disconnected)) => Some(Text::default()),
        Some(Err(RecvTimeoutError::Timeout)) => None,
        Some(Ok(text)) => Some(text),
    };
    let Some(out) = take(out) else { return Ok((Vec::new(), Vec::new(), None)) };
    if out.more {
        return Err(Failure::TooMuch(bounds.output));
    }
    let Some(faults) = take(faults) else { return Ok((Vec::new(), Vec::new(), None)) };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok((out.bytes, faults.bytes, Some(status))),
            Ok(None) if !left().is_zero() => thread::sleep(PAUSE),
            Ok(None) => return Ok((out.bytes, faults.bytes, None)),
            Err(e) => return Err(Failure::NotStarted(e)),
        }
    }
}

/// What came out of a pipe.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    /// There was more than is read.
    more: bool,
}

fn reader(mut pipe: impl Read + Send + 'static, most: usize) -> Receiver<Text> {
    let (give, take) = channel();
    thread::spawn(move || {
        let mut text = Text::default();
        let _ = (&mut pipe).take(most as u64 + 1).read_to_end(&mut text.bytes);
        text.more = text.bytes.len() > most;
        text.bytes.truncate(most);
        let too_much = text.more;
        let _ = give.send(text);
        // Complaints without end do not hold the program up, but are not kept.
        if too_much {
            let _ = io::copy(&mut pipe, &mut io::sink());
        }
    });
    take
}

/// Ends a program and whatever it has started.
fn stop(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Holds a program to its memory and its share of time, also when nobody is there any more to stop it.
#[cfg(target_os = "linux")]
fn limit(child: &Child, bounds: Bounds) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    let most = |n: u64| Rlimit { current: Some(n), maximum: Some(n) };
    let seconds = bounds.deadline.as_secs().max(1) * 16;
    for (resource, limit) in [
        (Resource::As, bounds.memory),
        (Resource::Cpu, seconds),
        (Resource::Fsize, bounds.output as u64),
        (Resource::Core, 0),
    ] {
        // It may have ended by now.
        let _ = prlimit(Some(pid), resource, most(limit));
    }
}

#[cfg(not(target_os = "linux"))]
fn limit(_: &Child, _: Bounds) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, bounds: Bounds) -> Result<Said, Failure> {
        let folder = tempfile::tempdir().unwrap();
        run(Path::new("/bin/sh"), &["-c".into(), script.into()], folder.path(), bounds)
    }

    const SHORT: Bounds = Bounds { deadline: Duration::from_secs(1), output: 1 << 20, memory: 1 << 30 };

    #[test]
    fn nothing_of_the_environment_is_passed_on() {
        let said = shell("/usr/bin/env; echo fault >&2; exit 3", SHORT).unwrap();
        let text = String::from_utf8(said.out).unwrap();
        assert!(!said.success);
        assert_eq!(said.faults, "fault\n");
        assert!(text.contains("HELM_NO_PLUGINS=1") && !text.contains("CARGO"), "{text}");
        let path = text.lines().find_map(|l| l.strip_prefix("PATH=")).unwrap();
        assert!(path.ends_with("home/bin"), "{path}");
    }

    #[test]
    fn time_and_output_end() {
        let begin = Instant::now();
        assert!(matches!(shell("/bin/sleep 100 & wait", SHORT), Err(Failure::Late(_))));
        // One that has closed its pipes, and one that leaves a child with them.
        assert!(matches!(shell("exec >&- 2>&-; /bin/sleep 100", SHORT), Err(Failure::Late(_))));
        assert!(matches!(shell("/bin/sleep 100 & exit 0", SHORT), Err(Failure::Late(_))));
        assert!(matches!(
            shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", SHORT),
            Err(Failure::TooMuch(_))
        ));
        assert!(shell("i=0; while [ $i -lt 9999 ]; do echo xxxxxxxxxxxxxxxx >&2; i=$((i+1)); done", SHORT).is_ok());
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_is_not_there_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let gone = run(Path::new("/nowhere/helm"), &[], folder.path(), SHORT);
        assert!(matches!(gone, Err(Failure::NotStarted(_))));
        assert!(!shell("git --version", SHORT).unwrap().success, "no other program is found");
    }
}
