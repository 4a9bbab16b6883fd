//! A project with a home of its own, and skyplan and kubectl run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A copy of a project with a home of its own, so that no cluster of the user is touched.
pub(super) struct Home {
    pub(super) dir: tempfile::TempDir,
    /// What its commands find in their environment.
    pub(super) env: Vec<(String, String)>,
}

impl Home {
    pub(super) fn new(example: &str) -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap(), env: Vec::new() };
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        copy(&from, &home.project());
        home
    }

    pub(super) fn empty() -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap(), env: Vec::new() };
        fs::create_dir_all(home.project()).unwrap();
        home
    }

    pub(super) fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyplan"));
        command.current_dir(self.project()).args(args);
        command.env("XDG_STATE_HOME", self.dir.path().join("state")).stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs skyplan and wants this exit status; the answer is standard output.
    #[track_caller]
    pub(super) fn run(&self, args: &[&str], status: i32) -> String {
        let output = self.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "skyplan {args:?}: {}", both(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, and standard error.
    #[track_caller]
    pub(super) fn said(&self, args: &[&str], status: i32) -> String {
        let output = self.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "skyplan {args:?}: {}", both(&output));
        both(&output)
    }

    pub(super) fn kubectl(&self, cluster: &str, args: &[&str]) -> String {
        let root = skyplan::driver::local::LocalRoot::from_env().unwrap();
        let kubectl = skyplan::driver::local::kubectl(&root).expect("kubectl: run `make control-plane`");
        let config = self.dir.path().join("state/skyplan/local").join(cluster).join("kubeconfig");
        let output = Command::new(kubectl).arg("--kubeconfig").arg(config).args(args).output().unwrap();
        assert!(output.status.success(), "kubectl {args:?}: {}", both(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same of a cluster that may not answer.
    pub(super) fn try_kubectl(&self, cluster: &str, args: &[&str]) -> Option<String> {
        let root = skyplan::driver::local::LocalRoot::from_env().unwrap();
        let kubectl = skyplan::driver::local::kubectl(&root).expect("kubectl: run `make control-plane`");
        let config = self.dir.path().join("state/skyplan/local").join(cluster).join("kubeconfig");
        // An API server that is being taken down may accept and never answer.
        let kubectl =
            [kubectl.as_os_str(), "--request-timeout=60s".as_ref(), "--kubeconfig".as_ref(), config.as_os_str()];
        let output = Command::new(kubectl[0]).args(&kubectl[1..]).args(args).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    #[track_caller]
    pub(super) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.project().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} holds {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// The changes of the present plan: (action, address, why).
    pub(super) fn changes(&self) -> Vec<(String, String, String)> {
        let plan: serde_json::Value = serde_json::from_str(&self.run(&["plan", "--json"], 0)).unwrap();
        let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
        let changes = plan["changes"].as_array().unwrap().iter();
        changes.map(|c| (text(&c["action"]), text(&c["address"]), text(&c["reason"]["why"]))).collect()
    }

    pub(super) fn state_files(&self) -> usize {
        fs::read_dir(self.project().join(".skyplan/state")).unwrap().count()
    }

    /// Entries of the log; 0 before there is one.
    pub(super) fn log_entries(&self) -> usize {
        let files = fs::read_dir(self.project().join(".skyplan/state")).into_iter().flatten().flatten();
        files.filter(|f| f.path().extension().is_some_and(|e| e == "json")).count()
    }
}

impl Drop for Home {
    /// A failed test leaves no processes behind.
    fn drop(&mut self) {
        let list = self.command(&["local", "list"]).output().map(|o| o.stdout).unwrap_or_default();
        for name in String::from_utf8_lossy(&list).lines().filter_map(|l| l.split_whitespace().next()) {
            if name != "no" {
                let _ = self.command(&["local", "down", name, "--delete"]).output();
            }
        }
    }
}

pub(super) fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_name() == ".skyplan" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
