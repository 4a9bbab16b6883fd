//! Cases of diagnostic codes: folders of `testdata/codes/`, each of which brings one code about.
//!
//! | file | |
//! | --- | --- |
//! | `repo/` | a project, copied to a folder of its own; absent = an empty folder |
//! | `case.sh` | what is typed there, without a cluster; absent = `skyplan validate` |
//! | `cluster.sh` | the same, where a real cluster is needed: its kubeconfig is the file `kubeconfig` |
//! | `unit` | no command brings it about: the named unit test calls what makes it |
//! | `output.txt` | what is printed |
//!
//! Scripts are Bash. In them `skyplan` shows the command, what it prints (from the first diagnostic on)
//! and its exit status unless that is 0; `quietly` runs it and shows nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::project::checkout;

const PRELUDE: &str = r#"
set -eu
skyplan() {
  local shown="$*" said status=0
  said=$("$SKYPLAN" "$@" 2>&1 </dev/null) || status=$?
  echo "\$ skyplan $shown"
  if grep -qE '^(error|warning)\[' <<<"$said"; then sed -nE '/^(error|warning)\[/,$p' <<<"$said"; else echo "$said"; fi
  [ $status = 0 ] || echo "exit status $status"
}
quietly() { "$SKYPLAN" "$@" >/dev/null 2>&1 </dev/null || true; }
edit() { sed -i "$2" "$1"; }
"#;

/// How a case is brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Command,
    Cluster,
    Unit,
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) code: String,
    pub(crate) folder: PathBuf,
    pub(crate) how: How,
}

/// All cases, sorted by code.
pub(crate) fn cases() -> Vec<Case> {
    let entries = fs::read_dir(checkout("testdata/codes")).unwrap();
    let mut all: Vec<Case> = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .map(|folder| {
            let how = if folder.join("cluster.sh").exists() {
                How::Cluster
            } else if folder.join("unit").exists() {
                How::Unit
            } else {
                How::Command
            };
            Case { code: folder.file_name().unwrap().to_str().unwrap().to_owned(), folder, how }
        })
        .collect();
    all.sort_by(|a, b| a.code.cmp(&b.code));
    all
}

pub(crate) fn overwrite() -> bool {
    std::env::var("SNAPSHOTS").is_ok_and(|v| v == "overwrite")
}

impl Case {
    pub(crate) fn expected(&self) -> String {
        fs::read_to_string(self.folder.join("output.txt")).unwrap_or_default()
    }

    /// Types what the case says; the answer is what is printed, without what differs from run to run.
    pub(crate) fn run(&self, variables: &BTreeMap<&str, String>, kubeconfig: Option<&Path>) -> String {
        let home = tempfile::tempdir().unwrap();
        let work = home.path().join("work");
        fs::create_dir(&work).unwrap();
        if self.folder.join("repo").is_dir() {
            copy(&self.folder.join("repo"), &work);
        }
        if let Some(kubeconfig) = kubeconfig {
            fs::copy(kubeconfig, work.join("kubeconfig")).unwrap();
        }
        let name = if self.how == How::Cluster { "cluster.sh" } else { "case.sh" };
        let script = fs::read_to_string(self.folder.join(name)).unwrap_or_else(|_| "skyplan validate\n".into());
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("{PRELUDE}\n{script}")).current_dir(&work).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home.path()).env("LC_ALL", "C").env("SKYPLAN", env!("CARGO_BIN_EXE_skyplan"));
        command.envs(variables);
        let output = command.output().unwrap();
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: the script failed\n{said}\n{errors}", self.code);
        let real = home.path().canonicalize().unwrap();
        let mut text = said.into_owned();
        for path in [&work, &real.join("work")] {
            text = text.replace(&format!("{}/", path.display()), "").replace(&path.display().to_string(), ".");
        }
        for path in [home.path(), &real] {
            text = text.replace(&path.display().to_string(), "/home/me");
        }
        let lines: Vec<String> = text.lines().map(|l| plain(l.trim_end())).collect();
        lines.join("\n") + "\n"
    }

    /// Writes or compares what came out; what is wrong, in words.
    pub(crate) fn settle(&self, text: &str) -> String {
        let path = self.folder.join("output.txt");
        if !text.contains(&self.code) {
            return format!("testdata/codes/{0}: {0} is not brought about:\n{text}\n", self.code);
        }
        if self.expected() == text {
            return String::new();
        }
        if overwrite() {
            fs::write(path, text).unwrap();
            return String::new();
        }
        format!("testdata/codes/{}/output.txt\n--- is\n{}--- comes out\n{text}\n", self.code, self.expected())
    }
}

/// A line without what differs from run to run: uids, times, ports, process numbers.
pub(crate) fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in line.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '_') {
            word.push(c);
            continue;
        }
        out.push_str(&plain_word(&word));
        word.clear();
        out.push(c);
    }
    out.pop();
    out.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

fn plain_word(word: &str) -> String {
    let trimmed = word.trim_end_matches(['.', ':']);
    let tail = &word[trimmed.len()..];
    let hex = |t: &str| t.chars().all(|c| c.is_ascii_hexdigit());
    let uid =
        trimmed.len() == 36 && trimmed.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && trimmed.split('-').all(hex);
    if uid {
        return format!("UID{tail}");
    }
    // 2026-01-31T10:00:00.123Z
    let digits = |from: usize, to: usize| trimmed.get(from..to).is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit()));
    if trimmed.len() >= 20 && trimmed.ends_with('Z') && digits(0, 4) && trimmed.as_bytes()[10] == b'T' {
        return format!("TIME{tail}");
    }
    match trimmed.rsplit_once(':') {
        Some((host, port)) if host == "127.0.0.1" && port.len() >= 4 && port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{host}:PORT{tail}")
        }
        _ => word.to_owned(),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn what_differs_from_run_to_run_is_left_out() {
    assert_eq!(
        plain("uid 0b1c2d3e-0000-1111-2222-abcdefabcdef; at https://127.0.0.1:24567/x"),
        "uid UID; at https://127.0.0.1:PORT/x"
    );
    assert_eq!(plain("until 2026-01-31T10:00:00.12Z."), "until TIME.");
    assert_eq!(plain("a.yaml:12:34 and ten:1"), "a.yaml:12:34 and ten:1");
}
