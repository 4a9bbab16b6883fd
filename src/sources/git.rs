//! A revision of a Git repository, fetched by the git program.
//!
//! Into an empty repository without hooks, with protocols that run nothing. Its files are read from the object
//! database, so that neither filters nor attributes have a say.

use std::{ffi::OsString, process::Command, time::Duration};

use super::{
    child::{Bounds, Failure, Said, finish},
    remote::{Fetched, Refusal, refusal},
};
use crate::load::snapshot::Place;

const BOUNDS: Bounds = Bounds { deadline: Duration::from_secs(300), output: 2 << 30, memory: 8 << 30 };
/// Without `http`, which anybody on the way can change, and `ext`, which runs what it is told.
const SCHEMES: [&str; 4] = ["https://", "ssh://", "file://", "git://"];
const LOOK: &str = "does `git ls-remote` work on that address?";

/// Fetches a revision: the commit that the lock has, or what a branch or tag is now.
pub(super) fn fetch(url: &str, revision: &str, named: &str) -> Result<Fetched, Refusal> {
    if !SCHEMES.iter().any(|s| url.starts_with(s)) {
        return Err(refusal(
            format!("`{url}` is no address that is fetched from."),
            "write https://, ssh://, file:// or git://",
        ));
    }
    if [revision, named].iter().any(|r| r.starts_with('-') || r.contains([':', '*', ' ', '^', '~'])) {
        return Err(refusal(format!("`{revision}` is no branch, tag or commit."), "write its name alone"));
    }
    let folder = tempfile::Builder::new()
        .prefix("skyplan-")
        .tempdir()
        .map_err(|e| refusal(format!("No temporary folder can be made: {e}."), "TMPDIR says where it is made"))?;
    let git = |args: &[&str]| -> Result<Said, Refusal> {
        let mut command = Command::new("git");
        command.current_dir(&folder).env_clear();
        // The user's own ways to log in, and nothing of the repository that skyplan is called in.
        for name in ["PATH", "HOME", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE"]
        {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "true").env("SSH_ASKPASS", "true");
        command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes").env("LC_ALL", "C");
        // What a repository lacks is not asked for at an address that it names itself.
        command.env("GIT_NO_LAZY_FETCH", "1");
        command.env("GIT_ALLOW_PROTOCOL", "https:ssh:file:git");
        for setting in ["core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "fetch.fsckObjects=true"] {
            command.args(["-c", setting]);
        }
        command.args(args.iter().map(OsString::from));
        finish(command, BOUNDS).map_err(|failure| match failure {
            Failure::NotStarted(e) => refusal(format!("git cannot be run: {e}."), "install git"),
            Failure::Late(limit) => refusal(format!("It took more than {} s.", limit.as_secs()), LOOK),
            Failure::TooMuch(_) | Failure::Memory(_) => refusal("It is too large.", LOOK),
        })
    };
    let said = git(&["init", "--quiet", "--bare", "."])?;
    if !said.success {
        return Err(refusal(format!("git says: {}", said.faults.trim()), "does git work there?"));
    }
    let is_commit = revision.len() >= 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
    let mut said = git(&["fetch", "--quiet", "--depth=1", "--no-tags", "--", url, revision])?;
    if !said.success && is_commit {
        // Not every server gives a commit that is not the head of something, but it may still have it.
        said = git(&["fetch", "--quiet", "--", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])?;
    }
    if !said.success {
        return Err(refusal(format!("git says: {}", said.faults.trim()), LOOK));
    }
    let wanted = if is_commit { revision } else { "FETCH_HEAD" };
    let said = git(&["rev-parse", "--verify", "--quiet", &format!("{wanted}^{{commit}}")])?;
    let commit = String::from_utf8_lossy(&said.out).trim().to_owned();
    if !said.success || commit.is_empty() {
        return Err(refusal(format!("The repository has no commit {revision} in its branches and tags."), LOOK));
    }
    let files = Place::Revision(folder.path().into(), commit.clone()).files("");
    let files =
        files.map_err(|d| refusal(format!("{}.", d.summary), "it is read as a project is: see docs/sources.md"))?;
    Ok(Fetched { resolved: commit, files: files.unwrap_or_default() })
}
