//! How each tool is told to do an operation, and what counts as done.

use std::{collections::BTreeMap, process::Command};

use super::{
    objects::Object,
    project::{Project, text},
    server::{Server, kubectl},
};

/// A folder per process of the tuned kubectl.
const FOLDERS: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Skyplan,
    /// As it is.
    Kubectl,
    /// `diff --concurrency 16`; `apply` by sixteen processes at once, as it has no such flag.
    KubectlTuned,
    Bare,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Plan,
    Apply,
    Changed,
    Drifted,
    Pruned,
    Destroy,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "cold create",
            Self::Plan => "no-op plan",
            Self::Apply => "no-op apply",
            Self::Changed => "1 % changed",
            Self::Drifted => "10 % drifted",
            Self::Pruned => "10 % pruned",
            Self::Destroy => "destroy",
        }
    }
}

impl Tool {
    pub(crate) const ALL: [Self; 4] = [Self::Skyplan, Self::Kubectl, Self::KubectlTuned, Self::Bare];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Skyplan => "skyplan",
            Self::Kubectl => "kubectl",
            Self::KubectlTuned => "kubectl tuned",
            Self::Bare => "bare patches",
        }
    }

    /// kubectl prunes by another mechanism and is not asked to; the bare generator only sends.
    pub(crate) fn operations(self) -> &'static [Operation] {
        use Operation::{Apply, Changed, Create, Destroy, Drifted, Plan, Pruned};
        match self {
            Self::Skyplan => &[Create, Plan, Apply, Changed, Drifted, Pruned, Destroy],
            Self::Kubectl | Self::KubectlTuned => &[Create, Plan, Apply, Changed, Drifted, Destroy],
            Self::Bare => &[Create, Apply],
        }
    }

    pub(crate) fn prepare(self, project: &Project, servers: &[Server], wanted: &[Object]) {
        match self {
            Self::Skyplan => project.skyplan(servers, wanted),
            Self::Kubectl | Self::KubectlTuned => project.kubectl(wanted, FOLDERS),
            Self::Bare => project.bare(wanted),
        }
    }

    pub(crate) fn command(self, operation: Operation, project: &Project, servers: &[Server]) -> Command {
        let far = text(&servers[0].far);
        let mut command = match self {
            Self::Skyplan => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_skyplan"));
                command.arg("-C").arg(&project.root).args(match operation {
                    Operation::Plan => vec!["plan", "--detailed-exitcode"],
                    Operation::Destroy => vec!["destroy", "--yes"],
                    // As `--force-conflicts` does it.
                    Operation::Drifted => vec!["apply", "--yes", "--on-conflict", "take"],
                    Operation::Pruned => vec!["apply", "--yes", "--allow-deletes"],
                    _ => vec!["apply", "--yes"],
                });
                return command;
            }
            Self::Bare => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.arg("--bare").arg(&servers[0].far).arg(&project.root).arg("32");
                return command;
            }
            Self::Kubectl | Self::KubectlTuned => kubectl(),
        };
        let all = text(&project.path("all"));
        let spaces = text(&project.path("namespaces.yaml"));
        let apply = ["apply", "--server-side", "--force-conflicts", "--kubeconfig", &far];
        match operation {
            Operation::Plan => {
                command.args(["diff", "--server-side", "--force-conflicts", "--kubeconfig", &far, "-R", "-f", &all]);
                if self == Self::KubectlTuned {
                    command.args(["--concurrency", "16"]);
                }
            }
            Operation::Destroy => {
                command.args(["delete", "--kubeconfig", &far, "-f", &spaces]);
            }
            _ if self == Self::Kubectl => {
                command.args(apply).args(["-f", &spaces, "-R", "-f", &all]);
            }
            _ => {
                let kubectl = text(command.get_program().as_ref());
                let apply = format!("{kubectl} {}", apply.join(" "));
                let parts = text(&project.path("parts"));
                let script =
                    format!("set -e; {apply} -f {spaces}; ls -d {parts}/* | xargs -P {FOLDERS} -I@ {apply} -R -f @");
                command = Command::new("sh");
                command.args(["-c", &script]);
            }
        }
        command
    }

    /// What an independent reader finds: `yes`, or what is wrong.
    pub(crate) fn is_right(
        self,
        operation: Operation,
        servers: &[Server],
        wanted: &[Object],
        end: &str,
        foreign: &BTreeMap<String, String>,
    ) -> String {
        // kubectl says by its status whether there is a difference.
        if end != "ok" {
            return end.to_owned();
        }
        for server in servers {
            let found = server.values();
            if operation == Operation::Destroy {
                if !found.is_empty() {
                    return format!("{} are left", found.len());
                }
                continue;
            }
            let want: BTreeMap<String, String> = wanted.iter().map(Object::mark).collect();
            let wrong = want.iter().filter(|(name, value)| found.get(*name) != Some(value)).count();
            let more = found.keys().filter(|name| !want.contains_key(*name)).count();
            if wrong + more > 0 {
                return format!("{wrong} are wrong, {more} too many, of {} and {} foreign", want.len(), foreign.len());
            }
        }
        "yes".to_owned()
    }
}

/// Why a peer is not in the table.
pub(crate) fn absent(program: &str) -> &'static str {
    let found = Command::new(program).arg("version").output().is_ok();
    if found { "at hand, but not measured yet" } else { "absent: not installed on this machine" }
}
