//! Where clusters live and where binaries are looked for.
//!
//! The environment is read here and nowhere else in the driver; everything else takes paths.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    binaries,
    folder::{self, Folder, io_fault},
};
use crate::diagnostic::Diagnostic;

/// The places that the driver works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRoot {
    /// The folder that holds one folder per cluster.
    pub state: PathBuf,
    /// Where the binaries may be; the first that is there is taken.
    pub binaries: Vec<Candidate>,
}

/// A folder that may hold the binaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The folder.
    pub folder: PathBuf,
    /// Who asked for it, e.g. an environment variable. What was asked for must be complete; a default
    /// may be absent.
    pub named_by: Option<String>,
}

impl LocalRoot {
    /// `$SKYPLAN_CONTROL_PLANE`, `$KUBEBUILDER_ASSETS` and the cache folder for binaries, and
    /// `$XDG_STATE_HOME/skyplan/local` for clusters.
    ///
    /// # Errors
    /// When neither the XDG variables nor HOME say where the user's files are.
    pub fn from_env() -> Result<Self, Diagnostic> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, Diagnostic> {
        let set = |name: &str| get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        // A relative path in an XDG variable is to be ignored, says its specification.
        let base = |variable: &str, below_home: &str| {
            set(variable)
                .filter(|p| p.is_absolute())
                .or_else(|| Some(set("HOME").filter(|p| p.is_absolute())?.join(below_home)))
                .ok_or_else(|| {
                    Diagnostic::error("SKY0620", format!("neither {variable} nor HOME is set"))
                        .detail("Local clusters keep their data below one of them.")
                        .hint(format!("set HOME, or {variable} to an absolute path"))
                })
        };
        let mut binaries = Vec::new();
        for variable in ["SKYPLAN_CONTROL_PLANE", "KUBEBUILDER_ASSETS"] {
            if let Some(folder) = set(variable) {
                binaries.push(Candidate { folder, named_by: Some(variable.to_owned()) });
            }
        }
        let cache = base("XDG_CACHE_HOME", ".cache")?;
        binaries.push(Candidate { folder: cache.join("skyplan/control-plane/current"), named_by: None });
        Ok(Self { state: base("XDG_STATE_HOME", ".local/state")?.join("skyplan/local"), binaries })
    }

    /// The folder of a cluster, which need not exist. Only a valid name leads to one, so no name can
    /// lead out of `state`.
    pub(super) fn cluster(&self, name: &str) -> Result<Folder, Diagnostic> {
        check_name(name)?;
        // Processes are recognised by the paths in their command lines, so a folder has one spelling.
        let state = fs::canonicalize(&self.state).unwrap_or_else(|_| self.state.clone());
        Ok(Folder::new(state.join(name)))
    }

    /// Creates the folder of all clusters.
    pub(super) fn create(&self) -> Result<(), Diagnostic> {
        folder::create_private(&self.state)
    }

    /// The names of all clusters that have a folder, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>, Diagnostic> {
        let entries = match fs::read_dir(&self.state) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io_fault("read", &self.state, &e)),
        };
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter(|e| e.path().is_dir())
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|name| check_name(name).is_ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// The lock file of a cluster: beside its folder, so that deleting the folder keeps the lock.
    pub(super) fn lock_file(&self, name: &str) -> PathBuf {
        self.state.join(format!(".{name}.lock"))
    }

    /// The lock file for what clusters share.
    pub(super) fn ports_lock_file(&self) -> PathBuf {
        self.state.join(".ports.lock")
    }
}

/// The `kubectl` that belongs to the control plane, if the set of binaries has one.
pub fn kubectl(root: &LocalRoot) -> Option<PathBuf> {
    root.binaries.iter().map(|c| c.folder.join("kubectl")).find(|p| binaries::is_program(p))
}

/// Whether a name may name a cluster: a DNS label.
pub(super) fn check_name(name: &str) -> Result<(), Diagnostic> {
    if is_dns_label(name) {
        return Ok(());
    }
    Err(Diagnostic::error("SKY0601", format!("`{}` cannot be the name of a local cluster", name.escape_debug()))
        .detail("A name is a DNS label: a to z, 0 to 9 and `-` between them, at most 63 characters.")
        .hint("choose a name such as `dev` or `edge-1`"))
}

/// A DNS label as Kubernetes wants it.
pub(super) fn is_dns_label(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&b| plain(b) || b == b'-')
        && bytes.first().is_some_and(|&b| plain(b))
        && bytes.last().is_some_and(|&b| plain(b))
}

/// A path in text that is read by people or by a Go program; all paths of the driver are UTF-8.
pub(super) fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "dev", "edge-1", "0", &"x".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in ["", ".", "..", "../x", "a/b", "-a", "a-", "A", "a_b", "a.b", "a\0", "ä", " a", &long] {
            assert_eq!(check_name(bad).unwrap_err().code, "SKY0601", "{bad}");
        }
    }

    fn from(variables: &[(&str, &str)]) -> Result<LocalRoot, Diagnostic> {
        LocalRoot::from_variables(|n| variables.iter().find(|(k, _)| *k == n).map(|(_, v)| v.into()))
    }

    #[test]
    fn the_environment_says_where() {
        let root = from(&[("HOME", "/home/a")]).unwrap();
        assert_eq!(root.state, Path::new("/home/a/.local/state/skyplan/local"));
        assert_eq!(
            root.binaries,
            [Candidate { folder: "/home/a/.cache/skyplan/control-plane/current".into(), named_by: None }]
        );
        let root = from(&[
            ("XDG_STATE_HOME", "/s"),
            ("XDG_CACHE_HOME", "/c"),
            ("KUBEBUILDER_ASSETS", "/k"),
            ("SKYPLAN_CONTROL_PLANE", "/p"),
        ])
        .unwrap();
        assert_eq!(root.state, Path::new("/s/skyplan/local"));
        let folders: Vec<String> = root.binaries.iter().map(|c| text(&c.folder)).collect();
        assert_eq!(folders, ["/p", "/k", "/c/skyplan/control-plane/current"]);
        assert_eq!(from(&[("XDG_STATE_HOME", "relative"), ("HOME", "")]).unwrap_err().code, "SKY0620");
    }
}
